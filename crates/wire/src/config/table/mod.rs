//! The one table of keys of tidegate.yaml: the parser's known keys, the schema, the docs page and the
//! defaults all come from here.

mod ab;
mod breakers;
mod deployments;
mod drivers;
mod duty;
mod environments;
mod events;
mod features;
mod freezes;
mod judges;
mod model;
mod notify;
mod observe;
mod people;
mod release;
mod retrain;
mod risk;
mod serving;
mod sources;
mod stores;
mod trains;
mod upstreams;

pub(crate) use model::{DECISION_METRICS, ROW_METRICS};

use super::shape::{Key, Need, Shape, Table};
use super::unit::DURATION_MS_MAX;

pub(super) const fn key(name: &'static str, shape: Shape, need: Need, doc: &'static str) -> Key {
    Key { name, shape, need, doc }
}

pub(super) const SPAN: Shape = Shape::Duration { min_ms: 1, max_ms: DURATION_MS_MAX };
pub(super) const ABOVE_ZERO: Shape = Shape::Number { min: 0.0, max: f64::INFINITY, open: true };

pub(super) const fn names(of: &'static str, item: &'static Shape) -> Shape {
    Shape::Names { of, item, refers: None, preset: None }
}

/// The whole file.
pub static ROOT: Table = Table {
    title: "The file",
    doc: "Every part but `version` and `workspace` is optional, so that a team adopts one part at a time.",
    keys: &[
        key("version", Shape::Whole { min: 1, max: 1 }, Need::Required, "Version of this format."),
        key("workspace", Shape::Text, Need::Required, "Name of the workspace, shown on pages and in reports."),
        key("env", Shape::Table(&ENV), Need::Optional, "Environment that stages run in. Without it they run in the caller's."),
        key("data", names("dataset", &Shape::Table(&DATASET)), Need::Optional, "Datasets with what is expected of them."),
        key(
            "pipeline",
            Shape::Short { scalar: &Shape::SourcePath, long: &Shape::Table(&PIPELINE), expands: false },
            Need::Optional,
            "A `dvc.yaml`, or stages written here in the same vocabulary.",
        ),
        key(
            "models",
            names("model", &Shape::Table(&model::MODEL)),
            Need::Optional,
            "What the pipeline produces and what a version of it must show.",
        ),
        key("services", names("service", &Shape::Table(&SERVICE)), Need::Optional, "What is released and routed."),
        key(
            "environments",
            names("environment", &Shape::Table(&environments::ENVIRONMENT)),
            Need::Default("{production: {}}"),
            "Where services run, in an order.",
        ),
        key(
            "releases",
            Shape::Names { of: "strategy", item: &Shape::Table(&release::STRATEGY), refers: None, preset: Some(release::STRATEGIES) },
            Need::Default("{}"),
            "Strategies by name. `default` is always there.",
        ),
        key(
            "retrain",
            Shape::Names { of: "model", item: &Shape::Table(&retrain::RETRAIN), refers: Some("models"), preset: None },
            Need::Optional,
            "Which models are trained anew by themselves, and when.",
        ),
        key(
            "people",
            names("person", &Shape::Table(&people::PERSON)),
            Need::Optional,
            "Who may do what. Without it whoever has a token may do everything, and nobody can approve.",
        ),
        key(
            "freezes",
            names("freeze", &freezes::FREEZE),
            Need::Optional,
            "Times in which no release starts or goes forward. Judging and going back never stop.",
        ),
        key("sources", names("source", &sources::SOURCE), Need::Optional, "Services that keep metrics."),
        key(
            "breakers",
            names("breaker", &Shape::Table(&breakers::BREAKER)),
            Need::Optional,
            "What must be normal before and while anything goes forward.",
        ),
        key("trains", names("train", &Shape::Table(&trains::TRAIN)), Need::Optional, "Services that are released together."),
        key("ab_tests", names("test", &Shape::Table(&ab::AB_TEST)), Need::Optional, "Versions that are compared on clients drawn by lot."),
        key("notify", names("channel", &notify::CHANNEL), Need::Optional, "Who is told when something happens, and how."),
        key(
            "judges",
            names("judge", &Shape::Table(&judges::JUDGE)),
            Need::Optional,
            "Judges that other tools ask, of traffic that those tools move.",
        ),
        key("duty", names("duty", &Shape::Table(&duty::DUTY)), Need::Optional, "Who is on duty when, and who is called next."),
        key(
            "deployments",
            names("deployment", &deployments::DEPLOYMENT),
            Need::Optional,
            "Deployments that GitHub or GitLab hold until they are answered here.",
        ),
        key("events", names("source", &events::EVENT_SOURCE), Need::Optional, "Other tools that tell what happens to changes."),
        key("risk", Shape::Table(&risk::RISK), Need::Optional, "How risks of changes are used, and of whose changes none are made."),
        key("features", names("view", &features::FEATURES), Need::Optional, "What is told of entities, for training and for serving."),
        key("journal", Shape::Table(&stores::JOURNAL), Need::Optional, "Where decisions are recorded."),
        key("replicas", Shape::Table(&stores::REPLICAS), Need::Optional, "Several control planes on one journal."),
        key(
            "upstreams",
            names("upstream", &Shape::Table(&upstreams::UPSTREAM)),
            Need::Optional,
            "Servers elsewhere that answer for versions.",
        ),
        key("gateway", Shape::Table(&GATEWAY), Need::Default("{}"), "Where requests come in."),
        key("console", Shape::Table(&CONSOLE), Need::Default("{}"), "The web pages."),
    ],
};

