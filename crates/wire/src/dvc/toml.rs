//! Parameter files in TOML.

use super::error::{DvcError, Problem};
use super::params::missing;
use serde_json::{Map, Number, Value as Json};
use toml_edit::{DocumentMut, InlineTable, Item, Table, Value};

/// The values in `text`.
pub(super) fn parse(file: &str, text: &str) -> Result<Json, DvcError> {
    let document = read(file, text)?;
    table(document.as_table()).map_err(|message| DvcError::start(file, message))
}

/// `text` with the value at `key` replaced, everything else as it stands.
pub(super) fn set(file: &str, text: &str, key: &str, value: &Json) -> Result<String, DvcError> {
    let mut document = read(file, text)?;
    let mut place = document.as_item_mut();
    for step in key.split('.') {
        place = match step.parse::<usize>() {
            Ok(index) if place.is_array() || place.is_array_of_tables() => place.get_mut(index),
            _ => place.get_mut(step),
        }
        .ok_or_else(|| missing(file, key))?;
    }
    let old = place.as_value_mut().ok_or_else(|| DvcError::start(file, format!("set `{key}`: it is a table and no single value")))?;
    let decor = old.decor().clone();
    *old = written(value).ok_or_else(|| DvcError::start(file, format!("set `{key}`: TOML has no `null`")))?;
    *old.decor_mut() = decor;
    Ok(document.to_string())
}

fn read(file: &str, text: &str) -> Result<DocumentMut, DvcError> {
    text.parse::<DocumentMut>().map_err(|error| {
        let at = error.span().map_or(0, |span| span.start);
        let before = text.get(..at).unwrap_or_default();
        let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX).saturating_add(1);
        let column = before.chars().rev().take_while(|c| *c != '\n').count();
        let problem = Problem { line: count(before.matches('\n').count()), column: count(column), message: error.message().to_owned() };
        DvcError::one(file, problem)
    })
}

fn table(table: &Table) -> Result<Json, String> {
    table.iter().map(|(key, item)| Ok((key.to_owned(), item_of(item, key)?))).collect::<Result<Map<_, _>, _>>().map(Json::Object)
}

fn item_of(item: &Item, key: &str) -> Result<Json, String> {
    match item {
        Item::None => Ok(Json::Null),
        Item::Value(value) => value_of(value, key),
        Item::Table(inner) => table(inner),
        Item::ArrayOfTables(tables) => tables.iter().map(table).collect::<Result<_, _>>().map(Json::Array),
    }
}

fn value_of(value: &Value, key: &str) -> Result<Json, String> {
    match value {
        Value::String(text) => Ok(Json::String(text.value().clone())),
        Value::Integer(number) => Ok(Json::from(*number.value())),
        Value::Float(number) => Number::from_f64(*number.value())
            .map(Json::Number)
            .ok_or_else(|| format!("`{key}` is {}, which is no finite number: quote it", number.value())),
        Value::Boolean(flag) => Ok(Json::Bool(*flag.value())),
        Value::Datetime(date) => Err(format!("`{key}` is the date {}, which cannot be recorded: quote it", date.value())),
        Value::Array(items) => items.iter().map(|v| value_of(v, key)).collect::<Result<_, _>>().map(Json::Array),
        Value::InlineTable(inner) => {
            inner.iter().map(|(key, v)| Ok((key.to_owned(), value_of(v, key)?))).collect::<Result<Map<_, _>, _>>().map(Json::Object)
        }
    }
}

fn written(value: &Json) -> Option<Value> {
    Some(match value {
        Json::Null => return None,
        Json::Bool(flag) => Value::from(*flag),
        Json::Number(number) => match number.as_i64() {
            Some(whole) => Value::from(whole),
            None => Value::from(number.as_f64()?),
        },
        Json::String(text) => Value::from(text.as_str()),
        Json::Array(items) => Value::Array(items.iter().map(written).collect::<Option<toml_edit::Array>>()?),
        Json::Object(map) => {
            let entries = map.iter().map(|(key, v)| Some((key.as_str(), written(v)?)));
            Value::InlineTable(entries.collect::<Option<InlineTable>>()?)
        }
    })
}
