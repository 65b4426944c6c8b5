//! Flux's `Kustomization` (`kustomize.toolkit.fluxcd.io/v1`) and `HelmRelease` (`helm.toolkit.fluxcd.io/v2`): what their status says
//! of a commit.
//!
//! A Kustomization names the revision that it applied last, `main@sha1:HASH`, once its health checks have passed; while they fail it
//! is the one that was attempted last. A HelmRelease names versions of its chart and no commits, but for charts from Git whose
//! `reconcileStrategy` is `Revision`: their versions end in `+` and the first digits of the commit.
//! Not here: how the API is asked, and which commit is in which (`adapters::gitops`).

use crate::kubernetes::{Progress, condition, number, words};
use serde_json::{Value, json};

/// Fewest digits by which a commit is told.
const DIGITS_MIN: usize = 7;

fn status(object: &Value) -> &Value {
    object.get("status").unwrap_or(&Value::Null)
}

/// The commit that a revision names: `main@sha1:HASH`, `main/HASH` as of old, `1.2.3+HASH` of a chart.
#[must_use]
pub fn commit_of(revision: &str) -> Option<&str> {
    let last = revision.rsplit([':', '/', '+']).next()?;
    let is_hash = last.len() >= DIGITS_MIN && last.chars().all(|c| c.is_ascii_hexdigit());
    (is_hash && last.len() < revision.len()).then_some(last)
}

/// Revisions that a Kustomization has applied, as it says itself; those of the source of an artefact after its own. On the way `back`
/// one whose health checks fail counts too: what is ill may be what is taken away.
#[must_use]
pub fn applied(kustomization: &Value, back: bool) -> Vec<&str> {
    let said = |key: &str| status(kustomization).get(key).and_then(Value::as_str);
    let ready = condition(status(kustomization).get("conditions"), "Ready");
    let ill = ready.is_some_and(|c| c.get("status") == Some(&json!("False")) && c.get("reason") == Some(&json!("HealthCheckFailed")));
    let attempted = said("lastAttemptedRevision").filter(|_| back && ill);
    [attempted, said("lastAppliedRevision"), said("lastAppliedOriginRevision")].into_iter().flatten().collect()
}

/// The version of the chart that a HelmRelease has deployed.
#[must_use]
pub fn deployed(release: &Value) -> Option<&str> {
    let newest = status(release).get("history")?.as_array()?.first()?;
    newest.get("chartVersion")?.as_str().filter(|_| newest.get("status") == Some(&json!("deployed")))
}

