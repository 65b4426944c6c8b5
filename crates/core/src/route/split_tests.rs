//! The split's promises, over every prefix.

use super::*;
use proptest::prelude::*;

/// Weights that sum to 10000: cut points of the whole, some of them equal (so that some weights are 0).
fn weights() -> impl Strategy<Value = Vec<u32>> {
    let cuts = prop::collection::vec(prop_oneof![0..=WEIGHT_TOTAL_BP, (0_u32..=20).prop_map(|n| n * 500), (0_u32..=10)], 0..=3);
    cuts.prop_map(|mut cuts| {
        cuts.extend([0, WEIGHT_TOTAL_BP]);
        cuts.sort_unstable();
        cuts.windows(2).map(|w| w[1] - w[0]).collect()
    })
}

/// Checks every prefix of `chunks` chunks against the shares, in exact integers.
fn hold(weights_bp: &[u32], seed: u64, chunks: u64) -> Vec<u8> {
    let split = Split::new(seed, weights_bp).unwrap();
    let mut counts = vec![0_i64; weights_bp.len()];
    let mut order = Vec::new();
    for index in 0..chunks {
        order.extend(split.chunk(index));
    }
    for (n, chosen) in (1_i64..).zip(&order) {
        counts[usize::from(*chosen)] += 1;
        for (count, weight) in counts.iter().zip(weights_bp) {
            let off = count * i64::from(WEIGHT_TOTAL_BP) - i64::from(*weight) * n;
            assert!(off.abs() < i64::from(WEIGHT_TOTAL_BP), "{weights_bp:?} seed {seed}: after {n} requests the counts are {counts:?}");
            assert!(*weight > 0 || *count == 0, "{weights_bp:?}: weight 0 was served");
        }
    }
    order
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn every_prefix_is_within_one_request(weights_bp in weights(), seed in any::<u64>()) {
        hold(&weights_bp, seed, 2);
    }

    #[test]
    fn a_pick_is_its_place_in_the_chunk(weights_bp in weights(), seed in any::<u64>(), n in 0_u64..50_000) {
        let split = Split::new(seed, &weights_bp).unwrap();
        let chunk = split.chunk(n / split.chunk_len());
        prop_assert_eq!(chunk.len() as u64, split.chunk_len());
        prop_assert_eq!(split.pick(n), usize::from(chunk[(n % split.chunk_len()) as usize]));
    }

    #[test]
    fn anything_but_the_whole_is_refused(weights_bp in prop::collection::vec(0_u32..=WEIGHT_TOTAL_BP, 0..5)) {
        let sum: u64 = weights_bp.iter().map(|w| u64::from(*w)).sum();
        prop_assert_eq!(Split::new(1, &weights_bp).is_ok(), sum == u64::from(WEIGHT_TOTAL_BP));
    }
}

#[test]
fn the_weights_that_rollouts_use() {
    let mut vectors = vec![
        vec![10_000],
        vec![9_500, 500],
        vec![9_999, 1],
        vec![9_998, 1, 1],
        vec![3_333, 3_333, 3_334],
        vec![2_500; 4],
        vec![9_997, 1, 1, 1],
    ];
    for bp in [1, 7, 100, 333, 500, 1_000, 2_500, 4_999, 5_000] {
        vectors.push(vec![10_000 - 2 * bp, bp, bp]);
        vectors.push(vec![500, 9_000 - bp, 500 + bp]);
    }
    for weights_bp in &vectors {
        for seed in 0..5 {
            hold(weights_bp, seed, 2);
        }
    }
}

#[test]
fn the_order_does_not_repeat() {
    for weights_bp in [vec![9_000, 500, 500], vec![5_000, 5_000], vec![9_500, 500], vec![9_900, 100]] {
        let order = hold(&weights_bp, 42, 8);
        let len = order.len();
        for lag in 1..=len / 2 {
            assert!((0..len - lag).any(|i| order[i] != order[i + lag]), "{weights_bp:?} repeats with period {lag}");
        }
    }
}

/// A rare target's place within its window is spread over the whole window.
#[test]
fn places_are_spread_over_the_window() {
    let order = hold(&[9_500, 500], 7, 40);
    let mut places = [0_u32; 20];
    for (n, _) in order.iter().enumerate().filter(|(_, chosen)| **chosen == 1) {
        places[n % 20] += 1;
    }
    let expected = order.len() as f64 / 400.0;
    let chi_square: f64 = places.iter().map(|p| (f64::from(*p) - expected).powi(2) / expected).sum();
    assert!(chi_square < 43.8, "{places:?}: chi square {chi_square} at 19 degrees of freedom, p < 0.001");
}

#[test]
fn seeds_give_other_orders_and_the_same_seed_the_same() {
    let order = |seed| Split::new(seed, &[9_000, 500, 500]).unwrap().chunk(3);
    assert_eq!(order(1), order(1));
    assert_ne!(order(1), order(2));
}
