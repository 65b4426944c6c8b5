//! What the processes do on simulated arms, and what they do not depend on.
#![allow(clippy::unwrap_used)]

use proptest::prelude::*;
use tidegate_stats::confidence::{RatioTable, rate_band};
use tidegate_stats::dispersion::Dispersion;
use tidegate_stats::eprocess::{CountProcess, Counts, Null, RateProcess, Side, Sides};
use tidegate_stats::rng::Rng;

const HARMLESS: Null = Null { ratio: 1.1, slack: 0.001 };
const HARMFUL: Null = Null { ratio: 1.5, slack: 0.002 };

#[derive(Clone, Copy)]
struct World {
    rate_per_minute: f64,
    control: f64,
    candidate: f64,
    /// Extra failures of both arms for six minutes.
    incident: f64,
}

#[derive(Clone, Copy, PartialEq, Debug)]
enum End {
    Rollback(u32),
    Promote(u32),
    Undecided,
}

/// One release at weight 25 %, an hour at most, a tick a minute, alpha .009 and beta .05.
fn release(world: World, seed: u64) -> End {
    let mut rng = Rng::new(seed);
    let mut up = CountProcess::new(HARMLESS, Side::Above);
    let mut down = CountProcess::new(HARMFUL, Side::Below);
    for minute in 1..=60 {
        let extra = if (10..16).contains(&minute) { world.incident } else { 0.0 };
        let n1 = rng.poisson(world.rate_per_minute * 0.25);
        let n0 = rng.poisson(world.rate_per_minute * 0.75);
        let s1 = rng.binomial(n1, world.candidate + extra);
        let s0 = rng.binomial(n0, world.control + extra);
        let tick = Counts { n1, s1, n0, s0 };
        up.observe(tick, 1.0);
        down.observe(tick, 1.0);
        if up.e() >= 1.0 / 0.009 {
            return End::Rollback(minute);
        }
        if down.e() >= 1.0 / 0.05 {
            return End::Promote(minute);
        }
    }
    End::Undecided
}

/// (share rolled back, median minute of those, share promoted, median minute of those) of 300 releases.
fn cell(rate_per_minute: f64, control: f64, candidate: f64, incident: f64) -> (f64, u32, f64, u32) {
    let world = World { rate_per_minute, control, candidate, incident };
    let ends: Vec<End> = (0..300).map(|seed| release(world, seed)).collect();
    let minutes = |pick: fn(&End) -> Option<u32>| {
        let mut found: Vec<u32> = ends.iter().filter_map(pick).collect();
        found.sort_unstable();
        (found.len() as f64 / 300.0, found.get(found.len() / 2).copied().unwrap_or(0))
    };
    let (back, back_minute) = minutes(|e| if let End::Rollback(m) = e { Some(*m) } else { None });
    let (forth, forth_minute) = minutes(|e| if let End::Promote(m) = e { Some(*m) } else { None });
    (back, back_minute, forth, forth_minute)
}

#[test]
fn clean_releases_are_promoted() {
    let (back, _, forth, minute) = cell(600.0, 0.0, 0.0, 0.0);
    assert_eq!((back, forth), (0.0, 1.0));
    assert!((13..=15).contains(&minute), "{minute}");
    let (_, _, forth, minute) = cell(6_000.0, 0.0, 0.0, 0.0);
    assert!(forth == 1.0 && minute <= 2);
    let (back, _, forth, _) = cell(60.0, 0.0, 0.0, 0.0);
    assert_eq!((back, forth), (0.0, 0.0), "too little traffic is neither");
    let (back, _, forth, minute) = cell(600.0, 0.005, 0.005, 0.0);
    assert!(back <= 0.01 && forth >= 0.88 && (18..=26).contains(&minute), "{back} {forth} {minute}");
}

#[test]
fn regressions_are_rolled_back() {
    let (back, minute, forth, _) = cell(600.0, 0.005, 0.025, 0.0);
    assert!(back >= 0.99 && minute <= 5 && forth <= 0.01, "{back} {minute} {forth}");
    let (back, minute, ..) = cell(6_000.0, 0.005, 0.025, 0.0);
    assert!(back == 1.0 && minute == 1);
    let (back, minute, ..) = cell(60.0, 0.005, 0.025, 0.0);
    assert!(back >= 0.7 && (25..=37).contains(&minute), "{back} {minute}");
    let (back, minute, ..) = cell(600.0, 0.0, 0.005, 0.0);
    assert!(back >= 0.99 && minute <= 13, "{back} {minute}");
    let (back, _, forth, _) = cell(600.0, 0.005, 0.01, 0.0);
    assert!(back >= 0.38 && forth <= 0.05, "{back} {forth}");
    let (back, minute, ..) = cell(6_000.0, 0.005, 0.01, 0.0);
    assert!(back >= 0.97 && minute <= 8, "{back} {minute}");
}

