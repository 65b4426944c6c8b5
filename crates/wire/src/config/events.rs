//! `events` of tidegate.yaml: other tools that tell what happens, and what of them spans several keys.

use super::check::{Check, join};
use super::read::View;
use crate::delivery::Tool;
use crate::yaml::Node;
use tidegate_core::delivery::name;

/// A tool that tells what happens to changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventSource {
    /// What it speaks.
    pub tool: Tool,
    /// How its messages come here.
    pub by: EventsBy,
    /// The service that its events are of which name none.
    pub service: Option<String>,
    /// The environment that its events are of which happen in one and name none.
    pub environment: Option<String>,
    /// Names of services that have a space.
    pub services: Vec<String>,
    /// How long its events are kept; for ever where nothing is said.
    pub keep_ms: Option<u64>,
}

impl EventSource {
    /// Name of the environment variable with the secret of its webhook, where it has one.
    #[must_use]
    pub fn secret(&self) -> Option<&str> {
        match &self.by {
            EventsBy::Webhook { secret } => Some(secret),
            EventsBy::Kafka(_) | EventsBy::Nats(_) => None,
        }
    }
}

/// How messages of a tool come here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EventsBy {
    /// It sends them.
    Webhook {
        /// Name of the environment variable with its secret.
        secret: String,
    },
    /// A topic of Kafka has them.
    Kafka(KafkaTopic),
    /// A stream of NATS has them.
    Nats(NatsStream),
}

/// A topic of Kafka.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KafkaTopic {
    /// Brokers that are asked first.
    pub brokers: Vec<String>,
    /// The topic.
    pub topic: String,
    /// Whether the connection is encrypted.
    pub tls: bool,
    /// How the broker is shown who reads.
    pub sasl: Option<Sasl>,
}

/// How a broker is shown who reads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sasl {
    /// Its name among brokers.
    pub mechanism: Mechanism,
    /// The login.
    pub login: String,
    /// The variable with the password.
    pub password: String,
}

/// A mechanism of SASL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mechanism {
    /// The password itself.
    Plain,
    /// A proof of knowing it, by SHA-256.
    Scram256,
    /// By SHA-512.
    Scram512,
}

/// A stream of NATS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NatsStream {
    /// Servers that are tried.
    pub servers: Vec<String>,
    /// The stream.
    pub stream: String,
    /// Only messages of this subject.
    pub subject: Option<String>,
    /// The durable consumer.
    pub durable: String,
    /// Whether the connection is encrypted.
    pub tls: bool,
    /// How the server is shown who reads.
    pub entry: NatsEntry,
}

/// How a server of NATS is shown who reads. Secrets are in environment variables, whose names these are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NatsEntry {
    /// Anybody may.
    Open,
    /// By a login.
    Login {
        /// The login.
        login: String,
        /// The variable with the password.
        password: String,
    },
    /// By a token.
    Token(String),
    /// By credentials, or the seed of a key.
    Credentials(String),
}

pub(super) fn event_source(view: View<'_>) -> EventSource {
    // The table lets known tools through alone.
    let tool = view.at("tool").text().and_then(|name| Tool::parse(&name)).unwrap_or(Tool::Cdevents);
    let by = if let Some(kafka) = view.at("kafka").there() {
        EventsBy::Kafka(kafka_topic(kafka))
    } else if let Some(nats) = view.at("nats").there() {
        EventsBy::Nats(nats_stream(nats))
    } else {
        EventsBy::Webhook { secret: view.owned("secret") }
    };
    EventSource {
        tool,
        by,
        service: view.at("service").text(),
        environment: view.at("environment").text(),
        services: view.at("services").texts(),
        keep_ms: view.at("keep").ms(),
    }
}

fn kafka_topic(view: View<'_>) -> KafkaTopic {
    let mechanism = match view.owned("sasl").as_str() {
        "plain" => Some(Mechanism::Plain),
        "scram-sha-256" => Some(Mechanism::Scram256),
        "scram-sha-512" => Some(Mechanism::Scram512),
        _ => None,
    };
    let sasl = mechanism.map(|mechanism| Sasl { mechanism, login: view.owned("login"), password: view.owned("password") });
    KafkaTopic { brokers: view.at("brokers").texts(), topic: view.owned("topic"), tls: view.owned("tls") == "on", sasl }
}

