//! A workspace on disk: its root, its tidegate.yaml, and the places under `.tidegate/`.

use crate::exit::{self, failure};
use crate::surroundings;
use anyhow::{Context, Result};
use std::path::{Path, PathBuf};
use tidegate_store::{JournalAddress, postgres};
use tidegate_wire::config::{self, FILES_MAX, RepoScan, Stores, Workspace};
use tidegate_wire::scenario::{self, Scenario};

/// The file that describes a workspace.
pub const CONFIG_FILE: &str = "tidegate.yaml";
/// The file that describes a rehearsal.
pub const SCENARIO_FILE: &str = "scenario.yaml";
/// Largest file of the workspace that is read as configuration, in bytes.
const TEXT_BYTES_MAX: u64 = 4 * 1024 * 1024;
/// Directories that hold no source of the workspace.
const NOT_SOURCE: [&str; 7] = [".git", ".tidegate", ".dvc", "node_modules", "__pycache__", ".venv", "lost+found"];

/// Places under a root.
#[derive(Clone, Debug)]
pub struct Places {
    /// The workspace.
    pub root: PathBuf,
    /// Everything that is ours.
    pub home: PathBuf,
    /// What lies elsewhere; or why that could not be read.
    pub stores: Result<Stores, String>,
}

impl Places {
    /// The places of `root`, when nothing lies elsewhere.
    pub fn of(root: &Path) -> Places {
        Places { root: root.to_owned(), home: root.join(".tidegate"), stores: Ok(Stores::default()) }
    }

    /// Where the journal lies.
    ///
    /// # Errors
    /// When the variable with its address is not set, or holds none.
    pub fn journal(&self) -> Result<JournalAddress> {
        let stores = self.stores.as_ref().map_err(|why| failure(exit::USAGE, format!("find the journal: {why}")))?;
        let Some(variable) = &stores.postgres else { return Ok(JournalAddress::File(self.file_of_journal())) };
        let text =
            surroundings::secret(variable).map_err(|why| failure(exit::USAGE, format!("open the journal (`journal.postgres`): {why}")))?;
        Ok(JournalAddress::Postgres(Box::new(postgres::address(&text)?)))
    }

    fn file_of_journal(&self) -> PathBuf {
        self.home.join("journal.sqlite")
    }

    /// Whether there may be a journal: one in a database is found out by asking.
    pub fn may_have_journal(&self) -> bool {
        self.stores.as_ref().map_or(true, |stores| stores.postgres.is_some()) || self.file_of_journal().exists()
    }

    /// Whether other replicas act on the same journal.
    pub fn has_replicas(&self) -> bool {
        self.stores.as_ref().is_ok_and(|stores| stores.shared.is_some())
    }

    /// Which replica acts: written by it, read by commands beside the others.
    pub fn acting(&self) -> PathBuf {
        self.common().join("acting.json")
    }

    /// Where things lie that all replicas use.
    fn common(&self) -> &Path {
        self.stores.as_ref().ok().and_then(|stores| stores.shared.as_deref()).unwrap_or(&self.home)
    }

    /// The transparency log.
    pub fn log(&self) -> PathBuf {
        self.common().join("log")
    }

    /// Blobs.
    pub fn blobs(&self) -> PathBuf {
        self.common().join("blobs")
    }

    /// Telemetry.
    pub fn lake(&self) -> PathBuf {
        self.home.join("lake")
    }

    /// How far streams of events were read into the telemetry that lies here.
    pub fn streams(&self) -> PathBuf {
        self.home.join("streams")
    }

    /// Keys and tokens.
    pub fn keys(&self) -> PathBuf {
        self.common().join("keys")
    }

    /// How far those are who are told what happens.
    pub fn notify(&self) -> PathBuf {
        self.common().join("notify")
    }

    /// Clones of repositories that drivers commit to: derived, made again where they are gone.
    pub fn drivers(&self) -> PathBuf {
        self.home.join("drivers")
    }

    /// Ticks of releases that are not sealed yet.
    pub fn evidence(&self) -> PathBuf {
        self.common().join("evidence")
    }

    /// Directories that workers load, one a version.
    pub fn versions(&self) -> PathBuf {
        self.home.join("versions")
    }

    /// Work trees of changes.
    pub fn changes(&self) -> PathBuf {
        self.home.join("changes")
    }

    /// Work trees of runs that were run again and came out otherwise.
    pub fn reproductions(&self) -> PathBuf {
        self.home.join("reproductions")
    }

    /// Experiments: their work trees and what they ended with.
    pub fn experiments(&self) -> PathBuf {
        self.home.join("experiments")
    }

    /// Who is up here: written by `up`, read by every other command.
    pub fn up(&self) -> PathBuf {
        self.home.join("up.json")
    }

    /// Lock that `up` holds while it lives.
    pub fn up_lock(&self) -> PathBuf {
        self.home.join("up.lock")
    }

    /// Who has taken over, written when it lets clients in.
    pub fn handed(&self) -> PathBuf {
        self.home.join("handed")
    }

    /// Socket of the control plane.
    pub fn socket(&self) -> PathBuf {
        self.home.join("up.sock")
    }

    /// Makes the home, readable by its owner alone.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn make(&self) -> Result<()> {
        use std::os::unix::fs::DirBuilderExt;
        let make = |dir: &Path| std::fs::DirBuilder::new().recursive(true).mode(0o700).create(dir);
        for dir in [self.home.clone(), self.keys(), self.evidence(), self.notify(), self.versions(), self.changes(), self.streams()] {
            make(&dir).with_context(|| format!("create the directory {}: see whether the disk is full or read-only", dir.display()))?;
        }
        // Keys and journals are nobody's sources.
        let ignore = self.home.join(".gitignore");
        if !ignore.exists() {
            std::fs::write(&ignore, "*\n").with_context(|| format!("write {}", ignore.display()))?;
        }
        Ok(())
    }
}

