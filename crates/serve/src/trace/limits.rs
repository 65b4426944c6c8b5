//! Limits of traces.

/// Spans waiting to be sent; further ones are dropped and counted.
pub const SPANS_MAX: usize = 16_384;
/// Spans in one request to the receiver.
pub const SPANS_AT_ONCE_MAX: usize = 512;
/// Longest that a span waits for others before it is sent, in milliseconds.
pub const SPANS_WAIT_MS: u64 = 1_000;
/// Attempts to send the same spans.
pub const SPANS_ATTEMPTS_MAX: u32 = 5;
/// First wait between two attempts, in milliseconds.
pub const AGAIN_MS: u64 = 1_000;
/// Longest wait between two attempts, in milliseconds, whatever the receiver says.
pub const AGAIN_MS_MAX: u64 = 30_000;
/// Bytes of a receiver's answer that are read.
pub const ANSWER_BYTES_MAX: usize = 64 * 1024;
/// When the gateway ends: time for what waits to be sent, in milliseconds.
pub const SPANS_LAST_MS_MAX: u64 = 3_000;
