//! Freezes as people write them: spans with a zone, perhaps repeated, and calendars.

use crate::config::{Freeze, When};
use crate::ical::{self, Event, Rule};
use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use tidegate_core::freeze::Window;
use tidegate_core::id::At;

/// Most windows of a freeze between two times.
pub const WINDOWS_MAX: usize = 20_000;
/// Most periods of rules that are looked at for a freeze.
pub const PERIODS_MAX: usize = 1_000_000;

/// The windows of a freeze that touch the span from `from` to `until`, by their begin. `read` gives the bytes of a calendar.
///
/// # Errors
/// A sentence that names the freeze and what is wrong.
pub fn windows(
    name: &str,
    freeze: &Freeze,
    read: impl FnOnce(&str) -> Result<Vec<u8>, String>,
    (from, until): (At, At),
) -> Result<Vec<Window>, String> {
    let wrong = |why: String| format!("freeze {name}: {why}");
    let instant = |at: At| Timestamp::from_millisecond(at.0).map_err(|e| wrong(e.to_string()));
    let (begin, end) = (instant(from)?, instant(until)?);
    let (mut all, mut periods) = (vec![], PERIODS_MAX);
    for event in events(name, freeze, read).map_err(wrong)? {
        for (from, until) in event.times(begin, end, &mut periods).map_err(wrong)? {
            if all.len() == WINDOWS_MAX {
                return Err(wrong(format!("more than {WINDOWS_MAX} windows: repeat it less often")));
            }
            let (from, until) = (At(from.as_millisecond()), At(until.as_millisecond()));
            let (name, reason, services) = (event.name.clone(), freeze.reason.clone(), freeze.services.clone());
            all.push(Window { name, reason, from, until, services });
        }
    }
    all.sort_by_key(|w| (w.from, w.until));
    Ok(all)
}

fn events(name: &str, freeze: &Freeze, read: impl FnOnce(&str) -> Result<Vec<u8>, String>) -> Result<Vec<Event>, String> {
    let zone = zone(&freeze.zone)?;
    match &freeze.when {
        When::Span { from, until, repeats } => Ok(vec![span(name, zone, from, until, repeats.as_deref()).map_err(|(_, why)| why)?]),
        When::Calendar(path) => {
            let found = ical::events(&read(path)?, &zone).map_err(|why| format!("{path}: {why}"))?;
            let named = |mut event: Event| {
                event.name = ical::shown(&format!("{name}: {}", event.name));
                event
            };
            Ok(found.into_iter().map(named).collect())
        }
    }
}

/// A zone of the IANA database.
///
/// # Errors
/// When there is none of that name.
pub fn zone(name: &str) -> Result<TimeZone, String> {
    TimeZone::get(name).map_err(|_| format!("`{name}` is no zone of the IANA database, as `Europe/Berlin`"))
}

/// A time by the clock of a zone: `2026-12-20 16:00`, or the begin of a day.
///
/// # Errors
/// When it is none.
pub fn local(text: &str) -> Result<DateTime, String> {
    // An offset or a zone behind the time would be read and passed over: the zone has a key of its own.
    let foreign = |c: char| !(c.is_ascii_digit() || matches!(c, '-' | ':' | '.' | ' ' | 'T' | 't'));
    if text.contains(foreign) || text.matches('-').count() > 2 {
        return Err(format!("`{text}` is no date or time of the freeze's zone, as `2026-12-20` or `2026-12-20 16:00`"));
    }
    text.trim().parse().map_err(|_| format!("`{text}` is no date or time, as `2026-12-20` or `2026-12-20 16:00`"))
}

