//! Texts that Python's `datetime.strptime` can read by a form.
//!
//! A form becomes a regular expression, as Python does it; what it finds must be the whole text and a day and time
//! that exist. Names of days and months are English ones. `%G`, `%u` and `%V` are refused.

use jiff::civil::Date;
use regex::{Captures, Regex};

/// A compiled form.
#[derive(Clone, Debug)]
pub(crate) struct Form(Regex);

const MONTHS: &str = "january|february|march|april|may|june|july|august|september|october|november|december";
const MONTHS_SHORT: &str = "jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec";
const DAYS: &str = "monday|tuesday|wednesday|thursday|friday|saturday|sunday";
const DAYS_SHORT: &str = "mon|tue|wed|thu|fri|sat|sun";

impl Form {
    pub fn new(format: &str) -> Result<Form, String> {
        let mut regex = String::from(r"(?i)\A");
        expand(format, &mut regex)?;
        Regex::new(&regex).map(Form).map_err(|_| format!("form `{format}` names a part twice: name each once"))
    }

    /// Whether the whole text can be read.
    pub fn reads(&self, text: &str) -> bool {
        self.0.captures(text).is_some_and(|found| found.get(0).is_some_and(|m| m.end() == text.len()) && exists(&found))
    }
}

fn expand(format: &str, regex: &mut String) -> Result<(), String> {
    let mut chars = format.chars().peekable();
    while let Some(c) = chars.next() {
        if c.is_whitespace() {
            while chars.peek().is_some_and(|c| c.is_whitespace()) {
                chars.next();
            }
            regex.push_str(r"\s+");
            continue;
        }
        if c != '%' {
            regex.push_str(&regex::escape(&c.to_string()));
            continue;
        }
        let part = match chars.next() {
            Some('d') => r"(?P<d>3[0-1]|[1-2]\d|0[1-9]|[1-9]| [1-9])",
            Some('f') => r"(?P<f>[0-9]{1,6})",
            Some('H') => r"(?P<H>2[0-3]|[0-1]\d|\d)",
            Some('I') => r"(?P<I>1[0-2]|0[1-9]|[1-9])",
            Some('j') => r"(?P<j>36[0-6]|3[0-5]\d|[1-2]\d\d|0[1-9]\d|00[1-9]|[1-9]\d|0[1-9]|[1-9])",
            Some('m') => r"(?P<m>1[0-2]|0[1-9]|[1-9])",
            Some('M') => r"(?P<M>[0-5]\d|\d)",
            Some('S') => r"(?P<S>6[0-1]|[0-5]\d|\d)",
            Some('U') => r"(?P<U>5[0-3]|[0-4]\d|\d)",
            Some('W') => r"(?P<W>5[0-3]|[0-4]\d|\d)",
            Some('w') => r"(?P<w>[0-6])",
            Some('y') => r"(?P<y>\d\d)",
            Some('Y') => r"(?P<Y>\d\d\d\d)",
            Some('z') => r"(?P<z>[+-]\d\d:?[0-5]\d(?::?[0-5]\d(?:\.\d{1,6})?)?|(?-i:Z))",
            Some('Z') => r"(?P<Z>utc|gmt|)",
            Some('p') => r"(?P<p>am|pm)",
            Some('%') => "%",
            Some('A') => return join(DAYS, "A", chars.collect(), regex),
            Some('a') => return join(DAYS_SHORT, "a", chars.collect(), regex),
            Some('B') => return join(MONTHS, "B", chars.collect(), regex),
            Some('b') => return join(MONTHS_SHORT, "b", chars.collect(), regex),
            Some('c') => return whole("%a %b %d %H:%M:%S %Y", chars.collect(), regex),
            Some('x') => return whole("%m/%d/%y", chars.collect(), regex),
            Some('X') => return whole("%H:%M:%S", chars.collect(), regex),
            Some(other) => return Err(format!("`%{other}` in form `{format}` is refused: it is not understood")),
            None => return Err(format!("form `{format}` ends with `%`: write `%%` for the sign itself")),
        };
        regex.push_str(part);
    }
    Ok(())
}

fn join(names: &str, group: &str, rest: String, regex: &mut String) -> Result<(), String> {
    regex.push_str(&format!("(?P<{group}>{names})"));
    expand(&rest, regex)
}

fn whole(form: &str, rest: String, regex: &mut String) -> Result<(), String> {
    expand(form, regex)?;
    expand(&rest, regex)
}

/// Whether day and time exist; what a form does not name is that of the first of January 1900.
fn exists(found: &Captures<'_>) -> bool {
    let number = |name: &str| found.name(name).and_then(|m| m.as_str().trim().parse::<i16>().ok());
    let named = |name: &str, all: &str| {
        let text = found.name(name)?.as_str().to_lowercase();
        i16::try_from(all.split('|').position(|n| n == text)? + 1).ok()
    };
    if number("S").is_some_and(|s| s > 59) {
        return false;
    }
    let short = number("y").map(|y| if y <= 68 { 2000 + y } else { 1900 + y });
    let year = number("Y").or(short).unwrap_or(1900);
    let month = number("m").or_else(|| named("B", MONTHS)).or_else(|| named("b", MONTHS_SHORT));
    if year == 0 {
        return false;
    }
    // A day of the year counts on into the next one; the last of all has no next.
    if found.name("j").is_some() && month.is_none() && number("d").is_none() {
        return year < 9999 || number("j").is_some_and(|j| j <= 365);
    }
    let (month, day) = (month.unwrap_or(1), number("d").unwrap_or(1));
    match (i8::try_from(month), i8::try_from(day)) {
        (Ok(month), Ok(day)) => Date::new(year, month, day).is_ok(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_read_as_python_reads_them() {
        // (form, text, read) as recorded from Python 3.11's `datetime.strptime`.
        for (form, text, reads) in [
            ("%Y-%m-%d", "2013-01-31", true),
            ("%Y-%m-%d", "2013-1-3", true),
            ("%Y-%m-%d", "2013-02-29", false),
            ("%Y-%m-%d", "2012-02-29", true),
            ("%Y-%m-%d", "2013-01-31 ", false),
            ("%Y-%m-%d", " 2013-01-31", false),
            ("%d/%m/%y", "01/02/68", true),
            ("%H:%M:%S", "23:59:60", false),
            ("%H:%M:%S", "24:00:00", false),
            ("%Y%m%d", "20130131", true),
            ("%Y%m%d", "2013131", true),
            ("%d%m%Y", "111", false),
            ("%b %d %Y", "JAN 5 2013", true),
            ("%B %d %Y", "Jan 5 2013", false),
            ("%A", "tuesday", true),
            ("%Y-%m-%dT%H:%M:%S.%f", "2013-01-31T01:02:03.5", true),
            ("%Y-%m-%dT%H:%M:%S%z", "2013-01-31T01:02:03+01:30", true),
            ("%Y-%m-%dT%H:%M:%S%z", "2013-01-31T01:02:03Z", true),
            ("%Y-%m-%dT%H:%M:%S%z", "2013-01-31T01:02:03z", false),
            ("%Y %m", "2013   7", true),
            ("%%%Y", "%2013", true),
            ("%m-%d", "02-29", false),
            ("%j", "366", true),
            ("%Y", "0000", false),
            ("%I:%M %p", "12:30 pm", true),
            ("%I:%M %p", "13:30 pm", false),
            ("", "", true),
        ] {
            assert_eq!(Form::new(form).unwrap().reads(text), reads, "{form} on {text:?}");
        }
        assert!(Form::new("%G").is_err() && Form::new("%").is_err() && Form::new("%Y %Y").is_err());
    }
}
