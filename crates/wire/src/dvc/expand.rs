//! `foreach` and `matrix`: one declaration, many stages.

use super::context::Context;
use super::error::Problem;
use super::interpolate::{Allow, resolve};
use super::python::{to_str, to_text};
use crate::yaml::Node;
use indexmap::IndexMap;
use serde_json::{Map, Value};

/// Most stages that one declaration may make.
pub const GENERATED_MAX: usize = 10_000;

/// A stage still to be resolved: its name, its body, and the values that it sees.
pub(super) struct Template<'a> {
    pub(super) name: String,
    pub(super) body: &'a Node,
    pub(super) context: Context,
}

/// The stages of one entry under `stages`.
pub(super) fn expand<'a>(name: &str, node: &'a Node, context: &Context) -> Result<Vec<Template<'a>>, Vec<Problem>> {
    let keyed: IndexMap<String, (Value, bool)>;
    let body;
    match (node.get("foreach"), node.get("do"), node.get("matrix")) {
        (None, None, None) => return Ok(vec![Template { name: name.to_owned(), body: node, context: context.clone() }]),
        (Some(data), Some(inner), None) => {
            if let Some((key, _)) = node.as_map().unwrap_or_default().iter().find(|(k, _)| !matches!(k.as_str(), Some("foreach" | "do"))) {
                return Err(vec![Problem::at(key, "beside `foreach` only `do` may stand")]);
            }
            keyed = foreach_items(data, context)?;
            body = inner;
        }
        (None, None, Some(axes)) => {
            keyed = matrix_items(axes, context)?.into_iter().map(|(k, v)| (k, (v, true))).collect();
            body = node;
        }
        (Some(data), None, _) => return Err(vec![Problem::at(data, format!("stage `{name}` has `foreach` but no `do`"))]),
        (None, Some(inner), _) => return Err(vec![Problem::at(inner, format!("stage `{name}` has `do` but no `foreach`"))]),
        (Some(data), _, Some(_)) => {
            return Err(vec![Problem::at(data, format!("stage `{name}` has both `foreach` and `matrix`: choose one"))]);
        }
    }
    if keyed.len() > GENERATED_MAX {
        let message = format!("stage `{name}` would become {} stages; at most {GENERATED_MAX} are made", keyed.len());
        return Err(vec![Problem::at(node, message)]);
    }
    Ok(keyed
        .into_iter()
        .map(|(key, (item, named))| Template {
            name: format!("{name}@{key}"),
            body,
            context: context.with_item(&item, named.then_some(key.as_str())),
        })
        .collect())
}

/// By key: the item, and whether `${key}` exists (for mappings).
fn foreach_items(data: &Node, context: &Context) -> Result<IndexMap<String, (Value, bool)>, Vec<Problem>> {
    match resolve(data, context, Allow::Anything)? {
        Value::Object(map) => Ok(map.into_iter().map(|(key, value)| (key, (value, true))).collect()),
        Value::Array(items) => {
            let composite = items.iter().any(|v| v.is_array() || v.is_object());
            Ok(items
                .into_iter()
                .enumerate()
                .map(|(i, value)| (if composite { i.to_string() } else { word(data, i, &value) }, (value, false)))
                .collect())
        }
        _ => Err(vec![Problem::at(data, format!("`foreach` goes over a list or a mapping; this is {}", data.kind()))]),
    }
}

/// A value of a list as it stands in a stage's name. DVC writes `true` where it stands in the list, and `True` where an
/// expression gave it.
fn word(list: &Node, index: usize, value: &Value) -> String {
    let literal = list.as_seq().and_then(|items| items.get(index)).is_some_and(|item| item.as_str().is_none());
    if literal { to_text(value) } else { to_str(value) }
}

/// All combinations, the last axis fastest, by the key that names each.
fn matrix_items(axes: &Node, context: &Context) -> Result<IndexMap<String, Value>, Vec<Problem>> {
    let Value::Object(resolved) = resolve(axes, context, Allow::Anything)? else {
        return Err(vec![Problem::at(axes, format!("`matrix` is a mapping of axes to lists, not {}", axes.kind()))]);
    };
    let mut rows: Vec<(Vec<String>, Map<String, Value>)> = vec![(Vec::new(), Map::new())];
    for (place, (axis, values)) in resolved.into_iter().enumerate() {
        let node = axes.as_map().and_then(|entries| entries.get(place)).map_or(axes, |(_, node)| node);
        let values = match values {
            Value::Array(values) => values,
            // Over a mapping goes what goes over its keys.
            Value::Object(map) => map.into_iter().map(|(key, _)| Value::String(key)).collect(),
            _ => return Err(vec![Problem::at(axes, format!("axis `{axis}` of `matrix` is not a list"))]),
        };
        if rows.len().saturating_mul(values.len()) > GENERATED_MAX {
            return Err(vec![Problem::at(axes, format!("`matrix` has more than {GENERATED_MAX} combinations"))]);
        }
        rows = rows
            .iter()
            .flat_map(|(words, map)| {
                values.iter().enumerate().map(|(i, value)| {
                    let word = if value.is_array() || value.is_object() { format!("{axis}{i}") } else { word(node, i, value) };
                    let mut map = map.clone();
                    map.insert(axis.clone(), value.clone());
                    (words.iter().cloned().chain([word]).collect(), map)
                })
            })
            .collect();
    }
    Ok(rows.into_iter().map(|(words, map)| (words.join("-"), Value::Object(map))).collect())
}
