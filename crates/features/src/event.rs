//! Events, and what a view keeps of one.

use crate::define::View;
use crate::value::Value;
use std::collections::BTreeMap;
use std::sync::Arc;

/// An entity: the values of a view's keys, in their order.
pub type Key = Vec<Value>;

/// Something that happened to an entity.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// What tells it from others. An event that is told again has the same identifier and happened at the same time: it counts once, as
    /// it became known first.
    pub id: Arc<str>,
    /// When it happened, in milliseconds since 1970.
    pub happened_ms: i64,
    /// When it became known.
    pub known_ms: i64,
    /// What is known of it.
    pub fields: BTreeMap<String, Value>,
}

impl Event {
    /// The entity that it belongs to in a view; none where it lacks a key.
    #[must_use]
    pub fn key(&self, view: &View) -> Option<Key> {
        view.keys().iter().map(|key| self.fields.get(key).cloned()).collect()
    }
}

/// What a view keeps of an event. Events of an entity are in the order of (happened, known, identifier).
#[derive(Clone, Debug)]
pub(crate) struct Kept {
    pub happened_ms: i64,
    pub known_ms: i64,
    pub id: Arc<str>,
    /// One bit a feature: whether its conditions hold.
    passes: u64,
    /// The values of the fields that the view reads.
    values: Box<[Option<Value>]>,
}

/// What events are ordered by.
pub(crate) type Order<'a> = (i64, i64, &'a str);

impl Kept {
    pub fn order(&self) -> Order<'_> {
        (self.happened_ms, self.known_ms, &self.id)
    }

    /// From when on it counts.
    pub fn counts_from_ms(&self) -> i64 {
        self.happened_ms.max(self.known_ms)
    }

    /// Whether the conditions of a feature hold.
    pub fn passes(&self, feature: usize) -> bool {
        self.passes >> feature & 1 == 1
    }

    /// The value of a field, by its place in [`Reading`].
    pub fn value(&self, field: Option<usize>) -> Option<&Value> {
        self.values.get(field?)?.as_ref()
    }
}

/// Which fields a view reads, each once.
#[derive(Clone, Debug)]
pub(crate) struct Reading {
    fields: Vec<String>,
    /// Of each feature, the place of its field.
    places: Vec<Option<usize>>,
}

impl Reading {
    pub fn of(view: &View) -> Reading {
        let mut fields: Vec<String> = vec![];
        let mut place = |field: &str| {
            fields.iter().position(|known| known == field).unwrap_or_else(|| {
                fields.push(field.to_owned());
                fields.len() - 1
            })
        };
        let places = view.features().iter().map(|feature| feature.aggregate.field().map(&mut place)).collect();
        Reading { fields, places }
    }

    /// The place of a feature's field.
    pub fn place(&self, feature: usize) -> Option<usize> {
        self.places.get(feature).copied().flatten()
    }

    /// What is kept of an event.
    pub fn kept(&self, view: &View, event: &Event) -> Kept {
        let holds = |only: &[(String, Value)]| only.iter().all(|(field, value)| event.fields.get(field) == Some(value));
        let passes = view.features().iter().enumerate().filter(|(_, feature)| holds(&feature.only)).fold(0, |bits, (at, _)| bits | 1 << at);
        let values = self.fields.iter().map(|field| event.fields.get(field).cloned().and_then(Value::plain)).collect();
        Kept { happened_ms: event.happened_ms, known_ms: event.known_ms, id: event.id.clone(), passes, values }
    }
}
