//! When each car may start, and what is undone when one of them goes back.

use super::fact::{Cause, Command, End, Event, Refused, Want};
use super::spec::{Car, Spec};
use crate::id::At;
use crate::line::line;
use crate::machine::Machine;
use serde::Serialize;
use std::collections::BTreeMap;

/// Longest reason that is kept, in bytes.
const TEXT_BYTES_MAX: usize = 1_000;

/// How a car stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "car", rename_all = "snake_case")]
pub enum CarState {
    /// Its release has not begun.
    Waits,
    /// Its release is under way.
    Runs {
        /// Number of the release.
        release: u64,
    },
    /// It is released.
    Arrived {
        /// Number of the release.
        release: u64,
    },
    /// Its release ended with the old version, or could not begin.
    Back {
        /// Why.
        why: String,
    },
    /// It was released and is undone.
    Undone,
    /// It was released, should be undone, and cannot be by itself: a person must see to it.
    Asks {
        /// Number of the release.
        release: u64,
        /// Why.
        why: String,
    },
    /// A person saw to it, and it counts as undone.
    Left {
        /// Who.
        by: String,
    },
}

/// Where a train is on its way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "phase", rename_all = "snake_case")]
pub enum Phase {
    /// On.
    Forward,
    /// Back.
    Back {
        /// Why.
        cause: Cause,
    },
    /// Nothing is left to do.
    Ended {
        /// How.
        how: End,
    },
}

/// A train under way, or the last one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Train {
    /// Counted from 1.
    pub number: u64,
    /// Its cars.
    pub spec: Spec,
    /// Who let it depart.
    pub by: String,
    /// Since when.
    pub since: At,
    /// Where it is.
    pub phase: Phase,
    /// How each car stands, by its service.
    pub cars: BTreeMap<String, CarState>,
}

/// The fold of a train's facts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct State {
    /// The newest.
    pub train: Option<Train>,
}

impl Train {
    fn car(&self, service: &str) -> CarState {
        self.cars.get(service).cloned().unwrap_or(CarState::Waits)
    }

    /// Whether nothing of a car is left that others must be undone before.
    fn is_gone(&self, car: &Car) -> bool {
        matches!(self.car(&car.service), CarState::Waits | CarState::Back { .. } | CarState::Undone | CarState::Left { .. })
    }

    /// Whether it is the car's turn to be undone: nothing that came after it, directly or through others, is left.
    fn is_last(&self, car: &Car) -> bool {
        let (mut look, mut seen) = (vec![car.service.as_str()], vec![]);
        while let Some(service) = look.pop() {
            for follower in self.spec.followers(service) {
                if !self.is_gone(follower) {
                    return false;
                }
                if !seen.contains(&follower.service.as_str()) {
                    seen.push(follower.service.as_str());
                    look.push(follower.service.as_str());
                }
            }
        }
        true
    }
}

/// What a state asks for.
#[must_use]
pub fn wants(state: &State) -> Vec<Want> {
    let Some(train) = &state.train else { return vec![] };
    let arrived = |service: &String| matches!(train.car(service), CarState::Arrived { .. });
    let of = |car: &Car| {
        let service = car.service.clone();
        match (&train.phase, train.car(&car.service)) {
            (Phase::Forward, CarState::Waits) if car.after.iter().all(arrived) => {
                Some(Want::Start { service, version: car.version.clone() })
            }
            (Phase::Back { .. }, CarState::Runs { release }) => Some(Want::Abort { service, release }),
            (Phase::Back { .. }, CarState::Arrived { release }) if !car.irreversible && train.is_last(car) => {
                Some(Want::Undo { service, release })
            }
            _ => None,
        }
    };
    train.spec.cars().iter().filter_map(of).collect()
}

/// Trains of one name.
#[derive(Clone, Copy, Debug)]
pub struct Trains;

impl Machine for Trains {
    const KIND: &'static str = "train";
    type State = State;
    type Command = Command;
    type Event = Event;
    type Refused = Refused;

    fn decide(state: &State, command: &Command) -> Result<Vec<Event>, Refused> {
        let mut events = direct(state, command)?;
        let after = |events: &[Event]| events.iter().fold(state.clone(), Trains::evolve);
        // What follows of itself: a car that went back turns the train, one whose turn it is asks, and at last it ends.
        while let Some(next) = after(&events).train.and_then(|train| follows(&train, command.at())) {
            events.push(next);
        }
        Ok(events)
    }

    fn evolve(mut state: State, event: &Event) -> State {
        if let Event::Departed { number, spec, by, at, .. } = event {
            let cars = spec.cars().iter().map(|car| (car.service.clone(), CarState::Waits)).collect();
            let (spec, by) = (spec.clone(), by.clone());
            state.train = Some(Train { number: *number, spec, by, since: *at, phase: Phase::Forward, cars });
        } else if let Some(train) = &mut state.train {
            apply(train, event);
        }
        state
    }
}

fn apply(train: &mut Train, event: &Event) {
    let release = |train: &Train, service: &str| match train.car(service) {
        CarState::Runs { release } | CarState::Arrived { release } | CarState::Asks { release, .. } => release,
        _ => 0,
    };
    let (service, next) = match event {
        Event::Started { service, release, .. } => (service, CarState::Runs { release: *release }),
        Event::Arrived { service, .. } => (service, CarState::Arrived { release: release(train, service) }),
        Event::WentBack { service, why, .. } => (service, CarState::Back { why: why.clone() }),
        Event::Undone { service, .. } => (service, CarState::Undone),
        Event::Asked { service, why, .. } => (service, CarState::Asks { release: release(train, service), why: why.clone() }),
        Event::Left { service, by, .. } => (service, CarState::Left { by: by.clone() }),
        Event::TurnedBack { cause, .. } => return train.phase = Phase::Back { cause: cause.clone() },
        Event::Ended { how, .. } => return train.phase = Phase::Ended { how: *how },
        Event::Departed { .. } => return,
    };
    train.cars.insert(service.clone(), next);
}

