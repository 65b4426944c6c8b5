//! What people are asked to find good of a train, and what they said, as its facts tell it. Not here: when that lets the train go on
//! (`machine`), and who is told (`notify`).

use super::fact::Event;
use super::machine::{CarState, State, Trains};
use crate::machine::Machine as _;

/// One question about a car, or one answer to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// Number of the train.
    pub number: u64,
    /// The version that the car released.
    pub version: String,
    /// Who let the train depart, or found the car good.
    pub by: String,
    /// Whether it is the last answer that is needed: what comes after it closes nothing.
    pub closes: bool,
}

/// What the last of a train's facts, all from the first on, asks or answers about a car; none where it does neither.
#[must_use]
pub fn asked(facts: &[Event], service: &str) -> Option<Asked> {
    let train = facts.iter().fold(State::default(), Trains::evolve).train?;
    let car = train.spec.car(service)?;
    let (by, closes) = match (facts.last()?, train.cars.get(service)) {
        (Event::Arrived { .. }, _) => (train.by.clone(), false),
        (Event::Approved { by, .. }, Some(CarState::Verifies { approved, .. })) => {
            let needed = car.verify.map_or(0, |verify| verify.approvals);
            (by.clone(), u32::try_from(approved.len()) == Ok(needed))
        }
        _ => return None,
    };
    Some(Asked { number: train.number, version: car.version.clone(), by, closes })
}

#[cfg(test)]
mod tests {
    use super::super::fact::Command;
    use super::super::spec::{Car, Spec, Verify};
    use super::*;
    use crate::id::At;

    #[test]
    fn the_last_word_that_is_needed_closes_the_question() {
        let verify = Some(Verify { for_ms: 0, approvals: 2 });
        let car = Car { service: "s".to_owned(), version: "3".to_owned(), verify, ..Car::default() };
        let spec = Spec::build(vec![car]).unwrap();
        let (service, reason, at) = ("s".to_owned(), "because".to_owned(), At(1));
        let says = |by: &str| Command::Approve { service: service.clone(), by: by.to_owned(), reason: reason.clone(), at };
        let mut facts: Vec<Event> = vec![];
        let mut told = vec![];
        for command in [
            Command::Depart { spec, together: false, fit: None, by: "ada".to_owned(), reason: reason.clone(), at },
            Command::Started { service: service.clone(), release: 7, at },
            Command::Arrived { service: service.clone(), at },
            says("grace"),
            says("joan"),
            says("mary"),
        ] {
            let state = facts.iter().fold(State::default(), Trains::evolve);
            for fact in Trains::decide(&state, &command).unwrap() {
                facts.push(fact);
                told.extend(asked(&facts, "s").map(|asked| (asked.by, asked.closes)));
            }
        }
        let told: Vec<(&str, bool)> = told.iter().map(|(by, closes)| (by.as_str(), *closes)).collect();
        assert_eq!(told, [("ada", false), ("grace", false), ("joan", true), ("mary", false)]);
        assert_eq!(asked(&facts, "other"), None);
    }
}
