//! The names of rules: those of suites, and the short ones of our YAML.

/// How a short name's value may be written when it is not a mapping.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shorthand {
    /// `true`.
    Flag,
    /// `[min, max]`, either of which may be `null`.
    Range,
    /// A list of values.
    Values,
    /// A text or a list of texts.
    Types,
    /// A regular expression.
    Pattern,
    /// `{ 0.5: [min, max], .. }`.
    Quantiles,
    /// A duration: `7d`, `1h30m`.
    Duration,
    /// A value, which is this argument.
    Argument(&'static str),
    /// A list, which is this argument.
    List(&'static str),
    /// `dataset.column`, where the values are found.
    Reference,
    /// Nothing but a mapping will do.
    Mapping,
}

/// A short name for a rule on one column.
#[derive(Clone, Copy, Debug)]
pub struct Short {
    /// The name in our YAML.
    pub key: &'static str,
    /// The name in suites.
    pub name: &'static str,
    /// How its value is written.
    pub shorthand: Shorthand,
}

const fn short(key: &'static str, name: &'static str, shorthand: Shorthand) -> Short {
    Short { key, name, shorthand }
}

/// All short names of rules on a column.
pub const SHORT_NAMES: &[Short] = &[
    short("exists", "expect_column_to_exist", Shorthand::Flag),
    short("type", "expect_column_values_to_be_in_type_list", Shorthand::Types),
    short("not_null", "expect_column_values_to_not_be_null", Shorthand::Flag),
    short("null", "expect_column_values_to_be_null", Shorthand::Flag),
    short("unique", "expect_column_values_to_be_unique", Shorthand::Flag),
    short("between", "expect_column_values_to_be_between", Shorthand::Range),
    short("in_set", "expect_column_values_to_be_in_set", Shorthand::Values),
    short("not_in_set", "expect_column_values_to_not_be_in_set", Shorthand::Values),
    short("regex", "expect_column_values_to_match_regex", Shorthand::Pattern),
    short("not_regex", "expect_column_values_to_not_match_regex", Shorthand::Pattern),
    short("regex_list", "expect_column_values_to_match_regex_list", Shorthand::List("regex_list")),
    short("not_regex_list", "expect_column_values_to_not_match_regex_list", Shorthand::List("regex_list")),
    short("like", "expect_column_values_to_match_like_pattern", Shorthand::Argument("like_pattern")),
    short("not_like", "expect_column_values_to_not_match_like_pattern", Shorthand::Argument("like_pattern")),
    short("like_list", "expect_column_values_to_match_like_pattern_list", Shorthand::List("like_pattern_list")),
    short("not_like_list", "expect_column_values_to_not_match_like_pattern_list", Shorthand::List("like_pattern_list")),
    short("strftime", "expect_column_values_to_match_strftime_format", Shorthand::Argument("strftime_format")),
    short("z_score", "expect_column_value_z_scores_to_be_less_than", Shorthand::Argument("threshold")),
    short("no_outliers", "expect_column_values_to_not_be_outliers", Shorthand::Flag),
    short("length", "expect_column_value_lengths_to_be_between", Shorthand::Range),
    short("mean", "expect_column_mean_to_be_between", Shorthand::Range),
    short("stdev", "expect_column_stdev_to_be_between", Shorthand::Range),
    short("min", "expect_column_min_to_be_between", Shorthand::Range),
    short("max", "expect_column_max_to_be_between", Shorthand::Range),
    short("sum", "expect_column_sum_to_be_between", Shorthand::Range),
    short("median", "expect_column_median_to_be_between", Shorthand::Range),
    short("distinct", "expect_column_unique_value_count_to_be_between", Shorthand::Range),
    short("distinct_share", "expect_column_proportion_of_unique_values_to_be_between", Shorthand::Range),
    short("not_null_share", "expect_column_proportion_of_non_null_values_to_be_between", Shorthand::Range),
    short("most_common", "expect_column_most_common_value_to_be_in_set", Shorthand::Values),
    short("distinct_in_set", "expect_column_distinct_values_to_be_in_set", Shorthand::Values),
    short("distinct_contain_set", "expect_column_distinct_values_to_contain_set", Shorthand::Values),
    short("distinct_equal_set", "expect_column_distinct_values_to_equal_set", Shorthand::Values),
    short("kl_divergence", "expect_column_kl_divergence_to_be_less_than", Shorthand::Mapping),
    short("references", "expect_values_to_be_in_dataset", Shorthand::Reference),
    short("quantiles", "expect_column_quantile_values_to_be_between", Shorthand::Quantiles),
    short("fresh_within", "expect_table_to_be_fresh", Shorthand::Duration),
];

/// All names that are understood in suites.
pub const SUITE_NAMES: &[&str] = &[
    "expect_table_row_count_to_be_between",
    "expect_table_row_count_to_equal",
    "expect_table_column_count_to_be_between",
    "expect_table_column_count_to_equal",
    "expect_table_columns_to_match_set",
    "expect_table_columns_to_match_ordered_list",
    "expect_column_to_exist",
    "expect_column_values_to_not_be_null",
    "expect_column_values_to_be_null",
    "expect_column_values_to_be_unique",
    "expect_column_values_to_be_of_type",
    "expect_column_values_to_be_in_type_list",
    "expect_column_values_to_be_between",
    "expect_column_values_to_be_in_set",
    "expect_column_values_to_not_be_in_set",
    "expect_column_values_to_match_regex",
    "expect_column_values_to_not_match_regex",
    "expect_column_values_to_match_regex_list",
    "expect_column_values_to_not_match_regex_list",
    "expect_column_values_to_match_like_pattern",
    "expect_column_values_to_not_match_like_pattern",
    "expect_column_values_to_match_like_pattern_list",
    "expect_column_values_to_not_match_like_pattern_list",
    "expect_column_values_to_match_strftime_format",
    "expect_column_values_to_not_be_outliers",
    "expect_column_value_z_scores_to_be_less_than",
    "expect_column_value_lengths_to_be_between",
    "expect_column_value_lengths_to_equal",
    "expect_column_mean_to_be_between",
    "expect_column_stdev_to_be_between",
    "expect_column_min_to_be_between",
    "expect_column_max_to_be_between",
    "expect_column_sum_to_be_between",
    "expect_column_median_to_be_between",
    "expect_column_unique_value_count_to_be_between",
    "expect_column_proportion_of_unique_values_to_be_between",
    "expect_column_proportion_of_non_null_values_to_be_between",
    "expect_column_quantile_values_to_be_between",
    "expect_column_most_common_value_to_be_in_set",
    "expect_column_distinct_values_to_be_in_set",
    "expect_column_distinct_values_to_contain_set",
    "expect_column_distinct_values_to_equal_set",
    "expect_column_kl_divergence_to_be_less_than",
    "expect_column_pair_values_to_be_equal",
    "expect_column_pair_values_a_to_be_greater_than_b",
    "expect_column_pair_values_to_be_in_set",
    "expect_select_column_values_to_be_unique_within_record",
    "expect_multicolumn_values_to_be_equal",
    "expect_multicolumn_sum_to_equal",
    "expect_table_row_count_to_equal_other_table",
    "unexpected_rows_expectation",
    "expect_compound_columns_to_be_unique",
    "expect_table_to_be_fresh",
    "expect_table_volume_to_be_usual",
    "expect_table_schema_to_be_compatible",
    "expect_rows_to_satisfy",
    "expect_values_to_be_in_dataset",
];

/// `; did you mean ...?`, or nothing when no known name is near.
pub(super) fn near<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    let best = known.into_iter().map(|k| (strsim::damerau_levenshtein(name, k), k)).min();
    match best {
        Some((distance, k)) if distance <= (name.len().max(3) / 3).min(6) => format!(": did you mean `{k}`?"),
        _ => String::new(),
    }
}
