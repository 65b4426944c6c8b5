//! Two series of one measurement, taken side by side: values of candidate and control under the same conditions.
//!
//! Where there are counts, [`super::JudgeState`] has more power; this is for what is measured once an interval (a latency
//! percentile, a throughput, a score, a sum of money). Null and bars are as there: harmless up to a tolerance, harmful
//! from a harm on, one e-value against each. Not here: where values come from, how they are paired.

use super::verdict::{HoldReason, Verdict};
use serde::{Deserialize, Serialize};
use tidegate_stats::eprocess::{Side, e_value};
use tidegate_stats::paired::{PairedProcess, Spread, band};

/// Most points that a picture is drawn of.
pub const POINTS_MAX: usize = 400;

/// Most pairs of one judgement: the differences seen so far are kept in order.
pub const PAIRS_MAX: usize = 20_000;

/// Which direction is worse.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Worse {
    /// Larger values: latencies, errors, costs.
    Higher,
    /// Smaller values: throughput, accuracy, revenue.
    Lower,
}

/// How two values are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum By {
    /// Candidate divided by control; only of numbers above 0.
    Ratio,
    /// Candidate less control, in the unit of the values.
    Difference,
}

/// What harm means for a series.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SeriesSettings {
    /// Chance that a harmless candidate is called harmful, however often one looks.
    pub alpha: f64,
    /// Chance that a harmful one is called harmless.
    pub beta: f64,
    /// Which direction is worse.
    pub worse: Worse,
    /// How values are compared.
    pub by: By,
    /// Worse by no more than this is harmless: a ratio from 1, or a difference from 0.
    pub tolerance: f64,
    /// Worse by this or more is harmful.
    pub harm: f64,
    /// No promotion while the rollback e-value is above this.
    pub hold_above: f64,
}

impl Default for SeriesSettings {
    fn default() -> SeriesSettings {
        SeriesSettings { alpha: 0.01, beta: 0.05, worse: Worse::Higher, by: By::Ratio, tolerance: 1.02, harm: 1.1, hold_above: 10.0 }
    }
}

impl SeriesSettings {
    /// What is wrong with them, and what to do.
    #[must_use]
    pub fn mistake(&self) -> Option<String> {
        let share = |x: f64| x > 0.0 && x < 1.0;
        let least = if self.by == By::Ratio { 1.0 } else { 0.0 };
        if !share(self.alpha) || !share(self.beta) {
            return Some("alpha and beta are chances between 0 and 1".to_owned());
        }
        if !(self.tolerance >= least && self.tolerance.is_finite()) {
            return Some(format!("tolerance is {}: give a number from {least}", self.tolerance));
        }
        (!(self.harm > self.tolerance && self.harm.is_finite()))
            .then(|| format!("harm is {}: give a number above the tolerance, {}", self.harm, self.tolerance))
    }

    /// A tolerance or harm on the scale of the differences.
    pub(super) fn line(&self, size: f64) -> f64 {
        if self.by == By::Ratio { libm::log(size) } else { size }
    }

    /// How much worse the candidate is; none where a value is missing.
    pub(super) fn worse_by(&self, candidate: f64, control: f64) -> Option<f64> {
        let d = match self.by {
            By::Ratio => libm::log(candidate) - libm::log(control),
            By::Difference => candidate - control,
        };
        d.is_finite().then_some(if self.worse == Worse::Higher { d } else { -d })
    }

    /// Back to candidate against control: a ratio, or a difference.
    pub(super) fn shown(&self, d: f64) -> f64 {
        let signed = if self.worse == Worse::Higher { d } else { -d };
        if self.by == By::Ratio { libm::exp(signed) } else { signed }
    }

    /// Ends of an interval in the order of what is shown.
    pub(super) fn ends(&self, low: Option<f64>, high: Option<f64>) -> (Option<f64>, Option<f64>) {
        if self.worse == Worse::Higher { (low, high) } else { (high, low) }
    }
}

/// Where the evidence stood after a pair.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct SeriesPoint {
    /// Pairs so far.
    pub pairs: u64,
    /// Rollback e-value.
    pub e_rollback: f64,
    /// Promotion e-value.
    pub e_promote: f64,
}

