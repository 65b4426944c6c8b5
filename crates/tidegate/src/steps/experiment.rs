//! Experiments: runs of the pipeline with other parameters, each in a work tree of its own beside the workspace.
//!
//! `.tidegate/experiments/NAME/` holds what was asked (`experiment.json`), how it ended (`result.json`) and the `tree`. The
//! cache is that of the workspace, so stages that no parameter touches are restored and not run. Each run is a run in
//! the journal like any other, with the experiment's name as its change.

use crate::exit::{self, failure};
use crate::workspace::Places;
use anyhow::{Context as _, Result};
use indexmap::IndexMap;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use tidegate_core::id::Digest;
use tidegate_store::disk;

/// Longest name of an experiment, in bytes.
const NAME_BYTES_MAX: usize = 60;
/// Largest description of an experiment that is read, in bytes.
const FILE_BYTES_MAX: u64 = 64 << 20;

/// What an experiment was asked to be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Asked {
    /// Parameters that it sets.
    pub overrides: Vec<String>,
    /// Stages; all when empty.
    pub targets: Vec<String>,
    /// The code that its tree was copied from; none while there is no whole copy, or no Git to tell.
    pub base: Option<String>,
    /// Digests of the parameter files that it started from, by path.
    pub files: IndexMap<String, Digest>,
}

/// How an experiment ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Ended {
    /// Its run in the journal; none where there was nothing to do.
    pub run: Option<String>,
    /// Why it failed, if it did.
    pub failure: Option<String>,
    /// Parameters that its stages read, by file.
    pub params: Value,
    /// Its metrics, by file.
    pub metrics: IndexMap<String, Value>,
}

/// An experiment of a workspace.
#[derive(Clone, Debug)]
pub struct Experiment {
    /// Its name.
    pub name: String,
    /// What was asked.
    pub asked: Asked,
    /// How it ended; none while it waits, runs, or was interrupted.
    pub ended: Option<Ended>,
    home: PathBuf,
}

impl Experiment {
    /// One that is asked for; its earlier end, if it is there from before, is kept.
    ///
    /// # Errors
    /// When the name cannot be one, or the disk refuses.
    pub fn ask(places: &Places, name: &str, overrides: Vec<String>, targets: Vec<String>) -> Result<Experiment> {
        check_name(name)?;
        let home = places.experiments().join(name);
        std::fs::create_dir_all(&home).with_context(|| format!("create the directory {}", home.display()))?;
        let before: Option<Asked> = read(&home.join("experiment.json"))?;
        let same = before.filter(|b| b.overrides == overrides && b.targets == targets);
        let changed = same.is_none();
        let asked = same.unwrap_or(Asked { overrides, targets, base: None, files: IndexMap::new() });
        let mut experiment = Experiment { name: name.to_owned(), asked, ended: None, home };
        if changed {
            experiment.save()?;
            experiment.forget_end()?;
        } else {
            experiment.ended = read(&experiment.home.join("result.json"))?;
        }
        Ok(experiment)
    }

    /// The experiment called `name`.
    ///
    /// # Errors
    /// When there is none, or its files cannot be read.
    pub fn find(places: &Places, name: &str) -> Result<Experiment> {
        check_name(name)?;
        let home = places.experiments().join(name);
        let Some(asked) = read(&home.join("experiment.json"))? else {
            return Err(failure(
                exit::NOT_FOUND,
                format!("find experiment {name}: there is none: `tidegate exp list` shows which there are"),
            ));
        };
        Ok(Experiment { name: name.to_owned(), asked, ended: read(&home.join("result.json"))?, home })
    }

    /// All experiments, by name.
    ///
    /// # Errors
    /// When their files cannot be read.
    pub fn all(places: &Places) -> Result<Vec<Experiment>> {
        let folder = places.experiments();
        let entries = match std::fs::read_dir(&folder) {
            Ok(entries) => entries,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(vec![]),
            Err(e) => return Err(e).with_context(|| format!("list {}", folder.display())),
        };
        let mut names = BTreeSet::new();
        for entry in entries {
            names.insert(entry.with_context(|| format!("list {}", folder.display()))?.file_name().to_string_lossy().into_owned());
        }
        let known = |name: &String| check_name(name).is_ok() && folder.join(name).join("experiment.json").is_file();
        names.into_iter().filter(known).map(|name| Experiment::find(places, &name)).collect()
    }

