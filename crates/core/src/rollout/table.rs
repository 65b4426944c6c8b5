//! Each command in each phase, and the stories that the rules are about.

use super::testbed::{
    Bench, FREEZE_MS, MINUTE_MS, abort, blue_green, draft, first_release, freeze, goes_back, in_each_phase, pause, promote, resume, retry,
    spec, told, undo,
};
use super::{
    Cause, Command, Deadlines, EVIDENCE_TICKS_MAX, Effect, Event, Forward, HoldWhy, Phase, Refused, Role, Spec, SpecDraft, Step, Traffic,
    Until, Waiting, check, deadline, effects, tick_width, waiting,
};
use crate::id::At;
use crate::judge::{HoldReason, Mode, Verdict};
use crate::route::Carrier;
use expect_test::{expect, expect_file};
use std::fmt::Write as _;

fn commands(bench: &Bench) -> Vec<(&'static str, Command)> {
    let at = bench.now.plus_ms(MINUTE_MS);
    let generation = |role| bench.r().workers.of(role).generation;
    let lost = |role| Command::WorkerFailed { role, generation: generation(role), reason: "killed".to_owned(), at };
    let mut later = bench.clone();
    later.now = at;
    let traffic = bench.r().traffic.map_or(0, |t| t.generation);
    vec![
        ("start, other spec", Command::Start { spec: Box::new(first_release()), at }),
        ("start, same spec", Command::Start { spec: Box::new(spec()), at }),
        ("candidate ready", Command::WorkerReady { role: Role::Candidate, generation: generation(Role::Candidate), at }),
        ("candidate failed", lost(Role::Candidate)),
        ("control failed", lost(Role::Control)),
        ("stable failed", lost(Role::Stable)),
        ("candidate failed, stale", Command::WorkerFailed { role: Role::Candidate, generation: 0, reason: "killed".to_owned(), at }),
        ("candidate unloaded", Command::Unloaded { role: Role::Candidate, generation: generation(Role::Candidate), at }),
        ("traffic applied", Command::TrafficApplied { generation: traffic, at }),
        ("traffic applied, stale", Command::TrafficApplied { generation: traffic.wrapping_sub(1), at }),
        ("judged promote", later.judged(Verdict::Promote)),
        ("judged rollback", later.judged(Verdict::Rollback)),
        ("judged hold", later.judged(Verdict::Hold { why: HoldReason::SampleRatioMismatch })),
        ("page 1 delivered", Command::PageDelivered { number: 1, at }),
        ("pause", later.person(pause)),
        ("resume", later.person(resume)),
        ("promote", later.person(promote)),
        ("abort", later.person(abort)),
        ("retry", later.person(retry)),
        ("undo", later.person(undo)),
        ("freeze", freeze(at)),
        ("freeze, over already", Command::Freeze { name: "late".to_owned(), until: at, at }),
        ("thaw", Command::Thaw { at }),
        ("tick", Command::Tick { at }),
        ("tick, a year later", Command::Tick { at: at.plus_ms(365 * 24 * 60 * MINUTE_MS) }),
    ]
}

#[test]
fn each_command_in_each_phase() {
    let mut table = String::new();
    for (phase, bench) in in_each_phase() {
        assert_eq!(check(&bench.state), vec![], "{phase}");
        let _ = writeln!(table, "{phase}: {:?}", bench.r().waiting.as_ref().map(name_of));
        for (command, c) in commands(&bench) {
            let mut next = bench.clone();
            let _ = match next.give(&c) {
                Ok(events) => writeln!(table, "  {command}: {}", told(&events)),
                Err(refused) => writeln!(table, "  {command}: REFUSED {refused}"),
            };
            assert_eq!(check(&next.state), vec![], "{phase}, then {command}");
            if let Ok(again) = next.give(&c) {
                assert!(matches!(c, Command::Tick { .. }) || again.is_empty(), "{phase}: {command} twice did {}", told(&again));
            }
        }
    }
    expect_file!["table.txt"].assert_eq(&table);
}

