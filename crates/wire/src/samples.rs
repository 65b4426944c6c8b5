//! What is measured of two arms, as people keep it: tables of counts, and series of one number.
//!
//! Text with a header and commas (semicolons, tabs) between, JSON lines, or one number a line. A cell that is empty, `NaN`
//! or `null` is a missing number of a series; a count must be there.

use serde_json::{Map, Value};
use tidegate_core::judge::Interval;

/// Most rows that are read.
pub const ROWS_MAX: usize = 2_000_000;
/// Mistakes that are told at once.
const MISTAKES_MAX: usize = 20;

/// Names of the arms: the candidate's, the control's.
pub(crate) const ARMS: [&[&str]; 2] =
    [&["candidate", "canary", "experiment", "treatment", "new", "b"], &["control", "stable", "baseline", "primary", "old", "a"]];
const REQUESTS: &[&str] = &["requests", "total", "count", "trials", "n"];
const ERRORS: &[&str] = &["errors", "failures", "failed", "bad", "hits"];
/// Columns that are there for people.
const IGNORED: &[&str] = &["time", "timestamp", "at", "tick", "minute", "step"];

/// All mistakes of a file, each with its line.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("read {file}:{}", .mistakes.iter().map(|(line, why)| format!("\n  {file}:{line}: {why}")).collect::<String>())]
pub struct SamplesError {
    /// The file.
    pub file: String,
    /// Line from 1, and what is wrong.
    pub mistakes: Vec<(usize, String)>,
}

/// Rows with names.
pub(crate) struct Table {
    pub(crate) names: Vec<String>,
    /// Line, and a cell a name.
    pub(crate) rows: Vec<(usize, Vec<String>)>,
}

pub(crate) type Mistakes = Vec<(usize, String)>;

/// Reads counts: columns such as `candidate_requests,candidate_errors,control_requests,control_errors`.
///
/// # Errors
/// With every mistake.
pub fn counts(file: &str, text: &str) -> Result<Vec<Interval>, SamplesError> {
    let read = || {
        let table = table(text)?;
        let mut places = [None; 4];
        let mut wrong = Mistakes::new();
        for (at, name) in table.names.iter().enumerate() {
            match column(name) {
                Some(place) if places[place].is_none() => places[place] = Some(at),
                Some(_) => wrong.push((1, format!("column `{name}` says the same as one before it: leave one of them out"))),
                None if IGNORED.contains(&name.to_lowercase().as_str()) => {}
                None => wrong.push((1, format!("column `{name}` is not understood: {WANTED}"))),
            }
        }
        let [Some(a), Some(b), Some(c), Some(d)] = places else {
            wrong.push((1, format!("the columns are {}: {WANTED}", table.names.join(", "))));
            return Err(wrong);
        };
        let mut found = Vec::with_capacity(table.rows.len());
        for (line, cells) in &table.rows {
            let count = |at: usize| whole(cells.get(at).map_or("", String::as_str), table.names.get(at).map_or("", String::as_str));
            match (count(a), count(b), count(c), count(d)) {
                (Ok(n1), Ok(s1), Ok(n0), Ok(s0)) if s1 <= n1 && s0 <= n0 => {
                    found.push(Interval { candidate: (n1, s1), control: (n0, s0) });
                }
                (Ok(n1), Ok(s1), Ok(n0), Ok(s0)) => {
                    let (arm, n, s) = if s1 > n1 { ("candidate", n1, s1) } else { ("control", n0, s0) };
                    wrong.push((*line, format!("{s} failures of {n} requests of the {arm}: there cannot be more of them")));
                }
                (a, b, c, d) => wrong.extend([a, b, c, d].into_iter().filter_map(Result::err).map(|why| (*line, why))),
            }
        }
        if wrong.is_empty() { Ok(found) } else { Err(wrong) }
    };
    read().map_err(|wrong| told(file, wrong))
}

const WANTED: &str = "wanted are candidate_requests, candidate_errors, control_requests and control_errors (or canary_total, stable_failures and the like), and perhaps time";

/// 0 to 3 for the four counts.
fn column(name: &str) -> Option<usize> {
    let lower = name.to_lowercase();
    let (arm, what) = lower.split_once(['_', '.', ' ', '-'])?;
    let arm = 2 * ARMS.iter().position(|words| words.contains(&arm))?;
    Some(arm + if REQUESTS.contains(&what) { 0 } else { ERRORS.contains(&what).then_some(1)? })
}

pub(crate) fn whole(cell: &str, name: &str) -> Result<u64, String> {
    let number = cell.parse::<u64>().ok().or_else(|| {
        let x: f64 = cell.parse().ok()?;
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "whole and within range, as is tested")]
        (x.fract() == 0.0 && (0.0..9e15).contains(&x)).then_some(x as u64)
    });
    number.ok_or_else(|| format!("`{cell}` in `{name}` is not a count: write a whole number from 0"))
}

