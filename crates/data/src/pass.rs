//! What one scan gathers: for each view of the table (all rows, or those of a condition) what its rules ask for.

use crate::evaluate::Evaluator;
use crate::measure::{Canonical, Histogram, Moments, Places, QuantileValues, Rising, Room, RowTally, SeveralTally};
use crate::plan::Way;
use crate::scan::Gather;
use datafusion::arrow::compute::filter;
use datafusion::arrow::record_batch::RecordBatch;
use datafusion::error::DataFusionError;
use std::sync::Arc;
use tidegate_core::contract::OutlierMethod;

/// What is gathered of one column.
pub(crate) struct ColumnPass {
    pub column: usize,
    pub missing: u64,
    pub moments: Option<Moments>,
    pub quantiles: Option<QuantileValues>,
    pub rising: Option<Rising>,
    /// In the order of their expectations.
    pub tallies: Vec<RowTally>,
    /// In the order of their expectations.
    pub histograms: Vec<Histogram>,
}

/// What is gathered of the rows that a condition selects, or of all.
pub(crate) struct View {
    condition: Option<Evaluator>,
    /// Where the condition's columns lie in a batch.
    condition_places: Vec<usize>,
    pub rows: u64,
    pub columns: Vec<ColumnPass>,
    /// Where the columns lie in a batch, and the rule; in the order of the expectations.
    pub several: Vec<(Vec<usize>, SeveralTally)>,
    /// Why its rows cannot be told.
    pub failed: Option<String>,
}

/// What is gathered in the pass.
pub(crate) struct Pass {
    pub views: Vec<View>,
}

impl Pass {
    /// For these ways, each with its view; `columns` are the places that batches hold, in this order.
    pub fn new(ways: &[(usize, Way)], views: &[Option<Evaluator>], columns: &[usize], of: &Setting<'_>) -> Pass {
        let place = |column: usize| columns.binary_search(&column).ok();
        let view = |number: usize, condition: &Option<Evaluator>| {
            let wanted = condition.iter().flat_map(|c| c.columns());
            let condition_places = wanted.filter_map(|c| place((of.index)(c)?)).collect();
            let condition = condition.clone();
            let mut view = View { condition, condition_places, rows: 0, columns: vec![], several: vec![], failed: None };
            for (_, way) in ways.iter().filter(|(v, _)| *v == number) {
                view.prepare(number, way, &place, of);
            }
            view.columns.sort_by_key(|c| c.column);
            view
        };
        Pass { views: views.iter().enumerate().map(|(i, c)| view(i, c)).collect() }
    }
}

/// What a pass shares.
pub(crate) struct Setting<'a> {
    /// Place of a column in the table.
    pub index: &'a (dyn Fn(&str) -> Option<usize> + Sync),
    /// For values that quantiles are selected from.
    pub room: &'a Arc<Room>,
    /// Most samples of a rule.
    pub samples: usize,
}

impl View {
    fn prepare(&mut self, view: usize, way: &Way, place: &dyn Fn(usize) -> Option<usize>, of: &Setting<'_>) {
        if let Way::Several { columns, ignore, rule } = way {
            let places = columns.iter().filter_map(|c| place(*c)).collect();
            self.several.push((places, SeveralTally::new(rule.clone(), *ignore, of.samples)));
            return;
        }
        let [column] = way.scanned() else { return };
        let pass = self.column_or_new(*column);
        match way {
            Way::Rows { rule, .. } => pass.tallies.push(RowTally::new(rule.clone(), of.samples)),
            Way::Moments { .. } | Way::Newest { .. } | Way::ZScores { .. } | Way::Outliers { method: OutlierMethod::Std, .. } => {
                pass.moments = Some(pass.moments.take().unwrap_or_default());
            }
            Way::Quantiles { .. } | Way::Outliers { method: OutlierMethod::Iqr, .. } if pass.quantiles.is_none() => {
                pass.quantiles = Some(QuantileValues::new(of.room.clone(), (view, *column)));
            }
            Way::Rising { .. } => pass.rising = Some(Rising::default()),
            Way::Histogram { edges, .. } => pass.histograms.push(Histogram::new(edges.clone())),
            _ => {}
        }
    }

