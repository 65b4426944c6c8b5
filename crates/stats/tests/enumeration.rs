//! The proof, by brute force: over whole small tables and joint pairs the mean of a factor is at most 1.
//!
//! Whole tables, never tables of a fixed total: given the total the mean can exceed 1 when the ratio is above 1.
#![allow(clippy::unwrap_used)]

use tidegate_stats::eprocess::{CountProcess, Counts, Null, RateProcess, Side, Sides, payoff};
use tidegate_stats::special::ln_choose;

const MEAN_MAX: f64 = 1.0 + 1e-12;
const NULLS: [(f64, f64); 9] =
    [(1.0, 0.0), (1.0, 0.01), (1.1, 0.0), (1.1, 0.001), (1.2, 0.002), (1.5, 0.002), (1.5, 0.05), (2.0, 0.0), (2.0, 0.05)];
const CONTROL_RATES: [f64; 8] = [0.0, 0.001, 0.01, 0.05, 0.2, 0.3, 0.5, 0.9];

fn binomial(n: u64, k: u64, p: f64) -> f64 {
    if p <= 0.0 {
        return if k == 0 { 1.0 } else { 0.0 };
    }
    if p >= 1.0 {
        return if k == n { 1.0 } else { 0.0 };
    }
    libm::exp(ln_choose(n, k) + k as f64 * libm::log(p) + (n - k) as f64 * libm::log1p(-p))
}

/// Rates of the arm under test that the null allows, its boundary first.
fn null_rates(side: Side, boundary: f64) -> Vec<f64> {
    let rates = match side {
        Side::Above => [boundary, 0.5 * boundary, 0.0],
        Side::Below => [boundary, boundary + 0.05, boundary + 0.5 * (1.0 - boundary)],
    };
    rates.into_iter().filter(|p| (0.0..=1.0).contains(p)).collect()
}

fn each_null(mut check: impl FnMut(Null, Side, f64, f64)) {
    for (ratio, slack) in NULLS {
        for side in [Side::Above, Side::Below] {
            for p0 in CONTROL_RATES {
                for p1 in null_rates(side, ratio * p0 + slack) {
                    check(Null { ratio, slack }, side, p0, p1);
                }
            }
        }
    }
}

/// The mean of the mixture's factor for one tick of n1 and n0 trials, from the process itself.
fn mean_of_table(null: Null, side: Side, (n1, p1): (u64, f64), (n0, p0): (u64, f64), dispersion: f64) -> f64 {
    let mut mean = 0.0;
    for s1 in 0..=n1 {
        for s0 in 0..=n0 {
            let mut process = CountProcess::new(null, side);
            process.observe(Counts { n1, s1, n0, s0 }, dispersion);
            mean += binomial(n1, s1, p1) * binomial(n0, s0, p0) * process.e();
        }
    }
    mean
}

#[test]
fn whole_tables_both_sides() {
    let mut largest = 0.0_f64;
    for (n1, n0) in [(1, 1), (1, 3), (3, 1), (2, 9), (5, 5), (8, 3)] {
        for dispersion in [1.0, 2.5] {
            each_null(|null, side, p0, p1| {
                let mean = mean_of_table(null, side, (n1, p1), (n0, p0), dispersion);
                assert!(mean <= MEAN_MAX, "{null:?} {side:?} n1={n1} n0={n0} p0={p0} p1={p1}: {mean}");
                largest = largest.max(mean);
            });
        }
    }
    assert!(largest > 0.99, "the bound is nearly met somewhere, so the test can fail: {largest}");
}

/// The same given a past that leads one to expect a pooled rate, whether it is right or wrong.
fn mean_after(past: &CountProcess, (n1, p1): (u64, f64), (n0, p0): (u64, f64)) -> f64 {
    let mut mean = 0.0;
    for s1 in 0..=n1 {
        for s0 in 0..=n0 {
            let mut process = past.clone();
            process.observe(Counts { n1, s1, n0, s0 }, 1.0);
            mean += binomial(n1, s1, p1) * binomial(n0, s0, p0) * libm::exp(process.log_e() - past.log_e());
        }
    }
    mean
}

#[test]
fn whole_tables_where_hits_are_not_rare() {
    let mut largest = 0.0_f64;
    for hits in [60, 300, 500, 900] {
        for (n1, n0) in [(1, 1), (1, 3), (4, 1), (2, 9), (6, 6)] {
            each_null(|null, side, p0, p1| {
                let mut past = CountProcess::of_independent(null, side);
                past.observe(Counts { n1: 1000, s1: hits, n0: 1000, s0: hits }, 1e9);
                let mean = mean_after(&past, (n1, p1), (n0, p0));
                assert!(mean <= MEAN_MAX, "{null:?} {side:?} n1={n1} n0={n0} p0={p0} p1={p1}, {hits} expected: {mean}");
                largest = largest.max(mean);
            });
        }
    }
    assert!(largest > 0.999, "the bound is nearly met somewhere, so the test can fail: {largest}");
}

