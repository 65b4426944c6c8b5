//! The written story of a train: four services in order, the last of which is harmful, and back in reverse past one that cannot be
//! taken back. The real machine of trains says what starts and what is undone; each release is a whole world of its own, with the
//! real rollout machine and judge in it. What may start and be undone is counted here once more.

use crate::scenario::{Scenario, Truth};
use crate::story::{Story, Teller};
use crate::world::World;
use std::collections::{BTreeMap, BTreeSet};
use tidegate_core::id::At;
use tidegate_core::train::{Car, CarState, Command, Event, Phase, Spec, Train, Trains, Want, wants};
use tidegate_engine::Engine;
use tidegate_port::memory::MemoryJournal;
use tidegate_stats::rng::Rng;

const STREAM: &str = "train/checkout";
const MINUTE_MS: u64 = 60_000;
/// How long an undo takes.
const UNDO_MS: u64 = 30_000;
/// Steps of the story, more than it has.
const STEPS_MAX: usize = 100;

/// Services by what they come after, and whether the new version is good.
const CARS: [(&str, &[&str], bool, Truth); 4] = [
    ("features", &[], false, Truth::Good),
    ("schema", &["features"], true, Truth::Good),
    ("ranker", &["features"], false, Truth::Good),
    ("page", &["schema", "ranker"], false, Truth::Harmful),
];

struct Line {
    engine: Engine<MemoryJournal>,
    teller: Teller,
    /// What is under way: when it will be told.
    under_way: Vec<(At, Command)>,
    /// Whether the new version of a service is there, as the world has it.
    there: BTreeMap<&'static str, bool>,
    /// What a person saw to.
    left: BTreeSet<String>,
}

impl Line {
    fn train(&mut self) -> Option<Train> {
        self.engine.state::<Trains>(STREAM).ok()?.train
    }

    fn give(&mut self, command: &Command) {
        let done = self.engine.execute::<Trains>(STREAM, None, command, self.teller.now);
        match done {
            Ok(done) => done.events.iter().for_each(|event| self.told(event)),
            Err(error) => self.teller.tell(&format!("refused: {error}")),
        }
    }

    fn told(&mut self, event: &Event) {
        let line = words(event);
        self.teller.tell(&line);
    }

    /// Carries out what the train wants: a release is a world that is played to its end.
    fn carry_out(&mut self) {
        for want in wants(&self.engine.state::<Trains>(STREAM).unwrap_or_default(), self.teller.now) {
            let service = match &want {
                Want::Start { service, .. }
                | Want::Check { service }
                | Want::Go { service, .. }
                | Want::Undo { service, .. }
                | Want::Abort { service, .. } => service.clone(),
            };
            let Some((name, after, irreversible, truth)) = CARS.iter().find(|(name, ..)| *name == service).copied() else { continue };
            let is_there = |line: &Line, service: &str| line.there.get(service) == Some(&true);
            match want {
                Want::Start { .. } => {
                    let ready = after.iter().all(|service| is_there(self, service));
                    self.teller.rule(ready, "a release waits for what it needs", name);
                    self.give(&Command::Started { service: service.clone(), release: 1, at: self.teller.now });
                    let story = World::of(1, Rng::new(1), Scenario { truth, shadow: false, ..Scenario::calm() }, None);
                    let (good, ms) = ended(&story);
                    let at = self.teller.now.plus_ms(ms);
                    self.teller.rule(good == (truth == Truth::Good), "the judge tells good from harmful", &story.outcome);
                    let why = "the judge found harm, and its release went back".to_owned();
                    let ended = if good { Command::Arrived { service, at } } else { Command::WentBack { service, why, at } };
                    self.under_way.push((at, ended));
                }
                Want::Undo { .. } => {
                    let stands = |line: &Line, other: &str| is_there(line, other) && !line.left.contains(other);
                    let needed = CARS.iter().any(|(other, after, ..)| after.contains(&name) && stands(self, other));
                    self.teller.rule(
                        !needed && !irreversible,
                        "nothing is undone that others stand on, or that cannot be taken back",
                        name,
                    );
                    let at = self.teller.now.plus_ms(UNDO_MS);
                    if !self.under_way.iter().any(|(_, known)| matches!(known, Command::Undone { service: s, .. } if *s == service)) {
                        self.under_way.push((at, Command::Undone { service, at }));
                    }
                }
                // The world of a release is over when its end is known.
                Want::Abort { .. } | Want::Go { .. } | Want::Check { .. } => {}
            }
        }
    }

