//! What is learnt from: rows in the order of time, each with its features, whether it hurt, and what it cost to look at.
//!
//! Rows that nobody saw ([`Synthetic`]) stand beside them and are none of them: whoever splits, judges, calibrates or looks for leaks
//! goes through the rows, and finds real ones alone.

use std::ops::Range;
use tidegate_runtime::risk::FEATURES_MAX;

/// Rows of a table.
pub const ROWS_MAX: usize = 1 << 22;
/// Synthetic rows of a table.
pub const SYNTHETIC_MAX: usize = 1_024;
/// Longest name of a feature, in bytes.
pub const NAME_BYTES_MAX: usize = 100;

/// What is known of a feature, beside its values.
#[derive(Clone, Debug, PartialEq)]
pub struct Feature {
    /// As reasons and files name it.
    pub name: String,
}

/// One row that is added.
#[derive(Clone, Debug, PartialEq)]
pub struct Row<'a> {
    /// When it happened, in seconds.
    pub at: i64,
    /// Values in the order of the features; what is missing is not a number.
    pub values: &'a [f64],
    /// Whether it hurt.
    pub label: bool,
    /// What it costs to look at it, in lines.
    pub effort: f64,
}

/// A change that hurt and never was: made of two rows of the same table, for training where real ones are few ([`crate::scenario`]).
#[derive(Clone, Debug, PartialEq)]
pub struct Synthetic {
    /// Values in the order of the features; what is missing is not a number.
    pub values: Vec<f64>,
    /// What it would cost to look at it, in lines.
    pub effort: f64,
    /// The rows that it is made of: a part of the table that has not both has not this one.
    pub parents: [usize; 2],
}

/// Why something is no table.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum NotATable {
    /// No features, or too many.
    #[error("a table has 1 to {FEATURES_MAX} features, this one {0}")]
    Features(usize),
    /// A name that is empty, long, or there twice.
    #[error("feature `{0}`: a name has 1 to {NAME_BYTES_MAX} bytes and stands once")]
    Name(String),
    /// Another number of values.
    #[error("row {row} has {got} values, the table {expected} features")]
    Width {
        /// Which row, from 0.
        row: usize,
        /// Values that it has.
        got: usize,
        /// Features of the table.
        expected: usize,
    },
    /// Neither a number nor missing.
    #[error("row {row}, feature `{feature}`: an infinite value; leave out what is not known")]
    Infinite {
        /// Which row, from 0.
        row: usize,
        /// Which feature.
        feature: String,
    },
    /// Its effort is no amount.
    #[error("row {0}: an effort is a number of lines, 0 or more")]
    Effort(usize),
    /// Before the row in front of it.
    #[error("row {0} is older than the row before it: sort the rows by time, so that a model learns of the past alone")]
    Order(usize),
    /// Too many.
    #[error("a table has at most {ROWS_MAX} rows")]
    Rows,
    /// Synthetic rows are too many, or made of rows that are not there.
    #[error("synthetic row {0}: a table has at most {SYNTHETIC_MAX}, each made of two of its rows")]
    Synthetic(usize),
}

/// Rows ordered by time.
#[derive(Clone, Debug, PartialEq)]
pub struct Table {
    features: Vec<Feature>,
    values: Vec<f64>,
    labels: Vec<bool>,
    at: Vec<i64>,
    effort: Vec<f64>,
    synthetic: Vec<Synthetic>,
}

