#!/usr/bin/env bash
# Writes deploy/kubernetes anew from the chart, and checks both. `make test` checks them too.
set -euo pipefail
. "$(dirname "$0")/lib.sh"

need_python
helm_program || fail "helm is needed to write the manifests"
environment deploy
"$environment/bin/python" scripts/deploy_check.py "$helm" --write
