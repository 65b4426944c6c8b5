//! A train of four services, in every order of what may happen to it.

use super::*;
use crate::id::At;
use crate::machine::Machine as _;
use std::collections::{BTreeSet, VecDeque};

fn car(service: &str, after: &[&str], irreversible: bool) -> Car {
    let after = after.iter().map(|s| (*s).to_owned()).collect();
    Car { service: service.to_owned(), version: "2".to_owned(), after, irreversible, ..Car::default() }
}

/// Features first, then a schema that cannot be taken back and a ranker, and a page that needs both.
fn diamond() -> Spec {
    Spec::build(vec![
        car("page", &["schema", "ranker"], false),
        car("features", &[], false),
        car("schema", &["features"], true),
        car("ranker", &["features"], false),
    ])
    .unwrap()
}

fn depart(spec: Spec) -> Command {
    Command::Depart { spec, together: false, fit: None, by: "ada".to_owned(), reason: "summer".to_owned(), at: At(0) }
}

fn give(state: &State, command: &Command) -> State {
    let events = Trains::decide(state, command).unwrap_or_default();
    events.iter().fold(state.clone(), Trains::evolve)
}

fn cars(state: &State) -> impl Iterator<Item = (&String, &CarState)> {
    state.train.iter().flat_map(|train| &train.cars)
}

/// What the world may answer to what a state wants, and what people may say.
fn next(state: &State) -> Vec<Command> {
    let (by, reason, at) = ("ada".to_owned(), "because".to_owned(), At(1));
    let mut all = vec![Command::TurnBack { by: by.clone(), reason: reason.clone(), at }];
    for want in wants(state, At(1)) {
        match want {
            Want::Start { service, .. } => {
                all.push(Command::Started { service: service.clone(), release: 7, at });
                all.push(Command::WentBack { service, why: "no such version".to_owned(), at });
            }
            Want::Abort { service, .. } => all.push(Command::CannotUndo { service, why: "it is the first".to_owned(), at }),
            Want::Go { .. } | Want::Check { .. } => {}
            Want::Undo { service, .. } => {
                all.push(Command::Undone { service: service.clone(), at });
                all.push(Command::CannotUndo { service, why: "another release is under way".to_owned(), at });
            }
        }
    }
    for (service, car) in cars(state) {
        let service = service.clone();
        match car {
            CarState::Runs { .. } => {
                all.push(Command::Arrived { service: service.clone(), at });
                all.push(Command::WentBack { service, why: "harm".to_owned(), at });
            }
            CarState::Arrived { .. } => all.push(Command::WentBack { service, why: "undone by hand".to_owned(), at }),
            CarState::Asks { .. } => all.push(Command::Leave { service, by: by.clone(), reason: reason.clone(), at }),
            // Begun while the train turned.
            CarState::Waits => all.push(Command::Started { service, release: 8, at }),
            CarState::Ready { .. } | CarState::Verifies { .. } => unreachable!("of trains without such"),
            CarState::Back { .. } | CarState::Undone | CarState::Left { .. } => {}
        }
    }
    all
}

/// What may never be true, said without the machine's own words for it.
fn sound(state: &State) -> Option<&'static str> {
    let train = state.train.as_ref()?;
    let at = |service: &str| train.cars[service].clone();
    let there = |car: &CarState| matches!(car, CarState::Runs { .. } | CarState::Arrived { .. } | CarState::Asks { .. });
    let back = matches!(train.phase, Phase::Back { .. });
    for want in wants(state, At(1)) {
        match want {
            Want::Start { service, .. } => {
                let all = train.spec.car(&service)?.after.iter().all(|after| matches!(at(after), CarState::Arrived { .. }));
                if back || !all {
                    return Some("a release starts before what it needs, or on the way back");
                }
            }
            Want::Check { .. } => return Some("signatures are looked at of a train that departed without"),
            Want::Go { .. } => return Some("a train whose cars go one after the other switches"),
            Want::Abort { .. } if !back => return Some("a release is ended on the way on"),
            Want::Abort { .. } => {}
            Want::Undo { service, .. } => {
                if !back || service == "schema" {
                    return Some("what cannot be taken back is undone, or something on the way on");
                }
                // In the diamond all but features and what it is itself stand on features.
                let stands = |other: &Car| match service.as_str() {
                    "features" => other.service != "features",
                    "ranker" => other.service == "page",
                    _ => false,
                };
                if train.spec.cars().iter().any(|other| stands(other) && there(&at(&other.service))) {
                    return Some("something is undone that others still stand on");
                }
            }
        }
    }
    match &train.phase {
        Phase::Ended { how: End::Arrived } if !cars(state).all(|(_, c)| matches!(c, CarState::Arrived { .. })) => {
            Some("it arrives in part")
        }
        Phase::Ended { how: End::Back | End::Left } if cars(state).any(|(_, c)| there(c)) => Some("something is left behind"),
        Phase::Ended { how }
            if (*how == End::Left) != cars(state).any(|(_, c)| matches!(c, CarState::Left { .. })) && *how != End::Arrived =>
        {
            Some("what was left is not said")
        }
        Phase::Ended { .. } => None,
        // It waits for ever: nothing is wanted, nothing runs, nobody is asked.
        _ if wants(state, At(1)).is_empty() && !cars(state).any(|(_, c)| matches!(c, CarState::Runs { .. } | CarState::Asks { .. })) => {
            Some("it waits for ever")
        }
        _ => None,
    }
}