/// Whether an object of Flux has taken what it asks for as it is now. On the way `back` it need not be ready: it is enough that what it
/// asks for is released (`HelmRelease`), or applied, which [`applied`] says (`Kustomization`).
#[must_use]
pub fn taken(object: &Value, back: bool) -> Progress {
    if object.get("spec").and_then(|spec| spec.get("suspend")) == Some(&json!(true)) {
        return Progress::Failed("it is suspended, and applies nothing until somebody resumes it (`spec.suspend`)".to_owned());
    }
    let generation = number(object.get("metadata").unwrap_or(&Value::Null), "generation");
    let conditions = status(object).get("conditions");
    // A condition without a generation is as new as the status that it stands in.
    let observed = |c: &Value| c.get("observedGeneration").and_then(Value::as_u64).unwrap_or(number(status(object), "observedGeneration"));
    let fresh = |kind: &str| condition(conditions, kind).filter(|c| observed(c) >= generation);
    let is = |kind: &str, wanted: &str| fresh(kind).filter(|c| c.get("status") == Some(&json!(wanted)));
    let is_chart = object.get("kind") == Some(&json!("HelmRelease"));
    if back && (!is_chart || is("Released", "True").is_some()) {
        return Progress::There;
    }
    if let Some(stalled) = is("Stalled", "True") {
        return Progress::Failed(format!("it is stalled: {}", words(stalled)));
    }
    if let Some(reconciling) = is("Reconciling", "True") {
        let failed = is("Ready", "False").map(|ready| format!(", after {}", words(ready))).unwrap_or_default();
        return Progress::Coming(format!("it is being reconciled: {}{failed}", words(reconciling)));
    }
    match fresh("Ready") {
        Some(ready) if ready.get("status") == Some(&json!("True")) && number(status(object), "observedGeneration") >= generation => {
            Progress::There
        }
        Some(ready) => Progress::Coming(format!("it is not ready: {}", words(ready))),
        None => Progress::Coming("its controller has not seen the change yet".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As kustomize-controller writes it.
    fn kustomization() -> Value {
        json!({
            "apiVersion": "kustomize.toolkit.fluxcd.io/v1", "kind": "Kustomization",
            "metadata": { "name": "shop", "namespace": "flux-system", "generation": 2 },
            "spec": { "interval": "10m", "path": "./shop", "prune": true, "sourceRef": { "kind": "GitRepository", "name": "fleet" } },
            "status": {
                "conditions": [{ "type": "Ready", "status": "True", "observedGeneration": 2, "reason": "ReconciliationSucceeded",
                    "message": "Applied revision: main@sha1:67e2c98a60dc92283531412a9e604dd4bae005a9" }],
                "lastAppliedRevision": "main@sha1:67e2c98a60dc92283531412a9e604dd4bae005a9",
                "lastAttemptedRevision": "main@sha1:67e2c98a60dc92283531412a9e604dd4bae005a9", "observedGeneration": 2 }
        })
    }

    fn with(conditions: Value) -> Value {
        let mut object = kustomization();
        object["status"]["conditions"] = conditions;
        object
    }

    fn is(kind: &str, status: &str, reason: &str) -> Value {
        json!({ "type": kind, "status": status, "observedGeneration": 2, "reason": reason, "message": "why" })
    }

    #[test]
    fn revisions_name_commits() {
        let hash = "67e2c98a60dc92283531412a9e604dd4bae005a9";
        assert_eq!(commit_of(&format!("main@sha1:{hash}")), Some(hash));
        assert_eq!(commit_of(&format!("feature/x@sha1:{hash}")), Some(hash));
        assert_eq!(commit_of(&format!("main/{hash}")), Some(hash));
        assert_eq!(commit_of("6.6.1+67e2c98a60dc"), Some("67e2c98a60dc"));
        for none in ["6.6.1", "1234567", "", "main@sha1:", "main@sha1:xyz", "v1.0.0/latest"] {
            assert_eq!(commit_of(none), None, "{none}");
        }
    }

    #[test]
    fn a_kustomization_says_what_it_applied() {
        assert_eq!(taken(&kustomization(), false), Progress::There);
        assert_eq!(applied(&kustomization(), false), ["main@sha1:67e2c98a60dc92283531412a9e604dd4bae005a9"]);
        let coming = |object: &Value, why: &str| {
            let found = taken(object, false);
            assert!(matches!(&found, Progress::Coming(said) if said.contains(why)), "{found:?}");
        };
        let mut newer = kustomization();
        newer["metadata"]["generation"] = json!(3);
        coming(&newer, "has not seen the change");
        coming(&json!({}), "has not seen the change");
        coming(
            &with(json!([is("Ready", "Unknown", "Progressing"), is("Reconciling", "True", "Progressing")])),
            "is being reconciled: Progressing",
        );
        let failing = with(json!([is("Ready", "False", "BuildFailed"), is("Reconciling", "True", "ProgressingWithRetry")]));
        coming(&failing, "ProgressingWithRetry: why, after BuildFailed: why");
        coming(&with(json!([is("Ready", "False", "DependencyNotReady")])), "it is not ready: DependencyNotReady");
        // What is applied and ill is applied: that matters on the way back alone.
        let mut ill = with(json!([is("Ready", "False", "HealthCheckFailed")]));
        ill["status"]["lastAttemptedRevision"] = json!("main@sha1:aaaa");
        assert_eq!((applied(&ill, true)[0], applied(&ill, false).len()), ("main@sha1:aaaa", 1));
        assert_eq!(taken(&ill, true), Progress::There);
        let mut built = failing;
        built["status"]["lastAttemptedRevision"] = json!("main@sha1:aaaa");
        assert_eq!(applied(&built, true), ["main@sha1:67e2c98a60dc92283531412a9e604dd4bae005a9"], "it was not applied");
    }

    #[test]
    fn what_will_not_come_by_itself_is_said_at_once() {
        for back in [false, true] {
            let mut suspended = kustomization();
            suspended["spec"]["suspend"] = json!(true);
            assert!(matches!(taken(&suspended, back), Progress::Failed(why) if why.contains("suspended")));
        }
        let stalled = with(json!([is("Stalled", "True", "RetriesExceeded"), is("Ready", "False", "UpgradeFailed")]));
        assert_eq!(taken(&stalled, false), Progress::Failed("it is stalled: RetriesExceeded: why".to_owned()));
        // Of an older state it says nothing.
        let mut older = stalled;
        older["metadata"]["generation"] = json!(3);
        assert!(matches!(taken(&older, false), Progress::Coming(_)));
    }

    #[test]
    fn a_helm_release_is_taken_when_it_is_ready_and_on_the_way_back_when_it_is_released() {
        let release = |conditions: Value| {
            let mut release = with(conditions);
            release["kind"] = json!("HelmRelease");
            release["status"]["history"] = json!([{ "chartVersion": "1.0.0+67e2c98a60dc", "status": "deployed" }, { "chartVersion": "0.9.0", "status": "superseded" }]);
            release
        };
        let failed = release(json!([is("Ready", "False", "TestFailed"), is("Released", "True", "UpgradeSucceeded")]));
        assert!(matches!(taken(&failed, false), Progress::Coming(why) if why.contains("TestFailed")));
        assert_eq!(taken(&failed, true), Progress::There);
        let undone = release(json!([is("Ready", "False", "RollbackSucceeded"), is("Released", "False", "UpgradeFailed")]));
        assert!(matches!(taken(&undone, true), Progress::Coming(_)));
        assert_eq!(taken(&release(json!([is("Ready", "True", "UpgradeSucceeded")])), false), Progress::There);
        assert_eq!(deployed(&failed), Some("1.0.0+67e2c98a60dc"));
        let mut other = failed;
        other["status"]["history"][0]["status"] = json!("failed");
        assert_eq!((deployed(&other), deployed(&json!({}))), (None, None));
    }
}
