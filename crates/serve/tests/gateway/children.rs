//! Servers of another kind that the gateway starts itself: a real one in Python, ended and killed in every way.

use crate::remote::{Load, asking};
use crate::world::{INFER, World, pool_settings, route, stable, until};
use hyper::StatusCode;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value as Json, json};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use tidegate_runtime::Golden;
use tidegate_serve::remote::{Program, RemoteModel, Secret, Upstream, describe, time};
use tidegate_serve::{PoolEvent, PoolSettings, TargetSpec, TargetState};

const MODEL: &str = r#"{"upstream": "python", "model": "double", "score": {"output": "y"}}"#;
const GUARD: &str = env!("CARGO_BIN_EXE_tidegate-test-worker");

/// The Python of the tests; without one a test says that it is skipped.
fn python() -> Option<String> {
    let python = std::env::var("TIDEGATE_TEST_PYTHON").ok();
    if python.is_none() {
        eprintln!("skipped: no Python: set TIDEGATE_TEST_PYTHON");
    }
    python
}

fn script() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/children/server.py")
}

fn program(words: Vec<String>) -> Program {
    Program { stop_ms_max: 2_000, restarts_max: 2, ..Program::new(GUARD.into(), vec!["real".into()], words, "/".into()) }
}

/// The server, with further arguments.
fn server(python: String, more: &[&str]) -> Program {
    let mut words = vec![python, script().to_str().unwrap().to_owned(), "{port}".to_owned()];
    words.extend(more.iter().map(|word| (*word).to_owned()));
    program(words)
}

fn upstream(program: Program) -> Upstream {
    Upstream { program: Some(program), probe_every_ms: 20, golden_every_ms: 50, ..Upstream::new("python", vec![]) }
}

fn golden() -> Json {
    let tensor = |name: &str, v: f64| json!({ "name": name, "datatype": "FP64", "shape": [1], "data": [v] });
    json!({ "requests": [{ "id": "g1", "inputs": [tensor("x", 2.0)], "expect": { "outputs": [tensor("y", 4.0)] } }] })
}

fn spec(dir: &Path, upstream: Upstream) -> TargetSpec {
    std::fs::write(dir.join("remote.json"), MODEL).unwrap();
    std::fs::write(dir.join("golden.json"), golden().to_string()).unwrap();
    TargetSpec { upstream: Some(upstream), ..TargetSpec::new(stable(), "late", dir) }
}

struct Setting {
    world: World,
    dir: tempfile::TempDir,
}

async fn setting(program: Program, settings: PoolSettings) -> Setting {
    let (world, dir) = (World::with(settings, |_| {}).await, tempfile::tempdir().unwrap());
    world.pool.ensure(spec(dir.path(), upstream(program))).unwrap();
    Setting { world, dir }
}

async fn serving(program: Program) -> Setting {
    let mut setting = setting(program, pool_settings()).await;
    assert_eq!(setting.world.pool.settled(&stable()).await, Some(TargetState::Ready));
    setting.world.apply(route(&[(stable(), 10_000)], 0));
    setting
}

/// What a server tells of itself, asked past the gateway.
fn about(port: &str) -> Json {
    let mut stream = TcpStream::connect(format!("127.0.0.1:{port}")).unwrap();
    stream.write_all(b"GET /about HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n").unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    serde_json::from_str(text.split_once("\r\n\r\n").unwrap().1).unwrap()
}

/// Ports of the servers that run, as their command lines say.
fn ports(world: &World) -> Vec<String> {
    let line = |process: &u32| std::fs::read(format!("/proc/{process}/cmdline")).unwrap_or_default();
    let third = |line: Vec<u8>| Some(String::from_utf8_lossy(line.split(|b| *b == 0).nth(2)?).into_owned());
    world.pool.processes(&stable()).iter().map(line).filter_map(third).collect()
}

fn processes(about: &Json) -> Vec<u32> {
    about["processes"].as_array().unwrap().iter().map(|n| u32::try_from(n.as_u64().unwrap()).unwrap()).collect()
}

/// Whether a process runs: one that nobody has waited for yet does not.
fn runs(process: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, state)| !state.starts_with('Z'))
}

fn kill(process: u32) {
    kill_process(Pid::from_raw(process.cast_signed()).unwrap(), Signal::KILL).unwrap();
}

