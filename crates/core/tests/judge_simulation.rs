//! Simulated releases through the judge's own fold: what it promises about alpha, beta and speed.
#![allow(clippy::unwrap_used)]

mod world;

use tidegate_core::judge::{JudgeSettings, Offline, OneSample};
use world::{End, World, play, shadow, tally, word};

fn releases(world: World, n: u64, minutes: u64, stop: bool) -> Vec<End> {
    let settings = JudgeSettings::preset();
    (0..n).map(|seed| play(&settings, world, seed, minutes, stop).0).collect()
}

/// 1,000 releases of an hour without a regression, under drifting common load, never stopped at a promotion.
fn no_regression(per_minute: f64) {
    let world = World { drift: 0.6, ..World::calm(per_minute) };
    let (back, _, forth, minute) = tally(&releases(world, 1_000, 60, false));
    println!("{per_minute} a minute: {back} rolled back, {forth} promoted, median {minute:.1} min");
    assert!(back <= 10, "alpha is .01, and {back} of 1,000 were rolled back");
}

#[test]
fn no_regression_at_60_a_minute() {
    no_regression(60.0);
}

#[test]
fn no_regression_at_600_a_minute() {
    no_regression(600.0);
}

#[test]
fn no_regression_at_6000_a_minute() {
    no_regression(6_000.0);
}

#[test]
fn without_any_error_a_release_is_promoted() {
    let world = World { control: 0.0, candidate: 0.0, ..World::calm(600.0) };
    let (back, _, forth, minute) = tally(&releases(world, 100, 60, true));
    println!("no errors: {forth} promoted, median {minute:.1} min");
    assert_eq!((back, forth), (0, 100));
    assert!(minute < 20.0, "{minute}");
}

#[test]
fn five_times_the_errors_is_found_within_twelve_minutes() {
    let world = World { candidate: 0.025, drift: 0.3, ..World::calm(600.0) };
    let (back, minute, forth, _) = tally(&releases(world, 200, 60, true));
    println!("5x: {back} of 200 rolled back, median {minute:.1} min, {forth} promoted");
    assert!(back >= 198 && minute < 12.0, "{back} {minute}");
}

#[test]
fn a_difference_within_the_slack_survives_a_shared_incident() {
    for per_minute in [600.0, 6_000.0] {
        let world = World { control: 0.0001, candidate: 0.0009, incident: 0.05, ..World::calm(per_minute) };
        let (back, _, forth, _) = tally(&releases(world, 200, 40, false));
        println!("slack and incident at {per_minute}: {back} rolled back, {forth} promoted of 200");
        assert_eq!(back, 0);
    }
}

#[test]
fn latency_promotes_an_identical_candidate_and_finds_a_slower_one() {
    let settings = JudgeSettings::preset();
    let world = World { share_bp: 5_000, control: 0.0, candidate: 0.0, ..World::calm(600.0) };
    let mut requests: Vec<u64> = Vec::new();
    for seed in 0..40 {
        let (end, state) = play(&settings, world, seed, 60, true);
        assert!(matches!(end, End::Promoted(_)), "{end:?}");
        requests.push(state.assess().candidate_requests);
    }
    requests.sort_unstable();
    println!("identical arms: promoted after {} candidate requests (median)", requests[20]);
    assert!(requests[20] < 5_000);
    let slower = World { slower: 1.6, ..world };
    let (back, minute, forth, _) = tally(&releases(slower, 60, 60, true));
    println!("1.6x slower: {back} of 60 rolled back, median {minute:.1} min, {forth} promoted");
    assert!(back >= 59 && forth == 0, "{back} {forth}");
    let a_little = World { slower: 1.05, ..world };
    let (back, ..) = tally(&releases(a_little, 60, 30, false));
    assert_eq!(back, 0, "5 % is tolerated");
}

/// Ends of the buckets that clients of Prometheus have by default, in microseconds.
const PROMETHEUS_US: [f64; 11] = [5e3, 1e4, 2.5e4, 5e4, 1e5, 2.5e5, 5e5, 1e6, 2.5e6, 5e6, 1e7];
/// A service that knows where its latencies lie.
const FINE_US: [f64; 12] = [1e3, 2e3, 3e3, 4e3, 5e3, 6e3, 7e3, 8e3, 1e4, 1.2e4, 1.6e4, 3e4];

