//! The loop at a glance: acts, services, releases, versions, data, runs.

use crate::layout::{badge, page, passed, percent_bp, table, text, when};
use crate::view::{ActRow, Overview, ReleaseRow, ServiceRow, TrainingRow};
use maud::{Markup, html};
use tidegate_core::workspace::Outcome;

/// The first page.
#[must_use]
pub fn overview(view: &Overview) -> String {
    let body = html! {
        (acts(&view.acts))
        @for service in &view.services { (service_part(service)) }
        @if !view.trainings.is_empty() { (trainings(&view.trainings)) }
        (releases("Releases", &view.releases))
        (table("Model versions", &["Model", "Version", "Aliases", "Gates", "Change"], &view.versions.iter().map(|v| vec![
            text(&v.model),
            html! { a href={ "/models/" (v.model) "/" (v.version) } { (v.version) } },
            html! { @for alias in &v.aliases { (badge("mark", alias)) } },
            passed(v.gates),
            text(&v.change),
        ]).collect::<Vec<_>>()))
        (table("Data", &["Dataset", "Contract", "Rows", "Checked"], &view.datasets.iter().map(|d| vec![
            html! { a href={ "/data/" (d.name) } { (d.name) } },
            passed(d.success),
            text(d.rows),
            d.at.map_or_else(|| html! {}, when),
        ]).collect::<Vec<_>>()))
        (table("Pipeline runs", &["Run", "Outcome", "Ran", "Nothing to do", "Began"], &view.runs.iter().map(|r| vec![
            html! { a href={ "/runs/" (r.id) } { (r.id) } },
            text(&r.outcome),
            text(r.ran),
            text(r.skipped),
            r.at.map_or_else(|| html! {}, when),
        ]).collect::<Vec<_>>()))
        p.quiet { (view.journal.records) " records in the " a href="/journal" { "journal" } ", sealed to " (view.journal.sealed_to) "." }
    };
    page(&view.workspace, "/", &body)
}

fn acts(acts: &[ActRow]) -> Markup {
    html! {
        section {
            h2 { "The loop" }
            ol.acts {
                @for act in acts {
                    li class=[(act.started.is_some() && act.outcome.is_none()).then_some("now")] {
                        strong { (act.name) } " "
                        @match (act.outcome, act.started) {
                            (Some(outcome), _) => { (badge(colour(outcome), outcome.words())) }
                            (None, Some(_)) => { (badge("mark", "under way")) }
                            (None, None) => { (badge("quiet", "to come")) }
                        }
                        @if !act.summary.is_empty() { p { (act.summary) } }
                    }
                }
            }
        }
    }
}

fn colour(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Live | Outcome::Promoted | Outcome::NoDrift => "good",
        Outcome::StoppedInShadow | Outcome::RolledBack | Outcome::DriftFound | Outcome::Held => "warn",
        Outcome::Refused | Outcome::Failed => "bad",
    }
}

fn service_part(service: &ServiceRow) -> Markup {
    let rows: Vec<Vec<Markup>> = service
        .targets
        .iter()
        .map(|t| {
            vec![
                html! { a href={ "/models/" (service.model) "/" (t.version) } { (t.version) } },
                text(&t.role),
                html! { meter min="0" max="10000" value=(t.weight_bp) aria-label="share of live traffic" {} " " (percent_bp(t.weight_bp)) },
                text(&t.state),
                text(t.requests),
                text(t.errors),
                text(t.p99_ms.map_or("-".to_owned(), |p| format!("{p:.2} ms"))),
            ]
        })
        .collect();
    html! {
        (table(&format!("Service {}", service.name), &["Version", "Part", "Live traffic", "Worker", "Answered", "Failed", "p99"], &rows))
        p.quiet { "At " code { (service.endpoint) } ": " (service.requests) " live requests, " (service.errors) " failed." }
        @if let Some(drift) = &service.drift { p { (badge("warn", "drift")) " " (drift) } }
    }
}

fn trainings(rows: &[TrainingRow]) -> Markup {
    let rows: Vec<Vec<Markup>> = rows
        .iter()
        .map(|t| {
            let colour = match t.phase.as_str() {
                "promoted" => "good",
                "training" | "releasing" => "mark",
                "failed" | "refused" | "out of time" => "bad",
                _ => "warn",
            };
            vec![text(format!("{} {}", t.model, t.number)), text(&t.triggers), badge(colour, &t.phase), text(&t.summary), when(t.at)]
        })
        .collect();
    table("Trainings", &["Training", "Why", "Stands", "Ended with", "Began"], &rows)
}

/// A list of releases.
pub(crate) fn releases(caption: &str, rows: &[ReleaseRow]) -> Markup {
    let rows: Vec<Vec<Markup>> = rows
        .iter()
        .map(|r| {
            vec![
                html! { a href={ "/releases/" (r.service) "/" (r.number) } { (r.service) " " (r.number) } },
                text(match &r.stable {
                    Some(stable) => format!("{stable} → {}", r.candidate),
                    None => r.candidate.clone(),
                }),
                badge(
                    match r.phase.as_str() {
                        "done" => "good",
                        "rolled back" | "rolling back" | "held" | "aborted" => "warn",
                        _ => "mark",
                    },
                    &r.phase,
                ),
                text(&r.note),
            ]
        })
        .collect();
    table(caption, &["Release", "Versions", "Phase", "Now"], &rows)
}
