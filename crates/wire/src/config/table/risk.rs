//! Keys of `risk`: what scores of changes are used for, and of whom none are made.

use super::key;
use crate::config::shape::{Need, Shape, Table};

/// Largest cost, in whatever unit both are.
const COST_MAX: f64 = 1e12;
/// How much more critical than others a service can be.
const FACTOR_MAX: f64 = 1e6;
const COST: Shape = Shape::Number { min: 0.0, max: COST_MAX, open: true };

pub(super) static RISK: Table = Table {
    title: "risk",
    doc: "How risks of changes are used: `tidegate risk`.",
    keys: &[
        key(
            "costs",
            Shape::Table(&COSTS),
            Need::Optional,
            "What mistakes cost, in one unit. From them follows the risk from which on a change is held.",
        ),
        key(
            "opt_out",
            Shape::List { item: &Shape::Text, min: 1, max: 1_000 },
            Need::Optional,
            "Owners of CODEOWNERS, as `@acme/payments`, whose changes are neither learnt from nor scored: they take the standard path.",
        ),
        key(
            "trial",
            Shape::Table(&TRIAL),
            Need::Optional,
            "Who decides about a change, drawn by lot: what the model is worth can be told then.",
        ),
    ],
};

static TRIAL: Table = Table {
    title: "risk.trial",
    doc: "A comparison of the model with people. Where people decide nobody is told what the model says before somebody has spoken.",
    keys: &[
        key(
            "model_share",
            Shape::Number { min: 0.0, max: 1.0, open: true },
            Need::Default("0.5"),
            "Share of changes that the model decides about.",
        ),
        key("salt", Shape::Text, Need::Required, "Any words, 8 to 200 bytes: with others who decides is drawn anew."),
    ],
};

static COSTS: Table = Table {
    title: "risk.costs",
    doc: "Costs of the two mistakes, in any unit that is the same for both: hours, money.",
    keys: &[
        key("delay", COST, Need::Required, "Of holding a change that would have done no harm."),
        key("incident", COST, Need::Required, "Of letting a change through that does harm."),
        key(
            "critical",
            Shape::List { item: &Shape::Table(&CRITICAL), min: 1, max: 1_000 },
            Need::Optional,
            "Owners of CODEOWNERS whose services matter more than others, or less.",
        ),
    ],
};

static CRITICAL: Table = Table {
    title: "risk.costs.critical[]",
    doc: "An owner, and what an incident costs there.",
    keys: &[
        key("owner", Shape::Text, Need::Required, "As CODEOWNERS names it: `@acme/payments`."),
        key("times", Shape::Number { min: 0.0, max: FACTOR_MAX, open: true }, Need::Required, "How many times as much as elsewhere."),
    ],
};
