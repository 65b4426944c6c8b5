//! What became of each change, and who says so: a person before deliveries before the repository's own history.
//!
//! Of several changes that went out together and hurt, one did, and it is not known which: those that no fix was traced to are learnt from
//! no more, as clean or as anything else.

use super::reviews::{Reviews, of_changes};
use crate::past;
use crate::steps::deliveries;
use crate::workspace::Places;
use anyhow::Result;
use serde::Serialize;
use std::collections::HashMap;
use tidegate_core::correction::{Corrected, Corrections, Ended, State};
use tidegate_core::delivery::{Deployed, Event, Fate, Watch, outcomes};
use tidegate_history::{Change, ChangeNumber, Excluded, Label, Mined};
use tidegate_learn::ends::Ends;
use tidegate_stats::confidence::wilson;

/// A rollback or an incident so long after a deployment is that deployment's.
pub const FAILURE_WITHIN_MS: i64 = 24 * 3_600_000;
/// Confidence of the interval of wrong labels.
const CONFIDENCE: f64 = 0.95;

/// What is known beside the repository.
#[derive(Default)]
pub struct Beside {
    corrections: State,
    told: Told,
}

/// What other tools told.
#[derive(Clone, Default)]
pub struct Told {
    /// What went out, and what became of it.
    pub deployed: Vec<Deployed>,
    /// Of changes in forges.
    pub changes: Vec<Event>,
    /// Up to when, in milliseconds since 1970.
    pub as_of_ms: i64,
}

/// When it was looked at makes nothing another.
impl PartialEq for Told {
    fn eq(&self, other: &Told) -> bool {
        (&self.deployed, &self.changes) == (&other.deployed, &other.changes)
    }
}

impl Told {
    /// What was told to the workspace at a place.
    ///
    /// # Errors
    /// When its lake cannot be read.
    pub fn to(places: &Places, as_of_ms: i64) -> Result<Told> {
        let events = deliveries::events(places)?;
        let deployed = outcomes(&events, Watch { failure_within_ms: FAILURE_WITHIN_MS, as_of_ms });
        Ok(Told { deployed, changes: of_changes(&events), as_of_ms })
    }

    /// Of the reviews of a history's changes.
    #[must_use]
    pub fn reviews(&self, mined: &Mined) -> Reviews {
        Reviews::of(mined, &self.changes, self.as_of_ms)
    }
}

impl Beside {
    /// Of what was read already.
    #[must_use]
    pub fn new(corrections: State, told: Told) -> Beside {
        Beside { corrections, told }
    }

    /// What other tools told.
    #[must_use]
    pub fn told(&self) -> &Told {
        &self.told
    }

    /// Of the workspace at a place; a repository need not be one.
    ///
    /// # Errors
    /// When its journal or its lake cannot be read.
    pub fn of(places: &Places, as_of_ms: i64) -> Result<Beside> {
        let corrections = past::state::<Corrections>(places, Corrections::STREAM)?;
        Ok(Beside { corrections, told: Told::to(places, as_of_ms)? })
    }
}

/// Who says what became of a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum By {
    /// Somebody did.
    Person,
    /// Its deployment.
    Delivery,
    /// The fixes of the repository, or that there were none.
    History,
}

/// What became of a change.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Labelled {
    /// Its commit.
    pub commit: String,
    /// What.
    pub ended: Ended,
    /// Who says so.
    pub by: By,
    /// Why, in words.
    pub why: String,
    /// Who says otherwise, in words.
    pub against: Option<String>,
    /// What was believed of it, by the second.
    #[serde(skip)]
    pub ends: Ends,
}

/// How labels came about.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Sources {
    /// Labels by people.
    pub people: usize,
    /// Labels by deliveries.
    pub deliveries: usize,
    /// Labels by the history alone.
    pub history: usize,
    /// Changes without a label: too young, of several that went out together and hurt, or said to be unknown.
    pub apart: usize,
    /// Changes of which two sources say different things.
    pub conflicts: usize,
    /// Deployments that name a commit of this history.
    pub deployments: usize,
    /// How often what was traced is wrong, where people looked.
    pub noise: Option<Noise>,
}

