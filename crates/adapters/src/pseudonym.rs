//! What stands for a person in what is kept: the same for the same person, and nobody who lacks the key can tell whose it is.

use ring::hmac::{HMAC_SHA256, Key, sign};

/// Bytes of a pseudonym: 128 bits, so that two people never share one.
const BYTES: usize = 16;

/// The pseudonym of a login of a tool. Logins differ in no capitals, and the same login of two sources is two people.
#[must_use]
pub fn pseudonym(key: &[u8; 32], source: &str, login: &str) -> String {
    let text = format!("{}/{source}/{}", source.len(), login.to_lowercase());
    let tag = sign(&Key::new(HMAC_SHA256, key), text.as_bytes());
    tag.as_ref().iter().take(BYTES).map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_person_has_the_same_one_and_another_key_gives_another() {
        let (key, other) = ([7; 32], [8; 32]);
        let of = pseudonym(&key, "forge", "Ada");
        assert_eq!((of.len(), of.as_str()), (32, pseudonym(&key, "forge", "ada").as_str()));
        for different in [pseudonym(&other, "forge", "ada"), pseudonym(&key, "pager", "ada"), pseudonym(&key, "forge", "bob")] {
            assert_ne!(different, of);
        }
    }
}
