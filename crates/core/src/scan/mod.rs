//! What texts should not give away: personal data and secrets, found by their form and their check digits, and masked.
//!
//! Pure: a text and rules in, findings out. Not here: where texts come from, and what is told of findings.

mod find;

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Longest text that is looked through, in bytes; of a longer one the rest is masked whole where anything is masked or blocked.
pub const TEXT_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Digits of a card number that stay readable at its end (PCI DSS 4.0, 3.4.1, allows the last four).
const CARD_DIGITS_SHOWN: usize = 4;
/// What stands for each masked character.
const MASK: char = '*';

/// What is looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Payment card numbers: ISO/IEC 7812, by issuer, length and check digit.
    Card,
    /// International bank account numbers: ISO 13616, by their check digits.
    Iban,
    /// Social security numbers of the United States, written `123-45-6789`.
    UsSsn,
    /// E-mail addresses.
    Email,
    /// Keys and tokens: private keys in PEM, JSON web tokens, access keys of AWS, Google, GitHub, GitLab, Slack, bearer tokens.
    Secret,
}

impl Kind {
    /// All kinds.
    pub const ALL: [Kind; 5] = [Kind::Card, Kind::Iban, Kind::UsSsn, Kind::Email, Kind::Secret];

    /// Its name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Kind::Card => "card",
            Kind::Iban => "iban",
            Kind::UsSsn => "us_ssn",
            Kind::Email => "email",
            Kind::Secret => "secret",
        }
    }

    /// By its name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Kind> {
        Kind::ALL.into_iter().find(|kind| kind.as_str() == name)
    }
}

/// What is done with a finding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// It is counted and told of; the text stays.
    Flag,
    /// Its characters are replaced.
    Mask,
    /// The text is not given out.
    Block,
}

impl Action {
    /// All actions.
    pub const ALL: [Action; 3] = [Action::Flag, Action::Mask, Action::Block];

    /// Its name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Action::Flag => "flag",
            Action::Mask => "mask",
            Action::Block => "block",
        }
    }

    /// By its name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Action> {
        Action::ALL.into_iter().find(|action| action.as_str() == name)
    }
}

/// What is looked for, and what is done with it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Rules(pub BTreeMap<Kind, Action>);

/// How often each kind was found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Findings(pub BTreeMap<Kind, u32>);

impl Findings {
    /// Whether nothing was found.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Those of a kind that is not given out, if there are any.
    #[must_use]
    pub fn blocked(&self, rules: &Rules) -> Option<Kind> {
        self.0.keys().copied().find(|kind| rules.0.get(kind) == Some(&Action::Block))
    }
}

/// A finding: bytes from..to of the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Span {
    kind: Kind,
    from: usize,
    to: usize,
}

impl Rules {
    /// Whether nothing is looked for.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Looks through a text and counts what is there; the text with what is to be masked replaced, character by character, where that
    /// changes it. Where two findings overlap the one that begins first counts; of those the one with which most is done, then the longest.
    pub fn scan(&self, text: &str, findings: &mut Findings) -> Option<String> {
        let head = text.get(..TEXT_BYTES_MAX).or_else(|| (0..4).find_map(|back| text.get(..TEXT_BYTES_MAX - back)));
        let (head, rest) = head.map_or((text, ""), |head| text.split_at(head.len()));
        let spans = find::spans(head, |kind| self.0.get(&kind).copied());
        for span in &spans {
            *findings.0.entry(span.kind).or_default() += 1;
        }
        let masked = |span: &&Span| self.0.get(&span.kind).is_some_and(|action| *action != Action::Flag);
        let unread = !rest.is_empty() && self.0.values().any(|action| *action != Action::Flag);
        let mut spans = spans.iter().filter(masked).peekable();
        if spans.peek().is_none() && !unread {
            return None;
        }
        let mut out = String::with_capacity(text.len());
        let mut at = 0;
        for span in spans {
            out.push_str(head.get(at..span.from).unwrap_or_default());
            mask(head.get(span.from..span.to).unwrap_or_default(), span.kind, &mut out);
            at = span.to;
        }
        out.push_str(head.get(at..).unwrap_or_default());
        if unread {
            out.extend(rest.chars().map(|_| MASK));
        } else {
            out.push_str(rest);
        }
        Some(out)
    }
}

