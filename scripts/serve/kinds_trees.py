"""XGBoost and LightGBM: their own files, and the same models as onnxmltools exports them."""

import lightgbm
import numpy as np
import xgboost
from onnxmltools import convert_lightgbm, convert_xgboost
from onnxmltools.convert.common.data_types import FloatTensorType

SIZE = {"n_estimators": 40, "max_depth": 4}


def _models():
    """Name, model, its truth, whether it is XGBoost's."""
    x, light = xgboost, lightgbm
    quiet = {**SIZE, "verbose": -1, "min_child_samples": 5}
    yield "XGBClassifier, two classes", x.XGBClassifier(**SIZE), "two"
    yield "XGBClassifier, three classes", x.XGBClassifier(**SIZE), "three"
    yield "XGBClassifier, dart", x.XGBClassifier(**SIZE, booster="dart", rate_drop=0.1), "two"
    yield "XGBRFClassifier", x.XGBRFClassifier(**SIZE), "two"
    yield "XGBRegressor", x.XGBRegressor(**SIZE), "number"
    yield "XGBRegressor, gamma", x.XGBRegressor(**SIZE, objective="reg:gamma"), "positive"
    yield "XGBRegressor, Poisson", x.XGBRegressor(**SIZE, objective="count:poisson"), "positive"
    yield "XGBRegressor, linear booster", x.XGBRegressor(n_estimators=40, booster="gblinear"), "number"
    yield "XGBRegressor, two targets", x.XGBRegressor(**SIZE), "numbers"
    yield "XGBRFRegressor", x.XGBRFRegressor(**SIZE), "number"
    yield "XGBRanker", x.XGBRanker(**SIZE), "rank"
    yield "LGBMClassifier, two classes", light.LGBMClassifier(**quiet), "two"
    yield "LGBMClassifier, three classes", light.LGBMClassifier(**quiet), "three"
    yield "LGBMClassifier, dart", light.LGBMClassifier(**quiet, boosting_type="dart"), "two"
    yield "LGBMClassifier, random forest", light.LGBMClassifier(**quiet, boosting_type="rf", bagging_freq=1, bagging_fraction=0.7), "two"
    yield "LGBMRegressor", light.LGBMRegressor(**quiet), "number"
    yield "LGBMRegressor, Poisson", light.LGBMRegressor(**quiet, objective="poisson"), "positive"
    yield "LGBMRegressor, quantile", light.LGBMRegressor(**quiet, objective="quantile", alpha=0.9), "number"
    yield "LGBMRegressor, linear trees", light.LGBMRegressor(**quiet, linear_tree=True), "number"
    yield "LGBMRanker", light.LGBMRanker(**quiet), "rank"


def _fitted(model, x, truths, truth):
    if truth != "rank":
        return model.fit(x, truths[truth])
    groups = np.full(len(x) // 20, 20)
    return model.fit(x, truths["three"], group=groups)


def cases(trained, asked, truths, folder):
    """Name, form, what is known of it: file, inputs and what the library says, or why there is no file."""
    for at, (name, model, truth) in enumerate(_models()):
        _fitted(model, trained["missing"], truths, truth)
        x = asked["missing"]
        ours = isinstance(model, xgboost.XGBModel)
        # What a file's own output is: the prediction after the link, which classifiers call probability.
        said = {"predict": model.predict(x)}
        if hasattr(model, "predict_proba"):
            probability = model.predict_proba(x)
            said["predict_proba"] = probability
            if probability.shape[1] == 2:
                said["predict_proba, second column"] = probability[:, 1]
        suffixes = [("XGBoost JSON", "json"), ("XGBoost UBJSON", "ubj")] if ours else [("LightGBM text", "txt")]
        for form, suffix in suffixes:
            path = folder / f"trees{at}.{suffix}"
            (model if ours else model.booster_).save_model(path)
            rows = x if ours else x.astype(np.float64)
            yield name, form, {"path": path, "inputs": {"input__0": rows}, "said": said}
        yield name, "ONNX", _exported(model, ours, folder / f"trees{at}.onnx", x, said)


def _exported(model, ours, path, x, said):
    types = [("x", FloatTensorType([None, x.shape[1]]))]
    try:
        made = convert_xgboost(model, initial_types=types) if ours else convert_lightgbm(model, initial_types=types, zipmap=False)
    except Exception as error:  # whatever an exporter says is what the table tells
        return {"why": f"onnxmltools: {type(error).__name__}: {str(error).splitlines()[0][:160]}" if str(error) else f"onnxmltools: {type(error).__name__}"}
    path.write_bytes(made.SerializeToString())
    return {"path": path, "inputs": {"x": x}, "said": said}
