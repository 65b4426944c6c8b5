//! What is held, found and told, in tables; and that in any order of commands a no or a yes stays, and is told at most once.

use super::machine::{Command, Deployments, Event, FOUND_MAX, Held, Refused, STATUSES_MAX};
use super::may::{Answer, Condition, Finding, all, approvals, gates, judgement};
use super::{Known, Outcome, Source, Target, VersionBy};
use crate::access::{Leave, Withheld};
use crate::gate::{GateOutcome, GateReport, GateVerdict};
use crate::id::At;
use crate::judge::Verdict;
use crate::judgement::{Begun, Standing};
use crate::machine::Machine;
use proptest::prelude::*;

fn rule() -> Target {
    Target::GithubRule { repository: "acme/shop".to_owned(), run: 7, environment: "production".to_owned(), deployment: 70 }
}

fn check() -> Target {
    Target::GitlabCheck { project: 6, request: 4, check: 1, sha: "1".repeat(40) }
}

fn ask(target: &Target, at: i64) -> Command {
    let (source, service) = (Source::default(), "s".to_owned());
    Command::Ask { target: target.clone(), source, service, delivery: format!("d-{at}"), within_ms: 1_000, at: At(at) }
}

fn find(answer: Answer, why: &str, at: i64) -> Command {
    Command::Find { finding: Finding { answer, why: why.to_owned() }, version: Some("3".to_owned()), at: At(at) }
}

fn tell(at: i64) -> Command {
    Command::Tell { at: At(at) }
}

/// The state after all of them, and how many facts each gave.
fn after(commands: &[Command]) -> (Option<Held>, Vec<usize>) {
    let (mut state, mut counts) = (None, vec![]);
    for command in commands {
        let events = Deployments::decide(&state, command).unwrap();
        counts.push(events.len());
        state = events.iter().fold(state, Deployments::evolve);
    }
    (state, counts)
}

#[test]
fn a_deployment_is_asked_about_found_and_told_once() {
    let yes = find(Answer::Yes, "all is well", 20);
    let (held, counts) = after(&[ask(&rule(), 0), ask(&rule(), 5), yes.clone(), yes, tell(30), tell(31), ask(&rule(), 40)]);
    assert_eq!(counts, [1, 0, 1, 0, 1, 0, 0], "a delivery that comes again, before the answer or after it, is nothing new");
    let held = held.unwrap();
    assert!(held.is_over() && held.to_tell().is_none());
    assert_eq!((held.version.as_deref(), held.answer().map(|f| f.answer)), (Some("3"), Some(Answer::Yes)));
    assert_eq!(Deployments::decide(&None, &tell(1)), Err(Refused::NotAsked));
}

#[test]
fn a_yes_that_nobody_took_is_taken_back_and_a_no_is_not() {
    let yes = find(Answer::Yes, "all is well", 20);
    let (held, counts) = after(&[ask(&rule(), 0), yes.clone(), find(Answer::Waits, "frozen", 30)]);
    assert_eq!(counts, [1, 1, 1]);
    assert_eq!(held.unwrap().to_tell().unwrap().answer, Answer::Waits);
    let mut many: Vec<Command> = (0..=i64::from(FOUND_MAX)).map(|i| find(Answer::Waits, &i.to_string(), 1)).collect();
    many.insert(0, ask(&rule(), 0));
    many.extend([yes.clone(), find(Answer::Waits, "frozen", 30)]);
    assert_eq!(after(&many).0.unwrap().to_tell().unwrap().answer, Answer::Waits, "whatever was found before");
    let late = after(&[ask(&rule(), 0), yes.clone(), find(Answer::Waits, "frozen", 1_000)]).0.unwrap();
    assert_eq!(late.answer().unwrap().answer, Answer::No, "its time is over");
    assert_eq!(after(&[ask(&rule(), 0), yes.clone(), tell(21), find(Answer::No, "vetoed", 30)]).1[3], 0, "it was told");
    assert_eq!(after(&[ask(&rule(), 0), find(Answer::No, "vetoed", 10), yes]).1[2], 0);
}

