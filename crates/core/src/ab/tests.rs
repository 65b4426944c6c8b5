//! Tests in every order of what may happen to them, and what is found of clients whose truth is known.

use super::*;
use crate::id::At;
use crate::judge::JudgeSettings;
use crate::machine::Machine as _;
use crate::route::{Carrier, WEIGHT_TOTAL_BP};
use std::collections::{BTreeSet, VecDeque};
use tidegate_stats::rng::Rng;

const HORIZON_MS: u64 = 1_000_000;

fn metric() -> Metric {
    Metric {
        feedback: Worth::Label,
        kind: Kind::Rate,
        better: Better::Higher,
        min: 0.0,
        max: 1.0,
        window_ms: 1_000,
        missing: Missing::LeftOut,
    }
}

fn draft(variants: &[(&str, u32)]) -> Draft {
    Draft {
        name: "ranking".to_owned(),
        service: "s".to_owned(),
        model: "m".to_owned(),
        variants: variants.iter().map(|(name, weight)| ((*name).to_owned(), "1".to_owned(), *weight)).collect(),
        unit: Carrier::Header("x-user".to_owned()),
        metric: metric(),
        share_bp: WEIGHT_TOTAL_BP,
        alpha: 0.05,
        horizon_ms: HORIZON_MS,
        min_effect: 0.02,
        judge: JudgeSettings::preset(),
    }
}

fn spec() -> Spec {
    Spec::build(draft(&[("a", 1), ("control", 1), ("b", 1)])).unwrap()
}

fn start(spec: Spec, at: At) -> Command {
    Command::Start { spec: Box::new(spec), by: "ada".to_owned(), reason: "which ranks better".to_owned(), at }
}

fn give(state: &State, command: &Command) -> State {
    let events = Tests::decide(state, command).unwrap_or_default();
    events.iter().fold(state.clone(), Tests::evolve)
}

fn running(spec: Spec) -> State {
    let mut state = give(&State::default(), &start(spec.clone(), At(0)));
    for variant in spec.variants {
        state = give(&state, &Command::Ready { test: 1, variant: variant.name, at: At(0) });
    }
    give(&state, &Command::Begin { test: 1, at: At(0) })
}

/// Findings in which these are decided.
fn found(decided: &[&str]) -> Box<Findings> {
    let test = running(spec()).test.unwrap();
    let mut found = findings(&test, &[], At(1));
    for comparison in found.comparisons.iter_mut().filter(|c| decided.contains(&c.variant.as_str())) {
        comparison.verdict = Verdict::Better;
    }
    Box::new(found)
}

fn harm(variant: &str, at: At) -> Command {
    Command::StopVariant { test: 1, variant: variant.to_owned(), why: Stop::Harm { found: "errors".to_owned() }, at }
}

#[test]
fn shares_add_up_and_control_comes_first() {
    for (weights, share_bp) in [(vec![1, 1, 1], 10_000), (vec![7, 1, 1, 5, 3], 999), (vec![1, 1000], 2_000), (vec![1; 8], 9)] {
        let names = ["x", "control", "y", "z", "u", "v", "w", "t"];
        let variants: Vec<(&str, u32)> = names.into_iter().zip(weights).collect();
        let built = Spec::build(Draft { share_bp, ..draft(&variants) }).unwrap();
        assert_eq!(built.variants.iter().map(|v| v.share_bp).sum::<u32>(), share_bp);
        assert_eq!((built.variants[0].name.as_str(), built.variants[1].name.as_str()), ("control", "x"));
        let sum: f64 = variants.iter().map(|v| f64::from(v.1)).sum();
        for variant in &built.variants {
            let weight = variants.iter().find(|v| v.0 == variant.name).unwrap().1;
            assert!((f64::from(variant.share_bp) - f64::from(share_bp) * f64::from(weight) / sum).abs() <= 1.0);
        }
    }
}

