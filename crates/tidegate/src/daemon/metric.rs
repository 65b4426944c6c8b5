//! Asks the sources of a release's metrics for a value of candidate and of control, once an interval.
//!
//! Answers come while ticks go on, and are part of the tick that ends after them. What is not answered is a pair without values, which
//! the judge takes for missing and never for a pass. Not here: what a pair says.

use super::plane::Plane;
use super::ticks::Kind;
use crate::clock;
use crate::source::series;
use std::collections::HashMap;
use std::path::PathBuf;
use tidegate_adapters::curl::BriefCurl;
use tidegate_core::id::At;
use tidegate_core::judge::{GuardrailKind, Metric, MetricPair};
use tidegate_core::judgement::{Parameters, filled};
use tidegate_core::rollout::Rollout;
use tidegate_wire::prometheus::Grid;
use tidegate_wire::sources::MetricSource;
use tokio::task::JoinHandle;

/// Whole intervals in which the newest values of both are looked for, where a source keeps points that come late.
const INTERVALS_MAX: i64 = 5;

/// Values of candidate and control, and the interval that they are of.
type Answer = Result<(f64, f64, i64), String>;

/// The metrics of one service.
pub struct Asking {
    /// The workspace's own lake, which can be a source too.
    lake: PathBuf,
    of: Option<(Kind, At)>,
    metrics: HashMap<String, One>,
}

/// One metric.
#[derive(Default)]
struct One {
    /// When it is asked again.
    due: At,
    running: Option<JoinHandle<Option<Answer>>>,
    /// End of the newest interval that was judged, in seconds.
    judged_s: i64,
    /// The newest pair, of a source that knows the value of now alone.
    newest: Option<(u64, u64)>,
    said: String,
}

impl Asking {
    /// Nothing is to be asked yet.
    pub fn new(lake: PathBuf) -> Asking {
        Asking { lake, of: None, metrics: HashMap::new() }
    }

    /// Nothing is to be asked now.
    pub fn rest(&mut self) {
        self.of = None;
        self.metrics.clear();
    }

    /// Pairs that were answered since the last tick; asks for what is due. An interval lies within one split.
    pub async fn values(&mut self, plane: &Plane, wanted: Kind, open: &Rollout) -> Vec<MetricPair> {
        let now = clock::now();
        if self.of.is_none_or(|(kind, _)| kind != wanted) {
            self.of = Some((wanted, now));
            self.metrics.clear();
        }
        let since = self.of.map_or(now, |(_, since)| since);
        let mut pairs = vec![];
        for (name, guardrail) in &open.spec.judge.guardrails {
            let GuardrailKind::Metric(metric) = &guardrail.kind else { continue };
            let one = self.metrics.entry(name.clone()).or_insert_with(|| One { due: since.plus_ms(metric.every_ms), ..One::default() });
            if let Some(answer) = one.answer().await {
                let trouble = answer.as_ref().err().map(|why| format!("{}: no value of `{name}`: {why}", open.spec.service));
                plane.trouble_once(&mut one.said, trouble);
                let found = answer.ok();
                one.judged_s = found.map_or(one.judged_s, |(_, _, end_s)| end_s);
                let (candidate, control) = (found.map(|f| f.0), found.map(|f| f.1));
                let bits = found.map(|(candidate, control, _)| (candidate.to_bits(), control.to_bits()));
                if !bits.is_some_and(|bits| one.is_old(plane, metric, bits)) {
                    pairs.push(MetricPair { guardrail: name.clone(), candidate, control });
                }
            }
            if now < one.due {
                continue;
            }
            one.due = now.plus_ms(metric.every_ms);
            if one.running.is_some() {
                // Whoever is asked and does not answer within an interval has given no value for it.
                pairs.push(MetricPair { guardrail: name.clone(), candidate: None, control: None });
            } else {
                one.running = Some(ask((plane, self.lake.clone()), metric, open, (since, one.judged_s), now));
            }
        }
        pairs
    }
}

impl One {
    /// Whether a source that keeps no points says the same again: it was asked more often than it is measured.
    fn is_old(&mut self, plane: &Plane, metric: &Metric, pair: (u64, u64)) -> bool {
        let keeps = plane.config().sources.get(&metric.source).is_some_and(MetricSource::keeps_points);
        !keeps && self.newest.replace(pair) == Some(pair)
    }

    /// What was answered, if it was; none where there was nothing to be asked yet.
    async fn answer(&mut self) -> Option<Answer> {
        let done = self.running.take_if(|running| running.is_finished())?;
        done.await.unwrap_or_else(|_| Some(Err("the question was given up".to_owned())))
    }
}

