//! Groups of equal values: how many there are and which have more than one row. Under a memory limit; spills to disk.

use crate::classes::Class;
use crate::error::DataError;
use crate::evaluate::Evaluator;
use crate::measure::{Canonical, values_at};
use crate::sets::{ValueSet, order};
use crate::source::Opened;
use datafusion::arrow::array::{Array, ArrayRef, AsArray};
use datafusion::arrow::datatypes::{DataType, Int64Type};
use datafusion::arrow::record_batch::RecordBatch;
use datafusion::common::Column;
use datafusion::error::DataFusionError;
use datafusion::functions::core::expr_fn::nullif;
use datafusion::functions_aggregate::expr_fn::count;
use datafusion::logical_expr::{ColumnarValue, Volatility, create_udf};
use datafusion::physical_plan::{ExecutionPlan, execute_stream};
use datafusion::prelude::{DataFrame, Expr, lit};
use futures::StreamExt;
use std::sync::Arc;
use tidegate_core::contract::{IgnoreRow, Sample, Value};

/// Most equally common values that are listed, and most categories whose numbers are kept.
const MODES_MAX: usize = 100;
const CATEGORIES_MAX: usize = 1_000_000;

/// What is grouped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct GroupKey {
    /// Places of the columns.
    pub columns: Vec<usize>,
    /// Rows left out.
    pub ignore: IgnoreRow,
    /// Which of the views of the table.
    pub view: usize,
}

/// Groups of equal values.
#[derive(Clone, Debug, Default)]
pub(crate) struct Groups {
    /// Rows that were grouped.
    pub rows: u64,
    /// Groups.
    pub groups: u64,
    /// Rows of groups of more than one.
    pub repeated: u64,
    /// Values of the largest groups of more than one, then by value.
    pub samples: Vec<Sample>,
    /// Values of all groups of the largest size, in order; the first of them.
    pub modes: Vec<Value>,
    /// How many groups have that size.
    pub modes_count: u64,
    /// Sets that the values were held against, in the order in which they were handed in.
    pub sets: Vec<ValueSet>,
    /// Values with their rows, where they were asked for and are not too many.
    pub categories: Option<Vec<(Value, u64)>>,
    largest: u64,
}

impl Groups {
    /// A group of each row.
    pub fn all_different(rows: u64) -> Groups {
        Groups { rows, groups: rows, ..Groups::default() }
    }
}

/// What is asked beyond numbers of groups.
#[derive(Clone, Debug, Default)]
pub(crate) struct Asked {
    pub modes: bool,
    pub categories: bool,
    pub sets: Vec<ValueSet>,
    /// Most samples of repeated values.
    pub samples: usize,
}

/// Groups the rows that the condition selects.
pub(crate) async fn groups(opened: &Opened, key: &GroupKey, condition: Option<&Evaluator>, asked: Asked) -> Result<Groups, DataError> {
    let plan = plan(opened, key, condition).await.map_err(|e| opened.explain(e))?;
    run(opened, key.columns.len(), plan, asked).await
}

async fn plan(opened: &Opened, key: &GroupKey, condition: Option<&Evaluator>) -> Result<Arc<dyn ExecutionPlan>, DataFusionError> {
    let frame = grouped(opened, &key.columns, key.ignore, condition)?;
    frame.create_physical_plan().await
}

/// The rows by their keys `k0`, `k1`, .. with their number `n`.
pub(crate) fn grouped(
    opened: &Opened,
    columns: &[usize],
    ignore: IgnoreRow,
    condition: Option<&Evaluator>,
) -> Result<DataFrame, DataFusionError> {
    let keys: Vec<Expr> = columns.iter().map(|i| key(opened, *i)).collect();
    let mut needed = columns.to_vec();
    needed.extend(condition.iter().flat_map(|c| c.columns()).filter_map(|c| opened.index(c)));
    needed.sort_unstable();
    needed.dedup();
    let mut frame = meant(opened, &needed)?;
    if let Some(condition) = condition {
        frame = frame.filter(selected(opened, condition))?;
    }
    if let Some(keep) = keep(&keys, ignore) {
        frame = frame.filter(keep)?;
    }
    let named = keys.into_iter().enumerate().map(|(i, k)| k.alias(format!("k{i}"))).collect();
    frame.aggregate(named, vec![count(lit(1_i64)).alias("n")])
}

/// The rows that are meant, with these columns at least.
pub(crate) fn meant(opened: &Opened, columns: &[usize]) -> Result<DataFrame, DataFusionError> {
    let Some(only) = &opened.selected else { return opened.context.read_table(opened.provider(columns)?.0) };
    let mut all = only.with(columns);
    all.sort_unstable();
    let frame = opened.context.read_table(opened.provider(&all)?.0)?;
    let handed_down = only.handed_down.iter().cloned();
    frame.filter(handed_down.fold(selected(opened, &only.evaluator), Expr::and))
}

