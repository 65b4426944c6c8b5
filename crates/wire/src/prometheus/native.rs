//! Native histograms of Prometheus: samples that carry their buckets with them, and only those that have counted something.
//!
//! A sample names the buckets that have counted something, not those that could. Ends that two arms share come from the constant
//! factor between them (`2^(2^-schema)`), the coarsest of all samples, or, where ends were chosen (`custom_values`), from what was
//! there before the first interval. Not here: classic buckets (`buckets`).

use super::buckets::{EDGES_MAX, Latencies, LatencyUnit};
use super::{Grid, Unusable};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use tidegate_core::judge::{BUCKETS, BUCKETS_PER_OCTAVE, LatencyHistogram};

/// Most buckets of one sample.
pub const SAMPLE_BUCKETS_MAX: usize = 2_048;
/// Finest buckets that are told apart: as many in an octave as ours. Finer ones are added up.
const SCHEMA_MAX: i32 = 4;
/// Coarsest and finest buckets that Prometheus has.
const SCHEMAS: std::ops::RangeInclusive<i32> = -4..=8;
/// How far from a whole number the place of an end may be, for it was written as a decimal.
const ROUNDING: f64 = 1e-6;

/// A bucket: what lies above the left and up to the right end.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Bucket {
    left: f64,
    right: f64,
    count: f64,
}

/// One sample of a native histogram.
#[derive(Clone, Debug, PartialEq)]
pub struct Native {
    /// Everything that it has counted, values that are no numbers among it.
    pub count: f64,
    buckets: Vec<Bucket>,
}

/// A series of native histograms: its labels, and a sample at each time of the grid where there is one.
#[derive(Clone, Debug, PartialEq)]
pub struct Histograms {
    /// Names and values, `__name__` among them.
    pub labels: BTreeMap<String, String>,
    /// One a time.
    pub samples: Vec<Option<Native>>,
}

impl Histograms {
    /// What it has counted, as a counter.
    #[must_use]
    pub fn counter(&self) -> super::Series {
        let count = |sample: &Option<Native>| sample.as_ref().map_or(f64::NAN, |sample| sample.count);
        super::Series { labels: self.labels.clone(), values: self.samples.iter().map(count).collect() }
    }
}

/// A sample as the API writes it.
pub(super) fn sample(value: &Value) -> Result<Native, Unusable> {
    let odd = || Unusable(format!("`{}` is no native histogram", value.to_string().chars().take(200).collect::<String>()));
    let read = |of: Option<&Value>| of.and_then(Value::as_str).and_then(super::number);
    let count = read(value.get("count")).ok_or_else(odd)?;
    let found = value.get("buckets").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    if found.len() > SAMPLE_BUCKETS_MAX {
        return Err(Unusable(format!("a native histogram has {} buckets, at most {SAMPLE_BUCKETS_MAX} are read", found.len())));
    }
    let bucket = |of: &Value| {
        // Whether an end belongs to its bucket or to the next one does not matter: it is a point.
        let rule = of.get(0).and_then(Value::as_u64).filter(|rule| *rule <= 3);
        let (left, right, count) = (read(of.get(1))?, read(of.get(2))?, read(of.get(3))?);
        (rule.is_some() && left <= right && count >= 0.0).then_some(Bucket { left, right, count })
    };
    let buckets = found.iter().map(bucket).collect::<Option<Vec<_>>>().ok_or_else(odd)?;
    Ok(Native { count, buckets })
}

/// The ends that counts are told apart by.
#[derive(Clone, Debug, PartialEq)]
enum Ends {
    /// Powers of `2^(2^-schema)`, from the end of the bucket around zero on.
    Powers { schema: i32, zero: f64 },
    /// Chosen ones, ascending.
    Chosen(Vec<f64>),
}

fn per_octave(schema: i32) -> f64 {
    f64::from(schema).exp2()
}

/// The place of an end among powers, where it is one.
fn place(end: f64, schema: i32) -> Option<f64> {
    let at = end.log2() * per_octave(schema);
    let whole = at.round();
    ((at - whole).abs() <= ROUNDING * at.abs().max(1.0)).then_some(whole)
}

