//! The operator: meddles while it storms; afterwards answers pages, and gives up on what does not get better. Beside it the
//! calendar, which freezes.

use crate::scenario::{Scenario, TICK_MS};
use tidegate_core::id::At;
use tidegate_core::rollout::{Command, Forward, Phase, Rollout};
use tidegate_stats::rng::Rng;

/// Ticks after the healing until a forgotten pause is let go.
const PAUSE_TICKS: u64 = 60;
/// Ticks after which a page is answered.
const ANSWER_TICKS: u64 = 6;
/// Times that a hold is resumed before the rollout is aborted.
const RESUMES_MAX: u32 = 3;
/// Retries after a rollback.
const RETRIES_MAX: u32 = 2;

#[derive(Debug, Default)]
pub(crate) struct Operator {
    held_ticks: u64,
    healed_ticks: u64,
    resumes: u32,
    retries: u32,
    paused: bool,
    ticks: u64,
    thaws_at: Option<At>,
}

impl Operator {
    /// What the calendar says at this tick; it says it again until it is heard.
    pub(crate) fn calendar(&mut self, r: &Rollout, scenario: &Scenario, at: At) -> Option<Command> {
        let (from, length) = scenario.freeze?;
        self.ticks += 1;
        if self.ticks < from {
            return None;
        }
        let until = *self.thaws_at.get_or_insert(at.plus_ms(length * TICK_MS));
        // an ended release is told nothing: what happens to it concerns the operator alone
        (r.frozen.is_none() && r.forward().is_some() && at < until).then(|| Command::Freeze { name: "year-end".to_owned(), until, at })
    }

    /// What the operator wants at this tick.
    pub(crate) fn wants(&mut self, r: &Rollout, healed: bool, scenario: &Scenario, at: At, rng: &mut Rng) -> Option<Command> {
        let by = "operator".to_owned();
        let reason = "as the seed says".to_owned();
        // in a freeze the control plane refuses it
        let frozen = self.thaws_at.is_some_and(|until| at < until);
        let tries = !frozen && self.retries < RETRIES_MAX && rng.chance(0.15);
        if let (Phase::RolledBack { .. } | Phase::Aborted { .. }, true) = (&r.phase, tries) {
            self.retries += 1;
            return Some(Command::Retry { by, reason, at });
        }
        if scenario.pauses_canary && !self.paused && matches!(r.forward(), Some(Forward::Step { .. })) {
            self.paused = true;
            return Some(Command::Pause { by, reason, at });
        }
        if !healed {
            return if rng.chance(scenario.meddles) { Some(meddling(by, reason, at, rng)) } else { None };
        }
        self.healed_ticks += 1;
        self.held_ticks = if matches!(r.phase, Phase::Held { .. }) { self.held_ticks + 1 } else { 0 };
        if self.held_ticks >= ANSWER_TICKS && r.page.as_ref().is_some_and(|p| p.delivered) {
            self.held_ticks = 0;
            self.resumes += 1;
            return Some(if self.resumes > RESUMES_MAX { Command::Abort { by, reason, at } } else { Command::Resume { by, at } });
        }
        (r.paused.is_some() && self.healed_ticks >= PAUSE_TICKS).then_some(Command::Resume { by, at })
    }
}

fn meddling(by: String, reason: String, at: At, rng: &mut Rng) -> Command {
    match rng.below(10) {
        0..=3 => Command::Pause { by, reason, at },
        4..=6 => Command::Resume { by, at },
        7 => Command::Abort { by, reason, at },
        8 => Command::Undo { by, reason, at },
        _ => Command::Promote { by, reason, at },
    }
}