fn name_of(waiting: &Waiting) -> &'static str {
    match waiting {
        Waiting::Ready { .. } => "ready",
        Waiting::Traffic { .. } => "traffic",
        Waiting::Evidence { .. } => "evidence",
        Waiting::Judge { .. } => "judge",
        Waiting::Telemetry { .. } => "telemetry",
        Waiting::Preview { .. } => "preview",
        Waiting::Watch { .. } => "watch",
        Waiting::Unload { .. } => "unload",
        Waiting::Pause { .. } => "pause",
        Waiting::Freeze { .. } => "freeze",
        Waiting::Person { .. } => "person",
    }
}

#[test]
fn every_command_is_refused_before_the_start() {
    let bench = in_each_phase().remove(0).1;
    for (name, command) in commands(&bench).into_iter().skip(2) {
        let mut nothing = Bench { state: super::State::NotStarted, now: At(0), events: vec![] };
        assert!(matches!(nothing.give(&command), Err(Refused::NotStarted { .. })), "{name}");
    }
}

#[test]
fn a_good_release_step_by_step() {
    let done = in_each_phase().into_iter().find(|(name, _)| *name == "done").unwrap().1;
    expect_file!["story.txt"].assert_eq(&(told(&done.events).replace(", ", "\n") + "\n"));
    assert_eq!(done.traffic(), Some(Traffic::CANDIDATE));
    assert_eq!(waiting(&done.state), None);
}

#[test]
fn a_first_release_is_promoted_by_policy_and_watched_without_a_judge() {
    let watching = Bench::started(first_release()).obey();
    let Some(super::Promoter::Policy { reason }) = watching.r().promoted_by.clone() else { panic!("{:?}", watching.r()) };
    expect!["first version of the service: there is none to compare it with"].assert_eq(&reason);
    assert!(matches!(watching.r().phase, Phase::Forward { forward: Forward::Watching { .. } }));
    let mut aborted = watching.clone();
    let refused = aborted.give(&aborted.person(abort)).unwrap_err();
    assert_eq!(refused, Refused::NothingBefore { command: "abort" });
    let lost = watching.clone().lost(Role::Candidate);
    assert!(matches!(&lost.r().phase, Phase::Held { why: HoldWhy::WorkerLost { role: Role::Candidate, .. }, .. }));
    assert!(matches!(lost.says(resume).obey().r().phase, Phase::Forward { forward: Forward::Watching { .. } }));
    let done = watching.wait(30 * MINUTE_MS).tick().obey();
    assert_eq!(done.r().phase, Phase::Done);
    let mut undone = done.clone();
    assert_eq!(undone.give(&undone.person(undo)).unwrap_err(), Refused::NothingBefore { command: "undo" });
}

#[test]
fn a_failed_verdict_is_absorbing_and_a_retry_is_another_attempt() {
    let rolling_back = Bench::started(spec()).obey().verdict(Verdict::Rollback);
    let mut tried = rolling_back.clone();
    assert_eq!(tried.give(&tried.person(promote)).unwrap_err(), Refused::FailedVerdict { command: "promote", attempt: 1 });
    assert_eq!(told(&tried.give(&tried.judged(Verdict::Promote)).unwrap()), "-");
    let mut back = rolling_back.obey();
    assert_eq!(back.r().phase, Phase::RolledBack { cause: Cause::Verdict { mode: Mode::Shadow, step: 0 } });
    assert_eq!(back.give(&back.person(promote)).unwrap_err(), Refused::FailedVerdict { command: "promote", attempt: 1 });
    let late = back.judged(Verdict::Rollback);
    let again = back.says(retry).obey();
    assert_eq!((again.r().attempt, again.r().failed.clone()), (2, None));
    assert!(matches!(again.r().phase, Phase::Forward { forward: Forward::Shadow }));
    let mut again = again;
    assert_eq!(told(&again.give(&late).unwrap()), "-", "a verdict of attempt 1 says nothing about attempt 2");
}

