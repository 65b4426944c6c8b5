//! tidegate.yaml as values: every default in place, every unit resolved.

use super::ab::AbTest;
use super::deployments::Deployment;
use super::driver::{Driver, Telemetry};
use super::duty::Duty;
use super::events::EventSource;
use super::features::FeatureView;
use super::observe::{GatewayLog, GatewayTraces};
use super::origin::Origins;
use super::risk::RiskPolicy;
use super::serving::{GatewayKey, GatewayTls, Serving};
use super::stores::Stores;
use super::trains::{Interfaces, NamedTrain};
use super::upstreams::Upstream;
use crate::sources::MetricSource;
use crate::yaml::Node;
use indexmap::IndexMap;
use std::net::SocketAddr;
pub use tidegate_core::access::AT;
use tidegate_core::access::{Held, Role};
use tidegate_core::gate::GateSpec;
use tidegate_core::gating::Paths;
use tidegate_core::id::At;
use tidegate_core::judge::JudgeSettings;
use tidegate_core::notify::{Limits, Topic};
use tidegate_core::risk::Band;
use tidegate_core::rollout::{Promotion, Step};
use tidegate_core::route::Carrier;
use tidegate_core::train::{Car, Verify};

/// A workspace.
#[derive(Clone, Debug, PartialEq)]
pub struct Workspace {
    /// Its name.
    pub name: String,
    /// Environment of its stages.
    pub env: Env,
    /// Datasets.
    pub data: IndexMap<String, Dataset>,
    /// The pipeline, where there is one.
    pub pipeline: Option<Pipeline>,
    /// Models.
    pub models: IndexMap<String, Model>,
    /// Services; one that runs in environments is there once for each, as `NAME@ENVIRONMENT`.
    pub services: IndexMap<String, Service>,
    /// Services that run in environments.
    pub passages: IndexMap<String, Passage>,
    /// Environments, each after the one that it names.
    pub environments: IndexMap<String, Environment>,
    /// Strategies; `default` is always there.
    pub releases: IndexMap<String, Strategy>,
    /// By model.
    pub retrain: IndexMap<String, Retrain>,
    /// Who may do what, by name.
    pub people: IndexMap<String, Vec<Held>>,
    /// When nothing goes forward.
    pub freezes: IndexMap<String, Freeze>,
    /// What halts all releases when it is abnormal.
    pub breakers: IndexMap<String, NamedBreaker>,
    /// Services that keep metrics.
    pub sources: IndexMap<String, MetricSource>,
    /// Services that are released together; versions are named when a train departs.
    pub trains: IndexMap<String, NamedTrain>,
    /// Versions that are compared on clients drawn by lot.
    pub ab_tests: IndexMap<String, AbTest>,
    /// Who is told what.
    pub notify: IndexMap<String, Channel>,
    /// Judges that other tools ask.
    pub judges: IndexMap<String, NamedJudge>,
    /// Who is on duty when.
    pub duty: IndexMap<String, Duty>,
    /// Deployments that other tools hold until they are answered.
    pub deployments: IndexMap<String, Deployment>,
    /// Other tools that tell what happens.
    pub events: IndexMap<String, EventSource>,
    /// How risks of changes are used.
    pub risk: RiskPolicy,
    /// What is told of entities, for training and for serving.
    pub features: IndexMap<String, FeatureView>,
    /// Where the journal lies, and what replicas share.
    pub stores: Stores,
    /// Servers elsewhere that answer for versions.
    pub upstreams: IndexMap<String, Upstream>,
    /// Address of the gateway.
    pub gateway: SocketAddr,
    /// Files of TLS towards its clients.
    pub gateway_tls: Option<GatewayTls>,
    /// Tokens of some clients, by name.
    pub gateway_keys: IndexMap<String, GatewayKey>,
    /// Where traces of its requests are told.
    pub gateway_traces: Option<GatewayTraces>,
    /// Lines of its predictions.
    pub gateway_log: Option<GatewayLog>,
    /// What the gateway calls itself.
    pub server_name: String,
    /// Name of the environment variable with the gateway's token; none: one is made and kept.
    pub gateway_token: Option<String>,
    /// Address of the console.
    pub console: SocketAddr,
    /// Every value with where it came from.
    pub origins: Origins,
}

/// Environment of stages.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Env {
    /// Lock file of Python requirements; none: stages run in the caller's environment.
    pub python: Option<String>,
}

/// A dataset.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dataset {
    /// Its file.
    pub path: String,
    /// Its contract.
    pub contract: Option<String>,
    /// Largest age.
    pub fresh_within_ms: Option<u64>,
    /// Instant at which ages are taken; none: now.
    pub as_of: Option<At>,
    /// Who answers for it.
    pub owner: Option<String>,
    /// `public`, `internal`, `confidential` or `restricted`.
    pub classification: String,
}

/// Where the stages are.
#[derive(Clone, Debug, PartialEq)]
pub enum Pipeline {
    /// In a `dvc.yaml`.
    File(String),
    /// In tidegate.yaml, as the mapping that a `dvc.yaml` would be.
    Inline(Node),
}

