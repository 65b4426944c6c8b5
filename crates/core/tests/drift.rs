//! Scores, verdicts and measures held against the real Evidently, SciPy and Fairlearn. Needs a Python that has them,
//! named by `TIDEGATE_TEST_EVIDENTLY`.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

use serde_json::{Value, json};
use std::io::Write as _;
use std::process::{Command, Stdio};
use tidegate_core::drift::{Categories, Field, Method, Numbers, choose, fairness, score};
use tidegate_stats::rng::Rng;

/// How far two ways to the same number may differ.
const TOLERANCE: f64 = 1e-9;

/// The interpreter, or a line that says that this is skipped.
fn python() -> Option<std::ffi::OsString> {
    let found = std::env::var_os("TIDEGATE_TEST_EVIDENTLY");
    if found.is_none() {
        let line = "SKIPPED: comparison with Evidently: set TIDEGATE_TEST_EVIDENTLY to a Python with evidently 0.7 and fairlearn\n";
        let _ = std::io::stderr().write_all(line.as_bytes());
    }
    found
}

fn ask(python: &std::ffi::OsStr, question: &Value) -> Value {
    let mut child = Command::new(python)
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/drift/peer.py"))
        .env("DO_NOT_TRACK", "1")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = child.stdin.take().unwrap();
    let text = question.to_string();
    let writer = std::thread::spawn(move || input.write_all(text.as_bytes()));
    let output = child.wait_with_output().unwrap();
    let _ = writer.join();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

#[derive(Clone)]
enum Column {
    Numbers(Vec<Option<f64>>, bool),
    Texts(Vec<Option<String>>),
}

impl Column {
    fn json(&self) -> Value {
        match self {
            Column::Numbers(values, whole) => json!({ "type": "numbers", "values": values, "whole": whole }),
            Column::Texts(values) => json!({ "type": "texts", "values": values }),
        }
    }

    fn field(&self) -> Field {
        match self {
            Column::Numbers(values, whole) => {
                Field::Numbers(Numbers::of(&values.iter().map(|v| v.unwrap_or(f64::NAN)).collect::<Vec<_>>(), *whole))
            }
            Column::Texts(values) => Field::Categories(Categories::of(values.iter().map(Option::as_deref))),
        }
    }
}

/// A column of one of many shapes: smooth, tied, few values, skewed, with nulls, letters.
fn column(rng: &mut Rng, shape: u64, rows: usize, shift: f64) -> Column {
    let floats = |f: &mut dyn FnMut() -> f64| Column::Numbers((0..rows).map(|_| Some(f())).collect(), false);
    let whole = |f: &mut dyn FnMut() -> u64| Column::Numbers((0..rows).map(|_| Some(f() as f64)).collect(), true);
    match shape {
        0 => floats(&mut || rng.normal() + shift),
        1 => floats(&mut || rng.exponential(2.0 + shift)),
        2 => floats(&mut || ((rng.normal() + shift) * 4.0).round() / 4.0),
        3 => whole(&mut || rng.below(40) + (shift * 3.0) as u64),
        4 => whole(&mut || rng.below(400) + (shift * 30.0) as u64),
        5 => whole(&mut || rng.below(4 + shift as u64)),
        6 => whole(&mut || u64::from(rng.chance(0.3 + 0.2 * shift))),
        7 => Column::Numbers((0..rows).map(|_| (!rng.chance(0.1)).then(|| rng.normal() * (1.0 + shift))).collect(), false),
        8 => Column::Texts((0..rows).map(|_| (!rng.chance(0.05)).then(|| format!("c{}", rng.below(6 + (2.0 * shift) as u64)))).collect()),
        9 => Column::Texts((0..rows).map(|_| Some(if rng.chance(0.4 + 0.1 * shift) { "yes" } else { "no" }.to_owned())).collect()),
        10 => floats(&mut || rng.uniform() * 1e-3 + 5.0),
        _ => Column::Texts((0..rows).map(|_| Some("always".to_owned())).collect()),
    }
}

const SHAPES: u64 = 12;

fn methods(field: &Field) -> Vec<Method> {
    let suits = |m: &Method| match field {
        Field::Numbers(_) => m.suits_numbers(),
        Field::Categories(_) => m.suits_categories(),
    };
    // Evidently has no L-infinity, and a permutation's p-value where ours is the distance.
    Method::all().filter(suits).filter(|m| !matches!(m, Method::LInfinity | Method::TotalVariation)).collect()
}

#[derive(Default)]
struct Tally {
    compared: u32,
    undefined: u32,
    wrong: Vec<String>,
}

impl Tally {
    fn judge(&mut self, what: &str, ours: Option<f64>, method: Method, theirs: &Value) {
        let Some(expected) = theirs["score"].as_f64() else {
            self.undefined += 1;
            return;
        };
        // Of five values and fewer SciPy inverts a covariance that is singular but for rounding; ours is then not defined.
        if method == Method::EppsSingleton && ours.is_none() {
            self.undefined += 1;
            return;
        }
        self.compared += 1;
        let bar = theirs["threshold"].as_f64().unwrap();
        let near = |ours: f64| {
            // A root of a difference near nothing loses half its digits, in both: its square is what was computed.
            let rooted =
                matches!(method, Method::Hellinger | Method::JensenShannon) && (ours * ours - expected * expected).abs() < TOLERANCE * 1e-4;
            (ours - expected).abs() <= TOLERANCE * expected.abs().max(1.0) || rooted
        };
        let fine =
            ours.is_some_and(|o| near(o) && method.drifted(o, bar) == theirs["drifted"].as_bool().unwrap()) && bar == method.threshold();
        if !fine {
            self.wrong.push(format!("{what}: {} is {ours:?}, expected {theirs}", method.name()));
        }
    }
}

#[test]
fn scores_and_verdicts_are_those_of_evidently_and_scipy() {
    let Some(python) = python() else { return };
    let mut rng = Rng::new(20_261_121);
    let mut cases = Vec::new();
    for round in 0..60u64 {
        for shape in 0..SHAPES {
            let sizes: &[usize] = if round % 12 == 11 { &[1_500, 3_000] } else { &[8, 15, 30, 200, 333, 700] };
            let mut size = || sizes[rng.below(sizes.len() as u64) as usize];
            let (n, m) = (size(), if round % 3 == 0 { 0 } else { size() });
            let m = if m == 0 { n } else { m };
            let shift = [0.0, 0.1, 0.5, 2.0][rng.below(4) as usize];
            cases.push((
                format!("round {round}, shape {shape}, {n} and {m} values, shift {shift}"),
                column(&mut rng, shape, n, 0.0),
                column(&mut rng, shape, m, shift),
            ));
        }
    }
    // Beyond 10,000 values the law of the largest distance is another one.
    for (n, m, shift) in
        [(12_000, 300, 0.0), (12_000, 300, 0.2), (30_000, 20_000, 0.01), (30_000, 20_000, 0.03), (11_000, 90, 0.05), (20_000, 11_000, 0.0)]
    {
        cases.push((format!("large, {n} and {m}"), column(&mut rng, 0, n, 0.0), column(&mut rng, 0, m, shift)));
    }
    let asked: Vec<Value> = cases
        .iter()
        .map(|(_, a, b)| {
            let names: Vec<&str> = methods(&a.field()).into_iter().map(Method::name).chain(["default"]).collect();
            json!({ "reference": a.json(), "current": b.json(), "methods": names })
        })
        .collect();
    let answer = ask(&python, &json!({ "drift": asked, "fairness": [] }));
    let mut tally = Tally::default();
    for ((what, a, b), theirs) in cases.iter().zip(answer["drift"].as_array().unwrap()) {
        let (a, b) = (a.field(), b.field());
        for method in methods(&a) {
            tally.judge(what, score(method, &a, &b), method, &theirs[method.name()]);
        }
        let chosen = choose(&a, &b).unwrap();
        assert_eq!(theirs["default"]["name"], chosen.name(), "{what}");
        assert_eq!(theirs["default"]["label"], chosen.label(), "{what}");
        tally.judge(what, score(chosen, &a, &b), chosen, &theirs["default"]);
    }
    assert!(tally.compared > 5_000, "{} were compared, {} are not defined there", tally.compared, tally.undefined);
    let wrong = tally.wrong.len();
    assert_eq!(wrong, 0, "of {}:\n{}", tally.compared, tally.wrong.into_iter().take(40).collect::<Vec<_>>().join("\n"));
}

#[test]
fn fairness_is_that_of_fairlearn() {
    let Some(python) = python() else { return };
    let mut rng = Rng::new(7);
    let cases: Vec<(Vec<String>, Vec<bool>, Vec<bool>)> = (0..40)
        .map(|i| {
            let rows = 200 + i * 10;
            let groups: Vec<String> = (0..rows).map(|_| format!("g{}", rng.below(2 + i as u64 % 4))).collect();
            let labels: Vec<bool> = (0..rows).map(|_| rng.chance(0.4)).collect();
            let decisions = labels
                .iter()
                .zip(&groups)
                .map(|(l, g)| rng.chance(if *l { 0.7 } else { 0.2 } + if g == "g0" { 0.1 } else { 0.0 }))
                .collect();
            (groups, labels, decisions)
        })
        .collect();
    let asked: Vec<Value> = cases.iter().map(|(g, l, d)| json!({ "groups": g, "labels": l, "decisions": d })).collect();
    let answer = ask(&python, &json!({ "drift": [], "fairness": asked }));
    for ((groups, labels, decisions), theirs) in cases.iter().zip(answer["fairness"].as_array().unwrap()) {
        let ours = serde_json::to_value(fairness(groups, Some(labels), decisions, 1)).unwrap();
        for (name, expected) in theirs.as_object().unwrap() {
            let (ours, expected) = (ours[name].as_f64().unwrap(), expected.as_f64().unwrap());
            assert!((ours - expected).abs() < TOLERANCE, "{name}: {ours} against {expected}");
        }
    }
}
