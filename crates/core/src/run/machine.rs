//! Commands, facts, state, `decide` and `evolve` of a run.

use crate::id::{At, Digest};
use crate::machine::Machine;
use crate::pipeline::Reason;
use indexmap::IndexMap;
use serde::{Deserialize, Serialize};

/// What a path contained.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileFact {
    /// MD5 as in the lock file, `.dir` behind that of a directory.
    pub md5: String,
    /// Digest of the content; of a directory, of its listing.
    pub digest: Digest,
    /// Size in bytes.
    pub size_bytes: u64,
}

/// What a run starts from.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Start {
    /// The pipeline's file.
    pub pipeline: String,
    /// Code revision; `none` without one.
    pub code: String,
    /// Digest of what differs from that revision.
    pub dirty: Option<Digest>,
    /// Digest of the environment's lock file.
    pub environment: Option<Digest>,
    /// Parameters by file.
    pub params: serde_json::Value,
    /// What was asked for; all stages when empty.
    pub targets: Vec<String>,
    /// Name of the change that asked for it.
    pub change: String,
    /// Processor and number of cores.
    pub hardware: String,
}

/// Why a stage was skipped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SkippedWhy {
    /// Nothing that it depends on changed.
    Unchanged,
    /// It is frozen.
    Frozen,
}

/// Where a stage's outputs were restored from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RestoredFrom {
    /// The run that the lock file records.
    Lock,
    /// An earlier run with the same inputs.
    RunCache,
}

/// How a run ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum Outcome {
    /// All stages are up to date.
    Succeeded,
    /// A stage failed.
    Failed {
        /// Its name.
        stage: String,
    },
    /// Somebody stopped it.
    Cancelled,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// The run started.
    Started {
        /// From what.
        start: Box<Start>,
        /// When.
        at: At,
    },
    /// A stage runs.
    StageStarted {
        /// The stage.
        stage: String,
        /// Why.
        reasons: Vec<Reason>,
        /// When.
        at: At,
    },
    /// A stage was skipped.
    StageSkipped {
        /// The stage.
        stage: String,
        /// Why.
        why: SkippedWhy,
        /// When.
        at: At,
    },
    /// A stage's outputs came from the cache.
    StageRestored {
        /// The stage.
        stage: String,
        /// From where.
        from: RestoredFrom,
        /// Its outputs by path.
        outs: IndexMap<String, FileFact>,
        /// When.
        at: At,
    },
    /// A stage ran to its end.
    StageFinished {
        /// The stage.
        stage: String,
        /// Its inputs by path.
        deps: IndexMap<String, FileFact>,
        /// Its outputs by path.
        outs: IndexMap<String, FileFact>,
        /// How long it ran.
        duration_ms: u64,
        /// When.
        at: At,
    },
    /// A stage failed.
    StageFailed {
        /// The stage.
        stage: String,
        /// Exit code, where it has one.
        exit: Option<i32>,
        /// What went wrong, in a sentence.
        message: String,
        /// The last lines that it wrote.
        tail: Vec<String>,
        /// When.
        at: At,
    },
    /// The run ended.
    Finished {
        /// How.
        outcome: Outcome,
        /// Metrics by file.
        metrics: serde_json::Value,
        /// When.
        at: At,
    },
    /// The process that ran it died.
    Interrupted {
        /// When that was found.
        at: At,
    },
}

/// What somebody wants of a run.
#[derive(Clone, Debug, PartialEq)]
pub enum Command {
    /// Start it.
    Start(Box<Start>, At),
    /// Record a fact about a stage or the end: any event but `Started` and `Interrupted`.
    Record(Event),
    /// Record that its process died.
    Interrupt(At),
}

/// Where a run stands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Phase {
    /// Never started.
    #[default]
    Absent,
    /// Running.
    Running,
    /// Ended.
    Finished(Outcome),
    /// Its process died.
    Interrupted,
}

/// Where a stage of a run stands.
#[derive(Clone, Debug, PartialEq)]
pub enum StagePhase {
    /// It runs since then.
    Running {
        /// Since when.
        since: At,
    },
    /// Skipped.
    Skipped(SkippedWhy),
    /// Restored.
    Restored(RestoredFrom),
    /// Ran.
    Ran {
        /// How long.
        duration_ms: u64,
    },
    /// Failed.
    Failed {
        /// Why.
        message: String,
    },
}

/// A run's fold.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct State {
    /// Where it stands.
    pub phase: Phase,
    /// What it started from.
    pub start: Start,
    /// When it started.
    pub started: At,
    /// When it ended.
    pub ended: Option<At>,
    /// Its stages.
    pub stages: IndexMap<String, StagePhase>,
    /// Why each stage that started did.
    pub reasons: IndexMap<String, Vec<Reason>>,
    /// Inputs by path.
    pub deps: IndexMap<String, FileFact>,
    /// Outputs by path.
    pub outs: IndexMap<String, FileFact>,
    /// Metrics by file.
    pub metrics: serde_json::Value,
}

