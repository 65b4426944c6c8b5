//! Which changes lie between two commits, and below one.

use crate::change::{Change, ChangeNumber, Id};
use crate::mine::Mined;
use std::collections::{BTreeMap, BTreeSet};

/// Fewest hexadecimal digits that name a commit.
const DIGITS_MIN: usize = 7;

impl Mined {
    /// What came in with `revision` and was not there in `previous`, newest first: what goes out where the one takes the other's place. Without a
    /// previous one it is the commit alone, for nobody knows what ran before.
    #[must_use]
    pub fn between(&self, previous: Option<ChangeNumber>, revision: ChangeNumber) -> Vec<ChangeNumber> {
        let Some(previous) = previous else { return vec![revision] };
        // Parents have smaller numbers: the greatest that waits has been reached from everywhere.
        let mut waiting = BTreeMap::from([(revision.0, true)]);
        waiting.insert(previous.0, false);
        let mut found = vec![];
        while waiting.values().any(|wanted| *wanted) {
            let Some((number, wanted)) = waiting.pop_last() else { break };
            if wanted {
                found.push(ChangeNumber(number));
            }
            let parents = self.changes().get(number as usize).map(|change| change.parents.as_slice()).unwrap_or_default();
            for parent in parents {
                waiting.entry(parent.0).and_modify(|known| *known &= wanted).or_insert(wanted);
            }
        }
        found
    }

    /// The newest changes of the history of `revision`, itself among them, that are `wanted`; at most so many.
    #[must_use]
    pub fn newest(&self, revision: ChangeNumber, most: usize, wanted: impl Fn(&Change) -> bool) -> Vec<ChangeNumber> {
        // Parents have smaller numbers: the greatest that waits is the next one.
        let (mut waiting, mut found) = (BTreeSet::from([revision.0]), vec![]);
        while let Some(number) = waiting.pop_last().filter(|_| found.len() < most) {
            let Some(change) = self.changes().get(number as usize) else { continue };
            if wanted(change) {
                found.push(ChangeNumber(number));
            }
            waiting.extend(change.parents.iter().map(|parent| parent.0));
        }
        found
    }

    /// The commit that these digits name, at least seven of them; none where there is none, or more than one.
    #[must_use]
    pub fn named(&self, digits: &str) -> Option<ChangeNumber> {
        if digits.len() < DIGITS_MIN || !digits.bytes().all(|b| b.is_ascii_hexdigit()) {
            return None;
        }
        if let Some(id) = Id::read(digits.as_bytes()) {
            return self.number(&id);
        }
        let digits = digits.to_ascii_lowercase();
        let mut named = self.state.log.beginning(&digits);
        match (named.next(), named.next()) {
            (Some(number), None) => Some(ChangeNumber(number)),
            _ => None,
        }
    }
}