/// Reads a series: the column of this name, or the only one that holds numbers.
///
/// # Errors
/// With every mistake.
pub fn series(file: &str, text: &str, name: Option<&str>) -> Result<Vec<f64>, SamplesError> {
    let read = || {
        if name.is_none()
            && let Some(numbers) = bare(text)?
        {
            return Ok(numbers);
        }
        let table = table(text)?;
        let wanted = match name {
            Some(name) => table.names.iter().position(|n| n == name),
            None => {
                let open = |n: &&String| !IGNORED.contains(&n.to_lowercase().as_str());
                let mut open = table.names.iter().filter(open);
                match (open.next(), open.next()) {
                    (Some(only), None) => table.names.iter().position(|n| n == only),
                    _ => None,
                }
            }
        };
        let Some(at) = wanted else {
            let asked = name.map_or_else(|| "which column is meant is not clear".to_owned(), |n| format!("there is no column `{n}`"));
            return Err(vec![(1, format!("{asked}: name one of {} with --column", table.names.join(", ")))]);
        };
        let (mut found, mut wrong) = (Vec::with_capacity(table.rows.len()), Mistakes::new());
        for (line, cells) in &table.rows {
            match number(cells.get(at).map_or("", String::as_str)) {
                Ok(value) => found.push(value),
                Err(why) => wrong.push((*line, why)),
            }
        }
        if wrong.is_empty() { Ok(found) } else { Err(wrong) }
    };
    read().map_err(|wrong| told(file, wrong))
}

fn number(cell: &str) -> Result<f64, String> {
    if cell.is_empty() || ["null", "nan", "none", "na"].contains(&cell.to_lowercase().as_str()) {
        return Ok(f64::NAN);
    }
    cell.parse().map_err(|_| format!("`{cell}` is not a number: leave the cell empty where a value is missing"))
}

/// Numbers without a header, one a line; none where the first line is none.
fn bare(text: &str) -> Result<Option<Vec<f64>>, Mistakes> {
    let mut lines = lines(text)?.into_iter().peekable();
    if lines.peek().is_none_or(|(_, first)| number(first).is_err()) {
        return Ok(None);
    }
    let (found, wrong): (Vec<_>, Vec<_>) = lines.map(|(at, line)| number(line).map_err(|why| (at, why))).partition(Result::is_ok);
    let wrong: Mistakes = wrong.into_iter().filter_map(Result::err).collect();
    if wrong.is_empty() { Ok(Some(found.into_iter().flatten().collect())) } else { Err(wrong) }
}

/// Lines that hold something, with their numbers.
fn lines(text: &str) -> Result<Vec<(usize, &str)>, Mistakes> {
    let found: Vec<_> = text.lines().enumerate().map(|(i, line)| (i + 1, line.trim())).filter(|(_, line)| !line.is_empty()).collect();
    if found.len() > ROWS_MAX {
        return Err(vec![(ROWS_MAX, format!("more than {ROWS_MAX} rows: sum them up to longer intervals"))]);
    }
    if found.is_empty() {
        return Err(vec![(1, "the file is empty: there is nothing to judge".to_owned())]);
    }
    Ok(found)
}

pub(crate) fn table(text: &str) -> Result<Table, Mistakes> {
    let lines = lines(text.trim_start_matches('\u{feff}'))?;
    if lines.first().is_some_and(|(_, first)| first.starts_with('{')) {
        return objects(&lines);
    }
    let (_, head) = lines.first().copied().unwrap_or_default();
    let separator = [',', '\t', ';'].into_iter().find(|s| head.contains(*s)).unwrap_or(',');
    let cells = |line: &str| -> Vec<String> { line.split(separator).map(|c| c.trim().trim_matches('"').to_owned()).collect() };
    let names = cells(head);
    let (mut rows, mut wrong) = (Vec::with_capacity(lines.len()), Mistakes::new());
    for (at, line) in lines.iter().skip(1) {
        let row = cells(line);
        if row.len() == names.len() {
            rows.push((*at, row));
        } else {
            wrong.push((*at, format!("{} cells, the first line has {}: mend that line", row.len(), names.len())));
        }
    }
    if wrong.is_empty() { Ok(Table { names, rows }) } else { Err(wrong) }
}

/// JSON lines: the names are those of the first one.
fn objects(lines: &[(usize, &str)]) -> Result<Table, Mistakes> {
    let (mut names, mut rows, mut wrong) = (vec![], Vec::with_capacity(lines.len()), Mistakes::new());
    for (at, line) in lines {
        let object: Map<String, Value> = match serde_json::from_str(line) {
            Ok(object) => object,
            Err(why) => {
                wrong.push((*at, format!("this is no JSON object: {why}")));
                continue;
            }
        };
        if names.is_empty() {
            names = object.keys().cloned().collect();
        }
        let cell = |name: &String| match object.get(name) {
            None | Some(Value::Null) => String::new(),
            Some(Value::String(text)) => text.clone(),
            Some(other) => other.to_string(),
        };
        rows.push((*at, names.iter().map(cell).collect()));
    }
    if wrong.is_empty() { Ok(Table { names, rows }) } else { Err(wrong) }
}

