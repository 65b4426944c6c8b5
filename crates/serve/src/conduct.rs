//! How a version is served, as its service's configuration says: the same for each of its workers.

use crate::limits;
use crate::promise::Promise;
use crate::sequence::Sequencing;
use serde::{Deserialize, Serialize};
use tidegate_core::scan::Rules;
use tidegate_runtime::Execution;

/// How a version is served.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Conduct {
    /// What is looked for in texts that it answers with.
    pub scan: Rules,
    /// What answers are promised to be.
    pub promise: Promise,
    /// How requests are put together; none: each is carried out alone.
    pub batch: Option<Batching>,
    /// Longest that a request may wait for its turn, in milliseconds: one that would wait longer is refused at once.
    pub queue_ms_max: u64,
    /// How often a golden request is asked again while it serves, in milliseconds; 0 for never.
    pub golden_every_ms: u64,
    /// Whether the stable version answers in the gateway's own process.
    pub in_process: bool,
    /// Whether reasons are given to who asks for them.
    pub explain: bool,
    /// How requests follow one another, where they do.
    pub sequence: Option<Sequencing>,
    /// How long answers of language models may take.
    pub generate: Generating,
    /// What clients are given where nobody can answer.
    pub fallback: Option<Fallback>,
    /// Memory that one version's worker may take, in bytes; none for any.
    pub memory_bytes_max: Option<u64>,
    /// Who carries the model out, and with how many threads.
    pub execution: Execution,
}

/// How long an answer of a language model may take, in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Generating {
    /// To the first token, where the answer is wanted while it comes.
    pub first_ms_max: u64,
    /// From one piece of it to the next.
    pub idle_ms_max: u64,
    /// To its end.
    pub whole_ms_max: u64,
}

/// What clients are given where nobody can answer.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fallback {
    /// Whether an older version answers that is still warm.
    pub older_version: bool,
    /// How long an answer may stand in for the one to the same request, in milliseconds; none: none is kept for that.
    pub cached_ms: Option<u64>,
    /// An answer of the protocol, as JSON.
    pub answer: Option<String>,
}

/// How requests are put together into one call of the model.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Batching {
    /// Requests in one call, at most.
    pub requests_max: usize,
    /// How long the first of them may wait for others, in microseconds; 0: only those that wait already are put together.
    pub wait_us: u64,
}

impl Default for Conduct {
    fn default() -> Conduct {
        Conduct {
            scan: Rules::default(),
            promise: Promise::default(),
            batch: None,
            queue_ms_max: limits::QUEUE_MS_MAX,
            golden_every_ms: limits::GOLDEN_MS,
            in_process: false,
            explain: true,
            sequence: None,
            generate: Generating::default(),
            fallback: None,
            memory_bytes_max: None,
            execution: Execution::default(),
        }
    }
}

impl Default for Generating {
    fn default() -> Generating {
        Generating {
            first_ms_max: limits::FIRST_TOKEN_MS_MAX,
            idle_ms_max: limits::STREAM_IDLE_MS_MAX,
            whole_ms_max: limits::GENERATE_MS_MAX,
        }
    }
}
