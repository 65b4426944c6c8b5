//! Scalars of the core schema: which plain texts are null, booleans and numbers.

use super::Value;
use saphyr_parser::Tag;

/// The value of a scalar; the error is a sentence without a place.
pub(super) fn resolve(text: &str, plain: bool, tag: Option<&Tag>) -> Result<Value, String> {
    let Some(tag) = tag else {
        return Ok(if plain { by_form(text) } else { Value::Str(text.to_owned()) });
    };
    if tag.handle.is_empty() && tag.suffix == "!" {
        return Ok(Value::Str(text.to_owned()));
    }
    if !tag.is_yaml_core_schema() {
        return Err(format!("tag `{tag}` is not understood"));
    }
    let value = match (tag.suffix.as_str(), by_form(text)) {
        ("str", _) => Value::Str(text.to_owned()),
        #[expect(clippy::cast_precision_loss, reason = "`!!float 3` asks for the nearest float")]
        ("float", Value::Int(number)) => Value::Float(number as f64),
        ("null", v @ Value::Null) | ("bool", v @ Value::Bool(_)) | ("int", v @ Value::Int(_)) | ("float", v @ Value::Float(_)) => v,
        ("null" | "bool" | "int" | "float", _) => return Err(format!("it is no {} as its tag says", tag.suffix)),
        _ => return Err(format!("tag `!!{}` is not understood", tag.suffix)),
    };
    Ok(value)
}

/// The value of a plain scalar.
fn by_form(text: &str) -> Value {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Value::Null,
        "true" | "True" | "TRUE" => return Value::Bool(true),
        "false" | "False" | "FALSE" => return Value::Bool(false),
        ".nan" | ".NaN" | ".NAN" => return Value::Float(f64::NAN),
        _ => {}
    }
    integer(text).or_else(|| float(text)).unwrap_or_else(|| Value::Str(text.to_owned()))
}

fn integer(text: &str) -> Option<Value> {
    let based = |digits: &str, base| i64::from_str_radix(digits, base).ok().map(Value::Int);
    let all = |digits: &str, base| !digits.is_empty() && digits.chars().all(|c| c.is_digit(base));
    if let Some(digits) = text.strip_prefix("0x").filter(|d| all(d, 16)) {
        return based(digits, 16);
    }
    if let Some(digits) = text.strip_prefix("0o").filter(|d| all(d, 8)) {
        return based(digits, 8);
    }
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    if all(digits, 10) { text.parse().ok().map(Value::Int) } else { None }
}

/// `[-+]? ( \. [0-9]+ | [0-9]+ ( \. [0-9]* )? ) ( [eE] [-+]? [0-9]+ )?` and `[-+]?.inf`.
fn float(text: &str) -> Option<Value> {
    let negative = text.starts_with('-');
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    if matches!(unsigned, ".inf" | ".Inf" | ".INF") {
        return Some(Value::Float(if negative { f64::NEG_INFINITY } else { f64::INFINITY }));
    }
    let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent.strip_prefix(['-', '+']).unwrap_or(exponent))),
        None => (unsigned, None),
    };
    let digits = |t: &str| t.bytes().all(|b| b.is_ascii_digit());
    let (whole, part) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let shaped = digits(whole) && digits(part) && !(whole.is_empty() && part.is_empty());
    let scaled = exponent.is_none_or(|e| !e.is_empty() && digits(e));
    if shaped && scaled { text.parse().ok().map(Value::Float) } else { None }
}
