//! The evidence: what was counted in one tick, nothing derived.

use super::beside::Beside;
use super::settings::Measure;
use super::sparse;
use crate::id::At;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What the rollout was doing while a tick was counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// Candidate and control both answer mirrored requests; no user sees either.
    Shadow,
    /// Candidate and control both answer users, at the step's weight each.
    Canary,
    /// The candidate serves; a held-back share of stable is the control.
    Watch,
}

/// Counts of one tick (default 10 s), candidate against control.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Tick {
    /// Position within the rollout's evidence, from 0, without gaps.
    pub seq: u64,
    /// End of the tick.
    pub at: At,
    /// What the rollout was doing.
    pub mode: Mode,
    /// Canary step, from 0; 0 in the other modes.
    pub step: u32,
    /// The rollout's attempt, from 1.
    pub attempt: u32,
    /// Configured weight of the candidate against the control in basis points (5000 = equal).
    pub candidate_share_bp: u32,
    /// First attempts answered by the candidate (retries are never counted).
    pub candidate: ArmCounts,
    /// First attempts answered by the control.
    pub control: ArmCounts,
    /// Pairs, in shadow: the same request answered by both.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pairs: Option<PairCounts>,
    /// What only some guardrails read.
    #[serde(default, skip_serializing_if = "Beside::is_empty")]
    pub beside: Beside,
}

/// One arm's counts in one tick.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ArmCounts {
    /// Requests.
    pub requests: u64,
    /// Of them, answered with a server error, refused by the version, or not answered in time.
    pub errors: u64,
    /// Latency of each answered request.
    pub latency: LatencyHistogram,
    /// Where latencies were counted in wider buckets than ours: the upper ends of those, as buckets of ours, ascending; each answer
    /// is counted at its bucket's end. Empty where each answer was measured.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub edges: Vec<u16>,
    /// What was measured of answers that language models generated, in the same buckets, whatever the unit.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub generated: BTreeMap<Measure, LatencyHistogram>,
}

impl ArmCounts {
    /// Adds what was counted elsewhere, each answer measured by itself.
    pub fn add(&mut self, other: &ArmCounts) {
        self.requests = self.requests.saturating_add(other.requests);
        self.errors = self.errors.saturating_add(other.errors);
        other.latency.0.iter().for_each(|(bucket, n)| self.latency.add(*bucket, *n));
        for (measure, histogram) in &other.generated {
            let sum = self.generated.entry(*measure).or_default();
            histogram.0.iter().for_each(|(bucket, n)| sum.add(*bucket, *n));
        }
    }

    /// What was measured: of generated answers one thing, or how long answers took.
    #[must_use]
    pub fn measured(&self, of: Option<Measure>) -> &LatencyHistogram {
        static NONE: LatencyHistogram = LatencyHistogram(Vec::new());
        match of {
            None => &self.latency,
            Some(measure) => self.generated.get(&measure).unwrap_or(&NONE),
        }
    }

    /// Ends of the buckets that it was counted in, where those are wider than ours.
    #[must_use]
    pub fn edges_of(&self, of: Option<Measure>) -> &[u16] {
        if of.is_none() { &self.edges } else { &[] }
    }
}

/// Counts over the fixed latency buckets of [`LatencyHistogram::upper_us`], sparse, ascending by bucket.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct LatencyHistogram(pub Vec<(u16, u32)>);

/// Bucket bounds per octave: neighbours differ by a factor of 2^(1/16), 4.4 %.
pub const BUCKETS_PER_OCTAVE: u32 = 16;
/// Number of buckets: 1 us to 2^26 us (67 s), the last one unbounded.
pub const BUCKETS: u16 = 26 * 16 + 1;

impl LatencyHistogram {
    /// The bucket of a latency in microseconds.
    #[must_use]
    pub fn bucket_of(us: f64) -> u16 {
        if us.is_nan() || us <= 1.0 {
            return 0;
        }
        let raw = libm::ceil(libm::log2(us) * f64::from(BUCKETS_PER_OCTAVE));
        if raw >= f64::from(BUCKETS - 1) { BUCKETS - 1 } else { raw as u16 }
    }

    /// Upper bound of a bucket in microseconds, inclusive.
    #[must_use]
    pub fn upper_us(bucket: u16) -> f64 {
        libm::exp2(f64::from(bucket) / f64::from(BUCKETS_PER_OCTAVE))
    }

    /// Adds one observation.
    pub fn record(&mut self, us: f64) {
        self.add(Self::bucket_of(us), 1);
    }

    /// Adds `count` observations to `bucket`.
    pub fn add(&mut self, bucket: u16, count: u32) {
        sparse::add(&mut self.0, bucket, count);
    }

    /// Number of observations.
    #[must_use]
    pub fn total(&self) -> u64 {
        sparse::total(&self.0)
    }

    /// Observations in buckets above `bucket`, that is slower than its upper bound.
    #[must_use]
    pub fn above(&self, bucket: u16) -> u64 {
        sparse::above(&self.0, bucket)
    }
}

/// Counts over pairs of answers to the same mirrored request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PairCounts {
    /// Pairs where both arms were asked.
    pub asked: u64,
    /// Both failed.
    pub both_failed: u64,
    /// The candidate alone failed.
    pub candidate_failed: u64,
    /// The control alone failed.
    pub control_failed: u64,
    /// Decisions of the two arms compared with each other.
    pub disagreement: OneSample,
    /// Online scores of the candidate compared with its own offline scores.
    pub skew: OneSample,
}

/// `hits` of `trials`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct OneSample {
    /// Compared.
    pub trials: u64,
    /// Of them, different.
    pub hits: u64,
}
