//! Finds what a text gives away: one walk over its bytes, each form tried where its first character may stand.

use super::{Action, Kind, Span};

/// Digits of the shortest and longest card number.
const CARD_DIGITS: std::ops::RangeInclusive<usize> = 12..=19;
/// Characters of the shortest and longest account number.
const IBAN_CHARS: std::ops::RangeInclusive<usize> = 15..=34;
/// Longest local part and domain of an address (RFC 5321, section 4.5.3.1).
const LOCAL_BYTES_MAX: usize = 64;
const DOMAIN_BYTES_MAX: usize = 255;
/// Beginnings of tokens, with the characters that follow at least.
const TOKENS: [(&str, usize); 16] = [
    ("AKIA", 16),
    ("ASIA", 16),
    ("AIza", 35),
    ("ghp_", 36),
    ("gho_", 36),
    ("ghu_", 36),
    ("ghs_", 36),
    ("ghr_", 36),
    ("github_pat_", 22),
    ("glpat-", 20),
    ("xoxb-", 20),
    ("xoxp-", 20),
    ("xoxa-", 20),
    ("xoxs-", 20),
    ("Bearer ", 20),
    ("bearer ", 20),
];

/// Everything that is found, in the order of the text, none over another.
pub fn spans(text: &str, action: impl Fn(Kind) -> Option<Action>) -> Vec<Span> {
    let bytes = text.as_bytes();
    let mut found = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        match strongest_at(bytes, at, &action) {
            Some(span) => {
                at = span.to;
                found.push(span);
            }
            None => at += 1,
        }
    }
    found
}

/// What begins here; of several the one with which most is done, of those the longest.
fn strongest_at(bytes: &[u8], at: usize, action: &impl Fn(Kind) -> Option<Action>) -> Option<Span> {
    let first = *bytes.get(at)?;
    // A finding is a word of its own.
    if !first.is_ascii_graphic() || at.checked_sub(1).and_then(|before| bytes.get(before)).is_some_and(u8::is_ascii_alphanumeric) {
        return None;
    }
    let rest = bytes.get(at..)?;
    let before = bytes.get(..at)?;
    let length = |kind: Kind| match kind {
        Kind::Card if first.is_ascii_digit() => card(rest),
        Kind::UsSsn if first.is_ascii_digit() => us_ssn(before, rest),
        Kind::Iban if first.is_ascii_uppercase() => iban(rest),
        Kind::Email if is_local(first) => email(before, rest),
        Kind::Secret => secret(before, rest),
        _ => None,
    };
    let found = Kind::ALL.into_iter().filter_map(|kind| Some((action(kind)?, length(kind)?, kind)));
    let (_, length, kind) = found.max_by_key(|(action, length, _)| (*action, *length))?;
    Some(Span { kind, from: at, to: at + length })
}

/// Whether no word goes on at `at`.
fn ends(rest: &[u8], at: usize) -> bool {
    rest.get(at).is_none_or(|next| !next.is_ascii_alphanumeric())
}

/// Digits with single blanks or dashes between them; the bytes that they take.
fn card(rest: &[u8]) -> Option<usize> {
    let mut digits = Vec::with_capacity(*CARD_DIGITS.end());
    // Where the digits so far end.
    let (mut at, mut end) = (0, 0);
    while let Some(byte) = rest.get(at) {
        match byte {
            b'0'..=b'9' => {
                digits.push(byte - b'0');
                at += 1;
                end = at;
                if digits.len() > *CARD_DIGITS.end() {
                    // Others follow, as when it expires: the group that is too much is left off. A number without groups is none.
                    let group = rest.get(..end)?.iter().rposition(|b| !b.is_ascii_digit())?;
                    digits.truncate(digits.len().saturating_sub(end - group - 1));
                    end = group;
                    break;
                }
            }
            b' ' | b'-' if rest.get(at + 1).is_some_and(u8::is_ascii_digit) => at += 1,
            _ => break,
        }
    }
    // A number before or after others with a blank between them is found too: groups are left off at the end.
    loop {
        if CARD_DIGITS.contains(&digits.len()) && is_issued(&digits) && is_luhn(&digits) && ends(rest, end) {
            return Some(end);
        }
        let group = rest.get(..end)?.iter().rposition(|b| !b.is_ascii_digit())?;
        digits.truncate(digits.len().saturating_sub(end - group - 1));
        end = group;
    }
}