#[test]
fn a_shared_incident_over_a_harmless_difference_is_not_held_against_the_candidate() {
    for rate in [60.0, 600.0, 6_000.0] {
        assert_eq!(cell(rate, 0.0001, 0.0009, 0.05).0, 0.0, "at {rate} a minute");
    }
}

#[test]
fn the_interval_of_a_ratio_covers_and_narrows() {
    let mut missed = 0;
    for seed in 0..200 {
        let mut rng = Rng::new(seed);
        let mut table = RatioTable::new();
        let mut ever_missed = false;
        let mut last = None;
        for tick in 0..60 {
            let control = 0.01 + 0.03 * rng.uniform();
            let (n1, n0) = (rng.poisson(200.0), rng.poisson(if tick < 30 { 600.0 } else { 200.0 }));
            table.observe(Counts { n1, s1: rng.binomial(n1, 2.0 * control), n0, s0: rng.binomial(n0, control) }, 1.0);
            let band = table.band(0.95);
            ever_missed |= band.low > 2.0 || band.high.is_some_and(|h| h < 2.0);
            last = Some(band);
        }
        missed += u32::from(ever_missed);
        let band = last.unwrap();
        assert!(band.low > 1.2 && band.high.unwrap() < 3.3, "{band:?}");
        assert!(band.low < band.estimate.unwrap() && band.estimate.unwrap() < band.high.unwrap());
    }
    assert!(missed <= 10, "{missed} of 200 bands missed the truth at some time");
}

#[test]
fn intervals_without_hits() {
    let mut table = RatioTable::new();
    let band = table.band(0.95);
    assert_eq!((band.estimate, band.low, band.high), (None, 0.0, None));
    table.observe(Counts { n1: 500, s1: 0, n0: 500, s0: 40 }, 1.0);
    let band = table.band(0.95);
    assert_eq!((band.estimate, band.low), (Some(0.0), 0.0));
    assert!(band.high.unwrap() < 0.5);
    let mut other = RatioTable::new();
    other.observe(Counts { n1: 500, s1: 40, n0: 500, s0: 0 }, 1.0);
    let band = other.band(0.95);
    assert!(band.estimate.is_none() && band.low > 2.0 && band.high.is_none(), "{band:?}");
    let rate = rate_band(1_000.0, 0.0, 0.95);
    assert!(rate.low == 0.0 && rate.high.unwrap() < 0.01, "{rate:?}");
    let none = rate_band(0.0, 0.0, 0.95);
    assert_eq!((none.estimate, none.low, none.high), (None, 0.0, Some(1.0)));
}

#[test]
fn a_split_that_is_off_is_found_and_a_right_one_is_not() {
    let mut rng = Rng::new(4);
    let mut right = RateProcess::new(0.05, Sides::Both);
    let mut off = RateProcess::new(0.05, Sides::Both);
    let mut highest = 0.0_f64;
    for _ in 0..500 {
        right.observe(600, rng.binomial(600, 0.05), 1.0);
        off.observe(600, rng.binomial(600, 0.045), 1.0);
        highest = highest.max(right.e());
    }
    assert!(highest < 100.0 && off.e() > 1e6, "{highest} {}", off.e());
}

#[test]
fn dispersion_sees_bursts_and_not_plain_chance() {
    let run = |cv: f64, seed: u64| {
        let mut rng = Rng::new(seed);
        let mut dispersion = Dispersion::new();
        let shape = 1.0 / (cv * cv).max(1e-12);
        let mut burst = (1.0, 1.0);
        for tick in 0..240 {
            if tick % 6 == 0 && cv > 0.0 {
                burst = (rng.gamma(shape, 1.0 / shape), rng.gamma(shape, 1.0 / shape));
            }
            let (n1, n0) = (rng.poisson(250.0), rng.poisson(750.0));
            let s1 = rng.binomial(n1, 0.005 * burst.0);
            dispersion.observe(Counts { n1, s1, n0, s0: rng.binomial(n0, 0.005 * burst.1) });
        }
        dispersion.value()
    };
    let mean = |cv: f64| (0..40).map(|s| run(cv, s)).sum::<f64>() / 40.0;
    assert!(mean(0.0) < 1.25, "{}", mean(0.0));
    assert!(mean(0.5) > 2.0, "{}", mean(0.5));
    let mut clean = Dispersion::new();
    (0..100).for_each(|_| clean.observe(Counts { n1: 100, s1: 0, n0: 100, s0: 0 }));
    assert_eq!(clean.value(), 1.0, "no failure, no correction");
}