#[test]
fn wide_buckets_cost_power_and_no_harmless_candidate() {
    let world = World { share_bp: 5_000, control: 0.0, candidate: 0.0, ..World::calm(600.0) };
    for ends_us in [&PROMETHEUS_US[..], &FINE_US[..]] {
        let world = World { ends_us, ..world };
        let (back, _, forth, minute) = tally(&releases(world, 40, 180, true));
        println!("identical: {back} rolled back, {forth} promoted, median {minute:.1} min");
        assert_eq!((back, forth), (0, 40));
        // Within the tolerance, and across the end of a bucket: 5 ms is an end and the median.
        let (back, ..) = tally(&releases(World { slower: 1.09, ..world }, 40, 60, false));
        assert_eq!(back, 0, "9 % is tolerated");
        let slow = World { slower: 3.0, ..world };
        let (back, minute, forth, _) = tally(&releases(slow, 40, 60, true));
        println!("three times slower: {back} of 40 rolled back, median {minute:.1} min");
        assert_eq!((back, forth), (40, 0));
    }
    let (back, ..) = tally(&releases(World { slower: 1.6, ends_us: &FINE_US, ..world }, 40, 60, true));
    let (unseen, _, forth, _) = tally(&releases(World { slower: 1.3, ends_us: &PROMETHEUS_US, ..world }, 40, 60, true));
    println!("1.6 times slower in fine buckets: {back} of 40; 1.3 times in those of Prometheus: {unseen}, {forth} promoted");
    assert!(back >= 38 && unseen == 0, "{back} {unseen}");
}

#[test]
fn stalls_of_both_arms_do_not_roll_back() {
    for per_minute in [60.0, 600.0] {
        let world = World { stall: 0.1, drift: 0.8, ..World::calm(per_minute) };
        let (back, _, forth, minute) = tally(&releases(world, 200, 60, false));
        println!("stalls at {per_minute}: {back} rolled back, {forth} promoted, median {minute:.1} min");
        assert!(back <= 2, "{back}");
    }
}

#[test]
fn shadow_tells_a_good_upgrade_from_a_slipped_transform() {
    // Rates of the flights example: a good upgrade disagrees in 2.5 % online and offline; a slipped time zone
    // skews .44 of the records and disagrees in 5.2 %, where its offline rate was 1.4 %.
    let settings = JudgeSettings::preset();
    let offline = |hits| Offline { disagreement: Some(OneSample { trials: 20_000, hits }) };
    let mut ticks = Vec::new();
    for seed in 0..50 {
        let (good, after) = shadow(&settings, &offline(500), seed, 400, (100, 0.0, 0.0, 0.025));
        assert_eq!(word(&good), "promote", "{}", good.summary);
        ticks.push(after);
        let (slipped, after) = shadow(&settings, &offline(280), seed, 400, (100, 0.0, 0.44, 0.052));
        assert_eq!(word(&slipped), "rollback", "{}", slipped.summary);
        assert!(after <= 8, "found in the first judged ticks: {after}");
        let (failing, _) = shadow(&settings, &offline(500), seed, 400, (100, 0.02, 0.0, 0.025));
        assert_eq!(word(&failing), "rollback", "{}", failing.summary);
    }
    ticks.sort_unstable();
    println!("good upgrade promoted from shadow after {} ticks of 100 pairs (median)", ticks[25]);
}

#[test]
fn shadow_without_regression_keeps_alpha() {
    let settings = JudgeSettings::preset();
    let offline = Offline { disagreement: Some(OneSample { trials: 20_000, hits: 500 }) };
    let back = (0..1_000).filter(|&seed| word(&shadow(&settings, &offline, seed, 120, (60, 0.0005, 0.008, 0.028)).0) == "rollback").count();
    println!("shadow at the edge of harmless: {back} of 1,000 rolled back");
    assert!(back <= 10, "{back}");
}
