//! Puts a running workspace together, in the order in which parts need each other, and takes it apart again.

use super::api::Api;
use super::breaker::{self, Seen};
use super::control::Control;
use super::deliveries::Door;
use super::drivers::{self, Drivers};
use super::events::Bus;
use super::features::Served;
use super::handover::Rest;
use super::owner::{self, Owner};
use super::plane::{Parts, Plane, endpoint_model};
use super::seal::Sealer;
use super::standby::{self, Seat};
use super::ticks::Ticks;
use super::trainer::{Desk, Desks, Trainer};
use super::watchman::Watchman;
use super::{ab, api, conduct, deployments, duty, handover, notifier, observe, passage, retention, streams, telemetry, train, upstreams};
use crate::exit::{self, failure};
use crate::steps::candidate::Workshop;
use crate::steps::freeze::Calendar;
use crate::steps::{build, release};
use crate::surroundings;
use crate::workspace::{Opened, Places};
use anyhow::{Context as _, Result};
use std::collections::HashMap;
use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tidegate_build::env::{self, Env};
use tidegate_engine::rollouts::Output;
use tidegate_runtime::RuntimeError;
use tidegate_serve::{Gateway, GatewayError, GatewaySettings, Given, Outputs, PoolEvent, PoolSettings, WorkerPool};
use tidegate_store::disk::Guard;
use tidegate_store::tlog::LogSigner;
use tidegate_store::{FsBlobs, Keys, Lake, disk};
use tidegate_wire::config::Workspace;
use tokio::sync::mpsc;

/// Seed of the splits: any constant; sequences differ by service and generation.
pub const SPLIT_SEED: u64 = 0x7469_6465_6761_7465;

/// How long requests to the console are waited for that hold what is to be let go: longer than a follower's question waits for news.
const LET_GO_MAX: std::time::Duration = std::time::Duration::from_secs(30);
const LET_GO_LOOK: std::time::Duration = std::time::Duration::from_millis(20);

/// A running workspace.
pub struct Running {
    pub opened: Arc<Opened>,
    pub control: Control,
    pub plane: Plane,
    pub ticks: Ticks,
    pub blobs: FsBlobs,
    pub lake: Arc<Lake>,
    pub env: Option<Env>,
    pub bus: Bus,
    pub gateway_token: String,
    pub console: SocketAddr,
    pub login: String,
    pub started: std::time::Instant,
    desks: Desks,
    calendar: Calendar,
    breakers: Seen,
    board: notifier::Board,
    sealer: Sealer,
    pool: WorkerPool,
    seat: Option<Seat>,
    writers: telemetry::Writers,
    _guard: Guard,
}

/// How to start.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Take free ports instead of the configured ones.
    pub any_port: bool,
    /// Name of this replica, where there are several.
    pub replica: Option<String>,
    /// Another process hands over.
    pub handed: bool,
    /// The gateway's listener, where another process gave it.
    pub given: Option<Given>,
}

/// The folder of Python environments, shared by all workspaces of the user.
///
/// # Errors
/// When the user has no home.
pub fn environments() -> Result<PathBuf> {
    let cache = match std::env::var_os("XDG_CACHE_HOME").filter(|v| !v.is_empty()) {
        Some(dir) => PathBuf::from(dir),
        None => PathBuf::from(std::env::var_os("HOME").context("find the user's cache folder: neither HOME nor XDG_CACHE_HOME is set")?)
            .join(".cache"),
    };
    Ok(cache.join("tidegate").join("envs"))
}

/// The environment that stages run in, made if it must be.
///
/// # Errors
/// When it cannot be made.
pub fn environment(opened: &Opened, bus: &Bus) -> Result<Option<Env>> {
    let Some(lock) = &opened.config.env.python else { return Ok(None) };
    let mut hear = |event: &tidegate_build::Event| match event {
        tidegate_build::Event::EnvironmentStarted { requirements, .. } => {
            bus.done(format!("making the Python environment: {requirements} packages, once for this lock file"))
        }
        tidegate_build::Event::EnvironmentLine { line } => bus.progress(format!("environment: {line}")),
        _ => {}
    };
    Ok(Some(env::ensure(&opened.places.root.join(lock), &environments()?, &mut hear)?))
}

