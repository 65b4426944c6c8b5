//! A recorded run, run again beside the workspace: its code, parameters, inputs and environment, then its bytes.

use super::build::{self, Choices, Record, Wanted};
use super::sweep::code_of;
use crate::clock;
use crate::daemon::events::Bus;
use crate::daemon::start;
use crate::exit::{self, failure};
use crate::workspace::{self, Opened, Places};
use anyhow::{Context as _, Result};
use indexmap::IndexMap;
use serde_json::Value;
use std::path::{Path, PathBuf};
use tidegate_build::reproduce::{Otherwise, bring, otherwise, revision_to};
use tidegate_build::{Cancel, CodeState};
use tidegate_core::machine::Machine as _;
use tidegate_core::run::{FileFact, Outcome, Phase, Runs, State};
use tidegate_port::Journal as _;

/// What came of it.
#[derive(Debug)]
pub struct Reproduced {
    /// The run that was run again.
    pub run: String,
    /// The run that did it.
    pub by: Option<String>,
    /// Outputs that were compared.
    pub compared: usize,
    /// Those that differ.
    pub otherwise: Vec<Otherwise>,
    /// What the record does not hold, in words.
    pub notes: Vec<String>,
    /// Where the second run's files are; kept where something differs.
    pub tree: PathBuf,
}

/// The record of the run called `id`.
///
/// # Errors
/// When there is no such run, or it did not succeed.
pub fn recorded(places: &Places, id: &str) -> Result<State> {
    let none = |hint: &str| failure(exit::NOT_FOUND, format!("reproduce {id}: there is no such run: {hint}"));
    if !places.may_have_journal() {
        return Err(none("no run was recorded here yet: `tidegate run` records one"));
    }
    let mut journal = places.journal()?.open_read_only()?;
    let records = journal.read_stream(&format!("{}/{id}", Runs::KIND), 0)?;
    let mut state = State::default();
    for record in &records {
        let event = serde_json::from_value(record.body.clone()).with_context(|| format!("read record {} of run {id}", record.seq))?;
        state = Runs::evolve(state, &event);
    }
    match state.phase {
        _ if records.is_empty() => Err(none("`tidegate journal --stream run/` shows which there are")),
        Phase::Finished(Outcome::Succeeded) => Ok(state),
        _ => Err(failure(
            exit::REFUSED,
            format!("reproduce {id}: it did not succeed, so there is nothing to compare with: choose one that did"),
        )),
    }
}

