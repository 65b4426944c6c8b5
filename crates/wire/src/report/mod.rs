//! One report of a state of the code against its base: data, parameters, metrics, plots, gates. As JSON this is it; pages
//! for people are made of it.
//!
//! Not here: how its parts are gathered, and where it is sent.

mod chart;
mod html;
mod markdown;

pub use html::html;
pub use markdown::markdown;

use crate::junit::Case;
use crate::sarif::{Level, Result as SarifResult};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tidegate_core::contract::CheckReport;
use tidegate_core::gate::{GateOutcome, GateVerdict};
use tidegate_core::tests::Outcome;

/// Most points of a plot that are drawn.
pub const POINTS_MAX: usize = 2_000;

/// A report.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// Name of the workspace.
    pub workspace: String,
    /// The code that is reported on.
    pub revision: String,
    /// What it is held against; none: against nothing.
    pub base: Option<String>,
    /// Datasets that were checked.
    pub data: Vec<DataPart>,
    /// Parameters that differ; all of them where there is no base.
    pub params: Vec<Change>,
    /// Metrics.
    pub metrics: Vec<MetricChange>,
    /// Plots.
    pub plots: Vec<Plot>,
    /// Gates, with intervals and slices.
    pub gates: Vec<GateOutcome>,
    /// Columns that drifted, in words.
    #[serde(default)]
    pub drift: Vec<String>,
    /// Findings of other tools whose SARIF was read: level, rule, place, message.
    #[serde(default)]
    pub findings: Vec<SarifResult>,
    /// What could not be gathered, and why: left out is said.
    pub missing: Vec<String>,
}

/// A dataset's check.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DataPart {
    /// The dataset.
    pub name: String,
    /// Whether it passed.
    pub passed: bool,
    /// Expectations that hold, and all.
    pub expectations: (u64, u64),
    /// Rows.
    pub rows: u64,
    /// What does not hold, in words.
    pub failed: Vec<String>,
    /// What passed because nothing was checked.
    pub vacuous: Vec<String>,
}

impl DataPart {
    /// Of a check.
    #[must_use]
    pub fn of(name: &str, report: &CheckReport) -> DataPart {
        let all = report.outcomes.len() as u64;
        let failed: Vec<String> = report.findings.iter().cloned().chain(report.failed().map(|o| o.line())).collect();
        let expectations = (all - report.failed().count() as u64, all);
        let vacuous = report.vacuous().filter(|o| o.success).map(|o| o.line()).collect();
        DataPart { name: name.to_owned(), passed: report.success, expectations, rows: report.table.rows, failed, vacuous }
    }
}

/// A value in a file, before and now.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Change {
    /// The file.
    pub file: String,
    /// Dotted name.
    pub key: String,
    /// Before; none when it is new.
    pub old: Option<Value>,
    /// Now; none when it is gone.
    pub new: Option<Value>,
}

/// A metric, before and now.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MetricChange {
    /// The value in its file.
    #[serde(flatten)]
    pub change: Change,
    /// Now minus before, of numbers.
    pub difference: Option<f64>,
    /// Interval of the value now, where rows gave one.
    pub interval: Option<(f64, f64)>,
}

/// A plot: lines over x.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Plot {
    /// The file that it is of.
    pub title: String,
    /// Name of the x axis.
    pub x: String,
    /// Name of the y axis.
    pub y: String,
    /// Points before.
    pub base: Vec<(f64, f64)>,
    /// Points now.
    pub current: Vec<(f64, f64)>,
}

impl Report {
    /// Whether everything that was judged passed. Nothing judged is not a pass.
    #[must_use]
    pub fn passed(&self) -> bool {
        let judged = self.data.len() + self.gates.len();
        judged > 0 && self.data.iter().all(|d| d.passed) && self.gates.iter().all(|g| g.verdict == GateVerdict::Pass)
    }

    /// Gates and checks as test cases.
    #[must_use]
    pub fn cases(&self) -> Vec<Case> {
        let of_data = self.data.iter().map(|d| Case {
            group: "data".to_owned(),
            name: d.name.clone(),
            verdict: if d.passed { Outcome::Passed } else { Outcome::Failed },
            text: d.failed.join("\n"),
        });
        let of_gates = self.gates.iter().map(|g| Case {
            group: "gate".to_owned(),
            name: g.name.clone(),
            verdict: match g.verdict {
                GateVerdict::Pass => Outcome::Passed,
                GateVerdict::Fail => Outcome::Failed,
                GateVerdict::CannotTell => Outcome::Errored,
            },
            text: g.why.clone(),
        });
        of_data.chain(of_gates).collect()
    }

    /// What does not pass, as findings; `place` is the file where the rules are.
    #[must_use]
    pub fn sarif_results(&self, place: &str) -> Vec<SarifResult> {
        let result = |level, rule: &str, message: String| SarifResult {
            level,
            rule: rule.to_owned(),
            message,
            file: Some(place.to_owned()),
            line: None,
            tool: "tidegate".to_owned(),
        };
        let of_data = self
            .data
            .iter()
            .filter(|d| !d.passed)
            .flat_map(|d| d.failed.iter().map(|why| result(Level::Error, &format!("data/{}", d.name), why.clone())));
        let of_gates = self.gates.iter().filter(|g| g.verdict != GateVerdict::Pass).map(|g| {
            let level = if g.verdict == GateVerdict::Fail { Level::Error } else { Level::Warning };
            result(level, &format!("gate/{}", g.name), g.why.clone())
        });
        of_data.chain(of_gates).collect()
    }
}

/// A value for people: numbers short, text as it is.
fn shown(value: Option<&Value>) -> String {
    match value {
        None => "–".to_owned(),
        Some(Value::String(text)) => text.clone(),
        Some(Value::Number(n)) => n.as_f64().filter(|_| n.is_f64()).map_or(n.to_string(), number),
        Some(other) => other.to_string(),
    }
}

/// A number to six digits.
fn number(value: f64) -> String {
    let text = format!("{value:.6}");
    let short = text.trim_end_matches('0').trim_end_matches('.');
    if short == "0" && value != 0.0 || value.abs() >= 1e12 { format!("{value:e}") } else { short.to_owned() }
}

fn verdict(verdict: GateVerdict) -> &'static str {
    match verdict {
        GateVerdict::Pass => "pass",
        GateVerdict::Fail => "fail",
        GateVerdict::CannotTell => "cannot tell",
    }
}

#[cfg(test)]
mod tests;
