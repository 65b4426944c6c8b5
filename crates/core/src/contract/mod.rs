//! Contracts: what a dataset must be, what was measured, and what follows from the two.
//!
//! Measuring is done elsewhere (the columnar engine); here a measurement becomes an outcome, by a pure
//! function, so that every engine gives the same verdict. Names and semantics are those of Great
//! Expectations; where our own contracts are stricter (nothing checked is not a pass) [`Rules`] says so.
//! Not here: reading files, reading YAML or suites.

mod check;
mod dataset;
mod drift;
mod expectation;
mod facts;
mod judge;
mod profile;
mod value;

pub use crate::drift::{Report as DriftReport, Settings as DriftSettings};
pub use check::{CheckReport, ExpectationOutcome, MapCounts, TableFacts, Verdict, judge_contract};
pub use dataset::{CheckSummary, Command, Dataset, Event, Refused, State};
pub use drift::{compare, fields};
pub use expectation::{Allowances, Contract, Expectation, IgnoreRow, Kind, Quantile, Rules, Severity, Statistic};
pub use facts::{Facts, Measured, Sample};
pub use judge::judge_expectation;
pub use profile::{CATEGORIES_MAX, CategoryProfile, ColumnProfile, NumberProfile, PROFILE_VALUES_MAX, Profile};
pub use value::{Bounds, Value, instant_micros};

#[cfg(test)]
mod tests;
