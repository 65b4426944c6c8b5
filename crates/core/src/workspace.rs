//! The loop of one workspace as a machine: acts that bring a change round the loop, each with its outcome.
//!
//! An act is a change (the workspace as it stands, or an overlay of changed files) taken through build, gate and
//! release, or a watch that ends when drift is found. Its stream is `workspace/loop`. Not here: what an act does.

use crate::id::{At, Digest};
use crate::machine::Machine;
use serde::{Deserialize, Serialize};

/// Longest list of acts in a scenario.
pub const ACTS_MAX: usize = 64;

/// How an act ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// The version serves; there was none before it.
    Live,
    /// The version replaced the one before it.
    Promoted,
    /// Stopped while only mirrored requests had met it.
    StoppedInShadow,
    /// Stopped while a share of live requests met it.
    RolledBack,
    /// A gate or a contract did not let it pass.
    Refused,
    /// Held for a person or by its deadline.
    Held,
    /// Drift was found.
    DriftFound,
    /// The watch ended without drift.
    NoDrift,
    /// Something broke; the note says what.
    Failed,
}

impl Outcome {
    /// In words.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Outcome::Live => "live",
            Outcome::Promoted => "promoted",
            Outcome::StoppedInShadow => "stopped in shadow",
            Outcome::RolledBack => "rolled back",
            Outcome::Refused => "refused by a gate",
            Outcome::Held => "held",
            Outcome::DriftFound => "drift found",
            Outcome::NoDrift => "no drift",
            Outcome::Failed => "failed",
        }
    }
}

/// What happened in the loop.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// A loop began.
    Started {
        /// Names of its acts.
        acts: Vec<String>,
        /// Digest of the scenario that they come from.
        scenario: Digest,
        /// When.
        at: At,
    },
    /// An act began.
    ActStarted {
        /// Index from 0.
        act: usize,
        /// When.
        at: At,
    },
    /// Something to remember of the act that runs.
    Noted {
        /// Index from 0.
        act: usize,
        /// What it is about, as `version`, `rollout`, `drift`.
        about: String,
        /// The fact.
        value: serde_json::Value,
        /// When.
        at: At,
    },
    /// An act ended.
    ActFinished {
        /// Index from 0.
        act: usize,
        /// How.
        outcome: Outcome,
        /// In a sentence.
        summary: String,
        /// When.
        at: At,
    },
    /// Every act ended.
    Finished {
        /// Whether each act ended as its scenario expects.
        as_expected: bool,
        /// When.
        at: At,
    },
}

/// What somebody wants of the loop.
#[derive(Clone, Debug, PartialEq)]
pub enum Command {
    /// Begin, or go on with the same scenario.
    Start {
        /// Names of the acts.
        acts: Vec<String>,
        /// Digest of the scenario.
        scenario: Digest,
        /// When.
        at: At,
    },
    /// Begin an act; the one before it must have ended.
    StartAct {
        /// Index from 0.
        act: usize,
        /// When.
        at: At,
    },
    /// Remember something.
    Note {
        /// Index from 0.
        act: usize,
        /// What it is about.
        about: String,
        /// The fact.
        value: serde_json::Value,
        /// When.
        at: At,
    },
    /// End an act.
    FinishAct {
        /// Index from 0.
        act: usize,
        /// How.
        outcome: Outcome,
        /// In a sentence.
        summary: String,
        /// When.
        at: At,
    },
    /// End the loop.
    Finish {
        /// Whether each act ended as its scenario expects.
        as_expected: bool,
        /// When.
        at: At,
    },
}

/// Why a command did nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// A loop of another scenario has begun here.
    #[error("start the loop: another scenario (digest {running}) is under way here: finish it, or move `.tidegate` away to begin anew")]
    OtherScenario {
        /// Digest of the one that runs, short.
        running: String,
    },
    /// There is nothing to go on with.
    #[error("{what}: act {act} is not the one that runs: `tidegate status` shows where the loop stands")]
    NotRunning {
        /// Operation.
        what: &'static str,
        /// Index.
        act: usize,
    },
    /// Too many acts.
    #[error("start the loop: {acts} acts are over the limit of {ACTS_MAX}: split the scenario")]
    TooManyActs {
        /// How many.
        acts: usize,
    },
}

/// One act's fold.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Act {
    /// Its name.
    pub name: String,
    /// When it began.
    pub started: Option<At>,
    /// When and how it ended, with a sentence.
    pub finished: Option<(At, Outcome, String)>,
    /// What was noted, newest last.
    pub notes: Vec<(String, serde_json::Value)>,
}

impl Act {
    /// The newest note about `about`.
    #[must_use]
    pub fn note(&self, about: &str) -> Option<&serde_json::Value> {
        self.notes.iter().rev().find(|(a, _)| a == about).map(|(_, v)| v)
    }
}

/// The loop's fold.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct State {
    /// Digest of the scenario.
    pub scenario: Option<Digest>,
    /// When it began.
    pub started: Option<At>,
    /// Its acts.
    pub acts: Vec<Act>,
    /// When it ended, and whether as expected.
    pub finished: Option<(At, bool)>,
}

