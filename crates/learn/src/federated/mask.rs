//! Masks that cancel: each pair of sites shares a key that nobody else has; one of both adds what it draws, the other takes it away.
//!
//! Keys are X25519, of a secret that is drawn anew for each training. The stream of a pair is BLAKE3's, keyed, over the number of the
//! round and the digest of what was asked: no two rounds share a mask, and sites that were asked different things get no sum.

use curve25519_dalek::MontgomeryPoint;
use serde::{Deserialize, Serialize};

use super::{SITES_MAX, SITES_MIN};

/// Longest name of a site, in bytes.
const NAME_BYTES_MAX: usize = 64;
/// Bytes of a mask that are drawn at once.
const DRAWN_BYTES: usize = 4_096;
/// What a pair's key is for, in BLAKE3's words for it.
const CONTEXT: &str = "tidegate federated training, mask of a pair";

/// A site's secret of one training. It is not printed, and goes nowhere.
#[derive(Clone)]
pub struct Secret([u8; 32]);

impl Secret {
    /// Of 32 bytes that were drawn for one training.
    #[must_use]
    pub fn new(drawn: [u8; 32]) -> Secret {
        Secret(drawn)
    }

    /// What others know of it.
    #[must_use]
    pub fn public(&self) -> PublicKey {
        PublicKey(hex::encode(MontgomeryPoint::mul_base_clamped(self.0).to_bytes()))
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret")
    }
}

/// What others know of a secret, in hexadecimal digits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PublicKey(String);

impl PublicKey {
    fn point(&self) -> Option<MontgomeryPoint> {
        let bytes: [u8; 32] = hex::decode(&self.0).ok()?.try_into().ok()?;
        Some(MontgomeryPoint(bytes))
    }
}

/// A site among others.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Member {
    /// Its name.
    pub name: String,
    /// Its key of this training.
    pub key: PublicKey,
}

/// All sites of one training, by name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Vec<Member>", into = "Vec<Member>")]
pub struct Roster(Vec<Member>);

/// Why sites cannot train together.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadRoster {
    /// Too few, or too many.
    #[error("train together: {0} sites: {SITES_MIN} to {SITES_MAX} can; of two, each would know the other's sums")]
    Count(usize),
    /// A name that is none.
    #[error("train together: site `{0}`: a name has 1 to 64 letters, digits, `-`, `_` or `.`, and stands once")]
    Name(String),
    /// A key that is none, or somebody else's.
    #[error("train together: site `{0}`: its key is none, or another site's: begin again")]
    Key(String),
    /// Not in it.
    #[error("train together: site `{0}` is not in the roster with the key that it sent: the coordinator is not to be trusted")]
    Absent(String),
}

/// Whether a name can be a site's.
#[must_use]
pub fn is_site_name(name: &str) -> bool {
    let letter = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    !name.is_empty() && name.len() <= NAME_BYTES_MAX && name.chars().all(letter)
}

impl TryFrom<Vec<Member>> for Roster {
    type Error = BadRoster;

    fn try_from(mut members: Vec<Member>) -> Result<Roster, BadRoster> {
        if !(SITES_MIN..=SITES_MAX).contains(&members.len()) {
            return Err(BadRoster::Count(members.len()));
        }
        members.sort_by(|one, other| one.name.cmp(&other.name));
        for (at, member) in members.iter().enumerate() {
            let before = || members.iter().take(at);
            if !is_site_name(&member.name) || before().any(|one| one.name == member.name) {
                return Err(BadRoster::Name(member.name.clone()));
            }
            if member.key.point().is_none() || before().any(|one| one.key == member.key) {
                return Err(BadRoster::Key(member.name.clone()));
            }
        }
        Ok(Roster(members))
    }
}

impl From<Roster> for Vec<Member> {
    fn from(roster: Roster) -> Vec<Member> {
        roster.0
    }
}

impl Roster {
    /// The sites, by name.
    #[must_use]
    pub fn members(&self) -> &[Member] {
        &self.0
    }

    /// BLAKE3 over names and keys.
    pub(super) fn digest(&self) -> String {
        let mut hasher = blake3::Hasher::new();
        for member in &self.0 {
            for text in [&member.name, &member.key.0] {
                hasher.update(&(text.len() as u64).to_le_bytes());
                hasher.update(text.as_bytes());
            }
        }
        hex::encode(hasher.finalize().as_bytes())
    }
}

/// The keys that a site shares with each other one.
pub(super) struct Masks(Vec<Pair>);

struct Pair {
    key: [u8; 32],
    /// Of both, the first by name adds.
    adds: bool,
}

impl Masks {
    /// Of a site among others. `agreed` is the digest of plan and roster ([`super::Plan::digest`]), `phrase` what sites told each other past the coordinator, or nothing.
    pub(super) fn new(roster: &Roster, name: &str, secret: &Secret, agreed: &str, phrase: &str) -> Result<Masks, BadRoster> {
        let absent = || BadRoster::Absent(name.to_owned());
        let own = roster.0.iter().position(|member| member.name == name && member.key == secret.public()).ok_or_else(absent)?;
        let mut pairs = Vec::with_capacity(roster.0.len());
        for (at, member) in roster.0.iter().enumerate().filter(|(at, _)| *at != own) {
            let bad = || BadRoster::Key(member.name.clone());
            let shared = member.key.point().ok_or_else(bad)?.mul_clamped(secret.0).to_bytes();
            // A point of small order, whose product everybody knows.
            if shared == [0; 32] {
                return Err(bad());
            }
            let mut hasher = blake3::Hasher::new_derive_key(CONTEXT);
            hasher.update(&shared);
            hasher.update(agreed.as_bytes());
            hasher.update(phrase.as_bytes());
            pairs.push(Pair { key: *hasher.finalize().as_bytes(), adds: own < at });
        }
        Ok(Masks(pairs))
    }

    /// Hides the numbers of a round. The same round of the same training must never be hidden twice with other numbers.
    pub(super) fn hide(&self, number: u64, asked: &[u8; 32], values: &mut [u64]) {
        for pair in &self.0 {
            let mut hasher = blake3::Hasher::new_keyed(&pair.key);
            hasher.update(&number.to_le_bytes());
            hasher.update(asked);
            let mut stream = hasher.finalize_xof();
            let mut drawn = [0_u8; DRAWN_BYTES];
            for some in values.chunks_mut(DRAWN_BYTES / 8) {
                stream.fill(&mut drawn);
                for (value, bytes) in some.iter_mut().zip(drawn.as_chunks::<8>().0) {
                    let mask = u64::from_le_bytes(*bytes);
                    *value = if pair.adds { value.wrapping_add(mask) } else { value.wrapping_sub(mask) };
                }
            }
        }
    }
}
