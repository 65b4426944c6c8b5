//! Directories that workers load: a registered version's files, put in place whole from the blobs.

use anyhow::{Context as _, Result};
use std::path::{Path, PathBuf};
use tidegate_core::id::Digest;
use tidegate_core::model::ModelVersion;
use tidegate_port::Blobs as _;
use tidegate_runtime::Format;
use tidegate_serve::remote::{REMOTE_FILE, RemoteModel};
use tidegate_store::FsBlobs;

/// The transform's name.
pub const TRANSFORM: &str = "transform.json";
/// The golden requests' name.
pub const GOLDEN: &str = "golden.json";

/// The directory of a version; made from the blobs unless it is there.
///
/// # Errors
/// When a blob is missing or damaged, or the disk refuses.
pub fn directory(versions: &Path, blobs: &FsBlobs, version: &ModelVersion) -> Result<PathBuf> {
    let parent = versions.join(&version.model);
    let dir = parent.join(&version.version);
    if dir.is_dir() {
        return Ok(dir);
    }
    std::fs::create_dir_all(&parent).with_context(|| format!("create {}", parent.display()))?;
    // Put together beside its place, then moved there: a worker never sees half a version.
    let making = tempfile_in(&parent, &version.version)?;
    let write = |name: &str, bytes: &[u8]| {
        std::fs::write(making.join(name), bytes).with_context(|| format!("write {}", making.join(name).display()))
    };
    let model = blobs.get(&version.artifact)?;
    write(name(&version.artifact, &model)?, &model)?;
    for (name, digest) in [(TRANSFORM, version.transform.as_ref()), (GOLDEN, version.golden.as_ref())] {
        if let Some(digest) = digest {
            write(name, &blobs.get(digest)?)?;
        }
    }
    match std::fs::rename(&making, &dir) {
        Ok(()) => Ok(dir),
        // Somebody else was first: theirs holds the same bytes.
        Err(_) if dir.is_dir() => {
            let _ = std::fs::remove_dir_all(&making);
            Ok(dir)
        }
        Err(e) => Err(e).with_context(|| format!("move {} into place", dir.display())),
    }
}

/// Name of the upstream that answers for the version of a directory; none where a worker of ours does.
///
/// # Errors
/// When the file that says so cannot be read.
pub fn upstream(dir: &Path) -> Result<Option<String>> {
    let path = dir.join(REMOTE_FILE);
    if !path.exists() {
        return Ok(None);
    }
    let bytes = std::fs::read(&path).with_context(|| format!("read {}", path.display()))?;
    Ok(Some(RemoteModel::parse(&bytes).map_err(|why| anyhow::anyhow!("{}: {why}", path.display()))?.upstream))
}

/// The name of a model file, by its kind: of an artefact only its bytes are known.
fn name(artifact: &Digest, bytes: &[u8]) -> Result<&'static str> {
    if RemoteModel::is_one(bytes) {
        return Ok(REMOTE_FILE);
    }
    let format = Format::of(bytes).map_err(|why| anyhow::anyhow!("lay out the artefact {artifact}: {why}"))?;
    Ok(format.file_name())
}

fn tempfile_in(parent: &Path, version: &str) -> Result<PathBuf> {
    let path = parent.join(format!(".{version}.making-{}", std::process::id()));
    if path.exists() {
        std::fs::remove_dir_all(&path).with_context(|| format!("remove what is left of {}", path.display()))?;
    }
    std::fs::create_dir(&path).with_context(|| format!("create {}", path.display()))?;
    Ok(path)
}
