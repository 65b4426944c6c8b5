//! Profiles of files, and drift between them.

use super::world::{folder, parquet, run};
use datafusion::arrow::array::{ArrayRef, BooleanArray, Float64Array, Int64Array, StringArray};
use expect_test::expect;
use std::path::Path;
use std::sync::Arc;
use tidegate_core::contract::{ColumnProfile, Profile};
use tidegate_core::drift::Verdict;
use tidegate_data::{DriftSettings, Source, compare, profile, profile_table, read_rows};
use tidegate_stats::rng::Rng;

fn made(path: &Path, rows: i64, seed: u64, shift: f64, favoured: u64) -> Profile {
    let mut rng = Rng::new(seed);
    let x: Float64Array = (0..rows).map(|i| (i % 20 != 0).then(|| rng.normal() * 2.0 + shift)).collect();
    let id: Int64Array = (0..rows).map(|_| Some(rng.below(1_000) as i64)).collect();
    let name: StringArray = (0..rows).map(|_| Some(if rng.below(10) < favoured { "a" } else { "b" })).collect();
    let flag: BooleanArray = (0..rows).map(|_| Some(rng.below(2) == 0)).collect();
    parquet(path, vec![("x", Arc::new(x) as ArrayRef), ("id", Arc::new(id)), ("name", Arc::new(name)), ("flag", Arc::new(flag))]);
    run(profile(&Source::at(path), &[])).unwrap()
}

fn drifted(report: &tidegate_data::DriftReport) -> String {
    report.columns.iter().map(|c| format!("{:?} {}: {}", c.verdict, c.column, c.why)).collect::<Vec<_>>().join("\n")
}

#[test]
fn drift_is_found_where_it_is_and_nowhere_else() {
    let folder = folder();
    let path = folder.path().join("p.parquet");
    let old = made(&path, 30_000, 1, 0.0, 5);
    let same = made(&path, 8_000, 2, 0.0, 5);
    let moved = made(&path, 8_000, 3, 1.0, 8);
    let settings = DriftSettings::default();
    expect![[r#"
        Steady x: Wasserstein distance (normed) 0.0161 (drift from 0.1)
        Steady id: Wasserstein distance (normed) 0.0110 (drift from 0.1)
        Steady name: Jensen-Shannon distance 0.0028 (drift from 0.1)
        Steady flag: Jensen-Shannon distance 0.0057 (drift from 0.1)"#]]
    .assert_eq(&drifted(&compare(&old, &same, &settings)));
    expect![[r#"
        Drift x: Wasserstein distance (normed) 0.5080 (drift from 0.1)
        Steady id: Wasserstein distance (normed) 0.0099 (drift from 0.1)
        Drift name: Jensen-Shannon distance 0.2299 (drift from 0.1)
        Steady flag: Jensen-Shannon distance 0.0049 (drift from 0.1)"#]]
    .assert_eq(&drifted(&compare(&old, &moved, &settings)));
    assert_eq!(compare(&old, &moved, &settings).verdict, Verdict::Drift);
    assert_eq!(compare(&old, &same, &settings).verdict, Verdict::Steady);
    let (few, few_moved) = (made(&path, 300, 4, 0.0, 5), made(&path, 300, 5, 1.0, 5));
    expect![[r#"
        Drift x: K-S p_value 0.0000 (drift below 0.05)
        Steady id: K-S p_value 0.9705 (drift below 0.05)
        Steady name: Z-test p_value 0.8064 (drift below 0.05)
        Steady flag: Z-test p_value 0.7440 (drift below 0.05)"#]]
    .assert_eq(&drifted(&compare(&few, &few_moved, &settings)));
}

#[test]
fn a_profile_is_the_same_each_time_and_from_rows_in_memory() {
    let folder = folder();
    let path = folder.path().join("p.parquet");
    let first = made(&path, 9_000, 1, 0.0, 5);
    assert_eq!(serde_json::to_string(&run(profile(&Source::at(&path), &[])).unwrap()).unwrap(), serde_json::to_string(&first).unwrap());
    let table = run(read_rows(&Source::at(&path), &["x", "name"], 10_000)).unwrap();
    let memory = profile_table(&table);
    let (ColumnProfile::Number(a), ColumnProfile::Number(b)) = (&first.columns["x"], &memory.columns["x"]) else { panic!("x is numbers") };
    assert_eq!((a.count, a.nulls, a.min, a.max, a.sorted()), (b.count, b.nulls, b.min, b.max, b.sorted()));
    assert!((a.mean - b.mean).abs() < 1e-12 && (a.deviation() - b.deviation()).abs() < 1e-12);
    let again: Profile = serde_json::from_str(&serde_json::to_string(&first).unwrap()).unwrap();
    assert_eq!(again, first);
}
