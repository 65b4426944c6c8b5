//! `init` writes files that load, and that say what was found.

use super::super::{init, load_in};
use super::repo;
use expect_test::expect;

#[test]
fn an_empty_repository() {
    let text = init(&repo(&[]));
    expect![[r#"
        # What every key means: docs/tidegate-yaml.md. What is in force: tidegate config explain.
        version: 1
        workspace: shop

        # data:
        #   rows: { path: data/rows.parquet, contract: contracts/rows.yaml, fresh_within: 7d }

        # models:
        #   NAME:
        #     artifact: model/model.onnx
        #     gates:
        #       quality: { metric: accuracy, min: 0.9 }
        # services:
        #   NAME: { model: NAME }
        environments: { production: {} }
    "#]]
    .assert_eq(&text);
    assert!(load_in(&text, "tidegate.yaml", Some(&repo(&[]))).is_ok());
}

#[test]
fn a_repository_with_a_pipeline() {
    let dvc = "stages:\n  fetch:\n    cmd: x\n    outs: [data/flights.parquet]\n  train:\n    cmd: x\n    wdir: ml\n    outs: [model/model.onnx, model/trees.ubj]\n    metrics: [metrics.json]\n  sweep:\n    foreach: [a, b]\n    do:\n      cmd: x\n      outs: ['${item}.onnx']\n";
    let there = repo(&[
        ("dvc.yaml", dvc),
        ("requirements.lock", ""),
        ("data/extra.csv", ""),
        ("old/data.csv", ""),
        ("ml/metrics.json", r#"{"auc": 0.91, "test": {"log_loss": 0.3, "rows": 100, "f1": 0.5}, "name": "x"}"#),
    ]);
    let text = init(&there);
    expect![[r#"
        # What every key means: docs/tidegate-yaml.md. What is in force: tidegate config explain.
        version: 1
        workspace: shop
        env: { python: requirements.lock }
        pipeline: dvc.yaml

        # A contract says what a dataset must look like: contract: contracts/NAME.yaml
        data:
          extra: { path: data/extra.csv }
          flights: { path: data/flights.parquet }

        models:
          model:
            artifact: ml/model/model.onnx
            # bounds at today's values: set what you would refuse
            gates:
              auc: { metric: auc, min: 0.91 }
              test-log_loss: { metric: test.log_loss, max: 0.3 }
              test-f1: { metric: test.f1, min: 0.5 }
          trees:
            artifact: ml/model/trees.ubj
            # bounds at today's values: set what you would refuse
            gates:
              auc: { metric: auc, min: 0.91 }
              test-log_loss: { metric: test.log_loss, max: 0.3 }
              test-f1: { metric: test.f1, min: 0.5 }
        services:
          model: { model: model }
          trees: { model: trees }
        environments: { production: {} }
    "#]]
    .assert_eq(&text);
    let workspace = load_in(&text, "tidegate.yaml", Some(&there)).unwrap_or_else(|p| panic!("{p}"));
    assert_eq!(workspace.name, "shop");
    assert_eq!(workspace.models["model"].gates.len(), 3);
    assert_eq!(workspace.services["model"].model, "model");
}

/// Odd names in a repository never make a file that does not load.
#[test]
fn odd_names_load() {
    let names = [
        "data/a b.csv",
        "data/a: b.csv",
        "data/#.csv",
        "data/é.parquet",
        "data/true.csv",
        "data/1.csv",
        "data/x/1.csv",
        "m/ m.onnx",
        "m/-.onnx",
        "data/'\".csv",
    ];
    let files: Vec<(&str, &str)> = names.iter().map(|n| (*n, "")).collect();
    let there = repo(&files);
    let text = init(&there);
    let workspace = load_in(&text, "tidegate.yaml", Some(&there)).unwrap_or_else(|p| panic!("{text}\n{p}"));
    assert_eq!((workspace.data.len(), workspace.models.len()), (8, 2));
}

#[test]
fn a_pipeline_that_cannot_be_read_is_not_known() {
    let there = repo(&[("dvc.yaml", "stages: [")]);
    assert_eq!(there.pipeline, None);
    assert!(there.writes("anything"));
}
