//! Curves from scores to probabilities, against their definitions and Python's libraries.

use crate::oracle::{flags, tables};
use proptest::prelude::*;
use tidegate_stats::calibration::{
    Beta, Calibrator, Isotonic, Method, Platt, ProbabilityInterval, Unfit, VennAbers, merged, moved_to_share,
};
use tidegate_stats::rng::Rng;

#[test]
fn as_pythons_libraries_say_on_random_tables() {
    for (case, table) in tables("calibration").unwrap_or_default().iter().enumerate() {
        let (scores, labels, at) = (&table["scores"], flags(table, "labels"), &table["at"]);
        let agree = |name: &str, within: f64, points: &[f64], ours: &dyn Fn(f64) -> f64| {
            for (point, theirs) in points.iter().zip(&table[name]) {
                let ours = ours(*point);
                assert!((ours - theirs).abs() <= within, "table {case}, {name} at {point}: {ours}, they say {theirs}");
            }
        };
        let isotonic = Isotonic::fit(scores, &table["labels"], &table["weights"]).unwrap();
        agree("isotonic", 1e-12, at, &|p| isotonic.value(p).unwrap());
        let platt = Platt::fit(scores, &labels).unwrap();
        agree("platt", 1e-7, at, &|p| platt.probability(p).unwrap());
        // betacal stops its search early.
        let beta = Beta::fit(scores, &labels).unwrap();
        agree("beta", 2e-3, &table["inside"], &|p| beta.probability(p).unwrap());
        let venn_abers = VennAbers::fit(scores, &labels).unwrap();
        agree("low", 1e-12, at, &|p| venn_abers.interval(p).unwrap().low);
        agree("high", 1e-12, at, &|p| venn_abers.interval(p).unwrap().high);
    }
}

#[test]
fn curves_written_down_once() {
    let isotonic =
        Isotonic::fit(&[1.0, 2.0, 2.0, 3.0, 4.0, 6.0], &[1.0, 0.0, 3.0, 1.0, 5.0, 4.0], &[1.0, 1.0, 1.0, 2.0, 1.0, 3.0]).unwrap();
    // 1 | 1.5 of weight 2 and 1 of weight 2 | 5 of weight 1 and 4 of weight 3.
    assert_eq!(isotonic.knots(), [(1.0, 1.0), (2.0, 1.25), (3.0, 1.25), (4.0, 4.25), (6.0, 4.25)]);
    assert_eq!([0.0, 1.5, 2.5, 3.5, 9.0].map(|s| isotonic.value(s).unwrap()), [1.0, 1.125, 1.25, 2.75, 4.25]);
    assert_eq!((isotonic.value(f64::NAN), isotonic.value(f64::NEG_INFINITY)), (None, Some(1.0)));
    let interval = ProbabilityInterval { low: 0.2, high: 0.3 };
    assert_eq!((interval.probability(), merged(&[])), (0.3 / 1.1, None));
    assert!((merged(&[interval, interval]).unwrap() - interval.probability()).abs() < 1e-15);
    assert!((interval.width() - 0.1).abs() < 1e-15);
}

#[test]
fn what_cannot_be_fitted_says_why() {
    let all = [Method::Isotonic, Method::Beta, Method::Platt];
    let fails = |scores: &[f64], labels: &[bool], why: Unfit| {
        for method in all {
            assert_eq!(method.fit(scores, labels), Err(why), "{method:?}");
        }
        assert_eq!(VennAbers::fit(scores, labels), Err(why));
    };
    fails(&[], &[], Unfit::Empty);
    fails(&[0.5], &[true, false], Unfit::Lengths { scores: 1, others: 2 });
    fails(&[0.5, f64::NAN], &[true, false], Unfit::Number { row: 1 });
    fails(&[f64::INFINITY, 0.1], &[true, false], Unfit::Number { row: 0 });
    fails(&[0.5, 0.6], &[true, true], Unfit::OneClass { label: true });
    assert_eq!(Beta::fit(&[0.5, 1.6], &[true, false]), Err(Unfit::Number { row: 1 }));
    assert_eq!(Beta::fit(&[0.1, 0.5, 0.5, 0.9], &[false, false, true, true]), Err(Unfit::Apart));
    assert_eq!(Isotonic::fit(&[1.0], &[1.0], &[0.0]), Err(Unfit::Empty));
    assert_eq!(Isotonic::fit(&[1.0, 2.0], &[1.0, 2.0], &[1.0, -1.0]), Err(Unfit::Number { row: 1 }));
    assert!(Unfit::Apart.to_string().contains("isotonic"), "an error says what to do");
}

