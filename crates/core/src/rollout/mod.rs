//! The rollout machine: carries one version of one model into one service, or back out of it.
//!
//! ```text
//! Pending ─▶ Preview ─▶ Shadow ─▶ Step(0) ─▶ Step(i) ─▶ Promoting ─▶ Watching ─▶ Finishing ─▶ Done
//!    │           │          │          │          │           │            │           │          │ undo
//!    └───────────┴──────────┴──────────┴──┬───────┴───────────┴────────────┴───────────┴──────────┘
//!            ┌────────────────────────────┴─────┐
//!            ▼ a deadline, a lost worker        ▼ failed verdict, dead candidate, abort, undo
//!          Held ─▶ (a person) ─▶ where it was   RollingBack ─▶ RolledBack | Aborted ─▶ (retry) ─▶ Pending
//! ```
//!
//! Rules that hold by construction, each with a test: ready (golden answers right) before weight; load
//! before unload; stable stays warm until the watch has ended; a failed verdict is absorbing; every
//! state that waits has a deadline; a pause or a freeze stops progress and not the judge; each effect names the
//! wanted end state and a generation, so that doing it twice is harmless and a late answer is ignored.
//!
//! Not here: how evidence is counted or judged (`judge`), how traffic is split (`route`), who carries
//! out the effects (the engine's driver and its host).

mod check;
mod command;
mod decide;
mod effects;
mod event;
mod evolve;
mod judged;
mod settle;
mod spec;
mod state;
mod telling;
mod waiting;

#[cfg(test)]
mod properties;
#[cfg(test)]
mod table;
#[cfg(test)]
mod testbed;

pub use check::{Note, check};
pub use command::{Command, Judged, Refused};
pub use effects::{Effect, deadline, effects};
pub use event::{Cause, Event, HoldWhy, PageReason, Promoter, ended_by};
pub use spec::{
    Baseline, DURATION_MS_MAX, Deadlines, EVIDENCE_TICKS_MAX, Pauses, Promotion, STAGES_MAX, Spec, SpecDraft, SpecError, Stage, Step,
    Until, modes, tick_width,
};
pub use state::{
    Forward, Frozen, Judgement, LetOn, Page, Pause, Phase, Role, Rollout, State, Traffic, WantedTraffic, Worker, WorkerState, Workers,
};
pub use waiting::{Waiting, waiting};

use crate::machine::Machine;

/// Most attempts of one change; the alpha left by then is too small to be worth a try.
pub const ATTEMPTS_MAX: u32 = 20;

/// The rollout machine; its streams are `rollout/<service>/<number>`.
#[derive(Clone, Copy, Debug)]
pub struct Rollouts;

impl Rollouts {
    /// The name of the stream of a service's rollout.
    #[must_use]
    pub fn stream(service: &str, number: u64) -> String {
        format!("{}/{service}/{number}", Self::KIND)
    }
}

impl Machine for Rollouts {
    const KIND: &'static str = "rollout";
    type State = State;
    type Command = Command;
    type Event = Event;
    type Refused = Refused;

    fn decide(state: &State, command: &Command) -> Result<Vec<Event>, Refused> {
        decide::decide(state, command)
    }

    fn evolve(state: State, event: &Event) -> State {
        evolve::evolve(state, event)
    }
}
