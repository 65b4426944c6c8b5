//! Scores and probabilities against labels.

use crate::oracle::{flags, one, same, tables};
use proptest::prelude::*;
use tidegate_stats::scoring::{
    auc, auc_difference, auc_interval, average_precision, brier, expected_calibration_error, log_loss, recall_at, recall_at_effort,
    reliability,
};

/// Twelve rows with ties, and what scikit-learn 1.9.1 says of them.
const SCORES: [f64; 12] = [0.9, 0.8, 0.8, 0.7, 0.6, 0.55, 0.5, 0.5, 0.3, 0.2, 0.2, 0.05];
const LABELS: [bool; 12] = [true, true, false, true, false, true, false, true, false, false, true, false];

#[test]
fn figures_written_down_once() {
    let near = |ours: Option<f64>, theirs: f64| same(ours, theirs, 1e-14, "written down");
    near(auc(&SCORES, &LABELS), 0.7083333333333334);
    near(average_precision(&SCORES, &LABELS), 0.7089646464646464);
    near(brier(&SCORES, &LABELS), 0.21791666666666673);
    near(log_loss(&SCORES, &LABELS), 0.619632393264094);
    near(expected_calibration_error(&SCORES, &LABELS, 5), 0.13333333333333333);
    near(recall_at(&SCORES, &LABELS, 0.25), 1.0 / 3.0);
    // Two rows of the tie at .5 stand at places seven and eight; one of the two is looked into.
    near(recall_at(&SCORES, &LABELS, 7.0 / 12.0), 4.5 / 6.0);
    // .9 costs 1 and .8 costs 2 of 12: with three to spend both are paid.
    near(recall_at_effort(&SCORES, &LABELS, &[1.0; 12], 0.25), 1.0 / 3.0);
    near(recall_at_effort(&SCORES, &LABELS, &[0.0, 0.0, 0.0, 10.0, 10.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0], 0.25), 2.5 / 6.0);
}

#[test]
fn as_scikit_learn_says_on_random_tables() {
    for (case, table) in tables("scoring").unwrap_or_default().iter().enumerate() {
        let (scores, labels) = (&table["scores"], flags(table, "labels"));
        let close = |ours: Option<f64>, name: &str| same(ours, one(table, name), 1e-12, &format!("table {case}: {name}"));
        close(auc(scores, &labels), "auc");
        close(average_precision(scores, &labels), "average_precision");
        close(brier(scores, &labels), "brier");
        close(log_loss(scores, &labels), "log_loss");
        close(expected_calibration_error(scores, &labels, 10), "ece10");
        close(expected_calibration_error(scores, &labels, 7), "ece7");
        let squared = |error: f64| Some(error * error);
        close(squared(auc_interval(scores, &labels, 0.95).unwrap().standard_error), "variance");
        let difference = auc_difference(scores, &table["other"], &labels, 0.95).unwrap();
        close(squared(difference.standard_error), "variance_of_difference");
    }
}

#[test]
fn what_is_not_defined_is_none() {
    let (scores, up, down) = ([0.2, 0.8, 0.4], [true; 3], [false; 3]);
    for labels in [up, down] {
        assert_eq!(auc(&scores, &labels), None);
        assert_eq!(auc_interval(&scores, &labels, 0.95), None);
        assert_eq!(expected_calibration_error(&scores, &labels, 10), None);
    }
    assert_eq!((average_precision(&scores, &down), average_precision(&scores, &up)), (None, Some(1.0)));
    assert_eq!((recall_at(&scores, &down, 0.2), recall_at_effort(&scores, &down, &[1.0; 3], 0.2)), (None, None));
    let mixed = [true, false, true];
    for broken in [&[0.2, f64::NAN, 0.4][..], &[0.2, 0.3], &[]] {
        assert_eq!((auc(broken, &mixed), average_precision(broken, &mixed), brier(broken, &mixed)), (None, None, None));
        assert_eq!((log_loss(broken, &mixed), recall_at(broken, &mixed, 0.5)), (None, None));
        assert_eq!((expected_calibration_error(broken, &mixed, 10), auc_interval(broken, &mixed, 0.9)), (None, None));
    }
    assert_eq!((brier(&[1.5, 0.2, 0.1], &mixed), log_loss(&[-0.1, 0.2, 0.1], &mixed)), (None, None));
    assert!(auc(&[1.5, -7.0, f64::INFINITY], &mixed).is_some(), "a score need not be a probability");
    assert_eq!((reliability(&scores, &mixed, 0), reliability(&scores, &mixed, usize::MAX)), (None, None));
    assert_eq!((recall_at(&scores, &mixed, 1.01), recall_at(&scores, &mixed, f64::NAN)), (None, None));
    for efforts in [[0.0; 3], [1.0, -1.0, 1.0], [1.0, f64::INFINITY, 1.0]] {
        assert_eq!(recall_at_effort(&scores, &mixed, &efforts, 0.5), None, "{efforts:?}");
    }
    assert_eq!(auc_interval(&SCORES, &LABELS, 1.0), None);
}

#[test]
fn a_perfect_order_of_few_rows_is_not_sure() {
    let scores: Vec<f64> = (0..20).map(f64::from).collect();
    let labels: Vec<bool> = (0..20).map(|i| i >= 15).collect();
    let interval = auc_interval(&scores, &labels, 0.95).unwrap();
    // Five pairs that all went right: .025 to the power of a fifth.
    assert!((interval.estimate, interval.high) == (1.0, 1.0) && (interval.low - 0.4781762498950185).abs() < 1e-9, "{interval:?}");
    assert_eq!(auc_difference(&scores, &scores, &labels, 0.95).map(|d| (d.estimate, d.p_value)), Some((0.0, 1.0)));
}

