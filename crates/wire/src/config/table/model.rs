//! Keys of models, their gates and drift.

use super::{ABOVE_ZERO, SPAN, key, names};
use crate::config::shape::{Case, Need, Shape, Table};

const FROM_ZERO: Shape = Shape::Number { min: 0.0, max: f64::INFINITY, open: false };
pub(super) const NUMBER: Shape = Shape::Number { min: f64::NEG_INFINITY, max: f64::INFINITY, open: false };

/// Metrics that are computed from the evaluation rows.
pub(crate) const ROW_METRICS: &[&str] = &["auc", "accuracy", "recall", "precision", "log_loss", "brier"];
/// Those of them that need a decision.
pub(crate) const DECISION_METRICS: &[&str] = &["accuracy", "recall", "precision"];

pub(super) static MODEL: Table = Table {
    title: "models.NAME",
    doc: "A model that the pipeline writes. Each run makes a version of it.",
    keys: &[
        key(
            "artifact",
            Shape::ProductPath,
            Need::Required,
            "The model file: ONNX, XGBoost as JSON or UBJSON, LightGBM as text. Its bytes tell which, not its name.",
        ),
        key(
            "transform",
            Shape::ProductPath,
            Need::Optional,
            "From a raw record to the model's inputs, versioned with it. Without one, requests carry the inputs.",
        ),
        key("golden", Shape::ProductPath, Need::Optional, "Requests with their answers; a version is ready when it gives them."),
        key("decision", Shape::Table(&DECISION), Need::Optional, "How a score becomes a decision."),
        key("reference", Shape::Table(&REFERENCE), Need::Optional, "Offline inputs by record: what skew and drift are measured against."),
        key("evaluation", Shape::Table(&EVALUATION), Need::Optional, "Predictions row by row, for intervals and slices."),
        key(
            "gates",
            names("gate", &Shape::Choice(GATES)),
            Need::Optional,
            "What a version must show before it is released. No gate is not a pass.",
        ),
        key("drift", Shape::Table(&DRIFT), Need::Optional, "When live inputs no longer look like the reference."),
        key(
            "gives",
            names("interface", &Shape::Short { scalar: &Shape::Word(&["outputs", "contract"]), long: &COLUMNS, expands: false }),
            Need::Optional,
            "What its versions give to others, by the name under which those take it: the outputs, what the contract of the dataset of this name says, or columns.",
        ),
        key(
            "takes",
            names("interface", &Shape::Short { scalar: &Shape::Word(&["inputs", "contract"]), long: &COLUMNS, expands: false }),
            Need::Optional,
            "What its versions take from others or from a dataset: the record of the transform or else the inputs, what the contract says, or columns.",
        ),
    ],
};

/// Columns by name.
static COLUMNS: Shape = names("column", &Shape::Text);

static DECISION: Table = Table {
    title: "models.NAME.decision",
    doc: "How a score becomes a decision.",
    keys: &[key("threshold", NUMBER, Need::Required, "Scores at or above it mean yes.")],
};

static REFERENCE: Table = Table {
    title: "models.NAME.reference",
    doc: "Offline inputs by record. Give `stage` or `path`.",
    keys: &[
        key("stage", Shape::StageRef, Need::Optional, "The stage whose output holds them."),
        key("path", Shape::ProductPath, Need::Optional, "The file that holds them."),
        key("id", Shape::Text, Need::Required, "Column of the record's id."),
    ],
};

static EVALUATION: Table = Table {
    title: "models.NAME.evaluation",
    doc: "A file with one row for each prediction on rows that training did not see.",
    keys: &[
        key("rows", Shape::ProductPath, Need::Required, "The file: Parquet or CSV."),
        key("id", Shape::Text, Need::Required, "Column of the record's id: versions are compared on the same rows."),
        key("label", Shape::Text, Need::Required, "Column of the true answer."),
        key("score", Shape::Text, Need::Required, "Column of the score."),
    ],
};

static GATES: &[Case] = &[
    Case { marker: "against", table: &AGAINST },
    Case { marker: "by", table: &SLICES },
    Case { marker: "latency_p99_ms", table: &LATENCY },
    Case { marker: "rego", table: &POLICY },
    Case { marker: "metric", table: &BOUNDS },
];

static BOUNDS: Table = Table {
    title: "gate: a metric within bounds",
    doc: "A metric that the pipeline wrote. Give `min`, `max` or both.",
    keys: &[
        key("metric", Shape::MetricRef, Need::Required, "The metric."),
        key("min", NUMBER, Need::Optional, "Least value that passes."),
        key("max", NUMBER, Need::Optional, "Largest value that passes."),
    ],
};

static AGAINST: Table = Table {
    title: "gate: no worse than another version",
    doc: "Paired bootstrap on the same evaluation rows: the lower bound of the difference lies above minus `margin`. With no such version yet it is recorded and passes.",
    keys: &[
        key("metric", Shape::Word(ROW_METRICS), Need::Required, "The metric."),
        key("against", Shape::Word(&["champion", "challenger"]), Need::Required, "Alias of the other version."),
        key("margin", FROM_ZERO, Need::Default("0.0"), "How much worse nobody minds."),
        key("confidence", Shape::Number { min: 0.5, max: 1.0, open: true }, Need::Default("0.95"), "Of the bound."),
    ],
};

static SLICES: Table = Table {
    title: "gate: no slice left behind",
    doc: "The gap between the best and the worst slice.",
    keys: &[
        key("metric", Shape::Word(ROW_METRICS), Need::Required, "The metric."),
        key("by", Shape::Text, Need::Required, "Column of the evaluation rows."),
        key("max_gap", FROM_ZERO, Need::Required, "Largest gap that passes."),
        key("min_rows", Shape::Whole { min: 1, max: u32::MAX }, Need::Default("200"), "Smaller slices are listed as not judged."),
    ],
};

static LATENCY: Table = Table {
    title: "gate: fast enough",
    doc: "Latency of single predictions, measured on this machine.",
    keys: &[key("latency_p99_ms", ABOVE_ZERO, Need::Required, "Largest 99th percentile that passes, in milliseconds.")],
};

static POLICY: Table = Table {
    title: "gate: a policy",
    doc: "A policy in Rego, version 1. Policies are not evaluated yet: such a gate answers `cannot_tell`, which does not pass.",
    keys: &[key("rego", Shape::SourcePath, Need::Required, "The policy file.")],
};

static DRIFT: Table = Table {
    title: "models.NAME.drift",
    doc: "Live inputs of the last `window` are held against the reference, column by column. One column beyond `threshold` is drift.",
    keys: &[
        key(
            "reference",
            Shape::ProductPath,
            Need::Optional,
            "The rows that live inputs are held against, those of training; the model's reference when not given.",
        ),
        key(
            "columns",
            Shape::List { item: &Shape::Text, min: 1, max: 1_000 },
            Need::Optional,
            "Inputs of the model to watch; all numeric ones when not given.",
        ),
        key("method", Shape::Word(&["ks", "psi"]), Need::Default("ks"), "Distance: Kolmogorov-Smirnov, or population stability index."),
        key("threshold", ABOVE_ZERO, Need::Default("0.2"), "Distance from which it is drift."),
        key("window", SPAN, Need::Default("30d"), "How far back live inputs are taken."),
        key(
            "min_rows",
            Shape::Whole { min: 100, max: u32::MAX },
            Need::Default("5000"),
            "With fewer rows in the window nothing is concluded.",
        ),
    ],
};
