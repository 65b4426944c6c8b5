//! The metrics page, in the text format of Prometheus, or as OpenMetrics.

mod form;
mod language;
mod triton;

use crate::cache::CacheCounts;
use crate::counts::Totals;
use crate::exemplars::{BOUND_POWERS, OCTAVE};
use crate::gateway::Shared;
use crate::gateway::access::Key;
use crate::gateway::reply::{self, Reply};
use crate::remote::Server;
use crate::task;
use form::Form;
use hyper::{HeaderMap, StatusCode};
use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tidegate_core::judge::LatencyHistogram;
use tidegate_core::route::TargetId;

/// A page under construction.
struct Page(String, Form);

impl Page {
    fn head(&mut self, name: &str, kind: &str, help: &str) {
        let (name, kind) = self.1.head(name, kind);
        // Writing to a string cannot fail.
        let _ = writeln!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}");
    }

    fn line(&mut self, name: &str, labels: &str, value: impl std::fmt::Display) {
        let _ = if labels.is_empty() { writeln!(self.0, "{name} {value}") } else { writeln!(self.0, "{name}{{{labels}}} {value}") };
    }

    fn single(&mut self, name: &str, kind: &str, help: &str, value: impl std::fmt::Display) {
        self.head(name, kind, help);
        self.line(name, "", value);
    }
}

/// Answers `GET /metrics`. Memory of workers is read from the system, which takes its time: no request waits for that.
pub async fn answer(shared: &Arc<Shared>, headers: &HeaderMap) -> Reply {
    let form = Form::asked(headers);
    let of = Arc::clone(shared);
    match task::aside(move || text(&of, form)).await {
        Ok(text) => reply::metrics(text, form.content_type()),
        Err(_) => reply::error(StatusCode::INTERNAL_SERVER_ERROR, "the page could not be written: the gateway is being stopped"),
    }
}

/// The whole page.
fn text(shared: &Shared, form: Form) -> String {
    let mut page = Page(String::with_capacity(8 * 1024), form);
    let totals = shared.book.totals();
    requests(&mut page, &totals);
    latency(&mut page, &totals);
    workers(&mut page, shared);
    servers(&mut page, shared);
    cache(&mut page, shared);
    routes(&mut page, shared);
    findings(&mut page, shared);
    keys(&mut page, shared);
    spans(&mut page, shared);
    lines(&mut page, shared);
    language::metrics(&mut page, &totals);
    triton::metrics(&mut page, shared, &totals);
    let load = |n: &std::sync::atomic::AtomicU64| n.load(Ordering::Relaxed);
    let mirror = &shared.mirror.totals;
    page.single("tidegate_mirror_dropped_total", "counter", "Copies dropped because the mirror's queue was full.", load(&mirror.dropped));
    page.single(
        "tidegate_mirror_abandoned_total",
        "counter",
        "Copies that made no pair: an arm was unloaded or the request was at fault.",
        load(&mirror.abandoned),
    );
    page.single("tidegate_mirror_pairs_total", "counter", "Copies that both arms were asked for.", load(&mirror.pairs));
    page.single(
        "tidegate_mirror_pairs_dropped_total",
        "counter",
        "Pairs dropped because the control plane did not read them.",
        load(&mirror.pairs_dropped),
    );
    page.single(
        "tidegate_records_dropped_total",
        "counter",
        "Prediction records dropped because the lake did not take them.",
        load(&shared.records.dropped),
    );
    page.single(
        "tidegate_requests_shed_total",
        "counter",
        "Requests answered 429 because too many were being answered.",
        load(&shared.shed),
    );
    page.single("tidegate_sequences", "gauge", "Sequences whose state is kept.", shared.sequences.count());
    page.single("tidegate_requests_active", "gauge", "Predictions being answered.", shared.active.load(Ordering::Relaxed));
    page.0.push_str(form.end());
    page.0
}

