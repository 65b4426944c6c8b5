//! Names to slots, kinds of columns, and the mistakes that a transform can have.

use crate::model::Datatype;
use crate::transform::Constant;
use indexmap::IndexMap;

/// Where in a transform a mistake is; the reader of a file turns it into line and column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// The transform as a whole.
    Whole,
    /// The field with this index.
    Record(usize),
    /// The event time.
    Time,
    /// The record's id.
    Id,
    /// The step with this index.
    Step(usize),
    /// The input with this index.
    Input(usize),
    /// The score.
    Score,
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Place::Whole => f.write_str("transform"),
            Place::Record(i) => write!(f, "record[{i}]"),
            Place::Time => f.write_str("time"),
            Place::Id => f.write_str("id"),
            Place::Step(i) => write!(f, "steps[{i}]"),
            Place::Input(i) => write!(f, "inputs[{i}]"),
            Place::Score => f.write_str("score"),
        }
    }
}

/// One mistake in a transform.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{place}{}{key}: {message}", if key.is_empty() { "" } else { "." })]
pub struct TransformError {
    /// Which part.
    pub place: Place,
    /// Which key of it; empty for the part as a whole.
    pub key: &'static str,
    /// Which item under that key, where it is a list.
    pub item: Option<usize>,
    /// What is wrong and what to do.
    pub message: String,
}

/// What a column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Number,
    Bool,
    Text,
}

impl Kind {
    pub(super) fn of_datatype(datatype: Datatype) -> Kind {
        match datatype {
            Datatype::Bool => Kind::Bool,
            Datatype::Bytes => Kind::Text,
            _ => Kind::Number,
        }
    }

    pub(super) fn of_constant(constant: &Constant) -> Kind {
        match constant {
            Constant::Bool(_) => Kind::Bool,
            Constant::Number(_) => Kind::Number,
            Constant::Text(_) => Kind::Text,
        }
    }

    pub(super) fn words(self) -> &'static str {
        match self {
            Kind::Number => "numbers",
            Kind::Bool => "booleans",
            Kind::Text => "texts",
        }
    }
}

/// Columns in scope: name to slot and kind. A slot is an index into a record's fields and then the steps' results.
#[derive(Debug, Default)]
pub(super) struct Scope {
    columns: IndexMap<String, (usize, Kind)>,
}

impl Scope {
    pub(super) fn insert(&mut self, name: &str, slot: usize, kind: Kind) {
        self.columns.insert(name.to_owned(), (slot, kind));
    }

    pub(super) fn remove(&mut self, name: &str) {
        self.columns.shift_remove(name);
    }

    pub(super) fn contains(&self, name: &str) -> bool {
        self.columns.contains_key(name)
    }

    /// Slot and kind of a column, or a sentence that says what there is.
    pub(super) fn find(&self, name: &str) -> Result<(usize, Kind), String> {
        self.columns.get(name).copied().ok_or_else(|| {
            const SHOWN_MAX: usize = 12;
            let shown: Vec<_> = self.columns.keys().take(SHOWN_MAX).map(String::as_str).collect();
            let rest = if self.columns.len() > SHOWN_MAX { ", ..." } else { "" };
            format!("there is no column `{name}` here: there are {}{rest}", shown.join(", "))
        })
    }
}

/// Collects mistakes at one place.
pub(super) struct Mistakes<'m> {
    pub(super) place: Place,
    /// The item that is looked at, in a list.
    pub(super) item: Option<usize>,
    pub(super) found: &'m mut Vec<TransformError>,
}

impl<'m> Mistakes<'m> {
    pub(super) fn at(place: Place, found: &'m mut Vec<TransformError>) -> Mistakes<'m> {
        Mistakes { place, item: None, found }
    }

    pub(super) fn add(&mut self, key: &'static str, message: impl Into<String>) {
        self.found.push(TransformError { place: self.place, key, item: self.item, message: message.into() });
    }

    /// The value, or a noted mistake.
    pub(super) fn note<T>(&mut self, key: &'static str, result: Result<T, String>) -> Option<T> {
        result.map_err(|message| self.add(key, message)).ok()
    }

    /// The slot of a column of one of `kinds`, or a noted mistake.
    pub(super) fn column(&mut self, key: &'static str, scope: &Scope, name: &str, kinds: &[Kind]) -> Option<(usize, Kind)> {
        let (slot, kind) = self.note(key, scope.find(name))?;
        if kinds.contains(&kind) {
            return Some((slot, kind));
        }
        let wanted: Vec<_> = kinds.iter().map(|k| k.words()).collect();
        self.add(key, format!("column `{name}` holds {}, needed are {}", kind.words(), wanted.join(" or ")));
        None
    }

    /// Checks that a constant is of `kind`.
    pub(super) fn constant(&mut self, key: &'static str, constant: &Constant, kind: Kind) -> bool {
        let got = Kind::of_constant(constant);
        if got != kind {
            self.add(key, format!("the value is one of {}, the column holds {}", got.words(), kind.words()));
        }
        got == kind
    }
}
