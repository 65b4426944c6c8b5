//! `${...}` in texts.

use super::context::Context;
use super::error::Problem;
use super::python::{shell_quote, to_text};
use super::scalar::{key_of, value_of};
use crate::yaml::{Node, Value as Yaml};
use serde_json::{Map, Value};

/// Nearest name worth suggesting, as a similarity between 0 and 1.
const SIMILAR_MIN: f64 = 0.7;

/// How mappings become options of a command line: `parsing` of DVC's configuration.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// `parsing.bool = boolean_optional`: false is `--no-name` instead of nothing.
    pub no_flags: bool,
    /// `parsing.list = append`: `--name 1 --name 2` instead of `--name 1 2`.
    pub repeat_lists: bool,
}

/// What an expression may stand for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Allow {
    /// A scalar.
    Scalar,
    /// A scalar, or a mapping that becomes options of a command line.
    Options(Options),
    /// Anything, where the expression is the whole text.
    Anything,
}

/// The value of `node` with all expressions replaced.
pub(super) fn resolve(node: &Node, context: &Context, allow: Allow) -> Result<Value, Vec<Problem>> {
    let mut problems = Vec::new();
    let value = walk(node, context, allow, &mut problems);
    if problems.is_empty() { Ok(value) } else { Err(problems) }
}

fn walk(node: &Node, context: &Context, allow: Allow, problems: &mut Vec<Problem>) -> Value {
    let mut keep = |result: Result<Value, Problem>| {
        result.unwrap_or_else(|problem| {
            problems.push(problem);
            Value::Null
        })
    };
    match &node.value {
        Yaml::Seq(items) => Value::Array(items.iter().map(|n| walk(n, context, allow, problems)).collect()),
        Yaml::Map(entries) => {
            let mut map = Map::new();
            for (key, value) in entries {
                let name = key_of(key).and_then(|text| text_value(&text, context, Allow::Scalar).map_err(|m| Problem::at(key, m)));
                match name {
                    Ok(name) => {
                        map.insert(to_text(&name), walk(value, context, allow, problems));
                    }
                    Err(problem) => problems.push(problem),
                }
            }
            Value::Object(map)
        }
        Yaml::Str(text) if text.contains("${") => keep(text_value(text, context, allow).map_err(|message| Problem::at(node, message))),
        _ => keep(value_of(node)),
    }
}

/// The value of a text: what the expression stands for when it is the whole text, else a text.
pub(super) fn text_value(text: &str, context: &Context, allow: Allow) -> Result<Value, String> {
    let parts = split(text)?;
    if let [Part::Expression(expression)] = parts.as_slice() {
        let value = look_up(expression, context)?;
        return match (value, allow) {
            (Value::Array(_), Allow::Scalar | Allow::Options(_)) => Err(not_scalar(expression, "a list")),
            (Value::Object(_), Allow::Scalar) => Err(not_scalar(expression, "a mapping")),
            (Value::Object(map), Allow::Options(how)) => options(map, how).map(Value::String),
            (value, _) => Ok(value.clone()),
        };
    }
    let mut out = String::new();
    for part in parts {
        match part {
            Part::Text(text) => out.push_str(&text.replace("\\${", "${")),
            Part::Expression(expression) => match (look_up(expression, context)?, allow) {
                (Value::Array(_), _) => return Err(not_scalar(expression, "a list")),
                (Value::Object(map), Allow::Options(how)) => out.push_str(&options(map, how)?),
                (Value::Object(_), _) => return Err(not_scalar(expression, "a mapping")),
                (value, _) => out.push_str(&to_text(value)),
            },
        }
    }
    Ok(Value::String(out))
}

fn not_scalar(expression: &str, kind: &str) -> String {
    format!("`${{{expression}}}` is {kind}, which cannot stand here: name one value inside it")
}

/// Whether a text holds an expression.
pub(super) fn has_expression(text: &str) -> bool {
    split(text).is_ok_and(|parts| parts.iter().any(|part| matches!(part, Part::Expression(_))))
}

