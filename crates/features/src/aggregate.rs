//! What each aggregation is: over events that lie there, and kept up as they come and go.

use crate::define::{Aggregate, DISTINCT_MAX, Feature};
use crate::event::Kept;
use crate::row::Cell;
use crate::value::Value;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use tidegate_stats::exact::Sum;

/// One feature over the events that count, in their order. `place` is that of its field.
pub(crate) fn over(feature: &Feature, place: Option<usize>, events: &[&Kept], at_ms: i64) -> Cell {
    let values = || events.iter().filter_map(|event| event.value(place));
    let numbers = || values().filter(|value| value.float().is_some());
    let cell = |value: Option<&Value>| value.cloned().map_or(Cell::Null, Cell::Value);
    match &feature.aggregate {
        Aggregate::Count => Cell::count(events.len()),
        Aggregate::Rate(per_ms) => rate(events.len(), *per_ms, feature.window_ms),
        Aggregate::Sum(_) => Cell::number(sum(numbers()).value()),
        Aggregate::Mean(_) => mean(&sum(numbers()), numbers().count()),
        Aggregate::Min(_) => cell(numbers().min()),
        Aggregate::Max(_) => cell(numbers().max()),
        Aggregate::Last(_) => cell(values().next_back()),
        Aggregate::Distinct(_) => Cell::count(values().collect::<BTreeSet<_>>().len().min(DISTINCT_MAX)),
        Aggregate::SinceLast => events.last().map_or(Cell::Null, |event| since(event.happened_ms, at_ms)),
    }
}

fn sum<'a>(numbers: impl Iterator<Item = &'a Value>) -> Sum {
    let mut sum = Sum::default();
    numbers.for_each(|number| shift(&mut sum, number, false));
    sum
}

/// Adds a number, or takes it away.
fn shift(sum: &mut Sum, number: &Value, away: bool) {
    match (number, away) {
        (Value::Int(whole), false) => sum.add_whole(*whole),
        (Value::Int(whole), true) => sum.take_whole(*whole),
        (Value::Float(number), false) => sum.add(*number),
        (Value::Float(number), true) => sum.take(*number),
        (Value::Bool(_) | Value::Text(_), _) => {}
    }
}

#[expect(clippy::cast_precision_loss, reason = "a window holds fewer events than a float counts exactly")]
fn mean(sum: &Sum, many: usize) -> Cell {
    if many == 0 { Cell::Null } else { Cell::number(sum.value() / many as f64) }
}

#[expect(clippy::cast_precision_loss, reason = "windows are shorter than a float counts exactly")]
fn rate(many: usize, per_ms: i64, window_ms: i64) -> Cell {
    Cell::number(many as f64 * per_ms as f64 / window_ms as f64)
}

#[expect(clippy::cast_precision_loss, reason = "windows are shorter than a float counts exactly")]
fn since(happened_ms: i64, at_ms: i64) -> Cell {
    Cell::number(at_ms.saturating_sub(happened_ms) as f64 / 1_000.0)
}

/// One feature over a window that moves: events come and go one by one.
#[derive(Clone, Debug)]
pub(crate) enum Running {
    /// How many there are.
    Counted(usize),
    /// Their sum, and how many have a number.
    Summed(Sum, usize),
    /// How often each value is there.
    Valued(BTreeMap<Value, u32>),
    /// Those that have a value, in the order of events.
    Ordered(VecDeque<Entry>),
}

/// An event's order and its value.
type Entry = (i64, i64, Arc<str>, Value);

impl Running {
    pub fn of(aggregate: &Aggregate) -> Running {
        match aggregate {
            Aggregate::Count | Aggregate::Rate(_) => Running::Counted(0),
            Aggregate::Sum(_) | Aggregate::Mean(_) => Running::Summed(Sum::default(), 0),
            Aggregate::Min(_) | Aggregate::Max(_) | Aggregate::Distinct(_) => Running::Valued(BTreeMap::new()),
            Aggregate::Last(_) | Aggregate::SinceLast => Running::Ordered(VecDeque::new()),
        }
    }

    /// An event comes into the window. Only those that the feature's conditions let through are told.
    pub fn comes(&mut self, feature: &Feature, place: Option<usize>, event: &Kept) {
        let Some(value) = counted(feature, place, event) else { return };
        match self {
            Running::Counted(many) => *many += 1,
            Running::Summed(sum, many) => {
                shift(sum, &value, false);
                *many += 1;
            }
            Running::Valued(values) => *values.entry(value).or_insert(0) += 1,
            Running::Ordered(entries) => {
                let at = entries.partition_point(|entry| (entry.0, entry.1, &*entry.2) < event.order());
                entries.insert(at, (event.happened_ms, event.known_ms, event.id.clone(), value));
            }
        }
    }

    /// An event that came goes: the oldest that is there.
    pub fn goes(&mut self, feature: &Feature, place: Option<usize>, event: &Kept) {
        let Some(value) = counted(feature, place, event) else { return };
        match self {
            Running::Counted(many) => *many = many.saturating_sub(1),
            Running::Summed(sum, many) => {
                shift(sum, &value, true);
                *many = many.saturating_sub(1);
            }
            Running::Valued(values) => {
                if let Some(often) = values.get_mut(&value) {
                    *often -= 1;
                    if *often == 0 {
                        values.remove(&value);
                    }
                }
            }
            Running::Ordered(entries) => {
                entries.pop_front();
            }
        }
    }

    /// The feature's value.
    pub fn cell(&self, feature: &Feature, at_ms: i64) -> Cell {
        let cell = |value: Option<&Value>| value.cloned().map_or(Cell::Null, Cell::Value);
        match (self, &feature.aggregate) {
            (Running::Counted(many), Aggregate::Rate(per_ms)) => rate(*many, *per_ms, feature.window_ms),
            (Running::Counted(many), _) => Cell::count(*many),
            (Running::Summed(sum, many), Aggregate::Mean(_)) => mean(sum, *many),
            (Running::Summed(sum, _), _) => Cell::number(sum.value()),
            (Running::Valued(values), Aggregate::Min(_)) => cell(values.keys().next()),
            (Running::Valued(values), Aggregate::Max(_)) => cell(values.keys().next_back()),
            (Running::Valued(values), _) => Cell::count(values.len().min(DISTINCT_MAX)),
            (Running::Ordered(entries), Aggregate::SinceLast) => entries.back().map_or(Cell::Null, |entry| since(entry.0, at_ms)),
            (Running::Ordered(entries), _) => cell(entries.back().map(|entry| &entry.3)),
        }
    }
}

/// The value by which an event counts, where it does.
fn counted(feature: &Feature, place: Option<usize>, event: &Kept) -> Option<Value> {
    match &feature.aggregate {
        Aggregate::Count | Aggregate::Rate(_) | Aggregate::SinceLast => Some(Value::Bool(true)),
        Aggregate::Last(_) | Aggregate::Distinct(_) => event.value(place).cloned(),
        Aggregate::Sum(_) | Aggregate::Mean(_) | Aggregate::Min(_) | Aggregate::Max(_) => {
            event.value(place).filter(|value| value.float().is_some()).cloned()
        }
    }
}
