//! When each car may start, and what is undone when one of them goes back.

use super::fact::{Cause, Command, End, Event, Refused, Want};
use super::fit::Fit;
use super::spec::{Car, Spec};
use crate::id::At;
use crate::line::line;
use crate::machine::Machine;
use serde::Serialize;
use std::collections::BTreeMap;

/// Longest reason that is kept, in bytes.
const TEXT_BYTES_MAX: usize = 1_000;
/// Versions that are remembered as good for each service.
pub const PASSED_MAX: usize = 100;

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
    /// Its release could switch, and waits until those of all others can.
    Ready {
        /// Number of the release.
        release: u64,
    },
    /// It is released, and is looked after until what must be true of it is.
    Verifies {
        /// Number of the release.
        release: u64,
        /// Since when nothing has halted it; its delay is over then.
        since: At,
        /// What halts it now.
        #[serde(skip_serializing_if = "Option::is_none")]
        halted: Option<String>,
        /// Who found it good.
        approved: Vec<String>,
    },
    /// It is released, and what must be true of it is.
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
#[derive(Clone, Debug, PartialEq, Serialize)]
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
    /// All cars switch at once, when each is ready.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub together: bool,
    /// They do.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub switched: bool,
    /// Until when what was last decided of a car is on its way to it.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub settles: BTreeMap<String, At>,
    /// Whether signatures of its versions fitted when it departed; none: that is not looked at.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fit: Option<Fit>,
    /// What was last found of each car before its release.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub fits: BTreeMap<String, Fit>,
}

/// The fold of a train's facts.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct State {
    /// The newest.
    pub train: Option<Train>,
    /// By service the versions that were released and verified there and were not taken back, newest last.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub passed: BTreeMap<String, Vec<String>>,
}

impl Train {
    fn car(&self, service: &str) -> CarState {
        self.cars.get(service).cloned().unwrap_or(CarState::Waits)
    }

    /// Whether nothing of a car is left that others must be undone before.
    fn is_gone(&self, car: &Car) -> bool {
        matches!(self.car(&car.service), CarState::Waits | CarState::Back { .. } | CarState::Undone | CarState::Left { .. })
    }

    /// Those that came after a car, directly or through others.
    fn all_after<'a>(&'a self, car: &'a Car) -> Vec<&'a Car> {
        let (mut look, mut found): (Vec<&str>, Vec<&Car>) = (vec![&car.service], vec![]);
        while let Some(service) = look.pop() {
            for follower in self.spec.followers(service) {
                if !found.iter().any(|known| known.service == follower.service) {
                    found.push(follower);
                    look.push(&follower.service);
                }
            }
        }
        found
    }

    /// Whether it is the car's turn to be undone: nothing that came after it is left.
    fn is_last(&self, car: &Car) -> bool {
        self.all_after(car).into_iter().all(|follower| self.is_gone(follower))
    }

    /// The first car that waits though its turn has come, for what it or others give does not fit what is taken.
    #[must_use]
    pub fn misfit(&self) -> Option<(&str, &Fit)> {
        let bad = self.fits.iter().find(|(service, fit)| !fit.allows() && self.car(service) == CarState::Waits);
        bad.map(|(service, fit)| (service.as_str(), fit))
    }

    /// What is next of a car whose turn has come: nothing starts that was not found to fit, or while another one does not.
    fn begin(&self, car: &Car) -> Option<Want> {
        let (service, version) = (car.service.clone(), car.version.clone());
        match self.fits.get(&car.service) {
            _ if self.fit.is_none() => Some(Want::Start { service, version }),
            Some(fit) if fit.allows() => self.misfit().is_none().then_some(Want::Start { service, version }),
            // One that does not fit is looked at again: somebody may have put it right.
            _ => Some(Want::Check { service }),
        }
    }

    /// Whether what was last decided of a service has arrived there.
    fn is_settled(&self, service: &str, now: At) -> bool {
        self.settles.get(service).is_none_or(|at| *at <= now)
    }
}

