//! The written story of one version that goes through environments: staging, which a breaker halts while it is verified, then two
//! regions, the second of which finds it harmful, and back in reverse. The real machine of trains says what begins and what is undone;
//! each release is a whole world of its own. When one may begin or be undone is counted here once more.

use crate::scenario::{Scenario, Truth};
use crate::story::{Story, Teller};
use crate::train::{ended, words};
use crate::world::World;
use std::collections::BTreeMap;
use tidegate_core::id::At;
use tidegate_core::train::{Car, CarState, Command, Phase, Spec, Train, Trains, Verify, Want, wants};
use tidegate_engine::Engine;
use tidegate_port::memory::MemoryJournal;
use tidegate_stats::rng::Rng;

const STREAM: &str = "train/ranker";
const MINUTE_MS: u64 = 60_000;
/// How long an undo takes.
const UNDO_MS: u64 = 30_000;
/// Between two looks at what is verified, and at what is on its way.
const LOOK_MS: u64 = 1_000;
/// Looks of the story, more than it has.
const LOOKS_MAX: u64 = 100_000;
/// Minutes after staging was done in which a breaker halts it.
const HALTED: std::ops::Range<u64> = 10..15;

/// Each place with the one before it, how many minutes it is verified, how long a decision takes to arrive, and what the version is there.
const PLACES: [(&str, Option<&str>, u64, u64, Truth); 3] = [
    ("ranker@staging", None, 30, 0, Truth::Good),
    ("ranker@eu", Some("ranker@staging"), 10, 2_000, Truth::Good),
    ("ranker@us", Some("ranker@eu"), 0, 5_000, Truth::Harmful),
];

/// What is true of a place, as the world has it.
#[derive(Clone, Copy, Default)]
struct There {
    begun: bool,
    done: Option<At>,
    /// Since when nothing has halted it.
    calm: At,
    gone: Option<At>,
}

struct Line {
    engine: Engine<MemoryJournal>,
    teller: Teller,
    /// What is under way: when it will be told.
    under_way: Vec<(At, Command)>,
    there: BTreeMap<&'static str, There>,
}

impl Line {
    fn train(&mut self) -> Option<Train> {
        self.engine.state::<Trains>(STREAM).ok()?.train
    }

    fn give(&mut self, command: &Command) {
        match self.engine.execute::<Trains>(STREAM, None, command, self.teller.now) {
            Ok(done) => done.events.iter().for_each(|event| self.teller.tell(&words(event))),
            Err(error) => self.teller.tell(&format!("refused: {error}")),
        }
    }

    fn of(&self, place: &str) -> There {
        self.there.get(place).copied().unwrap_or_default()
    }

    /// Carries out what is wanted: a release is a world that is played to its end.
    fn carry_out(&mut self) {
        for want in wants(&self.engine.state::<Trains>(STREAM).unwrap_or_default(), self.teller.now) {
            let (Want::Start { service, .. } | Want::Undo { service, .. }) = want.clone() else { continue };
            let Some((place, before, _, _, truth)) = PLACES.iter().find(|(place, ..)| *place == service).copied() else { continue };
            if let Want::Start { .. } = want {
                let good = before.is_none_or(|before| self.is_verified(before));
                self.teller.rule(good, "the next one begins when the one before it is verified", place);
                self.there.entry(place).or_default().begun = true;
                self.give(&Command::Started { service: service.clone(), release: 1, at: self.teller.now });
                let story = World::of(1, Rng::new(1), Scenario { truth, shadow: false, ..Scenario::calm() }, None);
                let (good, ms) = ended(&story);
                let at = self.teller.now.plus_ms(ms);
                self.teller.rule(good == (truth == Truth::Good), "the judge tells good from harmful", &story.outcome);
                let why = "the judge found harm, and its release went back".to_owned();
                let ended = if good { Command::Arrived { service, at } } else { Command::WentBack { service, why, at } };
                self.under_way.push((at, ended));
            } else if !self.under_way.iter().any(|(_, known)| matches!(known, Command::Undone { service: s, .. } if *s == service)) {
                let over = self.is_over_after(place);
                self.teller.rule(over, "one is undone when what came after it is, and has heard of it", place);
                let at = self.teller.now.plus_ms(UNDO_MS);
                self.under_way.push((at, Command::Undone { service, at }));
            }
        }
    }

