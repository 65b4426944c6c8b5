//! Which events are new: each is counted once, in the order of its source, whatever is told again or late.

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
    /// Whether an event is known.
    #[must_use]
    pub fn knows(&self, source: &str, id: &str) -> bool {
        self.0.get(source).is_some_and(|of| of.known.contains(id))
    }

    /// Whether there is room for a source.
    #[must_use]
    pub fn has_room(&self, source: &str) -> bool {
        self.0.contains_key(source) || self.0.len() < SOURCES_MAX
    }

    /// Takes an event of a source that happened at a time.
    pub fn take(&mut self, source: &str, id: &str, at_ms: i64) -> Taken {
        if !self.has_room(source) {
            return Taken::NoRoom;
        }
        let of = self.0.entry(source.to_owned()).or_default();
        if !of.known.insert(id.to_owned()) {
            return Taken::Known;
        }
        of.order.push_back(id.to_owned());
        if of.order.len() > REMEMBERED_MAX
            && let Some(oldest) = of.order.pop_front()
        {
            of.known.remove(&oldest);
        }
        let late = at_ms < of.newest_ms;
        of.newest_ms = of.newest_ms.max(at_ms);
        if late { Taken::Late } else { Taken::New }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn told_twice_is_once_and_each_source_has_its_own_order() {
        let mut intake = Intake::default();
        let takes = [("a", "1", 10), ("a", "2", 5), ("a", "1", 99), ("b", "1", 1), ("a", "3", 10)];
        let taken: Vec<Taken> = takes.iter().map(|(source, id, at)| intake.take(source, id, *at)).collect();
        assert_eq!(taken, [Taken::New, Taken::Late, Taken::Known, Taken::New, Taken::New]);
    }

    #[test]
    fn sources_and_what_is_remembered_have_limits() {
        let mut intake = Intake::default();
        for n in 0..SOURCES_MAX {
            assert_eq!(intake.take(&n.to_string(), "1", 1), Taken::New);
        }
        assert_eq!((intake.take("more", "1", 1), intake.take("0", "1", 1)), (Taken::NoRoom, Taken::Known));
        for n in 0..REMEMBERED_MAX {
            intake.take("0", &format!("e{n}"), 1);
        }
        assert_eq!(intake.take("0", "1", 1), Taken::New, "forgotten");
        assert!(intake.knows("0", "1") && !intake.knows("0", "e0") && !intake.knows("more", "1"));
    }

    proptest! {
        #[test]
        fn any_order_and_repetition_takes_the_same_events(ids in prop::collection::vec(0..20_u32, 0..100)) {
            let mut intake = Intake::default();
            let new = ids.iter().filter(|id| intake.take("s", &id.to_string(), i64::from(**id)) != Taken::Known).count();
            let distinct: BTreeSet<u32> = ids.iter().copied().collect();
            prop_assert_eq!(new, distinct.len());
        }
    }
}