#[test]
fn odd_tables_have_finite_answers() {
    // One score only, two scores only, labels against the score, wholly parted, extreme scores.
    let apart = ([0.0, 0.1, 0.9, 1.0], [false, false, true, true]);
    for (scores, labels) in [
        ([0.3, 0.3, 0.3, 0.3], [true, false, false, false]),
        ([0.3, 0.3, 0.7, 0.7], [true, false, true, false]),
        ([0.1, 0.2, 0.8, 0.9], [true, true, false, false]),
        ([0.0, 1.0, 0.0, 1.0], [true, true, false, false]),
    ] {
        for method in [Method::Isotonic, Method::Beta, Method::Platt] {
            let curve = method.fit(&scores, &labels).unwrap();
            for p in [0.0, 1e-300, 0.3, 0.5, 1.0] {
                let told = curve.probability(p).unwrap();
                assert!((0.0..=1.0).contains(&told), "{method:?} {scores:?} {p} {told}");
            }
        }
    }
    let against = Beta::fit(&[0.1, 0.2, 0.8, 0.9], &[true, true, false, false]).unwrap();
    assert_eq!((against.a, against.b), (0.0, 0.0), "a curve that would fall is level");
    let constant = Beta::fit(&[0.3; 4], &[true, false, false, false]).unwrap();
    assert!((constant.probability(0.3).unwrap() - 0.25).abs() < 1e-6);
    let platt = Platt::fit(&apart.0, &apart.1).unwrap();
    assert!(platt.probability(1.0).unwrap() < 0.999, "never sure from four rows: {platt:?}");
    let large = Platt::fit(&[-1e149, 1e149, 2e149], &[false, true, false]).unwrap();
    assert!(large.probability(1e300).is_some_and(|p| (0.0..=1.0).contains(&p)));
    assert_eq!(Platt::fit(&[-1e200, 1e200, 2e200], &[false, true, false]), Err(Unfit::Number { row: 0 }));
    let sums = Isotonic::fit(&[1.0, 1.0, 2.0], &[1e308, -1.7e308, 1e308], &[0.1, 9.0, 0.1]);
    assert_eq!(sums, Err(Unfit::Number { row: 1 }), "no curve of infinite values");
}

#[test]
fn a_curve_that_is_drawn_to_the_identity_lies_between_it_and_the_free_one() {
    let mut rng = Rng::new(31);
    let scores: Vec<f64> = (0..400).map(|_| rng.uniform()).collect();
    // Log odds that are half as steep as they say, and lower.
    let bent = |p: &f64| 1.0 / (1.0 + ((1.0 - p) / p).sqrt() * 2.0);
    let labels: Vec<bool> = scores.iter().map(|p| rng.chance(bent(p))).collect();
    let free = Beta::fit(&scores, &labels).unwrap();
    let near = |pull: f64| Beta::fit_near_identity(&scores, &labels, pull).unwrap();
    let close = |one: &Beta, other: &Beta| (one.a - other.a).abs().max((one.b - other.b).abs()).max((one.c - other.c).abs()) < 1e-4;
    assert!(close(&near(1e-6), &free) && close(&near(0.0), &free) && close(&near(f64::NAN), &free));
    let held = near(1e9);
    assert!((held.a - 1.0).abs() < 1e-5 && (held.b - 1.0).abs() < 1e-5, "{held:?}");
    for pull in [0.1, 10.0, 100.0, 1e9] {
        // Whatever it is drawn to, as many rows are expected as there were.
        let curve = near(pull);
        let expected: f64 = scores.iter().filter_map(|p| curve.probability(*p)).sum();
        let hurt = labels.iter().filter(|label| **label).count() as f64;
        assert!((expected - hurt).abs() < 1e-6, "{pull} {expected} {hurt}");
        // No step of any parameter costs less.
        let cost = |curve: &Beta| {
            let told = scores.iter().zip(&labels).map(|(p, label)| (curve.probability(*p).unwrap(), *label));
            let loss: f64 = told.map(|(p, label)| -(if label { p } else { 1.0 - p }).ln()).sum();
            loss + 0.5 * pull * ((curve.a - 1.0).powi(2) + (curve.b - 1.0).powi(2))
        };
        for by in [-1e-3, 1e-3] {
            for moved in [Beta { a: curve.a + by, ..curve }, Beta { b: curve.b + by, ..curve }, Beta { c: curve.c + by, ..curve }] {
                assert!(cost(&moved) >= cost(&curve), "{pull} {curve:?} {moved:?}");
            }
        }
    }
    let against = Beta::fit_near_identity(&[0.1, 0.2, 0.8, 0.9], &[true, true, false, false], 1e-3).unwrap();
    assert_eq!((against.a, against.b), (0.0, 0.0), "a curve that would fall is level");
    let drawn = Beta::fit_near_identity(&[0.1, 0.2, 0.8, 0.9], &[true, true, false, false], 100.0).unwrap();
    assert!((0.8..1.0).contains(&drawn.a) && (0.8..1.0).contains(&drawn.b), "four rows say little: {drawn:?}");
}

