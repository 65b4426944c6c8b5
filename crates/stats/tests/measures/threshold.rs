//! Thresholds by cost, against trying them all.

use proptest::prelude::*;
use std::collections::BTreeMap;
use tidegate_stats::rng::Rng;
use tidegate_stats::threshold::{Costs, cost_curve, least_cost, least_cost_by_group};

const SCORES: [f64; 6] = [0.1, 0.2, 0.4, 0.4, 0.7, 0.9];
const LABELS: [bool; 6] = [false, false, true, false, false, true];

fn costs(held_negative: f64, passed_positive: f64) -> Costs {
    Costs { held_negative, passed_positive }
}

#[test]
fn the_curve_goes_from_all_held_to_none() {
    let curve = cost_curve(&SCORES, &LABELS, costs(1.0, 5.0)).unwrap();
    let told: Vec<_> = curve.iter().map(|p| (p.threshold, p.held_negatives, p.passed_positives)).collect();
    let want = [(Some(0.1), 4, 0), (Some(0.2), 3, 0), (Some(0.4), 2, 0), (Some(0.7), 1, 1), (Some(0.9), 0, 1), (None, 0, 2)];
    assert_eq!(told, want);
    let choice = least_cost(&SCORES, &LABELS, costs(1.0, 5.0)).unwrap();
    assert_eq!((choice.best.threshold, choice.rows, choice.positives), (Some(0.4), 6, 2));
    assert!((choice.best.mean_cost - 2.0 / 6.0).abs() < 1e-15 && (choice.hold_all, choice.pass_all) == (4.0 / 6.0, 2.0 / 6.0 * 5.0));
    // One held negative costs as much as one missed positive saves: the lower threshold holds more.
    assert_eq!(least_cost(&SCORES, &LABELS, costs(1.0, 2.0)).unwrap().best.threshold, Some(0.4));
    assert_eq!(least_cost(&SCORES, &LABELS, costs(1.0, 0.0)).unwrap().best.threshold, Some(0.9), "the last one to hold costs nothing");
    assert_eq!(least_cost(&SCORES, &LABELS, costs(0.0, 1.0)).unwrap().best.threshold, Some(0.1));
}

#[test]
fn groups_have_their_own_costs() {
    let groups = [0, 0, 0, 1, 1, 1];
    let by = BTreeMap::from([(0, costs(1.0, 100.0)), (1, costs(100.0, 1.0)), (9, costs(1.0, 1.0))]);
    let found = least_cost_by_group(&SCORES, &LABELS, &groups, &by).unwrap();
    assert_eq!(found[&0].unwrap().best.threshold, Some(0.4));
    assert_eq!(found[&1].unwrap().best.threshold, Some(0.9));
    assert_eq!(found[&9], None, "no row of this group");
    assert_eq!(least_cost_by_group(&SCORES, &LABELS, &[0], &by), None);
}

#[test]
fn what_cannot_be_told_is_none() {
    let usual = costs(1.0, 1.0);
    assert_eq!((cost_curve(&[], &[], usual), cost_curve(&[f64::NAN], &[true], usual), cost_curve(&[0.1], &[], usual)), (None, None, None));
    assert_eq!((least_cost(&[0.1, 0.2], &[true; 2], usual), least_cost(&[0.1, 0.2], &[false; 2], usual)), (None, None));
    for broken in [costs(0.0, 0.0), costs(-1.0, 2.0), costs(f64::NAN, 1.0), costs(1.0, f64::INFINITY)] {
        assert_eq!((cost_curve(&SCORES, &LABELS, broken), broken.threshold()), (None, None), "{broken:?}");
    }
    assert_eq!((costs(1.0, 4.0).threshold(), costs(f64::MAX, f64::MAX).threshold()), (Some(0.2), Some(0.5)));
}

#[test]
fn on_calibrated_probabilities_the_rows_agree_with_the_formula() {
    let mut rng = Rng::new(3);
    let scores: Vec<f64> = (0..60_000).map(|_| rng.uniform()).collect();
    let labels: Vec<bool> = scores.iter().map(|p| rng.chance(*p)).collect();
    for wanted in [costs(1.0, 3.0), costs(1.0, 9.0), costs(2.0, 1.0)] {
        let (found, formula) = (least_cost(&scores, &labels, wanted).unwrap(), wanted.threshold().unwrap());
        assert!((found.best.threshold.unwrap() - formula).abs() < 0.06, "{found:?} {formula}");
    }
}

proptest! {
    #[test]
    fn no_threshold_is_cheaper(rows in prop::collection::vec((0u32..20, any::<bool>()), 2..60), held in 0.0..9.0f64, passed in 0.1..9.0f64, at in 0u32..25) {
        let (scores, labels): (Vec<f64>, Vec<bool>) = rows.into_iter().map(|(s, l)| (f64::from(s), l)).unzip();
        if let Some(choice) = least_cost(&scores, &labels, costs(held, passed)) {
            let cost = |threshold: f64| {
                let each = scores.iter().zip(&labels).map(|(s, l)| match (*s >= threshold, *l) {
                    (true, false) => held,
                    (false, true) => passed,
                    _ => 0.0,
                });
                each.sum::<f64>() / labels.len() as f64
            };
            prop_assert!(choice.best.mean_cost <= cost(f64::from(at)) + 1e-9);
            prop_assert!((choice.best.mean_cost - cost(choice.best.threshold.unwrap_or(f64::INFINITY))).abs() < 1e-9);
        }
    }

    #[test]
    fn a_dearer_incident_holds_no_less(rows in prop::collection::vec((0u32..20, any::<bool>()), 2..60), a in 0.1..9.0f64, b in 0.1..9.0f64) {
        let (scores, labels): (Vec<f64>, Vec<bool>) = rows.into_iter().map(|(s, l)| (f64::from(s), l)).unzip();
        let threshold = |passed: f64| least_cost(&scores, &labels, costs(1.0, passed)).map(|c| c.best.threshold.unwrap_or(f64::INFINITY));
        if let (Some(cheap), Some(dear)) = (threshold(f64::min(a, b)), threshold(f64::max(a, b))) {
            prop_assert!(dear <= cheap, "{} {}", dear, cheap);
        }
    }
}
