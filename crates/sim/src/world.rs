//! The loop of virtual time.

use crate::checker::Checker;
use crate::fault::{self, Fault, Planted};
use crate::network::Network;
use crate::operator::Operator;
use crate::plane::{Answer, EPOCH_MS, FIRST_TICK_MS, Plane};
use crate::scenario::{Scenario, TICK_MS};
use crate::story::Story;
use tidegate_core::id::At;
use tidegate_core::judge::Tick;
use tidegate_core::machine::Machine;
use tidegate_core::rollout::{Command, Effect, Event, Role, Rollouts, State, check};
use tidegate_engine::rollouts::{Input, Output, RolloutDriver, RolloutId};
use tidegate_port::Journal;
use tidegate_port::memory::{AppendFault, MemoryBlobs, MemoryJournal};
use tidegate_stats::rng::Rng;

/// Ticks after the healing by which everything must have come to its end.
const PATIENCE_TICKS: u64 = 500;
/// Ticks that a finished world is looked at before it closes.
const QUIET_TICKS: u64 = 8;
/// Longest story, in lines.
const LINES_MAX: usize = 2_000;

/// Something that happens at a time.
#[derive(Clone, Debug)]
pub(crate) enum Happening {
    /// An effect reaches the data plane.
    Effect(Effect),
    /// The data plane is asked for its kept evidence.
    Resend(u64),
    /// An answer reaches the driver.
    Answer(Answer),
    /// Evidence reaches the driver.
    Evidence(Vec<Tick>),
    /// A worker has finished loading, or not.
    Loaded { role: Role, generation: u64 },
    /// The data plane ends a tick.
    Tick,
    /// The driver is to be woken.
    Wake,
    /// The driver comes back after a crash.
    DriverUp,
}

pub(crate) struct World {
    scenario: Scenario,
    fault: Option<Fault>,
    rng: Rng,
    now_ms: i64,
    /// The driver's clock minus the true one.
    skew_ms: i64,
    healed: bool,
    ticks: u64,
    quiet: u64,
    wake_ms: Option<i64>,
    id: RolloutId,
    journal: MemoryJournal,
    blobs: MemoryBlobs,
    driver: Option<RolloutDriver<MemoryJournal, MemoryBlobs, Planted>>,
    network: Network<Happening>,
    plane: Plane,
    operator: Operator,
    checker: Checker,
    /// Records of the journal that were told.
    read: u64,
    /// Effects that went out once, for the fault that never repeats them.
    once: Vec<Effect>,
    lines: Vec<String>,
}

impl World {
    pub(crate) fn run(seed: u64, fault: Option<Fault>) -> Story {
        let mut rng = Rng::new(seed);
        let scenario = Scenario::draw(&mut rng);
        World::of(seed, rng, scenario, fault)
    }

    /// The world of one scenario.
    pub(crate) fn of(seed: u64, rng: Rng, scenario: Scenario, fault: Option<Fault>) -> Story {
        fault::plant(fault);
        let mut world = World {
            plane: Plane::new(&scenario, fault),
            checker: Checker::new(&scenario),
            fault,
            rng,
            now_ms: EPOCH_MS,
            skew_ms: 0,
            healed: false,
            ticks: 0,
            quiet: 0,
            wake_ms: None,
            id: RolloutId { service: "simulated".to_owned(), number: 1 },
            journal: MemoryJournal::new(),
            blobs: MemoryBlobs::new(),
            driver: None,
            network: Network::new(),
            operator: Operator::default(),
            read: 0,
            once: vec![],
            lines: vec![],
            scenario,
        };
        world.tell(format!("scenario: {:?}", world.scenario));
        world.journal_faults();
        world.network.at(EPOCH_MS, Happening::DriverUp);
        world.network.at(FIRST_TICK_MS, Happening::Tick);
        while world.step() {}
        fault::plant(None);
        world.finish(seed)
    }

    fn tell(&mut self, line: String) {
        if self.lines.len() < LINES_MAX {
            self.lines.push(format!("{:8.1} s  {line}", (self.now_ms - EPOCH_MS) as f64 / 1e3));
        }
    }

    fn clock(&self) -> At {
        At(self.now_ms + self.skew_ms)
    }

    /// Appends fail before or after writing; with the fault planted they are acknowledged and not written.
    fn journal_faults(&mut self) {
        let mut rng = self.rng.fork(1);
        let (fails, fault) = (self.scenario.journal_fails, self.fault);
        self.journal.set_fault_hook(Box::new(move |_| {
            if fault == Some(Fault::AcknowledgesBeforeAppend) && rng.chance(0.1) {
                return AppendFault::LostAcknowledged;
            }
            match rng.chance(fails) {
                false => AppendFault::None,
                true if rng.chance(0.5) => AppendFault::FailsBefore,
                true => AppendFault::FailsAfter,
            }
        }));
    }

