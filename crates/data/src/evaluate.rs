//! Conditions over the columns of a batch: true, false or unknown for each row.
//!
//! Numbers compare by value whatever their types, instants with texts that can be read as instants. What cannot be
//! compared is an error that names both sides, except that pandas calls such values unequal.

use crate::like::Like;
use crate::measure::{Canonical, Values};
use crate::regex::PythonRegex;
use datafusion::arrow::array::BooleanArray;
use std::borrow::Cow;
use std::cmp::Ordering;
use std::collections::HashMap;
use std::sync::Arc;
use tidegate_core::contract::{Arithmetic, Comparison, Condition, Function, Nulls, Predicate, Term, Value, instant_micros};

/// A condition, ready to be evaluated.
#[derive(Clone, Debug)]
pub(crate) struct Evaluator {
    condition: Arc<Condition>,
    /// Its columns, in the order in which they are handed in.
    columns: Vec<String>,
    regexes: HashMap<String, PythonRegex>,
    likes: HashMap<String, Like>,
}

/// A value in each row.
enum Cells<'a> {
    Int(Box<dyn Fn(usize) -> Option<i64> + 'a>),
    Float(Box<dyn Fn(usize) -> Option<f64> + 'a>),
    Text(Box<dyn Fn(usize) -> Option<Cow<'a, str>> + 'a>),
    Bool(Box<dyn Fn(usize) -> Option<bool> + 'a>),
    Instant(Box<dyn Fn(usize) -> Option<i64> + 'a>),
    /// The same text in each row: it may stand for an instant.
    Constant(String),
    Null,
}

impl Evaluator {
    /// Compiles the condition's patterns.
    pub fn new(condition: &Condition) -> Result<Evaluator, String> {
        let mut evaluator = Evaluator {
            condition: Arc::new(condition.clone()),
            columns: condition.columns().into_iter().map(str::to_owned).collect(),
            regexes: HashMap::new(),
            likes: HashMap::new(),
        };
        evaluator.compile(&condition.predicate)?;
        Ok(evaluator)
    }

    /// The columns that it reads, in the order in which it wants them.
    pub fn columns(&self) -> &[String] {
        &self.columns
    }

    fn compile(&mut self, predicate: &Predicate) -> Result<(), String> {
        match predicate {
            Predicate::All(parts) | Predicate::Any(parts) => parts.iter().try_for_each(|p| self.compile(p)),
            Predicate::Not(part) => self.compile(part),
            Predicate::Regex(_, pattern, _) => {
                self.regexes.insert(pattern.clone(), PythonRegex::new(pattern)?);
                Ok(())
            }
            Predicate::Like(_, pattern, _) => {
                self.likes.insert(pattern.clone(), Like::new(pattern, None)?);
                Ok(())
            }
            Predicate::Compare(..) | Predicate::In(..) | Predicate::IsNull(..) | Predicate::Is(_) => Ok(()),
        }
    }

    /// True, false or unknown for each of `rows` rows.
    pub fn rows(&self, columns: &[&Canonical], rows: usize) -> Result<BooleanArray, String> {
        let found: Vec<Option<bool>> = self.predicate(&self.condition.predicate, columns, rows)?;
        Ok(BooleanArray::from(found))
    }

    fn predicate(&self, predicate: &Predicate, columns: &[&Canonical], rows: usize) -> Result<Vec<Option<bool>>, String> {
        Ok(match predicate {
            Predicate::All(parts) => {
                let mut all = vec![Some(true); rows];
                for part in parts {
                    let next = self.predicate(part, columns, rows)?;
                    all.iter_mut().zip(next).for_each(|(a, b)| *a = and(*a, b));
                }
                all
            }
            Predicate::Any(parts) => {
                let mut any = vec![Some(false); rows];
                for part in parts {
                    let next = self.predicate(part, columns, rows)?;
                    any.iter_mut().zip(next).for_each(|(a, b)| *a = and(a.map(|a| !a), b.map(|b| !b)).map(|c| !c));
                }
                any
            }
            Predicate::Not(part) => self.predicate(part, columns, rows)?.into_iter().map(|v| v.map(|v| !v)).collect(),
            Predicate::Compare(left, how, right) => {
                let (left, right) = (self.term(left, columns)?, self.term(right, columns)?);
                self.compare(&left, *how, &right, rows)?
            }
            Predicate::In(term, values, negate) => {
                let cells = self.term(term, columns)?;
                let mut any = vec![Some(false); rows];
                for value in values {
                    let one = match constant(value) {
                        Some(constant) => self.equal(&cells, &constant, rows)?,
                        // A null in a list equals nothing in SQL; pandas finds nulls by it.
                        None if self.condition.nulls == Nulls::False => (0..rows).map(|r| Some(is_null(&cells, r))).collect(),
                        None => vec![None; rows],
                    };
                    any.iter_mut().zip(one).for_each(|(a, b)| *a = and(a.map(|a| !a), b.map(|b| !b)).map(|c| !c));
                }
                if *negate { any.into_iter().map(|v| v.map(|v| !v)).collect() } else { any }
            }
            Predicate::IsNull(term, negate) => {
                let cells = self.term(term, columns)?;
                (0..rows).map(|r| Some(is_null(&cells, r) != *negate)).collect()
            }
            Predicate::Like(term, pattern, negate) => {
                let like = self.likes.get(pattern).ok_or("a pattern was not compiled: report this as a defect")?;
                self.texts(term, columns, rows, |text| Ok(like.fits(text) != *negate))?
            }
            Predicate::Regex(term, pattern, negate) => {
                let regex = self.regexes.get(pattern).ok_or("a pattern was not compiled: report this as a defect")?;
                self.texts(term, columns, rows, |text| Ok(regex.finds(text)? != *negate))?
            }
            Predicate::Is(term) => match self.term(term, columns)? {
                Cells::Bool(cell) => (0..rows).map(|r| self.known(cell(r), false)).collect(),
                Cells::Null => vec![self.known(None, false); rows],
                _ => return Err("a column that stands alone in a condition must hold booleans".to_owned()),
            },
        })
    }

    /// What a comparison gives where a value is null.
    fn known(&self, answer: Option<bool>, of_null: bool) -> Option<bool> {
        match self.condition.nulls {
            Nulls::Unknown => answer,
            Nulls::False => Some(answer.unwrap_or(of_null)),
        }
    }

    fn texts(
        &self,
        term: &Term,
        columns: &[&Canonical],
        rows: usize,
        test: impl Fn(&str) -> Result<bool, String>,
    ) -> Result<Vec<Option<bool>>, String> {
        match self.term(term, columns)? {
            Cells::Text(cell) => {
                let one = |r| cell(r).map(|t| test(&t)).transpose().map(|v| self.known(v, false));
                (0..rows).map(one).collect()
            }
            Cells::Constant(text) => Ok(vec![Some(test(&text)?); rows]),
            Cells::Null => Ok(vec![self.known(None, false); rows]),
            other => Err(format!("patterns need text, not {}", other.words())),
        }
    }

    fn equal(&self, left: &Cells<'_>, right: &Cells<'_>, rows: usize) -> Result<Vec<Option<bool>>, String> {
        self.compare(left, Comparison::Equal, right, rows)
    }

    fn compare(&self, left: &Cells<'_>, how: Comparison, right: &Cells<'_>, rows: usize) -> Result<Vec<Option<bool>>, String> {
        let of_null = how == Comparison::NotEqual;
        let Some(order) = orders(left, right)? else {
            // Values of two kinds: pandas calls them unequal, and cannot order them.
            return match (how, self.condition.nulls) {
                (Comparison::Equal | Comparison::NotEqual, Nulls::False) => Ok(vec![Some(of_null); rows]),
                _ => Err(format!("{} cannot be compared with {}", left.words(), right.words())),
            };
        };
        let holds = |o: Ordering| match how {
            Comparison::Equal => o.is_eq(),
            Comparison::NotEqual => o.is_ne(),
            Comparison::Less => o.is_lt(),
            Comparison::LessOrEqual => o.is_le(),
            Comparison::Greater => o.is_gt(),
            Comparison::GreaterOrEqual => o.is_ge(),
        };
        Ok((0..rows).map(|r| self.known(order(r).map(holds), of_null)).collect())
    }

    fn term<'a>(&self, term: &'a Term, columns: &[&'a Canonical]) -> Result<Cells<'a>, String> {
        match term {
            Term::Column(name) => {
                let place = self.columns.iter().position(|c| c == name);
                let column = place.and_then(|p| columns.get(p)).ok_or_else(|| format!("column `{name}` was not read"))?;
                cells(column).ok_or_else(|| format!("column `{name}` holds nested values or bytes, which cannot be compared"))
            }
            Term::Value(value) => Ok(constant(value).unwrap_or(Cells::Null)),
            Term::Arithmetic(left, how, right) => arithmetic(self.term(left, columns)?, *how, self.term(right, columns)?),
            Term::Function(function, inner) => apply(*function, self.term(inner, columns)?),
        }
    }
}

/// Three-valued "and".
fn and(a: Option<bool>, b: Option<bool>) -> Option<bool> {
    match (a, b) {
        (Some(false), _) | (_, Some(false)) => Some(false),
        (Some(true), Some(true)) => Some(true),
        _ => None,
    }
}

impl Cells<'_> {
    fn words(&self) -> &'static str {
        match self {
            Cells::Int(_) | Cells::Float(_) => "a number",
            Cells::Text(_) | Cells::Constant(_) => "text",
            Cells::Bool(_) => "a boolean",
            Cells::Instant(_) => "an instant",
            Cells::Null => "nothing",
        }
    }
}

fn is_null(cells: &Cells<'_>, row: usize) -> bool {
    match cells {
        Cells::Int(cell) | Cells::Instant(cell) => cell(row).is_none(),
        Cells::Float(cell) => cell(row).is_none(),
        Cells::Text(cell) => cell(row).is_none(),
        Cells::Bool(cell) => cell(row).is_none(),
        Cells::Constant(_) => false,
        Cells::Null => true,
    }
}

fn cells<'a>(column: &'a Canonical) -> Option<Cells<'a>> {
    let there = move |r: &usize| !column.is_null(*r);
    Some(match &column.values {
        Values::Int(a) => Cells::Int(Box::new(move |r| Some(r).filter(there).map(|r| a.value(r)))),
        Values::Float(a) => Cells::Float(Box::new(move |r| Some(r).filter(there).map(|r| a.value(r)))),
        Values::Text(a) => Cells::Text(Box::new(move |r| Some(r).filter(there).map(|r| Cow::Borrowed(a.value(r))))),
        Values::Bool(a) => Cells::Bool(Box::new(move |r| Some(r).filter(there).map(|r| a.value(r)))),
        Values::Instant(a, _) => Cells::Instant(Box::new(move |r| Some(r).filter(there).map(|r| a.value(r)))),
        Values::Other if column.missing() == column.len => Cells::Null,
        Values::Other => return None,
    })
}

