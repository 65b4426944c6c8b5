//! `metrics show|diff` and `params diff`: values of files in the workspace and in revisions, and what differs.

use super::error::DataError;
use super::gc::Scope;
use super::git::Git;
use super::repo::Repo;
use super::view::{Body, Source, View};
use indexmap::IndexMap;
use serde_json::{Map, Number, Value, json};
use std::collections::BTreeSet;
use tidegate_core::pipeline::OutKind;
use tidegate_wire::dvc::{float_repr, parse_params};

/// Values by file, or why a file could not be read.
pub type Values = IndexMap<String, Result<Value, String>>;

/// What differs: file, then key, then `old`, `new` and, between numbers, `diff`.
pub type ValuesDiff = IndexMap<String, Map<String, Value>>;

/// The file of parameters that is read where none is named.
const DEFAULT_PARAMS: &str = "params.yaml";

impl Repo {
    /// Metrics of the workspace (under an empty name), or of the workspace and the revisions of a scope.
    ///
    /// # Errors
    /// When there is no such revision, or a file of DVC is wrong.
    pub fn metrics(&self, targets: &[String], scope: &Scope) -> Result<IndexMap<String, Values>, DataError> {
        let mut answer = IndexMap::new();
        let view = self.view()?;
        let own = self.metrics_of(&view, &mut Source::Workspace(&self.root), targets)?;
        answer.insert(if scope.is_empty() { String::new() } else { "workspace".to_owned() }, own);
        if !scope.is_empty() {
            let mut git = Git::open(&self.root)?;
            for commit in self.commits(&git, scope)? {
                let view = self.view_at(&mut git, &commit)?;
                let values = self.metrics_of(&view, &mut Source::Revision { git: &mut git, commit: &commit }, targets)?;
                answer.insert(
                    super::git::run(&self.root, &["name-rev", "--name-only", "--no-undefined", &commit])
                        .map_or(commit, |n| n.trim().to_owned()),
                    values,
                );
            }
        }
        Ok(answer)
    }

    fn metrics_of(&self, view: &View, source: &mut Source<'_>, targets: &[String]) -> Result<Values, DataError> {
        let declared = view.items.iter().filter(|i| i.kind == OutKind::Metric).map(|i| i.path.clone()).chain(view.metrics.clone());
        let paths: Vec<String> =
            if targets.is_empty() { declared.collect() } else { targets.iter().map(|t| self.inside(t)).collect::<Result<_, _>>()? };
        let mut values = Values::new();
        for path in paths {
            let read = self.value_of(view, source, &path)?.map(|value| numbers(&value).unwrap_or_else(|| json!({})));
            values.insert(path, read);
        }
        Ok(values)
    }

    fn params_of(&self, view: &View, source: &mut Source<'_>, targets: &[String], deps: bool) -> Result<Values, DataError> {
        let mut wanted: IndexMap<String, Option<Vec<String>>> = IndexMap::new();
        if targets.is_empty() {
            for stage in &view.stages {
                let Body::Stage { spec, .. } = &stage.body else { continue };
                for (file, keys) in &spec.params {
                    let all = wanted.entry(stage.at_root(file)).or_insert_with(|| Some(Vec::new()));
                    match (all.as_mut(), keys.is_empty()) {
                        (Some(known), false) => known.extend(keys.iter().cloned()),
                        _ => *all = None,
                    }
                }
            }
            if !deps && source.read(DEFAULT_PARAMS)?.is_some() {
                wanted.insert(DEFAULT_PARAMS.to_owned(), None);
            }
        }
        for target in targets {
            wanted.insert(self.inside(target)?, None);
        }
        let mut values = Values::new();
        for (path, keys) in wanted {
            let read = self.value_of(view, source, &path)?.map(|value| match &keys {
                None => value,
                Some(keys) => picked(&value, keys),
            });
            values.insert(path, read);
        }
        Ok(values)
    }

    /// The value of a file; one that the cache keeps is read from there where the source has it not.
    fn value_of(&self, view: &View, source: &mut Source<'_>, path: &str) -> Result<Result<Value, String>, DataError> {
        let bytes = match source.read(path)? {
            Some(bytes) => Some(bytes),
            None => self.cached_bytes(view, path),
        };
        let Some(bytes) = bytes else { return Ok(Err(format!("{path} is not there"))) };
        let Ok(text) = String::from_utf8(bytes) else { return Ok(Err(format!("{path} is not UTF-8"))) };
        Ok(parse_params(path, &text).map_err(|e| e.to_string()))
    }

