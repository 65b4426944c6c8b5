//! The model of risk of the workspace's repository: how good it is, what moves it, and the newest changes.

use crate::chart::risk as chart;
use crate::layout::{badge, facts, number, page, table, text, when};
use crate::view::risk::{Bin, Importance, JudgedFigures, ModelFacts, Period, Reasons, RiskLabel, RiskRow, RiskView, Stand, Unread};
use maud::{Markup, html};
use tidegate_core::correction::Ended;
use tidegate_core::risk::Way;

/// Digits of a commit that are shown.
const DIGITS: usize = 12;

/// The page.
#[must_use]
pub fn risk(view: &RiskView) -> String {
    let body = html! {
        @if view.stand != Stand::Ready { (not_ready(view)) }
        @for note in &view.notes { p { (badge("warn", "note")) " " (note) } }
        @if let Some(unread) = &view.unread { (unread_part(unread)) }
        @if view.stand == Stand::Ready { (changes(&view.changes)) }
        @if let Some(model) = &view.model { (model_part(model)) }
        @if let Some(judged) = &view.judged { (judged_part(judged)) }
        @if let Some(worth) = &view.worth { (super::risk_worth::part(worth)) }
        @if !view.importance.is_empty() { (importance(&view.importance, view.importance_of, view.reasons.as_ref())) }
    };
    page("Risk of changes", "/risk", &body)
}

fn not_ready(view: &RiskView) -> Markup {
    let word = match view.stand {
        Stand::Ready => "ready",
        Stand::NoModel => "no model yet",
        Stand::ModelDamaged => "the model cannot be read",
        Stand::HistoryUnreadable => "the history cannot be read",
        Stand::OwnersUnknown => "owners are not known",
    };
    html! {
        p { (badge(if view.stand == Stand::NoModel { "mark" } else { "bad" }, word)) " " @if let Some(why) = &view.why { (why) } }
        @if let Some(command) = &view.command { p { "What helps: " code { (command) } } }
    }
}

fn unread_part(unread: &Unread) -> Markup {
    let (head, read_to) = (short(&unread.head), short(&unread.read_to));
    let count = match unread.commits {
        Some(1) if !unread.more => "1 commit is not read yet".to_owned(),
        Some(count) if unread.more => format!("More than {count} commits are not read yet"),
        Some(count) => format!("{count} commits are not read yet"),
        None => "What is checked out is not among what was read".to_owned(),
    };
    html! {
        p { (badge("warn", "unread")) " " (count) ": the history was read up to " code { (read_to) } ", and " code { (head) } " is checked out. " code { (unread.command) } " reads them." }
    }
}

fn changes(rows: &[RiskRow]) -> Markup {
    let row = |row: &RiskRow| {
        let mut cells = vec![commit(&row.commit), when(row.at)];
        match &row.risk {
            Some(said) => {
                let [low, high] = said.interval;
                cells.push(html! { strong { (format!("{:.2}", said.probability)) } " " span.quiet { (format!("{low:.2} to {high:.2}")) } });
                cells.push(way(said.way));
            }
            None if row.kept_back => cells.extend([html! { span.quiet { "kept back: people decide, by lot" } }, way(Way::Standard)]),
            None => cells.extend([html! { span.quiet { "an owner has opted out" } }, way(Way::Standard)]),
        }
        cells.push(row.label.as_ref().map_or_else(|| html! { span.quiet { "has none" } }, label));
        cells
    };
    let rows: Vec<_> = rows.iter().map(row).collect();
    table("Newest changes", &["Commit", "When", "Risk", "Way", "How it ended"], &rows)
}

/// A commit as a link to its page.
pub(super) fn commit(id: &str) -> Markup {
    html! { a href={ "/risk/" (id) } { code { (short(id)) } } }
}

pub(super) fn short(id: &str) -> &str {
    id.get(..DIGITS).unwrap_or(id)
}

pub(super) fn way(way: Way) -> Markup {
    match way {
        Way::Quick => badge("good", "quick"),
        Way::Standard => badge("mark", "standard"),
        Way::Held => badge("bad", "held"),
    }
}

/// How a change ended, and who says so.
pub(super) fn label(label: &RiskLabel) -> Markup {
    let (colour, word) = match label.ended {
        Ended::Hurt => ("bad", "hurt"),
        Ended::Clean => ("good", "clean"),
        Ended::Unknown => ("quiet", "not known"),
    };
    html! { (badge(colour, word)) " " span.quiet { (label.by) @if !label.why.is_empty() { ": " (label.why) } } }
}

