//! Kayenta's judge against the expectations of Kayenta's own tests.
//!
//! The cases lie beside the checkout (`../shared/data/kayenta/vectors.json`); without them a few of the same kind are
//! judged that need no file.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;
use tidegate_core::peers::kayenta::{
    Class, Classifier, Direction, EffectSize, Graded, MetricResult, MetricRules, Missing, ScoreThresholds, effect_size, grade,
    iqr_outliers, k_sigma_outliers,
};
use tidegate_stats::compare::shift::{rank_deviate, rank_shift};
use tidegate_stats::quantile::{Interpolation, quantile, sorted};

fn vectors() -> Option<Value> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data/kayenta/vectors.json");
    Some(serde_json::from_slice(&std::fs::read(path).ok()?).unwrap())
}

fn cases(vectors: &Value, part: &str) -> Vec<Value> {
    vectors[part].as_array().unwrap().clone()
}

fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|v| v.as_f64().unwrap_or(f64::NAN)).collect()
}

fn pair(value: &Value) -> (f64, f64) {
    let both = numbers(value);
    (both[0], both[1])
}

/// The rules of a case; what it does not say is the judge's default.
fn rules(case: &Value) -> MetricRules {
    let (params, default) = (&case["params"], MetricRules::default());
    let flag = |key: &str| params[key].as_bool().unwrap_or(false);
    let either = |key: &str, or: (f64, f64)| if params[key].is_array() { pair(&params[key]) } else { or };
    let classifier = match case["classifier"].as_str() {
        Some("MeanInequality") => Classifier::MeanInequality,
        _ => {
            Classifier::MannWhitney { tolerance: params["tolerance"].as_f64().unwrap(), confidence: params["confLevel"].as_f64().unwrap() }
        }
    };
    MetricRules {
        classifier,
        direction: serde_json::from_value(params["direction"].clone()).unwrap(),
        missing: if params["nanStrategy"] == "replace" { Missing::Replace } else { Missing::Remove },
        effect_size: if params["effectSizeMeasure"] == "cles" { EffectSize::Cles } else { EffectSize::MeanRatio },
        allowed: either("effectSizeThresholds", default.allowed),
        critical_at: either("criticalThresholds", default.critical_at),
        critical: flag("isCriticalMetric"),
        must_have_data: flag("isDataRequired"),
        ..default
    }
}

fn near(got: f64, want: &Value, tolerance: f64, name: &str) {
    match want.as_f64() {
        Some(want) => assert!((got - want).abs() <= tolerance, "{name}: {got} is not {want}"),
        None => assert!(got.is_nan(), "{name}: {got} is a number"),
    }
}

#[test]
fn metrics_are_classified_as_kayenta_does() {
    let Some(vectors) = vectors() else { return };
    for case in cases(&vectors, "classifier") {
        let (name, expect) = (case["name"].as_str().unwrap(), &case["expect"]);
        let found = rules(&case).classify(&numbers(&case["control"]), &numbers(&case["experiment"]));
        if let Some(class) = expect["classification"].as_str() {
            assert_eq!(found.class.name(), class, "{name}: {found:?}");
        }
        if let Some(critical) = expect["critical"].as_bool() {
            assert_eq!(found.critical, critical, "{name}: {found:?}");
        }
        if !expect["deviation"].is_null() {
            near(found.deviation, &expect["deviation"], 0.0, name);
        }
        if expect["reason_non_empty"] == true {
            assert!(found.reason.is_some_and(|reason| !reason.is_empty()), "{name}");
        }
    }
}

#[test]
fn shifts_are_those_of_kayenta() {
    let Some(vectors) = vectors() else { return };
    for case in cases(&vectors, "mann_whitney") {
        let name = case["name"].as_str().unwrap();
        if case["fn"] == "wilcoxonDiff" {
            let deviate = rank_deviate(&numbers(&case["x"]), &numbers(&case["y"]), case["mu"].as_f64().unwrap()).unwrap();
            near(deviate - case["quantile"].as_f64().unwrap(), &case["expect"], case["tolerance"].as_f64().unwrap(), name);
            continue;
        }
        let confidence = case["confLevel"].as_f64().unwrap();
        let shift = rank_shift(&numbers(&case["experiment"]), &numbers(&case["control"]), confidence).unwrap();
        let within = numbers(&case["tolerance"]);
        near(shift.lower, &case["expect"]["ci_low"], within[0], name);
        near(shift.upper, &case["expect"]["ci_high"], within[1], name);
        near(shift.estimate, &case["expect"]["estimate"], within[2], name);
    }
}

#[test]
fn scores_are_those_of_kayenta() {
    let Some(vectors) = vectors() else { return };
    for case in cases(&vectors, "scorer") {
        let weights: BTreeMap<String, f64> = serde_json::from_value(case["groupWeights"].clone()).unwrap();
        let results: Vec<MetricResult> = case["metrics"].as_array().unwrap().iter().map(result).collect();
        let score = grade(&results, &weights);
        let name = case["name"].as_str().unwrap();
        near(score.score, &case["expect"]["summaryScore"], 1e-9, name);
        for group in &score.groups {
            near(group.score, &case["replica_group_scores"][&group.name], 1e-9, name);
        }
    }
}

