//! What follows from measurements, without any data.

use super::*;
use crate::id::{At, Digest};
use crate::machine::Machine;
use expect_test::expect;
use proptest::prelude::*;

fn own() -> Rules {
    Rules::Own(Allowances::default())
}

fn gx(strict: bool) -> Rules {
    Rules::GreatExpectations { strict }
}

fn between(mostly: f64) -> Expectation {
    let bounds = Bounds::inclusive(Some(Value::Int(0)), Some(Value::Int(9)));
    Expectation { mostly, ..Expectation::new(Kind::Between { column: "a".to_owned(), bounds }) }
}

fn judged(expectation: &Expectation, measured: &Measured, rows: u64, rules: &Rules) -> (Verdict, bool, bool) {
    let columns = ["a".to_owned()];
    let table = Facts { rows, columns: &columns, types: &[], as_of: At(1_000_000), before: None };
    let outcome = judge_expectation(expectation, measured, &table, rules);
    (outcome.verdict, outcome.success, outcome.vacuous)
}

fn map(rows: u64, missing: u64, unexpected: u64) -> Measured {
    Measured::Map { rows, missing, unexpected, samples: vec![] }
}

#[test]
fn mostly_is_a_share_of_the_values_that_are_not_null_and_its_end_is_inside() {
    use Verdict::{Fail, Pass};
    let verdict = |mostly, measured: Measured| judged(&between(mostly), &measured, 10, &own()).0;
    assert_eq!(verdict(0.9, map(10, 0, 1)), Pass);
    assert_eq!(verdict(0.9, map(10, 1, 1)), Fail);
    assert_eq!(verdict(0.7, map(10, 0, 3)), Pass);
    assert_eq!(verdict(1.0, map(10, 9, 0)), Pass);
    assert_eq!(verdict(0.0, map(10, 0, 10)), Pass);
    // Nulls are what these two are about, so all rows are the base.
    let not_null = Expectation { mostly: 0.5, ..Expectation::new(Kind::NotNull { column: "a".to_owned() }) };
    assert_eq!(judged(&not_null, &map(10, 5, 5), 10, &own()).0, Pass);
    assert_eq!(judged(&not_null, &map(10, 6, 6), 10, &own()).0, Fail);
}

#[test]
fn nothing_checked_is_a_pass_for_great_expectations_alone() {
    use Verdict::{Error, Fail, NothingChecked, Pass};
    let rule = between(1.0);
    assert_eq!(judged(&rule, &map(0, 0, 0), 0, &gx(false)), (Pass, true, true));
    assert_eq!(judged(&rule, &map(5, 5, 0), 5, &gx(false)), (Pass, true, true));
    assert_eq!(judged(&rule, &map(5, 5, 0), 5, &gx(true)), (NothingChecked, false, true));
    assert_eq!(judged(&rule, &map(5, 5, 0), 5, &own()), (NothingChecked, false, true));
    let allow = Rules::Own(Allowances { all_null: vec!["a".to_owned()], ..Allowances::default() });
    assert_eq!(judged(&rule, &map(5, 5, 0), 5, &allow), (NothingChecked, true, true));
    assert_eq!(judged(&rule, &map(0, 0, 0), 0, &allow), (NothingChecked, false, true));
    let missing = Measured::MissingColumn { column: "a".to_owned() };
    assert_eq!(judged(&rule, &missing, 5, &own()), (Error, false, false));
    assert_eq!(judged(&rule, &missing, 5, &gx(false)), (Error, false, false));
    let allow = Rules::Own(Allowances { missing_column: vec!["a".to_owned()], ..Allowances::default() });
    assert_eq!(judged(&rule, &missing, 5, &allow), (NothingChecked, true, false));
    let mean = Expectation::new(Kind::Aggregate { column: "a".to_owned(), statistic: Statistic::Mean, bounds: Bounds::default() });
    let none = Measured::Aggregate { observed: None, missing: 5 };
    assert_eq!(judged(&mean, &none, 5, &gx(false)), (Fail, false, true));
    assert_eq!(judged(&mean, &none, 5, &own()), (NothingChecked, false, true));
}

#[test]
fn a_rule_that_is_wrong_in_itself_is_an_error() {
    let no_ends = Expectation::new(Kind::Between { column: "a".to_owned(), bounds: Bounds::default() });
    assert_eq!(judged(&no_ends, &map(5, 0, 0), 5, &own()), (Verdict::Error, false, false));
    assert_eq!(judged(&between(1.5), &map(5, 0, 0), 5, &own()), (Verdict::Error, false, false));
    // What was measured must belong to the rule.
    assert_eq!(judged(&between(1.0), &Measured::Quantiles { observed: vec![], missing: 0 }, 5, &own()).0, Verdict::Error);
    assert_eq!(judged(&between(1.0), &Measured::Table, 5, &own()).0, Verdict::Error);
}

