//! One program takes over from another without a request lost: what is listened on goes from the one to the other, clients are let in by the
//! old one until the new one can answer, and what they have asked the old one is answered by it.
//!
//! In between nobody writes the journal: the old one lets it go before the new one is started, and serves what stood.

use super::events::Bus;
use super::owner::{self, Owner};
use super::start::Running;
use crate::workspace::Places;
use anyhow::{Context as _, Result, anyhow, bail};
use std::ffi::OsString;
use std::os::fd::{AsFd as _, AsRawFd as _, IntoRawFd as _, OwnedFd};
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;
use tidegate_serve::{Gateway, Given, WorkerPool};
use tidegate_store::disk;

/// Told to a program that takes over.
pub const HANDED: &str = "--handed";
/// How often it is looked whether the new program is ready.
const LOOK: Duration = Duration::from_millis(50);
/// How long the new program may take until it can answer.
const READY_MAX: Duration = Duration::from_secs(300);

/// The listener that another process gave: one of our kind, or a service manager's socket.
///
/// # Errors
/// When what was given is no listener.
pub fn given() -> Result<Option<Given>> {
    let what = "take the listener that another process gave";
    let Some(given) = listenfd::ListenFd::from_env().take_tcp_listener(0).context(what)? else { return Ok(None) };
    if given.as_fd().as_raw_fd() != 0 {
        return Ok(Some(Given::new(given)));
    }
    // It came as standard input, which programs that are started here would share: they get an empty one.
    let own = given.try_clone().context(what)?;
    drop(given);
    let empty = std::fs::File::open("/dev/null").context(what)?;
    rustix::io::fcntl_setfd(&empty, rustix::io::FdFlags::empty()).context(what)?;
    // It stays for as long as the process lives.
    let _ = empty.into_raw_fd();
    Ok(Some(Given::new(own)))
}

/// Says to the process before that clients may be let in here.
///
/// # Errors
/// When the disk refuses.
pub fn tell_ready(places: &Places) -> Result<()> {
    Ok(disk::replace_private_file(&places.handed(), std::process::id().to_string().as_bytes())?)
}

/// The signal by which a person asks for a hand-over, as with other servers: SIGUSR2.
pub struct Wish(tokio::signal::unix::Signal);

impl Wish {
    /// From now on the signal is heard.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn listen() -> Result<Wish> {
        let signal = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::user_defined2()).context("listen for SIGUSR2")?;
        Ok(Wish(signal))
    }

    /// Returns when somebody wishes it.
    pub async fn come(&mut self) {
        if self.0.recv().await.is_none() {
            std::future::pending::<()>().await;
        }
    }
}

/// The program that takes over: the file that this one was started from, as it is now.
#[derive(Debug)]
pub struct Successor {
    program: PathBuf,
    arguments: Vec<OsString>,
}

impl Successor {
    /// By how this process was started; asked at the start, for the file may be another one later.
    ///
    /// # Errors
    /// When the program cannot be found.
    pub fn of_this() -> Result<Successor> {
        let program = std::env::current_exe().context("find this program")?;
        let arguments = std::env::args_os().skip(1).filter(|argument| argument != HANDED).collect();
        Ok(Successor { program, arguments })
    }

    /// Whether it runs at all, and takes what is configured: before anything is let go.
    ///
    /// # Errors
    /// What it says, when it does not.
    pub async fn check(&self, root: &Path) -> Result<()> {
        let (program, root) = (self.program.clone(), root.to_owned());
        let asked = move || Command::new(program).args(["config", "check"]).current_dir(root).stdin(Stdio::null()).output();
        let said = tokio::task::spawn_blocking(asked).await?.with_context(|| format!("start {}", self.program.display()))?;
        if !said.status.success() {
            let words = String::from_utf8_lossy(&said.stderr);
            bail!("{} config check ends with {}: {}", self.program.display(), said.status, words.trim());
        }
        Ok(())
    }

    fn start(&self, gateway: &Gateway) -> Result<Child> {
        let listener = gateway.listener()?.ok_or_else(|| anyhow!("the gateway is being stopped"))?;
        let mut command = Command::new(&self.program);
        // The protocol of service managers, with the one handle that the standard library gives to another program.
        command.args(&self.arguments).arg(HANDED).stdin(OwnedFd::from(listener));
        command.env("LISTEN_FDS", "1").env("LISTEN_FDS_FIRST_FD", "0").env_remove("LISTEN_PID");
        command.spawn().with_context(|| format!("start {}", self.program.display()))
    }
}

