//! A workspace as it stands: its pipelines and `.dvc` files as one graph, its lock files, where its cache is.
//!
//! Paths are seen from the root: the folder of DVC's repository, or the given folder where there is none. Names of stages are
//! seen from the given folder, as users type them.

use crate::collect::stage_files;
use crate::error::BuildError;
use indexmap::IndexMap;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use tidegate_core::pipeline::{ArtifactSpec, Graph, OutKind, OutSpec, Pipeline, PlotSpec, StageSpec, join_path};
use tidegate_wire::dvc::config::DvcConfig;
use tidegate_wire::dvc::tracked::DvcFile;
use tidegate_wire::dvc::{LockFile, Options, parse_pipeline};

/// The file of a pipeline where none is named.
pub const PIPELINE_FILE: &str = "dvc.yaml";
/// The folder of our own state.
pub(crate) const STATE_DIRECTORY: &str = ".tidegate";

/// A loaded workspace.
#[derive(Debug)]
pub struct Workspace {
    /// All paths are seen from here.
    pub root: PathBuf,
    /// The given folder, seen from the root; empty when it is the root.
    pub base: String,
    /// The pipeline's file, seen from the root: what runs when nothing is named.
    pub file: String,
    /// All stages, `.dvc` files among them.
    pub graph: Graph,
    /// What files of pipelines declare beside their stages, by file; paths seen from the root.
    pub beside: IndexMap<String, Beside>,
    /// The cache's folder.
    pub cache: PathBuf,
    /// `.dvc` files, by path.
    pub(crate) data: HashMap<String, DvcFile>,
    /// DVC's folder, of this one or of the nearest above it.
    pub(crate) dvc: Option<PathBuf>,
    pub(crate) config: DvcConfig,
}

/// What a file of a pipeline declares beside its stages.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Beside {
    /// Files of metrics.
    pub metrics: Vec<String>,
    /// Files of parameters.
    pub params: Vec<String>,
    /// Plots; names that are paths as written.
    pub plots: Vec<PlotSpec>,
    /// Named artefacts; paths seen from the root.
    pub artifacts: IndexMap<String, ArtifactSpec>,
}

/// Loads the workspace at `root`. `pipeline` is the pipeline's file from there (`dvc.yaml` when none), `cache` the cache's
/// folder (DVC's own when none).
///
/// # Errors
/// When a file is missing or wrong, or the stages do not make a pipeline.
pub fn load(root: &Path, pipeline: Option<&str>, cache: Option<&Path>) -> Result<Workspace, BuildError> {
    let given = std::path::absolute(root).map_err(BuildError::io("find", root))?;
    // A work tree of ours belongs to no repository above it.
    let above = given.ancestors().take_while(|d| d.file_name().is_none_or(|name| name != STATE_DIRECTORY));
    let dvc = above.map(|d| d.join(".dvc")).find(|d| d.is_dir());
    let root = dvc.as_deref().and_then(Path::parent).unwrap_or(&given).to_path_buf();
    let base = given.strip_prefix(&root).map(|p| p.to_string_lossy().into_owned()).unwrap_or_default();
    let config = dvc.as_deref().map(settings).transpose()?.unwrap_or_default();
    let cache = match (cache, &dvc) {
        (Some(cache), _) => cache.to_path_buf(),
        (None, Some(dvc)) => config.get("cache", "dir").map_or_else(|| dvc.join("cache"), |dir| dvc.join(dir)),
        (None, None) => root.join(".dvc").join("cache"),
    };
    let file = join_path(&base, pipeline.unwrap_or(PIPELINE_FILE));
    let mut loader = Loader { root: &root, base: &base, main: &file, options: options(&config), ..Loader::new() };
    if dvc.is_some() {
        stage_files(&root, &mut |found| loader.load(found))?;
    }
    if !loader.seen.contains(&file) && root.join(&file).is_file() {
        loader.load(&file)?;
    }
    if loader.seen.is_empty() {
        return Err(BuildError::NoPipeline { path: root.join(&file) });
    }
    let Loader { stages, beside, data, .. } = loader;
    let graph = Graph::new(stages).map_err(|errors| BuildError::Graph { file: file.clone(), errors })?;
    Ok(Workspace { root, base, file, graph, beside, cache, data, dvc, config })
}

/// DVC's configuration: of the user, of the repository, of this machine, the last one wins.
fn settings(dvc: &Path) -> Result<DvcConfig, BuildError> {
    let mut merged = DvcConfig::default();
    for path in user_configuration().into_iter().chain([dvc.join("config"), dvc.join("config.local")]) {
        let Ok(text) = std::fs::read_to_string(&path) else { continue };
        let layer = DvcConfig::parse(&path.display().to_string(), &text).map_err(|message| BuildError::Configuration { message })?;
        merged.merge(layer);
    }
    Ok(merged)
}

