//! What other release tools ask for and expect to be answered: Argo Rollouts, Flagger, Kayenta, Spinnaker.
//!
//! Not here: routes, and what is judged (`core::judgement`, `core::peers`).

pub mod import;
pub mod kayenta;
pub mod verdict;
