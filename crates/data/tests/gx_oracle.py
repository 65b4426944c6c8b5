"""Records what Great Expectations answers on random tables, for the test `oracle` of this crate.

    python gx_oracle.py FOLDER TABLES SEED

Writes FOLDER/NUMBER.parquet and FOLDER/cases.json. Tables have nulls, NaN, infinities, no rows, columns of nothing but
nulls, unicode, dates, decimals, large whole numbers, booleans and texts.
"""

import datetime
import decimal
import json
import logging
import math
import random
import sys
import warnings

import great_expectations as gx
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

logging.disable(logging.CRITICAL)
warnings.filterwarnings("ignore")
TEXTS = ["a", "b", "ab", "", "AB1", "x9", "long text", "é", "line\n", "ß日本", "a%b", "2013-01-31", "2013-02-30", "10:30"]
COLUMNS = "ifgsbthuxdwkm"


def frame(rng, number):
    """One table: plain lists by column. Some have no rows, some columns no values."""
    rows = 0 if number % 12 == 7 else rng.choice([1, 2, 3, 10, 20, 37])
    null = rng.choice([0.0, 0.1, 0.5])
    absent = rng.choice(["f", "s", "t", "w", "k"]) if number % 6 == 5 else None
    wild = number % 3 == 1

    def holes(name, values):
        return [None if name == absent or rng.random() < null else v for v in values]

    def each(make):
        return [make() for _ in range(rows)]

    spread = rng.choice([3, 30, 10**6])
    odd = [math.inf, -math.inf] if wild else [0.0]
    return {
        "i": each(lambda: rng.randint(-spread, spread)),
        "f": holes("f", each(lambda: rng.choice([round(rng.gauss(10, 5), 2), float(rng.randint(0, 20)), 0.0, -0.0]))),
        "g": each(lambda: float(np.float32(rng.choice([0.1, 0.2, 0.3, 1.5, 2.5])))),
        "s": holes("s", each(lambda: rng.choice(TEXTS))),
        "b": each(lambda: rng.random() < 0.5),
        "t": holes("t", each(lambda: f"2013-{rng.randint(1, 12):02}-{rng.randint(1, 28):02}T{rng.randint(0, 23):02}:30:00")),
        # the same values as `i` and as `s` most of the time
        "h": [],
        "u": [],
        # infinities in some tables
        "x": holes("x", each(lambda: rng.choice([rng.gauss(0, 3), 1e300, *odd]))),
        "d": holes("d", each(lambda: f"2013-{rng.randint(1, 12):02}-{rng.randint(1, 28):02}")),
        "w": holes("w", each(lambda: f"{rng.randint(-500, 500) / 4:.2f}")),
        "k": holes("k", each(lambda: rng.choice([2**53 + 1, 2**53, -(2**62), 2**62 + 1, 7]))),
        "m": each(lambda: rng.randint(0, 3)),
    }


def finish(rng, columns):
    columns["h"] = [v if rng.random() < 0.7 else v + rng.randint(-2, 2) for v in columns["i"]]
    columns["u"] = [v if rng.random() < 0.7 else rng.choice([*TEXTS, None]) for v in columns["s"]]
    return columns


def tables(columns):
    """As Arrow, and as the frame that a user of pandas would have."""
    instants = [None if v is None else datetime.datetime.fromisoformat(v) for v in columns["t"]]
    days = [None if v is None else datetime.date.fromisoformat(v) for v in columns["d"]]
    amounts = [None if v is None else decimal.Decimal(v) for v in columns["w"]]
    arrow = pa.table(
        {
            "i": pa.array(columns["i"], pa.int64()),
            "f": pa.array(columns["f"], pa.float64()),
            "g": pa.array(columns["g"], pa.float32()),
            "s": pa.array(columns["s"], pa.string()),
            "b": pa.array(columns["b"], pa.bool_()),
            "t": pa.array(instants, pa.timestamp("ns")),
            "h": pa.array(columns["h"], pa.int64()),
            "u": pa.array(columns["u"], pa.string()),
            "x": pa.array(columns["x"], pa.float64()),
            "d": pa.array(days, pa.date32()),
            "w": pa.array(amounts, pa.decimal128(12, 2)),
            "k": pa.array(columns["k"], pa.int64()),
            "m": pa.array(columns["m"], pa.int64()),
        }
    )
    # Whole numbers with nulls are floats in plain pandas; `Int64` keeps them, and their nulls.
    pandas = arrow.drop_columns(["k"]).to_pandas()
    pandas.insert(11, "k", pd.array(columns["k"], dtype="Int64"))
    return arrow, pandas


