//! From evidence to answers: each gate is a pure function of what was measured.

use super::spec::{GateKind, GateSpec};
use super::verdict::{GateOutcome, GateReport, GateVerdict, SliceOutcome};
use serde_json::Value;
use std::collections::BTreeMap;
use tidegate_stats::bootstrap::{Paired, Plan, paired_difference};
use tidegate_stats::metric::Metric;
use tidegate_stats::quantile::{Interpolation, quantile, sorted};

/// Resamples of a paired bootstrap: the Monte Carlo error of a 95 % bound is then about 1 % of a standard error.
pub const RESAMPLES: u32 = 1_000;
/// Seed of the draws: a constant, so that the same rows give the same bound.
pub const SEED: u64 = 0x7469_6465;
/// Fewest slices that can be compared.
pub const SLICES_MIN: usize = 2;
/// Fewest latency measurements that say something about a 99th percentile.
pub const LATENCIES_MIN: usize = 200;

/// Evaluation rows of a candidate, row by row.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct EvaluationRows {
    /// True labels.
    pub labels: Vec<bool>,
    /// The candidate's scores.
    pub candidate: Vec<f64>,
    /// Columns to slice by.
    pub slices: BTreeMap<String, Vec<String>>,
}

/// The version that the candidate is held against, on the same rows.
#[derive(Clone, Debug, PartialEq)]
pub enum Baseline {
    /// Nothing is behind the alias yet.
    NoneYet,
    /// Its scores on the same rows, and its decision threshold.
    Scores {
        /// Its version.
        version: String,
        /// Its scores.
        scores: Vec<f64>,
        /// Its decision threshold.
        threshold: f64,
    },
    /// It could not be scored on these rows, and why.
    Unscored {
        /// Its version.
        version: String,
        /// Why.
        why: String,
    },
}

/// Everything that gates look at.
#[derive(Clone, Debug, PartialEq)]
pub struct Evidence {
    /// Metrics that the pipeline wrote.
    pub metrics: Value,
    /// Rows, or why there are none.
    pub rows: Result<EvaluationRows, String>,
    /// The candidate's decision threshold.
    pub threshold: f64,
    /// What stands behind each alias that a gate names.
    pub baselines: BTreeMap<String, Baseline>,
    /// Latencies of single predictions in microseconds.
    pub latencies_us: Vec<f64>,
}

/// Evaluates all gates.
#[must_use]
pub fn evaluate(gates: &[GateSpec], evidence: &Evidence) -> GateReport {
    let outcomes = gates.iter().map(|gate| outcome(gate, evidence)).collect();
    GateReport { outcomes, disagreement: disagreement(evidence) }
}

/// Rows that candidate and champion decide differently.
fn disagreement(evidence: &Evidence) -> Option<(u64, u64)> {
    let rows = evidence.rows.as_ref().ok()?;
    let Some(Baseline::Scores { scores, threshold, .. }) = evidence.baselines.get("champion") else { return None };
    let differ = rows.candidate.iter().zip(scores).filter(|(c, b)| (**c >= evidence.threshold) != (**b >= *threshold)).count();
    Some((differ as u64, rows.candidate.len() as u64))
}

fn outcome(gate: &GateSpec, evidence: &Evidence) -> GateOutcome {
    let answer = match &gate.kind {
        GateKind::Bounds { metric, min, max } => bounds(&evidence.metrics, metric, *min, *max),
        GateKind::Against { metric, alias, margin, confidence } => against(evidence, metric, alias, *margin, *confidence),
        GateKind::Slices { metric, by, max_gap, min_rows } => slices(evidence, metric, by, *max_gap, *min_rows),
        GateKind::Latency { p99_ms } => latency(&evidence.latencies_us, *p99_ms),
    };
    GateOutcome {
        name: gate.name.clone(),
        verdict: answer.verdict,
        value: answer.value.filter(|v| v.is_finite()),
        interval: answer.interval.filter(|(l, h)| l.is_finite() && h.is_finite()),
        limit: answer.limit,
        why: answer.why,
        slices: answer.slices,
    }
}

struct Answer {
    verdict: GateVerdict,
    value: Option<f64>,
    interval: Option<(f64, f64)>,
    limit: Option<f64>,
    why: String,
    slices: Vec<SliceOutcome>,
}

impl Answer {
    fn cannot_tell(why: impl Into<String>) -> Answer {
        Answer { verdict: GateVerdict::CannotTell, value: None, interval: None, limit: None, why: why.into(), slices: vec![] }
    }

