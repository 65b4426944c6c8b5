"""Trains boosted trees on the flights between two days and writes them as ONNX (one float input `X`),
with the rows they were trained on, against which drift is measured."""

import argparse
from pathlib import Path

import pandas as pd
from skl2onnx import to_onnx
from skl2onnx.common.data_types import FloatTensorType
from sklearn.ensemble import HistGradientBoostingClassifier

FEATURES = {
    "basic": ["dep_delay", "distance", "dep_minute"],
    "full": [
        "dep_delay", "distance", "dep_minute", "carrier_code", "origin_code", "dest_code",
        "weekday", "sched_minutes", "wind_speed", "visib", "precip",
    ],
}  # fmt: skip


def main() -> None:
    args = argparse.ArgumentParser()
    args.add_argument("--from", dest="start", required=True)
    args.add_argument("--until", required=True)
    args.add_argument("--features", choices=FEATURES, required=True)
    args.add_argument("--iterations", type=int, required=True)
    args = args.parse_args()

    columns = FEATURES[args.features]
    rows = pd.read_parquet("features/features.parquet", columns=["sched_dep", "late", *columns])
    rows = rows[(rows["sched_dep"] >= args.start) & (rows["sched_dep"] < args.until)]
    model = HistGradientBoostingClassifier(max_iter=args.iterations, random_state=0)
    model.fit(rows[columns].to_numpy("float32"), rows["late"])
    onnx = to_onnx(
        model,
        initial_types=[("X", FloatTensorType([None, len(columns)]))],
        options={"zipmap": False},
        target_opset={"": 17, "ai.onnx.ml": 3},
    )
    Path("model").mkdir(exist_ok=True)
    Path("model/model.onnx").write_bytes(onnx.SerializeToString())
    rows[columns].to_parquet("model/trained.parquet", index=False)


if __name__ == "__main__":
    main()
