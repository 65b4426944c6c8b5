//! Shifts over changes of the clocks, stand-ins, and calls that nobody answers.

use super::{Calls, Command, Disagreement, Event, Override, Refused, Rotation, Shift, Step};
use crate::id::At;
use crate::machine::Machine;
use jiff::civil::{date, time};
use jiff::tz::TimeZone;
use proptest::prelude::*;

fn rotation(zone: &str, every_days: u32, hour: i8) -> Rotation {
    Rotation {
        people: ["ada", "grace", "joan"].map(str::to_owned).to_vec(),
        from: date(2026, 3, 16),
        every_days,
        hand_over: time(hour, 30, 0, 0),
        zone: TimeZone::get(zone).unwrap(),
        overrides: vec![],
    }
}

fn at(text: &str) -> At {
    At(text.parse::<jiff::Timestamp>().unwrap().as_millisecond())
}

fn who(rotation: &Rotation, text: &str) -> Option<String> {
    rotation.on_duty(at(text)).map(|shift| shift.person)
}

#[test]
fn shifts_are_handed_over_at_an_hour_of_the_wall_clock() {
    // Berlin's clocks go forward on 2026-03-29: nine o'clock is an hour earlier in UTC from then on.
    let weekly = rotation("Europe/Berlin", 7, 9);
    for (text, wanted) in [
        ("2026-03-16T08:29:59Z", None),
        ("2026-03-16T08:30:00Z", Some("ada")),
        ("2026-03-23T08:29:59Z", Some("ada")),
        ("2026-03-23T08:30:00Z", Some("grace")),
        ("2026-03-30T07:29:59Z", Some("grace")),
        ("2026-03-30T07:30:00Z", Some("joan")),
        ("2026-04-06T07:30:00Z", Some("ada")),
        ("2027-03-16T12:00:00Z", Some("grace")),
    ] {
        assert_eq!(who(&weekly, text).as_deref(), wanted, "{text}");
    }
    let shift = weekly.on_duty(at("2026-03-29T12:00:00Z")).unwrap();
    assert_eq!((shift.since, shift.until), (at("2026-03-23T08:30:00Z"), at("2026-03-30T07:30:00Z")), "an hour shorter");
}

#[test]
fn an_hour_that_is_left_out_or_comes_twice_hands_over_once() {
    let daily = rotation("Europe/Berlin", 1, 2);
    // Half past two is left out on the 29th: handed over at half past three, which is 01:30 in UTC.
    let before = daily.on_duty(at("2026-03-29T01:29:59Z")).unwrap();
    let after = daily.on_duty(at("2026-03-29T01:30:00Z")).unwrap();
    assert_eq!((before.until, after.since), (at("2026-03-29T01:30:00Z"), at("2026-03-29T01:30:00Z")));
    assert_ne!(before.person, after.person);
    // It comes twice on 2026-10-25, at 00:30 and 01:30 in UTC: the first time counts.
    let first = daily.on_duty(at("2026-10-25T00:30:00Z")).unwrap();
    assert_eq!((first.since, first.until), (at("2026-10-25T00:30:00Z"), at("2026-10-26T01:30:00Z")));
    assert_eq!(daily.on_duty(at("2026-10-25T01:30:00Z")).unwrap(), first);
}

#[test]
fn somebody_stands_in() {
    let mut weekly = rotation("UTC", 7, 9);
    let stand_in = |person: &str, from: &str, until: &str| Override { person: person.to_owned(), from: at(from), until: at(until) };
    weekly.overrides = vec![
        stand_in("eve", "2026-03-18T00:00:00Z", "2026-03-19T00:00:00Z"),
        stand_in("mary", "2026-03-18T12:00:00Z", "2026-03-18T13:00:00Z"),
        stand_in("eve", "2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z"),
    ];
    assert_eq!(who(&weekly, "2026-03-18T11:00:00Z").as_deref(), Some("eve"));
    assert_eq!(who(&weekly, "2026-03-18T12:30:00Z").as_deref(), Some("mary"), "the last one counts");
    assert_eq!(who(&weekly, "2026-03-19T00:00:00Z").as_deref(), Some("ada"));
    assert_eq!(who(&weekly, "2026-01-01T10:00:00Z").as_deref(), Some("eve"), "before the rotation begins too");
    assert_eq!(weekly.on_duty(at("2026-03-17T00:00:00Z")).unwrap().until, at("2026-03-18T00:00:00Z"));
    let nobody = Rotation { people: vec![], ..weekly };
    assert_eq!(nobody.on_duty(at("2026-03-17T00:00:00Z")), None);
}

