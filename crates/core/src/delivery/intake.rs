//! Which events are new: each is counted once, in the order of its source, whatever is told again or late.

use super::Event;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// Identifiers that are remembered of each source; who tells an older event again is believed.
pub const REMEMBERED_MAX: usize = 100_000;
/// Sources.
pub const SOURCES_MAX: usize = 200;

/// What an event is to those before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taken {
    /// Nobody told it before.
    New,
    /// Nobody told it before, but its source told of something later already.
    Late,
    /// It is known; nothing changes.
    Known,
    /// There are as many sources as there may be.
    NoRoom,
}

#[derive(Clone, Debug, Default)]
struct Source {
    known: BTreeSet<String>,
    order: VecDeque<String>,
    newest_ms: i64,
}

/// What was taken in of each source.
#[derive(Clone, Debug, Default)]
pub struct Intake(BTreeMap<String, Source>);

impl Intake {
    /// Takes an event of a source.
    pub fn take(&mut self, source: &str, event: &Event) -> Taken {
        if !self.0.contains_key(source) && self.0.len() >= SOURCES_MAX {
            return Taken::NoRoom;
        }
        let of = self.0.entry(source.to_owned()).or_default();
        if !of.known.insert(event.id.clone()) {
            return Taken::Known;
        }
        of.order.push_back(event.id.clone());
        if of.order.len() > REMEMBERED_MAX
            && let Some(oldest) = of.order.pop_front()
        {
            of.known.remove(&oldest);
        }
        let late = event.at_ms < of.newest_ms;
        of.newest_ms = of.newest_ms.max(event.at_ms);
        if late { Taken::Late } else { Taken::New }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Subject, What};
    use super::*;
    use proptest::prelude::*;

    fn event(id: &str, at_ms: i64) -> Event {
        Event { id: id.to_owned(), at_ms, what: What::ChangeMerged, subject: Subject::default() }
    }

    #[test]
    fn told_twice_is_once_and_each_source_has_its_own_order() {
        let mut intake = Intake::default();
        let takes = [("a", "1", 10), ("a", "2", 5), ("a", "1", 99), ("b", "1", 1), ("a", "3", 10)];
        let taken: Vec<Taken> = takes.iter().map(|(source, id, at)| intake.take(source, &event(id, *at))).collect();
        assert_eq!(taken, [Taken::New, Taken::Late, Taken::Known, Taken::New, Taken::New]);
    }

    #[test]
    fn sources_and_what_is_remembered_have_limits() {
        let mut intake = Intake::default();
        for n in 0..SOURCES_MAX {
            assert_eq!(intake.take(&n.to_string(), &event("1", 1)), Taken::New);
        }
        assert_eq!((intake.take("more", &event("1", 1)), intake.take("0", &event("1", 1))), (Taken::NoRoom, Taken::Known));
        for n in 0..REMEMBERED_MAX {
            intake.take("0", &event(&format!("e{n}"), 1));
        }
        assert_eq!(intake.take("0", &event("1", 1)), Taken::New, "forgotten");
    }

    proptest! {
        #[test]
        fn any_order_and_repetition_takes_the_same_events(ids in prop::collection::vec(0..20_u32, 0..100)) {
            let mut intake = Intake::default();
            let new = ids.iter().filter(|id| intake.take("s", &event(&id.to_string(), i64::from(**id))) != Taken::Known).count();
            let distinct: BTreeSet<u32> = ids.iter().copied().collect();
            prop_assert_eq!(new, distinct.len());
        }
    }
}
