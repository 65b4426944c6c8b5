"""What came of all kinds of models, held against their libraries, as a page of Markdown."""

import sys
from importlib.metadata import version

import kinds_data
import numpy as np

# Relative to the larger of 1 and the library's number: beyond it a kind is listed as one that differs.
CLOSE = 1e-3


# What is likely the cause of those that differ; that it is in the exporter and not here is known.
CAUSES = {
    "Binarizer": "the exporter compares in single precision",
    "TunedThresholdClassifierCV": "the exporter leaves the tuned threshold out: labels are those of 0.5",
    "RandomForestClassifier, two classes": "ties of both classes at 0.5 are decided otherwise",
    "TF-IDF, SVD, forest": "ties of both classes at 0.5 are decided otherwise",
    "numbers and words by column, forest": "scaled numbers at a split fall on its other side in single precision",
    "quantiles, random forest": "numbers at a split fall on its other side in single precision",
    "one against the rest, linear SVM": "scores are brought to a sum of 1, which scikit-learn does not do",
    "XGBRegressor, two targets": "onnxmltools does not export several targets right: serve the library's own file",
    "LGBMClassifier, random forest": "onnxmltools does not average a forest: serve the library's own file",
    "LGBMRegressor, linear trees": "onnxmltools leaves linear leaves out: serve the library's own file",
}


def _text(array):
    return array.astype(str) if array.dtype.kind in "OUSb" else array


def compared(got, truth):
    """Share of values that are equal, and the largest difference; none where they are not the same values at all."""
    if got.size != truth.size:
        return None
    if got.shape != truth.shape and got.squeeze().shape == truth.squeeze().T.shape != truth.squeeze().shape:
        truth = truth.squeeze().T
    got, truth = _text(got.ravel()), _text(truth.ravel())
    if got.dtype.kind == "U" or truth.dtype.kind == "U":
        return float(np.mean(got.astype(str) == truth.astype(str))), None
    a, b = got.astype(np.float64), truth.astype(np.float64)
    same = (a == b) | (np.isnan(a) & np.isnan(b))
    with np.errstate(invalid="ignore", over="ignore"):
        apart = np.where(same, 0, np.abs(a - b) / np.maximum(1, np.abs(b)))
    apart = np.where(np.isnan(apart), np.inf, apart)
    return float(np.mean(same)), float(apart.max(initial=0))


def labels_of(array, truth):
    """Whether an output is one of labels: whole numbers or texts on both sides."""
    return array.dtype.kind in "OUSbi" and truth.dtype.kind in "OUSbi"


def outcome(found):
    """Of each output what it is closest to: method, share equal, largest difference, whether labels."""
    told = []
    for name, got in found["outputs"].items():
        best = None
        for method, truth in found["said"].items():
            result = compared(got, truth)
            if result is None:
                continue
            share, far = result
            # Labels are equal or not; numbers are near or far.
            key = 1 - share if far is None or labels_of(got, truth) else far
            if best is None or key < best[0]:
                best = (key, method, share, far, labels_of(got, truth))
        told.append((name, best))
    return told


def same_as_runtime(found):
    """Whether our answer is the runtime's own, to the bit; nothing to say of kinds that it does not run."""
    if "runtime" not in found:
        return None
    return all(
        np.array_equal(_text(found["outputs"][name]), _text(truth), equal_nan=truth.dtype.kind == "f")
        for name, truth in found["runtime"].items()
    )


def _number(value):
    return "0" if value == 0 else f"{value:.0e}"


def row(name, form, found):
    """One line of a table, and the largest difference for the list of those that differ."""
    far, shares, seen = 0.0, [], []
    for output, best in outcome(found):
        if best is None:
            seen.append(f"`{output}` is nothing that the library tells")
            continue
        _, method, share, apart, labels = best
        seen.append(method)
        if labels:
            shares.append(share)
        else:
            far = max(far, apart if apart is not None else 1 - share)
    rows = len(next(iter(found["inputs"].values())))
    equal = f"{min(shares) * 100:.2f} %" if shares else ""
    line = f"| {name} | {form} | {rows} | {_number(far)} | {equal} | {found['row_us']:.1f} | {', '.join(dict.fromkeys(seen))} |"
    return line, far, min(shares, default=1.0)


