//! Rules beside python-dateutil, the examples of RFC 5545, and files as calendars write them.

use super::{Event, Moment, Rule, moment};
use crate::freeze::PERIODS_MAX;
use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

fn local(text: &str) -> DateTime {
    let Some(Moment::Local(at)) = moment(text) else { panic!("{text}") };
    at
}

fn days(rule: &str, first: &str, last: &str) -> Vec<String> {
    let utc = |at: DateTime| TimeZone::get("America/New_York").unwrap().to_timestamp(at).ok();
    let (rule, first, last) = (Rule::parse(rule).unwrap(), local(first), local(last));
    let found = rule.times((first, first), last, utc, &mut { PERIODS_MAX }).unwrap();
    // What is followed from a later time on is the end of the same.
    for later in [90, 400, 1_000] {
        let earliest = first.checked_add(jiff::Span::new().days(later)).unwrap();
        let mut tail = rule.times((first, earliest), last, utc, &mut { PERIODS_MAX }).unwrap();
        tail.retain(|at| *at >= earliest);
        assert_eq!(tail, found.iter().filter(|at| **at >= earliest).copied().collect::<Vec<_>>(), "from {earliest}");
    }
    found.iter().map(|at| at.strftime("%Y%m%d").to_string()).collect()
}

#[test]
fn rules_give_what_dateutil_gives() {
    let mut looked_at = 0;
    for line in include_str!("fixtures/rules.txt").lines().filter(|l| !l.starts_with('#')) {
        let mut fields = line.split(' ');
        let (rule, first) = (fields.next().unwrap(), fields.next().unwrap());
        let wanted: Vec<&str> = fields.collect();
        let last = local(first).checked_add(jiff::Span::new().days(1500)).unwrap();
        let mut found = days(rule, first, &last.strftime("%Y%m%dT%H%M%S").to_string());
        found.truncate(12);
        assert_eq!(found, wanted, "{rule} from {first}");
        looked_at += 1;
    }
    assert_eq!(looked_at, 120);
}

#[test]
fn examples_of_the_standard() {
    let five = |rule: &str, first: &str| days(rule, first, "20100101T000000").into_iter().take(5).collect::<Vec<_>>().join(" ");
    // RFC 5545, 3.8.5.3.
    assert_eq!(five("FREQ=MONTHLY;COUNT=10;BYDAY=1FR", "19970905T090000"), "19970905 19971003 19971107 19971205 19980102");
    let either = days("FREQ=MONTHLY;BYDAY=2TH,SU;COUNT=3", "20240913T020000", "20300101T000000");
    assert_eq!(either, ["20240915", "20240922", "20240929"], "one or the other");
    assert_eq!(five("FREQ=MONTHLY;BYMONTHDAY=-3", "19970928T090000"), "19970928 19971029 19971128 19971229 19980129");
    assert_eq!(five("FREQ=MONTHLY;BYDAY=FR;BYMONTHDAY=13", "19970902T090000"), "19980213 19980313 19981113 19990813 20001013");
    assert_eq!(five("FREQ=WEEKLY;INTERVAL=2;COUNT=4;BYDAY=TU,SU;WKST=MO", "19970805T090000"), "19970805 19970810 19970819 19970824");
    assert_eq!(five("FREQ=WEEKLY;INTERVAL=2;COUNT=4;BYDAY=TU,SU;WKST=SU", "19970805T090000"), "19970805 19970817 19970819 19970831");
    // 9 in New York is 13 in UTC: the last one is in.
    assert_eq!(five("FREQ=DAILY;UNTIL=19970904T130000Z", "19970902T090000"), "19970902 19970903 19970904");
    assert_eq!(five("FREQ=DAILY;UNTIL=19970904T125959Z", "19970902T090000"), "19970902 19970903");
    assert_eq!(days("FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30", "19970902T090000", "20300101T000000").len(), 0);
}

