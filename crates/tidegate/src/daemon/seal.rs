//! Seals the journal into its transparency log, within a second of each record.

use super::events::Bus;
use crate::workspace::Places;
use anyhow::{Context as _, Result};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;
use tidegate_port::FailureKind;
use tidegate_store::tlog::{LogError, LogSigner};
use tidegate_store::{AnyJournal, Log};

/// How often it looks for new records.
const BEAT: Duration = Duration::from_millis(500);

/// The sealing thread.
pub struct Sealer {
    stop: Arc<AtomicBool>,
    sealed: Arc<AtomicU64>,
    thread: Option<JoinHandle<()>>,
}

impl Sealer {
    /// Opens the log and begins to seal.
    ///
    /// # Errors
    /// When the log disagrees with the journal, or cannot be read.
    pub fn start(places: &Places, signer: LogSigner, bus: Bus) -> Result<Sealer> {
        let mut journal = places.journal()?.open_read_only()?;
        // Of several replicas one seals: another one's lock may outlive its lease, and is waited for.
        let mut log = match Log::open(&places.log(), signer.clone(), &mut journal) {
            Err(LogError::Store(held)) if places.has_replicas() && held.kind == FailureKind::Transient => None,
            opened => Some(opened?),
        };
        let sealed = Arc::new(AtomicU64::new(0));
        if log.is_some() {
            seal(&mut log, (&places.log(), &signer), &mut journal, &sealed)?;
        }
        let stop = Arc::new(AtomicBool::new(false));
        let (told, ends, dir) = (sealed.clone(), stop.clone(), places.log());
        let work = move || {
            // What stays wrong is said once: another replica's lock may be waited for long.
            let mut said = String::new();
            loop {
                // One more round after the wish to stop, so that the last records are sealed too.
                let last = ends.load(Ordering::SeqCst);
                let trouble = seal(&mut log, (&dir, &signer), &mut journal, &told).err();
                let trouble = trouble.map(|error| format!("seal the journal: {error}")).unwrap_or_default();
                if !trouble.is_empty() && trouble != said {
                    bus.trouble(&trouble);
                }
                said = trouble;
                if last {
                    return;
                }
                std::thread::park_timeout(BEAT);
            }
        };
        let thread = std::thread::Builder::new().name("seal".to_owned()).spawn(work).context("start the sealing thread")?;
        Ok(Sealer { stop, sealed, thread: Some(thread) })
    }

    /// Records sealed so far.
    pub fn sealed(&self) -> Arc<AtomicU64> {
        self.sealed.clone()
    }

    /// Seals what is left and ends.
    pub fn stop(self) {
        drop(self);
    }
}

/// Opens the log where it is not open yet, and seals what is new.
fn seal(
    log: &mut Option<Log>,
    (dir, signer): (&Path, &LogSigner),
    journal: &mut AnyJournal,
    told: &AtomicU64,
) -> std::result::Result<(), LogError> {
    let open = match log {
        Some(open) => open,
        None => log.insert(Log::open(dir, signer.clone(), journal)?),
    };
    told.store(open.seal(journal)?.size, Ordering::SeqCst);
    Ok(())
}

impl Drop for Sealer {
    /// Whatever ends early, what was recorded until then is sealed.
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            let _ = thread.join();
        }
    }
}
