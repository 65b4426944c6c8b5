//! What the checkers are shown: new facts and whose hand wrote them, and whether everything is driven.

use super::host::Host;
use super::world::{Service, World};
use tidegate_core::lease::{Event as LeaseEvent, SLICES, Session, Slices};
use tidegate_core::machine::Machine as _;
use tidegate_core::rollout::{Event, check};
use tidegate_port::{Journal as _, Record};

/// Records read at once.
const RECORDS_MAX: usize = 1_000;

impl World {
    /// Looks at what is new in the journal, by the hand of `host`.
    pub(super) fn read_on(&mut self, host: usize) {
        let records = self.journal.read_all(self.read, RECORDS_MAX).unwrap_or_default();
        self.read += records.len() as u64;
        let by = self.session(host);
        for service in 0..self.services.len() {
            self.rollout_facts(service, host, &by, &records);
        }
        for record in records.iter().filter(|r| r.kind == Slices::KIND) {
            let slice = record.stream.rsplit('/').next().and_then(|slice| slice.parse().ok()).unwrap_or(SLICES);
            if let Ok(event) = serde_json::from_value::<LeaseEvent>(record.body.clone()) {
                self.checker.moved(self.now_ms, slice, &event, &by);
            }
        }
    }

    fn rollout_facts(&mut self, service: usize, host: usize, by: &Session, records: &[Record]) {
        let stream = self.services[service].id.stream();
        let own = records.iter().filter(|r| r.stream == stream);
        let events: Vec<Event> = own.filter_map(|r| serde_json::from_value(r.body.clone()).ok()).collect();
        if events.is_empty() {
            return;
        }
        self.checker.wrote(self.now_ms, self.services[service].slice, by);
        for event in &events {
            let line = format!("{} by {}: {event}", self.services[service].id.service, self.hosts[host].name);
            self.tell(line);
        }
        let notes = check(&self.state(service));
        let Service { rules, plane, .. } = &mut self.services[service];
        rules.happened(self.now_ms, &events, plane);
        rules.notes(self.now_ms, notes);
    }

    /// Looks whether everything is driven that is not at its end.
    pub(super) fn look(&mut self) {
        let open: Vec<usize> =
            (0..self.services.len()).filter(|n| !self.state(*n).rollout().is_some_and(|r| r.phase.is_terminal())).collect();
        let slices: Vec<u32> = open.into_iter().map(|n| self.services[n].slice).collect();
        let sound = self.sound();
        self.checker.driven(self.now_ms, &slices, &sound);
    }

    fn sound(&self) -> Vec<Session> {
        let acts = |h: &Host| h.replica.as_ref().is_some_and(|r| r.acts(h.now(self.now_ms)));
        (0..self.hosts.len()).filter(|n| self.hosts[*n].sound() && acts(&self.hosts[*n])).map(|n| self.session(n)).collect()
    }
}
