//! Commands, facts, state, `decide` and `evolve` of what people allow for one service.

use super::{Action, Person, Refused, Subject};
use crate::id::At;
use crate::machine::Machine;
use serde::{Deserialize, Serialize};

/// Longest time for which the glass is broken.
pub const GLASS_MS_MAX: u64 = 24 * 3_600_000;
/// Most requests that a service remembers; the oldest go first.
pub const ASKED_MAX: usize = 100;
/// Most vetoes.
pub const VETOES_MAX: usize = 10_000;
/// Longest name or reason, in bytes.
pub(super) const TEXT_BYTES_MAX: usize = 4_096;

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// Somebody wants a change to be released.
    Asked {
        /// Which.
        subject: Subject,
        /// How many others must approve it.
        of: u32,
        /// Who.
        by: String,
        /// From when on approvals of it no longer count.
        until: At,
        /// When.
        at: At,
    },
    /// Somebody else approved it.
    Approved {
        /// What.
        subject: Subject,
        /// Who.
        by: String,
        /// Why.
        reason: String,
        /// When.
        at: At,
    },
    /// Somebody forbade it, for good.
    Vetoed {
        /// What.
        subject: Subject,
        /// Who.
        by: String,
        /// Why.
        reason: String,
        /// When.
        at: At,
    },
    /// Approvals and freezes do not count for a while.
    GlassBroken {
        /// Who.
        by: String,
        /// Why.
        reason: String,
        /// When it ends.
        until: At,
        /// When.
        at: At,
    },
    /// Something was done that they would have kept.
    GlassUsed {
        /// What.
        what: String,
        /// Who.
        by: String,
        /// When.
        at: At,
    },
    /// Somebody else has looked at what was done.
    GlassReviewed {
        /// Who.
        by: String,
        /// What they found.
        finding: String,
        /// When.
        at: At,
    },
}

/// What somebody wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// That a change be released.
    Ask {
        /// Which.
        subject: Subject,
        /// How many others must approve it.
        of: u32,
        /// How long approvals of it count.
        lasts_ms: u64,
        /// Who.
        by: Person,
        /// When.
        at: At,
    },
    /// Approve.
    Approve {
        /// Of which service.
        service: String,
        /// What, as it is now.
        subject: Subject,
        /// Who.
        by: Person,
        /// Why.
        reason: String,
        /// When.
        at: At,
    },
    /// Forbid.
    Veto {
        /// Of which service.
        service: String,
        /// What, as it is now.
        subject: Subject,
        /// Who.
        by: Person,
        /// Why.
        reason: String,
        /// When.
        at: At,
    },
    /// Go around approvals and freezes.
    BreakGlass {
        /// Who.
        by: Person,
        /// Why.
        reason: String,
        /// For how long.
        lasts_ms: u64,
        /// When.
        at: At,
    },
    /// Note what was done meanwhile.
    UseGlass {
        /// What.
        what: String,
        /// Who.
        by: String,
        /// When.
        at: At,
    },
    /// Answer for it.
    Review {
        /// Of which service.
        service: String,
        /// Who.
        by: Person,
        /// What they found.
        finding: String,
        /// When.
        at: At,
    },
}

/// What somebody said.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Given {
    /// Who.
    pub by: String,
    /// Why, or what they found.
    pub reason: String,
    /// When.
    pub at: At,
}

/// A change that somebody wants to be released.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Asked {
    /// Which.
    pub subject: Subject,
    /// How many others must approve it.
    pub of: u32,
    /// Who asked.
    pub by: String,
    /// Who had asked for the same before.
    pub before: Vec<String>,
    /// From when on approvals of it no longer count.
    pub until: At,
    /// Who approved it.
    pub approvals: Vec<Given>,
}

/// What is forbidden.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Veto {
    /// Which change.
    pub subject: Subject,
    /// Who forbade it, and why.
    #[serde(flatten)]
    pub given: Given,
}

/// Something that was done behind a broken glass.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Used {
    /// What.
    pub what: String,
    /// Who.
    pub by: String,
    /// When.
    pub at: At,
}

/// A broken glass.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Glass {
    /// Who broke it.
    pub by: String,
    /// Why.
    pub reason: String,
    /// When.
    pub since: At,
    /// When it ends.
    pub until: At,
    /// What was done.
    pub used: Vec<Used>,
    /// Who looked at it afterwards.
    pub reviewed: Option<Given>,
}

