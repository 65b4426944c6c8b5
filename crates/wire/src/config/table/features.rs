//! Keys of `features`: what is told of entities, for training and for serving.

use super::{SPAN, key};
use crate::config::shape::{Case, Key, Need, Shape, Table};

pub(super) static FEATURES: Shape = Shape::Choice(&[Case { marker: "events", table: &EVENTS }, Case { marker: "file", table: &FILE }]);

const ENTITY: Key = key(
    "entity",
    Shape::OneOrMore { item: &Shape::Text, max: 8 },
    Need::Required,
    "The fields, or columns, whose values say which entity something belongs to.",
);

static EVENTS: Table = Table {
    title: "features.NAME, of events",
    doc: "Aggregations of the events of an entity over windows. One definition gives the values for training and those that are served.",
    keys: &[
        key(
            "events",
            Shape::Word(&["deliveries"]),
            Need::Required,
            "Which events: `deliveries` are those that the tools of `events` tell.",
        ),
        ENTITY,
        key(
            "features",
            Shape::Names { of: "feature", item: &Shape::Table(&FEATURE), refers: None, preset: None },
            Need::Required,
            "Features by name.",
        ),
        key(
            "ttl",
            SPAN,
            Need::Optional,
            "When the newest event of an entity is so old, none of its features has a value; the longest window when not given.",
        ),
        key(
            "events_max",
            Shape::Whole { min: 1, max: 65_536 },
            Need::Default("65536"),
            "Events of one entity that are counted in a window. A window that holds more has no value rather than a wrong one.",
        ),
    ],
};

static FEATURE: Table = Table {
    title: "features.NAME.features.NAME",
    doc: "One value of an entity at a time: of the events that had happened within the window and were known by then.",
    keys: &[
        key(
            "aggregate",
            Shape::Word(&["count", "sum", "mean", "min", "max", "last", "distinct", "since_last", "rate"]),
            Need::Required,
            "How events become a value.",
        ),
        key(
            "of",
            Shape::Text,
            Need::Optional,
            "The field that is summed, averaged, compared or counted; not for `count`, `since_last` and `rate`.",
        ),
        key(
            "window",
            SPAN,
            Need::Required,
            "How far back events count. One that happened exactly so long ago is out, one of this instant is in. At most 400 days.",
        ),
        key(
            "where",
            Shape::Names { of: "field", item: &Shape::Any, refers: None, preset: None },
            Need::Optional,
            "Only events whose fields have these values.",
        ),
        key("per", SPAN, Need::Optional, "For `rate`: events for each so long, on average over the window; an hour when not given."),
    ],
};

static FILE: Table = Table {
    title: "features.NAME, of a file",
    doc: "Values that somebody else computed, as rows of a table with the times at which they hold and were written.",
    keys: &[
        key("file", Shape::DataPath, Need::Required, "The table: a file, or a folder of files."),
        ENTITY,
        key("timestamp", Shape::Text, Need::Default("event_timestamp"), "The column that says from when on a row holds."),
        key(
            "created",
            Shape::Text,
            Need::Optional,
            "The column that says when a row was written: before that nobody knew it, and no training row sees it. Without it a row counts as known from `timestamp` on.",
        ),
        key(
            "columns",
            Shape::List { item: &Shape::Text, min: 1, max: 1_000 },
            Need::Optional,
            "The columns that are features; all others when not given.",
        ),
        key("ttl", SPAN, Need::Optional, "A row that is older than this is not joined; one of exactly that age is."),
    ],
};
