//! Tests of one version that goes through environments: in order with what is verified between, and all at once.

use super::*;
use crate::id::At;
use crate::machine::Machine as _;
use crate::risk::Risk;
use std::collections::{BTreeMap, BTreeSet};
use tidegate_stats::rng::Rng;

const PLACES: [&str; 4] = ["s@staging", "s@eu", "s@us", "s@asia"];

fn car(place: &str, after: &[&str], verify: Option<Verify>, delay_ms: u64) -> Car {
    let after = after.iter().map(|s| (*s).to_owned()).collect();
    Car { service: place.to_owned(), version: "2".to_owned(), after, verify, delay_ms, ..Car::default() }
}

/// Staging, then Europe, then two others beside each other.
fn places() -> Spec {
    let verify = |for_ms, approvals| Some(Verify { for_ms, approvals });
    Spec::build(vec![
        car(PLACES[0], &[], verify(30, 1), 0),
        car(PLACES[1], &[PLACES[0]], verify(10, 0), 5),
        car(PLACES[2], &[PLACES[1]], None, 7),
        car(PLACES[3], &[PLACES[1]], verify(0, 2), 0),
    ])
    .unwrap()
}

fn depart(spec: Spec, together: bool) -> Command {
    Command::Depart { spec, together, fit: None, by: "ada".to_owned(), reason: "summer".to_owned(), at: At(0) }
}

fn give(state: &State, command: &Command) -> State {
    let events = Trains::decide(state, command).unwrap_or_default();
    // What is stored is what is read.
    let stored = |event: &Event| serde_json::from_str::<Event>(&serde_json::to_string(event).unwrap()).unwrap();
    events.iter().map(stored).fold(state.clone(), |state, event| Trains::evolve(state, &event))
}

fn started(place: &str, at: i64) -> Command {
    Command::Started { service: place.to_owned(), release: 7, at: At(at) }
}

fn arrived(place: &str, at: i64) -> Command {
    Command::Arrived { service: place.to_owned(), at: At(at) }
}

fn look(place: &str, halted: Option<&str>, watched_since: i64, at: i64) -> Command {
    Command::Look { service: place.to_owned(), halted: halted.map(str::to_owned), watched_since: At(watched_since), at: At(at) }
}

fn approve(place: &str, by: &str, at: i64) -> Command {
    Command::Approve { service: place.to_owned(), by: by.to_owned(), reason: "looks good".to_owned(), at: At(at) }
}

fn starts(state: &State, at: i64) -> Vec<String> {
    let start = |want| if let Want::Start { service, .. } = want { Some(service) } else { None };
    wants(state, At(at)).into_iter().filter_map(start).collect()
}

fn undoes(state: &State, at: i64) -> Vec<String> {
    let undo = |want| if let Want::Undo { service, .. } = want { Some(service) } else { None };
    wants(state, At(at)).into_iter().filter_map(undo).collect()
}

