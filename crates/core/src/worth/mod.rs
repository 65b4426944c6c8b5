//! What a model of risk is worth: what it said of changes and what people said, kept before it was known how they ended, and held
//! against that afterwards.
//!
//! Whoever is held was chosen to be held, so that failures which did not happen cannot be counted. Where changes are drawn by lot -
//! the model decides about some, people about the others - the difference can. [`arm`] draws, [`Said`] keeps, [`ledger`] reckons.
//! Not here: how a change is scored, and what became of it.

mod ledger;
mod lot;
mod people;
mod reckoned;
mod said;
#[cfg(test)]
mod tests;

pub use ledger::{ARM_ROWS_MIN, Avoided, ByLot, CONFIDENCE, Estimated, Ledger, Line, Row, Side, Verdict, ledger};
pub use lot::{Arm, SALT_BYTES_MAX, SALT_BYTES_MIN, Trial, arm};
pub use people::{Against, Nearer, against};
pub use reckoned::{Left, Worth};
pub use said::{
    ANSWERS_MAX, Answer, COMMITS_MAX, Command, Costs, Decision, Event, Opinion, Refused, Said, Spoken, Stand, Standing, State, Subject,
};
pub use tidegate_stats::fairness::{Estimate, Share};