/// ONNX Runtime's library, loaded into this process. Where there is none and no model of the workspace is called as one of ONNX
/// is, work goes on without: trees are run by ourselves, and a model that needs the library after all says so when it is loaded.
///
/// # Errors
/// When none is found or it cannot be loaded.
pub fn runtime(opened: &Opened, env: Option<&Env>) -> Result<PathBuf> {
    let mut candidates: Vec<PathBuf> = std::env::var_os("TIDEGATE_ONNXRUNTIME").map(PathBuf::from).into_iter().collect();
    candidates.extend(env.and_then(|e| e.bin.parent()).map(Path::to_owned));
    candidates.extend(std::env::var_os("VIRTUAL_ENV").map(PathBuf::from));
    let is_onnx = |artifact: &str| Path::new(artifact).extension().is_some_and(|extension| extension == "onnx");
    match tidegate_runtime::find_library(&candidates) {
        Ok(library) => {
            tidegate_runtime::init(&library)?;
            Ok(library)
        }
        Err(RuntimeError::LibraryMissing { .. }) if !opened.config.models.values().any(|model| is_onnx(&model.artifact)) => {
            Ok(PathBuf::from("libonnxruntime.so"))
        }
        Err(error) => Err(error.into()),
    }
}

/// Makes what follows events from those that are kept, beside everything else that starts.
fn warm(served: Served, bus: Bus) -> Served {
    let following = served.clone();
    crate::task::spawn(async move {
        if let Err(error) = following.warm().await {
            bus.trouble(&format!("{error:#}: whoever asks for features tries again"));
        }
    });
    served
}

/// Starts everything but the loop.
///
/// # Errors
/// When a part cannot start; what was started before it is ended.
pub async fn start(opened: Opened, bus: Bus, options: Options, started: std::time::Instant) -> Result<Running> {
    let places = opened.places.clone();
    places.make()?;
    let guard = owner::take(&places)?;
    let seat = standby::wait(&places, options.replica.as_deref(), &bus).await?;
    let (env, library) = environment_and_library(opened.clone(), bus.clone()).await?;
    let (keys, blobs) = (Keys::open(&places.keys(), &opened.config.name)?, FsBlobs::open(&places.blobs())?);
    let lake = Arc::new(Lake::open(&places.lake())?);
    let ((control, outputs), sealer) = books(&places, seat.as_ref(), keys.signer(), bus.clone()).await?;
    let gateway_token = gateway_token(opened.config.gateway_token.as_deref(), &places.keys())?;
    let (pool, pool_events) = workers(library)?;
    let any = |address: SocketAddr| if options.any_port { SocketAddr::new(address.ip(), 0) } else { address };
    let settings = settings(any(opened.config.gateway), &opened.config, &gateway_token, &places)?;
    let (gateway, outputs_of_gateway) = listen(GatewaySettings { given: options.given, ..settings }, pool.clone()).await?;
    let plane = Plane::new(Parts {
        control: control.clone(),
        gateway: gateway.clone(),
        blobs: blobs.clone(),
        versions: places.versions(),
        evidence: places.evidence(),
        config: opened.config.clone(),
        drivers: Drivers::new(&opened.config, &places.root, &places.drivers()),
        upstreams: upstreams::all(&opened.config, &places.root)?,
        bus: bus.clone(),
    });
    let (ticks, opened, breakers, board) = (Ticks::default(), Arc::new(opened), Seen::default(), notifier::Board::default());
    let (desks, calendar) = (Desk::all(&opened, &plane, &lake), Calendar::new(opened.clone()));
    let served = warm(Served::new(&opened.config, &places.root, lake.clone()), bus.clone());
    let (console, login, api) = api::start(api::Parts {
        desks: desks.clone(),
        watchman: Watchman { opened: opened.clone(), plane: plane.clone(), lake: lake.clone(), calendar: calendar.clone() },
        opened: opened.clone(),
        plane: plane.clone(),
        blobs: blobs.clone(),
        tokens: keys.tokens(),
        sealed: sealer.sealed(),
        ticks: ticks.clone(),
        bus: bus.clone(),
        breakers: breakers.clone(),
        board: board.clone(),
        door: Door::new(lake.clone(), client_secret(&places.keys().join("persons.key"))?, served),
        listen: any(opened.config.console),
    })
    .await?;
    tell(&places, &gateway, console, seat.as_ref())?;
    let running = Running {
        opened,
        control,
        plane,
        ticks,
        blobs,
        lake,
        env,
        bus,
        gateway_token,
        console,
        login,
        started,
        desks,
        calendar,
        breakers,
        board,
        sealer,
        pool,
        seat,
        writers: telemetry::Writers::default(),
        _guard: guard,
    };
    running.go_on(outputs_of_gateway, pool_events, outputs).await?;
    running.begin(&api, options.handed)?;
    Ok(running)
}

