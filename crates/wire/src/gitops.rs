//! Single values of a YAML or JSON file, read and changed where they stand: every other byte stays as it is.
//!
//! A value is a scalar on one line that is there already. After a change the text is read again and must be the same but for
//! what was asked. Not here: whose values they are (`core::places`), and commits (`adapters::gitops`).

use crate::yaml::{Node, Value, parse};

/// Largest file, in bytes.
pub const FILE_BYTES_MAX: usize = 4 * 1024 * 1024;

/// Why a value cannot be read or changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Unusable(pub String);

/// What a value is to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// This text: a number stays one where it reads as the same text.
    Text(String),
    /// This number.
    Number(u64),
    /// As it is written elsewhere, quotes and all.
    Written(String),
}

/// A value as it is found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// What it says.
    pub text: String,
    /// As it is written.
    pub written: String,
    at: std::ops::Range<usize>,
}

/// The value that a JSON pointer names.
///
/// # Errors
/// When there is none, or it is no scalar on one line.
pub fn value(text: &str, pointer: &str) -> Result<Found, Unusable> {
    let root = read(text)?;
    found(text, &root, pointer)
}

/// A text with these values in place of those that are there.
///
/// # Errors
/// When a value is not there, or the change would change more than it.
pub fn changed(text: &str, wishes: &[(&str, Wanted)]) -> Result<String, Unusable> {
    let root = read(text)?;
    let mut edits = vec![];
    for (pointer, wanted) in wishes {
        let found = found(text, &root, pointer)?;
        let token = match wanted {
            Wanted::Text(new) if *new == found.text => continue,
            Wanted::Text(new) => written(&found, new),
            Wanted::Number(number) => number.to_string(),
            Wanted::Written(token) => token.clone(),
        };
        edits.push((found.at, token));
    }
    // From the end, so that places before stay where they are.
    edits.sort_by_key(|(at, _)| std::cmp::Reverse(at.start));
    let mut new = text.to_owned();
    for (at, token) in edits {
        new.replace_range(at, &token);
    }
    held(&root, &new, wishes)?;
    Ok(new)
}

fn read(text: &str) -> Result<Node, Unusable> {
    if text.len() > FILE_BYTES_MAX {
        return Err(Unusable(format!("it has {} bytes; at most {FILE_BYTES_MAX} are read", text.len())));
    }
    parse(text).map_err(|e| Unusable(e.to_string()))
}

/// The parts of a JSON pointer.
fn parts(pointer: &str) -> impl Iterator<Item = String> {
    pointer.split('/').skip(1).map(|part| part.replace("~1", "/").replace("~0", "~"))
}

fn node<'n>(root: &'n Node, pointer: &str) -> Result<&'n Node, Unusable> {
    let mut at = root;
    for part in parts(pointer) {
        let next = match &at.value {
            Value::Seq(items) => part.parse::<usize>().ok().and_then(|i| items.get(i)),
            _ => at.get(&part),
        };
        at = next.ok_or_else(|| Unusable(format!("it has no `{pointer}`: there is no `{part}`")))?;
    }
    Ok(at)
}

fn found(text: &str, root: &Node, pointer: &str) -> Result<Found, Unusable> {
    let node = node(root, pointer)?;
    let said = node.text().filter(|_| !node.is_null()).map(std::borrow::Cow::into_owned);
    let said = said.ok_or_else(|| Unusable(format!("`{pointer}` is {}, and a value on one line is changed", node.kind())))?;
    let elsewhere = || Unusable(format!("`{pointer}` is not written as one plain or quoted value on its line: write it so"));
    let start = offset(text, node).ok_or_else(elsewhere)?;
    let rest = text.get(start..).unwrap_or_default();
    let length = match (&node.raw, rest.chars().next()) {
        (Some(raw), _) => rest.starts_with(raw.as_str()).then_some(raw.len()),
        (None, Some(quote @ ('"' | '\''))) => closed(rest, quote),
        (None, _) => None,
    };
    let at = start..start + length.ok_or_else(elsewhere)?;
    let written = text.get(at.clone()).unwrap_or_default().to_owned();
    if written.contains('\n') {
        return Err(elsewhere());
    }
    Ok(Found { text: said, written, at })
}

