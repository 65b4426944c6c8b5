//! Reports, results of tests, the templates, and workflows.

use crate::world::{World, in_order};
use std::path::Path;
use std::process::Command;

fn git(world: &World, args: &[&str]) {
    let said = Command::new("git")
        .args(["-c", "user.name=a", "-c", "user.email=a@b", "-c", "init.defaultBranch=main"])
        .args(args)
        .current_dir(world.root())
        .output()
        .unwrap();
    assert!(said.status.success(), "{}", String::from_utf8_lossy(&said.stderr));
}

const PIPELINE: &str = "stages:\n  train:\n    cmd: 'true'\n    params: [lr]\n    metrics: [{m.json: {cache: false}}]\n    plots: [{loss.csv: {cache: false, x: step, y: loss}}]\n";

#[test]
fn a_report_holds_values_now_and_at_the_base() {
    let world = World::with(&[
        ("dvc.yaml", PIPELINE),
        ("params.yaml", "lr: 0.1\nkept: 1\n"),
        ("m.json", "{\"auc\": 0.9}"),
        ("loss.csv", "step,loss\n0,3\n1,2\n"),
        ("tidegate.yaml", "version: 1\nworkspace: told\npipeline: dvc.yaml\ndata:\n  d: { path: d.csv, contract: c.yaml }\n"),
        ("d.csv", "id\na\n"),
        ("c.yaml", "dataset: d\ncolumns:\n  id: { not_null: true }\n"),
    ]);
    git(&world, &["init", "-q"]);
    git(&world, &["add", "."]);
    git(&world, &["commit", "-qm", "base"]);
    world.write("params.yaml", "lr: 0.2\nkept: 1\n");
    world.write("m.json", "{\"auc\": 0.92}");
    world.write("d.csv", "id\na\n\n");
    world.write("lint.sarif", r#"{"version":"2.1.0","runs":[{"tool":{"driver":{"name":"lint"}},"results":[{"ruleId":"E1","level":"error","message":{"text":"bad"}}]}]}"#);
    let said =
        world.run(&["report", "--base", "HEAD", "--read-sarif", "lint.sarif", "--junit", "j.xml", "--sarif", "s.sarif", "--json"]).well();
    let report = &said.json()["report"];
    assert_eq!(report["params"].as_array().unwrap().len(), 1, "only what changed: {report}");
    assert!((report["metrics"][0]["difference"].as_f64().unwrap() - 0.02).abs() < 1e-12);
    let text = world.read("tidegate-report/report.md");
    in_order(
        &text,
        &[
            "`told`",
            "### Data",
            "| d |",
            "m.json `auc` | 0.9 | 0.92 | +0.02",
            "params.yaml `lr` | 0.1 | 0.2",
            "loss.csv",
            "lint: bad (E1, error)",
        ],
    );
    assert!(world.read("tidegate-report/report.html").contains("<polyline"));
    assert!(world.read("j.xml").contains("classname=\"data\" name=\"d\""));
    assert!(world.read("s.sarif").contains("\"2.1.0\""));
    world.run(&["report", "--base", "nope"]).fails(4, &["no revision `nope`"]);
    world.run(&["report", "--comment", "github"]).fails(2, &["repository is not known", "GITHUB_REPOSITORY"]);
}

const REPORT: &str =
    "<testsuite name='s'><testcase classname='t' name='a' time='0.1'/><testcase classname='t' name='b'>@</testcase></testsuite>";

#[test]
fn a_test_with_both_outcomes_at_one_code_is_quarantined() {
    let world = World::with(&[
        ("ok.xml", &REPORT.replace('@', "")),
        ("bad.xml", &REPORT.replace('@', "<failure message='no'/>")),
        ("none.xml", "<testsuite/>"),
    ]);
    world.run(&["tests", "import", "ok.xml", "--code", "c1"]).well();
    let said = world.run(&["tests", "import", "bad.xml", "--code", "c1"]);
    assert_eq!(said.code, 1, "{said:?}");
    in_order(&said.out, &["1 failed", "t::b"]);
    let found = world.run(&["tests", "flaky", "--json"]).well().json();
    assert_eq!(
        (found[0]["test"].as_str(), found[0]["flaky"].as_f64(), found[0]["advice"].as_str()),
        (Some("t::b"), Some(1.0), Some("quarantine"))
    );
    assert_eq!(world.run(&["tests", "flaky", "--quarantine"]).well().out, "t::b\n");
    in_order(&world.run(&["tests", "import", "bad.xml", "--code", "c2"]).well().out, &["0 failed, 1 failed in quarantine"]);
    let again = world.run(&["tests", "import", "bad.xml", "--code", "c2"]).well();
    assert!(again.out.starts_with("0 results added"), "the same report counts once: {again:?}");
    world.run(&["tests", "import", "none.xml", "--code", "c"]).fails(1, &["holds no test"]);
    world.run(&["tests", "import", "gone.xml", "--code", "c"]).fails(4, &["gone.xml"]);
}

/// The line of a template as a user has it, with the binary that is tested.
fn line(template: &str) -> Vec<String> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/templates").join(template).join("gate.sh");
    let text = std::fs::read_to_string(file).unwrap();
    text.lines().last().unwrap().strip_prefix("exec tidegate ").unwrap().split(' ').map(str::to_owned).collect()
}

