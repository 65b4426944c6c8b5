//! Servers that the gateway starts itself: MLServer, a Triton, a program of one's own that speaks the protocol over HTTP.
//!
//! What is started is the configuration's word and nobody else's. Each version has processes of its own, on ports of the loopback that are
//! chosen here, behind a guard ([`crate::worker`]) that ends them with the gateway. Once they listen they are servers of an upstream like
//! any other: probed, held to golden requests, left out. Not here: how requests are shared among them.

use super::health::Standing;
use super::ports::Port;
use super::probe::Miss;
use super::{Remote, Replica, Secret};
use crate::clock;
use crate::limits;
use crate::pool::{LogFile, PoolEvent, PoolSettings, Process, Slot, restart_ms, stopped, wait};
use crate::worker::{DONE, GUARD};
use futures::future::join_all;
use rustix::process::{Pid, Signal, kill_process_group};
use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::io::AsyncReadExt as _;
use tokio::net::UnixStream;
use tokio::process::Command;
use tokio::sync::Notify;

/// Where the port stands in a command.
const PORT: &str = "{port}";
/// Variables of our environment that every server gets; further ones are named by the configuration.
const HANDED_DOWN: [&str; 10] =
    ["PATH", "HOME", "USER", "LANG", "LC_ALL", "TZ", "TMPDIR", "LD_LIBRARY_PATH", "SSL_CERT_FILE", "SSL_CERT_DIR"];
/// How often a server is looked at, in milliseconds.
const LOOK_MS: u64 = 100;

/// What is started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Program {
    /// Our own program and its first words, which make it a worker.
    pub guard: (PathBuf, Vec<OsString>),
    /// The command; `{port}` in it becomes the port.
    pub words: Vec<String>,
    /// The folder that it is started in.
    pub dir: PathBuf,
    /// Variables of our environment that it gets besides those that all get, with their values.
    pub environment: Vec<(String, Secret)>,
    /// The file that what it says goes to.
    pub log: Option<PathBuf>,
    /// How many of it share the requests of one version.
    pub copies: usize,
    /// Time to be ready, in milliseconds.
    pub ready_ms_max: u64,
    /// Time to end by itself, in milliseconds.
    pub stop_ms_max: u64,
    /// See [`limits::CHILD_RESTARTS_MAX`].
    pub restarts_max: u32,
}

impl Program {
    /// With the limits that are there when nothing else is said.
    #[must_use]
    pub fn new(guard: PathBuf, guard_words: Vec<OsString>, words: Vec<String>, dir: PathBuf) -> Program {
        Program {
            guard: (guard, guard_words),
            words,
            dir,
            environment: Vec::new(),
            log: None,
            copies: 1,
            ready_ms_max: limits::CHILD_READY_MS_MAX,
            stop_ms_max: limits::CHILD_STOP_MS_MAX,
            restarts_max: limits::CHILD_RESTARTS_MAX,
        }
    }
}

/// The servers of one version, in the order of its replicas.
#[derive(Debug)]
pub struct Children {
    program: Program,
    log: Option<Arc<LogFile>>,
    each: Vec<Place>,
}

/// Where one of them runs.
#[derive(Debug)]
struct Place {
    port: Port,
    /// The number of its process and its group; 0 while none runs.
    process: AtomicU32,
    /// With which of the version's revivals it was last started, where it is not started again before the next one, and how it ended; none
    /// while it is.
    given_up: Mutex<Option<(u64, String)>>,
}

impl Children {
    /// Places for all copies; nothing is started.
    ///
    /// # Errors
    /// A sentence, when no port is free.
    pub fn new(program: Program) -> Result<Children, String> {
        let place = |_| Ok(Place { port: Port::free()?, process: AtomicU32::new(0), given_up: Mutex::default() });
        let each = (0..program.copies.clamp(1, limits::REPLICAS_MAX)).map(place).collect::<Result<_, String>>()?;
        let log = program.log.clone().map(LogFile::of);
        Ok(Children { program, log, each })
    }

    /// The ports that they listen on.
    pub fn ports(&self) -> impl Iterator<Item = u16> {
        self.each.iter().map(|place| place.port.number())
    }

    /// Their processes that run now.
    pub fn processes(&self) -> impl Iterator<Item = u32> {
        self.each.iter().map(|place| place.process.load(Ordering::SeqCst)).filter(|process| *process != 0)
    }

    /// How the last of them ended, where none is started again before the version is revived once more. What probes found since then is
    /// only that nobody is there.
    pub fn given_up(&self, slot: &Slot) -> Option<String> {
        let revivals = slot.revivals.load(Ordering::SeqCst);
        let ends = self.each.iter().map(|place| {
            let given_up = place.given_up.lock().unwrap_or_else(PoisonError::into_inner);
            given_up.as_ref().filter(|(of, _)| *of == revivals).map(|(_, why)| why.clone())
        });
        ends.collect::<Option<Vec<String>>>()?.pop()
    }

