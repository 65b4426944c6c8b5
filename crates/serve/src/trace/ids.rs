//! Identifiers of traces and spans: numbers that nobody can foresee, without asking the system for each.

use super::context::{SpanId, TraceId};
use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};

/// A source of them, seeded by the system once.
#[derive(Debug, Default)]
pub struct Ids {
    seed: RandomState,
    next: AtomicU64,
}

impl Ids {
    /// The next number. Keyed hashes of a counter: no two processes share a key.
    pub fn number(&self) -> u64 {
        self.seed.hash_one(self.next.fetch_add(1, Ordering::Relaxed))
    }

    /// The next number that may be an identifier.
    fn not_zero(&self) -> u64 {
        // Zeros mean that there is none; one in 2^64 numbers is.
        self.number().max(1)
    }

    pub fn trace(&self) -> TraceId {
        TraceId((u128::from(self.number()) << 64 | u128::from(self.not_zero())).to_be_bytes())
    }

    pub fn span(&self) -> SpanId {
        SpanId(self.not_zero().to_be_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trace::sample::Ratio;
    use std::collections::HashSet;

    #[test]
    fn identifiers_differ_and_a_share_of_them_is_that_share() {
        const COUNT: usize = 20_000;
        let ids = Ids::default();
        let all: Vec<TraceId> = (0..COUNT).map(|_| ids.trace()).collect();
        assert_eq!(all.iter().map(|id| id.0).collect::<HashSet<_>>().len(), COUNT);
        let taken = all.iter().filter(|id| Ratio::new(0.1).takes(**id)).count();
        // Ten standard deviations.
        assert!(taken.abs_diff(COUNT / 10) < 430, "{taken}");
        assert_ne!(Ids::default().trace(), Ids::default().trace());
    }
}
