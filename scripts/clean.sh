#!/usr/bin/env bash
# Removes what was built. ALL=1: the test environments too. Workspaces and their journals are never touched.
set -euo pipefail
. "$(dirname "$0")/lib.sh"

need_rust
cargo clean
if [ "${ALL:-}" = 1 ]; then
    say "removing $cache/test-env"
    rm -rf "$cache/test-env"
fi
