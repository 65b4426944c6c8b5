//! Versions that servers elsewhere answer: who is asked, who is left out, and what becomes of requests meanwhile.

use crate::upstream::{Mode, Upstream};
use crate::world::{INFER, TOKEN, World, pool_settings, route, stable, until};
use bytes::Bytes;
use hyper::StatusCode;
use serde_json::json;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tidegate_serve::remote::{RemoteModel, Secret, describe};
use tidegate_serve::{PoolEvent, PoolSettings, TargetSpec, TargetState, remote};

const MODEL: &str = r#"{"upstream": "others", "model": "double", "version": "7", "score": {"output": "y"}}"#;

fn golden() -> serde_json::Value {
    let of = |id: &str, x: f64, y: f64| {
        let tensor = |name: &str, v: f64| json!({ "name": name, "datatype": "FP64", "shape": [1], "data": [v] });
        json!({ "id": id, "inputs": [tensor("x", x)], "expect": { "outputs": [tensor("y", y)] } })
    };
    json!({ "requests": [of("g1", 2.0, 4.0), of("g2", -0.5, -1.0)] })
}

fn directory(dir: &Path) {
    std::fs::write(dir.join("remote.json"), MODEL).unwrap();
    std::fs::write(dir.join("golden.json"), golden().to_string()).unwrap();
}

/// Quick to notice, so that a test is quick too.
pub fn quick(active: &[&Upstream]) -> remote::Upstream {
    remote::Upstream {
        probe_every_ms: 20,
        golden_every_ms: 50,
        ..remote::Upstream::new("others", active.iter().map(|u| u.told()).collect())
    }
}

pub struct Setting {
    pub world: World,
    _dir: tempfile::TempDir,
}

/// The version in `dir`, which is written there.
pub fn spec_of(dir: &Path, upstream: remote::Upstream) -> TargetSpec {
    directory(dir);
    spec(dir, upstream)
}

fn spec(dir: &Path, upstream: remote::Upstream) -> TargetSpec {
    TargetSpec { upstream: Some(upstream), ..TargetSpec::new(stable(), "late", dir) }
}

pub async fn serving(upstream: remote::Upstream) -> Setting {
    let mut world = World::new().await;
    let dir = tempfile::tempdir().unwrap();
    directory(dir.path());
    world.pool.ensure(spec(dir.path(), upstream)).unwrap();
    assert_eq!(world.pool.settled(&stable()).await, Some(TargetState::Ready));
    world.apply(route(&[(stable(), 10_000)], 0));
    Setting { world, _dir: dir }
}

pub fn asking(x: f64) -> serde_json::Value {
    json!({ "id": "u", "inputs": [{ "name": "x", "datatype": "FP64", "shape": [1], "data": [x] }] })
}

/// What came of requests that went on beside what happened.
#[derive(Debug, Default)]
struct Ledger {
    sent: AtomicU64,
    right: AtomicU64,
    wrong: AtomicU64,
    other: AtomicU64,
}

/// So many clients ask, one request every `gap_ms` each, until told to stop.
pub struct Load {
    ledger: Arc<Ledger>,
    stop: tokio::sync::watch::Sender<bool>,
    clients: Vec<tokio::task::JoinHandle<()>>,
}

impl Load {
    pub fn start(world: &World, clients: usize, gap_ms: u64) -> Load {
        let (ledger, stop) = (Arc::<Ledger>::default(), tokio::sync::watch::Sender::new(false));
        let clients = (0..clients)
            .map(|_| {
                let (ledger, stop, mut client) = (Arc::clone(&ledger), stop.subscribe(), world.client());
                tokio::spawn(async move {
                    let mut x = 0.0;
                    while !*stop.borrow() {
                        x += 1.0;
                        ledger.sent.fetch_add(1, Ordering::SeqCst);
                        let got = client.post(INFER, &asking(x)).await;
                        let counter = match got.status {
                            StatusCode::OK if got.json()["outputs"][0]["data"] == json!([2.0 * x]) => &ledger.right,
                            StatusCode::OK => &ledger.wrong,
                            _ => &ledger.other,
                        };
                        counter.fetch_add(1, Ordering::SeqCst);
                        tokio::time::sleep(Duration::from_millis(gap_ms)).await;
                    }
                })
            })
            .collect();
        Load { ledger, stop, clients }
    }

