//! What the judge says, with everything a person needs to check it.

use super::series::By;
use serde::{Deserialize, Serialize};

/// The judge's answer.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(tag = "verdict", rename_all = "snake_case")]
pub enum Verdict {
    /// Every guardrail has evidence that harm is absent.
    Promote,
    /// Nothing decided; the step may go on.
    Continue,
    /// Do not move; the reason says what ends it.
    Hold {
        /// Why.
        why: HoldReason,
    },
    /// Evidence of harm reached its bar.
    Rollback,
    /// Not enough evidence for either bar.
    InsufficientEvidence {
        /// Milliseconds to a decision at the present rate, where it can be told.
        eta_ms: Option<u64>,
    },
    /// No counts arrived: never a pass.
    #[default]
    NoTelemetry,
}

/// Why the judge holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HoldReason {
    /// A rollback e-value stands above `hold_above` when the step would end.
    Suspicion,
    /// Request counts do not fit the configured split.
    SampleRatioMismatch,
    /// Telemetry is stale.
    StaleTelemetry,
    /// The source of a metric has given no pair of values for long.
    MissingValues,
}

/// A verdict with its evidence so far.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Assessment {
    /// The answer.
    #[serde(flatten)]
    pub verdict: Verdict,
    /// Weighted average of the guardrails' rollback e-values (their running maximum decides).
    pub e_rollback: f64,
    /// Roll back when `e_rollback` reaches this: 1 over the attempt's share of alpha.
    pub needs_rollback: f64,
    /// Smallest promotion e-value over guardrails that must pass.
    pub e_promote: f64,
    /// Promote when `e_promote` reaches this: 1/beta.
    pub needs_promote: f64,
    /// Each guardrail.
    pub guardrails: Vec<GuardrailAssessment>,
    /// Ticks folded.
    pub ticks: u64,
    /// Candidate requests folded.
    pub candidate_requests: u64,
    /// Control requests folded.
    pub control_requests: u64,
    /// One sentence: what was seen and what would change it.
    pub summary: String,
    /// Version of the judge's rules; a change of any formula raises it.
    pub judge_version: u32,
    /// A rollback e-value stands above `hold_above` now: a step must not end.
    #[serde(default)]
    pub suspicion: bool,
    /// Ticks at the start of the mode that were logged and not judged.
    #[serde(default)]
    pub warm_up_ticks: u64,
    /// The step of the last tick.
    #[serde(default)]
    pub step: u32,
    /// Candidate requests judged in that step: what `min_requests` is held against.
    #[serde(default)]
    pub step_candidate_requests: u64,
}

/// One guardrail's part.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct GuardrailAssessment {
    /// Its name in the settings.
    pub name: String,
    /// Candidate trials and hits.
    pub candidate: (u64, u64),
    /// Control trials and hits; for one-sample guardrails the trials are 0.
    pub control: (u64, u64),
    /// Estimated ratio of rates, where both are seen.
    pub ratio: Option<f64>,
    /// Sequential confidence interval of the ratio (lower end).
    pub ratio_low: Option<f64>,
    /// Upper end; none when unbounded.
    pub ratio_high: Option<f64>,
    /// Rollback e-value now.
    pub e_rollback: f64,
    /// Promotion e-value now.
    pub e_promote: f64,
    /// Estimated dispersion, at least 1.
    pub dispersion: f64,
    /// Milliseconds to the nearer bar at the present rate.
    pub eta_ms: Option<u64>,
    /// What would change the verdict, in words.
    pub flips: String,
    /// Whether it takes part in the verdict; when not, `flips` says why.
    #[serde(default = "judged")]
    pub judged: bool,
    /// One-sample guardrails: the rate of hits with its sequential confidence interval (rate, low, high).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate: Option<(f64, f64, f64)>,
    /// Metrics: what their pairs say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub values: Option<ValuesSeen>,
}

/// Pairs of values of a metric.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct ValuesSeen {
    /// Pairs that were judged.
    pub pairs: u64,
    /// Askings that gave no pair.
    pub missing: u64,
    /// How candidate and control are compared.
    pub by: By,
    /// Candidate against control in the middle pair.
    pub middle: Option<f64>,
    /// Lower end of its sequential confidence interval.
    pub low: Option<f64>,
    /// Upper end.
    pub high: Option<f64>,
}

/// Records written before the field was there hold judged guardrails only.
fn judged() -> bool {
    true
}
