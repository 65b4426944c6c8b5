//! The judges, each on the counts of one run.

use super::ALPHA;
use super::oracle::Oracle;
use super::race::OURS;
use super::world::{Counted, Run, TICKS_PER_MINUTE};
use tidegate_core::judge::{
    Interval, JudgeSettings, JudgeState, Mode, Offline, alone, errors_of_preset, for_counts, for_latencies, tick_of,
};
use tidegate_core::peers::argo::{self, Limits, Tally};
use tidegate_core::peers::kayenta::{CONFIDENCE, Class, Classifier, Direction, MetricRules, TOLERANCE as KAYENTA_TOLERANCE};

/// Times the rate of errors that a threshold allows: what a careful user would set.
const ALLOWED: f64 = 2.0;
/// Times the control's rate where a ratio is asked for.
const RATIO: f64 = 1.2;
/// Minutes between two judgements of Kayenta's.
const KAYENTA_MINUTES: usize = 10;
/// Minutes that are not judged at the start, by those judges that can be told so.
const WARM_UP_MS: u64 = 3 * 60_000;
const WARM_UP_TICKS: usize = 3 * TICKS_PER_MINUTE;

/// Ticks before which nothing is promoted: a canary step takes ten minutes at least.
const PROMOTE_TICKS_MIN: usize = 10 * TICKS_PER_MINUTE;

/// How a run ended for a judge; ticks from 0.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Outcome {
    pub rollback: Option<usize>,
    pub promote: Option<usize>,
    pub held: bool,
    /// Users that met a failure of the candidate before it was rolled back, or until the end.
    pub hurt: u64,
}

/// Limits of counters at which the undisturbed world is rolled back at most once in a hundred.
#[derive(Clone, Copy, Debug, Default)]
pub struct Counters {
    absolute: u64,
    ratio: u64,
}

impl Counters {
    pub(super) fn tuned(runs: impl Iterator<Item = Run>) -> Counters {
        let (mut absolute, mut ratio) = (Vec::new(), Vec::new());
        for run in runs {
            absolute.push(run.minutes().filter(|m| absolute_holds(m, run.cell.base) == Some(false)).count() as u64);
            ratio.push(run.minutes().filter(|m| ratio_holds(m) == Some(false)).count() as u64);
        }
        Counters { absolute: high(absolute), ratio: high(ratio) }
    }
}

/// What at most one in a hundred exceeds.
fn high(mut counts: Vec<u64>) -> u64 {
    counts.sort_unstable();
    let allowed = (counts.len() as f64 * ALPHA) as usize;
    counts.get(counts.len().saturating_sub(1 + allowed)).copied().unwrap_or(0)
}

fn rate((requests, failures): (u64, u64)) -> Option<f64> {
    (requests > 0).then(|| failures as f64 / requests as f64)
}

fn absolute_holds(minute: &Counted, base: f64) -> Option<bool> {
    rate(minute.candidate).map(|p| p <= ALLOWED * base)
}

fn ratio_holds(minute: &Counted) -> Option<bool> {
    Some(rate(minute.candidate)? <= RATIO * rate(minute.control)?)
}

/// All judges on one run, in the same order each time.
pub(super) fn outcomes(run: &Run, counters: &Counters) -> Vec<(String, Outcome)> {
    let base = run.cell.base;
    let absolute = |m: &Counted| absolute_holds(m, base);
    let mut all = vec![
        (OURS.to_owned(), ours(run, true)),
        ("tidegate, without dispersion".to_owned(), ours(run, false)),
        ("oracle".to_owned(), oracle(run)),
    ];
    for limit in [0, 3] {
        all.push((format!("argo, absolute, {limit}"), argo(run, limit, absolute)));
        all.push((format!("argo, ratio, {limit}"), argo(run, limit, ratio_holds)));
    }
    all.push(("argo, absolute, tuned".to_owned(), argo(run, counters.absolute, absolute)));
    all.push(("argo, ratio, tuned".to_owned(), argo(run, counters.ratio, ratio_holds)));
    for threshold in [1, 5, 10] {
        all.push((format!("flagger, {threshold}"), flagger(run, threshold)));
    }
    all.push(("flagger, tuned".to_owned(), flagger(run, counters.absolute + 1)));
    all.push(("kayenta".to_owned(), kayenta(run)));
    all.push(("z-test at each look".to_owned(), z_test(run)));
    for (_, outcome) in &mut all {
        outcome.hurt = run.hurt_until(outcome.rollback.or(outcome.promote).unwrap_or(run.ticks.len()));
    }
    all
}

/// The preset's errors with all of alpha, and so many guardrails in all: the others see nothing.
pub(super) fn settings(guardrails: usize) -> JudgeSettings {
    let mut preset = for_counts(errors_of_preset(), Some(0.5));
    for (name, guardrail) in for_latencies(false).guardrails.into_iter().take(guardrails.saturating_sub(1)) {
        preset.guardrails.insert(name, guardrail);
    }
    alone(JudgeSettings { alpha: ALPHA, ..preset })
}

