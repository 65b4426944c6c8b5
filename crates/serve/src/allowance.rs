//! What a key may ask for: so many requests a second with a burst, so many a day. Pure: the time is told.

use crate::limits::DAY_MS;

/// What a key may ask for.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Allowance {
    /// Requests a second in the long run; none: as many as it likes.
    pub per_second: Option<f64>,
    /// Requests at once, before that counts.
    pub burst: u32,
    /// Requests from one midnight UTC to the next; none: as many as it likes.
    pub per_day: Option<u64>,
}

/// What a key has asked for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Used {
    /// Requests that are left at once.
    left: f64,
    /// When that was so.
    at_ms: u64,
    /// The day that is counted.
    day: i64,
    today: u64,
}

/// Why a request is refused.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Beyond {
    /// Too many a second; there is room again in so many milliseconds.
    Rate {
        /// When.
        wait_ms: u64,
    },
    /// Too many today; there is room again in so many milliseconds.
    Day {
        /// When.
        wait_ms: u64,
    },
}

impl Beyond {
    /// When there is room again.
    #[must_use]
    pub fn wait_ms(self) -> u64 {
        match self {
            Beyond::Rate { wait_ms } | Beyond::Day { wait_ms } => wait_ms,
        }
    }
}

impl Allowance {
    /// Nothing was asked for yet.
    #[must_use]
    pub fn unused(&self, steady_ms: u64) -> Used {
        Used { left: self.burst.max(1).into(), at_ms: steady_ms, day: 0, today: 0 }
    }

    /// Takes one request, at a steady time and a wall-clock time.
    ///
    /// # Errors
    /// When it is beyond what the key may ask for; nothing is taken then.
    pub fn take(&self, used: &mut Used, steady_ms: u64, wall_ms: i64) -> Result<(), Beyond> {
        // A wall clock that jumps ahead renews one quota and not the next ones with it.
        let day = wall_ms.div_euclid(DAY_MS);
        let day = if used.day == 0 { day } else { day.min(used.day + 1) };
        // A wall clock that is set back counts on; a quota is not given twice.
        let today = if day > used.day { 0 } else { used.today };
        if self.per_day.is_some_and(|most| today >= most) {
            let wait_ms = (used.day + 1).saturating_mul(DAY_MS).saturating_sub(wall_ms);
            return Err(Beyond::Day { wait_ms: u64::try_from(wait_ms).unwrap_or(0) });
        }
        if let Some(rate) = self.per_second {
            let passed_s = steady_ms.saturating_sub(used.at_ms) as f64 / 1e3;
            let left = (used.left + passed_s * rate).min(f64::from(self.burst.max(1)));
            if left < 1.0 {
                // A float beyond the range of the integer becomes its end.
                return Err(Beyond::Rate { wait_ms: ((1.0 - left) / rate * 1e3).ceil() as u64 });
            }
            used.left = left - 1.0;
            used.at_ms = used.at_ms.max(steady_ms);
        }
        used.today = today + 1;
        used.day = used.day.max(day);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const NOON: i64 = 20_000 * DAY_MS + DAY_MS / 2;

    #[test]
    fn a_burst_then_the_rate() {
        let allowance = Allowance { per_second: Some(10.0), burst: 3, per_day: None };
        let mut used = allowance.unused(0);
        let mut take = |ms: u64| allowance.take(&mut used, ms, NOON);
        assert_eq!([take(0), take(0), take(0)], [Ok(()); 3]);
        assert_eq!(take(0), Err(Beyond::Rate { wait_ms: 100 }));
        assert_eq!(take(60), Err(Beyond::Rate { wait_ms: 40 }));
        assert_eq!((take(100), take(100)), (Ok(()), Err(Beyond::Rate { wait_ms: 100 })));
        // What is not used is kept up to the burst.
        assert_eq!([take(60_000), take(60_000), take(60_000)], [Ok(()); 3]);
        assert!(take(60_000).is_err());
    }

    #[test]
    fn a_day_ends_at_midnight_and_none_is_counted_twice() {
        let allowance = Allowance { per_day: Some(2), ..Allowance::default() };
        let mut used = allowance.unused(0);
        assert_eq!([allowance.take(&mut used, 0, NOON), allowance.take(&mut used, 0, NOON)], [Ok(()); 2]);
        assert_eq!(allowance.take(&mut used, 0, NOON), Err(Beyond::Day { wait_ms: DAY_MS as u64 / 2 }));
        // A clock that is set back a day gives no new quota.
        assert!(allowance.take(&mut used, 0, NOON - DAY_MS).is_err());
        assert_eq!(allowance.take(&mut used, 0, NOON + DAY_MS / 2), Ok(()));
    }

    proptest! {
        #[test]
        fn never_more_than_the_burst_and_the_rate(steps in prop::collection::vec(0..200_u64, 1..300), rate in 1..50_u32, burst in 1..20_u32) {
            let allowance = Allowance { per_second: Some(rate.into()), burst, per_day: None };
            let mut used = allowance.unused(0);
            let (mut now, mut taken) = (0, 0_u32);
            for step in steps {
                now += step;
                taken += u32::from(allowance.take(&mut used, now, NOON).is_ok());
                prop_assert!(f64::from(taken) <= f64::from(burst) + f64::from(rate) * now as f64 / 1e3 + 1e-6);
            }
        }
    }
}
