//! Suites of Great Expectations: `gx/expectations/<name>.json`, written by 1.x or by 0.18.

use super::kwargs::{Rule, Wrong, rule};
use super::{ContractError, EXPECTATIONS_MAX, Mistake, stem};
use crate::yaml::{self, Node};
use serde_json::{Map, Value as Json};
use tidegate_core::contract::{Contract, Expectation, Rules, Severity};

/// How a suite is read.
#[derive(Clone, Debug, Default)]
pub struct SuiteOptions {
    /// Fail on what checked nothing.
    pub strict: bool,
    /// Values of `{"$PARAMETER": name}`.
    pub parameters: Map<String, Json>,
    /// The object of a data contract that is meant, where it has several.
    pub object: Option<String>,
}

/// Reads a suite; Great Expectations' verdicts stand for it.
///
/// # Errors
/// All mistakes of the file, and all rules that cannot be mapped, by name.
pub fn parse_suite(file: &str, text: &str, options: &SuiteOptions) -> Result<Contract, ContractError> {
    let suite: Json = serde_json::from_str(text).map_err(|e| {
        let place = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        let message = format!("this is not JSON: {e}");
        ContractError::new(file, vec![Mistake { line: place(e.line()), column: place(e.column()), message }])
    })?;
    // JSON is read as YAML once more for the places alone; where that fails, mistakes stand at the start.
    let places = yaml::parse(text).ok();
    let mistake = |path: &[&str], message: String| {
        let (line, column) = places.as_ref().map_or((1, 1), |root| place(root, path));
        Mistake { line, column, message }
    };
    let Some(list) = suite.get("expectations").and_then(Json::as_array) else {
        let message = "a suite is a mapping with a list `expectations`; this has none".to_owned();
        return Err(ContractError::new(file, vec![mistake(&[], message)]));
    };
    if list.len() > EXPECTATIONS_MAX {
        let message = format!("the suite has {} expectations; at most {EXPECTATIONS_MAX} are read", list.len());
        return Err(ContractError::new(file, vec![mistake(&["expectations"], message)]));
    }
    let (mut expectations, mut mistakes) = (Vec::with_capacity(list.len()), Vec::new());
    for (i, item) in list.iter().enumerate() {
        let index = i.to_string();
        match expectation(item, &options.parameters) {
            Ok(read) => expectations.push(read),
            Err(wrong) => mistakes.extend(wrong.into_iter().map(|(argument, message)| {
                let path = ["expectations", index.as_str(), "kwargs", argument.as_str()];
                mistake(if argument.is_empty() { &path[..2] } else { &path }, message)
            })),
        }
    }
    if !mistakes.is_empty() {
        return Err(ContractError::new(file, mistakes));
    }
    let name = ["name", "expectation_suite_name"].iter().find_map(|k| suite.get(k)?.as_str());
    let dataset = name.unwrap_or_else(|| stem(file)).to_owned();
    Ok(Contract { dataset, expectations, rules: Rules::GreatExpectations { strict: options.strict } })
}

/// One rule in the form of a suite.
pub(super) fn expectation(item: &Json, parameters: &Map<String, Json>) -> Result<Expectation, Vec<Wrong>> {
    let text = |key: &str| item.get(key).and_then(Json::as_str).map(str::to_owned);
    let Some(name) = text("type").or_else(|| text("expectation_type")) else {
        return Err(vec![(String::new(), "the rule has no `type`".to_owned())]);
    };
    let empty = Map::new();
    let given = item.get("kwargs").and_then(Json::as_object).unwrap_or(&empty);
    let kwargs: Map<String, Json> = given.iter().map(|(k, v)| (k.clone(), resolved(v, parameters))).collect();
    let open: Vec<Wrong> = kwargs.iter().filter_map(|(k, v)| Some((k.clone(), unresolved(k, v)?))).collect();
    if !open.is_empty() {
        return Err(open);
    }
    let Rule { kind, mostly, row_condition } = rule(&name, &kwargs)?;
    let severity = match item.get("severity").and_then(Json::as_str) {
        None | Some("critical") => Severity::Critical,
        Some("warning") => Severity::Warning,
        Some("info") => Severity::Info,
        Some(other) => return Err(vec![(String::new(), format!("severity `{other}` is none of critical, warning, info"))]),
    };
    let notes = match item.get("notes") {
        Some(Json::Array(lines)) => Some(lines.iter().filter_map(Json::as_str).collect::<Vec<_>>().join("\n")),
        _ => text("notes"),
    };
    Ok(Expectation { kind, severity, mostly, row_condition, id: text("id"), notes })
}

/// The argument with the values of its parameters, wherever they stand in it.
fn resolved(value: &Json, parameters: &Map<String, Json>) -> Json {
    match value {
        Json::Object(map) => match map.get("$PARAMETER").and_then(Json::as_str).and_then(|n| parameters.get(n)) {
            Some(given) => given.clone(),
            None => Json::Object(map.iter().map(|(k, v)| (k.clone(), resolved(v, parameters))).collect()),
        },
        Json::Array(items) => Json::Array(items.iter().map(|v| resolved(v, parameters)).collect()),
        other => other.clone(),
    }
}

/// A parameter that is left over.
fn unresolved(argument: &str, value: &Json) -> Option<String> {
    match value {
        Json::Object(map) => match map.get("$PARAMETER") {
            Some(name) => {
                let name = name.as_str().unwrap_or_default();
                Some(format!("`{argument}` is the parameter `{name}`, which has no value: give it one"))
            }
            None => map.values().find_map(|v| unresolved(argument, v)),
        },
        Json::Array(items) => items.iter().find_map(|v| unresolved(argument, v)),
        _ => None,
    }
}

/// The place of the deepest part of `path` that is there.
pub(super) fn place(root: &Node, path: &[&str]) -> (u32, u32) {
    let mut node = root;
    for part in path {
        let next = match node.as_seq() {
            Some(items) => part.parse::<usize>().ok().and_then(|i| items.get(i)),
            None => node.get(part),
        };
        match next {
            Some(child) => node = child,
            None => break,
        }
    }
    (node.line, node.column)
}