fn user_configuration() -> Option<PathBuf> {
    let set = |name: &str| std::env::var_os(name).filter(|v| !v.is_empty()).map(PathBuf::from);
    let folder = set("DVC_GLOBAL_CONFIG_DIR")
        .or_else(|| set("XDG_CONFIG_HOME").map(|c| c.join("dvc")))
        .or_else(|| set("HOME").map(|home| home.join(".config").join("dvc")))?;
    Some(folder.join("config"))
}

pub(crate) fn options(config: &DvcConfig) -> Options {
    let is = |key: &str, value: &str| config.get("parsing", key).is_some_and(|found| found.eq_ignore_ascii_case(value));
    Options { no_flags: is("bool", "boolean_optional"), repeat_lists: is("list", "append") }
}

/// `path`, seen from the root, as it is seen from `base`.
pub(crate) fn seen_from(base: &str, path: &str) -> String {
    let (mut base, mut path) = (base, path);
    while let Some((first, rest)) = path.split_once('/') {
        match base.strip_prefix(first).map(|b| b.strip_prefix('/').unwrap_or(b)) {
            Some(deeper) if base == first || base.as_bytes().get(first.len()) == Some(&b'/') => (base, path) = (deeper, rest),
            _ => break,
        }
    }
    let up = if base.is_empty() { 0 } else { base.split('/').count() };
    format!("{}{path}", "../".repeat(up))
}

/// Reads files of stages one after the other.
struct Loader<'a> {
    root: &'a Path,
    base: &'a str,
    main: &'a str,
    options: Options,
    seen: Vec<String>,
    stages: Vec<StageSpec>,
    beside: IndexMap<String, Beside>,
    data: HashMap<String, DvcFile>,
}

impl Loader<'_> {
    fn new() -> Loader<'static> {
        Loader {
            root: Path::new(""),
            base: "",
            main: "",
            options: Options::default(),
            seen: Vec::new(),
            stages: Vec::new(),
            beside: IndexMap::new(),
            data: HashMap::new(),
        }
    }

    /// Reads a file, and gives the paths of what its stages write.
    fn load(&mut self, file: &str) -> Result<Vec<String>, BuildError> {
        let path = self.root.join(file);
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Err(BuildError::NoPipeline { path }),
            Err(error) => return Err(BuildError::io("read", &path)(error)),
        };
        self.seen.push(file.to_owned());
        let before = self.stages.len();
        if file.ends_with(".dvc") {
            let parsed = DvcFile::parse(file, &text)?;
            self.stages.push(self.data_stage(file, &parsed));
            self.data.insert(file.to_owned(), parsed);
        } else {
            self.pipeline(file, &text)?;
        }
        let new = self.stages.iter().skip(before);
        Ok(new.flat_map(|s| s.outs.iter().map(|o| s.from_workspace(&o.path))).collect())
    }

    fn pipeline(&mut self, file: &str, text: &str) -> Result<(), BuildError> {
        let folder = file.rsplit_once('/').map_or("", |(folder, _)| folder);
        let mut read = |relative: &str| match std::fs::read_to_string(self.root.join(join_path(folder, relative))) {
            Ok(text) => Ok(Some(text)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(format!("read {relative}: {error}")),
        };
        let shown = seen_from(self.base, file);
        let Pipeline { stages, metrics, params, plots, artifacts } = parse_pipeline(&shown, text, self.options, &mut read)?;
        for mut stage in stages {
            stage.wdir = join_path(folder, &stage.wdir);
            file.clone_into(&mut stage.file);
            if file != self.main {
                stage.name = format!("{shown}:{}", stage.own_name);
            }
            self.stages.push(stage);
        }
        let here = |paths: Vec<String>| paths.iter().map(|p| join_path(folder, p)).collect();
        let artifacts = artifacts.into_iter().map(|(name, a)| (name, ArtifactSpec { path: join_path(folder, &a.path), ..a }));
        let beside = Beside { metrics: here(metrics), params: here(params), plots, artifacts: artifacts.collect() };
        self.beside.insert(file.to_owned(), beside);
        Ok(())
    }

    /// A `.dvc` file as a stage: it runs nothing, and needs what it was imported from where that lies in the workspace.
    fn data_stage(&self, file: &str, parsed: &DvcFile) -> StageSpec {
        let folder = file.rsplit_once('/').map_or("", |(folder, _)| folder);
        let of = |entry: &tidegate_wire::dvc::tracked::Entry| OutSpec {
            cache: entry.cache,
            push: entry.push,
            remote: entry.remote.clone(),
            ..OutSpec::new(entry.path.clone(), OutKind::Out)
        };
        let is_import = parsed.values().get("deps").and_then(serde_json::Value::as_array);
        let local = |dep: &&serde_json::Value| dep.get("repo").is_none() && dep.get("db").is_none();
        let path = |dep: &serde_json::Value| dep.get("path").and_then(serde_json::Value::as_str).map(str::to_owned);
        let deps = is_import.into_iter().flatten().filter(local).filter_map(path).filter(|p| !p.contains("://"));
        StageSpec {
            name: seen_from(self.base, file),
            own_name: file.to_owned(),
            file: file.to_owned(),
            cmd: None,
            wdir: join_path(folder, parsed.wdir()),
            deps: deps.collect(),
            params: IndexMap::new(),
            outs: parsed.outs().iter().map(of).collect(),
            frozen: parsed.frozen(),
            always_changed: false,
            desc: parsed.text("desc").map(str::to_owned),
        }
    }
}

