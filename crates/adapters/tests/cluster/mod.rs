//! A stand-in for the API server of a cluster and for the controllers behind it: it takes what the documented API takes, and
//! refuses the rest as that does. Not a cluster: nothing runs, and a change is followed after it was looked at a few times.

#![allow(dead_code, reason = "each test takes a part of it")]

use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard};

/// What lets one in.
pub const TOKEN: &str = "tkn-of-the-test";
/// How often an object is read until its controller has followed.
const LAG_READS: u32 = 2;
/// Where KServe says on a revision which model it was made for.
const SOURCE: &str = "internal.serving.kserve.io/storage-initializer-sourceuri";

/// The cluster. Cloning gives another handle.
#[derive(Clone, Default)]
pub struct Cluster(Arc<Mutex<State>>);

#[derive(Default)]
pub struct State {
    pub objects: BTreeMap<String, Value>,
    lags: BTreeMap<String, u32>,
    /// Method, path, content type and answer of each request.
    pub asked: Vec<(String, String, String, u16)>,
    /// Statuses that the next changes are answered with.
    pub failing: Vec<u16>,
    /// Somebody else changes an object right before so many of the next changes.
    pub racing: u32,
    /// Somebody else puts this object there right before the next change.
    pub rival: Option<(String, Value)>,
    /// Images of Deployments that never come up.
    pub broken: Vec<String>,
    /// Gateways refuse the route with this.
    pub refusing: Option<(String, String)>,
    version: u64,
}

pub fn deployment(name: &str) -> String {
    format!("/apis/apps/v1/namespaces/shop/deployments/{name}")
}

pub fn route() -> String {
    "/apis/gateway.networking.k8s.io/v1/namespaces/shop/httproutes/shop".to_owned()
}

pub fn inference_service() -> String {
    "/apis/serving.kserve.io/v1beta1/namespaces/shop/inferenceservices/ranker".to_owned()
}

fn revision(name: &str) -> String {
    format!("/apis/serving.knative.dev/v1/namespaces/shop/revisions/{name}")
}

impl Cluster {
    /// Two Deployments, blue with version 1 and all requests.
    pub fn with_route() -> Cluster {
        let cluster = Cluster::default();
        for (name, version) in [("blue", Some("1")), ("green", None)] {
            let marks = version.map_or(json!({}), |v| json!({ "tidegate.dev/version": v }));
            cluster.put(&deployment(name), json!({
                "apiVersion": "apps/v1", "kind": "Deployment",
                "metadata": { "name": name, "namespace": "shop", "annotations": marks },
                "spec": { "replicas": 2, "selector": { "matchLabels": { "app": name } }, "template": { "metadata": { "labels": { "app": name } },
                    "spec": { "containers": [{ "name": "log", "image": "log:1" }, { "name": "model", "image": "ranker:1" }] } } }
            }));
        }
        cluster.put(
            &route(),
            json!({
                "apiVersion": "gateway.networking.k8s.io/v1", "kind": "HTTPRoute", "metadata": { "name": "shop", "namespace": "shop" },
                "spec": { "parentRefs": [{ "name": "edge" }], "rules": [{ "matches": [{ "path": { "type": "PathPrefix", "value": "/" } }],
                    "backendRefs": [{ "name": "blue", "port": 80, "weight": 1 }, { "name": "green", "port": 80, "weight": 0 }] }] }
            }),
        );
        cluster
    }

    /// An InferenceService with this model, rolled out.
    pub fn with_inference_service(uri: &str) -> Cluster {
        let cluster = Cluster::default();
        cluster.put(&inference_service(), json!({
            "apiVersion": "serving.kserve.io/v1beta1", "kind": "InferenceService", "metadata": { "name": "ranker", "namespace": "shop" },
            "spec": { "predictor": { "minReplicas": 1, "model": { "modelFormat": { "name": "onnx" }, "storageUri": uri } } }
        }));
        cluster
    }

    pub fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    /// Puts an object there, followed by its controller.
    pub fn put(&self, path: &str, object: Value) {
        let mut state = self.state();
        let changed = state.objects.get(path).is_none_or(|before| before["spec"] != object["spec"]);
        state.store(path, object, changed);
        if changed {
            state.lags.insert(path.to_owned(), 0);
        }
        state.follow(path);
    }

