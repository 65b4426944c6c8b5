//! YAML exactly as DVC's writer lays it out: block style, two spaces, lists not indented, long scalars folded at 80.
//!
//! The folding rules have corners (a blank left at the end of a line before a long word, a backslash in double quotes);
//! they are kept, because a lock file that differs in one byte is a change in every commit.

use super::number::{Kind, kind_of};
use super::python::float_repr;
use super::scalar::NO_TEXT;
use super::sharing::{Mark, Marks};
use serde_json::{Map, Value};

/// Column at which scalars are folded.
const WIDTH: usize = 80;

/// The document of `value`, with a line break at its end.
#[must_use]
pub fn dump(value: &Value) -> String {
    dumped(value, Emitter::default())
}

/// The same of a lock file or an entry of the run-cache, where parameters within others are written as aliases.
#[must_use]
pub fn dump_recorded(value: &Value) -> String {
    dumped(value, Emitter { marks: Marks::of(value), ..Emitter::default() })
}

fn dumped(value: &Value, mut emitter: Emitter) -> String {
    match value {
        Value::Object(map) if !map.is_empty() => emitter.map(map, 0, true),
        Value::Array(items) if !items.is_empty() => emitter.seq(items, 0, true),
        other => emitter.scalar_or_empty(other, 0, true),
    }
    if emitter.column > 0 {
        emitter.newline();
    }
    emitter.out
}

#[derive(Default)]
struct Emitter {
    out: String,
    column: usize,
    marks: Marks,
}

impl Emitter {
    fn put(&mut self, text: &str) {
        self.column += text.chars().count();
        self.out.push_str(text);
    }

    fn newline(&mut self) {
        self.out.push('\n');
        self.column = 0;
    }

    /// A new line, and blanks up to `indent`.
    fn fold(&mut self, indent: usize) {
        self.newline();
        self.put(&" ".repeat(indent));
    }

    /// `here`: the first entry goes on the current line, after `- ` or at the start.
    fn map(&mut self, map: &Map<String, Value>, indent: usize, here: bool) {
        for (i, (key, value)) in map.iter().enumerate() {
            if i > 0 || !here {
                self.fold(indent);
            }
            match key.strip_prefix(NO_TEXT) {
                Some(key) => self.put(if key == "None" { "null" } else { key }),
                None => self.text(key, indent + 2, false),
            }
            self.put(":");
            if self.marked(value, " ") {
                continue;
            }
            match value {
                Value::Object(inner) if !inner.is_empty() => self.map(inner, indent + 2, false),
                // A list in a mapping stands at the mapping's own column.
                Value::Array(items) if !items.is_empty() => self.seq(items, indent, false),
                Value::Null => {}
                other => {
                    self.put(" ");
                    self.scalar_or_empty(other, indent + 2, true);
                }
            }
        }
    }

    fn seq(&mut self, items: &[Value], indent: usize, here: bool) {
        for (i, item) in items.iter().enumerate() {
            if i > 0 || !here {
                self.fold(indent);
            }
            self.put("- ");
            if self.marked(item, "") {
                continue;
            }
            // Behind an anchor it begins on a line of its own.
            let here = self.marks.get(item).is_none();
            match item {
                Value::Object(inner) if !inner.is_empty() => self.map(inner, indent + 2, here),
                Value::Array(inner) if !inner.is_empty() => self.seq(inner, indent + 2, here),
                Value::Null => {}
                other => {
                    self.put(if here { "" } else { " " });
                    self.scalar_or_empty(other, indent + 2, true);
                }
            }
        }
    }

    /// Writes the mark of a value behind `before`; whether it is all there is to write.
    fn marked(&mut self, value: &Value, before: &str) -> bool {
        let Some(mark) = self.marks.get(value) else { return false };
        match mark {
            Mark::Anchor(number) => self.put(&format!("{before}&id{number:03}")),
            Mark::Alias(number) => self.put(&format!("{before}*id{number:03}")),
        }
        matches!(mark, Mark::Alias(_))
    }