    fn step(&mut self) -> bool {
        let Some((ms, what)) = self.network.next() else { return false };
        self.now_ms = ms;
        match what {
            Happening::Effect(effect) => self.effect(&effect),
            Happening::Resend(from_seq) => {
                let ticks = self.plane.kept.iter().filter(|t| t.seq >= from_seq).cloned().collect();
                self.network.send(&mut self.rng, &self.scenario, ms, Happening::Evidence(ticks));
            }
            Happening::Answer(answer) => self.answered(&answer),
            Happening::Evidence(ticks) => self.give(Input::Evidence { rollout: self.id.clone(), ticks }),
            Happening::Loaded { role, generation } => {
                let answer = self.plane.loaded(&self.scenario, role, generation);
                self.reply(answer);
            }
            Happening::Tick => return self.tick(),
            Happening::Wake => {
                if self.wake_ms == Some(ms) {
                    self.wake_ms = None;
                    self.give(Input::Wake);
                }
            }
            Happening::DriverUp => self.driver_up(),
        }
        self.checker.workers(&self.plane);
        true
    }

    fn effect(&mut self, effect: &Effect) {
        let (answer, changed) = self.checker.obeyed(self.now_ms, effect, &mut self.plane, &mut self.rng);
        if changed {
            self.tell(format!("  plane: {effect}"));
        }
        self.reply(answer);
    }

    fn reply(&mut self, answer: Option<Answer>) {
        match answer {
            None => {}
            Some(Answer::LoadsFor(role, generation, ms)) => {
                self.network.at(self.now_ms + ms as i64, Happening::Loaded { role, generation });
            }
            Some(answer) => self.network.send(&mut self.rng, &self.scenario, self.now_ms, Happening::Answer(answer)),
        }
    }

    fn answered(&mut self, answer: &Answer) {
        let Some(command) = answer.command(self.clock()) else { return };
        self.give(Input::Command { rollout: self.id.clone(), key: None, command });
    }

    fn give(&mut self, input: Input) {
        let at = self.clock();
        let Some(driver) = self.driver.as_mut() else { return };
        let freeze = if let Input::Command { command: Command::Freeze { until, .. }, .. } = &input { Some(*until) } else { None };
        let handled = driver.handle(input, at);
        self.read_on();
        match handled {
            Ok(outputs) => {
                freeze.into_iter().for_each(|until| self.checker.told_freeze(until));
                self.outputs(outputs);
            }
            Err(error) => self.tell(format!("  refused: {error}")),
        }
        self.plan_wake();
    }

    /// Tells what is new in the journal.
    fn read_on(&mut self) {
        let records = self.journal.read_stream(&self.id.stream(), self.read).unwrap_or_default();
        self.read += records.len() as u64;
        let events: Vec<Event> = records.into_iter().filter_map(|r| serde_json::from_value(r.body).ok()).collect();
        for event in &events {
            self.tell(event.to_string());
        }
        self.checker.happened(self.now_ms, &events, &self.plane);
        // the machine's own whole-state rules are not the checker's; a sound machine keeps them beside it
        if self.fault.is_none() && !events.is_empty() {
            let notes = check(&self.state());
            self.checker.notes(self.now_ms, notes);
        }
    }

    fn plan_wake(&mut self) {
        let at = self.clock();
        let Some(next) = self.driver.as_mut().and_then(|d| d.next_wake(at)) else { return };
        let ms = (next.0 - self.skew_ms).max(self.now_ms + 1);
        if self.wake_ms.is_none_or(|planned| ms < planned || planned <= self.now_ms) {
            self.wake_ms = Some(ms);
            self.network.at(ms, Happening::Wake);
        }
    }

    fn outputs(&mut self, outputs: Vec<Output>) {
        for output in outputs {
            match output {
                Output::Do { effect, .. } => {
                    if self.fault == Some(Fault::ForgetsRetry) {
                        if self.once.contains(&effect) {
                            continue;
                        }
                        self.once.push(effect.clone());
                    }
                    self.network.send(&mut self.rng, &self.scenario, self.now_ms, Happening::Effect(effect));
                }
                Output::Happened { events, .. } => self.checker.acknowledged(events),
                Output::ResendEvidence { from_seq, .. } => {
                    self.network.send(&mut self.rng, &self.scenario, self.now_ms, Happening::Resend(from_seq));
                }
                Output::Trouble { detail, .. } => self.tell(format!("  trouble: {detail}")),
            }
        }
    }

    fn driver_up(&mut self) {
        match RolloutDriver::recover(self.journal.clone(), self.blobs.clone(), self.clock()) {
            Ok((driver, outputs)) => {
                self.driver = Some(driver);
                self.outputs(outputs);
                let command = Command::Start { spec: Box::new(self.scenario.spec()), at: self.clock() };
                self.give(Input::Command { rollout: self.id.clone(), key: Some("start".to_owned()), command });
            }
            Err(error) => {
                self.tell(format!("  the driver does not come up: {error}"));
                self.network.at(self.now_ms + 1_000, Happening::DriverUp);
            }
        }
    }

