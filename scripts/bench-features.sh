#!/usr/bin/env bash
# Features, with the release profile: reads of the online state, joins in memory; then joins as of a time beside Feast's two local stores on the
# same files, `bench-features.sh [ROWS [ROUNDS]]`, a million rows and three rounds where nothing is said. TIDEGATE names another binary.
set -euo pipefail
. "$(dirname "$0")/lib.sh"

need_rust
need_c_compiler
need_python
environment feast

cargo run --locked --quiet --release --package tidegate-features --example bench_features
if [ -z "${TIDEGATE:-}" ]; then
    announce_build release
    cargo build --locked --release --workspace --bin tidegate
    TIDEGATE="$CARGO_TARGET_DIR/release/tidegate"
fi
"$environment/bin/python" -B -W ignore scripts/bench_features.py "$TIDEGATE" "$@"
