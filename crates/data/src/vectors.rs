//! Columns of vectors, as embeddings are kept: lists of numbers, all of one length.

use datafusion::arrow::array::{Array, ArrayRef, AsArray, ListArray};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Field, Float32Type};
use datafusion::arrow::error::ArrowError;
use std::sync::Arc;

/// Longest vector.
pub const VECTOR_WIDTH_MAX: usize = 8_192;
/// Most numbers of a column of vectors: four gigabytes.
pub const VECTOR_VALUES_MAX: usize = 1 << 30;

/// Vectors of one length, row after row.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Vectors {
    /// Their length; 0 while every row is null.
    pub width: usize,
    /// Rows.
    pub rows: usize,
    /// All numbers, NaN in a row that is null.
    pub values: Vec<f32>,
    /// What keeps the column from being one of vectors.
    pub wrong: Option<String>,
}

/// Whether a type is a list of numbers.
pub(crate) fn is_vector(data_type: &DataType) -> bool {
    match data_type {
        DataType::List(item) | DataType::LargeList(item) | DataType::FixedSizeList(item, _) => item.data_type().is_numeric(),
        _ => false,
    }
}

impl Vectors {
    /// Rows that follow those before.
    pub(crate) fn take(&mut self, array: &ArrayRef) -> Result<(), ArrowError> {
        let lists = cast(array, &DataType::LargeList(Arc::new(Field::new_list_field(DataType::Float32, true))))?;
        let lists = lists.as_list::<i64>();
        for row in 0..lists.len() {
            if lists.is_null(row) {
                self.push(None);
            } else {
                let numbers = lists.value(row);
                let numbers = numbers.as_primitive::<Float32Type>();
                let null = (0..numbers.len()).any(|i| numbers.is_null(i));
                self.push(if null { None } else { Some(numbers.values()) });
            }
        }
        Ok(())
    }

    fn push(&mut self, vector: Option<&[f32]>) {
        self.rows += 1;
        match vector {
            _ if self.wrong.is_some() => {}
            Some(v) if v.len() > VECTOR_WIDTH_MAX => {
                self.wrong = Some(format!("a vector has {} numbers, at most {VECTOR_WIDTH_MAX} are read", v.len()));
            }
            Some(v) if self.width != 0 && v.len() != self.width => {
                self.wrong = Some(format!("vectors have {} and {} numbers: they must be of one length", self.width, v.len()));
            }
            Some(v) => {
                self.widen(v.len());
                self.values.extend_from_slice(v);
            }
            None => self.values.resize(self.values.len() + self.width, f32::NAN),
        }
        if self.values.len() > VECTOR_VALUES_MAX {
            self.wrong = Some(format!("the vectors have more than {VECTOR_VALUES_MAX} numbers: take fewer rows"));
            self.values = vec![];
        }
    }

    /// Gives the rows that were null before the first vector their numbers.
    fn widen(&mut self, width: usize) {
        if self.width == 0 {
            self.width = width;
            self.values.resize((self.rows - 1) * width, f32::NAN);
        }
    }

    /// Rows of a later part.
    pub(crate) fn append(&mut self, next: Vectors) {
        self.wrong = self.wrong.take().or(next.wrong);
        if self.wrong.is_some() {
            return;
        }
        match (self.width, next.width) {
            (a, b) if a != 0 && b != 0 && a != b => {
                self.wrong = Some(format!("vectors have {a} and {b} numbers: they must be of one length"));
            }
            (0, b) => {
                self.width = b;
                self.values.resize(self.rows * b, f32::NAN);
                self.values.extend_from_slice(&next.values);
            }
            (a, 0) => self.values.resize(self.values.len() + next.rows * a, f32::NAN),
            _ => self.values.extend_from_slice(&next.values),
        }
        self.rows += next.rows;
    }

    /// The vector of a row; none where it is null.
    #[must_use]
    pub fn row(&self, row: usize) -> Option<&[f32]> {
        let vector = self.values.get(row * self.width..(row + 1) * self.width).filter(|v| !v.is_empty())?;
        vector.iter().any(|x| !x.is_nan()).then_some(vector)
    }

    pub(crate) fn array(&self) -> ArrayRef {
        let rows = (0..self.rows).map(|row| self.row(row).map(|v| v.iter().map(|x| Some(*x)).collect::<Vec<_>>()));
        Arc::new(ListArray::from_iter_primitive::<Float32Type, _, _>(rows))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(rows: &[Option<&[f32]>]) -> Vectors {
        let mut vectors = Vectors::default();
        let lists = rows.iter().map(|r| r.map(|v| v.iter().map(|x| Some(*x)).collect::<Vec<_>>()));
        let array: ArrayRef = Arc::new(ListArray::from_iter_primitive::<Float32Type, _, _>(lists));
        vectors.take(&array).unwrap();
        vectors
    }

    #[test]
    fn parts_join_whatever_is_null_in_them() {
        let one: &[f32] = &[1.0, 2.0];
        for (a, b) in [(vec![None, Some(one)], vec![None]), (vec![None], vec![None, Some(one)]), (vec![Some(one)], vec![Some(one)])] {
            let whole = of(&[a.clone(), b.clone()].concat());
            let mut parts = of(&a);
            parts.append(of(&b));
            assert_eq!((parts.width, parts.rows, parts.wrong.clone()), (2, a.len() + b.len(), None));
            for row in 0..whole.rows {
                assert_eq!(parts.row(row), whole.row(row), "{a:?} {b:?}");
            }
        }
        assert_eq!(of(&[None, None]).row(1), None);
    }

    #[test]
    fn other_lengths_are_named() {
        let mut ragged = of(&[Some(&[1.0]), Some(&[1.0, 2.0])]);
        assert_eq!(ragged.wrong.as_deref(), Some("vectors have 1 and 2 numbers: they must be of one length"));
        let mut first = of(&[Some(&[1.0])]);
        first.append(of(&[Some(&[1.0, 2.0])]));
        assert!(first.wrong.is_some());
        ragged.append(of(&[None]));
        assert!(ragged.wrong.is_some());
    }
}