#[test]
fn the_next_one_begins_when_the_one_before_it_is_verified_and_all_go_back_in_reverse() {
    let mut state = give(&State::default(), &depart(places(), false));
    assert_eq!(starts(&state, 0), [PLACES[0]]);
    for command in [started(PLACES[0], 0), arrived(PLACES[0], 100), look(PLACES[0], None, 0, 129)] {
        state = give(&state, &command);
    }
    assert_eq!(starts(&state, 1_000), Vec::<String>::new(), "nobody approved it, and it is not time");
    assert_eq!(
        Trains::decide(&state, &approve(PLACES[0], "ada", 110)).unwrap_err().to_string().split(':').next(),
        Some("approve `s@staging`")
    );
    assert_eq!(Trains::decide(&state, &approve(PLACES[1], "bob", 110)).unwrap_err(), Refused::NotVerifying(PLACES[1].to_owned()));
    state = give(&state, &approve(PLACES[0], "bob", 110));
    assert_eq!(give(&state, &approve(PLACES[0], "bob", 111)), state, "the same twice is once");
    // A breaker trips: its time begins anew when it closes.
    for command in [look(PLACES[0], Some("errors"), 0, 120), look(PLACES[0], None, 0, 125), look(PLACES[0], None, 0, 154)] {
        state = give(&state, &command);
    }
    assert_eq!(starts(&state, 154), Vec::<String>::new());
    // Nobody looked before 150: what was then cannot be told.
    state = give(&state, &look(PLACES[0], None, 150, 179));
    assert_eq!(starts(&state, 179), Vec::<String>::new());
    state = give(&state, &look(PLACES[0], None, 150, 180));
    assert_eq!(starts(&state, 180), [PLACES[1]]);
    for command in [started(PLACES[1], 180), arrived(PLACES[1], 200), look(PLACES[1], None, 0, 214)] {
        state = give(&state, &command);
    }
    assert_eq!(starts(&state, 214), Vec::<String>::new(), "what was decided arrives there at 205");
    state = give(&state, &look(PLACES[1], None, 0, 215));
    assert_eq!(starts(&state, 215), [PLACES[2], PLACES[3]]);
    assert_eq!(state.passed[PLACES[1]], ["2"]);
    for command in [started(PLACES[2], 215), arrived(PLACES[2], 220), started(PLACES[3], 215)] {
        state = give(&state, &command);
    }
    state = give(&state, &Command::WentBack { service: PLACES[3].to_owned(), why: "harm".to_owned(), at: At(230) });
    assert_eq!(undoes(&state, 230), [PLACES[2]]);
    state = give(&state, &Command::Undone { service: PLACES[2].to_owned(), at: At(240) });
    assert_eq!(undoes(&state, 246), Vec::<String>::new(), "the way back arrives there at 247");
    assert_eq!(undoes(&state, 247), [PLACES[1]]);
    state = give(&state, &Command::Undone { service: PLACES[1].to_owned(), at: At(250) });
    assert_eq!(undoes(&state, 255), [PLACES[0]]);
    state = give(&state, &Command::Undone { service: PLACES[0].to_owned(), at: At(260) });
    assert_eq!(state.train.as_ref().unwrap().phase, Phase::Ended { how: End::Back });
    assert!(state.passed.values().all(Vec::is_empty), "{:?}", state.passed);
}

#[test]
fn one_that_waits_to_be_approved_says_so_when_it_is_released() {
    use crate::notify::{About, Topic};
    let state = give(&give(&State::default(), &depart(places(), false)), &started(PLACES[0], 0));
    let events = Trains::decide(&state, &arrived(PLACES[0], 10)).unwrap();
    assert!(matches!(events.as_slice(), [Event::Arrived { approvals: 1, .. }]), "{events:?}");
    assert_eq!(events[0].topic(), Some(Topic::Asked));
    let alone = Event::Arrived { service: PLACES[0].to_owned(), approvals: 0, at: At(1) };
    assert_eq!(alone.topic(), None, "each release tells of itself");
}

#[test]
fn one_that_is_looked_after_and_undone_by_hand_takes_all_back() {
    let mut state = give(&State::default(), &depart(places(), false));
    for command in [started(PLACES[0], 0), arrived(PLACES[0], 10)] {
        state = give(&state, &command);
    }
    state = give(&state, &Command::WentBack { service: PLACES[0].to_owned(), why: "undone by ada".to_owned(), at: At(20) });
    assert_eq!(state.train.unwrap().phase, Phase::Ended { how: End::Back });
}

#[test]
fn together_all_switch_in_the_same_decision() {
    let mut state = give(&State::default(), &depart(places(), true));
    assert_eq!(starts(&state, 0), PLACES, "they come up beside each other");
    let ready = |place: &str| Command::Ready { service: place.to_owned(), at: At(20) };
    for place in PLACES {
        state = give(&state, &started(place, 10));
    }
    for place in &PLACES[..3] {
        state = give(&state, &ready(place));
        assert_eq!(wants(&state, At(1_000)), []);
    }
    let events = Trains::decide(&state, &ready(PLACES[3])).unwrap();
    assert!(matches!(events.as_slice(), [Event::Ready { .. }, Event::Switched { .. }]), "{events:?}");
    state = give(&state, &ready(PLACES[3]));
    let go = |place: &str| Want::Go { service: place.to_owned(), release: 7 };
    assert_eq!(wants(&state, At(20)), PLACES.map(go));
    state = give(&state, &arrived(PLACES[0], 30));
    state = give(&state, &Command::WentBack { service: PLACES[2].to_owned(), why: "harm".to_owned(), at: At(40) });
    let abort = |place: &str| Want::Abort { service: place.to_owned(), release: 7 };
    assert_eq!(wants(&state, At(1_000)), [abort(PLACES[1]), abort(PLACES[3])], "what is not done ends, and what is done waits for that");
}

