//! Carries out what rollouts want of the data plane, and answers them. It decides nothing.
//!
//! Everything wanted names an end state and a generation, so doing it twice is harmless. A rollout's roles become
//! targets of the gateway; what no route and no rollout needs any more is unloaded.

use super::conduct;
use super::control::Control;
use super::drivers::{Asked, Driven, Drivers};
use super::events::{Bus, Happening};
use super::notifier::takes_pages;
use super::routing::{route_of, route_role};
use super::upstreams::Upstreams;
use super::versions;
use crate::clock;
use anyhow::{Context as _, Result, anyhow};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tidegate_core::id::At;
use tidegate_core::machine::Machine as _;
use tidegate_core::model::{ModelVersion, Models};
use tidegate_core::rollout::{Command, Effect, Role, Rollout, State, Traffic};
use tidegate_core::route::{Lot, Role as RouteRole, Route, RouteTable, TargetId};
use tidegate_engine::rollouts::{DriverError, Input, Output, RolloutId};
use tidegate_serve::{Gateway, TargetSpec, TargetState, WorkerPool};
use tidegate_store::FsBlobs;
use tidegate_wire::config::Workspace;
use tokio::sync::watch;

mod lost;
mod restore;
mod standing;

pub use super::routing::endpoint_model;

/// Shortest and longest time between two looks at what rollouts wait for.
const WAKE_MIN_MS: u64 = 50;
const WAKE_MAX_MS: u64 = 500;
/// Most releases of a service that are looked through for one that came before.
const RELEASES_MAX: usize = 100;

/// What the plane works with. Cloning gives another handle.
#[derive(Clone)]
pub struct Plane(Arc<Inner>);

type Fences = BTreeMap<String, (u64, u64)>;

struct Inner {
    control: Control,
    gateway: Arc<Gateway>,
    pool: WorkerPool,
    blobs: FsBlobs,
    versions: PathBuf,
    evidence: PathBuf,
    config: Workspace,
    drivers: Drivers,
    upstreams: Upstreams,
    bus: Bus,
    /// The standing table, and of each service the rollout and generation that it stands by.
    table: Mutex<(RouteTable, Fences)>,
    /// Generation of the routes and since when they stand; none before what stood at the last end stands again.
    standing: watch::Sender<Option<(u64, At)>>,
    /// Services that do not stand again as they stood at the last end.
    unrestored: Mutex<BTreeSet<String>>,
    /// Which run this is.
    epoch: u64,
    /// Of each service the A/B test whose clients are drawn.
    lots: Mutex<BTreeMap<String, Lot>>,
    /// Effects that a task works on now.
    under_way: Mutex<HashSet<String>>,
    /// The newest page of each rollout that was said here.
    paged: Mutex<HashMap<RolloutId, u64>>,
}

