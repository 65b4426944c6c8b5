//! Sums of 64-bit floats without rounding: the order of what is added, and whether something was added and taken away again, cannot be
//! seen in the result. It is rounded once, when it is asked for, to the nearest float (ties to even).
//!
//! A sum is one whole number of units of 2^-1074, in limbs of 32 bits with room for carries: Kulisch's long accumulator.

/// Limbs of 32 bits: 2^-1074 to 2^1024, and what 2^31 of the largest carry over.
const LIMBS: usize = 68;
const LIMB_BITS: u32 = 32;
/// Exponent of the unit.
const UNIT: i32 = 1074;
/// So many values can be added before a limb could overflow: each adds less than 2^32 to one.
const LAZY_MAX: u32 = 1 << 30;

/// An exact sum.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sum {
    limbs: Box<[i64; LIMBS]>,
    lazy: u32,
}

impl Default for Sum {
    fn default() -> Sum {
        Sum { limbs: Box::new([0; LIMBS]), lazy: 0 }
    }
}

impl Sum {
    /// Adds a number; what is not finite is no number and changes nothing.
    pub fn add(&mut self, number: f64) {
        self.put(number, false);
    }

    /// Takes a number away that was added.
    pub fn take(&mut self, number: f64) {
        self.put(number, true);
    }

    /// Adds a whole number, also one that no float holds.
    pub fn add_whole(&mut self, number: i64) {
        self.shifted(number.unsigned_abs(), UNIT.unsigned_abs(), number < 0);
    }

    /// Takes a whole number away that was added.
    pub fn take_whole(&mut self, number: i64) {
        self.shifted(number.unsigned_abs(), UNIT.unsigned_abs(), number >= 0);
    }

    /// The float that is nearest to the sum; infinite where it is beyond the largest.
    #[must_use]
    pub fn value(&self) -> f64 {
        let mut limbs = *self.limbs;
        let negative = carry(&mut limbs) < 0;
        if negative {
            limbs.iter_mut().for_each(|limb| *limb = -*limb);
            carry(&mut limbs);
        }
        let Some(top) = limbs.iter().rposition(|limb| *limb != 0) else { return 0.0 };
        let limb = |at: usize| limbs.get(at).copied().unwrap_or(0).unsigned_abs();
        // The topmost limb and the two below it hold more bits than a float.
        let low = top.saturating_sub(2);
        let bits = (0..=top - low).fold(0_u128, |bits, at| bits | u128::from(limb(low + at)) << (LIMB_BITS as usize * at));
        let rest = limbs.iter().take(low).any(|limb| *limb != 0);
        let magnitude = rounded(bits, u64::try_from(low).unwrap_or(0) * u64::from(LIMB_BITS), rest);
        if negative { -magnitude } else { magnitude }
    }

    fn put(&mut self, number: f64, away: bool) {
        if !number.is_finite() {
            return;
        }
        let bits = number.to_bits();
        let exponent = (bits >> 52) & 0x7ff;
        let fraction = bits & ((1 << 52) - 1);
        // A subnormal has no hidden bit, and the exponent of the smallest normal one.
        let (mantissa, shift) = if exponent == 0 { (fraction, 0) } else { (fraction | 1 << 52, exponent - 1) };
        self.shifted(mantissa, u32::try_from(shift).unwrap_or(0), number.is_sign_negative() != away);
    }

    /// Adds `mantissa` units of 2^(`shift` - 1074).
    fn shifted(&mut self, mantissa: u64, shift: u32, negative: bool) {
        if self.lazy == LAZY_MAX {
            carry(&mut self.limbs);
            self.lazy = 0;
        }
        self.lazy += 1;
        let first = (shift / LIMB_BITS) as usize;
        let mut wide = u128::from(mantissa) << (shift % LIMB_BITS);
        for limb in self.limbs.iter_mut().skip(first).take(4) {
            let part = i64::try_from(wide & u128::from(u32::MAX)).unwrap_or(0);
            *limb += if negative { -part } else { part };
            wide >>= LIMB_BITS;
        }
    }
}

/// Brings all limbs but the topmost between 0 and 2^32; the sign of the whole is that of the topmost, which is the answer.
fn carry(limbs: &mut [i64; LIMBS]) -> i64 {
    let mut over = 0;
    for limb in limbs.iter_mut().take(LIMBS - 1) {
        let whole = *limb + over;
        *limb = whole & i64::from(u32::MAX);
        over = whole >> LIMB_BITS;
    }
    limbs.last_mut().map_or(0, |top| {
        *top += over;
        *top
    })
}

