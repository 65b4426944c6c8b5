//! Profiles of columns, from a source in one pass or from rows in memory.

use crate::classes::{Class, type_name};
use crate::error::DataError;
use crate::measure::{Canonical, Values};
use crate::rows::{Column, Table};
use crate::scan::{Gather, scan};
use crate::source::{MEMORY_BYTES_MAX, Source, open};
use datafusion::arrow::array::Array;
use datafusion::arrow::record_batch::RecordBatch;
use datafusion::error::DataFusionError;
use std::collections::HashMap;
use tidegate_core::contract::{CategoryProfile, ColumnProfile, NumberProfile, Profile};

const OPERATION: &str = "profile dataset";
/// Rows that a part can have before its rows' numbers meet those of the next.
const PART_ROWS_BITS: u32 = 40;

/// Profiles these columns, or all that are numbers, texts, booleans, dates or instants when none is named.
///
/// # Errors
/// When the data cannot be read, or a named column is missing or of another type.
pub async fn profile(source: &Source, columns: &[&str]) -> Result<Profile, DataError> {
    let opened = open(source, OPERATION, MEMORY_BYTES_MAX, None).await?;
    let class = |i: usize| Class::of(opened.schema.field(i).data_type());
    let usable = |i: usize| !matches!(class(i), Class::Other);
    let mut places = Vec::new();
    for column in columns {
        let place = opened.require(column)?;
        if !usable(place) {
            let found = type_name(opened.schema.field(place).data_type());
            let wanted = "numbers, text, booleans, dates or instants";
            return Err(DataError::Type { operation: OPERATION, path: opened.path.clone(), column: (*column).to_owned(), found, wanted });
        }
        places.push(place);
    }
    if columns.is_empty() {
        places = (0..opened.schema.fields().len()).filter(|i| usable(*i)).collect();
    }
    let make = |part: usize| Profiles {
        base: (part as u64) << PART_ROWS_BITS,
        columns: places.iter().map(|i| Gathered::new(class(*i))).collect(),
    };
    let (gathered, rows) = scan(&opened, &places, make).await?;
    let named = places.iter().zip(gathered.columns).map(|(i, c)| (opened.schema.field(*i).name().clone(), c.finish())).collect();
    Ok(Profile { rows, columns: named })
}

/// Profiles rows in memory.
#[must_use]
pub fn profile_table(table: &Table) -> Profile {
    let columns = table.columns.iter().map(|(name, column)| (name.clone(), profile_column(column))).collect();
    Profile { rows: table.rows as u64, columns }
}

fn profile_column(column: &Column) -> ColumnProfile {
    if let Some(numbers) = column.numbers() {
        let mut profile = NumberProfile::of_type(matches!(column, Column::Int(_)));
        for (row, value) in numbers.iter().enumerate() {
            profile.observe(row as u64, Some(*value));
        }
        profile.trim();
        return ColumnProfile::Number(profile);
    }
    let mut profile = CategoryProfile::default();
    for row in 0..column.len() {
        profile.observe(column.text(row).as_deref());
    }
    profile.trim();
    ColumnProfile::Category(profile)
}

enum Gathered {
    Number(NumberProfile),
    Category(CategoryProfile),
}

impl Gathered {
    fn new(class: Class) -> Gathered {
        match class {
            Class::Text | Class::Bool => Gathered::Category(CategoryProfile::default()),
            Class::Int => Gathered::Number(NumberProfile::of_type(true)),
            Class::Float | Class::Instant | Class::Null | Class::Other => Gathered::Number(NumberProfile::of_type(false)),
        }
    }

    #[expect(clippy::cast_precision_loss, reason = "profiles of whole numbers beyond 2^53 are floats anyway")]
    fn take(&mut self, column: &Canonical, row: u64) {
        match self {
            Gathered::Number(profile) => {
                for r in 0..column.len {
                    let value = match &column.values {
                        _ if column.is_null(r) => None,
                        Values::Int(a) => Some(a.value(r) as f64),
                        Values::Float(a) => Some(a.value(r)),
                        Values::Instant(a, _) => Some(a.value(r).div_euclid(1_000) as f64),
                        Values::Bool(_) | Values::Text(_) | Values::Other => None,
                    };
                    profile.observe(row + r as u64, value);
                }
            }
            Gathered::Category(profile) => take_categories(profile, column),
        }
    }

    fn finish(self) -> ColumnProfile {
        match self {
            Gathered::Number(mut profile) => {
                profile.trim();
                ColumnProfile::Number(profile)
            }
            Gathered::Category(mut profile) => {
                profile.trim();
                ColumnProfile::Category(profile)
            }
        }
    }
}

/// Categories of a batch are counted before they are offered: most columns have few.
fn take_categories(profile: &mut CategoryProfile, column: &Canonical) {
    let mut counts: HashMap<&str, u64> = HashMap::new();
    for r in (0..column.len).filter(|r| !column.is_null(*r)) {
        let text = match &column.values {
            Values::Text(a) if r < a.len() => a.value(r),
            Values::Bool(a) => {
                if a.value(r) {
                    "true"
                } else {
                    "false"
                }
            }
            _ => continue,
        };
        *counts.entry(text).or_default() += 1;
    }
    profile.nulls += column.missing() as u64;
    for (text, n) in counts {
        profile.observe_many(text, n);
    }
}

struct Profiles {
    base: u64,
    columns: Vec<Gathered>,
}

impl Gather for Profiles {
    fn take(&mut self, batch: &RecordBatch, row: u64) -> Result<(), DataFusionError> {
        for (gathered, array) in self.columns.iter_mut().zip(batch.columns()) {
            let column = Canonical::new(array).map_err(|e| DataFusionError::ArrowError(Box::new(e), None))?;
            gathered.take(&column, self.base + row);
        }
        Ok(())
    }

    fn join(&mut self, next: Profiles, _: u64) {
        for (mine, theirs) in self.columns.iter_mut().zip(next.columns) {
            match (mine, theirs) {
                (Gathered::Number(mine), Gathered::Number(theirs)) => mine.merge(&theirs),
                (Gathered::Category(mine), Gathered::Category(theirs)) => mine.merge(&theirs),
                // Both were made from the same list of columns.
                (Gathered::Number(_), Gathered::Category(_)) | (Gathered::Category(_), Gathered::Number(_)) => {}
            }
        }
    }
}
