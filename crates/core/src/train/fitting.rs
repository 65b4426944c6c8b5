//! Tests of signatures: which versions meet, what fits, and that nothing starts that does not, in every order of what may happen.

use super::*;
use crate::id::At;
use crate::machine::Machine as _;
use crate::model::{Face, Field};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

fn car(service: &str, after: &[&str], irreversible: bool) -> Car {
    let after = after.iter().map(|s| (*s).to_owned()).collect();
    Car { service: service.to_owned(), version: "2".to_owned(), after, irreversible, ..Car::default() }
}

/// `rows: a int64, b string?; scores: c float32`
fn columns(text: &str) -> BTreeMap<String, Vec<Field>> {
    let field = |text: &str| text.trim().split_once(' ').map(|(name, kind)| Field::parse(name, kind).unwrap()).unwrap();
    let one = |text: &str| text.split_once(':').map(|(name, all)| (name.trim().to_owned(), all.split(", ").map(field).collect()));
    text.split(';').filter_map(one).collect()
}

fn face(version: &str, gives: &str, takes: &str) -> Option<Face> {
    Some(Face { version: version.to_owned(), gives: columns(gives), takes: columns(takes) })
}

fn party(name: &str, live: Option<Face>, coming: Option<Face>) -> Party {
    Party { name: name.to_owned(), is_data: false, live, coming }
}

/// Features, whose old and new version give these, before a ranker that takes these.
fn chain(gives: (&str, &str), takes: (&str, &str)) -> Fit {
    let spec = Spec::build(vec![car("features", &[], false), car("ranker", &["features"], false)]).unwrap();
    let features = party("features", face("1", gives.0, ""), face("2", gives.1, ""));
    fit(&spec, &[features, party("ranker", face("1", "", takes.0), face("2", "", takes.1))], None)
}

fn words(fit: &Fit) -> Vec<String> {
    fit.misfits.iter().map(ToString::to_string).collect()
}

#[test]
fn additions_fit_and_removals_and_other_types_do_not() {
    let old = "rows: a int64, b string";
    let grown = chain((old, "rows: a int64, b string, c float64"), (old, "rows: a int64, b string, c float64"));
    assert_eq!((words(&grown), grown.compared), (vec![], 2));
    assert_eq!(grown.pairs, ["features 2 -> ranker 2: rows", "features 2 -> ranker 1: rows"]);
    assert_eq!(grown.words(), "signatures fit: 2 compared");

    let removed = chain((old, "rows: a int64"), (old, "rows: a int64"));
    assert_eq!(
        words(&removed),
        ["`b` of `rows`: features version 2 does not give it, ranker version 1 takes string"],
        "the old ranker is met, too"
    );
    let renamed = chain((old, "rows: a int64, bb string"), (old, "rows: a int64, bb string"));
    assert_eq!(words(&renamed), words(&removed), "a new name is a removal for who knows the old one");
    assert!(renamed.words().contains("keep the old form beside the new one"), "{}", renamed.words());

    let retyped = chain((old, "rows: a string, b string"), (old, old));
    assert_eq!(retyped.misfits.len(), 2, "with the old ranker and with the new one");
    assert_eq!(retyped.misfits[1].to_string(), "`a` of `rows`: features version 2 gives string, ranker version 1 takes int64");
    let nulls = chain((old, "rows: a int64, b string?"), (old, old));
    assert_eq!(nulls.misfits[0].given.as_deref(), Some("string, null or not there"));
    let required = chain(("rows: a int64, b string?", "rows: a int64, b string?"), ("rows: b string?", "rows: b string"));
    assert_eq!(words(&required).len(), 1, "{:?}", required.misfits);
    let shapes = chain(("rows: a float32[-1,8]", "rows: a float32[-1,8]"), ("rows: a float32[1,8]", "rows: a float32[1,16]"));
    assert_eq!(words(&shapes), ["`a` of `rows`: features version 2 gives float32[-1, 8], ranker version 2 takes float32[1, 16]"]);
    let away = chain((old, "other: a int64"), (old, ""));
    assert_eq!(words(&away), ["`rows`: features version 2 does not give it, ranker version 1 takes it"]);
}

