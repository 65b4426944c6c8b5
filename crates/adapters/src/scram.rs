//! A proof of knowing a password that does not show it (RFC 5802, RFC 7677), as brokers of Kafka ask for it.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use ring::{digest, hmac, pbkdf2};
use std::num::NonZeroU32;

/// Rounds that a server may ask for; more would only keep us busy.
const ROUNDS_MAX: u32 = 1_000_000;
/// Fewest rounds that are worth something, as the RFC says.
const ROUNDS_MIN: u32 = 4_096;
/// Longest text of a server, in bytes.
const TEXT_BYTES_MAX: usize = 4_096;

/// Which digest it stands on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hash {
    /// SHA-256.
    Sha256,
    /// SHA-512.
    Sha512,
}

/// A proof under way: the first message was sent.
pub struct Scram {
    hash: Hash,
    password: String,
    nonce: String,
    first: String,
}

/// Without the password.
impl std::fmt::Debug for Scram {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Scram").field("hash", &self.hash).finish_non_exhaustive()
    }
}

impl Scram {
    /// Begins one, with a text that nobody can guess.
    #[must_use]
    pub fn new(hash: Hash, login: &str, password: &str, nonce: &str) -> Scram {
        let login = login.replace('=', "=3D").replace(',', "=2C");
        Scram { hash, password: password.to_owned(), nonce: nonce.to_owned(), first: format!("n={login},r={nonce}") }
    }

    /// The first message.
    #[must_use]
    pub fn first(&self) -> String {
        format!("n,,{}", self.first)
    }

    /// The last message, and what the server then has to answer.
    ///
    /// # Errors
    /// When what the server said is not what it should be.
    pub fn last(&self, server: &str) -> Result<(String, String), &'static str> {
        let member = |name: &str| server.split(',').find_map(|part| part.strip_prefix(name)?.strip_prefix('='));
        let nonce = member("r").filter(|nonce| nonce.len() > self.nonce.len() && nonce.starts_with(&self.nonce));
        let salt = member("s").and_then(|salt| BASE64_STANDARD.decode(salt).ok());
        let rounds = member("i").and_then(|rounds| rounds.parse().ok()).filter(|rounds| (ROUNDS_MIN..=ROUNDS_MAX).contains(rounds));
        let strange = "what it says to the proof of the password is not SCRAM";
        let (Some(nonce), Some(salt), true) = (nonce, salt, server.len() <= TEXT_BYTES_MAX) else { return Err(strange) };
        let rounds = rounds.and_then(NonZeroU32::new).ok_or("it asks for too few or too many rounds of SCRAM")?;
        let (hash, derive, digest) = match self.hash {
            Hash::Sha256 => (hmac::HMAC_SHA256, pbkdf2::PBKDF2_HMAC_SHA256, &digest::SHA256),
            Hash::Sha512 => (hmac::HMAC_SHA512, pbkdf2::PBKDF2_HMAC_SHA512, &digest::SHA512),
        };
        let mut salted = vec![0; digest.output_len()];
        pbkdf2::derive(derive, rounds, &salt, self.password.as_bytes(), &mut salted);
        let sign = |key: &[u8], text: &[u8]| hmac::sign(&hmac::Key::new(hash, key), text);
        let last = format!("c=biws,r={nonce}");
        let all = format!("{},{server},{last}", self.first);
        let key = sign(&salted, b"Client Key");
        let signature = sign(digest::digest(digest, key.as_ref()).as_ref(), all.as_bytes());
        let proof: Vec<u8> = key.as_ref().iter().zip(signature.as_ref()).map(|(a, b)| a ^ b).collect();
        let server_key = sign(&salted, b"Server Key");
        let wanted = format!("v={}", BASE64_STANDARD.encode(sign(server_key.as_ref(), all.as_bytes())));
        Ok((format!("{last},p={}", BASE64_STANDARD.encode(proof)), wanted))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_proof_is_that_of_the_rfc() {
        // RFC 7677, section 3.
        let scram = Scram::new(Hash::Sha256, "user", "pencil", "rOprNGfwEbeRWgbNEkqO");
        assert_eq!(scram.first(), "n,,n=user,r=rOprNGfwEbeRWgbNEkqO");
        let (last, wanted) = scram.last("r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096").unwrap();
        assert_eq!(last, "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=");
        assert_eq!(wanted, "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=");
    }

    #[test]
    fn what_a_server_says_has_its_form() {
        let scram = Scram::new(Hash::Sha512, "a=b,c", "p", "nonce");
        assert_eq!(scram.first(), "n,,n=a=3Db=2Cc,r=nonce");
        assert!(scram.last("r=nonce1,s=AAAA,i=4096").is_ok());
        for bad in [
            "",
            "r=nonce,s=AAAA,i=4096",
            "r=other1,s=AAAA,i=4096",
            "r=nonce1,s=?,i=4096",
            "r=nonce1,s=AAAA,i=1",
            "r=nonce1,s=AAAA,i=99999999",
            "r=nonce1,s=AAAA",
        ] {
            assert!(scram.last(bad).is_err(), "{bad}");
        }
    }
}
