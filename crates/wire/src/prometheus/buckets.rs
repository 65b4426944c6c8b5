//! Latencies from the buckets of a classic histogram: series of counters with a label `le`, cumulative.
//!
//! Each answer is counted at the end of its bucket, and the ends are told with the counts: between two of them nothing is known.

use super::{Grid, Series, Unusable, growth};
use std::collections::BTreeMap;
use tidegate_core::judge::{BUCKETS, LatencyHistogram};

/// Most buckets of a histogram.
pub const EDGES_MAX: usize = 256;

/// What the label `le` is counted in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LatencyUnit {
    /// Seconds, as Prometheus advises.
    Seconds,
    /// Milliseconds.
    Milliseconds,
}

impl LatencyUnit {
    pub(super) fn in_us(self) -> f64 {
        match self {
            LatencyUnit::Seconds => 1e6,
            LatencyUnit::Milliseconds => 1e3,
        }
    }
}

/// Latencies of one arm.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Latencies {
    /// The ends of the buckets, as buckets of ours, ascending.
    pub edges: Vec<u16>,
    /// What was counted in each interval of the grid.
    pub intervals: Vec<LatencyHistogram>,
}

/// The latencies that the buckets of a histogram grew by; series of several instances are added up.
///
/// # Errors
/// When they are no buckets: without `le`, without the one for everything (`+Inf`), or too many.
pub fn latencies(series: &[Series], unit: LatencyUnit, grid: Grid) -> Result<Latencies, Unusable> {
    // Ends as bits of positive numbers, whose order is that of the numbers.
    let mut ends: BTreeMap<u64, Vec<Series>> = BTreeMap::new();
    for one in series {
        let text = one.labels.get("le").ok_or_else(|| no_buckets("a series has no label `le`"))?;
        let end: f64 = if text == "+Inf" { f64::INFINITY } else { text.parse().unwrap_or(f64::NAN) };
        if end.is_nan() || end.is_sign_negative() {
            return Err(no_buckets(&format!("`le=\"{text}\"` is no end of a bucket of latencies")));
        }
        ends.entry(end.to_bits()).or_default().push(one.clone());
    }
    if !ends.contains_key(&f64::INFINITY.to_bits()) {
        return Err(no_buckets("the bucket `le=\"+Inf\"` is missing, which counts every answer"));
    }
    if ends.len() > EDGES_MAX {
        return Err(no_buckets(&format!("it has {} buckets, at most {EDGES_MAX} are read", ends.len())));
    }
    let mut found = Latencies { edges: Vec::new(), intervals: vec![LatencyHistogram::default(); grid.steps.saturating_sub(1)] };
    let mut below = vec![0_u64; found.intervals.len()];
    for (bits, series) in ends {
        let end = f64::from_bits(bits);
        let bucket = if end.is_finite() { LatencyHistogram::bucket_of(end * unit.in_us()) } else { BUCKETS - 1 };
        if end.is_finite() && found.edges.last() != Some(&bucket) {
            found.edges.push(bucket);
        }
        let grown = growth(&series, grid.steps);
        for ((histogram, below), grown) in found.intervals.iter_mut().zip(&mut below).zip(grown) {
            let upto = grown.unwrap_or(0);
            // Buckets are read one after the other: a count that came between two of them is in the next interval's.
            let here = u32::try_from(upto.saturating_sub(*below)).unwrap_or(u32::MAX);
            if here > 0 {
                histogram.add(bucket, here);
            }
            *below = upto.max(*below);
        }
    }
    Ok(found)
}

fn no_buckets(why: &str) -> Unusable {
    Unusable(format!("{why}: name the buckets of a histogram, as `request_duration_seconds_bucket{{version=\"2\"}}`"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn series(le: &str, instance: &str, values: &[f64]) -> Series {
        let labels = [("le", le), ("instance", instance)].map(|(k, v)| (k.to_owned(), v.to_owned()));
        Series { labels: BTreeMap::from(labels), values: values.to_vec() }
    }

    const GRID: Grid = Grid { start_s: 0, step_s: 30, steps: 3 };

    #[test]
    fn buckets_are_taken_apart_and_instances_added_up() {
        let all = [
            series("0.1", "a", &[10.0, 14.0, 20.0]),
            series("+Inf", "a", &[20.0, 30.0, 40.0]),
            series("0.25", "a", &[15.0, 22.0, 30.0]),
            series("0.1", "b", &[0.0, 1.0, 1.0]),
            series("0.25", "b", &[0.0, 1.0, 1.0]),
            series("+Inf", "b", &[0.0, 1.0, 3.0]),
        ];
        let found = latencies(&all, LatencyUnit::Seconds, GRID).unwrap();
        let (tenth, quarter) = (LatencyHistogram::bucket_of(1e5), LatencyHistogram::bucket_of(2.5e5));
        assert_eq!(found.edges, [tenth, quarter]);
        assert_eq!(found.intervals[0].0, [(tenth, 5), (quarter, 3), (BUCKETS - 1, 3)]);
        assert_eq!(found.intervals[1].0, [(tenth, 6), (quarter, 2), (BUCKETS - 1, 4)]);
        let ms = latencies(&[series("100", "a", &[0.0, 1.0, 1.0]), series("+Inf", "a", &[0.0, 1.0, 1.0])], LatencyUnit::Milliseconds, GRID);
        assert_eq!(ms.unwrap().edges, [tenth]);
    }

    #[test]
    fn what_are_no_buckets_is_said() {
        let refused = |all: &[Series]| latencies(all, LatencyUnit::Seconds, GRID).unwrap_err().0;
        let plain = Series { labels: BTreeMap::new(), values: vec![1.0; 3] };
        assert!(refused(&[plain]).starts_with("a series has no label `le`"));
        assert!(refused(&[series("0.1", "a", &[1.0; 3])]).contains("`le=\"+Inf\"` is missing"));
        assert!(refused(&[series("-1", "a", &[1.0; 3])]).contains("`le=\"-1\"` is no end of a bucket"));
        let many: Vec<Series> = (0..300).map(|i| series(&i.to_string(), "a", &[1.0; 3])).chain([series("+Inf", "a", &[1.0; 3])]).collect();
        assert!(refused(&many).starts_with("it has 301 buckets, at most 256"));
        let none = latencies(&[series("+Inf", "a", &[f64::NAN; 3]), series("1", "a", &[f64::NAN; 3])], LatencyUnit::Seconds, GRID).unwrap();
        assert!(none.intervals.iter().all(|h| h.total() == 0), "no values are no answers");
    }
}