#[test]
fn what_nobody_declares_was_not_checked() {
    let none = chain(("", ""), ("", ""));
    assert!(none.allows() && none.compared == 0);
    assert!(none.words().starts_with("nothing was checked: features version 1 declares nothing; and 3 more"), "{}", none.words());
    let nobody = chain(("", "other: a int64"), ("", "rows: a int64"));
    assert!(nobody.unchecked.contains(&"ranker takes `rows`, which nothing in the train and no dataset gives".to_owned()), "{nobody:?}");
    assert_eq!(Fit::default().words(), "nothing was checked: nobody declares what it gives or takes");
}

#[test]
fn the_versions_that_meet_are_those_of_the_order() {
    let (old, new) = ("rows: a int64", "rows: a string");
    // The one that takes moves first: it meets the old giver, and its old version never meets the new one.
    let parties = |takes: &str| {
        vec![
            party("features", face("1", old, ""), face("2", "rows: a int64, b int64", "")),
            party("ranker", face("1", "", "rows: a int64"), face("2", "", takes)),
        ]
    };
    let first = Spec::build(vec![car("features", &["ranker"], false), car("ranker", &[], false)]).unwrap();
    let last = Spec::build(vec![car("features", &[], false), car("ranker", &["features"], false)]).unwrap();
    let beside = Spec::build(vec![car("features", &[], false), car("ranker", &[], false)]).unwrap();
    let takes_more = parties("rows: a int64, b int64");
    assert_eq!(words(&fit(&first, &takes_more, None)).len(), 1, "`b` is not there yet");
    assert!(fit(&last, &takes_more, None).allows());
    assert_eq!(words(&fit(&beside, &takes_more, None)).len(), 1);
    // Left out, or a dataset: as it is now.
    let alone = Spec::build(vec![car("features", &[], false)]).unwrap();
    let left_out = [party("features", face("1", old, ""), face("2", new, "")), party("ranker", face("1", "", old), None)];
    assert_eq!(words(&fit(&alone, &left_out, None)).len(), 1);
    let data = Party { is_data: true, ..party("flights", face("", "flights: a int64", "flights: a int64"), None) };
    let reads = [data.clone(), party("features", None, face("2", "", "flights: a string"))];
    assert_eq!(
        words(&fit(&alone, &reads, None)),
        ["`a` of `flights`: the contract of flights gives int64, features version 2 takes string"]
    );
    let writes = [data, party("features", None, face("2", "flights: a string", ""))];
    assert_eq!(
        words(&fit(&alone, &writes, None)),
        ["`a` of `flights`: features version 2 gives string, the contract of flights takes int64"]
    );
}

#[test]
fn what_cannot_be_undone_meets_the_old_one_before_it_on_the_way_back() {
    let spec = |irreversible| Spec::build(vec![car("features", &[], false), car("schema", &["features"], irreversible)]).unwrap();
    let parties = [
        party("features", face("1", "rows: a int64", ""), face("2", "rows: a int64, b int64", "")),
        party("schema", face("1", "", "rows: a int64"), face("2", "", "rows: b int64")),
    ];
    assert!(fit(&spec(false), &parties, None).allows(), "the schema is old again before features are");
    let back = fit(&spec(true), &parties, None);
    assert_eq!(
        words(&back),
        [
            "`b` of `rows`: features version 1 does not give it, schema version 2 takes int64 (they meet when the train goes back, for it cannot be undone)"
        ]
    );
    // At its own step the schema meets what is there: features are new.
    let step = [party("features", face("2", "rows: a int64, b int64", ""), None), parties[1].clone()];
    assert!(fit(&spec(true), &step, Some("schema")).allows());
    let changed = [party("features", face("9", "rows: a int64", ""), None), parties[1].clone()];
    assert_eq!(words(&fit(&spec(true), &changed, Some("schema"))).len(), 1, "somebody released another one meanwhile");
}

#[test]
fn much_that_does_not_fit_is_counted() {
    let all: Vec<String> = (0..100).map(|i| format!("c{i} int64")).collect();
    let much = chain((&format!("rows: {}", all.join(", ")), "rows: x int64"), (&format!("rows: {}", all.join(", ")), ""));
    assert_eq!((much.misfits.len(), much.more), (MISFITS_MAX, 100 - MISFITS_MAX));
    assert!(much.words().contains("and 99 more"), "{}", much.words());
}

fn good() -> Fit {
    Fit { compared: 1, ..Fit::default() }
}

fn bad() -> Fit {
    chain(("rows: a int64", "rows: b int64"), ("rows: a int64", "rows: a int64"))
}