fn result(metric: &Value) -> MetricResult {
    let class = |name: &str| match name {
        "Pass" => Class::Pass,
        "High" => Class::High,
        "Low" => Class::Low,
        "Nodata" => Class::Nodata,
        "NodataFailMetric" => Class::NodataFailMetric,
        other => panic!("no class is called {other}"),
    };
    MetricResult {
        name: metric["name"].as_str().unwrap().into(),
        class: class(metric["classification"].as_str().unwrap()),
        critical: metric["critical"] == true,
        muted: metric["muted"] == true,
        groups: serde_json::from_value(metric["groups"].clone()).unwrap(),
    }
}

#[test]
fn outliers_effects_and_percentiles_are_those_of_kayenta() {
    let Some(vectors) = vectors() else { return };
    for case in cases(&vectors, "detector") {
        let (data, parameter) = (numbers(&case["data"]), case["parameter"].as_f64().unwrap());
        let found = match case["detector"].as_str().unwrap() {
            "KSigma" => k_sigma_outliers(&data, parameter),
            _ => iqr_outliers(&data, parameter, case["reduceSensitivity"] == true),
        };
        let want: Vec<bool> = serde_json::from_value(case["expect_is_outlier"].clone()).unwrap();
        assert_eq!(found, want, "{}", case["name"]);
    }
    for case in cases(&vectors, "effect_size") {
        let measure = if case["fn"] == "cles" { EffectSize::Cles } else { EffectSize::MeanRatio };
        let found = effect_size(measure, &numbers(&case["control"]), &numbers(&case["experiment"]));
        near(found, &case["expect"], case["tolerance"].as_f64().unwrap(), case["name"].as_str().unwrap());
    }
    for case in cases(&vectors, "percentile") {
        let at = case["p"].as_f64().unwrap() / 100.0;
        let found = quantile(&sorted(&numbers(&case["data"])), at, Interpolation::Linear).unwrap_or(f64::NAN);
        near(found, &case["expect"], case["tolerance"].as_f64().unwrap().max(1e-9), case["name"].as_str().unwrap());
    }
}

/// What users complained about is reproduced too: this is how Kayenta decides.
#[test]
fn its_known_shortcomings_are_kept() {
    let Some(vectors) = vectors() else { return };
    for case in cases(&vectors, "known_shortcomings") {
        let found = rules(&case).classify(&numbers(&case["control"]), &numbers(&case["experiment"]));
        assert_eq!(found.class.name(), case["kayenta_says"].as_str().unwrap(), "{}: {found:?}", case["ref"]);
    }
}

#[test]
fn a_clear_rise_is_high_unless_values_are_tiny() {
    let control: Vec<f64> = (0..30).map(|i| 10.0 + f64::from(i % 7)).collect();
    let risen: Vec<f64> = control.iter().map(|v| v + 6.0).collect();
    let judged = |scale: f64| {
        let scaled = |values: &[f64]| values.iter().map(|v| v * scale).collect::<Vec<_>>();
        MetricRules::default().classify(&scaled(&control), &scaled(&risen)).class
    };
    assert_eq!(judged(1.0), Class::High);
    // The absolute tolerance of its root finder swallows the difference: the unit decides.
    assert_eq!(judged(1e-7), Class::Pass);
}

#[test]
fn arms_without_data_are_told_by_the_rules() {
    let rules = |missing, must_have_data, critical| MetricRules { missing, must_have_data, critical, ..MetricRules::default() };
    let class = |rules: MetricRules| {
        let found = rules.classify(&[f64::NAN], &[]);
        (found.class, found.critical)
    };
    assert_eq!(class(rules(Missing::Remove, false, false)), (Class::Nodata, false));
    assert_eq!(class(rules(Missing::Remove, false, true)), (Class::Nodata, true));
    assert_eq!(class(rules(Missing::Remove, true, false)), (Class::NodataFailMetric, false));
    assert_eq!(class(rules(Missing::Replace, false, false)), (Class::Pass, false));
    let lower = MetricRules { direction: Direction::Increase, ..MetricRules::default() };
    assert_eq!(lower.classify(&[9.0, 8.0, 9.5, 8.5, 9.1], &[1.0, 1.1, 1.2, 1.3, 1.4]).class, Class::Pass);
}

#[test]
fn scores_are_graded_by_thresholds() {
    let thresholds = ScoreThresholds { pass: 95.0, marginal: 75.0 };
    assert_eq!(thresholds.classify(95.0), Graded::Pass);
    assert_eq!(thresholds.classify(94.99), Graded::Marginal);
    assert_eq!(thresholds.classify(74.99), Graded::Fail);
    assert_eq!(grade(&[], &BTreeMap::new()).score, 0.0, "no metric is no pass");
}
