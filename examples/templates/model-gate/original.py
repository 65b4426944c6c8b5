"""Fails when accuracy is below 0.90 or latency_p99_ms above 100."""

import json
import sys

with open("metrics/eval_metrics.json", encoding="utf-8") as file:
    metrics = json.load(file)
failed = False
if metrics["accuracy"] < 0.90:
    print(f"accuracy {metrics['accuracy']} is below 0.90")
    failed = True
if metrics["latency_p99_ms"] > 100:
    print(f"latency_p99_ms {metrics['latency_p99_ms']} is above 100")
    failed = True
sys.exit(1 if failed else 0)