#[test]
fn every_order_of_events_keeps_every_rule() {
    let first = give(&State::default(), &depart(diamond()));
    let (mut seen, mut queue) = (BTreeSet::new(), VecDeque::from([first]));
    let (mut steps, mut ends) = (0_u32, BTreeSet::new());
    while let Some(state) = queue.pop_front() {
        if !seen.insert(serde_json::to_string(&state).unwrap()) {
            continue;
        }
        assert_eq!(sound(&state), None, "{state:?}");
        if let Some(Phase::Ended { how }) = state.train.as_ref().map(|train| &train.phase) {
            ends.insert(format!("{how:?}"));
        }
        for command in next(&state) {
            let events = Trains::decide(&state, &command).unwrap_or_default();
            let after = events.iter().fold(state.clone(), Trains::evolve);
            // The same twice is once.
            if !matches!(command, Command::TurnBack { .. } | Command::Leave { .. } | Command::WentBack { .. }) {
                assert_eq!(give(&after, &command), after, "{command:?} in {state:?}");
            }
            steps += 1;
            queue.push_back(after);
        }
    }
    assert_eq!(ends.into_iter().collect::<Vec<_>>(), ["Arrived", "Back", "Left"]);
    assert!(seen.len() > 500 && steps > 2_000, "{} states, {steps} steps", seen.len());
}

#[test]
fn a_train_goes_back_in_the_reverse_order_and_asks_where_it_cannot() {
    let at = At(1);
    let started = |s: &str| Command::Started { service: s.to_owned(), release: 7, at };
    let arrived = |s: &str| Command::Arrived { service: s.to_owned(), at };
    let mut state = give(&State::default(), &depart(diamond()));
    assert_eq!(wants(&state, At(1)), [Want::Start { service: "features".to_owned(), version: "2".to_owned() }]);
    for service in ["features", "schema", "ranker"] {
        state = give(&state, &started(service));
        state = give(&state, &arrived(service));
    }
    state = give(&state, &started("page"));
    state = give(&state, &Command::WentBack { service: "page".to_owned(), why: "errors".to_owned(), at });
    assert!(matches!(&state.train.as_ref().unwrap().phase, Phase::Back { cause: Cause::Car { service, .. } } if service == "page"));
    assert_eq!(wants(&state, At(1)), [Want::Undo { service: "ranker".to_owned(), release: 7 }]);
    assert!(matches!(state.train.as_ref().unwrap().cars["schema"], CarState::Asks { .. }));
    state = give(&state, &Command::Undone { service: "ranker".to_owned(), at });
    assert_eq!(wants(&state, At(1)), [], "features stay while the schema stands on them");
    let leave = |reason: &str| Command::Leave { service: "schema".to_owned(), by: "grace".to_owned(), reason: reason.to_owned(), at };
    assert_eq!(Trains::decide(&state, &leave(" ")).unwrap_err(), Refused::NoReason("leave a part of"));
    state = give(&state, &leave("the old readers can read the new rows"));
    assert_eq!(wants(&state, At(1)), [Want::Undo { service: "features".to_owned(), release: 7 }]);
    state = give(&state, &Command::Undone { service: "features".to_owned(), at });
    assert_eq!(state.train.as_ref().unwrap().phase, Phase::Ended { how: End::Left });
    assert_eq!(give(&state, &depart(diamond())).train.unwrap().number, 2);
}

#[test]
fn one_train_at_a_time_and_the_same_twice_is_once() {
    let state = give(&State::default(), &depart(diamond()));
    assert_eq!(give(&state, &depart(diamond())), state);
    let other = Spec::build(vec![car("features", &[], false)]).unwrap();
    assert_eq!(Trains::decide(&state, &depart(other)).unwrap_err(), Refused::UnderWay(1));
    let turn = Command::TurnBack { by: "ada".to_owned(), reason: "no".to_owned(), at: At(1) };
    assert_eq!(Trains::decide(&State::default(), &turn).unwrap_err(), Refused::None("let go back"));
    let back = give(&state, &turn);
    assert_eq!(back.train.unwrap().phase, Phase::Ended { how: End::Back }, "nothing had begun");
}

#[test]
fn cars_without_an_order_are_no_train() {
    let problem = |cars| Spec::build(cars).unwrap_err().to_string();
    assert_eq!(problem(vec![]), "a train has 1 to 50 services; this one has 0");
    assert_eq!(problem(vec![car("a", &[], false), car("a", &[], false)]), "`a` is in it twice");
    assert_eq!(problem(vec![car("a", &["b"], false)]), "`a` comes after `b`, which is not in it");
    let cycle = vec![car("a", &[], false), car("b", &["a", "c"], false), car("c", &["b"], false)];
    assert_eq!(problem(cycle), "none of `b`, `c` can be the first: each comes after another of them");
}

#[test]
fn a_part_of_a_train_keeps_its_order() {
    let all = diamond().cars().to_vec();
    let part = Spec::of_those(&all, |service| (service == "page" || service == "features").then(|| "3".to_owned())).unwrap();
    assert_eq!(part.cars().len(), 2);
    assert_eq!(part.car("page").unwrap().after, ["features"], "through those that are left out");
    assert_eq!(part.car("page").unwrap().version, "3");
    assert_eq!(Spec::of_those(&all, |_| None).unwrap_err(), Problem::Count(0));
}
