//! Lines of predictions: what each tells, what none tells, and what becomes of lines that cannot be written.

use crate::remote::{quick, spec_of};
use crate::upstream::Upstream;
use crate::world::{INFER, World, candidate, control, pool_settings, route, stable, until};
use hyper::StatusCode;
use serde_json::{Value as Json, json};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use tidegate_serve::{GatewaySettings, LogSettings, TargetState};

fn lines(file: &Path) -> Vec<Json> {
    let text = std::fs::read_to_string(file).unwrap_or_default();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn log(file: &Path, inputs: &[&str]) -> Option<LogSettings> {
    Some(LogSettings { file: Some(file.to_owned()), ratio: 1.0, inputs: inputs.iter().map(|name| (*name).to_owned()).collect() })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_prediction_is_a_line_and_copies_are_too() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("predictions.log");
    let mut world = World::with(pool_settings(), |settings| settings.log = log(&file, &[])).await;
    world.load(&[stable(), candidate(), control()]).await;
    world.apply(route(&[(stable(), 10_000)], 10_000));
    let mut client = world.client();
    client.headers = vec![("x-request-id", "r1".to_owned())];
    assert_eq!(client.post(INFER, &json!({ "id": "secret-7", "x": 0.5 })).await.status, StatusCode::OK);
    until("three lines came", || lines(&file).len() >= 3).await;
    let mut told: Vec<_> = lines(&file)
        .iter()
        .map(|line| ["request_id", "version", "role", "status", "score", "record_id"].map(|key| line[key].to_string()).join(" "))
        .collect();
    told.sort();
    let of = |version: u8, role: &str| format!(r#""r1" "{version}" "{role}" 200 0.5 "secret-7""#);
    assert_eq!(told, [of(1, "shadow"), of(1, "stable"), of(2, "shadow")]);
    assert!(
        lines(&file).iter().all(|line| line.get("inputs").is_none() && line.get("trace_id").is_none() && line["latency_ms"].is_number())
    );
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    // One that was moved away is begun anew.
    std::fs::rename(&file, dir.path().join("old")).unwrap();
    client.post("/v2/models/late/versions/1/infer", &json!({ "x": 1, "do": "fail" })).await;
    until("a line came", || lines(&file).len() == 1).await;
    assert_eq!((&lines(&file)[0]["status"], &lines(&file)[0]["score"]), (&json!(500), &Json::Null));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_inputs_that_are_allowed_are_told_and_the_trace_is() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("predictions.log");
    let collector = crate::collector::Collector::start().await;
    let server = Upstream::start().await;
    let mut world = World::with(pool_settings(), |settings: &mut GatewaySettings| {
        settings.log = log(&file, &["x"]);
        settings.traces = Some(collector.settings(0.0));
    })
    .await;
    world.pool.ensure(spec_of(dir.path(), quick(&[&server]))).unwrap();
    assert_eq!(world.pool.settled(&stable()).await, Some(TargetState::Ready));
    world.apply(route(&[(stable(), 10_000)], 0));
    let mut client = world.client();
    client.headers = vec![("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".to_owned())];
    let tensor = |name: &str, value: f64| json!({ "name": name, "datatype": "FP64", "shape": [1], "data": [value] });
    let body = json!({ "inputs": [tensor("x", 1.5), tensor("salary", 77_123.0)] });
    assert_eq!(client.post(INFER, &body).await.status, StatusCode::OK);
    until("a line came", || lines(&file).len() == 1).await;
    let line = lines(&file).remove(0);
    assert_eq!((&line["inputs"], line["score"].is_number()), (&json!({ "x": 1.5 }), true));
    assert_eq!(line["trace_id"], "0af7651916cd43dd8448eb211c80319c");
    assert!(!line.to_string().contains("77123"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lines_that_cannot_be_written_are_counted_and_hold_up_nobody() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("logs");
    std::fs::create_dir(&folder).unwrap();
    let file = folder.join("predictions.log");
    let mut world = World::with(pool_settings(), |settings| settings.log = log(&file, &[])).await;
    world.load(&[stable()]).await;
    world.apply(route(&[(stable(), 10_000)], 0));
    std::fs::remove_dir_all(&folder).unwrap();
    let mut client = world.client();
    for _ in 0..20 {
        assert_eq!(client.post(INFER, &json!({ "x": 1 })).await.status, StatusCode::OK);
    }
    let counted = async |world: &World, name: &str| -> u64 {
        let page = String::from_utf8(world.client().get("/metrics").await.body.to_vec()).unwrap();
        page.lines().find_map(|line| line.strip_prefix(name)).unwrap().trim().parse().unwrap()
    };
    while counted(&world, "tidegate_log_dropped_total ").await < 20 {}
    std::fs::create_dir(&folder).unwrap();
    for _ in 0..300 {
        client.post(INFER, &json!({ "x": 1 })).await;
    }
    drop(client);
    world.gateway.shutdown().await;
    assert_eq!(lines(&file).len(), 300, "what waits is written before the gateway ends");
}

#[tokio::test]
async fn a_file_that_cannot_be_written_is_told_at_the_start() {
    let (pool, _events) = tidegate_serve::WorkerPool::new(pool_settings());
    let mut settings = GatewaySettings::new("127.0.0.1:0".parse().unwrap(), vec![], 1);
    settings.log = log(Path::new("/nowhere/at/all.log"), &[]);
    let why = tidegate_serve::Gateway::start(settings, pool).await.unwrap_err().to_string();
    assert!(why.starts_with("start the gateway with `gateway.log`: write /nowhere/at/all.log: "), "{why}");
}
