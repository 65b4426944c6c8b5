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

#[cfg(test)]
mod tests {
    use super::*;
    use tidegate_core::retrain::PerformanceVerdict;
    use tidegate_store::{FeedbackRow, PredictionRow};

    fn prediction(id: &str, version: &str, role: &str, score: Option<f64>, at: At) -> PredictionRow {
        let (request_id, version, role) = (id.to_owned(), version.to_owned(), role.to_owned());
        PredictionRow { at, request_id, version, role, score, service: "s".to_owned(), status: 200, ..PredictionRow::default() }
    }

    #[tokio::test]
    async fn the_newest_label_of_what_a_user_saw_in_the_window_counts() {
        let folder = tempfile::tempdir().unwrap();
        let lake = Arc::new(Lake::open(folder.path()).unwrap());
        let now = clock::now();
        let old = At(now.0 - 7_200_000);
        let mut rows = vec![];
        for n in 0..30 {
            rows.push(prediction(&n.to_string(), "1", "stable", Some(0.9), now));
        }
        rows.push(prediction("mirrored", "1", MIRRORED, Some(0.9), now));
        rows.push(prediction("failed", "1", "stable", None, now));
        rows.push(prediction("other", "2", "stable", Some(0.9), now));
        rows.push(prediction("old", "1", "stable", Some(0.9), old));
        lake.predictions().append(&rows).unwrap();
        let label = |id: &str, at: At, label: f64| FeedbackRow { at, request_id: id.to_owned(), service: "s".to_owned(), label };
        let mut labels: Vec<FeedbackRow> = rows.iter().map(|r| label(&r.request_id, now, 1.0)).collect();
        // Ten were thought to be wrong; five of these were put right later.
        labels.extend((0..10).map(|n| label(&n.to_string(), now.plus_ms(1), 0.0)));
        labels.extend((0..5).map(|n| label(&n.to_string(), now.plus_ms(2), 1.0)));
        lake.feedback().append(&labels).unwrap();
        let rule = Performance { metric: "accuracy".to_owned(), min: Some(0.9), max: None, window_ms: 3_600_000, min_labels: 30 };
        let found = judge(lake.clone(), "s", "1", 0.5, &rule).await.unwrap();
        assert_eq!((found.verdict, found.labels, found.value), (PerformanceVerdict::Dropped, 30, Some(25.0 / 30.0)));
        let more = Performance { min_labels: 31, ..rule.clone() };
        assert_eq!(judge(lake.clone(), "s", "1", 0.5, &more).await.unwrap().verdict, PerformanceVerdict::CannotTell);
        assert_eq!(judge(lake, "nobody", "1", 0.5, &rule).await.unwrap().verdict, PerformanceVerdict::CannotTell, "no telemetry");
    }
}
