//! Files that load, and what they mean.

use super::super::{BlockedBy, DriftMethod, From, Pipeline, ReferenceFrom, Strategy, load_in, unit};
use super::{FLIGHTS, loaded, repo};
use expect_test::expect;
use tidegate_core::gate::GateKind;
use tidegate_core::id::At;
use tidegate_core::judge::{GuardrailKind, JudgeSettings};
use tidegate_core::retrain::{Budget, Source};
use tidegate_core::rollout::{Baseline, Deadlines, Promotion, Spec, SpecDraft, Step, Until};
use tidegate_core::route::Carrier;

#[test]
fn the_whole_file_loads() {
    let w = loaded(FLIGHTS);
    assert_eq!(w.name, "flight-delays");
    assert_eq!(w.env.python.as_deref(), Some("requirements.lock"));
    assert_eq!(w.pipeline, Some(Pipeline::File("dvc.yaml".to_owned())));
    let flights = &w.data["flights"];
    assert_eq!(flights.fresh_within_ms, Some(7 * 86_400_000));
    assert_eq!(flights.as_of.map(|a| a.to_string()).as_deref(), Some("2014-01-01T00:00:00.000Z"));
    let model = &w.models["late-arrival"];
    assert_eq!(model.reference.as_ref().map(|r| r.from.clone()), Some(ReferenceFrom::Stage("features".to_owned())));
    let names: Vec<&str> = model.gates.iter().map(|g| g.name.as_str()).collect();
    assert_eq!(names, ["quality", "champion", "slices", "speed"]);
    assert_eq!(model.gates[3].kind, GateKind::Latency { p99_ms: 5.0 });
    assert_eq!(model.policies.iter().map(|p| p.rego.as_str()).collect::<Vec<_>>(), ["policies/release.rego"]);
    let objective = w.services["late-arrival"].objective.clone().unwrap();
    assert_eq!(objective.availability_bp, Some(9_990));
    assert_eq!(w.environments["production"].after.as_deref(), Some("staging"));
    assert_eq!(w.releases["default"], preset());
    taken_by_the_machine(&w.releases["default"]);
    let rule = &w.retrain["late-arrival"].rule;
    assert_eq!((rule.on.as_slice(), rule.approve, rule.cool_down_ms), (&[Source::Drift][..], false, 3_600_000));
    assert_eq!(rule.budget, Budget { runs: 10, within_ms: 30 * 86_400_000, time_ms: 6 * 3_600_000 });
    let drift = model.drift.clone().unwrap();
    assert_eq!((drift.method, drift.min_rows, drift.window_ms), (DriftMethod::Ks, 5_000, 30 * 86_400_000));
}

fn preset() -> Strategy {
    Strategy {
        steps: vec![
            Step::Shadow { mirror_bp: 10_000, until: Until::Evidence },
            Step::Canary { weights_bp: vec![500, 2_500, 5_000], min_time_ms: 300_000, baseline: Baseline::Fresh },
        ],
        promote: Promotion { watch_ms: 1_800_000, hold_back_bp: 500 },
        exposure_max: None,
        judge: JudgeSettings::preset(),
        blocked_by: BlockedBy::default(),
        by_risk: vec![],
    }
}

/// What loads, the rollout machine takes.
fn taken_by_the_machine(strategy: &Strategy) {
    let draft = SpecDraft {
        service: "s".to_owned(),
        number: 1,
        model: "m".to_owned(),
        candidate: "2".to_owned(),
        stable: Some("1".to_owned()),
        change: "x".to_owned(),
        strategy: String::new(),
        steps: strategy.steps.clone(),
        promote: strategy.promote,
        judge: strategy.judge.clone(),
        exposure_max: None,
        affinity: None,
        offline_disagreement: None,
        risk: None,
        deadlines: Deadlines::default(),
    };
    assert_eq!(Spec::build(draft).err(), None);
}

#[test]
fn the_example_loads() {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/flights/tidegate.yaml");
    let w = loaded(&std::fs::read_to_string(path).unwrap());
    assert!(w.releases.len() > 1);
    w.releases.values().for_each(taken_by_the_machine);
}

