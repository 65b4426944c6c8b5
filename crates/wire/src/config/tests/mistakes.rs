//! Mistakes, and what is said about each. All of a file are said at once.

use super::super::{PROBLEMS_MAX, load_in};
use super::FLIGHTS;
use crate::config::RepoScan;
use expect_test::{Expect, expect};

pub(super) fn said(text: &str, repo: Option<&RepoScan>) -> String {
    match load_in(text, "tidegate.yaml", repo) {
        Ok(_) => "no problem".to_owned(),
        Err(problems) => problems.to_string(),
    }
}

/// `rest` follows a good head of two lines.
pub(super) fn check(rest: &str, expected: Expect) {
    expected.assert_eq(&said(&format!("version: 1\nworkspace: shop\n{rest}"), None));
}

/// The same, with a way to write one model and one strategy shortly.
pub(super) fn check_model(keys: &str, expected: Expect) {
    check(&format!("models:\n  m:\n    artifact: m.onnx\n{keys}"), expected);
}

pub(super) fn check_judge(keys: &str, expected: Expect) {
    check(&format!("releases:\n  default:\n    judge:\n{keys}"), expected);
}

#[test]
fn not_a_mapping_at_all() {
    expect![[r#"
        error: the file holds nothing, not a mapping
         --> tidegate.yaml:1:1
          = help: start with `version: 1` and `workspace: NAME`, or run `tidegate init`

        tidegate.yaml: 1 problem"#]]
    .assert_eq(&said("", None));
    expect![[r#"
        error: the file holds a list, not a mapping
         --> tidegate.yaml:1:1
          |
        1 | - a
          | ^
          = help: start with `version: 1` and `workspace: NAME`, or run `tidegate init`

        tidegate.yaml: 1 problem"#]]
    .assert_eq(&said("- a\n", None));
    expect![[r#"
        error: while parsing a flow sequence, expected ',' or ']'
         --> tidegate.yaml:2:1

        tidegate.yaml: 1 problem"#]]
    .assert_eq(&said("workspace: [a\n", None));
    expect![[r#"
        error: key `version` is given twice; first at line 1, column 1
         --> tidegate.yaml:3:1
          |
        3 | version: 1
          | ^

        tidegate.yaml: 1 problem"#]]
    .assert_eq(&said("version: 1\nworkspace: a\nversion: 1\n", None));
}

#[test]
fn missing_keys() {
    expect![[r#"
        error: `version` is missing
         --> tidegate.yaml:1:1
          |
        1 | workspace: shop
          | ^
          = help: `version` takes the number 1. Version of this format.

        tidegate.yaml: 1 problem"#]]
    .assert_eq(&said("workspace: shop\n", None));
    check(
        "services: { web: {} }\n",
        expect![[r#"
        error: `model` is missing
         --> tidegate.yaml:3:13 (services.web)
          |
        3 | services: { web: {} }
          |             ^^^
          = help: `model` takes a name under `models`. The model that it serves.

        tidegate.yaml: 1 problem"#]],
    );
}

#[test]
fn misspelt_keys() {
    check(
        "modles: {}\n",
        expect![[r#"
        error: unknown key `modles`
         --> tidegate.yaml:3:1
          |
        3 | modles: {}
          | ^^^^^^
          = help: did you mean `models`?

        tidegate.yaml: 1 problem"#]],
    );
    check_model(
        "    gates:\n      q: { metirc: auc, min: 0.9 }\n",
        expect![[r#"
        error: this asks for nothing that is known
         --> tidegate.yaml:7:12 (models.m.gates.q)
          |
        7 |       q: { metirc: auc, min: 0.9 }
          |            ^^^^^^
          = help: did you mean `metric`?

        tidegate.yaml: 1 problem"#]],
    );
    check_judge(
        "      aplha: 0.01\n",
        expect![[r#"
        error: unknown key `aplha`
         --> tidegate.yaml:6:7 (releases.default.judge)
          |
        6 |       aplha: 0.01
          |       ^^^^^
          = help: did you mean `alpha`?

        tidegate.yaml: 1 problem"#]],
    );
    check_judge(
        "      guardrails:\n        latency_99: { slack: 1% }\n",
        expect![[r#"
        error: there is no guardrail `latency_99`
         --> tidegate.yaml:7:9 (releases.default.judge.guardrails.latency_99)
          |
        7 |         latency_99: { slack: 1% }
          |         ^^^^^^^^^^
          = help: did you mean `latency_p99`?

        tidegate.yaml: 1 problem"#]],
    );
    check(
        "environments: { prod: { behind: staging } }\n",
        expect![[r#"
            error: unknown key `behind`
             --> tidegate.yaml:3:25 (environments.prod)
              |
            3 | environments: { prod: { behind: staging } }
              |                         ^^^^^^
              = help: known: `after`, `verify`, `delay`

            tidegate.yaml: 1 problem"#]],
    );
}

#[test]
fn wrong_kinds() {
    check(
        "models: [a, b]\n",
        expect![[r#"
        error: `models` takes a mapping from the name of a model, not a list
         --> tidegate.yaml:3:9 (models)
          |
        3 | models: [a, b]
          |         ^

        tidegate.yaml: 1 problem"#]],
    );
    check(
        "services:\n  web: m\n",
        expect![[r#"
        error: `web` takes a mapping, not a string
         --> tidegate.yaml:4:8 (services.web)
          |
        4 |   web: m
          |        ^

        tidegate.yaml: 1 problem"#]],
    );
    check(
        "data:\n  d: { path: {a: b} }\n",
        expect![[r#"
            error: `path` takes the path of a file in the workspace, which the pipeline may write, or an address, as `s3://bucket/name`, not a mapping
             --> tidegate.yaml:4:14 (data.d.path)
              |
            4 |   d: { path: {a: b} }
              |              ^

            tidegate.yaml: 1 problem"#]],
    );
    check(
        "workspaces: 1\nversion2: 1\n",
        expect![[r#"
        error: unknown key `workspaces`
         --> tidegate.yaml:3:1
          |
        3 | workspaces: 1
          | ^^^^^^^^^^
          = help: did you mean `workspace`?

        error: unknown key `version2`
         --> tidegate.yaml:4:1
          |
        4 | version2: 1
          | ^^^^^^^^
          = help: did you mean `version`?

        tidegate.yaml: 2 problems"#]],
    );
    check(
        "pipeline: [a]\n",
        expect![[r#"
        error: `pipeline` takes the path of a file in the workspace, or a mapping, not a list
         --> tidegate.yaml:3:11 (pipeline)
          |
        3 | pipeline: [a]
          |           ^

        tidegate.yaml: 1 problem"#]],
    );
}

#[test]
fn references() {
    check_model(
        "services:\n  web: { model: n, release: fast }\nretrain:\n  mm: { on: drift }\n",
        expect![[r#"
        error: `n` is not under `models`
         --> tidegate.yaml:7:17 (services.web.model)
          |
        7 |   web: { model: n, release: fast }
          |                 ^
          = help: did you mean `m`?

        error: `fast` is not under `releases`
         --> tidegate.yaml:7:29 (services.web.release)
          |
        7 |   web: { model: n, release: fast }
          |                             ^^^^
          = help: known: `default`

        error: `mm` is not under `models`
         --> tidegate.yaml:9:3 (retrain)
          |
        9 |   mm: { on: drift }
          |   ^^
          = help: did you mean `m`?

        tidegate.yaml: 3 problems"#]],
    );
    check(
        "environments:\n  staging:\n  production: { after: stagin }\n",
        expect![[r#"
        error: `stagin` is not under `environments`
         --> tidegate.yaml:5:24 (environments.production.after)
          |
        5 |   production: { after: stagin }
          |                        ^^^^^^
          = help: did you mean `staging`?

        tidegate.yaml: 1 problem"#]],
    );
    check(
        "environments:\n  a: { after: c }\n  b: { after: a }\n  c: { after: b }\n  d: { after: a }\n",
        expect![[r#"
        error: environments come after one another in a circle: a -> c -> b -> a
         --> tidegate.yaml:4:15 (environments.a.after)
          |
        4 |   a: { after: c }
          |               ^

        tidegate.yaml: 1 problem"#]],
    );
    check(
        "services:\n  web: { model: m }\n",
        expect![[r#"
        error: `m` is not under `models`
         --> tidegate.yaml:4:17 (services.web.model)
          |
        4 |   web: { model: m }
          |                 ^
          = help: `models` has no names yet

        tidegate.yaml: 1 problem"#]],
    );
}

#[test]
fn paths() {
    check(
        "pipeline: ../dvc.yaml\nenv: { python: /etc/lock }\n",
        expect![[r#"
        error: path `../dvc.yaml` leaves the workspace
         --> tidegate.yaml:3:11 (pipeline)
          |
        3 | pipeline: ../dvc.yaml
          |           ^^^^^^^^^^^
          = help: paths are relative to the folder of this file, with `/`

        error: path `/etc/lock` is absolute
         --> tidegate.yaml:4:16 (env.python)
          |
        4 | env: { python: /etc/lock }
          |                ^^^^^^^^^
          = help: paths are relative to the folder of this file, with `/`

        tidegate.yaml: 2 problems"#]],
    );
    check(
        "data:\n  d: { path: a//b.csv, contract: 'a\\b' }\n",
        expect![[r#"
        error: path `a//b.csv` has an empty part or `.`
         --> tidegate.yaml:4:14 (data.d.path)
          |
        4 |   d: { path: a//b.csv, contract: 'a\b' }
          |              ^^^^^^^^
          = help: paths are relative to the folder of this file, with `/`

        error: path `a\b` has a backslash
         --> tidegate.yaml:4:34 (data.d.contract)
          |
        4 |   d: { path: a//b.csv, contract: 'a\b' }
          |                                  ^^^^^
          = help: paths are relative to the folder of this file, with `/`

        tidegate.yaml: 2 problems"#]],
    );
}

#[test]
fn many_at_once() {
    let text = FLIGHTS
        .replace("decision:", "decison:")
        .replace("fresh_within: 7d", "fresh_within: 7")
        .replace("weights: [5, 25, 50]", "weights: [5, 25, 75]")
        .replace("alpha: 0.01 ", "alpha: 0 ")
        .replace("after: staging", "after: stagging")
        .replace("metric: auc, min: 0.85", "metric: auc, min: high");
    expect![[r#"
        error: `7` has no unit
         --> tidegate.yaml:5:90 (data.flights.fresh_within)
          |
        5 |   flights: { path: data/flights.parquet, contract: contracts/flights.yaml, fresh_within: 7, as_of: 2013-12-31, owner: op...
          |                                                                                          ^
          = help: `fresh_within` takes a duration, as `500ms`, `20s`, `5m`, `6h` or `30d`

        error: unknown key `decison`
          --> tidegate.yaml:12:5 (models.late-arrival)
           |
        12 |     decison: { threshold: 0.5 }
           |     ^^^^^^^
           = help: did you mean `decision`?

        error: `high` is not a number
          --> tidegate.yaml:16:37 (models.late-arrival.gates.quality.min)
           |
        16 |       quality:  { metric: auc, min: high }
           |                                     ^^^^
           = help: `min` takes a number

        error: `recall` needs decisions, and the model has no threshold
          --> tidegate.yaml:18:7 (models.late-arrival.gates.slices)
           |
        18 |       slices:   { metric: recall, by: carrier, max_gap: 0.35, min_rows: 200 }        # smaller slices are listed as not ...
           |       ^^^^^^
           = help: give `decision: { threshold: 0.5 }` to the model

        error: `stagging` is not under `environments`
          --> tidegate.yaml:23:51 (environments.production.after)
           |
        23 | environments: { staging: {}, production: { after: stagging } }
           |                                                   ^^^^^^^^
           = help: did you mean `staging`?

        error: `75` is out of range
          --> tidegate.yaml:28:36 (releases.default.steps[1].canary.weights[2])
           |
        28 |       - canary: { weights: [5, 25, 75], min_time: 5m, baseline: fresh }   # an equal copy of stable as control
           |                                    ^^
           = help: `weights[2]` takes a percentage from 0.01% to 50%, as `5` or `0.5%`

        error: `0` is out of range
          --> tidegate.yaml:31:14 (releases.default.judge.alpha)
           |
        31 |       alpha: 0        # chance that a harmless change is rolled back, over all guardrails, steps and retries
           |              ^
           = help: `alpha` takes a number between 0 and 1, both excluded

        tidegate.yaml: 7 problems"#]]
    .assert_eq(&said(&text, None));
    let json = load_in("version: 1\nworkspace: x\nmodles: {}\n", "f.yaml", None).unwrap_err().to_json();
    expect![[r#"{"file":"f.yaml","problems":[{"line":3,"column":1,"path":"","found":"modles","message":"unknown key `modles`","help":"did you mean `models`?"}],"more":0}"#]].assert_eq(&json.to_string());
    let flood: String = (0..PROBLEMS_MAX + 7).map(|i| format!("zz{i}zz: 1\n")).collect();
    let problems = load_in(&format!("version: 1\nworkspace: x\n{flood}"), "f.yaml", None).unwrap_err();
    assert_eq!((problems.problems.len(), problems.more), (PROBLEMS_MAX, 7));
}

#[test]
fn long_lines_are_cut_around_the_mistake() {
    let pad = "x".repeat(300);
    check(
        &format!("data: {{ d: {{ path: {pad}.csv, fresh_within: 7, owner: {pad} }} }}\n"),
        expect![[r#"
        error: `7` has no unit
         --> tidegate.yaml:3:340 (data.d.fresh_within)
          |
        3 | ...xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx.csv, fresh_within: 7, owner: xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx...
          |                                                                ^
          = help: `fresh_within` takes a duration, as `500ms`, `20s`, `5m`, `6h` or `30d`

        tidegate.yaml: 1 problem"#]],
    );
}
