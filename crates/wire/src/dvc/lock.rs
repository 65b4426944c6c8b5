//! `dvc.lock` and the entries of the run-cache.

use super::context::DEFAULT_PARAMS;
use super::emit::dump_recorded;
use super::error::{DvcError, Problem};
use super::python::json_dumps;
use super::scalar::{Keys, value_with};
use crate::yaml;
use indexmap::IndexMap;
use serde_json::{Map, Value, json};
use std::collections::{BTreeSet, HashSet};
use tidegate_core::pipeline::{Command, Identity, Recorded};

/// The schema of lock files that are read and written.
const SCHEMA: &str = "2.0";

/// A lock file. What it holds beside the entries that are set stays as it is.
#[derive(Clone, Debug, Default)]
pub struct LockFile {
    root: Map<String, Value>,
    /// Stages that were in the file when it was read: they keep their places.
    placed: HashSet<String>,
}

impl LockFile {
    /// The lock file in `text`; an empty text is an empty lock file.
    ///
    /// # Errors
    /// When it is not YAML, or of another schema.
    pub fn parse(file: &str, text: &str) -> Result<LockFile, DvcError> {
        let node = yaml::parse(text).map_err(|e| DvcError::one(file, e))?;
        let root = match value_with(&node, Keys::Marked).map_err(|p| DvcError::one(file, p))? {
            Value::Null => return Ok(LockFile::default()),
            Value::Object(map) => map,
            _ => return Err(DvcError::one(file, Problem::at(&node, "a lock file is a mapping with `schema` and `stages`"))),
        };
        match root.get("schema") {
            Some(Value::String(schema)) if schema == SCHEMA => {}
            found => {
                let found = found.map_or_else(|| "no schema".to_owned(), |v| format!("schema {v}"));
                let message = format!("the lock file has {found}; only schema '{SCHEMA}' is read: run `dvc commit -f` with DVC 3 first");
                return Err(DvcError::one(file, Problem::at(&node, message)));
            }
        }
        if !matches!(root.get("stages"), None | Some(Value::Object(_) | Value::Null)) {
            return Err(DvcError::one(file, Problem::at(&node, "`stages` of the lock file is not a mapping")));
        }
        let placed = root.get("stages").and_then(Value::as_object).into_iter().flatten().map(|(k, _)| k.clone()).collect();
        Ok(LockFile { root, placed })
    }

    /// What is recorded of a stage; none where nothing (legible) is.
    #[must_use]
    pub fn get(&self, stage: &str) -> Option<Recorded> {
        recorded_from_value(self.root.get("stages")?.get(stage)?)
    }

    /// Records a stage. One that is new comes before those of `order` that stand behind it there, so that the file does
    /// not depend on which stage ended first.
    pub fn set(&mut self, stage: &str, recorded: &Recorded, order: &[String]) {
        if self.root.is_empty() {
            self.root.insert("schema".to_owned(), json!(SCHEMA));
        }
        let stages = self.root.entry("stages").or_insert_with(|| json!({}));
        if !stages.is_object() {
            *stages = json!({});
        }
        let Some(stages) = stages.as_object_mut() else { return };
        let value = recorded_to_value(recorded);
        if let Some(old) = stages.get_mut(stage) {
            *old = value;
            return;
        }
        let rank = |name: &str| order.iter().position(|n| n == name).unwrap_or(usize::MAX);
        let own = rank(stage);
        let index = stages.keys().position(|name| !self.placed.contains(name) && rank(name) > own);
        stages.shift_insert(index.unwrap_or(stages.len()), stage.to_owned(), value);
    }

    /// The text of the file.
    #[must_use]
    pub fn render(&self) -> String {
        if self.root.is_empty() { String::new() } else { dump_recorded(&Value::Object(self.root.clone())) }
    }
}

/// An entry as it stands in `dvc.lock`: paths sorted, the default parameter file first.
#[must_use]
pub fn recorded_to_value(recorded: &Recorded) -> Value {
    let mut entry = Map::new();
    let cmd = match &recorded.cmd {
        None => Value::Null,
        Some(Command::One(text)) => json!(text),
        Some(Command::Many(texts)) => json!(texts),
    };
    entry.insert("cmd".to_owned(), cmd);
    if !recorded.deps.is_empty() {
        entry.insert("deps".to_owned(), identities_to_value(&recorded.deps, &recorded.legacy));
    }
    if !recorded.params.is_empty() {
        let mut files: Vec<_> = recorded.params.iter().collect();
        files.sort_by_key(|(file, _)| (file.as_str() != DEFAULT_PARAMS, file.as_str()));
        let files = files.into_iter().map(|(file, values)| {
            let mut values: Vec<_> = values.iter().collect();
            values.sort_by(|a, b| a.0.cmp(b.0));
            (file.clone(), Value::Object(values.into_iter().map(|(k, v)| (k.clone(), v.clone())).collect()))
        });
        entry.insert("params".to_owned(), Value::Object(files.collect()));
    }
    if !recorded.outs.is_empty() {
        entry.insert("outs".to_owned(), identities_to_value(&recorded.outs, &recorded.legacy));
    }
    Value::Object(entry)
}

