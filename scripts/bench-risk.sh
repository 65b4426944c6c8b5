#!/usr/bin/env bash
# Models of risk on published sets, with the release profile: `bench-risk.sh [PART..]`, parts issta21, apachejit, travis, windows, imbalance, speed, federate; all
# when none is named. The sets are looked for in DATA, which is ../shared/data where it is not set. TreeSHAP is run beside Python's
# `shap` on the same trees and rows, one after the other.
set -euo pipefail
. "$(dirname "$0")/lib.sh"

need_rust
need_c_compiler
need_python

data="${DATA:-../shared/data}"
if [ ! -d "$data" ]; then
    say "models of risk on published sets: not run, there is no $data (set DATA)"
    exit 0
fi
environment shap
announce_build release
cargo build --locked --release --package tidegate-learn --example bench_risk
parts=("$@")
[ ${#parts[@]} -gt 0 ] || parts=(issta21 apachejit travis windows imbalance speed federate)
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
TMPDIR="$folder" "$CARGO_TARGET_DIR/release/examples/bench_risk" "$data" "${parts[@]}"
case " ${parts[*]} " in
    *" speed "*) "$environment/bin/python" scripts/bench_shap.py "$folder/bench-risk" ;;
esac
