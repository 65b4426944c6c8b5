"""The raw records that the serving side gets, one a flight, as they are known at departure, with the label that comes later."""

from pathlib import Path

from common import WEATHER, flown

FIELDS = ["id", "sched_dep", "sched_arr", "dest_zone", "carrier", "origin", "dest", "distance", "dep_delay", *WEATHER, "late"]


def main() -> None:
    flights = flown()
    out = flights[FIELDS].copy()
    for column in ["sched_dep", "sched_arr"]:
        out[column] = out[column].dt.strftime("%Y-%m-%dT%H:%M:%S")
    out["distance"] = out["distance"].astype("float64")
    out["dep_delay"] = out["dep_delay"].astype("float64")
    Path("records").mkdir(exist_ok=True)
    out.to_parquet("records/records.parquet", index=False)


if __name__ == "__main__":
    main()
