//! Language models of upstreams: answers while they come, what is counted of them, and what is never lost, repeated or given away.

use crate::client::Client;
use crate::speaker::{Mode, Speaker};
use crate::world::{TOKEN, World, patient, route, stable, until};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1::handshake;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use serde_json::{Value as Json, json};
use std::collections::BTreeMap;
use std::time::Duration;
use tidegate_core::judge::Measure;
use tidegate_core::scan::{Action, Kind, Rules};
use tidegate_serve::{Conduct, Generating, PoolEvent, TargetSpec, TargetState, remote};
use tokio::net::TcpStream;

pub const CHAT: &str = "/v1/chat/completions";

pub fn model() -> Json {
    json!({ "upstream": "speakers", "model": "small", "openai": {
        "prompt": { "system": "be brief" }, "parameters": { "temperature": 0.25 }, "price": { "input": 1.0, "output": 4.0 } } })
}

pub fn golden() -> Json {
    let request = json!({ "messages": [{ "role": "user", "content": "Capital of Germany?" }], "user": "golden" }).to_string();
    let tensor = json!({ "name": "request", "datatype": "BYTES", "shape": [1], "data": [request] });
    json!({ "requests": [{ "id": "g1", "inputs": [tensor], "expect": { "contains": ["Berlin"] } }] })
}

struct Setting {
    world: World,
    _dir: tempfile::TempDir,
}

impl Setting {
    async fn new(speakers: &[&Speaker], model: &Json, conduct: Conduct) -> Setting {
        let mut world = World::new().await;
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("remote.json"), model.to_string()).unwrap();
        std::fs::write(dir.path().join("golden.json"), golden().to_string()).unwrap();
        let upstream = remote::Upstream {
            probe_every_ms: 20,
            golden_every_ms: 50,
            ..remote::Upstream::new("speakers", speakers.iter().map(|s| s.told()).collect())
        };
        let spec = TargetSpec { upstream: Some(upstream), conduct, ..TargetSpec::new(stable(), "late", dir.path()) };
        world.pool.ensure(spec).unwrap();
        assert_eq!(world.pool.settled(&stable()).await, Some(TargetState::Ready));
        // One of them is enough for the version to be ready: the others are well when they are asked a second time.
        until("all are well", || speakers.iter().all(|s| s.golden() >= 2)).await;
        world.apply(route(&[(stable(), 10_000)], 0));
        Setting { world, _dir: dir }
    }

    async fn usual(speakers: &[&Speaker]) -> Setting {
        Setting::new(speakers, &model(), patient()).await
    }

    fn client(&self) -> Client {
        self.world.client()
    }

    /// A request whose answer is read as it comes.
    async fn open(&self, body: &Json) -> Coming {
        let stream = TcpStream::connect(self.world.gateway.address()).await.unwrap();
        let (mut sender, connection) = handshake(TokioIo::new(stream)).await.unwrap();
        let connection = tokio::spawn(async move {
            let _ = connection.await;
        });
        let request = Request::post(CHAT).header("host", "test").header("authorization", format!("Bearer {TOKEN}"));
        let response = sender.send_request(request.body(Full::new(Bytes::from(body.to_string()))).unwrap()).await.unwrap();
        Coming { response, connection, text: String::new() }
    }

    /// Answered and failed requests since the last look.
    fn counted(&self) -> (u64, u64) {
        let counts = self.world.gateway.take_counts("late-arrival");
        counts.iter().fold((0, 0), |(good, bad), c| (good + c.live.requests - c.live.errors, bad + c.live.errors))
    }
}

struct Coming {
    response: Response<Incoming>,
    connection: tokio::task::JoinHandle<()>,
    text: String,
}

impl Coming {
    /// Reads until the answer holds `wanted`.
    async fn until(&mut self, wanted: &str) {
        while !self.text.contains(wanted) {
            let frame = self.response.body_mut().frame().await.unwrap_or_else(|| panic!("it ended: {}", self.text)).unwrap();
            self.text.push_str(std::str::from_utf8(&frame.into_data().unwrap()).unwrap());
        }
    }

    async fn rest(mut self) -> String {
        let rest = self.response.body_mut().collect().await.unwrap().to_bytes();
        self.text.push_str(std::str::from_utf8(&rest).unwrap());
        self.text
    }

