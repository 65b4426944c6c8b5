//! Metrics as Kayenta hands them to a judge outside: pairs of series with rules, groups and weights. Judged by its own rules,
//! or by evidence.
//!
//! By evidence a metric that differs by harm is High or Low; any other passes, and says whether harm was ruled out or more data
//! is needed. While a metric needs more, the whole is at most marginal: Kayenta goes on with a run at a marginal score and
//! asks for a pass at its end, so nothing is promoted for want of data.

use super::kayenta::{Class, Direction, EffectSize, Graded, MetricResult, MetricRules, Missing, Score, ScoreThresholds, grade};
use crate::judge::{By, SeriesAssessment, SeriesSettings, Verdict, Worse, judge_series};
use std::collections::BTreeMap;

/// Chance that harmless metrics fail a run, over all of them.
pub const ALPHA: f64 = 0.05;
/// Ratio that nobody minds, where the rules allow none.
const TOLERANCE: f64 = 1.02;
/// Ratio from which it is harm, where no critical one is given.
const HARM: f64 = 1.1;

/// One metric of both arms.
#[derive(Clone, Debug, PartialEq)]
pub struct MetricSet {
    /// Its name.
    pub name: String,
    /// Values of the control, one a step; NaN where there is none.
    pub control: Vec<f64>,
    /// Values of the experiment at the same steps.
    pub experiment: Vec<f64>,
    /// Its rules.
    pub rules: MetricRules,
    /// Its groups.
    pub groups: Vec<String>,
    /// It is shown and not counted.
    pub muted: bool,
}

/// A metric as it was judged.
#[derive(Clone, Debug, PartialEq)]
pub struct Judged {
    /// What it is.
    pub class: Class,
    /// Why.
    pub reason: String,
    /// Experiment over control; none where it is not defined.
    pub ratio: Option<f64>,
    /// It fails the whole.
    pub critical: bool,
    /// Harm is neither shown nor ruled out.
    pub undecided: bool,
}

/// All of them.
#[derive(Clone, Debug, PartialEq)]
pub struct Verdicts {
    /// In the order of the metrics.
    pub metrics: Vec<Judged>,
    /// The score.
    pub score: Score,
    /// What it comes to.
    pub graded: Graded,
}

/// By Kayenta's own rules.
#[must_use]
pub fn by_rules(sets: &[MetricSet], weights: &BTreeMap<String, f64>, thresholds: ScoreThresholds) -> Verdicts {
    let judged = |set: &MetricSet| {
        let found = set.rules.classify(&set.control, &set.experiment);
        Judged {
            class: found.class,
            reason: found.reason.unwrap_or_default(),
            ratio: Some(found.deviation).filter(|d| d.is_finite()),
            critical: found.critical,
            undecided: false,
        }
    };
    graded(sets, sets.iter().map(judged).collect(), weights, thresholds)
}

/// By evidence.
#[must_use]
pub fn by_evidence(sets: &[MetricSet], weights: &BTreeMap<String, f64>, thresholds: ScoreThresholds) -> Verdicts {
    let counted = sets.iter().filter(|set| !set.muted).count().max(1);
    let metrics = sets.iter().map(|set| of_evidence(set, ALPHA / counted as f64)).collect();
    let mut verdicts = graded(sets, metrics, weights, thresholds);
    let open: Vec<&str> =
        sets.iter().zip(&verdicts.metrics).filter(|(set, m)| m.undecided && !set.muted).map(|(set, _)| set.name.as_str()).collect();
    if !open.is_empty() && verdicts.graded == Graded::Pass {
        verdicts.score.reason = Some(format!("Not enough evidence yet to call harmless: {}", open.join(", ")));
        // Kayenta's own monitor ends a run at the marginal threshold: what goes on lies above it.
        (verdicts.score.score, verdicts.graded) = match thresholds.between() {
            Some(score) => (score, Graded::Marginal),
            None => (0.0, Graded::Fail),
        };
    }
    verdicts
}

fn graded(sets: &[MetricSet], metrics: Vec<Judged>, weights: &BTreeMap<String, f64>, thresholds: ScoreThresholds) -> Verdicts {
    let result = |(set, found): (&MetricSet, &Judged)| MetricResult {
        name: set.name.clone(),
        class: found.class,
        critical: found.critical,
        muted: set.muted,
        groups: set.groups.clone(),
    };
    let results: Vec<MetricResult> = sets.iter().zip(&metrics).map(result).collect();
    let score = grade(&results, weights);
    let graded = thresholds.classify(score.score);
    Verdicts { metrics, score, graded }
}