#[test]
fn what_is_no_test_is_said() {
    let two = [("control", 1), ("a", 1)];
    let with = |change: &dyn Fn(&mut Draft)| {
        let mut one = draft(&two);
        change(&mut one);
        Spec::build(one).unwrap_err().to_string()
    };
    for (problem, words) in [
        (Spec::build(draft(&[("control", 1)])).unwrap_err().to_string(), "has 2 to 8 variants; this one has 1"),
        (Spec::build(draft(&[("a", 1), ("b", 1)])).unwrap_err().to_string(), "none of its variants is called `control`"),
        (Spec::build(draft(&[("control", 1), ("a", 1), ("a", 1)])).unwrap_err().to_string(), "`a` is no name"),
        (Spec::build(draft(&[("control", 1), ("a b", 1)])).unwrap_err().to_string(), "`a b` is no name"),
        (with(&|d| d.share_bp = 1), "leaves variant `a` none"),
        (with(&|d| d.metric.max = 0.0), "are no bounds"),
        (with(&|d| d.metric.max = f64::NAN), "are no bounds"),
        (with(&|d| d.min_effect = 1.0), "is not between 0 and 1"),
        (with(&|d| d.alpha = 0.0), "`alpha` 0"),
        (with(&|d| d.metric.window_ms = HORIZON_MS), "no client would ever be counted"),
        (with(&|d| (d.metric.feedback, d.metric.kind) = (Worth::Correct, Kind::Mean)), "it is a rate"),
        (with(&|d| d.variants[1].1 = String::new()), "no variant has a version"),
    ] {
        assert!(problem.contains(words), "{problem}");
    }
    let judge = spec().judge;
    assert_eq!(judge.guardrails.keys().collect::<Vec<_>>(), ["errors", "latency_p50", "latency_p95", "latency_p99"]);
    assert_eq!(judge.alpha, JudgeSettings::preset().alpha / 2.0);
}

/// What may come next, in whatever state.
fn next() -> Vec<Command> {
    let at = At(1);
    let (by, reason) = ("ada".to_owned(), "enough".to_owned());
    let mut all = vec![Command::Begin { test: 1, at }, Command::Tick { at }, Command::Stop { by: by.clone(), reason, at }];
    for name in ["control", "a", "b"] {
        all.push(Command::Ready { test: 1, variant: name.to_owned(), at });
        all.push(harm(name, at));
        all.push(Command::Adopt { test: 1, variant: name.to_owned(), release: 7, by: by.clone(), at });
    }
    let look = |decided: &[&str], at| Command::Look { test: 1, result: found(decided), evidence: None, at };
    all.extend([look(&[], at), look(&["a"], at), look(&["a", "b"], at), look(&[], At(2 + HORIZON_MS as i64))]);
    all
}

/// What may never be true after a step, said without the machine's own words for it.
fn sound(before: &State, after: &State) -> Option<&'static str> {
    let (Some(was), Some(is)) = (&before.test, &after.test) else { return None };
    if was.spec != is.spec || was.number != is.number || was.started != is.started {
        return Some("what was registered changes");
    }
    for (name, state) in &was.variants {
        if matches!(state, VariantState::Stopped { .. }) && is.variants[name] != *state {
            return Some("a stopped variant comes back");
        }
    }
    if !was.is_open() && (is.phase != was.phase || is.result != was.result) {
        return Some("an end is not the end");
    }
    if is.result.is_some() && is.since().is_none() {
        return Some("a result of nobody");
    }
    let lot = lot_of(is);
    if lot.is_some() != matches!(is.phase, Phase::Running { .. }) {
        return Some("clients are drawn while it does not run, or not while it does");
    }
    let mut at = 0;
    for variant in &is.spec.variants {
        let stretch = lot.iter().flat_map(|l| &l.stretches).find(|s| s.target.variant.as_ref() == Some(&variant.name));
        let ready = is.variants[&variant.name] == VariantState::Ready;
        if lot.is_some() && stretch.is_some() != ready {
            return Some("who is drawn for is not who is ready");
        }
        if stretch.is_some_and(|s| (s.from_bp, s.until_bp) != (at, at + variant.share_bp)) {
            return Some("a client's place moves");
        }
        at += variant.share_bp;
    }
    let alone = ["a", "b"].iter().all(|v| is.stopped(v).is_some()) || is.stopped("control").is_some();
    if alone && is.is_open() {
        return Some("it goes on with nothing to compare");
    }
    if is.adopted.as_ref().is_some_and(|(variant, _)| is.is_open() || is.stopped(variant).is_some()) {
        return Some("what harmed is adopted, or before the end");
    }
    (is.is_open() && wants(after).is_empty()).then_some("it waits for ever")
}

