//! The rows of a source that are meant. What a condition says of single columns is handed down, so that files and row
//! groups without such rows are not read; it is evaluated on what is read, so that what is handed down decides nothing.

use crate::classes::Class;
use crate::error::{CONDITION, DataError};
use crate::evaluate::Evaluator;
use crate::measure::Canonical;
use datafusion::arrow::array::Array as _;
use datafusion::arrow::compute::filter_record_batch;
use datafusion::arrow::datatypes::{DataType, SchemaRef, TimeUnit};
use datafusion::arrow::record_batch::RecordBatch;
use datafusion::common::{Column, DFSchema, ScalarValue};
use datafusion::datasource::source::DataSourceExec;
use datafusion::error::DataFusionError;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::prelude::{Expr, SessionContext, lit};
use std::path::Path;
use std::sync::Arc;
use tidegate_core::contract::{Comparison, Condition, Predicate, Term, Value, instant_micros};

/// Values of `IN` that are handed down at most.
const VALUES_MAX: usize = 256;

/// Rows that are meant.
#[derive(Clone, Debug)]
pub(crate) struct Selected {
    pub evaluator: Evaluator,
    /// Places of the columns that it reads, in the order in which it wants them.
    pub columns: Vec<usize>,
    /// What can be told without reading rows; each holds for every row that is meant.
    pub handed_down: Vec<Expr>,
}

impl Selected {
    /// Those that fulfil a condition.
    pub fn new(condition: &Condition, schema: &SchemaRef, operation: &'static str, path: &Path) -> Result<Selected, DataError> {
        let wrong = |why: String| DataError::Condition { operation, path: path.to_path_buf(), why };
        let evaluator = Evaluator::new(condition).map_err(wrong)?;
        let place = |name: &String| {
            schema.fields().iter().position(|f| f.name() == name).ok_or_else(|| DataError::MissingColumn {
                operation,
                path: path.to_path_buf(),
                column: name.clone(),
                there: schema.fields().iter().map(|f| f.name().as_str()).collect::<Vec<_>>().join(", "),
            })
        };
        let columns = evaluator.columns().iter().map(place).collect::<Result<_, _>>()?;
        let handed_down = parts(&condition.predicate).into_iter().filter_map(|part| told(part, schema)).collect();
        Ok(Selected { evaluator, columns, handed_down })
    }

    /// These columns and those of the condition, each once, the wanted ones first.
    pub fn with(&self, wanted: &[usize]) -> Vec<usize> {
        let mut all = wanted.to_vec();
        for column in &self.columns {
            if !all.contains(column) {
                all.push(*column);
            }
        }
        all
    }

    /// The rows of a batch that are meant, with the first `wanted` columns; `read` are the places of all.
    pub fn of(&self, batch: &RecordBatch, read: &[usize], wanted: usize) -> Result<RecordBatch, DataFusionError> {
        let at = self.columns.iter().filter_map(|c| read.iter().position(|r| r == c));
        let columns = at.map(|i| Canonical::new(batch.column(i))).collect::<Result<Vec<_>, _>>()?;
        let borrowed: Vec<&Canonical> = columns.iter().collect();
        let why = |why| DataFusionError::Execution(format!("{CONDITION}{why}"));
        let mask = self.evaluator.rows(&borrowed, batch.num_rows()).map_err(why)?;
        let kept: Vec<usize> = (0..wanted).collect();
        let narrow = batch.project(&kept)?;
        Ok(if mask.null_count() == 0 && mask.true_count() == mask.len() { narrow } else { filter_record_batch(&narrow, &mask)? })
    }