/// Runs it again and compares.
///
/// # Errors
/// When its code, inputs or environment are not to be had: each is named.
pub fn reproduce(opened: &Opened, id: &str, state: &State, record: &dyn Record, bus: &Bus) -> Result<Reproduced> {
    let places = &opened.places;
    let cache = tidegate_build::load(&places.root, build::pipeline_file(&opened.config)?, None)?.cache;
    let tree = places.reproductions().join(id);
    if tree.exists() {
        std::fs::remove_dir_all(&tree).with_context(|| format!("remove {}", tree.display()))?;
    }
    let mut notes = Vec::new();
    let code = CodeState { revision: state.start.code.clone(), dirty: state.start.dirty.clone() };
    lay_out(opened, id, &code, &tree, &mut notes)?;
    let again = workspace::open(&tree)?;
    let graph = tidegate_build::load(&tree, build::pipeline_file(&again.config)?, Some(&cache))?.graph;
    let is_made = |path: &String| graph.writer(path).and_then(|i| graph.stages().get(i)).is_some_and(|stage| !stage.is_data());
    let (made, inputs): (IndexMap<_, _>, IndexMap<_, _>) = state.deps.clone().into_iter().partition(|(path, _)| is_made(path));
    let overrides = overrides(&tree, &state.start.params)?;
    let missing = bring(&tree, &cache, &inputs, &clock::now)?;
    if !missing.is_empty() {
        let list = missing.join(", ");
        let why = "neither the code nor the cache has the bytes that it read";
        return Err(failure(exit::NOT_FOUND, format!("reproduce {id}: {list}: {why}: `tidegate fetch` may bring them from a remote")));
    }
    let env = start::environment(&again, bus)?;
    let digest = env.as_ref().map(|env| &env.digest);
    if state.start.environment.as_ref() != digest {
        let said = |digest: Option<&tidegate_core::id::Digest>| digest.map_or("none".to_owned(), |d| d.short().to_owned());
        let (then, now) = (said(state.start.environment.as_ref()), said(digest));
        return Err(failure(
            exit::NOT_FOUND,
            format!(
                "reproduce {id}: it ran in environment {then}, and the lock file of its code gives {now}: bring that lock file back, then try again"
            ),
        ));
    }
    if env.is_none() {
        notes.push("its environment was not pinned: the programs on the path stand in (set `env.python` in tidegate.yaml)".to_owned());
    }
    let wanted = Wanted {
        root: &tree,
        change: &format!("reproduce {id}"),
        targets: state.start.targets.clone(),
        overrides,
        force: true,
        jobs: None,
        choices: Choices { no_run_cache: true, ..Choices::default() },
        cache: Some(&cache),
        code: Some(&code),
    };
    let built = build::build(&wanted, &again.config, env.as_ref(), record, bus, &Cancel::default(), false)?;
    if let Some(error) = built.report.failure() {
        let tail: String = error.tail().iter().map(|line| format!("\n  | {line}")).collect();
        return Err(failure(exit::NOT_PASSED, format!("reproduce {id}: {error}{tail}")));
    }
    let outputs: IndexMap<String, FileFact> = made.into_iter().chain(state.outs.clone()).collect();
    let otherwise = otherwise(&tree, &cache, &outputs, &clock::now)?;
    if otherwise.is_empty() {
        std::fs::remove_dir_all(&tree).with_context(|| format!("remove {}", tree.display()))?;
    }
    Ok(Reproduced { run: id.to_owned(), by: built.run, compared: outputs.len(), otherwise, notes, tree })
}

/// The recorded code in `tree`: the revision, or the workspace where the run used more than a revision.
fn lay_out(opened: &Opened, id: &str, code: &CodeState, tree: &Path, notes: &mut Vec<String>) -> Result<()> {
    let root = &opened.places.root;
    if code.revision != "none" && code.dirty.is_none() {
        if revision_to(root, &code.revision, tree)? {
            return Ok(());
        }
        let hint = "fetch it into this repository, then try again";
        return Err(failure(exit::NOT_FOUND, format!("reproduce {id}: Git does not have its revision {}: {hint}", code.revision)));
    }
    let pipeline = build::pipeline_file(&opened.config)?;
    if code.revision == "none" || code_of(root, pipeline)? != *code {
        let what = if code.revision == "none" { "it ran without Git" } else { "it ran on changes that were never committed" };
        notes.push(format!("{what}: the workspace's files stand in for its code; what its stages declare to read is as it was"));
    }
    Ok(tidegate_build::snapshot(root, pipeline, None, tree)?)
}

/// What sets the recorded parameters in the tree's files: those that have another value there.
fn overrides(tree: &Path, recorded: &Value) -> Result<Vec<String>> {
    let mut set = Vec::new();
    for (file, values) in recorded.as_object().into_iter().flatten() {
        let path = tree.join(file);
        let text = std::fs::read_to_string(&path).with_context(|| format!("read {}", path.display()))?;
        let present = tidegate_wire::dvc::parse_params(file, &text)?;
        for (key, value) in values.as_object().into_iter().flatten() {
            let now = key.split('.').try_fold(&present, |inside, part| inside.get(part));
            if now.or_else(|| present.get(key)) != Some(value) {
                set.push(format!("{file}:{key}={value}"));
            }
        }
    }
    Ok(set)
}
