//! What was said of changes, joined with what became of them.
//!
//! A change counts when it is old enough that its end can be trusted, whichever end that is: those that hurt are known sooner, and
//! taken as soon as they are known they would make every share too high.

use super::Labelled;
use std::collections::{BTreeSet, HashMap, HashSet};
use tidegate_core::correction::Ended;
use tidegate_core::delivery::{Event, What};
use tidegate_core::id::At;
use tidegate_core::worth::{Arm, Left, Row, Spoken, State, Worth, ledger};
use tidegate_history::{Change, ChangeNumber, Mined};

const SECOND_MS: i64 = 1_000;

/// What is known of how changes ended.
pub struct Ends<'a> {
    /// The history.
    pub mined: &'a Mined,
    /// Labels of its changes.
    pub labels: &'a HashMap<ChangeNumber, Labelled>,
    /// What each change became when it was merged, by its number: forges tell it.
    pub merged: HashMap<String, Vec<String>>,
    /// Numbers of changes that were given up: forges tell it.
    pub abandoned: HashSet<String>,
}

impl<'a> Ends<'a> {
    /// Of a history, its labels, and what other tools told.
    #[must_use]
    pub fn new(mined: &'a Mined, labels: &'a HashMap<ChangeNumber, Labelled>, events: &[Event]) -> Ends<'a> {
        let mut merged: HashMap<String, Vec<String>> = HashMap::new();
        for event in events.iter().filter(|event| event.what == What::ChangeMerged) {
            if let (Some(number), Some(revision)) = (event.subject.change, &event.subject.revision) {
                merged.entry(number.to_string()).or_default().push(revision.clone());
            }
        }
        Ends { mined, labels, merged, abandoned: abandoned(mined, events) }
    }
}

/// Numbers of changes of this history's repository of which a forge told last that they were given up: a later word takes that back.
fn abandoned(mined: &Mined, events: &[Event]) -> HashSet<String> {
    let ours: HashSet<&str> = (events.iter())
        .filter(|event| event.subject.revision.as_deref().is_some_and(|revision| mined.named(revision).is_some()))
        .filter_map(|event| event.subject.repository.as_deref())
        .collect();
    let mut last: HashMap<(&str, u64), &Event> = HashMap::new();
    for event in events {
        let (Some(repository), Some(number)) = (event.subject.repository.as_deref(), event.subject.change) else { continue };
        let newest = last.entry((repository, number)).or_insert(event);
        if event.at_ms >= newest.at_ms {
            *newest = event;
        }
    }
    let given_up = last.into_iter().filter(|((repository, _), event)| ours.contains(repository) && event.what == What::ChangeAbandoned);
    given_up.map(|((_, number), _)| number.to_string()).collect()
}

