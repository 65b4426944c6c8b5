//! What can go wrong, in sentences that say where and what to do.

use std::path::{Path, PathBuf};
use tidegate_core::pipeline::{GraphError, UnknownTarget};
use tidegate_wire::dvc::DvcError;

/// Why nothing could be run.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// A file of the pipeline is wrong.
    #[error(transparent)]
    File(#[from] DvcError),
    /// There is no pipeline.
    #[error("there is no {}: write one, or name the pipeline's file in tidegate.yaml", .path.display())]
    NoPipeline {
        /// Where it was looked for.
        path: PathBuf,
    },
    /// The stages do not make a pipeline.
    #[error("{file}: {}", .errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
    Graph {
        /// The file.
        file: String,
        /// All that is wrong.
        errors: Vec<GraphError>,
    },
    /// A target names nothing.
    #[error(transparent)]
    Target(#[from] UnknownTarget),
    /// A stage cannot be looked at.
    #[error(transparent)]
    Stage(#[from] StageError),
    /// Reading or writing failed.
    #[error("{what} {}: {source}", .path.display())]
    Io {
        /// What was done, as `read`.
        what: &'static str,
        /// With what.
        path: PathBuf,
        /// Why it failed.
        source: std::io::Error,
    },
    /// DVC's configuration is wrong.
    #[error("read DVC's configuration: {message}")]
    Configuration {
        /// What, and where.
        message: String,
    },
    /// An environment cannot be made.
    #[error("{message}")]
    Environment {
        /// Why, and what to do.
        message: String,
        /// The last lines of the tool that failed.
        tail: Vec<String>,
    },
    /// An override names no parameter.
    #[error("set `{text}`: write it as `key=value` or `file:key=value`")]
    Override {
        /// What was given.
        text: String,
    },
    /// Somebody stopped it while it waited.
    #[error("stopped while waiting for {what}")]
    Cancelled {
        /// For what.
        what: String,
    },
}

impl BuildError {
    pub(crate) fn io(what: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> BuildError {
        let path = path.to_path_buf();
        move |source| BuildError::Io { what, path, source }
    }
}

/// Why a stage failed.
#[derive(Debug, thiserror::Error)]
pub enum StageError {
    /// A dependency is not there.
    #[error("stage `{stage}` needs `{path}`, which does not exist and which no stage writes: create it, or fetch it")]
    MissingDependency {
        /// The stage.
        stage: String,
        /// The path.
        path: String,
    },
    /// Data that a `.dvc` file or a frozen stage names is not there.
    #[error("`{path}` of `{stage}` is neither in the workspace nor in the cache: fetch it with `tidegate pull {path}`")]
    MissingData {
        /// The file or the stage.
        stage: String,
        /// The path.
        path: String,
    },
    /// A parameter is not there.
    #[error("stage `{stage}` needs parameter `{key}`, which {file} does not have")]
    MissingParameter {
        /// The stage.
        stage: String,
        /// The file.
        file: String,
        /// The key.
        key: String,
    },
    /// The command ended with an error.
    #[error("stage `{stage}` failed: `{command}` ended with exit code {code}")]
    Exit {
        /// The stage.
        stage: String,
        /// The command.
        command: String,
        /// The code.
        code: i32,
        /// The last lines that it wrote.
        tail: Vec<String>,
    },
    /// The command was killed.
    #[error("stage `{stage}` was killed: `{command}` ended by signal {signal}{}", if *.signal == 9 { " (often: out of memory)" } else { "" })]
    Killed {
        /// The stage.
        stage: String,
        /// The command.
        command: String,
        /// The signal.
        signal: i32,
        /// The last lines that it wrote.
        tail: Vec<String>,
    },
    /// It ended well but wrote nothing.
    #[error("stage `{stage}` ended well but did not write its output `{path}`: write it, or take it out of `outs`")]
    NoOutput {
        /// The stage.
        stage: String,
        /// The output.
        path: String,
    },
    /// Its working directory is not there.
    #[error("stage `{stage}` works in `{wdir}`, which is not a directory")]
    NoDirectory {
        /// The stage.
        stage: String,
        /// The directory.
        wdir: String,
    },
    /// Somebody stopped it.
    #[error("stage `{stage}` was stopped")]
    Cancelled {
        /// The stage.
        stage: String,
    },
    /// A file of parameters is wrong.
    #[error("stage `{stage}`: {source}")]
    Params {
        /// The stage.
        stage: String,
        /// What is wrong.
        source: DvcError,
    },
    /// A fault of ours.
    #[error("stage `{stage}`: the thread that ran it broke down: this is a fault of tidegate, please report it")]
    Broken {
        /// The stage.
        stage: String,
    },
    /// Reading or writing failed.
    #[error("stage `{stage}`: {what} {}: {source}", .path.display())]
    Io {
        /// The stage.
        stage: String,
        /// What was done.
        what: &'static str,
        /// With what.
        path: PathBuf,
        /// Why it failed.
        source: std::io::Error,
    },
}

impl StageError {
    /// From a failure of reading or writing.
    pub(crate) fn from_io(stage: &str, error: PathIo) -> StageError {
        StageError::Io { stage: stage.to_owned(), what: error.what, path: error.path, source: error.source }
    }

    /// The last lines that the stage wrote.
    #[must_use]
    pub fn tail(&self) -> &[String] {
        match self {
            StageError::Exit { tail, .. } | StageError::Killed { tail, .. } => tail,
            _ => &[],
        }
    }

    /// The exit code, where there is one.
    #[must_use]
    pub fn exit_code(&self) -> Option<i32> {
        match self {
            StageError::Exit { code, .. } => Some(*code),
            _ => None,
        }
    }
}

/// A failure of reading or writing: what was done, with what, why it failed.
#[derive(Debug)]
pub(crate) struct PathIo {
    pub(crate) what: &'static str,
    pub(crate) path: PathBuf,
    pub(crate) source: std::io::Error,
}

impl PathIo {
    pub(crate) fn at(what: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> PathIo + use<> {
        let path = path.to_path_buf();
        move |source| PathIo { what, path, source }
    }
}

impl From<PathIo> for BuildError {
    fn from(error: PathIo) -> BuildError {
        BuildError::Io { what: error.what, path: error.path, source: error.source }
    }
}
