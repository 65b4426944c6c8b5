//! The written story of signatures: a train that does not depart for a column with another name, departs with the old one kept beside
//! it, stands still when somebody changes what a later service meets, and goes on when that is put right. The real machine of trains and
//! the real comparison decide; whether what starts may start is looked at here once more, column by column.

use crate::scenario::Scenario;
use crate::story::{Story, Teller};
use crate::train::{ended, words};
use crate::world::World;
use std::collections::BTreeMap;
use tidegate_core::model::{Face, Field};
use tidegate_core::train::{Car, Command, Fit, Party, Phase, Spec, Trains, Want, fit, wants};
use tidegate_engine::Engine;
use tidegate_port::memory::MemoryJournal;
use tidegate_stats::rng::Rng;

const STREAM: &str = "train/checkout";
const MINUTE_MS: u64 = 60_000;
/// Steps of the story, more than it has.
const STEPS_MAX: usize = 30;

type Columns = &'static [(&'static str, &'static str)];
/// What a version gives under a name, and what it takes under another one.
type Version = (&'static str, &'static str, (&'static str, Columns), (&'static str, Columns));

const NOTHING: (&str, Columns) = ("", &[]);
/// By service and version. Page 5 expects a score in words.
const VERSIONS: &[Version] = &[
    ("features", "1", ("rows", &[("spend", "float64")]), NOTHING),
    ("features", "2", ("rows", &[("spend_eur", "float64")]), NOTHING),
    ("features", "3", ("rows", &[("spend", "float64"), ("spend_eur", "float64")]), NOTHING),
    ("ranker", "1", ("scores", &[("score", "float32")]), ("rows", &[("spend", "float64")])),
    ("ranker", "2", ("scores", &[("score", "float32")]), ("rows", &[("spend_eur", "float64")])),
    ("page", "4", NOTHING, ("scores", &[("score", "float64")])),
    ("page", "5", NOTHING, ("scores", &[("score", "string")])),
];

fn version(service: &str, version: &str) -> Option<&'static Version> {
    VERSIONS.iter().find(|(name, number, ..)| *name == service && *number == version)
}

fn face(service: &str, number: &str) -> Option<Face> {
    let (_, _, gives, takes) = version(service, number)?;
    let all = |(name, columns): &(&str, Columns)| -> BTreeMap<String, Vec<Field>> {
        let fields = columns.iter().filter_map(|(column, kind)| Field::parse(column, kind).ok()).collect();
        if name.is_empty() { BTreeMap::new() } else { BTreeMap::from([((*name).to_owned(), fields)]) }
    };
    Some(Face { version: number.to_owned(), gives: all(gives), takes: all(takes) })
}

struct Line {
    engine: Engine<MemoryJournal>,
    teller: Teller,
    /// The version of each service that serves.
    live: BTreeMap<&'static str, String>,
}

impl Line {
    fn give(&mut self, command: &Command) {
        match self.engine.execute::<Trains>(STREAM, None, command, self.teller.now) {
            Ok(done) => done.events.iter().for_each(|event| self.teller.tell(&words(event))),
            Err(error) => self.teller.tell(&format!("refused: {error}")),
        }
    }

    /// What meets, with what a train brings.
    fn fit(&self, spec: &Spec, only: Option<&str>) -> Fit {
        let party = |(service, live): (&&str, &String)| {
            let coming = spec.car(service).map(|car| &car.version).filter(|version| *version != live);
            let coming = coming.and_then(|version| face(service, version));
            Party { name: (*service).to_owned(), is_data: false, live: face(service, live), coming }
        };
        fit(spec, &self.live.iter().map(party).collect::<Vec<_>>(), only)
    }

    fn depart(&mut self, features: &str, reason: &str) {
        let car = |service: &str, version: &str, after: &[&str]| Car {
            service: service.to_owned(),
            version: version.to_owned(),
            after: after.iter().map(|s| (*s).to_owned()).collect(),
            ..Car::default()
        };
        let Ok(spec) = Spec::build(vec![car("features", features, &[]), car("ranker", "2", &["features"])]) else { return };
        let fit = Some(self.fit(&spec, None));
        self.give(&Command::Depart { spec, together: false, fit, by: "ada".to_owned(), reason: reason.to_owned(), at: self.teller.now });
    }

