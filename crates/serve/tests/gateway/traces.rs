//! Traces: what is told of a request, to whom it is passed on, and what becomes of spans that nobody takes.

use crate::collector::{Collector, Span};
use crate::grpc::{Caller, request};
use crate::language::{self, CHAT};
use crate::remote::{asking, quick, spec_of};
use crate::speaker::Speaker;
use crate::upstream::{Mode, Upstream};
use crate::world::{INFER, TOKEN, World, candidate, control, pool_settings, route, stable, until};
use hyper::StatusCode;
use serde_json::json;
use std::collections::BTreeSet;
use tidegate_core::route::Route;
use tidegate_serve::{GatewaySettings, TargetSpec, TargetState, remote, trace_headers};

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
const NOT_RECORDED: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00";

async fn world(collector: &Collector, ratio: f64, change: impl FnOnce(&mut GatewaySettings)) -> World {
    let mut world = World::with(pool_settings(), |settings| {
        settings.traces = Some(collector.settings(ratio));
        change(settings);
    })
    .await;
    world.load(&[stable(), candidate(), control()]).await;
    world.apply(route(&[(stable(), 10_000)], 0));
    world
}

/// Spans of so many, when all have come.
async fn spans(collector: &Collector, count: usize) -> Vec<Span> {
    until(&format!("{count} spans came"), || collector.spans().len() >= count).await;
    let found = collector.spans();
    assert_eq!(found.len(), count, "{found:#?}");
    if let Some(read) = collector.read_by_others() {
        assert_eq!(read, count, "as OpenTelemetry's own packages read them");
    }
    found
}

