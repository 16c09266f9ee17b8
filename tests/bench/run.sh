#!/usr/bin/env bash
# Every figure of muster beside its peers', measured in one run on the same kind of nodes: `make bench`. ROUNDS= how often.
set -uo pipefail
cd "$(dirname "$0")/../.."
code=0
FIGURES=$(mktemp)
export FIGURES
for bench in muster pacemaker controller; do
    printf '\n##### tests/bench/%s.sh\n' "$bench"
    "tests/bench/$bench.sh" || code=1
done
printf '\n##### all figures\n'
# shellcheck source=figures.sh
WORK=$(mktemp -d)
cp "$FIGURES" "$WORK/figures"
unset FIGURES
source tests/bench/figures.sh
figures_print
rm -rf "$WORK"
exit "$code"
