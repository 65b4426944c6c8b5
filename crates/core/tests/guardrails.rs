//! Guardrails beside requests: shift of scores, labels that come later, values of metrics. What they promise about alpha, that they
//! find harm, and that silence is no pass.
#![allow(clippy::unwrap_used, clippy::panic)]

use indexmap::IndexMap;
use tidegate_core::id::At;
use tidegate_core::judge::{
    ArmCounts, Assessment, Beside, By, Guardrail, GuardrailKind, HoldReason, JudgeSettings, JudgeState, LabelCounts, LatencyHistogram,
    Measure, Metric, MetricPair, Mode, Offline, OneSample, ScoreHistogram, Tick, Verdict, Worse, history, recompute,
};
use tidegate_stats::rng::Rng;

fn settings(name: &str, kind: GuardrailKind, (tolerance, slack, harm, harm_slack): (f64, f64, f64, f64)) -> JudgeSettings {
    let guardrail = Guardrail { kind, tolerance, slack, harm, harm_slack, differs_by: 0.05, floor_us: 0, weight: 1.0 };
    JudgeSettings { warm_up_ms: 0, guardrails: IndexMap::from([(name.to_owned(), guardrail)]), ..JudgeSettings::preset() }
}

fn scores() -> JudgeSettings {
    settings("score_shift", GuardrailKind::ScoreShift, (1.0, 0.05, 1.0, 0.15))
}

fn labels() -> JudgeSettings {
    settings("labels", GuardrailKind::Labels, (1.1, 0.01, 1.3, 0.03))
}

fn revenue(worse: Worse, by: By, tolerance: f64, harm: f64) -> JudgeSettings {
    let (source, candidate, control) = ("shop".to_owned(), "a".to_owned(), "b".to_owned());
    let metric = Metric { source, candidate, control, every_ms: 60_000, worse, by };
    settings("revenue", GuardrailKind::Metric(metric), (tolerance, 0.0, harm, 0.0))
}

fn tick(seq: u64, mode: Mode, requests: u64, beside: Beside) -> Tick {
    let arm = ArmCounts { requests, ..ArmCounts::default() };
    let at = At(0).plus_ms(10_000 * (seq + 1));
    Tick { seq, at, mode, step: 0, attempt: 1, candidate_share_bp: 5_000, candidate: arm.clone(), control: arm, pairs: None, beside }
}

/// Judges ticks one after the other, and says after which there was a rollback; the last assessment is that of an auditor.
fn judged(settings: &JudgeSettings, mode: Mode, ticks: &[Tick]) -> (Option<usize>, Assessment) {
    let mut state = JudgeState::new(settings, 1, mode, &Offline::default());
    let mut at = None;
    for (n, tick) in ticks.iter().enumerate() {
        state.observe(tick);
        at = at.or(state.rolled_back().then_some(n));
    }
    let found = state.assess();
    let again: Vec<Tick> = ticks.iter().map(|t| serde_json::from_str(&serde_json::to_string(t).unwrap()).unwrap()).collect();
    assert_eq!(found, recompute(settings, 1, mode, &Offline::default(), &again), "replay equals live");
    (at, found)
}

/// Scores of `n` requests each a tick: of a control whose mean wanders, and of a candidate that stands `moved` beside it.
fn scored(seed: u64, ticks: u64, n: u64, moved: f64, mode: Mode) -> Vec<Tick> {
    let (mut rng, mut load) = (Rng::new(seed), 0.0);
    (0..ticks)
        .map(|seq| {
            load = 0.95 * load + 0.1 * rng.normal();
            let squash = |x: f64| 1.0 / (1.0 + libm::exp(-x));
            let mut both: Box<[ScoreHistogram; 2]> = Box::default();
            for _ in 0..n {
                let record = rng.normal() + load;
                // In shadow both score the same record.
                let other = if mode == Mode::Shadow { record + 0.1 * rng.normal() } else { rng.normal() + load };
                both[0].record(squash(record + moved));
                both[1].record(squash(other));
            }
            tick(seq, mode, n, Beside { scores: Some(both), ..Beside::default() })
        })
        .collect()
}

