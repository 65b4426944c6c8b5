//! Of each bucket of the exported latency histogram, the last request whose trace is recorded.

use crate::trace::TraceId;
use std::sync::{Mutex, PoisonError};
use tidegate_core::judge::LatencyHistogram;

/// Bounds of the exported histogram: 2^6 to 2^24 microseconds, each a bound of the fine buckets too.
pub const BOUND_POWERS: std::ops::RangeInclusive<u16> = 6..=24;
/// Fine buckets in an octave.
pub const OCTAVE: u16 = 16;
/// Exported buckets, the one without a bound included.
const EXPORTED: usize = 24 - 6 + 2;

/// A request that stands for others.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Exemplar {
    pub trace: TraceId,
    pub latency_us: f64,
    pub at_ms: i64,
}

/// One for each exported bucket, in their order, the one without a bound last.
pub type Each = [Option<Exemplar>; EXPORTED];

/// Those of one target.
#[derive(Debug, Default)]
pub struct Exemplars(Mutex<Each>);

impl Exemplars {
    /// Takes one, in place of the one before.
    pub fn put(&self, exemplar: Exemplar) {
        let bucket = LatencyHistogram::bucket_of(exemplar.latency_us);
        let place = BOUND_POWERS.take_while(|power| power * OCTAVE < bucket).count();
        if let Some(place) = self.0.lock().unwrap_or_else(PoisonError::into_inner).get_mut(place) {
            *place = Some(exemplar);
        }
    }

    pub fn all(&self) -> Each {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_bucket_keeps_its_last() {
        let kept = Exemplars::default();
        for (n, latency_us) in [1.0, 64.0, 65.0, 128.0, 1e9, f64::INFINITY, 16_777_216.0].into_iter().enumerate() {
            kept.put(Exemplar { trace: TraceId([n as u8; 16]), latency_us, at_ms: 0 });
        }
        let found: Vec<_> = kept.all().iter().enumerate().filter_map(|(place, e)| Some((place, e.as_ref()?.latency_us))).collect();
        assert_eq!(found, [(0, 64.0), (1, 128.0), (18, 16_777_216.0), (19, f64::INFINITY)]);
        assert_eq!(BOUND_POWERS.count() + 1, EXPORTED);
    }
}
