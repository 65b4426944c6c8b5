//! What a column looks like, in a form that can be merged: counts, moments, and a sample of its values.
//!
//! Numbers of at most [`CATEGORIES_MAX`] different values are counted exactly, as are as many categories. Of other numbers
//! a sample keeps the [`PROFILE_VALUES_MAX`] values whose hash of (row, value) is smallest, so that merging
//! parts gives what one pass over all would have given, without chance. Up to that many values it is all
//! of them. Beyond it, by the Dvoretzky-Kiefer-Wolfowitz inequality, its distribution function is within
//! 0.0136 of the column's with 95 % confidence. Not here: reading rows.

use crate::drift::{Categories, Field, Numbers};
use indexmap::IndexMap;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use tidegate_stats::rng::mix;

/// Most values that a column's sample keeps.
pub const PROFILE_VALUES_MAX: usize = 10_000;
/// Most categories whose counts are kept; beyond it those with the smallest hashes, the others in one sum.
pub const CATEGORIES_MAX: usize = 1_000;

/// Longer texts count as this long.
const LENGTH_MAX: u32 = 10_000;
/// Texts of which a larger share than this are different are judged by their length.
const DISTINCT_SHARE: f64 = 0.5;

/// What a table looks like.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Profile {
    /// Rows.
    pub rows: u64,
    /// Columns by name.
    pub columns: IndexMap<String, ColumnProfile>,
}

/// What a column looks like.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "profile", rename_all = "snake_case")]
pub enum ColumnProfile {
    /// Numbers; dates and instants as milliseconds since 1970.
    Number(NumberProfile),
    /// Everything else, by its text.
    Category(CategoryProfile),
}

/// A column of numbers.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct NumberProfile {
    /// Values that are not null.
    pub count: u64,
    /// Nulls.
    pub nulls: u64,
    /// Smallest value.
    pub min: Option<f64>,
    /// Largest value.
    pub max: Option<f64>,
    /// Mean.
    pub mean: f64,
    /// Sum of squared distances from the mean.
    pub m2: f64,
    /// Every value is of a whole-number type.
    #[serde(default)]
    pub whole: bool,
    /// Values with their priority, the smallest priorities; not in order until it is asked for.
    sample: Vec<(u64, f64)>,
    /// How often each value is there, ascending by value, while there are few different ones.
    #[serde(default)]
    counts: Counted,
}

/// Counts of each value of a column, or that there were too many to keep.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Counted {
    /// Every value with its count, ascending.
    All(Vec<(f64, u64)>),
    /// More than [`CATEGORIES_MAX`] different values.
    TooMany,
}

impl Default for Counted {
    fn default() -> Counted {
        Counted::All(Vec::new())
    }
}

impl Counted {
    fn add(&mut self, value: f64, n: u64) {
        let Counted::All(kept) = self else { return };
        match kept.binary_search_by(|(v, _)| v.total_cmp(&value)) {
            Ok(place) => {
                if let Some((_, count)) = kept.get_mut(place) {
                    *count += n;
                }
            }
            Err(place) if kept.len() < CATEGORIES_MAX => kept.insert(place, (value, n)),
            Err(_) => *self = Counted::TooMany,
        }
    }
}

/// A column of categories.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct CategoryProfile {
    /// Values that are not null.
    pub count: u64,
    /// Nulls.
    pub nulls: u64,
    /// Rows of each category that is kept.
    pub counts: BTreeMap<String, u64>,
    /// Rows of the others.
    pub other: u64,
    /// Rows by length of the text in characters, the longest in one: what texts that are mostly different are judged by.
    #[serde(default)]
    lengths: Vec<(u32, u64)>,
    /// The largest hash that is kept; none while all are.
    limit: Option<u64>,
}

