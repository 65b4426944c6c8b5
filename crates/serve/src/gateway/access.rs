//! Keys: who may ask, how much, and how urgently.

use crate::allowance::{Allowance, Beyond, Used};
use crate::clock;
use crate::pool::Priority;
use hyper::HeaderMap;
use hyper::header::AUTHORIZATION;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// One key: a bearer token with a name and what it may ask for. The token is never printed.
pub struct Key {
    name: String,
    secret: String,
    priority: Priority,
    allowance: Allowance,
    used: Mutex<Used>,
    /// Predictions that it asked for, and those of them that were beyond its allowance.
    pub(super) asked: AtomicU64,
    pub(super) refused: AtomicU64,
}

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Key")
            .field("name", &self.name)
            .field("priority", &self.priority)
            .field("allowance", &self.allowance)
            .finish_non_exhaustive()
    }
}

impl Key {
    /// A key.
    #[must_use]
    pub fn new(name: impl Into<String>, secret: impl Into<String>, priority: Priority, allowance: Allowance) -> Key {
        let used = Mutex::new(allowance.unused(clock::steady_ms()));
        let (asked, refused) = (AtomicU64::new(0), AtomicU64::new(0));
        Key { name: name.into(), secret: secret.into(), priority, allowance, used, asked, refused }
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// How soon its requests are wanted, where they do not say.
    pub(super) fn priority(&self) -> Priority {
        self.priority
    }

    /// Counts one prediction against what it may ask for.
    pub(super) fn take(&self) -> Result<(), Beyond> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        if self.allowance == Allowance::default() {
            return Ok(());
        }
        let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        let taken = self.allowance.take(&mut used, clock::steady_ms(), clock::wall_ms());
        if taken.is_err() {
            self.refused.fetch_add(1, Ordering::Relaxed);
        }
        taken
    }
}

/// The name of keys that have none of their own.
const UNNAMED: &str = "gateway";

/// All keys, compared without telling by time how much of one was right.
#[derive(Clone, Default)]
pub struct Tokens(Vec<Arc<Key>>);

impl std::fmt::Debug for Tokens {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Tokens({})", self.0.len())
    }
}

impl Tokens {
    /// Tokens that may ask for anything; empty ones are left out, for they would let anybody in.
    #[must_use]
    pub fn new(tokens: Vec<String>) -> Tokens {
        Tokens::default()
            .with(tokens.into_iter().map(|token| Key::new(UNNAMED, token, Priority::Interactive, Allowance::default())).collect())
    }

    /// These and further keys; of keys without a token none is taken.
    #[must_use]
    pub fn with(mut self, keys: Vec<Key>) -> Tokens {
        self.0.extend(keys.into_iter().filter(|key| !key.secret.is_empty()).map(Arc::new));
        self
    }

    /// How many.
    #[must_use]
    pub fn count(&self) -> usize {
        self.0.len()
    }

    pub(super) fn all(&self) -> &[Arc<Key>] {
        &self.0
    }

    /// The key that a request carries.
    #[must_use]
    pub(super) fn admit(&self, headers: &HeaderMap) -> Option<&Arc<Key>> {
        let value = headers.get(AUTHORIZATION).map(hyper::header::HeaderValue::as_bytes)?;
        let (scheme, given) = value.split_at_checked(b"Bearer ".len())?;
        // Every token is compared, so that time does not tell which one was near.
        let found = self.0.iter().fold(None, |found, key| if same(key.secret.as_bytes(), given) { Some(key) } else { found });
        found.filter(|_| scheme.eq_ignore_ascii_case(b"Bearer "))
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
        let batch = Key::new("nightly", "other", Priority::Batch, Allowance::default());
        let tokens = Tokens::new(vec!["secret".to_owned(), String::new()]).with(vec![batch]);
        let admits =
            |value: &str| tokens.admit(&HeaderMap::from_iter([(AUTHORIZATION, value.parse().unwrap())])).map(|key| key.name().to_owned());
        assert_eq!((admits("Bearer secret"), admits("bearer other")), (Some("gateway".to_owned()), Some("nightly".to_owned())));
        for wrong in ["Bearer secre", "Bearer secret1", "Bearer ", "Bearer", "Basic secret", "secret", ""] {
            assert_eq!(admits(wrong), None, "{wrong}");
        }
        assert!(tokens.admit(&HeaderMap::new()).is_none());
        assert!(!format!("{tokens:?} {:?}", tokens.all()).contains("secret\""));
        assert_eq!(tokens.count(), 2);
    }

    #[test]
    fn what_a_key_asks_for_is_counted() {
        let key = Key::new("k", "s", Priority::Interactive, Allowance { per_day: Some(1), ..Allowance::default() });
        assert!(key.take().is_ok());
        assert!(matches!(key.take(), Err(Beyond::Day { .. })));
        assert_eq!((key.asked.load(Ordering::Relaxed), key.refused.load(Ordering::Relaxed)), (2, 1));
    }
}