#[test]
fn what_waits_is_told_as_often_as_the_tool_takes_it_and_becomes_a_no() {
    let mut commands = vec![ask(&rule(), 0)];
    for i in 0..i64::from(STATUSES_MAX) + 2 {
        commands.extend([find(Answer::Waits, &format!("{i} of 20"), i + 1), tell(i + 1)]);
    }
    let (held, _) = after(&commands);
    assert_eq!(held.as_ref().unwrap().statuses, STATUSES_MAX);
    commands.extend([find(Answer::Waits, "18 of 20", 1_000), tell(1_001), find(Answer::Yes, "too late", 1_002)]);
    let (held, counts) = after(&commands);
    assert_eq!(counts[counts.len() - 3..], [1, 1, 0], "the time is over: a no, told, and final");
    assert!(held.unwrap().answer().unwrap().why.contains("in vain: 18 of 20"));
    let (held, _) = after(&[ask(&check(), 0), find(Answer::Waits, "a", 1), tell(1), find(Answer::Waits, "b", 2)]);
    assert_eq!(held.unwrap().to_tell(), None, "that a check is pending is news once");
    let approval = Target::GitlabDeployment { project: 30, deployment: 15 };
    let (held, _) = after(&[ask(&approval, 0), find(Answer::Waits, "a", 1)]);
    assert_eq!(held.unwrap().to_tell(), None, "GitLab has no word for it");
}

#[test]
fn a_check_that_failed_may_be_asked_for_again_and_nothing_else() {
    let no = [find(Answer::No, "vetoed", 1), tell(2)];
    for (target, again) in [(check(), 1), (rule(), 0), (Target::GitlabDeployment { project: 1, deployment: 2 }, 0)] {
        let commands = [&[ask(&target, 0)], &no[..], &[ask(&target, 9)]].concat();
        assert_eq!(after(&commands).1[3], again, "{target:?}");
    }
    assert_eq!(after(&[ask(&check(), 0), find(Answer::No, "vetoed", 1), ask(&check(), 9)]).1[2], 0, "not before it was told");
}

#[test]
fn findings_are_limited_and_answers_are_not() {
    let mut commands = vec![ask(&rule(), 0)];
    commands.extend((0..2 * i64::from(FOUND_MAX)).map(|i| find(Answer::Waits, &format!("frozen {i}"), 1)));
    commands.push(find(Answer::Yes, "x", 2));
    let (held, counts) = after(&commands);
    assert_eq!(counts.iter().sum::<usize>(), 2 + FOUND_MAX as usize);
    assert_eq!(held.unwrap().answer().unwrap().answer, Answer::Yes);
    let long = Command::Ask {
        target: rule(),
        source: Source { git_ref: Some("x".repeat(2_000)), ..Source::default() },
        service: "s".to_owned(),
        delivery: "d".to_owned(),
        within_ms: 1,
        at: At(0),
    };
    assert_eq!(Deployments::decide(&None, &long), Err(Refused::TooLong("the source")));
    let cut = after(&[ask(&rule(), 0), find(Answer::No, &"é".repeat(5_000), 1)]).0.unwrap();
    assert_eq!(cut.answer().unwrap().why.chars().count(), 1_000);
}

#[test]
fn versions_are_found_by_what_the_tool_says() {
    let (a, b) = ("a".repeat(40), "b".repeat(40));
    let dirty = format!("{b}+dirty:12");
    let known = [Known { version: "1", code: &a }, Known { version: "2", code: &a }, Known { version: "3", code: &dirty }];
    let source = |git_ref: &str, sha: &str| Source { git_ref: Some(git_ref.to_owned()), sha: Some(sha.to_owned()), login: None };
    let found = |by: &str, source: &Source| VersionBy::parse(by).unwrap().find(source, &known);
    for (by, git_ref, sha, wanted) in [
        ("newest", "main", a.as_str(), Ok("3")),
        ("commit", "main", &a, Ok("2")),
        ("commit", "main", &b, Err("made of it and nothing beside it")),
        ("commit", "main", &a[..8], Err("not a whole one")),
        ("v{version}", "refs/tags/v2", &a, Ok("2")),
        ("v{version}", "v1", &a, Ok("1")),
        ("release/{version}-final", "refs/heads/release/3-final", &a, Ok("3")),
        ("v{version}", "v", &a, Err("is not of the form")),
        ("v{version}", "refs/tags/x2", &a, Err("`x2` is not of the form `v{version}`")),
        ("v{version}", "v9", &a, Err("version 9 is not registered yet")),
    ] {
        match (found(by, &source(git_ref, sha)), wanted) {
            (Ok(version), Ok(wanted)) => assert_eq!(version, wanted, "{by} {git_ref}"),
            (Err(why), Err(part)) => assert!(why.contains(part), "{by} {git_ref}: {why}"),
            (found, wanted) => panic!("{by} {git_ref}: {found:?}, not {wanted:?}"),
        }
    }
    assert!(VersionBy::parse("latest").is_err());
    assert!(VersionBy::Newest.find(&Source::default(), &[]).is_err());
    assert!(VersionBy::Ref { before: String::new(), behind: String::new() }.find(&Source::default(), &known).is_err());
}

fn gate(name: &str, verdict: GateVerdict) -> GateOutcome {
    GateOutcome { name: name.to_owned(), verdict, value: None, interval: None, limit: None, why: "why".to_owned(), slices: vec![] }
}