def mostly(rng, rows):
    """Shares at which counts of rows fall exactly on the boundary, and others."""
    if rng.random() < 0.4 or rows == 0:
        return {}
    return {"mostly": rng.choice([rng.randint(0, rows) / rows, 0.5, 0.9, 1.0, 0.0, 1 / 3])}


def bounds(rng, low, high, open_ends=True):
    a, b = sorted([rng.uniform(low, high), rng.uniform(low, high)])
    if rng.random() < 0.6:
        a, b = round(a), round(b)
    kwargs = {"min_value": a, "max_value": b}
    if open_ends and rng.random() < 0.3:
        kwargs[rng.choice(["min_value", "max_value"])] = None
    for strict in ["strict_min", "strict_max"]:
        if rng.random() < 0.4:
            kwargs[strict] = True
    return kwargs


def condition(rng):
    """Conditions on rows in each of their forms."""
    column = lambda name: {"name": name}
    compare = lambda name, operator, parameter: {"type": "comparison", "column": column(name), "operator": operator, "parameter": parameter}
    simple = [
        compare("m", rng.choice(["==", "!=", "<", "<=", ">", ">="]), rng.randint(0, 3)),
        compare("f", rng.choice(["<", ">=", "!=", "=="]), rng.choice([0, 5.5, 10])),
        compare("s", rng.choice(["==", "!=", "<"]), rng.choice(["a", "é", ""])),
        compare("m", rng.choice(["IN", "NOT_IN"]), [1, 2]),
        compare("s", rng.choice(["IN", "NOT_IN"]), ["a", "b"]),
        compare("b", "==", True),
        {"type": "nullity", "column": column(rng.choice("fst")), "is_null": rng.random() < 0.5},
    ]
    two = lambda: rng.sample(simple, 2)
    whole = rng.choice([rng.choice(simple), {"type": "and", "conditions": two()}, {"type": "or", "conditions": two()}])
    if rng.random() < 0.6:
        return {"row_condition": whole, "condition_parser": "great_expectations"}
    text = rng.choice(
        [
            "m > 1",
            "m == 2 or f < 5",
            "not (m == 2) and s.notnull()",
            "s in ['a', 'b']",
            "1 <= m < 3",
            "(f + m) * 2 > 10",
            "~s.isnull() & (i > 0)",
            "f != 10",
            "s not in ['a', '']",
            "b",
            "i > h",
        ]
    )
    return {"row_condition": text, "condition_parser": "pandas"}


