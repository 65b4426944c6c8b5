//! Calendars as programs exchange them (iCalendar, RFC 5545): the events of a file as spans of time.
//!
//! Read: `VEVENT` with `DTSTART`, `DTEND` or `DURATION`, `RRULE`, `RDATE`, `EXDATE`, and moved single times (`RECURRENCE-ID`).
//! Events that are cancelled or that leave their time free (`TRANSP:TRANSPARENT`) are passed over. Zones are those of the
//! IANA database. What is not understood is refused with its line, in events that count.

mod event;
mod rule;

pub use event::Event;
pub(crate) use event::{begins, shown};
pub use rule::Rule;

use jiff::Timestamp;
use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;

/// Largest file.
pub const BYTES_MAX: usize = 4 << 20;
/// Most events in a file.
pub const EVENTS_MAX: usize = 10_000;

/// A time as it is written.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Moment {
    /// A whole day.
    Day(Date),
    /// A time of a clock on a wall.
    Local(DateTime),
    /// An instant.
    Utc(Timestamp),
}

impl Moment {
    /// By the clock of a zone.
    pub(crate) fn local(self, zone: &TimeZone) -> DateTime {
        match self {
            Moment::Day(date) => date.to_datetime(jiff::civil::Time::midnight()),
            Moment::Local(at) => at,
            Moment::Utc(at) => zone.to_datetime(at),
        }
    }
}

/// `20261220`, `20261220T160000` or `20261220T160000Z`.
pub(crate) fn moment(text: &str) -> Option<Moment> {
    let (day, time) = text.split_once(['T', 't']).map_or((text, None), |(day, time)| (day, Some(time)));
    let part = |text: &str, from: usize, to: usize| text.get(from..to).filter(|p| p.bytes().all(|b| b.is_ascii_digit()))?.parse().ok();
    if day.len() != 8 {
        return None;
    }
    let date = Date::new(part(day, 0, 4)?, part(day, 4, 6)?.try_into().ok()?, part(day, 6, 8)?.try_into().ok()?).ok()?;
    let Some(time) = time else { return Some(Moment::Day(date)) };
    let (clock, utc) = time.strip_suffix(['Z', 'z']).map_or((time, false), |clock| (clock, true));
    if clock.len() != 6 {
        return None;
    }
    let number = |from: usize| -> Option<i8> { part(clock, from, from + 2)?.try_into().ok() };
    // A leap second counts as the one before it.
    let at = DateTime::from_parts(date, jiff::civil::Time::new(number(0)?, number(2)?, number(4)?.min(59), 0).ok()?);
    if utc { at.to_zoned(TimeZone::UTC).ok().map(|z| Moment::Utc(z.timestamp())) } else { Some(Moment::Local(at)) }
}

/// A line of a file, put together again: its number, name, parameters and value.
struct Line {
    number: usize,
    name: String,
    parameters: Vec<(String, String)>,
    value: String,
}

impl Line {
    fn parameter(&self, name: &str) -> Option<&str> {
        self.parameters.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
    }

    fn wrong(&self, why: impl std::fmt::Display) -> String {
        format!("line {}: {why}", self.number)
    }
}

/// Reads the events of a file; times without a zone, and whole days, are of `zone`.
///
/// # Errors
/// A sentence with the line of what is wrong, or not understood.
pub fn events(bytes: &[u8], zone: &TimeZone) -> Result<Vec<Event>, String> {
    if bytes.len() > BYTES_MAX {
        return Err(format!("it has {} bytes, and {BYTES_MAX} are read at most", bytes.len()));
    }
    let lines = lines(bytes)?;
    if !lines.first().is_some_and(|line| line.name == "BEGIN" && line.value.eq_ignore_ascii_case("VCALENDAR")) {
        return Err("line 1: a calendar begins with BEGIN:VCALENDAR".to_owned());
    }
    let (mut parts, mut found): (Vec<String>, Vec<event::Raw<'_>>) = (vec![], vec![]);
    for line in &lines {
        let part = line.value.to_ascii_uppercase();
        match line.name.as_str() {
            "BEGIN" => {
                if part == "VEVENT" && found.len() == EVENTS_MAX {
                    return Err(line.wrong(format_args!("more than {EVENTS_MAX} events")));
                }
                if part == "VEVENT" {
                    found.push(event::Raw::default());
                }
                parts.push(part);
            }
            "END" if parts.last() == Some(&part) => {
                parts.pop();
            }
            "END" => return Err(line.wrong(format_args!("END:{part} ends nothing that has begun"))),
            _ if parts.last().is_some_and(|p| p == "VEVENT") => {
                if let Some(event) = found.last_mut() {
                    event.push(line);
                }
            }
            _ => {}
        }
    }
    match parts.last() {
        None => event::put_together(&found, zone),
        Some(open) => Err(format!("the file ends within {open}: it was cut short")),
    }
}

/// Lines with their continuations. They are joined before they are read as text: a line may be folded within a character.
fn lines(bytes: &[u8]) -> Result<Vec<Line>, String> {
    let mut whole: Vec<(usize, Vec<u8>)> = vec![];
    for (i, raw) in bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes).split(|b| *b == b'\n').enumerate() {
        let raw = raw.strip_suffix(b"\r").unwrap_or(raw);
        match (raw.split_first(), whole.last_mut()) {
            (Some((b' ' | b'\t', rest)), Some((_, line))) => line.extend_from_slice(rest),
            _ if raw.trim_ascii().is_empty() => {}
            _ => whole.push((i + 1, raw.to_vec())),
        }
    }
    let text = |number: usize, line: Vec<u8>| String::from_utf8(line).map_err(|_| format!("line {number}: it is not UTF-8"));
    whole.into_iter().map(|(number, line)| parts(number, &text(number, line)?)).collect()
}

fn parts(number: usize, line: &str) -> Result<Line, String> {
    let mut quoted = false;
    let outside = |c: char| {
        quoted ^= c == '"';
        c == ':' && !quoted
    };
    let colon = line.find(outside).ok_or_else(|| format!("line {number}: it is no NAME:VALUE"))?;
    let (head, value) = (&line[..colon], &line[colon + 1..]);
    let mut fields = split_outside_quotes(head).into_iter();
    let name = fields.next().unwrap_or_default().to_ascii_uppercase();
    let parameter = |field: &str| {
        let (name, value) = field.split_once('=').unwrap_or((field, ""));
        (name.to_ascii_uppercase(), value.trim_matches('"').to_owned())
    };
    Ok(Line { number, name, parameters: fields.map(parameter).collect(), value: value.to_owned() })
}

fn split_outside_quotes(head: &str) -> Vec<&str> {
    let mut quoted = false;
    head.split(move |c: char| {
        quoted ^= c == '"';
        c == ';' && !quoted
    })
    .collect()
}

#[cfg(test)]
mod tests;
