#!/usr/bin/env bash
# All end-to-end tests, one after the other: what the gate runs. Needs root.
set -uo pipefail
cd "$(dirname "$0")/../.."
code=0
for test in lab cluster kept faults; do
    printf '\n##### tests/e2e/%s.sh\n' "$test"
    "tests/e2e/$test.sh" || code=1
done
exit "$code"
