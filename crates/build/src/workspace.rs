//! A workspace as it stands: its pipeline, its lock file, where its cache is.

use crate::error::BuildError;
use std::path::{Path, PathBuf};
use tidegate_core::pipeline::Graph;
use tidegate_wire::dvc::{LockFile, parse_pipeline};

/// The file of a pipeline where none is named.
pub const PIPELINE_FILE: &str = "dvc.yaml";
/// The folder of our own state.
pub(crate) const STATE_DIRECTORY: &str = ".tidegate";

/// A loaded workspace.
#[derive(Debug)]
pub struct Workspace {
    /// The folder of the pipeline's file; all paths are seen from here.
    pub root: PathBuf,
    /// The pipeline's file, for messages.
    pub file: String,
    /// Its stages.
    pub graph: Graph,
    /// Files of metrics declared beside the stages.
    pub metrics: Vec<String>,
    /// The cache's folder.
    pub cache: PathBuf,
    /// DVC's folder, of this one or of the nearest above it.
    pub(crate) dvc: Option<PathBuf>,
}

/// Loads the workspace at `root`. `pipeline` is the pipeline's file from there (`dvc.yaml` when none), `cache` the cache's
/// folder (DVC's own when none).
///
/// # Errors
/// When a file is missing or wrong, or the stages do not make a pipeline.
pub fn load(root: &Path, pipeline: Option<&str>, cache: Option<&Path>) -> Result<Workspace, BuildError> {
    let path = root.join(pipeline.unwrap_or(PIPELINE_FILE));
    let path = std::path::absolute(&path).map_err(BuildError::io("find", &path))?;
    let root = path.parent().unwrap_or(root).to_path_buf();
    let file = path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
    let text = match std::fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Err(BuildError::NoPipeline { path }),
        Err(error) => return Err(BuildError::io("read", &path)(error)),
    };
    let mut read = |relative: &str| match std::fs::read_to_string(root.join(relative)) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(format!("read {relative}: {error}")),
    };
    let parsed = parse_pipeline(&file, &text, &mut read)?;
    let graph = Graph::new(parsed.stages).map_err(|errors| BuildError::Graph { file: file.clone(), errors })?;
    let dvc = root.ancestors().map(|d| d.join(".dvc")).find(|d| d.is_dir());
    let cache = match (cache, &dvc) {
        (Some(cache), _) => cache.to_path_buf(),
        (None, Some(dvc)) => configured_cache(dvc).unwrap_or_else(|| dvc.join("cache")),
        (None, None) => root.join(".dvc").join("cache"),
    };
    Ok(Workspace { root, file, graph, metrics: parsed.metrics, cache, dvc })
}

impl Workspace {
    pub(crate) fn lock_path(&self) -> PathBuf {
        self.root.join(&self.file).with_extension("lock")
    }

    pub(crate) fn state(&self, name: &str) -> PathBuf {
        self.root.join(STATE_DIRECTORY).join(name)
    }

    /// The lock file and its text; empty when there is none.
    pub(crate) fn read_lock(&self) -> Result<(LockFile, String), BuildError> {
        let path = self.lock_path();
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
            Err(error) => return Err(BuildError::io("read", &path)(error)),
        };
        let name = path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
        Ok((LockFile::parse(&name, &text)?, text))
    }

    /// What a run writes: outputs of stages and the lock file.
    pub(crate) fn written(&self) -> Vec<String> {
        let outs = self.graph.stages().iter().flat_map(|s| s.outs.iter().map(|o| s.from_workspace(&o.path)));
        let lock = self.lock_path().file_name().map(|n| n.to_string_lossy().into_owned());
        outs.chain(lock).collect()
    }

    /// Where there is no repository of DVC, the folder of the cache is ours to hide from Git, as DVC hides its own.
    pub(crate) fn hide_cache(&self) {
        let file = self.root.join(".dvc").join(".gitignore");
        if self.dvc.is_none() && self.cache == self.root.join(".dvc").join("cache") {
            // A cache that Git sees is a nuisance and no fault: the run goes on.
            let _ = crate::atomic::write(&file, b"/config.local\n/tmp\n/cache\n", false);
        }
    }

    /// Whether this is a repository of DVC that keeps its files in Git.
    pub(crate) fn uses_git(&self) -> bool {
        self.dvc.as_ref().is_some_and(|dvc| {
            let config = std::fs::read_to_string(dvc.join("config")).unwrap_or_default();
            let without = config.lines().any(|l| l.replace(' ', "").eq_ignore_ascii_case("no_scm=true"));
            !without && dvc.join("config").is_file()
        })
    }
}

/// `dir` under `[cache]` of DVC's configuration, the local file first.
fn configured_cache(dvc: &Path) -> Option<PathBuf> {
    ["config.local", "config"].iter().find_map(|name| {
        let text = std::fs::read_to_string(dvc.join(name)).ok()?;
        let mut section = "";
        for line in text.lines().map(str::trim) {
            if let Some(name) = line.strip_prefix('[').and_then(|l| l.strip_suffix(']')) {
                section = name.trim();
            } else if section == "cache"
                && let Some((key, value)) = line.split_once('=')
                && key.trim() == "dir"
            {
                return Some(dvc.join(value.trim().trim_matches(['"', '\''])));
            }
        }
        None
    })
}
