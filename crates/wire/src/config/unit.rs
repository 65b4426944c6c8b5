//! Units: durations, shares, percentages, instants and addresses as people write them.

use std::net::SocketAddr;

/// Longest duration: ten years.
pub const DURATION_MS_MAX: u64 = 10 * 366 * 86_400_000;

/// The units of durations with their milliseconds, longest first.
pub const DURATION_UNITS: [(&str, u64); 6] =
    [("w", 7 * 86_400_000), ("d", 86_400_000), ("h", 3_600_000), ("ms", 1), ("m", 60_000), ("s", 1_000)];

/// `5m`, `1h30m`, `500ms` in milliseconds; the error is a sentence without a place.
///
/// # Errors
/// When there is no unit, an unknown one, or the duration is longer than [`DURATION_MS_MAX`].
pub fn duration_ms(text: &str) -> Result<u64, String> {
    let mut rest = text;
    let mut total: u64 = 0;
    while !rest.is_empty() {
        let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let (number, tail) = rest.split_at(digits);
        let letters = tail.len() - tail.trim_start_matches(|c: char| c.is_ascii_alphabetic()).len();
        let (unit, after) = tail.split_at(letters);
        let amount: u64 = number.parse().map_err(|_| format!("`{text}` is not a duration"))?;
        if unit.is_empty() && after.is_empty() {
            return Err(format!("`{text}` has no unit"));
        }
        let Some((_, each)) = DURATION_UNITS.iter().find(|(name, _)| *name == unit) else {
            return Err(format!("`{text}` is not a duration"));
        };
        total = amount.checked_mul(*each).and_then(|ms| total.checked_add(ms)).ok_or_else(|| format!("`{text}` is too long"))?;
        rest = after;
    }
    match total {
        _ if text.is_empty() => Err("an empty text is not a duration".to_owned()),
        0..=DURATION_MS_MAX => Ok(total),
        _ => Err(format!("`{text}` is longer than ten years")),
    }
}

/// A duration as its largest units: `1h30m`.
#[must_use]
pub fn duration_text(ms: u64) -> String {
    if ms == 0 {
        return "0s".to_owned();
    }
    let mut units = DURATION_UNITS;
    units.sort_by_key(|(_, each)| std::cmp::Reverse(*each));
    let mut rest = ms;
    let mut text = String::new();
    for (name, each) in units {
        // Weeks are read but not written: `30d` says more than `4w2d`.
        if name != "w" && rest >= each {
            text.push_str(&format!("{}{name}", rest / each));
            rest %= each;
        }
    }
    text
}

/// `0.1%` or `0.001`, a share from 0 to 1.
///
/// # Errors
/// When it is neither.
pub fn share(text: &str) -> Result<f64, String> {
    let wrong = || format!("`{text}` is not a share");
    // `0.1%` is read as `0.1e-2`, so that it is the same bits as `0.001`.
    let number = match text.strip_suffix('%') {
        Some(percent) if plain_decimal(percent) => format!("{percent}e-2"),
        Some(_) => return Err(wrong()),
        None => text.to_owned(),
    };
    let share: f64 = number.parse().map_err(|_| wrong())?;
    if (0.0..=1.0).contains(&share) { Ok(share) } else { Err(format!("`{text}` lies outside 0 to 1 (0 % to 100 %)")) }
}

/// `5`, `0.5` or `5%` in basis points.
///
/// # Errors
/// When it is not a percentage from 0 to 100 in steps of 0.01.
pub fn percent_bp(text: &str) -> Result<u32, String> {
    let number = text.strip_suffix('%').unwrap_or(text);
    if !plain_decimal(number) {
        return Err(format!("`{text}` is not a percentage"));
    }
    let (whole, part) = number.split_once('.').unwrap_or((number, ""));
    let part = part.trim_end_matches('0');
    if part.len() > 2 {
        return Err(format!("`{text}` is finer than 0.01 %"));
    }
    let bp = format!("{whole}{part:0<2}").parse::<u32>().map_err(|_| format!("`{text}` is not a percentage"))?;
    if bp <= 10_000 { Ok(bp) } else { Err(format!("`{text}` lies outside 0 % to 100 %")) }
}

/// Basis points as a percentage: `550` is `5.5%`.
#[must_use]
pub fn percent_text(bp: u32) -> String {
    let text = format!("{}.{:02}", bp / 100, bp % 100);
    format!("{}%", text.trim_end_matches('0').trim_end_matches('.'))
}

fn plain_decimal(text: &str) -> bool {
    let (whole, part) = text.split_once('.').unwrap_or((text, "0"));
    let digits = |t: &str| !t.is_empty() && t.bytes().all(|b| b.is_ascii_digit());
    digits(whole) && digits(part)
}

/// `2013-12-31` (its end, UTC) or `2013-12-31T06:00:00Z`, in milliseconds since 1970.
///
/// # Errors
/// When it is neither.
pub fn instant_ms(text: &str) -> Result<i64, String> {
    if let Ok(instant) = text.parse::<jiff::Timestamp>() {
        return Ok(instant.as_millisecond());
    }
    let wrong = |_| format!("`{text}` is neither a date nor an instant");
    let date: jiff::civil::Date = text.parse().map_err(wrong)?;
    let end = date.tomorrow().and_then(|next| next.to_zoned(jiff::tz::TimeZone::UTC)).map_err(wrong)?;
    Ok(end.timestamp().as_millisecond())
}

/// `127.0.0.1:8700`.
///
/// # Errors
/// When it is not an IP address with a port.
pub fn listen(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| format!("`{text}` is not an address with a port"))
}

/// Whether this is an address of data that can be read.
///
/// # Errors
/// With a sentence, when its scheme is not known, or it names nothing.
pub fn address(text: &str) -> Result<(), String> {
    const SCHEMES: [&str; 6] = ["s3", "gs", "azure", "http", "https", "remote"];
    match text.split_once("://") {
        Some((scheme, rest)) if SCHEMES.contains(&scheme) && !rest.trim_matches('/').is_empty() => Ok(()),
        Some((scheme, _)) if SCHEMES.contains(&scheme) => Err(format!("address `{text}` names nothing")),
        _ => Err(format!("address `{text}` begins with none of {}", SCHEMES.map(|s| format!("`{s}://`")).join(", "))),
    }
}

/// A path inside the workspace: relative, with forward slashes, no `.` or `..` among its parts.
///
/// # Errors
/// Says in what way it is not.
pub fn inside(path: &str) -> Result<(), String> {
    let why = if path.starts_with('/') || path.get(1..2) == Some(":") {
        "is absolute"
    } else if path.contains('\\') {
        "has a backslash"
    } else if path.chars().any(char::is_control) {
        "has a control character"
    } else if path.split('/').any(|part| part == "..") {
        "leaves the workspace"
    } else if path.split('/').any(|part| part.is_empty() || part == ".") {
        "has an empty part or `.`"
    } else {
        return Ok(());
    };
    Err(format!("path `{path}` {why}"))
}
