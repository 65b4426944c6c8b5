//! What a forge told of the reviews of each change, as it was known when the change was let in: a review that came later says nothing.
//!
//! Persons are pseudonyms, and are compared and counted. Where the forge told nothing it is not known, which is not nobody.

use std::collections::{BTreeMap, HashMap};
use tidegate_core::delivery::{Event, What};
use tidegate_history::{ChangeNumber, Id, Mined};
use tidegate_learn::RiskModel;

/// Name of the feature that people can raise.
pub const REVIEWERS: &str = "forge_reviewers";
/// Names of the features.
pub const NAMES: [&str; 4] = [REVIEWERS, "forge_approvals", "forge_objections", "forge_hours"];
/// What they are.
pub const MEANINGS: [&str; 4] = [
    "People other than who proposed it who reviewed it in the forge before it was let in (McIntosh et al. 2014).",
    "People who reviewed it in the forge and whose last word was to let it in.",
    "Reviews in the forge that asked for changes, or took back that it be let in (Thongtanunam et al. 2015).",
    "Hours from its proposal in the forge to when it was let in; of one that is not, to now.",
];

const HOUR_MS: f64 = 3_600_000.0;

/// A value of each feature; what is not known is not a number.
pub type Values = [f64; NAMES.len()];

/// Of which nothing is known.
const UNKNOWN: Values = [f64::NAN; NAMES.len()];

/// What a forge told of the changes of a history.
#[derive(Debug, Default)]
pub struct Reviews(HashMap<Id, Values>);

/// A pull or merge request: its repository and its number.
type Request<'e> = (&'e str, u64);

/// When it was told, and what. The earlier one stands for what was let in, the later one for what is open.
type Timed = (i64, Values);

impl Reviews {
    /// Whether a model asks for any of them.
    #[must_use]
    pub fn asked_by(model: &RiskModel) -> bool {
        model.features().iter().any(|feature| NAMES.contains(&feature.as_str()))
    }

    /// Of a history, by what was told to have happened up to `now_ms`. Of a request that was let in, what happened before that counts; of one
    /// that is open, all of it, for each commit that it was told with.
    #[must_use]
    pub fn of(mined: &Mined, events: &[Event], now_ms: i64) -> Reviews {
        let told = Told::new(events, now_ms);
        let (mut merged, mut open): (HashMap<ChangeNumber, Timed>, HashMap<ChangeNumber, Timed>) = Default::default();
        for (request, events) in &told.requests {
            for event in events.iter().filter(|event| event.what == What::ChangeMerged) {
                let timed = (event.at_ms, told.values(request, events, event.at_ms));
                let revision = event.subject.revision.as_deref().and_then(|digits| mined.named(digits));
                for number in revision.map(|revision| brought(mined, revision)).unwrap_or_default() {
                    let first = merged.entry(number).or_insert(timed);
                    // What was let in twice was decided about the first time.
                    *first = if timed.0 < first.0 { timed } else { *first };
                }
            }
            if events.iter().any(|event| event.what == What::ChangeMerged) {
                continue;
            }
            let values = told.values(request, events, now_ms);
            for event in events {
                let Some(number) = event.subject.revision.as_deref().and_then(|digits| mined.named(digits)) else { continue };
                let last = open.entry(number).or_insert((event.at_ms, values));
                *last = if event.at_ms >= last.0 { (event.at_ms, values) } else { *last };
            }
        }
        open.retain(|number, _| !merged.contains_key(number));
        let of = |(number, (_, values)): (ChangeNumber, Timed)| Some((mined.changes().get(number.0 as usize)?.id, values));
        Reviews(merged.into_iter().chain(open).filter_map(of).collect())
    }

    /// Of a change.
    #[must_use]
    pub fn values(&self, commit: &Id) -> Values {
        self.0.get(commit).copied().unwrap_or(UNKNOWN)
    }

    /// Of commits of a range, newest first, which are one request: of those that the forge does not name, what it told of the newest that it does.
    #[must_use]
    pub fn of_range(mut self, commits: &[Id]) -> Reviews {
        if let Some(told) = commits.iter().find_map(|commit| self.0.get(commit)).copied() {
            commits.iter().for_each(|commit| {
                self.0.entry(*commit).or_insert(told);
            });
        }
        self
    }

    /// What is usual: of each feature the value in the middle of those that are known.
    #[must_use]
    pub fn usual(&self) -> Values {
        let mut usual = UNKNOWN;
        for (column, usual) in usual.iter_mut().enumerate() {
            let mut known: Vec<f64> =
                self.0.values().filter_map(|values| values.get(column)).copied().filter(|value| !value.is_nan()).collect();
            known.sort_by(f64::total_cmp);
            *usual = known.get(known.len() / 2).copied().unwrap_or(f64::NAN);
        }
        usual
    }

    /// The same, with values for a commit of which the forge told nothing.
    pub fn assume(&mut self, commit: Id, values: Values) {
        self.0.entry(commit).or_insert(values);
    }
}

