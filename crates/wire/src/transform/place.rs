//! From a mistake that compiling finds to the line and column where it is written.

use crate::config::Problem;
use crate::yaml::Node;
use tidegate_core::transform::{Operation, Place, TransformError};

/// The mistake as a problem of the file.
pub(super) fn problem(root: &Node, mistake: TransformError) -> Problem {
    let node = find(root, &mistake).unwrap_or(root);
    let found = node.text().map(std::borrow::Cow::into_owned).unwrap_or_default();
    let path = path(root, &mistake);
    Problem { line: node.line, column: node.column, path, found, message: mistake.message, help: None }
}

fn find<'n>(root: &'n Node, mistake: &TransformError) -> Option<&'n Node> {
    let key = mistake.key;
    match mistake.place {
        Place::Whole => root.get(key).or(Some(root)),
        Place::Record(index) => {
            let (name, value) = root.get("record")?.as_map()?.get(index)?;
            if key == "name" { Some(name) } else { value.get(key).or(Some(value)) }
        }
        Place::Time => inside(root.get("time")?, key, None),
        Place::Id => root.get("id"),
        Place::Step(index) => {
            let step = root.get("steps")?.as_seq()?.get(index)?;
            let operation = Operation::NAMES.iter().find_map(|name| step.get(name));
            let there = operation.and_then(|operation| operation.get(key)).or_else(|| step.get(key)).or(operation)?;
            item(there, mistake.item)
        }
        Place::Input(index) => {
            let (name, value) = root.get("inputs")?.as_map()?.get(index)?;
            if key == "tensor" { Some(name) } else { inside(value, key, mistake.item) }
        }
        Place::Score => inside(root.get("score")?, key, None),
    }
}

/// The key's value in a mapping, or the short form that stands in the mapping's place.
fn inside<'n>(node: &'n Node, key: &str, index: Option<usize>) -> Option<&'n Node> {
    item(node.get(key).unwrap_or(node), index)
}

fn item(node: &Node, index: Option<usize>) -> Option<&Node> {
    index.and_then(|index| node.as_seq()?.get(index)).or(Some(node))
}

fn path(root: &Node, mistake: &TransformError) -> String {
    let name = |of: &str, index: usize| {
        let key = root.get(of).and_then(Node::as_map).and_then(|entries| entries.get(index)).and_then(|(key, _)| key.text());
        format!("{of}.{}", key.unwrap_or_default())
    };
    let part = match mistake.place {
        Place::Record(index) => name("record", index),
        Place::Input(index) => name("inputs", index),
        Place::Whole => String::new(),
        other => other.to_string(),
    };
    match (part.is_empty(), mistake.key.is_empty()) {
        (true, _) => mistake.key.to_owned(),
        (false, true) => part,
        (false, false) => format!("{part}.{}", mistake.key),
    }
}
