//! The transform of a model version: from a raw record to the model's inputs, from its outputs to a score.
//!
//! One declaration serves training (`tidegate features apply`) and serving, so both compute a feature alike.
//! [`Transform`] is what an author wrote; [`Transform::compile`] resolves every name once and finds every
//! mistake; [`Compiled::apply`] is a pure function from one record to one row of inputs.
//! Not here: how `transform.yaml` is read (`wire::transform`), and how tensors reach a model (`runtime`).

mod apply;
mod batch;
mod compile;
mod compiled;
mod expression;
mod resolve;
mod spec;
mod stored;
mod time;
mod value;

#[cfg(test)]
mod tests;

pub use batch::{BlockData, InputBlock, InputRows};
pub use compiled::{Compiled, Refusal};
pub use expression::{EXPRESSION_CHARS_MAX, EXPRESSION_DEPTH_MAX, Expression, Function};
pub use resolve::{Place, TransformError};
pub use spec::{
    Constant, EventTime, FIELDS_MAX, Field, INPUT_COLUMNS_MAX, Input, Nan, OnMissing, Operation, STEPS_MAX, Score, Step, TABLE_ENTRIES_MAX,
    TimePart, TimeUnit, Transform, Unknown, Zone,
};
pub use stored::StoredError;
pub use value::{RecordError, RecordView, Value};
