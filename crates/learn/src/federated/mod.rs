//! One model of risk of several sites whose rows stay where they are.
//!
//! A coordinator, which never sees a row, asks all sites the same [`Round`]; each answers with sums over its own rows, as integers,
//! behind masks that cancel in the sum of all sites ([`mask`]). From sums alone [`lead`] grows the trees, fits the regression and
//! finds the curve; what comes out is a [`crate::RiskModel`] as any other. Sums of integers are exact: the sites together train the
//! same trees, to the bit, that one site with all rows would.
//!
//! Rows that are asked for together: counts first, then sums of slopes over neighbouring cells that were merged until each has
//! [`CELL_ROWS_MIN`] rows. What sums tell all the same stands in docs/federation.md.
//! Not here: how messages travel, who may send them, when a site is given up, where keys come from.

mod calibrate;
mod collect;
mod fixed;
mod grid;
mod grow;
mod lead;
mod mask;
mod regress;
mod round;
mod rows;
mod site;

pub use collect::{Collect, Refused, Taken};
pub use fixed::{SITE_SUM_MAX, VALUE_MAX};
pub use lead::{Joint, lead, pooled};
pub use mask::{BadRoster, Member, PublicKey, Roster, Secret, is_site_name};
pub use round::{Ask, Cells, News, Part, Round};
pub use rows::{Rows, Unanswered};
pub use site::{Hello, NotJoined, Site};

use crate::boost::NotTrained;
use crate::derive::{self, Derived};
use crate::fitted::NotFitted;
use crate::recipe::Recipe;
use crate::{FEATURES_MAX, NotATable, Table};
use serde::{Deserialize, Serialize};

/// The version of plans, rounds and answers.
pub const FORMAT: u32 = 1;
/// Fewest sites: of two, each would know the other's sums by taking away its own.
pub const SITES_MIN: usize = 3;
/// Most sites: so many times [`SITE_SUM_MAX`] is a number of 63 bits.
pub const SITES_MAX: usize = 64;
/// Fewest rows of a site.
pub const SITE_ROWS_MIN: usize = 20;
/// Rows of all sites that a sum of slopes or outcomes is over, at least.
pub const CELL_ROWS_MIN: i64 = 8;
/// Rows of all sites in a leaf, at least.
pub const LEAF_ROWS_MIN: i64 = 16;
/// Parts that the values of a feature are cut into, at most.
pub const BINS_MAX: usize = 256;
/// Shortest half life of a row's weight, in days: with a shorter one the rows of few days would be all that counts.
pub const HALF_LIFE_DAYS_MIN: f64 = 1.0;
/// Least share of rows that a tree sees: of a smaller one sums would be over a few rows that the seed names.
pub const TREE_ROWS_SHARE_MIN: f32 = 0.1;
/// Most that a row counts more or less because it hurt.
pub const HURT_WEIGHT_MAX: f64 = 100.0;

/// What all sites train, agreed before the first round.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// See [`FORMAT`].
    pub format: u32,
    /// Names of what a row has, in its order.
    pub features: Vec<String>,
    /// What is made of it.
    pub derived: Vec<Derived>,
    /// How it is trained.
    pub recipe: Recipe,
    /// Parts that the values of a feature are cut into.
    pub bins: usize,
    /// The instant from which the age of a row is counted, in seconds.
    pub as_of: i64,
    /// Share of each site's rows, its youngest, that tell what scores mean.
    pub held_share: f64,
    /// No site counts for more than so many rows: those of a larger one weigh less.
    pub site_rows_most: u64,
    /// Share of label sets that may miss the truth.
    pub miss_share: f64,
}

