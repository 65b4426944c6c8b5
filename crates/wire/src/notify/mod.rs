//! Notifications as they are written: Slack's JSON, a mail, and CDEvents for tools.

pub mod cdevents;
#[cfg(test)]
mod tests;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use std::fmt::Write as _;
use tidegate_core::id::{At, Digest};
use tidegate_core::notify::{Item, listed};

/// Longest line of a message, in characters.
const LINE_CHARS_MAX: usize = 500;
/// Longest subject of a mail, in characters.
const SUBJECT_CHARS_MAX: usize = 120;
/// Characters of a line of base64.
const BASE64_LINE: usize = 76;

/// A text of one line and no more than `max` characters.
fn short(text: &str, max: usize) -> String {
    let plain: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    if plain.chars().count() <= max {
        return plain;
    }
    plain.chars().take(max - 1).chain(['…']).collect()
}

/// The id of a happening, for whoever gets it twice.
#[must_use]
pub fn id(workspace: &str, position: u64) -> String {
    format!("tdg_{}_{position}", Digest::of(workspace.as_bytes()).short())
}

/// What Slack's incoming webhooks take.
#[must_use]
pub fn slack(workspace: &str, items: &[Item]) -> Value {
    // Nobody is called by what a reason says: neither `<!channel>` nor a plain `@all` is one.
    let escaped = |text: &str| text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('@', "@\u{200b}");
    let mut lines: Vec<String> = listed(items).iter().map(|line| escaped(&short(line, LINE_CHARS_MAX))).collect();
    let head = format!("*{}*", escaped(&short(workspace, LINE_CHARS_MAX)));
    let text = if lines.len() == 1 { format!("{head} {}", lines.remove(0)) } else { format!("{head}\n• {}", lines.join("\n• ")) };
    json!({ "text": text })
}

/// Who a mail is from and to.
#[derive(Clone, Copy, Debug)]
pub struct Envelope<'a> {
    /// The sender's address.
    pub from: &'a str,
    /// The recipients' addresses.
    pub to: &'a [String],
}

/// A mail in the form of RFC 5322. Its id is that of its newest happening: one that comes twice is known to be the same.
#[must_use]
pub fn mail(workspace: &str, envelope: Envelope<'_>, items: &[Item], now: At) -> String {
    let lines: Vec<String> = listed(items).iter().map(|line| short(line, LINE_CHARS_MAX)).collect();
    let more = if lines.len() > 1 { format!(" (and {} more)", lines.len() - 1) } else { String::new() };
    let subject = short(&format!("[{workspace}] {}{more}", lines.first().map_or("", String::as_str)), SUBJECT_CHARS_MAX);
    let date = jiff::Timestamp::from_millisecond(now.0).unwrap_or_default();
    let date = jiff::fmt::rfc2822::to_string(&date.to_zoned(jiff::tz::TimeZone::UTC)).unwrap_or_default();
    let newest = items.iter().map(|item| item.position).max().unwrap_or_default();
    let mut mail = String::new();
    let mut header = |name: &str, value: &str| {
        let _ = write!(mail, "{name}: {value}\r\n");
    };
    header("From", envelope.from);
    header("To", &envelope.to.join(",\r\n "));
    // Words of RFC 2047 hold 75 characters at most: 45 bytes each, cut between characters.
    header("Subject", &words(&subject).join("\r\n "));
    header("Date", &date);
    header("Message-ID", &format!("<{}@tidegate.invalid>", id(workspace, newest)));
    header("MIME-Version", "1.0");
    header("Content-Type", "text/plain; charset=utf-8");
    header("Content-Transfer-Encoding", "base64");
    header("Auto-Submitted", "auto-generated");
    mail.push_str("\r\n");
    let body = STANDARD.encode(lines.join("\r\n") + "\r\n");
    for line in body.as_bytes().chunks(BASE64_LINE) {
        mail.push_str(&String::from_utf8_lossy(line));
        mail.push_str("\r\n");
    }
    mail
}

/// A text as encoded words.
fn words(text: &str) -> Vec<String> {
    let mut pieces = vec![String::new()];
    for c in text.chars() {
        if pieces.last().is_some_and(|piece| piece.len() + c.len_utf8() > 45) {
            pieces.push(String::new());
        }
        if let Some(piece) = pieces.last_mut() {
            piece.push(c);
        }
    }
    pieces.iter().map(|piece| format!("=?UTF-8?B?{}?=", STANDARD.encode(piece))).collect()
}
