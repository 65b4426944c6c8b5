//! Sites that train one model of risk together: how rounds and answers travel. What is asked and how it is hidden is
//! `tidegate_learn::federated`.
//!
//! Sites call out to the coordinator, each with a token of its own; nothing calls a site. Rounds are JSON, answers are numbers of 64
//! bits. A site that does not answer in time ends the training for all: the sum of the others would be behind its masks.

mod desk;
mod join;
mod lead;
mod serve;

pub use join::{Joining, join};
pub use lead::{Leading, lead};

use crate::exit::{self, failure};
use crate::workspace;
use anyhow::Result;
use sha2::{Digest as _, Sha256};
use std::path::Path;

/// Where everything lies.
const ROOT: &str = "/federation/v1";
/// How long a question may wait for what is not there yet, in milliseconds.
const WAIT_MS: u64 = 20_000;
/// Bytes of what a site says of itself, or why it leaves.
const SAID_BYTES_MAX: usize = 256 * 1024;
/// Bytes of the answer to a round.
const ANSWER_BYTES_MAX: usize = 64 * 1024 * 1024;
/// Bytes of what a site is told: a round, the plan, the model.
const TOLD_BYTES_MAX: usize = tidegate_learn::MODEL_BYTES_MAX;
/// Digits of plan and roster that people compare: 128 bits, so that nobody makes other keys with the same ones.
const SHOWN_DIGITS: usize = 32;
/// Fewest characters of a phrase: one that was drawn, in base64, has 32 and more; one that was thought up can be guessed.
const PHRASE_CHARS_MIN: usize = 24;
/// Fewest and most characters of a token.
const TOKEN_CHARS: std::ops::RangeInclusive<usize> = 16..=512;

/// A token, from a file in which it stands alone.
///
/// # Errors
/// When there is none, or what stands there cannot be one.
fn token(file: &Path) -> Result<String> {
    let text = workspace::read_text(file)?;
    let token = text.trim();
    if !TOKEN_CHARS.contains(&token.len()) || token.contains(|c: char| !c.is_ascii_graphic()) {
        let why = format!("read the token in {}: it stands there alone, in 16 to 512 letters without spaces", file.display());
        return Err(failure(exit::USAGE, why));
    }
    Ok(token.to_owned())
}

/// What people compare of the digest of plan and roster.
pub fn shown(digest: &str) -> &str {
    digest.get(..SHOWN_DIGITS).unwrap_or(digest)
}

/// What tokens are compared by: how long that takes tells nothing of them.
fn print_of(token: &str) -> [u8; 32] {
    Sha256::digest(token.as_bytes()).into()
}

/// 32 bytes of the system's chance.
fn drawn() -> Result<[u8; 32]> {
    let mut bytes = [0_u8; 32];
    getrandom::fill(&mut bytes).map_err(|e| anyhow::anyhow!("take random bytes from the system: {e}"))?;
    Ok(bytes)
}
