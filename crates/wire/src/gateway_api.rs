//! `HTTPRoute` of Kubernetes' Gateway API (`gateway.networking.k8s.io/v1`): the weights of two backends of one rule, and what
//! gateways say of the route.
//!
//! Not here: how the API is asked (`adapters::gateway_api`), and which backend has which version (`core::places`).

use crate::kubernetes::{Progress, condition, number, stamped, words};
use serde_json::{Value, json};

/// Conditions of a route that must not be false.
const CONDITIONS: [&str; 3] = ["Accepted", "ResolvedRefs", "Programmed"];
/// Weight of a backend that names none.
const WEIGHT_LEFT_OUT: u64 = 1;

/// A route that cannot be used, and why.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Unusable(pub String);

fn position(route: &Value, rule: usize, name: &str) -> Result<usize, Unusable> {
    let rules = route.get("spec").and_then(|s| s.get("rules")).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let refs = rules.get(rule).ok_or_else(|| Unusable(format!("it has {} rules, and rule {rule} is to be changed", rules.len())))?;
    let refs = refs.get("backendRefs").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let named = |backend: &Value| backend.get("name").and_then(Value::as_str) == Some(name);
    let mut found = refs.iter().enumerate().filter(|(_, backend)| named(backend));
    match (found.next(), found.next()) {
        (Some((at, _)), None) => Ok(at),
        (Some(_), Some(_)) => Err(Unusable(format!("its rule {rule} names backend `{name}` twice: name it once"))),
        (None, _) => Err(Unusable(format!("its rule {rule} has no backend `{name}`: add it with `weight: 0`"))),
    }
}

fn backends(route: &Value, rule: usize) -> &[Value] {
    let refs = route.get("spec").and_then(|s| s.get("rules")).and_then(|r| r.get(rule)).and_then(|r| r.get("backendRefs"));
    refs.and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

fn weight(backend: &Value) -> u64 {
    backend.get("weight").and_then(Value::as_u64).unwrap_or(WEIGHT_LEFT_OUT)
}

/// The weights of two backends of a rule.
///
/// # Errors
/// When the rule does not have both, or sends requests to others too.
pub fn weights(route: &Value, rule: usize, names: &[String; 2]) -> Result<[u64; 2], Unusable> {
    let at = [position(route, rule, &names[0])?, position(route, rule, &names[1])?];
    let all = backends(route, rule);
    let other = all.iter().enumerate().find(|(i, backend)| !at.contains(i) && weight(backend) > 0);
    if let Some(name) = other.map(|(_, backend)| backend.get("name").and_then(Value::as_str).unwrap_or_default()) {
        return Err(Unusable(format!("its rule {rule} sends requests to `{name}` too: parts of two backends would not be what they say")));
    }
    Ok(at.map(|at| all.get(at).map_or(0, weight)))
}

/// The merge patch that gives two backends these weights, for the route as it was read: its lists are taken over whole.
///
/// # Errors
/// As [`weights`].
pub fn weights_patch(route: &Value, rule: usize, names: &[String; 2], parts: [u32; 2]) -> Result<Value, Unusable> {
    let mut rules = route.get("spec").and_then(|s| s.get("rules")).cloned().unwrap_or_default();
    for (name, part) in names.iter().zip(parts) {
        let at = position(route, rule, name)?;
        let backend = rules.get_mut(rule).and_then(|r| r.get_mut("backendRefs")).and_then(|b| b.get_mut(at));
        if let Some(Value::Object(backend)) = backend {
            backend.insert("weight".to_owned(), json!(part));
        }
    }
    Ok(stamped(&json!({ "spec": { "rules": rules } }), route))
}

/// A gateway that a route names or that answers for it: group, kind, namespace, name, section, port; what is left out has its default.
type Parent<'v> = (&'v str, &'v str, &'v str, &'v str, &'v str, u64);

fn parent<'v>(of: &'v Value, route: &'v Value) -> Parent<'v> {
    let text = |key: &str, left_out: &'v str| of.get(key).and_then(Value::as_str).unwrap_or(left_out);
    let own = route.get("metadata").and_then(|m| m.get("namespace")).and_then(Value::as_str).unwrap_or_default();
    let kind = (text("group", "gateway.networking.k8s.io"), text("kind", "Gateway"));
    (kind.0, kind.1, text("namespace", own), text("name", "its gateway"), text("sectionName", ""), number(of, "port"))
}

/// The gateway that the route names and that has never said anything of it: it sends no requests by it.
fn silent(route: &Value) -> Option<&str> {
    let answered: Vec<Parent<'_>> =
        list(route, "status", "parents").iter().filter_map(|a| Some(parent(a.get("parentRef")?, route))).collect();
    list(route, "spec", "parentRefs").iter().map(|of| parent(of, route)).find(|named| !answered.contains(named)).map(|named| named.3)
}

