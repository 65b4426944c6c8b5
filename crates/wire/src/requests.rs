//! Single requests of two arms, as logs keep them: when, of which arm, how long, and whether it failed.
//!
//! A table with a header, or JSON lines. Times are seconds or milliseconds since the epoch, or RFC 3339.

use crate::samples::{ARMS, Mistakes, SamplesError, table, told};
use tidegate_core::id::At;

/// One request.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Request {
    /// When it came.
    pub at: At,
    /// Whether the candidate answered it; the control otherwise.
    pub candidate: bool,
    /// How long its answer took, in microseconds; none where it failed without one.
    pub latency_us: Option<f64>,
    /// Whether it failed; none where the file does not say.
    pub failed: Option<bool>,
}

const TIMES: &[&str] = &["time", "timestamp", "ts", "at"];
const ARM: &[&str] = &["arm", "group", "variant", "role"];
/// Names of a latency, each with the microseconds of its unit.
const LATENCIES: &[(&str, f64)] = &[
    ("latency_ms", 1e3),
    ("duration_ms", 1e3),
    ("ms", 1e3),
    ("latency_s", 1e6),
    ("duration_s", 1e6),
    ("seconds", 1e6),
    ("latency_us", 1.0),
    ("duration_us", 1.0),
    ("us", 1.0),
];
const FAILED: &[&str] = &["failed", "error"];
const STATUS: &[&str] = &["status", "code"];
const WANTED: &str = "wanted are time, arm (candidate or control) and latency_ms (or latency_s, latency_us), and perhaps failed or status";
/// Numbers from here on are milliseconds: as seconds they would lie beyond the year 5000.
const MILLISECONDS_FROM: f64 = 1e11;
/// And from here on microseconds.
const MILLISECONDS_TO: f64 = 1e14;

/// Reads requests, in the order of the file.
///
/// # Errors
/// With every mistake.
pub fn requests(file: &str, text: &str) -> Result<Vec<Request>, SamplesError> {
    let read = || {
        let table = table(text)?;
        let place = |words: &[&str]| table.names.iter().position(|name| words.contains(&name.to_lowercase().as_str()));
        let unit = |name: &String| LATENCIES.iter().find(|(word, _)| *word == name.to_lowercase()).map(|(_, unit)| *unit);
        let latency = table.names.iter().enumerate().find_map(|(at, name)| Some((at, unit(name)?)));
        let (Some(time), Some(arm), Some((latency, unit))) = (place(TIMES), place(ARM), latency) else {
            return Err(vec![(1, format!("the columns are {}: {WANTED}", table.names.join(", ")))]);
        };
        let (failed, status) = (place(FAILED), place(STATUS));
        let (mut found, mut wrong) = (Vec::with_capacity(table.rows.len()), Mistakes::new());
        for (line, cells) in &table.rows {
            let cell = |at: usize| cells.get(at).map_or("", String::as_str);
            let failed = failed.map(|at| flag(cell(at))).or_else(|| status.map(|at| server_error(cell(at)))).transpose();
            match (instant(cell(time)), is_candidate(cell(arm)), micros(cell(latency), unit), failed) {
                (Ok(at), Ok(candidate), Ok(latency_us), Ok(failed)) if latency_us.is_some() || failed == Some(true) => {
                    found.push(Request { at, candidate, latency_us, failed });
                }
                (Ok(_), Ok(_), Ok(_), Ok(_)) => {
                    wrong.push((*line, "it has no latency, and it did not fail: one of them is known".to_owned()))
                }
                (a, b, c, d) => wrong.extend([a.err(), b.err(), c.err(), d.err()].into_iter().flatten().map(|why| (*line, why))),
            }
        }
        if wrong.is_empty() { Ok(found) } else { Err(wrong) }
    };
    read().map_err(|wrong| told(file, wrong))
}

