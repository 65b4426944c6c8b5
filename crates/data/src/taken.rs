//! From what was gathered to what was measured, one expectation after the other; groups are made here.

use crate::check::{CheckOptions, OPERATION, SAMPLES_MAX};
use crate::error::DataError;
use crate::evaluate::Evaluator;
use crate::groups::{Asked, GroupKey, Groups, groups};
use crate::measure::{Canonical, QuantileValues, Radix, RowRule, RowTally, between, linear_ranks, median_ranks, nearest_rank, number_of};
use crate::pass::{ColumnPass, Pass, View};
use crate::plan::{GroupAnswer, Way};
use crate::query::measured;
use crate::references::{references, rows_of};
use crate::scan::{Gather, scan};
use crate::source::Opened;
use datafusion::arrow::record_batch::RecordBatch;
use datafusion::error::DataFusionError;
use std::collections::VecDeque;
use tidegate_core::contract::{Counted, Measured, OutlierMethod, Statistic, Value};
use tidegate_core::id::At;

/// What was measured, or what must be scanned once more.
pub(crate) enum Taken {
    Measured(Measured),
    Again(usize, RowRule),
}

impl Taken {
    /// The way of the second scan; none where everything is known.
    pub fn again(&mut self) -> Way {
        match self {
            Taken::Again(column, rule) => Way::Rows { column: *column, rule: rule.clone() },
            Taken::Measured(_) => Way::Done(Measured::Table),
        }
    }

    pub fn replace(&mut self, second: Taken) {
        if matches!(self, Taken::Again(..)) {
            *self = second;
        }
    }

    pub fn measured(self) -> Measured {
        match self {
            Taken::Measured(measured) => measured,
            Taken::Again(..) => lost(),
        }
    }
}

/// What all are taken from.
pub(crate) struct Taking<'a> {
    pub opened: &'a Opened,
    pub conditions: &'a [Option<Evaluator>],
    pub options: &'a CheckOptions,
    /// Rows of the table.
    pub rows: u64,
}

fn lost() -> Measured {
    Measured::Failed { why: "its column was not scanned: report this as a defect".to_owned() }
}

/// Takes what was gathered for each expectation; ways are taken in the order in which the pass was made.
pub(crate) async fn take(of: &Taking<'_>, ways: Vec<(usize, Way)>, pass: &mut Pass) -> Result<Vec<Taken>, DataError> {
    let mut known = all_groups(of, &ways, pass).await?;
    let mut taken = Vec::with_capacity(ways.len());
    for (number, way) in ways {
        let Some(view) = pass.views.get_mut(number) else {
            taken.push(Taken::Measured(lost()));
            continue;
        };
        if let (Some(why), false) = (&view.failed, matches!(way, Way::Done(Measured::Failed { .. }))) {
            taken.push(Taken::Measured(Measured::Failed { why: why.clone() }));
            continue;
        }
        if let Some((key, answer)) = way.of_groups(number) {
            let found = known.iter_mut().find(|(k, _)| *k == key).map(|(_, found)| found);
            taken.push(Taken::Measured(found.map_or_else(lost, |found| from_groups(found, answer, view.rows))));
            continue;
        }
        taken.push(match way {
            Way::References { columns, dataset, to } => Taken::Measured(match of.options.others.get(&dataset) {
                Some(other) => references(of.opened, &columns, other, &to, of.rows, of.options.samples).await?,
                None => unknown(&dataset),
            }),
            Way::OtherRows { dataset } => Taken::Measured(match of.options.others.get(&dataset) {
                Some(other) => Measured::OtherRows { rows: rows_of(other, of.options.memory_bytes).await? },
                None => unknown(&dataset),
            }),
            Way::Query { query, number } => Taken::Measured(measured(of, &query, number).await?),
            way => from_scan(of, way, number, view).await?,
        });
    }
    Ok(taken)
}

pub(crate) fn unknown(dataset: &str) -> Measured {
    Measured::Failed { why: format!("dataset `{dataset}` is not known here: name it under `data` of tidegate.yaml") }
}

