"""Model inputs of every flight, computed for training. Serving computes them from raw records (serving/transform.yaml)."""

from pathlib import Path

import pandas as pd

from common import flown

CARRIERS = ["9E", "AA", "AS", "B6", "DL", "EV", "F9", "FL", "HA", "MQ", "OO", "UA", "US", "VX", "WN", "YV"]
ORIGINS = ["EWR", "JFK", "LGA"]
# What a record without weather is taken to have met: the median hour of January to April.
CALM = {"wind_speed": 10.35702, "visib": 10.0, "precip": 0.0}


def main() -> None:
    flights = flown()
    dests = sorted(flights["dest"].unique())
    out = pd.DataFrame(
        {
            "id": flights["id"],
            "sched_dep": flights["sched_dep"],
            "late": flights["late"],
            "carrier": flights["carrier"],
            "dep_delay": flights["dep_delay"].astype("float32"),
            "distance": flights["distance"].astype("float32"),
            "dep_minute": (flights["sched_dep"].dt.hour * 60 + flights["sched_dep"].dt.minute).astype("float32"),
            "carrier_code": flights["carrier"].map(CARRIERS.index).astype("float32"),
            "origin_code": flights["origin"].map(ORIGINS.index).astype("float32"),
            "dest_code": flights["dest"].map({d: i for i, d in enumerate(dests)}).astype("float32"),
            "weekday": flights["sched_dep"].dt.day_of_week.astype("float32"),
            "sched_minutes": flights["sched_minutes"].astype("float32"),
            **{name: flights[name].fillna(calm).astype("float32") for name, calm in CALM.items()},
        }
    )
    Path("features").mkdir(exist_ok=True)
    out.to_parquet("features/features.parquet", index=False)


if __name__ == "__main__":
    main()
