//! The words of changes as one feature: what those of its message and of its added lines said of earlier changes.
//!
//! Each word is a number below [`BUCKETS`], by a hash: no word is kept. Going forwards through the changes, a change is given the mean of what
//! its words say - the logarithm of how much more often they stand in changes that hurt - as far as it was known then: a change counts only from
//! when its end could be trusted, as clean where its fault was not yet known, and as one that hurt from when it was. Where it is not said when
//! an end became known, it is taken to have been known by then. The estimate of a word is that of
//! multinomial naive Bayes with shrinkage (Manning, Raghavan and Schütze, Introduction to Information Retrieval, 2008, chapter 13).

use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use tidegate_stats::rng::mix;

/// Numbers of words.
pub const BUCKETS: usize = 1 << 12;
/// Different words of one change that are looked at.
pub const WORDS_MAX: usize = 512;
/// Shortest and longest words, in bytes: what is shorter says nothing, what is longer is data.
const WORD_BYTES: std::ops::RangeInclusive<usize> = 3..=40;
/// Changes of either kind that a word must have been in before it is believed: as many are added to it that say nothing.
const PRIOR: f64 = 5.0;
/// Log odds that a word may say.
const WORD_MOST: f64 = 2.0;
/// Fewest changes of either kind before words say anything.
const CHANGES_MIN: f64 = 20.0;

/// The words of a change, ascending.
pub type Words = Vec<u16>;

/// The words of a message and of lines: runs of letters, cut at changes of case and at underscores, without case.
#[must_use]
pub fn words(message: &[u8], added: &[u8]) -> Words {
    let mut found = BTreeSet::new();
    // The same word says something else where people write and where programs do.
    for (salt, text) in [(1, message), (2, added)] {
        for run in text.split(|byte| !byte.is_ascii_alphabetic()) {
            let mut start = 0;
            for at in 1..=run.len() {
                let ends = at == run.len()
                    || (run.get(at).is_some_and(u8::is_ascii_uppercase) && run.get(at - 1).is_some_and(u8::is_ascii_lowercase));
                if !ends {
                    continue;
                }
                let word = run.get(start..at).unwrap_or_default();
                start = at;
                if WORD_BYTES.contains(&word.len()) {
                    let hash = word.iter().fold(salt, |hash, byte| mix(hash ^ u64::from(byte.to_ascii_lowercase())));
                    found.insert(u16::try_from(hash % BUCKETS as u64).unwrap_or_default());
                }
            }
            if found.len() >= WORDS_MAX {
                break;
            }
        }
    }
    found.into_iter().take(WORDS_MAX).collect()
}

/// What words said so far.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sayings {
    /// Changes that hurt with each word, and changes that did not.
    counts: Vec<(f64, f64)>,
    /// All that hurt, and all that did not.
    changes: (f64, f64),
}

impl Default for Sayings {
    fn default() -> Sayings {
        Sayings { counts: vec![(0.0, 0.0); BUCKETS], changes: (0.0, 0.0) }
    }
}