#[test]
fn a_process_that_starts_again_and_again() {
    let mut largest = 0.0_f64;
    // Across the ticks with which a start comes, and those between.
    for ticks in [0, 5, 6, 7, 12] {
        each_null(|null, side, p0, p1| {
            let mut past = CountProcess::new(null, side).restarting();
            (0..ticks).for_each(|_| past.observe(Counts { n1: 40, s1: 3, n0: 40, s0: 3 }, 1.0));
            let mean = mean_after(&past, (4, p1), (3, p0));
            assert!(mean <= MEAN_MAX, "{null:?} {side:?} after {ticks} ticks p0={p0} p1={p1}: {mean}");
            largest = largest.max(mean);
        });
    }
    assert!(largest > 0.99, "{largest}");
}

#[test]
fn a_larger_table() {
    for (ratio, slack, side) in [(1.1, 0.001, Side::Above), (1.5, 0.002, Side::Below), (2.0, 0.05, Side::Above)] {
        for p0 in [0.0, 0.005, 0.05] {
            let mean = mean_of_table(Null { ratio, slack }, side, (30, ratio * p0 + slack), (60, p0), 1.0);
            assert!(mean <= MEAN_MAX, "{ratio} {slack} {side:?} {p0}: {mean}");
        }
    }
}

#[test]
fn every_alternative_on_its_own() {
    // Finer than the mixture: single alternatives from nearly nothing to fifty times.
    each_null(|null, side, p0, p1| {
        for multiple in [0.001, 0.1, 0.5, 0.9, 1.1, 2.0, 10.0, 50.0] {
            if (multiple > 1.0) != (side == Side::Above) {
                continue;
            }
            for (n1, n0) in [(1_u64, 1_u64), (2, 3), (4, 1)] {
                let rho = n1 as f64 / (n1 + n0) as f64;
                let pay = payoff(null, null.ratio * multiple, rho);
                // Trials are independent, so the mean of the product is the product of the means.
                let one = 1.0 + p1 * (libm::exp(pay.hit1) - 1.0);
                let zero = 1.0 + p0 * (libm::exp(pay.hit0) - 1.0);
                let mean = libm::pow(one, n1 as f64) * libm::pow(zero, n0 as f64) * libm::exp(n1 as f64 * pay.trial1);
                assert!(mean <= MEAN_MAX, "{null:?} x{multiple} n1={n1} n0={n0} p0={p0} p1={p1}: {mean}");
            }
        }
    });
}

#[test]
fn joint_pairs_both_sides() {
    for pairs in [1_u64, 2, 3] {
        each_null(|null, side, p0, p1| {
            // The dependence within a pair, from never together to as often together as possible.
            let (least, most) = ((p0 + p1 - 1.0).max(0.0), p0.min(p1));
            for part in [0.0, 0.3, 1.0] {
                let p11 = least + part * (most - least);
                let cell = [p11, p1 - p11, p0 - p11, 1.0 - p0 - p1 + p11];
                let mean = mean_of_pairs(null, side, pairs, cell);
                assert!(mean <= MEAN_MAX, "{null:?} {side:?} {pairs} pairs {cell:?}: {mean}");
            }
        });
    }
}

/// Sums over every sequence of outcomes of `pairs` pairs: both, first alone, second alone, neither.
fn mean_of_pairs(null: Null, side: Side, pairs: u64, cell: [f64; 4]) -> f64 {
    let mut mean = 0.0;
    for code in 0..4_u32.pow(pairs as u32) {
        let (mut chance, mut seen, mut rest) = (1.0, [0_u64; 4], code);
        for _ in 0..pairs {
            let outcome = (rest % 4) as usize;
            chance *= cell[outcome].max(0.0);
            seen[outcome] += 1;
            rest /= 4;
        }
        let mut process = CountProcess::new(null, side);
        process.observe(Counts::of_pairs(pairs, seen[0], seen[1], seen[2], null), 1.0);
        mean += chance * process.e();
    }
    mean
}

#[test]
fn one_sample_all_sides() {
    for rate in [0.001, 0.01, 0.03, 0.3, 0.9] {
        for n in [1_u64, 4, 25] {
            for (sides, p) in [
                (Sides::Above, rate),
                (Sides::Above, 0.5 * rate),
                (Sides::Below, rate),
                (Sides::Below, rate + 0.5 * (1.0 - rate)),
                (Sides::Both, rate),
            ] {
                let mut mean = 0.0;
                for x in 0..=n {
                    let mut process = RateProcess::new(rate, sides);
                    process.observe(n, x, 1.0);
                    mean += binomial(n, x, p) * process.e();
                }
                assert!(mean <= MEAN_MAX, "{rate} {sides:?} n={n} p={p}: {mean}");
            }
        }
    }
}

#[test]
fn the_fixed_total_is_not_valid() {
    // Why the tables above are whole: n1 = n0 = 1, p0 = .3, r = 2, R = 4, given exactly one hit.
    let null = Null { ratio: 2.0, slack: 0.0 };
    let pay = payoff(null, 4.0, 0.5);
    let (p1, p0) = (0.6, 0.3);
    let (only1, only0) = (p1 * (1.0 - p0), p0 * (1.0 - p1));
    let mean = (only1 * libm::exp(pay.hit1) + only0 * libm::exp(pay.hit0)) / (only1 + only0);
    assert!((mean - 1.067).abs() < 0.001, "{mean}");
}