    fn said(pass: bool, value: f64, limit: Option<f64>, why: String) -> Answer {
        let verdict = if pass { GateVerdict::Pass } else { GateVerdict::Fail };
        Answer { verdict, value: Some(value), interval: None, limit, why, slices: vec![] }
    }
}

/// A number by its dotted name.
fn metric_value(metrics: &Value, name: &str) -> Option<f64> {
    let whole = metrics.get(name).and_then(Value::as_f64);
    whole.or_else(|| name.split('.').try_fold(metrics, |v, key| v.get(key)).and_then(Value::as_f64))
}

fn bounds(metrics: &Value, metric: &str, min: Option<f64>, max: Option<f64>) -> Answer {
    let Some(value) = metric_value(metrics, metric).filter(|v| v.is_finite()) else {
        return Answer::cannot_tell(format!("the pipeline wrote no number for metric `{metric}`: add it to a metrics file of dvc.yaml"));
    };
    let below = min.filter(|m| value < *m);
    let above = max.filter(|m| value > *m);
    match (below, above) {
        (Some(limit), _) => Answer::said(false, value, Some(limit), format!("{metric} is {value:.6}, below the floor of {limit}")),
        (None, Some(limit)) => Answer::said(false, value, Some(limit), format!("{metric} is {value:.6}, above the ceiling of {limit}")),
        (None, None) => Answer::said(true, value, min.or(max), format!("{metric} is {value:.6}, within {}", range(min, max))),
    }
}

fn range(min: Option<f64>, max: Option<f64>) -> String {
    match (min, max) {
        (Some(min), Some(max)) => format!("{min} to {max}"),
        (Some(min), None) => format!("the floor of {min}"),
        (None, Some(max)) => format!("the ceiling of {max}"),
        (None, None) => "no bound".to_owned(),
    }
}

fn usable(evidence: &Evidence) -> Result<&EvaluationRows, Answer> {
    let rows = evidence.rows.as_ref().map_err(|why| Answer::cannot_tell(format!("there are no evaluation rows: {why}")))?;
    if rows.labels.is_empty() {
        return Err(Answer::cannot_tell("the evaluation rows are empty"));
    }
    if rows.candidate.iter().any(|s| s.is_nan()) {
        return Err(Answer::cannot_tell("an evaluation row has no score (NaN)"));
    }
    Ok(rows)
}

fn against(evidence: &Evidence, metric: &str, alias: &str, margin: f64, confidence: f64) -> Answer {
    let rows = match usable(evidence) {
        Ok(rows) => rows,
        Err(answer) => return answer,
    };
    let (version, scores, threshold) = match evidence.baselines.get(alias) {
        None | Some(Baseline::NoneYet) => {
            let why = format!("no version is {alias} yet: nothing to compare with, recorded");
            return Answer { verdict: GateVerdict::Pass, value: None, interval: None, limit: None, why, slices: vec![] };
        }
        Some(Baseline::Unscored { version, why }) => {
            return Answer::cannot_tell(format!("version {version} ({alias}) was not scored on these rows: {why}"));
        }
        Some(Baseline::Scores { version, scores, threshold }) => (version, scores, *threshold),
    };
    let Some(kind) = Metric::from_name(metric) else {
        return Answer::cannot_tell(format!("metric `{metric}` cannot be computed from rows"));
    };
    let paired = Paired {
        labels: &rows.labels,
        candidate: &rows.candidate,
        baseline: scores,
        candidate_threshold: evidence.threshold,
        baseline_threshold: threshold,
    };
    let Some(d) = paired_difference(kind, paired, Plan { resamples: RESAMPLES, confidence, seed: SEED }) else {
        return Answer::cannot_tell(format!("{metric} is not defined on these {} rows", rows.labels.len()));
    };
    // Turned so that higher is better, whatever the metric.
    let (estimate, low, high) = if kind.higher_is_better() { (d.estimate, d.low, d.high) } else { (-d.estimate, -d.high, -d.low) };
    let pass = low > -margin;
    let verdict = if pass {
        GateVerdict::Pass
    } else if high <= -margin {
        GateVerdict::Fail
    } else {
        GateVerdict::CannotTell
    };
    let why = format!(
        "{metric} {:.4} against {:.4} of version {version}: gain {estimate:+.4}, between {low:+.4} and {high:+.4} ({:.0} % each way, {} rows); the lower bound must lie above {:.4}",
        d.candidate,
        d.baseline,
        confidence * 100.0,
        rows.labels.len(),
        -margin
    );
    Answer { verdict, value: Some(estimate), interval: Some((low, high)), limit: Some(-margin), why, slices: vec![] }
}

