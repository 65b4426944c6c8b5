//! A rule by its suite name and arguments.

use super::args::Args;
use super::condition::{self, Written, sql};
use super::names::{SUITE_NAMES, near};
use serde_json::{Map, Value as Json};
use tidegate_core::contract::{
    Compatibility, Condition, Kind, Nulls, OutlierMethod, Predicate, Quantile, RowCondition, SetRelation, Statistic, Value,
};

/// A mistake in an argument: its name (empty for the rule itself) and a sentence.
pub(super) type Wrong = (String, String);

/// A rule with what stands beside its kind.
pub(super) struct Rule {
    pub kind: Kind,
    pub mostly: f64,
    pub row_condition: Option<RowCondition>,
}

/// Reads a rule.
pub(super) fn rule(name: &str, map: &Map<String, Json>) -> Result<Rule, Vec<Wrong>> {
    let mut args = Args { map, asked: Vec::new(), wrong: Vec::new() };
    let kind = table_rule(name, &mut args)
        .or_else(|| values_rule(name, &mut args))
        .or_else(|| column_rule(name, &mut args))
        .or_else(|| several_columns_rule(name, &mut args));
    let Some(kind) = kind else {
        let known = near(name, SUITE_NAMES.iter().copied());
        return Err(vec![(String::new(), format!("rule `{name}` is not understood{known}"))]);
    };
    let mostly = args.mostly(&kind);
    let row_condition = args.row_condition(&kind);
    args.unknown(name);
    if args.wrong.is_empty() { Ok(Rule { kind, mostly, row_condition }) } else { Err(args.wrong) }
}

fn table_rule(name: &str, args: &mut Args<'_>) -> Option<Kind> {
    Some(match name {
        "expect_table_row_count_to_be_between" => Kind::RowCount { bounds: args.bounds() },
        "expect_table_row_count_to_equal" => Kind::RowCount { bounds: args.equal() },
        "expect_table_row_count_to_equal_other_table" => Kind::SameRowCount { dataset: args.text("other_table_name") },
        "expect_table_column_count_to_be_between" => Kind::ColumnCount { bounds: args.bounds() },
        "expect_table_column_count_to_equal" => Kind::ColumnCount { bounds: args.equal() },
        "expect_table_columns_to_match_set" => {
            Kind::ColumnsMatchSet { columns: args.texts("column_set"), exact: args.flag("exact_match", true) }
        }
        "expect_table_columns_to_match_ordered_list" => Kind::ColumnsMatchOrderedList { columns: args.texts("column_list") },
        "expect_table_to_be_fresh" => {
            let column = args.get("column").is_some().then(|| args.text("column"));
            Kind::Freshness { column, within_ms: args.duration("within") }
        }
        "expect_table_volume_to_be_usual" => {
            let checks = args.number("checks", Some(1.0));
            let share = |args: &mut Args<'_>, name| args.get(name).is_some().then(|| args.number(name, None));
            if checks.fract() != 0.0 || !(1.0..=1e6).contains(&checks) {
                args.wrong("checks", "`checks` is not a whole number from 1");
            }
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "within range, as was just tested")]
            let checks = checks as u32;
            Kind::Volume { checks, max_loss: share(args, "max_loss"), max_growth: share(args, "max_growth") }
        }
        "expect_table_schema_to_be_compatible" => {
            let compatibility = match args.text("compatibility").as_str() {
                "backward" => Compatibility::Backward,
                "forward" => Compatibility::Forward,
                "full" | "" => Compatibility::Full,
                other => {
                    args.wrong("compatibility", format!("`{other}` is none of backward, forward, full"));
                    Compatibility::Full
                }
            };
            let optional = if args.get("optional").is_some() { args.texts("optional") } else { vec![] };
            Kind::SchemaCompatible { compatibility, optional }
        }
        "unexpected_rows_expectation" => {
            let text = args.text("unexpected_rows_query");
            args.query("unexpected_rows_query", &text)
        }
        "expect_rows_to_satisfy" => {
            let text = args.text("condition");
            Kind::Satisfies { condition: args.condition("condition", &text) }
        }
        _ => return None,
    })
}

