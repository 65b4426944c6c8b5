//! Contracts on paper: our own YAML, Great Expectations' suites (0.18 and 1.x), Pandera's schemas, ODCS 3 contracts,
//! and results in the shape of suites' results.
//!
//! All mistakes of a file are told at once, each with its place. What cannot be mapped is refused by name,
//! never skipped. Not here: measuring and judging (`core::contract` has the meaning).
//!
//! ```yaml
//! dataset: flights
//! allow: { no_rows: false, all_null: [note], missing_column: [wind] }
//! table:
//!   row_count: { min: 300000, max: 400000 }
//!   columns: [flight, carrier, dep_delay, time_hour]     # or { set: [...], exact: false }, or { ordered: [...] }
//!   unique: [[carrier, flight, time_hour]]
//!   fresh_within: 7d                                     # newest instant, against the `as_of` of the check
//! columns:
//!   carrier:   { type: string, not_null: true, in_set: [AA, UA], regex: "^[A-Z0-9]{2}$" }
//!   dep_delay: { not_null: { mostly: 0.95 }, between: [-60, 1500], mean: { min: 0, max: 30, severity: warning } }
//!   distance:  { quantiles: { 0.5: [500, 1500], 0.99: [null, 5000] }, stdev: { max: 900 } }
//! expectations:                                          # any rule, as a suite would have it
//!   - { type: expect_column_values_to_be_unique, kwargs: { column: id } }
//! ```

mod args;
mod condition;
mod gx;
mod kwargs;
mod names;
mod odcs;
mod own;
mod pandera;
mod reader;
mod result;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod tests_foreign;
mod written;

pub use gx::{SuiteOptions, parse_suite};
pub use names::{SHORT_NAMES, SUITE_NAMES, Short};
pub use odcs::parse_odcs;
pub use own::parse_own;
pub use pandera::parse_pandera;
pub use result::{ResultFormat, result_json, result_json_as};

use crate::yaml::{self, Node};
use tidegate_core::contract::Condition;
use tidegate_core::contract::Contract;

/// A condition on rows, in SQL: `day = '2026-03-01' AND price > 0`.
///
/// # Errors
/// With what is not understood and its place in the text.
pub fn row_condition(text: &str) -> Result<Condition, String> {
    condition::sql(text)
}

/// Most expectations in one contract.
pub const EXPECTATIONS_MAX: usize = 10_000;

/// One mistake with its place.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Mistake {
    /// Line, from 1.
    pub line: u32,
    /// Column in characters, from 1.
    pub column: u32,
    /// What is wrong, and what to do.
    pub message: String,
}

/// All mistakes of a contract's file.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct ContractError {
    /// Name of the file.
    pub file: String,
    /// The mistakes, in the order of the file.
    pub mistakes: Vec<Mistake>,
}

impl std::error::Error for ContractError {}

impl std::fmt::Display for ContractError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "read contract {}:", self.file)?;
        for Mistake { line, column, message } in &self.mistakes {
            write!(f, "\n  {}:{line}:{column}: {message}", self.file)?;
        }
        Ok(())
    }
}

impl ContractError {
    fn new(file: &str, mut mistakes: Vec<Mistake>) -> ContractError {
        mistakes.sort_by_key(|m| (m.line, m.column));
        ContractError { file: file.to_owned(), mistakes }
    }
}

/// How a contract is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ContractFormat {
    /// Our own YAML.
    Own,
    /// A suite of Great Expectations.
    Suite,
    /// A schema of Pandera.
    Pandera,
    /// A data contract of the Open Data Contract Standard.
    Odcs,
}

/// The format by what the text holds; none where it is neither YAML nor JSON.
#[must_use]
pub fn format_of(text: &str) -> Option<ContractFormat> {
    let root = yaml::parse(text).ok()?;
    let has = |key: &str| root.get(key).is_some();
    Some(if has("schema_type") {
        ContractFormat::Pandera
    } else if root.get("kind").and_then(Node::as_str) == Some("DataContract") {
        ContractFormat::Odcs
    } else if has("expectation_suite_name") || (has("expectations") && (has("name") || has("meta")) && !has("columns") && !has("table")) {
        ContractFormat::Suite
    } else {
        ContractFormat::Own
    })
}

/// Reads a contract in the format that its text has; a `.json` that is nothing else is a suite.
///
/// # Errors
/// All mistakes of the file.
pub fn parse(file: &str, text: &str, options: &SuiteOptions) -> Result<Contract, ContractError> {
    match format_of(text) {
        Some(ContractFormat::Pandera) => parse_pandera(file, text, options.strict),
        Some(ContractFormat::Odcs) => parse_odcs(file, text, options),
        Some(ContractFormat::Suite) => parse_suite(file, text, options),
        _ if file.ends_with(".json") => parse_suite(file, text, options),
        _ => parse_own(file, text),
    }
}

/// The file's name without folder and ending: what a dataset is called that has no name.
fn stem(file: &str) -> &str {
    let name = file.rsplit(['/', '\\']).next().unwrap_or(file);
    name.split('.').next().unwrap_or(name)
}
