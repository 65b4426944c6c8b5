//! What a repository holds, and a first tidegate.yaml for it.
//!
//! Pure: the caller lists the files and hands a way to read them.

use crate::yaml::{self, Node};
use indexmap::IndexMap;
use std::collections::BTreeSet;

/// Most files that are looked at.
pub const FILES_MAX: usize = 100_000;
/// Longest metrics file or dvc.yaml that is read, in bytes.
pub const FACTS_BYTES_MAX: usize = 1_048_576;
/// Deepest nesting of metrics.
const METRICS_DEPTH_MAX: usize = 8;

/// Facts about a repository.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RepoScan {
    /// Name of its folder.
    pub name: String,
    /// Every file, relative, with forward slashes.
    pub files: BTreeSet<String>,
    /// The `dvc.yaml`, where there is one that can be read.
    pub pipeline: Option<String>,
    /// Its stages by name, outputs relative to the repository.
    pub stages: IndexMap<String, StageFacts>,
    /// Metrics files with the numbers in them; a file that does not exist yet has none.
    pub metrics: IndexMap<String, Vec<(String, f64)>>,
}

/// One stage.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StageFacts {
    /// Files and folders that it writes.
    pub outs: Vec<String>,
    /// Metrics files among them.
    pub metrics: Vec<String>,
}

impl RepoScan {
    /// Names of stages, where the pipeline is known.
    #[must_use]
    pub fn stage_names(&self) -> Option<Vec<String>> {
        self.pipeline.as_ref().map(|_| self.stages.keys().cloned().collect())
    }

    /// Names of metrics, where all metrics files are there to be read.
    #[must_use]
    pub fn metric_names(&self) -> Option<Vec<String>> {
        let written = self.stages.values().flat_map(|s| &s.metrics);
        let known = written.clone().next().is_some() && written.clone().all(|file| self.metrics.contains_key(file));
        known.then(|| self.metrics.values().flatten().map(|(name, _)| name.clone()).collect())
    }

    /// Whether a stage may write `file`: it names it, or a folder above it, or a name with variables in it.
    #[must_use]
    pub fn writes(&self, file: &str) -> bool {
        let under = |out: &str| file == out || file.strip_prefix(out).is_some_and(|rest| rest.starts_with('/')) || out.contains("${");
        self.pipeline.is_none() || self.stages.values().flat_map(|s| &s.outs).any(|out| under(out))
    }

    /// Its data files that no stage writes, and those that a first stage fetches.
    fn data_files(&self) -> Vec<String> {
        let outs = self.stages.values().flat_map(|s| &s.outs).cloned();
        let tabular = |f: &String| [".parquet", ".csv"].iter().any(|end| f.ends_with(end)) && !f.contains("${");
        let found: BTreeSet<String> = self.files.iter().cloned().chain(outs).filter(|f| tabular(f) && f.starts_with("data")).collect();
        found.into_iter().collect()
    }

    /// Its model files, as far as their names tell.
    fn model_files(&self) -> Vec<String> {
        let outs = self.stages.values().flat_map(|s| &s.outs).cloned();
        let model = |f: &String| [".onnx", ".ubj"].iter().any(|end| f.ends_with(end)) && !f.contains("${");
        let found: BTreeSet<String> = self.files.iter().cloned().chain(outs).filter(model).collect();
        found.into_iter().collect()
    }
}

/// Facts from a list of files and a way to read one. `name` is that of the folder.
#[must_use]
pub fn scan(name: &str, files: &[String], read: &dyn Fn(&str) -> Option<String>) -> RepoScan {
    let read = |path: &str| read(path).filter(|text| text.len() <= FACTS_BYTES_MAX);
    let mut repo = RepoScan { name: name.to_owned(), files: files.iter().take(FILES_MAX).cloned().collect(), ..RepoScan::default() };
    let of_dvc = |f: &&String| f.as_str() == "dvc.yaml" || f.ends_with("/dvc.yaml");
    let nearest = repo.files.iter().filter(of_dvc).min_by_key(|f| (f.matches('/').count(), f.len())).cloned();
    if let Some(path) = nearest
        && let Some(root) = read(&path).and_then(|text| yaml::parse(&text).ok())
    {
        let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
        repo.stages = stages(&root, folder);
        let loose = root.get("metrics").and_then(Node::as_seq).unwrap_or(&[]).iter().filter_map(|m| file_of(m, folder));
        let files: Vec<String> = repo.stages.values().flat_map(|s| s.metrics.clone()).chain(loose).collect();
        repo.metrics = files.into_iter().filter_map(|f| read(&f).and_then(|text| numbers(&text)).map(|n| (f, n))).collect();
        repo.pipeline = Some(path);
    }
    repo
}

