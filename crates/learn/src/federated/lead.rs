//! The coordinator: from sums of all sites to one model.

use super::fixed::number;
use super::grid::{self, Cut};
use super::round::{Ask, News, Part, Round};
use super::{CELL_ROWS_MIN, Failed, LEAF_ROWS_MIN, Plan, Rows, Unanswered, calibrate, grow, regress};
use crate::artefact::{STAND_INS, assembled};
use crate::boost::NotTrained;
use crate::ensemble::{Ensemble, Meaning, single};
use crate::evaluate::CONFIDENCE;
use crate::fitted::{self, Fitted};
use crate::logistic::Logistic;
use crate::recipe::Blend;
use crate::{RiskModel, Table, Threshold, Training};
use tidegate_stats::scoring::{self, AucInterval};

/// Least distance of a base rate from 0 and 1, as in [`crate::boost`].
const BASE_MARGIN: f64 = 1e-4;

/// What sites trained together.
#[derive(Clone, Debug, PartialEq)]
pub struct Joint {
    /// Trees, regression and what their scores mean.
    pub fitted: Fitted,
    /// Rows of all sites.
    pub rows: u64,
    /// How many of them hurt.
    pub hurt: u64,
    /// Rounds that it took.
    pub rounds: u64,
    /// BLAKE3 over the plan and all sums, as hexadecimal digits: whoever has the same plan and rows, however they are spread, gets the
    /// same up to where each site's youngest rows lie.
    pub digest: String,
    plan: Plan,
    stand_ins: Vec<Vec<f64>>,
}

/// What the coordinator knows: sums, and what it decided by them.
pub(super) struct Lead<'a> {
    pub plan: &'a Plan,
    sums: &'a mut dyn FnMut(&Round) -> Result<Vec<i64>, Failed>,
    number: u64,
    news: Vec<News>,
    digest: blake3::Hasher,
    cuts: Vec<Cut>,
    /// Of the earlier part and of all: rows, weight, weight of those that hurt, those that hurt.
    known: [[i64; 4]; 2],
}

