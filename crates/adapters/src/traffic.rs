//! What a driver of traffic that others serve offers: end states to be brought about, each safe to be asked for again.
//!
//! Not here: when something is wanted (`core::rollout`), and how one driver does it (a file each).

use tidegate_core::id::At;
use tidegate_core::rollout::Role;
use tidegate_port::Failure;

/// How far something is that was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It is so.
    There,
    /// It is so for all that answered, which is enough, and who was silent.
    Enough(String),
    /// Not yet, and what it waits for: ask again.
    Coming(String),
    /// It will not be by itself, and why.
    Failed(String),
}

/// A release, as far as whoever carries it out has to know it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Release {
    /// Its service.
    pub service: String,
    /// Its number.
    pub number: u64,
    /// Its model.
    pub model: String,
    /// The version that serves before it.
    pub stable: Option<String>,
    /// The version to be released.
    pub candidate: String,
    /// Whether it has moved traffic: before, stable is where requests go, and nowhere else.
    pub moved: bool,
    /// Whether its version stands ready without requests for a while, before it gets some.
    pub stands: bool,
    /// Whether it goes back or has gone.
    pub back: bool,
    /// Since when the split that it is asked for is wanted, or now.
    pub since: At,
    /// Where it stands and what was found, for people.
    pub words: String,
    /// Now.
    pub at: At,
}

impl Release {
    /// The version of a role: the control is stable, for there is no fresh copy of it.
    #[must_use]
    pub fn version(&self, role: Role) -> Option<&str> {
        match role {
            Role::Candidate => Some(&self.candidate),
            Role::Stable | Role::Control => self.stable.as_deref(),
        }
    }

    /// The version that is not of the role.
    #[must_use]
    pub fn other(&self, role: Role) -> Option<&str> {
        match role {
            Role::Candidate => self.stable.as_deref(),
            Role::Stable | Role::Control => Some(&self.candidate),
        }
    }

    /// What templates name.
    #[must_use]
    pub fn names<'a>(&'a self, version: &'a str) -> [(&'a str, &'a str); 3] {
        [("version", version), ("model", &self.model), ("service", &self.service)]
    }
}

/// How often it may be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    /// While something is coming.
    pub ask_ms: u64,
    /// Whether all is as it was brought about.
    pub look_ms: u64,
}

/// Moves the traffic of one service.
pub trait Traffic: Send + Sync {
    /// How often it may be asked.
    fn pace(&self) -> Pace {
        Pace { ask_ms: 1_000, look_ms: 5_000 }
    }

    /// Has a version ready to answer.
    ///
    /// # Errors
    /// When nothing is known of it now.
    fn load(&self, release: &Release, role: Role) -> Result<Standing, Failure>;

    /// Lets a version go that gets no requests.
    ///
    /// # Errors
    /// When nothing is known of it now.
    fn unload(&self, release: &Release, role: Role) -> Result<Standing, Failure>;

    /// Gives the candidate so many basis points of all requests, and stable the rest.
    ///
    /// # Errors
    /// When nothing is known of it now.
    fn split(&self, release: &Release, candidate_bp: u32) -> Result<Standing, Failure>;

    /// What is otherwise than it was brought about, changing nothing: a role that answers nobody, and a split.
    ///
    /// # Errors
    /// When nothing is known of it now.
    fn look(&self, release: &Release, candidate_bp: u32) -> Result<Seen, Failure>;
}

/// What was found of a release that stands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// Roles whose version is gone or answers nobody, and why.
    pub lost: Vec<(Role, String)>,
    /// What the split is, where it is another one.
    pub moved: Option<String>,
    /// Where candidate and control run, for selectors.
    pub places: [Option<String>; 2],
}
