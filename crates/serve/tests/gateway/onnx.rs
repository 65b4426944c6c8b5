//! The real worker with real model files, where ONNX Runtime is installed.

use crate::client::{Client, Got};
use crate::world::{World, patient, pool_settings, route, stable, target};
use hyper::StatusCode;
use serde_json::json;
use std::path::{Path, PathBuf};
use tidegate_core::route::Role;
use tidegate_serve::{PoolSettings, TargetSpec, TargetState};

/// A gateway whose workers are the real ones; none, and a word that says so, without ONNX Runtime.
pub async fn real() -> Option<World> {
    let given = std::env::var_os("TIDEGATE_ONNXRUNTIME").map(PathBuf::from);
    let environment = std::env::var_os("HOME").map(|home| Path::new(&home).join(".cache/tidegate/test-env"));
    let Ok(library) = tidegate_runtime::find_library(&given.into_iter().chain(environment).collect::<Vec<_>>()) else {
        eprintln!("skipped: no ONNX Runtime: set TIDEGATE_ONNXRUNTIME or install `onnxruntime` in ~/.cache/tidegate/test-env");
        return None;
    };
    let settings = PoolSettings { library, ..PoolSettings::new(pool_settings().program, vec!["real".into()], PathBuf::new()) };
    Some(World::with(settings, |_| {}).await)
}

fn fixture(name: &str) -> Vec<u8> {
    std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("../runtime/tests/fixtures").join(name)).unwrap()
}

/// A model whose `out` is its `in`, of one dimension: `half.onnx` with another element type of ONNX.
pub fn same(dir: &Path, element: u8, golden: serde_json::Value) -> PathBuf {
    let mut model = fixture("half.onnx");
    let places: Vec<_> = (0..model.len() - 2).filter(|at| model[*at..at + 3] == [8, 10, 18]).collect();
    assert_eq!(places.len(), 2, "input and output");
    for at in places {
        model[at + 1] = element;
    }
    std::fs::create_dir_all(dir).unwrap();
    std::fs::write(dir.join("model.onnx"), model).unwrap();
    let tensor = |name: &str| json!([{ "name": name, "datatype": golden["datatype"], "shape": [1], "data": golden["data"] }]);
    let requests = json!([{ "id": "one", "inputs": tensor("in"), "expect": { "outputs": tensor("out") } }]);
    std::fs::write(dir.join("golden.json"), json!({ "v": 1, "requests": requests }).to_string()).unwrap();
    dir.to_owned()
}

/// `simple.onnx`: OUTPUT0 is the sum and OUTPUT1 the difference of two INT32[-1,16].
pub fn version(dir: &Path, first_sum: i64) -> PathBuf {
    std::fs::create_dir_all(dir).unwrap();
    std::fs::write(dir.join("model.onnx"), fixture("simple.onnx")).unwrap();
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
    let Some(mut world) = real().await else { return };
    let dir = tempfile::tempdir().unwrap();
    let spec = |target, dir| TargetSpec::new(target, "late", dir);
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
        (json!([tensor("INPUT0", 1), tensor("INPUT1", 1)]), json!([{ "name": "OUTPUT0" }, { "name": "OUTPUT0" }])),
    ] {
        let got = client.post(infer, &json!({ "inputs": inputs, "outputs": outputs })).await;
        assert_eq!(got.status, StatusCode::BAD_REQUEST, "{inputs}: {got:?}");
        assert!(!got.error().is_empty());
    }
    let got = client.post(infer, &json!({ "inputs": [tensor("INPUT0", 1), tensor("INPUT1", 1)], "outputs": [{ "name": "ZZ" }] })).await;
    assert_eq!(got.error(), "unexpected inference output 'ZZ' for model 'late': the outputs are OUTPUT0, OUTPUT1");
    let got = client.ask("POST", infer, "{\"inputs\": [".into()).await.unwrap();
    assert_eq!(got.status, StatusCode::BAD_REQUEST, "{got:?}");
    let counts = world.gateway.take_counts("late-arrival").remove(0);
    assert_eq!((counts.live.requests, counts.live.errors, counts.client_faults), (1, 0, 8));
}

