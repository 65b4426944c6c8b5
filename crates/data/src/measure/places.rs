//! Where the rows of a batch lie in their part: one after the other, or those that a condition selected.

/// Places of a batch's rows.
pub(crate) enum Places {
    /// One after the other from here.
    From(u64),
    /// These.
    Listed(Vec<u64>),
}

impl Places {
    /// The place of a row of the batch.
    pub fn of(&self, row: usize) -> u64 {
        match self {
            Places::From(first) => first + row as u64,
            Places::Listed(all) => all.get(row).copied().unwrap_or_default(),
        }
    }
}