    fn column_or_new(&mut self, column: usize) -> &mut ColumnPass {
        let at = self.columns.iter().position(|c| c.column == column).unwrap_or_else(|| {
            let (missing, moments, quantiles, rising) = (0, None, None, None);
            self.columns.push(ColumnPass { column, missing, moments, quantiles, rising, tallies: vec![], histograms: vec![] });
            self.columns.len() - 1
        });
        // It was found, or was just put there.
        #[expect(clippy::indexing_slicing, reason = "the place was found or made in the line before")]
        &mut self.columns[at]
    }

    pub fn column(&mut self, column: usize) -> Option<&mut ColumnPass> {
        self.columns.iter_mut().find(|c| c.column == column)
    }

    fn take(&mut self, batch: &RecordBatch, read: &[Canonical], places: &[usize], row: u64) -> Result<(), DataFusionError> {
        if self.failed.is_some() {
            return Ok(());
        }
        let Some(condition) = &self.condition else {
            return self.gather(read.iter().collect(), places, batch.num_rows(), &Places::From(row));
        };
        let columns: Vec<&Canonical> = self.condition_places.iter().filter_map(|p| read.get(*p)).collect();
        let mask = match condition.rows(&columns, batch.num_rows()) {
            Ok(mask) => mask,
            Err(why) => {
                self.failed = Some(format!("the condition on rows: {why}"));
                return Ok(());
            }
        };
        let selected: Vec<u64> = mask.iter().enumerate().filter(|(_, m)| *m == Some(true)).map(|(r, _)| row + r as u64).collect();
        let mut kept = Vec::with_capacity(batch.num_columns());
        for array in batch.columns() {
            kept.push(Canonical::new(&filter(array, &mask)?)?);
        }
        self.gather(kept.iter().collect(), places, selected.len(), &Places::Listed(selected))
    }

    fn gather(&mut self, read: Vec<&Canonical>, places: &[usize], rows: usize, at: &Places) -> Result<(), DataFusionError> {
        self.rows += rows as u64;
        for pass in &mut self.columns {
            let Some(column) = places.binary_search(&pass.column).ok().and_then(|p| read.get(p)) else { continue };
            pass.missing += column.missing() as u64;
            if let Some(moments) = &mut pass.moments {
                moments.take(column);
            }
            if let Some(quantiles) = &mut pass.quantiles {
                quantiles.take(column);
            }
            if let Some(rising) = &mut pass.rising {
                rising.take(column);
            }
            for tally in &mut pass.tallies {
                tally.take(column, at)?;
            }
            for histogram in &mut pass.histograms {
                histogram.take(column);
            }
        }
        for (places, tally) in &mut self.several {
            let columns: Vec<&Canonical> = places.iter().filter_map(|p| read.get(*p).copied()).collect();
            tally.take(&columns, rows, at);
        }
        Ok(())
    }

    /// `rows` rows of the whole table came before.
    fn join(&mut self, next: View, rows: u64) {
        self.rows += next.rows;
        self.failed = self.failed.take().or(next.failed);
        for (mine, theirs) in self.columns.iter_mut().zip(next.columns) {
            mine.missing += theirs.missing;
            if let (Some(mine), Some(theirs)) = (&mut mine.moments, theirs.moments) {
                mine.join(theirs);
            }
            if let (Some(mine), Some(theirs)) = (&mut mine.quantiles, theirs.quantiles) {
                mine.join(theirs);
            }
            if let (Some(mine), Some(theirs)) = (&mut mine.rising, &theirs.rising) {
                mine.join(theirs);
            }
            for (mine, theirs) in mine.tallies.iter_mut().zip(theirs.tallies) {
                mine.join(theirs, rows);
            }
            for (mine, theirs) in mine.histograms.iter_mut().zip(theirs.histograms) {
                mine.join(&theirs);
            }
        }
        for ((_, mine), (_, theirs)) in self.several.iter_mut().zip(next.several) {
            mine.join(theirs, rows);
        }
    }
}

/// A pass with the places of the columns that batches hold.
pub(crate) struct Passing {
    pub pass: Pass,
    pub columns: Arc<Vec<usize>>,
}

impl Gather for Passing {
    fn take(&mut self, batch: &RecordBatch, row: u64) -> Result<(), DataFusionError> {
        let read = batch.columns().iter().map(Canonical::new).collect::<Result<Vec<_>, _>>()?;
        self.pass.views.iter_mut().try_for_each(|view| view.take(batch, &read, &self.columns, row))
    }

    fn join(&mut self, next: Passing, rows: u64) {
        for (mine, theirs) in self.pass.views.iter_mut().zip(next.pass.views) {
            mine.join(theirs, rows);
        }
    }
}
