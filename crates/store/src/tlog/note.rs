//! Signed notes (C2SP signed-note): a text, an empty line, signature lines.
//!
//! Not here: what the text means ([`super::checkpoint`]).

use super::error::LogError;
use super::key::{LogSigner, LogVerifier, name_is_valid};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// Most bytes of a note.
pub const NOTE_BYTES_MAX: usize = 65_536;
/// Most signature lines of a note.
pub const SIGNATURES_MAX: usize = 100;
/// Begins a signature line: an em dash (U+2014) and a space.
const DASH: &str = "\u{2014} ";

/// `text`, which ends with a newline, with one signature line.
#[must_use]
pub fn sign(text: &str, signer: &LogSigner) -> String {
    let bytes = [signer.verifier().id.as_slice(), &signer.sign(text.as_bytes())].concat();
    format!("{text}\n{DASH}{} {}\n", signer.name(), STANDARD.encode(bytes))
}

/// The text of `note` when `verifier` signed it.
///
/// # Errors
/// [`LogError::Malformed`] when it is no signed note; [`LogError::Signature`] when the key did not sign it, or a
/// signature that names the key is wrong.
pub fn open<'a>(what: &str, note: &'a [u8], verifier: &LogVerifier) -> Result<&'a str, LogError> {
    let malformed = |how: &str| LogError::Malformed { what: what.to_owned(), how: how.to_owned() };
    if note.len() > NOTE_BYTES_MAX {
        return Err(malformed("it is over the limit of 65,536 bytes"));
    }
    let note = std::str::from_utf8(note).map_err(|_| malformed("it is not UTF-8"))?;
    if note.chars().any(|c| c < ' ' && c != '\n') {
        return Err(malformed("it has a control character other than a newline (a carriage return, perhaps)"));
    }
    if !note.ends_with('\n') {
        return Err(malformed("its last line does not end with a newline"));
    }
    let blank = note.rfind("\n\n").ok_or_else(|| malformed("it has no empty line before its signatures"))?;
    let (text, signatures) = (note.get(..=blank).unwrap_or(""), note.get(blank + 2..).unwrap_or(""));
    if signatures.lines().count() > SIGNATURES_MAX {
        return Err(malformed("it has more than 100 signatures"));
    }
    let mut signed = false;
    for line in signatures.lines() {
        let (name, id, signature) =
            signature_line(line).ok_or_else(|| malformed("a signature line does not have the form `\u{2014} <name> <base64>`"))?;
        if name != verifier.name() || id != verifier.id {
            continue;
        }
        if !verifier.verifies(text.as_bytes(), &signature) {
            return Err(LogError::Signature {
                what: what.to_owned(),
                key: verifier.name().to_owned(),
                how: "the signature does not fit the text: it was changed",
            });
        }
        signed = true;
    }
    if signed {
        Ok(text)
    } else {
        Err(LogError::Signature { what: what.to_owned(), key: verifier.name().to_owned(), how: "this key did not sign it" })
    }
}

/// Name, key id and signature of a line.
fn signature_line(line: &str) -> Option<(&str, [u8; 4], Vec<u8>)> {
    let (name, base64) = line.strip_prefix(DASH)?.split_once(' ')?;
    let bytes = STANDARD.decode(base64).ok()?;
    let (id, signature) = bytes.split_first_chunk::<4>()?;
    (name_is_valid(name) && !signature.is_empty()).then(|| (name, *id, signature.to_vec()))
}
