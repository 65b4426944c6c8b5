//! A report as people see it.

use super::*;
use expect_test::expect;
use serde_json::json;

fn report() -> Report {
    let change = |key: &str, old: Option<Value>, new: Option<Value>| Change { file: "metrics.json".into(), key: key.into(), old, new };
    let gate = |name: &str, verdict, why: &str| GateOutcome {
        name: name.into(),
        verdict,
        value: Some(0.91),
        interval: Some((0.9, 0.92)),
        limit: Some(0.85),
        why: why.into(),
        slices: vec![],
    };
    Report {
        workspace: "flights".into(),
        revision: "abc".into(),
        base: Some("main".into()),
        data: vec![DataPart { name: "a|b".into(), passed: true, expectations: (3, 3), rows: 10, failed: vec![], vacuous: vec![] }],
        params: vec![change("lr", Some(json!(0.1)), None)],
        metrics: vec![MetricChange { change: change("auc", Some(json!(0.9)), Some(json!(0.91))), difference: Some(0.01), interval: None }],
        plots: vec![Plot {
            title: "loss.csv".into(),
            x: "step".into(),
            y: "loss".into(),
            base: vec![],
            current: vec![(0.0, 2.0), (1.0, 1.0)],
        }],
        gates: vec![gate("quality", GateVerdict::Pass, "good"), gate("slices", GateVerdict::CannotTell, "too <few>")],
        drift: vec![],
        findings: vec![],
        missing: vec!["no plots of the base".into()],
    }
}

#[test]
fn markdown_is_read_by_people() {
    expect![[r#"
        ## Tidegate: not passed

        `flights` at `abc` against `main`

        ### Gates

        | gate | answer | value | interval | limit | why |
        |---|---|---|---|---|---|
        | quality | **pass** | 0.91 | 0.9 to 0.92 | 0.85 | good |
        | slices | **cannot tell** | 0.91 | 0.9 to 0.92 | 0.85 | too &lt;few> |

        ### Data

        | dataset | answer | expectations | rows |
        |---|---|---|---|
        | a\|b | **passed** | 3 of 3 hold | 10 |


        ### Metrics

        | metric | base | now | difference | interval |
        |---|---|---|---|---|
        | metrics.json `auc` | 0.9 | 0.91 | +0.01 | – |

        ### Parameters that changed

        | parameter | base | now |
        |---|---|---|
        | metrics.json `lr` | 0.1 | – |

        ### Plots

        | plot | base | now |
        |---|---|---|
        | loss.csv loss | – | █▁ 1 to 2 |

        ### Not in this report

        - no plots of the base

    "#]]
    .assert_eq(&markdown(&report()));
}

#[test]
fn pages_hold_no_markup_of_others_and_json_comes_back() {
    let page = html(&report());
    assert!(page.contains("too &lt;few&gt;") && page.contains("<polyline") && !page.contains("src="), "{page}");
    let again: Report = serde_json::from_str(&serde_json::to_string(&report()).unwrap()).unwrap();
    assert_eq!(again, report());
}

#[test]
fn only_what_was_judged_and_passed_is_passed() {
    assert!(!Report::default().passed(), "nothing judged is not a pass");
    let mut one = report();
    one.gates.pop();
    assert!(one.passed());
    let told: Vec<_> = report().cases().into_iter().map(|c| (c.name, c.verdict)).collect();
    assert_eq!(told, [("a|b".into(), Outcome::Passed), ("quality".into(), Outcome::Passed), ("slices".into(), Outcome::Errored)]);
    let found = report().sarif_results("tidegate.yaml");
    assert_eq!(found.iter().map(|r| (r.rule.as_str(), r.level)).collect::<Vec<_>>(), [("gate/slices", Level::Warning)]);
}
