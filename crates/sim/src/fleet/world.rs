//! The loop of virtual time for several replicas.

use super::Fault;
use super::checker::Checker;
use super::host::Host;
use crate::checker::Checker as Rules;
use crate::network::Network;
use crate::operator::Operator;
use crate::plane::{Answer, EPOCH_MS, FIRST_TICK_MS, Plane};
use crate::scenario::{Scenario, TICK_MS};
use crate::story::Story;
use tidegate_core::judge::Tick;
use tidegate_core::lease::{BEAT_MS, Beat, SLICES, Sent, Session, slice_of};
use tidegate_core::machine::Machine;
use tidegate_core::rollout::{Effect, Event, Role, Rollouts, State};
use tidegate_engine::Engine;
use tidegate_engine::rollouts::{DriverError, Input, Output, RolloutId};
use tidegate_port::memory::{AppendFault, MemoryBeats, MemoryBlobs, MemoryJournal};
use tidegate_port::{Beats as _, Journal as _};
use tidegate_stats::rng::Rng;

/// Ticks after the healing by which everything must have come to its end.
const PATIENCE_TICKS: u64 = 500;
/// Ticks that a finished world is looked at before it closes.
const QUIET_TICKS: u64 = 8;
/// Longest time that a process which stood still takes to catch up with one thing.
const WAKING_MS_MAX: u64 = 1_500;
/// Longest story, in lines.
const LINES_MAX: usize = 4_000;

#[derive(Clone, Debug)]
pub(super) enum Happening {
    /// An effect reaches the data plane of a service.
    Effect { service: usize, host: usize, effect: Effect },
    /// The data plane is asked for its kept evidence.
    Resend { service: usize, host: usize, from_seq: u64 },
    /// An answer reaches a replica.
    Answer { service: usize, host: usize, answer: Answer },
    /// Evidence reaches a replica.
    Evidence { service: usize, host: usize, ticks: Vec<Tick> },
    /// A worker has finished loading, or not.
    Loaded { service: usize, host: usize, role: Role, generation: u64 },
    /// A replica is to beat, and to look at the others.
    Beat { host: usize, starts: u64 },
    /// A beat reaches its store.
    Arrives { host: usize, sent: Sent },
    /// Its sender hears that it is there.
    Answered { host: usize, sent: Sent },
    /// A tick ends.
    Tick,
    /// A replica's driver is to be woken.
    Wake { host: usize },
    /// A process starts.
    Up { host: usize },
    /// The journal is in reach again.
    Reached { host: usize },
}

impl Happening {
    /// The process that it happens to; what happens to one that stands still happens when it goes on.
    fn host(&self) -> Option<usize> {
        match self {
            Happening::Answer { host, .. }
            | Happening::Evidence { host, .. }
            | Happening::Beat { host, .. }
            | Happening::Answered { host, .. }
            | Happening::Wake { host } => Some(*host),
            Happening::Effect { .. }
            | Happening::Resend { .. }
            | Happening::Loaded { .. }
            | Happening::Arrives { .. }
            | Happening::Tick
            | Happening::Up { .. }
            | Happening::Reached { .. } => None,
        }
    }
}

pub(super) struct Service {
    pub(super) id: RolloutId,
    pub(super) slice: u32,
    pub(super) scenario: Scenario,
    pub(super) plane: Plane,
    pub(super) operator: Operator,
    pub(super) rules: Rules,
}

/// How rough it is for replicas, chances a tick or a message.
#[derive(Debug)]
pub(super) struct Weather {
    pub(super) trouble: f64,
    beats_lost: f64,
    beats_delay_ms: u64,
    heals_after: u64,
}

pub(super) struct World {
    pub(super) fault: Option<Fault>,
    pub(super) rng: Rng,
    pub(super) weather: Weather,
    pub(super) now_ms: i64,
    pub(super) healed_ms: Option<i64>,
    pub(super) ticks: u64,
    quiet: u64,
    pub(super) journal: MemoryJournal,
    blobs: MemoryBlobs,
    pub(super) beats: MemoryBeats,
    /// Looks at states beside the replicas.
    reader: Engine<MemoryJournal>,
    pub(super) network: Network<Happening>,
    pub(super) services: Vec<Service>,
    pub(super) hosts: Vec<Host>,
    starts: Vec<u64>,
    pub(super) checker: Checker,
    /// Records of the journal that were looked at.
    pub(super) read: u64,
    lines: Vec<String>,
}

