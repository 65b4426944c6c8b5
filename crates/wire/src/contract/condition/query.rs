//! Queries: those that select rows of the checked table by one condition, `SELECT .. FROM {batch} WHERE ..`, and all others.

use super::lexer::{Lexer, Placed, Token};
use super::parser::Parser;
use super::whole::{CHECKED, whole};
use super::{CONDITION_BYTES_MAX, Spelling};
use tidegate_core::contract::{Condition, Nulls, Predicate, Query};

/// Words of queries that are more than one condition on rows.
const LARGER: &[&str] = &[
    "join",
    "group",
    "having",
    "union",
    "intersect",
    "except",
    "limit",
    "offset",
    "distinct",
    "window",
    "over",
    "exists",
    "fetch",
    "case",
    "cast",
    "extract",
    "interval",
];

/// Functions that make one row of all.
const AGGREGATES: &[&str] = &["count", "sum", "avg", "min", "max"];

/// Words that stand before a bracket and call nothing, and what conditions can call.
const NO_CALLS: &[&str] =
    &["and", "or", "not", "in", "where", "between", "abs", "length", "char_length", "len", "lower", "upper", "trim", "values"];

/// What a query comes to.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::contract) enum Written {
    /// It shows the rows that a condition selects.
    Rows(Condition),
    /// It counts them.
    Count(Condition),
    /// More than that: the engine runs it.
    Whole(Query),
}

/// Why a query is not one condition on rows.
enum Not {
    /// It is more than that.
    But,
    /// It is a mistake.
    Wrong(String),
}

/// What a query is, whose checked table stands in braces, or is called as one of `tables`.
pub(in crate::contract) fn query(text: &str, tables: &[&str]) -> Result<Written, String> {
    if text.len() > CONDITION_BYTES_MAX {
        return Err(format!("a query of {} bytes is too long: at most {CONDITION_BYTES_MAX} are read", text.len()));
    }
    match one_condition(text, tables) {
        Ok(written) => Ok(written),
        Err(Not::But) => whole(text, tables).map(Written::Whole),
        Err(Not::Wrong(why)) => Err(why),
    }
}

/// `SELECT .. FROM {batch} WHERE ..`: measured in the one scan.
fn one_condition(text: &str, tables: &[&str]) -> Result<Written, Not> {
    let wrong = |why: &str| Not::Wrong(why.to_owned());
    // What conditions cannot hold, a query may.
    let tokens = Lexer::new(text, Spelling::Sql).tokens();
    let Ok(tokens) = tokens else { return Err(if begins(text) { Not::But } else { wrong("a query begins with SELECT or WITH") }) };
    let word = |i: usize| match tokens.get(i) {
        Some((Token::Name(name, false), _)) => Some(name.to_ascii_lowercase()),
        _ => None,
    };
    if word(0).as_deref() != Some("select") {
        return Err(if begins(text) { Not::But } else { wrong("a query begins with SELECT or WITH") });
    }
    if (1..tokens.len()).filter_map(word).any(|w| w == "select" || LARGER.contains(&w.as_str())) {
        return Err(Not::But);
    }
    let from = (0..tokens.len()).find(|i| word(*i).as_deref() == Some("from")).ok_or_else(|| wrong("the query has no FROM"))?;
    let counts = counts_rows(tokens.get(1..from).unwrap_or_default()).ok_or(Not::But)?;
    let Some((Token::Name(table, _), _)) = tokens.get(from + 1) else { return Err(wrong("the query names no table after FROM")) };
    let filled = table.trim_matches(['{', '}']);
    let checked = tables.contains(&table.as_str()) || (CHECKED.contains(&filled) && table.starts_with('{'));
    if !checked {
        let why = format!("table `{table}` is refused: the checked table is `{{batch}}`, another dataset beside it `{{its-name}}`");
        return Err(Not::Wrong(why));
    }
    let mut next = from + 2;
    next += usize::from(word(next).as_deref() == Some("as"));
    let mut alias = table.as_str();
    if let Some((Token::Name(name, quoted), _)) = tokens.get(next)
        && (*quoted || !["where", "order"].contains(&name.to_ascii_lowercase().as_str()))
    {
        alias = name;
        next += 1;
    }
    // The order of rows changes nothing about how many there are.
    let end = (next..tokens.len()).find(|i| word(*i).as_deref() == Some("order")).unwrap_or(tokens.len());
    let predicate = match word(next).as_deref() {
        Some("where") => {
            let condition = tokens.get(next + 1..end).unwrap_or_default();
            let read = Parser::new(condition, Spelling::Sql, Some(alias)).whole();
            read.map_err(|why| if calls_more(condition) { Not::But } else { Not::Wrong(why) })?
        }
        None | Some("order") if next >= end || matches!(tokens.get(next), Some((Token::Sign(";"), _))) => Predicate::All(vec![]),
        _ if matches!(tokens.get(next), Some((Token::Sign(","), _))) => return Err(Not::But),
        _ => return Err(wrong("after the table, WHERE with a condition is expected")),
    };
    let condition = Condition { predicate, nulls: Nulls::Unknown, text: text.trim().to_owned() };
    Ok(if counts { Written::Count(condition) } else { Written::Rows(condition) })
}

fn begins(text: &str) -> bool {
    let first: String = text.trim_start().chars().take_while(|c| c.is_ascii_alphabetic()).collect();
    ["select", "with"].contains(&first.to_ascii_lowercase().as_str())
}

/// Whether a condition calls or joins what conditions on rows do not have.
fn calls_more(condition: &[Placed]) -> bool {
    condition.windows(2).any(|pair| match pair {
        [(Token::Name(name, false), _), (Token::Sign("("), _)] => !NO_CALLS.contains(&name.to_ascii_lowercase().as_str()),
        [(Token::Sign("||"), _), _] => true,
        _ => false,
    })
}

/// Whether what is selected is `COUNT(*)`; none where it is another aggregate. Columns do not matter.
fn counts_rows(selected: &[Placed]) -> Option<bool> {
    let called = |pair: &[Placed]| match pair {
        [(Token::Name(name, false), _), (Token::Sign("("), _)] => AGGREGATES.contains(&name.to_ascii_lowercase().as_str()),
        _ => false,
    };
    if !selected.windows(2).any(called) {
        return Some(false);
    }
    match selected {
        [(Token::Name(name, false), _), (Token::Sign("("), _), (Token::Sign("*"), _), (Token::Sign(")"), _), alias @ ..]
            if name.eq_ignore_ascii_case("count") && alias.len() <= 2 && alias.iter().all(|(t, _)| matches!(t, Token::Name(..))) =>
        {
            Some(true)
        }
        _ => None,
    }
}
