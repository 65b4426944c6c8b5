//! The freezes of a workspace: their windows, with calendars read from its files.

use crate::exit::{self, failure};
use crate::workspace::{Opened, read_text};
use anyhow::Result;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;
use tidegate_core::freeze::{self, Window};
use tidegate_core::id::At;
use tidegate_core::rollout::Frozen;
use tidegate_wire::config::{Freeze, When};
use tidegate_wire::freeze::windows;

pub const DAY_MS: u64 = 86_400_000;
/// How far ahead windows are looked for: the end of a freeze that goes on and on is told so far.
pub const AHEAD_MS: u64 = 400 * DAY_MS;

/// The windows that touch the span between two times.
///
/// # Errors
/// When a calendar cannot be read or understood.
pub fn between(opened: &Opened, from: At, until: At) -> Result<Vec<Window>> {
    let root = &opened.places.root;
    windows(&opened.config.freezes, |path| read_text(&root.join(path)).map_err(|why| format!("{why:#}")), (from, until))
        .map_err(|why| failure(exit::USAGE, why))
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
