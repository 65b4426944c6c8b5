//! Gathers a report: checks, values of the pipeline's files now and at the base, gates, drift, findings of other tools.
//!
//! What cannot be gathered is said in the report; it is never left out in silence.

use super::check;
use crate::exit::{self, failure};
use crate::workspace::{Opened, read_text};
use anyhow::{Context as _, Result};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use tidegate_core::gate::{GateOutcome, GateReport};
use tidegate_wire::config::Pipeline;
use tidegate_wire::dvc::parse_params;
use tidegate_wire::report::{Change, DataPart, MetricChange, POINTS_MAX, Plot, Report};
use tidegate_wire::{sarif, yaml};

/// Where the parts come from.
pub struct Sources<'a> {
    /// The base's revision.
    pub base: Option<&'a str>,
    /// Files of gates.
    pub gates: &'a [PathBuf],
    /// A file of drift.
    pub drift: Option<&'a Path>,
    /// Files of findings.
    pub sarif: &'a [PathBuf],
}

/// What the pipeline declares, by kind.
#[derive(Default)]
struct Declared {
    metrics: Vec<String>,
    params: Vec<String>,
    plots: Vec<(String, Value)>,
}

/// Gathers it.
///
/// # Errors
/// When a named file cannot be read, or the base does not exist.
pub fn gather(opened: &Opened, dir: &Path, sources: &Sources<'_>) -> Result<Report> {
    let root = &opened.places.root;
    let mut report = Report { workspace: opened.config.name.clone(), ..Report::default() };
    report.revision = git(root, &["rev-parse", "HEAD"]).map_or_else(|| "no commit".to_owned(), |r| r.trim().to_owned());
    if git(root, &["status", "--porcelain"]).is_some_and(|s| !s.trim().is_empty()) {
        report.revision.push_str(" with changes");
    }
    if let Some(base) = sources.base {
        let commit = git(root, &["rev-parse", "--verify", "--quiet", &format!("{base}^{{commit}}")]);
        let commit =
            commit.ok_or_else(|| failure(exit::NOT_FOUND, format!("report: the repository has no revision `{base}`: fetch it first")))?;
        report.base = Some(commit.trim().to_owned());
    }
    data(opened, &mut report)?;
    let declared = declared(opened, &mut report);
    let base = report.base.clone();
    let past = |file: &str| base.as_ref().and_then(|rev| at_revision(root, rev, file));
    values(root, &declared, &past, &mut report);
    plots(root, &declared, &past, &mut report);
    for file in sources.gates {
        report.gates.extend(gates(&dir.join(file))?);
    }
    intervals(&mut report);
    if let Some(file) = sources.drift {
        report.drift = drift(&dir.join(file))?;
    }
    for file in sources.sarif {
        let text = read_text(&dir.join(file))?;
        report.findings.extend(sarif::read(&text).map_err(|e| failure(exit::USAGE, format!("read findings in {}: {e}", file.display())))?);
    }
    report.findings.sort_by_key(|f| std::cmp::Reverse(f.level));
    Ok(report)
}

fn git(root: &Path, args: &[&str]) -> Option<String> {
    let output = Command::new("git").arg("-C").arg(root).args(args).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
}

/// A file as it was: committed, or in the cache by the digest that the lock of then names.
fn at_revision(root: &Path, revision: &str, file: &str) -> Option<String> {
    let show = |path: &str| git(root, &["show", &format!("{revision}:./{path}")]);
    if let Some(text) = show(file) {
        return Some(text);
    }
    let lock = yaml::parse(&show("dvc.lock")?).ok()?.to_json();
    let outs = lock["stages"].as_object()?.values().flat_map(|s| s["outs"].as_array().into_iter().flatten());
    let digest = outs.into_iter().find(|o| o["path"] == file)?["md5"].as_str()?.to_owned();
    let (head, rest) = digest.split_at_checked(2)?;
    std::fs::read_to_string(root.join(".dvc/cache/files/md5").join(head).join(rest)).ok()
}

fn data(opened: &Opened, report: &mut Report) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().context("start the runtime")?;
    for (name, dataset) in &opened.config.data {
        let Some(file) = &dataset.contract else { continue };
        match runtime.block_on(check::check(&opened.places.root, dataset, file, &check::Asked::default())) {
            Ok(found) => report.data.push(DataPart::of(name, &found)),
            Err(error) => {
                let why = format!("the check of dataset `{name}`: {error:#}");
                report.data.push(DataPart {
                    name: name.clone(),
                    passed: false,
                    expectations: (0, 0),
                    rows: 0,
                    failed: vec![why],
                    vacuous: vec![],
                });
            }
        }
    }
    Ok(())
}

