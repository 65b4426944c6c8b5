//! Every order of beats, answers, looks, takings and the passing of time, for two replicas and one slice, up to a bound.
//!
//! The real tenures, watches and slices. Time passes in units of the margin; one clock may run ahead of the other by as many units as
//! both margins have. What follows from a look may be done as late as it likes, an answer may come as late. What must hold: at most one of the two
//! acts, and it is the one whom the journal names. States that are equal but for the time of day are entered once.

use serde::Serialize;
use std::collections::HashSet;
use tidegate_core::id::At;
use tidegate_core::lease::{Beat, Command, LEASE_MS, MARGIN_MS, Sent, Session, Slice, Slices, Tenure, Uptime, Watch};
use tidegate_core::machine::Machine;

/// Deeds in a row.
pub const DEPTH: usize = 8;
/// How far one clock may run ahead of the other: the margin of the holder and that of the taker.
pub const DRIFT_UNITS_MAX: i64 = 2;
const UNIT_MS: u64 = MARGIN_MS;
/// Longest time that makes a difference, in units.
const LONG_UNITS: u64 = (LEASE_MS + MARGIN_MS) / UNIT_MS;

/// What was explored.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Explored {
    /// Different states.
    pub states: usize,
    /// Deeds that were done in them.
    pub steps: usize,
    /// Times that a slice was taken over one that was gone.
    pub taken_over: usize,
    /// What was broken, each with the deeds that lead there.
    pub broken: Vec<String>,
}

#[derive(Clone)]
struct Side {
    clock: Uptime,
    tenure: Tenure,
    watch: Watch,
    /// A beat that was written and whose answer is on its way.
    unanswered: Option<Sent>,
    /// The fencing number under which it believes to hold the slice.
    held: Option<u64>,
    /// What it made of its last look: whether it may take the slice, and over whom.
    plan: Option<Option<Session>>,
}

#[derive(Clone)]
struct World {
    sides: [Side; 2],
    slice: Slice,
    beats: Vec<Beat>,
    /// Units that the first clock has run ahead.
    drift: i64,
    path: Vec<&'static str>,
}

#[derive(Clone, Copy)]
enum Deed {
    /// Time passes for both.
    Time,
    /// The clock of one alone moves on.
    Drift(usize),
    /// A beat is written, and answered at once.
    Beat(usize),
    /// A beat is written, its answer waits.
    BeatUnanswered(usize),
    /// The answer that waits arrives.
    Answer(usize),
    /// It reads beats and slice.
    Look(usize),
    /// It takes or holds the slice by what it saw when it last looked.
    Take(usize),
    /// It gives the slice up.
    GiveUp(usize),
}

const DEEDS: [(Deed, &str); 15] = [
    (Deed::Time, "time"),
    (Deed::Drift(0), "a's clock"),
    (Deed::Drift(1), "b's clock"),
    (Deed::Beat(0), "a beats"),
    (Deed::Beat(1), "b beats"),
    (Deed::BeatUnanswered(0), "a beats unanswered"),
    (Deed::BeatUnanswered(1), "b beats unanswered"),
    (Deed::Answer(0), "answer to a"),
    (Deed::Answer(1), "answer to b"),
    (Deed::Look(0), "a looks"),
    (Deed::Look(1), "b looks"),
    (Deed::Take(0), "a takes"),
    (Deed::Take(1), "b takes"),
    (Deed::GiveUp(0), "a gives up"),
    (Deed::GiveUp(1), "b gives up"),
];

/// Explores up to `depth` deeds, with clocks at most `drift_max` units apart.
#[must_use]
pub fn explore(depth: usize, drift_max: i64) -> Explored {
    let side = |replica: &str| Side {
        clock: Uptime(0),
        tenure: Tenure::new(Session { replica: replica.to_owned(), number: 1 }),
        watch: Watch::default(),
        unanswered: None,
        held: None,
        plan: None,
    };
    // From where one holds and the other has just begun to look.
    let mut first = World { sides: [side("a"), side("b")], slice: Slice::default(), beats: vec![], drift: 0, path: vec![] };
    let done = |world: World, deeds: &[Deed]| {
        deeds.iter().fold(world, |world, deed| world.after(*deed, drift_max).map_or(world.clone(), |(after, _)| after))
    };
    first = done(first, &[Deed::Beat(0), Deed::Look(0), Deed::Take(0), Deed::Beat(1), Deed::Look(1)]);
    // and from where half the lease has passed, for its end lies deep
    let later = done(first.clone(), &[Deed::Time, Deed::Time, Deed::Time, Deed::Beat(1)]);
    let (mut explored, mut seen, mut front) = (Explored::default(), HashSet::new(), vec![first, later]);
    for _ in 0..depth {
        let mut next = vec![];
        for world in front {
            for (deed, name) in DEEDS {
                let Some((mut after, over)) = world.after(deed, drift_max) else { continue };
                explored.steps += 1;
                explored.taken_over += usize::from(over);
                if !seen.insert(after.fingerprint()) {
                    continue;
                }
                after.path.push(name);
                explored.look_at(&after);
                next.push(after);
            }
        }
        front = next;
        if !explored.broken.is_empty() {
            break;
        }
    }
    explored.states = seen.len();
    explored
}

impl Explored {
    fn look_at(&mut self, world: &World) {
        let acting: Vec<usize> = (0..2).filter(|n| world.acts(*n)).collect();
        let named = |n: &usize| {
            let side = &world.sides[*n];
            world.slice.holder.as_ref() == Some(side.tenure.session()) && side.held == Some(world.slice.fence)
        };
        let good = acting.len() < 2 && acting.iter().all(named);
        if !good && self.broken.len() < 20 {
            self.broken.push(format!("{acting:?} act, the slice is {:?}, after {}", world.slice, world.path.join(", ")));
        }
    }
}