fn named<'s>(spans: &'s [Span], name: &str) -> &'s Span {
    spans.iter().find(|span| span.name() == name).unwrap_or_else(|| panic!("no `{name}` in {spans:#?}"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_is_told_whole_and_belongs_to_its_callers_trace() {
    let collector = Collector::start().await;
    let world = world(&collector, 0.0, |_| {}).await;
    let mut client = world.client();
    client.headers = vec![("traceparent", PARENT.to_owned()), ("tracestate", "a=1,b=2".to_owned()), ("x-request-id", "r1".to_owned())];
    assert_eq!(client.post(INFER, &json!({ "x": 1 })).await.status, StatusCode::OK);
    let all = spans(&collector, 6).await;
    let whole = named(&all, "POST /v2/models/{model}/infer");
    assert_eq!(
        (whole.text("parentSpanId"), whole.0["kind"].as_u64(), whole.0["flags"].as_u64()),
        ("b7ad6b7169203331", Some(2), Some(0x301))
    );
    for (key, value) in [
        ("http.request.method", "POST"),
        ("http.route", "/v2/models/{model}/infer"),
        ("url.path", INFER),
        ("http.response.status_code", "200"),
        ("network.protocol.version", "1.1"),
        ("tidegate.request_id", "r1"),
        ("tidegate.service", "late-arrival"),
        ("tidegate.version", "1"),
        ("tidegate.role", "stable"),
    ] {
        assert_eq!(whole.of(key), value, "{key}");
    }
    let attempt = named(&all, "attempt");
    assert_eq!((attempt.text("parentSpanId"), attempt.of("tidegate.attempt").as_str()), (whole.text("spanId"), "first"));
    let inside = |inner: &Span, outer: &Span| inner.times().0 >= outer.times().0 && inner.times().1 <= outer.times().1;
    assert!(inside(attempt, whole));
    // What the worker took, one after the other.
    let parts = ["queue", "pre-processing", "inference", "post-processing"].map(|name| named(&all, name));
    assert_eq!(parts.map(|p| p.times().1 - p.times().0)[1..], [1_000, 5_000, 2_000]);
    assert!(parts.iter().all(|p| p.text("parentSpanId") == attempt.text("spanId") && inside(p, attempt)));
    assert!(parts.windows(2).all(|two| two[0].times().1 == two[1].times().0));
    assert!(all.iter().all(|s| s.text("traceId") == TRACE && s.text("traceState") == "a=1,b=2" && !s.failed()));
    assert_eq!(all.iter().map(|s| s.text("spanId").to_owned()).collect::<BTreeSet<_>>().len(), 6, "each has an identifier of its own");
    let (path, headers, body) = collector.came().remove(0);
    assert_eq!((path.as_str(), headers["content-type"].to_str().unwrap()), ("/v1/traces", "application/json"));
    let resource: serde_json::Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(resource["resourceSpans"][0]["resource"]["attributes"][0]["value"]["stringValue"], "gate");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_caller_decides_and_where_there_is_none_the_ratio() {
    let collector = Collector::start().await;
    let world = world(&collector, 1.0, |_| {}).await;
    let mut client = world.client();
    client.headers = vec![("traceparent", NOT_RECORDED.to_owned())];
    client.post(INFER, &json!({ "x": 1 })).await;
    // Health and metrics are not told of, and neither is anybody without a token.
    client.headers.clear();
    for path in ["/v2/health/ready", "/metrics"] {
        client.get(path).await;
    }
    client.headers = vec![("traceparent", PARENT.to_owned())];
    client.token = None;
    assert_eq!(client.post(INFER, &json!({ "x": 1 })).await.status, StatusCode::UNAUTHORIZED);
    client.token = Some(TOKEN.to_owned());
    // One that is wrong is none.
    client.headers = vec![("traceparent", PARENT.to_uppercase())];
    client.post(INFER, &json!({ "x": 1 })).await;
    let all = spans(&collector, 6).await;
    assert!(all.iter().all(|span| span.text("traceId") != TRACE && span.text("traceState").is_empty()));
    let whole = named(&all, "POST /v2/models/{model}/infer");
    assert_eq!((whole.text("parentSpanId"), whole.0["flags"].as_u64()), ("", Some(0x103)), "begun here, at random");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn attempts_failures_copies_and_answers_given_again_are_told() {
    let collector = Collector::start().await;
    let mut world = world(&collector, 1.0, |_| {}).await;
    world.apply(route(&[(stable(), 9_999), (candidate(), 1)], 0));
    let mut client = world.client();
    assert_eq!(client.post(INFER, &json!({ "x": 1, "do": "die@stable" })).await.status, StatusCode::OK);
    let all = spans(&collector, 7).await;
    let mut attempts: Vec<&Span> = all.iter().filter(|span| span.name() == "attempt").collect();
    attempts.sort_by_key(|span| span.times());
    let told = |keys: [&str; 4]| attempts.iter().map(|a| keys.map(|key| a.of(key))).collect::<Vec<_>>();
    assert_eq!(
        told(["tidegate.attempt", "tidegate.role", "tidegate.outcome", "error.type"]),
        [["first", "stable", "died", "died"], ["retry", "candidate", "answered", ""]]
    );
    assert_eq!(attempts.iter().map(|a| a.failed()).collect::<Vec<_>>(), [true, false]);
    assert_eq!(named(&all, "POST /v2/models/{model}/infer").of("tidegate.role"), "candidate");

    until("it answers again", || world.pool.state(&stable()) == Some(TargetState::Ready)).await;
    assert_eq!(client.post("/v2/models/late/versions/1/infer", &json!({ "x": 1, "do": "fail" })).await.status.as_u16(), 500);
    assert_eq!(client.post("/v2/models/late/versions/1/infer", &json!({ "x": 1, "do": "fault" })).await.status.as_u16(), 400);
    let all = spans(&collector, 11).await.split_off(7);
    let wholes: Vec<_> = all.iter().filter(|span| span.name().starts_with("POST /v2")).collect();
    let told: Vec<_> = wholes.iter().map(|w| (w.of("http.response.status_code"), w.of("error.type"), w.failed())).collect();
    assert_eq!(told, [("500".into(), "500".into(), true), ("400".into(), String::new(), false)], "400 is no failure of a server");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn copies_and_answers_given_again_are_told() {
    let collector = Collector::start().await;
    let mut world = world(&collector, 1.0, |_| {}).await;
    world.apply(Route { cache_ms: Some(60_000), ..route(&[(stable(), 10_000)], 0) });
    let mut client = world.client();
    for _ in 0..2 {
        client.post(INFER, &json!({ "x": 1 })).await;
    }
    let all = spans(&collector, 7).await;
    let hits: Vec<String> = all.iter().filter(|s| s.name().starts_with("POST")).map(|s| s.of("tidegate.cache.hit")).collect();
    assert_eq!(hits, ["", "true"]);
    world.apply(route(&[(stable(), 10_000)], 10_000));
    client.post(INFER, &json!({ "x": 2 })).await;
    let all = spans(&collector, 7 + 6 + 2 * 5).await.split_off(7);
    let copies: BTreeSet<_> = all.iter().filter(|s| s.of("tidegate.attempt") == "mirrored").map(|s| s.of("tidegate.role")).collect();
    assert_eq!(copies, BTreeSet::from(["candidate".to_owned(), "control".to_owned()]));
    let whole = named(&all, "POST /v2/models/{model}/infer");
    assert!(all.iter().all(|s| s.text("traceId") == whole.text("traceId")), "copies belong to the trace of their request");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_of_grpc_are_told_and_each_message_of_a_stream() {
    let collector = Collector::start().await;
    let world = world(&collector, 0.0, |_| {}).await;
    let mut caller = Caller::new(world.gateway.address()).await;
    let headers = [("traceparent", PARENT), ("user-agent", "grpc-test/1")];
    assert_eq!(caller.infer("", &headers).await.unwrap().0, 0);
    assert_eq!(caller.infer("sleep", &[("traceparent", PARENT), ("grpc-timeout", "20m")]).await.unwrap().0, 4);
    // What the worker took it does not say here.
    let all = spans(&collector, 2 + 2).await;
    let wholes: Vec<_> = all.iter().filter(|s| s.name() == "inference.GRPCInferenceService/ModelInfer").collect();
    assert_eq!(wholes.len(), 2);
    assert_eq!(wholes[0].of("user_agent.original"), "grpc-test/1");
    for (whole, code, failed) in [(wholes[0], "0", false), (wholes[1], "4", true)] {
        assert_eq!(
            [whole.of("rpc.system"), whole.of("rpc.service"), whole.of("rpc.method")],
            ["grpc", "inference.GRPCInferenceService", "ModelInfer"]
        );
        assert_eq!((whole.of("rpc.grpc.status_code").as_str(), whole.failed()), (code, failed));
        assert_eq!(
            (whole.text("traceId"), whole.text("parentSpanId"), whole.of("tidegate.version").as_str()),
            (TRACE, "b7ad6b7169203331", if failed { "" } else { "1" })
        );
    }
    let stream = "/inference.GRPCInferenceService/ModelStreamInfer";
    let messages = [request("late", ""), request("late", "refuse")];
    assert_eq!(caller.call(stream, &[("traceparent", PARENT)], &messages).await.unwrap().2.len(), 2);
    let all = spans(&collector, 4 + 2 * 2).await.split_off(4);
    let codes: Vec<_> = all.iter().filter(|s| s.name().ends_with("ModelStreamInfer")).map(|s| s.of("rpc.grpc.status_code")).collect();
    assert_eq!(codes, ["0", "9"]);
}

/// A gateway whose version two servers answer, the first of which fails.
async fn upstreams(settings: impl FnOnce(&mut GatewaySettings)) -> (World, Upstream, Upstream, tempfile::TempDir) {
    let (bad, good) = (Upstream::start().await, Upstream::start().await);
    let mut world = World::with(pool_settings(), settings).await;
    let dir = tempfile::tempdir().unwrap();
    world.pool.ensure(spec_of(dir.path(), quick(&[&bad, &good]))).unwrap();
    assert_eq!(world.pool.settled(&stable()).await, Some(TargetState::Ready));
    world.apply(route(&[(stable(), 10_000)], 0));
    (world, bad, good, dir)
}

fn passed_on(server: &Upstream) -> (String, String) {
    let (headers, _) = server.last();
    let of = |name: &str| headers.get(name).map_or(String::new(), |v| v.to_str().unwrap().to_owned());
    (of("traceparent"), of("tracestate"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_server_that_is_asked_belongs_to_the_trace() {
    let collector = Collector::start().await;
    let (world, one, two, _dir) = upstreams(|s| s.traces = Some(collector.settings(0.0))).await;
    let mut client = world.client();
    client.headers = vec![("traceparent", PARENT.to_owned()), ("tracestate", "a=1".to_owned())];
    until("both servers are well", || one.golden() > 1 && two.golden() > 1).await;
    one.become_(Mode::Busy);
    // Servers take turns: sooner or later it is this one's, which has no room.
    let mut asked = 0;
    while one.users() == 0 {
        assert_eq!(client.post(INFER, &asking(1.5)).await.status, StatusCode::OK);
        asked += 1;
    }
    let all = spans(&collector, 3 * asked + 1).await;
    let calls: Vec<_> = all.iter().filter(|s| s.0["kind"] == 3).collect();
    let again: Vec<_> = calls.iter().filter(|s| !s.of("http.request.resend_count").is_empty()).collect();
    let busy: Vec<_> = calls.iter().filter(|s| s.failed()).collect();
    assert_eq!((calls.len(), again.len(), busy.len()), (asked + 1, 1, 1));
    assert_eq!((busy[0].of("error.type").as_str(), busy[0].of("server.port")), ("429", one.address.port().to_string()));
    assert_eq!((again[0].of("tidegate.upstream").as_str(), again[0].text("parentSpanId")), ("others", busy[0].text("parentSpanId")));
    let (parent, state) = passed_on(&one);
    assert_eq!((parent, state.as_str()), (format!("00-{TRACE}-{}-01", busy[0].text("spanId")), "a=1"));
    let last = calls.iter().filter(|s| !s.failed()).max_by_key(|s| s.times()).unwrap();
    assert_eq!(passed_on(&two).0, format!("00-{TRACE}-{}-01", last.text("spanId")));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_not_recorded_is_passed_on_as_it_came() {
    let collector = Collector::start().await;
    for traces in [None, Some(collector.settings(0.0))] {
        let begun = traces.is_some();
        let server = Upstream::start().await;
        let mut world = World::with(pool_settings(), |s| s.traces = traces).await;
        let dir = tempfile::tempdir().unwrap();
        world.pool.ensure(spec_of(dir.path(), quick(&[&server]))).unwrap();
        assert_eq!(world.pool.settled(&stable()).await, Some(TargetState::Ready));
        world.apply(route(&[(stable(), 10_000)], 0));
        let mut client = world.client();
        for (sent, parent, state) in
            [(vec![NOT_RECORDED], NOT_RECORDED, "a=1"), (vec![PARENT, PARENT], "", ""), (vec![&PARENT[1..]], "", ""), (vec![], "", "")]
        {
            client.headers = sent.iter().map(|value| ("traceparent", (*value).to_owned())).collect();
            client.headers.push(("tracestate", "a=1".to_owned()));
            assert_eq!(client.post(INFER, &asking(1.0)).await.status, StatusCode::OK);
            let (came, came_state) = passed_on(&server);
            assert_eq!(came_state, state, "{sent:?}");
            if parent.is_empty() && begun {
                // A trace that is begun here and not recorded: whoever is asked is told so.
                assert!(came.starts_with("00-") && came.ends_with("-02") && !came.contains(TRACE), "{came}");
            } else {
                assert_eq!(came, parent, "{sent:?}");
            }
        }
    }
    assert!(collector.came().is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_that_comes_in_pieces_is_told_to_its_last_one() {
    let collector = Collector::start().await;
    let speaker = Speaker::start().await;
    let mut world = World::with(pool_settings(), |settings| settings.traces = Some(collector.settings(0.0))).await;
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("remote.json"), language::model().to_string()).unwrap();
    std::fs::write(dir.path().join("golden.json"), language::golden().to_string()).unwrap();
    let upstream = remote::Upstream { probe_every_ms: 20, ..remote::Upstream::new("speakers", vec![speaker.told()]) };
    world.pool.ensure(TargetSpec { upstream: Some(upstream), ..TargetSpec::new(stable(), "late", dir.path()) }).unwrap();
    assert_eq!(world.pool.settled(&stable()).await, Some(TargetState::Ready));
    world.apply(route(&[(stable(), 10_000)], 0));
    let mut client = world.client();
    client.headers = vec![("traceparent", PARENT.to_owned())];
    for (at, stream) in [false, true].into_iter().enumerate() {
        assert_eq!(client.post(CHAT, &language::asking(stream)).await.status, StatusCode::OK);
        let all = spans(&collector, 3 * (at + 1)).await.split_off(3 * at);
        let (whole, attempt) = (all.iter().find(|s| s.0["kind"] == 2).unwrap(), named(&all, "attempt"));
        let call = all.iter().find(|s| s.0["kind"] == 3).unwrap();
        assert_eq!((whole.name(), call.name()), ("POST /v1/chat/completions", "POST /v1/chat/completions"));
        assert_eq!([whole, call].map(|s| s.of("http.response.status_code")), ["200", "200"], "{stream}");
        assert_eq!((whole.of("tidegate.version").as_str(), call.text("parentSpanId")), ("1", attempt.text("spanId")), "{stream}");
        assert!(whole.times().1 >= call.times().1, "{stream}");
        assert_eq!(attempt.of("tidegate.first_token_us").is_empty(), !stream);
        assert!(attempt.of("gen_ai.usage.output_tokens").parse::<u64>().unwrap() > 0, "{stream}");
    }
}

/// A line of the metrics page.
async fn counted(world: &World, line: &str) -> u64 {
    let page = String::from_utf8(world.client().get("/metrics").await.body.to_vec()).unwrap();
    page.lines().find_map(|l| l.strip_prefix(line)).unwrap_or_else(|| panic!("{line} in {page}")).trim().parse().unwrap()
}

const SENT: &str = "tidegate_spans_sent_total ";

fn dropped(why: &str) -> String {
    format!("tidegate_spans_dropped_total{{why=\"{why}\"}} ")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_receiver_is_asked_again_where_it_says_so_and_what_it_refuses_is_counted() {
    let collector = Collector::start().await;
    let world = world(&collector, 1.0, |settings| {
        let traces = settings.traces.as_mut().unwrap();
        traces.headers = trace_headers("x-api-key=hunter2,authorization=Bearer%20hunter3").unwrap();
        assert!(!format!("{settings:?}").contains("hunter"));
    })
    .await;
    let mut client = world.client();
    collector.answers(&[(503, Some("0"), ""), (429, Some("0"), "")]);
    client.post(INFER, &json!({ "x": 1 })).await;
    let _ = spans(&collector, 6).await;
    let came = collector.came();
    assert_eq!(came.len(), 3);
    assert!(
        came.iter().all(|(_, headers, body)| headers["x-api-key"] == "hunter2"
            && headers["authorization"] == "Bearer hunter3"
            && *body == came[0].2)
    );
    for (answer, refused) in [
        ((400, None, ""), 6),
        ((307, None, ""), 12),
        ((200, None, r#"{"partialSuccess":{"rejectedSpans":"2","errorMessage":"too old"}}"#), 14),
        ((200, None, r#"{"partialSuccess":{"rejectedSpans":"999999"}}"#), 20),
    ] {
        collector.answers(&[answer]);
        client.post(INFER, &json!({ "x": 1 })).await;
        let mut seen = 0;
        while seen < refused {
            seen = counted(&world, &dropped("refused")).await;
        }
        assert_eq!(seen, refused, "{answer:?}");
    }
    assert_eq!(
        (counted(&world, SENT).await, collector.came().len()),
        (10, 7),
        "a redirect is not followed, and what is refused is not sent again"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn spans_that_nobody_takes_hold_up_nobody_and_are_counted() {
    // Somebody who takes connections and says nothing.
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let collector = Collector::at(silent.local_addr().unwrap());
    let world = world(&collector, 1.0, |_| {}).await;
    let mut client = world.client();
    // Six spans each: more than wait and are on their way.
    let asked = 3_000;
    for n in 0..asked {
        assert_eq!(client.post(INFER, &json!({ "x": n })).await.status, StatusCode::OK);
    }
    let lost = counted(&world, &dropped("queue")).await;
    assert!((1..=6 * asked - 16_384).contains(&lost), "{lost}");
    drop(silent);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_waits_is_sent_before_the_gateway_ends() {
    let collector = Collector::start().await;
    let world = world(&collector, 1.0, |_| {}).await;
    let mut client = world.client();
    for _ in 0..200 {
        client.post(INFER, &json!({ "x": 1 })).await;
    }
    drop(client);
    world.gateway.shutdown().await;
    assert_eq!(collector.spans().len(), 1_200);
    assert!(collector.came().iter().all(|(_, _, body)| body.len() < 1024 * 1024));
}
