//! Who is on duty at a time, and what becomes of a call that nobody answers.
//!
//! A rotation is a value and its answer a pure function of it: shifts are handed over at an hour of the wall clock of a zone, so that
//! a shift over a change of the clocks is an hour shorter or longer, and never begins twice. Not here: who is told, and how.

mod call;
#[cfg(test)]
mod tests;

pub use call::{Call, Calls, Command, Disagreement, Event, LEVELS_MAX, Refused, Step};

use crate::id::At;
use jiff::civil::{Date, Time};
use jiff::tz::TimeZone;
use serde::Serialize;

/// Longest shift in days.
pub const EVERY_DAYS_MAX: u32 = 366;

/// Somebody else for a while.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Override {
    /// Who.
    pub person: String,
    /// From when.
    pub from: At,
    /// Until when.
    pub until: At,
}

/// Who takes turns, and when.
#[derive(Clone, Debug, PartialEq)]
pub struct Rotation {
    /// In their order.
    pub people: Vec<String>,
    /// The day on which the first of them begins.
    pub from: Date,
    /// Days of a shift.
    pub every_days: u32,
    /// The hour at which shifts are handed over.
    pub hand_over: Time,
    /// Whose clock it is.
    pub zone: TimeZone,
    /// Who stands in for whom: of several at a time the last one counts.
    pub overrides: Vec<Override>,
}

/// Who is on duty, and how long.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Shift {
    /// Who.
    pub person: String,
    /// Since when.
    pub since: At,
    /// Until when; somebody who stands in may end it sooner.
    pub until: At,
    /// They stand in for whose turn it is.
    pub stands_in: bool,
}

impl Rotation {
    /// Who is on duty at a time; nobody before it begins.
    #[must_use]
    pub fn on_duty(&self, at: At) -> Option<Shift> {
        let stands_in = self.overrides.iter().rev().find(|o| o.from <= at && at < o.until);
        if let Some(o) = stands_in {
            return Some(Shift { person: o.person.clone(), since: o.from, until: o.until, stands_in: true });
        }
        let turn = self.turn(at)?;
        let count = i64::try_from(self.people.len()).ok().filter(|count| *count > 0)?;
        let person = self.people.get(usize::try_from(turn.rem_euclid(count)).ok()?)?.clone();
        let until = self.begin(turn.checked_add(1)?)?;
        let stand_in = self.overrides.iter().map(|o| o.from).filter(|from| at < *from && *from < until).min();
        Some(Shift { person, since: self.begin(turn)?, until: stand_in.unwrap_or(until), stands_in: false })
    }

    /// The number of the shift at a time, from 0.
    fn turn(&self, at: At) -> Option<i64> {
        let local = jiff::Timestamp::from_millisecond(at.0).ok()?.to_zoned(self.zone.clone()).date();
        let days = i64::from(self.from.until(local).ok()?.get_days());
        // The day's number is at most one off: before the hour of the day, and where clocks change at that hour.
        let near = days.div_euclid(i64::from(self.every_days.max(1)));
        let turn = [near + 1, near, near - 1].into_iter().find(|turn| self.begin(*turn).is_some_and(|begin| begin <= at))?;
        (turn >= 0).then_some(turn)
    }

    /// When a shift begins. An hour that the clocks leave out is the one after it, one that comes twice the first of them.
    fn begin(&self, turn: i64) -> Option<At> {
        let days = turn.checked_mul(i64::from(self.every_days.max(1)))?;
        let date = self.from.checked_add(jiff::Span::new().try_days(days).ok()?).ok()?;
        let zoned = self.zone.to_ambiguous_zoned(date.to_datetime(self.hand_over)).compatible().ok()?;
        Some(At(zoned.timestamp().as_millisecond()))
    }
}