    /// Whether each column that is taken beside a starting version is given with a type that can be read.
    fn may_start(&self, service: &str, number: &str) -> bool {
        let Some((_, _, gives, takes)) = version(service, number) else { return false };
        let reads = |(giver, given): &(&str, Columns), (taker, taken): &(&str, Columns)| {
            let fits = |from: &str, to: &str| from == to || (from == "float32" && to == "float64");
            let there = |(column, to): &(&str, &str)| given.iter().any(|(known, from)| known == column && fits(from, to));
            giver.is_empty() || giver != taker || taken.iter().all(there)
        };
        let mut others = self.live.iter().filter(|(name, _)| **name != service).filter_map(|(name, live)| version(name, live));
        others.all(|(_, _, others_give, others_take)| reads(gives, others_take) && reads(others_give, takes))
    }

    /// Carries out what the train wants; false where nothing can be done now.
    fn carry_out(&mut self) -> bool {
        let state = self.engine.state::<Trains>(STREAM).unwrap_or_default();
        let (mut moved, Some(train)) = (false, &state.train) else { return false };
        for want in wants(&state, self.teller.now) {
            match want {
                Want::Check { service } => {
                    let found = self.fit(&train.spec, Some(&service));
                    moved |= train.fits.get(&service) != Some(&found);
                    self.give(&Command::Checked { service, fit: found, at: self.teller.now });
                }
                Want::Start { service, version } => {
                    let good = self.may_start(&service, &version);
                    self.teller.rule(good, "nothing starts that does not fit what is there", &service);
                    self.give(&Command::Started { service: service.clone(), release: 1, at: self.teller.now });
                    let (_, ms) = ended(&World::of(1, Rng::new(1), Scenario { shadow: false, ..Scenario::calm() }, None));
                    self.teller.now = self.teller.now.plus_ms(ms);
                    if let Some(live) = self.live.get_mut(service.as_str()) {
                        *live = version;
                    }
                    self.give(&Command::Arrived { service: service.clone(), at: self.teller.now });
                    if service == "features" {
                        self.release_page("5", "mary releases page 5, which expects a score in words");
                    }
                    moved = true;
                }
                Want::Go { .. } | Want::Abort { .. } | Want::Undo { .. } => {}
            }
        }
        moved
    }

    fn release_page(&mut self, number: &str, told: &str) {
        self.live.insert("page", number.to_owned());
        self.teller.tell(told);
    }
}

/// A train refused for a signature, and one that stands still at a later step until what changed is put right.
pub(crate) fn refused_and_stopped() -> Story {
    let live = [("features", "1"), ("ranker", "1"), ("page", "4")].map(|(name, number)| (name, number.to_owned())).into();
    let mut line = Line { engine: Engine::new(MemoryJournal::new()), teller: Teller::new(), live };
    line.depart("2", "spend is in euros, and is called so");
    let refused = line.engine.state::<Trains>(STREAM).is_ok_and(|state| state.train.is_none());
    line.teller.rule(refused, "a train that does not fit does not depart", "it did");
    line.depart("3", "spend keeps its old name, too");
    let mut stood = false;
    for _ in 0..STEPS_MAX {
        if line.carry_out() {
            continue;
        }
        let Some(train) = line.engine.state::<Trains>(STREAM).ok().and_then(|state| state.train) else { break };
        if train.misfit().is_none() {
            break;
        }
        stood = true;
        line.teller.now = line.teller.now.plus_ms(30 * MINUTE_MS);
        line.release_page("4", "mary takes page 5 back");
    }
    line.teller.rule(stood, "a train stands still before what does not fit", "it did not");
    let train = line.engine.state::<Trains>(STREAM).ok().and_then(|state| state.train);
    let arrived =
        train.is_some_and(|train| matches!(train.phase, Phase::Ended { .. })) && line.live.get("ranker").is_some_and(|v| v == "2");
    line.teller.rule(arrived, "it goes on when what changed is put right", "it did not");
    line.teller.end("refused once, stood still once, and arrived".to_owned())
}