fn follows(train: &Train, at: At) -> Option<Event> {
    let cars = || train.spec.cars().iter();
    match &train.phase {
        Phase::Forward => {
            let back = cars().find_map(|car| match train.car(&car.service) {
                CarState::Back { why } => Some(Cause::Car { service: car.service.clone(), why }),
                _ => None,
            });
            if let Some(cause) = back {
                return Some(Event::TurnedBack { cause, at });
            }
            let all = cars().all(|car| matches!(train.car(&car.service), CarState::Arrived { .. }));
            all.then_some(Event::Ended { how: End::Arrived, at })
        }
        Phase::Back { .. } => {
            let stuck =
                cars().find(|car| car.irreversible && matches!(train.car(&car.service), CarState::Arrived { .. }) && train.is_last(car));
            if let Some(car) = stuck {
                let why = "it is irreversible: see to what it did, then let the train go on without it".to_owned();
                return Some(Event::Asked { service: car.service.clone(), why, at });
            }
            let left = cars().any(|car| matches!(train.car(&car.service), CarState::Left { .. }));
            let how = if left { End::Left } else { End::Back };
            cars().all(|car| train.is_gone(car)).then_some(Event::Ended { how, at })
        }
        Phase::Ended { .. } => None,
    }
}

fn direct(state: &State, command: &Command) -> Result<Vec<Event>, Refused> {
    let open = state.train.as_ref().filter(|train| !matches!(train.phase, Phase::Ended { .. }));
    match command {
        Command::Depart { by, reason, .. } if !said(by, reason) => return Err(Refused::NoReason("let depart")),
        Command::TurnBack { by, reason, .. } if !said(by, reason) => return Err(Refused::NoReason("let go back")),
        Command::Leave { by, reason, .. } if !said(by, reason) => return Err(Refused::NoReason("leave a part of")),
        Command::Depart { spec, by, reason, at } => {
            if let Some(train) = open {
                // The same again, as after an answer that was lost.
                let same = train.spec == *spec && train.by == *by;
                return if same { Ok(vec![]) } else { Err(Refused::UnderWay(train.number)) };
            }
            let number = state.train.as_ref().map_or(0, |train| train.number) + 1;
            let (spec, by, reason) = (spec.clone(), by.clone(), line(reason, TEXT_BYTES_MAX));
            return Ok(vec![Event::Departed { number, spec, by, reason, at: *at }]);
        }
        _ => {}
    }
    let Some(train) = open else {
        return match command {
            Command::TurnBack { .. } => Err(Refused::None("let go back")),
            Command::Leave { .. } => Err(Refused::None("leave a part of")),
            // Of a train that has ended nothing is news.
            _ => Ok(vec![]),
        };
    };
    Ok(match command {
        Command::TurnBack { by, reason, at } => match train.phase {
            Phase::Forward => {
                vec![Event::TurnedBack { cause: Cause::Person { by: by.clone(), reason: line(reason, TEXT_BYTES_MAX) }, at: *at }]
            }
            _ => return Err(Refused::Already),
        },
        Command::Leave { service, by, reason, at } => match train.car(service) {
            CarState::Asks { .. } => {
                vec![Event::Left { service: service.clone(), by: by.clone(), reason: line(reason, TEXT_BYTES_MAX), at: *at }]
            }
            _ => return Err(Refused::NotAsked(service.clone())),
        },
        seen => seen_of(train, seen).into_iter().collect(),
    })
}

/// What is news of what was seen of a release: what does not fit the car is late, or of another.
fn seen_of(train: &Train, command: &Command) -> Option<Event> {
    let forward = train.phase == Phase::Forward;
    Some(match command {
        Command::Started { service, release, at } if train.car(service) == CarState::Waits && train.spec.car(service).is_some() => {
            // Begun just before the train turned: known, so that it is ended.
            Event::Started { service: service.clone(), release: *release, at: *at }
        }
        Command::Arrived { service, at } if matches!(train.car(service), CarState::Runs { .. }) => {
            Event::Arrived { service: service.clone(), at: *at }
        }
        Command::WentBack { service, why, at } => match train.car(service) {
            CarState::Runs { .. } => Event::WentBack { service: service.clone(), why: line(why, TEXT_BYTES_MAX), at: *at },
            CarState::Waits if forward && train.spec.car(service).is_some() => {
                Event::WentBack { service: service.clone(), why: line(why, TEXT_BYTES_MAX), at: *at }
            }
            // Somebody undid it by hand.
            CarState::Arrived { .. } | CarState::Asks { .. } if !forward => Event::Undone { service: service.clone(), at: *at },
            CarState::Arrived { .. } => Event::WentBack { service: service.clone(), why: line(why, TEXT_BYTES_MAX), at: *at },
            _ => return None,
        },
        Command::Undone { service, at } if !forward && matches!(train.car(service), CarState::Arrived { .. } | CarState::Asks { .. }) => {
            Event::Undone { service: service.clone(), at: *at }
        }
        Command::CannotUndo { service, why, at }
            if !forward && matches!(train.car(service), CarState::Runs { .. } | CarState::Arrived { .. }) =>
        {
            Event::Asked { service: service.clone(), why: line(why, TEXT_BYTES_MAX), at: *at }
        }
        _ => return None,
    })
}

fn said(by: &str, reason: &str) -> bool {
    !by.trim().is_empty() && !reason.trim().is_empty()
}
