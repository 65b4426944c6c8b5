//! Keys of services that somebody else serves: what moves their traffic, and where it is counted.

use super::key;
use crate::config::shape::{Key, Need, Shape, Table};
use tidegate_core::rollout::DURATION_MS_MAX;

const WAIT: Shape = Shape::Duration { min_ms: 1_000, max_ms: DURATION_MS_MAX };
const PAIR: Shape = Shape::List { item: &Shape::Text, min: 2, max: 2 };

const SERVER: Key = key(
    "server",
    Shape::Http,
    Need::Optional,
    "Address of the API server, the only host that is asked. Without it that of the cluster which Tidegate runs in, with the token and the authority of its pod.",
);
const TOKEN: Key = key("token", Shape::Variable, Need::Optional, "Name of the environment variable that holds a bearer token.");
const CA: Key = key(
    "ca",
    Shape::Text,
    Need::Optional,
    "File with the certificates of the authorities that vouch for the server, PEM; those of the system when not given.",
);
const READY_WITHIN: Key = key(
    "ready_within",
    WAIT,
    Need::Default("15m"),
    "How long a version may take to be there before the release is held and a person called.",
);

/// Ways of moving traffic, by name.
pub(super) static DRIVERS: &[Key] = &[
    key("gateway_api", Shape::Table(&GATEWAY_API), Need::Optional, "Weights of an `HTTPRoute`."),
    key("kserve", Shape::Table(&KSERVE), Need::Optional, "An `InferenceService`."),
    key("gitops", Shape::Table(&GITOPS), Need::Optional, "Commits to a repository."),
];

static GATEWAY_API: Table = Table {
    title: "services.NAME.driver.gateway_api",
    doc: "Kubernetes' Gateway API: two backends of one rule take turns. One answers users, the other takes the next version; a version is never changed under traffic.",
    keys: &[
        SERVER,
        TOKEN,
        CA,
        key("namespace", Shape::Text, Need::Default("default"), "Namespace of the route and the Deployments."),
        key("route", Shape::Text, Need::Required, "Name of the `HTTPRoute`."),
        key("rule", Shape::Whole { min: 0, max: 15 }, Need::Default("0"), "Position of the rule in it, from 0."),
        key("backends", PAIR, Need::Required, "Names of the two backends; other backends of the rule must have weight 0."),
        key("workloads", Shape::Table(&WORKLOADS), Need::Default("{}"), "What runs behind them."),
        READY_WITHIN,
    ],
};

static WORKLOADS: Table = Table {
    title: "services.NAME.driver.gateway_api.workloads",
    doc: "The Deployments behind the backends. Which version one runs is said by its annotation `tidegate.dev/version`, or a label of that name.",
    keys: &[
        key("deployments", PAIR, Need::Optional, "Their names, in the order of `backends`; the names of the backends when not given."),
        key(
            "load",
            Shape::Any,
            Need::Optional,
            "Patch that has a Deployment run a version, with `spec` and `metadata`; containers are merged by name. `{version}`, `{model}` and `{service}` are filled in, the annotation is added. Without it the release waits until somebody else has the idle Deployment run the version, and its annotation says so.",
        ),
        key(
            "unload",
            Shape::Any,
            Need::Optional,
            "Patch of a Deployment whose version is no longer needed, as `spec: { replicas: 0 }`; `load` has to undo it. Without it the old version stays warm.",
        ),
    ],
};

static KSERVE: Table = Table {
    title: "services.NAME.driver.kserve",
    doc: "KServe's `InferenceService`, deployed by Knative: the address of the model and `canaryTrafficPercent`. Parts are whole percents.",
    keys: &[
        SERVER,
        TOKEN,
        CA,
        key("namespace", Shape::Text, Need::Default("default"), "Its namespace."),
        key("service", Shape::Text, Need::Required, "Its name."),
        key(
            "storage_uri",
            Shape::Text,
            Need::Required,
            "Address of a version's files, as `s3://models/{version}`; `{model}` and `{service}` are filled in too.",
        ),
        READY_WITHIN,
    ],
};

