//! Circuit breakers: signals of the world that a release would go into. When they are abnormal, nothing goes forward in it.
//!
//! A breaker is not the judge: it knows nothing of a candidate, looks before one is there, and rolls nothing back. What is not known
//! is abnormal. Not here: where readings come from.

mod machine;
#[cfg(test)]
mod tests;

pub use machine::{Breaker, Command, Event, Refused, State, Tripped};

use crate::id::At;
use crate::rollout::Frozen;
use serde::Serialize;

/// A day: the end of what has no end is told so far.
const DAY_MS: u64 = 86_400_000;

/// What is looked at, and what is abnormal.
#[derive(Clone, Debug, PartialEq)]
pub struct Signal {
    /// Its name.
    pub name: String,
    /// Abnormal above this.
    pub above: Option<f64>,
    /// Abnormal below this.
    pub below: Option<f64>,
    /// The service where it is seen; none for all of them.
    pub service: Option<String>,
}

/// What a signal was, or why that cannot be told.
pub type Reading = Result<f64, String>;

impl Signal {
    /// What is abnormal about a reading, in words; none where nothing is.
    #[must_use]
    pub fn wrong(&self, reading: &Reading) -> Option<String> {
        let name = &self.name;
        match reading {
            Err(why) => Some(format!("{name} cannot be told: {why}")),
            Ok(value) if value.is_nan() => Some(format!("{name} is no number")),
            Ok(value) => {
                let above = self.above.filter(|limit| value > limit).map(|limit| format!("{name} is {value}, above {limit}"));
                above.or_else(|| self.below.filter(|limit| value < limit).map(|limit| format!("{name} is {value}, below {limit}")))
            }
        }
    }
}

/// Who trips and closes a breaker by its signals; no person has this name.
pub const WATCH: &str = "watch";

/// When a breaker trips and closes by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rule {
    /// After so many abnormal looks in a row.
    pub after: u32,
    /// When all was normal for so long, if signals tripped it; never by itself when there is none.
    pub resets_after_ms: Option<u64>,
}

/// What a look at all signals asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// Trip, for these reasons.
    Trip(Vec<String>),
    /// Close again.
    Close,
}

/// Looks in a row. It is not recorded: whoever looks anew begins anew.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Looks {
    abnormal: u32,
    normal_since: Option<At>,
}

impl Looks {
    /// One more look; `wrong` is what was abnormal.
    pub fn look(&mut self, rule: Rule, state: &State, wrong: &[String], at: At) -> Option<Wanted> {
        if !wrong.is_empty() {
            self.normal_since = None;
            self.abnormal = self.abnormal.saturating_add(1);
            return (state.tripped.is_none() && self.abnormal >= rule.after).then(|| Wanted::Trip(wrong.to_vec()));
        }
        self.abnormal = 0;
        // A clock that jumped back begins the time anew.
        let since = *self.normal_since.get_or_insert(at);
        self.normal_since = Some(since.min(at));
        let passed = rule.resets_after_ms.is_some_and(|ms| at.since_ms(since) >= ms);
        // Signals know nothing of what a person tripped it for.
        let by_signals = state.tripped.as_ref().is_some_and(|tripped| tripped.by == WATCH);
        (by_signals && passed).then_some(Wanted::Close)
    }
}

/// What a tripped breaker is to a release: a freeze without an end, which is told a day ahead.
#[must_use]
pub fn frozen(name: &str, state: &State, at: At) -> Option<Frozen> {
    let tripped = state.tripped.as_ref()?;
    let days = at.since_ms(tripped.since) / DAY_MS + 1;
    let until = tripped.since.plus_ms(days.saturating_mul(DAY_MS));
    // The first reason is what tripped it; `breaker list` has the others.
    Some(Frozen { name: format!("breaker {name}: {}", tripped.why.first().map_or("", String::as_str)), until })
}

/// A breaker as it is shown.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Shown {
    /// Where it stands.
    #[serde(flatten)]
    pub state: State,
    /// What was abnormal at the last look.
    pub wrong: Vec<String>,
    /// When that was.
    pub looked: Option<At>,
}
