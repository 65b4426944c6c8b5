//! Objects of Kubernetes' API as far as a release reads and changes them: answers of refusal, marks of versions, Deployments
//! and patches made from templates. Field names are those of `apps/v1` and `meta/v1`.
//!
//! Not here: how the API is asked (`adapters::kubernetes`), and objects of other projects (`gateway_api`, `kserve`).

use serde_json::{Map, Value, json};

/// The annotation, or label, that says which version an object runs.
pub const VERSION_MARK: &str = "tidegate.dev/version";
/// Deepest nesting of a template.
pub const TEMPLATE_DEPTH_MAX: usize = 30;
/// Most characters of what a server said that are told on.
const SAID_CHARS_MAX: usize = 400;

/// How far an object is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Progress {
    /// As it was asked for, and answering.
    There,
    /// Not yet, and what it lacks.
    Coming(String),
    /// It will not come by itself, and why.
    Failed(String),
}

/// What a server said of a refusal: the message of its `Status`.
#[must_use]
pub fn said(body: &Value) -> String {
    let text = match body.get("message").and_then(Value::as_str) {
        Some(message) => message.to_owned(),
        None if body.is_null() => "nothing".to_owned(),
        None => body.as_str().map_or_else(|| body.to_string(), str::to_owned),
    };
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(SAID_CHARS_MAX).collect()
}

/// The version that an object's annotation, or else its label, says it runs.
#[must_use]
pub fn version_of(object: &Value) -> Option<String> {
    let metadata = object.get("metadata")?;
    let mark = |of: &str| metadata.get(of).and_then(|marks| marks.get(VERSION_MARK)).and_then(Value::as_str);
    mark("annotations").or_else(|| mark("labels")).map(str::to_owned)
}

/// What an update must name so that it is refused where somebody else was faster.
#[must_use]
pub fn resource_version(object: &Value) -> String {
    object.get("metadata").and_then(|m| m.get("resourceVersion")).and_then(Value::as_str).unwrap_or_default().to_owned()
}

/// A number of an object, 0 where it is left out.
#[must_use]
pub(crate) fn number(of: &Value, key: &str) -> u64 {
    of.get(key).and_then(Value::as_u64).unwrap_or(0)
}

/// The condition of a type.
pub(crate) fn condition<'v>(conditions: Option<&'v Value>, kind: &str) -> Option<&'v Value> {
    conditions?.as_array()?.iter().find(|c| c.get("type").and_then(Value::as_str) == Some(kind))
}

/// A condition in words: its reason and message.
pub(crate) fn words(condition: &Value) -> String {
    let text = |key: &str| condition.get(key).and_then(Value::as_str).unwrap_or_default();
    said(&Value::String(format!("{}: {}", text("reason"), text("message"))))
}

/// Whether a Deployment's pods all run what it asks for, and answer.
#[must_use]
pub fn availability(deployment: &Value) -> Progress {
    let (metadata, spec) = (deployment.get("metadata").unwrap_or(&Value::Null), deployment.get("spec").unwrap_or(&Value::Null));
    let status = deployment.get("status").unwrap_or(&Value::Null);
    if number(status, "observedGeneration") < number(metadata, "generation") {
        return Progress::Coming("its controller has not seen the change yet".to_owned());
    }
    let conditions = status.get("conditions");
    if let Some(stuck) = condition(conditions, "Progressing").filter(|c| c.get("reason") == Some(&json!("ProgressDeadlineExceeded"))) {
        return Progress::Failed(words(stuck));
    }
    let wanted = spec.get("replicas").and_then(Value::as_u64).unwrap_or(1);
    let (all, updated) = (number(status, "replicas"), number(status, "updatedReplicas"));
    let available = number(status, "availableReplicas");
    if wanted == 0 {
        return Progress::Coming("it is scaled to 0 replicas".to_owned());
    }
    if updated < wanted || available < wanted || all > updated {
        let refused = condition(conditions, "ReplicaFailure").filter(|c| c.get("status") == Some(&json!("True"))).map(words);
        let refused = refused.map(|why| format!(": {why}")).unwrap_or_default();
        return Progress::Coming(format!("{updated} of {wanted} replicas are new, {available} available, {all} in all{refused}"));
    }
    Progress::There
}

/// Whether no pod of a Deployment answers.
#[must_use]
pub fn answers_nobody(deployment: &Value) -> bool {
    number(deployment.get("status").unwrap_or(&Value::Null), "availableReplicas") == 0
}

