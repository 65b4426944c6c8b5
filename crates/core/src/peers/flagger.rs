//! Flagger's analysis: each interval the checks hold or not, and a counter of those that did not.
//!
//! The counter is never set back by a check that holds. A metric without a value is a check that failed.

use serde::{Deserialize, Serialize};

/// When a canary is rolled back, and how it goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rules {
    /// Failed checks after which the canary is rolled back.
    pub threshold: u32,
    /// Percent of the traffic that is added after each interval whose checks hold.
    pub step_weight: u32,
    /// Percent of the traffic from which it is promoted.
    pub max_weight: u32,
}

/// A range that a metric must lie in; ends that are missing are open.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Range {
    /// At least.
    pub min: Option<f64>,
    /// At most.
    pub max: Option<f64>,
}

impl Range {
    /// Whether a value lies in it. No value, or one that is not a number, does not.
    #[must_use]
    pub fn holds(&self, value: Option<f64>) -> bool {
        value.is_some_and(|v| !v.is_nan() && self.min.is_none_or(|min| v >= min) && self.max.is_none_or(|max| v <= max))
    }
}

/// Where a canary stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Canary {
    /// Percent of the traffic.
    pub weight: u32,
    /// Checks that failed so far.
    pub failed_checks: u32,
}

/// What follows from an interval.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// The weight grows.
    Advance,
    /// The weight stays.
    Halt,
    /// All traffic to the new version.
    Promote,
    /// All traffic to the old version.
    Rollback,
}

impl Canary {
    /// One interval: whether all checks hold.
    pub fn advance(&mut self, rules: &Rules, holds: bool) -> Step {
        // Looked at before the checks of the interval, so a canary goes one interval further than its threshold.
        if self.failed_checks >= rules.threshold {
            self.weight = 0;
            return Step::Rollback;
        }
        if !holds {
            self.failed_checks += 1;
            return Step::Halt;
        }
        if self.weight >= rules.max_weight {
            return Step::Promote;
        }
        self.weight = self.weight.saturating_add(rules.step_weight).min(100);
        Step::Advance
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULES: Rules = Rules { threshold: 2, step_weight: 20, max_weight: 50 };

    #[test]
    fn a_canary_climbs_and_is_promoted() {
        let mut canary = Canary::default();
        let steps: Vec<Step> = (0..4).map(|_| canary.advance(&RULES, true)).collect();
        assert_eq!(steps, [Step::Advance, Step::Advance, Step::Advance, Step::Promote]);
        assert_eq!(canary.weight, 60);
    }

    #[test]
    fn failed_checks_add_up_whatever_holds_between() {
        let mut canary = Canary::default();
        let steps: Vec<Step> = [false, true, false, true].into_iter().map(|holds| canary.advance(&RULES, holds)).collect();
        assert_eq!(steps, [Step::Halt, Step::Advance, Step::Halt, Step::Rollback]);
        assert_eq!(canary.weight, 0);
    }

    #[test]
    fn no_value_is_out_of_every_range() {
        assert!(!Range::default().holds(None) && !Range::default().holds(Some(f64::NAN)));
        assert!(Range { min: Some(99.0), max: None }.holds(Some(99.0)));
        assert!(!Range { min: None, max: Some(500.0) }.holds(Some(500.1)));
    }
}
