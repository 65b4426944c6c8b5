//! Which versions of a service are met now, and of which models they were released: as its releases recorded it, not as the
//! configuration would have it today. Not here: what they give and take (`model::Face`), and whether it fits (`fit`).

use crate::rollout::{Phase, Rollout};

/// A version, with the model that it was released of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Of {
    /// The model.
    pub model: String,
    /// Its version.
    pub version: String,
}

/// What the newest release of a service brings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Brought {
    /// It serves.
    Serves(Of),
    /// It is under way.
    UnderWay(Of),
    /// It went back.
    Gone,
}

/// A release, as far as it is recorded.
#[derive(Clone, Copy, Debug)]
pub struct Released<'a> {
    /// Its model.
    pub model: &'a str,
    /// What it released.
    pub candidate: &'a str,
    /// What served before.
    pub stable: Option<&'a str>,
    /// Where it is.
    pub phase: &'a Phase,
}

impl<'a> From<&'a Rollout> for Released<'a> {
    fn from(open: &'a Rollout) -> Released<'a> {
        Released { model: &open.spec.model, candidate: &open.spec.candidate, stable: open.spec.stable.as_deref(), phase: &open.phase }
    }
}

/// What the newest release brings, and what it replaces; none where there is none. What is replaced is of the model that the release
/// recorded which brought it; where that is not among those given, of the one that the newest recorded.
#[must_use]
pub fn live<'a>(newest_first: impl IntoIterator<Item = Released<'a>>) -> Option<(Brought, Option<Of>)> {
    let mut all = newest_first.into_iter();
    let newest = all.next()?;
    let of = |model: &str, version: &str| Of { model: model.to_owned(), version: version.to_owned() };
    let candidate = of(newest.model, newest.candidate);
    let brought = match newest.phase {
        Phase::Done => Brought::Serves(candidate),
        phase if phase.is_terminal() => Brought::Gone,
        _ => Brought::UnderWay(candidate),
    };
    let stable = newest.stable.map(|version| {
        let brought_it = all.find(|release| release.candidate == version && *release.phase == Phase::Done);
        of(brought_it.map_or(newest.model, |release| release.model), version)
    });
    Some((brought, stable))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rollout::{Cause, Forward};

    #[test]
    fn a_version_is_of_the_model_that_its_release_recorded() {
        let (gone, under_way) =
            (Phase::RolledBack { cause: Cause::CandidateFailed { reason: "x".to_owned() } }, Phase::Forward { forward: Forward::Shadow });
        let release = |model, candidate, stable, phase| Released { model, candidate, stable, phase };
        let of = |model: &str, version: &str| Of { model: model.to_owned(), version: version.to_owned() };
        let first = release("old", "3", None, &Phase::Done);
        assert_eq!(live([]), None);
        assert_eq!(live([first]), Some((Brought::Serves(of("old", "3")), None)));
        // The service got another model meanwhile, with a version of the same name.
        let next = release("new", "3", Some("3"), &under_way);
        assert_eq!(live([next, first]), Some((Brought::UnderWay(of("new", "3")), Some(of("old", "3")))));
        let failed = release("new", "3", Some("3"), &gone);
        assert_eq!(live([failed, failed, first]), Some((Brought::Gone, Some(of("old", "3")))));
        assert_eq!(
            live([release("new", "4", Some("2"), &gone), first]),
            Some((Brought::Gone, Some(of("new", "2")))),
            "nothing else is recorded"
        );
    }
}