/// Rules on the values of one column, row by row.
fn values_rule(name: &str, args: &mut Args<'_>) -> Option<Kind> {
    let rest = name.strip_prefix("expect_column_value")?;
    if !SUITE_NAMES.contains(&name) {
        return None;
    }
    let column = args.text("column");
    // "to_not_.." turns a rule round.
    let negate = rest.contains("_not_");
    Some(match rest {
        "s_to_not_be_null" => Kind::NotNull { column },
        "s_to_be_null" => Kind::Null { column },
        "s_to_be_unique" => Kind::Unique { column },
        "s_to_be_of_type" => Kind::OfType { column, types: vec![args.text("type_")], list: false },
        "s_to_be_in_type_list" => Kind::OfType { column, types: args.texts("type_list"), list: true },
        "s_to_be_between" => Kind::Between { column, bounds: args.bounds() },
        "s_to_be_in_set" | "s_to_not_be_in_set" => Kind::InSet { column, values: args.values("value_set"), negate },
        "s_to_match_regex" | "s_to_not_match_regex" => Kind::MatchRegex { column, regex: args.text("regex"), negate },
        "s_to_match_regex_list" => Kind::MatchRegexList { column, regexes: args.texts("regex_list"), match_on: args.match_on(), negate },
        "s_to_not_match_regex_list" => {
            Kind::MatchRegexList { column, regexes: args.texts("regex_list"), match_on: Default::default(), negate }
        }
        "s_to_match_like_pattern" | "s_to_not_match_like_pattern" => {
            let (patterns, escape) = (vec![args.text("like_pattern")], args.escape());
            Kind::MatchLike { column, patterns, match_on: Default::default(), negate, list: false, escape }
        }
        "s_to_match_like_pattern_list" => {
            let (patterns, match_on) = (args.texts("like_pattern_list"), args.match_on());
            Kind::MatchLike { column, patterns, match_on, negate, list: true, escape: None }
        }
        "s_to_not_match_like_pattern_list" => {
            let patterns = args.texts("like_pattern_list");
            Kind::MatchLike { column, patterns, match_on: Default::default(), negate, list: true, escape: None }
        }
        "s_to_match_strftime_format" => Kind::MatchStrftime { column, format: args.text("strftime_format") },
        "s_to_not_be_outliers" => {
            let method = match args.get("method").map(|m| m.as_str().unwrap_or_default()) {
                None | Some("iqr") => OutlierMethod::Iqr,
                Some("std") => OutlierMethod::Std,
                Some(_) => {
                    args.wrong("method", "`method` is neither iqr nor std");
                    OutlierMethod::Iqr
                }
            };
            Kind::NotOutliers { column, method, multiplier: args.number("multiplier", Some(1.5)) }
        }
        "_z_scores_to_be_less_than" => {
            Kind::ZScores { column, threshold: args.number("threshold", None), double_sided: args.flag("double_sided", true) }
        }
        "_lengths_to_be_between" => Kind::LengthBetween { column, bounds: args.bounds() },
        "_lengths_to_equal" => Kind::LengthBetween { column, bounds: args.equal() },
        _ => return None,
    })
}

/// Rules on one column as a whole.
fn column_rule(name: &str, args: &mut Args<'_>) -> Option<Kind> {
    if let Some(statistic) = STATISTICS.into_iter().find(|s| s.expectation_name() == name) {
        return Some(Kind::Aggregate { column: args.text("column"), statistic, bounds: args.bounds() });
    }
    let relations = [SetRelation::In, SetRelation::Contain, SetRelation::Equal];
    if let Some(relation) = relations.into_iter().find(|r| r.expectation_name() == name) {
        return Some(Kind::DistinctValues { column: args.text("column"), values: args.values("value_set"), relation });
    }
    Some(match name {
        "expect_column_to_exist" => Kind::ColumnExists { column: args.text("column"), index: args.index("column_index") },
        "expect_column_quantile_values_to_be_between" => Kind::Quantiles { column: args.text("column"), quantiles: args.quantiles() },
        "expect_column_most_common_value_to_be_in_set" => {
            Kind::MostCommon { column: args.text("column"), values: args.values("value_set"), ties_okay: args.flag("ties_okay", false) }
        }
        "expect_column_kl_divergence_to_be_less_than" => Kind::KlDivergence { column: args.text("column"), expected: args.distribution() },
        _ => return None,
    })
}

