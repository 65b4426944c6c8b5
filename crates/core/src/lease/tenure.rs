//! How long a replica may act: its own side of the lease.

use super::{Beat, LEASE_MS, MARGIN_MS, Session, Uptime};

/// A beat on its way; it is handed back when it was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sent {
    /// What is to be written.
    pub beat: Beat,
    /// When it left, by the sender's clock. The lease counts from here: the answer tells nothing of when it was written.
    pub at: Uptime,
}

/// The session of a replica and the end of its lease.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tenure {
    session: Session,
    /// Beats sent.
    count: u64,
    /// When the newest acknowledged beat was sent.
    renewed: Option<Uptime>,
}

impl Tenure {
    /// One that has not beaten yet.
    #[must_use]
    pub fn new(session: Session) -> Tenure {
        Tenure { session, count: 0, renewed: None }
    }

    /// The session now.
    #[must_use]
    pub fn session(&self) -> &Session {
        &self.session
    }

    /// Until when it may act; none before the first beat is acknowledged.
    #[must_use]
    pub fn until(&self) -> Option<Uptime> {
        self.renewed.map(|sent| sent.plus_ms(LEASE_MS - MARGIN_MS))
    }

    /// Whether it may act.
    #[must_use]
    pub fn acts(&self, now: Uptime) -> bool {
        self.until().is_some_and(|until| now < until)
    }

    /// The next beat. A session that was too late is over, whatever it hears later: the replica goes on as a new one.
    pub fn beat(&mut self, now: Uptime) -> Sent {
        if self.renewed.is_some() && !self.acts(now) {
            let number = self.session.number.saturating_add(1);
            *self = Tenure::new(Session { number, ..self.session.clone() });
        }
        self.count += 1;
        Sent { beat: Beat { session: self.session.clone(), count: self.count, ready: self.acts(now) }, at: now }
    }

    /// The beat was written: the lease lasts from when it was sent, unless it had ended meanwhile.
    pub fn beaten(&mut self, sent: &Sent, now: Uptime) {
        let over = self.renewed.is_some() && !self.acts(now);
        if sent.beat.session == self.session && !over {
            self.renewed = self.renewed.max(Some(sent.at));
        }
    }
}