/// One grouping for all that ask for the same groups, with the sets in the order of the expectations.
async fn all_groups(of: &Taking<'_>, ways: &[(usize, Way)], pass: &mut Pass) -> Result<Vec<(GroupKey, Groups)>, DataError> {
    let mut wanted: Vec<(GroupKey, Asked)> = Vec::new();
    for (view, way) in ways {
        let Some((key, answer)) = way.of_groups(*view) else { continue };
        let at = wanted.iter().position(|(k, _)| *k == key).unwrap_or_else(|| {
            wanted.push((key, Asked { samples: of.options.samples.min(SAMPLES_MAX), ..Asked::default() }));
            wanted.len() - 1
        });
        let Some((_, asked)) = wanted.get_mut(at) else { continue };
        match answer {
            GroupAnswer::Set(set) => asked.sets.push(set.clone()),
            GroupAnswer::Modes => asked.modes = true,
            GroupAnswer::Categories => asked.categories = true,
            GroupAnswer::Duplicates | GroupAnswer::Count(_) => {}
        }
    }
    let mut known = Vec::with_capacity(wanted.len());
    for (key, asked) in wanted {
        if let Some(rows) = rising(&key, &asked, pass) {
            known.push((key, Groups::all_different(rows)));
            continue;
        }
        let condition = of.conditions.get(key.view).and_then(Option::as_ref);
        let found = groups(of.opened, &key, condition, asked).await?;
        known.push((key, found));
    }
    Ok(known)
}

/// How many values there are where the scan saw that all are different, and no more is asked of their groups.
fn rising(key: &GroupKey, asked: &Asked, pass: &mut Pass) -> Option<u64> {
    let ([column], false, false, true) = (key.columns.as_slice(), asked.modes, asked.categories, asked.sets.is_empty()) else {
        return None;
    };
    pass.views.get_mut(key.view)?.column(*column)?.rising.as_ref()?.all_different()
}

#[expect(clippy::cast_precision_loss, clippy::cast_possible_wrap, reason = "counts below 2^53")]
fn from_groups(found: &mut Groups, answer: &GroupAnswer, rows: u64) -> Measured {
    let missing = rows.saturating_sub(found.rows);
    match answer {
        GroupAnswer::Duplicates => Measured::Map { rows, missing, unexpected: found.repeated, samples: found.samples.clone() },
        GroupAnswer::Count(Statistic::UniqueValueProportion) => {
            let share = if found.rows == 0 { 0.0 } else { found.groups as f64 / found.rows as f64 };
            Measured::Aggregate { observed: Some(Value::Float(share)), missing }
        }
        GroupAnswer::Count(_) => Measured::Aggregate { observed: Some(Value::Int(found.groups as i64)), missing },
        GroupAnswer::Modes => Measured::Modes { values: found.modes.clone(), count: found.modes_count, missing },
        GroupAnswer::Categories => match &found.categories {
            Some(all) => Measured::Counted { counted: Counted::Categories(all.clone()), missing },
            None => Measured::Failed { why: "the column has more than a million categories: compare it by bins".to_owned() },
        },
        GroupAnswer::Set(_) if found.sets.is_empty() => lost(),
        GroupAnswer::Set(_) => {
            let set = found.sets.remove(0);
            let unexpected_count = set.unexpected_count;
            let (unexpected, absent) = set.found();
            Measured::Distinct { unexpected, unexpected_count, absent, missing }
        }
    }
}

async fn from_scan(of: &Taking<'_>, way: Way, number: usize, view: &mut View) -> Result<Taken, DataError> {
    let rows = view.rows;
    let condition = of.conditions.get(number).and_then(Option::as_ref);
    let measured = match way {
        Way::Done(measured) => measured,
        Way::Several { .. } if view.several.is_empty() => lost(),
        Way::Several { .. } => {
            let (_, tally) = view.several.remove(0);
            match tally.failed {
                Some(why) => Measured::Failed { why },
                // A rule of constants reads no column, so that no batch tells its rows.
                None => Measured::Map { rows: tally.rows, missing: tally.missing, unexpected: tally.unexpected, samples: tally.samples },
            }
        }
        way => {
            let [column] = way.scanned() else { return Ok(Taken::Measured(lost())) };
            let Some(found) = view.column(*column) else { return Ok(Taken::Measured(lost())) };
            return from_column(of, way, found, rows, condition).await;
        }
    };
    Ok(Taken::Measured(measured))
}

