//! Keys of `breakers`.

use super::{SPAN, key};
use crate::config::shape::{Need, Shape, Table};

const LIMIT: Shape = Shape::Number { min: f64::NEG_INFINITY, max: f64::INFINITY, open: false };

pub(super) static BREAKER: Table = Table {
    title: "breakers.NAME",
    doc: "Signals of the world that releases go into. While they are abnormal, or cannot be told, nothing goes forward: it is as if frozen.",
    keys: &[
        key("source", Shape::Ref("sources"), Need::Optional, "What is asked: this, or `prometheus`."),
        key("prometheus", Shape::Http, Need::Optional, "Address of a Prometheus server that is asked. No other is."),
        key(
            "signals",
            Shape::Names { of: "signal", item: &Shape::Table(&SIGNAL), refers: None, preset: None },
            Need::Required,
            "What is looked at. A query that finds nothing is abnormal.",
        ),
        key("every", Shape::Duration { min_ms: 1_000, max_ms: 3_600_000 }, Need::Default("30s"), "How often it is looked at."),
        key(
            "window",
            Shape::Duration { min_ms: 60_000, max_ms: 86_400_000 },
            Need::Default("5m"),
            "How far back the newest whole minute with a point is looked for, where the source keeps points that come late.",
        ),
        key("after", Shape::Whole { min: 1, max: 1_000 }, Need::Default("3"), "After so many abnormal looks in a row it trips."),
        key(
            "resets_after",
            SPAN,
            Need::Optional,
            "Tripped by its signals, it closes by itself when all was normal for so long; a person closes it when not given.",
        ),
        key(
            "services",
            Shape::List { item: &Shape::Ref("services"), min: 1, max: 1_000 },
            Need::Optional,
            "Services that it halts; all when not given.",
        ),
        key(
            "blame",
            Shape::Word(&["tell", "abort"]),
            Need::Default("tell"),
            "When it trips it tells which release under way is to blame; `abort` aborts one that is guilty beyond doubt, and leaves the others.",
        ),
    ],
};

static SIGNAL: Table = Table {
    title: "breakers.NAME.signals.NAME",
    doc: "A query and the limits that each of its values is held against.",
    keys: &[
        key("query", Shape::Text, Need::Required, "In PromQL, or in the source's own language. Of several series each counts."),
        key("above", LIMIT, Need::Optional, "Abnormal above this."),
        key("below", LIMIT, Need::Optional, "Abnormal below this."),
        key("service", Shape::Ref("services"), Need::Optional, "The service where it is seen; not given, it may be of any."),
    ],
};
