//! Conditions on rows as text: SQL, pandas queries, the old `col("x") > 1`, and the objects of suites.
//!
//! What has a meaning in `core::contract::Condition` is read; everything else is refused by its name, with the
//! place in the text. Not here: evaluating them.

mod lexer;
mod parser;
mod query;
#[cfg(test)]
mod tests;
mod whole;

pub(super) use query::{Written, query};

use lexer::Lexer;
use parser::Parser;
use serde_json::{Map, Value as Json};
use tidegate_core::contract::{Comparison, Condition, Nulls, Predicate, RowCondition, Term, Value};

/// Longest text of a condition, in bytes.
const CONDITION_BYTES_MAX: usize = 100_000;

/// How a condition is spelled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Spelling {
    /// As in the `WHERE` of a query: `a > 1 AND b IS NOT NULL`.
    Sql,
    /// As `DataFrame.query` takes it: `a > 1 and not b.isnull()`.
    Pandas,
    /// As suites before 1.0 have it: `col("a") > 1`.
    Old,
}

/// A condition written in SQL, as our own contracts have it.
pub(super) fn sql(text: &str) -> Result<Condition, String> {
    condition(text, Spelling::Sql, None)
}

/// A condition in one spelling; columns may stand behind the name `table`.
pub(super) fn condition(text: &str, spelling: Spelling, table: Option<&str>) -> Result<Condition, String> {
    if text.len() > CONDITION_BYTES_MAX {
        return Err(format!("a condition of {} bytes is too long: at most {CONDITION_BYTES_MAX} are read", text.len()));
    }
    let tokens = Lexer::new(text, spelling).tokens()?;
    let predicate = Parser::new(&tokens, spelling, table).whole()?;
    let nulls = if spelling == Spelling::Sql { Nulls::Unknown } else { Nulls::False };
    Ok(Condition { predicate, nulls, text: text.trim().to_owned() })
}

/// The `row_condition` of a suite, in any of its forms; `parser` is its `condition_parser`.
pub(super) fn row_condition(written: &Json, parser: Option<&str>) -> Result<RowCondition, String> {
    let condition = match written {
        Json::String(text) if parser == Some("pandas") => condition(text, Spelling::Pandas, None)?,
        Json::String(text) if text.contains("col(") => condition(text, Spelling::Old, None)?,
        Json::String(_) if parser == Some("spark") => {
            return Err("`row_condition` for Spark is refused: write it for pandas, or as `col(\"x\") > 1`".to_owned());
        }
        Json::String(text) => condition(text, Spelling::Pandas, None)?,
        Json::Object(map) => {
            let mut text = String::new();
            let predicate = object(map, &mut text)?;
            Condition { predicate, nulls: Nulls::False, text }
        }
        _ => return Err("`row_condition` is neither a text nor a mapping".to_owned()),
    };
    Ok(RowCondition { condition, written: written.clone(), parser: parser.map(str::to_owned) })
}

fn object(map: &Map<String, Json>, text: &mut String) -> Result<Predicate, String> {
    let column = || {
        let name = map.get("column").and_then(|c| c.get("name").or(Some(c))).and_then(Json::as_str);
        name.map(str::to_owned).ok_or_else(|| "a condition of `row_condition` names no column".to_owned())
    };
    match map.get("type").and_then(Json::as_str) {
        Some("comparison") => comparison(map, column()?, text),
        Some("nullity") => {
            let (column, null) = (column()?, map.get("is_null").and_then(Json::as_bool).unwrap_or(true));
            text.push_str(&format!("{column} IS {}NULL", if null { "" } else { "NOT " }));
            Ok(Predicate::IsNull(Term::Column(column), !null))
        }
        Some(kind @ ("and" | "or")) => {
            let parts = map.get("conditions").and_then(Json::as_array).ok_or("`row_condition` joins no `conditions`")?;
            let mut all = Vec::with_capacity(parts.len());
            text.push('(');
            for (i, part) in parts.iter().enumerate() {
                if i > 0 {
                    text.push_str(if kind == "and" { " AND " } else { " OR " });
                }
                all.push(object(part.as_object().ok_or("a part of `row_condition` is no mapping")?, text)?);
            }
            text.push(')');
            Ok(if kind == "and" { Predicate::All(all) } else { Predicate::Any(all) })
        }
        Some("pass_through") => {
            let filter = map.get("pass_through_filter").and_then(Json::as_str).ok_or("`row_condition` has no `pass_through_filter`")?;
            let read = condition(filter, Spelling::Pandas, None)?;
            text.push_str(&read.text);
            Ok(read.predicate)
        }
        Some(other) => Err(format!("`row_condition` of type `{other}` is refused: use comparison, nullity, and, or")),
        None => Err("`row_condition` has no `type`".to_owned()),
    }
}

fn comparison(map: &Map<String, Json>, column: String, text: &mut String) -> Result<Predicate, String> {
    let operator = map.get("operator").and_then(Json::as_str).unwrap_or_default();
    let parameter = map.get("parameter").unwrap_or(&Json::Null);
    text.push_str(&format!("{column} {operator} {parameter}"));
    let term = Term::Column(column);
    let how = match operator {
        "==" => Comparison::Equal,
        "!=" => Comparison::NotEqual,
        "<" => Comparison::Less,
        "<=" => Comparison::LessOrEqual,
        ">" => Comparison::Greater,
        ">=" => Comparison::GreaterOrEqual,
        "IN" | "NOT_IN" => {
            let items = parameter.as_array().ok_or("`parameter` of IN is not a list")?;
            let values: Option<Vec<Value>> = items.iter().map(super::kwargs::value).collect();
            return Ok(Predicate::In(term, values.ok_or("`parameter` of IN holds lists or mappings")?, operator == "NOT_IN"));
        }
        other => return Err(format!("operator `{other}` of `row_condition` is refused: use ==, !=, <, <=, >, >=, IN, NOT_IN")),
    };
    match super::kwargs::value(parameter) {
        Some(Value::Null) | None => Err("`parameter` of a comparison is no value: use nullity for nulls".to_owned()),
        Some(value) => Ok(Predicate::Compare(term, how, Term::Value(value))),
    }
}
