//! KServe's `InferenceService` (`serving.kserve.io/v1beta1`), deployed by Knative: which model it loads, what part of the
//! requests the newest revision gets, and what its status says of both.
//!
//! The newest revision is the candidate while a release is under way; the part of it is `canaryTrafficPercent`, and the rest
//! goes to the revision that was rolled out before. Without that field the newest one gets everything as soon as it is ready.
//! Not here: how the API is asked (`adapters::kserve`).

use crate::kubernetes::{Progress, condition, number, resource_version, words};
use serde_json::{Value, json};

/// Where KServe says on a revision which model it was made for.
const SOURCE: &str = "internal.serving.kserve.io/storage-initializer-sourceuri";

fn predictor(service: &Value) -> &Value {
    service.get("spec").and_then(|s| s.get("predictor")).unwrap_or(&Value::Null)
}

fn status(service: &Value) -> &Value {
    service.get("status").unwrap_or(&Value::Null)
}

fn component(service: &Value) -> &Value {
    status(service).get("components").and_then(|c| c.get("predictor")).unwrap_or(&Value::Null)
}

/// Where its model is.
#[must_use]
pub fn storage_uri(service: &Value) -> Option<&str> {
    predictor(service).get("model")?.get("storageUri")?.as_str()
}

/// The part of the newest revision in percent; none: everything.
#[must_use]
pub fn canary_percent(service: &Value) -> Option<u64> {
    predictor(service).get("canaryTrafficPercent").and_then(Value::as_u64)
}

/// Whether a revision without requests has no replica after a while.
#[must_use]
pub fn scales_to_nothing(service: &Value) -> bool {
    predictor(service).get("minReplicas").and_then(Value::as_u64) == Some(0)
}

/// The merge patch to a model's address and the part of its revision, without a field that stays behind where it gets everything;
/// for the service as it was read, and none where it is so.
#[must_use]
pub fn patch(service: &Value, uri: &str, percent: Option<u64>) -> Option<Value> {
    let same = storage_uri(service) == Some(uri) && canary_percent(service) == percent;
    let patch = json!({
        "metadata": { "resourceVersion": resource_version(service) },
        "spec": { "predictor": { "model": { "storageUri": uri }, "canaryTrafficPercent": percent } }
    });
    (!same).then_some(patch)
}

/// The name of a revision by its part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Revision {
    /// Made last.
    Created,
    /// The last one that is ready.
    Ready,
    /// The last one that had everything: it has what the newest has not.
    RolledOut,
}

/// A revision of a service.
#[must_use]
pub fn revision(service: &Value, which: Revision) -> Option<&str> {
    let key = match which {
        Revision::Created => "latestCreatedRevision",
        Revision::Ready => "latestReadyRevision",
        Revision::RolledOut => "latestRolledoutRevision",
    };
    component(service).get(key)?.as_str()
}

/// The address of the model that a revision (`serving.knative.dev/v1`) was made for.
#[must_use]
pub fn source_of(revision: &Value) -> Option<&str> {
    revision.get("metadata")?.get("annotations")?.get(SOURCE)?.as_str()
}

/// Why a revision (`serving.knative.dev/v1`) answers nobody, where it says so: its containers exit, or cannot be had. One that was
/// scaled to nothing for want of requests is not ill.
#[must_use]
pub fn ill(revision: &Value) -> Option<String> {
    let ready = condition(status(revision).get("conditions"), "Ready").filter(|c| c.get("status") == Some(&json!("False")))?;
    let name = revision.get("metadata").and_then(|m| m.get("name")).and_then(Value::as_str).unwrap_or("its revision");
    Some(format!("{name} is not ready: {}", words(ready)))
}

/// Whether the revision made last is ready. A status says nothing of how new it is: whose revision it is, is to be looked at.
#[must_use]
pub fn readiness(service: &Value) -> Progress {
    let (created, ready) = (revision(service, Revision::Created), revision(service, Revision::Ready));
    if created.is_some() && created == ready {
        return Progress::There;
    }
    let model = status(service).get("modelStatus").unwrap_or(&Value::Null);
    let transition = model.get("transitionStatus").and_then(Value::as_str).unwrap_or_default();
    if ["BlockedByFailedLoad", "InvalidSpec"].contains(&transition) {
        let why = model.get("lastFailureInfo").map(words).unwrap_or_default();
        return Progress::Failed(format!("{transition}: {why}"));
    }
    let not = condition(status(service).get("conditions"), "PredictorReady").filter(|c| c.get("status") != Some(&json!("True"))).map(words);
    let newest = created.unwrap_or("its first revision");
    Progress::Coming(format!("{newest} is not ready{}", not.map(|why| format!(": {why}")).unwrap_or_default()))
}