/// Reckons what was said since a time, or ever. While a lot is drawn it does not tell what is kept back of single changes.
#[must_use]
pub fn worth(said: &State, ends: &Ends<'_>, since: Option<At>, drawn: bool) -> Worth {
    let (mut rows, mut left, mut models, mut spoken, mut kept_back) = (vec![], Left::default(), BTreeSet::new(), 0, 0);
    for (name, of) in &said.changes {
        let first = of.answers.first().map(|answer| answer.at).or(of.opinion.as_ref().map(|opinion| opinion.at));
        if first < since {
            continue;
        }
        spoken += 1;
        match end(name, of, ends) {
            Ok((hurt, came_in)) => {
                models.extend(of.answer().map(|answer| &answer.training));
                kept_back += usize::from(drawn && is_kept_back(of, came_in || ends.abandoned.contains(name)));
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
    let whole = ledger(&rows);
    Worth { since, spoken, models: models.len(), left, kept_back, ledger: if kept_back > 0 { whole.kept_back() } else { whole } }
}

/// Whether nobody was told what the model says of a change that counts and may still be decided about: of what came in, and of what was given up, it
/// is told.
fn is_kept_back(of: &Spoken, done: bool) -> bool {
    !done && of.arm() == Some(Arm::People) && !of.told()
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

#[cfg(test)]
mod tests {
    use super::super::By;
    use super::super::small::repository;
    use super::*;
    use tidegate_core::id::Digest;
    use tidegate_core::machine::Machine as _;
    use tidegate_core::risk::Way;
    use tidegate_core::worth::{Answer, Command, Decision, Opinion, Said};
    use tidegate_history::{Settings, mine};
    use tidegate_learn::ends::Ends as EndsAt;

    /// So late that everything is old enough.
    const LATE_S: i64 = 4_000_000_000;

    /// A history of one change.
    fn history() -> (tempfile::TempDir, Mined) {
        let folder = repository(&[("a".to_owned(), "a\n".to_owned(), "a".to_owned())]);
        let settings = Settings { as_of_s: Some(LATE_S), ..Settings::default() };
        let mined = mine(folder.path(), "HEAD", &settings, None, &mut |_| ()).unwrap();
        (folder, mined)
    }

    /// A change that the model would hold and that people decide about.
    fn answered(commit: &str) -> Command {
        let answer = Answer {
            commits: vec![commit.to_owned()],
            probability: 0.5,
            interval: [0.4, 0.6],
            way: Way::Held,
            hold_from: Some(0.2),
            costs: None,
            model: Digest::of(b"m"),
            training: "t".to_owned(),
            learnt_until: At(0),
            policy: Digest::of(b"p"),
            arm: Some(Arm::People),
            model_share: Some(0.5),
            at: At(1),
        };
        Command::Answer { named: None, answer }
    }

    fn judged(commit: &str) -> Command {
        let commits = vec![commit.to_owned()];
        let (by, reason) = ("ada".to_owned(), "it looks so".to_owned());
        let opinion = Opinion { commits, risk: None, decision: Some(Decision::Pass), blind: false, by, reason, at: At(2) };
        Command::Judge { named: None, opinion, ended: Ended::Unknown }
    }

    fn after(commands: &[Command]) -> State {
        commands.iter().fold(State::default(), |state, command| Said::decide(&state, command).unwrap().iter().fold(state, Said::evolve))
    }

    #[test]
    fn what_people_have_yet_to_decide_about_is_kept_back_of_the_ledger() {
        let (_folder, mined) = history();
        let change = mined.changes()[0].id.to_string();
        let hurt = Labelled {
            commit: change.clone(),
            ended: Ended::Hurt,
            by: By::Person,
            why: String::new(),
            against: None,
            ends: EndsAt::new(Some(true)),
        };
        let labels = HashMap::from([(ChangeNumber(0), hurt)]);
        let ends = Ends::new(&mined, &labels, &[]);
        let never_in = "a".repeat(40);
        let told = |commands: &[Command], drawn: bool| {
            let of = worth(&after(commands), &ends, None, drawn);
            (of.ledger.changes, of.kept_back, of.ledger.lines.iter().map(|line| line.way).collect::<Vec<_>>())
        };
        let (all, open) = (vec![None, Some(Way::Held)], vec![None]);
        assert_eq!(told(&[answered(&never_in)], true), (1, 1, open.clone()));
        assert_eq!(told(&[answered(&never_in)], false), (1, 0, all.clone()), "whoever ends the lot is told");
        assert_eq!(told(&[answered(&never_in), judged(&never_in)], true), (1, 0, all.clone()), "people have decided");
        assert_eq!(told(&[answered(&change)], true), (1, 0, all.clone()), "its end is known");
        assert_eq!(told(&[answered(&change), answered(&never_in)], true), (2, 1, open), "of both: one of them could be told apart");

        // A forge tells that it was given up; of another repository, or taken back, that is nothing.
        let tells = |at_ms: i64, what: What, repository: &str, number: u64, revision: Option<&str>| {
            let subject = tidegate_core::delivery::Subject {
                repository: Some(repository.to_owned()),
                change: Some(number),
                revision: revision.map(str::to_owned),
                ..Default::default()
            };
            Event { id: at_ms.to_string(), at_ms, what, subject }
        };
        let named = |commit: &str| {
            let Command::Answer { answer, .. } = answered(commit) else { panic!("an answer") };
            after(&[Command::Answer { named: Some("12".to_owned()), answer }])
        };
        let ours = tells(1, What::ChangeMerged, "acme/shop", 3, Some(&change));
        let kept_back = |events: &[Event]| worth(&named(&never_in), &Ends::new(&mined, &labels, events), None, true).kept_back;
        let closed = |repository: &str| tells(2, What::ChangeAbandoned, repository, 12, None);
        assert_eq!(kept_back(std::slice::from_ref(&ours)), 1);
        assert_eq!(kept_back(&[ours.clone(), closed("acme/shop")]), 0);
        assert_eq!(kept_back(&[ours.clone(), closed("acme/docs")]), 1, "another repository has a number 12, too");
        assert_eq!(kept_back(&[ours, closed("acme/shop"), tells(3, What::ChangeReviewed { approved: true }, "acme/shop", 12, None)]), 1);
    }
}
