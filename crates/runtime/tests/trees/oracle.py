"""Models of XGBoost and LightGBM in every form that is served, and what those libraries predict with them.

    python oracle.py FOLDER [ROWS]

Writes FOLDER/cases.json, and for each case the model, the rows and the predictions, as numbers row after row.
"""

import json
import sys
from pathlib import Path

import lightgbm as lgb
import numpy as np
import xgboost as xgb

OUT = Path(sys.argv[1])
ROWS = int(sys.argv[2]) if len(sys.argv) > 2 else 10_000
TRAIN = 2_000
# Rows of which contributions are written too.
EXPLAINED = 50
FEATURES = 12
CATEGORICAL = [10, 11]
CASES = []


def table(seed: int, rows: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(rows, FEATURES)).astype(np.float32)
    x[:, 1] = np.round(x[:, 1], 1)
    x[:, 2] = rng.choice([0.0, 0.0, 1.0, 2.5, -3.0], rows)
    x[:, 3] *= 1e6
    x[:, 4] *= 1e-6
    x[:, 10] = rng.integers(0, 9, rows)
    x[:, 11] = rng.integers(0, 70, rows)
    x[rng.random(x.shape) < 0.1] = np.nan
    return x


def target(x: np.ndarray) -> np.ndarray:
    z = np.nan_to_num(x, nan=0.3)
    return np.sin(z[:, 0]) + 0.5 * z[:, 1] * z[:, 2] + z[:, 3] / 1e6 + (z[:, 10] % 3) - 0.8 * (z[:, 11] % 4 == 1) + 0.3 * z[:, 5] * z[:, 6]


X, TEST = table(1, TRAIN), table(2, ROWS)
Y = target(X)
BINARY, CLASSES = (Y > 0.5).astype(int), np.digitize(Y, [-1, 0, 1, 2])
COUNTS, POSITIVE = np.floor(np.abs(Y) * 3), np.abs(Y) + 0.1


def case(name: str, model: str, rows: np.ndarray, predictions: np.ndarray, **more) -> None:
    kind = "<f4" if rows.dtype == np.float32 else "<f8"
    (OUT / f"{name}.rows").write_bytes(rows.astype(kind).tobytes())
    (OUT / f"{name}.predictions").write_bytes(np.asarray(predictions).astype(kind).tobytes())
    CASES.append({"name": name, "model": model, "features": rows.shape[1], "shape": list(np.shape(predictions)), **more})


# XGBoost.

KINDS = ["c" if i in CATEGORICAL else "q" for i in range(FEATURES)]


def boosted(name: str, objective: str, y, rounds: int = 20, categorical: bool = False, forms=("json", "ubj"), group=None, label=True, **params) -> None:
    kinds = {"feature_types": KINDS, "enable_categorical": True} if categorical else {}
    train = xgb.DMatrix(X, y if label else None, **kinds)
    if group is not None:
        train.set_group(group)
    if not label:
        train.set_float_info("label_lower_bound", POSITIVE)
        train.set_float_info("label_upper_bound", POSITIVE + 1)
    model = xgb.train({"objective": objective, "max_depth": 5, "seed": 7, "nthread": 1, **params}, train, rounds)
    predictions = model.predict(xgb.DMatrix(TEST, **kinds))
    for form in forms:
        model.save_model(OUT / f"{name}.{form}")
        case(f"{name}.{form}", f"{name}.{form}", TEST, predictions)
    explained = model.predict(xgb.DMatrix(TEST[:EXPLAINED], **kinds), pred_contribs=True)
    (OUT / f"{name}.{forms[-1]}.contributions").write_bytes(explained.astype("<f8").tobytes())


