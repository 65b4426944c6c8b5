//! Guardrails: what their names mean, and the preset as nodes.

use super::read::View;
use super::resolve::preset_text;
use super::shape::Preset;
use super::unit;
use crate::yaml::{Node, Value};
use tidegate_core::judge::{By, Guardrail, GuardrailKind, JudgeSettings, Measure, Metric, Worse};

/// What a name watches: `errors`, `latency_p99`, `latency_p999`, `skew`, `disagreement`, `sample_ratio`, `score_shift`, `labels`;
/// and of generated answers `first_token_p95`, `token_time_p50`, `cost_p90`.
pub(super) fn kind_of(name: &str) -> Option<GuardrailKind> {
    match name {
        "errors" => Some(GuardrailKind::Errors),
        "skew" => Some(GuardrailKind::Skew),
        "disagreement" => Some(GuardrailKind::Disagreement),
        "sample_ratio" => Some(GuardrailKind::SampleRatio),
        "score_shift" => Some(GuardrailKind::ScoreShift),
        "labels" => Some(GuardrailKind::Labels),
        _ => {
            let (of, digits) = name.rsplit_once("_p")?;
            let shaped = (2..=4).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit());
            let q: f64 = if shaped { format!("0.{digits}").parse().ok()? } else { return None };
            match of {
                _ if q <= 0.0 => None,
                "latency" => Some(GuardrailKind::Latency { q }),
                of => Measure::ALL.into_iter().find(|m| m.as_str() == of).map(|of| GuardrailKind::Generation { of, q }),
            }
        }
    }
}

/// What a guardrail watches: by its name, or a metric where it names a source.
pub(super) fn kind(name: &str, rail: View<'_>) -> Option<GuardrailKind> {
    kind_of(name).or_else(|| {
        Some(GuardrailKind::Metric(Metric {
            source: rail.at("source").text()?,
            candidate: rail.owned("candidate"),
            control: rail.owned("control"),
            every_ms: rail.at("every").ms().unwrap_or(EVERY_MS),
            worse: if rail.at("worse").word("higher") { Worse::Higher } else { Worse::Lower },
            by: if rail.at("by").word("difference") { By::Difference } else { By::Ratio },
        }))
    })
}

/// How often a metric is asked for, where the file does not say.
pub(super) const EVERY_MS: u64 = 60_000;

/// Tolerance, slack, harm and harm_slack of a guardrail that is not in the preset, where the file gives none.
pub(super) fn factors(kind: &GuardrailKind) -> (f64, f64, f64, f64) {
    match kind {
        GuardrailKind::Metric(Metric { by: By::Ratio, .. }) => (1.02, 0.0, 1.1, 0.0),
        GuardrailKind::Metric(Metric { by: By::Difference, .. }) => (0.0, 0.0, 0.0, 0.0),
        GuardrailKind::Labels => (1.1, 0.01, 1.3, 0.03),
        GuardrailKind::ScoreShift => (1.0, 0.0, 1.0, 0.0),
        GuardrailKind::Errors
        | GuardrailKind::Latency { .. }
        | GuardrailKind::Generation { .. }
        | GuardrailKind::Skew
        | GuardrailKind::Disagreement
        | GuardrailKind::SampleRatio => (1.1, 0.0, 1.5, 0.0),
    }
}

/// Names that are offered when one is unknown.
pub(super) const NAMES: [&str; 12] = [
    "errors",
    "latency_p50",
    "latency_p95",
    "latency_p99",
    "skew",
    "disagreement",
    "sample_ratio",
    "score_shift",
    "labels",
    "first_token_p95",
    "token_time_p50",
    "cost_p50",
];

/// The keys that mean something for a guardrail, with their values.
fn keys(guardrail: &Guardrail) -> Vec<(&'static str, String)> {
    let mut keys = Vec::new();
    if guardrail.kind != GuardrailKind::SampleRatio {
        keys.push(("tolerance", guardrail.tolerance.to_string()));
        keys.push(("slack", share_text(guardrail.slack)));
        keys.push(("harm", guardrail.harm.to_string()));
        keys.push(("harm_slack", share_text(guardrail.harm_slack)));
    }
    if guardrail.kind == GuardrailKind::Skew {
        keys.push(("differs_by", guardrail.differs_by.to_string()));
    }
    if matches!(guardrail.kind, GuardrailKind::Latency { .. }) {
        keys.push(("floor", unit::duration_text(guardrail.floor_us / 1_000)));
    }
    keys.push(("weight", guardrail.weight.to_string()));
    keys
}

/// Whether `key` means something for this kind.
pub(super) fn takes(kind: &GuardrailKind, key: &str) -> bool {
    let of_metric = matches!(key, "source" | "candidate" | "control" | "every" | "worse" | "by");
    match kind {
        GuardrailKind::Metric(_) => of_metric || matches!(key, "tolerance" | "harm" | "weight"),
        _ if of_metric => false,
        GuardrailKind::ScoreShift => matches!(key, "slack" | "harm_slack" | "weight"),
        GuardrailKind::SampleRatio => key == "weight",
        GuardrailKind::Skew => key != "floor",
        GuardrailKind::Latency { .. } => key != "differs_by",
        GuardrailKind::Errors | GuardrailKind::Disagreement | GuardrailKind::Labels | GuardrailKind::Generation { .. } => {
            !matches!(key, "differs_by" | "floor")
        }
    }
}

/// A share as a percentage where that is exact, else as a number.
fn share_text(share: f64) -> String {
    let percent = format!("{}%", (share * 100.0 * 1e6).round() / 1e6);
    if unit::share(&percent) == Ok(share) { percent } else { share.to_string() }
}

fn node(guardrail: &Guardrail) -> Node {
    let keys = keys(guardrail).into_iter().map(|(k, v)| (preset_text(k), preset_text(&v))).collect();
    Node { value: Value::Map(keys), line: 0, column: 0, raw: None }
}

/// The preset's guardrails, and the factors that any other quantile of latency starts from.
pub(super) const PRESET: Preset = Preset {
    there: || {
        let entries = JudgeSettings::preset().guardrails.iter().map(|(name, g)| (preset_text(name), node(g))).collect();
        Node { value: Value::Map(entries), line: 0, column: 0, raw: None }
    },
    other: |name| {
        let kind = kind_of(name)?;
        if !matches!(kind, GuardrailKind::Latency { .. } | GuardrailKind::Generation { .. }) {
            return None;
        }
        let preset = JudgeSettings::preset();
        let mut base = node(preset.guardrails.get("latency_p99")?);
        if let Value::Map(entries) = &mut base.value {
            // How many requests may be slower depends on the quantile: nobody else can say it.
            entries.retain(|(k, _)| k.as_str().is_some_and(|k| takes(&kind, k) && !matches!(k, "slack" | "harm_slack")));
        }
        Some(base)
    },
};