    /// Ends a tick. False when the world is over.
    fn tick(&mut self) -> bool {
        self.ticks += 1;
        if self.ticks == self.scenario.heals_after {
            self.heal();
        }
        if !self.healed {
            self.storm();
        }
        let (served, counted) = self.plane.tick(&self.scenario, self.now_ms, &mut self.rng);
        self.checker.tick(self.now_ms, &self.plane, served, counted.is_some(), self.healed);
        if let Some(tick) = counted {
            self.network.send(&mut self.rng, &self.scenario, self.now_ms, Happening::Evidence(vec![tick]));
        }
        let deaths: Vec<Answer> = self.plane.deaths().collect();
        deaths.into_iter().for_each(|death| self.reply(Some(death)));
        self.operate();
        self.network.at(self.now_ms + TICK_MS as i64, Happening::Tick);
        let over = self.state().rollout().is_some_and(|r| r.phase.is_terminal()) && self.healed;
        self.quiet = if over { self.quiet + 1 } else { 0 };
        self.quiet < QUIET_TICKS && self.ticks < self.scenario.heals_after + PATIENCE_TICKS
    }

    fn operate(&mut self) {
        let state = self.state();
        let Some(r) = state.rollout() else {
            // the start got lost with a failing journal
            let command = Command::Start { spec: Box::new(self.scenario.spec()), at: self.clock() };
            return self.give(Input::Command { rollout: self.id.clone(), key: Some("start".to_owned()), command });
        };
        let at = self.clock();
        let (who, command) = match self.operator.calendar(r, &self.scenario, at) {
            Some(freeze) => ("calendar", Some(freeze)),
            None => ("operator", self.operator.wants(r, self.healed, &self.scenario, at, &mut self.rng)),
        };
        let Some(command) = command else { return };
        self.tell(format!("  {who}: {}", command.name()));
        if let Command::Promote { .. } = command {
            self.checker.person_promoted();
        }
        self.give(Input::Command { rollout: self.id.clone(), key: Some(format!("operator-{}", self.ticks)), command });
    }

    /// One of the things that go wrong, at times.
    fn storm(&mut self) {
        let p = self.scenario.trouble;
        if self.rng.chance(p) && self.driver.is_some() {
            let down_ms = 1 + self.rng.below(30_000);
            self.tell(format!("  the driver crashes, for {:.1} s", down_ms as f64 / 1e3));
            self.driver = None;
            self.network.at(self.now_ms + down_ms as i64, Happening::DriverUp);
        }
        if self.rng.chance(p) {
            self.skew_ms = self.rng.below(1_200_000) as i64 - 600_000;
            self.checker.clock_jumped();
            self.tell(format!("  the driver's clock jumps to {:+.0} s", self.skew_ms as f64 / 1e3));
        }
        if self.rng.chance(p * 0.7) {
            let role = Role::ALL[self.rng.below(3) as usize];
            if self.plane.kill(role) {
                self.tell(format!("  the {role} worker dies"));
            }
        }
        if self.rng.chance(p) {
            self.plane.gap = 3 + self.rng.below(9);
            self.tell(format!("  telemetry stays away for {} ticks", self.plane.gap));
        }
        if self.rng.chance(p) {
            let fails = self.rng.chance(0.5);
            self.blobs.set_failing(fails);
        }
    }

    fn heal(&mut self) {
        self.tell("  everything heals".to_owned());
        self.healed = true;
        self.network.calm = true;
        self.skew_ms = 0;
        self.plane.gap = 0;
        self.blobs.set_failing(false);
        if self.fault != Some(Fault::AcknowledgesBeforeAppend) {
            self.journal.clear_fault_hook();
        }
        if self.driver.is_none() {
            self.network.at(self.now_ms + 1, Happening::DriverUp);
        }
    }

    fn facts(&mut self) -> Vec<Event> {
        let records = self.journal.read_stream(&self.id.stream(), 0).unwrap_or_default();
        records.into_iter().filter_map(|r| serde_json::from_value(r.body).ok()).collect()
    }

    fn state(&mut self) -> State {
        let id = self.id.clone();
        match self.driver.as_mut().and_then(|d| d.state(&id).ok()) {
            Some(state) => state,
            None => Rollouts::replay(self.facts().iter()),
        }
    }

    fn finish(mut self, seed: u64) -> Story {
        let facts = self.facts();
        let state = Rollouts::replay(facts.iter());
        let phase = state.rollout().map_or("not started", |r| r.phase.name());
        self.checker.end(self.now_ms, &facts, &self.plane, phase);
        let violations = std::mem::take(&mut self.checker.violations);
        let outcome = match state.rollout().map(|r| (&r.phase, r.attempt)) {
            Some((phase, 1)) => phase.name().to_owned(),
            Some((phase, attempt)) => format!("{} in attempt {attempt}", phase.name()),
            None => "not started".to_owned(),
        };
        Story { seed, fault: self.fault, lines: self.lines, violations, outcome, lasted_ms: self.now_ms - EPOCH_MS }
    }
}
