//! Where a role is held: everywhere, or in services and environments that are named.

use super::{Action, Refused, Role};
use std::fmt;

/// Between a service's name and that of its environment.
pub const AT: char = '@';

/// A role, with where somebody holds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    /// The role.
    pub role: Role,
    /// Services, environments and services in one environment (`NAME@ENVIRONMENT`); everywhere when empty.
    pub places: Vec<String>,
}

impl Held {
    /// A role that is held everywhere.
    #[must_use]
    pub fn everywhere(role: Role) -> Held {
        Held { role, places: vec![] }
    }

    /// Whether it is held for a service, which in an environment is `NAME@ENVIRONMENT`.
    #[must_use]
    pub fn reaches(&self, service: &str) -> bool {
        let parts = service.split_once(AT);
        let covers = |place: &String| place == service || parts.is_some_and(|(name, environment)| place == name || place == environment);
        self.places.is_empty() || self.places.iter().any(covers)
    }
}

impl fmt::Display for Held {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.role.word())?;
        if self.places.is_empty() { Ok(()) } else { write!(f, " in {}", self.places.join(" and ")) }
    }
}

/// Somebody, with their roles at the time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Person {
    /// Their name: one person is one name, whatever token they use.
    pub name: String,
    /// Their roles.
    pub roles: Vec<Held>,
}

impl Person {
    /// Somebody who holds roles everywhere.
    #[must_use]
    pub fn holding(name: &str, roles: &[Role]) -> Person {
        Person { name: name.to_owned(), roles: roles.iter().copied().map(Held::everywhere).collect() }
    }

    /// Whether one of their roles allows an action everywhere.
    #[must_use]
    pub fn may(&self, action: Action) -> bool {
        self.allowing(action).any(|held| held.places.is_empty())
    }

    /// Whether one of them allows it for a service.
    #[must_use]
    pub fn may_in(&self, action: Action, service: &str) -> bool {
        self.allowing(action).any(|held| held.reaches(service))
    }

    /// Whether one of them allows it at all: of which services is another question.
    #[must_use]
    pub fn may_somewhere(&self, action: Action) -> bool {
        self.allowing(action).next().is_some()
    }

    fn allowing(&self, action: Action) -> impl Iterator<Item = &Held> {
        self.roles.iter().filter(move |held| held.role.allows(action))
    }

    /// Whether they may do something about a service.
    ///
    /// # Errors
    /// When no role allows it there; where one allows it elsewhere, that is said.
    pub fn allowed_in(&self, action: Action, service: &str) -> Result<(), Refused> {
        if self.may_in(action, service) {
            return Ok(());
        }
        let places: Vec<&str> = self.allowing(action).flat_map(|held| &held.places).map(String::as_str).collect();
        if places.is_empty() {
            return Err(self.without_role(action));
        }
        Err(Refused::Elsewhere { name: self.name.clone(), action, service: service.to_owned(), places: places.join(", ") })
    }

    /// That no role of theirs allows it.
    pub(super) fn without_role(&self, action: Action) -> Refused {
        let roles: Vec<String> = self.roles.iter().map(ToString::to_string).collect();
        let roles = if roles.is_empty() { "none".to_owned() } else { roles.join(", ") };
        Refused::NoRole { name: self.name.clone(), action, roles }
    }
}