/// The gateway, listening.
async fn listen(settings: GatewaySettings, pool: WorkerPool) -> Result<(Arc<Gateway>, Outputs)> {
    let refused = |error: GatewayError| {
        let other = match error {
            GatewayError::Taken { .. } | GatewayError::Listen { .. } => "; or name another address as `gateway: { listen: ... }`",
            _ => "",
        };
        failure(exit::OUTSIDE, format!("start the gateway: {error}{other}"))
    };
    let (gateway, outputs) = Gateway::start(settings, pool).await.map_err(refused)?;
    Ok((Arc::new(gateway), outputs))
}

/// Where others find what was started.
fn tell(places: &Places, gateway: &Gateway, console: SocketAddr, seat: Option<&Seat>) -> Result<()> {
    owner::tell(places, &Owner { pid: std::process::id(), gateway: gateway.address().to_string(), console: console.to_string() })?;
    seat.map_or(Ok(()), |seat| seat.tell(places, &console.to_string()))
}

pub fn workers(library: PathBuf) -> Result<(WorkerPool, mpsc::Receiver<PoolEvent>)> {
    let program = std::env::current_exe().context("find this program, which workers run too")?;
    Ok(WorkerPool::new(PoolSettings::new(program, vec![OsString::from("worker")], library)))
}

/// The journal, for writing and for sealing. On a thread that may wait, as for a database.
async fn books(places: &Places, seat: Option<&Seat>, signer: LogSigner, bus: Bus) -> Result<((Control, Vec<Output>), Sealer)> {
    let (places, fence) = (places.clone(), seat.map(|seat| seat.fence.clone()));
    tokio::task::spawn_blocking(move || {
        let control = Control::start(&places.journal()?, &places.blobs(), fence)?;
        Ok((control, Sealer::start(&places, signer, bus)?))
    })
    .await?
}

async fn environment_and_library(opened: Opened, bus: Bus) -> Result<(Option<Env>, PathBuf)> {
    bus.progress("looking for the Python environment");
    tokio::task::spawn_blocking(move || {
        let env = environment(&opened, &bus)?;
        let library = runtime(&opened, env.as_ref())?;
        Ok((env, library))
    })
    .await?
}

/// The token that the gateway asks for: a variable's, or one that is made once, for the owner alone.
pub fn gateway_token(variable: Option<&str>, keys: &Path) -> Result<String> {
    if let Some(variable) = variable {
        return surroundings::secret(variable)
            .map_err(|why| failure(exit::USAGE, format!("read the gateway's token (`gateway.token`): {why}")));
    }
    made_once(&keys.join("gateway.token"), "tdg_gateway_", 24)
}

fn settings(listen: SocketAddr, config: &Workspace, token: &str, places: &Places) -> Result<GatewaySettings> {
    conduct::check(config)?;
    let settings = GatewaySettings::new(listen, vec![token.to_owned()], SPLIT_SEED);
    Ok(GatewaySettings {
        client_secret: client_secret(&places.keys().join("clients.key"))?,
        tls: conduct::tls(config, &places.root),
        traces: observe::traces(config, &places.root)?,
        log: observe::log(config, &places.root),
        server_name: config.server_name.clone(),
        tokens: settings.tokens.with(conduct::keys(config)?),
        ..settings
    })
}