    fn is_verified(&self, place: &str) -> bool {
        let of = PLACES.iter().find(|(known, ..)| *known == place);
        of.zip(self.of(place).done).is_some_and(|((_, _, minutes, delay_ms, _), done)| {
            let since = done.plus_ms(*delay_ms).max(self.of(place).calm);
            self.of(place).gone.is_none() && self.teller.now >= since.plus_ms(minutes * MINUTE_MS)
        })
    }

    fn is_over_after(&self, place: &str) -> bool {
        PLACES.iter().skip_while(|(known, ..)| *known != place).skip(1).all(|(after, _, _, delay_ms, _)| {
            let of = self.of(after);
            !of.begun || of.gone.is_some_and(|at| self.teller.now >= at.plus_ms(*delay_ms))
        })
    }

    /// What has ended by now is told, and what is verified is looked at.
    fn look(&mut self) {
        let (due, later): (Vec<_>, Vec<_>) = self.under_way.drain(..).partition(|(at, _)| *at <= self.teller.now);
        self.under_way = later;
        for (_, command) in due {
            for (place, ..) in PLACES {
                let there = self.there.entry(place).or_default();
                match &command {
                    Command::Arrived { service, .. } if *service == place => there.done = Some(self.teller.now),
                    Command::Undone { service, .. } | Command::WentBack { service, .. } if *service == place => {
                        there.gone = Some(self.teller.now)
                    }
                    _ => {}
                }
            }
            self.give(&command);
        }
        let Some(train) = self.train() else { return };
        for (place, ..) in PLACES {
            let Some(CarState::Verifies { .. }) = train.cars.get(place) else { continue };
            let done = self.of(place).done.unwrap_or(self.teller.now);
            let halted = place == "ranker@staging" && HALTED.contains(&(self.teller.now.since_ms(done) / MINUTE_MS));
            if halted {
                self.there.entry(place).or_default().calm = self.teller.now.plus_ms(LOOK_MS);
            }
            let halted = halted.then(|| "breaker errors".to_owned());
            self.give(&Command::Look { service: place.to_owned(), halted, watched_since: At(0), at: self.teller.now });
        }
    }
}

/// A version that is harmful in the second region alone goes back everywhere, the last first.
pub(crate) fn harm_in_the_second_region() -> Story {
    let mut line = Line { engine: Engine::new(MemoryJournal::new()), teller: Teller::new(), under_way: vec![], there: BTreeMap::new() };
    let car = |(place, before, minutes, delay_ms, _): (&str, Option<&str>, u64, u64, Truth)| Car {
        service: place.to_owned(),
        version: "2".to_owned(),
        after: before.into_iter().map(str::to_owned).collect(),
        verify: (minutes > 0).then_some(Verify { for_ms: minutes * MINUTE_MS, approvals: 0 }),
        delay_ms,
        ..Car::default()
    };
    let Ok(spec) = Spec::build(PLACES.map(car).to_vec()) else {
        return Teller::new().end("it is no passage".to_owned());
    };
    let reason = "version 2, staging first".to_owned();
    line.give(&Command::Depart { spec, together: false, fit: None, by: "ada".to_owned(), reason, at: line.teller.now });
    for _ in 0..LOOKS_MAX {
        line.carry_out();
        line.look();
        if line.train().is_none_or(|train| matches!(train.phase, Phase::Ended { .. })) {
            break;
        }
        line.teller.now = line.teller.now.plus_ms(LOOK_MS);
    }
    let ended = line.train().is_some_and(|train| matches!(train.phase, Phase::Ended { .. }));
    line.teller.rule(ended, "a passage comes to its end", "it did not");
    let left: Vec<&str> = PLACES.iter().map(|(place, ..)| *place).filter(|place| line.of(place).gone.is_none()).collect();
    line.teller.rule(left.is_empty(), "all of it is taken back", &left.join(", "));
    let gone: Vec<Option<At>> = PLACES.iter().map(|(place, ..)| line.of(place).gone).collect();
    line.teller.rule(gone.is_sorted_by(|before, after| before > after), "the last goes back first", "another order");
    let outcome = "it went back in all three, the last first".to_owned();
    line.teller.end(outcome)
}