#[test]
fn what_a_rule_does_not_understand_is_named() {
    let why = |rule: &str| Rule::parse(rule).unwrap_err();
    assert_eq!(why("FREQ=HOURLY"), "`FREQ=HOURLY`: a freeze repeats DAILY, WEEKLY, MONTHLY or YEARLY");
    assert_eq!(why("FREQ=MONTHLY;BYSETPOS=-1;BYDAY=MO"), "`BYSETPOS` of the rule is not understood: list those times one by one");
    assert_eq!(why("FREQ=DAILY;INTERVAL=0"), "`INTERVAL=0` of the rule is not understood");
    assert_eq!(why("FREQ=DAILY;COUNT=2;UNTIL=20270101"), "the rule has two ends: COUNT and UNTIL exclude each other");
    assert_eq!(why("FREQ=WEEKLY;BYDAY=1FR"), "an n-th day of the week has a meaning in a month alone: take the number away");
    assert_eq!(why("FREQ=MONTHLY;BYMONTHDAY=0"), "`BYMONTHDAY=0` of the rule is not understood");
    assert_eq!(why("INTERVAL=2"), "the rule does not say how often: it has no FREQ");
    assert_eq!(why("weekly"), "`weekly` of the rule is no NAME=VALUE");
}

const FILE: &str = "BEGIN:VCALENDAR\r
VERSION:2.0\r
X-WR-CALNAME:Freezes: all of them\r
BEGIN:VTIMEZONE\r
TZID:Europe/Berlin\r
BEGIN:STANDARD\r
DTSTART:19701025T030000\r
RRULE:FREQ=YEARLY;BYMONTH=10;BYDAY=-1SU\r
END:STANDARD\r
END:VTIMEZONE\r
BEGIN:VEVENT\r
UID:friday@example\r
SUMMARY:Fridays\\, and the ni\r
 ght after\r
DTSTART;TZID=Europe/Berlin:20261204T160000\r
DURATION:PT16H\r
RRULE:FREQ=WEEKLY;COUNT=4\r
EXDATE;TZID=\"Europe/Berlin\":20261211T160000\r
BEGIN:VALARM\r
TRIGGER:-PT15M\r
DURATION:PT1M\r
END:VALARM\r
END:VEVENT\r
BEGIN:VEVENT\r
UID:friday@example\r
RECURRENCE-ID;TZID=Europe/Berlin:20261218T160000\r
SUMMARY:A Friday on Thursday\r
DTSTART:20261217T150000Z\r
DTEND:20261217T180000Z\r
END:VEVENT\r
BEGIN:VEVENT\r
SUMMARY:Called off\r
STATUS:CANCELLED\r
DTSTART;VALUE=DATE:20261210\r
END:VEVENT\r
BEGIN:VEVENT\r
DTSTART;VALUE=DATE:20261224\r
END:VEVENT\r
END:VCALENDAR\r
";

fn events(text: &str, zone: &TimeZone) -> Result<Vec<Event>, String> {
    super::events(text.as_bytes(), zone)
}

fn times(events: &[Event]) -> Vec<String> {
    let at = |text: &str| text.parse::<Timestamp>().unwrap();
    let (from, until) = (at("2026-12-01T00:00:00Z"), at("2027-02-01T00:00:00Z"));
    let times = |e: &Event| e.times(from, until, &mut { PERIODS_MAX }).unwrap();
    events.iter().flat_map(|e| times(e).into_iter().map(|(a, b)| format!("{}: {a} {b}", e.name))).collect()
}

#[test]
fn a_file_as_a_calendar_writes_it() {
    let read = events(FILE, &TimeZone::get("Asia/Tokyo").unwrap()).unwrap();
    assert_eq!(
        times(&read),
        [
            "Fridays, and the night after: 2026-12-04T15:00:00Z 2026-12-05T07:00:00Z",
            "Fridays, and the night after: 2026-12-25T15:00:00Z 2026-12-26T07:00:00Z",
            "A Friday on Thursday: 2026-12-17T15:00:00Z 2026-12-17T18:00:00Z",
            "an event without a summary: 2026-12-23T15:00:00Z 2026-12-24T15:00:00Z",
        ]
    );
    // Line ends of Unix, and a mark of the byte order before it all.
    let unix = format!("\u{feff}{}", FILE.replace('\r', ""));
    assert_eq!(events(&unix, &TimeZone::get("Asia/Tokyo").unwrap()).unwrap(), read);
}

