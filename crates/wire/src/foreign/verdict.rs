//! A standing in the words of the tool that asked.

use super::kayenta::score_for;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use tidegate_core::judge::Verdict;
use tidegate_core::judgement::{Parameters, Standing};
use tidegate_core::peers::kayenta::{Graded, ScoreThresholds};

/// Candidate requests that must have been counted before traffic grows.
const REQUESTS_MIN: u64 = 100;
/// A rollback e-value above this keeps traffic from growing.
const HOLD_ABOVE: f64 = 10.0;

fn word(verdict: &Verdict) -> &'static str {
    match verdict {
        Verdict::Promote => "promote",
        Verdict::Continue => "continue",
        Verdict::Hold { .. } => "hold",
        Verdict::Rollback => "rollback",
        Verdict::InsufficientEvidence { .. } => "insufficient_evidence",
        Verdict::NoTelemetry => "no_telemetry",
    }
}

/// What a `web` metric of Argo Rollouts is answered, always with status 200: Argo takes any other for an error of the metric,
/// and aborts at the fifth in a row.
#[must_use]
pub fn argo(standing: &Standing, decision: &str) -> Value {
    let (ratio, low, high) = standing.ratio;
    json!({
        "verdict": word(&standing.verdict),
        "e": standing.e_rollback.0, "e_needed": standing.e_rollback.1,
        "e_promote": standing.e_promote.0, "e_promote_needed": standing.e_promote.1,
        "eta_s": standing.eta_ms.map(|ms| ms / 1_000),
        "reason": standing.summary,
        "decision_id": decision,
        "ratio": ratio, "ratio_cs": [low, high],
        "requests": { "candidate": standing.requests.0, "control": standing.requests.1 },
        "last": standing.last,
    })
}

/// A hook of Flagger.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FlaggerHook {
    /// Before anything moves, and what follows a release: nothing to judge.
    Passing,
    /// May a release of this begin?
    ConfirmRollout,
    /// At each interval: a failure counts against the release.
    Rollout,
    /// May traffic grow?
    ConfirmTrafficIncrease,
    /// May it carry all traffic?
    ConfirmPromotion,
    /// Success means: roll back now.
    Rollback,
}

impl FlaggerHook {
    /// By the type that Flagger's configuration calls it.
    #[must_use]
    pub fn from_word(word: &str) -> Option<FlaggerHook> {
        Some(match word {
            "pre-rollout" | "post-rollout" | "event" => FlaggerHook::Passing,
            "confirm-rollout" => FlaggerHook::ConfirmRollout,
            "rollout" => FlaggerHook::Rollout,
            "confirm-traffic-increase" => FlaggerHook::ConfirmTrafficIncrease,
            "confirm-promotion" => FlaggerHook::ConfirmPromotion,
            "rollback" => FlaggerHook::Rollback,
            _ => return None,
        })
    }

    /// Whether Flagger is told yes, and why. Yes is status 200 (it takes 204 for a failure), no is 403.
    #[must_use]
    pub fn answer(self, standing: &Standing) -> (bool, String) {
        let rolled_back = standing.verdict == Verdict::Rollback;
        let yes = match self {
            FlaggerHook::Passing => true,
            FlaggerHook::ConfirmRollout | FlaggerHook::Rollout => !rolled_back,
            FlaggerHook::ConfirmTrafficIncrease => may_grow(standing),
            FlaggerHook::ConfirmPromotion => standing.verdict == Verdict::Promote,
            FlaggerHook::Rollback => rolled_back,
        };
        (yes, format!("{}: {}", word(&standing.verdict), standing.summary))
    }
}

/// As in a rollout of our own: enough was seen, nothing is suspicious, and it is still being looked at.
fn may_grow(standing: &Standing) -> bool {
    let calm = standing.e_rollback.0 <= HOLD_ABOVE && standing.requests.0 >= REQUESTS_MIN;
    match standing.verdict {
        Verdict::Promote => true,
        Verdict::Continue | Verdict::InsufficientEvidence { .. } => calm && !standing.last,
        Verdict::Hold { .. } | Verdict::Rollback | Verdict::NoTelemetry => false,
    }
}

/// What Flagger sends.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct FlaggerAsks {
    /// Of the canary.
    pub name: String,
    /// Of the canary.
    pub namespace: String,
    /// Digest of what is released: a new one is a new judgement.
    #[serde(default)]
    pub checksum: String,
    /// What the hook's configuration adds.
    #[serde(default)]
    pub metadata: Map<String, Value>,
}

impl FlaggerAsks {
    /// The subject of the judgement: the canary and what it releases.
    #[must_use]
    pub fn subject(&self) -> String {
        format!("{}.{}.{}", self.namespace, self.name, if self.checksum.is_empty() { "unversioned" } else { &self.checksum })
    }

    /// The hook's texts, with names for the arms where it gives none: the canary's, which is that of its workload where both are
    /// called alike, and the primary's.
    #[must_use]
    pub fn parameters(&self) -> Parameters {
        let mut found: Parameters = self.metadata.iter().filter_map(|(k, v)| Some((k.clone(), v.as_str()?.to_owned()))).collect();
        for (name, value) in [
            ("name", self.name.clone()),
            ("namespace", self.namespace.clone()),
            ("candidate", self.name.clone()),
            ("control", format!("{}-primary", self.name)),
        ] {
            found.entry(name.to_owned()).or_insert(value);
        }
        // Flagger's own words of an event are no parameters.
        found.retain(|name, _| !["eventMessage", "eventType", "timestamp"].contains(&name.as_str()));
        found
    }
}