/// What a plane is made from.
pub struct Parts {
    pub control: Control,
    pub gateway: Arc<Gateway>,
    pub blobs: FsBlobs,
    pub versions: PathBuf,
    pub evidence: PathBuf,
    pub config: Workspace,
    pub drivers: Drivers,
    pub upstreams: Upstreams,
    pub bus: Bus,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Plane {
    /// A plane with nothing routed.
    pub fn new(parts: Parts) -> Plane {
        let Parts { control, gateway, blobs, versions, evidence, config, drivers, upstreams, bus } = parts;
        let pool = gateway.pool().clone();
        let table = Mutex::new((gateway.table(), BTreeMap::new()));
        Plane(Arc::new(Inner {
            control,
            gateway,
            pool,
            blobs,
            versions,
            evidence,
            config,
            drivers,
            upstreams,
            bus,
            table,
            standing: watch::Sender::new(None),
            unrestored: Mutex::default(),
            epoch: u64::try_from(clock::now().0).unwrap_or(0),
            lots: Mutex::default(),
            under_way: Mutex::default(),
            paged: Mutex::default(),
        }))
    }

    /// The gateway.
    pub fn gateway(&self) -> &Gateway {
        &self.0.gateway
    }

    /// The same, for who goes on without the plane.
    pub fn gateway_shared(&self) -> Arc<Gateway> {
        self.0.gateway.clone()
    }

    /// The control thread.
    pub fn control(&self) -> &Control {
        &self.0.control
    }

    /// What is configured.
    pub fn config(&self) -> &Workspace {
        &self.0.config
    }

    /// Blobs.
    pub fn blobs(&self) -> &FsBlobs {
        &self.0.blobs
    }

    /// The folder of versions.
    pub fn versions(&self) -> &std::path::Path {
        &self.0.versions
    }

    /// Hands an input to the rollouts and carries out what comes back.
    ///
    /// # Errors
    /// When a command is refused or the journal fails.
    pub async fn drive(&self, input: Input) -> Result<()> {
        let outputs = self.0.control.call(move |driver| driver.handle(input, clock::now())).await??;
        self.carry_out(outputs);
        Ok(())
    }

    /// Carries out what the rollouts want; each wish in a task of its own.
    pub fn carry_out(&self, outputs: Vec<Output>) {
        for output in outputs {
            match output {
                Output::Do { rollout, effect } => self.begin(rollout, effect),
                Output::Happened { rollout, events } => self.0.bus.tell(Happening::Rollout { rollout, events }),
                Output::ResendEvidence { rollout, from_seq } => {
                    let plane = self.clone();
                    crate::task::spawn(async move {
                        if let Err(error) = plane.resend(rollout.clone(), from_seq).await {
                            plane.0.bus.trouble(&format!("{rollout}: {error:#}"));
                        }
                    });
                }
                Output::Trouble { rollout, detail } => self.0.bus.trouble(&format!("{rollout}: {detail}")),
            }
        }
    }

    async fn resend(&self, rollout: RolloutId, from_seq: u64) -> Result<()> {
        let dir = self.0.evidence.clone();
        let id = rollout.clone();
        let ticks = tokio::task::spawn_blocking(move || super::evidence::read(&dir, &id, from_seq)).await??;
        if ticks.is_empty() {
            return Ok(());
        }
        Box::pin(self.drive(Input::Evidence { rollout, ticks })).await
    }

    fn begin(&self, rollout: RolloutId, effect: Effect) {
        // Evidence is collected by the ticks, which look at the rollout's state themselves.
        if matches!(effect, Effect::CollectEvidence { .. }) {
            return;
        }
        let name = format!("{rollout} {effect:?}");
        if !lock(&self.0.under_way).insert(name.clone()) {
            return;
        }
        let plane = self.clone();
        crate::task::spawn(async move {
            if let Err(error) = plane.carry_out_one(&rollout, effect).await {
                plane.0.bus.trouble(&format!("{rollout}: {error:#}"));
            }
            lock(&plane.0.under_way).remove(&name);
        });
    }

    async fn carry_out_one(&self, rollout: &RolloutId, effect: Effect) -> Result<()> {
        // What is no longer wanted was overtaken by something newer, which has its own task.
        if !tidegate_core::rollout::effects(&self.state(rollout).await?).contains(&effect) {
            return Ok(());
        }
        if let (Some(driven), false) = (self.driven(&rollout.service), matches!(effect, Effect::Page { .. })) {
            let Some(command) = driven.carry_out(self, rollout, &effect).await? else { return Ok(()) };
            return Box::pin(self.drive(Input::Command { rollout: rollout.clone(), key: None, command })).await;
        }
        let command = match effect {
            Effect::Load { role, version, generation } => match self.load(rollout, role, &version).await {
                // It was taken away while it was loaded, as when this process ends: that says nothing about the version.
                Ok(false) => return Ok(()),
                Ok(true) => Command::WorkerReady { role, generation, at: clock::now() },
                Err(error) => Command::WorkerFailed { role, generation, reason: format!("{error:#}"), at: clock::now() },
            },
            Effect::Unload { role, generation } => {
                self.unload(rollout, role).await?;
                Command::Unloaded { role, generation, at: clock::now() }
            }
            Effect::SetTraffic { generation, traffic } => {
                let state = self.state(rollout).await?;
                let open = state.rollout().ok_or_else(|| anyhow!("no such rollout"))?;
                self.apply(open, traffic, generation)?;
                self.sweep(open);
                Command::TrafficApplied { generation, at: clock::now() }
            }
            Effect::Page { number, reason } => {
                if lock(&self.0.paged).insert(rollout.clone(), number) != Some(number) {
                    self.0.bus.tell(Happening::Page { rollout: rollout.clone(), text: reason.to_string() });
                }
                // Where somebody is to be reached, it is delivered when they were.
                if takes_pages(&self.0.config, &rollout.service) {
                    return Ok(());
                }
                Command::PageDelivered { number, at: clock::now() }
            }
            Effect::CollectEvidence { .. } => return Ok(()),
        };
        Box::pin(self.drive(Input::Command { rollout: rollout.clone(), key: None, command })).await
    }

    /// What moves the traffic of a service, where not our gateway does.
    pub fn driven(&self, service: &str) -> Option<Driven> {
        self.0.drivers.of(service)
    }

    /// What asks for the counts of such a service.
    pub fn asked(&self, service: &str) -> Option<Asked> {
        let telemetry = self.0.config.services.get(service)?.telemetry.clone()?;
        Some(Asked::new(telemetry, self.driven(service)?))
    }

    /// The state of a rollout.
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub async fn state(&self, rollout: &RolloutId) -> Result<State> {
        let id = rollout.clone();
        Ok(self.0.control.call(move |driver| driver.state(&id)).await??)
    }

    /// Wakes the rollouts when they want to be woken, for ever.
    pub async fn wake(self) {
        // What is tried again is due so long from now, each time it is asked: the first answer counts.
        let mut promised: Option<tidegate_core::id::At> = None;
        loop {
            let next = self.0.control.call(|driver| driver.next_wake(clock::now())).await;
            let Ok(next) = next else { return };
            promised = next.map(|at| promised.map_or(at, |before| before.min(at)));
            let now = clock::now();
            let wait = promised.map_or(WAKE_MAX_MS, |at| at.since_ms(now)).clamp(WAKE_MIN_MS, WAKE_MAX_MS);
            tokio::time::sleep(std::time::Duration::from_millis(wait)).await;
            if promised.is_some_and(|at| at <= clock::now()) {
                promised = None;
                if let Err(error) = self.drive(Input::Wake).await {
                    self.0.bus.trouble(&format!("wake the rollouts: {error:#}"));
                }
            }
        }
    }

    /// The newest rollouts of a service, newest first, at most [`RELEASES_MAX`]: until `enough` says so of those that were read.
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub async fn newest_until(&self, service: &str, enough: impl Fn(&[State]) -> bool + Send + 'static) -> Result<Vec<State>> {
        let service = service.to_owned();
        let found = self.0.control.call(move |driver| {
            let mut states = vec![];
            for id in driver.rollouts_of(&service)?.into_iter().rev().take(RELEASES_MAX) {
                states.push(driver.state(&id)?);
                if enough(&states) {
                    break;
                }
            }
            Ok::<_, DriverError>(states)
        });
        Ok(found.await??)
    }

    /// The newest rollout of a service.
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub async fn newest(&self, service: &str) -> Result<Option<(RolloutId, State)>> {
        let service = service.to_owned();
        let found = self.0.control.call(move |driver| {
            let newest = driver.rollouts_of(&service)?.pop();
            newest.map(|id| driver.state(&id).map(|state| (id, state))).transpose()
        });
        Ok(found.await??)
    }

    /// Tells of something that goes on, unless it was what was told last.
    pub fn done_once(&self, told: &mut String, text: String) {
        if text != *told {
            self.0.bus.done(&text);
        }
        *told = text;
    }

    /// Tells of something that did not work.
    pub fn trouble(&self, text: &str) {
        self.0.bus.trouble(text);
    }

    /// The same, unless it was what was said last.
    pub fn trouble_once(&self, said: &mut String, trouble: Option<String>) {
        let text = trouble.unwrap_or_default();
        if !text.is_empty() && text != *said {
            self.trouble(&text);
        }
        *said = text;
    }

    /// A registered version.
    ///
    /// # Errors
    /// When there is none.
    pub async fn version(&self, model: &str, version: &str) -> Result<ModelVersion> {
        let state = self.0.control.state::<Models>(format!("{}/{model}", Models::KIND)).await?;
        state.versions.get(version).cloned().with_context(|| format!("version {version} of model {model} is not registered"))
    }

    /// The directory of a registered version.
    ///
    /// # Errors
    /// When it cannot be put in place.
    pub async fn directory(&self, model: &str, version: &str) -> Result<PathBuf> {
        let found = self.version(model, version).await?;
        let (versions, blobs) = (self.0.versions.clone(), self.0.blobs.clone());
        tokio::task::spawn_blocking(move || versions::directory(&versions, &blobs, &found)).await?
    }

    /// Loads a version; false when it was taken away meanwhile.
    async fn load(&self, rollout: &RolloutId, role: Role, version: &str) -> Result<bool> {
        let state = self.state(rollout).await?;
        let model = state.rollout().map(|r| r.spec.model.clone()).ok_or_else(|| anyhow!("no such rollout"))?;
        let target = TargetId::new(&rollout.service, version, route_role(role));
        let dir = self.directory(&model, version).await?;
        self.ready(&target, dir).await
    }

    async fn ready(&self, target: &TargetId, dir: PathBuf) -> Result<bool> {
        let upstream = versions::upstream(&dir)?.and_then(|name| self.0.upstreams.get(&name).cloned());
        let model = endpoint_model(&self.0.config, &target.service);
        let conduct = conduct::of(&self.0.config, &target.service);
        self.0.pool.ensure(TargetSpec { target: target.clone(), model, dir, upstream, conduct })?;
        match self.0.pool.settled(target).await {
            Some(TargetState::Ready) => Ok(true),
            Some(TargetState::Failed { why }) => {
                // Out of the way, so that a later wish starts it anew.
                let _ = self.0.pool.unload(target).await;
                Err(anyhow!("{why}"))
            }
            _ => Ok(false),
        }
    }

    async fn unload(&self, rollout: &RolloutId, role: Role) -> Result<()> {
        let state = self.state(rollout).await?;
        let Some(version) = state.rollout().and_then(|r| r.version_of(role)).map(str::to_owned) else { return Ok(()) };
        self.0.pool.unload(&TargetId::new(&rollout.service, version, route_role(role))).await?;
        Ok(())
    }

    /// Puts a split in force.
    ///
    /// A split older than one that stands is ignored: its rollout or generation was overtaken.
    fn apply(&self, open: &Rollout, traffic: Traffic, generation: u64) -> Result<()> {
        let mut route = route_of(open, traffic, &self.0.config);
        let mut standing = lock(&self.0.table);
        let (table, fences) = &mut *standing;
        let fence = fences.entry(open.spec.service.clone()).or_default();
        if (open.spec.number, generation) < *fence {
            return Ok(());
        }
        let mut next = table.clone();
        next.generation += 1;
        route.lot = lock(&self.0.lots).get(&open.spec.service).cloned();
        next.routes.insert(open.spec.service.clone(), route.clone());
        if let Err(error) = self.0.gateway.apply(next.clone()) {
            // A test holds up no release: its variants may be gone.
            if route.lot.take().is_none() {
                return Err(error.into());
            }
            next.routes.insert(open.spec.service.clone(), route);
            self.0.gateway.apply(next.clone())?;
        }
        *table = next;
        lock(&self.0.unrestored).remove(&open.spec.service);
        self.stands(table.generation);
        *fence = (open.spec.number, generation);
        Ok(())
    }

    /// Draws a service's clients for a test, or for none. Refused, and as it was, where nothing carries the service.
    ///
    /// # Errors
    /// When a variant cannot be routed to.
    pub fn draw(&self, service: &str, lot: Option<Lot>) -> Result<()> {
        let mut standing = lock(&self.0.table);
        let (table, _) = &mut *standing;
        let Some(route) = table.routes.get(service) else {
            return Err(anyhow!("draw clients of {service}: no version carries it"));
        };
        if route.lot != lot {
            let route = Route { lot: lot.clone(), ..route.clone() };
            let mut next = table.clone();
            next.generation += 1;
            next.routes.insert(service.to_owned(), route);
            self.0.gateway.apply(next.clone())?;
            *table = next;
            self.stands(table.generation);
        }
        let mut lots = lock(&self.0.lots);
        match lot {
            Some(lot) => lots.insert(service.to_owned(), lot),
            None => lots.remove(service),
        };
        Ok(())
    }

    /// The test whose clients are drawn.
    pub fn drawn(&self, service: &str) -> Option<String> {
        lock(&self.0.lots).get(service).map(|lot| lot.test.clone())
    }

    /// Starts a variant's worker, if it is not there, and waits until it answers or has failed; false when it was taken away meanwhile.
    ///
    /// # Errors
    /// When it failed.
    pub async fn load_variant(&self, model: &str, target: &TargetId) -> Result<bool> {
        let dir = self.directory(model, &target.version).await?;
        self.ready(target, dir).await
    }

    /// Unloads what an earlier rollout of the service left and nobody needs any more.
    fn sweep(&self, open: &Rollout) {
        let wanted: Vec<TargetId> = Role::ALL
            .into_iter()
            .filter_map(|role| Some(TargetId::new(&open.spec.service, open.version_of(role)?, route_role(role))))
            .collect();
        for (target, _) in self.0.pool.states() {
            // Variants of a test are its own.
            let is_variant = target.role == RouteRole::Variant;
            if target.service == open.spec.service && !is_variant && !wanted.contains(&target) {
                let pool = self.0.pool.clone();
                crate::task::spawn(async move {
                    // Refused while a route needs it: the next sweep finds it again.
                    let _ = pool.unload(&target).await;
                });
            }
        }
    }
}
