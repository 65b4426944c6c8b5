//! A seeded world for the judge: traffic, failures and latencies of two arms, tick by tick.
#![allow(dead_code, reason = "each test binary uses its part")]

use tidegate_core::id::At;
use tidegate_core::judge::{
    ArmCounts, Assessment, BUCKETS, Beside, JudgeSettings, JudgeState, LatencyHistogram, Mode, Offline, OneSample, PairCounts, Tick,
    Verdict,
};
use tidegate_stats::rng::Rng;

/// What happens to both arms and to each.
#[derive(Clone, Copy, Debug)]
pub struct World {
    /// Requests of both arms together.
    pub per_minute: f64,
    /// Candidate's share among candidate and control, in basis points.
    pub share_bp: u32,
    /// Control's failure rate.
    pub control: f64,
    /// Candidate's failure rate.
    pub candidate: f64,
    /// Failures added to both arms from minute 10 to 16.
    pub incident: f64,
    /// Strength of the drift that both arms share, in traffic, failures and latency.
    pub drift: f64,
    /// Factor of the candidate's latency.
    pub slower: f64,
    /// Chance that a tick stalls both arms, so that most answers are ten times slower.
    pub stall: f64,
    /// Ends of the buckets that latencies are counted in, in microseconds; empty: as finely as the judge does.
    pub ends_us: &'static [f64],
}

impl World {
    pub fn calm(per_minute: f64) -> World {
        World {
            per_minute,
            share_bp: 2_500,
            control: 0.005,
            candidate: 0.005,
            incident: 0.0,
            drift: 0.0,
            slower: 1.0,
            stall: 0.0,
            ends_us: &[],
        }
    }
}

/// Shares of a lognormal latency (sigma .5) between these quantile steps, as (buckets from the median, share).
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
/// Median: about 5 ms.
const MEDIAN_BUCKET: i32 = 197;

/// The same latencies, each counted at the end of its bucket.
fn in_buckets(latency: &LatencyHistogram, ends_us: &[f64]) -> ArmCounts {
    let edges: Vec<u16> = ends_us.iter().map(|us| LatencyHistogram::bucket_of(*us)).collect();
    if edges.is_empty() {
        return ArmCounts { latency: latency.clone(), ..ArmCounts::default() };
    }
    let mut coarse = LatencyHistogram::default();
    for (bucket, count) in &latency.0 {
        coarse.add(edges.iter().copied().find(|end| end >= bucket).unwrap_or(BUCKETS - 1), *count);
    }
    ArmCounts { latency: coarse, edges, ..ArmCounts::default() }
}

/// `n` answers, their latency shifted by `shift` buckets; a few stall.
fn latencies(rng: &mut Rng, n: u64, shift: i32, stalled: f64) -> LatencyHistogram {
    let mut histogram = LatencyHistogram::default();
    let mut left = n;
    let mut share_left = 1.0;
    for (offset, share) in SHAPE {
        let count = rng.binomial(left, share / share_left);
        let slow = rng.binomial(count, stalled);
        left -= count;
        share_left = (share_left - share).max(share * 1e-9);
        for (more, count) in [(0, count - slow), (53, slow)] {
            if count > 0 {
                histogram.add((MEDIAN_BUCKET + offset + shift + more) as u16, count as u32);
            }
        }
    }
    histogram
}

/// The world as a sequence of canary ticks.
pub struct Canary {
    world: World,
    rng: Rng,
    seq: u64,
    /// Logarithm of the shared drift: a slow autoregression.
    load: f64,
}

pub const TICK_MS: u64 = 10_000;

impl Canary {
    pub fn new(world: World, seed: u64) -> Canary {
        Canary { world, rng: Rng::new(seed), seq: 0, load: 0.0 }
    }

    pub fn tick(&mut self) -> Tick {
        let w = self.world;
        let rng = &mut self.rng;
        self.load = 0.97 * self.load + w.drift * 0.25 * rng.normal();
        let load = libm::exp(self.load.clamp(-2.0, 2.0));
        let minute = self.seq as f64 * TICK_MS as f64 / 60_000.0;
        let incident = if (10.0..16.0).contains(&minute) { w.incident } else { 0.0 };
        let stalled = if rng.chance(w.stall) { 0.7 } else { 0.0 };
        let total = rng.poisson(w.per_minute / 6.0 * libm::sqrt(load));
        let share = f64::from(w.share_bp) / 10_000.0;
        // An exact split with a random remainder, as the gateway's.
        let n1 = (total as f64 * share + rng.uniform()) as u64;
        let shift = libm::rint(8.0 * self.load) as i32;
        let slower = libm::rint(16.0 * libm::log2(w.slower)) as i32;
        let mut arm = |n: u64, rate: f64, more: i32| {
            let errors = rng.binomial(n, (rate * load + incident).min(1.0));
            ArmCounts { requests: n, errors, ..in_buckets(&latencies(rng, n - errors, shift + more, stalled), self.world.ends_us) }
        };
        let candidate = arm(n1, w.candidate, slower);
        let control = arm(total - n1.min(total), w.control, 0);
        let tick = Tick {
            seq: self.seq,
            at: At((self.seq as i64 + 1) * TICK_MS as i64),
            mode: Mode::Canary,
            step: 0,
            attempt: 1,
            candidate_share_bp: w.share_bp,
            candidate,
            control,
            pairs: None,
            beside: Beside::default(),
        };
        self.seq += 1;
        tick
    }
}

