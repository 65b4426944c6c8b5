//! A file without problems becomes values.
//!
//! The checker has passed: where a value is asked for, it is there and fits. What a reader below falls back
//! to when it is not is never seen by a caller of `load`.

use super::ab::ab_test;
use super::check::number_of;
use super::deployments::deployment;
use super::driver;
use super::duty::duty;
use super::environments::{self, named_services};
use super::events::event_source;
use super::features::feature_view;
use super::guardrail;
use super::observe::{gateway_log, gateway_traces};
use super::origin::Origins;
use super::risk;
use super::serving::{gateway_key, gateway_tls, serving};
use super::stores::stores;
use super::trains;
use super::types::{
    BlockedBy, Channel, Dataset, Drift, DriftMethod, Env, Evaluation, Freeze, Model, NamedBreaker, NamedJudge, Objective, Pipeline,
    PolicyGate, Reference, ReferenceFrom, Retrain, Service, Strategy, Way, When, Workspace,
};
use super::unit;
use super::upstreams::upstream;
use crate::sources::{MetricSource, PROMETHEUS_TOKEN};
use crate::yaml::Node;
use indexmap::IndexMap;
use std::net::{Ipv4Addr, SocketAddr};
use tidegate_core::access::{Held, Role};
use tidegate_core::breaker::{self, Signal};
use tidegate_core::gate::{GateKind, GateSpec};
use tidegate_core::gating::Paths;
use tidegate_core::id::At;
use tidegate_core::judge::{Guardrail, JudgeSettings, Modes, errors_of_preset};
use tidegate_core::notify::{Limits, Topic};
use tidegate_core::retrain::{Budget, Performance, Rule, Source};
use tidegate_core::rollout::{Baseline, Promotion, Step, Until};
use tidegate_core::route::Carrier;

/// What asks for a preview where the strategy names nothing.
const PREVIEW_HEADER: &str = "x-tidegate-preview";

/// A value that may be absent.
#[derive(Clone, Copy)]
pub(super) struct View<'a>(pub(super) Option<&'a Node>);

impl<'a> View<'a> {
    pub(super) fn at(self, key: &str) -> View<'a> {
        View(self.0.and_then(|n| n.get(key)))
    }

    pub(super) fn text(self) -> Option<String> {
        self.0?.text().map(std::borrow::Cow::into_owned)
    }

    pub(super) fn word(self, word: &str) -> bool {
        self.text().as_deref() == Some(word)
    }

    pub(super) fn owned(self, key: &str) -> String {
        self.at(key).text().unwrap_or_default()
    }

    pub(super) fn number(self) -> Option<f64> {
        self.0.and_then(number_of)
    }

    pub(super) fn whole(self) -> u32 {
        self.0.and_then(Node::as_i64).and_then(|n| u32::try_from(n).ok()).unwrap_or_default()
    }

    pub(super) fn ms(self) -> Option<u64> {
        self.text().and_then(|t| unit::duration_ms(&t).ok())
    }

    pub(super) fn bp(self) -> Option<u32> {
        self.text().and_then(|t| unit::percent_bp(&t).ok())
    }

    fn share(self) -> Option<f64> {
        self.text().and_then(|t| unit::share(&t).ok())
    }

    pub(super) fn items(self) -> Vec<View<'a>> {
        self.0.and_then(Node::as_seq).unwrap_or(&[]).iter().map(|n| View(Some(n))).collect()
    }

    /// One text, or a list of them.
    pub(super) fn texts(self) -> Vec<String> {
        self.text().map_or_else(|| self.items().into_iter().filter_map(View::text).collect(), |one| vec![one])
    }

    pub(super) fn named<T>(self, each: impl Fn(&str, View<'a>) -> T) -> IndexMap<String, T> {
        let entries = self.0.and_then(Node::as_map).unwrap_or(&[]);
        let text = |k: &'a Node| k.text().unwrap_or_default().into_owned();
        entries.iter().map(|(k, v)| (text(k), each(&text(k), View(Some(v))))).collect()
    }

    pub(super) fn there(self) -> Option<View<'a>> {
        self.0.map(|_| self)
    }
}

