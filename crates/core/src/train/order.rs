//! The order of a train that is inferred: proposed by one, accepted by another, and used from then on.
//!
//! ```text
//! nothing -> proposed -> accepted -> another is proposed, and the accepted one is used until that is accepted
//! ```
//! A train that is under way keeps the order with which it departed. Not here: how it is inferred (`infer`).

use super::infer::{EDGES_MAX, EVIDENCE_MAX, IGNORED_MAX, Proposal};
use super::spec::{Car, Problem, Spec};
use crate::id::{At, Digest};
use crate::line::line;
use crate::machine::Machine;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// Longest reason that is kept, in bytes.
const TEXT_BYTES_MAX: usize = 1_000;

/// What happened to an order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum OrderEvent {
    /// Somebody proposes one.
    Proposed {
        /// The order, with its evidence.
        proposal: Proposal,
        /// Digest of it.
        digest: Digest,
        /// Who.
        by: String,
        /// Why.
        reason: String,
        /// When.
        at: At,
    },
    /// Somebody accepts it.
    Accepted {
        /// Digest of the one that was shown to them.
        digest: Digest,
        /// Who.
        by: String,
        /// Why.
        reason: String,
        /// When.
        at: At,
    },
}

/// What somebody wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OrderCommand {
    /// Propose an order.
    Propose {
        /// The order, with its evidence.
        proposal: Proposal,
        /// Digest of it.
        digest: Digest,
        /// Who.
        by: String,
        /// Why.
        reason: String,
        /// When.
        at: At,
    },
    /// Accept the one that is proposed.
    Accept {
        /// The one that was shown to them; none: the one that is proposed.
        digest: Option<Digest>,
        /// Nobody is named who may do what, so that one person does both.
        alone: bool,
        /// Who.
        by: String,
        /// Why.
        reason: String,
        /// When.
        at: At,
    },
}

/// Why a command did nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OrderRefused {
    /// Who and why are recorded.
    #[error("{0} the order of a train: say who and why: it is recorded")]
    NoReason(&'static str),
    /// Nothing waits.
    #[error("accept the order of a train: none is proposed: `tidegate train propose` does")]
    Nothing,
    /// Another one.
    #[error(
        "accept the order of a train: {given} is not the one that is proposed, which is {proposed}: look at it with `tidegate train order`"
    )]
    Other {
        /// What was given.
        given: Digest,
        /// What is proposed.
        proposed: Digest,
    },
    /// Four eyes are not two.
    #[error("accept the order of a train: {0} proposed it: somebody else accepts it")]
    Own(String),
    /// Too much, or not to be read as it stands.
    #[error("propose the order of a train: {0}: let `tidegate train propose` make it")]
    Form(&'static str),
    /// No order.
    #[error("propose the order of a train: {0}")]
    NoOrder(Problem),
}

/// One that was proposed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Proposed {
    /// The order.
    pub proposal: Proposal,
    /// Digest of it.
    pub digest: Digest,
    /// Who.
    pub by: String,
    /// Why.
    pub reason: String,
    /// When.
    pub at: At,
}

/// One that is used.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Accepted {
    /// What was proposed.
    pub proposed: Proposed,
    /// Who accepted it.
    pub by: String,
    /// Why.
    pub reason: String,
    /// When.
    pub at: At,
}

/// The fold of an order's facts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct OrderState {
    /// What waits for somebody's word.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub proposed: Option<Proposed>,
    /// What is used.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub accepted: Option<Accepted>,
}

impl OrderState {
    /// The services of a train in the accepted order.
    ///
    /// # Errors
    /// When there is none, or one of the services was not in it; with the sentence for a person.
    pub fn ordered(&self, cars: &[Car]) -> Result<Vec<Car>, String> {
        let propose = "`tidegate train propose` and `tidegate train accept` do that";
        let Some(accepted) = &self.accepted else {
            return Err(format!("its order is inferred, and none was accepted: {propose}"));
        };
        let proposal = &accepted.proposed.proposal;
        if let Some(new) = cars.iter().find(|car| !proposal.services.contains(&car.service)) {
            return Err(format!("`{}` was not in it when its order was accepted: propose and accept one with it: {propose}", new.service));
        }
        Ok(cars.iter().map(|car| Car { after: before(proposal, cars, &car.service), ..car.clone() }).collect())
    }
}

/// The services of a train that one comes after: through those that were in the accepted order and have left the train, too.
fn before(proposal: &Proposal, cars: &[Car], service: &str) -> Vec<String> {
    let (mut look, mut seen, mut found) = (vec![service], BTreeSet::from([service]), BTreeSet::new());
    while let Some(at) = look.pop() {
        for edge in proposal.after(at).filter(|edge| seen.insert(&edge.after)) {
            if cars.iter().any(|car| car.service == edge.after) {
                found.insert(edge.after.clone());
            } else {
                look.push(&edge.after);
            }
        }
    }
    found.into_iter().collect()
}