#[test]
fn a_file_that_cannot_be_told_is_refused_with_its_line() {
    let why = |from: &str, to: &str| {
        assert!(FILE.contains(from), "{from}");
        events(&FILE.replacen(from, to, 1), &TimeZone::UTC).unwrap_err()
    };
    assert_eq!(why("BEGIN:VCALENDAR", "BEGIN:VCARD"), "line 1: a calendar begins with BEGIN:VCALENDAR");
    assert_eq!(
        why("TZID=Europe/Berlin:20261204", "TZID=W. Europe Standard Time:20261204"),
        "line 15: `W. Europe Standard Time` is no zone of the IANA database"
    );
    assert_eq!(why("DURATION:PT16H", "DURATION:sixteen hours"), "line 16: it is no duration, as PT8H or P3D");
    assert_eq!(why("DURATION:PT16H", "COMMENT:short"), "the event at line 12: it has neither DTEND nor DURATION: it takes no time");
    assert_eq!(
        why("DTEND:20261217T180000Z", "DTEND:20261217T140000Z"),
        "the event at line 25: it does not end after it begins, or lasts too long"
    );
    assert_eq!(why("FREQ=WEEKLY;COUNT=4", "FREQ=SECONDLY"), "line 17: `FREQ=SECONDLY`: a freeze repeats DAILY, WEEKLY, MONTHLY or YEARLY");
    assert_eq!(why("END:VEVENT\r\nEND:VCALENDAR", "END:VCALENDAR"), "line 38: END:VCALENDAR ends nothing that has begun");
    assert_eq!(why("DATE:20261224", "DATE:10661224"), "the event at line 37: it begins before 1970");
    assert_eq!(why("VERSION:2.0", "VERSION 2.0"), "line 2: it is no NAME:VALUE");
    assert_eq!(events("", &TimeZone::UTC).unwrap_err(), "line 1: a calendar begins with BEGIN:VCALENDAR");
    for cut in (20..FILE.len() - 16).filter(|i| FILE.is_char_boundary(*i)) {
        assert!(events(&FILE[..cut], &TimeZone::UTC).is_err(), "cut at {cut}");
    }
}

fn one_event(lines: &str) -> Result<Vec<String>, String> {
    let file = format!("BEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\nSUMMARY:x\r\n{lines}\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n");
    events(&file, &TimeZone::get("Europe/Berlin").unwrap()).map(|found| times(&found))
}

#[test]
fn a_line_may_be_folded_within_a_character() {
    let name = "Jahresende für alle";
    let at = name.find('ü').unwrap() + 1;
    let (before, after) = name.as_bytes().split_at(at);
    let rest = b"\r\nDTSTART;VALUE=DATE:20261224\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n";
    let file = [b"BEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\nSUMMARY:", before, b"\r\n ", after, rest].concat();
    assert_eq!(super::events(&file, &TimeZone::UTC).unwrap()[0].name, name);
    let latin = [b"BEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\nSUMMARY:f\xfcr", rest.as_slice()].concat();
    assert_eq!(super::events(&latin, &TimeZone::UTC).unwrap_err(), "line 3: it is not UTF-8");
}

#[test]
fn names_are_short_and_on_one_line() {
    let long = format!("SUMMARY:{}\\nend", "é".repeat(70_000));
    let found = one_event(&format!("DTSTART;VALUE=DATE:20261224\r\n{long}")).unwrap();
    let (name, _) = found[0].split_once(": ").unwrap();
    assert_eq!(name, format!("{}…", "é".repeat(200)));
}