fn slices(evidence: &Evidence, metric: &str, by: &str, max_gap: f64, min_rows: u64) -> Answer {
    let rows = match usable(evidence) {
        Ok(rows) => rows,
        Err(answer) => return answer,
    };
    let Some(column) = rows.slices.get(by) else {
        return Answer::cannot_tell(format!("the evaluation rows have no column `{by}` to slice by"));
    };
    let Some(kind) = Metric::from_name(metric) else {
        return Answer::cannot_tell(format!("metric `{metric}` cannot be computed from rows"));
    };
    let outcomes = slice_outcomes(rows, column, kind, evidence.threshold, min_rows);
    let judged: Vec<(&str, f64)> = outcomes.iter().filter(|s| s.judged).filter_map(|s| Some((s.value.as_str(), s.metric?))).collect();
    let unjudged = outcomes.len() - judged.len();
    if judged.len() < SLICES_MIN {
        let why = format!(
            "{} of {} slices by {by} have {min_rows} rows and a defined {metric}: at least {SLICES_MIN} are needed",
            judged.len(),
            outcomes.len()
        );
        return Answer { slices: outcomes, ..Answer::cannot_tell(why) };
    }
    let extreme = |better: fn(f64, f64) -> bool| judged.iter().copied().reduce(|a, b| if better(b.1, a.1) { b } else { a });
    let (Some(best), Some(worst)) = (extreme(|b, a| b > a), extreme(|b, a| b < a)) else {
        return Answer::cannot_tell("no slice was judged");
    };
    let gap = best.1 - worst.1;
    let why = format!(
        "{metric} by {by} lies between {:.4} ({}) and {:.4} ({}): gap {gap:.4} over {} slices, allowed {max_gap}; {unjudged} smaller slices not judged",
        worst.1,
        worst.0,
        best.1,
        best.0,
        judged.len()
    );
    Answer { slices: outcomes, ..Answer::said(gap <= max_gap, gap, Some(max_gap), why) }
}

fn slice_outcomes(rows: &EvaluationRows, column: &[String], metric: Metric, threshold: f64, min_rows: u64) -> Vec<SliceOutcome> {
    let mut groups: BTreeMap<&str, (Vec<bool>, Vec<f64>)> = BTreeMap::new();
    for ((value, label), score) in column.iter().zip(&rows.labels).zip(&rows.candidate) {
        let group = groups.entry(value).or_default();
        group.0.push(*label);
        group.1.push(*score);
    }
    groups
        .into_iter()
        .map(|(value, (labels, scores))| {
            let rows = labels.len() as u64;
            let value_of = metric.evaluate(&labels, &scores, threshold);
            SliceOutcome { value: value.to_owned(), rows, metric: value_of, judged: rows >= min_rows && value_of.is_some() }
        })
        .collect()
}

