//! The judge's rules, one by one.
#![allow(clippy::unwrap_used, clippy::panic)]

mod world;

use expect_test::{Expect, expect};
use proptest::prelude::*;
use tidegate_core::id::At;
use tidegate_core::judge::{
    ArmCounts, Assessment, Beside, Guardrail, GuardrailAssessment, GuardrailKind, HoldReason, JudgeSettings, JudgeState, LatencyHistogram,
    Mode, Modes, Offline, OneSample, PairCounts, Tick, Verdict, alpha_of_attempt, history, recompute,
};
use tidegate_stats::rng::Rng;
use world::{Canary, TICK_MS, World, shadow_tick, word};

/// A tick of (requests, errors) per arm, without latencies.
fn tick(seq: u64, candidate: (u64, u64), control: (u64, u64)) -> Tick {
    let arm = |(requests, errors)| ArmCounts { requests, errors, ..ArmCounts::default() };
    Tick {
        seq,
        at: At((seq as i64 + 1) * TICK_MS as i64),
        mode: Mode::Canary,
        step: 0,
        attempt: 1,
        candidate_share_bp: 5_000,
        candidate: arm(candidate),
        control: arm(control),
        pairs: None,
        beside: Beside::default(),
    }
}

/// Errors and the split only, no warm-up.
fn errors_only() -> JudgeSettings {
    let mut settings = JudgeSettings::preset();
    settings.guardrails.retain(|_, g| matches!(g.kind, GuardrailKind::Errors | GuardrailKind::SampleRatio));
    settings.warm_up_ms = 0;
    settings
}

fn fold(settings: &JudgeSettings, ticks: impl IntoIterator<Item = Tick>) -> JudgeState {
    let mut state = JudgeState::new(settings, 1, Mode::Canary, &Offline::default());
    ticks.into_iter().for_each(|t| state.observe(&t));
    state
}

/// Ticks in which every answer of an arm takes as long: (candidate, control) in milliseconds.
fn timed(ms: (f64, f64)) -> impl Iterator<Item = Tick> {
    (0..60).map(move |seq| {
        let mut tick = tick(seq, (50, 0), (50, 0));
        for _ in 0..50 {
            tick.candidate.latency.record(ms.0 * 1_000.0);
            tick.control.latency.record(ms.1 * 1_000.0);
        }
        tick
    })
}

#[test]
fn below_the_floor_nothing_is_slow_and_above_it_everything_is_as_before() {
    let mut settings = JudgeSettings::preset();
    settings.guardrails.retain(|_, g| matches!(g.kind, GuardrailKind::Latency { .. }));
    settings.warm_up_ms = 0;
    let verdict = |settings: &JudgeSettings, ms| word(&fold(settings, timed(ms)).assess());
    assert_eq!(verdict(&settings, (30.0, 2.0)), "rollback", "without a floor fifteen times as long is harm");
    for guardrail in settings.guardrails.values_mut() {
        guardrail.floor_us = 100_000;
    }
    assert_eq!(verdict(&settings, (30.0, 2.0)), "promote", "30 ms is fast enough for anybody here");
    assert_eq!(verdict(&settings, (300.0, 2.0)), "rollback", "300 ms is not");
    assert_eq!(verdict(&settings, (900.0, 300.0)), "rollback", "above the floor the factors hold");
    assert_eq!(verdict(&settings, (300.0, 300.0)), "promote");
}

fn check(assessment: &Assessment, expected: Expect) {
    let mut text = format!("{}\n{}\n", word(assessment), assessment.summary);
    for g in &assessment.guardrails {
        text += &format!("- {}: {}\n", g.name, g.flips);
    }
    expected.assert_eq(&text);
}

