//! Which replica is asked: a pure function of what is known of each.

/// What is known of a replica when a request comes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct View {
    /// It is asked only when the active ones cannot be, or have no room.
    pub standby: bool,
    /// It is fit, and its breaker lets requests pass.
    pub well: bool,
    /// It is not there, was never right, or answered a golden request otherwise: it is never asked.
    pub unfit: bool,
    /// Requests that it answers now.
    pub in_flight: usize,
    /// This request was sent to it before.
    pub tried: bool,
}

/// What rules the choice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rules {
    /// Requests that one replica answers at a time.
    pub in_flight_max: usize,
    /// Where fewer of the active ones are well than this share of them, those are asked too whose breaker is open, in basis points.
    pub panic_bp: usize,
    /// Standby replicas also answer what the active ones have no room for.
    pub burst: bool,
}

/// Why none is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Nobody {
    /// Those that could answer have no room.
    Full,
    /// Nobody is there who could.
    Away,
}

/// The replica with the fewest requests of those that may be asked; `turn` breaks ties.
///
/// Active ones that are well come first, then standby ones. Where nobody is well, one whose breaker is open is asked all the same:
/// what is sure to fail otherwise has nothing to lose. One that is away, or may answer wrong, is never asked.
pub fn choose(views: &[View], rules: Rules, turn: usize) -> Result<usize, Nobody> {
    let active = |v: &View| !v.standby && !v.unfit;
    let count = |is: &dyn Fn(&View) -> bool| views.iter().filter(|v| is(v)).count();
    let (all, well) = (count(&|v| !v.standby), count(&|v| active(v) && v.well));
    let panics = well * 10_000 < all * rules.panic_bp;
    let room = |v: &View| v.in_flight < rules.in_flight_max;
    let standby = |v: &View| v.standby && !v.unfit && v.well;
    let first = |v: &View| active(v) && (v.well || panics);
    let found = least(views, turn, |v| first(v) && room(v));
    // Without burst, a standby replica is for when no active one can be asked, however busy they are.
    let relief = rules.burst || !views.iter().any(|v| first(v) && !v.tried);
    let found = found.or_else(|| least(views, turn, |v| relief && standby(v) && room(v)));
    if let Some(found) = found {
        return Ok(found);
    }
    if views.iter().any(|v| !v.tried && (first(v) || relief && standby(v))) {
        return Err(Nobody::Full);
    }
    least(views, turn, |v| !v.unfit && room(v)).ok_or(Nobody::Away)
}

fn least(views: &[View], turn: usize, may: impl Fn(&View) -> bool) -> Option<usize> {
    let n = views.len().max(1);
    let order = (0..views.len()).map(|i| (i + turn) % n);
    order.filter(|i| views.get(*i).is_some_and(|v| !v.tried && may(v))).min_by_key(|i| views.get(*i).map_or(usize::MAX, |v| v.in_flight))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const RULES: Rules = Rules { in_flight_max: 4, panic_bp: 0, burst: false };

    fn well(in_flight: usize) -> View {
        View { well: true, in_flight, ..View::default() }
    }

    #[test]
    fn the_least_busy_and_then_in_turn() {
        assert_eq!(choose(&[well(2), well(1), well(3)], RULES, 0), Ok(1));
        let equal = [well(0), well(0), well(0)];
        assert_eq!((0..4).map(|turn| choose(&equal, RULES, turn).unwrap()).collect::<Vec<_>>(), [0, 1, 2, 0]);
        assert_eq!(choose(&[View { tried: true, ..well(0) }, well(3)], RULES, 0), Ok(1));
        assert_eq!(choose(&[well(4), well(4)], RULES, 0), Err(Nobody::Full));
        assert_eq!(choose(&[], RULES, 3), Err(Nobody::Away));
    }

    #[test]
    fn standby_comes_when_no_active_one_is_well_or_with_burst_when_they_are_busy() {
        let standby = View { standby: true, ..well(0) };
        assert_eq!(choose(&[well(3), standby], RULES, 1), Ok(0));
        assert_eq!(choose(&[View { well: false, ..well(0) }, standby], RULES, 0), Ok(1));
        assert_eq!(choose(&[well(4), standby], RULES, 0), Err(Nobody::Full));
        assert_eq!(choose(&[well(4), standby], Rules { burst: true, ..RULES }, 0), Ok(1));
        assert_eq!(choose(&[View { tried: true, ..well(0) }, standby], RULES, 0), Ok(1), "one more attempt goes to a standby");
    }

    #[test]
    fn panic_spreads_over_all_but_those_that_are_unfit() {
        let failing = View { well: false, ..well(0) };
        let unfit = View { unfit: true, ..well(0) };
        let views = [well(2), failing, failing, unfit];
        assert_eq!(choose(&views, RULES, 0), Ok(0));
        assert_eq!(choose(&views, Rules { panic_bp: 5_000, ..RULES }, 0), Ok(1));
        assert_eq!(choose(&[failing, unfit], RULES, 0), Ok(0), "nobody is well: one that fails often has nothing to lose");
        assert_eq!(choose(&[unfit, unfit], RULES, 0), Err(Nobody::Away));
    }

    proptest! {
        #[test]
        fn nobody_wrong_tried_or_full_is_asked_and_nobody_well_is_passed_over(
            views in prop::collection::vec(any::<(bool, bool, bool, u8, bool)>(), 0..8),
            panic_bp in 0..10_001_usize, burst in any::<bool>(), turn in any::<usize>(),
        ) {
            let views: Vec<View> = views.into_iter()
                .map(|(standby, well, unfit, n, tried)| View { standby, well, unfit, in_flight: usize::from(n % 6), tried }).collect();
            let rules = Rules { panic_bp, burst, ..RULES };
            let good = |v: &View| v.well && !v.unfit && !v.tried && v.in_flight < rules.in_flight_max;
            match choose(&views, rules, turn % 1_000) {
                Ok(i) => {
                    let v = views[i];
                    prop_assert!(!v.unfit && !v.tried && v.in_flight < rules.in_flight_max);
                    prop_assert!(v.well || panic_bp > 0 || !views.iter().any(|v| good(v) && !v.standby));
                }
                Err(_) => prop_assert!(!views.iter().any(|v| good(v) && !v.standby)),
            }
        }
    }
}
