//! Reference values of SciPy 1.17.1, NumPy 2.4.6 and scikit-learn 1.9.1, computed once and written down here.
#![allow(clippy::unwrap_used, clippy::excessive_precision)]

use tidegate_stats::bootstrap::{Paired, Plan, paired_difference};
use tidegate_stats::confidence::{clopper_pearson, clopper_pearson_upper};
use tidegate_stats::distance::{jensen_shannon, kolmogorov_tail, ks, psi, wasserstein, wasserstein_normed};
use tidegate_stats::metric::Metric;
use tidegate_stats::quantile::sorted;
use tidegate_stats::special::{beta_inc, beta_inc_inv, ln_gamma, normal_cdf, normal_quantile};

#[track_caller]
fn near(got: f64, want: f64, relative: f64) {
    let scale = want.abs().max(1e-300);
    assert!((got - want).abs() <= relative * scale, "got {got:e}, want {want:e}");
}

#[test]
fn special_functions() {
    for (a, b, x, want) in [
        (0.5, 0.5, 0.3, 0.36901011956554536),
        (2.0, 3.0, 0.4, 0.5247999999999999),
        (30.0, 1.0, 0.95, 0.2146387639429373),
        (0.01, 5.0, 0.001, 0.9527958800070772),
        (500.0, 700.0, 0.42, 0.5937664454826134),
        (1e5, 2e5, 0.333, 0.34940317176600605),
        (3.0, 1e6, 2e-6, 0.3233246665001949),
    ] {
        near(beta_inc(a, b, x), want, 1e-8);
    }
    for (a, b, p, want) in [(3.0, 7.0, 0.05, 0.09774681343927574), (120.0, 4.0, 0.975, 0.9910695673443501)] {
        near(beta_inc_inv(a, b, p), want, 1e-10);
    }
    for (x, want) in [(0.1, 2.252712651734206), (10.25, 13.368023671476045), (1e5, 1051287.7089736569)] {
        near(ln_gamma(x), want, 1e-13);
    }
    for (x, want) in [(-8.0, 6.22096057427174e-16), (-1.96, 0.024997895148220435), (3.0, 0.9986501019683699)] {
        near(normal_cdf(x), want, 1e-12);
    }
    for (p, want) in [(1e-10, -6.361340902404056), (0.025, -1.9599639845400545), (0.999, 3.090232306167813)] {
        near(normal_quantile(p), want, 1e-9);
    }
}

#[test]
fn exact_intervals_of_rates() {
    for (n, k, upper, low, high) in [
        (1000, 14, 0.02180013152550217, 0.007674501565020461, 0.0233781560103144),
        (30, 0, 0.09503385285530411, 0.0, 0.11570330822202743),
        (10, 10, 1.0, 0.6915028921812371, 1.0),
        (25_000, 350, 0.015285037983292896, 0.012580305897587372, 0.015534252862837711),
    ] {
        near(clopper_pearson_upper(n, k, 0.95), upper, 1e-9);
        let got = clopper_pearson(n, k, 0.95);
        near(got.0, low, 1e-9);
        near(got.1, high, 1e-9);
    }
    assert_eq!(clopper_pearson_upper(0, 0, 0.95), 1.0);
}

#[test]
fn distances_of_samples() {
    let a = sorted(&(0..40).map(|i| f64::from((i * 37) % 101) / 10.0).collect::<Vec<_>>());
    let b = sorted(&(0..55).map(|i| f64::from((i * 53) % 97) / 9.0 + 1.0).collect::<Vec<_>>());
    let test = ks(&a, &b).unwrap();
    near(test.statistic, 0.15681818181818183, 1e-12);
    near(test.p_value, 0.559203697926765, 1e-9);
    near(wasserstein(&a, &b).unwrap(), 1.1867171717171716, 1e-12);
    near(wasserstein_normed(&a, &b).unwrap(), 0.4024556721312502, 1e-12);

    let a = sorted(&(0..30).map(|i| f64::from((i * i * 7) % 13)).collect::<Vec<_>>());
    let b = sorted(&(0..20).map(|i| f64::from((i * 5) % 17)).collect::<Vec<_>>());
    let tied = ks(&a, &b).unwrap();
    near(tied.statistic, 0.2833333333333333, 1e-12);
    near(tied.p_value, 0.25707602554737674, 1e-9);
    assert_eq!(ks(&a, &a).map(|t| (t.statistic, t.p_value)), Some((0.0, 1.0)));
    assert_eq!(ks(&a, &[]), None);
    assert_eq!(ks(&a, &[f64::NAN]), None);
    assert_eq!(wasserstein(&a, &[f64::INFINITY]), None);
}

