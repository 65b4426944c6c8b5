//! Python's literals: numbers, texts, `True`, `None`, lists, tuples and dicts of these, nested.
//!
//! Not here: sets, bytes and complex numbers, which no lock file can hold; they count as no literal.

use super::python::to_text;
use super::scalar::{Keys, NO_TEXT};
use serde_json::{Map, Number, Value};
use std::ops::Range;

/// Deepest nesting.
const DEPTH_MAX: usize = 64;

/// A literal with its place in the text.
pub(super) struct Literal {
    pub(super) value: Value,
    pub(super) range: Range<usize>,
    /// Of a dict, the place of each value.
    pub(super) inside: Vec<(String, Range<usize>)>,
}

/// The literal that is all of `text`; none when it is something else.
pub(super) fn literal(text: &str, keys: Keys) -> Option<Literal> {
    let mut reader = Reader { text, at: 0, keys, inside: Vec::new() };
    reader.blank();
    let start = reader.at;
    let mut value = reader.value(0)?;
    let mut end = reader.at;
    reader.blank();
    if reader.text[reader.at..].starts_with(',') {
        // Values with commas between them are a tuple, with or without parentheses.
        let mut items = vec![value];
        while reader.eat(',') {
            end = reader.at;
            if reader.is_done() {
                break;
            }
            items.push(reader.value(0)?);
            end = reader.at;
        }
        value = Value::Array(items);
    }
    reader.is_done().then_some(Literal { value, range: start..end, inside: reader.inside })
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
    keys: Keys,
    inside: Vec<(String, Range<usize>)>,
}

