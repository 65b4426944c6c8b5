//! A dataset's story as a machine: checks and profiles that were made of it.
//!
//! Its stream is `dataset/<name>`. The reports themselves are blobs; the facts carry their digests.

use super::check::CheckReport;
use super::facts::Before;
use crate::id::{At, Digest};
use crate::machine::Machine;
use serde::{Deserialize, Serialize};

/// Most failures that a summary names.
pub const FAILURES_MAX: usize = 20;
/// Most checks that passed whose rows are remembered.
pub const HISTORY_MAX: usize = 100;

/// What a check came to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CheckSummary {
    /// Digest of the data.
    pub data: Digest,
    /// Digest of the contract.
    pub contract: Digest,
    /// Digest of the whole report.
    pub report: Digest,
    /// Rows.
    pub rows: u64,
    /// Whether the dataset passed.
    pub success: bool,
    /// Expectations.
    pub evaluated: u64,
    /// Those that did not succeed.
    pub failed: u64,
    /// Those that checked nothing.
    pub vacuous: u64,
    /// One line for each of the first failures.
    pub failures: Vec<String>,
    /// Names and types of the columns.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub columns: Vec<(String, String)>,
    /// Nothing but the lack of a check before failed it: the next one is compared with this one.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub baseline: bool,
}

impl CheckSummary {
    /// The summary of a report.
    #[must_use]
    pub fn of(report: &CheckReport, data: Digest, contract: Digest, report_digest: Digest) -> CheckSummary {
        let lines = report.failed().map(super::ExpectationOutcome::line);
        CheckSummary {
            data,
            contract,
            report: report_digest,
            rows: report.table.rows,
            success: report.success,
            evaluated: report.outcomes.len() as u64,
            failed: report.failed().count() as u64,
            vacuous: report.vacuous().count() as u64,
            failures: report.findings.iter().cloned().chain(lines).take(FAILURES_MAX).collect(),
            columns: report.table.columns.clone(),
            baseline: report.is_baseline(),
        }
    }
}

/// What a training set was made of: the same inputs give the same bytes, so its digest is its version.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SetSummary {
    /// Digest of the data.
    pub data: Digest,
    /// Digest of the definitions of its features.
    pub definition: Digest,
    /// Digests of what it was made of, by name.
    pub sources: Vec<(String, Digest)>,
    /// Digest of the whole record.
    pub record: Digest,
    /// Rows.
    pub rows: u64,
    /// The newest time of its rows: nothing that became known later is in any of them.
    pub known_until: At,
}

/// What happened to a dataset.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// Its contract was checked.
    Checked {
        /// What it came to.
        summary: Box<CheckSummary>,
        /// When.
        at: At,
    },
    /// It was profiled.
    Profiled {
        /// Digest of the data.
        data: Digest,
        /// Digest of the profile.
        profile: Digest,
        /// Rows.
        rows: u64,
        /// When.
        at: At,
    },
    /// A training set was made.
    Assembled {
        /// Of what.
        set: Box<SetSummary>,
        /// When.
        at: At,
    },
}

/// What somebody wants recorded.
#[derive(Clone, Debug, PartialEq)]
pub enum Command {
    /// A check was made.
    Check {
        /// What it came to.
        summary: Box<CheckSummary>,
        /// When.
        at: At,
    },
    /// A profile was made.
    Profile {
        /// Digest of the data.
        data: Digest,
        /// Digest of the profile.
        profile: Digest,
        /// Rows.
        rows: u64,
        /// When.
        at: At,
    },
    /// A training set was made.
    Assemble {
        /// Of what.
        set: Box<SetSummary>,
        /// When.
        at: At,
    },
}

/// Why a command did nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// The same data, contract and report cannot both pass and fail.
    #[error("record check: report {report} was recorded before with another result: check the dataset again")]
    Contradiction {
        /// The report.
        report: Digest,
    },
    /// The same inputs give the same bytes.
    #[error(
        "record training set: definition and sources are those of {data}, and the data is not: make it again with the same version of tidegate"
    )]
    OtherBytes {
        /// What the same inputs gave before.
        data: Digest,
    },
}

/// A dataset's fold.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct State {
    /// The newest check.
    pub check: Option<(CheckSummary, At)>,
    /// Digest of the newest profile, and of the data that it is of.
    pub profile: Option<(Digest, Digest, At)>,
    /// The newest training set.
    pub set: Option<(SetSummary, At)>,
    /// How many checks there were, and how many failed.
    pub checks: (u64, u64),
    /// What the checks found that passed, or that had nothing but themselves to compare with.
    pub accepted: Before,
}

/// The story of one dataset; its stream is `dataset/<name>`.
#[derive(Clone, Copy, Debug)]
pub struct Dataset;

impl Machine for Dataset {
    const KIND: &'static str = "dataset";
    type State = State;
    type Command = Command;
    type Event = Event;
    type Refused = Refused;

    fn decide(state: &State, command: &Command) -> Result<Vec<Event>, Refused> {
        match command {
            Command::Check { summary, at } => match &state.check {
                Some((last, _)) if last == summary.as_ref() => Ok(vec![]),
                Some((last, _)) if last.report == summary.report && last.success != summary.success => {
                    Err(Refused::Contradiction { report: summary.report.clone() })
                }
                _ => Ok(vec![Event::Checked { summary: summary.clone(), at: *at }]),
            },
            Command::Profile { data, profile, rows, at } => match &state.profile {
                Some((last, _, _)) if last == profile => Ok(vec![]),
                _ => Ok(vec![Event::Profiled { data: data.clone(), profile: profile.clone(), rows: *rows, at: *at }]),
            },
            Command::Assemble { set, at } => match &state.set {
                Some((last, _)) if last == set.as_ref() => Ok(vec![]),
                Some((last, _)) if (&last.definition, &last.sources) == (&set.definition, &set.sources) && last.data != set.data => {
                    Err(Refused::OtherBytes { data: last.data.clone() })
                }
                _ => Ok(vec![Event::Assembled { set: set.clone(), at: *at }]),
            },
        }
    }

    fn evolve(mut state: State, event: &Event) -> State {
        match event {
            Event::Checked { summary, at } => {
                state.checks.0 += 1;
                state.checks.1 += u64::from(!summary.success);
                if summary.success || summary.baseline {
                    state.accepted.rows.push(summary.rows);
                    let over = state.accepted.rows.len().saturating_sub(HISTORY_MAX);
                    state.accepted.rows.drain(..over);
                    state.accepted.schema.clone_from(&summary.columns);
                }
                state.check = Some(((**summary).clone(), *at));
            }
            Event::Assembled { set, at } => state.set = Some(((**set).clone(), *at)),
            Event::Profiled { data, profile, at, .. } => state.profile = Some((profile.clone(), data.clone(), *at)),
        }
        state
    }
}