fn of_evidence(set: &MetricSet, alpha: f64) -> Judged {
    let pairs = pairs(set);
    if !pairs.iter().any(|(a, b)| a.is_finite() && b.is_finite()) {
        let found = set.rules.classify(&[], &[]);
        // Nothing seen is not nothing wrong, whatever the rules make of a missing value.
        let class = if found.class == Class::Pass { Class::Nodata } else { found.class };
        let reason = "No step has a value of both".to_owned();
        return Judged { class, reason, ratio: None, critical: found.critical, undecided: true };
    }
    // A bet on which is larger says little where both are mostly the same: such a series can show harm, not rule it out.
    let sparse = 2 * pairs.iter().filter(|(a, b)| a == b).count() > pairs.len();
    let ways: &[Worse] = match set.rules.direction {
        Direction::Increase => &[Worse::Higher],
        Direction::Decrease => &[Worse::Lower],
        Direction::Either => &[Worse::Higher, Worse::Lower],
    };
    let found: Vec<(Worse, SeriesAssessment)> =
        ways.iter().map(|worse| (*worse, judge_series(&settings(set, &pairs, *worse, alpha / ways.len() as f64), &pairs))).collect();
    let harmful = found.iter().find(|(_, a)| a.verdict == Verdict::Rollback);
    let undecided = sparse || found.iter().any(|(_, a)| !matches!(a.verdict, Verdict::Promote | Verdict::Rollback));
    let shown = harmful.or_else(|| found.iter().find(|(_, a)| a.verdict != Verdict::Promote)).or(found.first());
    let class = match harmful {
        Some((Worse::Higher, _)) => Class::High,
        Some((Worse::Lower, _)) => Class::Low,
        None => Class::Pass,
    };
    Judged {
        class,
        reason: shown.map(|(_, a)| a.summary.clone()).unwrap_or_default(),
        ratio: ratio(&pairs),
        critical: set.rules.critical && class != Class::Pass,
        undecided: harmful.is_none() && undecided,
    }
}

/// Experiment and control by step; a missing value becomes what the rules say, where one of the two was seen at all.
fn pairs(set: &MetricSet) -> Vec<(f64, f64)> {
    let seen = set.experiment.iter().chain(&set.control).any(|v| v.is_finite());
    let replaces = seen && set.rules.missing == Missing::Replace;
    let steps = if replaces { set.experiment.len().max(set.control.len()) } else { set.experiment.len().min(set.control.len()) };
    let at = |values: &[f64], step: usize| {
        let value = values.get(step).copied().unwrap_or(f64::NAN);
        if replaces && value.is_nan() { 0.0 } else { value }
    };
    (0..steps).map(|step| (at(&set.experiment, step), at(&set.control, step))).collect()
}

/// Ratios where every value is above 0; else differences, on the scale of the mean size of all values.
fn settings(set: &MetricSet, pairs: &[(f64, f64)], worse: Worse, alpha: f64) -> SeriesSettings {
    let (allowed, critical) = match worse {
        // Other measures are no ratios: what they allow has no place here.
        _ if set.rules.effect_size != EffectSize::MeanRatio => (1.0, 1.0),
        Worse::Higher => (set.rules.allowed.1, set.rules.critical_at.1),
        // A ratio of at most 0.8 is as much as one of 1.25 the other way.
        Worse::Lower => (1.0 / set.rules.allowed.0.max(1e-9), 1.0 / set.rules.critical_at.0.max(1e-9)),
    };
    let tolerance = if allowed > 1.0 { allowed } else { TOLERANCE };
    let harm = if critical > tolerance { critical } else { HARM.max(1.0 + 2.0 * (tolerance - 1.0)) };
    let base = SeriesSettings { alpha, beta: ALPHA, worse, tolerance, harm, ..SeriesSettings::default() };
    if pairs.iter().all(|(a, b)| !(*a <= 0.0 || *b <= 0.0)) {
        return base;
    }
    let sizes: Vec<f64> = pairs.iter().flat_map(|(a, b)| [libm::fabs(*a), libm::fabs(*b)]).filter(|x| x.is_finite()).collect();
    let mean = sizes.iter().sum::<f64>() / sizes.len().max(1) as f64;
    let scale = if mean > 0.0 { mean } else { 1.0 };
    SeriesSettings { by: By::Difference, tolerance: (tolerance - 1.0) * scale, harm: (harm - 1.0) * scale, ..base }
}

