//! Contracts: what a dataset must be, what was measured, and what follows from the two.
//!
//! Measuring is done elsewhere (the columnar engine); here a measurement becomes an outcome, by a pure
//! function, so that every engine gives the same verdict. Names and semantics are those of Great
//! Expectations; where our own contracts are stricter (nothing checked is not a pass) [`Rules`] says so.
//! Not here: reading files, reading YAML or suites.

mod check;
mod condition;
mod dataset;
mod divergence;
mod drift;
mod expectation;
mod facts;
mod judge;
mod judge_more;
mod kind;
mod profile;
mod query;
mod rules;
mod schema;
mod value;

pub use crate::drift::{Report as DriftReport, Settings as DriftSettings};
pub use check::{CheckReport, ExpectationOutcome, MapCounts, TableFacts, Verdict, judge_contract};
pub use condition::{Arithmetic, Comparison, Condition, Function, Nulls, Predicate, RowCondition, Term};
pub use dataset::{CheckSummary, Command, Dataset, Event, HISTORY_MAX, Refused, SetSummary, State};
pub use divergence::{Counted, Expected, Partition};
pub use drift::{compare, fields};
pub use expectation::{Allowances, Contract, Expectation, Rules, Severity};
pub use facts::{Before, Facts, Measured, Sample};
pub use judge::judge_expectation;
pub use kind::{IgnorePair, IgnoreRow, Kind, MatchOn, OutlierMethod, Quantile, SetRelation, Statistic};
pub use profile::{CATEGORIES_MAX, CategoryProfile, ColumnProfile, NumberProfile, PROFILE_VALUES_MAX, Profile};
pub use query::Query;
pub(crate) use schema::widens;
pub use schema::{ColumnChange, Compatibility, SchemaChange, compare_schemas};
pub use value::{Bounds, Value, instant_micros};

#[cfg(test)]
mod tests;
#[cfg(test)]
mod tests_more;
