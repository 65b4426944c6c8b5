//! The judges of other tools on the same counts as ours, as their documents show how to set them.

use super::argo::{self, Limits, Tally};
use super::flagger::{Canary, Range, Rules, Step};
use super::kayenta::{Class, Classifier, Direction, MetricRules};
use crate::judge::Interval;
use serde::{Deserialize, Serialize};

/// The share of good answers that thresholds ask for.
const GOOD_MIN: f64 = 0.99;
/// How many times the control's share of failures a candidate may have where a ratio is asked for.
const RATIO_MAX: f64 = 1.2;
/// Values that a rank test should have of each arm, as its documents say.
const VALUES_MIN: usize = 50;

/// What a judge ended with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ending {
    /// The candidate goes.
    Rollback,
    /// It stays.
    Promote,
    /// Neither, by the end of the data.
    Undecided,
}

/// One judge's answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// The judge and how it is set.
    pub judge: String,
    /// What it ended with.
    pub ending: Ending,
    /// The interval, from 1, after which it was decided.
    pub at: Option<u64>,
    /// Why, in its own terms.
    pub why: String,
}

/// All of them.
#[must_use]
pub fn side_by_side(intervals: &[Interval]) -> Vec<Answer> {
    let ratio = |i: &Interval| {
        let (candidate, control) = (rate(i.candidate)?, rate(i.control)?);
        Some(candidate <= RATIO_MAX * control)
    };
    let share = |i: &Interval| rate(i.candidate).map(|bad| 1.0 - bad >= GOOD_MIN);
    vec![
        argo("Argo Rollouts, success rate of 99 %, failureLimit 0", intervals, 0, share),
        argo("Argo Rollouts, success rate of 99 %, failureLimit 3", intervals, 3, share),
        argo("Argo Rollouts, at most 1.2 times the errors, failureLimit 3", intervals, 3, ratio),
        flagger("Flagger, success rate of 99 %, threshold 1", intervals, 1),
        flagger("Flagger, success rate of 99 %, threshold 5", intervals, 5),
        kayenta(intervals),
    ]
}

fn rate((requests, failures): (u64, u64)) -> Option<f64> {
    (requests > 0).then(|| failures as f64 / requests as f64)
}

/// A background analysis: an interval is a measurement, one without a value an error.
fn argo(judge: &str, intervals: &[Interval], failure: i64, holds: impl Fn(&Interval) -> Option<bool>) -> Answer {
    let limits = Limits { failure, ..Limits::default() };
    let mut tally = Tally::default();
    for (number, interval) in intervals.iter().enumerate() {
        tally.add(holds(interval).map_or(argo::Phase::Error, |good| argo::measured(Some(good), None)));
        let phase = tally.assess(&limits, false);
        if phase.completed() {
            let why = format!("{phase:?}: {} of {} measurements failed, {} could not be made", tally.failed, tally.count, tally.error);
            return answer(judge, Ending::Rollback, Some(number), why);
        }
    }
    let why = format!("{} of {} measurements failed; ended without a failure, an analysis counts as successful", tally.failed, tally.count);
    let ending = if tally.assess(&limits, true) == argo::Phase::Successful { Ending::Promote } else { Ending::Undecided };
    answer(judge, ending, None, why)
}

fn flagger(judge: &str, intervals: &[Interval], threshold: u32) -> Answer {
    // The weights of its documents.
    let rules = Rules { threshold, step_weight: 10, max_weight: 50 };
    let range = Range { min: Some(100.0 * GOOD_MIN), max: None };
    let mut canary = Canary::default();
    for (number, interval) in intervals.iter().enumerate() {
        let value = rate(interval.candidate).map(|bad| 100.0 * (1.0 - bad));
        let why = |canary: &Canary| format!("{} checks failed, weight {} %", canary.failed_checks, canary.weight);
        match canary.advance(&rules, range.holds(value)) {
            Step::Rollback => return answer(judge, Ending::Rollback, Some(number), why(&canary)),
            Step::Promote => return answer(judge, Ending::Promote, Some(number), why(&canary)),
            Step::Advance | Step::Halt => {}
        }
    }
    answer(judge, Ending::Undecided, None, format!("{} checks failed, weight {} %", canary.failed_checks, canary.weight))
}

/// One judgement at the end: shares of failures by interval.
fn kayenta(intervals: &[Interval]) -> Answer {
    let values = |arm: fn(&Interval) -> (u64, u64)| intervals.iter().map(|i| rate(arm(i)).unwrap_or(f64::NAN)).collect::<Vec<_>>();
    let classifier = Classifier::MannWhitney { tolerance: super::kayenta::TOLERANCE, confidence: super::kayenta::CONFIDENCE };
    let rules = MetricRules { classifier, direction: Direction::Increase, ..MetricRules::default() };
    let found = rules.classify(&values(|i| i.control), &values(|i| i.candidate));
    let ending = match found.class {
        Class::Pass => Ending::Promote,
        Class::High | Class::Low | Class::NodataFailMetric => Ending::Rollback,
        Class::Nodata | Class::Error => Ending::Undecided,
    };
    let few = if intervals.len() < VALUES_MIN { format!("; its documents ask for {VALUES_MIN} values") } else { String::new() };
    let why = format!("{} from {} values an arm{few}", found.class.name(), intervals.len());
    answer("Kayenta, one judgement at the end", ending, intervals.len().checked_sub(1), why)
}

fn answer(judge: &str, ending: Ending, number: Option<usize>, why: String) -> Answer {
    Answer { judge: judge.to_owned(), ending, at: number.map(|n| n as u64 + 1), why }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn endings(intervals: &[Interval]) -> Vec<(Ending, Option<u64>)> {
        side_by_side(intervals).into_iter().map(|a| (a.ending, a.at)).collect()
    }

    #[test]
    fn each_decides_in_its_own_way() {
        let good = Interval { candidate: (100, 0), control: (900, 1) };
        let bad = Interval { candidate: (100, 5), control: (900, 1) };
        let thin = Interval { candidate: (0, 0), control: (900, 1) };
        let promoted = endings(&[good; 60]);
        assert_eq!(
            promoted[..5],
            [
                (Ending::Promote, None),
                (Ending::Promote, None),
                (Ending::Promote, None),
                (Ending::Promote, Some(6)),
                (Ending::Promote, Some(6))
            ]
        );
        assert_eq!(promoted[5], (Ending::Promote, Some(60)));
        let stopped = endings(&[bad; 60]);
        assert_eq!(
            stopped,
            [1, 4, 4, 2, 6, 60].map(|at| (Ending::Rollback, Some(at))),
            "a canary of Flagger goes one interval further than its threshold"
        );
        // No data: five errors in a row abort Argo's, fail Flagger's checks, and say nothing to Kayenta.
        let silent = endings(&[thin; 60]);
        assert_eq!(silent[0], (Ending::Rollback, Some(5)));
        assert_eq!(silent[4], (Ending::Rollback, Some(6)));
        assert_eq!(silent[5].0, Ending::Undecided);
        assert_eq!(endings(&[])[3], (Ending::Undecided, None));
    }
}
