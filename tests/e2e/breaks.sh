#!/usr/bin/env bash
# The shipped playbook broken off at random points on two lab nodes: POINTS=20 for each kind, SEED=… for other points; arguments are kinds.
set -euo pipefail
cd "$(dirname "$0")/../.."
source tests/e2e/library.sh

lab_start "${LAB:-breaks}" 2
step "broken off"
MUSTER_RUNS=$WORK/runs python3 tests/e2e/breaks.py "$MUSTER" "$LAB_NAME" "$INVENTORY" "$@"
step_done
