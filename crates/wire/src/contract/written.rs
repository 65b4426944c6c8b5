//! A rule's arguments as a suite writes them: the other way round of `kwargs`.

use serde_json::{Map, Value as Json, json};
use tidegate_core::contract::{Bounds, Expectation, Expected, IgnorePair, IgnoreRow, Kind, MatchOn, Partition};

/// All arguments of an expectation.
pub(super) fn arguments(e: &Expectation) -> Map<String, Json> {
    let mut map = Map::new();
    of_kind(&e.kind, &mut map);
    if e.mostly < 1.0 {
        map.insert("mostly".to_owned(), json!(e.mostly));
    }
    if let Some(condition) = &e.row_condition {
        map.insert("row_condition".to_owned(), condition.written.clone());
        if let Some(parser) = &condition.parser {
            map.insert("condition_parser".to_owned(), json!(parser));
        }
    }
    map
}

fn set(map: &mut Map<String, Json>, pairs: &[(&str, Json)]) {
    map.extend(pairs.iter().map(|(k, v)| ((*k).to_owned(), v.clone())));
}

fn bounds_into(map: &mut Map<String, Json>, bounds: &Bounds) {
    set(map, &[("min_value", json!(bounds.min)), ("max_value", json!(bounds.max))]);
    for (name, flag) in [("strict_min", bounds.strict_min), ("strict_max", bounds.strict_max)] {
        if flag {
            map.insert(name.to_owned(), Json::Bool(true));
        }
    }
}

fn ignore_row(map: &mut Map<String, Json>, ignore: IgnoreRow) {
    if ignore != IgnoreRow::default() {
        set(map, &[("ignore_row_if", json!(ignore))]);
    }
}

fn pair(map: &mut Map<String, Json>, a: &str, b: &str, ignore: IgnorePair) {
    set(map, &[("column_A", json!(a)), ("column_B", json!(b))]);
    if ignore != IgnorePair::default() {
        set(map, &[("ignore_row_if", json!(ignore))]);
    }
}

fn match_on(map: &mut Map<String, Json>, on: MatchOn) {
    if on != MatchOn::default() {
        set(map, &[("match_on", json!(on))]);
    }
}

fn expected_into(map: &mut Map<String, Json>, expected: &Expected) {
    let edge = |x: &f64| if x.is_finite() { json!(x) } else { json!(x.to_string()) };
    let partition = match &expected.partition {
        Partition::Categories(all) => {
            let (values, weights): (Vec<_>, Vec<_>) = all.iter().cloned().unzip();
            json!({ "values": values, "weights": weights })
        }
        Partition::Bins { edges, weights, tails } => {
            let mut bins = json!({ "bins": edges.iter().map(edge).collect::<Vec<_>>(), "weights": weights });
            if let (Some((low, high)), Some(map)) = (tails, bins.as_object_mut()) {
                map.insert("tail_weights".to_owned(), json!([low, high]));
            }
            bins
        }
    };
    set(map, &[("partition_object", partition), ("threshold", json!(expected.threshold))]);
    for (name, held) in
        [("tail_weight_holdout", expected.tail_weight_holdout), ("internal_weight_holdout", expected.internal_weight_holdout)]
    {
        if held > 0.0 {
            set(map, &[(name, json!(held))]);
        }
    }
}

