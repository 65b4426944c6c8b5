"""Scores of the real Evidently, and measures of the real Fairlearn, for the columns on standard input."""

import json
import math
import sys
import warnings

import numpy as np
import pandas as pd

warnings.filterwarnings("ignore")

from evidently.legacy.calculations.stattests import get_stattest
from evidently.legacy.core import ColumnType
import fairlearn.metrics as fair

# The exact law of Cramer and von Mises is counted in the narrowest integers that could hold it; under NumPy 2 that fails in
# Evidently and rounds to half precision in SciPy. Wide integers give the law itself.
np.min_scalar_type = lambda _: np.dtype("int64")


def series(column):
    values = column["values"]
    if column["type"] == "numbers":
        dtype = "int64" if column["whole"] else "float64"
        made = pd.Series([float("nan") if v is None else v for v in values], dtype="float64")
        made = made.replace([math.inf, -math.inf], float("nan")).dropna()
        return made.astype(dtype)
    return pd.Series(values, dtype="object").dropna()


def score(case, method):
    kind = ColumnType.Numerical if case["reference"]["type"] == "numbers" else ColumnType.Categorical
    reference, current = series(case["reference"]), series(case["current"])
    try:
        test = get_stattest(reference, current, kind, method)
        found = test(reference.copy(), current.copy(), kind, None)
    except (ValueError, ZeroDivisionError) as error:
        return {"error": str(error)}
    value = float(found.drift_score)
    if math.isnan(value):
        return {"error": "nan"}
    return {"name": test.name, "label": test.display_name, "score": value, "threshold": found.actual_threshold, "drifted": bool(found.drifted)}


def fairness(case):
    truth, decided, group = case["labels"], case["decisions"], case["groups"]
    names = [
        "demographic_parity_difference",
        "demographic_parity_ratio",
        "equal_opportunity_difference",
        "equal_opportunity_ratio",
        "equalized_odds_difference",
        "equalized_odds_ratio",
    ]
    return {n: float(getattr(fair, n)(truth, decided, sensitive_features=group)) for n in names}


asked = json.load(sys.stdin)
answer = {
    "drift": [{m: score(case, m if m != "default" else None) for m in case["methods"]} for case in asked["drift"]],
    "fairness": [fairness(case) for case in asked["fairness"]],
}
json.dump(answer, sys.stdout)