    fn scalar_or_empty(&mut self, value: &Value, indent: usize, split: bool) {
        // A word too long for its line gets one of its own, a number after a long key too.
        let mut word = |text: &str| self.plain(&text.chars().collect::<Vec<_>>(), indent, split);
        match value {
            Value::Null => word("null"),
            Value::Bool(flag) => word(if *flag { "true" } else { "false" }),
            Value::Number(n) => match n.as_f64().filter(|_| n.is_f64()) {
                Some(float) => word(&float_repr(float)),
                None => word(&n.to_string()),
            },
            Value::String(text) => self.text(text, indent, split),
            Value::Array(_) => self.put("[]"),
            Value::Object(_) => self.put("{}"),
        }
    }

    /// A text in the style that it needs; the column is already past the blank before it.
    fn text(&mut self, text: &str, indent: usize, split: bool) {
        let chars: Vec<char> = text.chars().collect();
        let facts = analyse(&chars);
        let single = facts.single && (split || !facts.multiline) && !text.contains(['\'', '\n']);
        if kind_of(text) == Kind::Text && facts.plain {
            self.plain(&chars, indent, split);
        } else if single {
            self.single_quoted(&chars, indent, split);
        } else {
            self.double_quoted(&chars, indent, split);
        }
    }

    fn slice(&mut self, chars: &[char]) {
        self.column += chars.len();
        self.out.extend(chars);
    }

    fn plain(&mut self, text: &[char], indent: usize, split: bool) {
        let (mut start, mut spaces) = (0, false);
        for end in 0..=text.len() {
            let ch = text.get(end).copied();
            if spaces {
                if ch != Some(' ') {
                    if start + 1 == end && self.column >= WIDTH && split {
                        self.fold(indent);
                    } else {
                        self.slice(&text[start..end]);
                    }
                    start = end;
                }
            } else if ch.is_none_or(|c| c == ' ') {
                let word = &text[start..end];
                if word.len() + self.column > WIDTH && self.column > indent {
                    self.fold(indent);
                }
                self.slice(word);
                start = end;
            }
            spaces = ch == Some(' ');
        }
    }

    fn single_quoted(&mut self, text: &[char], indent: usize, split: bool) {
        self.put("'");
        let (mut start, mut spaces, mut breaks) = (0, false, false);
        for end in 0..=text.len() {
            let ch = text.get(end).copied();
            if spaces {
                if ch != Some(' ') {
                    if start + 1 == end && self.column > WIDTH && split && start != 0 && end != text.len() {
                        self.fold(indent);
                    } else {
                        self.slice(&text[start..end]);
                    }
                    start = end;
                }
            } else if breaks {
                if !ch.is_some_and(is_break) {
                    self.out.extend(&text[start..end]);
                    self.column = 0;
                    self.put(&" ".repeat(indent));
                    start = end;
                }
            } else if ch.is_none_or(|c| c == ' ' || is_break(c)) {
                self.slice(&text[start..end]);
                start = end;
            }
            spaces = ch == Some(' ');
            breaks = ch.is_some_and(is_break);
        }
        self.put("'");
    }

    fn double_quoted(&mut self, text: &[char], indent: usize, split: bool) {
        self.put("\"");
        let (mut start, mut end) = (0, 0);
        while end <= text.len() {
            let ch = text.get(end).copied();
            if ch.is_none_or(needs_escape) {
                if start < end {
                    self.slice(&text[start..end]);
                    start = end;
                }
                if let Some(ch) = ch {
                    self.put(&escape(ch));
                    start = end + 1;
                }
            }
            let inside = end > 0 && end + 1 < text.len();
            if inside && (ch == Some(' ') || start >= end) && self.column + end > WIDTH + start && split {
                let backslash = needs_backslash(text, start, end);
                if start < end {
                    self.slice(&text[start..end]);
                    start = end;
                }
                if backslash {
                    self.put("\\");
                }
                self.fold(indent);
                if text.get(start) == Some(&' ') {
                    if backslash {
                        self.put("\\");
                    } else {
                        start += 1;
                    }
                }
            }
            end += 1;
        }
        self.put("\"");
    }
}

