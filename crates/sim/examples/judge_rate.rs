//! What it costs to judge thousands of rollouts at once, and to move the machine one step.
#![allow(missing_docs, clippy::expect_used, clippy::disallowed_methods, reason = "it measures time")]

use std::time::{Duration, Instant};
use tidegate_core::id::At;
use tidegate_core::judge::{ArmCounts, Beside, Guardrail, GuardrailKind, JudgeSettings, LatencyHistogram, Mode, OneSample, Tick};
use tidegate_core::machine::Machine;
use tidegate_core::rollout::{Baseline, Command, Deadlines, Promotion, Rollouts, Spec, SpecDraft, State, Step};
use tidegate_engine::rollouts::{Input, Output, RolloutDriver, RolloutId};
use tidegate_port::memory::{MemoryBlobs, MemoryJournal};
use tidegate_stats::rng::Rng;

const ROLLOUTS: usize = 10_000;
const ROUNDS: u64 = 5;
const TICK_MS: u64 = 10_000;

/// Eight guardrails: the preset's, and a quantile more.
fn spec(number: usize) -> Spec {
    let mut judge = JudgeSettings::preset();
    let more = Guardrail { kind: GuardrailKind::Latency { q: 0.9 }, ..judge.guardrails.get("latency_p95").expect("a preset").clone() };
    judge.guardrails.insert("latency_p90".to_owned(), more);
    judge.warm_up_ms = 0;
    let draft = SpecDraft {
        service: format!("service-{number}"),
        number: 1,
        model: "m".to_owned(),
        candidate: "2".to_owned(),
        stable: Some("1".to_owned()),
        change: "a change".to_owned(),
        strategy: String::new(),
        steps: vec![Step::Canary { weights_bp: vec![500, 2_500, 5_000], min_time_ms: 3_600_000, baseline: Baseline::Fresh }],
        promote: Promotion { watch_ms: 1_800_000, hold_back_bp: 500 },
        exposure_max: None,
        affinity: None,
        judge,
        offline_disagreement: Some(OneSample { trials: 10_000, hits: 100 }),
        risk: None,
        deadlines: Deadlines::default(),
    };
    Spec::build(draft).expect("a sound specification")
}

fn arm(rng: &mut Rng) -> ArmCounts {
    let requests = rng.poisson(100.0);
    let errors = rng.binomial(requests, 0.01);
    let mut latency = LatencyHistogram::default();
    for _ in errors..requests {
        latency.record(5_000.0 * libm::exp(0.5 * rng.normal()));
    }
    ArmCounts { requests, errors, latency, ..ArmCounts::default() }
}

fn tick(seq: u64, rng: &mut Rng) -> Tick {
    Tick {
        seq,
        at: At(0).plus_ms((seq + 1) * TICK_MS),
        mode: Mode::Canary,
        step: 0,
        attempt: 1,
        candidate_share_bp: 5_000,
        candidate: arm(rng),
        control: arm(rng),
        pairs: None,
        beside: Beside::default(),
    }
}

fn main() {
    let (mut driver, _) =
        RolloutDriver::<_, _, Rollouts>::recover(MemoryJournal::new(), MemoryBlobs::new(), At(0)).expect("an empty journal");
    let ids: Vec<RolloutId> = (0..ROLLOUTS).map(|n| RolloutId { service: format!("service-{n}"), number: 1 }).collect();
    let begun = Instant::now();
    for (number, id) in ids.iter().enumerate() {
        let mut inputs = vec![Command::Start { spec: Box::new(spec(number)), at: At(0) }];
        while let Some(command) = inputs.pop() {
            let given = driver.handle(Input::Command { rollout: id.clone(), key: None, command }, At(0)).expect("it is taken");
            inputs.extend(given.iter().filter_map(|o| if let Output::Do { effect, .. } = o { effect.carried_out(At(0)) } else { None }));
        }
    }
    println!("{ROLLOUTS} rollouts started and in their canary: {:.1} s", begun.elapsed().as_secs_f64());
    let mut rng = Rng::new(1);
    let mut rounds: Vec<Duration> = vec![];
    for seq in 0..ROUNDS {
        let ticks: Vec<Tick> = ids.iter().map(|_| tick(seq, &mut rng)).collect();
        let begun = Instant::now();
        for (id, tick) in ids.iter().zip(ticks) {
            let at = tick.at;
            driver.handle(Input::Evidence { rollout: id.clone(), ticks: vec![tick] }, at).expect("it is judged");
        }
        rounds.push(begun.elapsed());
    }
    rounds.sort_unstable();
    let median = rounds[rounds.len() / 2].as_secs_f64();
    println!(
        "one tick of all of them, 8 guardrails each, through the driver: {median:.2} s, {:.1} % of one core every 10 s",
        10.0 * median
    );
    steps();
}

/// The machine alone: pause and resume, each a decision and its fact.
fn steps() {
    const STEPS: u32 = 1_000_000;
    let mut state = State::NotStarted;
    let mut give = |command: &Command| {
        let events = Rollouts::decide(&state, command).expect("it is taken");
        state = events.iter().fold(std::mem::take(&mut state), Rollouts::evolve);
    };
    give(&Command::Start { spec: Box::new(spec(0)), at: At(0) });
    let (by, reason) = ("ada".to_owned(), "because".to_owned());
    let (pause, resume) = (Command::Pause { by: by.clone(), reason, at: At(1) }, Command::Resume { by, at: At(1) });
    let begun = Instant::now();
    for step in 0..STEPS {
        give(if step % 2 == 0 { &pause } else { &resume });
    }
    let each = begun.elapsed().as_secs_f64() / f64::from(STEPS);
    println!("a step of the machine: {:.2} us, {:.0} steps a second", 1e6 * each, 1.0 / each);
}