fn identities_to_value(identities: &IndexMap<String, Identity>, legacy: &BTreeSet<String>) -> Value {
    let mut sorted: Vec<_> = identities.iter().collect();
    sorted.sort_by(|a, b| a.0.cmp(b.0));
    let items = sorted.into_iter().map(|(path, identity)| {
        let mut item = Map::new();
        item.insert("path".to_owned(), json!(path));
        if !legacy.contains(path) {
            item.insert("hash".to_owned(), json!("md5"));
        }
        item.insert("md5".to_owned(), json!(identity.md5));
        item.insert("size".to_owned(), json!(identity.size_bytes));
        if let Some(files) = identity.files {
            item.insert("nfiles".to_owned(), json!(files));
        }
        if identity.executable {
            item.insert("isexec".to_owned(), json!(true));
        }
        Value::Object(item)
    });
    Value::Array(items.collect())
}

/// The entry in `value`; none when it is not one. Files without an MD5 are left out, so that they count as new.
#[must_use]
pub fn recorded_from_value(value: &Value) -> Option<Recorded> {
    let cmd = match value.get("cmd")? {
        Value::String(text) => Command::One(text.clone()),
        Value::Array(items) => Command::Many(items.iter().map(|v| v.as_str().map(str::to_owned)).collect::<Option<_>>()?),
        _ => return None,
    };
    let mut legacy = BTreeSet::new();
    let mut identities = |key: &str| -> IndexMap<String, Identity> {
        let items = value.get(key).and_then(Value::as_array).into_iter().flatten();
        let found: Vec<_> = items.filter_map(identity_from_value).collect();
        legacy.extend(found.iter().filter(|(.., is_legacy)| *is_legacy).map(|(path, ..)| path.clone()));
        found.into_iter().map(|(path, identity, _)| (path, identity)).collect()
    };
    let (deps, outs) = (identities("deps"), identities("outs"));
    let params = value.get("params").and_then(Value::as_object).into_iter().flatten();
    let params = params.map(|(file, values)| {
        let values = values.as_object().into_iter().flatten().map(|(k, v)| (k.clone(), v.clone())).collect();
        (file.clone(), values)
    });
    Some(Recorded { cmd: Some(cmd), deps, params: params.collect(), outs, legacy })
}

/// Path, identity, and whether the MD5 is DVC 2's.
fn identity_from_value(value: &Value) -> Option<(String, Identity, bool)> {
    let path = value.get("path")?.as_str()?.to_owned();
    let hash = value.get("hash").and_then(Value::as_str);
    if hash.is_some_and(|name| name != "md5") {
        return None;
    }
    let md5 = value.get("md5")?.as_str()?;
    let hex = md5.strip_suffix(".dir").unwrap_or(md5);
    // The digits become a path in the cache.
    if hex.len() != 32 || !hex.bytes().all(|b| b.is_ascii_hexdigit()) {
        return None;
    }
    let identity = Identity {
        md5: md5.to_owned(),
        size_bytes: value.get("size").and_then(Value::as_u64).unwrap_or(0),
        files: value.get("nfiles").and_then(Value::as_u64),
        executable: value.get("isexec").and_then(Value::as_bool).unwrap_or(false),
    };
    Some((path, identity, hash.is_none()))
}

/// The text whose SHA-256 is an entry's key in the run-cache: what it ran and read, and the names of what it wrote.
#[must_use]
pub fn run_cache_key(recorded: &Recorded, outs: &[String]) -> String {
    let mut entry = recorded_to_value(recorded);
    if let Some(map) = entry.as_object_mut() {
        let mut paths = outs.to_vec();
        paths.sort();
        map.insert("outs".to_owned(), json!(paths));
    }
    json_dumps(&entry, &["size", "nfiles"])
}

/// The text whose SHA-256 is the name of an entry in the run-cache.
#[must_use]
pub fn run_cache_value(recorded: &Recorded) -> String {
    json_dumps(&recorded_to_value(recorded), &["size", "nfiles"])
}
