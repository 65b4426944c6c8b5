"""Whole processes beside their peers: contracts beside Great Expectations and Polars, drift beside Evidently.

bench_build.py TIDEGATE PART..: prints medians of wall time, CPU time and peak memory, and ratios; the last line is the
same as one JSON document. Peers are Python programs of their own, given by TIDEGATE_TEST_GX, TIDEGATE_TEST_POLARS and
TIDEGATE_TEST_EVIDENTLY (each a Python that has the package); data is generated once below TMPDIR.
TIDEGATE_BENCH_ROWS (10000000) and TIDEGATE_BENCH_ROUNDS (5) make it smaller.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROWS = int(os.environ.get("TIDEGATE_BENCH_ROWS", "10000000"))
ROUNDS = int(os.environ.get("TIDEGATE_BENCH_ROUNDS", "5"))
DRIFT_ROWS = ROWS // 10
HOME = Path(tempfile.gettempdir()) / "tidegate-bench-build"

COLUMNS = ["id", "age", "price", "share", "country", "code"]
TEN = [
    ("expect_table_row_count_to_be_between", {"min_value": 1, "max_value": 100_000_000}),
    ("expect_table_columns_to_match_set", {"column_set": COLUMNS}),
    ("expect_column_values_to_not_be_null", {"column": "id"}),
    ("expect_column_min_to_be_between", {"column": "id", "min_value": 0, "max_value": 0}),
    ("expect_column_values_to_be_between", {"column": "age", "min_value": 0, "max_value": 120}),
    ("expect_column_mean_to_be_between", {"column": "price", "min_value": 40, "max_value": 60}),
    ("expect_column_stdev_to_be_between", {"column": "price", "min_value": 0, "max_value": 100}),
    ("expect_column_values_to_not_be_null", {"column": "share", "mostly": 0.9}),
    ("expect_column_values_to_be_in_set", {"column": "country", "value_set": ["de", "fr", "it", "es", "pl", "nl"]}),
    ("expect_column_values_to_match_regex", {"column": "code", "regex": "^[A-Z]{2}[0-9]{4}$"}),
]
UNIQUE = ("expect_column_values_to_be_unique", {"column": "id"})
QUANTILES = (
    "expect_column_quantile_values_to_be_between",
    {"column": "price", "quantile_ranges": {"quantiles": [0.5, 0.9], "value_ranges": [[40, 60], [80, 100]]}},
)
SUITES = {"ten": TEN, "ten with uniqueness": TEN[:3] + [UNIQUE] + TEN[4:], "uniqueness and quantiles": [UNIQUE, QUANTILES]}

TABLE = """
import sys, numpy as np, pyarrow as pa, pyarrow.parquet as pq
path, rows = sys.argv[1], int(sys.argv[2])
rng, writer = np.random.default_rng(1), None
for start in range(0, rows, 500_000):
    n = min(500_000, rows - start)
    share = pa.array(rng.random(n), mask=rng.integers(0, 20, n) == 0)
    table = pa.table({
        "id": np.arange(start, start + n), "age": rng.integers(0, 100, n), "price": rng.random(n) * 100, "share": share,
        "country": np.array(["de", "fr", "it", "es", "pl", "nl"])[rng.integers(0, 6, n)],
        "code": np.char.add("AB", np.char.zfill(rng.integers(0, 10_000, n).astype(str), 4)),
    })
    writer = writer or pq.ParquetWriter(path, table.schema)
    writer.write_table(table)
