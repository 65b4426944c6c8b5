//! Keys of `gateway.traces` and `gateway.log`: what is told of requests, and to whom.

use super::key;
use crate::config::shape::{Need, Shape, Table};

const SHARE: Shape = Shape::Number { min: 0.0, max: 1.0, open: false };

pub(super) static TRACES: Table = Table {
    title: "gateway.traces",
    doc: "Traces for OpenTelemetry, sent to a receiver of OTLP over HTTP: a collector, Jaeger, Tempo. No other host is asked for it.",
    keys: &[
        key(
            "endpoint",
            Shape::Http,
            Need::Required,
            "The receiver, as `http://127.0.0.1:4318`; `/v1/traces` is added, as to `OTEL_EXPORTER_OTLP_ENDPOINT`.",
        ),
        key(
            "ratio",
            SHARE,
            Need::Default("0.01"),
            "Share of traces begun here that are recorded, from 0 to 1, told by the trace's identifier. Of a trace that a client has begun, its flag decides.",
        ),
        key("service_name", Shape::Text, Need::Default("tidegate"), "What the spans' `service.name` is."),
        key(
            "headers",
            Shape::Variable,
            Need::Optional,
            "Name of the environment variable that holds headers for the receiver, as `OTEL_EXPORTER_OTLP_HEADERS` has them: `name=value,name=value`.",
        ),
        key("token", Shape::Variable, Need::Optional, "Name of the environment variable that holds a bearer token for the receiver."),
        key(
            "ca",
            Shape::Text,
            Need::Optional,
            "File with the certificates of the authorities that vouch for the receiver, PEM; those of the system when not given.",
        ),
        key("timeout", Shape::Duration { min_ms: 10, max_ms: 60_000 }, Need::Default("10s"), "Time for the receiver's answer."),
    ],
};

pub(super) static LOG: Table = Table {
    title: "gateway.log",
    doc: "A line of JSON for each prediction, copies in shadow included.",
    keys: &[
        key(
            "file",
            Shape::Text,
            Need::Optional,
            "Where lines are added; one that was moved away is begun anew. Without it they go to the standard error stream.",
        ),
        key("ratio", SHARE, Need::Default("1"), "Share of predictions that are told, from 0 to 1, told by the request's identifier."),
        key(
            "inputs",
            Shape::List { item: &Shape::Text, min: 0, max: 1_000 },
            Need::Default("[]"),
            "Names of the inputs of requests whose values may be told. None is when not given. What `scan` of the service looks for is masked in them.",
        ),
    ],
};