def column_cases(rng, columns, m):
    """(type, kwargs) of rules on one column."""
    any_column = lambda: rng.choice(COLUMNS)
    days = sorted(f"2013-{rng.randint(1, 12):02}-15T05:30:00" for _ in range(2))
    values = {
        "i": [rng.randint(-5, 5) for _ in range(4)],
        "f": [0.0, 1, 10.0, 12],
        "s": ["a", "", "é", "x9"],
        "b": [True],
        "k": [2**53, 2**62 + 1],
    }
    chosen = rng.choice("ifsbk")
    number = lambda: rng.choice("ifgxhm")
    yield "expect_column_values_to_not_be_null", {"column": any_column(), **m()}
    yield "expect_column_values_to_be_null", {"column": any_column(), **m()}
    yield "expect_column_values_to_be_unique", {"column": any_column(), **m()}
    yield "expect_column_values_to_be_of_type", {"column": rng.choice("ifgbs"), "type_": rng.choice(["int64", "float64", "float32", "bool", "int", "float", "str"])}
    yield "expect_column_values_to_be_in_type_list", {"column": rng.choice("ifgbs"), "type_list": rng.choice([["int64", "float64"], ["float32", "str"], ["bool"]])}
    yield "expect_column_values_to_be_between", {"column": rng.choice("ifx"), **bounds(rng, -5, 25), **m()}
    yield "expect_column_values_to_be_between", {"column": "g", **rng.choice([{"min_value": 0.1, "max_value": 0.3}, {"min_value": 0.2, "strict_min": True}, {"max_value": 0.3, "strict_max": True}]), **m()}
    yield "expect_column_values_to_be_between", {"column": "t", "min_value": days[0], "max_value": days[1], **m()}
    yield "expect_column_values_to_be_between", {"column": "s", "min_value": "a", "max_value": "b", **rng.choice([{}, {"strict_min": True}]), **m()}
    yield "expect_column_values_to_be_between", {"column": "s", "min_value": 1, "max_value": 3}
    yield "expect_column_values_to_be_between", {"column": "k", "min_value": rng.choice([2**53, 2**53 + 1]), "max_value": 2**62, **m()}
    yield "expect_column_values_to_be_between", {"column": "w", **bounds(rng, -60, 60), **m()}
    yield "expect_column_values_to_be_in_set", {"column": chosen, "value_set": values[chosen], **m()}
    yield "expect_column_values_to_not_be_in_set", {"column": chosen, "value_set": values[chosen], **m()}
    regex = lambda: rng.choice(["a", "^a", "[a-z]$", "^$", r"\d", "(?i)ab", "^(?!a)", r"\w+ \w+", "^[^x]*$", r"(\w)\1", "é|ß", r"^\d{4}-\d\d"])
    yield "expect_column_values_to_match_regex", {"column": "s", "regex": regex(), **m()}
    yield "expect_column_values_to_not_match_regex", {"column": "s", "regex": regex(), **m()}
    yield "expect_column_values_to_match_regex", {"column": rng.choice("ifbgh"), "regex": rng.choice([r"^-?\d+$", r"\.0$", "^1", "True"]), **m()}
    yield "expect_column_values_to_match_regex_list", {"column": "s", "regex_list": [regex(), regex()], **rng.choice([{}, {"match_on": "any"}, {"match_on": "all"}]), **m()}
    yield "expect_column_values_to_not_match_regex_list", {"column": "s", "regex_list": [regex(), regex()], **m()}
    yield "expect_column_values_to_match_strftime_format", {"column": "s", "strftime_format": rng.choice(["%Y-%m-%d", "%H:%M", "%d", "%Y"]), **m()}
    yield "expect_column_value_z_scores_to_be_less_than", {"column": number(), "threshold": rng.choice([0.5, 1, 2, -1]), "double_sided": rng.random() < 0.5, **m()}
    yield "expect_column_values_to_not_be_outliers", {"column": number(), "method": rng.choice(["iqr", "std"]), "multiplier": rng.choice([0, 0.5, 1, 1.5]), **m()}
    yield "expect_column_value_lengths_to_be_between", {"column": "s", "min_value": rng.choice([None, 0, 1, 2]), "max_value": rng.choice([2, 4]), **rng.choice([{}, {"strict_max": True}]), **m()}
    yield "expect_column_value_lengths_to_be_between", {"column": rng.choice("ifg"), "min_value": 2, "max_value": 3, **m()}
    yield "expect_column_value_lengths_to_equal", {"column": "s", "value": 1, **m()}
    yield "expect_column_values_to_be_between", {"column": "nope", "min_value": 1}


