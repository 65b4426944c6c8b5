//! The driver with an honest host, one that crashes, one whose blob store fails, and one that repeats everything.

use super::{EFFECT_RETRY_MS, Input, Output, RolloutDriver, RolloutId};
use crate::evidence::{decode, encode, recompute};
use indexmap::IndexMap;
use tidegate_core::id::At;
use tidegate_core::judge::{ArmCounts, Beside, Guardrail, GuardrailKind, JudgeSettings, LatencyHistogram, Mode, PairCounts, Tick, Verdict};
use tidegate_core::rollout::{
    Baseline, Command, Deadlines, Effect, Event, Phase, Promotion, Rollouts, Spec, SpecDraft, State, Step, Until,
};
use tidegate_port::Blobs;
use tidegate_port::memory::{AppendFault, MemoryBlobs, MemoryJournal};

fn spec(number: u64) -> Spec {
    let errors = Guardrail {
        kind: GuardrailKind::Errors,
        tolerance: 1.1,
        slack: 0.001,
        harm: 1.5,
        harm_slack: 0.002,
        differs_by: 0.05,
        floor_us: 0,
        weight: 1.0,
    };
    let judge = JudgeSettings { warm_up_ms: 0, guardrails: IndexMap::from([("errors".to_owned(), errors)]), ..JudgeSettings::preset() };
    let draft = SpecDraft {
        service: "late-arrival".to_owned(),
        number,
        model: "late-arrival".to_owned(),
        candidate: (number + 1).to_string(),
        stable: Some(number.to_string()),
        change: "more trees".to_owned(),
        strategy: String::new(),
        steps: vec![
            Step::Shadow { mirror_bp: 10_000, until: Until::Evidence },
            Step::Canary { weights_bp: vec![1_000], min_time_ms: 20_000, baseline: Baseline::Fresh },
        ],
        promote: Promotion { watch_ms: 30_000, hold_back_bp: 500 },
        judge,
        exposure_max: None,
        affinity: None,
        offline_disagreement: None,
        risk: None,
        deadlines: Deadlines::default(),
    };
    Spec::build(draft).unwrap()
}

type Driver = RolloutDriver<MemoryJournal, MemoryBlobs, Rollouts>;

/// A host that does what it is told, at once, and counts with a given share of candidate errors.
struct Host {
    driver: Driver,
    journal: MemoryJournal,
    blobs: MemoryBlobs,
    id: RolloutId,
    now: At,
    kept: Vec<Tick>,
    collecting: Option<(Mode, u32, u32, u32)>,
    bad: u64,
    done: Vec<Effect>,
}

impl Host {
    fn new(bad: u64) -> Host {
        let (journal, blobs) = (MemoryJournal::new(), MemoryBlobs::new());
        let (driver, outputs) = Driver::recover(journal.clone(), blobs.clone(), At(0)).unwrap();
        assert_eq!(outputs, vec![]);
        let id = RolloutId { service: "late-arrival".to_owned(), number: 1 };
        Host { driver, journal, blobs, id, now: At(0), kept: vec![], collecting: None, bad, done: vec![] }
    }

    fn start(&mut self) {
        let command = Command::Start { spec: Box::new(spec(self.id.number)), at: self.now };
        self.give(Input::Command { rollout: self.id.clone(), key: Some("start".to_owned()), command });
    }

    fn give(&mut self, input: Input) {
        let outputs = self.driver.handle(input, self.now).unwrap();
        self.obey(outputs);
    }

    fn obey(&mut self, outputs: Vec<Output>) {
        for output in outputs {
            match output {
                Output::Do { effect, .. } => self.effect(effect),
                Output::ResendEvidence { from_seq, .. } => {
                    let ticks = self.kept.iter().filter(|t| t.seq >= from_seq).cloned().collect();
                    self.give(Input::Evidence { rollout: self.id.clone(), ticks });
                }
                Output::Happened { .. } | Output::Trouble { .. } => {}
            }
        }
    }

    fn effect(&mut self, effect: Effect) {
        self.done.push(effect.clone());
        let at = self.now;
        let command = match effect {
            Effect::Load { role, generation, .. } => Command::WorkerReady { role, generation, at },
            Effect::Unload { role, generation } => Command::Unloaded { role, generation, at },
            Effect::SetTraffic { generation, .. } => Command::TrafficApplied { generation, at },
            Effect::Page { number, .. } => Command::PageDelivered { number, at },
            Effect::CollectEvidence { mode, step, attempt, candidate_share_bp, .. } => {
                self.collecting = Some((mode, step, attempt, candidate_share_bp));
                return;
            }
        };
        self.give(Input::Command { rollout: self.id.clone(), key: None, command });
    }

