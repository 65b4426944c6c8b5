"""Records what Great Expectations answers on random frames, for the test `oracle` of this crate.

Run with: pip install great_expectations==1.24.* pandas pyarrow; python gx_oracle.py fixtures/gx_answers.json
The frames are small and go into the file with the answers, so that the test needs no Python.
"""

import json
import logging
import math
import random
import sys
import warnings

import great_expectations as gx
import numpy as np
import pandas as pd

FRAMES = 60
SEED = 20130101
logging.disable(logging.CRITICAL)
warnings.filterwarnings("ignore")


def frame(rng, number):
    """One frame: plain lists by column, and the same as pandas. Some frames have no rows, some columns no values."""
    rows = 0 if number in (7, 31) else rng.choice([1, 2, 3, 10, 20, 37])
    null = rng.choice([0.0, 0.1, 0.5])
    absent = rng.choice(["f", "s", "t"]) if number % 6 == 5 else None

    def holes(name, values):
        return [None if name == absent or rng.random() < null else v for v in values]

    spread = rng.choice([3, 30, 10**6])
    columns = {
        "i": [rng.randint(-spread, spread) for _ in range(rows)],
        "f": holes("f", [rng.choice([round(rng.gauss(10, 5), 2), float(rng.randint(0, 20)), 0.0, -0.0]) for _ in range(rows)]),
        "g": [float(np.float32(rng.choice([0.1, 0.2, 0.3, 1.5, 2.5]))) for _ in range(rows)],
        "s": holes("s", [rng.choice(["a", "b", "ab", "", "AB1", "x9", "long text", "é", "line\n"]) for _ in range(rows)]),
        "b": [rng.random() < 0.5 for _ in range(rows)],
        "t": holes("t", [f"2013-{rng.randint(1, 12):02}-{rng.randint(1, 28):02}T{rng.randint(0, 23):02}:30:00" for _ in range(rows)]),
    }
    table = pd.DataFrame(
        {
            "i": pd.Series(columns["i"], dtype="int64"),
            "f": pd.Series([math.nan if v is None else v for v in columns["f"]], dtype="float64"),
            "g": pd.Series(columns["g"], dtype="float32"),
            "s": pd.Series(columns["s"], dtype="str"),
            "b": pd.Series(columns["b"], dtype="bool"),
            "t": pd.Series(pd.to_datetime(pd.Series(columns["t"], dtype="object")), dtype="datetime64[ns]"),
        }
    )
    return columns, table


def mostly(rng, rows):
    """Shares at which counts of rows fall exactly on the boundary, and others."""
    if rng.random() < 0.4 or rows == 0:
        return {}
    share = rng.choice([rng.randint(0, rows) / rows, 0.5, 0.9, 1.0, 0.0, 1 / 3])
    return {"mostly": share}


def bounds(rng, low, high, open_ends=True):
    a, b = sorted([rng.uniform(low, high), rng.uniform(low, high)])
    if rng.random() < 0.6:
        a, b = round(a), round(b)
    kwargs = {"min_value": a, "max_value": b}
    if open_ends and rng.random() < 0.3:
        kwargs[rng.choice(["min_value", "max_value"])] = None
    if rng.random() < 0.4:
        kwargs["strict_min"] = True
    if rng.random() < 0.4:
        kwargs["strict_max"] = True
    return kwargs


