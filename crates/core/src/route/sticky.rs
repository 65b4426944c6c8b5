//! Sticky assignment: a key's place on a line of [`WEIGHT_TOTAL_BP`] points, and whose stretch it lies in.

use super::{Role, WEIGHT_TOTAL_BP, WeightedTarget};

/// The target of `key`, as an index into `targets`; none when every weight is 0.
///
/// Candidates lie at the start of the line, controls at its end, stable between: when a candidate or a
/// control grows, keys move from stable to it and none moves away from it.
#[must_use]
pub fn sticky_pick(targets: &[WeightedTarget], salt: &str, key: &[u8]) -> Option<usize> {
    let mut order: Vec<(usize, &WeightedTarget)> = targets.iter().enumerate().filter(|t| t.1.weight_bp > 0).collect();
    order.sort_by_key(|(_, t)| match t.target.role {
        Role::Candidate => 0,
        Role::Stable => 1,
        Role::Control => 2,
        // Never in a split: a lot draws its clients.
        Role::Variant => 3,
    });
    let place = place_of(salt, key);
    let mut end = 0;
    for (index, target) in &order {
        end += target.weight_bp;
        if place < end {
            return Some(*index);
        }
    }
    order.last().map(|t| t.0)
}

/// Uniform over the points of the line (the remainder of 2^64 by 10,000 is of no weight here).
pub(super) fn place_of(salt: &str, key: &[u8]) -> u32 {
    let mut hasher = blake3::Hasher::new();
    // The salt's length keeps ("ab", "c") and ("a", "bc") apart.
    hasher.update(&(salt.len() as u64).to_le_bytes());
    hasher.update(salt.as_bytes());
    hasher.update(key);
    let mut first = [0; 8];
    hasher.finalize_xof().fill(&mut first);
    (u64::from_le_bytes(first) % u64::from(WEIGHT_TOTAL_BP)) as u32
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::route::TargetId;

    fn targets(candidate_bp: u32, control_bp: u32) -> Vec<WeightedTarget> {
        let weighted = |version: &str, role, weight_bp| WeightedTarget { target: TargetId::new("s", version, role), weight_bp };
        vec![
            weighted("1", Role::Stable, WEIGHT_TOTAL_BP - candidate_bp - control_bp),
            weighted("2", Role::Candidate, candidate_bp),
            weighted("1", Role::Control, control_bp),
        ]
    }

    #[test]
    fn shares_are_those_of_a_uniform_hash() {
        for (bp, expected, slack) in [(100, 1_000.0, 104.0), (500, 5_000.0, 227.0)] {
            let chosen = (0_u32..100_000).filter(|k| sticky_pick(&targets(bp, bp), "salt", &k.to_le_bytes()) == Some(1)).count();
            assert!((chosen as f64 - expected).abs() <= slack, "{bp} bp: {chosen}");
        }
    }

    #[test]
    fn raising_a_weight_moves_keys_into_the_candidate_only() {
        for key in 0_u32..20_000 {
            let key = key.to_le_bytes();
            let before = sticky_pick(&targets(500, 500), "salt", &key);
            let after = sticky_pick(&targets(1_000, 1_000), "salt", &key);
            assert!(before == after || before == Some(0), "a key left {before:?} for {after:?}");
        }
    }

    #[test]
    fn weight_zero_is_never_chosen_and_salts_differ() {
        let keys: Vec<[u8; 4]> = (0_u32..10_000).map(u32::to_le_bytes).collect();
        assert!(keys.iter().all(|k| sticky_pick(&targets(0, 0), "salt", k) == Some(0)));
        let differ = keys.iter().filter(|k| sticky_pick(&targets(5_000, 0), "a", *k) != sticky_pick(&targets(5_000, 0), "b", *k)).count();
        assert!((4_800..5_200).contains(&differ), "{differ}");
    }
}