/// An opened workspace.
#[derive(Clone, Debug)]
pub struct Opened {
    /// Where things are.
    pub places: Places,
    /// What tidegate.yaml says, defaults in place.
    pub config: Workspace,
    /// The rehearsal, where there is one.
    pub scenario: Option<(Scenario, String)>,
}

/// The root of a workspace as an absolute path.
///
/// # Errors
/// When `dir` is not a directory.
pub fn root_of(dir: &Path) -> Result<PathBuf> {
    let root = dir
        .canonicalize()
        .map_err(|e| failure(exit::NOT_FOUND, format!("open the workspace {}: {e}: name a directory that exists", dir.display())))?;
    if !root.is_dir() {
        return Err(failure(
            exit::USAGE,
            format!("open the workspace {}: this is a file: name the directory that holds it", dir.display()),
        ));
    }
    Ok(root)
}

/// Opens the workspace in `dir`.
///
/// # Errors
/// With every problem of its files at once.
pub fn open(dir: &Path) -> Result<Opened> {
    let root = root_of(dir)?;
    let places = Places::of(&root);
    let path = root.join(CONFIG_FILE);
    let is_own = path.exists();
    let text = if is_own {
        read_text(&path)?
    } else if root.join("dvc.yaml").exists() || root.join(".dvc").is_dir() {
        // A DVC repository as it stands is a workspace.
        format!("version: 1\nworkspace: {}\npipeline: dvc.yaml\n", name_of(&root))
    } else {
        let message =
            format!("open the workspace {}: it has neither {CONFIG_FILE} nor dvc.yaml: `tidegate init` writes one", dir.display());
        return Err(failure(exit::NOT_FOUND, message));
    };
    // What was just made up names no file that could be misspelt, and a repository of data may hold millions.
    let scan = is_own.then(|| scan(&root)).transpose()?;
    let config = config::load_in(&text, CONFIG_FILE, scan.as_ref()).map_err(|problems| failure(exit::USAGE, problems.to_string()))?;
    let scenario = open_scenario(&root)?;
    let places = Places { stores: Ok(config.stores.clone()), ..places };
    Ok(Opened { places, config, scenario })
}

/// The places of the workspace in `dir`, for commands that need nothing else of its file: mistakes elsewhere do not matter, and one that
/// cannot be read at all is said when the journal is asked for.
///
/// # Errors
/// When there is no such directory.
pub fn places(dir: &Path) -> Result<Places> {
    let places = Places::of(&root_of(dir)?);
    let path = places.root.join(CONFIG_FILE);
    if !path.exists() {
        return Ok(places);
    }
    let stores = read_text(&path).map_err(|e| format!("{e:#}")).and_then(|text| config::stores_of(&text));
    let stores = stores.map_err(|why| format!("{}: {why}", path.display()));
    Ok(Places { stores, ..places })
}

fn open_scenario(root: &Path) -> Result<Option<(Scenario, String)>> {
    let path = root.join(SCENARIO_FILE);
    if !path.exists() {
        return Ok(None);
    }
    let text = read_text(&path)?;
    let scenario = scenario::load(&text, SCENARIO_FILE).map_err(|errors| {
        let lines: Vec<String> = errors.iter().map(ToString::to_string).collect();
        failure(exit::USAGE, lines.join("\n"))
    })?;
    Ok(Some((scenario, text)))
}

/// A name for a workspace that has none: its directory's.
pub fn name_of(root: &Path) -> String {
    let name = root.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
    let clean: String = name.chars().map(|c| if c.is_ascii_alphanumeric() || c == '-' || c == '_' { c } else { '-' }).collect();
    if clean.is_empty() { "workspace".to_owned() } else { clean }
}

/// Facts about the repository's files.
///
/// # Errors
/// When it cannot be walked.
pub fn scan(root: &Path) -> Result<RepoScan> {
    let mut files = vec![];
    walk(root, Path::new(""), &mut files)?;
    files.sort();
    let read = |name: &str| read_text(&root.join(name)).ok();
    Ok(config::scan(&name_of(root), &files, &read))
}

fn walk(root: &Path, below: &Path, files: &mut Vec<String>) -> Result<()> {
    let dir = root.join(below);
    let entries = std::fs::read_dir(&dir).with_context(|| format!("list the directory {}", dir.display()))?;
    for entry in entries {
        let entry = entry.with_context(|| format!("list the directory {}", dir.display()))?;
        let name = entry.file_name();
        let path = below.join(&name);
        let kind = entry.file_type().with_context(|| format!("look at {}", entry.path().display()))?;
        if kind.is_dir() {
            if !NOT_SOURCE.iter().any(|skip| name == *skip) {
                walk(root, &path, files)?;
            }
        } else if files.len() < FILES_MAX {
            files.push(path.to_string_lossy().into_owned());
        }
    }
    Ok(())
}

/// A text file of the workspace, within a limit.
///
/// # Errors
/// When it is absent, too large or no text.
pub fn read_text(path: &Path) -> Result<String> {
    let size = std::fs::metadata(path).with_context(|| format!("read {}", path.display()))?.len();
    if size > TEXT_BYTES_MAX {
        return Err(failure(exit::USAGE, format!("read {}: {size} bytes are over the limit of {TEXT_BYTES_MAX}", path.display())));
    }
    std::fs::read_to_string(path).with_context(|| format!("read {} as UTF-8 text", path.display()))
}
