//! The data plane of the world: a gateway with a route, workers that load, fail and die, counts of each tick.

use crate::fault::Fault;
use crate::scenario::{Scenario, TICK_MS, Truth};
use tidegate_core::id::At;
use tidegate_core::judge::{ArmCounts, Beside, LatencyHistogram, Mode, PairCounts, Tick};
use tidegate_core::rollout::{Command, Effect, Role, Traffic};
use tidegate_stats::rng::Rng;

/// A worker.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Process {
    #[default]
    Absent,
    Loading,
    Ready,
    Failed,
}

#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Worker {
    pub(crate) generation: u64,
    pub(crate) process: Process,
}

#[derive(Clone, Copy, Debug)]
struct Collecting {
    generation: u64,
    mode: Mode,
    step: u32,
    attempt: u32,
    candidate_share_bp: u32,
}

/// What the data plane says back.
#[derive(Clone, Debug)]
pub(crate) enum Answer {
    Ready(Role, u64),
    Failed(Role, u64),
    Unloaded(Role, u64),
    Applied(u64),
    Paged(u64),
    /// Loading takes so long.
    LoadsFor(Role, u64, u64),
}

impl Answer {
    /// What the driver is told.
    pub(crate) fn command(&self, at: At) -> Option<Command> {
        Some(match *self {
            Answer::Ready(role, generation) => Command::WorkerReady { role, generation, at },
            Answer::Failed(role, generation) => Command::WorkerFailed { role, generation, reason: "it died".to_owned(), at },
            Answer::Unloaded(role, generation) => Command::Unloaded { role, generation, at },
            Answer::Applied(generation) => Command::TrafficApplied { generation, at },
            Answer::Paged(number) => Command::PageDelivered { number, at },
            Answer::LoadsFor(..) => return None,
        })
    }
}

/// Requests that users' answers came from, by role.
pub(crate) type Served = [u64; 3];

#[derive(Debug)]
pub(crate) struct Plane {
    workers: [Worker; 3],
    pub(crate) route: Traffic,
    pub(crate) generation: u64,
    /// Whether the split changed within the present tick.
    changed: bool,
    collecting: Option<Collecting>,
    /// Kept evidence: survives everything.
    pub(crate) kept: Vec<Tick>,
    /// Ticks that telemetry stays away.
    pub(crate) gap: u64,
    fault: Option<Fault>,
}

pub(crate) fn index(role: Role) -> usize {
    match role {
        Role::Stable => 0,
        Role::Candidate => 1,
        Role::Control => 2,
    }
}

impl Plane {
    pub(crate) fn new(scenario: &Scenario, fault: Option<Fault>) -> Plane {
        let mut workers = [Worker::default(); 3];
        if scenario.has_stable {
            workers[0].process = Process::Ready;
        }
        let none = Traffic { stable_bp: 10_000, ..Traffic::STABLE };
        Plane { workers, route: none, generation: 0, changed: false, collecting: None, kept: vec![], gap: 0, fault }
    }

    pub(crate) fn worker(&self, role: Role) -> Worker {
        self.workers[index(role)]
    }

    fn worker_mut(&mut self, role: Role) -> &mut Worker {
        &mut self.workers[index(role)]
    }

    /// Does what it is told, unless it was told something newer.
    pub(crate) fn obey(&mut self, effect: &Effect, rng: &mut Rng) -> Option<Answer> {
        match effect {
            Effect::Load { role, generation, .. } => self.load(*role, *generation, rng),
            Effect::Unload { role, generation } => {
                let worker = self.worker_mut(*role);
                if *generation < worker.generation {
                    return None;
                }
                *worker = Worker { generation: *generation, process: Process::Absent };
                Some(Answer::Unloaded(*role, *generation))
            }
            Effect::SetTraffic { generation, traffic } => self.set_traffic(*generation, *traffic),
            Effect::CollectEvidence { generation, mode, step, attempt, candidate_share_bp } => {
                if self.collecting.is_none_or(|c| (c.attempt, c.generation) <= (*attempt, *generation)) {
                    let (generation, mode, step, attempt) = (*generation, *mode, *step, *attempt);
                    self.collecting = Some(Collecting { generation, mode, step, attempt, candidate_share_bp: *candidate_share_bp });
                }
                None
            }
            Effect::Page { number, .. } => Some(Answer::Paged(*number)),
        }
    }

    fn load(&mut self, role: Role, generation: u64, rng: &mut Rng) -> Option<Answer> {
        let worker = self.worker_mut(role);
        if generation < worker.generation {
            return None;
        }
        let repeated = generation == worker.generation;
        worker.generation = generation;
        match worker.process {
            Process::Ready => Some(Answer::Ready(role, generation)),
            Process::Failed if repeated => Some(Answer::Failed(role, generation)),
            Process::Loading if repeated => None,
            Process::Failed | Process::Loading | Process::Absent => {
                worker.process = Process::Loading;
                Some(Answer::LoadsFor(role, generation, 500 + rng.below(12_000)))
            }
        }
    }

