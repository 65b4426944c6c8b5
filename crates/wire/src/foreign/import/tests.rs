//! Files of Argo Rollouts and Flagger, and what becomes of each of their fields.

use super::*;
use expect_test::expect;

fn told(text: &str) -> String {
    let found = import("r.yaml", text).unwrap();
    let mut said = String::new();
    for imported in found {
        let _ = writeln!(said, "{}", imported.yaml);
        for field in imported.fields {
            let (word, why) = match &field.fate {
                Fate::Mapped(why) => ("mapped", why),
                Fate::Left(why) => ("left", why),
                Fate::Refused(why) => ("REFUSED", why),
            };
            let _ = writeln!(said, "{}: {}: {word}: {why}", field.line, field.path);
        }
    }
    said
}

/// What is written loads.
fn loads(text: &str) {
    let found = import("r.yaml", text).unwrap();
    let whole = format!("version: 1\nworkspace: w\n{}", found[0].yaml);
    crate::config::load(&whole, "tidegate.yaml").unwrap_or_else(|e| panic!("{e}\n{whole}"));
}

const ROLLOUT: &str = "apiVersion: argoproj.io/v1alpha1
kind: Rollout
metadata: { name: web }
spec:
  replicas: 5
  rollbackWindow: { revisions: 3 }
  strategy:
    canary:
      maxSurge: 25%
      steps:
      - setMirrorRoute: { name: m, percentage: 35 }
      - setWeight: 5
      - pause: { duration: 10m }
      - setWeight: 20
      - pause: { duration: 600 }
      - analysis: { templates: [{ templateName: rate }] }
      - setWeight: 40
      - pause: {}
      - setHeaderRoute: { name: h, match: [{ headerName: x, headerValue: { exact: y } }] }
      - setWeight: 80
      - unheardOf: 1
";