impl World {
    pub(super) fn run(seed: u64, fault: Option<Fault>) -> Story {
        let mut rng = Rng::new(seed);
        let rough = rng.chance(0.8);
        let slow = rng.chance(0.3);
        let weather = Weather {
            trouble: if rough { 0.01 + 0.08 * rng.uniform() } else { 0.0 },
            beats_lost: if rough && rng.chance(0.5) { 0.4 * rng.uniform() } else { 0.0 },
            beats_delay_ms: if rough { 20 + rng.below(if slow { 6_000 } else { 400 }) } else { 20 },
            heals_after: 20 + rng.below(60),
        };
        let services = (0..2 + rng.below(3)).map(|n| Service::draw(n, &mut rng)).collect();
        let hosts: Vec<Host> = (0..2 + rng.below(3) as usize).map(|index| Host::draw(index, fault, &mut rng)).collect();
        let journal = MemoryJournal::new();
        let mut world = World {
            fault,
            rng,
            weather,
            now_ms: EPOCH_MS,
            healed_ms: None,
            ticks: 0,
            quiet: 0,
            reader: Engine::new(journal.clone()),
            journal,
            blobs: MemoryBlobs::new(),
            beats: MemoryBeats::default(),
            network: Network::new(),
            services,
            starts: vec![0; hosts.len()],
            hosts,
            checker: Checker::default(),
            read: 0,
            lines: vec![],
        };
        world.begin();
        while world.step() {}
        world.finish(seed)
    }

    fn begin(&mut self) {
        if let Some(fault) = self.fault {
            self.tell(format!("planted: {fault:?}"));
        }
        self.tell(format!("{} replicas, {:?}", self.hosts.len(), self.weather));
        for n in 0..self.services.len() {
            let line = format!("{} in slice {}: {:?}", self.services[n].id, self.services[n].slice, self.services[n].scenario);
            self.tell(line);
            // replicas tell the date by clocks of their own
            self.services[n].rules.clock_jumped();
        }
        let (mut rng, fails) = (self.rng.fork(1), self.services.first().map_or(0.0, |s| s.scenario.journal_fails));
        self.journal.set_fault_hook(Box::new(move |_| match rng.chance(fails) {
            false => AppendFault::None,
            true if rng.chance(0.5) => AppendFault::FailsBefore,
            true => AppendFault::FailsAfter,
        }));
        for host in 0..self.hosts.len() {
            self.network.at(EPOCH_MS + (self.rng.below(15_000)) as i64, Happening::Up { host });
        }
        self.network.at(FIRST_TICK_MS, Happening::Tick);
    }

    pub(super) fn tell(&mut self, line: String) {
        if self.lines.len() < LINES_MAX {
            self.lines.push(format!("{:8.1} s  {line}", (self.now_ms - EPOCH_MS) as f64 / 1e3));
        }
    }

    fn step(&mut self) -> bool {
        let Some((ms, what)) = self.network.next() else { return false };
        self.now_ms = ms;
        if let Some(until) = what.host().and_then(|host| self.hosts[host].still_until).filter(|until| *until > ms) {
            // in any order: what wakes is a process with threads
            let later = self.rng.below(WAKING_MS_MAX) as i64;
            self.network.at(until + later, what);
            return true;
        }
        match what {
            Happening::Effect { service, host, effect } => self.effect(service, host, &effect),
            Happening::Resend { service, host, from_seq } => {
                let ticks = self.services[service].plane.kept.iter().filter(|t| t.seq >= from_seq).cloned().collect();
                self.send(service, Happening::Evidence { service, host, ticks });
            }
            Happening::Answer { service, host, answer } => {
                if let Some(command) = answer.command(self.hosts[host].at(ms)) {
                    self.give(host, Input::Command { rollout: self.services[service].id.clone(), key: None, command });
                }
            }
            Happening::Evidence { service, host, ticks } => {
                self.give(host, Input::Evidence { rollout: self.services[service].id.clone(), ticks });
            }
            Happening::Loaded { service, host, role, generation } => {
                let Service { plane, scenario, .. } = &mut self.services[service];
                let answer = plane.loaded(scenario, role, generation);
                self.reply(service, host, answer);
            }
            Happening::Beat { host, starts } => self.beat(host, starts),
            Happening::Arrives { host, sent } => self.arrives(host, sent),
            Happening::Answered { host, sent } => self.answered(host, &sent),
            Happening::Tick => return self.tick(),
            Happening::Wake { host } => {
                if self.hosts[host].wake_ms.is_some_and(|wake| wake <= ms) {
                    self.hosts[host].wake_ms = None;
                    self.give(host, Input::Wake);
                }
            }
            Happening::Up { host } => self.up(host),
            Happening::Reached { host } => {
                self.checker.trouble(ms);
                self.hosts[host].set_cut(false);
            }
        }
        for service in &mut self.services {
            service.rules.workers(&service.plane);
        }
        true
    }

