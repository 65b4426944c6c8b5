//! Many worlds without a fault, and each fault found.

use crate::{Fault, Scenario, Script, play, run};
use std::collections::BTreeMap;
use tidegate_stats::rng::Rng;

const SEEDS: u64 = 500;
/// Worlds within which a planted fault must be found.
const SEEDS_PER_FAULT: u64 = 500;

/// Runs worlds on two threads; the outcomes, counted.
fn worlds(seeds: std::ops::Range<u64>) -> BTreeMap<String, u32> {
    let halves = std::thread::scope(|scope| {
        let half = |from: u64| {
            let end = seeds.end;
            scope.spawn(move || {
                let mut outcomes: BTreeMap<String, u32> = BTreeMap::new();
                for story in (from..end).step_by(2).map(|seed| run(seed, None)) {
                    assert!(story.violations.is_empty(), "{story}");
                    *outcomes.entry(story.outcome).or_default() += 1;
                }
                outcomes
            })
        };
        [half(seeds.start), half(seeds.start + 1)].map(|h| h.join().unwrap())
    });
    let mut all: BTreeMap<String, u32> = BTreeMap::new();
    for (outcome, n) in halves.into_iter().flatten() {
        *all.entry(outcome).or_default() += n;
    }
    all
}

#[test]
fn five_hundred_worlds_keep_every_rule() {
    let outcomes = worlds(0..SEEDS);
    // a bench that always ends alike proves little
    for end in ["done", "rolled back", "aborted"] {
        let n: u32 = outcomes.iter().filter(|(outcome, _)| outcome.starts_with(end)).map(|(_, n)| n).sum();
        assert!(n >= 20, "only {n} worlds end {end}: {outcomes:?}");
    }
}

#[test]
#[ignore = "minutes: for a change of machine, driver or judge"]
fn fifty_thousand_worlds_keep_every_rule() {
    let _ = worlds(SEEDS..SEEDS + 50_000);
}

#[test]
fn each_planted_fault_is_found() {
    let mut missed = vec![];
    for fault in Fault::ALL {
        let found = (0..SEEDS_PER_FAULT).map(|seed| run(seed, Some(fault))).find(|story| !story.violations.is_empty());
        match found {
            Some(story) => println!("{fault}: seed {}: {}", story.seed, story.violations[0].rule),
            None => missed.push(fault),
        }
    }
    assert!(missed.is_empty(), "the checker is blind to {missed:?}");
}

#[test]
fn a_seed_tells_the_same_story_twice() {
    for seed in 0..20 {
        assert_eq!(run(seed, None), run(seed, None));
    }
}

#[test]
fn every_scenario_is_a_valid_specification() {
    for seed in 0..2_000 {
        let _ = Scenario::draw(&mut Rng::new(seed)).spec();
    }
}

/// A scripted world keeps every rule, and says these things in this order.
#[track_caller]
fn told(script: Script, marks: &[&str]) -> String {
    let story = play(script).to_string();
    assert!(story.ends_with("every rule held\n"), "{story}");
    let mut rest = story.as_str();
    for mark in marks {
        let (_, after) = rest.split_once(mark).unwrap_or_else(|| panic!("no `{mark}` where it belongs in {story}"));
        rest = after;
    }
    story
}

#[test]
fn scripted_freezes_hold_what_is_good_and_let_harm_go_back() {
    told(Script::Freeze, &["frozen by year-end", "the freeze is over", "entered canary step 2"]);
    let harm = told(Script::HarmInFreeze, &["frozen by year-end", "rollback began: harm shown", "rolled back"]);
    assert!(!harm.contains("the freeze is over"), "it went back after the freeze: {harm}");
}

#[test]
fn scripted_people_do_not_approve_their_own_change_nor_leave_the_glass_broken() {
    let own = ["ada: approves version 3: refused: ", "somebody else must approve it", "1 of 2 approvals", "the version is edited"];
    told(Script::OwnChange, &own);
    told(Script::OwnChange, &["its approvals are void", "0 of 2 approvals", "started, approved by edith and grace"]);
    let glass = [
        "ada may not break the glass",
        "mary: breaks the glass for 30 minutes: recorded",
        "started, behind the glass that mary broke",
        "30 minutes pass",
        "was not reviewed",
        "mary may not review a broken glass",
        "edith: reviews what was done: recorded",
        "started, approved by edith and grace",
    ];
    told(Script::BrokenGlass, &glass);
}

