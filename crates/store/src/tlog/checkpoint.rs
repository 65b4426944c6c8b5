//! A checkpoint (C2SP tlog-checkpoint): origin, size and root, signed.

use super::error::LogError;
use super::hash::Hash;
use super::key::{LogSigner, LogVerifier};
use super::note;

/// What was signed about a log at one size.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// Which log: the same text as its key's name.
    pub origin: String,
    /// How many entries.
    pub size: u64,
    /// The root over them.
    pub root: Hash,
}

impl Checkpoint {
    /// The signed note.
    #[must_use]
    pub fn sign(&self, signer: &LogSigner) -> String {
        note::sign(&self.body(), signer)
    }

    /// The text that is signed.
    #[must_use]
    pub fn body(&self) -> String {
        format!("{}\n{}\n{}\n", self.origin, self.size, self.root)
    }

    /// The checkpoint in `bytes`, signed by `verifier`. `what` names it in errors.
    ///
    /// # Errors
    /// [`LogError::Malformed`] for a wrong form or another log's origin, [`LogError::Signature`] for a wrong signature.
    pub fn open(what: &str, bytes: &[u8], verifier: &LogVerifier) -> Result<Checkpoint, LogError> {
        let text = note::open(what, bytes, verifier)?;
        let checkpoint = Checkpoint::parse(text).map_err(|how| LogError::Malformed { what: what.to_owned(), how: how.to_owned() })?;
        if checkpoint.origin == verifier.name() {
            Ok(checkpoint)
        } else {
            Err(LogError::Malformed {
                what: what.to_owned(),
                how: format!("it is of log `{}`, the key is of log `{}`", checkpoint.origin, verifier.name()),
            })
        }
    }

    /// Extension lines after the root are allowed and ignored, as long as none is empty.
    fn parse(text: &str) -> Result<Checkpoint, &'static str> {
        let mut lines = text.strip_suffix('\n').ok_or("it does not end with a newline")?.split('\n');
        let (origin, size, root) = match (lines.next(), lines.next(), lines.next()) {
            (Some(origin), Some(size), Some(root)) if !origin.is_empty() => (origin, size, root),
            _ => return Err("it does not have the lines origin, size and root"),
        };
        let size_parsed: u64 = size.parse().map_err(|_| "its size is not a number")?;
        if size_parsed.to_string() != size {
            return Err("its size is not written plainly (a leading zero or a sign)");
        }
        let root = Hash::from_base64(root).ok_or("its root is not the base64 of 32 bytes")?;
        if lines.any(str::is_empty) {
            return Err("it has an empty line after its root");
        }
        Ok(Checkpoint { origin: origin.to_owned(), size: size_parsed, root })
    }
}
