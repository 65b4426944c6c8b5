//! Counts of two arms, tick by tick, with the truth beside them.

use super::Cell;
use serde::{Deserialize, Serialize};
use tidegate_stats::rng::Rng;

/// Ticks of a minute: one each 10 s.
pub const TICKS_PER_MINUTE: usize = 6;
/// Ticks of a run: an hour.
pub const TICKS: usize = 60 * TICKS_PER_MINUTE;
/// The candidate's share of traffic where it does not change.
pub(super) const SHARE: f64 = 0.25;
/// The candidate's shares where it grows, a quarter of an hour each.
const RAMP: [f64; 4] = [0.05, 0.10, 0.25, 0.50];
/// When an incident or a gap begins, and how many ticks they last.
const EVENT_AT: usize = 20 * TICKS_PER_MINUTE;
const INCIDENT_TICKS: usize = 6 * TICKS_PER_MINUTE;
const GAP_TICKS: usize = 5 * TICKS_PER_MINUTE;
/// Share of all requests that an incident makes fail.
const INCIDENT: f64 = 0.05;
/// A cold candidate fails so many times as often, for so many ticks.
const COLD: f64 = 5.0;
const COLD_TICKS: usize = 3 * TICKS_PER_MINUTE;
/// Part of its failing requests that a candidate loses before they are counted.
const LOST: f64 = 0.9;
/// Part of its other requests that it loses too.
const LOST_TOO: f64 = 0.1;
/// Requests of a client: from one up, heavy-tailed, at most this many.
const CLIENT_MAX: u32 = 40;

/// What disturbs the counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Nuisance {
    /// Nothing.
    None,
    /// Load and errors of both arms drift together.
    Drift,
    /// For six minutes one request in twenty of both arms fails.
    Incident,
    /// The rates of each arm swing by themselves from minute to minute, by 30 %.
    Bursts30,
    /// By 50 %.
    Bursts50,
    /// All requests of a client in a tick fail together or not at all; some have many.
    Clients,
    /// The candidate fails five times as often in its first three minutes.
    ColdStart,
    /// The candidate loses most of its failing requests before they are counted.
    Drops,
    /// Nothing is counted for five minutes.
    Gap,
    /// The candidate's share grows from 5 % to 50 %.
    Ramp,
}

impl Nuisance {
    /// All of them.
    pub const ALL: [Nuisance; 10] = [
        Nuisance::None,
        Nuisance::Drift,
        Nuisance::Incident,
        Nuisance::Bursts30,
        Nuisance::Bursts50,
        Nuisance::Clients,
        Nuisance::ColdStart,
        Nuisance::Drops,
        Nuisance::Gap,
        Nuisance::Ramp,
    ];

    /// In a word.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Nuisance::None => "none",
            Nuisance::Drift => "drift of both",
            Nuisance::Incident => "shared incident",
            Nuisance::Bursts30 => "bursts of one arm, 30 %",
            Nuisance::Bursts50 => "bursts of one arm, 50 %",
            Nuisance::Clients => "heavy clients",
            Nuisance::ColdStart => "cold start",
            Nuisance::Drops => "candidate loses requests",
            Nuisance::Gap => "gap of 5 minutes",
            Nuisance::Ramp => "growing share",
        }
    }

    /// Whether the arms of a harmless candidate may be exchanged, which is what the proof needs.
    #[must_use]
    pub fn exchangeable(self) -> bool {
        matches!(self, Nuisance::None | Nuisance::Drift | Nuisance::Incident | Nuisance::Gap | Nuisance::Ramp)
    }
}

/// What was counted in one tick.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Counted {
    /// Requests and failures of the candidate.
    pub candidate: (u64, u64),
    /// Of the control.
    pub control: (u64, u64),
    /// The candidate's share as it was configured.
    pub share: f64,
    /// Users of the candidate whose request failed, counted or not.
    pub hurt: u64,
}

/// One run of a cell.
pub(super) struct Run {
    pub cell: Cell,
    pub ticks: Vec<Counted>,
}

/// Rates that swing over time.
struct Swing {
    load: f64,
    errors: f64,
    arms: [f64; 2],
}

/// A world that goes on for as long as one asks.
pub(super) struct World {
    cell: Cell,
    tick: usize,
    swing: Swing,
    rng: Rng,
}

impl World {
    pub fn new(cell: Cell, seed: u64) -> World {
        World { cell, tick: 0, swing: Swing { load: 0.0, errors: 0.0, arms: [1.0; 2] }, rng: Rng::new(seed) }
    }

    /// What the next tick counts.
    pub fn tick(&mut self) -> Counted {
        let counted = one(self.cell, self.tick, &mut self.swing, &mut self.rng);
        self.tick += 1;
        counted
    }
}

