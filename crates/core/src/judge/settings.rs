//! What harm means, and how sure the judge must be.

use super::evidence::Mode;
use super::series::{By, Worse};
use indexmap::IndexMap;
use serde::{Deserialize, Serialize};

/// Settings of a judge; the preset `default` is [`JudgeSettings::preset`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct JudgeSettings {
    /// Chance that a harmless change is rolled back, over all guardrails, steps and retries.
    pub alpha: f64,
    /// Chance that a harmful change is promoted, for each guardrail.
    pub beta: f64,
    /// Length of a tick in milliseconds.
    pub tick_ms: u64,
    /// Start of each phase that is logged and not judged (cold caches), in milliseconds.
    pub warm_up_ms: u64,
    /// Without a decision by then: hold and page. Milliseconds from the start of the attempt.
    pub deadline_ms: u64,
    /// Candidate requests that a step needs before it may end.
    pub min_requests: u64,
    /// A rollback e-value above this keeps a step from ending.
    pub hold_above: f64,
    /// Ticks without any request after which the verdict is `no_telemetry`.
    pub stale_ticks: u32,
    /// Divide log-likelihoods by a predictable dispersion (at least 1).
    pub dispersion_correction: bool,
    /// The modes that this change can come to: they share alpha, and what is not used by one the others have.
    #[serde(default, skip_serializing_if = "Modes::is_all")]
    pub modes: Modes,
    /// By name; the order is the order of reports.
    pub guardrails: IndexMap<String, Guardrail>,
}

/// The modes in which a change is judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Modes {
    /// Copies of requests.
    pub shadow: bool,
    /// Users, at growing weights.
    pub canary: bool,
    /// After promotion, against a share that stays with the old version.
    pub watch: bool,
}

impl Default for Modes {
    fn default() -> Modes {
        Modes { shadow: true, canary: true, watch: true }
    }
}

impl Modes {
    fn is_all(&self) -> bool {
        *self == Modes::default()
    }

    /// The part of an attempt's alpha that a mode may spend: each starts its evidence afresh, and the chances of a false rollback
    /// add up. In a canary harm costs most and requests are fewest, so it gets three times as much. None for a mode that is not
    /// to come.
    #[must_use]
    pub fn part(&self, mode: Mode) -> f64 {
        let weight = |mode: Mode| match mode {
            Mode::Shadow => f64::from(u8::from(self.shadow)),
            Mode::Canary => 3.0 * f64::from(u8::from(self.canary)),
            Mode::Watch => f64::from(u8::from(self.watch)),
        };
        let all: f64 = [Mode::Shadow, Mode::Canary, Mode::Watch].into_iter().map(weight).sum();
        if all > 0.0 { weight(mode) / all } else { 0.0 }
    }
}

/// Most guardrails of a judge that are metrics of a source.
pub const METRICS_MAX: usize = 8;

/// A value that a service under `sources` keeps: what it is asked, and which way is worse.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Metric {
    /// The service's name under `sources`.
    pub source: String,
    /// Query of the candidate's value, with `{{NAME}}` for what is filled in.
    pub candidate: String,
    /// The same of the control.
    pub control: String,
    /// Milliseconds of an interval: each gives one pair.
    pub every_ms: u64,
    /// Which direction is worse.
    pub worse: Worse,
    /// How the two values are compared.
    pub by: By,
}

/// What is measured of an answer that a language model generates.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Measure {
    /// From the request to the first token, in microseconds.
    FirstToken,
    /// From one token to the next, in the mean of one answer, in microseconds: what tokens a second are the inverse of.
    TokenTime,
    /// What an answer and its prompt cost, in millionths of the unit that prices are told in.
    Cost,
}

impl Measure {
    /// All of them.
    pub const ALL: [Measure; 3] = [Measure::FirstToken, Measure::TokenTime, Measure::Cost];

    /// Its name, as guardrails begin.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Measure::FirstToken => "first_token",
            Measure::TokenTime => "token_time",
            Measure::Cost => "cost",
        }
    }
}

