//! Whatever is commanded in whatever order: the whole-state rules hold, a failure stays, replay is the state.

use super::testbed::{Bench, MINUTE_MS, abort, blue_green, first_release, goes_back, pause, promote, resume, retry, spec, undo};
use super::{Command, Event, Phase, Role, Rollouts, Traffic, check, deadline, effects};
use crate::judge::{HoldReason, Verdict};
use crate::machine::Machine;
use proptest::prelude::*;

/// A command from two numbers: mostly one that fits, at times a stale or absurd one.
fn command(bench: &Bench, what: u8, which: u8) -> Command {
    let at = bench.now;
    let r = bench.r();
    let role = Role::ALL[usize::from(which) % 3];
    let generation = if which.is_multiple_of(7) { r.generation.saturating_sub(1) } else { r.workers.of(role).generation };
    let verdicts = [
        Verdict::Promote,
        Verdict::Continue,
        Verdict::Rollback,
        Verdict::InsufficientEvidence { eta_ms: Some(1) },
        Verdict::NoTelemetry,
        Verdict::Hold { why: HoldReason::Suspicion },
    ];
    match what % 16 {
        0..=3 => {
            let wanted: Vec<Command> = effects(&bench.state).iter().filter_map(|e| e.carried_out(at)).collect();
            wanted.get(usize::from(which) % wanted.len().max(1)).cloned().unwrap_or(Command::Tick { at })
        }
        4 => Command::WorkerFailed { role, generation, reason: "killed".to_owned(), at },
        5 => Command::WorkerReady { role, generation, at },
        6 => Command::Unloaded { role, generation, at },
        7 => Command::TrafficApplied { generation: r.generation.saturating_sub(u64::from(which % 3)), at },
        8 | 9 => bench.judged(verdicts[usize::from(which) % 2].clone()),
        10 => bench.judged(verdicts[usize::from(which) % 6].clone()),
        11 => bench.person(if which.is_multiple_of(2) { pause } else { resume }),
        12 => bench.person(if which.is_multiple_of(4) { promote } else { resume }),
        13 => bench.person(if which.is_multiple_of(8) { abort } else { retry }),
        14 if which.is_multiple_of(4) => {
            Command::Freeze { name: "year-end".to_owned(), until: at.plus_ms(MINUTE_MS * u64::from(which)), at }
        }
        14 if which.is_multiple_of(9) => Command::Thaw { at },
        14 => bench.person(undo),
        _ => Command::Tick { at: deadline(&bench.state).unwrap_or(at).max(at) },
    }
}

fn candidate_bp(events: &[Event]) -> u32 {
    let wanted = events.iter().filter_map(|e| if let Event::TrafficWanted { traffic, .. } = e { Some(traffic.candidate_bp) } else { None });
    wanted.max().unwrap_or(0)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn rules_hold_whatever_is_commanded(script in proptest::collection::vec((any::<u8>(), any::<u8>()), 1..120), kind in 0_u8..4) {
        let mut bench = Bench::started(match kind {
            0 => first_release(),
            1 => blue_green(None),
            2 => blue_green(Some(20 * MINUTE_MS)),
            _ => spec(),
        });
        let mut failed_attempt = 0;
        for (what, which) in script {
            bench.now = bench.now.plus_ms(MINUTE_MS * u64::from(which % 9));
            let command = command(&bench, what, which);
            let before = bench.state.clone();
            match bench.give(&command) {
                Err(_) => prop_assert_eq!(&bench.state, &before),
                Ok(events) => {
                    if failed_attempt == bench.r().attempt {
                        prop_assert!(goes_back(&bench.r().phase), "{:?} after a failed verdict", bench.r().phase);
                        prop_assert_eq!(candidate_bp(&events), 0);
                    }
                    if events.iter().any(|e| matches!(e, Event::VerdictReached { assessment, .. } if assessment.verdict == Verdict::Rollback)) {
                        failed_attempt = bench.r().attempt;
                    }
                    let json = serde_json::to_string(&events).unwrap();
                    prop_assert_eq!(serde_json::from_str::<Vec<Event>>(&json).unwrap(), events);
                }
            }
            prop_assert_eq!(check(&bench.state), vec![], "after {}", command.name());
        }
        prop_assert_eq!(Rollouts::replay(bench.events.iter()), bench.state);
    }

    /// From wherever a script leads, an honest data plane and a person who aborts or resumes end it.
    #[test]
    fn every_state_has_a_way_to_an_end(script in proptest::collection::vec((any::<u8>(), any::<u8>()), 1..60), blue in any::<bool>()) {
        let mut bench = Bench::started(if blue { blue_green(None) } else { spec() });
        for (what, which) in script {
            bench.now = bench.now.plus_ms(MINUTE_MS * u64::from(which % 9));
            let command = command(&bench, what, which);
            let _ = bench.give(&command);
        }
        bench = bench.obey();
        let abort = bench.person(abort);
        let _ = bench.give(&abort);
        for _ in 0..5 {
            bench.now = deadline(&bench.state).unwrap_or(bench.now).max(bench.now);
            bench = bench.tick().obey();
        }
        prop_assert!(bench.r().phase.is_terminal(), "{:?}", bench.r());
        let end = if bench.r().phase == Phase::Done { Traffic::CANDIDATE } else { Traffic::STABLE };
        prop_assert!(bench.traffic().is_none_or(|t| t == end));
    }
}