impl Run {
    pub fn new(cell: Cell, seed: u64) -> Run {
        let mut world = World::new(cell, seed);
        let ticks = (0..TICKS).map(|_| world.tick()).collect();
        Run { cell, ticks }
    }

    /// The same counts by the minute.
    pub fn minutes(&self) -> impl Iterator<Item = Counted> + '_ {
        self.ticks.chunks(TICKS_PER_MINUTE).map(|ticks| {
            ticks.iter().fold(Counted::default(), |sum, t| Counted {
                candidate: (sum.candidate.0 + t.candidate.0, sum.candidate.1 + t.candidate.1),
                control: (sum.control.0 + t.control.0, sum.control.1 + t.control.1),
                share: t.share,
                hurt: sum.hurt + t.hurt,
            })
        })
    }

    /// Users that met a failure of the candidate until the end of a tick.
    pub fn hurt_until(&self, tick: usize) -> u64 {
        self.ticks.iter().take(tick + 1).map(|t| t.hurt).sum()
    }
}

fn one(cell: Cell, tick: usize, swing: &mut Swing, rng: &mut Rng) -> Counted {
    let nuisance = cell.nuisance;
    let share = if nuisance == Nuisance::Ramp { RAMP[(tick * RAMP.len() / TICKS).min(RAMP.len() - 1)] } else { SHARE };
    let mut per_tick = cell.per_minute / TICKS_PER_MINUTE as f64;
    let (mut p1, mut p0) = (cell.base * cell.ratio, cell.base);
    match nuisance {
        Nuisance::Drift => {
            // Memory of some five minutes, spread of 40 % each.
            swing.load = 0.97 * swing.load + 0.1 * rng.normal();
            swing.errors = 0.97 * swing.errors + 0.1 * rng.normal();
            per_tick *= libm::exp(swing.load);
            p1 *= libm::exp(swing.errors);
            p0 *= libm::exp(swing.errors);
        }
        Nuisance::Bursts30 | Nuisance::Bursts50 => {
            let spread: f64 = if nuisance == Nuisance::Bursts30 { 0.3 } else { 0.5 };
            if tick.is_multiple_of(TICKS_PER_MINUTE) {
                let shape = 1.0 / (spread * spread);
                swing.arms = [rng.gamma(shape, 1.0 / shape), rng.gamma(shape, 1.0 / shape)];
            }
            p1 *= swing.arms[0];
            p0 *= swing.arms[1];
        }
        Nuisance::Incident if (EVENT_AT..EVENT_AT + INCIDENT_TICKS).contains(&tick) => {
            p1 += INCIDENT;
            p0 += INCIDENT;
        }
        Nuisance::ColdStart if tick < COLD_TICKS => p1 *= COLD,
        _ => {}
    }
    let mut counted = |requests: f64, p: f64| match nuisance {
        Nuisance::Clients => by_client(requests, p.min(1.0), rng),
        _ => {
            let n = rng.poisson(requests);
            (n, rng.binomial(n, p.min(1.0)))
        }
    };
    let ((n1, s1), (n0, s0)) = (counted(per_tick * share, p1), counted(per_tick * (1.0 - share), p0));
    if nuisance == Nuisance::Gap && (EVENT_AT..EVENT_AT + GAP_TICKS).contains(&tick) {
        return Counted { share, hurt: s1, ..Counted::default() };
    }
    let (lost, lost_too) = if nuisance == Nuisance::Drops { (rng.binomial(s1, LOST), rng.binomial(n1 - s1, LOST_TOO)) } else { (0, 0) };
    Counted { candidate: (n1 - lost - lost_too, s1 - lost), control: (n0, s0), share, hurt: s1 }
}

/// Requests, and failures among them, of clients of a heavy-tailed size, each of which fails as a whole. The size is Pareto with
/// exponent 1.5, a mean of some two and a half requests.
fn by_client(requests: f64, p: f64, rng: &mut Rng) -> (u64, u64) {
    let at_least = |size: u32| {
        let size = f64::from(size);
        1.0 / (size * libm::sqrt(size))
    };
    let clients = requests / (1..=CLIENT_MAX).map(at_least).sum::<f64>();
    let (mut n, mut failed) = (0, 0);
    for size in 1..=CLIENT_MAX {
        let larger = if size == CLIENT_MAX { 0.0 } else { at_least(size + 1) };
        let count = rng.poisson(clients * (at_least(size) - larger));
        n += count * u64::from(size);
        failed += rng.binomial(count, p) * u64::from(size);
    }
    (n, failed)
}
