//! Strategies of Argo Rollouts and Flagger as strategies of ours: each field mapped, left to the cluster, or refused by name.
//!
//! What those tools decide by thresholds and counters the judge decides by evidence, so their limits have no place to go; the
//! report says so. Not here: their own decisions, see `core::peers`.

use crate::config::unit::{duration_ms, duration_text};
use crate::yaml::{self, Node};
use serde::Serialize;
use std::fmt::Write as _;

mod argo;
mod flagger;

/// Most documents of one file.
pub const DOCUMENTS_MAX: usize = 1_000;

/// What becomes of a field.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", tag = "fate", content = "why")]
pub enum Fate {
    /// It is in the strategy, or what it was for is done otherwise.
    Mapped(String),
    /// It stays where it is: it is no part of a strategy.
    Left(String),
    /// Nothing here does what it does.
    Refused(String),
}

/// A field of the file, by its path.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Field {
    /// As `spec.strategy.canary.steps[0].setWeight`.
    pub path: String,
    /// Its line.
    pub line: u32,
    /// What becomes of it.
    #[serde(flatten)]
    pub fate: Fate,
}

/// A step of ours.
#[derive(Clone, Debug, PartialEq)]
enum Step {
    Preview {
        asks: Option<(String, String)>,
        for_ms: Option<u64>,
    },
    Shadow {
        percent: f64,
        until_ms: Option<u64>,
    },
    Canary {
        weights: Vec<f64>,
        min_time_ms: Option<u64>,
    },
    Pause {
        for_ms: Option<u64>,
    },
    /// The last one; where it is not given, as the preset has it.
    Promote {
        watch_ms: u64,
    },
}

/// A strategy that was read.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Imported {
    /// Name of the rollout or canary, and so of the strategy.
    pub name: String,
    /// What it was.
    pub kind: String,
    /// The strategy, as a part of `releases` in tidegate.yaml.
    pub yaml: String,
    /// Every field.
    pub fields: Vec<Field>,
}

/// Reads every document of a file.
///
/// # Errors
/// With a sentence that names the place, when a document cannot be read or is of a kind that has no strategy.
pub fn import(file: &str, text: &str) -> Result<Vec<Imported>, String> {
    let mut found = Vec::new();
    for (first_line, document) in documents(text) {
        if found.len() >= DOCUMENTS_MAX {
            return Err(format!("import {file}: more than {DOCUMENTS_MAX} documents: split the file"));
        }
        let place = |line: u32| format!("{file}:{}", line + first_line);
        let root = yaml::parse(&document).map_err(|e| format!("import {}: {}", place(e.line), e.message))?;
        let kind = root.get("kind").and_then(Node::as_str).unwrap_or_default().to_owned();
        let mut read = match kind.as_str() {
            "Rollout" => argo::rollout(&root),
            "AnalysisTemplate" | "ClusterAnalysisTemplate" => argo::template(&root),
            "Canary" => flagger::canary(&root),
            "MetricTemplate" => flagger::template(&root),
            _ if root.get("classifier").is_some() && root.get("metrics").is_some() => {
                return Err(format!(
                    "import {}: this is a canary configuration of Kayenta: keep it, and let Kayenta ask for the verdict (docs/other-tools.md)",
                    place(1)
                ));
            }
            other => {
                let known = "known are Rollout, AnalysisTemplate, ClusterAnalysisTemplate, Canary, MetricTemplate";
                let other = if other.is_empty() { "a document without a kind".to_owned() } else { format!("`{other}`") };
                return Err(format!("import {}: {other} has no strategy: {known}", place(1)));
            }
        };
        read.kind = kind;
        read.name = root.get("metadata").and_then(|m| m.get("name")).and_then(Node::as_str).unwrap_or("imported").to_owned();
        read.fields.iter_mut().for_each(|field| field.line += first_line);
        found.push(read);
    }
    if found.is_empty() { Err(format!("import {file}: the file is empty")) } else { Ok(found) }
}

/// The documents of a file with the number of lines before each.
fn documents(text: &str) -> Vec<(u32, String)> {
    let mut all = vec![(0, String::new())];
    for (at, line) in (1_u32..).zip(text.lines()) {
        if line.trim_end() == "---" {
            all.push((at, String::new()));
        } else if let Some((_, document)) = all.last_mut() {
            document.push_str(line);
            document.push('\n');
        }
    }
    let says = |text: &str| text.lines().any(|line| !line.trim().is_empty() && !line.trim_start().starts_with('#'));
    all.into_iter().filter(|(_, text)| says(text)).collect()
}

/// Fields in the making.
#[derive(Default)]
struct Report(Vec<Field>);

impl Report {
    fn say(&mut self, path: &str, at: &Node, fate: Fate) {
        self.0.push(Field { path: path.to_owned(), line: at.line, fate });
    }

