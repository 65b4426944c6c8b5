#!/usr/bin/env bash
# The build side beside its peers, in one run, with the release profile: `bench-build.sh [PART..]`, all parts when none is
# named. Ratios are printed as they come; all output is also in target/bench-build.txt of the target folder.
set -euo pipefail
. "$(dirname "$0")/lib.sh"

parts=("$@")
[ ${#parts[@]} -gt 0 ] || parts=(data pipeline contracts drift repos kills)
for part in "${parts[@]}"; do
    case $part in
        data | pipeline | contracts | drift | repos | kills) ;;
        *) fail "there is no part $part of this benchmark" "choose from: data pipeline contracts drift repos kills" ;;
    esac
done

need_rust
need_c_compiler
need_python
environment dvc
export TIDEGATE_TEST_DVC="$environment/bin/dvc"
environment gx
export TIDEGATE_TEST_GX="$environment/bin/python"
environment bench
export TIDEGATE_TEST_POLARS="$environment/bin/python"
environment evidently
export TIDEGATE_TEST_EVIDENTLY="$environment/bin/python"

announce_build release
cargo build --locked --release --workspace --bin tidegate --examples
release="$CARGO_TARGET_DIR/release"
exec > >(tee "$CARGO_TARGET_DIR/bench-build.txt") 2>&1

for part in "${parts[@]}"; do
    say "bench-build: $part"
    case $part in
        data) "$release/examples/data_rate" ;;
        pipeline) "$release/examples/pipeline_rate" ;;
        contracts | drift) "$python" scripts/bench_build.py "$release/tidegate" "$part" ;;
        repos) TIDEGATE_DVC_REPOS=1000 cargo test --locked --workspace --test pipeline generated ;;
        kills) TIDEGATE_TEST_KILLS=100 cargo test --locked --workspace --test cli killed:: &&
            TIDEGATE_TEST_KILLS=100 cargo test --locked --workspace --test data killed ;;
    esac
done
