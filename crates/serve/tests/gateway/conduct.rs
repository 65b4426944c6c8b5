//! How a service says that its versions answer: what their texts may give away, together or alone, in which process, and whether they
//! are still right.

use crate::client::Client;
use crate::onnx::{real, same, version};
use crate::world::{INFER, World, patient, route, stable, until};
use hyper::StatusCode;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::PathBuf;
use tidegate_core::scan::{Action, Kind, Rules};
use tidegate_serve::{Batching, Conduct, PoolEvent, TargetSpec, TargetState};

const CARD: &str = "card 4111 1111 1111 1111 of ada@example.org";
/// The element type of texts in ONNX.
const TEXTS: u8 = 8;

async fn serve(world: &mut World, dir: PathBuf, conduct: Conduct) -> Client {
    world.pool.ensure(TargetSpec { conduct, ..TargetSpec::new(stable(), "late", dir) }).unwrap();
    assert_eq!(world.pool.settled(&stable()).await, Some(TargetState::Ready));
    world.apply(route(&[(stable(), 10_000)], 0));
    world.client()
}

fn scanning(rules: &[(Kind, Action)]) -> Conduct {
    Conduct { scan: Rules(BTreeMap::from_iter(rules.iter().copied())), ..patient() }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_planted_card_number_is_masked_in_an_answer_however_it_is_asked_for() {
    let Some(mut world) = real().await else { return };
    let dir = tempfile::tempdir().unwrap();
    let directory = same(dir.path(), TEXTS, json!({ "datatype": "BYTES", "data": ["fine"] }));
    let mut client = serve(&mut world, directory, scanning(&[(Kind::Card, Action::Mask), (Kind::Email, Action::Flag)])).await;
    let asked =
        |outputs: Value| json!({ "inputs": [{ "name": "in", "datatype": "BYTES", "shape": [1], "data": [CARD] }], "outputs": outputs });
    let got = client.post(INFER, &asked(json!([]))).await;
    assert_eq!((got.status, got.header("x-tidegate-findings")), (StatusCode::OK, "card=1,email=1"), "{got:?}");
    assert_eq!(got.json()["outputs"][0]["data"], json!(["card **** **** **** 1111 of ada@example.org"]));
    let got = client.post(INFER, &asked(json!([{ "name": "out", "parameters": { "binary_data": true } }]))).await;
    let bytes = String::from_utf8_lossy(&got.body).into_owned();
    assert!(bytes.contains("**** 1111 of ada@example.org") && !bytes.contains("4111"), "{bytes}");
    let page = String::from_utf8(client.get("/metrics").await.body.to_vec()).unwrap();
    let labels = "service=\"late-arrival\",version=\"1\",role=\"stable\"";
    for line in [
        format!("tidegate_output_findings_total{{{labels},kind=\"card\",action=\"mask\"}} 2"),
        format!("tidegate_output_findings_total{{{labels},kind=\"email\",action=\"flag\"}} 2"),
    ] {
        assert!(page.contains(&line), "{line}: {page}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_that_is_blocked_is_an_error_of_its_version_and_shows_nothing() {
    let Some(mut world) = real().await else { return };
    let dir = tempfile::tempdir().unwrap();
    let directory = same(dir.path(), TEXTS, json!({ "datatype": "BYTES", "data": ["fine"] }));
    let mut client = serve(&mut world, directory, scanning(&[(Kind::Card, Action::Block)])).await;
    let asked = |text: &str| json!({ "inputs": [{ "name": "in", "datatype": "BYTES", "shape": [1], "data": [text] }] });
    let got = client.post(INFER, &asked(CARD)).await;
    assert_eq!((got.status, got.header("x-tidegate-findings")), (StatusCode::UNPROCESSABLE_ENTITY, "card=1"));
    assert_eq!(got.error(), "the answer is not given out: it holds card, which `scan` of this service blocks");
    assert_eq!(client.post(INFER, &asked("nothing to hide")).await.status, StatusCode::OK);
    let counts = world.gateway.take_counts("late-arrival").remove(0);
    assert_eq!((counts.live.requests, counts.live.errors), (2, 1));
}

fn sums(x: i64) -> Value {
    let tensor = |name: &str, value: i64| json!({ "name": name, "datatype": "INT32", "shape": [1, 16], "data": vec![value; 16] });
    json!({ "inputs": [tensor("INPUT0", x), tensor("INPUT1", 2)], "outputs": [{ "name": "OUTPUT0" }] })
}

/// The answer to [`sums`].
fn summed(got: &Value) -> Option<i64> {
    got["outputs"][0]["data"][7].as_i64()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn requests_that_are_put_together_are_answered_as_if_alone() {
    let Some(mut world) = real().await else { return };
    let dir = tempfile::tempdir().unwrap();
    let conduct = Conduct { batch: Some(Batching { requests_max: 16, wait_us: 20_000 }), ..patient() };
    serve(&mut world, version(dir.path(), 3), conduct).await;
    let tasks: Vec<_> = (0..64_i64)
        .map(|x| {
            let mut client = world.client();
            tokio::spawn(async move {
                // One in eight is no request, one asks for what there is not: the others are answered all the same.
                let body = match x % 8 {
                    3 => json!({ "inputs": [] }),
                    5 => json!({ "inputs": sums(x)["inputs"], "outputs": [{ "name": "none" }] }),
                    _ => sums(x),
                };
                (x, client.post(INFER, &body).await)
            })
        })
        .collect();
    for task in tasks {
        let (x, got) = task.await.unwrap();
        match x % 8 {
            3 | 5 => assert_eq!(got.status, StatusCode::BAD_REQUEST, "{x}: {got:?}"),
            _ => assert_eq!(
                (got.status, summed(&got.json()), &got.json()["outputs"][0]["shape"]),
                (StatusCode::OK, Some(x + 2), &json!([1, 16])),
                "{x}"
            ),
        }
    }
    let counts = world.gateway.take_counts("late-arrival").remove(0);
    assert_eq!((counts.live.requests, counts.live.errors, counts.client_faults), (48, 0, 16));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stable_version_can_answer_in_the_gateways_process() {
    let Some(mut world) = real().await else { return };
    let dir = tempfile::tempdir().unwrap();
    let conduct = Conduct { in_process: true, golden_every_ms: 50, ..patient() };
    let mut client = serve(&mut world, version(dir.path(), 3), conduct.clone()).await;
    assert_eq!(world.pool.process(&stable()), None);
    for x in 0..50 {
        let got = client.post(INFER, &sums(x)).await;
        assert_eq!((got.status, summed(&got.json())), (StatusCode::OK, Some(x + 2)));
    }
    assert_eq!(client.post(INFER, &json!({ "inputs": [] })).await.status, StatusCode::BAD_REQUEST);
    // A wrong golden answer keeps it out here too, and a candidate has a process of its own.
    let candidate = crate::world::candidate();
    let directory = version(&dir.path().join("2"), 3);
    world.pool.ensure(TargetSpec { conduct: conduct.clone(), ..TargetSpec::new(candidate.clone(), "late", directory) }).unwrap();
    assert_eq!(world.pool.settled(&candidate).await, Some(TargetState::Ready));
    assert!(world.pool.process(&candidate).is_some());
    let wrong = crate::world::target("3", tidegate_core::route::Role::Stable);
    world.pool.ensure(TargetSpec { conduct, ..TargetSpec::new(wrong.clone(), "late", version(&dir.path().join("3"), 4)) }).unwrap();
    let state = world.pool.settled(&wrong).await.unwrap();
    assert!(matches!(&state, TargetState::Failed { why } if why.contains("1 of 1 golden requests")), "{state:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_that_begins_to_answer_otherwise_is_ended() {
    let mut world = World::new().await;
    let dir = world.mode(&stable(), "");
    let conduct = Conduct { golden_every_ms: 20, ..patient() };
    let mut client = serve(&mut world, dir.clone(), conduct).await;
    let before = world.pool.process(&stable()).unwrap();
    std::fs::write(dir.join("changed"), "").unwrap();
    let why = loop {
        if let PoolEvent::Died { why, .. } = world.events.recv().await.unwrap() {
            break why;
        }
    };
    assert!(why.starts_with("golden request `g") && why.ends_with("is answered otherwise"), "{why}");
    std::fs::remove_file(dir.join("changed")).unwrap();
    until("another worker answers", || world.pool.process(&stable()).is_some_and(|now| now != before)).await;
    assert_eq!(world.pool.settled(&stable()).await, Some(TargetState::Ready));
    assert_eq!(client.post(INFER, &json!({ "x": 1 })).await.status, StatusCode::OK);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_reasons_for_an_answer_are_told_on_request() {
    let Some(mut world) = real().await else { return };
    let dir = tempfile::tempdir().unwrap();
    let mut client = serve(&mut world, version(dir.path(), 3), patient()).await;
    let mut asked = sums(40);
    asked["parameters"] = json!({ "explain": true, "explain_ms": 2_000 });
    let got = client.post(INFER, &asked).await;
    assert_eq!(got.status, StatusCode::OK, "{got:?}");
    let answer = got.json();
    assert_eq!(summed(&answer), Some(42));
    let output = |name: &str| answer["outputs"].as_array().unwrap().iter().find(|o| o["name"] == name).unwrap().clone();
    assert_eq!(output("explain.method")["data"], json!(["sampling_shap"]));
    // A sum of 40 where the golden request has 1: INPUT0 adds 39 to its own column, INPUT1 nothing.
    let values = output("explain.values");
    assert_eq!((&values["shape"], &output("explain.expected")["data"][0]), (&json!([1, 16, 32]), &json!(3.0)));
    for column in 0..16 {
        let row: Vec<f64> =
            values["data"].as_array().unwrap()[column * 32..(column + 1) * 32].iter().map(|x| x.as_f64().unwrap()).collect();
        let wanted: Vec<f64> = (0..32).map(|feature| if feature == column { 39.0 } else { 0.0 }).collect();
        assert_eq!(row, wanted, "column {column}");
    }
    for (parameters, says) in [
        (json!({ "explain": "yes" }), "parameter `explain` must be true or false"),
        (json!({ "explain": true, "explain_ms": 0 }), "parameter `explain_ms` must be 1 to 5000 milliseconds"),
    ] {
        asked["parameters"] = parameters;
        let got = client.post(INFER, &asked).await;
        assert!(got.status == StatusCode::BAD_REQUEST && got.error().starts_with(says), "{got:?}");
    }
}
