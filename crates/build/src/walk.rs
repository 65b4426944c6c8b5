//! All files below a directory, on all cores. Directories are shared out as they are found, large ones in parts.
//!
//! Not here: what a file contains, and what its stat means.

use crate::data::ignore::{FILE as IGNORE_FILE, Rules};
use crate::error::PathIo;
use std::fs::{DirEntry, Metadata};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, PoisonError};

/// Deepest nesting of a directory.
const DEPTH_MAX: usize = 128;
/// Entries of a directory that one thread takes at once.
const PART_ENTRIES: usize = 2048;

/// Hears of files, on one thread each.
pub(crate) trait Visit: Send {
    /// Whether stats are wanted; without, plain files are told by their kind alone.
    const STATS: bool;

    /// A file: the directory it lies in (with a slash at its end unless empty), its name, its stat with links followed
    /// (always there with [`Visit::STATS`]).
    fn file(&mut self, prefix: &str, name: &str, meta: Option<&Metadata>);
}

struct Folder {
    path: PathBuf,
    prefix: String,
    depth: usize,
}

enum Task {
    Folder(Folder),
    Part(Arc<Folder>, Vec<DirEntry>),
}

struct Queue {
    tasks: Vec<Task>,
    /// Tasks that are being worked on: while there are some, more may come.
    busy: usize,
    failed: Option<PathIo>,
}

/// Visits all files below `directory` that `rules` do not leave out. `data`: the directory is one piece of data, in which a
/// file of patterns may not lie.
pub(crate) fn walk<V: Visit>(directory: &Path, rules: &Rules, data: bool, make: impl Fn() -> V) -> Result<Vec<V>, PathIo> {
    let first = Task::Folder(Folder { path: directory.to_path_buf(), prefix: String::new(), depth: 0 });
    let queue = Mutex::new(Queue { tasks: vec![first], busy: 0, failed: None });
    let more = Condvar::new();
    let visitors: Vec<V> = std::thread::scope(|scope| {
        let work = |mut visitor: V| {
            while let Some(task) = next(&queue, &more) {
                let result = carry_out(task, rules, data, &mut visitor);
                let mut queue = queue.lock().unwrap_or_else(PoisonError::into_inner);
                queue.busy -= 1;
                match result {
                    Ok(found) => queue.tasks.extend(found),
                    Err(error) => {
                        queue.failed.get_or_insert(error);
                    }
                }
                more.notify_all();
            }
            visitor
        };
        let others: Vec<_> = (1..crate::tree::threads()).map(|_| make()).collect();
        let others: Vec<_> = others.into_iter().map(|visitor| scope.spawn(move || work(visitor))).collect();
        let own = work(make());
        others.into_iter().filter_map(|thread| thread.join().ok()).chain([own]).collect()
    });
    let queue = queue.into_inner().unwrap_or_else(PoisonError::into_inner);
    if queue.busy > 0 {
        return Err(PathIo::at("list", directory)(std::io::Error::other("a thread broke down")));
    }
    queue.failed.map_or(Ok(visitors), Err)
}

fn next(queue: &Mutex<Queue>, more: &Condvar) -> Option<Task> {
    let mut queue = queue.lock().unwrap_or_else(PoisonError::into_inner);
    loop {
        if queue.failed.is_some() {
            return None;
        }
        if let Some(task) = queue.tasks.pop() {
            queue.busy += 1;
            return Some(task);
        }
        if queue.busy == 0 {
            return None;
        }
        queue = more.wait(queue).unwrap_or_else(PoisonError::into_inner);
    }
}

fn carry_out(task: Task, rules: &Rules, data: bool, visitor: &mut impl Visit) -> Result<Vec<Task>, PathIo> {
    let folder = match task {
        Task::Part(folder, entries) => return look_at(&folder, entries, rules, data, visitor),
        Task::Folder(folder) => folder,
    };
    if folder.depth > DEPTH_MAX {
        let source = std::io::Error::other(format!("nested deeper than {DEPTH_MAX} directories"));
        return Err(PathIo::at("list", &folder.path)(source));
    }
    let listed = std::fs::read_dir(&folder.path).and_then(Iterator::collect);
    let mut entries: Vec<DirEntry> = listed.map_err(PathIo::at("list", &folder.path))?;
    // A repository inside is not part of what it lies in.
    if folder.depth > 0 && entries.iter().any(|e| e.file_name() == ".dvc") {
        return Ok(Vec::new());
    }
    let folder = Arc::new(folder);
    let mut tasks = Vec::new();
    while entries.len() > PART_ENTRIES {
        tasks.push(Task::Part(Arc::clone(&folder), entries.split_off(entries.len() - PART_ENTRIES)));
    }
    tasks.extend(look_at(&folder, entries, rules, data, visitor)?);
    Ok(tasks)
}

fn look_at<V: Visit>(folder: &Folder, entries: Vec<DirEntry>, rules: &Rules, data: bool, visitor: &mut V) -> Result<Vec<Task>, PathIo> {
    let mut found = Vec::new();
    for entry in entries {
        let failed = |what: &'static str| PathIo::at(what, &folder.path.join(entry.file_name()));
        let Ok(name) = entry.file_name().into_string() else {
            return Err(failed("list")(std::io::Error::other("the name is not UTF-8, which the listing of a directory cannot hold")));
        };
        let kind = entry.file_type().map_err(failed("look at"))?;
        if kind.is_dir() {
            if !rules.ignored(&folder.prefix, &name, true) {
                let prefix = format!("{}{name}/", folder.prefix);
                found.push(Task::Folder(Folder { path: entry.path(), prefix, depth: folder.depth + 1 }));
            }
            continue;
        }
        if rules.ignored(&folder.prefix, &name, false) {
            continue;
        }
        let meta = match kind.is_symlink() {
            true => Some(std::fs::metadata(entry.path()).map_err(failed("follow"))?),
            false if V::STATS => Some(entry.metadata().map_err(failed("look at"))?),
            false => None,
        };
        if meta.as_ref().is_some_and(Metadata::is_dir) {
            continue;
        }
        if !meta.as_ref().map_or(kind.is_file(), Metadata::is_file) {
            return Err(failed("take")(std::io::Error::other("it is neither a file nor a directory")));
        }
        if data && name == IGNORE_FILE {
            return Err(failed("take")(std::io::Error::other("a .dvcignore may not lie inside of data: move it above")));
        }
        visitor.file(&folder.prefix, &name, meta.as_ref());
    }
    Ok(found)
}
