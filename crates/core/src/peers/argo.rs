//! Argo Rollouts' analysis: conditions on single measurements, and limits on how many may go wrong.
//!
//! The phases and their order are those of its `AnalysisRun`. A run that is ended before it measured anything counts as
//! successful: that is Argo's way, kept so that a team can see both answers side by side.

use serde::{Deserialize, Serialize};

/// What a measurement, a metric or a run came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Phase {
    /// Nothing was measured yet.
    Pending,
    /// It goes on.
    Running,
    /// It ended well.
    Successful,
    /// It ended badly: the rollout is aborted.
    Failed,
    /// It could not be measured: the rollout is aborted.
    Error,
    /// Neither condition held: the rollout pauses for a person.
    Inconclusive,
}

impl Phase {
    /// The higher, the worse a run with such a metric is.
    fn badness(self) -> u8 {
        match self {
            Phase::Successful => 0,
            Phase::Pending | Phase::Running => 1,
            Phase::Inconclusive => 2,
            Phase::Error => 3,
            Phase::Failed => 4,
        }
    }

    /// Nothing comes after it.
    #[must_use]
    pub fn completed(self) -> bool {
        !matches!(self, Phase::Pending | Phase::Running)
    }
}

/// What one measurement comes to, given whether the success and the failure condition hold; none where there is no such
/// condition.
#[must_use]
pub fn measured(success: Option<bool>, failure: Option<bool>) -> Phase {
    match (success, failure) {
        (None, None) => Phase::Successful,
        (_, Some(true)) | (Some(false), None) => Phase::Failed,
        (Some(true), _) | (None, Some(false)) => Phase::Successful,
        (Some(false), Some(false)) => Phase::Inconclusive,
    }
}

/// The limits of a metric, with Argo's defaults. A limit of -1 is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Measurements after which the metric is done; none: as long as the run.
    pub count: Option<u64>,
    /// Measurements that may fail.
    pub failure: i64,
    /// Measurements that may be inconclusive.
    pub inconclusive: i64,
    /// Errors in a row that may happen.
    pub consecutive_error: i64,
    /// Successes in a row after which the metric is done; 0: no such rule.
    pub consecutive_success: i64,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits { count: None, failure: 0, inconclusive: 0, consecutive_error: 4, consecutive_success: 0 }
    }
}

/// How the measurements of a metric went so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tally {
    /// All without errors.
    pub count: u64,
    /// Successful ones.
    pub successful: u64,
    /// Failed ones.
    pub failed: u64,
    /// Inconclusive ones.
    pub inconclusive: u64,
    /// Errors.
    pub error: u64,
    /// Errors since the last measurement without one.
    pub consecutive_error: u64,
    /// Successes since the last measurement of another kind.
    pub consecutive_success: u64,
}

impl Tally {
    /// Counts a completed measurement.
    pub fn add(&mut self, phase: Phase) {
        let counter = match phase {
            Phase::Successful => &mut self.successful,
            Phase::Failed => &mut self.failed,
            Phase::Inconclusive => &mut self.inconclusive,
            Phase::Error => &mut self.error,
            Phase::Pending | Phase::Running => return,
        };
        *counter += 1;
        self.consecutive_success = if phase == Phase::Successful { self.consecutive_success + 1 } else { 0 };
        if phase == Phase::Error {
            self.consecutive_error += 1;
        } else {
            self.consecutive_error = 0;
            self.count += 1;
        }
    }

