//! Features: training sets of files and of events, what is served of events as they come, and a stock client of Feast that reads it.

use crate::deployments::post;
use crate::up::{owner, served, up};
use crate::world::{World, has_runtime, in_order};
use serde_json::{Value, json};

const CONFIG: &str = "version: 1\nworkspace: shop\nfeatures:\n  stats:\n    file: stats.csv\n    entity: [driver, region]\n    created: created\n    ttl: 2h\n    columns: [rate, kind]\n";
const STATS: &str = "driver,region,event_timestamp,created,rate,kind\n\
    1,north,2026-03-01T10:00:00Z,2026-03-01T10:05:00Z,0.5,a\n\
    1,north,2026-03-01T11:00:00Z,2026-03-01T13:00:00Z,0.7,b\n\
    1,south,2026-03-01T10:00:00Z,2026-03-01T10:00:00Z,0.9,c\n\
    2,north,2026-03-01T10:00:00Z,,0.1,d\n";
const ENTITIES: &str = "driver,region,event_timestamp,label\n\
    1,north,2026-03-01T11:30:00Z,1\n\
    1,north,2026-03-01T10:00:00Z,0\n\
    1,north,2026-03-01T13:00:00.000001Z,1\n\
    1,south,2026-03-01T12:00:00Z,0\n\
    1,south,2026-03-01T12:00:00.000001Z,0\n\
    2,north,2026-03-01T11:00:00Z,1\n\
    3,north,2026-03-01T11:00:00Z,1\n\
    1,north,2026-03-01T11:30:00Z,1\n";

/// Whether at least this share of a column has values.
fn has_values(world: &World, file: &str, column: &str, share: f64) -> bool {
    world.write("rules.yaml", &format!("dataset: made\ncolumns:\n  {column}: {{ not_null: {{ mostly: {share} }} }}\n"));
    let said = world.run(&["check", "--data", file, "--contract", "rules.yaml"]);
    assert!(said.code <= 1, "{}{}", said.out, said.err);
    said.code == 0
}

/// Makes a training set.
fn set(world: &World, more: &[&str], out: &str) -> Value {
    let base = ["features", "join", "--entities", "entities.csv", "--view", "stats", "--out", out, "--json"];
    world.run(&[&base[..], more].concat()).well().json()
}

#[expect(clippy::disallowed_methods, reason = "a running loop answers by the real time")]
fn by_now() -> jiff::Timestamp {
    jiff::Timestamp::now()
}

#[test]
fn a_training_set_sees_what_was_written_and_is_the_same_bytes_again() {
    let world = World::with(&[("tidegate.yaml", CONFIG), ("stats.csv", STATS), ("entities.csv", ENTITIES)]);
    let strict = set(&world, &[], "train.parquet");
    let record = &strict["set"];
    assert_eq!(record["columns"], json!(["driver", "region", "event_timestamp", "label", "stats__rate", "stats__kind"]));
    assert_eq!((&record["rows"], &record["rule"]), (&json!(8), &json!("strict")));
    // Three of eight rows see a value that was written by then; Feast's rule lets two more see one.
    assert!(has_values(&world, "train.parquet", "stats__rate", 0.375) && !has_values(&world, "train.parquet", "stats__rate", 0.376));
    let bytes = std::fs::read(world.path("train.parquet")).unwrap();
    let again = set(&world, &[], "again.parquet");
    assert_eq!(again["set"], *record, "the same inputs give the same bytes and the same record");
    assert_eq!(std::fs::read(world.path("again.parquet")).unwrap(), bytes);
    in_another_column(&world, &strict);
    let feast = set(&world, &["--feast", "--name", "leaky"], "feast.parquet");
    assert_ne!(feast["set"]["data"], record["data"]);
    assert_ne!(feast["set"]["definition"], record["definition"]);
    assert_eq!(feast["set"]["sources"], record["sources"]);
    assert!(has_values(&world, "feast.parquet", "stats__rate", 0.625) && !has_values(&world, "feast.parquet", "stats__rate", 0.626));
    let beside: Value = serde_json::from_str(&world.read("train.parquet.json")).unwrap();
    assert_eq!(beside, *record);
    let journal = world.run(&["journal", "--json"]).well().out;
    in_order(&journal, &["assembled"]);
    assert!(journal.contains(record["data"].as_str().unwrap()), "{journal}");
    world.run(&["audit", "verify"]).well();
    world.run(&["features", "check"]).well();
    in_order(&world.run(&["features", "list"]).well().out, &["stats", "driver, region", "rate, kind", "stats.csv"]);
}

