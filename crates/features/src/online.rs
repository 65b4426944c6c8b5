//! The online execution: state that follows events one by one and answers for now.
//!
//! Of each entity those events are kept that some window can still hold, in order, with a running value for each feature; reading moves the
//! windows to its time, takes away what left them, and adds what counts from then on. Time goes forward alone: a read for an earlier time
//! than one before is answered for that one, and the answer says for which.

use crate::aggregate::Running;
use crate::define::{Feature, View};
use crate::event::{Event, Kept, Key, Reading};
use crate::row::{Cell, Row, State};
use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::Arc;

/// Entities of one view.
pub const ENTITIES_MAX: usize = 1_000_000;
/// Events that are kept of one view, of all entities together.
pub const KEPT_MAX: usize = 4_000_000;
/// Events of one entity that became known before they happened, by clocks that differ, and wait.
pub const LATER_MAX: usize = 10_000;

/// The state of one view.
#[derive(Clone, Debug)]
pub struct Online {
    view: Arc<View>,
    reading: Reading,
    entities: HashMap<Key, Entity>,
    kept: usize,
    entities_max: usize,
    kept_max: usize,
    /// When the newest event happened that there was no room for, of entities that are not kept.
    unkept_ms: Option<i64>,
}

/// The events of one entity.
#[derive(Clone, Debug)]
struct Entity {
    /// What it was last answered for: all that counts by then is in `events`.
    at_ms: i64,
    /// What counts later, by when.
    later: BTreeMap<(i64, i64, Arc<str>), Kept>,
    /// Which events are in `later` and `events`.
    known: BTreeSet<(i64, Arc<str>)>,
    events: VecDeque<Kept>,
    windows: Vec<Window>,
    /// When the newest of those happened that had to go before their time.
    gone_ms: Option<i64>,
}

#[derive(Clone, Debug)]
struct Window {
    /// The first of `events` that is in the window.
    first: usize,
    running: Running,
}

impl Online {
    /// Without events.
    #[must_use]
    pub fn new(view: Arc<View>) -> Online {
        Online {
            reading: Reading::of(&view),
            view,
            entities: HashMap::new(),
            kept: 0,
            entities_max: ENTITIES_MAX,
            kept_max: KEPT_MAX,
            unkept_ms: None,
        }
    }

    /// The same with less room.
    #[must_use]
    pub fn with_room(self, entities_max: usize, kept_max: usize) -> Online {
        Online { entities_max: entities_max.min(ENTITIES_MAX), kept_max: kept_max.min(KEPT_MAX), ..self }
    }

    /// What it computes.
    #[must_use]
    pub fn view(&self) -> &View {
        &self.view
    }

    /// Entities and events that are kept.
    #[must_use]
    pub fn size(&self) -> (usize, usize) {
        (self.entities.len(), self.kept)
    }

    /// Takes an event in, as it becomes known; false where it is known or belongs to no entity of the view.
    pub fn take(&mut self, event: &Event) -> bool {
        self.take_by(event, event.known_ms)
    }

    /// Takes an event in at a time. One that is said to become known later, by a clock that went wrong, waits until then.
    pub fn take_by(&mut self, event: &Event, now_ms: i64) -> bool {
        let Some(key) = event.key(&self.view) else { return false };
        let room = self.kept < self.kept_max;
        if !self.entities.contains_key(&key) {
            if self.entities.len() >= self.entities_max || !room {
                self.unkept_ms = self.unkept_ms.max(Some(event.happened_ms));
                return false;
            }
            // One that comes back may be one that there was no room for.
            self.entities.insert(key.clone(), Entity { gone_ms: self.unkept_ms, ..Entity::new(&self.view) });
        }
        let Some(entity) = self.entities.get_mut(&key) else { return false };
        let before = entity.held();
        entity.forward(&self.view, &self.reading, event.known_ms.min(now_ms));
        let new = entity.take(&self.view, &self.reading, event, room);
        self.kept = (self.kept + entity.held()).saturating_sub(before);
        new
    }

    /// The features of an entity at a time.
    pub fn read(&mut self, key: &Key, at_ms: i64) -> Row {
        let features = self.view.features().len();
        let Some(entity) = self.entities.get_mut(key) else {
            let over = self.unkept_ms.is_some_and(|ms| ms > at_ms.saturating_sub(self.view.reach_ms()));
            let empty = Row::empty(at_ms, State::Missing, None, features);
            return if over { Row { state: State::Found, cells: vec![Cell::Over; features], ..empty } } else { empty };
        };
        let before = entity.held();
        entity.forward(&self.view, &self.reading, at_ms);
        self.kept = (self.kept + entity.held()).saturating_sub(before);
        entity.row(&self.view)
    }