pub(super) fn workspace(root: &Node) -> Workspace {
    let file = View(Some(root));
    Workspace {
        name: file.owned("workspace"),
        env: Env { python: file.at("env").at("python").text() },
        data: file.at("data").named(|_, v| dataset(v)),
        pipeline: file.at("pipeline").0.map(|node| match node.as_str() {
            Some(path) => Pipeline::File(path.to_owned()),
            None => Pipeline::Inline(node.clone()),
        }),
        models: file.at("models").named(|_, v| Model { interfaces: trains::interfaces(file, v), ..model(v) }),
        services: environments::services(root),
        passages: environments::passages(root),
        environments: file.at("environments").named(|_, v| environments::environment(v)),
        releases: file.at("releases").named(|_, v| strategy(v)),
        retrain: file.at("retrain").named(|_, v| retrain(v)),
        people: file.at("people").named(|_, v| roles(v.at("roles"))),
        freezes: file.at("freezes").named(|_, v| Freeze { services: named_services(root, v.0), ..freeze(v) }),
        breakers: file
            .at("breakers")
            .named(|_, v| environments::breaker(root, NamedBreaker { services: named_services(root, v.0), ..named_breaker(file, v) })),
        sources: file.at("sources").named(|_, v| source(v)),
        trains: file.at("trains").named(|_, v| trains::train(v)),
        ab_tests: file.at("ab_tests").named(|_, v| ab_test(v)),
        notify: file.at("notify").named(|_, v| Channel { services: named_services(root, v.0), ..channel(v) }),
        judges: file.at("judges").named(|_, v| named_judge(v)),
        duty: file.at("duty").named(|_, v| duty(v)),
        deployments: file.at("deployments").named(|_, v| deployment(v)),
        events: file.at("events").named(|_, v| event_source(v)),
        risk: risk::policy(file.at("risk")),
        features: file.at("features").named(feature_view).into_iter().filter_map(|(name, view)| Some((name, view?))).collect(),
        stores: stores(file),
        upstreams: file.at("upstreams").named(|_, v| upstream(v)),
        gateway: listen(file.at("gateway")),
        server_name: file.at("gateway").owned("server_name"),
        gateway_tls: file.at("gateway").at("tls").there().map(gateway_tls),
        gateway_keys: file.at("gateway").at("keys").named(|_, v| gateway_key(v)),
        gateway_traces: file.at("gateway").at("traces").there().map(gateway_traces),
        gateway_log: file.at("gateway").at("log").there().map(gateway_log),
        gateway_token: file.at("gateway").at("token").text(),
        console: listen(file.at("console")),
        origins: Origins::of(root),
    }
}

fn listen(view: View<'_>) -> SocketAddr {
    let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    view.at("listen").text().and_then(|t| unit::listen(&t).ok()).unwrap_or(any)
}

fn dataset(view: View<'_>) -> Dataset {
    Dataset {
        path: view.owned("path"),
        contract: view.at("contract").text(),
        fresh_within_ms: view.at("fresh_within").ms(),
        as_of: view.at("as_of").text().and_then(|t| unit::instant_ms(&t).ok()).map(At),
        owner: view.at("owner").text(),
        classification: view.owned("classification"),
    }
}

fn model(view: View<'_>) -> Model {
    let gates = view.at("gates").named(gate);
    Model {
        artifact: view.owned("artifact"),
        transform: view.at("transform").text(),
        golden: view.at("golden").text(),
        threshold: view.at("decision").at("threshold").number(),
        reference: view.at("reference").there().map(reference),
        evaluation: view.at("evaluation").there().map(|v| Evaluation {
            rows: v.owned("rows"),
            id: v.owned("id"),
            label: v.owned("label"),
            score: v.owned("score"),
        }),
        policies: gates.iter().filter_map(|(_, g)| g.as_ref().err().cloned()).collect(),
        gates: gates.into_values().filter_map(Result::ok).collect(),
        drift: view.at("drift").there().map(drift),
        interfaces: trains::Interfaces::default(),
    }
}

fn reference(view: View<'_>) -> Reference {
    let from = match view.at("stage").text() {
        Some(stage) => ReferenceFrom::Stage(stage),
        None => ReferenceFrom::Path(view.owned("path")),
    };
    Reference { from, id: view.owned("id") }
}

/// A condition on numbers, or a policy.
fn gate(name: &str, view: View<'_>) -> Result<GateSpec, PolicyGate> {
    let metric = view.owned("metric");
    let kind = if let Some(alias) = view.at("against").text() {
        let number = |key: &str| view.at(key).number().unwrap_or_default();
        GateKind::Against { metric, alias, margin: number("margin"), confidence: number("confidence") }
    } else if let Some(by) = view.at("by").text() {
        let max_gap = view.at("max_gap").number().unwrap_or_default();
        GateKind::Slices { metric, by, max_gap, min_rows: u64::from(view.at("min_rows").whole()) }
    } else if let Some(p99_ms) = view.at("latency_p99_ms").number() {
        GateKind::Latency { p99_ms }
    } else if let Some(rego) = view.at("rego").text() {
        return Err(PolicyGate { name: name.to_owned(), rego });
    } else {
        GateKind::Bounds { metric, min: view.at("min").number(), max: view.at("max").number() }
    };
    Ok(GateSpec { name: name.to_owned(), kind })
}

