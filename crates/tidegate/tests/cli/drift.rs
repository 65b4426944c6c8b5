//! `tidegate drift` on files and on stored profiles, beside what the real Evidently says of the same files.

use crate::world::{World, in_order};
use std::fmt::Write as _;
use std::io::Write as _;
use std::process::Command;

/// A generator of numbers from a seed, so that a table is the same each time.
struct Seeded(u64);

impl Seeded {
    fn next(&mut self) -> f64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 11) as f64 / (1u64 << 53) as f64
    }

    fn normal(&mut self) -> f64 {
        (0..12).map(|_| self.next()).sum::<f64>() - 6.0
    }
}

fn table(rows: usize, seed: u64, shift: f64) -> String {
    let mut random = Seeded(seed);
    let mut text = String::from("x,skewed,count,few,flag,letter,group\n");
    for _ in 0..rows {
        let x = random.normal() + shift;
        let skewed = if random.next() < 0.05 { String::new() } else { format!("{}", -random.next().ln()) };
        let count = (random.next() * 60.0 + 5.0 * shift) as i64;
        let (few, flag) = ((random.next() * 4.0) as i64, random.next() < 0.3 + 0.2 * shift);
        let letter = if random.next() < 0.5 - 0.1 * shift {
            "a"
        } else if random.next() < 0.5 {
            "b"
        } else {
            "c"
        };
        let group = if random.next() < 0.5 { "m" } else { "f" };
        writeln!(text, "{x},{skewed},{count},{few},{},{letter},{group}", i64::from(flag)).unwrap();
    }
    text
}

fn world(rows: usize, shift: f64) -> World {
    World::with(&[("old.csv", &table(rows, 1, 0.0)), ("new.csv", &table(rows * 3 / 4, 2, shift))])
}

#[test]
fn a_shift_is_drift_and_the_same_law_is_steady() {
    let said = world(2_000, 1.0).run(&["drift", "old.csv", "new.csv", "--drift-share", "0.3"]);
    assert_eq!(said.code, 1, "{said:?}");
    in_order(&said.out, &["x: drift: Wasserstein", "few: steady", "flag: drift: Jensen-Shannon", "drift:", "of 7 judged columns"]);
    let steady = world(2_000, 0.0);
    in_order(&steady.run(&["drift", "old.csv", "new.csv"]).well().out, &["x: steady", "steady: 0 of 7"]);
    in_order(
        &steady.run(&["drift", "old.csv", "new.csv", "--by", "group", "--chunk-number", "3"]).well().out,
        &["slice f: steady", "slice m: steady", "trend of x"],
    );
    steady.is_clean();
}

#[test]
fn a_stored_profile_says_the_same_as_its_table() {
    let world = world(2_000, 1.0);
    world.run(&["drift", "old.csv", "--save", "old.json"]).well();
    let (table, profile) =
        (world.run(&["drift", "old.csv", "new.csv", "--json"]).json(), world.run(&["drift", "old.json", "new.csv", "--json"]).json());
    let (table, profile) = (table["columns"].as_array().unwrap().clone(), profile["columns"].as_array().unwrap().clone());
    assert_eq!(table.len(), 7);
    for (a, b) in table.iter().zip(&profile) {
        assert_eq!((&a["column"], &a["verdict"]), (&b["column"], &b["verdict"]));
        // Whole numbers of few values are categories of a table and counted numbers of a profile: the same distance.
        assert!((a["score"].as_f64().unwrap() - b["score"].as_f64().unwrap()).abs() < 1e-9, "{a} {b}");
    }
}

#[test]
fn nothing_is_no_pass_and_mistakes_are_named() {
    let world = World::with(&[("old.csv", "x,y\n1.5,2\n2.5,3\n"), ("new.csv", "x,y\n"), ("other.csv", "z\n1\n")]);
    let said = world.run(&["drift", "old.csv", "new.csv", "--json"]);
    assert_eq!((said.code, said.json()["verdict"].as_str().unwrap()), (1, "cannot_tell"), "{said:?}");
    world.run(&["drift", "old.csv", "gone.csv"]).fails(4, &["gone.csv"]);
    world.run(&["drift", "old.csv", "old.csv", "--method", "nope"]).fails(2, &["no method `nope`", "known are ks, wasserstein"]);
    world.run(&["drift", "old.csv", "old.csv", "--method", "q=ks"]).fails(2, &["no judged column `q`"]);
    world.run(&["drift", "old.csv"]).fails(2, &["second table"]);
}