/// The schema of a bucket between two powers; of one that the bucket around zero cuts short, the finest that it can have.
fn schema_of(bucket: &Bucket, short: bool) -> Option<i32> {
    let octaves = (bucket.right / bucket.left).log2();
    let fits = |schema: &i32| {
        let part = octaves * per_octave(*schema);
        let wide = (part - 1.0).abs() < 1e-3 || (short && part < 1.0);
        wide && (short || place(bucket.left, *schema).is_some()) && place(bucket.right, *schema).is_some()
    };
    SCHEMAS.rev().find(fits)
}

impl Ends {
    /// Those that all samples of both arms have.
    fn of(arms: [&[Histograms]; 2]) -> Ends {
        let samples = || arms.into_iter().flatten().flat_map(|series| series.samples.iter().flatten());
        let buckets = || samples().flat_map(|sample| &sample.buckets);
        let zero = buckets().filter(|b| b.left <= 0.0 && b.left == -b.right).map(|b| b.right).fold(0.0, f64::max);
        let above = buckets().filter(|b| b.right > zero && b.right.is_finite());
        let schemas: Option<Vec<i32>> = above.map(|b| schema_of(b, b.left == zero)).collect();
        // The first of chosen buckets reaches down to all that is less.
        match schemas.filter(|_| buckets().all(|b| b.left.is_finite())) {
            Some(schemas) => Ends::Powers { schema: schemas.into_iter().min().unwrap_or(SCHEMA_MAX).min(SCHEMA_MAX), zero },
            None => Ends::Chosen(chosen(arms)),
        }
    }

    /// The end that a value up to `right` is counted at; infinite where there is none.
    fn end(&self, right: f64) -> f64 {
        match self {
            _ if !right.is_finite() => f64::INFINITY,
            Ends::Powers { schema, zero } => {
                let up = right.max(*zero);
                if up <= 0.0 {
                    return 0.0;
                }
                let at = place(up, *schema).unwrap_or_else(|| (up.log2() * per_octave(*schema)).ceil());
                (at / per_octave(*schema)).exp2()
            }
            Ends::Chosen(ends) => ends.iter().copied().find(|end| *end >= right).unwrap_or(f64::INFINITY),
        }
    }

    /// All of them, as buckets of ours, ascending.
    fn edges(&self, unit: LatencyUnit) -> Vec<u16> {
        let ours = |end: f64| LatencyHistogram::bucket_of(end * unit.in_us());
        match self {
            Ends::Chosen(ends) => ends.iter().map(|end| ours(*end)).collect::<BTreeSet<_>>().into_iter().collect(),
            Ends::Powers { schema, .. } => {
                let least = ours(self.end(0.0));
                // From the first end above a microsecond to the last one below the slowest bucket.
                let octaves = f64::from(BUCKETS - 1) / f64::from(BUCKETS_PER_OCTAVE);
                let first = (-unit.in_us().log2() * per_octave(*schema)).ceil();
                let last = ((octaves - unit.in_us().log2()) * per_octave(*schema)).floor();
                let mut edges = BTreeSet::new();
                let mut at = first;
                while at <= last && edges.len() <= usize::from(BUCKETS) {
                    edges.insert(ours((at / per_octave(*schema)).exp2()));
                    at += 1.0;
                }
                edges.into_iter().filter(|edge| (least..BUCKETS - 1).contains(edge)).collect()
            }
        }
    }
}

/// Ends that were there before the first interval: what is counted in it has no say in where it is cut.
fn chosen(arms: [&[Histograms]; 2]) -> Vec<f64> {
    let before = |series: &'_ Histograms| series.samples.iter().flatten().next().cloned();
    let buckets = arms.into_iter().flatten().filter_map(before).flat_map(|sample| sample.buckets);
    // Bits of positive numbers have the order of the numbers.
    let ends: BTreeSet<u64> = buckets.flat_map(|b| [b.left, b.right]).filter(|e| e.is_finite() && *e > 0.0).map(f64::to_bits).collect();
    ends.into_iter().map(f64::from_bits).collect()
}

