//! The frame of every page: title, navigation, main part; and the small pieces that pages share.

use maud::{DOCTYPE, Markup, html};
use tidegate_core::id::At;

pub(crate) fn page(title: &str, here: &str, body: &Markup) -> String {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (title) " · Tidegate" }
                link rel="stylesheet" href="/assets/style.css";
                link rel="icon" href="/assets/icon.svg" type="image/svg+xml";
                script src="/assets/live.js" defer {}
            }
            body {
                a.skip href="#main" { "Skip to content" }
                header {
                    a.brand href="/" { "Tidegate" }
                    nav aria-label="Parts" {
                        (link("/", "Loop", here))
                        (link("/risk", "Risk", here))
                        (link("/journal", "Journal", here))
                    }
                    span #live role="status" {}
                }
                main id="main" tabindex="-1" { h1 { (title) } (body) }
            }
        }
    }
    .into_string()
}

fn link(href: &str, text: &str, here: &str) -> Markup {
    html! { a href=(href) aria-current=[(href == here).then_some("page")] { (text) } }
}

/// A word with a colour of its meaning; the word alone says it too.
pub(crate) fn badge(kind: &str, text: &str) -> Markup {
    html! { span class={ "badge " (kind) } { (text) } }
}

pub(crate) fn passed(answer: Option<bool>) -> Markup {
    match answer {
        Some(true) => badge("good", "passed"),
        Some(false) => badge("bad", "failed"),
        None => badge("quiet", "not yet"),
    }
}

pub(crate) fn when(at: At) -> Markup {
    let text = at.to_string();
    html! { time datetime=(text) { (text.replace('T', " ").trim_end_matches('Z')) } }
}

/// A table that scrolls on narrow screens; nothing at all says so.
pub(crate) fn table(caption: &str, heads: &[&str], rows: &[Vec<Markup>]) -> Markup {
    html! {
        section {
            h2 { (caption) }
            @if rows.is_empty() {
                p.quiet { "Nothing yet." }
            } @else {
                div.scroll tabindex="0" role="region" aria-label=(caption) {
                    table {
                        thead { tr { @for head in heads { th scope="col" { (head) } } } }
                        tbody { @for row in rows { tr { @for cell in row { td { (cell) } } } } }
                    }
                }
            }
        }
    }
}

pub(crate) fn facts(facts: &[(String, String)]) -> Markup {
    html! { dl.facts { @for (name, value) in facts { div { dt { (name) } dd { (value) } } } } }
}

pub(crate) fn text(value: impl std::fmt::Display) -> Markup {
    html! { (value.to_string()) }
}

/// A share in basis points as percent.
pub(crate) fn percent_bp(bp: u32) -> String {
    let percent = f64::from(bp) / 100.0;
    if bp.is_multiple_of(100) { format!("{percent:.0} %") } else { format!("{percent:.2} %") }
}

/// A number for people: four significant digits, powers of ten where it is far from 1.
pub(crate) fn number(value: f64) -> String {
    let size = value.abs();
    if value == 0.0 {
        "0".to_owned()
    } else if !(1e-3..1e6).contains(&size) {
        format!("{value:.2e}")
    } else if size >= 100.0 {
        format!("{value:.0}")
    } else if size >= 1.0 {
        format!("{value:.2}")
    } else {
        format!("{value:.4}")
    }
}
