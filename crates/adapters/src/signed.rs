//! Whether a webhook knows its secret: a signature of its body, or the secret itself; both compared in constant time.

use ring::hmac::{HMAC_SHA256, Key, sign, verify};

/// A signature as GitHub sends it in `X-Hub-Signature-256`: `sha256=` and the HMAC of the body in hex.
#[must_use]
pub fn by_github(secret: &str, body: &[u8], header: &str) -> bool {
    header.strip_prefix("sha256=").is_some_and(|hex| by_hex(secret, body, hex))
}

/// A signature as GitLab sends it with external status checks, in `X-Gitlab-Signature`: the HMAC of the body in hex.
#[must_use]
pub fn by_hex(secret: &str, body: &[u8], hex: &str) -> bool {
    let Some(tag) = bytes(hex) else { return false };
    !secret.is_empty() && verify(&Key::new(HMAC_SHA256, secret.as_bytes()), body, &tag).is_ok()
}

/// Signatures as PagerDuty sends them in `X-PagerDuty-Signature`: `v1=` and the HMAC of the body in hex, one for each secret that is in use,
/// separated by commas.
#[must_use]
pub fn by_pagerduty(secret: &str, body: &[u8], header: &str) -> bool {
    header.split(',').filter_map(|one| one.trim().strip_prefix("v1=")).take(SIGNATURES_MAX).any(|hex| by_hex(secret, body, hex))
}

/// Signatures of one message that are looked at.
const SIGNATURES_MAX: usize = 8;

/// The secret itself, as GitLab sends it with webhooks in `X-Gitlab-Token`. Compared by their HMACs, so that neither their bytes
/// nor their lengths show in the time that it takes.
#[must_use]
pub fn by_token(secret: &str, header: &str) -> bool {
    let key = Key::new(HMAC_SHA256, b"compared in constant time");
    !secret.is_empty() && verify(&key, header.as_bytes(), sign(&key, secret.as_bytes()).as_ref()).is_ok()
}

fn bytes(hex: &str) -> Option<Vec<u8>> {
    let digit = |c: u8| char::from(c).to_digit(16).and_then(|d| u8::try_from(d).ok());
    let pairs = hex.as_bytes().chunks(2);
    (hex.len() == 64).then(|| pairs.map(|p| Some(digit(p[0])? * 16 + digit(*p.get(1)?)?)).collect())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signatures_are_those_of_github() {
        // The example of GitHub's documentation.
        let (secret, body) = ("It's a Secret to Everybody", b"Hello, World!");
        let good = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";
        assert!(by_github(secret, body, good));
        assert!(by_hex(secret, body, good.strip_prefix("sha256=").unwrap()), "GitLab sends the same without a prefix");
        for (secret, body, header) in [
            ("another", &body[..], good),
            ("", &body[..], good),
            (secret, b"Hello, World?", good),
            (secret, &body[..], &good[7..]),
            (secret, &body[..], "sha256="),
            (secret, &body[..], "sha256=zz"),
            (secret, &body[..], &good[..good.len() - 2]),
            (secret, &body[..], "sha1=757107ea0eb2509fc211221cce984b8a37570b6d"),
            (secret, &body[..], "sha256=é57107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e1"),
        ] {
            assert!(!by_github(secret, body, header), "{header}");
        }
    }

    #[test]
    fn one_of_several_signatures_is_enough() {
        let (secret, body) = ("It's a Secret to Everybody", b"Hello, World!");
        let good = "v1=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";
        let other = format!("v1={}", "0".repeat(64));
        assert!(by_pagerduty(secret, body, good) && by_pagerduty(secret, body, &format!("{other},{good}")));
        for header in ["", &other, &good.replace("v1", "v2"), &good[3..], &format!("{},{good}", [other.as_str(); SIGNATURES_MAX].join(","))]
        {
            assert!(!by_pagerduty(secret, body, header), "{header}");
        }
        assert!(!by_pagerduty("", body, good));
    }

    #[test]
    fn a_token_is_the_secret_and_nothing_else() {
        assert!(by_token("s3cret", "s3cret"));
        for (secret, header) in [("s3cret", "s3creT"), ("s3cret", "s3cre"), ("s3cret", ""), ("", "")] {
            assert!(!by_token(secret, header), "{secret} {header}");
        }
    }
}
