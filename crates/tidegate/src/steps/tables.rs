//! Columns of two tables as drift sees them: types told by the reference, as Evidently tells them.
//!
//! Whole numbers of at most ten different values are categories; texts that are mostly different are judged by their
//! length, vectors by theirs and by their distance from the reference's mean; dates and instants are not judged.

use crate::exit::{self, failure};
use anyhow::Result;
use indexmap::IndexMap;
use std::collections::HashSet;
use std::path::Path;
use tidegate_core::drift::{Categories, Field, Numbers};
use tidegate_data::{Column, DataError, ROWS_MAX, Source, Table, Vectors, read_rows};

/// Whole numbers of at most this many different values are categories.
const WHOLE_CATEGORIES_MAX: usize = 10;
/// Texts of which a larger share than this are different are judged by length.
const TEXT_DISTINCT_SHARE: f64 = 0.5;

/// How a column is judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// As numbers.
    Numbers,
    /// As categories.
    Categories,
    /// By the length of its texts.
    Length,
    /// As vectors: by their length, and how they lie to the mean of the reference.
    Vectors,
    /// Not at all.
    Skipped,
}

/// Reads all columns of a table.
///
/// # Errors
/// When it cannot be read; a file that is not there has an exit code of its own.
pub async fn read(path: &Path) -> Result<Table> {
    read_rows(&Source::at(path), &[], ROWS_MAX).await.map_err(|error| match &error {
        DataError::NotFound { .. } => failure(exit::NOT_FOUND, error.to_string()),
        _ => error.into(),
    })
}

/// How a column of the reference is judged.
#[expect(clippy::cast_precision_loss, reason = "counts below 2^53")]
pub fn kind(column: &Column) -> Kind {
    match column {
        Column::Float(_) => Kind::Numbers,
        Column::Bool(_) => Kind::Categories,
        Column::Instant(_) => Kind::Skipped,
        Column::Vectors(_) => Kind::Vectors,
        Column::Int(values) => {
            let mut seen = HashSet::new();
            for value in values.iter().flatten() {
                seen.insert(*value);
                if seen.len() > WHOLE_CATEGORIES_MAX {
                    return Kind::Numbers;
                }
            }
            Kind::Categories
        }
        Column::Text(values) => {
            let there: Vec<&String> = values.iter().flatten().collect();
            let distinct = there.iter().collect::<HashSet<_>>().len();
            if distinct as f64 > TEXT_DISTINCT_SHARE * there.len() as f64 { Kind::Length } else { Kind::Categories }
        }
    }
}

/// The rows of a column that are looked at.
pub enum Rows<'a> {
    /// All.
    All,
    /// These.
    Some(&'a [usize]),
}

impl Rows<'_> {
    fn of(&self, rows: usize) -> Box<dyn Iterator<Item = usize> + '_> {
        match self {
            Rows::All => Box::new(0..rows),
            Rows::Some(places) => Box::new(places.iter().copied()),
        }
    }
}

/// A column as drift sees it; none when it is not of the kind, so that its type changed.
pub fn field(column: &Column, kind: Kind, rows: &Rows<'_>) -> Option<Field> {
    // A column without values has no type that could have changed: it is an empty one of the kind.
    let empty = |column: &Column| (0..column.len()).all(|r| column.text(r).is_none());
    match kind {
        Kind::Skipped | Kind::Vectors => None,
        Kind::Numbers if matches!(column, Column::Text(_) | Column::Instant(_)) && empty(column) => {
            Some(Field::Numbers(Numbers { nulls: column.len() as u64, ..Numbers::default() }))
        }
        Kind::Length if !matches!(column, Column::Text(_)) && empty(column) => {
            Some(Field::Numbers(Numbers { nulls: column.len() as u64, ..Numbers::default() }))
        }
        Kind::Numbers => {
            let values = numbers(column)?;
            let whole = matches!(column, Column::Int(_));
            Some(Field::Numbers(match rows {
                Rows::All => Numbers::of(&values, whole),
                Rows::Some(_) => Numbers::of(&rows.of(values.len()).filter_map(|r| values.get(r).copied()).collect::<Vec<_>>(), whole),
            }))
        }
        Kind::Length => {
            let Column::Text(values) = column else { return None };
            let length = |r: usize| values.get(r)?.as_ref().map(|t| t.chars().count() as f64);
            let lengths: Vec<f64> = rows.of(values.len()).map(|r| length(r).unwrap_or(f64::NAN)).collect();
            Some(Field::Numbers(Numbers::of(&lengths, true)))
        }
        Kind::Categories => Some(Field::Categories(match column {
            Column::Text(values) => Categories::of(rows.of(values.len()).map(|r| values.get(r).and_then(|v| v.as_deref()))),
            other => {
                let texts: Vec<Option<String>> = rows.of(other.len()).map(|r| other.text(r)).collect();
                Categories::of(texts.iter().map(Option::as_deref))
            }
        })),
    }
}