fn ratio(pairs: &[(f64, f64)]) -> Option<f64> {
    let both = pairs.iter().filter(|(a, b)| a.is_finite() && b.is_finite());
    let (over, under) = both.fold((0.0, 0.0), |(x, y), (a, b)| (x + a, y + b));
    Some(over / under).filter(|r| r.is_finite())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(name: &str, control: &[f64], experiment: &[f64]) -> MetricSet {
        MetricSet {
            name: name.to_owned(),
            control: control.to_vec(),
            experiment: experiment.to_vec(),
            rules: MetricRules { direction: Direction::Increase, ..MetricRules::default() },
            groups: vec!["g".to_owned()],
            muted: false,
        }
    }

    const BARS: ScoreThresholds = ScoreThresholds { pass: 95.0, marginal: 75.0 };

    fn noise(i: usize, factor: f64) -> f64 {
        factor * (10.0 + (i * 37 % 11) as f64 / 11.0)
    }

    fn series(n: usize, factor: f64, shift: usize) -> Vec<f64> {
        (0..n).map(|i| noise(i + shift, factor)).collect()
    }

    #[test]
    fn harm_fails_its_absence_passes_and_too_little_is_marginal() {
        let judged = |n: usize, factor: f64| by_evidence(&[set("m", &series(n, 1.0, 0), &series(n, factor, 5))], &BTreeMap::new(), BARS);
        let bad = judged(40, 1.5);
        assert_eq!((bad.metrics[0].class, bad.graded, bad.score.score), (Class::High, Graded::Fail, 0.0), "{bad:?}");
        let good = judged(60, 1.0);
        assert_eq!((good.metrics[0].class, good.graded), (Class::Pass, Graded::Pass), "{good:?}");
        let few = judged(3, 1.0);
        assert_eq!((few.metrics[0].class, few.graded, few.score.score), (Class::Pass, Graded::Marginal, 76.0), "{few:?}");
        assert!(few.score.reason.unwrap().contains("Not enough evidence yet"));
    }

    #[test]
    fn units_change_nothing_and_zeros_are_judged_by_differences() {
        let scaled = |scale: f64| {
            let (a, b) = (series(40, scale, 0), series(40, 1.3 * scale, 5));
            by_evidence(&[set("m", &a, &b)], &BTreeMap::new(), BARS).metrics[0].class
        };
        assert_eq!([scaled(1.0), scaled(1e-6), scaled(1e9)], [Class::High; 3]);
        let zeros = by_evidence(&[set("errors", &[0.0; 20], &[3.0; 20])], &BTreeMap::new(), BARS);
        assert_eq!(zeros.metrics[0].class, Class::High);
        let none = by_evidence(&[set("errors", &[f64::NAN; 5], &[1.0; 5])], &BTreeMap::new(), BARS);
        assert_eq!((none.metrics[0].class, none.graded), (Class::Nodata, Graded::Fail));
        let replaced = |control: &[f64], experiment: &[f64]| {
            let mut one = set("errors", control, experiment);
            one.rules.missing = Missing::Replace;
            by_evidence(&[one], &BTreeMap::new(), BARS)
        };
        assert_ne!(replaced(&[f64::NAN; 60], &[f64::NAN; 60]).graded, Graded::Pass, "nothing was seen");
        assert_eq!(replaced(&[f64::NAN; 60], &[50.0; 60]).metrics[0].class, Class::High, "no error is none");
        let clean = || set("m", &series(60, 1.0, 0), &series(60, 1.0, 5));
        let beside = by_evidence(&[clean(), clean(), set("errors", &[f64::NAN; 60], &[f64::NAN; 60])], &BTreeMap::new(), BARS);
        assert_eq!(beside.graded, Graded::Marginal, "one metric of three has no data: {beside:?}");
        let seldom: Vec<f64> = (0..60).map(|i| if i % 10 == 9 { 3.0 } else { 0.0 }).collect();
        assert_ne!(by_evidence(&[set("errors", &[0.0; 60], &seldom)], &BTreeMap::new(), BARS).graded, Graded::Pass, "mostly the same");
        let mut cles = set("m", &series(60, 1.0, 0), &series(60, 0.6, 5));
        (cles.rules.effect_size, cles.rules.direction) = (EffectSize::Cles, Direction::Decrease);
        (cles.rules.allowed, cles.rules.critical_at) = ((0.5, 0.5), (0.5, 0.5));
        assert_eq!(by_evidence(&[cles], &BTreeMap::new(), BARS).metrics[0].class, Class::Low);
        let equal = by_evidence(&[set("errors", &[0.0; 5], &[0.0; 5])], &BTreeMap::new(), BARS);
        assert_eq!(equal.graded, Graded::Marginal, "five steps without anything are not a pass");
    }

    #[test]
    fn a_direction_that_is_not_asked_for_does_not_fail() {
        let lower = by_evidence(&[set("m", &series(60, 1.0, 0), &series(60, 0.5, 5))], &BTreeMap::new(), BARS);
        assert_eq!(lower.graded, Graded::Pass);
        let mut either = set("m", &series(60, 1.0, 0), &series(60, 0.5, 5));
        either.rules.direction = Direction::Either;
        assert_eq!(by_evidence(&[either], &BTreeMap::new(), BARS).metrics[0].class, Class::Low);
    }

    #[test]
    fn its_own_rules_give_its_own_answer() {
        let found = by_rules(&[set("m", &series(40, 1.0, 0), &series(40, 1.5, 5))], &BTreeMap::new(), BARS);
        assert_eq!((found.metrics[0].class, found.graded), (Class::High, Graded::Fail));
        let few = by_rules(&[set("m", &[1.0, 2.0], &[1.0, 2.0])], &BTreeMap::new(), BARS);
        assert_eq!(few.graded, Graded::Pass, "as Kayenta has it");
    }
}