impl Profile {
    /// Both together, as if one had followed the other.
    ///
    /// # Errors
    /// When a column is numbers in one and categories in the other.
    pub fn merge(&mut self, other: &Profile) -> Result<(), String> {
        for (name, column) in &other.columns {
            match (self.columns.get_mut(name), column) {
                (None, _) => {
                    self.columns.insert(name.clone(), column.clone());
                }
                (Some(ColumnProfile::Number(mine)), ColumnProfile::Number(theirs)) => mine.merge(theirs),
                (Some(ColumnProfile::Category(mine)), ColumnProfile::Category(theirs)) => mine.merge(theirs),
                (Some(_), _) => {
                    return Err(format!(
                        "merge profiles: column `{name}` is numbers in one and categories in the other: profile both with the same types"
                    ));
                }
            }
        }
        self.rows += other.rows;
        Ok(())
    }
}

#[expect(clippy::cast_precision_loss, reason = "counts below 2^53")]
impl NumberProfile {
    /// Of a column without rows, of a whole-number type or not.
    #[must_use]
    pub fn of_type(whole: bool) -> NumberProfile {
        NumberProfile { whole, ..NumberProfile::default() }
    }

    /// Takes the value of a row; NaN and the infinities count as null.
    pub fn observe(&mut self, row: u64, value: Option<f64>) {
        let Some(value) = value.filter(|v| v.is_finite()) else {
            self.nulls += 1;
            return;
        };
        self.count += 1;
        let before = value - self.mean;
        self.mean += before / self.count as f64;
        self.m2 += before * (value - self.mean);
        self.min = Some(self.min.map_or(value, |m| m.min(value)));
        self.max = Some(self.max.map_or(value, |m| m.max(value)));
        self.counts.add(value, 1);
        self.sample.push((mix(row ^ mix(value.to_bits())), value));
        if self.sample.len() >= 2 * PROFILE_VALUES_MAX {
            self.trim();
        }
    }

    /// Both together.
    pub fn merge(&mut self, other: &NumberProfile) {
        let (n, m) = (self.count as f64, other.count as f64);
        if m > 0.0 {
            let (delta, total) = (other.mean - self.mean, n + m);
            self.mean += delta * m / total;
            self.m2 += other.m2 + delta * delta * n * m / total;
        }
        let pick = |a: Option<f64>, b: Option<f64>, f: fn(f64, f64) -> f64| match (a, b) {
            (Some(a), Some(b)) => Some(f(a, b)),
            (a, b) => a.or(b),
        };
        self.min = pick(self.min, other.min, f64::min);
        self.max = pick(self.max, other.max, f64::max);
        self.count += other.count;
        self.whole &= other.whole;
        match &other.counts {
            Counted::All(counts) => counts.iter().for_each(|(value, n)| self.counts.add(*value, *n)),
            Counted::TooMany => self.counts = Counted::TooMany,
        }
        self.nulls += other.nulls;
        self.sample.extend_from_slice(&other.sample);
        self.trim();
    }

    /// Orders and cuts the sample; to be called before a profile is stored, so that equal columns give equal bytes.
    pub fn trim(&mut self) {
        self.sample.sort_unstable_by(|a, b| a.0.cmp(&b.0).then(a.1.total_cmp(&b.1)));
        self.sample.truncate(PROFILE_VALUES_MAX);
    }

    /// The sampled values in ascending order.
    #[must_use]
    pub fn sorted(&self) -> Vec<f64> {
        let mut kept = self.clone();
        kept.trim();
        let mut values: Vec<f64> = kept.sample.into_iter().map(|(_, v)| v).collect();
        values.sort_unstable_by(f64::total_cmp);
        values
    }

    /// Whether every value is known: by the sample, or by counts.
    #[must_use]
    pub fn exact(&self) -> bool {
        self.count <= PROFILE_VALUES_MAX as u64 || matches!(self.counts, Counted::All(_))
    }

    /// How far the distribution function of what is kept may lie from the column's, with 95 % confidence; 0 if exact.
    #[must_use]
    pub fn error(&self) -> f64 {
        if self.exact() { 0.0 } else { libm::sqrt(libm::log(2.0 / 0.05) / (2.0 * PROFILE_VALUES_MAX as f64)) }
    }

    /// Population standard deviation.
    #[must_use]
    pub fn deviation(&self) -> f64 {
        if self.count == 0 { 0.0 } else { libm::sqrt(self.m2 / self.count as f64) }
    }
}

