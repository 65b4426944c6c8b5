#!/usr/bin/env bash
# A language model behind Tidegate: a real llama.cpp with a model of half a megabyte, asked by OpenAI's own client, and a release of another
# prompt that the judge takes back for its cost. The environment is made once; llama.cpp is compiled for it, a quarter of an hour.
set -euo pipefail
. "$(dirname "$0")/lib.sh"

need_rust
need_c_compiler
need_python
command -v c++ >/dev/null 2>&1 || fail "no C++ compiler (\`c++\`): llama.cpp is compiled from source" "Debian, Ubuntu: apt-get install build-essential"
CMAKE_ARGS="-DGGML_NATIVE=OFF -DLLAVA_BUILD=OFF" environment llm
cargo build --locked --workspace --bin tidegate
PYTHONDONTWRITEBYTECODE=1 exec "$environment/bin/python" scripts/serve/language_check.py "$CARGO_TARGET_DIR/debug/tidegate" "$@"
