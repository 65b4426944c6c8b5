//! Keys of `trains`.

use super::key;
use crate::config::shape::{Need, Shape, Table};

pub(super) static TRAIN: Table = Table {
    title: "trains.NAME",
    doc: "Services that are released together, in the order in which they need each other; when one turns out harmful all go back, in reverse.",
    keys: &[
        key(
            "services",
            Shape::Names { of: "service", item: &Shape::Table(&CAR), refers: Some("services"), preset: None },
            Need::Required,
            "Its services.",
        ),
        key(
            "order",
            Shape::Word(&["declared", "inferred"]),
            Need::Default("declared"),
            "`inferred`: the order is the one of `tidegate train propose` that somebody accepted last, and `after` is not written.",
        ),
    ],
};

static CAR: Table = Table {
    title: "trains.NAME.services.NAME",
    doc: "A service of a train.",
    keys: &[
        key(
            "after",
            Shape::List { item: &Shape::Ref("services"), min: 1, max: 49 },
            Need::Optional,
            "Services of the train that are released before it; those without one begin at once, beside each other.",
        ),
        key(
            "irreversible",
            Shape::Word(&["true", "false"]),
            Need::Default("false"),
            "Once released it is not undone by itself: a train that goes back stops before it and calls a person.",
        ),
    ],
};
