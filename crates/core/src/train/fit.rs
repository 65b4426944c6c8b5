//! Whether what versions give fits what others take, for every pair of versions that meet while a train goes on or back.
//!
//! While a service's release is under way its new version meets the new versions of those before it and the old ones of all others;
//! later it meets their new ones. Going back in the reverse order meets no other pairs, but for what cannot be undone: it stays new
//! while those before it become old.

use super::spec::Spec;
use crate::line::line;
use crate::model::{Face, Field};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Most misfits that an answer lists; the rest is counted.
pub const MISFITS_MAX: usize = 30;
/// Most pairs of versions that it lists.
pub const PAIRS_MAX: usize = 150;
/// Most sentences on what was not checked.
pub const UNCHECKED_MAX: usize = 60;
/// Longest sentence of it, in bytes.
const WORDS_BYTES_MAX: usize = 400;

/// A service or a dataset, with the versions that others may meet.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Party {
    /// Name of the service, or of the dataset.
    pub name: String,
    /// It is a dataset, which has no versions.
    pub is_data: bool,
    /// What is there now.
    pub live: Option<Face>,
    /// What the train brings.
    pub coming: Option<Face>,
}

/// One column or tensor that does not fit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Misfit {
    /// Who gives, with its version.
    pub gives: String,
    /// Who takes.
    pub takes: String,
    /// Under which name.
    pub name: String,
    /// The column or tensor; none: all of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
    /// What is given; none: nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub given: Option<String>,
    /// What is taken.
    pub taken: String,
    /// They meet on the way back only, where what cannot be undone stays.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub back: bool,
}

/// What was found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fit {
    /// Versions that served when it was looked at, by service.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub live: BTreeMap<String, String>,
    /// How many pairs of versions were compared, each under one name.
    pub compared: usize,
    /// Which, as `features 3 -> ranker 6: rows`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub pairs: Vec<String>,
    /// What does not fit.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub misfits: Vec<Misfit>,
    /// Misfits that are not listed.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub more: usize,
    /// What nobody declared, so that it was not checked.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unchecked: Vec<String>,
}

/// What to do where something does not fit.
const NEXT: &str =
    "let who gives keep the old form beside the new one until all that take it have moved, and take it away with a later train";

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde asks with a reference")]
fn is_zero(n: &usize) -> bool {
    *n == 0
}

impl Fit {
    /// Whether nothing speaks against it. Where nothing is declared nothing does: [`Fit::words`] says so.
    #[must_use]
    pub fn allows(&self) -> bool {
        self.misfits.is_empty()
    }

    /// Everything that does not fit, each with who gives it and who takes it.
    #[must_use]
    pub fn all_misfits(&self) -> String {
        let each: Vec<String> = self.misfits.iter().map(Misfit::to_string).collect();
        let more = if self.more > 0 { format!("; and {} more", self.more) } else { String::new() };
        format!("signatures do not fit: {}{more}: {NEXT}", each.join("; "))
    }

    /// In one line, with what to do next where something does not fit.
    #[must_use]
    pub fn words(&self) -> String {
        let more = |all: usize| if all > 1 { format!("; and {} more", all - 1) } else { String::new() };
        if let Some(first) = self.misfits.first() {
            return format!("signatures do not fit: {first}{}: {NEXT}", more(self.misfits.len() + self.more));
        }
        let unchecked = self.unchecked.first().map(|first| format!("{first}{}", more(self.unchecked.len())));
        match (self.compared, unchecked) {
            (0, None) => "nothing was checked: nobody declares what it gives or takes".to_owned(),
            (0, Some(unchecked)) => format!("nothing was checked: {unchecked}"),
            (n, None) => format!("signatures fit: {n} compared"),
            (n, Some(unchecked)) => format!("signatures fit: {n} compared; not checked: {unchecked}"),
        }
    }
}

impl std::fmt::Display for Misfit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Misfit { gives, takes, name, field, given, taken, back } = self;
        match (field, given) {
            (Some(field), Some(given)) => write!(f, "`{field}` of `{name}`: {gives} gives {given}, {takes} takes {taken}")?,
            (Some(field), None) => write!(f, "`{field}` of `{name}`: {gives} does not give it, {takes} takes {taken}")?,
            (None, _) => write!(f, "`{name}`: {gives} does not give it, {takes} takes it")?,
        }
        f.write_str(if *back { " (they meet when the train goes back, for it cannot be undone)" } else { "" })
    }
}

/// A version of a party, in one of its two places.
#[derive(Clone, Copy)]
struct Side<'a> {
    party: &'a Party,
    face: &'a Face,
}

impl Side<'_> {
    fn words(&self) -> String {
        if self.party.is_data {
            format!("the contract of {}", self.party.name)
        } else {
            format!("{} version {}", self.party.name, self.face.version)
        }
    }
}