/// A service's fold.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct State {
    /// What was asked for, oldest first; of a version and strategy the newest.
    pub asked: Vec<Asked>,
    /// What is forbidden, oldest first, whether it was asked for again or not.
    pub vetoes: Vec<Veto>,
    /// The newest broken glass.
    pub glass: Option<Glass>,
}

impl State {
    /// What was last asked of a version.
    #[must_use]
    pub fn asked_of(&self, version: &str) -> Option<&Asked> {
        self.asked.iter().rfind(|a| a.subject.version == version)
    }

    /// What was asked of a version and strategy.
    #[must_use]
    pub fn asked_like(&self, subject: &Subject) -> Option<&Asked> {
        self.asked.iter().find(|a| a.subject.is_like(subject))
    }

    /// Who forbade a change.
    #[must_use]
    pub fn veto_of(&self, subject: &Subject) -> Option<&Given> {
        self.vetoes.iter().find(|veto| veto.subject.digest == subject.digest).map(|veto| &veto.given)
    }

    /// The glass that is broken at a time.
    #[must_use]
    pub fn open_glass(&self, at: At) -> Option<&Glass> {
        self.glass.as_ref().filter(|glass| glass.since <= at && at < glass.until)
    }

    /// The glass that is whole again and was not answered for.
    #[must_use]
    pub fn owed(&self, at: At) -> Option<&Glass> {
        self.glass.as_ref().filter(|glass| glass.reviewed.is_none() && self.open_glass(at).is_none())
    }
}

/// What people allow for a service.
#[derive(Clone, Copy, Debug)]
pub struct Access;

impl Machine for Access {
    const KIND: &'static str = "access";
    type State = State;
    type Command = Command;
    type Event = Event;
    type Refused = Refused;

    fn decide(state: &State, command: &Command) -> Result<Vec<Event>, Refused> {
        match command {
            Command::Ask { subject, of, lasts_ms, by, at } => ask(state, subject, (*of, *lasts_ms), by, *at),
            Command::Approve { service, subject, by, reason, at } => {
                by.allowed_in(Action::Approve, service)?;
                let asked = asked(state, "approve", subject, by, reason, *at)?;
                if asked.by == by.name || asked.before.contains(&by.name) {
                    return Err(Refused::OwnChange { version: subject.version.clone(), name: by.name.clone() });
                }
                if asked.approvals.iter().any(|given| given.by == by.name) {
                    return Ok(vec![]);
                }
                Ok(vec![Event::Approved { subject: subject.clone(), by: by.name.clone(), reason: reason.clone(), at: *at }])
            }
            Command::Veto { service, subject, by, reason, at } => {
                by.allowed_in(Action::Approve, service)?;
                asked(state, "veto", subject, by, reason, *at)?;
                Ok(vec![Event::Vetoed { subject: subject.clone(), by: by.name.clone(), reason: reason.clone(), at: *at }])
            }
            Command::BreakGlass { by, reason, lasts_ms, at } => break_glass(state, by, reason, *lasts_ms, *at),
            Command::UseGlass { what, by, at } => match state.open_glass(*at) {
                Some(_) => Ok(vec![Event::GlassUsed { what: what.clone(), by: by.clone(), at: *at }]),
                None => Err(Refused::Whole { what: "use the broken glass" }),
            },
            Command::Review { service, by, finding, at } => {
                by.allowed_in(Action::Review, service)?;
                review(state, by, finding, *at)
            }
        }
    }

    fn evolve(mut state: State, event: &Event) -> State {
        let given = |by: &str, reason: &str, at: At| Given { by: by.to_owned(), reason: reason.to_owned(), at };
        match event {
            Event::Asked { subject, of, by, until, .. } => {
                // Whoever asked for the same before does not approve it either.
                let same = state.asked_like(subject).filter(|a| a.subject == *subject);
                let mut before: Vec<String> = same.map(|a| a.before.iter().chain([&a.by]).cloned().collect()).unwrap_or_default();
                before.sort_unstable();
                before.dedup();
                state.asked.retain(|a| !a.subject.is_like(subject));
                let over = (state.asked.len() + 1).saturating_sub(ASKED_MAX);
                state.asked.drain(..over);
                let (subject, by) = (subject.clone(), by.clone());
                state.asked.push(Asked { subject, of: *of, by, before, until: *until, approvals: vec![] });
            }
            Event::Approved { subject, by, reason, at } => {
                if let Some(asked) = state.asked.iter_mut().find(|a| a.subject == *subject) {
                    asked.approvals.push(given(by, reason, *at));
                }
            }
            Event::Vetoed { subject, by, reason, at } => {
                let over = (state.vetoes.len() + 1).saturating_sub(VETOES_MAX);
                state.vetoes.drain(..over);
                state.vetoes.push(Veto { subject: subject.clone(), given: given(by, reason, *at) });
            }
            Event::GlassBroken { by, reason, until, at } => {
                let (by, reason) = (by.clone(), reason.clone());
                state.glass = Some(Glass { by, reason, since: *at, until: *until, used: vec![], reviewed: None });
            }
            Event::GlassUsed { what, by, at } => {
                if let Some(glass) = &mut state.glass {
                    glass.used.push(Used { what: what.clone(), by: by.clone(), at: *at });
                }
            }
            Event::GlassReviewed { by, finding, at } => {
                if let Some(glass) = &mut state.glass {
                    glass.reviewed = Some(given(by, finding, *at));
                }
            }
        }
        state
    }
}

