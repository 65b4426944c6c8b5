//! A model version: where it came from, what it takes and gives, how its gates answered, its releases.

use crate::layout::{badge, facts, number, page, passed, table, text, when};
use crate::pages::overview::releases;
use crate::view::VersionView;
use maud::{Markup, html};
use tidegate_core::gate::{GateReport, GateVerdict};
use tidegate_core::model::TensorSpec;

/// The page of a version.
#[must_use]
pub fn version(view: &VersionView) -> String {
    let v = &view.version;
    let digest = |d: &Option<tidegate_core::id::Digest>| d.as_ref().map_or("none".to_owned(), |d| d.to_string());
    let lineage = [
        ("Change".to_owned(), v.lineage.change.clone()),
        ("Run".to_owned(), v.lineage.run.clone()),
        ("Code".to_owned(), v.lineage.code.clone()),
        ("Environment".to_owned(), v.lineage.environment.clone().unwrap_or_else(|| "none".to_owned())),
        ("Model file".to_owned(), v.artifact.to_string()),
        ("Transform".to_owned(), digest(&v.transform)),
        ("Golden requests".to_owned(), digest(&v.golden)),
        ("Reference profile".to_owned(), digest(&v.profile)),
    ];
    let tensors = |caption: &str, specs: &[TensorSpec]| {
        let rows: Vec<_> =
            specs.iter().map(|t| vec![html! { code { (t.name) } }, text(t.datatype), text(format!("{:?}", t.shape))]).collect();
        table(caption, &["Tensor", "Type", "Shape"], &rows)
    };
    let metrics: Vec<_> = v.metrics.as_object().into_iter().flatten().map(|(name, value)| vec![text(name), text(value)]).collect();
    let body = html! {
        p { @for alias in &view.aliases { (badge("mark", alias)) } "registered " (when(v.at)) }
        (gates(view.gates.as_ref()))
        (table("Metrics", &["Metric", "Value"], &metrics))
        (releases("Releases", &view.releases))
        section { h2 { "Lineage" } (facts(&lineage)) p { a href={ "/runs/" (v.lineage.run) } { "The run" } } }
        (table("Data it was built from", &["Path", "Digest"], &v.lineage.data.iter().map(|(p, d)| vec![html! { code { (p) } }, html! { code { (d) } }]).collect::<Vec<_>>()))
        (tensors("Inputs", &v.signature.inputs))
        (tensors("Outputs", &v.signature.outputs))
        section { h2 { "Parameters" } pre { (serde_json::to_string_pretty(&v.lineage.params).unwrap_or_default()) } }
    };
    page(&format!("{} version {}", v.model, v.version), "", &body)
}

fn gates(report: Option<&GateReport>) -> Markup {
    let Some(report) = report else { return html! { p.quiet { "No gate has been evaluated yet." } } };
    let rows: Vec<_> = report
        .outcomes
        .iter()
        .map(|o| {
            let verdict = match o.verdict {
                GateVerdict::Pass => badge("good", "pass"),
                GateVerdict::Fail => badge("bad", "fail"),
                GateVerdict::CannotTell => badge("warn", "cannot tell"),
            };
            let value = o.value.map_or_else(String::new, number);
            let interval = o.interval.map_or_else(String::new, |(l, h)| format!("{} to {}", number(l), number(h)));
            vec![text(&o.name), verdict, text(value), text(interval), text(o.limit.map_or_else(String::new, number)), text(&o.why)]
        })
        .collect();
    html! {
        p { "Gates " (passed(Some(report.passed()))) "." }
        (table("Gates", &["Gate", "Answer", "Value", "Interval", "Limit", "Why"], &rows))
        @for outcome in report.outcomes.iter().filter(|o| !o.slices.is_empty()) {
            (table(&format!("Slices of {}", outcome.name), &["Slice", "Rows", "Metric", "Judged"], &outcome.slices.iter().map(|s| vec![
                text(&s.value), text(s.rows), text(s.metric.map_or("undefined".to_owned(), number)), text(if s.judged { "yes" } else { "no: too few rows" }),
            ]).collect::<Vec<_>>()))
        }
    }
}