#[test]
fn every_order_of_events_keeps_every_rule() {
    let first = give(&State::default(), &start(spec(), At(0)));
    let (mut seen, mut queue, mut steps, mut ends) = (BTreeSet::new(), VecDeque::from([first]), 0, BTreeSet::new());
    while let Some(state) = queue.pop_front() {
        if !seen.insert(serde_json::to_string(&state).unwrap()) {
            continue;
        }
        if let Some(Test { phase: Phase::Ended { ended, .. }, .. }) = &state.test {
            ends.insert(format!("{ended:?}"));
        }
        for command in next() {
            let after = give(&state, &command);
            assert_eq!(sound(&state, &after), None, "{command:?} in {state:?}");
            if !matches!(command, Command::Stop { .. } | Command::Look { .. }) {
                assert_eq!(give(&after, &command), after, "the same twice is once: {command:?} in {state:?}");
            }
            steps += 1;
            queue.push_back(after);
        }
    }
    assert!(seen.len() > 80 && steps > 1_000, "{} states, {steps} steps", seen.len());
    let ends: String = ends.into_iter().collect();
    for end in ["Concluded", "by: \"ada\"", "control was stopped", "every variant beside control was stopped"] {
        assert!(ends.contains(end), "{ends}");
    }
}

#[test]
fn one_at_a_time_and_nothing_of_it_changes() {
    let state = running(spec());
    assert_eq!(give(&state, &start(spec(), At(5))), state, "the same again, as after a lost answer");
    let other = Spec { alpha: 0.1, ..spec() };
    assert_eq!(Tests::decide(&state, &start(other, At(5))).unwrap_err(), Refused::UnderWay(1));
    let stop = |reason: &str| Command::Stop { by: "ada".to_owned(), reason: reason.to_owned(), at: At(6) };
    assert_eq!(Tests::decide(&state, &stop(" ")).unwrap_err(), Refused::NoReason("stop"));
    assert_eq!(Tests::decide(&State::default(), &stop("x")).unwrap_err(), Refused::None);
    assert_eq!(adoptable(&state, "a").unwrap_err(), Refused::NotEnded);
    let ended = give(&state, &stop("x"));
    assert_eq!(adoptable(&ended, "c").unwrap_err(), Refused::Unknown("c".to_owned()));
    assert_eq!(adoptable(&ended, "a").unwrap().version, "1");
    assert_eq!(give(&ended, &start(spec(), At(7))).test.unwrap().number, 2);
    let salt = |state: &State| lot_of(state.test.as_ref().unwrap()).unwrap().salt;
    let again = give(&running(spec()), &stop("x"));
    let mut second = give(&again, &start(spec(), At(8)));
    for name in ["control", "a", "b"] {
        second = give(&second, &Command::Ready { test: 2, variant: name.to_owned(), at: At(8) });
    }
    assert_ne!(salt(&give(&second, &Command::Begin { test: 2, at: At(9) })), salt(&state), "another test draws anew");
}

#[test]
fn what_comes_late_is_not_about_the_next_test() {
    let stop = Command::Stop { by: "ada".to_owned(), reason: "x".to_owned(), at: At(6) };
    let mut second = give(&give(&running(spec()), &stop), &start(spec(), At(8)));
    for name in ["control", "a", "b"] {
        second = give(&second, &Command::Ready { test: 2, variant: name.to_owned(), at: At(8) });
    }
    second = give(&second, &Command::Begin { test: 2, at: At(9) });
    let look = |test| Command::Look { test, result: found(&["a", "b"]), evidence: None, at: At(10) };
    for late in [look(1), harm("a", At(10)), Command::Begin { test: 1, at: At(10) }] {
        assert_eq!(give(&second, &late), second, "{late:?}");
    }
    assert!(!give(&second, &look(2)).test.unwrap().is_open());
    let adopt = Command::Adopt { test: 1, variant: "a".to_owned(), release: 3, by: "ada".to_owned(), at: At(11) };
    assert_eq!(Tests::decide(&second, &adopt).unwrap_err(), Refused::NotNewest(1));
}

#[test]
fn a_result_that_comes_long_after_the_horizon_is_a_result() {
    // As after a night in which nobody was there to count.
    let (state, late) = (running(spec()), At(10 * HORIZON_MS as i64));
    let look = Command::Look { test: 1, result: found(&[]), evidence: None, at: late };
    assert!(give(&give(&state, &harm("a", late)), &look).test.unwrap().result.is_some());
}

