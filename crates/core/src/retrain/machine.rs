//! Commands, facts, state, `decide` and `evolve` of one model's trainings.

use super::rule::{Held, Observed, Rule, Seen, Trigger, due, held};
use crate::id::At;
use crate::machine::Machine;
use serde::{Deserialize, Serialize};

/// Most trainings that a state remembers.
pub const HISTORY_MAX: usize = 50;
/// Most starts that a budget looks back on.
const STARTS_MAX: usize = 1_000;

/// How a training ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Its candidate carries all traffic.
    Promoted,
    /// Its candidate was released and taken back.
    RolledBack,
    /// A contract, a gate or what blocks releases did not let it pass.
    Refused,
    /// It wrote a version that was there before.
    Unchanged,
    /// A person did not let its candidate be released.
    Rejected,
    /// A person stopped it.
    Cancelled,
    /// It took longer than its budget.
    OverTime,
    /// A stage, or something outside, failed.
    Failed,
    /// It passed, and no service has the model.
    NotServed,
}

impl Outcome {
    /// In words.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Outcome::Promoted => "promoted",
            Outcome::RolledBack => "rolled back",
            Outcome::Refused => "refused",
            Outcome::Unchanged => "nothing new",
            Outcome::Rejected => "rejected",
            Outcome::Cancelled => "cancelled",
            Outcome::OverTime => "out of time",
            Outcome::Failed => "failed",
            Outcome::NotServed => "ready, served nowhere",
        }
    }
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// The first look: later ones are compared with it.
    Watched {
        /// What was observed.
        observed: Box<Observed>,
        /// When.
        at: At,
    },
    /// A training was due and did not start.
    Withheld {
        /// Why not.
        held: Held,
        /// What it would have started for.
        triggers: Vec<Trigger>,
        /// When.
        at: At,
    },
    /// A training started.
    Started {
        /// Its number, from 1.
        number: u64,
        /// What for.
        triggers: Vec<Trigger>,
        /// What was observed then.
        observed: Box<Observed>,
        /// When.
        at: At,
    },
    /// Its candidate passed its gates.
    Passed {
        /// The training.
        number: u64,
        /// The candidate's version.
        version: String,
        /// Whether its release waits for a person.
        waits: bool,
        /// When.
        at: At,
    },
    /// A person let the candidate be released.
    Approved {
        /// The training.
        number: u64,
        /// Who.
        by: String,
        /// When.
        at: At,
    },
    /// The candidate's release is given its number.
    Releasing {
        /// The training.
        number: u64,
        /// The service.
        service: String,
        /// Number of the release.
        release: u64,
        /// When.
        at: At,
    },
    /// It ended.
    Ended {
        /// The training.
        number: u64,
        /// How.
        outcome: Outcome,
        /// In a sentence.
        summary: String,
        /// When.
        at: At,
    },
}

/// What somebody wants.
#[derive(Clone, Debug, PartialEq)]
pub enum Command {
    /// Look whether a training is due, and start it.
    Look {
        /// By which rule.
        rule: Rule,
        /// The world.
        observed: Box<Observed>,
        /// When.
        at: At,
    },
    /// Start one, whatever the triggers say and without waiting for the cool-down; the budget holds.
    Ask {
        /// Who.
        by: String,
        /// Why.
        reason: String,
        /// By which rule.
        rule: Rule,
        /// The world.
        observed: Box<Observed>,
        /// When.
        at: At,
    },
    /// Its candidate passed its gates.
    Pass {
        /// The training.
        number: u64,
        /// The candidate's version.
        version: String,
        /// Whether its release waits for a person.
        waits: bool,
        /// When.
        at: At,
    },
    /// Let the candidate be released.
    Approve {
        /// The training.
        number: u64,
        /// Who.
        by: String,
        /// When.
        at: At,
    },
    /// Do not let it.
    Reject {
        /// The training.
        number: u64,
        /// Who.
        by: String,
        /// Why.
        reason: String,
        /// When.
        at: At,
    },
    /// Stop what has not begun to be released.
    Cancel {
        /// The training.
        number: u64,
        /// Who.
        by: String,
        /// Why.
        reason: String,
        /// When.
        at: At,
    },
    /// Give the candidate's release its number.
    Release {
        /// The training.
        number: u64,
        /// The service.
        service: String,
        /// Number of the release.
        release: u64,
        /// When.
        at: At,
    },
    /// It ended.
    End {
        /// The training.
        number: u64,
        /// How.
        outcome: Outcome,
        /// In a sentence.
        summary: String,
        /// When.
        at: At,
    },
}