/// A column's numbers, NaN for null; none for text and for instants.
pub fn numbers(column: &Column) -> Option<Vec<f64>> {
    match column {
        Column::Float(_) | Column::Int(_) | Column::Bool(_) => column.numbers(),
        Column::Text(_) | Column::Instant(_) | Column::Vectors(_) => None,
    }
}

/// The mean of all vectors, component by component.
fn mean(vectors: &Vectors) -> Vec<f64> {
    let (mut sum, mut rows) = (vec![0.0; vectors.width], 0.0);
    for vector in (0..vectors.rows).filter_map(|r| vectors.row(r)) {
        rows += 1.0;
        sum.iter_mut().zip(vector).for_each(|(s, x)| *s += f64::from(*x));
    }
    sum.iter_mut().for_each(|s| *s /= rows);
    sum
}

/// Of each vector its Euclidean length, and one less the cosine of its angle to `mean`; NaN for null and where there is no
/// angle.
fn vector_numbers(vectors: &Vectors, rows: &Rows<'_>, mean: &[f64]) -> (Vec<f64>, Vec<f64>) {
    let length = |v: &mut dyn Iterator<Item = f64>| v.map(|x| x * x).sum::<f64>().sqrt();
    let of_mean = length(&mut mean.iter().copied());
    rows.of(vectors.rows)
        .map(|r| match vectors.row(r) {
            None => (f64::NAN, f64::NAN),
            Some(v) => {
                let norm = length(&mut v.iter().map(|x| f64::from(*x)));
                let product: f64 = v.iter().zip(mean).map(|(x, m)| f64::from(*x) * m).sum();
                (norm, 1.0 - product / (norm * of_mean))
            }
        })
        .unzip()
}

/// The cheap columns of a column of vectors: `norm(NAME)` and `distance(NAME)`, the latter where both are as long.
fn vector_fields(name: &str, of: &Vectors, rows: &Rows<'_>, reference: &Vectors) -> Vec<(String, Field)> {
    let (norms, distances) = vector_numbers(of, rows, &mean(reference));
    let mut made = vec![(format!("norm({name})"), Field::Numbers(Numbers::of(&norms, false)))];
    if of.width == reference.width {
        made.push((format!("distance({name})"), Field::Numbers(Numbers::of(&distances, false))));
    }
    made
}

/// All judged columns of both tables, by name; a length stands under `length(NAME)`.
pub fn fields(reference: &Table, current: &Table, rows: (&Rows<'_>, &Rows<'_>)) -> (IndexMap<String, Field>, IndexMap<String, Field>) {
    let (mut before, mut now) = (IndexMap::new(), IndexMap::new());
    let jobs: Vec<(&String, &Column, Kind)> =
        reference.columns.iter().map(|(n, c)| (n, c, kind(c))).filter(|j| !matches!(j.2, Kind::Skipped | Kind::Vectors)).collect();
    for (name, column) in &reference.columns {
        let Column::Vectors(old) = column else { continue };
        before.extend(vector_fields(name, old, rows.0, old));
        if let Some(Column::Vectors(new)) = current.columns.get(name) {
            now.extend(vector_fields(name, new, rows.1, old));
        }
    }
    let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    // Sorting takes the time, and columns know nothing of one another.
    let made: Vec<(String, Option<Field>, Option<Option<Field>>)> = std::thread::scope(|scope| {
        let work = |part: Vec<&(&String, &Column, Kind)>| -> Vec<_> {
            part.into_iter()
                .map(|(name, column, kind)| {
                    let key = if *kind == Kind::Length { format!("length({name})") } else { (*name).clone() };
                    (key, field(column, *kind, rows.0), current.columns.get(*name).map(|c| field(c, *kind, rows.1)))
                })
                .collect()
        };
        let size = jobs.len().div_ceil(threads).max(1);
        let running: Vec<_> = jobs.chunks(size).map(|part| scope.spawn(move || work(part.iter().collect()))).collect();
        running.into_iter().filter_map(|r| r.join().ok()).flatten().collect()
    });
    for (key, old, new) in made {
        if let Some(old) = old {
            before.insert(key.clone(), old);
        }
        match new {
            Some(Some(field)) => drop(now.insert(key, field)),
            // Another type: drift sees it as a column of the other kind.
            Some(None) => {
                let other = if matches!(before.get(&key), Some(Field::Numbers(_))) {
                    Field::Categories(Categories::default())
                } else {
                    Field::Numbers(Numbers::default())
                };
                now.insert(key, other);
            }
            None => {}
        }
    }
    for (name, column) in current.columns.iter().filter(|(n, _)| !reference.columns.contains_key(*n)) {
        let kind = kind(column);
        if let (Some(field), false) = (field(column, kind, rows.1), kind == Kind::Length) {
            now.insert(name.clone(), field);
        }
    }
    (before, now)
}
