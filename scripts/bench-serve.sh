#!/usr/bin/env bash
# Serving beside nginx, Envoy, FastAPI and MLServer, each in an environment of its own, with the profile that is shipped (`dist`): arguments go to
# scripts/serve/bench_serve.py (`--rounds N --seconds S --parts proxy,model,memory,scale`).
set -euo pipefail
. "$(dirname "$0")/lib.sh"

need_rust
need_python
want_package nginx nginx-light "proxies"
for peer in envoy fastapi mlserver; do
    environment "$peer"
    export "TIDEGATE_BENCH_${peer^^}=$environment/bin/python"
done
environment test
onnxruntime_library
cargo build --locked --profile dist --package tidegate-serve --example gateway --example proxy --example send
PYTHONDONTWRITEBYTECODE=1 exec "$python" scripts/serve/bench_serve.py \
    "$CARGO_TARGET_DIR/dist/examples" "$TIDEGATE_ONNXRUNTIME" "$@"
