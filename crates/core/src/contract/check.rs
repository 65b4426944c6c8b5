//! All expectations of a contract on one dataset: the report.

use super::expectation::{Contract, Expectation, Rules, Severity};
use super::facts::{Before, Facts, Measured, Sample};
use super::judge::judge_expectation;
use super::kind::Kind;
use crate::id::At;
use serde::{Deserialize, Serialize};

/// What fails a dataset whose only rules compare it with the checks before, where there are none.
const NO_HISTORY: &str =
    "no check before this one passed and no other rule checked anything: check again, the next one is compared with this";

/// What became of one expectation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// It holds.
    Pass,
    /// It does not.
    Fail,
    /// It could not be checked.
    Error,
    /// There was nothing to check.
    NothingChecked,
}

impl std::fmt::Display for Verdict {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Verdict::Pass => "pass",
            Verdict::Fail => "fail",
            Verdict::Error => "error",
            Verdict::NothingChecked => "nothing checked",
        })
    }
}

/// Counts of a rule on rows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MapCounts {
    /// Rows that were looked at.
    pub rows: u64,
    /// Those left out because they are null.
    pub missing: u64,
    /// Those that do not conform.
    pub unexpected: u64,
    /// The first of these.
    pub samples: Vec<Sample>,
}

/// What became of one expectation, and why.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ExpectationOutcome {
    /// The rule.
    pub expectation: Expectation,
    /// What became of it.
    pub verdict: Verdict,
    /// Whether that is good enough under the contract's rules.
    pub success: bool,
    /// Nothing was there to be checked, whatever the verdict.
    pub vacuous: bool,
    /// What was observed, for rules on the table or on an aggregate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed: Option<serde_json::Value>,
    /// Counts, for rules on rows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub counts: Option<MapCounts>,
    /// In words: what was seen, and what was expected.
    pub why: String,
}

/// The table that was checked.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct TableFacts {
    /// Where it was read from.
    pub source: String,
    /// The condition of the rows that alone were looked at.
    #[serde(default, rename = "where", skip_serializing_if = "Option::is_none")]
    pub only: Option<String>,
    /// Rows.
    pub rows: u64,
    /// Names and types of the columns, in order.
    pub columns: Vec<(String, String)>,
}

/// A check of one dataset.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CheckReport {
    /// Name of the dataset.
    pub dataset: String,
    /// The table.
    pub table: TableFacts,
    /// The instant that freshness was judged at.
    pub as_of: At,
    /// Whether the dataset passed.
    pub success: bool,
    /// Whose rules decided.
    pub rules: Rules,
    /// What failed the dataset apart from single expectations: no rows, no rules.
    pub findings: Vec<String>,
    /// In the order of the contract.
    pub outcomes: Vec<ExpectationOutcome>,
}

impl CheckReport {
    /// Expectations that did not succeed.
    pub fn failed(&self) -> impl Iterator<Item = &ExpectationOutcome> {
        self.outcomes.iter().filter(|o| !o.success)
    }

    /// Expectations that were not really checked.
    pub fn vacuous(&self) -> impl Iterator<Item = &ExpectationOutcome> {
        self.outcomes.iter().filter(|o| o.vacuous)
    }

    /// Whether all that failed it is that there is nothing yet to compare it with: the next check is compared with this one.
    #[must_use]
    pub fn is_baseline(&self) -> bool {
        matches!(self.findings.as_slice(), [one] if one == NO_HISTORY) && self.failed().count() == 0
    }

    /// One line for people.
    #[must_use]
    pub fn summary(&self) -> String {
        let unproved = self.outcomes.iter().filter(|o| !o.success || o.verdict == Verdict::NothingChecked).count();
        let passed = if self.success { "passed" } else { "failed" };
        let mut line = format!(
            "{} {passed}: {} of {} expectations hold on {} rows",
            self.dataset,
            self.outcomes.len() - unproved,
            self.outcomes.len(),
            self.table.rows
        );
        if let Some(only) = &self.table.only {
            line.push_str(&format!(" where {only}"));
        }
        let vacuous = self.vacuous().count();
        if vacuous > 0 {
            line.push_str(&format!(", {vacuous} checked nothing"));
        }
        for finding in &self.findings {
            line.push_str(&format!("; {finding}"));
        }
        line
    }
}

impl ExpectationOutcome {
    /// One line for people.
    #[must_use]
    pub fn line(&self) -> String {
        let columns = self.expectation.kind.columns().join(", ");
        let on = if columns.is_empty() { String::new() } else { format!(" ({columns})") };
        format!("{}: {}{on}: {}", self.verdict, self.expectation.kind.name(), self.why)
    }
}

/// Judges a whole contract; `measured` is in the order of its expectations, one each. `before` is what the checks
/// before found, where there were any.
#[must_use]
pub fn judge_contract(contract: &Contract, table: TableFacts, measured: &[Measured], as_of: At, before: Option<&Before>) -> CheckReport {
    let (names, types): (Vec<String>, Vec<String>) = table.columns.iter().cloned().unzip();
    let facts = Facts { rows: table.rows, columns: &names, types: &types, as_of, before };
    let unmeasured = Measured::Failed { why: "it was not measured: report this as a defect".to_owned() };
    let outcomes: Vec<_> = contract
        .expectations
        .iter()
        .enumerate()
        .map(|(i, e)| judge_expectation(e, measured.get(i).unwrap_or(&unmeasured), &facts, &contract.rules))
        .collect();
    let mut findings = findings(contract, table.rows);
    let compares = |o: &ExpectationOutcome| o.success && o.verdict == Verdict::NothingChecked && o.expectation.kind.compares_with_before();
    if !outcomes.is_empty() && outcomes.iter().all(compares) {
        findings.push(NO_HISTORY.to_owned());
    }
    let success = findings.is_empty() && outcomes.iter().all(|o| o.success || tolerated(o, &contract.rules));
    CheckReport { dataset: contract.dataset.clone(), table, as_of, success, rules: contract.rules.clone(), findings, outcomes }
}

/// In our own contracts only critical rules fail the dataset; an error always does.
fn tolerated(outcome: &ExpectationOutcome, rules: &Rules) -> bool {
    match rules {
        Rules::Own(_) | Rules::Pandera { .. } => outcome.expectation.severity < Severity::Critical && outcome.verdict == Verdict::Fail,
        Rules::GreatExpectations { .. } => false,
    }
}

fn findings(contract: &Contract, rows: u64) -> Vec<String> {
    let (no_rows, no_rules) = match &contract.rules {
        Rules::Own(allow) => (allow.no_rows, allow.no_rules),
        Rules::GreatExpectations { strict } | Rules::Pandera { strict, .. } => (!strict, !strict),
    };
    // A rule about the number of rows has its own verdict; emptiness is judged apart from it.
    let counts_rows = contract.expectations.iter().any(|e| matches!(e.kind, Kind::RowCount { .. }));
    let mut findings = Vec::new();
    if rows == 0 && !no_rows {
        let also = if counts_rows { ", whatever its row count may be" } else { "" };
        findings.push(format!("the table has no rows{also}: mend the data, or allow `no_rows`"));
    }
    if contract.expectations.is_empty() && !no_rules {
        findings.push("the contract has no rules, so nothing was checked: add one, or allow `no_rules`".to_owned());
    }
    findings
}
