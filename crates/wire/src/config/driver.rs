//! Drivers of services that somebody else serves: what they are told in the file, and what of a strategy each cannot do.
//!
//! Not here: how they speak to what serves (`adapters`).

use super::read::{self, View};
use super::types::Strategy;
use super::unit::percent_text;
use crate::prometheus::LatencyUnit;
use crate::yaml::Node;
use serde_json::Value;
use tidegate_core::judge::{GuardrailKind, JudgeSettings};
use tidegate_core::rollout::{Deadlines, Step};

/// Shortest deadline of a split: longer where it takes effect by the way of others.
const APPLY_BY_OTHERS_MS: u64 = 10 * 60_000;

/// What moves the traffic of a service.
#[derive(Clone, Debug, PartialEq)]
pub enum Driver {
    /// Weights of a route, and Deployments behind it.
    GatewayApi(Box<GatewayApi>),
    /// An InferenceService.
    KServe(Box<KServe>),
    /// Commits to a repository that something else applies.
    GitOps(Box<GitOps>),
}

/// An API server of Kubernetes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiServer {
    /// Its address; none: that of the cluster that Tidegate runs in, with the files that a pod has.
    pub url: Option<String>,
    /// The variable with a bearer token.
    pub token: Option<String>,
    /// File of the authorities that may vouch for it.
    pub ca: Option<String>,
    /// The namespace of what is read and changed.
    pub namespace: String,
}

/// A route with two backends that take turns.
#[derive(Clone, Debug, PartialEq)]
pub struct GatewayApi {
    /// Where.
    pub server: ApiServer,
    /// The `HTTPRoute`.
    pub route: String,
    /// Position of the rule in it.
    pub rule: usize,
    /// The backends.
    pub backends: [String; 2],
    /// The Deployment behind each.
    pub deployments: [String; 2],
    /// Patch that has a Deployment run a version; none: somebody else sees to it.
    pub load: Option<Value>,
    /// Patch of one that is no longer needed.
    pub unload: Option<Value>,
    /// Longest wait for a version to be available.
    pub ready_within_ms: u64,
}

/// An InferenceService.
#[derive(Clone, Debug, PartialEq)]
pub struct KServe {
    /// Where.
    pub server: ApiServer,
    /// Its name.
    pub service: String,
    /// Address of a version's files.
    pub storage_uri: String,
    /// Longest wait for a version to be ready.
    pub ready_within_ms: u64,
}

/// Two places in a file that say a version and its weight.
#[derive(Clone, Debug, PartialEq)]
pub struct GitOps {
    /// Address or path of the repository.
    pub repository: String,
    /// The variable with a token for it.
    pub token: Option<String>,
    /// The branch that is applied.
    pub branch: String,
    /// The file in it.
    pub file: String,
    /// The two places that take turns.
    pub slots: [Slot; 2],
    /// What the weights of both sum to.
    pub total: u32,
    /// How long what was pushed takes to be applied, where nobody says when it was.
    pub settle_ms: u64,
    /// Who says when it was: Argo CD.
    pub argo_cd: Option<ArgoCd>,
    /// Or Flux.
    pub flux: Option<Flux>,
    /// Longest wait for a version to be applied.
    pub ready_within_ms: u64,
}

/// JSON pointers of a version and its weight.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Slot {
    /// Of the version.
    pub version: String,
    /// Of the weight.
    pub weight: String,
}

/// An application of Argo CD.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ArgoCd {
    /// Where.
    pub server: ApiServer,
    /// Its name.
    pub application: String,
}

/// What of Flux applies it: a Kustomization, a HelmRelease, or one and then the other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Flux {
    /// Where; its namespace is that of the Kustomization.
    pub server: ApiServer,
    /// The Kustomization.
    pub kustomization: Option<String>,
    /// The HelmRelease.
    pub helm_release: Option<String>,
    /// Its namespace, where it is another one.
    pub helm_namespace: Option<String>,
}

/// Where latencies of the two versions are counted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TelemetryLatency {
    /// Selector of the candidate's buckets.
    pub candidate: String,
    /// The same of stable.
    pub control: String,
    /// What their ends are counted in.
    pub unit: LatencyUnit,
}

