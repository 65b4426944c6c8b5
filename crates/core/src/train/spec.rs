//! What a train is made of.

use crate::risk::Risk;
use serde::{Deserialize, Serialize};

/// Most services of a train.
pub const CARS_MAX: usize = 50;

/// What must be true of a car after its release is done, before those after it begin.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verify {
    /// So long nothing halted its service.
    pub for_ms: u64,
    /// So many others than who let the train depart found it good.
    pub approvals: u32,
}

/// One service's release.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Car {
    /// The service.
    pub service: String,
    /// The version that is released.
    pub version: String,
    /// Services of the train that must have been released before.
    pub after: Vec<String>,
    /// Once released it is not undone by itself: what it did to data or users cannot be taken back.
    pub irreversible: bool,
    /// What must be true of it before others begin; none: that it is released.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verify: Option<Verify>,
    /// How long what is decided takes to arrive there: nothing is begun or undone beside it before.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub delay_ms: u64,
    /// How likely the change is to hurt there, where it was told: its release takes the strategy for that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub risk: Option<Risk>,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde asks with a reference")]
fn is_zero(n: &u64) -> bool {
    *n == 0
}

/// A train.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Spec {
    cars: Vec<Car>,
}

/// Why cars are no train.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// None, or too many.
    #[error("a train has 1 to {CARS_MAX} services; this one has {0}")]
    Count(usize),
    /// Twice.
    #[error("`{0}` is in it twice")]
    Twice(String),
    /// After one that is not in it.
    #[error("`{service}` comes after `{after}`, which is not in it")]
    Unknown {
        /// Which.
        service: String,
        /// After what.
        after: String,
    },
    /// Each after the other.
    #[error("none of {0} can be the first: each comes after another of them")]
    Cycle(String),
}

impl Spec {
    /// A train of these.
    ///
    /// # Errors
    /// When they have no order.
    pub fn build(cars: Vec<Car>) -> Result<Spec, Problem> {
        if cars.is_empty() || cars.len() > CARS_MAX {
            return Err(Problem::Count(cars.len()));
        }
        for (i, car) in cars.iter().enumerate() {
            if cars.iter().skip(i + 1).any(|other| other.service == car.service) {
                return Err(Problem::Twice(car.service.clone()));
            }
            if let Some(after) = car.after.iter().find(|after| !cars.iter().any(|c| c.service == **after)) {
                return Err(Problem::Unknown { service: car.service.clone(), after: after.clone() });
            }
        }
        let mut left: Vec<&Car> = cars.iter().collect();
        loop {
            let (stuck, free): (Vec<&Car>, Vec<&Car>) =
                left.iter().copied().partition(|car| car.after.iter().any(|after| left.iter().any(|c| c.service == *after)));
            if stuck.is_empty() {
                return Ok(Spec { cars });
            }
            if free.is_empty() {
                return Err(Problem::Cycle(stuck.iter().map(|c| format!("`{}`", c.service)).collect::<Vec<_>>().join(", ")));
            }
            left = stuck;
        }
    }

    /// Only those for which there is a version. What came after one that is left out comes after what that one came after.
    ///
    /// # Errors
    /// When none is left.
    pub fn of_those(all: &[Car], version: impl Fn(&str) -> Option<String>) -> Result<Spec, Problem> {
        let mut cars = vec![];
        for car in all {
            let Some(own) = version(&car.service) else { continue };
            let (mut after, mut asked): (Vec<String>, Vec<&String>) = (vec![], vec![]);
            let mut ask: Vec<&String> = car.after.iter().collect();
            while let Some(next) = ask.pop().filter(|_| asked.len() <= CARS_MAX) {
                if asked.contains(&next) {
                    continue;
                }
                asked.push(next);
                match (version(next), all.iter().find(|car| car.service == *next)) {
                    (None, Some(left_out)) => ask.extend(&left_out.after),
                    _ => after.push(next.clone()),
                }
            }
            after.sort();
            cars.push(Car { version: own, after, ..car.clone() });
        }
        Spec::build(cars)
    }

    /// The same cars, each with the risk that was told of it.
    #[must_use]
    pub fn with_risks(mut self, risk: impl Fn(&str) -> Option<Risk>) -> Spec {
        for car in &mut self.cars {
            car.risk = risk(&car.service);
        }
        self
    }

    /// Its cars, as they were given.
    #[must_use]
    pub fn cars(&self) -> &[Car] {
        &self.cars
    }

    /// The car of a service.
    #[must_use]
    pub fn car(&self, service: &str) -> Option<&Car> {
        self.cars.iter().find(|car| car.service == service)
    }

    /// Whether a service comes after another one, directly or through others.
    #[must_use]
    pub fn comes_after(&self, service: &str, other: &str) -> bool {
        let (mut look, mut asked): (Vec<&str>, Vec<&str>) = (vec![service], vec![]);
        while let Some(car) = look.pop().and_then(|name| self.car(name)) {
            for after in car.after.iter().filter(|after| !asked.contains(&after.as_str())).collect::<Vec<_>>() {
                if after == other {
                    return true;
                }
                asked.push(after);
                look.push(after);
            }
        }
        false
    }

    /// Those that come right after a service.
    pub fn followers<'a>(&'a self, service: &'a str) -> impl Iterator<Item = &'a Car> {
        self.cars.iter().filter(move |car| car.after.iter().any(|after| after == service))
    }
}
