//! A checkpoint of a Great Expectations project, found by its name: which suites are to be held against which files.
//!
//! Read as the project lies on disk (`gx/` or `great_expectations/`, version 1). Sources on files are followed; what
//! lies in databases is refused by name.

use crate::exit::{self, failure};
use crate::workspace::read_text;
use anyhow::Result;
use serde_json::Value;
use std::path::{Path, PathBuf};

/// Where projects lie.
const PROJECTS: [&str; 2] = ["gx", "great_expectations"];

/// A suite and the file that it is held against.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Validation {
    /// Its name.
    pub name: String,
    /// The suite's file, from the root of the workspace.
    pub suite: String,
    /// The data.
    pub data: PathBuf,
}

/// The validations of a checkpoint; none when there is no project with one of this name.
///
/// # Errors
/// When a part of it is missing, or its data are not in files.
pub fn find(root: &Path, name: &str) -> Result<Option<Vec<Validation>>> {
    let file = |project: &&str| root.join(project).join("checkpoints").join(format!("{name}.json"));
    // A name is a file's name, never a way to another folder.
    let Some(project) = PROJECTS.iter().find(|p| !name.contains(['/', '\\']) && file(p).exists()) else { return Ok(None) };
    let checkpoint = json(&file(project))?;
    let names: Vec<&str> =
        checkpoint["validation_definitions"].as_array().into_iter().flatten().filter_map(|v| v["name"].as_str()).collect();
    if names.is_empty() {
        return Err(failure(exit::USAGE, format!("checkpoint `{name}`: it has no validation definition, so nothing would be checked")));
    }
    let config = root.join(project).join("great_expectations.yml");
    let config =
        tidegate_wire::yaml::parse(&read_text(&config)?).map_err(|e| failure(exit::USAGE, format!("{}: {e}", config.display())))?.to_json();
    names.into_iter().map(|v| validation(root, project, &config, v)).collect::<Result<_>>().map(Some)
}

fn json(path: &Path) -> Result<Value> {
    serde_json::from_str(&read_text(path)?).map_err(|e| failure(exit::USAGE, format!("{}: {e}", path.display())))
}

fn validation(root: &Path, project: &str, config: &Value, name: &str) -> Result<Validation> {
    let definition = json(&root.join(project).join("validation_definitions").join(format!("{name}.json")))?;
    let text = |v: &Value| v["name"].as_str().unwrap_or_default().to_owned();
    let (source, asset, batch) =
        (text(&definition["data"]["datasource"]), text(&definition["data"]["asset"]), text(&definition["data"]["batch_definition"]));
    let wrong = |what: String| failure(exit::USAGE, format!("validation `{name}` of {project}: {what}"));
    let described = &config["fluent_datasources"][&source];
    let kind = described["type"].as_str().unwrap_or("none");
    if !matches!(kind, "pandas_filesystem" | "spark_filesystem" | "pandas") {
        return Err(wrong(format!(
            "data source `{source}` is of type {kind}: only files are read; name the data under `data` of tidegate.yaml"
        )));
    }
    let asset_of = &described["assets"][&asset];
    let data = match asset_of["filepath_or_buffer"].as_str().or_else(|| asset_of["path"].as_str()) {
        Some(path) => place(root, project, path),
        None => {
            let base = described["base_directory"].as_str().ok_or_else(|| wrong(format!("data source `{source}` names no folder")))?;
            let pattern = asset_of["batch_definitions"][&batch]["partitioner"]["regex"].as_str();
            let pattern = pattern.ok_or_else(|| wrong(format!("batch definition `{batch}` names no file")))?;
            batch_file(&place(root, project, base), pattern).ok_or_else(|| {
                wrong(format!("no file of `{base}` is called as `{pattern}` spells: name one file in the batch definition"))
            })?
        }
    };
    Ok(Validation { name: name.to_owned(), suite: format!("{project}/expectations/{}.json", text(&definition["suite"])), data })
}

/// A path of the project: from the root, or from the project's own folder.
fn place(root: &Path, project: &str, path: &str) -> PathBuf {
    let inner = root.join(project).join(path);
    let outer = root.join(path);
    if !outer.exists() && inner.exists() { inner } else { outer }
}

/// The file that a pattern spells. One that could mean several files is no answer: which one was checked would be chance.
fn batch_file(base: &Path, pattern: &str) -> Option<PathBuf> {
    let plain: String = pattern.trim_start_matches('^').trim_end_matches('$').replace('\\', "");
    Some(base.join(plain)).filter(|p| p.is_file())
}