/// Where requests and failures of the two versions are counted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Telemetry {
    /// Address of the Prometheus server.
    pub prometheus: String,
    /// The variable with a bearer token.
    pub token: Option<String>,
    /// Selector of the candidate's requests.
    pub candidate: String,
    /// The same of stable.
    pub control: String,
    /// What makes a request a failure.
    pub errors: String,
    /// Buckets of latency, where they are counted.
    pub latency: Option<TelemetryLatency>,
    /// Length of an interval in seconds.
    pub every_s: u64,
}

impl Driver {
    /// Its key in the file.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Driver::GatewayApi(_) => "gateway_api",
            Driver::KServe(_) => "kserve",
            Driver::GitOps(_) => "gitops",
        }
    }

    /// How long a release waits for it.
    #[must_use]
    pub fn deadlines(&self) -> Deadlines {
        let preset = Deadlines::default();
        let (load_ms, apply_ms) = match self {
            Driver::GatewayApi(to) => (to.ready_within_ms, preset.apply_ms),
            Driver::KServe(to) => (to.ready_within_ms, APPLY_BY_OTHERS_MS),
            Driver::GitOps(to) => (to.ready_within_ms, APPLY_BY_OTHERS_MS.max(to.settle_ms.saturating_mul(2))),
        };
        Deadlines { load_ms, apply_ms, finish_ms: preset.finish_ms.max(apply_ms), ..preset }
    }

    /// Whether it can give parts of the requests in steps of so many basis points alone.
    fn step_bp(&self) -> u32 {
        match self {
            Driver::GatewayApi(_) => 1,
            Driver::KServe(_) => 100,
            Driver::GitOps(to) => 10_000 / to.total.clamp(1, 10_000),
        }
    }

    /// Why it cannot have a version stand ready without requests until all other environments are ready too; none: it can.
    #[must_use]
    pub fn cannot_stand(&self) -> Option<&'static str> {
        match self {
            Driver::GitOps(to) if to.argo_cd.is_none() && to.flux.is_none() => {
                Some("`gitops` without `argo_cd` or `flux` knows the age of a commit alone, and not when a version is ready")
            }
            // An idle Deployment, and a revision with a part of 0, stay up.
            Driver::GatewayApi(_) | Driver::KServe(_) | Driver::GitOps(_) => None,
        }
    }

    /// What of a strategy it cannot do, each in a sentence. Where all environments switch together, a preview is where a version
    /// waits for the others.
    #[must_use]
    pub fn cannot(&self, strategy: &Strategy, together: bool) -> Vec<String> {
        let name = self.name();
        let mut found = vec![];
        let mut parts = vec![strategy.promote.hold_back_bp];
        for step in &strategy.steps {
            match step {
                Step::Shadow { .. } => {
                    found.push(format!("`{name}` has no `shadow`: requests are copied by the gateway of Tidegate alone"))
                }
                Step::Preview { .. } if together => {}
                Step::Preview { .. } => {
                    found.push(format!("`{name}` has no `preview`: who asks for a version is heard by the gateway of Tidegate alone"));
                }
                Step::Canary { weights_bp, .. } => parts.extend(weights_bp),
                Step::Pause { .. } => {}
            }
        }
        let step_bp = self.step_bp();
        if let Some(part) = parts.iter().find(|part| !part.is_multiple_of(step_bp)) {
            found.push(format!("`{name}` gives parts of {}, not of {}", percent_text(step_bp), percent_text(*part)));
        }
        if !strategy.judge.guardrails.values().any(|g| g.kind == GuardrailKind::Errors) {
            found.push("requests and failures are counted, and its judge has no guardrail `errors`: nothing would be judged".to_owned());
        }
        for (name, _) in
            strategy.judge.guardrails.iter().filter(|(_, g)| matches!(g.kind, GuardrailKind::ScoreShift | GuardrailKind::Labels))
        {
            found.push(format!("`{name}` needs scores and labels, which the gateway of Tidegate alone sees"));
        }
        found
    }
}

