//! Groups of equal values: how many there are and which have more than one row. Under a memory limit; spills to disk.

use crate::classes::Class;
use crate::error::DataError;
use crate::measure::{SAMPLES_MAX, values_at};
use crate::source::Opened;
use datafusion::arrow::array::{Array, ArrayRef, AsArray};
use datafusion::arrow::datatypes::{DataType, Int64Type};
use datafusion::arrow::record_batch::RecordBatch;
use datafusion::common::Column;
use datafusion::error::DataFusionError;
use datafusion::functions::core::expr_fn::nullif;
use datafusion::functions_aggregate::expr_fn::count;
use datafusion::physical_plan::{ExecutionPlan, execute_stream};
use datafusion::prelude::{Expr, lit};
use futures::StreamExt;
use std::sync::Arc;
use tidegate_core::contract::{IgnoreRow, Sample, Value};

/// Groups of equal values.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Groups {
    /// Rows that were grouped.
    pub rows: u64,
    /// Groups.
    pub groups: u64,
    /// Rows of groups of more than one.
    pub repeated: u64,
    /// Values of the largest groups, then by value.
    pub samples: Vec<Sample>,
}

/// Groups the rows by these columns.
pub(crate) async fn groups(opened: &Opened, columns: &[usize], ignore: IgnoreRow) -> Result<Groups, DataError> {
    let plan = plan(opened, columns, ignore).await.map_err(|e| opened.explain(e))?;
    run(opened, columns.len(), plan).await
}

async fn plan(opened: &Opened, columns: &[usize], ignore: IgnoreRow) -> Result<Arc<dyn ExecutionPlan>, DataFusionError> {
    let keys: Vec<Expr> = columns.iter().map(|i| key(opened, *i)).collect();
    let mut frame = opened.context.read_table(opened.provider(columns)?.0)?;
    if let Some(keep) = keep(&keys, ignore) {
        frame = frame.filter(keep)?;
    }
    let named = keys.into_iter().enumerate().map(|(i, k)| k.alias(format!("k{i}"))).collect();
    frame.aggregate(named, vec![count(lit(1_i64)).alias("n")])?.create_physical_plan().await
}

async fn run(opened: &Opened, keys: usize, plan: Arc<dyn ExecutionPlan>) -> Result<Groups, DataError> {
    let mut stream = execute_stream(plan, opened.context.task_ctx()).map_err(|e| opened.explain(e))?;
    let mut all = Groups::default();
    let mut largest = Largest::default();
    while let Some(batch) = stream.next().await {
        let batch = batch.map_err(|e| opened.explain(e))?;
        take(&batch, keys, &mut all, &mut largest);
    }
    all.samples = largest.into_samples();
    Ok(all)
}

/// A column as it is grouped by: NaN is null and there is one zero.
fn key(opened: &Opened, column: usize) -> Expr {
    let field = opened.schema.field(column);
    let plain = Expr::Column(Column::from_name(field.name()));
    match Class::of(field.data_type()) {
        Class::Float if *field.data_type() == DataType::Float64 => nullif(plain + lit(0.0_f64), lit(f64::NAN)),
        Class::Float if *field.data_type() == DataType::Float32 => nullif(plain + lit(0.0_f32), lit(f32::NAN)),
        _ => plain,
    }
}

fn keep(keys: &[Expr], ignore: IgnoreRow) -> Option<Expr> {
    let there = keys.iter().map(|k| k.clone().is_not_null());
    match ignore {
        IgnoreRow::Never => None,
        IgnoreRow::AllValuesAreMissing => there.reduce(Expr::or),
        IgnoreRow::AnyValueIsMissing => there.reduce(Expr::and),
    }
}

fn take(batch: &RecordBatch, keys: usize, all: &mut Groups, largest: &mut Largest) {
    let columns = batch.columns();
    let (Some(values), Some(counts)) = (columns.get(..keys), columns.get(keys)) else { return };
    let Some(counts) = counts.as_primitive_opt::<Int64Type>() else { return };
    all.groups += counts.len() as u64;
    for (row, n) in counts.values().iter().enumerate() {
        let n = n.unsigned_abs();
        all.rows += n;
        if n > 1 {
            all.repeated += n;
            largest.offer(n, values, row);
        }
    }
}

/// The largest groups seen, whatever order they came in.
#[derive(Default)]
struct Largest {
    kept: Vec<(u64, String, Value)>,
    /// Rows of the smallest that is kept once the list is full.
    bar: u64,
}

impl Largest {
    fn offer(&mut self, n: u64, columns: &[ArrayRef], row: usize) {
        if n < self.bar {
            return;
        }
        let parts: Vec<ArrayRef> = columns.iter().map(|c| c.slice(row, 1)).collect();
        let value = values_at(&parts, 0);
        self.kept.push((n, value.to_string(), value));
        if self.kept.len() >= 4 * SAMPLES_MAX {
            self.trim();
        }
    }

    fn trim(&mut self) {
        self.kept.sort_by(|a, b| b.0.cmp(&a.0).then_with(|| a.1.cmp(&b.1)));
        self.kept.truncate(SAMPLES_MAX);
        if let Some(last) = self.kept.get(SAMPLES_MAX - 1) {
            self.bar = last.0;
        }
    }

    fn into_samples(mut self) -> Vec<Sample> {
        self.trim();
        self.kept.into_iter().map(|(_, _, value)| Sample { row: None, value }).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rows::{Column, Table, write_parquet};
    use crate::source::{MEMORY_BYTES_MAX, Source, open};

    fn spills(plan: &Arc<dyn ExecutionPlan>) -> usize {
        let own = plan.metrics().and_then(|m| m.spill_count()).unwrap_or(0);
        own + plan.children().into_iter().map(spills).sum::<usize>()
    }

    #[test]
    fn groups_that_do_not_fit_spill_and_are_the_same() {
        const ROWS: i64 = 400_000;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("t.parquet");
        // 200,000 groups, each of two rows far apart, but for the 1,000 rows of the last 500.
        let ids = (0..ROWS).map(|i| Some(if i % (ROWS / 2) >= ROWS / 2 - 500 { i } else { i % (ROWS / 2) }));
        let texts = (0..ROWS).map(|i| Some(format!("a text of some length {}", i % (ROWS / 2))));
        let columns = [("id".to_owned(), Column::Int(ids.collect())), ("text".to_owned(), Column::Text(texts.collect()))];
        write_parquet(&path, &Table { columns: columns.into_iter().collect(), rows: 400_000 }).unwrap();
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let found = |memory_bytes: usize| {
            runtime.block_on(async {
                let opened = open(&Source::at(&path), "check dataset", memory_bytes, Some(folder.path())).await.unwrap();
                let plan = plan(&opened, &[0, 1], IgnoreRow::Never).await.unwrap();
                let found = run(&opened, 2, plan.clone()).await.unwrap();
                (found, spills(&plan))
            })
        };
        let (wide, none) = found(MEMORY_BYTES_MAX);
        let (narrow, some) = found(12 << 20);
        assert_eq!((wide.rows, wide.groups, wide.repeated), (400_000, 200_500, 399_000));
        assert_eq!(narrow, wide);
        assert_eq!(none, 0);
        assert!(some > 0, "nothing was spilled");
    }
}
