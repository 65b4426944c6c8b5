//! The ONNX Runtime library: found in an environment, loaded once a process.

use crate::RuntimeError;
use ort::environment::Environment;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, OnceLock, PoisonError};

/// The library in use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuntimeInfo {
    /// Where it lies, links resolved.
    pub path: PathBuf,
    /// Its version, as `1.31.1`.
    pub version: String,
}

struct Loaded {
    info: RuntimeInfo,
    environment: Environment,
}

static LOADED: OnceLock<Loaded> = OnceLock::new();
/// Held while loading, so that two threads do not load two libraries.
static LOADING: Mutex<()> = Mutex::new(());

/// Loads ONNX Runtime from `library` for the whole process. Doing it again with the same library is fine.
///
/// # Errors
/// When the file is not there, is no ONNX Runtime, is too old, or another one is already loaded.
pub fn init(library: &Path) -> Result<RuntimeInfo, RuntimeError> {
    let _loading = LOADING.lock().unwrap_or_else(PoisonError::into_inner);
    let path = library.canonicalize().map_err(|_| RuntimeError::LibraryMissing { looked: vec![library.to_owned()] })?;
    if let Some(loaded) = LOADED.get() {
        if loaded.info.path == path {
            return Ok(loaded.info.clone());
        }
        return Err(RuntimeError::LibraryOther { loaded: loaded.info.path.clone(), asked: path });
    }
    let builder = ort::init_from(&path).map_err(|error| unusable(&path, &error))?;
    let environment = builder
        .with_name("tidegate")
        .with_telemetry(false)
        .build()
        .map_err(|error| RuntimeError::LibraryUnusable { path: path.clone(), why: error.to_string() })?;
    let info = RuntimeInfo { version: version(&path), path };
    let loaded = LOADED.get_or_init(|| Loaded { info, environment });
    Ok(loaded.info.clone())
}

/// The loaded library and its environment.
pub(crate) fn loaded() -> Option<(&'static RuntimeInfo, &'static Environment)> {
    LOADED.get().map(|loaded| (&loaded.info, &loaded.environment))
}

fn unusable(path: &Path, error: &ort::LoadDynamicError) -> RuntimeError {
    match error {
        ort::LoadDynamicError::BadVersion { version_str, .. } => {
            RuntimeError::LibraryTooOld { path: path.to_owned(), version: version_str.clone(), needed: format!("1.{}", ort::MINOR_VERSION) }
        }
        ort::LoadDynamicError::MissingApi { .. } => {
            RuntimeError::LibraryUnusable { path: path.to_owned(), why: "it is a library, but not ONNX Runtime".to_owned() }
        }
        ort::LoadDynamicError::Dlopen { error, .. } => {
            // The loader's own sentence stands in the source of the error.
            let why = std::error::Error::source(error).map_or_else(|| error.to_string(), ToString::to_string);
            RuntimeError::LibraryUnusable { path: path.to_owned(), why }
        }
        ort::LoadDynamicError::InvalidVersionString => {
            RuntimeError::LibraryUnusable { path: path.to_owned(), why: "its version is no text".to_owned() }
        }
    }
}

/// The version from the file's name; the packages carry it there, and the build string names none.
fn version(path: &Path) -> String {
    let name = path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
    let digits = name.split_once(".so.").map(|(_, version)| version.to_owned());
    let dylib = name.strip_prefix("libonnxruntime.").and_then(|rest| rest.strip_suffix(".dylib")).map(str::to_owned);
    digits.or(dylib).unwrap_or_else(|| format!("1.{} or newer", ort::MINOR_VERSION))
}

/// The first library among `candidates`. Each is a library file, a directory that holds one, a Python
/// environment, or a `site-packages` directory.
///
/// # Errors
/// When none has one; the error lists where it was looked for.
pub fn find_library(candidates: &[PathBuf]) -> Result<PathBuf, RuntimeError> {
    candidates
        .iter()
        .find_map(|candidate| if candidate.is_file() { Some(candidate.clone()) } else { in_directory(candidate) })
        .ok_or_else(|| RuntimeError::LibraryMissing { looked: candidates.to_vec() })
}

fn in_directory(directory: &Path) -> Option<PathBuf> {
    let capi = Path::new("onnxruntime").join("capi");
    let mut places = vec![directory.to_owned(), directory.join(&capi)];
    for lib in ["lib", "lib64"] {
        for python in entries(&directory.join(lib)) {
            places.push(python.join("site-packages").join(&capi));
        }
    }
    places.iter().find_map(|place| newest_library(place))
}

/// Entries in the order of their names, so that the same directory gives the same answer.
fn entries(directory: &Path) -> Vec<PathBuf> {
    let mut found: Vec<_> = std::fs::read_dir(directory).into_iter().flatten().flatten().map(|entry| entry.path()).collect();
    found.sort();
    found
}

fn newest_library(directory: &Path) -> Option<PathBuf> {
    let is_library = |path: &PathBuf| {
        let name = path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
        name == "libonnxruntime.so"
            || name.starts_with("libonnxruntime.so.")
            || (name.starts_with("libonnxruntime.") && name.ends_with(".dylib"))
    };
    entries(directory).into_iter().rev().filter(is_library).find(|path| path.is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_library_is_found_in_an_environment_and_its_absence_says_what_to_do() {
        let root = tempfile::tempdir().unwrap();
        let capi = root.path().join("lib/python3.11/site-packages/onnxruntime/capi");
        std::fs::create_dir_all(&capi).unwrap();
        std::fs::write(capi.join("libonnxruntime_providers_shared.so"), "").unwrap();
        let missing = find_library(&[root.path().to_owned()]).unwrap_err().to_string();
        assert!(missing.contains("pip install onnxruntime") && missing.contains(&*root.path().to_string_lossy()), "{missing}");
        std::fs::write(capi.join("libonnxruntime.so.1.31.1"), "").unwrap();
        let found = find_library(&[root.path().join("nothing"), root.path().to_owned()]).unwrap();
        assert_eq!(found, capi.join("libonnxruntime.so.1.31.1"));
        assert_eq!(find_library(&[root.path().join("lib/python3.11/site-packages")]).unwrap(), found);
        assert_eq!(find_library(std::slice::from_ref(&found)).unwrap(), found);
        assert_eq!(version(&found), "1.31.1");
    }

    #[test]
    fn a_file_that_is_no_library_is_refused() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "not a library").unwrap();
        let why = init(file.path()).unwrap_err().to_string();
        assert!(why.starts_with("load ONNX Runtime from `"), "{why}");
        let why = init(Path::new("/nowhere/libonnxruntime.so")).unwrap_err().to_string();
        assert!(why.starts_with("find ONNX Runtime: no library at `/nowhere/libonnxruntime.so`"), "{why}");
    }
}
