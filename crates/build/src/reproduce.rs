//! What a recorded run needs to be run again, and what came out otherwise.

use crate::cache::Cache;
use crate::code::{git, git_with};
use crate::error::{BuildError, PathIo};
use crate::index::Index;
use crate::tree::{Content, Eyes};
use crate::workspace::STATE_DIRECTORY;
use indexmap::IndexMap;
use std::collections::BTreeSet;
use std::io::Read as _;
use std::path::Path;
use tidegate_core::id::At;
use tidegate_core::pipeline::Identity;
use tidegate_core::run::FileFact;

/// Read at once when two files are compared.
const CHUNK_BYTES: usize = 64 * 1024;

/// Where two contents part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parting {
    /// The file, seen from the work tree.
    pub file: String,
    /// The first byte that differs, counted from 0; none where one of both has no such file.
    pub offset: Option<u64>,
    /// Its line, counted from 1.
    pub line: u64,
}

/// A path that has other bytes than recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Otherwise {
    /// The path, seen from the work tree.
    pub path: String,
    /// What was recorded.
    pub recorded: FileFact,
    /// What is there now; none when nothing is.
    pub now: Option<FileFact>,
    /// The first file and byte that differ; none when the cache does not have what was recorded.
    pub parting: Option<Parting>,
}

/// Writes the files of a Git revision of the workspace at `root` to `dest`. False when Git does not know the revision.
///
/// # Errors
/// When the folder cannot be made.
pub fn revision_to(root: &Path, revision: &str, dest: &Path) -> Result<bool, BuildError> {
    std::fs::create_dir_all(dest).map_err(BuildError::io("create", dest))?;
    let ask = |word: &str| git(root, &["rev-parse", word]).map(|said| String::from_utf8_lossy(&said).trim_end().to_owned());
    let (Some(top), Some(prefix)) = (ask("--show-toplevel"), ask("--show-prefix")) else { return Ok(false) };
    // An index of its own: that of the user is neither read nor written.
    let index = dest.join(".git-index");
    let (top, tree) = (Path::new(&top), format!("{revision}:{}", prefix.trim_end_matches('/')));
    let target = format!("--prefix={}/", dest.display());
    let done = git_with(top, &["read-tree", &tree], Some(&index)).is_some()
        && git_with(top, &["checkout-index", "--all", "--force", &target], Some(&index)).is_some();
    crate::atomic::remove(&index).map_err(BuildError::io("remove", &index))?;
    Ok(done)
}

/// Makes each path of `wanted` in the tree what was recorded, from the cache where it is not; the answer are those for
/// which the cache has nothing.
///
/// # Errors
/// When a file cannot be read or written.
pub fn bring(
    tree: &Path,
    cache: &Path,
    wanted: &IndexMap<String, FileFact>,
    clock: &(dyn Fn() -> At + Sync),
) -> Result<Vec<String>, BuildError> {
    let (cache, index) = (Cache::new(cache), Index::open(&tree.join(STATE_DIRECTORY).join("none")));
    let eyes = Eyes { root: tree, index: &index, clock };
    let mut missing = Vec::new();
    for (path, fact) in wanted {
        let inside = !path.starts_with('/') && !path.split('/').any(|part| part == "..");
        if inside && eyes.look(path)?.is_some_and(|content| content.identity.md5 == fact.md5) {
            continue;
        }
        let identity = Identity { md5: fact.md5.clone(), size_bytes: fact.size_bytes, files: None, executable: false };
        if !inside || !cache.put(&eyes, path, &identity)? {
            missing.push(path.clone());
        }
    }
    Ok(missing)
}

/// Which paths of `recorded` have other bytes in the tree.
///
/// # Errors
/// When a file cannot be read.
pub fn otherwise(
    tree: &Path,
    cache: &Path,
    recorded: &IndexMap<String, FileFact>,
    clock: &(dyn Fn() -> At + Sync),
) -> Result<Vec<Otherwise>, BuildError> {
    let (cache, index) = (Cache::new(cache), Index::open(&tree.join(STATE_DIRECTORY).join("none")));
    let eyes = Eyes { root: tree, index: &index, clock };
    let mut found = Vec::new();
    for (path, fact) in recorded {
        let now = eyes.look_inside(path)?;
        if now.as_ref().is_some_and(|content| content.identity.md5 == fact.md5) {
            continue;
        }
        let parting = parting(tree, &cache, path, fact, now.as_ref())?;
        found.push(Otherwise { path: path.clone(), recorded: fact.clone(), now: now.map(|content| content.fact()), parting });
    }
    Ok(found)
}

fn parting(tree: &Path, cache: &Cache, path: &str, fact: &FileFact, now: Option<&Content>) -> Result<Option<Parting>, PathIo> {
    let alone = |file: String| Ok(Some(Parting { file, offset: None, line: 0 }));
    let Some(listing) = cache.listing_of(Default::default(), &fact.md5) else {
        let object = cache.object_of(Default::default(), &fact.md5);
        return if now.is_some() && object.is_file() { first_byte(&object, tree, path) } else { Ok(None) };
    };
    let before: IndexMap<&str, &str> = listing.iter().map(|(md5, inner)| (inner.as_str(), md5.as_str())).collect();
    let members = now.and_then(|content| content.members.as_ref());
    let after: IndexMap<&str, &str> = members.into_iter().flatten().map(|m| (m.relative.as_str(), m.hash.md5.as_str())).collect();
    let names: BTreeSet<&&str> = before.keys().chain(after.keys()).collect();
    for name in names {
        let file = format!("{path}/{name}");
        match (before.get(*name), after.get(*name)) {
            (Some(a), Some(b)) if a == b => {}
            (Some(md5), Some(_)) => {
                let object = cache.object_of(Default::default(), md5);
                return if object.is_file() { first_byte(&object, tree, &file) } else { alone(file) };
            }
            _ => return alone(file),
        }
    }
    Ok(None)
}

/// The first byte in which an object of the cache and a file of the tree differ.
fn first_byte(object: &Path, tree: &Path, file: &str) -> Result<Option<Parting>, PathIo> {
    let other = tree.join(file);
    let open = |path: &Path| std::fs::File::open(path).map_err(PathIo::at("read", path));
    let (mut a, mut b) = (open(object)?, open(&other)?);
    let (mut offset, mut line) = (0_u64, 1_u64);
    let (mut one, mut two) = (Vec::new(), Vec::new());
    loop {
        let next = |from: &mut std::fs::File, into: &mut Vec<u8>, path: &Path| {
            into.clear();
            from.take(CHUNK_BYTES as u64).read_to_end(into).map_err(PathIo::at("read", path))
        };
        next(&mut a, &mut one, object)?;
        next(&mut b, &mut two, &other)?;
        let same = one.iter().zip(&two).take_while(|(x, y)| x == y).count();
        line += one.iter().take(same).filter(|byte| **byte == b'\n').count() as u64;
        offset += same as u64;
        if same < one.len().max(two.len()) {
            return Ok(Some(Parting { file: file.to_owned(), offset: Some(offset), line }));
        }
        if one.is_empty() {
            return Ok(None);
        }
    }
}
