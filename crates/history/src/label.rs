//! How a change ended, as far as it can be known: fixed, clean, or not known yet.
//!
//! A fault is found late. How late is told by those that were; a change that is younger than that and has no fix is unlabelled and
//! never clean.

use crate::change::{Change, ChangeNumber, Link};
use crate::settings::Settings;

/// Fewest delays that tell an age.
const DELAYS_MIN: usize = 20;

/// How a change ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Label {
    /// A fix was traced to it.
    Fixed {
        /// The first one.
        by: ChangeNumber,
        /// The time from it to the fix, in seconds.
        delay_s: i64,
        /// How many fixes were traced to it.
        fixes: u32,
    },
    /// Old enough that a fix would have come.
    Clean,
    /// No fix yet, and too young for clean.
    Unlabelled,
    /// It has no label, whatever comes.
    Excluded(Excluded),
}

/// Why a change has no label.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Excluded {
    /// It is a merge.
    Merge,
    /// It touches more than one change of its own does: an import, a formatter.
    Mass,
    /// It touches nothing.
    Empty,
}

/// From which age on a change without a fix is called clean.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Maturity {
    /// The age, in seconds.
    pub age_s: i64,
    /// The share of delays that are shorter.
    pub quantile: f64,
    /// How many delays told it; 0 where too few were known, and the age is the settings'.
    pub delays: usize,
    /// What counted as now, in seconds since 1970.
    pub as_of_s: i64,
}

/// Labels every change, from the fixes that were known as of a time.
pub(crate) fn label(changes: &mut [Change], links: &[Link], settings: &Settings) -> Maturity {
    let newest = changes.iter().map(|change| change.at_s).max().unwrap_or(0);
    let as_of_s = settings.as_of_s.unwrap_or(newest.min(settings.now_s.unwrap_or(i64::MAX)));
    let found = found(changes, links, as_of_s);
    let maturity = maturity(changes, &found, settings, as_of_s);
    for (change, found) in changes.iter_mut().zip(&found) {
        change.label = match (excluded(change, settings), found) {
            (Some(why), _) => Label::Excluded(why),
            (None, Some((by, delay_s, fixes))) => Label::Fixed { by: *by, delay_s: *delay_s, fixes: *fixes },
            (None, None) if as_of_s.saturating_sub(change.at_s) >= maturity.age_s => Label::Clean,
            (None, None) => Label::Unlabelled,
        };
    }
    maturity
}

pub(crate) fn mass(change: &Change, settings: &Settings) -> bool {
    too_large(change, settings.mass_files_max, settings.mass_lines_max)
}

/// Whether a fix touches too much for its lines to tell of the fault.
pub(crate) fn tangled(change: &Change, settings: &Settings) -> bool {
    mass(change, settings) || too_large(change, settings.fix_files_max, settings.fix_lines_max)
}

fn too_large(change: &Change, files_max: u32, lines_max: u32) -> bool {
    let lines: u64 = change.files.iter().map(|file| u64::from(file.added) + u64::from(file.deleted)).sum();
    change.files.len() > files_max as usize || lines > u64::from(lines_max)
}

fn excluded(change: &Change, settings: &Settings) -> Option<Excluded> {
    match () {
        () if change.merge() => Some(Excluded::Merge),
        () if change.files.is_empty() => Some(Excluded::Empty),
        () if mass(change, settings) => Some(Excluded::Mass),
        () => None,
    }
}

type Found = Option<(ChangeNumber, i64, u32)>;

/// The first fix of each change, its delay, and how many fixes there are.
fn found(changes: &[Change], links: &[Link], as_of_s: i64) -> Vec<Found> {
    let mut pairs: Vec<(ChangeNumber, ChangeNumber)> = links.iter().map(|link| (link.of, link.by)).collect();
    pairs.sort_unstable();
    pairs.dedup();
    let mut found: Vec<Found> = vec![None; changes.len()];
    for (of, by) in pairs {
        let (Some(written), Some(fix)) = (changes.get(of.0 as usize), changes.get(by.0 as usize)) else { continue };
        let delay_s = fix.at_s.saturating_sub(written.at_s);
        // A clock that is wrong must not have a fault written after its fix; and what was fixed later is not known yet.
        if delay_s < 0 || fix.at_s > as_of_s {
            continue;
        }
        let Some(place) = found.get_mut(of.0 as usize) else { continue };
        *place = Some(match *place {
            Some((first, earliest_s, fixes)) if earliest_s <= delay_s => (first, earliest_s, fixes + 1),
            Some((_, _, fixes)) => (by, delay_s, fixes + 1),
            None => (by, delay_s, 1),
        });
    }
    found
}

/// Delays of young changes are short because the long ones are still to come: those of the older half of the history tell the age,
/// where they are enough.
fn maturity(changes: &[Change], found: &[Found], settings: &Settings, as_of_s: i64) -> Maturity {
    let oldest = changes.iter().map(|change| change.at_s).min().unwrap_or(as_of_s);
    let middle = oldest.saturating_add(as_of_s.saturating_sub(oldest) / 2);
    let delays = |until: i64| -> Vec<i64> {
        let of = |(change, found): (&Change, &Found)| found.filter(|_| change.at_s <= until).map(|(_, delay_s, _)| delay_s);
        let mut delays: Vec<i64> = changes.iter().zip(found).filter_map(of).collect();
        delays.sort_unstable();
        delays
    };
    let mut known = delays(middle);
    if known.len() < DELAYS_MIN {
        known = delays(as_of_s);
    }
    let quantile = settings.maturity_quantile.clamp(0.0, 1.0);
    let rank = libm::ceil(known.len() as f64 * quantile) as usize;
    match known.get(rank.saturating_sub(1)) {
        Some(age_s) if known.len() >= DELAYS_MIN => Maturity { age_s: *age_s, quantile, delays: known.len(), as_of_s },
        _ => Maturity { age_s: settings.maturity_default_s, quantile, delays: 0, as_of_s },
    }
}