#[test]
fn two_keys_are_enough() {
    let w = loaded("version: 1\nworkspace: shop\n");
    assert_eq!(w.releases["default"], preset());
    taken_by_the_machine(&w.releases["default"]);
    assert!(w.environments.contains_key("production"));
    assert_eq!((w.gateway.to_string().as_str(), w.server_name.as_str()), ("127.0.0.1:8700", "tidegate"));
    assert_eq!((w.console.to_string().as_str(), w.gateway_token), ("127.0.0.1:8701", None));
    let named = loaded("version: 1\nworkspace: shop\ngateway: { token: GATEWAY_TOKEN }\n");
    assert_eq!(named.gateway_token.as_deref(), Some("GATEWAY_TOKEN"));
}

#[test]
fn the_table_and_the_preset_of_the_judge_agree() {
    for judge in ["judge: default", "judge: {}", "judge:", "judge: { guardrails: { errors: {} } }"] {
        let w = loaded(&format!("version: 1\nworkspace: x\nreleases:\n  fast:\n    {judge}\n"));
        assert_eq!(w.releases["fast"].judge, JudgeSettings::preset(), "{judge}");
    }
}

#[test]
fn a_judge_is_the_preset_with_what_is_given() {
    let text = "version: 1\nworkspace: x\nreleases:\n  hotfix:\n    steps: [shadow: { until: 90s }, canary: { weights: [1, 10.5%], min_time: 1m }, promote: ]\n    judge:\n      alpha: 1e-3\n      tick: 2s\n      guardrails:\n        errors: { slack: 1%, harm_slack: 0.02 }\n        latency_p50: none\n        latency_p90: { slack: 2%, harm_slack: 4% }\n";
    let strategy = &loaded(text).releases["hotfix"];
    assert_eq!(strategy.steps[0], Step::Shadow { mirror_bp: 10_000, until: Until::Time { min_time_ms: 90_000 } });
    assert_eq!(strategy.steps[1], Step::Canary { weights_bp: vec![100, 1_050], min_time_ms: 60_000, baseline: Baseline::Fresh });
    taken_by_the_machine(strategy);
    let judge = &strategy.judge;
    assert_eq!((judge.alpha, judge.beta, judge.tick_ms), (0.001, 0.05, 2_000));
    let names: Vec<&str> = judge.guardrails.keys().map(String::as_str).collect();
    assert_eq!(names, ["errors", "latency_p95", "latency_p99", "skew", "disagreement", "sample_ratio", "latency_p90"]);
    let errors = &judge.guardrails["errors"];
    assert_eq!((errors.tolerance, errors.slack, errors.harm, errors.harm_slack), (1.1, 0.01, 1.5, 0.02));
    let p90 = &judge.guardrails["latency_p90"];
    assert_eq!((p90.kind.clone(), p90.tolerance, p90.slack), (GuardrailKind::Latency { q: 0.9 }, 1.1, 0.02));
}

#[test]
fn stages_may_be_inline() {
    let text = "version: 1\nworkspace: x\npipeline:\n  stages:\n    train: { cmd: python train.py, outs: [model] }\nmodels:\n  m:\n    artifact: model/m.onnx\n    reference: { stage: train, id: id }\n    drift:\nretrain: { m: { on: drift, set: { train.rounds: 200, months: [1, 2] } } }\n";
    let w = load_in(text, "tidegate.yaml", Some(&repo(&[]))).unwrap();
    let Some(Pipeline::Inline(node)) = w.pipeline else { panic!("not inline") };
    assert_eq!(node.get("stages").unwrap().get("train").unwrap().get("cmd").unwrap().as_str(), Some("python train.py"));
    assert_eq!(w.retrain["m"].set["train.rounds"], 200);
    assert!(w.retrain["m"].rule.approve, "a person, where nothing is said");
}

