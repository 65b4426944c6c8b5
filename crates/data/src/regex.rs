//! Regular expressions as Python has them: `search`, not full match.
//!
//! Differences between the two engines are rewritten: `$` also matches before a final line end, `\Z` is the
//! very end, `{,n}` starts at none. What cannot be rewritten is refused when the pattern is compiled.

use fancy_regex::Regex;

/// Most steps of backtracking on one value.
const BACKTRACK_STEPS_MAX: usize = 1_000_000;

/// A compiled pattern.
#[derive(Clone, Debug)]
pub(crate) struct PythonRegex {
    /// For values without a final line end, where `$` is the very end: this form is the quicker one.
    plain: Regex,
    /// For values with one; none where the pattern has no `$`.
    before_line_end: Option<Regex>,
}

impl PythonRegex {
    pub fn new(pattern: &str) -> Result<PythonRegex, String> {
        let compile = |text: &str| {
            fancy_regex::RegexBuilder::new(text)
                .backtrack_limit(BACKTRACK_STEPS_MAX)
                .build()
                .map_err(|e| format!("regular expression `{pattern}` cannot be compiled: {e}"))
        };
        let (plain, dollar) = translate(pattern, r"\z")?;
        let before_line_end = if dollar { Some(compile(&translate(pattern, r"(?=\n?\z)")?.0)?) } else { None };
        Ok(PythonRegex { plain: compile(&plain)?, before_line_end })
    }

    /// Whether it is found anywhere in `text`.
    pub fn finds(&self, text: &str) -> Result<bool, String> {
        let regex = match &self.before_line_end {
            Some(regex) if text.ends_with('\n') => regex,
            _ => &self.plain,
        };
        regex
            .is_match(text)
            .map_err(|e| format!("the regular expression gives up on a value of {} bytes: {e}: make it simpler", text.len()))
    }
}

/// Letters that mean something behind a backslash in Python, outside of classes and in them.
const ESCAPES: &str = "abBdDfnrsStuUvwWxAZ";
const ESCAPES_IN_CLASS: &str = "abdDfnrsStuUvwWx";

/// The pattern in the other engine's spelling, with `end` for `$`, and whether there was a `$`.
fn translate(pattern: &str, end: &str) -> Result<(String, bool), String> {
    // In multi-line mode `$` is the end of any line in both.
    let multi_line = pattern.starts_with("(?")
        && pattern.split(')').next().is_some_and(|flags| flags.chars().skip(2).all(|c| c.is_ascii_alphabetic()) && flags.contains('m'));
    let mut out = String::with_capacity(pattern.len() + 8);
    let (mut chars, mut in_class, mut dollar) = (pattern.chars().peekable(), false, false);
    while let Some(c) = chars.next() {
        match c {
            '\\' => match chars.next() {
                Some(c) if c.is_ascii_alphabetic() && !(if in_class { ESCAPES_IN_CLASS } else { ESCAPES }).contains(c) => {
                    return Err(format!(
                        "regular expression `{pattern}`: `\\{c}` is refused: Python has no such escape here, or names a character by it"
                    ));
                }
                Some('Z') if !in_class => out.push_str(r"\z"),
                // A backspace in a class, the edge of a word outside.
                Some('b') if in_class => out.push_str(r"\x08"),
                Some(escaped) => out.extend(['\\', escaped]),
                None => out.push('\\'),
            },
            '[' if !in_class => {
                in_class = true;
                out.push('[');
                if chars.peek() == Some(&'^') {
                    out.extend(chars.next());
                }
                // A bracket that comes first is a member in Python.
                if chars.peek() == Some(&']') {
                    chars.next();
                    out.push_str(r"\]");
                }
            }
            // A bracket within a class is a member in Python, a nested class here; so are doubled signs.
            '[' => out.push_str(r"\["),
            '&' | '~' if in_class => out.extend(['\\', c]),
            ']' if in_class => {
                in_class = false;
                out.push(']');
            }
            '$' if !in_class && !multi_line => {
                dollar = true;
                out.push_str(end);
            }
            '{' if !in_class && chars.peek() == Some(&',') => out.push_str("{0"),
            other => out.push(other),
        }
    }
    Ok((out, dollar))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_find_what_python_finds() {
        // (pattern, text, found) as recorded from Python 3.11's `re.search`.
        for (pattern, text, found) in [
            ("b", "abc", true),
            ("^b", "abc", false),
            ("c$", "abc\n", true),
            (r"c\Z", "abc\n", false),
            ("^$", "", true),
            (r"^\d{,3}$", "12", true),
            (r"^\d{,3}$", "1234", false),
            ("(?P<x>a)(?P=x)", "aa", true),
            (r"(a)\1", "ab", false),
            ("a(?=b)", "ab", true),
            ("(?<!a)b", "ab", false),
            ("(?i)ABC", "xabc", true),
            ("[]a]", "]", true),
            ("[[a]", "[", true),
            ("[$]", "a$", true),
            (r"^\w+$", "é", true),
            ("(?m)^b$", "a\nb\nc", true),
            ("^b$", "a\nb\nc", false),
            ("[a&&b]", "&", true),
            (r"[\b]", "\u{8}", true),
            (r"[\b]", "b", false),
            (r"\t|\x41", "A", true),
        ] {
            assert_eq!(PythonRegex::new(pattern).unwrap().finds(text), Ok(found), "{pattern} on {text:?}");
        }
        assert!(PythonRegex::new("(").is_err());
    }

    #[test]
    fn what_the_engine_does_not_have_is_refused() {
        // docs/contracts.md lists the same.
        let mut wrong = Vec::new();
        for (pattern, understood) in [
            ("(a)?(?(1)b|c)", true),
            ("(?>a+)b", true),
            ("a++b", true),
            (r"\x41\u00e9", true),
            ("(?x) a  # note", true),
            ("(?#note)a", true),
            (r"\A\bfoo\b", true),
            ("(?<=a|bc)d", true),
            // Python refuses this one; where it is written, it is understood here.
            ("(?<=a+)b", true),
            ("(?a)x", false),
            ("(?u)x", true),
            ("(?L)x", false),
            (r"\N{DIGIT ONE}", false),
            (r"\h", false),
            (r"[\A]", false),
            (r"\K", false),
            (r"\07", false),
            ("(?P=nobody)", false),
            (r"(a)\2", false),
        ] {
            if PythonRegex::new(pattern).is_ok() != understood {
                wrong.push(pattern);
            }
        }
        assert!(wrong.is_empty(), "{wrong:?}");
    }
}
