//! Queries that the engine runs: rows that they find, or the one number that they give. They can read and nothing else.

use crate::error::DataError;
use crate::groups::{Largest, meant};
use crate::measure::values_at;
use crate::source::{Opened, open};
use crate::taken::{Taking, unknown};
use datafusion::common::TableReference;
use datafusion::error::DataFusionError;
use datafusion::execution::context::SQLOptions;
use datafusion::prelude::DataFrame;
use futures::StreamExt;
use tidegate_core::contract::{Measured, Query, Value};

const OPERATION: &str = "run query";
/// Longest text of the engine's refusal that is shown.
const WHY_CHARS_MAX: usize = 1_000;

/// What a query comes to: its one number, or how many rows it finds. A query that cannot be run is an outcome.
pub(crate) async fn measured(of: &Taking<'_>, query: &Query, number: bool) -> Result<Measured, DataError> {
    let mut others = Vec::with_capacity(query.datasets.len());
    for name in &query.datasets {
        let Some(source) = of.options.others.get(name) else { return Ok(unknown(name)) };
        others.push((format!("{{{name}}}"), open(source, OPERATION, of.opened.memory_bytes, of.options.spill.as_deref()).await?));
    }
    let run = async {
        let frame = planned(of.opened, query, &others).await?;
        if number { one_number(frame).await } else { rows(frame, of).await }
    };
    Ok(run.await.unwrap_or_else(|error| Measured::Failed { why: refusal(of.opened, error) }))
}

async fn planned(opened: &Opened, query: &Query, others: &[(String, Opened)]) -> Result<DataFrame, DataFusionError> {
    let checked = query.checked.iter().map(|name| (name, opened));
    for (name, table) in checked.chain(others.iter().map(|(name, table)| (name, table))) {
        opened.reads_too(table);
        let every: Vec<usize> = (0..table.schema.fields().len()).collect();
        let at = TableReference::bare(name.clone());
        opened.context.deregister_table(at.clone())?;
        opened.context.register_table(at, meant(table, &every)?.into_view())?;
    }
    let reads = SQLOptions::new().with_allow_ddl(false).with_allow_dml(false).with_allow_statements(false);
    opened.context.sql_with_options(&query.sql, reads).await
}

async fn rows(frame: DataFrame, of: &Taking<'_>) -> Result<Measured, DataFusionError> {
    let mut stream = frame.execute_stream().await?;
    let (mut unexpected, mut first) = (0, Largest::of(of.options.samples));
    while let Some(batch) = stream.next().await {
        let batch = batch?;
        unexpected += batch.num_rows() as u64;
        // In the order of their text: the engine's own differs from run to run.
        (0..batch.num_rows()).for_each(|row| first.offer(1, batch.columns(), row));
    }
    Ok(Measured::Map { rows: of.rows, missing: 0, unexpected, samples: first.into_samples() })
}

async fn one_number(frame: DataFrame) -> Result<Measured, DataFusionError> {
    let columns = frame.schema().fields().len();
    let mut stream = frame.execute_stream().await?;
    let mut found: Vec<Value> = Vec::new();
    while let Some(batch) = stream.next().await {
        let batch = batch?;
        found.extend((0..batch.num_rows().min(2)).map(|row| values_at(batch.columns(), row)));
        if found.len() > 1 {
            break;
        }
    }
    match (columns, found.as_slice()) {
        (1, [Value::Null]) => Ok(Measured::Aggregate { observed: None, missing: 0 }),
        (1, [value]) => Ok(Measured::Aggregate { observed: Some(value.clone()), missing: 0 }),
        (1, []) => Ok(Measured::Failed { why: "the query gives no row: let it give one number".to_owned() }),
        (1, _) => Ok(Measured::Failed { why: "the query gives more than one row: let it give one number".to_owned() }),
        (columns, _) => Ok(Measured::Failed { why: format!("the query gives {columns} columns: let it give one number") }),
    }
}

fn refusal(opened: &Opened, error: DataFusionError) -> String {
    let why = match DataError::engine(OPERATION, &opened.path, error, opened.memory_bytes) {
        DataError::Engine { source, .. } => source.strip_backtrace(),
        other => other.to_string(),
    };
    // Its advice is for who configures the engine.
    let lines = why.lines().filter(|line| !line.contains("enable_ident_normalization")).map(str::trim);
    let mut told = lines.collect::<Vec<_>>().join(" ").replace("datafusion.public.", "");
    if told.starts_with("Error during planning: table '") {
        told.push_str(": another dataset is `{its-name}`");
    }
    let short: String = told.chars().take(WHY_CHARS_MAX).collect();
    format!("the query cannot be run: {short}")
}
