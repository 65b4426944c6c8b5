//! Queries that are more than one condition on rows: handed to the engine, with the tables that they name.

use tidegate_core::contract::Query;

/// What stands for the checked table in braces.
pub(super) const CHECKED: &[&str] = &["batch", "object", "table"];

/// Most signs and words of a query that can lie within one another: the engine goes down into each.
const NESTED_MAX: usize = 400;
/// Words that do.
const NESTING: &[&str] = &["and", "or", "not", "case", "when", "select", "join", "union", "intersect", "except", "is", "like", "between"];

/// A query whose checked table stands in braces, or is called as one of `tables`.
pub(super) fn whole(text: &str, tables: &[&str]) -> Result<Query, String> {
    let mut query = Query { text: text.trim().to_owned(), sql: String::with_capacity(text.len() + 16), checked: vec![], datasets: vec![] };
    let (mut rest, mut nested) = (text.trim(), 0);
    while let Some(first) = rest.chars().next() {
        let (piece, after) = rest.split_at(length(rest, first)?);
        rest = after;
        nested += usize::from(nests(piece, first));
        if nested > NESTED_MAX {
            return Err(format!("the query has more than {NESTED_MAX} operators and brackets: make it simpler, or several of it"));
        }
        if first != '{' {
            query.sql.push_str(piece);
            let bare = piece.trim_matches('"');
            if first != '\'' && tables.contains(&bare) {
                note(&mut query.checked, bare);
            }
            continue;
        }
        let name = piece.trim_matches(['{', '}']);
        if name.is_empty() || !name.chars().all(|c| c.is_alphanumeric() || "_-.".contains(c)) {
            return Err(format!("`{piece}` in the query names no table: the checked one is `{{batch}}`, another dataset `{{its-name}}`"));
        }
        query.sql.push_str(&format!("\"{piece}\""));
        if CHECKED.contains(&name) { note(&mut query.checked, piece) } else { note(&mut query.datasets, name) }
    }
    if query.checked.is_empty() {
        return Err("the query does not read the checked table, so it says nothing about it: name it as `{batch}`".to_owned());
    }
    Ok(query)
}

fn nests(piece: &str, first: char) -> bool {
    let word = first.is_alphanumeric() || first == '_';
    let comment = piece.starts_with("--") || piece.starts_with("/*");
    let flat = first.is_whitespace() || comment || "'\"{,.;".contains(first);
    if word { NESTING.contains(&piece.to_ascii_lowercase().as_str()) } else { !flat }
}

fn note(names: &mut Vec<String>, name: &str) {
    if !names.iter().any(|n| n == name) {
        names.push(name.to_owned());
    }
}

/// Bytes of the first piece: a word, a text, a quoted name, a comment, a name in braces, or one character.
fn length(rest: &str, first: char) -> Result<usize, String> {
    let closed = |by: &str, what: &str| {
        let inner = rest.get(first.len_utf8()..).and_then(|r| r.find(by));
        let open: String = rest.chars().take(20).collect();
        inner.map(|at| first.len_utf8() + at + by.len()).ok_or_else(|| format!("{what} of the query is not closed: `{open}`"))
    };
    match first {
        '\'' => closed("'", "a text"),
        '"' => closed("\"", "a quoted name"),
        '{' => closed("}", "a brace"),
        '-' if rest.starts_with("--") => Ok(rest.find('\n').unwrap_or(rest.len())),
        '/' if rest.starts_with("/*") => closed("*/", "a comment"),
        c if c.is_alphanumeric() || c == '_' => Ok(rest.find(|c: char| !(c.is_alphanumeric() || c == '_')).unwrap_or(rest.len())),
        c => Ok(c.len_utf8()),
    }
}