    /// Forgets entities of which nothing is within reach any more. Costs a look at each: for once in a while.
    pub fn sweep(&mut self, at_ms: i64) {
        let (view, reading) = (self.view.clone(), &self.reading);
        let mut kept = 0;
        self.entities.retain(|_, entity| {
            entity.forward(&view, reading, at_ms);
            kept += entity.held();
            entity.held() > 0 || entity.gone_ms.is_some_and(|ms| ms > at_ms.saturating_sub(view.reach_ms()))
        });
        self.kept = kept;
        self.unkept_ms = self.unkept_ms.filter(|ms| *ms > at_ms.saturating_sub(view.reach_ms()));
    }
}

impl Entity {
    fn new(view: &View) -> Entity {
        let windows = view.features().iter().map(|feature| Window { first: 0, running: Running::of(&feature.aggregate) });
        Entity {
            at_ms: i64::MIN,
            later: BTreeMap::new(),
            known: BTreeSet::new(),
            events: VecDeque::new(),
            windows: windows.collect(),
            gone_ms: None,
        }
    }

    fn held(&self) -> usize {
        self.events.len() + self.later.len()
    }

    /// Takes an event in that became known now.
    fn take(&mut self, view: &View, reading: &Reading, event: &Event, room: bool) -> bool {
        let beyond = event.happened_ms <= self.at_ms.saturating_sub(view.reach_ms());
        if beyond || self.known.contains(&(event.happened_ms, event.id.clone())) {
            return false;
        }
        if !room || self.later.len() >= LATER_MAX {
            self.gone_ms = self.gone_ms.max(Some(event.happened_ms));
            return false;
        }
        self.known.insert((event.happened_ms, event.id.clone()));
        let kept = reading.kept(view, event);
        if kept.counts_from_ms() <= self.at_ms {
            self.counts(view, reading, kept);
        } else {
            self.later.insert((kept.counts_from_ms(), kept.happened_ms, kept.id.clone()), kept);
        }
        true
    }

    /// Moves on to a time, where it is not there yet.
    fn forward(&mut self, view: &View, reading: &Reading, at_ms: i64) {
        self.at_ms = self.at_ms.max(at_ms);
        self.expire(view, reading);
        while let Some(first) = self.later.first_entry().filter(|first| first.key().0 <= self.at_ms) {
            let kept = first.remove();
            if kept.happened_ms > self.at_ms.saturating_sub(view.reach_ms()) {
                self.counts(view, reading, kept);
            } else {
                self.known.remove(&(kept.happened_ms, kept.id));
            }
        }
    }

    /// An event counts from now on; of more than may be, the oldest goes.
    fn counts(&mut self, view: &View, reading: &Reading, kept: Kept) {
        let at = self.events.partition_point(|event| event.order() < kept.order());
        for (number, (window, feature)) in self.windows.iter_mut().zip(view.features()).enumerate() {
            if kept.happened_ms <= self.at_ms.saturating_sub(feature.window_ms) {
                window.first += 1;
            } else if kept.passes(number) {
                window.running.comes(feature, reading.place(number), &kept);
            }
        }
        self.events.insert(at, kept);
        if self.events.len() > view.events_max() {
            self.gone_ms = self.gone_ms.max(self.events.front().map(|event| event.happened_ms));
            self.drop_oldest(view, reading);
        }
    }

    /// Takes what is too old for each window out of it, and what is too old for all away.
    fn expire(&mut self, view: &View, reading: &Reading) {
        for (number, (window, feature)) in self.windows.iter_mut().zip(view.features()).enumerate() {
            let start_ms = self.at_ms.saturating_sub(feature.window_ms);
            while let Some(oldest) = self.events.get(window.first).filter(|event| event.happened_ms <= start_ms) {
                leave(window, feature, reading.place(number), number, oldest);
            }
        }
        let reach_ms = self.at_ms.saturating_sub(view.reach_ms());
        while self.events.front().is_some_and(|event| event.happened_ms <= reach_ms) {
            self.drop_oldest(view, reading);
        }
    }

    fn drop_oldest(&mut self, view: &View, reading: &Reading) {
        let Some(oldest) = self.events.pop_front() else { return };
        for (number, (window, feature)) in self.windows.iter_mut().zip(view.features()).enumerate() {
            if window.first == 0 {
                leave(window, feature, reading.place(number), number, &oldest);
            }
            window.first -= 1;
        }
        self.known.remove(&(oldest.happened_ms, oldest.id));
    }

