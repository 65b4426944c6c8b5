//! Sets of values that distinct values are held against, by keys under which equal values are equal.

use crate::classes::Class;
use crate::measure::{Canonical, Values, float_bits};
use std::collections::{HashMap, HashSet};
use tidegate_core::contract::{Value, instant_micros};

/// Most values that are listed.
pub(crate) const LISTED_MAX: usize = 20;

/// A value of one class, so that equal ones are equal.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Key {
    Whole(i64),
    Bits(u64),
    Text(String),
}

/// A set of values, with which of them were seen.
#[derive(Clone, Debug)]
pub(crate) struct ValueSet {
    known: HashMap<Key, usize>,
    values: Vec<Value>,
    seen: HashSet<usize>,
    pub unexpected_count: u64,
    unexpected: Vec<Value>,
}

impl ValueSet {
    /// The set as it is compared with values of a class; values of other classes are equal to none of them.
    pub fn new(values: &[Value], class: Class) -> ValueSet {
        let (mut known, mut listed) = (HashMap::new(), Vec::new());
        for value in values.iter().filter(|v| **v != Value::Null) {
            match key_of(value, class) {
                Some(key) if known.contains_key(&key) => {}
                Some(key) => {
                    known.insert(key, listed.len());
                    listed.push(value.clone());
                }
                None if listed.contains(value) => {}
                None => listed.push(value.clone()),
            }
        }
        ValueSet { known, values: listed, seen: HashSet::new(), unexpected_count: 0, unexpected: Vec::new() }
    }

    /// Notes a distinct value.
    pub fn note(&mut self, column: &Canonical, row: usize) {
        if column.is_null(row) {
            return;
        }
        match key_at(column, row).and_then(|k| self.known.get(&k)) {
            Some(place) => {
                self.seen.insert(*place);
            }
            None => {
                self.unexpected_count += 1;
                self.keep(column.show(row));
            }
        }
    }

    /// Keeps the smallest ones, whatever order they come in.
    fn keep(&mut self, value: Value) {
        self.unexpected.push(value);
        if self.unexpected.len() > 4 * LISTED_MAX {
            self.trim();
        }
    }

    fn trim(&mut self) {
        self.unexpected.sort_by(order);
        self.unexpected.truncate(LISTED_MAX);
    }

    /// Values that are not in the set, the smallest of them; and those of the set that were not seen.
    pub fn found(mut self) -> (Vec<Value>, Vec<Value>) {
        self.trim();
        let absent = self.values.iter().enumerate().filter(|(i, _)| !self.seen.contains(i)).map(|(_, v)| v.clone()).collect();
        (self.unexpected, absent)
    }
}

/// An order of any values: by kind, then within it.
pub(crate) fn order(a: &Value, b: &Value) -> std::cmp::Ordering {
    a.compare(b).unwrap_or_else(|| a.to_string().cmp(&b.to_string()))
}

#[expect(clippy::cast_possible_truncation, reason = "whole and within range, as is tested")]
fn key_of(value: &Value, class: Class) -> Option<Key> {
    match (class, value) {
        (Class::Int | Class::Bool, Value::Int(n)) => Some(Key::Whole(*n)),
        (Class::Int | Class::Bool, Value::Bool(b)) => Some(Key::Whole(i64::from(*b))),
        (Class::Int | Class::Bool, Value::Float(x)) if x.fract() == 0.0 && x.abs() < 9e15 => Some(Key::Whole(*x as i64)),
        (Class::Float, value) => value.number().map(|x| Key::Bits(float_bits(x))),
        (Class::Text, Value::Text(text)) => Some(Key::Text(text.clone())),
        (Class::Instant, Value::Text(text)) => instant_micros(text).map(Key::Whole),
        _ => None,
    }
}

fn key_at(column: &Canonical, row: usize) -> Option<Key> {
    Some(match &column.values {
        Values::Int(a) => Key::Whole(a.value(row)),
        Values::Bool(a) => Key::Whole(i64::from(a.value(row))),
        Values::Float(a) => Key::Bits(float_bits(a.value(row))),
        Values::Text(a) => Key::Text(a.value(row).to_owned()),
        Values::Instant(a, _) => Key::Whole(a.value(row)),
        Values::Other => return None,
    })
}
