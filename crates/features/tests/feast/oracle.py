"""What Feast says of random tables: each a line of JSON with the tables and what both of its local stores join to their rows, by its default and with
`filter_by_created_timestamp`. Times are microseconds since 1970."""

import json
import logging
import pathlib
import random
import sys
import tempfile
import warnings

warnings.filterwarnings("ignore")
logging.disable(logging.WARNING)

import pandas as pd
from datetime import timedelta
import stores
from feast import Entity, FeatureView, Field, FileSource, ValueType
from feast.types import Float64

TABLES = int(sys.argv[1])
BEGIN = 1_790_000_000_000_000
MINUTE = 60_000_000


def times(values, zone="UTC"):
    return pd.Series(pd.to_datetime(values, unit="us", utc=True)).dt.tz_convert(zone).astype(f"datetime64[us, {zone}]")


def rows(rng, many, regions):
    """Rows of features with ties in both times, late and unknown times of writing, and nulls; rows that tie in everything have one value."""
    made = []
    for _ in range(many):
        event = BEGIN + rng.randrange(40) * MINUTE + rng.choice([0, 0, 0, 1])
        created = event + rng.choice([0, 0, 1, MINUTE, 7 * MINUTE, 90 * MINUTE])
        made.append({"driver": rng.randrange(5), "event": event, "created": None if rng.random() < 0.05 else created})
        if regions:
            made[-1]["region"] = rng.choice(["north", "south", "östlich"])
    seen = {}
    for row in made:
        of = tuple(row.get(name) for name in ("driver", "region", "event", "created"))
        row["value"] = seen.setdefault(of, None if rng.random() < 0.1 else float(len(seen)) + 0.5)
    return made


def join(folder, offline, entities, views, strict):
    store = stores.opened(folder, offline)
    driver = Entity(name="driver", join_keys=["driver"], value_type=ValueType.INT64)
    region = Entity(name="region", join_keys=["region"], value_type=ValueType.STRING)
    made = []
    for name, view in views.items():
        source = FileSource(path=str(folder / f"{name}.parquet"), timestamp_field="event", created_timestamp_column="created")
        keys = [driver, region] if view["regions"] else [driver]
        ttl = timedelta(microseconds=view["ttl"])
        made.append(FeatureView(name=name, entities=keys, ttl=ttl, schema=[Field(name=f"value_{name}", dtype=Float64)], source=source))
    store.apply([driver, region, *made])
    got = store.get_historical_features(
        entity_df=entities, features=[f"{name}:value_{name}" for name in views], filter_by_created_timestamp=strict
    ).to_df()
    answer = []
    for row in got.to_dict("records"):
        values = [None if pd.isna(row[f"value_{name}"]) else row[f"value_{name}"] for name in views]
        at = int(row["event_timestamp"].tz_convert("UTC").value // 1000)
        answer.append([int(row["driver"]), row["region"], at, values])
    return answer


def table(rng, folder):
    views = {}
    for name, regions in (("one", False), ("two", True)):
        ttl = rng.choice([0, 5 * MINUTE, 20 * MINUTE])
        made = rows(rng, rng.randrange(1, 60), regions)
        views[name] = {"regions": regions, "ttl": ttl, "rows": made}
        frame = pd.DataFrame({"driver": [row["driver"] for row in made]})
        if regions:
            frame["region"] = [row["region"] for row in made]
        frame["event"] = times([row["event"] for row in made])
        frame["created"] = times([row["created"] for row in made])
        frame[f"value_{name}"] = pd.Series([row["value"] for row in made], dtype="float64")
        frame.to_parquet(folder / f"{name}.parquet")
    entities = [
        {
            "driver": rng.randrange(6),
            "region": rng.choice(["north", "south", "östlich", "west"]),
            "at": BEGIN + rng.randrange(-5, 60) * MINUTE + rng.choice([0, 0, 1, -1]),
        }
        for _ in range(rng.randrange(2, 50))
    ]
    frame = pd.DataFrame(entities)
    frame["event_timestamp"] = times(list(frame.pop("at")), rng.choice(["UTC", "Europe/Berlin", "America/New_York"]))
    answers = {
        f"{offline}_{'strict' if strict else 'default'}": join(folder, offline, frame, views, strict)
        for offline in ("dask", "duckdb")
        for strict in (False, True)
    }
    return {"views": list(views.values()), "entities": entities, "answers": answers}


rng = random.Random(5)
for _ in range(TABLES):
    with tempfile.TemporaryDirectory() as folder:
        print(json.dumps(table(rng, pathlib.Path(folder))), flush=True)
