//! One metric of both arms, classified.

use super::clean::{Missing, Outliers};
use serde::{Deserialize, Serialize};
use tidegate_stats::compare::shift::{chance_above, rank_shift};
use tidegate_stats::rng::Rng;

/// What a metric is found to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Class {
    /// No difference that counts.
    Pass,
    /// The experiment lies above the control.
    High,
    /// The experiment lies below the control.
    Low,
    /// An arm has no values.
    Nodata,
    /// An arm has no values, and the metric must have some.
    NodataFailMetric,
    /// It could not be judged.
    Error,
}

impl Class {
    /// As it is written on the wire.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Class::Pass => "Pass",
            Class::High => "High",
            Class::Low => "Low",
            Class::Nodata => "Nodata",
            Class::NodataFailMetric => "NodataFailMetric",
            Class::Error => "Error",
        }
    }
}

/// Which way of differing counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// Being higher.
    Increase,
    /// Being lower.
    Decrease,
    /// Both.
    #[default]
    Either,
}

/// How the size of a difference is measured.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum EffectSize {
    /// Mean of the experiment over mean of the control.
    #[default]
    MeanRatio,
    /// Chance that a value of the experiment lies above one of the control.
    Cles,
}

/// How two arms are compared.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub enum Classifier {
    /// By the interval of the shift between them.
    MannWhitney {
        /// Part of the estimated shift that the interval must leave behind.
        tolerance: f64,
        /// Confidence of the interval.
        confidence: f64,
    },
    /// By their means, whatever the difference.
    MeanInequality,
}

/// The rules of one metric. Thresholds are (decrease, increase) of the effect size.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct MetricRules {
    /// How the arms are compared.
    pub classifier: Classifier,
    /// Which way of differing counts.
    pub direction: Direction,
    /// What a missing value becomes.
    pub missing: Missing,
    /// What becomes of outliers.
    pub outliers: Outliers,
    /// How the size of a difference is measured.
    pub effect_size: EffectSize,
    /// The effect at most, and at least, for a difference to count.
    pub allowed: (f64, f64),
    /// The effect at most, and at least, for a difference of a critical metric to be critical.
    pub critical_at: (f64, f64),
    /// The metric alone can fail the whole.
    pub critical: bool,
    /// Without data it fails.
    pub must_have_data: bool,
}

impl Default for MetricRules {
    fn default() -> MetricRules {
        MetricRules {
            classifier: Classifier::MannWhitney { tolerance: super::TOLERANCE, confidence: super::CONFIDENCE },
            direction: Direction::Either,
            missing: Missing::Remove,
            outliers: Outliers::Keep,
            effect_size: EffectSize::MeanRatio,
            allowed: (1.0, 1.0),
            critical_at: (1.0, 1.0),
            critical: false,
            must_have_data: false,
        }
    }
}

/// A metric as it was classified.
#[derive(Clone, Debug, PartialEq)]
pub struct Classified {
    /// What it is.
    pub class: Class,
    /// Why, where it is not a plain pass.
    pub reason: Option<String>,
    /// Size of the difference; NaN where it is not defined.
    pub deviation: f64,
    /// It fails the whole.
    pub critical: bool,
}

/// The size of the difference; NaN where it is not defined.
#[must_use]
pub fn effect_size(measure: EffectSize, control: &[f64], experiment: &[f64]) -> f64 {
    match measure {
        EffectSize::MeanRatio => {
            let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
            let (over, under) = (mean(experiment), mean(control));
            if over == 0.0 || under == 0.0 { f64::NAN } else { over / under }
        }
        EffectSize::Cles => chance_above(experiment, control).unwrap_or(f64::NAN),
    }
}

