//! Sizes: files, functions, bytes.

use super::{Finding, Tree, lex};

/// Most lines of a source file.
const FILE_LINES_MAX: usize = 500;
/// Most lines of code of a function: comments, blank lines and the insides of literals do not count.
const FUNCTION_LINES_MAX: usize = 70;
/// Most bytes of a file.
const FILE_BYTES_MAX: usize = 1_048_576;

pub(super) fn files(tree: &Tree) -> Vec<Finding> {
    let source = |path: &str| [".rs", ".py", ".sh"].iter().any(|end| path.ends_with(end));
    let lines = tree.texts(source).map(|(path, text)| (path, text.lines().count()));
    lines
        .filter(|(_, lines)| *lines > FILE_LINES_MAX)
        .map(|(path, lines)| Finding::new(path, lines, format!("{lines} lines; at most {FILE_LINES_MAX}")))
        .collect()
}

pub(super) fn bytes(tree: &Tree) -> Vec<Finding> {
    let large = tree.files.iter().filter(|(_, bytes)| bytes.len() > FILE_BYTES_MAX);
    large.map(|(path, bytes)| Finding::new(path, 1, format!("{} bytes; at most {FILE_BYTES_MAX}", bytes.len()))).collect()
}

pub(super) fn functions(tree: &Tree) -> Vec<Finding> {
    let mut found = Vec::new();
    for (path, text) in tree.texts(|path| path.ends_with(".rs")) {
        for (line, name, lines) in bodies(&lex::code(text)) {
            if lines > FUNCTION_LINES_MAX {
                found.push(Finding::new(path, line, format!("function `{name}` has {lines} lines; at most {FUNCTION_LINES_MAX}")));
            }
        }
    }
    found
}

/// Line, name and lines of code of each function that has a body.
fn bodies(code: &str) -> Vec<(usize, String, usize)> {
    let mut found = Vec::new();
    for (at, _) in code.match_indices("fn ") {
        let before = code.get(..at).unwrap_or_default();
        if before.ends_with(|c: char| c.is_alphanumeric() || c == '_') {
            continue;
        }
        let rest = code.get(at + 3..).unwrap_or_default();
        let name: String = rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
        if let (false, Some(body)) = (name.is_empty(), body(rest)) {
            let lines = body.lines().filter(|line| !line.trim().is_empty()).count();
            found.push((before.matches('\n').count() + 1, name, lines));
        }
    }
    found
}

/// What stands between the braces of the function whose name and signature come first.
fn body(rest: &str) -> Option<&str> {
    let mut nested = 0i32;
    let mut open = None;
    for (at, c) in rest.char_indices() {
        match c {
            // The array length in `[u8; 4]` ends no signature.
            '(' | '[' if open.is_none() => nested += 1,
            ')' | ']' if open.is_none() => nested -= 1,
            ';' if open.is_none() && nested == 0 => return None,
            '{' if open.is_none() && nested == 0 => {
                open = Some(at + 1);
                nested = 1;
            }
            '{' => nested += 1,
            '}' => {
                nested -= 1;
                if let (0, Some(from)) = (nested, open) {
                    return rest.get(from..at);
                }
            }
            _ => {}
        }
    }
    None
}
