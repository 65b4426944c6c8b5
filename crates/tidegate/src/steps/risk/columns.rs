//! Which features a model learns from: those of every history, and of the others those that enough changes have.

use super::{WORDS, reviews};
use tidegate_history::Features;

/// Fewest changes that have a feature which not all have, before it is learnt from.
const KNOWN_MIN: usize = 100;
/// Share of the newest changes that must have it, too: what is missing is taken at its worst, so one that is mostly missing costs more than it tells.
const KNOWN_SHARE_MIN: f64 = 0.5;
/// Which are the newest.
const NEWEST_SHARE: f64 = 0.2;

/// All that can be known of a change; `beside` it what is not measured of the history alone.
pub fn names(beside: bool) -> Vec<&'static str> {
    let own = Features::NAMES.iter().copied();
    if beside { own.chain([WORDS]).chain(reviews::NAMES).collect() } else { own.collect() }
}

/// Places of the features that are learnt from, of rows of all of them, oldest first. Without what is known beside, those that every history has. Of
/// the others those that enough changes have at once, so that there are changes of which nothing is missing.
pub fn chosen(names: &[&str], rows: &[Vec<f64>], beside: bool) -> Vec<usize> {
    let not_always = |name: &str| Features::NOT_ALWAYS_KNOWN.contains(&name) || reviews::NAMES.contains(&name);
    let mut whole = vec![true; rows.len()];
    let mut takes = |at: usize, name: &str| {
        if !not_always(name) {
            return true;
        }
        let with = rows.iter().zip(&whole).map(|(row, whole)| *whole && row.get(at).is_some_and(|value| !value.is_nan()));
        let with: Vec<bool> = with.collect();
        let takes = beside && enough(&with);
        if takes {
            whole = with;
        }
        takes
    };
    names.iter().enumerate().filter(|(at, name)| takes(*at, name)).map(|(at, _)| at).collect()
}

fn enough(known: &[bool]) -> bool {
    let count = |of: &[bool]| of.iter().filter(|known| **known).count();
    let newest = known.get((known.len() as f64 * (1.0 - NEWEST_SHARE)) as usize..).unwrap_or_default();
    count(known) >= KNOWN_MIN && count(newest) as f64 >= newest.len() as f64 * KNOWN_SHARE_MIN
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of 500 changes each with whether something is known of it.
    fn kept(known: impl Fn(usize) -> bool) -> bool {
        let names = names(true);
        let at = names.iter().position(|name| *name == reviews::REVIEWERS).unwrap();
        let row = |change: usize| {
            let mut row = vec![0.0; names.len()];
            row[at] = if known(change) { 1.0 } else { f64::NAN };
            row
        };
        let rows: Vec<Vec<f64>> = (0..500).map(row).collect();
        assert!(chosen(&names, &rows, true).len() + 1 >= names.len());
        chosen(&names, &rows, true).contains(&at)
    }

    #[test]
    fn what_is_mostly_missing_is_left_out() {
        assert!(kept(|_| true) && kept(|change| change >= 400) && kept(|change| change < 450));
        assert!(!kept(|_| false) && !kept(|change| change >= 451) && !kept(|change| change < 449));
        let at = |name: &str| names(true).iter().position(|known| *known == name).unwrap();
        let mut rows = vec![vec![0.0; names(true).len()]; 500];
        for (change, row) in rows.iter_mut().enumerate() {
            row[at(if change % 2 == 0 { "reviewers" } else { reviews::REVIEWERS })] = f64::NAN;
        }
        let both = chosen(&names(true), &rows, true);
        assert!(both.contains(&at("reviewers")) && !both.contains(&at(reviews::REVIEWERS)), "no change has both");
        let rows = vec![vec![0.0; Features::NAMES.len()]; 500];
        let alone = chosen(&names(false), &rows, false);
        assert_eq!(alone.len() + Features::NOT_ALWAYS_KNOWN.len(), Features::NAMES.len(), "sites that train together have the same ones");
    }
}