#[test]
fn a_preview_ends_with_a_persons_word_and_everybody_moves_at_once() {
    let seen = Bench::started(blue_green(None)).obey();
    assert_eq!(seen.traffic(), Some(Traffic { preview: true, ..Traffic::STABLE }));
    assert!(matches!(&seen.r().phase, Phase::Held { forward: Forward::Preview, why: HoldWhy::Asked }));
    assert!(seen.r().page.is_some(), "somebody is told that it can be seen");
    assert_eq!(seen.r().evidence(), None, "who asks for it is not drawn by lot");
    assert!(goes_back(&seen.clone().lost(Role::Candidate).r().phase));
    assert_eq!(seen.clone().says(abort).obey().traffic(), Some(Traffic::STABLE));
    let stays = seen.clone().wait(24 * 60 * MINUTE_MS).tick();
    assert!(matches!(stays.r().phase, Phase::Held { .. }), "no time ends it");
    let watching = seen.says(resume).obey();
    assert!(matches!(watching.r().phase, Phase::Forward { forward: Forward::Watching { .. } }), "{:?}", watching.r().phase);
    assert!(matches!(&watching.r().promoted_by, Some(super::Promoter::Person { by, .. }) if by == "ada"));
    assert_eq!(watching.traffic().map(|t| (t.candidate_bp, t.control_bp, t.preview)), Some((9_500, 500, false)));
    // Stable is warm: back at once, on evidence or at a word.
    assert_eq!(told(&watching.clone().says(abort).events[watching.events.len()..]), "rollback began, split 10000/0/0+0");
    assert!(goes_back(&watching.verdict(Verdict::Rollback).r().phase));
}

#[test]
fn a_preview_with_a_time_goes_on_by_itself_and_stands_still_when_told_so() {
    let preview = Bench::started(blue_green(Some(10 * MINUTE_MS))).obey();
    let until = preview.now.plus_ms(10 * MINUTE_MS);
    assert_eq!(waiting(&preview.state), Some(Waiting::Preview { until: Some(until) }));
    assert_eq!(deadline(&preview.state), Some(until));
    let early = preview.clone().wait(9 * MINUTE_MS).tick();
    assert_eq!(early.r().forward(), Some(Forward::Preview));
    let promoted = early.wait(MINUTE_MS).tick();
    assert!(matches!(promoted.r().phase, Phase::Forward { forward: Forward::Promoting }));
    assert!(matches!(&promoted.r().promoted_by, Some(super::Promoter::Policy { .. })));
    let promotes = |bench: &Bench| matches!(bench.r().phase, Phase::Forward { forward: Forward::Promoting });
    let paused = preview.clone().says(pause).wait(20 * MINUTE_MS).tick();
    assert_eq!(paused.r().forward(), Some(Forward::Preview));
    // What was seen before a pause may have been mended in it: its time begins anew.
    let resumed = paused.clone().says(resume).wait(9 * MINUTE_MS).tick();
    assert_eq!(resumed.r().forward(), Some(Forward::Preview));
    assert!(promotes(&resumed.wait(MINUTE_MS).tick()));
    let forgotten = paused.wait(6 * 60 * MINUTE_MS).tick();
    assert!(matches!(&forgotten.r().phase, Phase::Held { why: HoldWhy::Forgotten, .. }), "{:?}", forgotten.r().phase);
    let again = forgotten.says(resume).obey().wait(10 * MINUTE_MS).tick();
    assert!(promotes(&again) && matches!(&again.r().promoted_by, Some(super::Promoter::Policy { .. })), "nobody said that it was good");
    // The workers took three minutes to load, which are none of it.
    let slow = Bench::started(blue_green(Some(10 * MINUTE_MS))).wait(3 * MINUTE_MS).obey();
    let mut frozen = slow.wait(4 * MINUTE_MS);
    frozen.give(&freeze(frozen.now)).unwrap();
    let frozen = frozen.wait(20 * MINUTE_MS).tick();
    assert_eq!(frozen.r().forward(), Some(Forward::Preview));
    let thawed = frozen.wait(FREEZE_MS - 20 * MINUTE_MS).tick().wait(5 * MINUTE_MS).tick();
    assert_eq!(thawed.r().forward(), Some(Forward::Preview), "a freeze takes no time off it");
    assert!(promotes(&thawed.wait(5 * MINUTE_MS).tick()));
}

