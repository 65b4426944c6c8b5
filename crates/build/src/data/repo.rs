//! A repository of DVC: where it is, how it is configured, its cache and its index.

use super::error::DataError;
use crate::cache::{Cache, Link};
use crate::index::Index;
use crate::tree::Eyes;
use crate::workspace::STATE_DIRECTORY;
use indexmap::IndexMap;
use std::path::{Component, Path, PathBuf};
use tidegate_core::id::At;
use tidegate_wire::dvc::config::DvcConfig;

/// What a repository needs of the machine around it; the caller reads the environment.
#[derive(Clone, Debug)]
pub struct Surroundings {
    /// Files of configuration outside of the repository, the nearer one last: the system's, the user's.
    pub config_files: Vec<PathBuf>,
    /// Variables that name credentials of remotes, as `AWS_ACCESS_KEY_ID`.
    pub variables: IndexMap<String, String>,
    /// The user's folder.
    pub home: Option<PathBuf>,
    /// The time now.
    pub clock: fn() -> At,
}

/// A repository.
pub struct Repo {
    pub(crate) root: PathBuf,
    pub(crate) dvc: PathBuf,
    /// Where paths on the command line are seen from.
    pub(crate) cwd: PathBuf,
    pub(crate) config: DvcConfig,
    pub(crate) cache: Cache,
    pub(crate) index: Index,
    pub(crate) surroundings: Surroundings,
}

impl Repo {
    /// The repository that `directory` lies in.
    ///
    /// # Errors
    /// When there is none, or its configuration is wrong.
    pub fn open(directory: &Path, surroundings: Surroundings) -> Result<Repo, DataError> {
        let cwd = directory.canonicalize().map_err(DataError::io("find", directory))?;
        let found = cwd.ancestors().find(|d| d.join(".dvc").is_dir());
        let root = found.ok_or_else(|| DataError::NoRepository { path: cwd.clone() })?.to_path_buf();
        let dvc = root.join(".dvc");
        let config = configuration(&dvc, &surroundings)?;
        let cache_directory = config.get("cache", "dir").map_or_else(|| dvc.join("cache"), PathBuf::from);
        let words = config.get("cache", "type").unwrap_or("reflink,copy");
        let links = words.split(',').map(|word| {
            Link::named(word)
                .ok_or_else(|| DataError::Config(format!("cache.type has `{}`: it is reflink, hardlink, symlink or copy", word.trim())))
        });
        let cache = Cache::with_links(&cache_directory, &links.collect::<Result<Vec<_>, _>>()?);
        let index = Index::open(&root.join(STATE_DIRECTORY).join("index"));
        Ok(Repo { root, dvc, cwd, config, cache, index, surroundings })
    }

    /// Where it is.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The remote that is meant when none is named.
    #[must_use]
    pub fn default_remote(&self) -> Option<&str> {
        self.config.get("core", "remote")
    }

    /// Keeps what was learned about files.
    pub fn save_index(&self) {
        self.index.save();
    }

    pub(crate) fn clock(&self) -> &(dyn Fn() -> At + Sync) {
        &self.surroundings.clock
    }

    pub(crate) fn eyes(&self) -> Eyes<'_> {
        Eyes { root: &self.root, index: &self.index, clock: self.clock() }
    }

    /// A path of the command line, seen from the repository.
    pub(crate) fn inside(&self, path: &str) -> Result<String, DataError> {
        let full = self.cwd.join(path);
        let mut parts: Vec<std::ffi::OsString> = Vec::new();
        for part in full.components() {
            match part {
                Component::ParentDir => drop(parts.pop()),
                Component::Normal(name) => parts.push(name.to_owned()),
                Component::CurDir | Component::RootDir | Component::Prefix(_) => {}
            }
        }
        let full: PathBuf = std::iter::once("/".into()).chain(parts).collect::<PathBuf>();
        let inner = full.strip_prefix(&self.root);
        let inner = inner.map_err(|_| DataError::Usage(format!("{path} is outside of the repository {}", self.root.display())))?;
        inner.to_str().map(str::to_owned).ok_or_else(|| DataError::Usage(format!("{path}: the path is not UTF-8")))
    }

    /// A path of the repository, seen from where the command was given.
    #[must_use]
    pub fn shown(&self, path: &str) -> String {
        let here = self.cwd.strip_prefix(&self.root).unwrap_or(Path::new(""));
        let (here, there): (Vec<_>, Vec<&str>) = (here.iter().filter_map(|p| p.to_str()).collect(), path.split('/').collect());
        let same = here.iter().zip(&there).take_while(|(a, b)| a == b).count();
        let up = std::iter::repeat_n("..", here.len() - same);
        up.chain(there.iter().skip(same).copied()).collect::<Vec<_>>().join("/")
    }

    /// Whether the repository keeps its files in Git.
    pub(crate) fn uses_git(&self) -> bool {
        !self.config.is_on("core", "no_scm") && self.root.ancestors().any(|d| d.join(".git").exists())
    }
}

/// The layers, the nearer over the farther; relative paths are seen from the file that says them.
pub(crate) fn configuration(dvc: &Path, surroundings: &Surroundings) -> Result<DvcConfig, DataError> {
    let mut config = DvcConfig::default();
    let own = [dvc.join("config"), dvc.join("config.local")];
    for file in surroundings.config_files.iter().chain(&own) {
        let text = match std::fs::read_to_string(file) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
            Err(error) => return Err(DataError::io("read", file)(error)),
        };
        let mut layer = DvcConfig::parse(&file.display().to_string(), &text).map_err(DataError::Config)?;
        let directory = file.parent().unwrap_or(dvc);
        for path in layer.paths_mut() {
            *path = resolved(path, directory, surroundings.home.as_deref());
        }
        config.merge(layer);
    }
    Ok(config)
}

fn resolved(path: &str, directory: &Path, home: Option<&Path>) -> String {
    if path.contains("://") || path.starts_with('/') {
        return path.to_owned();
    }
    match (path.strip_prefix("~/"), home) {
        (Some(rest), Some(home)) => home.join(rest).display().to_string(),
        _ => directory.join(path).display().to_string(),
    }
}
