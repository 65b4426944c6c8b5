//! Drift over time: each chunk of the current rows against the whole reference, in NannyML's words.
//!
//! An alert is a value beyond mean and three standard deviations of what chunks of the reference itself give. Not here:
//! how rows are cut into chunks.

use super::field::Field;
use super::method::Method;
use super::score::score;
use serde::{Deserialize, Serialize};

/// Most chunks of a trend.
pub const CHUNKS_MAX: usize = 10_000;
/// Standard deviations of the reference's chunks that are still usual.
const DEVIATIONS: f64 = 3.0;

/// One chunk's value.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Chunk {
    /// Its name: a range of rows, or a period.
    pub key: String,
    /// Values in it.
    pub count: u64,
    /// The method's value against the whole reference; none when it is not defined.
    pub value: Option<f64>,
    /// Whether the value lies beyond the thresholds.
    pub alert: bool,
}

/// A column over time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Trend {
    /// The column.
    pub column: String,
    /// What is computed.
    pub method: Method,
    /// Mean of the reference's own chunks.
    pub reference_mean: Option<f64>,
    /// Below this is an alert; only p-values have one.
    pub lower_threshold: Option<f64>,
    /// Above this is an alert; only distances have one.
    pub upper_threshold: Option<f64>,
    /// Chunks of the reference.
    pub reference: Vec<Chunk>,
    /// Chunks of the current rows.
    pub analysis: Vec<Chunk>,
}

/// Each chunk of reference and current rows against the whole reference. Without two chunks of the reference that have a
/// value the method's own bar is the threshold.
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "numbers of chunks")]
pub fn trend(column: &str, method: Method, whole: &Field, reference: &[(String, Field)], current: &[(String, Field)]) -> Trend {
    let measure = |chunks: &[(String, Field)]| -> Vec<Chunk> {
        chunks
            .iter()
            .take(CHUNKS_MAX)
            .map(|(key, field)| Chunk { key: key.clone(), count: field.count(), value: score(method, whole, field), alert: false })
            .collect()
    };
    let (mut before, mut now) = (measure(reference), measure(current));
    let usual: Vec<f64> = before.iter().filter_map(|c| c.value).collect();
    let n = usual.len() as f64;
    let mean = (n > 0.0).then(|| usual.iter().sum::<f64>() / n);
    let usual_bar = mean.filter(|_| usual.len() > 1).map(|mean| {
        let deviation = libm::sqrt(usual.iter().map(|v| (v - mean) * (v - mean)).sum::<f64>() / n);
        mean + DEVIATIONS * deviation
    });
    // A chance says by itself how rare is rare; a distance is judged by what is usual.
    let bar = method.threshold();
    let (lower, upper) = if method.is_p_value() { (Some(bar), None) } else { (None, Some(usual_bar.unwrap_or(bar))) };
    for chunk in before.iter_mut().chain(&mut now) {
        chunk.alert = chunk.value.is_some_and(|v| lower.is_some_and(|l| v < l) || upper.is_some_and(|u| v > u));
    }
    let (reference, analysis) = (before, now);
    Trend { column: column.to_owned(), method, reference_mean: mean, lower_threshold: lower, upper_threshold: upper, reference, analysis }
}
