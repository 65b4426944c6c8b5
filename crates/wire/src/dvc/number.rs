//! Plain scalars by YAML 1.2 as DVC's reader and writer take them. One function tells what a text is; the reader uses it
//! to make values, the writer to know what must be quoted.

/// What a plain scalar is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Null,
    Bool(bool),
    Int,
    Float,
    Timestamp,
    /// `<<` and `=`.
    Special,
    Text,
}

/// What the plain scalar `text` is.
pub(super) fn kind_of(text: &str) -> Kind {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => Kind::Null,
        "true" | "True" | "TRUE" => Kind::Bool(true),
        "false" | "False" | "FALSE" => Kind::Bool(false),
        "<<" | "=" => Kind::Special,
        _ if is_float(text) => Kind::Float,
        _ if is_int(text) => Kind::Int,
        _ if is_timestamp(text) => Kind::Timestamp,
        _ => Kind::Text,
    }
}

fn unsigned(text: &str) -> &str {
    text.strip_prefix(['-', '+']).unwrap_or(text)
}

fn all(text: &str, allowed: impl Fn(u8) -> bool) -> bool {
    !text.is_empty() && text.bytes().all(allowed)
}

fn digits_(text: &str) -> bool {
    text.bytes().all(|b| b.is_ascii_digit() || b == b'_')
}

fn is_int(text: &str) -> bool {
    let body = unsigned(text);
    if !text.starts_with(|c: char| c == '-' || c == '+' || c.is_ascii_digit()) {
        return false;
    }
    let in_base =
        |prefix: &str, digits: &[u8]| body.strip_prefix(prefix).is_some_and(|rest| all(rest, |b| digits.contains(&b) || b == b'_'));
    in_base("0b", b"01") || in_base("0o", b"01234567") || in_base("0x", b"0123456789abcdefABCDEF") || (!body.is_empty() && digits_(body))
}

fn is_float(text: &str) -> bool {
    let body = unsigned(text);
    if matches!(body, ".inf" | ".Inf" | ".INF") || matches!(text, ".nan" | ".NaN" | ".NAN") {
        return true;
    }
    let (mantissa, exponent) = match body.find(['e', 'E']) {
        Some(i) => (&body[..i], Some(&body[i + 1..])),
        None => (body, None),
    };
    let exponent_fits = |signed: bool| {
        exponent.is_none_or(|e| {
            let rest = unsigned(e);
            all(rest, |b| b.is_ascii_digit()) && (!signed || rest.len() < e.len())
        })
    };
    match mantissa.split_once('.') {
        Some(("", fraction)) => !fraction.is_empty() && digits_(fraction) && exponent_fits(true),
        Some((whole, fraction)) => starts_with_digit(whole) && digits_(whole) && digits_(fraction) && exponent_fits(false),
        None => starts_with_digit(mantissa) && digits_(mantissa) && exponent.is_some() && exponent_fits(false),
    }
}

fn starts_with_digit(text: &str) -> bool {
    text.bytes().next().is_some_and(|b| b.is_ascii_digit())
}

/// `2013-12-31`, and `2013-1-2 3:04:05` with its variants.
fn is_timestamp(text: &str) -> bool {
    let b = text.as_bytes();
    let digits = |range: std::ops::Range<usize>| b.get(range).is_some_and(|s| s.iter().all(u8::is_ascii_digit));
    if !(digits(0..4) && b.get(4) == Some(&b'-')) {
        return false;
    }
    if b.len() == 10 && digits(5..7) && b.get(7) == Some(&b'-') && digits(8..10) {
        return true;
    }
    long_timestamp(&text[5..]).is_some()
}

fn long_timestamp(text: &str) -> Option<()> {
    let (_, rest) = number(text, 1, 2)?;
    let (_, rest) = number(rest.strip_prefix('-')?, 1, 2)?;
    let rest = match rest.strip_prefix(['T', 't']) {
        Some(rest) => rest,
        None => {
            let trimmed = rest.trim_start_matches([' ', '\t']);
            (trimmed.len() < rest.len()).then_some(trimmed)?
        }
    };
    let (_, rest) = number(rest, 1, 2)?;
    let (_, rest) = number(rest.strip_prefix(':')?, 2, 2)?;
    let (_, rest) = number(rest.strip_prefix(':')?, 2, 2)?;
    let rest = rest.strip_prefix('.').map_or(rest, |r| r.trim_start_matches(|c: char| c.is_ascii_digit()));
    if rest.is_empty() {
        return Some(());
    }
    let rest = rest.trim_start_matches([' ', '\t']);
    if rest == "Z" {
        return Some(());
    }
    let (_, rest) = number(rest.strip_prefix(['-', '+'])?, 1, 2)?;
    match rest.strip_prefix(':') {
        None => rest.is_empty().then_some(()),
        Some(minutes) => number(minutes, 2, 2).filter(|(_, rest)| rest.is_empty()).map(|_| ()),
    }
}

/// Between `least` and `most` digits from the front, as many as there are.
fn number(text: &str, least: usize, most: usize) -> Option<(&str, &str)> {
    let count = text.bytes().take(most).take_while(u8::is_ascii_digit).count();
    (count >= least).then(|| text.split_at(count))
}
