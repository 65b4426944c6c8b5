//! The report as Markdown, as comments on pull requests show it.

use super::{Report, number, shown, verdict};
use std::fmt::Write as _;

/// Points of a plot's summary.
const SPARKS: usize = 24;
/// Parts that are listed before the rest is summed up.
const LISTED_MAX: usize = 50;

/// The report as GitHub-flavoured Markdown.
#[must_use]
pub fn markdown(report: &Report) -> String {
    let mut text = format!("## Tidegate: {}\n\n", if report.passed() { "passed" } else { "not passed" });
    let base = report.base.as_ref().map_or(String::new(), |b| format!(" against `{b}`"));
    let _ = writeln!(text, "`{}` at `{}`{base}\n", report.workspace, report.revision);
    gates(report, &mut text);
    data(report, &mut text);
    metrics(report, &mut text);
    params(report, &mut text);
    plots(report, &mut text);
    list(&mut text, "Drift", &report.drift);
    let findings: Vec<String> = report.findings.iter().map(|f| format!("{}: {}", f.tool, f.line())).collect();
    list(&mut text, "Findings of other tools", &findings);
    list(&mut text, "Not in this report", &report.missing);
    text
}

/// Text in a table's cell.
fn cell(text: &str) -> String {
    text.replace('\\', "\\\\").replace('|', "\\|").replace('\n', "<br>").replace('<', "&lt;").replace("&lt;br>", "<br>")
}

fn list(text: &mut String, title: &str, lines: &[String]) {
    if lines.is_empty() {
        return;
    }
    let _ = writeln!(text, "### {title}\n");
    for line in lines.iter().take(LISTED_MAX) {
        let _ = writeln!(text, "- {}", cell(line));
    }
    if lines.len() > LISTED_MAX {
        let _ = writeln!(text, "- and {} more", lines.len() - LISTED_MAX);
    }
    text.push('\n');
}

fn gates(report: &Report, text: &mut String) {
    if report.gates.is_empty() {
        return;
    }
    text.push_str("### Gates\n\n| gate | answer | value | interval | limit | why |\n|---|---|---|---|---|---|\n");
    let some = |v: Option<f64>| v.map_or("–".to_owned(), number);
    for g in &report.gates {
        let interval = g.interval.map_or("–".to_owned(), |(l, h)| format!("{} to {}", number(l), number(h)));
        let _ = writeln!(
            text,
            "| {} | **{}** | {} | {interval} | {} | {} |",
            cell(&g.name),
            verdict(g.verdict),
            some(g.value),
            some(g.limit),
            cell(&g.why)
        );
    }
    text.push('\n');
    for g in report.gates.iter().filter(|g| !g.slices.is_empty()) {
        let _ = writeln!(text, "<details><summary>slices of {}</summary>\n\n| slice | rows | metric |\n|---|---|---|", cell(&g.name));
        for s in &g.slices {
            let value = if s.judged { some(s.metric) } else { format!("{} (not judged)", some(s.metric)) };
            let _ = writeln!(text, "| {} | {} | {value} |", cell(&s.value), s.rows);
        }
        text.push_str("\n</details>\n\n");
    }
}

fn data(report: &Report, text: &mut String) {
    if report.data.is_empty() {
        return;
    }
    text.push_str("### Data\n\n| dataset | answer | expectations | rows |\n|---|---|---|---|\n");
    for d in &report.data {
        let (held, all) = d.expectations;
        let _ = writeln!(
            text,
            "| {} | **{}** | {held} of {all} hold | {} |",
            cell(&d.name),
            if d.passed { "passed" } else { "failed" },
            d.rows
        );
    }
    text.push('\n');
    for d in &report.data {
        for line in d.failed.iter().take(LISTED_MAX) {
            let _ = writeln!(text, "- {}: {}", cell(&d.name), cell(line));
        }
        for line in d.vacuous.iter().take(LISTED_MAX) {
            let _ = writeln!(text, "- {}: passed with nothing checked: {}", cell(&d.name), cell(line));
        }
    }
    text.push('\n');
}

fn metrics(report: &Report, text: &mut String) {
    if report.metrics.is_empty() {
        return;
    }
    text.push_str("### Metrics\n\n| metric | base | now | difference | interval |\n|---|---|---|---|---|\n");
    for m in &report.metrics {
        let difference = m.difference.map_or("–".to_owned(), |d| if d > 0.0 { format!("+{}", number(d)) } else { number(d) });
        let interval = m.interval.map_or("–".to_owned(), |(l, h)| format!("{} to {}", number(l), number(h)));
        let c = &m.change;
        let _ = writeln!(
            text,
            "| {} `{}` | {} | {} | {difference} | {interval} |",
            cell(&c.file),
            cell(&c.key),
            cell(&shown(c.old.as_ref())),
            cell(&shown(c.new.as_ref()))
        );
    }
    text.push('\n');
}

fn params(report: &Report, text: &mut String) {
    if report.params.is_empty() {
        return;
    }
    let title = if report.base.is_some() { "Parameters that changed" } else { "Parameters" };
    let _ = writeln!(text, "### {title}\n\n| parameter | base | now |\n|---|---|---|");
    for c in report.params.iter().take(LISTED_MAX) {
        let _ = writeln!(
            text,
            "| {} `{}` | {} | {} |",
            cell(&c.file),
            cell(&c.key),
            cell(&shown(c.old.as_ref())),
            cell(&shown(c.new.as_ref()))
        );
    }
    if report.params.len() > LISTED_MAX {
        let _ = writeln!(text, "| and {} more | | |", report.params.len() - LISTED_MAX);
    }
    text.push('\n');
}

/// Comments show no drawings of ours: a line of block characters stands for the plot, which the HTML report draws.
fn plots(report: &Report, text: &mut String) {
    if report.plots.is_empty() {
        return;
    }
    text.push_str("### Plots\n\n| plot | base | now |\n|---|---|---|\n");
    for p in &report.plots {
        let _ = writeln!(text, "| {} {} | {} | {} |", cell(&p.title), cell(&p.y), sparks(&p.base), sparks(&p.current));
    }
    text.push('\n');
}

fn sparks(points: &[(f64, f64)]) -> String {
    const BLOCKS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let values: Vec<f64> = points.iter().map(|p| p.1).filter(|v| v.is_finite()).collect();
    let (Some(low), Some(high)) = (values.iter().copied().reduce(f64::min), values.iter().copied().reduce(f64::max)) else {
        return "–".to_owned();
    };
    let size = values.len().div_ceil(SPARKS).max(1);
    let line: String = values
        .chunks(size)
        .map(|part| {
            let mean = part.iter().sum::<f64>() / part.len() as f64;
            let place = if high > low { ((mean - low) / (high - low) * 7.0) as usize } else { 3 };
            BLOCKS.get(place).copied().unwrap_or('█')
        })
        .collect();
    format!("{line} {} to {}", number(low), number(high))
}
