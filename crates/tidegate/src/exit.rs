//! Exit codes: documented in docs/exit-codes.md, stable from release to release.

use tidegate_build::BuildError;
use tidegate_build::data::{DataError, Fault};
use tidegate_port::{Failure, FailureKind};

/// Everything asked for was done, and what was judged passed.
pub const OK: u8 = 0;
/// What was judged did not pass: a contract, a gate, a verdict, a loop that ended otherwise than expected.
pub const NOT_PASSED: u8 = 1;
/// The command line or a file that people write is wrong.
pub const USAGE: u8 = 2;
/// Something outside failed: disk, port, process, network.
pub const OUTSIDE: u8 = 3;
/// The thing asked for is not there.
pub const NOT_FOUND: u8 = 4;
/// The state does not allow it: a refused command, a workspace in use by another process.
pub const REFUSED: u8 = 5;
/// A verification found the journal or evidence not as it was written; 10 and up tell how (see `audit verify`).
pub const UNTRUE: u8 = 10;

/// An error that knows its exit code.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct Exit {
    /// The code.
    pub code: u8,
    /// What the user reads.
    pub message: String,
}

/// An error with a code.
pub fn failure(code: u8, message: impl Into<String>) -> anyhow::Error {
    anyhow::Error::new(Exit { code, message: message.into() })
}

/// Something is not there under this name; those that are there are shown.
pub fn unknown<'a>(operation: &str, name: &str, known: impl IntoIterator<Item = &'a String>) -> anyhow::Error {
    let known: Vec<&str> = known.into_iter().map(String::as_str).collect();
    let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
    failure(NOT_FOUND, format!("{operation}: there is no `{name}`; known are {known}"))
}

/// The exit code of an error: its own, or that of a failure outside.
pub fn code_of(error: &anyhow::Error) -> u8 {
    error.chain().find_map(of_cause).unwrap_or(OUTSIDE)
}

fn of_cause(cause: &(dyn std::error::Error + 'static)) -> Option<u8> {
    if let Some(exit) = cause.downcast_ref::<Exit>() {
        return Some(exit.code);
    }
    if let Some(failure) = cause.downcast_ref::<Failure>() {
        return Some(if failure.kind == FailureKind::Gone { NOT_FOUND } else { OUTSIDE });
    }
    if let Some(error) = cause.downcast_ref::<DataError>() {
        return Some(match error.fault() {
            Fault::Usage => USAGE,
            Fault::Outside => OUTSIDE,
            Fault::NotFound => NOT_FOUND,
            Fault::Refused => REFUSED,
            Fault::NotRight => NOT_PASSED,
        });
    }
    match cause.downcast_ref::<BuildError>()? {
        BuildError::File(_) | BuildError::Graph { .. } | BuildError::Override { .. } | BuildError::Configuration { .. } => Some(USAGE),
        BuildError::NoPipeline { .. } | BuildError::Target(_) => Some(NOT_FOUND),
        BuildError::Stage(_) | BuildError::Io { .. } | BuildError::Environment { .. } | BuildError::Cancelled { .. } => Some(OUTSIDE),
    }
}