impl Lead<'_> {
    /// Asks all sites, and tells them what has been decided since.
    pub fn ask(&mut self, ask: Ask, values: usize) -> Result<Vec<i64>, Failed> {
        self.number += 1;
        let round = Round { number: self.number, news: std::mem::take(&mut self.news), ask, values };
        let sums = (self.sums)(&round)?;
        if sums.len() != values {
            return Err(self.wrong(format!("{} sums in place of {values}", sums.len())));
        }
        sums.iter().for_each(|sum| {
            self.digest.update(&sum.to_le_bytes());
        });
        Ok(sums)
    }

    pub fn tell(&mut self, news: News) {
        self.news.push(news);
    }

    pub fn round(&self) -> u64 {
        self.number
    }

    pub fn wrong(&self, why: String) -> Failed {
        Failed::Sums { round: self.number, why }
    }

    /// Numbers that must be one and the same: where masks do not cancel, they are not.
    pub fn agree(&self, mut numbers: impl Iterator<Item = i64>, with: Option<i64>, what: &str) -> Result<(), Failed> {
        let Some(first) = with.or_else(|| numbers.next()) else { return Ok(()) };
        if numbers.all(|number| number == first) { Ok(()) } else { Err(self.wrong(format!("{what} are not the same"))) }
    }

    fn of(&self, part: Part) -> [i64; 4] {
        let [earlier, all] = self.known;
        if part == Part::Earlier { earlier } else { all }
    }

    /// The mean weight of a row.
    pub fn weight(&self, part: Part) -> f64 {
        let [rows, weight, ..] = self.of(part);
        number(weight) / rows.max(1) as f64
    }

    /// Bins of a feature, without that for what is missing. What is missing lies behind one that is empty.
    pub fn bins(&self, feature: usize) -> usize {
        self.cuts.get(feature).map_or(1, |cut| cut.edges.len() + 1)
    }

    /// Where the bin behind this one begins.
    pub fn edge(&self, feature: usize, bin: u16) -> f32 {
        self.cuts.get(feature).and_then(|cut| cut.edges.get(usize::from(bin))).copied().unwrap_or(f32::INFINITY)
    }

    /// Counts rows, and cuts the values of each feature.
    fn look(&mut self) -> Result<(), Failed> {
        let (width, bins) = (self.plan.width(), self.plan.bins);
        let sums = self.ask(Ask::Spread, 8 + width * (grid::CELLS + 2))?;
        let (totals, counts) = sums.split_at(8.min(sums.len()));
        grid::counts(self.number, counts)?;
        for (known, sums) in self.known.iter_mut().zip(totals.as_chunks::<4>().0) {
            *known = *sums;
        }
        for part in [Part::Earlier, Part::All] {
            let [rows, weight, hurt_weight, hurt] = self.of(part);
            if weight <= 0 || hurt < LEAF_ROWS_MIN || rows - hurt < LEAF_ROWS_MIN || !(0..=weight).contains(&hurt_weight) {
                let of = |count: i64| usize::try_from(count).unwrap_or_default();
                return Err(NotTrained::Labels { rows: of(rows), hurt: of(hurt) }.into());
            }
        }
        let (grids, earlier) = counts.split_at((width * (grid::CELLS + 1)).min(counts.len()));
        let grids: Vec<&[i64]> = grids.chunks(grid::CELLS + 1).collect();
        self.agree(grids.iter().map(|grid| grid.iter().sum()), Some(self.of(Part::All)[0]), "rows by one feature and by another")?;
        let known = |grid: &[i64]| grid.get(..grid::CELLS).unwrap_or_default().to_vec();
        let whole: Vec<i64> = grids.iter().map(|grid| known(grid).iter().sum()).collect();
        if earlier.iter().zip(&whole).any(|(earlier, whole)| earlier > whole) {
            return Err(self.wrong("more of the earlier rows have a feature than of all".to_owned()));
        }
        for (part, known) in [(Part::Earlier, earlier), (Part::All, whole.as_slice())] {
            let rare = known.iter().enumerate().filter(|(_, rows)| **rows < CELL_ROWS_MIN);
            self.tell(News::Rare(part, rare.filter_map(|(feature, _)| u16::try_from(feature).ok()).collect()));
        }
        let heavy: Vec<Vec<u16>> = grids.iter().map(|grid| grid::heavy(&known(grid), bins)).collect();
        let values = heavy.iter().map(|cells| cells.len() * grid::PARTS).sum();
        let parts = self.ask(Ask::Parts(heavy.clone()), values)?;
        grid::counts(self.number, &parts)?;
        let mut rest = parts.as_slice();
        for (grid, heavy) in grids.iter().zip(&heavy) {
            let (own, behind) = rest.split_at((heavy.len() * grid::PARTS).min(rest.len()));
            rest = behind;
            self.cuts.push(grid::cut(&known(grid), heavy, own, bins));
        }
        let edges = self.cuts.iter().map(|cut| cut.edges.clone()).collect();
        self.tell(News::Edges(edges));
        Ok(())
    }

    fn boost(&mut self, part: Part) -> Result<Ensemble, Failed> {
        let [_, weight, hurt, _] = self.of(part);
        let base = single((number(hurt) / number(weight)).clamp(BASE_MARGIN, 1.0 - BASE_MARGIN));
        let mut bags = Vec::new();
        for bag in 0..self.plan.bags(part) {
            let mut ensemble = Ensemble { features: self.plan.width(), trees: Vec::new(), base, meaning: Meaning::LogOdds };
            let start = ensemble.start();
            for tree in 0..self.plan.recipe.boosting.trees {
                ensemble.trees.push(grow::tree(self, part, bag, tree, start)?);
            }
            bags.push(ensemble);
        }
        Ensemble::mean(&bags).ok_or_else(|| NotTrained::Trees("no trees were boosted".to_owned()).into())
    }

    fn blend(&mut self, part: Part) -> Result<Blend, Failed> {
        let logistic: Logistic = regress::train(self, part)?;
        let trees = self.boost(part)?;
        Ok(Blend { trees, logistic, logistic_share: self.plan.recipe.logistic_share })
    }
}

