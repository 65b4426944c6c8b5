//! Keys of training anew: what starts it, its limits, who lets its candidate be released.

use super::model::{NUMBER, ROW_METRICS};
use super::{SPAN, key};
use crate::config::shape::{Need, Shape, Table};
use crate::config::unit::DURATION_MS_MAX;

const TRIGGERS: Shape = Shape::Word(&["schedule", "data", "drift", "performance", "code"]);

pub(super) static RETRAIN: Table = Table {
    title: "retrain.MODEL",
    doc: "Training anew, by itself, while `tidegate up` runs. The new version takes the same gates and the same release as any other.",
    keys: &[
        key(
            "on",
            Shape::OneOrMore { item: &TRIGGERS, max: 5 },
            Need::Required,
            "What starts it. `schedule`: the time of `every` has passed since the training before; `data`: other bytes in a dataset; `drift`: as `models.NAME.drift` defines it; `performance`: live predictions against their labels; `code`: another commit.",
        ),
        key("every", Shape::Duration { min_ms: 1_000, max_ms: DURATION_MS_MAX }, Need::Optional, "Of `schedule`."),
        key(
            "data",
            Shape::List { item: &Shape::Ref("data"), min: 1, max: 100 },
            Need::Optional,
            "Datasets that `data` looks at; all when not given.",
        ),
        key("performance", Shape::Table(&PERFORMANCE), Need::Optional, "Of `performance`: what live predictions must reach."),
        key("look", Shape::Duration { min_ms: 100, max_ms: 86_400_000 }, Need::Default("1m"), "How often it looks at all this."),
        key(
            "cool_down",
            Shape::Duration { min_ms: 0, max_ms: DURATION_MS_MAX },
            Need::Default("1h"),
            "Shortest time from the end of a training, with its release, to the start of the next.",
        ),
        key("budget", Shape::Table(&BUDGET), Need::Default("{}"), "How much may be trained, whoever asks for it."),
        key("release", Shape::Ref("releases"), Need::Optional, "Strategy of the release; that of the service when not given."),
        key(
            "approve",
            Shape::Word(&["auto", "person"]),
            Need::Default("person"),
            "Whether the release of the new version waits for a person.",
        ),
        key(
            "set",
            Shape::Names { of: "parameter", item: &Shape::Any, refers: None, preset: None },
            Need::Optional,
            "Parameters of the pipeline to set for this training, dotted where nested. `${window.start}` and `${window.end}` are the days at the ends of the window in which drift was found, of `models.NAME.drift.window` before now for another trigger; `${window.start - 30d}` is a day before it.",
        ),
    ],
};

static PERFORMANCE: Table = Table {
    title: "retrain.MODEL.performance",
    doc: "Predictions of the version that serves, against the labels that came for them. Beyond `min` or `max` it is a drop; with too few labels nothing is concluded.",
    keys: &[
        key("metric", Shape::Word(ROW_METRICS), Need::Required, "What is computed from scores and labels."),
        key("min", NUMBER, Need::Optional, "Floor."),
        key("max", NUMBER, Need::Optional, "Ceiling."),
        key("window", SPAN, Need::Default("30d"), "How far back predictions are taken."),
        key("min_labels", Shape::Whole { min: 20, max: u32::MAX }, Need::Default("1000"), "Fewest predictions with a label."),
    ],
};

static BUDGET: Table = Table {
    title: "retrain.MODEL.budget",
    doc: "Limits of training. What is due and over the budget waits, and `tidegate retrain status` says until when.",
    keys: &[
        key("runs", Shape::Whole { min: 1, max: 1_000 }, Need::Default("10"), "Trainings that may start..."),
        key("within", Shape::Duration { min_ms: 1_000, max_ms: DURATION_MS_MAX }, Need::Default("30d"), "...within this time."),
        key(
            "time",
            Shape::Duration { min_ms: 1_000, max_ms: DURATION_MS_MAX },
            Need::Default("6h"),
            "Longest time of one: then it is stopped.",
        ),
    ],
};
