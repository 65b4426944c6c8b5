//! Metrics of services, asked over their own APIs: a real InfluxDB, and CloudWatch as moto answers it, with signed requests.

use crate::retrain::{looked, stands, trained};
use crate::up::{infer, served, up};
use crate::world::{Server, World, free_port, has_runtime, in_order, wait_for};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

/// Minutes of values.
const MINUTES: u64 = 120;

/// A server that answers at a port.
pub struct Answering {
    _server: Server,
    port: u16,
}

impl Answering {
    fn of(command: &mut Command, port: u16) -> Answering {
        let answering = Answering { _server: Server::start(command), port };
        wait_for("the server", || TcpStream::connect(("127.0.0.1", port)).is_ok().then_some(()));
        answering
    }

    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }
}

/// `curl`, which must succeed; what it printed.
#[track_caller]
pub fn curl(args: &[&str]) -> String {
    let output = Command::new("curl").args(["--silent", "--show-error", "--fail-with-body"]).args(args).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{args:?}: {said}{}", String::from_utf8_lossy(&output.stderr));
    said
}

/// Times of whole minutes up to now, oldest first, in seconds.
#[expect(clippy::disallowed_methods, reason = "servers keep their points by the real time")]
fn minutes() -> impl Iterator<Item = (u64, u64)> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() / 60 * 60;
    (0..MINUTES).map(move |i| (i, now - 60 * (MINUTES - 1 - i)))
}

/// Values of version 1, of a slower version 2, and of a version 3 that is like the first.
fn value(version: u64, minute: u64) -> u64 {
    100 + (minute * 7 + version) % 5 + 50 * u64::from(version == 2)
}

pub fn influxdb(world: &World) -> Option<Answering> {
    let on_path = || std::env::split_paths(&std::env::var_os("PATH")?).map(|p| p.join("influxd")).find(|file| file.is_file());
    let Some(program) = std::env::var_os("TIDEGATE_TEST_INFLUXD").map(PathBuf::from).or_else(on_path) else {
        eprintln!("skipped: no InfluxDB: install it or set TIDEGATE_TEST_INFLUXD");
        return None;
    };
    let (port, other) = (free_port(), free_port());
    let dir = world.beside("influxdb");
    let mut command = Command::new(program);
    command.arg("run").env("INFLUXDB_REPORTING_DISABLED", "true").env("INFLUXDB_HTTP_AUTH_ENABLED", "true");
    for (name, below) in [("META_DIR", "meta"), ("DATA_DIR", "data"), ("DATA_WAL_DIR", "wal")] {
        command.env(format!("INFLUXDB_{name}"), dir.join(below));
    }
    command.env("INFLUXDB_BIND_ADDRESS", format!("127.0.0.1:{other}"));
    let server = Answering::of(command.env("INFLUXDB_HTTP_BIND_ADDRESS", format!("127.0.0.1:{port}")), port);
    let url = server.url();
    let ask = |q: &str| curl(&["--user", "ada:secret", "--data-urlencode", &format!("q={q}"), &format!("{url}/query")]);
    ask("CREATE USER ada WITH PASSWORD 'secret' WITH ALL PRIVILEGES");
    ask("CREATE DATABASE shop");
    let mut lines = String::new();
    for (minute, second) in minutes() {
        for version in 1..=3 {
            lines += &format!("latency,version={version} ms={}i {second}\n", value(version, minute));
        }
    }
    curl(&["--user", "ada:secret", "--data-binary", &lines, &format!("{url}/write?db=shop&precision=s")]);
    Some(server)
}

#[test]
fn values_of_influxdb_are_judged_and_trip_a_breaker() {
    if !has_runtime() {
        return;
    }
    let world = served();
    let Some(server) = influxdb(&world) else { return };
    let url = server.url();
    let query =
        |version: u64| format!("SELECT mean(ms) FROM latency WHERE version = '{version}' AND $timeFilter GROUP BY time($__interval)");
    let config = format!(
        "sources:\n  shop: {{ influxdb: '{url}', database: shop, login: SHOP_LOGIN }}\nbreakers:\n  shop:\n    source: shop\n    every: 1s\n    after: 2\n    \
         signals: {{ slow: {{ query: \"{}\", above: 200 }} }}\n",
        query(2)
    );
    world.write("tidegate.yaml", &(world.read("tidegate.yaml") + &config));
    let judge = |version: u64, name: &str| {
        world.run(&["judge", "source", name, "--candidate", &query(version), "--control", &query(1), "--since", "110m", "--every", "1m"])
    };
    judge(2, "shop").fails(3, &["ask InfluxDB: the environment variable SHOP_LOGIN is not set"]);
    world.set("SHOP_LOGIN", "ada:wrong");
    judge(2, "shop").fails(3, &["ask InfluxDB: it says 401"]);
    world.set("SHOP_LOGIN", "ada:secret");
    judge(2, "shops").fails(4, &["there is no `shops`; known are shop"]);
    let harmful = judge(2, "shop");
    assert_eq!(harmful.code, 1, "{harmful:?}");
    in_order(&harmful.out, &["rollback"]);
    let harmless = judge(3, "shop").well();
    in_order(&harmless.out, &["promote"]);
    judge(7, "shop").fails(4, &["finds no series in the last 110m"]);

    let _up = up(&world);
    let list = || world.run(&["breaker", "list"]).out;
    wait_for("a normal look", || list().contains("shop: closed; normal at").then_some(()));
    // A point that comes late, in the newest whole minute.
    let (_, second) = minutes().last().unwrap();
    let late = format!("latency,version=2 ms=900i {}\n", second - 59);
    curl(&["--user", "ada:secret", "--data-binary", &late, &format!("{url}/write?db=shop&precision=s")]);
    wait_for("the trip", || list().contains("shop: tripped by watch").then_some(()));
    in_order(&list(), &["slow is", "above 200"]);
}