fn latency(latencies_us: &[f64], p99_ms: f64) -> Answer {
    if latencies_us.len() < LATENCIES_MIN {
        return Answer::cannot_tell(format!("{} predictions were timed; a 99th percentile needs {LATENCIES_MIN}", latencies_us.len()));
    }
    let Some(p99) = quantile(&sorted(latencies_us), 0.99, Interpolation::Linear) else {
        return Answer::cannot_tell("no prediction was timed");
    };
    let ms = p99 / 1000.0;
    let why = format!("99th percentile of {} single predictions is {ms:.3} ms, ceiling {p99_ms} ms", latencies_us.len());
    Answer::said(ms <= p99_ms, ms, Some(p99_ms), why)
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::{Expect, expect};
    use tidegate_stats::rng::Rng;

    fn evidence(n: usize, noise: f64) -> Evidence {
        let mut rng = Rng::new(1);
        let labels: Vec<bool> = (0..n).map(|_| rng.uniform() < 0.3).collect();
        let score = |rng: &mut Rng, y: bool, noise: f64| (if y { 0.7 } else { 0.3 }) + noise * rng.normal();
        let good: Vec<f64> = labels.iter().map(|y| score(&mut rng, *y, 0.2)).collect();
        let other: Vec<f64> = labels.iter().map(|y| score(&mut rng, *y, noise)).collect();
        let slices = BTreeMap::from([(
            "carrier".to_owned(),
            (0..n)
                .map(|i| {
                    if i % 50 == 0 {
                        "small"
                    } else if i % 2 == 0 {
                        "even"
                    } else {
                        "odd"
                    }
                    .to_owned()
                })
                .collect(),
        )]);
        Evidence {
            metrics: serde_json::json!({ "auc": 0.91, "deep": { "loss": 0.2 } }),
            rows: Ok(EvaluationRows { labels, candidate: other, slices }),
            threshold: 0.5,
            baselines: BTreeMap::from([("champion".to_owned(), Baseline::Scores { version: "1".into(), scores: good, threshold: 0.5 })]),
            latencies_us: vec![50.0; 300],
        }
    }

    fn check(kind: GateKind, evidence: &Evidence, expected: &Expect) {
        let report = evaluate(&[GateSpec { name: "g".into(), kind }], evidence);
        let o = &report.outcomes[0];
        expected.assert_eq(&format!("{:?}: {}", o.verdict, o.why));
    }

    #[test]
    fn bounds_are_inclusive_and_a_missing_metric_is_not_a_pass() {
        let e = evidence(10, 0.2);
        let bound = |metric: &str, min, max| GateKind::Bounds { metric: metric.into(), min, max };
        check(bound("auc", Some(0.91), None), &e, &expect!["Pass: auc is 0.910000, within the floor of 0.91"]);
        check(bound("auc", Some(0.92), None), &e, &expect!["Fail: auc is 0.910000, below the floor of 0.92"]);
        check(bound("deep.loss", None, Some(0.1)), &e, &expect!["Fail: deep.loss is 0.200000, above the ceiling of 0.1"]);
        check(
            bound("f1", Some(0.5), None),
            &e,
            &expect!["CannotTell: the pipeline wrote no number for metric `f1`: add it to a metrics file of dvc.yaml"],
        );
    }

    #[test]
    fn a_worse_candidate_fails_and_too_few_rows_cannot_tell() {
        let gate = || GateKind::Against { metric: "auc".into(), alias: "champion".into(), margin: 0.005, confidence: 0.95 };
        let verdict = |e: &Evidence| evaluate(&[GateSpec { name: "g".into(), kind: gate() }], e).outcomes[0].verdict;
        assert_eq!(verdict(&evidence(4000, 0.2)), GateVerdict::CannotTell, "equal, yet 4,000 rows do not exclude a loss of .005");
        assert_eq!(verdict(&evidence(4000, 0.6)), GateVerdict::Fail);
        let mut e = evidence(4000, 0.6);
        if let (Ok(rows), Some(Baseline::Scores { scores, .. })) = (&mut e.rows, e.baselines.get_mut("champion")) {
            std::mem::swap(&mut rows.candidate, scores);
        }
        assert_eq!(verdict(&e), GateVerdict::Pass);
        e.baselines.clear();
        assert_eq!(verdict(&e), GateVerdict::Pass, "no champion yet");
        e.rows = Err("none written".into());
        assert_eq!(verdict(&e), GateVerdict::CannotTell);
    }

    #[test]
    fn small_slices_are_listed_and_not_judged() {
        let gate = GateKind::Slices { metric: "accuracy".into(), by: "carrier".into(), max_gap: 0.1, min_rows: 100 };
        let report = evaluate(&[GateSpec { name: "g".into(), kind: gate }], &evidence(2000, 0.2));
        let judged: Vec<_> = report.outcomes[0].slices.iter().map(|s| (s.value.as_str(), s.rows, s.judged)).collect();
        assert_eq!(judged, [("even", 960, true), ("odd", 1000, true), ("small", 40, false)]);
        assert_eq!(report.outcomes[0].verdict, GateVerdict::Pass);
        let one = GateKind::Slices { metric: "accuracy".into(), by: "carrier".into(), max_gap: 0.1, min_rows: 990 };
        assert_eq!(
            evaluate(&[GateSpec { name: "g".into(), kind: one }], &evidence(2000, 0.2)).outcomes[0].verdict,
            GateVerdict::CannotTell
        );
    }

    #[test]
    fn latency_needs_measurements() {
        let mut e = evidence(10, 0.2);
        let gate = || GateKind::Latency { p99_ms: 0.04 };
        check(gate(), &e, &expect!["Fail: 99th percentile of 300 single predictions is 0.050 ms, ceiling 0.04 ms"]);
        e.latencies_us.clear();
        check(gate(), &e, &expect!["CannotTell: 0 predictions were timed; a 99th percentile needs 200"]);
    }

    #[test]
    fn disagreement_is_counted_on_the_same_rows() {
        let e = evidence(1000, 0.6);
        let report = evaluate(&[], &e);
        assert!(!report.passed(), "no gate is not a pass");
        let (differ, rows) = report.disagreement.unwrap();
        assert_eq!(rows, 1000);
        assert!(differ > 100 && differ < 500, "{differ}");
    }
}