#[test]
fn scores_that_stay_where_they_were_are_left_alone_and_shifted_ones_are_found_in_both_directions() {
    let settings = JudgeSettings { alpha: 0.05, ..scores() };
    // At the edge of the slack at the median: .125 standard deviations are 5 % of scores there.
    let back = (0..200).filter(|seed| judged(&settings, Mode::Canary, &scored(*seed, 120, 60, 0.125, Mode::Canary)).0.is_some()).count();
    assert!(back <= 10, "{back} of 200 were rolled back at the edge of harmless");
    for mode in [Mode::Shadow, Mode::Canary, Mode::Watch] {
        let (at, same) = judged(&scores(), mode, &scored(900, 180, 60, 0.0, mode));
        assert!(at.is_none() && same.verdict == Verdict::Promote, "{mode:?}: {}", same.summary);
        for moved in [0.8, -0.8] {
            let (at, found) = judged(&scores(), mode, &scored(901, 180, 60, moved, mode));
            assert!(at.is_some_and(|at| at < 60), "{mode:?} {moved}: {at:?} {}", found.guardrails[0].flips);
            let direction = if moved > 0.0 { "above" } else { "up to" };
            assert!(found.guardrails[0].flips.contains(&format!("Most apart {direction} the control's past")), "{:?}", found.guardrails[0]);
            assert!(found.summary.contains("Most of it is score_shift: candidate "), "{}", found.summary);
        }
    }
    // A change of the inputs that both arms see is none of the candidate's.
    let (at, _) =
        judged(&scores(), Mode::Canary, &scored(902, 60, 60, 0.0, Mode::Canary).into_iter().chain(shared_jump()).collect::<Vec<_>>());
    assert_eq!(at, None);
}

/// From here on both arms score twice as high.
fn shared_jump() -> impl Iterator<Item = Tick> {
    scored(903, 60, 60, 0.0, Mode::Canary).into_iter().map(|mut tick| {
        let both = tick.beside.scores.as_mut().unwrap();
        both.iter_mut().for_each(|h| h.0.iter_mut().for_each(|cell| cell.0 += 40));
        tick.seq += 60;
        tick.at = tick.at.plus_ms(600_000);
        tick
    })
}

#[test]
fn without_scores_nothing_passes() {
    let empty: Vec<Tick> = (0..60).map(|seq| tick(seq, Mode::Canary, 50, Beside::default())).collect();
    let one_arm: Vec<Tick> = scored(1, 60, 50, 0.0, Mode::Canary)
        .into_iter()
        .map(|mut tick| {
            tick.beside.scores.as_mut().unwrap()[0] = ScoreHistogram::default();
            tick
        })
        .collect();
    for ticks in [empty, one_arm] {
        let (_, found) = judged(&scores(), Mode::Canary, &ticks);
        assert!(matches!(found.verdict, Verdict::InsufficientEvidence { .. }), "{:?}", found.verdict);
        assert!(found.guardrails[0].flips.starts_with("Nothing to compare yet"), "{}", found.guardrails[0].flips);
    }
}

/// Labels that come for `n` requests of each arm a tick, wrong so often; the rate that both share wanders.
fn labelled(seed: u64, ticks: u64, n: u64, (candidate, control): (f64, f64), mode: Mode) -> Vec<Tick> {
    let (mut rng, mut load) = (Rng::new(seed), 0.0);
    (0..ticks)
        .map(|seq| {
            load = (0.9 * load + 0.2 * rng.normal()).clamp(-1.0, 1.0);
            let came = rng.poisson(n as f64);
            let mut of = |rate: f64| OneSample { trials: came, hits: rng.binomial(came, (rate * libm::exp(load)).min(1.0)) };
            let (candidate, control) = (of(candidate), of(control));
            let counts = LabelCounts { candidate, control, waiting: (900, 800), ..LabelCounts::default() };
            tick(seq, mode, 2 * n, Beside { labels: Some(counts), ..Beside::default() })
        })
        .collect()
}