    pub fn object(&self, path: &str) -> Value {
        self.state().objects[path].clone()
    }

    /// Changes an object as somebody else would.
    pub fn edit(&self, path: &str, edit: impl FnOnce(&mut Value)) {
        let mut object = self.object(path);
        edit(&mut object);
        self.put(path, object);
    }

    /// The weights of blue and green.
    pub fn weights(&self) -> [u64; 2] {
        let route = self.object(&route());
        let of = |at: usize| route["spec"]["rules"][0]["backendRefs"][at]["weight"].as_u64().unwrap_or(1);
        [of(0), of(1)]
    }

    /// What a request is answered with.
    pub fn answer(&self, method: &str, url: &str, headers: &[(String, String)], body: &str) -> (u16, Value) {
        let mut state = self.state();
        let path = url.split('?').next().unwrap().to_owned();
        let header = |name: &str| headers.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map_or("", |(_, v)| v).to_owned();
        let kind = header("content-type");
        let (status, answer) = if header("authorization") == format!("Bearer {TOKEN}") {
            state.answer(method, &path, &kind, body)
        } else {
            failure(401, "Unauthorized", "Unauthorized")
        };
        state.asked.push((method.to_owned(), path, kind, status));
        (status, answer)
    }

    /// Serves over HTTP; its address.
    pub fn serve(&self) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let cluster = self.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let Ok(stream) = stream else { return };
                let cluster = cluster.clone();
                std::thread::spawn(move || one(&cluster, stream));
            }
        });
        address
    }
}

fn one(cluster: &Cluster, stream: TcpStream) -> Option<()> {
    let mut reader = BufReader::new(stream);
    let (mut line, mut headers) = (String::new(), vec![]);
    reader.read_line(&mut line).ok()?;
    loop {
        let mut header = String::new();
        reader.read_line(&mut header).ok()?;
        let Some((name, value)) = header.trim().split_once(": ") else { break };
        headers.push((name.to_owned(), value.to_owned()));
    }
    let length = headers.iter().find(|(n, _)| n.eq_ignore_ascii_case("content-length")).map_or(0, |(_, v)| v.parse().unwrap());
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    let mut words = line.split(' ');
    let (status, answer) = cluster.answer(words.next()?, words.next()?, &headers, &String::from_utf8(body).ok()?);
    let text = answer.to_string();
    let mut stream = reader.into_inner();
    write!(
        stream,
        "HTTP/1.1 {status} X\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{text}",
        text.len()
    )
    .ok()
}