#[test]
fn instants_are_compared_as_instants_however_they_are_written() {
    let newest = |bound: &str| {
        let bounds = Bounds::inclusive(None, Some(Value::Text(bound.to_owned())));
        let rule = Expectation::new(Kind::Aggregate { column: "a".to_owned(), statistic: Statistic::Max, bounds });
        let observed = Some(Value::Text("2013-12-31T01:00:00Z".to_owned()));
        judged(&rule, &Measured::Aggregate { observed, missing: 0 }, 5, &own()).0
    };
    assert_eq!(newest("2013-12-31 05:00:00"), Verdict::Pass);
    assert_eq!(newest("2013-12-31T02:00:00+02:00"), Verdict::Fail);
    assert_eq!(newest("2013-12-31"), Verdict::Fail);
    assert_eq!(newest("2014-01-01"), Verdict::Pass);
}

#[test]
fn freshness_is_age_at_the_time_of_the_check() {
    let rule = Expectation::new(Kind::Freshness { column: None, within_ms: 1_000 });
    let newest = |at: Option<i64>| judged(&rule, &Measured::Newest { column: "t".to_owned(), newest: at.map(At), missing: 0 }, 5, &own()).0;
    assert_eq!(newest(Some(999_000)), Verdict::Pass);
    assert_eq!(newest(Some(998_999)), Verdict::Fail);
    assert_eq!(newest(Some(2_000_000)), Verdict::Pass);
    assert_eq!(newest(None), Verdict::NothingChecked);
}

fn report(rules: Rules, rows: u64, severity: Severity, unexpected: u64) -> CheckReport {
    let contract = Contract { dataset: "d".to_owned(), expectations: vec![Expectation { severity, ..between(1.0) }], rules };
    let table = TableFacts { source: "d.csv".to_owned(), only: None, rows, columns: vec![("a".to_owned(), "int64".to_owned())] };
    judge_contract(&contract, table, &[map(rows, 0, unexpected)], At(0), None)
}

#[test]
fn only_critical_rules_fail_a_dataset_under_our_own_rules() {
    assert!(!report(own(), 5, Severity::Critical, 1).success);
    assert!(report(own(), 5, Severity::Warning, 1).success);
    assert!(!report(gx(false), 5, Severity::Warning, 1).success);
    assert!(!report(own(), 0, Severity::Info, 0).success);
    assert!(report(gx(false), 0, Severity::Info, 0).success);
    expect!["d failed: 0 of 1 expectations hold on 5 rows"].assert_eq(&report(own(), 5, Severity::Critical, 1).summary());
}

#[test]
fn the_same_inputs_make_the_same_training_set() {
    let set = |data: &[u8], rows: &[u8]| {
        let sources = vec![("entities".to_owned(), Digest::of(rows))];
        let (definition, record) = (Digest::of(b"d"), Digest::of(b"r"));
        let set = super::SetSummary { data: Digest::of(data), definition, sources, record, rows: 2, known_until: At(1) };
        Command::Assemble { set: Box::new(set), at: At(2) }
    };
    let mut state = State::default();
    let mut record = |command: Command| -> Result<usize, super::Refused> {
        let events = Dataset::decide(&state, &command)?;
        let stored: Vec<Event> = serde_json::from_str(&serde_json::to_string(&events).unwrap()).unwrap();
        assert_eq!(stored, events);
        state = stored.iter().fold(state.clone(), Dataset::evolve);
        Ok(events.len())
    };
    assert_eq!(record(set(b"one", b"rows")), Ok(1));
    assert_eq!(record(set(b"one", b"rows")), Ok(0), "it is known");
    assert_eq!(record(set(b"two", b"rows")), Err(super::Refused::OtherBytes { data: Digest::of(b"one") }));
    assert_eq!(record(set(b"two", b"other rows")), Ok(1));
    assert_eq!(state.set.map(|(set, at)| (set.data, at)), Some((Digest::of(b"two"), At(2))));
}

#[test]
fn a_dataset_remembers_its_newest_check_once() {
    let summary = |unexpected| {
        let report = report(own(), 5, Severity::Critical, unexpected);
        Box::new(CheckSummary::of(&report, Digest::of(b"data"), Digest::of(b"contract"), Digest::of(&[unexpected as u8])))
    };
    let mut state = State::default();
    let mut record = |command: Command| -> usize {
        let events = Dataset::decide(&state, &command).unwrap();
        let stored: Vec<Event> = serde_json::from_str(&serde_json::to_string(&events).unwrap()).unwrap();
        assert_eq!(stored, events);
        state = stored.iter().fold(state.clone(), Dataset::evolve);
        events.len()
    };
    assert_eq!(record(Command::Check { summary: summary(0), at: At(1) }), 1);
    assert_eq!(record(Command::Check { summary: summary(0), at: At(2) }), 0);
    assert_eq!(record(Command::Check { summary: summary(2), at: At(3) }), 1);
    let profile = Command::Profile { data: Digest::of(b"data"), profile: Digest::of(b"p"), rows: 5, at: At(4) };
    assert_eq!(record(profile.clone()), 1);
    assert_eq!(record(profile), 0);
    assert_eq!(state.checks, (2, 1));
    let (last, at) = state.check.clone().unwrap();
    assert_eq!((last.success, last.failed, at), (false, 1, At(3)));
    let contradiction = Box::new(CheckSummary { success: true, ..last });
    assert!(Dataset::decide(&state, &Command::Check { summary: contradiction, at: At(5) }).is_err());
}

