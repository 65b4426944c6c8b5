//! Keys of NATS: a seed as it is written, the public key of it, and what it signs.

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use ring::signature::{Ed25519KeyPair, KeyPair as _};

const LETTERS: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
/// First bits of a seed.
const SEED: u8 = 18 << 3;
/// What keys of users begin with.
const USER: u8 = 20 << 3;

/// What proves who reads: the token of an account, where there is one, and the key.
pub struct Credentials {
    /// The token.
    pub jwt: Option<String>,
    key: Ed25519KeyPair,
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Credentials").field("nkey", &self.public()).finish_non_exhaustive()
    }
}

impl Credentials {
    /// What is in a `.creds` file, or a seed alone.
    #[must_use]
    pub fn read(text: &str) -> Option<Credentials> {
        let words: Vec<&str> = text.split_whitespace().collect();
        let seed = words.iter().find(|word| word.starts_with("SU"))?;
        let jwt = words.iter().find(|word| word.starts_with("eyJ")).map(|word| (*word).to_owned());
        let bytes = decode(seed)?;
        let (content, sum) = bytes.split_last_chunk::<2>()?;
        let [first, second, secret @ ..] = content else { return None };
        let kind = (first & 7) << 5 | second >> 3;
        let fits = u16::from_le_bytes(*sum) == checksum(content) && first & 0xf8 == SEED && kind == USER;
        let key = Ed25519KeyPair::from_seed_unchecked(secret).ok().filter(|_| fits)?;
        Some(Credentials { jwt, key })
    }

    /// The public key.
    #[must_use]
    pub fn public(&self) -> String {
        let mut bytes = vec![USER];
        bytes.extend(self.key.public_key().as_ref());
        bytes.extend(checksum(&bytes).to_le_bytes());
        encode(&bytes)
    }

    /// A server's text, signed.
    #[must_use]
    pub fn sign(&self, nonce: &str) -> String {
        BASE64_URL_SAFE_NO_PAD.encode(self.key.sign(nonce.as_bytes()))
    }
}

/// CRC-16 as XMODEM has it.
fn checksum(bytes: &[u8]) -> u16 {
    bytes
        .iter()
        .fold(0, |sum, byte| (0..8).fold(sum ^ u16::from(*byte) << 8, |sum, _| if sum >> 15 == 1 { sum << 1 ^ 0x1021 } else { sum << 1 }))
}

fn encode(bytes: &[u8]) -> String {
    let bit = |at: usize| bytes.get(at / 8).map_or(0, |byte| byte >> (7 - at % 8) & 1);
    let letter = |at: usize| char::from(LETTERS[(0..5).fold(0, |value, i| value << 1 | usize::from(bit(at * 5 + i)))]);
    (0..(bytes.len() * 8).div_ceil(5)).map(letter).collect()
}

fn decode(text: &str) -> Option<Vec<u8>> {
    let (mut value, mut bits, mut bytes) = (0_u32, 0, vec![]);
    for letter in text.bytes() {
        value = value << 5 | u32::try_from(LETTERS.iter().position(|known| *known == letter)?).ok()?;
        bits += 5;
        if bits >= 8 {
            bits -= 8;
            bytes.push(u8::try_from(value >> bits & 0xff).ok()?);
        }
        value &= 0xff;
    }
    Some(bytes)
}

/// A seed as it is written, for tests.
#[cfg(test)]
pub(crate) fn seed(secret: &[u8; 32]) -> String {
    let mut bytes = vec![SEED | USER >> 5, USER << 3];
    bytes.extend(secret);
    bytes.extend(checksum(&bytes).to_le_bytes());
    encode(&bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_is_read_with_its_token_and_alone() {
        assert_eq!((checksum(b"123456789"), encode(b"foobar")), (0x31c3, "MZXW6YTBOI".to_owned()));
        let seed = seed(&[7; 32]);
        let alone = Credentials::read(&seed).unwrap();
        assert!(alone.jwt.is_none() && alone.public().starts_with('U') && alone.public().len() == 56, "{}", alone.public());
        let file = format!(
            "-----BEGIN NATS USER JWT-----\neyJ0.e30.x\n------END NATS USER JWT------\n\n*** note ***\n-----BEGIN USER NKEY SEED-----\n{seed}\n------END USER NKEY SEED------\n"
        );
        let read = Credentials::read(&file).unwrap();
        assert_eq!((read.jwt.as_deref(), read.public()), (Some("eyJ0.e30.x"), alone.public()));
        assert_eq!(read.sign("nonce").len(), 86);
        assert!(!format!("{read:?}").contains(&seed));
        let damaged = format!("{}A", &seed[..seed.len() - 1]);
        for bad in ["", "SU", &seed[..40], &damaged, &seed.to_lowercase()] {
            assert!(Credentials::read(bad).is_none() || bad == seed, "{bad}");
        }
    }
}
