#!/usr/bin/env bash
# Builds with the release profile and installs the binary. PREFIX=DIR: into DIR/bin.
set -euo pipefail
. "$(dirname "$0")/lib.sh"

need_rust
need_c_compiler
announce_build release
where=()
[ -n "${PREFIX:-}" ] && where=(--root "$PREFIX")
cargo install --locked --path crates/tidegate "${where[@]}"
