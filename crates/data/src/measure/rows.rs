//! Rules on single rows: how many values do not conform, and the first of them.

use super::column::{Canonical, SHORT_BYTES, Values};
use super::memo::Memo;
use super::places::Places;
use crate::like::Like;
use crate::regex::PythonRegex;
use crate::strptime::Form;
use datafusion::arrow::array::StringViewArray;
use datafusion::arrow::array::builder::make_view;
use datafusion::error::DataFusionError;
use std::collections::HashSet;
use tidegate_core::contract::{MatchOn, Sample, Value};

/// Up to this many texts of a set are compared one by one, which is quicker than hashing.
const LISTED_MAX: usize = 12;

/// Why a rule cannot look at values of another type than it was made for.
const MIXED: &str = "the column's type differs between files: write them with one schema";

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
    /// Expressions of a list find something; nothing where the flag turns it round.
    Regexes(Vec<PythonRegex>, MatchOn, bool),
    /// Patterns of SQL fit; none where the flag turns it round.
    Likes(Vec<Like>, MatchOn, bool),
    /// Texts can be read by a form.
    Strptime(Box<Form>),
    /// Distance from a mean in deviations is below a threshold, on both sides or not.
    ZScore { mean: f64, deviation: f64, threshold: f64, double_sided: bool },
    /// Nearer to a centre than this; at it, where nothing is nearer.
    Near { centre: f64, within: f64 },
    /// Lengths in characters, both inside.
    Length(u64, u64),
}

/// A set of texts.
#[derive(Clone)]
pub(crate) enum TextSet {
    /// As views, which hold the whole text where it is short.
    Short(Vec<u128>),
    Few(Vec<String>),
    Many(HashSet<String>),
}

