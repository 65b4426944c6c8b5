//! Access tokens: `tdg_<kind>_<id>_<secret>`, shown once; only the SHA-256 of the secret is kept.
//!
//! Not here: what a scope allows.

use crate::disk::{self, Guard};
use crate::keys::{check_private, random};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::path::{Path, PathBuf};
use tidegate_core::id::At;
use tidegate_port::{Failure, FailureKind};

/// Most tokens of a workspace.
pub const TOKENS_MAX: usize = 10_000;
/// Largest file of tokens in bytes.
const FILE_BYTES_MAX: u64 = 16 << 20;
/// Longest token text that is looked at.
const TEXT_BYTES_MAX: usize = 256;

/// What is known of a token: everything but the secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Token {
    /// Names it in listings and for revoking.
    pub id: String,
    /// What it is for, as `api` or `console`.
    pub kind: String,
    /// What a person calls it.
    pub label: String,
    /// What it allows.
    pub scopes: Vec<String>,
    /// When it was made.
    pub made: At,
    /// From when on it no longer counts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<At>,
    /// Whether its first use ends it.
    #[serde(default)]
    pub once: bool,
    /// Whose it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub person: Option<String>,
    /// SHA-256 of the secret, in hex.
    secret_sha256: String,
}

/// What a new token is to be.
#[derive(Clone, Debug, Default)]
pub struct NewToken<'a> {
    /// What it is for: lower-case letters and digits.
    pub kind: &'a str,
    /// What a person calls it.
    pub label: &'a str,
    /// What it allows.
    pub scopes: &'a [&'a str],
    /// From when on it no longer counts.
    pub expires: Option<At>,
    /// Whether its first use ends it.
    pub once: bool,
    /// Whose it is.
    pub person: Option<&'a str>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    v: u32,
    tokens: Vec<Token>,
}

/// The tokens of a workspace, in a file for the owner alone; several processes may use it.
#[derive(Clone, Debug)]
pub struct Tokens {
    path: PathBuf,
    lock: PathBuf,
}

impl Tokens {
    /// The tokens in `dir`.
    #[must_use]
    pub fn new(dir: &Path) -> Tokens {
        Tokens { path: dir.join("tokens.json"), lock: dir.join("tokens.lock") }
    }

    /// Makes a token and gives its text, which cannot be had again.
    ///
    /// # Errors
    /// When the kind is not plain, there are too many tokens, or the disk fails.
    pub fn make(&self, new: &NewToken<'_>, now: At) -> Result<(Token, String), Failure> {
        if new.kind.is_empty() || new.kind.len() > 16 || !new.kind.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit()) {
            return Err(self.refused("a token's kind is 1 to 16 lower-case letters or digits".into()));
        }
        let id = hex::encode(random::<6>()?);
        let secret = hex::encode(random::<32>()?);
        let token = Token {
            id: id.clone(),
            kind: new.kind.to_owned(),
            label: new.label.to_owned(),
            scopes: new.scopes.iter().map(|scope| (*scope).to_owned()).collect(),
            made: now,
            expires: new.expires,
            once: new.once,
            person: new.person.map(str::to_owned),
            secret_sha256: hex::encode(Sha256::digest(&secret)),
        };
        let text = format!("tdg_{}_{id}_{secret}", new.kind);
        self.change(|tokens| {
            tokens.retain(|token| token.expires.is_none_or(|expires| now < expires));
            if tokens.len() >= TOKENS_MAX {
                return Err(self.refused(format!("there are {TOKENS_MAX} tokens already: revoke some")));
            }
            tokens.push(token.clone());
            Ok(())
        })?;
        Ok((token, text))
    }

    /// The token of `text`, if it counts `now`. A token for one use is used up by this.
    ///
    /// # Errors
    /// When the file of tokens cannot be read.
    pub fn check(&self, text: &str, now: At) -> Result<Option<Token>, Failure> {
        let found = find(&self.read()?, text, now);
        match found {
            Some(token) if token.once => self.change(|tokens| {
                // Again under the lock: of two users at once one gets it.
                let found = find(tokens, text, now);
                tokens.retain(|other| other.id != token.id);
                Ok(found)
            }),
            found => Ok(found),
        }
    }

    /// Ends a token; false when there is none of this id.
    ///
    /// # Errors
    /// When the disk fails.
    pub fn revoke(&self, id: &str) -> Result<bool, Failure> {
        self.change(|tokens| {
            let before = tokens.len();
            tokens.retain(|token| token.id != id);
            Ok(tokens.len() < before)
        })
    }

    /// All tokens, without their secrets.
    ///
    /// # Errors
    /// When the file of tokens cannot be read.
    pub fn list(&self) -> Result<Vec<Token>, Failure> {
        self.read()
    }

    fn change<T>(&self, change: impl FnOnce(&mut Vec<Token>) -> Result<T, Failure>) -> Result<T, Failure> {
        let _guard = Guard::wait(&self.lock)?;
        let mut tokens = self.read()?;
        let result = change(&mut tokens)?;
        let bytes = serde_json::to_vec_pretty(&Stored { v: 1, tokens }).map_err(|e| self.refused(e.to_string()))?;
        disk::replace_private_file(&self.path, &bytes)?;
        Ok(result)
    }

    fn read(&self) -> Result<Vec<Token>, Failure> {
        let Some(bytes) = disk::read_if_there(&self.path, FILE_BYTES_MAX)? else { return Ok(Vec::new()) };
        check_private(&self.path)?;
        let stored: Stored = serde_json::from_slice(&bytes)
            .map_err(|e| self.refused(format!("{e}: the file was damaged; remove it and make the tokens again")))?;
        if stored.v != 1 {
            return Err(self.refused(format!("its version is {}, this program reads 1: use the newer program", stored.v)));
        }
        Ok(stored.tokens)
    }

    fn refused(&self, detail: String) -> Failure {
        Failure { kind: FailureKind::Refused, operation: "use tokens", object: self.path.display().to_string(), detail }
    }
}