/// Whether the break before `end` in double quotes must be escaped, for else it would read back as something else.
fn needs_backslash(text: &[char], start: usize, end: usize) -> bool {
    let find =
        |from: usize, to: usize, wanted: char| text.get(from..to).and_then(|part| part.iter().position(|c| *c == wanted)).map(|i| from + i);
    let Some(space) = find(end, text.len(), ' ') else { return true };
    let place = find(end, space, '\n').unwrap_or(space);
    let (Some(at), Some(next)) = (text.get(place), text.get(place + 1)) else { return true };
    if *at == '\n' && *next != ' ' {
        return true;
    }
    let quoted = text[end..place].iter().any(|c| matches!(c, '"' | '\''));
    let two_blanks = text.get(end.wrapping_sub(1)..=end).is_some_and(|pair| pair.iter().all(|c| *c == ' '));
    quoted || matches!(next, ' ' | '\n') || two_blanks || start == end
}

fn is_break(ch: char) -> bool {
    matches!(ch, '\n' | '\u{85}' | '\u{2028}' | '\u{2029}')
}

fn is_blank(ch: char) -> bool {
    matches!(ch, '\0' | ' ' | '\t' | '\r') || is_break(ch)
}

fn printable(ch: char) -> bool {
    matches!(ch, ' '..='~' | '\u{a0}'..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..='\u{10ffff}')
}

fn needs_escape(ch: char) -> bool {
    matches!(ch, '"' | '\\' | '\u{85}' | '\u{2028}' | '\u{2029}' | '\u{feff}') || !printable(ch)
}

fn escape(ch: char) -> String {
    let short = match ch {
        '\0' => '0',
        '\u{7}' => 'a',
        '\u{8}' => 'b',
        '\t' => 't',
        '\n' => 'n',
        '\u{b}' => 'v',
        '\u{c}' => 'f',
        '\r' => 'r',
        '\u{1b}' => 'e',
        '"' => '"',
        '\\' => '\\',
        '\u{85}' => 'N',
        '\u{a0}' => '_',
        '\u{2028}' => 'L',
        '\u{2029}' => 'P',
        _ => {
            let code = u32::from(ch);
            return match code {
                0..=0xff => format!("\\x{code:02X}"),
                0x100..=0xffff => format!("\\u{code:04X}"),
                _ => format!("\\U{code:08X}"),
            };
        }
    };
    format!("\\{short}")
}

/// Which styles a text may have.
struct Facts {
    plain: bool,
    single: bool,
    multiline: bool,
}

fn analyse(text: &[char]) -> Facts {
    let starts = |with: &str| text.get(..3).is_some_and(|t| t.iter().collect::<String>() == with);
    let mut indicators = starts("---") || starts("...");
    let (mut special, mut multiline, mut break_space, mut space_break) = (false, false, false, false);
    for (i, &ch) in text.iter().enumerate() {
        let before = i.checked_sub(1).and_then(|j| text.get(j)).copied();
        let before_blank = before.is_none_or(is_blank);
        let after_blank = text.get(i + 1).is_none_or(|c| is_blank(*c));
        indicators |= match ch {
            '#' => before_blank,
            ':' => after_blank,
            ',' | '[' | ']' | '{' | '}' | '&' | '*' | '!' | '|' | '>' | '\'' | '"' | '%' | '@' | '`' => i == 0,
            '?' | '-' => i == 0 && after_blank,
            _ => false,
        };
        multiline |= is_break(ch);
        special |= !(ch == '\n' || ch == '\u{85}' || printable(ch)) || ch == '\u{feff}';
        break_space |= ch == ' ' && before.is_some_and(is_break);
        space_break |= is_break(ch) && before == Some(' ');
    }
    let at_edge = |c: Option<&char>| c.is_none_or(|c| *c == ' ' || is_break(*c));
    let edges = at_edge(text.first()) || at_edge(text.last());
    let single = !(special || break_space || space_break);
    Facts { plain: single && !edges && !indicators && !multiline, single, multiline }
}
