//! Which traces are recorded: a share of them, told by the trace's identifier alone, so that everybody who asks says the same.

use super::context::TraceId;

/// A share of all traces.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Ratio(u64);

impl Ratio {
    /// From 0 to 1; beyond them, the nearer one.
    pub fn new(share: f64) -> Ratio {
        // A not-a-number becomes 0, and 1 one more than the largest number below.
        Ratio((share.clamp(0.0, 1.0) * (1_u64 << 63) as f64) as u64)
    }

    /// Whether a trace is among them; as `TraceIdRatioBased` of OpenTelemetry's libraries has it, by the last 8 bytes.
    pub fn takes(self, trace: TraceId) -> bool {
        let last = u128::from_be_bytes(trace.0) as u64;
        last >> 1 < self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trace(last: u64) -> TraceId {
        TraceId((u128::from(7_u64) << 64 | u128::from(last)).to_be_bytes())
    }

    #[test]
    fn a_share_is_told_by_the_last_half_of_the_identifier() {
        let taken = |share: f64| [0, 1 << 62, u64::MAX / 2, u64::MAX / 2 + 1, u64::MAX].map(|last| Ratio::new(share).takes(trace(last)));
        assert_eq!(taken(0.0), [false; 5]);
        assert_eq!(taken(f64::NAN), [false; 5]);
        assert_eq!(taken(0.5), [true, true, true, false, false]);
        assert_eq!(taken(1.0), [true; 5]);
        assert_eq!(taken(7.0), [true; 5]);
    }
}