/// Rules on several columns of a row, and on rows of several datasets.
fn several_columns_rule(name: &str, args: &mut Args<'_>) -> Option<Kind> {
    let pair = |args: &mut Args<'_>| (args.text("column_A"), args.text("column_B"), args.ignore_pair());
    Some(match name {
        "expect_column_pair_values_to_be_equal" => {
            let (a, b, ignore_row_if) = pair(args);
            Kind::PairEqual { a, b, ignore_row_if }
        }
        "expect_column_pair_values_a_to_be_greater_than_b" => {
            let (a, b, ignore_row_if) = pair(args);
            Kind::PairGreater { a, b, or_equal: args.flag("or_equal", false), ignore_row_if }
        }
        "expect_column_pair_values_to_be_in_set" => {
            let (a, b, ignore_row_if) = pair(args);
            Kind::PairInSet { a, b, pairs: args.pairs("value_pairs_set"), ignore_row_if }
        }
        "expect_compound_columns_to_be_unique" => {
            Kind::CompoundUnique { columns: args.texts("column_list"), ignore_row_if: args.ignore_row() }
        }
        "expect_select_column_values_to_be_unique_within_record" => {
            Kind::UniqueWithinRecord { columns: args.texts("column_list"), ignore_row_if: args.ignore_row() }
        }
        "expect_multicolumn_values_to_be_equal" => {
            Kind::ColumnsEqual { columns: args.texts("column_list"), ignore_row_if: args.ignore_row() }
        }
        "expect_multicolumn_sum_to_equal" => {
            Kind::SumEquals { columns: args.texts("column_list"), total: args.number("sum_total", None), ignore_row_if: args.ignore_row() }
        }
        "expect_values_to_be_in_dataset" => {
            let one = args.get("column").is_some();
            let columns = if one { vec![args.text("column")] } else { args.texts("column_list") };
            let to = match args.get("to") {
                None => columns.clone(),
                Some(Json::String(column)) => vec![column.clone()],
                Some(_) => args.texts("to"),
            };
            Kind::References { columns, dataset: args.text("dataset"), to }
        }
        _ => return None,
    })
}

const STATISTICS: [Statistic; 9] = [
    Statistic::Mean,
    Statistic::Stdev,
    Statistic::Min,
    Statistic::Max,
    Statistic::Sum,
    Statistic::Median,
    Statistic::UniqueValueCount,
    Statistic::UniqueValueProportion,
    Statistic::NonNullProportion,
];

impl Args<'_> {
    fn condition(&mut self, name: &str, text: &str) -> Condition {
        sql(text).unwrap_or_else(|why| {
            self.wrong(name, why);
            nothing()
        })
    }

    /// A query that is to find no row.
    fn query(&mut self, name: &str, text: &str) -> Kind {
        let refused = match condition::query(text, &[]) {
            Ok(Written::Rows(condition)) => return Kind::NoRowsFound { query: text.to_owned(), condition },
            Ok(Written::Whole(query)) => return Kind::QueryFindsNone { query },
            Ok(Written::Count(_)) => "COUNT(*) always gives one row: select the rows themselves".to_owned(),
            Err(why) => why,
        };
        self.wrong(name, refused);
        Kind::NoRowsFound { query: text.to_owned(), condition: nothing() }
    }

    fn escape(&mut self) -> Option<char> {
        let given = self.get("escape")?;
        let mut chars = given.as_str().unwrap_or_default().chars();
        match (chars.next(), chars.next()) {
            (Some(only), None) => Some(only),
            _ => {
                self.wrong("escape", "`escape` is not one character");
                None
            }
        }
    }
}

fn nothing() -> Condition {
    Condition { predicate: Predicate::All(vec![]), nulls: Nulls::Unknown, text: String::new() }
}

/// A JSON value as a contract's value.
pub(super) fn value(json: &Json) -> Option<Value> {
    Some(match json {
        Json::Null => Value::Null,
        Json::Bool(b) => Value::Bool(*b),
        Json::Number(n) => match n.as_i64() {
            Some(whole) => Value::Int(whole),
            None => Value::Float(n.as_f64()?),
        },
        Json::String(text) => Value::Text(text.clone()),
        Json::Array(_) | Json::Object(_) => return None,
    })
}

/// One quantile's range.
pub(super) fn quantile(q: f64, range: &Json) -> Option<Quantile> {
    match range.as_array()?.as_slice() {
        [min, max] if [min, max].iter().all(|v| v.is_null() || v.is_number()) => Some(Quantile { q, min: min.as_f64(), max: max.as_f64() }),
        _ => None,
    }
}

/// `7d`, `1h30m`, `500ms` in milliseconds.
pub(super) fn duration_ms(text: &str) -> Option<u64> {
    let mut rest = text;
    let mut total: u64 = 0;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit())?;
        let (number, tail) = rest.split_at(digits);
        let letters = tail.find(|c: char| c.is_ascii_digit()).unwrap_or(tail.len());
        let (unit, after) = tail.split_at(letters);
        let each: u64 = match unit {
            "w" => 604_800_000,
            "d" => 86_400_000,
            "h" => 3_600_000,
            "m" => 60_000,
            "s" => 1_000,
            "ms" => 1,
            _ => return None,
        };
        total = total.checked_add(number.parse::<u64>().ok()?.checked_mul(each)?)?;
        rest = after;
    }
    (!text.is_empty()).then_some(total)
}