impl MetricRules {
    /// Classifies a metric.
    #[must_use]
    pub fn classify(&self, control: &[f64], experiment: &[f64]) -> Classified {
        let clean = |values: &[f64]| self.outliers.apply(self.missing.apply(values));
        let (control, experiment) = (clean(control), clean(experiment));
        if control.is_empty() || experiment.is_empty() {
            return self.without_data(control.is_empty(), experiment.is_empty());
        }
        let pass = |deviation| Classified { class: Class::Pass, reason: None, deviation, critical: false };
        if same_values(&control, &experiment) {
            return pass(1.0);
        }
        let deviation = effect_size(self.effect_size, &control, &experiment);
        let Some((lies, beyond)) = self.compared(&control, &experiment) else {
            let reason = "The arms have values that cannot be ranked".to_owned();
            return Classified { class: Class::Error, reason: Some(reason), deviation, critical: self.critical };
        };
        let counts = |way: Direction| beyond && (self.direction == way || self.direction == Direction::Either);
        let undefined = deviation.is_nan();
        if lies == Class::High && counts(Direction::Increase) && (undefined || deviation >= self.allowed.1) {
            let critical = self.critical && (undefined || deviation >= self.critical_at.1);
            return Classified { class: Class::High, reason: Some(differs("High")), deviation, critical };
        }
        if lies == Class::Low && counts(Direction::Decrease) && (undefined || deviation <= self.allowed.0) {
            let critical = self.critical && (undefined || deviation <= self.critical_at.0);
            return Classified { class: Class::Low, reason: Some(differs("Low")), deviation, critical };
        }
        pass(deviation)
    }

    /// On which side of the control the experiment lies, and whether by enough. None when they cannot be ranked.
    fn compared(&self, control: &[f64], experiment: &[f64]) -> Option<(Class, bool)> {
        match self.classifier {
            Classifier::MannWhitney { tolerance, confidence } => {
                let shift = match (constant(control), constant(experiment)) {
                    (true, true) => rank_shift(&blurred(experiment, 1), &blurred(control, 2), confidence),
                    _ => rank_shift(experiment, control, confidence),
                }?;
                let bound = tolerance * libm::fabs(shift.estimate);
                Some(if shift.lower > bound { (Class::High, true) } else { (Class::Low, shift.upper < -bound) })
            }
            Classifier::MeanInequality => {
                let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
                let (ours, theirs) = (mean(experiment), mean(control));
                let found = if ours > theirs { (Class::High, true) } else { (Class::Low, ours < theirs) };
                (!(ours - theirs).is_nan()).then_some(found)
            }
        }
    }

    fn without_data(&self, control: bool, experiment: bool) -> Classified {
        let missing = match (control, experiment) {
            (true, true) => "the control and the experiment have",
            (true, false) => "the control has",
            _ => "the experiment has",
        };
        let (class, critical) = match self.missing {
            Missing::Replace => (Class::Pass, false),
            Missing::Remove if self.must_have_data && !self.critical => (Class::NodataFailMetric, false),
            Missing::Remove => (Class::Nodata, self.critical),
        };
        Classified { class, reason: Some(format!("Missing data: {missing} no values")), deviation: 1.0, critical }
    }
}

fn differs(name: &str) -> String {
    format!("The metric was classified as {name}")
}

/// Both have the same values in whatever order, or only one value at all.
fn same_values(a: &[f64], b: &[f64]) -> bool {
    let ascending = |values: &[f64]| {
        let mut sorted = values.to_vec();
        sorted.sort_by(f64::total_cmp);
        sorted
    };
    ascending(a) == ascending(b) || a.first().is_some_and(|first| a.iter().chain(b).all(|v| v == first))
}

fn constant(values: &[f64]) -> bool {
    values.windows(2).all(|pair| pair[0] == pair[1])
}

/// Two constants have no interval between them, so Kayenta blurs both a little, at random; here by fixed draws.
fn blurred(values: &[f64], seed: u64) -> Vec<f64> {
    const PART: f64 = 1e-5;
    let mut rng = Rng::new(seed);
    values.iter().map(|v| v + PART * libm::fabs(*v) * rng.normal()).collect()
}
