//! What a pattern said of short texts, so that it is asked once about a text that comes again and again.

use super::column::SHORT_BYTES;
use datafusion::common::HashMap;

/// Most texts that are remembered.
const TEXTS_MAX: usize = 1 << 16;
/// After how many questions the memory is given up where it seldom knew the answer.
const TRIAL: u64 = 1 << 14;

/// Answers by the view of a text, which is the text itself where it is short.
#[derive(Clone, Debug, Default)]
pub(crate) struct Memo {
    known: HashMap<u128, bool>,
    asked: u64,
    missed: u64,
}

impl Memo {
    /// The answer about a text of this view; one that is not known is found by `find`.
    pub fn ask(&mut self, view: u128, find: impl FnOnce() -> Result<bool, String>) -> Result<bool, String> {
        // The low 32 bits are the length; what is longer lies elsewhere, and its view says only where.
        #[expect(clippy::cast_possible_truncation, reason = "the length is the low half of the low half")]
        if view as u32 > SHORT_BYTES || self.gave_up() {
            return find();
        }
        self.asked += 1;
        if let Some(answer) = self.known.get(&view) {
            return Ok(*answer);
        }
        self.missed += 1;
        let answer = find()?;
        if self.known.len() < TEXTS_MAX {
            self.known.insert(view, answer);
        }
        Ok(answer)
    }

    /// Whether texts hardly ever come again.
    fn gave_up(&self) -> bool {
        self.asked >= TRIAL && self.missed > self.asked / 2
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use datafusion::arrow::array::builder::make_view;

    #[test]
    fn a_text_that_comes_again_is_not_asked_about_again() {
        let mut memo = Memo::default();
        let view = |text: &str| make_view(text.as_bytes(), 0, 0);
        assert_eq!(memo.ask(view("twelve bytes"), || Ok(true)), Ok(true));
        assert_eq!(memo.ask(view("twelve bytes"), || Err("asked again".to_owned())), Ok(true));
        assert_eq!(memo.ask(view(""), || Ok(false)), Ok(false));
        assert_eq!(memo.ask(view("thirteen byte"), || Ok(true)), Ok(true));
        assert_eq!(memo.ask(view("thirteen byte"), || Ok(false)), Ok(false), "a long text is asked about each time");
        assert_eq!(memo.ask(view("fails"), || Err("no".to_owned())), Err("no".to_owned()));
        assert_eq!(memo.ask(view("fails"), || Ok(true)), Ok(true));
    }

    #[test]
    fn texts_that_never_come_again_are_not_remembered_for_ever() {
        let mut memo = Memo::default();
        for i in 0..2 * TRIAL {
            assert_eq!(memo.ask(make_view(format!("{i}").as_bytes(), 0, 0), || Ok(i % 2 == 0)), Ok(i % 2 == 0));
        }
        assert!(memo.gave_up() && memo.known.len() as u64 == TRIAL, "{}", memo.known.len());
        assert_eq!(memo.ask(make_view(b"1", 0, 0), || Ok(true)), Ok(true), "it does not answer any more");
    }
}
