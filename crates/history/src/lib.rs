//! What a git repository says of its changes: what the field measures of each, and whether it was later fixed.
//!
//! [`mine`] streams the history once and answers with a [`Mined`]. What reads is small (`git`, `parse`); everything that decides
//! is a pure function of values: features ([`Features`]), whose lines are whose (`lines`), labels ([`Label`]), services
//! ([`Services`]). Nothing of the future flows into a feature: it is computed from the ancestors of a change alone, so that it stays
//! the same whatever is merged later, and whether a repository is mined at once or bit by bit. Not here: what a model makes of it.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::panic))]

mod bits;
mod change;
mod features;
mod fixes;
mod fold;
mod git;
mod label;
mod language;
mod lines;
mod log;
mod measure;
mod mine;
mod parse;
mod range;
mod reach;
mod services;
mod settings;
mod state;
mod trailers;
mod tree;

pub use change::{AuthorNumber, Change, ChangeNumber, File, Id, Kind, Link, PathNumber, Way};
pub use features::Features;
pub use fixes::{Said, said};
pub use git::{FORGOTTEN, GitFailed};
pub use label::{Excluded, Label, Maturity};
pub use mine::{How, Mined, NotMined, Seen, mine, mine_beside};
pub use parse::Malformed;
pub use range::{AsOne, as_one, commits};
pub use services::{CODEOWNERS_BYTES_MAX, NoServices, Services};
pub use settings::Settings;
pub use state::{NoState, State};
