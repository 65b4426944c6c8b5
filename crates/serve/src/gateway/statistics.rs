//! Counts and times of versions, in the form of Triton's extension: one entry for each version that is served.

use crate::counts::Totals;
use crate::gateway::Shared;
use crate::gateway::handle::Named;
use crate::gateway::reply::{Reply, json, unknown};
use crate::plan::PlanRoute;
use crate::work::{Compute, WorkTotals};
use hyper::StatusCode;
use serde_json::{Value, json};

/// Answers `GET /v2/models/{model}[/versions/{version}]/stats`.
pub fn of_model(shared: &Shared, of: &Named) -> Reply {
    let plan = shared.plan.load();
    let Some(route) = plan.by_model.get(&of.model) else { return unknown(&of.model, of.version.as_deref()) };
    let totals = shared.book.totals();
    let versions = route.versions().into_iter().filter(|version| of.version.as_deref().is_none_or(|named| named == *version));
    let entries: Vec<Value> = versions.map(|version| entry(route, version, &totals)).collect();
    match &of.version {
        Some(version) if entries.is_empty() => unknown(&of.model, Some(version)),
        _ => json(StatusCode::OK, &json!({ "model_stats": entries })),
    }
}

/// Answers `GET /v2/models/stats`.
pub fn of_all(shared: &Shared) -> Reply {
    let plan = shared.plan.load();
    let totals = shared.book.totals();
    let mut routes: Vec<_> = plan.by_model.values().collect();
    routes.sort_by(|a, b| a.model.cmp(&b.model));
    let of_route = |route: &PlanRoute| route.versions().into_iter().map(|version| entry(route, version, &totals)).collect::<Vec<_>>();
    let entries: Vec<Value> = routes.into_iter().flat_map(|route| of_route(route)).collect();
    json(StatusCode::OK, &json!({ "model_stats": entries }))
}

/// A version's live requests, whatever its workers were there for.
fn entry(route: &PlanRoute, version: &str, totals: &[Totals]) -> Value {
    let (mut answered, mut errors, mut latency_us, mut work) = (0_u64, 0_u64, 0_u64, WorkTotals::default());
    for t in totals.iter().filter(|t| t.target.service == *route.service && t.target.version == version) {
        answered += t.live.answered;
        errors += t.live.errors;
        latency_us = latency_us.saturating_add(t.live.latency_us);
        work.add(&t.work);
    }
    let compute = &work.compute;
    let batches: Vec<Value> = work.batches.iter().map(|(rows, compute)| batch(*rows, compute)).collect();
    json!({
        "name": &*route.model,
        "version": version,
        "last_inference": work.last_ms,
        "inference_count": work.rows,
        "execution_count": compute.count,
        "inference_stats": {
            "success": duration(answered, latency_us.saturating_mul(1_000)),
            "fail": duration(errors, work.fail_ns),
            "queue": duration(compute.count, work.queue_ns),
            "compute_input": duration(compute.count, compute.input_ns),
            "compute_infer": duration(compute.count, compute.infer_ns),
            "compute_output": duration(compute.count, compute.output_ns),
            "cache_hit": duration(0, 0),
            "cache_miss": duration(0, 0),
        },
        "batch_stats": batches,
    })
}

fn batch(rows: u32, compute: &Compute) -> Value {
    json!({
        "batch_size": rows,
        "compute_input": duration(compute.count, compute.input_ns),
        "compute_infer": duration(compute.count, compute.infer_ns),
        "compute_output": duration(compute.count, compute.output_ns),
    })
}

fn duration(count: u64, ns: u64) -> Value {
    json!({ "count": count, "ns": ns })
}