impl Reader<'_> {
    fn rest(&self) -> &str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn blank(&mut self) {
        loop {
            let rest = self.rest();
            let trimmed = rest.trim_start_matches([' ', '\t', '\n', '\r', '\x0c', '\\']);
            let comment = if trimmed.starts_with('#') { trimmed.find('\n').unwrap_or(trimmed.len()) } else { 0 };
            self.at += rest.len() - trimmed.len() + comment;
            if comment == 0 {
                return;
            }
        }
    }

    fn eat(&mut self, wanted: char) -> bool {
        self.blank();
        let found = self.rest().starts_with(wanted);
        if found {
            self.at += wanted.len_utf8();
        }
        found
    }

    fn is_done(&mut self) -> bool {
        self.blank();
        self.rest().is_empty()
    }

    fn value(&mut self, depth: usize) -> Option<Value> {
        self.blank();
        if depth > DEPTH_MAX {
            return None;
        }
        match self.rest().chars().next()? {
            '[' => self.list('[', ']', depth).map(|(items, _)| Value::Array(items)),
            '(' => {
                let (mut items, comma) = self.list('(', ')', depth)?;
                // Parentheses around one value are no tuple.
                if items.len() == 1 && !comma { items.pop() } else { Some(Value::Array(items)) }
            }
            '{' => self.dict(depth),
            '\'' | '"' | 'r' | 'R' | 'u' | 'U' if self.is_text() => self.texts().map(Value::String),
            '-' | '+' => self.signed(),
            c if c.is_ascii_digit() || c == '.' => self.number(false),
            _ => self.word(),
        }
    }

    fn word(&mut self) -> Option<Value> {
        for (word, value) in [("True", Value::Bool(true)), ("False", Value::Bool(false)), ("None", Value::Null)] {
            let after = self.rest().strip_prefix(word);
            if after.is_some_and(|rest| !rest.starts_with(|c: char| c.is_alphanumeric() || c == '_' || c == '.' || c == '(')) {
                self.at += word.len();
                return Some(value);
            }
        }
        None
    }

    fn list(&mut self, open: char, close: char, depth: usize) -> Option<(Vec<Value>, bool)> {
        let (mut items, mut comma) = (Vec::new(), false);
        self.eat(open);
        while !self.eat(close) {
            items.push(self.value(depth + 1)?);
            if self.eat(',') {
                comma = true;
            } else if self.eat(close) {
                break;
            } else {
                return None;
            }
        }
        Some((items, comma))
    }

    fn dict(&mut self, depth: usize) -> Option<Value> {
        let mut map = Map::new();
        self.eat('{');
        while !self.eat('}') {
            let key = self.value(depth + 1)?;
            if !self.eat(':') {
                return None;
            }
            self.blank();
            let start = self.at;
            let value = self.value(depth + 1)?;
            let range = start..self.at;
            let (text, is_text) = match key {
                Value::String(text) => (text, true),
                Value::Array(_) | Value::Object(_) => return None,
                other => (to_text(&other), false),
            };
            if depth == 0 {
                self.inside.push((text.clone(), range));
            }
            match (is_text, self.keys) {
                (true, _) | (false, Keys::Text) => drop(map.insert(text, value)),
                (false, Keys::Marked) => drop(map.insert(format!("{NO_TEXT}{text}"), value)),
                (false, Keys::Dropped) => {}
            }
            if !self.eat(',') {
                if self.eat('}') {
                    break;
                }
                return None;
            }
        }
        Some(Value::Object(map))
    }

    fn signed(&mut self) -> Option<Value> {
        let negative = self.eat('-');
        if !negative {
            self.eat('+');
        }
        self.blank();
        self.number(negative)
    }

    fn number(&mut self, negative: bool) -> Option<Value> {
        let rest = self.rest();
        let mut previous = ' ';
        let end = rest.find(|c: char| {
            let sign = matches!(c, '+' | '-') && matches!(previous, 'e' | 'E') && !rest.starts_with("0x") && !rest.starts_with("0X");
            previous = c;
            !(c.is_ascii_alphanumeric() || c == '.' || c == '_' || sign)
        });
        let raw = &rest[..end.unwrap_or(rest.len())];
        let digits = raw.replace('_', "").to_ascii_lowercase();
        let base = [("0x", 16), ("0o", 8), ("0b", 2)].into_iter().find(|(prefix, _)| digits.starts_with(prefix));
        let magnitude = match base {
            Some((_, base)) => Some(u64::from_str_radix(digits.get(2..)?, base).ok()?),
            None => digits.bytes().all(|b| b.is_ascii_digit()).then(|| digits.parse::<u64>().ok()).flatten(),
        };
        let value = match magnitude {
            Some(whole) if negative => Value::from(0i64.checked_sub_unsigned(whole)?),
            Some(whole) => Value::from(whole),
            None => {
                let is_float = digits.contains(['.', 'e']) && digits.bytes().all(|b| b.is_ascii_digit() || b".e+-".contains(&b));
                let float: f64 = if is_float { digits.parse().ok()? } else { return None };
                Value::Number(Number::from_f64(if negative { -float } else { float })?)
            }
        };
        self.at += raw.len();
        Some(value)
    }

    fn is_text(&self) -> bool {
        let rest = self.rest();
        rest.strip_prefix(['r', 'R', 'u', 'U']).unwrap_or(rest).starts_with(['\'', '"'])
    }

    /// Texts that stand beside each other are one.
    fn texts(&mut self) -> Option<String> {
        let mut all = String::new();
        loop {
            all.push_str(&self.one_text()?);
            let end = self.at;
            self.blank();
            if !self.is_text() {
                self.at = end;
                return Some(all);
            }
        }
    }

    fn one_text(&mut self) -> Option<String> {
        let raw = self.rest().starts_with(['r', 'R']);
        if !self.rest().starts_with(['\'', '"']) {
            self.at += 1;
        }
        let quote = self.rest().chars().next()?;
        let three: String = std::iter::repeat_n(quote, 3).collect();
        let close = if self.rest().starts_with(&three) { three } else { quote.to_string() };
        self.at += close.len();
        let mut out = String::new();
        while !self.rest().starts_with(&close) {
            let ch = self.rest().chars().next()?;
            self.at += ch.len_utf8();
            if ch != '\\' {
                out.push(ch);
                continue;
            }
            let next = self.rest().chars().next()?;
            self.at += next.len_utf8();
            if raw {
                out.extend([ch, next]);
            } else {
                self.escape(next, &mut out)?;
            }
        }
        self.at += close.len();
        Some(out)
    }

    fn escape(&mut self, sign: char, out: &mut String) -> Option<()> {
        let length = match sign {
            '\n' => return Some(()),
            'x' => 2,
            'u' => 4,
            'U' => 8,
            '0'..='7' => {
                let more = self.rest().bytes().take(2).take_while(|b| (b'0'..=b'7').contains(b)).count();
                let digits = format!("{sign}{}", self.rest().get(..more)?);
                self.at += more;
                out.push(char::from_u32(u32::from_str_radix(&digits, 8).ok()?)?);
                return Some(());
            }
            'N' => return None,
            other => {
                let known = [('n', '\n'), ('t', '\t'), ('r', '\r'), ('a', '\x07'), ('b', '\x08'), ('f', '\x0c'), ('v', '\x0b')];
                match known.iter().find(|(name, _)| *name == other) {
                    Some((_, ch)) => out.push(*ch),
                    None if matches!(other, '\\' | '\'' | '"') => out.push(other),
                    None => out.extend(['\\', other]),
                }
                return Some(());
            }
        };
        let digits = self.rest().get(..length)?;
        out.push(char::from_u32(u32::from_str_radix(digits, 16).ok()?)?);
        self.at += length;
        Some(())
    }
}
