//! Rules on sets, distributions, counts and history: what is judged of what was measured.
use super::*;
use crate::id::At;

fn table(rows: u64) -> TableFacts {
    let columns = vec![("a".to_owned(), "int64".to_owned()), ("b".to_owned(), "string".to_owned())];
    TableFacts { source: "d".to_owned(), only: None, rows, columns }
}

fn judged(kind: Kind, measured: Measured, rows: u64, before: Option<&Before>) -> (Verdict, bool, bool) {
    let contract =
        Contract { dataset: "d".to_owned(), expectations: vec![Expectation::new(kind)], rules: Rules::Own(Allowances::default()) };
    let report = judge_contract(&contract, table(rows), &[measured], At(0), before);
    let outcome = &report.outcomes[0];
    (outcome.verdict, outcome.success, outcome.vacuous)
}

#[test]
fn volume_is_held_against_the_checks_that_passed() {
    let volume = |max_loss, max_growth| Kind::Volume { checks: 2, max_loss, max_growth };
    let before = Before { rows: vec![1, 90, 110], schema: vec![] };
    let verdict = |rows, loss, growth| judged(volume(loss, growth), Measured::Table, rows, Some(&before)).0;
    assert_eq!(verdict(80, Some(0.2), None), Verdict::Pass);
    assert_eq!(verdict(79, Some(0.2), None), Verdict::Fail);
    assert_eq!(verdict(1_000, Some(0.2), None), Verdict::Pass);
    assert_eq!(verdict(121, None, Some(0.2)), Verdict::Fail);
    // The first check has nothing before it: it is no pass, and does not fail the dataset either.
    assert_eq!(judged(volume(Some(0.2), None), Measured::Table, 5, None), (Verdict::NothingChecked, true, true));
    assert_eq!(judged(volume(None, None), Measured::Table, 5, Some(&before)).0, Verdict::Error);
}

#[test]
fn a_schema_is_compatible_in_the_direction_asked_for() {
    let before = Before { rows: vec![5], schema: vec![("a".to_owned(), "int32".to_owned()), ("b".to_owned(), "string".to_owned())] };
    let verdict = |compatibility| judged(Kind::SchemaCompatible { compatibility, optional: vec![] }, Measured::Table, 5, Some(&before)).0;
    assert_eq!(verdict(Compatibility::Backward), Verdict::Pass);
    assert_eq!(verdict(Compatibility::Forward), Verdict::Fail);
    assert_eq!(verdict(Compatibility::Full), Verdict::Fail);
}

#[test]
fn distinct_values_and_modes_are_held_against_sets() {
    let set = |relation| Kind::DistinctValues { column: "a".to_owned(), values: vec![Value::Int(1), Value::Int(2)], relation };
    let found = |unexpected: u64, absent: usize, missing| Measured::Distinct {
        unexpected: vec![Value::Int(9); usize::try_from(unexpected).unwrap()],
        unexpected_count: unexpected,
        absent: vec![Value::Int(2); absent],
        missing,
    };
    assert_eq!(judged(set(SetRelation::In), found(0, 1, 0), 5, None).0, Verdict::Pass);
    assert_eq!(judged(set(SetRelation::In), found(1, 0, 0), 5, None).0, Verdict::Fail);
    assert_eq!(judged(set(SetRelation::Contain), found(1, 0, 0), 5, None).0, Verdict::Pass);
    assert_eq!(judged(set(SetRelation::Contain), found(0, 1, 0), 5, None).0, Verdict::Fail);
    assert_eq!(judged(set(SetRelation::Equal), found(0, 0, 0), 5, None).0, Verdict::Pass);
    assert_eq!(judged(set(SetRelation::In), found(0, 0, 5), 5, None), (Verdict::NothingChecked, false, true));
    let mode = |ties_okay| Kind::MostCommon { column: "a".to_owned(), values: vec![Value::Int(1)], ties_okay };
    let modes = |values: &[i64]| Measured::Modes {
        values: values.iter().map(|v| Value::Int(*v)).collect(),
        count: values.len() as u64,
        missing: 0,
    };
    assert_eq!(judged(mode(false), modes(&[1]), 5, None).0, Verdict::Pass);
    assert_eq!(judged(mode(false), modes(&[1, 2]), 5, None).0, Verdict::Fail);
    assert_eq!(judged(mode(true), modes(&[1, 2]), 5, None).0, Verdict::Pass);
    assert_eq!(judged(mode(true), modes(&[2]), 5, None).0, Verdict::Fail);
}

#[test]
fn divergence_is_that_of_the_textbook() {
    let expected = |partition, hold| Expected { partition, threshold: Some(1.0), tail_weight_holdout: hold, internal_weight_holdout: 0.0 };
    let even = Partition::Categories(vec![(Value::Int(0), 0.5), (Value::Int(1), 0.5)]);
    let counted = |pairs: &[(i64, u64)]| Counted::Categories(pairs.iter().map(|(v, n)| (Value::Int(*v), *n)).collect());
    // 0.75 ln(0.75 / 0.5) + 0.25 ln(0.25 / 0.5)
    let near = expected(even.clone(), 0.0).divergence(&counted(&[(0, 3), (1, 1)]));
    assert!((near - 0.130_812_035_941_137).abs() < 1e-12, "{near}");
    assert_eq!(expected(even.clone(), 0.0).divergence(&counted(&[(0, 2), (1, 2)])), 0.0);
    assert!(expected(even.clone(), 0.0).divergence(&counted(&[(7, 1)])).is_infinite());
    assert!(expected(even, 0.1).divergence(&counted(&[(7, 1)])).is_finite());
    let bins = Partition::Bins { edges: vec![0.0, 1.0, 2.0], weights: vec![0.5, 0.5], tails: None };
    assert_eq!(expected(bins.clone(), 0.0).divergence(&Counted::Bins(vec![4, 4], 0, 0)), 0.0);
    assert!(expected(bins, 0.0).divergence(&Counted::Bins(vec![4, 4], 1, 0)).is_infinite());
}