def aggregate_cases(rng, columns):
    """(type, kwargs) of rules on a column as a whole."""
    any_column = lambda: rng.choice(COLUMNS)
    for name in ["mean", "stdev", "min", "max", "sum", "median"]:
        width = 300 if name == "sum" else 20
        yield f"expect_column_{name}_to_be_between", {"column": rng.choice("ifm"), **bounds(rng, -width / 4, width)}
    yield "expect_column_unique_value_count_to_be_between", {"column": any_column(), "min_value": rng.choice([None, 0, 2]), "max_value": rng.choice([2, 9])}
    yield "expect_column_proportion_of_unique_values_to_be_between", {"column": any_column(), "min_value": 0.2, "max_value": rng.choice([0.7, 1.0])}
    yield "expect_column_proportion_of_non_null_values_to_be_between", {"column": any_column(), "min_value": rng.choice([0.3, 0.9, 1.0]), "max_value": 1.0}
    qs = sorted(rng.choice([0, 0.1, 0.25, 1 / 3, 0.5, 0.75, 0.9, 1]) for _ in range(3))
    ranges = [[rng.choice([None, -5, 0, 5]), rng.choice([None, 10, 20, 40])] for _ in qs]
    yield "expect_column_quantile_values_to_be_between", {"column": rng.choice("if"), "quantile_ranges": {"quantiles": qs, "value_ranges": ranges}}
    sets = {"m": [0, 1, 2], "s": ["a", "b", "é", ""], "f": [0.0, 10, 11.0], "b": [True], "i": [-1, 0, 1, 2]}
    for relation in ["be_in_set", "contain_set", "equal_set"]:
        chosen = rng.choice("msfbi")
        present = [v for v in dict.fromkeys(columns[chosen]) if v is not None]
        value_set = rng.choice([sets[chosen], present, present[1:], [*present, *sets[chosen][:1]]])
        if value_set:
            yield f"expect_column_distinct_values_to_{relation}", {"column": chosen, "value_set": value_set}
    chosen = rng.choice("msbi")
    yield "expect_column_most_common_value_to_be_in_set", {"column": chosen, "value_set": sets[chosen], "ties_okay": rng.random() < 0.5}
    weights = rng.choice([[0.25, 0.25, 0.25, 0.25], [0.4, 0.3, 0.2, 0.1], [0.5, 0.5, 0.0, 0.0]])
    hold = rng.choice([{}, {"tail_weight_holdout": 0.1}])
    yield "expect_column_kl_divergence_to_be_less_than", {"column": "m", "partition_object": {"values": [0, 1, 2, rng.choice([3, 9])], "weights": weights}, "threshold": rng.choice([0.1, 0.5, 2]), **hold}
    tails = rng.choice([{}, {"tail_weight_holdout": 0.02}, {"internal_weight_holdout": 0.05}])
    bins = rng.choice([[-10, 0, 5, 10, 20], [0, 5, 10, 15, 20], [-20, -1, 0, 3, 30]])
    yield "expect_column_kl_divergence_to_be_less_than", {"column": rng.choice("if"), "partition_object": {"bins": bins, "weights": weights}, "threshold": rng.choice([0.1, 0.5, 2]), **tails}


def several_cases(rng, m):
    """(type, kwargs) of rules on several columns and on the whole table."""
    pair = lambda: rng.choice([{}, {"ignore_row_if": "either_value_is_missing"}, {"ignore_row_if": "neither"}, {"ignore_row_if": "both_values_are_missing"}])
    many = lambda: rng.choice([{}, {"ignore_row_if": "any_value_is_missing"}, {"ignore_row_if": "never"}, {"ignore_row_if": "all_values_are_missing"}])
    a, b = rng.choice([("i", "h"), ("s", "u"), ("f", "i"), ("i", "m"), ("f", "x")])
    yield "expect_column_pair_values_to_be_equal", {"column_A": a, "column_B": b, **pair(), **m()}
    a, b = rng.choice([("i", "h"), ("s", "u"), ("f", "i"), ("h", "m"), ("f", "x")])
    yield "expect_column_pair_values_a_to_be_greater_than_b", {"column_A": a, "column_B": b, **rng.choice([{}, {"or_equal": True}]), **pair(), **m()}
    yield "expect_column_pair_values_to_be_in_set", {"column_A": "s", "column_B": "m", "value_pairs_set": [["a", 1], ["a", 2], ["b", 0], ["é", 3]], **pair(), **m()}
    yield "expect_compound_columns_to_be_unique", {"column_list": rng.sample(list("ifgsbm"), rng.choice([2, 3])), **many(), **m()}
    yield "expect_select_column_values_to_be_unique_within_record", {"column_list": rng.choice([["i", "h"], ["s", "u"], ["i", "h", "m"]]), **many(), **m()}
    yield "expect_multicolumn_values_to_be_equal", {"column_list": rng.choice([["i", "h"], ["s", "u"], ["i", "h", "m"]]), **many(), **m()}
    yield "expect_multicolumn_sum_to_equal", {"column_list": rng.choice([["i", "h"], ["f", "m"], ["m", "m", "i"]]), "sum_total": rng.choice([0, 3, 10]), **many(), **m()}
    yield "expect_table_row_count_to_be_between", {"min_value": rng.choice([None, 0, 3]), "max_value": rng.choice([None, 10, 37])}
    yield "expect_table_row_count_to_equal", {"value": rng.choice([10, 5])}
    yield "expect_table_column_count_to_equal", {"value": rng.choice([13, 5])}
    yield "expect_table_column_count_to_be_between", {"min_value": rng.choice([None, 13, 20]), "max_value": rng.choice([None, 13])}
    yield "expect_column_to_exist", {"column": rng.choice(["i", "nope"]), **rng.choice([{}, {"column_index": 0}, {"column_index": 3}])}
    yield "expect_table_columns_to_match_set", {"column_set": rng.sample([*COLUMNS, "z"], rng.choice([3, 13, 14])), "exact_match": rng.random() < 0.5}
    yield "expect_table_columns_to_match_set", {"column_set": list(reversed(COLUMNS))}
    yield "expect_table_columns_to_match_ordered_list", {"column_list": rng.choice([list(COLUMNS), list(reversed(COLUMNS)), list("ifg")])}


