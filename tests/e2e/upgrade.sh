#!/usr/bin/env bash
# A rolling upgrade, node by node, to the build of the next protocol version (NEXT_AGENT_DIR), with a crash in the middle, and
# back again. The two builds write packets that the other cannot read by chance.
set -euo pipefail
cd "$(dirname "$0")/../.."
source tests/e2e/library.sh

NEXT_AGENT_DIR=${NEXT_AGENT_DIR:-$PWD/target/next}
lab_start "${LAB:-upgrade}" 3
options=(-i "$INVENTORY" playbooks/site.yml)

protocol_is() {
    local name
    for name in $NODE_NAMES; do
        [ "$(node "$name" musterd status --output json | json "s['protocol']")" = "$1" ] || return 1
    done
}
sum() { sha256sum <"$1" | cut -d' ' -f1; }
has_build() { [ "$(node "$1" sha256sum /usr/local/sbin/musterd | cut -d' ' -f1)" = "$(sum "$2"/*/musterd)" ]; }

# give_agent NODE DIR: that node gets the agent of that folder, as a user would do it; nothing else happens.
give_agent() {
    local before start
    before=$(fencings)
    start=$(now)
    watch_start
    expect "$1 gets its agent" env MUSTER_AGENT_DIR="$2" "$MUSTER" apply "${options[@]}" --limit "$1"
    expect "it is that build" has_build "$1" "$2"
    expect "the cluster is whole" wait_until 60 settled
    watch_stop
    tail -n 1 "$WORK/watch"
    grep -q 'summary: 0 outages' "$WORK/watch" || timeline "$start"
    expect "there was no outage" grep -q 'summary: 0 outages' "$WORK/watch"
    expect "nobody was fenced" test "$(fencings)" = "$before"
}

step "the cluster, of this build"
THIS_AGENT_DIR=$WORK/this
for agent in target/*/agent/musterd; do install -D "$agent" "$THIS_AGENT_DIR/$(cut -d/ -f2 <<<"$agent")/musterd"; done
expect "the builds differ" test "$(sum "$THIS_AGENT_DIR"/*/musterd)" != "$(sum "$NEXT_AGENT_DIR"/*/musterd)"
"$MUSTER" apply "${options[@]}" >"$WORK/apply"
expect "the cluster settles" wait_until 60 settled
expect "protocol 1" wait_until 10 protocol_is 1
step_done

step "the first node gets the next build"
give_agent n1 "$NEXT_AGENT_DIR"
expect "protocol 1 is spoken" wait_until 10 protocol_is 1
step_done

step "the active node crashes while two versions are about"
active=$(active_node)
before=$(fencings)
watch_start
"$MUSTER" lab crash --name "$LAB_NAME" "$active"
expect "the page comes from another node" wait_until 60 served_elsewhere "$active"
expect "the cluster settles with all nodes" wait_until 120 settled
watch_stop
tail -n 1 "$WORK/watch"
expect "one fencing" test "$(fencings)" = $((before + 1))
expect "the address was never on two nodes" grep -q 'address on two nodes: 0 times' "$WORK/watch"
step_done

step "the others get the next build"
give_agent n2 "$NEXT_AGENT_DIR"
expect "protocol 1 is spoken" wait_until 10 protocol_is 1
give_agent n3 "$NEXT_AGENT_DIR"
expect "protocol 2 is spoken" wait_until 10 protocol_is 2
step_done

step "one node goes back to this build"
give_agent n2 "$THIS_AGENT_DIR"
expect "n2 speaks protocol 1" test "$(node n2 musterd status --output json | json "s['protocol']")" = 1
step_done

step "all nodes at once get the next build"
before=$(fencings)
watch_start
env MUSTER_AGENT_DIR="$NEXT_AGENT_DIR" "$MUSTER" apply "${options[@]}" >"$WORK/apply"
expect "the cluster is whole" wait_until 60 settled
expect "protocol 2 is spoken" wait_until 10 protocol_is 2
watch_stop
tail -n 1 "$WORK/watch"
expect "there was no outage" grep -q 'summary: 0 outages' "$WORK/watch"
expect "nobody was fenced" test "$(fencings)" = "$before"
step_done

summary
