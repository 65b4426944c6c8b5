//! One outcome for each client, out of all its requests and their labels.
//!
//! The unit that was drawn by lot is the client, so the client is what is counted, once: the mean of what its labels say of the
//! requests within the window that begins with its first request, by the labels that came within it. What comes later changes
//! nothing. So an outcome is a function of one client alone, fixed at a time that does not depend on it; clients are counted in the
//! order in which they entered, when their windows have closed, and not in the order in which labels come: yes may come sooner than
//! no, and sooner in one variant than in another, without moving the comparison. Given the past, each client in turn is in a variant
//! with the registered chance, whatever its outcomes would be: that is all that `stats::betting` asks for.

use super::spec::{Metric, Missing, Spec, Worth};
use crate::id::At;
use std::collections::BTreeMap;
use tidegate_stats::betting::STEPS;

/// Most clients of one test; those that enter later are not in it.
pub const CLIENTS_MAX: usize = 1_000_000;
/// Most requests of one client that count: its first.
pub const OUTCOMES_MAX: u32 = 100;
/// After a window has closed, its rows may still be on their way to the disk for so long.
const SETTLE_MS: u64 = 2_000;

/// A request of a client that was drawn.
#[derive(Clone, Copy, Debug)]
pub struct Exposure<'a> {
    /// When it was answered.
    pub at: At,
    /// The client, by its pseudonym.
    pub unit: &'a str,
    /// The variant that it was drawn for, whoever answered.
    pub variant: &'a str,
    /// The request; labels come by it.
    pub request: &'a str,
    /// What was decided, where there was a score.
    pub decision: Option<bool>,
}

/// A client that entered.
#[derive(Clone, Debug)]
struct Client {
    variant: usize,
    first: At,
    requests: u32,
}

#[derive(Clone, Debug)]
struct Request {
    client: usize,
    at: At,
    decision: Option<bool>,
    /// The newest label that came within the window.
    label: Option<(At, f64)>,
}

/// A client as it counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Taken {
    /// Index of its variant in the registration.
    pub variant: usize,
    /// Its first request.
    pub entered: At,
    /// When its outcome is final.
    pub final_at: At,
    /// Its outcome, in steps of the metric's range; none where no label came and such clients are left out.
    pub step: Option<u16>,
}

/// How many clients entered a variant, and how many of them count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Entered {
    /// All.
    pub entered: u64,
    /// With an outcome.
    pub counted: u64,
}

/// The clients of a test. Requests are given before labels.
#[derive(Clone, Debug)]
pub struct Clients {
    variants: BTreeMap<String, usize>,
    metric: Metric,
    by_unit: BTreeMap<String, usize>,
    clients: Vec<Client>,
    requests: BTreeMap<String, Request>,
}

impl Clients {
    /// Nobody yet.
    #[must_use]
    pub fn new(spec: &Spec) -> Clients {
        let variants = spec.variants.iter().enumerate().map(|(i, v)| (v.name.clone(), i)).collect();
        let metric = spec.metric.clone();
        Clients { variants, metric, by_unit: BTreeMap::new(), clients: vec![], requests: BTreeMap::new() }
    }

    /// A request. A client belongs to the variant that it was first seen with.
    pub fn expose(&mut self, seen: Exposure<'_>) {
        let Some(variant) = self.variants.get(seen.variant).copied() else { return };
        let index = match self.by_unit.get(seen.unit) {
            Some(index) => *index,
            None if self.clients.len() < CLIENTS_MAX => {
                self.clients.push(Client { variant, first: seen.at, requests: 0 });
                self.by_unit.insert(seen.unit.to_owned(), self.clients.len() - 1);
                self.clients.len() - 1
            }
            None => return,
        };
        let Some(client) = self.clients.get_mut(index) else { return };
        client.first = client.first.min(seen.at);
        if client.requests >= OUTCOMES_MAX || self.requests.contains_key(seen.request) {
            return;
        }
        client.requests += 1;
        let request = Request { client: index, at: seen.at, decision: seen.decision, label: None };
        self.requests.insert(seen.request.to_owned(), request);
    }

    /// A label. Of several for one request the newest within the window counts.
    pub fn label(&mut self, at: At, request: &str, value: f64) {
        let Some(found) = self.requests.get_mut(request) else { return };
        let Some(client) = self.clients.get(found.client) else { return };
        let last = client.first.plus_ms(self.metric.window_ms);
        let newer = found.label.is_none_or(|(before, _)| at >= before);
        if newer && at <= last && found.at <= last && value.is_finite() {
            found.label = Some((at, value));
        }
    }

    /// Every client, in the order in which they entered.
    #[must_use]
    pub fn taken(&self) -> Vec<Taken> {
        let mut sums: Vec<(f64, u32)> = vec![(0.0, 0); self.clients.len()];
        for request in self.requests.values() {
            let worth = request.label.and_then(|(_, label)| self.worth(label, request.decision));
            if let (Some(worth), Some(sum)) = (worth, sums.get_mut(request.client)) {
                *sum = (sum.0 + worth, sum.1 + 1);
            }
        }
        let mut order: Vec<(&String, usize)> = self.by_unit.iter().map(|(unit, i)| (unit, *i)).collect();
        order.sort_by_key(|(unit, i)| (self.clients.get(*i).map(|c| c.first), *unit));
        let of = |(_, i): (&String, usize)| {
            let (client, (sum, count)) = (self.clients.get(i)?, *sums.get(i)?);
            let outcome = match self.metric.missing {
                _ if count > 0 => Some(sum / f64::from(count)),
                Missing::LeftOut => None,
                Missing::Zero => Some(self.metric.part(0.0)),
            };
            Some(Taken {
                variant: client.variant,
                entered: client.first,
                final_at: client.first.plus_ms(self.metric.window_ms.saturating_add(SETTLE_MS)),
                step: outcome.map(|o| libm::round(o * f64::from(STEPS)) as u16),
            })
        };
        order.into_iter().filter_map(of).collect()
    }

    /// What a label says of an answer, 0 to 1.
    fn worth(&self, label: f64, decision: Option<bool>) -> Option<f64> {
        match self.metric.feedback {
            Worth::Label => Some(self.metric.part(label)),
            // Where nothing was decided nothing was right.
            Worth::Correct => Some(if decision == Some(label > 0.5) { 1.0 } else { 0.0 }),
        }
    }
}
