//! The only place of the binary that reads a clock.
#![expect(clippy::disallowed_methods, reason = "time enters here and is an argument everywhere else")]

use tidegate_core::id::At;

/// Now.
pub fn now() -> At {
    At(jiff::Timestamp::now().as_millisecond())
}

/// A point for measuring how long something takes.
pub fn instant() -> std::time::Instant {
    std::time::Instant::now()
}