fn instant(cell: &str) -> Result<At, String> {
    if let Ok(number) = cell.parse::<f64>()
        && number.is_finite()
        && number >= 0.0
    {
        if number >= MILLISECONDS_TO {
            return Err(format!("`{cell}` is neither seconds nor milliseconds since 1970: micro- and nanoseconds are not read"));
        }
        let ms = if number < MILLISECONDS_FROM { number * 1e3 } else { number };
        #[expect(clippy::cast_possible_truncation, reason = "milliseconds, below 1e14")]
        return Ok(At(ms.round() as i64));
    }
    let parsed: Result<jiff::Timestamp, _> = cell.parse();
    parsed.map(|at| At(at.as_millisecond())).map_err(|_| format!("`{cell}` is no time: write seconds, or as 2026-01-15T10:30:00Z"))
}

fn is_candidate(cell: &str) -> Result<bool, String> {
    let lower = cell.to_lowercase();
    let arm = ARMS.iter().position(|words| words.contains(&lower.as_str()));
    arm.map(|arm| arm == 0).ok_or_else(|| format!("`{cell}` is no arm: write candidate or control"))
}

fn micros(cell: &str, unit: f64) -> Result<Option<f64>, String> {
    if cell.is_empty() {
        return Ok(None);
    }
    let number = cell.parse::<f64>().ok().filter(|n| n.is_finite() && *n >= 0.0);
    number.map(|n| Some(n * unit)).ok_or_else(|| format!("`{cell}` is no latency: write a number from 0"))
}

fn flag(cell: &str) -> Result<bool, String> {
    match cell.to_lowercase().as_str() {
        "true" | "1" | "yes" => Ok(true),
        "false" | "0" | "no" | "" => Ok(false),
        _ => Err(format!("`{cell}` is neither true nor false")),
    }
}

fn server_error(cell: &str) -> Result<bool, String> {
    cell.parse::<u16>().map(|code| code >= 500).map_err(|_| format!("`{cell}` is no status of HTTP"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::expect;

    #[test]
    fn logs_are_read_with_their_units_and_times() {
        let csv = "ts,variant,duration_s,status\n1768473000,canary,0.25,200\n2026-01-15T10:30:01Z,stable,,503\n1768473002000,b,1e-3,404\n";
        let told: Vec<String> = requests("log.csv", csv).unwrap().iter().map(|r| format!("{r:?}")).collect();
        expect![[r#"
            Request { at: At(1768473000000), candidate: true, latency_us: Some(250000.0), failed: Some(false) }
            Request { at: At(1768473001000), candidate: false, latency_us: None, failed: Some(true) }
            Request { at: At(1768473002000), candidate: true, latency_us: Some(1000.0), failed: Some(false) }"#]]
        .assert_eq(&told.join("\n"));
        let json = "{\"time\": 5, \"arm\": \"control\", \"latency_ms\": 2.5}\n{\"time\": 6, \"arm\": \"candidate\", \"latency_ms\": 3}\n";
        let read = requests("log.jsonl", json).unwrap();
        assert_eq!((read[0].latency_us, read[0].failed, read[1].candidate), (Some(2_500.0), None, true));
    }

    #[test]
    fn mistakes_are_named_with_their_lines() {
        let csv = "time,arm,latency_ms,failed\nx,canary,1,no\n1,who,1,no\n1,canary,-1,maybe\n1,canary,,no\n1,canary,NaN,1\n1768473000000000,canary,1,1\n";
        expect![[r#"
            read log.csv:
              log.csv:2: `x` is no time: write seconds, or as 2026-01-15T10:30:00Z
              log.csv:3: `who` is no arm: write candidate or control
              log.csv:4: `-1` is no latency: write a number from 0
              log.csv:4: `maybe` is neither true nor false
              log.csv:5: it has no latency, and it did not fail: one of them is known
              log.csv:6: `NaN` is no latency: write a number from 0
              log.csv:7: `1768473000000000` is neither seconds nor milliseconds since 1970: micro- and nanoseconds are not read"#]]
        .assert_eq(&requests("log.csv", csv).unwrap_err().to_string());
        assert!(requests("log.csv", "time,ms\n1,2\n").unwrap_err().to_string().contains("the columns are time, ms: wanted are time, arm"));
    }
}
