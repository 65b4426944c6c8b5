//! The one place of this crate that reads a clock.

use std::sync::OnceLock;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// Now, for measuring how long something took.
#[expect(clippy::disallowed_methods, reason = "latency is measured here and nowhere else in the data plane")]
pub fn now() -> Instant {
    Instant::now()
}

/// Milliseconds since the first call, never less than before.
pub fn steady_ms() -> u64 {
    static START: OnceLock<Instant> = OnceLock::new();
    u64::try_from(now().saturating_duration_since(*START.get_or_init(now)).as_millis()).unwrap_or(u64::MAX)
}

/// Now, in milliseconds UTC, for records.
pub fn wall_ms() -> i64 {
    i64::try_from(wall_us() / 1_000).unwrap_or(i64::MAX)
}

/// Now, in microseconds UTC, for request identifiers that differ between two starts.
#[expect(clippy::disallowed_methods, reason = "records say when they were made; the request's path has no caller that could tell it")]
pub fn wall_us() -> u128 {
    // A clock before 1970 reads as 1970: records stay writable.
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_micros())
}

/// Now, in nanoseconds UTC, for spans.
#[expect(clippy::disallowed_methods, reason = "spans say when they began; the request's path has no caller that could tell it")]
pub fn wall_ns() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| u64::try_from(d.as_nanos()).unwrap_or(u64::MAX))
}

/// Microseconds since `start`, as the latency histogram takes them.
pub fn elapsed_us(start: Instant) -> f64 {
    now().saturating_duration_since(start).as_secs_f64() * 1e6
}
