//! Rust source with comments and the insides of literals blanked, lines kept: enough for counting and searching.
//! Not a parser.

/// `text` with every comment and every character within a string or character literal replaced by a blank.
pub(super) fn code(text: &str) -> String {
    let chars: Vec<char> = text.chars().collect();
    let mut out: Vec<char> = Vec::with_capacity(chars.len());
    while out.len() < chars.len() {
        let at = out.len();
        let len = literal_or_comment(&chars, at);
        if len == 0 {
            out.extend(chars.get(at));
        } else {
            let end = (at + len).min(chars.len());
            out.extend(chars.iter().take(end).skip(at).map(|c| if *c == '\n' { '\n' } else { ' ' }));
        }
    }
    out.into_iter().collect()
}

fn is(chars: &[char], at: usize, wanted: char) -> bool {
    chars.get(at) == Some(&wanted)
}

/// How many characters a comment or literal that starts here takes; 0 when none does.
fn literal_or_comment(chars: &[char], at: usize) -> usize {
    let word_before = at > 0 && chars.get(at - 1).is_some_and(|c| c.is_alphanumeric() || *c == '_');
    match chars.get(at) {
        Some('/') if is(chars, at + 1, '/') => chars.iter().skip(at).take_while(|c| **c != '\n').count(),
        Some('/') if is(chars, at + 1, '*') => block_comment(chars, at),
        Some('"') => quoted(chars, at),
        Some('r') if !word_before => raw(chars, at),
        Some('b' | 'c') if !word_before && is(chars, at + 1, 'r') => match raw(chars, at + 1) {
            0 => 0,
            n => n + 1,
        },
        Some('\'') => character(chars, at),
        _ => 0,
    }
}

fn block_comment(chars: &[char], at: usize) -> usize {
    let mut depth = 0;
    let mut i = at;
    while i < chars.len() {
        if is(chars, i, '/') && is(chars, i + 1, '*') {
            depth += 1;
            i += 2;
        } else if is(chars, i, '*') && is(chars, i + 1, '/') {
            depth -= 1;
            i += 2;
            if depth == 0 {
                break;
            }
        } else {
            i += 1;
        }
    }
    i - at
}

fn quoted(chars: &[char], at: usize) -> usize {
    let mut i = at + 1;
    while i < chars.len() && !is(chars, i, '"') {
        i += if is(chars, i, '\\') { 2 } else { 1 };
    }
    i + 1 - at
}

/// `r"..."`, `r##"..."##`; a raw identifier is no literal.
fn raw(chars: &[char], at: usize) -> usize {
    let hashes = chars.iter().skip(at + 1).take_while(|c| **c == '#').count();
    if !is(chars, at + 1 + hashes, '"') {
        return 0;
    }
    let mut i = at + 2 + hashes;
    while i < chars.len() {
        if is(chars, i, '"') && chars.iter().skip(i + 1).take(hashes).filter(|c| **c == '#').count() == hashes {
            return i + 1 + hashes - at;
        }
        i += 1;
    }
    chars.len() - at
}

/// `'x'` or `'\n'`; a lifetime is no literal.
fn character(chars: &[char], at: usize) -> usize {
    const ESCAPE_CHARS_MAX: usize = 12;
    if is(chars, at + 1, '\\') {
        let close = chars.iter().skip(at + 3).take(ESCAPE_CHARS_MAX).position(|c| *c == '\'');
        return close.map_or(0, |n| n + 4);
    }
    if is(chars, at + 2, '\'') { 3 } else { 0 }
}
