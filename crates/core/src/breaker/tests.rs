//! What is abnormal, how often it must be, and what a tripped breaker is to a release.

use super::{Breaker, Command, Event, Looks, Reading, Refused, Rule, Signal, State, Tripped, WATCH, Wanted, frozen};
use crate::id::At;
use crate::machine::Machine;

const MINUTE: u64 = 60_000;

fn at(minutes: u64) -> At {
    At(0).plus_ms(minutes * MINUTE)
}

fn by(who: &str) -> State {
    State { tripped: Some(Tripped { by: who.to_owned(), why: vec!["x".to_owned()], since: at(0) }) }
}

#[test]
fn what_is_not_known_is_abnormal() {
    let errors = Signal { name: "errors".to_owned(), above: Some(0.05), below: None, service: None };
    let workers = Signal { name: "workers".to_owned(), above: Some(100.0), below: Some(3.0), service: None };
    let wrong = |signal: &Signal, reading: Reading| signal.wrong(&reading);
    assert_eq!(wrong(&errors, Ok(0.05)), None);
    assert_eq!(wrong(&errors, Ok(0.2)).unwrap(), "errors is 0.2, above 0.05");
    assert_eq!(wrong(&errors, Ok(f64::NAN)).unwrap(), "errors is no number");
    assert_eq!(wrong(&errors, Ok(f64::INFINITY)).unwrap(), "errors is inf, above 0.05");
    assert_eq!(wrong(&errors, Err("no series".to_owned())).unwrap(), "errors cannot be told: no series");
    assert_eq!(wrong(&workers, Ok(2.0)).unwrap(), "workers is 2, below 3");
    assert_eq!(wrong(&workers, Ok(3.0)), None);
}

#[test]
fn it_trips_after_looks_in_a_row_and_closes_after_a_quiet_time() {
    let rule = Rule { after: 3, resets_after_ms: Some(10 * MINUTE) };
    let bad = ["errors is 1, above 0".to_owned()];
    let mut looks = Looks::default();
    assert_eq!(looks.look(rule, &State::default(), &bad, at(0)), None);
    assert_eq!(looks.look(rule, &State::default(), &bad, at(1)), None);
    assert_eq!(looks.look(rule, &State::default(), &[], at(2)), None, "in a row");
    assert_eq!(looks.look(rule, &State::default(), &bad, at(3)), None);
    assert_eq!(looks.look(rule, &State::default(), &bad, at(4)), None);
    assert_eq!(looks.look(rule, &State::default(), &bad, at(5)), Some(Wanted::Trip(bad.to_vec())));
    assert_eq!(looks.look(rule, &by(WATCH), &bad, at(6)), None, "once");
    assert_eq!(looks.look(rule, &by(WATCH), &[], at(7)), None);
    assert_eq!(looks.look(rule, &by(WATCH), &[], at(16)), None);
    assert_eq!(looks.look(rule, &by(WATCH), &[], at(17)), Some(Wanted::Close));
    // One abnormal look begins the time anew, and so does a clock that jumped back.
    let mut looks = Looks::default();
    assert_eq!(looks.look(rule, &by(WATCH), &[], at(0)), None);
    assert_eq!(looks.look(rule, &by(WATCH), &bad, at(9)), None);
    assert_eq!(looks.look(rule, &by(WATCH), &[], at(10)), None);
    assert_eq!(looks.look(rule, &by(WATCH), &[], at(5)), None);
    assert_eq!(looks.look(rule, &by(WATCH), &[], at(14)), None);
    assert_eq!(looks.look(rule, &by(WATCH), &[], at(15)), Some(Wanted::Close));
    assert_eq!(looks.look(rule, &by("mary"), &[], at(10_000)), None, "what a person tripped, a person closes");
    let never = Rule { resets_after_ms: None, ..rule };
    assert_eq!(looks.look(never, &by(WATCH), &[], at(10_000)), None, "a person must");
}

#[test]
fn a_tripped_breaker_is_a_freeze_without_an_end() {
    let mut state = State::default();
    let mut give = |command: &Command| -> Result<State, Refused> {
        let events = Breaker::decide(&state, command)?;
        for event in &events {
            let json = serde_json::to_string(event).unwrap();
            assert_eq!(serde_json::from_str::<Event>(&json).unwrap(), *event);
            state = Breaker::evolve(std::mem::take(&mut state), event);
        }
        Ok(state.clone())
    };
    let trip = |why: &str| Command::Trip { by: "watch".to_owned(), why: vec![why.to_owned()], at: at(1) };
    let close = |reason: &str| Command::Close { by: "mary".to_owned(), reason: reason.to_owned(), at: at(2) };
    assert_eq!(give(&close("all is well")), Err(Refused::Closed));
    assert_eq!(give(&trip(" ")), Err(Refused::NoReason("trip")));
    let tripped = give(&trip("errors is 1,\nabove 0")).unwrap();
    assert_eq!(give(&trip("queue is 9, above 5")).unwrap(), tripped, "the first reason stands");
    let mary = Command::Trip { by: "mary".to_owned(), why: vec!["the region is going down".to_owned()], at: at(1) };
    assert_eq!(Breaker::decide(&tripped, &mary).unwrap().len(), 1, "a person takes over");
    assert_eq!(Breaker::decide(&by("mary"), &trip("errors is 1")), Ok(vec![]), "and signals do not");
    let told = |now: At| frozen("production", &tripped, now).unwrap();
    assert_eq!(told(at(1)).name, "breaker production: errors is 1, above 0");
    assert_eq!(told(at(1)).until, at(1 + 24 * 60));
    assert_eq!(told(at(24 * 60)), told(at(1)), "it is not told anew with each look");
    assert_eq!(told(at(1 + 24 * 60)).until, at(1 + 2 * 24 * 60));
    assert_eq!(give(&close("")), Err(Refused::NoReason("close")));
    let closed = give(&close("the backlog is gone")).unwrap();
    assert_eq!(frozen("production", &closed, at(3)), None);
    let long = give(&trip(&"é".repeat(10_000))).unwrap();
    assert!(long.tripped.unwrap().why[0].len() <= 4_096);
}
