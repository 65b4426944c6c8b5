//! Two samples, or two histograms, held against each other: the tests and distances that drift is told by.
//!
//! Samples of numbers come sorted ascending and finite. A test that is not defined on its samples answers none. Not
//! here: which of them suits a column, and from where it is drift.

pub mod bins;
pub mod categories;
pub mod cramer;
pub mod divergence;
pub mod epps;
pub mod kernel;
pub mod kolmogorov;
pub mod means;
pub mod ranks;
pub mod shift;

/// A statistic and the chance of one at least as extreme when both samples come from one law.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Tested {
    /// The statistic.
    pub statistic: f64,
    /// The chance.
    pub p_value: f64,
}
