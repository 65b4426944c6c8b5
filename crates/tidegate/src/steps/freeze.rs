//! The freezes of a workspace: their windows, with calendars read from its files.

use crate::exit::{self, failure};
use crate::workspace::Opened;
use anyhow::Result;
use std::collections::HashMap;
use std::fs::File;
use std::io::Read as _;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;
use tidegate_core::freeze::{self, Window};
use tidegate_core::id::At;
use tidegate_core::rollout::Frozen;
use tidegate_wire::config::{Freeze, When};
use tidegate_wire::freeze::windows;
use tidegate_wire::ical::BYTES_MAX;

pub const DAY_MS: u64 = 86_400_000;
/// How far ahead windows are looked for: the end of a freeze that goes on and on is told so far.
pub const AHEAD_MS: u64 = 400 * DAY_MS;

/// The windows of all freezes that touch the span between two times, by their begin.
///
/// # Errors
/// When a calendar cannot be read or understood.
pub fn between(opened: &Opened, from: At, until: At) -> Result<Vec<Window>> {
    let of = |(name, freeze): (&String, &Freeze)| windows(name, freeze, |path| bytes(&opened.places.root.join(path)), (from, until));
    let all: Result<Vec<_>, String> = opened.config.freezes.iter().map(of).collect();
    let mut all = all.map_err(|why| failure(exit::USAGE, why))?.concat();
    all.sort_by_key(|w| (w.from, w.until));
    Ok(all)
}

/// The bytes of a calendar. What is no file is not opened: a pipe would be waited for.
fn bytes(path: &Path) -> Result<Vec<u8>, String> {
    let wrong = |why: &dyn std::fmt::Display| format!("read {}: {why}", path.display());
    if !std::fs::metadata(path).map_err(|e| wrong(&e))?.is_file() {
        return Err(wrong(&"it is no file"));
    }
    let mut found = vec![];
    let file = File::open(path).map_err(|e| wrong(&e))?;
    // One byte more, so that a file that is too long is seen to be.
    file.take(BYTES_MAX as u64 + 1).read_to_end(&mut found).map_err(|e| wrong(&e))?;
    Ok(found)
}

type Stamp = Option<(SystemTime, u64)>;

/// What is known of one freeze until its calendar changes, or a day has passed.
struct Known {
    file: Stamp,
    at: At,
    /// Those of the last time that it could be read.
    windows: Option<Vec<Window>>,
    /// Why it cannot be read now.
    trouble: Option<String>,
}

/// What the freezes say of a service at a time.
#[derive(Default)]
pub struct Looked {
    /// What freezes it. A calendar that could never be read does: nobody knows that it does not.
    pub frozen: Option<Frozen>,
    /// When the next freeze begins.
    pub next: Option<At>,
    /// What could not be read; of it the windows that were read before count.
    pub troubles: Vec<String>,
}

/// The freezes of a workspace, each read once, and again when its calendar changes.
#[derive(Clone)]
pub struct Calendar {
    opened: Arc<Opened>,
    known: Arc<Mutex<HashMap<String, Known>>>,
}

impl Calendar {
    pub fn new(opened: Arc<Opened>) -> Calendar {
        Calendar { opened, known: Arc::default() }
    }

    /// The workspace.
    pub fn opened(&self) -> &Opened {
        &self.opened
    }

    /// Whether there can be any freeze.
    pub fn is_empty(&self) -> bool {
        self.opened.config.freezes.is_empty()
    }

    /// What is known of a service at a time.
    pub fn look(&self, service: &str, at: At) -> Looked {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let mut looked = Looked::default();
        let mut all = vec![];
        for (name, freeze) in &self.opened.config.freezes {
            if !freeze.services.is_empty() && !freeze.services.iter().any(|s| s == service) {
                continue;
            }
            let before = known.remove(name);
            let now = self.known(name, freeze, before, at);
            looked.troubles.extend(now.trouble.clone());
            match &now.windows {
                Some(windows) => all.extend(windows.iter().cloned()),
                None => all.push(unreadable(name, freeze, now.at)),
            }
            known.insert(name.clone(), now);
        }
        looked.frozen = freeze::frozen(&all, service, at);
        looked.next = all.iter().map(|w| w.from).filter(|from| *from > at).min();
        looked
    }

    fn known(&self, name: &str, freeze: &Freeze, before: Option<Known>, at: At) -> Known {
        let root = &self.opened.places.root;
        let file = if let When::Calendar(path) = &freeze.when { stamp(&root.join(path)) } else { None };
        let fresh = |k: &Known| k.file == file && k.at <= at && at.since_ms(k.at) < DAY_MS;
        match before {
            Some(known) if fresh(&known) => known,
            before => match windows(name, freeze, |path| bytes(&root.join(path)), (at, at.plus_ms(AHEAD_MS))) {
                Ok(windows) => Known { file, at, windows: Some(windows), trouble: None },
                Err(why) => Known { file, at, windows: before.and_then(|k| k.windows), trouble: Some(why) },
            },
        }
    }
}

/// What stands for a freeze that could never be read: it is on.
fn unreadable(name: &str, freeze: &Freeze, at: At) -> Window {
    let name = format!("{name}, which cannot be read");
    Window { name, reason: None, from: at, until: at.plus_ms(2 * DAY_MS), services: freeze.services.clone() }
}

fn stamp(path: &Path) -> Stamp {
    let meta = std::fs::metadata(path).ok()?;
    Some((meta.modified().ok()?, meta.len()))
}