    fn set_traffic(&mut self, generation: u64, traffic: Traffic) -> Option<Answer> {
        let fenced = self.fault != Some(Fault::GatewayDropsFencing);
        if fenced && generation < self.generation {
            return None;
        }
        if self.fault == Some(Fault::AddsWeight) {
            self.route.candidate_bp += traffic.candidate_bp;
            self.route.control_bp += traffic.control_bp;
            self.route.stable_bp = 10_000u32.saturating_sub(self.route.candidate_bp + self.route.control_bp);
            self.route.mirror_bp = traffic.mirror_bp;
        } else {
            self.changed |= self.route != traffic;
            self.route = traffic;
        }
        self.generation = generation;
        Some(Answer::Applied(generation))
    }

    /// A worker has finished loading.
    pub(crate) fn loaded(&mut self, scenario: &Scenario, role: Role, generation: u64) -> Option<Answer> {
        let worker = self.worker_mut(role);
        if worker.generation != generation || worker.process != Process::Loading {
            return None;
        }
        match (role, scenario.truth) {
            (Role::Candidate, Truth::Stuck) => None,
            (Role::Candidate, Truth::Broken) => {
                worker.process = Process::Failed;
                Some(Answer::Failed(role, generation))
            }
            (Role::Candidate | Role::Stable | Role::Control, _) => {
                worker.process = Process::Ready;
                Some(Answer::Ready(role, generation))
            }
        }
    }

    /// A worker dies for good.
    pub(crate) fn kill(&mut self, role: Role) -> bool {
        let worker = self.worker_mut(role);
        let alive = worker.process == Process::Ready && worker.generation > 0;
        if alive {
            worker.process = Process::Failed;
        }
        alive
    }

    /// Deaths are reported until the worker is loaded or unloaded anew: the first report may be lost.
    pub(crate) fn deaths(&self) -> impl Iterator<Item = Answer> + '_ {
        Role::ALL.into_iter().filter(|r| self.worker(*r).process == Process::Failed).map(|r| Answer::Failed(r, self.worker(r).generation))
    }

    /// Ends a tick: who served how many, and the counts where evidence is gathered.
    pub(crate) fn tick(&mut self, scenario: &Scenario, now_ms: i64, rng: &mut Rng) -> (Served, Option<Tick>) {
        let mut served = [0; 3];
        let mut orphans = 0;
        for role in Role::ALL {
            let n = scenario.requests * u64::from(self.route.share_bp(role)) / 10_000;
            if self.worker(role).process == Process::Ready { served[index(role)] = n } else { orphans += n }
        }
        // what a dead worker cannot answer is answered by another that has weight, or not at all
        if let Some(role) = Role::ALL.into_iter().find(|r| served[index(*r)] > 0) {
            served[index(role)] += orphans;
        }
        if self.fault == Some(Fault::ServesWeightZero) && self.worker(Role::Candidate).process == Process::Ready {
            served[1] += 1;
        }
        let unchanged = !std::mem::take(&mut self.changed);
        let collecting = self.collecting.filter(|c| unchanged && c.generation == self.generation);
        let tick = collecting.map(|c| self.count(scenario, c, now_ms, rng));
        self.gap = self.gap.saturating_sub(1);
        self.kept.extend(tick.clone());
        (served, tick)
    }

    fn count(&self, scenario: &Scenario, c: Collecting, now_ms: i64, rng: &mut Rng) -> Tick {
        let mut arm = |role: Role| -> ArmCounts {
            let share =
                if c.mode == Mode::Shadow { f64::from(self.route.mirror_bp) } else { f64::from(self.route.share_bp(role)) } / 10_000.0;
            let dead = self.worker(role).process != Process::Ready;
            let requests = if self.gap > 0 || dead { 0 } else { (scenario.requests as f64 * share).round() as u64 };
            let errors = rng.binomial(requests, scenario.error_rate(role == Role::Candidate));
            let latency = if requests > 0 {
                LatencyHistogram(vec![(160, u32::try_from(requests).unwrap_or(u32::MAX))])
            } else {
                LatencyHistogram::default()
            };
            ArmCounts { requests, errors, latency, ..ArmCounts::default() }
        };
        let (candidate, control) = (arm(Role::Candidate), arm(Role::Control));
        let pairs = (c.mode == Mode::Shadow).then(|| {
            let asked = candidate.requests.min(control.requests);
            let (candidate_failed, control_failed) = (candidate.errors.min(asked), control.errors.min(asked));
            PairCounts { asked, candidate_failed, control_failed: control_failed.min(asked - candidate_failed), ..PairCounts::default() }
        });
        Tick {
            seq: self.kept.len() as u64,
            at: At(now_ms),
            mode: c.mode,
            step: c.step,
            attempt: c.attempt,
            candidate_share_bp: c.candidate_share_bp,
            candidate,
            control,
            pairs,
            beside: Beside::default(),
        }
    }
}

/// Start of the world's clock.
pub(crate) const EPOCH_MS: i64 = 1_700_000_000_000;
/// The first tick's end.
pub(crate) const FIRST_TICK_MS: i64 = EPOCH_MS + TICK_MS as i64;
