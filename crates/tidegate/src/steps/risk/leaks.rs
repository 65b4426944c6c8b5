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

#[cfg(test)]
mod tests {
    use super::super::small::repository;
    use super::*;
    use tidegate_history::{Mined, Settings, mine};
    use tidegate_learn::Row;
    use tidegate_learn::words::words;

    /// Ten changes, and ten that came later; what each is about, and how many lines it adds.
    fn history(about: impl Fn(usize) -> (String, usize)) -> (Mined, Worded) {
        let commit = |at: usize| {
            let (message, lines) = about(at);
            let text: String = (0..lines).map(|line| format!("{} {line}\n", message.replace(' ', "_"))).collect();
            (format!("file{at}"), text, message)
        };
        let folder = repository(&(0..20).map(commit).collect::<Vec<_>>());
        let mut worded = Worded::default();
        let mined =
            mine(folder.path(), "HEAD", &Settings::default(), None, &mut |now| worded.add(now.id, words(now.message, now.added))).unwrap();
        (mined, worded)
    }

    fn found(about: impl Fn(usize) -> (String, usize)) -> Vec<Leak> {
        let (mined, worded) = history(about);
        let changes: Vec<&Change> = mined.changes().iter().collect();
        let mut table = Table::new(["n"]).unwrap();
        for at in 0..20_i64 {
            // One value tells no end, and each is another.
            table.push(&Row { at, values: &[at as f64 * if at % 2 == 0 { 1.0 } else { -1.0 }], label: at % 4 < 2, effort: 1.0 }).unwrap();
        }
        leaks(&table, (&changes, &[0; 20]), &worded, &Split { train: 0..10, test: 10..20 })
    }

    #[test]
    fn a_change_that_is_made_again_is_known_by_its_words_and_its_size() {
        let shop = |at: usize| "abcdefghijklmnopqrst"[at..=at].repeat(6);
        let about = |at: usize, lines: usize| (format!("let the till of shop {} round prices of bread and butter up", shop(at)), lines);
        let again = |many| [Leak::Duplicates { rows: many, share: many as f64 / 10.0 }];
        assert_eq!(found(|at| about(at % 10, 3)), again(10));
        assert_eq!(found(|at| about(if at % 5 == 0 { at % 10 } else { at }, 3)), again(2));
        assert_eq!(found(|at| about(at, 3)), [], "other words");
        assert_eq!(found(|at| about(at % 10, if at < 10 { 3 } else { 4 })), [], "another size");
        assert_eq!(found(|_| ("wip".to_owned(), 1)), [], "of so few words many are alike");
    }
}
