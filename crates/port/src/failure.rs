//! How the outside fails: four kinds, and nothing else.

/// What a caller may do about a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FailureKind {
    /// Try again later.
    Transient,
    /// The request itself is wrong; trying again will not help.
    Refused,
    /// Not allowed.
    Denied,
    /// The thing is not there.
    Gone,
}

/// A failure of the outside: which operation, on what, and what to do next.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{operation}: {object}: {detail}")]
pub struct Failure {
    /// What a caller may do.
    pub kind: FailureKind,
    /// The operation, as `write blob`.
    pub operation: &'static str,
    /// The object and place.
    pub object: String,
    /// What went wrong and what to do next.
    pub detail: String,
}
