//! The written story of a breaker: signals become abnormal, everything in their environment stands still, and goes on when they are
//! normal again. The real machines decide, on a journal in memory and virtual time.

use crate::scenario::Scenario;
use crate::story::{Story, Violation};
use tidegate_core::breaker::{Breaker, Command as OfBreaker, Looks, Reading, Rule, Signal, WATCH, Wanted, frozen};
use tidegate_core::freeze::told;
use tidegate_core::id::{At, Digest};
use tidegate_core::judge::{Assessment, Verdict};
use tidegate_core::rollout::{Command, Event, Forward, Judged, Rollout, Rollouts, State, effects};
use tidegate_engine::Engine;
use tidegate_port::memory::MemoryJournal;

const NAME: &str = "production";
const BREAKER: &str = "breaker/production";
pub(crate) const SERVICES: [&str; 2] = ["rollout/search/1", "rollout/pay/1"];
pub(crate) const LOOK_MS: u64 = 60_000;
/// Ticks of a stage, more than any of them must last.
const TICKS: u64 = 1_000;

pub(crate) struct World {
    pub(crate) engine: Engine<MemoryJournal>,
    pub(crate) now: At,
    looks: Looks,
    pub(crate) lines: Vec<String>,
    pub(crate) violations: Vec<Violation>,
}

impl World {
    pub(crate) fn new() -> World {
        World { engine: Engine::new(MemoryJournal::new()), now: At(0), looks: Looks::default(), lines: vec![], violations: vec![] }
    }

    pub(crate) fn tell(&mut self, line: &str) {
        let minutes = self.now.0 as f64 / LOOK_MS as f64;
        self.lines.push(format!("{minutes:>4.0} min  {line}"));
    }

    pub(crate) fn rule(&mut self, good: bool, rule: &'static str, found: &str) {
        if !good {
            self.violations.push(Violation { rule, at_ms: self.now.0, found: found.to_owned() });
        }
    }

    pub(crate) fn rollout(&mut self, stream: &str) -> Option<Box<Rollout>> {
        match self.engine.state::<Rollouts>(stream).ok()? {
            State::Started(rollout) => Some(rollout),
            State::NotStarted => None,
        }
    }

    /// Gives a command to a release, and does all that it then asks for.
    pub(crate) fn give(&mut self, stream: &'static str, command: &Command, halted: bool) {
        let mut events = self.engine.execute::<Rollouts>(stream, None, command, self.now).map(|done| done.events).unwrap_or_default();
        for _ in 0..10 {
            let state = self.engine.state::<Rollouts>(stream).unwrap_or_default();
            for answer in effects(&state).iter().filter_map(|effect| effect.carried_out(self.now)) {
                events.extend(self.engine.execute::<Rollouts>(stream, None, &answer, self.now).map(|done| done.events).unwrap_or_default());
            }
        }
        for event in events {
            let forward = matches!(event, Event::StageEntered { .. } | Event::PromotionBegan { .. } | Event::WatchEnded { .. });
            self.rule(!(forward && halted), "nothing goes forward while the breaker is open", &event.to_string());
            if forward || matches!(event, Event::FreezeBegan { .. } | Event::FreezeEnded { .. } | Event::RollbackBegan { .. }) {
                self.tell(&format!("{stream}: {event}"));
            }
        }
    }

    /// One look at the signals, then what it means to each release; the judge has nothing against any, or finds harm in one.
    fn look(&mut self, errors: Reading, harm_in: Option<&str>) {
        let halted = self.signals(errors);
        for stream in SERVICES {
            self.judged(stream, if harm_in == Some(stream) { Verdict::Rollback } else { Verdict::Promote }, halted);
        }
        self.now = self.now.plus_ms(LOOK_MS);
    }

    /// One look at the signals: whether everything stands still then.
    pub(crate) fn signals(&mut self, errors: Reading) -> bool {
        let signal = Signal { name: "errors".to_owned(), above: Some(0.05), below: None, service: None };
        let rule = Rule { after: 3, resets_after_ms: Some(3 * LOOK_MS) };
        let wrong: Vec<String> = signal.wrong(&errors).into_iter().collect();
        let before = self.engine.state::<Breaker>(BREAKER).unwrap_or_default();
        let (by, at) = (WATCH.to_owned(), self.now);
        let command = self.looks.look(rule, &before, &wrong, at).map(|wanted| match wanted {
            Wanted::Trip(why) => OfBreaker::Trip { by, why, at },
            Wanted::Close => OfBreaker::Close { by, reason: "normal for three minutes".to_owned(), at },
        });
        let seen = if wrong.is_empty() { "the signals are normal".to_owned() } else { wrong.join("; ") };
        let did = match &command {
            Some(OfBreaker::Trip { .. }) => ": the breaker trips",
            Some(OfBreaker::Close { .. }) => ": the breaker closes",
            None => "",
        };
        self.tell(&format!("{seen}{did}"));
        if let Some(command) = command {
            let done = self.engine.execute::<Breaker>(BREAKER, None, &command, at);
            self.rule(done.is_ok(), "a breaker does what its signals ask", &seen);
        }
        let state = self.engine.state::<Breaker>(BREAKER).unwrap_or_default();
        let halted = frozen(NAME, &state, at);
        for stream in SERVICES {
            if let Some(command) = self.rollout(stream).and_then(|open| told(&open, halted.as_ref(), at)) {
                self.give(stream, &command, false);
            }
        }
        halted.is_some()
    }

    /// The judge says of a release what it is told to say.
    pub(crate) fn judged(&mut self, stream: &'static str, verdict: Verdict, halted: bool) {
        let Some((attempt, (mode, step))) = self.rollout(stream).and_then(|open| Some((open.attempt, open.evidence()?))) else { return };
        let assessment = Assessment { verdict, step, candidate_requests: 10_000, step_candidate_requests: 10_000, ..Assessment::default() };
        let judged = Judged { attempt, mode, step, step_ticks: TICKS, through: 1, assessment, evidence: Digest::of(b"told") };
        self.give(stream, &Command::Judged { judged: Box::new(judged), at: self.now }, halted);
    }
}

/// Two releases are under way in an environment whose errors rise; one of them is harmful, and goes back meanwhile.
pub(crate) fn environment() -> Story {
    let mut world = World::new();
    world.look(Ok(0.01), None);
    world.look(Ok(0.2), None);
    for stream in SERVICES {
        let spec = Box::new(Scenario::calm().spec());
        world.give(stream, &Command::Start { spec, at: world.now }, false);
    }
    world.look(Err("Prometheus does not answer".to_owned()), None);
    world.look(Ok(0.3), None);
    let stood: Vec<Option<Forward>> = SERVICES.iter().map(|s| world.rollout(s).and_then(|open| open.forward())).collect();
    world.look(Ok(0.4), Some(SERVICES[1]));
    world.look(Ok(0.01), None);
    let still = world.rollout(SERVICES[0]).and_then(|open| open.forward());
    world.rule(stood.first() == Some(&still), "what is halted stands where it stood", &format!("{still:?}"));
    let back = world.rollout(SERVICES[1]).is_some_and(|open| open.forward().is_none());
    world.rule(back, "harm goes back while everything is halted", "it did not");
    for _ in 0..4 {
        world.look(Ok(0.01), None);
    }
    let on = world.rollout(SERVICES[0]).and_then(|open| open.forward());
    world.rule(on != still, "it goes on when the breaker is closed", &format!("{on:?}"));
    let World { now, lines, violations, .. } = world;
    let outcome = "the environment was halted, and went on".to_owned();
    Story { seed: 0, fault: None, lines, violations, outcome, lasted_ms: now.0 }
}