/// What came in with a commit: itself, and of a merge what its first parent had not.
fn brought(mined: &Mined, revision: ChangeNumber) -> Vec<ChangeNumber> {
    match mined.changes().get(revision.0 as usize).map(|change| change.parents.as_slice()) {
        Some([first, _, ..]) => mined.between(Some(*first), revision),
        _ => vec![revision],
    }
}

/// Requests with what was told of each, oldest first.
struct Told<'e> {
    requests: BTreeMap<Request<'e>, Vec<&'e Event>>,
    /// When a review was first told of, by repository.
    reviews_from_ms: BTreeMap<&'e str, i64>,
}

impl<'e> Told<'e> {
    fn new(events: &'e [Event], now_ms: i64) -> Told<'e> {
        let mut told = Told { requests: BTreeMap::new(), reviews_from_ms: BTreeMap::new() };
        for event in events.iter().filter(|event| event.at_ms <= now_ms) {
            let (Some(repository), Some(number)) = (event.subject.repository.as_deref(), event.subject.change) else { continue };
            match event.what {
                What::ChangeCreated | What::ChangeMerged => {}
                What::ChangeReviewed { .. } => {
                    let from = told.reviews_from_ms.entry(repository).or_insert(event.at_ms);
                    *from = event.at_ms.min(*from);
                }
                _ => continue,
            }
            told.requests.entry((repository, number)).or_default().push(event);
        }
        told.requests.values_mut().for_each(|events| events.sort_by_key(|event| event.at_ms));
        told
    }

    /// What was known of a request at a time.
    fn values(&self, (repository, _): &Request<'_>, events: &[&Event], at_ms: i64) -> Values {
        let until = events.partition_point(|event| event.at_ms <= at_ms);
        let events = events.get(..until).unwrap_or_default();
        let created = events.iter().find(|event| event.what == What::ChangeCreated);
        let hours = created.map_or(f64::NAN, |created| (at_ms - created.at_ms) as f64 / HOUR_MS);
        // Where the forge never told of a review it may not be asked to.
        if self.reviews_from_ms.get(repository).is_none_or(|from| *from > at_ms) {
            return [f64::NAN, f64::NAN, f64::NAN, hours];
        }
        let author = created.and_then(|created| created.subject.actor.as_deref());
        let (mut last, mut objections): (BTreeMap<Option<&str>, bool>, usize) = (BTreeMap::new(), 0);
        for event in events {
            let What::ChangeReviewed { approved } = event.what else { continue };
            let who = event.subject.actor.as_deref();
            if who.is_some() && who == author {
                continue;
            }
            objections += usize::from(!approved);
            last.insert(who, approved);
        }
        let approvals = last.values().filter(|approved| **approved).count();
        [last.len() as f64, approvals as f64, objections as f64, hours]
    }
}

/// Events that tell of changes in a forge, of all.
#[must_use]
pub fn of_changes(events: &[Event]) -> Vec<Event> {
    let is = |event: &&Event| {
        matches!(event.what, What::ChangeCreated | What::ChangeReviewed { .. } | What::ChangeMerged | What::ChangeAbandoned)
    };
    events.iter().filter(is).cloned().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use tidegate_core::delivery::Subject;

    fn event(hours: i64, what: What, actor: &str) -> Event {
        let subject =
            Subject { repository: Some("acme/shop".to_owned()), change: Some(1), actor: Some(actor.to_owned()), ..Subject::default() };
        Event { id: format!("{hours}{what:?}{actor}"), at_ms: hours * 3_600_000, what, subject }
    }

    fn told(events: &[Event], at_hours: i64) -> [Option<f64>; 4] {
        let told = Told::new(events, i64::MAX);
        let (request, events) = told.requests.iter().next().unwrap();
        told.values(request, events, at_hours * 3_600_000).map(|value| (!value.is_nan()).then_some(value))
    }

    #[test]
    fn what_was_known_then_counts_and_no_more() {
        let review = |hours, approved, who| event(hours, What::ChangeReviewed { approved }, who);
        let events = [
            event(1, What::ChangeCreated, "ann"),
            review(2, false, "bob"),
            review(3, true, "ann"),
            review(4, true, "cid"),
            review(5, true, "bob"),
            review(9, false, "cid"),
        ];
        assert_eq!(told(&events, 1), [None, None, None, Some(0.0)], "no review was told of yet");
        assert_eq!(told(&events, 2), [Some(1.0), Some(0.0), Some(1.0), Some(1.0)]);
        assert_eq!(told(&events, 3), [Some(1.0), Some(0.0), Some(1.0), Some(2.0)], "one's own says nothing");
        assert_eq!(told(&events, 8), [Some(2.0), Some(2.0), Some(1.0), Some(7.0)]);
        assert_eq!(told(&events, 9), [Some(2.0), Some(1.0), Some(2.0), Some(8.0)]);
        let mut turned = events.to_vec();
        turned.reverse();
        assert_eq!(told(&turned, 9), told(&events, 9), "in which order it was told does not matter");
        assert_eq!(told(&events[1..], 5), [Some(3.0), Some(3.0), Some(1.0), None], "who proposed it is not known, and when");
    }
}
