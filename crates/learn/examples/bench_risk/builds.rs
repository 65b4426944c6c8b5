//! Builds of TravisTorrent, with what was known when each began.

use crate::data::Csv;
use std::path::Path;
use tidegate_learn::history::{Again, Past, WINDOWS, again, past};
use tidegate_learn::{Row, Table};
use tidegate_stats::rng::mix;

/// What a build is, apart from its past: where it comes from, what it changes, and what it changes it in.
const BUILD: [&str; 14] = [
    "gh_is_pr",
    "git_prev_commit_resolution_status",
    "git_diff_src_churn",
    "git_diff_test_churn",
    "gh_diff_files_added",
    "gh_diff_files_modified",
    "gh_diff_src_files",
    "gh_diff_doc_files",
    "gh_diff_other_files",
    "gh_team_size",
    "gh_sloc",
    "gh_test_lines_per_kloc",
    "gh_test_cases_per_kloc",
    "gh_asserts_cases_per_kloc",
];
/// How many of them, from the third on, say what it changes.
const CHANGED: std::ops::Range<usize> = 2..9;
/// Those that say what state of the project it is of.
const STATE: std::ops::Range<usize> = 9..14;
/// Builds of other changes of the same size are rare within it.
const AGAIN_WITHIN_SECONDS: i64 = 2 * 86_400;

/// A project, with the past of each build.
pub fn travis(folder: &Path, project: &str) -> Option<Table> {
    let csv = Csv::read(&folder.join(format!("ci_travistorrent/{project}.csv.gz")))?;
    let at = |row: usize| minutes(csv.text(row, "gh_build_started_at")) * 60;
    let number = |row: usize| csv.number(row, "tr_build_id");
    let mut order: Vec<usize> = (0..csv.rows.len()).collect();
    order.sort_by_key(|row| (at(*row), number(*row) as i64));
    let failed: Vec<bool> = order.iter().map(|row| csv.number(*row, "build_Failed") > 0.0).collect();
    let times: Vec<i64> = order.iter().map(|row| at(*row)).collect();
    // The set has no ends of builds: the one before is taken to have ended, as in the published figures.
    let all = past(&failed, |run| run);
    // Builds of branches and of requests to merge break in their own ways.
    let alike = alike(&failed, &order.iter().map(|row| csv.number(*row, "gh_is_pr") > 0.0).collect::<Vec<bool>>());
    // A change that is built again is known by its size in every count, a state of the project by its size and its tests.
    let keys = |counts: std::ops::Range<usize>| -> Vec<u64> {
        let names = BUILD.get(counts).unwrap_or_default();
        order.iter().map(|row| names.iter().fold(0, |key, name| mix(key ^ csv.number(*row, name).to_bits()))).collect()
    };
    let change = again(&keys(CHANGED), &failed, &times, AGAIN_WITHIN_SECONDS);
    let state = again(&keys(STATE), &failed, &times, i64::MAX);

    let mut table = Table::new(names().iter().map(String::as_str)).unwrap();
    let mut newest = f64::NAN;
    for (place, row) in order.iter().enumerate() {
        let mut values: Vec<f64> = BUILD.iter().map(|name| csv.number(*row, name)).collect();
        values.extend(of_past(all.get(place)?).chain(of_past(alike.get(place)?)));
        values.extend(of_again(change.get(place)?).into_iter().chain(of_again(state.get(place)?)));
        let now = *times.get(place)?;
        values.push(place.checked_sub(1).and_then(|before| times.get(before)).map_or(f64::NAN, |before| (now - before) as f64));
        values.extend([(now / 3600).rem_euclid(24) as f64, (now / 86_400).rem_euclid(7) as f64]);
        // A build that is run again keeps its number and starts anew: it stands behind younger ones.
        values.extend([f64::from(u8::from(number(*row) < newest)), number(*row) - newest]);
        newest = newest.max(number(*row));
        let effort = csv.number(*row, "git_diff_src_churn") + csv.number(*row, "git_diff_test_churn");
        let effort = if effort.is_finite() { effort } else { 0.0 };
        table.push(&Row { at: now, values: &values, label: *failed.get(place)?, effort }).unwrap();
    }
    Some(table)
}

fn names() -> Vec<String> {
    let mut names = BUILD.map(str::to_owned).to_vec();
    for of in ["", "_alike"] {
        names.extend(WINDOWS.map(|window| format!("failed_of_{window}{of}")));
        names.extend([format!("since_failure{of}"), format!("failures_in_a_row{of}")]);
    }
    for of in ["change", "state"] {
        names.extend(["previous", "share", "runs"].map(|what| format!("{of}_{what}")));
    }
    names.extend(["gap", "hour", "weekday", "run_again", "numbers_ahead"].map(str::to_owned));
    names
}

fn of_past(past: &Past) -> impl Iterator<Item = f64> {
    past.shares.into_iter().chain([past.since_failure, past.failures_in_a_row])
}

fn of_again(again: &Again) -> [f64; 3] {
    [again.previous, again.share, again.runs]
}

/// The past of each build among those of its kind.
fn alike(failed: &[bool], kinds: &[bool]) -> Vec<Past> {
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
