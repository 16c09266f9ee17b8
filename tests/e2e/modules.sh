#!/usr/bin/env bash
# Every module on a lab node: check, apply, check, apply. What a check predicts is what its apply comes to, a check writes
# nothing, and the second round is silent. The cases are in tests/modules; modules.py says what a case file may declare.
#
#   tests/e2e/modules.sh [MODULE…]        KEEP=1 leaves the lab
set -euo pipefail
cd "$(dirname "$0")/../.."
# shellcheck source=tests/e2e/library.sh
. tests/e2e/library.sh
watch_pid=
lab_start modules 1 --packages network-manager,nftables,openssl,python3
python3 tests/e2e/modules.py "$MUSTER" "$INVENTORY" "$@"