impl TextSet {
    pub fn new(texts: Vec<String>) -> TextSet {
        if texts.len() > LISTED_MAX {
            TextSet::Many(texts.into_iter().collect())
        } else if texts.iter().all(|t| t.len() <= SHORT_BYTES as usize) {
            TextSet::Short(texts.iter().map(|t| make_view(t.as_bytes(), 0, 0)).collect())
        } else {
            TextSet::Few(texts)
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
    /// Most samples that are kept.
    most: usize,
    /// What patterns said of texts.
    memo: Memo,
    /// Why the rule could not go on.
    pub failed: Option<String>,
}

impl RowTally {
    /// Keeps `most` samples at most.
    pub fn new(rule: RowRule, most: usize) -> RowTally {
        RowTally { rule, missing: 0, unexpected: 0, samples: Vec::new(), most, memo: Memo::default(), failed: None }
    }

    /// Takes a batch whose rows are at these places.
    pub fn take(&mut self, column: &Canonical, row: &Places) -> Result<(), DataFusionError> {
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

    fn apply(&mut self, rule: &RowRule, column: &Canonical, row: &Places) -> Result<(), String> {
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
            (RowRule::WholeIn(set, negate), Values::Int(a)) => self.tally(column, row, a.values(), |v| set.contains(v) == *negate),
            (RowRule::WholeIn(set, negate), Values::Instant(a, _)) => self.tally(column, row, a.values(), |v| set.contains(v) == *negate),
            (RowRule::WholeIn(set, negate), Values::Bool(_)) => {
                self.rows(column, row, |r| Ok(flag(column, r).is_some_and(|v| set.contains(&v)) == *negate))?;
            }
            (RowRule::NumberIn(set, negate), Values::Float(a)) => {
                self.tally(column, row, a.values(), |v| set.contains(&float_bits(*v)) == *negate);
            }
            (RowRule::Whole(lo, hi), Values::Float(a)) => {
                let (min, max) = wide_ends(*lo, *hi);
                self.tally(column, row, a.values(), |v| *v < min || *v > max);
            }
            (RowRule::ZScore { mean, deviation, threshold, double_sided }, values) if is_number(values) => {
                let z = |v: f64| (v - mean) / deviation;
                // An undefined score is none that is too large.
                let far = |z: f64| if *double_sided { z.abs() >= threshold.abs() } else { z >= *threshold };
                self.rows(column, row, |r| Ok(far(z(float_at(column, r)))))?;
            }
            (RowRule::Near { centre, within }, values) if is_number(values) => self.rows(column, row, |r| {
                let distance = (float_at(column, r) - centre).abs();
                Ok(if *within <= 0.0 { distance != 0.0 } else { distance >= *within || distance.is_nan() })
            })?,
            (RowRule::Number { min, max, .. }, values) if is_number(values) => {
                self.rows(column, row, |r| Ok(float_at(column, r) < *min || float_at(column, r) > *max))?;
            }
            (
                RowRule::TextBetween { .. }
                | RowRule::TextIn(..)
                | RowRule::Regex(..)
                | RowRule::Regexes(..)
                | RowRule::Likes(..)
                | RowRule::Strptime(_),
                Values::Text(a),
            ) => self.apply_to_texts(rule, column, a, row)?,
            (RowRule::Length(lo, hi), _) => self.rows(column, row, |r| {
                let length = column.python_text(r).ok_or("values have no text")?.chars().count() as u64;
                Ok(length < *lo || length > *hi)
            })?,
            (RowRule::Regex(regex, negate), _) => {
                self.rows(column, row, |r| Ok(regex.finds(&column.python_text(r).ok_or("values have no text")?)? == *negate))?;
            }
            (RowRule::Regexes(regexes, on, negate), _) => self.rows(column, row, |r| {
                let text = column.python_text(r).ok_or("values have no text")?;
                let mut found = regexes.iter().map(|regex| regex.finds(&text));
                Ok(matches(&mut found, *on, *negate)? == *negate)
            })?,
            (_, _) => return Err(MIXED.to_owned()),
        }
        Ok(())
    }

    fn apply_to_texts(&mut self, rule: &RowRule, column: &Canonical, a: &StringViewArray, row: &Places) -> Result<(), String> {
        match rule {
            RowRule::TextBetween { min, max, strict_min, strict_max } => self.rows(column, row, |r| {
                let v = a.value(r);
                let low = min.as_deref().is_some_and(|m| v < m || (*strict_min && v == m));
                Ok(low || max.as_deref().is_some_and(|m| v > m || (*strict_max && v == m)))
            })?,
            RowRule::TextIn(TextSet::Short(set), negate) => {
                self.tally(column, row, a.views(), |v| set.iter().fold(false, |any, t| any | (t == v)) == *negate);
            }
            RowRule::TextIn(TextSet::Few(set), negate) => {
                self.rows(column, row, |r| Ok(set.iter().any(|t| t == a.value(r)) == *negate))?;
            }
            RowRule::TextIn(TextSet::Many(set), negate) => {
                self.rows(column, row, |r| Ok(set.contains(a.value(r)) == *negate))?;
            }
            RowRule::Strptime(form) => self.texts(column, a, row, |text| Ok(!form.reads(text)))?,
            RowRule::Likes(likes, on, negate) => self.texts(column, a, row, |text| {
                let mut fits = likes.iter().map(|l| Ok(l.fits(text)));
                Ok(matches(&mut fits, *on, *negate)? == *negate)
            })?,
            RowRule::Regex(regex, negate) => self.texts(column, a, row, |text| Ok(regex.finds(text)? == *negate))?,
            RowRule::Regexes(regexes, on, negate) => self.texts(column, a, row, |text| {
                let mut found = regexes.iter().map(|regex| regex.finds(text));
                Ok(matches(&mut found, *on, *negate)? == *negate)
            })?,
            _ => return Err(MIXED.to_owned()),
        }
        Ok(())
    }

    fn presence(&mut self, column: &Canonical, row: &Places, wanted: bool) {
        let bad = if wanted { column.missing() } else { column.len - column.missing() };
        self.unexpected += bad as u64;
        if bad > 0 && self.samples.len() < self.most {
            let rows = (0..column.len).filter(|r| column.is_null(*r) == wanted);
            self.sample(column, row, rows.take(self.most).collect());
        }
    }

    /// Counts in one sweep over plain values; looks again only where some do not conform and samples are wanted.
    fn tally<T>(&mut self, column: &Canonical, row: &Places, values: &[T], bad: impl Fn(&T) -> bool) {
        let found: usize = match &column.nulls {
            None => values.iter().map(|v| usize::from(bad(v))).sum(),
            Some(nulls) => values.iter().zip(nulls.iter()).map(|(v, there)| usize::from(there && bad(v))).sum(),
        };
        self.unexpected += found as u64;
        if found > 0 && self.samples.len() < self.most {
            let rows = values.iter().enumerate().filter(|(r, v)| !column.is_null(*r) && bad(v)).map(|(r, _)| r);
            self.sample(column, row, rows.take(self.most).collect());
        }
    }

    fn rows(&mut self, column: &Canonical, row: &Places, mut bad: impl FnMut(usize) -> Result<bool, String>) -> Result<(), String> {
        for r in 0..column.len {
            if column.is_null(r) || !bad(r)? {
                continue;
            }
            self.unexpected += 1;
            if self.samples.len() < self.most {
                self.sample(column, row, vec![r]);
            }
        }
        Ok(())
    }

    /// Asks about each text; about a short one that was seen before only the memory is asked.
    fn texts(
        &mut self,
        column: &Canonical,
        texts: &StringViewArray,
        row: &Places,
        bad: impl Fn(&str) -> Result<bool, String>,
    ) -> Result<(), String> {
        let mut memo = std::mem::take(&mut self.memo);
        let views = texts.views();
        let told = self.rows(column, row, |r| match views.get(r) {
            Some(view) => memo.ask(*view, || bad(texts.value(r))),
            None => Ok(false),
        });
        self.memo = memo;
        told
    }

    fn sample(&mut self, column: &Canonical, row: &Places, rows: Vec<usize>) {
        let room = self.most.saturating_sub(self.samples.len());
        let seen = rows.into_iter().take(room).map(|r| Sample { row: Some(row.of(r)), value: column.show(r) });
        self.samples.extend(seen);
    }

    /// Joins what the next part found, `rows` rows further down.
    pub fn join(&mut self, next: RowTally, rows: u64) {
        self.missing += next.missing;
        self.unexpected += next.unexpected;
        let room = self.most.saturating_sub(self.samples.len());
        self.samples.extend(next.samples.into_iter().take(room).map(|s| Sample { row: s.row.map(|r| r + rows), value: s.value }));
        self.failed = self.failed.take().or(next.failed);
    }
}

/// Ends for whole numbers that do not fit 64 bits with a sign; one that was not given is open.
#[expect(clippy::cast_precision_loss, reason = "the nearest float is what such numbers are compared with")]
fn wide_ends(lo: i64, hi: i64) -> (f64, f64) {
    (if lo == i64::MIN { f64::NEG_INFINITY } else { lo as f64 }, if hi == i64::MAX { f64::INFINITY } else { hi as f64 })
}

/// Whether patterns of a list match; turned round, one that does is one too many.
fn matches(each: &mut dyn Iterator<Item = Result<bool, String>>, on: MatchOn, negate: bool) -> Result<bool, String> {
    let wanted = negate || on == MatchOn::Any;
    for found in each {
        if found? == wanted {
            return Ok(wanted);
        }
    }
    Ok(!wanted)
}

fn is_number(values: &Values) -> bool {
    matches!(values, Values::Int(_) | Values::Float(_) | Values::Bool(_))
}

#[expect(clippy::cast_precision_loss, reason = "scores are floats")]
fn float_at(column: &Canonical, row: usize) -> f64 {
    match &column.values {
        Values::Int(a) => a.value(row) as f64,
        Values::Float(a) => a.value(row),
        Values::Bool(a) => f64::from(u8::from(a.value(row))),
        Values::Instant(..) | Values::Text(_) | Values::Other => f64::NAN,
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
