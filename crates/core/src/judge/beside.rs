//! What only some guardrails read of a tick: scores, labels that came, values of metrics.
//!
//! It is counted only where a guardrail asks for it, so a tick of any other release stays as it was.

use super::evidence::OneSample;
use super::sparse;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Beside the counts of a tick.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Beside {
    /// Scores of the answers of candidate and control; in shadow of the pairs in which both gave one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scores: Option<Box<[ScoreHistogram; 2]>>,
    /// Labels that came in the tick.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub labels: Option<LabelCounts>,
    /// Values of metrics that were asked for, by the name of the guardrail.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub values: Vec<MetricPair>,
}

impl Beside {
    /// Nothing was asked for.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.scores.is_none() && self.labels.is_none() && self.values.is_empty()
    }
}

/// Labels that came in one tick for requests that candidate or control had answered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LabelCounts {
    /// First labels of requests of the candidate, and how many of its decisions were wrong by them.
    pub candidate: OneSample,
    /// The same of the control; in shadow of the same requests.
    pub control: OneSample,
    /// Requests of candidate and control that have no label at the end of the tick.
    pub waiting: (u64, u64),
    /// Labels of requests that had one, and said the same.
    #[serde(default)]
    pub repeated: u64,
    /// Labels of requests that had one, and said something else: the first counts.
    #[serde(default)]
    pub conflicting: u64,
}

/// A value of candidate and control over the same time; none where there was no answer, or none that is a number.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MetricPair {
    /// The guardrail.
    pub guardrail: String,
    /// Of the candidate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub candidate: Option<f64>,
    /// Of the control.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub control: Option<f64>,
}

/// Counts over the fixed buckets of [`ScoreHistogram::upper`], sparse, ascending by bucket.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ScoreHistogram(pub Vec<(u16, u32)>);

/// Buckets in each octave between 0 and a half, and of the distance to 1 above a half: neighbours differ by 4.4 %.
const PER_OCTAVE_WITHIN: f64 = 16.0;
/// Octaves that are told apart there: down to a millionth, and as near to 1.
const OCTAVES_WITHIN: f64 = 20.0;
/// Buckets in each octave outside of 0 to 1: neighbours differ by 1.1 %.
const PER_OCTAVE_OUTSIDE: f64 = 64.0;
/// Octaves that are told apart there, on each side.
const OCTAVES_OUTSIDE: f64 = 64.0;
/// Buckets from a half to 1.
const WITHIN: f64 = PER_OCTAVE_WITHIN * OCTAVES_WITHIN;
/// The bucket that ends at a half.
const MIDDLE: f64 = WITHIN + PER_OCTAVE_OUTSIDE * OCTAVES_OUTSIDE;

impl ScoreHistogram {
    /// The bucket of a score; none of what is no number.
    #[must_use]
    pub fn bucket_of(score: f64) -> Option<u16> {
        let place = match score {
            s if s.is_nan() => return None,
            s if s < 0.0 => -WITHIN - PER_OCTAVE_OUTSIDE * libm::log2(1.0 - s),
            s if s <= 0.5 => PER_OCTAVE_WITHIN * libm::log2(2.0 * s).max(-OCTAVES_WITHIN),
            s if s <= 1.0 => -PER_OCTAVE_WITHIN * libm::log2(2.0 * (1.0 - s)).max(-OCTAVES_WITHIN),
            s => WITHIN + PER_OCTAVE_OUTSIDE * libm::log2(s),
        };
        Some(libm::ceil(MIDDLE + place).clamp(0.0, 2.0 * MIDDLE) as u16)
    }

    /// Upper bound of a bucket, inclusive.
    #[must_use]
    pub fn upper(bucket: u16) -> f64 {
        let place = f64::from(bucket) - MIDDLE;
        match place {
            p if p < -WITHIN => 1.0 - libm::exp2((-WITHIN - p) / PER_OCTAVE_OUTSIDE),
            p if p == -WITHIN => 0.0,
            p if p <= 0.0 => 0.5 * libm::exp2(p / PER_OCTAVE_WITHIN),
            p if p < WITHIN => 1.0 - 0.5 * libm::exp2(-p / PER_OCTAVE_WITHIN),
            p => libm::exp2((p - WITHIN) / PER_OCTAVE_OUTSIDE),
        }
    }

    /// Adds one score; what is no number is none.
    pub fn record(&mut self, score: f64) {
        if let Some(bucket) = Self::bucket_of(score) {
            sparse::add(&mut self.0, bucket, 1);
        }
    }

    /// Number of scores.
    #[must_use]
    pub fn total(&self) -> u64 {
        sparse::total(&self.0)
    }

    /// Scores in buckets above `bucket`.
    #[must_use]
    pub fn above(&self, bucket: u16) -> u64 {
        sparse::above(&self.0, bucket)
    }
}

/// Most buckets of both arms together in one tick. Ticks of a release are kept in one file: with so many each, it holds what is judged.
pub const SCORE_BUCKETS_MAX: usize = 256;