    /// A message between a data plane and a replica, in the service's weather.
    fn send(&mut self, service: usize, what: Happening) {
        self.network.send(&mut self.rng, &self.services[service].scenario, self.now_ms, what);
    }

    fn effect(&mut self, service: usize, host: usize, effect: &Effect) {
        let Service { rules, plane, .. } = &mut self.services[service];
        let (answer, changed) = rules.obeyed(self.now_ms, effect, plane, &mut self.rng);
        if changed {
            let line = format!("  plane of {}: {effect}", self.services[service].id.service);
            self.tell(line);
        }
        self.reply(service, host, answer);
    }

    fn reply(&mut self, service: usize, host: usize, answer: Option<Answer>) {
        match answer {
            None => {}
            Some(Answer::LoadsFor(role, generation, ms)) => {
                self.network.at(self.now_ms + ms as i64, Happening::Loaded { service, host, role, generation });
            }
            Some(answer) => self.send(service, Happening::Answer { service, host, answer }),
        }
    }

    /// Hands an input to a replica; whether it took it.
    pub(super) fn give(&mut self, host: usize, input: Input) -> bool {
        let now = self.hosts[host].now_to_act(self.now_ms, self.fault);
        let Some(replica) = self.hosts[host].replica.as_mut() else { return false };
        let handled = replica.handle(input, now);
        let taken = handled.is_ok();
        self.read_on(host);
        match handled {
            Ok(outputs) => self.outputs(host, outputs),
            // asked of the wrong one: whoever asks, asks another
            Err(DriverError::Elsewhere { .. }) => {}
            Err(error) => {
                let line = format!("  {}: refused: {error}", self.hosts[host].name);
                self.checker.fenced += u64::from(line.contains("fenced off"));
                self.tell(line);
            }
        }
        self.plan_wake(host);
        taken
    }

    pub(super) fn session(&self, host: usize) -> Session {
        let none = || Session { replica: self.hosts[host].name.clone(), number: 0 };
        self.hosts[host].replica.as_ref().map_or_else(none, |r| r.session().clone())
    }

    pub(super) fn state(&mut self, service: usize) -> State {
        self.reader.state::<Rollouts>(&self.services[service].id.stream()).unwrap_or_default()
    }

    fn plan_wake(&mut self, host: usize) {
        let (ms, now) = (self.now_ms, self.hosts[host].now(self.now_ms));
        let Some(next) = self.hosts[host].replica.as_ref().and_then(|r| r.next_wake(now)) else { return };
        let wake = (next.0 - self.hosts[host].skew_ms).max(ms + 1);
        if self.hosts[host].wake_ms.is_none_or(|planned| wake < planned || planned <= ms) {
            self.hosts[host].wake_ms = Some(wake);
            self.network.at(wake, Happening::Wake { host });
        }
    }