/// What two series come to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SeriesAssessment {
    /// The answer.
    #[serde(flatten)]
    pub verdict: Verdict,
    /// Pairs that were judged.
    pub pairs: u64,
    /// Pairs of which a value was missing.
    pub missing: u64,
    /// Candidate against control in the middle pair.
    pub estimate: Option<f64>,
    /// Sequential confidence interval of it, lower end.
    pub low: Option<f64>,
    /// Upper end.
    pub high: Option<f64>,
    /// Rollback e-value now.
    pub e_rollback: f64,
    /// Highest that it ever was: what the verdict goes by.
    pub e_rollback_max: f64,
    /// Roll back at this.
    pub needs_rollback: f64,
    /// Promotion e-value now.
    pub e_promote: f64,
    /// Promote at this.
    pub needs_promote: f64,
    /// The pair, from 1, after which a bar was first reached.
    pub decided_at: Option<u64>,
    /// How many more pairs like these until the nearer bar.
    pub more_pairs: Option<u64>,
    /// One sentence or two: what was seen and what would change it.
    pub summary: String,
    /// Where the evidence stood meanwhile.
    pub points: Vec<SeriesPoint>,
}

/// Judges pairs in the order in which they were taken.
#[must_use]
pub fn judge_series(settings: &SeriesSettings, pairs: &[(f64, f64)]) -> SeriesAssessment {
    let mut rollback = PairedProcess::new(settings.line(settings.tolerance), Side::Above);
    let mut promote = PairedProcess::new(settings.line(settings.harm), Side::Below);
    let (roll_bar, promote_bar) = (-libm::log(settings.alpha), -libm::log(settings.beta));
    let (mut spread, mut seen, mut points) = (Spread::default(), Vec::new(), Vec::new());
    let (mut highest, mut decided_at) = (0.0_f64, None);
    let every = pairs.len().div_ceil(POINTS_MAX).max(1);
    for d in pairs.iter().filter_map(|(candidate, control)| settings.worse_by(*candidate, *control)) {
        let scale = spread.scale();
        rollback.observe(d, scale);
        promote.observe(d, scale);
        spread.observe(d);
        seen.push((d, scale));
        highest = highest.max(rollback.log_e());
        if decided_at.is_none() && (rollback.log_e() >= roll_bar || promote.log_e() >= promote_bar) {
            decided_at = Some(seen.len() as u64);
        }
        if seen.len() % every == 0 {
            points.push(SeriesPoint { pairs: seen.len() as u64, e_rollback: rollback.e(), e_promote: promote.e() });
        }
    }
    let verdict = match () {
        () if seen.is_empty() => Verdict::NoTelemetry,
        () if highest >= roll_bar => Verdict::Rollback,
        () if promote.log_e() >= promote_bar && rollback.e() > settings.hold_above => Verdict::Hold { why: HoldReason::Suspicion },
        () if promote.log_e() >= promote_bar => Verdict::Promote,
        () => Verdict::InsufficientEvidence { eta_ms: None },
    };
    let more = [rollback.more_of_the_same(roll_bar), promote.more_of_the_same(promote_bar)].into_iter().flatten().reduce(f64::min);
    let (low, high) = band(&seen, settings.alpha);
    let (low, high) = settings.ends(low.map(|d| settings.shown(d)), high.map(|d| settings.shown(d)));
    let mut assessment = SeriesAssessment {
        verdict,
        pairs: seen.len() as u64,
        missing: (pairs.len() - seen.len()) as u64,
        estimate: spread.middle().map(|d| settings.shown(d)),
        low,
        high,
        e_rollback: rollback.e(),
        e_rollback_max: e_value(highest),
        needs_rollback: 1.0 / settings.alpha,
        e_promote: promote.e(),
        needs_promote: 1.0 / settings.beta,
        decided_at,
        more_pairs: more.map(|m| libm::ceil(m * seen.len() as f64).min(1e15) as u64),
        summary: String::new(),
        points,
    };
    assessment.summary = summary(settings, &assessment);
    assessment
}

fn summary(settings: &SeriesSettings, a: &SeriesAssessment) -> String {
    let end = |x: Option<f64>, open: &str| x.map_or_else(|| open.to_owned(), number);
    let what = if settings.by == By::Ratio { "ratio" } else { "difference" };
    let seen = match a.estimate {
        Some(estimate) => format!("{what} {} ({} to {}) over {} pairs", number(estimate), end(a.low, "any"), end(a.high, "any"), a.pairs),
        None => format!("none of {} pairs has both values", a.missing),
    };
    let bars = format!(
        "{} of the {} that a rollback needs, {} of the {} that a promotion needs",
        number(a.e_rollback),
        number(a.needs_rollback),
        number(a.e_promote),
        number(a.needs_promote)
    );
    let missing = if a.missing > 0 && a.pairs > 0 { format!(" {} pairs lacked a value.", a.missing) } else { String::new() };
    let words = match &a.verdict {
        Verdict::Rollback => format!("Evidence of harm reached {}: {seen}. Nothing changes this verdict.", number(a.e_rollback_max)),
        Verdict::Promote => format!("There is evidence that harm is absent: {seen}; {bars}."),
        Verdict::NoTelemetry => format!("Nothing to judge: {seen}."),
        Verdict::Hold { .. } => format!("Both bars are near, which no harmless candidate explains: {seen}; {bars}. Look at the series."),
        Verdict::Continue | Verdict::InsufficientEvidence { .. } => {
            let more = match a.more_pairs {
                Some(more) => format!("About {more} more pairs like these would decide."),
                None => "More pairs like these come no nearer to a decision.".to_owned(),
            };
            format!("No decision: {seen}; {bars}. {more}")
        }
    };
    words + &missing
}