    /// The bytes of a tracked file, from the cache.
    pub(crate) fn cached_bytes(&self, view: &View, path: &str) -> Option<Vec<u8>> {
        let item = view.items.iter().find(|item| item.path == path || path.starts_with(&format!("{}/", item.path)))?;
        let md5 = item.entry.md5.clone()?;
        let md5 = match path.strip_prefix(&item.path)?.strip_prefix('/') {
            None => md5,
            Some(inner) => self.listing(item.entry.kind, &md5)?.into_iter().find(|(_, p)| p == inner)?.0,
        };
        std::fs::read(self.cache.object_of(item.entry.kind, &md5)).ok()
    }

    /// Metrics of two states.
    ///
    /// # Errors
    /// As [`Repo::metrics`].
    pub fn metrics_between(&self, old: &str, new: Option<&str>, targets: &[String]) -> Result<[Values; 2], DataError> {
        self.between(old, new, |repo, view, source| repo.metrics_of(view, source, targets))
    }

    /// Parameters of two states; `deps`: those alone that stages name.
    ///
    /// # Errors
    /// As [`Repo::metrics`].
    pub fn params_between(&self, old: &str, new: Option<&str>, targets: &[String], deps: bool) -> Result<[Values; 2], DataError> {
        self.between(old, new, |repo, view, source| repo.params_of(view, source, targets, deps))
    }

