//! A real broker of Kafka's protocol and a real server of NATS: what others put in comes out in order, packed in every way, from where it
//! was left.
#![allow(missing_docs, clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

#[path = "streams/gate.rs"]
mod gate;
#[path = "streams/scram.rs"]
mod scram;
#[path = "streams/servers.rs"]
mod servers;

use gate::{Gate, LOGIN};
use scram::Server;
use servers::{Kafka, Nats, has_kafka, has_nats};
use tidegate_adapters::kafka::{Given, Login, Topic};
use tidegate_adapters::nats::{Entry as Way, Message, Stream};
use tidegate_port::FailureKind;
use tidegate_wire::config::Mechanism;
use tidegate_wire::kafka::records::Entry;

/// Looks before a test gives up.
const LOOKS_MAX: u32 = 60;

fn topic(kafka: &Kafka) -> Topic {
    Topic { brokers: vec!["127.0.0.1:9".to_owned(), kafka.address()], name: "events".to_owned(), tls: false, login: None }
}

/// Records of the first partition from a position on, until there are so many.
async fn read(kafka: &Kafka, from: i64, count: usize) -> Vec<(i64, Option<Vec<u8>>, Vec<(String, String)>)> {
    read_by(&topic(kafka), from, count).await
}

async fn read_by(topic: &Topic, from: i64, count: usize) -> Vec<(i64, Option<Vec<u8>>, Vec<(String, String)>)> {
    let (mut found, mut next) = (vec![], from);
    let partitions = topic.partitions().await.unwrap();
    let leader = partitions.iter().find(|(partition, _)| *partition == 0).unwrap().1.clone().unwrap();
    let mut partition = topic.partition(0, &leader).await.unwrap();
    for _ in 0..LOOKS_MAX {
        let Given::Records(entries) = partition.fetch(next).await.unwrap() else { panic!("nothing at {next}") };
        for entry in entries {
            next = entry.next();
            if let Entry::Record { at, headers, value } = entry {
                found.push((at, value, headers));
            }
        }
        if found.len() >= count {
            break;
        }
    }
    found
}

#[tokio::test]
async fn records_packed_in_every_way_come_in_order_from_where_it_was_left() {
    if !has_kafka() {
        return;
    }
    let kafka = Kafka::start("events", 2);
    let topic = topic(&kafka);
    assert_eq!(topic.partitions().await.unwrap().len(), 2, "the first broker that answers");
    for codec in ["none", "gzip", "snappy", "lz4", "zstd"] {
        let values = ["a".to_owned(), codec.repeat(3_000)];
        kafka.produce("events", codec, &values.map(|value| (0, value.into_bytes())));
    }
    let all = read(&kafka, 0, 10).await;
    let texts: Vec<String> = all.iter().map(|(_, value, _)| String::from_utf8(value.clone().unwrap()).unwrap()).collect();
    let want: Vec<String> =
        ["none", "gzip", "snappy", "lz4", "zstd"].iter().flat_map(|codec| ["a".to_owned(), codec.repeat(3_000)]).collect();
    assert!(texts == want, "{:?}", texts.iter().map(String::len).collect::<Vec<_>>());
    assert_eq!(all[0].2, [("ce_type".to_owned(), "t".to_owned())]);
    let rest = read(&kafka, 7, 3).await;
    assert_eq!(rest.iter().map(|(at, ..)| *at).collect::<Vec<_>>(), [7, 8, 9]);
    // A huge one is given whole, for the door to say what it thinks of it.
    kafka.produce("events", "none", &[(0, vec![b'x'; 6 << 20]), (0, b"behind".to_vec())]);
    let huge = read(&kafka, 10, 2).await;
    assert_eq!((huge[0].1.as_ref().unwrap().len(), huge[1].1.as_deref()), (6 << 20, Some(&b"behind"[..])));
}

