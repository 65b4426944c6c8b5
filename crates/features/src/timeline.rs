//! Joins as of a time: for each row of one table, the newest row of another with its key that had happened, and was known, by then.
//!
//! Rows are numbers: keys are coded once ([`Codes`]), the other table is laid out by key and time ([`Timeline`]), and each row is
//! looked up on its own, so that a caller can share rows out among threads. Times are whole numbers of any one unit.

use std::collections::HashMap;
use std::hash::Hash;

/// Most rows of a table.
pub const ROWS_MAX: usize = 1 << 31;
/// No row, and no code.
pub const NOTHING: u32 = u32::MAX;
/// Rows whose least time of knowledge is kept together.
const BLOCK: usize = 32;
/// Whole numbers are coded by a table where it is at most so many times as long as there are rows.
const SPREAD_MAX: u64 = 4;

/// Which rows may be seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rule {
    /// Those that had happened and were known: a value that was written later is not seen, and neither is one of which it is not known
    /// when it was written.
    Strict,
    /// Feast's: those that had happened, whenever they were written.
    Feast,
}

/// Two tables that cannot be joined.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoJoin {
    /// More rows than can be numbered.
    #[error("{0} rows: {ROWS_MAX} can be joined at most")]
    Rows(usize),
    /// Columns of one table are of different lengths.
    #[error("columns of one table have {0} and {1} rows")]
    Lengths(usize, usize),
}

/// Values of one key column, nulls among them.
#[derive(Clone, Debug)]
pub enum Keys<T = String> {
    /// Whole numbers.
    Wholes(Vec<Option<i64>>),
    /// Texts.
    Texts(Vec<Option<T>>),
}

impl<T> Keys<T> {
    fn len(&self) -> usize {
        match self {
            Keys::Wholes(values) => values.len(),
            Keys::Texts(values) => values.len(),
        }
    }
}

/// The codes of one table's keys, by which another table's are looked up.
#[derive(Clone, Debug)]
pub struct Codes {
    columns: Vec<Coded>,
    /// Codes of pairs of what stands left of a column and its own code, for each column after the first.
    pairs: Vec<HashMap<(u32, u32), u32>>,
    rows: Vec<u32>,
    many: u32,
}

#[derive(Clone, Debug)]
enum Coded {
    /// From the least on, one place each.
    Dense(i64, Vec<u32>),
    Wholes(HashMap<i64, u32>),
    Texts(HashMap<Box<str>, u32>),
}

impl Codes {
    /// Codes the rows of a table; a row that lacks a key has none.
    ///
    /// # Errors
    /// When there are too many rows, or columns differ in length.
    pub fn of<T: AsRef<str>>(columns: &[Keys<T>]) -> Result<Codes, NoJoin> {
        let rows = length(columns)?;
        let mut codes = Codes { columns: vec![], pairs: vec![], rows: vec![], many: 0 };
        for column in columns {
            let (coded, mut of_column, many) = Coded::of(column);
            codes.many = many;
            if !codes.columns.is_empty() {
                let mut pairs = HashMap::new();
                for (left, right) in codes.rows.iter().zip(of_column.iter_mut()) {
                    *right = if *left == NOTHING || *right == NOTHING { NOTHING } else { next(&mut pairs, (*left, *right)) };
                }
                codes.many = u32::try_from(pairs.len()).unwrap_or(NOTHING);
                codes.pairs.push(pairs);
            }
            codes.columns.push(coded);
            codes.rows = of_column;
        }
        if columns.is_empty() {
            codes.rows = vec![NOTHING; rows];
        }
        Ok(codes)
    }

    /// The code of each row of the table.
    #[must_use]
    pub fn rows(&self) -> &[u32] {
        &self.rows
    }

    /// The codes of another table's rows, [`NOTHING`] where the table has no such key. A number and a text are never the same key.
    ///
    /// # Errors
    /// As [`Codes::of`].
    pub fn look<T: AsRef<str>>(&self, columns: &[Keys<T>]) -> Result<Vec<u32>, NoJoin> {
        let rows = length(columns)?;
        let mut found: Vec<u32> = vec![];
        for (at, (coded, column)) in self.columns.iter().zip(columns).enumerate() {
            let mut of_column = coded.look(column);
            if let Some(pairs) = at.checked_sub(1).and_then(|before| self.pairs.get(before)) {
                for (left, right) in found.iter().zip(of_column.iter_mut()) {
                    *right = pairs.get(&(*left, *right)).copied().unwrap_or(NOTHING);
                }
            }
            found = of_column;
        }
        found.resize(rows, NOTHING);
        Ok(found)
    }
}