fn failure(code: u16, reason: &str, message: &str) -> (u16, Value) {
    (
        code,
        json!({ "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "reason": reason, "message": message, "code": code }),
    )
}

impl State {
    fn answer(&mut self, method: &str, path: &str, kind: &str, body: &str) -> (u16, Value) {
        let Some(object) = self.objects.get(path).cloned() else {
            let name = path.rsplit('/').next().unwrap();
            return failure(404, "NotFound", &format!("\"{name}\" not found"));
        };
        match method {
            "GET" => {
                self.follow(path);
                (200, self.objects[path].clone())
            }
            "PATCH" => {
                if let Some(status) = (!self.failing.is_empty()).then(|| self.failing.remove(0)) {
                    return failure(status, "Injected", "the server is currently unable to handle the request");
                }
                self.patch(path, &object, kind, body)
            }
            _ => failure(405, "MethodNotAllowed", "the server does not allow this method on the requested resource"),
        }
    }

    fn patch(&mut self, path: &str, object: &Value, kind: &str, body: &str) -> (u16, Value) {
        let by_name = match kind {
            "application/merge-patch+json" => false,
            // Kubernetes knows no such merge for objects of other projects.
            "application/strategic-merge-patch+json" if path.starts_with("/apis/apps/") => true,
            _ => return failure(415, "UnsupportedMediaType", &format!("the body of the request was in an unknown format: {kind}")),
        };
        let Ok(patch) = serde_json::from_str::<Value>(body) else { return failure(400, "BadRequest", "invalid JSON") };
        if self.racing > 0 {
            self.racing -= 1;
            self.store(path, object.clone(), false);
        }
        if let Some((of, object)) = self.rival.take() {
            self.store(&of, object, true);
        }
        let current = self.objects[path].clone();
        let named = patch["metadata"]["resourceVersion"].as_str();
        if named.is_some_and(|named| current["metadata"]["resourceVersion"] != named) {
            return failure(
                409,
                "Conflict",
                "Operation cannot be fulfilled: the object has been modified; please apply your changes to the latest version and try again",
            );
        }
        let mut merged = current.clone();
        merge(&mut merged, &patch, by_name);
        if let Some(why) = invalid(&merged) {
            return failure(422, "Invalid", &why);
        }
        if merged["status"] != current["status"] {
            return failure(422, "Invalid", "status is a subresource");
        }
        self.store(path, merged, current["spec"] != Value::Null && !same_spec(&current, &self.objects[path], &patch, by_name));
        (200, self.objects[path].clone())
    }

    /// Keeps an object with a new version; its controller follows later.
    fn store(&mut self, path: &str, mut object: Value, changed: bool) {
        self.version += 1;
        object["metadata"]["resourceVersion"] = json!(self.version.to_string());
        if changed {
            let generation = object["metadata"]["generation"].as_u64().unwrap_or(0) + 1;
            object["metadata"]["generation"] = json!(generation);
            self.lags.insert(path.to_owned(), LAG_READS);
        }
        self.objects.insert(path.to_owned(), object);
    }

    fn follow(&mut self, path: &str) {
        if let Some(left) = self.lags.get_mut(path).filter(|left| **left > 0) {
            *left -= 1;
            return;
        }
        if self.lags.remove(path).is_none() && !self.objects[path]["status"].is_null() {
            return;
        }
        let mut object = self.objects[path].clone();
        let generation = object["metadata"]["generation"].clone();
        match object["kind"].as_str().unwrap_or_default() {
            "Deployment" => {
                let wanted = object["spec"]["replicas"].as_u64().unwrap_or(1);
                let image = object["spec"]["template"]["spec"]["containers"][1]["image"].as_str().unwrap_or_default().to_owned();
                let available = if self.broken.contains(&image) { 0 } else { wanted };
                object["status"] = json!({ "observedGeneration": generation, "replicas": wanted, "updatedReplicas": wanted,
                    "availableReplicas": available, "conditions": [] });
                if available < wanted {
                    object["status"]["conditions"] = json!([{ "type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded",
                        "message": "ReplicaSet \"x\" has timed out progressing." }]);
                }
            }
            "HTTPRoute" => {
                let mut conditions = json!([
                    { "type": "Accepted", "status": "True", "reason": "Accepted", "message": "", "observedGeneration": generation },
                    { "type": "ResolvedRefs", "status": "True", "reason": "ResolvedRefs", "message": "", "observedGeneration": generation }]);
                if let Some((reason, message)) = &self.refusing {
                    conditions[1] = json!({ "type": "ResolvedRefs", "status": "False", "reason": reason, "message": message, "observedGeneration": generation });
                }
                object["status"] = json!({ "parents": [{ "parentRef": { "name": "edge" }, "controllerName": "example.net/gateway", "conditions": conditions }] });
            }
            "InferenceService" => self.serve_inference(&mut object),
            _ => return,
        }
        self.objects.insert(path.to_owned(), object);
    }

    /// As KServe's controller splits: without a part all to the newest revision, else the rest to the one rolled out last.
    fn serve_inference(&mut self, object: &mut Value) {
        let uri = object["spec"]["predictor"]["model"]["storageUri"].as_str().unwrap().to_owned();
        let before = object["status"]["components"]["predictor"].clone();
        let newest = before["latestCreatedRevision"].as_str().map(str::to_owned);
        let source = newest.as_ref().map(|name| self.objects[&revision(name)]["metadata"]["annotations"][SOURCE].clone());
        let name = match newest.filter(|_| source == Some(json!(uri))) {
            Some(name) => name,
            None => {
                let number = self.objects.keys().filter(|path| path.contains("/revisions/")).count() + 1;
                let name = format!("ranker-predictor-{number:05}");
                self.objects
                    .insert(revision(&name), json!({ "kind": "Revision", "metadata": { "name": name, "annotations": { SOURCE: uri } } }));
                name
            }
        };
        let broken = self.broken.contains(&uri);
        let ready = if broken { before["latestReadyRevision"].clone() } else { json!(name) };
        let rolled_out = before["latestRolledoutRevision"].clone();
        let percent = object["spec"]["predictor"]["canaryTrafficPercent"].as_u64().filter(|_| !rolled_out.is_null()).unwrap_or(100);
        let mut traffic = vec![json!({ "latestRevision": true, "percent": percent, "revisionName": ready })];
        if percent < 100 {
            traffic.push(json!({ "latestRevision": false, "percent": 100 - percent, "revisionName": rolled_out, "tag": "prev" }));
        }
        let now = if percent == 100 { ready.clone() } else { rolled_out.clone() };
        let previous = if now == rolled_out { before["previousRolledoutRevision"].clone() } else { rolled_out };
        let transition = if broken { "BlockedByFailedLoad" } else { "UpToDate" };
        object["status"] = json!({
            "observedGeneration": 1,
            "components": { "predictor": { "latestCreatedRevision": name, "latestReadyRevision": ready, "latestRolledoutRevision": now,
                "previousRolledoutRevision": previous, "traffic": traffic } },
            "modelStatus": { "transitionStatus": transition },
            "conditions": []
        });
        if broken {
            object["status"]["modelStatus"]["lastFailureInfo"] = json!({ "reason": "ModelLoadFailed", "message": "no such key" });
        }
    }
}

fn same_spec(before: &Value, _: &Value, patch: &Value, by_name: bool) -> bool {
    let mut after = before.clone();
    merge(&mut after, patch, by_name);
    before["spec"] == after["spec"]
}

/// RFC 7386; `by_name` merges lists of named items as Kubernetes does for its own.
fn merge(object: &mut Value, patch: &Value, by_name: bool) {
    let Value::Object(fields) = patch else {
        match (object, patch) {
            (Value::Array(found), Value::Array(items)) if by_name && items.iter().all(|i| i.get("name").is_some()) => {
                for item in items {
                    match found.iter_mut().find(|f| f.get("name") == item.get("name")) {
                        Some(found) => merge(found, item, by_name),
                        None => found.push(item.clone()),
                    }
                }
            }
            (object, _) => *object = patch.clone(),
        }
        return;
    };
    if !object.is_object() {
        *object = json!({});
    }
    for (key, value) in fields {
        if value.is_null() {
            object.as_object_mut().unwrap().remove(key);
        } else {
            merge(&mut object[key], value, by_name);
        }
    }
}

/// What the schema of an object does not let through.
fn invalid(object: &Value) -> Option<String> {
    let only = |of: &Value, known: &[&str]| {
        of.as_object()
            .into_iter()
            .flatten()
            .map(|(k, _)| k.clone())
            .find(|k| !known.contains(&k.as_str()))
            .map(|k| format!("unknown field \"{k}\""))
    };
    let whole =
        |n: &Value, max: u64| if n.is_null() || n.as_u64().is_some_and(|n| n <= max) { None } else { Some(format!("Invalid value: {n}")) };
    match object["kind"].as_str()? {
        "Deployment" => {
            let spec = &object["spec"];
            let known = [
                "replicas",
                "selector",
                "template",
                "strategy",
                "minReadySeconds",
                "revisionHistoryLimit",
                "paused",
                "progressDeadlineSeconds",
            ];
            let containers = spec["template"]["spec"]["containers"].as_array().into_iter().flatten();
            only(spec, &known).or_else(|| whole(&spec["replicas"], 100_000)).or_else(|| {
                containers
                    .filter(|c| !c["image"].is_string())
                    .map(|_| "spec.template.spec.containers[0].image: Required value".to_owned())
                    .next()
            })
        }
        "HTTPRoute" => {
            let mut wrong = only(&object["spec"], &["parentRefs", "hostnames", "rules", "useDefaultGateways"]);
            for rule in object["spec"]["rules"].as_array().into_iter().flatten() {
                wrong =
                    wrong.or_else(|| only(rule, &["name", "matches", "filters", "backendRefs", "timeouts", "retry", "sessionPersistence"]));
                for backend in rule["backendRefs"].as_array().into_iter().flatten() {
                    wrong = wrong.or_else(|| only(backend, &["group", "kind", "name", "namespace", "port", "weight", "filters"]));
                    wrong = wrong.or_else(|| whole(&backend["weight"], 1_000_000));
                }
            }
            wrong
        }
        "InferenceService" => whole(&object["spec"]["predictor"]["canaryTrafficPercent"], 100),
        _ => None,
    }
}
