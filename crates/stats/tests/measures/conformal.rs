//! Sets of labels: that they hold the true one as often as they say.

use proptest::prelude::*;
use tidegate_stats::calibration::{AdaptiveLevel, Conformal, LabelSet, Thresholds, Unfit, coverage};
use tidegate_stats::rng::Rng;

/// Rows whose probability is bent, so that it is not calibrated; a fifth are positive.
fn rows(n: usize, rng: &mut Rng) -> (Vec<f64>, Vec<bool>) {
    let row = |rng: &mut Rng| {
        let label = rng.chance(0.2);
        let score = rng.normal() + if label { 1.2 } else { 0.0 };
        (1.0 / (1.0 + libm::exp(-2.0 * (score - 1.5))), label)
    };
    (0..n).map(|_| row(rng)).unzip()
}

#[test]
fn the_threshold_is_the_value_at_the_place_of_the_theorem() {
    let probabilities: Vec<f64> = (1..=19).map(|i| f64::from(i) / 32.0).collect();
    let labels: Vec<bool> = (0..19).map(|i| i == 18).collect();
    let learned = Conformal::fit(&probabilities, &labels).unwrap();
    // Nineteen rows, 20 × .9 = 18: the last but one of the ascending strangeness; the positive row's is 13/32.
    assert_eq!(learned.split(0.1), Some(Thresholds { negative: Some(17.0 / 32.0), positive: Some(17.0 / 32.0) }));
    // Eighteen negative rows, 19 × .9 = 17.1; one positive row tells too little to rule anything out.
    assert_eq!(learned.by_label(0.1), Some(Thresholds { negative: Some(18.0 / 32.0), positive: None }));
    assert_eq!(learned.by_label(0.1).unwrap().labels(0.6), LabelSet::Positive);
    assert_eq!(learned.by_label(0.1).unwrap().labels(0.5), LabelSet::Both);
    assert_eq!(learned.split(1.0).unwrap().labels(0.0), LabelSet::Neither);
    assert_eq!(learned.split(0.0).unwrap().labels(0.99), LabelSet::Both);
    assert_eq!(learned.split(0.1).unwrap().labels(f64::NAN), LabelSet::Both, "what cannot be read rules out nothing");
    assert_eq!((learned.split(1.1), learned.by_label(f64::NAN)), (None, None));
    assert_eq!(Conformal::fit(&[0.1, 1.1], &[true, false]), Err(Unfit::Number { row: 1 }));
}

#[test]
fn coverage_is_what_is_said_over_all_and_by_label() {
    let mut rng = Rng::new(6);
    let (mut whole, mut parts) = ([0.0; 2], [[0.0; 2]; 2]);
    const WORLDS: usize = 200;
    for _ in 0..WORLDS {
        let (p, y) = rows(300, &mut rng);
        let learned = Conformal::fit(&p, &y).unwrap();
        let (p, y) = rows(500, &mut rng);
        let groups: Vec<usize> = y.iter().map(|l| usize::from(*l)).collect();
        for (kind, thresholds) in [learned.split(0.1), learned.by_label(0.1)].into_iter().flatten().enumerate() {
            let sets: Vec<LabelSet> = p.iter().map(|p| thresholds.labels(*p)).collect();
            whole[kind] += coverage(&sets, &y, &[0; 500], 0.95).unwrap()[0].share / WORLDS as f64;
            for group in coverage(&sets, &y, &groups, 0.95).unwrap() {
                assert!(group.low <= group.share && group.share <= group.high && group.covered <= group.rows);
                parts[kind][group.group] += group.share / WORLDS as f64;
            }
        }
    }
    assert!((whole[0] - 0.9).abs() < 0.01, "{whole:?}");
    assert!(parts[0][1] < 0.8 && parts[0][0] > 0.92, "one threshold for both misses the rarer label more often: {parts:?}");
    assert!(parts[1].iter().all(|share| (0.89..0.93).contains(share)), "{parts:?}");
}

#[test]
fn the_level_follows_a_law_that_moves() {
    let mut rng = Rng::new(12);
    let (p, y) = rows(2_000, &mut rng);
    let learned = Conformal::fit(&p, &y).unwrap();
    let fixed = learned.split(0.1).unwrap();
    let mut level = AdaptiveLevel::new(0.1, 0.01).unwrap();
    let (mut held, mut held_fixed) = (0, 0);
    for _ in 0..5_000 {
        // Positives have become four times as frequent.
        let label = rng.chance(0.8);
        let p = 1.0 / (1.0 + libm::exp(-2.0 * (rng.normal() + if label { -0.3 } else { -1.5 })));
        let covered = learned.split(level.alpha()).unwrap().labels(p).holds(label);
        level.observe(covered);
        held += usize::from(covered);
        held_fixed += usize::from(fixed.labels(p).holds(label));
    }
    assert!((4_400..4_600).contains(&held) && held_fixed < 4_300, "{held} {held_fixed}");
    assert_eq!((AdaptiveLevel::new(0.0, 0.1), AdaptiveLevel::new(0.1, f64::NAN)), (None, None));
}

#[test]
fn coverage_counts_groups() {
    let sets = [LabelSet::Both, LabelSet::Neither, LabelSet::Positive, LabelSet::Positive];
    let found = coverage(&sets, &[true, true, true, false], &[7, 7, 2, 2], 0.9).unwrap();
    assert_eq!(
        found.iter().map(|g| (g.group, g.rows, g.covered, g.mean_size, g.decided_share)).collect::<Vec<_>>(),
        [(2, 2, 1, 1.0, 1.0), (7, 2, 1, 1.0, 0.0)]
    );
    assert_eq!((coverage(&sets, &[true], &[1; 4], 0.9), coverage(&sets, &[true; 4], &[1; 4], 0.0)), (None, None));
    assert_eq!(coverage(&[], &[], &[], 0.9), Some(vec![]));
}

proptest! {
    #[test]
    fn whatever_comes_the_share_of_misses_is_near(outcomes in prop::collection::vec(any::<bool>(), 1..400), alpha in 0.02..0.5f64, step in 0.005..0.2f64) {
        let mut level = AdaptiveLevel::new(alpha, step).unwrap();
        let mut missed = 0usize;
        for outcome in &outcomes {
            // At 0 every label is in the set, at 1 none is.
            let covered = if level.alpha() == 0.0 { true } else if level.alpha() == 1.0 { false } else { *outcome };
            missed += usize::from(!covered);
            level.observe(covered);
        }
        let total = outcomes.len() as f64;
        let bound = (alpha.max(1.0 - alpha) + step) / (step * total);
        prop_assert!((missed as f64 / total - alpha).abs() <= bound + 1e-9);
    }

    #[test]
    fn a_lower_alpha_rules_out_no_more(rows in prop::collection::vec((0.0..=1.0, any::<bool>()), 2..60), a in 0.0..=1.0, b in 0.0..=1.0, p in 0.0..=1.0) {
        let (probabilities, labels): (Vec<f64>, Vec<bool>) = rows.into_iter().unzip();
        if let Ok(learned) = Conformal::fit(&probabilities, &labels) {
            let (careful, bold) = (f64::min(a, b), f64::max(a, b));
            for label in [false, true] {
                let held = |thresholds: Option<Thresholds>| thresholds.unwrap().labels(p).holds(label);
                prop_assert!(held(learned.split(careful)) || !held(learned.split(bold)));
                prop_assert!(held(learned.by_label(careful)) || !held(learned.by_label(bold)));
            }
        }
    }
}
