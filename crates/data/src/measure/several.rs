//! Rules on several columns of a row.

use super::column::{Canonical, Values};
use super::places::Places;
use crate::evaluate::Evaluator;
use datafusion::arrow::array::Array;
use std::cmp::Ordering;
use tidegate_core::contract::{IgnoreRow, Sample, Value};

/// A rule on several columns.
#[derive(Clone)]
pub(crate) enum SeveralRule {
    /// The first two are equal; nulls are equal to nothing.
    PairEqual,
    /// The first is greater than the second, or equal where the flag says so.
    PairGreater(bool),
    /// The first two are one of these pairs; nulls are nulls.
    PairIn(Vec<(Value, Value)>),
    /// No two are equal; nulls are equal to one another.
    Distinct,
    /// All are equal; nulls are equal to one another.
    Equal,
    /// They add up to this; a null makes no sum.
    Sum(f64),
    /// A condition holds; where it is unknown the row is left out.
    Holds(Box<Evaluator>),
    /// A condition holds for no row.
    FindsNone(Box<Evaluator>),
}

/// A rule with what it found.
#[derive(Clone)]
pub(crate) struct SeveralTally {
    pub rule: SeveralRule,
    pub ignore: IgnoreRow,
    pub rows: u64,
    pub missing: u64,
    pub unexpected: u64,
    pub samples: Vec<Sample>,
    most: usize,
    /// Why the rule could not go on.
    pub failed: Option<String>,
}

/// One value of a row.
#[derive(Clone, Copy)]
enum Cell<'a> {
    Null,
    Int(i64),
    Float(f64),
    Bool(bool),
    Text(&'a str),
    Instant(i64),
    Other,
}

fn cell(column: &Canonical, row: usize) -> Cell<'_> {
    if column.is_null(row) {
        return Cell::Null;
    }
    match &column.values {
        Values::Int(a) => Cell::Int(a.value(row)),
        Values::Float(a) => Cell::Float(a.value(row)),
        Values::Bool(a) => Cell::Bool(a.value(row)),
        Values::Text(a) => Cell::Text(a.value(row)),
        Values::Instant(a, _) => Cell::Instant(a.value(row)),
        Values::Other => Cell::Other,
    }
}

impl Cell<'_> {
    #[expect(clippy::cast_precision_loss, reason = "two whole numbers are compared exactly elsewhere")]
    fn number(self) -> Option<f64> {
        match self {
            Cell::Int(n) => Some(n as f64),
            Cell::Float(x) => Some(x),
            Cell::Bool(b) => Some(f64::from(u8::from(b))),
            Cell::Null | Cell::Text(_) | Cell::Instant(_) | Cell::Other => None,
        }
    }

    /// Order within a kind; none across kinds and beside nulls.
    fn order(self, other: Cell<'_>) -> Option<Ordering> {
        match (self, other) {
            (Cell::Int(a), Cell::Int(b)) | (Cell::Instant(a), Cell::Instant(b)) => Some(a.cmp(&b)),
            (Cell::Text(a), Cell::Text(b)) => Some(a.cmp(b)),
            (a, b) => a.number()?.partial_cmp(&b.number()?),
        }
    }

    fn same(self, other: Cell<'_>) -> bool {
        matches!((self, other), (Cell::Null, Cell::Null)) || self.order(other).is_some_and(Ordering::is_eq)
    }

    fn is(self, value: &Value) -> bool {
        match (self, value) {
            (Cell::Null, Value::Null) => true,
            (Cell::Text(a), Value::Text(b)) => a == b,
            (Cell::Int(a), Value::Int(b)) => a == *b,
            (Cell::Instant(a), Value::Text(b)) => tidegate_core::contract::instant_micros(b) == Some(a),
            (cell, value) => cell.number().zip(value.number()).is_some_and(|(a, b)| a.partial_cmp(&b) == Some(Ordering::Equal)),
        }
    }

    fn words(self) -> &'static str {
        match self {
            Cell::Null => "nothing",
            Cell::Int(_) | Cell::Float(_) => "a number",
            Cell::Bool(_) => "a boolean",
            Cell::Text(_) => "text",
            Cell::Instant(_) => "an instant",
            Cell::Other => "a nested value",
        }
    }
}

impl SeveralTally {
    /// Keeps `most` samples at most.
    pub fn new(rule: SeveralRule, ignore: IgnoreRow, most: usize) -> SeveralTally {
        SeveralTally { rule, ignore, rows: 0, missing: 0, unexpected: 0, samples: Vec::new(), most, failed: None }
    }