static GITOPS: Table = Table {
    title: "services.NAME.driver.gitops",
    doc: "Each change of a version or a weight is a commit that changes just these values of one file; something else applies it. Two places in the file take turns.",
    keys: &[
        key("repository", Shape::Text, Need::Required, "Address or path of the repository."),
        key("token", Shape::Variable, Need::Optional, "Name of the environment variable that holds a token for it, over HTTPS."),
        key("branch", Shape::Text, Need::Default("main"), "The branch that is applied."),
        key("file", Shape::Text, Need::Required, "The file in it, YAML or JSON, one document."),
        key("slots", Shape::List { item: &Shape::Table(&SLOT), min: 2, max: 2 }, Need::Required, "The two places that take turns."),
        key("total", Shape::Whole { min: 100, max: 10_000 }, Need::Default("100"), "What the two weights sum to; it divides 10000."),
        key(
            "settle",
            WAIT,
            Need::Default("5m"),
            "How long what was pushed takes to be applied: so long nothing is built on it. Where `argo_cd` or `flux` is given, that is asked instead.",
        ),
        key("argo_cd", Shape::Table(&ARGO_CD), Need::Optional, "The application of Argo CD that applies it."),
        key("flux", Shape::Table(&FLUX), Need::Optional, "What of Flux applies it."),
        READY_WITHIN,
    ],
};

static SLOT: Table = Table {
    title: "services.NAME.driver.gitops.slots",
    doc: "JSON pointers into the file, as `/blue/version`. The values are there already: scalars on one line.",
    keys: &[
        key("version", Shape::Text, Need::Required, "Of the version."),
        key("weight", Shape::Text, Need::Required, "Of its part of the requests."),
    ],
};

static ARGO_CD: Table = Table {
    title: "services.NAME.driver.gitops.argo_cd",
    doc: "An `Application` is read over the API of the cluster that Argo CD runs in: what was pushed is applied when it is synced to that commit, or one after it, and healthy.",
    keys: &[
        SERVER,
        TOKEN,
        CA,
        key("namespace", Shape::Text, Need::Default("argocd"), "Its namespace."),
        key("application", Shape::Text, Need::Required, "Its name."),
    ],
};

static FLUX: Table = Table {
    title: "services.NAME.driver.gitops.flux",
    doc: "A `Kustomization`, a `HelmRelease` or both are read over the API of the cluster that Flux runs in: what was pushed is applied when the revision that they name is that commit, or one after it, and they are ready.",
    keys: &[
        SERVER,
        TOKEN,
        CA,
        key("namespace", Shape::Text, Need::Default("flux-system"), "Namespace of the `Kustomization`."),
        key("kustomization", Shape::Text, Need::Optional, "Name of the `Kustomization` that applies the file."),
        key(
            "helm_release",
            Shape::Text,
            Need::Optional,
            "Name of the `HelmRelease` that the file is deployed by. Beside a `kustomization` it has to be ready after that; alone its chart must come from Git with `reconcileStrategy: Revision`, for else its versions name no commit.",
        ),
        key("helm_namespace", Shape::Text, Need::Optional, "Its namespace; that of the `Kustomization` when not given."),
    ],
};

static LATENCY: Table = Table {
    title: "services.NAME.telemetry.latency",
    doc: "Buckets of a histogram of Prometheus, the same ones for both versions. Only their ends can be told apart: what is tolerated reaches up to the next of them.",
    keys: &[
        key(
            "candidate",
            Shape::Text,
            Need::Required,
            "Buckets of the candidate, a selector, as `http_request_duration_seconds_bucket{version=\"{{candidate}}\"}`, or its native histogram, without `_bucket`.",
        ),
        key("control", Shape::Text, Need::Required, "The same of stable, with `{{control}}` and `{{control_place}}`."),
        key("unit", Shape::Word(&["s", "ms"]), Need::Default("s"), "What the ends of buckets are counted in."),
    ],
};

pub(super) static TELEMETRY: Table = Table {
    title: "services.NAME.telemetry",
    doc: "Where requests and failures of a service with a `driver` are counted. No counts are no telemetry: a release is held by them and never passes.",
    keys: &[
        key("prometheus", Shape::Http, Need::Required, "Address of the Prometheus server that has the counters. No other is asked."),
        key("token", Shape::Variable, Need::Optional, "Name of the environment variable that holds a bearer token."),
        key(
            "candidate",
            Shape::Text,
            Need::Required,
            "Counter of the candidate's requests, a selector. `{{candidate}}` stands for its version, `{{candidate_place}}` for its backend, as in `http_requests_total{version=\"{{candidate}}\"}`.",
        ),
        key("control", Shape::Text, Need::Required, "The same of stable, with `{{control}}` and `{{control_place}}`."),
        key("errors", Shape::Text, Need::Required, "Matchers that make a request a failure, as `code=~\"5..\"`."),
        key(
            "latency",
            Shape::Table(&LATENCY),
            Need::Optional,
            "Where latencies are counted. Without it no guardrail of latency is judged.",
        ),
        key(
            "every",
            Shape::Duration { min_ms: 1_000, max_ms: 3_600_000 },
            Need::Default("30s"),
            "Length of an interval in which both are counted: whole seconds, not shorter than two scrapes. After each change of a weight so much time is not counted.",
        ),
    ],
};
