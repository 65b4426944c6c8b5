//! Keys of `people`.

use super::key;
use crate::config::shape::{Need, Shape, Table};

pub(super) static PERSON: Table = Table {
    title: "people.NAME",
    doc: "Somebody, by the name that their tokens carry (`tidegate token create --person NAME`).",
    keys: &[key(
        "roles",
        Shape::List { item: &Shape::Word(&["viewer", "developer", "approver", "release_manager", "operator"]), min: 1, max: 5 },
        Need::Required,
        "`developer` asks for releases and stops them, `release_manager` lets them go forward, `approver` approves what others ask for and reviews emergencies, `operator` stops releases and breaks the glass, `viewer` looks.",
    )],
};