INTRO = """# Kinds of models, held against their libraries

What `scripts/model-kinds.sh` found: each kind is trained on {trained} rows, exported, served by a worker behind the gateway, and asked {asked} rows
as bytes, {step} a request. What is answered is compared with what the library itself says. **Difference** is the largest one, relative to the larger of 1 and
the library's number; **labels** is the share of rows with the same label; **us** is the time of a row, with the way there and back, on {cores}.

{versions}

| | models |
|---|---|
| served | {served} |
| of these, ONNX files answered as ONNX Runtime in Python answers, to the bit | {bits} of {onnx} |
| of these, within {close} of the library, labels all equal | {close_count} |
| not exported, or not loaded by ONNX Runtime itself | {unexported} |
| refused or failed here | {refused} |

So a difference below is the exporter's: what ONNX Runtime says of the file is what is served.

Two things to know. Vectorisers of texts were exported with the option `locale: C`: without it ONNX Runtime asks the serving machine for en_US and does not load the model where that is
missing. Missing values reach ONNX models as bytes or from a transform; in JSON `null` is 400 for them.
"""


def versions(torch):
    names = ["scikit-learn", "skl2onnx", "onnxmltools", "xgboost-cpu", "lightgbm", "onnxruntime", "onnx"]
    told = ", ".join(f"{name} {version(name)}" for name in names)
    word = "" if torch else " PyTorch was not there: its networks are not in the table."
    return f"Versions: {told}.{word}"


def cores():
    model = "this machine"
    with open("/proc/cpuinfo", encoding="utf-8") as told:
        names = [line.split(":", 1)[1].strip() for line in told if line.startswith("model name")]
    return f"{len(names)} cores of {names[0]}" if names else model


def _tables(cases):
    """Lines of the tables by family; the differing ones; failures by reason; counts."""
    tables, far, failed = {}, [], []
    counts = {"served": 0, "bits": 0, "onnx": 0, "close_count": 0, "unexported": 0, "refused": 0}
    for family, name, form, found in cases:
        if "why" in found:
            failed.append((family, name, form, found["why"]))
            counts["refused" if found.get("refused") else "unexported"] += 1
            continue
        line, apart, share = row(name, form, found)
        tables.setdefault(family, []).append(line)
        counts["served"] += 1
        same = same_as_runtime(found)
        if same is not None:
            counts["onnx"] += 1
            counts["bits"] += same
        if same is False:
            far.append((family, name, form, "otherwise than ONNX Runtime in Python"))
        if apart <= CLOSE and share == 1:
            counts["close_count"] += 1
        else:
            far.append((family, name, form, f"difference {_number(apart)}, labels {share * 100:.2f} %"))
    return tables, far, failed, counts


def write(cases, path, torch):
    """Writes the page; how many differences and failures are ours."""
    tables, far, failed, counts = _tables(cases)
    out = [
        INTRO.format(
            trained=kinds_data.TRAINED,
            asked=f"{kinds_data.ASKED:,}",
            step="1,000",
            cores=cores(),
            versions=versions(torch),
            close=CLOSE,
            **counts,
        )
    ]
    out += ["## Those that differ\n", "| kind | file | what | likely cause |", "|---|---|---|---|"]
    out += [f"| {name} | {form} | {what} | {CAUSES.get(name, 'not looked for')} |" for _, name, form, what in far] + [""]
    for family, lines in tables.items():
        out += [f"## {family}\n", "| kind | file | rows | difference | labels | us | compared with |", "|---|---|---|---|---|---|---|", *lines, ""]
    lacking = sorted({name for _, name, _, why in failed if "MissingShapeCalculator" in why})
    out += ["## Not served\n", f"skl2onnx has no converter for {', '.join(lacking)}.\n", "| kind | file | why |", "|---|---|---|"]
    merged = {}
    for _, name, form, why in failed:
        if name in lacking:
            continue
        merged.setdefault((name, why.replace("|", "/").replace("\n", " ")), []).append(form)
    out += [f"| {name} | {', '.join(forms)} | {why} |" for (name, why), forms in merged.items()] + [""]
    path.write_text("\n".join(out), encoding="utf-8")
    print(f"{counts}; written to {path}", file=sys.stderr)
    return counts["refused"] + counts["onnx"] - counts["bits"]