fn constant<'a>(value: &Value) -> Option<Cells<'a>> {
    Some(match value {
        Value::Null | Value::Row(_) => return None,
        Value::Bool(b) => {
            let b = *b;
            Cells::Bool(Box::new(move |_| Some(b)))
        }
        Value::Int(n) => {
            let n = *n;
            Cells::Int(Box::new(move |_| Some(n)))
        }
        Value::Float(x) => {
            let x = *x;
            Cells::Float(Box::new(move |_| Some(x)))
        }
        Value::Text(text) => Cells::Constant(text.clone()),
    })
}

type Order<'a> = Box<dyn Fn(usize) -> Option<Ordering> + 'a>;

/// How the two sides order in each row; none where they are of two kinds.
fn orders<'a>(left: &'a Cells<'_>, right: &'a Cells<'_>) -> Result<Option<Order<'a>>, String> {
    Ok(Some(match (left, right) {
        (Cells::Null, _) | (_, Cells::Null) => Box::new(|_| None),
        (Cells::Int(a), Cells::Int(b)) | (Cells::Instant(a), Cells::Instant(b)) => Box::new(move |r| Some(a(r)?.cmp(&b(r)?))),
        (Cells::Text(a), Cells::Text(b)) => Box::new(move |r| Some(a(r)?.as_ref().cmp(b(r)?.as_ref()))),
        (Cells::Text(a), Cells::Constant(b)) => Box::new(move |r| Some(a(r)?.as_ref().cmp(b.as_str()))),
        (Cells::Constant(a), Cells::Text(b)) => Box::new(move |r| Some(a.as_str().cmp(b(r)?.as_ref()))),
        (Cells::Constant(a), Cells::Constant(b)) => Box::new(move |_| Some(a.cmp(b))),
        (Cells::Instant(a), Cells::Constant(text)) => {
            let b = instant(text)?;
            Box::new(move |r| Some(a(r)?.cmp(&b)))
        }
        (Cells::Constant(text), Cells::Instant(b)) => {
            let a = instant(text)?;
            Box::new(move |r| Some(a.cmp(&b(r)?)))
        }
        _ => match (number(left), number(right)) {
            (Some(a), Some(b)) => Box::new(move |r| a(r)?.partial_cmp(&b(r)?)),
            _ => return Ok(None),
        },
    }))
}