/// What Spinnaker's webhook stage is answered: `statusJsonPath: $.status`, with `successStatuses: PROMOTE` and
/// `terminalStatuses: ROLLBACK,HOLD`.
#[must_use]
pub fn spinnaker(standing: &Standing) -> Value {
    let status = match standing.verdict {
        Verdict::Promote => "PROMOTE",
        Verdict::Rollback => "ROLLBACK",
        _ if standing.last => "HOLD",
        _ => "RUNNING",
    };
    json!({ "status": status, "progress": format!("{}: {}", word(&standing.verdict), standing.summary) })
}

/// What Kayenta's clients are answered of an execution. Complete when nothing will change the answer.
#[must_use]
pub fn kayenta(standing: &Standing, thresholds: ScoreThresholds, application: &str) -> Value {
    let graded = match standing.verdict {
        Verdict::Promote => Graded::Pass,
        Verdict::Rollback => Graded::Fail,
        _ => Graded::Marginal,
    };
    let complete = standing.last || matches!(standing.verdict, Verdict::Promote | Verdict::Rollback);
    let score = score_for(graded, thresholds);
    let judged = json!({
        "judgeName": "Tidegate",
        "results": [],
        "groupScores": [],
        "score": { "score": score, "classification": graded.name(), "classificationReason": standing.summary },
    });
    let status = if complete { "succeeded" } else { "running" };
    let result = if complete { json!({ "application": application, "judgeResult": judged }) } else { Value::Null };
    json!({ "application": application, "complete": complete, "status": status, "result": result })
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::expect;
    use tidegate_core::id::At;

    fn standing(verdict: Verdict, last: bool) -> Standing {
        Standing { verdict, e_rollback: (3.1, 100.0), requests: (500, 500), ..Standing::without_counts("why", At(0), last) }
    }

    fn all() -> [(Verdict, bool); 7] {
        let more = || Verdict::InsufficientEvidence { eta_ms: None };
        let hold = Verdict::Hold { why: tidegate_core::judge::HoldReason::SampleRatioMismatch };
        [
            (Verdict::Promote, false),
            (Verdict::Continue, false),
            (more(), false),
            (more(), true),
            (hold, false),
            (Verdict::NoTelemetry, false),
            (Verdict::Rollback, false),
        ]
    }

    #[test]
    fn every_verdict_in_the_words_of_every_tool() {
        let hooks = ["rollout", "confirm-rollout", "confirm-traffic-increase", "confirm-promotion", "rollback", "event"];
        let mut table = String::new();
        for (verdict, last) in all() {
            let standing = standing(verdict, last);
            let bars = ScoreThresholds { pass: 90.0, marginal: 75.0 };
            let kayenta = kayenta(&standing, bars, "shop");
            let yes: Vec<&str> = hooks.into_iter().filter(|h| FlaggerHook::from_word(h).unwrap().answer(&standing).0).collect();
            table += &format!(
                "{} | last {} | argo {} | spinnaker {} | kayenta {} {} | flagger yes: {}\n",
                word(&standing.verdict),
                standing.last,
                argo(&standing, "d")["verdict"].as_str().unwrap(),
                spinnaker(&standing)["status"].as_str().unwrap(),
                kayenta["complete"],
                kayenta["result"]["judgeResult"]["score"]["score"],
                yes.join(" ")
            );
        }
        expect![[r#"
            promote | last false | argo promote | spinnaker PROMOTE | kayenta true 100.0 | flagger yes: rollout confirm-rollout confirm-traffic-increase confirm-promotion event
            continue | last false | argo continue | spinnaker RUNNING | kayenta false null | flagger yes: rollout confirm-rollout confirm-traffic-increase event
            insufficient_evidence | last false | argo insufficient_evidence | spinnaker RUNNING | kayenta false null | flagger yes: rollout confirm-rollout confirm-traffic-increase event
            insufficient_evidence | last true | argo insufficient_evidence | spinnaker HOLD | kayenta true 76.0 | flagger yes: rollout confirm-rollout event
            hold | last false | argo hold | spinnaker RUNNING | kayenta false null | flagger yes: rollout confirm-rollout event
            no_telemetry | last false | argo no_telemetry | spinnaker RUNNING | kayenta false null | flagger yes: rollout confirm-rollout event
            rollback | last false | argo rollback | spinnaker ROLLBACK | kayenta true 0.0 | flagger yes: rollback event
        "#]].assert_eq(&table);
    }

    #[test]
    fn traffic_does_not_grow_on_little_or_on_suspicion() {
        let grows = |requests: u64, e: f64| {
            let standing = Standing { requests: (requests, 900), e_rollback: (e, 100.0), ..standing(Verdict::Continue, false) };
            FlaggerHook::ConfirmTrafficIncrease.answer(&standing).0
        };
        assert_eq!([grows(100, 10.0), grows(99, 1.0), grows(5_000, 10.5)], [true, false, false]);
        assert_eq!(FlaggerHook::from_word("rollin"), None);
    }

    #[test]
    fn flagger_says_which_canary_and_which_arms() {
        let body = r#"{"name": "web", "namespace": "prod", "phase": "Progressing", "checksum": "85d557f47b",
            "metadata": {"cluster": "eu", "timestamp": "1", "eventType": "Normal"}}"#;
        let asks: FlaggerAsks = serde_json::from_str(body).unwrap();
        assert_eq!(asks.subject(), "prod.web.85d557f47b");
        let parameters = asks.parameters();
        assert_eq!(parameters.keys().collect::<Vec<_>>(), ["candidate", "cluster", "control", "name", "namespace"]);
        assert_eq!(parameters["control"], "web-primary");
    }
}
