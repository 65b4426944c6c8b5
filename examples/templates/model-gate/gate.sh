#!/bin/sh
exec tidegate gate --metrics metrics/eval_metrics.json --min accuracy=0.90 --max latency_p99_ms=100