#[test]
fn a_rollout_of_argo_becomes_a_strategy() {
    loads(ROLLOUT);
    expect![[r#"
        releases:
          web:
            steps:
              - shadow: { percent: 35 }
              - canary: { weights: [5, 20], min_time: 10m }
              - canary: { weights: [40] }
              - pause: {}
              - promote: {}

        5: spec.replicas: left: the cluster's own affair
        6: spec.rollbackWindow: REFUSED: a version that served before is released by the same steps as any other
        9: spec.strategy.canary.maxSurge: left: the cluster's own affair
        11: spec.strategy.canary.steps[0].setMirrorRoute: mapped: a shadow, whose answers are compared pair by pair
        12: spec.strategy.canary.steps[1].setWeight: mapped: a weight of 5 %, and as much for an equal control
        13: spec.strategy.canary.steps[2].pause: mapped: `min_time` of the weight before it; it also needs enough requests and no suspicion to end
        14: spec.strategy.canary.steps[3].setWeight: mapped: a weight of 20 %, and as much for an equal control
        15: spec.strategy.canary.steps[4].pause: mapped: `min_time` of the weight before it; it also needs enough requests and no suspicion to end
        16: spec.strategy.canary.steps[5].analysis: mapped: the judge of the strategy; the step before it ends on its evidence
        17: spec.strategy.canary.steps[6].setWeight: mapped: a weight of 40 %, and as much for an equal control
        18: spec.strategy.canary.steps[7].pause: mapped: `pause: {}`, until `tidegate release resume`
        19: spec.strategy.canary.steps[8].setHeaderRoute: REFUSED: a preview comes before any traffic
        20: spec.strategy.canary.steps[9].setWeight: mapped: `promote`: above 50 % no control gets as much, so a watched promotion with a share held back takes its place
        21: spec.strategy.canary.steps[10].unheardOf: REFUSED: it is not known
    "#]]
    .assert_eq(&told(ROLLOUT));
}

const CANARY: &str = "kind: Canary
metadata: { name: podinfo }
spec:
  targetRef: { kind: Deployment, name: podinfo }
  analysis:
    interval: 1m
    threshold: 5
    maxWeight: 60
    stepWeight: 15
    metrics:
    - { name: request-success-rate, thresholdRange: { min: 99 } }
    - { name: request-duration, thresholdRange: { max: 500 } }
    - { name: my-metric, templateRef: { name: x } }
    webhooks:
    - { name: load, type: load-test, url: http://x }
---
kind: MetricTemplate
metadata: { name: x }
spec: { query: 'sum(x)', provider: { type: prometheus, address: http://p } }
";

#[test]
fn a_canary_of_flagger_becomes_a_strategy() {
    loads(CANARY);
    expect![[r#"
        releases:
          podinfo:
            steps:
              - canary: { weights: [15, 30, 45], min_time: 1m }
              - promote: {}
            judge:
              guardrails:
                latency_p99: { floor: 500ms }

        4: spec.targetRef: left: the cluster's own affair
        6: spec.analysis.interval: mapped: `min_time` of each weight
        7: spec.analysis.threshold: mapped: evidence: failed checks are not counted, so a shared incident or little traffic rolls nothing back
        8: spec.analysis.maxWeight: mapped: `weights`; above 50 % a watched promotion takes their place
        9: spec.analysis.stepWeight: mapped: `weights`; above 50 % a watched promotion takes their place
        11: spec.analysis.metrics[0]: mapped: the guardrail `errors`: by the control's rate, not by a fixed limit
        12: spec.analysis.metrics[1]: mapped: the guardrail `latency_p99`: by the control's quantile; what is faster than the limit is never slow
        13: spec.analysis.metrics[2]: REFUSED: `my-metric`: the gateway counts failures and latencies; other metrics have no place in a release
        15: spec.analysis.webhooks[0]: REFUSED: no hook is called (`load-test`): the journal and its feed tell what happens

        19: spec.query: REFUSED: a query gives a number for the canary alone: name the counters of both versions under `judges` in tidegate.yaml, and ask by hooks (docs/other-tools.md)
        19: spec.provider: left: its address is `prometheus` of a judge
    "#]]
    .assert_eq(&told(CANARY));
}

#[test]
fn what_has_no_strategy_is_named() {
    for (text, why) in [
        ("kind: Deployment\n", "r.yaml:1: `Deployment` has no strategy"),
        ("a: 1\n", "a document without a kind has no strategy"),
        ("", "the file is empty"),
        ("{\"metrics\": [], \"classifier\": {}}", "a canary configuration of Kayenta"),
        ("---\nkind: [\n", "import r.yaml:"),
    ] {
        let error = import("r.yaml", text).unwrap_err();
        assert!(error.contains(why), "{error}");
    }
    let none = import("r.yaml", "kind: Rollout\nspec: {strategy: {canary: {}}}\n").unwrap();
    assert!(none[0].yaml.contains("weights: [5, 25, 50]"));
}

const BLUE_GREEN: &str = "kind: Rollout
metadata: { name: shop }
spec:
  strategy:
    blueGreen:
      activeService: shop
      previewService: shop-preview
      autoPromotionEnabled: false
      prePromotionAnalysis: { templates: [{ templateName: smoke }] }
      scaleDownDelaySeconds: 600
      unheardOf: 1
";

#[test]
fn blue_green_of_argo_is_a_preview_and_a_promotion() {
    loads(BLUE_GREEN);
    expect![[r#"
        releases:
          shop:
            steps:
              - preview: {}
              - shadow: { percent: 100 }
              - promote: { watch: 10m }

        6: spec.strategy.blueGreen.activeService: left: the cluster's own affair
        7: spec.strategy.blueGreen.previewService: mapped: a preview: requests with the header `x-tidegate-preview`
        8: spec.strategy.blueGreen.autoPromotionEnabled: mapped: a preview without a time: a person ends it
        9: spec.strategy.blueGreen.prePromotionAnalysis: mapped: a shadow: it goes on when copies of requests are answered as well as by an equal control
        10: spec.strategy.blueGreen.scaleDownDelaySeconds: mapped: `watch`: the old version stays warm for 600 s and takes over at once
        11: spec.strategy.blueGreen.unheardOf: REFUSED: it is not known
    "#]].assert_eq(&told(BLUE_GREEN));
    let of = |fields: &str| import("r.yaml", &format!("kind: Rollout\nspec: {{strategy: {{{fields}}}}}\n")).unwrap().remove(0);
    let unseen = of("blueGreen: {autoPromotionEnabled: true}");
    assert!(unseen.yaml.contains("- preview: {}"), "{}", unseen.yaml);
    assert!(unseen.fields.iter().any(|f| matches!(&f.fate, Fate::Refused(why) if why.contains("nobody would have seen"))));
    assert!(of("blueGreen: {autoPromotionSeconds: 120}").yaml.contains("- preview: { for: 2m }"));
    let route = "setHeaderRoute: {name: h, match: [{headerName: x-preview, headerValue: {exact: \"on\"}}]}";
    let canary = of(&format!("canary: {{steps: [{{{route}}}, {{pause: {{}}}}, {{setWeight: 10}}]}}"));
    assert!(
        canary.yaml.contains("- preview: { header: \"x-preview\", value: \"on\" }\n      - canary: { weights: [10] }"),
        "{}",
        canary.yaml
    );
    let twice = of(&format!("canary: {{steps: [{{{route}}}, {{pause: {{}}}}, {{pause: {{duration: 1h}}}}, {{setWeight: 10}}]}}"));
    assert!(twice.yaml.contains("value: \"on\" }"), "a person stays asked: {}", twice.yaml);
    let longer =
        of(&format!("canary: {{steps: [{{{route}}}, {{pause: {{duration: 1h}}}}, {{pause: {{duration: 1h}}}}, {{setWeight: 10}}]}}"));
    assert!(longer.yaml.contains("for: 2h"), "{}", longer.yaml);
    let unseen = of(&format!("canary: {{steps: [{{{route}}}, {{setWeight: 80}}]}}"));
    assert!(!unseen.yaml.contains("for:"), "a person is asked before everybody gets it: {}", unseen.yaml);
    let off = of("blueGreen: {autoPromotionEnabled: false, autoPromotionSeconds: 120, scaleDownDelaySeconds: 0}");
    assert!(off.fields.iter().any(|f| matches!(&f.fate, Fate::Mapped(why) if why == "a preview with a time")), "{:?}", off.fields);
    assert!(off.fields.iter().any(|f| matches!(&f.fate, Fate::Refused(why) if why.contains("gone at once"))), "{:?}", off.fields);
    let many = of("canary: {steps: [{setHeaderRoute: {name: h, match: [{headerName: a, headerValue: {regex: b}}]}}]}");
    assert!(many.fields.iter().any(|f| matches!(&f.fate, Fate::Refused(why) if why.contains("one header of one value"))));
}
