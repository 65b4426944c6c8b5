//! Keys of `people`.

use super::key;
use crate::config::shape::{Key, Need, Shape, Table};

/// Most places of a role.
const PLACES_MAX: usize = 100;

pub(super) static PERSON: Table = Table {
    title: "people.NAME",
    doc: "Somebody, by the name that their tokens carry (`tidegate token create --person NAME`).",
    keys: &[key(
        "roles",
        Shape::List {
            item: &Shape::Short {
                scalar: &Shape::Word(&["viewer", "developer", "approver", "release_manager", "operator"]),
                long: &Shape::OneKey(SOMEWHERE),
                expands: false,
            },
            min: 1,
            max: 5,
        },
        Need::Required,
        "`developer` asks for releases and stops them, `release_manager` lets them go forward, `approver` approves what others ask for and reviews emergencies, `operator` stops releases and breaks the glass, `viewer` looks. `{ approver: [eu, ranker@us] }` is one in these services and environments alone.",
    )],
};

/// Roles that may be held in some places only.
static SOMEWHERE: &[Key] = &[key(
    "approver",
    Shape::List { item: &Shape::Place, min: 1, max: PLACES_MAX },
    Need::Optional,
    "Approves and reviews there alone: an environment, a service in all of its environments, or `SERVICE@ENVIRONMENT`.",
)];