#[test]
fn the_limit_law_of_kolmogorov() {
    for (x, want) in [
        (0.3, 0.9999906941986655),
        (0.9, 0.3927307079406543),
        (1.0, 0.26999967167735456),
        (1.36, 0.049485876755377876),
        (2.5, 7.453306344157342e-06),
    ] {
        near(kolmogorov_tail(x), want, 1e-9);
    }
}

#[test]
fn distances_of_histograms() {
    let (p, q) = ([10, 20, 30, 0, 40], [15, 25, 20, 5, 35]);
    near(jensen_shannon(&p, &q).unwrap(), 0.19774870827083937, 1e-12);
    near(psi(&p, &q).unwrap(), 0.38876245752442856, 1e-12);
    assert_eq!((psi(&p, &p), jensen_shannon(&p, &p)), (Some(0.0), Some(0.0)));
    assert_eq!((psi(&p, &q[1..]), psi(&[0, 0], &[1, 2])), (None, None));
}

fn rows(n: u32) -> Vec<bool> {
    (0..n).map(|i| i % 3 == 0).collect()
}

#[test]
fn metrics_of_predictions() {
    let y = rows(60);
    let plain: Vec<f64> = (0..60).map(|i| f64::from((i * 29) % 50) / 50.0).collect();
    let informed: Vec<f64> = plain.iter().zip(&y).map(|(v, &t)| 0.5 * v + if t { 0.4 } else { 0.0 }).collect();
    for (scores, want) in [
        (&plain, [0.504375, 0.48333333333333334, 0.3103448275862069, 0.45, 0.3673469387755102, 1.4614529591857306, 0.3247333333333334]),
        (&informed, [0.98125, 0.9166666666666666, 1.0, 0.75, 0.8571428571428571, 0.3511253451533235, 0.10185]),
    ] {
        for (metric, value) in Metric::all().zip(want) {
            near(metric.evaluate(&y, scores, 0.5).unwrap(), value, 1e-9);
        }
    }
}

#[test]
fn metrics_that_are_not_defined() {
    let all = |labels: &[bool], scores: &[f64]| Metric::all().map(|m| m.evaluate(labels, scores, 0.5)).collect::<Vec<_>>();
    assert!(all(&[], &[]).iter().all(Option::is_none));
    assert!(all(&[true], &[f64::NAN]).iter().all(Option::is_none));
    assert!(all(&[true, false], &[0.5]).iter().all(Option::is_none));
    assert_eq!(Metric::Auc.evaluate(&[true, true], &[0.2, 0.9], 0.5), None);
    assert_eq!(Metric::Precision.evaluate(&[true, false], &[0.2, 0.1], 0.5), None);
    assert_eq!(Metric::Recall.evaluate(&[false, false], &[0.2, 0.9], 0.5), None);
    assert!(Metric::LogLoss.evaluate(&[true], &[0.0], 0.5).unwrap().is_finite());
    assert!(Metric::all().all(|m| Metric::from_name(m.name()) == Some(m)));
}

#[test]
fn paired_bootstrap() {
    // scipy.stats.bootstrap(paired, percentile, 4,000 resamples): 5 % at .0139, 95 % at .1273.
    let y = rows(400);
    let scores = |lift: f64, step: u32, modulus: u32| -> Vec<f64> {
        let score = |(i, &t): (usize, &bool)| if t { lift } else { 0.0 } + f64::from((i as u32 * step) % modulus) / 100.0;
        y.iter().enumerate().map(score).collect()
    };
    let (a, b) = (scores(0.3, 29, 83), scores(0.2, 31, 89));
    let pair = Paired { labels: &y, candidate: &a, baseline: &b, candidate_threshold: 0.5, baseline_threshold: 0.5 };
    let plan = Plan { resamples: 2_000, confidence: 0.95, seed: 11 };
    let d = paired_difference(Metric::Auc, pair, plan).unwrap();
    near(d.candidate, 0.7742397037369543, 1e-12);
    near(d.baseline, 0.7030636292223095, 1e-12);
    assert!((d.low - 0.0139).abs() < 0.006 && (d.high - 0.1273).abs() < 0.006, "{d:?}");
    assert_eq!(paired_difference(Metric::Auc, pair, plan), Some(d), "same seed, same bits");
    let same = Paired { baseline: &a, ..pair };
    assert_eq!(paired_difference(Metric::Brier, same, plan).map(|d| (d.low, d.high)), Some((0.0, 0.0)));
    let one_class = Paired { labels: &[true; 400], ..pair };
    assert_eq!(paired_difference(Metric::Auc, one_class, plan), None);
}
