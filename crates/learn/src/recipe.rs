//! How trainers become one model: boosted trees, several times over rows and features drawn anew, with logistic regression beside
//! them; younger rows count more, since what a team breaks changes.
//!
//! The settings below were chosen on the earlier four fifths of training parts, and are the same for every project.

use crate::balance::{Balance, Made};
use crate::boost::{self, Boosting, NotTrained};
use crate::ensemble::Ensemble;
use crate::logistic::{self, Logistic};
use crate::monotone::{self, Held};
use crate::{Row, Table, scenario};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;

/// Times that trees are boosted.
pub const BAGS_MAX: usize = 64;
const DAY_SECONDS: f64 = 86_400.0;

/// Settings of a model of risk.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recipe {
    /// How trees are boosted.
    pub boosting: Boosting,
    /// How often; their margins are averaged.
    pub bags: usize,
    /// Penalty of the regression, in rows.
    pub l2: f64,
    /// How much of the margin is the regression's.
    pub logistic_share: f64,
    /// Days after which a row counts half; none where all count alike.
    pub half_life_days: Option<f64>,
    /// How much more a row counts that hurt.
    pub hurt_weight: f64,
    /// What is done about the rarer kind of rows.
    #[serde(default, skip_serializing_if = "Balance::is_weights")]
    pub balance: Balance,
    /// Features that move the risk in one direction alone.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub held: Vec<Held>,
}

impl Default for Recipe {
    fn default() -> Recipe {
        let boosting = Boosting {
            trees: 150,
            rate: 0.05,
            depth: 4,
            leaves: 16,
            leaf_weight: 10.0,
            l2: 5.0,
            rows: 0.5,
            columns: 0.5,
            ..Boosting::default()
        };
        Recipe {
            boosting,
            bags: 4,
            l2: 10.0,
            logistic_share: 0.5,
            half_life_days: Some(365.0),
            hurt_weight: 1.0,
            balance: Balance::Weights,
            held: Vec::new(),
        }
    }
}

/// Trees and regression, which give one margin.
#[derive(Clone, Debug, PartialEq)]
pub struct Blend {
    /// The trees.
    pub trees: Ensemble,
    /// The regression.
    pub logistic: Logistic,
    /// How much of the margin is the regression's.
    pub logistic_share: f64,
}

impl Recipe {
    pub(crate) fn check(&self) -> Result<(), NotTrained> {
        let wrong = |name, expected| Err(NotTrained::Setting { name, expected });
        match self {
            _ if self.bags == 0 || self.bags > BAGS_MAX => wrong("bags", "1 to 64"),
            _ if !(0.0..=1.0).contains(&self.logistic_share) => wrong("logistic_share", "a share from 0 to 1"),
            _ if self.half_life_days.is_some_and(|days| !(days > 0.0 && days.is_finite())) => wrong("half_life_days", "above 0"),
            _ if !(self.hurt_weight > 0.0 && self.hurt_weight.is_finite()) => wrong("hurt_weight", "above 0"),
            _ => self.balance.check(),
        }
    }

    /// The weight of each row, 1 on average.
    #[must_use]
    pub fn weights(&self, table: &Table) -> Vec<f64> {
        let last = table.at().last().copied().unwrap_or_default();
        let age_days = |at: i64| (last.saturating_sub(at)) as f64 / DAY_SECONDS;
        let of = |(at, label): (&i64, &bool)| {
            // Half lives beyond forty weigh nothing; a weight stays above 0 all the same.
            let aged = self.half_life_days.map_or(1.0, |half| libm::exp2(-(age_days(*at) / half).min(40.0)));
            if *label { aged * self.hurt_weight } else { aged }
        };
        let weights: Vec<f64> = table.at().iter().zip(table.labels()).map(of).collect();
        let mean = weights.iter().sum::<f64>() / weights.len().max(1) as f64;
        weights.into_iter().map(|weight| weight / mean).collect()
    }

    /// The rows that are learnt from with those that are made, in the order of time, and what each weighs, 1 on average.
    fn learnt<'t>(&self, table: &'t Table, made: Vec<Made>) -> Result<(Cow<'t, Table>, Vec<f64>), NotTrained> {
        if made.is_empty() {
            return Ok((Cow::Borrowed(table), self.weights(table)));
        }
        let real = table.rows().zip(table.labels()).zip(table.at().iter().zip(table.effort()));
        let real = real.map(|((values, label), (at, effort))| (Row { at: *at, values, label: *label, effort: *effort }, 1.0));
        let none_seen = made.iter().map(|one| (Row { at: one.at, values: &one.values, label: one.label, effort: one.effort }, one.weight));
        let mut rows: Vec<(Row<'_>, f64)> = real.chain(none_seen).collect();
        rows.sort_by_key(|(row, _)| row.at);
        let mut all = table.slice(0..0);
        for (row, _) in &rows {
            all.push(row).map_err(|why| NotTrained::Trees(why.to_string()))?;
        }
        let weighed: Vec<f64> = self.weights(&all).iter().zip(&rows).map(|(weight, (_, share))| weight * share).collect();
        let mean = weighed.iter().sum::<f64>() / weighed.len().max(1) as f64;
        Ok((Cow::Owned(all), weighed.into_iter().map(|weight| weight / mean).collect()))
    }

    /// Trains trees and regression on all rows.
    ///
    /// # Errors
    /// When the rows are of one kind, a setting means nothing, or a feature that is held is not there.
    pub fn train(&self, table: &Table) -> Result<Blend, NotTrained> {
        self.check()?;
        let ways = monotone::ways(table, &self.held)?;
        let mut made = self.balance.made(table, self.boosting.seed);
        made.extend(scenario::made(table));
        let (table, weights) = self.learnt(table, made)?;
        let table = table.as_ref();
        let mut bags = Vec::with_capacity(self.bags);
        for bag in 0..self.bags {
            let seed = tidegate_stats::rng::mix(self.boosting.seed ^ bag as u64);
            let boosting = Boosting { seed, ..self.boosting.clone() };
            bags.push(match self.balance.drawn(table, seed) {
                None => boost::train_held(table, &weights, &boosting, &ways)?,
                Some(rows) => {
                    let drawn: Vec<f64> = rows.iter().filter_map(|row| weights.get(*row).copied()).collect();
                    boost::train_held(&table.pick(&rows), &drawn, &boosting, &ways)?
                }
            });
        }
        let trees = Ensemble::mean(&bags).ok_or_else(|| NotTrained::Trees("no trees were boosted".to_owned()))?;
        let logistic = logistic::train_held(table, &weights, self.l2, &ways)?;
        Ok(Blend { trees, logistic, logistic_share: self.logistic_share })
    }
}

impl Blend {
    /// The log odds of a row, before calibration.
    #[must_use]
    pub fn margin(&self, row: &[f64]) -> f64 {
        let share = self.logistic_share;
        (1.0 - share) * f64::from(self.trees.margin(row)) + share * self.logistic.margin(row)
    }
}
