//! Versions whose models are files of XGBoost and LightGBM, served by the real worker where there is no ONNX Runtime.

use crate::grpc::{Caller, Came};
use crate::world::{World, pool_settings, route, stable, target};
use hyper::StatusCode;
use prost::Message;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use tidegate_core::route::Role;
use tidegate_runtime::oip::grpc::messages::{ModelInferRequest, ModelInferResponse, Tensor};
use tidegate_serve::{PoolSettings, TargetSpec, TargetState};

async fn world() -> World {
    let library = PathBuf::from("no/libonnxruntime.so");
    World::with(PoolSettings { library, ..PoolSettings::new(pool_settings().program, vec!["real".into()], PathBuf::new()) }, |_| {}).await
}

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../runtime/tests/fixtures/trees").join(name)
}

/// The rows of the fixtures of a library, and what it predicts for them with its binary model.
fn truth(made_by: &str, form: &str) -> (Vec<Value>, Vec<f64>) {
    let expected: Value = serde_json::from_slice(&std::fs::read(fixture(&format!("{made_by}.expected.json"))).unwrap()).unwrap();
    let of = expected["expected"].as_array().unwrap().iter().find(|of| of["model"] == json!(format!("{made_by}-binary.{form}"))).unwrap();
    let predictions = of["predictions"].as_array().unwrap().iter().map(|x| x.as_f64().unwrap()).collect();
    (expected["rows"].as_array().unwrap().clone(), predictions)
}

/// A version of a fixture, with all of its rows as one golden request.
fn version(dir: &Path, made_by: &str, form: &str, datatype: &str, golden: &[f64]) -> PathBuf {
    std::fs::create_dir_all(dir).unwrap();
    std::fs::copy(fixture(&format!("{made_by}-binary.{form}")), dir.join(format!("model.{form}"))).unwrap();
    let output = json!([{ "name": "output__0", "datatype": datatype, "shape": [12], "data": golden }]);
    let inputs = json!([input(&truth(made_by, form).0, datatype)]);
    let golden = json!({ "v": 1, "requests": [{ "id": "all", "inputs": inputs, "expect": { "outputs": output } }] });
    std::fs::write(dir.join("golden.json"), golden.to_string()).unwrap();
    dir.to_owned()
}

