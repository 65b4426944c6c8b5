//! One `SELECT` over tables of the lake, as series on a grid of times. It reads what it is given and nothing else: no file, no
//! other table, no other statement, within limits that have names.

use datafusion::arrow::array::{Array, ArrayRef, AsArray, BooleanArray, RecordBatch};
use datafusion::arrow::compute::{cast, filter_record_batch};
use datafusion::arrow::datatypes::{DataType, Float64Type, Int64Type, SchemaRef, TimeUnit};
use datafusion::arrow::error::ArrowError;
use datafusion::catalog::MemTable;
use datafusion::config::Dialect;
use datafusion::error::DataFusionError;
use datafusion::execution::disk_manager::{DiskManagerBuilder, DiskManagerMode};
use datafusion::execution::memory_pool::GreedyMemoryPool;
use datafusion::execution::runtime_env::RuntimeEnvBuilder;
use datafusion::prelude::{SessionConfig, SessionContext};
use datafusion::sql::parser::Statement;
use datafusion::sql::sqlparser::ast::Statement as SqlStatement;
use futures::StreamExt as _;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tidegate_wire::prometheus::{Grid, Series, Unusable};
use tidegate_wire::sources::lake::{Row, TIME, asked, series};

/// Most rows that a query reads, of all tables together.
pub const LAKE_ROWS_MAX: usize = 4_000_000;
/// Most bytes of them.
pub const LAKE_BYTES_MAX: usize = 512 << 20;
/// Most bytes of memory for groups, joins and sorting.
pub const LAKE_QUERY_BYTES_MAX: usize = 256 << 20;
/// Most rows that a query gives.
pub const LAKE_ANSWER_ROWS_MAX: usize = 100_000;
/// Longest time for one query.
pub const LAKE_WITHIN: Duration = Duration::from_secs(15);
/// Longest text of the engine's refusal that is shown.
const WHY_CHARS_MAX: usize = 600;

fn unusable(why: impl Into<String>) -> Unusable {
    Unusable(why.into())
}

fn refused(error: &DataFusionError) -> Unusable {
    if let DataFusionError::ResourcesExhausted(_) = error.find_root() {
        let most = LAKE_QUERY_BYTES_MAX >> 20;
        return unusable(format!("it needs more than {most} MB for groups, joins and sorting: ask for less time, or fewer groups"));
    }
    let text = error.strip_backtrace();
    let lines = text.lines().filter(|line| !line.contains("enable_ident_normalization")).map(str::trim);
    let told = lines.collect::<Vec<_>>().join(" ").replace("datafusion.public.", "");
    unusable(format!("it refuses the query: {}", told.chars().take(WHY_CHARS_MAX).collect::<String>()))
}

fn broken(error: &ArrowError) -> Unusable {
    unusable(format!("its rows cannot be read: {error}"))
}

/// A question to the lake: a statement that was looked at, and the tables that it names.
pub struct Question {
    context: SessionContext,
    statement: Statement,
    grid: Grid,
    tables: Vec<String>,
    rows: usize,
    bytes: usize,
}

impl std::fmt::Debug for Question {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Question({})", self.statement)
    }
}

impl Question {
    /// A query, looked at.
    ///
    /// # Errors
    /// When it is no single `SELECT`, or names a table that is not among `known`.
    pub fn new(query: &str, grid: Grid, known: &[&str]) -> Result<Question, Unusable> {
        let pool = Arc::new(GreedyMemoryPool::new(LAKE_QUERY_BYTES_MAX));
        let nowhere = DiskManagerBuilder::default().with_mode(DiskManagerMode::Disabled);
        let runtime = RuntimeEnvBuilder::new().with_memory_pool(pool).with_disk_manager_builder(nowhere).build_arc();
        let config = SessionConfig::new().with_target_partitions(1).with_information_schema(false);
        let context = SessionContext::new_with_config_rt(config, runtime.map_err(|e| refused(&e))?);
        for function in ["generate_series", "range"] {
            // Rows out of nothing have no limit.
            context.deregister_udtf(function);
        }
        let state = context.state();
        let statement = state.sql_to_statement(&asked(query, grid), &Dialect::Generic).map_err(|e| refused(&e))?;
        let selects = matches!(&statement, Statement::Statement(inner) if matches!(**inner, SqlStatement::Query(_)));
        if !selects {
            return Err(unusable("it takes one SELECT, and no other statement"));
        }
        let mut tables = vec![];
        for table in state.resolve_table_references(&statement).map_err(|e| refused(&e))? {
            if table.schema().is_some() || !known.contains(&table.table()) {
                return Err(unusable(format!("it has no table `{table}`: known are {}", known.join(", "))));
            }
            tables.push(table.table().to_owned());
        }
        tables.sort_unstable();
        tables.dedup();
        Ok(Question { context, statement, grid, tables, rows: 0, bytes: 0 })
    }

    /// The tables that it names.
    #[must_use]
    pub fn tables(&self) -> &[String] {
        &self.tables
    }