fn report(verdicts: &[GateVerdict]) -> GateReport {
    let outcomes = verdicts.iter().enumerate().map(|(i, v)| gate(&format!("g{i}"), *v)).collect();
    GateReport { outcomes, disagreement: None }
}

#[test]
fn missing_evidence_is_waited_for_and_never_a_yes() {
    use GateVerdict::{CannotTell, Fail, Pass};
    for (verdicts, wanted) in
        [(&[Pass, Pass][..], Answer::Yes), (&[Pass, CannotTell], Answer::Waits), (&[CannotTell, Fail], Answer::No), (&[], Answer::No)]
    {
        assert_eq!(gates("3", Some(&report(verdicts))).answer, wanted, "{verdicts:?}");
    }
    assert_eq!(gates("3", None).answer, Answer::Waits);
    let vetoed = Withheld::Vetoed { by: "ada".to_owned(), reason: "worse".to_owned() };
    for (leave, wanted) in [
        (Ok(Leave::NotNeeded), Answer::Yes),
        (Ok(Leave::Approved { by: vec!["ada".to_owned()] }), Answer::Yes),
        (Err(vetoed), Answer::No),
        (Err(Withheld::Changed), Answer::Waits),
        (Err(Withheld::Waits { have: 1, of: 2, asked_by: "eve".to_owned() }), Answer::Waits),
    ] {
        assert_eq!(approvals(&leave).answer, wanted, "{leave:?}");
    }
}

#[test]
fn a_judgement_answers_once_it_stands() {
    let begun = |standing| Begun { parameters: [].into(), from: At(0), until: At(9), standing, let_in: false };
    let of = |verdict, last| Some(Standing { verdict, ..Standing::without_counts("", At(0), last) });
    assert_eq!(judgement("j", None, At(1)).answer, Answer::Waits);
    for (standing, wanted) in [
        (None, Answer::Waits),
        (of(Verdict::Promote, false), Answer::Yes),
        (of(Verdict::Rollback, false), Answer::No),
        (of(Verdict::Continue, false), Answer::Waits),
        (of(Verdict::Continue, true), Answer::No),
        (of(Verdict::NoTelemetry, true), Answer::No),
        (of(Verdict::InsufficientEvidence { eta_ms: None }, false), Answer::Waits),
    ] {
        assert_eq!(judgement("j", Some(&begun(standing.clone())), At(18)).answer, wanted, "{standing:?}");
    }
}

#[test]
fn a_judgement_of_another_day_answers_nothing_but_a_rollback() {
    for (verdict, wanted) in [(Verdict::Promote, Answer::Waits), (Verdict::Continue, Answer::Waits), (Verdict::Rollback, Answer::No)] {
        let standing = Some(Standing { verdict: verdict.clone(), ..Standing::without_counts("", At(0), true) });
        let begun = Begun { parameters: [].into(), from: At(0), until: At(9), standing, let_in: false };
        assert_eq!(judgement("j", Some(&begun), At(19)).answer, wanted, "{verdict:?}");
    }
}

#[test]
fn all_conditions_must_hold() {
    let of = |answer| Condition::new("x", answer, "y");
    assert_eq!(all(&[]).answer, Answer::No, "nothing was looked at");
    assert_eq!(all(&[of(Answer::Yes), of(Answer::Waits)]).answer, Answer::Waits);
    let no = all(&[of(Answer::No), of(Answer::Waits), of(Answer::Yes)]);
    assert_eq!((no.answer, no.why.as_str()), (Answer::No, "x: y"));
}

fn commands() -> impl Strategy<Value = Vec<Command>> {
    let answer = prop_oneof![Just(Answer::Yes), Just(Answer::No), Just(Answer::Waits)];
    let one = (0_u8..4, answer, 0_i64..3_000, 0_u8..3).prop_map(|(kind, answer, at, text)| match kind {
        0 => ask(&rule(), at),
        1 => find(answer, &text.to_string(), at),
        2 => tell(at),
        _ => Command::GiveUp { why: "gone".to_owned(), at: At(at) },
    });
    proptest::collection::vec(one, 0..60)
}

proptest! {
    #[test]
    fn an_answer_that_was_told_or_is_a_no_stays_and_is_told_at_most_once(commands in commands()) {
        let (mut state, mut answered, mut ends) = (None, None, 0);
        for command in commands {
            let Ok(events) = Deployments::decide(&state, &command) else { continue };
            for event in events {
                let final_before = state.as_ref().is_some_and(|held: &Held| held.answer().is_some());
                ends += u32::from(final_before && matches!(event, Event::Told { .. } | Event::GivenUp { .. }));
                state = Deployments::evolve(state, &event);
            }
            let final_now = |held: &&Held| held.told || held.answer().is_some_and(|f| f.answer == Answer::No);
            let now = state.as_ref().filter(final_now).and_then(|held| held.answer().cloned());
            prop_assert!(answered.is_none() || answered == now);
            answered = now;
            prop_assert!(ends <= 1);
            prop_assert!(state.as_ref().is_none_or(|held| held.statuses <= STATUSES_MAX));
        }
    }
}