/// Why a command did nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// One at a time.
    #[error("train: training {number} is {phase}: wait for its end, or cancel it")]
    UnderWay {
        /// The one that is.
        number: u64,
        /// Where it stands.
        phase: &'static str,
    },
    /// The budget holds for people too.
    #[error("train: {0}: raise `budget` in tidegate.yaml, or wait")]
    OverBudget(String),
    /// The command does not fit.
    #[error("{what} training {number}: {why}")]
    Wrong {
        /// Operation.
        what: &'static str,
        /// The training.
        number: u64,
        /// Why not.
        why: String,
    },
}

/// Where a training stands.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "phase", rename_all = "snake_case")]
pub enum Phase {
    /// The pipeline runs, or gates are judged.
    Training,
    /// Its candidate waits for a person.
    Waits {
        /// The candidate.
        version: String,
    },
    /// Its candidate may be released, or is being released.
    Releasing {
        /// The candidate.
        version: String,
        /// Service and number of each release that was given one.
        releases: Vec<(String, u64)>,
    },
    /// It ended.
    Ended {
        /// How.
        outcome: Outcome,
        /// In a sentence.
        summary: String,
        /// When.
        at: At,
    },
}

impl Phase {
    /// In words.
    #[must_use]
    pub fn words(&self) -> &'static str {
        match self {
            Phase::Training => "training",
            Phase::Waits { .. } => "waiting for a person",
            Phase::Releasing { .. } => "releasing",
            Phase::Ended { outcome, .. } => outcome.words(),
        }
    }
}

/// One training.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Training {
    /// Its number.
    pub number: u64,
    /// What for.
    pub triggers: Vec<Trigger>,
    /// What was observed at its start.
    pub observed: Observed,
    /// Where it stands.
    pub phase: Phase,
    /// Who let its candidate be released.
    pub approved: Option<String>,
    /// When it started.
    pub at: At,
}

/// A model's fold.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct State {
    /// What later looks are compared with.
    pub seen: Option<Seen>,
    /// Trainings, oldest first; those of long ago are forgotten.
    pub trainings: Vec<Training>,
    /// Starts, oldest first.
    pub starts: Vec<At>,
    /// What keeps one that is due from starting.
    pub withheld: Option<Held>,
}

impl State {
    /// The newest training.
    #[must_use]
    pub fn newest(&self) -> Option<&Training> {
        self.trainings.last()
    }

    /// The training that has not ended.
    #[must_use]
    pub fn under_way(&self) -> Option<&Training> {
        self.newest().filter(|t| !matches!(t.phase, Phase::Ended { .. }))
    }

    fn ended(&self) -> Option<At> {
        self.newest().and_then(|t| if let Phase::Ended { at, .. } = t.phase { Some(at) } else { None })
    }

    /// The training `number`, which has not ended.
    fn open(&self, what: &'static str, number: u64) -> Result<&Training, Refused> {
        let wrong = |why: String| Refused::Wrong { what, number, why };
        match self.newest() {
            Some(t) if t.number == number => match &t.phase {
                Phase::Ended { outcome, .. } => Err(wrong(format!("it ended: {}", outcome.words()))),
                _ => Ok(t),
            },
            Some(t) if t.number > number => Err(wrong(format!("it ended; the newest is {}", t.number))),
            _ => Err(wrong("there is none: `tidegate retrain status` shows those that are".to_owned())),
        }
    }
}

/// The trainings of one model; its stream is `retrain/<model>`.
#[derive(Clone, Copy, Debug)]
pub struct Retraining;

impl Machine for Retraining {
    const KIND: &'static str = "retrain";
    type State = State;
    type Command = Command;
    type Event = Event;
    type Refused = Refused;

    fn decide(state: &State, command: &Command) -> Result<Vec<Event>, Refused> {
        match command {
            Command::Look { rule, observed, at } => Ok(look(state, rule, observed, *at)),
            Command::Ask { by, reason, rule, observed, at } => {
                if let Some(open) = state.under_way() {
                    return Err(Refused::UnderWay { number: open.number, phase: open.phase.words() });
                }
                if let Some(over) = held(rule, None, &state.starts, *at) {
                    return Err(Refused::OverBudget(over.to_string()));
                }
                Ok(vec![start(state, vec![Trigger::Asked { by: by.clone(), reason: reason.clone() }], observed, *at)])
            }
            Command::Pass { number, version, waits, at } => pass(state, *number, version, *waits, *at),
            Command::Approve { number, by, at } => match &state.open("approve", *number)?.phase {
                Phase::Waits { .. } => Ok(vec![Event::Approved { number: *number, by: by.clone(), at: *at }]),
                Phase::Releasing { .. } => Ok(vec![]),
                other => Err(wrong("approve", *number, format!("it is {}: its candidate has not passed its gates yet", other.words()))),
            },
            Command::Reject { number, by, reason, at } => match &state.open("reject", *number)?.phase {
                Phase::Waits { version } => {
                    Ok(vec![ended(*number, Outcome::Rejected, format!("version {version} rejected by {by}: {reason}"), *at)])
                }
                other => Err(wrong("reject", *number, format!("it is {}, so nothing waits for a person", other.words()))),
            },
            Command::Cancel { number, by, reason, at } => match &state.open("cancel", *number)?.phase {
                Phase::Releasing { releases, .. } if !releases.is_empty() => {
                    Err(wrong("cancel", *number, "its candidate is being released: abort that release".to_owned()))
                }
                _ => Ok(vec![ended(*number, Outcome::Cancelled, format!("cancelled by {by}: {reason}"), *at)]),
            },
            Command::Release { number, service, release, at } => match &state.open("release the candidate of", *number)?.phase {
                Phase::Releasing { releases, .. } if releases.iter().any(|(s, _)| s == service) => Ok(vec![]),
                Phase::Releasing { .. } => {
                    Ok(vec![Event::Releasing { number: *number, service: service.clone(), release: *release, at: *at }])
                }
                other => Err(wrong("release the candidate of", *number, format!("it is {}", other.words()))),
            },
            Command::End { number, outcome, summary, at } => {
                state.open("end", *number)?;
                Ok(vec![ended(*number, *outcome, summary.clone(), *at)])
            }
        }
    }