fn length<T>(columns: &[Keys<T>]) -> Result<usize, NoJoin> {
    let rows = columns.first().map_or(0, Keys::len);
    if rows > ROWS_MAX {
        return Err(NoJoin::Rows(rows));
    }
    match columns.iter().find(|column| column.len() != rows) {
        Some(other) => Err(NoJoin::Lengths(rows, other.len())),
        None => Ok(rows),
    }
}

/// The code of a key, a new one where it is seen first.
fn next<K: Hash + Eq>(codes: &mut HashMap<K, u32>, key: K) -> u32 {
    let new = u32::try_from(codes.len()).unwrap_or(NOTHING);
    *codes.entry(key).or_insert(new)
}

impl Coded {
    /// The codes of a column: how they are looked up, those of its rows, and how many there are.
    fn of<T: AsRef<str>>(column: &Keys<T>) -> (Coded, Vec<u32>, u32) {
        match column {
            Keys::Wholes(values) => {
                let there = || values.iter().flatten().copied();
                let least = there().min().unwrap_or(0);
                let spread = there().max().unwrap_or(0).abs_diff(least);
                if spread < (values.len() as u64).saturating_mul(SPREAD_MAX) {
                    let mut places = vec![NOTHING; usize::try_from(spread).unwrap_or(0) + 1];
                    let mut many = 0;
                    let mut code = |value: i64| match places.get_mut(place(least, value)) {
                        Some(slot) => {
                            if *slot == NOTHING {
                                *slot = many;
                                many += 1;
                            }
                            *slot
                        }
                        None => NOTHING,
                    };
                    let rows = values.iter().map(|value| value.map_or(NOTHING, &mut code)).collect();
                    (Coded::Dense(least, places), rows, many)
                } else {
                    let mut codes = HashMap::new();
                    let rows = values.iter().map(|value| value.map_or(NOTHING, |value| next(&mut codes, value))).collect();
                    let many = u32::try_from(codes.len()).unwrap_or(NOTHING);
                    (Coded::Wholes(codes), rows, many)
                }
            }
            Keys::Texts(values) => {
                let mut codes: HashMap<&str, u32> = HashMap::new();
                let rows = values.iter().map(|value| value.as_ref().map_or(NOTHING, |value| next(&mut codes, value.as_ref()))).collect();
                let many = u32::try_from(codes.len()).unwrap_or(NOTHING);
                (Coded::Texts(codes.into_iter().map(|(text, code)| (Box::from(text), code)).collect()), rows, many)
            }
        }
    }

    fn look<T: AsRef<str>>(&self, column: &Keys<T>) -> Vec<u32> {
        let whole = |values: &[Option<i64>], code: &dyn Fn(i64) -> Option<u32>| {
            values.iter().map(|value| value.and_then(code).unwrap_or(NOTHING)).collect()
        };
        match (self, column) {
            (Coded::Dense(least, places), Keys::Wholes(values)) => {
                whole(values, &|value| if value < *least { None } else { places.get(place(*least, value)).copied() })
            }
            (Coded::Wholes(codes), Keys::Wholes(values)) => whole(values, &|value| codes.get(&value).copied()),
            (Coded::Texts(codes), Keys::Texts(values)) => {
                values.iter().map(|value| value.as_ref().and_then(|text| codes.get(text.as_ref()).copied()).unwrap_or(NOTHING)).collect()
            }
            (Coded::Dense(..) | Coded::Wholes(_), Keys::Texts(values)) => vec![NOTHING; values.len()],
            (Coded::Texts(_), Keys::Wholes(values)) => vec![NOTHING; values.len()],
        }
    }
}

fn place(least: i64, value: i64) -> usize {
    usize::try_from(value.abs_diff(least)).unwrap_or(usize::MAX)
}

/// A row of a table: ordered by when it happened, when it was written, and its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Laid {
    event: i64,
    created: i64,
    row: u32,
}

/// A table laid out by key, and within a key by when rows happened, when they were written, and their places in the table.
#[derive(Clone, Debug)]
pub struct Timeline {
    /// Where the rows of each code begin, and where the last one's end.
    starts: Vec<u32>,
    /// Together, so that a look at one row is a look at one place of memory.
    laid: Vec<Laid>,
    /// The least time of knowledge of each block of rows.
    blocks: Vec<i64>,
    rule: Rule,
}

