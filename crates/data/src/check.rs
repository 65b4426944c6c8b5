//! Checks a source against a contract: one pass for all that streams, groups apart, then the verdicts.

use crate::classes::type_name;
use crate::error::DataError;
use crate::groups::{Groups, groups};
use crate::measure::{Canonical, Moments, QuantileValues, Radix, RowTally, median_ranks, nearest_rank, number_of};
use crate::plan::{GroupAnswer, Way, way};
use crate::scan::{Gather, scan};
use crate::source::{MEMORY_BYTES_MAX, Opened, Source, open};
use datafusion::arrow::record_batch::RecordBatch;
use datafusion::error::DataFusionError;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use tidegate_core::contract::{CheckReport, Contract, Expectation, Measured, Statistic, TableFacts, Value, judge_contract};
use tidegate_core::id::At;

const OPERATION: &str = "check dataset";

/// How a check is made.
#[derive(Clone, Debug)]
pub struct CheckOptions {
    /// Memory for groups and for values that quantiles are selected from.
    pub memory_bytes: usize,
    /// Folder for what does not fit; the system's when none is given.
    pub spill: Option<PathBuf>,
}

impl Default for CheckOptions {
    fn default() -> CheckOptions {
        CheckOptions { memory_bytes: MEMORY_BYTES_MAX, spill: None }
    }
}

/// Checks `source` against `contract`; freshness is judged as of `as_of`.
///
/// # Errors
/// When the data cannot be read. A rule that cannot be checked is an outcome, not an error.
pub async fn check(source: &Source, contract: &Contract, as_of: At, options: &CheckOptions) -> Result<CheckReport, DataError> {
    let opened = open(source, OPERATION, options.memory_bytes, options.spill.as_deref()).await?;
    let ways: Vec<Way> = contract.expectations.iter().map(|e| plan_one(e, &opened)).collect();
    let columns = scanned_columns(&ways);
    let left = Arc::new(AtomicUsize::new(options.memory_bytes / size_of::<f64>()));
    let (mut pass, rows) = scan(&opened, &columns, |_| Pass::new(&ways, &columns, &left)).await?;
    let mut measured = Vec::with_capacity(ways.len());
    let mut known: Vec<(Vec<usize>, Groups)> = Vec::new();
    for way in ways {
        measured.push(measure(way, rows, &mut pass, &opened, &mut known).await?);
    }
    let described = opened.schema.fields().iter().map(|f| (f.name().clone(), type_name(f.data_type()))).collect();
    let table = TableFacts { source: source.path.display().to_string(), rows, columns: described };
    Ok(judge_contract(contract, table, &measured, as_of))
}

/// A rule that is wrong in itself is not measured: the verdict says what is wrong with it.
fn plan_one(expectation: &Expectation, opened: &Opened) -> Way {
    match expectation.mistake() {
        Some(why) => Way::Done(Measured::Failed { why }),
        None => way(&expectation.kind, opened),
    }
}

fn scanned_columns(ways: &[Way]) -> Vec<usize> {
    let mut columns: Vec<usize> = ways
        .iter()
        .filter_map(|w| match w {
            Way::Rows { column, .. } | Way::Moments { column, .. } | Way::Quantiles { column, .. } | Way::Newest { column } => {
                Some(*column)
            }
            Way::Done(_) | Way::Groups { .. } => None,
        })
        .collect();
    columns.sort_unstable();
    columns.dedup();
    columns
}

/// What is gathered of one column.
struct ColumnPass {
    column: usize,
    missing: u64,
    moments: Option<Moments>,
    quantiles: Option<QuantileValues>,
    /// With the place of their expectation in the contract.
    tallies: Vec<RowTally>,
}

/// What is gathered in the pass.
struct Pass {
    columns: Vec<ColumnPass>,
}

impl Pass {
    fn new(ways: &[Way], columns: &[usize], left: &Arc<AtomicUsize>) -> Pass {
        let mut passes: Vec<ColumnPass> = columns
            .iter()
            .map(|column| ColumnPass { column: *column, missing: 0, moments: None, quantiles: None, tallies: Vec::new() })
            .collect();
        for way in ways {
            let place = match way {
                Way::Rows { column, .. } | Way::Moments { column, .. } | Way::Quantiles { column, .. } | Way::Newest { column } => {
                    columns.binary_search(column)
                }
                Way::Done(_) | Way::Groups { .. } => continue,
            };
            let Some(pass) = place.ok().and_then(|p| passes.get_mut(p)) else { continue };
            match way {
                Way::Rows { rule, .. } => pass.tallies.push(RowTally::new(rule.clone())),
                Way::Moments { .. } | Way::Newest { .. } => pass.moments = Some(pass.moments.take().unwrap_or_default()),
                Way::Quantiles { .. } if pass.quantiles.is_none() => pass.quantiles = Some(QuantileValues::new(left.clone())),
                Way::Quantiles { .. } | Way::Done(_) | Way::Groups { .. } => {}
            }
        }
        Pass { columns: passes }
    }

    fn column(&mut self, column: usize) -> Option<&mut ColumnPass> {
        self.columns.iter_mut().find(|c| c.column == column)
    }
}

