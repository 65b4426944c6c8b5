//! One pass over some columns: parts in parallel, their results joined in the order of the files.

use crate::error::DataError;
use crate::selected::Selected;
use crate::source::{Opened, SCAN_PARTS};
use datafusion::arrow::record_batch::RecordBatch;
use datafusion::error::DataFusionError;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::physical_plan::{ExecutionPlan, ExecutionPlanProperties};
use futures::StreamExt;
use std::sync::Arc;
use tokio::task::JoinSet;

/// What is gathered during a pass.
pub(crate) trait Gather: Send + 'static {
    /// Takes a batch; `row` is the place of its first row in this part.
    fn take(&mut self, batch: &RecordBatch, row: u64) -> Result<(), DataFusionError>;
    /// Joins what the next part gathered; `rows` is how many rows came before it.
    fn join(&mut self, next: Self, rows: u64);
}

/// Scans the columns at these places (in this order), with one gatherer a part made by `make(part)`. Of the rows only those
/// that are meant: they alone are counted, from 0.
pub(crate) async fn scan<G: Gather>(opened: &Opened, columns: &[usize], make: impl Fn(usize) -> G) -> Result<(G, u64), DataError> {
    let read = Arc::new(opened.selected.as_ref().map_or_else(|| columns.to_vec(), |selected| selected.with(columns)));
    let plan = plan(opened, &read).await.map_err(|e| opened.explain(e))?;
    let mut parts = JoinSet::new();
    let count = plan.output_partitioning().partition_count();
    for part in 0..count {
        let stream = plan.execute(part, opened.context.task_ctx()).map_err(|e| opened.explain(e))?;
        let gather = make(part);
        let only = opened.selected.clone().map(|selected| Only { selected, read: read.clone(), wanted: columns.len() });
        parts.spawn(async move { (part, run(stream, only, gather).await) });
    }
    let mut done: Vec<Option<(G, u64)>> = (0..count).map(|_| None).collect();
    while let Some(joined) = parts.join_next().await {
        let (part, result) = joined.map_err(|e| opened.explain(DataFusionError::ExecutionJoin(Box::new(e))))?;
        let result = result.map_err(|e| opened.explain(e))?;
        if let Some(slot) = done.get_mut(part) {
            *slot = Some(result);
        }
    }
    let mut all = make(0);
    let mut rows = 0;
    for (gather, part_rows) in done.into_iter().flatten() {
        all.join(gather, rows);
        rows += part_rows;
    }
    Ok((all, rows))
}

async fn plan(opened: &Opened, columns: &[usize]) -> Result<Arc<dyn ExecutionPlan>, DataFusionError> {
    let state = opened.context.state();
    let (table, places) = opened.provider(columns)?;
    let handed_down = opened.selected.as_ref().map_or(&[][..], |selected| &selected.handed_down);
    let plan = table.scan(&state, Some(&places), handed_down, None).await?;
    let parted = plan.repartitioned(SCAN_PARTS, state.config_options())?.unwrap_or(plan);
    opened.selected.as_ref().map_or(Ok(parted.clone()), |selected| selected.over(parted, &opened.context))
}

/// Which rows of what is read are gathered, with how many of the columns.
struct Only {
    selected: Selected,
    read: Arc<Vec<usize>>,
    wanted: usize,
}

async fn run<G: Gather>(mut stream: SendableRecordBatchStream, only: Option<Only>, mut gather: G) -> Result<(G, u64), DataFusionError> {
    let mut rows = 0;
    while let Some(batch) = stream.next().await {
        let mut batch = batch?;
        if let Some(Only { selected, read, wanted }) = &only {
            batch = selected.of(&batch, read, *wanted)?;
        }
        gather.take(&batch, rows)?;
        rows += batch.num_rows() as u64;
        // The work between two batches may be long; others on this thread must get their turn.
        tokio::task::yield_now().await;
    }
    Ok((gather, rows))
}
