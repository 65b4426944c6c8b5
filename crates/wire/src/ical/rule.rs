//! Recurrence rules (RFC 5545, 3.3.10): by day, week, month and year. A part that is not understood is refused by name: a
//! freeze that is read wrongly is worse than none.

use jiff::civil::{Date, DateTime, Weekday};
use jiff::{Span, ToSpan as _};

/// Largest interval between periods, and largest count.
const NUMBER_MAX: u32 = 10_000;

/// A rule.
#[derive(Clone, Debug, PartialEq)]
pub struct Rule {
    every: Every,
    interval: u32,
    end: End,
    by_day: Vec<Day>,
    by_month_day: Vec<i8>,
    by_month: Vec<i8>,
    week_start: Weekday,
}

/// The period of a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Every {
    Day,
    Week,
    Month,
    Year,
}

/// When it ends.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum End {
    /// Never.
    Never,
    /// After so many.
    Count(u32),
    /// With this one, if it is one.
    Until(Until),
}

/// A last time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Until {
    /// Of the rule's own clock.
    Local(DateTime),
    /// In UTC.
    Utc(jiff::Timestamp),
}

/// A day of the week, perhaps the n-th of its month (from the end when negative).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Day {
    nth: i8,
    weekday: Weekday,
}

impl Rule {
    /// Reads a rule, as `FREQ=WEEKLY;BYDAY=FR`.
    ///
    /// # Errors
    /// A sentence that names the part that is wrong or not understood.
    pub fn parse(text: &str) -> Result<Rule, String> {
        let mut rule = Rule {
            every: Every::Day,
            interval: 1,
            end: End::Never,
            by_day: vec![],
            by_month_day: vec![],
            by_month: vec![],
            week_start: Weekday::Monday,
        };
        let mut named = false;
        for part in text.trim().trim_end_matches(';').split(';') {
            let (name, value) = part.split_once('=').ok_or_else(|| format!("`{part}` of the rule is no NAME=VALUE"))?;
            let wrong = || format!("`{part}` of the rule is not understood");
            match name.to_ascii_uppercase().as_str() {
                "FREQ" => {
                    named = true;
                    rule.every = match value.to_ascii_uppercase().as_str() {
                        "DAILY" => Every::Day,
                        "WEEKLY" => Every::Week,
                        "MONTHLY" => Every::Month,
                        "YEARLY" => Every::Year,
                        _ => return Err(format!("`{part}`: a freeze repeats DAILY, WEEKLY, MONTHLY or YEARLY")),
                    };
                }
                "INTERVAL" => rule.interval = number(value).ok_or_else(wrong)?,
                "COUNT" if rule.end == End::Never => rule.end = End::Count(number(value).ok_or_else(wrong)?),
                "UNTIL" if rule.end == End::Never => rule.end = End::Until(until(value).ok_or_else(wrong)?),
                "COUNT" | "UNTIL" => return Err("the rule has two ends: COUNT and UNTIL exclude each other".to_owned()),
                "BYDAY" => rule.by_day = list(value, day).ok_or_else(wrong)?,
                "BYMONTHDAY" => rule.by_month_day = list(value, |v| in_range(v, 31)).ok_or_else(wrong)?,
                "BYMONTH" => rule.by_month = list(value, |v| in_range(v, 12).filter(|m| *m > 0)).ok_or_else(wrong)?,
                "WKST" => rule.week_start = weekday(value).ok_or_else(wrong)?,
                _ => return Err(format!("`{name}` of the rule is not understood: list those times one by one")),
            }
        }
        if !named {
            return Err("the rule does not say how often: it has no FREQ".to_owned());
        }
        rule.fits()
    }

    fn fits(self) -> Result<Rule, String> {
        let nth = self.by_day.iter().any(|day| day.nth != 0);
        let whole_year = self.every == Every::Year && self.by_month.is_empty();
        match self.every {
            Every::Day | Every::Week if nth => {
                Err("an n-th day of the week has a meaning in a month alone: take the number away".to_owned())
            }
            Every::Week if !self.by_month_day.is_empty() => Err("BYMONTHDAY does not go with FREQ=WEEKLY".to_owned()),
            Every::Year if whole_year && !self.by_day.is_empty() => Err("BYDAY of a year needs BYMONTH beside it".to_owned()),
            Every::Day | Every::Week | Every::Month | Every::Year => Ok(self),
        }
    }

    /// The times that it gives, counted from `first` on, not after `last`, in order; those before `earliest` may be missing. `utc`
    /// gives the instant of one. Each period that is looked at is taken from `periods`.
    ///
    /// # Errors
    /// When those do not suffice.
    pub fn times(
        &self,
        (first, earliest): (DateTime, DateTime),
        last: DateTime,
        utc: impl Fn(DateTime) -> Option<jiff::Timestamp>,
        periods: &mut usize,
    ) -> Result<Vec<DateTime>, String> {
        let most = if let End::Count(count) = self.end { count as usize } else { usize::MAX };
        let over = |at: DateTime| match self.end {
            End::Never | End::Count(_) => false,
            End::Until(Until::Local(until)) => at > until,
            End::Until(Until::Utc(until)) => utc(at).is_none_or(|at| at > until),
        };
        let mut found = vec![];
        let mut turn = self.turn_before(first.date(), earliest.date());
        while let Some(period) = self.period(first.date(), turn) {
            if period > last.date() || found.len() >= most {
                break;
            }
            *periods = periods.checked_sub(1).ok_or("its rules repeat too often to be followed: end those that are over with UNTIL")?;
            for date in self.dates(period, first.date()) {
                let at = date.to_datetime(first.time());
                if at < first {
                    continue;
                }
                if at > last || over(at) || found.len() >= most {
                    return Ok(found);
                }
                found.push(at);
            }
            turn += i64::from(self.interval);
        }
        Ok(found)
    }

