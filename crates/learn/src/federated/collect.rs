//! The answers to one round: each site's once, of the right length; the sum when all are there, and nothing before.

use super::fixed::SITE_SUM_MAX;
use super::{Failed, Roster, Round};

/// What was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taken {
    /// The answer of one more site.
    New,
    /// The same again: its first acknowledgement may have been lost.
    Again,
}

/// Why an answer is not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// Of another round.
    #[error("answer of site `{site}`: it is of round {got}, round {expected} is asked: ask for the round anew")]
    Stale {
        /// Whose.
        site: String,
        /// Its round.
        got: u64,
        /// The one that is asked.
        expected: u64,
    },
    /// Of nobody.
    #[error("answer of site `{0}`: no such site takes part")]
    Unknown(String),
    /// Another one, after one was taken.
    #[error("answer of site `{site}` to round {round}: another answer of it was taken before: a site answers once; begin again")]
    Twice {
        /// Whose.
        site: String,
        /// Which round.
        round: u64,
    },
    /// Of another length.
    #[error("answer of site `{site}` to round {round}: it has {got} bytes, {expected} were asked for")]
    Length {
        /// Whose.
        site: String,
        /// Which round.
        round: u64,
        /// Its bytes.
        got: usize,
        /// What was asked for.
        expected: usize,
    },
}

/// Answers to one round.
#[derive(Clone, Debug)]
pub struct Collect {
    number: u64,
    values: usize,
    names: Vec<String>,
    answers: Vec<Option<[u8; 32]>>,
    sums: Vec<u64>,
    /// The round before, by its number, and what was taken to it: an acknowledgement may be lost on the way.
    before: Option<(u64, Vec<Option<[u8; 32]>>)>,
}

impl Collect {
    /// None yet.
    #[must_use]
    pub fn new(roster: &Roster, round: &Round) -> Collect {
        let names: Vec<String> = roster.members().iter().map(|member| member.name.clone()).collect();
        let answers = vec![None; names.len()];
        Collect { number: round.number, values: round.values, names, answers, sums: vec![0; round.values], before: None }
    }

    /// None yet, after another round of the same sites: who did not hear that its answer to that one was taken may send it again.
    #[must_use]
    pub fn after(before: Option<&Collect>, roster: &Roster, round: &Round) -> Collect {
        Collect { before: before.map(|before| (before.number, before.answers.clone())), ..Collect::new(roster, round) }
    }

    /// Whether this is what a site answered to the round before.
    fn was_taken(&self, place: Option<usize>, number: u64, answer: &[u8]) -> bool {
        let before = self.before.as_ref().filter(|(before, _)| *before == number);
        let taken = before.zip(place).and_then(|((_, answers), place)| answers.get(place).copied().flatten());
        taken.is_some_and(|taken| taken == *blake3::hash(answer).as_bytes())
    }

    /// Bytes of an answer.
    #[must_use]
    pub fn expected_bytes(&self) -> usize {
        self.values * 8
    }

    /// Takes a site's answer.
    ///
    /// # Errors
    /// When it is of another round, of nobody, of another length, or another one than before.
    pub fn take(&mut self, site: &str, number: u64, answer: &[u8]) -> Result<Taken, Refused> {
        let (site, expected) = (site.to_owned(), self.expected_bytes());
        let place = self.names.iter().position(|name| *name == site);
        if self.was_taken(place, number, answer) {
            return Ok(Taken::Again);
        }
        if number != self.number {
            return Err(Refused::Stale { site, got: number, expected: self.number });
        }
        let Some(taken) = place.and_then(|place| self.answers.get_mut(place)) else { return Err(Refused::Unknown(site)) };
        if answer.len() != expected {
            return Err(Refused::Length { site, round: number, got: answer.len(), expected });
        }
        let digest = *blake3::hash(answer).as_bytes();
        match taken {
            Some(before) if *before == digest => return Ok(Taken::Again),
            Some(_) => return Err(Refused::Twice { site, round: number }),
            None => *taken = Some(digest),
        }
        for (sum, bytes) in self.sums.iter_mut().zip(answer.as_chunks::<8>().0) {
            *sum = sum.wrapping_add(u64::from_le_bytes(*bytes));
        }
        Ok(Taken::New)
    }

    /// Sites whose answer is not there.
    #[must_use]
    pub fn missing(&self) -> Vec<&str> {
        self.names.iter().zip(&self.answers).filter(|(_, answer)| answer.is_none()).map(|(name, _)| name.as_str()).collect()
    }

    /// The sums of all sites.
    ///
    /// # Errors
    /// When a site's answer is missing: its masks are not cancelled, and what the others sent is nothing without it; or when sums are
    /// more than all sites can have.
    pub fn sums(&self) -> Result<Vec<i64>, Failed> {
        let missing = self.missing();
        if !missing.is_empty() {
            let why = format!("no answer of site {}: begin the training again, with it or without it", missing.join(", "));
            return Err(Failed::Round { round: self.number, why });
        }
        let most = SITE_SUM_MAX.saturating_mul(i64::try_from(self.names.len()).unwrap_or(i64::MAX));
        let sums: Vec<i64> = self.sums.iter().map(|sum| sum.cast_signed()).collect();
        match sums.iter().find(|sum| sum.unsigned_abs() > most.unsigned_abs()) {
            Some(_) => Err(Failed::Sums { round: self.number, why: "masks do not cancel".to_owned() }),
            None => Ok(sums),
        }
    }
}