/// The same rows as of another column of theirs are another set of the same dataset, and no other bytes of the one that there was.
fn in_another_column(world: &World, first: &Value) {
    let lines =
        ENTITIES.lines().map(|line| format!("{line},{}", if line.starts_with("driver") { "asked" } else { "2026-03-01T10:30:00Z" }));
    world.write("two.csv", &lines.collect::<Vec<_>>().join("\n"));
    let make = |more: &[&str]| {
        let base = ["features", "join", "--entities", "two.csv", "--view", "stats", "--out", "two.parquet", "--json"];
        world.run(&[&base[..], more].concat()).well().json()
    };
    let (one, other) = (make(&[]), make(&["--timestamp", "asked"]));
    assert_eq!((&one["set"]["sources"], &other["set"]["timestamp"]), (&other["set"]["sources"], &json!("asked")));
    assert_ne!(one["set"]["definition"], other["set"]["definition"]);
    assert_eq!(one["set"]["definition"], first["set"]["definition"]);
}

#[test]
fn what_cannot_be_joined_is_refused_in_words() {
    let world = World::with(&[("tidegate.yaml", CONFIG), ("stats.csv", STATS), ("entities.csv", ENTITIES)]);
    let join = ["features", "join", "--entities", "entities.csv", "--out", "t.parquet"];
    world.run(&[&join[..], &["--view", "nothing"]].concat()).fails(4, &["there is no `nothing`", "known are stats"]);
    world.run(&[&join[..], &["--timestamp", "when"]].concat()).fails(2, &["when"]);
    world.run(&[&join[..], &["--name", "no name"]].concat()).fails(2, &["`no name` is no name", "--name"]);
    world.write("entities.csv", "driver,region,event_timestamp\n1,north,yesterday\n");
    let files = || std::fs::read_dir(world.path(".")).unwrap().count();
    let before = files();
    world.run(&join).fails(2, &["event_timestamp", "holds no times"]);
    assert!(!world.exists("t.parquet"), "nothing is written");
    assert_eq!(files(), before, "nor is anything left beside it");
    world
        .run(&["features", "history", "stats", "driver=1", "region=north", "--from", "2026-03-01"])
        .fails(2, &["of a file", "features join"]);
    world.run(&["features", "get", "stats", "driver=1"]).fails(2, &["key `region` is not given"]);
    let at = |at: &str| world.run(&["features", "get", "stats", "driver=1", "region=north", "--at", at, "--json"]);
    let known = at("2026-03-01T11:30:00Z").well().json();
    assert_eq!(
        (&known["state"], &known["features"]),
        (&json!("found"), &json!({ "rate": 0.5, "kind": "a" })),
        "the newer one is not written yet"
    );
    assert_eq!(at("2026-03-01T13:00:00Z").well().json()["features"]["rate"], 0.7);
    assert_eq!((at("2026-03-01T13:00:01Z").code, at("2026-03-01T13:00:01Z").json()["state"].clone()), (4, json!("outdated")));
}

/// A view of a file, whose rows are of a minute ago, of what is to come, of long ago, and without a value.
fn readings(rates: [f64; 2]) -> String {
    let at = |minutes: i64| by_now() + jiff::SignedDuration::from_mins(minutes);
    let (ago, soon, long) = (at(-1), at(600), at(-60 * 24 * 9));
    format!(
        "driver,region,event_timestamp,created,rate,kind\n1,north,{ago},{ago},{},a\n1,north,{ago},{soon},0.1,b\n2,north,{long},{long},0.3,c\n3,north,{ago},{ago},,\n1,south,{soon},{ago},0.9,d\n7,south,{ago},{ago},{},e\n",
        rates[0], rates[1]
    )
}