#[test]
fn a_scripted_breaker_halts_an_environment_and_lets_harm_go_back() {
    let marks = [
        "errors is 0.2, above 0.05",
        "errors cannot be told: Prometheus does not answer",
        "errors is 0.3, above 0.05: the breaker trips",
        "rollout/search/1: frozen by breaker production",
        "rollout/pay/1: rollback began",
        "the signals are normal: the breaker closes",
        "rollout/search/1: the freeze is over",
        "rollout/search/1: entered",
    ];
    told(Script::Halted, &marks);
}

#[test]
fn of_two_releases_at_once_the_guilty_one_goes_back_and_the_other_is_left_alone() {
    let marks = [
        "rollout/search/1: entered canary",
        "rollout/pay/1: entered canary",
        "errors is 0.3, above 0.05: the breaker trips",
        "rollout/search/1: frozen by breaker production",
        "pay/1 is to blame by 90 %: 2 min after its share grew to 5 %, page calls it",
        "search/1 is to blame by 0 %: page does not call search, nor anything that does",
        "rollout/pay/1: rollback began",
        "the signals are normal: the breaker closes",
        "rollout/search/1: the freeze is over",
        "rollout/search/1: entered canary",
    ];
    told(Script::Guilty, &marks);
}

#[test]
fn a_scripted_train_goes_back_in_reverse_past_what_cannot_be_undone() {
    let marks = [
        "ada lets the train depart",
        "features: its release begins",
        "features: released",
        "schema: its release begins",
        "ranker: its release begins",
        "page: its release begins",
        "page: the judge found harm, and its release went back",
        "the train goes back",
        "schema: a person is called: it is irreversible",
        "ranker: undone",
        "schema: left as it is by grace",
        "features: undone",
        "the train has ended: left",
    ];
    told(Script::Train, &marks);
}

#[test]
fn a_scripted_train_is_refused_for_a_signature_and_another_stands_still_for_one() {
    let marks = [
        "refused: let a train depart: signatures do not fit: `spend` of `rows`: features version 2 does not give it",
        "ada lets the train depart: spend keeps its old name, too",
        "features: signatures fit",
        "features: its release begins",
        "features: released",
        "mary releases page 5",
        "ranker: signatures do not fit: `score` of `scores`: ranker version 2 gives float32, page version 5 takes string",
        "mary takes page 5 back",
        "ranker: signatures fit",
        "ranker: its release begins",
        "ranker: released",
        "the train has ended: arrived",
    ];
    told(Script::Signatures, &marks);
}

#[test]
fn a_scripted_test_stops_what_harms_and_finds_what_is_better() {
    let marks = [
        "ada starts the test, and everything of it is registered",
        "same: its worker is ready",
        "clients are drawn",
        "harmful: stopped, and its clients go back: harm: errors",
        "the test is concluded",
        "better: better than control",
        "same: no difference worth having",
    ];
    told(Script::Ab, &marks);
}

#[test]
fn a_scripted_version_goes_through_regions_and_back_in_reverse() {
    let marks = [
        "ada lets the train depart",
        "ranker@staging: its release begins",
        "ranker@staging: released",
        "ranker@staging: halted: breaker errors",
        "ranker@staging: nothing halts it any more",
        "ranker@staging: verified",
        "ranker@eu: its release begins",
        "ranker@eu: verified",
        "ranker@us: its release begins",
        "ranker@us: the judge found harm, and its release went back",
        "the train goes back",
        "ranker@eu: undone",
        "ranker@staging: undone",
        "the train has ended: back",
    ];
    told(Script::Regions, &marks);
}

#[test]
fn a_story_is_readable() {
    let story = run(1, None).to_string();
    assert!(story.starts_with("seed 1, no fault planted\n"), "{story}");
    assert!(story.contains("started: simulated from"), "{story}");
    assert!(story.ends_with("every rule held\n"), "{story}");
}
