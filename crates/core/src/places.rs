//! Two places that take turns: one answers users, the other takes the next version. Which place a version of a release goes
//! to, and what part of the requests each gets.
//!
//! A version is never changed under traffic: a place that gets requests keeps what it has. Not here: what a place is (a
//! Deployment, a part of a file), and who asks.

use serde::{Deserialize, Serialize};

/// All requests, in basis points.
pub const ALL_BP: u32 = 10_000;

/// One of the two, as it is found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// Its name.
    pub name: String,
    /// The version that it says it has.
    pub version: Option<String>,
    /// Its weight, in whatever both are measured in.
    pub weight: u64,
}

/// Why a version has no place.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unplaced {
    /// It is to serve, and nobody has it.
    #[error("neither {} nor {} has version {version}, which serves by what is recorded: mark the one that runs it", names[0], names[1])]
    NotThere {
        /// The version.
        version: String,
        /// Both places.
        names: [String; 2],
    },
    /// The place that is left gets requests.
    #[error("{name} gets requests and has version {}: a version is never changed under traffic, so move its requests first", found.as_deref().unwrap_or("unknown"))]
    UnderTraffic {
        /// The place.
        name: String,
        /// What it has.
        found: Option<String>,
    },
    /// One place has both.
    #[error("{name} is found for both versions of the release: mark each place with the version that it runs")]
    Both {
        /// The place.
        name: String,
    },
}

/// The place that has a version; of two, the one with more requests.
#[must_use]
pub fn home(places: &[Place; 2], version: &str) -> Option<usize> {
    let has = |place: &Place| place.version.as_deref() == Some(version);
    match (has(&places[0]), has(&places[1])) {
        (true, true) => Some(usize::from(places[1].weight > places[0].weight)),
        (true, false) => Some(0),
        (false, true) => Some(1),
        (false, false) => None,
    }
}

/// The place for a version beside the other version of its release: the one that has it, or one without requests.
///
/// # Errors
/// When there is none. With `must_be_there` nothing else than the one that has it will do.
pub fn place(places: &[Place; 2], version: &str, other: Option<&str>, must_be_there: bool) -> Result<usize, Unplaced> {
    if let Some(at) = home(places, version) {
        return Ok(at);
    }
    if must_be_there {
        return Err(not_there(places, version));
    }
    let taken = other.and_then(|other| home(places, other));
    let free = |at: usize| taken != Some(at) && places[at].weight == 0;
    let left = usize::from(taken == Some(0));
    match (free(0), free(1)) {
        (true, _) => Ok(0),
        (false, true) => Ok(1),
        (false, false) => Err(Unplaced::UnderTraffic { name: places[left].name.clone(), found: places[left].version.clone() }),
    }
}

/// The part of each place in basis points, when the candidate gets `candidate_bp` of all requests and stable the rest.
///
/// # Errors
/// When a version that is to get requests is nowhere.
pub fn split(places: &[Place; 2], stable: Option<&str>, candidate: &str, candidate_bp: u32) -> Result<[u32; 2], Unplaced> {
    let candidate_bp = candidate_bp.min(ALL_BP);
    let at = |version: &str| home(places, version).ok_or_else(|| not_there(places, version));
    let mut parts = [0, 0];
    let candidate_at = if candidate_bp > 0 { Some(at(candidate)?) } else { None };
    if candidate_bp < ALL_BP {
        let stable_at = at(stable.unwrap_or(candidate))?;
        if candidate_at == Some(stable_at) {
            return Err(Unplaced::Both { name: places[stable_at].name.clone() });
        }
        parts[stable_at] = ALL_BP - candidate_bp;
    }
    if let Some(candidate_at) = candidate_at {
        parts[candidate_at] = candidate_bp;
    }
    Ok(parts)
}

