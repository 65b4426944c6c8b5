//! The risk of one change: why, how sure, what would lower it, what became of changes like it and of its files before.

use super::risk::{commit, label, short, way};
use crate::chart::risk as chart;
use crate::layout::{badge, number, page, table, text, when};
use crate::view::risk::{FileHistory, NearLine, PairRow, RiskChange, SimilarRow, Waterfall};
use maud::{Markup, html};

/// What a line must have of the variance to be believed.
const R_SQUARED_GOOD: f64 = 0.5;

/// The page of a change.
#[must_use]
pub fn risk_change(view: &RiskChange) -> String {
    let [low, high] = view.said.interval;
    let body = html! {
        p { "Commit " code { (view.commit) } " of " (when(view.at)) "." }
        p {
            (way(view.said.way)) " Risk " strong { (format!("{:.2}", view.said.probability)) } (format!(", by what is left open {low:.2} to {high:.2}; "))
            "higher than " (format!("{:.0} %", view.rank * 100.0)) " of earlier changes. It looks " (view.sure) "."
        }
        p { (way_words(view)) }
        @if let Some(ended) = &view.label { p { "How it ended: " (label(ended)) } }
        @if !view.missing.is_empty() { p { (badge("warn", "not known")) " " (view.missing.join(", ")) ". That never lowers a risk." } }
        @if !view.owners.is_empty() { p { "Owners of its paths: " (view.owners.join(", ")) "." } }
        p { "What would lower it: " (view.lower) "." }
        (why(&view.waterfall))
        (similar(&view.similar, view.similar_among))
        (files(&view.files, view.files_more))
        @if !view.together.is_empty() { (together(&view.together)) }
        (line(view.line.as_ref(), &view.waterfall))
        p { a href="/risk" { "All changes" } }
    };
    page(&format!("Risk of {}", short(&view.commit)), "", &body)
}

fn way_words(view: &RiskChange) -> String {
    use tidegate_core::risk::Way;
    match (view.hold_from, view.said.way) {
        (None, _) => "Nobody said what mistakes cost (`risk.costs` in tidegate.yaml): nothing is held.".to_owned(),
        (Some(from), Way::Held) => format!("It is held: from {from:.2} on waiting costs less than letting it through."),
        (Some(from), Way::Quick) => format!("It may go the quick way: all of its interval is below {from:.2}, and the model is sure."),
        (Some(from), Way::Standard) => {
            format!("It goes the standard way: it is below {from:.2}, and the model is not sure that it is harmless.")
        }
    }
}

fn why(of: &Waterfall) -> Markup {
    let row = |name: Markup, value: String, log_odds: f64, meaning: &str| {
        let verb = if log_odds > 0.0 { "raises" } else { "lowers" };
        let odds = format!("{verb} them {:.2} times", log_odds.abs().exp());
        vec![name, text(value), text(format!("{log_odds:+.3}")), text(odds), text(meaning)]
    };
    let mut rows =
        vec![vec![text("any change"), text(""), text(format!("{:+.3}", of.base)), text(""), text("Before anything is known of it")]];
    rows.extend(of.steps.iter().map(|step| {
        let value = if step.assumed { format!("{}, assumed at its worst", number(step.value)) } else { number(step.value) };
        row(html! { code { (step.feature) } }, value, step.log_odds, &step.meaning)
    }));
    if of.rest_features > 0 {
        rows.push(row(text(format!("{} other features", of.rest_features)), String::new(), of.rest, ""));
    }
    let last = format!("The log odds: a probability of {:.3} after calibration", of.probability);
    rows.push(vec![text("this change"), text(""), text(format!("{:+.3}", of.margin)), text(""), text(last)]);
    html! {
        section {
            h2 { "Why" }
            p.quiet { "Exact Shapley values of the trees and the terms of the regression. They sum to the log odds." }
            (chart::waterfall(of))
            (table("The same as numbers", &["What", "Value", "Log odds", "The odds", "What it is"], &rows))
        }
    }
}

fn similar(rows: &[SimilarRow], among: usize) -> Markup {
    let hurt = rows.iter().filter(|row| row.label.ended == tidegate_core::correction::Ended::Hurt).count();
    let row = |row: &SimilarRow| {
        vec![
            commit(&row.commit),
            when(row.at),
            text(format!("{:.2}", row.distance)),
            text(format!("{:.2}", row.probability)),
            label(&row.label),
        ]
    };
    html! {
        (table("Similar past changes", &["Commit", "When", "Distance", "Risk", "How it ended"], &rows.iter().map(row).collect::<Vec<_>>()))
        @if rows.is_empty() {
            p.quiet { "No earlier change has an end that is known." }
        } @else {
            p.quiet {
                (hurt) " of these " (rows.len()) " hurt. They are the nearest of " (among)
                " earlier changes whose end is known; distance is in deviations a feature. The model has learnt from them: their risk is no proof of it."
            }
        }
    }
}

fn files(files: &[FileHistory], more: usize) -> Markup {
    let row = |file: &FileHistory| {
        let newest = html! {
            @if file.newest_hurt.is_empty() { span.quiet { "none" } }
            @for (id, at, said) in &file.newest_hurt { div { (commit(id)) " " (when(*at)) " " span.quiet { (said.by) @if !said.why.is_empty() { ": " (said.why) } } } }
        };
        vec![html! { code { (file.path) } }, text(file.earlier), text(file.hurt), newest]
    };
    html! {
        (table("Its files before", &["File", "Earlier changes", "Of them, hurt", "The newest that hurt"], &files.iter().map(row).collect::<Vec<_>>()))
        @if more > 0 { p.quiet { (more) " more files are not shown." } }
    }
}

fn together(pairs: &[PairRow]) -> Markup {
    let row = |pair: &PairRow| vec![html! { code { (pair.first) } " and " code { (pair.second) } }, text(format!("{:+.3}", pair.log_odds))];
    html! {
        (table("What acts together", &["Features", "Log odds beyond each alone"], &pairs.iter().map(row).collect::<Vec<_>>()))
        p.quiet { "Exact interaction values of the trees: half of each is part of what is told of either feature." }
    }
}

fn line(line: Option<&NearLine>, exact: &Waterfall) -> Markup {
    let Some(line) = line else { return html! { p.quiet { "No line could be drawn near this change." } } };
    let row = |(feature, weight): &(String, f64)| {
        let step = exact.steps.iter().find(|step| step.feature == *feature);
        let exact = step.map_or_else(|| "among the others".to_owned(), |step| format!("{:+.3}", step.log_odds));
        vec![html! { code { (feature) } }, text(format!("{weight:+.3}")), text(exact)]
    };
    let believed = if line.r_squared >= R_SQUARED_GOOD { badge("good", "fits") } else { badge("warn", "fits badly") };
    html! {
        (table("A line near it, for comparison", &["Feature", "By the line", "Exact"], &line.weights.iter().map(row).collect::<Vec<_>>()))
        p.quiet {
            (believed) " The line (LIME) has " (format!("{:.2}", line.r_squared)) " of the variance of the model near this change (R²), of "
            (line.samples) " changes near by with seed " (line.seed) ". "
            @if let Some(stability) = line.stability { (format!("Drawn with other seeds, {:.0} % of its heaviest features are the same. ", stability * 100.0)) }
            "It is an estimate: where it differs, the exact values count."
        }
    }
}