/// What a state asks for, now.
#[must_use]
pub fn wants(state: &State, now: At) -> Vec<Want> {
    let Some(train) = &state.train else { return vec![] };
    let arrived = |service: &String| matches!(train.car(service), CarState::Arrived { .. }) && train.is_settled(service, now);
    let told = |car: &Car| train.all_after(car).into_iter().all(|follower| train.is_settled(&follower.service, now));
    let of = |car: &Car| {
        let service = car.service.clone();
        match (&train.phase, train.car(&car.service)) {
            (Phase::Forward, CarState::Waits) if train.together || car.after.iter().all(arrived) => train.begin(car),
            (Phase::Forward, CarState::Ready { release }) if train.switched => Some(Want::Go { service, release }),
            (Phase::Back { .. }, CarState::Runs { release } | CarState::Ready { release }) => Some(Want::Abort { service, release }),
            (Phase::Back { .. }, CarState::Arrived { release } | CarState::Verifies { release, .. })
                if !car.irreversible && train.is_last(car) && told(car) =>
            {
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
        if let Event::Departed { number, spec, together, fit, by, at, .. } = event {
            let cars = spec.cars().iter().map(|car| (car.service.clone(), CarState::Waits)).collect();
            state.train = Some(Train {
                number: *number,
                spec: spec.clone(),
                by: by.clone(),
                since: *at,
                phase: Phase::Forward,
                cars,
                together: *together,
                switched: false,
                settles: BTreeMap::new(),
                fit: fit.clone(),
                fits: BTreeMap::new(),
            });
        } else if let Some(train) = &mut state.train {
            apply(train, event);
            remember(&mut state.passed, train);
        }
        state
    }
}

/// What is good where, and what no longer is.
fn remember(passed: &mut BTreeMap<String, Vec<String>>, train: &Train) {
    for car in train.spec.cars() {
        let all = passed.entry(car.service.clone()).or_default();
        match train.car(&car.service) {
            CarState::Arrived { .. } if !all.contains(&car.version) => all.push(car.version.clone()),
            CarState::Back { .. } | CarState::Undone | CarState::Left { .. } => all.retain(|version| *version != car.version),
            _ => {}
        }
        let much = all.len().saturating_sub(PASSED_MAX);
        all.drain(..much);
    }
}

fn apply(train: &mut Train, event: &Event) {
    let release = |train: &Train, service: &str| match train.car(service) {
        CarState::Runs { release }
        | CarState::Ready { release }
        | CarState::Verifies { release, .. }
        | CarState::Arrived { release }
        | CarState::Asks { release, .. } => release,
        _ => 0,
    };
    let (service, next) = match event {
        Event::Started { service, release, .. } => (service, CarState::Runs { release: *release }),
        Event::Ready { service, .. } => (service, CarState::Ready { release: release(train, service) }),
        Event::Arrived { service, at, .. } => (service, arrived(train, service, release(train, service), *at)),
        Event::Verified { service, .. } => (service, CarState::Arrived { release: release(train, service) }),
        Event::Disturbed { service, .. } | Event::Calmed { service, .. } | Event::Approved { service, .. } => {
            (service, looked_after(train.car(service), event))
        }
        Event::WentBack { service, why, .. } => (service, CarState::Back { why: why.clone() }),
        Event::Undone { service, .. } => (service, CarState::Undone),
        Event::Asked { service, why, .. } => (service, CarState::Asks { release: release(train, service), why: why.clone() }),
        Event::Left { service, by, .. } => (service, CarState::Left { by: by.clone() }),
        Event::Checked { service, fit, .. } => {
            train.fits.insert(service.clone(), fit.clone());
            return;
        }
        Event::Switched { .. } => return train.switched = true,
        Event::TurnedBack { cause, .. } => return train.phase = Phase::Back { cause: cause.clone() },
        Event::Ended { how, .. } => return train.phase = Phase::Ended { how: *how },
        Event::Departed { .. } => return,
    };
    if let (Some(car), Event::Arrived { at, .. } | Event::WentBack { at, .. } | Event::Undone { at, .. }) = (train.spec.car(service), event)
        && car.delay_ms > 0
    {
        train.settles.insert(service.clone(), at.plus_ms(car.delay_ms));
    }
    train.cars.insert(service.clone(), next);
}

fn arrived(train: &Train, service: &str, release: u64, at: At) -> CarState {
    match train.spec.car(service).filter(|car| car.verify.is_some()) {
        Some(car) => CarState::Verifies { release, since: at.plus_ms(car.delay_ms), halted: None, approved: vec![] },
        None => CarState::Arrived { release },
    }
}

fn looked_after(mut car: CarState, event: &Event) -> CarState {
    if let CarState::Verifies { since, halted, approved, .. } = &mut car {
        match event {
            Event::Disturbed { why, .. } => *halted = Some(why.clone()),
            Event::Calmed { at, .. } => (*halted, *since) = (None, (*since).max(*at)),
            Event::Approved { by, .. } => approved.push(by.clone()),
            _ => {}
        }
    }
    car
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
            let all = |fits: fn(&CarState) -> bool| cars().all(|car| fits(&train.car(&car.service)));
            // Where there was nothing before, there was nothing to switch from.
            let ready = |car: &CarState| matches!(car, CarState::Ready { .. } | CarState::Verifies { .. } | CarState::Arrived { .. });
            if train.together && !train.switched && all(ready) {
                return Some(Event::Switched { at });
            }
            all(|car| matches!(car, CarState::Arrived { .. })).then_some(Event::Ended { how: End::Arrived, at })
        }
        Phase::Back { .. } => {
            let there = |car: &Car| matches!(train.car(&car.service), CarState::Arrived { .. } | CarState::Verifies { .. });
            let stuck = cars().find(|car| car.irreversible && there(car) && train.is_last(car));
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
        Command::Approve { by, reason, .. } if !said(by, reason) => return Err(Refused::NoReason("approve a part of")),
        Command::Depart { spec, together, fit, by, reason, at } => {
            if let Some(train) = open {
                // The same again, as after an answer that was lost.
                let same = train.spec == *spec && train.together == *together && train.by == *by;
                return if same { Ok(vec![]) } else { Err(Refused::UnderWay(train.number)) };
            }
            if let Some(fit) = fit.as_ref().filter(|fit| !fit.allows()) {
                return Err(Refused::Misfit(fit.all_misfits()));
            }
            let number = state.train.as_ref().map_or(0, |train| train.number) + 1;
            let (spec, fit, by, reason) = (spec.clone(), fit.clone(), by.clone(), line(reason, TEXT_BYTES_MAX));
            return Ok(vec![Event::Departed { number, spec, together: *together, fit, by, reason, at: *at }]);
        }
        _ => {}
    }
    let Some(train) = open else {
        return match command {
            Command::TurnBack { .. } => Err(Refused::None("let go back")),
            Command::Leave { .. } => Err(Refused::None("leave a part of")),
            Command::Approve { .. } => Err(Refused::None("approve a part of")),
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
        Command::Approve { service, by, reason, at } => approved(train, service, (by, reason), *at)?,
        Command::Look { service, halted, watched_since, at } => {
            looked(train, service, halted.as_deref(), (*watched_since, *at)).into_iter().collect()
        }
        seen => seen_of(train, seen).into_iter().collect(),
    })
}

fn approved(train: &Train, service: &str, (by, reason): (&str, &str), at: At) -> Result<Vec<Event>, Refused> {
    match train.car(service) {
        CarState::Verifies { .. } if train.phase != Phase::Forward => Err(Refused::NotVerifying(service.to_owned())),
        CarState::Verifies { .. } if train.by == by => Err(Refused::Own { service: service.to_owned(), by: by.to_owned() }),
        CarState::Verifies { approved, .. } if approved.iter().any(|known| known == by) => Ok(vec![]),
        CarState::Verifies { .. } => {
            let reason = line(reason, TEXT_BYTES_MAX);
            Ok(vec![Event::Approved { service: service.to_owned(), by: by.to_owned(), reason, at }])
        }
        _ => Err(Refused::NotVerifying(service.to_owned())),
    }
}

/// What is news of a car that is looked after. Time in which nobody looked does not count.
fn looked(train: &Train, service: &str, halt: Option<&str>, (watched_since, at): (At, At)) -> Option<Event> {
    let (CarState::Verifies { since, halted, approved, .. }, Phase::Forward) = (train.car(service), &train.phase) else { return None };
    let (verify, service) = (train.spec.car(service)?.verify?, service.to_owned());
    let calm_until = since.max(watched_since).plus_ms(verify.for_ms);
    let enough = approved.len() >= usize::try_from(verify.approvals).unwrap_or(usize::MAX);
    match (halt, halted) {
        (Some(why), None) => Some(Event::Disturbed { service, why: line(why, TEXT_BYTES_MAX), at }),
        (None, Some(_)) => Some(Event::Calmed { service, at }),
        (None, None) if enough && at >= calm_until => Some(Event::Verified { service, at }),
        _ => None,
    }
}

/// What is news of what was seen of a release: what does not fit the car is late, or of another.
fn seen_of(train: &Train, command: &Command) -> Option<Event> {
    let forward = train.phase == Phase::Forward;
    Some(match command {
        Command::Checked { service, fit, at } if forward && train.spec.car(service).is_some() => {
            let news = train.car(service) == CarState::Waits && train.fits.get(service) != Some(fit);
            return news.then(|| Event::Checked { service: service.clone(), fit: fit.clone(), at: *at });
        }
        Command::Started { service, release, at } if train.car(service) == CarState::Waits && train.spec.car(service).is_some() => {
            // Begun just before the train turned: known, so that it is ended.
            Event::Started { service: service.clone(), release: *release, at: *at }
        }
        Command::Ready { service, at } if forward && train.together && matches!(train.car(service), CarState::Runs { .. }) => {
            Event::Ready { service: service.clone(), at: *at }
        }
        Command::Arrived { service, at } if matches!(train.car(service), CarState::Runs { .. } | CarState::Ready { .. }) => {
            let approvals = train.spec.car(service).and_then(|car| car.verify).map_or(0, |verify| verify.approvals);
            Event::Arrived { service: service.clone(), approvals, at: *at }
        }
        Command::WentBack { service, why, at } => match train.car(service) {
            CarState::Runs { .. } | CarState::Ready { .. } => {
                Event::WentBack { service: service.clone(), why: line(why, TEXT_BYTES_MAX), at: *at }
            }
            CarState::Waits if forward && train.spec.car(service).is_some() => {
                Event::WentBack { service: service.clone(), why: line(why, TEXT_BYTES_MAX), at: *at }
            }
            // Somebody undid it by hand.
            CarState::Arrived { .. } | CarState::Verifies { .. } | CarState::Asks { .. } if !forward => {
                Event::Undone { service: service.clone(), at: *at }
            }
            CarState::Arrived { .. } | CarState::Verifies { .. } => {
                Event::WentBack { service: service.clone(), why: line(why, TEXT_BYTES_MAX), at: *at }
            }
            _ => return None,
        },
        Command::Undone { service, at }
            if !forward && matches!(train.car(service), CarState::Arrived { .. } | CarState::Verifies { .. } | CarState::Asks { .. }) =>
        {
            Event::Undone { service: service.clone(), at: *at }
        }
        Command::CannotUndo { service, why, at }
            if !forward
                && matches!(
                    train.car(service),
                    CarState::Runs { .. } | CarState::Ready { .. } | CarState::Arrived { .. } | CarState::Verifies { .. }
                ) =>
        {
            Event::Asked { service: service.clone(), why: line(why, TEXT_BYTES_MAX), at: *at }
        }
        _ => return None,
    })
}

fn said(by: &str, reason: &str) -> bool {
    !by.trim().is_empty() && !reason.trim().is_empty()
}
