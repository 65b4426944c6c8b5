"""Joins as of a time beside Feast's, in one run: the same files, a million rows of entities; each from files to a file.

Ours is the whole command, from the start of its process. Feast's time is that of `get_historical_features(..).to_df()` with the reading of the
entity rows and the writing of the result, in a process that has imported it and applied its definitions already."""

import json
import logging
import os
import pathlib
import resource
import statistics
import subprocess
import sys
import tempfile
import time
import warnings

warnings.filterwarnings("ignore")
logging.disable(logging.WARNING)
os.environ["FEAST_USAGE"] = "False"

import numpy as np
import pandas as pd
from datetime import timedelta
from feast import Entity, FeatureView, Field, FileSource, ValueType
from feast.types import Float64, Int64

sys.path.append(str(pathlib.Path(__file__).resolve().parents[1] / "crates/features/tests/feast"))
import stores

TIDEGATE = sys.argv[1]
ROWS = int(sys.argv[2]) if len(sys.argv) > 2 else 1_000_000
ROUNDS = int(sys.argv[3]) if len(sys.argv) > 3 else 3
PER_KEY = 10
TTL = timedelta(days=7)


def tables(folder):
    rng = np.random.default_rng(9)
    keys = ROWS // PER_KEY
    begin = pd.Timestamp("2026-01-01", tz="UTC")

    def at(many):
        return begin + pd.to_timedelta(rng.integers(0, 30 * 86_400_000, many), unit="ms")

    event = at(ROWS)
    source = pd.DataFrame(
        {
            "driver_id": rng.integers(0, keys, ROWS),
            "event_timestamp": event.astype("datetime64[us, UTC]"),
            "created": (event + pd.to_timedelta(rng.integers(0, 3_600_000, ROWS), unit="ms")).astype("datetime64[us, UTC]"),
            "conv_rate": rng.random(ROWS),
            "acc_rate": rng.random(ROWS),
            "trips": rng.integers(0, 1000, ROWS),
        }
    )
    source.to_parquet(folder / "stats.parquet")
    entities = pd.DataFrame({"driver_id": rng.integers(0, keys, ROWS), "event_timestamp": at(ROWS).astype("datetime64[us, UTC]"), "label": rng.integers(0, 2, ROWS)})
    entities.to_parquet(folder / "entities.parquet")


def store(folder, offline):
    made = stores.opened(folder, offline)
    driver = Entity(name="driver", join_keys=["driver_id"], value_type=ValueType.INT64)
    source = FileSource(path=str(folder / "stats.parquet"), timestamp_field="event_timestamp", created_timestamp_column="created")
    schema = [Field(name="conv_rate", dtype=Float64), Field(name="acc_rate", dtype=Float64), Field(name="trips", dtype=Int64)]
    made.apply([driver, FeatureView(name="stats", entities=[driver], ttl=TTL, schema=schema, source=source)])
    return made


def used(whose):
    """Seconds of processors."""
    of = resource.getrusage(whose)
    return of.ru_utime + of.ru_stime


def feast(made, folder, out, strict):
    begin, cpu = time.perf_counter(), used(resource.RUSAGE_SELF)
    entities = pd.read_parquet(folder / "entities.parquet")
    features = ["stats:conv_rate", "stats:acc_rate", "stats:trips"]
    got = made.get_historical_features(entity_df=entities, features=features, filter_by_created_timestamp=strict).to_df()
    got.to_parquet(out)
    return time.perf_counter() - begin, used(resource.RUSAGE_SELF) - cpu


def ours(folder, out, strict):
    command = [TIDEGATE, "-C", str(folder), "features", "join", "--entities", "entities.parquet", "--view", "stats", "--out", out.name]
    begin, cpu = time.perf_counter(), used(resource.RUSAGE_CHILDREN)
    subprocess.run(command + ([] if strict else ["--feast"]), check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - begin, used(resource.RUSAGE_CHILDREN) - cpu


def same(one, other):
    """Whether two answers hold the same rows, in any order."""
    order = ["driver_id", "event_timestamp", "label", "conv_rate", "acc_rate", "trips"]
    tables = []
    for path in (one, other):
        table = pd.read_parquet(path)
        table.columns = [name.removeprefix("stats__") for name in table.columns]
        table["trips"] = table["trips"].astype("float64")
        table["event_timestamp"] = table["event_timestamp"].astype("datetime64[us, UTC]")
        tables.append(table[order].sort_values(order, kind="stable").reset_index(drop=True))
    return len(tables[0]) == len(tables[1]) and tables[0].equals(tables[1])


def main():
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        tables(folder)
        (folder / "tidegate.yaml").write_text(
            "version: 1\nworkspace: bench\nfeatures:\n  stats:\n    file: stats.parquet\n    entity: driver_id\n    created: created\n"
            "    columns: [conv_rate, acc_rate, trips]\n    ttl: 7d\n"
        )
        subprocess.run(["git", "init", "-q", name], check=False)
        stores = {offline: store(folder, offline) for offline in ("dask", "duckdb")}
        times = {}
        for _ in range(ROUNDS):
            for rule in ("feast", "strict"):
                strict = rule == "strict"
                times.setdefault(("tidegate", rule), []).append(ours(folder, folder / f"ours_{rule}.parquet", strict))
                for offline, made in stores.items():
                    times.setdefault((offline, rule), []).append(feast(made, folder, folder / f"{offline}_{rule}.parquet", strict))
        for (who, rule), runs in times.items():
            (wall, cpu), (our_wall, our_cpu) = (
                [statistics.median([run[part] for run in times[of, rule]]) for part in (0, 1)] for of in (who, "tidegate")
            )
            print(f"{rule:6} {who:8} {wall:7.2f} s, {wall / our_wall:6.1f} x ours; of processors {cpu:7.2f} s, {cpu / our_cpu:6.1f} x ours", flush=True)
        for rule in ("feast", "strict"):
            print(f"{rule}: the rows of Feast on DuckDB are ours: {same(folder / f'duckdb_{rule}.parquet', folder / f'ours_{rule}.parquet')}")
        print(json.dumps({f"{who}/{rule}": runs for (who, rule), runs in times.items()}))


main()