/// The stages of a `dvc.yaml` in `folder`.
pub(super) fn stages(root: &Node, folder: &str) -> IndexMap<String, StageFacts> {
    let entries = root.get("stages").and_then(Node::as_map).unwrap_or(&[]);
    let one = |(name, stage): &(Node, Node)| {
        // `foreach` and `matrix` keep the body one level down.
        let body = stage.get("do").unwrap_or(stage);
        let wdir = body.get("wdir").and_then(Node::as_str).unwrap_or("");
        let folder = under(folder, wdir);
        let files = |key: &str| -> Vec<String> {
            body.get(key).and_then(Node::as_seq).unwrap_or(&[]).iter().filter_map(|out| file_of(out, &folder)).collect()
        };
        let metrics = files("metrics");
        let outs = [files("outs"), metrics.clone(), files("plots")].concat();
        (name.text().unwrap_or_default().into_owned(), StageFacts { outs, metrics })
    };
    entries.iter().map(one).collect()
}

/// An output is a path, or a mapping from it to options.
fn file_of(out: &Node, folder: &str) -> Option<String> {
    let name = out.text().or_else(|| out.as_map()?.first()?.0.text())?;
    Some(under(folder, &name))
}

fn under(folder: &str, name: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in folder.split('/').chain(name.split('/')) {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            _ => parts.push(part),
        }
    }
    parts.join("/")
}

/// The numbers of a metrics file (JSON or YAML), nested names dotted.
fn numbers(text: &str) -> Option<Vec<(String, f64)>> {
    fn walk(node: &Node, path: &str, depth: usize, into: &mut Vec<(String, f64)>) {
        if let (Some(number), false) = (node.as_f64(), path.is_empty()) {
            into.push((path.to_owned(), number));
        }
        for (key, value) in node.as_map().unwrap_or(&[]).iter().filter(|_| depth < METRICS_DEPTH_MAX) {
            walk(value, &super::check::join(path, &key.text().unwrap_or_default()), depth + 1, into);
        }
    }
    let root = yaml::parse(text).ok()?;
    let mut found = Vec::new();
    walk(&root, "", 0, &mut found);
    Some(found)
}

/// A tidegate.yaml for a repository as it stands: what was found, and as comments what could follow.
#[must_use]
pub fn init(repo: &RepoScan) -> String {
    let mut text = String::from("# What every key means: docs/tidegate-yaml.md. What is in force: tidegate config explain.\nversion: 1\n");
    text.push_str(&format!("workspace: {}\n", quoted(if repo.name.trim().is_empty() { "workspace" } else { &repo.name })));
    if let Some(lock) = lock_file(repo) {
        text.push_str(&format!("env: {{ python: {} }}\n", quoted(&lock)));
    }
    if let Some(pipeline) = &repo.pipeline {
        text.push_str(&format!("pipeline: {}\n", quoted(pipeline)));
    }
    init_data(repo, &mut text);
    init_models(repo, &mut text);
    text.push_str("environments: { production: {} }\n");
    text
}

fn lock_file(repo: &RepoScan) -> Option<String> {
    ["requirements.lock", "requirements.txt"].iter().find(|f| repo.files.contains(**f)).map(|f| (*f).to_owned())
}

fn init_data(repo: &RepoScan, text: &mut String) {
    let files = repo.data_files();
    if files.is_empty() {
        text.push_str("\n# data:\n#   rows: { path: data/rows.parquet, contract: contracts/rows.yaml, fresh_within: 7d }\n");
        return;
    }
    text.push_str("\n# A contract says what a dataset must look like: contract: contracts/NAME.yaml\ndata:\n");
    for (name, file) in with_names(&files) {
        text.push_str(&format!("  {name}: {{ path: {} }}\n", quoted(&file)));
    }
}

