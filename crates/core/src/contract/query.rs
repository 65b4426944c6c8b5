//! A query that the engine runs as it is written, over the checked table and perhaps others.

use serde::{Deserialize, Serialize};

/// A query in SQL.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Query {
    /// As it is written.
    pub text: String,
    /// The same with quotes around what stands in braces, so that `{batch}` is the table of that name.
    pub sql: String,
    /// What it calls the checked table: `{batch}` and the like, or bare names.
    pub checked: Vec<String>,
    /// The other datasets that it reads, by their names; each is the table `{name}`.
    pub datasets: Vec<String>,
}
