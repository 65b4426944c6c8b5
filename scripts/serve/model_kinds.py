"""Every kind of model that people train, behind a real gateway, held against its own library on ten thousand rows.

    model_kinds.py GATEWAY LIBRARY [--torch PYTHON] [--only WORD] [--out FILE]

GATEWAY is the example `gateway` of crates/serve, LIBRARY is ONNX Runtime's. `scripts/model-kinds.sh` makes the environment and runs this.
Each model is trained, exported, served by a worker of its own, and asked all rows; ONNX Runtime in Python is asked the same, so that what
differs is known to be the exporter's or ours. What comes of it is written as Markdown; the exit code is 1 where a difference is ours.
"""

import argparse
import json
import signal
import subprocess
import sys
import tempfile
import warnings
from pathlib import Path

import kinds_data
import kinds_report
import kinds_serve
import kinds_sklearn
import kinds_trees
import numpy as np
import onnxruntime
import pandas
from scipy import sparse
from skl2onnx import to_onnx
from skl2onnx.common.data_types import DoubleTensorType, FloatTensorType, Int64TensorType, StringTensorType
from sklearn.feature_extraction.text import CountVectorizer

# Longest that training, predicting and exporting one estimator may take.
ONE_S_MAX = 90
METHODS = ["predict", "predict_proba", "decision_function", "transform", "score_samples"]


class TooLong(Exception):
    """Training or exporting took longer than anybody waits."""


def _alarm(*_):
    raise TooLong(f"not done within {ONE_S_MAX} s")


def dense(value):
    if sparse.issparse(value):
        return value.toarray()
    if isinstance(value, list):
        return np.stack(value)
    return np.asarray(value)


def said_by(model, rows):
    """What the library itself says of the rows, by each method that it has."""
    said = {}
    for method in METHODS:
        try:
            said[method] = dense(getattr(model, method)(rows))
        except Exception:  # a method that it lacks, or that fails, says nothing
            continue
    for method in ("decision_function", "predict_proba"):
        value = said.get(method)
        if value is not None and value.ndim == 1:
            # Exporters write two columns where scikit-learn has one.
            said[f"{method}, both sides"] = np.stack([-value, value], axis=1)
        if value is not None and value.ndim == 2 and value.shape[1] == 2:
            said[f"{method}, second column"] = value[:, 1]
    return said


def of_numbers(array, double):
    kind = DoubleTensorType if double else FloatTensorType
    return [("x", kind([None, array.shape[1]]))], {"x": array.astype(np.float64 if double else np.float32)}


def inputs_of(data, kind, double):
    """What the exporter is told of the inputs, the tensors of a request, and the rows as scikit-learn takes them."""
    if kind == "mixed":
        numbers, words = data["numbers"][:, :3], data["categories"]
        frame = pandas.DataFrame({**{n: numbers[:, i] for i, n in enumerate("abc")}, "colour": words[:, 0], "size": words[:, 1]})
        number = DoubleTensorType if double else FloatTensorType
        types = [(n, number([None, 1])) for n in "abc"] + [(n, StringTensorType([None, 1])) for n in ("colour", "size")]
        tensors = {n: frame[[n]].to_numpy(np.float64 if double else np.float32) for n in "abc"}
        return types, {**tensors, "colour": words[:, :1], "size": words[:, 1:]}, frame
    array = data[kind]
    if kind == "texts":
        return [("x", StringTensorType([None, 1]))], {"x": array[:, None]}, array
    if kind == "categories":
        return [("x", StringTensorType([None, array.shape[1]]))], {"x": array}, array
    if kind == "codes":
        return [("x", Int64TensorType([None, array.shape[1]]))], {"x": array}, array
    types, tensors = of_numbers(array, double)
    return types, tensors, tensors["x"]


def options_of(model):
    """Probabilities as tensors, not as maps; and words in lower case by a locale that is everywhere, not by en_US."""
    parts = [step for _, step in model.steps] if hasattr(model, "steps") else [model]
    found = {id(part): {"locale": "C"} for part in parts if isinstance(part, CountVectorizer)}
    last = getattr(parts[-1], "best_estimator_", parts[-1])
    zipmap = {id(model): {"zipmap": False}} if hasattr(last, "classes_") else {}
    return [found | zipmap, found, None]


def exported(model, types, path):
    tried = []
    for options in options_of(model):
        try:
            made = to_onnx(model, initial_types=types, options=options, target_opset={"": 21, "ai.onnx.ml": 3})
            path.write_bytes(made.SerializeToString())
            return None
        except TooLong:
            raise
        except Exception as error:  # whatever an exporter says is what the table tells
            tried.append(f"{type(error).__name__}: {(str(error).strip().splitlines() or [''])[0][:160]}")
    return f"skl2onnx: {tried[-1]}"


def sklearn_cases(trained, asked, truths, folder, only):
    listed = [(name, "estimators", *rest) for name, *rest in kinds_sklearn.singles()]
    listed += [(name, "pipelines and settings", *rest) for name, *rest in kinds_sklearn.composed()]
    for at, (name, family, make, kind, truth) in enumerate(listed):
        if only and only not in name:
            continue
        for form in ("FP32", "FP64"):
            double = form == "FP64"
            if double and kind in ("texts", "categories", "codes"):
                continue
            signal.alarm(ONE_S_MAX)
            try:
                _, _, rows = inputs_of(trained, kind, double)
                model = make()
                model.fit(rows[:, 0] if kind == "one" and hasattr(model, "increasing") else rows, truths[truth])
                types, tensors, rows = inputs_of(asked, kind, double)
                path = folder / f"sklearn{at}{form}.onnx"
                why = exported(model, types, path)
                found = {"why": why} if why else {"path": path, "inputs": tensors, "said": said_by(model, rows)}
            except Exception as error:  # it cannot be trained alone: the table says so
                found = {"why": f"scikit-learn: {type(error).__name__}: {(str(error).splitlines() or [''])[0][:160]}"}
            finally:
                signal.alarm(0)
            yield f"scikit-learn, {family}", name, form, found
    for name, why in kinds_sklearn.NO_ROWS.items():
        if not only or only in name:
            yield "scikit-learn, estimators", name, "FP32", {"why": f"no model of rows: {why}"}