impl ColumnProfile {
    /// The column as drift sees it. Counted values are all spelt out, at most as many as the column has rows.
    #[must_use]
    pub fn field(&self) -> Field {
        match self {
            ColumnProfile::Category(c) => Field::Categories(Categories { counts: c.counts.clone(), other: c.other, nulls: c.nulls }),
            ColumnProfile::Number(n) => {
                let values = match &n.counts {
                    Counted::All(counts) if n.count > PROFILE_VALUES_MAX as u64 => {
                        counts.iter().flat_map(|(v, times)| (0..*times).map(|_| *v)).collect()
                    }
                    Counted::All(_) | Counted::TooMany => n.sorted(),
                };
                Field::Numbers(Numbers { values, count: n.count, nulls: n.nulls, whole: n.whole && n.nulls == 0, error: n.error() })
            }
        }
    }
}

impl CategoryProfile {
    /// Whether the texts are mostly different, so that their length tells more than their names; also beyond what is kept.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "counts below 2^53")]
    pub fn is_text(&self) -> bool {
        self.other > 0 || self.counts.len() as f64 > DISTINCT_SHARE * self.count as f64
    }

    /// The lengths as drift sees them.
    #[must_use]
    pub fn lengths(&self) -> Field {
        let values: Vec<f64> = self.lengths.iter().flat_map(|(length, n)| (0..*n).map(|_| f64::from(*length))).collect();
        Field::Numbers(Numbers { count: self.count, nulls: self.nulls, whole: self.nulls == 0, error: 0.0, values })
    }

    /// Takes the value of a row.
    pub fn observe(&mut self, value: Option<&str>) {
        match value {
            None => self.nulls += 1,
            Some(text) => self.observe_many(text, 1),
        }
    }

    /// Takes a value of `n` rows.
    pub fn observe_many(&mut self, text: &str, n: u64) {
        self.count += n;
        let length = u32::try_from(text.chars().count()).unwrap_or(u32::MAX).min(LENGTH_MAX);
        self.add_length(length, n);
        self.add(text, n);
        if self.counts.len() >= 2 * CATEGORIES_MAX {
            self.trim();
        }
    }

    /// Both together.
    pub fn merge(&mut self, other: &CategoryProfile) {
        self.count += other.count;
        self.nulls += other.nulls;
        self.other += other.other;
        for (length, n) in &other.lengths {
            self.add_length(*length, *n);
        }
        if let Some(limit) = other.limit {
            self.cut(limit);
        }
        for (text, n) in &other.counts {
            self.add(text, *n);
        }
        self.trim();
    }

    /// Lengths are a list, for JSON knows no numbers as keys.
    fn add_length(&mut self, length: u32, n: u64) {
        match self.lengths.binary_search_by_key(&length, |(l, _)| *l) {
            Ok(place) => {
                if let Some((_, rows)) = self.lengths.get_mut(place) {
                    *rows += n;
                }
            }
            Err(place) => self.lengths.insert(place, (length, n)),
        }
    }

    fn add(&mut self, text: &str, n: u64) {
        if let Some(known) = self.counts.get_mut(text) {
            *known += n;
        } else if self.limit.is_some_and(|limit| hash(text) > limit) {
            self.other += n;
        } else {
            self.counts.insert(text.to_owned(), n);
        }
    }

    /// Cuts down to what is kept; to be called before a profile is stored, so that equal columns give equal bytes.
    pub fn trim(&mut self) {
        if self.counts.len() <= CATEGORIES_MAX {
            return;
        }
        let mut hashes: Vec<u64> = self.counts.keys().map(|t| hash(t)).collect();
        hashes.sort_unstable();
        if let Some(limit) = hashes.get(CATEGORIES_MAX - 1) {
            self.cut(*limit);
        }
    }

    fn cut(&mut self, limit: u64) {
        let limit = self.limit.map_or(limit, |mine| mine.min(limit));
        self.limit = Some(limit);
        let other = &mut self.other;
        self.counts.retain(|text, n| {
            let keep = hash(text) <= limit;
            *other += if keep { 0 } else { *n };
            keep
        });
    }
}

/// FNV-1a, mixed: the same on every machine.
fn hash(text: &str) -> u64 {
    let fnv = text.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |h, b| (h ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3));
    mix(fnv)
}