impl Table {
    /// No rows yet.
    ///
    /// # Errors
    /// When the names are none, too many, or not distinct.
    pub fn new<'a>(names: impl IntoIterator<Item = &'a str>) -> Result<Table, NotATable> {
        let features: Vec<Feature> = names.into_iter().map(|name| Feature { name: name.to_owned() }).collect();
        if features.is_empty() || features.len() > FEATURES_MAX {
            return Err(NotATable::Features(features.len()));
        }
        for (index, feature) in features.iter().enumerate() {
            let again = features.iter().take(index).any(|before| before.name == feature.name);
            if again || feature.name.is_empty() || feature.name.len() > NAME_BYTES_MAX {
                return Err(NotATable::Name(feature.name.clone()));
            }
        }
        Ok(Table { features, values: Vec::new(), labels: Vec::new(), at: Vec::new(), effort: Vec::new(), synthetic: Vec::new() })
    }

    /// Adds a row behind the others.
    ///
    /// # Errors
    /// When it does not fit, or is older than the last one.
    pub fn push(&mut self, row: &Row<'_>) -> Result<(), NotATable> {
        let index = self.labels.len();
        if index == ROWS_MAX {
            return Err(NotATable::Rows);
        }
        self.fits(index, row.values, row.effort)?;
        if self.at.last().is_some_and(|last| *last > row.at) {
            return Err(NotATable::Order(index));
        }
        self.values.extend_from_slice(row.values);
        self.labels.push(row.label);
        self.at.push(row.at);
        self.effort.push(row.effort);
        Ok(())
    }

    fn fits(&self, index: usize, values: &[f64], effort: f64) -> Result<(), NotATable> {
        if values.len() != self.features.len() {
            return Err(NotATable::Width { row: index, got: values.len(), expected: self.features.len() });
        }
        if let Some((feature, _)) = self.features.iter().zip(values).find(|(_, value)| value.is_infinite()) {
            return Err(NotATable::Infinite { row: index, feature: feature.name.clone() });
        }
        if !(effort >= 0.0 && effort.is_finite()) {
            return Err(NotATable::Effort(index));
        }
        Ok(())
    }

    /// Adds a row that nobody saw, beside the others.
    ///
    /// # Errors
    /// When it does not fit, or is made of rows that are not there.
    pub fn push_synthetic(&mut self, row: Synthetic) -> Result<(), NotATable> {
        let index = self.synthetic.len();
        if index == SYNTHETIC_MAX || row.parents.iter().any(|parent| *parent >= self.len()) {
            return Err(NotATable::Synthetic(index));
        }
        self.fits(index, &row.values, row.effort)?;
        self.synthetic.push(row);
        Ok(())
    }

    /// Rows that nobody saw.
    #[must_use]
    pub fn synthetic(&self) -> &[Synthetic] {
        &self.synthetic
    }

    /// How many rows there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }

    /// The features, in their order.
    #[must_use]
    pub fn features(&self) -> &[Feature] {
        &self.features
    }

    /// How many features there are.
    #[must_use]
    pub fn width(&self) -> usize {
        self.features.len()
    }

    /// Where a feature stands.
    #[must_use]
    pub fn column(&self, name: &str) -> Option<usize> {
        self.features.iter().position(|feature| feature.name == name)
    }

    /// The values of a row; none where there is no such row.
    #[must_use]
    pub fn row(&self, index: usize) -> &[f64] {
        let start = index.saturating_mul(self.width());
        self.values.get(start..start.saturating_add(self.width())).unwrap_or_default()
    }

    /// All rows, one after the other.
    pub fn rows(&self) -> impl ExactSizeIterator<Item = &[f64]> {
        self.values.chunks_exact(self.width())
    }

    /// All values of a feature.
    pub fn values(&self, column: usize) -> impl Iterator<Item = f64> {
        self.rows().map(move |row| row.get(column).copied().unwrap_or(f64::NAN))
    }

    /// Whether each row hurt.
    #[must_use]
    pub fn labels(&self) -> &[bool] {
        &self.labels
    }

    /// When each row happened, in seconds.
    #[must_use]
    pub fn at(&self) -> &[i64] {
        &self.at
    }

    /// What it costs to look at each row.
    #[must_use]
    pub fn effort(&self) -> &[f64] {
        &self.effort
    }

    /// Share of rows that hurt; none of no rows.
    #[must_use]
    pub fn base_rate(&self) -> Option<f64> {
        let hurt = self.labels.iter().filter(|label| **label).count();
        (!self.is_empty()).then(|| hurt as f64 / self.len() as f64)
    }

    /// Some rows, one behind the other; what lies behind the end is left out, and so is what is made of a row that is.
    #[must_use]
    pub fn slice(&self, rows: Range<usize>) -> Table {
        let rows = rows.start.min(self.len())..rows.end.min(self.len()).max(rows.start.min(self.len()));
        let cells = rows.start * self.width()..rows.end * self.width();
        let whole = self.synthetic.iter().filter(|row| row.parents.iter().all(|parent| rows.contains(parent)));
        let synthetic = whole.map(|row| Synthetic { parents: row.parents.map(|parent| parent - rows.start), ..row.clone() }).collect();
        Table {
            features: self.features.clone(),
            values: self.values.get(cells).unwrap_or_default().to_vec(),
            labels: self.labels.get(rows.clone()).unwrap_or_default().to_vec(),
            at: self.at.get(rows.clone()).unwrap_or_default().to_vec(),
            effort: self.effort.get(rows).unwrap_or_default().to_vec(),
            synthetic,
        }
    }

    /// The rows at some places, which ascend; what is made of rows stays behind.
    pub(crate) fn pick(&self, places: &[usize]) -> Table {
        let mut picked = Table { synthetic: Vec::new(), ..self.slice(0..0) };
        for place in places {
            let (Some(label), Some(at), Some(effort)) = (self.labels.get(*place), self.at.get(*place), self.effort.get(*place)) else {
                continue;
            };
            picked.values.extend_from_slice(self.row(*place));
            picked.labels.push(*label);
            picked.at.push(*at);
            picked.effort.push(*effort);
        }
        picked
    }

    /// How many of the first rows happened before a time.
    #[must_use]
    pub fn before(&self, at: i64) -> usize {
        self.at.partition_point(|row| *row < at)
    }

    /// BLAKE3 over names, times, labels, efforts and the bits of the values, and of the synthetic rows where there are any, as
    /// hexadecimal digits: tables with one digest train one model.
    #[must_use]
    pub fn digest(&self) -> String {
        let mut hasher = blake3::Hasher::new();
        for feature in &self.features {
            hasher.update(&(feature.name.len() as u64).to_le_bytes());
            hasher.update(feature.name.as_bytes());
        }
        for ((row, label), (at, effort)) in self.rows().zip(&self.labels).zip(self.at.iter().zip(&self.effort)) {
            hasher.update(&at.to_le_bytes());
            hasher.update(&[u8::from(*label)]);
            hasher.update(&effort.to_bits().to_le_bytes());
            digest_values(&mut hasher, row);
        }
        for row in &self.synthetic {
            hasher.update(b"synthetic");
            row.parents.iter().for_each(|parent| {
                hasher.update(&(*parent as u64).to_le_bytes());
            });
            hasher.update(&row.effort.to_bits().to_le_bytes());
            digest_values(&mut hasher, &row.values);
        }
        hex::encode(hasher.finalize().as_bytes())
    }
}

fn digest_values(hasher: &mut blake3::Hasher, values: &[f64]) {
    for value in values {
        // There are many numbers that are none; all of them mean missing.
        let bits = if value.is_nan() { f64::NAN.to_bits() } else { value.to_bits() };
        hasher.update(&bits.to_le_bytes());
    }
}
