//! What a message says: whether its change is a fix, and which change it names as the one that is fixed.

use crate::settings::Settings;

/// Fewest digits by which a message may name a commit.
const DIGITS_MIN: usize = 7;
/// Most commits that one message names.
const NAMED_MAX: usize = 20;
/// Phrases before the id of a commit that is fixed, as git itself and the Linux kernel write them.
const NAMING: &[&str] = &["this reverts commit ", "this reverts ", "fixes: ", "fixes commit "];
/// Words that close an issue when a number or key stands behind them.
const CLOSING: &[&str] = &["fix", "fixes", "fixed", "resolve", "resolves", "resolved"];

/// What a message says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Said {
    /// Whether it is a fix.
    pub fix: bool,
    /// Ids of commits that it names as fixed, or their beginnings, in lower case.
    pub named: Vec<String>,
}

/// Reads a message.
#[must_use]
pub fn said(message: &[u8], settings: &Settings) -> Said {
    let text = String::from_utf8_lossy(message).to_lowercase();
    let first = text.lines().next().unwrap_or_default();
    let where_words = if settings.whole_message { text.as_str() } else { first };
    let has = |words: &[String], text: &str| words_of(text).any(|word| words.iter().any(|wanted| wanted.eq_ignore_ascii_case(word)));
    let keyed = settings.fault_keys.iter().any(|key| keyed(first, &key.to_lowercase()));
    let named = named(&text);
    let by_words = has(&settings.fix_words, where_words) && !has(&settings.not_fix_words, first);
    Said { fix: by_words || keyed || closes(&text) || !named.is_empty(), named }
}

fn words_of(text: &str) -> impl Iterator<Item = &str> {
    text.split(|letter: char| !letter.is_alphanumeric()).filter(|word| !word.is_empty())
}

/// Whether a key with a number stands in the text, and not within a longer word.
fn keyed(text: &str, key: &str) -> bool {
    !key.is_empty()
        && text.match_indices(key).any(|(at, _)| {
            let before = text.get(..at).and_then(|before| before.chars().next_back());
            let behind = text.get(at + key.len()..).and_then(|behind| behind.chars().next());
            !before.is_some_and(char::is_alphanumeric) && behind.is_some_and(|letter| letter.is_ascii_digit())
        })
}

/// `fixes #12`, `resolved ABC-12`, `fix: #12`.
fn closes(text: &str) -> bool {
    let words: Vec<&str> = text.split_whitespace().collect();
    words.windows(2).any(|pair| {
        let [word, what] = pair else { return false };
        CLOSING.contains(&word.trim_end_matches(':').trim_start_matches('(')) && issue(what)
    })
}

fn issue(word: &str) -> bool {
    let word = word.trim_matches(|letter: char| !letter.is_alphanumeric() && letter != '#');
    let number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let key = |text: &str| text.len() >= 2 && text.bytes().all(|byte| byte.is_ascii_alphanumeric());
    word.strip_prefix('#').is_some_and(number) || word.rsplit_once('-').is_some_and(|(before, after)| key(before) && number(after))
}

fn named(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for phrase in NAMING {
        for (at, _) in text.match_indices(phrase) {
            let rest = text.get(at + phrase.len()..).unwrap_or_default();
            let id: String = rest.chars().take_while(char::is_ascii_hexdigit).take(64).collect();
            if id.len() >= DIGITS_MIN && found.len() < NAMED_MAX && !found.contains(&id) {
                found.push(id);
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_links_and_ids_make_a_fix() {
        let settings = Settings { fault_keys: vec!["OPS-".to_owned()], ..Settings::default() };
        for (message, wanted) in [
            ("Fix the parser", true),
            ("bugfix: x", true),
            ("fixture for tests", false),
            ("prefix is longer", false),
            ("fix typo in docs", false),
            ("a feature\n\nit fixes a lot", false),
            ("a feature\n\nFixes #12", true),
            ("a feature\n\n(resolves ABC-12)", true),
            ("a feature\n\nfixes the-12th thing", false),
            ("OPS-12 is done", true),
            ("DEVOPS-12 is done", false),
            ("", false),
            ("Revert \"x\"", true),
        ] {
            assert_eq!(said(message.as_bytes(), &settings).fix, wanted, "{message}");
        }
        let whole = Settings { whole_message: true, ..Settings::default() };
        assert!(said(b"a feature\n\nit fixes a lot", &whole).fix);
        let said =
            said(b"x\n\nThis reverts commit 0123456789abcdef0123456789abcdef01234567.\nFixes: ABCDEF0 (\"y\")\nfixes: add", &settings);
        assert_eq!(said.named, ["0123456789abcdef0123456789abcdef01234567", "abcdef0"]);
    }
}