fn ours(run: &Run, dispersion: bool) -> Outcome {
    let settings = JudgeSettings { dispersion_correction: dispersion, warm_up_ms: WARM_UP_MS, ..settings(1) };
    let mut state = JudgeState::new(&settings, 1, Mode::Canary, &Offline::default());
    let mut outcome = Outcome::default();
    for (number, counted) in run.ticks.iter().enumerate() {
        let interval = Interval { candidate: counted.candidate, control: counted.control };
        state.observe(&tick_of(&settings, number as u64, counted.share, interval));
        outcome.held = state.split_mismatch() || state.split_doubtful();
        if state.rolled_back() {
            return Outcome { rollback: Some(number), ..outcome };
        }
        if number >= PROMOTE_TICKS_MIN && state.promotable() && !state.suspicious() && !outcome.held {
            return Outcome { promote: Some(number), ..outcome };
        }
    }
    outcome
}

/// Judges the same ticks as ours: its warm-up is time that is lost for both.
fn oracle(run: &Run) -> Outcome {
    if run.cell.harmless() {
        return Outcome::default();
    }
    let mut oracle = Oracle::of(run.cell);
    for (number, counted) in run.ticks.iter().enumerate().skip(WARM_UP_TICKS) {
        oracle.observe(counted, run.cell);
        if oracle.reached() {
            return Outcome { rollback: Some(number), ..Outcome::default() };
        }
    }
    Outcome::default()
}

/// The last tick of a minute, from 0.
fn end_of(minute: usize) -> usize {
    (minute + 1) * TICKS_PER_MINUTE - 1
}

fn argo(run: &Run, limit: u64, holds: impl Fn(&Counted) -> Option<bool>) -> Outcome {
    let limits = Limits { failure: i64::try_from(limit).unwrap_or(i64::MAX), ..Limits::default() };
    let mut tally = Tally::default();
    for (number, minute) in run.minutes().enumerate() {
        tally.add(holds(&minute).map_or(argo::Phase::Error, |good| argo::measured(Some(good), None)));
        if tally.assess(&limits, false).completed() {
            return Outcome { rollback: Some(end_of(number)), ..Outcome::default() };
        }
    }
    Outcome { promote: Some(run.ticks.len() - 1), ..Outcome::default() }
}

/// Its counter alone: how its weights climb would end most runs before anything could be found.
fn flagger(run: &Run, threshold: u64) -> Outcome {
    let mut failed = 0;
    for (number, minute) in run.minutes().enumerate() {
        // Looked at before the checks of the interval.
        if failed >= threshold {
            return Outcome { rollback: Some(end_of(number)), ..Outcome::default() };
        }
        // No value is a check that failed.
        failed += u64::from(absolute_holds(&minute, run.cell.base) != Some(true));
    }
    Outcome { promote: Some(run.ticks.len() - 1), ..Outcome::default() }
}

fn kayenta(run: &Run) -> Outcome {
    let classifier = Classifier::MannWhitney { tolerance: KAYENTA_TOLERANCE, confidence: CONFIDENCE };
    let rules = MetricRules { classifier, direction: Direction::Increase, ..MetricRules::default() };
    let minutes: Vec<Counted> = run.minutes().collect();
    let values = |upto: usize, arm: fn(&Counted) -> (u64, u64)| -> Vec<f64> {
        minutes.iter().take(upto).map(|m| rate(arm(m)).unwrap_or(f64::NAN)).collect()
    };
    for upto in (KAYENTA_MINUTES..=minutes.len()).step_by(KAYENTA_MINUTES) {
        let found = rules.classify(&values(upto, |m| m.control), &values(upto, |m| m.candidate));
        if found.class == Class::High {
            return Outcome { rollback: Some(end_of(upto - 1)), ..Outcome::default() };
        }
    }
    Outcome { promote: Some(run.ticks.len() - 1), ..Outcome::default() }
}

/// The test of textbooks, looked at each minute as if each look were the only one.
fn z_test(run: &Run) -> Outcome {
    const QUANTILE: f64 = 2.326_347_874;
    let (mut n1, mut s1, mut n0, mut s0) = (0.0, 0.0, 0.0, 0.0);
    for (number, minute) in run.minutes().enumerate() {
        n1 += minute.candidate.0 as f64;
        s1 += minute.candidate.1 as f64;
        n0 += minute.control.0 as f64;
        s0 += minute.control.1 as f64;
        let pooled = (s1 + s0) / (n1 + n0);
        let error = libm::sqrt(pooled * (1.0 - pooled) * (1.0 / n1 + 1.0 / n0));
        if error > 0.0 && (s1 / n1 - s0 / n0) / error > QUANTILE {
            return Outcome { rollback: Some(end_of(number)), ..Outcome::default() };
        }
    }
    Outcome { promote: Some(run.ticks.len() - 1), ..Outcome::default() }
}
