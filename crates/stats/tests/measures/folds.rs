//! Splits, weights, samples and synthetic rows.

use proptest::prelude::*;
use std::collections::BTreeSet;
use tidegate_stats::folds::{NEIGHBOURS_MAX, Refused, Smote, Split, TrainingRows, balanced_weights, stratified_sample};

const SMOTE: Smote = Smote { neighbours: 5, ratio: 1.0, seed: 4 };

/// All rows but the last.
fn all_but_last(rows: usize) -> TrainingRows {
    let instants: Vec<i64> = (0..rows as i64).collect();
    Split::at(&instants, rows as i64 - 1, 0).unwrap().training
}

#[test]
fn time_parts_rows_with_a_gap() {
    let instants = [50, 10, 20, 30, 40, 60, 60, 70];
    let split = Split::at(&instants, 60, 15).unwrap();
    assert_eq!((split.training.places(), split.evaluation.places()), (&[1, 2, 3, 4][..], &[5, 6, 7][..]));
    let split = Split::by_time(&instants, 0.8, 0).unwrap();
    // Six of eight rows would learn; the sixth has the seventh's instant.
    assert_eq!((split.training.places(), split.evaluation.places()), (&[0, 1, 2, 3, 4][..], &[5, 6, 7][..]));
    let inner = split.training.hold_out_last(&instants, 0.4, 0).unwrap();
    assert_eq!((inner.training.places(), inner.evaluation.places()), (&[1, 2, 3][..], &[0, 4][..]));
    assert_eq!(Split::at(&instants, 5, 0), Err(Refused::TooFew { have: 0, need: 1 }));
    assert_eq!(Split::at(&instants, 20, i64::MAX), Err(Refused::TooFew { have: 0, need: 1 }));
    assert_eq!(Split::by_time(&instants, 1.0, 0), Err(Refused::Share { value: 0.0 }));
    assert_eq!(split.training.hold_out_last(&[1], 0.5, 0), Err(Refused::Lengths { table: 1, other: 1 }));
}

#[test]
fn walking_forward_never_looks_ahead() {
    let instants: Vec<i64> = (0..100).map(|i| (i * 37) % 100).collect();
    let splits = Split::forward(&instants, 4, 5).unwrap();
    assert_eq!(splits.iter().map(|s| s.evaluation.places().len()).collect::<Vec<_>>(), [20; 4]);
    for split in &splits {
        let last = split.training.places().iter().map(|p| instants[*p]).max().unwrap();
        let first = split.evaluation.places().iter().map(|p| instants[*p]).min().unwrap();
        assert_eq!(first - last, 6);
    }
    assert_eq!(Split::forward(&[1, 1, 1, 1], 2, 0), Err(Refused::TooFew { have: 0, need: 1 }), "one instant cannot be parted");
    assert_eq!(Split::forward(&instants, 100, 0), Err(Refused::TooFew { have: 100, need: 101 }));
    assert_eq!(Split::forward(&instants, 1001, 0), Err(Refused::TooMany { have: 1001, most: 1000 }));
}

#[test]
fn weights_make_classes_count_the_same() {
    let labels = [true, false, false, false, false, true];
    let weights = balanced_weights(&labels, &all_but_last(6)).unwrap();
    assert_eq!((weights.positive, weights.negative), (2.5, 0.625));
    assert_eq!((weights.of(true) + 4.0 * weights.of(false)), 5.0);
    assert_eq!(balanced_weights(&[true; 6], &all_but_last(6)), Err(Refused::TooFew { have: 0, need: 1 }));
    assert_eq!(balanced_weights(&[true; 3], &all_but_last(6)), Err(Refused::Lengths { table: 3, other: 3 }));
}

#[test]
fn samples_keep_the_rare_class() {
    let labels: Vec<bool> = (0..101).map(|i| i % 10 == 0).collect();
    let rows = all_but_last(101);
    let sample = stratified_sample(&labels, &rows, 0.25, 9).unwrap();
    let positives: Vec<usize> = sample.places().iter().copied().filter(|p| labels[*p]).collect();
    assert_eq!((positives, sample.places().len()), ((0..100).step_by(10).collect(), 40));
    assert_eq!(stratified_sample(&labels, &rows, 0.25, 9).unwrap(), sample, "same seed, same rows");
    assert_ne!(stratified_sample(&labels, &rows, 0.25, 10).unwrap(), sample);
    assert_eq!(stratified_sample(&labels, &rows, 0.05, 9).unwrap(), rows, "there is no more to take away");
    assert_eq!(stratified_sample(&labels, &rows, 0.6, 9), Err(Refused::Share { value: 0.6 }));
}

#[test]
fn synthetic_rows_lie_between_neighbours_of_the_rare_class() {
    // The rare class in two clusters, of four and three rows; with two neighbours no line joins them.
    let mut table: Vec<Vec<f64>> = (0..4).map(|i| vec![f64::from(i), 0.0]).collect();
    table.extend((0..3).map(|i| vec![100.0 + f64::from(i), 5.0]));
    table.extend((0..23).map(|i| vec![50.0, f64::from(i)]));
    table.push(vec![1e9, 1e9]);
    let labels: Vec<bool> = (0..table.len()).map(|i| i < 7 || i == 30).collect();
    let smote = Smote { neighbours: 2, ratio: 0.9, seed: 1 };
    let made = smote.rows(&table, &labels, &all_but_last(31)).unwrap();
    assert_eq!(made.len(), 20 - 7, "nine tenths of 23, rounded down");
    for row in &made {
        let (from, to) = (&table[row.between.0], &table[row.between.1]);
        assert!(row.label && (row.between.0 < 4) == (row.between.1 < 4), "{row:?}");
        for (value, (a, b)) in row.features.iter().zip(from.iter().zip(to)) {
            assert!(a.min(*b) <= *value && *value <= a.max(*b), "{row:?}");
        }
    }
    let starts: BTreeSet<usize> = made.iter().map(|row| row.between.0).collect();
    assert_eq!(starts.len(), 7, "every row takes its turn");
    assert_eq!(smote.rows(&table, &labels, &all_but_last(31)).unwrap(), made, "same seed, same rows");
    assert_ne!(Smote { seed: 2, ..smote }.rows(&table, &labels, &all_but_last(31)).unwrap(), made);
}

