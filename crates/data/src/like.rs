//! Patterns of SQL's LIKE: `%` is any text, `_` any character; the case of letters matters.

use regex::Regex;

/// A compiled pattern.
#[derive(Clone, Debug)]
pub(crate) struct Like(Regex);

impl Like {
    pub fn new(pattern: &str, escape: Option<char>) -> Result<Like, String> {
        let mut regex = String::from(r"(?s)\A");
        let mut chars = pattern.chars();
        while let Some(c) = chars.next() {
            match c {
                c if Some(c) == escape => match chars.next() {
                    Some(plain) => regex.push_str(&regex::escape(&plain.to_string())),
                    None => return Err(format!("pattern `{pattern}` ends with its escape character: leave it out or double it")),
                },
                '%' => regex.push_str(".*"),
                '_' => regex.push('.'),
                plain => regex.push_str(&regex::escape(&plain.to_string())),
            }
        }
        regex.push_str(r"\z");
        Regex::new(&regex).map(Like).map_err(|e| format!("pattern `{pattern}` cannot be compiled: {e}: make it shorter"))
    }

    pub fn fits(&self, text: &str) -> bool {
        self.0.is_match(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_are_whole_and_literal() {
        for (pattern, text, fits) in [
            ("a%", "abc", true),
            ("a%", "bac", false),
            ("_b_", "abc", true),
            ("_b", "abc", false),
            ("%", "", true),
            ("", "", true),
            ("", "a", false),
            ("a.c", "abc", false),
            ("%é", "caf\né", true),
            ("_", "é", true),
            ("A%", "abc", false),
        ] {
            assert_eq!(Like::new(pattern, None).unwrap().fits(text), fits, "{pattern} on {text:?}");
        }
        let escaped = Like::new(r"100\%", Some('\\')).unwrap();
        assert!(escaped.fits("100%") && !escaped.fits("1000"));
        assert!(Like::new("a!", Some('!')).is_err());
    }
}
