//! What the order of a train is inferred from: traces that were recorded (`traces`), and manifests that somebody wrote (`manifests`).
//!
//! Both are read into the values of `core::train`, with the place of each. Not here: what follows from them, and opening files.

mod dns;
mod manifests;
#[cfg(test)]
mod tests;
mod traces;

pub use manifests::{ManifestReader, Manifests};
pub use traces::{SPANS_MAX, traces};

/// Longest file that is read, in bytes.
pub const FILE_BYTES_MAX: usize = 32 * 1024 * 1024;
/// Most mistakes that are kept; the others are counted.
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

/// Mistakes of what was read: those that are listed, and how many more there are.
#[derive(Clone, Debug, Default, PartialEq, Eq, thiserror::Error)]
pub struct Mistakes {
    /// The first ones, at most [`MISTAKES_MAX`].
    pub listed: Vec<Mistake>,
    /// How many others there are.
    pub more: usize,
}

impl Mistakes {
    fn add(&mut self, mistake: Mistake) {
        if self.listed.len() < MISTAKES_MAX { self.listed.push(mistake) } else { self.more += 1 }
    }

    /// Adds those of another file.
    pub fn extend(&mut self, others: Mistakes) {
        self.more += others.more;
        others.listed.into_iter().for_each(|mistake| self.add(mistake));
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.listed.is_empty()
    }
}

impl std::fmt::Display for Mistakes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (i, Mistake { file, line, message }) in self.listed.iter().enumerate() {
            write!(f, "{}{file}:{line}: {message}", if i > 0 { "\n" } else { "" })?;
        }
        if self.more > 0 { write!(f, "\nand {} more", self.more) } else { Ok(()) }
    }
}

fn too_long(file: &str, text: &str) -> Option<Mistake> {
    let message = || format!("the file has {} bytes; at most {FILE_BYTES_MAX} are read: give a part of it", text.len());
    (text.len() > FILE_BYTES_MAX).then(|| Mistake { file: file.to_owned(), line: 1, message: message() })
}
