//! What was believed of the end of a change, and from when on: a fault shows late, and people know better later still.

use crate::{NotATable, Row, Table};

/// What was believed at each time: first something, then what was found out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ends {
    first: Option<bool>,
    turns: Vec<(i64, Option<bool>)>,
}

impl Ends {
    /// Whether it hurt, as it is believed of a change of which nothing was found out.
    #[must_use]
    pub fn new(first: Option<bool>) -> Ends {
        Ends { first, turns: Vec::new() }
    }

    /// From a time on something else is known; what was to be found out later than that counts no more.
    pub fn turn(&mut self, at: i64, hurt: Option<bool>) {
        self.turns.retain(|(other, _)| *other < at);
        self.turns.push((at, hurt));
    }

    /// What was believed at a time.
    #[must_use]
    pub fn at(&self, at: i64) -> Option<bool> {
        let turned = self.turns.partition_point(|(from, _)| *from <= at);
        turned.checked_sub(1).and_then(|last| self.turns.get(last)).map_or(self.first, |(_, hurt)| *hurt)
    }

    /// What turned after a time, oldest first.
    pub(crate) fn after(&self, at: i64) -> impl Iterator<Item = (i64, Option<bool>)> {
        self.turns.iter().copied().filter(move |(from, _)| *from > at)
    }
}

/// A table with the labels that were believed at a time; rows of which nothing was are left out.
///
/// # Errors
/// Never, of a table that is one.
pub fn as_believed(table: &Table, ends: &[Ends], at: i64) -> Result<Table, NotATable> {
    let mut believed = Table::new(table.features().iter().map(|feature| feature.name.as_str()))?;
    for (((values, ends), row), effort) in table.rows().zip(ends).zip(table.at()).zip(table.effort()) {
        if let Some(label) = ends.at(at) {
            believed.push(&Row { at: *row, values, label, effort: *effort })?;
        }
    }
    for one in table.synthetic() {
        believed.push_synthetic(one.clone())?;
    }
    Ok(believed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_believed_turns_and_the_last_word_counts() {
        let mut ends = Ends::new(Some(false));
        ends.turn(50, Some(true));
        ends.turn(90, Some(false));
        assert_eq!([0, 49, 50, 89, 90, i64::MAX].map(|at| ends.at(at)), [false, false, true, true, false, false].map(Some));
        assert_eq!(ends.after(50).collect::<Vec<_>>(), [(90, Some(false))]);
        // Who spoke at 40 knew already, and what the history found out later does not change that.
        ends.turn(40, None);
        assert_eq!([39, 40, 100].map(|at| ends.at(at)), [Some(false), None, None]);
    }

    #[test]
    fn a_table_has_the_labels_of_its_time() {
        let mut table = Table::new(["a"]).unwrap();
        let mut all = Vec::new();
        for row in 0..4i64 {
            table.push(&Row { at: row, values: &[row as f64], label: true, effort: 2.0 }).unwrap();
            let mut ends = Ends::new(if row == 0 { None } else { Some(false) });
            ends.turn(10 * row, Some(true));
            all.push(ends);
        }
        let then = as_believed(&table, &all, 15).unwrap();
        assert_eq!((then.labels(), then.at(), then.effort()), ([true, true, false, false].as_slice(), table.at(), table.effort()));
        let before = as_believed(&table, &all, -1).unwrap();
        assert_eq!((before.labels(), before.row(0)), ([false; 3].as_slice(), [1.0].as_slice()), "of the first nothing was known");
        assert_eq!(as_believed(&table, &all, 99).unwrap(), table);
    }
}
