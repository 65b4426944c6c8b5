//! What a replica does about its share: as many slices as the others, one more or less.
//!
//! Each replica decides for itself on what it sees. Two that see it differently want too much or too little for a while; none holds
//! what another holds, for the journal takes one of two takers. What moves is what must: all that a dead one held, and as many slices
//! as are the share of a new one.

use super::{SLICES, Session, Slice, Uptime, Watch};
use std::collections::BTreeSet;

/// One deed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Take a slice.
    Take {
        /// Which.
        slice: u32,
        /// From whom, if its holder is gone.
        over: Option<Session>,
    },
    /// Give one up, for others have less.
    GiveUp {
        /// Which.
        slice: u32,
    },
}

/// What `me` does: gives up what is over its share, or takes what nobody holds up to it. `asked` is when it asked for the beats that the
/// watch looked at last: what was silent then is gone for good, however late that is acted upon; what is silent since may not be.
#[must_use]
pub fn plan(me: &Session, slices: &[Slice], watch: &Watch, asked: Uptime) -> Vec<Step> {
    // An older session of this replica is no other replica.
    let mut all: BTreeSet<&Session> = watch.ready(asked).filter(|other| other.replica != me.replica).collect();
    all.insert(me);
    let place = all.iter().position(|session| *session == me).unwrap_or(0);
    let share = share(place, all.len());
    let mine: Vec<u32> = (0..).zip(slices).filter(|(_, s)| s.holder.as_ref() == Some(me)).map(|(slice, _)| slice).collect();
    if mine.len() > share {
        return mine.into_iter().skip(share).map(|slice| Step::GiveUp { slice }).collect();
    }
    // Each begins elsewhere, so that two who take at once seldom want the same.
    let start = place * slices.len() / all.len();
    let free = (0..).zip(slices).filter(|(_, s)| s.holder.as_ref().is_none_or(|holder| watch.gone(holder, asked)));
    let mut free: Vec<(u32, Option<Session>)> = free.map(|(slice, s)| (slice, s.holder.clone())).collect();
    let turn = free.iter().position(|(slice, _)| *slice as usize >= start).unwrap_or(0);
    free.rotate_left(turn);
    free.into_iter().take(share - mine.len()).map(|(slice, over)| Step::Take { slice, over }).collect()
}

/// How many slices the replica at `place` of `replicas` has; they add up to all.
fn share(place: usize, replicas: usize) -> usize {
    let slices = SLICES as usize;
    slices / replicas.max(1) + usize::from(place < slices % replicas.max(1))
}
