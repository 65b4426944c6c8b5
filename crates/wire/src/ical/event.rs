//! One event: its first time, how long it lasts, and when it comes again.

use super::rule::Rule;
use super::{Line, Moment, moment};
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp, ToSpan as _};

/// First year of an event: a rule is followed from its first time on.
const YEAR_MIN: i16 = 1970;
/// Longest event, in days.
const DAYS_MAX: i64 = 3_660;

/// An event.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// What it is called.
    pub name: String,
    zone: TimeZone,
    first: DateTime,
    length: Length,
    rule: Option<Rule>,
    also: Vec<DateTime>,
    except: Vec<DateTime>,
}

/// How long it lasts.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Length {
    /// Days of the calendar, of 23 to 25 hours.
    Days(i64),
    /// Milliseconds.
    Exact(i64),
}

impl Event {
    /// An event from its first time on, by the clock of `zone`.
    ///
    /// # Errors
    /// When it does not end after it begins.
    pub fn new(name: &str, zone: TimeZone, first: DateTime, end: DateTime, rule: Option<Rule>) -> Result<Event, String> {
        let instant = |at: DateTime| zone.to_timestamp(at).map_err(|e| e.to_string());
        let length = Length::Exact(instant(end)?.as_millisecond() - instant(first)?.as_millisecond());
        Event { name: name.to_owned(), zone, first, length, rule, also: vec![], except: vec![] }.sound()
    }

    fn sound(self) -> Result<Event, String> {
        if self.first.year() < YEAR_MIN {
            return Err(format!("it begins before {YEAR_MIN}"));
        }
        match self.length {
            Length::Days(days) if !(1..=DAYS_MAX).contains(&days) => Err("it does not end after it begins, or lasts too long".to_owned()),
            Length::Exact(ms) if !(1..=DAYS_MAX * 86_400_000).contains(&ms) => {
                Err("it does not end after it begins, or lasts too long".to_owned())
            }
            Length::Days(_) | Length::Exact(_) => Ok(self),
        }
    }

    /// Its times that touch the span from `from` to `until`, each from its begin to its end.
    #[must_use]
    pub fn times(&self, from: Timestamp, until: Timestamp) -> Vec<(Timestamp, Timestamp)> {
        let utc = |at: DateTime| self.zone.to_timestamp(at).ok();
        let last = self.zone.to_datetime(until);
        let mut begins = match &self.rule {
            Some(rule) => rule.times(self.first, last, utc),
            None => vec![self.first],
        };
        begins.extend(&self.also);
        begins.retain(|at| !self.except.contains(at));
        begins.sort_unstable();
        begins.dedup();
        let span = |at: DateTime| {
            let begin = utc(at)?;
            let end = match self.length {
                Length::Days(days) => utc(at.checked_add(days.days()).ok()?)?,
                Length::Exact(ms) => begin.checked_add(Span::new().try_milliseconds(ms).ok()?).ok()?,
            };
            (begin < until && end > from).then_some((begin, end))
        };
        begins.into_iter().filter_map(span).collect()
    }
}

/// An event while its lines are read.
#[derive(Default)]
pub(super) struct Draft {
    line: usize,
    uid: String,
    name: String,
    start: Option<(Moment, TimeZone)>,
    end: Option<(Moment, TimeZone)>,
    duration: Option<Length>,
    rule: Option<Rule>,
    also: Vec<(Moment, TimeZone)>,
    except: Vec<(Moment, TimeZone)>,
    instead_of: Option<(Moment, TimeZone)>,
    passed_over: bool,
}

impl Draft {
    pub(super) fn read(&mut self, line: &Line, zone: &TimeZone) -> Result<(), String> {
        if self.line == 0 {
            self.line = line.number;
        }
        match line.name.as_str() {
            "UID" => self.uid.clone_from(&line.value),
            "SUMMARY" => self.name = unescaped(&line.value),
            "DTSTART" => self.start = Some(time(line, &line.value, zone)?),
            "DTEND" => self.end = Some(time(line, &line.value, zone)?),
            "DURATION" => self.duration = Some(duration(&line.value).ok_or_else(|| line.wrong("it is no duration, as PT8H or P3D"))?),
            "RRULE" if self.rule.is_some() => return Err(line.wrong("an event has one rule at most")),
            "RRULE" => self.rule = Some(Rule::parse(&line.value).map_err(|why| line.wrong(why))?),
            "RDATE" | "EXDATE" => {
                for value in line.value.split(',') {
                    let at = time(line, value, zone)?;
                    if line.name == "RDATE" { self.also.push(at) } else { self.except.push(at) }
                }
            }
            "RECURRENCE-ID" if line.parameter("RANGE").is_some() => {
                return Err(line.wrong("a change of all later times is not understood: end the rule and begin another event"));
            }
            "RECURRENCE-ID" => self.instead_of = Some(time(line, &line.value, zone)?),
            "STATUS" => self.passed_over |= line.value.eq_ignore_ascii_case("CANCELLED"),
            "TRANSP" => self.passed_over |= line.value.eq_ignore_ascii_case("TRANSPARENT"),
            "EXRULE" => return Err(line.wrong("EXRULE is not understood: list those times with EXDATE")),
            _ => {}
        }
        Ok(())
    }

