//! Labels of two arms: summed up in batches, or one by one with the id of the request that each belongs to.

use crate::samples::{ARMS, Mistakes, SamplesError, Table, table, told, whole};
use std::collections::HashMap;
use tidegate_core::judge::{Batch, Moments};

const COUNT: &[&str] = &["n", "count", "labels", "total", "requests"];
const HITS: &[&str] = &["hits", "errors", "wrong", "failures", "failed", "bad"];
const MEAN: &[&str] = &["mean", "average"];
const DEVIATION: &[&str] = &["sd", "std", "stdev", "deviation"];
const WANTED: &str = "wanted are candidate_n, candidate_hits, control_n and control_hits, or candidate_n, candidate_mean, candidate_sd and the same of control";

/// Batches, and whether they hold shares (labels that are 0 or 1).
#[derive(Clone, Debug, PartialEq)]
pub struct Batches {
    /// In the order of the file.
    pub batches: Vec<Batch>,
    /// Whether the labels are 0 or 1.
    pub shares: bool,
}

/// Reads batches: one a row, as counts and hits, or as counts, means and standard deviations.
///
/// # Errors
/// With every mistake.
pub fn batches(file: &str, text: &str) -> Result<Batches, SamplesError> {
    let read = || {
        let table = table(text)?;
        let place = |arm: usize, words: &[&str]| {
            table.names.iter().position(|name| {
                let lower = name.to_lowercase();
                let parts = lower.split_once(['_', '.', ' ', '-']);
                parts.is_some_and(|(of, what)| ARMS[arm].contains(&of) && words.contains(&what))
            })
        };
        let both = |words| Some([place(0, words)?, place(1, words)?]);
        let Some(n) = both(COUNT) else { return Err(missing(&table)) };
        let (hits, means, deviations) = (both(HITS), both(MEAN), both(DEVIATION));
        let (mut found, mut wrong) = (Vec::with_capacity(table.rows.len()), Mistakes::new());
        for (line, cells) in &table.rows {
            let cell = |at: usize| (cells.get(at).map_or("", String::as_str), table.names.get(at).map_or("", String::as_str));
            let count = |at: usize| whole(cell(at).0, cell(at).1);
            let arm = |i: usize| match (hits, means.zip(deviations)) {
                (Some(hits), None) => share(count(n[i])?, count(hits[i])?),
                (None, Some((means, deviations))) => of_mean(count(n[i])?, number(cell(means[i]))?, number(cell(deviations[i]))?),
                _ => Err("give hits, or means with standard deviations, and not both".to_owned()),
            };
            match (arm(0), arm(1)) {
                (Ok(candidate), Ok(control)) => found.push(Batch { candidate, control }),
                (a, b) => wrong.extend([a, b].into_iter().filter_map(Result::err).map(|why| (*line, why))),
            }
        }
        if hits.is_none() && means.zip(deviations).is_none() {
            return Err(missing(&table));
        }
        if wrong.is_empty() { Ok(Batches { batches: found, shares: hits.is_some() }) } else { Err(wrong) }
    };
    read().map_err(|wrong| told(file, wrong))
}

fn missing(table: &Table) -> Mistakes {
    vec![(1, format!("the columns are {}: {WANTED}", table.names.join(", ")))]
}

fn share(n: u64, hits: u64) -> Result<Moments, String> {
    if hits > n { Err(format!("{hits} hits among {n} labels: there cannot be more of them")) } else { Ok(Moments::of_share(n, hits)) }
}

fn of_mean(n: u64, mean: f64, sd: f64) -> Result<Moments, String> {
    if sd < 0.0 {
        return Err(format!("a standard deviation of {sd}: it is at least 0"));
    }
    Ok(Moments { n, mean, squares: (n as f64 - 1.0).max(0.0) * sd * sd })
}

fn number((cell, name): (&str, &str)) -> Result<f64, String> {
    cell.parse().ok().filter(|x: &f64| x.is_finite()).ok_or_else(|| format!("`{cell}` in `{name}` is not a number"))
}

/// Labels that were joined to the requests they belong to.
#[derive(Clone, Debug, PartialEq)]
pub struct Joined {
    /// Batches of labels in the order of their arrival.
    pub batches: Vec<Batch>,
    /// Whether every label is 0 or 1.
    pub shares: bool,
    /// Requests that have no label (yet): candidate, control.
    pub waiting: (u64, u64),
    /// Labels whose request no arm has served.
    pub strangers: u64,
    /// Labels of a request that had one: the first counts.
    pub repeated: u64,
}

/// Joins labels (`id`, `label`, in the order of arrival) to what was served (`id`, `arm`), and cuts them into batches of `every`
/// labels.
///
/// # Errors
/// With every mistake of the first file that has one.
pub fn joined(served: (&str, &str), labels: (&str, &str), every: usize) -> Result<Joined, SamplesError> {
    let mut arms = arms_by_id(served.1).map_err(|wrong| told(served.0, wrong))?;
    let mut read = || {
        let table = table(labels.1)?;
        let [id, label] = columns(&table, [ID, LABEL])?;
        let mut result = Joined { batches: vec![], shares: true, waiting: (0, 0), strangers: 0, repeated: 0 };
        let (mut open, mut wrong) = (Batch::default(), Mistakes::new());
        for (line, cells) in &table.rows {
            let value = match value_of(cells.get(label).map_or("", String::as_str)) {
                Ok(value) => value,
                Err(why) => {
                    wrong.push((*line, why));
                    continue;
                }
            };
            let (arm, seen) = match cells.get(id).and_then(|id| arms.get_mut(id.as_str())) {
                None => {
                    result.strangers += 1;
                    continue;
                }
                Some((_, true)) => {
                    result.repeated += 1;
                    continue;
                }
                Some((arm, seen)) => (if *arm == 0 { &mut open.candidate } else { &mut open.control }, seen),
            };
            *seen = true;
            result.shares &= value == 0.0 || value == 1.0;
            *arm = arm.with(value);
            if open.candidate.n + open.control.n >= every.max(1) as u64 {
                result.batches.push(std::mem::take(&mut open));
            }
        }
        if !wrong.is_empty() {
            return Err(wrong);
        }
        if open != Batch::default() {
            result.batches.push(open);
        }
        let waiting = |wanted: usize| arms.values().filter(|(arm, seen)| *arm == wanted && !seen).count() as u64;
        result.waiting = (waiting(0), waiting(1));
        Ok(result)
    };
    read().map_err(|wrong| told(labels.0, wrong))
}

