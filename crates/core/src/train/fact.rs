//! What happens to a train, what people and releases tell it, and what it asks for.

use super::fit::Fit;
use super::spec::Spec;
use crate::id::At;
use serde::{Deserialize, Serialize};

/// Why a train goes back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "cause", rename_all = "snake_case")]
pub enum Cause {
    /// A car's release went back.
    Car {
        /// Of which service.
        service: String,
        /// Why.
        why: String,
    },
    /// A person wants it.
    Person {
        /// Who.
        by: String,
        /// Why.
        reason: String,
    },
}

/// How a train ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum End {
    /// Every car is released.
    Arrived,
    /// Everything that was released is undone.
    Back,
    /// It went back, and a person left some of it as it was.
    Left,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// A train begins.
    Departed {
        /// Counted from 1.
        number: u64,
        /// Its cars.
        spec: Spec,
        /// All of them switch at once, when each is ready.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        together: bool,
        /// Whether signatures of its versions fit; none: that was not looked at.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        fit: Option<Fit>,
        /// Who.
        by: String,
        /// Why.
        reason: String,
        /// When.
        at: At,
    },
    /// Before a car's release: whether its version fits those that it will meet, as they are now.
    Checked {
        /// Of which service.
        service: String,
        /// What was found. Where it does not fit the train stands still.
        fit: Fit,
        /// When.
        at: At,
    },
    /// A car's release began.
    Started {
        /// Of which service.
        service: String,
        /// Number of the release.
        release: u64,
        /// When.
        at: At,
    },
    /// A car's release is ready to switch, and waits for the others.
    Ready {
        /// Of which service.
        service: String,
        /// When.
        at: At,
    },
    /// Every car is ready: all switch.
    Switched {
        /// When.
        at: At,
    },
    /// A car is released.
    Arrived {
        /// Of which service.
        service: String,
        /// How many others must find it good now.
        #[serde(default, skip_serializing_if = "is_zero")]
        approvals: u32,
        /// When.
        at: At,
    },
    /// While a car was looked after, something halted its service.
    Disturbed {
        /// Of which service.
        service: String,
        /// What.
        why: String,
        /// When.
        at: At,
    },
    /// Nothing halts it any more: its time begins anew.
    Calmed {
        /// Of which service.
        service: String,
        /// When.
        at: At,
    },
    /// A person found a car good.
    Approved {
        /// Of which service.
        service: String,
        /// Who.
        by: String,
        /// Why.
        reason: String,
        /// When.
        at: At,
    },
    /// What had to be true of a car before others may begin is true.
    Verified {
        /// Of which service.
        service: String,
        /// When.
        at: At,
    },
    /// A car's release ended with the old version, or could not begin.
    WentBack {
        /// Of which service.
        service: String,
        /// Why.
        why: String,
        /// When.
        at: At,
    },
    /// The train goes back.
    TurnedBack {
        /// Why.
        cause: Cause,
        /// When.
        at: At,
    },
    /// A car that was released is undone.
    Undone {
        /// Of which service.
        service: String,
        /// When.
        at: At,
    },
    /// A car cannot be undone by itself: a person must see to it.
    Asked {
        /// Of which service.
        service: String,
        /// Why.
        why: String,
        /// When.
        at: At,
    },
    /// A person saw to a car, which counts as undone.
    Left {
        /// Of which service.
        service: String,
        /// Who.
        by: String,
        /// Why.
        reason: String,
        /// When.
        at: At,
    },
    /// Nothing is left to do.
    Ended {
        /// How.
        how: End,
        /// When.
        at: At,
    },
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde asks with a reference")]
fn is_zero(n: &u32) -> bool {
    *n == 0
}

