//! Native histograms in the form of the HTTP API, and what is counted of them.

use super::*;
use crate::prometheus::{growth, samples};
use serde_json::json;

const GRID: Grid = Grid { start_s: 1_000, step_s: 30, steps: 3 };
const MS: f64 = 1_000.0;

fn answer(result: &Value) -> Value {
    json!({ "status": "success", "data": { "resultType": "matrix", "result": result } })
}

/// One series with samples at the times of the grid.
fn series(all: &[Value]) -> Vec<Histograms> {
    let points: Vec<Value> = all.iter().enumerate().filter(|(_, s)| !s.is_null()).map(|(at, s)| json!([1_000 + 30 * at, s])).collect();
    samples(&answer(&json!([{ "metric": { "v": "1" }, "histograms": points }])), GRID).unwrap().histograms
}

fn sample(count: u64, buckets: &[(u64, &str, &str, u64)]) -> Value {
    let buckets: Vec<Value> = buckets.iter().map(|(rule, left, right, n)| json!([rule, left, right, n.to_string()])).collect();
    json!({ "count": count.to_string(), "sum": "1", "buckets": buckets })
}

fn both(candidate: &[Histograms], control: &[Histograms]) -> [Latencies; 2] {
    native([candidate, control], LatencyUnit::Seconds, GRID).unwrap()
}

/// Counts by the end in milliseconds that they lie at, rounded; `inf` for what has none.
fn shown(histogram: &LatencyHistogram) -> Vec<(String, u32)> {
    let end = |bucket: u16| match bucket {
        last if last == BUCKETS - 1 => "inf".to_owned(),
        other => format!("{:.0}", LatencyHistogram::upper_us(other) / MS),
    };
    histogram.0.iter().map(|(bucket, count)| (end(*bucket), *count)).collect()
}

fn ours(seconds: f64) -> u16 {
    LatencyHistogram::bucket_of(seconds * 1e6)
}

#[test]
fn an_answer_of_the_api_is_read() {
    // In the form of Prometheus' own page on its API: buckets that are open on the left, and one around zero that is closed.
    let body = answer(&json!([{
        "metric": { "__name__": "http_request_duration_seconds", "version": "2" },
        "histograms": [
            [1000, { "count": "7", "sum": "1.5", "buckets": [[3, "-0.001", "0.001", "2"], [0, "0.25", "0.5", "5"]] }],
            [1030, { "count": "12", "sum": "4.5", "buckets": [[3, "-0.001", "0.001", "3"], [0, "0.25", "0.5", "8"], [0, "0.5", "1", "1"]] }]
        ]
    }]));
    let found = samples(&body, GRID).unwrap();
    assert_eq!(found.histograms[0].labels["version"], "2");
    let [latencies, _] = both(&found.histograms, &[]);
    assert_eq!(latencies.intervals[0].0, [(ours(0.001_953_125), 1), (ours(0.5), 3), (ours(1.0), 1)]);
    assert_eq!(latencies.intervals[1].total(), 0, "what is not there is no answer");
    // Schema 0: a factor of 2 between ends; below the bucket around zero nothing can be told apart.
    let (first, second) = (latencies.edges[0], latencies.edges[1]);
    assert_eq!((first, second - first), (ours(0.001_953_125), 16));
    // As a counter it has counted everything, and it is counted as counters are.
    assert_eq!(growth(&found.counters(), 3), [Some(5), None]);
}

#[test]
fn restarts_gaps_and_newcomers_are_counted_as_those_of_counters() {
    let at = |slow: u64, quick: u64| sample(slow + quick, &[(0, "0.125", "0.25", quick), (0, "0.25", "0.5", slow)]);
    let two = |a: Vec<Histograms>, b: Vec<Histograms>| a.into_iter().chain(b).collect::<Vec<_>>();
    let told = |arm: &[Histograms]| both(arm, &[])[0].intervals.iter().map(shown).collect::<Vec<_>>();
    let quick = |histogram: &[(String, u32)]| histogram.iter().map(|(_, n)| *n).sum::<u32>();
    let restart = told(&series(&[at(5, 5), at(9, 9), at(1, 12)]));
    assert_eq!(restart.iter().map(|h| quick(h)).collect::<Vec<_>>(), [8, 13], "one bucket with less is a restart of all");
    let gap = told(&series(&[at(5, 5), Value::Null, at(6, 8)]));
    assert_eq!((gap[0].len(), quick(&gap[1])), (0, 4), "after a gap the growth since the last sample counts");
    let newcomer = told(&two(series(&[at(5, 5), at(5, 6), at(5, 7)]), series(&[Value::Null, at(3, 0), at(3, 0)])));
    assert_eq!(newcomer.iter().map(|h| quick(h)).collect::<Vec<_>>(), [4, 1]);
    let alone = told(&series(&[Value::Null, at(50, 0), at(51, 0)]));
    assert_eq!((alone[0].len(), quick(&alone[1])), (0, 1), "nobody knows since when the first one counts");
    assert!(told(&[]).iter().all(Vec::is_empty));
}

