//! The freezes of a workspace: their windows, with calendars read from its files.

use crate::exit::{self, failure};
use crate::workspace::Opened;
use anyhow::Result;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;
use tidegate_core::freeze::{self, Window};
use tidegate_core::id::At;
use tidegate_core::rollout::Frozen;
use tidegate_wire::config::{Freeze, When};
use tidegate_wire::freeze::windows;
use tidegate_wire::ical;

const DAY_MS: u64 = 86_400_000;
/// How far ahead windows are looked for, and how far apart the ends of the longest can lie: a year and a month.
const AHEAD_MS: u64 = 400 * DAY_MS;

/// The windows that touch the span between two times.
///
/// # Errors
/// When a calendar cannot be read or understood.
pub fn between(opened: &Opened, from: At, until: At) -> Result<Vec<Window>> {
    let root = &opened.places.root;
    windows(&opened.config.freezes, |path| calendar(root, path), (from, until)).map_err(|why| failure(exit::USAGE, why))
}

fn calendar(root: &Path, path: &str) -> Result<String, String> {
    let full = root.join(path);
    let wrong = |e: std::io::Error| format!("read the calendar {path}: {e}");
    let size = std::fs::metadata(&full).map_err(wrong)?.len();
    if size > ical::BYTES_MAX as u64 {
        return Err(format!("the calendar {path} has {size} bytes, and {} are read at most", ical::BYTES_MAX));
    }
    std::fs::read_to_string(&full).map_err(wrong)
}

/// What is known of the calendars until one of them changes, or a day has passed.
struct Known {
    files: Vec<Option<(SystemTime, u64)>>,
    at: At,
    windows: Vec<Window>,
}

/// The freezes of a workspace, read once and again when a calendar changes.
#[derive(Clone)]
pub struct Calendar {
    opened: Arc<Opened>,
    known: Arc<Mutex<Option<Known>>>,
}

impl Calendar {
    pub fn new(opened: Arc<Opened>) -> Calendar {
        Calendar { opened, known: Arc::default() }
    }

    /// Whether there can be any freeze.
    pub fn is_empty(&self) -> bool {
        self.opened.config.freezes.is_empty()
    }

    /// What freezes a service at a time.
    ///
    /// # Errors
    /// When a calendar cannot be read or understood: whether it is frozen cannot be told then.
    pub fn frozen(&self, service: &str, at: At) -> Result<Option<Frozen>> {
        if self.is_empty() {
            return Ok(None);
        }
        let files: Vec<_> = self.files().map(|path| stamp(&path)).collect();
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let fresh = known.as_ref().is_some_and(|k| k.files == files && k.at <= at && at.since_ms(k.at) < DAY_MS);
        if !fresh {
            *known = None;
            let windows = between(&self.opened, at, at.plus_ms(AHEAD_MS))?;
            *known = Some(Known { files, at, windows });
        }
        Ok(known.as_ref().and_then(|k| freeze::frozen(&k.windows, service, at)))
    }

    fn files(&self) -> impl Iterator<Item = PathBuf> {
        let path = |freeze: &Freeze| if let When::Calendar(path) = &freeze.when { Some(self.opened.places.root.join(path)) } else { None };
        self.opened.config.freezes.values().filter_map(path)
    }
}

fn stamp(path: &Path) -> Option<(SystemTime, u64)> {
    let meta = std::fs::metadata(path).ok()?;
    Some((meta.modified().ok()?, meta.len()))
}