#[test]
fn what_takes_no_time_may_say_what_is_not_understood() {
    for status in ["STATUS:CANCELLED", "TRANSP:TRANSPARENT"] {
        let odd = "DTSTART;TZID=Mars/Olympus:20261224T100000\r\nRRULE:FREQ=SECONDLY\r\nDURATION:for ever";
        assert_eq!(one_event(&format!("{odd}\r\n{status}")), Ok(vec![]));
        assert!(one_event(odd).is_err());
    }
}

#[test]
fn ends_lengths_and_exceptions_as_calendars_write_them() {
    let never = one_event("DTSTART:20261224T100000\r\nDURATION:PT1H\r\nRRULE:FREQ=MONTHLY;UNTIL=99991231T235959Z").unwrap();
    assert_eq!(never, ["x: 2026-12-24T09:00:00Z 2026-12-24T10:00:00Z", "x: 2027-01-24T09:00:00Z 2027-01-24T10:00:00Z"]);
    // Days by the calendar first, then hours: the clock went back in between (RFC 5545, 3.3.6).
    let file = "BEGIN:VCALENDAR\nBEGIN:VEVENT\nDTSTART:20261024T200000\nDURATION:P1DT12H\nEND:VEVENT\nEND:VCALENDAR\n";
    let read = events(file, &TimeZone::get("Europe/Berlin").unwrap()).unwrap();
    let at = |text: &str| text.parse::<Timestamp>().unwrap();
    let found = read[0].times(at("2026-10-01T00:00:00Z"), at("2026-11-01T00:00:00Z"), &mut 0).unwrap();
    assert_eq!(found, [(at("2026-10-24T18:00:00Z"), at("2026-10-26T07:00:00Z"))]);
    let daily = "DTSTART:20261223T100000\r\nDURATION:PT1H\r\nRRULE:FREQ=DAILY;COUNT=4\r\nEXDATE;VALUE=DATE:20261224,20261225";
    assert_eq!(one_event(daily).unwrap(), ["x: 2026-12-23T09:00:00Z 2026-12-23T10:00:00Z", "x: 2026-12-26T09:00:00Z 2026-12-26T10:00:00Z"]);
    let outside = one_event("DTSTART:20261223T100000\r\nDURATION:PT1H\r\nRRULE:FREQ=WEEKLY;BYDAY=MO").unwrap_err();
    assert_eq!(outside, "the event at line 3: it begins at 2026-12-23T10:00:00, which is no time of its rule: let it begin with one");
}

#[test]
fn calendars_that_would_take_for_ever_are_refused() {
    let listed = format!("DTSTART:20261224T100000\r\nDURATION:PT1H\r\nEXDATE:{}", vec!["20261224T100000"; 10_001].join(","));
    assert_eq!(one_event(&listed).unwrap_err(), "line 6: more than 10000 times are listed: give the event a rule");
    // From 1970 on, each day of one that never ends: followed from shortly before the span on.
    let old = events(
        "BEGIN:VCALENDAR\nBEGIN:VEVENT\nDTSTART:19700101T100000Z\nDURATION:PT1H\nRRULE:FREQ=DAILY\nEND:VEVENT\nEND:VCALENDAR\n",
        &TimeZone::UTC,
    );
    let at = |text: &str| text.parse::<Timestamp>().unwrap();
    let mut periods = 10;
    let found = old.unwrap()[0].times(at("2026-12-24T00:00:00Z"), at("2026-12-26T00:00:00Z"), &mut periods).unwrap();
    assert_eq!((found.len(), periods > 0), (2, true));
    let never = "DTSTART:20261224T100000Z\r\nDURATION:PT1H\r\nRRULE:FREQ=DAILY;COUNT=9000";
    let file = format!("BEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\n{never}\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n");
    let found = events(&file, &TimeZone::UTC).unwrap()[0].times(at("2027-12-24T00:00:00Z"), at("2028-12-26T00:00:00Z"), &mut 300);
    assert_eq!(found.unwrap_err(), "its rules repeat too often to be followed: end those that are over with UNTIL");
}