fn init_models(repo: &RepoScan, text: &mut String) {
    let models = with_names(&repo.model_files());
    if models.is_empty() {
        text.push_str(
            "\n# models:\n#   NAME:\n#     artifact: model/model.onnx\n#     gates:\n#       quality: { metric: accuracy, min: 0.9 }\n",
        );
        text.push_str("# services:\n#   NAME: { model: NAME }\n");
        return;
    }
    let gates = init_gates(repo);
    text.push_str("\nmodels:\n");
    for (name, file) in &models {
        text.push_str(&format!("  {name}:\n    artifact: {}\n", quoted(file)));
        if gates.is_empty() {
            text.push_str("    # gates: { quality: { metric: accuracy, min: 0.9 } }   # without a gate nothing is released\n");
        } else {
            text.push_str(&format!("    # bounds at today's values: set what you would refuse\n    gates:\n{gates}"));
        }
    }
    text.push_str("services:\n");
    for (name, _) in &models {
        text.push_str(&format!("  {name}: {{ model: {name} }}\n"));
    }
}

/// A bound at each metric's present value, on the side where worse is.
fn init_gates(repo: &RepoScan) -> String {
    const GATES_MAX: usize = 12;
    let lower_is_better = ["loss", "error", "latency", "mse", "mae", "brier", "seconds", "_ms", "time"];
    let higher_is_better = ["auc", "accuracy", "acc", "precision", "recall", "f1", "r2", "score", "ap"];
    let known = repo.metrics.values().flatten().filter(|(_, v)| v.is_finite()).filter_map(|(metric, value)| {
        let last = metric.rsplit('.').next().unwrap_or(metric).to_lowercase();
        let side = if lower_is_better.iter().any(|w| last.contains(w)) {
            "max"
        } else if last.split('_').any(|w| higher_is_better.contains(&w)) {
            "min"
        } else {
            return None;
        };
        Some((metric, side, value))
    });
    let mut taken = BTreeSet::new();
    let line = |(metric, side, value): (&String, &str, &f64)| {
        let name = name_of(metric);
        taken.insert(name.clone()).then(|| format!("      {name}: {{ metric: {}, {side}: {value:?} }}\n", quoted(metric)))
    };
    known.filter_map(line).take(GATES_MAX).collect()
}

/// Each file with a name of its own: its stem, or stem and folder where stems repeat.
fn with_names(files: &[String]) -> Vec<(String, String)> {
    const LISTED_MAX: usize = 50;
    let mut taken = BTreeSet::new();
    let mut named = Vec::new();
    for file in files.iter().take(LISTED_MAX) {
        let base = file.rsplit('/').next().unwrap_or(file);
        let stem = name_of(base.rsplit_once('.').map_or(base, |(stem, _)| stem));
        let candidates = [stem, name_of(file)].into_iter().chain((2..=LISTED_MAX + 1).map(|n| format!("{}-{n}", name_of(base))));
        if let Some(name) = candidates.into_iter().find(|c| !taken.contains(c)) {
            taken.insert(name.clone());
            named.push((name, file.clone()));
        }
    }
    named
}

/// A text made fit to be a name.
fn name_of(text: &str) -> String {
    let kept: String = text.chars().map(|c| if c.is_ascii_alphanumeric() || c == '_' { c } else { '-' }).collect();
    let kept = kept.trim_matches(['-', '_']);
    let kept: String = kept.chars().take(super::check::NAME_CHARS_MAX - 4).collect();
    if kept.is_empty() { "unnamed".to_owned() } else { kept }
}

/// A text as a YAML scalar that reads back as the same text.
fn quoted(text: &str) -> String {
    let plain =
        text.chars().all(|c| c.is_ascii_alphanumeric() || "/._-".contains(c)) && text.starts_with(|c: char| c.is_ascii_alphanumeric());
    let same = yaml::parse(text).is_ok_and(|node| node.as_str() == Some(text));
    if plain && same { text.to_owned() } else { serde_json::Value::from(text).to_string() }
}