#[tokio::test]
async fn what_is_not_there_is_said() {
    if !has_kafka() {
        return;
    }
    let kafka = Kafka::start("events", 1);
    let known = topic(&kafka);
    let why = Topic { name: "another".to_owned(), ..known.clone() }.partitions().await.unwrap_err();
    assert!(why.to_string().contains("no such topic"), "{why}");
    kafka.produce("events", "none", &[(0, b"a".to_vec())]);
    let mut partition = known.partition(0, &kafka.address()).await.unwrap();
    assert_eq!(partition.ends().await.unwrap(), (0, 1));
    match partition.fetch(40).await.unwrap() {
        Given::Elsewhere { earliest, latest } => assert_eq!((earliest, latest), (0, 1)),
        // A broker may also wait for it.
        Given::Records(entries) => assert_eq!(entries, []),
    }
    drop(kafka);
    let gone = partition.fetch(0).await.unwrap_err();
    assert_eq!(gone.kind, FailureKind::Transient, "{gone}");
}

/// A mechanism by its name, what the client is told to use, and what the gate asks for.
type Checked = (&'static str, Mechanism, fn() -> gate::Check);

#[tokio::test]
async fn a_broker_of_kafka_is_shown_who_reads() {
    if !has_kafka() {
        return;
    }
    let checks: [Checked; 3] = [
        ("PLAIN", Mechanism::Plain, gate::plain),
        ("SCRAM-SHA-256", Mechanism::Scram256, || scram::sha_256(Server::Honest)),
        ("SCRAM-SHA-512", Mechanism::Scram512, || scram::sha_512(Server::Honest)),
    ];
    let login = |mechanism, password: &str| Some(Login { mechanism, login: LOGIN.0.to_owned(), password: password.to_owned() });
    for (at, (name, mechanism, check)) in checks.into_iter().enumerate() {
        let port = servers::free_port();
        let gate = Gate::before(port, name, check);
        let kafka = Kafka::start_behind(port, &gate.address(), "events", 1);
        let value = name.as_bytes().to_vec();
        servers::produce(&gate.address(), &gate::settings(name), "events", "none", &[(0, value.clone())]);
        let known = Topic { brokers: vec![gate.address()], login: login(mechanism, LOGIN.1), ..topic(&kafka) };
        // Its leader is behind the gate as well.
        assert_eq!(known.partitions().await.unwrap(), [(0, Some(gate.address()))], "{name}");
        assert_eq!(read_by(&known, 0, 1).await[0].1, Some(value), "{name}");
        let refused = |login| {
            let topic = Topic { login, ..known.clone() };
            async move { topic.partitions().await.unwrap_err() }
        };
        let wrong = refused(login(mechanism, "b secret")).await;
        assert!(wrong.kind == FailureKind::Denied && wrong.to_string().contains("login or password"), "{name}: {wrong}");
        assert!(!wrong.to_string().contains("b secret"), "{wrong}");
        let other = refused(login(checks[(at + 1) % 3].1, LOGIN.1)).await;
        assert!(other.kind == FailureKind::Denied && other.to_string().contains("correct `sasl`"), "{name}: {other}");
        assert_eq!(refused(None).await.kind, FailureKind::Transient, "{name}: nothing is answered to a stranger");
    }
    // A broker that does not know the password either is none that is to be believed.
    let port = servers::free_port();
    let gate = Gate::before(port, "SCRAM-SHA-256", || scram::sha_256(Server::Liar));
    let kafka = Kafka::start_behind(port, &gate.address(), "events", 1);
    let known = Topic { brokers: vec![gate.address()], login: login(Mechanism::Scram256, LOGIN.1), ..topic(&kafka) };
    let liar = known.partitions().await.unwrap_err();
    assert!(liar.kind == FailureKind::Denied && liar.to_string().contains("another broker"), "{liar}");
}

#[tokio::test]
async fn a_server_that_speaks_no_tls_is_told_apart() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let plain = async {
        let (mut near, _) = listener.accept().await.unwrap();
        tokio::io::AsyncWriteExt::write_all(&mut near, b"INFO here is no TLS\r\n").await.unwrap();
        near
    };
    let topic = Topic { brokers: vec![address], name: "events".to_owned(), tls: true, login: None };
    let (why, _near) = tokio::join!(topic.partitions(), plain);
    let why = why.unwrap_err();
    assert!(why.kind == FailureKind::Refused && why.to_string().contains("it speaks no TLS at this port"), "{why}");
}