/// Orders of the trains of one name.
#[derive(Clone, Copy, Debug)]
pub struct Orders;

impl Machine for Orders {
    const KIND: &'static str = "train_order";
    type State = OrderState;
    type Command = OrderCommand;
    type Event = OrderEvent;
    type Refused = OrderRefused;

    fn decide(state: &OrderState, command: &OrderCommand) -> Result<Vec<OrderEvent>, OrderRefused> {
        match command {
            OrderCommand::Propose { proposal, digest, by, reason, at } => {
                said("propose", by, reason)?;
                if let Some(why) = beyond(proposal) {
                    return Err(OrderRefused::Form(why));
                }
                order_of(proposal).map_err(OrderRefused::NoOrder)?;
                let same = |known: &Proposed| known.digest == *digest && known.by == *by;
                if state.proposed.as_ref().is_some_and(same) {
                    return Ok(vec![]);
                }
                let (proposal, by, reason) = (proposal.clone(), by.clone(), line(reason, TEXT_BYTES_MAX));
                Ok(vec![OrderEvent::Proposed { proposal, digest: digest.clone(), by, reason, at: *at }])
            }
            OrderCommand::Accept { digest, alone, by, reason, at } => {
                said("accept", by, reason)?;
                let Some(proposed) = &state.proposed else {
                    // The same again, as after an answer that was lost.
                    let done =
                        state.accepted.as_ref().is_some_and(|known| known.by == *by && Some(&known.proposed.digest) == digest.as_ref());
                    return if done { Ok(vec![]) } else { Err(OrderRefused::Nothing) };
                };
                if let Some(given) = digest.as_ref().filter(|given| **given != proposed.digest) {
                    return Err(OrderRefused::Other { given: given.clone(), proposed: proposed.digest.clone() });
                }
                if !alone && proposed.by == *by {
                    return Err(OrderRefused::Own(by.clone()));
                }
                Ok(vec![OrderEvent::Accepted {
                    digest: proposed.digest.clone(),
                    by: by.clone(),
                    reason: line(reason, TEXT_BYTES_MAX),
                    at: *at,
                }])
            }
        }
    }

    fn evolve(mut state: OrderState, event: &OrderEvent) -> OrderState {
        match event {
            OrderEvent::Proposed { proposal, digest, by, reason, at } => {
                let (proposal, by, reason) = (proposal.clone(), by.clone(), reason.clone());
                state.proposed = Some(Proposed { proposal, digest: digest.clone(), by, reason, at: *at });
            }
            OrderEvent::Accepted { by, reason, at, .. } => {
                let accepted = |proposed| Accepted { proposed, by: by.clone(), reason: reason.clone(), at: *at };
                state.accepted = state.proposed.take().map(accepted).or(state.accepted);
            }
        }
        state
    }
}

/// What is too much of a proposal, or no line: whoever accepts it must see all of it as it is.
fn beyond(proposal: &Proposal) -> Option<&'static str> {
    let plain = |text: &str| line(text, TEXT_BYTES_MAX) == text;
    let edges = &proposal.edges;
    let known = |service: &String| proposal.services.contains(service);
    let texts = edges.iter().flat_map(|edge| &edge.evidence).chain(&proposal.ignored).chain(proposal.cycles.iter().flatten());
    match () {
        () if edges.len() > EDGES_MAX => Some("it has too many pairs of services"),
        () if proposal.ignored.len() > IGNORED_MAX || edges.iter().any(|edge| edge.evidence.len() > EVIDENCE_MAX) => {
            Some("it has more evidence, or more that was left out, than is shown")
        }
        () if !edges.iter().all(|edge| known(&edge.service) && known(&edge.after)) => Some("one of its pairs is of no service of it"),
        () if !texts.chain(&proposal.services).all(|text| plain(text)) => Some("a text in it is no plain line"),
        () => None,
    }
}

/// Whether a proposal is an order at all: it comes from outside.
fn order_of(proposal: &Proposal) -> Result<Spec, Problem> {
    let after = |service: &str| proposal.after(service).map(|edge| edge.after.clone()).collect();
    let car = |service: &String| Car { service: service.clone(), after: after(service), ..Car::default() };
    Spec::build(proposal.services.iter().map(car).collect())
}

fn said(what: &'static str, by: &str, reason: &str) -> Result<(), OrderRefused> {
    if by.trim().is_empty() || reason.trim().is_empty() { Err(OrderRefused::NoReason(what)) } else { Ok(()) }
}