#[test]
fn says_what_was_seen_and_what_would_change_it() {
    let settings = errors_only();
    let clean = (0..60).map(|s| tick(s, (25, 0), (25, 0)));
    check(
        &fold(&settings, clean.clone()).assess(),
        expect![[r#"
            continue
            No decision after 1,500 candidate and 1,500 control requests: 0.65 of the 185 that a rollback needs, 6.74 of the 20.0 that a promotion needs. At the present rates a promotion is due in 6 min 40 s.
            - errors: Rolls back at 14 more candidate failures now. Enough for a promotion (6.74 of 20.0 now) in 6 min 40 s.
            - sample_ratio: Holds when its e-value, now 0.19, reaches 185; it never rolls back.
        "#]],
    );
    let regression = (0..60).map(|s| tick(s, (25, u64::from(s % 2 == 0)), (25, u64::from(s % 10 == 0))));
    check(
        &fold(&settings, regression).assess(),
        expect![[r#"
            rollback
            Evidence of harm reached 203, and 185 is enough, after 1,500 candidate and 1,500 control requests. Most of it is errors: candidate 30 of 1,500 (2.00 %), control 6 of 1,500 (0.40 %), ratio 5.00 (1.40 to 28.3). Nothing changes this verdict; a retry starts afresh.
            - errors: Enough for a rollback by itself. Moves away from a promotion (0.03 of 20.0).
            - sample_ratio: Holds when its e-value, now 0.19, reaches 185; it never rolls back.
        "#]],
    );
    let more = (0..140).map(|s| tick(s, (25, 0), (25, 0)));
    check(
        &fold(&settings, more).assess(),
        expect![[r#"
            promote
            Every guardrail has evidence that harm is absent (215 of the 20.0 that a promotion needs) after 3,500 candidate and 3,500 control requests. More failures of the candidate would take it back.
            - errors: Rolls back at 17 more candidate failures now. Enough for a promotion (215 of 20.0).
            - sample_ratio: Holds when its e-value, now 0.12, reaches 185; it never rolls back.
        "#]],
    );
    let undecided = (0..30).map(|s| tick(s, (25, u64::from(s % 12 == 0)), (25, u64::from(s % 20 == 0))));
    check(
        &fold(&settings, undecided).assess(),
        expect![[r#"
            continue
            No decision after 750 candidate and 750 control requests: 0.67 of the 185 that a rollback needs, 0.71 of the 20.0 that a promotion needs. At the present rates a promotion is due in 2 h 41 min.
            - errors: Rolls back at 16 more candidate failures now. Enough for a promotion (0.71 of 20.0 now) in 2 h 41 min.
            - sample_ratio: Holds when its e-value, now 0.25, reaches 185; it never rolls back.
        "#]],
    );
}

#[test]
fn shadow_explains_each_guardrail() {
    let settings = JudgeSettings::preset();
    let offline = Offline { disagreement: Some(OneSample { trials: 20_000, hits: 280 }) };
    let mut rng = Rng::new(1);
    let ticks: Vec<Tick> = (0..9).map(|seq| shadow_tick(&mut rng, seq, 40, 0.0, 0.44, 0.052)).collect();
    check(
        &recompute(&settings, 1, Mode::Shadow, &offline, &ticks),
        expect![[r#"
            rollback
            Evidence of harm reached 1.1e48, and 556 is enough, after 360 candidate and 360 control requests. Most of it is skew: 51 of 120 (42.5 %), between 28.7 % and 57.1 %. Nothing changes this verdict; a retry starts afresh.
            - errors: Rolls back at 18 more candidate failures now. Enough for a promotion (1.13 of 20.0 now) in 9 min 50 s.
            - latency_p50: Rolls back at 47 more candidate answers slower than 6.37 ms now. Enough for a promotion (1.71 of 20.0 now) in 1 min 10 s.
            - latency_p95: Rolls back at 24 more candidate answers slower than 12.2 ms now. Enough for a promotion (3.94 of 20.0 now) in 50 s.
            - latency_p99: Rolls back at 18 more candidate answers slower than 15.2 ms now. Enough for a promotion (0.73 of 20.0 now) in 1 h 2 min.
            - skew: Harmless up to 1.00 %, harm from 3.00 %. Enough for a rollback by itself. Moves away from a promotion (3.4e-6 of 20.0).
            - disagreement: Harmless up to 2.82 %, harm from 5.63 %. Rolls back at 5 more different decisions now. Moves away from a promotion (0.09 of 20.0).
            - sample_ratio: Holds when its e-value, now 0.42, reaches 556; it never rolls back.
        "#]],
    );
    check(
        &recompute(&settings, 1, Mode::Shadow, &Offline::default(), &ticks[..3]),
        expect![[r#"
            insufficient_evidence
            No decision after 120 candidate and 120 control requests: 1.00 of the 556 that a rollback needs, 1.00 of the 20.0 that a promotion needs. The warm-up is logged and not judged. At the present rates neither bar comes nearer.
            - errors: Nothing to compare yet.
            - latency_p50: Nothing to compare yet.
            - latency_p95: Nothing to compare yet.
            - latency_p99: Nothing to compare yet.
            - skew: Harmless up to 1.00 %, harm from 3.00 %. Nothing to compare yet.
            - disagreement: Not judged: the gate measured no offline disagreement between these two versions, so there is no rate to hold it against.
            - sample_ratio: Holds when its e-value, now 1.00, reaches 556; it never rolls back.
        "#]],
    );
}

#[test]
fn disagreement_without_an_offline_rate_is_listed_and_not_judged() {
    let settings = JudgeSettings::preset();
    let mut rng = Rng::new(2);
    let ticks: Vec<Tick> = (0..200).map(|seq| shadow_tick(&mut rng, seq, 100, 0.0, 0.0, 0.9)).collect();
    let assessment = recompute(&settings, 1, Mode::Shadow, &Offline::default(), &ticks);
    let listed = assessment.guardrails.iter().find(|g| g.name == "disagreement").unwrap();
    assert!(!listed.judged && listed.flips.contains("no offline disagreement"));
    assert_eq!(assessment.verdict, Verdict::Promote, "the other guardrails decide: {}", assessment.summary);
    let empty = Offline { disagreement: Some(OneSample { trials: 0, hits: 0 }) };
    assert_eq!(recompute(&settings, 1, Mode::Shadow, &empty, &ticks), assessment);
}

#[test]
fn nothing_judged_is_never_promoted() {
    let mut settings = errors_only();
    settings.guardrails.retain(|_, g| g.kind == GuardrailKind::SampleRatio);
    let state = fold(&settings, (0..500).map(|s| tick(s, (100, 0), (100, 0))));
    assert!(!state.promotable());
    assert_eq!(word(&state.assess()), "insufficient_evidence");
}

#[test]
fn bars_of_attempts_and_modes_add_up_to_alpha() {
    let first = alpha_of_attempt(0.01, 1);
    assert!((first - 0.009).abs() < 1e-15);
    assert!((alpha_of_attempt(0.01, 2) - 0.001 * 6.0 / (std::f64::consts::PI * std::f64::consts::PI)).abs() < 1e-15);
    let all: f64 = (1..200_000).map(|i| alpha_of_attempt(0.01, i)).sum();
    assert!(all < 0.01 && all > 0.00999, "{all}");
    let each = [Mode::Shadow, Mode::Canary, Mode::Watch];
    for bits in 1..8_u8 {
        let modes = Modes { shadow: bits & 1 > 0, canary: bits & 2 > 0, watch: bits & 4 > 0 };
        let all: f64 = each.into_iter().map(|mode| modes.part(mode)).sum();
        assert!((all - 1.0).abs() < 1e-15, "{modes:?}: {all}");
    }
    let bar = |modes: Modes, mode: Mode| {
        let settings = JudgeSettings { modes, ..JudgeSettings::preset() };
        JudgeState::new(&settings, 1, mode, &Offline::default()).needs_rollback()
    };
    let (all, canary) = (Modes::default(), Modes { shadow: false, canary: true, watch: false });
    assert!((bar(all, Mode::Canary) - 185.19).abs() < 0.01 && (bar(all, Mode::Watch) - 555.56).abs() < 0.01);
    assert!((bar(canary, Mode::Canary) - 111.11).abs() < 0.01);
    assert!(bar(canary, Mode::Watch) > 1e200, "what was not to come has no part of alpha");
    let state = JudgeState::new(&JudgeSettings::preset(), 1, Mode::Canary, &Offline::default());
    assert!((state.needs_promote() - 20.0).abs() < 1e-9);
}

#[test]
fn a_rollback_stays() {
    let bad = (0..40).map(|s| tick(s, (50, 5), (50, 0)));
    let then_good = (40..2_000).map(|s| tick(s, (50, 0), (50, 5)));
    let state = fold(&errors_only(), bad.chain(then_good));
    let assessment = state.assess();
    assert_eq!(assessment.verdict, Verdict::Rollback);
    assert!(assessment.e_rollback < assessment.needs_rollback, "the running maximum decides");
}

#[test]
fn the_warm_up_is_logged_and_not_judged() {
    let settings = JudgeSettings { warm_up_ms: 60_000, ..errors_only() };
    let cold = (0..6).map(|s| tick(s, (50, 25), (50, 0)));
    let assessment = fold(&settings, cold.clone()).assess();
    assert_eq!((assessment.ticks, assessment.warm_up_ticks, assessment.candidate_requests), (6, 6, 300));
    assert_eq!((assessment.e_rollback, assessment.step_candidate_requests), (1.0, 0));
    assert_eq!(word(&assessment), "insufficient_evidence");
    let after = fold(&settings, cold.chain((6..12).map(|s| tick(s, (50, 25), (50, 0))))).assess();
    assert_eq!((after.warm_up_ticks, word(&after)), (6, "rollback"));
}

#[test]
fn silence_is_no_telemetry_and_never_a_pass() {
    let clean = (0..300).map(|s| tick(s, (50, 0), (50, 0)));
    let settings = errors_only();
    assert_eq!(word(&fold(&settings, clean.clone()).assess()), "promote");
    let silent = clean.chain((300..306).map(|s| tick(s, (0, 0), (0, 0))));
    assert_eq!(fold(&settings, silent.clone()).assess().verdict, Verdict::NoTelemetry);
    let back = silent.chain([tick(306, (50, 0), (50, 0))]);
    assert_eq!(word(&fold(&settings, back).assess()), "promote");
    assert_eq!(word(&fold(&settings, []).assess()), "insufficient_evidence", "not yet a tick");
}

#[test]
fn an_arm_that_stops_reporting_holds() {
    let mut settings = errors_only();
    settings.guardrails.shift_remove("sample_ratio");
    let stopped = (0..200).map(|s| tick(s, (50, 0), (50, 0))).chain((200..206).map(|s| tick(s, (0, 0), (50, 0))));
    assert_eq!(fold(&settings, stopped).assess().verdict, Verdict::Hold { why: HoldReason::StaleTelemetry });
    let sparse = (0..206).map(|s| tick(s, (u64::from(s < 200), 0), (1, 0)));
    assert_ne!(word(&fold(&settings, sparse).assess()), "hold", "few requests are not a silent arm");
}

#[test]
fn a_split_that_is_off_holds_and_never_rolls_back() {
    let ticks = (0..400).map(|s| tick(s, (45, 0), (55, 0)));
    let state = fold(&errors_only(), ticks);
    assert_eq!(state.assess().verdict, Verdict::Hold { why: HoldReason::SampleRatioMismatch });
    assert!(!state.rolled_back());
    let moving = (0..400).map(|s| {
        let bp = if s < 200 { 5_000 } else { 2_000 };
        let n1 = u64::from(bp) / 100;
        Tick { candidate_share_bp: bp, ..tick(s, (n1, 0), (100 - n1, 0)) }
    });
    assert_eq!(word(&fold(&errors_only(), moving).assess()), "promote", "weights may move");
}

#[test]
fn suspicion_keeps_a_step_from_ending() {
    let settings = errors_only();
    let ticks = (0..).map(|s| tick(s, (25, u64::from(s % 8 == 0)), (25, 0)));
    let mut state = fold(&settings, []);
    let before = ticks.take(200).find_map(|t| {
        state.observe(&t);
        if state.suspicious() { Some(state.assess()) } else { None }
    });
    let before = before.unwrap();
    assert!(before.suspicion && before.guardrails[0].e_rollback > 10.0);
    assert_ne!(word(&before), "rollback", "suspicion comes first");
}

#[test]
fn steps_count_their_own_requests() {
    let ticks = (0..10).map(|s| Tick { step: u32::from(s >= 7), ..tick(s, (10, 0), (10, 0)) });
    let assessment = fold(&errors_only(), ticks).assess();
    assert_eq!((assessment.step, assessment.step_candidate_requests, assessment.candidate_requests), (1, 30, 100));
}

#[test]
fn ticks_of_others_and_repeated_ticks_change_nothing() {
    let settings = errors_only();
    let mine: Vec<Tick> = (0..30).map(|s| tick(s, (25, s % 2), (25, 0))).collect();
    let once = fold(&settings, mine.clone());
    let mut noisy = Vec::new();
    for t in &mine {
        noisy.push(Tick { mode: Mode::Shadow, ..t.clone() });
        noisy.push(t.clone());
        noisy.push(t.clone());
        noisy.push(Tick { attempt: 2, seq: t.seq + 1_000, ..t.clone() });
    }
    assert_eq!(fold(&settings, noisy), once);
}

#[test]
fn a_gauge_is_the_assessment_without_what_only_people_read() {
    let silent = |a: Assessment| Assessment {
        summary: String::new(),
        guardrails: a
            .guardrails
            .into_iter()
            .map(|g| GuardrailAssessment {
                ratio: None,
                ratio_low: None,
                ratio_high: None,
                rate: None,
                eta_ms: None,
                flips: String::new(),
                ..g
            })
            .collect(),
        ..a
    };
    let offline = Offline { disagreement: Some(OneSample { trials: 1_000, hits: 10 }) };
    let mut verdicts = std::collections::BTreeSet::new();
    for (mode, candidate) in [(Mode::Canary, 0.008), (Mode::Canary, 0.05), (Mode::Shadow, 0.008), (Mode::Watch, 0.03)] {
        let mut canary = Canary::new(World { drift: 0.6, candidate, ..World::calm(600.0) }, 5);
        let mut state = JudgeState::new(&JudgeSettings::preset(), 1, mode, &offline);
        for _ in 0..240 {
            state.observe(&Tick { mode, ..canary.tick() });
            assert_eq!(state.gauge(), silent(state.assess()));
            verdicts.insert(word(&state.gauge()));
        }
    }
    assert!(verdicts.len() >= 3, "{verdicts:?}");
}

#[test]
fn replay_gives_the_same_bits_even_from_a_stored_state() {
    let settings = JudgeSettings::preset();
    let mut canary = Canary::new(World { drift: 0.6, candidate: 0.008, ..World::calm(600.0) }, 5);
    let ticks: Vec<Tick> = (0..200).map(|_| canary.tick()).collect();
    let live = fold(&settings, ticks.clone());
    assert_eq!(recompute(&settings, 1, Mode::Canary, &Offline::default(), &ticks), live.assess());

    let logged: Vec<Tick> = serde_json::from_str(&serde_json::to_string(&ticks).unwrap()).unwrap();
    let stored = serde_json::to_string(&fold(&settings, logged[..90].to_vec())).unwrap();
    let mut resumed: JudgeState = serde_json::from_str(&stored).unwrap();
    logged[90..].iter().for_each(|t| resumed.observe(t));
    let bits = |a: &Assessment| serde_json::to_string(a).unwrap();
    assert_eq!(bits(&resumed.assess()), bits(&live.assess()));
    let read: Assessment = serde_json::from_str(&bits(&live.assess())).unwrap();
    assert_eq!(read, live.assess());
    assert_eq!(
        blake3::hash(bits(&read).as_bytes()).to_hex().as_str(),
        "fbc917f73644a43f1b03bb7419b2300e2f4a869dcb5ccb1927fd33a07d254818",
        "these bits are the same on every machine"
    );
}

#[test]
fn a_history_ends_where_the_assessment_stands() {
    let settings = JudgeSettings::preset();
    let mut canary = Canary::new(World::calm(600.0), 6);
    let ticks: Vec<Tick> = (0..101).map(|_| canary.tick()).collect();
    let state = fold(&settings, ticks.clone());
    let course = history(&settings, 1, Mode::Canary, &Offline::default(), &ticks, 25);
    assert!(course.points.len() <= 25 && course.points.len() >= 20, "{}", course.points.len());
    let last = course.points.last().unwrap();
    assert_eq!((last.seq, last.e_rollback, last.e_promote), (100, state.assess().e_rollback, state.assess().e_promote));
    let errors = &last.guardrails[0];
    assert_eq!((errors.name.as_str(), errors.estimate), ("errors", state.assess().guardrails[0].ratio));
    assert_eq!(history(&settings, 1, Mode::Canary, &Offline::default(), &ticks, 1_000).points.len(), 101);
    assert!(history(&settings, 1, Mode::Watch, &Offline::default(), &ticks, 25).points.is_empty());
}

#[test]
fn a_weight_moves_the_average() {
    let mut settings = errors_only();
    let latency = Guardrail { kind: GuardrailKind::Latency { q: 0.99 }, ..settings.guardrails["errors"].clone() };
    settings.guardrails.insert("latency_p99".to_owned(), latency);
    let ticks: Vec<Tick> = (0..10).map(|s| tick(s, (50, 5), (50, 0))).collect();
    let even = fold(&settings, ticks.clone()).assess();
    let errors = even.guardrails[0].e_rollback;
    assert!((even.e_rollback / ((errors + 1.0) / 2.0) - 1.0).abs() < 1e-12);
    settings.guardrails["errors"].weight = 3.0;
    let tilted = fold(&settings, ticks.clone()).assess();
    assert!((tilted.e_rollback / ((3.0 * errors + 1.0) / 4.0) - 1.0).abs() < 1e-12);
    settings.guardrails["errors"].weight = f64::NAN;
    assert_eq!(fold(&settings, ticks).assess().e_rollback, 1.0, "a weight that is no number counts nothing");
}

fn counts() -> impl Strategy<Value = u64> {
    prop_oneof![3 => 0u64..100, 1 => any::<u64>()]
}

fn any_arm() -> impl Strategy<Value = ArmCounts> {
    let buckets = prop::collection::vec((any::<u16>(), any::<u32>()), 0..5);
    (counts(), counts(), buckets, prop::collection::vec(any::<u16>(), 0..4)).prop_map(|(requests, errors, buckets, edges)| ArmCounts {
        requests,
        errors,
        latency: LatencyHistogram(buckets),
        edges,
        ..ArmCounts::default()
    })
}

prop_compose! {
    fn any_tick()(
        at in any::<i64>(), step in 0u32..3, share in any::<u32>(), candidate in any_arm(), control in any_arm(),
        pairs in prop::option::of((counts(), counts(), counts(), counts(), counts(), counts())), shadow in any::<bool>(),
    ) -> Tick {
        let pairs = pairs.map(|(asked, both_failed, candidate_failed, control_failed, trials, hits)| PairCounts {
            asked, both_failed, candidate_failed, control_failed,
            disagreement: OneSample { trials, hits },
            skew: OneSample { trials: hits, hits: trials },
        });
        let mode = if shadow { Mode::Shadow } else { Mode::Canary };
        Tick { seq: 0, at: At(at), mode, step, attempt: 1, candidate_share_bp: share, candidate, control, pairs, beside: Beside::default() }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    /// No count, however odd, makes the judge panic or write what JSON cannot hold.
    #[test]
    fn every_output_is_a_number(ticks in prop::collection::vec(any_tick(), 0..12)) {
        let settings = JudgeSettings { warm_up_ms: 0, ..JudgeSettings::preset() };
        let offline = Offline { disagreement: Some(OneSample { trials: 100, hits: 3 }) };
        for mode in [Mode::Shadow, Mode::Canary] {
            let mut state = JudgeState::new(&settings, 1, mode, &offline);
            for (seq, tick) in ticks.iter().enumerate() {
                state.observe(&Tick { seq: seq as u64, ..tick.clone() });
                let assessment = state.assess();
                let text = serde_json::to_string(&assessment).unwrap();
                let read: Assessment = serde_json::from_str(&text).unwrap();
                prop_assert_eq!(read, assessment);
                serde_json::to_string(&state.point(tick)).unwrap();
            }
        }
    }

    /// Without the dispersion correction, two half ticks are one tick, as far as counts by arm go and failures are rare: where
    /// they are not, each tick is held against the rate of those before it.
    #[test]
    fn splitting_ticks_changes_nothing(rows in prop::collection::vec((200u64..400, 0u64..20, 0u64..20), 1..20)) {
        let settings = JudgeSettings { dispersion_correction: false, ..errors_only() };
        let whole = rows.iter().enumerate().map(|(i, &(n, s1, s0))| tick(i as u64, (2 * n, s1.min(n)), (2 * n, s0.min(n))));
        let halves = rows.iter().enumerate().flat_map(|(i, &(n, s1, s0))| {
            let (s1, s0, seq) = (s1.min(n), s0.min(n), 2 * i as u64);
            [tick(seq, (n, s1), (n, 0)), tick(seq + 1, (n, 0), (n, s0))]
        });
        let (whole, halves) = (fold(&settings, whole).assess(), fold(&settings, halves).assess());
        for (a, b) in whole.guardrails.iter().zip(&halves.guardrails) {
            prop_assert!((a.e_rollback / b.e_rollback - 1.0).abs() < 1e-9, "{} {}", a.e_rollback, b.e_rollback);
            prop_assert!((a.e_promote / b.e_promote - 1.0).abs() < 1e-9);
            prop_assert_eq!((a.candidate, a.control, a.ratio), (b.candidate, b.control, b.ratio));
        }
    }
}