fn ask(
    (plane, lake): (&Plane, PathBuf),
    metric: &Metric,
    open: &Rollout,
    (since, judged_s): (At, i64),
    now: At,
) -> JoinHandle<Option<Answer>> {
    let source = plane.config().sources.get(&metric.source).cloned();
    let mut parameters =
        Parameters::from([("candidate".to_owned(), open.spec.candidate.clone()), ("service".to_owned(), open.spec.service.clone())]);
    parameters.extend(open.spec.stable.clone().map(|stable| ("control".to_owned(), stable)));
    let metric = metric.clone();
    tokio::task::spawn_blocking(move || {
        let Some(source) = source else { return Some(Err(format!("tidegate.yaml has no source `{}`", metric.source))) };
        let grid = grid(&source, step_s(&metric), since, judged_s, now)?;
        let of = |query: &str| {
            let found = series(&BriefCurl, &lake, &source, &filled(query, &parameters)?, grid)?;
            match <[_; 1]>::try_from(found) {
                Ok([one]) => Ok(one.values),
                Err(found) => Err(format!("`{query}` finds {} series: one is needed", found.len())),
            }
        };
        Some(of(&metric.candidate).and_then(|candidate| Ok((candidate, of(&metric.control)?))).and_then(|(candidate, control)| {
            newest(&candidate, &control, grid).ok_or_else(|| "no interval has a value of both candidate and control".to_owned())
        }))
    })
}

fn step_s(metric: &Metric) -> i64 {
    i64::try_from(metric.every_ms / 1_000).unwrap_or(i64::MAX).max(1)
}

/// The newest interval with a value of both.
fn newest(candidate: &[f64], control: &[f64], grid: Grid) -> Option<(f64, f64, i64)> {
    let ends = (1..).map(|n: i64| grid.start_s.saturating_add(n.saturating_mul(grid.step_s)));
    let both = candidate.iter().zip(control).zip(ends).filter(|((one, other), _)| one.is_finite() && other.is_finite());
    both.last().map(|((one, other), end_s)| (*one, *other, end_s))
}

/// The times that are asked for: now, or whole intervals since the split and since the last that was judged; none when there is none.
fn grid(source: &MetricSource, step_s: i64, since: At, judged_s: i64, now: At) -> Option<Grid> {
    let now_s = now.0.div_euclid(1_000);
    if !source.keeps_points() {
        return Some(Grid { start_s: now_s, step_s: 1, steps: 1 });
    }
    let end = now_s.div_euclid(step_s).saturating_mul(step_s);
    let whole = since.0.div_euclid(1_000).div_euclid(step_s).saturating_add(1).saturating_mul(step_s);
    // A statement over the lake may give one row for the whole span: it is asked for one interval.
    let most = if matches!(source, MetricSource::Lake { .. }) { 1 } else { INTERVALS_MAX };
    let start_s = whole.max(judged_s).max(end.saturating_sub(step_s.saturating_mul(most)));
    let steps = usize::try_from(end.saturating_sub(start_s).div_euclid(step_s)).ok().filter(|steps| *steps > 0)?;
    Some(Grid { start_s, step_s, steps })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_interval_is_judged_once_and_lies_within_one_split() {
        let influx = MetricSource::Influx { url: String::new(), database: String::new(), login: None, token: None };
        let at = |s: i64| At(s * 1_000);
        let of = |since: i64, judged: i64, now: i64| grid(&influx, 60, at(since), judged, at(now)).map(|g| (g.start_s, g.steps));
        assert_eq!(of(610, 0, 700), None, "the first whole interval is from 660 to 720");
        assert_eq!(of(610, 0, 725), Some((660, 1)));
        assert_eq!(of(610, 720, 779), None, "that one was judged");
        assert_eq!(of(610, 720, 780), Some((720, 1)));
        assert_eq!(of(610, 720, 7_300), Some((6_960, 5)), "of a long silence the newest are looked at");
        let lake = MetricSource::Lake { back_ms: 0 };
        assert_eq!(grid(&lake, 60, at(610), 720, at(7_300)), Some(Grid { start_s: 7_200, step_s: 60, steps: 1 }));
        let web = MetricSource::Web { url: String::new(), token: None };
        assert_eq!(grid(&web, 60, at(610), 0, at(700)), Some(Grid { start_s: 700, step_s: 1, steps: 1 }));
    }

    #[test]
    fn the_newest_values_of_both_make_the_pair() {
        let grid = Grid { start_s: 60, step_s: 60, steps: 3 };
        assert_eq!(newest(&[1.0, 2.0, 3.0], &[4.0, 5.0, f64::NAN], grid), Some((2.0, 5.0, 180)));
        assert_eq!(newest(&[f64::NAN, 2.0], &[4.0, f64::INFINITY], grid), None);
        assert_eq!(newest(&[], &[], grid), None);
    }
}
