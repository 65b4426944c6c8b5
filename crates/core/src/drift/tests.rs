//! Choices, verdicts and corner cases, on tables from a seed.

use super::*;
use tidegate_stats::rng::Rng;

fn numbers(n: usize, seed: u64, shift: f64) -> Field {
    let mut rng = Rng::new(seed);
    Field::Numbers(Numbers::of(&(0..n).map(|_| rng.normal() + shift).collect::<Vec<_>>(), false))
}

fn few(n: usize, seed: u64, kinds: u64) -> Field {
    let mut rng = Rng::new(seed);
    Field::Numbers(Numbers::of(&(0..n).map(|_| rng.below(kinds) as f64).collect::<Vec<_>>(), true))
}

#[test]
fn methods_are_chosen_by_type_values_and_rows() {
    let chosen = |a: &Field, b: &Field| choose(a, b).map(Method::name);
    assert_eq!(chosen(&numbers(1_000, 1, 0.0), &numbers(5_000, 2, 0.0)), Some("ks"));
    assert_eq!(chosen(&numbers(1_001, 1, 0.0), &numbers(10, 2, 0.0)), Some("wasserstein"));
    assert_eq!(chosen(&few(500, 1, 5), &few(500, 2, 5)), Some("chisquare"));
    assert_eq!(chosen(&few(500, 1, 2), &few(500, 2, 2)), Some("z"));
    assert_eq!(chosen(&few(5_000, 1, 5), &few(500, 2, 5)), Some("jensenshannon"));
    let letters = Field::Categories(few(500, 1, 7).categories());
    assert_eq!(chosen(&letters, &letters), Some("chisquare"));
    assert_eq!(chosen(&letters, &few(500, 1, 7)), None);
}

#[test]
fn empty_columns_cannot_be_told_and_gone_ones_are_drift() {
    let empty = Field::Numbers(Numbers::of(&[f64::NAN; 10], false));
    let table = |fields: Vec<(&str, Field)>| fields.into_iter().map(|(n, f)| (n.to_owned(), f)).collect::<IndexMap<_, _>>();
    let old = table(vec![("a", numbers(100, 1, 0.0)), ("b", numbers(100, 1, 0.0))]);
    let new = table(vec![("a", empty.clone()), ("c", empty.clone())]);
    let report = compare(&old, &new, &Settings::default());
    let verdicts: Vec<_> = report.columns.iter().map(|c| (c.column.as_str(), c.verdict)).collect();
    assert_eq!(verdicts, [("a", Verdict::CannotTell), ("b", Verdict::Drift), ("c", Verdict::CannotTell)]);
    let nothing = compare(&table(vec![("a", empty.clone())]), &table(vec![("a", empty)]), &Settings::default());
    assert_eq!((nothing.verdict, nothing.share), (Verdict::CannotTell, None), "nothing judged is not steady");
    assert_eq!(compare(&table(vec![]), &table(vec![]), &Settings::default()).verdict, Verdict::CannotTell);
}

#[test]
fn many_columns_give_false_alarms_that_a_correction_takes_away() {
    let table = |from: u64| (0..200).map(|i| (format!("c{i}"), numbers(200, from + i, 0.0))).collect::<IndexMap<_, _>>();
    let drifted = |correction| compare(&table(0), &table(1_000), &Settings { correction, ..Settings::default() }).drifted;
    let plain = drifted(Correction::None);
    assert!(plain.0 > 2, "a twentieth of 200 columns: {plain:?}");
    assert_eq!(drifted(Correction::Holm), (0, 200));
    assert_eq!(drifted(Correction::BenjaminiHochberg), (0, 200));
}

