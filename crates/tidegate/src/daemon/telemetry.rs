//! Prediction records and labels on their way to the lake, off the request's path.

use super::beside::Besides;
use super::events::Bus;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tidegate_core::id::At;
use tidegate_serve::{Exposure, FeedbackRecord, PredictionRecord};
use tidegate_store::{ExposureRow, FeedbackRow, Lake, PredictionRow};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

/// The role of copies that no user saw.
pub const MIRRORED: &str = "shadow";
/// Rows written at once.
const BATCH_ROWS: usize = 16_384;
/// Longest time that a row waits to be written.
const WAIT: Duration = Duration::from_millis(500);

fn threshold_of(thresholds: &HashMap<String, f64>, service: &str) -> f64 {
    thresholds.get(service).copied().unwrap_or(crate::steps::gate::THRESHOLD)
}

fn prediction(record: PredictionRecord, thresholds: &HashMap<String, f64>) -> PredictionRow {
    let threshold = threshold_of(thresholds, &record.service);
    PredictionRow {
        at: At(record.at_ms),
        event_time: record.event_time_ms.map(At),
        request_id: record.request_id.to_string(),
        service: record.service.to_string(),
        model: record.model.to_string(),
        version: record.version.to_string(),
        role: if record.mirrored { MIRRORED.to_owned() } else { record.role.to_string() },
        status: record.status,
        latency_us: record.latency_us,
        score: record.score,
        decision: record.score.map(|s| s >= threshold),
        inputs: record.inputs,
    }
}

/// What a client was drawn for, beside the prediction that it got.
fn exposure(drawn: Exposure, row: &PredictionRow) -> ExposureRow {
    ExposureRow {
        at: row.at,
        request_id: row.request_id.clone(),
        service: row.service.clone(),
        test: drawn.test.to_string(),
        variant: drawn.variant.to_string(),
        unit: drawn.unit,
        decision: row.decision,
    }
}

/// A label as a number; text that is none is left out.
fn label(record: FeedbackRecord) -> Option<FeedbackRow> {
    let label = match &record.label {
        serde_json::Value::Bool(b) => f64::from(u8::from(*b)),
        serde_json::Value::Number(n) => n.as_f64()?,
        serde_json::Value::String(s) => s.parse().ok()?,
        _ => return None,
    };
    Some(FeedbackRow { at: At(record.at_ms), request_id: record.request_id, service: record.service.to_string(), label })
}

/// The tasks that write, which end when what was accepted is written.
#[derive(Default)]
pub struct Writers {
    stop: watch::Sender<bool>,
    tasks: Mutex<Vec<JoinHandle<()>>>,
}

impl Writers {
    /// What tells them to end.
    pub fn stopped(&self) -> watch::Receiver<bool> {
        self.stop.subscribe()
    }

    /// One of them.
    pub fn keep(&self, task: JoinHandle<()>) {
        self.tasks.lock().unwrap_or_else(PoisonError::into_inner).push(task);
    }

    /// Has them write what is there, and returns when they have. What comes later is not taken.
    pub async fn end(&self) {
        self.stop.send_replace(true);
        let tasks = std::mem::take(&mut *self.tasks.lock().unwrap_or_else(PoisonError::into_inner));
        for task in tasks {
            // One that panicked has said so.
            let _ = task.await;
        }
    }
}

/// Collects what comes until a batch is full or has waited long enough; none when nothing will come any more.
async fn batch<T>(source: &mut mpsc::Receiver<T>, stop: &mut watch::Receiver<bool>) -> Option<Vec<T>> {
    let mut rows = Vec::new();
    let deadline = tokio::time::sleep(WAIT);
    tokio::pin!(deadline);
    while rows.len() < BATCH_ROWS {
        let (left, waits) = (BATCH_ROWS - rows.len(), !rows.is_empty());
        tokio::select! {
            more = source.recv_many(&mut rows, left) => match more {
                0 => break,
                // The time counts from the first.
                _ if !waits => deadline.as_mut().reset(tokio::time::Instant::now() + WAIT),
                _ => {}
            },
            () = &mut deadline, if waits => break,
            _ = stop.wait_for(|stop| *stop), if !source.is_closed() => source.close(),
        }
    }
    (!rows.is_empty()).then_some(rows)
}

