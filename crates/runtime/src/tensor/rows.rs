//! Tensors as rows: the first dimension counts them. Rows are taken out, put together, and mixed.

use super::{Tensor, elements};

impl Tensor {
    /// How many rows there are; none where there is no dimension or it is none.
    #[must_use]
    pub fn rows(&self) -> Option<usize> {
        usize::try_from(*self.shape.first()?).ok()
    }

    /// Values of one row.
    #[must_use]
    pub fn row_width(&self) -> Option<usize> {
        elements(self.shape.get(1..)?)
    }

    /// Some of its rows, in this order; a row that is not there is left out.
    #[must_use]
    pub fn take_rows(&self, rows: impl Iterator<Item = usize> + Clone) -> Tensor {
        let width = self.row_width().unwrap_or(0);
        let there = self.rows().unwrap_or(0);
        let rows = rows.filter(|row| *row < there);
        self.gather(rows.clone().count(), rows.flat_map(|row| row * width..(row + 1) * width))
    }

    /// A tensor of so many rows with values from these places of its own; a place that is not there is left out.
    pub(crate) fn gather(&self, rows: usize, places: impl Iterator<Item = usize> + Clone) -> Tensor {
        let data = each_type!(&self.data, values => places.clone().filter_map(|at| values.get(at).cloned()).collect::<Vec<_>>().into());
        let missing = if self.missing.is_empty() { Vec::new() } else { places.map(|at| self.is_missing(at)).collect() };
        Tensor { name: self.name.clone(), shape: self.shape_of(rows), data, missing }
    }

    /// Its shape with another number of rows.
    fn shape_of(&self, rows: usize) -> Vec<i64> {
        let rows = i64::try_from(rows).unwrap_or(i64::MAX);
        std::iter::once(rows).chain(self.shape.iter().skip(1).copied()).collect()
    }

    /// As many rows of the same kind, in which everything is missing; none where it has no row to take after.
    #[must_use]
    pub fn absent_rows(&self, rows: usize) -> Option<Tensor> {
        let all = self.take_rows(std::iter::repeat_n(0, rows));
        (all.rows() == Some(rows)).then(|| Tensor { missing: vec![true; all.data.len()], ..all })
    }

    /// Puts the rows of another below its own; false where name, datatype or the other dimensions differ, and nothing is changed then.
    #[must_use]
    pub fn append_rows(&mut self, other: &Tensor) -> bool {
        let (Some(mine), Some(theirs)) = (self.rows(), other.rows()) else { return false };
        let alike = self.name == other.name && self.shape.get(1..) == other.shape.get(1..);
        if !alike || self.data.datatype() != other.data.datatype() {
            return false;
        }
        if !self.missing.is_empty() || !other.missing.is_empty() {
            self.missing.resize(self.data.len(), false);
            let added = (0..other.data.len()).map(|at| other.is_missing(at));
            self.missing.extend(added);
        }
        self.data.append(&other.data);
        self.shape = self.shape_of(mine + theirs);
        true
    }
}

#[cfg(test)]
mod tests {
    use crate::{Tensor, TensorData};

    #[test]
    fn rows_are_taken_and_put_together() {
        let mut one = Tensor::new("x", vec![2, 2], TensorData::Fp32(vec![1.0, 2.0, 3.0, 4.0]));
        let other = Tensor { missing: vec![true, false], ..Tensor::new("x", vec![1, 2], TensorData::Fp32(vec![0.0, 6.0])) };
        assert!(one.append_rows(&other));
        assert_eq!((one.shape.clone(), one.missing.clone()), (vec![3, 2], vec![false, false, false, false, true, false]));
        let back = one.take_rows([2, 0, 9].into_iter());
        assert_eq!(back.data, TensorData::Fp32(vec![0.0, 6.0, 1.0, 2.0]));
        assert_eq!((back.shape, back.missing), (vec![2, 2], vec![true, false, false, false]));
    }

    #[test]
    fn what_differs_is_not_put_together() {
        let of = |name: &str, shape: Vec<i64>, data| Tensor::new(name, shape, data);
        let mut one = of("x", vec![1], TensorData::Int64(vec![7]));
        let before = one.clone();
        for other in [
            of("y", vec![1], TensorData::Int64(vec![7])),
            of("x", vec![1, 1], TensorData::Int64(vec![7])),
            of("x", vec![1], TensorData::Fp64(vec![7.0])),
            of("x", vec![], TensorData::Int64(vec![7])),
        ] {
            assert!(!one.append_rows(&other), "{other:?}");
        }
        assert_eq!(one, before);
    }
}
