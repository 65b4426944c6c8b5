//! Routes: which versions answer a service's requests, each with what share, and the exact split.
//!
//! A [`RouteTable`] is an immutable value that the gateway swaps whole. [`check`] says what is wrong with one;
//! [`Split`] turns shares into an order of answers. Both are pure: the n-th request's target depends on the
//! seed, the shares and n alone. Not here: workers, connections, counters (see crate `serve`).

mod check;
mod lot;
mod split;
mod sticky;
mod table;

pub use check::{Problem, check};
pub use lot::{Lot, STRETCHES_MAX, Stretch};
pub use split::{CHUNK_MIN, Split, SplitError};
pub use sticky::sticky_pick;
pub use table::{
    Carrier, Mirror, Preview, Role, Route, RouteTable, Sticky, TARGETS_MAX, TargetId, WEIGHT_TOTAL_BP, WeightedTarget, is_token, is_value,
};