/// A key of a freeze that is wrong, and why.
type Mistake = (&'static str, String);

/// Whether a freeze says what can be understood, its calendar aside.
///
/// # Errors
/// The key that is wrong, and why.
pub(crate) fn check(freeze: &Freeze) -> Result<(), Mistake> {
    let zone = zone(&freeze.zone).map_err(|why| ("zone", why))?;
    let When::Span { from, until, repeats } = &freeze.when else { return Ok(()) };
    span("", zone, from, until, repeats.as_deref()).map(drop)
}

fn span(name: &str, zone: TimeZone, from: &str, until: &str, repeats: Option<&str>) -> Result<Event, Mistake> {
    let at = |key: &'static str| move |why: String| (key, why);
    let (first, end) = (local(from).map_err(at("from"))?, local(until).map_err(at("until"))?);
    let rule = repeats.map(Rule::parse).transpose().map_err(at("repeats"))?;
    rule.iter().try_for_each(|rule| ical::begins(rule, first, &zone)).map_err(at("from"))?;
    Event::new(name, zone, first, end, rule).map_err(at("until"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use indexmap::IndexMap;

    fn freeze(zone: &str, when: When) -> IndexMap<String, Freeze> {
        let one = Freeze { zone: zone.to_owned(), when, services: vec![], reason: Some("because".to_owned()) };
        IndexMap::from([("weekends".to_owned(), one)])
    }

    fn between(freezes: &IndexMap<String, Freeze>, calendar: &str, from: &str, until: &str) -> Result<Vec<String>, String> {
        let at = |text: &str| At(text.parse::<Timestamp>().unwrap().as_millisecond());
        let found = windows("weekends", &freezes["weekends"], |_| Ok(calendar.as_bytes().to_vec()), (at(from), at(until)))?;
        Ok(found.iter().map(|w| format!("{} {} {}", w.name, w.from, w.until)).collect())
    }

    #[test]
    fn weekends_by_the_clock_of_a_zone_across_a_change_of_it() {
        let span = When::Span {
            from: "2026-01-02 16:00".to_owned(),
            until: "2026-01-05 08:00".to_owned(),
            repeats: Some("FREQ=WEEKLY".to_owned()),
        };
        let found = between(&freeze("Europe/Berlin", span), "", "2026-03-20T00:00:00Z", "2026-04-05T00:00:00Z").unwrap();
        // The clock goes forward on the 29th: it begins by the clock, and lasts as long as it always does.
        assert_eq!(
            found,
            [
                "weekends 2026-03-20T15:00:00.000Z 2026-03-23T07:00:00.000Z",
                "weekends 2026-03-27T15:00:00.000Z 2026-03-30T07:00:00.000Z",
                "weekends 2026-04-03T14:00:00.000Z 2026-04-06T06:00:00.000Z",
            ]
        );
    }

    #[test]
    fn a_calendar_names_its_windows() {
        let calendar = "BEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\nSUMMARY:Christmas\r\nDTSTART;VALUE=DATE:20261224\r\nDTEND;VALUE=DATE:20261227\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n";
        let all = freeze("Europe/Berlin", When::Calendar("freezes.ics".to_owned()));
        let found = between(&all, calendar, "2026-12-01T00:00:00Z", "2027-01-01T00:00:00Z").unwrap();
        assert_eq!(found, ["weekends: Christmas 2026-12-23T23:00:00.000Z 2026-12-26T23:00:00.000Z"]);
        let (cut, _) = calendar.split_once("DTSTART").unwrap();
        let cut = between(&all, cut, "2026-12-01T00:00:00Z", "2027-01-01T00:00:00Z").unwrap_err();
        assert_eq!(cut, "freeze weekends: freezes.ics: the file ends within VEVENT: it was cut short");
    }

    #[test]
    fn what_is_wrong_is_named_with_its_key() {
        let span = |from: &str, until: &str, repeats: Option<&str>| When::Span {
            from: from.to_owned(),
            until: until.to_owned(),
            repeats: repeats.map(str::to_owned),
        };
        let wrong = |zone: &str, when: When| check(&freeze(zone, when)["weekends"]).unwrap_err();
        assert_eq!(wrong("Berlin", span("2026-01-02", "2026-01-03", None)).0, "zone");
        assert_eq!(
            wrong("UTC", span("tomorrow", "2026-01-03", None)),
            ("from", "`tomorrow` is no date or time of the freeze's zone, as `2026-12-20` or `2026-12-20 16:00`".to_owned())
        );
        for zoned in ["2026-01-02T16:00+02:00", "2026-01-02 16:00-05:00", "2026-01-02T16:00Z", "2026-01-02T16:00[UTC]"] {
            assert_eq!(wrong("UTC", span(zoned, "2026-01-03", None)).0, "from", "{zoned}");
        }
        assert_eq!(wrong("UTC", span("2026-13-02", "2026-01-03", None)).0, "from");
        let (key, why) = wrong("UTC", span("2026-01-02", "2026-01-03", Some("FREQ=WEEKLY;BYDAY=MO")));
        let wanted = "it begins at 2026-01-02T00:00:00, which is no time of its rule: let it begin with one";
        assert_eq!((key, why.as_str()), ("from", wanted));
        assert_eq!(wrong("UTC", span("2026-01-03", "2026-01-02", None)).0, "until");
        let (key, why) = wrong("UTC", span("2026-01-02", "2026-01-03", Some("FREQ=HOURLY")));
        assert_eq!((key, why.as_str()), ("repeats", "`FREQ=HOURLY`: a freeze repeats DAILY, WEEKLY, MONTHLY or YEARLY"));
        assert_eq!(check(&freeze("UTC", span("2026-01-02", "2026-01-03", Some("FREQ=YEARLY")))["weekends"]), Ok(()));
    }
}
