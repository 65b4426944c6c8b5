//! States from a journal that nobody writes just now, or that another process writes.

use anyhow::{Context as _, Result};
use std::path::Path;
use tidegate_core::machine::Machine;
use tidegate_port::Journal as _;
use tidegate_store::SqliteJournal;

/// The state of a stream; the first one where there is no journal yet.
///
/// # Errors
/// When the journal cannot be read.
pub fn state<M: Machine>(journal: &Path, stream: &str) -> Result<M::State> {
    let mut state = M::State::default();
    if !journal.exists() {
        return Ok(state);
    }
    for record in SqliteJournal::open_read_only(journal)?.read_stream(stream, 0)? {
        let event: M::Event = serde_json::from_value(record.body).with_context(|| format!("read the journal's records of {stream}"))?;
        state = M::evolve(state, &event);
    }
    Ok(state)
}