fn instant(text: &str) -> Result<i64, String> {
    instant_micros(text)
        .ok_or_else(|| format!("{text:?} is compared with instants and is none: write `2013-12-31` or `2013-12-31T05:00:00Z`"))
}

/// The numbers of a side that has numbers; `true` counts as 1.
#[expect(clippy::cast_precision_loss, reason = "two whole numbers are compared exactly elsewhere")]
fn number<'a>(cells: &'a Cells<'_>) -> Option<Box<dyn Fn(usize) -> Option<f64> + 'a>> {
    Some(match cells {
        Cells::Int(a) => Box::new(move |r| a(r).map(|v| v as f64)),
        Cells::Float(a) => Box::new(a),
        Cells::Bool(a) => Box::new(move |r| a(r).map(|v| f64::from(u8::from(v)))),
        _ => return None,
    })
}

#[expect(clippy::cast_precision_loss, reason = "beyond 2^53 the nearest float is what a quotient needs")]
fn arithmetic<'a>(left: Cells<'a>, how: Arithmetic, right: Cells<'a>) -> Result<Cells<'a>, String> {
    let words = (left.words(), right.words());
    Ok(match (left, right) {
        (Cells::Null, _) | (_, Cells::Null) => Cells::Null,
        (Cells::Int(a), Cells::Int(b)) if how != Arithmetic::Divide => {
            // Beyond 64 bits there is no whole number; such a row is unknown rather than wrong.
            Cells::Int(Box::new(move |r| {
                let (a, b) = (a(r)?, b(r)?);
                match how {
                    Arithmetic::Add => a.checked_add(b),
                    Arithmetic::Subtract => a.checked_sub(b),
                    Arithmetic::Multiply => a.checked_mul(b),
                    Arithmetic::Divide | Arithmetic::Remainder => a.checked_rem(b),
                }
            }))
        }
        (a @ (Cells::Int(_) | Cells::Float(_)), b @ (Cells::Int(_) | Cells::Float(_))) => {
            let float = |cells: Cells<'a>| -> Box<dyn Fn(usize) -> Option<f64> + 'a> {
                match cells {
                    Cells::Int(cell) => Box::new(move |r| cell(r).map(|v| v as f64)),
                    Cells::Float(cell) => cell,
                    _ => Box::new(|_| None),
                }
            };
            let (a, b) = (float(a), float(b));
            Cells::Float(Box::new(move |r| {
                let (a, b) = (a(r)?, b(r)?);
                let made = match how {
                    Arithmetic::Add => a + b,
                    Arithmetic::Subtract => a - b,
                    Arithmetic::Multiply => a * b,
                    Arithmetic::Divide => a / b,
                    Arithmetic::Remainder => a % b,
                };
                Some(made).filter(|x| !x.is_nan())
            }))
        }
        _ => return Err(format!("{} and {} make no number together", words.0, words.1)),
    })
}

