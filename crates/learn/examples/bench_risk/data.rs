//! The sets as tables.

use std::io::Read;
use std::path::Path;
use tidegate_learn::history::{again, past};
use tidegate_learn::{Row, Table, derive};
use tidegate_stats::rng::mix;

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

/// What a build is, apart from its past: what it changes, and where it comes from. Sizes of the project and of its team are left out: they only
/// grow, and tell a model of yesterday nothing of today.
const BUILD: [&str; 9] = [
    "gh_is_pr",
    "git_prev_commit_resolution_status",
    "git_diff_src_churn",
    "git_diff_test_churn",
    "gh_diff_files_added",
    "gh_diff_files_modified",
    "gh_diff_src_files",
    "gh_diff_doc_files",
    "gh_diff_other_files",
];

struct Csv {
    head: Vec<String>,
    rows: Vec<Vec<String>>,
}

impl Csv {
    fn read(path: &Path) -> Option<Csv> {
        let file = std::fs::File::open(path).ok()?;
        let mut text = String::new();
        flate2::read::GzDecoder::new(file).read_to_string(&mut text).unwrap();
        let mut lines = text.lines().map(|line| line.split(',').map(str::to_owned).collect::<Vec<_>>());
        Some(Csv { head: lines.next()?, rows: lines.collect() })
    }

    fn column(&self, name: &str) -> Option<usize> {
        self.head.iter().position(|one| one == name)
    }

    fn text(&self, row: usize, name: &str) -> &str {
        self.column(name).and_then(|column| self.rows.get(row)?.get(column)).map_or("", String::as_str)
    }

    fn number(&self, row: usize, name: &str) -> f64 {
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
    Some((derived(&table), train.rows.len()))
}

/// A project of TravisTorrent, with the past of each build.
pub fn travis(folder: &Path, project: &str) -> Option<Table> {
    let csv = Csv::read(&folder.join(format!("ci_travistorrent/{project}.csv.gz")))?;
    let at = |row: usize| minutes(csv.text(row, "gh_build_started_at")) * 60;
    let mut order: Vec<usize> = (0..csv.rows.len()).collect();
    order.sort_by_key(|row| (at(*row), csv.number(*row, "tr_build_id") as i64));
    let failed: Vec<bool> = order.iter().map(|row| csv.number(*row, "build_Failed") > 0.0).collect();
    // The set has no ends of builds: the one before is taken to have ended, as in the published figures.
    let all = past(&failed, |run| run);
    // Builds of branches and of requests to merge break in their own ways.
    let kinds: Vec<bool> = order.iter().map(|row| csv.number(*row, "gh_is_pr") > 0.0).collect();
    let alike = alike(&failed, &kinds);
    // A change that is built again is known by its size in every count; builds of other changes of that size are rare within two days.
    let key = |row: &usize| BUILD.iter().skip(2).fold(0, |key, name| mix(key ^ csv.number(*row, name).to_bits()));
    let (keys, times): (Vec<u64>, Vec<i64>) = order.iter().map(|row| (key(row), at(*row))).unzip();
    let again = again(&keys, &failed, &times, 2 * 86_400);
    let names = BUILD.iter().copied().chain([
        "previous",
        "recent",
        "longer",
        "since_failure",
        "previous_alike",
        "recent_alike",
        "longer_alike",
        "again",
        "again_share",
    ]);
    let mut table = Table::new(names).unwrap();
    for (place, row) in order.iter().enumerate() {
        let (past, alike, again) = (all.get(place)?, alike.get(place)?, again.get(place)?);
        let mut values: Vec<f64> = BUILD.iter().map(|name| csv.number(*row, name)).collect();
        values.extend([
            past.previous,
            past.recent,
            past.longer,
            past.since_failure,
            alike.previous,
            alike.recent,
            alike.longer,
            again.previous,
            again.share,
        ]);
        let effort = csv.number(*row, "git_diff_src_churn") + csv.number(*row, "git_diff_test_churn");
        let effort = if effort.is_finite() { effort } else { 0.0 };
        table.push(&Row { at: at(*row), values: &values, label: *failed.get(place)?, effort }).unwrap();
    }
    Some(table)
}

/// The past of each build among those of its kind.
fn alike(failed: &[bool], kinds: &[bool]) -> Vec<tidegate_learn::history::Past> {
    let of = |kind: bool| -> Vec<usize> { (0..failed.len()).filter(|at| kinds.get(*at) == Some(&kind)).collect() };
    let mut found = past(failed, |_| 0);
    for places in [of(false), of(true)] {
        let own: Vec<bool> = places.iter().filter_map(|at| failed.get(*at).copied()).collect();
        for (place, past) in places.iter().zip(past(&own, |run| run)) {
            found.get_mut(*place).into_iter().for_each(|cell| *cell = past);
        }
    }
    found
}

/// `2011-08-29 0:13` and `2011-08-29T00:13:59`, in minutes.
fn minutes(text: &str) -> i64 {
    let numbers: Vec<i64> = text.split(['-', ' ', 'T', ':']).filter_map(|part| part.parse().ok()).collect();
    let [year, month, day, hour, minute, ..] = numbers.as_slice() else { return 0 };
    // Days since March of year 0, in which leap days come last.
    let (year, month) = if *month > 2 { (*year, month - 3) } else { (year - 1, month + 9) };
    let days = year * 365 + year / 4 - year / 100 + year / 400 + (month * 153 + 2) / 5 + day;
    (days * 24 + hour) * 60 + minute
}