/// `infer` with a body of JSON and bytes behind it.
async fn ask(client: &mut Client, model: &str, json_bytes: usize, body: Vec<u8>) -> Got {
    client.headers = vec![("inference-header-content-length", json_bytes.to_string())];
    client.ask("POST", &format!("/v2/models/{model}/infer"), body.into()).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tensors_travel_as_bytes_and_are_recorded_as_ever() {
    let Some(mut world) = real().await else { return };
    let dir = tempfile::tempdir().unwrap();
    let spec = TargetSpec::new(stable(), "late", version(&dir.path().join("1"), 3));
    world.pool.ensure(spec).unwrap();
    assert_eq!(world.pool.settled(&stable()).await, Some(TargetState::Ready));
    world.apply(route(&[(stable(), 10_000)], 0));
    let mut client = world.client();

    let bytes =
        |rows: i64| json!({ "name": "INPUT0", "datatype": "INT32", "shape": [rows, 16], "parameters": { "binary_data_size": rows * 64 } });
    let outputs = json!([{ "name": "OUTPUT1", "parameters": { "binary_data": true } }, { "name": "OUTPUT0" }]);
    let json = json!({ "id": "b1", "inputs": [bytes(1), tensor("INPUT1", 2)], "outputs": outputs }).to_string();
    let forty: Vec<u8> = [40_i32; 16].iter().flat_map(|n| n.to_le_bytes()).collect();
    let got = ask(&mut client, "late", json.len(), [json.as_bytes(), &forty].concat()).await;
    assert_eq!((got.status, got.header("content-type")), (StatusCode::OK, "application/octet-stream"), "{got:?}");
    let (answer, rest) = got.parts();
    assert_eq!(
        answer["outputs"][0],
        json!({ "name": "OUTPUT1", "shape": [1, 16], "datatype": "INT32", "parameters": { "binary_data_size": 64 } })
    );
    assert_eq!(
        (&answer["outputs"][1]["data"][0], rest),
        (&json!(42), &[38_i32; 16].iter().flat_map(|n| n.to_le_bytes()).collect::<Vec<_>>()[..])
    );
    let record = world.outputs.records.recv().await.unwrap();
    assert_eq!((record.record_id.as_str(), record.inputs.len(), record.inputs.first().copied()), ("b1", 32, Some(40.0)));

    let mut none = tensor("INPUT1", 2);
    (none["shape"], none["data"]) = (json!([0, 16]), json!([]));
    let json = json!({ "inputs": [bytes(0), none], "parameters": { "binary_data_output": true } }).to_string();
    let got = ask(&mut client, "late", json.len(), json.clone().into()).await;
    assert_eq!((got.status, &got.parts().0["outputs"][0]["shape"]), (StatusCode::OK, &json!([0, 16])), "{got:?}");
    for (json_bytes, body, says) in [
        (json.len(), [json.as_bytes(), b"x"].concat(), "unexpected additional input data: 1 bytes behind the last tensor"),
        (0, forty, "a raw binary request is for a model with one input, this one has 2"),
    ] {
        let got = ask(&mut client, "late", json_bytes, body).await;
        assert_eq!((got.status, got.error().as_str()), (StatusCode::BAD_REQUEST, says));
    }
    client.headers.clear();
    let stats = client.get("/v2/models/late/stats").await.json();
    assert_eq!((&stats["model_stats"][0]["execution_count"], &stats["model_stats"][0]["inference_count"]), (&json!(2), &json!(1)));
    let config = client.get("/v2/models/late/config").await.json();
    assert_eq!(
        (&config["platform"], &config["backend"], &config["max_batch_size"]),
        (&json!("onnxruntime_onnx"), &json!("onnxruntime"), &json!(0))
    );
    assert_eq!(config["output"][1], json!({ "name": "OUTPUT1", "data_type": "TYPE_INT32", "dims": [-1, 16] }));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn half_precision_is_bytes_alone() {
    let Some(mut world) = real().await else { return };
    let dir = tempfile::tempdir().unwrap();
    for (generation, datatype, element, one) in [(1, "FP16", 10, [0, 0x3c]), (2, "BF16", 16, [0x80, 0x3f])] {
        let target = target(datatype, Role::Stable);
        let golden = json!({ "datatype": datatype, "data": [1.0] });
        let spec = TargetSpec {
            target: target.clone(),
            model: "late".to_owned(),
            dir: same(&dir.path().join(datatype), element, golden),
            upstream: None,
            conduct: patient(),
        };
        world.pool.ensure(spec).unwrap();
        assert_eq!(world.pool.settled(&target).await, Some(TargetState::Ready), "{datatype}");
        world.apply(route(&[(target, 10_000)], 0));
        let mut client = world.client();
        let got = ask(&mut client, "late", 0, [one, one].concat()).await;
        assert_eq!((got.status, got.parts().1), (StatusCode::OK, &[one, one].concat()[..]), "{got:?}");
        let output = &got.parts().0["outputs"][0];
        assert_eq!((&output["datatype"], &output["shape"]), (&json!(datatype), &json!([2])));
        let record = world.outputs.records.recv().await.unwrap();
        assert_eq!((record.inputs.as_slice(), record.generation), (&[1.0_f32][..], generation));
        client.headers.clear();
        let tensor = json!({ "name": "in", "datatype": datatype, "shape": [1], "data": [1.0] });
        let got = client.post("/v2/models/late/infer", &json!({ "inputs": [tensor] })).await;
        let says = format!("inference input 'in': receiving {datatype} data via JSON is not supported. Please use the binary data format");
        assert_eq!((got.status, got.error()), (StatusCode::BAD_REQUEST, says));
        let json = json!({ "inputs": [{ "name": "in", "datatype": datatype, "shape": [1], "parameters": { "binary_data_size": 2 } }] })
            .to_string();
        let got = ask(&mut client, "late", json.len(), [json.as_bytes(), &one].concat()).await;
        let says = format!("inference output 'out': sending {datatype} data via JSON is not supported. Please use the binary data format");
        assert_eq!((got.status, got.error()), (StatusCode::BAD_REQUEST, says));
    }
}
