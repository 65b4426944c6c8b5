//! Values of metrics files.

use crate::workspace::Workspace;
use indexmap::IndexMap;
use serde_json::Value;
use tidegate_core::pipeline::OutKind;
use tidegate_wire::dvc::parse_params;

/// The values of all metrics files that are there, by path. A file that is no JSON or YAML is left out and named.
pub(crate) fn read(workspace: &Workspace) -> (IndexMap<String, Value>, Vec<String>) {
    let of_stages = workspace
        .graph
        .stages()
        .iter()
        .flat_map(|stage| stage.outs.iter().filter(|o| o.kind == OutKind::Metric).map(|o| stage.from_workspace(&o.path)));
    let (mut values, mut unread) = (IndexMap::new(), Vec::new());
    let beside = workspace.beside.values().flat_map(|b| b.metrics.iter().cloned());
    for path in of_stages.chain(beside) {
        let Ok(text) = std::fs::read_to_string(workspace.root.join(&path)) else { continue };
        match parse_params(&path, &text) {
            Ok(value) => {
                values.insert(workspace.from_base(&path), value);
            }
            Err(error) => unread.push(format!("metrics are not read: {error}")),
        }
    }
    (values, unread)
}
