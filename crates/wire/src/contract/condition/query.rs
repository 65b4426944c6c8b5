//! Queries that select rows of the checked table: `SELECT .. FROM {batch} WHERE ..`.

use super::lexer::{Lexer, Placed, Token};
use super::parser::Parser;
use super::{CONDITION_BYTES_MAX, Spelling};
use tidegate_core::contract::{Condition, Nulls, Predicate};

/// Clauses that make another table of what is selected.
const REFUSED: &[&str] = &[
    "join",
    "group",
    "having",
    "union",
    "intersect",
    "except",
    "limit",
    "offset",
    "distinct",
    "with",
    "window",
    "over",
    "exists",
    "fetch",
];

/// Functions that make one row of all.
const AGGREGATES: &[&str] = &["count", "sum", "avg", "min", "max"];

/// What a query selects rows by, in terms of the checked table alone, which may also be called as one of `tables`;
/// and whether it counts the rows (`SELECT COUNT(*)`) instead of showing them.
pub(in crate::contract) fn rows_query(text: &str, tables: &[&str]) -> Result<(Condition, bool), String> {
    if text.len() > CONDITION_BYTES_MAX {
        return Err(format!("a query of {} bytes is too long: at most {CONDITION_BYTES_MAX} are read", text.len()));
    }
    let tokens = Lexer::new(text, Spelling::Sql).tokens()?;
    let word = |i: usize| match tokens.get(i) {
        Some((Token::Name(name, false), _)) => Some(name.to_ascii_lowercase()),
        _ => None,
    };
    if word(0).as_deref() != Some("select") {
        return Err("a query begins with SELECT".to_owned());
    }
    if let Some(clause) = (0..tokens.len()).filter_map(word).find(|w| REFUSED.contains(&w.as_str())) {
        return Err(format!(
            "`{}` in a query is refused: `SELECT .. FROM {{batch}} WHERE ..` is understood, with one condition on rows",
            clause.to_uppercase()
        ));
    }
    if (1..tokens.len()).filter_map(word).any(|w| w == "select") {
        return Err("a query within the query is refused: `SELECT .. FROM {batch} WHERE ..` is understood".to_owned());
    }
    let from = (0..tokens.len()).find(|i| word(*i).as_deref() == Some("from")).ok_or("the query has no FROM")?;
    let counts = counts_rows(tokens.get(1..from).unwrap_or_default())?;
    let Some((Token::Name(table, _), _)) = tokens.get(from + 1) else { return Err("the query names no table after FROM".to_owned()) };
    let filled = ["{batch}", "{object}", "{table}"].contains(&table.as_str());
    if !filled && !tables.contains(&table.as_str()) {
        return Err(format!("table `{table}` is refused: a query reads the checked table alone, as `{{batch}}`"));
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
        Some("where") => Parser::new(tokens.get(next + 1..end).unwrap_or_default(), Spelling::Sql, Some(alias)).whole()?,
        None | Some("order") if next >= end || matches!(tokens.get(next), Some((Token::Sign(";"), _))) => Predicate::All(vec![]),
        _ => return Err("after the table, WHERE with a condition is expected".to_owned()),
    };
    Ok((Condition { predicate, nulls: Nulls::Unknown, text: text.trim().to_owned() }, counts))
}

/// Whether what is selected is `COUNT(*)`; other aggregates are refused, columns do not matter.
fn counts_rows(selected: &[Placed]) -> Result<bool, String> {
    let called = |pair: &[Placed]| match pair {
        [(Token::Name(name, false), _), (Token::Sign("("), _)] => AGGREGATES.contains(&name.to_ascii_lowercase().as_str()),
        _ => false,
    };
    if !selected.windows(2).any(called) {
        return Ok(false);
    }
    match selected {
        [(Token::Name(name, false), _), (Token::Sign("("), _), (Token::Sign("*"), _), (Token::Sign(")"), _), ..]
            if name.eq_ignore_ascii_case("count") =>
        {
            Ok(true)
        }
        _ => Err("aggregates in a query are refused, but for COUNT(*) alone".to_owned()),
    }
}
