//! An offline proof that an entry is in a log (C2SP tlog-proof): index, audit path, signed checkpoint, as one text.

use super::checkpoint::Checkpoint;
use super::error::LogError;
use super::hash::{Hash, root_of_inclusion};
use super::key::LogVerifier;
use super::note::NOTE_BYTES_MAX;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// First line of the text.
const HEADER: &str = "c2sp.org/tlog-proof@v1";
/// Longest audit path: one hash for each bit of an index.
const PATH_MAX: usize = 64;

/// A proof of inclusion with the checkpoint that it leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proof {
    /// Index of the entry, which is the record's position.
    pub index: u64,
    /// Bytes that the writer of the proof added, not covered by any signature.
    pub extra: Option<Vec<u8>>,
    /// The audit path, from the leaf upwards.
    pub path: Vec<Hash>,
    /// The signed note.
    pub checkpoint: String,
}

impl Proof {
    /// The text of a `.tlog-proof` file.
    #[must_use]
    pub fn to_text(&self) -> String {
        let mut text = format!("{HEADER}\n");
        if let Some(extra) = &self.extra {
            text.push_str(&format!("extra {}\n", STANDARD.encode(extra)));
        }
        text.push_str(&format!("index {}\n", self.index));
        for hash in &self.path {
            text.push_str(&format!("{hash}\n"));
        }
        format!("{text}\n{}", self.checkpoint)
    }

    /// The proof in the text of a `.tlog-proof` file.
    ///
    /// # Errors
    /// [`LogError::Malformed`] when it is none.
    pub fn parse(text: &str) -> Result<Proof, LogError> {
        let malformed = |how: &str| LogError::Malformed { what: "a proof".into(), how: how.into() };
        if text.len() > 2 * NOTE_BYTES_MAX {
            return Err(malformed("it is too long"));
        }
        let (head, checkpoint) = text.split_once("\n\n").ok_or_else(|| malformed("it has no empty line before its checkpoint"))?;
        let mut lines = head.split('\n').peekable();
        if lines.next() != Some(HEADER) {
            return Err(malformed("its first line is not `c2sp.org/tlog-proof@v1`"));
        }
        let extra = match lines.next_if(|line| line.starts_with("extra ")) {
            Some(line) => Some(
                line.strip_prefix("extra ")
                    .and_then(|base64| STANDARD.decode(base64).ok())
                    .ok_or_else(|| malformed("its extra line is not base64"))?,
            ),
            None => None,
        };
        let index = lines
            .next()
            .and_then(|line| line.strip_prefix("index "))
            .and_then(plain_number)
            .ok_or_else(|| malformed("it has no line `index <number>`"))?;
        let path: Vec<Hash> =
            lines.map(Hash::from_base64).collect::<Option<_>>().ok_or_else(|| malformed("a hash is not the base64 of 32 bytes"))?;
        if path.len() > PATH_MAX {
            return Err(malformed("its path has more than 64 hashes"));
        }
        Ok(Proof { index, extra, path, checkpoint: checkpoint.to_owned() })
    }

    /// The checkpoint, if `verifier` signed it and `entry` stands at the index in its tree. Needs no file.
    ///
    /// # Errors
    /// When the signature or the path is wrong.
    pub fn verify(&self, verifier: &LogVerifier, entry: &[u8]) -> Result<Checkpoint, LogError> {
        let checkpoint = Checkpoint::open("the proof's checkpoint", self.checkpoint.as_bytes(), verifier)?;
        if root_of_inclusion(Hash::leaf(entry), self.index, checkpoint.size, &self.path) == Some(checkpoint.root) {
            Ok(checkpoint)
        } else {
            Err(LogError::Malformed {
                what: "a proof".into(),
                how: format!("it does not lead from this entry at index {} to the root at size {}", self.index, checkpoint.size),
            })
        }
    }
}

fn plain_number(text: &str) -> Option<u64> {
    text.parse().ok().filter(|number: &u64| number.to_string() == text)
}
