//! A route table made ready for use: each target with its worker and its counts, each split with its place.
//!
//! A plan is immutable and swapped whole. A service whose targets and weights did not change keeps its place in
//! the split; any change starts a new sequence under a new seed.

use crate::cache::{CacheCounts, Key, Question};
use crate::counts::{Book, Counts};
use crate::pool::{Slot, WorkerPool};
use crate::record::Exposure;
use arc_swap::ArcSwap;
use hyper::header::HeaderValue;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tidegate_core::route::{Lot, Route, RouteTable, Split, SplitError, Stretch, TargetId, WEIGHT_TOTAL_BP, sticky_pick};

/// One target of a plan.
#[derive(Debug)]
pub struct PlanTarget {
    pub id: TargetId,
    pub version: Arc<str>,
    /// The version as a response header says it.
    pub header: HeaderValue,
    pub weight_bp: u32,
    pub slot: Arc<Slot>,
    pub counts: Arc<Counts>,
}

/// One service's route.
#[derive(Debug)]
pub struct PlanRoute {
    pub generation: u64,
    pub service: Arc<str>,
    pub model: Arc<str>,
    pub route: Route,
    /// In the order of the route's targets.
    pub targets: Vec<Arc<PlanTarget>>,
    sequence: Arc<Sequence>,
    /// The generation since which the route stands as it stands.
    pub since: u64,
    /// How often answers were given again.
    pub cached: Arc<CacheCounts>,
    pub mirror: Option<PlanMirror>,
    /// Who answers those who ask for the version under judgement.
    pub preview: Option<Arc<PlanTarget>>,
    /// Who answers the clients of an A/B test.
    pub lot: Option<PlanLot>,
}

/// One service's A/B test.
#[derive(Debug)]
pub struct PlanLot {
    pub test: Arc<str>,
    /// In the order of the lot's stretches, each with its variant's name.
    pub variants: Vec<(Arc<PlanTarget>, Arc<str>)>,
}

/// One service's shadow.
#[derive(Debug)]
pub struct PlanMirror {
    pub candidate: Arc<PlanTarget>,
    pub control: Arc<PlanTarget>,
    sequence: Arc<Sequence>,
}

/// The whole table.
#[derive(Debug, Default)]
pub struct Plan {
    pub table: RouteTable,
    pub by_model: HashMap<String, Arc<PlanRoute>>,
}

/// A target that cannot be routed to.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    /// It was never ensured.
    #[error("route {service}: {target} is not loaded: load it and wait until it is ready")]
    NotLoaded {
        /// Service.
        service: String,
        /// The target.
        target: TargetId,
    },
    /// Its golden requests were not answered right yet.
    #[error("route {service}: {target} was never ready: wait until its golden answers are right")]
    NeverReady {
        /// Service.
        service: String,
        /// The target.
        target: TargetId,
    },
    /// A version that cannot stand in a header.
    #[error("route {service}: the version of {target} holds control characters")]
    Version {
        /// Service.
        service: String,
        /// The target.
        target: TargetId,
    },
    /// Weights that are none.
    #[error("route {service}: {source}")]
    Split {
        /// Service.
        service: String,
        /// Why.
        source: SplitError,
    },
}

/// What a plan is made from.
pub struct Ground<'a> {
    pub pool: &'a WorkerPool,
    pub book: &'a Book,
    pub seed: u64,
    pub before: &'a Plan,
}

impl Plan {
    /// The plan of a checked table.
    pub fn new(table: RouteTable, ground: &Ground<'_>) -> Result<Plan, PlanError> {
        let mut by_model = HashMap::new();
        for route in table.routes.values() {
            by_model.insert(route.model.clone(), Arc::new(plan_route(route, table.generation, ground)?));
        }
        Ok(Plan { table, by_model })
    }

    /// Whether a target has weight or is mirrored to.
    pub fn needs(&self, target: &TargetId) -> bool {
        self.table.routes.get(&target.service).is_some_and(|r| r.needed().contains(&target))
    }
}

