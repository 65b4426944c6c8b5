//! Tails of laws that tests need: chi-square, Student's t, the normal law. Not here: their statistics.

use crate::special::{beta_inc, ln_gamma};

/// Most terms of the series and of the continued fraction of the incomplete gamma function.
const TERMS_MAX: u32 = 100_000;

/// Regularised upper incomplete gamma function Q(a, x), for a > 0, x >= 0: series below a + 1, continued fraction above
/// (Abramowitz and Stegun 6.5.29 and 6.5.31).
#[must_use]
pub fn gamma_upper(a: f64, x: f64) -> f64 {
    if a.is_nan() || x.is_nan() || a <= 0.0 || x < 0.0 {
        return f64::NAN;
    }
    if x == 0.0 {
        return 1.0;
    }
    if x.is_infinite() {
        return 0.0;
    }
    let front = libm::exp(a * libm::log(x) - x - ln_gamma(a));
    if x < a + 1.0 {
        let (mut term, mut sum) = (1.0 / a, 1.0 / a);
        for k in 1..TERMS_MAX {
            term *= x / (a + f64::from(k));
            sum += term;
            if term < sum * 1e-17 {
                break;
            }
        }
        return (1.0 - front * sum).clamp(0.0, 1.0);
    }
    let guard = |v: f64| if libm::fabs(v) < 1e-300 { 1e-300 } else { v };
    let mut b = x + 1.0 - a;
    let mut c = 1e300;
    let mut d = 1.0 / guard(b);
    let mut h = d;
    for k in 1..TERMS_MAX {
        let k = f64::from(k);
        let an = -k * (k - a);
        b += 2.0;
        d = 1.0 / guard(an * d + b);
        c = guard(b + an / c);
        let step = d * c;
        h *= step;
        if libm::fabs(step - 1.0) < 1e-16 {
            break;
        }
    }
    (front * h).clamp(0.0, 1.0)
}

/// Chance that a chi-square variable of `freedom` degrees is at least `x`; NaN where the degrees are not positive.
#[must_use]
pub fn chi_square_tail(x: f64, freedom: f64) -> f64 {
    gamma_upper(0.5 * freedom, 0.5 * x)
}

/// Chance that |t| of Student's law with `freedom` degrees is at least |t|.
#[must_use]
pub fn student_two_sided(t: f64, freedom: f64) -> f64 {
    if t.is_nan() || freedom.is_nan() || freedom <= 0.0 {
        return f64::NAN;
    }
    if t.is_infinite() {
        return 0.0;
    }
    beta_inc(0.5 * freedom, 0.5, freedom / (freedom + t * t))
}

/// Chance that a standard normal variable is at least `x`.
#[must_use]
pub fn normal_tail(x: f64) -> f64 {
    0.5 * libm::erfc(x / core::f64::consts::SQRT_2)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn near(a: f64, b: f64) {
        assert!((a - b).abs() <= 1e-12 * b.abs().max(1e-3), "{a} against {b}");
    }

    #[test]
    fn tails_of_laws_known_in_closed_form() {
        for x in [0.1, 1.0, 3.0, 40.0] {
            near(chi_square_tail(x, 2.0), libm::exp(-x / 2.0));
            near(chi_square_tail(x, 1.0), 2.0 * normal_tail(libm::sqrt(x)));
            // Two degrees: t / sqrt(2 + t²) is the chance inside.
            near(student_two_sided(x, 2.0), 1.0 - x / libm::sqrt(2.0 + x * x));
            near(student_two_sided(x, 1.0), 1.0 - 2.0 / core::f64::consts::PI * libm::atan(x));
        }
        assert_eq!((chi_square_tail(0.0, 3.0), chi_square_tail(f64::INFINITY, 3.0)), (1.0, 0.0));
    }
}
