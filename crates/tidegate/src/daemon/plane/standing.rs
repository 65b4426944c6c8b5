//! What followers are told of the routes: since when they stand, and of which services not what stood before.

use super::{Plane, lock};
use crate::clock;
use std::collections::BTreeSet;
use tidegate_core::id::At;
use tokio::sync::watch;

impl Plane {
    /// Tells followers that other routes stand; not before all of them stand again that did at the last end.
    pub(super) fn stands(&self, generation: u64) {
        self.0.standing.send_modify(|now| {
            if now.is_some() {
                *now = Some((generation, clock::now()));
            }
        });
    }

    /// Tells followers from now on.
    pub(super) fn restored(&self) {
        self.0.standing.send_replace(Some((lock(&self.0.table).0.generation, clock::now())));
    }

    /// Services that do not stand again as they stood at the last end.
    pub fn unrestored(&self) -> BTreeSet<String> {
        lock(&self.0.unrestored).clone()
    }

    /// Generation of the routes and since when they stand.
    pub fn standing(&self) -> watch::Receiver<Option<(u64, At)>> {
        self.0.standing.subscribe()
    }

    /// Which run of the control plane this is: generations of another one say nothing here.
    pub fn epoch(&self) -> u64 {
        self.0.epoch
    }
}
