//! Names, digests and instants: the small values that everything else is made of.

use serde::{Deserialize, Serialize};

/// An instant: milliseconds since the Unix epoch, UTC. Always an argument, never read from a clock here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct At(pub i64);

impl At {
    /// This instant moved by `ms` milliseconds; saturates at the ends of the range.
    #[must_use]
    pub fn plus_ms(self, ms: u64) -> At {
        At(self.0.saturating_add_unsigned(ms))
    }

    /// Milliseconds from `earlier` to this instant; zero when `earlier` is later.
    #[must_use]
    pub fn since_ms(self, earlier: At) -> u64 {
        u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0)
    }
}

impl std::fmt::Display for At {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match jiff::Timestamp::from_millisecond(self.0) {
            Ok(t) => write!(f, "{t:.3}"),
            Err(_) => write!(f, "{} ms", self.0),
        }
    }
}

/// The BLAKE3 digest of some bytes, written `blake3:<64 hex digits>`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Digest(String);

impl Digest {
    /// The digest of `bytes`.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Digest {
        Digest(format!("blake3:{}", blake3::hash(bytes).to_hex()))
    }

    /// From a finished hash.
    #[must_use]
    pub fn from_hash(hash: blake3::Hash) -> Digest {
        Digest(format!("blake3:{}", hash.to_hex()))
    }

    /// The 64 hex digits without the prefix.
    #[must_use]
    pub fn hex(&self) -> &str {
        self.0.strip_prefix("blake3:").unwrap_or(&self.0)
    }

    /// The first twelve hex digits, for people.
    #[must_use]
    pub fn short(&self) -> &str {
        self.hex().get(..12).unwrap_or_else(|| self.hex())
    }

    /// The whole text, `blake3:<hex>`.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for Digest {
    type Error = String;
    fn try_from(text: String) -> Result<Digest, String> {
        let hex = text.strip_prefix("blake3:").ok_or_else(|| format!("digest `{text}` does not start with `blake3:`"))?;
        if hex.len() == 64 && hex.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b)) {
            Ok(Digest(text))
        } else {
            Err(format!("digest `{text}` is not 64 lower-case hex digits after `blake3:`"))
        }
    }
}

impl From<Digest> for String {
    fn from(digest: Digest) -> String {
        digest.0
    }
}

impl std::fmt::Display for Digest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}