def cases(rng, columns):
    """(type, kwargs) of every kind of rule once, with random arguments."""
    rows = len(columns["i"])
    m = lambda: mostly(rng, rows)
    any_column = lambda: rng.choice("ifgsbt")
    days = sorted(f"2013-{rng.randint(1, 12):02}-15T05:30:00" for _ in range(2))
    values = {
        "i": [rng.randint(-5, 5) for _ in range(4)],
        "f": [0.0, 1, 10.0, 12],
        "s": ["a", "", "é", "x9"],
        "b": [True],
    }
    set_column = rng.choice("ifsb")
    yield "expect_table_row_count_to_be_between", {"min_value": rng.choice([None, 0, 3]), "max_value": rng.choice([None, 10, 37])}
    yield "expect_table_row_count_to_equal", {"value": rng.choice([rows, 5])}
    yield "expect_table_column_count_to_equal", {"value": rng.choice([6, 5])}
    yield "expect_column_to_exist", {"column": rng.choice(["i", "nope"]), **rng.choice([{}, {"column_index": 0}, {"column_index": 3}])}
    yield "expect_table_columns_to_match_set", {"column_set": rng.sample(list("ifgsbt") + ["z"], rng.choice([3, 6, 7])), "exact_match": rng.random() < 0.5}
    yield "expect_table_columns_to_match_set", {"column_set": list("tbsgfi")}
    yield "expect_table_columns_to_match_ordered_list", {"column_list": rng.choice([list("ifgsbt"), list("tbsgfi"), list("ifg")])}
    yield "expect_column_values_to_not_be_null", {"column": any_column(), **m()}
    yield "expect_column_values_to_be_null", {"column": any_column(), **m()}
    yield "expect_column_values_to_be_unique", {"column": any_column(), **m()}
    yield "expect_column_values_to_be_of_type", {"column": any_column(), "type_": rng.choice(["int64", "float64", "float32", "bool", "int", "float", "datetime64[ns]"])}
    yield "expect_column_values_to_be_between", {"column": rng.choice("if"), **bounds(rng, -5, 25), **m()}
    yield "expect_column_values_to_be_between", {"column": "g", **rng.choice([{"min_value": 0.1, "max_value": 0.3}, {"min_value": 0.2, "strict_min": True}, {"max_value": 0.3, "strict_max": True}]), **m()}
    yield "expect_column_values_to_be_between", {"column": "t", "min_value": days[0], "max_value": days[1], **m()}
    yield "expect_column_values_to_be_between", {"column": "s", "min_value": "a", "max_value": "b", **rng.choice([{}, {"strict_min": True}]), **m()}
    yield "expect_column_values_to_be_between", {"column": "s", "min_value": 1, "max_value": 3}
    yield rng.choice(["expect_column_values_to_be_in_set", "expect_column_values_to_not_be_in_set"]), {"column": set_column, "value_set": values[set_column], **m()}
    yield rng.choice(["expect_column_values_to_match_regex", "expect_column_values_to_not_match_regex"]), {
        "column": "s",
        "regex": rng.choice(["a", "^a", "[a-z]$", "^$", r"\d", "(?i)ab", "^(?!a)", r"\w+ \w+", "^[^x]*$"]),
        **m(),
    }
    yield "expect_column_values_to_match_regex", {"column": rng.choice("ifb"), "regex": rng.choice([r"^-?\d+$", r"\.0$", "^1", "True"]), **m()}
    yield "expect_column_value_lengths_to_be_between", {"column": "s", "min_value": rng.choice([None, 0, 1, 2]), "max_value": rng.choice([2, 4]), **m()}
    yield "expect_column_value_lengths_to_equal", {"column": "s", "value": 1, **m()}
    for name in ["mean", "stdev", "min", "max", "sum", "median"]:
        width = 300 if name == "sum" else 20
        yield f"expect_column_{name}_to_be_between", {"column": rng.choice("if"), **bounds(rng, -width / 4, width)}
    yield "expect_column_unique_value_count_to_be_between", {"column": any_column(), "min_value": rng.choice([None, 0, 2]), "max_value": rng.choice([2, 9])}
    yield "expect_column_proportion_of_unique_values_to_be_between", {"column": any_column(), "min_value": 0.2, "max_value": rng.choice([0.7, 1.0])}
    qs = sorted(rng.choice([0, 0.1, 0.25, 1 / 3, 0.5, 0.75, 0.9, 1]) for _ in range(3))
    yield "expect_column_quantile_values_to_be_between", {
        "column": rng.choice("if"),
        "quantile_ranges": {"quantiles": qs, "value_ranges": [[rng.choice([None, -5, 0, 5]), rng.choice([None, 10, 20, 40])] for _ in qs]},
    }
    yield "expect_compound_columns_to_be_unique", {
        "column_list": rng.sample(list("ifgsb"), rng.choice([2, 3])),
        **rng.choice([{}, {"ignore_row_if": "any_value_is_missing"}, {"ignore_row_if": "never"}]),
        **m(),
    }
    yield "expect_column_values_to_be_between", {"column": "nope", "min_value": 1}


def plain(value):
    if isinstance(value, (list, tuple)):
        return [plain(v) for v in value]
    if isinstance(value, dict):
        return {k: plain(v) for k, v in value.items()}
    if isinstance(value, (pd.Timestamp, np.datetime64)):
        return str(value)
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def answer(batch, name, kwargs):
    kind = getattr(gx.expectations, "".join(part.capitalize() for part in name.split("_")))
    try:
        expectation = kind(**kwargs)
    except Exception:  # arguments that the library itself refuses say nothing about data
        return None
    outcome = batch.validate(expectation, result_format="SUMMARY").to_json_dict()
    info = outcome["exception_info"]
    raised = info.get("raised_exception") if "raised_exception" in info else any(i.get("raised_exception") for i in info.values())
    kept = ["element_count", "unexpected_count", "missing_count", "unexpected_percent", "partial_unexpected_list", "observed_value"]
    result = {k: plain(v) for k, v in outcome["result"].items() if k in kept}
    return {"success": bool(outcome["success"]), "raised": bool(raised), "result": result}


def main(path):
    rng = random.Random(SEED)
    context = gx.get_context(mode="ephemeral")
    definition = context.data_sources.add_pandas("p").add_dataframe_asset("a").add_batch_definition_whole_dataframe("w")
    recorded = []
    for number in range(FRAMES):
        columns, table = frame(rng, number)
        batch = definition.get_batch(batch_parameters={"dataframe": table})
        answers = []
        chosen = [c for c in cases(rng, columns) if number < 6 or number in (7, 31) or rng.random() < 0.35]
        for name, kwargs in chosen:
            given = answer(batch, name, kwargs)
            if given is not None:
                answers.append({"type": name, "kwargs": kwargs, "answer": given})
        recorded.append({"columns": columns, "cases": answers})
        print(number, len(answers), file=sys.stderr)
    with open(path, "w") as out:
        json.dump({"great_expectations": gx.__version__, "pandas": pd.__version__, "frames": recorded}, out, separators=(",", ":"))
        out.write("\n")
    print(sum(len(f["cases"]) for f in recorded), "cases", file=sys.stderr)


main(sys.argv[1])