fn profiled(values: &[Option<f64>], from: usize) -> NumberProfile {
    let mut profile = NumberProfile::default();
    for (row, value) in values.iter().enumerate() {
        profile.observe((from + row) as u64, *value);
    }
    profile.trim();
    profile
}

proptest! {
    #[test]
    fn merged_parts_are_what_one_pass_gives(values in prop::collection::vec(prop::option::of(-1e6..1e6f64), 0..300), cut in 0..300usize) {
        let cut = cut.min(values.len());
        let whole = profiled(&values, 0);
        let mut parts = profiled(&values[..cut], 0);
        parts.merge(&profiled(&values[cut..], cut));
        prop_assert_eq!((parts.count, parts.nulls, parts.min, parts.max), (whole.count, whole.nulls, whole.min, whole.max));
        prop_assert_eq!(parts.sorted(), whole.sorted());
        prop_assert!((parts.mean - whole.mean).abs() <= 1e-6 && (parts.deviation() - whole.deviation()).abs() <= 1e-6);
    }

}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]
    #[test]
    fn categories_beyond_the_limit_are_the_same_in_any_order(seed in 0..1_000u64) {
        let mut rng = tidegate_stats::rng::Rng::new(seed);
        let values: Vec<String> = (0..4_000).map(|_| format!("c{}", rng.below(2_500))).collect();
        let count = |values: &[String]| {
            let mut profile = CategoryProfile::default();
            values.iter().for_each(|v| profile.observe(Some(v)));
            profile.trim();
            profile
        };
        let whole = count(&values);
        let mut parts = count(&values[2_000..]);
        parts.merge(&count(&values[..2_000]));
        prop_assert!(whole.counts.len() <= CATEGORIES_MAX && whole.other > 0);
        prop_assert_eq!(whole.other + whole.counts.values().sum::<u64>(), 4_000);
        prop_assert_eq!(&parts, &whole);
        for (text, n) in &whole.counts {
            prop_assert_eq!(values.iter().filter(|v| *v == text).count() as u64, *n);
        }
    }
}

#[test]
fn a_sample_of_a_large_column_is_near_its_distribution() {
    let profile = profiled(&(0..200_000).map(|i| Some(f64::from(i))).collect::<Vec<_>>(), 0);
    let sample = profile.sorted();
    assert_eq!(sample.len(), PROFILE_VALUES_MAX);
    assert!(!profile.exact());
    for (i, v) in sample.iter().enumerate() {
        assert!((i as f64 / 1e4 - v / 2e5).abs() < 0.0136, "rank {i} is {v}");
    }
}

#[test]
fn drift_of_nulls_types_and_gone_columns_is_found() {
    let number = |values: &[Option<f64>]| ColumnProfile::Number(profiled(values, 0));
    let some: Vec<Option<f64>> = (0..200).map(|i| Some(f64::from(i))).collect();
    let holes: Vec<Option<f64>> = (0..200).map(|i| (i % 4 != 0).then_some(f64::from(i))).collect();
    let table =
        |columns: Vec<(&str, ColumnProfile)>| Profile { rows: 200, columns: columns.into_iter().map(|(n, c)| (n.to_owned(), c)).collect() };
    let old = table(vec![
        ("same", number(&some)),
        ("holes", number(&some)),
        ("gone", number(&some)),
        ("type", number(&some)),
        ("few", number(&some[..9])),
    ]);
    let new = table(vec![
        ("same", number(&some)),
        ("holes", number(&holes)),
        ("type", ColumnProfile::Category(CategoryProfile::default())),
        ("few", number(&holes)),
    ]);
    let settings = DriftSettings { null_share: Some(0.05), rows_min: 50, ..DriftSettings::default() };
    let report = compare(&old, &new, &settings);
    let lines: Vec<String> = report.columns.iter().map(|c| format!("{:?} {}: {}", c.verdict, c.column, c.why)).collect();
    expect![[r#"
        Steady same: K-S p_value 1.0000 (drift below 0.05)
        Drift holes: the share of nulls moved by 0.2500 (drift from 0.05)
        Drift gone: the column is gone
        Drift type: the column's type changed
        CannotTell few: 9 values in the reference and 150 now: fewer than 50 are not judged"#]]
    .assert_eq(&lines.join("\n"));
    assert_eq!((report.drifted, report.verdict), ((3, 4), crate::drift::Verdict::Drift));
    assert_eq!(compare(&old, &old, &settings).verdict, crate::drift::Verdict::Steady);
}
