//! Days around a window of drift, for the parameters of a retraining: `${window.start}`, `${window.end - 30d}`.

use crate::exit::{self, failure};
use anyhow::Result;
use indexmap::IndexMap;
use tidegate_core::id::At;
use tidegate_wire::config::unit::duration_ms;

/// Parameters of a retraining of `model`, as `run --set-param` takes them.
///
/// # Errors
/// When an expression of a value is none.
pub fn overrides(model: &str, set: &IndexMap<String, serde_json::Value>, start: At, end: At) -> Result<Vec<String>> {
    set.iter()
        .map(|(key, value)| {
            let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            let filled = fill(&text, start, end).map_err(|e| failure(exit::USAGE, format!("retrain.{model}.set.{key}: {e}")))?;
            // Quoted, so that a day stays text as it is in the parameter file.
            Ok(if value.is_string() { format!("{key}='{filled}'") } else { format!("{key}={filled}") })
        })
        .collect()
}

/// The text with every `${...}` filled in, as a day in UTC.
///
/// # Errors
/// With a sentence, when an expression is none.
fn fill(text: &str, start: At, end: At) -> std::result::Result<String, String> {
    let mut filled = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("${") {
        let (inner, tail) = after.split_once('}').ok_or_else(|| format!("`{text}`: `${{` is not closed"))?;
        filled.push_str(before);
        filled.push_str(&day(inner, start, end)?);
        rest = tail;
    }
    filled.push_str(rest);
    Ok(filled)
}

fn day(inner: &str, start: At, end: At) -> std::result::Result<String, String> {
    let inner = inner.trim();
    let known = || format!("`${{{inner}}}` is none of `${{window.start}}`, `${{window.end}}`, each with `+ 7d` or `- 7d` behind it");
    let (name, offset) = match inner.find(['+', '-']) {
        Some(at) => {
            let (name, rest) = inner.split_at(at);
            let ms = i64::try_from(duration_ms(rest[1..].trim()).map_err(|e| format!("`${{{inner}}}`: {e}"))?).map_err(|_| known())?;
            (name.trim(), if rest.starts_with('-') { -ms } else { ms })
        }
        None => (inner, 0),
    };
    let base = match name {
        "window.start" => start,
        "window.end" => end,
        _ => return Err(known()),
    };
    Ok(At(base.0.saturating_add(offset)).to_string().chars().take(10).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_filled_in_or_refused() {
        let (start, end) = (At(1_376_438_400_000), At(1_379_030_400_000));
        assert_eq!(fill("${window.start}", start, end).unwrap(), "2013-08-14");
        assert_eq!(fill("${window.end - 30d}", start, end).unwrap(), "2013-08-14");
        assert_eq!(fill("a ${window.start+1d} b", start, end).unwrap(), "a 2013-08-15 b");
        assert_eq!(fill("plain", start, end).unwrap(), "plain");
        for wrong in ["${window.middle}", "${window.start", "${window.start - soon}"] {
            assert!(fill(wrong, start, end).is_err(), "{wrong}");
        }
    }
}
