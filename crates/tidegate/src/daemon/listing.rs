//! Lists of what many streams of the journal hold: what was folded for a list is kept, and the next one folds what has changed since.

use super::plane::Plane;
use anyhow::Result;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use tidegate_core::id::At;
use tidegate_core::machine::Machine;
use tidegate_port::{Journal, JournalError};
use tokio::sync::Mutex;

/// Newest that are kept, and shown.
const SHOWN_MAX: usize = 100;
/// Records that are read at once.
const PAGE: usize = 500;
/// Where more records came since, the names of all streams are read instead.
const RECORDS_MAX: u64 = 50_000;

/// Streams below a prefix to which something was appended from a position on, and the position up to which that was looked at. Without
/// a position, or where that was long ago, all of them; `end` is where the journal ends now.
///
/// # Errors
/// When the journal cannot be read.
pub fn changed(journal: &mut impl Journal, end: u64, prefix: &str, from: Option<u64>) -> Result<(BTreeSet<String>, u64), JournalError> {
    let Some(mut next) = from.filter(|from| end.checked_sub(*from).is_some_and(|news| news <= RECORDS_MAX)) else {
        return Ok((journal.streams(prefix)?.into_iter().collect(), end));
    };
    let mut found = BTreeSet::new();
    while next < end {
        let records = journal.read_all(next, PAGE)?;
        let Some(last) = records.last() else { break };
        next = last.position + 1;
        found.extend(records.into_iter().map(|record| record.stream).filter(|stream| stream.starts_with(prefix)));
    }
    Ok((found, next))
}

/// The same of the journal of the workspace.
///
/// # Errors
/// When the journal cannot be read.
pub async fn news(plane: &Plane, prefix: String, from: Option<u64>) -> Result<(BTreeSet<String>, u64)> {
    let found = plane.control().call(move |driver| {
        let journal = driver.engine().journal();
        let end = journal.size()?;
        changed(journal, end, &prefix, from)
    });
    Ok(found.await??)
}

struct Inner<T> {
    /// Position of the first record that was not looked at.
    next: Option<u64>,
    /// By stream, with the time by which the newest are told.
    found: BTreeMap<String, (At, T)>,
}

impl<T> Inner<T> {
    /// Keeps one, and of all the newest. One that is let go comes back when it changes, and its time with it.
    fn keep(&mut self, stream: String, since: At, of: T) {
        self.found.insert(stream, (since, of));
        if self.found.len() > SHOWN_MAX {
            let oldest = self.found.iter().min_by_key(|(stream, (since, _))| (*since, *stream)).map(|(stream, _)| stream.clone());
            oldest.and_then(|stream| self.found.remove(&stream));
        }
    }
}

/// The newest streams of a kind. Cloning gives another handle.
pub struct Listing<T>(Arc<Mutex<Inner<T>>>);

impl<T> Clone for Listing<T> {
    fn clone(&self) -> Self {
        Listing(self.0.clone())
    }
}

impl<T> Default for Listing<T> {
    fn default() -> Self {
        Listing(Arc::new(Mutex::new(Inner { next: None, found: BTreeMap::new() })))
    }
}

impl<T: Clone> Listing<T> {
    /// The newest streams of a machine, newest first; `since` says from when one is, where it is anything.
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub async fn newest<M>(&self, plane: &Plane, since: impl Fn(&T) -> At) -> Result<Vec<(String, T)>>
    where
        M: Machine<State = Option<T>> + 'static,
        T: Send + 'static,
    {
        let mut inner = self.0.lock().await;
        let from = inner.next;
        let (streams, next) = news(plane, format!("{}/", M::KIND), from).await?;
        for stream in streams {
            if let Some(of) = plane.control().state::<M>(stream.clone()).await? {
                inner.keep(stream, since(&of), of);
            }
        }
        inner.next = Some(next);
        let mut all: Vec<(At, String, T)> = inner.found.iter().map(|(stream, (at, of))| (*at, stream.clone(), of.clone())).collect();
        all.sort_by(|a, b| (b.0, &b.1).cmp(&(a.0, &a.1)));
        Ok(all.into_iter().map(|(_, stream, of)| (stream, of)).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use tidegate_port::NewEvent;
    use tidegate_port::memory::MemoryJournal;

    fn append(journal: &mut MemoryJournal, stream: &str) {
        let seq = journal.read_stream(stream, 0).unwrap().len() as u64;
        let event = NewEvent { kind: "k", body: json!({}) };
        journal.append(stream, seq, None, At(1), &[event]).unwrap();
    }

    #[test]
    fn only_what_changed_is_folded_again() {
        let mut journal = MemoryJournal::default();
        for stream in ["duty/a", "duty/b", "other/a"] {
            append(&mut journal, stream);
        }
        let look = |journal: &mut MemoryJournal, from| {
            let end = journal.read_all(0, 10_000).unwrap().len() as u64;
            let (found, next) = changed(journal, end, "duty/", from).unwrap();
            (found.into_iter().collect::<Vec<_>>().join(" "), next)
        };
        assert_eq!(look(&mut journal, None), ("duty/a duty/b".to_owned(), 3));
        assert_eq!(look(&mut journal, Some(3)), (String::new(), 3));
        append(&mut journal, "other/b");
        append(&mut journal, "duty/b");
        append(&mut journal, "duty/c");
        assert_eq!(look(&mut journal, Some(3)), ("duty/b duty/c".to_owned(), 6));
        assert_eq!(look(&mut journal, Some(7)).0, "duty/a duty/b duty/c", "a place beyond the end is that of another journal");
        for _ in 0..PAGE {
            append(&mut journal, "other/b");
        }
        append(&mut journal, "duty/a");
        assert_eq!(look(&mut journal, Some(6)), ("duty/a".to_owned(), 7 + PAGE as u64), "page by page");
    }

    #[test]
    fn the_newest_are_kept() {
        let mut inner = Inner { next: None, found: BTreeMap::new() };
        for n in 0..SHOWN_MAX + 5 {
            inner.keep(format!("s/{n:03}"), At(i64::try_from(n).unwrap()), n);
        }
        assert_eq!((inner.found.len(), inner.found.keys().next().unwrap().as_str()), (SHOWN_MAX, "s/005"));
        // One that was let go and is asked again is new.
        inner.keep("s/000".to_owned(), At(1_000), 0);
        assert!(inner.found.contains_key("s/000") && !inner.found.contains_key("s/005"));
    }
}