/// Takes out what cannot be measured where requests and failures alone are counted: it would be waited for for ever.
pub fn without_what_is_not_counted(judge: &mut JudgeSettings, latency: bool) {
    judge.guardrails.retain(|_, g| match g.kind {
        GuardrailKind::Errors | GuardrailKind::SampleRatio => true,
        GuardrailKind::Latency { .. } => latency,
        GuardrailKind::Metric(_) => true,
        GuardrailKind::Skew
        | GuardrailKind::Disagreement
        | GuardrailKind::ScoreShift
        | GuardrailKind::Labels
        | GuardrailKind::Generation { .. } => false,
    });
}

pub(super) fn driver_of(service: &Node) -> Option<Driver> {
    driver(View(Some(service)).at("driver"))
}

pub(super) fn driver(view: View<'_>) -> Option<Driver> {
    let ms = |v: View<'_>, key: &str| v.at(key).ms().unwrap_or_default();
    if let Some(v) = view.at("gateway_api").there() {
        let (backends, workloads) = (pair(v.at("backends")), v.at("workloads"));
        return Some(Driver::GatewayApi(Box::new(GatewayApi {
            server: server(v),
            route: v.owned("route"),
            rule: usize::try_from(v.at("rule").whole()).unwrap_or_default(),
            deployments: workloads.at("deployments").there().map_or_else(|| backends.clone(), pair),
            backends,
            load: workloads.at("load").there().map(json),
            unload: workloads.at("unload").there().map(json),
            ready_within_ms: ms(v, "ready_within"),
        })));
    }
    if let Some(v) = view.at("kserve").there() {
        let (service, storage_uri) = (v.owned("service"), v.owned("storage_uri"));
        return Some(Driver::KServe(Box::new(KServe { server: server(v), service, storage_uri, ready_within_ms: ms(v, "ready_within") })));
    }
    let v = view.at("gitops").there()?;
    let mut slots = v.at("slots").items().into_iter().map(|s| Slot { version: s.owned("version"), weight: s.owned("weight") });
    let mut slot = || slots.next().unwrap_or(Slot { version: String::new(), weight: String::new() });
    Some(Driver::GitOps(Box::new(GitOps {
        repository: v.owned("repository"),
        token: v.at("token").text(),
        branch: v.owned("branch"),
        file: v.owned("file"),
        slots: [slot(), slot()],
        total: v.at("total").whole(),
        settle_ms: ms(v, "settle"),
        argo_cd: v.at("argo_cd").there().map(|a| ArgoCd { server: server(a), application: a.owned("application") }),
        flux: v.at("flux").there().map(|f| Flux {
            server: server(f),
            kustomization: f.at("kustomization").text(),
            helm_release: f.at("helm_release").text(),
            helm_namespace: f.at("helm_namespace").text(),
        }),
        ready_within_ms: ms(v, "ready_within"),
    })))
}

fn server(view: View<'_>) -> ApiServer {
    let text = |key: &str| view.at(key).text();
    ApiServer { url: text("server"), token: text("token"), ca: text("ca"), namespace: view.owned("namespace") }
}

fn pair(view: View<'_>) -> [String; 2] {
    let mut texts = view.items().into_iter().filter_map(View::text);
    [texts.next().unwrap_or_default(), texts.next().unwrap_or_default()]
}

fn json(view: View<'_>) -> Value {
    view.0.map(Node::to_json).unwrap_or_default()
}

pub(super) fn telemetry(view: View<'_>) -> Telemetry {
    Telemetry {
        prometheus: view.owned("prometheus"),
        token: view.at("token").text(),
        candidate: view.owned("candidate"),
        control: view.owned("control"),
        errors: view.owned("errors"),
        latency: view.at("latency").0.is_some_and(|node| node.as_map().is_some()).then(|| latency(view.at("latency"))),
        every_s: view.at("every").ms().unwrap_or_default() / 1_000,
    }
}

fn latency(view: View<'_>) -> TelemetryLatency {
    let unit = if view.at("unit").word("ms") { LatencyUnit::Milliseconds } else { LatencyUnit::Seconds };
    TelemetryLatency { candidate: view.owned("candidate"), control: view.owned("control"), unit }
}

pub(super) fn strategy_of(node: &Node) -> Strategy {
    read::strategy(View(Some(node)))
}
