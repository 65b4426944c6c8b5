//! Rules on single rows: how many values do not conform, and the first of them.

use super::SAMPLES_MAX;
use super::column::{Canonical, Values};
use crate::regex::PythonRegex;
use crate::text;
use datafusion::error::DataFusionError;
use std::collections::HashSet;
use tidegate_core::contract::{Sample, Value};

/// Up to this many texts of a set are compared one by one, which is quicker than hashing.
const LISTED_MAX: usize = 12;

/// A rule, ready for values of one class.
#[derive(Clone)]
pub(crate) enum RowRule {
    /// Not null.
    NotNull,
    /// Null.
    Null,
    /// No value breaks it: for columns that hold nothing but nulls.
    Anything,
    /// Every value is a mistake of the rule, not of the data: why.
    Refuse(String),
    /// Whole numbers, booleans or instants from `.0` to `.1`, both inside.
    Whole(i64, i64),
    /// Numbers between ends that may be open or strict.
    Number { min: f64, max: f64, strict_min: bool, strict_max: bool },
    /// Texts between ends that may be open or strict.
    TextBetween { min: Option<String>, max: Option<String>, strict_min: bool, strict_max: bool },
    /// Among these whole numbers, booleans or instants; the flag turns it round.
    WholeIn(HashSet<i64>, bool),
    /// Among these numbers, by their bits; the flag turns it round.
    NumberIn(HashSet<u64>, bool),
    /// Among these texts; the flag turns it round.
    TextIn(TextSet, bool),
    /// The expression finds something; the flag turns it round.
    Regex(Box<PythonRegex>, bool),
    /// Lengths in characters, both inside.
    Length(u64, u64),
}

/// A set of texts.
#[derive(Clone)]
pub(crate) enum TextSet {
    Few(Vec<String>),
    Many(HashSet<String>),
}

impl TextSet {
    pub fn new(texts: Vec<String>) -> TextSet {
        if texts.len() <= LISTED_MAX { TextSet::Few(texts) } else { TextSet::Many(texts.into_iter().collect()) }
    }

    fn has(&self, text: &str) -> bool {
        match self {
            TextSet::Few(texts) => texts.iter().any(|t| t == text),
            TextSet::Many(texts) => texts.contains(text),
        }
    }
}

/// Bits by which equal floats are equal: one zero only.
pub(crate) fn float_bits(x: f64) -> u64 {
    if x == 0.0 { 0 } else { x.to_bits() }
}

/// A rule with what it found.
#[derive(Clone)]
pub(crate) struct RowTally {
    pub rule: RowRule,
    pub missing: u64,
    pub unexpected: u64,
    pub samples: Vec<Sample>,
    /// Why the rule could not go on.
    pub failed: Option<String>,
}

impl RowTally {
    pub fn new(rule: RowRule) -> RowTally {
        RowTally { rule, missing: 0, unexpected: 0, samples: Vec::new(), failed: None }
    }

    /// Takes a batch whose first row is `row`.
    pub fn take(&mut self, column: &Canonical, row: u64) -> Result<(), DataFusionError> {
        if self.failed.is_some() {
            return Ok(());
        }
        let rule = std::mem::replace(&mut self.rule, RowRule::Null);
        let tallied = self.apply(&rule, column, row);
        self.rule = rule;
        self.missing += column.missing() as u64;
        if let Err(why) = tallied {
            self.failed = Some(why);
        }
        Ok(())
    }

