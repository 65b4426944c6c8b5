//! A whole `dvc.yaml`.

use super::context::{Context, Read};
use super::error::{DvcError, Problem};
use super::expand::expand;
use super::interpolate::{Allow, Options, resolve};
use super::stage::{stage_of, unknown_key};
use crate::yaml::{self, Node};
use indexmap::IndexMap;
use serde_json::Value;
use tidegate_core::pipeline::{ArtifactSpec, Pipeline, PlotSpec};

const KEYS: [&str; 7] = ["vars", "stages", "plots", "metrics", "params", "artifacts", "datasets"];

/// The pipeline in `text`. `read` gives the text of a parameter file by its path from the pipeline's folder, or none.
///
/// # Errors
/// All mistakes at once, each with its place.
pub fn parse_pipeline(
    file: &str,
    text: &str,
    options: Options,
    read: &mut dyn FnMut(&str) -> Result<Option<String>, String>,
) -> Result<Pipeline, DvcError> {
    let root = yaml::parse(text).map_err(|e| DvcError::one(file, e))?;
    let all = |problems| DvcError { file: file.to_owned(), problems };
    if root.is_null() {
        return Ok(Pipeline::default());
    }
    let Some(entries) = root.as_map() else {
        return Err(DvcError::one(file, Problem::at(&root, format!("the file is {}; it is a mapping with `stages`", root.kind()))));
    };
    let mut problems = Vec::new();
    for (key, _) in entries {
        match key.text().unwrap_or_default().as_ref() {
            "datasets" => problems.push(Problem::at(key, "`datasets` is not understood here: declare the data as dependencies")),
            known if KEYS.contains(&known) => {}
            other => problems.push(unknown_key(key, other, &KEYS, "the file")),
        }
    }
    let context = Context::of_pipeline(root.get("vars"), read).map_err(all)?;
    let mut pipeline = Pipeline::default();
    read_stages(&root, &context, options, read, &mut pipeline, &mut problems);
    let mut section = |key: &str| -> Value {
        let Some(node) = root.get(key) else { return Value::Null };
        resolve(node, &context, Allow::Scalar).unwrap_or_else(|found| {
            problems.extend(found);
            Value::Null
        })
    };
    pipeline.metrics = paths(&section("metrics"));
    pipeline.params = paths(&section("params"));
    pipeline.plots = plots(section("plots"));
    pipeline.artifacts = artifacts(&section("artifacts"));
    if problems.is_empty() { Ok(pipeline) } else { Err(all(problems)) }
}

fn read_stages(root: &Node, context: &Context, options: Options, read: Read<'_>, pipeline: &mut Pipeline, problems: &mut Vec<Problem>) {
    let Some(stages) = root.get("stages") else { return };
    if stages.is_null() {
        return;
    }
    let Some(entries) = stages.as_map() else {
        return problems.push(Problem::at(stages, format!("`stages` is {}; it is a mapping of names to stages", stages.kind())));
    };
    for (key, node) in entries {
        let name = key.text().unwrap_or_default();
        if name.contains('@') {
            problems.push(Problem::at(key, format!("stage name `{name}` holds `@`, which stands between a group and its item")));
            continue;
        }
        match expand(&name, node, context) {
            Err(found) => problems.extend(found),
            Ok(templates) => {
                for template in templates {
                    match stage_of(&template, options, read) {
                        Ok(stage) => pipeline.stages.push(stage),
                        Err(found) => {
                            // One mistake in a template is one message, not one for each stage that it makes.
                            problems.extend(found);
                            break;
                        }
                    }
                }
            }
        }
    }
}

/// The texts of a list.
fn paths(value: &Value) -> Vec<String> {
    let items = value.as_array().map(Vec::as_slice).unwrap_or_default();
    items.iter().filter_map(|item| item.as_str().map(str::to_owned)).collect()
}

/// A list of paths and of mappings of names to settings.
fn plots(value: Value) -> Vec<PlotSpec> {
    let Value::Array(items) = value else { return Vec::new() };
    let of = |item| match item {
        Value::String(id) => vec![PlotSpec { id, settings: None }],
        Value::Object(map) => {
            map.into_iter().map(|(id, settings)| PlotSpec { id, settings: (!settings.is_null()).then_some(settings) }).collect()
        }
        _ => Vec::new(),
    };
    items.into_iter().flat_map(of).collect()
}

fn artifacts(value: &Value) -> IndexMap<String, ArtifactSpec> {
    let of = |entry: &Value| {
        let text = |key: &str| entry.get(key).and_then(Value::as_str).map(str::to_owned);
        let labels = entry.get("labels").map(paths).unwrap_or_default();
        Some(ArtifactSpec { path: text("path")?, kind: text("type"), desc: text("desc"), labels })
    };
    value.as_object().into_iter().flatten().filter_map(|(name, entry)| Some((name.clone(), of(entry)?))).collect()
}
