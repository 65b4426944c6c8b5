//! Why something that people want is not done.

use super::Action;
use super::machine::{GLASS_MS_MAX, TEXT_BYTES_MAX};
use crate::id::At;

/// Why a command did nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// No role allows it.
    #[error("{name} may not {}: their roles are {roles}", action.words())]
    NoRole {
        /// Who.
        name: String,
        /// What.
        action: Action,
        /// Their roles.
        roles: String,
    },
    /// A role allows it, and not there.
    #[error("{name} may not {} of {service}: they may in {places}", action.words())]
    Elsewhere {
        /// Who.
        name: String,
        /// What.
        action: Action,
        /// Of which service.
        service: String,
        /// Where they may.
        places: String,
    },
    /// Who and why are recorded.
    #[error("{what}: say who and why, in at most {TEXT_BYTES_MAX} bytes: it is recorded")]
    NoReason {
        /// What.
        what: &'static str,
    },
    /// Two pairs of eyes.
    #[error("approve version {version}: {name} asked for it: somebody else must approve it")]
    OwnChange {
        /// The version.
        version: String,
        /// Who.
        name: String,
    },
    /// Nothing was asked.
    #[error("{what} version {version}: nobody asked for it: `tidegate release start` does")]
    NotAsked {
        /// What.
        what: &'static str,
        /// The version.
        version: String,
    },
    /// It is another one now.
    #[error("{what} version {version}: it or its strategy changed since it was asked for: ask for it again")]
    Changed {
        /// What.
        what: &'static str,
        /// The version.
        version: String,
    },
    /// It was asked for too long ago.
    #[error("{what} version {version}: it was asked for too long ago, at the latest {until}: ask for it again")]
    Lapsed {
        /// What.
        what: &'static str,
        /// The version.
        version: String,
        /// When it ended.
        until: At,
    },
    /// A veto is final.
    #[error("{what} version {version}: {by} vetoed it: {reason}: a veto is final, release another version or strategy")]
    Vetoed {
        /// What.
        what: &'static str,
        /// The version.
        version: String,
        /// Who vetoed.
        by: String,
        /// Why.
        reason: String,
    },
    /// One at a time.
    #[error("break the glass: {by} broke it already, until {until}")]
    Open {
        /// Who.
        by: String,
        /// Until when.
        until: At,
    },
    /// The last one was not answered for.
    #[error("break the glass: what {by} did the last time was not reviewed: `tidegate break-glass --review` comes first")]
    ReviewOwed {
        /// Who broke it.
        by: String,
    },
    /// Too long, or no time at all.
    #[error("break the glass: it lasts from a moment to {} hours", GLASS_MS_MAX / 3_600_000)]
    Lasts,
    /// It is whole.
    #[error("{what}: the glass is not broken")]
    Whole {
        /// What.
        what: &'static str,
    },
    /// It goes on.
    #[error("review the broken glass: it is broken until {until}: wait for its end")]
    StillOpen {
        /// Until when.
        until: At,
    },
    /// Nobody reviews themselves.
    #[error("review the broken glass: {name} broke or used it: somebody else must look at it")]
    OwnGlass {
        /// Who.
        name: String,
    },
}