    fn apply(&mut self, rule: &RowRule, column: &Canonical, row: u64) -> Result<(), String> {
        match (rule, &column.values) {
            (RowRule::NotNull, _) => self.presence(column, row, true),
            (RowRule::Null, _) => self.presence(column, row, false),
            (RowRule::Anything, _) => {}
            (RowRule::Refuse(why), _) if column.missing() < column.len => return Err(why.clone()),
            (RowRule::Refuse(_), _) => {}
            (RowRule::Whole(lo, hi), Values::Int(a)) => self.tally(column, row, a.values(), |v| v < lo || v > hi),
            (RowRule::Whole(lo, hi), Values::Instant(a, _)) => self.tally(column, row, a.values(), |v| v < lo || v > hi),
            (RowRule::Whole(lo, hi), Values::Bool(_)) => {
                self.rows(column, row, |r| Ok(flag(column, r).is_none_or(|v| v < *lo || v > *hi)))?
            }
            (RowRule::Number { min, max, strict_min: false, strict_max: false }, Values::Float(a)) => {
                self.tally(column, row, a.values(), |v| v < min || v > max);
            }
            (RowRule::Number { min, max, strict_min, strict_max }, Values::Float(a)) => {
                self.tally(column, row, a.values(), |v| v < min || v > max || (*strict_min && v == min) || (*strict_max && v == max))
            }
            (RowRule::TextBetween { min, max, strict_min, strict_max }, Values::Text(a)) => self.rows(column, row, |r| {
                let v = a.value(r);
                let low = min.as_deref().is_some_and(|m| v < m || (*strict_min && v == m));
                Ok(low || max.as_deref().is_some_and(|m| v > m || (*strict_max && v == m)))
            })?,
            (RowRule::WholeIn(set, negate), Values::Int(a)) => self.tally(column, row, a.values(), |v| set.contains(v) == *negate),
            (RowRule::WholeIn(set, negate), Values::Instant(a, _)) => self.tally(column, row, a.values(), |v| set.contains(v) == *negate),
            (RowRule::WholeIn(set, negate), Values::Bool(_)) => {
                self.rows(column, row, |r| Ok(flag(column, r).is_some_and(|v| set.contains(&v)) == *negate))?;
            }
            (RowRule::NumberIn(set, negate), Values::Float(a)) => {
                self.tally(column, row, a.values(), |v| set.contains(&float_bits(*v)) == *negate);
            }
            (RowRule::TextIn(set, negate), Values::Text(a)) => self.rows(column, row, |r| Ok(set.has(a.value(r)) == *negate))?,
            (RowRule::Length(lo, hi), Values::Text(a)) => self.rows(column, row, |r| {
                let length = a.value(r).chars().count() as u64;
                Ok(length < *lo || length > *hi)
            })?,
            (RowRule::Regex(regex, negate), values) => self.rows(column, row, |r| {
                let found = match values {
                    Values::Text(a) => regex.finds(a.value(r))?,
                    Values::Int(a) => regex.finds(&a.value(r).to_string())?,
                    Values::Float(a) => regex.finds(&text::python_float(a.value(r)))?,
                    Values::Bool(a) => regex.finds(if a.value(r) { "True" } else { "False" })?,
                    Values::Instant(a, date) => regex.finds(&text::pandas_instant(a.value(r), *date))?,
                    Values::Other => return Err("values have no text".to_owned()),
                };
                Ok(found == *negate)
            })?,
            (_, _) => return Err("the column's type differs between files: write them with one schema".to_owned()),
        }
        Ok(())
    }

    fn presence(&mut self, column: &Canonical, row: u64, wanted: bool) {
        let bad = if wanted { column.missing() } else { column.len - column.missing() };
        self.unexpected += bad as u64;
        if bad > 0 && self.samples.len() < SAMPLES_MAX {
            let rows = (0..column.len).filter(|r| column.is_null(*r) == wanted);
            self.sample(column, row, rows.take(SAMPLES_MAX).collect());
        }
    }

    /// Counts in one sweep over plain values; looks again only where some do not conform and samples are wanted.
    fn tally<T>(&mut self, column: &Canonical, row: u64, values: &[T], bad: impl Fn(&T) -> bool) {
        let found: usize = match &column.nulls {
            None => values.iter().map(|v| usize::from(bad(v))).sum(),
            Some(nulls) => values.iter().zip(nulls.iter()).map(|(v, there)| usize::from(there && bad(v))).sum(),
        };
        self.unexpected += found as u64;
        if found > 0 && self.samples.len() < SAMPLES_MAX {
            let rows = values.iter().enumerate().filter(|(r, v)| !column.is_null(*r) && bad(v)).map(|(r, _)| r);
            self.sample(column, row, rows.take(SAMPLES_MAX).collect());
        }
    }

    fn rows(&mut self, column: &Canonical, row: u64, bad: impl Fn(usize) -> Result<bool, String>) -> Result<(), String> {
        for r in 0..column.len {
            if column.is_null(r) || !bad(r)? {
                continue;
            }
            self.unexpected += 1;
            if self.samples.len() < SAMPLES_MAX {
                self.sample(column, row, vec![r]);
            }
        }
        Ok(())
    }

    fn sample(&mut self, column: &Canonical, row: u64, rows: Vec<usize>) {
        let room = SAMPLES_MAX.saturating_sub(self.samples.len());
        let seen = rows.into_iter().take(room).map(|r| Sample { row: Some(row + r as u64), value: column.show(r) });
        self.samples.extend(seen);
    }

    /// Joins what the next part found, `rows` rows further down.
    pub fn join(&mut self, next: RowTally, rows: u64) {
        self.missing += next.missing;
        self.unexpected += next.unexpected;
        let room = SAMPLES_MAX.saturating_sub(self.samples.len());
        self.samples.extend(next.samples.into_iter().take(room).map(|s| Sample { row: s.row.map(|r| r + rows), value: s.value }));
        self.failed = self.failed.take().or(next.failed);
    }
}

fn flag(column: &Canonical, row: usize) -> Option<i64> {
    match &column.values {
        Values::Bool(a) => Some(i64::from(a.value(row))),
        _ => None,
    }
}

/// Values of a set that texts can equal.
pub(crate) fn texts_of(values: &[Value]) -> Vec<String> {
    values.iter().filter_map(|v| if let Value::Text(t) = v { Some(t.clone()) } else { None }).collect()
}
