//! What a pipeline's past says of its next run: computed from earlier outcomes alone.

/// The outcomes before a run.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Past {
    /// Whether the one before it failed: 1 or 0; not a number before the first one.
    pub previous: f64,
    /// Share of failures among the last few, as many as there are.
    pub recent: f64,
    /// Share of failures among more of them.
    pub longer: f64,
    /// Runs since the last failure; since the first run where none failed.
    pub since_failure: f64,
}

/// How many outcomes [`Past::recent`] looks at.
pub const RECENT: usize = 5;
/// How many outcomes [`Past::longer`] looks at.
pub const LONGER: usize = 20;

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
            let since = before.iter().rev().take_while(|failed| !**failed).count();
            Past { previous: share(1), recent: share(RECENT), longer: share(LONGER), since_failure: since as f64 }
        })
        .collect()
}
