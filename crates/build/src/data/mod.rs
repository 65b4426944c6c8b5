//! Data that is too large for Git, as DVC keeps it: `.dvc` files, a cache, remotes; and what changed between revisions.
//!
//! [`Repo::open`] finds the repository; each command is a method of [`Repo`] in a file of its own. Formats are `wire::dvc`,
//! moving objects to and from a remote is [`crate::remote`]. Not here: running stages (`crate::runner`), printing.

mod add;
mod changes;
mod checkout;
mod compare;
mod dag;
mod error;
mod gc;
mod git;
pub(crate) mod ignore;
mod import;
mod lockfile;
mod manage;
mod part;
mod plots;
mod remotes;
mod repo;
mod runs;
mod status;
mod sync;
mod values;
mod view;

pub use add::{AddOptions, Added};
pub use changes::{DataStatus, DataStatusOptions, Diff, DiffRow};
pub use checkout::{CheckoutOptions, CheckoutReport};
pub use dag::{Dag, DagOptions};
pub use error::{DataError, Fault};
pub use gc::{GcOptions, GcReport, Scope};
pub use import::ImportOptions;
pub use plots::{PlotRow, PlotSource, vega_lite};
pub(crate) use repo::configuration;
pub use repo::{Repo, Surroundings};
pub use status::StatusOptions;
pub use sync::{CloudStatus, SyncOptions, SyncReport};
pub use values::{Values, ValuesDiff, diff_values};