#[test]
fn those_who_ask_see_the_candidate_until_it_is_promoted() {
    let preview = Step::Preview { carrier: Carrier::Cookie("preview".to_owned()), value: Some("on".to_owned()), for_ms: None };
    let steps: Vec<Step> = [preview].into_iter().chain(draft().steps).collect();
    let shadow = Bench::started(Spec::build(SpecDraft { steps, ..draft() }).unwrap()).obey().says(resume).obey();
    assert_eq!(shadow.traffic(), Some(Traffic { mirror_bp: 10_000, preview: true, ..Traffic::STABLE }));
    let step = shadow.wait(MINUTE_MS).verdict(Verdict::Promote).obey();
    assert_eq!(step.traffic().map(|t| (t.candidate_bp, t.preview)), Some((500, true)));
    assert_eq!(step.clone().lost(Role::Control).traffic(), Some(Traffic::STABLE));
    let back = step.verdict(Verdict::Rollback).obey().says(retry).obey();
    assert!(matches!(&back.r().phase, Phase::Held { forward: Forward::Preview, .. }), "a new attempt asks again");
}

#[test]
fn attempts_are_limited() {
    let mut bench = Bench::started(spec()).obey().verdict(Verdict::Rollback).obey();
    for _ in 1..super::ATTEMPTS_MAX {
        bench = bench.says(retry).obey().verdict(Verdict::Rollback).obey();
    }
    assert_eq!(bench.give(&bench.person(retry)).unwrap_err(), Refused::AttemptsExhausted);
}

#[test]
fn a_pause_stops_progress_and_not_the_judge() {
    let paused = Bench::started(spec()).obey().says(pause).wait(MINUTE_MS).verdict(Verdict::Promote);
    assert!(matches!(paused.r().phase, Phase::Forward { forward: Forward::Shadow }));
    assert!(matches!(waiting(&paused.state), Some(Waiting::Pause { .. })));
    let rolled_back = paused.clone().verdict(Verdict::Rollback);
    assert!(goes_back(&rolled_back.r().phase));
    let resumed = paused.says(resume).verdict(Verdict::Promote);
    assert!(matches!(resumed.r().phase, Phase::Forward { forward: Forward::Step { index: 0 } }));
}

#[test]
fn nothing_goes_forward_in_a_freeze_and_everything_can_go_back() {
    let mut frozen = Bench::started(spec()).obey();
    frozen.give(&freeze(frozen.now)).unwrap();
    let until = frozen.now.plus_ms(FREEZE_MS);
    assert_eq!(told(&frozen.give(&freeze(frozen.now)).unwrap()), "-", "the same freeze again");
    assert_eq!(waiting(&frozen.state), Some(Waiting::Freeze { name: "year-end".to_owned(), until }));
    // Longer than the judge's deadline: nobody is paged for what may not move.
    let frozen = frozen.wait(7 * 60 * MINUTE_MS).verdict(Verdict::Promote).tick();
    assert!(matches!(frozen.r().phase, Phase::Forward { forward: Forward::Shadow }), "{:?}", frozen.r().phase);
    assert_eq!(frozen.r().page, None);
    let refused = frozen.clone().give(&frozen.person(promote)).unwrap_err().to_string();
    expect![[r"promote: the service is frozen by `year-end` until 1970-01-01T12:16:40.000Z: wait for its end, or abort and undo, which work at any time"]]
        .assert_eq(&refused);
    assert!(goes_back(&frozen.clone().verdict(Verdict::Rollback).r().phase));
    assert!(goes_back(&frozen.clone().says(abort).r().phase));
    assert!(goes_back(&frozen.clone().lost(Role::Candidate).r().phase));
    assert_eq!(frozen.clone().says(abort).r().frozen, None, "on its way back it is not frozen");
    let thawed = frozen.clone().wait(5 * 60 * MINUTE_MS).tick();
    assert_eq!(told(&thawed.events[frozen.events.len()..]), "thawed");
    assert!(matches!(thawed.verdict(Verdict::Promote).r().phase, Phase::Forward { forward: Forward::Step { index: 0 } }));
    let mut lifted = frozen;
    let at = lifted.now;
    lifted.give(&Command::Thaw { at }).unwrap();
    assert!(matches!(lifted.verdict(Verdict::Promote).r().phase, Phase::Forward { forward: Forward::Step { index: 0 } }));
}

