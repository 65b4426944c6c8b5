//! A dataset's newest check: every expectation, what was observed, how much was wrong, and examples of it.

use crate::layout::{badge, facts, page, passed, table, text};
use crate::view::DatasetView;
use maud::{Markup, html};
use tidegate_core::contract::ExpectationOutcome;

/// The page of a dataset.
#[must_use]
pub fn dataset(view: &DatasetView) -> String {
    let body = html! {
        p { "Contract " (passed(view.row.success)) " on " (view.row.rows) " rows." }
        (facts(&view.facts))
        @match &view.report {
            None => p.quiet { "This dataset has not been checked yet: " code { "tidegate check" } " does it." },
            Some(report) => {
                @if !report.findings.is_empty() { ul { @for finding in &report.findings { li.bad { (finding) } } } }
                (table("Expectations", &["Expectation", "Columns", "Verdict", "Observed", "Unexpected", "Why"], &report.outcomes.iter().map(row).collect::<Vec<_>>()))
                (table("Columns", &["Column", "Type"], &report.table.columns.iter().map(|(n, t)| vec![text(n), html! { code { (t) } }]).collect::<Vec<_>>()))
            }
        }
    };
    page(&format!("Data {}", view.row.name), "", &body)
}

fn row(outcome: &ExpectationOutcome) -> Vec<Markup> {
    let kind = &outcome.expectation.kind;
    let verdict = if outcome.success { badge("good", "passed") } else { badge("bad", "failed") };
    vec![
        html! { code { (kind.name()) } },
        text(kind.columns().join(", ")),
        html! { (verdict) @if outcome.vacuous { (badge("warn", "nothing was checked")) } },
        outcome.observed.as_ref().map_or_else(|| html! {}, |o| html! { code { (o.to_string()) } }),
        outcome.counts.as_ref().map_or_else(|| html! {}, |c| html! { (c.unexpected) " of " (c.rows) }),
        text(&outcome.why),
    ]
}
