//! Keys of `journal` and `replicas`: where things are kept that must not be lost.

use super::key;
use crate::config::shape::{Need, Shape, Table};

pub(super) static JOURNAL: Table = Table {
    title: "journal",
    doc: "Where every decision is recorded. Without it: in a file of SQLite under `.tidegate/`.",
    keys: &[key(
        "postgres",
        Shape::Variable,
        Need::Required,
        "Environment variable with the address of a database of PostgreSQL 12 or newer: `postgres://USER:PASSWORD@HOST/DATABASE?sslmode=require`.",
    )],
};

pub(super) static REPLICAS: Table = Table {
    title: "replicas",
    doc: "Several `tidegate up` with the same file, on the same journal: one acts, and another goes on when it dies. For services with a `driver`.",
    keys: &[key(
        "shared",
        Shape::Text,
        Need::Required,
        "Folder that all of them mount: keys, the transparency log, blobs, and ticks that are not sealed yet.",
    )],
};