    /// A scan that passes over what holds no such row.
    pub fn over(&self, scan: Arc<dyn ExecutionPlan>, context: &SessionContext) -> Result<Arc<dyn ExecutionPlan>, DataFusionError> {
        let Some(source) = scan.downcast_ref::<DataSourceExec>() else { return Ok(scan) };
        let schema = DFSchema::try_from(scan.schema())?;
        let physical = self.handed_down.iter().map(|e| context.create_physical_expr(e.clone(), &schema)).collect::<Result<_, _>>()?;
        let pushed = source.data_source().try_pushdown_filters(physical, context.state().config_options())?;
        Ok(pushed.updated_node.map_or_else(|| scan.clone(), |source| Arc::new(DataSourceExec::new(source)) as _))
    }
}

/// What all holds.
fn parts(predicate: &Predicate) -> Vec<&Predicate> {
    match predicate {
        Predicate::All(inner) => inner.iter().flat_map(parts).collect(),
        one => vec![one],
    }
}

/// Something that holds of one column wherever the predicate does; none where that is not sure.
fn told(predicate: &Predicate, schema: &SchemaRef) -> Option<Expr> {
    match predicate {
        Predicate::Compare(Term::Column(name), how, Term::Value(value)) => compared(name, *how, value, schema),
        Predicate::Compare(Term::Value(value), how, Term::Column(name)) => compared(name, turned(*how), value, schema),
        Predicate::In(Term::Column(name), values, false) if values.len() <= VALUES_MAX => {
            let each = values.iter().map(|value| compared(name, Comparison::Equal, value, schema)).collect::<Option<Vec<_>>>()?;
            each.into_iter().reduce(Expr::or)
        }
        Predicate::IsNull(Term::Column(name), true) => Some(column(name).is_not_null()),
        Predicate::Any(inner) => inner.iter().map(|part| told(part, schema)).collect::<Option<Vec<_>>>()?.into_iter().reduce(Expr::or),
        _ => None,
    }
}

fn column(name: &str) -> Expr {
    Expr::Column(Column::from_name(name))
}

fn turned(how: Comparison) -> Comparison {
    match how {
        Comparison::Less => Comparison::Greater,
        Comparison::LessOrEqual => Comparison::GreaterOrEqual,
        Comparison::Greater => Comparison::Less,
        Comparison::GreaterOrEqual => Comparison::LessOrEqual,
        same @ (Comparison::Equal | Comparison::NotEqual) => same,
    }
}

fn compared(name: &str, how: Comparison, value: &Value, schema: &SchemaRef) -> Option<Expr> {
    let field = schema.fields().iter().find(|f| f.name() == name)?;
    let value = lit(scalar(value, field.data_type())?);
    Some(match how {
        Comparison::Equal => column(name).eq(value),
        Comparison::Less => column(name).lt(value),
        Comparison::LessOrEqual => column(name).lt_eq(value),
        Comparison::Greater => column(name).gt(value),
        Comparison::GreaterOrEqual => column(name).gt_eq(value),
        Comparison::NotEqual => return None,
    })
}

/// The value as exactly the same one of a column's type; none where there is none, or where bits tell apart what is equal.
fn scalar(value: &Value, data_type: &DataType) -> Option<ScalarValue> {
    let written = match (value, Class::of(data_type)) {
        (Value::Int(n), Class::Int) => ScalarValue::Int64(Some(*n)),
        // There are two zeros, which statistics tell apart.
        (Value::Int(_) | Value::Float(_), Class::Float) => ScalarValue::Float64(Some(value.number().filter(|x| *x != 0.0)?)),
        (Value::Text(text), Class::Text) => ScalarValue::Utf8(Some(text.clone())),
        (Value::Text(text), Class::Instant) => ScalarValue::TimestampMicrosecond(Some(instant_micros(text)?), zone(data_type)),
        _ => return None,
    };
    let cast = written.cast_to(data_type).ok()?;
    let back = cast.cast_to(&written.data_type()).ok()?;
    (back == written).then_some(cast)
}

fn zone(data_type: &DataType) -> Option<Arc<str>> {
    match data_type {
        DataType::Timestamp(TimeUnit::Second | TimeUnit::Millisecond | TimeUnit::Microsecond | TimeUnit::Nanosecond, zone) => zone.clone(),
        _ => None,
    }
}
