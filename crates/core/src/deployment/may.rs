//! Whether a version may be released now: every condition with its answer, from facts that others gathered.
//!
//! Missing evidence is never a yes: what can still come is waited for, what cannot is a no.

use crate::access::{Leave, Withheld};
use crate::gate::{GateReport, GateVerdict};
use crate::id::At;
use crate::judge::Verdict;
use crate::judgement::Begun;
use serde::{Deserialize, Serialize};

/// What is said.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// It may.
    Yes,
    /// Something is missing that can come.
    Waits,
    /// It may not.
    No,
}

impl Answer {
    /// As it is written.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Answer::Yes => "yes",
            Answer::Waits => "waits",
            Answer::No => "no",
        }
    }
}

/// One condition.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Condition {
    /// `version`, `gates`, `approvals`, `freeze`, `breaker`, `drift`, `data`, `under_way` or `judgement`.
    pub of: String,
    /// What it says.
    pub answer: Answer,
    /// Why.
    pub why: String,
}

impl Condition {
    /// One.
    #[must_use]
    pub fn new(of: &str, answer: Answer, why: impl Into<String>) -> Condition {
        Condition { of: of.to_owned(), answer, why: why.into() }
    }
}

/// What was found of a question.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// What is said.
    pub answer: Answer,
    /// Why, in a sentence.
    pub why: String,
}

/// What all conditions come to: a no of one is a no, and what waits is waited for. Without any condition nothing was looked at,
/// which is no yes.
#[must_use]
pub fn all(conditions: &[Condition]) -> Finding {
    let Some(answer) = conditions.iter().map(|c| c.answer).max() else {
        return Finding { answer: Answer::No, why: "nothing was looked at".to_owned() };
    };
    let of_it = conditions.iter().filter(|c| c.answer == answer);
    Finding { answer, why: of_it.map(|c| format!("{}: {}", c.of, c.why)).collect::<Vec<_>>().join("; ") }
}

/// What the gates of a version say.
#[must_use]
pub fn gates(version: &str, report: Option<&GateReport>) -> Condition {
    let Some(report) = report else {
        return Condition::new("gates", Answer::Waits, format!("those of version {version} were not evaluated: `tidegate gate` does"));
    };
    if report.passed() {
        return Condition::new("gates", Answer::Yes, format!("all {} passed", report.outcomes.len()));
    }
    if report.outcomes.is_empty() {
        return Condition::new("gates", Answer::No, "the model has none, and nothing evaluated is no pass");
    }
    let named = |verdict: GateVerdict| {
        let of_it = report.outcomes.iter().filter(|o| o.verdict == verdict);
        of_it.map(|o| format!("{}: {}", o.name, o.why)).collect::<Vec<_>>().join("; ")
    };
    match (named(GateVerdict::Fail), named(GateVerdict::CannotTell)) {
        (failed, _) if !failed.is_empty() => Condition::new("gates", Answer::No, failed),
        (_, unknown) => Condition::new("gates", Answer::Waits, format!("not all could be evaluated: {unknown}")),
    }
}

/// What people say.
#[must_use]
pub fn approvals(leave: &Result<Leave, Withheld>) -> Condition {
    let (answer, why) = match leave {
        Ok(Leave::NotNeeded) => (Answer::Yes, "nobody need approve it".to_owned()),
        Ok(Leave::Approved { by }) => (Answer::Yes, format!("approved by {}", by.join(", "))),
        Ok(Leave::Glass { by, until }) => (Answer::Yes, format!("{by} broke the glass until {until}")),
        Err(vetoed @ Withheld::Vetoed { .. }) => (Answer::No, vetoed.to_string()),
        Err(
            waits @ (Withheld::Glass { .. }
            | Withheld::ReviewOwed { .. }
            | Withheld::NotAsked { .. }
            | Withheld::Changed
            | Withheld::Lapsed { .. }
            | Withheld::Waits { .. }),
        ) => (Answer::Waits, waits.to_string()),
    };
    Condition::new("approvals", answer, why)
}

/// What a judgement that another tool began says; of one that nobody can still be asking about, nothing but a rollback counts.
#[must_use]
pub fn judgement(stream: &str, begun: Option<&Begun>, at: At) -> Condition {
    let of = |answer, why: String| Condition::new("judgement", answer, why);
    let Some(standing) = begun.filter(|begun| !begun.is_over(at, false)).and_then(|begun| begun.standing.as_ref()) else {
        return of(Answer::Waits, format!("{stream}: nobody began it, or nothing was found yet"));
    };
    let why = format!("{stream}: {}", standing.summary);
    match &standing.verdict {
        Verdict::Promote => of(Answer::Yes, why),
        Verdict::Rollback => of(Answer::No, why),
        Verdict::Continue | Verdict::Hold { .. } | Verdict::InsufficientEvidence { .. } | Verdict::NoTelemetry if standing.last => {
            of(Answer::No, format!("{why} (its time is over)"))
        }
        Verdict::Continue | Verdict::Hold { .. } | Verdict::InsufficientEvidence { .. } | Verdict::NoTelemetry => of(Answer::Waits, why),
    }
}