    fn outputs(&mut self, host: usize, outputs: Vec<Output>) {
        for output in outputs {
            let (Output::Do { rollout, .. }
            | Output::Happened { rollout, .. }
            | Output::ResendEvidence { rollout, .. }
            | Output::Trouble { rollout, .. }) = &output;
            let Some(service) = self.services.iter().position(|s| s.id == *rollout) else { continue };
            match output {
                Output::Do { effect, .. } => {
                    let by = self.session(host);
                    self.checker.acted(self.now_ms, self.services[service].slice, &by);
                    self.send(service, Happening::Effect { service, host, effect });
                }
                Output::Happened { events, .. } => self.services[service].rules.acknowledged(events),
                Output::ResendEvidence { from_seq, .. } => self.send(service, Happening::Resend { service, host, from_seq }),
                Output::Trouble { detail, .. } => {
                    self.checker.fenced += u64::from(detail.contains("fenced off"));
                    self.tell(format!("  {}: trouble: {detail}", self.hosts[host].name));
                }
            }
        }
    }

    pub(super) fn up(&mut self, host: usize) {
        self.checker.trouble(self.now_ms);
        if self.hosts[host].replica.is_none() {
            self.hosts[host].start(&self.journal, &self.blobs, self.fault);
            self.starts[host] += 1;
            self.tell(format!("  {} starts", self.hosts[host].name));
            self.network.at(self.now_ms, Happening::Beat { host, starts: self.starts[host] });
        }
    }

    /// A replica sends its beat and looks at those of the others.
    fn beat(&mut self, host: usize, starts: u64) {
        let now = self.hosts[host].now_to_act(self.now_ms, self.fault);
        let h = &mut self.hosts[host];
        let Some(replica) = h.replica.as_mut().filter(|_| starts == self.starts[host]) else { return };
        let sent = replica.beat(now);
        self.network.at(self.now_ms + self.hosts[host].true_ms(BEAT_MS), Happening::Beat { host, starts });
        self.on_its_way(host, Happening::Arrives { host, sent });
        self.round(host);
    }

    /// A beat or its answer: lost, or late.
    fn on_its_way(&mut self, host: usize, what: Happening) {
        let deaf = self.hosts[host].is_cut() || self.hosts[host].deaf_until > self.now_ms;
        if deaf || (self.healed_ms.is_none() && self.rng.chance(self.weather.beats_lost)) {
            return self.checker.trouble(self.now_ms);
        }
        let delay_ms = if self.healed_ms.is_some() { 10 } else { 1 + self.rng.below(self.weather.beats_delay_ms) };
        if delay_ms > 500 {
            self.checker.trouble(self.now_ms + delay_ms as i64);
        }
        self.network.at(self.now_ms + delay_ms as i64, what);
    }

    fn arrives(&mut self, host: usize, sent: Sent) {
        if self.beats.beat(&sent.beat).is_ok() {
            self.checker.beat(self.now_ms, &sent.beat);
            self.on_its_way(host, Happening::Answered { host, sent });
        }
    }

    fn answered(&mut self, host: usize, sent: &Sent) {
        let now = self.hosts[host].now_to_act(self.now_ms, self.fault);
        let h = &mut self.hosts[host];
        let Some(replica) = h.replica.as_mut() else { return };
        replica.beaten(sent, now);
        if replica.acts(now) && replica.session() == &sent.beat.session {
            h.renewed = h.renewed.max(sent.at);
        }
        if sent.at > h.slept_at {
            self.checker.answered(&h.name);
        }
    }

    /// What a replica sees of the beats; with a fault planted, what it takes itself to see.
    fn seen(&mut self, host: usize) -> Vec<Beat> {
        let (mut beats, own) = (self.beats.all().unwrap_or_default(), self.hosts[host].name.clone());
        for beat in &mut beats {
            match self.fault {
                Some(Fault::NeverTakesOver) => beat.count += (self.now_ms - EPOCH_MS) as u64,
                Some(Fault::KeepsEverything) => beat.ready &= beat.session.replica == own,
                _ => {}
            }
        }
        beats
    }

    fn round(&mut self, host: usize) {
        let (beats, now) = (self.seen(host), self.hosts[host].now(self.now_ms));
        if self.hosts[host].now_to_act(self.now_ms, self.fault) != now {
            return;
        }
        let Some(replica) = self.hosts[host].replica.as_mut() else { return };
        let round = replica.round(&beats, now.uptime, now);
        self.read_on(host);
        match round {
            Ok(round) => {
                for session in &round.forget {
                    let _ = self.beats.forget(session);
                }
                if !round.trouble.is_empty() {
                    self.checker.trouble(self.now_ms);
                }
                self.outputs(host, round.outputs);
            }
            Err(error) => self.tell(format!("  {}: no round: {error}", self.hosts[host].name)),
        }
        self.checker.rounded(&self.hosts[host].name);
        self.plan_wake(host);
    }

