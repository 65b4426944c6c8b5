//! Checks a source against a contract: one pass for all that streams, groups apart, then the verdicts.

use crate::classes::type_name;
use crate::error::DataError;
use crate::evaluate::Evaluator;
use crate::measure::Room;
use crate::pass::{Pass, Passing, Setting};
use crate::plan::{Way, way};
use crate::scan::scan;
use crate::source::{MEMORY_BYTES_MAX, Opened, Source, open};
use crate::taken::{Taking, take};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use tidegate_core::contract::{Before, CheckReport, Contract, Expectation, Measured, RowCondition, TableFacts, judge_contract};
use tidegate_core::id::At;

/// The part of the memory that values for quantiles may take before they are found by narrowing: past that, four more scans
/// cost less than the memory is worth, and a check of any number of rows takes the same.
const KEPT_SHARE: usize = 16;
pub(crate) const OPERATION: &str = "check dataset";
/// Unexpected values that are kept of a rule unless more are asked for.
pub const SAMPLES: usize = 20;
/// Most unexpected values that are kept of a rule.
pub const SAMPLES_MAX: usize = 1_000_000;

/// How a check is made.
#[derive(Clone, Debug)]
pub struct CheckOptions {
    /// Memory for groups and for values that quantiles are selected from.
    pub memory_bytes: usize,
    /// Folder for what does not fit; the system's when none is given.
    pub spill: Option<PathBuf>,
    /// Unexpected values that are kept of each rule, [`SAMPLES_MAX`] at most.
    pub samples: usize,
    /// The other datasets that rules may name.
    pub others: BTreeMap<String, Source>,
    /// What the checks before this one found.
    pub before: Option<Before>,
}

impl Default for CheckOptions {
    fn default() -> CheckOptions {
        CheckOptions { memory_bytes: MEMORY_BYTES_MAX, spill: None, samples: SAMPLES, others: BTreeMap::new(), before: None }
    }
}

/// Checks `source` against `contract`; freshness is judged as of `as_of`.
///
/// # Errors
/// When the data cannot be read. A rule that cannot be checked is an outcome, not an error.
pub async fn check(source: &Source, contract: &Contract, as_of: At, options: &CheckOptions) -> Result<CheckReport, DataError> {
    let opened = open(source, OPERATION, options.memory_bytes, options.spill.as_deref()).await?;
    let mut views = Views::default();
    let ways: Vec<(usize, Way)> = contract.expectations.iter().map(|e| plan_one(e, &opened, &mut views)).collect();
    let of_views: Vec<usize> = ways.iter().map(|(view, _)| *view).collect();
    let (mut pass, rows) = gather(&opened, &ways, &views.conditions, options).await?;
    let taking = Taking { opened: &opened, conditions: &views.conditions, options, rows };
    let mut taken = take(&taking, ways, &mut pass).await?;
    // What is known only now is measured in a second scan.
    let again: Vec<(usize, Way)> = of_views.iter().zip(&mut taken).map(|(view, t)| (*view, t.again())).collect();
    if again.iter().any(|(_, w)| !matches!(w, Way::Done(_))) {
        let (mut pass, _) = gather(&opened, &again, &views.conditions, options).await?;
        for (first, second) in taken.iter_mut().zip(take(&taking, again, &mut pass).await?) {
            first.replace(second);
        }
    }
    let among = |(view, measured): (&usize, Measured)| match (view, pass.views.get(*view)) {
        (0, _) | (_, None) => measured,
        (_, Some(view)) => Measured::Among { rows: view.rows, measured: Box::new(measured) },
    };
    let measured: Vec<Measured> = of_views.iter().zip(taken.into_iter().map(|t| t.measured())).map(among).collect();
    let described = opened.schema.fields().iter().map(|f| (f.name().clone(), type_name(f.data_type()))).collect();
    let table = TableFacts {
        source: source.path.display().to_string(),
        only: source.only.as_ref().map(|c| c.text.clone()),
        rows,
        columns: described,
    };
    Ok(judge_contract(contract, table, &measured, as_of, options.before.as_ref()))
}

/// The conditions on rows that rules have, each once; the first view is of all rows.
struct Views {
    written: Vec<Option<RowCondition>>,
    conditions: Vec<Option<Evaluator>>,
}

impl Default for Views {
    fn default() -> Views {
        Views { written: vec![None], conditions: vec![None] }
    }
}

impl Views {
    fn place(&mut self, condition: &RowCondition) -> Result<usize, String> {
        let same = |w: &Option<RowCondition>| w.as_ref().is_some_and(|w| w.condition == condition.condition);
        if let Some(place) = self.written.iter().position(same) {
            return Ok(place);
        }
        self.conditions.push(Some(Evaluator::new(&condition.condition)?));
        self.written.push(Some(condition.clone()));
        Ok(self.written.len() - 1)
    }
}

/// A rule that is wrong in itself is not measured: the verdict says what is wrong with it.
fn plan_one(expectation: &Expectation, opened: &Opened, views: &mut Views) -> (usize, Way) {
    if let Some(why) = expectation.mistake() {
        return (0, Way::Done(Measured::Failed { why }));
    }
    let view = match &expectation.row_condition {
        None => 0,
        Some(condition) => {
            if let Some(column) = condition.condition.columns().into_iter().find(|c| opened.index(c).is_none()) {
                return (0, Way::Done(Measured::MissingColumn { column: column.to_owned() }));
            }
            match views.place(condition) {
                Ok(view) => view,
                Err(why) => return (0, Way::Done(Measured::Failed { why })),
            }
        }
    };
    (view, way(&expectation.kind, opened))
}

/// One scan of all columns that the ways and the conditions read.
async fn gather(
    opened: &Opened,
    ways: &[(usize, Way)],
    views: &[Option<Evaluator>],
    options: &CheckOptions,
) -> Result<(Pass, u64), DataError> {
    let mut columns: Vec<usize> = ways.iter().flat_map(|(_, w)| w.scanned()).copied().collect();
    columns.extend(views.iter().flatten().flat_map(Evaluator::columns).filter_map(|c| opened.index(c)));
    columns.sort_unstable();
    columns.dedup();
    let columns = Arc::new(columns);
    let room = Arc::new(Room::new(options.memory_bytes / KEPT_SHARE / size_of::<f64>()));
    let index = |name: &str| opened.index(name);
    let setting = Setting { index: &index, room: &room, samples: options.samples.min(SAMPLES_MAX) };
    let make = |_| Passing { pass: Pass::new(ways, views, &columns, &setting), columns: columns.clone() };
    let (passing, rows) = scan(opened, &columns, make).await?;
    Ok((passing.pass, rows))
}
