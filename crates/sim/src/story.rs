//! What happened in a world, to be read.

use crate::fault::Fault;
use std::fmt;
use tidegate_core::id::At;

/// A rule of the checker that was broken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// The rule.
    pub rule: &'static str,
    /// Milliseconds of simulated time.
    pub at_ms: i64,
    /// What was seen.
    pub found: String,
}

/// One world from its start to its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Story {
    /// The seed.
    pub seed: u64,
    /// The fault that was planted.
    pub fault: Option<Fault>,
    /// What happened, a line each.
    pub lines: Vec<String>,
    /// The rules that were broken.
    pub violations: Vec<Violation>,
    /// Where the rollout ended, in words.
    pub outcome: String,
    /// Simulated milliseconds.
    pub lasted_ms: i64,
}

impl fmt::Display for Story {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fault = self.fault.map_or("no fault planted".to_owned(), |fault| format!("planted: {fault}"));
        writeln!(f, "seed {}, {fault}", self.seed)?;
        for line in &self.lines {
            writeln!(f, "{line}")?;
        }
        writeln!(f, "after {:.0} s of simulated time: {}", self.lasted_ms as f64 / 1e3, self.outcome)?;
        for v in &self.violations {
            writeln!(f, "BROKEN at {:.1} s: {}: {}", v.at_ms as f64 / 1e3, v.rule, v.found)?;
        }
        if self.violations.is_empty() { writeln!(f, "every rule held") } else { Ok(()) }
    }
}

/// Tells a written story: what happens at its time, and which rules were broken.
pub(crate) struct Teller {
    pub(crate) now: At,
    lines: Vec<String>,
    violations: Vec<Violation>,
}

impl Teller {
    pub(crate) fn new() -> Teller {
        Teller { now: At(0), lines: vec![], violations: vec![] }
    }

    pub(crate) fn tell(&mut self, line: &str) {
        let minutes = self.now.0 as f64 / 60_000.0;
        self.lines.push(format!("{minutes:>6.1} min  {line}"));
    }

    pub(crate) fn rule(&mut self, good: bool, rule: &'static str, found: &str) {
        if !good {
            self.violations.push(Violation { rule, at_ms: self.now.0, found: found.to_owned() });
        }
    }

    pub(crate) fn end(self, outcome: String) -> Story {
        Story { seed: 0, fault: None, lines: self.lines, violations: self.violations, outcome, lasted_ms: self.now.0 }
    }
}