fn find(tokens: &[Token], text: &str, now: At) -> Option<Token> {
    if text.len() > TEXT_BYTES_MAX {
        return None;
    }
    let mut parts = text.strip_prefix("tdg_")?.splitn(3, '_');
    let (kind, id, secret) = (parts.next()?, parts.next()?, parts.next()?);
    let given: [u8; 32] = Sha256::digest(secret).into();
    let token = tokens.iter().find(|token| token.id == id && token.kind == kind)?;
    let kept: [u8; 32] = hex::decode(&token.secret_sha256).ok()?.try_into().ok()?;
    let counts = token.expires.is_none_or(|expires| now < expires);
    (same(&given, &kept) && counts).then(|| token.clone())
}

/// Compares in a time that does not depend on where they differ.
fn same(left: &[u8; 32], right: &[u8; 32]) -> bool {
    let differing = left.iter().zip(right).fold(0, |differing, (l, r)| std::hint::black_box(differing | (l ^ r)));
    std::hint::black_box(differing) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn api<'a>() -> NewToken<'a> {
        NewToken { kind: "api", label: "ci", scopes: &["release:start", "read"], ..NewToken::default() }
    }

    #[test]
    fn a_token_is_known_by_its_text_alone() {
        let dir = tempfile::tempdir().unwrap();
        let tokens = Tokens::new(dir.path());
        let (token, text) = tokens.make(&api(), At(5)).unwrap();
        assert!(text.starts_with(&format!("tdg_api_{}_", token.id)), "{text}");
        assert_eq!(Tokens::new(dir.path()).check(&text, At(6)).unwrap(), Some(token.clone()));
        let secret = text.rsplit('_').next().unwrap();
        let stored = std::fs::read_to_string(dir.path().join("tokens.json")).unwrap();
        assert!(!stored.contains(secret) && !format!("{token:?}").contains(secret));
        let last = if text.ends_with('0') { "1" } else { "0" };
        let wrong = [
            text[..text.len() - 1].to_owned() + last,
            text.replace("tdg_api", "tdg_web"),
            text[..text.len() - 1].to_owned(),
            String::new(),
            "tdg_".into(),
            format!("{text}0"),
        ];
        for wrong in wrong {
            assert_eq!(tokens.check(&wrong, At(6)).unwrap(), None, "{wrong}");
        }
        assert_eq!(tokens.list().unwrap(), std::slice::from_ref(&token));
        assert!(tokens.revoke(&token.id).unwrap() && !tokens.revoke(&token.id).unwrap());
        assert_eq!(tokens.check(&text, At(6)).unwrap(), None);
    }

    #[test]
    fn tokens_expire_and_those_for_one_use_end() {
        let dir = tempfile::tempdir().unwrap();
        let tokens = Tokens::new(dir.path());
        let (_, text) = tokens.make(&NewToken { expires: Some(At(10)), ..api() }, At(0)).unwrap();
        assert!(tokens.check(&text, At(9)).unwrap().is_some() && tokens.check(&text, At(10)).unwrap().is_none());
        let (_, once) = tokens.make(&NewToken { kind: "console", once: true, ..api() }, At(0)).unwrap();
        let uses: usize = std::thread::scope(|scope| {
            let users: Vec<_> = (0..8).map(|_| scope.spawn(|| usize::from(tokens.check(&once, At(1)).unwrap().is_some()))).collect();
            users.into_iter().map(|user| user.join().unwrap()).sum()
        });
        assert_eq!(uses, 1);
    }

    #[cfg(unix)]
    #[test]
    fn the_file_is_private() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().unwrap();
        let tokens = Tokens::new(dir.path());
        tokens.make(&api(), At(0)).unwrap();
        let path = dir.path().join("tokens.json");
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
        assert_eq!(tokens.list().unwrap_err().kind, FailureKind::Denied);
        assert!(tokens.make(&NewToken { kind: "Bad_kind", ..api() }, At(0)).is_err());
    }
}