/// What is left of a running workspace once its journal is let go: it serves what stood.
pub struct Rest {
    pub gateway: Arc<Gateway>,
    pub pool: WorkerPool,
    pub places: Places,
}

/// Hands over to `successor`. Where it does not become ready the old program serves what stood, until it is asked again or `ended`.
pub async fn hand_over(running: Running, successor: &Successor, wish: &mut Wish, ended: impl Future<Output = ()>) {
    let bus = running.bus.clone();
    tokio::pin!(ended);
    // Heard from here on: nothing is begun anew by who is to end.
    let mut over = false;
    let letting = running.let_go();
    tokio::pin!(letting);
    let rest = loop {
        tokio::select! {
            rest = &mut letting => break rest,
            () = &mut ended, if !over => over = true,
        }
    };
    if over {
        rest.end().await;
    } else {
        rest.hand_on(&bus, successor, wish, ended).await;
    }
}

/// The new program while it is not ready: it ends with whoever waits for it.
struct Starting {
    child: Option<Child>,
    ready: PathBuf,
}

impl Starting {
    /// Whether it lets clients in.
    fn is_ready(&self) -> Option<u32> {
        let process = self.child.as_ref()?.id();
        std::fs::read_to_string(&self.ready).is_ok_and(|text| text == process.to_string()).then_some(process)
    }
}

impl Drop for Starting {
    fn drop(&mut self) {
        // One that lets clients in lives by itself.
        if self.is_ready().is_some() {
            return;
        }
        if let Some(child) = &mut self.child {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

impl Rest {
    /// Tries until somebody takes over, or until it is to end.
    async fn hand_on(&self, bus: &Bus, successor: &Successor, wish: &mut Wish, mut ended: Pin<&mut impl Future<Output = ()>>) {
        loop {
            let handed = tokio::select! {
                handed = self.handed(successor) => handed,
                () = &mut ended => return if self.has_taken_over() { self.leave().await } else { self.end().await },
            };
            let why = match handed {
                Ok(process) => {
                    bus.done(format!("process {process} has taken over; what was asked here is answered here"));
                    return self.leave().await;
                }
                Err(why) => why,
            };
            // So that it is found by who sends the signal again, and before that is said.
            let owner = Owner { pid: std::process::id(), gateway: self.gateway.address().to_string(), console: String::new() };
            if let Err(why) = owner::tell(&self.places, &owner) {
                bus.trouble(&format!("{why:#}"));
            }
            bus.trouble(&format!(
                "nobody took over: {why:#}: this process serves what stood and records nothing; SIGUSR2 tries again, or end it and start anew"
            ));
            tokio::select! {
                () = wish.come() => {}
                () = &mut ended => return self.end().await,
            }
        }
    }

    /// Answers what was asked here; everybody else comes to the other program.
    async fn leave(&self) {
        self.gateway.leave().await;
        self.pool.shutdown().await;
    }

    /// Ends without anybody who goes on.
    async fn end(&self) {
        self.gateway.shutdown().await;
        self.pool.shutdown().await;
        owner::forget(&self.places);
    }

    /// Whether the program that was started last lets clients in.
    fn has_taken_over(&self) -> bool {
        self.places.handed().exists()
    }

    /// Starts the new program and waits until it lets clients in; its process.
    async fn handed(&self, successor: &Successor) -> Result<u32> {
        let ready = self.places.handed();
        let _ = std::fs::remove_file(&ready);
        let mut starting = Starting { child: Some(successor.start(&self.gateway)?), ready };
        let mut waited = Duration::ZERO;
        while waited < READY_MAX {
            if let Some(process) = starting.is_ready() {
                return Ok(process);
            }
            if let Some(child) = &mut starting.child
                && let Some(ended) = child.try_wait().context("look after the new program")?
            {
                bail!("the new program ended with {ended}");
            }
            tokio::time::sleep(LOOK).await;
            waited += LOOK;
        }
        bail!("the new program was not ready within {} s, and was ended", READY_MAX.as_secs())
    }
}