fn drift(view: View<'_>) -> Drift {
    Drift {
        reference: view.at("reference").text(),
        columns: view.at("columns").there().map(|v| v.items().into_iter().filter_map(View::text).collect()),
        method: if view.at("method").word("psi") { DriftMethod::Psi } else { DriftMethod::Ks },
        threshold: view.at("threshold").number().unwrap_or_default(),
        window_ms: view.at("window").ms().unwrap_or_default(),
        min_rows: view.at("min_rows").whole(),
    }
}

pub(super) fn service(name: &str, view: View<'_>) -> Service {
    Service {
        model: view.owned("model"),
        endpoint: view.at("endpoint").text().unwrap_or_else(|| super::default_endpoint(name)),
        release: view.owned("release"),
        objective: view.at("objective").there().map(|v| Objective {
            availability_bp: v.at("availability").bp(),
            latency_p99_ms: v.at("latency_p99_ms").number(),
            window_ms: v.at("window").ms().unwrap_or_default(),
        }),
        paths: view.at("paths").there().map(|v| Paths {
            learned: v.owned("learned"),
            standard: v.owned("standard"),
            share_bp: v.at("share").bp().unwrap_or_default(),
        }),
        cache_ms: view.at("cache").ms(),
        serving: serving(view.at("serving")),
        affinity: view.at("affinity").there().and_then(carrier),
        calls: view.at("calls").items().into_iter().filter_map(View::text).collect(),
        approvals: view.at("approvals").whole(),
        approvals_last_ms: view.at("approvals_last").ms().unwrap_or_default(),
        driver: driver::driver(view.at("driver")),
        telemetry: view.at("telemetry").there().map(driver::telemetry),
        environment: None,
        delay_ms: 0,
    }
}

/// The roles of a person.
pub(super) fn roles_of(person: &Node) -> Vec<Held> {
    roles(View(Some(person)).at("roles"))
}

fn roles(view: View<'_>) -> Vec<Held> {
    let items = view.items();
    let places = |role: Role| {
        let limited = items.iter().map(|item| item.at(role.word())).filter_map(View::there);
        limited.flat_map(View::items).filter_map(View::text).collect::<Vec<_>>()
    };
    let held = |role: Role| {
        let (everywhere, places) = (items.iter().any(|item| item.word(role.word())), places(role));
        (everywhere || !places.is_empty()).then_some(Held { role, places: if everywhere { vec![] } else { places } })
    };
    Role::ALL.into_iter().filter_map(held).collect()
}

pub(super) fn strategy(view: View<'_>) -> Strategy {
    let steps = view.at("steps").items();
    let promote = steps.iter().find_map(|step| step.at("promote").there()).unwrap_or(View(None));
    Strategy {
        steps: steps.iter().filter_map(|view| step(*view)).collect(),
        promote: Promotion {
            watch_ms: promote.at("watch").ms().unwrap_or_default(),
            hold_back_bp: promote.at("hold_back").bp().unwrap_or_default(),
        },
        exposure_max: view.at("max_exposure").there().map(|v| u64::from(v.whole())),
        judge: judge(view.at("judge")),
        blocked_by: BlockedBy {
            drift: view.at("blocked_by").items().iter().any(|v| v.word("drift")),
            data: view.at("blocked_by").items().iter().any(|v| v.word("data")),
        },
        by_risk: super::ramp::bands(view.at("by_risk")),
    }
}

/// What carries a value, where one is named.
pub(super) fn carrier(view: View<'_>) -> Option<Carrier> {
    view.at("cookie").text().map(Carrier::Cookie).or_else(|| view.at("header").text().map(Carrier::Header))
}

