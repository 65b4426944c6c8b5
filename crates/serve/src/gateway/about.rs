//! What the protocol tells about the server and its models. Roles are nobody's business outside.

use crate::frame::Hello;
use crate::gateway::Shared;
use crate::gateway::handle::Named;
use crate::gateway::reply::{Reply, error, json, unknown};
use crate::plan::{PlanRoute, PlanTarget};
use hyper::StatusCode;
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use tidegate_core::model::{Datatype, TensorSpec};

/// What is answered beyond the protocol: the first four as Triton names them, the last one ours.
const EXTENSIONS: [&str; 5] = ["binary_tensor_data", "model_configuration", "model_repository", "statistics", "feedback"];
/// What the protocol calls the platform of an ONNX model, and what Triton's configuration does.
const ONNX: (&str, &str) = ("onnx_onnxv1", "onnxruntime_onnx");

/// Answers `GET /v2`.
pub fn server(shared: &Shared) -> Reply {
    let body = json!({ "name": shared.settings.server_name, "version": env!("CARGO_PKG_VERSION"), "extensions": EXTENSIONS });
    json(StatusCode::OK, &body)
}

/// Answers `GET /v2/health/ready`: every service has a ready worker with weight.
pub fn ready(shared: &Shared) -> Reply {
    let plan = shared.plan.load();
    let why = if shared.draining.load(Ordering::Relaxed) {
        Some("the server is being stopped".to_owned())
    } else if plan.by_model.is_empty() {
        Some("no model is routed yet".to_owned())
    } else {
        plan.by_model.values().find(|r| !answers(r)).map(|r| format!("model '{}' has no ready worker", r.model))
    };
    match why {
        None => json(StatusCode::OK, &json!({ "ready": true })),
        Some(why) => not_ready(json!({ "ready": false, "error": why })),
    }
}

fn answers(route: &PlanRoute) -> bool {
    route.targets.iter().any(|t| t.slot.ready())
}

fn not_ready(body: Value) -> Reply {
    let mut reply = error(StatusCode::SERVICE_UNAVAILABLE, "");
    *reply.body_mut() = bytes::Bytes::from(body.to_string()).into();
    reply
}

/// The route and target that a path names.
fn named<'a>(plan: &'a crate::plan::Plan, of: &Named) -> Option<(&'a PlanRoute, &'a Arc<PlanTarget>)> {
    let route = plan.by_model.get(&of.model)?;
    let target = match &of.version {
        Some(version) => route.of_version(version)?,
        None => route.main()?,
    };
    Some((route, target))
}

/// What is said of a model by the first word of its worker.
fn described(shared: &Shared, of: &Named, say: impl FnOnce(&PlanRoute, &Hello) -> Value) -> Reply {
    let plan = shared.plan.load();
    let Some((route, target)) = named(&plan, of) else { return unknown(&of.model, of.version.as_deref()) };
    let hello = target.slot.hello.load();
    let Some(hello) = hello.as_deref() else {
        return error(StatusCode::SERVICE_UNAVAILABLE, &format!("model '{}' has no ready worker", route.model));
    };
    json(StatusCode::OK, &say(route, hello))
}

/// Answers `GET /v2/models/{model}[/versions/{version}]`.
pub fn model(shared: &Shared, of: &Named) -> Reply {
    described(shared, of, |route, Hello { platform, inputs, outputs, providers, .. }| {
        let versions = match &of.version {
            Some(version) => vec![version.as_str()],
            None => route.versions(),
        };
        let mut told = json!({ "name": &*route.model, "versions": versions, "platform": platform, "inputs": tensors(inputs), "outputs": tensors(outputs) });
        // Beside the protocol's own members, and only where it is known.
        if let (Some(told), false) = (told.as_object_mut(), providers.is_empty()) {
            told.insert("providers".to_owned(), json!(providers));
        }
        told
    })
}

fn tensors(specs: &[TensorSpec]) -> Vec<Value> {
    specs.iter().map(|s| json!({ "name": s.name, "datatype": s.datatype.as_str(), "shape": s.shape })).collect()
}

/// Answers `GET /v2/models/{model}[/versions/{version}]/ready`.
pub fn model_ready(shared: &Shared, of: &Named) -> Reply {
    let plan = shared.plan.load();
    let Some((route, target)) = named(&plan, of) else { return unknown(&of.model, of.version.as_deref()) };
    let ready = if of.version.is_some() { target.slot.ready() } else { answers(route) };
    if ready && !shared.draining.load(Ordering::Relaxed) {
        json(StatusCode::OK, &json!({ "name": &*route.model, "ready": true }))
    } else {
        not_ready(json!({ "name": &*route.model, "ready": false, "error": format!("model '{}' has no ready worker", route.model) }))
    }
}

/// Answers `GET /v2/models/{model}[/versions/{version}]/config`, in Triton's form. Shapes are whole, the first dimension
/// included, which Triton says by a `max_batch_size` of 0.
pub fn configuration(shared: &Shared, of: &Named) -> Reply {
    described(shared, of, |route, hello| {
        let (platform, backend) = if hello.platform == ONNX.0 { (ONNX.1, "onnxruntime") } else { (hello.platform.as_str(), "") };
        json!({
            "name": &*route.model,
            "platform": platform,
            "backend": backend,
            "max_batch_size": 0,
            "input": configured(&hello.inputs),
            "output": configured(&hello.outputs),
        })
    })
}

fn configured(specs: &[TensorSpec]) -> Vec<Value> {
    let kind = |datatype: Datatype| match datatype {
        Datatype::Bytes => "TYPE_STRING".to_owned(),
        other => format!("TYPE_{other}"),
    };
    specs.iter().map(|s| json!({ "name": s.name, "data_type": kind(s.datatype), "dims": s.shape })).collect()
}