    /// Its work tree.
    pub fn tree(&self) -> PathBuf {
        self.home.join("tree")
    }

    /// Name of the change that its runs are recorded under.
    pub fn change(&self) -> String {
        format!("experiment {}", self.name)
    }

    /// Where it stands, in a word.
    pub fn state(&self) -> &'static str {
        match &self.ended {
            None if self.tree().is_dir() => "unfinished",
            None => "queued",
            Some(ended) if ended.failure.is_some() => "failed",
            Some(_) => "done",
        }
    }

    /// Brings its work tree to the workspace's present state. Where the workspace is as it was, the tree stays, with
    /// all that its stages did.
    ///
    /// # Errors
    /// When the pipeline cannot be read, or the disk refuses.
    pub fn prepare(&mut self, root: &Path, pipeline: Option<&str>, base: Option<&str>) -> Result<()> {
        let tree = self.tree();
        if base.is_some() && self.asked.base.as_deref() == base && tree.is_dir() {
            return Ok(());
        }
        self.asked.base = None;
        self.save()?;
        tidegate_build::snapshot(root, pipeline, None, &tree)?;
        self.asked.files = parameter_files(&tree, pipeline)?;
        self.asked.base = base.map(str::to_owned);
        self.save()
    }

    /// Keeps how it ended.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn end(&mut self, ended: Ended) -> Result<()> {
        disk::replace_file(&self.home.join("result.json"), &serde_json::to_vec_pretty(&ended)?)?;
        self.ended = Some(ended);
        Ok(())
    }

    /// Before it runs again.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn forget_end(&mut self) -> Result<()> {
        self.ended = None;
        let file = self.home.join("result.json");
        match std::fs::remove_file(&file) {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => Err(e).with_context(|| format!("remove {}", file.display())),
            _ => Ok(()),
        }
    }

    /// Removes it with its work tree. Its runs stay in the journal, and what they wrote in the cache.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn remove(self) -> Result<()> {
        std::fs::remove_dir_all(&self.home).with_context(|| format!("remove {}", self.home.display()))
    }

    fn save(&self) -> Result<()> {
        Ok(disk::replace_file(&self.home.join("experiment.json"), &serde_json::to_vec_pretty(&self.asked)?)?)
    }
}

/// The name of an experiment that got none: the same for the same parameters and targets.
pub fn name_of(overrides: &[String], targets: &[String]) -> String {
    let digest = Digest::of(serde_json::json!([overrides, targets]).to_string().as_bytes());
    format!("exp-{}", digest.hex().get(..7).unwrap_or_default())
}

/// Names stand in paths and in the names of runs.
fn check_name(name: &str) -> Result<()> {
    let right = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    let fits =
        !name.is_empty() && name.len() <= NAME_BYTES_MAX && name.bytes().all(right) && !name.starts_with('-') && !name.ends_with('-');
    if fits {
        return Ok(());
    }
    let want = format!("use small letters, digits and single dashes between them, at most {NAME_BYTES_MAX}");
    Err(failure(exit::USAGE, format!("name an experiment: `{name}` cannot be a name: {want}")))
}

/// The files that stages read parameters from, seen from the workspace, with their digests.
fn parameter_files(tree: &Path, pipeline: Option<&str>) -> Result<IndexMap<String, Digest>> {
    let workspace = tidegate_build::load(tree, pipeline, None)?;
    let named = workspace.graph.stages().iter().flat_map(|stage| stage.params.keys().map(|file| stage.from_workspace(file)));
    let paths: BTreeSet<String> = named.map(|path| workspace.from_base(&path)).collect();
    let digest = |path: &String| std::fs::read(tree.join(path)).ok().map(|bytes| Digest::of(&bytes));
    Ok(paths.into_iter().filter_map(|path| digest(&path).map(|digest| (path, digest))).collect())
}

fn read<T: DeserializeOwned>(path: &Path) -> Result<Option<T>> {
    let Some(bytes) = disk::read_if_there(path, FILE_BYTES_MAX)? else { return Ok(None) };
    let parsed = serde_json::from_slice(&bytes);
    parsed.map(Some).with_context(|| format!("read {}: remove the experiment with `tidegate exp remove`, and run it again", path.display()))
}