impl World {
    fn acts(&self, n: usize) -> bool {
        let side = &self.sides[n];
        side.held.is_some() && side.tenure.acts(side.clock)
    }

    /// The world after a deed, and whether a slice was taken over; none when it cannot be done or changes nothing.
    fn after(&self, deed: Deed, drift_max: i64) -> Option<(World, bool)> {
        let mut world = self.clone();
        match deed {
            Deed::Time => world.sides.iter_mut().for_each(|side| side.clock = side.clock.plus_ms(UNIT_MS)),
            Deed::Drift(n) => {
                world.drift += if n == 0 { 1 } else { -1 };
                world.sides[n].clock = world.sides[n].clock.plus_ms(UNIT_MS);
                return (world.drift.abs() <= drift_max).then_some((world, false));
            }
            Deed::Beat(n) => {
                let sent = world.beat(n);
                let side = &mut world.sides[n];
                side.tenure.beaten(&sent, side.clock);
            }
            Deed::BeatUnanswered(n) => world.sides[n].unanswered = Some(world.beat(n)),
            Deed::Answer(n) => {
                let side = &mut world.sides[n];
                let sent = side.unanswered.take()?;
                side.tenure.beaten(&sent, side.clock);
            }
            Deed::Look(n) => world.look(n),
            Deed::Take(n) => return world.take(n).map(|over| (world, over)),
            Deed::GiveUp(n) => {
                world.acts(n).then_some(())?;
                // first the hands, then the word
                world.sides[n].held = None;
                let by = world.sides[n].tenure.session().clone();
                world.record(&Command::GiveUp { by, at: At(0) })?;
            }
        }
        Some((world, false))
    }

    fn record(&mut self, command: &Command) -> Option<()> {
        let events = Slices::decide(&self.slice, command).ok()?;
        self.slice = events.iter().fold(self.slice.clone(), Slices::evolve);
        Some(())
    }

    /// Past its end a side holds nothing, whatever it does next.
    fn stand_still(&mut self, n: usize) {
        if !self.acts(n) {
            self.sides[n].held = None;
        }
    }

    fn beat(&mut self, n: usize) -> Sent {
        self.stand_still(n);
        let side = &mut self.sides[n];
        let sent = side.tenure.beat(side.clock);
        self.beats.retain(|beat| beat.session != sent.beat.session);
        self.beats.push(sent.beat.clone());
        sent
    }

    fn look(&mut self, n: usize) {
        self.stand_still(n);
        let side = &mut self.sides[n];
        side.watch.look(&self.beats, self.slice.holder.iter(), side.clock);
        side.plan = match &self.slice.holder {
            Some(holder) => side.watch.gone(holder, side.clock).then(|| Some(holder.clone())),
            None => Some(None),
        };
        // what another has taken is let go; what is its own by the journal it holds
        let own = self.slice.holder.as_ref() == Some(side.tenure.session()) && side.tenure.acts(side.clock);
        side.held = own.then_some(self.slice.fence);
    }

    /// Whether it took over; none when it does not want to, or somebody came first.
    fn take(&mut self, n: usize) -> Option<bool> {
        let side = &mut self.sides[n];
        let over = side.plan.take()?;
        side.tenure.acts(side.clock).then_some(())?;
        let by = side.tenure.session().clone();
        self.record(&Command::Take { by, over: over.clone(), at: At(0) })?;
        self.sides[n].held = Some(self.slice.fence);
        Some(over.is_some())
    }

    /// Everything that makes a difference from here on, without the time of day.
    fn fingerprint(&self) -> Vec<u8> {
        let mut print = vec![self.drift.unsigned_abs(), u64::from(self.drift < 0)];
        let who = |session: &Session| {
            let current = (0..2).find(|n| self.sides[*n].tenure.session() == session);
            current.map_or_else(|| 3 + u64::from(session.replica == "b"), |n| n as u64 + 1)
        };
        print.push(self.slice.holder.as_ref().map_or(0, who));
        for (n, side) in self.sides.iter().enumerate() {
            let units = |ms: u64| (ms / UNIT_MS).min(LONG_UNITS);
            print.push(side.tenure.until().map_or(LONG_UNITS + 1, |until| units(until.since_ms(side.clock))));
            let current = |sent: &Sent| sent.beat.session == *side.tenure.session();
            print.push(side.unanswered.as_ref().filter(|s| current(s)).map_or(LONG_UNITS + 1, |s| units(side.clock.since_ms(s.at))));
            print.push(side.held.map_or(0, |fence| 1 + self.slice.fence - fence));
            print.push(side.plan.as_ref().map_or(9, |over| over.as_ref().map_or(0, who)));
            let other = self.sides[1 - n].tenure.session();
            for session in [Some(other), self.slice.holder.as_ref()] {
                let gone_in = |session: &Session| {
                    (0..=LONG_UNITS).find(|unit| side.watch.gone(session, side.clock.plus_ms(unit * UNIT_MS))).unwrap_or(LONG_UNITS + 1)
                };
                print.push(session.map_or(LONG_UNITS + 2, gone_in));
            }
            // whether its next look would find a newer beat of the other
            let mut ahead = side.watch.clone();
            let later = side.clock.plus_ms(LONG_UNITS * UNIT_MS);
            ahead.look(&self.beats, self.slice.holder.iter(), later);
            print.extend([Some(other), self.slice.holder.as_ref()].map(|s| s.map_or(2, |s| u64::from(ahead.gone(s, later)))));
        }
        // each is a small number
        print.into_iter().map(|n| n.min(255) as u8).collect()
    }
}