/// The condition as a function of the engine, so that it selects the same rows everywhere.
fn selected(opened: &Opened, condition: &Evaluator) -> Expr {
    let fields: Vec<_> = condition.columns().iter().filter_map(|c| opened.index(c)).map(|i| opened.schema.field(i).clone()).collect();
    let types = fields.iter().map(|f| f.data_type().clone()).collect();
    let evaluator = condition.clone();
    let evaluate = move |arguments: &[ColumnarValue]| {
        let arrays = ColumnarValue::values_to_arrays(arguments)?;
        let rows = arrays.first().map_or(0, |a| a.len());
        let columns = arrays.iter().map(Canonical::new).collect::<Result<Vec<_>, _>>()?;
        let borrowed: Vec<&Canonical> = columns.iter().collect();
        let found = evaluator.rows(&borrowed, rows).map_err(DataFusionError::Execution)?;
        Ok(ColumnarValue::Array(Arc::new(found)))
    };
    let function = create_udf("row_condition", types, DataType::Boolean, Volatility::Immutable, Arc::new(evaluate));
    function.call(fields.iter().map(|f| Expr::Column(Column::from_name(f.name()))).collect())
}

async fn run(opened: &Opened, keys: usize, plan: Arc<dyn ExecutionPlan>, asked: Asked) -> Result<Groups, DataError> {
    let mut stream = execute_stream(plan, opened.context.task_ctx()).map_err(|e| opened.explain(e))?;
    let mut all = Groups { categories: asked.categories.then(Vec::new), sets: asked.sets, ..Groups::default() };
    let mut largest = Largest::of(asked.samples);
    while let Some(batch) = stream.next().await {
        let batch = batch.map_err(|e| opened.explain(e))?;
        take(&batch, keys, &mut all, &mut largest);
        if asked.modes || all.categories.is_some() || !all.sets.is_empty() {
            look(&batch, asked.modes, &mut all).map_err(|e| opened.explain(e))?;
        }
    }
    all.samples = largest.into_samples();
    all.modes.sort_by(order);
    Ok(all)
}

/// Looks at the value of each group.
fn look(batch: &RecordBatch, modes: bool, all: &mut Groups) -> Result<(), DataFusionError> {
    let (Some(values), Some(counts)) = (batch.columns().first(), batch.columns().last()) else { return Ok(()) };
    let Some(counts) = counts.as_primitive_opt::<Int64Type>() else { return Ok(()) };
    let column = Canonical::new(values)?;
    for (row, n) in counts.values().iter().enumerate() {
        let n = n.unsigned_abs();
        all.sets.iter_mut().for_each(|set| set.note(&column, row));
        if modes && n >= all.largest {
            if n > all.largest {
                (all.largest, all.modes_count) = (n, 0);
                all.modes.clear();
            }
            all.modes_count += 1;
            if all.modes.len() < MODES_MAX {
                all.modes.push(column.show(row));
            }
        }
        if let Some(categories) = &mut all.categories {
            categories.push((column.show(row), n));
            if categories.len() > CATEGORIES_MAX {
                all.categories = None;
            }
        }
    }
    Ok(())
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
pub(crate) struct Largest {
    /// How many are kept.
    most: usize,
    kept: Vec<(u64, String, Value)>,
    /// Rows of the smallest that is kept once the list is full.
    bar: u64,
}

impl Largest {
    /// Keeps this many.
    pub fn of(most: usize) -> Largest {
        Largest { most, ..Largest::default() }
    }

    pub fn offer(&mut self, n: u64, columns: &[ArrayRef], row: usize) {
        if n < self.bar {
            return;
        }
        let parts: Vec<ArrayRef> = columns.iter().map(|c| c.slice(row, 1)).collect();
        let value = values_at(&parts, 0);
        self.kept.push((n, value.to_string(), value));
        if self.kept.len() >= 4 * self.most.max(1) {
            self.trim();
        }
    }

    fn trim(&mut self) {
        self.kept.sort_by(|a, b| b.0.cmp(&a.0).then_with(|| a.1.cmp(&b.1)));
        self.kept.truncate(self.most);
        if let Some(last) = self.kept.get(self.most.saturating_sub(1)) {
            self.bar = last.0;
        }
    }

    pub fn into_samples(mut self) -> Vec<Sample> {
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
                let key = GroupKey { columns: vec![0, 1], ignore: IgnoreRow::Never, view: 0 };
                let plan = plan(&opened, &key, None).await.unwrap();
                let found = run(&opened, 2, plan.clone(), Asked { samples: 20, ..Asked::default() }).await.unwrap();
                (found, spills(&plan))
            })
        };
        let (wide, none) = found(MEMORY_BYTES_MAX);
        let (narrow, some) = found(12 << 20);
        assert_eq!((wide.rows, wide.groups, wide.repeated), (400_000, 200_500, 399_000));
        assert_eq!((narrow.rows, narrow.groups, narrow.repeated, &narrow.samples), (wide.rows, wide.groups, wide.repeated, &wide.samples));
        assert_eq!(none, 0);
        assert!(some > 0, "nothing was spilled");
    }
}