/// What pseudonyms are made with, of clients in A/B tests or of persons in events: another one, and everybody is a new one.
fn client_secret(path: &Path) -> Result<[u8; 32]> {
    let text = made_once(path, "", 32)?;
    let bytes = hex::decode(&text).ok().and_then(|bytes| bytes.try_into().ok());
    bytes.with_context(|| {
        format!("read {}: it does not hold 32 bytes in hexadecimal: remove it, and everybody is somebody new", path.display())
    })
}

/// A secret that is kept in a file, for the owner alone.
fn made_once(path: &Path, prefix: &str, count: usize) -> Result<String> {
    if let Ok(text) = std::fs::read_to_string(path)
        && !text.trim().is_empty()
    {
        return Ok(text.trim().to_owned());
    }
    let mut bytes = vec![0_u8; count];
    getrandom::fill(&mut bytes).map_err(|e| anyhow::anyhow!("take random bytes from the system: {e}"))?;
    let secret = format!("{prefix}{}", hex::encode(bytes));
    disk::replace_private_file(path, secret.as_bytes())?;
    Ok(secret)
}

impl Running {
    /// Whether there are several replicas, of which this is one.
    pub fn seated(&self) -> bool {
        self.seat.is_some()
    }

    /// What stood stands again: from here on clients are let in, and what is to be done by itself is.
    fn begin(&self, api: &Api, handed: bool) -> Result<()> {
        self.plane.gateway().open();
        if handed {
            handover::tell_ready(&self.opened.places)?;
        }
        self.watch_and_train(api);
        Ok(())
    }

    /// What candidates are made with.
    pub fn workshop(&self) -> Workshop {
        Workshop {
            opened: self.opened.clone(),
            control: self.control.clone(),
            blobs: self.blobs.clone(),
            env: self.env.clone(),
            bus: self.bus.clone(),
        }
    }

    /// Trains what is to be trained anew, and watches what blocks releases.
    fn watch_and_train(&self, api: &Api) {
        for name in passage::names(&self.opened.config) {
            crate::task::spawn(train::conduct(api.clone(), name));
        }
        for name in self.opened.config.ab_tests.keys() {
            crate::task::spawn(ab::conduct(api.clone(), name.clone()));
        }
        crate::task::spawn(deployments::keep(api.clone()));
        streams::begin(api);
        crate::task::spawn(retention::keep(api.clone()));
        crate::task::spawn(duty::keep(api.clone()));
        for desk in self.desks.values().cloned() {
            let (shop, plane, ticks) = (self.workshop(), self.plane.clone(), self.ticks.clone());
            crate::task::spawn(Trainer { desk, shop, plane, ticks, watchman: self.watchman() }.run());
        }
        for (name, breaker) in &self.opened.config.breakers {
            crate::task::spawn(breaker::watch(
                self.plane.clone(),
                self.opened.clone(),
                self.breakers.clone(),
                name.clone(),
                breaker.clone(),
            ));
        }
        for service in self.opened.config.services.keys() {
            crate::task::spawn(self.watchman().freezer().run(service.clone()));
            crate::task::spawn(self.watchman().run(service.clone()));
            if let Some(driven) = self.plane.driven(service) {
                crate::task::spawn(drivers::watch(self.plane.clone(), service.clone(), driven));
            }
        }
    }

    /// What tells whether a release is blocked.
    pub fn watchman(&self) -> Watchman {
        let calendar = self.calendar.clone();
        Watchman { opened: self.opened.clone(), plane: self.plane.clone(), lake: self.lake.clone(), calendar }
    }

    /// Model's name in the gateway's paths.
    pub fn endpoint_model(&self, service: &str) -> String {
        endpoint_model(&self.opened.config, service)
    }

