//! What a run would do, without doing it.

use crate::error::BuildError;
use crate::index::Index;
use crate::stage::look;
use crate::tree::Eyes;
use crate::workspace::load;
use std::path::Path;
use tidegate_core::id::At;
use tidegate_core::pipeline::{Reason, reasons};

/// Whether a stage would run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StageStatus {
    /// The stage.
    pub stage: String,
    /// Why it would; nothing when it is up to date.
    pub reasons: Vec<Reason>,
    /// It is frozen: it would not run whatever the reasons.
    pub frozen: bool,
}

/// Why each stage would run, in an order in which they can.
///
/// # Errors
/// As [`crate::run`]; also when a file cannot be read.
pub fn status(root: &Path, pipeline: Option<&str>, clock: &(dyn Fn() -> At + Sync)) -> Result<Vec<StageStatus>, BuildError> {
    let workspace = load(root, pipeline, None)?;
    let (lock, _) = workspace.read_lock()?;
    let index = Index::open(&workspace.state("index"));
    let eyes = Eyes { root: &workspace.root, index: &index, clock };
    let stages = workspace.graph.stages();
    let mut would_run = vec![false; stages.len()];
    let mut found = Vec::new();
    for &i in workspace.graph.order() {
        let Some(spec) = stages.get(i) else { continue };
        let seen = look(spec, &eyes)?;
        let mut why = reasons(spec, lock.get(&spec.name).as_ref(), &seen.observed(), false);
        let upstream = workspace.graph.needs(i).iter().filter(|&&n| would_run.get(n).is_some_and(|w| *w));
        why.extend(upstream.filter_map(|&n| Some(Reason::Upstream { stage: stages.get(n)?.name.clone() })));
        would_run[i] = !why.is_empty() && !spec.frozen;
        found.push(StageStatus { stage: spec.name.clone(), reasons: why, frozen: spec.frozen });
    }
    index.save();
    Ok(found)
}