/// What is served of a file is what a training set of now sees, and follows the file.
fn of_a_file(world: &World, ask: &dyn Fn(&Value) -> (u16, Value)) {
    let body = json!({ "features": ["stats:rate", "stats:kind"],
        "entities": { "driver": [1, "1", 2, 3, 1, 7, null, 9], "region": ["north", "north", "north", "north", "south", "south", "north", 5] } });
    let (status, got) = ask(&body);
    assert_eq!(status, 200, "{got}");
    let (rate, kind) = (&got["results"][2], &got["results"][3]);
    assert_eq!(rate["values"], json!([0.5, 0.5, null, null, null, 0.25, null, null]));
    let statuses = ["PRESENT", "PRESENT", "OUTSIDE_MAX_AGE", "NULL_VALUE", "NOT_FOUND", "PRESENT", "NOT_FOUND", "NOT_FOUND"];
    assert_eq!(rate["statuses"], json!(statuses));
    assert_eq!(kind["values"], json!(["a", "a", null, null, null, "e", null, null]));
    let now = by_now();
    let rows = [(1, "north"), (2, "north"), (3, "north"), (1, "south"), (7, "south"), (9, "5")].map(|(d, r)| format!("{d},{r},{now}\n"));
    world.write("now.csv", &format!("driver,region,event_timestamp\n{}", rows.concat()));
    world.run(&["features", "join", "--entities", "now.csv", "--view", "stats", "--out", "now.parquet"]).well();
    // Two of six rows have a rate.
    assert!(has_values(world, "now.parquet", "stats__rate", 0.333) && !has_values(world, "now.parquet", "stats__rate", 0.334));
    let whole = json!({ "feature_service": "stats", "entities": { "driver": [7], "region": ["south"] } });
    assert_eq!(ask(&whole).1["metadata"]["feature_names"], json!(["driver", "region", "rate", "kind"]));
    assert_eq!(ask(&json!({ "features": ["stats:nothing"], "entities": { "driver": [7], "region": ["south"] } })).0, 404);
    assert_eq!(ask(&json!({ "features": ["stats:rate"], "entities": { "driver": [7] } })).0, 400);
    let rate_of_7 = || ask(&whole).1["results"][2]["values"][0].clone();
    world.write("stats.csv", &readings([0.5, 0.75]));
    crate::world::wait_for("the file as it is now", || (rate_of_7() == 0.75).then_some(()));
    // Another file of the same length and time is another one.
    let times = std::fs::metadata(world.path("stats.csv")).unwrap().modified().unwrap();
    world.write("stats.csv", &readings([0.5, 0.35]));
    std::fs::File::options().write(true).open(world.path("stats.csv")).unwrap().set_modified(times).unwrap();
    crate::world::wait_for("the file of the same time", || (rate_of_7() == 0.35).then_some(()));
    // What cannot be read leaves what was read before.
    world.write("stats.csv", "driver,region\n7,south\n");
    std::thread::sleep(std::time::Duration::from_millis(1_500));
    assert_eq!(rate_of_7(), 0.35);
    std::fs::remove_file(world.path("stats.csv")).unwrap();
    std::thread::sleep(std::time::Duration::from_millis(1_500));
    assert_eq!(rate_of_7(), 0.35);
    world.write("stats.csv", &readings([0.5, 0.125]));
    crate::world::wait_for("the file that is back", || (rate_of_7() == 0.125).then_some(()));
}

const EVENTS: &str = "events:\n  deployer: { tool: argo, secret: DEPLOYER_SECRET }\nfeatures:\n  delivery:\n    events: deliveries\n    entity: service\n    features:\n      deploys: { aggregate: count, window: 365d, where: { what: deployment_finished } }\n      last_outcome: { aggregate: last, of: outcome, window: 365d }\n      hourly: { aggregate: rate, window: 365d }\n  stats:\n    file: stats.csv\n    entity: [driver, region]\n    created: created\n    ttl: 2h\n    columns: [rate, kind]\n";
const SECRET: &str = "it is a secret";
const JSON: (&str, &str) = ("content-type", "application/json");

fn synced(service: &str, phase: &str, at: &str) -> Value {
    json!({ "app": { "metadata": { "name": service }, "spec": { "destination": { "namespace": "production" } },
        "status": { "operationState": { "phase": phase, "finishedAt": at, "syncResult": { "revision": "6dcb09b5b57875f334f61aebed695e2e4193db5e" } } } } })
}

