//! A topic of Kafka and a stream of NATS tell what happens to changes: each event is in the lake once, whatever is told twice, dies and comes
//! again; what cannot be read is kept aside, and nothing that people wrote is kept.

use crate::stream_gate::{self, Gate};
use crate::stream_servers::{self, Kafka, Nats, has_kafka, has_nats};
use crate::tls_front::Front;
use crate::up::{owner, served, up};
use crate::world::{Started, World, has_runtime, wait_for};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use tidegate_store::{DeliveryFilter, DeliveryRow, Lake};

/// Planted in every message.
const PLANTED: [&str; 3] = ["Ada Lovelace", "ada@example.org", "ghp_16C7e42F292c6912E7710c838347Ae178B4a"];

fn deployed(n: usize, at: &str) -> Value {
    json!({ "specversion": "1.0", "id": format!("e{n}"), "source": "/ci", "type": "dev.cdevents.service.deployed.0.3.0", "data": {
        "context": { "version": "0.5.1", "id": format!("e{n}"), "source": "/ci", "type": "dev.cdevents.service.deployed.0.3.0", "timestamp": at },
        "subject": { "id": "/apps/shop", "type": "service", "content": { "environment": { "id": "production", "name": PLANTED[0] }, "user": PLANTED } },
        "customData": { "note": PLANTED.join(" ") } } })
}

fn text(n: usize) -> Vec<u8> {
    deployed(n, "2026-03-02T08:00:00Z").to_string().into_bytes()
}

/// Valid, told twice, out of order, late; cut off, huge, of the future.
fn all_kinds() -> Vec<Vec<u8>> {
    let mut cut = text(9);
    cut.truncate(cut.len() / 2);
    let huge = json!({ "data": " ".repeat(5 << 20), "note": PLANTED.join(" ") }).to_string().into_bytes();
    let future = deployed(9, "2326-03-02T08:00:00Z").to_string().into_bytes();
    let late = deployed(2, "2025-03-02T08:00:00Z").to_string().into_bytes();
    vec![text(1), text(1), cut.clone(), text(3), late, huge, text(3), future, cut, text(4)]
}

/// What is in the lake, row by row.
fn rows(world: &World) -> Vec<DeliveryRow> {
    let lake = Lake::open_read_only(&world.path(".tidegate/lake")).unwrap();
    lake.deliveries().read(&DeliveryFilter::default()).unwrap().map(Result::unwrap).collect()
}

/// Identifiers of events once there are so many, and none of them twice; and of what was kept aside.
#[track_caller]
fn taken(world: &World, count: usize) -> (Vec<String>, usize) {
    let all = wait_for("the events", || {
        let all = rows(world);
        (all.iter().filter(|row| row.aside.is_empty()).count() >= count).then_some(all)
    });
    let (events, aside): (Vec<DeliveryRow>, Vec<DeliveryRow>) = all.into_iter().partition(|row| row.aside.is_empty());
    let ids: Vec<String> = events.into_iter().map(|row| row.id).collect();
    assert_eq!((ids.len(), ids.iter().collect::<BTreeSet<_>>().len()), (count, count), "each once");
    (ids, aside.len())
}

/// Nothing that was planted is in any file, or was said.
fn nothing_planted(world: &World, process: &mut Started) {
    process.signal("TERM");
    wait_for("its end", || process.status().map(|_| ()));
    world.run(&["audit", "verify"]).well();
    let mut files = vec![];
    crate::world::list(&world.path(".tidegate"), &mut files);
    crate::world::list(&world.beside("said"), &mut files);
    for file in files {
        let text = String::from_utf8_lossy(&std::fs::read(&file).unwrap()).into_owned();
        for planted in PLANTED {
            assert!(!text.contains(planted), "{planted} in {}", file.display());
        }
    }
    for row in rows(world) {
        assert!(PLANTED.iter().all(|planted| !format!("{row:?}").contains(planted)), "{row:?}");
    }
}

fn said(process: &Started) -> String {
    let (out, err) = process.so_far();
    out + &err
}

fn world(events: &str) -> World {
    let world = served();
    world.write("tidegate.yaml", &format!("{}events:\n  bus: {events}\n", world.read("tidegate.yaml")));
    world
}

#[test]
fn a_topic_of_kafka_is_read_once_whatever_dies() {
    if !has_runtime() || !has_kafka() {
        return;
    }
    let kafka = Kafka::start("cd", 2);
    let world = world(&format!("{{ tool: cdevents, kafka: {{ brokers: \"{}\", topic: cd }} }}", kafka.address()));
    let of = |partition, values: Vec<Vec<u8>>| values.into_iter().map(|value| (partition, value)).collect::<Vec<_>>();
    kafka.produce("cd", "none", &of(0, all_kinds()));
    let mut process = up(&world);
    let (ids, aside) = taken(&world, 4);
    assert_eq!(ids, ["ci/e1", "ci/e3", "ci/e2", "ci/e4"], "in the order of the partition");
    assert_eq!(aside, 3, "cut off, huge, of the future: each once");

    // This process is killed in the middle, twice, and the topic goes on.
    kafka.produce("cd", "lz4", &of(0, (100..200).map(text).collect()));
    kafka.produce("cd", "zstd", &of(1, (200..300).map(text).collect()));
    for more in [1, 60] {
        wait_for("some of them", || (rows(&world).len() > 7 + more).then_some(()));
        process.kill();
        process = up(&world);
    }
    taken(&world, 204);
    assert!(!said(&process).contains("from its beginning"), "it is the same topic: {}", said(&process));

    // The broker dies, and comes again without what it had: what is told again is known, and what is new is taken.
    let port = kafka.port();
    drop(kafka);
    wait_for("a word of it", || said(&process).contains("events of bus:").then_some(()));
    let kafka = Kafka::start_at(port, "cd", 2);
    kafka.produce("cd", "none", &of(0, (190..200).chain(300..310).map(text).collect()));
    let (ids, aside) = taken(&world, 214);
    assert_eq!((ids.last().map(String::as_str), aside), (Some("ci/e309"), 3));
    // What is kept is there before it is said that it works again.
    wait_for("a word that it works", || said(&process).contains("they come in again").then_some(()));
    let told = said(&process);
    assert!(told.matches("read a topic of Kafka").count() <= 5, "{told}");
    assert!(told.contains("is read from its beginning"), "{told}");
    let listed = world.run(&["events", "list", "--source", "bus", "--limit", "1000", "--json"]).well().json();
    assert_eq!(listed.as_array().unwrap().len(), 214);
    nothing_planted(&world, &mut process);
}