#[test]
fn late_labels_find_wrong_decisions_and_nothing_else() {
    let loose = JudgeSettings { alpha: 0.05, ..labels() };
    // At the edge: 1.1 * p0 + 1 %.
    let back =
        (0..300).filter(|seed| judged(&loose, Mode::Canary, &labelled(*seed, 200, 20, (0.12, 0.1), Mode::Canary)).0.is_some()).count();
    assert!(back <= 15, "{back} of 300 were rolled back at the edge of harmless");
    for mode in [Mode::Shadow, Mode::Canary, Mode::Watch] {
        let (at, found) = judged(&labels(), mode, &labelled(7, 400, 40, (0.3, 0.1), mode));
        assert!(at.is_some_and(|at| at < 120), "{mode:?}: {at:?} {}", found.summary);
        let (at, found) = judged(&labels(), mode, &labelled(8, 900, 60, (0.1, 0.1), mode));
        assert!(at.is_none() && found.verdict == Verdict::Promote, "{mode:?}: {} {}", found.summary, found.guardrails[0].flips);
        assert!(
            found.guardrails[0].flips.ends_with("900 candidate and 800 control requests have no label."),
            "{}",
            found.guardrails[0].flips
        );
    }
}

#[test]
fn without_labels_nothing_passes() {
    let waiting = |seq: u64| LabelCounts { waiting: (50 * seq, 50 * seq), ..LabelCounts::default() };
    let ticks: Vec<Tick> =
        (0..200).map(|seq| tick(seq, Mode::Canary, 50, Beside { labels: Some(waiting(seq)), ..Beside::default() })).collect();
    let (_, found) = judged(&labels(), Mode::Canary, &ticks);
    assert!(matches!(found.verdict, Verdict::InsufficientEvidence { .. }), "{:?}", found.verdict);
    let flips = "No labels of both arms yet, which is no pass. 9,950 candidate and 9,950 control requests have no label.";
    assert_eq!((found.guardrails[0].flips.as_str(), found.guardrails[0].judged), (flips, true));
}

/// A value of each arm every six ticks under a load that both share; the candidate's is `factor` times the control's.
fn valued(seed: u64, pairs: u64, factor: f64, mode: Mode, silent_from: u64) -> Vec<Tick> {
    let (mut rng, mut load) = (Rng::new(seed), 0.0);
    (0..6 * pairs)
        .map(|seq| {
            let mut beside = Beside::default();
            if seq % 6 == 5 {
                load = 0.9 * load + rng.normal();
                let mut one =
                    |factor: f64| Some(factor * 100.0 * libm::exp(0.3 * load + 0.05 * rng.normal())).filter(|_| seq < silent_from);
                let (candidate, control) = (one(factor), one(1.0));
                beside.values = vec![MetricPair { guardrail: "revenue".to_owned(), candidate, control }];
            }
            tick(seq, mode, 50, beside)
        })
        .collect()
}

#[test]
fn a_metric_that_falls_is_found_and_one_that_does_not_is_left_alone() {
    let loose = JudgeSettings { alpha: 0.05, ..revenue(Worse::Lower, By::Ratio, 1.02, 1.1) };
    let edge = |seed: u64| valued(seed, 150, 1.0 / 1.02, Mode::Canary, u64::MAX);
    let back = (0..300).filter(|seed| judged(&loose, Mode::Canary, &edge(*seed)).0.is_some()).count();
    assert!(back <= 15, "{back} of 300 were rolled back at the edge of harmless");
    let strict = revenue(Worse::Lower, By::Ratio, 1.02, 1.1);
    for mode in [Mode::Canary, Mode::Watch] {
        let (at, found) = judged(&strict, mode, &valued(3, 150, 0.85, mode, u64::MAX));
        assert!(at.is_some_and(|at| at < 6 * 60), "{mode:?}: {at:?}");
        assert!(found.summary.contains("Most of it is revenue: candidate / control 0.8"), "{}", found.summary);
        let (at, same) = judged(&strict, mode, &valued(4, 150, 1.0, mode, u64::MAX));
        assert!(at.is_none() && same.verdict == Verdict::Promote, "{mode:?}: {}", same.summary);
    }
    let (_, in_shadow) = judged(&strict, Mode::Shadow, &valued(5, 20, 0.5, Mode::Shadow, u64::MAX));
    assert_eq!((in_shadow.guardrails[0].judged, in_shadow.guardrails[0].e_rollback), (false, 1.0));
    assert_eq!(in_shadow.guardrails[0].flips, "Judged where users are answered, not in shadow.");
}