/// What was done in the world, said without the machine's words.
#[derive(Default)]
struct World {
    ready: BTreeSet<String>,
    /// When it was done, and since when nothing has halted it.
    done: BTreeMap<String, (i64, i64)>,
    halted: BTreeSet<String>,
    approved: BTreeMap<String, BTreeSet<String>>,
    gone: BTreeMap<String, i64>,
    begun: BTreeSet<String>,
}

impl World {
    /// Whether what is wanted may be done now.
    fn sound(&self, spec: &Spec, together: bool, back: bool, want: &Want, now: i64) -> Option<&'static str> {
        let ms = |n: u64| i64::try_from(n).unwrap();
        match want {
            Want::Start { service, .. } => {
                let good = |after: &String| {
                    let (car, verify) = (spec.car(after).unwrap(), spec.car(after).unwrap().verify.unwrap_or_default());
                    let Some((done, calm)) = self.done.get(after).filter(|_| !self.gone.contains_key(after)) else { return false };
                    let settled = done + ms(car.delay_ms);
                    let approvals = self.approved.get(after).map_or(0, BTreeSet::len);
                    now >= settled && now >= settled.max(*calm) + ms(verify.for_ms) && approvals >= verify.approvals as usize
                };
                let all = together || spec.car(service).unwrap().after.iter().all(good);
                (back || !all).then_some("one begins before what it comes after is done and verified, or on the way back")
            }
            Want::Go { .. } => {
                let all = spec.cars().iter().all(|car| self.ready.contains(&car.service) || self.done.contains_key(&car.service));
                (back || !together || !all).then_some("one switches before all are ready")
            }
            Want::Check { .. } => Some("signatures are looked at of a train that departed without"),
            Want::Abort { .. } => (!back).then_some("one is ended on the way on"),
            Want::Undo { service, .. } => {
                // Here all others but staging and Europe come last.
                let after: &[&str] = match service.as_str() {
                    "s@staging" => &PLACES[1..],
                    "s@eu" => &PLACES[2..],
                    _ => &[],
                };
                let over = |place: &&str| match (self.begun.contains(*place), self.gone.get(*place)) {
                    (_, Some(at)) => now >= at + ms(spec.car(place).unwrap().delay_ms),
                    (begun, None) => !begun,
                };
                (!back || !after.iter().all(over)).then_some("one is undone before those after it are, or before they have heard of it")
            }
        }
    }

    fn given(&mut self, command: &Command, now: i64) {
        match command.clone() {
            Command::Started { service, .. } => drop(self.begun.insert(service)),
            Command::Ready { service, .. } => drop(self.ready.insert(service)),
            Command::Arrived { service, .. } => drop(self.done.insert(service, (now, now))),
            Command::WentBack { service, .. } | Command::Undone { service, .. } => drop(self.gone.insert(service, now)),
            Command::Look { service, halted: Some(_), .. } => drop(self.halted.insert(service)),
            Command::Look { service, halted: None, .. } if self.halted.remove(&service) => {
                self.done.entry(service).and_modify(|(_, calm)| *calm = now);
            }
            Command::Approve { service, by, .. } if by != "ada" => drop(self.approved.entry(service).or_default().insert(by)),
            _ => {}
        }
    }
}

