//! The metrics page as OpenMetrics, with exemplars: read by Prometheus' own library, and scraped by a Prometheus.

use crate::collector::Collector;
use crate::otel::others;
use crate::world::{INFER, TOKEN, World, pool_settings, route, stable};
use serde_json::{Value as Json, json};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const OPEN: &str = "application/openmetrics-text; version=1.0.0";

/// A gateway that has answered one request whose trace is recorded.
async fn traced() -> World {
    let collector = Collector::start().await;
    let mut world = World::with(pool_settings(), |settings| settings.traces = Some(collector.settings(0.0))).await;
    world.load(&[stable()]).await;
    world.apply(route(&[(stable(), 10_000)], 0));
    let mut client = world.client();
    client.headers = vec![("traceparent", format!("00-{TRACE}-b7ad6b7169203331-01"))];
    client.post(INFER, &json!({ "x": 1 })).await;
    client.headers.clear();
    client.post(INFER, &json!({ "x": 1 })).await;
    world
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn exemplars_are_for_who_asks_for_openmetrics_and_names_stay() {
    let world = traced().await;
    let mut client = world.client();
    let plain = client.get("/metrics").await;
    client.headers = vec![("accept", OPEN.to_owned())];
    let open = client.get("/metrics").await;
    assert_eq!(plain.header("content-type"), "text/plain; version=0.0.4; charset=utf-8");
    assert_eq!(open.header("content-type"), "application/openmetrics-text; version=1.0.0; charset=utf-8");
    let (plain, open) = (String::from_utf8(plain.body.to_vec()).unwrap(), String::from_utf8(open.body.to_vec()).unwrap());
    assert!(!plain.contains(TRACE) && !plain.contains("# EOF") && open.ends_with("# EOF\n"));
    let names = |page: &str| {
        page.lines().filter(|l| !l.starts_with('#')).map(|l| l.split([' ', '{']).next().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(names(&plain), names(&open), "dashboards go on");
    let told: Vec<&str> = open.lines().filter(|line| line.contains(" # ")).collect();
    let [told] = told.as_slice() else { panic!("{told:?}") };
    assert!(
        told.starts_with("tidegate_request_duration_seconds_bucket{") && told.contains(&format!("# {{trace_id=\"{TRACE}\"}} 0.")),
        "{told}"
    );
    if let Some(read) = others("metrics", open.as_bytes()) {
        assert_eq!(read.lines().count(), 1, "{read}");
        assert!(read.starts_with("tidegate_request_duration_seconds_bucket ") && read.contains(TRACE), "{read}");
    }
}

struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// What a Prometheus answers; none while it does not.
async fn asked(at: SocketAddr, path: &str) -> Option<Json> {
    let mut client = crate::client::Client::new(at);
    client.token = None;
    let got = client.ask("GET", path, bytes::Bytes::new()).await.ok()?;
    serde_json::from_slice(&got.body).ok()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_prometheus_takes_exemplars_and_triton_names() {
    let on_path = || std::env::split_paths(&std::env::var_os("PATH")?).map(|p| p.join("prometheus")).find(|file| file.is_file());
    let Some(program) = std::env::var_os("TIDEGATE_TEST_PROMETHEUS").map(PathBuf::from).filter(|p| p.is_file()).or_else(on_path) else {
        eprintln!("skipped: no Prometheus: install it or set TIDEGATE_TEST_PROMETHEUS");
        return;
    };
    let world = traced().await;
    let dir = tempfile::tempdir().unwrap();
    let gateway = world.gateway.address();
    let config = format!(
        "global: {{ scrape_interval: 1s }}\nscrape_configs:\n  - job_name: t\n    authorization: {{ credentials: {TOKEN} }}\n    static_configs: [{{ targets: ['{gateway}'] }}]\n"
    );
    std::fs::write(dir.path().join("prometheus.yml"), config).unwrap();
    // A free port, which somebody else could take before it does: then it ends, and the test says so.
    let at = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let mut command = Command::new(program);
    command.arg("--enable-feature=exemplar-storage").arg(format!("--config.file={}", dir.path().join("prometheus.yml").display()));
    command.arg(format!("--storage.tsdb.path={}", dir.path().join("data").display())).arg(format!("--web.listen-address={at}"));
    let mut server = Server(command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap());
    let mut found = Json::Null;
    for _ in 0..600 {
        assert!(server.0.try_wait().unwrap().is_none(), "Prometheus ended");
        let path = "/api/v1/query_exemplars?query=tidegate_request_duration_seconds_bucket&start=0&end=9999999999";
        found = asked(at, path).await.unwrap_or_default();
        if found["data"].as_array().is_some_and(|data| !data.is_empty()) {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(found["data"][0]["exemplars"][0]["labels"]["trace_id"], TRACE, "{found}");
    for (name, value) in [("nv_inference_request_success", "2"), ("tidegate_requests_total%7Boutcome%3D%22answered%22%7D", "2")] {
        let found = asked(at, &format!("/api/v1/query?query={name}")).await.unwrap();
        assert_eq!(found["data"]["result"][0]["value"][1], value, "{name}: {found}");
    }
}