    /// Hears what the gateway tells, brings back what served before, goes on with what was under way.
    async fn go_on(&self, gateway: Outputs, pool_events: mpsc::Receiver<PoolEvent>, under_way: Vec<Output>) -> Result<()> {
        let config = &self.opened.config;
        let threshold: HashMap<String, f64> = config.services.keys().map(|s| (s.clone(), release::threshold(config, s))).collect();
        let told = || (self.bus.clone(), self.ticks.beside());
        let (lake, stop) = (self.lake.clone(), self.writers.stopped());
        self.writers.keep(crate::task::spawn(telemetry::write_predictions(lake.clone(), gateway.records, threshold, told(), stop.clone())));
        self.writers.keep(crate::task::spawn(telemetry::write_feedback(lake, gateway.feedback, told(), stop)));
        crate::task::spawn(self.ticks.clone().take_pairs(gateway.pairs));
        crate::task::spawn(self.plane.clone().hear_pool(pool_events));
        // Before anything goes on: what happens from here is told.
        notifier::start(&self.plane, &self.opened, &self.board).await?;
        let interrupted = self.control.clone();
        tokio::task::spawn_blocking(move || build::mark_interrupted(&interrupted)).await??;
        self.plane.restore().await?;
        let freezer = self.watchman().freezer();
        for service in config.services.keys() {
            // Before anything moves or is judged: a freeze may have begun while nobody looked.
            freezer.tell(service).await?;
            let threshold = release::threshold(config, service);
            crate::task::spawn(self.ticks.clone().count(self.plane.clone(), service.clone(), threshold, self.opened.places.clone()));
        }
        self.plane.carry_out(under_way);
        for service in config.services.keys() {
            if let Some((id, _)) = self.plane.newest(service).await? {
                // Idempotent: a crash may have come between a release's end and this.
                release::move_aliases(&self.plane, &id).await?;
            }
        }
        if self.opened.scenario.is_none() {
            // Releases that people began are seen to their end here; those of a scenario by its player.
            for service in config.services.keys() {
                if let Some((id, state)) = self.plane.newest(service).await?
                    && state.rollout().is_some_and(|r| !r.phase.is_terminal())
                {
                    let follow = release::Follow {
                        plane: self.plane.clone(),
                        ticks: self.ticks.clone(),
                        opened: self.opened.clone(),
                        bus: self.bus.clone(),
                    };
                    crate::task::spawn(follow.until_the_end(id));
                }
            }
        }
        crate::task::spawn(self.plane.clone().wake());
        Ok(())
    }

    /// Lets go of all that is written, so that another process may write it; what serves goes on with what stood. Where something cannot be
    /// let go that is said, and the process that takes over finds it.
    pub async fn let_go(self) -> Rest {
        for desk in self.desks.values() {
            desk.stop();
        }
        // What was accepted is written before anything ends.
        self.writers.end().await;
        let bus = self.bus.clone();
        if !crate::task::end_all().await {
            bus.trouble("a task goes on that was to end: what it wants to record is refused");
        }
        let Running { opened, control, plane, lake, sealer, pool, desks, ticks, calendar, board, _guard, .. } = self;
        let (gateway, places) = (plane.gateway_shared(), opened.places.clone());
        // What holds the lake with it.
        drop((plane, opened, desks, ticks, calendar, board));
        let said = bus.clone();
        let let_go = tokio::task::spawn_blocking(move || {
            control.end();
            if let Err(why) = lake.seal() {
                said.trouble(&format!("seal the last records: {why}"));
            }
            sealer.stop();
            // Requests to the console that are under way still hold the lake, as a follower's question that waits for news.
            let mut waited = std::time::Duration::ZERO;
            while Arc::strong_count(&lake) > 1 && waited < LET_GO_MAX {
                std::thread::sleep(LET_GO_LOOK);
                waited += LET_GO_LOOK;
            }
        });
        if let Err(why) = let_go.await {
            bus.trouble(&format!("let the journal go: {why}"));
        }
        owner::forget(&places);
        drop(_guard);
        Rest { gateway, pool, places }
    }

    /// Ends everything: what is in flight is answered, what was said is sealed.
    pub async fn stop(self) {
        for desk in self.desks.values() {
            desk.stop();
        }
        self.plane.gateway().shutdown().await;
        self.writers.end().await;
        self.pool.shutdown().await;
        let (lake, sealer, seat) = (self.lake.clone(), self.sealer, self.seat);
        let _ = tokio::task::spawn_blocking(move || {
            let sealed = lake.seal();
            sealer.stop();
            // Last of all: who takes it goes on from here.
            if let Some(seat) = seat {
                seat.leave();
            }
            sealed
        })
        .await;
        owner::forget(&self.opened.places);
    }
}