    fn evolve(mut state: State, event: &Event) -> State {
        match event {
            Event::Watched { observed, at } => state.seen = Some(Seen { observed: (**observed).clone(), at: *at }),
            Event::Withheld { held, .. } => state.withheld = Some(*held),
            Event::Started { number, triggers, observed, at } => {
                state.seen = Some(Seen { observed: (**observed).clone(), at: *at });
                state.withheld = None;
                state.starts.push(*at);
                forget(&mut state.starts, STARTS_MAX);
                let (triggers, observed) = (triggers.clone(), (**observed).clone());
                state.trainings.push(Training { number: *number, triggers, observed, phase: Phase::Training, approved: None, at: *at });
                forget(&mut state.trainings, HISTORY_MAX);
            }
            Event::Passed { version, waits: true, .. } => phase(&mut state, |p| *p = Phase::Waits { version: version.clone() }),
            Event::Passed { version, .. } => {
                phase(&mut state, |p| *p = Phase::Releasing { version: version.clone(), releases: vec![] });
            }
            Event::Approved { by, .. } => {
                if let Some(training) = state.trainings.last_mut() {
                    training.approved = Some(by.clone());
                    if let Phase::Waits { version } = &training.phase {
                        training.phase = Phase::Releasing { version: version.clone(), releases: vec![] };
                    }
                }
            }
            Event::Releasing { service, release, .. } => phase(&mut state, |p| {
                if let Phase::Releasing { releases, .. } = p {
                    releases.push((service.clone(), *release));
                }
            }),
            Event::Ended { outcome, summary, at, .. } => {
                phase(&mut state, |p| *p = Phase::Ended { outcome: *outcome, summary: summary.clone(), at: *at });
            }
        }
        state
    }
}

fn phase(state: &mut State, change: impl FnOnce(&mut Phase)) {
    if let Some(training) = state.trainings.last_mut() {
        change(&mut training.phase);
    }
}

fn forget<T>(list: &mut Vec<T>, most: usize) {
    list.drain(..list.len().saturating_sub(most));
}

fn wrong(what: &'static str, number: u64, why: String) -> Refused {
    Refused::Wrong { what, number, why }
}

fn ended(number: u64, outcome: Outcome, summary: String, at: At) -> Event {
    Event::Ended { number, outcome, summary, at }
}

fn start(state: &State, triggers: Vec<Trigger>, observed: &Observed, at: At) -> Event {
    Event::Started { number: state.newest().map_or(1, |t| t.number + 1), triggers, observed: Box::new(observed.clone()), at }
}

fn look(state: &State, rule: &Rule, observed: &Observed, at: At) -> Vec<Event> {
    let Some(seen) = &state.seen else { return vec![Event::Watched { observed: Box::new(observed.clone()), at }] };
    let triggers = due(rule, seen, observed, at);
    if triggers.is_empty() || state.under_way().is_some() {
        return vec![];
    }
    match held(rule, state.ended(), &state.starts, at) {
        None => vec![start(state, triggers, observed, at)],
        // Said once: a look a minute would fill the journal.
        Some(held) if state.withheld == Some(held) => vec![],
        Some(held) => vec![Event::Withheld { held, triggers, at }],
    }
}

fn pass(state: &State, number: u64, version: &str, waits: bool, at: At) -> Result<Vec<Event>, Refused> {
    match &state.open("pass", number)?.phase {
        Phase::Training => Ok(vec![Event::Passed { number, version: version.to_owned(), waits, at }]),
        Phase::Waits { version: known } | Phase::Releasing { version: known, .. } if known == version => Ok(vec![]),
        other => Err(wrong("pass", number, format!("it is {} with another candidate", other.words()))),
    }
}