    /// Something of two states; of the first nothing where there is no commit yet.
    pub(crate) fn between<T: Default>(
        &self,
        old: &str,
        new: Option<&str>,
        read: impl Fn(&Repo, &View, &mut Source<'_>) -> Result<T, DataError>,
    ) -> Result<[T; 2], DataError> {
        if !self.uses_git() {
            return Err(DataError::Refused("revisions are compared, and this repository is not kept in Git".to_owned()));
        }
        let mut git = Git::open(&self.root)?;
        if git.resolve("HEAD").is_err() {
            return Ok([T::default(), T::default()]);
        }
        let mut at = |revision: Option<&str>| match revision.filter(|r| *r != "workspace") {
            None => read(self, &self.view()?, &mut Source::Workspace(&self.root)),
            Some(revision) => {
                let commit = git.resolve(revision)?;
                let view = self.view_at(&mut git, &commit)?;
                read(self, &view, &mut Source::Revision { git: &mut git, commit: &commit })
            }
        };
        Ok([at(Some(old))?, at(new)?])
    }
}

/// Numbers and texts, as DVC takes them for metrics.
fn numbers(value: &Value) -> Option<Value> {
    match value {
        Value::Number(_) | Value::String(_) | Value::Bool(_) => Some(value.clone()),
        Value::Object(map) => {
            let kept =
                map.iter().filter_map(|(k, v)| Some((k.clone(), numbers(v).filter(|v| v.as_object().is_none_or(|m| !m.is_empty()))?)));
            Some(Value::Object(kept.collect()))
        }
        Value::Null | Value::Array(_) => None,
    }
}

/// The keys alone, at their places.
fn picked(value: &Value, keys: &[String]) -> Value {
    let mut out = json!({});
    for key in keys {
        let parts: Vec<&str> = key.split('.').collect();
        let found = parts.iter().try_fold(value, |v, part| match v {
            Value::Array(items) => items.get(part.parse::<usize>().ok()?),
            other => other.get(part),
        });
        let Some(found) = found else { continue };
        let mut place = &mut out;
        for part in &parts {
            if !place.is_object() {
                *place = json!({});
            }
            place = &mut place[*part];
        }
        *place = found.clone();
    }
    out
}

/// What differs between two states, as DVC says it; `all`: what is the same too.
#[must_use]
pub fn diff_values(old: &Values, new: &Values, all: bool) -> ValuesDiff {
    let empty = json!({});
    let paths: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
    let mut diff = ValuesDiff::new();
    for path in paths {
        let value = |side: &Values| side.get(path).and_then(|v| v.as_ref().ok()).unwrap_or(&empty).clone();
        let (mut a, mut b) = (Vec::new(), Vec::new());
        flatten("", &value(old), &mut a);
        flatten("", &value(new), &mut b);
        let keys: BTreeSet<&String> = a.iter().chain(&b).map(|(k, _)| k).collect();
        let find = |side: &[(String, Value)], key: &str| side.iter().find(|(k, _)| k == key).map_or(Value::Null, |(_, v)| v.clone());
        let mut rows = Map::new();
        for key in keys {
            let (before, after) = (find(&a, key), find(&b, key));
            if all || before != after {
                rows.insert(key.clone(), row(before, after));
            }
        }
        if !rows.is_empty() {
            diff.insert(path.clone(), rows);
        }
    }
    diff
}

fn row(old: Value, new: Value) -> Value {
    let difference = match (&old, &new) {
        (Value::Number(a), Value::Number(b)) => match (a.as_i64(), b.as_i64()) {
            (Some(a), Some(b)) => b.checked_sub(a).map(Number::from),
            _ => a.as_f64().zip(b.as_f64()).and_then(|(a, b)| Number::from_f64(b - a)),
        },
        _ => None,
    };
    let mut row = json!({ "old": old, "new": new });
    if let Some(difference) = difference {
        row["diff"] = Value::Number(difference);
    }
    row
}

/// Keys with dots; lists are one text, as Python writes them.
fn flatten(prefix: &str, value: &Value, out: &mut Vec<(String, Value)>) {
    match value {
        Value::Object(map) => {
            for (key, inner) in map {
                let key = if prefix.is_empty() { key.clone() } else { format!("{prefix}.{key}") };
                flatten(&key, inner, out);
            }
        }
        Value::Array(_) => out.push((prefix.to_owned(), Value::String(python(value)))),
        other => out.push((prefix.to_owned(), other.clone())),
    }
}

fn python(value: &Value) -> String {
    match value {
        Value::Null => "None".to_owned(),
        Value::Bool(true) => "True".to_owned(),
        Value::Bool(false) => "False".to_owned(),
        Value::Number(n) => match n.as_f64().filter(|_| n.is_f64()) {
            Some(float) => float_repr(float),
            None => n.to_string(),
        },
        Value::String(text) => {
            let quote = if text.contains('\'') && !text.contains('"') { '"' } else { '\'' };
            let inner: String = text.chars().flat_map(|c| escaped(c, quote)).collect();
            format!("{quote}{inner}{quote}")
        }
        Value::Array(items) => format!("[{}]", items.iter().map(python).collect::<Vec<_>>().join(", ")),
        Value::Object(map) => {
            let entries: Vec<String> = map.iter().map(|(k, v)| format!("{}: {}", python(&json!(k)), python(v))).collect();
            format!("{{{}}}", entries.join(", "))
        }
    }
}

fn escaped(c: char, quote: char) -> Vec<char> {
    match c {
        '\n' => vec!['\\', 'n'],
        '\r' => vec!['\\', 'r'],
        '\t' => vec!['\\', 't'],
        '\\' => vec!['\\', '\\'],
        c if c == quote => vec!['\\', c],
        c => vec![c],
    }
}

#[cfg(test)]
mod tests {
    use super::{Values, diff_values, numbers, picked};
    use serde_json::json;

    #[test]
    fn differences_are_those_of_dvc() {
        let values = |v: serde_json::Value| Values::from_iter([("f".to_owned(), Ok(v))]);
        let old = values(json!({"a": 0.9, "n": {"x": 1, "l": [1, 2.0, true, null, "it's"]}, "same": 1}));
        let new = values(json!({"a": 0.95, "n": {"x": 3, "l": []}, "same": 1, "s": "t"}));
        let diff = diff_values(&old, &new, false);
        let expected = json!({
            "a": {"old": 0.9, "new": 0.95, "diff": 0.95 - 0.9},
            "n.l": {"old": "[1, 2.0, True, None, \"it's\"]", "new": "[]"},
            "n.x": {"old": 1, "new": 3, "diff": 2},
            "s": {"old": null, "new": "t"},
        });
        assert_eq!(serde_json::Value::Object(diff["f"].clone()), expected);
        assert!(diff_values(&old, &new, true)["f"].contains_key("same"));
    }

    #[test]
    fn metrics_are_numbers_and_texts() {
        assert_eq!(numbers(&json!({"a": [1], "b": {"c": null}, "d": 1})), Some(json!({"d": 1})));
        assert_eq!(picked(&json!({"a": {"b": 1, "c": 2}}), &["a.b".to_owned(), "x".to_owned()]), json!({"a": {"b": 1}}));
    }
}