impl Sayings {
    /// Whether it is one that was written here.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        let sound = |(hurt, clean): &(f64, f64)| hurt.is_finite() && clean.is_finite() && *hurt >= 0.0 && *clean >= 0.0;
        self.counts.len() == BUCKETS && self.counts.iter().all(sound) && sound(&self.changes)
    }

    /// Unlearns a change whose end was taken to be another.
    fn take(&mut self, words: &[u16], hurt: bool) {
        let by = |cell: &mut (f64, f64)| if hurt { cell.0 -= 1.0 } else { cell.1 -= 1.0 };
        by(&mut self.changes);
        for word in words {
            self.counts.get_mut(usize::from(*word)).into_iter().for_each(by);
        }
    }

    /// Learns from a change whose end is known.
    pub fn add(&mut self, words: &[u16], hurt: bool) {
        let by = |cell: &mut (f64, f64)| if hurt { cell.0 += 1.0 } else { cell.1 += 1.0 };
        by(&mut self.changes);
        for word in words {
            self.counts.get_mut(usize::from(*word)).into_iter().for_each(by);
        }
    }

    /// What the words of a change say: the mean of their log odds beside those of any change; not a number where too little is known, or
    /// where there are no words.
    #[must_use]
    pub fn of(&self, words: &[u16]) -> f64 {
        let (hurt, clean) = self.changes;
        if hurt < CHANGES_MIN || clean < CHANGES_MIN || words.is_empty() {
            return f64::NAN;
        }
        let share = hurt / (hurt + clean);
        let one = |word: &u16| {
            let (with, without) = self.counts.get(usize::from(*word)).copied().unwrap_or_default();
            // Before anything is known a word stands in as many changes of each kind as there are.
            let odds = (with + PRIOR * share) / (without + PRIOR * (1.0 - share));
            libm::log(odds * clean / hurt).clamp(-WORD_MOST, WORD_MOST)
        };
        words.iter().map(one).sum::<f64>() / words.len() as f64
    }
}

/// A change, for going through them.
#[derive(Clone, Copy, Debug)]
pub struct Worded<'a> {
    /// When it was made.
    pub at: i64,
    /// Its words.
    pub words: &'a [u16],
    /// What became of it, where that is known.
    pub hurt: Option<bool>,
    /// When it was known that it hurt, where that is said.
    pub known: Option<i64>,
}

/// What was said of changes when they were made.
#[derive(Clone, Debug, PartialEq)]
pub struct Through {
    /// What the words of each change said.
    pub said: Vec<f64>,
    /// When the newest of what was learnt for it was known; of one for which nothing was, the least instant.
    pub known_at: Vec<i64>,
    /// What words say by the end.
    pub sayings: Sayings,
}

