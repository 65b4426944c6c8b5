//! Values as Python writes them: the forms that DVC hashes and puts into commands.

use super::scalar::NO_TEXT;
use serde_json::Value;
use std::fmt::Write as _;

/// A finite float as Python's `repr` writes it: the shortest digits that read back, an exponent below 1e-4 and from 1e16.
#[must_use]
pub fn float_repr(number: f64) -> String {
    let scientific = half_to_even(number);
    let Some((mantissa, exponent)) = scientific.split_once('e') else { return scientific };
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if !(-4..16).contains(&exponent) {
        let sign = if exponent < 0 { '-' } else { '+' };
        return format!("{mantissa}e{sign}{:02}", exponent.unsigned_abs());
    }
    let (sign, mantissa) = mantissa.strip_prefix('-').map_or(("", mantissa), |m| ("-", m));
    let mut digits = mantissa.replace('.', "");
    let whole = usize::try_from(exponent + 1).unwrap_or(0);
    if whole == 0 {
        let zeros = "0".repeat(usize::try_from(-exponent - 1).unwrap_or(0));
        return format!("{sign}0.{zeros}{digits}");
    }
    while digits.len() < whole + 1 {
        digits.push('0');
    }
    digits.insert(whole, '.');
    format!("{sign}{digits}")
}

/// The shortest digits that read back, in scientific form. Where the value lies exactly between two of them Python takes
/// the even one, Rust the larger.
fn half_to_even(number: f64) -> String {
    let shortest = format!("{number:e}");
    let digits = shortest.split('e').next().unwrap_or_default().bytes().filter(u8::is_ascii_digit).count();
    // One digit more, and enough more to see that nothing follows it (a float has at most 767 digits).
    let (longer, exact) = (format!("{number:.digits$e}"), format!("{number:.780e}"));
    let (Some((longer, exponent)), Some((exact, _))) = (longer.split_once('e'), exact.split_once('e')) else { return shortest };
    let tie = longer.ends_with('5') && exact.trim_end_matches('0') == longer;
    let Some(down) = longer.strip_suffix('5').filter(|_| tie) else { return shortest };
    let even = down.bytes().last().is_some_and(|b| (b - b'0').is_multiple_of(2));
    let candidate = format!("{}e{exponent}", down.trim_end_matches('.'));
    if even && candidate.parse() == Ok(number) { candidate } else { shortest }
}

/// A scalar as DVC puts it into a text: `true`, `None`, `1e-05`.
#[must_use]
pub(super) fn to_text(value: &Value) -> String {
    match value {
        Value::Null => "None".to_owned(),
        Value::Bool(flag) => flag.to_string(),
        Value::String(text) => text.clone(),
        Value::Number(_) => json_dumps(value, &[]),
        Value::Array(_) | Value::Object(_) => json_dumps(value, &[]),
    }
}

/// What Python's `str` shows: `True` and `False`, else as [`to_text`].
pub(super) fn to_str(value: &Value) -> String {
    match value {
        Value::Bool(true) => "True".to_owned(),
        Value::Bool(false) => "False".to_owned(),
        other => to_text(other),
    }
}

/// JSON as Python's `json.dumps(value, sort_keys=True)` writes it: `", "` and `": "`, ASCII only, keys sorted. Keys named in
/// `without` are left out at all depths.
#[must_use]
pub fn json_dumps(value: &Value, without: &[&str]) -> String {
    let mut out = String::new();
    write_json(&mut out, value, without);
    out
}

fn write_json(out: &mut String, value: &Value, without: &[&str]) {
    match value {
        Value::Null => out.push_str("null"),
        Value::Bool(flag) => out.push_str(if *flag { "true" } else { "false" }),
        Value::Number(n) => match n.as_f64().filter(|_| n.is_f64()) {
            Some(float) => out.push_str(&float_repr(float)),
            None => out.push_str(&n.to_string()),
        },
        Value::String(text) => write_json_text(out, text),
        Value::Array(items) => {
            out.push('[');
            for (i, item) in items.iter().enumerate() {
                out.push_str(if i > 0 { ", " } else { "" });
                write_json(out, item, without);
            }
            out.push(']');
        }
        Value::Object(map) => {
            let mut entries: Vec<_> = map.iter().filter(|(k, _)| !without.contains(&k.as_str())).collect();
            entries.sort_by(|a, b| compare_keys(a.0, b.0));
            out.push('{');
            for (i, (key, item)) in entries.into_iter().enumerate() {
                out.push_str(if i > 0 { ", " } else { "" });
                let key = key.strip_prefix(NO_TEXT).unwrap_or(key);
                write_json_text(out, if key == "None" { "null" } else { key });
                out.push_str(": ");
                write_json(out, item, without);
            }
            out.push('}');
        }
    }
}

/// Keys that are numbers are sorted as numbers.
fn compare_keys(a: &str, b: &str) -> std::cmp::Ordering {
    let number = |key: &str| key.strip_prefix(NO_TEXT).and_then(|k| k.parse::<f64>().ok());
    match (number(a), number(b)) {
        (Some(a), Some(b)) => a.total_cmp(&b),
        _ => a.cmp(b),
    }
}

/// A text in JSON as Python writes it: ASCII only.
pub fn write_json_text(out: &mut String, text: &str) {
    out.push('"');
    for ch in text.chars() {
        match ch {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            ' '..='~' => out.push(ch),
            _ => {
                for unit in ch.encode_utf16(&mut [0; 2]) {
                    let _ = write!(out, "\\u{unit:04x}");
                }
            }
        }
    }
    out.push('"');
}

/// A text as one word of a shell, as Python's `shlex.quote` does it.
#[must_use]
pub(super) fn shell_quote(text: &str) -> String {
    let safe = |b: u8| b.is_ascii_alphanumeric() || b"@%+=:,./-_".contains(&b);
    if !text.is_empty() && text.bytes().all(safe) {
        return text.to_owned();
    }
    format!("'{}'", text.replace('\'', "'\"'\"'"))
}