    fn tick(&mut self) {
        self.now = self.now.plus_ms(10_000);
        self.give(Input::Wake);
        let Some((mode, step, attempt, candidate_share_bp)) = self.collecting else { return };
        let arm = |errors| ArmCounts { requests: 1_000, errors, latency: LatencyHistogram(vec![(100, 1_000)]), ..ArmCounts::default() };
        let pairs = (mode == Mode::Shadow).then(|| PairCounts { asked: 1_000, candidate_failed: self.bad, ..PairCounts::default() });
        let (candidate, control) = (arm(self.bad), arm(0));
        let seq = self.kept.len() as u64;
        let tick =
            Tick { seq, at: self.now, mode, step, attempt, candidate_share_bp, candidate, control, pairs, beside: Beside::default() };
        self.kept.push(tick.clone());
        self.give(Input::Evidence { rollout: self.id.clone(), ticks: vec![tick] });
    }

    fn crash(&mut self) {
        let (driver, outputs) = Driver::recover(self.journal.clone(), self.blobs.clone(), self.now).unwrap();
        self.driver = driver;
        self.collecting = None;
        self.obey(outputs);
    }

    fn state(&mut self) -> State {
        self.driver.state(&self.id.clone()).unwrap()
    }

    fn phase(&mut self) -> Phase {
        self.state().rollout().unwrap().phase.clone()
    }

    fn run(&mut self, crash_each: u64) {
        for n in 1..200u64 {
            self.tick();
            if crash_each > 0 && n % crash_each == 0 {
                self.crash();
            }
            if self.phase().is_terminal() {
                return;
            }
        }
        panic!("no end: {:?}", self.state());
    }

    fn events(&mut self) -> Vec<Event> {
        let records = tidegate_port::Journal::read_stream(&mut self.journal, &self.id.stream(), 0).unwrap();
        records.into_iter().map(|r| serde_json::from_value(r.body).unwrap()).collect()
    }
}

#[test]
fn a_good_release_is_promoted_and_its_verdicts_are_recomputed_to_the_bit() {
    let mut host = Host::new(0);
    host.start();
    host.run(0);
    assert_eq!(host.phase(), Phase::Done);
    let mut verdicts = 0;
    for event in host.events() {
        let Event::VerdictReached { assessment, evidence, through, .. } = event else { continue };
        verdicts += 1;
        let bytes = host.blobs.get(&evidence).unwrap();
        let again = recompute(&bytes).unwrap();
        assert_eq!(*assessment, again);
        assert_eq!(assessment.e_promote.to_bits(), again.e_promote.to_bits());
        let (header, ticks) = decode(&bytes).unwrap();
        assert_eq!(ticks.last().map(|t| t.seq), Some(through));
        assert_eq!(encode(&header, &ticks), bytes);
    }
    assert!(verdicts >= 3, "{verdicts} verdicts");
    assert_eq!(host.driver.next_wake(host.now), None, "nothing is left to do");
}

#[test]
fn a_bad_release_is_rolled_back_and_a_failing_blob_store_does_not_stop_it() {
    let mut host = Host::new(50);
    host.blobs.set_failing(true);
    host.start();
    host.run(0);
    assert!(matches!(host.phase(), Phase::RolledBack { .. }), "{:?}", host.phase());
    assert!(host.done.iter().all(|e| !matches!(e, Effect::SetTraffic { traffic, .. } if traffic.candidate_bp > 0)), "caught in shadow");
    host.blobs.set_failing(false);
    assert!(host.driver.next_wake(host.now).is_some(), "evidence is left to be sealed");
    host.give(Input::Wake);
    assert_eq!(host.driver.next_wake(host.now), None);
    let failed = host.state().rollout().and_then(|r| r.failed.clone()).unwrap();
    let again = recompute(&host.blobs.get(&failed.evidence).unwrap()).unwrap();
    assert_eq!((again.verdict.clone(), again), (Verdict::Rollback, failed.assessment));
}

#[test]
fn crashes_change_nothing_that_is_recorded() {
    let facts = |crash_each| {
        let mut host = Host::new(0);
        host.start();
        host.run(crash_each);
        host.events()
    };
    let without = facts(0);
    for crash_each in [1, 2, 5] {
        assert_eq!(facts(crash_each), without, "a crash every {crash_each} ticks");
    }
}

