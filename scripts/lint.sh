#!/usr/bin/env bash
# Clippy with every warning an error, house rules, and, where the tools are installed, dependencies and scripts.
set -euo pipefail
. "$(dirname "$0")/lib.sh"

need_rust
need_c_compiler
cargo clippy --version >/dev/null 2>&1 || fail "clippy is not installed" "rustup component add clippy"
announce_build debug
cargo fmt --all --check
cargo run --locked --quiet --package xtask -- tidy
cargo clippy --locked --workspace --all-targets -- -D warnings

if cargo deny --version >/dev/null 2>&1; then
    cargo deny --locked check bans licenses sources
else
    say "dependencies: not checked, cargo-deny is missing (cargo install cargo-deny)"
fi
if command -v shellcheck >/dev/null 2>&1; then
    shellcheck --external-sources --source-path=SCRIPTDIR scripts/*.sh .ci/run
else
    say "scripts: not checked, shellcheck is missing (apt-get install shellcheck)"
fi