fn nats_stream(view: View<'_>) -> NatsStream {
    let entry = match (view.at("login").text(), view.at("token").text(), view.at("credentials").text()) {
        (Some(login), _, _) => NatsEntry::Login { login, password: view.owned("password") },
        (_, Some(token), _) => NatsEntry::Token(token),
        (_, _, Some(credentials)) => NatsEntry::Credentials(credentials),
        _ => NatsEntry::Open,
    };
    NatsStream {
        servers: view.at("servers").texts(),
        stream: view.owned("stream"),
        subject: view.at("subject").text(),
        durable: view.owned("durable"),
        tls: view.owned("tls") == "on",
        entry,
    }
}

impl Check<'_> {
    /// A topic or a stream of a source: servers are servers, names are names, and who reads is shown in one way.
    pub(super) fn event_source(&mut self, path: &str, source: &Node) {
        if let Some(node) = source.get("environment")
            && node.as_str().is_some_and(|text| name("environment", text).is_err())
        {
            self.say(
                node,
                &join(path, "environment"),
                "it is no name of an environment",
                Some("write it as the deployer does, as `production`"),
            );
        }
        for (kind, servers, names) in [("kafka", "brokers", &["topic"][..]), ("nats", "servers", &["stream", "durable"])] {
            let Some((key, stream)) = source.entry(kind) else { continue };
            let path = join(path, kind);
            let all = stream.get(servers).map_or(&[][..], |of| of.as_seq().unwrap_or(std::slice::from_ref(of)));
            for server in all.iter().filter(|server| !server.as_str().is_none_or(is_server)) {
                self.say(
                    server,
                    &join(&path, servers),
                    "it is no server",
                    Some("write each as `host:port`, as `kafka-1.example.com:9092`"),
                );
            }
            for (name, node) in names.iter().filter_map(|name| Some((name, stream.get(name)?))) {
                let message =
                    format!("`{name}` is no name: it has letters, digits, `-`, `_`{}", if kind == "kafka" { " and `.`" } else { "" });
                if node.as_str().is_some_and(|text| !is_name(text, kind == "kafka")) {
                    self.say(node, &join(&path, name), &message, None);
                }
            }
            if let Some(node) = stream.get("subject")
                && node.as_str().is_some_and(|text| text.chars().any(|c| c.is_whitespace() || c.is_control()))
            {
                self.say(node, &join(&path, "subject"), "a subject has no spaces", None);
            }
            self.entry_of(&path, kind, key, stream);
        }
    }

    fn entry_of(&mut self, path: &str, kind: &str, key: &Node, stream: &Node) {
        let given = |name: &str| stream.get(name).is_some();
        if given("login") != given("password") {
            self.say(key, path, "`login` and `password` are given together", None);
        }
        let sasl = stream.get("sasl").and_then(Node::as_str).unwrap_or("none");
        if kind == "kafka" && (sasl != "none") != given("login") {
            let help = "give `sasl: scram-sha-512` with `login` and `password`, or none of the three";
            self.say(key, path, "`sasl` says how `login` and `password` are shown: they are given together", Some(help));
        }
        if ["login", "token", "credentials"].into_iter().filter(|name| given(name)).count() > 1 {
            self.say(key, path, "more than one of `login`, `token` and `credentials` is given: who reads is shown in one way", None);
        }
    }
}

/// Longest name of a topic, in bytes: Kafka's own limit.
const STREAM_NAME_BYTES_MAX: usize = 249;

fn is_name(text: &str, dots: bool) -> bool {
    let fits = |c: char| c.is_ascii_alphanumeric() || "-_".contains(c) || dots && c == '.';
    text.len() <= STREAM_NAME_BYTES_MAX && !text.is_empty() && text.chars().all(fits)
}

fn is_server(text: &str) -> bool {
    let host = |host: &str| !host.is_empty() && host.chars().all(|c| c.is_ascii_alphanumeric() || "-._[]:".contains(c));
    text.rsplit_once(':').is_some_and(|(name, port)| host(name) && port.parse::<u16>().is_ok_and(|port| port > 0))
}