#[test]
fn degenerate_rates_never_speak() {
    for rate in [0.0, 1.0, -0.5, f64::NAN] {
        let mut process = RateProcess::new(rate, Sides::Above);
        process.observe(100, 100, 1.0);
        assert_eq!((process.e(), process.more_of_the_same(3.0)), (1.0, None));
    }
}

#[test]
fn a_change_after_a_quiet_time_is_found_sooner_by_a_process_that_starts_again() {
    let (mut plain, mut restarting) = (CountProcess::new(HARMLESS, Side::Above), CountProcess::new(HARMLESS, Side::Above).restarting());
    assert!(restarting.log_e().abs() < 1e-12);
    let ticks_to = |process: &mut CountProcess| {
        (0..600).for_each(|_| process.observe(Counts { n1: 200, s1: 2, n0: 200, s0: 2 }, 1.0));
        assert!(process.e() <= 1.0, "{}", process.e());
        let changed = |process: &mut CountProcess| process.observe(Counts { n1: 200, s1: 8, n0: 200, s0: 2 }, 1.0);
        (1..500).find(|_| {
            changed(process);
            process.log_e() >= libm::log(400.0)
        })
    };
    let (late, soon) = (ticks_to(&mut plain).unwrap_or(500), ticks_to(&mut restarting).unwrap_or(500));
    assert!(soon < 20 && late > 2 * soon, "{soon} {late}");
}

proptest! {
    /// A tick cut in two at the same share gives the same evidence.
    #[test]
    fn splitting_a_tick_changes_nothing(
        (a1, b1, a0, b0, s) in (1u64..50, 1u64..50, 1u64..4, 1u64..4, 0u64..30)
    ) {
        // Both halves have the share of the whole: (a, a k) and (b, b k).
        let k = a0;
        let (n1, n0) = (a1 + b1, (a1 + b1) * k);
        let (s1, s0) = (s.min(n1), (s * b0).min(n0));
        for (null, side) in [(HARMLESS, Side::Above), (HARMFUL, Side::Below)] {
            let mut whole = CountProcess::new(null, side);
            whole.observe(Counts { n1, s1, n0, s0 }, 1.0);
            let mut parts = CountProcess::new(null, side);
            let (f1, f0) = (s1.min(a1), s0.min(a1 * k));
            parts.observe(Counts { n1: a1, s1: f1, n0: a1 * k, s0: f0 }, 1.0);
            parts.observe(Counts { n1: b1, s1: s1 - f1, n0: b1 * k, s0: s0 - f0 }, 1.0);
            prop_assert!((whole.log_e() - parts.log_e()).abs() < 1e-9 * (1.0 + whole.log_e().abs()));
        }
    }

    /// Whatever is counted, e-values are finite and not negative.
    #[test]
    fn e_values_are_numbers(ticks in prop::collection::vec((0u64..1_000_000, 0u64..1_000_000, 0u64..2_000_000, 0u64..2_000_000), 0..20)) {
        let mut up = CountProcess::new(HARMLESS, Side::Above);
        let mut down = CountProcess::new(HARMFUL, Side::Below);
        let mut table = RatioTable::new();
        let mut dispersion = Dispersion::new();
        for (s1, s0, more1, more0) in ticks {
            let tick = Counts { n1: s1 + more1, s1, n0: s0 + more0, s0 };
            up.observe(tick, dispersion.value());
            down.observe(tick, dispersion.value());
            table.observe(tick, dispersion.value());
            dispersion.observe(tick);
        }
        for e in [up.e(), down.e(), dispersion.value()] {
            prop_assert!(e.is_finite() && e >= 0.0);
        }
        let band = table.band(0.95);
        prop_assert!(band.low.is_finite() && band.high.is_none_or(f64::is_finite));
    }
}