fn plan_route(route: &Route, generation: u64, ground: &Ground<'_>) -> Result<PlanRoute, PlanError> {
    let before = ground.before.by_model.get(&route.model).filter(|b| b.service.as_ref() == route.service);
    let targets = route
        .targets
        .iter()
        .filter(|t| t.weight_bp > 0)
        .map(|t| plan_target(&route.service, &t.target, t.weight_bp, ground).map(Arc::new))
        .collect::<Result<Vec<_>, _>>()?;
    let sequence = match before.filter(|b| b.route.targets == route.targets) {
        Some(before) => Arc::clone(&before.sequence),
        None => new_sequence(&route.service, generation, ground.seed, &targets.iter().map(|t| t.weight_bp).collect::<Vec<_>>())?,
    };
    let mirror = match &route.mirror {
        Some(mirror) if mirror.percent_bp > 0 => {
            let before = before.filter(|b| b.route.mirror.as_ref() == Some(mirror)).and_then(|b| b.mirror.as_ref());
            let weights = [mirror.percent_bp, WEIGHT_TOTAL_BP - mirror.percent_bp];
            Some(PlanMirror {
                candidate: Arc::new(plan_target(&route.service, &mirror.candidate, 0, ground)?),
                control: Arc::new(plan_target(&route.service, &mirror.control, 0, ground)?),
                sequence: match before {
                    Some(before) => Arc::clone(&before.sequence),
                    None => new_sequence(&route.service, generation, !ground.seed, &weights)?,
                },
            })
        }
        Some(_) | None => None,
    };
    let preview = route.preview.as_ref().map(|p| plan_target(&route.service, &p.target, 0, ground).map(Arc::new)).transpose()?;
    let lot = route.lot.as_ref().map(|lot| plan_lot(&route.service, lot, ground)).transpose()?;
    let (service, model) = (route.service.as_str().into(), route.model.as_str().into());
    let before = ground.before.by_model.get(&route.model).filter(|b| b.service.as_ref() == route.service);
    let since = before.filter(|b| b.route == *route).map_or(generation, |b| b.since);
    let cached = before.map_or_else(Arc::default, |b| Arc::clone(&b.cached));
    Ok(PlanRoute { generation, service, model, route: route.clone(), targets, sequence, since, cached, mirror, preview, lot })
}

fn plan_lot(service: &str, lot: &Lot, ground: &Ground<'_>) -> Result<PlanLot, PlanError> {
    let of = |stretch: &Stretch| {
        let target = plan_target(service, &stretch.target, 0, ground)?;
        Ok((Arc::new(target), stretch.target.variant.as_deref().unwrap_or_default().into()))
    };
    Ok(PlanLot { test: lot.test.as_str().into(), variants: lot.stretches.iter().map(of).collect::<Result<_, _>>()? })
}

fn plan_target(service: &str, target: &TargetId, weight_bp: u32, ground: &Ground<'_>) -> Result<PlanTarget, PlanError> {
    let named = || (service.to_owned(), target.clone());
    let Some(slot) = ground.pool.slot(target).filter(|s| !s.draining.load(Ordering::SeqCst)) else {
        let (service, target) = named();
        return Err(PlanError::NotLoaded { service, target });
    };
    // A target that was ready and is being started again stays routable: its share is answered elsewhere meanwhile.
    if !slot.ever_ready.load(Ordering::SeqCst) {
        let (service, target) = named();
        return Err(PlanError::NeverReady { service, target });
    }
    let Ok(header) = HeaderValue::from_str(&target.version) else {
        let (service, target) = named();
        return Err(PlanError::Version { service, target });
    };
    let counts = ground.book.of(target);
    Ok(PlanTarget { id: target.clone(), version: target.version.as_str().into(), header, weight_bp, slot, counts })
}

fn new_sequence(service: &str, generation: u64, seed: u64, weights_bp: &[u32]) -> Result<Arc<Sequence>, PlanError> {
    // FNV-1a over service and generation: sequences of different services and generations are unrelated.
    let named = service
        .bytes()
        .chain(generation.to_le_bytes())
        .fold(seed ^ 0xcbf2_9ce4_8422_2325, |h, b| (h ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3));
    let split = Split::new(named, weights_bp).map_err(|source| PlanError::Split { service: service.to_owned(), source })?;
    Ok(Arc::new(Sequence::new(split)))
}

impl PlanRoute {
    /// By what a target's answer is known that is kept. Nothing that was kept before a promotion, a rollback or a wrong answer is found after.
    pub fn key(&self, target: &PlanTarget, question: &Question) -> Key {
        let epoch = target.slot.epoch.load(Ordering::SeqCst);
        Key { since: self.since, epoch, target: target.id.clone(), digest: question.digest }
    }

    /// The next target of the exact split.
    pub fn next(&self) -> &Arc<PlanTarget> {
        &self.targets[self.sequence.next()]
    }

    /// The target of a sticky key.
    pub fn sticky(&self, salt: &str, key: &[u8]) -> Option<&Arc<PlanTarget>> {
        let chosen = &self.route.targets.get(sticky_pick(&self.route.targets, salt, key)?)?.target;
        self.targets.iter().find(|t| t.id == *chosen)
    }

