//! The judge: a pure function of logged counts to a verdict that explains itself.
//!
//! Evidence is a sequence of [`Tick`]s. [`JudgeState`] folds them; [`JudgeState::assess`] says what follows.
//! Not here: where counts come from, what is done with a verdict (see `rollout`).

mod assess;
mod batches;
mod beside;
mod counts;
mod evidence;
mod explain;
mod guardrails;
mod history;
mod labels;
mod reach;
mod series;
mod settings;
mod shift;
mod sparse;
mod state;
mod values;
mod verdict;

pub use assess::{JUDGE_VERSION, recompute};
pub use batches::{Batch, BatchAssessment, BatchError, BatchSettings, Look, Moments, judge_batches};
pub use beside::{Beside, LabelCounts, MetricPair, SCORE_BUCKETS_MAX, ScoreHistogram, bound};
pub use counts::{Arms, CountsAssessment, Interval, alone, for_counts, for_latencies, judge_arms, judge_counts, tick_of};
pub use evidence::{ArmCounts, BUCKETS, BUCKETS_PER_OCTAVE, LatencyHistogram, Mode, OneSample, PairCounts, Tick};
pub use guardrails::{Offline, applies};
pub use history::{GuardrailPoint, History, HistoryPoint, history};
pub use labels::{Arm, EARLY_MAX, LabelBook, REQUESTS_MAX};
pub use reach::{SHADOW_HARM_SLACK_MIN, values_to_roll_back};
pub use series::{By, PAIRS_MAX, SeriesAssessment, SeriesPoint, SeriesSettings, Worse, judge_series};
pub use settings::{Guardrail, GuardrailKind, JudgeSettings, METRICS_MAX, Measure, Metric, Modes, errors_of_preset};
pub use state::{JudgeState, alpha_of_attempt};
pub use verdict::{Assessment, GuardrailAssessment, HoldReason, ValuesSeen, Verdict};