/// Where a node begins, in bytes.
fn offset(text: &str, node: &Node) -> Option<usize> {
    let mark = text.len() - text.strip_prefix('\u{feff}').unwrap_or(text).len();
    let (line, column) = (usize::try_from(node.line).ok()?, usize::try_from(node.column).ok()?);
    let mut start = 0;
    for before in text.split_inclusive('\n').take(line.checked_sub(1)?) {
        start += before.len();
    }
    if line == 1 {
        start += mark;
    }
    let here = text.get(start..)?;
    let (within, _) = here.char_indices().nth(column.checked_sub(1)?)?;
    Some(start + within)
}

/// The length of a quoted value with its quotes.
fn closed(text: &str, quote: char) -> Option<usize> {
    let mut chars = text.char_indices().skip(1).peekable();
    while let Some((at, c)) = chars.next() {
        match c {
            '\\' if quote == '"' => {
                chars.next();
            }
            '\'' if quote == '\'' && chars.peek().is_some_and(|(_, next)| *next == '\'') => {
                chars.next();
            }
            c if c == quote => return Some(at + c.len_utf8()),
            _ => {}
        }
    }
    None
}

/// A text in the manner of what stood there: quoted as it was, and else plain where that reads as the same text.
fn written(found: &Found, new: &str) -> String {
    let quoted = |new: &str| serde_json::Value::String(new.to_owned()).to_string();
    match found.written.chars().next() {
        Some('\'') => format!("'{}'", new.replace('\'', "''")),
        Some('"') => quoted(new),
        _ => {
            let kind = |text: &str| parse(text).ok().map(|n| (matches!(n.value, Value::Str(_)), matches!(n.value, Value::Int(_)), n));
            let was = kind(&found.written).is_some_and(|(text, ..)| text);
            // Letters and digits at both ends: whatever stands around it, nothing of it means anything but itself.
            let ends = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric());
            let safe = ends(new.chars().next())
                && ends(new.chars().last())
                && new.chars().all(|c| c.is_ascii_alphanumeric() || "-_./".contains(c));
            let plain = safe && kind(new).is_some_and(|(text, whole, n)| n.raw.as_deref() == Some(new) && (text || (whole && !was)));
            if plain { new.to_owned() } else { quoted(new) }
        }
    }
}