impl Timeline {
    /// Lays a table out; rows without a key, or of which it is not known when they happened, are in no answer. `created` is when each row
    /// was written: where there is none, each was when it happened.
    ///
    /// # Errors
    /// When there are too many rows, or columns differ in length.
    pub fn new(codes: &Codes, events: &[Option<i64>], created: Option<&[Option<i64>]>, rule: Rule) -> Result<Timeline, NoJoin> {
        let of_rows = codes.rows();
        for many in std::iter::once(events.len()).chain(created.map(<[Option<i64>]>::len)) {
            if many != of_rows.len() {
                return Err(NoJoin::Lengths(of_rows.len(), many));
            }
        }
        let unknown = match rule {
            Rule::Strict => i64::MAX,
            Rule::Feast => i64::MIN,
        };
        let written = |row: usize, event: i64| match created {
            Some(created) => created.get(row).copied().flatten().unwrap_or(unknown),
            None => event,
        };
        // Counted first, so that each row goes to the place of its code at once.
        let mut starts = vec![0_u32; codes.many as usize + 1];
        let placed = || of_rows.iter().zip(events).enumerate().filter_map(|(row, (code, event))| Some((row, *code as usize, (*event)?)));
        for (_, code, _) in placed() {
            if let Some(many) = starts.get_mut(code + 1) {
                *many += 1;
            }
        }
        let mut before = 0;
        for start in &mut starts {
            *start += before;
            before = *start;
        }
        let total = starts.last().copied().unwrap_or(0) as usize;
        let mut laid = vec![Laid { event: 0, created: 0, row: 0 }; total];
        let mut ends = starts.clone();
        for (row, code, event) in placed().filter(|(_, code, _)| *code < codes.many as usize) {
            if let Some(end) = ends.get_mut(code)
                && let Some(slot) = laid.get_mut(*end as usize)
            {
                *slot = Laid { event, created: written(row, event), row: u32::try_from(row).unwrap_or(NOTHING) };
                *end += 1;
            }
        }
        for pair in starts.windows(2) {
            if let &[from, to] = pair
                && let Some(of_key) = laid.get_mut(from as usize..to as usize)
                && !of_key.is_sorted()
            {
                of_key.sort_unstable();
            }
        }
        let least = |block: &[Laid]| block.iter().map(|row| row.created).min().unwrap_or(i64::MAX);
        let blocks = laid.chunks(BLOCK).map(least).collect();
        Ok(Timeline { starts, laid, blocks, rule })
    }

    /// The row for a code at a time, [`NOTHING`] where there is none. With `ttl`, rows that happened longer ago are none; one of exactly
    /// that age is one.
    #[must_use]
    pub fn find(&self, code: u32, at: i64, ttl: Option<i64>) -> u32 {
        let bound = |at: usize| self.starts.get(at).map(|start| *start as usize);
        let (Some(from), Some(to)) = (bound(code as usize), bound((code as usize).saturating_add(1))) else { return NOTHING };
        let Some(of_key) = self.laid.get(from..to) else { return NOTHING };
        let end = from + of_key.partition_point(|row| row.event <= at);
        let first = ttl.map_or(i64::MIN, |ttl| at.saturating_sub(ttl));
        let found = match self.rule {
            Rule::Feast => end.checked_sub(1).filter(|last| *last >= from).and_then(|last| self.laid.get(last)),
            Rule::Strict => self.written_by(from, end, at, first),
        };
        found.filter(|row| row.event >= first).map_or(NOTHING, |row| row.row)
    }

    /// The last row from `from` up to `end` that was written by a time; `first` is when the oldest that matter happened.
    fn written_by(&self, from: usize, end: usize, at: i64, first: i64) -> Option<&Laid> {
        let mut next = end;
        while next > from {
            let last = next - 1;
            let row = self.laid.get(last)?;
            if row.created <= at {
                return Some(row);
            }
            if row.event < first {
                return None;
            }
            // A block in which nothing was written by then is passed over whole.
            let whole = next.is_multiple_of(BLOCK) && self.blocks.get(last / BLOCK).is_some_and(|least| *least > at);
            next = if whole { next - BLOCK } else { last };
        }
        None
    }