/// Three digits that matter.
fn number(x: f64) -> String {
    match x.abs() {
        0.0 => "0".to_owned(),
        size if !(1e-3..1e6).contains(&size) => format!("{x:.2e}"),
        size if size >= 100.0 => format!("{x:.0}"),
        size if size >= 1.0 => format!("{x:.2}"),
        _ => format!("{x:.4}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tidegate_stats::rng::Rng;

    fn noisy(seed: u64, pairs: usize, factor: f64) -> Vec<(f64, f64)> {
        let mut rng = Rng::new(seed);
        // The load that both share swings by far more than what one is looking for.
        let mut load = 0.0;
        (0..pairs)
            .map(|_| {
                load = 0.9 * load + rng.normal();
                let mut one = |factor: f64| factor * 100.0 * libm::exp(0.3 * load + 0.05 * rng.normal());
                (one(factor), one(1.0))
            })
            .collect()
    }

    #[test]
    fn worse_is_found_and_equal_is_promoted_in_both_directions() {
        let settings = SeriesSettings::default();
        let worse = judge_series(&settings, &noisy(1, 200, 1.12));
        assert_eq!(worse.verdict, Verdict::Rollback, "{}", worse.summary);
        assert!(worse.decided_at.is_some_and(|at| at < 60) && worse.low.is_some_and(|low| low > 1.02), "{}", worse.summary);
        let equal = judge_series(&settings, &noisy(2, 200, 1.0));
        assert_eq!(equal.verdict, Verdict::Promote, "{}", equal.summary);
        assert!(equal.low.is_some_and(|low| low < 1.0) && equal.high.is_some_and(|high| high > 1.0 && high < 1.1));
        let lower = SeriesSettings { worse: Worse::Lower, ..settings.clone() };
        let better = judge_series(&lower, &noisy(3, 200, 1.12));
        assert_eq!(better.verdict, Verdict::Promote);
        let slow = judge_series(&lower, &noisy(4, 200, 0.85));
        assert_eq!(slow.verdict, Verdict::Rollback);
        assert!(slow.low < slow.estimate && slow.estimate < slow.high && slow.high.is_some_and(|high| high < 1.0), "{}", slow.summary);
        let by = SeriesSettings { by: By::Difference, tolerance: 1.0, harm: 40.0, ..settings };
        let flat: Vec<(f64, f64)> = (0..80).map(|i| (f64::from(i % 3) - 5.0, f64::from((i + 1) % 3) - 5.0)).collect();
        assert_eq!(judge_series(&by, &flat).verdict, Verdict::Promote);
    }

    #[test]
    fn nothing_and_little_are_no_pass() {
        let settings = SeriesSettings::default();
        assert_eq!(judge_series(&settings, &[]).verdict, Verdict::NoTelemetry);
        let gaps = vec![(f64::NAN, 1.0), (0.0, 1.0), (1.0, -1.0)];
        let none = judge_series(&settings, &gaps);
        assert_eq!((none.verdict.clone(), none.missing), (Verdict::NoTelemetry, 3));
        let few = judge_series(&settings, &noisy(5, 5, 1.0));
        assert_eq!(few.verdict, Verdict::InsufficientEvidence { eta_ms: None });
        assert!(few.summary.contains("No decision"), "{}", few.summary);
        assert!(settings.mistake().is_none());
        for wrong in [
            SeriesSettings { alpha: 0.0, ..settings.clone() },
            SeriesSettings { tolerance: 0.9, ..settings.clone() },
            SeriesSettings { harm: 1.0, ..settings.clone() },
            SeriesSettings { harm: f64::NAN, ..settings.clone() },
        ] {
            assert!(wrong.mistake().is_some(), "{wrong:?}");
        }
    }

    #[test]
    fn harmless_ones_are_rolled_back_no_more_often_than_was_said() {
        // At the very edge of the tolerance, looked at after each of 150 pairs.
        let settings = SeriesSettings { alpha: 0.05, ..SeriesSettings::default() };
        let rolled =
            (0..1_000).filter(|seed| judge_series(&settings, &noisy(1_000 + seed, 150, 1.02)).verdict == Verdict::Rollback).count();
        assert!(rolled <= 50, "{rolled} of 1000");
    }
}
