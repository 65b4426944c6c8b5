//! Rules over a whole state, written apart from the code that makes states: what may never be true.

use super::state::{Forward, Phase, Role, State, WorkerState};
use crate::judge::Verdict;

/// A rule that a state breaks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// The rule, as a name.
    pub rule: &'static str,
    /// What was found.
    pub found: String,
}

/// The rules that `state` breaks; none in a sound state.
#[must_use]
pub fn check(state: &State) -> Vec<Note> {
    let Some(r) = state.rollout() else { return vec![] };
    let mut notes = vec![];
    let mut rule = |good: bool, rule: &'static str, found: String| {
        if !good {
            notes.push(Note { rule, found });
        }
    };
    let phase = r.phase.name();
    if let Some(wanted) = &r.traffic {
        let t = wanted.traffic;
        rule(t.stable_bp + t.candidate_bp + t.control_bp == 10_000, "weights sum to 10000", format!("{t:?}"));
        rule(t.mirror_bp <= 10_000, "a mirror copies each request at most once", format!("{t:?}"));
        rule(wanted.generation <= r.generation, "generations are given out in order", format!("{} of {}", wanted.generation, r.generation));
        for role in Role::ALL {
            let state = &r.workers.of(role).state;
            // a lost worker keeps its share only while nothing could take it over
            let answers = matches!(state, WorkerState::Ready | WorkerState::Failed { .. });
            // a worker under repair after a hold may be loading with the share that it had
            let repairs = matches!(
                r.phase,
                Phase::Forward { forward: Forward::Pending { .. } } | Phase::Held { .. } | Phase::Finishing | Phase::RollingBack { .. }
            );
            let repair = repairs && *state == WorkerState::Loading;
            let gone_with_the_rollout = r.phase.is_terminal();
            rule(
                !t.reaches(role) || answers || repair || gone_with_the_rollout,
                "ready before weight",
                format!("{phase}: {role} is {state:?} with {t:?}"),
            );
        }
    }
    if let Some(failed) = &r.failed {
        let going_back = matches!(r.phase, Phase::RollingBack { .. } | Phase::RolledBack { .. } | Phase::Aborted { .. });
        rule(going_back, "a failed verdict is absorbing", format!("{phase} after a failed verdict"));
        rule(
            failed.assessment.verdict == Verdict::Rollback,
            "only a rollback verdict fails an attempt",
            format!("{:?}", failed.assessment.verdict),
        );
    }
    let before_the_end = matches!(&r.phase, Phase::Forward { forward } if !matches!(forward, Forward::Pending { .. }));
    if before_the_end && r.spec.stable.is_some() {
        let by_person = matches!(r.promoted_by, Some(super::Promoter::Person { .. }));
        let lost = matches!(r.workers.stable.state, WorkerState::Failed { .. });
        rule(
            r.workers.ready(Role::Stable) || (by_person && lost),
            "stable is warm until the watch ends",
            format!("{phase}: {:?}", r.workers.stable.state),
        );
    }
    let promoted =
        matches!(r.phase, Phase::Forward { forward: Forward::Promoting | Forward::Watching { .. } } | Phase::Finishing | Phase::Done);
    rule(!promoted || r.promoted_by.is_some(), "a promotion has somebody's word", phase.to_owned());
    if let Phase::Held { .. } = r.phase {
        rule(r.page.is_some(), "a hold calls a person", phase.to_owned());
    }
    rule(r.phase.is_terminal() || super::deadline(state).is_some(), "every waiting state has a deadline", phase.to_owned());
    rule(r.phase.is_terminal() == super::waiting(state).is_none(), "waiting is a value", format!("{phase}: {:?}", r.waiting));
    rule(r.waiting == super::waiting(state), "waiting is stored with the state", format!("{:?}", r.waiting));
    if r.phase.is_terminal() {
        rule(r.workers.absent(Role::Control), "a finished rollout leaves no control behind", format!("{:?}", r.workers.control.state));
        let other = if r.phase == Phase::Done { Role::Stable } else { Role::Candidate };
        rule(r.workers.absent(other), "a finished rollout leaves no other version behind", format!("{phase}: {other}"));
    }
    notes
}