#[test]
fn a_source_that_goes_silent_holds_what_it_would_have_let_through() {
    let settings = revenue(Worse::Lower, By::Ratio, 1.02, 1.1);
    let ticks = valued(4, 150, 1.0, Mode::Canary, 6 * 140);
    assert_eq!(judged(&settings, Mode::Canary, &ticks[..6 * 140]).1.verdict, Verdict::Promote);
    let (_, found) = judged(&settings, Mode::Canary, &ticks);
    assert_eq!(found.verdict, Verdict::Hold { why: HoldReason::MissingValues }, "{}", found.summary);
    assert!(found.guardrails[0].flips.ends_with("No values in the last 10 askings, which is no pass."), "{}", found.guardrails[0].flips);
    let (_, never) = judged(&settings, Mode::Canary, &valued(4, 20, 1.0, Mode::Canary, 0));
    assert_eq!(never.verdict, Verdict::Hold { why: HoldReason::MissingValues });
    // What cannot be a ratio is missing, too.
    let mut zero = valued(4, 20, 1.0, Mode::Canary, u64::MAX);
    zero.iter_mut().flat_map(|t| &mut t.beside.values).for_each(|v| v.candidate = Some(0.0));
    assert_eq!(judged(&settings, Mode::Canary, &zero).1.verdict, Verdict::Hold { why: HoldReason::MissingValues });
}

#[test]
fn they_share_one_alpha_and_old_evidence_is_read() {
    let mut both = labels();
    both.guardrails.extend(scores().guardrails);
    let ticks = scored(11, 60, 60, 1.5, Mode::Canary);
    let (_, alone) = judged(&scores(), Mode::Canary, &ticks);
    let (_, shared) = judged(&both, Mode::Canary, &ticks);
    assert!(
        (shared.e_rollback - (alone.e_rollback + 1.0) / 2.0).abs() <= 1e-9 * alone.e_rollback,
        "{} {}",
        shared.e_rollback,
        alone.e_rollback
    );
    let drawn = history(&both, 1, Mode::Canary, &Offline::default(), &ticks, 10);
    assert_eq!(drawn.points.last().unwrap().guardrails.len(), 2);
    let plain = tick(0, Mode::Canary, 5, Beside::default());
    let text = serde_json::to_string(&plain).unwrap();
    assert!(!text.contains("beside"), "a tick of a release without them is written as before: {text}");
    assert_eq!(serde_json::from_str::<Tick>(&text).unwrap(), plain);
}

/// Answers of a language model: so many a tick, each of them measured; the candidate's values are those of the control times `factor`.
fn generated(seed: u64, of: Measure, n: u64, factor: f64) -> Vec<Tick> {
    let mut rng = Rng::new(seed);
    (0..180)
        .map(|seq| {
            let mut of_ticks = tick(seq, Mode::Canary, n, Beside::default());
            for (arm, factor) in [(&mut of_ticks.candidate, factor), (&mut of_ticks.control, 1.0)] {
                let mut histogram = LatencyHistogram::default();
                (0..n).for_each(|_| histogram.record(factor * 200_000.0 * libm::exp(0.4 * rng.normal())));
                arm.generated.insert(of, histogram);
            }
            of_ticks
        })
        .collect()
}

#[test]
fn what_is_measured_of_generated_answers_is_guarded_like_latency() {
    for of in Measure::ALL {
        let kind = GuardrailKind::Generation { of, q: 0.5 };
        let settings = settings("it", kind, (1.1, 0.02, 1.5, 0.05));
        let (at, same) = judged(&settings, Mode::Canary, &generated(1, of, 40, 1.0));
        assert!(at.is_none() && same.verdict == Verdict::Promote, "{of:?}: {}", same.summary);
        let (at, found) = judged(&settings, Mode::Canary, &generated(2, of, 40, 1.8));
        assert!(at.is_some_and(|at| at < 60), "{of:?}: {at:?} {}", found.summary);
        assert_eq!(found.verdict, Verdict::Rollback);
        // What nobody measured is no pass.
        let silent: Vec<Tick> = (0..180).map(|seq| tick(seq, Mode::Canary, 40, Beside::default())).collect();
        let found = judged(&settings, Mode::Canary, &silent).1;
        assert!(!matches!(found.verdict, Verdict::Promote | Verdict::Rollback), "{of:?}: {:?} {}", found.verdict, found.summary);
    }
}
