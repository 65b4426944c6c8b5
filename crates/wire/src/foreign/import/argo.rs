//! `Rollout` and `AnalysisTemplate` of Argo Rollouts.

use super::{Imported, Report, Step, add_weight, joined, span, stay, written};
use crate::yaml::Node;

const CLUSTER: &str = "the cluster's own affair";
/// Above this no control can get as much.
const WEIGHT_MAX: f64 = 50.0;
/// How long a preview lasts alone, as long as no pause is behind it.
const UNPAUSED_MS: u64 = 1;

pub(super) fn rollout(root: &Node) -> Imported {
    let mut report = Report::default();
    let mut steps = Vec::new();
    let Some(spec) = root.get("spec") else { return Imported::default() };
    report.others("spec", spec, |report, name, path, key, value| {
        match name {
            "strategy" => report.others(path, value, |report, name, path, _, value| {
                match name {
                    "canary" => canary(report, path, value, &mut steps),
                    "blueGreen" => steps.extend(blue_green(report, path, value)),
                    _ => return false,
                }
                true
            }),
            "rollbackWindow" => report.refused(path, key, "a version that served before is released by the same steps as any other"),
            "analysis" => report.left(path, key, "how many runs are kept"),
            "replicas"
            | "selector"
            | "template"
            | "workloadRef"
            | "minReadySeconds"
            | "revisionHistoryLimit"
            | "paused"
            | "restartAt"
            | "progressDeadlineSeconds"
            | "progressDeadlineAbort" => report.left(path, key, CLUSTER),
            _ => return false,
        }
        true
    });
    let name = root.get("metadata").and_then(|m| m.get("name")).and_then(Node::as_str).unwrap_or("imported");
    Imported { yaml: written(name, &finished(steps), &[]), fields: report.0, ..Imported::default() }
}

/// Steps that gather evidence; the preset's canary where there are none.
fn finished(steps: Vec<Step>) -> Vec<Step> {
    let mut steps = joined(steps);
    let judged = steps.iter().any(|s| matches!(s, Step::Canary { .. } | Step::Shadow { .. }));
    if let Some(Step::Preview { for_ms: for_ms @ Some(UNPAUSED_MS), .. }) = steps.first_mut().filter(|_| !judged) {
        // Everybody would get what nobody had seen.
        *for_ms = None;
    }
    if !steps.iter().any(|s| matches!(s, Step::Canary { .. } | Step::Shadow { .. } | Step::Preview { .. })) {
        steps.insert(0, Step::Canary { weights: vec![5.0, 25.0, 50.0], min_time_ms: None });
    }
    steps
}

/// Seen by those who ask for it, then by everybody at once.
fn blue_green(report: &mut Report, path: &str, node: &Node) -> Vec<Step> {
    let seconds = |key: &str| node.get(key).and_then(Node::as_i64).and_then(|s| u64::try_from(s).ok()).filter(|s| *s > 0);
    // A time promotes also where the automatic promotion is off.
    let for_ms = seconds("autoPromotionSeconds").map(|s| s.saturating_mul(1_000));
    let by_person = for_ms.is_none() && node.get("autoPromotionEnabled").and_then(Node::as_bool) == Some(false);
    let mut steps = vec![Step::Preview { asks: None, for_ms }];
    report.others(path, node, |report, name, path, key, value| {
        match name {
            "previewService" => report.mapped(path, key, "a preview: requests with the header `x-tidegate-preview`"),
            "autoPromotionEnabled" if by_person => report.mapped(path, key, "a preview without a time: a person ends it"),
            "autoPromotionEnabled" if for_ms.is_none() => {
                report.refused(path, key, "nobody would have seen the version: a person ends the preview, or give it a time with `for`");
            }
            "autoPromotionEnabled" => report.mapped(path, key, "a preview with a time"),
            "autoPromotionSeconds" => report.mapped(path, key, "`for` of the preview"),
            "prePromotionAnalysis" => {
                steps.push(Step::Shadow { percent: 100.0, until_ms: None });
                report.mapped(path, key, "a shadow: it goes on when copies of requests are answered as well as by an equal control");
            }
            "postPromotionAnalysis" => report.mapped(path, key, "the judge of the strategy, against a share that is held back"),
            "scaleDownDelaySeconds" => match value.as_i64().and_then(|s| u64::try_from(s).ok()) {
                Some(0) => report.refused(path, value, "the old version would be gone at once: it stays warm while the new one is watched"),
                Some(s) => report.mapped(path, key, format!("`watch`: the old version stays warm for {s} s and takes over at once")),
                None => report.refused(path, value, "it is no number of seconds"),
            },
            "activeService"
            | "previewReplicaCount"
            | "previewMetadata"
            | "activeMetadata"
            | "maxUnavailable"
            | "scaleDownDelayRevisionLimit"
            | "abortScaleDownDelaySeconds"
            | "antiAffinity" => report.left(path, key, CLUSTER),
            _ => return false,
        }
        true
    });
    steps.extend(seconds("scaleDownDelaySeconds").map(|s| Step::Promote { watch_ms: s.saturating_mul(1_000) }));
    steps
}