/// A model.
#[derive(Clone, Debug, PartialEq)]
pub struct Model {
    /// The model file.
    pub artifact: String,
    /// From a raw record to its inputs.
    pub transform: Option<String>,
    /// Requests with known answers.
    pub golden: Option<String>,
    /// Scores at or above it mean yes.
    pub threshold: Option<f64>,
    /// Offline inputs by record.
    pub reference: Option<Reference>,
    /// Predictions row by row.
    pub evaluation: Option<Evaluation>,
    /// Gates that are conditions on numbers, in the order of the file.
    pub gates: Vec<GateSpec>,
    /// Gates that are policies. A gate that cannot be evaluated is `cannot_tell`, never a pass.
    pub policies: Vec<PolicyGate>,
    /// When live inputs have drifted.
    pub drift: Option<Drift>,
    /// What its versions give to others and take from them.
    pub interfaces: Interfaces,
}

/// Offline inputs by record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reference {
    /// Where they are.
    pub from: ReferenceFrom,
    /// Column of the record's id.
    pub id: String,
}

/// Where reference inputs are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReferenceFrom {
    /// In the output of a stage.
    Stage(String),
    /// In a file.
    Path(String),
}

/// Predictions row by row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Evaluation {
    /// The file.
    pub rows: String,
    /// Column of the record's id.
    pub id: String,
    /// Column of the true answer.
    pub label: String,
    /// Column of the score.
    pub score: String,
}

/// A gate that is a policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyGate {
    /// Name of the gate.
    pub name: String,
    /// The policy file.
    pub rego: String,
}

/// When live inputs have drifted.
#[derive(Clone, Debug, PartialEq)]
pub struct Drift {
    /// Rows that the model was trained on; none: the reference inputs.
    pub reference: Option<String>,
    /// Inputs to watch; none: all numeric ones.
    pub columns: Option<Vec<String>>,
    /// The distance.
    pub method: DriftMethod,
    /// Distance from which it is drift.
    pub threshold: f64,
    /// How far back live inputs are taken.
    pub window_ms: u64,
    /// With fewer rows nothing is concluded.
    pub min_rows: u32,
}

/// A distance between two samples of a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DriftMethod {
    /// Kolmogorov-Smirnov.
    Ks,
    /// Population stability index.
    Psi,
}

/// A service.
#[derive(Clone, Debug, PartialEq)]
pub struct Service {
    /// The model that it serves.
    pub model: String,
    /// Path of its endpoint.
    pub endpoint: String,
    /// Strategy of its releases.
    pub release: String,
    /// What its users may expect.
    pub objective: Option<Objective>,
    /// Strategies of which each release takes one by chance.
    pub paths: Option<Paths>,
    /// What keeps a client with one version.
    pub affinity: Option<Carrier>,
    /// How long an answer may be given again, in milliseconds.
    pub cache_ms: Option<u64>,
    /// How its requests are answered.
    pub serving: Serving,
    /// Services that it calls.
    pub calls: Vec<String>,
    /// How many others must approve a release of it.
    pub approvals: u32,
    /// How long after it was asked for their approvals count.
    pub approvals_last_ms: u64,
    /// What moves its traffic, where not our gateway does.
    pub driver: Option<Driver>,
    /// Where its requests are counted then.
    pub telemetry: Option<Telemetry>,
    /// The environment that this is of, where the service runs in several.
    pub environment: Option<String>,
    /// How long a decision takes to arrive there.
    pub delay_ms: u64,
}

/// How a version goes through the environments of a service.
#[derive(Clone, Debug, PartialEq)]
pub struct Passage {
    /// Each environment, named as its service, with what comes before it; versions are named when it begins.
    pub cars: Vec<Car>,
    /// All switch at once, when each is ready.
    pub together: bool,
}

impl Workspace {
    /// The service with environments that a service is of.
    #[must_use]
    pub fn passage_of(&self, service: &str) -> Option<(&str, &Passage)> {
        let (name, _) = service.split_once(AT)?;
        self.passages.get_key_value(name).map(|(name, passage)| (name.as_str(), passage))
    }

    /// Whether somebody's approval counts for a service.
    #[must_use]
    pub fn approves(&self, name: &str, service: &str) -> bool {
        self.people.get(name).is_some_and(|roles| roles.iter().any(|held| held.role == Role::Approver && held.reaches(service)))
    }

    /// Whether other environments come after that of a service.
    #[must_use]
    pub fn is_passed_through(&self, service: &str) -> bool {
        self.passage_of(service).is_some_and(|(_, passage)| passage.cars.iter().any(|car| car.after.iter().any(|s| s == service)))
    }
}

/// Service level objectives.
#[derive(Clone, Debug, PartialEq)]
pub struct Objective {
    /// Share of requests answered without a server error, in basis points.
    pub availability_bp: Option<u32>,
    /// 99th percentile of latency.
    pub latency_p99_ms: Option<f64>,
    /// Over which it is held.
    pub window_ms: u64,
}

