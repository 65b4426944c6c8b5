//! One event: its first time, how long it lasts, and when it comes again.

use super::rule::Rule;
use super::{Line, Moment, moment};
use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp, ToSpan as _};
use std::collections::HashMap;

/// First year of an event: a rule is followed from its first time on.
const YEAR_MIN: i16 = 1970;
/// Longest event, in days.
const DAYS_MAX: i64 = 3_660;
/// Longest name; more of it is cut off.
const NAME_CHARS_MAX: usize = 200;
/// Most times that an event lists one by one.
const LISTED_MAX: usize = 10_000;

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
    /// Days without any.
    except_days: Vec<Date>,
}

/// How long it lasts: first the days of the calendar, of 23 to 25 hours, then the rest.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Length {
    days: i64,
    ms: i64,
}

impl Event {
    /// An event from its first time on, by the clock of `zone`.
    ///
    /// # Errors
    /// When it does not end after it begins.
    pub fn new(name: &str, zone: TimeZone, first: DateTime, end: DateTime, rule: Option<Rule>) -> Result<Event, String> {
        let instant = |at: DateTime| zone.to_timestamp(at).map_err(|e| e.to_string());
        let length = Length { days: 0, ms: instant(end)?.as_millisecond() - instant(first)?.as_millisecond() };
        Event { name: shown(name), zone, first, length, rule, also: vec![], except: vec![], except_days: vec![] }.sound()
    }

    fn sound(self) -> Result<Event, String> {
        if self.first.year() < YEAR_MIN {
            return Err(format!("it begins before {YEAR_MIN}"));
        }
        let Length { days, ms } = self.length;
        let whole = days.checked_mul(86_400_000).and_then(|d| d.checked_add(ms)).unwrap_or(i64::MAX);
        if !(1..=DAYS_MAX * 86_400_000).contains(&whole) || days < 0 || ms < 0 {
            return Err("it does not end after it begins, or lasts too long".to_owned());
        }
        match &self.rule {
            Some(rule) => begins(rule, self.first, &self.zone).map(|()| self),
            None => Ok(self),
        }
    }

    /// Its times that touch the span from `from` to `until`, each from its begin to its end. Each period of its rule that is
    /// looked at is taken from `periods`.
    ///
    /// # Errors
    /// When those do not suffice.
    pub fn times(&self, from: Timestamp, until: Timestamp, periods: &mut usize) -> Result<Vec<(Timestamp, Timestamp)>, String> {
        let utc = |at: DateTime| self.zone.to_timestamp(at).ok();
        let begin = self.zone.to_datetime(from);
        // A day more than it lasts: the clock may have been changed meanwhile.
        let earliest = begin.checked_sub((self.length.days + self.length.ms / 86_400_000 + 2).days()).unwrap_or(DateTime::MIN);
        let mut begins = match &self.rule {
            Some(rule) => rule.times((self.first, earliest), self.zone.to_datetime(until), utc, periods)?,
            None => vec![self.first],
        };
        begins.extend(&self.also);
        begins.sort_unstable();
        begins.dedup();
        begins.retain(|at| self.except.binary_search(at).is_err() && self.except_days.binary_search(&at.date()).is_err());
        let span = |at: DateTime| {
            let days = if self.length.days == 0 { at } else { at.checked_add(self.length.days.days()).ok()? };
            let end = utc(days)?.checked_add(Span::new().try_milliseconds(self.length.ms).ok()?).ok()?;
            utc(at).filter(|begin| *begin < until && end > from).map(|begin| (begin, end))
        };
        Ok(begins.into_iter().filter_map(span).collect())
    }
}

/// Whether a rule begins with its first time. The standard leaves open whether another one counts; when somebody is frozen
/// is not for us to guess.
///
/// # Errors
/// A sentence where it does not.
pub(crate) fn begins(rule: &Rule, first: DateTime, zone: &TimeZone) -> Result<(), String> {
    let found = rule.times((first, first), first, |at| zone.to_timestamp(at).ok(), &mut 1)?;
    if found == [first] { Ok(()) } else { Err(format!("it begins at {first}, which is no time of its rule: let it begin with one")) }
}

/// A name as it is shown and kept: on one line, and not longer than names are.
pub(crate) fn shown(name: &str) -> String {
    let one_line: String = name.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    let mut short: String = one_line.trim().chars().take(NAME_CHARS_MAX).collect();
    if short.len() < one_line.trim().len() {
        short.push('…');
    }
    short
}

/// An event whose lines were read.
#[derive(Default)]
struct Draft {
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
}