#[test]
fn every_value_says_where_it_came_from() {
    let w = loaded("version: 1\nworkspace: x\nreleases:\n  default:\n    judge: { alpha: 0.02 }\n");
    let alpha = w.origins.below("releases.default.judge.alpha").next().unwrap();
    assert_eq!((alpha.value.as_str(), &alpha.from), ("0.02", &From::File { line: 5, column: 21 }));
    expect![[r#"
        releases.default.judge.alpha                               0.02  tidegate.yaml:5:21
        releases.default.judge.beta                                0.05  preset default
        releases.default.judge.tick                                10s   preset default
        releases.default.judge.warm_up                             1m    preset default
        releases.default.judge.deadline                            6h    preset default
        releases.default.judge.min_requests                        100   preset default
        releases.default.judge.hold_above                          10    preset default
        releases.default.judge.stale_ticks                         6     preset default
        releases.default.judge.dispersion_correction               true  preset default
        releases.default.judge.guardrails.errors.tolerance         1.1   preset default
        releases.default.judge.guardrails.errors.slack             0.1%  preset default
        releases.default.judge.guardrails.errors.harm              1.5   preset default
        releases.default.judge.guardrails.errors.harm_slack        0.2%  preset default
        releases.default.judge.guardrails.errors.weight            1     preset default
        releases.default.judge.guardrails.latency_p50.tolerance    1.1   preset default
        releases.default.judge.guardrails.latency_p50.slack        2%    preset default
        releases.default.judge.guardrails.latency_p50.harm         1.5   preset default
        releases.default.judge.guardrails.latency_p50.harm_slack   5%    preset default
        releases.default.judge.guardrails.latency_p50.floor        0s    preset default
        releases.default.judge.guardrails.latency_p50.weight       1     preset default
        releases.default.judge.guardrails.latency_p95.tolerance    1.1   preset default
        releases.default.judge.guardrails.latency_p95.slack        0.5%  preset default
        releases.default.judge.guardrails.latency_p95.harm         1.5   preset default
        releases.default.judge.guardrails.latency_p95.harm_slack   2%    preset default
        releases.default.judge.guardrails.latency_p95.floor        0s    preset default
        releases.default.judge.guardrails.latency_p95.weight       1     preset default
        releases.default.judge.guardrails.latency_p99.tolerance    1.1   preset default
        releases.default.judge.guardrails.latency_p99.slack        0.1%  preset default
        releases.default.judge.guardrails.latency_p99.harm         1.5   preset default
        releases.default.judge.guardrails.latency_p99.harm_slack   0.5%  preset default
        releases.default.judge.guardrails.latency_p99.floor        0s    preset default
        releases.default.judge.guardrails.latency_p99.weight       1     preset default
        releases.default.judge.guardrails.skew.tolerance           1     preset default
        releases.default.judge.guardrails.skew.slack               1%    preset default
        releases.default.judge.guardrails.skew.harm                1     preset default
        releases.default.judge.guardrails.skew.harm_slack          3%    preset default
        releases.default.judge.guardrails.skew.differs_by          0.05  preset default
        releases.default.judge.guardrails.skew.weight              1     preset default
        releases.default.judge.guardrails.disagreement.tolerance   1.5   preset default
        releases.default.judge.guardrails.disagreement.slack       0.5%  preset default
        releases.default.judge.guardrails.disagreement.harm        3     preset default
        releases.default.judge.guardrails.disagreement.harm_slack  1%    preset default
        releases.default.judge.guardrails.disagreement.weight      1     preset default
        releases.default.judge.guardrails.sample_ratio.weight      1     preset default
    "#]]
    .assert_eq(&w.origins.explain("tidegate.yaml", "releases.default.judge"));
}

#[test]
fn units() {
    let durations =
        ["500ms", "20s", "5m", "1h30m", "2w", "0s", "5", "m", "", "5 m", "5x", "-5m", "1.5h", "99999999999999999999d", "11000d"];
    let seen: Vec<String> = durations.iter().map(|d| format!("{:?}", unit::duration_ms(d))).collect();
    expect![[r#"
        Ok(500)
        Ok(20000)
        Ok(300000)
        Ok(5400000)
        Ok(1209600000)
        Ok(0)
        Err("`5` has no unit")
        Err("`m` is not a duration")
        Err("an empty text is not a duration")
        Err("`5 m` is not a duration")
        Err("`5x` is not a duration")
        Err("`-5m` is not a duration")
        Err("`1.5h` is not a duration")
        Err("`99999999999999999999d` is not a duration")
        Err("`11000d` is longer than ten years")"#]]
    .assert_eq(&seen.join("\n"));
    for ms in [1, 999, 1_000, 90_000, 5_400_000, 86_400_001, 14 * 86_400_000] {
        assert_eq!(unit::duration_ms(&unit::duration_text(ms)), Ok(ms));
    }
    for bp in 0..=10_000 {
        assert_eq!(unit::percent_bp(&unit::percent_text(bp)), Ok(bp));
    }
    assert_eq!(unit::share("0.1%"), Ok(0.001));
    assert_eq!(unit::share("0.5%"), Ok(0.005));
    assert!(["1.1", "101%", "x", "-1", "inf%", "1e2%", "nan"].iter().all(|t| unit::share(t).is_err()));
    assert!(["100.01", "0.001", "1e1", "", "%", "5 %", "99999999999"].iter().all(|t| unit::percent_bp(t).is_err()));
    assert_eq!(unit::instant_ms("2013-12-31T06:00:00Z").map(|ms| At(ms).to_string()), Ok("2013-12-31T06:00:00.000Z".to_owned()));
    assert!(["2013-13-01", "yesterday", "9999-12-31"].iter().all(|t| unit::instant_ms(t).is_err()));
}

#[test]
fn triggers_and_what_blocks_a_release() {
    let text = "version: 1\nworkspace: x\ndata:\n  d: { path: d.csv }\nmodels:\n  m: { artifact: m.onnx, reference: { path: r.csv, id: id } }\nreleases:\n  careful: { blocked_by: [drift, data] }\nretrain:\n  m:\n    on: [schedule, data, drift, performance, code]\n    every: 7d\n    data: [d]\n    performance: { metric: auc, min: 0.8, min_labels: 50 }\n    budget: { runs: 2 }\n    release: careful\n";
    let w = load_in(text, "tidegate.yaml", None).unwrap();
    assert_eq!(w.releases["careful"].blocked_by, BlockedBy { drift: true, data: true });
    assert_eq!(w.releases["default"].blocked_by, BlockedBy::default());
    let retrain = &w.retrain["m"];
    assert_eq!(retrain.rule.on.len(), 5);
    assert_eq!((retrain.rule.every_ms, retrain.look_ms, retrain.data.as_slice()), (Some(7 * 86_400_000), 60_000, &["d".to_owned()][..]));
    let performance = retrain.rule.performance.as_ref().unwrap();
    assert_eq!((performance.min, performance.max, performance.min_labels, performance.window_ms), (Some(0.8), None, 50, 30 * 86_400_000));
    assert_eq!((retrain.rule.budget.runs, retrain.release.as_deref()), (2, Some("careful")));
    assert!(w.models["m"].drift.is_some(), "drift has its defaults where it starts trainings");
}

#[test]
fn a_preview_and_affinity_load() {
    let text = "version: 1\nworkspace: x\nmodels: { m: { artifact: a } }\nservices:\n  s: { model: m, affinity: { cookie: session } }\n  t: { model: m }\nreleases:\n  blue-green:\n    steps: [preview: { for: 10m }, promote: ]\n  seen:\n    steps: [preview: { cookie: beta, value: \"on\" }, shadow: , canary: , pause: , promote: ]\n";
    let w = loaded(text);
    assert_eq!(w.services["s"].affinity, Some(Carrier::Cookie("session".to_owned())));
    assert_eq!(w.services["t"].affinity, None);
    let preview = |carrier, value, for_ms| Step::Preview { carrier, value, for_ms };
    let header = Carrier::Header("x-tidegate-preview".to_owned());
    assert_eq!(w.releases["blue-green"].steps, [preview(header, None, Some(600_000))]);
    assert_eq!(w.releases["seen"].steps[0], preview(Carrier::Cookie("beta".to_owned()), Some("on".to_owned()), None));
    w.releases.values().for_each(taken_by_the_machine);
}