/// A step before the last; none for `promote`.
fn step(view: View<'_>) -> Option<Step> {
    if let Some(preview) = view.at("preview").there() {
        return Some(Step::Preview {
            carrier: carrier(preview).unwrap_or_else(|| Carrier::Header(PREVIEW_HEADER.to_owned())),
            value: preview.at("value").text(),
            for_ms: preview.at("for").ms(),
        });
    }
    if let Some(shadow) = view.at("shadow").there() {
        let until = shadow.at("until").ms().map_or(Until::Evidence, |min_time_ms| Until::Time { min_time_ms });
        return Some(Step::Shadow { mirror_bp: shadow.at("percent").bp().unwrap_or_default(), until });
    }
    if let Some(pause) = view.at("pause").there() {
        return Some(Step::Pause { for_ms: pause.at("for").ms() });
    }
    let canary = view.at("canary").there()?;
    Some(Step::Canary {
        weights_bp: canary.at("weights").items().into_iter().filter_map(View::bp).collect(),
        min_time_ms: canary.at("min_time").ms().unwrap_or_default(),
        baseline: Baseline::Fresh,
    })
}

fn judge(view: View<'_>) -> JudgeSettings {
    let number = |key: &str| view.at(key).number().unwrap_or_default();
    let ms = |key: &str| view.at(key).ms().unwrap_or_default();
    let preset = JudgeSettings::preset();
    let rails = view.at("guardrails").named(|name, rail| guardrail(name, rail, preset.guardrails.get(name)));
    // The preset's order first, then what the file adds: reports keep one order whatever is overridden.
    let mut ordered: IndexMap<String, Guardrail> = IndexMap::new();
    for name in preset.guardrails.keys().chain(rails.keys()) {
        if let Some(Some(rail)) = rails.get(name) {
            ordered.insert(name.clone(), rail.clone());
        }
    }
    JudgeSettings {
        // Which of them a release comes to is told by its steps.
        modes: Modes::default(),
        alpha: number("alpha"),
        beta: number("beta"),
        tick_ms: ms("tick"),
        warm_up_ms: ms("warm_up"),
        deadline_ms: ms("deadline"),
        min_requests: u64::from(view.at("min_requests").whole()),
        hold_above: number("hold_above"),
        stale_ticks: view.at("stale_ticks").whole(),
        dispersion_correction: view.at("dispersion_correction").word("true"),
        guardrails: ordered,
    }
}

/// None for one that is taken out.
fn guardrail(name: &str, view: View<'_>, preset: Option<&Guardrail>) -> Option<Guardrail> {
    view.0?.as_map()?;
    let kind = guardrail::kind(name, view)?;
    let (tolerance, slack, harm, harm_slack) = guardrail::factors(&kind);
    let base = preset.cloned().unwrap_or(Guardrail {
        kind: kind.clone(),
        tolerance,
        slack,
        harm,
        harm_slack,
        differs_by: 0.05,
        floor_us: 0,
        weight: 1.0,
    });
    let slack = view.at("slack").share().unwrap_or(base.slack);
    Some(Guardrail {
        kind,
        tolerance: view.at("tolerance").number().unwrap_or(base.tolerance),
        slack,
        harm: view.at("harm").number().unwrap_or(base.harm),
        harm_slack: view.at("harm_slack").share().unwrap_or(base.harm_slack.max(slack)),
        differs_by: view.at("differs_by").number().unwrap_or(base.differs_by),
        floor_us: view.at("floor").ms().map_or(base.floor_us, |ms| ms.saturating_mul(1_000)),
        weight: view.at("weight").number().unwrap_or(base.weight),
    })
}

fn freeze(view: View<'_>) -> Freeze {
    let when = match view.at("calendar").text() {
        Some(path) => When::Calendar(path),
        None => When::Span { from: view.owned("from"), until: view.owned("until"), repeats: view.at("repeats").text() },
    };
    let services = view.at("services").items().into_iter().filter_map(View::text).collect();
    Freeze { zone: view.at("zone").text().unwrap_or_else(|| "UTC".to_owned()), when, services, reason: view.at("reason").text() }
}

pub(super) fn freeze_of(node: &Node) -> Freeze {
    freeze(View(Some(node)))
}

fn source(view: View<'_>) -> MetricSource {
    let variable = |key: &str| view.at(key).text();
    let marker =
        ["datadog", "cloudwatch", "newrelic", "influxdb", "graphite", "web", "lake"].into_iter().find(|key| view.at(key).there().is_some());
    let url = |key: &str| view.owned(key);
    match marker {
        Some("datadog") => MetricSource::Datadog { url: url("datadog"), api_key: url("api_key"), app_key: url("app_key") },
        Some("cloudwatch") => MetricSource::CloudWatch {
            region: url("cloudwatch"),
            endpoint: variable("endpoint"),
            key: url("key"),
            secret: url("secret"),
            session: variable("session"),
        },
        Some("newrelic") => MetricSource::NewRelic { url: url("newrelic"), account: view.at("account").whole(), api_key: url("api_key") },
        Some("influxdb") => {
            MetricSource::Influx { url: url("influxdb"), database: url("database"), login: variable("login"), token: variable("token") }
        }
        Some("graphite") => MetricSource::Graphite { url: url("graphite"), login: variable("login") },
        Some("lake") => MetricSource::Lake { back_ms: view.at("lake").ms().unwrap_or_default() },
        Some("web") => MetricSource::Web { url: url("web"), token: variable("token") },
        _ => MetricSource::Prometheus { url: url("prometheus"), token: variable("token") },
    }
}

