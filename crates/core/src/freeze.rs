//! Freezes: spans of time in which nothing goes forward, and what a release is told of them.
//!
//! Not here: how they are written down (tidegate.yaml, iCalendar), and what a rollout does in one (`rollout`).

use crate::id::At;
use crate::rollout::{Command, Frozen, Rollout};
use serde::Serialize;

/// One span.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Window {
    /// What it is called.
    pub name: String,
    /// Why, in words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// When it begins.
    pub from: At,
    /// When it ends.
    pub until: At,
    /// Of which services; of all when empty.
    pub services: Vec<String>,
}

impl Window {
    /// Whether it is about a service.
    #[must_use]
    pub fn is_of(&self, service: &str) -> bool {
        self.services.is_empty() || self.services.iter().any(|s| s == service)
    }
}

/// What freezes a service at a time: until when, by the window that ends last where one begins before the other has ended.
#[must_use]
pub fn frozen(windows: &[Window], service: &str, at: At) -> Option<Frozen> {
    let own = || windows.iter().filter(|w| w.is_of(service) && w.from < w.until);
    let longest = |at: At, until: At| own().filter(|w| w.from <= at && w.until > until).max_by_key(|w| w.until);
    let mut last = longest(at, at)?;
    while let Some(next) = longest(last.until, last.until) {
        last = next;
    }
    Some(Frozen { name: last.name.clone(), until: last.until })
}

/// What a release must be told where the calendar says something else than it knows.
#[must_use]
pub fn told(open: &Rollout, frozen: Option<&Frozen>, at: At) -> Option<Command> {
    match (frozen, &open.frozen) {
        (Some(frozen), known) if known.as_ref() != Some(frozen) && open.forward().is_some() => {
            Some(Command::Freeze { name: frozen.name.clone(), until: frozen.until, at })
        }
        (None, Some(known)) if known.until > at => Some(Command::Thaw { at }),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn window(name: &str, from: i64, until: i64, services: &[&str]) -> Window {
        let services = services.iter().map(|s| (*s).to_owned()).collect();
        Window { name: name.to_owned(), reason: None, from: At(from), until: At(until), services }
    }

    #[test]
    fn windows_that_meet_are_one_freeze() {
        let windows = [
            window("weekend", 100, 200, &[]),
            window("year end", 150, 400, &["pay"]),
            window("inventory", 400, 500, &["pay"]),
            window("audit", 501, 600, &["pay"]),
            window("empty", 700, 700, &[]),
        ];
        let at = |service: &str, at: i64| frozen(&windows, service, At(at)).map(|f| (f.name, f.until.0));
        assert_eq!(at("pay", 99), None);
        assert_eq!(at("pay", 100), Some(("inventory".to_owned(), 500)));
        assert_eq!(at("pay", 499), Some(("inventory".to_owned(), 500)));
        assert_eq!(at("pay", 500), None, "it ends with its end");
        assert_eq!(at("search", 120), Some(("weekend".to_owned(), 200)));
        assert_eq!(at("search", 200), None);
        assert_eq!(at("search", 700), None);
    }
}
