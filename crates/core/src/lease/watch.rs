//! Who still lives: what a replica sees of the others.

use super::{Beat, LEASE_MS, MARGIN_MS, Session, Uptime};
use std::collections::BTreeMap;

#[derive(Clone, Debug, PartialEq, Eq)]
struct Seen {
    /// The newest beat's.
    count: u64,
    ready: bool,
    /// When that beat was first seen, by the clock of who looks.
    since: Uptime,
}

/// The beats that were seen, and since when there was no newer one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Watch {
    seen: BTreeMap<Session, Seen>,
}

impl Watch {
    /// Looks at all beats that there are, and at who holds something; `now` is after they were read, so that none counts as seen before
    /// it was. One without a beat counts from when that was first seen.
    pub fn look<'a>(&mut self, beats: &[Beat], holders: impl Iterator<Item = &'a Session>, now: Uptime) {
        let mut before = std::mem::take(&mut self.seen);
        for Beat { session, count, ready } in beats {
            let same = before.remove(session).filter(|seen| seen.count >= *count);
            self.seen.insert(session.clone(), same.unwrap_or(Seen { count: *count, ready: *ready, since: now }));
        }
        for holder in holders {
            if !self.seen.contains_key(holder) {
                let seen = before.remove(holder).unwrap_or(Seen { count: 0, ready: false, since: now });
                self.seen.insert(holder.clone(), seen);
            }
        }
    }

    /// Whether a session acts no more: when the beats were asked for it had been silent for so long that its own lease has ended.
    #[must_use]
    pub fn gone(&self, session: &Session, asked: Uptime) -> bool {
        self.seen.get(session).is_some_and(|seen| asked.since_ms(seen.since) >= LEASE_MS + MARGIN_MS)
    }

    /// Sessions that live and may act: of each replica the newest.
    pub fn ready(&self, asked: Uptime) -> impl Iterator<Item = &Session> {
        let newest: BTreeMap<&str, (&Session, &Seen)> =
            self.seen.iter().filter(|(session, _)| !self.gone(session, asked)).map(|(s, seen)| (s.replica.as_str(), (s, seen))).collect();
        newest.into_values().filter(|(_, seen)| seen.ready).map(|(session, _)| session)
    }

    /// Sessions whose beats are worth nothing any more: gone, and holding nothing.
    pub fn forgotten<'a>(&'a self, holders: &'a [&Session], asked: Uptime) -> impl Iterator<Item = &'a Session> {
        self.seen.keys().filter(move |session| self.gone(session, asked) && !holders.contains(session))
    }
}