#[test]
fn counts_of_broken_rules_lie_in_their_interval() {
    let count = |outside, percent| Kind::UnexpectedCount {
        rule: Box::new(Kind::NotNull { column: "a".to_owned() }),
        bounds: Bounds::inclusive(Some(Value::Int(0)), Some(Value::Int(10))),
        outside,
        percent,
    };
    let broken = |unexpected| Measured::Map { rows: 200, missing: 0, unexpected, samples: vec![] };
    assert_eq!(judged(count(false, false), broken(10), 200, None).0, Verdict::Pass);
    assert_eq!(judged(count(false, false), broken(11), 200, None).0, Verdict::Fail);
    assert_eq!(judged(count(false, true), broken(20), 200, None).0, Verdict::Pass);
    assert_eq!(judged(count(true, false), broken(10), 200, None).0, Verdict::Fail);
    assert_eq!(judged(count(true, false), broken(11), 200, None).0, Verdict::Pass);
}

#[test]
fn a_condition_that_selects_nothing_checks_nothing() {
    let none = Measured::Map { rows: 0, missing: 0, unexpected: 0, samples: vec![] };
    let among = Measured::Among { rows: 0, measured: Box::new(none) };
    assert_eq!(judged(Kind::Null { column: "a".to_owned() }, among, 5, None), (Verdict::NothingChecked, false, true));
}

#[test]
fn a_first_check_that_only_compares_passes_nothing_and_is_what_the_next_is_compared_with() {
    use crate::id::Digest;
    use crate::machine::Machine as _;
    let volume = Expectation::new(Kind::Volume { checks: 2, max_loss: Some(0.2), max_growth: None });
    let count = Expectation::new(Kind::RowCount { bounds: Bounds::inclusive(Some(Value::Int(1)), None) });
    let check = |expectations: Vec<Expectation>, rows, before: &Before| {
        let measured = vec![Measured::Table; expectations.len()];
        let contract = Contract { dataset: "d".to_owned(), expectations, rules: Rules::Own(Allowances::default()) };
        judge_contract(&contract, table(rows), &measured, At(0), Some(before))
    };
    let recorded = |state: State, report: &CheckReport| {
        let stored = Digest::of(&report.table.rows.to_le_bytes());
        let summary = Box::new(CheckSummary::of(report, Digest::of(b"d"), Digest::of(b"c"), stored));
        Dataset::decide(&state, &Command::Check { summary, at: At(1) }).unwrap().iter().fold(state, Dataset::evolve)
    };
    let first = check(vec![volume.clone()], 10, &Before::default());
    assert!(!first.success && first.is_baseline());
    assert!(first.summary().starts_with("d failed: 0 of 1 expectations hold on 10 rows, 1 checked nothing; no check before"));
    let state = recorded(State::default(), &first);
    assert!(check(vec![volume.clone()], 9, &state.accepted).success);
    let fallen = check(vec![volume.clone()], 7, &state.accepted);
    assert!(!fallen.success && !fallen.is_baseline());
    assert_eq!(recorded(state.clone(), &fallen).accepted, state.accepted, "what failed is no measure");
    // Beside a rule that was checked it fails nothing, and counts for nothing.
    let mixed = check(vec![count, volume.clone()], 10, &Before::default());
    assert!(mixed.success && mixed.summary().starts_with("d passed: 1 of 2 expectations hold"));
    let empty = check(vec![volume], 0, &Before::default());
    assert!(!empty.success && !empty.is_baseline(), "no rows are no baseline");
}

#[test]
fn what_passed_is_remembered_and_what_failed_is_not() {
    use crate::id::Digest;
    use crate::machine::Machine as _;
    let summary = |rows, success| {
        let contract = Contract { dataset: "d".to_owned(), expectations: vec![], rules: Rules::Own(Allowances::default()) };
        let report = judge_contract(&contract, table(rows), &[], At(0), None);
        let one = CheckSummary::of(&report, Digest::of(b"d"), Digest::of(b"c"), Digest::of(&rows.to_le_bytes()));
        Event::Checked { summary: Box::new(CheckSummary { success, ..one }), at: At(1) }
    };
    let events: Vec<Event> = (0..150).map(|rows| summary(rows, rows % 2 == 0)).collect();
    let state = events.iter().fold(State::default(), Dataset::evolve);
    assert_eq!(state.accepted.rows.last(), Some(&148));
    assert!(state.accepted.rows.iter().all(|r| r % 2 == 0) && state.accepted.rows.len() <= HISTORY_MAX);
    assert_eq!(state.accepted.schema, table(0).columns);
}