fn requests(page: &mut Page, totals: &[Totals]) {
    page.head("tidegate_requests_total", "counter", "Live requests by target and end.");
    for t in totals {
        let labels = labels(&t.target);
        let outcomes = [("answered", t.live.answered), ("error", t.live.errors), ("client_fault", t.live.client_faults)];
        for (outcome, count) in outcomes {
            page.line("tidegate_requests_total", &format!("{labels},outcome=\"{outcome}\""), count);
        }
    }
    page.head("tidegate_retries_total", "counter", "Live requests that came because another target gave no answer.");
    for t in totals {
        page.line("tidegate_retries_total", &labels(&t.target), t.live.retries);
    }
    page.head("tidegate_mirrored_total", "counter", "Mirrored copies by target.");
    for t in totals {
        page.line("tidegate_mirrored_total", &labels(&t.target), t.mirrored);
    }
}

fn latency(page: &mut Page, totals: &[Totals]) {
    let name = "tidegate_request_duration_seconds";
    page.head(name, "histogram", "Time from the choice of a target to its answer, of answered live requests.");
    for t in totals {
        let labels = labels(&t.target);
        let mut rest = t.buckets.iter();
        let mut exemplars = t.exemplars.iter().map(|exemplar| page.1.exemplar(exemplar.as_ref())).collect::<Vec<_>>().into_iter();
        let (mut below, mut next) = (0, 0);
        for power in BOUND_POWERS {
            let bucket = power * OCTAVE;
            below += rest.by_ref().take(usize::from(bucket + 1 - next)).sum::<u64>();
            next = bucket + 1;
            let bound_s = LatencyHistogram::upper_us(bucket) / 1e6;
            let value = format!("{below}{}", exemplars.next().unwrap_or_default());
            page.line(&format!("{name}_bucket"), &format!("{labels},le=\"{bound_s}\""), value);
        }
        let value = format!("{}{}", below + rest.sum::<u64>(), exemplars.next().unwrap_or_default());
        page.line(&format!("{name}_bucket"), &format!("{labels},le=\"+Inf\""), value);
        page.line(&format!("{name}_sum"), &labels, t.live.latency_us as f64 / 1e6);
        page.line(&format!("{name}_count"), &labels, t.live.answered);
    }
}

fn workers(page: &mut Page, shared: &Shared) {
    let slots = shared.pool.all();
    page.head("tidegate_worker_ready", "gauge", "1 when the worker answers.");
    for slot in &slots {
        page.line("tidegate_worker_ready", &labels(&slot.spec.target), u8::from(slot.ready()));
    }
    page.head("tidegate_worker_in_flight", "gauge", "Requests waiting in the worker.");
    for slot in &slots {
        page.line("tidegate_worker_in_flight", &labels(&slot.spec.target), slot.in_flight.load(Ordering::Relaxed));
    }
    page.head("tidegate_worker_provider", "gauge", "1 for each of ONNX Runtime's execution providers that carries the version out.");
    for slot in &slots {
        for provider in slot.hello.load().iter().flat_map(|hello| &hello.providers) {
            page.line("tidegate_worker_provider", &format!("{},provider=\"{}\"", labels(&slot.spec.target), escaped(provider)), 1);
        }
    }
    let memory: Vec<_> = slots.iter().filter_map(|slot| Some((labels(&slot.spec.target), slot.memory()?))).collect();
    page.head("tidegate_memory_bytes", "gauge", "Memory that the version takes, shared pages divided by those who share them.");
    for (labels, (now, _)) in &memory {
        page.line("tidegate_memory_bytes", labels, now);
    }
    page.head("tidegate_memory_peak_bytes", "gauge", "The most that it took, shared pages counted whole.");
    for (labels, (_, peak)) in &memory {
        page.line("tidegate_memory_peak_bytes", labels, peak);
    }
    page.head("tidegate_worker_restarts_total", "counter", "Times that the worker was started again.");
    for slot in &slots {
        page.line("tidegate_worker_restarts_total", &labels(&slot.spec.target), slot.restarts.load(Ordering::Relaxed));
    }
    page.head("tidegate_breaker_open", "gauge", "1 while others answer for the target because it failed too often.");
    for slot in &slots {
        page.line("tidegate_breaker_open", &labels(&slot.spec.target), u8::from(slot.broken().0));
    }
    page.head("tidegate_breaker_opened_total", "counter", "Times that the target failed too often.");
    for slot in &slots {
        page.line("tidegate_breaker_opened_total", &labels(&slot.spec.target), slot.broken().1);
    }
    page.head("tidegate_breaker_diverted_total", "counter", "Requests that others answered while the breaker was open.");
    for slot in &slots {
        page.line("tidegate_breaker_diverted_total", &labels(&slot.spec.target), slot.diverted.load(Ordering::Relaxed));
    }
}

