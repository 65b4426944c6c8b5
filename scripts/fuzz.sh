#!/usr/bin/env bash
# Fuzzes every reader of what comes from outside: `scripts/fuzz.sh [SECONDS [TARGET..]]`, a minute each where nothing is said.
# What was found stays in the cache from run to run; an input that breaks a reader is kept, named, and ends with exit code 1.
set -euo pipefail
. "$(dirname "$0")/lib.sh"

need_rust
need_c_compiler
need_python
command -v "${CXX:-c++}" >/dev/null 2>&1 || fail "no C++ compiler (\`${CXX:-c++}\`): the fuzzer itself is written in it" \
    "Debian, Ubuntu: apt-get install build-essential; Fedora: dnf install gcc-c++"

seconds="${1:-60}"
[ $# -gt 0 ] && shift
folder="${TIDEGATE_FUZZ:-$cache/fuzz}"
host=$(rustc -vV | sed -n 's/^host: //p')
mkdir -p "$folder/corpus" "$folder/found"
PYTHONDONTWRITEBYTECODE=1 "$python" scripts/fuzz/seeds.py "$folder/seeds" >/dev/null

# Coverage by LLVM's own pass, which the stable compiler has: no sanitizer, for what is read here is read without `unsafe`; the memory
# that an input takes is counted by the targets' allocator.
flags="--cfg fuzzing -Ccodegen-units=1 -Cpasses=sancov-module"
for flag in level=4 inline-8bit-counters pc-table trace-compares; do
    flags="$flags -Cllvm-args=-sanitizer-coverage-$flag"
done
say "building the targets, with coverage"
RUSTFLAGS="$flags" CARGO_TARGET_DIR="$folder/target" \
    cargo build --manifest-path fuzz/Cargo.toml --locked --quiet --release --target "$host" --bins

targets=("$@")
[ ${#targets[@]} -gt 0 ] || mapfile -t targets < <(sed -n 's/^name = "\([a-z_]*\)"$/\1/p' fuzz/Cargo.toml)
failed=0
for target in "${targets[@]}"; do
    mkdir -p "$folder/corpus/$target"
    log="$folder/$target.log"
    status=0
    "$folder/target/$host/release/$target" -max_total_time="$seconds" -timeout=60 -rss_limit_mb=1024 -max_len=32768 \
        -dict="$folder/seeds/$target.dict" -artifact_prefix="$folder/found/$target-" -print_final_stats=1 \
        "$folder/corpus/$target" "$folder/seeds/$target" >"$log" 2>&1 || status=$?
    last=$(grep -E 'cov: [0-9]+' "$log" | tail -n 1)
    runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")
    printf '%-13s %10s runs, %s\n' "$target" "${runs:-?}" "$(sed -n 's/.*\(cov: [0-9]* ft: [0-9]* corp: [0-9]*\).*/\1/p' <<<"$last")"
    if [ "$status" -ne 0 ]; then
        failed=1
        grep -E 'panicked|ERROR|Test unit written' -A 2 "$log" | head -n 20
    fi
done
exit "$failed"
