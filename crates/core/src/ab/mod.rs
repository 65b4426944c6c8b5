//! A/B tests: clients drawn by lot meet different versions of a service's model, and their outcomes are compared by a metric that
//! was registered before the first of them.
//!
//! ```text
//! Preparing ──▶ Running ──▶ Ended: concluded | stopped
//!                 │ ▲
//!                 └─┘ a variant is stopped: its clients go back, for good
//! ```
//!
//! [`Tests`] says what goes on, [`Clients`] makes one outcome of all that is known of a client, [`findings`] compares them. Not here:
//! workers, requests, labels, and training runs that are called experiments too (`run`).

mod clients;
mod fact;
mod findings;
mod machine;
mod spec;
#[cfg(test)]
mod tests;

pub use clients::{CLIENTS_MAX, Clients, Entered, Exposure, OUTCOMES_MAX, Taken};
pub use fact::{Command, Ended, Event, Refused, Stop, Want};
pub use findings::{Comparison, Findings, Side, Verdict, findings};
pub use machine::{PREPARE_MS_MAX, Phase, State, Test, Tests, VariantState, adoptable, lot_of, wants};
pub use spec::{Better, CONTROL, Draft, Kind, Metric, Missing, Problem, Spec, VARIANTS_MAX, Variant, Worth};
