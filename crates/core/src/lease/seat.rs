//! One seat for a whole control plane: whoever holds it acts, all others stand by.
//!
//! The same facts, fences, clocks and signs of life as for slices, without shares: it changes hands only when its holder leaves or dies.

use super::{Command, Session, Slice, Uptime, Watch};
use crate::id::At;

/// The stream of the seat.
pub const SEAT: &str = "lease/seat";

/// What `me` does about the seat: takes it where nobody holds it, or who held it is gone. `asked` as for `plan`.
#[must_use]
pub fn sit(me: &Session, seat: &Slice, watch: &Watch, asked: Uptime, at: At) -> Option<Command> {
    let over = match &seat.holder {
        None => None,
        Some(holder) if holder != me && watch.gone(holder, asked) => Some(holder.clone()),
        Some(_) => return None,
    };
    Some(Command::Take { by: me.clone(), over, at })
}