fn apply<'a>(function: Function, inner: Cells<'a>) -> Result<Cells<'a>, String> {
    let words = inner.words();
    let inner = match inner {
        Cells::Constant(text) => Cells::Text(Box::new(move |_| Some(Cow::Owned(text.clone())))),
        other => other,
    };
    Ok(match (function, inner) {
        (_, Cells::Null) => Cells::Null,
        (Function::Abs, Cells::Int(a)) => Cells::Int(Box::new(move |r| a(r)?.checked_abs())),
        (Function::Abs, Cells::Float(a)) => Cells::Float(Box::new(move |r| Some(a(r)?.abs()))),
        (Function::Length, Cells::Text(a)) => Cells::Int(Box::new(move |r| Some(i64::try_from(a(r)?.chars().count()).unwrap_or(i64::MAX)))),
        (Function::Lower, Cells::Text(a)) => Cells::Text(Box::new(move |r| Some(Cow::Owned(a(r)?.to_lowercase())))),
        (Function::Upper, Cells::Text(a)) => Cells::Text(Box::new(move |r| Some(Cow::Owned(a(r)?.to_uppercase())))),
        (Function::Trim, Cells::Text(a)) => Cells::Text(Box::new(move |r| Some(Cow::Owned(a(r)?.trim().to_owned())))),
        (Function::Abs, _) => return Err(format!("abs needs a number, not {words}")),
        (Function::Length | Function::Lower | Function::Upper | Function::Trim, _) => {
            return Err(format!("this function needs text, not {words}"));
        }
    })
}
