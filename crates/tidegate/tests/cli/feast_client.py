"""A stock client of Feast that reads features online from a server: `feast_client.py ADDRESS`, its token in FEATURES_TOKEN. Prints what it got as JSON."""

import json
import logging
import pathlib
import sys
import tempfile
import warnings

warnings.filterwarnings("ignore")
logging.disable(logging.WARNING)

import pandas as pd
from feast import Entity, FeatureStore, FeatureView, Field, FileSource, RepoConfig, ValueType
from feast.types import Float64, Int64, String

with tempfile.TemporaryDirectory() as name:
    folder = pathlib.Path(name)
    table = {"service": ["x"], "event_timestamp": pd.to_datetime(["2026-01-01"], utc=True), "deploys": [1], "last_outcome": ["x"], "hourly": [1.5]}
    pd.DataFrame(table).to_parquet(folder / "none.parquet")
    common = dict(project="client", provider="local", registry=str(folder / "registry.db"), entity_key_serialization_version=3)
    local = FeatureStore(config=RepoConfig(**common, online_store={"type": "sqlite", "path": str(folder / "o.db")}))
    service = Entity(name="service", join_keys=["service"], value_type=ValueType.STRING)
    source = FileSource(path=str(folder / "none.parquet"), timestamp_field="event_timestamp")
    schema = [Field(name="deploys", dtype=Int64), Field(name="last_outcome", dtype=String), Field(name="hourly", dtype=Float64)]
    local.apply([service, FeatureView(name="delivery", entities=[service], schema=schema, source=source)])
    remote = FeatureStore(
        config=RepoConfig(
            **common,
            online_store={"type": "remote", "path": sys.argv[1]},
            auth={"type": "oidc", "token_env_var": "FEATURES_TOKEN"},
        )
    )
    features = ["delivery:deploys", "delivery:last_outcome", "delivery:hourly"]
    rows = [{"service": "shop"}, {"service": "nobody"}]
    print(json.dumps(remote.get_online_features(features=features, entity_rows=rows).to_dict()))