/// What asks for nothing that is there, or for more than there is.
fn refused(ask: &dyn Fn(&Value) -> u16) {
    for (asked, status) in [
        (json!({ "features": ["delivery:nothing"], "entities": { "service": ["shop"] } }), 404),
        (json!({ "features": ["nothing:deploys"], "entities": { "service": ["shop"] } }), 404),
        (json!({ "features": ["delivery:deploys"], "entities": { "name": ["shop"] } }), 400),
        (json!({ "features": ["deploys"], "entities": { "service": ["shop"] } }), 400),
        (json!({ "features": ["delivery:deploys", "delivery:deploys"], "entities": { "service": ["shop"] } }), 400),
        (json!({ "feature_service": "delivery", "features": ["delivery:hourly"], "entities": { "service": ["shop"] } }), 400),
        (json!({ "entities": { "service": ["shop"] } }), 400),
        (json!({ "features": ["delivery:deploys"], "entities": { "service": ["a"], "more": [] } }), 400),
    ] {
        assert_eq!(ask(&asked), status, "{asked}");
    }
}

#[test]
fn what_is_served_follows_events_and_is_what_training_sees() {
    if !has_runtime() || crate::deployments::signature("a", "b").is_none() {
        return;
    }
    let world = served();
    world.write("tidegate.yaml", &format!("{}{EVENTS}", world.read("tidegate.yaml")));
    world.write("stats.csv", &readings([0.5, 0.25]));
    world.set("DEPLOYER_SECRET", SECRET);
    let mut process = up(&world);
    let console = owner(&world)["console"].as_str().unwrap().to_owned();
    let now = world.run(&["features", "get", "delivery", "service=shop", "--json"]).json();
    assert_eq!(now["state"], "missing");
    let hour_ago = |hours: i64| by_now() - jiff::SignedDuration::from_hours(hours);
    let tell_of = |service: &str, phase: &str, hours: i64| {
        let token = format!("Bearer {SECRET}");
        let body = synced(service, phase, &format!("{:.0}", hour_ago(hours))).to_string();
        assert_eq!(post(&console, "/webhooks/events/deployer", &[("authorization", token.as_str())], &body).0, 202);
    };
    let tell = |phase: &str, hours: i64| tell_of("shop", phase, hours);
    let token = world.run(&["token", "create", "--label", "model server", "--scope", "features", "--json"]).well().json();
    let token = token["token"].as_str().unwrap().to_owned();
    let ask = |token: &str, body: &Value| {
        post(&console, "/get-online-features", &[("authorization", &format!("Bearer {token}")), JSON], &body.to_string())
    };
    let body = json!({ "features": ["delivery:deploys", "delivery:last_outcome"], "entities": { "service": ["shop", "nobody", null] } });
    assert_eq!(ask(&token, &body).1["results"][1]["statuses"], json!(["NOT_FOUND", "NOT_FOUND", "NOT_FOUND"]));
    tell("Succeeded", 3);
    tell("Failed", 1);
    // Late: it is counted, and is not the newest.
    tell("Succeeded", 2);
    let (status, got) = ask(&token, &body);
    assert_eq!(status, 200, "{got}");
    assert_eq!(got["metadata"]["feature_names"], json!(["service", "deploys", "last_outcome"]));
    assert_eq!(got["results"][0]["values"], json!(["shop", "nobody", null]));
    assert_eq!(got["results"][1]["values"], json!([3, null, null]));
    assert_eq!(got["results"][1]["statuses"], json!(["PRESENT", "NOT_FOUND", "NOT_FOUND"]));
    assert_eq!(got["results"][2]["values"][0], "failure");
    let full = json!({ "feature_service": "delivery", "entities": { "service": ["shop"] }, "full_feature_names": true });
    assert_eq!(
        ask(&token, &full).1["metadata"]["feature_names"],
        json!(["service", "delivery__deploys", "delivery__last_outcome", "delivery__hourly"])
    );

    // No credential, another one, and what this one is not for.
    assert_eq!(post(&console, "/get-online-features", &[JSON], &body.to_string()).0, 403, "as to any page of another host");
    assert_eq!(ask("tg_nothing", &body).0, 403);
    let bearer = format!("Bearer {token}");
    assert_eq!(post(&console, "/api/v1/runs", &[("authorization", &bearer), JSON], "{}").0, 403);
    refused(&|asked| ask(&token, asked).0);
    let trained = world.run(&["features", "get", "delivery", "service=shop", "--json"]).well().json();
    assert_eq!(trained["features"]["deploys"], 3);
    assert_eq!(trained["features"]["last_outcome"], "failure");
    let checked = world.run(&["features", "check", "--json"]).well().json();
    assert_eq!((&checked[0]["differ"], &checked[0]["entities"]), (&json!(0), &json!(1)));
    of_a_file(&world, &|body| ask(&token, body));
    training_set(&world);
    stock_client(&console, &token);
    // A name that looks like a number is a text, however it is asked for.
    tell_of("42", "Succeeded", 1);
    let numbers = json!({ "features": ["delivery:deploys"], "entities": { "service": [42, "42", 42.5] } });
    assert_eq!(ask(&token, &numbers).1["results"][1]["values"], json!([1, 1, null]));
    assert_eq!(world.run(&["features", "get", "delivery", "service=42", "--json"]).well().json()["features"]["deploys"], 1);
    world.write("numbers.csv", &format!("service,event_timestamp\n42,{}\n", by_now()));
    world.run(&["features", "join", "--entities", "numbers.csv", "--view", "delivery", "--out", "numbers.parquet"]).well();
    assert!(has_values(&world, "numbers.parquet", "delivery__deploys", 1.0));
    process.signal("TERM");
    crate::world::wait_for("its end", || process.status().map(|_| ()));
    // From the lake again.
    let mut process = up(&world);
    let console = owner(&world)["console"].as_str().unwrap().to_owned();
    let got = post(&console, "/get-online-features", &[("authorization", &bearer), JSON], &body.to_string()).1;
    assert_eq!(got["results"][1]["values"], json!([3, null, null]));
    process.signal("TERM");
    crate::world::wait_for("its end", || process.status().map(|_| ()));
    world.run(&["audit", "verify"]).well();
}