/// What somebody wants, or what was seen of a release.
#[derive(Clone, Debug, PartialEq)]
pub enum Command {
    /// Begin a train.
    Depart {
        /// Its cars.
        spec: Spec,
        /// All of them switch at once, when each is ready.
        together: bool,
        /// Whether signatures of its versions fit; none: that is not looked at, then and later.
        fit: Option<Fit>,
        /// Who.
        by: String,
        /// Why.
        reason: String,
        /// When.
        at: At,
    },
    /// Whether a car's version fits those that its release will meet was looked at.
    Checked {
        /// Of which service.
        service: String,
        /// What was found.
        fit: Fit,
        /// When.
        at: At,
    },
    /// A car's release began.
    Started {
        /// Of which service.
        service: String,
        /// Number of the release.
        release: u64,
        /// When.
        at: At,
    },
    /// A car is released.
    Arrived {
        /// Of which service.
        service: String,
        /// When.
        at: At,
    },
    /// A car's release stands where it may switch.
    Ready {
        /// Of which service.
        service: String,
        /// When.
        at: At,
    },
    /// A car that is looked after was looked at.
    Look {
        /// Of which service.
        service: String,
        /// What halts the service, where something does.
        halted: Option<String>,
        /// Since when somebody has been looking without a break.
        watched_since: At,
        /// When.
        at: At,
    },
    /// A person finds a car good.
    Approve {
        /// Of which service.
        service: String,
        /// Who.
        by: String,
        /// Why.
        reason: String,
        /// When.
        at: At,
    },
    /// A car's release ended with the old version, or cannot begin.
    WentBack {
        /// Of which service.
        service: String,
        /// Why.
        why: String,
        /// When.
        at: At,
    },
    /// A car's release was undone.
    Undone {
        /// Of which service.
        service: String,
        /// When.
        at: At,
    },
    /// It cannot be undone.
    CannotUndo {
        /// Of which service.
        service: String,
        /// Why.
        why: String,
        /// When.
        at: At,
    },
    /// Go back with everything.
    TurnBack {
        /// Who.
        by: String,
        /// Why.
        reason: String,
        /// When.
        at: At,
    },
    /// A car that asks was seen to, or stays as it is: go on with the others.
    Leave {
        /// Of which service.
        service: String,
        /// Who.
        by: String,
        /// Why.
        reason: String,
        /// When.
        at: At,
    },
}

impl Command {
    pub(super) fn at(&self) -> At {
        match self {
            Command::Depart { at, .. }
            | Command::Checked { at, .. }
            | Command::Started { at, .. }
            | Command::Arrived { at, .. }
            | Command::Ready { at, .. }
            | Command::Look { at, .. }
            | Command::Approve { at, .. }
            | Command::WentBack { at, .. }
            | Command::Undone { at, .. }
            | Command::CannotUndo { at, .. }
            | Command::TurnBack { at, .. }
            | Command::Leave { at, .. } => *at,
        }
    }
}

/// Why a command did nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// Who and why are recorded.
    #[error("{0} a train: say who and why: it is recorded")]
    NoReason(&'static str),
    /// One at a time.
    #[error("let a train depart: number {0} is under way: wait for its end, or let it go back")]
    UnderWay(u64),
    /// What its versions give does not fit what others take.
    #[error("let a train depart: {0}")]
    Misfit(String),
    /// None is under way.
    #[error("{0} a train: none is under way")]
    None(&'static str),
    /// It goes back already.
    #[error("let a train go back: it does already")]
    Already,
    /// Nobody was asked.
    #[error("leave `{0}` as it is: nobody was asked about it")]
    NotAsked(String),
    /// Nothing of it is to be approved.
    #[error("approve `{0}`: it does not wait for anybody's word: it is approved after its release is done, before the next one begins")]
    NotVerifying(String),
    /// Four eyes are not two.
    #[error("approve `{service}`: {by} let the train depart: somebody else approves it")]
    Own {
        /// Of which service.
        service: String,
        /// Who.
        by: String,
    },
}

/// What is to be done about the releases of a train. Doing it twice is harmless.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Want {
    /// See whether its version fits those that its release will meet.
    Check {
        /// Of which service.
        service: String,
    },
    /// Start a release.
    Start {
        /// Of which service.
        service: String,
        /// Which version.
        version: String,
    },
    /// Let a release that is ready switch.
    Go {
        /// Of which service.
        service: String,
        /// Number of the release.
        release: u64,
    },
    /// End a release that is under way with the old version.
    Abort {
        /// Of which service.
        service: String,
        /// Number of the release.
        release: u64,
    },
    /// Undo one.
    Undo {
        /// Of which service.
        service: String,
        /// Number of the release.
        release: u64,
    },
}