/// Merges neighbouring buckets of both arms until there are at most [`SCORE_BUCKETS_MAX`] of them.
///
/// What is merged is chosen by the counts of both arms together, and both are merged alike: which arm a score is of plays no part, so
/// what is compared stays a fair comparison. Each score moves to the upper end of what its bucket was merged with: none falls below
/// the bound of its bucket. Buckets with many scores stay as they are, and what is merged holds at most one part in
/// `SCORE_BUCKETS_MAX / 2 - 1` of all scores: no share above or up to a threshold moves by more than that, in either arm.
pub fn bound(arms: &mut [ScoreHistogram; 2]) {
    let mut together: BTreeMap<u16, u64> = BTreeMap::new();
    for (bucket, count) in arms.iter().flat_map(|arm| &arm.0) {
        *together.entry(*bucket).or_default() += u64::from(*count);
    }
    if together.len() <= SCORE_BUCKETS_MAX {
        return;
    }
    // Two neighbours hold more than this, so that there are fewer than twice as many as it goes into all of them.
    let most = together.values().sum::<u64>().div_ceil(SCORE_BUCKETS_MAX as u64 / 2 - 1);
    let (mut ends, mut held) = (vec![], 0);
    for (bucket, count) in &together {
        match ends.last_mut() {
            Some(end) if held + count <= most => *end = *bucket,
            _ => {
                ends.push(*bucket);
                held = 0;
            }
        }
        held += count;
    }
    for arm in arms {
        let mut merged = ScoreHistogram::default();
        for (bucket, count) in &arm.0 {
            let end = ends.get(ends.partition_point(|end| end < bucket)).unwrap_or(bucket);
            sparse::add(&mut merged.0, *end, *count);
        }
        *arm = merged;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn histogram(counts: &[(u16, u32)]) -> ScoreHistogram {
        let mut all = ScoreHistogram::default();
        counts.iter().for_each(|(bucket, count)| sparse::add(&mut all.0, *bucket, *count));
        all
    }

    #[test]
    fn few_buckets_stay_as_they_are() {
        let all: Vec<(u16, u32)> = (0..256).map(|i| (i * 7, 1)).collect();
        let mut arms = [histogram(&all), histogram(&all[..9])];
        let before = arms.clone();
        bound(&mut arms);
        assert_eq!(arms, before);
    }

    #[test]
    fn scores_of_every_size_fit_into_a_line() {
        // As many buckets as there are, of either arm.
        let every: Vec<(u16, u32)> = (0..8_833).map(|bucket| (bucket, 1_000)).collect();
        let mut arms = [histogram(&every), histogram(&every)];
        let wide = serde_json::to_vec(&arms).unwrap().len();
        bound(&mut arms);
        let narrow = serde_json::to_vec(&arms).unwrap().len();
        assert!(wide > 100_000 && narrow < 8_000, "{wide} bytes, {narrow} bytes");
        assert!(arms.iter().all(|arm| arm.total() == 8_833_000));
    }

    proptest! {
        #[test]
        fn no_share_moves_by_much_and_both_arms_move_alike(
            one in prop::collection::vec((0_u16..8_833, 1_u32..50), 0..1_500),
            other in prop::collection::vec((0_u16..8_833, 1_u32..50), 0..1_500),
            at in 0_u16..8_833,
        ) {
            let before = [histogram(&one), histogram(&other)];
            let mut after = before.clone();
            bound(&mut after);
            let buckets: std::collections::BTreeSet<u16> = after.iter().flat_map(|arm| &arm.0).map(|b| b.0).collect();
            prop_assert!(buckets.len() <= SCORE_BUCKETS_MAX);
            let all: u64 = before.iter().map(ScoreHistogram::total).sum();
            for (before, after) in before.iter().zip(&after) {
                prop_assert_eq!(before.total(), after.total());
                let (was, is) = (before.above(at), after.above(at));
                prop_assert!(was <= is && is - was <= all.div_ceil(127), "{} became {} of {}", was, is, all);
            }
            // The same whichever arm is which.
            let mut turned = [before[1].clone(), before[0].clone()];
            bound(&mut turned);
            prop_assert_eq!([&turned[1], &turned[0]], [&after[0], &after[1]]);
        }
    }

    #[test]
    fn buckets_keep_the_order_of_scores_and_hold_what_they_say() {
        let scores = [-1e300, -5.0, -0.3, 0.0, 1e-5, 0.001, 0.3, 0.5, 0.51, 0.9, 0.999, 1.0, 1.01, 300.0, 303.0, 1e300, f64::INFINITY];
        let buckets: Vec<u16> = scores.iter().map(|s| ScoreHistogram::bucket_of(*s).unwrap()).collect();
        assert!(buckets.windows(2).all(|b| b[0] <= b[1]), "{buckets:?}");
        assert!(buckets.iter().zip(&buckets[1..]).filter(|(a, b)| a < b).count() >= 14, "{buckets:?}");
        for (score, bucket) in scores.iter().zip(&buckets).filter(|(s, _)| s.abs() < 1e15) {
            let (below, upper) = (ScoreHistogram::upper(bucket - 1), ScoreHistogram::upper(*bucket));
            assert!(*score <= upper + 1e-9 && *score >= below - 1e-9, "{score}: {below} to {upper}");
        }
        assert_eq!(ScoreHistogram::bucket_of(f64::NAN), None);
    }

    #[test]
    fn a_tick_without_them_is_written_as_before() {
        let mut histogram = ScoreHistogram::default();
        [0.2, 0.2, 0.7, f64::NAN].into_iter().for_each(|s| histogram.record(s));
        let middle = ScoreHistogram::bucket_of(0.5).unwrap();
        assert_eq!((histogram.total(), histogram.above(middle)), (3, 1));
        assert_eq!(serde_json::to_string(&Beside::default()).unwrap(), "{}");
        assert!(Beside::default().is_empty());
    }
}
