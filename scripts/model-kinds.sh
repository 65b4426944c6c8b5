#!/usr/bin/env bash
# Every kind of model that people train, behind a real gateway, held against its own library; writes docs/model-kinds.md.
# `model-kinds.sh [--only WORD] [--out FILE]`. The environment is made once. Networks of PyTorch are made where a Python has it: the
# package index has it for Linux with 3 GB of CUDA alone, so Debian's is taken (apt-get install python3-torch), or TIDEGATE_TORCH.
set -euo pipefail
. "$(dirname "$0")/lib.sh"

need_rust
need_python
environment kinds
oracle="$environment/bin/python"
onnxruntime_library
torch="${TIDEGATE_TORCH:-/usr/bin/python3}"
have_torch=()
if "$torch" -c 'import torch' 2>/dev/null; then
    have_torch=(--torch "$torch")
else
    say "PyTorch: not asked, $torch has none (apt-get install python3-torch, or set TIDEGATE_TORCH)"
fi
cargo build --locked --package tidegate-serve --example gateway
PYTHONDONTWRITEBYTECODE=1 exec "$oracle" scripts/serve/model_kinds.py \
    "$CARGO_TARGET_DIR/debug/examples/gateway" "$TIDEGATE_ONNXRUNTIME" "${have_torch[@]}" "$@"