#[test]
fn the_interval_covers_about_as_often_as_it_says() {
    let mut rng = tidegate_stats::rng::Rng::new(4);
    // The area of two normal laws a standard deviation apart.
    let truth = tidegate_stats::special::normal_cdf(core::f64::consts::FRAC_1_SQRT_2);
    let covered = (0..1000).filter(|_| {
        let labels: Vec<bool> = (0..200).map(|i| i % 4 == 0).collect();
        let scores: Vec<f64> = labels.iter().map(|l| rng.normal() + f64::from(u8::from(*l))).collect();
        let interval = auc_interval(&scores, &labels, 0.9).unwrap();
        interval.low <= truth && truth <= interval.high
    });
    let covered = covered.count();
    assert!((870..930).contains(&covered), "{covered} of 1000");
}

fn table() -> impl Strategy<Value = (Vec<f64>, Vec<bool>)> {
    prop::collection::vec((-20i32..20, any::<bool>()), 2..80).prop_map(|rows| rows.into_iter().map(|(s, l)| (f64::from(s), l)).unzip())
}

/// The area by all pairs.
fn naive_auc(scores: &[f64], labels: &[bool]) -> Option<f64> {
    let of = |class: bool| scores.iter().zip(labels).filter(move |(_, l)| **l == class).map(|(s, _)| *s);
    let wins = |p: f64, n: f64| if p > n { 1.0 } else { 0.5 * f64::from(u8::from(p == n)) };
    let each: Vec<f64> = of(true).flat_map(|p| of(false).map(move |n| wins(p, n))).collect();
    (!each.is_empty()).then(|| each.iter().sum::<f64>() / each.len() as f64)
}

proptest! {
    #[test]
    fn the_area_is_that_of_all_pairs((scores, labels) in table()) {
        prop_assert_eq!(auc(&scores, &labels), naive_auc(&scores, &labels));
    }

    #[test]
    fn an_order_is_all_that_counts((scores, labels) in table(), share in 0.0..=1.0) {
        let mapped: Vec<f64> = scores.iter().map(|s| libm::exp(0.3 * s) - 4.0).collect();
        prop_assert_eq!(auc(&mapped, &labels), auc(&scores, &labels));
        prop_assert_eq!(average_precision(&mapped, &labels), average_precision(&scores, &labels));
        prop_assert_eq!(recall_at(&mapped, &labels, share), recall_at(&scores, &labels, share));
        prop_assert_eq!(auc_interval(&mapped, &labels, 0.9), auc_interval(&scores, &labels, 0.9));
    }

    #[test]
    fn the_other_way_round_is_what_is_left((scores, labels) in table()) {
        let turned: Vec<f64> = scores.iter().map(|s| -s).collect();
        if let (Some(area), Some(rest)) = (auc(&scores, &labels), auc(&turned, &labels)) {
            prop_assert!((area + rest - 1.0).abs() < 1e-12);
        }
    }

    #[test]
    fn the_order_of_rows_does_not_count((scores, labels) in table(), seed: u64, share in 0.0..=1.0) {
        let efforts: Vec<f64> = scores.iter().map(|s| s.abs() / 3.0).collect();
        let mut rows: Vec<(f64, bool, f64)> = scores.iter().zip(&labels).zip(&efforts).map(|((s, l), e)| (*s, *l, *e)).collect();
        tidegate_stats::rng::Rng::new(seed).shuffle(&mut rows);
        let moved: (Vec<f64>, Vec<bool>) = rows.iter().map(|r| (r.0, r.1)).unzip();
        let moved_efforts: Vec<f64> = rows.iter().map(|r| r.2).collect();
        prop_assert_eq!(average_precision(&moved.0, &moved.1), average_precision(&scores, &labels));
        prop_assert_eq!(recall_at(&moved.0, &moved.1, share), recall_at(&scores, &labels, share));
        let found = recall_at_effort(&moved.0, &moved.1, &moved_efforts, share);
        prop_assert_eq!(found, recall_at_effort(&scores, &labels, &efforts, share));
    }

    #[test]
    fn more_work_finds_no_less((scores, labels) in table(), a in 0.0..=1.0, b in 0.0..=1.0) {
        let efforts: Vec<f64> = scores.iter().map(|s| s.abs()).collect();
        let at = |share| recall_at_effort(&scores, &labels, &efforts, share);
        if let (Some(less), Some(more), Some(all)) = (at(f64::min(a, b)), at(f64::max(a, b)), at(1.0)) {
            prop_assert!(less <= more + 1e-12 && all == 1.0, "{} {} {}", less, more, all);
        }
    }

    #[test]
    fn every_row_is_in_one_bin(rows in prop::collection::vec((0.0..=1.0, any::<bool>()), 1..60), bins in 1usize..30) {
        let (p, labels): (Vec<f64>, Vec<bool>) = rows.into_iter().unzip();
        let diagram = reliability(&p, &labels, bins).unwrap();
        prop_assert_eq!(diagram.iter().map(|b| b.rows).sum::<usize>(), p.len());
        for bin in diagram.iter().filter(|b| b.rows > 0) {
            let mean = bin.mean_probability.unwrap();
            prop_assert!(bin.low - 1e-12 <= mean && mean <= bin.high + 1e-12, "{:?}", bin);
        }
        if let Some(error) = expected_calibration_error(&p, &labels, bins) {
            prop_assert!((0.0..=1.0).contains(&error));
        }
    }
}
