//! Two paths for the releases of a service, one of them by chance, so that what becomes of them can be compared; and the way out of
//! the one that is on trial.
//!
//! A path is a strategy. Which one a release takes is drawn from its name alone, so that the same release draws the same path
//! whenever it is asked, and nobody can choose by asking again. Not here: a model that scores changes; the path that is on trial is
//! whatever strategy its team writes.

use crate::id::At;
use crate::line::line;
use crate::machine::Machine;
use serde::{Deserialize, Serialize};

/// Longest time for which a service opts out.
pub const OUT_MS_MAX: u64 = 366 * 86_400_000;
/// Releases whose path is remembered; the oldest go first.
pub const TAKEN_MAX: usize = 10_000;
/// Longest name or reason, in bytes.
const TEXT_BYTES_MAX: usize = 4_096;

/// A path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Path {
    /// The one that is on trial.
    Learned,
    /// The one that it is held against.
    Standard,
}

impl Path {
    /// As it is written.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Path::Learned => "learned",
            Path::Standard => "standard",
        }
    }
}

/// The paths of a service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Paths {
    /// Strategy of the one that is on trial.
    pub learned: String,
    /// Strategy of the other.
    pub standard: String,
    /// Share of releases that take the first, in basis points.
    pub share_bp: u32,
}

/// Why a release took its path.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "because", rename_all = "snake_case")]
pub enum Because {
    /// By chance.
    Drawn {
        /// The share of the path on trial then, in basis points.
        share_bp: u32,
    },
    /// The service had opted out.
    OptedOut {
        /// Who did.
        by: String,
    },
}

/// What a release takes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Choice {
    /// The path.
    pub path: Path,
    /// Its strategy.
    pub strategy: String,
    /// Why.
    pub because: Because,
}

/// Which path a release takes, by its number in the service.
#[must_use]
pub fn choose(paths: &Paths, state: &State, workspace: &str, service: &str, number: u64, at: At) -> Choice {
    let of = |path, because| {
        let strategy = match path {
            Path::Learned => paths.learned.clone(),
            Path::Standard => paths.standard.clone(),
        };
        Choice { path, strategy, because }
    };
    if let Some(out) = state.out_at(at) {
        return of(Path::Standard, Because::OptedOut { by: out.by.clone() });
    }
    let learned = drawn_bp(workspace, service, number) < paths.share_bp;
    of(if learned { Path::Learned } else { Path::Standard }, Because::Drawn { share_bp: paths.share_bp })
}

/// A number from 0 to 9,999 that a release's name gives.
fn drawn_bp(workspace: &str, service: &str, number: u64) -> u32 {
    // Lengths in front: no two names run together into the same bytes.
    let name = format!("path/{}/{workspace}/{}/{service}/{number}", workspace.len(), service.len());
    let hash = blake3::hash(name.as_bytes());
    let first = hash.as_bytes().iter().take(8).fold(0_u64, |sum, byte| (sum << 8) | u64::from(*byte));
    // Of 2^64 values the last few are taken to the same; the difference is below 1e-15.
    u32::try_from(first % 10_000).unwrap_or_default()
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// All releases take the standard path for a while.
    OptedOut {
        /// Who.
        by: String,
        /// Why.
        reason: String,
        /// Until when.
        until: At,
        /// When.
        at: At,
    },
    /// They no longer do.
    OptedIn {
        /// Who.
        by: String,
        /// Why.
        reason: String,
        /// When.
        at: At,
    },
    /// A release took a path.
    Taken {
        /// Its number in the service.
        release: u64,
        /// Which.
        #[serde(flatten)]
        choice: Choice,
        /// When.
        at: At,
    },
}

/// What somebody wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// To take the standard path.
    OptOut {
        /// Who.
        by: String,
        /// Why.
        reason: String,
        /// For how long.
        lasts_ms: u64,
        /// When.
        at: At,
    },
    /// To take part again.
    OptIn {
        /// Who.
        by: String,
        /// Why.
        reason: String,
        /// When.
        at: At,
    },
    /// Keep which path a release took.
    Take {
        /// Its number in the service.
        release: u64,
        /// Which.
        choice: Choice,
        /// When.
        at: At,
    },
}

/// Why a command did nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// Who and why are recorded.
    #[error("{0}: say who and why: it is recorded")]
    NoReason(&'static str),
    /// It ends by itself.
    #[error("opt out of the path on trial: say for how long, up to 366 days: it ends by itself")]
    Lasts,
    /// It takes part.
    #[error("opt in to the path on trial: the service has not opted out")]
    NotOut,
}

/// A way out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Out {
    /// Who took it.
    pub by: String,
    /// Why.
    pub reason: String,
    /// When.
    pub since: At,
    /// Until when.
    pub until: At,
}

/// The path of a release.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Taken {
    /// Its number in the service.
    pub release: u64,
    /// Which.
    #[serde(flatten)]
    pub choice: Choice,
    /// When.
    pub at: At,
}

/// A service's fold.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct State {
    /// The newest way out, over or not.
    pub out: Option<Out>,
    /// Paths of releases, oldest first.
    pub taken: Vec<Taken>,
}

impl State {
    /// The way out that holds at a time.
    #[must_use]
    pub fn out_at(&self, at: At) -> Option<&Out> {
        self.out.as_ref().filter(|out| out.since <= at && at < out.until)
    }
}

/// The paths of one service's releases.
#[derive(Clone, Copy, Debug)]
pub struct Gating;

impl Machine for Gating {
    const KIND: &'static str = "gating";
    type State = State;
    type Command = Command;
    type Event = Event;
    type Refused = Refused;

