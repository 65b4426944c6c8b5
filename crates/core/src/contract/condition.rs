//! Conditions on single rows: which rows a rule is meant for, business rules, and what a query selects.
//!
//! A condition is a value; reading one from text is done elsewhere (`wire`), evaluating it over columns too
//! (`data`). What a comparison with a null gives is part of the value, because pandas and SQL differ.

use super::value::Value;
use serde::{Deserialize, Serialize};

/// What a comparison with a null gives.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Nulls {
    /// Neither true nor false; such a row is not selected, and breaks no rule.
    #[default]
    Unknown,
    /// False, and true for "differs" and "is not among", as pandas has it.
    False,
}

/// A condition, with what nulls mean in it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Condition {
    /// What must hold.
    pub predicate: Predicate,
    /// What a comparison with a null gives.
    #[serde(default)]
    pub nulls: Nulls,
    /// As a person would write it.
    pub text: String,
}

/// The rows that a rule is meant for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RowCondition {
    /// What they have in common.
    pub condition: Condition,
    /// As the suite wrote it, to be written back.
    pub written: serde_json::Value,
    /// The parser that the suite named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parser: Option<String>,
}

/// How two terms are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Comparison {
    /// Equal.
    Equal,
    /// Not equal.
    NotEqual,
    /// Less.
    Less,
    /// Less or equal.
    LessOrEqual,
    /// Greater.
    Greater,
    /// Greater or equal.
    GreaterOrEqual,
}

/// How two numbers make one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Arithmetic {
    /// Sum.
    Add,
    /// Difference.
    Subtract,
    /// Product.
    Multiply,
    /// Quotient, always as a float.
    Divide,
    /// Remainder with the sign of the dividend.
    Remainder,
}

/// A function of one term.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Function {
    /// Without its sign.
    Abs,
    /// Number of characters.
    Length,
    /// In small letters.
    Lower,
    /// In capital letters.
    Upper,
    /// Without blanks at both ends.
    Trim,
}

/// Something with a value in each row.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Term {
    /// A column's.
    Column(String),
    /// The same in each.
    Value(Value),
    /// Of two numbers.
    Arithmetic(Box<Term>, Arithmetic, Box<Term>),
    /// Of one term.
    Function(Function, Box<Term>),
}

/// Something that is true, false or unknown in each row.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Predicate {
    /// All hold.
    All(Vec<Predicate>),
    /// One holds.
    Any(Vec<Predicate>),
    /// It does not hold.
    Not(Box<Predicate>),
    /// Two terms compare so.
    Compare(Term, Comparison, Term),
    /// A term is among values; the flag turns it round.
    In(Term, Vec<Value>, bool),
    /// A term is null; the flag turns it round.
    IsNull(Term, bool),
    /// A term is like an SQL pattern; the flag turns it round.
    Like(Term, String, bool),
    /// A regular expression finds something in a term; the flag turns it round.
    Regex(Term, String, bool),
    /// A boolean term.
    Is(Term),
}

impl Condition {
    /// The columns that it reads, each once.
    #[must_use]
    pub fn columns(&self) -> Vec<&str> {
        let mut found = Vec::new();
        self.predicate.collect(&mut found);
        found.sort_unstable();
        found.dedup();
        found
    }
}

impl Predicate {
    fn collect<'a>(&'a self, found: &mut Vec<&'a str>) {
        match self {
            Predicate::All(parts) | Predicate::Any(parts) => parts.iter().for_each(|p| p.collect(found)),
            Predicate::Not(part) => part.collect(found),
            Predicate::Compare(left, _, right) => {
                left.collect(found);
                right.collect(found);
            }
            Predicate::In(term, ..)
            | Predicate::IsNull(term, _)
            | Predicate::Like(term, ..)
            | Predicate::Regex(term, ..)
            | Predicate::Is(term) => term.collect(found),
        }
    }
}

impl Term {
    fn collect<'a>(&'a self, found: &mut Vec<&'a str>) {
        match self {
            Term::Column(name) => found.push(name),
            Term::Value(_) => {}
            Term::Arithmetic(left, _, right) => {
                left.collect(found);
                right.collect(found);
            }
            Term::Function(_, term) => term.collect(found),
        }
    }
}
