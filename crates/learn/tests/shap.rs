//! Explanations beside Python's `shap`, on trees trained here: values and interactions of the same rows.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests stop where something is not as it should be")]

use std::path::PathBuf;
use std::process::Command;
use tidegate_learn::boost::{self, Boosting};
use tidegate_learn::{Row, Table};
use tidegate_runtime::TreeModel;
use tidegate_stats::rng::Rng;

const ROWS: usize = 60;

/// Prints values, then interactions, then what is expected, as hexadecimal floats.
const PYTHON: &str = r#"
import sys, numpy as np, xgboost, shap
booster = xgboost.Booster(); booster.load_model(sys.argv[1])
rows = np.loadtxt(sys.argv[2], delimiter=",", ndmin=2)
explainer = shap.TreeExplainer(booster, feature_perturbation="tree_path_dependent")
for block in (explainer.shap_values(rows, check_additivity=False), explainer.shap_interaction_values(rows), np.array([explainer.expected_value])):
    print(" ".join(float(x).hex() for x in np.asarray(block, dtype=float).ravel()))
"#;

fn table() -> Table {
    let mut rng = Rng::new(11);
    let mut table = Table::new(["a", "b", "c", "d", "e"]).unwrap();
    for at in 0..2_000 {
        let values: Vec<f64> = (0..5).map(|_| rng.normal()).map(|x| f64::from(x as f32)).collect();
        let odds = values[0] + values[1] * values[2] - if values[3] > 0.5 && values[0] < 0.0 { 2.0 } else { 0.0 };
        let values: Vec<f64> = values.into_iter().map(|x| if rng.chance(0.05) { f64::NAN } else { x }).collect();
        table.push(&Row { at, values: &values, label: rng.chance(tidegate_learn::logistic::chance(odds)), effort: 1.0 }).unwrap();
    }
    table
}

fn trees(depth: usize) -> (Table, Vec<u8>) {
    let table = table();
    let settings = Boosting { trees: 50, depth, leaves: 64, rows: 0.8, ..Boosting::default() };
    let file = boost::train(&table, &vec![1.0; table.len()], &settings).unwrap().to_xgboost_json();
    (table, file)
}

#[test]
fn interactions_are_symmetric_and_sum_to_values() {
    for depth in [1, 3, 6] {
        let (table, file) = trees(depth);
        let model = TreeModel::read(&file).unwrap().with_interactions().unwrap();
        for row in table.rows().take(ROWS) {
            let (values, square) = (model.contributions(row).unwrap(), model.interactions(row).unwrap());
            let margin = model.exact_margins(row)[0];
            assert!((values.iter().sum::<f64>() - margin).abs() < 1e-9);
            for i in 0..5 {
                let line: f64 = (0..5).map(|j| square[i * 5 + j]).sum();
                assert!((line - values[i]).abs() < 1e-9, "{line} {}", values[i]);
                assert!((0..5).all(|j| square[i * 5 + j] == square[j * 5 + i]));
                // Trees of one split join nothing.
                assert!(depth > 1 || (0..5).all(|j| i == j || square[i * 5 + j] == 0.0));
            }
        }
    }
}

#[test]
fn values_and_interactions_are_those_of_shap() {
    let Some(python) = std::env::var_os("TIDEGATE_TEST_SHAP").map(PathBuf::from) else {
        eprintln!("skipped: no Python with shap and xgboost: set TIDEGATE_TEST_SHAP");
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    for depth in [2, 4, 7] {
        let (table, file) = trees(depth);
        let (path, rows) = (folder.path().join("trees.json"), folder.path().join("rows.csv"));
        std::fs::write(&path, &file).unwrap();
        let line =
            |row: &[f64]| row.iter().map(|x| if x.is_nan() { "nan".to_owned() } else { x.to_string() }).collect::<Vec<_>>().join(",");
        std::fs::write(&rows, table.rows().take(ROWS).map(line).collect::<Vec<_>>().join("\n")).unwrap();
        let done = Command::new(&python).args(["-c", PYTHON]).arg(&path).arg(&rows).output().unwrap();
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        let text = String::from_utf8(done.stdout).unwrap();
        let blocks: Vec<Vec<f64>> = text.lines().map(|line| line.split(' ').map(hexadecimal).collect()).collect();
        let model = TreeModel::read(&file).unwrap().with_interactions().unwrap();
        let all: Vec<f64> = table.rows().take(ROWS).flatten().copied().collect();
        let own = model.contributions(&all).unwrap();
        let values: Vec<f64> = own.chunks_exact(6).flat_map(|values| &values[..5]).copied().collect();
        let interactions: Vec<f64> = table.rows().take(ROWS).flat_map(|row| model.interactions(row).unwrap()).collect();
        near(&values, &blocks[0], "values");
        near(&interactions, &blocks[1], "interactions");
        near(&own[5..6], &blocks[2], "expected");
    }
}

fn near(own: &[f64], theirs: &[f64], what: &str) {
    assert_eq!(own.len(), theirs.len(), "{what}");
    // They sum in 32 bits in places.
    let off = own.iter().zip(theirs).map(|(own, theirs)| (own - theirs).abs()).fold(0.0, f64::max);
    assert!(off < 1e-6, "{what} are off by {off:e}");
    println!("{what} are off by {off:e} at most");
}

/// `-0x1.8p+1`, as Python writes it.
fn hexadecimal(text: &str) -> f64 {
    let (sign, text) = text.strip_prefix('-').map_or((1.0, text), |rest| (-1.0, rest));
    let (digits, exponent) = text.trim_start_matches("0x").split_once('p').unwrap();
    let (whole, part) = digits.split_once('.').unwrap_or((digits, ""));
    let mantissa = u64::from_str_radix(&format!("{whole}{part}"), 16).unwrap() as f64;
    let exponent: i32 = exponent.parse().unwrap();
    sign * mantissa * 2.0_f64.powi(exponent - 4 * i32::try_from(part.len()).unwrap())
}