fn canary(report: &mut Report, path: &str, node: &Node, steps: &mut Vec<Step>) {
    report.others(path, node, |report, name, path, key, value| {
        match name {
            "steps" => {
                for (i, item) in value.as_seq().unwrap_or(&[]).iter().enumerate() {
                    step(report, &format!("{path}[{i}]"), item, steps);
                }
            }
            "analysis" => report.mapped(path, key, "the judge of the strategy, which judges all the while against an equal control"),
            "canaryService"
            | "stableService"
            | "trafficRouting"
            | "maxSurge"
            | "maxUnavailable"
            | "canaryMetadata"
            | "stableMetadata"
            | "scaleDownDelaySeconds"
            | "scaleDownDelayRevisionLimit"
            | "abortScaleDownDelaySeconds"
            | "dynamicStableScale"
            | "pingPong"
            | "minPodsPerReplicaSet"
            | "replicaProgressThreshold"
            | "antiAffinity" => report.left(path, key, CLUSTER),
            _ => return false,
        }
        true
    });
}

fn step(report: &mut Report, path: &str, node: &Node, steps: &mut Vec<Step>) {
    report.others(path, node, |report, name, path, key, value| {
        match name {
            "setWeight" => weight(report, path, key, value, steps),
            "pause" => pause(report, path, key, value, steps),
            "setMirrorRoute" => mirror(report, path, key, value, steps),
            "analysis" => report.mapped(path, key, "the judge of the strategy; the step before it ends on its evidence"),
            "setCanaryScale" => report.left(path, key, CLUSTER),
            "setHeaderRoute" => header_route(report, path, key, value, steps),
            "experiment" => report.refused(path, key, "no further versions run beside candidate and control"),
            "plugin" => report.refused(path, key, "no foreign code is loaded"),
            _ => return false,
        }
        true
    });
}

fn weight(report: &mut Report, path: &str, key: &Node, value: &Node, steps: &mut Vec<Step>) {
    let before = steps.iter().rev().find_map(|s| if let Step::Canary { weights, .. } = s { weights.last().copied() } else { None });
    match value.as_f64() {
        Some(0.0) => report.mapped(path, key, "nothing: before its first weight no user sees a version"),
        Some(weight) if weight > WEIGHT_MAX => {
            report.mapped(
                path,
                key,
                format!(
                    "`promote`: above {WEIGHT_MAX} % no control gets as much, so a watched promotion with a share held back takes its place"
                ),
            );
        }
        Some(weight) if weight > 0.0 && before.is_none_or(|b| weight > b) => {
            add_weight(steps, weight);
            report.mapped(path, key, format!("a weight of {weight} %, and as much for an equal control"));
        }
        Some(weight) => report.refused(path, key, format!("weight {weight} does not grow: a step back is a rollback")),
        None => report.refused(path, key, "it is no number"),
    }
}

/// A route by one header before any weight is a preview; it stays until the promotion.
fn header_route(report: &mut Report, path: &str, key: &Node, value: &Node, steps: &mut Vec<Step>) {
    let matches = value.get("match").and_then(Node::as_seq).unwrap_or(&[]);
    let exact = |one: &Node| {
        let name = one.get("headerName").and_then(Node::text)?;
        Some((name.into_owned(), one.get("headerValue")?.get("exact")?.text()?.into_owned()))
    };
    match (matches, steps.is_empty()) {
        ([], _) => report.mapped(path, key, "nothing: the preview ends with the promotion"),
        (_, false) => report.refused(path, key, "a preview comes before any traffic"),
        ([one], true) if exact(one).is_some() => {
            steps.push(Step::Preview { asks: exact(one), for_ms: Some(UNPAUSED_MS) });
            report.mapped(path, key, "a preview, until the promotion; a pause behind it is how long it lasts alone");
        }
        _ => report.refused(path, key, "a preview is asked for by one header of one value"),
    }
}

