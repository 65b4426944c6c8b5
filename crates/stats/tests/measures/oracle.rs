//! What Python's libraries say about random tables that their script makes: lines of a name and numbers, a table after another.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

/// The columns and figures of one random table, by name.
pub type Table = BTreeMap<String, Vec<f64>>;

/// The tables of a part of the script; none, and a word that says so, without its Python.
pub fn tables(part: &str) -> Option<Vec<Table>> {
    let Some(python) = std::env::var_os("TIDEGATE_TEST_FAIRLEARN") else {
        eprintln!("skipped: no Python with fairlearn, scikit-learn and betacal: set TIDEGATE_TEST_FAIRLEARN");
        return None;
    };
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/measures/oracle.py");
    let made = Command::new(python).args(["-B", "-W", "ignore"]).arg(script).arg(part).output().unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let mut tables: Vec<Table> = Vec::new();
    for line in String::from_utf8(made.stdout).unwrap().lines() {
        let mut words = line.split_whitespace();
        let name = words.next().unwrap();
        if name == "table" {
            tables.push(Table::new());
        } else {
            tables.last_mut().unwrap().insert(name.to_owned(), words.map(|w| w.parse().unwrap()).collect());
        }
    }
    Some(tables)
}

/// The one number under a name.
pub fn one(table: &Table, name: &str) -> f64 {
    let column = &table[name];
    assert_eq!(column.len(), 1, "{name}");
    column[0]
}

/// A column of zeros and ones.
pub fn flags(table: &Table, name: &str) -> Vec<bool> {
    table[name].iter().map(|v| *v == 1.0).collect()
}

/// A column of whole numbers.
pub fn whole(table: &Table, name: &str) -> Vec<usize> {
    table[name].iter().map(|v| *v as usize).collect()
}

/// Two figures agree to `within`; NaN there is none here.
#[track_caller]
pub fn same(ours: Option<f64>, theirs: f64, within: f64, what: &str) {
    match ours {
        None => assert!(theirs.is_nan(), "{what}: none, they say {theirs}"),
        Some(ours) => assert!((ours - theirs).abs() <= within, "{what}: {ours}, they say {theirs}"),
    }
}