#[test]
fn only_the_time_in_a_freeze_is_given_back() {
    let hour = 60 * MINUTE_MS;
    // Frozen half of the time, each hour: the judge's six hours are over after twelve.
    let mut bench = Bench::started(spec()).obey();
    for _ in 0..6 {
        assert_eq!(bench.r().page, None);
        bench.give(&Command::Freeze { name: "lunch".to_owned(), until: bench.now.plus_ms(hour), at: bench.now }).unwrap();
        bench = bench.wait(hour).tick().wait(hour).tick();
    }
    assert!(matches!(bench.r().phase, Phase::Held { why: HoldWhy::InsufficientEvidence, .. }), "{:?}", bench.r().phase);
    // A clock that jumped forward and back gives nothing.
    let mut jumped = Bench::started(spec()).obey();
    let since = jumped.r().attempt_since;
    let far = jumped.now.plus_ms(1_000 * hour);
    jumped.give(&Command::Freeze { name: "far".to_owned(), until: far.plus_ms(hour), at: far }).unwrap();
    jumped.give(&Command::Thaw { at: jumped.now }).unwrap();
    assert_eq!(jumped.r().attempt_since, since);
    // One that jumped over the end of a freeze gives the length of it.
    jumped.give(&Command::Freeze { name: "short".to_owned(), until: jumped.now.plus_ms(hour), at: jumped.now }).unwrap();
    jumped.give(&Command::Tick { at: far }).unwrap();
    assert_eq!(jumped.r().attempt_since, since.plus_ms(hour));
}

#[test]
fn a_split_that_could_not_be_brought_about_is_not_asked_for_in_a_freeze() {
    let (_, mut held) = in_each_phase().into_iter().find(|(name, _)| *name == "promoting, held, frozen").unwrap();
    let asks = |bench: &Bench| effects(&bench.state).iter().any(|e| matches!(e, Effect::SetTraffic { .. }));
    assert!(!asks(&held));
    let refused = held.give(&held.person(resume)).unwrap_err();
    assert!(matches!(refused, Refused::Frozen { command: "resume", .. }), "{refused}");
    assert!(asks(&held.clone().says(abort)), "back to stable, at any time");
    held.give(&Command::Thaw { at: held.now }).unwrap();
    assert!(asks(&held));
    assert!(matches!(held.says(resume).r().phase, Phase::Forward { forward: Forward::Promoting }));
}

#[test]
fn a_watch_does_not_end_in_a_freeze_nor_is_it_undecided_after_one() {
    let (_, mut watching) = in_each_phase().into_iter().find(|(name, _)| *name == "watching").unwrap();
    watching.give(&freeze(watching.now)).unwrap();
    let thawed = watching.wait(FREEZE_MS).verdict(Verdict::Continue).tick();
    assert!(matches!(thawed.r().phase, Phase::Forward { forward: Forward::Watching { .. } }), "{:?}", thawed.r().phase);
    assert!(deadline(&thawed.state).unwrap() > thawed.now, "{:?}", deadline(&thawed.state));
    assert!(matches!(thawed.verdict(Verdict::Continue).r().phase, Phase::Finishing));
}

#[test]
fn what_stands_still_for_weeks_is_judged_less_often_and_always() {
    assert!((0..=EVIDENCE_TICKS_MAX / 2).all(|n| tick_width(n) == 1));
    assert!((1..EVIDENCE_TICKS_MAX).all(|n| (tick_width(n - 1)..=2 * tick_width(n - 1)).contains(&tick_width(n))));
    let ticks: u64 = (0..EVIDENCE_TICKS_MAX).map(tick_width).sum();
    let year_of_seconds = 365 * 24 * 3_600;
    assert!(ticks > year_of_seconds, "{ticks}");
}