    fn row(&self, view: &View) -> Row {
        let features = view.features();
        let at_ms = self.at_ms;
        let newest_ms = self.events.back().map(|event| event.happened_ms);
        // Events that there was no room for are the newest that are known of: what they would have said is not known.
        let gone = |window_ms: i64| self.gone_ms.is_some_and(|ms| ms > at_ms.saturating_sub(window_ms));
        match newest_ms {
            None if gone(view.reach_ms()) => Row { at_ms, state: State::Found, newest_ms, cells: vec![Cell::Over; features.len()] },
            None => Row::empty(at_ms, State::Missing, None, features.len()),
            Some(ms) if ms <= at_ms.saturating_sub(view.ttl_ms()) && !gone(view.ttl_ms()) => {
                Row::empty(at_ms, State::Outdated, newest_ms, features.len())
            }
            Some(_) => {
                let cell = |(window, feature): (&Window, &Feature)| {
                    if gone(feature.window_ms) { Cell::Over } else { window.running.cell(feature, at_ms) }
                };
                Row { at_ms, state: State::Found, newest_ms, cells: self.windows.iter().zip(features).map(cell).collect() }
            }
        }
    }
}

/// The oldest event of a window goes out of it.
fn leave(window: &mut Window, feature: &Feature, place: Option<usize>, number: usize, oldest: &Kept) {
    if oldest.passes(number) {
        window.running.goes(feature, place, oldest);
    }
    window.first += 1;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::define::Aggregate;
    use crate::value::Value;

    fn online() -> Online {
        let feature = Feature { name: "n".to_owned(), aggregate: Aggregate::Count, window_ms: 10, only: vec![] };
        let short = Feature { name: "m".to_owned(), window_ms: 2, ..feature.clone() };
        Online::new(Arc::new(View::new("v", vec!["e".to_owned()], vec![feature, short], None, None).unwrap()))
    }

    fn event(id: u32, entity: &str, at_ms: i64) -> Event {
        let fields = BTreeMap::from([("e".to_owned(), Value::text(entity))]);
        Event { id: Arc::from(id.to_string()), happened_ms: at_ms, known_ms: at_ms, fields }
    }

    fn cells(online: &mut Online, entity: &str, at_ms: i64) -> Vec<Cell> {
        online.read(&vec![Value::text(entity)], at_ms).cells
    }

    #[test]
    fn what_there_is_no_room_for_makes_no_wrong_value() {
        let mut online = online().with_room(2, 4);
        let count = |many| Cell::Value(Value::Int(many));
        for (id, entity) in [(1, "a"), (2, "b"), (3, "a"), (4, "a")] {
            assert!(online.take(&event(id, entity, 100)));
        }
        assert!(!online.take(&event(5, "a", 101)) && !online.take(&event(6, "c", 101)), "four events, two entities");
        assert_eq!(online.size(), (2, 4));
        assert_eq!(cells(&mut online, "a", 102), [Cell::Over, Cell::Over], "one of them is not known of");
        assert_eq!(cells(&mut online, "b", 102), [count(1), count(0)]);
        assert_eq!(cells(&mut online, "c", 102), [Cell::Over, Cell::Over], "it may be the one that there was no room for");
        assert_eq!(cells(&mut online, "a", 104), [Cell::Over, count(0)], "out of the short window");
        assert_eq!(cells(&mut online, "c", 111), [Cell::Null, Cell::Null], "out of reach");
        online.sweep(111);
        assert_eq!(online.size(), (0, 0));
        assert!(online.take(&event(7, "d", 112)) && online.take(&event(8, "e", 112)));
        assert!(!online.take(&event(9, "c", 112)));
        online.entities.remove(&vec![Value::text("e")]);
        assert!(online.take(&event(10, "c", 113)));
        assert_eq!(cells(&mut online, "c", 113), [Cell::Over, Cell::Over], "there is one more than is kept");
        assert_eq!(cells(&mut online, "d", 112), [count(1), count(1)]);
    }

    #[test]
    fn an_event_of_a_clock_that_was_ahead_moves_no_time() {
        let mut online = online();
        let ahead = Event { known_ms: 1_000, ..event(2, "a", 101) };
        assert!(online.take_by(&event(1, "a", 100), 101) && online.take_by(&ahead, 101));
        let row = online.read(&vec![Value::text("a")], 102);
        assert_eq!((row.at_ms, row.cells[0].clone()), (102, Cell::Value(Value::Int(1))), "it is not known yet");
    }

    #[test]
    fn time_goes_forward_alone() {
        let mut online = online();
        online.take(&event(1, "a", 100));
        assert_eq!(online.read(&vec![Value::text("a")], 105).at_ms, 105);
        let row = online.read(&vec![Value::text("a")], 101);
        assert_eq!((row.at_ms, row.cells[1].clone()), (105, Cell::Value(Value::Int(0))), "it says for which time it answers");
    }
}
