#!/usr/bin/env bash
# Builds the binary and takes examples/flights round the whole loop. ONCE=1: ends with the loop's exit code.
set -euo pipefail
. "$(dirname "$0")/lib.sh"

need_rust
need_c_compiler
need_python
export PYTHON="$python"
announce_build debug
# The whole workspace's features, as the tests have them, so that heavy crates compile once for both.
cargo build --locked --workspace --bin tidegate

once=()
[ "${ONCE:-}" = 1 ] && once=(--once)
exec "$CARGO_TARGET_DIR/debug/tidegate" up examples/flights "${once[@]}" "$@"