    fn event(&self) -> Result<Event, String> {
        let wrong = |why: &str| format!("the event at line {}: {why}", self.line);
        let (start, zone) = self.start.clone().ok_or_else(|| wrong("it has no DTSTART"))?;
        let instant = |(at, zone): &(Moment, TimeZone)| zone.to_timestamp(at.local(zone)).map(|t| t.as_millisecond());
        let length = match (&self.end, self.duration, start) {
            (Some((Moment::Day(end), _)), None, Moment::Day(first)) => {
                Length::Days(first.until(*end).map_err(|e| wrong(&e.to_string()))?.get_days().into())
            }
            (Some(end), None, _) => {
                let ms = instant(end).and_then(|end| Ok(end - instant(&(start, zone.clone()))?));
                Length::Exact(ms.map_err(|e| wrong(&e.to_string()))?)
            }
            (None, Some(length), _) => length,
            (None, None, Moment::Day(_)) => Length::Days(1),
            (Some(_), Some(_), _) => return Err(wrong("it has DTEND and DURATION, which exclude each other")),
            (None, None, _) => return Err(wrong("it has neither DTEND nor DURATION: it takes no time")),
        };
        let local = |all: &[(Moment, TimeZone)]| all.iter().map(|(at, own)| of_zone(*at, own, &zone)).collect();
        let (also, except) = (local(&self.also), local(&self.except));
        let first = start.local(&zone);
        let name = if self.name.trim().is_empty() { "an event without a summary".to_owned() } else { self.name.trim().to_owned() };
        Event { name, zone, first, length, rule: self.rule.clone(), also, except }.sound().map_err(|why| wrong(&why))
    }
}

/// Events, with the times that were moved taken from their series.
pub(super) fn put_together(drafts: Vec<Draft>) -> Result<Vec<Event>, String> {
    let moved: Vec<(String, (Moment, TimeZone))> = drafts.iter().filter_map(|d| Some((d.uid.clone(), d.instead_of.clone()?))).collect();
    let mut events = vec![];
    for draft in drafts.iter().filter(|d| !d.passed_over) {
        let mut event = draft.event()?;
        if draft.instead_of.is_none() {
            let own = moved.iter().filter(|(uid, _)| *uid == draft.uid && !uid.is_empty());
            event.except.extend(own.map(|(_, (at, zone))| of_zone(*at, zone, &event.zone)));
        }
        events.push(event);
    }
    Ok(events)
}

/// A time by the clock of another zone.
fn of_zone(at: Moment, own: &TimeZone, zone: &TimeZone) -> DateTime {
    match at {
        Moment::Local(local) if own != zone => own.to_timestamp(local).map_or(local, |t| zone.to_datetime(t)),
        Moment::Day(_) | Moment::Local(_) | Moment::Utc(_) => at.local(zone),
    }
}

fn time(line: &Line, value: &str, zone: &TimeZone) -> Result<(Moment, TimeZone), String> {
    let at = moment(value.trim()).ok_or_else(|| line.wrong(format_args!("`{value}` is no date or time, as 20261220T160000")))?;
    let zone = match (at, line.parameter("TZID")) {
        (Moment::Utc(_), _) => TimeZone::UTC,
        (_, Some(name)) => TimeZone::get(name).map_err(|_| line.wrong(format_args!("`{name}` is no zone of the IANA database")))?,
        (_, None) => zone.clone(),
    };
    Ok((at, zone))
}

/// `P1W`, `P3D`, `PT8H30M`.
fn duration(text: &str) -> Option<Length> {
    let text = text.trim().strip_prefix('+').unwrap_or(text.trim()).strip_prefix('P')?;
    let (days, time) = text.split_once('T').map_or((text, ""), |(days, time)| (days, time));
    let read = |text: &str, units: &[(char, i64)]| -> Option<i64> {
        let (mut total, mut rest) = (0_i64, text);
        while !rest.is_empty() {
            let end = rest.find(|c: char| !c.is_ascii_digit())?;
            let amount: i64 = rest.get(..end)?.parse().ok()?;
            let unit = rest.get(end..)?.chars().next()?;
            let (_, each) = units.iter().find(|(name, _)| *name == unit)?;
            total = total.checked_add(amount.checked_mul(*each)?)?;
            rest = rest.get(end + 1..)?;
        }
        Some(total)
    };
    let (days, ms) = (read(days, &[('W', 7), ('D', 1)])?, read(time, &[('H', 3_600_000), ('M', 60_000), ('S', 1_000)])?);
    match (days, ms) {
        (days, 0) if days > 0 => Some(Length::Days(days)),
        (days, ms) if days > 0 || ms > 0 => Some(Length::Exact(days.checked_mul(86_400_000)?.checked_add(ms)?)),
        _ => None,
    }
}

fn unescaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match (c, c == '\\') {
            (_, true) => match chars.next() {
                Some('n' | 'N') => out.push(' '),
                Some(other) => out.push(other),
                None => {}
            },
            _ => out.push(c),
        }
    }
    out
}
