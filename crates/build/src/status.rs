//! What a run would do, without doing it; and the same in the words of `dvc status --json`.

use crate::cache::Cache;
use crate::error::BuildError;
use crate::index::Index;
use crate::lockfiles::LockFiles;
use crate::runner::selected;
use crate::stage::{Seen, look};
use crate::tree::Eyes;
use crate::workspace::{Workspace, load};
use serde_json::{Map, Value, json};
use std::path::Path;
use tidegate_core::id::At;
use tidegate_core::pipeline::{Change, Reason, Recorded, Scope, StageSpec, reasons};

/// Whether a stage would run.
#[derive(Clone, Debug, PartialEq)]
pub struct StageStatus {
    /// The stage.
    pub stage: String,
    /// Why it would; nothing when it is up to date.
    pub reasons: Vec<Reason>,
    /// It is frozen: it would not run whatever the reasons.
    pub frozen: bool,
    /// What `dvc status --json` says of it; nothing when it is up to date.
    pub dvc: Vec<Value>,
}

/// Of which stages the status is asked for.
#[derive(Clone, Debug, Default)]
pub struct StatusRequest<'a> {
    /// The pipeline's file; `dvc.yaml` when none.
    pub pipeline: Option<&'a str>,
    /// Stages, groups, files or outputs; those of the pipeline's file when empty.
    pub targets: Vec<String>,
    /// Which stages come with the targets.
    pub scope: Scope,
    /// All stages of the repository where nothing is named.
    pub all_pipelines: bool,
    /// As if they were to run even if they are up to date.
    pub force: bool,
}

/// Why each stage of the pipeline would run, in an order in which they can.
///
/// # Errors
/// As [`crate::run`]; also when a file cannot be read.
pub fn status(root: &Path, pipeline: Option<&str>, clock: &(dyn Fn() -> At + Sync)) -> Result<Vec<StageStatus>, BuildError> {
    status_of(root, &StatusRequest { pipeline, all_pipelines: true, ..StatusRequest::default() }, clock)
}

/// Why each stage that is asked for would run, in an order in which they can.
///
/// # Errors
/// As [`crate::run`]; also when a file cannot be read.
pub fn status_of(root: &Path, request: &StatusRequest<'_>, clock: &(dyn Fn() -> At + Sync)) -> Result<Vec<StageStatus>, BuildError> {
    let workspace = load(root, request.pipeline, None)?;
    let wanted = selected(&workspace, &request.targets, request.scope, request.all_pipelines)?;
    let files = LockFiles::read(&workspace)?;
    let index = Index::open(&workspace.state("index"));
    let cache = Cache::new(&workspace.cache);
    let eyes = Eyes { root: &workspace.root, index: &index, clock };
    let stages = workspace.graph.stages();
    let mut would_run = vec![false; stages.len()];
    let mut found = Vec::new();
    for &i in workspace.graph.order() {
        let Some(spec) = stages.get(i).filter(|_| wanted.get(i).is_some_and(|w| *w)) else { continue };
        let recorded = files.get(&workspace, spec);
        let seen = look(spec, recorded.as_ref(), &eyes)?;
        let mut why = reasons(spec, recorded.as_ref(), &seen.observed(), request.force);
        let dvc = dvc_words(&workspace, spec, recorded.as_ref(), &seen, &cache);
        let upstream = workspace.graph.needs(i).iter().filter(|&&n| would_run.get(n).is_some_and(|w| *w));
        why.extend(upstream.filter_map(|&n| Some(Reason::Upstream { stage: stages.get(n)?.name.clone() })));
        would_run[i] = !why.is_empty() && !spec.frozen && !spec.is_data();
        found.push(StageStatus { stage: spec.name.clone(), reasons: why, frozen: spec.frozen, dvc });
    }
    index.save();
    Ok(found)
}

/// The statuses as `dvc status --json` gives them: stages that are not up to date.
#[must_use]
pub fn dvc_status(statuses: &[StageStatus]) -> Value {
    let changed = statuses.iter().filter(|s| !s.dvc.is_empty());
    Value::Object(changed.map(|s| (s.stage.clone(), Value::Array(s.dvc.clone()))).collect())
}

fn dvc_words(workspace: &Workspace, spec: &StageSpec, recorded: Option<&Recorded>, seen: &Seen, cache: &Cache) -> Vec<Value> {
    let nothing = Recorded::default();
    let then = recorded.unwrap_or(&nothing);
    let shown = |path: &str| workspace.from_base(&spec.from_workspace(path));
    let (mut deps, mut outs) = (Map::new(), Map::new());
    let found = reasons(spec, Some(then), &seen.observed(), false);
    for reason in &found {
        match reason {
            Reason::Dependency { path, change } => drop(deps.insert(shown(path), json!(word(*change)))),
            Reason::Output { path, change } => drop(outs.insert(shown(path), json!(word(*change)))),
            Reason::Parameter { file, key, change } => parameter(workspace, spec, then, (file, key, *change), &mut deps),
            _ => {}
        }
    }
    for out in spec.outs.iter().filter(|o| o.cache && !then.legacy.contains(&o.path)) {
        if then.outs.get(&out.path).is_some_and(|identity| !cache.has(identity)) {
            outs.insert(shown(&out.path), json!("not in cache"));
        }
    }
    let mut words = Vec::new();
    for (name, paths) in [("changed deps", deps), ("changed outs", outs)] {
        if !paths.is_empty() {
            words.push(json!({ name: paths }));
        }
    }
    if spec.always_changed || spec.is_callback() {
        words.push(json!("always changed"));
    }
    if recorded.is_some() && found.contains(&Reason::Command) {
        words.push(json!("changed command"));
    }
    words
}

/// What was not recorded has changed, to DVC.
fn word(change: Change) -> &'static str {
    match change {
        Change::Added | Change::Modified => "modified",
        Change::Removed => "deleted",
    }
}

fn parameter(
    workspace: &Workspace,
    spec: &StageSpec,
    then: &Recorded,
    (file, key, change): (&str, &str, Change),
    deps: &mut Map<String, Value>,
) {
    let path = spec.from_workspace(file);
    let name = workspace.from_base(&path);
    if !workspace.root.join(&path).exists() {
        deps.insert(name, json!("deleted"));
    } else if !then.params.contains_key(file) {
        deps.insert(name, json!("new"));
    } else if let Value::Object(keys) = deps.entry(name).or_insert_with(|| json!({})) {
        let word = match change {
            Change::Added => "new",
            Change::Modified => "modified",
            Change::Removed => "deleted",
        };
        keys.insert(key.to_owned(), json!(word));
    }
}
