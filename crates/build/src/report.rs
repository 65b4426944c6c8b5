//! What a run did, with all that the record of it needs.

use crate::code::CodeState;
use crate::error::StageError;
use indexmap::IndexMap;
use serde_json::Value;
use tidegate_core::id::{At, Digest};
use tidegate_core::pipeline::Reason;
use tidegate_core::run::{Event as Fact, FileFact, Outcome, RestoredFrom, SkippedWhy};

/// How a stage ended.
#[derive(Debug)]
pub enum StageOutcome {
    /// It need not run.
    Skipped(SkippedWhy),
    /// Its outputs came from the cache.
    Restored(RestoredFrom),
    /// It ran.
    Ran {
        /// How long.
        duration_ms: u64,
    },
    /// It failed.
    Failed(StageError),
    /// It was not reached, because another failed or the run was stopped.
    NotReached,
}

/// What happened to a stage.
#[derive(Debug)]
pub struct StageReport {
    /// The stage.
    pub stage: String,
    /// How it ended.
    pub outcome: StageOutcome,
    /// Why it was not simply up to date.
    pub reasons: Vec<Reason>,
    /// What it read, by path seen from the workspace.
    pub deps: IndexMap<String, FileFact>,
    /// What it wrote, by path seen from the workspace.
    pub outs: IndexMap<String, FileFact>,
    /// When it was taken up.
    pub started: At,
    /// When it ended.
    pub ended: At,
}

/// What a run did.
#[derive(Debug)]
pub struct RunReport {
    /// How it ended.
    pub outcome: Outcome,
    /// Each stage that was asked for, in an order in which they can run.
    pub stages: Vec<StageReport>,
    /// Parameters that stages read, by file and key.
    pub params: Value,
    /// Values of the metrics files.
    pub metrics: IndexMap<String, Value>,
    /// The code; none when nothing had to run or be restored, for then it was not asked.
    pub code: Option<CodeState>,
    /// Digest of the environment's lock file.
    pub environment: Option<Digest>,
    /// When it began.
    pub started: At,
    /// When it ended.
    pub ended: At,
}

impl RunReport {
    /// Whether all was up to date before.
    #[must_use]
    pub fn is_no_op(&self) -> bool {
        self.stages.iter().all(|s| matches!(s.outcome, StageOutcome::Skipped(_)))
    }

    /// The first failure.
    #[must_use]
    pub fn failure(&self) -> Option<&StageError> {
        self.stages.iter().find_map(|s| match &s.outcome {
            StageOutcome::Failed(error) => Some(error),
            _ => None,
        })
    }

    /// What was read that no stage wrote, by path: the data and code that all else follows from.
    #[must_use]
    pub fn inputs(&self) -> IndexMap<String, FileFact> {
        let outs = self.outputs();
        let deps = self.stages.iter().flat_map(|s| &s.deps);
        deps.filter(|(path, _)| !outs.contains_key(*path)).map(|(p, f)| (p.clone(), f.clone())).collect()
    }

    /// All that stages wrote, by path.
    #[must_use]
    pub fn outputs(&self) -> IndexMap<String, FileFact> {
        self.stages.iter().flat_map(|s| &s.outs).map(|(p, f)| (p.clone(), f.clone())).collect()
    }

    /// The facts for the record, after `Started`: of each stage, then the end.
    #[must_use]
    pub fn facts(&self) -> Vec<Fact> {
        let mut facts: Vec<Fact> = self.stages.iter().flat_map(StageReport::facts).collect();
        let metrics = self.metrics.iter().map(|(k, v)| (k.clone(), v.clone())).collect();
        facts.push(Fact::Finished { outcome: self.outcome.clone(), metrics: Value::Object(metrics), at: self.ended });
        facts
    }
}

impl StageReport {
    fn facts(&self) -> Vec<Fact> {
        let (stage, at) = (self.stage.clone(), self.ended);
        let start = Fact::StageStarted { stage: stage.clone(), reasons: self.reasons.clone(), at: self.started };
        match &self.outcome {
            StageOutcome::NotReached => vec![],
            StageOutcome::Skipped(why) => vec![Fact::StageSkipped { stage, why: *why, at }],
            StageOutcome::Restored(from) => vec![Fact::StageRestored { stage, from: *from, outs: self.outs.clone(), at }],
            StageOutcome::Ran { duration_ms } => {
                let (deps, outs) = (self.deps.clone(), self.outs.clone());
                vec![start, Fact::StageFinished { stage, deps, outs, duration_ms: *duration_ms, at }]
            }
            StageOutcome::Failed(error) => vec![
                start,
                Fact::StageFailed { stage, exit: error.exit_code(), message: error.to_string(), tail: error.tail().to_vec(), at },
            ],
        }
    }
}