writer.close()
"""

DRIFT_TABLE = """
import sys, numpy as np, pyarrow as pa, pyarrow.parquet as pq
path, rows, seed = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
rng = np.random.default_rng(seed)
columns = {f"n{i}": rng.normal(0.05 * i * (seed - 1), 1, rows) for i in range(14)}
columns |= {f"c{i}": np.array(["a", "b", "c", "d", "e"])[rng.integers(0, 5 - (seed - 1) * (i % 2), rows)] for i in range(6)}
pq.write_table(pa.table(columns), path)
"""

GX = """
import sys, json, pandas as pd, great_expectations as gx
path, suite = sys.argv[1], json.load(open(sys.argv[2]))
context = gx.get_context(mode="ephemeral")
context.variables.progress_bars = {"globally": False}
batch = context.data_sources.add_pandas("p").add_dataframe_asset("a").add_batch_definition_whole_dataframe("b")
checks = gx.ExpectationSuite(name="s", expectations=suite["expectations"])
result = batch.get_batch({"dataframe": pd.read_parquet(path)}).validate(checks)
assert result.success, result
"""

POLARS = """
import sys, polars as pl
rows = pl.scan_parquet(sys.argv[1])
assert set(rows.collect_schema().names()) == {"id", "age", "price", "share", "country", "code"}
c = pl.col
found = rows.select(
    pl.len().alias("rows"), c("id").null_count().alias("id_null"), c("id").min().alias("id_min"),
    c("age").is_between(0, 120).all().alias("age"), c("price").mean().alias("mean"), c("price").std().alias("std"),
    c("share").null_count().alias("share_null"), c("country").is_in(["de", "fr", "it", "es", "pl", "nl"]).all().alias("country"),
    c("code").str.contains("^[A-Z]{2}[0-9]{4}$").all().alias("code"),
).collect(engine="streaming").row(0, named=True)
assert found["id_null"] == 0 and found["id_min"] == 0 and found["age"] and found["country"] and found["code"], found
assert 40 < found["mean"] < 60 and found["std"] < 100 and found["share_null"] <= found["rows"] * 0.1, found
"""

EVIDENTLY = """
import sys, pandas as pd
from evidently import Report
from evidently.presets import DataDriftPreset
reference, current = (pd.read_parquet(path) for path in sys.argv[1:3])
Report([DataDriftPreset()]).run(current, reference).dict()
"""


def measure(command: list[str], codes: tuple[int, ...] = (0,)) -> dict[str, float]:
    """Medians of a whole process: seconds of wall and CPU, MiB of peak memory."""
    walls, cpus, peaks = [], [], []
    for _ in range(ROUNDS):
        began = time.monotonic()
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        said = process.stderr.read()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        walls.append(time.monotonic() - began)
        if process.returncode not in codes:
            sys.exit(f"{command[0]} ended with {process.returncode}:\n{said.decode()[-2000:]}")
        cpus.append(usage.ru_utime + usage.ru_stime)
        peaks.append(usage.ru_maxrss / 1024)
    return {"wall_s": statistics.median(walls), "cpu_s": statistics.median(cpus), "peak_mib": statistics.median(peaks)}


def python_of(variable: str, what: str) -> str | None:
    found = os.environ.get(variable)
    if not found:
        print(f"{what} is not measured: {variable} does not name a Python that has it")
    return found


def generated(python: str, name: str, program: str, *arguments: str) -> Path:
    path = HOME / name
    if not path.exists():
        partial = path.with_suffix(".partial")
        subprocess.run([python, "-c", program, str(partial), *arguments], check=True)
        partial.rename(path)
    return path


def show(results: list[dict], what: str, who: str, found: dict[str, float], ours: dict[str, float] | None = None) -> None:
    ratio = found["wall_s"] / ours["wall_s"] if ours else None
    row = {"what": what, "who": who, **found, "times_ours": ratio}
    results.append(row)
    behind = f"  {ratio:6.1f} x" if ratio else ""
    print(f"{what:<34} {who:<20} {found['wall_s']:8.2f} s  {found['cpu_s']:8.2f} CPU s  {found['peak_mib']:8.0f} MiB{behind}", flush=True)


def contracts(tidegate: str, results: list[dict]) -> None:
    gx, polars = python_of("TIDEGATE_TEST_GX", "Great Expectations"), python_of("TIDEGATE_TEST_POLARS", "Polars")
    maker = gx or sys.executable
    table = generated(maker, f"table-{ROWS}.parquet", TABLE, str(ROWS))
    for name, checks in SUITES.items():
        suite = HOME / f"{name.replace(' ', '-')}.json"
        suite.write_text(json.dumps({"name": name, "expectations": [{"type": kind, "kwargs": kwargs} for kind, kwargs in checks]}))
        what = f"{name}, {ROWS:,} rows"
        ours = measure([tidegate, "check", "--data", str(table), "--contract", str(suite)])
        show(results, what, "tidegate", ours)
        if name == "uniqueness and quantiles":
            large = generated(maker, f"table-{4 * ROWS}.parquet", TABLE, str(4 * ROWS))
            show(results, f"{name}, {4 * ROWS:,} rows", "tidegate", measure([tidegate, "check", "--data", str(large), "--contract", str(suite)]))
            continue
        if gx:
            show(results, what, "Great Expectations", measure([gx, "-c", GX, str(table), str(suite)]), ours)
        if polars and name == "ten":
            show(results, what, "Polars, by hand", measure([polars, "-c", POLARS, str(table)]), ours)


def drift(tidegate: str, results: list[dict]) -> None:
    evidently = python_of("TIDEGATE_TEST_EVIDENTLY", "Evidently")
    maker = evidently or sys.executable
    tables = [str(generated(maker, f"drift-{seed}-{DRIFT_ROWS}.parquet", DRIFT_TABLE, str(DRIFT_ROWS), str(seed))) for seed in (1, 2)]
    what = f"drift, 2 x {DRIFT_ROWS:,} rows x 20"
    ours = measure([tidegate, "drift", *tables], (0, 1))
    show(results, what, "tidegate", ours)
    if evidently:
        show(results, what, "Evidently", measure([evidently, "-c", EVIDENTLY, *tables]), ours)


PARTS = {"contracts": contracts, "drift": drift}


def main() -> None:
    tidegate, *parts = sys.argv[1:]
    HOME.mkdir(exist_ok=True)
    results: list[dict] = []
    for part in parts:
        PARTS[part](tidegate, results)
    print(json.dumps({"rounds": ROUNDS, "results": results}))


if __name__ == "__main__":
    main()
