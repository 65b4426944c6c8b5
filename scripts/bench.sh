#!/usr/bin/env bash
# Benchmarks with the release profile: `benches/` of each crate, and its examples whose name ends in `_rate`.
set -euo pipefail
. "$(dirname "$0")/lib.sh"

need_rust
need_c_compiler
announce_build release

shopt -s nullglob
for file in crates/*/benches/*.rs; do
    crate=$(basename "$(dirname "$(dirname "$file")")")
    cargo bench --locked --package "$(sed -n 's/^name = "\(.*\)"/\1/p' "crates/$crate/Cargo.toml" | head -n 1)" --bench "$(basename "$file" .rs)"
done
for file in crates/*/examples/*_rate.rs; do
    crate=$(basename "$(dirname "$(dirname "$file")")")
    cargo run --locked --release --package "$(sed -n 's/^name = "\(.*\)"/\1/p' "crates/$crate/Cargo.toml" | head -n 1)" --example "$(basename "$file" .rs)"
done