/// Servers of upstreams, each for each target that it answers for.
fn servers(page: &mut Page, shared: &Shared) {
    let mut rows: Vec<(String, Server)> = Vec::new();
    for slot in shared.pool.all() {
        let Some(remote) = slot.remote.get() else { continue };
        for replica in &remote.replicas {
            let (upstream, server) = (escaped(remote.upstream()), replica.connections.address().to_string());
            let labels = format!("{},upstream=\"{upstream}\",server=\"{}\"", labels(&slot.spec.target), escaped(&server));
            rows.push((labels, replica.told()));
        }
    }
    let mut each = |name: &str, kind: &str, help: &str, of: fn(&Server) -> u64| {
        page.head(name, kind, help);
        for (labels, server) in &rows {
            page.line(name, labels, of(server));
        }
    };
    each("tidegate_server_well", "gauge", "1 while a server of an upstream is asked before others.", |s| u64::from(s.well));
    each("tidegate_server_wrong", "gauge", "1 while it is left out because a golden answer was wrong.", |s| u64::from(s.wrong));
    each("tidegate_server_in_flight", "gauge", "Requests that it answers now.", |s| s.in_flight);
    each("tidegate_server_ejected_total", "counter", "Times that it was left out.", |s| s.ejected);
    each("tidegate_server_answered_total", "counter", "Requests that it answered.", |s| s.answered);
    each("tidegate_server_failed_total", "counter", "Requests that it failed or did not answer.", |s| s.failed);
    each("tidegate_server_retried_total", "counter", "Requests that came because another server had not answered.", |s| s.retried);
}

/// Answers that were given again.
fn cache(page: &mut Page, shared: &Shared) {
    let plan = shared.plan.load();
    let routes: Vec<_> = plan.by_model.values().filter(|r| r.route.cache_ms.is_some()).collect();
    let mut each = |name: &str, help: &str, of: fn(&CacheCounts) -> &AtomicU64| {
        page.head(name, "counter", help);
        for route in &routes {
            page.line(name, &format!("service=\"{}\"", escaped(&route.service)), of(&route.cached).load(Ordering::Relaxed));
        }
    };
    each("tidegate_cache_hits_total", "Requests that were given an answer again.", |c| &c.hits);
    each("tidegate_cache_misses_total", "Requests of services with a cache that were carried out.", |c| &c.misses);
    page.single("tidegate_cache_bytes", "gauge", "Bytes of answers that are kept, roughly.", shared.cache.bytes());
    page.single("tidegate_cache_entries", "gauge", "Answers that are kept, roughly.", shared.cache.entries());
    page.single("tidegate_fallback_bytes", "gauge", "Bytes of answers that are kept to stand in for others, roughly.", shared.kept.bytes());
}

/// What was found in texts of answers.
fn findings(page: &mut Page, shared: &Shared) {
    let name = "tidegate_output_findings_total";
    page.head(name, "counter", "Times that personal data or secrets were found in texts of answers, copies included.");
    for slot in shared.pool.all() {
        for (kind, action) in &slot.spec.conduct.scan.0 {
            let labels = format!("{},kind=\"{}\",action=\"{}\"", labels(&slot.spec.target), kind.as_str(), action.as_str());
            let found = slot.found.get(*kind as usize).map_or(0, |count| count.load(Ordering::Relaxed));
            page.line(name, &labels, found);
        }
    }
}