    /// Gives it a table: the columns of `schema`, and of the batches the rows whose `at` lies within `times` (milliseconds, the end not
    /// included).
    ///
    /// # Errors
    /// When they cannot be read, or are too many.
    pub fn give(
        &mut self,
        table: &str,
        schema: &SchemaRef,
        batches: impl Iterator<Item = Result<RecordBatch, String>>,
        times: std::ops::Range<i64>,
    ) -> Result<(), Unusable> {
        let names: Vec<&str> = schema.fields().iter().map(|field| field.name().as_str()).collect();
        let mut kept = vec![];
        for batch in batches {
            let batch = within(&batch.map_err(unusable)?, schema, &names, &times).map_err(|e| broken(&e))?;
            self.rows += batch.num_rows();
            self.bytes += batch.get_array_memory_size();
            if self.rows > LAKE_ROWS_MAX || self.bytes > LAKE_BYTES_MAX {
                let most = LAKE_BYTES_MAX >> 20;
                return Err(unusable(format!(
                    "the span has more than {LAKE_ROWS_MAX} rows or {most} MB of them: ask for less time, or let `lake` reach back less far"
                )));
            }
            if batch.num_rows() > 0 {
                kept.push(batch);
            }
        }
        let memory = MemTable::try_new(schema.clone(), vec![kept]).map_err(|e| refused(&e))?;
        self.context.register_table(table, Arc::new(memory)).map_err(|e| refused(&e))?;
        Ok(())
    }

    /// What it comes to.
    ///
    /// # Errors
    /// When the engine refuses it, it takes too long, or its rows are no numbers over time.
    pub async fn answer(self) -> Result<Vec<Series>, Unusable> {
        let grid = self.grid;
        let rows = tokio::time::timeout(LAKE_WITHIN, self.rows()).await;
        let rows = rows.map_err(|_| unusable(format!("it took longer than {} s: ask for less", LAKE_WITHIN.as_secs())))??;
        series(rows, grid)
    }

    async fn rows(self) -> Result<Vec<Row>, Unusable> {
        let plan = self.context.state().statement_to_plan(self.statement).await.map_err(|e| refused(&e))?;
        let frame = self.context.execute_logical_plan(plan).await.map_err(|e| refused(&e))?;
        let mut stream = frame.execute_stream().await.map_err(|e| refused(&e))?;
        let columns = Columns::of(&stream.schema())?;
        let mut found = vec![];
        while let Some(batch) = stream.next().await {
            columns.rows(&batch.map_err(|e| refused(&e))?, &mut found)?;
            if found.len() > LAKE_ANSWER_ROWS_MAX {
                return Err(unusable(format!("it gives more than {LAKE_ANSWER_ROWS_MAX} rows: group them by time")));
            }
        }
        Ok(found)
    }
}

/// The rows of a batch within a time, with the columns that are given.
fn within(batch: &RecordBatch, schema: &SchemaRef, names: &[&str], times: &std::ops::Range<i64>) -> Result<RecordBatch, ArrowError> {
    let missing = |name: &str| ArrowError::SchemaError(format!("column `{name}` is missing"));
    let column = |name: &&str| batch.column_by_name(name).cloned().ok_or_else(|| missing(name));
    let columns: Vec<ArrayRef> = names.iter().map(column).collect::<Result<_, _>>()?;
    let at = batch.column_by_name("at").and_then(|at| at.as_primitive_opt::<Int64Type>()).ok_or_else(|| missing("at"))?;
    let wanted: BooleanArray = at.iter().map(|at| at.map(|at| times.contains(&at))).collect();
    filter_record_batch(&RecordBatch::try_new(schema.clone(), columns)?, &wanted)
}

/// The columns of an answer.
struct Columns {
    time: usize,
    texts: Vec<(usize, String)>,
    numbers: Vec<(usize, String)>,
}

impl Columns {
    fn of(schema: &SchemaRef) -> Result<Columns, Unusable> {
        let mut found = Columns { time: usize::MAX, texts: vec![], numbers: vec![] };
        for (at, field) in schema.fields().iter().enumerate() {
            let name = field.name().clone();
            match field.data_type() {
                DataType::Int64 | DataType::Timestamp(_, _) if name == TIME => found.time = at,
                DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => found.texts.push((at, name)),
                kind if kind.is_numeric() || *kind == DataType::Boolean => found.numbers.push((at, name)),
                kind => return Err(unusable(format!("its column `{name}` is {kind}: select numbers, texts and `{TIME}`"))),
            }
        }
        if found.time == usize::MAX {
            return Err(unusable(format!(
                "its rows have no `{TIME}` in milliseconds: select it, as `at / $interval * $interval AS {TIME}`"
            )));
        }
        Ok(found)
    }

    fn rows(&self, batch: &RecordBatch, found: &mut Vec<Row>) -> Result<(), Unusable> {
        let typed = |at: usize, kind: &DataType| cast(batch.column(at), kind).map_err(|e| broken(&e));
        let stamps = matches!(batch.column(self.time).data_type(), DataType::Timestamp(_, _));
        let time =
            if stamps { typed(self.time, &DataType::Timestamp(TimeUnit::Millisecond, None))? } else { batch.column(self.time).clone() };
        let time = cast(&time, &DataType::Int64).map_err(|e| broken(&e))?;
        let time = time.as_primitive::<Int64Type>();
        let each = |of: &[(usize, String)], kind: DataType| {
            of.iter().map(|(at, name)| Ok((name.clone(), typed(*at, &kind)?))).collect::<Result<Vec<(String, ArrayRef)>, Unusable>>()
        };
        let (texts, numbers) = (each(&self.texts, DataType::Utf8)?, each(&self.numbers, DataType::Float64)?);
        for row in (0..batch.num_rows()).filter(|row| time.is_valid(*row)) {
            let text = |(name, column): &(String, ArrayRef)| {
                let column = column.as_string::<i32>();
                column.is_valid(row).then(|| (name.clone(), column.value(row).to_owned()))
            };
            let number = |(name, column): &(String, ArrayRef)| {
                let column = column.as_primitive::<Float64Type>();
                column.is_valid(row).then(|| (name.clone(), column.value(row)))
            };
            let labels: BTreeMap<String, String> = texts.iter().filter_map(text).collect();
            found.push(Row { time_ms: time.value(row), labels, numbers: numbers.iter().filter_map(number).collect() });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
