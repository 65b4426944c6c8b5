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
# The machine of releases: seeds of the simulated world, none of which may break a rule.
cargo build --locked --release --workspace --bin tidegate
time "$CARGO_TARGET_DIR/release/tidegate" sim seeds --count 100000
# Real machines' noise, where it is at hand: the project works without.
noise="${TIDEGATE_VM_NOISE:-../shared/data/vm_noise}"
if [ -d "$noise" ]; then
    need_python
    "$python" scripts/bench_judge.py "$CARGO_TARGET_DIR/release/tidegate" "$noise"
else
    say "the judge on real noise: not run, there is no $noise (set TIDEGATE_VM_NOISE)"
fi
for file in crates/*/examples/*_rate.rs; do
    crate=$(basename "$(dirname "$(dirname "$file")")")
    cargo run --locked --release --package "$(sed -n 's/^name = "\(.*\)"/\1/p' "crates/$crate/Cargo.toml" | head -n 1)" --example "$(basename "$file" .rs)"
done
