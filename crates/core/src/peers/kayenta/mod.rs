//! Kayenta's judge `NetflixACAJudge-v1.0`: each metric classified by a rank test, a score by groups.
//!
//! Values are per-step aggregates, one list an arm. Where a group has no data it counts as full, and a metric that
//! passes may have had no traffic: that is this judge's way, kept so that a team can see both answers side by side.

mod classify;
mod clean;
mod score;

pub use classify::{Class, Classified, Classifier, Direction, EffectSize, MetricRules, effect_size};
pub use clean::{Missing, Outliers, iqr_outliers, k_sigma_outliers};
pub use score::{Graded, GroupScore, MetricResult, Score, ScoreThresholds, grade};

/// The part of the estimated shift that an interval must leave behind to count, as the judge has it built in.
pub const TOLERANCE: f64 = 0.25;
/// The confidence of its intervals.
pub const CONFIDENCE: f64 = 0.98;
