"""Scores the model on days that it has not seen: metrics, one row a flight, and requests with which it is greeted before it serves."""

import argparse
import json
from pathlib import Path

import onnxruntime
import pandas as pd
from sklearn.metrics import accuracy_score, log_loss, recall_score, roc_auc_score

from train import FEATURES

THRESHOLD = 0.5
GOLDEN = 24


def main() -> None:
    args = argparse.ArgumentParser()
    args.add_argument("--from", dest="start", required=True)
    args.add_argument("--until", required=True)
    args.add_argument("--features", choices=FEATURES, required=True)
    args = args.parse_args()

    rows = pd.read_parquet("features/features.parquet")
    rows = rows[(rows["sched_dep"] >= args.start) & (rows["sched_dep"] < args.until)]
    session = onnxruntime.InferenceSession("model/model.onnx", providers=["CPUExecutionProvider"])
    inputs = rows[FEATURES[args.features]].to_numpy("float32")
    score = session.run(["probabilities"], {"X": inputs})[0][:, 1].astype("float64")

    out = Path("eval")
    out.mkdir(exist_ok=True)
    rows.assign(score=score)[["id", "late", "score", "carrier"]].to_parquet(out / "rows.parquet", index=False)
    metrics = {
        "rows": len(rows),
        "late_share": float(rows["late"].mean()),
        "auc": roc_auc_score(rows["late"], score),
        "accuracy": accuracy_score(rows["late"], score >= THRESHOLD),
        "recall": recall_score(rows["late"], score >= THRESHOLD),
        "log_loss": log_loss(rows["late"], score),
    }
    (out / "metrics.json").write_text(json.dumps(metrics, indent=2) + "\n")

    records = pd.read_parquet("records/records.parquet").drop(columns="late")
    records = records[records["id"].isin(rows["id"])].dropna()
    chosen = records.iloc[:: max(1, len(records) // GOLDEN)].head(GOLDEN)
    golden = [{"id": r["id"], "record": r} for r in chosen.to_dict("records")]
    (out / "golden.json").write_text(json.dumps({"requests": golden}, indent=1) + "\n")


if __name__ == "__main__":
    main()