    /// Takes the rule's columns of a batch, whose rows are at these places.
    pub fn take(&mut self, columns: &[&Canonical], rows: usize, places: &Places) {
        self.rows += rows as u64;
        if self.failed.is_some() {
            return;
        }
        let rule = self.rule.clone();
        if let Err(why) = self.apply(&rule, columns, rows, places) {
            self.failed = Some(why);
        }
    }

    fn apply(&mut self, rule: &SeveralRule, columns: &[&Canonical], rows: usize, places: &Places) -> Result<(), String> {
        if let SeveralRule::Holds(evaluator) | SeveralRule::FindsNone(evaluator) = rule {
            let wanted = matches!(rule, SeveralRule::Holds(_));
            let found = evaluator.rows(columns, rows)?;
            if wanted {
                self.missing += found.null_count() as u64;
            }
            for r in (0..rows).filter(|r| found.is_valid(*r)) {
                if found.value(r) != wanted {
                    self.note(columns, r, places);
                }
            }
            return Ok(());
        }
        for r in 0..rows {
            let ignored = match self.ignore {
                IgnoreRow::Never => false,
                IgnoreRow::AllValuesAreMissing => columns.iter().all(|c| c.is_null(r)),
                IgnoreRow::AnyValueIsMissing => columns.iter().any(|c| c.is_null(r)),
            };
            if ignored {
                self.missing += 1;
            } else if !conforms(rule, columns, r)? {
                self.note(columns, r, places);
            }
        }
        Ok(())
    }

    fn note(&mut self, columns: &[&Canonical], row: usize, places: &Places) {
        self.unexpected += 1;
        if self.samples.len() < self.most {
            let value = match columns {
                [only] => only.show(row),
                many => Value::Row(many.iter().map(|c| c.show(row)).collect()),
            };
            self.samples.push(Sample { row: Some(places.of(row)), value });
        }
    }

    /// Joins what the next part found, `rows` rows further down.
    pub fn join(&mut self, next: SeveralTally, rows: u64) {
        self.rows += next.rows;
        self.missing += next.missing;
        self.unexpected += next.unexpected;
        let room = self.most.saturating_sub(self.samples.len());
        self.samples.extend(next.samples.into_iter().take(room).map(|s| Sample { row: s.row.map(|r| r + rows), value: s.value }));
        self.failed = self.failed.take().or(next.failed);
    }
}

fn conforms(rule: &SeveralRule, columns: &[&Canonical], row: usize) -> Result<bool, String> {
    let at = |i: usize| columns.get(i).map_or(Cell::Null, |c| cell(c, row));
    let cells = || columns.iter().map(|c| cell(c, row));
    Ok(match rule {
        SeveralRule::PairEqual => at(0).order(at(1)).is_some_and(Ordering::is_eq),
        SeveralRule::PairGreater(or_equal) => match (at(0), at(1)) {
            (Cell::Null, _) | (_, Cell::Null) => false,
            (a, b) => match a.order(b) {
                Some(order) => order.is_gt() || (*or_equal && order.is_eq()),
                None => return Err(format!("{} cannot be ordered beside {}", a.words(), b.words())),
            },
        },
        SeveralRule::PairIn(pairs) => pairs.iter().any(|(a, b)| at(0).is(a) && at(1).is(b)),
        SeveralRule::Distinct => {
            let all: Vec<Cell<'_>> = cells().collect();
            !all.iter().enumerate().any(|(i, a)| all.iter().skip(i + 1).any(|b| a.same(*b)))
        }
        SeveralRule::Equal => cells().all(|c| c.same(at(0))),
        SeveralRule::Sum(total) => sums(cells(), *total)?,
        SeveralRule::Holds(_) | SeveralRule::FindsNone(_) => true,
    })
}

/// Whether the cells add up to the total: whole numbers exactly, others one after the other.
#[expect(clippy::cast_precision_loss, reason = "the total is a float")]
fn sums<'a>(cells: impl Iterator<Item = Cell<'a>>, total: f64) -> Result<bool, String> {
    let (mut whole, mut float, mut all_whole) = (0_i128, 0.0, true);
    for cell in cells {
        match cell {
            Cell::Null => return Ok(false),
            Cell::Int(n) => whole += i128::from(n),
            Cell::Bool(b) => whole += i128::from(b),
            Cell::Float(_) => all_whole = false,
            other => return Err(format!("{} cannot be added", other.words())),
        }
        float += cell.number().unwrap_or(f64::NAN);
    }
    let sum = if all_whole { whole as f64 } else { float };
    Ok(sum.partial_cmp(&total) == Some(Ordering::Equal))
}
