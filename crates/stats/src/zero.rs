//! Where a function crosses zero.

/// Most evaluations of the function in one search.
const STEPS_MAX: usize = 1000;

/// A zero of `f` between `lower` and `upper` to within `tolerance`, by Brent's method: inverse quadratic interpolation
/// where it gains, bisection where it does not (Brent, Algorithms for Minimization without Derivatives, 1973, ch. 4).
///
/// None when `f` has the same sign at both ends, or is not a number there. `f` need not be continuous: then the answer
/// is a place where it jumps over zero.
pub fn zero(lower: f64, upper: f64, tolerance: f64, f: impl Fn(f64) -> f64) -> Option<f64> {
    // `best` has the least value so far, `across` lies on the other side of zero, `last` is where `best` was before.
    let (mut last, mut best) = ((lower, f(lower)), (upper, f(upper)));
    if last.1 == 0.0 {
        return Some(lower);
    }
    if best.1 == 0.0 {
        return Some(upper);
    }
    let crosses = (last.1 < 0.0 && best.1 > 0.0) || (last.1 > 0.0 && best.1 < 0.0);
    if !crosses {
        return None;
    }
    let mut across = last;
    for _ in 0..STEPS_MAX {
        let moved = best.0 - last.0;
        if libm::fabs(across.1) < libm::fabs(best.1) {
            last = best;
            best = across;
            across = last;
        }
        let close = 2.0 * f64::EPSILON * libm::fabs(best.0) + tolerance / 2.0;
        let half = (across.0 - best.0) / 2.0;
        if libm::fabs(half) <= close || best.1 == 0.0 {
            return Some(best.0);
        }
        let promising = libm::fabs(moved) >= close && libm::fabs(last.1) > libm::fabs(best.1);
        let mut step = if promising { interpolated(last, best, across, moved, close).unwrap_or(half) } else { half };
        if libm::fabs(step) < close {
            step = if step > 0.0 { close } else { -close };
        }
        last = best;
        best.0 += step;
        best.1 = f(best.0);
        if (best.1 > 0.0 && across.1 > 0.0) || (best.1 < 0.0 && across.1 < 0.0) {
            across = last;
        }
    }
    Some(best.0)
}

/// The step that a curve through the known points proposes, if it stays well inside and shrinks fast enough.
fn interpolated(last: (f64, f64), best: (f64, f64), across: (f64, f64), moved: f64, close: f64) -> Option<f64> {
    let width = across.0 - best.0;
    let (mut over, mut under) = if last.0 == across.0 {
        let ratio = best.1 / last.1;
        (width * ratio, 1.0 - ratio)
    } else {
        let (q, r, s) = (last.1 / across.1, best.1 / across.1, best.1 / last.1);
        (s * (width * q * (q - r) - (best.0 - last.0) * (r - 1.0)), (q - 1.0) * (r - 1.0) * (s - 1.0))
    };
    if over > 0.0 {
        under = -under;
    } else {
        over = -over;
    }
    let inside = over < 0.75 * width * under - libm::fabs(close * under) / 2.0;
    let shrinks = over < libm::fabs(moved * under / 2.0);
    (inside && shrinks).then(|| over / under)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn smooth_functions_and_jumps_are_solved() {
        let root = zero(0.0, 2.0, 1e-12, |x| x * x - 2.0).unwrap();
        assert!((root - core::f64::consts::SQRT_2).abs() < 1e-11, "{root}");
        let flat = zero(-1.0, 4.0, 1e-9, |x| (x - 1.0) * (x - 1.0) * (x - 1.0)).unwrap();
        assert!((flat - 1.0).abs() < 1e-3, "{flat}");
        let jump = zero(0.0, 1.0, 1e-9, |x| if x < 0.3 { 1.0 } else { -1.0 }).unwrap();
        assert!((jump - 0.3).abs() < 1e-8, "{jump}");
    }

    #[test]
    fn ends_count_and_what_does_not_cross_has_none() {
        assert_eq!(zero(2.0, 3.0, 1e-9, |x| x - 2.0), Some(2.0));
        assert_eq!(zero(2.0, 3.0, 1e-9, |x| x - 3.0), Some(3.0));
        assert_eq!(zero(0.0, 1.0, 1e-9, |x| x + 1.0), None);
        assert_eq!(zero(0.0, 1.0, 1e-9, |_| f64::NAN), None);
    }
}