def cases(rng, columns):
    rows = len(columns["i"])
    m = lambda: mostly(rng, rows)
    every = [*column_cases(rng, columns, m), *aggregate_cases(rng, columns), *several_cases(rng, m)]
    for name, kwargs in every:
        if rng.random() < 0.6:
            yield name, kwargs
        conditional = not any(part in name for part in ["column_count", "columns_to_match", "column_to_exist", "_type"])
        if conditional and rng.random() < 0.25:
            yield name, {**kwargs, **condition(rng)}


def plain(value):
    if isinstance(value, (list, tuple)):
        return [plain(v) for v in value]
    if isinstance(value, dict):
        return {k: plain(v) for k, v in value.items()}
    if value is pd.NaT or value is pd.NA:
        return None
    if isinstance(value, (pd.Timestamp, np.datetime64, datetime.date, decimal.Decimal)):
        return str(value)
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return None if math.isnan(value) else str(value)
    return value


KEPT = ["element_count", "unexpected_count", "missing_count", "unexpected_percent", "unexpected_percent_nonmissing", "unexpected_percent_total",
        "missing_percent", "partial_unexpected_list", "unexpected_list", "unexpected_index_list", "partial_missing_list", "observed_value"]


def answer(batch, name, kwargs):
    kind = getattr(gx.expectations, "".join(part.capitalize() for part in name.split("_")).replace("ZScores", "ZScores").replace("Kl", "KL"), None)
    if kind is None:
        raise SystemExit(f"no such expectation: {name}")
    try:
        expectation = kind(**kwargs)
    except Exception:  # arguments that the library itself refuses say nothing about data
        return None
    outcome = batch.validate(expectation, result_format="COMPLETE").to_json_dict()
    info = outcome["exception_info"]
    infos = [info] if "raised_exception" in info else list(info.values())
    raised = any(i.get("raised_exception") for i in infos)
    message = next((str(i.get("exception_message"))[:200] for i in infos if i.get("raised_exception")), None)
    result = {k: plain(v) for k, v in outcome["result"].items() if k in KEPT}
    return {"success": bool(outcome["success"]), "raised": raised, "message": message, "result": result}


def main(folder, count, seed):
    context = gx.get_context(mode="ephemeral")
    definition = context.data_sources.add_pandas("p").add_dataframe_asset("a").add_batch_definition_whole_dataframe("w")
    recorded = []
    for number in range(count):
        rng = random.Random(f"{seed}/{number}")
        columns = finish(rng, frame(rng, number))
        arrow, pandas = tables(columns)
        pq.write_table(arrow, f"{folder}/{number}.parquet")
        batch = definition.get_batch(batch_parameters={"dataframe": pandas})
        answers = []
        for name, kwargs in cases(rng, columns):
            given = answer(batch, name, kwargs)
            if given is not None:
                answers.append({"type": name, "kwargs": kwargs, "answer": given})
        recorded.append({"number": number, "cases": answers})
    with open(f"{folder}/cases.json", "w", encoding="utf-8") as out:
        json.dump({"great_expectations": gx.__version__, "pandas": pd.__version__, "seed": seed, "tables": recorded}, out)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
