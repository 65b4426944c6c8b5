//! A pipeline run: what it was given, what each stage did and why, what it wrote.

use crate::layout::{facts, page, table, text};
use crate::view::RunView;
use maud::html;

/// The page of a run.
#[must_use]
pub fn run(view: &RunView) -> String {
    let rows: Vec<_> = view
        .stages
        .iter()
        .map(|s| {
            vec![
                text(&s.name),
                text(&s.outcome),
                text(&s.why),
                text(s.duration_ms.map_or("-".to_owned(), |ms| format!("{:.1} s", ms as f64 / 1000.0))),
                html! { @for (path, digest) in &s.outs { div { code { (path) } " " span.quiet { (digest) } } } },
            ]
        })
        .collect();
    let body = html! {
        p { (view.row.outcome) ": " (view.row.ran) " stages ran, " (view.row.skipped) " had nothing to do." }
        (facts(&view.facts))
        (table("Stages", &["Stage", "Outcome", "Why", "Took", "Wrote"], &rows))
        section { h2 { "Parameters" } pre { (serde_json::to_string_pretty(&view.params).unwrap_or_default()) } }
    };
    page(&format!("Run {}", view.row.id), "", &body)
}