def torch_cases(python, folder, only):
    script = Path(__file__).with_name("kinds_torch.py")
    subprocess.run([python, script, folder], check=True)
    told = json.loads((folder / "torch.json").read_text())
    for case in told["cases"]:
        if only and only not in case["name"]:
            continue
        if "why" in case:
            yield told["library"], case["name"], "ONNX", {"why": f"torch.onnx: {case['why']}"}
            continue
        arrays = np.load(folder / case["rows"])
        inputs = {name.removeprefix("in_"): arrays[name] for name in arrays.files if name.startswith("in_")}
        yield told["library"], case["name"], "ONNX", {"path": folder / case["file"], "inputs": inputs, "said": {"forward": arrays["said"]}}


def by_library(path, inputs):
    """What ONNX Runtime in Python says, as the gateway is asked: the same rows at a time."""
    settings = onnxruntime.SessionOptions()
    settings.intra_op_num_threads = settings.inter_op_num_threads = 1
    settings.log_severity_level = 4
    session = onnxruntime.InferenceSession(str(path), settings, providers=["CPUExecutionProvider"])
    names, parts = [output.name for output in session.get_outputs()], []
    rows, step = len(next(iter(inputs.values()))), kinds_serve.ROWS_A_REQUEST
    for at in range(0, rows, step):
        parts.append(session.run(names, {key: value[at : at + step] for key, value in inputs.items()}))
    if not all(isinstance(value, np.ndarray) for value in parts[0]):
        raise ValueError("an output is no tensor")
    at = whole(inputs)
    one = session.run(names, {key: value[at : at + 1] for key, value in inputs.items()})
    return {name: kinds_serve.join([part[i] for part in parts], min(rows, step)) for i, name in enumerate(names)}, dict(zip(names, one, strict=True))


def whole(inputs):
    """The first row in which nothing is missing: golden requests of ONNX models hold no missing values."""
    lacks = [np.isnan(value.reshape(len(value), -1)).any(1) for value in inputs.values() if value.dtype.kind == "f"]
    return int(np.argmin(np.logical_or.reduce(lacks))) if lacks else 0


def prepared(at, found, work):
    """The version directory of a case; what the runtime alone says of it is kept beside it."""
    if "why" in found:
        return None
    inputs, row = found["inputs"], whole(found["inputs"])
    first = {key: value[row : row + 1] for key, value in inputs.items()}
    try:
        if found["path"].suffix == ".onnx":
            found["runtime"], one = by_library(found["path"], inputs)
        else:
            truth = found["said"].get("predict_proba, second column", found["said"].get("predict_proba", found["said"]["predict"]))
            one = {"output__0": np.asarray(truth[row : row + 1], dtype=next(iter(inputs.values())).dtype)}
        folder = work / "versions" / f"m{at}"
        kinds_serve.version(folder, found["path"], first, one)
        return (f"m{at}", folder, inputs)
    except Exception as error:  # the file is made, and the runtime itself cannot use it
        found["why"] = f"ONNX Runtime: {(str(error).splitlines() or [''])[0].replace(str(work), '')[:200]}"
        return None


def main():
    warnings.simplefilter("ignore")
    signal.signal(signal.SIGALRM, _alarm)
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("gateway")
    parser.add_argument("library")
    parser.add_argument("--torch", help="a Python that has PyTorch")
    parser.add_argument("--only", help="kinds whose name has this word")
    parser.add_argument("--out", type=Path, default=Path("docs/model-kinds.md"))
    asked_for = parser.parse_args()
    trained, asked = kinds_data.rows()
    truths = kinds_data.targets(trained["numbers"])
    with tempfile.TemporaryDirectory(prefix="tidegate-kinds-") as place:
        work = Path(place)
        cases = list(sklearn_cases(trained, asked, truths, work, asked_for.only))
        print(f"{len(cases)} exports of scikit-learn", flush=True)
        trees = kinds_trees.cases(trained, asked, truths, work)
        cases += [("XGBoost and LightGBM", *case) for case in trees if not asked_for.only or asked_for.only in case[0]]
        if asked_for.torch:
            cases += torch_cases(asked_for.torch, work / "torch", asked_for.only)
        # The same files twice would be the same version: each is a model of its own.
        ready = [made for at, case in enumerate(cases) if (made := prepared(at, case[3], work))]
        print(f"{len(cases)} cases, {len(ready)} files to serve", flush=True)
        for name, why, answered in kinds_serve.serve(asked_for.gateway, asked_for.library, work, ready):
            found = cases[int(name[1:])][3]
            if why:
                found["why"], found["refused"] = f"Tidegate: {why}", True
            else:
                found["outputs"], found["row_us"] = answered.outputs, answered.row_us
    ours = kinds_report.write(cases, asked_for.out, bool(asked_for.torch))
    sys.exit(1 if ours else 0)


if __name__ == "__main__":
    main()
