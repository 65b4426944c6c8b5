//! `Canary` and `MetricTemplate` of Flagger.

use super::{Imported, Report, Step, joined, span, written};
use crate::yaml::Node;

const CLUSTER: &str = "the cluster's own affair";
const WEIGHT_MAX: f64 = 50.0;
/// Most weights that are made of `stepWeight`.
const WEIGHTS_MAX: usize = 20;

pub(super) fn canary(root: &Node) -> Imported {
    let mut report = Report::default();
    let (mut steps, mut guardrails) = (Vec::new(), Vec::new());
    let Some(spec) = root.get("spec") else { return Imported::default() };
    report.others("spec", spec, |report, name, path, key, value| {
        match name {
            "analysis" | "canaryAnalysis" => analysis(report, path, value, &mut steps, &mut guardrails),
            "skipAnalysis" => {
                report.refused(path, key, "nothing is promoted without evidence, but by a person: `tidegate release promote`")
            }
            "targetRef"
            | "autoscalerRef"
            | "ingressRef"
            | "routeRef"
            | "upstreamRef"
            | "service"
            | "provider"
            | "metricsServer"
            | "progressDeadlineSeconds"
            | "revertOnDeletion"
            | "suspend" => report.left(path, key, CLUSTER),
            _ => return false,
        }
        true
    });
    let name = root.get("metadata").and_then(|m| m.get("name")).and_then(Node::as_str).unwrap_or("imported");
    if steps.is_empty() {
        steps.push(Step::Canary { weights: vec![5.0, 25.0, 50.0], min_time_ms: None });
    }
    Imported { yaml: written(name, &joined(steps), &guardrails), fields: report.0, ..Imported::default() }
}

fn analysis(report: &mut Report, path: &str, node: &Node, steps: &mut Vec<Step>, guardrails: &mut Vec<(String, String)>) {
    let interval = node.get("interval").and_then(span);
    if node.get("mirror").and_then(Node::as_bool) == Some(true) {
        let iterations = node.get("iterations").and_then(Node::as_i64).and_then(|n| u64::try_from(n).ok());
        let percent = node.get("mirrorWeight").and_then(Node::as_f64).unwrap_or(100.0);
        let until_ms = interval.zip(iterations).map(|(ms, n)| ms.saturating_mul(n));
        steps.push(Step::Shadow { percent, until_ms });
    }
    let weights = weights(node);
    if !weights.is_empty() {
        steps.push(Step::Canary { weights, min_time_ms: interval });
    }
    report.others(path, node, |report, name, path, key, value| {
        match name {
            "interval" => report.mapped(path, key, "`min_time` of each weight"),
            "threshold" => report.mapped(
                path,
                key,
                "evidence: failed checks are not counted, so a shared incident or little traffic rolls nothing back",
            ),
            "stepWeight" | "stepWeights" | "maxWeight" => {
                report.mapped(path, key, format!("`weights`; above {WEIGHT_MAX} % a watched promotion takes their place"));
            }
            "stepWeightPromotion" => report.left(path, key, "a promotion moves at once, and is watched with a share held back"),
            "mirror" | "mirrorWeight" => report.mapped(path, key, "a shadow, whose answers are compared pair by pair"),
            "iterations" if node.get("mirror").and_then(Node::as_bool) == Some(true) => {
                report.mapped(path, key, "how long the shadow lasts")
            }
            "iterations" => report.refused(
                path,
                key,
                "checks without a share of traffic: `preview`, then `promote`, is blue-green here; A/B is no strategy",
            ),
            "match" => {
                report.refused(path, key, "users are drawn by lot, so that versions can be compared; see `preview` for who asks for one")
            }
            "sessionAffinity" => report.left(path, key, "`services.NAME.affinity` in tidegate.yaml"),
            "metrics" => {
                for (i, metric) in value.as_seq().unwrap_or(&[]).iter().enumerate() {
                    self::metric(report, &format!("{path}[{i}]"), metric, guardrails);
                }
            }
            "webhooks" => {
                for (i, hook) in value.as_seq().unwrap_or(&[]).iter().enumerate() {
                    let kind = hook.get("type").and_then(Node::as_str).unwrap_or("rollout");
                    report.refused(
                        &format!("{path}[{i}]"),
                        hook,
                        format!("no hook is called (`{kind}`): the journal and its feed tell what happens"),
                    );
                }
            }
            "alerts" => report.refused(path, key, "pages go to where `up` is told to send them"),
            "canaryReadyThreshold" | "primaryReadyThreshold" => report.left(path, key, CLUSTER),
            _ => return false,
        }
        true
    });
}

fn weights(node: &Node) -> Vec<f64> {
    let most = node.get("maxWeight").and_then(Node::as_f64).unwrap_or(WEIGHT_MAX).min(WEIGHT_MAX);
    if let Some(list) = node.get("stepWeights").and_then(Node::as_seq) {
        return list.iter().filter_map(Node::as_f64).filter(|w| *w > 0.0 && *w <= WEIGHT_MAX).collect();
    }
    let Some(step) = node.get("stepWeight").and_then(Node::as_f64).filter(|w| *w > 0.0) else { return vec![] };
    std::iter::successors(Some(step), |w| Some(w + step)).take_while(|w| *w <= most).take(WEIGHTS_MAX).collect()
}

fn metric(report: &mut Report, path: &str, node: &Node, guardrails: &mut Vec<(String, String)>) {
    let name = node.get("name").and_then(Node::as_str).unwrap_or_default();
    let most = node.get("thresholdRange").and_then(|r| r.get("max")).or_else(|| node.get("threshold")).and_then(Node::as_f64);
    match name {
        "request-success-rate" => report.mapped(path, node, "the guardrail `errors`: by the control's rate, not by a fixed limit"),
        "request-duration" => {
            if let Some(ms) = most.filter(|ms| *ms >= 1.0) {
                guardrails.push(("latency_p99".to_owned(), format!("{{ floor: {ms}ms }}")));
            }
            report.mapped(
                path,
                node,
                "the guardrail `latency_p99`: by the control's quantile; what is faster than the limit is never slow",
            );
        }
        other => report.refused(
            path,
            node,
            format!("`{other}`: the gateway counts failures and latencies; other metrics have no place in a release"),
        ),
    }
}

pub(super) fn template(root: &Node) -> Imported {
    let mut report = Report::default();
    let Some(spec) = root.get("spec") else { return Imported::default() };
    report.others("spec", spec, |report, name, path, key, _| {
        match name {
            "query" => report.refused(
                path,
                key,
                "a query gives a number for the canary alone: name the counters of both versions under `judges` in tidegate.yaml, and ask by hooks (docs/other-tools.md)",
            ),
            "provider" => report.left(path, key, "its address is `prometheus` of a judge"),
            _ => return false,
        }
        true
    });
    Imported { fields: report.0, ..Imported::default() }
}
