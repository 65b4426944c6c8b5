//! Keys of `events`: other tools that tell what happens to changes.

use super::{SPAN, key};
use crate::config::shape::{Case, Key, Need, Shape, Table};

pub(super) static EVENT_SOURCE: Shape = Shape::Choice(&[
    Case { marker: "secret", table: &WEBHOOK },
    Case { marker: "kafka", table: &KAFKA },
    Case { marker: "nats", table: &NATS },
]);

const TOOL: Key = key(
    "tool",
    Shape::Word(&["github", "gitlab", "jenkins", "argo", "spinnaker", "pagerduty", "cdevents"]),
    Need::Required,
    "What it speaks.",
);
const SERVICE: Key = key("service", Shape::Text, Need::Optional, "The service that its events are of which name none.");
const ENVIRONMENT: Key = key(
    "environment",
    Shape::Text,
    Need::Optional,
    "The environment that its deployments, rollbacks and incidents are of which name none: PagerDuty names none. Written as the deployer writes it.",
);
const SERVICES: Key = key(
    "services",
    Shape::OneOrMore { item: &Shape::Text, max: 1_000 },
    Need::Optional,
    "Names of services that have a space, as the tool tells them. Of any other name with a space it is not known whether it is somebody's: such an event is kept aside.",
);
const KEEP: Key = key(
    "keep",
    SPAN,
    Need::Optional,
    "What came in longer ago is removed, once a day, and the journal says how much. For ever when not given.",
);
const SERVERS: Shape = Shape::OneOrMore { item: &Shape::Text, max: 16 };
const TLS: Key = key(
    "tls",
    Shape::Word(&["off", "on"]),
    Need::Default("off"),
    "Whether the connection is encrypted, with the system's roots or those of `SSL_CERT_FILE`.",
);
const LOGIN: Key = key("login", Shape::Text, Need::Optional, "Login, where it asks for one.");
const PASSWORD: Key = key("password", Shape::Variable, Need::Optional, "Name of the environment variable that holds the password.");

static WEBHOOK: Table = Table {
    title: "events.NAME, webhook",
    doc: "A tool that tells by webhook, at `/webhooks/events/NAME`, what happens to changes: reviews, builds, deployments, incidents.",
    keys: &[
        TOOL,
        key(
            "secret",
            Shape::Variable,
            Need::Required,
            "Name of the environment variable that holds the webhook's secret: GitHub and PagerDuty sign with it, GitLab sends it, and others send it as `authorization: Bearer <secret>`. What does not prove to know it is not read.",
        ),
        SERVICE,
        ENVIRONMENT,
        SERVICES,
        KEEP,
    ],
};

static KAFKA: Table = Table {
    title: "events.NAME, Kafka",
    doc: "A topic of Kafka, each record of which is a message of the tool.",
    keys: &[TOOL, key("kafka", Shape::Table(&KAFKA_TOPIC), Need::Required, "The topic."), SERVICE, ENVIRONMENT, SERVICES, KEEP],
};

static KAFKA_TOPIC: Table = Table {
    title: "events.NAME.kafka",
    doc: "All partitions are read, each in its order, from its first record on. How far is kept here and not by the broker.",
    keys: &[
        key("brokers", SERVERS, Need::Required, "Brokers that are asked first, each as `host:port`."),
        key("topic", Shape::Text, Need::Required, "The topic. It is not made."),
        TLS,
        key(
            "sasl",
            Shape::Word(&["none", "plain", "scram-sha-256", "scram-sha-512"]),
            Need::Default("none"),
            "How the broker is shown who reads.",
        ),
        LOGIN,
        PASSWORD,
    ],
};

static NATS: Table = Table {
    title: "events.NAME, NATS",
    doc: "A stream of NATS JetStream, each message of which is one of the tool.",
    keys: &[TOOL, key("nats", Shape::Table(&NATS_STREAM), Need::Required, "The stream."), SERVICE, ENVIRONMENT, SERVICES, KEEP],
};

static NATS_STREAM: Table = Table {
    title: "events.NAME.nats",
    doc: "Read from its first message on by a durable consumer, which is made where there is none.",
    keys: &[
        key("servers", SERVERS, Need::Required, "Servers that are tried, each as `host:port`."),
        key("stream", Shape::Text, Need::Required, "The stream. It is not made."),
        key("subject", Shape::Text, Need::Optional, "Only messages of this subject, as `cd.>`."),
        key("durable", Shape::Text, Need::Default("tidegate"), "Name of the durable consumer: the server keeps under it how far was read."),
        TLS,
        LOGIN,
        PASSWORD,
        key(
            "token",
            Shape::Variable,
            Need::Optional,
            "Name of the environment variable that holds a token, where the server asks for one.",
        ),
        key(
            "credentials",
            Shape::Variable,
            Need::Optional,
            "Name of the environment variable that holds what is in a `.creds` file, or the seed of an nkey.",
        ),
    ],
};
