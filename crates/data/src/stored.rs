//! Data in an object store. Parquet is read where it lies, of it only the footer and the columns that are asked for; what
//! must be read whole anyway is copied once, to the folder where sorting spills.

use crate::error::DataError;
use crate::place;
use crate::source::{Files, Format, Source, arranged};
use datafusion::error::DataFusionError;
use datafusion::execution::object_store::ObjectStoreUrl;
use futures::{StreamExt as _, TryStreamExt as _};
use object_store::path::Path as Location;
use object_store::{GetOptions, GetRange, ObjectMeta, ObjectStore, ObjectStoreExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tempfile::TempDir;
use tidegate_core::id::{At, Digest};
use tokio::io::AsyncWriteExt as _;

/// Most objects below a name.
pub const OBJECTS_MAX: usize = 100_000;
/// Most bytes that are copied.
pub const COPY_BYTES_MAX: u64 = 64 << 30;
/// Objects that are looked at or copied at once.
const AT_ONCE: usize = 8;

/// Objects of a store.
#[derive(Clone, Debug)]
pub struct Stored {
    /// The store.
    pub objects: Arc<dyn ObjectStore>,
    /// The object, or what the names of several begin with.
    pub key: String,
}

/// What the engine knows the store of a source by: an address of its own, so that a query over several sources finds each.
pub(crate) fn address(source: &Source) -> Result<ObjectStoreUrl, DataFusionError> {
    let shown = Digest::of(source.path.to_string_lossy().as_bytes());
    ObjectStoreUrl::parse(format!("tidegate://{}", shown.hex().get(..32).unwrap_or_default()))
}

fn failed(operation: &'static str, path: &Path, error: object_store::Error) -> DataError {
    let path = path.to_path_buf();
    match error {
        object_store::Error::NotFound { .. } => DataError::NotFound { operation, path },
        other => DataError::Store { operation, path, why: told(&other) },
    }
}

/// The innermost cause: the outer ones repeat it with the address, which may hold what is nobody's business.
fn told(error: &object_store::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause.to_string()
}

/// The object itself, or all data below it in order of their names; hidden ones and those that begin with `_` are not data.
async fn listed(stored: &Stored, source: &Source, operation: &'static str) -> Result<(Vec<ObjectMeta>, bool), DataError> {
    let path = &source.path;
    let key = Location::parse(stored.key.trim_matches('/')).map_err(|e| failed(operation, path, e.into()))?;
    match stored.objects.head(&key).await {
        Ok(meta) => return Ok((vec![meta], false)),
        Err(object_store::Error::NotFound { .. }) => {}
        Err(error) => return Err(failed(operation, path, error)),
    }
    let mut found = Vec::new();
    let mut all = stored.objects.list(Some(&key));
    while let Some(meta) = all.next().await {
        let meta = meta.map_err(|e| failed(operation, path, e))?;
        let inner = inner(stored, &meta.location);
        let hidden = inner.iter().any(|part| part.to_string_lossy().starts_with(['.', '_']));
        if !hidden && (source.format.is_some() || Format::of(&inner).is_some()) {
            found.push(meta);
        }
        if found.len() > OBJECTS_MAX {
            let (what, advice) = ("the number of objects".to_owned(), "check what lies below it part by part");
            return Err(DataError::TooLarge { operation, path: path.clone(), what, limit: OBJECTS_MAX as u64, advice });
        }
    }
    if found.is_empty() {
        return Err(DataError::NotFound { operation, path: path.clone() });
    }
    found.sort_by(|a, b| a.location.cmp(&b.location));
    Ok((found, true))
}

/// A name within what the source names.
fn inner(stored: &Stored, location: &Location) -> PathBuf {
    let key = stored.key.trim_matches('/');
    let name = location.as_ref();
    PathBuf::from(name.strip_prefix(key).unwrap_or(name).trim_start_matches('/'))
}

/// Finds the objects of a source; Parquet files are looked at, how they begin and end. Paths are names within the store.
pub(crate) async fn found(stored: &Stored, source: &Source, operation: &'static str) -> Result<Files, DataError> {
    let (metas, is_folder) = listed(stored, source, operation).await?;
    let paths: Vec<PathBuf> = metas.iter().map(|m| PathBuf::from(m.location.as_ref())).collect();
    // Keys of folders are those below the source.
    let from = Source { path: PathBuf::from(stored.key.trim_matches('/')), ..source.clone() };
    let files = arranged(&from, &paths, is_folder, operation).map_err(|e| e.at(&source.path))?;
    if files.format == Format::Parquet {
        let looks: Vec<_> = metas.into_iter().map(|meta| look(stored.clone(), source.clone(), meta, operation)).collect();
        futures::stream::iter(looks).buffered(AT_ONCE).try_collect::<Vec<()>>().await?;
    }
    Ok(files)
}

async fn look(stored: Stored, source: Source, meta: ObjectMeta, operation: &'static str) -> Result<(), DataError> {
    let shown = shown(&stored, &source, &meta.location);
    let (mut start, mut end) = (vec![], vec![]);
    if meta.size > 0 {
        start = part(&stored, &meta, GetRange::Bounded(0..4.min(meta.size))).await.map_err(|e| failed(operation, &shown, e))?;
    }
    if meta.size >= 8 {
        end = part(&stored, &meta, GetRange::Suffix(8)).await.map_err(|e| failed(operation, &shown, e))?;
    }
    place::look_at(operation, &shown, meta.size, &start, &end)
}

async fn part(stored: &Stored, meta: &ObjectMeta, range: GetRange) -> Result<Vec<u8>, object_store::Error> {
    let options = GetOptions { range: Some(range), ..GetOptions::default() };
    Ok(stored.objects.get_opts(&meta.location, options).await?.bytes().await?.to_vec())
}

fn shown(stored: &Stored, source: &Source, location: &Location) -> PathBuf {
    match inner(stored, location) {
        itself if itself.as_os_str().is_empty() => source.path.clone(),
        inner => source.path.join(inner),
    }
}

/// Copies objects to a folder of their own.
pub(crate) async fn copied(
    stored: &Stored,
    source: &Source,
    found: Files,
    spill: Option<&Path>,
    operation: &'static str,
) -> Result<Files, DataError> {
    let path = &source.path;
    let folder = match spill {
        Some(spill) => TempDir::new_in(spill),
        None => TempDir::new(),
    };
    let folder = folder.map_err(|e| DataError::io(operation, path, e))?;
    let (metas, is_folder) = listed(stored, source, operation).await?;
    let bytes: u64 = metas.iter().map(|m| m.size).sum();
    if bytes > COPY_BYTES_MAX {
        let (what, advice) = (format!("{bytes} bytes of {:?}", found.format), "write it as Parquet, which is read where it lies");
        return Err(DataError::TooLarge { operation, path: path.clone(), what, limit: COPY_BYTES_MAX, advice });
    }
    let to = |meta: &ObjectMeta| match inner(stored, &meta.location) {
        itself if itself.as_os_str().is_empty() => folder.path().join(meta.location.filename().unwrap_or("data")),
        inner => folder.path().join(inner),
    };
    let copies: Vec<_> = metas.iter().map(|meta| copy(stored.clone(), source.clone(), meta.clone(), to(meta), operation)).collect();
    futures::stream::iter(copies).buffered(AT_ONCE).try_collect::<Vec<()>>().await?;
    let paths: Vec<PathBuf> = metas.iter().map(to).collect();
    let from = Source { path: folder.path().to_path_buf(), stored: None, ..source.clone() };
    let mut files = arranged(&from, &paths, is_folder, operation).map_err(|e| e.at(path))?;
    for file in &paths {
        place::look(operation, file, files.format).map_err(|e| e.at(path))?;
    }
    let parent = if is_folder { path.clone() } else { path.parent().unwrap_or(path).to_path_buf() };
    files.copies = Some((folder, parent));
    Ok(files)
}

async fn copy(stored: Stored, source: Source, meta: ObjectMeta, to: PathBuf, operation: &'static str) -> Result<(), DataError> {
    let shown = shown(&stored, &source, &meta.location);
    let io = |e| DataError::io(operation, &shown, e);
    if let Some(folder) = to.parent() {
        tokio::fs::create_dir_all(folder).await.map_err(io)?;
    }
    let mut file = tokio::fs::File::create(&to).await.map_err(io)?;
    let mut body = stored.objects.get(&meta.location).await.map_err(|e| failed(operation, &shown, e))?.into_stream();
    while let Some(bytes) = body.next().await {
        file.write_all(&bytes.map_err(|e| failed(operation, &shown, e))?).await.map_err(io)?;
    }
    file.flush().await.map_err(io)
}

/// What a source in a store is told by, without reading it: names, sizes, and what the store calls each version.
///
/// # Errors
/// When it cannot be listed.
pub async fn stored_digest(source: &Source) -> Result<Option<(Digest, At)>, DataError> {
    let Some(stored) = &source.stored else { return Ok(None) };
    let (metas, _) = listed(stored, source, "digest data").await?;
    let mut all = blake3::Hasher::new();
    for meta in &metas {
        let version = meta.e_tag.clone().or_else(|| meta.version.clone()).unwrap_or_else(|| meta.last_modified.to_rfc3339());
        for part in [inner(stored, &meta.location).to_string_lossy().as_ref(), &meta.size.to_string(), &version] {
            all.update(&(part.len() as u64).to_le_bytes()).update(part.as_bytes());
        }
    }
    let newest = metas.iter().map(|m| m.last_modified.timestamp_millis()).max().unwrap_or_default();
    Ok(Some((Digest::from_hash(all.finalize()), At(newest))))
}