pub(crate) fn told(file: &str, mut mistakes: Mistakes) -> SamplesError {
    mistakes.sort();
    let more = mistakes.len().saturating_sub(MISTAKES_MAX);
    mistakes.truncate(MISTAKES_MAX);
    if let (Some((line, _)), true) = (mistakes.last().cloned(), more > 0) {
        mistakes.push((line, format!("and {more} more mistakes")));
    }
    SamplesError { file: file.to_owned(), mistakes }
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::expect;

    #[test]
    fn counts_are_read_under_the_names_that_people_use() {
        let row = |n1, s1, n0, s0| Interval { candidate: (n1, s1), control: (n0, s0) };
        let wide = "time,candidate_requests,candidate_errors,control_requests,control_errors\n00:00,10,1,90,2\n\n00:01,11,0,89.0,0\n";
        assert_eq!(counts("c.csv", wide).unwrap(), [row(10, 1, 90, 2), row(11, 0, 89, 0)]);
        let other = "stable.total;stable.failures;canary.total;canary.failures\n90;2;10;1\n";
        assert_eq!(counts("c.csv", other).unwrap(), [row(10, 1, 90, 2)]);
        let lines = "{\"a_n\": 5, \"a_bad\": 0, \"b_n\": 6, \"b_bad\": 1}\n";
        assert_eq!(counts("c.jsonl", lines).unwrap(), [row(6, 1, 5, 0)]);
    }

    #[test]
    fn every_mistake_is_told_with_its_line() {
        let all = [
            counts("c.csv", "").unwrap_err().to_string(),
            counts("c.csv", "candidate_requests,what\n1,2\n").unwrap_err().to_string(),
            counts("c.csv", "a_n,a_bad,b_n,b_bad\n1,2,3,4\nx,0,-1,1.5\n1,2\n").unwrap_err().to_string(),
            counts("c.csv", "a_n,a_bad,b_n,b_bad\n1,2,3,4\nx,0,-1,1.5\n").unwrap_err().to_string(),
            counts("c.csv", "{\"a_n\": 5}\n[1]\n").unwrap_err().to_string(),
            series("s.csv", "x,y\n1,2\n", None).unwrap_err().to_string(),
            series("s.csv", "x\n1\ntwo\n", None).unwrap_err().to_string(),
            series("s.csv", "1\n2\nthree\n", None).unwrap_err().to_string(),
            series("s.csv", "x\n1\n", Some("z")).unwrap_err().to_string(),
        ];
        expect![[r#"
            read c.csv:
              c.csv:1: the file is empty: there is nothing to judge
            read c.csv:
              c.csv:1: column `what` is not understood: wanted are candidate_requests, candidate_errors, control_requests and control_errors (or canary_total, stable_failures and the like), and perhaps time
              c.csv:1: the columns are candidate_requests, what: wanted are candidate_requests, candidate_errors, control_requests and control_errors (or canary_total, stable_failures and the like), and perhaps time
            read c.csv:
              c.csv:4: 2 cells, the first line has 4: mend that line
            read c.csv:
              c.csv:2: 4 failures of 3 requests of the candidate: there cannot be more of them
              c.csv:3: `-1` in `b_n` is not a count: write a whole number from 0
              c.csv:3: `1.5` in `b_bad` is not a count: write a whole number from 0
              c.csv:3: `x` in `a_n` is not a count: write a whole number from 0
            read c.csv:
              c.csv:2: this is no JSON object: invalid type: sequence, expected a map at line 1 column 0
            read s.csv:
              s.csv:1: which column is meant is not clear: name one of x, y with --column
            read s.csv:
              s.csv:3: `two` is not a number: leave the cell empty where a value is missing
            read s.csv:
              s.csv:3: `three` is not a number: leave the cell empty where a value is missing
            read s.csv:
              s.csv:1: there is no column `z`: name one of x with --column"#]].assert_eq(&all.join("\n"));
    }

    #[test]
    fn a_series_is_a_column_or_a_list() {
        let shown = |found: Result<Vec<f64>, SamplesError>| format!("{:?}", found.unwrap());
        assert_eq!(shown(series("s", "1\n2.5\nNaN\n1e3\n", None)), "[1.0, 2.5, NaN, 1000.0]");
        assert_eq!(shown(series("s", "time,p99\n0,1\n1,\n", None)), "[1.0, NaN]");
        assert_eq!(shown(series("s", "p50,p99\n1,2\n3,4\n", Some("p99"))), "[2.0, 4.0]");
        assert_eq!(shown(series("s", "{\"v\": 1}\n{\"v\": null}\n{}\n", None)), "[1.0, NaN, NaN]");
    }
}
