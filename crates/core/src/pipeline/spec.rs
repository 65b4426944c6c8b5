//! What a stage is, as declared.

use super::path::join_path;
use indexmap::IndexMap;
use serde::{Deserialize, Serialize};

/// What a stage runs: one text or a list of them. A text of several lines is one command a line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Command {
    /// One text.
    One(String),
    /// Several, each run after the one before has succeeded.
    Many(Vec<String>),
}

impl Command {
    /// The commands in their order.
    #[must_use]
    pub fn lines(&self) -> Vec<&str> {
        match self {
            Command::One(text) => text.lines().collect(),
            Command::Many(texts) => texts.iter().map(String::as_str).collect(),
        }
    }
}

/// What an output is declared as.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OutKind {
    /// Data, a model.
    Out,
    /// A file of metrics.
    Metric,
    /// Data of a plot.
    Plot,
}

/// An output of a stage.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutSpec {
    /// Path as written, relative to the stage's working directory.
    pub path: String,
    /// What it is declared as.
    pub kind: OutKind,
    /// Whether the cache owns it; a small one that Git keeps is not cached.
    pub cache: bool,
    /// Whether it stays when the stage runs again.
    pub persist: bool,
    /// Remote that keeps it, where that is not the default one.
    pub remote: Option<String>,
    /// Whether it is pushed to a remote.
    pub push: bool,
    /// How a plot is drawn, as written: `template`, `x`, `y` and so on; none where nothing is said.
    pub plot: Option<serde_json::Value>,
}

impl OutSpec {
    /// An output with all settings as they are where nothing is said.
    #[must_use]
    pub fn new(path: impl Into<String>, kind: OutKind) -> OutSpec {
        OutSpec { path: path.into(), kind, cache: true, persist: false, remote: None, push: true, plot: None }
    }
}

/// A stage as declared, all interpolation done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StageSpec {
    /// Name, unique in the workspace: `group@key` when generated, `folder/dvc.yaml:name` in a file elsewhere,
    /// the file's path for one of data.
    pub name: String,
    /// Its name in the file that declares it.
    pub own_name: String,
    /// The file that declares it, seen from the workspace.
    pub file: String,
    /// What it runs; nothing for a `.dvc` file, which only says what its outputs are.
    pub cmd: Option<Command>,
    /// Working directory, relative to the workspace; empty for the workspace itself.
    pub wdir: String,
    /// Paths that it reads, relative to the working directory.
    pub deps: Vec<String>,
    /// Parameters by file; an empty list is the whole file.
    pub params: IndexMap<String, Vec<String>>,
    /// What it writes.
    pub outs: Vec<OutSpec>,
    /// Never run.
    pub frozen: bool,
    /// Always run.
    pub always_changed: bool,
    /// What it is for.
    pub desc: Option<String>,
}

impl StageSpec {
    /// Whether it runs nothing: a `.dvc` file.
    #[must_use]
    pub fn is_data(&self) -> bool {
        self.cmd.is_none()
    }

    /// A path of this stage, seen from the workspace.
    #[must_use]
    pub fn from_workspace(&self, path: &str) -> String {
        join_path(&self.wdir, path)
    }

    /// All paths that it reads, seen from the workspace: dependencies, then files of parameters.
    pub fn reads(&self) -> impl Iterator<Item = String> {
        self.deps.iter().chain(self.params.keys()).map(|p| self.from_workspace(p))
    }

    /// A stage that reads and writes nothing that is declared: nothing can tell whether it is up to date.
    #[must_use]
    pub fn is_callback(&self) -> bool {
        self.cmd.is_some() && self.deps.is_empty() && self.params.is_empty() && self.outs.is_empty()
    }
}

/// All stages of a workspace, and what else its file declares.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pipeline {
    /// Stages in the order of the file.
    pub stages: Vec<StageSpec>,
    /// Files of metrics declared beside the stages.
    pub metrics: Vec<String>,
    /// Files of parameters declared beside the stages.
    pub params: Vec<String>,
    /// Plots declared beside the stages.
    pub plots: Vec<PlotSpec>,
    /// Named artefacts.
    pub artifacts: IndexMap<String, ArtifactSpec>,
}

/// A plot declared beside the stages.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlotSpec {
    /// Its name: a path, or a title when `y` names files.
    pub id: String,
    /// How it is drawn, as written; none where nothing is said.
    pub settings: Option<serde_json::Value>,
}

impl PlotSpec {
    /// The files that it draws, as written.
    #[must_use]
    pub fn sources(&self) -> Vec<String> {
        let Some(files) = self.settings.as_ref().and_then(|s| s.get("y")).and_then(serde_json::Value::as_object) else {
            return vec![self.id.clone()];
        };
        files.keys().cloned().collect()
    }
}

/// A named artefact of the file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ArtifactSpec {
    /// Its path, as written.
    pub path: String,
    /// `model`, `dataset` or what else it is.
    pub kind: Option<String>,
    /// What it is.
    pub desc: Option<String>,
    /// Words to find it by.
    pub labels: Vec<String>,
}