/// Trains one model of the sums that `sums` gives for each round.
///
/// # Errors
/// When the plan means nothing, a round has no sum, or sums are such as rows cannot have.
pub fn lead(plan: &Plan, sums: &mut dyn FnMut(&Round) -> Result<Vec<i64>, Failed>) -> Result<Joint, Failed> {
    plan.check()?;
    let mut digest = blake3::Hasher::new();
    digest.update(&serde_json::to_vec(plan).map_err(|why| Failed::Model(why.to_string()))?);
    let mut lead = Lead { plan, sums, number: 0, news: Vec::new(), digest, cuts: Vec::new(), known: [[0; 4]; 2] };
    lead.look()?;
    let earlier = lead.blend(Part::Earlier)?;
    let held = calibrate::held(&mut lead, &earlier.logistic)?;
    let blend = lead.blend(Part::All)?;
    let fitted = fitted::calibrated(blend, held, plan.miss_share)?;
    let [rows, _, _, hurt] = lead.of(Part::All);
    Ok(Joint {
        fitted,
        rows: rows.unsigned_abs(),
        hurt: hurt.unsigned_abs(),
        rounds: lead.number,
        digest: hex::encode(lead.digest.finalize().as_bytes()),
        stand_ins: lead.cuts.iter().take(plan.features.len()).map(stand_ins).collect(),
        plan: plan.clone(),
    })
}

/// The same, of rows that are all in one place: what the sites together are measured by.
///
/// # Errors
/// As [`lead`], and when the table does not fit the plan.
pub fn pooled(plan: &Plan, table: &Table) -> Result<Joint, Failed> {
    let failed = |round: u64, why: Unanswered| Failed::Round { round, why: why.to_string() };
    let mut rows = Rows::new(table, plan).map_err(|why| failed(0, why))?;
    lead(plan, &mut |round| rows.answer(round).map_err(|why| failed(round.number, why)))
}

/// Values that stand for one that is missing: of bins, none of them a row's.
fn stand_ins(cut: &Cut) -> Vec<f64> {
    let whole: i64 = cut.rows.iter().sum();
    let at = |share: f64| {
        let mut before = 0;
        let place = cut.rows.iter().position(|rows| {
            before += rows;
            before as f64 >= share * whole as f64
        });
        cut.stands.get(place.unwrap_or_default()).map(|value| f64::from(*value))
    };
    let mut values: Vec<f64> = STAND_INS.iter().filter_map(|share| at(*share)).collect();
    values.dedup();
    if values.is_empty() { vec![0.0] } else { values }
}

impl Joint {
    /// How well the model of the earlier rows ranked the youngest ones, by the cells in which their scores lie.
    #[must_use]
    pub fn held_auc(&self) -> Option<AucInterval> {
        scoring::auc_interval(&self.fitted.held.scores, &self.fitted.held.labels, CONFIDENCE)
    }

    /// The model, as any other.
    ///
    /// # Errors
    /// When its parts do not fit, which none that came out of [`lead`] do.
    pub fn model(&self, maturity_seconds: i64, thresholds: &[Threshold]) -> Result<RiskModel, Failed> {
        let training = Training {
            rows: usize::try_from(self.rows).unwrap_or(usize::MAX),
            base_rate: self.hurt as f64 / self.rows.max(1) as f64,
            // When a site's rows happened is not told: all of them are taken to be of one instant.
            from: self.plan.as_of,
            until: self.plan.as_of,
            maturity_seconds,
            digest: self.digest.clone(),
            calibrated_on: self.fitted.calibrated_on,
            recalibrated: None,
            synthetic: 0,
        };
        let features = self.plan.features.clone();
        assembled(features, &self.plan.derived, &self.fitted, training, self.stand_ins.clone(), thresholds)
            .map_err(|why| Failed::Model(why.to_string()))
    }
}