    pub async fn until_sent(&self, more: u64) {
        let from = self.ledger.sent.load(Ordering::SeqCst);
        until("requests go on", || self.ledger.sent.load(Ordering::SeqCst) >= from + more).await;
    }

    /// Sent, right, wrong, and anything else; the first is the sum of the others.
    pub async fn end(self) -> [u64; 4] {
        self.stop.send_replace(true);
        for client in self.clients {
            client.await.unwrap();
        }
        let Ledger { sent, right, wrong, other } = &*self.ledger;
        let all = [sent, right, wrong, other].map(|n| n.load(Ordering::SeqCst));
        assert_eq!(all[0], all[1] + all[2] + all[3], "no request is lost from the ledger");
        all
    }
}

async fn page(world: &World) -> String {
    String::from_utf8(world.client().get("/metrics").await.body.to_vec()).unwrap()
}

fn count(page: &str, name: &str, server: &Upstream) -> u64 {
    let line = page.lines().find(|l| l.starts_with(name) && l.contains(&format!("server=\"http://{}\"", server.address)));
    line.unwrap_or_else(|| panic!("{name} of {} in {page}", server.address)).rsplit(' ').next().unwrap().parse().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bodies_go_through_as_they_are_and_servers_take_turns() {
    let (a, b) = (Upstream::start().await, Upstream::start().await);
    b.wants("s3cret");
    a.wants("s3cret");
    let setting = serving(remote::Upstream { token: Some(Secret("s3cret".to_owned())), ..quick(&[&a, &b]) }).await;
    until("both are well", || a.golden() >= 2 && b.golden() >= 2).await;
    let mut client = setting.world.client();
    for n in 0..40 {
        let got = client.post(INFER, &asking(f64::from(n))).await;
        assert_eq!((got.status, got.header("x-tidegate-version")), (StatusCode::OK, "1"));
        assert_eq!(got.json()["outputs"][0]["data"], json!([2.0 * f64::from(n)]));
    }
    assert_eq!(a.users() + b.users(), 40);
    assert!(a.users() >= 15 && b.users() >= 15, "{} and {}", a.users(), b.users());
    let (headers, body) = a.last();
    assert_eq!(headers["authorization"], "Bearer s3cret", "the upstream's token and not the client's");
    assert!(!String::from_utf8_lossy(&body).contains(TOKEN));
    // Metadata is the upstream's, the score is what the file names, and the request's id is known.
    let about = client.get("/v2/models/late").await.json();
    assert_eq!((&about["platform"], &about["inputs"][0]["name"]), (&json!("other"), &json!("x")));
    let mut outputs = setting.world;
    let record = outputs.outputs.records.recv().await.unwrap();
    assert_eq!((record.score, record.record_id.as_str()), (Some(0.0), "u"));
    outputs.pool.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_dies_loses_no_request_and_comes_back() {
    let (mut a, b) = (Upstream::start().await, Upstream::start().await);
    let setting = serving(quick(&[&a, &b])).await;
    until("both are well", || a.golden() >= 2 && b.golden() >= 2).await;
    let load = Load::start(&setting.world, 8, 1);
    load.until_sent(200).await;
    a.kill().await;
    load.until_sent(600).await;
    let page = page(&setting.world).await;
    assert_eq!((count(&page, "tidegate_server_well", &a), count(&page, "tidegate_server_well", &b)), (0, 1));
    assert!(count(&page, "tidegate_server_ejected_total", &a) >= 1);
    let before = a.users();
    a.revive().await;
    until("it is asked again", || a.users() > before).await;
    let [sent, right, ..] = load.end().await;
    assert_eq!(sent, right, "each request was answered, and right");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_that_a_stopped_server_owes_are_asked_elsewhere() {
    let (a, b) = (Upstream::start().await, Upstream::start().await);
    let setting = serving(quick(&[&a, &b])).await;
    until("both are well", || a.golden() >= 2 && b.golden() >= 2).await;
    let load = Load::start(&setting.world, 8, 1);
    load.until_sent(200).await;
    // As by SIGSTOP: connections stand, nothing comes.
    a.become_(Mode::Silent);
    load.until_sent(400).await;
    let [sent, right, ..] = load.end().await;
    assert_eq!(sent, right);
    let page = page(&setting.world).await;
    assert_eq!(count(&page, "tidegate_server_well", &a), 0);
    assert!(count(&page, "tidegate_server_retried_total", &b) >= 1, "what it owed went to the other");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_that_answers_200_with_wrong_numbers_is_left_out_until_it_is_right() {
    for mode in [Mode::Wrong, Mode::Empty] {
        let (a, b) = (Upstream::start().await, Upstream::start().await);
        let setting = serving(quick(&[&a, &b])).await;
        until("both are well", || a.golden() >= 2 && b.golden() >= 2).await;
        a.become_(mode);
        let noticed = a.golden();
        until("it was found out", || a.golden() >= noticed + 2).await;
        tokio::time::sleep(Duration::from_millis(50)).await;
        let users = a.users();
        let load = Load::start(&setting.world, 4, 1);
        load.until_sent(200).await;
        assert_eq!((a.users(), load.end().await[2]), (users, 0), "{mode:?}: nobody gets its answers");
        let page = page(&setting.world).await;
        assert_eq!((count(&page, "tidegate_server_wrong", &a), count(&page, "tidegate_server_wrong", &b)), (1, 0));
        a.become_(Mode::Right);
        let load = Load::start(&setting.world, 4, 1);
        until("it is asked again", || a.users() > users).await;
        assert_eq!(load.end().await[2..], [0, 0]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_every_server_is_wrong_nobody_is_answered_wrong() {
    let a = Upstream::start().await;
    let mut setting = serving(quick(&[&a])).await;
    a.become_(Mode::Wrong);
    let pool = setting.world.pool.clone();
    until("the version is away", || matches!(pool.state(&stable()), Some(TargetState::Away { .. }))).await;
    let got = setting.world.client().post(INFER, &asking(1.0)).await;
    assert_eq!((got.status, got.header("retry-after")), (StatusCode::SERVICE_UNAVAILABLE, "1"));
    let mut told = None;
    while let Ok(event) = setting.world.events.try_recv() {
        if let PoolEvent::Away { why, .. } = event {
            told = Some(why);
        }
    }
    let told = told.unwrap();
    assert!(told.contains("upstream others is well") && told.contains("output `y` at index 0 is"), "{told}");
    a.become_(Mode::Right);
    until("it is back", || pool.state(&stable()) == Some(TargetState::Ready)).await;
    assert_eq!(setting.world.client().post(INFER, &asking(1.0)).await.status, StatusCode::OK);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_fails_users_but_not_probes_is_left_out_by_its_failures() {
    let (a, b) = (Upstream::start().await, Upstream::start().await);
    // Golden requests would find it out by themselves: here they are not due.
    let setting = serving(remote::Upstream { golden_every_ms: 3_600_000, ..quick(&[&a, &b]) }).await;
    until("both are well", || a.golden() >= 2 && b.golden() >= 2).await;
    a.become_(Mode::Failing);
    let load = Load::start(&setting.world, 4, 1);
    load.until_sent(400).await;
    let [sent, right, ..] = load.end().await;
    assert_eq!(sent, right, "what it failed was asked of the other");
    assert!(a.users() < 40, "{} of {sent} went to it", a.users());
    let page = page(&setting.world).await;
    assert_eq!((count(&page, "tidegate_server_well", &a), count(&page, "tidegate_server_wrong", &a)), (0, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn standby_answers_when_no_active_server_does_and_only_then() {
    let (mut a, spare) = (Upstream::start().await, Upstream::start().await);
    let setting = serving(remote::Upstream { standby: vec![spare.told()], ..quick(&[&a]) }).await;
    until("both are well", || a.golden() >= 2 && spare.golden() >= 2).await;
    let load = Load::start(&setting.world, 8, 1);
    load.until_sent(200).await;
    assert_eq!(spare.users(), 0, "warm, and not asked");
    a.kill().await;
    load.until_sent(400).await;
    a.revive().await;
    let before = a.users();
    until("the active one answers again", || a.users() > before).await;
    load.until_sent(50).await;
    let after = spare.users();
    load.until_sent(200).await;
    assert_eq!(spare.users(), after, "the standby rests again");
    let [sent, right, ..] = load.end().await;
    assert_eq!(sent, right);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_busy_server_is_full_unless_the_standby_takes_the_burst() {
    let (a, spare) = (Upstream::start().await, Upstream::start().await);
    let full = remote::Upstream { in_flight_max: 2, golden_every_ms: 3_600_000, standby: vec![spare.told()], ..quick(&[&a]) };
    for burst in [false, true] {
        let golden = (a.golden(), spare.golden());
        let setting = serving(remote::Upstream { burst, ..full.clone() }).await;
        until("both are well", || a.golden() >= golden.0 + 2 && spare.golden() >= golden.1 + 2).await;
        let users = spare.users();
        a.become_(Mode::Slow(300));
        spare.become_(Mode::Slow(300));
        let asked: Vec<_> = (0..6)
            .map(|n| {
                let mut client = setting.world.client();
                tokio::spawn(async move { client.post(INFER, &asking(f64::from(n))).await.status.as_u16() })
            })
            .collect();
        let mut statuses = Vec::new();
        for one in asked {
            statuses.push(one.await.unwrap());
        }
        statuses.sort_unstable();
        match burst {
            false => assert_eq!(statuses, [200, 200, 429, 429, 429, 429]),
            true => assert_eq!((statuses, spare.users() - users), (vec![200, 200, 200, 200, 429, 429], 2)),
        }
        a.become_(Mode::Right);
        spare.become_(Mode::Right);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_total_outage_is_not_made_worse_by_asking_again() {
    let (a, b) = (Upstream::start().await, Upstream::start().await);
    let setting = serving(remote::Upstream { golden_every_ms: 3_600_000, ..quick(&[&a, &b]) }).await;
    until("both are well", || a.golden() >= 2 && b.golden() >= 2).await;
    a.become_(Mode::Half);
    b.become_(Mode::Half);
    let load = Load::start(&setting.world, 8, 0);
    load.until_sent(2_000).await;
    let [sent, right, wrong, other] = load.end().await;
    let attempts = a.users() + b.users();
    // A fifth of the requests, and ten a second over ten seconds.
    assert!(attempts <= sent + sent / 5 + 100, "{attempts} attempts for {sent} requests");
    assert!(attempts > sent && right > sent / 2 && other > 0 && wrong == 0, "{attempts} {right} {other}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_of_a_sequence_are_asked_once() {
    let (a, b) = (Upstream::start().await, Upstream::start().await);
    let setting = serving(remote::Upstream { golden_every_ms: 3_600_000, ..quick(&[&a, &b]) }).await;
    until("both are well", || a.golden() >= 2 && b.golden() >= 2).await;
    a.become_(Mode::Failing);
    b.become_(Mode::Failing);
    let mut client = setting.world.client();
    let mut asked = asking(1.0);
    asked["parameters"] = json!({ "sequence_id": 7 });
    assert_eq!(client.post(INFER, &asked).await.status, StatusCode::INTERNAL_SERVER_ERROR);
    assert_eq!(a.users() + b.users(), 1);
    assert_eq!(client.post(INFER, &asking(1.0)).await.status, StatusCode::INTERNAL_SERVER_ERROR);
    assert_eq!(a.users() + b.users(), 3, "any other is asked of both");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_answers_users_is_there_however_long_its_probes_wait() {
    let a = Upstream::start().await;
    let setting = serving(quick(&[&a])).await;
    a.become_(Mode::Crowded);
    let load = Load::start(&setting.world, 4, 1);
    // Several probes are refused meanwhile.
    let refused = a.golden();
    until("probes were refused", || a.golden() >= refused + 6).await;
    let [sent, right, ..] = load.end().await;
    assert_eq!(sent, right);
    assert_eq!(setting.world.pool.state(&stable()), Some(TargetState::Ready));
    assert_eq!(count(&page(&setting.world).await, "tidegate_server_ejected_total", &a), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_is_looked_at_while_it_answers_a_golden_request() {
    let a = Upstream::start().await;
    // A golden request is due whenever the server is looked at.
    let _setting = serving(remote::Upstream { probe_every_ms: 50, golden_every_ms: 1, ..quick(&[&a]) }).await;
    a.become_(Mode::Pondering);
    let golden = a.golden();
    until("a golden request is under way", || a.golden() > golden).await;
    let (golden, looks) = (a.golden(), a.looks());
    until("it was looked at", || a.looks() >= looks + 3).await;
    assert_eq!(a.golden(), golden, "the golden request is still waited for");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whose_fault_an_answer_is() {
    let a = Upstream::start().await;
    let setting = serving(remote::Upstream { golden_every_ms: 3_600_000, ..quick(&[&a]) }).await;
    let mut client = setting.world.client();
    // The server says 500 to what it cannot read; here it is 400, and opens no breaker.
    for _ in 0..60 {
        let got = client.ask("POST", INFER, Bytes::from_static(b"{\"inputs\":")).await.unwrap();
        assert_eq!(got.status, StatusCode::BAD_REQUEST, "{got:?}");
    }
    let missing = client.post(INFER, &json!({ "inputs": [] })).await;
    assert_eq!((missing.status, missing.error().as_str()), (StatusCode::BAD_REQUEST, "input 'x' is missing"));
    assert_eq!(client.post(INFER, &asking(1.0)).await.status, StatusCode::OK);
    a.become_(Mode::Busy);
    assert_eq!(client.post(INFER, &asking(1.0)).await.status, StatusCode::TOO_MANY_REQUESTS);
    a.become_(Mode::Failing);
    let failed = client.post(INFER, &asking(1.0)).await;
    assert_eq!((failed.status, failed.error().as_str()), (StatusCode::INTERNAL_SERVER_ERROR, "out of memory"));
    let counts = setting.world.gateway.take_counts("late-arrival");
    assert_eq!((counts[0].live.errors, counts[0].live.requests), (2, 3), "client faults are not the version's");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_become_ready_says_why() {
    let fail = |upstream: Option<remote::Upstream>, change: fn(&Path), start_ms_max: u64| async move {
        let world = World::with(PoolSettings { start_ms_max, ..pool_settings() }, |_| {}).await;
        let dir = tempfile::tempdir().unwrap();
        directory(dir.path());
        change(dir.path());
        let spec = TargetSpec { upstream, ..TargetSpec::new(stable(), "late", dir.path()) };
        world.pool.ensure(spec).unwrap();
        match world.pool.settled(&stable()).await {
            Some(TargetState::Failed { why }) => why,
            other => panic!("{other:?}"),
        }
    };
    let a = Upstream::start().await;
    let nothing: fn(&Path) = |_| {};
    assert!(
        fail(None, nothing, 9_000).await.starts_with("upstream others is not configured: write its addresses under `upstreams.others`")
    );
    let without: fn(&Path) = |dir| std::fs::remove_file(dir.join("golden.json")).unwrap();
    assert!(fail(Some(quick(&[&a])), without, 9_000).await.starts_with("it has no golden requests"));
    a.become_(Mode::Wrong);
    let why = fail(Some(quick(&[&a])), nothing, 9_000).await;
    assert!(why.contains("answers golden request `g1` otherwise: output `y` at index 0 is 5, known is 4"), "{why}");
    a.become_(Mode::NotReady);
    let why = fail(Some(quick(&[&a])), nothing, 300).await;
    assert!(why.ends_with("answers 400 to GET /v2/models/double/versions/7/ready"), "{why}");
    a.kill().await;
    let why = fail(Some(quick(&[&a])), nothing, 300).await;
    assert!(why.starts_with(&format!("cannot connect to http://{}", a.address)), "{why}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upstream_tells_of_a_model_and_records_golden_answers() {
    let (a, b) = (Upstream::start().await, Upstream::start().await);
    a.become_(Mode::NotReady);
    let model = RemoteModel::parse(MODEL.as_bytes()).unwrap();
    let asked = json!({ "requests": [{ "id": "g1", "inputs": [{ "name": "x", "datatype": "FP64", "shape": [2], "data": [1.0, 3.0] }] }] });
    let asked = tidegate_runtime::Golden::parse(asked.to_string().as_bytes()).unwrap();
    let (described, recorded) = describe(quick(&[&a, &b]), model.clone(), Some(&asked)).await.unwrap();
    assert_eq!((described.platform.as_str(), described.signature.outputs[0].name.as_str()), ("other", "y"));
    assert!(recorded.unwrap().to_json().unwrap().contains("2.0,6.0"));
    b.become_(Mode::Failing);
    let error = describe(quick(&[&a, &b]), model.clone(), Some(&asked)).await.unwrap_err().to_string();
    assert!(error.starts_with("record golden request `g1`: http://") && error.ends_with("answers 500 to golden request `g1`"), "{error}");
    b.become_(Mode::NotReady);
    let error = describe(quick(&[&a, &b]), model, None).await.unwrap_err().to_string();
    assert!(error.starts_with("ask upstream others for model double: http://"), "{error}");
}