    /// Ends a tick. False when the world is over.
    fn tick(&mut self) -> bool {
        self.ticks += 1;
        if self.ticks == self.weather.heals_after {
            self.heal();
        }
        for host in 0..self.hosts.len() {
            if self.hosts[host].still_until.is_some_and(|until| until <= self.now_ms) {
                self.hosts[host].still_until = None;
                self.checker.trouble(self.now_ms);
            }
            if self.healed_ms.is_none() {
                self.storm(host);
            }
        }
        for service in 0..self.services.len() {
            self.tick_of(service);
        }
        self.look();
        self.network.at(self.now_ms + TICK_MS as i64, Happening::Tick);
        let over = (0..self.services.len()).all(|n| self.state(n).rollout().is_some_and(|r| r.phase.is_terminal()));
        self.quiet = if over && self.healed_ms.is_some() { self.quiet + 1 } else { 0 };
        self.quiet < QUIET_TICKS && self.ticks < self.weather.heals_after + PATIENCE_TICKS
    }

    fn tick_of(&mut self, service: usize) {
        let healed = self.healed_ms.is_some();
        let Service { rules, plane, scenario, .. } = &mut self.services[service];
        let (served, counted) = plane.tick(scenario, self.now_ms, &mut self.rng);
        rules.tick(self.now_ms, plane, served, counted.is_some(), healed);
        let deaths: Vec<Answer> = plane.deaths().collect();
        // whoever drives it hears it; the others may
        for host in 0..self.hosts.len() {
            for tick in counted.iter() {
                self.send(service, Happening::Evidence { service, host, ticks: vec![tick.clone()] });
            }
            for death in &deaths {
                self.send(service, Happening::Answer { service, host, answer: death.clone() });
            }
        }
        self.operate(service);
        if !healed && self.rng.chance(self.services[service].scenario.trouble) {
            let role = Role::ALL[self.rng.below(3) as usize];
            self.services[service].plane.kill(role);
        }
        if !healed && self.rng.chance(self.services[service].scenario.trouble) {
            self.services[service].plane.gap = 3 + self.rng.below(9);
        }
    }

    fn finish(mut self, seed: u64) -> Story {
        let mut outcome = vec![];
        let mut violations = vec![];
        for n in 0..self.services.len() {
            let records = self.journal.read_stream(&self.services[n].id.stream(), 0).unwrap_or_default();
            let facts: Vec<Event> = records.into_iter().filter_map(|r| serde_json::from_value(r.body).ok()).collect();
            let state = Rollouts::replay(facts.iter());
            let phase = state.rollout().map_or("not started", |r| r.phase.name());
            let Service { rules, plane, .. } = &mut self.services[n];
            rules.end(self.now_ms, &facts, plane, phase);
            violations.append(&mut rules.violations);
            outcome.push(phase);
        }
        let live: Vec<Session> = (0..self.hosts.len()).filter(|n| self.hosts[*n].replica.is_some()).map(|n| self.session(n)).collect();
        self.checker.end(self.now_ms, self.healed_ms.unwrap_or(self.now_ms), &live, SLICES);
        violations.append(&mut self.checker.violations);
        let outcome = format!("{}; {} taken over, {} fenced off", outcome.join(", "), self.checker.taken_over, self.checker.fenced);
        Story { seed, fault: None, lines: self.lines, violations, outcome, lasted_ms: self.now_ms - EPOCH_MS }
    }
}

impl Service {
    fn draw(n: u64, rng: &mut Rng) -> Service {
        let (scenario, service) = (Scenario::draw(rng), format!("service-{n}"));
        Service {
            slice: slice_of(&service),
            id: RolloutId { service, number: 1 },
            plane: Plane::new(&scenario, None),
            operator: Operator::default(),
            rules: Rules::new(&scenario),
            scenario,
        }
    }
}
