//! The offline execution: features of many entities and times, from a whole history.
//!
//! For each row the events that had happened and were known are gathered anew and each feature is computed over them, from nothing that
//! another row left behind: slower than [`crate::Online`], and made otherwise.

use crate::aggregate::over;
use crate::define::View;
use crate::event::{Event, Kept, Key, Reading};
use crate::row::{Cell, Row, State};
use std::collections::{BTreeMap, BTreeSet};

/// The features of entities at times, a row for each in their order. Events can stand in any order; of those that were told more than once
/// and became known at one time, the first counts.
#[must_use]
pub fn history(view: &View, events: &[Event], rows: &[(Key, i64)]) -> Vec<Row> {
    let reading = Reading::of(view);
    let wanted: BTreeSet<&Key> = rows.iter().map(|(key, _)| key).collect();
    let mut of: BTreeMap<Key, Vec<Kept>> = BTreeMap::new();
    for event in events {
        if let Some(key) = event.key(view).filter(|key| wanted.contains(key)) {
            of.entry(key).or_default().push(reading.kept(view, event));
        }
    }
    of.values_mut().for_each(once);
    let none = vec![];
    rows.iter().map(|(key, at_ms)| row(view, &reading, of.get(key).unwrap_or(&none), *at_ms)).collect()
}

/// Leaves of each event the first that became known, in the order of events.
fn once(events: &mut Vec<Kept>) {
    events.sort_by(|a, b| (a.happened_ms, &a.id, a.known_ms).cmp(&(b.happened_ms, &b.id, b.known_ms)));
    events.dedup_by(|next, first| next.happened_ms == first.happened_ms && next.id == first.id);
    events.sort_by(|a, b| a.order().cmp(&b.order()));
}

fn row(view: &View, reading: &Reading, events: &[Kept], at_ms: i64) -> Row {
    let after = |ms: i64| events.partition_point(|event| event.happened_ms <= ms);
    let within = |window_ms: i64| events.get(after(at_ms.saturating_sub(window_ms))..after(at_ms)).unwrap_or_default();
    let known = |event: &&Kept| event.known_ms <= at_ms;
    let features = view.features();
    let Some(newest) = within(view.reach_ms()).iter().rev().find(known) else {
        return Row::empty(at_ms, State::Missing, None, features.len());
    };
    let newest_ms = Some(newest.happened_ms);
    if newest.happened_ms <= at_ms.saturating_sub(view.ttl_ms()) {
        return Row::empty(at_ms, State::Outdated, newest_ms, features.len());
    }
    let cell = |(at, feature): (usize, &crate::define::Feature)| {
        let all: Vec<&Kept> = within(feature.window_ms).iter().filter(known).collect();
        if all.len() > view.events_max() {
            return Cell::Over;
        }
        let counted: Vec<&Kept> = all.into_iter().filter(|event| event.passes(at)).collect();
        over(feature, reading.place(at), &counted, at_ms)
    };
    Row { at_ms, state: State::Found, newest_ms, cells: features.iter().enumerate().map(cell).collect() }
}