#[test]
fn what_takes_too_long_ends_by_itself() {
    let late = At(PREPARE_MS_MAX as i64);
    let waiting = give(&State::default(), &start(spec(), At(0)));
    assert!(give(&waiting, &Command::Tick { at: At(late.0 - 1) }).test.unwrap().is_open());
    assert!(!give(&waiting, &Command::Tick { at: late }).test.unwrap().is_open());
    let state = running(spec());
    assert!(give(&state, &Command::Tick { at: At(HORIZON_MS as i64) }).test.unwrap().is_open(), "what was found is asked for first");
    assert!(!give(&state, &Command::Tick { at: At(HORIZON_MS as i64 + 3_600_000) }).test.unwrap().is_open());
}

/// Clients by lot, each with a few requests; variants by their rates.
fn world(spec: &Spec, seed: u64, count: u32, rates: &[f64], lose: impl Fn(usize, &mut Rng) -> bool) -> Vec<Taken> {
    let (mut rng, mut clients) = (Rng::new(seed), Clients::new(spec));
    let mut labels = vec![];
    for n in 0..count {
        let variant = rng.below(rates.len() as u64) as usize;
        let at = At(i64::from(n));
        let loses = lose(variant, &mut rng);
        // A heavy client asks often, and its requests are alike: it counts once.
        let (requests, yes) = (1 + rng.below(9) * rng.below(4), rng.chance(rates[variant]));
        for r in 0..requests {
            let request = format!("{n}-{r}");
            let (unit, name) = (n.to_string(), spec.variants[variant].name.clone());
            clients.expose(Exposure { at, unit: &unit, variant: &name, request: &request, decision: Some(true) });
            if !loses {
                labels.push((request, yes));
            }
        }
    }
    for (request, yes) in labels {
        let n: i64 = request.split('-').next().unwrap().parse().unwrap();
        clients.label(At(n + 10), &request, f64::from(u8::from(yes)));
    }
    clients.taken()
}

fn verdicts(spec: Spec, taken: &[Taken]) -> Vec<Verdict> {
    let test = running(spec).test.unwrap();
    findings(&test, taken, At(500_000)).comparisons.into_iter().map(|c| c.verdict).collect()
}

#[test]
fn a_better_one_is_found_and_one_that_is_no_different_too() {
    let spec = Spec { min_effect: 0.05, ..spec() };
    let taken = world(&spec, 1, 40_000, &[0.2, 0.3, 0.2], |_, _| false);
    assert_eq!(verdicts(spec.clone(), &taken), [Verdict::Better, Verdict::NoDifferenceWorth]);
    let lower = Spec { metric: Metric { better: Better::Lower, ..metric() }, ..spec.clone() };
    assert_eq!(verdicts(lower, &taken)[0], Verdict::Worse);
    let few = verdicts(spec.clone(), &taken[..600]);
    assert!(matches!(few[1], Verdict::NotYet { more: Some(more), eta_ms: Some(_) } if more > 1_000), "{few:?}");
    let looked = findings(&running(spec.clone()).test.unwrap(), &taken[..600], At(500_000));
    let written = serde_json::to_string(&looked).unwrap();
    assert_eq!(serde_json::from_str::<Findings>(&written).unwrap(), looked, "what is stored is read");
    assert_eq!(verdicts(spec, &[])[0], Verdict::NotYet { more: None, eta_ms: None });
}

#[test]
fn harmless_variants_are_told_apart_seldom_however_often_one_looks() {
    let spec = Spec { min_effect: 0.001, ..spec() };
    let test = running(spec.clone()).test.unwrap();
    let mut wrong = 0;
    for seed in 0..60 {
        let taken = world(&spec, seed, 1_500, &[0.3, 0.3, 0.3], |_, _| false);
        let looks = (1..=10).map(|i| findings(&test, &taken[..i * 150], At(500_000)));
        wrong += usize::from(looks.into_iter().any(|f| f.comparisons.iter().any(|c| c.low > 0.0 || c.high < 0.0)));
    }
    // At most 3 of 60 are expected; more than 8 would come once in 300 times.
    assert!(wrong <= 8, "{wrong}");
}