fn mask(text: &str, kind: Kind, out: &mut String) {
    let digits = text.bytes().filter(u8::is_ascii_digit).count();
    let hidden = if kind == Kind::Card { digits.saturating_sub(CARD_DIGITS_SHOWN) } else { usize::MAX };
    let mut seen = 0;
    for c in text.chars() {
        let separates = kind == Kind::Card && !c.is_ascii_digit();
        seen += usize::from(!separates);
        out.push(if separates || seen > hidden { c } else { MASK });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn rules(action: Action) -> Rules {
        Rules(Kind::ALL.into_iter().map(|kind| (kind, action)).collect())
    }

    fn masked(text: &str) -> String {
        rules(Action::Mask).scan(text, &mut Findings::default()).unwrap_or_else(|| text.to_owned())
    }

    #[test]
    fn what_gives_away_is_masked_and_the_rest_stays() {
        assert_eq!(masked("pay with 4111 1111 1111 1111 now"), "pay with **** **** **** 1111 now");
        assert_eq!(masked("5500-0055-5555-5559,378282246310005"), "****-****-****-5559,***********0005");
        assert_eq!(masked("IBAN GB82 WEST 1234 5698 7654 32."), "IBAN ***************************.");
        assert_eq!(masked("to DE89370400440532013000 today"), "to ********************** today");
        // What stands behind a number is not part of it.
        assert_eq!(masked("4111 1111 1111 1111 09 26 123"), "**** **** **** 1111 09 26 123");
        assert_eq!(masked("4111 1111 1111 1111 0926"), "**** **** **** 1111 0926");
        assert_eq!(masked("ssn 078-05-1120"), "ssn ***********");
        assert_eq!(masked("write to ada.l+x@mail.example.org, please"), "write to ************************, please");
        assert_eq!(masked("key AKIAIOSFODNN7EXAMPLE"), format!("key {}", "*".repeat(20)));
        assert_eq!(masked(&format!("t=ghp_{}!", "a1B2".repeat(9))), format!("t={}!", "*".repeat(40)));
        let pem = "-----BEGIN RSA PRIVATE KEY-----\nMIIB\n-----END RSA PRIVATE KEY-----";
        assert_eq!(masked(&format!("a {pem} b")), format!("a {} b", "*".repeat(pem.len())));
        assert_eq!(masked("a -----BEGIN PRIVATE KEY-----\nMII"), format!("a {}", "*".repeat(31)));
    }

    #[test]
    fn what_only_looks_alike_stays() {
        for text in [
            "4111 1111 1111 1112",           // check digit
            "order 41111111111111112222222", // part of a longer number
            "x4111111111111111",             // part of a word
            "1234567890123452",              // no issuer
            "0000 0000 0000 0000",
            "GB82 WEST 1234 5698 7654 33",
            "078-05-112",
            "000-12-3456",
            "666-12-3456",
            "912-12-3456",
            "a@b",
            "@mail.example.org",
            "x@y..z",
            "AKIAshort",
            "eyJhbGciOi.x.y",
            "version 1.2.3 of 2026-11-29",
            "",
        ] {
            assert_eq!(masked(text), text);
        }
    }

    #[test]
    fn actions_are_told_apart() {
        let text = "4111111111111111 and ada@example.org";
        let mut findings = Findings::default();
        assert_eq!(rules(Action::Flag).scan(text, &mut findings), None);
        assert_eq!(findings.0, BTreeMap::from([(Kind::Card, 1), (Kind::Email, 1)]));
        // The one that is to be masked is, though the other is longer.
        let both = Rules(BTreeMap::from([(Kind::Card, Action::Mask), (Kind::Email, Action::Flag)]));
        let scanned = both.scan("4111111111111111@x.org", &mut Findings::default());
        assert_eq!(scanned.as_deref(), Some("************1111@x.org"));
        assert_eq!(findings.blocked(&rules(Action::Flag)), None);
        assert_eq!(findings.blocked(&Rules(BTreeMap::from([(Kind::Email, Action::Block)]))), Some(Kind::Email));
        let only = Rules(BTreeMap::from([(Kind::Secret, Action::Mask)]));
        let mut none = Findings::default();
        assert_eq!(only.scan(text, &mut none), None);
        assert!(none.is_empty());
    }

    #[test]
    fn a_text_beyond_the_limit_is_masked_where_it_is_not_read() {
        let long = format!("{}é4111111111111111", "a".repeat(TEXT_BYTES_MAX - 1));
        let scanned = masked(&long);
        assert!(scanned.ends_with(&"*".repeat(17)) && scanned.chars().count() == long.chars().count());
        assert_eq!(rules(Action::Flag).scan(&long, &mut Findings::default()), None);
    }

    proptest! {
        #[test]
        fn every_text_keeps_its_length_and_is_masked_once(text in "[0-9 \\-a-zA-Z@.éü_]{0,200}") {
            let once = masked(&text);
            prop_assert_eq!(once.chars().count(), text.chars().count());
            prop_assert_eq!(masked(&once), once);
        }

        #[test]
        fn a_planted_card_is_found_wherever_it_stands(before in "[a-z .,:é]{0,40}[ .,:]", after in "[ .,:][a-z .,:é]{0,40}") {
            let text = format!("{before}4012888888881881{after}");
            prop_assert_eq!(masked(&text), format!("{before}************1881{after}"));
        }
    }
}