/// `bits` units of 2^(`shift` - 1074), and a little more where there is a `rest`, as the nearest float.
fn rounded(bits: u128, shift: u64, rest: bool) -> f64 {
    let length = u128::BITS - bits.leading_zeros();
    let Some(cut) = length.checked_sub(53).map(u64::from) else {
        // Fewer bits than a float has: they stand in the lowest limbs, and units are what a float's bits count there.
        return f64::from_bits(bits as u64);
    };
    let kept = u64::try_from(bits >> cut).unwrap_or(u64::MAX);
    let (half, below) = if cut == 0 {
        (false, rest)
    } else {
        let half = bits >> (cut - 1) & 1 == 1;
        (half, rest || bits & ((1 << (cut - 1)) - 1) != 0)
    };
    let up = half && (below || kept & 1 == 1);
    // The hidden bit makes the exponent one greater, and so does a mantissa that is rounded up to the next power.
    let exponent = cut + shift;
    let whole = (u128::from(exponent) << 52) + u128::from(kept) + u128::from(up);
    if whole >= u128::from(f64::INFINITY.to_bits()) { f64::INFINITY } else { f64::from_bits(whole as u64) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Rng;

    fn of(numbers: &[f64]) -> f64 {
        let mut sum = Sum::default();
        numbers.iter().for_each(|number| sum.add(*number));
        sum.value()
    }

    /// Shewchuk's partial sums, as Python's `math.fsum` has them: exact too, and made otherwise.
    fn partials(numbers: &[f64]) -> f64 {
        let mut partials: Vec<f64> = vec![];
        for number in numbers {
            let mut x = *number;
            let mut next = vec![];
            for y in &partials {
                let (large, small) = if x.abs() < y.abs() { (*y, x) } else { (x, *y) };
                let high = large + small;
                let low = small - (high - large);
                if low != 0.0 {
                    next.push(low);
                }
                x = high;
            }
            next.push(x);
            partials = next;
        }
        // Partials do not overlap: from the top down, the first that is inexact decides, with the sign of the next for ties.
        let Some(mut high) = partials.pop() else { return 0.0 };
        let mut low = 0.0;
        while let Some(y) = partials.pop() {
            let x = high;
            high = x + y;
            low = y - (high - x);
            if low != 0.0 {
                break;
            }
        }
        if let Some(next) = partials.last()
            && ((low < 0.0 && *next < 0.0) || (low > 0.0 && *next > 0.0))
        {
            let twice = low * 2.0;
            if twice == (high + twice) - high {
                high += twice;
            }
        }
        high
    }

    #[test]
    fn known_sums() {
        assert_eq!(of(&[]), 0.0);
        assert_eq!(of(&[0.1; 10]), 1.0, "one rounding, where adding one by one gives 0.9999999999999999");
        assert_eq!(of(&[1e300, 1.0, -1e300]), 1.0);
        assert_eq!(of(&[1.0, 1e-320, -1.0]), 1e-320);
        assert_eq!(of(&[f64::MAX, f64::MAX]), f64::INFINITY);
        assert_eq!(of(&[f64::MAX, f64::MAX, -f64::MAX]), f64::MAX);
        assert_eq!(of(&[-f64::MAX, -f64::MAX]), f64::NEG_INFINITY);
        assert_eq!(of(&[1.0, f64::EPSILON / 2.0]), 1.0, "a tie, to even");
        assert_eq!(of(&[1.0, f64::EPSILON / 2.0, 5e-324]), 1.0 + f64::EPSILON);
        assert_eq!(of(&[1.5, f64::NAN, f64::INFINITY]), 1.5, "no numbers");
        assert!(of(&[-0.0]).is_sign_positive());
        let mut wholes = Sum::default();
        wholes.add_whole(i64::MAX);
        wholes.add_whole(i64::MIN);
        assert_eq!(wholes.value(), -1.0);
        wholes.take_whole(i64::MIN);
        wholes.take_whole(i64::MAX - 7);
        assert_eq!(wholes.value(), 7.0);
    }

    #[test]
    fn random_sums_are_those_of_partial_sums_in_any_order_and_after_taking_away() {
        let mut rng = Rng::new(7);
        for round in 0..20_000_u64 {
            let many = rng.below(12) as usize;
            let spread = [2, 40, 400, 2046][round as usize % 4];
            let mut numbers: Vec<f64> = (0..many)
                .map(|_| {
                    let exponent = 1023_u64.saturating_sub(spread / 2) + rng.below(spread);
                    f64::from_bits((rng.next_u64() & (1 << 63 | ((1 << 52) - 1))) | exponent.min(2000) << 52)
                })
                .collect();
            let want = partials(&numbers);
            assert_eq!(of(&numbers).to_bits(), (want + 0.0).to_bits(), "{numbers:?}");
            numbers.reverse();
            let mut sum = Sum::default();
            let other = f64::from_bits(rng.next_u64() >> 2);
            sum.add(other);
            numbers.iter().for_each(|number| sum.add(*number));
            sum.take(other);
            assert_eq!(sum.value().to_bits(), (want + 0.0).to_bits());
        }
    }
}
