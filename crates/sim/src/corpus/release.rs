//! One release, carried out by the driver on fakes that answer at once; counts come from the truth.

use super::{Defect, Disturbance, Truth};
use tidegate_core::id::At;
use tidegate_core::judge::{ArmCounts, Beside, JudgeSettings, LatencyHistogram, Mode, OneSample, PairCounts, Tick};
use tidegate_core::rollout::{Baseline, Command, Deadlines, Phase, Promotion, Role, Rollout, Spec, SpecDraft, Step, Traffic, Until};
use tidegate_engine::rollouts::{Input, Output, RolloutDriver, RolloutId};
use tidegate_port::memory::{MemoryBlobs, MemoryJournal};
use tidegate_stats::rng::Rng;

const TICK_MS: u64 = 10_000;
const TICKS_PER_MINUTE: f64 = 6.0;
/// Longest time of a release: the judge's deadline and the watch.
const TICKS_MAX: u64 = 8 * 360;
/// When an incident, a slow backend or a gap begins in each mode.
const EVENT_AT: u64 = 48;
const EVENT_TICKS: u64 = 36;
const GAP_TICKS: u64 = 18;
/// Ticks that a cold candidate is slow for.
const COLD_TICKS: u64 = 3;
/// Decisions that differed offline, of the rows compared.
const OFFLINE: OneSample = OneSample { trials: 20_000, hits: 300 };
/// Most rounds of effects and answers at one time.
const ROUNDS_MAX: usize = 50;

/// How it ended.
pub(super) struct Ended {
    pub phase: String,
    /// By the judge, or for want of a decision.
    pub held: bool,
    pub released: bool,
    pub minutes: f64,
    pub exposed: u64,
    pub said: String,
}

/// What is true of the two arms.
struct Truths {
    truth: Truth,
    per_minute: f64,
    /// The control's share of failures.
    base: f64,
    /// How much worse the defect is, from 0 (hardly harmful) to 1.
    strength: f64,
    /// Logarithm of the drift that both arms share.
    drift: f64,
}

struct Bench {
    driver: RolloutDriver<MemoryJournal, MemoryBlobs>,
    id: RolloutId,
    now: At,
}

pub(super) fn carry_out(truth: Truth, per_minute: f64, rng: &mut Rng) -> Ended {
    let base = match truth {
        Truth::Healthy(Disturbance::NoErrors) | Truth::Faulty(Defect::NewErrors) => 0.0,
        _ => [0.000_5, 0.002, 0.01][rng.below(3) as usize],
    };
    let mut truths = Truths { truth, per_minute, base, strength: rng.uniform(), drift: 0.0 };
    let Some(mut bench) = Bench::start() else {
        return Ended { phase: "not started".to_owned(), held: false, released: false, minutes: 0.0, exposed: 0, said: String::new() };
    };
    let (mut seq, mut in_mode, mut mode, mut exposed) = (0, 0, None, 0);
    for tick in 0..TICKS_MAX {
        bench.now = At(0).plus_ms((tick + 1) * TICK_MS);
        let Some(rollout) = bench.rollout() else { break };
        if rollout.phase.is_terminal() || matches!(rollout.phase, Phase::Held { .. }) {
            break;
        }
        if let Some((here, step)) = rollout.evidence() {
            in_mode = if mode == Some(here) { in_mode + 1 } else { 0 };
            mode = Some(here);
            let traffic = rollout.traffic.map_or(Traffic::STABLE, |t| t.traffic);
            let Some(counted) = truths.tick(here, in_mode, traffic, rng) else { continue };
            if here != Mode::Shadow {
                exposed += counted.candidate.requests;
            }
            bench.give(Input::Evidence {
                rollout: bench.id.clone(),
                ticks: vec![Tick { seq, at: bench.now, step, attempt: rollout.attempt, ..counted }],
            });
            seq += 1;
        }
        bench.give(Input::Wake);
    }
    ended(&mut bench, exposed)
}

fn ended(bench: &mut Bench, exposed: u64) -> Ended {
    let minutes = bench.now.since_ms(At(0)) as f64 / 60_000.0;
    let Some(rollout) = bench.rollout() else {
        return Ended { phase: "lost".to_owned(), held: false, released: false, minutes, exposed, said: String::new() };
    };
    Ended {
        phase: rollout.phase.name().to_owned(),
        held: matches!(rollout.phase, Phase::Held { .. }),
        released: rollout.phase == Phase::Done,
        minutes,
        exposed,
        said: rollout.judged.as_ref().map(|j| j.assessment.summary.clone()).unwrap_or_default(),
    }
}