/// Whether requests are split so: the newest revision gets this part of them.
#[must_use]
pub fn split(service: &Value, percent: u64) -> Progress {
    let newest = component(service).get("latestReadyRevision").and_then(Value::as_str);
    let traffic = component(service).get("traffic").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let mut to_newest = 0;
    let mut sum = 0;
    for target in traffic {
        let part = number(target, "percent");
        let latest = target.get("latestRevision") == Some(&json!(true));
        let named = target.get("revisionName").and_then(Value::as_str);
        sum += part;
        if named.map_or(latest, |name| Some(name) == newest) {
            to_newest += part;
        }
    }
    if sum == 100 && to_newest == percent {
        return Progress::There;
    }
    let not = condition(status(service).get("conditions"), "PredictorRouteReady").filter(|c| c.get("status") == Some(&json!("False")));
    match not.map(words) {
        Some(why) => Progress::Failed(why),
        None => Progress::Coming(format!("its newest revision gets {to_newest} %, not {percent} %")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// In the form of KServe's own guide on canaries: a new storage address with a part of ten percent.
    fn service() -> Value {
        json!({
            "apiVersion": "serving.kserve.io/v1beta1", "kind": "InferenceService",
            "metadata": { "name": "sklearn-iris", "namespace": "kserve-test", "generation": 2, "resourceVersion": "77" },
            "spec": { "predictor": { "canaryTrafficPercent": 10,
                "model": { "modelFormat": { "name": "sklearn" }, "storageUri": "gs://kfserving-examples/models/sklearn/1.0/model-2" } } },
            "status": {
                "observedGeneration": 2,
                "components": { "predictor": {
                    "address": { "url": "http://sklearn-iris-predictor.kserve-test.svc.cluster.local" },
                    "latestCreatedRevision": "sklearn-iris-predictor-00002", "latestReadyRevision": "sklearn-iris-predictor-00002",
                    "latestRolledoutRevision": "sklearn-iris-predictor-00001",
                    "traffic": [
                        { "latestRevision": true, "percent": 10, "revisionName": "sklearn-iris-predictor-00002" },
                        { "latestRevision": false, "percent": 90, "revisionName": "sklearn-iris-predictor-00001", "tag": "prev" }],
                    "url": "http://sklearn-iris-predictor.kserve-test.example.com" } },
                "conditions": [{ "type": "PredictorReady", "status": "True" }, { "type": "PredictorRouteReady", "status": "True" }, { "type": "Ready", "status": "True" }],
                "modelStatus": { "copies": { "failedCopies": 0, "totalCopies": 1 }, "states": { "activeModelState": "Loaded", "targetModelState": "Loaded" },
                    "transitionStatus": "UpToDate" }
            }
        })
    }

    fn with(pointer: &str, value: Value) -> Value {
        let mut service = service();
        *service.pointer_mut(pointer).unwrap() = value;
        service
    }

    #[test]
    fn a_patch_says_all_and_leaves_no_field_behind() {
        let uri = "gs://kfserving-examples/models/sklearn/1.0/model-2";
        assert_eq!(patch(&service(), uri, Some(10)), None);
        assert_eq!(
            patch(&service(), uri, None).unwrap(),
            json!({ "metadata": { "resourceVersion": "77" }, "spec": { "predictor": { "model": { "storageUri": uri }, "canaryTrafficPercent": null } } })
        );
        let next = patch(&service(), "s3://m/3", Some(0)).unwrap();
        assert_eq!(next["spec"]["predictor"], json!({ "model": { "storageUri": "s3://m/3" }, "canaryTrafficPercent": 0 }));
    }

    #[test]
    fn statuses_are_read() {
        assert_eq!((readiness(&service()), split(&service(), 10)), (Progress::There, Progress::There));
        let named = [Revision::Created, Revision::Ready, Revision::RolledOut].map(|which| revision(&service(), which).map(str::to_owned));
        assert_eq!(named, ["2", "2", "1"].map(|n| Some(format!("sklearn-iris-predictor-0000{n}"))));
        assert_eq!(source_of(&json!({ "metadata": { "annotations": { SOURCE: "s3://m/1" } } })), Some("s3://m/1"));
        let sick = |ready: &str| {
            ill(&json!({ "metadata": { "name": "ranker-00002" }, "status": { "conditions": [
            { "type": "Active", "status": "False", "reason": "NoTraffic", "message": "The target is not receiving traffic." },
            { "type": "Ready", "status": ready, "reason": "ExitCode137", "message": "Container failed with: killed" }] } }))
        };
        assert_eq!(sick("False").as_deref(), Some("ranker-00002 is not ready: ExitCode137: Container failed with: killed"));
        assert_eq!((sick("True"), sick("Unknown"), ill(&json!({}))), (None, None, None));
        let coming = |found: Progress, why: &str| assert!(matches!(&found, Progress::Coming(said) if said.contains(why)), "{found:?}");
        let behind = with("/status/components/predictor/latestReadyRevision", json!("sklearn-iris-predictor-00001"));
        coming(readiness(&behind), "00002 is not ready");
        coming(readiness(&json!({})), "its first revision is not ready");
        coming(split(&service(), 20), "gets 10 %, not 20 %");
        let mut failed = behind;
        failed["status"]["modelStatus"] = json!({ "transitionStatus": "BlockedByFailedLoad",
            "lastFailureInfo": { "reason": "ModelLoadFailed", "message": "no such key: model-2" } });
        assert_eq!(readiness(&failed), Progress::Failed("BlockedByFailedLoad: ModelLoadFailed: no such key: model-2".to_owned()));
        // What failed is not what is ready now; and one without pods is ready too.
        assert_eq!(readiness(&with("/status/modelStatus/transitionStatus", json!("InProgress"))), Progress::There);
        let mut unrouted = service();
        unrouted["status"]["conditions"][1] =
            json!({ "type": "PredictorRouteReady", "status": "False", "reason": "RevisionMissing", "message": "gone" });
        assert_eq!(split(&unrouted, 20), Progress::Failed("RevisionMissing: gone".to_owned()));
        let all = json!([{ "latestRevision": true, "percent": 100, "revisionName": "sklearn-iris-predictor-00002" }]);
        let all = with("/status/components/predictor/traffic", all);
        assert_eq!(split(&all, 100), Progress::There);
        coming(split(&all, 0), "gets 100 %");
    }
}