/// Whether an issuer has numbers of this beginning and length.
fn is_issued(digits: &[u8]) -> bool {
    let start = |n: usize| digits.iter().take(n).fold(0_u32, |number, digit| number * 10 + u32::from(*digit));
    let (two, three, four) = (start(2), start(3), start(4));
    match digits.len() {
        13 => start(1) == 4,
        14 => matches!(two, 36 | 38 | 39) || matches!(three, 300..=305),
        15 => matches!(two, 34 | 37),
        16 => {
            start(1) == 4
                || matches!(two, 51..=55 | 62 | 65)
                || matches!(three, 644..=649)
                || matches!(four, 2221..=2720 | 3528..=3589 | 6011)
        }
        12 | 17..=19 => matches!(two, 50 | 56..=69) || digits.len() == 19 && start(1) == 4,
        _ => false,
    }
}

/// The check digit of ISO/IEC 7812-1, annex B.
fn is_luhn(digits: &[u8]) -> bool {
    let doubled = |(place, digit): (usize, &u8)| match (place % 2, u32::from(*digit) * 2) {
        (0, _) => u32::from(*digit),
        (_, twice) => twice / 10 + twice % 10,
    };
    digits.iter().rev().enumerate().map(doubled).sum::<u32>() % 10 == 0
}

/// `123-45-6789`, with numbers that are given to people.
fn us_ssn(before: &[u8], rest: &[u8]) -> Option<usize> {
    const LENGTH: usize = 11;
    let number = |from: usize, to: usize| {
        let part = rest.get(from..to)?;
        part.iter().all(u8::is_ascii_digit).then(|| part.iter().fold(0_u32, |n, b| n * 10 + u32::from(b - b'0')))
    };
    let dashes = rest.get(3) == Some(&b'-') && rest.get(6) == Some(&b'-');
    let (area, group, serial) = (number(0, 3)?, number(4, 6)?, number(7, LENGTH)?);
    let given = !matches!(area, 0 | 666 | 900..) && group > 0 && serial > 0;
    let alone = ends(rest, LENGTH) && before.last() != Some(&b'-') && rest.get(LENGTH) != Some(&b'-');
    (dashes && given && alone).then_some(LENGTH)
}

/// Country, check digits and account, with single blanks between groups.
fn iban(rest: &[u8]) -> Option<usize> {
    let mut letters = Vec::with_capacity(*IBAN_CHARS.end());
    let (mut at, mut found) = (0, None);
    while let Some(byte) = rest.get(at) {
        match byte {
            b'A'..=b'Z' | b'0'..=b'9' if letters.len() < *IBAN_CHARS.end() => letters.push(*byte),
            b' ' if letters.len() % 4 == 0 && rest.get(at + 1).is_some_and(u8::is_ascii_alphanumeric) => {}
            _ => break,
        }
        at += 1;
        let fits = *byte != b' ' && IBAN_CHARS.contains(&letters.len()) && ends(rest, at);
        if fits && is_iban(&letters) {
            found = Some(at);
        }
    }
    found
}

/// The check digits of ISO 13616 (ISO/IEC 7064, MOD 97-10).
fn is_iban(letters: &[u8]) -> bool {
    let [a, b, c, d, ..] = letters else { return false };
    if !(a.is_ascii_uppercase() && b.is_ascii_uppercase() && c.is_ascii_digit() && d.is_ascii_digit()) {
        return false;
    }
    let moved = letters.iter().skip(4).chain(letters.iter().take(4));
    let remainder = moved.fold(0_u32, |rest, byte| match byte {
        b'0'..=b'9' => (rest * 10 + u32::from(byte - b'0')) % 97,
        _ => (rest * 100 + u32::from(byte - b'A') + 10) % 97,
    });
    remainder == 1
}

