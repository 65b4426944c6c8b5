//! Who decides about a change, by lot.

use serde::{Deserialize, Serialize};

/// Shortest salt, in bytes: one that is guessed lets arms be known without the file.
pub const SALT_BYTES_MIN: usize = 8;
/// Longest salt, in bytes.
pub const SALT_BYTES_MAX: usize = 200;
/// Bits of a hash that a number between 0 and 1 is made of: those of a float's fraction, so that each is as likely as another.
const BITS: u32 = 53;

/// A comparison by lot.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Trial {
    /// Share of changes that the model decides about.
    pub model_share: f64,
    /// Another salt draws anew.
    pub salt: String,
}

/// Who decides about a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Arm {
    /// The model.
    Model,
    /// People, who are not told what it says before they have spoken.
    People,
}

/// Who decides about a change, by its name alone: who asks again gets the same answer.
#[must_use]
pub fn arm(trial: &Trial, change: &str) -> Arm {
    let mut hasher = blake3::Hasher::new();
    // Lengths in front: no salt and name run together into the bytes of others.
    for part in ["tidegate/risk/trial", &trial.salt, change] {
        hasher.update(&(part.len() as u64).to_le_bytes());
        hasher.update(part.as_bytes());
    }
    let first = hasher.finalize().as_bytes().iter().take(8).fold(0_u64, |sum, byte| (sum << 8) | u64::from(*byte));
    let drawn = (first >> (u64::BITS - BITS)) as f64 / (1_u64 << BITS) as f64;
    if drawn < trial.model_share { Arm::Model } else { Arm::People }
}
