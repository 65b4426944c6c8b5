"""What the stages share: the flights joined with weather and time zones, in the order of departure."""

from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd

NEW_YORK = "America/New_York"
# Airports outside the airport list: Puerto Rico and the Virgin Islands.
OTHER_ZONES = {"BQN": "America/Puerto_Rico", "PSE": "America/Puerto_Rico", "SJU": "America/Puerto_Rico", "STT": "America/St_Thomas"}
WEATHER = ["wind_speed", "visib", "precip"]
LATE_MINUTES = 15


def clock(day: pd.Series, hhmm: pd.Series) -> pd.Series:
    """A local instant from a date and a time written as 1745."""
    return day + pd.to_timedelta((hhmm // 100) * 60 + hhmm % 100, unit="m")


def utc(local: pd.Series, zone: pd.Series) -> pd.Series:
    """Local instants of the named zones as UTC, without a zone."""
    out = pd.Series(pd.NaT, index=local.index, dtype="datetime64[ns]")
    for name, rows in local.groupby(zone):
        there = rows.dt.tz_localize(ZoneInfo(name), ambiguous=True, nonexistent="shift_forward")
        out.loc[rows.index] = there.dt.tz_convert("UTC").dt.tz_localize(None).astype("datetime64[ns]")
    return out


def flown() -> pd.DataFrame:
    """Every flight that left and arrived, with its weather (absent in some hours) and zones."""
    flights = pd.read_parquet("data/flights.parquet")
    flights = flights[flights["arr_delay"].notna() & flights["dep_delay"].notna()]
    weather = pd.read_parquet("data/weather.parquet")[["origin", "time_hour", *WEATHER]]
    weather = weather.drop_duplicates(["origin", "time_hour"])
    zones = pd.read_parquet("data/airports.parquet").set_index("faa")["tzone"].to_dict() | OTHER_ZONES

    day = pd.to_datetime(flights[["year", "month", "day"]])
    flights = flights.assign(
        dest_zone=flights["dest"].map(zones),
        sched_dep=clock(day, flights["sched_dep_time"]),
        sched_arr=clock(day, flights["sched_arr_time"]),
        late=(flights["arr_delay"].astype("float64") > LATE_MINUTES).astype("int8"),
    )
    flights = flights.merge(weather, on=["origin", "time_hour"], how="left")
    origin_zone = pd.Series(NEW_YORK, index=flights.index)
    minutes = (utc(flights["sched_arr"], flights["dest_zone"]) - utc(flights["sched_dep"], origin_zone)).dt.total_seconds() / 60
    # The timetable gives a clock time; one before the departure is of the day after.
    overnight = minutes < 0
    flights.loc[overnight, "sched_arr"] += pd.Timedelta(days=1)
    flights["sched_minutes"] = np.where(overnight, minutes + 24 * 60, minutes)
    return flights.sort_values(["sched_dep", "id"], kind="stable").reset_index(drop=True)
