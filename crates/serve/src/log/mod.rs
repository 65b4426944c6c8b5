//! Lines of predictions: made from the records that the lake gets too, beside the request's path, through a bounded queue into a file or the
//! standard error stream.

mod line;

use crate::frame::Body;
use crate::record::PredictionRecord;
use crate::task;
use line::Told;
use std::collections::BTreeSet;
use std::fs::OpenOptions;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tidegate_core::scan::Rules;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

/// Predictions waiting to be written; further ones are dropped and counted.
pub const LINES_MAX: usize = 8_192;
/// Lines that are written at once.
const LINES_AT_ONCE_MAX: usize = 512;
/// Bytes of requests that wait to be read for their inputs; lines of further ones have none.
const WAITING_BYTES_MAX: usize = 64 * 1024 * 1024;
/// When the gateway ends: time for what waits to be written, in milliseconds.
const LAST_MS_MAX: u64 = 3_000;
/// Who may read a file that is begun: it may hold what the workspace's owner alone should see.
const FILE_MODE: u32 = 0o600;

/// Which lines are written, and where.
#[derive(Clone, Debug, Default)]
pub struct LogSettings {
    /// Where lines are added; none: to the standard error stream.
    pub file: Option<PathBuf>,
    /// Share of predictions that are told, from 0 to 1.
    pub ratio: f64,
    /// Names of inputs whose values may be told.
    pub inputs: Vec<String>,
}

/// What became of lines, since the gateway's start.
#[derive(Debug, Default)]
pub struct LogTotals {
    pub written: AtomicU64,
    /// Dropped at a full queue, or because they could not be written.
    pub dropped: AtomicU64,
    /// Bytes of requests that wait.
    waiting: AtomicU64,
}

/// A prediction on its way.
#[derive(Debug)]
struct Waiting {
    record: PredictionRecord,
    told: Option<Told>,
}

/// Takes predictions.
#[derive(Debug)]
pub struct Log {
    ratio: f64,
    allowed: Arc<BTreeSet<String>>,
    queue: mpsc::Sender<Waiting>,
    pub totals: Arc<LogTotals>,
    stop: watch::Sender<bool>,
    writer: Mutex<Option<JoinHandle<()>>>,
}

impl Log {
    /// Starts the task that writes, on the runtime that it is called on.
    ///
    /// # Errors
    /// A sentence, when the file cannot be written.
    pub fn start(settings: LogSettings) -> Result<Arc<Log>, String> {
        if let Some(file) = &settings.file {
            append(Some(file), b"").map_err(|error| format!("write {}: {error}", file.display()))?;
        }
        let (queue, predictions) = mpsc::channel(LINES_MAX);
        let (stop, stopped) = watch::channel(false);
        let (allowed, totals) = (Arc::new(BTreeSet::from_iter(settings.inputs)), Arc::<LogTotals>::default());
        let writer = Writer { file: settings.file, allowed: Arc::clone(&allowed), totals: Arc::clone(&totals), stopped, failing: false };
        let writer = Mutex::new(Some(task::spawn(writer.run(predictions))));
        Ok(Arc::new(Log { ratio: settings.ratio, allowed, queue, totals, stop, writer }))
    }

