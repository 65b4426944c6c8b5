//! Features that move a risk in one direction alone, whatever the rows say: more lines never make a change safer.
//!
//! Trees are grown under the bounds of Chen and Guestrin ("XGBoost: a scalable tree boosting system", 2016, and the documentation of its
//! monotone constraints): of a split on a held feature, one side stays below the middle of both and the other above it, all the way down. The
//! library that grows them bounds only the splits on held features themselves, so leaves are held to their bounds once more here. In the
//! regression a coefficient of the wrong sign is 0. Curves to a probability never fall, so what holds for margins holds for probabilities.
//! The promise is about values that are known: a missing one has no place in the order.

use crate::Table;
use crate::boost::NotTrained;
use crate::derive::{Derived, How};
use crate::ensemble::Tree;
use serde::{Deserialize, Serialize};

/// What more of a feature may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Way {
    /// It never lowers the risk.
    Raises,
    /// It never raises the risk.
    Lowers,
    /// Nothing: the feature is left out, as one that is made of two which pull it both ways.
    Nothing,
}

/// A feature that is held to a direction.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Held {
    /// Which.
    pub feature: String,
    /// What more of it may do.
    pub way: Way,
}

/// What nobody would believe the contrary of, in the names of a change's features.
const OF_CHANGES: &[(&str, Way)] = &[
    ("la", Way::Raises),
    ("nf", Way::Raises),
    ("entropy", Way::Raises),
    ("minor", Way::Raises),
    ("file_faults", Way::Raises),
    ("test_files", Way::Lowers),
];

impl Way {
    /// Whether a change of the risk with more of the feature goes the other way.
    pub(crate) fn is_against(self, change: f64) -> bool {
        match self {
            Way::Raises => change < 0.0,
            Way::Lowers => change > 0.0,
            Way::Nothing => change != 0.0,
        }
    }

    fn opposite(self) -> Way {
        match self {
            Way::Raises => Way::Lowers,
            Way::Lowers => Way::Raises,
            Way::Nothing => Way::Nothing,
        }
    }
}

/// The features of changes that can be held, as far as they are there, with those that are made of them.
#[must_use]
pub fn of_changes(table: &Table, derived: &[Derived]) -> Vec<Held> {
    let there = OF_CHANGES.iter().filter(|(name, _)| table.column(name).is_some());
    let held: Vec<Held> = there.map(|(name, way)| Held { feature: (*name).to_owned(), way: *way }).collect();
    with_derived(table, derived, &held)
}

/// What is held with what is made of it: a share of a held feature must go its way too, or the feature would go back on itself through
/// it. Where both parts pull another way, it is left out. This counts on values of 0 or more, as sizes, counts and shares are.
#[must_use]
pub fn with_derived(table: &Table, derived: &[Derived], held: &[Held]) -> Vec<Held> {
    let way = |column: usize| {
        let name = &table.features().get(column)?.name;
        held.iter().find(|held| held.feature == *name).map(|held| held.way)
    };
    let made = derived.iter().filter_map(|one| {
        let second = way(one.second).map(|way| if one.how == How::Per { way.opposite() } else { way });
        let way = match (way(one.first), second) {
            (Some(first), Some(second)) if first == second => first,
            (Some(_), Some(_)) => Way::Nothing,
            (one, other) => one.or(other)?,
        };
        Some(Held { feature: one.name.clone(), way })
    });
    held.iter().cloned().chain(made).collect()
}

/// What is held of each column; a name that is not there, or twice, is refused.
pub(crate) fn ways(table: &Table, held: &[Held]) -> Result<Vec<Option<Way>>, NotTrained> {
    let mut ways = vec![None; table.width()];
    for one in held {
        let free = table.column(&one.feature).and_then(|column| ways.get_mut(column)).filter(|way: &&mut Option<Way>| way.is_none());
        *free.ok_or_else(|| NotTrained::Held { feature: one.feature.clone() })? = Some(one.way);
    }
    Ok(ways)
}

/// Holds the leaves of a tree to the bounds that its splits on held features give.
pub(crate) fn hold(tree: &mut Tree, ways: &[Option<Way>]) {
    // Places and bounds still to be looked at. A tree of `n` nodes is done after `n` of them.
    let mut open = vec![(0_u32, f32::NEG_INFINITY, f32::INFINITY)];
    for _ in 0..tree.nodes.len() {
        let Some((at, low, high)) = open.pop() else { return };
        let Some(node) = tree.nodes.get_mut(at as usize) else { return };
        let Some((left, right)) = node.children else {
            node.value = node.value.clamp(low, high);
            continue;
        };
        let way = ways.get(node.feature as usize).copied().flatten();
        let (lower, upper) = match way {
            None | Some(Way::Nothing) => {
                open.extend([(left, low, high), (right, low, high)]);
                continue;
            }
            Some(Way::Raises) => (left, right),
            Some(Way::Lowers) => (right, left),
        };
        // Whatever lies between what both sides have by now parts them with the least to move.
        let most = leaves(tree, lower).fold(f32::NEG_INFINITY, f32::max).clamp(low, high);
        let least = leaves(tree, upper).fold(f32::INFINITY, f32::min).clamp(low, high);
        let middle = (0.5 * most + 0.5 * least).clamp(low, high);
        open.extend([(lower, low, middle), (upper, middle, high)]);
    }
}

/// The values of all leaves from a node on.
fn leaves(tree: &Tree, from: u32) -> impl Iterator<Item = f32> {
    let (mut open, mut found) = (vec![from], Vec::new());
    // As many nodes as there are, whatever children say.
    for _ in 0..tree.nodes.len() {
        let Some(node) = open.pop().and_then(|at| tree.nodes.get(at as usize)) else { break };
        match node.children {
            Some((left, right)) => open.extend([left, right]),
            None => found.push(node.value),
        }
    }
    found.into_iter()
}
