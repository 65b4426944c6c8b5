//! The values that `${...}` may name: `params.yaml`, files and mappings under `vars`, and `item` and `key`.

use super::error::Problem;
use super::interpolate::has_expression;
use super::params::parse_with;
use super::scalar::{Keys, value_with};
use crate::yaml::{Node, Value as Yaml};
use indexmap::IndexMap;
use serde_json::{Map, Value};
use tidegate_core::pipeline::join_path;

/// Reads a file by its path from the pipeline's folder; none when there is none.
pub(super) type Read<'a> = &'a mut dyn FnMut(&str) -> Result<Option<String>, String>;

/// The file whose values need not be asked for.
pub(super) const DEFAULT_PARAMS: &str = "params.yaml";

/// The values, and which files they came from.
#[derive(Clone, Debug, Default)]
pub(super) struct Context {
    values: Map<String, Value>,
    /// Files that were loaded, whole (none) or in part.
    loaded: IndexMap<String, Option<Vec<String>>>,
}

impl Context {
    /// The values at the top of a pipeline's file.
    pub(super) fn of_pipeline(vars: Option<&Node>, read: Read<'_>) -> Result<Context, Vec<Problem>> {
        let mut context = Context::default();
        let nowhere = Node { value: Yaml::Null, line: 1, column: 1, raw: None };
        let place = vars.unwrap_or(&nowhere);
        match read(DEFAULT_PARAMS) {
            Ok(Some(_)) => context.load(DEFAULT_PARAMS, "", place, read).map_err(|p| vec![p])?,
            Ok(None) => {}
            Err(message) => return Err(vec![Problem::at(place, message)]),
        }
        context.add_vars(vars, "", read)?;
        Ok(context)
    }

    /// Adds what stands under `vars`; files are looked for from `wdir`.
    pub(super) fn add_vars(&mut self, vars: Option<&Node>, wdir: &str, read: Read<'_>) -> Result<(), Vec<Problem>> {
        let Some(vars) = vars else { return Ok(()) };
        let Some(items) = vars.as_seq() else {
            return Err(vec![Problem::at(vars, format!("`vars` is {}; it is a list of files and mappings", vars.kind()))]);
        };
        let mut problems = Vec::new();
        for item in items {
            if let Some(inside) = expression_in(item) {
                problems.push(Problem::at(inside, "`vars` cannot use `${...}`: it is what `${...}` is looked up in"));
                continue;
            }
            let added = match &item.value {
                Yaml::Str(file) => self.load(file, wdir, item, read),
                Yaml::Map(_) => value_with(item, Keys::Dropped).and_then(|value| self.merge(value, item)),
                _ => Err(Problem::at(item, format!("an entry of `vars` is a file or a mapping, not {}", item.kind()))),
            };
            problems.extend(added.err());
        }
        if problems.is_empty() { Ok(()) } else { Err(problems) }
    }

    /// These values with `item` and perhaps `key` set.
    pub(super) fn with_item(&self, item: &Value, key: Option<&str>) -> Context {
        let mut context = self.clone();
        context.values.insert("item".to_owned(), item.clone());
        if let Some(key) = key {
            context.values.insert("key".to_owned(), Value::String(key.to_owned()));
        }
        context
    }

    pub(super) fn values(&self) -> &Map<String, Value> {
        &self.values
    }

    /// Loads `file` or `file:key,key`.
    fn load(&mut self, item: &str, wdir: &str, place: &Node, read: Read<'_>) -> Result<(), Problem> {
        let (file, keys) = item.split_once(':').unwrap_or((item, ""));
        let keys: Vec<String> = keys.split(',').filter(|k| !k.is_empty()).map(str::to_owned).collect();
        let path = join_path(wdir, file);
        if let Some(before) = self.loaded.get(&path) {
            match (before, keys.is_empty()) {
                (None, true) => return Ok(()),
                (None, false) => return Err(Problem::at(place, format!("`{item}`: all of `{file}` is loaded already"))),
                (Some(_), true) => return Err(Problem::at(place, format!("`{item}`: part of `{file}` is loaded already"))),
                (Some(old), false) if keys.iter().any(|k| old.contains(k)) => {
                    return Err(Problem::at(place, format!("`{item}`: one of these keys is loaded already")));
                }
                (Some(_), false) => {}
            }
        }
        let text = read(&path).map_err(|m| Problem::at(place, m))?;
        let text = text.ok_or_else(|| Problem::at(place, format!("`vars` names the file `{path}`, which does not exist")))?;
        let value = parse_with(&path, &text, Keys::Dropped).map_err(|e| Problem::at(place, e.to_string()))?;
        let Value::Object(mut map) = value else {
            return Err(Problem::at(place, format!("`{path}` is not a mapping of names to values")));
        };
        if let Some(missing) = keys.iter().find(|k| !map.contains_key(*k)) {
            return Err(Problem::at(place, format!("`{path}` has no key `{missing}`")));
        }
        if !keys.is_empty() {
            map.retain(|key, _| keys.contains(key));
        }
        self.merge(Value::Object(map), place)?;
        let entry = self.loaded.entry(path).or_insert_with(|| if keys.is_empty() { None } else { Some(Vec::new()) });
        if let Some(old) = entry {
            old.extend(keys);
        }
        Ok(())
    }

    fn merge(&mut self, value: Value, place: &Node) -> Result<(), Problem> {
        let Value::Object(map) = value else { return Ok(()) };
        merge_into(&mut self.values, map, "")
            .map_err(|key| Problem::at(place, format!("`{key}` is defined twice in `vars`: later values may not replace earlier ones")))
    }
}

/// The first text in `node` that holds an expression.
fn expression_in(node: &Node) -> Option<&Node> {
    match &node.value {
        Yaml::Str(text) => has_expression(text).then_some(node),
        Yaml::Seq(items) => items.iter().find_map(expression_in),
        Yaml::Map(entries) => entries.iter().find_map(|(key, value)| expression_in(key).or_else(|| expression_in(value))),
        _ => None,
    }
}

fn merge_into(into: &mut Map<String, Value>, from: Map<String, Value>, prefix: &str) -> Result<(), String> {
    for (key, value) in from {
        let path = if prefix.is_empty() { key.clone() } else { format!("{prefix}.{key}") };
        match (into.get_mut(&key), value) {
            (Some(Value::Object(old)), Value::Object(new)) => merge_into(old, new, &path)?,
            (Some(_), _) => return Err(path),
            (None, value) => {
                into.insert(key, value);
            }
        }
    }
    Ok(())
}
