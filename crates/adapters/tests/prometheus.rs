//! Native histograms of a real Prometheus, scraped from a target that answers in the protobuf form of the exposition format.
#![allow(missing_docs, clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tidegate_adapters::curl::BriefCurl;
use tidegate_adapters::prometheus::{Arms, CountError, LatencyArms, QueryError, counts, range, slow};
use tidegate_core::judge::LatencyHistogram;
use tidegate_wire::prometheus::{Grid, LatencyUnit};

/// The server, from `TIDEGATE_TEST_PROMETHEUS` or the path.
fn program() -> Option<PathBuf> {
    let on_path = || std::env::split_paths(&std::env::var_os("PATH")?).map(|p| p.join("prometheus")).find(|file| file.is_file());
    std::env::var_os("TIDEGATE_TEST_PROMETHEUS").map(PathBuf::from).filter(|p| p.is_file()).or_else(on_path)
}

fn varint(mut n: u64, out: &mut Vec<u8>) {
    while n >= 128 {
        out.push((n % 128) as u8 | 128);
        n /= 128;
    }
    out.push(n as u8);
}

/// A field of a number.
fn whole(field: u64, n: u64, out: &mut Vec<u8>) {
    varint(field * 8, out);
    varint(n, out);
}

fn real(field: u64, x: f64, out: &mut Vec<u8>) {
    varint(field * 8 + 1, out);
    out.extend(x.to_le_bytes());
}

/// A field of bytes: a text, or a message.
fn bytes(field: u64, of: &[u8], out: &mut Vec<u8>) {
    varint(field * 8 + 2, out);
    varint(of.len() as u64, out);
    out.extend(of);
}

fn zigzag(n: i64) -> u64 {
    ((n << 1) ^ (n >> 63)) as u64
}

/// A histogram of schema 0 after so many scrapes: in `quick` (0.125, 0.25], in `slow` (2, 4], and none between.
fn histogram(version: &str, quick: u64, slow: u64) -> Vec<u8> {
    let (mut label, mut histogram, mut metric) = (vec![], vec![], vec![]);
    bytes(1, b"version", &mut label);
    bytes(2, version.as_bytes(), &mut label);
    whole(1, quick + slow, &mut histogram);
    real(2, 0.2 * quick as f64 + 3.0 * slow as f64, &mut histogram);
    whole(5, zigzag(0), &mut histogram);
    real(6, 1e-9, &mut histogram);
    whole(7, 0, &mut histogram);
    // Buckets -2 (0.125, 0.25] and 2 (2, 4], as two spans.
    for (offset, length) in [(-2, 1), (3, 1)] {
        let mut span = vec![];
        whole(1, zigzag(offset), &mut span);
        whole(2, length, &mut span);
        bytes(12, &span, &mut histogram);
    }
    let deltas = [quick as i64, slow as i64 - quick as i64];
    for delta in deltas {
        whole(13, zigzag(delta), &mut histogram);
    }
    bytes(1, &label, &mut metric);
    bytes(7, &histogram, &mut metric);
    metric
}

/// A target; its histograms grow with each scrape.
fn exporter() -> String {
    static SCRAPES: AtomicU64 = AtomicU64::new(0);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            let _ = stream.read(&mut [0; 4096]);
            let n = SCRAPES.fetch_add(1, Ordering::Relaxed) + 1;
            let (mut family, mut body) = (vec![], vec![]);
            bytes(1, b"request_seconds", &mut family);
            whole(3, 4, &mut family);
            for (version, quick, slow) in [("1", 9 * n, n), ("2", 5 * n, 5 * n)] {
                bytes(4, &histogram(version, quick, slow), &mut family);
            }
            varint(family.len() as u64, &mut body);
            body.extend(&family);
            let kind = "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited";
            let head = format!("HTTP/1.1 200 OK\r\ncontent-type: {kind}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", body.len());
            let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(&body));
        }
    });
    address
}

struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn native_histograms_of_a_real_server_are_counted() {
    let Some(program) = program() else {
        eprintln!("skipped: no Prometheus: install it or set TIDEGATE_TEST_PROMETHEUS");
        return;
    };
    let dir = tempfile::tempdir().unwrap();
    let target = exporter();
    let config = format!(
        "scrape_configs:\n- {{ job_name: t, scrape_interval: 1s, scrape_timeout: 1s, static_configs: [{{ targets: ['{target}'] }}] }}\n"
    );
    std::fs::write(dir.path().join("prometheus.yml"), config).unwrap();
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let mut command = Command::new(program);
    command.arg("--enable-feature=native-histograms").arg(format!("--config.file={}", dir.path().join("prometheus.yml").display()));
    command.arg(format!("--storage.tsdb.path={}", dir.path().join("tsdb").display())).arg(format!("--web.listen-address=127.0.0.1:{port}"));
    let _server = Server(command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap());

    let url = format!("http://127.0.0.1:{port}");
    let selector = |version: u32| format!("request_seconds{{version=\"{version}\"}}");
    let arms = LatencyArms { candidate: selector(2), control: selector(1), unit: LatencyUnit::Seconds };
    // A grid that ends now: what is there is asked for until there are three intervals with answers.
    let now = || {
        let output = Command::new("date").arg("+%s").output().unwrap();
        String::from_utf8(output.stdout).unwrap().trim().parse::<i64>().unwrap()
    };
    let mut found = None;
    for _ in 0..240 {
        let grid = Grid { start_s: now() - 10, step_s: 1, steps: 10 };
        let [candidate, control] = match slow(&BriefCurl, &url, None, &arms, grid) {
            Ok(found) => found,
            Err(_) => {
                std::thread::sleep(Duration::from_millis(250));
                continue;
            }
        };
        if candidate.intervals.iter().filter(|h| h.total() > 0).count() >= 3 {
            found = Some((grid, candidate, control));
            break;
        }
        std::thread::sleep(Duration::from_millis(250));
    }
    let (grid, candidate, control) = found.expect("three intervals with answers");
    assert_eq!(candidate.edges, control.edges);
    assert!(candidate.edges.windows(2).all(|w| w[1] - w[0] == 16), "a factor of two between ends: {:?}", candidate.edges);
    let (quick, late) = (LatencyHistogram::bucket_of(250_000.0), LatencyHistogram::bucket_of(4_000_000.0));
    for (arm, parts) in [(&candidate, (5, 5)), (&control, (9, 1))] {
        for interval in arm.intervals.iter().filter(|h| h.total() > 0) {
            let count = |of: u16| interval.0.iter().find(|(bucket, _)| *bucket == of).map_or(0, |(_, n)| *n);
            assert_eq!(u64::from(count(quick) + count(late)), interval.total(), "{interval:?}");
            assert_eq!(count(quick) * parts.1, count(late) * parts.0, "as many of each as were exported: {interval:?}");
        }
    }
    // The same histogram counts requests, and a number cannot be made of it without saying which.
    let requests = Arms { candidate: selector(2), control: selector(1), errors: "version=\"none\"".to_owned() };
    let intervals = counts(&BriefCurl, &url, None, &requests, grid).unwrap();
    assert!(intervals.iter().any(|i| i.candidate.0 >= 10 && i.candidate.0 == i.control.0 && i.candidate.1 == 0), "{intervals:?}");
    let said = range(&BriefCurl, &url, None, &selector(1), grid).unwrap_err().to_string();
    assert!(said.contains("it finds a native histogram: ask for a number of it"), "{said}");
    let p99 = range(&BriefCurl, &url, None, &format!("histogram_quantile(0.99, {})", selector(1)), grid).unwrap();
    assert!(p99[0].values.iter().any(|v| *v > 2.0), "{p99:?}");
    let nothing = LatencyArms { candidate: selector(9), ..arms };
    assert!(matches!(slow(&BriefCurl, &url, None, &nothing, grid), Err(CountError::Nothing(_))));
    assert!(matches!(range(&BriefCurl, "http://127.0.0.1:1", None, "up", grid), Err(QueryError::Http(_))));
}
