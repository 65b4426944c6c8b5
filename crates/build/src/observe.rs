//! What a caller hears while a run goes on: for progress, not for the record (that is the report).

use tidegate_core::pipeline::Reason;
use tidegate_core::run::{RestoredFrom, SkippedWhy, Start};

/// Where a line came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stream {
    /// Standard output.
    Out,
    /// Standard error.
    Err,
}

/// Something that just happened.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// Another run has the workspace.
    WaitingForLock {
        /// Who, as that one has described itself.
        holder: String,
    },
    /// The run has begun.
    Begun {
        /// Stages that are looked at.
        stages: usize,
    },
    /// A parameter was written into its file.
    ParameterSet {
        /// The file.
        file: String,
        /// The key.
        key: String,
        /// The value.
        value: String,
    },
    /// The first stage that is not up to date was found: this run has something to do. Told once, before that stage.
    RunStarted {
        /// What it starts from, for the record.
        start: Box<Start>,
    },
    /// A stage runs.
    StageStarted {
        /// The stage.
        stage: String,
        /// Why.
        reasons: Vec<Reason>,
    },
    /// A stage has started one of its commands.
    StageCommand {
        /// The stage.
        stage: String,
        /// The command.
        command: String,
    },
    /// A stage wrote a line.
    StageLine {
        /// The stage.
        stage: String,
        /// Where to.
        stream: Stream,
        /// The line.
        line: String,
    },
    /// A stage need not run.
    StageSkipped {
        /// The stage.
        stage: String,
        /// Why.
        why: SkippedWhy,
    },
    /// A stage's outputs came from the cache.
    StageRestored {
        /// The stage.
        stage: String,
        /// From where.
        from: RestoredFrom,
        /// Why it was not simply up to date.
        reasons: Vec<Reason>,
    },
    /// A stage ran to its end.
    StageFinished {
        /// The stage.
        stage: String,
        /// How long it took.
        duration_ms: u64,
    },
    /// A stage failed.
    StageFailed {
        /// The stage.
        stage: String,
        /// Why.
        message: String,
    },
    /// An environment is being made.
    EnvironmentStarted {
        /// Digest of its lock file.
        digest: String,
        /// Requirements in the lock file.
        requirements: usize,
    },
    /// The tool that makes the environment wrote a line.
    EnvironmentLine {
        /// The line.
        line: String,
    },
    /// An environment is ready.
    EnvironmentReady {
        /// Digest of its lock file.
        digest: String,
        /// Whether it had been made before.
        reused: bool,
    },
    /// Something that the caller should know, and that stops nothing.
    Warning {
        /// What.
        message: String,
    },
}

/// Hears events.
pub trait Observer {
    /// Hears one.
    fn event(&mut self, event: &Event);
}

/// Hears nothing.
#[derive(Clone, Copy, Debug)]
pub struct Silent;

impl Observer for Silent {
    fn event(&mut self, _: &Event) {}
}

impl<F: FnMut(&Event)> Observer for F {
    fn event(&mut self, event: &Event) {
        self(event);
    }
}
