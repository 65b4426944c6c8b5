//! Clients drawn by lot for an A/B test: which stretch of the line of keys is whose. What the other clients meet is the rest of the route.

use super::sticky::place_of;
use super::{Carrier, Role, TargetId, WEIGHT_TOTAL_BP};
use serde::{Deserialize, Serialize};

/// Most stretches of one lot.
pub const STRETCHES_MAX: usize = 8;

/// Hexadecimal digits of a client's pseudonym.
const PSEUDONYM_CHARS: usize = 32;

/// Points of the line, from one up to but not including another, whose clients a variant answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stretch {
    /// The first point.
    pub from_bp: u32,
    /// The first point after it.
    pub until_bp: u32,
    /// Who answers.
    pub target: TargetId,
}

/// A draw. A client without a key, or whose point lies in no stretch, is not in it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lot {
    /// The test, as `ranking/3`.
    pub test: String,
    /// What carries a client's key.
    pub carrier: Carrier,
    /// Keeps one test's draw independent of another's.
    pub salt: String,
    /// Ascending, apart from each other. A variant that was stopped leaves a gap: nobody else's place moves.
    pub stretches: Vec<Stretch>,
}

impl Lot {
    /// Whose stretch a key's point lies in.
    #[must_use]
    pub fn draw(&self, key: &[u8]) -> Option<usize> {
        if key.is_empty() {
            return None;
        }
        let place = place_of(&self.salt, key);
        self.stretches.iter().position(|s| (s.from_bp..s.until_bp).contains(&place))
    }

    /// A client's pseudonym in this test: who does not hold the secret cannot find the client by trying keys.
    #[must_use]
    pub fn pseudonym(&self, secret: &[u8; 32], key: &[u8]) -> String {
        let mut hasher = blake3::Hasher::new_keyed(secret);
        hasher.update(&(self.salt.len() as u64).to_le_bytes());
        hasher.update(self.salt.as_bytes());
        hasher.update(key);
        hasher.finalize().to_hex().chars().take(PSEUDONYM_CHARS).collect()
    }

    /// Whether its stretches are in order, within the line, and each a variant's.
    pub(super) fn is_sound(&self, service: &str) -> bool {
        let in_order = self.stretches.windows(2).all(|pair| matches!(pair, [a, b] if a.until_bp <= b.from_bp));
        let each = |s: &Stretch| {
            let target = &s.target;
            s.from_bp < s.until_bp
                && s.until_bp <= WEIGHT_TOTAL_BP
                && target.role == Role::Variant
                && target.variant.is_some()
                && target.service == service
        };
        in_order && self.stretches.len() <= STRETCHES_MAX && self.stretches.iter().all(each)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lot(stretches: &[(u32, u32, &str)]) -> Lot {
        let stretches = stretches
            .iter()
            .map(|(from_bp, until_bp, name)| Stretch {
                from_bp: *from_bp,
                until_bp: *until_bp,
                target: TargetId::of_variant("s", "1", *name),
            })
            .collect();
        Lot { test: "t/1".to_owned(), carrier: Carrier::Header("x-user".to_owned()), salt: "t/1".to_owned(), stretches }
    }

    #[test]
    fn shares_are_those_of_a_uniform_hash_and_a_gap_moves_nobody() {
        let whole = lot(&[(0, 1_000, "control"), (1_000, 2_000, "a"), (2_000, 4_000, "b")]);
        let gap = lot(&[(0, 1_000, "control"), (2_000, 4_000, "b")]);
        assert!(whole.is_sound("s") && gap.is_sound("s"));
        let mut counts = [0_u32; 4];
        for key in 0_u32..100_000 {
            let key = key.to_le_bytes();
            let name = |lot: &Lot| lot.draw(&key).map(|i| lot.stretches[i].target.variant.clone().unwrap());
            counts[whole.draw(&key).unwrap_or(3)] += 1;
            assert_eq!(name(&gap), name(&whole).filter(|name| name != "a"));
        }
        // Five deviations of a binomial count.
        for (count, expected, slack) in [(counts[0], 10_000.0, 474.0), (counts[1], 10_000.0, 474.0), (counts[2], 20_000.0, 632.0)] {
            assert!((f64::from(count) - expected).abs() <= slack, "{counts:?}");
        }
        let (one, secret) = (whole.pseudonym(&[1; 32], b"ada"), [2; 32]);
        assert_eq!(one.len(), PSEUDONYM_CHARS);
        assert!(one != whole.pseudonym(&secret, b"ada") && one != whole.pseudonym(&[1; 32], b"bob"));
        assert_eq!(whole.draw(b""), None, "a client without a key is not in it");
    }

    #[test]
    fn stretches_that_overlap_or_belong_to_others_are_found() {
        for wrong in [
            lot(&[(0, 100, "a"), (50, 200, "b")]),
            lot(&[(100, 100, "a")]),
            lot(&[(0, 10_001, "a")]),
            lot(&[(0, 1, "a"); STRETCHES_MAX + 1]),
        ] {
            assert!(!wrong.is_sound("s"), "{wrong:?}");
        }
        assert!(!lot(&[(0, 100, "a")]).is_sound("other"));
    }
}