    /// What the metric comes to; `terminating`: the run is being ended.
    #[must_use]
    pub fn assess(&self, limits: &Limits, terminating: bool) -> Phase {
        let over = |count: u64, limit: i64| u64::try_from(limit).is_ok_and(|limit| count > limit);
        if self.count == 0 && self.error == 0 {
            return if terminating { Phase::Successful } else { Phase::Pending };
        }
        if over(self.consecutive_error, limits.consecutive_error) {
            return Phase::Error;
        }
        if over(self.inconclusive, limits.inconclusive) {
            return Phase::Inconclusive;
        }
        if over(self.failed, limits.failure) {
            return Phase::Failed;
        }
        let streak = u64::try_from(limits.consecutive_success).unwrap_or(0);
        if streak > 0 && self.consecutive_success >= streak {
            return Phase::Successful;
        }
        if limits.count.is_some_and(|count| self.count >= count) {
            return if streak > 0 { self.without_streak(limits) } else { Phase::Successful };
        }
        if terminating { Phase::Successful } else { Phase::Running }
    }

    /// All measurements were taken and the wanted row of successes did not come.
    fn without_streak(&self, limits: &Limits) -> Phase {
        if limits.failure < 0 { Phase::Failed } else { Phase::Inconclusive }
    }
}

/// What a run comes to: its worst metric. Without one it is successful.
#[must_use]
pub fn run(metrics: &[Phase]) -> Phase {
    metrics.iter().copied().max_by_key(|phase| phase.badness()).unwrap_or(Phase::Successful)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(phases: &[Phase]) -> Tally {
        let mut tally = Tally::default();
        for phase in phases {
            tally.add(*phase);
        }
        tally
    }

    #[test]
    fn conditions_decide_as_argo_says() {
        assert_eq!(measured(None, None), Phase::Successful);
        assert_eq!(measured(Some(false), None), Phase::Failed);
        assert_eq!(measured(None, Some(false)), Phase::Successful);
        assert_eq!(measured(Some(true), Some(true)), Phase::Failed);
        assert_eq!(measured(Some(false), Some(false)), Phase::Inconclusive);
    }

    #[test]
    fn limits_are_exceeded_and_not_reached() {
        let limits = |failure| Limits { failure, ..Limits::default() };
        let failed = after(&[Phase::Failed; 3]);
        assert_eq!(failed.assess(&limits(2), false), Phase::Failed);
        assert_eq!(failed.assess(&limits(2), true), Phase::Failed);
        assert_eq!(failed.assess(&limits(3), false), Phase::Running);
        assert_eq!(failed.assess(&limits(3), true), Phase::Successful);
        assert_eq!(failed.assess(&limits(-1), false), Phase::Running);
        assert_eq!(after(&[Phase::Error; 5]).assess(&Limits::default(), false), Phase::Error);
        assert_eq!(after(&[Phase::Error; 4]).assess(&Limits::default(), false), Phase::Running);
        let mended = [[Phase::Error; 4].as_slice(), &[Phase::Successful], &[Phase::Error; 4]].concat();
        assert_eq!(after(&mended).assess(&Limits::default(), false), Phase::Running);
        assert_eq!(after(&[Phase::Inconclusive]).assess(&Limits::default(), false), Phase::Inconclusive);
    }

    #[test]
    fn a_count_or_a_row_of_successes_ends_it() {
        let ten = Limits { count: Some(10), ..Limits::default() };
        assert_eq!(after(&[Phase::Successful; 10]).assess(&ten, false), Phase::Successful);
        let both = Limits { count: Some(4), failure: 2, consecutive_success: 3, ..Limits::default() };
        let broken = [Phase::Successful, Phase::Failed, Phase::Successful, Phase::Successful];
        assert_eq!(after(&broken).assess(&both, false), Phase::Inconclusive);
        assert_eq!(after(&[Phase::Successful; 3]).assess(&both, false), Phase::Successful);
    }

    #[test]
    fn nothing_measured_passes_when_it_is_ended() {
        assert_eq!(Tally::default().assess(&Limits::default(), false), Phase::Pending);
        assert_eq!(Tally::default().assess(&Limits::default(), true), Phase::Successful);
        assert_eq!(run(&[]), Phase::Successful);
        assert_eq!(run(&[Phase::Successful, Phase::Inconclusive, Phase::Error]), Phase::Error);
    }
}