/// Through the one that is up: a row before anything was known has no value, whatever had happened by then.
fn training_set(world: &World) {
    let now = by_now();
    let earlier = now - jiff::SignedDuration::from_mins(90);
    world.write("rows.csv", &format!("service,event_timestamp\nshop,{now}\nshop,{earlier}\n"));
    let made =
        world.run(&["features", "join", "--entities", "rows.csv", "--view", "delivery", "--out", "rows.parquet", "--json"]).well().json();
    assert_eq!(
        made["set"]["columns"],
        json!(["service", "event_timestamp", "delivery__deploys", "delivery__last_outcome", "delivery__hourly"])
    );
    assert!(has_values(world, "rows.parquet", "delivery__deploys", 0.5) && !has_values(world, "rows.parquet", "delivery__deploys", 0.51));
    assert!(world.run(&["journal", "--json"]).well().out.contains("assembled"));
}

fn stock_client(console: &str, token: &str) {
    let Some(python) = std::env::var_os("TIDEGATE_TEST_FEAST") else {
        eprintln!("skipped: no Python with feast: set TIDEGATE_TEST_FEAST");
        return;
    };
    let script = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cli/feast_client.py");
    let client = |token: &str| {
        let mut command = std::process::Command::new(&python);
        command.args(["-B", "-W", "ignore"]).arg(&script).arg(format!("http://{console}"));
        command.env("FEATURES_TOKEN", token).env("FEAST_USAGE", "False").output().unwrap()
    };
    let got = client(token);
    assert!(got.status.success(), "{}", String::from_utf8_lossy(&got.stderr));
    let got: Value = serde_json::from_slice(&got.stdout).unwrap();
    assert_eq!(got["service"], json!(["shop", "nobody"]));
    assert_eq!((&got["deploys"], &got["last_outcome"]), (&json!([3, null]), &json!(["failure", null])));
    assert!(got["hourly"][0].as_f64().is_some_and(|hourly| (hourly - 3.0 / (365.0 * 24.0)).abs() < 1e-12), "{got}");
    assert!(!client("tg_nothing").status.success(), "without a token that counts it gets nothing");
}