    /// Longest that the first of them may take to be ready, with the times that it is started again, in milliseconds.
    pub fn start_ms_max(&self) -> u64 {
        let starts = u64::from(self.program.restarts_max).saturating_add(1);
        self.program.ready_ms_max.saturating_add(limits::RESTART_MS_MAX).saturating_mul(starts)
    }
}

/// A server that runs.
struct Running {
    process: Process,
    /// Closed to have it end; none when it is closed.
    connection: Option<UnixStream>,
    group: Option<Pid>,
    stop_ms_max: u64,
}

impl Running {
    /// Starts a server. It is not ready yet.
    async fn start(remote: &Remote, children: &Children, place: &Place) -> Result<Running, String> {
        let program = &children.program;
        let port = place.port.number().to_string();
        let mut command = Command::new(&program.guard.0);
        command.args(&program.guard.1).args([GUARD, &program.stop_ms_max.to_string(), "--"]);
        command.args(program.words.iter().map(|word| word.replace(PORT, &port))).current_dir(&program.dir).env_clear();
        command.envs(HANDED_DOWN.iter().filter_map(|name| Some((name, std::env::var_os(name)?))));
        command.envs(program.environment.iter().map(|(name, value)| (name, &value.0)));
        command.env("TIDEGATE_PORT", &port).env("TIDEGATE_MODEL", &remote.model.model);
        command.env("TIDEGATE_VERSION", remote.model.version.as_deref().unwrap_or_default());
        let name = format!("{}:{port}", remote.upstream.name);
        let failed = |error: std::io::Error| format!("start upstream {name}: {}: {error}", program.guard.0.display());
        let (process, connection) = Process::connected(command, name.clone(), children.log.clone()).map_err(failed)?;
        connection.set_nonblocking(true).map_err(failed)?;
        let connection = UnixStream::from_std(connection).map_err(failed)?;
        let mut running = Running { process, connection: Some(connection), group: None, stop_ms_max: program.stop_ms_max };
        let mut number = [0; 4];
        let told = match &mut running.connection {
            Some(connection) => connection.read_exact(&mut number).await,
            None => Ok(0),
        };
        if told.is_err() {
            // The guard has said why it could not start it.
            return Err(running.process.ended().await);
        }
        let number = u32::from_le_bytes(number);
        running.group = Pid::from_raw(number.cast_signed());
        place.process.store(number, Ordering::SeqCst);
        Ok(running)
    }

    /// Waits for its end; says how it ended.
    async fn ended(&mut self) -> String {
        let how = self.process.ended().await;
        self.sweep().await;
        how
    }

    /// Has it end, in its time, then for certain; says how it ended.
    async fn end(mut self) -> String {
        // Only the half that we write is closed: its last word still comes.
        if let Some(connection) = &mut self.connection {
            let _ = tokio::io::AsyncWriteExt::shutdown(connection).await;
        }
        let how = self.process.end_within(self.stop_ms_max.saturating_add(limits::EXIT_MS_MAX)).await;
        self.sweep().await;
        how
    }

