//! Why a stage must run: what is recorded of its last run against what is there now.

use super::spec::{Command, StageSpec};
use indexmap::IndexMap;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeSet;

/// What a path contains, by content.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// MD5, 32 hex digits; of a directory the MD5 of its listing with `.dir` behind it.
    pub md5: String,
    /// Size in bytes, of a directory the sum.
    pub size_bytes: u64,
    /// Number of files, of a directory.
    pub files: Option<u64>,
    /// Whether a file may be executed.
    pub executable: bool,
}

impl Identity {
    /// Whether this is a directory.
    #[must_use]
    pub fn is_dir(&self) -> bool {
        self.md5.ends_with(".dir")
    }
}

/// What is recorded of a stage's last run.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Recorded {
    /// What it ran; nothing for a `.dvc` file.
    pub cmd: Option<Command>,
    /// What it read, by path as written.
    pub deps: IndexMap<String, Identity>,
    /// Values of its parameters, by file and key.
    pub params: IndexMap<String, IndexMap<String, Value>>,
    /// What it wrote, by path as written.
    pub outs: IndexMap<String, Identity>,
    /// Paths among these whose MD5 is DVC 2's, of the text with line ends of Unix.
    pub legacy: BTreeSet<String>,
}

/// What is there now; none where nothing is.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Observed {
    /// Dependencies, by path as written.
    pub deps: IndexMap<String, Option<Identity>>,
    /// Parameters, by file and key.
    pub params: IndexMap<String, IndexMap<String, Option<Value>>>,
    /// Outputs, by path as written.
    pub outs: IndexMap<String, Option<Identity>>,
    /// Paths among these that were looked at as DVC 2 does.
    pub legacy: BTreeSet<String>,
}

/// How something changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Change {
    /// It was not there when the stage ran last.
    Added,
    /// It has another content.
    Modified,
    /// It is not there any more.
    Removed,
}

/// Why a stage must run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "reason", rename_all = "snake_case")]
pub enum Reason {
    /// Asked for.
    Forced,
    /// It says that it always must, or declares nothing that could tell.
    AlwaysChanged,
    /// No run of it is recorded.
    NeverRun,
    /// Its command is another.
    Command,
    /// Something that it reads changed.
    Dependency {
        /// The path.
        path: String,
        /// How.
        change: Change,
    },
    /// A parameter changed.
    Parameter {
        /// The file.
        file: String,
        /// The key.
        key: String,
        /// How.
        change: Change,
    },
    /// Something that it wrote is not as it left it.
    Output {
        /// The path.
        path: String,
        /// How.
        change: Change,
    },
    /// A stage that it needs has to run first, so it may have to.
    Upstream {
        /// The stage.
        stage: String,
    },
}

impl std::fmt::Display for Reason {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let verb = |change: &Change| match change {
            Change::Added => "is new",
            Change::Modified => "changed",
            Change::Removed => "is missing",
        };
        match self {
            Reason::Forced => f.write_str("asked to run again"),
            Reason::AlwaysChanged => f.write_str("always runs"),
            Reason::NeverRun => f.write_str("no run of it is recorded"),
            Reason::Command => f.write_str("its command changed"),
            Reason::Dependency { path, change } => write!(f, "dependency {path} {}", verb(change)),
            Reason::Parameter { file, key, change } => write!(f, "parameter {key} of {file} {}", verb(change)),
            Reason::Output { path, change } => write!(f, "output {path} {}", verb(change)),
            Reason::Upstream { stage } => write!(f, "may have to run after {stage}"),
        }
    }
}