#[expect(clippy::cast_precision_loss, reason = "counts below 2^53")]
async fn from_column(
    of: &Taking<'_>,
    way: Way,
    found: &mut ColumnPass,
    rows: u64,
    condition: Option<&Evaluator>,
) -> Result<Taken, DataError> {
    let missing = found.missing;
    let measured = match way {
        Way::Rows { .. } if found.tallies.is_empty() => lost(),
        Way::Rows { .. } => match found.tallies.remove(0) {
            RowTally { failed: Some(why), .. } => Measured::Failed { why },
            tally => Measured::Map { rows, missing: tally.missing, unexpected: tally.unexpected, samples: tally.samples },
        },
        Way::Moments { statistic, .. } => match &found.moments {
            Some(moments) => Measured::Aggregate { observed: moments.value(statistic), missing },
            None => lost(),
        },
        Way::NonNull { .. } => {
            let share = if rows == 0 { 0.0 } else { (rows - missing) as f64 / rows as f64 };
            Measured::Aggregate { observed: Some(Value::Float(share)), missing }
        }
        Way::Newest { column } => match &found.moments {
            Some(moments) => {
                let newest = moments.newest().map(|micros| At(micros.div_euclid(1_000)));
                Measured::Newest { column: of.opened.schema.field(column).name().clone(), newest, missing }
            }
            None => lost(),
        },
        Way::Histogram { .. } if found.histograms.is_empty() => lost(),
        Way::Histogram { .. } => {
            let histogram = found.histograms.remove(0);
            Measured::Counted { counted: Counted::Bins(histogram.counts, histogram.below, histogram.above), missing }
        }
        Way::Quantiles { quantiles, .. } => quantiles_of(of.opened, found, quantiles.as_deref(), condition).await?,
        Way::ZScores { column, threshold, double_sided } => match &found.moments {
            Some(moments) => {
                let (mean, deviation) = moments.mean_and_deviation();
                // A constant column and one of fewer than two values have no scores, so none is too large. Where squares
                // overflow, the deviation is infinite and scores are 0, as they are in pandas.
                let scored = !deviation.is_nan() && deviation != 0.0;
                let rule = if scored { RowRule::ZScore { mean, deviation, threshold, double_sided } } else { RowRule::Anything };
                return Ok(Taken::Again(column, rule));
            }
            None => lost(),
        },
        Way::Outliers { column, method, multiplier } => {
            let rule = window(of.opened, found, method, multiplier, condition).await?;
            return Ok(Taken::Again(column, rule));
        }
        Way::Done(_)
        | Way::Several { .. }
        | Way::Groups { .. }
        | Way::Rising { .. }
        | Way::References { .. }
        | Way::OtherRows { .. }
        | Way::Query { .. } => lost(),
    };
    Ok(Taken::Measured(measured))
}

/// The window that no outlier lies in; everything where there is none.
async fn window(
    opened: &Opened,
    found: &mut ColumnPass,
    method: OutlierMethod,
    multiplier: f64,
    condition: Option<&Evaluator>,
) -> Result<RowRule, DataError> {
    if method == OutlierMethod::Std {
        let (mean, deviation) = found.moments.as_ref().map_or((f64::NAN, f64::NAN), |m| m.mean_and_deviation());
        let known = mean.is_finite() && deviation.is_finite();
        return Ok(if known { RowRule::Near { centre: mean, within: multiplier * deviation } } else { RowRule::Anything });
    }
    let column = found.column;
    let Some(values) = &mut found.quantiles else { return Ok(RowRule::Anything) };
    let count = values.count();
    if count == 0 {
        return Ok(RowRule::Anything);
    }
    let (a, b) = (linear_ranks(0.25, count), linear_ranks(0.75, count));
    let found = ranked(opened, column, values, &[a.0, a.1, b.0, b.1], condition).await?;
    let [a_low, a_high, b_low, b_high] = found.as_slice() else { return Ok(RowRule::Anything) };
    let (first, third) = (between(*a_low, *a_high, a.2), between(*b_low, *b_high, b.2));
    if !first.is_finite() || !third.is_finite() {
        return Ok(RowRule::Anything);
    }
    let reach = multiplier * (third - first);
    Ok(RowRule::Number { min: first - reach, max: third + reach, strict_min: false, strict_max: false })
}