/// A template with `{NAME}` filled in, in all its texts.
#[must_use]
pub fn filled(template: &Value, names: &[(&str, &str)]) -> Value {
    let text = |text: &str| names.iter().fold(text.to_owned(), |text, (name, value)| text.replace(&format!("{{{name}}}"), value));
    match template {
        Value::String(s) => Value::String(text(s)),
        Value::Array(items) => Value::Array(items.iter().map(|item| filled(item, names)).collect()),
        Value::Object(fields) => Value::Object(fields.iter().map(|(key, value)| (key.clone(), filled(value, names))).collect()),
        other => other.clone(),
    }
}

/// Why a template of a patch cannot be one.
///
/// # Errors
/// With a sentence.
pub fn template_fits(template: &Value) -> Result<(), String> {
    let Some(fields) = template.as_object() else { return Err("a patch is a mapping, as `spec: { replicas: 2 }`".to_owned()) };
    if let Some(key) = fields.keys().find(|key| !["spec", "metadata"].contains(&key.as_str())) {
        return Err(format!("a patch has `spec` and `metadata`, not `{key}`"));
    }
    let metadata = fields.get("metadata").and_then(Value::as_object);
    if let Some(key) = metadata.into_iter().flatten().map(|(key, _)| key).find(|key| !["annotations", "labels"].contains(&key.as_str())) {
        return Err(format!("a patch changes `annotations` and `labels` of `metadata`, not `{key}`"));
    }
    if depth(template) > TEMPLATE_DEPTH_MAX {
        return Err(format!("it is nested deeper than {TEMPLATE_DEPTH_MAX} levels"));
    }
    Ok(())
}

fn depth(value: &Value) -> usize {
    let below = match value {
        Value::Array(items) => items.iter().map(depth).max(),
        Value::Object(fields) => fields.values().map(depth).max(),
        _ => return 0,
    };
    1 + below.unwrap_or(0)
}

/// The patch that has an object run a version: the template, filled in, with the version's mark, for the object as it was read.
#[must_use]
pub fn version_patch(template: &Value, object: &Value, version: &str, names: &[(&str, &str)]) -> Value {
    let mut patch = stamped(&filled(template, names), object);
    set(&mut patch, &["metadata", "annotations", VERSION_MARK], Value::String(version.to_owned()));
    patch
}

/// A patch that is refused when the object is no longer the one that was read.
#[must_use]
pub fn stamped(patch: &Value, object: &Value) -> Value {
    let mut patch = patch.clone();
    set(&mut patch, &["metadata", "resourceVersion"], Value::String(resource_version(object)));
    patch
}

fn set(of: &mut Value, path: &[&str], value: Value) {
    let Some((first, rest)) = path.split_first() else {
        *of = value;
        return;
    };
    if !of.is_object() {
        *of = Value::Object(Map::new());
    }
    if let Value::Object(fields) = of {
        set(fields.entry((*first).to_owned()).or_insert(Value::Null), rest, value);
    }
}

