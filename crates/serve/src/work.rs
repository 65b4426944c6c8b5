//! What answers took: in the worker, and over all of them since the gateway's start.

use crate::limits::BATCH_SIZES_MAX;
use std::collections::BTreeMap;

/// What one answer took in the worker.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Work {
    /// Rows of the request: its first dimension where that may be of any length, else 1.
    pub rows: u32,
    /// Reading the request.
    pub input_ns: u64,
    /// Transform and model.
    pub infer_ns: u64,
    /// Writing the answer.
    pub output_ns: u64,
}

/// Times of several answers, summed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Compute {
    /// Answers.
    pub count: u64,
    /// Reading requests.
    pub input_ns: u64,
    /// Transform and model.
    pub infer_ns: u64,
    /// Writing answers.
    pub output_ns: u64,
}

impl Compute {
    fn add(&mut self, other: &Compute) {
        self.count += other.count;
        self.input_ns = self.input_ns.saturating_add(other.input_ns);
        self.infer_ns = self.infer_ns.saturating_add(other.infer_ns);
        self.output_ns = self.output_ns.saturating_add(other.output_ns);
    }
}

/// What the live requests of one target took.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WorkTotals {
    /// All answers.
    pub compute: Compute,
    /// Answers by rows, for the first [`BATCH_SIZES_MAX`] sizes.
    pub batches: BTreeMap<u32, Compute>,
    /// Rows answered.
    pub rows: u64,
    /// From the choice of the target to the answer, without the worker's work on it.
    pub queue_ns: u64,
    /// From the choice to the answer, or until it was given up, of requests that failed.
    pub fail_ns: u64,
    /// When the last one was answered, in milliseconds UTC; 0 before.
    pub last_ms: i64,
}

impl WorkTotals {
    /// Adds one answer that came after so long.
    pub fn answered(&mut self, work: &Work, latency_us: f64, at_ms: i64) {
        let Work { rows, input_ns, infer_ns, output_ns } = *work;
        let one = Compute { count: 1, input_ns, infer_ns, output_ns };
        let took_ns = input_ns.saturating_add(infer_ns).saturating_add(output_ns);
        self.compute.add(&one);
        self.rows = self.rows.saturating_add(rows.into());
        self.queue_ns = self.queue_ns.saturating_add(ns(latency_us).saturating_sub(took_ns));
        self.last_ms = self.last_ms.max(at_ms);
        self.add_batch(rows, &one);
    }

    /// Adds one request that failed after so long.
    pub fn failed(&mut self, latency_us: f64) {
        self.fail_ns = self.fail_ns.saturating_add(ns(latency_us));
    }

    /// Adds those of another target.
    pub fn add(&mut self, other: &WorkTotals) {
        self.compute.add(&other.compute);
        self.rows = self.rows.saturating_add(other.rows);
        self.queue_ns = self.queue_ns.saturating_add(other.queue_ns);
        self.fail_ns = self.fail_ns.saturating_add(other.fail_ns);
        self.last_ms = self.last_ms.max(other.last_ms);
        for (rows, compute) in &other.batches {
            self.add_batch(*rows, compute);
        }
    }

    fn add_batch(&mut self, rows: u32, compute: &Compute) {
        if self.batches.len() < BATCH_SIZES_MAX || self.batches.contains_key(&rows) {
            self.batches.entry(rows).or_default().add(compute);
        }
    }
}

/// A float beyond the range of the integer becomes its end, and a not-a-number 0.
fn ns(us: f64) -> u64 {
    (us * 1e3) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_hold_every_answer_and_batches_as_many_sizes_as_are_kept() {
        let mut totals = WorkTotals::default();
        for rows in 1..=100 {
            totals.answered(&Work { rows, input_ns: 1_000, infer_ns: 2_000, output_ns: 3_000 }, 10.0, 7);
        }
        totals.answered(&Work { rows: 1, input_ns: u64::MAX, infer_ns: 1, output_ns: 0 }, f64::NAN, 5);
        totals.failed(f64::INFINITY);
        assert_eq!((totals.compute.count, totals.rows, totals.queue_ns, totals.last_ms), (101, 5_051, 400_000, 7));
        assert_eq!((totals.compute.input_ns, totals.fail_ns), (u64::MAX, u64::MAX));
        assert_eq!((totals.batches.len(), totals.batches[&1].count), (BATCH_SIZES_MAX, 2));
        let mut both = totals.clone();
        both.add(&totals);
        assert_eq!((both.compute.count, both.batches[&1].count, both.batches.len()), (202, 4, BATCH_SIZES_MAX));
    }
}
