//! What the one pass gathers: values in a common form, rules on rows, moments and extremes, values for quantiles.

mod column;
mod histogram;
mod memo;
mod moments;
mod places;
mod quantiles;
mod rising;
mod rows;
mod several;

pub(crate) use column::{Canonical, Values, values_at};
pub(crate) use histogram::Histogram;
pub(crate) use moments::Moments;
pub(crate) use places::Places;
pub(crate) use quantiles::{QuantileValues, Radix, Room, between, linear_ranks, median_ranks, nearest_rank, number_of};
pub(crate) use rising::Rising;
pub(crate) use rows::{RowRule, RowTally, TextSet, float_bits, texts_of};
pub(crate) use several::{SeveralRule, SeveralTally};
