//! The protocol's extensions around models: repository, statistics, configuration; and what the server says of itself.

use crate::world::{INFER, World, candidate, pool_settings, route, stable};
use bytes::Bytes;
use hyper::StatusCode;
use rustix::process::Signal;
use serde_json::json;
use tidegate_serve::TargetState;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_server_names_itself_and_what_it_answers() {
    let world = World::new().await;
    let extensions = ["binary_tensor_data", "model_configuration", "model_repository", "statistics", "feedback"];
    let told = world.client().get("/v2").await.json();
    assert_eq!((&told["name"], &told["extensions"]), (&json!("tidegate"), &json!(extensions)));
    let world = World::with(pool_settings(), |s| s.server_name = "triton".to_owned()).await;
    assert_eq!(world.client().get("/v2").await.json()["name"], "triton");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn releases_decide_what_is_served_and_clients_are_told_so() {
    let world = World::with_stable().await;
    let mut client = world.client();
    let ready = json!([{ "name": "late", "version": "1", "state": "READY", "reason": "" }]);
    for body in ["", "{}", r#"{"ready": true}"#] {
        let got = client.ask("POST", "/v2/repository/index", Bytes::from_static(body.as_bytes())).await.unwrap();
        assert_eq!((got.status, got.json()), (StatusCode::OK, ready.clone()));
    }
    world.load(&[candidate()]).await;
    assert_eq!(client.post("/v2/repository/index", &json!({})).await.json(), ready, "without weight it is not served");
    for wrong in ["[", "{\"ready\": 1}"] {
        let got = client.ask("POST", "/v2/repository/index", Bytes::from_static(wrong.as_bytes())).await.unwrap();
        assert_eq!(got.status, StatusCode::BAD_REQUEST, "{got:?}");
        assert!(got.error().starts_with("failed to parse the request JSON"), "{got:?}");
    }

    let load = "/v2/repository/models/late/load";
    for body in ["", "{}", r#"{"parameters": {}}"#] {
        let got = client.ask("POST", load, Bytes::from_static(body.as_bytes())).await.unwrap();
        assert_eq!((got.status, got.json()), (StatusCode::OK, json!({})), "{body}");
    }
    let got = client.post(load, &json!({ "parameters": { "config": "{}" } })).await;
    assert_eq!(got.status, StatusCode::BAD_REQUEST);
    assert!(got.error().contains("`config`") && got.error().contains("`tidegate release`"), "{got:?}");
    let got = client.post("/v2/repository/models/late/unload", &json!({ "parameters": { "unload_dependents": false } })).await;
    assert_eq!(got.status, StatusCode::CONFLICT);
    assert!(got.error().contains("`tidegate release start`"), "{got:?}");
    assert_eq!(client.post(INFER, &json!({ "x": 1 })).await.status, StatusCode::OK, "it is served as before");
    for call in ["load", "unload"] {
        let got = client.post(&format!("/v2/repository/models/nope/{call}"), &json!({})).await;
        assert_eq!((got.status, got.error().as_str()), (StatusCode::NOT_FOUND, "Request for unknown model: 'nope' is not found"));
    }
    let got = client.get("/v2/repository/index").await;
    assert_eq!((got.status, got.header("allow")), (StatusCode::METHOD_NOT_ALLOWED, "POST"));

    let mut settings = pool_settings();
    settings.restart_ms_min = 60_000;
    let mut world = World::with(settings, |_| {}).await;
    world.load(&[stable()]).await;
    world.apply(route(&[(stable(), 10_000)], 0));
    world.signal(&stable(), Signal::KILL);
    crate::world::until("its end is seen", || matches!(world.pool.state(&stable()), Some(TargetState::Restarting { .. }))).await;
    let mut client = world.client();
    let index = client.post("/v2/repository/index", &json!({})).await.json();
    assert_eq!(index[0]["state"], "UNAVAILABLE");
    assert!(index[0]["reason"].as_str().unwrap().contains("signal 9"), "{index}");
    assert_eq!(client.post("/v2/repository/index", &json!({ "ready": true })).await.json(), json!([]));
    assert_eq!(client.post(load, &json!({})).await.status, StatusCode::SERVICE_UNAVAILABLE);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn statistics_have_one_entry_for_each_version_that_is_served() {
    let mut world = World::with_stable().await;
    world.load(&[candidate()]).await;
    let mut client = world.client();
    for todo in ["", "", "refuse", "fault"] {
        client.post(INFER, &json!({ "x": 1, "do": todo })).await;
    }
    let one = client.get("/v2/models/late/stats").await.json();
    assert_eq!(one["model_stats"].as_array().map(Vec::len), Some(1));
    let entry = &one["model_stats"][0];
    assert_eq!((&entry["name"], &entry["version"]), (&json!("late"), &json!("1")));
    assert_eq!((&entry["inference_count"], &entry["execution_count"]), (&json!(4), &json!(2)), "two answers of two rows each");
    assert!(entry["last_inference"].as_u64().unwrap() > 1_700_000_000_000);
    let times = &entry["inference_stats"];
    assert_eq!((&times["success"]["count"], &times["fail"]["count"]), (&json!(2), &json!(1)));
    for (name, ns) in [("compute_input", 2_000), ("compute_infer", 10_000), ("compute_output", 4_000)] {
        assert_eq!(times[name], json!({ "count": 2, "ns": ns }), "{name}");
    }
    assert!(times["queue"]["count"] == 2 && times["success"]["ns"].as_u64() > Some(0) && times["fail"]["ns"].as_u64() > Some(0), "{times}");
    assert_eq!(times["cache_hit"], json!({ "count": 0, "ns": 0 }));
    assert_eq!((&entry["batch_stats"][0]["batch_size"], &entry["batch_stats"][0]["compute_infer"]["count"]), (&json!(2), &json!(2)));
    assert_eq!(client.get("/v2/models/stats").await.json(), one);
    assert_eq!(client.get("/v2/models/late/versions/1/stats").await.json(), one);
    let got = client.get("/v2/models/late/versions/2/stats").await;
    assert_eq!((got.status, got.error().as_str()), (StatusCode::NOT_FOUND, "Request for unknown model: 'late' version 2 is not found"));
    assert_eq!(client.get("/v2/models/nope/stats").await.status, StatusCode::NOT_FOUND);

    world.apply(route(&[(stable(), 5_000), (candidate(), 5_000)], 0));
    let both = client.get("/v2/models/stats").await.json();
    let versions: Vec<_> = both["model_stats"].as_array().unwrap().iter().map(|e| e["version"].as_str().unwrap()).collect();
    assert_eq!(versions, ["1", "2"]);
    assert_eq!(client.get("/v2/models/late/versions/2/stats").await.json()["model_stats"][0]["inference_count"], 0);
}