    /// Takes a prediction that is among those to be told, or drops it; never waits.
    pub fn offer(&self, record: &PredictionRecord, body: &Body, scan: &Rules) {
        if !line::takes(self.ratio, &record.request_id) {
            return;
        }
        // What the model was given is the lake's; here stands what the client sent, by its names.
        let PredictionRecord { at_ms, event_time_ms, mirrored, compared, generation, status, latency_us, score, role, trace, .. } = *record;
        let record = PredictionRecord {
            at_ms,
            event_time_ms,
            request_id: Arc::clone(&record.request_id),
            record_id: record.record_id.clone(),
            service: Arc::clone(&record.service),
            model: Arc::clone(&record.model),
            version: Arc::clone(&record.version),
            role,
            mirrored,
            compared,
            generation,
            status,
            latency_us,
            score,
            inputs: Vec::new(),
            exposure: None,
            trace,
            found: record.found.clone(),
        };
        let bytes = body.bytes.len() as u64;
        let room = || self.totals.waiting.fetch_add(bytes, Ordering::Relaxed) + bytes <= WAITING_BYTES_MAX as u64;
        let told = if self.allowed.is_empty() {
            None
        } else if room() {
            Some(Told { body: body.clone(), scan: scan.clone() })
        } else {
            self.totals.waiting.fetch_sub(bytes, Ordering::Relaxed);
            None
        };
        let waits = if told.is_some() { bytes } else { 0 };
        if self.queue.try_send(Waiting { record, told }).is_err() {
            self.totals.waiting.fetch_sub(waits, Ordering::Relaxed);
            self.totals.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Writes what waits, as far as there is time, and ends.
    pub async fn stop(&self) {
        self.stop.send_replace(true);
        let writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(mut writer) = writer
            && tokio::time::timeout(Duration::from_millis(LAST_MS_MAX), &mut writer).await.is_err()
        {
            writer.abort();
        }
    }
}

struct Writer {
    file: Option<PathBuf>,
    allowed: Arc<BTreeSet<String>>,
    totals: Arc<LogTotals>,
    stopped: watch::Receiver<bool>,
    /// Whether the last lines could not be written: what goes on is not said again and again.
    failing: bool,
}

impl Writer {
    async fn run(mut self, mut queue: mpsc::Receiver<Waiting>) {
        let mut predictions = Vec::with_capacity(LINES_AT_ONCE_MAX);
        loop {
            tokio::select! {
                got = queue.recv_many(&mut predictions, LINES_AT_ONCE_MAX) => if got == 0 { return },
                // An error means that nobody can stop it any more.
                _ = self.stopped.wait_for(|stop| *stop) => {
                    while predictions.len() < LINES_AT_ONCE_MAX && let Ok(prediction) = queue.try_recv() {
                        predictions.push(prediction);
                    }
                    if predictions.is_empty() {
                        return;
                    }
                }
            }
            self.write(std::mem::take(&mut predictions)).await;
        }
    }

    async fn write(&mut self, predictions: Vec<Waiting>) {
        let count = predictions.len() as u64;
        let bytes = predictions.iter().filter_map(|waiting| waiting.told.as_ref()).map(|told| told.body.bytes.len() as u64).sum::<u64>();
        let (file, allowed) = (self.file.clone(), Arc::clone(&self.allowed));
        // Reading requests and writing files take their time.
        let written = task::aside(move || {
            let lines: String = predictions.iter().map(|p| line::line(&p.record, p.told.as_ref(), &allowed)).collect();
            append(file.as_deref(), lines.as_bytes())
        });
        let written = written.await.unwrap_or_else(|error| Err(std::io::Error::other(error)));
        self.totals.waiting.fetch_sub(bytes, Ordering::Relaxed);
        match written {
            Ok(()) => {
                self.totals.written.fetch_add(count, Ordering::Relaxed);
                self.failing = false;
            }
            Err(error) => {
                self.totals.dropped.fetch_add(count, Ordering::Relaxed);
                if !std::mem::replace(&mut self.failing, true) {
                    let place = self.file.as_ref().map_or_else(|| "standard error".to_owned(), |file| file.display().to_string());
                    tracing::warn!(%error, "lines of predictions cannot be written to {place}: see `tidegate_log_dropped_total`");
                }
            }
        }
    }
}

/// Adds whole lines. The file is opened each time: one that was moved away is begun anew.
fn append(file: Option<&Path>, lines: &[u8]) -> std::io::Result<()> {
    match file {
        None => std::io::stderr().lock().write_all(lines),
        Some(file) => OpenOptions::new().create(true).append(true).mode(FILE_MODE).open(file)?.write_all(lines),
    }
}
