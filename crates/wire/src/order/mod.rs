//! What the order of a train is inferred from: traces that were recorded (`traces`), and manifests that somebody wrote (`manifests`).
//!
//! Both are read into the values of `core::train`, with the place of each. Not here: what follows from them, and opening files.

mod dns;
mod manifests;
#[cfg(test)]
mod tests;
mod traces;

pub use manifests::{Manifests, manifests};
pub use traces::{SPANS_MAX, traces};

/// Longest file that is read, in bytes.
pub const FILE_BYTES_MAX: usize = 32 * 1024 * 1024;
/// Most mistakes that are listed.
pub const MISTAKES_MAX: usize = 50;

/// What is wrong with a file, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistake {
    /// The file.
    pub file: String,
    /// Line, from 1.
    pub line: usize,
    /// What is wrong.
    pub message: String,
}

/// All mistakes of what was read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct Mistakes(pub Vec<Mistake>);

impl std::fmt::Display for Mistakes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (i, Mistake { file, line, message }) in self.0.iter().take(MISTAKES_MAX).enumerate() {
            write!(f, "{}{file}:{line}: {message}", if i > 0 { "\n" } else { "" })?;
        }
        let more = self.0.len().saturating_sub(MISTAKES_MAX);
        if more > 0 { write!(f, "\nand {more} more") } else { Ok(()) }
    }
}

fn too_long(file: &str, text: &str) -> Option<Mistake> {
    let message = || format!("the file has {} bytes; at most {FILE_BYTES_MAX} are read: give a part of it", text.len());
    (text.len() > FILE_BYTES_MAX).then(|| Mistake { file: file.to_owned(), line: 1, message: message() })
}
