//! Servers of an upstream that break the rules of HTTP, and requests that would harm one.

use crate::remote::{asking, quick, serving, spec_of};
use crate::upstream::{Mode, Upstream};
use crate::world::{INFER, World, route, stable, until};
use hyper::StatusCode;
use serde_json::{Value as Json, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tidegate_core::route::Route;
use tidegate_serve::TargetState;
use tidegate_serve::remote::{self, Address};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// How a raw server treats a prediction of a user.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Ill {
    /// Answers, and says something more that nobody asked for.
    Chatty,
    /// Answers the first one of a connection, and closes when the second one has come.
    Closing,
}

/// A server of the model `double`, by hand; predictions of users are counted.
async fn raw(ill: Ill) -> (Address, Arc<AtomicU64>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = Address::parse(&format!("http://{}", listener.local_addr().unwrap())).unwrap();
    let users = Arc::<AtomicU64>::default();
    let counted = Arc::clone(&users);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(answer(stream, ill, Arc::clone(&counted)));
        }
    });
    (address, users)
}

async fn answer(mut stream: TcpStream, ill: Ill, users: Arc<AtomicU64>) {
    let mut own = 0;
    while let Some((path, body)) = request(&mut stream).await {
        let spec = |name: &str| json!([{ "name": name, "datatype": "FP64", "shape": [-1] }]);
        let reply = match path.rsplit('/').next().unwrap() {
            "infer" => {
                let x = body["inputs"][0]["data"][0].as_f64().unwrap();
                json!({ "outputs": [{ "name": "y", "datatype": "FP64", "shape": [1], "data": [2.0 * x] }] })
            }
            "7" => json!({ "inputs": spec("x"), "outputs": spec("y") }),
            _ => json!({}),
        };
        let of_user = body["id"] == "u";
        if of_user {
            users.fetch_add(1, Ordering::SeqCst);
            own += 1;
            if ill == Ill::Closing && own == 2 {
                return;
            }
        }
        let text = reply.to_string();
        let whole = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{text}", text.len());
        stream.write_all(whole.as_bytes()).await.unwrap();
        if of_user && ill == Ill::Chatty {
            tokio::time::sleep(Duration::from_millis(20)).await;
            let wrong = whole.replace("\"data\":[", "\"data\":[9");
            let wrong = wrong.replace(&format!("content-length: {}", text.len()), &format!("content-length: {}", text.len() + 1));
            stream.write_all(wrong.as_bytes()).await.unwrap();
        }
    }
}

/// Path and JSON of the next request; none when the connection has ended.
async fn request(stream: &mut TcpStream) -> Option<(String, Json)> {
    let mut bytes = Vec::new();
    loop {
        if let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&bytes[..end]).to_lowercase();
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok()).unwrap_or(0);
            if bytes.len() >= end + 4 + length {
                let path = head.split(' ').nth(1)?.to_owned();
                return Some((path, serde_json::from_slice(&bytes[end + 4..]).unwrap_or(Json::Null)));
            }
        }
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    }
}

async fn world(address: Address) -> (World, tempfile::TempDir) {
    let upstream = remote::Upstream { golden_every_ms: 3_600_000, ..remote::Upstream::new("others", vec![address]) };
    let (mut world, dir) = (World::new().await, tempfile::tempdir().unwrap());
    world.pool.ensure(spec_of(dir.path(), upstream)).unwrap();
    assert_eq!(world.pool.settled(&stable()).await, Some(TargetState::Ready));
    world.apply(route(&[(stable(), 10_000)], 0));
    (world, dir)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_server_says_unasked_is_nobodys_answer() {
    let (address, users) = raw(Ill::Chatty).await;
    let (world, _dir) = world(address).await;
    let mut client = world.client();
    for n in 0..4 {
        let got = client.post(INFER, &asking(f64::from(n))).await;
        assert_eq!((got.status, &got.json()["outputs"][0]["data"]), (StatusCode::OK, &json!([2.0 * f64::from(n)])));
        // It says it while nobody asks.
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
    assert_eq!(users.load(Ordering::SeqCst), 4);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_goes_out_once_more_on_a_new_connection_and_never_of_a_sequence() {
    let (address, users) = raw(Ill::Closing).await;
    let (world, _dir) = world(address).await;
    let mut client = world.client();
    assert_eq!(client.post(INFER, &asking(1.0)).await.status, StatusCode::OK);
    // The kept connection closes over it, the new one answers.
    assert_eq!(client.post(INFER, &asking(2.0)).await.status, StatusCode::OK);
    assert_eq!(users.load(Ordering::SeqCst), 3);
    let mut one = asking(3.0);
    one["parameters"] = json!({ "sequence_id": 1 });
    assert_eq!(client.post(INFER, &one).await.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(users.load(Ordering::SeqCst), 4);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_was_never_right_answers_nobody_even_where_the_others_are_busy() {
    let (a, b) = (Upstream::start().await, Upstream::start().await);
    b.become_(Mode::NotReady);
    let setting = serving(remote::Upstream { golden_every_ms: 3_600_000, ..quick(&[&a, &b]) }).await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    a.become_(Mode::Busy);
    for _ in 0..20 {
        let got = setting.world.client().post(INFER, &asking(1.0)).await;
        assert_eq!(got.status, StatusCode::TOO_MANY_REQUESTS);
    }
    assert_eq!(b.users(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_may_have_been_wrong_is_not_given_again() {
    let a = Upstream::start().await;
    let mut setting = serving(quick(&[&a])).await;
    setting.world.apply(Route { cache_ms: Some(60_000), ..route(&[(stable(), 10_000)], 0) });
    a.become_(Mode::Wrong);
    let mut client = setting.world.client();
    client.post(INFER, &asking(1.0)).await;
    let pool = setting.world.pool.clone();
    until("it was found out", || matches!(pool.state(&stable()), Some(TargetState::Away { .. }))).await;
    a.become_(Mode::Right);
    until("it is back", || pool.state(&stable()) == Some(TargetState::Ready)).await;
    let got = client.post(INFER, &asking(1.0)).await;
    assert_eq!((got.header("x-tidegate-cache"), &got.json()["outputs"][0]["data"]), ("", &json!([2.0])));
    assert_eq!(client.post(INFER, &asking(1.0)).await.header("x-tidegate-cache"), "hit");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_that_names_memory_of_the_upstream_is_not_sent() {
    let a = Upstream::start().await;
    let setting = serving(remote::Upstream { golden_every_ms: 3_600_000, ..quick(&[&a]) }).await;
    let mut client = setting.world.client();
    for name in ["shared_memory_region", "shared\\u005fmemory_region"] {
        let body = format!(
            "{{\"inputs\": [{{\"name\": \"x\", \"datatype\": \"FP64\", \"shape\": [1], \"parameters\": {{\"{name}\": \"other\"}}}}]}}"
        );
        let got = client.ask("POST", INFER, body.into()).await.unwrap();
        assert_eq!(got.status, StatusCode::BAD_REQUEST, "{got:?}");
    }
    assert_eq!(a.users(), 0);
    // A text that only looks so is a request as any other.
    let mut asked = asking(1.0);
    asked["parameters"] = json!({ "note": "shared_memory \u{e9}" });
    assert_eq!(client.post(INFER, &asked).await.status, StatusCode::OK);
}
