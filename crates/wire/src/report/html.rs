//! The report as one page that loads nothing from elsewhere.

use super::chart::svg;
use super::{Report, number, shown, verdict};
use crate::junit::escape;
use std::fmt::Write as _;

const STYLE: &str = ":root{color-scheme:light dark;--ground:#fff;--text:#1b1f24;--good:#0a6b34;--bad:#b3241a;--open:#8a5300}\
@media(prefers-color-scheme:dark){:root{--ground:#14171a;--text:#e6e8ea;--good:#62d391;--bad:#ff8a80;--open:#ffb74d}}\
html,body{background:var(--ground);color:var(--text)}\
body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;overflow-wrap:anywhere}\
table{display:block;overflow-x:auto;border-collapse:collapse;margin:.5rem 0 1.5rem}\
td,th{border:1px solid #8886;padding:.3rem .6rem;text-align:left;vertical-align:top;min-width:4rem}figure{margin:0}\
.pass{color:var(--good)}.fail{color:var(--bad)}.cannot{color:var(--open)}svg{max-width:32rem;width:100%}code{font-size:.9em}";

/// The report as HTML.
#[must_use]
pub fn html(report: &Report) -> String {
    let (word, class) = if report.passed() { ("passed", "pass") } else { ("not passed", "fail") };
    let mut text = format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\">\
         <title>{name}: {word}</title><style>{STYLE}</style></head><body><main><h1>{name}: <span class=\"{class}\">{word}</span></h1>",
        name = escape(&report.workspace)
    );
    let base = report.base.as_ref().map_or(String::new(), |b| format!(" against <code>{}</code>", escape(b)));
    let _ = write!(text, "<p>at <code>{}</code>{base}</p>", escape(&report.revision));
    gates(report, &mut text);
    data(report, &mut text);
    values(report, &mut text);
    for plot in &report.plots {
        if let Some(drawn) = svg(plot) {
            let _ =
                write!(text, "<h2>{}</h2><figure>{drawn}<figcaption>dashed: base; line: now</figcaption></figure>", escape(&plot.title));
        }
    }
    list(&mut text, "Drift", report.drift.iter().cloned());
    list(&mut text, "Findings of other tools", report.findings.iter().map(|f| format!("{}: {}", f.tool, f.line())));
    list(&mut text, "Not in this report", report.missing.iter().cloned());
    text.push_str("</main></body></html>\n");
    text
}

fn list(text: &mut String, title: &str, lines: impl Iterator<Item = String>) {
    let items: String = lines.map(|l| format!("<li>{}</li>", escape(&l))).collect();
    if !items.is_empty() {
        let _ = write!(text, "<h2>{title}</h2><ul>{items}</ul>");
    }
}

fn table(text: &mut String, title: &str, heads: &[&str], rows: &[Vec<String>]) {
    if rows.is_empty() {
        return;
    }
    let heads: String = heads.iter().map(|h| format!("<th>{h}</th>")).collect();
    let _ = write!(text, "<h2>{title}</h2><table><tr>{heads}</tr>");
    for row in rows {
        let cells: String = row.iter().map(|c| format!("<td>{}</td>", escape(c))).collect();
        let _ = write!(text, "<tr>{cells}</tr>");
    }
    text.push_str("</table>");
}

fn some(value: Option<f64>) -> String {
    value.map_or("–".to_owned(), number)
}

fn interval(bounds: Option<(f64, f64)>) -> String {
    bounds.map_or("–".to_owned(), |(l, h)| format!("{} to {}", number(l), number(h)))
}

fn gates(report: &Report, text: &mut String) {
    let rows: Vec<Vec<String>> = report
        .gates
        .iter()
        .map(|g| vec![g.name.clone(), verdict(g.verdict).to_owned(), some(g.value), interval(g.interval), some(g.limit), g.why.clone()])
        .collect();
    table(text, "Gates", &["gate", "answer", "value", "interval", "limit", "why"], &rows);
    for g in report.gates.iter().filter(|g| !g.slices.is_empty()) {
        let judged = |j: bool| if j { "yes" } else { "no" }.to_owned();
        let rows: Vec<Vec<String>> =
            g.slices.iter().map(|s| vec![s.value.clone(), s.rows.to_string(), some(s.metric), judged(s.judged)]).collect();
        table(text, &format!("Slices of {}", escape(&g.name)), &["slice", "rows", "metric", "judged"], &rows);
    }
}

fn data(report: &Report, text: &mut String) {
    let word = |passed: bool| if passed { "passed" } else { "failed" }.to_owned();
    let rows: Vec<Vec<String>> = report
        .data
        .iter()
        .map(|d| {
            vec![
                d.name.clone(),
                word(d.passed),
                format!("{} of {}", d.expectations.0, d.expectations.1),
                d.rows.to_string(),
                d.failed.join("; "),
            ]
        })
        .collect();
    table(text, "Data", &["dataset", "answer", "expectations that hold", "rows", "what does not"], &rows);
}

fn values(report: &Report, text: &mut String) {
    let metrics: Vec<Vec<String>> = report
        .metrics
        .iter()
        .map(|m| {
            vec![
                m.change.file.clone(),
                m.change.key.clone(),
                shown(m.change.old.as_ref()),
                shown(m.change.new.as_ref()),
                some(m.difference),
                interval(m.interval),
            ]
        })
        .collect();
    table(text, "Metrics", &["file", "metric", "base", "now", "difference", "interval"], &metrics);
    let params: Vec<Vec<String>> =
        report.params.iter().map(|c| vec![c.file.clone(), c.key.clone(), shown(c.old.as_ref()), shown(c.new.as_ref())]).collect();
    table(text, "Parameters", &["file", "parameter", "base", "now"], &params);
}
