#!/usr/bin/env bash
# Faults of serving under open-loop load, measured: `scripts/faults.sh [stopped|overload|swaps|kills|drain|weights ..]`, all of them where none is named;
# `scripts/faults.sh soak --seconds 600` looks for what grows. What they print stands in docs/benchmarks.md.
set -euo pipefail
. "$(dirname "$0")/lib.sh"

need_rust
need_c_compiler
exec cargo run --locked --quiet --package tidegate-serve --example faults -- "$@"