#[test]
fn a_release_that_starts_in_a_freeze_loads_and_waits() {
    let mut pending = Bench::started(first_release());
    pending.give(&freeze(pending.now)).unwrap();
    let ready = pending.obey();
    assert!(matches!(ready.r().phase, Phase::Forward { forward: Forward::Pending { .. } }));
    assert_eq!(ready.traffic(), None);
    let on = ready.wait(FREEZE_MS).tick();
    assert!(matches!(on.r().phase, Phase::Forward { forward: Forward::Promoting }));
}

#[test]
fn a_strategy_can_ask_a_person_and_wait_a_while() {
    let steps = vec![
        Step::Shadow { mirror_bp: 10_000, until: Until::Evidence },
        Step::Pause { for_ms: Some(20 * MINUTE_MS) },
        Step::Canary { weights_bp: vec![500, 2_500], min_time_ms: 5 * MINUTE_MS, baseline: super::Baseline::Fresh },
        Step::Pause { for_ms: Some(10 * MINUTE_MS) },
        Step::Pause { for_ms: None },
    ];
    let spec = Spec::build(SpecDraft { steps, ..draft() }).unwrap();
    let at = |b: &Bench| b.r().forward();
    let shadow = Bench::started(spec).obey().wait(19 * MINUTE_MS).verdict(Verdict::Promote);
    assert_eq!(at(&shadow), Some(Forward::Shadow), "the pause is not over");
    assert!(matches!(waiting(&shadow.state), Some(Waiting::Pause { by, .. }) if by == "the strategy"));
    let first = shadow.wait(MINUTE_MS).verdict(Verdict::Promote).obey();
    assert_eq!(at(&first), Some(Forward::Step { index: 0 }));
    let second = first.wait(5 * MINUTE_MS).verdict(Verdict::Continue).obey();
    assert_eq!(at(&second), Some(Forward::Step { index: 1 }), "pauses belong to the last weight alone");
    let waits = second.wait(14 * MINUTE_MS).verdict(Verdict::Promote);
    assert!(matches!(waits.r().phase, Phase::Forward { .. }));
    let asked = waits.wait(MINUTE_MS).verdict(Verdict::Promote);
    assert!(matches!(&asked.r().phase, Phase::Held { why: HoldWhy::Asked, .. }));
    assert_eq!(asked.traffic().map(|t| t.candidate_bp), Some(2_500), "nothing moves meanwhile");
    assert!(goes_back(&asked.clone().verdict(Verdict::Rollback).r().phase), "it is judged all the while");
    let on = asked.says(resume);
    assert_eq!(on.r().let_on.as_ref().map(|on| on.by.as_str()), Some("ada"));
    let suspicious = on.clone().verdict(Verdict::Hold { why: HoldReason::Suspicion });
    assert_eq!(at(&suspicious), Some(Forward::Step { index: 1 }), "a person's word is no evidence");
    let promoting = on.wait(15 * MINUTE_MS).verdict(Verdict::Promote);
    assert_eq!(at(&promoting), Some(Forward::Promoting));
    let retried = promoting.verdict(Verdict::Continue).says(abort).obey().says(retry).obey();
    assert_eq!((retried.r().attempt, retried.r().let_on.clone()), (2, None), "another attempt asks again");
}

