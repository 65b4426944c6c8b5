//! Bearer tokens.

use hyper::HeaderMap;
use hyper::header::AUTHORIZATION;

/// Secrets, compared without telling by time how much of one was right, and never printed.
#[derive(Clone, Default)]
pub struct Tokens(Vec<String>);

impl std::fmt::Debug for Tokens {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Tokens({})", self.0.len())
    }
}

impl Tokens {
    /// Tokens; empty ones are left out, for they would let anybody in.
    #[must_use]
    pub fn new(tokens: Vec<String>) -> Tokens {
        Tokens(tokens.into_iter().filter(|t| !t.is_empty()).collect())
    }

    /// How many.
    #[must_use]
    pub fn count(&self) -> usize {
        self.0.len()
    }

    /// Whether a request carries one.
    #[must_use]
    pub(super) fn admit(&self, headers: &HeaderMap) -> bool {
        let Some(value) = headers.get(AUTHORIZATION).map(hyper::header::HeaderValue::as_bytes) else { return false };
        let Some((scheme, given)) = value.split_at_checked(b"Bearer ".len()) else { return false };
        // Every token is compared, so that time does not tell which one was near.
        scheme.eq_ignore_ascii_case(b"Bearer ") && self.0.iter().fold(false, |found, t| found | same(t.as_bytes(), given))
    }
}

fn same(a: &[u8], b: &[u8]) -> bool {
    a.len() == b.len() && std::hint::black_box(a.iter().zip(b).fold(0, |differ, (x, y)| differ | (x ^ y))) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_whole_token_is_admitted() {
        let tokens = Tokens::new(vec!["secret".to_owned(), "other".to_owned(), String::new()]);
        let admits = |value: &str| tokens.admit(&HeaderMap::from_iter([(AUTHORIZATION, value.parse().unwrap())]));
        assert!(admits("Bearer secret") && admits("bearer other"));
        for wrong in ["Bearer secre", "Bearer secret1", "Bearer ", "Bearer", "Basic secret", "secret", ""] {
            assert!(!admits(wrong), "{wrong}");
        }
        assert!(!tokens.admit(&HeaderMap::new()));
        assert!(!format!("{tokens:?}").contains("secret"));
    }
}