/// Whether an object has all that a patch asks for: lists item by item, those of named items by their names.
#[must_use]
pub fn has(object: &Value, patch: &Value) -> bool {
    match (object, patch) {
        (_, Value::Object(fields)) => fields.iter().all(|(key, wanted)| {
            let found = object.get(key).unwrap_or(&Value::Null);
            if wanted.is_null() { found.is_null() } else { has(found, wanted) }
        }),
        (Value::Array(found), Value::Array(wanted)) => wanted.iter().enumerate().all(|(at, item)| {
            let name = item.get("name");
            let same = |other: &&Value| name.is_some() && other.get("name") == name;
            found.iter().find(same).or_else(|| found.get(at).filter(|_| name.is_none())).is_some_and(|found| has(found, item))
        }),
        (found, wanted) => found == wanted,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A Deployment as the API server gives it, after a rollout.
    fn deployment() -> Value {
        json!({
            "apiVersion": "apps/v1", "kind": "Deployment",
            "metadata": { "name": "blue", "namespace": "shop", "generation": 4, "resourceVersion": "812",
                "annotations": { "deployment.kubernetes.io/revision": "3", VERSION_MARK: "7" }, "labels": { VERSION_MARK: "6" } },
            "spec": { "replicas": 2, "template": { "spec": { "containers": [
                { "name": "log", "image": "log:1" }, { "name": "model", "image": "model:7" }] } } },
            "status": { "observedGeneration": 4, "replicas": 2, "updatedReplicas": 2, "readyReplicas": 2, "availableReplicas": 2,
                "conditions": [{ "type": "Available", "status": "True", "reason": "MinimumReplicasAvailable", "message": "Deployment has minimum availability." },
                    { "type": "Progressing", "status": "True", "reason": "NewReplicaSetAvailable", "message": "ReplicaSet has successfully progressed." }] }
        })
    }

    fn changed(path: &[&str], value: Value) -> Value {
        let mut object = deployment();
        set(&mut object, path, value);
        object
    }

    #[test]
    fn a_deployment_is_there_when_all_its_pods_are_new_and_available() {
        assert_eq!(availability(&deployment()), Progress::There);
        let coming = |path: &[&str], value: Value, why: &str| {
            let found = availability(&changed(path, value));
            assert!(matches!(&found, Progress::Coming(said) if said.contains(why)), "{found:?}");
        };
        coming(&["metadata", "generation"], json!(5), "has not seen the change");
        coming(&["status", "updatedReplicas"], json!(1), "1 of 2 replicas are new");
        coming(&["status", "availableReplicas"], Value::Null, "0 available");
        // A pod of the version before still answers.
        coming(&["status", "replicas"], json!(3), "3 in all");
        coming(&["spec", "replicas"], json!(0), "scaled to 0");
        coming(&["spec", "replicas"], json!(3), "2 of 3 replicas are new");
        let stuck = json!([{ "type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded",
            "message": "ReplicaSet \"blue-7c\" has timed out progressing." }]);
        let found = availability(&changed(&["status", "conditions"], stuck));
        assert_eq!(found, Progress::Failed("ProgressDeadlineExceeded: ReplicaSet \"blue-7c\" has timed out progressing.".to_owned()));
        let mut short = changed(&["status", "availableReplicas"], json!(0));
        set(
            &mut short,
            &["status", "conditions"],
            json!([{ "type": "ReplicaFailure", "status": "True", "reason": "FailedCreate",
            "message": "exceeded quota" }]),
        );
        assert!(matches!(availability(&short), Progress::Coming(why) if why.ends_with("FailedCreate: exceeded quota")));
        assert!(answers_nobody(&short) && !answers_nobody(&deployment()));
        assert!(matches!(availability(&json!({})), Progress::Coming(_)), "an object without a status is not there");
    }

    #[test]
    fn marks_and_refusals_are_read() {
        assert_eq!(version_of(&deployment()).as_deref(), Some("7"), "an annotation comes before a label");
        assert_eq!(version_of(&changed(&["metadata", "annotations"], Value::Null)).as_deref(), Some("6"));
        assert_eq!(version_of(&json!({ "metadata": {} })), None);
        let status = json!({ "kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "Conflict", "code": 409,
            "message": "Operation cannot be fulfilled on deployments.apps \"blue\": the object has been modified" });
        assert!(said(&status).starts_with("Operation cannot be fulfilled on deployments.apps"));
        assert_eq!((said(&json!("a\nb")).as_str(), said(&Value::Null).as_str()), ("a b", "nothing"));
        assert!(said(&json!("x".repeat(9_000))).len() <= SAID_CHARS_MAX);
    }

    #[test]
    fn a_patch_names_the_version_and_the_object_that_was_read() {
        let template = json!({ "spec": { "replicas": 2, "template": { "spec": { "containers": [{ "name": "model", "image": "{model}:{version}" }] } } } });
        assert_eq!(template_fits(&template), Ok(()));
        let patch = version_patch(&template, &deployment(), "8", &[("version", "8"), ("model", "ranker")]);
        assert_eq!(
            patch,
            json!({ "metadata": { "annotations": { VERSION_MARK: "8" }, "resourceVersion": "812" },
                "spec": { "replicas": 2, "template": { "spec": { "containers": [{ "name": "model", "image": "ranker:8" }] } } } })
        );
        for (wrong, why) in [
            (json!([]), "is a mapping"),
            (json!({ "status": {} }), "not `status`"),
            (json!({ "metadata": { "name": "x" } }), "not `name`"),
            ((0..40).fold(json!({}), |below, _| json!({ "spec": below })), "deeper than 30"),
        ] {
            assert!(template_fits(&wrong).unwrap_err().contains(why), "{wrong}");
        }
    }

    #[test]
    fn an_object_that_is_as_asked_is_known() {
        let containers =
            |image: &str| json!({ "spec": { "template": { "spec": { "containers": [{ "name": "model", "image": image }] } } } });
        assert!(has(&deployment(), &containers("model:7")) && !has(&deployment(), &containers("model:8")));
        assert!(
            has(&deployment(), &json!({ "spec": { "paused": null } })) && !has(&deployment(), &json!({ "spec": { "replicas": null } }))
        );
        assert!(!has(&json!({}), &json!({ "spec": { "replicas": 1 } })) && has(&json!([1, 2]), &json!([1])));
    }
}