#[test]
fn no_more_users_meet_it_than_may() {
    let limited = |max| Spec::build(SpecDraft { exposure_max: Some(max), ..draft() });
    assert!(limited(200).unwrap_err()[0].to_string().contains("the steps need 200 requests: the limit must lie above"));
    // A verdict on the bench tells of 1,000 requests.
    let canary = |max| Bench::started(limited(max).unwrap()).obey().verdict(Verdict::Promote).obey();
    let back = canary(1_000).verdict(Verdict::Continue).obey();
    assert_eq!(back.r().phase, Phase::RolledBack { cause: Cause::Exposed { requests: 1_000 } });
    assert!(!goes_back(&canary(1_000).verdict(Verdict::Promote).r().phase), "with evidence it may go on");
    let mut back = back;
    assert_eq!(back.give(&back.person(retry)).unwrap_err(), Refused::Exposed { exposed: 1_000, max: 1_000 });
    let below = canary(1_500).verdict(Verdict::Continue);
    assert!(!goes_back(&below.r().phase));
    let again = below.says(abort).obey().says(retry).obey().verdict(Verdict::Promote).obey().verdict(Verdict::Continue);
    assert!(goes_back(&again.r().phase), "attempts are added up: {:?}", again.r().phase);
}

#[test]
fn only_a_change_of_verdict_is_recorded() {
    let bench = Bench::started(spec()).obey();
    let verdicts = |b: &Bench| b.events.iter().filter(|e| matches!(e, Event::VerdictReached { .. })).count();
    let unsure = |eta_ms| Verdict::InsufficientEvidence { eta_ms };
    let bench = bench.verdict(unsure(Some(1))).verdict(unsure(Some(2))).verdict(unsure(None));
    assert_eq!(verdicts(&bench), 1);
    let bench = bench.verdict(Verdict::NoTelemetry).verdict(Verdict::NoTelemetry);
    assert_eq!(verdicts(&bench), 2);
    assert!(matches!(waiting(&bench.state), Some(Waiting::Telemetry { .. })));
}

#[test]
fn a_step_needs_time_requests_and_calm() {
    let step = || in_each_phase().into_iter().find(|(name, _)| *name == "step 0").unwrap().1.wait(6 * MINUTE_MS);
    let index = |b: &Bench| matches!(b.r().phase, Phase::Forward { forward: Forward::Step { index: 1 } });
    let judged = |change: &dyn Fn(&mut super::Judged)| {
        let mut bench = step();
        let Command::Judged { mut judged, at } = bench.judged(Verdict::Continue) else { panic!("not judged") };
        change(&mut judged);
        bench.give(&Command::Judged { judged, at }).unwrap();
        bench
    };
    assert!(index(&judged(&|_| ())));
    assert!(!index(&judged(&|j| j.assessment.step_candidate_requests = 99)));
    assert!(!index(&judged(&|j| j.assessment.suspicion = true)));
    let guardrail = |e_rollback| crate::judge::GuardrailAssessment { judged: true, e_rollback, ..Default::default() };
    assert!(!index(&judged(&move |j| j.assessment.guardrails = vec![guardrail(10.5)])));
    assert!(!index(&judged(&move |j| j.assessment.guardrails = vec![guardrail(f64::NAN)])));
    assert!(!index(&judged(&|j| j.step_ticks = 29)));
    assert!(!index(&judged(&|j| j.step = 1)));
    assert!(!index(&judged(&|j| j.mode = Mode::Shadow)));
    assert!(!index(&judged(&|j| j.attempt = 2)));
    let last = in_each_phase().into_iter().find(|(name, _)| *name == "step 1").unwrap().1.wait(6 * MINUTE_MS).verdict(Verdict::Continue);
    assert!(matches!(last.r().phase, Phase::Forward { forward: Forward::Step { index: 1 } }), "the last step needs evidence");
}

