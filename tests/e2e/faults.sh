#!/usr/bin/env bash
# The faults that a kernel can give, one after the other on one cluster with two links, each watched from outside: the floating
# address is never on two nodes, as many nodes are fenced as must be, and everything is whole again. NODES=2..8.
# CLOCK=1 also sets the clock, which is the whole machine's: forth and back by half a minute.
set -euo pipefail
cd "$(dirname "$0")/../.."
source tests/e2e/library.sh

NODES=${NODES:-3}
lab_start "${LAB:-faults}" "$NODES" --links 2 --packages chrony,apache2,curl
options=(-i "$INVENTORY" playbooks/site.yml)

lab() { "$MUSTER" lab "$1" --name "$LAB_NAME" "${@:2}"; }
others() { for name in $NODE_NAMES; do [ "$name" = "$1" ] || echo "$name"; done; }
commas() { paste -sd, -; }
view_epoch() { status_json | json "s['view']['epoch']"; }
no_outage_yet() { ! grep -q "no answer" "$WORK/watch"; }

# fault SENTENCE FENCINGS FUNCTION: the function does it to the cluster, and undoes what would not end by itself.
fault() {
    step "$1"
    expect "the cluster is whole before" wait_until 60 settled
    active=$(active_node)
    passive=$(others "$active" | sed -n 1p)
    before=$(fencings)
    watch_start
    "$3"
    expect "the cluster is whole again" wait_until 120 settled
    watch_stop
    tail -n 1 "$WORK/watch"
    expect "the address was never on two nodes" grep -q 'address on two nodes: 0 times' "$WORK/watch"
    expect "$2 fenced" test_fencings $((before + $2))
    step_done
}

fenced_once_more() { wait_until 60 test_fencings $((before + 1)); }

crash_active() { lab crash "$active"; expect "fenced" fenced_once_more; expect "served elsewhere" wait_until 30 served_elsewhere "$active"; }
crash_coordinator() { lab crash "$(coordinator)"; expect "fenced" fenced_once_more; }
freeze_active() { lab freeze "$active"; expect "fenced" fenced_once_more; expect "served elsewhere" wait_until 30 served_elsewhere "$active"; }

freeze_shortly() {
    local epoch
    epoch=$(view_epoch)
    lab freeze "$active"
    sleep 1
    lab thaw "$active"
    sleep 3
    expect "the view is the same" test "$(view_epoch)" = "$epoch"
}

# The agent stands still while its node goes on: its heartbeats stay away, so the others must fence the node.
stop_agent() {
    node "$active" pkill -STOP -x musterd
    expect "fenced" fenced_once_more
    expect "served elsewhere" wait_until 30 served_elsewhere "$active"
}

stop_agent_shortly() {
    local epoch
    epoch=$(view_epoch)
    node "$active" pkill -STOP -x musterd
    sleep 1
    node "$active" pkill -CONT -x musterd
    sleep 3
    expect "the view is the same" test "$(view_epoch)" = "$epoch"
}

kill_all_agents() {
    local name kills=()
    for name in $NODE_NAMES; do
        node "$name" pkill -9 -x musterd &
        kills+=($!)
    done
    wait "${kills[@]}"
    expect "all agents are back" wait_until 60 settled
}

cut_link() {
    local epoch
    epoch=$(view_epoch)
    lab partition "$active" "$(others "$active" | commas)" --link 0
    sleep 5
    expect "the view is the same" test "$(view_epoch)" = "$epoch"
    lab heal
    sleep 1
}

# Interfaces go away and come back, one after the other; the other link carries on each time.
lose_interfaces() {
    local epoch interface
    epoch=$(view_epoch)
    for interface in $(node "$passive" sh -c 'ls /sys/class/net | grep -v lo'); do
        node "$passive" ip link set dev "$interface" down
        sleep 4
        expect "the view is the same without $interface" test "$(view_epoch)" = "$epoch"
        node "$passive" sh -c "ip link set dev $interface up; systemctl restart systemd-networkd"
        sleep 3
    done
}

# What the active node sends is lost, and it hears the others.
mute_active() {
    lab partition "$active" "$(others "$active" | commas)" --one-way
    expect "fenced" fenced_once_more
    lab heal
}

deafen_active() {
    lab partition "$(others "$active" | commas)" "$active" --one-way
    expect "fenced" fenced_once_more
    lab heal
}

# Cut off from everything, the power switches too: it must stop by itself, or be fenced before the others start anything.
isolate_active() {
    lab partition "$active" --isolate
    expect "fenced" fenced_once_more
    expect "served elsewhere" wait_until 60 served_elsewhere "$active"
    lab heal
}

