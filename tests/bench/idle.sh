#!/usr/bin/env bash
# What an idle agent costs: packets, bytes, processor and memory of one node. NODES= how many, for OVER= seconds.
set -euo pipefail
cd "$(dirname "$0")/../.."
source tests/e2e/library.sh
source tests/bench/figures.sh

NODES=${NODES:-2}
OVER=${OVER:-30}
DAEMONS='^musterd$'
lab_start "${LAB:-idle}" "$NODES" --packages chrony,apache2,curl
"$MUSTER" apply -i "$INVENTORY" playbooks/site.yml >"$WORK/apply" || { tail -n 40 "$WORK/apply"; exit 1; }
wait_until 120 settled
sleep 5

# What node n2 has sent so far, and what its agent has used: packets, bytes, processor time in ticks of 10 ms.
used() {
    # shellcheck disable=SC2016 # expanded on the node
    node n2 sh -c 'cat /proc/net/dev; cat /proc/$(pgrep -x musterd)/stat' | awk '
        /:/ && !/ lo:/ { sub(/.*:/, ""); bytes += $9; packets += $10 }
        /\(musterd\)/ { sub(/.*\) /, ""); ticks = $12 + $13 }
        END { print packets, bytes, ticks }'
}

before=$(used)
sleep "$OVER"
read -r packets bytes ticks < <(echo "$before" "$(used)" | awk -v s="$OVER" '{ printf "%.1f %.0f %.2f\n", ($4 - $1) / s, ($5 - $2) / s, ($6 - $3) / s }')
figure "$NODES nodes: packets a second that a node sends" "$packets"
figure "$NODES nodes: bytes a second that a node sends" "$bytes"
figure "$NODES nodes: processor, percent of a core" "$ticks"
figure "$NODES nodes: memory of an agent (PSS), MB" "$(memory)"
figures_print
