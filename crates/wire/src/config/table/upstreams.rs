//! Keys of `upstreams`: servers that answer for versions.

use super::key;
use crate::config::shape::{Need, Shape, Table};

pub(super) static UPSTREAM: Table = Table {
    title: "upstreams.NAME",
    doc: "Servers of the Open Inference Protocol (Triton, KServe, MLServer, another Tidegate) that answer the same. A version is answered by them when its model's `artifact` is JSON that names them: `{\"upstream\": \"NAME\", \"model\": \"ranker\", \"version\": \"3\"}`. No other host is ever asked.",
    keys: &[
        key(
            "servers",
            Shape::OneOrMore { item: &Shape::Http, max: 32 },
            Need::Optional,
            "Their addresses, as `http://10.0.0.1:8000`. They share the requests: each goes to the one that answers the fewest. This or `command`.",
        ),
        key(
            "command",
            Shape::List { item: &Shape::Text, min: 1, max: 64 },
            Need::Optional,
            "A program that is started for each version and answers for it, and its arguments; `{port}` in them is the port of 127.0.0.1 to listen on. It is started in the workspace's folder, without a shell.",
        ),
        key("copies", Shape::Whole { min: 1, max: 16 }, Need::Default("1"), "How many of the program share the requests to one version."),
        key(
            "ready",
            Shape::Duration { min_ms: 100, max_ms: 3_600_000 },
            Need::Default("60s"),
            "Time for the program to be ready. One that is not is ended and started again.",
        ),
        key(
            "stop",
            Shape::Duration { min_ms: 10, max_ms: 600_000 },
            Need::Default("10s"),
            "Time for the program to end when it is asked to (SIGTERM), before it and all that it started are killed.",
        ),
        key(
            "restarts",
            Shape::Whole { min: 0, max: 1_000 },
            Need::Default("8"),
            "Times that the program is started again, without having been well for a minute in between, before its version has failed.",
        ),
        key(
            "environment",
            Shape::OneOrMore { item: &Shape::Variable, max: 64 },
            Need::Optional,
            "Names of environment variables that the program gets besides PATH, HOME and the like.",
        ),
        key(
            "standby",
            Shape::OneOrMore { item: &Shape::Http, max: 32 },
            Need::Optional,
            "Servers that are kept ready and asked when none of `servers` can be.",
        ),
        key(
            "apart",
            Shape::Word(&["true", "false"]),
            Need::Default("false"),
            "Whether all its servers must be on different hosts, by the names of those: what ends one of them then leaves the others.",
        ),
        key(
            "burst",
            Shape::Word(&["true", "false"]),
            Need::Default("false"),
            "Whether standby servers also answer what the others have no room for.",
        ),
        key("token", Shape::Variable, Need::Optional, "Name of the environment variable that holds a bearer token for them."),
        key(
            "ca",
            Shape::Text,
            Need::Optional,
            "File with the certificates of the authorities that vouch for them, PEM; those of the system when not given.",
        ),
        key(
            "requests",
            Shape::Whole { min: 1, max: 100_000 },
            Need::Default("256"),
            "Requests that one server answers at a time. Where none has room, further ones are answered 429.",
        ),
        key(
            "panic_below",
            Shape::Percent { min_bp: 0, max_bp: 10_000 },
            Need::Default("0"),
            "Where fewer of `servers` are well than this percentage, those are asked too that fail too often, so that the ones which are left are not run over. One that is away or answers wrong never is.",
        ),
        key(
            "probe",
            Shape::Duration { min_ms: 10, max_ms: 60_000 },
            Need::Default("500ms"),
            "How often each is asked whether the model is ready. Two answers missed in a row leave it out.",
        ),
        key(
            "golden",
            Shape::Duration { min_ms: 10, max_ms: 3_600_000 },
            Need::Default("5s"),
            "How often each answers one of the model's golden requests. One wrong answer leaves it out until all are right.",
        ),
    ],
};
