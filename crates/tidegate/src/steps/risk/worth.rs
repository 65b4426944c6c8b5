//! What was said of changes, joined with what became of them.
//!
//! A change counts when it is old enough that its end can be trusted, whichever end that is: those that hurt are known sooner, and
//! taken as soon as they are known they would make every share too high.

use super::Labelled;
use serde::Serialize;
use std::collections::{BTreeSet, HashMap};
use tidegate_core::correction::Ended;
use tidegate_core::delivery::{Event, What};
use tidegate_core::id::At;
use tidegate_core::worth::{Ledger, Row, Spoken, State, ledger};
use tidegate_history::{Change, ChangeNumber, Mined};

const SECOND_MS: i64 = 1_000;

/// What is known of how changes ended.
pub struct Ends<'a> {
    /// The history.
    pub mined: &'a Mined,
    /// Labels of its changes.
    pub labels: HashMap<ChangeNumber, Labelled>,
    /// What each change became when it was merged, by its number: forges tell it.
    pub merged: HashMap<String, Vec<String>>,
}

impl<'a> Ends<'a> {
    /// Of a history, its labels, and what other tools told.
    #[must_use]
    pub fn new(mined: &'a Mined, labels: Vec<(ChangeNumber, Labelled)>, events: &[Event]) -> Ends<'a> {
        let mut merged: HashMap<String, Vec<String>> = HashMap::new();
        for event in events.iter().filter(|event| event.what == What::ChangeMerged) {
            if let (Some(number), Some(revision)) = (event.subject.change, &event.subject.revision) {
                merged.entry(number.to_string()).or_default().push(revision.clone());
            }
        }
        Ends { mined, labels: labels.into_iter().collect(), merged }
    }
}

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

/// The ledger, of what, and what is not in it.
#[derive(Debug, Serialize)]
pub struct Worth {
    /// Said since then.
    pub since: Option<At>,
    /// Changes of which something was said.
    pub spoken: usize,
    /// Models that answered about those that count.
    pub models: usize,
    /// Those that do not count.
    pub left: Left,
    /// The ledger.
    #[serde(flatten)]
    pub ledger: Ledger,
}

/// Reckons what was said since a time, or ever.
#[must_use]
pub fn worth(said: &State, ends: &Ends<'_>, since: Option<At>) -> Worth {
    let (mut rows, mut left, mut models, mut spoken) = (vec![], Left::default(), BTreeSet::new(), 0);
    for (name, of) in &said.changes {
        let first = of.answers.first().map(|answer| answer.at).or(of.opinion.as_ref().map(|opinion| opinion.at));
        if first < since {
            continue;
        }
        spoken += 1;
        match end(name, of, ends) {
            Ok((hurt, came_in)) => {
                models.extend(of.answer().map(|answer| &answer.model));
                rows.extend(Row::of(of, hurt, came_in));
            }
            Err(why) => match why {
                Out::Unanswered => left.unanswered += 1,
                Out::Young => left.young += 1,
                Out::Learnt => left.learnt += 1,
                Out::Unknown => left.unknown += 1,
                Out::NeverIn => left.never_in += 1,
            },
        }
    }
    Worth { since, spoken, models: models.len(), left, ledger: ledger(&rows) }
}

/// Why a change does not count.
enum Out {
    Unanswered,
    Young,
    Learnt,
    Unknown,
    NeverIn,
}

/// Whether a change hurt, and whether it is in the history.
fn end(name: &str, spoken: &Spoken, ends: &Ends<'_>) -> Result<(bool, bool), Out> {
    let answer = spoken.answer().ok_or(Out::Unanswered)?;
    let maturity = &ends.mined.maturity;
    let last_ms = maturity.as_of_s.saturating_sub(maturity.age_s).saturating_mul(SECOND_MS);
    let merged = ends.merged.get(name).into_iter().flatten();
    let numbers: BTreeSet<u32> =
        answer.commits.iter().chain(merged).filter_map(|commit| ends.mined.named(commit)).map(|number| number.0).collect();
    let changes: Vec<(ChangeNumber, &Change)> =
        numbers.into_iter().filter_map(|number| Some((ChangeNumber(number), ends.mined.changes().get(number as usize)?))).collect();
    let times = || changes.iter().map(|(_, change)| change.at_s.saturating_mul(SECOND_MS));
    let Some((oldest, newest)) = times().min().zip(times().max()) else {
        // What was drawn counts where the lot put it, also where it came to nothing.
        return match (answer.arm, answer.at.0 <= last_ms) {
            (Some(_), true) => Ok((false, false)),
            (Some(_), false) => Err(Out::Young),
            (None, _) => Err(Out::NeverIn),
        };
    };
    if newest > last_ms {
        return Err(Out::Young);
    }
    if oldest <= answer.learnt_until.0 {
        return Err(Out::Learnt);
    }
    let labels: Vec<Ended> = changes.iter().filter_map(|(number, _)| ends.labels.get(number)).map(|label| label.ended).collect();
    if labels.contains(&Ended::Hurt) {
        return Ok((true, true));
    }
    if labels.is_empty() || labels.contains(&Ended::Unknown) { Err(Out::Unknown) } else { Ok((false, true)) }
}
