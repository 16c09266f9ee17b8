#!/usr/bin/env bash
# The main job, from nothing to a cluster that loses a node: what `make demo` runs. NODES=2|3, FENCE=redfish|fence_redfish,
# KEEP=1 leaves the lab up.
set -euo pipefail
cd "$(dirname "$0")/../.."
source tests/e2e/library.sh

NODES=${NODES:-2}
FENCE=${FENCE:-redfish}
lab_start "${LAB:-demo}" "$NODES"

options=(-i "$INVENTORY" -e "fence_agent=$FENCE")
if [ "$FENCE" = fence_redfish ]; then
    options+=(-e '{"cluster_fence_packages": ["fence-agents"]}')
fi

step "plan: what would change, and what the cluster would do"
"$MUSTER" plan "${options[@]}" playbooks/site.yml
step_done

step "apply"
"$MUSTER" apply "${options[@]}" playbooks/site.yml
step_done

step "status"
"$MUSTER" status -i "$INVENTORY"
step_done

step "apply again: nothing may change"
"$MUSTER" apply "${options[@]}" playbooks/site.yml | tee "$WORK/second" | tail -n $((NODES + 2))
expect "the second apply changes nothing" no_change "$WORK/second"
step_done

step "the page on the floating address $VIP"
curl -sS --max-time 5 "http://$VIP/"
step_done

active=$(active_node)
step "crash of $active, the node that serves"
watch_start
fencings_before=$(fencings)
crashed_at=$(now)
"$MUSTER" lab crash --name "$LAB_NAME" "$active"
expect "the page comes back from another node" wait_until 60 served_elsewhere "$active"
expect "$active is back as a member" wait_until 120 is_member "$active"
expect "the cluster is idle" wait_until 60 is_idle
watch_stop
expect "the address was never on two nodes" grep -q 'address on two nodes: 0 times' "$WORK/watch"
expect "one fencing, not two" test "$(fencings)" = $((fencings_before + 1))
step_done

step "timeline, seconds after the crash"
timeline "$crashed_at"
step_done

step "status"
"$MUSTER" status -i "$INVENTORY"
step_done

summary
