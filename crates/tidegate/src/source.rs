//! A source of metrics, asked: a service over HTTP, or the workspace's own lake by the columnar engine.

use crate::surroundings::secret;
use std::path::Path;
use tidegate_adapters::{Http, sources};
use tidegate_wire::prometheus::{Grid, Series};
use tidegate_wire::sources::MetricSource;

/// Values of a query at the times of a grid; `lake` is the folder of the workspace's own.
///
/// # Errors
/// With a sentence, when there is no answer, or none that can be used.
pub fn series(http: &dyn Http, lake: &Path, source: &MetricSource, query: &str, grid: Grid) -> Result<Vec<Series>, String> {
    match source {
        MetricSource::Lake { back_ms } => {
            let asked = engine::series(lake, *back_ms, query, grid);
            asked.map_err(|why| format!("ask {} for `{query}`: {why}", source.service()))
        }
        _ => sources::series(http, source, &secret, query, grid).map_err(|error| error.to_string()),
    }
}

#[cfg(feature = "data")]
mod engine {
    use std::path::Path;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;
    use tidegate_core::id::At;
    use tidegate_data::{LAKE_WITHIN, Question};
    use tidegate_port::Failure;
    use tidegate_store::{ExposureFilter, ExposureRow, FeedbackFilter, FeedbackRow, Lake, PredictionFilter, PredictionRow, Row, Rows};
    use tidegate_wire::prometheus::{Grid, Series};

    /// What a query may name.
    const TABLES: [&str; 3] = [PredictionRow::TABLE, FeedbackRow::TABLE, ExposureRow::TABLE];

    /// Statements that run at the same time: one that does not look at its clock goes on after its time is over.
    const QUESTIONS_MAX: usize = 4;
    /// Longest time until whoever asks goes on without an answer: a statement that looks at its clock has said why by then.
    const ANSWER_WITHIN: Duration = LAKE_WITHIN.saturating_add(Duration::from_secs(1));
    static RUNNING: AtomicUsize = AtomicUsize::new(0);

    /// One of those that may run, until it has really ended.
    struct Turn;

    impl Turn {
        fn take() -> Result<Turn, String> {
            let taken = RUNNING.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |n| (n < QUESTIONS_MAX).then_some(n + 1));
            taken.map(|_| Turn).map_err(|n| format!("{n} earlier statements are still running: ask for less time, or less of it"))
        }
    }

    impl Drop for Turn {
        fn drop(&mut self) {
            RUNNING.fetch_sub(1, Ordering::SeqCst);
        }
    }

    pub fn series(lake: &Path, back_ms: u64, query: &str, grid: Grid) -> Result<Vec<Series>, String> {
        let question = Question::new(query, grid, &TABLES).map_err(|e| e.to_string())?;
        let (lake, turn) = (lake.to_owned(), Turn::take()?);
        let (sender, answer) = std::sync::mpsc::sync_channel(1);
        // On a thread of its own: whoever asks may be in a runtime already, and does not wait for ever.
        std::thread::spawn(move || {
            let _turn = turn;
            // Nobody may be there any more.
            let _ = sender.send(answered(question, &lake, back_ms, grid));
        });
        answer.recv_timeout(ANSWER_WITHIN).unwrap_or_else(|_| Err(format!("no answer within {} s: ask for less", ANSWER_WITHIN.as_secs())))
    }

    fn answered(question: Question, lake: &Path, back_ms: u64, grid: Grid) -> Result<Vec<Series>, String> {
        let lake = Lake::open_read_only(lake).map_err(|e| e.to_string())?;
        let begin = At(grid.start_s.saturating_mul(1_000)).0.saturating_sub(i64::try_from(back_ms).unwrap_or(i64::MAX));
        let end = grid.end_s().saturating_add(grid.step_s).saturating_mul(1_000);
        let question = given(question, &lake, begin..end)?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().map_err(|e| e.to_string())?;
        runtime.block_on(question.answer()).map_err(|e| e.to_string())
    }

    fn given(mut question: Question, lake: &Lake, times: std::ops::Range<i64>) -> Result<Question, String> {
        let (from, until) = (Some(At(times.start)), Some(At(times.end)));
        for table in question.tables().to_vec() {
            match table.as_str() {
                PredictionRow::TABLE => {
                    let filter = PredictionFilter { from, until, without_inputs: true, ..PredictionFilter::default() };
                    give(&mut question, &times, lake.read_predictions(&filter))?;
                }
                FeedbackRow::TABLE => {
                    give(&mut question, &times, lake.read_feedback(&FeedbackFilter { from, until, ..FeedbackFilter::default() }))?;
                }
                _ => give(&mut question, &times, lake.read_exposures(&ExposureFilter { from, until, ..ExposureFilter::default() }))?,
            }
        }
        Ok(question)
    }

    /// The inputs of a prediction are left out: they are most of its bytes.
    fn give<R: Row>(question: &mut Question, times: &std::ops::Range<i64>, rows: Result<Rows<R>, Failure>) -> Result<(), String> {
        let rows = rows.map_err(|e| e.to_string())?;
        let schema = R::schema();
        let kept: Vec<usize> = schema.fields().iter().enumerate().filter(|(_, f)| f.name() != "inputs").map(|(at, _)| at).collect();
        let schema = std::sync::Arc::new(schema.project(&kept).map_err(|e| e.to_string())?);
        let batches = rows.into_batches().map(|batch| batch.map_err(|e| e.to_string()));
        question.give(R::TABLE, &schema, batches, times.clone()).map_err(|e| e.to_string())
    }
}

#[cfg(not(feature = "data"))]
mod engine {
    use std::path::Path;
    use tidegate_wire::prometheus::{Grid, Series};

    pub fn series(_: &Path, _: u64, _: &str, _: Grid) -> Result<Vec<Series>, String> {
        Err("this binary was built without the columnar engine: build it with the feature `data`".to_owned())
    }
}
