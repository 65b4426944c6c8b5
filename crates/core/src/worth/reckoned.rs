//! A ledger with what it is of: how many changes something was said of, which of them do not count, and what is not told while people
//! have yet to decide.

use super::ledger::{ARM_ROWS_MIN, Ledger, Line, Verdict};
use super::lot::Arm;
use crate::id::At;
use serde::Serialize;
use std::fmt;

/// Changes of which something was said and that are not counted, and why.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Left {
    /// Only people spoke.
    pub unanswered: usize,
    /// Too young: the end cannot be trusted yet.
    pub young: usize,
    /// The model that answered had learnt from what was made later.
    pub learnt: usize,
    /// It cannot be told how they ended.
    pub unknown: usize,
    /// Not in the history, where nothing was drawn.
    pub never_in: usize,
}

impl Left {
    /// In words: nothing where all count.
    #[must_use]
    pub fn words(&self) -> Option<String> {
        let reasons = [
            (self.young, "too young to tell"),
            (self.unknown, "of an end that is not known"),
            (self.learnt, "which the model that answered could have learnt from"),
            (self.never_in, "not in this history"),
            (self.unanswered, "of which only people spoke"),
        ];
        let told: Vec<String> = reasons.iter().filter(|(count, _)| *count > 0).map(|(count, why)| format!("{count} {why}")).collect();
        (!told.is_empty()).then(|| told.join(", "))
    }
}

/// The ledger, of what, and what is not in it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Worth {
    /// Said since then.
    pub since: Option<At>,
    /// Changes of which something was said.
    pub spoken: usize,
    /// Models that answered about those that count.
    pub models: usize,
    /// Those that do not count.
    pub left: Left,
    /// Changes that count and about which people have yet to decide while a lot is drawn; with one of them it is not told which way
    /// the model would have changes go that people decide about.
    pub kept_back: usize,
    /// The ledger.
    #[serde(flatten)]
    pub ledger: Ledger,
}

impl Worth {
    /// What is kept back and why, in words; nothing where nothing is.
    #[must_use]
    pub fn kept_back_words(&self) -> Option<String> {
        (self.kept_back > 0).then(|| {
            format!(
                "which way the model would have changes go that people decide about, and failures avoided, are kept back: about {} that count people have yet to decide (`tidegate risk judge`)",
                self.kept_back
            )
        })
    }
}

impl Ledger {
    /// Without what tells which way the model would have changes go that people decide about: who sees one of them come into a count
    /// knows what was kept back of it.
    #[must_use]
    pub fn kept_back(mut self) -> Ledger {
        self.lines.retain(|line| line.arm != Some(Arm::People) || line.way.is_none());
        if let Some(lot) = &mut self.by_lot {
            lot.avoided = None;
        }
        self
    }
}

impl Line {
    /// Who decided, in words.
    #[must_use]
    pub fn decided_by(&self) -> &'static str {
        match self.arm {
            Some(Arm::Model) => "the model",
            Some(Arm::People) => "people",
            None => "not drawn",
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Verdict::NothingRecorded => {
                to.write_str("nothing was recorded of a change that is old enough: `tidegate risk score` records while `tidegate up` runs")
            }
            Verdict::NotDrawn => {
                to.write_str("nothing was drawn by lot (`risk.trial` of tidegate.yaml): failures avoided cannot be told, only estimated")
            }
            Verdict::TooFew => write!(to, "who is better cannot be told: it takes {ARM_ROWS_MIN} changes of either"),
            Verdict::NotJoined => to.write_str(
                "who is better cannot be told: more than half of the changes of one of them are not in this history; name changes with `risk score --change`, and let the forge tell of merges",
            ),
            Verdict::DrawnUnequally => to.write_str("who is better cannot be told: the lot was drawn at several shares"),
            Verdict::Model => to.write_str("the model is better, and not by chance"),
            Verdict::People => to.write_str("people are better, and not by chance"),
            Verdict::Open => to.write_str("who is better cannot be told: the difference may be chance"),
        }
    }
}