    /// Kills what is left of the group when the guard was killed before it could.
    async fn sweep(&mut self) {
        // Taken when it was read: until then whoever stops waiting leaves the group to `drop`.
        let Some(connection) = self.connection.as_mut() else { return };
        let mut said = Vec::new();
        let within = Duration::from_millis(limits::LAST_WORDS_MS_MAX);
        let _ = tokio::time::timeout(within, connection.read_to_end(&mut said)).await;
        self.connection = None;
        if let Some(group) = self.group.take().filter(|_| !said.contains(&DONE)) {
            let _ = kill_process_group(group, Signal::KILL);
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Whoever was to wait for its end is gone: its guard is killed with it, and cannot end the group any more.
        if self.connection.is_some()
            && let Some(group) = self.group
        {
            let _ = kill_process_group(group, Signal::KILL);
        }
    }
}

/// Keeps the servers of a version running until it is unloaded; returns when they have ended. Servers that others start are nobody's here.
pub async fn keep(slot: &Slot, remote: &Remote, settings: &PoolSettings, tell: &impl Fn(PoolEvent), changed: &Notify) {
    let Some(children) = &remote.children else { return std::future::pending().await };
    let each =
        remote.replicas.iter().zip(&children.each).map(|(replica, place)| keep_one(slot, remote, replica, place, settings, tell, changed));
    join_all(each).await;
}

async fn keep_one(
    slot: &Slot,
    remote: &Remote,
    replica: &Replica,
    place: &Place,
    settings: &PoolSettings,
    tell: &impl Fn(PoolEvent),
    changed: &Notify,
) {
    let Some(children) = &remote.children else { return };
    let program = &children.program;
    let address = replica.connections.address();
    let mut deaths: u32 = 0;
    loop {
        let (began, revivals) = (clock::steady_ms(), slot.revivals.load(Ordering::SeqCst));
        let why = match Running::start(remote, children, place).await {
            Err(why) => why,
            Ok(mut running) => tokio::select! {
                () = stopped(slot) => {
                    running.end().await;
                    place.process.store(0, Ordering::SeqCst);
                    return;
                }
                why = running.ended() => why,
                why = unwell(replica, program, settings) => {
                    let how = running.end().await;
                    format!("{why}; {how}")
                }
            },
        };
        place.process.store(0, Ordering::SeqCst);
        let was_well = replica.health().right_so_far();
        replica.health().ended(&why);
        replica.leave();
        changed.notify_one();
        deaths = if was_well && clock::steady_ms().saturating_sub(began) >= limits::CRASH_WINDOW_MS { 1 } else { deaths.saturating_add(1) };
        tracing::warn!(upstream = remote.upstream(), %address, %why, deaths, "a server that was started here ended");
        if deaths > program.restarts_max {
            let why = format!("it ended {deaths} times and is not started again; the last time: {why}");
            replica.health().ended(&why);
            *place.given_up.lock().unwrap_or_else(PoisonError::into_inner) = Some((revivals, why));
            changed.notify_one();
            if !revived(slot, revivals).await {
                return;
            }
            *place.given_up.lock().unwrap_or_else(PoisonError::into_inner) = None;
            deaths = 0;
            continue;
        }
        tell(PoolEvent::Died { target: slot.spec.target.clone(), why: format!("{address}: {why}") });
        if !wait(slot, restart_ms(settings.restart_ms_min, usize::try_from(deaths).unwrap_or(usize::MAX))).await {
            return;
        }
        slot.restarts.fetch_add(1, Ordering::SeqCst);
    }
}

/// Waits until the version was revived more often than `before`; false when it is unloaded instead.
async fn revived(slot: &Slot, before: u64) -> bool {
    let mut state = slot.state.subscribe();
    let again = async {
        // Whoever revives it changes its state too. The sender lives in the slot that we hold: the channel cannot close.
        let _ = state.wait_for(|_| slot.revivals.load(Ordering::SeqCst) > before).await;
    };
    tokio::select! {
        () = stopped(slot) => false,
        () = again => true,
    }
}

/// Returns when a server that runs is better started anew: not ready in its time, answering wrong after it was right, or silent too long.
async fn unwell(replica: &Replica, program: &Program, settings: &PoolSettings) -> String {
    let began = clock::steady_ms();
    let mut well_ms = None;
    loop {
        tokio::time::sleep(Duration::from_millis(LOOK_MS)).await;
        let now_ms = clock::steady_ms();
        let standing = replica.health().standing().clone();
        match (standing, well_ms) {
            (Standing::Well, _) => well_ms = Some(now_ms),
            (Standing::Wrong(why), Some(_)) => return why,
            (Standing::Away(why), Some(last)) if now_ms.saturating_sub(last) >= settings.stall_ms_max => {
                return format!("it was not well for {} ms: {why}", settings.stall_ms_max);
            }
            (_, None) if now_ms.saturating_sub(began) >= program.ready_ms_max => {
                return format!("it was not ready within {} ms of its start", program.ready_ms_max);
            }
            _ => {}
        }
    }
}

/// Starts the first server of a version for as long as `work` takes: to be asked before the version is registered.
///
/// # Errors
/// A sentence, when it does not get ready.
pub async fn borrowed<T>(remote: &Remote, work: impl Future<Output = T>) -> Result<T, String> {
    let Some((children, replica)) = remote.children.as_ref().zip(remote.replicas.first()) else { return Ok(work.await) };
    let Some(place) = children.each.first() else { return Ok(work.await) };
    let program = &children.program;
    let mut running = Running::start(remote, children, place).await?;
    let ready = async {
        loop {
            match remote.is_there(replica).await {
                Ok(()) => return,
                Err(Miss::Away(_) | Miss::Wrong(_)) => tokio::time::sleep(Duration::from_millis(LOOK_MS)).await,
            }
        }
    };
    let ready = tokio::select! {
        ready = tokio::time::timeout(Duration::from_millis(program.ready_ms_max), ready) => {
            ready.map_err(|_| format!("it was not ready within {} ms of its start", program.ready_ms_max))
        }
        how = running.ended() => Err(how),
    };
    let found = match ready {
        Ok(()) => Ok(work.await),
        Err(why) => Err(why),
    };
    let how = running.end().await;
    found.map_err(|why| if why == how { why } else { format!("{why}; {how}") })
}
