//! Views of files as they are asked: read again when their file is another one, and as they were last read while it cannot be.

use super::{OPERATION, refused};
use crate::clock;
use crate::columns::Place;
use crate::daemon::events::Bus;
use crate::exit::{self, failure};
use crate::steps::features::table::Table;
use anyhow::Result;
use std::collections::HashMap;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tidegate_data::Source;
use tidegate_features::Rule;
use tidegate_wire::config::FileView;
use tokio::sync::Mutex;

/// Whether a file is another one is looked for so often at most.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// One that could not be read is read again after so long, though it looks the same.
const RETRY_AFTER: Duration = Duration::from_secs(30);
/// Bytes of all files of a table that is served.
const BYTES_MAX: u64 = 1 << 30;
/// Rows of a table that is served.
const ROWS_MAX: usize = 4_000_000;
/// Files of a folder that is a table, and folders in it.
const FILES_MAX: usize = 10_000;

/// What a table's files look like, each with its length, number and time of change: another file under the same name is another one, whatever
/// time it was given.
type Stamp = Vec<(PathBuf, u64, u64, (i64, i64))>;

/// The tables of views of files.
pub struct Tables {
    root: PathBuf,
    /// Held for moments only.
    held: Mutex<HashMap<String, Held>>,
    /// Held while a table is read.
    reading: Mutex<()>,
}

/// What was found at the last look.
#[derive(Clone)]
struct Held {
    /// As it was last read.
    table: Option<Arc<Table>>,
    stamp: Stamp,
    /// Why that is not what is there now.
    trouble: Option<String>,
    looked: Instant,
    read: Instant,
}

impl Held {
    /// The table, or why there is none.
    fn told(&self, name: &str) -> Result<Arc<Table>> {
        let why = || format!("{OPERATION}: view `{name}`: {}", self.trouble.as_deref().unwrap_or("it was not read"));
        self.table.clone().ok_or_else(|| failure(exit::OUTSIDE, why()))
    }

    fn is_fresh(&self) -> bool {
        self.looked.elapsed() < LOOK_EVERY
    }

    /// Whether the same files need not be read again.
    fn stands(&self, stamp: &Stamp) -> bool {
        *stamp == self.stamp && (self.trouble.is_none() || self.read.elapsed() < RETRY_AFTER)
    }
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
        if let Some(held) = before.as_ref().filter(|held| held.is_fresh()) {
            return held.told(name);
        }
        // Of many who ask one reads, and the others are answered from what there is, where there is something.
        let _alone = match (self.reading.try_lock(), &before) {
            (Ok(alone), _) => alone,
            (Err(_), Some(held)) if held.table.is_some() => return held.told(name),
            (Err(_), _) => self.reading.lock().await,
        };
        let before = self.held(name).await;
        if let Some(held) = before.as_ref().filter(|held| held.is_fresh()) {
            return held.told(name);
        }
        let held = look(&path, file, before.as_ref()).await;
        // Said once, and again when it is for another reason.
        if let Some(why) = held.trouble.as_ref().filter(|why| before.and_then(|before| before.trouble).as_ref() != Some(*why)) {
            bus.trouble(&format!("features of `{name}`: {why}: they are answered from what was read before, if anything was"));
        }
        let told = held.told(name);
        self.held.lock().await.insert(name.to_owned(), held);
        told
    }

    async fn held(&self, name: &str) -> Option<Held> {
        self.held.lock().await.get(name).cloned()
    }
}

/// Looks at the files of a table and reads them where they are others than before.
async fn look(path: &Path, file: &FileView, before: Option<&Held>) -> Held {
    let (now, stamp) = (clock::instant(), stamp_of(path).await);
    match (&stamp, before) {
        (Ok(stamp), Some(held)) if held.stands(stamp) => return Held { looked: now, ..held.clone() },
        _ => {}
    }
    let read = match &stamp {
        Ok(stamp) => read(path, file, stamp).await,
        Err(why) => Err(failure(exit::NOT_FOUND, why.to_string())),
    };
    let (table, trouble) = match read {
        Ok(table) => (Some(Arc::new(table)), None),
        Err(why) => (before.and_then(|held| held.table.clone()), Some(format!("{why:#}"))),
    };
    Held { table, stamp: stamp.unwrap_or_default(), trouble, looked: now, read: now }
}

/// Reads a table of which nothing changes meanwhile.
async fn read(path: &Path, file: &FileView, stamp: &Stamp) -> Result<Table> {
    let bytes: u64 = stamp.iter().map(|(_, bytes, ..)| bytes).sum();
    if bytes > BYTES_MAX {
        let why = format!("{} has {bytes} bytes: a table that is served has {BYTES_MAX} at most: keep the newest rows", path.display());
        return Err(failure(exit::USAGE, why));
    }
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
    tokio::task::spawn_blocking(move || {
        let mut stamp = vec![];
        stamp_into(&path, &mut stamp)?;
        stamp.sort();
        Ok(stamp)
    })
    .await?
}

fn stamp_into(path: &Path, stamp: &mut Stamp) -> Result<()> {
    let cannot = |why: std::io::Error| failure(exit::NOT_FOUND, format!("look at {}: {why}", path.display()));
    let data = std::fs::metadata(path).map_err(cannot)?;
    if stamp.len() >= FILES_MAX {
        return Err(failure(exit::USAGE, format!("{}: a table has {FILES_MAX} files at most: make fewer of them", path.display())));
    }
    stamp.push((path.to_owned(), if data.is_dir() { 0 } else { data.len() }, data.ino(), (data.ctime(), data.ctime_nsec())));
    if data.is_dir() {
        for entry in std::fs::read_dir(path).map_err(cannot)? {
            stamp_into(&entry.map_err(cannot)?.path(), stamp)?;
        }
    }
    Ok(())
}
