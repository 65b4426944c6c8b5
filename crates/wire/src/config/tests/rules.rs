//! Mistakes that span several keys, and what is said about each.

use super::mistakes::{check, check_judge, check_model, said};
use super::repo;
use expect_test::expect;

#[test]
fn judges() {
    check_judge(
        "      guardrails:\n        errors: { tolerance: 2, harm: 1.5 }\n",
        expect![[r#"
        error: harm (1.5 * p0 + 0.002) must lie above what is harmless (2 * p0 + 0.001)
         --> tidegate.yaml:7:39 (releases.default.judge.guardrails.errors)
          |
        7 |         errors: { tolerance: 2, harm: 1.5 }
          |                                       ^^^
          = help: raise `harm` or `harm_slack`: neither may be less than `tolerance` or `slack`, and one must be more

        tidegate.yaml: 1 problem"#]],
    );
    check_judge(
        "      guardrails:\n        errors: { slack: 1% }\n",
        expect![[r#"
        error: harm (1.5 * p0 + 0.002) must lie above what is harmless (1.1 * p0 + 0.01)
         --> tidegate.yaml:7:26 (releases.default.judge.guardrails.errors)
          |
        7 |         errors: { slack: 1% }
          |                          ^^
          = help: raise `harm` or `harm_slack`: neither may be less than `tolerance` or `slack`, and one must be more

        tidegate.yaml: 1 problem"#]],
    );
    check_judge(
        "      guardrails:\n        latency_p90: {}\n        sample_ratio: { slack: 1% }\n        errors: { differs_by: 1 }\n",
        expect![[r#"
        error: `latency_p90` is not in the preset, so it needs slacks of its own
         --> tidegate.yaml:7:9 (releases.default.judge.guardrails.latency_p90)
          |
        7 |         latency_p90: {}
          |         ^^^^^^^^^^^
          = help: give `slack` and `harm_slack`: shares of requests that may be slower than the control's quantile

        error: `slack` means nothing for `sample_ratio`
         --> tidegate.yaml:8:25 (releases.default.judge.guardrails.sample_ratio)
          |
        8 |         sample_ratio: { slack: 1% }
          |                         ^^^^^

        error: `differs_by` means nothing for `errors`
         --> tidegate.yaml:9:19 (releases.default.judge.guardrails.errors)
          |
        9 |         errors: { differs_by: 1 }
          |                   ^^^^^^^^^^

        tidegate.yaml: 3 problems"#]],
    );
    check_judge(
        "      deadline: 10m\n",
        expect![[r#"
        error: the steps take at least 16m, and the deadline is 10m
         --> tidegate.yaml:6:17 (releases.default.judge.deadline)
          |
        6 |       deadline: 10m
          |                 ^^^
          = help: raise `deadline`, or shorten `min_time` or `warm_up`

        tidegate.yaml: 1 problem"#]],
    );
    let none: String =
        ["errors", "latency_p50", "latency_p95", "latency_p99", "skew", "disagreement"].map(|g| format!("        {g}: none\n")).concat();
    check_judge(
        &format!("      guardrails:\n{none}"),
        expect![[r#"
        error: no guardrail is left: nothing would be judged
         --> tidegate.yaml:7:9 (releases.default.judge.guardrails)
          |
        7 |         errors: none
          |         ^^^^^^

        tidegate.yaml: 1 problem"#]],
    );
}

#[test]
fn gates() {
    check_model(
        "    gates:\n      a: { metric: auc }\n      b: { metric: auc, min: 1, max: 0 }\n      c: {}\n",
        expect![[r#"
        error: a metric without a bound: it would always pass
         --> tidegate.yaml:7:7 (models.m.gates.a)
          |
        7 |       a: { metric: auc }
          |       ^
          = help: give `min`, `max` or both, or `against: champion`

        error: `min` lies above `max`
         --> tidegate.yaml:8:30 (models.m.gates.b)
          |
        8 |       b: { metric: auc, min: 1, max: 0 }
          |                              ^

        error: this asks for nothing that is known
         --> tidegate.yaml:9:7 (models.m.gates.c)
          |
        9 |       c: {}
          |       ^
          = help: give one of `against`, `by`, `latency_p99_ms`, `rego` or `metric`

        tidegate.yaml: 3 problems"#]],
    );
    check_model(
        "    gates:\n      a: { metric: auc, against: champion, min: 0.9 }\n",
        expect![[r#"
        error: this gate is computed from evaluation rows, and the model has none
         --> tidegate.yaml:7:7 (models.m.gates.a)
          |
        7 |       a: { metric: auc, against: champion, min: 0.9 }
          |       ^
          = help: give `evaluation: { rows: .., id: .., label: .., score: .. }` to the model

        error: `min` does not go with `against`
         --> tidegate.yaml:7:44 (models.m.gates.a)
          |
        7 |       a: { metric: auc, against: champion, min: 0.9 }
          |                                            ^^^
          = help: with `against` go `metric`, `against`, `margin` or `confidence`

        tidegate.yaml: 2 problems"#]],
    );
    check_model(
        "    gates:\n      a: { metric: recall, by: carrier, max_gap: 0.3 }\n",
        expect![[r#"
        error: this gate is computed from evaluation rows, and the model has none
         --> tidegate.yaml:7:7 (models.m.gates.a)
          |
        7 |       a: { metric: recall, by: carrier, max_gap: 0.3 }
          |       ^
          = help: give `evaluation: { rows: .., id: .., label: .., score: .. }` to the model

        error: `recall` needs decisions, and the model has no threshold
         --> tidegate.yaml:7:7 (models.m.gates.a)
          |
        7 |       a: { metric: recall, by: carrier, max_gap: 0.3 }
          |       ^
          = help: give `decision: { threshold: 0.5 }` to the model

        tidegate.yaml: 2 problems"#]],
    );
    check_model(
        "    gates:\n      a: { metric: f1, against: champoin }\n    evaluation: { rows: r.csv, id: i, label: l, score: s }\n",
        expect![[r#"
        error: `f1` is not one of `auc`, `accuracy`, `recall`, `precision`, `log_loss` or `brier`
         --> tidegate.yaml:7:20 (models.m.gates.a.metric)
          |
        7 |       a: { metric: f1, against: champoin }
          |                    ^^
          = help: `metric` takes `auc`, `accuracy`, `recall`, `precision`, `log_loss` or `brier`

        error: `champoin` is not one of `champion` or `challenger`
         --> tidegate.yaml:7:33 (models.m.gates.a.against)
          |
        7 |       a: { metric: f1, against: champoin }
          |                                 ^^^^^^^^
          = help: did you mean `champion`?

        tidegate.yaml: 2 problems"#]],
    );
}

#[test]
fn models_and_services() {
    check_model(
        "    reference: { id: flight }\n",
        expect![[r#"
        error: neither `stage` nor `path` says where the rows are
         --> tidegate.yaml:6:5 (models.m.reference)
          |
        6 |     reference: { id: flight }
          |     ^^^^^^^^^

        tidegate.yaml: 1 problem"#]],
    );
    check_model(
        "    reference: { stage: a, path: b.csv, id: flight }\n",
        expect![[r#"
        error: `stage` and `path` are both given; the rows are in one place
         --> tidegate.yaml:6:34 (models.m.reference)
          |
        6 |     reference: { stage: a, path: b.csv, id: flight }
          |                                  ^^^^^

        tidegate.yaml: 1 problem"#]],
    );
    check_model(
        "    drift: { method: kss, threshold: -1, columns: [] }\n",
        expect![[r#"
        error: drift is measured against the model's reference, and there is none
         --> tidegate.yaml:6:5 (models.m)
          |
        6 |     drift: { method: kss, threshold: -1, columns: [] }
          |     ^^^^^
          = help: give `reference: { stage: .., id: .. }`: live inputs are held against it

        error: `kss` is not one of `ks` or `psi`
         --> tidegate.yaml:6:22 (models.m.drift.method)
          |
        6 |     drift: { method: kss, threshold: -1, columns: [] }
          |                      ^^^
          = help: did you mean `ks`?

        error: `-1` is out of range
         --> tidegate.yaml:6:38 (models.m.drift.threshold)
          |
        6 |     drift: { method: kss, threshold: -1, columns: [] }
          |                                      ^^
          = help: `threshold` takes a number above 0

        error: 0 items; the list takes 1 to 1000
         --> tidegate.yaml:6:51 (models.m.drift.columns)
          |
        6 |     drift: { method: kss, threshold: -1, columns: [] }
          |                                                   ^

        tidegate.yaml: 4 problems"#]],
    );
    check_model(
        "retrain:\n  m: { on: drift, set: { train: { rounds: 3 } } }\n",
        expect![[r#"
        error: drift is measured against the model's reference, and there is none
         --> tidegate.yaml:4:3 (models.m)
          |
        4 |   m:
          |   ^
          = help: give `reference: { stage: .., id: .. }`: live inputs are held against it

        error: parameter `train` takes a value, not a mapping
         --> tidegate.yaml:7:33 (retrain.m.set.train)
          |
        7 |   m: { on: drift, set: { train: { rounds: 3 } } }
          |                                 ^
          = help: write nested names with dots: `train.rounds: 200`

        tidegate.yaml: 2 problems"#]],
    );
    check_model(
        "services:\n  a: { model: m, endpoint: /x }\n  b: { model: m, endpoint: /x }\n  c: { model: m, endpoint: x y }\n",
        expect![[r#"
        error: endpoint `/x` is already that of service `a`
         --> tidegate.yaml:8:28 (services.b.endpoint)
          |
        8 |   b: { model: m, endpoint: /x }
          |                            ^^

        error: `x y` is not the path of a URL
         --> tidegate.yaml:9:28 (services.c.endpoint)
          |
        9 |   c: { model: m, endpoint: x y }
          |                            ^^^
          = help: `endpoint` takes the path of a URL, as `/v2/models/NAME`

        tidegate.yaml: 2 problems"#]],
    );
    check(
        "gateway: { listen: '127.0.0.1:8701' }\n",
        expect![[r#"
        error: gateway and console cannot both listen on 127.0.0.1:8701
         --> tidegate.yaml:3:20 (console.listen)
          |
        3 | gateway: { listen: '127.0.0.1:8701' }
          |                    ^^^^^^^^^^^^^^^^

        tidegate.yaml: 1 problem"#]],
    );
    check(
        "models:\n  a/b: { artifact: m.onnx }\n",
        expect![[r#"
        error: `a/b` cannot be the name of a model
         --> tidegate.yaml:4:3 (models)
          |
        4 |   a/b: { artifact: m.onnx }
          |   ^^^
          = help: letters, digits, `-`, `_` and `.`, a letter or digit first, at most 64 characters

        tidegate.yaml: 1 problem"#]],
    );
}

#[test]
fn against_the_repository() {
    let dvc = "stages:\n  features:\n    cmd: x\n    outs: [data/features.parquet]\n  train:\n    cmd: x\n    outs: [model]\n    metrics:\n      - metrics.json: { cache: false }\n";
    let there = repo(&[("dvc.yaml", dvc), ("metrics.json", r#"{"auc": 0.9, "test": {"recall": 0.5}}"#), ("contracts/flights.yaml", "")]);
    let text = "version: 1\nworkspace: x\npipeline: dvc.yaml\ndata:\n  d: { path: data/features.parquet, contract: contracts/flight.yaml }\nmodels:\n  m:\n    artifact: model/m.onnx\n    golden: golden.json\n    reference: { stage: feature, id: i }\n    gates:\n      a: { metric: auk, min: 0.5 }\n      b: { metric: test.recall, min: 0.5 }\n";
    expect![[r#"
        error: there is no file `contracts/flight.yaml`
         --> tidegate.yaml:5:47 (data.d.contract)
          |
        5 |   d: { path: data/features.parquet, contract: contracts/flight.yaml }
          |                                               ^^^^^^^^^^^^^^^^^^^^^
          = help: did you mean `contracts/flights.yaml`?

        error: there is no file `golden.json`, and no stage writes it
         --> tidegate.yaml:9:13 (models.m.golden)
          |
        9 |     golden: golden.json
          |             ^^^^^^^^^^^

        error: the pipeline has no stage `feature`
          --> tidegate.yaml:10:25 (models.m.reference.stage)
           |
        10 |     reference: { stage: feature, id: i }
           |                         ^^^^^^^
           = help: did you mean `features`?

        error: the pipeline has no metric `auk`
          --> tidegate.yaml:12:20 (models.m.gates.a.metric)
           |
        12 |       a: { metric: auk, min: 0.5 }
           |                    ^^^
           = help: did you mean `auc`?

        tidegate.yaml: 4 problems"#]]
    .assert_eq(&said(text, Some(&there)));
}

#[test]
fn days_of_a_retraining() {
    let head = "    reference: { path: r.csv, id: i }\nretrain:\n  m:\n    on: drift\n    set:\n";
    check_model(
        &format!("{head}      a: '${{window.middle}}'\n      b: '${{window.start - 7}}'\n      c: 'x ${{window.end'\n"),
        expect![[r#"
        error: `window.middle` is no day that a retraining knows
          --> tidegate.yaml:11:10 (retrain.m.set.a)
           |
        11 |       a: '${window.middle}'
           |          ^^^^^^^^^^^^^^^^^^
           = help: known are `${window.start}` and `${window.end}`, each with `+ 7d` or `- 7d` behind it

        error: `7` has no unit
          --> tidegate.yaml:12:10 (retrain.m.set.b)
           |
        12 |       b: '${window.start - 7}'
           |          ^^^^^^^^^^^^^^^^^^^^^
           = help: known are `${window.start}` and `${window.end}`, each with `+ 7d` or `- 7d` behind it

        error: `${` is not closed in `x ${window.end`
          --> tidegate.yaml:13:10 (retrain.m.set.c)
           |
        13 |       c: 'x ${window.end'
           |          ^^^^^^^^^^^^^^^^
           = help: known are `${window.start}` and `${window.end}`, each with `+ 7d` or `- 7d` behind it

        tidegate.yaml: 3 problems"#]],
    );
    check_model(&format!("{head}      a: ${{window.start - 184d}}\n      b: ${{window.end}}\n"), expect!["no problem"]);
}

#[test]
fn triggers_have_what_they_need_and_nothing_else() {
    check_model(
        "retrain:\n  m:\n    on: [schedule, performance, schedul]\n    data: [d]\n    performance: { metric: auc }\n",
        expect![[r#"
            error: `schedule` needs `every`
             --> tidegate.yaml:8:5 (retrain.m)
              |
            8 |     on: [schedule, performance, schedul]
              |     ^^
              = help: give `every: 7d`

            error: `schedul` is not one of `schedule`, `data`, `drift`, `performance` or `code`
             --> tidegate.yaml:8:33 (retrain.m.on[2])
              |
            8 |     on: [schedule, performance, schedul]
              |                                 ^^^^^^^
              = help: did you mean `schedule`?

            error: `data` is given, and `on` does not name it
             --> tidegate.yaml:9:5 (retrain.m)
              |
            9 |     data: [d]
              |     ^^^^
              = help: name it, or take this out

            error: `d` is not under `data`
             --> tidegate.yaml:9:12 (retrain.m.data[0])
              |
            9 |     data: [d]
              |            ^
              = help: `data` has no names yet

            error: neither `min` nor `max` says what is a drop
              --> tidegate.yaml:10:18 (retrain.m.performance)
               |
            10 |     performance: { metric: auc }
               |                  ^
               = help: give one: `min: 0.8`

            tidegate.yaml: 5 problems"#]],
    );
    check_model(
        "retrain:\n  m: { on: code, every: 7d, budget: { runs: 0 } }\n",
        expect![[r#"
        error: `every` is given, and `on` does not name `schedule`
         --> tidegate.yaml:7:18 (retrain.m)
          |
        7 |   m: { on: code, every: 7d, budget: { runs: 0 } }
          |                  ^^^^^
          = help: name it, or take this out

        error: `0` is out of range
         --> tidegate.yaml:7:45 (retrain.m.budget.runs)
          |
        7 |   m: { on: code, every: 7d, budget: { runs: 0 } }
          |                                             ^
          = help: `runs` takes a whole number from 1 to 1000

        tidegate.yaml: 2 problems"#]],
    );
}

#[test]
fn upstreams_are_servers_or_a_command() {
    check(
        "upstreams:\n  none: { token: T }\n  both: { servers: http://a:1, command: [run, \"{port}\"] }\n  odd: { servers: http://a:1, environment: T }\n  fine: { command: [run, \"{port}\"], copies: 2, environment: MODEL_TOKEN }\n",
        expect![[r#"
            error: one of `servers` and `command` says who answers
             --> tidegate.yaml:4:3 (upstreams.none)
              |
            4 |   none: { token: T }
              |   ^^^^
              = help: give `servers: http://127.0.0.1:8000`, or `command: [python, serve.py, --port, "{port}"]` to have one started

            error: one of `servers` and `command` says who answers
             --> tidegate.yaml:5:3 (upstreams.both)
              |
            5 |   both: { servers: http://a:1, command: [run, "{port}"] }
              |   ^^^^
              = help: give `servers: http://127.0.0.1:8000`, or `command: [python, serve.py, --port, "{port}"]` to have one started

            error: it is of a `command`, and there is none
             --> tidegate.yaml:6:44 (upstreams.odd.environment)
              |
            6 |   odd: { servers: http://a:1, environment: T }
              |                                            ^

            tidegate.yaml: 3 problems"#]],
    );
}
