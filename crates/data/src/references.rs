//! Values that must be there in another dataset: both sides by their distinct keys, then those that have no partner.

use crate::classes::{Class, type_name};
use crate::error::DataError;
use crate::groups::{Largest, grouped};
use crate::scan::{Gather, scan};
use crate::source::{Opened, Source, open};
use datafusion::arrow::array::AsArray;
use datafusion::arrow::datatypes::{DataType, Int64Type, TimeUnit};
use datafusion::arrow::record_batch::RecordBatch;
use datafusion::common::JoinType;
use datafusion::error::DataFusionError;
use datafusion::logical_expr::cast;
use datafusion::prelude::{DataFrame, Expr, col};
use futures::StreamExt;
use tidegate_core::contract::{IgnoreRow, Measured};

const OPERATION: &str = "look up references";

/// How many rows have values without a partner; a row with a null among them is left out.
pub(crate) async fn references(
    opened: &Opened,
    columns: &[usize],
    other: &Source,
    to: &[String],
    rows: u64,
    samples: usize,
) -> Result<Measured, DataError> {
    let there = open(other, OPERATION, opened.memory_bytes, None).await?;
    opened.reads_too(&there);
    let mut places = Vec::with_capacity(to.len());
    for column in to {
        places.push(there.require(column)?);
    }
    let mut types = Vec::with_capacity(columns.len());
    for (here, place) in columns.iter().zip(&places) {
        let (a, b) = (opened.schema.field(*here), there.schema.field(*place));
        match common(a.data_type(), b.data_type()) {
            Some(kind) => types.push(kind),
            None => {
                let (a, b) = ((a.name(), type_name(a.data_type())), (b.name(), type_name(b.data_type())));
                let why = format!("column `{}` is {}, `{}` of the other dataset is {}: they cannot be compared", a.0, a.1, b.0, b.1);
                return Ok(Measured::Failed { why });
            }
        }
    }
    find(opened, columns, &there, &places, &types, rows, samples).await.map_err(|e| opened.explain(e))
}

async fn find(
    opened: &Opened,
    columns: &[usize],
    there: &Opened,
    places: &[usize],
    types: &[DataType],
    rows: u64,
    samples: usize,
) -> Result<Measured, DataFusionError> {
    let names = |prefix: &str| (0..types.len()).map(|i| format!("{prefix}{i}")).collect::<Vec<_>>();
    let (left, right) = (names("a"), names("b"));
    let keyed = |frame: DataFrame, names: &[String], count: bool| {
        let keys = types.iter().zip(names).enumerate().map(|(i, (t, n))| cast(col(format!("k{i}")), t.clone()).alias(n));
        frame.select(keys.chain(count.then(|| col("n"))).collect::<Vec<Expr>>())
    };
    let mine = keyed(grouped(opened, columns, IgnoreRow::AnyValueIsMissing, None)?, &left, true)?;
    let theirs = keyed(grouped(there, places, IgnoreRow::AnyValueIsMissing, None)?, &right, false)?;
    let left: Vec<&str> = left.iter().map(String::as_str).collect();
    let right: Vec<&str> = right.iter().map(String::as_str).collect();
    let mut keyed_rows = 0;
    let mut present = mine.clone().execute_stream().await?;
    while let Some(batch) = present.next().await {
        keyed_rows += counts(&batch?).iter().sum::<u64>();
    }
    let mut stream = mine.join(theirs, JoinType::LeftAnti, &left, &right, None)?.execute_stream().await?;
    let (mut unexpected, mut largest) = (0, Largest::of(samples));
    while let Some(batch) = stream.next().await {
        let batch = batch?;
        let keys = batch.columns().get(..types.len()).unwrap_or_default();
        for (row, n) in counts(&batch).into_iter().enumerate() {
            unexpected += n;
            largest.offer(n, keys, row);
        }
    }
    Ok(Measured::Map { rows, missing: rows.saturating_sub(keyed_rows), unexpected, samples: largest.into_samples() })
}

fn counts(batch: &RecordBatch) -> Vec<u64> {
    let column = batch.columns().last().and_then(|c| c.as_primitive_opt::<Int64Type>());
    column.map_or_else(Vec::new, |c| (0..c.len()).map(|i| c.value(i).unsigned_abs()).collect())
}

/// The type in which values of both are compared.
fn common(a: &DataType, b: &DataType) -> Option<DataType> {
    Some(match (Class::reading(a), Class::reading(b)) {
        (Class::Int, Class::Int) => DataType::Int64,
        (Class::Int | Class::Float, Class::Int | Class::Float) => DataType::Float64,
        (Class::Text, Class::Text) => DataType::Utf8,
        (Class::Bool, Class::Bool) => DataType::Boolean,
        (Class::Instant, Class::Instant) => DataType::Timestamp(TimeUnit::Microsecond, None),
        // A column of nothing but nulls has no values that could lack a partner.
        (Class::Null, other) | (other, Class::Null) if other != Class::Other => DataType::Utf8,
        _ => return None,
    })
}

/// Rows of another dataset.
pub(crate) async fn rows_of(other: &Source, memory_bytes: usize) -> Result<u64, DataError> {
    struct Nothing;
    impl Gather for Nothing {
        fn take(&mut self, _: &RecordBatch, _: u64) -> Result<(), DataFusionError> {
            Ok(())
        }
        fn join(&mut self, _: Nothing, _: u64) {}
    }
    let there = open(other, "count rows", memory_bytes, None).await?;
    Ok(scan(&there, &[], |_| Nothing).await?.1)
}
