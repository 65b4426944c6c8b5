//! Several control planes and one seat: taken, given up, taken over, and never held by two, in worlds full of faults.

use super::{Now, Standby};
use tidegate_core::id::At;
use tidegate_core::lease::{BEAT_MS, LEASE_MS, MARGIN_MS, SEAT, Session, TAKEN_OVER_WITHIN_MS, Uptime};
use tidegate_port::memory::{MemoryBeats, MemoryJournal};
use tidegate_port::{Beats as _, Fence, Journal as _, JournalError, NewEvent};

struct One {
    seat: Standby<MemoryJournal>,
    fence: Option<Fence>,
    /// Its clock stands behind by so much: it looked at it before it stood still.
    still_until: u64,
}

struct World {
    journal: MemoryJournal,
    beats: MemoryBeats,
    ms: u64,
}

impl World {
    fn new() -> World {
        World { journal: MemoryJournal::new(), beats: MemoryBeats::default(), ms: 1_000 }
    }

    fn one(&self, name: &str) -> One {
        let session = Session { replica: name.to_owned(), number: self.ms };
        One { seat: Standby::new(self.journal.clone(), session), fence: None, still_until: 0 }
    }

    fn now(&self) -> Now {
        Now { at: At(1_700_000_000_000 + self.ms as i64), uptime: Uptime(self.ms) }
    }

    fn turn(&mut self, one: &mut One) {
        let now = self.now();
        let sent = one.seat.beat(now);
        self.beats.beat(&sent.beat).unwrap();
        one.seat.beaten(&sent, now);
        let round = one.seat.round(&self.beats.all().unwrap(), now.uptime, now).unwrap();
        one.fence = round.fence;
    }

    /// Whether it believes that it acts: what a host asks before each deed.
    fn acts(&self, one: &One) -> bool {
        one.fence.is_some() && one.seat.until().is_some_and(|until| Uptime(self.ms) < until)
    }
}

#[test]
fn the_first_acts_the_others_stand_by_until_it_leaves() {
    let mut world = World::new();
    let (mut a, mut b) = (world.one("a"), world.one("b"));
    for _ in 0..20 {
        world.ms += BEAT_MS;
        world.turn(&mut a);
        world.turn(&mut b);
        assert!(b.fence.is_none() || !world.acts(&a), "two act");
    }
    assert!(world.acts(&a) && b.fence.is_none());
    a.seat.leave(world.now()).unwrap();
    world.ms += BEAT_MS;
    world.turn(&mut b);
    assert!(world.acts(&b), "nobody need wait for one that left");
}

#[test]
fn one_that_dies_is_taken_over_in_time_and_what_it_still_writes_is_refused() {
    let mut world = World::new();
    let (mut a, mut b) = (world.one("a"), world.one("b"));
    for _ in 0..3 {
        world.ms += BEAT_MS;
        world.turn(&mut a);
        world.turn(&mut b);
    }
    let (old, died) = (a.fence.clone().unwrap(), world.ms);
    while !world.acts(&b) {
        world.ms += BEAT_MS;
        world.turn(&mut b);
        assert!(world.ms - died <= TAKEN_OVER_WITHIN_MS, "not taken over after {} ms", world.ms - died);
    }
    assert!(world.ms - died >= LEASE_MS + MARGIN_MS && !world.acts(&a));
    let late = NewEvent { kind: "late", body: serde_json::json!({}) };
    let refused = world.journal.append_under(Some(&old), "s", 0, None, At(0), std::slice::from_ref(&late));
    assert!(matches!(refused, Err(JournalError::Fenced { .. })), "{refused:?}");
    world.journal.append_under(b.fence.as_ref(), "s", 0, None, At(0), &[late]).unwrap();
}

/// Numbers that look like chance, the same each time (SplitMix64).
struct Chance(u64);

impl Chance {
    fn below(&mut self, n: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % n
    }
}

#[test]
fn never_do_two_act_and_soon_one_does() {
    for seed in 0..300 {
        let (mut world, mut chance) = (World::new(), Chance(seed));
        let mut all: Vec<One> = ["a", "b", "c"].into_iter().map(|name| world.one(name)).collect();
        let (mut nobody_since, mut hands) = (world.ms, 0);
        for _ in 0..400 {
            world.ms += BEAT_MS;
            for n in 0..all.len() {
                match chance.below(60) {
                    // it stands still for a while, or leaves, or dies and comes back as another session
                    0 => all[n].still_until = world.ms + chance.below(60_000),
                    1 => all[n].seat.leave(world.now()).unwrap(),
                    2 => all[n] = world.one(["a", "b", "c"][n]),
                    _ => {}
                }
                if world.ms >= all[n].still_until {
                    world.turn(&mut all[n]);
                }
            }
            let acting: Vec<&One> = all.iter().filter(|one| world.acts(one)).collect();
            let fences: Vec<u64> = acting.iter().filter_map(|one| Some(one.fence.as_ref()?.seq)).collect();
            let newest = world.journal.read_stream(SEAT, 0).unwrap().len() as u64;
            // one that left acts no more, for its host ends; its fence is old
            let valid = fences.iter().filter(|fence| **fence == newest).count();
            assert!(valid <= 1, "seed {seed}, {} ms: {fences:?}", world.ms);
            hands = hands.max(newest);
            let able = all.iter().any(|one| world.ms >= one.still_until);
            nobody_since = if valid > 0 || !able { world.ms } else { nobody_since };
            assert!(world.ms - nobody_since <= 3 * TAKEN_OVER_WITHIN_MS, "seed {seed}: nobody acts since {nobody_since}, now {}", world.ms);
        }
        assert!(hands > 3, "seed {seed}: it changed hands");
    }
}
