//! Times of records: civil times read in a zone, instants with an offset, and the bundled zone database.
//! The database is compiled in, so the same record gives the same answer on a machine without one.

use crate::transform::{TimePart, TimeUnit, Value};
use jiff::civil::DateTime;
use jiff::tz::{TimeZone, TimeZoneDatabase};
use jiff::{Timestamp, Zoned};
use std::collections::HashMap;

/// Characters in one time.
const TIME_CHARS_MAX: usize = 64;

/// Zones by name: those that the transform names are resolved once, others are looked up when a record names them.
#[derive(Clone, Debug)]
pub(super) struct Zones {
    database: TimeZoneDatabase,
    named: HashMap<String, TimeZone>,
}

impl Zones {
    pub(super) fn new() -> Zones {
        Zones { database: TimeZoneDatabase::bundled(), named: HashMap::new() }
    }

    /// Resolves a name that the transform itself writes.
    pub(super) fn declare(&mut self, name: &str) -> Result<TimeZone, String> {
        let zone = self.database.get(name).map_err(|_| unknown_zone(name))?;
        self.named.insert(name.to_owned(), zone.clone());
        Ok(zone)
    }

    /// The zone that a record names.
    pub(super) fn get(&self, name: &str) -> Result<TimeZone, String> {
        match self.named.get(name) {
            Some(zone) => Ok(zone.clone()),
            None => self.database.get(name).map_err(|_| unknown_zone(name)),
        }
    }
}

fn unknown_zone(name: &str) -> String {
    format!("`{name}` is not a zone of the IANA time zone database (as `America/New_York`)")
}

/// A time as a record writes it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Written {
    /// With an offset, or milliseconds since the epoch.
    Instant(Timestamp),
    /// By a clock on a wall somewhere.
    Civil(DateTime),
}

impl Written {
    /// Reads `2013-06-01T08:15`, the same with seconds, with `Z` or an offset, or milliseconds since the epoch.
    pub(super) fn read(value: Value<'_>) -> Result<Written, String> {
        match value {
            Value::Str(text) => read_text(text),
            Value::I64(ms) => Timestamp::from_millisecond(ms).map(Written::Instant).map_err(|_| format!("{ms} ms is beyond any time")),
            other => Err(format!("{other} is not a time: write text as `2013-06-01T08:15` or integer milliseconds")),
        }
    }

    /// The instant. A civil time that a clock change skips or repeats is read as RFC 5545 says: skipped times
    /// with the offset before the change, repeated ones the first time.
    pub(super) fn instant(self, zone: Option<&TimeZone>) -> Result<Timestamp, String> {
        match (self, zone) {
            (Written::Instant(t), _) => Ok(t),
            (Written::Civil(local), Some(zone)) => zone.to_timestamp(local).map_err(|_| format!("{local} is beyond any time")),
            (Written::Civil(local), None) => Err(format!("{local} has no offset and the transform names no zone for it")),
        }
    }

    /// The time on a clock in the zone.
    fn civil(self, zone: Option<&TimeZone>) -> Result<DateTime, String> {
        match (self, zone) {
            (Written::Civil(local), _) => Ok(local),
            (Written::Instant(t), Some(zone)) => Ok(Zoned::new(t, zone.clone()).datetime()),
            (Written::Instant(t), None) => Err(format!("{t} is an instant and the transform names no zone to show it in")),
        }
    }
}

fn read_text(text: &str) -> Result<Written, String> {
    let wrong = || format!("{} is not a time: write `2013-06-01T08:15` or `2013-06-01T08:15:00Z`", Value::Str(text));
    if text.len() > TIME_CHARS_MAX || text.contains('[') {
        return Err(wrong());
    }
    // After the date, a sign or a Z can only be an offset.
    let clock = text.as_bytes().get(10..).unwrap_or_default();
    if clock.iter().any(|b| matches!(b, b'Z' | b'z' | b'+' | b'-')) {
        text.parse::<Timestamp>().map(Written::Instant).map_err(|_| wrong())
    } else {
        text.parse::<DateTime>().map(Written::Civil).map_err(|_| wrong())
    }
}

/// `to` minus `from` in `unit`.
pub(super) fn difference(from: Timestamp, to: Timestamp, unit: TimeUnit) -> f64 {
    let ms = to.as_millisecond() - from.as_millisecond();
    let unit_ms = match unit {
        TimeUnit::Seconds => 1_000.0,
        TimeUnit::Minutes => 60_000.0,
        TimeUnit::Hours => 3_600_000.0,
        TimeUnit::Days => 86_400_000.0,
    };
    #[expect(clippy::cast_precision_loss, reason = "the span of all times in milliseconds is below 2^53")]
    let ms = ms as f64;
    ms / unit_ms
}

/// A part of the time on a clock in the zone.
pub(super) fn part(time: Written, zone: Option<&TimeZone>, part: TimePart) -> Result<f64, String> {
    let local = time.civil(zone)?;
    Ok(match part {
        TimePart::Hour => f64::from(local.hour()),
        TimePart::Minute => f64::from(local.minute()),
        TimePart::MinuteOfDay => f64::from(local.hour()) * 60.0 + f64::from(local.minute()),
        TimePart::Weekday => f64::from(local.weekday().to_monday_zero_offset()),
        TimePart::Day => f64::from(local.day()),
        TimePart::DayOfYear => f64::from(local.day_of_year()),
        TimePart::Month => f64::from(local.month()),
        TimePart::Year => f64::from(local.year()),
    })
}