fn of_kind(kind: &Kind, map: &mut Map<String, Json>) {
    if let [column] = kind.columns().as_slice()
        && !matches!(kind, Kind::Satisfies { .. } | Kind::NoRowsFound { .. } | Kind::References { .. } | Kind::UnexpectedCount { .. })
    {
        map.insert("column".to_owned(), json!(column));
    }
    match kind {
        Kind::RowCount { bounds }
        | Kind::ColumnCount { bounds }
        | Kind::Between { bounds, .. }
        | Kind::LengthBetween { bounds, .. }
        | Kind::Aggregate { bounds, .. } => bounds_into(map, bounds),
        Kind::ColumnExists { index, .. } => map.extend(index.iter().map(|i| ("column_index".to_owned(), json!(i)))),
        Kind::ColumnsMatchSet { columns, exact } => set(map, &[("column_set", json!(columns)), ("exact_match", json!(exact))]),
        Kind::ColumnsMatchOrderedList { columns } => set(map, &[("column_list", json!(columns))]),
        Kind::NotNull { .. } | Kind::Null { .. } | Kind::Unique { .. } => {}
        Kind::OfType { types, list: true, .. } => set(map, &[("type_list", json!(types))]),
        Kind::OfType { types, list: false, .. } => set(map, &[("type_", json!(types.first()))]),
        Kind::InSet { values, .. } | Kind::DistinctValues { values, .. } => set(map, &[("value_set", json!(values))]),
        Kind::MatchRegex { regex, .. } => set(map, &[("regex", json!(regex))]),
        Kind::MatchRegexList { regexes, match_on: on, .. } => {
            set(map, &[("regex_list", json!(regexes))]);
            match_on(map, *on);
        }
        Kind::MatchLike { patterns, list, match_on: on, escape, .. } => {
            if *list {
                set(map, &[("like_pattern_list", json!(patterns))]);
                match_on(map, *on);
            } else {
                set(map, &[("like_pattern", json!(patterns.first()))]);
            }
            map.extend(escape.iter().map(|c| ("escape".to_owned(), json!(c))));
        }
        Kind::MatchStrftime { format, .. } => set(map, &[("strftime_format", json!(format))]),
        Kind::ZScores { threshold, double_sided, .. } => {
            set(map, &[("threshold", json!(threshold)), ("double_sided", json!(double_sided))]);
        }
        Kind::NotOutliers { method, multiplier, .. } => set(map, &[("method", json!(method)), ("multiplier", json!(multiplier))]),
        Kind::Quantiles { quantiles, .. } => {
            let (qs, ranges): (Vec<_>, Vec<_>) = quantiles.iter().map(|q| (q.q, (q.min, q.max))).unzip();
            set(map, &[("quantile_ranges", json!({ "quantiles": qs, "value_ranges": ranges }))]);
        }
        Kind::MostCommon { values, ties_okay, .. } => set(map, &[("value_set", json!(values)), ("ties_okay", json!(ties_okay))]),
        Kind::KlDivergence { expected, .. } => expected_into(map, expected),
        _ => of_several(kind, map),
    }
}

/// Rules on several columns, on the whole table, and ours.
fn of_several(kind: &Kind, map: &mut Map<String, Json>) {
    match kind {
        Kind::PairEqual { a, b, ignore_row_if } => pair(map, a, b, *ignore_row_if),
        Kind::PairGreater { a, b, or_equal, ignore_row_if } => {
            pair(map, a, b, *ignore_row_if);
            set(map, &[("or_equal", json!(or_equal))]);
        }
        Kind::PairInSet { a, b, pairs, ignore_row_if } => {
            pair(map, a, b, *ignore_row_if);
            set(map, &[("value_pairs_set", json!(pairs))]);
        }
        Kind::CompoundUnique { columns, ignore_row_if }
        | Kind::UniqueWithinRecord { columns, ignore_row_if }
        | Kind::ColumnsEqual { columns, ignore_row_if } => {
            map.shift_remove("column");
            set(map, &[("column_list", json!(columns))]);
            ignore_row(map, *ignore_row_if);
        }
        Kind::SumEquals { columns, total, ignore_row_if } => {
            map.shift_remove("column");
            set(map, &[("column_list", json!(columns)), ("sum_total", json!(total))]);
            ignore_row(map, *ignore_row_if);
        }
        Kind::Satisfies { condition } => set(map, &[("condition", json!(condition.text))]),
        Kind::NoRowsFound { query, .. } => set(map, &[("unexpected_rows_query", json!(query))]),
        Kind::QueryFindsNone { query } => set(map, &[("unexpected_rows_query", json!(query.text))]),
        Kind::QueryNumber { query, bounds, outside } => {
            set(map, &[("query", json!(query.text)), ("outside", json!(outside))]);
            bounds_into(map, bounds);
        }
        Kind::References { columns, dataset, to } => {
            set(map, &[("column_list", json!(columns)), ("dataset", json!(dataset)), ("to", json!(to))]);
        }
        Kind::SameRowCount { dataset } => set(map, &[("other_table_name", json!(dataset))]),
        Kind::Volume { checks, max_loss, max_growth } => {
            set(map, &[("checks", json!(checks)), ("max_loss", json!(max_loss)), ("max_growth", json!(max_growth))]);
        }
        Kind::SchemaCompatible { compatibility, optional } => {
            set(map, &[("compatibility", json!(compatibility)), ("optional", json!(optional))]);
        }
        Kind::UnexpectedCount { rule, bounds, outside, percent } => {
            let mut inner = Map::new();
            of_kind(rule, &mut inner);
            set(map, &[("rule", json!({ "type": rule.name(), "kwargs": inner }))]);
            bounds_into(map, bounds);
            set(map, &[("outside", json!(outside)), ("percent", json!(percent))]);
        }
        Kind::Freshness { column, within_ms } => {
            set(map, &[("column", json!(column)), ("within", json!(format!("{within_ms}ms")))]);
        }
        // The rest is told by `of_kind`.
        _ => {}
    }
}
