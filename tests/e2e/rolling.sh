#!/usr/bin/env bash
# Rolling changes on a running cluster of NODES, watched from outside: what is served, who is quorate, who goes when.
set -euo pipefail
cd "$(dirname "$0")/../.."
source tests/e2e/library.sh

lab_start "${LAB:-rolling}" "${NODES:-3}"
"$MUSTER" apply -i "$INVENTORY" playbooks/site.yml >"$WORK/apply"
expect "the cluster settles" wait_until 60 settled

roll() { "$MUSTER" apply -i "$INVENTORY" tests/e2e/rolling.yml "$@"; }
in_standby() { status_json | json "' '.join(n['name'] for n in s['nodes'] if n['standby'])"; }

# Whether each node that answers and is in a view is quorate, five times a second.
quorum_watch_start() {
    while sleep 0.2; do
        for name in $NODE_NAMES; do
            node "$name" musterd status --output json 2>/dev/null | json "'$name', s['quorum']['is_quorate'] if s['view'] else 'looks for the others'" 2>/dev/null || true
        done
    done >"$WORK/quorum" &
    quorum_watch=$!
}
quorum_watch_stop() {
    kill "$quorum_watch" 2>/dev/null || true
    wait "$quorum_watch" 2>/dev/null || true
    printf 'asked for quorum %s times, %s times without\n' "$(wc -l <"$WORK/quorum")" "$(grep -c False "$WORK/quorum" || true)"
}
# watched COMMAND…: with what was seen of it from outside.
watched() {
    local before start
    before=$(fencings)
    start=$(now)
    watch_start
    quorum_watch_start
    "$@" >"$WORK/roll" 2>&1 || true
    printf 'it took %s s\n' "$(since "$start")"
    expect "the cluster is whole" wait_until 60 settled
    quorum_watch_stop
    watch_stop
    grep ROLLING "$WORK/roll" || cat "$WORK/roll"
    tail -n 1 "$WORK/watch"
    expect "nobody was fenced" test "$(fencings)" = "$before"
    expect "the address was never on two nodes" grep -q 'address on two nodes: 0 times' "$WORK/watch"
    expect "nobody is in standby" test -z "$(in_standby)"
}
# Each node goes once, and the next one after it is back.
went_one_by_one() {
    python3 - "$WORK/roll" "$1" <<'END'
import re, sys
down, gone = None, []
for host, text in re.findall(r'ROLLING: \[(\w+)\]: (.*)', open(sys.argv[1]).read()):
    if text.startswith('is back'):
        assert host == down, (host, down)
        down = None
    else:
        assert down is None, (host, down)
        down = host
        gone.append(host)
assert down is None and len(gone) == len(set(gone)) == int(sys.argv[2]), gone
END
}
nodes=$(wc -w <<<"$NODE_NAMES")

step "the agents are restarted"
active=$(active_node)
watched roll --tags task
expect "one after the other" went_one_by_one "$nodes"
expect "the active node last" test "$(grep -oE 'ROLLING: \[n[0-9]+\]: (runs|moved)' "$WORK/roll" | tail -n 1)" = "ROLLING: [$active]: moved"
step_done

step "what has nothing to do moves nothing"
roll --tags block >"$WORK/apply"
roll --tags block >"$WORK/apply"
expect "nothing is changed" no_change "$WORK/apply"
expect "nobody goes down" test "$(grep -c ROLLING "$WORK/apply")" = 0
step_done

step "a change that fails on one node stops there"
active=$(active_node)
spare=$(for name in $NODE_NAMES; do [ "$name" = "$active" ] || echo "$name"; done | head -n 1)
if roll --tags block -e setting=second -e broken="$spare" >"$WORK/apply" 2>&1; then broke=no; else broke=yes; fi
expect "it fails" test "$broke" = yes
expect "that node stays in standby" test "$(in_standby)" = "$spare"
expect "it says so" grep -q "the rolling change stops at $spare, which stays in standby" "$WORK/apply"
expect "the active node has the old setting" node "$active" grep -qx first /etc/muster-e2e-setting
expect "the page is served" test_served_by "$active"
step_done

step "once it is mended the same run goes on from there"
watched roll --tags block -e setting=second
expect "that node comes first" test "$(grep -m 1 -oE 'ROLLING: \[n[0-9]+\]' "$WORK/roll")" = "ROLLING: [$spare]"
for name in $NODE_NAMES; do expect "$name has the setting" node "$name" grep -qx second /etc/muster-e2e-setting; done
step_done

step "the controller dies while a node is down"
"$MUSTER" apply -i "$INVENTORY" tests/e2e/rolling.yml --tags block -e setting=third -e slow=5 >"$WORK/apply" 2>&1 &
run=$!
expect "a node goes down" wait_until 30 grep -q ROLLING "$WORK/apply"
kill -9 "$run"
wait "$run" 2>/dev/null || true
expect "one node is in standby" test "$(in_standby | wc -w)" = 1
expect "its status says why" sh -c "'$MUSTER' lab exec --name '$LAB_NAME' '$(in_standby)' musterd status | grep -q 'down for a rolling change'"
# Its agent is not there when the next run begins, and comes while it waits.
away=$(in_standby)
node "$away" systemctl stop musterd
(sleep 3; node "$away" systemctl start musterd) &
watched roll --tags block -e setting=third
for name in $NODE_NAMES; do expect "$name has the setting" node "$name" grep -qx third /etc/muster-e2e-setting; done
step_done

if [ "$nodes" -gt 2 ]; then
    step "nobody goes where the others would not be quorate"
    active=$(active_node)
    away=$(for name in $NODE_NAMES; do [ "$name" = "$active" ] || echo "$name"; done | tail -n +2)
    for name in $away; do node "$name" systemctl stop musterd; done
    if roll --tags block -e setting=fourth --limit "$active" >"$WORK/apply" 2>&1; then broke=no; else broke=yes; fi
    expect "it is refused" test "$broke" = yes
    expect "with the reason" grep -q "may not go down" "$WORK/apply"
    for name in $away; do node "$name" systemctl start musterd; done
    expect "the cluster is whole" wait_until 60 settled
    step_done
fi

step "all nodes reboot"
watched roll --tags reboot
expect "one after the other" went_one_by_one "$nodes"
step_done

summary
