#!/usr/bin/env bash
# Format, house rules, the example's Python, and every test. Goes on after a failure; the last line counts.
set -uo pipefail
. "$(dirname "$0")/lib.sh"

need_rust
need_c_compiler
need_python

# What tests run against: browser, servers, peers. Made once, beside the compiler: one waits for the network, the other for the
# processor.
neighbours() {
    [ -n "${TIDEGATE_TEST_BROWSER:-}" ] || want_browser
    [ -n "${TIDEGATE_TEST_PROMETHEUS:-}" ] || want_package prometheus prometheus "counters of a Prometheus"
    [ -n "${TIDEGATE_TEST_INFLUXD:-}" ] || want_package influxd influxdb "values of an InfluxDB"
    [ -n "${TIDEGATE_TEST_NATS:-}" ] || want_package nats-server nats-server "streams of NATS"
    [ -n "${TIDEGATE_TEST_SKOPEO:-}" ] || want_package skopeo skopeo "images, by another reader of them"
    [ -n "${TIDEGATE_TEST_UMOCI:-}" ] || want_package umoci umoci "images, unpacked by another program"
    command -v ip >/dev/null 2>&1 || want_package ip iproute2 "bundles without a network"
    want_postgres
    environment test
    environment dvc
    environment gx
    environment evidently
    environment s3
    environment kafka
    environment notify
    environment tritonclient
    environment otel
    environment trees
    environment fairlearn
    environment feast
    environment deploy
    helm_program || true
    node_environment azurite || true
}

# Where the tests find them.
introduce() {
    environment dvc
    export TIDEGATE_TEST_DVC="$environment/bin/dvc"
    environment evidently
    export TIDEGATE_TEST_EVIDENTLY="$environment/bin/python"
    environment s3
    export TIDEGATE_TEST_MOTO="$environment/bin/moto_server"
    node_environment azurite >/dev/null && export TIDEGATE_TEST_AZURITE="$environment/node_modules/.bin/azurite-blob"
    environment kafka
    export TIDEGATE_TEST_KAFKA="$environment/bin/python"
    environment notify
    export TIDEGATE_TEST_NOTIFY="$environment/bin/python"
    environment tritonclient
    export TIDEGATE_TEST_TRITONCLIENT="$environment/bin/python"
    environment otel
    export TIDEGATE_TEST_OTEL="$environment/bin/python"
    environment trees
    export TIDEGATE_TEST_TREES="$environment/bin/python"
    environment shap
    export TIDEGATE_TEST_SHAP="$environment/bin/python"
    environment fairlearn
    export TIDEGATE_TEST_FAIRLEARN="$environment/bin/python"
    environment feast
    export TIDEGATE_TEST_FEAST="$environment/bin/python"
    environment gx
    export TIDEGATE_TEST_GX="$environment/bin/python"
    environment test
    export TIDEGATE_TEST_PYTHON="$environment/bin/python"
    onnxruntime_library
}

neighbours &
neighbours=$!

passed=0
failed=0

# check NAME COMMAND..: one that counts as one test.
check() {
    local name="$1"
    shift
    say "$name"
    if "$@"; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        printf 'FAILED: %s\n' "$name"
    fi
}

if cargo fmt --version >/dev/null 2>&1; then
    check "format" cargo fmt --all --check
else
    say "format: not checked, rustfmt is missing (rustup component add rustfmt)"
fi
check "the example's Python" env PYTHONDONTWRITEBYTECODE=1 "$python" -c '
import ast, pathlib, sys
files = sorted(pathlib.Path("examples").rglob("*.py"))
for file in files:
    ast.parse(file.read_text(encoding="utf-8"), str(file))
sys.exit(not files)'
check "house rules" cargo run --locked --quiet --package xtask -- tidy

announce_build debug
# Errors of the compiler are counted below, where it is asked again.
cargo test --locked --workspace --no-run || true
wait "$neighbours" || exit 1
introduce
helm_program && environment deploy &&
    check "chart and manifests" env TIDEGATE="$CARGO_TARGET_DIR/debug/tidegate" "$environment/bin/python" scripts/deploy_check.py "$helm"
log=$(mktemp)
trap 'rm -f "$log"' EXIT
say "tests"
cargo test --locked --workspace --no-fail-fast 2>&1 | tee "$log"
status=${PIPESTATUS[0]}

read -r ok bad <<<"$(awk '/^test result: / { for (i = 2; i <= NF; i++) { if ($i == "passed;") ok += $(i - 1); if ($i == "failed;") bad += $(i - 1) } }
    END { print ok + 0, bad + 0 }' "$log")"
# A crate that does not compile, or a test binary that dies, has no result of its own.
[ "$status" -ne 0 ] && [ "$bad" -eq 0 ] && bad=1
passed=$((passed + ok))
failed=$((failed + bad))

if [ "$failed" -gt 0 ]; then
    printf '\nfailures:\n'
    grep -E '^(test .* FAILED|error(\[|:).*)$' "$log" | sort -u | head -n 100
fi
printf '%s passed, %s failed\n' "$passed" "$failed"
[ "$failed" -eq 0 ]
