//! The real worker with a real model file, where ONNX Runtime is installed.

use crate::world::{World, pool_settings, route, stable, target};
use hyper::StatusCode;
use serde_json::json;
use std::path::{Path, PathBuf};
use tidegate_core::route::Role;
use tidegate_serve::{PoolSettings, TargetSpec, TargetState};

fn library() -> Option<PathBuf> {
    let given = std::env::var_os("TIDEGATE_ONNXRUNTIME").map(PathBuf::from);
    let environment = std::env::var_os("HOME").map(|home| Path::new(&home).join(".cache/tidegate/test-env"));
    tidegate_runtime::find_library(&given.into_iter().chain(environment).collect::<Vec<_>>()).ok()
}

/// `simple.onnx`: OUTPUT0 is the sum and OUTPUT1 the difference of two INT32[-1,16].
fn version(dir: &Path, first_sum: i64) -> PathBuf {
    let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("../runtime/tests/fixtures/simple.onnx");
    std::fs::create_dir_all(dir).unwrap();
    std::fs::copy(fixture, dir.join("model.onnx")).unwrap();
    let mut sums = vec![3; 16];
    sums[0] = first_sum;
    let golden = json!({ "v": 1, "requests": [{
        "id": "three",
        "inputs": [tensor("INPUT0", 1), tensor("INPUT1", 2)],
        "expect": { "outputs": [{ "name": "OUTPUT0", "datatype": "INT32", "shape": [1, 16], "data": sums }] },
    }] });
    std::fs::write(dir.join("golden.json"), golden.to_string()).unwrap();
    dir.to_owned()
}

fn tensor(name: &str, value: i64) -> serde_json::Value {
    json!({ "name": name, "datatype": "INT32", "shape": [1, 16], "data": vec![value; 16] })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_real_model_is_served_and_a_wrong_golden_answer_keeps_it_out() {
    let Some(library) = library() else {
        eprintln!("skipped: no ONNX Runtime: set TIDEGATE_ONNXRUNTIME or install `onnxruntime` in ~/.cache/tidegate/test-env");
        return;
    };
    let settings = PoolSettings { library, ..PoolSettings::new(pool_settings().program, vec!["real".into()], PathBuf::new()) };
    let mut world = World::with(settings, |_| {}).await;
    let dir = tempfile::tempdir().unwrap();
    let spec = |target, dir| TargetSpec { target, model: "late".to_owned(), dir };
    world.pool.ensure(spec(stable(), version(&dir.path().join("1"), 3))).unwrap();
    let wrong = target("2", Role::Candidate);
    world.pool.ensure(spec(wrong.clone(), version(&dir.path().join("2"), 4))).unwrap();
    assert_eq!(world.pool.settled(&stable()).await, Some(TargetState::Ready));
    let state = world.pool.settled(&wrong).await.unwrap();
    assert!(
        matches!(&state, TargetState::Failed { why } if why.contains("1 of 1 golden requests") && why.contains("`three`")),
        "{state:?}"
    );
    let broken = target("3", Role::Candidate);
    std::fs::create_dir_all(dir.path().join("3")).unwrap();
    std::fs::write(dir.path().join("3/model.onnx"), "not a model").unwrap();
    world.pool.ensure(spec(broken.clone(), dir.path().join("3"))).unwrap();
    let state = world.pool.settled(&broken).await.unwrap();
    assert!(matches!(&state, TargetState::Failed { why } if why.contains("not an ONNX model")), "{state:?}");
    world.apply(route(&[(stable(), 10_000)], 0));

    let mut client = world.client();
    let infer = "/v2/models/late/infer";
    let got = client.post(infer, &json!({ "id": "q1", "inputs": [tensor("INPUT0", 40), tensor("INPUT1", 2)] })).await;
    assert_eq!(got.status, StatusCode::OK, "{got:?}");
    let answer = got.json();
    assert_eq!((&answer["model_name"], &answer["model_version"], &answer["id"]), (&json!("late"), &json!("1"), &json!("q1")));
    let output = answer["outputs"].as_array().unwrap().iter().find(|o| o["name"] == "OUTPUT0").unwrap();
    assert_eq!((&output["data"][15], &output["shape"]), (&json!(42), &json!([1, 16])));
    let record = world.outputs.records.recv().await.unwrap();
    assert_eq!((record.record_id.as_str(), record.inputs.len(), record.inputs.first().copied()), ("q1", 32, Some(40.0)));

    let metadata = client.get("/v2/models/late").await.json();
    assert_eq!((&metadata["platform"], &metadata["inputs"][0]["datatype"]), (&json!("onnx_onnxv1"), &json!("INT32")));
    let mut short = tensor("INPUT0", 1);
    short["shape"] = json!([1, 15]);
    let mut float = tensor("INPUT0", 1);
    float["datatype"] = json!("FP32");
    for (inputs, outputs) in [
        (json!([tensor("INPUT0", 1)]), json!([])),
        (json!([tensor("INPUT0", 1), tensor("INPUT9", 1)]), json!([])),
        (json!([short, tensor("INPUT1", 1)]), json!([])),
        (json!([float, tensor("INPUT1", 1)]), json!([])),
        (json!([tensor("INPUT0", 1), tensor("INPUT1", 1)]), json!([{ "name": "ZZ" }])),
    ] {
        let got = client.post(infer, &json!({ "inputs": inputs, "outputs": outputs })).await;
        assert_eq!(got.status, StatusCode::BAD_REQUEST, "{inputs}: {got:?}");
        assert!(!got.error().is_empty());
    }
    let got = client.ask("POST", infer, "{\"inputs\": [".into()).await.unwrap();
    assert_eq!(got.status, StatusCode::BAD_REQUEST, "{got:?}");
    let counts = world.gateway.take_counts("late-arrival").remove(0);
    assert_eq!((counts.live.requests, counts.live.errors, counts.client_faults), (1, 0, 6));
}