split() {
    lab partition "$active" "$(others "$active" | commas)"
    expect "fenced" fenced_once_more
    lab heal
}

# Two nodes do not reach each other, and both reach the others: one of them has to go, and it is not the active one.
break_triangle() {
    lab partition "$passive" "$(others "$active" | sed -n 2p)"
    expect "fenced" fenced_once_more
    expect "the service goes on" test_served_by "$active"
    expect "there was no outage" no_outage_yet
    lab heal
}

# The active node and one more are cut off from the majority: both are fenced.
split_minority() {
    lab partition "$active,$passive" "$(others "$active" | sed 1d | commas)"
    expect "both are fenced" wait_until 60 test_fencings $((before + 2))
    expect "served elsewhere" wait_until 60 served_elsewhere "$active"
    lab heal
}

# No part has a majority: whoever runs something stops it, nobody may fence, and one view is made of all parts.
halve() {
    local half=$((NODES / 2))
    lab partition "$(seq -f 'n%g' 1 "$half" | commas)" "$(seq -f 'n%g' $((half + 1)) "$NODES" | commas)"
    expect "nothing runs" wait_until 30 nothing_answers
    lab heal
}

shatter() {
    lab partition n1,n2,n3 "$(seq -f 'n%g' 4 "$NODES" | commas)"
    lab partition n4,n5,n6 "$(seq -f 'n%g' 7 "$NODES" | commas)"
    expect "nothing runs" wait_until 30 nothing_answers
    lab heal
}

nothing_answers() { [ -z "$(served_by)" ] && [ "$(holders)" = 0 ]; }

# The clock is no part of who is alive.
set_clock() {
    local epoch by
    epoch=$(view_epoch)
    for by in 30 -60 30; do
        node "$active" sh -c "date -s \"@\$(( \$(date +%s) + $by ))\""
        sleep 4
        expect "the view is the same after $by s" test "$(view_epoch)" = "$epoch"
    done
    expect "the service goes on" test_served_by "$active"
    expect "there was no outage" no_outage_yet
}

# The store of a node has no room left. It must not promise what it cannot remember, and says so; the service goes on.
fill_disk() {
    node "$passive" sh -c 'systemctl stop musterd && mount -t tmpfs -o size=1m none /mnt &&
        cp -a /var/lib/musterd/. /mnt/ && mount --bind /mnt /var/lib/musterd && systemctl start musterd'
    expect "the node is a member with a small disk" wait_until 30 all_members
    node "$passive" sh -c 'dd if=/dev/zero of=/var/lib/musterd/filler bs=4k 2>/dev/null; true'
    # Nothing can be changed until the other is fenced, where there are two.
    expect "a change is made" wait_until 20 node "$active" musterd node standby "$passive"
    expect "the node says why" wait_until 20 says_no_space "$passive"
    expect "fenced" fenced_once_more
    expect "and taken back" wait_until 20 node "$active" musterd node unstandby "$passive"
    expect "the service goes on" test_served_by "$active"
    expect "there was no outage" no_outage_yet
}

says_no_space() { node "$1" journalctl -u musterd --since=-60s | grep -q 'cannot be written.*No space left'; }

step "the cluster"
"$MUSTER" apply "${options[@]}" >"$WORK/apply"
expect "the cluster settles" wait_until 60 settled
step_done

fault "the active node stands still for a second" 0 freeze_shortly
fault "the agent of the active node stands still for a second" 0 stop_agent_shortly
fault "all agents are killed at once" 0 kill_all_agents
fault "the first link is cut" 0 cut_link
fault "the interfaces of a node go down in turn" 0 lose_interfaces
fault "the active node crashes" 1 crash_active
fault "the coordinator crashes" 1 crash_coordinator
fault "the active node freezes" 1 freeze_active
fault "the agent of the active node stops for good" 1 stop_agent
fault "the active node is cut off from the others" 1 split
[ "$NODES" -lt 3 ] || fault "two nodes do not reach each other, all others reach both" 1 break_triangle
[ "$NODES" -lt 5 ] || fault "the active node and another are cut off from the majority" 2 split_minority
[ "$NODES" -lt 4 ] || [ $((NODES % 2)) = 1 ] || fault "two halves" 0 halve
[ "$NODES" -lt 7 ] || fault "three parts, none with a majority" 0 shatter
[ -z "${CLOCK:-}" ] || fault "the clock is set" 0 set_clock
fault "what the active node sends is lost" 1 mute_active
fault "what the active node should hear is lost" 1 deafen_active
fault "the active node is cut off from everything" 1 isolate_active
fault "the disk of a node is full" 1 fill_disk
summary
