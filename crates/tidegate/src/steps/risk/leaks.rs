//! What would make the figures of a training a lie, looked for in the changes themselves.
//!
//! Of the features words alone say when what they stand on was known; all others are computed going forwards, from what lay before their change,
//! which tests hold.

use super::{WORDS, Worded};
use tidegate_history::Change;
use tidegate_learn::Table;
use tidegate_learn::leakage::{self, KnownAt, Leak, Limits};
use tidegate_learn::split::Split;

/// Fewest words by which a change is known again: of fewer, many are alike.
const WORDS_MIN: usize = 5;

/// Leaks of a table whose rows are these changes. Rows are never equal, for what lay before a change differs: a change that was made again -
/// cherry-picked, or reverted and put back - is known by its words and its size.
pub fn leaks(table: &Table, (changes, words_known_at): (&[&Change], &[i64]), worded: &Worded, parts: &Split) -> Vec<Leak> {
    let limits = Limits::default();
    let words = KnownAt { feature: WORDS.to_owned(), at: words_known_at.to_vec() };
    let content = |row: usize| {
        let change = changes.get(row)?;
        let words = worded.of(&change.id).filter(|words| words.len() >= WORDS_MIN)?.clone();
        let sizes = [change.features.la, change.features.ld, change.features.nf].map(f64::to_bits);
        Some((words, sizes))
    };
    let again = leakage::duplicates(parts, &limits, content);
    leakage::check(table, &[words], &limits).into_iter().chain(again).collect()
}
