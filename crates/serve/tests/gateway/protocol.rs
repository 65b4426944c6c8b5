//! The protocol's answers, and who may ask.

use crate::world::{INFER, World, candidate, route, stable};
use bytes::Bytes;
use hyper::StatusCode;
use serde_json::json;
use tidegate_serve::{ENDPOINTS, Gateway, GatewaySettings};

fn path_of(pattern: &str) -> String {
    pattern.replace("{model}", "late").replace("{version}", "1")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_endpoint_but_the_public_ones_needs_a_token() {
    let world = World::with_stable().await;
    assert_eq!(ENDPOINTS.iter().filter(|e| e.public).map(|e| e.path).collect::<Vec<_>>(), ["/v2", "/v2/health/live", "/v2/health/ready"]);
    for token in [None, Some("wrong".to_owned()), Some(String::new())] {
        let mut client = world.client();
        client.token = token;
        for row in ENDPOINTS {
            let got = client.ask(row.method, &path_of(row.path), Bytes::from_static(b"{}")).await.unwrap();
            let expected = if row.public { StatusCode::OK } else { StatusCode::UNAUTHORIZED };
            assert_eq!(got.status, expected, "{} {}", row.method, row.path);
            assert_eq!(got.header("content-type"), "application/json");
            assert!(row.public || got.error().contains("token"), "{got:?}");
        }
        assert_eq!(client.get("/nowhere").await.status, StatusCode::UNAUTHORIZED);
        assert_eq!(client.get(INFER).await.status, StatusCode::UNAUTHORIZED);
    }
    let mut client = world.client();
    for row in ENDPOINTS.iter().filter(|e| e.method == "GET") {
        assert_eq!(client.get(&path_of(row.path)).await.status, StatusCode::OK, "{}", row.path);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answers_and_faults() {
    let world = World::with(crate::world::pool_settings(), |s| s.body_bytes_max = 1_000).await;
    let mut client = world.client();
    assert_eq!(client.get("/v2/health/ready").await.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(client.post(INFER, &json!({})).await.status, StatusCode::NOT_FOUND);
    world.load(&[stable()]).await;
    let mut world = world;
    world.apply(route(&[(stable(), 10_000)], 0));
    assert_eq!(client.get("/v2/health/ready").await.json(), json!({ "ready": true }));
    assert_eq!(client.get("/v2/models/late/ready").await.json(), json!({ "name": "late", "ready": true }));
    assert_eq!(
        client.get("/v2/models/late").await.json(),
        json!({ "name": "late", "versions": ["1"], "platform": "fake", "inputs": [], "outputs": [] })
    );

    let got = client.post(INFER, &json!({ "x": 1.5 })).await;
    assert_eq!((got.status, got.who()), (StatusCode::OK, "1/stable".to_owned()));
    assert_eq!(got.header("x-tidegate-version"), "1");
    assert!(!got.header("x-request-id").is_empty() && !format!("{:?}", got.headers).contains("stable"), "{got:?}");
    client.headers = vec![("x-request-id", "mine-7".to_owned())];
    assert_eq!(client.post(INFER, &json!({ "x": 1 })).await.header("x-request-id"), "mine-7");
    client.headers = vec![("x-request-id", "x".repeat(200))];
    assert_ne!(client.post(INFER, &json!({ "x": 1 })).await.header("x-request-id").len(), 200);
    client.headers.clear();

    for (body, status, says) in [
        (json!({ "do": "fault" }), 400, "the request is wrong"),
        (json!({ "do": "refuse" }), 422, "no weather"),
        (json!({ "do": "fail" }), 500, "the model failed"),
    ] {
        let got = client.post(INFER, &body).await;
        assert_eq!(got.status, status, "{body}");
        assert!(got.error().contains(says), "{got:?}");
    }
    assert_eq!(client.post("/v2/models/nope/infer", &json!({})).await.error(), "Request for unknown model: 'nope' is not found");
    let got = client.post("/v2/models/late/versions/99/infer", &json!({})).await;
    assert_eq!((got.status, got.error().as_str()), (StatusCode::NOT_FOUND, "Request for unknown model: 'late' version 99 is not found"));
    assert_eq!(client.get("/v2/models/nope").await.status, StatusCode::NOT_FOUND);
    assert_eq!(client.get("/v2/models/nope/ready").await.status, StatusCode::NOT_FOUND);
    let got = client.get(INFER).await;
    assert_eq!((got.status, got.header("allow")), (StatusCode::METHOD_NOT_ALLOWED, "POST"));
    assert_eq!(client.get("/v2/nothing").await.status, StatusCode::NOT_FOUND);
    let got = client.ask("POST", INFER, Bytes::from(vec![b' '; 1_001])).await.unwrap();
    assert_eq!(got.status, StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!(world.client().post(INFER, &json!({ "x": 2 })).await.status, StatusCode::OK);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn records_counts_metrics_and_labels() {
    let mut world = World::with_stable().await;
    world.load(&[candidate()]).await;
    let mut client = world.client();
    client.headers = vec![("x-request-id", "r-1".to_owned())];
    client.post(INFER, &json!({ "id": "flight-9", "x": 0.25, "at": 1_700_000_000_000_u64 })).await;
    client.headers.clear();
    for todo in ["refuse", "fault", "fail"] {
        client.post(INFER, &json!({ "x": 1, "do": todo })).await;
    }
    client.post("/v2/models/late/versions/1/infer", &json!({ "x": 1 })).await;

    let record = world.outputs.records.recv().await.unwrap();
    assert_eq!(
        (&*record.request_id, record.record_id.as_str(), record.score, record.inputs.as_slice()),
        ("r-1", "flight-9", Some(0.25), &[0.25_f32][..])
    );
    assert_eq!((record.status, &*record.version, record.event_time_ms, record.generation), (200, "1", Some(1_700_000_000_000), 1));
    assert_eq!(world.outputs.records.recv().await.unwrap().status, 422);
    assert_eq!(world.outputs.records.recv().await.unwrap().status, 500);

    let taken = world.gateway.take_counts("late-arrival").remove(0);
    assert_eq!((taken.live.requests, taken.live.errors, taken.live.latency.total(), taken.client_faults), (3, 2, 1, 1));
    assert_eq!(world.gateway.take_counts("late-arrival").remove(0).live.requests, 0);
    let totals = world.gateway.totals("late-arrival").remove(0).1;
    assert_eq!((totals.requests, totals.answered, totals.errors, totals.client_faults, totals.direct), (5, 2, 2, 1, 1));

    let stats = client.get("/v2/models/late/versions/1/stats").await.json();
    assert_eq!(stats["model_stats"].as_array().map(Vec::len), Some(1));
    assert_eq!(stats["model_stats"][0]["inference_stats"]["fail"]["count"], 2);
    let page = String::from_utf8(client.get("/metrics").await.body.to_vec()).unwrap();
    for line in [
        "tidegate_requests_total{service=\"late-arrival\",version=\"1\",role=\"stable\",outcome=\"error\"} 2",
        "tidegate_request_duration_seconds_count{service=\"late-arrival\",version=\"1\",role=\"stable\"} 2",
        "tidegate_route_weight_bp{service=\"late-arrival\",version=\"1\",role=\"stable\"} 10000",
        "tidegate_worker_restarts_total{service=\"late-arrival\",version=\"2\",role=\"candidate\"} 0",
        "tidegate_route_generation 1",
    ] {
        assert!(page.lines().any(|l| l == line), "{line} is not in\n{page}");
    }

    let got = client
        .post("/v2/models/late/feedback", &json!([{ "request_id": "r-1", "label": 1 }, { "request_id": "r-2", "label": false }]))
        .await;
    assert_eq!((got.status, got.json()), (StatusCode::ACCEPTED, json!({ "accepted": 2 })));
    let label = world.outputs.feedback.recv().await.unwrap();
    assert_eq!((label.request_id.as_str(), label.label, &*label.service), ("r-1", json!(1), "late-arrival"));
    assert_eq!(client.post("/v2/models/late/feedback", &json!({ "label": 1 })).await.status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn a_taken_port_is_named() {
    let first = World::new().await;
    let settings = GatewaySettings::new(first.gateway.address(), vec![], 1);
    let error = Gateway::start(settings, first.pool.clone()).await.unwrap_err().to_string();
    let port = first.gateway.address().port();
    assert!(error.contains(&format!("port {port} is already taken")) && error.contains("choose another port"), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn more_headers_than_are_read_are_refused() {
    let world = World::with_stable().await;
    for (more, status) in [(0, StatusCode::OK), (40, StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE)] {
        let mut client = world.client();
        // Host and token beside them.
        client.headers = (0..60 + more).map(|n| (&*Box::leak(format!("x-{n}").into_boxed_str()), n.to_string())).collect();
        assert_eq!(client.ask("GET", "/v2", Bytes::new()).await.unwrap().status, status);
    }
}