    /// Time passes until the next thing ends; false where nothing is under way.
    fn wait(&mut self) -> bool {
        let Some(next) = (0..self.under_way.len()).min_by_key(|i| self.under_way.get(*i).map(|(at, _)| *at)) else { return false };
        let (at, command) = self.under_way.remove(next);
        self.teller.now = at;
        for (name, ..) in CARS {
            match &command {
                Command::Arrived { service, .. } if *service == name => self.there.insert(name, true),
                Command::Undone { service, .. } if *service == name => self.there.insert(name, false),
                _ => None,
            };
        }
        self.give(&command);
        true
    }

    fn asked(&mut self) -> Option<String> {
        let train = self.train()?;
        train.cars.into_iter().find(|(_, car)| matches!(car, CarState::Asks { .. })).map(|(service, _)| service)
    }
}

/// An event in words.
pub(crate) fn words(event: &Event) -> String {
    match event {
        Event::Departed { by, reason, .. } => format!("{by} lets the train depart: {reason}"),
        Event::Checked { service, fit, .. } => format!("{service}: {}", fit.words()),
        Event::Started { service, .. } => format!("{service}: its release begins"),
        Event::Arrived { service, .. } => format!("{service}: released"),
        Event::WentBack { service, why, .. } => format!("{service}: {why}"),
        Event::Ready { service, .. } => format!("{service}: ready to switch"),
        Event::Switched { .. } => "all are ready, and switch".to_owned(),
        Event::Disturbed { service, why, .. } => format!("{service}: halted: {why}"),
        Event::Calmed { service, .. } => format!("{service}: nothing halts it any more"),
        Event::Approved { service, by, .. } => format!("{service}: approved by {by}"),
        Event::Verified { service, .. } => format!("{service}: verified"),
        Event::TurnedBack { .. } => "the train goes back".to_owned(),
        Event::Undone { service, .. } => format!("{service}: undone"),
        Event::Asked { service, why, .. } => format!("{service}: a person is called: {why}"),
        Event::Left { service, by, reason, .. } => format!("{service}: left as it is by {by}: {reason}"),
        Event::Ended { how, .. } => format!("the train has ended: {how:?}").to_lowercase(),
    }
}

/// How the first attempt of a release ended, and when.
pub(crate) fn ended(story: &Story) -> (bool, u64) {
    let end = story.lines.iter().find_map(|line| {
        let (seconds, what) = line.split_once(" s  ")?;
        let good = match what {
            "released" => true,
            "rolled back" => false,
            _ => return None,
        };
        Some((good, seconds.trim().parse::<f64>().ok()?))
    });
    end.map_or((false, 0), |(good, seconds)| (good, (seconds * 1_000.0) as u64))
}

/// A train whose last release is harmful goes back in reverse, past a schema that cannot be taken back.
pub(crate) fn back_past_what_cannot_be_undone() -> Story {
    let (there, left) = (BTreeMap::new(), BTreeSet::new());
    let mut line = Line { engine: Engine::new(MemoryJournal::new()), teller: Teller::new(), under_way: vec![], there, left };
    let car = |(service, after, irreversible, _): (&str, &[&str], bool, Truth)| Car {
        service: service.to_owned(),
        version: "2".to_owned(),
        after: after.iter().map(|s| (*s).to_owned()).collect(),
        irreversible,
        ..Car::default()
    };
    let Ok(spec) = Spec::build(CARS.map(car).to_vec()) else {
        return Teller::new().end("it is no train".to_owned());
    };
    line.give(&Command::Depart {
        spec,
        together: false,
        fit: None,
        by: "ada".to_owned(),
        reason: "the summer's features".to_owned(),
        at: line.teller.now,
    });
    for _ in 0..STEPS_MAX {
        line.carry_out();
        if line.wait() {
            continue;
        }
        // Nothing moves: somebody is asked, and answers half an hour later.
        let Some(service) = line.asked() else { break };
        let still = line.there.get("features") == Some(&true);
        line.teller.rule(service == "schema" && still, "it stands before what cannot be taken back", &service);
        line.teller.now = line.teller.now.plus_ms(30 * MINUTE_MS);
        line.left.insert(service.clone());
        let reason = "old readers can read the new rows".to_owned();
        line.give(&Command::Leave { service, by: "grace".to_owned(), reason, at: line.teller.now });
    }
    let ended = line.train().is_some_and(|train| matches!(train.phase, Phase::Ended { .. }));
    line.teller.rule(ended, "a train comes to its end", "it did not");
    let left: Vec<&str> = line.there.iter().filter(|(_, there)| **there).map(|(name, _)| *name).collect();
    let outcome = format!("it went back; left as it is: {}", left.join(", "));
    line.teller.rule(left == ["schema"], "all but what cannot be taken back is undone", &outcome);
    line.teller.end(outcome)
}
