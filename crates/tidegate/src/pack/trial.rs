//! Golden requests asked in this process: whether a version answers as it did where it was registered, and how fast.

use crate::clock;
use anyhow::{Context as _, Result};
use serde::Serialize;
use std::path::Path;
use tidegate_core::model::Signature;
use tidegate_runtime::{Golden, GoldenMiss, Tolerance, Version};

/// Answers that are timed.
const TIMED: usize = 500;

/// What was seen.
#[derive(Clone, Debug, Serialize)]
pub struct Trial {
    /// Golden requests that were asked.
    pub asked: usize,
    /// Answers that are the recorded ones to the last digit.
    pub exact: usize,
    /// Answers that are off by more than their request allows.
    pub misses: Vec<GoldenMiss>,
    /// How long loading took.
    pub load_ms: f64,
    /// Answers that were timed, the requests in turn, in one thread, without a network.
    pub timed: usize,
    /// Half of them were faster.
    pub latency_p50_us: f64,
    /// Ninety-nine of a hundred were faster.
    pub latency_p99_us: f64,
    /// The slowest one.
    pub latency_max_us: f64,
}

impl Trial {
    /// Loads a version's folder and asks its golden requests. `library` is ONNX Runtime, for a model that needs it; `signature` is
    /// the registered one.
    ///
    /// # Errors
    /// When it cannot be loaded, takes or gives something else than was registered, or fails.
    pub fn of(dir: &Path, library: Option<&Path>, signature: &Signature) -> Result<Trial> {
        let started = clock::instant();
        if let (true, Some(library)) = (Version::needs_library(dir)?, library) {
            tidegate_runtime::init(library)?;
        }
        let version = Version::open(dir)?;
        let load_ms = started.elapsed().as_secs_f64() * 1e3;
        anyhow::ensure!(version.signature() == signature, "the model takes or gives something else than was registered");
        let golden = version.golden().context("it has no golden requests, so nothing shows that it answers right")?;
        let report = version.check_golden_of(golden);
        let mut strict = Golden::new(golden.requests.clone());
        for request in &mut strict.requests {
            request.tolerance = Tolerance { absolute: 0.0, relative: 0.0 };
        }
        let exact = report.asked - version.check_golden_of(&strict).misses.len();
        let mut trial = Trial {
            asked: report.asked,
            exact,
            misses: report.misses,
            load_ms,
            timed: 0,
            latency_p50_us: 0.0,
            latency_p99_us: 0.0,
            latency_max_us: 0.0,
        };
        if trial.is_right() {
            trial.time(&version, golden)?;
        }
        Ok(trial)
    }

    fn time(&mut self, version: &Version, golden: &Golden) -> Result<()> {
        let requests = golden.requests.iter().map(|r| version.golden_request(r)).collect::<Result<Vec<_>, _>>()?;
        let start = clock::instant();
        let mut times = version.measure_latency(&requests, TIMED, &mut || start.elapsed().as_secs_f64() * 1e6)?;
        times.sort_by(f64::total_cmp);
        let at = |part: usize| times.get((times.len() * part / 100).min(times.len().saturating_sub(1))).copied().unwrap_or_default();
        (self.timed, self.latency_p50_us, self.latency_p99_us, self.latency_max_us) = (times.len(), at(50), at(99), at(100));
        Ok(())
    }

    /// Whether every answer was right; none at all is not.
    pub fn is_right(&self) -> bool {
        self.asked > 0 && self.misses.is_empty()
    }

    /// In a sentence.
    pub fn words(&self) -> String {
        if let Some(miss) = self.misses.first() {
            return format!("{} of {} golden requests were answered otherwise: `{}`: {}", self.misses.len(), self.asked, miss.id, miss.why);
        }
        format!(
            "{} golden requests answered right, {} of them to the last digit; loaded in {:.0} ms, answered in {:.0} us (median), {:.0} us (p99), {:.0} us (slowest of {})",
            self.asked, self.exact, self.load_ms, self.latency_p50_us, self.latency_p99_us, self.latency_max_us, self.timed
        )
    }
}
