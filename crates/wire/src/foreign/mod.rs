//! What other release tools ask for and expect to be answered: Argo Rollouts, Flagger, Kayenta, Spinnaker, GitHub, GitLab.
//!
//! Not here: routes, and what is judged (`core::judgement`, `core::peers`).

pub mod deployments;
pub mod import;
pub mod kayenta;
pub mod verdict;
