//! Clients of a test out of the lake: requests with what was drawn for them, and the labels that came for these.

use crate::clock;
use anyhow::Result;
use std::sync::Arc;
use tidegate_core::ab::{self, Clients, Exposure, Findings, Taken, Test};
use tidegate_store::{ExposureFilter, FeedbackFilter, Lake};

/// Every client that entered, in the order in which they did.
///
/// # Errors
/// When the lake cannot be read.
pub async fn clients(lake: Arc<Lake>, test: &Test) -> Result<Arc<Vec<Taken>>> {
    let (spec, id, from) = (test.spec.clone(), test.id(), test.since());
    tokio::task::spawn_blocking(move || {
        let mut clients = Clients::new(&spec);
        let wanted = ExposureFilter { test: Some(id), from, until: None };
        for row in lake.read_exposures(&wanted)? {
            let row = row?;
            clients.expose(Exposure {
                at: row.at,
                unit: &row.unit,
                variant: &row.variant,
                request: &row.request_id,
                decision: row.decision,
            });
        }
        for row in lake.read_feedback(&FeedbackFilter { service: Some(spec.service), from, until: None })? {
            let row = row?;
            clients.label(row.at, &row.request_id, row.label);
        }
        Ok(Arc::new(clients.taken()))
    })
    .await?
}

/// What is found now.
///
/// # Errors
/// When the thread is gone.
pub async fn findings(test: Test, taken: Arc<Vec<Taken>>) -> Result<Findings> {
    let now = clock::now();
    Ok(tokio::task::spawn_blocking(move || ab::findings(&test, &taken, now)).await?)
}

/// What findings are made from, without pseudonyms: of each client its variant, when it entered, when its outcome is final, and that.
pub fn sealed(taken: &[Taken]) -> Vec<u8> {
    let rows: Vec<_> = taken.iter().map(|c| (c.variant, c.entered, c.final_at, c.step)).collect();
    serde_json::to_vec(&rows).unwrap_or_default()
}