async fn quantiles_of(
    opened: &Opened,
    pass: &mut ColumnPass,
    quantiles: Option<&[f64]>,
    condition: Option<&Evaluator>,
) -> Result<Measured, DataError> {
    let (column, missing) = (pass.column, pass.missing);
    let Some(values) = &mut pass.quantiles else {
        return Ok(Measured::Failed { why: "its values were not kept: report this as a defect".to_owned() });
    };
    let count = values.count();
    if count == 0 {
        return Ok(match quantiles {
            Some(qs) => Measured::Quantiles { observed: vec![None; qs.len()], missing },
            None => Measured::Aggregate { observed: None, missing },
        });
    }
    let ranks: Vec<u64> = match quantiles {
        Some(qs) => qs.iter().map(|q| nearest_rank(*q, count)).collect(),
        None => median_ranks(count).to_vec(),
    };
    let found = ranked(opened, column, values, &ranks, condition).await?;
    Ok(match quantiles {
        Some(_) => Measured::Quantiles { observed: found.into_iter().map(Some).collect(), missing },
        None => {
            let observed = found.first().zip(found.last()).map(|(a, b)| Value::from(f64::midpoint(*a, *b)));
            Measured::Aggregate { observed, missing }
        }
    })
}

async fn ranked(
    opened: &Opened,
    column: usize,
    values: &mut QuantileValues,
    ranks: &[u64],
    condition: Option<&Evaluator>,
) -> Result<Vec<f64>, DataError> {
    match values.select(ranks) {
        Some(found) => Ok(found),
        None => by_narrowing(opened, column, ranks, condition).await,
    }
}

/// Ranks of a column too large to keep: four passes, each of which counts 16 more bits.
async fn by_narrowing(opened: &Opened, column: usize, ranks: &[u64], condition: Option<&Evaluator>) -> Result<Vec<f64>, DataError> {
    let mut places: VecDeque<(u64, u64)> = ranks.iter().map(|r| (0, *r)).collect();
    let mut columns = vec![column];
    columns.extend(condition.iter().flat_map(|c| c.columns()).filter_map(|c| opened.index(c)));
    let mut known = 0;
    while known < u64::BITS {
        let empty = Radix::new(known, places.iter().map(|(prefix, _)| *prefix));
        let (counted, _) = scan(opened, &columns, |_| Narrow(empty.clone(), condition.cloned())).await?;
        for place in &mut places {
            // A rank lies below the count, so it is always found unless the file changed in between.
            *place = counted.0.narrow(place.0, place.1).ok_or_else(|| DataError::Damaged {
                operation: OPERATION,
                path: opened.path.clone(),
                why: "the file changed while it was read: check it again once it is at rest".to_owned(),
            })?;
        }
        known = counted.0.known_after();
    }
    Ok(places.into_iter().map(|(key, _)| number_of(key)).collect())
}

struct Narrow(Radix, Option<Evaluator>);

impl Gather for Narrow {
    fn take(&mut self, batch: &RecordBatch, _: u64) -> Result<(), DataFusionError> {
        let Some(array) = batch.columns().first() else { return Ok(()) };
        let Some(condition) = &self.1 else {
            self.0.take(&Canonical::new(array)?);
            return Ok(());
        };
        let read = batch.columns().iter().skip(1).map(Canonical::new).collect::<Result<Vec<_>, _>>()?;
        let borrowed: Vec<&Canonical> = read.iter().collect();
        let mask = condition.rows(&borrowed, batch.num_rows()).map_err(DataFusionError::Execution)?;
        self.0.take(&Canonical::new(&datafusion::arrow::compute::filter(array, &mask)?)?);
        Ok(())
    }

    fn join(&mut self, next: Narrow, _: u64) {
        self.0.join(&next.0);
    }
}
