//! One stage of `dvc.yaml`, its expressions resolved, as the domain knows it.

use super::context::{Context, DEFAULT_PARAMS, Read};
use super::error::Problem;
use super::expand::Template;
use super::interpolate::{Allow, Options, resolve};
use crate::yaml::Node;
use indexmap::IndexMap;
use serde_json::{Map, Value};
use tidegate_core::pipeline::{Command, OutKind, OutSpec, StageSpec, join_path};

const KEYS: [&str; 12] = ["cmd", "wdir", "deps", "params", "outs", "metrics", "plots", "frozen", "always_changed", "meta", "desc", "vars"];
const OUT_KEYS: [&str; 8] = ["cache", "persist", "remote", "push", "desc", "type", "labels", "meta"];
const PLOT_KEYS: [&str; 7] = ["template", "x", "y", "x_label", "y_label", "title", "header"];

/// The stage of `template`.
pub(super) fn stage_of(template: &Template<'_>, options: Options, read: Read<'_>) -> Result<StageSpec, Vec<Problem>> {
    let Template { name, body, context } = template;
    let Some(entries) = body.as_map() else {
        return Err(vec![Problem::at(body, format!("stage `{name}` is {}; it is a mapping with `cmd`", body.kind()))]);
    };
    let mut stage = Stage::new(name);
    let context = stage.own_context(body, context, read)?;
    for (key, node) in entries {
        let key_text = key.text().unwrap_or_default();
        match key_text.as_ref() {
            "vars" | "wdir" | "matrix" => {}
            known if KEYS.contains(&known) => stage.take(known, node, &context, options),
            other => stage.problems.push(unknown_key(key, other, &KEYS, &format!("stage `{name}`"))),
        }
    }
    if body.get("cmd").is_none() {
        stage.problems.push(Problem::at(body, format!("stage `{name}` has no `cmd`")));
    }
    if stage.problems.is_empty() { Ok(stage.spec) } else { Err(stage.problems) }
}

/// A message about a key that nobody knows, with the nearest one that is known.
pub(super) fn unknown_key(node: &Node, key: &str, known: &[&str], of: &str) -> Problem {
    let near = known.iter().map(|k| (strsim::damerau_levenshtein(key, k), k)).min_by_key(|(distance, _)| *distance);
    let hint = match near {
        Some((distance, name)) if distance <= 2 => format!("did you mean `{name}`?"),
        _ => format!("known keys are {}", known.join(", ")),
    };
    Problem::at(node, format!("{of} has an unknown key `{key}`: {hint}"))
}

struct Stage {
    spec: StageSpec,
    problems: Vec<Problem>,
}

impl Stage {
    fn new(name: &str) -> Stage {
        let spec = StageSpec {
            name: name.to_owned(),
            own_name: name.to_owned(),
            file: String::new(),
            cmd: None,
            wdir: String::new(),
            deps: Vec::new(),
            params: IndexMap::new(),
            outs: Vec::new(),
            frozen: false,
            always_changed: false,
            desc: None,
        };
        Stage { spec, problems: Vec::new() }
    }

    /// Resolves `wdir` and adds the stage's own `vars`.
    fn own_context(&mut self, body: &Node, context: &Context, read: Read<'_>) -> Result<Context, Vec<Problem>> {
        if let Some(node) = body.get("wdir") {
            match resolve(node, context, Allow::Scalar)? {
                Value::Null => {}
                Value::Array(_) | Value::Object(_) => return Err(vec![self.wrong(node, "wdir", "a path")]),
                value => self.spec.wdir = join_path("", &super::python::to_text(&value)),
            }
        }
        let mut context = context.clone();
        context.add_vars(body.get("vars"), &self.spec.wdir, read)?;
        Ok(context)
    }

    fn wrong(&self, node: &Node, key: &str, wanted: &str) -> Problem {
        Problem::at(node, format!("`{key}` of stage `{}` is {}; it is {wanted}", self.spec.name, node.kind()))
    }

    fn take(&mut self, key: &str, node: &Node, context: &Context, options: Options) {
        let allow = if key == "cmd" { Allow::Options(options) } else { Allow::Scalar };
        let value = match resolve(node, context, allow) {
            Ok(value) => value,
            Err(found) => return self.problems.extend(found),
        };
        let taken = match (key, value) {
            ("meta", _) | ("deps" | "params" | "outs" | "metrics" | "plots" | "desc", Value::Null) => Ok(()),
            ("cmd", value) => self.command(node, value),
            ("deps", Value::Array(items)) => items.into_iter().try_for_each(|item| self.dependency(node, item)),
            ("params", Value::Array(items)) => items.into_iter().try_for_each(|item| self.parameter(node, item)),
            ("outs", Value::Array(items)) => items.into_iter().try_for_each(|item| self.output(node, OutKind::Out, item)),
            ("metrics", Value::Array(items)) => items.into_iter().try_for_each(|item| self.output(node, OutKind::Metric, item)),
            ("plots", Value::Array(items)) => items.into_iter().try_for_each(|item| self.output(node, OutKind::Plot, item)),
            ("frozen", Value::Bool(flag)) => {
                self.spec.frozen = flag;
                Ok(())
            }
            ("always_changed", Value::Bool(flag)) => {
                self.spec.always_changed = flag;
                Ok(())
            }
            ("desc", Value::String(text)) => {
                self.spec.desc = Some(text);
                Ok(())
            }
            ("frozen" | "always_changed", _) => Err(self.wrong(node, key, "true or false")),
            ("desc", _) => Err(self.wrong(node, key, "a text")),
            (_, _) => Err(self.wrong(node, key, "a list")),
        };
        self.problems.extend(taken.err());
    }