#[test]
fn a_trend_alerts_where_it_moves() {
    let whole = numbers(5_000, 1, 0.0);
    let chunk = |seed: u64, shift: f64| (format!("chunk {seed}"), numbers(500, seed, shift));
    let reference: Vec<_> = (2..12).map(|i| chunk(i, 0.0)).collect();
    let current: Vec<_> = (20..26).map(|i| chunk(i, if i >= 23 { 1.0 } else { 0.0 })).collect();
    let found = trend("x", Method::JensenShannon, &whole, &reference, &current);
    assert_eq!(found.analysis.iter().map(|c| c.alert).collect::<Vec<_>>(), [false, false, false, true, true, true], "{found:?}");
}

#[test]
fn performance_is_estimated_within_its_error() {
    let mut rng = Rng::new(7);
    let mut draw = |n: usize, skew: f64| -> (Vec<f64>, Vec<bool>) {
        // The score is the square root of the chance: not calibrated, yet in order.
        (0..n)
            .map(|_| {
                let p = libm::pow(rng.uniform(), skew);
                (libm::sqrt(p), rng.uniform() < p)
            })
            .unzip()
    };
    let (scores, labels) = draw(20_000, 1.0);
    let calibration = Calibration::fit(&scores, &labels).unwrap();
    let (later, truth) = draw(20_000, 2.5);
    let chances: Vec<f64> = later.iter().map(|s| calibration.chance(*s)).collect();
    let found = estimate(&later, &chances, 0.7);
    let right = later.iter().zip(&truth).filter(|(s, t)| (**s >= 0.7) == **t).count() as f64 / 20_000.0;
    let error = found.accuracy_error.unwrap();
    assert!((found.accuracy.unwrap() - right).abs() < 5.0 * error, "{found:?} against {right}");
    let auc = tidegate_stats::metric::Metric::Auc.evaluate(&truth, &later, 0.5).unwrap();
    assert!((found.roc_auc.unwrap() - auc).abs() < 0.02, "{found:?} against {auc}");
    assert_eq!(estimate(&[], &[], 0.5).accuracy, None);
    assert!(Calibration::fit(&[], &[]).is_none());
}

#[test]
fn fairness_compares_only_groups_with_rows_enough() {
    let groups: Vec<String> = (0..100)
        .map(|i| {
            if i == 0 {
                "rare"
            } else if i % 2 == 0 {
                "a"
            } else {
                "b"
            }
            .to_owned()
        })
        .collect();
    let decisions: Vec<bool> = (0..100).map(|i| i == 0 || i % 4 == 0).collect();
    let found = fairness(&groups, None, &decisions, GROUP_ROWS_MIN);
    assert_eq!(found.groups.iter().map(|g| (g.group.as_str(), g.judged)).collect::<Vec<_>>(), [("a", true), ("b", true), ("rare", false)]);
    assert_eq!((found.demographic_parity_ratio, found.equalized_odds_difference), (Some(0.0), None));
    assert_eq!(fairness(&[], None, &[], 1), Fairness::default());
}

#[test]
fn a_correlation_that_turned_is_seen_jointly_alone() {
    let mut rng = Rng::new(3);
    let mut pair = |sign: f64| -> (Vec<f64>, Vec<f64>) {
        (0..800)
            .map(|_| {
                let x = rng.normal();
                (x, sign * 0.9 * x + 0.44 * rng.normal())
            })
            .unzip()
    };
    let ((x, y), (u, v), (a, b)) = (pair(1.0), pair(-1.0), pair(1.0));
    let columns = |p: &[f64], q: &[f64]| vec![("x".to_owned(), x.clone(), p.to_vec()), ("y".to_owned(), y.clone(), q.to_vec())];
    let turned = joint(&columns(&u, &v));
    assert!(turned.drifted, "{turned:?}");
    assert!(!joint(&columns(&a, &b)).drifted);
    let field = |v: &[f64]| Field::Numbers(Numbers::of(v, false));
    assert!(!Method::KolmogorovSmirnov.drifted(score(Method::KolmogorovSmirnov, &field(&y), &field(&v)).unwrap(), 0.01), "not by itself");
    assert_eq!(joint(&[]).p_value, None);
}