const PEER: &str = r#"
import json, sys, warnings
warnings.filterwarnings("ignore")
import pandas as pd
from evidently import Dataset, DataDefinition, Report
from evidently.presets import DataDriftPreset
old, new = (pd.read_csv(f, float_precision="round_trip") for f in ("old.csv", "new.csv"))
kinds = DataDefinition(numerical_columns=["x", "skewed", "count"], categorical_columns=["few", "flag", "letter", "group"])
made = Report([DataDriftPreset()]).run(Dataset.from_pandas(new, kinds), Dataset.from_pandas(old, kinds))
found = {}
for metric in json.loads(made.json())["metrics"]:
    config = metric["config"]
    if config["type"].endswith("ValueDrift"):
        found[config["column"]] = {"method": config["method"], "threshold": config["threshold"], "score": metric["value"]}
    else:
        found["*"] = metric["value"]
json.dump(found, sys.stdout)
"#;

#[test]
fn the_preset_of_evidently_says_the_same_of_the_same_files() {
    let Some(python) = std::env::var_os("TIDEGATE_TEST_EVIDENTLY") else {
        let _ = std::io::stderr().write_all(b"SKIPPED: comparison with Evidently's report: set TIDEGATE_TEST_EVIDENTLY\n");
        return;
    };
    for (rows, shift) in [(600, 0.0), (600, 0.4), (4_000, 0.05), (4_000, 0.6)] {
        let world = world(rows, shift);
        let output = Command::new(&python).args(["-c", PEER]).current_dir(world.root()).env("DO_NOT_TRACK", "1").output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let theirs: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        let ours = world.run(&["drift", "old.csv", "new.csv", "--json"]).json();
        for column in ours["columns"].as_array().unwrap() {
            let expected = &theirs[column["column"].as_str().unwrap()];
            let (score, wanted) = (column["score"].as_f64().unwrap(), expected["score"].as_f64().unwrap());
            assert!((score - wanted).abs() <= 1e-9 * wanted.abs().max(1.0), "{rows} rows, shift {shift}: {column} against {expected}");
        }
        assert_eq!(ours["drifted"][0].as_f64(), theirs["*"]["count"].as_f64(), "{rows} rows, shift {shift}");
        assert_eq!(ours["share"].as_f64(), theirs["*"]["share"].as_f64());
    }
}

/// Rows with an embedding of four numbers, as JSON lines; `turned` mixes two of its components.
fn embedded(rows: usize, seed: u64, turned: bool) -> String {
    let mut random = Seeded(seed);
    let mut text = String::new();
    for n in 0..rows {
        let mut v: Vec<f64> = (0..4).map(|_| random.normal() + 1.0).collect();
        if turned {
            (v[0], v[1]) = (v[1] * 0.1 - v[0], v[0]);
        }
        let emb = if n == 3 { "null".to_owned() } else { format!("[{},{},{},{}]", v[0], v[1], v[2], v[3]) };
        writeln!(text, "{{\"id\":{n},\"emb\":{emb}}}").unwrap();
    }
    text
}

#[test]
fn embeddings_are_judged_by_cheap_columns_and_together() {
    let world = World::with(&[
        ("a.jsonl", &embedded(600, 1, false)),
        ("b.jsonl", &embedded(600, 2, false)),
        ("c.jsonl", &embedded(600, 3, true)),
        ("ragged.jsonl", "{\"id\":1,\"emb\":[1,2]}\n{\"id\":2,\"emb\":[1]}\n"),
        ("wide.jsonl", "{\"id\":1,\"emb\":[1,2]}\n{\"id\":2,\"emb\":[3,1]}\n"),
    ]);
    let steady = world.run(&["drift", "a.jsonl", "b.jsonl", "--joint", "emb", "--json"]).well().json();
    let columns: Vec<&str> = steady["columns"].as_array().unwrap().iter().map(|c| c["column"].as_str().unwrap()).collect();
    assert!(columns.contains(&"norm(emb)") && columns.contains(&"distance(emb)"), "{columns:?}");
    assert_eq!(steady["parts"]["joint"]["columns"].as_array().map(Vec::len), Some(4), "{steady}");
    let said = world.run(&["drift", "a.jsonl", "c.jsonl", "--joint", "emb"]);
    assert_eq!(said.code, 1, "{said:?}");
    in_order(&said.out, &["distance(emb)", "joint law of 4 columns: drift"]);
    world.run(&["drift", "a.jsonl", "ragged.jsonl"]).fails(3, &["ragged.jsonl", "column `emb`", "vectors have 2 and 1 numbers"]);
    world
        .run(&["drift", "a.jsonl", "wide.jsonl", "--joint", "emb"])
        .fails(2, &["vectors of `emb` have 4 numbers in the reference and 2 now"]);
}
