//! The JSON Schema that editors read, from the key table.

use super::shape::{Key, Need, Shape, Table};
use super::table::ROOT;
use serde_json::{Map, Value as Json, json};

/// The schema of tidegate.yaml (draft 2020-12).
#[must_use]
pub fn json_schema() -> Json {
    let mut schema = table(&ROOT);
    let head = [("$schema", "https://json-schema.org/draft/2020-12/schema"), ("title", "tidegate.yaml")];
    if let Json::Object(keys) = &mut schema {
        let rest = std::mem::take(keys);
        keys.extend(head.map(|(k, v)| (k.to_owned(), json!(v))));
        keys.extend(rest);
    }
    schema
}

fn table(table: &Table) -> Json {
    let required: Vec<&str> = table.keys.iter().filter(|k| matches!(k.need, Need::Required)).map(|k| k.name).collect();
    // Nothing after a key means an empty mapping, which fits where no key is required.
    let kind = if required.is_empty() { json!(["object", "null"]) } else { json!("object") };
    let mut schema = json!({
        "description": table.doc,
        "type": kind,
        "properties": properties(table.keys),
        "additionalProperties": false,
    });
    if !required.is_empty() {
        schema["required"] = json!(required);
    }
    schema
}

fn properties(keys: &[Key]) -> Json {
    let property = |key: &Key| {
        let mut of = shape(&key.shape);
        if let Json::Object(map) = &mut of {
            map.insert("description".to_owned(), json!(key.doc));
            if let Need::Default(text) = key.need
                && let Ok(node) = crate::yaml::parse(text)
            {
                map.insert("default".to_owned(), node.to_json());
            }
        }
        (key.name.to_owned(), of)
    };
    Json::Object(keys.iter().map(property).collect::<Map<_, _>>())
}

fn shape(of: &Shape) -> Json {
    match of {
        Shape::Any => json!({}),
        Shape::Text | Shape::Ref(_) | Shape::Place | Shape::StageRef | Shape::MetricRef => json!({ "type": ["string", "number"] }),
        Shape::Variable => json!({ "type": "string", "pattern": "^[A-Z_][A-Z0-9_]*$" }),
        Shape::Word(words) => json!({ "enum": words.iter().map(|w| word(w)).collect::<Vec<_>>() }),
        Shape::Whole { min, max } => json!({ "type": "integer", "minimum": min, "maximum": max }),
        Shape::Number { min, max, open } => number(*min, *max, *open),
        Shape::Share => one_of_text("^[0-9]+(\\.[0-9]+)?%$", &json!({ "type": "number", "minimum": 0, "maximum": 1 })),
        Shape::Percent { min_bp, max_bp } => {
            let percent = |bp: u32| f64::from(bp) / 100.0;
            one_of_text("^[0-9]+(\\.[0-9]{1,2})?%$", &json!({ "type": "number", "minimum": percent(*min_bp), "maximum": percent(*max_bp) }))
        }
        Shape::Duration { .. } => json!({ "type": "string", "pattern": "^([0-9]+(ms|s|m|h|d|w))+$" }),
        Shape::WordOrDuration { word, .. } => json!({ "type": "string", "pattern": format!("^({word}|([0-9]+(ms|s|m|h|d|w))+)$") }),
        Shape::Instant => json!({ "type": "string", "pattern": "^[0-9]{4}-[0-9]{2}-[0-9]{2}" }),
        Shape::Listen => json!({ "type": "string", "pattern": ":[0-9]+$" }),
        Shape::Http => json!({ "type": "string", "pattern": "^https?://" }),
        Shape::UrlPath => json!({ "type": "string", "pattern": "^/" }),
        Shape::SourcePath | Shape::ProductPath | Shape::DataPath => json!({ "type": "string", "pattern": "^[^/\\\\]" }),
        Shape::List { item, min, max } => json!({ "type": "array", "items": shape(item), "minItems": min, "maxItems": max }),
        Shape::OneOrMore { item, max } => {
            json!({ "anyOf": [shape(item), { "type": "array", "items": shape(item), "minItems": 1, "maxItems": max }] })
        }
        Shape::Names { item, .. } => json!({ "type": ["object", "null"], "additionalProperties": shape(item) }),
        Shape::Table(keys) => table(keys),
        Shape::Short { scalar, long, .. } => json!({ "anyOf": [shape(scalar), shape(long)] }),
        Shape::Choice(cases) => json!({ "oneOf": cases.iter().map(|c| table(c.table)).collect::<Vec<_>>() }),
        Shape::OneKey(keys) => json!({
            "type": "object", "properties": properties(keys), "additionalProperties": false, "minProperties": 1, "maxProperties": 1,
        }),
    }
}

fn word(word: &str) -> Json {
    match word {
        "true" => json!(true),
        "false" => json!(false),
        _ => json!(word),
    }
}

fn number(min: f64, max: f64, open: bool) -> Json {
    let mut schema = json!({ "type": "number" });
    let names = if open { ("exclusiveMinimum", "exclusiveMaximum") } else { ("minimum", "maximum") };
    if min.is_finite() {
        schema[names.0] = json!(min);
    }
    if max.is_finite() {
        schema[names.1] = json!(max);
    }
    schema
}

fn one_of_text(pattern: &str, number: &Json) -> Json {
    json!({ "anyOf": [number, { "type": "string", "pattern": pattern }] })
}
