//! The same counts under the names of Triton's metrics, so that its dashboards and alerts go on working: by model and version as Triton
//! labels them, over all roles that a version has had.

use super::{Page, escaped};
use crate::cache::CacheCounts;
use crate::counts::Totals;
use crate::gateway::Shared;
use crate::plan::PlanRoute;
use crate::work::WorkTotals;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};

/// Live requests of one version of a model.
#[derive(Default)]
struct Sums {
    answered: u64,
    errors: u64,
    latency_us: u64,
    work: WorkTotals,
    pending: u64,
}

/// One of Triton's metrics.
struct Metric {
    name: &'static str,
    kind: &'static str,
    help: &'static str,
    of: fn(&Sums) -> u64,
}

const fn counter(name: &'static str, help: &'static str, of: fn(&Sums) -> u64) -> Metric {
    Metric { name, kind: "counter", help, of }
}

const METRICS: &[Metric] = &[
    counter("nv_inference_request_success", "Requests that were answered.", |s| s.answered),
    counter("nv_inference_request_failure", "Requests that failed.", |s| s.errors),
    counter("nv_inference_count", "Rows that were answered.", |s| s.work.rows),
    counter("nv_inference_exec_count", "Times that the model was run for a request.", |s| s.work.compute.count),
    counter("nv_inference_request_duration_us", "Time of answered requests, in microseconds.", |s| s.latency_us),
    counter("nv_inference_queue_duration_us", "Time that they waited, in microseconds.", |s| s.work.queue_ns / 1_000),
    counter("nv_inference_compute_input_duration_us", "Time of reading them, in microseconds.", |s| s.work.compute.input_ns / 1_000),
    counter("nv_inference_compute_infer_duration_us", "Time in the model, in microseconds.", |s| s.work.compute.infer_ns / 1_000),
    counter("nv_inference_compute_output_duration_us", "Time of writing answers, in microseconds.", |s| s.work.compute.output_ns / 1_000),
    Metric { name: "nv_inference_pending_request_count", kind: "gauge", help: "Requests that wait now.", of: |s| s.pending },
];

/// All of them.
pub fn metrics(page: &mut Page, shared: &Shared, totals: &[Totals]) {
    let plan = shared.plan.load();
    let mut routes: Vec<_> = plan.by_model.values().collect();
    routes.sort_by(|a, b| a.model.cmp(&b.model));
    let mut sums: BTreeMap<(&str, &str), Sums> = BTreeMap::new();
    for route in &routes {
        for t in totals.iter().filter(|t| t.target.service == *route.service) {
            let sums = sums.entry((&*route.model, t.target.version.as_str())).or_default();
            sums.answered += t.live.answered;
            sums.errors += t.live.errors;
            sums.latency_us = sums.latency_us.saturating_add(t.live.latency_us);
            sums.work.add(&t.work);
        }
        for target in &route.targets {
            let pending = target.slot.in_flight.load(Ordering::Relaxed);
            sums.entry((&*route.model, target.id.version.as_str())).or_default().pending += pending;
        }
    }
    for Metric { name, kind, help, of } in METRICS {
        page.head(name, kind, help);
        for ((model, version), sums) in &sums {
            page.line(name, &format!("model=\"{}\",version=\"{}\"", escaped(model), escaped(version)), of(sums));
        }
    }
    cache(page, "nv_cache_num_hits_per_model", "Requests that were given an answer again.", &routes, |c| &c.hits);
    cache(page, "nv_cache_num_misses_per_model", "Requests that were carried out though there is a cache.", &routes, |c| &c.misses);
}

fn cache(page: &mut Page, name: &str, help: &str, routes: &[&std::sync::Arc<PlanRoute>], of: fn(&CacheCounts) -> &AtomicU64) {
    page.head(name, "counter", help);
    for route in routes.iter().filter(|r| r.route.cache_ms.is_some()) {
        let version = route.main().map_or("", |target| target.id.version.as_str());
        let labels = format!("model=\"{}\",version=\"{}\"", escaped(&route.model), escaped(version));
        page.line(name, &labels, of(&route.cached).load(Ordering::Relaxed));
    }
}
