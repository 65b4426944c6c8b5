//! What the one pass gathers: values in a common form, rules on rows, moments and extremes, values for quantiles.

mod column;
mod moments;
mod quantiles;
mod rows;

pub(crate) use column::{Canonical, Values, values_at};
pub(crate) use moments::Moments;
pub(crate) use quantiles::{QuantileValues, Radix, median_ranks, nearest_rank, number_of};
pub(crate) use rows::{RowRule, RowTally, TextSet, float_bits, texts_of};

/// Most unexpected values that are shown.
pub(crate) const SAMPLES_MAX: usize = 20;
