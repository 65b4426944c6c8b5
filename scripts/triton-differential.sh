#!/usr/bin/env bash
# The gateway beside a real Triton, asked the same random requests: `triton-differential.sh [--requests N] [--calls N] [--seed S]`.
# The environment, with the server out of a Python package, is made once.
set -euo pipefail
. "$(dirname "$0")/lib.sh"

need_rust
need_python
environment triton
oracle="$environment/bin/python"
environment test
onnxruntime_library
cargo build --locked --package tidegate-serve --example gateway
PYTHONDONTWRITEBYTECODE=1 exec "$oracle" scripts/serve/triton_differential.py \
    "$CARGO_TARGET_DIR/debug/examples/gateway" "$TIDEGATE_ONNXRUNTIME" "$@"
