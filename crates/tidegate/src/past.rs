//! States from a journal that nobody writes just now, or that another process writes.

use crate::workspace::Places;
use anyhow::{Context as _, Result};
use tidegate_core::machine::Machine;
use tidegate_port::{FailureKind, Journal as _};

/// The state of a stream; the first one where there is no journal yet.
///
/// # Errors
/// When the journal cannot be read.
pub fn state<M: Machine>(places: &Places, stream: &str) -> Result<M::State> {
    let mut state = M::State::default();
    if !places.may_have_journal() {
        return Ok(state);
    }
    let mut journal = match places.journal()?.open_read_only() {
        Ok(journal) => journal,
        Err(none) if none.kind == FailureKind::Gone => return Ok(state),
        Err(failed) => return Err(failed.into()),
    };
    for record in journal.read_stream(stream, 0)? {
        let event: M::Event = serde_json::from_value(record.body).with_context(|| format!("read the journal's records of {stream}"))?;
        state = M::evolve(state, &event);
    }
    Ok(state)
}
