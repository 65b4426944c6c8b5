//! What is answered for one entity at one time.

use crate::value::Value;
use std::fmt;

/// What is known of an entity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// It has events that are young enough.
    Found,
    /// Its newest event is older than the view's `ttl`: no value stands.
    Outdated,
    /// It has no event within the view's reach.
    Missing,
}

/// One value of a feature.
#[derive(Clone, PartialEq)]
pub enum Cell {
    /// It has one.
    Value(Value),
    /// There is nothing that it could be computed from.
    Null,
    /// Its window holds more events than are counted: no value rather than a wrong one.
    Over,
}

impl Cell {
    /// The value, where there is one.
    #[must_use]
    pub fn value(&self) -> Option<&Value> {
        match self {
            Cell::Value(value) => Some(value),
            Cell::Null | Cell::Over => None,
        }
    }

    /// A number as a value; what is not finite is none.
    pub(crate) fn number(number: f64) -> Cell {
        Value::number(number).map_or(Cell::Null, Cell::Value)
    }

    /// How many, as a value.
    pub(crate) fn count(many: usize) -> Cell {
        Cell::Value(Value::Int(i64::try_from(many).unwrap_or(i64::MAX)))
    }
}

impl fmt::Debug for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Cell::Value(value) => write!(f, "{value:?}"),
            Cell::Null => f.write_str("null"),
            Cell::Over => f.write_str("over"),
        }
    }
}

/// The features of one entity at one time.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// The time that it holds for.
    pub at_ms: i64,
    /// What is known of the entity.
    pub state: State,
    /// When its newest event happened, of those that were known.
    pub newest_ms: Option<i64>,
    /// A value for each feature, in the order of the view.
    pub cells: Vec<Cell>,
}

impl Row {
    /// Without values.
    pub(crate) fn empty(at_ms: i64, state: State, newest_ms: Option<i64>, features: usize) -> Row {
        Row { at_ms, state, newest_ms, cells: vec![Cell::Null; features] }
    }
}