fn parent(process: u32) -> u32 {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap();
    stat.rsplit_once(") ").unwrap().1.split(' ').nth(1).unwrap().parse().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_is_started_answers_and_gets_no_variable_that_is_not_named() {
    let Some(python) = python() else { return };
    let named = vec![("MODEL_TOKEN".to_owned(), Secret("s3cret".to_owned()))];
    let logs = tempfile::tempdir().unwrap();
    let log = logs.path().join("servers/python.log");
    let setting = serving(Program { environment: named, log: Some(log.clone()), ..server(python, &["--say", "{port}"]) }).await;
    let got = setting.world.client().post(INFER, &asking(3.0)).await;
    assert_eq!((got.status, got.header("x-tidegate-version")), (StatusCode::OK, "1"));
    assert_eq!(got.json()["outputs"][0]["data"], json!([6.0]));
    let ports = ports(&setting.world);
    let about = about(&ports[0]);
    assert_eq!(about["arguments"], json!([ports[0], "--say", ports[0]]));
    let variables: Vec<&str> = about["variables"].as_array().unwrap().iter().map(|v| v.as_str().unwrap()).collect();
    assert!(["MODEL_TOKEN", "PATH", "TIDEGATE_MODEL", "TIDEGATE_PORT", "TIDEGATE_VERSION"].iter().all(|name| variables.contains(name)));
    // Set by cargo for this process, and named by nobody.
    assert!(std::env::var_os("CARGO_MANIFEST_DIR").is_some() && !variables.contains(&"CARGO_MANIFEST_DIR"));
    let said = format!(" python:{}: double is served\n", ports[0]);
    until("its words are in the log", || std::fs::read_to_string(&log).unwrap_or_default().contains(&said)).await;
    let told = processes(&about);
    assert!(told.iter().all(|process| runs(*process)));
    setting.world.pool.shutdown().await;
    until("neither it nor what it started runs", || !told.iter().any(|process| runs(*process))).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_that_is_killed_under_load_loses_no_request_beside_another() {
    let Some(python) = python() else { return };
    let setting = serving(Program { copies: 2, ..server(python, &[]) }).await;
    let world = &setting.world;
    until("both run", || ports(world).len() == 2).await;
    let page = async || String::from_utf8(world.client().get("/metrics").await.body.to_vec()).unwrap();
    let well = |page: &str| page.lines().filter(|l| l.starts_with("tidegate_server_well{") && l.ends_with(" 1")).count();
    while well(&page().await) < 2 {
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    let load = Load::start(world, 4, 1);
    load.until_sent(100).await;
    let killed = processes(&about(&ports(world)[0]));
    kill(killed[0]);
    until("what it had started is ended too", || !killed.iter().any(|process| runs(*process))).await;
    load.until_sent(100).await;
    until("it is started again", || world.pool.restarts(&stable()) == 1 && ports(world).len() == 2).await;
    while well(&page().await) < 2 {
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    load.until_sent(100).await;
    let [sent, right, ..] = load.end().await;
    assert_eq!(sent, right, "each request was answered, and right");
    setting.world.pool.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_that_ends_again_and_again_has_failed_with_its_last_words_until_it_is_tried_anew() {
    let words = ["sh", "-c", "echo no memory on {port} >&2; exit 3"].map(str::to_owned).to_vec();
    let mut setting = setting(program(words), pool_settings()).await;
    let Some(TargetState::Failed { why }) = setting.world.pool.settled(&stable()).await else { panic!("it has not failed") };
    assert!(why.contains("it ended 3 times and is not started again") && why.contains("exit code 3; it said: no memory on "), "{why}");
    assert_eq!(setting.world.pool.restarts(&stable()), 2);
    setting.world.pool.revive(&stable());
    until("it was tried as often again", || setting.world.pool.restarts(&stable()) == 4).await;
    assert!(matches!(setting.world.pool.settled(&stable()).await, Some(TargetState::Failed { .. })));
    assert!(matches!(setting.world.events.recv().await, Some(PoolEvent::Died { .. })));
    assert!(matches!(setting.world.events.recv().await, Some(PoolEvent::Died { .. })));
    assert!(matches!(setting.world.events.recv().await, Some(PoolEvent::Failed { .. })));
    setting.world.pool.unload(&stable()).await.unwrap();
    assert_eq!(setting.world.pool.state(&stable()), None);
    // A program that is not there is told by its name.
    let spec = spec(setting.dir.path(), upstream(program(vec!["no-such-program".to_owned()])));
    setting.world.pool.ensure(spec).unwrap();
    let Some(TargetState::Failed { why }) = setting.world.pool.settled(&stable()).await else { panic!("it has not failed") };
    assert!(why.contains("start `no-such-program`: ") && why.contains("name a program that is there in `command`"), "{why}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_that_does_not_listen_in_its_time_is_ended_and_started_again() {
    let words = ["sh", "-c", "exec sleep 600"].map(str::to_owned).to_vec();
    let setting = setting(Program { ready_ms_max: 150, ..program(words) }, pool_settings()).await;
    let Some(TargetState::Failed { why }) = setting.world.pool.settled(&stable()).await else { panic!("it has not failed") };
    assert!(why.contains("it was not ready within 150 ms of its start"), "{why}");
    assert!(setting.world.pool.processes(&stable()).is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_that_answers_otherwise_gets_no_request() {
    let Some(python) = python() else { return };
    let setting = setting(server(python, &["--wrong"]), pool_settings()).await;
    let Some(TargetState::Failed { why }) = setting.world.pool.settled(&stable()).await else { panic!("it has not failed") };
    assert!(why.contains("answers golden request `g1` otherwise"), "{why}");
    setting.world.pool.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_that_is_deaf_to_the_end_is_killed_with_all_that_it_started() {
    let Some(python) = python() else { return };
    let setting = serving(Program { stop_ms_max: 100, ..server(python, &["--deaf"]) }).await;
    let told = processes(&about(&ports(&setting.world)[0]));
    assert!(told.iter().all(|process| runs(*process)));
    setting.world.pool.shutdown().await;
    until("neither runs", || !told.iter().any(|process| runs(*process))).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_left_when_the_guard_is_killed() {
    let Some(python) = python() else { return };
    let setting = serving(server(python, &[])).await;
    let told = processes(&about(&ports(&setting.world)[0]));
    kill(parent(told[0]));
    until("neither it nor what it started runs", || !told.iter().any(|process| runs(*process))).await;
    until("it is started again", || !ports(&setting.world).is_empty()).await;
    until("it is ready again", || setting.world.pool.state(&stable()) == Some(TargetState::Ready)).await;
    setting.world.pool.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_left_when_the_gateway_is_killed() {
    let Some(python) = python() else { return };
    let (ours, theirs) = UnixStream::pair().unwrap();
    // Below the ports that the system gives out and those that gateways give their servers: nobody else takes it meanwhile.
    let port = (10_000 + std::process::id() % 5_000).to_string();
    let mut command = Command::new(GUARD);
    command.args(["real", "--guard", "100", "--", &python]).arg(script()).arg(&port).process_group(0);
    let mut guard = command.stdin(Stdio::from(std::os::fd::OwnedFd::from(theirs))).spawn().unwrap();
    drop(command);
    until("it listens", || TcpStream::connect(format!("127.0.0.1:{port}")).is_ok()).await;
    let told = processes(&about(&port));
    // A process that is killed has its connections closed by the system, and says nothing.
    drop(ours);
    until("neither runs", || !told.iter().any(|process| runs(*process))).await;
    guard.wait().unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn before_it_is_registered_it_is_started_asked_timed_and_ended() {
    let Some(python) = python() else { return };
    let upstream = upstream(server(python, &[]));
    let model = RemoteModel::parse(MODEL.as_bytes()).unwrap();
    let asked = Golden::parse(golden().to_string().as_bytes()).unwrap();
    let (described, recorded) = describe(upstream.clone(), model.clone(), Some(&asked)).await.unwrap();
    assert_eq!((described.platform.as_str(), described.signature.inputs[0].name.as_str()), ("python", "x"));
    assert_eq!(recorded.unwrap().requests.len(), 1);
    assert_eq!(time(upstream, model.clone(), &asked, 20).await.unwrap().len(), 20);
    let words = ["sh", "-c", "echo no licence; exit 1"].map(str::to_owned).to_vec();
    let away = Upstream { program: Some(program(words)), ..Upstream::new("python", vec![]) };
    let why = describe(away, model, None).await.unwrap_err().to_string();
    assert!(why.starts_with("ask upstream python for model double: its process ended with exit code 1; it said: no licence"), "{why}");
}