#[test]
fn stored_curves_are_read_again_and_broken_ones_refused() {
    let mut rng = Rng::new(8);
    let scores: Vec<f64> = (0..200).map(|_| rng.uniform()).collect();
    let labels: Vec<bool> = scores.iter().map(|s| rng.chance(*s)).collect();
    for method in [Method::Isotonic, Method::Beta, Method::Platt] {
        let curve = method.fit(&scores, &labels).unwrap();
        let text = serde_json::to_string(&curve).unwrap();
        let again: Result<Calibrator, _> = serde_json::from_str(&text);
        assert_eq!(again.ok(), Some(curve), "{text}");
    }
    let predictor = VennAbers::fit(&scores, &labels).unwrap();
    assert_eq!(serde_json::from_value::<VennAbers>(serde_json::to_value(&predictor).unwrap()).unwrap(), predictor);
    for broken in ["[]", "[[1,0.5],[1,0.6]]", "[[1,0.5],[2,0.4]]"] {
        assert!(serde_json::from_str::<Isotonic>(broken).is_err(), "{broken}");
    }
    for broken in
        [r#"{"scores":[1],"low":[],"high":[1]}"#, r#"{"scores":[2,1],"low":[0,0],"high":[1,1]}"#, r#"{"scores":[],"low":[],"high":[]}"#]
    {
        assert!(serde_json::from_str::<VennAbers>(broken).is_err(), "{broken}");
    }
}

#[test]
fn a_bent_probability_is_straightened() {
    // The log-odds are bent by a law of beta calibration's own form, so that it finds the parameters again.
    let mut rng = Rng::new(21);
    let scores: Vec<f64> = (0..40_000).map(|_| rng.uniform()).collect();
    let truth = |p: f64| 1.0 / (1.0 + libm::exp(-(0.6 * libm::log(p) - 1.7 * libm::log1p(-p) - 0.4)));
    let labels: Vec<bool> = scores.iter().map(|s| rng.chance(truth(*s))).collect();
    let beta = Beta::fit(&scores, &labels).unwrap();
    assert!((beta.a - 0.6).abs() < 0.06 && (beta.b - 1.7).abs() < 0.12 && (beta.c + 0.4).abs() < 0.12, "{beta:?}");
    let isotonic = Isotonic::fit_labels(&scores, &labels).unwrap();
    let venn_abers = VennAbers::fit(&scores, &labels).unwrap();
    for p in [0.1, 0.3, 0.5, 0.7, 0.9] {
        assert!((beta.probability(p).unwrap() - truth(p)).abs() < 0.02);
        assert!((isotonic.value(p).unwrap() - truth(p)).abs() < 0.06);
        assert!((venn_abers.interval(p).unwrap().probability() - truth(p)).abs() < 0.06);
    }
}

#[test]
fn probabilities_follow_a_share_that_moved() {
    // Two normal laws, of which only the numbers of rows change.
    let probability = |score: f64, share: f64| 1.0 / (1.0 + (1.0 - share) / share * libm::exp(0.5 - score));
    for score in [-1.0, 0.5, 3.0] {
        let moved = moved_to_share(probability(score, 0.3), 0.3, 0.08).unwrap();
        assert!((moved - probability(score, 0.08)).abs() < 1e-12);
        assert!((moved_to_share(moved, 0.08, 0.3).unwrap() - probability(score, 0.3)).abs() < 1e-12);
    }
    assert_eq!((moved_to_share(0.0, 0.3, 0.1), moved_to_share(1.0, 0.3, 0.1)), (Some(0.0), Some(1.0)));
    for (p, from, to) in [(1.1, 0.3, 0.1), (0.5, 0.0, 0.1), (0.5, 0.3, 1.0), (f64::NAN, 0.3, 0.1)] {
        assert_eq!(moved_to_share(p, from, to), None);
    }
}

fn table() -> impl Strategy<Value = (Vec<f64>, Vec<bool>)> {
    let labels_of_both = |(_, labels): &(Vec<f64>, Vec<bool>)| labels.contains(&true) && labels.contains(&false);
    let rows = prop::collection::vec((0u32..25, any::<bool>()), 2..60);
    rows.prop_map(|rows| rows.into_iter().map(|(s, l)| (f64::from(s) / 24.0, l)).unzip()).prop_filter("both labels", labels_of_both)
}

/// The isotonic value at a score by its definition: the greatest, over starts, of the least mean up to an end.
fn by_definition(scores: &[f64], labels: &[bool], at: f64) -> f64 {
    let share = |low: f64, high: f64| {
        let inside: Vec<bool> = scores.iter().zip(labels).filter(|(s, _)| (low..=high).contains(*s)).map(|(_, l)| *l).collect();
        inside.iter().filter(|l| **l).count() as f64 / inside.len() as f64
    };
    let starts = scores.iter().filter(|s| **s <= at);
    let least = |low: f64| scores.iter().filter(|s| **s >= at).map(|high| share(low, *high)).fold(2.0, f64::min);
    starts.map(|low| least(*low)).fold(-1.0, f64::max)
}

proptest! {
    #[test]
    fn both_ends_are_those_of_two_isotonic_fits((scores, labels) in table(), at in 0u32..75) {
        let at = f64::from(at) / 72.0 - 0.02;
        let with = |label: bool| {
            let (mut s, mut l) = (scores.clone(), labels.clone());
            s.push(at);
            l.push(label);
            by_definition(&s, &l, at)
        };
        let interval = VennAbers::fit(&scores, &labels).unwrap().interval(at).unwrap();
        prop_assert!((interval.low - with(false)).abs() < 1e-12, "p0 {} {}", interval.low, with(false));
        prop_assert!((interval.high - with(true)).abs() < 1e-12, "p1 {} {}", interval.high, with(true));
        prop_assert!(interval.low < interval.high && interval.low <= interval.probability() && interval.probability() <= interval.high);
    }

    #[test]
    fn isotonic_values_are_those_of_the_definition((scores, labels) in table()) {
        let curve = Isotonic::fit_labels(&scores, &labels).unwrap();
        let values: Vec<f64> = scores.iter().map(|s| curve.value(*s).unwrap()).collect();
        for (score, value) in scores.iter().zip(&values) {
            prop_assert!((value - by_definition(&scores, &labels, *score)).abs() < 1e-12);
        }
        let positives = labels.iter().filter(|l| **l).count() as f64;
        prop_assert!((values.iter().sum::<f64>() - positives).abs() < 1e-9, "the mean is kept");
    }

    #[test]
    fn curves_never_fall((scores, labels) in table(), a in 0.0..=1.0, b in 0.0..=1.0) {
        let (low, high) = (f64::min(a, b), f64::max(a, b));
        let isotonic = Isotonic::fit_labels(&scores, &labels).unwrap();
        prop_assert!(isotonic.value(low) <= isotonic.value(high));
        if let Ok(beta) = Beta::fit(&scores, &labels) {
            prop_assert!(beta.a >= 0.0 && beta.b >= 0.0 && beta.probability(low) <= beta.probability(high), "{:?}", beta);
        }
        let venn_abers = VennAbers::fit(&scores, &labels).unwrap();
        let (below, above) = (venn_abers.interval(low).unwrap(), venn_abers.interval(high).unwrap());
        prop_assert!(below.low <= above.low && below.high <= above.high);
    }

    #[test]
    fn no_other_curve_of_the_form_is_likelier((scores, labels) in table(), moves in prop::array::uniform3(-0.5..0.5f64)) {
        let cost = |curve: Beta| -> f64 {
            let each = scores.iter().zip(&labels).map(|(s, l)| {
                let p = curve.probability(*s).unwrap();
                -libm::log(if *l { p } else { 1.0 - p })
            });
            each.sum()
        };
        if let Ok(beta) = Beta::fit(&scores, &labels) {
            let [a, b, c] = moves;
            let other = Beta { a: (beta.a + a).max(0.0), b: (beta.b + b).max(0.0), c: beta.c + c };
            prop_assert!(cost(beta) <= cost(other) + 1e-6, "{:?} {} {:?} {}", beta, cost(beta), other, cost(other));
        }
    }
}