def all_of_xgboost() -> None:
    for objective, y in [
        ("reg:squarederror", Y),
        ("reg:squaredlogerror", POSITIVE),
        ("reg:pseudohubererror", Y),
        ("reg:absoluteerror", Y),
        ("reg:logistic", BINARY),
        ("binary:logistic", BINARY),
        ("binary:logitraw", BINARY),
        ("binary:hinge", BINARY),
        ("count:poisson", COUNTS),
        ("reg:gamma", POSITIVE),
        ("reg:tweedie", POSITIVE),
        ("survival:cox", POSITIVE),
    ]:
        boosted("xgb-" + objective.replace(":", "-"), objective, y)
    for objective in ["multi:softprob", "multi:softmax"]:
        boosted("xgb-" + objective.replace(":", "-"), objective, CLASSES, num_class=5)
    groups = np.full(TRAIN // 20, 20)
    for objective in ["rank:pairwise", "rank:ndcg", "rank:map"]:
        boosted("xgb-" + objective.replace(":", "-"), objective, BINARY, group=groups)
    boosted("xgb-survival-aft", "survival:aft", None, label=False)
    boosted("xgb-quantiles", "reg:quantileerror", Y, quantile_alpha=np.array([0.1, 0.5, 0.9]))
    boosted("xgb-targets", "reg:squarederror", np.stack([Y, POSITIVE], 1))
    boosted("xgb-base", "binary:logistic", BINARY, base_score=0.2)
    boosted("xgb-all-alike", "binary:logistic", np.ones(TRAIN))
    boosted("xgb-categories", "binary:logistic", BINARY, categorical=True, max_cat_to_onehot=4)
    boosted("xgb-one-category", "reg:squarederror", Y, categorical=True, max_cat_to_onehot=100)
    boosted("xgb-leafwise", "reg:squarederror", Y, grow_policy="lossguide", max_leaves=200, max_depth=0, rounds=50)
    boosted("xgb-pruned", "reg:squarederror", Y, tree_method="exact", gamma=1.0)
    boosted("xgb-parallel", "multi:softprob", CLASSES, num_class=5, num_parallel_tree=3, subsample=0.5)
    boosted("xgb-dart", "binary:logistic", BINARY, booster="dart", rate_drop=0.3, rounds=40)
    boosted("xgb-dart-classes", "multi:softprob", CLASSES, booster="dart", rate_drop=0.3, num_class=5)
    boosted("xgb-linear", "reg:squarederror", Y, booster="gblinear")
    boosted("xgb-linear-classes", "multi:softprob", CLASSES, booster="gblinear", num_class=5, base_score=0.5)
    boosted("xgb-linear-logistic", "binary:logistic", BINARY, booster="gblinear")
    for name, y, kind in [("xgb-stopped", BINARY, xgb.XGBClassifier), ("xgb-stopped-classes", CLASSES, xgb.XGBClassifier)]:
        model = kind(n_estimators=200, early_stopping_rounds=5, learning_rate=0.8, max_depth=4, num_parallel_tree=2, n_jobs=1)
        model.fit(X[:1500], y[:1500], eval_set=[(X[1500:], y[1500:])], verbose=False)
        assert model.best_iteration + 1 < model.get_booster().num_boosted_rounds()
        predictions = model.predict_proba(TEST)
        model.save_model(OUT / f"{name}.ubj")
        case(name, f"{name}.ubj", TEST, predictions[:, 1].copy() if name == "xgb-stopped" else predictions)


# LightGBM.


def lights(name: str, objective: str, y, rounds: int = 20, rows=TEST, data=X, group=None, **params) -> None:
    categorical = params.pop("categorical", None)
    fixed = {"objective": objective, "num_leaves": 31, "verbose": -1, "seed": 7, "num_threads": 1, "min_data_in_leaf": 5}
    train = lgb.Dataset(data.astype(np.float64), y, group=group, categorical_feature=categorical or "auto", free_raw_data=False, params={"verbose": -1})
    model = lgb.train({**fixed, **params}, train, rounds)
    model.save_model(OUT / f"{name}.txt")
    rows = rows.astype(np.float64)
    case(name, f"{name}.txt", rows, model.predict(rows))
    if not params.get("linear_tree"):
        explained = model.predict(rows[:EXPLAINED], pred_contrib=True)
        (OUT / f"{name}.contributions").write_bytes(np.asarray(explained, dtype="<f8").tobytes())


def all_of_lightgbm() -> None:
    for objective, y in [
        ("regression", Y),
        ("regression_l1", Y),
        ("huber", Y),
        ("fair", Y),
        ("quantile", Y),
        ("mape", Y),
        ("poisson", COUNTS),
        ("gamma", POSITIVE),
        ("tweedie", POSITIVE),
        ("binary", BINARY),
        ("cross_entropy", BINARY),
        ("cross_entropy_lambda", BINARY),
    ]:
        lights("lgb-" + objective, objective, y)
    for objective in ["multiclass", "multiclassova"]:
        lights("lgb-" + objective, objective, CLASSES, num_class=5)
    groups = np.full(TRAIN // 20, 20)
    for objective in ["lambdarank", "rank_xendcg"]:
        lights("lgb-" + objective, objective, BINARY, group=groups)
    lights("lgb-sqrt", "regression", Y * 5, reg_sqrt=True)
    lights("lgb-l1-sqrt", "regression_l1", Y * 5, reg_sqrt=True)
    lights("lgb-sigmoid", "binary", BINARY, sigmoid=0.7)
    lights("lgb-ova-sigmoid", "multiclassova", CLASSES, num_class=5, sigmoid=1.7)
    lights("lgb-forest", "regression", Y, boosting="rf", bagging_fraction=0.6, bagging_freq=1)
    lights("lgb-forest-binary", "binary", BINARY, boosting="rf", bagging_fraction=0.6, bagging_freq=1)
    lights("lgb-forest-classes", "multiclass", CLASSES, num_class=5, boosting="rf", bagging_fraction=0.6, bagging_freq=1)
    lights("lgb-dart", "binary", BINARY, boosting="dart")
    lights("lgb-zero", "binary", BINARY, zero_as_missing=True)
    lights("lgb-no-missing", "binary", BINARY, use_missing=False)
    lights("lgb-categories", "binary", BINARY, categorical=CATEGORICAL, max_cat_to_onehot=4, min_data_per_group=5)
    for name, params in [("lgb-categories-no-missing", {"use_missing": False}), ("lgb-categories-zero", {"zero_as_missing": True})]:
        lights(name, "binary", BINARY, categorical=CATEGORICAL, max_cat_to_onehot=4, min_data_per_group=5, **params)
    odd = TEST.copy()
    odd[::3, 10] = -0.5
    odd[1::3, 10] = -3
    odd[2::3, 11] = 5e9
    odd[::5, 11] = 33.9
    odd[::7, 0] = np.inf
    odd[1::7, 0] = -np.inf
    odd[::4, 2] = 1e-36
    odd[1::4, 2] = -1e-36
    lights("lgb-odd-values", "binary", BINARY, rows=odd, categorical=CATEGORICAL, max_cat_to_onehot=4, min_data_per_group=5)
    lights("lgb-odd-zeros", "binary", BINARY, rows=odd, zero_as_missing=True)
    lights("lgb-linear", "regression", Y, linear_tree=True)
    lights("lgb-linear-binary", "binary", BINARY, linear_tree=True, categorical=CATEGORICAL)
    lights("lgb-own-objective", lambda predicted, train: (predicted - train.get_label(), np.ones(TRAIN)), Y)
    lights("lgb-constant", "regression", np.full(TRAIN, 3.25), rounds=3)


OUT.mkdir(parents=True, exist_ok=True)
all_of_xgboost()
all_of_lightgbm()
versions = {"xgboost": xgb.__version__, "lightgbm": lgb.__version__}
(OUT / "cases.json").write_text(json.dumps({"versions": versions, "rows": ROWS, "cases": CASES}))