fn named_breaker(file: View<'_>, view: View<'_>) -> NamedBreaker {
    let named = view.at("source").text().and_then(|name| file.at("sources").at(&name).there());
    let signal = |name: &str, v: View<'_>| {
        let limits = (v.at("above").number(), v.at("below").number());
        (v.owned("query"), Signal { name: name.to_owned(), above: limits.0, below: limits.1, service: v.at("service").text() })
    };
    NamedBreaker {
        source: named
            .map_or_else(|| MetricSource::Prometheus { url: view.owned("prometheus"), token: Some(PROMETHEUS_TOKEN.to_owned()) }, source),
        signals: view.at("signals").named(signal).into_values().collect(),
        every_ms: view.at("every").ms().unwrap_or_default(),
        window_ms: view.at("window").ms().unwrap_or_default(),
        rule: breaker::Rule { after: view.at("after").whole(), resets_after_ms: view.at("resets_after").ms() },
        services: view.at("services").items().into_iter().filter_map(View::text).collect(),
        aborts: view.at("blame").word("abort"),
    }
}

fn channel(view: View<'_>) -> Channel {
    let way = match (view.at("slack").text(), view.at("webhook").text()) {
        (Some(address), _) => Way::Slack { address },
        (None, Some(url)) => Way::Webhook { url, secret: view.at("secret").text() },
        (None, None) => {
            Way::Email { smtp: view.owned("smtp"), from: view.owned("from"), to: view.at("to").texts(), login: view.at("login").text() }
        }
    };
    let on: Vec<Topic> = view.at("on").texts().iter().filter_map(|name| Topic::named(name)).collect();
    Channel {
        way,
        on: if on.is_empty() { Topic::ALL.to_vec() } else { on },
        services: view.at("services").texts(),
        person: view.at("person").text(),
        limits: Limits { most: view.at("most").whole(), within_ms: view.at("within").ms().unwrap_or_default() },
    }
}

fn named_judge(view: View<'_>) -> NamedJudge {
    let ms = |key: &str| view.at(key).ms().unwrap_or_default();
    let number = |key: &str| view.at(key).number().unwrap_or_default();
    let share = |key: &str| view.at(key).share().unwrap_or_default();
    NamedJudge {
        prometheus: view.owned("prometheus"),
        candidate: view.owned("candidate"),
        control: view.owned("control"),
        errors: view.owned("errors"),
        every_s: ms("every") / 1_000,
        deadline_ms: ms("deadline"),
        alpha: number("alpha"),
        beta: number("beta"),
        harm: Guardrail {
            tolerance: number("tolerance"),
            slack: share("slack"),
            harm: number("harm"),
            harm_slack: share("harm_slack"),
            ..errors_of_preset()
        },
    }
}

fn retrain(view: View<'_>) -> Retrain {
    let words = view.at("on").texts();
    let budget = view.at("budget");
    let ms = |v: View<'_>, key: &str| v.at(key).ms().unwrap_or_default();
    Retrain {
        rule: Rule {
            on: words.iter().filter_map(|w| Source::from_word(w)).collect(),
            every_ms: view.at("every").ms(),
            performance: view.at("performance").there().map(|p| Performance {
                metric: p.owned("metric"),
                min: p.at("min").number(),
                max: p.at("max").number(),
                window_ms: ms(p, "window"),
                min_labels: u64::from(p.at("min_labels").whole()),
            }),
            cool_down_ms: ms(view, "cool_down"),
            budget: Budget { runs: budget.at("runs").whole(), within_ms: ms(budget, "within"), time_ms: ms(budget, "time") },
            approve: !view.at("approve").word("auto"),
        },
        look_ms: ms(view, "look"),
        data: view.at("data").items().into_iter().filter_map(View::text).collect(),
        release: view.at("release").text(),
        set: view.at("set").named(|_, v| v.0.map(Node::to_json).unwrap_or_default()),
    }
}