impl Workspace {
    /// `path`, seen from the root, as it is seen from the given folder.
    #[must_use]
    pub fn from_base(&self, path: &str) -> String {
        if self.base.is_empty() || path.starts_with('/') { path.to_owned() } else { seen_from(&self.base, path) }
    }

    /// Targets as the graph knows them: files and outputs are given as seen from the base.
    pub(crate) fn targets(&self, targets: &[String]) -> Vec<String> {
        let is_stage =
            |t: &str| self.graph.stages().iter().any(|s| s.name == t || s.name.strip_prefix(t).is_some_and(|r| r.starts_with('@')));
        let from_root = |t: &String| if self.base.is_empty() || is_stage(t) { t.clone() } else { join_path(&self.base, t) };
        targets.iter().map(from_root).collect()
    }

    /// The lock file of a pipeline's file.
    #[must_use]
    pub fn lock_path(&self, file: &str) -> PathBuf {
        self.root.join(file).with_extension("lock")
    }

    pub(crate) fn state(&self, name: &str) -> PathBuf {
        self.root.join(STATE_DIRECTORY).join(name)
    }

    /// A lock file and its text; empty when there is none.
    pub(crate) fn read_lock(&self, file: &str) -> Result<(LockFile, String), BuildError> {
        let path = self.lock_path(file);
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
            Err(error) => return Err(BuildError::io("read", &path)(error)),
        };
        let name = path.strip_prefix(&self.root).unwrap_or(&path).to_string_lossy().into_owned();
        Ok((LockFile::parse(&name, &text)?, text))
    }

    /// What a run writes, seen from the root: outputs of stages and the lock files.
    pub(crate) fn written(&self) -> Vec<String> {
        let outs = self.graph.stages().iter().flat_map(|s| s.outs.iter().map(|o| s.from_workspace(&o.path)));
        let locks = self.beside.keys().map(|file| format!("{}.lock", file.rsplit_once('.').map_or(file.as_str(), |(stem, _)| stem)));
        outs.chain(locks).collect()
    }

    /// Where there is no repository of DVC, the folder of the cache is ours to hide from Git, as DVC hides its own; and
    /// our own state is nobody's source.
    pub(crate) fn hide_state(&self) {
        let file = self.root.join(".dvc").join(".gitignore");
        // A folder that Git sees is a nuisance and no fault: the run goes on.
        if self.dvc.is_none() && self.cache == self.root.join(".dvc").join("cache") {
            let _ = crate::atomic::write(&file, b"/config.local\n/tmp\n/cache\n", false);
        }
        let own = self.state(".gitignore");
        if self.state("").is_dir() && !own.exists() {
            let _ = crate::atomic::write(&own, b"*\n", false);
        }
    }

    /// Whether this is a repository of DVC that keeps its files in Git.
    pub(crate) fn uses_git(&self) -> bool {
        self.dvc.as_ref().is_some_and(|dvc| dvc.join("config").is_file()) && !self.config.is_on("core", "no_scm")
    }

    /// What this repository asks for that is not done, in sentences.
    pub(crate) fn warnings(&self) -> Vec<String> {
        let hardlink = self.config.is_on("core", "hardlink_lock");
        let text = "`core.hardlink_lock` is on: its kind of lock is not taken here, so do not run DVC at the same time";
        if hardlink { vec![text.to_owned()] } else { Vec::new() }
    }
}

#[cfg(test)]
mod tests {
    use super::seen_from;

    #[test]
    fn paths_are_seen_from_where_the_user_is() {
        for (base, path, seen) in [
            ("", "a/b", "a/b"),
            ("a", "a/b", "b"),
            ("a", "ab/c", "../ab/c"),
            ("a/b", "a/c/d", "../c/d"),
            ("a/b", "x", "../../x"),
            ("a/b", "a/b/c/d", "c/d"),
        ] {
            assert_eq!(seen_from(base, path), seen, "{base} {path}");
        }
    }
}