fn stream(nats: &Nats, entry: Way) -> Stream {
    Stream {
        servers: vec!["127.0.0.1:9".to_owned(), nats.address()],
        name: "EVENTS".to_owned(),
        subject: None,
        durable: "tidegate".to_owned(),
        tls: false,
        entry,
    }
}

/// The next message, waited for.
async fn next(consumer: &mut tidegate_adapters::nats::Consumer) -> Message {
    for _ in 0..LOOKS_MAX {
        if let Some(message) = consumer.next().await.unwrap() {
            return message;
        }
    }
    panic!("no message came")
}

#[tokio::test]
async fn a_message_of_nats_comes_again_until_it_is_done() {
    if !has_nats() {
        return;
    }
    let nats = Nats::start("");
    nats.make_stream("EVENTS", "cd.>");
    let stream = stream(&nats, Way::Open);
    let mut consumer = stream.open().await.unwrap();
    assert_eq!(consumer.next().await.unwrap(), None);
    for n in 0..3 {
        nats.publish("cd.a", &[("ce-id", "7")], format!("m{n}").as_bytes());
    }
    let first = next(&mut consumer).await;
    assert_eq!((&first.body[..], first.headers.as_slice()), (&b"m0"[..], &[("ce-id".to_owned(), "7".to_owned())][..]));
    drop(consumer);
    // Not done: it comes again, before the others.
    let mut consumer = stream.open().await.unwrap();
    for n in 0..3 {
        let message = next(&mut consumer).await;
        assert_eq!(message.body, format!("m{n}").as_bytes());
        consumer.done(&message).await.unwrap();
    }
    assert_eq!(consumer.next().await.unwrap(), None, "and no more");
    // The server dies, and comes again with what it had.
    let nats = nats.again();
    assert!(consumer.next().await.is_err());
    nats.publish("cd.b", &[], b"after");
    let mut consumer = stream.open().await.unwrap();
    // What was done a moment before may come again: a server that is killed does not know of it.
    let mut last = next(&mut consumer).await;
    while last.body != b"after" {
        assert!(last.body.starts_with(b"m"), "{last:?}");
        consumer.done(&last).await.unwrap();
        last = next(&mut consumer).await;
    }
    let missing = Stream { name: "OTHER".to_owned(), ..stream }.open().await.unwrap_err();
    assert!(missing.to_string().contains("stream not found"), "{missing}");
}

#[tokio::test]
async fn a_server_of_nats_is_shown_who_reads() {
    if !has_nats() {
        return;
    }
    // The public key of the seed below.
    let (seed, public) = servers::NKEY;
    let users = format!("authorization {{ users: [ {{ nkey: {public} }}, {{ user: ada, password: \"a secret\" }} ] }}\n");
    let nats = Nats::start(&users);
    let denied = stream(&nats, Way::Open).open().await.unwrap_err();
    assert!(denied.kind == FailureKind::Denied && denied.to_string().contains("Authorization Violation"), "{denied}");
    for way in [Way::Credentials(seed.to_owned()), Way::Login("ada".to_owned(), "a secret".to_owned())] {
        let let_in = stream(&nats, way).open().await.unwrap_err();
        assert!(let_in.to_string().contains("stream not found"), "{let_in}");
    }
    let wrong = stream(&nats, Way::Login("ada".to_owned(), "b secret".to_owned())).open().await.unwrap_err();
    assert!(wrong.kind == FailureKind::Denied && !wrong.to_string().contains("b secret"), "{wrong}");
    let token = Nats::start("authorization { token: \"a token\" }\n");
    assert!(stream(&token, Way::Token("a token".to_owned())).open().await.unwrap_err().to_string().contains("stream not found"));
}
