//! What is told of a rule by its kind alone: its name, its columns, what is wrong with it.

use super::kind::{Kind, Quantile, SetRelation, Statistic};

impl Kind {
    /// Name as users of Great Expectations know it; ours where it has none.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Kind::RowCount { .. } => "expect_table_row_count_to_be_between",
            Kind::ColumnCount { .. } => "expect_table_column_count_to_be_between",
            Kind::ColumnExists { .. } => "expect_column_to_exist",
            Kind::ColumnsMatchSet { .. } => "expect_table_columns_to_match_set",
            Kind::ColumnsMatchOrderedList { .. } => "expect_table_columns_to_match_ordered_list",
            Kind::NotNull { .. } => "expect_column_values_to_not_be_null",
            Kind::Null { .. } => "expect_column_values_to_be_null",
            Kind::Unique { .. } => "expect_column_values_to_be_unique",
            Kind::OfType { list: false, .. } => "expect_column_values_to_be_of_type",
            Kind::OfType { list: true, .. } => "expect_column_values_to_be_in_type_list",
            Kind::Between { .. } => "expect_column_values_to_be_between",
            Kind::InSet { negate: false, .. } => "expect_column_values_to_be_in_set",
            Kind::InSet { negate: true, .. } => "expect_column_values_to_not_be_in_set",
            Kind::MatchRegex { negate: false, .. } => "expect_column_values_to_match_regex",
            Kind::MatchRegex { negate: true, .. } => "expect_column_values_to_not_match_regex",
            Kind::MatchRegexList { negate: false, .. } => "expect_column_values_to_match_regex_list",
            Kind::MatchRegexList { negate: true, .. } => "expect_column_values_to_not_match_regex_list",
            Kind::MatchLike { negate: false, list: false, .. } => "expect_column_values_to_match_like_pattern",
            Kind::MatchLike { negate: true, list: false, .. } => "expect_column_values_to_not_match_like_pattern",
            Kind::MatchLike { negate: false, list: true, .. } => "expect_column_values_to_match_like_pattern_list",
            Kind::MatchLike { negate: true, list: true, .. } => "expect_column_values_to_not_match_like_pattern_list",
            Kind::MatchStrftime { .. } => "expect_column_values_to_match_strftime_format",
            Kind::ZScores { .. } => "expect_column_value_z_scores_to_be_less_than",
            Kind::NotOutliers { .. } => "expect_column_values_to_not_be_outliers",
            Kind::LengthBetween { .. } => "expect_column_value_lengths_to_be_between",
            Kind::Aggregate { statistic, .. } => statistic.expectation_name(),
            Kind::Quantiles { .. } => "expect_column_quantile_values_to_be_between",
            Kind::MostCommon { .. } => "expect_column_most_common_value_to_be_in_set",
            Kind::DistinctValues { relation, .. } => relation.expectation_name(),
            Kind::KlDivergence { .. } => "expect_column_kl_divergence_to_be_less_than",
            Kind::PairEqual { .. } => "expect_column_pair_values_to_be_equal",
            Kind::PairGreater { .. } => "expect_column_pair_values_a_to_be_greater_than_b",
            Kind::PairInSet { .. } => "expect_column_pair_values_to_be_in_set",
            Kind::CompoundUnique { .. } => "expect_compound_columns_to_be_unique",
            Kind::UniqueWithinRecord { .. } => "expect_select_column_values_to_be_unique_within_record",
            Kind::ColumnsEqual { .. } => "expect_multicolumn_values_to_be_equal",
            Kind::SumEquals { .. } => "expect_multicolumn_sum_to_equal",
            Kind::Satisfies { .. } => "expect_rows_to_satisfy",
            Kind::NoRowsFound { .. } | Kind::QueryFindsNone { .. } => "unexpected_rows_expectation",
            Kind::QueryNumber { .. } => "expect_query_to_give_number_between",
            Kind::References { .. } => "expect_values_to_be_in_dataset",
            Kind::SameRowCount { .. } => "expect_table_row_count_to_equal_other_table",
            Kind::Volume { .. } => "expect_table_volume_to_be_usual",
            Kind::SchemaCompatible { .. } => "expect_table_schema_to_be_compatible",
            Kind::UnexpectedCount { .. } => "expect_unexpected_count_to_be_between",
            Kind::Freshness { .. } => "expect_table_to_be_fresh",
        }
    }

    /// The columns whose values it reads.
    #[must_use]
    pub fn columns(&self) -> Vec<&str> {
        match self {
            Kind::RowCount { .. }
            | Kind::ColumnCount { .. }
            | Kind::ColumnsMatchSet { .. }
            | Kind::ColumnsMatchOrderedList { .. }
            | Kind::SameRowCount { .. }
            | Kind::QueryFindsNone { .. }
            | Kind::QueryNumber { .. }
            | Kind::Volume { .. }
            | Kind::SchemaCompatible { .. }
            | Kind::Freshness { column: None, .. } => vec![],
            Kind::ColumnExists { column, .. }
            | Kind::NotNull { column }
            | Kind::Null { column }
            | Kind::Unique { column }
            | Kind::OfType { column, .. }
            | Kind::Between { column, .. }
            | Kind::InSet { column, .. }
            | Kind::MatchRegex { column, .. }
            | Kind::MatchRegexList { column, .. }
            | Kind::MatchLike { column, .. }
            | Kind::MatchStrftime { column, .. }
            | Kind::ZScores { column, .. }
            | Kind::NotOutliers { column, .. }
            | Kind::MostCommon { column, .. }
            | Kind::DistinctValues { column, .. }
            | Kind::KlDivergence { column, .. }
            | Kind::LengthBetween { column, .. }
            | Kind::Aggregate { column, .. }
            | Kind::Quantiles { column, .. }
            | Kind::Freshness { column: Some(column), .. } => vec![column],
            Kind::PairEqual { a, b, .. } | Kind::PairGreater { a, b, .. } | Kind::PairInSet { a, b, .. } => vec![a, b],
            Kind::CompoundUnique { columns, .. }
            | Kind::UniqueWithinRecord { columns, .. }
            | Kind::ColumnsEqual { columns, .. }
            | Kind::SumEquals { columns, .. }
            | Kind::References { columns, .. } => columns.iter().map(String::as_str).collect(),
            Kind::Satisfies { condition } | Kind::NoRowsFound { condition, .. } => condition.columns(),
            Kind::UnexpectedCount { rule, .. } => rule.columns(),
        }
    }

    /// Whether it judges single rows, so that `mostly` means something.
    #[must_use]
    pub fn by_row(&self) -> bool {
        match self {
            Kind::NotNull { .. }
            | Kind::Null { .. }
            | Kind::Unique { .. }
            | Kind::Between { .. }
            | Kind::InSet { .. }
            | Kind::MatchRegex { .. }
            | Kind::MatchRegexList { .. }
            | Kind::MatchLike { .. }
            | Kind::MatchStrftime { .. }
            | Kind::ZScores { .. }
            | Kind::NotOutliers { .. }
            | Kind::LengthBetween { .. }
            | Kind::PairEqual { .. }
            | Kind::PairGreater { .. }
            | Kind::PairInSet { .. }
            | Kind::CompoundUnique { .. }
            | Kind::UniqueWithinRecord { .. }
            | Kind::ColumnsEqual { .. }
            | Kind::SumEquals { .. }
            | Kind::Satisfies { .. }
            | Kind::References { .. } => true,
            Kind::RowCount { .. }
            | Kind::ColumnCount { .. }
            | Kind::ColumnExists { .. }
            | Kind::ColumnsMatchSet { .. }
            | Kind::ColumnsMatchOrderedList { .. }
            | Kind::OfType { .. }
            | Kind::Aggregate { .. }
            | Kind::Quantiles { .. }
            | Kind::MostCommon { .. }
            | Kind::DistinctValues { .. }
            | Kind::KlDivergence { .. }
            | Kind::NoRowsFound { .. }
            | Kind::QueryFindsNone { .. }
            | Kind::QueryNumber { .. }
            | Kind::SameRowCount { .. }
            | Kind::Volume { .. }
            | Kind::SchemaCompatible { .. }
            | Kind::UnexpectedCount { .. }
            | Kind::Freshness { .. } => false,
        }
    }

    /// Whether all rows are its base, those with nulls among them.
    #[must_use]
    pub fn by_all_rows(&self) -> bool {
        matches!(self, Kind::NotNull { .. } | Kind::Null { .. })
    }

    /// Whether it is held against the checks before, so that the first one has nothing to go by.
    #[must_use]
    pub fn compares_with_before(&self) -> bool {
        matches!(self, Kind::Volume { .. } | Kind::SchemaCompatible { .. })
    }

    /// What is wrong with the rule itself, whatever the data.
    #[must_use]
    pub fn mistake(&self) -> Option<String> {
        let when = |wrong: bool, what: &str| wrong.then(|| what.to_owned());
        match self {
            Kind::Between { bounds, .. } | Kind::LengthBetween { bounds, .. } => bounds.mistake(),
            Kind::RowCount { bounds } | Kind::ColumnCount { bounds } | Kind::Aggregate { bounds, .. } => {
                // Unlike rules on rows, these may be open at both ends.
                if bounds.min.is_none() && bounds.max.is_none() { None } else { bounds.mistake() }
            }
            Kind::Quantiles { quantiles, .. } => wrong_quantiles(quantiles),
            Kind::CompoundUnique { columns, ignore_row_if, .. } => {
                let one = columns.len() == 1 && *ignore_row_if == super::IgnoreRow::Never;
                when(columns.len() < 2 && !one, "fewer than two columns are given: use `unique` for one")
            }
            Kind::UniqueWithinRecord { columns, .. } | Kind::ColumnsEqual { columns, .. } => {
                when(columns.len() < 2, "fewer than two columns are given: name those that are compared")
            }
            Kind::SumEquals { columns, .. } => when(columns.is_empty(), "no columns are given: name those that are added"),
            Kind::References { columns, to, .. } => {
                when(columns.is_empty() || columns.len() != to.len(), "give as many columns here as in the other dataset, one at least")
            }
            Kind::MatchRegexList { regexes, .. } => when(regexes.is_empty(), "no regular expression is given"),
            Kind::MatchLike { patterns, .. } => when(patterns.is_empty(), "no pattern is given"),
            Kind::OfType { types, .. } => when(types.is_empty(), "no type is given"),
            Kind::ZScores { threshold, .. } => when(!threshold.is_finite(), "`threshold` is not a number: give one"),
            Kind::NotOutliers { multiplier, .. } => {
                when(!multiplier.is_finite() || *multiplier < 0.0, "`multiplier` must be a number from 0")
            }
            Kind::KlDivergence { expected, .. } => expected.mistake(),
            Kind::Volume { checks, max_loss, max_growth } => wrong_volume(*checks, *max_loss, *max_growth),
            Kind::UnexpectedCount { rule, bounds, .. } => rule.mistake().or_else(|| bounds.mistake()),
            Kind::QueryNumber { bounds, .. } => bounds.mistake(),
            Kind::ColumnExists { .. }
            | Kind::ColumnsMatchSet { .. }
            | Kind::ColumnsMatchOrderedList { .. }
            | Kind::NotNull { .. }
            | Kind::Null { .. }
            | Kind::Unique { .. }
            | Kind::InSet { .. }
            | Kind::MatchRegex { .. }
            | Kind::MatchStrftime { .. }
            | Kind::MostCommon { .. }
            | Kind::DistinctValues { .. }
            | Kind::PairEqual { .. }
            | Kind::PairGreater { .. }
            | Kind::PairInSet { .. }
            | Kind::Satisfies { .. }
            | Kind::NoRowsFound { .. }
            | Kind::QueryFindsNone { .. }
            | Kind::SameRowCount { .. }
            | Kind::SchemaCompatible { .. }
            | Kind::Freshness { .. } => None,
        }
    }
}