    fn command(&mut self, node: &Node, value: Value) -> Result<(), Problem> {
        let wanted = "a text or a list of texts, not empty (quote one that holds `: `)";
        self.spec.cmd = Some(match value {
            Value::String(text) if !text.trim().is_empty() => Command::One(text),
            Value::Array(items) if !items.is_empty() => {
                let texts: Option<Vec<String>> = items
                    .into_iter()
                    .map(|item| match item {
                        Value::String(text) => Some(text),
                        _ => None,
                    })
                    .collect();
                Command::Many(texts.ok_or_else(|| self.wrong(node, "cmd", wanted))?)
            }
            _ => return Err(self.wrong(node, "cmd", wanted)),
        });
        Ok(())
    }

    fn dependency(&mut self, node: &Node, item: Value) -> Result<(), Problem> {
        let path = self.path(node, "deps", item)?;
        if !self.spec.deps.contains(&path) {
            self.spec.deps.push(path);
        }
        Ok(())
    }

    fn path(&self, node: &Node, key: &str, item: Value) -> Result<String, Problem> {
        match item {
            Value::String(path) if path.contains("://") => Err(Problem::at(
                node,
                format!("stage `{}`: `{path}` is a remote path; only paths of this machine can be stages' files", self.spec.name),
            )),
            // As written, `./` and a slash at the end too: so it stands in the lock file.
            Value::String(path) if !path.is_empty() => Ok(path),
            _ => Err(Problem::at(node, format!("`{key}` of stage `{}` holds something that is no path", self.spec.name))),
        }
    }

    fn parameter(&mut self, node: &Node, item: Value) -> Result<(), Problem> {
        match item {
            Value::String(key) => self.add_keys(DEFAULT_PARAMS, vec![key]),
            Value::Object(files) => {
                for (file, keys) in files {
                    let keys = match keys {
                        Value::Null => Vec::new(),
                        Value::Array(keys) => keys
                            .into_iter()
                            .map(|key| match key {
                                Value::Array(_) | Value::Object(_) | Value::Null => Err(self.wrong(node, "params", "keys")),
                                key => Ok(super::python::to_text(&key)),
                            })
                            .collect::<Result<_, _>>()?,
                        _ => return Err(self.wrong(node, "params", "a list of keys and of `{file: [keys]}`")),
                    };
                    self.add_keys(&file, keys);
                }
            }
            _ => return Err(self.wrong(node, "params", "a list of keys and of `{file: [keys]}`")),
        }
        Ok(())
    }

    fn add_keys(&mut self, file: &str, keys: Vec<String>) {
        let whole = keys.is_empty();
        let entry = self.spec.params.entry(file.to_owned());
        let known = matches!(entry, indexmap::map::Entry::Occupied(_));
        let list = entry.or_default();
        // The whole file asked for once is the whole file, whatever else is asked for.
        if whole || (known && list.is_empty()) {
            list.clear();
            return;
        }
        for key in keys {
            if !list.contains(&key) {
                list.push(key);
            }
        }
    }

    fn output(&mut self, node: &Node, kind: OutKind, item: Value) -> Result<(), Problem> {
        match item {
            Value::Object(map) => {
                for (path, flags) in map {
                    let out = self.flags(node, kind, path, flags)?;
                    self.add_output(node, out)?;
                }
                Ok(())
            }
            item => {
                let path = self.path(node, "outs", item)?;
                self.add_output(node, OutSpec::new(path, kind))
            }
        }
    }

    fn flags(&self, node: &Node, kind: OutKind, path: String, flags: Value) -> Result<OutSpec, Problem> {
        let path = self.path(node, "outs", Value::String(path))?;
        let mut out = OutSpec::new(path, kind);
        let maps: Vec<Map<String, Value>> = match flags {
            Value::Null => Vec::new(),
            Value::Object(map) => vec![map],
            Value::Array(items) if kind == OutKind::Plot => items.into_iter().filter_map(|v| v.as_object().cloned()).collect(),
            _ => return Err(Problem::at(node, format!("output `{}` of stage `{}`: its settings are a mapping", out.path, self.spec.name))),
        };
        let mut plot = Map::new();
        for (key, value) in maps.into_iter().flatten() {
            let flag = |value: &Value| {
                value.as_bool().ok_or_else(|| Problem::at(node, format!("`{key}` of output `{}` is true or false", out.path)))
            };
            match key.as_str() {
                "cache" => out.cache = flag(&value)?,
                "persist" => out.persist = flag(&value)?,
                "push" => out.push = flag(&value)?,
                "remote" => out.remote = value.as_str().map(str::to_owned),
                known if OUT_KEYS.contains(&known) => {}
                known if kind == OutKind::Plot && PLOT_KEYS.contains(&known) => drop(plot.insert(key, value)),
                other => return Err(unknown_key(node, other, &OUT_KEYS, &format!("output `{}`", out.path))),
            }
        }
        out.plot = (!plot.is_empty()).then_some(Value::Object(plot));
        Ok(out)
    }

    /// Settings of an output that is named twice in one list add up.
    fn add_output(&mut self, node: &Node, out: OutSpec) -> Result<(), Problem> {
        let Some(old) = self.spec.outs.iter_mut().find(|o| o.path == out.path) else {
            self.spec.outs.push(out);
            return Ok(());
        };
        if old.kind != out.kind {
            return Err(Problem::at(node, format!("stage `{}` names output `{}` in two lists", self.spec.name, out.path)));
        }
        let plot = out.plot.or_else(|| old.plot.take());
        *old = OutSpec {
            cache: old.cache && out.cache,
            persist: old.persist || out.persist,
            push: old.push && out.push,
            remote: out.remote.or_else(|| old.remote.take()),
            plot,
            path: out.path,
            kind: out.kind,
        };
        Ok(())
    }
}
