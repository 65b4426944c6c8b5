//! Keys of `notify`: who is told what.

use super::{SPAN, key};
use crate::config::shape::{Case, Key, Need, Shape, Table};

pub(super) static CHANNEL: Shape = Shape::Choice(&[
    Case { marker: "slack", table: &SLACK },
    Case { marker: "webhook", table: &WEBHOOK },
    Case { marker: "smtp", table: &EMAIL },
]);

const TOPICS: Shape = Shape::List {
    item: &Shape::Word(&[
        "page",
        "started",
        "promoted",
        "released",
        "held",
        "rolling_back",
        "rolled_back",
        "frozen",
        "thawed",
        "asked",
        "approved",
        "vetoed",
        "glass",
        "tripped",
        "closed",
        "concluded",
    ]),
    min: 1,
    max: 16,
};
const ON: Key = key("on", TOPICS, Need::Default("[page]"), "What it is told.");
const SERVICES: Key = key(
    "services",
    Shape::List { item: &Shape::Ref("services"), min: 1, max: 1_000 },
    Need::Optional,
    "Of which services; of all when not given. What is about no service in particular is told everybody.",
);
const PERSON: Key = key(
    "person",
    Shape::Ref("people"),
    Need::Optional,
    "Whose it is: it is told nothing but what they are called for, while they are on duty.",
);
const MOST: Key = key(
    "most",
    Shape::Whole { min: 1, max: 1_000 },
    Need::Default("10"),
    "So many messages at most in the time of `within`, those with a page counted apart. What comes meanwhile is one message later.",
);
const WITHIN: Key = key("within", SPAN, Need::Default("10m"), "The time in which there are at most so many messages.");

static SLACK: Table = Table {
    title: "notify.NAME, Slack",
    doc: "An incoming webhook of Slack, or of what takes the same (Mattermost, Rocket.Chat). What happens at once is one message.",
    keys: &[
        key(
            "slack",
            Shape::Variable,
            Need::Required,
            "Name of the environment variable that holds the webhook's address: whoever knows it can write there.",
        ),
        ON,
        SERVICES,
        PERSON,
        MOST,
        WITHIN,
    ],
};

static WEBHOOK: Table = Table {
    title: "notify.NAME, webhook",
    doc: "A tool that takes CDEvents over HTTP: each happening on its own, in order, at least once.",
    keys: &[
        key("webhook", Shape::Text, Need::Required, "The address, `https://` or `http://`. No other is called, and no redirect followed."),
        key(
            "secret",
            Shape::Variable,
            Need::Optional,
            "Name of the environment variable that holds the secret, `whsec_...`, by which requests are signed as Standard Webhooks says.",
        ),
        key("on", TOPICS, Need::Optional, "What it is told; everything when not given."),
        SERVICES,
    ],
};

static EMAIL: Table = Table {
    title: "notify.NAME, e-mail",
    doc: "Mail by a server of yours. What happens at once is one mail.",
    keys: &[
        key("smtp", Shape::Text, Need::Required, "The server, `smtps://mail.example.org` or `smtp://127.0.0.1:25`."),
        key("from", Shape::Text, Need::Required, "Address of the sender."),
        key("to", Shape::OneOrMore { item: &Shape::Text, max: 50 }, Need::Required, "Addresses of those who are told."),
        key("login", Shape::Variable, Need::Optional, "Name of the environment variable that holds `user:password` for the server."),
        ON,
        SERVICES,
        PERSON,
        MOST,
        WITHIN,
    ],
};