    fn leave(self) {
        self.connection.abort();
    }
}

pub fn asking(stream: bool) -> Json {
    json!({ "model": "late", "stream": stream, "messages": [{ "role": "user", "content": "Capital of Germany?" }] })
}

/// The words of a stream, and whether it ended as it should.
fn words(stream: &str) -> (String, bool) {
    let data: Vec<&str> = stream.lines().filter_map(|line| line.strip_prefix("data: ")).collect();
    let said = data.iter().filter_map(|data| serde_json::from_str::<Json>(data).ok());
    let text = said.filter_map(|chunk| chunk["choices"][0]["delta"]["content"].as_str().map(str::to_owned)).collect();
    (text, data.last() == Some(&"[DONE]"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_chat_goes_to_the_versions_model_with_the_versions_prompt() {
    let speaker = Speaker::start().await;
    let setting = Setting::usual(&[&speaker]).await;
    let got = setting.client().post(CHAT, &asking(false)).await;
    assert_eq!((got.status, got.header("x-tidegate-version")), (StatusCode::OK, "1"));
    assert_eq!(got.json()["choices"][0]["message"]["content"], "Berlin is it");
    let asked = speaker.last();
    assert_eq!(
        (&asked["model"], &asked["temperature"], &asked["messages"][0]["content"]),
        (&json!("small"), &json!(0.25), &json!("be brief"))
    );
    // What the server does not like is the client's doing, in the words of the server and the form of the API.
    let mut wrong = asking(false);
    wrong["max_tokens"] = json!(0);
    let got = setting.client().post(CHAT, &wrong).await;
    assert_eq!((got.status, &got.json()["error"]["message"]), (StatusCode::BAD_REQUEST, &json!("max_tokens must be at least 1")));
    let got = setting.client().post(CHAT, &json!({ "model": "none", "messages": [] })).await;
    assert_eq!((got.status, &got.json()["error"]["code"]), (StatusCode::NOT_FOUND, &json!("model_not_found")));
    let got = setting.client().post(CHAT, &json!({ "messages": [] })).await;
    assert_eq!((got.status, &got.json()["error"]["type"]), (StatusCode::BAD_REQUEST, &json!("invalid_request_error")));
    let got = setting.client().get("/openai/v1/models").await;
    assert_eq!(got.json()["data"][0]["id"], "late");
    assert_eq!(setting.counted(), (1, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tokens_reach_the_client_while_the_answer_comes() {
    let speaker = Speaker::start().await;
    let setting = Setting::usual(&[&speaker]).await;
    speaker.hold();
    speaker.let_say(1);
    let mut coming = setting.open(&asking(true)).await;
    assert_eq!(coming.response.headers()["content-type"], "text/event-stream; charset=utf-8");
    assert_eq!(coming.response.headers()["x-tidegate-version"], "1");
    // The first word is there, and the server has not been let say the second.
    coming.until("Berlin").await;
    assert!(!coming.text.contains(" is"), "{}", coming.text);
    speaker.let_say(2);
    let text = coming.rest().await;
    assert_eq!(words(&text), ("Berlin is it".to_owned(), true));
    // The gateway asks to be told of tokens; the client did not.
    assert!(speaker.last()["stream_options"]["include_usage"] == true && !text.contains("usage"), "{text}");
    speaker.let_say(3);
    let mut told = asking(true);
    told["stream_options"] = json!({ "include_usage": true });
    assert!(setting.open(&told).await.rest().await.contains("\"completion_tokens\":3"));
    // What the judge is told: two first tokens, two times between tokens, two costs of 10 x 1 + 3 x 4.
    until("both are counted", || setting.world.pool.in_flight(&stable()) == 0).await;
    let live = setting.world.gateway.take_counts("late-arrival").remove(0).live;
    assert_eq!((live.requests, live.errors, live.latency.total()), (2, 0, 2));
    let of = |measure| live.measured(Some(measure)).total();
    assert_eq!((of(Measure::FirstToken), of(Measure::TokenTime), of(Measure::Cost)), (2, 2, 2));
    assert_eq!(live.measured(Some(Measure::Cost)).0[0].0, tidegate_core::judge::LatencyHistogram::bucket_of(22.0));
    let page = String::from_utf8(setting.client().get("/metrics").await.body.to_vec()).unwrap();
    for line in [
        r#"tidegate_tokens_total{service="late-arrival",version="1",role="stable",direction="input"} 20"#,
        r#"tidegate_tokens_total{service="late-arrival",version="1",role="stable",direction="output"} 6"#,
        r#"tidegate_token_cost_total{service="late-arrival",version="1",role="stable"} 0.000044"#,
        r#"tidegate_first_token_seconds_count{service="late-arrival",version="1",role="stable"} 2"#,
    ] {
        assert!(page.contains(line), "{line}: {page}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_leaves_ends_what_its_server_does_and_is_no_failure() {
    let speaker = Speaker::start().await;
    let setting = Setting::usual(&[&speaker]).await;
    speaker.hold();
    speaker.let_say(1);
    let mut coming = setting.open(&asking(true)).await;
    coming.until("Berlin").await;
    coming.leave();
    until("the server learns of it", || speaker.left() == 1).await;
    until("it is counted", || setting.world.pool.in_flight(&stable()) == 0).await;
    assert_eq!(setting.counted(), (1, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_server_is_asked_before_the_first_token_and_none_after_it() {
    let (a, b) = (Speaker::start().await, Speaker::start().await);
    let setting = Setting::usual(&[&a, &b]).await;
    // Whichever is asked first: where it has no room, the other one answers.
    a.become_(Mode::Away);
    for _ in 0..4 {
        assert_eq!(words(&setting.open(&asking(true)).await.rest().await), ("Berlin is it".to_owned(), true));
    }
    a.become_(Mode::Cut(1));
    b.become_(Mode::Cut(1));
    let (before, asked) = (setting.counted(), a.users() + b.users());
    assert_eq!(before, (4, 0));
    let text = setting.open(&asking(true)).await.rest().await;
    let (said, ended) = words(&text);
    assert_eq!((said.as_str(), ended, a.users() + b.users()), ("Berlin", false, asked + 1), "{text}");
    assert!(text.contains("\"type\":\"server_error\""), "{text}");
    b.become_(Mode::Fails(2));
    a.become_(Mode::Fails(2));
    let text = setting.open(&asking(true)).await.rest().await;
    assert!(words(&text).0 == "Berlin is" && text.contains("out of memory"), "{text}");
    until("they are counted", || setting.world.pool.in_flight(&stable()) == 0).await;
    assert_eq!(setting.counted(), (0, 2));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_says_nothing_is_late_before_the_first_token_and_after_it() {
    let speaker = Speaker::start().await;
    let generate = Generating { first_ms_max: 300, idle_ms_max: 200, whole_ms_max: 20_000 };
    let setting = Setting::new(&[&speaker], &model(), Conduct { generate, ..patient() }).await;
    speaker.become_(Mode::Silent);
    let got = setting.client().post(CHAT, &asking(true)).await;
    assert_eq!((got.status, &got.json()["error"]["type"]), (StatusCode::GATEWAY_TIMEOUT, &json!("server_error")));
    speaker.become_(Mode::Right);
    speaker.hold();
    speaker.let_say(2);
    let text = setting.open(&asking(true)).await.rest().await;
    let (said, ended) = words(&text);
    assert!(said == "Berlin is" && !ended && text.contains("took longer than it may"), "{text}");
    until("they are counted", || setting.world.pool.in_flight(&stable()) == 0).await;
    assert_eq!(setting.counted(), (0, 2));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_card_number_that_comes_token_by_token_is_masked() {
    let speaker = Speaker::start().await;
    let scan = Rules(BTreeMap::from([(Kind::Card, Action::Mask)]));
    let setting = Setting::new(&[&speaker], &model(), Conduct { scan, ..patient() }).await;
    speaker.says(&["pay with 4111", "1111", "1111", "1111", " now"]);
    let text = setting.open(&asking(true)).await.rest().await;
    assert_eq!(words(&text), ("pay with ************1111 now".to_owned(), true));
    // Where it is only to be told, the stream comes as it is, and what it held is counted at its end.
    let flagging = Rules(BTreeMap::from([(Kind::Card, Action::Flag)]));
    let other = Setting::new(&[&speaker], &model(), Conduct { scan: flagging, ..patient() }).await;
    assert_eq!(words(&other.open(&asking(true)).await.rest().await), ("pay with 4111111111111111 now".to_owned(), true));
    until("it is counted", || other.world.pool.in_flight(&stable()) == 0).await;
    let page = String::from_utf8(other.client().get("/metrics").await.body.to_vec()).unwrap();
    let line = r#"tidegate_output_findings_total{service="late-arrival",version="1",role="stable",kind="card",action="flag"} 1"#;
    assert!(page.contains(line), "{page}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_cannot_stream_is_a_stream_of_one_piece() {
    let speaker = Speaker::start().await;
    let setting = Setting::usual(&[&speaker]).await;
    speaker.become_(Mode::Whole);
    assert_eq!(words(&setting.open(&asking(true)).await.rest().await), ("Berlin is it".to_owned(), true));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_model_answers_tensors_and_embeddings_too() {
    let speaker = Speaker::start().await;
    let setting = Setting::usual(&[&speaker]).await;
    let request = json!({ "messages": [{ "role": "user", "content": "?" }] }).to_string();
    let asked = json!({ "id": "7", "inputs": [{ "name": "request", "datatype": "BYTES", "shape": [1], "data": [request] }] });
    let got = setting.client().post("/v2/models/late/infer", &asked).await;
    assert_eq!((got.status, &got.json()["outputs"][0]["data"]), (StatusCode::OK, &json!(["Berlin is it"])), "{:?}", got.body);
    let got = setting.client().get("/v2/models/late").await.json();
    assert_eq!((&got["platform"], &got["inputs"][0]["name"]), (&json!("openai"), &json!("request")));
    let got = setting.client().post("/v1/embeddings", &json!({ "model": "late", "input": "text" })).await;
    assert_eq!((got.status, &got.json()["data"][0]["embedding"][1]), (StatusCode::OK, &json!(-1.0)));
    let got = setting.client().post("/v2/models/late/generate", &json!({ "text_input": "?" })).await;
    assert_eq!(
        (got.status, got.error().as_str()),
        (StatusCode::BAD_REQUEST, "the model's servers speak OpenAI's API: ask it at /v1/chat/completions")
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_without_the_model_is_never_ready() {
    let speaker = Speaker::start().await;
    let mut other = model();
    other["model"] = json!("medium");
    let mut world = World::new().await;
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("remote.json"), other.to_string()).unwrap();
    std::fs::write(dir.path().join("golden.json"), golden().to_string()).unwrap();
    let upstream = remote::Upstream { probe_every_ms: 20, ..remote::Upstream::new("speakers", vec![speaker.told()]) };
    world.pool.ensure(TargetSpec { upstream: Some(upstream), ..TargetSpec::new(stable(), "late", dir.path()) }).unwrap();
    let event = tokio::time::timeout(Duration::from_secs(20), world.events.recv()).await.unwrap().unwrap();
    assert!(matches!(&event, PoolEvent::Failed { why, .. } if why.contains("it has no model `medium`: it has small, large")), "{event:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_version_of_ours_generates_its_outputs_by_name() {
    let world = World::with_stable().await;
    let got = world.client().post("/v1/chat/completions", &json!({ "model": "late", "messages": [] })).await;
    assert_eq!(
        (got.status, &got.json()["error"]["message"]),
        (StatusCode::BAD_REQUEST, &json!("the model answers tensors alone: ask it at /v2/models"))
    );
    let got = world.client().post("/v2/models/late/generate", &json!({ "id": "7", "x": 1 })).await;
    assert_eq!(got.status, StatusCode::OK, "{:?}", got.body);
    let got = world.client().post("/v2/models/late/generate_stream", &json!({ "id": "7", "x": 1 })).await;
    assert_eq!((got.status, got.header("content-type")), (StatusCode::OK, "text/event-stream; charset=utf-8"), "{:?}", got.body);
    assert!(got.body.starts_with(b"data: {") && got.body.ends_with(b"}\n\n"), "{:?}", got.body);
}