/// Files that the pipeline's file declares, at any stage and beside them.
fn declared(opened: &Opened, report: &mut Report) -> Declared {
    let mut found = Declared::default();
    let node = match &opened.config.pipeline {
        None => return found,
        Some(Pipeline::Inline(node)) => node.to_json(),
        Some(Pipeline::File(file)) => {
            let read = read_text(&opened.places.root.join(file)).and_then(|text| Ok(yaml::parse(&text)?));
            match read {
                Ok(node) => node.to_json(),
                Err(error) => {
                    report.missing.push(format!("metrics, parameters and plots: read {file}: {error:#}"));
                    return found;
                }
            }
        }
    };
    take(&node, "", &mut found, report);
    for (name, stage) in node["stages"].as_object().into_iter().flatten() {
        let body = if stage["do"].is_object() { &stage["do"] } else { stage };
        let wdir = body["wdir"].as_str().unwrap_or("").to_owned();
        take(body, &wdir, &mut found, report);
        if body["params"].as_array().into_iter().flatten().any(Value::is_string) && !found.params.contains(&join(&wdir, "params.yaml")) {
            found.params.push(join(&wdir, "params.yaml"));
        }
        if wdir.contains("${") {
            report.missing.push(format!("files of stage `{name}`: its folder is worked out when it runs"));
        }
    }
    for list in [&mut found.metrics, &mut found.params] {
        let mut seen = std::collections::BTreeSet::new();
        list.retain(|f| seen.insert(f.clone()));
    }
    found
}

fn join(wdir: &str, path: &str) -> String {
    if wdir.is_empty() || wdir == "." { path.to_owned() } else { format!("{}/{path}", wdir.trim_end_matches('/')) }
}

/// Entries of one place: each a path, or a mapping from a path to its settings.
fn take(node: &Value, wdir: &str, found: &mut Declared, report: &mut Report) {
    let entries = |key: &str| -> Vec<(String, Value)> {
        let of = |v: &Value| match v {
            Value::String(path) => vec![(path.clone(), Value::Null)],
            Value::Object(map) => map.iter().map(|(k, v)| (k.clone(), v.clone())).collect(),
            _ => vec![],
        };
        match &node[key] {
            Value::Array(items) => items.iter().flat_map(of).collect(),
            Value::Object(map) => map.iter().map(|(k, v)| (k.clone(), v.clone())).collect(),
            _ => vec![],
        }
    };
    let mut paths = |key: &str| -> Vec<(String, Value)> {
        let (plain, worked): (Vec<_>, Vec<_>) = entries(key).into_iter().partition(|(p, _)| !p.contains("${"));
        report.missing.extend(worked.iter().map(|(p, _)| format!("{key} in `{p}`: its name is worked out when the stage runs")));
        plain.into_iter().map(|(p, v)| (join(wdir, &p), v)).collect()
    };
    found.metrics.extend(paths("metrics").into_iter().map(|p| p.0));
    // A list of parameters names keys of params.yaml, a mapping the file.
    let of_file = |(p, v): (String, Value)| {
        (v.is_array() || v.is_null()).then_some(p).filter(|p| p.contains('.') && Path::new(p).extension().is_some())
    };
    let named: Vec<String> = paths("params").into_iter().filter(|(_, v)| v.is_array()).filter_map(of_file).collect();
    found.params.extend(named);
    found.plots.extend(paths("plots"));
}

/// Values by dotted name.
fn flat(value: &Value, under: &str, found: &mut BTreeMap<String, Value>) {
    match value {
        Value::Object(map) => {
            for (key, value) in map {
                flat(value, &if under.is_empty() { key.clone() } else { format!("{under}.{key}") }, found);
            }
        }
        other => drop(found.insert(under.to_owned(), other.clone())),
    }
}

fn read_values(file: &str, text: Option<String>) -> Result<BTreeMap<String, Value>, String> {
    let mut found = BTreeMap::new();
    if let Some(text) = text {
        flat(&parse_params(file, &text).map_err(|e| e.to_string())?, "", &mut found);
    }
    Ok(found)
}

/// What is in a file now and was at the base, all that differs or all.
fn changes(root: &Path, file: &str, past: &dyn Fn(&str) -> Option<String>, report: &mut Report) -> Vec<Change> {
    let now = std::fs::read_to_string(root.join(file)).ok();
    if now.is_none() {
        report.missing.push(format!("{file} now: there is no such file: run the pipeline"));
    }
    let before = past(file);
    if report.base.is_some() && before.is_none() {
        report.missing.push(format!("{file} at the base: it is neither committed nor in the cache"));
    }
    let (now, before) = match (read_values(file, now), read_values(file, before)) {
        (Ok(now), Ok(before)) => (now, before),
        (Err(why), _) | (_, Err(why)) => {
            report.missing.push(format!("values of {file}: {why}"));
            return vec![];
        }
    };
    let keys: std::collections::BTreeSet<&String> = now.keys().chain(before.keys()).collect();
    let change =
        |key: &String| Change { file: file.to_owned(), key: key.clone(), old: before.get(key).cloned(), new: now.get(key).cloned() };
    keys.into_iter().map(change).collect()
}