/// How a release ended and after how many minutes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum End {
    Promoted(f64),
    RolledBack(f64),
    Undecided,
}

/// Plays `minutes` of a canary; with `stop`, ends at the first promotion too.
pub fn play(settings: &JudgeSettings, world: World, seed: u64, minutes: u64, stop: bool) -> (End, JudgeState) {
    let mut state = JudgeState::new(settings, 1, Mode::Canary, &Offline::default());
    let mut canary = Canary::new(world, seed);
    let mut end = End::Undecided;
    for tick in 1..=minutes * 6 {
        state.observe(&canary.tick());
        let minute = tick as f64 / 6.0;
        if state.rolled_back() {
            return (End::RolledBack(minute), state);
        }
        if end == End::Undecided && state.promotable() {
            end = End::Promoted(minute);
            if stop {
                return (end, state);
            }
        }
    }
    (end, state)
}

/// Number rolled back, their median minute, number promoted, their median minute.
pub fn tally(ends: &[End]) -> (usize, f64, usize, f64) {
    let mut back: Vec<f64> = ends.iter().filter_map(|e| if let End::RolledBack(m) = e { Some(*m) } else { None }).collect();
    let mut forth: Vec<f64> = ends.iter().filter_map(|e| if let End::Promoted(m) = e { Some(*m) } else { None }).collect();
    back.sort_by(f64::total_cmp);
    forth.sort_by(f64::total_cmp);
    let median = |xs: &[f64]| xs.get(xs.len() / 2).copied().unwrap_or(f64::NAN);
    (back.len(), median(&back), forth.len(), median(&forth))
}

/// A shadow tick of `asked` pairs: failures of one request often hit both arms.
pub fn shadow_tick(rng: &mut Rng, seq: u64, asked: u64, candidate_fails: f64, skewed: f64, differs: f64) -> Tick {
    let both = rng.binomial(asked, 0.002);
    let only = rng.binomial(asked - both, candidate_fails);
    let answered = asked - both - only;
    let arm = |rng: &mut Rng, errors: u64| ArmCounts {
        requests: asked,
        errors,
        latency: latencies(rng, asked - errors, 0, 0.0),
        ..ArmCounts::default()
    };
    let candidate = arm(rng, both + only);
    let control = arm(rng, both);
    let pairs = PairCounts {
        asked,
        both_failed: both,
        candidate_failed: only,
        control_failed: 0,
        disagreement: OneSample { trials: answered, hits: rng.binomial(answered, differs) },
        skew: OneSample { trials: answered, hits: rng.binomial(answered, skewed) },
    };
    let at = At((seq as i64 + 1) * TICK_MS as i64);
    Tick {
        seq,
        at,
        mode: Mode::Shadow,
        step: 0,
        attempt: 1,
        candidate_share_bp: 5_000,
        candidate,
        control,
        pairs: Some(pairs),
        beside: Beside::default(),
    }
}

/// Folds shadow ticks until a decision; the assessment and the number of ticks.
pub fn shadow(
    settings: &JudgeSettings,
    offline: &Offline,
    seed: u64,
    ticks: u64,
    (asked, fails, skewed, differs): (u64, f64, f64, f64),
) -> (Assessment, u64) {
    let mut rng = Rng::new(seed);
    let mut state = JudgeState::new(settings, 1, Mode::Shadow, offline);
    for seq in 0..ticks {
        state.observe(&shadow_tick(&mut rng, seq, asked, fails, skewed, differs));
        if state.rolled_back() || state.promotable() {
            return (state.assess(), seq + 1);
        }
    }
    (state.assess(), ticks)
}

/// The verdict's name.
pub fn word(assessment: &Assessment) -> &'static str {
    match assessment.verdict {
        Verdict::Promote => "promote",
        Verdict::Continue => "continue",
        Verdict::Hold { .. } => "hold",
        Verdict::Rollback => "rollback",
        Verdict::InsufficientEvidence { .. } => "insufficient_evidence",
        Verdict::NoTelemetry => "no_telemetry",
    }
}