impl Bench {
    fn start() -> Option<Bench> {
        let draft = SpecDraft {
            service: "corpus".to_owned(),
            number: 1,
            model: "corpus".to_owned(),
            candidate: "2".to_owned(),
            stable: Some("1".to_owned()),
            change: "a change of the corpus".to_owned(),
            strategy: String::new(),
            steps: vec![
                Step::Shadow { mirror_bp: 10_000, until: Until::Evidence },
                Step::Canary { weights_bp: vec![500, 2_500, 5_000], min_time_ms: 300_000, baseline: Baseline::Fresh },
            ],
            promote: Promotion { watch_ms: 1_800_000, hold_back_bp: 500 },
            exposure_max: None,
            affinity: None,
            judge: JudgeSettings::preset(),
            offline_disagreement: Some(OFFLINE),
            risk: None,
            deadlines: Deadlines::default(),
        };
        let spec = Spec::build(draft).ok()?;
        let (driver, _) = RolloutDriver::recover(MemoryJournal::new(), MemoryBlobs::new(), At(0)).ok()?;
        let mut bench = Bench { driver, id: RolloutId { service: "corpus".to_owned(), number: 1 }, now: At(0) };
        let command = Command::Start { spec: Box::new(spec), at: bench.now };
        bench.give(Input::Command { rollout: bench.id.clone(), key: Some("start".to_owned()), command });
        Some(bench)
    }

    fn rollout(&mut self) -> Option<Rollout> {
        self.driver.state(&self.id).ok()?.rollout().cloned()
    }

    /// Takes an input and answers every effect that follows, as an honest data plane.
    fn give(&mut self, input: Input) {
        let mut inputs = vec![input];
        for _ in 0..ROUNDS_MAX {
            let Some(input) = inputs.pop() else { return };
            let outputs = self.driver.handle(input, self.now).unwrap_or_default();
            for output in outputs {
                if let Output::Do { effect, .. } = output
                    && let Some(command) = effect.carried_out(self.now)
                {
                    inputs.push(Input::Command { rollout: self.id.clone(), key: None, command });
                }
            }
        }
    }
}

/// Rates and latency of one arm in one tick.
#[derive(Clone, Copy)]
struct Arm {
    fails: f64,
    /// Factor of all latencies.
    slower: f64,
    /// Share of answers that take ten times as long.
    stalls: f64,
}

impl Truths {
    /// The counts of one tick; none where nothing was counted.
    fn tick(&mut self, mode: Mode, since: u64, traffic: Traffic, rng: &mut Rng) -> Option<Tick> {
        let disturbance = if let Truth::Healthy(disturbance) = self.truth { Some(disturbance) } else { None };
        let during = |ticks: u64| (EVENT_AT..EVENT_AT + ticks).contains(&since);
        if disturbance == Some(Disturbance::Gap) && during(GAP_TICKS) {
            return None;
        }
        if disturbance == Some(Disturbance::Drift) {
            self.drift = 0.97 * self.drift + 0.1 * rng.normal();
        }
        let drift = libm::exp(self.drift.clamp(-1.5, 1.5));
        let load = match disturbance {
            Some(Disturbance::Load) => libm::exp(0.7 * libm::sin(since as f64 / 20.0)),
            _ => drift,
        };
        let more = if disturbance == Some(Disturbance::Incident) && during(EVENT_TICKS) { 0.05 } else { 0.0 };
        let slow_backend = if disturbance == Some(Disturbance::SlowBackend) && during(EVENT_TICKS) { 3.0 } else { 1.0 };
        let shared = Arm { fails: (self.base * drift + more).min(1.0), slower: drift * slow_backend, stalls: 0.002 };
        let candidate = self.candidate(shared, since);
        let per_tick = self.per_minute / TICKS_PER_MINUTE * load;
        let tick = |candidate_share_bp, one, zero, pairs| Tick {
            seq: 0,
            at: At(0),
            mode,
            step: 0,
            attempt: 1,
            candidate_share_bp,
            candidate: one,
            control: zero,
            pairs,
            beside: Beside::default(),
        };
        if mode == Mode::Shadow {
            let (one, zero, pairs) = self.pairs(rng.poisson(per_tick), candidate, shared, rng);
            return Some(tick(5_000, one, zero, Some(pairs)));
        }
        let arms = traffic.share_bp(Role::Candidate) + traffic.share_bp(Role::Control);
        let share = f64::from(traffic.share_bp(Role::Candidate)) / f64::from(arms.max(1));
        let total = rng.poisson(per_tick * f64::from(arms) / 10_000.0);
        // An exact split with a random remainder, as the gateway's.
        let n1 = ((total as f64 * share + rng.uniform()) as u64).min(total);
        let mut one = counted(n1, candidate, rng);
        if self.truth == Truth::Faulty(Defect::Loses) {
            let lost = rng.binomial(one.errors, 0.9);
            (one.requests, one.errors) = (one.requests - lost, one.errors - lost);
        }
        let bp = libm::rint(10_000.0 * share) as u32;
        Some(tick(bp, one, counted(total - n1, shared, rng), None))
    }