fn values(root: &Path, declared: &Declared, past: &dyn Fn(&str) -> Option<String>, report: &mut Report) {
    for file in &declared.metrics {
        for change in changes(root, file, past, report) {
            let number = |v: &Option<Value>| v.as_ref().and_then(Value::as_f64);
            let difference = number(&change.new).zip(number(&change.old)).map(|(new, old)| new - old);
            report.metrics.push(MetricChange { change, difference, interval: None });
        }
    }
    for file in &declared.params {
        let with_base = report.base.is_some();
        let changes = changes(root, file, past, report);
        report.params.extend(changes.into_iter().filter(|c| !with_base || c.old != c.new));
    }
}

/// A gate that estimated a metric knows its interval.
fn intervals(report: &mut Report) {
    for gate in &report.gates {
        let (Some(interval), Some(value)) = (gate.interval, gate.value) else { continue };
        for metric in &mut report.metrics {
            if metric.change.new.as_ref().and_then(Value::as_f64) == Some(value) && interval.0 <= value && value <= interval.1 {
                metric.interval = Some(interval);
            }
        }
    }
}

fn gates(file: &Path) -> Result<Vec<GateOutcome>> {
    let wrong =
        |e: serde_json::Error| failure(exit::USAGE, format!("read gates in {}: {e}: write it with `tidegate gate --json`", file.display()));
    let value: Value = serde_json::from_str(&read_text(file)?).map_err(wrong)?;
    Ok(serde_json::from_value::<GateReport>(value["gates"].clone()).map_err(wrong)?.outcomes)
}

fn drift(file: &Path) -> Result<Vec<String>> {
    let wrong = |e: serde_json::Error| {
        failure(exit::USAGE, format!("read drift in {}: {e}: write it with `tidegate drift --json`", file.display()))
    };
    let found: tidegate_core::drift::Report = serde_json::from_str(&read_text(file)?).map_err(wrong)?;
    let (drifted, judged) = found.drifted;
    let head = format!("{drifted} of {judged} judged columns drifted");
    let of =
        found.columns.iter().filter(|c| c.verdict != tidegate_core::drift::Verdict::Steady).map(|c| format!("{}: {}", c.column, c.why));
    Ok(std::iter::once(head).chain(of).collect())
}

/// Lines of plots in CSV, TSV and JSON files; pictures are named as left out.
fn plots(root: &Path, declared: &Declared, past: &dyn Fn(&str) -> Option<String>, report: &mut Report) {
    for (file, settings) in &declared.plots {
        let read = |text: Option<String>| text.and_then(|t| points(file, &t, settings));
        let now = read(std::fs::read_to_string(root.join(file)).ok());
        let Some((x, y, current)) = now else {
            report.missing.push(format!("plot {file}: no columns of numbers could be read"));
            continue;
        };
        let base = read(past(file)).map_or(vec![], |p| p.2);
        report.plots.push(Plot { title: file.clone(), x, y, base, current });
    }
}

type Points = (String, String, Vec<(f64, f64)>);

fn points(file: &str, text: &str, settings: &Value) -> Option<Points> {
    let rows: Vec<BTreeMap<String, f64>> = match Path::new(file).extension()?.to_str()? {
        kind @ ("csv" | "tsv") => {
            let split = if kind == "csv" { ',' } else { '\t' };
            let mut lines = text.lines();
            let heads: Vec<String> = lines.next()?.split(split).map(|h| h.trim().trim_matches('"').to_owned()).collect();
            let row =
                |line: &str| heads.iter().cloned().zip(line.split(split)).filter_map(|(h, v)| Some((h, v.trim().parse().ok()?))).collect();
            lines.filter(|l| !l.trim().is_empty()).map(row).collect()
        }
        "json" => {
            let value: Value = serde_json::from_str(text).ok()?;
            let list = value.as_array().or_else(|| value.as_object()?.values().find_map(Value::as_array))?.clone();
            list.iter().map(|r| r.as_object().into_iter().flatten().filter_map(|(k, v)| Some((k.clone(), v.as_f64()?))).collect()).collect()
        }
        _ => return None,
    };
    let first = rows.first()?;
    let name = |key: &str| settings[key].as_str().map(str::to_owned);
    let x = name("x");
    let y = name("y").or_else(|| first.keys().rfind(|k| Some(*k) != x.as_ref()).cloned())?;
    let step = rows.len().div_ceil(POINTS_MAX).max(1);
    let place =
        |(i, row): (usize, &BTreeMap<String, f64>)| Some((x.as_ref().map_or(Some(i as f64), |x| row.get(x).copied())?, *row.get(&y)?));
    let found: Vec<(f64, f64)> =
        rows.iter().enumerate().step_by(step).filter_map(place).filter(|p| p.0.is_finite() && p.1.is_finite()).collect();
    (!found.is_empty()).then(|| (x.unwrap_or_else(|| "row".to_owned()), y, found))
}
