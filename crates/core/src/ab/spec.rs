//! What is registered of a test before its first client: it cannot change afterwards.

use crate::judge::{GuardrailKind, JudgeSettings};
use crate::route::{Carrier, STRETCHES_MAX, WEIGHT_TOTAL_BP};
use serde::{Deserialize, Serialize};

/// The name of the variant that the others are compared with.
pub const CONTROL: &str = "control";
/// Most variants of one test, control among them.
pub const VARIANTS_MAX: usize = STRETCHES_MAX;
/// Longest name of a variant, in bytes.
const NAME_BYTES_MAX: usize = 64;

/// One side of a test.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Variant {
    /// Its name.
    pub name: String,
    /// The version that its clients meet.
    pub version: String,
    /// Its share of all clients, in basis points.
    pub share_bp: u32,
}

/// What of an answer's label counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Worth {
    /// The label itself.
    Label,
    /// 1 where the version decided as the label says, else 0.
    Correct,
}

/// What a label is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Yes or no: 1 above one half, else 0.
    Rate,
    /// A number between two bounds.
    Mean,
}

/// Which way is better.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Better {
    /// More is.
    Higher,
    /// Less is.
    Lower,
}

/// What a client without any label counts as.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Missing {
    /// Nothing: it is left out of the comparison.
    #[default]
    LeftOut,
    /// An outcome of 0.
    Zero,
}

/// What is measured of each client.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Metric {
    /// What of a label counts.
    pub feedback: Worth,
    /// What it is.
    pub kind: Kind,
    /// Which way is better.
    pub better: Better,
    /// The least value; what is below counts as this.
    pub min: f64,
    /// The largest.
    pub max: f64,
    /// How long after its first request a client's requests and labels count.
    pub window_ms: u64,
    /// What a client without any counts as.
    pub missing: Missing,
}

/// What a test is made of, before it is looked through.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Draft {
    /// Its name.
    pub name: String,
    /// The service.
    pub service: String,
    /// Its model.
    pub model: String,
    /// Names, versions, and how many parts of the clients in the test each gets.
    pub variants: Vec<(String, String, u32)>,
    /// What carries a client's key.
    pub unit: Carrier,
    /// What is measured.
    pub metric: Metric,
    /// Share of all clients that take part, in basis points.
    pub share_bp: u32,
    /// Chance that any statement about any variant is ever false.
    pub alpha: f64,
    /// It ends after this, whatever is known.
    pub horizon_ms: u64,
    /// A difference smaller than this is not worth having, in units of the metric.
    pub min_effect: f64,
    /// What stops a variant: only errors and latencies are kept.
    pub judge: JudgeSettings,
}

/// A test as it is registered.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Spec {
    /// Its name.
    pub name: String,
    /// The service.
    pub service: String,
    /// Its model.
    pub model: String,
    /// Control first.
    pub variants: Vec<Variant>,
    /// What carries a client's key.
    pub unit: Carrier,
    /// What is measured.
    pub metric: Metric,
    /// Chance that any statement about any variant is ever false.
    pub alpha: f64,
    /// It ends after this, whatever is known.
    pub horizon_ms: u64,
    /// A difference smaller than this is not worth having.
    pub min_effect: f64,
    /// What stops a variant.
    pub judge: JudgeSettings,
}

/// Why a draft is no test.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum Problem {
    /// One or too many.
    #[error("a test has 2 to {VARIANTS_MAX} variants; this one has {0}")]
    Count(usize),
    /// Nothing to compare with.
    #[error("none of its variants is called `{CONTROL}`: the others are compared with that one")]
    NoControl,
    /// A name.
    #[error("`{0}` is no name of a variant: take 1 to {NAME_BYTES_MAX} letters, digits, `-` and `_`, each name once")]
    Name(String),
    /// Too few clients.
    #[error("its share of {share_bp} basis points leaves variant `{variant}` none: raise `share` or its weight")]
    Share {
        /// Of all clients.
        share_bp: u32,
        /// Who gets none.
        variant: String,
    },
    /// Bounds.
    #[error("`min` {min} and `max` {max} are no bounds: the least value lies below the largest, and both are numbers")]
    Bounds {
        /// The least.
        min: f64,
        /// The largest.
        max: f64,
    },
    /// The least effect.
    #[error("`min_effect` {found} is not between 0 and {most}, the most by which two variants can differ")]
    MinEffect {
        /// What it is.
        found: f64,
        /// The range.
        most: f64,
    },
    /// A rate of numbers, or a mean of decisions.
    #[error("`feedback: correct` is right or wrong: it is a rate")]
    MeanOfCorrect,
    /// Alpha.
    #[error("`alpha` {0} is not between 0 and 1")]
    Alpha(f64),
    /// Times.
    #[error("the window of {window_ms} ms is not shorter than the horizon of {horizon_ms} ms: no client would ever be counted")]
    Window {
        /// Of a client.
        window_ms: u64,
        /// Of the test.
        horizon_ms: u64,
    },
    /// Two of one version say nothing, but of the test itself.
    #[error("no variant has a version")]
    NoVersion,
}