/// What a guardrail watches.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GuardrailKind {
    /// Share of failed requests, candidate against control.
    Errors,
    /// Share of requests slower than the control's own past quantile `q`.
    Latency {
        /// The quantile, 0 < q < 1.
        q: f64,
    },
    /// Share of generated answers that take more of something than the control's own past quantile `q`.
    Generation {
        /// Of what.
        of: Measure,
        /// The quantile, 0 < q < 1.
        q: f64,
    },
    /// Share of requests whose online score differs from the version's own offline score (shadow).
    Skew,
    /// Share of requests that candidate and control decide differently, against the gate's offline rate (shadow).
    Disagreement,
    /// Request counts against the configured split.
    SampleRatio,
    /// Shares of scores above and up to the control's own past quantiles, candidate against control.
    ScoreShift,
    /// Share of decisions that labels, which come later, say were wrong, candidate against control.
    Labels,
    /// A value that somebody else measures, in pairs (canary and watch).
    Metric(Metric),
}

/// Harmless: `p1 <= tolerance * p0 + slack`. Harmful: `p1 >= harm * p0 + harm_slack`.
///
/// For latency the two factors multiply the threshold, and the ratio of exceedance rates is 1. For a shift of scores it is 1, too, and the
/// slacks alone count. For a metric tolerance and harm are of its values, a ratio or a difference, and the slacks mean nothing.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Guardrail {
    /// What is watched.
    pub kind: GuardrailKind,
    /// Ratio that nobody minds, at least 1.
    pub tolerance: f64,
    /// Absolute difference that nobody minds, a share of requests.
    pub slack: f64,
    /// Ratio from which it is harm.
    pub harm: f64,
    /// Absolute difference from which it is harm.
    pub harm_slack: f64,
    /// Skew: scores further apart than this differ.
    pub differs_by: f64,
    /// Latency: an answer faster than this many microseconds is never slow, in either arm.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub floor_us: u64,
    /// Weight in the average of rollback e-values.
    pub weight: f64,
}

fn is_zero(us: &u64) -> bool {
    *us == 0
}

/// A guardrail of the preset.
fn of_preset(kind: GuardrailKind, tolerance: f64, slack: f64, harm: f64, harm_slack: f64) -> Guardrail {
    Guardrail { kind, tolerance, slack, harm, harm_slack, differs_by: 0.05, floor_us: 0, weight: 1.0 }
}

/// The errors of the preset.
#[must_use]
pub fn errors_of_preset() -> Guardrail {
    of_preset(GuardrailKind::Errors, 1.1, 0.001, 1.5, 0.002)
}

impl JudgeSettings {
    /// The preset that covers most users.
    #[must_use]
    pub fn preset() -> JudgeSettings {
        let g = of_preset;
        let guardrails = IndexMap::from([
            ("errors".to_owned(), errors_of_preset()),
            ("latency_p50".to_owned(), g(GuardrailKind::Latency { q: 0.5 }, 1.1, 0.02, 1.5, 0.05)),
            ("latency_p95".to_owned(), g(GuardrailKind::Latency { q: 0.95 }, 1.1, 0.005, 1.5, 0.02)),
            ("latency_p99".to_owned(), g(GuardrailKind::Latency { q: 0.99 }, 1.1, 0.001, 1.5, 0.005)),
            ("skew".to_owned(), g(GuardrailKind::Skew, 1.0, 0.01, 1.0, 0.03)),
            ("disagreement".to_owned(), g(GuardrailKind::Disagreement, 1.5, 0.005, 3.0, 0.01)),
            ("sample_ratio".to_owned(), g(GuardrailKind::SampleRatio, 1.0, 0.0, 1.0, 0.0)),
        ]);
        JudgeSettings {
            alpha: 0.01,
            beta: 0.05,
            tick_ms: 10_000,
            warm_up_ms: 60_000,
            deadline_ms: 6 * 3_600_000,
            min_requests: 100,
            hold_above: 10.0,
            stale_ticks: 6,
            dispersion_correction: true,
            modes: Modes::default(),
            guardrails,
        }
    }
}