/// Writes predictions for as long as they come; `thresholds` are those of the services' models.
pub async fn write_predictions(
    lake: Arc<Lake>,
    mut records: mpsc::Receiver<PredictionRecord>,
    thresholds: HashMap<String, f64>,
    (bus, beside): (Bus, Besides),
    mut stop: watch::Receiver<bool>,
) {
    while let Some(records) = batch(&mut records, &mut stop).await {
        beside.answered(&records, |record| record.score.map(|score| score >= threshold_of(&thresholds, &record.service)));
        let mut exposures = vec![];
        let mut row = |mut record: PredictionRecord| {
            let drawn = record.exposure.take();
            let row = prediction(record, &thresholds);
            exposures.extend(drawn.map(|drawn| exposure(drawn, &row)));
            row
        };
        let rows: Vec<PredictionRow> = records.into_iter().map(&mut row).collect();
        let (lake, count) = (lake.clone(), rows.len());
        let write = move || lake.predictions().append(&rows).and_then(|_| lake.exposures().append(&exposures));
        let written = tokio::task::spawn_blocking(write).await;
        if let Ok(Err(failure)) = written {
            bus.trouble(&format!("{count} prediction records were lost: {failure}"));
        }
    }
}

/// Writes labels for as long as they come.
pub async fn write_feedback(
    lake: Arc<Lake>,
    mut records: mpsc::Receiver<FeedbackRecord>,
    (bus, beside): (Bus, Besides),
    mut stop: watch::Receiver<bool>,
) {
    while let Some(records) = batch(&mut records, &mut stop).await {
        let rows: Vec<FeedbackRow> = records.into_iter().filter_map(label).collect();
        beside.labelled(&rows);
        let (lake, count) = (lake.clone(), rows.len());
        let written = tokio::task::spawn_blocking(move || lake.feedback().append(&rows)).await;
        if let Ok(Err(failure)) = written {
            bus.trouble(&format!("{count} labels were lost: {failure}"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_numbers_or_left_out() {
        let record = |label| FeedbackRecord { at_ms: 1, service: "s".into(), model: "m".into(), request_id: "r".into(), label };
        assert_eq!(label(record(serde_json::json!(true))).map(|r| r.label), Some(1.0));
        assert_eq!(label(record(serde_json::json!("0.5"))).map(|r| r.label), Some(0.5));
        assert_eq!(label(record(serde_json::json!("late"))), None);
        assert_eq!(label(record(serde_json::json!(null))), None);
    }

    #[tokio::test]
    async fn batches_end_when_the_source_does() {
        let (sender, mut source) = mpsc::channel(8);
        for n in 0..5 {
            sender.send(n).await.unwrap();
        }
        drop(sender);
        let (_writers, mut stop) = watch::channel(false);
        assert_eq!(batch(&mut source, &mut stop).await, Some(vec![0, 1, 2, 3, 4]));
        assert_eq!(batch(&mut source, &mut stop).await, None);
    }

    #[tokio::test]
    async fn what_was_accepted_is_written_before_the_end_and_nothing_after_it() {
        let (sender, mut source) = mpsc::channel(8);
        let writers = Writers::default();
        let mut stop = writers.stopped();
        let (done, written) = tokio::sync::oneshot::channel();
        writers.keep(crate::task::spawn(async move {
            let mut all = vec![];
            while let Some(rows) = batch(&mut source, &mut stop).await {
                all.extend(rows);
            }
            done.send(all).unwrap();
        }));
        for n in 0..5 {
            sender.send(n).await.unwrap();
        }
        writers.end().await;
        assert!(sender.send(5).await.is_err());
        assert_eq!(written.await.unwrap(), [0, 1, 2, 3, 4]);
    }
}