fn wrong_quantiles(quantiles: &[Quantile]) -> Option<String> {
    let wrong = |q: &Quantile| match (q.min, q.max) {
        _ if !(0.0..=1.0).contains(&q.q) => Some(format!("quantile {} is not between 0 and 1", q.q)),
        (Some(min), Some(max)) if min > max => Some(format!("range of quantile {}: minimum {min} is greater than maximum {max}", q.q)),
        _ => None,
    };
    quantiles.iter().find_map(wrong).or_else(|| quantiles.is_empty().then(|| "no quantile is given".to_owned()))
}

fn wrong_volume(checks: u32, max_loss: Option<f64>, max_growth: Option<f64>) -> Option<String> {
    let share = |x: Option<f64>| x.is_none_or(|x| x.is_finite() && x >= 0.0);
    if max_loss.is_none() && max_growth.is_none() {
        return Some("neither `max_loss` nor `max_growth` is given: give one of them".to_owned());
    }
    if checks == 0 || checks as usize > super::dataset::HISTORY_MAX {
        return Some(format!("`checks` is {checks}: give 1 to {}", super::dataset::HISTORY_MAX));
    }
    (!share(max_loss) || !share(max_growth)).then(|| "`max_loss` and `max_growth` are shares from 0: 0.2 is 20 %".to_owned())
}

impl SetRelation {
    /// Name of the expectation on it.
    #[must_use]
    pub fn expectation_name(self) -> &'static str {
        match self {
            SetRelation::In => "expect_column_distinct_values_to_be_in_set",
            SetRelation::Contain => "expect_column_distinct_values_to_contain_set",
            SetRelation::Equal => "expect_column_distinct_values_to_equal_set",
        }
    }
}

impl Statistic {
    /// Name of the expectation on it.
    #[must_use]
    pub fn expectation_name(self) -> &'static str {
        match self {
            Statistic::Mean => "expect_column_mean_to_be_between",
            Statistic::Stdev => "expect_column_stdev_to_be_between",
            Statistic::Min => "expect_column_min_to_be_between",
            Statistic::Max => "expect_column_max_to_be_between",
            Statistic::Sum => "expect_column_sum_to_be_between",
            Statistic::Median => "expect_column_median_to_be_between",
            Statistic::UniqueValueCount => "expect_column_unique_value_count_to_be_between",
            Statistic::UniqueValueProportion => "expect_column_proportion_of_unique_values_to_be_between",
            Statistic::NonNullProportion => "expect_column_proportion_of_non_null_values_to_be_between",
        }
    }
}
