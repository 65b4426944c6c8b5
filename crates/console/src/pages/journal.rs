//! The journal: every fact, newest first.

use crate::layout::{page, table, text, when};
use crate::view::JournalView;
use maud::html;

/// The page of the journal.
#[must_use]
pub fn journal(view: &JournalView) -> String {
    let rows: Vec<_> = view
        .records
        .iter()
        .map(|r| {
            vec![
                text(r.position),
                when(r.at),
                html! { code { (r.stream) } },
                text(&r.event),
                html! { details { summary { "record" } pre { (serde_json::to_string_pretty(&r.body).unwrap_or_default()) } } },
            ]
        })
        .collect();
    let body = html! {
        p { (view.head.records) " records, sealed to " strong { (view.head.sealed_to) } " under root " code { (view.head.root) } "." }
        p.quiet { "Log " code { (view.head.origin) } ". Check it with " code { "tidegate audit verify" } ", or take it away with " code { "tidegate audit export DIR" } "." }
        (table("Records", &["Position", "When", "Stream", "Event", "Record"], &rows))
        @if let Some(older) = view.older { p { a href={ "/journal?before=" (older) } { "Older records" } } }
    };
    page("Journal", "/journal", &body)
}