#[test]
fn a_topic_behind_tls_and_a_password_is_read_where_its_authority_is_trusted() {
    if !has_runtime() || !has_kafka() {
        return;
    }
    let port = crate::world::free_port();
    let gate = Gate::before(port, "PLAIN", stream_gate::plain);
    let Some(front) = Front::before(gate.port()) else { return };
    let _kafka = Kafka::start_behind(port, &front.address(), "cd", 1);
    let mut settings = stream_gate::settings("PLAIN");
    settings["security_protocol"] = json!("SASL_SSL");
    settings["ssl_cafile"] = json!(front.certificate());
    let put = |n| stream_servers::produce(&front.address(), &settings, "cd", "none", &[(0, text(n))]);
    put(1);
    let address = front.address();
    let world = world(&format!(
        "{{ tool: cdevents, kafka: {{ brokers: \"{address}\", topic: cd, tls: on, sasl: plain, login: ada, password: BUS_PASSWORD }} }}"
    ));
    world.set("BUS_PASSWORD", stream_gate::LOGIN.1);
    world.set("SSL_CERT_FILE", front.another().to_str().unwrap());
    let mut process = up(&world);
    wait_for("a word of its certificate", || said(&process).contains("its certificate is none that is trusted here").then_some(()));
    assert!(said(&process).contains("SSL_CERT_FILE") && rows(&world).is_empty(), "{}", said(&process));
    process.kill();
    world.set("SSL_CERT_FILE", front.certificate().to_str().unwrap());
    world.set("BUS_PASSWORD", "another secret");
    let mut process = up(&world);
    wait_for("a word of the password", || said(&process).contains("it does not know login or password").then_some(()));
    assert!(rows(&world).is_empty() && !said(&process).contains("another secret"), "{}", said(&process));
    process.kill();
    world.set("BUS_PASSWORD", stream_gate::LOGIN.1);
    let mut process = up(&world);
    assert_eq!(taken(&world, 1).0, ["ci/e1"]);
    put(2);
    assert_eq!(taken(&world, 2).0, ["ci/e1", "ci/e2"], "and what comes while it reads");
    nothing_planted(&world, &mut process);
}

#[test]
fn a_stream_of_nats_is_read_once_whatever_dies() {
    if !has_runtime() || !has_nats() {
        return;
    }
    let nats = Nats::start("max_payload: 8388608\n");
    nats.make_stream("CD", "cd.>");
    let world = world(&format!("{{ tool: cdevents, nats: {{ servers: [\"{}\"], stream: CD, durable: up }}, keep: 400d }}", nats.address()));
    for body in all_kinds() {
        nats.publish("cd.all", &[], &body);
    }
    // Attributes in headers, and data without a context.
    let data = deployed(5, "")["data"]["subject"].clone();
    let attributes =
        [("ce-id", "e5"), ("ce-source", "/ci"), ("ce-type", "dev.cdevents.service.deployed.0.3.0"), ("ce-time", "2026-03-02T09:00:00Z")];
    nats.publish("cd.all", &attributes, json!({ "subject": data }).to_string().as_bytes());
    let mut process = up(&world);
    let (ids, aside) = taken(&world, 5);
    assert_eq!((ids, aside), (["ci/e1", "ci/e3", "ci/e2", "ci/e4", "ci/e5"].map(str::to_owned).to_vec(), 3));

    for n in 100..200 {
        nats.publish("cd.all", &[], &text(n));
    }
    for more in [1, 40] {
        wait_for("some of them", || (rows(&world).len() > 8 + more).then_some(()));
        process.kill();
        process = up(&world);
    }
    let (ids, _) = taken(&world, 105);
    assert_eq!(ids[5..].to_vec(), (100..200).map(|n| format!("ci/e{n}")).collect::<Vec<_>>(), "in the order of the stream");

    let gone = nats.gone();
    wait_for("a word of it", || said(&process).contains("events of bus:").then_some(()));
    let nats = Nats::back(gone);
    nats.publish("cd.all", &[], &text(199));
    nats.publish("cd.all", &[], &text(300));
    let (ids, aside) = taken(&world, 106);
    assert_eq!((ids.last().map(String::as_str), aside), (Some("ci/e300"), 3));
    wait_for("a word of its being back", || said(&process).contains("they come in again").then_some(()));
    // There is no webhook where there is a stream.
    let address = owner(&world)["console"].as_str().unwrap().to_owned();
    let answer = crate::deployments::post(&address, "/webhooks/events/bus", &[("authorization", "Bearer ")], "{}");
    assert_eq!(answer.0, 401);
    nothing_planted(&world, &mut process);
}
