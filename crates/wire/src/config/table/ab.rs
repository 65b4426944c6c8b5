//! Keys of `ab_tests`.

use super::{ABOVE_ZERO, AFFINITY, SPAN, key};
use crate::config::shape::{Need, Shape, Table};

pub(super) static AB_TEST: Table = Table {
    title: "ab_tests.NAME",
    doc: "Versions of a service's model that are shown to clients drawn by lot and compared by a metric. Versions are named when it is started, and everything is recorded then.",
    keys: &[
        key("service", Shape::Ref("services"), Need::Required, "The service whose clients are drawn."),
        key(
            "variants",
            Shape::Names { of: "variant", item: &Shape::Table(&VARIANT), refers: None, preset: None },
            Need::Required,
            "2 to 8 variants, one of them `control`: the others are compared with it.",
        ),
        key(
            "unit",
            Shape::Table(&AFFINITY),
            Need::Optional,
            "What carries the key of a client; the service's `affinity` when not given. Clients without a key are not in the test.",
        ),
        key("metric", Shape::Table(&METRIC), Need::Required, "What is measured of each client."),
        key(
            "share",
            Shape::Percent { min_bp: 10, max_bp: 10_000 },
            Need::Default("100"),
            "Percent of all clients that take part; the others stay with the version that carries the service.",
        ),
        key(
            "alpha",
            Shape::Number { min: 0.0, max: 1.0, open: true },
            Need::Default("0.05"),
            "Chance that anything that is ever said of any variant is false, however often one looks.",
        ),
        key("horizon", SPAN, Need::Default("14d"), "It ends after this, whatever is known then."),
        key("min_effect", ABOVE_ZERO, Need::Required, "The smallest difference that would be worth having, in units of the metric."),
    ],
};

static VARIANT: Table = Table {
    title: "ab_tests.NAME.variants.NAME",
    doc: "A variant of a test.",
    keys: &[key("weight", Shape::Whole { min: 1, max: 1_000 }, Need::Default("1"), "Its part of the clients in the test.")],
};

static METRIC: Table = Table {
    title: "ab_tests.NAME.metric",
    doc: "One number for each client: the mean over its requests of what their labels say.",
    keys: &[
        key(
            "feedback",
            Shape::Word(&["label", "correct"]),
            Need::Default("label"),
            "`label`: the label that feedback brings for a request. `correct`: whether the version decided as the label says.",
        ),
        key("kind", Shape::Word(&["rate", "mean"]), Need::Required, "`rate`: yes or no, as 1 or 0. `mean`: a number between two bounds."),
        key("better", Shape::Word(&["higher", "lower"]), Need::Required, "Which way is better."),
        key("min", Shape::Number { min: f64::NEG_INFINITY, max: f64::INFINITY, open: false }, Need::Optional, "The least value of a mean."),
        key(
            "max",
            Shape::Number { min: f64::NEG_INFINITY, max: f64::INFINITY, open: false },
            Need::Optional,
            "The largest value of a mean.",
        ),
        key(
            "window",
            SPAN,
            Need::Default("1h"),
            "How long after its first request a client's requests and labels count. A client counts once, when it has closed.",
        ),
        key(
            "missing",
            Shape::Word(&["left_out", "zero"]),
            Need::Default("left_out"),
            "What a client without any label counts as: nothing, or an outcome of 0.",
        ),
    ],
};