#[test]
fn a_lost_control_takes_users_off_the_candidate() {
    let step = in_each_phase().into_iter().find(|(name, _)| *name == "step 0").unwrap().1.lost(Role::Control);
    assert_eq!(step.traffic(), Some(Traffic::STABLE));
    assert!(matches!(&step.r().phase, Phase::Held { .. }));
    let back = step.obey().says(resume).obey();
    assert!(matches!(back.r().phase, Phase::Forward { forward: Forward::Step { index: 0 } }));
    let watching = in_each_phase().into_iter().find(|(name, _)| *name == "watching").unwrap().1.lost(Role::Control).obey();
    assert_eq!(watching.traffic(), Some(Traffic { stable_bp: 500, candidate_bp: 9_500, control_bp: 0, mirror_bp: 0, preview: false }));
    let back = watching.clone().says(resume).obey();
    assert!(matches!(back.r().phase, Phase::Forward { forward: Forward::Watching { .. } }));
    assert_eq!(back.traffic().map(|t| t.control_bp), Some(500));
    // In a freeze too: nobody new meets the candidate, and it is compared again.
    let mut frozen = watching;
    frozen.give(&freeze(frozen.now)).unwrap();
    let back = frozen.says(resume).obey();
    assert!(matches!(back.r().phase, Phase::Forward { forward: Forward::Watching { .. } }));
    assert_eq!(back.traffic().map(|t| t.control_bp), Some(500));
}

#[test]
fn last_moves_with_both_versions_lost_end_with_the_one_that_comes_back() {
    let finishing = in_each_phase().into_iter().find(|(name, _)| *name == "finishing").unwrap().1;
    let lost = finishing.lost(Role::Stable).lost(Role::Candidate);
    assert_eq!(told(&lost.events[lost.events.len() - 4..]), "candidate failed, page 2, load candidate, load stable");
    let of = |bench: &Bench, role: Role| Command::WorkerReady { role, generation: bench.r().workers.of(role).generation, at: bench.now };
    let (mut new, mut old) = (lost.clone(), lost.clone());
    new.give(&of(&new, Role::Candidate)).unwrap();
    assert_eq!(new.obey().r().phase, Phase::Done);
    // The new version cannot be had: it is tried again with each page, and the old one takes over when it can.
    old = old.lost(Role::Candidate).lost(Role::Stable).wait(61 * MINUTE_MS).tick();
    assert_eq!(told(&old.events[old.events.len() - 3..]), "page 5, load candidate, load stable");
    old = old.lost(Role::Candidate);
    old.give(&of(&old, Role::Stable)).unwrap();
    let old = old.obey();
    assert!(matches!(&old.r().phase, Phase::RolledBack { cause: Cause::CandidateFailed { .. } }), "{:?}", old.r().phase);
    assert_eq!(old.traffic(), Some(Traffic::STABLE));
}

#[test]
fn an_undo_loads_the_old_version_before_it_gets_weight() {
    let done = in_each_phase().into_iter().find(|(name, _)| *name == "done").unwrap().1;
    let mut undone = done.clone();
    let events = undone.give(&undone.person(undo)).unwrap();
    assert_eq!(told(&events), "rollback began, load stable");
    let undone = undone.obey();
    assert_eq!(undone.traffic(), Some(Traffic::STABLE));
    assert!(matches!(&undone.r().phase, Phase::RolledBack { cause: Cause::Undone { .. } }));
}

#[test]
fn drafts_are_refused_with_all_their_problems() {
    let draft = SpecDraft {
        candidate: "1".to_owned(),
        steps: vec![
            Step::Canary { weights_bp: vec![2_500, 500, 6_000], min_time_ms: 0, baseline: super::Baseline::Fresh },
            Step::Shadow { mirror_bp: 0, until: Until::Evidence },
        ],
        deadlines: Deadlines { load_ms: 0, ..Deadlines::default() },
        ..draft()
    };
    let problems: Vec<String> = Spec::build(draft).unwrap_err().iter().map(ToString::to_string).collect();
    expect![[r#"
        rollout of `late-arrival`: candidate: version 1 is already the one that serves: release another version
        rollout of `late-arrival`: canary: weight 500 does not rise above 2500: weights must ascend
        rollout of `late-arrival`: canary: weight of 6000 basis points: 1 to 5000, for the control takes the same share
        rollout of `late-arrival`: steps: a shadow comes before every canary, and once: users have seen the candidate in a canary before it
        rollout of `late-arrival`: shadow: 0 basis points: mirror 1 to 10000 of them
        rollout of `late-arrival`: load_ms: a deadline of zero has always passed"#]]
    .assert_eq(&problems.join("\n"));
}
