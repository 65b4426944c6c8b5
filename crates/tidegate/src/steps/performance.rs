//! The metric of live predictions against the labels that came for them.

use crate::clock;
use crate::daemon::telemetry::MIRRORED;
use anyhow::Result;
use std::collections::HashMap;
use std::sync::Arc;
use tidegate_core::id::At;
use tidegate_core::retrain::{Performance, PerformanceFinding};
use tidegate_store::{FeedbackFilter, Lake, PredictionFilter};

/// Judges what a version answered in the window that ends now. Of several labels for a request the newest counts; copies
/// that no user saw do not.
///
/// # Errors
/// When the lake cannot be read.
pub async fn judge(lake: Arc<Lake>, service: &str, version: &str, threshold: f64, rule: &Performance) -> Result<PerformanceFinding> {
    let (service, version, rule) = (service.to_owned(), version.to_owned(), rule.clone());
    tokio::task::spawn_blocking(move || {
        let now = clock::now();
        let from = At(now.0.saturating_sub_unsigned(rule.window_ms));
        let mut labels: HashMap<String, (At, f64)> = HashMap::new();
        let wanted = FeedbackFilter { service: Some(service.clone()), from: Some(from), until: None };
        for row in lake.read_feedback(&wanted)? {
            let row = row?;
            let known = labels.entry(row.request_id).or_insert((row.at, row.label));
            if row.at >= known.0 {
                *known = (row.at, row.label);
            }
        }
        let wanted = PredictionFilter {
            service: Some(service),
            version: Some(version.clone()),
            from: Some(from),
            without_inputs: true,
            ..PredictionFilter::default()
        };
        let (mut truths, mut scores, mut until) = (vec![], vec![], At(i64::MIN));
        for row in lake.read_predictions(&wanted)? {
            let row = row?;
            if let (Some(score), Some((_, label))) = (row.score.filter(|_| row.role != MIRRORED), labels.get(&row.request_id)) {
                truths.push(*label > 0.5);
                scores.push(score);
                until = until.max(row.at);
            }
        }
        Ok(rule.judge(&version, &truths, &scores, threshold, until))
    })
    .await?
}