#[test]
fn a_variant_that_loses_clients_is_not_trusted() {
    let spec = spec();
    let taken = world(&spec, 3, 20_000, &[0.3, 0.3, 0.3], |variant, rng| variant == 1 && rng.chance(0.3));
    let found = verdicts(spec.clone(), &taken);
    assert!(matches!(&found[0], Verdict::NotTrusted { why } if why.contains("have outcomes")), "{found:?}");
    assert!(!matches!(found[1], Verdict::NotTrusted { .. }), "{found:?}");
    // Where silence is an outcome, nobody is lost: they count as no.
    let zero = Spec { metric: Metric { missing: Missing::Zero, ..metric() }, ..spec };
    let taken = world(&zero, 3, 20_000, &[0.3, 0.3, 0.3], |variant, rng| variant == 1 && rng.chance(0.3));
    assert_eq!(verdicts(zero, &taken)[0], Verdict::Worse);
}

#[test]
fn a_client_counts_once_by_what_came_in_its_window() {
    let spec = spec();
    let mut clients = Clients::new(&spec);
    let expose = |clients: &mut Clients, at: i64, variant: &str, request: &str| {
        clients.expose(Exposure { at: At(at), unit: "u", variant, request, decision: None });
    };
    expose(&mut clients, 100, "a", "r1");
    expose(&mut clients, 600, "a", "r2");
    expose(&mut clients, 1_101, "a", "late request");
    expose(&mut clients, 700, "b", "r3");
    expose(&mut clients, 700, "nobody", "r4");
    clients.label(At(200), "r1", 1.0);
    clients.label(At(1_100), "r1", 0.0);
    clients.label(At(1_101), "r1", 1.0);
    clients.label(At(300), "r2", 1.0);
    clients.label(At(300), "unknown", 1.0);
    clients.label(At(1_100), "late request", 1.0);
    clients.label(At(800), "r3", f64::NAN);
    let taken = clients.taken();
    assert_eq!(taken.len(), 1);
    assert_eq!(
        (taken[0].variant, taken[0].entered, taken[0].step),
        (1, At(100), Some(2_048)),
        "half of its two answers, with the newest label"
    );
    // Before its window has closed it does not count, and once its variant is stopped it never will.
    let test = running(spec).test.unwrap();
    let counted = |test: &Test, now: i64| findings(test, &taken, At(now)).sides[1].counted;
    assert_eq!((counted(&test, 3_099), counted(&test, 3_100)), (0, 1));
    let stopped = give(&State { test: Some(test) }, &harm("a", At(3_099))).test.unwrap();
    assert_eq!((counted(&stopped, 10_000), findings(&stopped, &taken, At(10_000)).sides[1].entered), (0, 1));
}

#[test]
fn means_are_told_in_their_own_units() {
    let metric = Metric { kind: Kind::Mean, min: -10.0, max: 30.0, ..metric() };
    let spec = Spec::build(Draft { metric: metric.clone(), min_effect: 4.0, ..draft(&[("control", 1), ("a", 1)]) }).unwrap();
    assert_eq!((metric.part(-20.0), metric.part(10.0), metric.part(99.0)), (0.0, 0.5, 1.0));
    let (mut rng, mut clients) = (Rng::new(2), Clients::new(&spec));
    let mut labels = vec![];
    for n in 0..4_000 {
        let variant = if rng.chance(0.5) { "a" } else { "control" };
        let (unit, value) = (n.to_string(), if variant == "a" { 12.0 } else { 2.0 } + 8.0 * (rng.uniform() - 0.5));
        clients.expose(Exposure { at: At(n), unit: &unit, variant, request: &unit, decision: None });
        labels.push((unit, value));
    }
    labels.iter().for_each(|(request, value)| clients.label(At(request.parse().unwrap()), request, *value));
    let found = findings(&running(spec).test.unwrap(), &clients.taken(), At(500_000));
    let (mean, one) = (found.sides[0].mean.unwrap(), &found.comparisons[0]);
    assert!((mean - 2.0).abs() < 0.3 && (one.difference.unwrap() - 10.0).abs() < 0.5, "{found:?}");
    assert!(one.low > 4.0 && one.high < 16.0 && one.verdict == Verdict::Better, "{one:?}");
}