    /// A turn whose period lies before `earliest`: what is counted is counted from the first.
    fn turn_before(&self, first: Date, earliest: Date) -> i64 {
        if earliest <= first || matches!(self.end, End::Count(_)) {
            return 0;
        }
        let months = |date: Date| i64::from(date.year()) * 12 + i64::from(date.month());
        let passed = match self.every {
            Every::Day | Every::Week => {
                let days = i64::from(first.until(earliest).map_or(0, |span| span.get_days()));
                if self.every == Every::Day { days } else { days / 7 }
            }
            Every::Month => months(earliest) - months(first),
            Every::Year => i64::from(earliest.year()) - i64::from(first.year()),
        };
        let interval = i64::from(self.interval);
        ((passed - 1).max(0) / interval) * interval
    }

    /// The first day of a period, so many periods after that of `first`.
    fn period(&self, first: Date, turn: i64) -> Option<Date> {
        let (from, span) = match self.every {
            Every::Day => (first, Span::new().try_days(turn).ok()?),
            Every::Week => {
                (first.checked_sub(i64::from(first.weekday().since(self.week_start)).days()).ok()?, Span::new().try_weeks(turn).ok()?)
            }
            Every::Month => (first.first_of_month(), Span::new().try_months(turn).ok()?),
            Every::Year => (first.first_of_year(), Span::new().try_years(turn).ok()?),
        };
        from.checked_add(span).ok()
    }

    /// The days of a period, in order.
    fn dates(&self, period: Date, first: Date) -> Vec<Date> {
        let of_month = |date: &Date| self.by_month.is_empty() || self.by_month.contains(&date.month());
        match self.every {
            Every::Day => {
                let fits = |date: &Date| of_month(date) && self.fits_month_day(*date) && self.fits_day(*date);
                Some(period).filter(fits).into_iter().collect()
            }
            Every::Week => {
                let wanted = |date: &Date| if self.by_day.is_empty() { date.weekday() == first.weekday() } else { self.fits_day(*date) };
                (0..7).filter_map(|n: i64| period.checked_add(n.days()).ok()).filter(|d| wanted(d) && of_month(d)).collect()
            }
            Every::Month if of_month(&period) => self.in_month(period, first),
            Every::Month => vec![],
            Every::Year => {
                let one = self.by_month.is_empty() && self.by_month_day.is_empty();
                let months =
                    (1..=12).filter(|m| if one { *m == first.month() } else { self.by_month.is_empty() || self.by_month.contains(m) });
                months.filter_map(|m| Date::new(period.year(), m, 1).ok()).flat_map(|month| self.in_month(month, first)).collect()
            }
        }
    }

    fn in_month(&self, month: Date, first: Date) -> Vec<Date> {
        let days = (1..=month.days_in_month()).filter_map(|d| Date::new(month.year(), month.month(), d).ok());
        let plain = self.by_day.is_empty() && self.by_month_day.is_empty();
        days.filter(|d| if plain { d.day() == first.day() } else { self.fits_month_day(*d) && self.fits_day(*d) }).collect()
    }

    fn fits_month_day(&self, date: Date) -> bool {
        let from_end = date.day() - date.days_in_month() - 1;
        self.by_month_day.is_empty() || self.by_month_day.iter().any(|d| *d == date.day() || *d == from_end)
    }

    fn fits_day(&self, date: Date) -> bool {
        let nth = |day: &Day| day.nth == 0 || date.nth_weekday_of_month(day.nth, day.weekday).is_ok_and(|nth| nth == date);
        self.by_day.is_empty() || self.by_day.iter().any(|day| day.weekday == date.weekday() && nth(day))
    }
}

fn number(text: &str) -> Option<u32> {
    text.parse().ok().filter(|n| (1..=NUMBER_MAX).contains(n))
}

fn list<T>(text: &str, one: impl Fn(&str) -> Option<T>) -> Option<Vec<T>> {
    text.split(',').map(one).collect()
}

/// From -max to max, without 0.
fn in_range(text: &str, max: i8) -> Option<i8> {
    text.parse().ok().filter(|n: &i8| *n != 0 && (-max..=max).contains(n))
}

fn day(text: &str) -> Option<Day> {
    let (nth, name) = text.split_at_checked(text.len().checked_sub(2)?)?;
    let nth = if nth.is_empty() { 0 } else { in_range(nth.trim_start_matches('+'), 5)? };
    Some(Day { nth, weekday: weekday(name)? })
}

fn weekday(name: &str) -> Option<Weekday> {
    Some(match name.to_ascii_uppercase().as_str() {
        "MO" => Weekday::Monday,
        "TU" => Weekday::Tuesday,
        "WE" => Weekday::Wednesday,
        "TH" => Weekday::Thursday,
        "FR" => Weekday::Friday,
        "SA" => Weekday::Saturday,
        "SU" => Weekday::Sunday,
        _ => return None,
    })
}

fn until(text: &str) -> Option<Until> {
    // As calendars write that something never ends; in UTC it is beyond the instants that there are.
    let text = if text.starts_with("9999") { text.trim_end_matches(['Z', 'z']) } else { text };
    match super::moment(text)? {
        super::Moment::Day(date) => Some(Until::Local(date.at(23, 59, 59, 0))),
        super::Moment::Local(at) => Some(Until::Local(at)),
        super::Moment::Utc(at) => Some(Until::Utc(at)),
    }
}
