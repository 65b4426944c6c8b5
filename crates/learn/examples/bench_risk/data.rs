//! The sets as tables.

use std::io::Read;
use std::path::Path;
use tidegate_learn::{Row, Table, derive};

/// Kamei's features in the set's own spelling, and in ours.
const CHANGES: [(&str, &str); 14] = [
    ("ns", "ns"),
    ("nd", "nd"),
    ("nf", "nf"),
    ("entrophy", "entropy"),
    ("la", "la"),
    ("ld", "ld"),
    ("lt", "lt"),
    ("fix", "fix"),
    ("ndev", "ndev"),
    ("age", "age"),
    ("nuc", "nuc"),
    ("exp", "exp"),
    ("rexp", "rexp"),
    ("sexp", "sexp"),
];

pub(crate) struct Csv {
    head: Vec<String>,
    pub(crate) rows: Vec<Vec<String>>,
}

impl Csv {
    pub(crate) fn read(path: &Path) -> Option<Csv> {
        let file = std::fs::File::open(path).ok()?;
        let mut text = String::new();
        flate2::read::GzDecoder::new(file).read_to_string(&mut text).unwrap();
        let mut lines = text.lines().map(|line| line.split(',').map(str::to_owned).collect::<Vec<_>>());
        Some(Csv { head: lines.next()?, rows: lines.collect() })
    }

    fn column(&self, name: &str) -> Option<usize> {
        self.head.iter().position(|one| one == name)
    }

    pub(crate) fn text(&self, row: usize, name: &str) -> &str {
        self.column(name).and_then(|column| self.rows.get(row)?.get(column)).map_or("", String::as_str)
    }

    pub(crate) fn number(&self, row: usize, name: &str) -> f64 {
        match self.text(row, name) {
            "True" => 1.0,
            "False" => 0.0,
            text => text.parse().unwrap_or(f64::NAN),
        }
    }
}

/// A project of ISSTA'21, with what is made of its features.
pub fn issta21(folder: &Path, project: &str) -> Option<Table> {
    let csv = Csv::read(&folder.join(format!("jit_issta21/{project}_k_feature.csv.gz")))?;
    let mut table = Table::new(CHANGES.map(|(_, name)| name)).unwrap();
    for row in 0..csv.rows.len() {
        let values = CHANGES.map(|(name, _)| csv.number(row, name));
        let effort = csv.number(row, "la") + csv.number(row, "ld");
        let (at, label) = (csv.number(row, "date") as i64, csv.number(row, "bug") > 0.0);
        table.push(&Row { at, values: &values, label, effort }).unwrap();
    }
    Some(table)
}

/// A table with what is made of its features behind them.
pub fn derived(table: &Table) -> Table {
    derive::table(table, &derive::of_changes(table)).unwrap()
}

/// A project of ApacheJIT: one table, and how many of its rows are its authors' training part. It has no dates: rows are a day
/// apart, and weighed alike.
pub fn apachejit(folder: &Path, project: &str) -> Option<(Table, usize)> {
    apachejit_plain(folder, project).map(|(table, rows)| (derived(&table), rows))
}

/// The same without what is made of its features.
pub fn apachejit_plain(folder: &Path, project: &str) -> Option<(Table, usize)> {
    let part = |part: &str| Csv::read(&folder.join(format!("apachejit/per_project_80_20/apache_{project}__{part}.csv.gz")));
    let (train, test) = (part("train")?, part("test")?);
    let names: Vec<String> = train.head.iter().filter(|name| !["commit_id", "target"].contains(&name.as_str())).cloned().collect();
    let mut table = Table::new(names.iter().map(String::as_str)).unwrap();
    for csv in [&train, &test] {
        for row in 0..csv.rows.len() {
            let values: Vec<f64> = names.iter().map(|name| csv.number(row, name)).collect();
            let lines = |name| csv.column(name).map_or(0.0, |_| csv.number(row, name));
            let at = table.len() as i64 * 86_400;
            table.push(&Row { at, values: &values, label: csv.number(row, "target") > 0.0, effort: lines("la") + lines("ld") }).unwrap();
        }
    }
    Some((table, train.rows.len()))
}