#[test]
fn everything_may_come_twice() {
    let mut host = Host::new(0);
    host.start();
    host.start();
    let before = host.events();
    for role in tidegate_core::rollout::Role::ALL {
        for generation in 0..9 {
            let command = Command::WorkerReady { role, generation, at: host.now };
            host.give(Input::Command { rollout: host.id.clone(), key: None, command });
        }
    }
    assert_eq!(host.events(), before);
    host.tick();
    let ticks = host.kept.clone();
    let events = host.events();
    host.give(Input::Evidence { rollout: host.id.clone(), ticks });
    assert_eq!(host.events(), events);
}

#[test]
fn a_gap_in_the_evidence_is_asked_for() {
    let mut host = Host::new(0);
    host.start();
    host.tick();
    let mut ahead = host.kept[0].clone();
    ahead.seq = 3;
    let outputs = host.driver.handle(Input::Evidence { rollout: host.id.clone(), ticks: vec![ahead] }, host.now).unwrap();
    assert_eq!(outputs, vec![Output::ResendEvidence { rollout: host.id.clone(), from_seq: 1 }]);
}

#[test]
fn an_effect_is_asked_for_until_it_is_answered() {
    let mut host = Host::new(0);
    let command = Command::Start { spec: Box::new(spec(1)), at: At(0) };
    let ask = |driver: &mut Driver, at| -> usize {
        let outputs = driver.handle(Input::Wake, At(at)).unwrap();
        outputs.iter().filter(|o| matches!(o, Output::Do { effect: Effect::Load { .. }, .. })).count()
    };
    host.driver.handle(Input::Command { rollout: host.id.clone(), key: None, command }, At(0)).unwrap();
    let retry_ms = EFFECT_RETRY_MS as i64;
    assert_eq!(host.driver.next_wake(At(0)), Some(At(retry_ms)));
    assert_eq!(ask(&mut host.driver, retry_ms - 1), 0);
    assert_eq!(ask(&mut host.driver, retry_ms), 3);
    assert_eq!(ask(&mut host.driver, retry_ms + 1), 0);
    assert_eq!(ask(&mut host.driver, 0), 3, "a clock that jumps back does not silence it");
}

#[test]
fn one_rollout_a_service_at_a_time_and_only_the_newest_wakes_again() {
    let mut host = Host::new(0);
    host.start();
    let second = RolloutId { number: 2, ..host.id.clone() };
    let start = |number| Command::Start { spec: Box::new(spec(number)), at: At(0) };
    let busy = host.driver.handle(Input::Command { rollout: second.clone(), key: None, command: start(2) }, At(0)).unwrap_err();
    assert_eq!(
        busy.to_string(),
        "start rollout 2 of late-arrival: rollout 1 of the same service is under way: wait for its end, or abort it"
    );
    let other = host.driver.handle(Input::Command { rollout: second.clone(), key: None, command: start(3) }, At(0)).unwrap_err();
    assert_eq!(other.to_string(), "start rollout 2 of late-arrival: the specification is that of rollout 3 of late-arrival");
    host.run(0);
    let first = std::mem::replace(&mut host.id, second);
    host.start();
    host.kept.clear();
    host.collecting = None;
    host.run(0);
    let undo = Command::Undo { by: "ada".to_owned(), reason: "late".to_owned(), at: host.now };
    let late = host.driver.handle(Input::Command { rollout: first, key: None, command: undo }, host.now).unwrap_err();
    assert_eq!(late.to_string(), "undo rollout 1 of late-arrival: rollout 2 of the same service came after it: command that one");
}

#[test]
fn a_journal_that_fails_after_writing_loses_and_doubles_nothing() {
    let mut host = Host::new(0);
    let command = Command::Start { spec: Box::new(spec(1)), at: At(0) };
    let input = Input::Command { rollout: host.id.clone(), key: Some("k".to_owned()), command };
    let mut first = true;
    host.journal.set_fault_hook(Box::new(move |_| if std::mem::take(&mut first) { AppendFault::FailsAfter } else { AppendFault::None }));
    assert!(host.driver.handle(input.clone(), At(0)).is_err());
    host.give(input);
    host.run(0);
    let started = host.events().iter().filter(|e| matches!(e, Event::Started { .. })).count();
    assert_eq!(started, 1);
}