impl State {
    /// Index of the first act that has not ended.
    #[must_use]
    pub fn current(&self) -> Option<usize> {
        self.acts.iter().position(|a| a.finished.is_none())
    }
}

/// The loop of a workspace.
#[derive(Clone, Copy, Debug)]
pub struct Loop;

impl Machine for Loop {
    const KIND: &'static str = "workspace";
    type State = State;
    type Command = Command;
    type Event = Event;
    type Refused = Refused;

    fn decide(state: &State, command: &Command) -> Result<Vec<Event>, Refused> {
        match command {
            Command::Start { acts, scenario, at } => start(state, acts, scenario, *at),
            Command::StartAct { act, at } => {
                running(state, *act, "start an act")?;
                let begun = state.acts.get(*act).is_some_and(|a| a.started.is_some());
                Ok(if begun { vec![] } else { vec![Event::ActStarted { act: *act, at: *at }] })
            }
            Command::Note { act, about, value, at } => {
                running(state, *act, "note")?;
                let known = state.acts.get(*act).and_then(|a| a.note(about)) == Some(value);
                Ok(if known { vec![] } else { vec![Event::Noted { act: *act, about: about.clone(), value: value.clone(), at: *at }] })
            }
            Command::FinishAct { act, outcome, summary, at } => {
                running(state, *act, "end an act")?;
                Ok(vec![Event::ActFinished { act: *act, outcome: *outcome, summary: summary.clone(), at: *at }])
            }
            Command::Finish { as_expected, at } => match state.current() {
                Some(act) => Err(Refused::NotRunning { what: "end the loop", act }),
                None if state.finished.is_some() => Ok(vec![]),
                None => Ok(vec![Event::Finished { as_expected: *as_expected, at: *at }]),
            },
        }
    }

    fn evolve(mut state: State, event: &Event) -> State {
        match event {
            Event::Started { acts, scenario, at } => {
                let acts = acts.iter().map(|name| Act { name: name.clone(), ..Act::default() }).collect();
                return State { scenario: Some(scenario.clone()), started: Some(*at), acts, finished: None };
            }
            Event::ActStarted { act, at } => {
                if let Some(a) = state.acts.get_mut(*act) {
                    a.started = Some(*at);
                }
            }
            Event::Noted { act, about, value, .. } => {
                if let Some(a) = state.acts.get_mut(*act) {
                    a.notes.push((about.clone(), value.clone()));
                }
            }
            Event::ActFinished { act, outcome, summary, at } => {
                if let Some(a) = state.acts.get_mut(*act) {
                    a.finished = Some((*at, *outcome, summary.clone()));
                }
            }
            Event::Finished { as_expected, at } => state.finished = Some((*at, *as_expected)),
        }
        state
    }
}

fn start(state: &State, acts: &[String], scenario: &Digest, at: At) -> Result<Vec<Event>, Refused> {
    if acts.len() > ACTS_MAX {
        return Err(Refused::TooManyActs { acts: acts.len() });
    }
    match &state.scenario {
        Some(running) if state.finished.is_none() && running != scenario => {
            Err(Refused::OtherScenario { running: running.short().to_owned() })
        }
        Some(running) if running == scenario => Ok(vec![]),
        Some(_) | None => Ok(vec![Event::Started { acts: acts.to_vec(), scenario: scenario.clone(), at }]),
    }
}

/// Only the first act that has not ended may go on.
fn running(state: &State, act: usize, what: &'static str) -> Result<(), Refused> {
    if state.current() == Some(act) { Ok(()) } else { Err(Refused::NotRunning { what, act }) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn acts(n: usize) -> Vec<String> {
        (0..n).map(|i| format!("act {i}")).collect()
    }

    fn apply(state: State, command: &Command) -> State {
        Loop::decide(&state, command).unwrap().iter().fold(state, Loop::evolve)
    }

    #[test]
    fn acts_run_in_order_and_resume() {
        let scenario = Digest::of(b"s");
        let state = apply(State::default(), &Command::Start { acts: acts(2), scenario: scenario.clone(), at: At(1) });
        let early = Command::StartAct { act: 1, at: At(2) };
        assert_eq!(Loop::decide(&state, &early), Err(Refused::NotRunning { what: "start an act", act: 1 }));
        let state = apply(state, &Command::StartAct { act: 0, at: At(2) });
        let again = Command::Start { acts: acts(2), scenario, at: At(3) };
        assert_eq!(Loop::decide(&state, &again), Ok(vec![]), "the same scenario goes on");
        let state = apply(state, &Command::FinishAct { act: 0, outcome: Outcome::Live, summary: "x".into(), at: At(4) });
        assert_eq!(state.current(), Some(1));
        assert!(Loop::decide(&state, &Command::Finish { as_expected: true, at: At(5) }).is_err());
    }

    #[test]
    fn another_scenario_waits_for_the_first() {
        let state = apply(State::default(), &Command::Start { acts: acts(1), scenario: Digest::of(b"a"), at: At(1) });
        let other = Command::Start { acts: acts(1), scenario: Digest::of(b"b"), at: At(2) };
        assert!(matches!(Loop::decide(&state, &other), Err(Refused::OtherScenario { .. })));
    }
}