fn not_there(places: &[Place; 2], version: &str) -> Unplaced {
    Unplaced::NotThere { version: version.to_owned(), names: [places[0].name.clone(), places[1].name.clone()] }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn two(blue: (Option<&str>, u64), green: (Option<&str>, u64)) -> [Place; 2] {
        let place = |name: &str, (version, weight): (Option<&str>, u64)| Place {
            name: name.to_owned(),
            version: version.map(str::to_owned),
            weight,
        };
        [place("blue", blue), place("green", green)]
    }

    #[test]
    fn each_version_has_its_place() {
        let served = two((Some("1"), 100), (None, 0));
        assert_eq!(place(&served, "1", Some("2"), true), Ok(0));
        assert_eq!(place(&served, "2", Some("1"), false), Ok(1));
        // They take turns.
        let turned = two((Some("1"), 0), (Some("2"), 100));
        assert_eq!(place(&turned, "3", Some("2"), false), Ok(0));
        // What was put there before a crash is found again.
        assert_eq!(place(&turned, "1", Some("2"), false), Ok(0));
        // Both had stable: the idle one takes the candidate.
        let both = two((Some("1"), 0), (Some("1"), 100));
        assert_eq!((home(&both, "1"), place(&both, "2", Some("1"), false)), (Some(1), Ok(0)));
        // The first version, where somebody else's still answers.
        assert_eq!(place(&two((None, 1), (None, 0)), "1", None, false), Ok(1));
        assert_eq!(place(&two((None, 0), (None, 0)), "1", None, false), Ok(0));
    }

    #[test]
    fn nothing_is_changed_under_traffic_or_guessed() {
        let both_serve = two((Some("1"), 50), (Some("0"), 50));
        let said = place(&both_serve, "2", Some("1"), false).unwrap_err().to_string();
        assert!(said.starts_with("green gets requests and has version 0: a version is never changed under traffic"), "{said}");
        let unmarked = two((None, 100), (None, 0));
        let said = place(&unmarked, "1", Some("2"), true).unwrap_err().to_string();
        assert_eq!(said, "neither blue nor green has version 1, which serves by what is recorded: mark the one that runs it");
        assert!(split(&unmarked, Some("1"), "2", 500).is_err());
        let same = two((Some("1"), 1), (None, 0));
        assert!(split(&same, Some("1"), "1", 500).unwrap_err().to_string().starts_with("blue is found for both"));
    }

    #[test]
    fn stable_gets_what_the_candidate_does_not() {
        let places = two((Some("2"), 0), (Some("1"), 100));
        let of = |bp| split(&places, Some("1"), "2", bp);
        assert_eq!((of(0), of(500), of(9_500), of(10_000)), (Ok([0, 10_000]), Ok([500, 9_500]), Ok([9_500, 500]), Ok([10_000, 0])));
        // All requests go to one that is there, whatever became of the other.
        let alone = two((Some("2"), 0), (None, 0));
        assert_eq!(split(&alone, Some("1"), "2", 10_000), Ok([10_000, 0]));
        assert_eq!(split(&two((None, 0), (Some("1"), 0)), Some("1"), "2", 0), Ok([0, 10_000]));
    }

    proptest! {
        #[test]
        fn a_place_with_requests_keeps_its_version(
            versions in prop::array::uniform2(prop::option::of("[123]")), weights in prop::array::uniform2(0..3_u64),
            wanted in "[123]", other in prop::option::of("[123]"), must in any::<bool>(),
        ) {
            let places = two((versions[0].as_deref(), weights[0]), (versions[1].as_deref(), weights[1]));
            if let Ok(at) = place(&places, &wanted, other.as_deref(), must) {
                let has = places[at].version.as_deref() == Some(wanted.as_str());
                prop_assert!(has || (places[at].weight == 0 && !must));
                // The other version of the release is not lost by it.
                let kept = other.as_deref().is_none_or(|other| has || home(&places, other) != Some(at));
                prop_assert!(kept);
            }
        }

        #[test]
        fn parts_add_up(versions in prop::array::uniform2(prop::option::of("[12]")), bp in 0..=10_000_u32) {
            let places = two((versions[0].as_deref(), 1), (versions[1].as_deref(), 2));
            if let Ok(parts) = split(&places, Some("1"), "2", bp) {
                prop_assert_eq!(parts[0] + parts[1], 10_000);
                let of = |version: &str| (0..2).filter(|at| places[*at].version.as_deref() == Some(version)).map(|at| parts[at]).sum::<u32>();
                prop_assert_eq!((of("2"), of("1")), (bp, 10_000 - bp));
            }
        }
    }
}