/// Share of traced labels that people found wrong. People look where they doubt: it is rather too high than too low.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Noise {
    /// Labels that were looked at.
    pub looked_at: usize,
    /// Of these, wrong.
    pub wrong: usize,
    /// Wilson's interval of 95 %.
    pub low: f64,
    /// Its upper end.
    pub high: f64,
}

/// What deliveries say of one change.
#[derive(Clone, Copy)]
struct Went {
    fate: Fate,
    /// How many went out with it, itself among them; none where that is not known.
    together: Option<usize>,
    /// A fix was traced to one of the others.
    another: bool,
    /// By when its fate was known, in seconds.
    known_s: i64,
}

/// What became of every change but merges and those that touch nothing.
#[must_use]
pub fn labels(mined: &Mined, beside: &Beside) -> (Vec<(ChangeNumber, Labelled)>, Sources) {
    let (went, deployments) = went(mined, beside);
    let mut sources = Sources { deployments, noise: noise(&beside.corrections), ..Sources::default() };
    let all = (0u32..).map(ChangeNumber).zip(mined.changes());
    let labelled = all.filter(|(_, change)| !matches!(change.label, Label::Excluded(_))).map(|(number, change)| {
        let commit = change.id.to_string();
        let one = one(commit.clone(), change, went.get(&number), beside.corrections.changes.get(&commit));
        match (one.ended, one.by) {
            (Ended::Unknown, _) => sources.apart += 1,
            (_, By::Person) => sources.people += 1,
            (_, By::Delivery) => sources.deliveries += 1,
            (_, By::History) => sources.history += 1,
        }
        sources.conflicts += usize::from(one.against.is_some());
        (number, one)
    });
    let labelled = labelled.collect();
    (labelled, sources)
}

fn one(commit: String, change: &Change, went: Option<&Went>, said: Option<&Corrected>) -> Labelled {
    let (traced, words) = traced(&change.label);
    let ends = believed(change);
    let unsaid = match went {
        Some(went) => delivered(commit.clone(), traced, words, went, ends),
        None => Labelled { commit: commit.clone(), ended: traced, by: By::History, why: words.to_owned(), against: None, ends },
    };
    let Some(said) = said else { return unsaid };
    let mut ends = unsaid.ends;
    ends.turn(said.at.0.div_euclid(1_000), hurt(said.ended));
    let differs = unsaid.ended != said.ended && unsaid.ended != Ended::Unknown;
    Labelled {
        commit,
        ended: said.ended,
        by: By::Person,
        why: match &said.review {
            Some(of) => format!("the review of {of}, by {}, says: {}", said.by, said.reason),
            None => format!("{} says: {}", said.by, said.reason),
        },
        against: differs.then_some(unsaid.why),
        ends,
    }
}

/// Whether it hurt; none where that is not known.
fn hurt(ended: Ended) -> Option<bool> {
    match ended {
        Ended::Hurt => Some(true),
        Ended::Clean => Some(false),
        Ended::Unknown => None,
    }
}

/// What the repository's own history told at each time: a change was clean until its first fix.
fn believed(change: &Change) -> Ends {
    let mut ends = Ends::new(hurt(traced(&change.label).0).map(|_| false));
    if let Label::Fixed { delay_s, .. } = change.label {
        ends.turn(change.at_s.saturating_add(delay_s), Some(true));
    }
    ends
}

/// What the repository's own history says.
fn traced(label: &Label) -> (Ended, &'static str) {
    match label {
        Label::Fixed { .. } => (Ended::Hurt, "a fix was traced to it"),
        Label::Clean => (Ended::Clean, "no fix was traced to it, and it is old enough"),
        Label::Unlabelled | Label::Excluded(_) => (Ended::Unknown, "no fix was traced to it, and it is too young for clean"),
    }
}