/// A place where services run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Environment {
    /// The one before it.
    pub after: Option<String>,
    /// What must be true there before those after it begin.
    pub verify: Option<Verify>,
    /// How long a decision takes to arrive there.
    pub delay_ms: u64,
}

/// How a version comes to carry all traffic.
#[derive(Clone, Debug, PartialEq)]
pub struct Strategy {
    /// A shadow first if there is one, then canaries.
    pub steps: Vec<Step>,
    /// What follows them.
    pub promote: Promotion,
    /// Most requests of users in a canary without evidence to promote.
    pub exposure_max: Option<u64>,
    /// Of its judge.
    pub judge: JudgeSettings,
    /// What keeps it from starting, and from carrying all traffic.
    pub blocked_by: BlockedBy,
    /// Strategies of changes whose risk is low.
    pub by_risk: Vec<Band>,
}

/// What keeps a release from starting, and from carrying all traffic.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BlockedBy {
    /// Live inputs that no longer look like the rows that the candidate was trained on.
    pub drift: bool,
    /// A failed check of a dataset.
    pub data: bool,
}

/// When nothing goes forward; `freeze::windows` gives its times.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Freeze {
    /// The zone of its clock.
    pub zone: String,
    /// When.
    pub when: When,
    /// Of which services; of all when empty.
    pub services: Vec<String>,
    /// Why, in words.
    pub reason: Option<String>,
}

/// The times of a freeze.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum When {
    /// A span of time by the clock of the zone.
    Span {
        /// Its begin.
        from: String,
        /// Its end.
        until: String,
        /// A recurrence rule.
        repeats: Option<String>,
    },
    /// The events of an iCalendar file.
    Calendar(String),
}

/// A judge that other tools ask.
#[derive(Clone, Debug, PartialEq)]
pub struct NamedJudge {
    /// Address of the Prometheus server.
    pub prometheus: String,
    /// Selector of the candidate's requests; `{{NAME}}` is filled in from the question.
    pub candidate: String,
    /// The same of the control.
    pub control: String,
    /// What makes a request a failure.
    pub errors: String,
    /// Length of an interval in seconds.
    pub every_s: u64,
    /// Longest time that is counted.
    pub deadline_ms: u64,
    /// Chance of a false rollback.
    pub alpha: f64,
    /// Chance of a false promotion.
    pub beta: f64,
    /// What harm means.
    pub harm: tidegate_core::judge::Guardrail,
}

/// Signals that halt releases.
#[derive(Clone, Debug, PartialEq)]
pub struct NamedBreaker {
    /// What is asked.
    pub source: MetricSource,
    /// What is looked at, each with its query.
    pub signals: Vec<(String, tidegate_core::breaker::Signal)>,
    /// How often.
    pub every_ms: u64,
    /// How far back the newest point of a service that keeps points is looked for.
    pub window_ms: u64,
    /// When it trips and closes.
    pub rule: tidegate_core::breaker::Rule,
    /// Services that it halts; all when empty.
    pub services: Vec<String>,
    /// Whether the release that is to blame is aborted, where that can be told.
    pub aborts: bool,
}

/// Somebody who is told what happens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Channel {
    /// How.
    pub way: Way,
    /// Of what.
    pub on: Vec<Topic>,
    /// Of which services; of all when empty.
    pub services: Vec<String>,
    /// Whose it is: told what calls them, while they are on duty.
    pub person: Option<String>,
    /// How often at most; tools are told everything.
    pub limits: Limits,
}

impl Channel {
    /// Whether it is told of this, of a service or of none in particular.
    #[must_use]
    pub fn hears(&self, topic: Topic, service: Option<&str>) -> bool {
        let about = |service: &str| self.services.is_empty() || self.services.iter().any(|s| s == service);
        self.on.contains(&topic) && service.is_none_or(about)
    }
}

/// How somebody is told. Secrets are in environment variables, whose names these are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Way {
    /// By an incoming webhook of Slack.
    Slack {
        /// The variable with its address.
        address: String,
    },
    /// By CDEvents over HTTP.
    Webhook {
        /// The address.
        url: String,
        /// The variable with the secret for signatures.
        secret: Option<String>,
    },
    /// By mail.
    Email {
        /// The server.
        smtp: String,
        /// The sender.
        from: String,
        /// To whom.
        to: Vec<String>,
        /// The variable with `user:password`.
        login: Option<String>,
    },
}

/// Training anew.
#[derive(Clone, Debug, PartialEq)]
pub struct Retrain {
    /// When.
    pub rule: tidegate_core::retrain::Rule,
    /// How often it is looked at.
    pub look_ms: u64,
    /// Datasets whose bytes count; all when empty.
    pub data: Vec<String>,
    /// Strategy of the release; the service's when none.
    pub release: Option<String>,
    /// Parameters to set, dotted where nested.
    pub set: IndexMap<String, serde_json::Value>,
}