    /// [`Timeline::find`] for many rows.
    ///
    /// # Errors
    /// When there are not as many codes as times.
    pub fn find_all(&self, codes: &[u32], times: &[Option<i64>], ttl: Option<i64>) -> Result<Vec<u32>, NoJoin> {
        if codes.len() != times.len() {
            return Err(NoJoin::Lengths(codes.len(), times.len()));
        }
        let one = |(code, at): (&u32, &Option<i64>)| at.map_or(NOTHING, |at| self.find(*code, at, ttl));
        Ok(codes.iter().zip(times).map(one).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tidegate_stats::rng::Rng;

    fn joined(rule: Rule, ttl: Option<i64>) -> Vec<u32> {
        let keys: Keys = Keys::Wholes(vec![Some(7), Some(7), Some(7), Some(9), None, Some(7)]);
        let events = [Some(10), Some(20), Some(20), Some(5), Some(1), None];
        let created = [Some(11), Some(40), Some(22), None, Some(1), Some(1)];
        let codes = Codes::of(&[keys]).unwrap();
        let timeline = Timeline::new(&codes, &events, Some(&created), rule).unwrap();
        let rows = [
            (Some(7), 9),
            (Some(7), 10),
            (Some(7), 11),
            (Some(7), 21),
            (Some(7), 22),
            (Some(7), 45),
            (Some(9), 9),
            (None, 9),
            (Some(1), 9),
        ];
        let asked = codes.look(&[Keys::<&str>::Wholes(rows.iter().map(|row| row.0).collect())]).unwrap();
        timeline.find_all(&asked, &rows.map(|row| Some(row.1)), ttl).unwrap()
    }

    #[test]
    fn a_value_is_seen_once_it_is_written_and_feast_sees_it_before() {
        const NO: u32 = NOTHING;
        assert_eq!(joined(Rule::Strict, None), [NO, NO, 0, 0, 2, 1, NO, NO, NO]);
        assert_eq!(joined(Rule::Feast, None), [NO, 0, 0, 1, 1, 1, 3, NO, NO]);
        assert_eq!(joined(Rule::Feast, Some(4)), [NO, 0, 0, 1, 1, NO, 3, NO, NO], "exactly that old is young enough");
        assert_eq!(joined(Rule::Strict, Some(4)), [NO, NO, 0, NO, 2, NO, NO, NO, NO]);
    }

    #[test]
    fn columns_must_fit_one_another() {
        let codes = Codes::of(&[Keys::Wholes(vec![Some(1)]), Keys::Texts(vec![Some("a")])]).unwrap();
        assert_eq!(Timeline::new(&codes, &[], None, Rule::Strict).unwrap_err(), NoJoin::Lengths(1, 0));
        assert_eq!(codes.look(&[Keys::<&str>::Wholes(vec![Some(1)]), Keys::Texts(vec![])]).unwrap_err(), NoJoin::Lengths(1, 0));
        assert_eq!(codes.look(&[Keys::Texts(vec![Some("1")]), Keys::Texts(vec![Some("a")])]).unwrap(), [NOTHING], "a text is no number");
        assert!(Codes::of::<&str>(&[]).unwrap().rows().is_empty());
    }

    /// Two keys, when it happened, when it was written.
    type One = (Option<i64>, Option<&'static str>, Option<i64>, Option<i64>);

    /// Every row is looked at for every row.
    #[test]
    fn random_tables_are_joined_as_a_slow_loop_joins_them() {
        let mut rng = Rng::new(11);
        for round in 0..2_000 {
            let (many, spread) = (rng.below(if round % 10 == 0 { 400 } else { 30 }) as usize, [3_i64, 1 << 40][rng.below(2) as usize]);
            let texts = ["a", "b", "c"];
            let mut table = |rows: usize| -> Vec<One> {
                let mut one = || {
                    let event = 40 + rng.below(60) as i64;
                    let key = rng.chance(0.95).then(|| rng.below(3) as i64 * spread);
                    let text = rng.chance(0.95).then(|| texts[rng.below(3) as usize]);
                    let created = rng.chance(0.9).then(|| event + [0, 0, 1, 30, 80][rng.below(5) as usize]);
                    (key, text, rng.chance(0.95).then_some(event), created)
                };
                (0..rows).map(|_| one()).collect()
            };
            let (theirs, asked) = (table(many), table(40));
            let keys =
                |rows: &[One]| [Keys::Wholes(rows.iter().map(|row| row.0).collect()), Keys::Texts(rows.iter().map(|row| row.1).collect())];
            let codes = Codes::of(&keys(&theirs)).unwrap();
            let look = codes.look(&keys(&asked)).unwrap();
            let times: Vec<Option<i64>> = asked.iter().map(|row| row.2).collect();
            let events: Vec<Option<i64>> = theirs.iter().map(|row| row.2).collect();
            let created: Vec<Option<i64>> = theirs.iter().map(|row| row.3).collect();
            for (rule, ttl) in [(Rule::Strict, None), (Rule::Strict, Some(10)), (Rule::Feast, None), (Rule::Feast, Some(10))] {
                let found = Timeline::new(&codes, &events, Some(&created), rule).unwrap().find_all(&look, &times, ttl).unwrap();
                for (row, found) in asked.iter().zip(found) {
                    let seen = |(_, their): &(usize, &One)| {
                        let (Some(time), Some(event)) = (row.2, their.2) else { return false };
                        let same = row.0.is_some() && row.1.is_some() && (row.0, row.1) == (their.0, their.1);
                        let known = rule == Rule::Feast || their.3.is_some_and(|created| created <= time);
                        same && known && event <= time && ttl.is_none_or(|ttl| event >= time - ttl)
                    };
                    let newest = theirs.iter().enumerate().filter(seen).max_by_key(|(at, their)| (their.2, their.3, *at));
                    assert_eq!(found, newest.map_or(NOTHING, |(at, _)| at as u32), "{rule:?} {ttl:?} {row:?} {theirs:?}");
                }
            }
        }
    }
}