#[test]
fn what_became_of_it_is_reported_once_each() {
    use crate::rollout::{Cause, Forward, Phase};
    let cause = || Cause::CandidateFailed { reason: "x".to_owned() };
    let forward = Phase::Forward { forward: Forward::Shadow };
    let (back, gone) = (Phase::RollingBack { cause: cause() }, Phase::RolledBack { cause: cause() });
    for (phase, reported, wanted) in [
        (&forward, None, Some(Outcome::InProgress)),
        (&forward, Some(Outcome::InProgress), None),
        (&Phase::Finishing, Some(Outcome::InProgress), None),
        (&Phase::Done, Some(Outcome::InProgress), Some(Outcome::Success)),
        (&Phase::Done, Some(Outcome::Success), None),
        (&back, Some(Outcome::InProgress), None),
        (&gone, Some(Outcome::InProgress), Some(Outcome::Failure)),
        (&gone, None, Some(Outcome::Failure)),
        // What served alone did not fail: it serves no more.
        (&back, Some(Outcome::Success), None),
        (&gone, Some(Outcome::Success), Some(Outcome::Inactive)),
        (&gone, Some(Outcome::Inactive), None),
        // Tried again.
        (&forward, Some(Outcome::Failure), Some(Outcome::InProgress)),
        (&forward, Some(Outcome::Inactive), Some(Outcome::InProgress)),
        (&back, Some(Outcome::Failure), None),
    ] {
        assert_eq!(Outcome::of(phase, reported), wanted, "{phase:?} {reported:?}");
    }
}

#[test]
fn what_became_of_it_is_told_though_the_next_release_has_begun() {
    use crate::rollout::{Cause, Forward, Phase};
    let next = Phase::Forward { forward: Forward::Shadow };
    let gone = Phase::RolledBack { cause: Cause::CandidateFailed { reason: "x".to_owned() } };
    let among = |releases: &[(&str, &Phase)], reported| Outcome::among("3", releases.iter().copied(), reported);
    let (begun, good, bad, over) = (Some(Outcome::InProgress), Some(Outcome::Success), Some(Outcome::Failure), Some(Outcome::Inactive));
    assert_eq!(among(&[("4", &next), ("3", &Phase::Done)], begun), good);
    assert_eq!(among(&[("4", &next), ("3", &Phase::Done)], good), None, "it still serves");
    assert_eq!(among(&[("4", &next), ("3", &gone)], begun), bad);
    assert_eq!(among(&[("5", &next), ("4", &Phase::Done), ("3", &Phase::Done)], begun), good, "each in its turn");
    assert_eq!(among(&[("5", &next), ("4", &Phase::Done), ("3", &Phase::Done)], good), over);
    assert_eq!(among(&[("4", &Phase::Done), ("3", &Phase::Done)], over), None);
    assert_eq!(among(&[("4", &gone), ("3", &Phase::Done)], over), good, "what replaced it was undone");
    assert_eq!(among(&[("4", &Phase::Done), ("3", &gone)], bad), None);
    assert_eq!(among(&[("3", &next), ("4", &Phase::Done), ("3", &gone)], bad), begun, "the newest release of it counts");
    assert_eq!(among(&[("4", &Phase::Done)], good), None, "none of it is known");
}

#[test]
fn only_what_was_let_through_is_reported_and_each_outcome_once() {
    let report = |outcome| Command::Report { outcome, refused: None, at: At(50) };
    let (yes, no) = (find(Answer::Yes, "all is well", 20), find(Answer::No, "vetoed", 20));
    let (begins, serves) = (report(Outcome::InProgress), report(Outcome::Success));
    let (held, counts) = after(&[ask(&rule(), 0), yes.clone(), begins.clone(), tell(30), begins.clone(), begins.clone(), serves]);
    assert_eq!(counts, [1, 1, 0, 1, 1, 0, 1]);
    assert_eq!(held.unwrap().reported, Some(Outcome::Success));
    assert_eq!(after(&[ask(&rule(), 0), no, tell(30), begins.clone()]).1, [1, 1, 1, 0]);
    let given_up = Command::GiveUp { why: "422".to_owned(), at: At(40) };
    assert_eq!(after(&[ask(&rule(), 0), yes, given_up, begins.clone()]).1, [1, 1, 1, 0], "the job still waits");
    assert_eq!(Deployments::decide(&None, &begins), Err(Refused::NotAsked));
}