fn model_part(model: &ModelFacts) -> Markup {
    let day = |at: tidegate_core::id::At| at.to_string().get(..10).unwrap_or_default().to_owned();
    let rows = [
        ("Trained".to_owned(), model.trained.map_or_else(|| "not known".to_owned(), |at| at.to_string().replace('T', " "))),
        ("Changes learnt from".to_owned(), model.rows.to_string()),
        ("Of them, hurt".to_owned(), format!("{:.1} %", model.base_rate * 100.0)),
        ("From".to_owned(), format!("{} to {}", day(model.from), day(model.until))),
        ("Clean without a fix after".to_owned(), format!("{:.0} days", model.maturity_days)),
        ("Features".to_owned(), model.features.to_string()),
    ];
    html! { section { h2 { "The model" } (facts(&rows)) } }
}

fn judged_part(of: &JudgedFigures) -> Markup {
    let figure = |value: Option<f64>| value.map_or_else(|| "not defined".to_owned(), |value| format!("{value:.3}"));
    let auc = of.auc.map_or_else(|| "not defined".to_owned(), |auc| format!("{:.3} ({:.3} to {:.3})", auc.estimate, auc.low, auc.high));
    let rows = [
        ("Judged on later changes".to_owned(), format!("{}, {} of them hurt", of.rows, of.hurt)),
        ("AUC: how well the risky ones come first".to_owned(), auc),
        ("Brier score: 0 is right each time".to_owned(), figure(of.brier)),
        ("Calibration error".to_owned(), figure(of.calibration_error)),
    ];
    html! {
        section {
            h2 { "How good it is" }
            p.quiet { "A model of the earlier changes was asked about later ones. The one that is kept has learnt from all of them." }
            (facts(&rows))
            (chart::reliability(&of.reliability))
            details { summary { "The same as numbers" } (bins(&of.reliability)) }
        }
        @if !of.periods.is_empty() {
            section {
                h2 { "Drift" }
                (chart::periods(&of.periods))
                (periods(&of.periods))
            }
        }
    }
}

fn bins(bins: &[Bin]) -> Markup {
    let row = |bin: &Bin| {
        let observed = bin.observed.filter(|_| bin.rows > 0);
        vec![
            text(format!("{:.1} to {:.1}", bin.from, bin.to)),
            text(bin.rows),
            text(bin.hurt),
            text(bin.predicted.map_or("-".to_owned(), |value| format!("{value:.3}"))),
            text(observed.map_or("-".to_owned(), |of| format!("{:.3} ({:.3} to {:.3})", of.estimate, of.low, of.high))),
        ]
    };
    table("Said and become", &["Risk", "Changes", "Hurt", "Said, mean", "Share that hurt"], &bins.iter().map(row).collect::<Vec<_>>())
}

fn periods(periods: &[Period]) -> Markup {
    let row = |one: &Period| {
        let [low, middle, high] = one.quartiles;
        let apart = one.predicted < one.observed.low || one.predicted > one.observed.high;
        vec![
            text(&one.name),
            text(one.rows),
            text(format!("{:.3}", one.predicted)),
            text(format!("{:.3} ({:.3} to {:.3})", one.observed.estimate, one.observed.low, one.observed.high)),
            text(format!("{low:.2}, {middle:.2}, {high:.2}")),
            if apart { badge("warn", "apart") } else { badge("good", "together") },
        ]
    };
    let heads = ["Quarter", "Changes", "Said, mean", "Share that hurt", "Scores: quarter, half, three quarters", "Said and become"];
    table("Quarters", &heads, &periods.iter().map(row).collect::<Vec<_>>())
}

fn importance(of: &[Importance], changes: usize, reasons: Option<&Reasons>) -> Markup {
    let row = |one: &Importance| vec![html! { code { (one.feature) } }, text(number(one.mean_log_odds)), text(&one.meaning)];
    html! {
        section {
            h2 { "What moves it" }
            p.quiet { "Over the newest " (changes) " changes that it was judged on." }
            (chart::importance(of))
            (table("Features", &["Feature", "Log odds, mean size", "What it is"], &of.iter().map(row).collect::<Vec<_>>()))
            (drift(reasons))
        }
    }
}

/// Whether the newest changes are risky for the reasons of earlier ones.
fn drift(reasons: Option<&Reasons>) -> Markup {
    let Some(of) = reasons else { return html! { p.quiet { "Too few changes to tell whether reasons drift." } } };
    let moved = |(feature, was, is): &(String, f64, f64)| format!("{feature} {:.0} % to {:.0} %", was * 100.0, is * 100.0);
    html! {
        p {
            @if of.drifted { (badge("warn", "reasons drift")) } @else { (badge("good", "reasons hold")) }
            (format!(" Of the newest {} changes beside {} earlier ones the order of features agrees by {:.2} (NDCG). ", of.changes.1, of.changes.0, of.agreement))
            "Moved most: " (of.moved.iter().map(moved).collect::<Vec<_>>().join(", ")) "."
        }
    }
}