fn give(state: &State, command: &Command) -> State {
    let events = Trains::decide(state, command).unwrap_or_default();
    let stored = |event: &Event| serde_json::from_str::<Event>(&serde_json::to_string(event).unwrap()).unwrap();
    events.iter().map(stored).fold(state.clone(), |state, event| Trains::evolve(state, &event))
}

fn depart(fit: Fit) -> Command {
    let cars = vec![
        car("page", &["schema", "ranker"], false),
        car("features", &[], false),
        car("schema", &["features"], true),
        car("ranker", &["features"], false),
    ];
    let spec = Spec::build(cars).unwrap();
    Command::Depart { spec, together: false, fit: Some(fit), by: "ada".to_owned(), reason: "summer".to_owned(), at: At(0) }
}

#[test]
fn a_train_whose_signatures_do_not_fit_does_not_depart() {
    let refused = Trains::decide(&State::default(), &depart(bad())).unwrap_err().to_string();
    assert!(refused.starts_with("let a train depart: signatures do not fit: `a` of `rows`: features version 2"), "{refused}");
    assert_eq!(give(&State::default(), &depart(good())).train.unwrap().fit, Some(good()));
}

#[test]
fn in_no_order_of_events_does_a_release_start_that_does_not_fit() {
    let first = give(&State::default(), &depart(good()));
    // Beside the state: what the world last said of each car, as this test keeps it.
    let (mut seen, mut queue) = (BTreeSet::new(), VecDeque::from([(first, BTreeMap::<String, bool>::new())]));
    let (mut starts, mut stops, mut ends) = (0, 0, BTreeSet::new());
    while let Some((state, said)) = queue.pop_front() {
        if !seen.insert(format!("{}{said:?}", serde_json::to_string(&state).unwrap())) {
            continue;
        }
        let train = state.train.as_ref().unwrap();
        if let Phase::Ended { how } = &train.phase {
            ends.insert(format!("{how:?}"));
            continue;
        }
        let wanted = wants(&state, At(1));
        let waits = |service: &String| matches!(train.cars[service], CarState::Waits);
        let stands = said.iter().any(|(service, fits)| !fits && waits(service));
        let at = At(1);
        let mut next = vec![(Command::TurnBack { by: "ada".to_owned(), reason: "no".to_owned(), at }, None)];
        for want in &wanted {
            match want.clone() {
                Want::Start { service, .. } => {
                    assert!(said.get(&service) == Some(&true) && !stands, "{service} starts, and {said:?} was said: {state:?}");
                    starts += 1;
                    next.push((Command::Started { service: service.clone(), release: 7, at }, None));
                    // The last look before the start finds another answer.
                    next.push((Command::Checked { service: service.clone(), fit: bad(), at }, Some((service, false))));
                }
                Want::Check { service } => {
                    stops += u32::from(stands);
                    next.push((Command::Checked { service: service.clone(), fit: good(), at }, Some((service.clone(), true))));
                    next.push((Command::Checked { service: service.clone(), fit: bad(), at }, Some((service, false))));
                }
                Want::Undo { service, .. } => next.push((Command::Undone { service, at }, None)),
                Want::Abort { service, .. } => next.push((Command::WentBack { service, why: "aborted".to_owned(), at }, None)),
                Want::Go { .. } => unreachable!("they go one after the other"),
            }
        }
        for (service, car) in &train.cars {
            let (service, by, reason) = (service.clone(), "ada".to_owned(), "because".to_owned());
            match car {
                CarState::Runs { .. } => {
                    next.push((Command::Arrived { service: service.clone(), at }, None));
                    next.push((Command::WentBack { service, why: "harm".to_owned(), at }, None));
                }
                CarState::Asks { .. } => next.push((Command::Leave { service, by, reason, at }, None)),
                _ => {}
            }
        }
        assert!(next.len() > 1 || train.phase != Phase::Forward, "it waits for ever: {state:?}");
        for (command, told) in next {
            let mut said = said.clone();
            said.extend(told);
            queue.push_back((give(&state, &command), said));
        }
    }
    assert_eq!(ends.into_iter().collect::<Vec<_>>(), ["Arrived", "Back", "Left"]);
    assert!(starts >= 10 && stops >= 10 && seen.len() > 150, "{starts} starts, {stops} stops of {} states", seen.len());
}