fn list<'v>(route: &'v Value, of: &str, key: &str) -> &'v [Value] {
    route.get(of).and_then(|s| s.get(key)).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

/// Who holds up a way back that all who answered have taken, where one that never said anything is all that is missing. Whoever took
/// an older state of the route may still send requests by it, and is no such one.
#[must_use]
pub fn only_silent(route: &Value) -> Option<String> {
    let name = silent(route)?;
    (answers(route, true) == Progress::There).then(|| name.to_owned())
}

/// Whether every gateway that the route names has taken it as it is now. On the way `back` references that cannot be resolved do not
/// matter: the backend that is missing may be the one that gets nothing any more.
#[must_use]
pub fn acceptance(route: &Value, back: bool) -> Progress {
    match (answers(route, back), silent(route)) {
        (Progress::There, Some(name)) => Progress::Coming(format!("{name} has not answered for the route yet")),
        (found, _) => found,
    }
}

/// What those that answered say.
fn answers(route: &Value, back: bool) -> Progress {
    let generation = number(route.get("metadata").unwrap_or(&Value::Null), "generation");
    let answers = list(route, "status", "parents");
    if answers.is_empty() {
        return Progress::Coming("no gateway has answered for the route yet".to_owned());
    }
    let mut coming = None;
    for answer in answers {
        let name = answer.get("parentRef").map_or("its gateway", |of| parent(of, route).3);
        let conditions = answer.get("conditions");
        let fresh = |c: &&Value| number(c, "observedGeneration") >= generation;
        let matters = |kind: &&&str| !back || **kind != "ResolvedRefs";
        let no = CONDITIONS
            .iter()
            .filter(matters)
            .filter_map(|kind| condition(conditions, kind))
            .filter(fresh)
            .find(|c| c.get("status") == Some(&json!("False")));
        if let Some(no) = no {
            let kind = no.get("type").and_then(Value::as_str).unwrap_or_default();
            return Progress::Failed(format!("`{kind}` is false for {name}: {}", words(no)));
        }
        let yes = condition(conditions, "Accepted").filter(fresh).is_some_and(|c| c.get("status") == Some(&json!("True")));
        if !yes {
            coming = Some(format!("{name} has not taken the newest weights yet"));
        }
    }
    coming.map_or(Progress::There, Progress::Coming)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names() -> [String; 2] {
        ["blue".to_owned(), "green".to_owned()]
    }

    /// A route in the form of the Gateway API's own guide on traffic splitting, with the status that a gateway writes.
    fn route() -> Value {
        json!({
            "apiVersion": "gateway.networking.k8s.io/v1", "kind": "HTTPRoute",
            "metadata": { "name": "shop", "namespace": "shop", "generation": 3, "resourceVersion": "41" },
            "spec": {
                "parentRefs": [{ "group": "gateway.networking.k8s.io", "kind": "Gateway", "name": "edge" }],
                "hostnames": ["shop.example.com"],
                "rules": [
                    { "matches": [{ "path": { "type": "PathPrefix", "value": "/health" } }], "backendRefs": [{ "name": "other", "port": 80 }] },
                    { "matches": [{ "path": { "type": "PathPrefix", "value": "/" } }],
                      "filters": [{ "type": "RequestHeaderModifier", "requestHeaderModifier": { "set": [{ "name": "x", "value": "y" }] } }],
                      "backendRefs": [
                        { "group": "", "kind": "Service", "name": "blue", "port": 8080, "weight": 10000 },
                        { "group": "", "kind": "Service", "name": "green", "port": 8080, "weight": 0 }] }
                ]
            },
            "status": { "parents": [{
                "parentRef": { "group": "gateway.networking.k8s.io", "kind": "Gateway", "name": "edge" },
                "controllerName": "gateway.envoyproxy.io/gatewayclass-controller",
                "conditions": [
                    { "type": "Accepted", "status": "True", "observedGeneration": 3, "reason": "Accepted", "message": "Route is accepted", "lastTransitionTime": "2026-01-01T00:00:00Z" },
                    { "type": "ResolvedRefs", "status": "True", "observedGeneration": 3, "reason": "ResolvedRefs", "message": "Resolved all the Object references for the Route", "lastTransitionTime": "2026-01-01T00:00:00Z" }]
            }] }
        })
    }

    #[test]
    fn weights_are_read_and_nothing_else_is_changed() {
        let route = route();
        assert_eq!(weights(&route, 1, &names()), Ok([10_000, 0]));
        let patch = weights_patch(&route, 1, &names(), [9_500, 500]).unwrap();
        assert_eq!(patch["metadata"], json!({ "resourceVersion": "41" }));
        let mut back = patch["spec"]["rules"].clone();
        assert_eq!((&back[1]["backendRefs"][0]["weight"], &back[1]["backendRefs"][1]["weight"]), (&json!(9_500), &json!(500)));
        back[1]["backendRefs"][0]["weight"] = json!(10_000);
        back[1]["backendRefs"][1]["weight"] = json!(0);
        assert_eq!(back, route["spec"]["rules"], "all the rest is as it was");
        assert_eq!(patch["spec"].as_object().unwrap().len(), 1);
    }

    #[test]
    fn a_weight_that_is_left_out_is_one() {
        let mut route = route();
        route["spec"]["rules"][1]["backendRefs"][0].as_object_mut().unwrap().remove("weight");
        assert_eq!(weights(&route, 1, &names()), Ok([1, 0]));
        assert_eq!(weights_patch(&route, 1, &names(), [0, 10_000]).unwrap()["spec"]["rules"][1]["backendRefs"][0]["weight"], 0);
    }

    #[test]
    fn a_route_that_does_not_fit_says_why() {
        let said = |route: &Value, rule: usize| weights(route, rule, &names()).unwrap_err().to_string();
        assert_eq!(said(&route(), 2), "it has 2 rules, and rule 2 is to be changed");
        assert_eq!(said(&route(), 0), "its rule 0 has no backend `blue`: add it with `weight: 0`");
        let mut third = route();
        third["spec"]["rules"][1]["backendRefs"].as_array_mut().unwrap().push(json!({ "name": "red", "weight": 5 }));
        assert!(said(&third, 1).contains("sends requests to `red` too"));
        third["spec"]["rules"][1]["backendRefs"][2] = json!({ "name": "blue", "weight": 0 });
        assert!(said(&third, 1).contains("names backend `blue` twice"));
        assert!(said(&json!({}), 0).starts_with("it has 0 rules"));
    }

    #[test]
    fn gateways_say_whether_they_took_it() {
        assert_eq!(acceptance(&route(), false), Progress::There);
        let with = |at: usize, key: &str, value: Value| {
            let mut route = route();
            route["status"]["parents"][0]["conditions"][at][key] = value;
            acceptance(&route, false)
        };
        assert!(matches!(with(0, "observedGeneration", json!(2)), Progress::Coming(why) if why.contains("edge has not taken")));
        let mut refused = route();
        refused["status"]["parents"][0]["conditions"][1] = json!({ "type": "ResolvedRefs", "status": "False", "observedGeneration": 3,
            "reason": "BackendNotFound", "message": "Service \"green\" not found" });
        assert_eq!(
            acceptance(&refused, false),
            Progress::Failed("`ResolvedRefs` is false for edge: BackendNotFound: Service \"green\" not found".to_owned())
        );
        // A backend that is missing holds up what goes forward, and not what goes back.
        assert_eq!(acceptance(&refused, true), Progress::There);
        // What was false of an older state says nothing of this one.
        refused["status"]["parents"][0]["conditions"][1]["observedGeneration"] = json!(2);
        assert_eq!(acceptance(&refused, false), Progress::There);
        assert!(matches!(with(0, "status", json!("Unknown")), Progress::Coming(_)));
        let mut alone = route();
        alone["status"] = json!({});
        assert!(matches!(acceptance(&alone, false), Progress::Coming(why) if why.contains("no gateway has answered")));
    }
    #[test]
    fn a_gateway_that_has_not_said_anything_is_waited_for() {
        let mut two = route();
        two["spec"]["parentRefs"].as_array_mut().unwrap().push(json!({ "name": "inner", "sectionName": "https" }));
        assert_eq!(acceptance(&two, false), Progress::Coming("inner has not answered for the route yet".to_owned()));
        let mut answer = two["status"]["parents"][0].clone();
        answer["parentRef"] = json!({ "group": "gateway.networking.k8s.io", "kind": "Gateway", "namespace": "shop", "name": "inner" });
        two["status"]["parents"].as_array_mut().unwrap().push(answer);
        assert!(matches!(acceptance(&two, true), Progress::Coming(_)), "it answered for another listener");
        // It is all that a way back lacks, until another one has not taken what is there now.
        assert_eq!(only_silent(&two).as_deref(), Some("inner"));
        two["status"]["parents"][0]["conditions"][0]["observedGeneration"] = json!(2);
        assert_eq!(only_silent(&two), None);
        two["status"]["parents"][0]["conditions"][0]["observedGeneration"] = json!(3);
        two["status"]["parents"][1]["parentRef"]["sectionName"] = json!("https");
        assert_eq!((acceptance(&two, false), only_silent(&two)), (Progress::There, None));
        two["status"]["parents"] = json!([]);
        assert_eq!(only_silent(&two), None, "nobody has taken it");
    }
}
