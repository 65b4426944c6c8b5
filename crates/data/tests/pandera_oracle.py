"""Records what Pandera answers on random tables, for the test `pandera` of this crate.

    python pandera_oracle.py FOLDER TABLES SEED

Writes FOLDER/NUMBER.parquet and FOLDER/cases.json. Each case is a schema as YAML, in one of the three spellings of checks,
with Pandera's verdict and the columns that failed.
"""

import json
import logging
import math
import random
import sys
import warnings

import pandas as pd
import pandera
import pandera.io.pandas_io
import pandera.pandas as pa_pandas
import pyarrow as pa
import pyarrow.parquet as pq
import yaml

logging.disable(logging.CRITICAL)
warnings.filterwarnings("ignore")
TEXTS = ["a", "b", "ab", "", "AB1", "x9", "long text", "é", "ß日本", "a.b"]


def table(rng, number):
    rows = 0 if number % 10 == 7 else rng.choice([1, 2, 3, 10, 30])
    null = rng.choice([0.0, 0.0, 0.1, 0.5])
    holes = lambda values: [None if rng.random() < null else v for v in values]
    each = lambda make: [make() for _ in range(rows)]
    return pa.table(
        {
            "i": pa.array(each(lambda: rng.randint(-5, 30)), pa.int64()),
            "f": pa.array(holes(each(lambda: rng.choice([round(rng.gauss(10, 5), 1), 0.0, math.inf]))), pa.float64()),
            "s": pa.array(holes(each(lambda: rng.choice(TEXTS))), pa.string()),
            "b": pa.array(each(lambda: rng.random() < 0.5), pa.bool_()),
            "n": pa.array(rng.sample(range(1000), rows), pa.int64()),
        }
    )


def number_checks(rng):
    low, high = sorted([rng.randint(-6, 12), rng.randint(5, 31)])
    return [
        ("greater_than", {"min_value": low}),
        ("greater_than_or_equal_to", {"min_value": low}),
        ("less_than", {"max_value": high}),
        ("less_than_or_equal_to", {"max_value": high}),
        ("in_range", {"min_value": low, "max_value": high + 1, "include_min": rng.random() < 0.5, "include_max": rng.random() < 0.5}),
        ("isin", {"allowed_values": list(range(low, high + 1))}),
        ("notin", {"forbidden_values": [low, high]}),
        ("not_equal_to", {"value": low}),
        ("equal_to", {"value": 7}),
    ]


def text_checks(rng):
    return [
        ("str_matches", {"pattern": rng.choice(["a", "[a-z]", r"\w*$", "(?i)AB"])}),
        ("str_contains", {"pattern": rng.choice(["b", r"\d", "^a"])}),
        ("str_startswith", {"string": rng.choice(["a", "a."])}),
        ("str_endswith", {"string": rng.choice(["b", "t"])}),
        ("str_length", {"min_value": rng.choice([0, 1]), "max_value": rng.choice([3, 9])}),
        ("isin", {"allowed_values": rng.sample(TEXTS, 6)}),
        ("notin", {"forbidden_values": ["b"]}),
        ("unique_values_eq", {"values": rng.sample(TEXTS, 2)}),
    ]


def spelled(rng, spelling, name, arguments):
    """The check as one of the three spellings has it."""
    single = next(iter(arguments.values())) if len(arguments) == 1 else None
    options = rng.choice([{}, {}, {"raise_warning": True}, {"ignore_na": False}])
    if spelling == "flat":
        return single if single is not None and not options else {**arguments, **options}
    if spelling == "nested":
        if single is not None and not options:
            return single
        return {**({"value": single} if single is not None else arguments), **({"options": options} if options else {})}
    return {**({"value": single} if single is not None else arguments), "options": {"check_name": name, **options}}


def schema(rng, spelling):
    columns = {}
    types = {"i": "int64", "f": "float64", "s": "str", "b": "bool", "n": "int64"}
    for name in rng.sample("ifsbn", rng.randint(1, 5)):
        about = {"dtype": types[name] if rng.random() < 0.9 else rng.choice(["int64", "float64", "bool"])}
        about["nullable"] = rng.random() < 0.6
        about["unique"] = rng.random() < (0.5 if name == "n" else 0.15)
        about["required"] = rng.random() < 0.8
        choices = number_checks(rng) if name in "ifn" else text_checks(rng) if name == "s" else []
        chosen = rng.sample(choices, min(len(choices), rng.choice([0, 1, 1, 2])))
        if spelling == "flat":
            about.update({check: spelled(rng, spelling, check, arguments) for check, arguments in chosen})
        elif spelling == "nested":
            about["checks"] = {check: spelled(rng, spelling, check, arguments) for check, arguments in chosen}
        else:
            about["checks"] = [spelled(rng, spelling, check, arguments) for check, arguments in chosen]
        columns[name] = about
    if rng.random() < 0.2:
        columns["absent"] = {"dtype": "int64", "required": rng.random() < 0.5, "nullable": False}
    whole = {"schema_type": "dataframe", "version": pandera.__version__, "columns": columns, "checks": None, "index": None, "coerce": False}
    whole["strict"] = rng.random() < 0.2 and all(c.get("required", True) for c in columns.values())
    whole["unique"] = rng.choice([None, None, None, ["i", "b"]])
    return yaml.safe_dump(whole, sort_keys=False, allow_unicode=True)


def answer(text, frame):
    try:
        read = pandera.io.pandas_io.from_yaml(text)
    except Exception as error:  # what the library itself refuses says nothing about data
        return None, str(error)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            read.validate(frame, lazy=True)
        return {"valid": True, "columns": []}, None
    except pa_pandas.errors.SchemaErrors as error:
        columns = set()
        for kind in error.message.values():
            for found in kind.values():
                columns.update(str(one["column"]) for one in found)
        # A missing column and rows that occur twice are told of the whole schema: their names stand among the cases.
        for _, case in error.failure_cases.iterrows():
            missing = case["check"] in ("column_in_dataframe", "column_in_schema")
            columns.add(str(case["failure_case"] if missing else case["column"]))
        columns -= {"None", "nan"}
        return {"valid": False, "columns": sorted(columns)}, None


def main(folder, count, seed):
    recorded = []
    for number in range(count):
        rng = random.Random(f"{seed}/{number}")
        arrow = table(rng, number)
        pq.write_table(arrow, f"{folder}/{number}.parquet")
        frame = arrow.to_pandas()
        cases = []
        for spelling in ["flat", "nested", "list"] * 4:
            text = schema(rng, spelling)
            given, why = answer(text, frame)
            if given is None:
                print(number, spelling, why, file=sys.stderr)
            else:
                cases.append({"schema": text, "answer": given})
        recorded.append({"number": number, "cases": cases})
    with open(f"{folder}/cases.json", "w", encoding="utf-8") as out:
        json.dump({"pandera": pandera.__version__, "pandas": pd.__version__, "seed": seed, "tables": recorded}, out, ensure_ascii=False)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