fn is_local(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'%' | b'+' | b'-')
}

/// `local@domain.tld` (RFC 5322 without quotes and comments).
fn email(before: &[u8], rest: &[u8]) -> Option<usize> {
    if before.last().is_some_and(|byte| is_local(*byte)) || rest.first() == Some(&b'.') {
        return None;
    }
    let local = rest.iter().take(LOCAL_BYTES_MAX + 1).take_while(|b| is_local(**b)).count();
    if local == 0 || local > LOCAL_BYTES_MAX || rest.get(local) != Some(&b'@') {
        return None;
    }
    let domain = rest.get(local + 1..)?;
    let length = domain.iter().take(DOMAIN_BYTES_MAX).take_while(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-')).count();
    // A full stop or a dash at the end is the sentence's.
    let trimmed = domain.get(..length)?.iter().rposition(u8::is_ascii_alphanumeric)? + 1;
    let domain = domain.get(..trimmed)?;
    let labels: Vec<&[u8]> = domain.split(|b| *b == b'.').collect();
    let well = labels.len() > 1 && labels.iter().all(|label| !label.is_empty());
    let top = labels.last().is_some_and(|label| label.len() > 1 && label.iter().all(u8::is_ascii_alphabetic));
    (well && top).then_some(local + 1 + trimmed)
}

fn is_token(byte: &u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.' | b'~' | b'+' | b'/' | b'=')
}

fn secret(before: &[u8], rest: &[u8]) -> Option<usize> {
    private_key(rest).or_else(|| web_token(before, rest)).or_else(|| {
        let (start, least) = TOKENS.iter().find(|(start, _)| rest.starts_with(start.as_bytes()))?;
        let tail = rest.get(start.len()..)?;
        let length = tail.iter().take_while(|b| is_token(b)).count();
        // A full stop at the end is the sentence's.
        let length = tail.get(..length)?.iter().rposition(|b| *b != b'.').map_or(0, |last| last + 1);
        (length >= *least).then_some(start.len() + length)
    })
}

/// A private key in PEM, to its end or that of the text.
fn private_key(rest: &[u8]) -> Option<usize> {
    const LABEL_BYTES_MAX: usize = 64;
    const END: &[u8] = b"-----END ";
    const LINE: &[u8] = b"-----";
    let label = rest.strip_prefix(b"-----BEGIN ")?;
    let label_end = label.windows(LINE.len()).take(LABEL_BYTES_MAX).position(|w| w == LINE)?;
    if !label.get(..label_end)?.ends_with(b"PRIVATE KEY") {
        return None;
    }
    let Some(end) = rest.windows(END.len()).position(|w| w == END) else { return Some(rest.len()) };
    let tail = rest.get(end + END.len()..)?;
    let closing = tail.windows(LINE.len()).take(LABEL_BYTES_MAX).position(|w| w == LINE);
    Some(closing.map_or(rest.len(), |at| end + END.len() + at + LINE.len()))
}

/// A JSON web token (RFC 7519): two objects and a signature in base64url.
fn web_token(before: &[u8], rest: &[u8]) -> Option<usize> {
    const PART_BYTES_MAX: usize = 16 * 1024;
    let is_part = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-');
    // The middle of one that was looked at from its start.
    if before.last().is_some_and(is_part) {
        return None;
    }
    let part = |from: usize| rest.get(from..).map_or(0, |tail| tail.iter().take(PART_BYTES_MAX).take_while(|b| is_part(b)).count());
    if !rest.starts_with(b"eyJ") {
        return None;
    }
    let header = part(0);
    let claims_at = header + 1;
    if rest.get(header) != Some(&b'.') || !rest.get(claims_at..)?.starts_with(b"eyJ") {
        return None;
    }
    let claims = part(claims_at);
    if rest.get(claims_at + claims) != Some(&b'.') {
        return None;
    }
    Some(claims_at + claims + 1 + part(claims_at + claims + 1))
}
