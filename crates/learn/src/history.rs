//! What a pipeline's past says of its next run: computed from earlier outcomes alone.

use std::collections::HashMap;

/// How many outcomes each of [`Past::shares`] looks at.
pub const WINDOWS: [usize; 8] = [1, 2, 3, 5, 10, 20, 50, 100];

/// The outcomes before a run.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Past {
    /// Share of failures among the last few, of each of [`WINDOWS`], as many as there are; not a number before the first one.
    pub shares: [f64; WINDOWS.len()],
    /// Runs since the last failure; since the first run where none failed.
    pub since_failure: f64,
    /// Failures in a row, up to the one before.
    pub failures_in_a_row: f64,
}

/// The past of each run, in the order of the runs. `known` says how many outcomes, of the first ones, were there when a run began.
#[must_use]
pub fn past(failed: &[bool], known: impl Fn(usize) -> usize) -> Vec<Past> {
    (0..failed.len())
        .map(|run| {
            let before = failed.get(..known(run).min(run)).unwrap_or_default();
            let share = |window: usize| {
                let last = before.get(before.len().saturating_sub(window)..).unwrap_or_default();
                if last.is_empty() { f64::NAN } else { last.iter().filter(|failed| **failed).count() as f64 / last.len() as f64 }
            };
            let newest = |outcome: bool| before.iter().rev().take_while(|failed| **failed == outcome).count() as f64;
            Past { shares: WINDOWS.map(share), since_failure: newest(false), failures_in_a_row: newest(true) }
        })
        .collect()
}

/// What became of the same change when it was run before: the last outcome, and the share of failures.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Again {
    /// 1 or 0; not a number where it was not run within the time.
    pub previous: f64,
    /// Share of failures of all earlier runs of it.
    pub share: f64,
    /// How many those are.
    pub runs: f64,
}

/// Earlier runs of the same change, not longer ago than `within_seconds`: what is tried again fails again more often than not. `keys`
/// says which runs are of one change. All earlier outcomes are taken to be known.
#[must_use]
pub fn again(keys: &[u64], failed: &[bool], at: &[i64], within_seconds: i64) -> Vec<Again> {
    let mut seen: HashMap<u64, (i64, f64, f64, f64)> = HashMap::new();
    let runs = keys.iter().zip(failed).zip(at);
    runs.map(|((key, failed), at)| {
        let (last, previous, fell, all) = seen.get(key).copied().unwrap_or((i64::MIN, f64::NAN, 0.0, 0.0));
        let outcome = f64::from(u8::from(*failed));
        seen.insert(*key, (*at, outcome, fell + outcome, all + 1.0));
        if at.saturating_sub(last) <= within_seconds {
            Again { previous, share: fell / all, runs: all }
        } else {
            Again { previous: f64::NAN, share: f64::NAN, runs: 0.0 }
        }
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use super::{again, past};

    #[test]
    fn a_past_is_of_earlier_outcomes_alone() {
        let failed = [true, false, false, true, true, false, true];
        let all = past(&failed, |run| run);
        assert!(all[0].shares.iter().all(|share| share.is_nan()));
        assert_eq!((all[3].shares[0], all[3].shares[3], all[3].since_failure, all[3].failures_in_a_row), (0.0, 1.0 / 3.0, 2.0, 0.0));
        assert_eq!((all[6].shares[3], all[6].shares[5]), (0.4, 0.5));
        assert_eq!((all[5].since_failure, all[5].failures_in_a_row), (0.0, 2.0));
        // Whatever a run and those behind it come to, their pasts stay.
        for run in 0..failed.len() {
            let mut other = failed;
            other.iter_mut().skip(run).for_each(|failed| *failed = !*failed);
            let same = format!("{:?}", past(&other, |run| run).get(..=run));
            assert_eq!(same, format!("{:?}", all.get(..=run)));
        }
    }

    #[test]
    fn outcomes_that_came_late_are_not_known() {
        let failed = [true, true, true, false];
        assert_eq!(past(&failed, |run| run.saturating_sub(2))[2].shares[0].to_string(), "NaN");
        assert_eq!(past(&failed, |run| run.saturating_sub(2))[3].shares[0], 1.0);
    }

    #[test]
    fn a_change_that_is_run_again_is_known_by_its_key_and_for_a_time() {
        let found = again(&[7, 8, 7, 7, 7], &[true, false, false, true, true], &[0, 10, 20, 40, 500], 100);
        let said: Vec<String> = found.iter().map(|again| format!("{} {} {}", again.previous, again.share, again.runs)).collect();
        assert_eq!(said, ["NaN NaN 0", "NaN NaN 0", "1 1 1", "0 0.5 2", "NaN NaN 0"]);
    }
}
