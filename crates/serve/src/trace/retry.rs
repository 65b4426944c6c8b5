//! When a receiver is sent the same spans once more, as the specification of OTLP over HTTP has it.

use super::limits::{AGAIN_MS, AGAIN_MS_MAX};
use hyper::StatusCode;

/// Whether it may take them later.
pub fn later(status: StatusCode) -> bool {
    use StatusCode as S;
    matches!(status, S::TOO_MANY_REQUESTS | S::BAD_GATEWAY | S::SERVICE_UNAVAILABLE | S::GATEWAY_TIMEOUT)
}

/// How long to wait after so many attempts: as long as `retry-after` says in seconds, else twice as long each time, and between half of it and
/// all of it by `chance`, so that several gateways do not come back at once.
pub fn wait_ms(attempts: u32, retry_after: Option<&str>, chance: u64) -> u64 {
    if let Some(seconds) = retry_after.and_then(|text| text.trim().parse::<u64>().ok()) {
        return seconds.saturating_mul(1_000).min(AGAIN_MS_MAX);
    }
    let longest = AGAIN_MS.saturating_mul(1_u64.checked_shl(attempts.saturating_sub(1)).unwrap_or(u64::MAX)).min(AGAIN_MS_MAX);
    longest / 2 + chance % (longest / 2 + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_and_a_receiver_says_its_own() {
        assert_eq!((wait_ms(1, None, 0), wait_ms(1, None, AGAIN_MS / 2)), (AGAIN_MS / 2, AGAIN_MS));
        assert!(wait_ms(3, None, 0) == AGAIN_MS * 2 && wait_ms(200, None, u64::MAX) <= AGAIN_MS_MAX);
        assert_eq!(wait_ms(1, Some(" 7 "), 3), 7_000);
        assert_eq!(wait_ms(1, Some("99999999999999999999"), 0), AGAIN_MS / 2, "no number that a header may have");
        assert_eq!(wait_ms(1, Some("4000000"), 0), AGAIN_MS_MAX);
        assert_eq!(wait_ms(1, Some("Wed, 21 Oct 2026 07:28:00 GMT"), 0), AGAIN_MS / 2);
        let all: Vec<u16> = (100..600).filter(|s| later(StatusCode::from_u16(*s).unwrap())).collect();
        assert_eq!(all, [429, 502, 503, 504]);
    }
}
