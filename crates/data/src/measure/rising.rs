//! Whether the values of a column rise from row to row: then none is there twice, and nothing has to be grouped.

use super::{Canonical, Values};

/// What was seen so far of a column of whole numbers or instants. Identifiers and times are mostly written in order.
#[derive(Default)]
pub(crate) struct Rising {
    rows: u64,
    /// The first value and the last.
    ends: Option<(i64, i64)>,
    /// A value did not rise, or was missing.
    broken: bool,
}

impl Rising {
    /// Rows that follow those before.
    pub fn take(&mut self, column: &Canonical) {
        self.rows += column.len as u64;
        if self.broken || column.len == 0 {
            return;
        }
        let values: &[i64] = match &column.values {
            Values::Int(a) => a.values(),
            Values::Instant(a, _) => a.values(),
            _ => &[],
        };
        let (Some(first), Some(last), None) = (values.first(), values.last(), &column.nulls) else {
            self.broken = true;
            return;
        };
        let rises = values.iter().zip(values.iter().skip(1)).all(|(a, b)| a < b);
        self.follow(*first, *last, rises);
    }

    /// What was seen of the rows after these.
    pub fn join(&mut self, next: &Rising) {
        self.rows += next.rows;
        self.broken |= next.broken;
        if let Some((first, last)) = next.ends {
            self.follow(first, last, true);
        }
    }

    fn follow(&mut self, first: i64, last: i64, rises: bool) {
        self.broken |= !rises || self.ends.is_some_and(|(_, before)| before >= first);
        self.ends = Some((self.ends.map_or(first, |(start, _)| start), last));
    }

    /// How many values there are, all different; none where that was not seen.
    pub fn all_different(&self) -> Option<u64> {
        (!self.broken).then_some(self.rows)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use datafusion::arrow::array::{ArrayRef, Float64Array, Int32Array};
    use std::sync::Arc;

    fn of(parts: &[&[Option<i32>]]) -> Option<u64> {
        let mut all = Rising::default();
        for part in parts {
            let mut one = Rising::default();
            // Each part in two batches.
            for batch in [&part[..part.len() / 2], &part[part.len() / 2..]] {
                let array: ArrayRef = Arc::new(Int32Array::from(batch.to_vec()));
                one.take(&Canonical::new(&array).unwrap());
            }
            all.join(&one);
        }
        all.all_different()
    }

    #[test]
    fn values_that_rise_over_batches_and_parts_are_all_different() {
        assert_eq!(of(&[]), Some(0));
        assert_eq!(of(&[&[Some(-3), Some(1), Some(7)], &[], &[Some(8)]]), Some(4));
    }

    #[test]
    fn what_does_not_rise_is_not_known() {
        assert_eq!(of(&[&[Some(1), Some(1)]]), None, "equal, between batches");
        assert_eq!(of(&[&[Some(1), Some(3), Some(2), Some(4)]]), None, "falls inside");
        assert_eq!(of(&[&[Some(1), Some(5)], &[Some(5), Some(6)]]), None, "equal, between parts");
        assert_eq!(of(&[&[Some(1), Some(9)], &[Some(2), Some(3)]]), None, "lower, between parts");
        assert_eq!(of(&[&[Some(1), None], &[Some(3)]]), None, "a null");
        assert_eq!(of(&[&[Some(2), Some(1)], &[Some(3)]]), None, "broken stays broken");
    }

    #[test]
    fn other_types_are_left_to_groups() {
        let floats: ArrayRef = Arc::new(Float64Array::from(vec![1.0, 2.0]));
        let mut rising = Rising::default();
        rising.take(&Canonical::new(&floats).unwrap());
        assert_eq!(rising.all_different(), None);
    }
}