/// What each key asked for; keys without a name of their own are one.
fn keys(page: &mut Page, shared: &Shared) {
    let mut each = |name: &str, help: &str, of: fn(&Key) -> &AtomicU64| {
        page.head(name, "counter", help);
        let mut sums: BTreeMap<&str, u64> = BTreeMap::new();
        for key in shared.settings.tokens.all() {
            *sums.entry(key.name()).or_default() += of(key).load(Ordering::Relaxed);
        }
        for (key, sum) in sums {
            page.line(name, &format!("key=\"{}\"", escaped(key)), sum);
        }
    };
    each("tidegate_key_requests_total", "Predictions that a key asked for.", |k| &k.asked);
    each("tidegate_key_refused_total", "Those of them that were more than it may ask for.", |k| &k.refused);
}

/// What became of spans, where traces are recorded.
fn spans(page: &mut Page, shared: &Shared) {
    let Some(tracer) = &shared.tracer else { return };
    let (totals, load) = (&tracer.totals, |n: &AtomicU64| n.load(Ordering::Relaxed));
    page.single("tidegate_spans_sent_total", "counter", "Spans of traces that the receiver took.", load(&totals.sent));
    let name = "tidegate_spans_dropped_total";
    page.head(name, "counter", "Spans that were lost: at a full queue, refused by the receiver, given up because it was not there.");
    for (why, count) in [("queue", &totals.unqueued), ("refused", &totals.refused), ("unreachable", &totals.unsent)] {
        page.line(name, &format!("why=\"{why}\""), load(count));
    }
}

/// What became of lines of predictions, where they are written.
fn lines(page: &mut Page, shared: &Shared) {
    let Some(log) = &shared.records.log else { return };
    let load = |n: &AtomicU64| n.load(Ordering::Relaxed);
    page.single("tidegate_log_lines_total", "counter", "Lines of predictions that were written.", load(&log.totals.written));
    page.single("tidegate_log_dropped_total", "counter", "Lines of predictions that were lost.", load(&log.totals.dropped));
}

fn routes(page: &mut Page, shared: &Shared) {
    let plan = shared.plan.load();
    page.single("tidegate_route_generation", "gauge", "Generation of the route table that stands.", plan.table.generation);
    page.head("tidegate_route_weight_bp", "gauge", "Share of live requests in basis points.");
    for target in plan.table.routes.values().flat_map(|r| &r.targets) {
        page.line("tidegate_route_weight_bp", &labels(&target.target), target.weight_bp);
    }
    page.head("tidegate_route_mirror_bp", "gauge", "Share of live requests that are copied, in basis points.");
    for route in plan.table.routes.values() {
        let share_bp = route.mirror.as_ref().map_or(0, |m| m.percent_bp);
        page.line("tidegate_route_mirror_bp", &format!("service=\"{}\"", escaped(&route.service)), share_bp);
    }
}

fn labels(target: &TargetId) -> String {
    let variant = target.variant.as_ref().map_or(String::new(), |name| format!(",variant=\"{}\"", escaped(name)));
    format!("service=\"{}\",version=\"{}\",role=\"{}\"{variant}", escaped(&target.service), escaped(&target.version), target.role)
}

/// Label values with the three characters that the format escapes.
fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::counts::{Book, Kind, Result};
    use tidegate_core::route::Role;

    #[test]
    fn bounds_hold_what_is_at_most_as_slow() {
        let book = Book::default();
        let target = TargetId::new("s\"x", "1", Role::Stable);
        for us in [1.0, 64.0, 65.0, 128.0, 1e9] {
            book.of(&target).add(Kind::First, Result::Answered(us));
        }
        let mut page = Page(String::new(), Form::Prometheus);
        latency(&mut page, &book.totals());
        let at = |le: &str| page.0.lines().find(|l| l.contains(&format!("le=\"{le}\""))).map(|l| l.rsplit(' ').next().unwrap().to_owned());
        assert_eq!(
            (at("0.000064"), at("0.000128"), at("16.777216"), at("+Inf")),
            (Some("2".into()), Some("4".into()), Some("4".into()), Some("5".into()))
        );
        assert!(page.0.contains(r#"service="s\"x",version="1",role="stable""#), "{}", page.0);
        assert_eq!(labels(&TargetId::of_variant("s", "1", "b")), r#"service="s",version="1",role="variant",variant="b""#);
    }
}