#[test]
fn the_model_gate_template_ends_as_the_original_does() {
    let original = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/templates/model-gate/original.py");
    for (accuracy, latency) in [(0.95, 50.0), (0.90, 100.0), (0.89, 50.0), (0.95, 101.0), (0.5, 500.0)] {
        let world = World::new();
        std::fs::create_dir(world.path("metrics")).unwrap();
        world.write("metrics/eval_metrics.json", &format!("{{\"accuracy\": {accuracy}, \"latency_p99_ms\": {latency}}}"));
        let args = line("model-gate");
        let ours = world.run(&args.iter().map(String::as_str).collect::<Vec<_>>());
        let theirs = Command::new("python3").arg(&original).current_dir(world.root()).output().unwrap();
        assert_eq!(Some(ours.code), theirs.status.code(), "{ours:?}");
        for (name, value, limit, bad) in
            [("accuracy", accuracy, "0.9", accuracy < 0.9), ("latency_p99_ms", latency, "100", latency > 100.0)]
        {
            assert_eq!(String::from_utf8_lossy(&theirs.stdout).contains(name), bad);
            if bad {
                in_order(&ours.out, &[name, "fail", &format!("{value}"), limit]);
            }
        }
    }
    let world = World::with(&[("m.json", "{\"accuracy\": null}")]);
    assert_eq!(world.run(&["gate", "--metrics", "m.json", "--min", "accuracy=0.9"]).code, 1, "no number is not a pass");
    world.run(&["gate", "--metrics", "m.json"]).fails(2, &["no bound is given"]);
    world.run(&["gate", "--metrics", "m.json", "--min", "accuracy"]).fails(2, &["is no bound"]);
}

#[test]
fn the_data_gate_template_ends_as_great_expectations_does() {
    let world = World::with(&[("data.csv", "id,amount\n1,5\n2,7\n")]);
    for folder in ["gx/checkpoints", "gx/validation_definitions", "gx/expectations"] {
        std::fs::create_dir_all(world.path(folder)).unwrap();
    }
    world.write("gx/great_expectations.yml", "config_version: 4.0\nfluent_datasources:\n  files:\n    type: pandas_filesystem\n    base_directory: .\n    assets:\n      train:\n        type: csv\n        batch_definitions:\n          whole: {partitioner: {regex: 'data.csv$', param_names: []}}\n");
    world.write(
        "gx/checkpoints/training_data.json",
        r#"{"name":"training_data","validation_definitions":[{"name":"v"}],"actions":[],"result_format":"SUMMARY"}"#,
    );
    world.write("gx/validation_definitions/v.json", r#"{"name":"v","data":{"datasource":{"name":"files"},"asset":{"name":"train"},"batch_definition":{"name":"whole"}},"suite":{"name":"s"}}"#);
    world.write("gx/expectations/s.json", r#"{"name":"s","expectations":[{"type":"expect_column_values_to_be_between","kwargs":{"column":"amount","min_value":0,"max_value":10}}],"meta":{}}"#);
    let args = line("data-gate");
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    in_order(&world.run(&args).well().out, &["training_data passed"]);
    world.write("data.csv", "id,amount\n1,5\n2,70\n");
    let said = world.run(&args);
    assert_eq!(said.code, 1, "{said:?}");
    in_order(&said.out, &["training_data failed", "70"]);
    std::fs::remove_file(world.path("data.csv")).unwrap();
    world.run(&args).fails(2, &["no file of `.` is called", "data.csv"]);
}

#[test]
fn workflows_are_written_once() {
    for (system, file) in [("github", ".github/workflows/tidegate.yml"), ("gitlab", ".gitlab-ci.yml"), ("jenkins", "Jenkinsfile")] {
        let world = World::with(&[("dvc.yaml", PIPELINE), ("requirements.txt", "numpy\n")]);
        world.run(&["init", "--ci", system, "--runner", "gpu"]).well();
        let text = world.read(file);
        in_order(&text, &["tidegate"]);
        assert!(text.contains("gpu") && !text.contains("@RUNNER"), "{text}");
        world.run(&["init", "--ci", system]).fails(5, &[file, "it exists"]);
        world.run(&["init", "--ci", system, "--runner", "a b"]).fails(2, &["no label"]);
    }
}
