#!/usr/bin/env bash
# From the crash of a node to the view without it, activated on all others: NODES= how many, TOKENS= which, ROUNDS= how often.
# The node that crashes is not the one that serves. Times are from before the power is cut, by the nodes' own event logs.
set -euo pipefail
cd "$(dirname "$0")/../.."
source tests/e2e/library.sh
source tests/bench/figures.sh

NODES=${NODES:-2}
lab_start "${LAB:-detect}" "$NODES" --packages chrony,apache2,curl

# views_without NODE SINCE: when each of the others activated a view without it, seconds since the epoch.
views_without() {
    local name
    for name in $NODE_NAMES; do
        [ "$name" = "$1" ] || node "$name" musterd events --output json | python3 -c "
import json, re, sys
for line in sys.stdin:
    event = json.loads(line)
    members = re.match(r'view [0-9]+: ([^;]*);', event['text'])
    if members and event['at_ms'] / 1000 >= $2 and '$1' not in members[1].split(', '):
        print(event['at_ms'] / 1000)
        break"
    done | sort -n
}

all_know() { [ "$(views_without "$@" | wc -l)" = $((NODES - 1)) ]; }

for token in ${TOKENS:-1000 3000}; do
    "$MUSTER" apply -i "$INVENTORY" -e cluster_token="$token" playbooks/site.yml >"$WORK/apply" || { cat "$WORK/apply"; exit 1; }
    # Corosync adds 650 ms for each node beyond the second.
    effective=$((token + 650 * (NODES - 2)))
    for round in $(seq "${ROUNDS:-20}"); do
        wait_until 60 settled
        victim=$(for name in $NODE_NAMES; do [ "$name" = "$(active_node)" ] || echo "$name"; done | sed -n "$((round % (NODES - 1) + 1))p")
        started=$(now)
        "$MUSTER" lab crash --name "$LAB_NAME" "$victim" >/dev/null
        wait_until 60 all_know "$victim" "$started"
        took=$(awk -v a="$started" -v b="$(views_without "$victim" "$started" | tail -n 1)" 'BEGIN { printf "%d", (b - a) * 1000 }')
        figure "$NODES nodes, token $token ($effective): crash to view, ms" "$took"
    done
done
figures_print
