//! What would make the figures of a training a lie, looked for in the changes themselves.
//!
//! Of the features words alone say when what they stand on was known; all others are computed going forwards, from what lay before their change,
//! which tests hold.

use super::{WORDS, Worded};
use std::collections::HashSet;
use tidegate_history::Change;
use tidegate_learn::Table;
use tidegate_learn::leakage::{self, KnownAt, Leak, Limits};
use tidegate_learn::split::Split;

/// Fewest words by which a change is known again: of fewer, many are alike.
const WORDS_MIN: usize = 5;

/// Leaks of a table whose rows are these changes.
pub fn leaks(table: &Table, (changes, words_known_at): (&[&Change], &[i64]), worded: &Worded, parts: &Split) -> Vec<Leak> {
    let limits = Limits::default();
    let words = KnownAt { feature: WORDS.to_owned(), at: words_known_at.to_vec() };
    let found = leakage::check(table, &[words], parts, &limits);
    // Rows are never equal, for what lay before a change differs: the same change again is known by its words and its size.
    let others = found.into_iter().filter(|leak| !matches!(leak, Leak::Duplicates { .. }));
    others.chain(again(changes, worded, parts, &limits)).collect()
}

/// Changes that were learnt from and made again: cherry-picked, or reverted and put back.
fn again(changes: &[&Change], worded: &Worded, parts: &Split, limits: &Limits) -> Option<Leak> {
    let content = |change: &&Change| {
        let words = worded.of(&change.id).filter(|words| words.len() >= WORDS_MIN)?.clone();
        let sizes = [change.features.la, change.features.ld, change.features.nf].map(f64::to_bits);
        Some((words, sizes))
    };
    let learnt: HashSet<_> = changes.get(parts.train.clone())?.iter().filter_map(content).collect();
    let judging = changes.get(parts.test.clone())?;
    let rows = judging.iter().filter_map(content).filter(|one| learnt.contains(one)).count();
    let share = rows as f64 / judging.len().max(1) as f64;
    (share > limits.duplicate_share_max).then_some(Leak::Duplicates { rows, share })
}