#[derive(Debug)]
enum Part<'a> {
    Text(&'a str),
    Expression(&'a str),
}

fn split(text: &str) -> Result<Vec<Part<'_>>, String> {
    let (mut parts, mut from, mut search) = (Vec::new(), 0, 0);
    while let Some(found) = text[search..].find("${") {
        let open = search + found;
        if text[..open].ends_with('\\') {
            search = open + 2;
            continue;
        }
        let Some(length) = text[open + 2..].find('}') else { break };
        // A name stands on one line; what looks like one over several is the shell's.
        if text[open + 2..open + 2 + length].contains('\n') {
            search = open + 2;
            continue;
        }
        if from < open {
            parts.push(Part::Text(&text[from..open]));
        }
        let expression = &text[open + 2..open + 2 + length];
        check_expression(expression)?;
        parts.push(Part::Expression(expression));
        from = open + 3 + length;
        search = from;
    }
    if from < text.len() || parts.is_empty() {
        parts.push(Part::Text(&text[from..]));
    }
    Ok(parts)
}

fn check_expression(expression: &str) -> Result<(), String> {
    let steps = expression.replace('[', ".").replace(']', "");
    if steps.split('.').any(|s| s.trim().is_empty()) || expression.matches('[').count() != expression.matches(']').count() {
        return Err(format!("`${{{expression}}}` is not a name: write `${{a.b}}` or `${{a[0]}}`"));
    }
    Ok(())
}

fn look_up<'a>(expression: &str, context: &'a Context) -> Result<&'a Value, String> {
    let path = expression.replace('[', ".").replace(']', "");
    let mut steps = path.split('.').map(str::trim);
    let first = steps.next().unwrap_or_default();
    let values = context.values();
    let mut value = values.get(first).ok_or_else(|| unknown(expression, first, values.keys()))?;
    for step in steps {
        value = match value {
            Value::Object(map) => map.get(step).ok_or_else(|| unknown(expression, step, map.keys()))?,
            Value::Array(items) => step
                .parse::<i64>()
                .ok()
                // A negative one counts from the end.
                .and_then(
                    |i| if i < 0 { items.len().checked_sub(usize::try_from(i.unsigned_abs()).ok()?) } else { usize::try_from(i).ok() },
                )
                .and_then(|i| items.get(i))
                .ok_or_else(|| format!("`${{{expression}}}`: there is no item `{step}` in a list of {}", items.len()))?,
            _ => return Err(format!("`${{{expression}}}`: there is nothing inside a single value, so no `{step}`")),
        };
    }
    Ok(value)
}

fn unknown<'a>(expression: &str, step: &str, names: impl Iterator<Item = &'a String>) -> String {
    let near = names
        .map(|name| (strsim::jaro_winkler(step, name), name))
        .filter(|(similarity, _)| *similarity > SIMILAR_MIN)
        .max_by(|a, b| a.0.total_cmp(&b.0));
    let hint = near.map(|(_, name)| format!("; did you mean `{name}`?")).unwrap_or_default();
    format!("`${{{expression}}}`: there is no value `{step}` in params.yaml or `vars`{hint}")
}

/// A mapping as options of a command line: `--a 1 --b.c x --flag`.
fn options(map: &Map<String, Value>, how: Options) -> Result<String, String> {
    let mut words = Vec::new();
    add_options(map, "", how, &mut words)?;
    Ok(words.join(" "))
}

fn add_options(map: &Map<String, Value>, prefix: &str, how: Options, words: &mut Vec<String>) -> Result<(), String> {
    for (key, value) in map {
        let name = if prefix.is_empty() { key.clone() } else { format!("{prefix}.{key}") };
        match value {
            Value::Object(inner) => add_options(inner, &name, how, words)?,
            Value::Bool(true) => words.push(format!("--{name}")),
            Value::Bool(false) if how.no_flags => words.push(format!("--no-{name}")),
            Value::Bool(false) => {}
            Value::String(text) => words.push(format!("--{name} {}", shell_quote(text))),
            Value::Null | Value::Number(_) => words.push(format!("--{name} {}", to_text(value))),
            Value::Array(items) => add_list(&name, items, how, words)?,
        }
    }
    Ok(())
}

fn add_list(name: &str, items: &[Value], how: Options, words: &mut Vec<String>) -> Result<(), String> {
    let text = |item: &Value| match item {
        Value::String(text) => Ok(shell_quote(text)),
        Value::Array(_) | Value::Object(_) => Err(format!("`{name}` is a list of lists or mappings, which cannot become options")),
        other => Ok(super::python::to_str(other)),
    };
    let texts = items.iter().map(text).collect::<Result<Vec<_>, _>>()?;
    if how.repeat_lists {
        words.extend(texts.iter().map(|text| format!("--{name} {text}")));
    } else if !texts.is_empty() {
        words.push(format!("--{name} {}", texts.join(" ")));
    }
    Ok(())
}
