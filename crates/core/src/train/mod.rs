//! Trains: releases of several services in the order in which they need each other, and back in the reverse order when one of them
//! turns out harmful.
//!
//! A car is one service's release, which its own machine judges, promotes and rolls back (`rollout`). The train says when each may
//! start and which must be undone. Whether versions fit
//! each other is a function beside it (`fit`). Not here: who starts, aborts and undoes them.

mod asked;
mod fact;
mod fit;
#[cfg(test)]
mod fitting;
mod infer;
#[cfg(test)]
mod inferring;
mod live;
mod machine;
mod order;
#[cfg(test)]
mod passages;
mod spec;
#[cfg(test)]
mod tests;

pub use asked::{Asked, asked};
pub use fact::{Cause, Command, End, Event, Refused, Want};
pub use fit::{Fit, MISFITS_MAX, Misfit, PAIRS_MAX, Party, UNCHECKED_MAX, fit};
pub use infer::{EDGES_MAX, EVIDENCE_MAX, Edge, Finding, IGNORED_MAX, NoProposal, Proposal, Span, SpanKind, calls, propose};
pub use live::{Brought, Of, Released, live};
pub use machine::{CarState, PASSED_MAX, Phase, State, Train, Trains, wants};
pub use order::{Accepted, OrderCommand, OrderEvent, OrderRefused, OrderState, Orders, Proposed};
pub use spec::{CARS_MAX, Car, Problem, Spec, Verify};