/// The new text is the old one but for what was asked.
fn held(old: &Node, new: &str, wishes: &[(&str, Wanted)]) -> Result<(), Unusable> {
    let new_root = read(new)?;
    let (mut before, mut after) = (old.to_json(), new_root.to_json());
    for (pointer, wanted) in wishes {
        let found = found(new, &new_root, pointer)?;
        let good = match wanted {
            Wanted::Text(text) => found.text == *text,
            Wanted::Number(number) => found.text == number.to_string(),
            Wanted::Written(token) => found.written == *token,
        };
        let slots = (before.pointer_mut(pointer), after.pointer_mut(pointer));
        let (true, (Some(was), Some(is))) = (good, slots) else {
            return Err(Unusable(format!("`{pointer}` cannot be changed where it stands: write it as one value on its line")));
        };
        *was = serde_json::Value::Null;
        *is = serde_json::Value::Null;
    }
    if before != after {
        return Err(Unusable("the change would change more than its values: are there anchors or aliases?".to_owned()));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const VALUES: &str = "# the shop\nblue:   # serves\n  version: \"7\"\n  weight:  100   # percent\ngreen: { version: v6, weight: 0 }\n\
        list:\n  - { at: 'it''s', n: 3 }   # é\n  - ünder: 1.10\nempty:\n";

    fn text(pointer: &str) -> String {
        value(VALUES, pointer).unwrap().text
    }

    #[test]
    fn values_are_found_where_they_stand() {
        assert_eq!([text("/blue/version"), text("/blue/weight"), text("/green/version")], ["7", "100", "v6"]);
        assert_eq!((text("/list/0/at").as_str(), text("/list/1/ünder").as_str()), ("it's", "1.10"));
        assert_eq!(value(VALUES, "/blue/version").unwrap().written, "\"7\"");
        let said = |pointer: &str| value(VALUES, pointer).unwrap_err().to_string();
        assert_eq!(said("/blue/tag"), "it has no `/blue/tag`: there is no `tag`");
        assert!(said("/blue").contains("is a mapping, and a value on one line is changed") && said("/empty").contains("is nothing"));
        assert!(said("/list/9").contains("there is no `9`"));
        assert!(value("a: |\n  b\n", "/a").unwrap_err().to_string().contains("one plain or quoted value"));
        assert!(value("a: [", "/a").unwrap_err().to_string().starts_with("line "));
        assert!(value("a: 1\n---\nb: 2\n", "/a").unwrap_err().to_string().contains("a second document"));
    }

    #[test]
    fn only_what_was_asked_changes() {
        let new = changed(
            VALUES,
            &[("/green/version", Wanted::Text("8".to_owned())), ("/blue/weight", Wanted::Number(95)), ("/green/weight", Wanted::Number(5))],
        );
        let wanted =
            VALUES.replace("100   # percent", "95   # percent").replace("{ version: v6, weight: 0 }", "{ version: \"8\", weight: 5 }");
        assert_eq!(new.unwrap(), wanted, "a text stays a text");
        let one = |pointer: &str, to: &str| changed(VALUES, &[(pointer, Wanted::Text(to.to_owned()))]).unwrap();
        assert_eq!(one("/blue/version", "8"), VALUES.replace("\"7\"", "\"8\""));
        assert_eq!(one("/list/0/at", "that's"), VALUES.replace("'it''s'", "'that''s'"));
        assert_eq!(one("/list/0/n", "4"), VALUES.replace("n: 3", "n: 4"), "a number stays a number");
        assert_eq!(one("/list/0/n", "4.10"), VALUES.replace("n: 3", "n: \"4.10\""), "4.10 as a number would be 4.1");
        assert_eq!(one("/green/version", "a, b: c"), VALUES.replace("v6", "\"a, b: c\""));
        assert_eq!(one("/blue/version", "7"), VALUES);
        let back = changed(&one("/green/version", "8"), &[("/green/version", Wanted::Written("v6".to_owned()))]).unwrap();
        assert_eq!(back, VALUES, "as it was, to the byte");
        let json = "{\r\n\t\"blue\": {\"version\": \"1\", \"weight\": 100}\r\n}\r\n";
        let new = changed(json, &[("/blue/weight", Wanted::Number(5)), ("/blue/version", Wanted::Text("2".to_owned()))]).unwrap();
        assert_eq!(new, json.replace("100", "5").replace("\"1\"", "\"2\""));
        assert_eq!(changed("\u{feff}a: 1\n", &[("/a", Wanted::Number(2))]).unwrap(), "\u{feff}a: 2\n");
    }

    #[test]
    fn a_change_that_would_change_more_is_refused() {
        let anchored = "a: &x 1\nb: *x\n";
        for pointer in ["/a", "/b"] {
            assert!(changed(anchored, &[(pointer, Wanted::Number(2))]).is_err(), "{pointer}");
        }
        assert!(changed("a: 1\n", &[("/a", Wanted::Written("1\nb: 2".to_owned()))]).is_err());
    }

    #[test]
    fn any_version_is_read_back_and_taken_back() {
        let signs = "1aZ .-_/:+#'\"\\{}[],&*!|>%@`~=?()$^;<";
        let versions =
            signs.chars().flat_map(|a| signs.chars().flat_map(move |b| [format!("{a}{b}"), format!("{a}1{b}2"), format!("v{a}{b}")]));
        for new in versions.chain(["0x1f", "1e3", "null", "~", "true", "1.10", "-1", "010", "2026-01-01", ""].map(str::to_owned)) {
            for pointer in ["/blue/version", "/green/version", "/list/0/at", "/list/0/n"] {
                let was = value(VALUES, pointer).unwrap();
                let changed_text =
                    changed(VALUES, &[(pointer, Wanted::Text(new.clone()))]).unwrap_or_else(|e| panic!("{pointer} `{new}`: {e}"));
                assert_eq!(value(&changed_text, pointer).unwrap().text, new, "{pointer}");
                assert_eq!(changed(&changed_text, &[(pointer, Wanted::Written(was.written))]).unwrap(), VALUES, "{pointer} `{new}`");
            }
        }
    }
}