#[test]
fn values_that_are_no_numbers_are_slower_than_all() {
    let of = |count: u64| sample(count, &[(0, "0.25", "0.5", 4), (0, "8", "+Inf", 1)]);
    let found = both(&series(&[sample(0, &[]), of(5), of(8)]), &[]);
    assert_eq!(found[0].intervals[0].0, [(ours(0.5), 4), (BUCKETS - 1, 1)]);
    assert_eq!(found[0].intervals[1].0, [(BUCKETS - 1, 3)], "three that no bucket holds");
    let below = both(&series(&[sample(0, &[]), sample(2, &[(1, "-4", "-2", 1), (0, "0.25", "0.5", 1)]), Value::Null]), &[]);
    assert_eq!(below[0].intervals[0].0, [(0, 1), (ours(0.5), 1)], "what is below zero is as quick as can be");
}

#[test]
fn two_resolutions_are_told_apart_by_the_coarser_one() {
    // Schema 1 of the candidate, schema 0 of the control, which has also become coarser than it was.
    let fine =
        series(&[sample(0, &[]), sample(3, &[(0, "0.25", "0.3535533905932738", 1), (0, "0.3535533905932738", "0.5", 2)]), Value::Null]);
    let coarse = series(&[sample(2, &[(0, "0.3535533905932738", "0.5", 2)]), sample(5, &[(0, "0.25", "0.5", 5)]), Value::Null]);
    let [candidate, control] = both(&fine, &coarse);
    assert_eq!(candidate.edges, control.edges);
    assert!(candidate.edges.windows(2).all(|w| w[1] - w[0] == 16), "{:?}", candidate.edges);
    assert_eq!(
        (candidate.intervals[0].0.as_slice(), control.intervals[0].0.as_slice()),
        ([(ours(0.5), 3)].as_slice(), [(ours(0.5), 3)].as_slice())
    );
    // Finer than ours: 256 buckets in an octave are added up to 16, each end a true one.
    let finest = series(&[sample(0, &[]), sample(1, &[(0, "0.5", "0.5013556375251013", 1)]), Value::Null]);
    let [finest, _] = both(&finest, &[]);
    assert!(finest.edges.windows(2).all(|w| w[1] - w[0] == 1));
    assert_eq!(finest.intervals[0].0, [(ours(0.5 * 2_f64.powf(1.0 / 16.0)), 1)]);
}

#[test]
fn chosen_ends_are_those_of_before_and_none_lies_across_another() {
    let of = |quick: u64, slow: u64, slowest: u64| {
        let buckets = [(0, "-Inf", "0.1", quick), (0, "0.1", "0.25", slow), (0, "0.25", "+Inf", slowest)];
        sample(quick + slow + slowest, &buckets.into_iter().filter(|b| b.3 > 0).collect::<Vec<_>>())
    };
    let [candidate, control] = both(&series(&[of(0, 0, 1), of(4, 2, 2), of(4, 2, 2)]), &series(&[of(9, 0, 0), of(9, 1, 0), of(9, 1, 0)]));
    assert_eq!((candidate.edges.as_slice(), &control.edges), ([ours(0.1), ours(0.25)].as_slice(), &candidate.edges));
    assert_eq!(candidate.intervals[0].0, [(ours(0.1), 4), (ours(0.25), 2), (BUCKETS - 1, 1)]);
    assert_eq!(control.intervals[0].0, [(ours(0.25), 1)]);
    let across = series(&[of(1, 0, 0), sample(2, &[(0, "-Inf", "0.3", 2)]), Value::Null]);
    let refused = native([&across, &[]], LatencyUnit::Seconds, GRID).unwrap_err().0;
    assert!(refused.starts_with("a bucket from -inf to 0.3 lies across the end 0.1"), "{refused}");
}

#[test]
fn a_bucket_that_is_cut_short_by_the_one_around_zero_does_not_look_finer_than_it_is() {
    let of = |n: u64| sample(2 * n, &[(3, "-0.3", "0.3", n), (0, "0.3", "0.5", n)]);
    let [found, _] = both(&series(&[of(1), of(2), of(2)]), &[]);
    assert!(found.edges.windows(2).all(|w| w[1] - w[0] >= 16), "{:?}", found.edges);
    assert_eq!((found.edges[0], found.intervals[0].0.as_slice()), (ours(0.5), [(ours(0.5), 2)].as_slice()));
}

#[test]
fn what_is_no_histogram_is_said() {
    let refused = |sample: Value| samples(&answer(&json!([{ "metric": {}, "histograms": [[1000, sample]] }])), GRID).unwrap_err().0;
    assert!(refused(json!({})).contains("is no native histogram"));
    assert!(refused(sample(1, &[(4, "0", "1", 1)])).contains("is no native histogram"), "a rule that is none");
    assert!(refused(sample(1, &[(0, "2", "1", 1)])).contains("is no native histogram"), "from right to left");
    assert!(refused(json!({ "count": "1", "sum": "1", "buckets": [[0, "1", "2", "-1"]] })).contains("is no native histogram"));
    let many: Vec<_> = (0..2_049).map(|_| (0, "1", "2", 0)).collect();
    assert!(refused(sample(0, &many)).contains("2049 buckets, at most 2048"));
}
