//! Seeded pseudo-random numbers: xoshiro256++ started by SplitMix64, and exact draws from common laws.
//!
//! The same seed gives the same bits on every machine. Not for secrets.

/// A stream of pseudo-random numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rng {
    state: [u64; 4],
}

/// One step of SplitMix64: mixes `x` into a well-spread 64-bit value.
#[must_use]
pub fn mix(x: u64) -> u64 {
    let mut z = x.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

impl Rng {
    /// A stream for a seed; every seed is good, 0 too.
    #[must_use]
    pub fn new(seed: u64) -> Rng {
        let step = 0x9e37_79b9_7f4a_7c15_u64;
        let at = |i: u64| mix(seed.wrapping_add(step.wrapping_mul(i)));
        Rng { state: [at(0), at(1), at(2), at(3)] }
    }

    /// Another stream, far from this one; draws of one do not move the other.
    #[must_use]
    pub fn fork(&mut self, label: u64) -> Rng {
        Rng::new(self.next_u64() ^ mix(label))
    }

    /// The next 64 bits.
    pub fn next_u64(&mut self) -> u64 {
        let s = &mut self.state;
        let result = s[0].wrapping_add(s[3]).rotate_left(23).wrapping_add(s[0]);
        let t = s[1] << 17;
        s[2] ^= s[0];
        s[3] ^= s[1];
        s[1] ^= s[2];
        s[0] ^= s[3];
        s[2] ^= t;
        s[3] = s[3].rotate_left(45);
        result
    }

    /// Uniform in [0, 1), a multiple of 2^-53.
    pub fn uniform(&mut self) -> f64 {
        (self.next_u64() >> 11) as f64 * (1.0 / 9_007_199_254_740_992.0)
    }

    /// Uniform in 0..n without bias; 0 when `n` is 0.
    pub fn below(&mut self, n: u64) -> u64 {
        if n == 0 {
            return 0;
        }
        // Lemire's multiplication: reject the few low products that would favour some values.
        let threshold = n.wrapping_neg() % n;
        loop {
            let product = u128::from(self.next_u64()) * u128::from(n);
            if (product as u64) >= threshold {
                return (product >> 64) as u64;
            }
        }
    }

    /// True with probability `p` (never for p <= 0, always for p >= 1).
    pub fn chance(&mut self, p: f64) -> bool {
        self.uniform() < p
    }

    /// Standard normal, by Marsaglia's polar method.
    pub fn normal(&mut self) -> f64 {
        loop {
            let u = 2.0 * self.uniform() - 1.0;
            let v = 2.0 * self.uniform() - 1.0;
            let s = u * u + v * v;
            if s > 0.0 && s < 1.0 {
                return u * libm::sqrt(-2.0 * libm::log(s) / s);
            }
        }
    }

    /// Exponential with the given mean.
    pub fn exponential(&mut self, mean: f64) -> f64 {
        -mean * libm::log(1.0 - self.uniform())
    }

    /// Gamma with the given shape and scale (both above 0, else 0), by Marsaglia and Tsang.
    pub fn gamma(&mut self, shape: f64, scale: f64) -> f64 {
        if shape.is_nan() || shape <= 0.0 || scale.is_nan() || scale <= 0.0 {
            return 0.0;
        }
        if shape < 1.0 {
            let u = 1.0 - self.uniform();
            return self.gamma(shape + 1.0, scale) * libm::pow(u, 1.0 / shape);
        }
        let d = shape - 1.0 / 3.0;
        let c = 1.0 / libm::sqrt(9.0 * d);
        loop {
            let x = self.normal();
            let root = 1.0 + c * x;
            if root <= 0.0 {
                continue;
            }
            let v = root * root * root;
            let u = 1.0 - self.uniform();
            if libm::log(u) < 0.5 * x * x + d - d * v + d * libm::log(v) {
                return d * v * scale;
            }
        }
    }

    /// Number of successes in `n` trials of probability `p`.
    pub fn binomial(&mut self, n: u64, p: f64) -> u64 {
        if n == 0 || p.is_nan() || p <= 0.0 {
            return 0;
        }
        if p >= 1.0 {
            return n;
        }
        let size = n as f64;
        let mode = libm::floor((size + 1.0) * p).min(size);
        let log_mode = libm::lgamma(size + 1.0) - libm::lgamma(mode + 1.0) - libm::lgamma(size - mode + 1.0)
            + mode * libm::log(p)
            + (size - mode) * libm::log1p(-p);
        let odds = p / (1.0 - p);
        let up = |k: f64| odds * (size - k) / (k + 1.0);
        self.outward(mode, libm::exp(log_mode), up, size) as u64
    }

    /// Poisson with the given mean.
    pub fn poisson(&mut self, mean: f64) -> u64 {
        if mean.is_nan() || mean <= 0.0 || mean.is_infinite() {
            return 0;
        }
        let mode = libm::floor(mean);
        let log_mode = mode * libm::log(mean) - mean - libm::lgamma(mode + 1.0);
        self.outward(mode, libm::exp(log_mode), |k| mean / (k + 1.0), f64::INFINITY) as u64
    }

    /// Inversion outward from the mode: about one standard deviation of steps.
    ///
    /// `up(k)` is the ratio of the probability of k+1 to that of k.
    fn outward(&mut self, mode: f64, at_mode: f64, up: impl Fn(f64) -> f64, max: f64) -> f64 {
        let mut left = self.uniform() - at_mode;
        let (mut high, mut p_high) = (mode, at_mode);
        let (mut low, mut p_low) = (mode, at_mode);
        while left > 0.0 {
            if high < max {
                p_high *= up(high);
                high += 1.0;
                left -= p_high;
                if left <= 0.0 {
                    return high;
                }
            }
            if low > 0.0 {
                p_low /= up(low - 1.0);
                low -= 1.0;
                left -= p_low;
                if left <= 0.0 {
                    return low;
                }
            }
            if p_high + p_low < 1e-300 {
                break; // only rounding is left
            }
        }
        mode
    }

    /// Fisher and Yates' shuffle.
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for i in (1..items.len()).rev() {
            let j = self.below(i as u64 + 1) as usize;
            items.swap(i, j);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Rng;

    #[test]
    fn same_seed_same_bits() {
        let draw = |seed| {
            let mut rng = Rng::new(seed);
            (0..100).map(|_| rng.next_u64()).collect::<Vec<_>>()
        };
        assert_eq!(draw(7), draw(7));
        assert_ne!(draw(7), draw(8));
    }

    #[test]
    fn xoshiro256plusplus_reference_stream() {
        // State 1, 2, 3, 4: the first outputs of the published reference implementation.
        let mut rng = Rng { state: [1, 2, 3, 4] };
        assert_eq!([rng.next_u64(), rng.next_u64(), rng.next_u64()], [41_943_041, 58_720_359, 3_588_806_011_781_223]);
    }

    #[test]
    fn below_is_in_range_and_even() {
        let mut rng = Rng::new(1);
        let mut seen = [0u32; 7];
        for _ in 0..70_000 {
            seen[rng.below(7) as usize] += 1;
        }
        assert!(seen.iter().all(|&c| (9_600..10_400).contains(&c)), "{seen:?}");
        assert_eq!(rng.below(0), 0);
        assert_eq!(rng.below(1), 0);
    }

    fn moments(mut draw: impl FnMut() -> f64) -> (f64, f64) {
        let n = 40_000;
        let xs: Vec<f64> = (0..n).map(|_| draw()).collect();
        let mean = xs.iter().sum::<f64>() / f64::from(n);
        (mean, xs.iter().map(|x| (x - mean) * (x - mean)).sum::<f64>() / f64::from(n))
    }

    #[test]
    fn laws_have_their_moments() {
        let mut rng = Rng::new(3);
        let near = |got: (f64, f64), mean: f64, var: f64| {
            let slack = 5.0 * libm::sqrt(var / 40_000.0);
            assert!((got.0 - mean).abs() < slack, "mean {} for {mean}", got.0);
            assert!((got.1 / var - 1.0).abs() < 0.08, "variance {} for {var}", got.1);
        };
        near(moments(|| rng.normal()), 0.0, 1.0);
        near(moments(|| rng.exponential(3.0)), 3.0, 9.0);
        for (n, p) in [(1, 0.3), (150, 0.005), (1_000, 0.5), (6_000, 0.99)] {
            near(moments(|| rng.binomial(n, p) as f64), n as f64 * p, n as f64 * p * (1.0 - p));
        }
        for mean in [0.05, 1.0, 30.0, 4_000.0] {
            near(moments(|| rng.poisson(mean) as f64), mean, mean);
        }
        for shape in [0.4, 4.0] {
            near(moments(|| rng.gamma(shape, 2.0)), shape * 2.0, shape * 4.0);
        }
    }

    #[test]
    fn edges_of_laws() {
        let mut rng = Rng::new(5);
        assert_eq!((rng.binomial(0, 0.5), rng.binomial(9, 0.0), rng.binomial(9, 1.0)), (0, 0, 9));
        assert_eq!((rng.binomial(9, f64::NAN), rng.poisson(0.0), rng.poisson(f64::NAN)), (0, 0, 0));
        assert!((0..1_000).all(|_| rng.binomial(3, 0.9) <= 3));
    }

    #[test]
    fn shuffle_keeps_the_items() {
        let mut items: Vec<u32> = (0..50).collect();
        Rng::new(9).shuffle(&mut items);
        assert_ne!(items, (0..50).collect::<Vec<_>>());
        items.sort_unstable();
        assert_eq!(items, (0..50).collect::<Vec<_>>());
    }
}
