//! The exact split: at every prefix each target's count is within one request of its share, in an order
//! that a seed chooses and that does not repeat.
//!
//! The j-th request of a target with share w (j from 0) has the window of slots `floor(j/w) .. ceil((j+1)/w)`.
//! A sequence in which every request keeps its window has, at every prefix n, `|count - w n| < 1`: the count is
//! the floor or the ceiling of `w n`. Windows leave freedom; the seed uses it: each request draws an intended
//! moment in its window and is served then, unless that would make a later window impossible.
//!
//! That test is exact. Windows of one processor and unit jobs can all be kept if and only if no interval holds
//! more whole windows than slots (Hall). Shares that sum to one satisfy this at the start, and a choice changes
//! only the intervals that begin at the next slot. Written out for counts c at n (call a target *ahead* at t when
//! `c > floor(w t)`; by the window it is then ahead by exactly one), the condition for every t > n is
//! `sum over targets of frac(w t) >= number of targets ahead at t`. With nobody or one ahead it holds by itself,
//! so it is looked at only while two or more are. After `period` requests every share is met exactly and nothing
//! carries over, so that chunks of whole periods are independent of each other.

use super::WEIGHT_TOTAL_BP;

/// A chunk holds at least this many requests (and whole periods), so that its making is rare.
pub const CHUNK_MIN: u32 = 1_024;

/// Shares that cannot be split by.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("split: weights sum to {sum} basis points: they must sum to 10000")]
pub struct SplitError {
    /// What they sum to.
    pub sum: u64,
}

/// Shares and a seed: a pure function from a request's number to the index of its target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Split {
    seed: u64,
    /// Shares in lowest terms; they sum to `period`.
    shares: Vec<u64>,
    period: u64,
}

impl Split {
    /// A split by weights in basis points that sum to 10000.
    ///
    /// # Errors
    /// When they sum to anything else.
    pub fn new(seed: u64, weights_bp: &[u32]) -> Result<Split, SplitError> {
        let sum: u64 = weights_bp.iter().map(|w| u64::from(*w)).sum();
        if sum != u64::from(WEIGHT_TOTAL_BP) {
            return Err(SplitError { sum });
        }
        let divisor = weights_bp.iter().fold(0, |a, b| gcd(a, u64::from(*b)));
        let shares: Vec<u64> = weights_bp.iter().map(|w| u64::from(*w) / divisor).collect();
        Ok(Split { seed, shares, period: sum / divisor })
    }

    /// Number of requests after which every count is exact.
    #[must_use]
    pub fn period(&self) -> u64 {
        self.period
    }

    /// Number of requests in a chunk.
    #[must_use]
    pub fn chunk_len(&self) -> u64 {
        self.period * (u64::from(CHUNK_MIN) / self.period).max(1)
    }

    /// The targets of requests `index * chunk_len() ..`, one chunk of them.
    #[must_use]
    pub fn chunk(&self, index: u64) -> Vec<u8> {
        let mut order = Vec::with_capacity(self.chunk_len() as usize);
        if let Some(only) = self.shares.iter().position(|s| *s == self.period) {
            order.resize(self.chunk_len() as usize, only as u8);
            return order;
        }
        let first_period = index.wrapping_mul(self.chunk_len() / self.period);
        for period in 0..self.chunk_len() / self.period {
            self.schedule(mix(self.seed ^ mix(first_period.wrapping_add(period))), &mut order);
        }
        order
    }

    /// The target of the n-th request, from 0. Makes a whole chunk: callers with many requests keep chunks.
    #[must_use]
    pub fn pick(&self, n: u64) -> usize {
        let len = self.chunk_len();
        usize::from(self.chunk(n / len)[(n % len) as usize])
    }

    /// Appends one period.
    fn schedule(&self, seed: u64, order: &mut Vec<u8>) {
        let mut counts = vec![0_u64; self.shares.len()];
        // Intended moments, as 32.32 fixed point in slots; `u64::MAX` for a share of 0.
        let mut intended: Vec<u64> = (0..self.shares.len()).map(|i| self.intended(seed, i, 0)).collect();
        // Slots before which a target is known to leave no room.
        let mut closed_until = vec![0_u64; self.shares.len()];
        for n in 0..self.period {
            let chosen = self.choose(n, &counts, &intended, &mut closed_until);
            counts[chosen] += 1;
            intended[chosen] = self.intended(seed, chosen, counts[chosen]);
            order.push(chosen as u8);
        }
    }

    /// The first by precedence of those whose window is open and who leave every later window possible.
    fn choose(&self, n: u64, counts: &[u64], intended: &[u64], closed_until: &mut [u64]) -> usize {
        loop {
            let open = (0..counts.len())
                .filter(|i| closed_until[*i] <= n && counts[*i] * self.period < self.shares[*i] * (n + 1))
                .min_by_key(|i| self.precedence(n, *i, intended[*i]));
            // By Hall's theorem one of the open windows can always be served (module documentation).
            let Some(i) = open else { unreachable!("shares {:?}: no target can take slot {n} at counts {counts:?}", self.shares) };
            match self.last_conflict(n, counts, i) {
                None => return i,
                // Counts only grow: whoever is ahead at `t` stays so, and the conflict lasts until `t` is the next slot.
                Some(t) => closed_until[i] = t,
            }
        }
    }

    /// Those whose intended slot has come go first, the rarest before the others; of those whose slot has not come
    /// the commonest goes first: so a rare target's place is uniform over its whole window.
    fn precedence(&self, n: u64, target: usize, intended: u64) -> (bool, u64, u64) {
        let share = self.shares[target];
        if intended >> 32 <= n { (false, share, intended) } else { (true, self.period - share, intended) }
    }

    /// The last prefix at which a later window could not be kept if `chosen` took slot `n`; none when all can.
    fn last_conflict(&self, n: u64, counts: &[u64], chosen: usize) -> Option<u64> {
        let count = |i: usize| counts[i] + u64::from(i == chosen);
        // Somebody else's window may end with this slot.
        let mut last = (0..counts.len()).any(|i| self.floor(i, n + 1) > count(i)).then_some(n + 1);
        let mut t = n + 2;
        loop {
            let ahead = (0..counts.len()).filter(|i| count(*i) > self.floor(*i, t)).count() as u64;
            // Where `chosen` is not ahead, it changed nothing, and the choices before left room.
            if ahead < 2 || count(chosen) <= self.floor(chosen, t) {
                return last;
            }
            // The fractions sum to t minus the sum of the floors, for the shares sum to one.
            let fractions = t - (0..counts.len()).map(|i| self.floor(i, t)).sum::<u64>();
            if fractions < ahead {
                last = Some(t);
            }
            t += 1;
        }
    }

    /// Whole requests that target `i` is due by slot `t`.
    fn floor(&self, i: usize, t: u64) -> u64 {
        self.shares[i] * t / self.period
    }

    fn intended(&self, seed: u64, target: usize, job: u64) -> u64 {
        let share = self.shares[target];
        if share == 0 {
            return u64::MAX;
        }
        let jitter = mix(seed ^ mix((target as u64) << 32 | job)) >> 32;
        // At most 10^4 jobs and 10^4 slots: 14 + 32 + 14 bits.
        ((job << 32) + jitter) * self.period / share
    }
}

fn gcd(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { gcd(b, a % b) }
}

/// The finaliser of SplitMix64: stateless, so that a request's place depends on its name and nothing before it.
fn mix(value: u64) -> u64 {
    let mut z = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
#[path = "split_tests.rs"]
mod tests;