impl Spec {
    /// A test of these.
    ///
    /// # Errors
    /// When they are none.
    pub fn build(draft: Draft) -> Result<Spec, Problem> {
        let count = draft.variants.len();
        if !(2..=VARIANTS_MAX).contains(&count) {
            return Err(Problem::Count(count));
        }
        let mut parts = draft.variants.clone();
        let names = |name: &str| parts.iter().filter(|v| v.0 == name).count();
        if let Some(wrong) = parts.iter().find(|v| !is_name(&v.0) || names(&v.0) > 1) {
            return Err(Problem::Name(wrong.0.clone()));
        }
        let Some(control) = parts.iter().position(|v| v.0 == CONTROL) else { return Err(Problem::NoControl) };
        parts[..=control].rotate_right(1);
        if parts.iter().any(|v| v.1.is_empty()) {
            return Err(Problem::NoVersion);
        }
        let shares = shares(draft.share_bp.min(WEIGHT_TOTAL_BP), &parts.iter().map(|v| v.2).collect::<Vec<_>>());
        if let Some((of, _)) = parts.iter().zip(&shares).find(|(_, share)| **share == 0) {
            return Err(Problem::Share { share_bp: draft.share_bp, variant: of.0.clone() });
        }
        let metric = &draft.metric;
        let range = metric.range();
        if !(metric.min.is_finite() && metric.max.is_finite() && range > 0.0 && range.is_finite()) {
            return Err(Problem::Bounds { min: metric.min, max: metric.max });
        }
        if metric.feedback == Worth::Correct && metric.kind == Kind::Mean {
            return Err(Problem::MeanOfCorrect);
        }
        if !(draft.min_effect > 0.0 && draft.min_effect < range) {
            return Err(Problem::MinEffect { found: draft.min_effect, most: range });
        }
        if !(draft.alpha > 0.0 && draft.alpha < 1.0) {
            return Err(Problem::Alpha(draft.alpha));
        }
        if metric.window_ms >= draft.horizon_ms {
            return Err(Problem::Window { window_ms: metric.window_ms, horizon_ms: draft.horizon_ms });
        }
        let mut judge = draft.judge;
        judge
            .guardrails
            .retain(|_, g| matches!(g.kind, GuardrailKind::Errors | GuardrailKind::Latency { .. } | GuardrailKind::Generation { .. }));
        // Each variant is judged by itself: together they spend what the judge may.
        judge.alpha /= (count - 1) as f64;
        let variants = parts.into_iter().zip(shares).map(|((name, version, _), share_bp)| Variant { name, version, share_bp }).collect();
        let Draft { name, service, model, unit, metric, alpha, horizon_ms, min_effect, .. } = draft;
        Ok(Spec { name, service, model, variants, unit, metric, alpha, horizon_ms, min_effect, judge })
    }

    /// The variant with this name.
    #[must_use]
    pub fn variant(&self, name: &str) -> Option<&Variant> {
        self.variants.iter().find(|v| v.name == name)
    }

    /// Those that are compared with control.
    pub fn treatments(&self) -> impl Iterator<Item = &Variant> {
        self.variants.iter().filter(|v| v.name != CONTROL)
    }

    /// Among clients of a variant and of control, the chance to be the variant's.
    #[must_use]
    pub fn share_against_control(&self, variant: &Variant) -> f64 {
        let control = self.variant(CONTROL).map_or(0, |v| v.share_bp);
        f64::from(variant.share_bp) / f64::from(variant.share_bp + control)
    }
}

impl Metric {
    /// How far apart two values can be.
    #[must_use]
    pub fn range(&self) -> f64 {
        self.max - self.min
    }

    /// A value as a part of the range, 0 to 1.
    #[must_use]
    pub fn part(&self, value: f64) -> f64 {
        if self.kind == Kind::Rate {
            return if value > 0.5 { 1.0 } else { 0.0 };
        }
        ((value - self.min) / self.range()).clamp(0.0, 1.0)
    }
}

fn is_name(name: &str) -> bool {
    !name.is_empty() && name.len() <= NAME_BYTES_MAX && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
}

/// `total` by weights, in whole points that add up to it: the largest remainders get the points that are left.
fn shares(total: u32, weights: &[u32]) -> Vec<u32> {
    let sum: u64 = weights.iter().map(|w| u64::from(*w)).sum::<u64>().max(1);
    let exact = |w: u32| u64::from(total) * u64::from(w);
    let mut shares: Vec<u32> = weights.iter().map(|w| (exact(*w) / sum) as u32).collect();
    let mut order: Vec<usize> = (0..weights.len()).collect();
    order.sort_by_key(|i| std::cmp::Reverse(weights.get(*i).map_or(0, |w| exact(*w) % sum)));
    let left = total.saturating_sub(shares.iter().sum()) as usize;
    for i in order.into_iter().take(left) {
        if let Some(share) = shares.get_mut(i) {
            *share += 1;
        }
    }
    shares
}
