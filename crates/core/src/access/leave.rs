//! Whether a change may be released now, as far as people decide it.

use super::{State, Subject};
use crate::id::At;
use serde::Serialize;

/// On whose word it may.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "leave", rename_all = "snake_case")]
pub enum Leave {
    /// Nobody need approve it.
    NotNeeded,
    /// These approved it.
    Approved {
        /// Who.
        by: Vec<String>,
    },
    /// The glass is broken: neither approvals nor freezes count.
    Glass {
        /// Who broke it.
        by: String,
        /// Until when.
        until: At,
    },
}

/// Why it may not.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Withheld {
    /// An emergency is a person's, and this starts by itself.
    #[error("{by} broke the glass until {until}, which is for what a person starts: it waits for the end of that")]
    Glass {
        /// Who broke it.
        by: String,
        /// Until when.
        until: At,
    },
    /// An emergency was not answered for.
    #[error("what {by} did behind the broken glass at {since} was not reviewed: somebody else must, with `tidegate break-glass --review`")]
    ReviewOwed {
        /// Who broke it.
        by: String,
        /// When.
        since: At,
    },
    /// Nobody asked.
    #[error("{of} others must approve it, and nobody asked them")]
    NotAsked {
        /// How many must.
        of: u32,
    },
    /// It is another one now.
    #[error("it or its strategy changed since it was asked for: its approvals are void")]
    Changed,
    /// It was asked for too long ago.
    #[error("it was asked for too long ago: its approvals ended at {until}")]
    Lapsed {
        /// When.
        until: At,
    },
    /// Somebody forbade it.
    #[error("{by} vetoed it: {reason}")]
    Vetoed {
        /// Who.
        by: String,
        /// Why.
        reason: String,
    },
    /// Not enough approvals.
    #[error("{have} of {of} approvals: it waits for others than {asked_by}, with `tidegate release approve`")]
    Waits {
        /// So far.
        have: usize,
        /// Of how many.
        of: u32,
        /// Who asked.
        asked_by: String,
    },
}

/// Whether a subject that `of` others must approve may be released at a time; `counts` tells who may still approve.
///
/// # Errors
/// Why it may not.
pub fn leave(state: &State, subject: &Subject, of: u32, counts: impl Fn(&str) -> bool, at: At) -> Result<Leave, Withheld> {
    if let Some(glass) = state.open_glass(at) {
        return Ok(Leave::Glass { by: glass.by.clone(), until: glass.until });
    }
    if let Some(owed) = state.owed(at) {
        return Err(Withheld::ReviewOwed { by: owed.by.clone(), since: owed.since });
    }
    if let Some(veto) = state.veto_of(subject) {
        return Err(Withheld::Vetoed { by: veto.by.clone(), reason: veto.reason.clone() });
    }
    if of == 0 {
        return Ok(Leave::NotNeeded);
    }
    let Some(asked) = state.asked_like(subject) else { return Err(Withheld::NotAsked { of }) };
    if asked.subject != *subject {
        return Err(Withheld::Changed);
    }
    if asked.until <= at {
        return Err(Withheld::Lapsed { until: asked.until });
    }
    // The number that counts is today's: one that was raised since holds for what was asked before.
    let by: Vec<String> = asked.approvals.iter().map(|given| given.by.clone()).filter(|name| counts(name)).collect();
    if by.len() < of as usize {
        return Err(Withheld::Waits { have: by.len(), of, asked_by: asked.by.clone() });
    }
    Ok(Leave::Approved { by })
}

/// The same for what starts by itself: a veto counts behind a broken glass too, and anything else waits for its end.
///
/// # Errors
/// Why it may not.
pub fn leave_by_itself(state: &State, subject: &Subject, of: u32, counts: impl Fn(&str) -> bool, at: At) -> Result<Leave, Withheld> {
    if let Some(veto) = state.veto_of(subject) {
        return Err(Withheld::Vetoed { by: veto.by.clone(), reason: veto.reason.clone() });
    }
    if let Some(glass) = state.open_glass(at) {
        return Err(Withheld::Glass { by: glass.by.clone(), until: glass.until });
    }
    leave(state, subject, of, counts, at)
}