fn pause(report: &mut Report, path: &str, key: &Node, value: &Node, steps: &mut Vec<Step>) {
    if let Some(Step::Preview { for_ms, .. }) = steps.last_mut() {
        let told = value.get("duration").map(|duration| span(duration).ok_or(duration));
        *for_ms = match (*for_ms, told) {
            (_, Some(Err(duration))) => return report.refused(path, duration, "it is no duration"),
            // Who is asked once is asked.
            (None, _) | (_, None) => None,
            (Some(UNPAUSED_MS), Some(Ok(ms))) => Some(ms),
            (Some(before), Some(Ok(ms))) => Some(before.saturating_add(ms)),
        };
        return report.mapped(path, key, if for_ms.is_some() { "`for` of the preview" } else { "the preview ends by a person" });
    }
    if !steps.iter().any(|s| matches!(s, Step::Canary { .. } | Step::Shadow { .. })) {
        return report.refused(path, key, "a pause before any traffic: start the release later instead");
    }
    match value.get("duration") {
        None => {
            steps.push(Step::Pause { for_ms: None });
            report.mapped(path, key, "`pause: {}`, until `tidegate release resume`");
        }
        Some(duration) => match span(duration) {
            Some(ms) if matches!(steps.last(), Some(Step::Canary { .. })) => {
                stay(steps, ms);
                report.mapped(path, key, "`min_time` of the weight before it; it also needs enough requests and no suspicion to end");
            }
            Some(ms) => {
                steps.push(Step::Pause { for_ms: Some(ms) });
                report.mapped(path, key, "`pause: { for: .. }`");
            }
            None => report.refused(path, duration, "it is no duration"),
        },
    }
}

fn mirror(report: &mut Report, path: &str, key: &Node, value: &Node, steps: &mut Vec<Step>) {
    let percent = value.get("percentage").and_then(Node::as_f64).unwrap_or(100.0);
    if !steps.is_empty() {
        return report.refused(path, key, "a shadow comes first: users have seen the version by then");
    }
    if let Some((key, _)) = value.entry("match") {
        report.refused(&format!("{path}.match"), key, "a shadow mirrors every kind of request alike");
    }
    steps.push(Step::Shadow { percent, until_ms: None });
    report.mapped(path, key, "a shadow, whose answers are compared pair by pair");
}

pub(super) fn template(root: &Node) -> Imported {
    let mut report = Report::default();
    let Some(spec) = root.get("spec") else { return Imported::default() };
    report.others("spec", spec, |report, name, path, key, value| {
        match name {
            "metrics" => {
                for (i, metric) in value.as_seq().unwrap_or(&[]).iter().enumerate() {
                    of_template(report, &format!("{path}[{i}]"), metric);
                }
            }
            "args" => report.left(path, key, "parameters of a question: see `judges` in tidegate.yaml"),
            "templates" => report.left(path, key, "import each of them"),
            "dryRun" => report.refused(path, key, "a judge has one kind of counts, and they all count"),
            "measurementRetention" => report.left(path, key, "every verdict is kept in the journal"),
            _ => return false,
        }
        true
    });
    Imported { fields: report.0, ..Imported::default() }
}

fn of_template(report: &mut Report, path: &str, metric: &Node) {
    report.others(path, metric, |report, name, path, key, value| {
        match name {
            "name" => report.left(path, key, "a name"),
            "provider" => report.others(path, value, |report, name, path, key, _| {
                match name {
                    "prometheus" => report.refused(
                        path,
                        key,
                        "a query gives a number for the candidate alone: name the counters of both versions under `judges` in tidegate.yaml, and ask by the `web` provider (docs/other-tools.md)",
                    ),
                    "web" | "kayenta" => report.left(path, key, "it may ask this judge: docs/other-tools.md"),
                    other => report.refused(path, key, format!("no counts are read from `{other}`")),
                }
                true
            }),
            "successCondition" | "failureCondition" => {
                report.mapped(path, key, "the verdict: harm by the control's rate with a tolerance, not by a fixed limit");
            }
            "interval" | "initialDelay" | "count" | "failureLimit" | "inconclusiveLimit" | "consecutiveErrorLimit" | "consecutiveSuccessLimit" => {
                report.mapped(path, key, "evidence: it may be looked at as often as one likes, so nothing is counted");
            }
            _ => return false,
        }
        true
    });
}
