//! How requests are answered and who may ask for how much, as values.

use super::read::View;
use indexmap::IndexMap;
use std::path::PathBuf;
use tidegate_core::scan::{Action, Kind, Rules};

/// How a service's requests are answered.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Serving {
    /// What is looked for in texts of answers.
    pub scan: Rules,
    /// How requests are put together.
    pub batch: Option<Batch>,
    /// Longest that a request waits for its turn, in milliseconds.
    pub queue_ms: u64,
    /// How often a golden request is asked, in milliseconds.
    pub golden_ms: u64,
    /// Whether the stable version answers in the gateway's process.
    pub in_process: bool,
    /// What answers are promised to be, by the names of outputs.
    pub outputs: IndexMap<String, PromisedOutput>,
    /// Whether reasons are given.
    pub explain: bool,
    /// How long answers of language models may take.
    pub generate: Generate,
    /// How requests follow one another.
    pub sequence: Option<Sequence>,
    /// What clients are given where nobody can answer.
    pub fallback: Option<Fallback>,
    /// Who carries models out, by their names.
    pub providers: Vec<String>,
    /// Threads of one call of the model.
    pub threads: u32,
    /// Memory that a version's worker may take, in MiB.
    pub memory_mib: Option<u32>,
}

/// How requests of a stateful model follow one another.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sequence {
    /// Inputs, and the outputs that come back in them with the next request.
    pub state: Vec<(String, String)>,
    /// How long a sequence may rest, in milliseconds.
    pub idle_ms: u64,
    /// Whether another version may go on with it.
    pub across_versions: bool,
}

/// How long an answer of a language model may take, in milliseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Generate {
    /// To its first token.
    pub first_ms: u64,
    /// From one piece to the next.
    pub idle_ms: u64,
    /// To its end.
    pub whole_ms: u64,
}

/// What clients are given where nobody can answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fallback {
    /// Whether an older version answers that is still warm.
    pub older_version: bool,
    /// How long an answer may stand in for the one to the same request, in milliseconds.
    pub cached_ms: Option<u64>,
    /// A declared answer, as JSON of the protocol.
    pub answer: Option<String>,
}

/// What one output is promised to be.
#[derive(Clone, Debug, PartialEq)]
pub struct PromisedOutput {
    /// Its element type, as the protocol spells it.
    pub datatype: Option<String>,
    /// Its dimensions; -1 is one of any length.
    pub shape: Option<Vec<i64>>,
    /// Its least value.
    pub min: Option<f64>,
    /// Its largest value.
    pub max: Option<f64>,
    /// Whether each value is a number, none of them infinite.
    pub finite: bool,
}

/// Configurations hold no not-a-numbers.
impl Eq for PromisedOutput {}

/// How requests are put together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Batch {
    /// Requests in one call, at most.
    pub requests: u32,
    /// How long the first waits for others, in microseconds.
    pub wait_us: u32,
}

/// Files of TLS towards clients.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GatewayTls {
    /// The gateway's certificate.
    pub certificate: PathBuf,
    /// Its private key.
    pub key: PathBuf,
    /// Certificates of authorities that vouch for clients.
    pub clients: Option<PathBuf>,
}

/// A token of some clients.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GatewayKey {
    /// Name of the environment variable that holds it.
    pub token: String,
    /// Predictions a second in the long run.
    pub rate: Option<u32>,
    /// Predictions at once.
    pub burst: Option<u32>,
    /// Predictions a day.
    pub daily: Option<u32>,
    /// Whether its requests wait while others do.
    pub batch: bool,
}

pub(super) fn serving(view: View<'_>) -> Serving {
    let scan = view.at("scan");
    let rule = |kind: Kind| Some((kind, Action::parse(&scan.at(kind.as_str()).text()?)?));
    Serving {
        scan: Rules(Kind::ALL.into_iter().filter_map(rule).collect()),
        batch: view.at("batch").there().map(|v| Batch { requests: v.at("requests").whole(), wait_us: v.at("wait_us").whole() }),
        queue_ms: view.at("queue").ms().unwrap_or_default(),
        golden_ms: view.at("golden").ms().unwrap_or_default(),
        in_process: view.at("in_process").word("true"),
        outputs: view.at("outputs").named(|_, output| promised(output)),
        explain: view.at("explain").word("true"),
        generate: generate(view.at("generate")),
        sequence: view.at("sequence").there().map(sequence),
        fallback: view.at("fallback").there().map(|v| Fallback {
            older_version: v.at("older_version").word("true"),
            cached_ms: v.at("cached").ms(),
            answer: v.at("answer").text(),
        }),
        providers: view.at("providers").texts(),
        threads: view.at("threads").whole(),
        memory_mib: view.at("memory_mib").there().map(|v| v.whole()),
    }
}

fn promised(view: View<'_>) -> PromisedOutput {
    let number = |name: &str| view.at(name).number();
    #[expect(clippy::cast_possible_truncation, reason = "the table holds dimensions to whole numbers of 32 bits")]
    let dimension = |view: View<'_>| view.number().unwrap_or(-1.0) as i64;
    PromisedOutput {
        datatype: view.at("datatype").text(),
        shape: view.at("shape").there().map(|v| v.items().into_iter().map(dimension).collect()),
        min: number("min"),
        max: number("max"),
        finite: view.at("finite").word("true"),
    }
}

fn sequence(view: View<'_>) -> Sequence {
    Sequence {
        state: view.at("state").items().into_iter().map(|one| (one.owned("input"), one.owned("output"))).collect(),
        idle_ms: view.at("idle").ms().unwrap_or_default(),
        across_versions: view.at("across_versions").word("true"),
    }
}

fn generate(view: View<'_>) -> Generate {
    let ms = |name: &str| view.at(name).ms().unwrap_or_default();
    Generate { first_ms: ms("first"), idle_ms: ms("idle"), whole_ms: ms("whole") }
}

pub(super) fn gateway_tls(view: View<'_>) -> GatewayTls {
    GatewayTls {
        certificate: view.owned("certificate").into(),
        key: view.owned("key").into(),
        clients: view.at("clients").text().map(PathBuf::from),
    }
}

pub(super) fn gateway_key(view: View<'_>) -> GatewayKey {
    let whole = |name: &str| view.at(name).there().map(|v| v.whole());
    GatewayKey {
        token: view.owned("token"),
        rate: whole("rate"),
        burst: whole("burst"),
        daily: whole("daily"),
        batch: view.at("priority").word("batch"),
    }
}