    fn decide(state: &State, command: &Command) -> Result<Vec<Event>, Refused> {
        let said = |by: &str, reason: &str| !by.trim().is_empty() && !reason.trim().is_empty();
        match command {
            Command::OptOut { by, reason, .. } if !said(by, reason) => Err(Refused::NoReason("opt out of the path on trial")),
            Command::OptOut { lasts_ms, .. } if !(1..=OUT_MS_MAX).contains(lasts_ms) => Err(Refused::Lasts),
            Command::OptOut { by, reason, lasts_ms, at } => {
                let reason = line(reason, TEXT_BYTES_MAX);
                Ok(vec![Event::OptedOut { by: by.clone(), reason, until: at.plus_ms(*lasts_ms), at: *at }])
            }
            Command::OptIn { by, reason, .. } if !said(by, reason) => Err(Refused::NoReason("opt in to the path on trial")),
            Command::OptIn { at, .. } if state.out_at(*at).is_none() => Err(Refused::NotOut),
            Command::OptIn { by, reason, at } => Ok(vec![Event::OptedIn { by: by.clone(), reason: line(reason, TEXT_BYTES_MAX), at: *at }]),
            Command::Take { release, .. } if state.taken.iter().any(|taken| taken.release == *release) => Ok(vec![]),
            Command::Take { release, choice, at } => Ok(vec![Event::Taken { release: *release, choice: choice.clone(), at: *at }]),
        }
    }

    fn evolve(mut state: State, event: &Event) -> State {
        match event {
            Event::OptedOut { by, reason, until, at } => {
                state.out = Some(Out { by: by.clone(), reason: reason.clone(), since: *at, until: *until });
            }
            Event::OptedIn { at, .. } => {
                if let Some(out) = &mut state.out {
                    out.until = out.until.min(*at);
                }
            }
            Event::Taken { release, choice, at } => {
                let over = (state.taken.len() + 1).saturating_sub(TAKEN_MAX);
                state.taken.drain(..over);
                state.taken.push(Taken { release: *release, choice: choice.clone(), at: *at });
            }
        }
        state
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paths(share_bp: u32) -> Paths {
        Paths { learned: "brisk".to_owned(), standard: "slow".to_owned(), share_bp }
    }

    fn out(at: i64, lasts_ms: u64) -> Command {
        Command::OptOut { by: "ada".to_owned(), reason: "an audit".to_owned(), lasts_ms, at: At(at) }
    }

    fn after(commands: &[Command]) -> State {
        commands.iter().fold(State::default(), |state, command| Gating::decide(&state, command).unwrap().iter().fold(state, Gating::evolve))
    }

    #[test]
    fn a_release_draws_its_path_from_its_name_alone() {
        let share = |bp: u32, service: &str| {
            let drawn = (1..=10_000).filter(|n| choose(&paths(bp), &State::default(), "w", service, *n, At(0)).path == Path::Learned);
            drawn.count()
        };
        assert_eq!((share(0, "s"), share(10_000, "s")), (0, 10_000));
        // Four standard deviations of 10,000 draws at one half are 200.
        assert!(share(5_000, "s").abs_diff(5_000) < 200 && share(5_000, "t").abs_diff(5_000) < 200);
        let of = |service: &str| (1..200).map(|n| drawn_bp("w", service, n)).collect::<Vec<_>>();
        assert_eq!(of("s"), of("s"), "asking again changes nothing");
        assert_ne!(of("s"), of("t"));
        assert_ne!(drawn_bp("a", "b/c", 1), drawn_bp("a/b", "c", 1));
    }

    #[test]
    fn who_opted_out_takes_the_standard_path_until_it_ends() {
        let state = after(&[out(100, 50)]);
        for (at, wanted) in [(99, Path::Learned), (100, Path::Standard), (149, Path::Standard), (150, Path::Learned)] {
            assert_eq!(choose(&paths(10_000), &state, "w", "s", 1, At(at)).path, wanted, "{at}");
        }
        let choice = choose(&paths(10_000), &state, "w", "s", 1, At(120));
        assert_eq!((choice.strategy.as_str(), choice.because), ("slow", Because::OptedOut { by: "ada".to_owned() }));
        let opt_in = |at| Command::OptIn { by: "ada".to_owned(), reason: "done".to_owned(), at: At(at) };
        let state = after(&[out(100, 50), opt_in(120)]);
        assert!(state.out_at(At(119)).is_some() && state.out_at(At(120)).is_none());
        assert_eq!(Gating::decide(&state, &opt_in(121)), Err(Refused::NotOut));
        assert_eq!(Gating::decide(&state, &out(1, 0)), Err(Refused::Lasts));
        assert_eq!(Gating::decide(&state, &out(1, OUT_MS_MAX + 1)), Err(Refused::Lasts));
        let silent = Command::OptOut { by: "ada".to_owned(), reason: " ".to_owned(), lasts_ms: 1, at: At(1) };
        assert!(matches!(Gating::decide(&state, &silent), Err(Refused::NoReason(_))));
    }

    #[test]
    fn the_path_of_a_release_is_kept_once() {
        let choice = choose(&paths(10_000), &State::default(), "w", "s", 1, At(0));
        let take = Command::Take { release: 1, choice: choice.clone(), at: At(5) };
        let state = after(&[take.clone(), take]);
        assert_eq!(state.taken.len(), 1);
        let event = Event::Taken { release: 1, choice, at: At(5) };
        let text = serde_json::to_string(&event).unwrap();
        let wanted =
            r#"{"event":"taken","release":1,"path":"learned","strategy":"brisk","because":{"because":"drawn","share_bp":10000},"at":5}"#;
        assert_eq!(text, wanted);
        assert_eq!(serde_json::from_str::<Event>(&text).unwrap(), event);
    }
}
