"""Microseconds of the libraries' own predict, on one thread, and the models and rows for ours.

    python speed.py FOLDER
    cargo run --release -p tidegate-runtime --example trees -- FOLDER
"""

import statistics
import sys
import time
from pathlib import Path

import lightgbm as lgb
import numpy as np
import xgboost as xgb

OUT = Path(sys.argv[1])
OUT.mkdir(parents=True, exist_ok=True)
RNG = np.random.default_rng(5)
X = RNG.normal(size=(20_000, 28)).astype(np.float32)
X[RNG.random(X.shape) < 0.05] = np.nan
Z = np.nan_to_num(X)
Y = (Z[:, 0] + Z[:, 1] * Z[:, 2] + np.sin(Z[:, 3] * 2) + RNG.normal(size=len(Z)) > 0).astype(int)


def timed_us(predict, rows, times: int) -> list[float]:
    each = []
    for turn in range(times + times // 10):
        start = time.perf_counter()
        predict(rows)
        each.append((time.perf_counter() - start) * 1e6)
    return each[times // 10 :]


def tell(name: str, predict, rows: np.ndarray) -> None:
    for count, times in [(1, 2000), (1000, 100)]:
        each = timed_us(predict, rows[:count], times)
        least, median = min(each), statistics.median(each)
        print(f"{name:<32} {count:>5} rows  least {least:10.1f} us, {least / count:8.2f} us a row; median {median:10.1f} us", flush=True)


X.astype("<f4").tofile(OUT / "rows.f4")
for trees, depth in [(100, 6), (500, 8)]:
    model = xgb.train({"objective": "binary:logistic", "max_depth": depth, "nthread": 1}, xgb.DMatrix(X, Y), trees)
    model.save_model(OUT / f"xgboost-{trees}x{depth}.ubj")
    tell(f"xgboost-{trees}x{depth} inplace_predict", model.inplace_predict, X)
    tell(f"xgboost-{trees}x{depth} predict(DMatrix)", lambda rows, model=model: model.predict(xgb.DMatrix(rows, nthread=1)), X)
    params = {"objective": "binary", "num_leaves": 2**depth, "num_threads": 1, "verbose": -1}
    model = lgb.train(params, lgb.Dataset(X.astype(np.float64), Y), trees)
    model.save_model(OUT / f"lightgbm-{trees}x{depth}.txt")
    tell(f"lightgbm-{trees}x{depth} predict", lambda rows, model=model: model.predict(rows, num_threads=1), X.astype(np.float64))
