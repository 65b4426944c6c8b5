//! A remote that is a directory: a disk of the machine or one that is mounted.

use super::{Moved, Object, Progress, Trouble};
use crate::atomic::{TEMPORARY_PREFIX, remove, temporary_beside};
use crate::cache::{Cache, old_md5};
use crate::data::DataError;
use crate::hash::hash_copy;
use crate::tree::in_parallel;
use std::collections::HashSet;
use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::path::Path;
use tidegate_wire::dvc::tracked::HashKind;

pub(super) fn have(root: &Path, objects: &[Object]) -> Result<HashSet<Object>, DataError> {
    let found = in_parallel(objects, |object| {
        let path = root.join(object.place());
        match fs::metadata(&path) {
            Ok(meta) => Ok(meta.is_file().then(|| object.clone())),
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => Ok(None),
            Err(error) => Err(DataError::io("look at", &path)(error)),
        }
    })?;
    Ok(found.into_iter().flatten().collect())
}

pub(super) fn list(root: &Path) -> Result<Vec<Object>, DataError> {
    let mut found = Vec::new();
    for (folder, prefix) in [(root.join("files").join("md5"), "files/md5/"), (root.to_path_buf(), "")] {
        for head in names(&folder)?.into_iter().filter(|name| name.len() == 2) {
            let tails = names(&folder.join(&head))?;
            found.extend(tails.iter().filter_map(|tail| Object::at(&format!("{prefix}{head}/{tail}"))));
        }
    }
    Ok(found)
}

/// Places of the records of a run-cache below a folder.
pub(crate) fn records(root: &Path) -> Result<HashSet<String>, DataError> {
    let mut found = HashSet::new();
    for head in names(&root.join("runs"))? {
        for key in names(&root.join("runs").join(&head))? {
            let values = names(&root.join("runs").join(&head).join(&key))?;
            found.extend(values.iter().map(|value| format!("runs/{head}/{key}/{value}")).filter(|place| crate::runcache::is_place(place)));
        }
    }
    Ok(found)
}

fn names(folder: &Path) -> Result<Vec<String>, DataError> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => return Ok(Vec::new()),
        Err(error) => return Err(DataError::io("list", folder)(error)),
    };
    let names = entries.map(|entry| entry.map(|e| e.file_name().into_string().ok())).collect::<io::Result<Vec<_>>>();
    Ok(names.map_err(DataError::io("list", folder))?.into_iter().flatten().collect())
}

pub(super) fn delete(root: &Path, objects: &[Object]) -> Result<(), DataError> {
    for object in objects {
        let path = root.join(object.place());
        remove(&path).map_err(DataError::io("remove", &path))?;
    }
    Ok(())
}

pub(super) fn put(root: &Path, cache: &Cache, objects: &[Object], progress: &dyn Progress) -> Moved {
    sweep(root);
    each(objects, progress, |object| {
        let (from, to) = (cache.object_of(object.kind, &object.md5), root.join(object.place()));
        let parent = to.parent().unwrap_or(root);
        if !parent.is_dir() {
            fs::create_dir_all(parent).map_err(|e| trouble("create", parent, &e))?;
        }
        let temporary = temporary_beside(&to);
        copy(object, &from, &temporary, progress)
            .and_then(|()| {
                // A remote is others' only copy: what it holds must outlive the machine's next crash.
                let written = File::open(&temporary).and_then(|file| if object.is_dir() { file.sync_all() } else { Ok(()) });
                written.and_then(|()| fs::rename(&temporary, &to)).map_err(|e| trouble("write", &to, &e))
            })
            .inspect_err(|_| drop(remove(&temporary)))
    })
}

pub(super) fn get(root: &Path, cache: &Cache, objects: &[Object], progress: &dyn Progress) -> Moved {
    each(objects, progress, |object| {
        let from = root.join(object.place());
        let to = cache.object_of(object.kind, &object.md5);
        let temporary = cache.temporary().map_err(|e| trouble(e.what, &e.path, &e.source))?;
        copy(object, &from, &temporary, progress)
            .and_then(|()| cache.settle(&temporary, &to).map_err(|e| trouble(e.what, &e.path, &e.source)))
            .inspect_err(|_| drop(remove(&temporary)))
    })
}

/// Removes what transfers that were cut short have left in the folders of objects of an earlier day; a folder that is not
/// there yet has none.
fn sweep(root: &Path) {
    let folder = root.join("files").join("md5");
    let own = std::process::id().to_string();
    for head in names(&folder).unwrap_or_default() {
        for name in names(&folder.join(&head)).unwrap_or_default() {
            let Some(rest) = name.strip_prefix(TEMPORARY_PREFIX) else { continue };
            let path = folder.join(&head).join(&name);
            let pid = rest.split('-').next().unwrap_or_default();
            let stale = fs::metadata(&path).and_then(|m| m.modified()).is_ok_and(|at| at.elapsed().is_ok_and(|age| age > STALE_AFTER));
            // Other machines write here too, and their processes cannot be asked.
            if pid != own && stale {
                let _ = fs::remove_file(&path);
            }
        }
    }
}

/// Unfinished files of other processes count as left behind after this.
const STALE_AFTER: std::time::Duration = std::time::Duration::from_secs(24 * 3600);

/// Copies and checks what was copied.
fn copy(object: &Object, from: &Path, to: &Path, progress: &dyn Progress) -> Result<(), Trouble> {
    let source = match File::open(from) {
        Ok(source) => source,
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => return Err(Trouble::Missing),
        Err(error) => return Err(trouble("read", from, &error)),
    };
    let size = source.metadata().map_or(0, |meta| meta.len());
    let mut target = File::create_new(to).map_err(|e| trouble("write", to, &e))?;
    let hash = hash_copy(Counted { source, progress }, size, Some(&mut target)).map_err(|e| trouble("copy to", to, &e))?;
    let found = match object.kind {
        HashKind::Dos2Unix if !object.is_dir() => old_md5(to).map_err(|e| trouble("read", to, &e))?,
        _ => hash.md5,
    };
    if found == object.md5.trim_end_matches(".dir") {
        return Ok(());
    }
    Err(Trouble::Damaged(format!("{} has content of MD5 {found}", from.display())))
}

struct Counted<'a> {
    source: File,
    progress: &'a dyn Progress,
}

impl io::Read for Counted<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.source.read(buffer)?;
        self.progress.bytes(n as u64);
        Ok(n)
    }
}

fn trouble(what: &str, path: &Path, error: &io::Error) -> Trouble {
    let text = format!("{what} {}: {error}", path.display());
    let fatal = matches!(error.kind(), ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::ReadOnlyFilesystem);
    if fatal { Trouble::Fatal(text) } else { Trouble::Failed(text) }
}

fn each(objects: &[Object], progress: &dyn Progress, one: impl Fn(&Object) -> Result<(), Trouble> + Sync) -> Moved {
    let results = in_parallel(objects, |object| {
        let result = one(object);
        progress.object();
        match result {
            Err(Trouble::Fatal(why)) => Err((object.clone(), Trouble::Fatal(why))),
            other => Ok((object.clone(), other)),
        }
    });
    let mut moved = Moved::default();
    match results {
        Ok(results) => {
            for (object, result) in results {
                match result {
                    Ok(()) => moved.done.push(object),
                    Err(trouble) => moved.failed.push((object, trouble)),
                }
            }
        }
        Err(fatal) => moved.failed.push(fatal),
    }
    moved
}
