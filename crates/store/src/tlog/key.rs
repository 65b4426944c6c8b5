//! Keys of the log: the private one that signs notes, the public one as the text that auditors keep (`vkey`).
//!
//! Not here: where the private key lies ([`crate::keys`]).

use super::error::LogError;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ed25519_dalek::{Signature, Signer, SigningKey, VerifyingKey};
use sha2::{Digest, Sha256};

/// Ed25519, in keys and key ids.
const ALGORITHM: u8 = 1;
/// Begins the text of a private key.
const PRIVATE: &str = "PRIVATE+KEY+";
/// Longest name of a key in bytes.
pub const KEY_NAME_BYTES_MAX: usize = 255;

/// Signs notes.
#[derive(Clone)]
pub struct LogSigner {
    name: String,
    key: SigningKey,
}

impl LogSigner {
    /// A key named `name` from 32 secret bytes.
    ///
    /// # Errors
    /// When the name is empty, too long, or has a space, a plus sign or a slash at the end.
    pub fn new(name: &str, secret: &[u8; 32]) -> Result<LogSigner, LogError> {
        if !name_is_valid(name) {
            return Err(malformed(format!(
                "a name that is empty, over {KEY_NAME_BYTES_MAX} bytes, or has a space, a plus sign or a final slash: `{name}`"
            )));
        }
        Ok(LogSigner { name: name.to_owned(), key: SigningKey::from_bytes(secret) })
    }

    /// From the text of [`LogSigner::to_secret_text`].
    ///
    /// # Errors
    /// When it is no such text.
    pub fn parse(text: &str) -> Result<LogSigner, LogError> {
        let parts = text.trim_end().strip_prefix(PRIVATE).and_then(|rest| parts(rest));
        let (name, id, bytes) = parts.ok_or_else(|| malformed("a private key has the form `PRIVATE+KEY+<name>+<id>+<base64>`".into()))?;
        let secret = secret_of(&bytes).ok_or_else(|| malformed("the private key is not an Ed25519 key of 32 bytes".into()))?;
        let signer = LogSigner::new(name, &secret)?;
        if signer.verifier().id != id {
            return Err(malformed("the private key's id does not fit its name and bytes".into()));
        }
        Ok(signer)
    }

    /// The private key as text: write it to a file for the owner alone, and nowhere else.
    #[must_use]
    pub fn to_secret_text(&self) -> String {
        let bytes = [&[ALGORITHM], self.key.to_bytes().as_slice()].concat();
        format!("{PRIVATE}{}+{}+{}\n", self.name, hex::encode(self.verifier().id), STANDARD.encode(bytes))
    }

    /// The name, which is the log's origin.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The public side.
    #[must_use]
    pub fn verifier(&self) -> LogVerifier {
        LogVerifier::of(&self.name, self.key.verifying_key())
    }

    pub(super) fn sign(&self, text: &[u8]) -> [u8; 64] {
        self.key.sign(text).to_bytes()
    }
}

impl std::fmt::Debug for LogSigner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "LogSigner({})", self.name)
    }
}

/// Checks notes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogVerifier {
    name: String,
    pub(super) id: [u8; 4],
    key: VerifyingKey,
}

impl LogVerifier {
    fn of(name: &str, key: VerifyingKey) -> LogVerifier {
        LogVerifier { name: name.to_owned(), id: key_id(name, &key), key }
    }

    /// From the text of a verifier key: `<name>+<id>+<base64>`; a final newline is allowed.
    ///
    /// # Errors
    /// When it is no such text, or the id does not fit the name and the key.
    pub fn parse(vkey: &str) -> Result<LogVerifier, LogError> {
        let (name, id, bytes) = parts(vkey.trim_end_matches('\n'))
            .ok_or_else(|| malformed("a verifier key has the form `<name>+<8 hex digits>+<base64>`".into()))?;
        let key = secret_of(&bytes)
            .and_then(|bytes| VerifyingKey::from_bytes(&bytes).ok())
            .ok_or_else(|| malformed("it is not an Ed25519 key of 32 bytes".into()))?;
        let verifier = LogVerifier::of(name, key);
        if verifier.id != id || !name_is_valid(name) {
            return Err(malformed("its id does not fit its name and bytes: it was copied wrongly".into()));
        }
        Ok(verifier)
    }

    /// The text that auditors keep.
    #[must_use]
    pub fn vkey(&self) -> String {
        let bytes = [&[ALGORITHM], self.key.to_bytes().as_slice()].concat();
        format!("{}+{}+{}", self.name, hex::encode(self.id), STANDARD.encode(bytes))
    }

    /// The name, which is the log's origin.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn verifies(&self, text: &[u8], signature: &[u8]) -> bool {
        <[u8; 64]>::try_from(signature).is_ok_and(|bytes| self.key.verify_strict(text, &Signature::from_bytes(&bytes)).is_ok())
    }
}

/// SHA-256 over name, newline, algorithm and key; the first four bytes.
fn key_id(name: &str, key: &VerifyingKey) -> [u8; 4] {
    let hash: [u8; 32] = Sha256::new().chain_update(name).chain_update([b'\n', ALGORITHM]).chain_update(key.to_bytes()).finalize().into();
    let [a, b, c, d, ..] = hash;
    [a, b, c, d]
}

/// Rules of signed notes and of checkpoint origins.
pub(super) fn name_is_valid(name: &str) -> bool {
    !name.is_empty()
        && name.len() <= KEY_NAME_BYTES_MAX
        && !name.ends_with('/')
        && !name.chars().any(|c| c.is_whitespace() || c.is_control() || c == '+')
}

/// Name, id and key bytes of `<name>+<id>+<base64>`.
fn parts(text: &str) -> Option<(&str, [u8; 4], Vec<u8>)> {
    let (name, rest) = text.split_once('+')?;
    let (id, key) = rest.split_once('+')?;
    if id.len() != 8 {
        return None;
    }
    Some((name, hex::decode(id).ok()?.try_into().ok()?, STANDARD.decode(key).ok()?))
}

/// The 32 bytes after the algorithm.
fn secret_of(bytes: &[u8]) -> Option<[u8; 32]> {
    match bytes.split_first() {
        Some((&ALGORITHM, rest)) => rest.try_into().ok(),
        _ => None,
    }
}

fn malformed(how: String) -> LogError {
    LogError::Malformed { what: "a key of the log".into(), how }
}
