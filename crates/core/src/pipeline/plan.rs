//! What may start now: a pure function of the graph and of how far each stage is.

use super::graph::Graph;
use serde::{Deserialize, Serialize};

/// How far a stage is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// Nobody asked for it.
    Unwanted,
    /// Not started.
    Pending,
    /// Being checked or running.
    Running,
    /// Up to date: run, restored or unchanged.
    Done,
    /// It failed.
    Failed,
}

/// Why a stage does not start.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "waiting", rename_all = "snake_case")]
pub enum Waiting {
    /// Stages that it needs are not done.
    Needs {
        /// Their names.
        stages: Vec<String>,
    },
    /// As many stages run as may run at once.
    Slot,
    /// A stage failed, so no other is started.
    Failure {
        /// Its name.
        stage: String,
    },
}

/// What to start, and why the others wait.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// Indices of the stages to start now.
    pub start: Vec<usize>,
    /// Stages that wait.
    pub waiting: Vec<(usize, Waiting)>,
    /// Nothing runs and nothing can start any more.
    pub finished: bool,
}

/// The stages to start now, at most `jobs` running at once. Two stages that do not need each other never touch the same
/// path: the graph has refused shared outputs, and reading another's output is needing it. After a failure nothing starts,
/// or with `keep_going` nothing that needs what failed.
#[must_use]
pub fn plan(graph: &Graph, progress: &[Progress], jobs: usize, keep_going: bool) -> Plan {
    let of = |i: usize| progress.get(i).copied().unwrap_or(Progress::Unwanted);
    let name = |i: usize| graph.stages().get(i).map(|s| s.name.clone()).unwrap_or_default();
    let failed = graph.order().iter().copied().find(|&i| of(i) == Progress::Failed);
    let running = graph.order().iter().filter(|&&i| of(i) == Progress::Running).count();
    let mut plan = Plan::default();
    for &index in graph.order().iter().filter(|&&i| of(i) == Progress::Pending) {
        let missing: Vec<String> =
            graph.needs(index).iter().filter(|&&n| !matches!(of(n), Progress::Done | Progress::Unwanted)).map(|&n| name(n)).collect();
        if let Some(failed) = failed.filter(|_| !keep_going) {
            plan.waiting.push((index, Waiting::Failure { stage: name(failed) }));
        } else if !missing.is_empty() {
            plan.waiting.push((index, Waiting::Needs { stages: missing }));
        } else if running + plan.start.len() >= jobs.max(1) {
            plan.waiting.push((index, Waiting::Slot));
        } else {
            plan.start.push(index);
        }
    }
    plan.finished = running == 0 && plan.start.is_empty();
    plan
}

/// What [`plan`] would start, and whether it would be finished, without saying why the others wait: for many stages.
#[must_use]
pub fn ready(graph: &Graph, progress: &[Progress], jobs: usize, keep_going: bool) -> (Vec<usize>, bool) {
    let of = |i: usize| progress.get(i).copied().unwrap_or(Progress::Unwanted);
    let running = progress.iter().filter(|p| **p == Progress::Running).count();
    let stopped = !keep_going && progress.contains(&Progress::Failed);
    let free = if stopped { 0 } else { jobs.max(1).saturating_sub(running) };
    let may =
        |i: &usize| of(*i) == Progress::Pending && graph.needs(*i).iter().all(|&n| matches!(of(n), Progress::Done | Progress::Unwanted));
    let start: Vec<usize> = graph.order().iter().copied().filter(may).take(free).collect();
    let finished = running == 0 && start.is_empty();
    (start, finished)
}
