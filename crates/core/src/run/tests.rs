//! The machine of a run, as scripts.

use super::{Command, Event, Outcome, Phase, Runs, SkippedWhy, Start, State};
use crate::id::At;
use crate::machine::Machine;
use expect_test::{Expect, expect};
use indexmap::IndexMap;

fn command(word: &str, n: i64) -> Command {
    let (verb, stage) = word.split_once(' ').unwrap_or((word, ""));
    let (stage, at) = (stage.to_owned(), At(n));
    let metrics = serde_json::Value::Null;
    match verb {
        "start" => Command::Start(Box::default(), at),
        "run" => Command::Record(Event::StageStarted { stage, reasons: vec![], at }),
        "skip" => Command::Record(Event::StageSkipped { stage, why: SkippedWhy::Unchanged, at }),
        "ran" => Command::Record(Event::StageFinished { stage, deps: IndexMap::new(), outs: IndexMap::new(), duration_ms: 3, at }),
        "fail" => Command::Record(Event::StageFailed { stage, exit: Some(1), message: "m".into(), tail: vec![], at }),
        "succeed" => Command::Record(Event::Finished { outcome: Outcome::Succeeded, metrics, at }),
        "failed" => Command::Record(Event::Finished { outcome: Outcome::Failed { stage }, metrics, at }),
        "sneak" => Command::Record(Event::Started { start: Box::new(Start::default()), at }),
        "die" => Command::Interrupt(at),
        other => panic!("no command {other}"),
    }
}

fn check(script: &str, expected: Expect) {
    let mut state = State::default();
    let mut shown = String::new();
    let mut events = Vec::new();
    for (n, word) in script.split(", ").enumerate() {
        match Runs::decide(&state, &command(word, i64::try_from(n).unwrap())) {
            Ok(found) => {
                shown.push_str(&format!("{word}: {} facts\n", found.len()));
                for event in found {
                    // Facts survive the journal.
                    let text = serde_json::to_string(&event).unwrap();
                    assert_eq!(serde_json::from_str::<Event>(&text).unwrap(), event);
                    state = Runs::evolve(state, &event);
                    events.push(event);
                }
            }
            Err(refused) => shown.push_str(&format!("{word}: {refused}\n")),
        }
    }
    assert_eq!(Runs::replay(&events), state);
    shown.push_str(&format!("{:?}", state.phase));
    expected.assert_eq(&shown);
    assert!(state.phase != Phase::Absent || events.is_empty());
}

#[test]
fn a_run_ends_once() {
    check(
        "run a, start, start, skip a, run b, ran b, ran b, succeed, succeed, run c, die",
        expect![[r#"
            run a: record the start of stage `a`: the run is not running
            start: 1 facts
            start: start the run: it has started before; a new attempt is a new run
            skip a: 1 facts
            run b: 1 facts
            ran b: 1 facts
            ran b: record the end of stage `b`: it has ended before in this run
            succeed: 1 facts
            succeed: 0 facts
            run c: record the start of stage `c`: the run is not running
            die: 0 facts
            Finished(Succeeded)"#]],
    );
}

#[test]
fn a_failed_or_dead_run_never_succeeds() {
    check(
        "start, run a, succeed, fail a, succeed, failed a",
        expect![[r#"
            start: 1 facts
            run a: 1 facts
            succeed: finish the run as succeeded: stage `a` has not succeeded
            fail a: 1 facts
            succeed: finish the run as succeeded: stage `a` has not succeeded
            failed a: 1 facts
            Finished(Failed { stage: "a" })"#]],
    );
    check(
        "die, start, run a, die, die, ran a, sneak",
        expect![[r#"
            die: record the interruption: the run is not running
            start: 1 facts
            run a: 1 facts
            die: 1 facts
            die: 0 facts
            ran a: record the end of stage `a`: the run is not running
            sneak: record the start: it has a command of its own
            Interrupted"#]],
    );
}
