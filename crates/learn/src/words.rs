//! The words of changes as one feature: what those of its message and of its added lines said of earlier changes.
//!
//! Each word is a number below [`BUCKETS`], by a hash: no word is kept. Going forwards through the changes, a change is given the mean of what
//! its words say - the logarithm of how much more often they stand in changes that hurt - as far as it was known then: a change counts only from
//! when its end can be trusted, and as what was believed of it: one whose fault showed later was clean until then. The estimate of a word is that
//! of multinomial naive Bayes with shrinkage (Manning, Raghavan and Schütze, Introduction to Information Retrieval, 2008, chapter 13).

use crate::ends::Ends;
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

    /// Learns from a change whose end is known.
    pub fn add(&mut self, words: &[u16], hurt: bool) {
        self.count(words, hurt, 1.0);
    }

    /// Counts are whole numbers: what is taken back leaves nothing behind.
    fn count(&mut self, words: &[u16], hurt: bool, by: f64) {
        let one = |cell: &mut (f64, f64)| if hurt { cell.0 += by } else { cell.1 += by };
        one(&mut self.changes);
        for word in words {
            self.counts.get_mut(usize::from(*word)).into_iter().for_each(one);
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
    /// What was believed of its end.
    pub ends: &'a Ends,
}

/// That something else is believed of a change.
struct Turn<'a> {
    at: i64,
    words: &'a [u16],
    was: Option<bool>,
    is: Option<bool>,
}

/// What was learnt when: of each change what was believed once it could be trusted, and what turned later; oldest first.
fn turns<'a>(changes: &[Worded<'a>], maturity: i64) -> Vec<Turn<'a>> {
    let mut turns = Vec::with_capacity(changes.len());
    for Worded { at, words, ends } in changes {
        let mature = at.saturating_add(maturity);
        let mut was = None;
        for (at, is) in std::iter::once((mature, ends.at(mature))).chain(ends.after(mature)) {
            turns.push(Turn { at, words, was, is });
            was = is;
        }
    }
    turns.sort_by_key(|turn| turn.at);
    turns
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
    let turns = turns(changes, maturity);
    let mut next = turns.iter().peekable();
    let (mut sayings, mut learnt) = (Sayings::default(), i64::MIN);
    let mut learn = |sayings: &mut Sayings, until: i64| {
        while let Some(Turn { at, words, was, is }) = next.next_if(|turn| turn.at <= until) {
            if let Some(hurt) = *was {
                sayings.count(words, hurt, -1.0);
            }
            if let Some(hurt) = *is {
                sayings.add(words, hurt);
            }
            learnt = *at;
        }
        learnt
    };
    let (mut said, mut known_at) = (Vec::with_capacity(changes.len()), Vec::with_capacity(changes.len()));
    for one in changes {
        // One that is of the same instant is no earlier one.
        known_at.push(learn(&mut sayings, one.at.saturating_sub(1)));
        said.push(sayings.of(one.words));
    }
    learn(&mut sayings, as_of);
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

    /// Time, words, what was believed first, and what turned when.
    type Drawn = (i64, Vec<u16>, Option<bool>, Vec<(i64, Option<bool>)>);

    fn drawn() -> impl Strategy<Value = Vec<Drawn>> {
        let turns = prop::collection::vec((0i64..230, prop::option::of(any::<bool>())), 0..3);
        let one = (0i64..200, prop::collection::vec(0u16..40, 0..6), prop::option::of(any::<bool>()), turns);
        prop::collection::vec(one, 60..160).prop_map(|mut rows| {
            rows.sort_by_key(|row| row.0);
            rows
        })
    }

    fn ends(rows: &[Drawn]) -> Vec<Ends> {
        let one = |(_, _, first, turns): &Drawn| {
            let mut ends = Ends::new(*first);
            turns.iter().for_each(|(at, hurt)| ends.turn(*at, *hurt));
            ends
        };
        rows.iter().map(one).collect()
    }

    fn bits(rows: &[Drawn], ends: &[Ends], maturity: i64) -> (Vec<u64>, Sayings) {
        let all: Vec<Worded<'_>> = rows.iter().zip(ends).map(|((at, words, ..), ends)| Worded { at: *at, words, ends }).collect();
        let Through { said, known_at, sayings } = through(&all, maturity, 1_000);
        assert!(known_at.iter().zip(rows).all(|(known, row)| *known < row.0));
        (said.iter().map(|one| one.to_bits()).collect(), sayings)
    }

    proptest! {
        #[test]
        fn nothing_of_the_future_flows_in(rows in drawn(), cut in 0usize..160, maturity in 0i64..30) {
            let known = ends(&rows);
            let (whole, _) = bits(&rows, &known, maturity);
            let cut = cut.min(rows.len() - 1);
            let at = rows[cut].0;
            // Whatever is found out from that moment on, what was said stays: of changes that were too young then, and of all others.
            let other: Vec<Ends> = rows.iter().zip(&known).map(|(row, ends)| {
                let mut other = if row.0 + maturity >= at { Ends::new(ends.at(0).map(|hurt| !hurt)) } else { ends.clone() };
                other.turn(at, ends.at(at).map_or(Some(true), |hurt| Some(!hurt)));
                other
            }).collect();
            prop_assert_eq!(&whole[..=cut], &bits(&rows, &other, maturity).0[..=cut]);
            // And it does not matter how many come later.
            let earlier = rows.iter().take_while(|row| row.0 <= at).count();
            prop_assert_eq!(&whole[..earlier], &bits(&rows[..earlier], &known[..earlier], maturity).0[..]);
        }

        #[test]
        fn what_is_said_is_what_was_believed_then(rows in drawn(), maturity in 0i64..30) {
            let known = ends(&rows);
            let (said, last) = bits(&rows, &known, maturity);
            let believed = |until: i64| {
                let mut sayings = Sayings::default();
                for ((at, words, ..), ends) in rows.iter().zip(&known).filter(|(row, _)| row.0 + maturity <= until) {
                    // Before it could be trusted nothing was believed, whatever was found out.
                    if let Some(hurt) = ends.at(until.max(at + maturity)) {
                        sayings.add(words, hurt);
                    }
                }
                sayings
            };
            let slow: Vec<u64> = rows.iter().map(|row| believed(row.0 - 1).of(&row.1).to_bits()).collect();
            prop_assert_eq!(said, slow);
            prop_assert_eq!(last, believed(1_000));
        }
    }
}
