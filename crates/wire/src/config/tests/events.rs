//! Sources of events: by webhook, from Kafka and from NATS.

use super::mistakes::said;
use crate::config::{EventSource, EventsBy, KafkaTopic, Mechanism, NatsEntry, NatsStream, Sasl, load_in};
use crate::delivery::Tool;

fn file(source: &str) -> String {
    format!("version: 1\nworkspace: shop\nevents:\n  bus: {{ {source} }}\n")
}

fn load(source: &str) -> EventSource {
    load_in(&file(source), "tidegate.yaml", None).unwrap().events["bus"].clone()
}

#[test]
fn a_source_tells_in_one_of_three_ways() {
    let hook = load("tool: github, secret: HOOK, keep: 400d");
    assert_eq!((hook.secret(), hook.keep_ms, hook.tool), (Some("HOOK"), Some(400 * 86_400_000), Tool::Github));
    assert_eq!(load("tool: pagerduty, secret: HOOK, services: [\"Checkout API\"]").services, ["Checkout API"]);
    assert_eq!(load("tool: pagerduty, secret: HOOK, environment: production").environment.as_deref(), Some("production"));
    let kafka = load(
        "tool: cdevents, service: shop, kafka: { brokers: [\"a:9092\", \"[::1]:9093\"], topic: cd.all, tls: on, sasl: scram-sha-512, login: ada, password: PASS }",
    );
    assert_eq!((kafka.secret(), kafka.service.as_deref(), kafka.keep_ms), (None, Some("shop"), None));
    let sasl = Some(Sasl { mechanism: Mechanism::Scram512, login: "ada".into(), password: "PASS".into() });
    let brokers = vec!["a:9092".to_owned(), "[::1]:9093".to_owned()];
    assert_eq!(kafka.by, EventsBy::Kafka(KafkaTopic { brokers, topic: "cd.all".into(), tls: true, sasl }));
    let EventsBy::Kafka(plain) = load("tool: cdevents, kafka: { brokers: \"a:9092\", topic: cd }").by else { panic!("no topic") };
    assert_eq!((plain.brokers.len(), plain.tls, plain.sasl), (1, false, None));
    let nats = |more: &str| match load(&format!("tool: cdevents, nats: {{ servers: \"a:4222\", stream: CD{more} }}")).by {
        EventsBy::Nats(stream) => stream,
        other => panic!("{other:?}"),
    };
    let open = NatsStream {
        servers: vec!["a:4222".into()],
        stream: "CD".into(),
        subject: None,
        durable: "tidegate".into(),
        tls: false,
        entry: NatsEntry::Open,
    };
    assert_eq!(nats(""), open);
    assert_eq!(nats(", subject: \"cd.>\", durable: d").subject.as_deref(), Some("cd.>"));
    assert_eq!(nats(", credentials: CREDS").entry, NatsEntry::Credentials("CREDS".into()));
    assert_eq!(nats(", token: TOKEN").entry, NatsEntry::Token("TOKEN".into()));
    assert_eq!(nats(", login: ada, password: PASS").entry, NatsEntry::Login { login: "ada".into(), password: "PASS".into() });
}

#[test]
fn what_does_not_fit_together_is_said() {
    let kafka = |more: &str| format!("tool: cdevents, kafka: {{ brokers: \"a:1\", topic: t{more} }}");
    let nats = |more: &str| format!("tool: cdevents, nats: {{ servers: \"a:1\", stream: S{more} }}");
    for (source, words) in [
        ("tool: cdevents".to_owned(), "asks for nothing that is known"),
        ("tool: cdevents, secret: HOOK, kafka: { brokers: \"a:1\", topic: t }".to_owned(), "kafka"),
        ("tool: cdevents, kafka: { topic: t }".to_owned(), "brokers"),
        ("tool: cdevents, kafka: { brokers: \"kafka\", topic: t }".to_owned(), "it is no server"),
        ("tool: cdevents, kafka: { brokers: \"http://a:1\", topic: t }".to_owned(), "it is no server"),
        ("tool: cdevents, kafka: { brokers: \"a:0\", topic: t }".to_owned(), "it is no server"),
        ("tool: cdevents, kafka: { brokers: \"a:1\", topic: \"a b\" }".to_owned(), "`topic` is no name"),
        (kafka(", group: g"), "unknown key `group`"),
        (kafka(", sasl: plain"), "`sasl` says how"),
        (kafka(", login: ada, password: PASS"), "`sasl` says how"),
        (kafka(", sasl: plain, login: ada"), "are given together"),
        (kafka(", sasl: plain, login: ada, password: \"not a name\""), "password"),
        (nats(", durable: \"a.b\""), "`durable` is no name"),
        (nats(", subject: \"a b\""), "a subject has no spaces"),
        (nats(", login: ada"), "are given together"),
        (nats(", token: T, credentials: C"), "more than one of"),
        ("tool: github, secret: HOOK, keep: long".to_owned(), "keep"),
        ("tool: pagerduty, secret: HOOK, environment: ada@example.org".to_owned(), "it is no name of an environment"),
    ] {
        let said = said(&file(&source), None);
        assert!(said.contains(words), "{source}: {said}");
    }
}