static ENV: Table = Table {
    title: "env",
    doc: "One environment is built for each digest of the lock file, once, and recorded with each run.",
    keys: &[key("python", Shape::SourcePath, Need::Optional, "Lock file with pinned, hashed requirements.")],
};

static DATASET: Table = Table {
    title: "data.NAME",
    doc: "A dataset of the workspace.",
    keys: &[
        key("path", Shape::DataPath, Need::Required, "The file, or a folder of files: Parquet, CSV, TSV, JSON lines, Arrow."),
        key(
            "contract",
            Shape::SourcePath,
            Need::Optional,
            "What is expected of it. `up` checks it before the stages that read it, `check` at any time.",
        ),
        key(
            "fresh_within",
            SPAN,
            Need::Optional,
            "Largest age of its newest row, or of the file where the contract names no column of time.",
        ),
        key("as_of", Shape::Instant, Need::Optional, "Ages are taken at this instant instead of now: for historical data."),
        key("owner", Shape::Text, Need::Optional, "Who answers for it."),
        key(
            "classification",
            Shape::Word(&["public", "internal", "confidential", "restricted"]),
            Need::Default("internal"),
            "How widely it may be shown.",
        ),
    ],
};

static PIPELINE: Table = Table {
    title: "pipeline",
    doc: "The vocabulary of `dvc.yaml`, written in place.",
    keys: &[
        key("stages", Shape::Any, Need::Required, "Stages by name."),
        key("vars", Shape::Any, Need::Optional, "Variables for interpolation."),
        key("params", Shape::Any, Need::Optional, "Parameter files that belong to no stage."),
        key("metrics", Shape::Any, Need::Optional, "Metric files that belong to no stage."),
        key("plots", Shape::Any, Need::Optional, "Plots that belong to no stage."),
        key("artifacts", Shape::Any, Need::Optional, "Named artefacts."),
    ],
};

