//! Rows that are like one: the nearest of many by plain distance, each value as it is scaled by whoever asks.

/// One of the nearest.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Near {
    /// Its place among the rows.
    pub row: usize,
    /// How far it is: the root of the mean square of what values differ by, so that more values make it no farther.
    pub distance: f64,
}

/// The `most` nearest of rows, nearest first; of equally near ones the earlier. A value that one of both lacks is not compared; a row that has nothing to
/// compare, or is of another width, is not near.
#[must_use]
pub fn nearest<'r>(row: &[f64], others: impl IntoIterator<Item = &'r [f64]>, most: usize) -> Vec<Near> {
    let near = |(place, other): (usize, &[f64])| distance(row, other).map(|distance| Near { row: place, distance });
    let mut found: Vec<Near> = others.into_iter().enumerate().filter_map(near).collect();
    let order = |a: &Near, b: &Near| a.distance.total_cmp(&b.distance).then(a.row.cmp(&b.row));
    if most > 0 && found.len() > most {
        found.select_nth_unstable_by(most - 1, order);
    }
    found.truncate(most);
    found.sort_by(order);
    found
}

/// How far two rows are; none where nothing can be compared.
#[must_use]
pub fn distance(one: &[f64], other: &[f64]) -> Option<f64> {
    if one.len() != other.len() {
        return None;
    }
    let known = one.iter().zip(other).map(|(a, b)| a - b).filter(|difference| difference.is_finite());
    let (count, sum) = known.fold((0_usize, 0.0), |(count, sum), difference| (count + 1, sum + difference * difference));
    (count > 0).then(|| libm::sqrt(sum / count as f64)).filter(|distance| distance.is_finite())
}

#[cfg(test)]
mod tests {
    use super::{Near, distance, nearest};
    use proptest::prelude::*;

    #[test]
    fn the_nearest_come_first_and_ties_keep_their_order() {
        let rows = [[3.0, 4.0], [0.0, 0.0], [1.0, 0.0], [0.0, 1.0], [-9.0, 0.0]];
        let found = nearest(&[0.0, 0.0], rows.iter().map(|row| &row[..]), 4);
        assert_eq!(found.iter().map(|near| near.row).collect::<Vec<_>>(), [1, 2, 3, 0]);
        assert_eq!(found[0], Near { row: 1, distance: 0.0 });
        assert!((found[3].distance - libm::sqrt(12.5)).abs() < 1e-12);
    }

    #[test]
    fn what_is_missing_is_not_compared() {
        assert_eq!(distance(&[1.0, f64::NAN], &[3.0, 5.0]), Some(2.0));
        assert_eq!(distance(&[f64::NAN], &[3.0]), None);
        assert_eq!(distance(&[1.0], &[1.0, 2.0]), None);
        assert_eq!(distance(&[], &[]), None);
        assert_eq!(distance(&[1e300], &[-1e300]), None, "too far to be told");
        assert_eq!(nearest(&[1.0], [&[f64::NAN][..], &[2.0], &[1.0, 1.0]], 3), [Near { row: 1, distance: 1.0 }]);
        assert_eq!(nearest(&[1.0], [&[1.0][..]], 0), []);
    }

    proptest! {
        #[test]
        fn they_are_the_ones_that_sorting_all_gives(
            row in prop::collection::vec(-5.0..5.0_f64, 3),
            others in prop::collection::vec(prop::collection::vec(-5.0..5.0_f64, 3), 0..60),
            most in 0..12_usize,
        ) {
            let found = nearest(&row, others.iter().map(Vec::as_slice), most);
            let mut all: Vec<(f64, usize)> = others.iter().enumerate().map(|(at, other)| (distance(&row, other).unwrap(), at)).collect();
            all.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
            all.truncate(most);
            prop_assert_eq!(found.iter().map(|near| (near.distance, near.row)).collect::<Vec<_>>(), all);
        }

        #[test]
        fn it_is_a_distance(a in prop::collection::vec(-5.0..5.0_f64, 4), b in prop::collection::vec(-5.0..5.0_f64, 4), c in prop::collection::vec(-5.0..5.0_f64, 4)) {
            let of = |one: &[f64], other: &[f64]| distance(one, other).unwrap();
            prop_assert_eq!(of(&a, &a), 0.0);
            prop_assert_eq!(of(&a, &b), of(&b, &a));
            prop_assert!(of(&a, &c) <= of(&a, &b) + of(&b, &c) + 1e-12);
            // The same values twice are no farther apart.
            let twice = |row: &[f64]| [row, row].concat();
            prop_assert!((of(&twice(&a), &twice(&b)) - of(&a, &b)).abs() < 1e-12);
        }
    }
}