/// Why the stage must run now; nothing when it is up to date. Of a frozen stage, and of a `.dvc` file, only the command
/// and the outputs are compared: what they read is nobody's concern.
#[must_use]
pub fn reasons(spec: &StageSpec, recorded: Option<&Recorded>, observed: &Observed, force: bool) -> Vec<Reason> {
    let mut found = Vec::new();
    let reads = !spec.is_data() && !spec.frozen;
    if force && !spec.is_data() {
        found.push(Reason::Forced);
    }
    if reads && (spec.always_changed || spec.is_callback()) {
        found.push(Reason::AlwaysChanged);
    }
    let Some(recorded) = recorded else {
        found.push(Reason::NeverRun);
        return found;
    };
    if recorded.cmd != spec.cmd {
        found.push(Reason::Command);
    }
    let as_before = |path: &str| recorded.legacy.contains(path) == observed.legacy.contains(path);
    if reads {
        for path in &spec.deps {
            let now = observed.deps.get(path).and_then(Option::as_ref);
            if let Some(change) = changed(recorded.deps.get(path), now, as_before(path)) {
                found.push(Reason::Dependency { path: path.clone(), change });
            }
        }
        for (file, keys) in &spec.params {
            parameter_reasons(file, keys, recorded, observed, &mut found);
        }
    }
    for out in &spec.outs {
        let now = observed.outs.get(&out.path).and_then(Option::as_ref);
        if let Some(change) = changed(recorded.outs.get(&out.path), now, as_before(&out.path)) {
            found.push(Reason::Output { path: out.path.clone(), change });
        }
    }
    found
}

fn changed(then: Option<&Identity>, now: Option<&Identity>, comparable: bool) -> Option<Change> {
    match (then, now) {
        (Some(then), Some(now)) if comparable && then.md5 == now.md5 => None,
        (Some(_), Some(_)) => Some(Change::Modified),
        (None, Some(_)) => Some(Change::Added),
        (_, None) => Some(Change::Removed),
    }
}

fn parameter_reasons(file: &str, keys: &[String], recorded: &Recorded, observed: &Observed, found: &mut Vec<Reason>) {
    let (none, nothing) = (IndexMap::new(), IndexMap::new());
    let then = recorded.params.get(file).unwrap_or(&none);
    let now = observed.params.get(file).unwrap_or(&nothing);
    let mut wanted: Vec<&String> = keys.iter().collect();
    if keys.is_empty() {
        wanted = now.keys().chain(then.keys().filter(|k| !now.contains_key(*k))).collect();
        if !recorded.params.contains_key(file) {
            found.push(Reason::Parameter { file: file.to_owned(), key: "(all)".to_owned(), change: Change::Added });
            return;
        }
    }
    for key in wanted {
        let change = match (then.get(key), now.get(key).and_then(Option::as_ref)) {
            (Some(then), Some(now)) if same_value(then, now) => continue,
            (Some(_), Some(_)) => Change::Modified,
            (None, Some(_)) => Change::Added,
            (_, None) => Change::Removed,
        };
        found.push(Reason::Parameter { file: file.to_owned(), key: key.clone(), change });
    }
}

/// Whether two values are equal as Python compares them: `1`, `1.0` and `true` are, and the order of keys does not matter.
#[must_use]
pub fn same_value(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Array(a), Value::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same_value(a, b)),
        (Value::Object(a), Value::Object(b)) => a.len() == b.len() && a.iter().all(|(k, v)| b.get(k).is_some_and(|w| same_value(v, w))),
        _ if a == b => true,
        _ => matches!((number(a), number(b)), (Some(a), Some(b)) if a.total_cmp(&b).is_eq()),
    }
}

/// A value as the number that it compares as.
fn number(value: &Value) -> Option<f64> {
    match value {
        Value::Bool(flag) => Some(f64::from(u8::from(*flag))),
        // Two unequal whole numbers were told apart above unless both are beyond 2^53, where only the float form is at hand.
        Value::Number(n) if n.is_f64() => n.as_f64().map(|f| f + 0.0),
        Value::Number(n) => n.as_i64().filter(|i| i.unsigned_abs() < (1 << 53)).and_then(|_| n.as_f64()),
        _ => None,
    }
}