impl Gather for Pass {
    fn take(&mut self, batch: &RecordBatch, row: u64) -> Result<(), DataFusionError> {
        for (pass, array) in self.columns.iter_mut().zip(batch.columns()) {
            let column = Canonical::new(array).map_err(|e| DataFusionError::ArrowError(Box::new(e), None))?;
            pass.missing += column.missing() as u64;
            if let Some(moments) = &mut pass.moments {
                moments.take(&column);
            }
            if let Some(quantiles) = &mut pass.quantiles {
                quantiles.take(&column);
            }
            for tally in &mut pass.tallies {
                tally.take(&column, row)?;
            }
        }
        Ok(())
    }

    fn join(&mut self, next: Pass, rows: u64) {
        for (mine, theirs) in self.columns.iter_mut().zip(next.columns) {
            mine.missing += theirs.missing;
            if let (Some(mine), Some(theirs)) = (&mut mine.moments, theirs.moments) {
                mine.join(theirs);
            }
            if let (Some(mine), Some(theirs)) = (&mut mine.quantiles, theirs.quantiles) {
                mine.join(theirs);
            }
            for (mine, theirs) in mine.tallies.iter_mut().zip(theirs.tallies) {
                mine.join(theirs, rows);
            }
        }
    }
}

/// Takes what was gathered for one expectation; ways are taken in the order in which the pass was made.
async fn measure(
    way: Way,
    rows: u64,
    pass: &mut Pass,
    opened: &Opened,
    known: &mut Vec<(Vec<usize>, Groups)>,
) -> Result<Measured, DataError> {
    let lost = || Measured::Failed { why: "its column was not scanned: report this as a defect".to_owned() };
    Ok(match way {
        Way::Done(measured) => measured,
        Way::Rows { column, .. } => match pass.column(column).filter(|c| !c.tallies.is_empty()).map(|c| c.tallies.remove(0)) {
            Some(RowTally { failed: Some(why), .. }) => Measured::Failed { why },
            Some(tally) => Measured::Map { rows, missing: tally.missing, unexpected: tally.unexpected, samples: tally.samples },
            None => lost(),
        },
        Way::Moments { column, statistic } => match pass.column(column) {
            Some(ColumnPass { moments: Some(moments), missing, .. }) => {
                Measured::Aggregate { observed: moments.value(statistic), missing: *missing }
            }
            _ => lost(),
        },
        Way::Newest { column } => match pass.column(column) {
            Some(ColumnPass { moments: Some(moments), missing, .. }) => {
                let newest = moments.newest().map(|micros| At(micros.div_euclid(1_000)));
                Measured::Newest { column: opened.schema.field(column).name().clone(), newest, missing: *missing }
            }
            _ => lost(),
        },
        Way::Quantiles { column, quantiles } => match pass.column(column) {
            Some(found) => measure_quantiles(found, quantiles.as_deref(), opened).await?,
            None => lost(),
        },
        Way::Groups { columns, ignore, answer } => {
            let at = known.iter().position(|(c, _)| *c == columns && c.len() == 1);
            let found = match at.and_then(|i| known.get(i)) {
                Some((_, found)) => found.clone(),
                None => groups(opened, &columns, ignore).await?,
            };
            let measured = from_groups(&found, answer, rows);
            known.push((columns, found));
            measured
        }
    })
}

#[expect(clippy::cast_precision_loss, clippy::cast_possible_wrap, reason = "counts below 2^53")]
fn from_groups(found: &Groups, answer: GroupAnswer, rows: u64) -> Measured {
    let missing = rows.saturating_sub(found.rows);
    match answer {
        GroupAnswer::Duplicates => Measured::Map { rows, missing, unexpected: found.repeated, samples: found.samples.clone() },
        GroupAnswer::Count(Statistic::UniqueValueProportion) => {
            let share = if found.rows == 0 { 0.0 } else { found.groups as f64 / found.rows as f64 };
            Measured::Aggregate { observed: Some(Value::Float(share)), missing }
        }
        GroupAnswer::Count(_) => Measured::Aggregate { observed: Some(Value::Int(found.groups as i64)), missing },
    }
}

async fn measure_quantiles(pass: &mut ColumnPass, quantiles: Option<&[f64]>, opened: &Opened) -> Result<Measured, DataError> {
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
    let found = match values.select(&ranks) {
        Some(found) => found,
        None => by_narrowing(opened, column, &ranks).await?,
    };
    Ok(match quantiles {
        Some(_) => Measured::Quantiles { observed: found.into_iter().map(Some).collect(), missing },
        None => {
            let observed = found.first().zip(found.last()).map(|(a, b)| Value::from(f64::midpoint(*a, *b)));
            Measured::Aggregate { observed, missing }
        }
    })
}

/// Ranks of a column too large to keep: four passes, each of which counts 16 more bits.
async fn by_narrowing(opened: &Opened, column: usize, ranks: &[u64]) -> Result<Vec<f64>, DataError> {
    let mut places: Vec<(u64, u64)> = ranks.iter().map(|r| (0, *r)).collect();
    let mut known = 0;
    while known < u64::BITS {
        let empty = Radix::new(known, places.iter().map(|(prefix, _)| *prefix));
        let (counted, _) = scan(opened, &[column], |_| Narrow(empty.clone())).await?;
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

struct Narrow(Radix);

impl Gather for Narrow {
    fn take(&mut self, batch: &RecordBatch, _: u64) -> Result<(), DataFusionError> {
        for array in batch.columns() {
            self.0.take(&Canonical::new(array).map_err(|e| DataFusionError::ArrowError(Box::new(e), None))?);
        }
        Ok(())
    }

    fn join(&mut self, next: Narrow, _: u64) {
        self.0.join(&next.0);
    }
}