/// Why a command did nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// Started twice.
    #[error("start the run: it has started before; a new attempt is a new run")]
    AlreadyStarted,
    /// Not running.
    #[error("record {what}: the run is not running")]
    NotRunning {
        /// What.
        what: String,
    },
    /// A stage that ended cannot end again.
    #[error("record the end of stage `{stage}`: it has ended before in this run")]
    StageEnded {
        /// The stage.
        stage: String,
    },
    /// `Started` and `Interrupted` have commands of their own.
    #[error("record {what}: it has a command of its own")]
    NotRecordable {
        /// What.
        what: String,
    },
    /// Cannot succeed with a failed or running stage.
    #[error("finish the run as succeeded: stage `{stage}` has not succeeded")]
    StageOpen {
        /// The stage.
        stage: String,
    },
}

/// A run of a pipeline; its stream is `run/<id>`.
#[derive(Clone, Copy, Debug)]
pub struct Runs;

impl Machine for Runs {
    const KIND: &'static str = "run";
    type State = State;
    type Command = Command;
    type Event = Event;
    type Refused = Refused;

    fn decide(state: &State, command: &Command) -> Result<Vec<Event>, Refused> {
        match command {
            Command::Start(start, at) => match state.phase {
                Phase::Absent => Ok(vec![Event::Started { start: start.clone(), at: *at }]),
                Phase::Running | Phase::Finished(_) | Phase::Interrupted => Err(Refused::AlreadyStarted),
            },
            Command::Record(event) => record(state, event),
            Command::Interrupt(at) => match state.phase {
                Phase::Running => Ok(vec![Event::Interrupted { at: *at }]),
                Phase::Finished(_) | Phase::Interrupted => Ok(vec![]),
                Phase::Absent => Err(Refused::NotRunning { what: "the interruption".to_owned() }),
            },
        }
    }

    fn evolve(mut state: State, event: &Event) -> State {
        match event {
            Event::Started { start, at } => {
                state.phase = Phase::Running;
                state.start = (**start).clone();
                state.started = *at;
            }
            Event::StageStarted { stage, reasons, at } => {
                state.stages.insert(stage.clone(), StagePhase::Running { since: *at });
                state.reasons.insert(stage.clone(), reasons.clone());
            }
            Event::StageSkipped { stage, why, .. } => {
                state.stages.insert(stage.clone(), StagePhase::Skipped(*why));
            }
            Event::StageRestored { stage, from, outs, .. } => {
                state.stages.insert(stage.clone(), StagePhase::Restored(*from));
                state.outs.extend(outs.clone());
            }
            Event::StageFinished { stage, deps, outs, duration_ms, .. } => {
                state.stages.insert(stage.clone(), StagePhase::Ran { duration_ms: *duration_ms });
                state.deps.extend(deps.clone());
                state.outs.extend(outs.clone());
            }
            Event::StageFailed { stage, message, .. } => {
                state.stages.insert(stage.clone(), StagePhase::Failed { message: message.clone() });
            }
            Event::Finished { outcome, metrics, at } => {
                state.phase = Phase::Finished(outcome.clone());
                state.metrics = metrics.clone();
                state.ended = Some(*at);
            }
            Event::Interrupted { at } => {
                state.phase = Phase::Interrupted;
                state.ended = Some(*at);
            }
        }
        state
    }
}

fn record(state: &State, event: &Event) -> Result<Vec<Event>, Refused> {
    let what = match event {
        Event::Started { .. } => return Err(Refused::NotRecordable { what: "the start".to_owned() }),
        Event::Interrupted { .. } => return Err(Refused::NotRecordable { what: "the interruption".to_owned() }),
        Event::Finished { outcome, .. } => {
            if state.phase == Phase::Finished(outcome.clone()) {
                return Ok(vec![]);
            }
            if let (Outcome::Succeeded, Some(stage)) = (outcome, open_stage(state)) {
                return Err(Refused::StageOpen { stage });
            }
            "the end".to_owned()
        }
        Event::StageStarted { stage, .. } => {
            refuse_ended(state, stage)?;
            format!("the start of stage `{stage}`")
        }
        Event::StageSkipped { stage, .. }
        | Event::StageRestored { stage, .. }
        | Event::StageFinished { stage, .. }
        | Event::StageFailed { stage, .. } => {
            refuse_ended(state, stage)?;
            format!("the end of stage `{stage}`")
        }
    };
    match state.phase {
        Phase::Running => Ok(vec![event.clone()]),
        Phase::Absent | Phase::Finished(_) | Phase::Interrupted => Err(Refused::NotRunning { what }),
    }
}

fn refuse_ended(state: &State, stage: &str) -> Result<(), Refused> {
    match state.stages.get(stage) {
        None | Some(StagePhase::Running { .. }) => Ok(()),
        Some(StagePhase::Skipped(_) | StagePhase::Restored(_) | StagePhase::Ran { .. } | StagePhase::Failed { .. }) => {
            Err(Refused::StageEnded { stage: stage.to_owned() })
        }
    }
}

fn open_stage(state: &State) -> Option<String> {
    state
        .stages
        .iter()
        .find(|(_, phase)| matches!(phase, StagePhase::Running { .. } | StagePhase::Failed { .. }))
        .map(|(name, _)| name.clone())
}