/// What the words of each change said when it was made, for changes in the order of time whose ends can be trusted `maturity` after them; and what
/// words say by `as_of`.
#[must_use]
pub fn through(changes: &[Worded<'_>], maturity: i64, as_of: i64) -> Through {
    // When something is learnt, of which change, what it is taken for from then on, and whether it was taken for clean before.
    let mut news: Vec<(i64, &Worded<'_>, bool, bool)> = Vec::new();
    for (one, hurt) in changes.iter().filter_map(|one| Some((one, one.hurt?))) {
        let trusted = one.at.saturating_add(maturity);
        match one.known.filter(|known| hurt && *known > trusted) {
            None => news.push((trusted, one, hurt, false)),
            Some(known) => news.extend([(trusted, one, false, false), (known, one, true, true)]),
        }
    }
    news.sort_by_key(|(at, ..)| *at);
    let (mut sayings, mut learnt, mut next) = (Sayings::default(), i64::MIN, 0);
    let mut learn = |sayings: &mut Sayings, learnt: &mut i64, until: i64| {
        while let Some((at, one, hurt, corrects)) = news.get(next).filter(|(at, ..)| *at <= until) {
            if *corrects {
                sayings.take(one.words, false);
            }
            sayings.add(one.words, *hurt);
            *learnt = *at;
            next += 1;
        }
    };
    let (mut said, mut known_at) = (Vec::with_capacity(changes.len()), Vec::with_capacity(changes.len()));
    for one in changes {
        // One that is of the same instant is no earlier one.
        learn(&mut sayings, &mut learnt, one.at.saturating_sub(1));
        said.push(sayings.of(one.words));
        known_at.push(learnt);
    }
    learn(&mut sayings, &mut learnt, as_of);
    Through { said, known_at, sayings }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn words_are_cut_and_counted_once() {
        let said = |text: &str| words(text.as_bytes(), b"");
        assert_eq!(said("Retry retry RETRY of it"), said("retry"), "short ones say nothing");
        assert_eq!(said("readTheFile"), said("read the_file"));
        assert_ne!(words(b"retry", b""), words(b"", b"retry"), "a message is no program");
        assert!(words(b"", b"12 34 ++ \xff\xfe").is_empty());
        let many: String = (0..5_000)
            .map(|n| {
                format!(
                    "{} ",
                    ["alpha", "beta", "gamma"]
                        .iter()
                        .map(|w| format!("{w}{}", char::from(97 + (n % 26) as u8)))
                        .collect::<Vec<_>>()
                        .join("")
                        + &"x".repeat(n % 30)
                )
            })
            .collect();
        assert!(said(&many).len() <= WORDS_MAX);
    }

    #[test]
    fn a_word_of_changes_that_hurt_raises() {
        let (bad, good, any) = (words(b"timeout", b""), words(b"typo", b""), words(b"thing", b""));
        let mut sayings = Sayings::default();
        assert!(sayings.of(&bad).is_nan(), "nothing is known");
        for n in 0..400 {
            let hurt = n % 4 == 0;
            sayings.add(&[if hurt { bad.clone() } else { good.clone() }, any.clone()].concat(), hurt);
        }
        assert!(sayings.of(&bad) > 1.0 && sayings.of(&good) < -1.0 && sayings.of(&any).abs() < 0.05);
        assert!(sayings.of(&words(b"neverseen", b"")).abs() < 1e-9 && sayings.of(&[]).is_nan());
        assert!(sayings.is_sound());
    }

    proptest! {
        #[test]
        fn nothing_of_the_future_flows_in(rows in prop::collection::vec((0i64..200, prop::collection::vec(0u16..40, 0..6), prop::option::of(any::<bool>()), 0i64..90), 60..160), cut in 0usize..160, maturity in 0i64..30) {
            let mut rows = rows;
            rows.sort_by_key(|row| row.0);
            let whole = |rows: &[(i64, Vec<u16>, Option<bool>, i64)]| through(&rows.iter().map(|(at, words, hurt, late)| Worded { at: *at, words, hurt: *hurt, known: Some(at + late) }).collect::<Vec<_>>(), maturity, 1_000);
            let of = |rows: &[(i64, Vec<u16>, Option<bool>, i64)]| whole(rows).said;
            let found = whole(&rows);
            prop_assert!(found.known_at.iter().zip(&rows).all(|(known, row)| *known < row.0));
            // In the end all is as if it had been known at once.
            let mut plain = Sayings::default();
            rows.iter().for_each(|row| row.2.into_iter().for_each(|hurt| plain.add(&row.1, hurt)));
            prop_assert_eq!(&found.sayings, &plain);
            // What hurt and was not known to by then says what a clean one says.
            let until = rows[cut.min(rows.len() - 1)].0;
            let mut unknown = rows.clone();
            unknown.iter_mut().filter(|row| row.0 + row.3 >= until).for_each(|row| row.2 = row.2.map(|_| false));
            let (mut unknown, mut real) = (of(&unknown), found.said.clone());
            let upto = rows.iter().take_while(|row| row.0 <= until).count();
            unknown.truncate(upto);
            real.truncate(upto);
            prop_assert_eq!(unknown.iter().map(|one| one.to_bits()).collect::<Vec<u64>>(), real.iter().map(|one| one.to_bits()).collect::<Vec<u64>>());
            let bits = |said: &[f64]| said.iter().map(|one| one.to_bits()).collect::<Vec<u64>>();
            let whole = of(&rows);
            let cut = cut.min(rows.len() - 1);
            let at = rows[cut].0;
            // Whatever becomes of changes whose end was not known yet, what was said stays.
            let mut other = rows.clone();
            for row in other.iter_mut().filter(|row| row.0 + maturity >= at) {
                row.2 = row.2.map(|hurt| !hurt);
            }
            prop_assert_eq!(bits(&whole[..=cut]), bits(&of(&other)[..=cut]));
            // And it does not matter how many come later.
            let earlier = rows.iter().take_while(|row| row.0 <= at).count();
            prop_assert_eq!(bits(&whole[..earlier]), bits(&of(&rows[..earlier])));
        }
    }
}