    /// Who answers a client of an A/B test, and what it was drawn for.
    pub fn drawn(&self, key: Option<&[u8]>, secret: &[u8; 32]) -> Option<(&Arc<PlanTarget>, Exposure)> {
        let (lot, plan, key) = (self.route.lot.as_ref()?, self.lot.as_ref()?, key?);
        let (target, variant) = plan.variants.get(lot.draw(key)?)?;
        let exposure = Exposure { test: Arc::clone(&plan.test), variant: Arc::clone(variant), unit: lot.pseudonym(secret, key) };
        Some((target, exposure))
    }

    /// The target that answers for a version by name: the one with most weight.
    pub fn of_version(&self, version: &str) -> Option<&Arc<PlanTarget>> {
        self.targets.iter().filter(|t| t.id.version == version).max_by_key(|t| t.weight_bp)
    }

    /// The target with most weight.
    pub fn main(&self) -> Option<&Arc<PlanTarget>> {
        self.targets.iter().max_by_key(|t| t.weight_bp)
    }

    /// Another ready target: before others one whose breaker is closed, then the one with most weight.
    pub fn elsewhere(&self, than: &PlanTarget) -> Option<&Arc<PlanTarget>> {
        self.targets.iter().filter(|t| t.id != than.id && t.slot.ready()).max_by_key(|t| (!t.slot.refuses(), t.weight_bp))
    }

    /// Whether an answer may be given again, and for how long. Not while versions are compared: each has to be asked.
    pub fn keeps(&self) -> Option<Duration> {
        let alone = self.targets.len() == 1 && self.mirror.is_none() && self.lot.is_none();
        self.route.cache_ms.filter(|ms| alone && *ms > 0).map(Duration::from_millis)
    }

    /// Whether another target is ready whose breaker lets requests come.
    pub fn has_well(&self, than: &PlanTarget) -> bool {
        self.targets.iter().any(|t| t.id != than.id && t.slot.ready() && !t.slot.refuses())
    }

    /// Versions with weight, in the order of the route, each once.
    pub fn versions(&self) -> Vec<&str> {
        let mut versions: Vec<&str> = Vec::new();
        for target in &self.targets {
            if !versions.contains(&target.id.version.as_str()) {
                versions.push(&target.id.version);
            }
        }
        versions
    }
}

impl PlanMirror {
    /// Whether the next live request is copied, and whether the candidate is then asked first.
    pub fn next(&self) -> Option<bool> {
        let (n, side) = self.sequence.next_numbered();
        (side == 0).then(|| n.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 63 == 0)
    }
}

/// A split with its place: each request takes the next number; chunks are kept while they last.
#[derive(Debug)]
struct Sequence {
    split: Split,
    next: AtomicU64,
    chunk: ArcSwap<Chunk>,
}

#[derive(Debug)]
struct Chunk {
    index: u64,
    order: Vec<u8>,
}

impl Sequence {
    fn new(split: Split) -> Sequence {
        let chunk = Chunk { index: 0, order: split.chunk(0) };
        Sequence { split, next: AtomicU64::new(0), chunk: ArcSwap::from_pointee(chunk) }
    }

    fn next(&self) -> usize {
        self.next_numbered().1
    }

    fn next_numbered(&self) -> (u64, usize) {
        let n = self.next.fetch_add(1, Ordering::Relaxed);
        let (index, place) = (n / self.split.chunk_len(), (n % self.split.chunk_len()) as usize);
        let kept = self.chunk.load();
        if kept.index == index {
            return (n, usize::from(kept.order[place]));
        }
        // Whoever comes first to a new chunk makes it; two that come together make the same one.
        let made = Arc::new(Chunk { index, order: self.split.chunk(index) });
        if index > kept.index {
            self.chunk.store(Arc::clone(&made));
        }
        (n, usize::from(made.order[place]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_threads_share_one_exact_order() {
        const EACH: usize = 3_000;
        let split = Split::new(7, &[9_000, 500, 500]).unwrap();
        let sequence = Arc::new(Sequence::new(split.clone()));
        let takers: Vec<_> = (0..4)
            .map(|_| {
                let sequence = Arc::clone(&sequence);
                std::thread::spawn(move || (0..EACH).map(|_| sequence.next_numbered()).collect::<Vec<_>>())
            })
            .collect();
        let mut taken: Vec<(u64, usize)> = takers.into_iter().flat_map(|t| t.join().unwrap()).collect();
        taken.sort_unstable();
        let expected: Vec<u8> = (0..).flat_map(|index| split.chunk(index)).take(4 * EACH).collect();
        assert_eq!(taken.len(), expected.len());
        for ((n, chosen), (place, should)) in taken.iter().zip(expected.iter().enumerate()) {
            assert_eq!((*n as usize, *chosen), (place, usize::from(*should)));
        }
    }
}