const ID: &[&str] = &["id", "request_id", "request", "prediction_id"];
const ARM: &[&str] = &["arm", "role", "variant", "version", "group"];
const LABEL: &[&str] = &["label", "value", "outcome", "truth", "wrong"];

/// The arm of each request (0 candidate, 1 control), and whether it has a label.
fn arms_by_id(text: &str) -> Result<HashMap<String, (usize, bool)>, Mistakes> {
    let table = table(text)?;
    let [id, arm] = columns(&table, [ID, ARM])?;
    let (mut found, mut wrong) = (HashMap::with_capacity(table.rows.len()), Mistakes::new());
    for (line, cells) in &table.rows {
        let cell = |at: usize| cells.get(at).cloned().unwrap_or_default();
        let word = cell(arm).to_lowercase();
        match ARMS.iter().position(|words| words.contains(&word.as_str())) {
            Some(arm) => match found.insert(cell(id), (arm, false)) {
                Some((other, _)) if other != arm => wrong.push((*line, format!("request `{}` was served by both arms", cell(id)))),
                _ => {}
            },
            None => {
                wrong.push((*line, format!("arm `{word}` is not understood: write candidate or control (or canary, stable and the like)")))
            }
        }
    }
    if wrong.is_empty() { Ok(found) } else { Err(wrong) }
}

fn columns<const N: usize>(table: &Table, wanted: [&[&str]; N]) -> Result<[usize; N], Mistakes> {
    let mut places = [0; N];
    for (place, words) in places.iter_mut().zip(wanted) {
        let Some(at) = table.names.iter().position(|name| words.contains(&name.to_lowercase().as_str())) else {
            let names = words.join(", ");
            return Err(vec![(1, format!("the columns are {}: one of them must be named one of {names}", table.names.join(", ")))]);
        };
        *place = at;
    }
    Ok(places)
}

fn value_of(cell: &str) -> Result<f64, String> {
    match cell.to_lowercase().as_str() {
        "true" | "yes" => Ok(1.0),
        "false" | "no" => Ok(0.0),
        other => {
            other.parse().ok().filter(|x: &f64| x.is_finite()).ok_or_else(|| format!("`{cell}` is no label: write a number, true or false"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batches_are_counts_or_means() {
        let shares = batches("b.csv", "week,candidate_n,candidate_hits,control_n,control_hits\n1,100,3,200,4\n").unwrap();
        assert!(shares.shares);
        assert_eq!(shares.batches, [Batch { candidate: Moments::of_share(100, 3), control: Moments::of_share(200, 4) }]);
        let means = batches("b.csv", "a_n,a_mean,a_sd,b_n,b_mean,b_sd\n5,2,1,3,4,0.5\n").unwrap();
        assert!(!means.shares);
        assert_eq!(means.batches[0].control, Moments { n: 5, mean: 2.0, squares: 4.0 });
        for (text, why) in [
            ("candidate_n,candidate_hits\n1,1\n", "wanted are candidate_n"),
            ("a_n,b_n\n1,1\n", "wanted are candidate_n"),
            ("a_n,b_n,a_hits,b_hits\n1,1,2,0\n", "2 hits among 1 labels"),
            ("a_n,b_n,a_mean,b_mean,a_sd,b_sd\n1,1,2,0,-1,x\n", "a standard deviation of -1"),
            ("", "the file is empty"),
        ] {
            let error = batches("b.csv", text).unwrap_err().to_string();
            assert!(error.contains(why), "{error}");
        }
    }

    #[test]
    fn labels_find_their_requests_in_the_order_in_which_they_come() {
        let served = "id,arm\nr1,candidate\nr2,control\nr3,canary\nr4,stable\nr5,control\n";
        let labels = "request_id,label\nr2,0\nr1,1\nr9,1\nr3,true\nr1,0\nr4,no\n";
        let found = joined(("s.csv", served), ("l.csv", labels), 2).unwrap();
        let batch = |candidate: (u64, u64), control: (u64, u64)| Batch {
            candidate: Moments::of_share(candidate.0, candidate.1),
            control: Moments::of_share(control.0, control.1),
        };
        assert_eq!(found.batches, [batch((1, 1), (1, 0)), batch((1, 1), (1, 0))]);
        assert_eq!((found.waiting, found.strangers, found.repeated, found.shares), ((0, 1), 1, 1, true));
        let two = joined(("s.csv", "id,arm\nr1,candidate\nr1,control\n"), ("l.csv", labels), 2).unwrap_err();
        assert!(two.to_string().contains("s.csv:3: request `r1` was served by both arms"), "{two}");
        let odd = joined(("s.csv", served), ("l.csv", "id,label\nr1,late\n"), 2).unwrap_err();
        assert!(odd.to_string().contains("l.csv:2: `late` is no label"), "{odd}");
        assert!(!joined(("s.csv", served), ("l.csv", "id,label\nr1,2.5\n"), 2).unwrap().shares);
    }
}