    /// The candidate, where the control is `shared`.
    fn candidate(&self, shared: Arm, since: u64) -> Arm {
        let minutes = since as f64 / TICKS_PER_MINUTE;
        let up_to = |low: f64, high: f64| low * libm::pow(high / low, self.strength);
        match self.truth {
            Truth::Faulty(Defect::Errors) => Arm { fails: (shared.fails * up_to(2.5, 10.0)).max(0.008), ..shared },
            Truth::Faulty(Defect::NewErrors | Defect::RefusesSome) => Arm { fails: shared.fails + up_to(0.006, 0.03), ..shared },
            Truth::Faulty(Defect::Leak) => Arm { fails: (shared.fails + up_to(0.001, 0.01) * minutes).min(1.0), ..shared },
            Truth::Faulty(Defect::Crashes) => {
                let down = since % 30 >= 27;
                Arm { fails: if down { up_to(0.3, 0.9) } else { shared.fails }, ..shared }
            }
            Truth::Faulty(Defect::Slow) => Arm { slower: shared.slower * up_to(1.7, 4.0), ..shared },
            Truth::Faulty(Defect::SlowTail) => Arm { stalls: up_to(0.03, 0.1), ..shared },
            Truth::Faulty(Defect::Loses) => Arm { fails: (shared.fails * 5.0).max(up_to(0.05, 0.2)), ..shared },
            Truth::Faulty(Defect::Skew | Defect::Disagrees) => shared,
            Truth::Healthy(Disturbance::ColdStart) if since < COLD_TICKS => {
                Arm { slower: shared.slower * 5.0, fails: (shared.fails * 5.0 + 0.01).min(1.0), ..shared }
            }
            Truth::Healthy(Disturbance::WithinSlack) => {
                Arm { fails: shared.fails * 1.03 + 0.000_3, slower: shared.slower * 1.03, ..shared }
            }
            Truth::Healthy(Disturbance::Better) => Arm { fails: 0.7 * shared.fails, slower: 0.7 * shared.slower, ..shared },
            Truth::Healthy(_) => shared,
        }
    }

    /// Pairs of a shadow: what makes one arm fail makes the other fail too, for half of the control's failures.
    fn pairs(&self, asked: u64, candidate: Arm, control: Arm, rng: &mut Rng) -> (ArmCounts, ArmCounts, PairCounts) {
        let together = 0.5 * control.fails.min(candidate.fails);
        let both = rng.binomial(asked, together);
        let candidate_failed = rng.binomial(asked - both, ((candidate.fails - together) / (1.0 - together)).max(0.0));
        let control_failed =
            rng.binomial(asked - both - candidate_failed, ((control.fails - together) / (1.0 - candidate.fails).max(1e-9)).clamp(0.0, 1.0));
        let answered = asked - both - candidate_failed - control_failed;
        let (mut skewed, mut differs) = (0.000_5, 0.015);
        match self.truth {
            Truth::Faulty(Defect::Skew) => skewed = 0.05 + 0.3 * self.strength,
            Truth::Faulty(Defect::Disagrees) => differs = 0.08 + 0.2 * self.strength,
            _ => {}
        }
        let compared = |rate: f64, rng: &mut Rng| OneSample { trials: answered, hits: rng.binomial(answered, rate) };
        let pairs = PairCounts {
            asked,
            both_failed: both,
            candidate_failed,
            control_failed,
            disagreement: compared(differs, rng),
            skew: compared(skewed, rng),
        };
        let arm = |errors: u64, of: Arm, rng: &mut Rng| ArmCounts {
            requests: asked,
            errors,
            latency: latencies(asked - errors, of, rng),
            ..ArmCounts::default()
        };
        (arm(both + candidate_failed, candidate, rng), arm(both + control_failed, control, rng), pairs)
    }
}

fn counted(requests: u64, arm: Arm, rng: &mut Rng) -> ArmCounts {
    let errors = rng.binomial(requests, arm.fails);
    ArmCounts { requests, errors, latency: latencies(requests - errors, arm, rng), ..ArmCounts::default() }
}

/// A lognormal latency (sigma a half, median 5 ms) cut into steps: buckets from the median, share.
const SHAPE: [(i32, f64); 13] = [
    (-24, 0.015),
    (-18, 0.05),
    (-12, 0.10),
    (-7, 0.15),
    (-2, 0.185),
    (3, 0.18),
    (8, 0.14),
    (13, 0.09),
    (18, 0.05),
    (23, 0.024),
    (28, 0.010),
    (34, 0.005),
    (44, 0.001),
];
const MEDIAN_BUCKET: i32 = 197;
/// Buckets of a factor of ten.
const TENFOLD: i32 = 53;

fn latencies(n: u64, arm: Arm, rng: &mut Rng) -> LatencyHistogram {
    let mut histogram = LatencyHistogram::default();
    let shift = libm::rint(16.0 * libm::log2(arm.slower)) as i32;
    let (mut left, mut share_left) = (n, 1.0);
    for (offset, share) in SHAPE {
        let count = rng.binomial(left, (share / share_left).min(1.0));
        let stalled = rng.binomial(count, arm.stalls);
        left -= count;
        share_left = (share_left - share).max(share * 1e-9);
        for (more, count) in [(0, count - stalled), (TENFOLD, stalled)] {
            if count > 0 {
                histogram.add((MEDIAN_BUCKET + offset + shift + more).clamp(0, 416) as u16, count as u32);
            }
        }
    }
    histogram
}