fn input(rows: &[Value], datatype: &str) -> Value {
    json!({ "name": "input__0", "datatype": datatype, "shape": [rows.len(), 4], "data": rows })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn files_of_xgboost_and_lightgbm_are_served_as_ever() {
    let mut world = world().await;
    let dir = tempfile::tempdir().unwrap();
    for (made_by, form, datatype, platform) in [
        ("xgboost-3.2.0", "json", "FP32", "xgboost_json"),
        ("xgboost-1.7.6", "ubj", "FP32", "xgboost_ubjson"),
        ("lightgbm-4.7.0", "txt", "FP64", "lightgbm_text"),
    ] {
        let (rows, wanted) = truth(made_by, form);
        let served = target(made_by, Role::Stable);
        let spec = |target, dir| TargetSpec::new(target, "late", dir);
        let directory = version(&dir.path().join(made_by), made_by, form, datatype, &wanted);
        world.pool.ensure(spec(served.clone(), directory)).unwrap();
        let wrong = target(&format!("{made_by}-wrong"), Role::Candidate);
        let directory = version(&dir.path().join(format!("{made_by}-wrong")), made_by, form, datatype, &[0.25; 12]);
        world.pool.ensure(spec(wrong.clone(), directory)).unwrap();
        assert_eq!(world.pool.settled(&served).await, Some(TargetState::Ready), "{made_by}");
        let state = world.pool.settled(&wrong).await.unwrap();
        assert!(matches!(&state, TargetState::Failed { why } if why.contains("1 of 1 golden requests")), "{state:?}");
        world.apply(route(&[(served, 10_000)], 0));

        let mut client = world.client();
        let got = client.post("/v2/models/late/infer", &json!({ "id": "j", "inputs": [input(&rows, datatype)] })).await;
        assert_eq!(got.status, StatusCode::OK, "{got:?}");
        let output = &got.json()["outputs"][0];
        let data: Vec<f64> = output["data"].as_array().unwrap().iter().map(|x| x.as_f64().unwrap()).collect();
        // Of 32 bits the shortest text that is the same number is written, not its 64 bits.
        let same = |got: &f64, wanted: &f64| if datatype == "FP32" { *got as f32 == *wanted as f32 } else { got == wanted };
        assert!(data.iter().zip(&wanted).all(|(got, wanted)| same(got, wanted)) && data.len() == 12, "{made_by}: {data:?} {wanted:?}");
        assert_eq!((&output["name"], &output["datatype"], &output["shape"]), (&json!("output__0"), &json!(datatype), &json!([12])));
        assert_eq!(client.get("/v2/models/late").await.json()["platform"], json!(platform));
        let short = json!({ "name": "input__0", "datatype": datatype, "shape": [1, 3], "data": [1, 2, 3] });
        let got = client.post("/v2/models/late/infer", &json!({ "inputs": [short] })).await;
        assert_eq!(got.status, StatusCode::BAD_REQUEST, "{got:?}");

        let mut caller = Caller::new(world.gateway.address()).await;
        let numbers: Vec<f64> = rows.iter().flat_map(|row| row.as_array().unwrap()).map(|x| x.as_f64().unwrap_or(f64::NAN)).collect();
        let raw: Vec<u8> = match datatype {
            "FP32" => numbers.iter().flat_map(|x| (*x as f32).to_le_bytes()).collect(),
            _ => numbers.iter().flat_map(|x| x.to_le_bytes()).collect(),
        };
        let tensor = Tensor { name: "input__0".to_owned(), datatype: datatype.to_owned(), shape: vec![12, 4], ..Tensor::default() };
        let request =
            ModelInferRequest { model_name: "late".to_owned(), inputs: vec![tensor], raw_input_contents: vec![raw], ..Default::default() };
        let path = "/inference.GRPCInferenceService/ModelInfer";
        let Came(status, words, messages) = caller.call(path, &[], &[request.encode_to_vec().into()]).await.unwrap();
        assert_eq!((status, words.as_str()), (0, ""), "{made_by}");
        let answer = ModelInferResponse::decode(messages[0].clone()).unwrap();
        let bytes = &answer.raw_output_contents[0];
        let got: Vec<f64> = match datatype {
            "FP32" => bytes.chunks_exact(4).map(|b| f64::from(f32::from_le_bytes(b.try_into().unwrap()))).collect(),
            _ => bytes.chunks_exact(8).map(|b| f64::from_le_bytes(b.try_into().unwrap())).collect(),
        };
        assert_eq!(got, wanted, "{made_by}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_no_model_or_needs_the_library_fails_with_a_sentence() {
    let world = world().await;
    let dir = tempfile::tempdir().unwrap();
    let onnx = std::fs::read(fixture("../simple.onnx")).unwrap();
    for (name, file, bytes, says) in [
        ("1", "model.json", b"{\"learner\": {}}".to_vec(), "it is no JSON of an XGBoost model: missing field"),
        ("2", "model.txt", b"tree\nversion=v9\n".to_vec(), "its version is `v9`"),
        ("3", "model.onnx", onnx, "find ONNX Runtime: no library at `no/libonnxruntime.so`"),
        ("4", "model.pkl", Vec::new(), "it holds no model"),
    ] {
        let served = if name == "1" { stable() } else { target(name, Role::Candidate) };
        std::fs::create_dir_all(dir.path().join(name)).unwrap();
        std::fs::write(dir.path().join(name).join(file), bytes).unwrap();
        world.pool.ensure(TargetSpec::new(served.clone(), "late", dir.path().join(name))).unwrap();
        let state = world.pool.settled(&served).await.unwrap();
        assert!(matches!(&state, TargetState::Failed { why } if why.contains(says)), "{says}: {state:?}");
    }
}
