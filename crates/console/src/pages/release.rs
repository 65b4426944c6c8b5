//! A release: its verdict now and over time, what the judge has seen and still needs, what happened.

use crate::chart;
use crate::layout::{badge, number, page, table, text, when};
use crate::view::{Point, ReleaseView};
use maud::{Markup, html};
use tidegate_core::judge::{Assessment, GuardrailAssessment, Verdict};

/// Rows of the table beside the pictures; older ticks are thinned out evenly.
const ROWS_MAX: usize = 60;

/// The page of a release.
#[must_use]
pub fn release(view: &ReleaseView) -> String {
    let versions = match &view.row.stable {
        Some(stable) => format!("version {stable} → {}", view.row.candidate),
        None => format!("version {}, the first", view.row.candidate),
    };
    let body = html! {
        p { (badge("mark", &view.row.phase)) " " (versions) ": " (view.change) ". " (view.row.note) }
        p { strong { (view.users_saw) } " live requests were answered by the candidate; attempt " (view.attempt) "." }
        @if let Some(assessment) = &view.assessment { (verdict(assessment)) }
        @if !view.points.is_empty() {
            section {
                h2 { "Over time" }
                (chart::e_values(&view.points))
                (chart::ratio(&view.points))
                (chart::split(&view.points))
                details { summary { "The same as numbers" } (points(&view.points)) }
            }
        }
        (table("What happened", &["When", "What"], &view.story.iter().map(|(at, what)| vec![when(*at), text(what)]).collect::<Vec<_>>()))
        @if let Some(evidence) = &view.evidence {
            p.quiet { "Newest sealed evidence: " code { (evidence) } ". " code { "tidegate audit recompute " (view.row.service) "/" (view.row.number) } " loads it and must get the same verdict." }
        }
    };
    page(&format!("Release {} {}", view.row.service, view.row.number), "", &body)
}

fn verdict(a: &Assessment) -> Markup {
    let (colour, word) = match &a.verdict {
        Verdict::Promote => ("good", "promote"),
        Verdict::Continue => ("mark", "continue"),
        Verdict::Hold { .. } => ("warn", "hold"),
        Verdict::Rollback => ("bad", "rollback"),
        Verdict::InsufficientEvidence { .. } => ("mark", "insufficient evidence"),
        Verdict::NoTelemetry => ("warn", "no telemetry"),
    };
    let rows: Vec<_> = a.guardrails.iter().map(|g| guardrail(g, a)).collect();
    html! {
        section {
            h2 { "Verdict" }
            p { (badge(colour, word)) " " (a.summary) }
            p.quiet {
                "Rollback evidence " (number(a.e_rollback)) " of " (number(a.needs_rollback)) "; promotion evidence " (number(a.e_promote)) " of "
                (number(a.needs_promote)) "; " (a.candidate_requests) " candidate and " (a.control_requests) " control requests in " (a.ticks) " ticks."
            }
        }
        (table("Guardrails", &["Guardrail", "Candidate", "Control", "Ratio", "For rollback", "For promotion", "Time left", "What would flip it"], &rows))
    }
}

fn guardrail(g: &GuardrailAssessment, a: &Assessment) -> Vec<Markup> {
    let of = |(trials, hits): (u64, u64)| if trials == 0 { "-".to_owned() } else { format!("{hits} of {trials}") };
    let end = |end: Option<f64>, open: &str| end.map_or(open.to_owned(), number);
    let of_counts = || match (g.ratio, g.ratio_low) {
        (Some(r), Some(low)) => format!("{} ({} to {})", number(r), number(low), end(g.ratio_high, "∞")),
        (Some(r), None) => number(r),
        (None, _) => "-".to_owned(),
    };
    // A metric has pairs of values, no counts.
    let ratio = g
        .values
        .map_or_else(of_counts, |v| format!("{} ({} to {}) in {} pairs", end(v.middle, "-"), end(v.low, "-∞"), end(v.high, "∞"), v.pairs));
    let eta = g.eta_ms.map_or("-".to_owned(), |ms| format!("{:.0} s", ms as f64 / 1000.0));
    vec![
        text(&g.name),
        text(of(g.candidate)),
        text(of(g.control)),
        text(ratio),
        text(format!("{} of {}", number(g.e_rollback), number(a.needs_rollback))),
        text(format!("{} of {}", number(g.e_promote), number(a.needs_promote))),
        text(eta),
        text(&g.flips),
    ]
}

fn points(points: &[Point]) -> Markup {
    let every = points.len().div_ceil(ROWS_MAX).max(1);
    let last = points.len().saturating_sub(1);
    let rows: Vec<_> = points
        .iter()
        .enumerate()
        .filter(|(i, _)| i % every == 0 || *i == last)
        .map(|(_, p)| {
            vec![
                when(p.at),
                text(number(p.e_rollback)),
                text(number(p.e_promote)),
                text(p.ratio.map_or("-".to_owned(), |r| {
                    let open = |end: Option<f64>, sign: &str| end.map_or(sign.to_owned(), number);
                    format!("{} ({} to {})", open(r.estimate, "-"), number(r.low), open(r.high, "∞"))
                })),
                text(crate::layout::percent_bp(p.candidate_bp)),
                text(crate::layout::percent_bp(p.control_bp)),
            ]
        })
        .collect();
    table("Ticks", &["When", "For rollback", "For promotion", "Ratio of errors", "Candidate", "Control"], &rows)
}