fn delivered(commit: String, traced: Ended, words: &'static str, went: &Went, mut ends: Ends) -> Labelled {
    let (ended, by, why, against) = match (went.fate.hurt(), traced) {
        (Some(true), _) if went.together == Some(1) => {
            (Ended::Hurt, By::Delivery, went.fate.words().to_owned(), (traced == Ended::Clean).then(|| words.to_owned()))
        }
        (Some(true), Ended::Hurt) => (Ended::Hurt, By::History, format!("{words}, and {}", went.fate.words()), None),
        // A fix tells which of them it was.
        (Some(true), _) if went.another => (traced, By::History, words.to_owned(), None),
        (Some(true), _) => {
            let many = went.together.map_or_else(|| "an unknown number".to_owned(), |many| many.to_string());
            let why = format!("it is one of {many} that went out together, of which one hurt: {}", went.fate.words());
            (Ended::Unknown, By::Delivery, why, None)
        }
        (Some(false), Ended::Hurt) => (Ended::Hurt, By::History, words.to_owned(), Some(went.fate.words().to_owned())),
        _ => (traced, By::History, words.to_owned(), None),
    };
    if by == By::Delivery {
        ends.turn(went.known_s, hurt(ended));
    }
    Labelled { commit, ended, by, why, against, ends }
}

/// The worst that became of each change that went out, and how many deployments are of this history.
fn went(mined: &Mined, beside: &Beside) -> (HashMap<ChangeNumber, Went>, usize) {
    let mut found: HashMap<ChangeNumber, Went> = HashMap::new();
    let mut known = 0;
    let hurt = |number: &ChangeNumber| {
        let change = mined.changes().get(number.0 as usize)?;
        // What people say of one of them tells of the others, too.
        let said = beside.corrections.changes.get(&change.id.to_string()).map(|said| said.ended);
        Some(said.unwrap_or_else(|| traced(&change.label).0) == Ended::Hurt)
    };
    for one in &beside.told.deployed {
        let Some(revision) = mined.named(&one.revision) else { continue };
        known += 1;
        let (out, together) = went_out(mined, one, revision);
        let fixed = out.iter().filter(|number| hurt(number) == Some(true)).count();
        for number in &out {
            let own = usize::from(hurt(number) == Some(true));
            // At the latest: what hurt is known as soon as it does.
            let known_s = one.at_ms.saturating_add(FAILURE_WITHIN_MS).div_euclid(1_000);
            let went = Went { fate: one.fate, together, another: fixed > own, known_s };
            let known = found.entry(*number).or_insert(went);
            // What hurt anywhere hurt; what is fine is known better than what is open.
            let rank = |went: &Went| {
                (went.fate.hurt() == Some(true), went.fate.hurt().is_some(), usize::MAX - went.together.unwrap_or(usize::MAX))
            };
            if rank(&went) > rank(known) {
                *known = went;
            }
        }
    }
    (found, known)
}

/// The changes that went out with a deployment of a revision, and how many they are; without what ran before it is not known what else went out.
pub(super) fn went_out(mined: &Mined, of: &Deployed, revision: ChangeNumber) -> (Vec<ChangeNumber>, Option<usize>) {
    let previous = of.previous.as_deref().and_then(|digits| mined.named(digits));
    let mut out = mined.between(previous, revision);
    out.retain(|number| {
        let label = mined.changes().get(number.0 as usize).map(|change| change.label);
        // An import that went out with it may be what hurt, though it has no label of its own.
        label.is_some_and(|label| !matches!(label, Label::Excluded(Excluded::Merge | Excluded::Empty)))
    });
    let together = previous.map(|_| out.len());
    (out, together)
}

fn noise(corrections: &State) -> Option<Noise> {
    let looked = |said: &&Corrected| said.ended != Ended::Unknown && said.traced.is_some_and(|traced| traced != Ended::Unknown);
    let looked_at = corrections.changes.values().filter(looked).count();
    let wrong = corrections.changes.values().filter(looked).filter(|said| said.traced != Some(said.ended)).count();
    let (low, high) = wilson(looked_at as u64, wrong as u64, CONFIDENCE);
    (looked_at > 0).then_some(Noise { looked_at, wrong, low, high })
}