#[test]
fn values_of_cloudwatch_are_asked_with_a_signature() {
    let Some(program) = std::env::var_os("TIDEGATE_TEST_MOTO").map(PathBuf::from) else {
        eprintln!("skipped: values of CloudWatch: set TIDEGATE_TEST_MOTO to a moto_server");
        return;
    };
    let world = World::new();
    let port = free_port();
    let server = Answering::of(Command::new(program).args(["-H", "127.0.0.1", "-p", &port.to_string()]), port);
    let url = server.url();
    let all: Vec<(u64, u64)> = minutes().collect();
    for version in 1..=2 {
        for part in all.chunks(20) {
            let mut form = "Action=PutMetricData&Version=2010-08-01&Namespace=shop".to_owned();
            for (i, (minute, second)) in part.iter().enumerate() {
                let time = jiff::Timestamp::from_second(i64::try_from(*second).unwrap()).unwrap();
                let value = value(version, *minute);
                let member = format!("&MetricData.member.{}", i + 1);
                form += &format!("{member}.MetricName=latency{version}{member}.Value={value}{member}.Timestamp={time}");
            }
            curl(&["--aws-sigv4", "aws:amz:eu-west-1:monitoring", "--user", "id:key", "--data", &form, &url]);
        }
    }
    let config = format!("version: 1\nworkspace: w\nsources:\n  aws: {{ cloudwatch: eu-west-1, endpoint: '{url}' }}\n");
    world.write("tidegate.yaml", &config);
    world.set("AWS_ACCESS_KEY_ID", "id");
    world.set("AWS_SECRET_ACCESS_KEY", "key");
    let stat =
        |version: u64| format!("{{\"Metric\": {{\"Namespace\": \"shop\", \"MetricName\": \"latency{version}\"}}, \"Stat\": \"Average\"}}");
    let judged = world.run(&["judge", "source", "aws", "--candidate", &stat(2), "--control", &stat(1), "--since", "110m"]);
    assert_eq!(judged.code, 1, "{judged:?}");
    in_order(&judged.out, &["rollback"]);
}

#[test]
fn predictions_in_the_lake_are_asked_in_sql_and_trip_a_breaker() {
    if !has_runtime() {
        return;
    }
    let count = "SELECT at / $interval * $interval AS time, count(*) AS n FROM predictions WHERE $timeFilter AND service = 's' GROUP BY 1";
    // Without predictions there is a row all the same: nothing to tell would be abnormal.
    let config = "sources: { own: { lake: 1d } }\nbreakers:\n  busy:\n    source: own\n    every: 1s\n    after: 1\n    \
        signals: { many: { query: 'SELECT $from AS time, count(*) AS n FROM predictions WHERE $timeFilter', above: 7 } }\n";
    let world = trained("on: data, cool_down: 0ms, approve: auto", config);
    let _up = up(&world);
    looked(&world);
    world.write("words.csv", "word\nother\n");
    stands(&world, 1, "promoted");
    let judge =
        |query: &str| world.run(&["judge", "source", "own", "--candidate", query, "--control", query, "--since", "5m", "--every", "1s"]);
    judge(count).fails(4, &["finds no series in the last 5m"]);
    for _ in 0..8 {
        infer(&world, "");
    }
    // Rows are written a moment later. The newest step is left out, for it has only begun.
    let judged = wait_for("predictions", || Some(judge(count)).filter(|said| said.code != 4));
    assert_eq!(judged.code, 1, "a handful of values is evidence of nothing: {judged:?}");
    judge("DROP TABLE predictions").fails(3, &["ask the lake for `DROP TABLE predictions`: it takes one SELECT"]);
    judge("SELECT * FROM '/etc/passwd'").fails(3, &["it has no table", "known are predictions, feedback, exposures"]);
    judge("SELECT avg(latency_us) AS ms FROM predictions").fails(3, &["its rows have no `time`"]);
    judge("SELECT at AS time, inputs FROM predictions").fails(3, &["it refuses the query"]);
    let by_version = count.replace("count(*) AS n", "version, avg(latency_us) AS us").replace("BY 1", "BY 1, 2");
    assert_ne!(judge(&by_version).code, 3);
    // The minute that has begun is not looked at; the one before it is.
    wait_for("the trip", || world.run(&["breaker", "list"]).out.contains("busy: tripped by watch").then_some(()));
    in_order(&world.run(&["breaker", "list"]).out, &["many is", "above 7"]);
}
