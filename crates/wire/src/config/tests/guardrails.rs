//! Guardrails beside requests: what is taken, and what is said about mistakes.

use super::super::{load_in, without_what_is_not_counted};
use super::mistakes::said;
use tidegate_core::judge::{By, GuardrailKind, Metric, Worse};

fn file(rails: &str) -> String {
    format!(
        "version: 1\nworkspace: shop\nsources:\n  shop: {{ web: 'https://shop/kpi' }}\nreleases:\n  default:\n    judge:\n      guardrails:\n{rails}"
    )
}

#[test]
fn they_are_taken_with_what_they_need() {
    let text = file(
        "        score_shift: { slack: 10%, harm_slack: 20% }\n        labels: {}\n        \
         revenue: { source: shop, candidate: '/{{candidate}}', control: '/{{control}}', worse: lower }\n        \
         wait: { source: shop, candidate: /a, control: /b, worse: higher, by: difference, tolerance: 0.5, harm: 3, every: 30s, weight: 2 }\n",
    );
    let mut judge = load_in(&text, "tidegate.yaml", None).unwrap_or_else(|e| panic!("{e}")).releases["default"].judge.clone();
    let names: Vec<&str> = judge.guardrails.keys().map(String::as_str).collect();
    assert_eq!(names[7..], ["score_shift", "labels", "revenue", "wait"]);
    let shift = &judge.guardrails["score_shift"];
    assert_eq!((shift.tolerance, shift.slack, shift.harm, shift.harm_slack), (1.0, 0.1, 1.0, 0.2));
    let labels = &judge.guardrails["labels"];
    assert_eq!((labels.tolerance, labels.slack, labels.harm, labels.harm_slack), (1.1, 0.01, 1.3, 0.03));
    let revenue = &judge.guardrails["revenue"];
    let (source, candidate, control) = ("shop".to_owned(), "/{{candidate}}".to_owned(), "/{{control}}".to_owned());
    let metric = Metric { source, candidate, control, every_ms: 60_000, worse: Worse::Lower, by: By::Ratio };
    assert_eq!((&revenue.kind, revenue.tolerance, revenue.harm), (&GuardrailKind::Metric(metric), 1.02, 1.1));
    let wait = &judge.guardrails["wait"];
    assert_eq!((wait.tolerance, wait.harm, wait.weight), (0.5, 3.0, 2.0));
    assert!(matches!(&wait.kind, GuardrailKind::Metric(Metric { every_ms: 30_000, worse: Worse::Higher, by: By::Difference, .. })));
    // Where somebody else serves, there are no scores and no labels.
    without_what_is_not_counted(&mut judge, false);
    assert_eq!(judge.guardrails.keys().collect::<Vec<_>>(), ["errors", "sample_ratio", "revenue", "wait"]);
}

#[test]
fn mistakes_are_named() {
    let metric = |keys: &str| said(&file(&format!("        revenue: {{ {keys} }}\n")), None);
    let good = "source: shop, candidate: /a, control: /b, worse: lower";
    for (text, words) in [
        (said(&file("        score_shift: {}\n"), None), "`score_shift` is not in the preset, so it needs slacks of its own"),
        (said(&file("        score_shift: { slack: 1%, harm_slack: 2%, harm: 2 }\n"), None), "`harm` means nothing for `score_shift`"),
        (said(&file("        score_shift: { slack: 3%, harm_slack: 2% }\n"), None), "must lie above what is harmless"),
        (said(&file("        labels: { differs_by: 1 }\n"), None), "`differs_by` means nothing for `labels`"),
        (said(&file("        errors: { tolerance: 0.9 }\n"), None), "`tolerance` is a ratio, from 1"),
        (said(&file("        errors: { source: shop }\n"), None), "`source` means nothing for `errors`"),
        (metric("candidate: /a"), "there is no guardrail `revenue`"),
        (metric("source: shoe, candidate: /a, control: /b, worse: lower"), "shoe"),
        (metric("source: shop, control: /b, worse: lower"), "`candidate` is missing"),
        (metric("source: shop, candidate: /a, control: /b"), "`worse` is missing"),
        (metric("source: shop, candidate: /a, control: /a, worse: lower"), "candidate and control are the same query"),
        (metric("source: shop, candidate: '/{{place}}', control: /b, worse: lower"), "nothing is known to fill in for `place`"),
        (metric(&format!("{good}, slack: 1%")), "`slack` means nothing for `revenue`"),
        (metric(&format!("{good}, harm: 1.01")), "harm (1.01) must lie above the tolerance (1.02)"),
        (metric(&format!("{good}, every: 5s")), "asked at most once a tick, and a tick is 10s"),
        (metric(&format!("{good}, every: 10m")), "the watch lasts 30m and has time for 3 values; no fewer than"),
        (metric(&format!("{good}, every: 1h")), "the canary lasts 6h and has time for 6 values; no fewer than"),
        (said(&file("        score_shift: { slack: 1%, harm_slack: 5% }\n"), None), "a shadow that ends by evidence never ends"),
        (metric(&format!("{good}, by: difference, harm: 2")), "a difference needs `tolerance` and `harm`"),
        (
            said(&file(&(0..9).map(|n| format!("        m{n}: {{ {good} }}\n")).collect::<String>()), None),
            "9 guardrails have a source, at most 8 may",
        ),
    ] {
        assert!(text.contains(words), "{words}:\n{text}");
    }
    assert_eq!(metric(good), "no problem");
    // Nothing is watched, so nothing need fit in.
    let unwatched =
        file(&format!("        revenue: {{ {good}, every: 10m }}\n")) + "    steps: [ { canary: {} }, { promote: { watch: 0ms } } ]\n";
    assert_eq!(said(&unwatched, None), "no problem");
}
