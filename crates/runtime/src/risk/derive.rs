//! Features made of others: sums, products and shares, by one definition for training and for scoring.

use serde::{Deserialize, Serialize};

/// How two features make one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum How {
    /// The first and the second.
    Plus,
    /// The first for each of the second, and one more, so that none divides by nothing.
    Per,
    /// The first as often as the second says.
    Times,
}

/// A feature that is made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Derived {
    /// Its own name.
    pub name: String,
    /// Where the first one stands among what it is made of.
    pub first: usize,
    /// How.
    pub how: How,
    /// Where the second one stands.
    pub second: usize,
}

impl Derived {
    /// Its value; missing where one of both is, or where there is no number for it.
    #[must_use]
    pub fn of(&self, row: &[f64]) -> f64 {
        let at = |place: usize| row.get(place).copied().unwrap_or(f64::NAN);
        let (first, second) = (at(self.first), at(self.second));
        let value = match self.how {
            How::Plus => first + second,
            How::Per => first / (second + 1.0),
            How::Times => first * second,
        };
        if value.is_finite() { value } else { f64::NAN }
    }
}

/// A row with what is made of it behind it.
#[must_use]
pub fn row(row: &[f64], derived: &[Derived]) -> Vec<f64> {
    row.iter().copied().chain(derived.iter().map(|one| one.of(row))).collect()
}
