//! The written story of two releases at once, one of which is guilty: what another service shows is its fault, and its own judge sees
//! nothing, for wrong answers are answers. It is aborted; the innocent one stands until the breaker closes, and goes on.

use crate::halted::{LOOK_MS, SERVICES, World};
use crate::scenario::Scenario;
use crate::story::Story;
use std::collections::BTreeMap;
use tidegate_core::blame::{Suspect, Symptom, blame, growth};
use tidegate_core::id::At;
use tidegate_core::judge::Verdict;
use tidegate_core::rollout::{Command, Event};
use tidegate_port::Journal as _;

/// When users meet each of them: search first, pay two minutes before the errors.
const MEET: [i64; 2] = [0, 12];
const ERRORS: i64 = 14;

/// Both meet users; pay is in what page calls, and page shows errors.
pub(crate) fn one_of_two() -> Story {
    let mut world = World::new();
    let [innocent, guilty] = SERVICES;
    for (stream, minute) in SERVICES.into_iter().zip(MEET) {
        world.now = At(minute * LOOK_MS.cast_signed());
        let spec = Box::new(Scenario::calm().spec());
        world.give(stream, &Command::Start { spec, at: world.now }, false);
        world.judged(stream, Verdict::Promote, false);
    }
    world.now = At(ERRORS * LOOK_MS.cast_signed());
    let began = world.now;
    for _ in 0..3 {
        world.signals(Ok(0.3));
        world.now = world.now.plus_ms(LOOK_MS);
    }
    let suspects: Vec<Suspect> = SERVICES.into_iter().map(|stream| suspect(&mut world, stream)).collect();
    let calls = BTreeMap::from([("page".to_owned(), vec!["pay".to_owned()])]);
    let found = blame(&Symptom { service: Some("page".to_owned()), place: None, began }, &suspects, &calls);
    for found in &found.found {
        world.tell(&format!("{} is to blame by {:.0} %: {}", found.release, found.share * 100.0, found.why.join(", ")));
    }
    let name = found.guilty().map(|found| format!("rollout/{}", found.release));
    world.rule(name.as_deref() == Some(guilty), "the guilty one is found", &format!("{name:?}"));
    let stood = world.rollout(innocent).and_then(|open| open.forward());
    if name.is_some() {
        let (by, reason) = ("breaker production".to_owned(), "it is to blame for the errors of page".to_owned());
        world.give(guilty, &Command::Abort { by, reason, at: world.now }, true);
    }
    for _ in 0..4 {
        world.signals(Ok(0.01));
        world.now = world.now.plus_ms(LOOK_MS);
    }
    let still = world.rollout(innocent).and_then(|open| open.forward());
    world.rule(stood.is_some() && still == stood, "the innocent one stands where it stood", &format!("{still:?}"));
    world.judged(innocent, Verdict::Promote, false);
    let on = world.rollout(innocent).and_then(|open| open.forward());
    world.rule(on.is_some() && on != stood, "the innocent one goes on when the breaker is closed", &format!("{on:?}"));
    let back = world.rollout(guilty).is_some_and(|open| open.forward().is_none());
    world.rule(back, "the guilty one goes back", "it did not");
    let World { now, lines, violations, .. } = world;
    Story { seed: 0, fault: None, lines, violations, outcome: "one was guilty, and the other left alone".to_owned(), lasted_ms: now.0 }
}

/// A release by what its journal says of its share; its own judge has seen nothing.
fn suspect(world: &mut World, stream: &str) -> Suspect {
    let release = stream.trim_start_matches("rollout/").to_owned();
    let service = release.split('/').next().unwrap_or_default().to_owned();
    let records = world.engine.journal().read_stream(stream, 0).unwrap_or_default();
    let events: Vec<Event> = records.into_iter().filter_map(|record| serde_json::from_value(record.body).ok()).collect();
    Suspect { release, service, place: None, growth: growth(&events), evidence: Some((1.0, 1.0)) }
}
