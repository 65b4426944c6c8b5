//! Features of events, for training and for serving from one definition, and joins of tables as of a time.
//!
//! A [`View`] says what is told of an entity: aggregations of its events over windows. [`Online`] keeps them up event by event and
//! answers in microseconds; [`history`] computes them from a whole history for many entities and times. Both give the same bits.
//! [`Timeline`] joins rows with values that others computed. In all of them a value at a time uses what had happened **and was known**
//! by then, so nothing of the future gets into a training set. Pure: time is an argument, and nothing is read or written here.
//! Not here: how a view is written (`wire::config`), where events and tables lie, who asks.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::panic))]

mod aggregate;
mod define;
mod event;
mod history;
mod online;
mod row;
mod timeline;
mod value;

pub use define::{
    Aggregate, DISTINCT_MAX, EVENTS_MAX, FEATURES_MAX, Feature, Invalid, KEYS_MAX, NAME_BYTES_MAX, View, WINDOW_MS_MAX, name,
};
pub use event::{Event, Key};
pub use history::history;
pub use online::{ENTITIES_MAX, KEPT_MAX, LATER_MAX, Online};
pub use row::{Cell, Row, State};
pub use timeline::{Codes, Keys, NOTHING, NoJoin, ROWS_MAX, Rule, Timeline};
pub use value::Value;