/// What may happen next; `harm` is one chance in so many that something goes wrong.
fn next(state: &State, now: i64, rng: &mut Rng, harm: u64) -> Option<Command> {
    let (at, bad) = (At(now), rng.below(harm) == 0);
    let back = |service: String| Command::WentBack { service, why: "harm".to_owned(), at };
    let train = state.train.as_ref().unwrap();
    let mut all = vec![];
    for want in wants(state, at) {
        all.push(match want {
            Want::Start { service, .. } if bad => back(service),
            Want::Start { service, .. } => Command::Started { service, release: 7, at },
            Want::Go { service, .. } => {
                if bad {
                    back(service)
                } else {
                    Command::Arrived { service, at }
                }
            }
            Want::Check { service } => back(service),
            Want::Abort { service, .. } => back(service),
            Want::Undo { service, .. } => Command::Undone { service, at },
        });
    }
    for (service, car) in &train.cars {
        let service = service.clone();
        match car {
            CarState::Runs { .. } | CarState::Ready { .. } if bad => all.push(back(service)),
            CarState::Runs { .. } if train.together && train.phase == Phase::Forward => all.push(Command::Ready { service, at }),
            CarState::Runs { .. } => all.push(Command::Arrived { service, at }),
            CarState::Verifies { .. } => {
                let halted = (rng.below(3) == 0).then(|| "errors".to_owned());
                all.push(Command::Look { service: service.clone(), halted, watched_since: At(0), at });
                let by = ["ada", "bob", "eve"][usize::try_from(rng.below(3)).unwrap()].to_owned();
                all.push(Command::Approve { service, by, reason: "good".to_owned(), at });
            }
            _ => {}
        }
    }
    if harm < 100 && rng.below(60) == 0 {
        all.push(Command::TurnBack { by: "ada".to_owned(), reason: "not today".to_owned(), at });
    }
    let which = usize::try_from(rng.below(all.len().max(1) as u64)).unwrap();
    (which < all.len()).then(|| all.swap_remove(which))
}

#[test]
fn whatever_happens_no_place_is_touched_before_its_time() {
    let (mut ends, mut steps) = (BTreeMap::<String, u32>::new(), 0_u32);
    for seed in 0..3_000 {
        let mut rng = Rng::new(seed);
        let (together, harm) = (seed % 2 == 0, [6, 30, 1_000_000][usize::try_from(seed % 3).unwrap()]);
        let (mut state, mut world, mut now) = (give(&State::default(), &depart(places(), together)), World::default(), 0_i64);
        let ended = |state: &State| match &state.train.as_ref().unwrap().phase {
            Phase::Ended { how } => Some(format!("{how:?} {together}")),
            _ => None,
        };
        while ended(&state).is_none() {
            let back = matches!(state.train.as_ref().unwrap().phase, Phase::Back { .. });
            for want in wants(&state, At(now)) {
                assert_eq!(world.sound(&places(), together, back, &want, now), None, "{want:?} at {now} in {state:?}");
            }
            if let Some(command) = next(&state, now, &mut rng, harm).filter(|_| rng.below(3) > 0) {
                let after = give(&state, &command);
                if after != state {
                    world.given(&command, now);
                }
                state = after;
            } else {
                now += i64::try_from(rng.below(8)).unwrap();
            }
            steps += 1;
            assert!(now < 1_000_000, "it waits for ever: {state:?}");
        }
        let there = state.train.as_ref().unwrap().cars.values().filter(|car| matches!(car, CarState::Arrived { .. })).count();
        let end = ended(&state).unwrap();
        assert_eq!(there, if end.starts_with("Arrived") { 4 } else { 0 }, "all or nothing: {state:?}");
        *ends.entry(end).or_default() += 1;
    }
    assert!(ends.len() == 4 && ends.values().all(|n| *n > 300) && steps > 50_000, "{ends:?} in {steps} steps");
}

#[test]
fn facts_of_before_are_read_as_they_were() {
    let old = r#"{"event":"departed","number":1,"spec":[{"service":"s","version":"2","after":[],"irreversible":false}],"by":"ada","reason":"x","at":0}"#;
    let event: Event = serde_json::from_str(old).unwrap();
    assert_eq!(serde_json::to_string(&event).unwrap(), old);
}

#[test]
fn a_risk_that_was_told_stays_with_its_car_and_another_one_is_another_departure() {
    let risk = Risk::new(0.03, "model 12").unwrap();
    let spec = places().with_risks(|place| (place != PLACES[3]).then(|| risk.clone()));
    let state = give(&State::default(), &depart(spec.clone(), false));
    let kept = |place: &str| state.train.as_ref().unwrap().spec.car(place).unwrap().risk.clone();
    assert_eq!(PLACES.map(kept), [Some(risk.clone()), Some(risk.clone()), Some(risk), None]);
    assert_eq!(Trains::decide(&state, &depart(spec, false)).unwrap(), []);
    assert_eq!(Trains::decide(&state, &depart(places(), false)).unwrap_err(), Refused::UnderWay(1));
}