impl Plan {
    /// For tables with these features.
    ///
    /// # Errors
    /// When the names are none, too many, or not distinct.
    pub fn of<'a>(features: impl IntoIterator<Item = &'a str>, as_of: i64) -> Result<Plan, NotATable> {
        let table = Table::new(features)?;
        Ok(Plan {
            format: FORMAT,
            features: table.features().iter().map(|feature| feature.name.clone()).collect(),
            derived: derive::of_changes(&table),
            recipe: Recipe { bags: 2, ..Recipe::default() },
            bins: 64,
            as_of,
            held_share: 0.2,
            site_rows_most: crate::ROWS_MAX as u64,
            miss_share: 0.1,
        })
    }

    /// Features with those that are made of them.
    #[must_use]
    pub fn width(&self) -> usize {
        self.features.len() + self.derived.len()
    }

    /// Whether it means something.
    ///
    /// # Errors
    /// With the member that does not.
    pub fn check(&self) -> Result<(), Failed> {
        let wrong = |member: &'static str, expected: &'static str| Err(Failed::Plan { member, expected });
        let features = self.features.len();
        match self {
            _ if self.format != FORMAT => wrong("format", "1: coordinator and sites run the same release"),
            _ if features == 0 || self.width() > FEATURES_MAX => wrong("features", "1 to 512, with those that are made of them"),
            _ if self.derived.iter().any(|one| one.first >= features || one.second >= features) => {
                wrong("derived", "made of features that are there")
            }
            _ if !(2..=BINS_MAX).contains(&self.bins) => wrong("bins", "2 to 256"),
            _ if !(self.held_share > 0.0 && self.held_share < 1.0) => wrong("held_share", "above 0, below 1"),
            _ if self.site_rows_most < SITE_ROWS_MIN as u64 => wrong("site_rows_most", "20 or more"),
            _ if !(0.0..1.0).contains(&self.miss_share) => wrong("miss_share", "a share from 0 to 1"),
            _ if !(self.recipe.l2 > 0.0 && self.recipe.l2.is_finite()) => wrong("recipe.l2", "above 0"),
            _ if self.recipe.half_life_days.is_some_and(|days| days.is_nan() || days < HALF_LIFE_DAYS_MIN) => {
                wrong("recipe.half_life_days", "1 or more, or none")
            }
            _ if self.recipe.boosting.rows.is_nan() || self.recipe.boosting.rows < TREE_ROWS_SHARE_MIN => {
                wrong("recipe.boosting.rows", "a share from 0.1 to 1")
            }
            _ if !(1.0 / HURT_WEIGHT_MAX..=HURT_WEIGHT_MAX).contains(&self.recipe.hurt_weight) => {
                wrong("recipe.hurt_weight", "0.01 to 100")
            }
            _ if !self.recipe.balance.is_weights() => {
                wrong("recipe.balance", "weights: rows are not drawn by kind nor made where they are elsewhere")
            }
            _ if !self.recipe.held.is_empty() => wrong("recipe.held", "none: trees that grow of sums hold no feature to a direction"),
            _ => {
                self.recipe.check()?;
                Ok(self.recipe.boosting.check()?)
            }
        }
    }

    /// BLAKE3 over all of it and the roster, as hexadecimal digits. It is part of the key of each pair: sites that were given another
    /// plan, or other keys, get no sum.
    ///
    /// # Errors
    /// When it cannot be written as JSON, which none that was read is.
    pub fn digest(&self, roster: &Roster) -> Result<String, Failed> {
        let plan = serde_json::to_vec(self).map_err(|why| Failed::Model(why.to_string()))?;
        let mut hasher = blake3::Hasher::new();
        hasher.update(&(plan.len() as u64).to_le_bytes());
        hasher.update(&plan);
        hasher.update(roster.digest().as_bytes());
        Ok(hex::encode(hasher.finalize().as_bytes()))
    }

    /// Features that a tree may ask: drawn by the seed of the plan, the same at every site.
    pub(crate) fn columns(&self, bag: usize, tree: usize) -> Vec<usize> {
        let width = self.width();
        let wanted = libm::ceil(self.recipe.boosting.columns * width as f64) as usize;
        let mut columns: Vec<usize> = (0..width).collect();
        tidegate_stats::rng::Rng::new(self.draw(bag, tree)).shuffle(&mut columns);
        columns.truncate(wanted.clamp(1, width));
        columns.sort_unstable();
        columns
    }

    /// Where chance begins for a tree.
    pub(crate) fn draw(&self, bag: usize, tree: usize) -> u64 {
        use tidegate_stats::rng::mix;
        mix(mix(self.recipe.boosting.seed ^ bag as u64) ^ tree as u64)
    }

    /// Times that trees are boosted: fewer where scores are asked for their level alone.
    pub(crate) fn bags(&self, part: Part) -> usize {
        if part == Part::Earlier { self.recipe.bags.div_ceil(2) } else { self.recipe.bags }
    }
}

/// Why there is no joint model.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum Failed {
    /// What all agreed to means nothing.
    #[error("train together: `{member}` of the plan: {expected}")]
    Plan {
        /// Which member.
        member: &'static str,
        /// What is taken.
        expected: &'static str,
    },
    /// Rows teach nothing.
    #[error(transparent)]
    Trained(#[from] NotTrained),
    /// Scores do not become probabilities.
    #[error(transparent)]
    Fitted(#[from] NotFitted),
    /// Sums that rows cannot have.
    #[error(
        "train together: round {round}: {why}; a site did not answer what was asked, or its masks are of another plan, roster or phrase: begin again, and if it comes back leave out one site after the other"
    )]
    Sums {
        /// Which round.
        round: u64,
        /// What is wrong with them.
        why: String,
    },
    /// A round has no sum.
    #[error("train together: round {round}: {why}")]
    Round {
        /// Which round.
        round: u64,
        /// In words that name the site.
        why: String,
    },
    /// The parts make no model.
    #[error("train together: {0}")]
    Model(String),
}