static SERVICE: Table = Table {
    title: "services.NAME",
    doc: "One endpoint that answers with versions of one model.",
    keys: &[
        key("model", Shape::Ref("models"), Need::Required, "The model that it serves."),
        key("endpoint", Shape::UrlPath, Need::Optional, "Where it answers; `/v2/models/NAME` when not given."),
        key("release", Shape::Ref("releases"), Need::Default("default"), "Strategy of its releases, where the release names none."),
        key("objective", Shape::Table(&OBJECTIVE), Need::Optional, "What its users may expect."),
        key(
            "paths",
            Shape::Table(&PATHS),
            Need::Optional,
            "Two strategies, one of which each release takes by chance where it names none: what becomes of them is compared.",
        ),
        key(
            "cache",
            SPAN,
            Need::Optional,
            "How long an answer may be given again to requests that ask the same of the same version. Without it each request is carried out. Never while versions are compared.",
        ),
        key("serving", Shape::Table(&serving::SERVING), Need::Default("{}"), "How requests to it are answered."),
        key("affinity", Shape::Table(&AFFINITY), Need::Optional, "What keeps a client with one version."),
        key(
            "calls",
            Shape::List { item: &Shape::Ref("services"), min: 1, max: 1_000 },
            Need::Optional,
            "Services that it calls: harm that is seen in it may be theirs.",
        ),
        key(
            "approvals",
            Shape::Whole { min: 0, max: 10 },
            Need::Default("0"),
            "How many others than who asked must approve a release before it starts.",
        ),
        key("approvals_last", SPAN, Need::Default("24h"), "How long after it was asked for a release may start on its approvals."),
        key(
            "driver",
            Shape::OneKey(drivers::DRIVERS),
            Need::Optional,
            "What moves its traffic, where not the gateway of Tidegate but somebody else answers its users. One of them.",
        ),
        key("telemetry", Shape::Table(&drivers::TELEMETRY), Need::Optional, "Where its requests are counted, with a `driver`."),
        key(
            "environments",
            Shape::Names { of: "environment", item: &Shape::Table(&environments::OF_SERVICE), refers: Some("environments"), preset: None },
            Need::Optional,
            "Where it runs; a version is released in one after the other. Elsewhere it is named `NAME@ENVIRONMENT`.",
        ),
        key(
            "passage",
            Shape::Word(&["in_order", "together"]),
            Need::Optional,
            "How a version goes through its environments: `in_order`, the preset, or `together`: it comes up everywhere, and when it is ready in each all switch at once.",
        ),
    ],
};

static PATHS: Table = Table {
    title: "services.NAME.paths",
    doc: "Which of the two a release takes is drawn from its name, recorded, and not changed by asking again. A service that opted out takes `standard`.",
    keys: &[
        key("learned", Shape::Ref("releases"), Need::Required, "Strategy of the path that is on trial."),
        key("standard", Shape::Ref("releases"), Need::Required, "Strategy of the path that it is held against."),
        key(
            "share",
            Shape::Percent { min_bp: 0, max_bp: 10_000 },
            Need::Default("50"),
            "Percentage of releases that take the path on trial.",
        ),
    ],
};

static AFFINITY: Table = Table {
    title: "services.NAME.affinity",
    doc: "Requests that carry the same value are answered by the same version while weights stand, and by the same or the newer one while they grow. One of the two.",
    keys: &[
        key("header", Shape::Text, Need::Optional, "Name of the header that carries it."),
        key("cookie", Shape::Text, Need::Optional, "Name of the cookie that carries it."),
    ],
};

static OBJECTIVE: Table = Table {
    title: "services.NAME.objective",
    doc: "Service level objectives.",
    keys: &[
        key(
            "availability",
            Shape::Percent { min_bp: 1, max_bp: 9_999 },
            Need::Optional,
            "Percentage of requests that are answered without a server error.",
        ),
        key("latency_p99_ms", ABOVE_ZERO, Need::Optional, "99th percentile of latency, in milliseconds."),
        key("window", SPAN, Need::Default("30d"), "Over which it is held."),
    ],
};

static GATEWAY: Table = Table {
    title: "gateway",
    doc: "The Open Inference Protocol, version 2, over HTTP.",
    keys: &[
        key("listen", Shape::Listen, Need::Default("127.0.0.1:8700"), "Address. Port 0 takes a free one and prints it."),
        key(
            "server_name",
            Shape::Text,
            Need::Default("tidegate"),
            "Name that `GET /v2` tells. Some clients' own examples ask for `triton`: nothing else changes with it.",
        ),
        key("tls", Shape::Table(&serving::GATEWAY_TLS), Need::Optional, "TLS towards clients."),
        key(
            "keys",
            names("key", &Shape::Table(&serving::GATEWAY_KEY)),
            Need::Optional,
            "Tokens of some clients, by a name that metrics tell, with what they may ask for.",
        ),
        key("traces", Shape::Table(&observe::TRACES), Need::Optional, "Traces for OpenTelemetry."),
        key("log", Shape::Table(&observe::LOG), Need::Optional, "A line of JSON for each prediction."),
        key(
            "token",
            Shape::Variable,
            Need::Optional,
            "Name of the environment variable that holds the token which clients send. Without it one is made and kept in `.tidegate/keys/gateway.token`.",
        ),
    ],
};

static CONSOLE: Table = Table {
    title: "console",
    doc: "Pages for people, and the API that other commands use.",
    keys: &[key("listen", Shape::Listen, Need::Default("127.0.0.1:8701"), "Address. Port 0 takes a free one and prints it.")],
};