impl Draft {
    fn read(&mut self, line: &Line, zone: &TimeZone) -> Result<(), String> {
        match line.name.as_str() {
            "UID" => self.uid.clone_from(&line.value),
            "SUMMARY" => self.name = unescaped(&line.value),
            "DTSTART" => self.start = Some(time(line, &line.value, zone)?),
            "DTEND" => self.end = Some(time(line, &line.value, zone)?),
            "DURATION" => self.duration = Some(duration(&line.value).ok_or_else(|| line.wrong("it is no duration, as PT8H or P3D"))?),
            "RRULE" if self.rule.is_some() => return Err(line.wrong("an event has one rule at most")),
            "RRULE" => self.rule = Some(Rule::parse(&line.value).map_err(|why| line.wrong(why))?),
            "RDATE" | "EXDATE" => {
                let list = if line.name == "RDATE" { &mut self.also } else { &mut self.except };
                for value in line.value.split(',') {
                    if list.len() == LISTED_MAX {
                        return Err(line.wrong(format_args!("more than {LISTED_MAX} times are listed: give the event a rule")));
                    }
                    list.push(time(line, value, zone)?);
                }
            }
            "RECURRENCE-ID" if line.parameter("RANGE").is_some() => {
                return Err(line.wrong("a change of all later times is not understood: end the rule and begin another event"));
            }
            "RECURRENCE-ID" => self.instead_of = Some(time(line, &line.value, zone)?),
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
                Length { days: first.until(*end).map_err(|e| wrong(&e.to_string()))?.get_days().into(), ms: 0 }
            }
            (Some(end), None, _) => {
                let ms = instant(end).and_then(|end| Ok(end - instant(&(start, zone.clone()))?));
                Length { days: 0, ms: ms.map_err(|e| wrong(&e.to_string()))? }
            }
            (None, Some(length), _) => length,
            (None, None, Moment::Day(_)) => Length { days: 1, ms: 0 },
            (Some(_), Some(_), _) => return Err(wrong("it has DTEND and DURATION, which exclude each other")),
            (None, None, _) => return Err(wrong("it has neither DTEND nor DURATION: it takes no time")),
        };
        let also = self.also.iter().map(|(at, own)| of_zone(*at, own, &zone)).collect();
        let first = start.local(&zone);
        let name = if self.name.trim().is_empty() { "an event without a summary" } else { &self.name };
        let rule = self.rule.clone();
        let event = Event { name: shown(name), zone, first, length, rule, also, except: vec![], except_days: vec![] };
        event.sound().map_err(|why| wrong(&why))
    }
}

/// The lines of one event.
#[derive(Default)]
pub(super) struct Raw<'a>(Vec<&'a Line>);

impl<'a> Raw<'a> {
    pub(super) fn push(&mut self, line: &'a Line) {
        self.0.push(line);
    }

    fn said(&self, name: &str, value: &str) -> bool {
        self.0.iter().any(|line| line.name == name && line.value.trim().eq_ignore_ascii_case(value))
    }

    /// Whether it takes nobody's time, whatever else it says.
    fn passed_over(&self) -> bool {
        self.said("STATUS", "CANCELLED") || self.said("TRANSP", "TRANSPARENT")
    }

    /// The time that it takes out of the series of its identifier. Of an event that is passed over, one that cannot be
    /// read takes nothing away: the time stays frozen.
    fn moved(&self, zone: &TimeZone) -> Option<(&'a str, (Moment, TimeZone))> {
        let of = |name: &str| self.0.iter().find(|line| line.name == name);
        let (uid, line) = (of("UID")?, of("RECURRENCE-ID")?);
        Some((uid.value.as_str(), time(line, &line.value, zone).ok()?))
    }
}

/// Events, with the times that were moved taken from their series.
pub(super) fn put_together(all: &[Raw<'_>], zone: &TimeZone) -> Result<Vec<Event>, String> {
    let mut moved: HashMap<&str, Vec<(Moment, TimeZone)>> = HashMap::new();
    for (uid, at) in all.iter().filter_map(|raw| raw.moved(zone)) {
        moved.entry(uid).or_default().push(at);
    }
    let mut events = vec![];
    for raw in all.iter().filter(|raw| !raw.passed_over()) {
        let mut draft = Draft { line: raw.0.first().map_or(0, |line| line.number), ..Draft::default() };
        raw.0.iter().try_for_each(|line| draft.read(line, zone))?;
        let mut event = draft.event()?;
        let own = if draft.instead_of.is_none() { moved.get(draft.uid.as_str()) } else { None };
        for (at, own) in draft.except.iter().chain(own.into_iter().flatten()) {
            match at {
                Moment::Day(day) => event.except_days.push(*day),
                Moment::Local(_) | Moment::Utc(_) => event.except.push(of_zone(*at, own, &event.zone)),
            }
        }
        event.except.sort_unstable();
        event.except_days.sort_unstable();
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
    Some(Length { days, ms }).filter(|length| length.days > 0 || length.ms > 0)
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