    fn mapped(&mut self, path: &str, at: &Node, to: impl Into<String>) {
        self.say(path, at, Fate::Mapped(to.into()));
    }

    fn left(&mut self, path: &str, at: &Node, why: &str) {
        self.say(path, at, Fate::Left(why.to_owned()));
    }

    fn refused(&mut self, path: &str, at: &Node, why: impl Into<String>) {
        self.say(path, at, Fate::Refused(why.into()));
    }

    /// Every entry of a mapping that `known` gives no word for is refused as unknown.
    fn others<'n>(&mut self, path: &str, node: &'n Node, mut known: impl FnMut(&mut Report, &str, &str, &'n Node, &'n Node) -> bool) {
        for (key, value) in node.as_map().unwrap_or(&[]) {
            let name = key.text().unwrap_or_default().into_owned();
            let here = format!("{path}.{name}");
            if !known(self, &name, &here, key, value) {
                self.refused(&here, key, "it is not known");
            }
        }
    }
}

/// A duration as Go writes it, or seconds as a number.
fn span(node: &Node) -> Option<u64> {
    if let Some(seconds) = node.as_i64() {
        return u64::try_from(seconds).ok()?.checked_mul(1_000);
    }
    let text = node.text()?;
    text.parse::<u64>().ok().and_then(|seconds| seconds.checked_mul(1_000)).or_else(|| duration_ms(&text).ok())
}

/// A text within quotes of YAML.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// The strategy as text.
fn written(name: &str, steps: &[Step], guardrails: &[(String, String)]) -> String {
    let mut text = format!("releases:\n  {name}:\n    steps:\n");
    let time = |ms: &Option<u64>, key: &str| ms.map_or_else(String::new, |ms| format!("{key}: {}", duration_text(ms)));
    for step in steps {
        let line = match step {
            Step::Preview { asks, for_ms } => {
                let asks = asks.iter().map(|(header, value)| format!("header: {}, value: {}", quoted(header), quoted(value)));
                let stays = for_ms.iter().map(|ms| format!("for: {}", duration_text(*ms)));
                let parts: Vec<String> = asks.chain(stays).collect();
                if parts.is_empty() { "- preview: {}".to_owned() } else { format!("- preview: {{ {} }}", parts.join(", ")) }
            }
            Step::Promote { watch_ms } => format!("- promote: {{ watch: {} }}", duration_text(*watch_ms)),
            Step::Shadow { percent, until_ms } => {
                let until = time(until_ms, ", until");
                format!("- shadow: {{ percent: {percent}{until} }}")
            }
            Step::Canary { weights, min_time_ms } => {
                let weights = weights.iter().map(f64::to_string).collect::<Vec<_>>().join(", ");
                let min_time = time(min_time_ms, ", min_time");
                format!("- canary: {{ weights: [{weights}]{min_time} }}")
            }
            Step::Pause { for_ms } => match for_ms {
                Some(ms) => format!("- pause: {{ for: {} }}", duration_text(*ms)),
                None => "- pause: {}".to_owned(),
            },
        };
        let _ = writeln!(text, "      {line}");
    }
    if !steps.iter().any(|step| matches!(step, Step::Promote { .. })) {
        text.push_str("      - promote: {}\n");
    }
    if !guardrails.is_empty() {
        text.push_str("    judge:\n      guardrails:\n");
        guardrails.iter().for_each(|(name, value)| {
            let _ = writeln!(text, "        {name}: {value}");
        });
    }
    text
}

/// Adds a weight: to the step before where its time is the same.
fn add_weight(steps: &mut Vec<Step>, weight: f64) {
    match steps.last_mut() {
        Some(Step::Canary { weights, min_time_ms: None }) => weights.push(weight),
        _ => steps.push(Step::Canary { weights: vec![weight], min_time_ms: None }),
    }
}

/// The last weight stays so long: it becomes a step of its own where others stand before it.
fn stay(steps: &mut Vec<Step>, ms: u64) {
    let Some(Step::Canary { weights, min_time_ms }) = steps.last_mut() else { return };
    let Some(last) = weights.pop() else { return };
    if weights.is_empty() {
        *weights = vec![last];
        *min_time_ms = Some(min_time_ms.unwrap_or(0).saturating_add(ms));
        return;
    }
    steps.push(Step::Canary { weights: vec![last], min_time_ms: Some(ms) });
}

/// Steps of the same time as one.
fn joined(steps: Vec<Step>) -> Vec<Step> {
    let mut all: Vec<Step> = Vec::new();
    for step in steps {
        match (all.last_mut(), step) {
            (Some(Step::Canary { weights, min_time_ms }), Step::Canary { weights: more, min_time_ms: same }) if *min_time_ms == same => {
                weights.extend(more);
            }
            (_, step) => all.push(step),
        }
    }
    all
}

#[cfg(test)]
mod tests;
