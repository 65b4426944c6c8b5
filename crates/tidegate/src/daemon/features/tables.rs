//! Views of files as they are asked: read again when their file is another one, and as they were last read while it cannot be.

use super::{OPERATION, refused};
use crate::clock;
use crate::columns::Place;
use crate::daemon::events::Bus;
use crate::exit::{self, failure};
use crate::steps::features::table::Table;
use anyhow::Result;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;
use tidegate_core::id::At;
use tidegate_data::Source;
use tidegate_features::Rule;
use tidegate_wire::config::FileView;
use tokio::sync::Mutex;

/// Whether a file is another one is looked for so often at most.
const LOOK_MS: u64 = 1_000;
/// Rows of a table that is served.
const ROWS_MAX: usize = 4_000_000;
/// Files of a folder that is a table.
const FILES_MAX: usize = 10_000;

/// What a file looked like: name, length and time of each.
type Stamp = Vec<(PathBuf, u64, Option<SystemTime>)>;

/// The tables of views of files.
pub struct Tables {
    root: PathBuf,
    /// Held for moments only.
    held: Mutex<HashMap<String, Held>>,
    /// Held while a table is read.
    reading: Mutex<()>,
}

#[derive(Clone)]
struct Held {
    table: Arc<Table>,
    /// What the file looked like when it was read, or when it was last tried to.
    stamp: Stamp,
    looked: At,
}

impl Tables {
    /// Of files that are seen from a folder.
    pub fn new(root: &Path) -> Tables {
        Tables { root: root.to_owned(), held: Mutex::default(), reading: Mutex::default() }
    }

    /// The table of a view. A file that cannot be read leaves what was read before; where there is nothing before it is an error.
    pub async fn get(&self, bus: &Bus, name: &str, file: &FileView) -> Result<Arc<Table>> {
        let place = Place::of(&self.root, &file.file);
        let Place::Path(path) = place else {
            return Err(refused(format!("view `{name}`: {place} lies in an object store: bring it here first")));
        };
        let before = self.held(name).await;
        if let Some(held) = before.as_ref().filter(|held| clock::now().since_ms(held.looked) < LOOK_MS) {
            return Ok(held.table.clone());
        }
        // Of many who ask one reads, and the others are answered from what there is, where there is something.
        let (_alone, before) = match (self.reading.try_lock(), before) {
            (Ok(alone), before) => (alone, before),
            (Err(_), Some(held)) => return Ok(held.table),
            (Err(_), None) => (self.reading.lock().await, self.held(name).await),
        };
        let (looked, stamp) = (clock::now(), stamp_of(&path).await);
        let read = match (&stamp, &before) {
            (Ok(stamp), Some(held)) if *stamp == held.stamp => Ok(held.table.clone()),
            (Ok(stamp), _) => read(&path, file, stamp).await.map(Arc::new),
            (Err(why), _) => Err(failure(exit::NOT_FOUND, why.to_string())),
        };
        let table = match (read, before) {
            (Ok(table), _) => table,
            (Err(why), Some(held)) => {
                // Once, and again when it is another file that cannot be read.
                if stamp.as_ref().map_or(!held.stamp.is_empty(), |stamp| *stamp != held.stamp) {
                    bus.trouble(&format!("features of `{name}`: {why:#}: they are answered from what was read before"));
                }
                held.table
            }
            (Err(why), None) => return Err(failure(exit::code_of(&why), format!("{OPERATION}: view `{name}`: {why:#}"))),
        };
        let held = Held { table: table.clone(), stamp: stamp.unwrap_or_default(), looked };
        self.held.lock().await.insert(name.to_owned(), held);
        Ok(table)
    }

    async fn held(&self, name: &str) -> Option<Held> {
        self.held.lock().await.get(name).cloned()
    }
}

/// Reads a table of which nothing changes meanwhile.
async fn read(path: &Path, file: &FileView, stamp: &Stamp) -> Result<Table> {
    let table = Table::read(&Source::at(path), file, Rule::Strict).await?;
    if table.rows() > ROWS_MAX {
        let why = format!("{} has {} rows: a table that is served has {ROWS_MAX} at most: keep the newest", path.display(), table.rows());
        return Err(failure(exit::USAGE, why));
    }
    match stamp_of(path).await {
        Ok(after) if after == *stamp => Ok(table),
        _ => Err(failure(exit::OUTSIDE, format!("{} changed while it was read: put it in place by renaming it", path.display()))),
    }
}

async fn stamp_of(path: &Path) -> Result<Stamp> {
    let path = path.to_owned();
    tokio::task::spawn_blocking(move || stamp(&path)).await?
}

fn stamp(path: &Path) -> Result<Stamp> {
    let cannot = |why: std::io::Error| failure(exit::NOT_FOUND, format!("look at {}: {why}", path.display()));
    let one = |path: PathBuf, data: &std::fs::Metadata| (path, data.len(), data.modified().ok());
    let data = std::fs::metadata(path).map_err(cannot)?;
    let mut stamp = vec![one(path.to_owned(), &data)];
    if data.is_dir() {
        for entry in std::fs::read_dir(path).map_err(cannot)? {
            let path = entry.map_err(cannot)?.path();
            let data = std::fs::metadata(&path).map_err(cannot)?;
            stamp.push(one(path, &data));
            if stamp.len() > FILES_MAX {
                return Err(failure(exit::USAGE, format!("{} has more than {FILES_MAX} files: make fewer of them", path_of(&stamp))));
            }
        }
        stamp.sort();
    }
    Ok(stamp)
}

fn path_of(stamp: &Stamp) -> String {
    stamp.first().map(|(path, ..)| path.display().to_string()).unwrap_or_default()
}