proptest! {
    /// Shifts follow one another without a gap, and each instant lies in the one that is said.
    #[test]
    fn shifts_leave_no_gap(
        ms in 1_773_700_000_000_i64..1_900_000_000_000, every in 1_u32..30, hour in 0_i8..24, zone in 0_usize..5,
    ) {
        let zone = ["UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Pacific/Apia"][zone];
        let rotation = rotation(zone, every, hour);
        let shift = rotation.on_duty(At(ms)).unwrap();
        prop_assert!(shift.since <= At(ms) && At(ms) < shift.until);
        let next = rotation.on_duty(shift.until).unwrap();
        prop_assert_eq!(next.since, shift.until);
        prop_assert_ne!(&next.person, &shift.person);
        let same = Shift { ..shift.clone() };
        prop_assert_eq!(rotation.on_duty(shift.since).unwrap(), same);
    }
}

fn steps(duties: &[&str]) -> Vec<Step> {
    duties.iter().map(|duty| Step { duty: (*duty).to_owned(), person: Some(format!("{duty}'s")) }).collect()
}

fn call(duties: &[&str], at: i64) -> Command {
    let (what, service) = ("release s/2 is held".to_owned(), "s".to_owned());
    Command::Call { what, service, steps: steps(duties), after_ms: 100, disagreement: None, at: At(at) }
}

#[test]
fn a_call_that_nobody_answers_goes_to_the_next_once_each() {
    let duties = ["first", "second", "boss"];
    let (mut state, mut log) = (None, vec![]);
    let commands = [call(&duties, 0), call(&duties, 50), call(&duties, 100), call(&duties, 150), call(&duties, 200), call(&duties, 900)];
    for command in commands.into_iter().chain([Command::Pass { at: At(950) }, Command::Pass { at: At(960) }, call(&duties, 990)]) {
        for event in Calls::decide(&state, &command).unwrap() {
            log.push(match &event {
                Event::Called { to, .. } => format!("called {}", to.as_ref().unwrap().duty),
                Event::Escalated { level, to, .. } => format!("escalated {level} {}", to.duty),
                Event::Answered { at, .. } => format!("answered {}", at.0),
            });
            state = Calls::evolve(state, &event);
        }
    }
    assert_eq!(log, ["called first", "escalated 1 second", "escalated 2 boss", "answered 950", "called first"]);
    assert_eq!(state.unwrap().called.len(), 1, "what comes again is called for anew");
    assert_eq!(Calls::decide(&None, &call(&[], 0)), Err(Refused::Nobody));
    assert_eq!(Calls::decide(&None, &Command::Pass { at: At(0) }), Ok(vec![]), "what was never called needs no answer");
}

#[test]
fn the_next_is_who_was_not_called_yet_whatever_the_list_is_by_then() {
    let of = |steps: &[&str]| {
        let mut state = None;
        for command in [call(&["first", "second", "boss"], 0), call(steps, 100)] {
            state = Calls::decide(&state, &command).unwrap().iter().fold(state, Calls::evolve);
        }
        let state = state.unwrap();
        (state.called.iter().map(|step| step.duty.clone()).collect::<Vec<_>>(), state.next.is_some())
    };
    assert_eq!(of(&["second", "boss"]), (vec!["first".to_owned(), "second".to_owned()], true), "the first is left out now");
    assert_eq!(of(&["second", "first"]), (vec!["first".to_owned(), "second".to_owned()], false));
    assert_eq!(of(&["first"]).0, ["first"]);
}

#[test]
fn a_decision_against_the_judge_is_kept_and_answered_by_somebody_else() {
    let assessment = crate::judge::JudgeState::new(
        &crate::judge::JudgeSettings::preset(),
        1,
        crate::judge::Mode::Canary,
        &crate::judge::Offline::default(),
    );
    let assessment = Box::new(assessment.assess());
    let disagreement = Disagreement { by: "ada".to_owned(), wanted: "promote".to_owned(), reason: "I know".to_owned(), assessment };
    let command = |steps| Command::Call {
        what: "x".to_owned(),
        service: "s".to_owned(),
        steps,
        after_ms: 100,
        disagreement: Some(disagreement.clone()),
        at: At(0),
    };
    let events = Calls::decide(&None, &command(vec![])).unwrap();
    assert!(matches!(&events[..], [Event::Called { to: None, next: None, .. }]), "it is kept though nobody can be called");
    let state = Calls::evolve(None, &Calls::decide(&None, &command(steps(&["first"]))).unwrap()[0]);
    let answer = |by: &str, finding: &str| Command::Answer { by: by.to_owned(), finding: finding.to_owned(), at: At(5) };
    assert_eq!(Calls::decide(&state, &answer("ada", "fine")), Err(Refused::Own { name: "ada".to_owned() }));
    assert_eq!(Calls::decide(&state, &answer("joan", " ")), Err(Refused::NoFinding));
    let events = Calls::decide(&state, &answer("joan", "fine")).unwrap();
    let state = Calls::evolve(state, &events[0]);
    assert_eq!(Calls::decide(&state, &answer("joan", "again")), Err(Refused::NotCalled));
    assert_eq!(Calls::decide(&state, &command(steps(&["first"]))), Ok(vec![]), "a decision is answered for once");
}
