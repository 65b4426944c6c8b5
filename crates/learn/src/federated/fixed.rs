//! Numbers as integers, so that a sum is the same whoever adds in which order, and a mask hides it wholly.

/// Binary digits behind the point.
const FRACTION_BITS: u32 = 24;
/// What one row adds is held within plus and minus this.
pub const VALUE_MAX: f64 = 1024.0;
/// What one site adds to a number is held within plus and minus this: [`crate::ROWS_MAX`] rows of [`VALUE_MAX`].
pub const SITE_SUM_MAX: i64 = 1 << 56;

/// What a row adds; what is no number adds nothing.
#[expect(clippy::cast_possible_truncation, reason = "it is held to 2^34 before")]
pub(super) fn fixed(value: f64) -> i64 {
    libm::rint(value.clamp(-VALUE_MAX, VALUE_MAX) * f64::from(1_u32 << FRACTION_BITS)) as i64
}

/// The number that a sum stands for.
pub(super) fn number(sum: i64) -> f64 {
    sum as f64 / f64::from(1_u32 << FRACTION_BITS)
}

/// A site's sum as it goes under its mask: clipped, modulo 2^64.
pub(super) fn clipped(sum: i64) -> u64 {
    sum.clamp(-SITE_SUM_MAX, SITE_SUM_MAX).cast_unsigned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_added_is_bounded_and_all_sites_fit() {
        assert_eq!(fixed(1e9), fixed(VALUE_MAX));
        assert_eq!(fixed(f64::NAN), 0);
        assert_eq!(number(fixed(-0.375)), -0.375);
        assert_eq!(clipped(i64::MAX), clipped(SITE_SUM_MAX));
        let rows = i64::try_from(crate::ROWS_MAX).unwrap();
        assert_eq!(fixed(VALUE_MAX).checked_mul(rows), Some(SITE_SUM_MAX));
        assert!(SITE_SUM_MAX.checked_mul(i64::try_from(super::super::SITES_MAX).unwrap()).is_some());
    }
}