/// Holds against each other what meets while a train goes on: all of it, or what the release of one service meets.
#[must_use]
pub fn fit(spec: &Spec, parties: &[Party], only: Option<&str>) -> Fit {
    let live = |party: &Party| Some((party.name.clone(), party.live.as_ref().filter(|_| !party.is_data)?.version.clone()));
    let mut found = Fit { live: parties.iter().filter_map(live).collect(), ..Fit::default() };
    for (i, a) in parties.iter().enumerate() {
        let others = parties.iter().skip(i + 1).filter(|b| !same(a, b));
        let is = |party: &Party, name: &str| !party.is_data && party.name == name;
        for b in others.filter(|b| only.is_none_or(|name| is(a, name) || is(b, name))) {
            for (x, y, back) in meetings(spec, a, b, only) {
                compare(&mut found, parties, (x, y), back);
                compare(&mut found, parties, (y, x), back);
            }
        }
    }
    unchecked(&mut found, parties, only);
    found.more = found.misfits.len().saturating_sub(MISFITS_MAX);
    found.misfits.truncate(MISFITS_MAX);
    found.pairs.truncate(PAIRS_MAX);
    found.unchecked.truncate(UNCHECKED_MAX);
    found
}

/// Which versions of two parties meet, and whether on the way back only.
fn meetings<'a>(spec: &Spec, a: &'a Party, b: &'a Party, only: Option<&str>) -> Vec<(Side<'a>, Side<'a>, bool)> {
    let side = |party: &'a Party, face: &'a Option<Face>| face.as_ref().map(|face| Side { party, face });
    let irreversible = |party: &Party| spec.car(&party.name).is_some_and(|car| car.irreversible);
    let comes = |party: &Party| party.coming.is_some() && only.is_none_or(|name| party.name == name);
    let mut met = vec![];
    // Both new: in the end, or while both releases are under way.
    met.extend(side(a, &a.coming).zip(side(b, &b.coming)).map(|(x, y)| (x, y, false)));
    for (new, other) in [(a, b), (b, a)] {
        let Some((x, y)) = side(new, &new.coming).zip(side(other, &other.live)) else { continue };
        // What comes before it has its new version by then, and is old again only after this one is.
        let before = other.coming.is_some() && spec.comes_after(&new.name, &other.name);
        if comes(new) && !before {
            met.push((x, y, false));
        } else if before && irreversible(new) && only.is_none() {
            met.push((x, y, true));
        }
    }
    met
}

fn compare(found: &mut Fit, parties: &[Party], (giver, taker): (Side<'_>, Side<'_>), back: bool) {
    for (name, taken) in &taker.face.takes {
        let whole = |field: Option<String>, given: Option<String>, taken: String| Misfit {
            gives: giver.words(),
            takes: taker.words(),
            name: name.clone(),
            field,
            given: given.map(|text| line(&text, WORDS_BYTES_MAX)),
            taken: line(&taken, WORDS_BYTES_MAX),
            back,
        };
        let Some(given) = giver.face.gives.get(name) else {
            // Taken away as a whole, or not there yet: another version of it gives it, and nobody else does all the time.
            let others = parties.iter().any(|p| !same(p, giver.party) && always_gives(p, name));
            if gives(giver.party, name) && !others {
                found.misfits.push(whole(None, None, "it".to_owned()));
            }
            continue;
        };
        if taken.is_empty() {
            let words = format!("{} names no column of `{name}`", taker.words());
            found.unchecked.push(line(&words, WORDS_BYTES_MAX));
            continue;
        }
        found.compared += 1;
        let short = |side: &Side<'_>| format!("{} {}", side.party.name, side.face.version).trim_end().to_owned();
        let pair = line(&format!("{} -> {}: {name}", short(&giver), short(&taker)), WORDS_BYTES_MAX);
        if !found.pairs.contains(&pair) && found.pairs.len() <= PAIRS_MAX {
            found.pairs.push(pair);
        }
        for field in taken {
            match given.iter().find(|known| known.name == field.name) {
                Some(known) if !Field::misfit(known, field) => {}
                None if field.nullable => {}
                known => {
                    found.misfits.push(whole(Some(line(&field.name, WORDS_BYTES_MAX)), known.map(Field::to_string), field.to_string()));
                }
            }
        }
    }
}

/// A dataset may have the name of a service.
fn same(a: &Party, b: &Party) -> bool {
    a.is_data == b.is_data && a.name == b.name
}

/// Whether each version of it gives a name, so that whoever takes it always finds it there.
fn always_gives(party: &Party, name: &str) -> bool {
    let mut faces = [&party.live, &party.coming].into_iter().flatten().peekable();
    faces.peek().is_some() && faces.all(|face| face.gives.contains_key(name))
}

fn gives(party: &Party, name: &str) -> bool {
    [&party.live, &party.coming].into_iter().flatten().any(|face| face.gives.contains_key(name))
}

/// What could not be compared, for nobody said what it is.
fn unchecked(found: &mut Fit, parties: &[Party], only: Option<&str>) {
    for party in parties.iter().filter(|party| !party.is_data && only.is_none_or(|name| party.name == name)) {
        let faces = [&party.live, &party.coming].into_iter().flatten();
        for face in faces.filter(|face| face.gives.is_empty() && face.takes.is_empty()) {
            found.unchecked.push(format!("{} version {} declares nothing", party.name, face.version));
        }
        let takes = party.coming.iter().flat_map(|face| face.takes.keys());
        for name in takes.filter(|name| !parties.iter().any(|other| !same(other, party) && gives(other, name))) {
            let words = format!("{} takes `{name}`, which nothing in the train and no dataset gives", party.name);
            found.unchecked.push(line(&words, WORDS_BYTES_MAX));
        }
    }
}