/// What a sample has counted at each end; what has no end, and what is no number, is slower than all of them.
fn counted(sample: &Native, ends: &Ends) -> BTreeMap<u64, f64> {
    let mut counts: BTreeMap<u64, f64> = BTreeMap::new();
    let mut known = 0.0;
    for bucket in &sample.buckets {
        *counts.entry(ends.end(bucket.right).to_bits()).or_default() += bucket.count;
        known += bucket.count;
    }
    if sample.count > known {
        *counts.entry(f64::INFINITY.to_bits()).or_default() += sample.count - known;
    }
    counts
}

/// Latencies of two arms by ends that both have.
///
/// A count that is below the one before, of any bucket or in all, is a restart, after which it counts from nothing. A series that
/// comes while others of its arm were there before has counted from nothing too. After a gap the growth since the last sample counts.
///
/// # Errors
/// When a bucket lies across an end of the other arm, or there are too many ends.
pub fn native(arms: [&[Histograms]; 2], unit: LatencyUnit, grid: Grid) -> Result<[Latencies; 2], Unusable> {
    let ends = Ends::of(arms);
    if let Ends::Chosen(chosen) = &ends {
        if chosen.is_empty() {
            // Nothing was answered, so nobody has said where buckets end. No ends would mean that each answer was measured.
            let intervals = vec![LatencyHistogram::default(); grid.steps.saturating_sub(1)];
            return Ok(arms.map(|_| Latencies { edges: vec![], intervals: intervals.clone() }));
        }
        if chosen.len() > EDGES_MAX {
            return Err(Unusable(format!("they have {} ends of buckets, at most {EDGES_MAX} are read", chosen.len())));
        }
        let buckets = || arms.into_iter().flatten().flat_map(|s| s.samples.iter().flatten()).flat_map(|s| &s.buckets);
        if let Some((end, b)) = chosen.iter().find_map(|end| Some((end, buckets().find(|b| b.left < *end && *end < b.right)?))) {
            let why = format!(
                "a bucket from {} to {} lies across the end {end} of another one: all instances of both versions need the same",
                b.left, b.right
            );
            return Err(Unusable(why));
        }
    }
    let edges = ends.edges(unit);
    Ok(arms.map(|arm| Latencies { edges: edges.clone(), intervals: intervals(arm, &ends, unit, grid) }))
}

fn intervals(arm: &[Histograms], ends: &Ends, unit: LatencyUnit, grid: Grid) -> Vec<LatencyHistogram> {
    let seen_at = |at: usize| arm.iter().any(|series| series.samples.get(at).is_some_and(Option::is_some));
    let mut grown: Vec<BTreeMap<u64, f64>> = vec![BTreeMap::new(); grid.steps.saturating_sub(1)];
    for series in arm {
        let mut last: Option<BTreeMap<u64, f64>> = None;
        for (at, sample) in series.samples.iter().enumerate().take(grid.steps) {
            let Some(sample) = sample else { continue };
            let now = counted(sample, ends);
            let before = match (&last, at.checked_sub(1)) {
                (Some(last), _) if since(last, &now) => Some(last.clone()),
                (Some(_), _) => Some(BTreeMap::new()),
                (None, Some(before)) if seen_at(before) => Some(BTreeMap::new()),
                (None, _) => None,
            };
            if let (Some(before), Some(slot)) = (before, at.checked_sub(1).and_then(|step| grown.get_mut(step))) {
                for (end, count) in &now {
                    *slot.entry(*end).or_default() += count - before.get(end).copied().unwrap_or(0.0);
                }
            }
            last = Some(now);
        }
    }
    grown.into_iter().map(|counts| histogram(&counts, unit)).collect()
}

/// Whether nothing has become less: it has counted on.
fn since(last: &BTreeMap<u64, f64>, now: &BTreeMap<u64, f64>) -> bool {
    last.iter().all(|(end, count)| now.get(end).copied().unwrap_or(0.0) >= *count)
}

fn histogram(counts: &BTreeMap<u64, f64>, unit: LatencyUnit) -> LatencyHistogram {
    let mut histogram = LatencyHistogram::default();
    for (end, count) in counts {
        let end = f64::from_bits(*end);
        let bucket = if end.is_finite() { LatencyHistogram::bucket_of(end * unit.in_us()) } else { BUCKETS - 1 };
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "counts; what is beyond saturates")]
        let count = count.round() as u32;
        if count > 0 {
            histogram.add(bucket, count);
        }
    }
    histogram
}

#[cfg(test)]
mod tests;
