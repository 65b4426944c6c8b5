//! One column as drift sees it: sorted numbers or counted categories, exact or with a stated error.

use std::collections::BTreeMap;

/// A column.
#[derive(Clone, Debug, PartialEq)]
pub enum Field {
    /// Numbers.
    Numbers(Numbers),
    /// Categories by their text.
    Categories(Categories),
}

/// Numbers.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Numbers {
    /// Finite values, ascending: all of them, or a sample.
    pub values: Vec<f64>,
    /// How many values the column has.
    pub count: u64,
    /// Nulls, NaN and infinities.
    pub nulls: u64,
    /// Every value is of a whole-number type and none is missing: bins are then not narrower than 1.
    pub whole: bool,
    /// How far the sample's distribution function may lie from the column's with 95 % confidence; 0 for all values.
    pub error: f64,
}

/// Categories.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Categories {
    /// Values of each.
    pub counts: BTreeMap<String, u64>,
    /// Values of categories whose names were not kept.
    pub other: u64,
    /// Nulls.
    pub nulls: u64,
}

impl Numbers {
    /// From all values of a column; what is not finite counts as null.
    #[must_use]
    pub fn of(values: &[f64], whole: bool) -> Numbers {
        let mut kept: Vec<f64> = values.iter().copied().filter(|v| v.is_finite()).collect();
        kept.sort_unstable_by(f64::total_cmp);
        let nulls = (values.len() - kept.len()) as u64;
        Numbers { count: kept.len() as u64, nulls, whole: whole && nulls == 0, error: 0.0, values: kept }
    }
}

impl Categories {
    /// From all values of a column.
    #[must_use]
    pub fn of<'a>(values: impl IntoIterator<Item = Option<&'a str>>) -> Categories {
        let mut found = Categories::default();
        for value in values {
            match value {
                None => found.nulls += 1,
                Some(text) => match found.counts.get_mut(text) {
                    Some(n) => *n += 1,
                    None => drop(found.counts.insert(text.to_owned(), 1)),
                },
            }
        }
        found
    }

    /// Values.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.counts.values().sum::<u64>() + self.other
    }

    /// Counts of both over the same categories; those without a name are one more.
    #[must_use]
    pub fn beside(&self, other: &Categories) -> (Vec<u64>, Vec<u64>) {
        let names: std::collections::BTreeSet<&String> = self.counts.keys().chain(other.counts.keys()).collect();
        let nameless = (self.other + other.other > 0).then_some(());
        let count = |of: &Categories| -> Vec<u64> {
            let named = names.iter().map(|n| of.counts.get(*n).copied().unwrap_or(0));
            named.chain(nameless.map(|()| of.other)).collect()
        };
        (count(self), count(other))
    }
}

impl Field {
    /// Values that are there.
    #[must_use]
    pub fn count(&self) -> u64 {
        match self {
            Field::Numbers(n) => n.count,
            Field::Categories(c) => c.count(),
        }
    }

    /// Values that are not.
    #[must_use]
    pub fn nulls(&self) -> u64 {
        match self {
            Field::Numbers(n) => n.nulls,
            Field::Categories(c) => c.nulls,
        }
    }

    /// Share of values that are not there.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "counts below 2^53")]
    pub fn null_share(&self) -> f64 {
        let all = self.count() + self.nulls();
        if all == 0 { 0.0 } else { self.nulls() as f64 / all as f64 }
    }

    /// How far the kept distribution function may lie from the column's; 0 where it is exact.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "counts below 2^53")]
    pub fn error(&self) -> f64 {
        match self {
            Field::Numbers(n) => n.error,
            Field::Categories(c) if c.other > 0 => c.other as f64 / c.count() as f64,
            Field::Categories(_) => 0.0,
        }
    }

    /// The same numbers as categories, each value one.
    #[must_use]
    pub fn categories(&self) -> Categories {
        match self {
            Field::Categories(c) => c.clone(),
            Field::Numbers(n) => {
                let texts: Vec<String> = n.values.iter().map(ToString::to_string).collect();
                let mut found = Categories::of(texts.iter().map(|t| Some(t.as_str())));
                found.nulls = n.nulls;
                found
            }
        }
    }
}