#[test]
fn what_cannot_be_imitated_says_why() {
    let (table, labels): (Vec<Vec<f64>>, Vec<bool>) = ((0..6).map(|i| vec![f64::from(i)]).collect(), (0..6).map(|i| i < 2).collect());
    let rows = all_but_last(6);
    assert_eq!(SMOTE.rows(&table, &labels, &rows).unwrap().len(), 1);
    assert_eq!(Smote { ratio: 0.1, ..SMOTE }.rows(&table, &labels, &rows), Ok(vec![]));
    assert!(Smote { ratio: f64::NAN, ..SMOTE }.rows(&table, &labels, &rows).is_err());
    assert_eq!(Smote { neighbours: 0, ..SMOTE }.rows(&table, &labels, &rows), Err(Refused::TooFew { have: 0, need: 1 }));
    let many = Smote { neighbours: NEIGHBOURS_MAX + 1, ..SMOTE };
    assert_eq!(many.rows(&table, &labels, &rows), Err(Refused::TooMany { have: 101, most: 100 }));
    assert_eq!(SMOTE.rows(&table[..4], &labels[..4], &rows), Err(Refused::Lengths { table: 4, other: 4 }));
    assert_eq!(SMOTE.rows(&table, &[true, false, false, false, false, false], &rows), Err(Refused::TooFew { have: 1, need: 2 }));
    let (mut hole, mut wide) = (table.clone(), table.clone());
    hole[3][0] = f64::NAN;
    wide[3].push(1.0);
    assert_eq!(SMOTE.rows(&hole, &labels, &rows), Err(Refused::Number { row: 3 }));
    assert_eq!(SMOTE.rows(&wide, &labels, &rows), Err(Refused::Lengths { table: 6, other: 3 }));
    // A broken row that judges does not matter to those that learn.
    hole[3][0] = 3.0;
    hole[5][0] = f64::NAN;
    assert!(SMOTE.rows(&hole, &labels, &rows).is_ok());
}

proptest! {
    #[test]
    fn every_row_judges_once_and_classes_are_spread(labels in prop::collection::vec(any::<bool>(), 2..120), folds in 2usize..6, seed: u64) {
        if let Ok(splits) = Split::stratified(&labels, folds, seed) {
            let mut judged: Vec<usize> = splits.iter().flat_map(|s| s.evaluation.places().to_vec()).collect();
            judged.sort_unstable();
            prop_assert_eq!(judged, (0..labels.len()).collect::<Vec<_>>());
            let shares: Vec<usize> = splits.iter().map(|s| s.evaluation.places().iter().filter(|p| labels[**p]).count()).collect();
            prop_assert!(shares.iter().max().unwrap() - shares.iter().min().unwrap() <= 1, "{:?}", shares);
            for split in &splits {
                prop_assert_eq!(split.training.places().len() + split.evaluation.places().len(), labels.len());
                prop_assert!(!split.training.places().iter().any(|p| split.evaluation.places().contains(p)));
            }
        }
    }

    #[test]
    fn no_row_learns_and_judges_and_none_learns_too_late(
        instants in prop::collection::vec(-50i64..50, 2..80), share in 0.05..0.95f64, gap in 0i64..30,
    ) {
        if let Ok(split) = Split::by_time(&instants, share, gap) {
            let last = split.training.places().iter().map(|p| instants[*p]).max().unwrap();
            let first = split.evaluation.places().iter().map(|p| instants[*p]).min().unwrap();
            prop_assert!(last + gap < first, "{} {} {}", last, gap, first);
        }
        for split in Split::forward(&instants, 3, gap).unwrap_or_default() {
            let last = split.training.places().iter().map(|p| instants[*p]).max().unwrap();
            let first = split.evaluation.places().iter().map(|p| instants[*p]).min().unwrap();
            prop_assert!(last + gap < first);
        }
    }

    #[test]
    fn synthetic_rows_fill_up_to_the_ratio(rows in prop::collection::vec((-9i32..9, -9i32..9, 0u32..5), 6..80), ratio in 0.1..=1.0f64, seed: u64) {
        let table: Vec<Vec<f64>> = rows.iter().map(|(a, b, _)| vec![f64::from(*a), f64::from(*b)]).collect();
        let labels: Vec<bool> = rows.iter().map(|(_, _, c)| *c == 0).collect();
        let learn = all_but_last(table.len());
        if let Ok(made) = (Smote { neighbours: 3, ratio, seed }).rows(&table, &labels, &learn) {
            let positive = learn.places().iter().filter(|p| labels[**p]).count();
            let (rarer, other) = (positive.min(learn.places().len() - positive), positive.max(learn.places().len() - positive));
            prop_assert_eq!(rarer + made.len(), rarer.max(libm::floor(other as f64 * ratio) as usize));
            for row in made {
                prop_assert!(row.between.0 != row.between.1 && learn.places().contains(&row.between.0) && learn.places().contains(&row.between.1));
                prop_assert!(labels[row.between.0] == row.label && labels[row.between.1] == row.label);
            }
        }
    }
}
