//! A whole `dvc.yaml`.

use super::context::{Context, Read};
use super::error::{DvcError, Problem};
use super::expand::expand;
use super::interpolate::{Allow, resolve};
use super::stage::{stage_of, unknown_key};
use crate::yaml::{self, Node};
use serde_json::Value;
use tidegate_core::pipeline::{Pipeline, join_path};

const KEYS: [&str; 7] = ["vars", "stages", "plots", "metrics", "params", "artifacts", "datasets"];

/// The pipeline in `text`. `read` gives the text of a parameter file by its path from the pipeline's folder, or none.
///
/// # Errors
/// All mistakes at once, each with its place.
pub fn parse_pipeline(file: &str, text: &str, read: &mut dyn FnMut(&str) -> Result<Option<String>, String>) -> Result<Pipeline, DvcError> {
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
    read_stages(&root, &context, read, &mut pipeline, &mut problems);
    for (key, into) in [("metrics", &mut pipeline.metrics), ("plots", &mut pipeline.plots)] {
        if let Some(node) = root.get(key) {
            match resolve(node, &context, Allow::Scalar) {
                Ok(value) => into.extend(paths(&value)),
                Err(found) => problems.extend(found),
            }
        }
    }
    if problems.is_empty() { Ok(pipeline) } else { Err(all(problems)) }
}

fn read_stages(root: &Node, context: &Context, read: Read<'_>, pipeline: &mut Pipeline, problems: &mut Vec<Problem>) {
    let Some(stages) = root.get("stages") else { return };
    if stages.is_null() {
        return;
    }
    let Some(entries) = stages.as_map() else {
        return problems.push(Problem::at(stages, format!("`stages` is {}; it is a mapping of names to stages", stages.kind())));
    };
    for (key, node) in entries {
        let name = key.text().unwrap_or_default();
        if let Some(bad) = name.chars().find(|c| c.is_ascii_punctuation() && !matches!(c, '_' | '-')) {
            problems.push(Problem::at(key, format!("stage name `{name}` holds `{bad}`: of punctuation only `_` and `-` may stand in one")));
            continue;
        }
        match expand(&name, node, context) {
            Err(found) => problems.extend(found),
            Ok(templates) => {
                for template in templates {
                    match stage_of(&template, read) {
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

/// Paths of a list of texts and of mappings whose keys are paths.
fn paths(value: &Value) -> Vec<String> {
    let items = value.as_array().map(Vec::as_slice).unwrap_or_default();
    items
        .iter()
        .flat_map(|item| match item {
            Value::String(path) => vec![join_path("", path)],
            // A plot whose `y` names files is called by a title, not by a path.
            Value::Object(map) => map
                .iter()
                .filter(|(_, settings)| !settings.get("y").is_some_and(Value::is_object))
                .map(|(path, _)| join_path("", path))
                .collect(),
            _ => Vec::new(),
        })
        .collect()
}
