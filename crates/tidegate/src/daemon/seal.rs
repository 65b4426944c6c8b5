//! Seals the journal into its transparency log, within a second of each record.

use super::events::Bus;
use crate::workspace::Places;
use anyhow::{Context as _, Result};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;
use tidegate_store::Log;
use tidegate_store::tlog::LogSigner;

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
        let mut log = Log::open(&places.log(), signer, &mut journal)?;
        log.seal(&mut journal)?;
        let sealed = Arc::new(AtomicU64::new(log.sealed().size));
        let stop = Arc::new(AtomicBool::new(false));
        let (told, ends) = (sealed.clone(), stop.clone());
        let work = move || {
            loop {
                // One more round after the wish to stop, so that the last records are sealed too.
                let last = ends.load(Ordering::SeqCst);
                match log.seal(&mut journal) {
                    Ok(now) => told.store(now.size, Ordering::SeqCst),
                    Err(error) => bus.trouble(&format!("seal the journal: {error}")),
                }
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