fn allowed(by: &Person, action: Action) -> Result<(), Refused> {
    if by.may(action) { Ok(()) } else { Err(by.without_role(action)) }
}

fn said(what: &'static str, by: &Person, reason: &str) -> Result<(), Refused> {
    let good = |text: &str| !text.trim().is_empty() && text.len() <= TEXT_BYTES_MAX;
    if good(&by.name) && good(reason) { Ok(()) } else { Err(Refused::NoReason { what }) }
}

fn vetoed(what: &'static str, state: &State, subject: &Subject) -> Result<(), Refused> {
    let Some(veto) = state.veto_of(subject) else { return Ok(()) };
    Err(Refused::Vetoed { what, version: subject.version.clone(), by: veto.by.clone(), reason: veto.reason.clone() })
}

fn ask(state: &State, subject: &Subject, (of, lasts_ms): (u32, u64), by: &Person, at: At) -> Result<Vec<Event>, Refused> {
    allowed(by, Action::Ask)?;
    said("ask for a release", by, "asked")?;
    vetoed("release", state, subject)?;
    // The number that counts is today's: asking again takes no approval away.
    if state.asked_like(subject).is_some_and(|asked| asked.subject == *subject && asked.until > at) {
        return Ok(vec![]);
    }
    Ok(vec![Event::Asked { subject: subject.clone(), of, by: by.name.clone(), until: at.plus_ms(lasts_ms), at }])
}

/// What was asked of a subject, where somebody may have a say in it.
fn asked<'a>(state: &'a State, what: &'static str, subject: &Subject, by: &Person, reason: &str, at: At) -> Result<&'a Asked, Refused> {
    said(what, by, reason)?;
    let version = subject.version.clone();
    vetoed(what, state, subject)?;
    let Some(asked) = state.asked_like(subject) else { return Err(Refused::NotAsked { what, version }) };
    if asked.subject != *subject {
        return Err(Refused::Changed { what, version });
    }
    if asked.until <= at {
        return Err(Refused::Lapsed { what, version, until: asked.until });
    }
    Ok(asked)
}

fn break_glass(state: &State, by: &Person, reason: &str, lasts_ms: u64, at: At) -> Result<Vec<Event>, Refused> {
    allowed(by, Action::BreakGlass)?;
    said("break the glass", by, reason)?;
    if !(1..=GLASS_MS_MAX).contains(&lasts_ms) {
        return Err(Refused::Lasts);
    }
    if let Some(open) = state.open_glass(at) {
        return Err(Refused::Open { by: open.by.clone(), until: open.until });
    }
    if let Some(owed) = state.owed(at) {
        return Err(Refused::ReviewOwed { by: owed.by.clone() });
    }
    Ok(vec![Event::GlassBroken { by: by.name.clone(), reason: reason.to_owned(), until: at.plus_ms(lasts_ms), at }])
}

fn review(state: &State, by: &Person, finding: &str, at: At) -> Result<Vec<Event>, Refused> {
    const WHAT: &str = "review the broken glass";
    said(WHAT, by, finding)?;
    let Some(glass) = state.glass.as_ref().filter(|glass| glass.reviewed.is_none()) else { return Err(Refused::Whole { what: WHAT }) };
    if at < glass.until {
        return Err(Refused::StillOpen { until: glass.until });
    }
    if glass.by == by.name || glass.used.iter().any(|used| used.by == by.name) {
        return Err(Refused::OwnGlass { name: by.name.clone() });
    }
    Ok(vec![Event::GlassReviewed { by: by.name.clone(), finding: finding.to_owned(), at }])
}
