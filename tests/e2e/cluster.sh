#!/usr/bin/env bash
# A cluster on lab nodes, from bare hosts through the faults that a kernel can give. NODES=2|3, PARTITIONS=how many.
set -euo pipefail
cd "$(dirname "$0")/../.."
source tests/e2e/library.sh

NODES=${NODES:-2}
lab_start "${LAB:-e2e}" "$NODES"
options=(-i "$INVENTORY" playbooks/site.yml)

# What is on a node's disk, without what its own services write while nothing is done to it.
checksums() {
    node "$1" sh -c 'find / -xdev -type f \( -path /proc -o -path "/var/log/*" -o -path "/var/lib/systemd/*" \
        -o -path "/var/lib/chrony/*" -o -path "/tmp/*" -o -path "/var/tmp/*" -o -path "/root/.*" \) -prune \
        -o -xdev -type f -print0 | sort -z | xargs -0 sha256sum 2>/dev/null' >"$WORK/$2-$1"
}

same_checksums() { diff -q "$WORK/before-$1" "$WORK/after-$1"; }

# Which tasks change which hosts, from the events of a run.
changes() {
    python3 - "$1" <<'PY'
import json, sys
found = set()
task = ""
for line in open(sys.argv[1]):
    event = json.loads(line)
    if event["event"] == "task":
        task = event["place"] + " " + event["name"]
    if event["event"] == "done" and event["result"].get("changed"):
        found.add(event["host"] + " " + task)
print("\n".join(sorted(found)))
PY
}

# survives_loss_of NODE: what a rehearsal of the playbook says, on the hosts as they are: it is fenced, and everything runs.
survives_loss_of() {
    "$MUSTER" simulate "${options[@]}" --all-single-faults --format json |
        json "[f['is_survived'] and f['fenced'] for f in s['faults'] if f['fault'] == 'node $1 lost'] == [['$1']]" |
        grep -qx True
}
# moves_from NODE: what it says of the address where this node vanishes.
moves_from() {
    "$MUSTER" simulate "${options[@]}" --node-down "$1" --format json |
        json "s['course']['fenced'] == ['$1'] and [p['node'] for p in s['course']['final']['vip']] not in ([], ['$1'])" |
        grep -qx True
}

as_predicted() { diff "$WORK/predicted" "$WORK/actual" >&2 && test -s "$WORK/actual"; }
refused() { ! "$@" 2>"$WORK/refusal" && cat "$WORK/refusal"; }

step "a plan for bare nodes tells what apply then does, and touches nothing"
for name in $NODE_NAMES; do checksums "$name" before; done
"$MUSTER" plan --output json "${options[@]}" >"$WORK/plan.json"
expect "rehearsed on them, the cluster survives the loss of n1" survives_loss_of n1
for name in $NODE_NAMES; do
    checksums "$name" after
    expect "the plan left the files of $name as they were" same_checksums "$name"
done
export MUSTER_PLAN_KEY=$WORK/plan.key
"$MUSTER" plan --out "$WORK/site.plan" "${options[@]}" >"$WORK/kept"
expect "a list is no plan to be kept" refused "$MUSTER" plan --out "$WORK/no.plan" --list-tasks "${options[@]}"
"$MUSTER" apply --output json "$WORK/site.plan" >"$WORK/apply.json"
changes "$WORK/plan.json" >"$WORK/predicted"
changes "$WORK/apply.json" >"$WORK/actual"
expect "the changes of apply are those of the plan ($(wc -l <"$WORK/actual"))" as_predicted
step_done

step "the second run is silent"
"$MUSTER" apply "${options[@]}" >"$WORK/second"
expect "the second apply changes nothing" no_change "$WORK/second"
expect "the second plan exits with 0" "$MUSTER" plan --detailed-exitcode "${options[@]}"
step_done

step "the service runs once"
expect "the cluster settles" wait_until 60 settled
expect "status answers through the controller" "$MUSTER" status -i "$INVENTORY"
expect "the key is private" test "$(node n1 stat -c %a /etc/corosync/authkey)" = 400
step_done

active=$(active_node)
step "the playbook rehearsed on the cluster that runs: it answers, and touches nothing"
for name in $NODE_NAMES; do checksums "$name" before; done
expect "without the active node the address is elsewhere" moves_from "$active"
expect "its loss is survived" survives_loss_of "$active"
for name in $NODE_NAMES; do
    checksums "$name" after
    expect "the files of $name are as they were" same_checksums "$name"
done
expect "the page comes from the same node" test_served_by "$active"
step_done

step "kill -9 of Apache: repaired in place"
watch_start
node "$active" pkill -9 -x apache2
expect "the failure is on record" wait_until 10 has_failed apache
expect "the page is back on the same node" wait_until 30 test_served_by "$active"
watch_stop
tail -n 1 "$WORK/watch"
expect "nobody was fenced" test "$(fencings)" = 0
step_done

# kill_agent NODE: the agent is gone at once; systemd starts it again.
kill_agent() {
    watch_start
    node "$1" pkill -9 -x musterd
    expect "the agent of $1 is back" wait_until 30 settled
    watch_stop
    tail -n 1 "$WORK/watch"
    expect "there was no outage" grep -q 'summary: 0 outages' "$WORK/watch"
    expect "the page comes from the same node" test_served_by "$active"
    expect "nobody was fenced" test "$(fencings)" = 0
}

step "kill -9 of the agent on the active node: the service is not touched"
kill_agent "$active"
step_done

step "kill -9 of the agent that coordinates: the service is not touched"
was=$(coordinator)
kill_agent "$was"
echo "coordinator before: $was, after: $(coordinator); active: $active"
step_done

step "standby moves the service, its end does not move it back"
watch_start
node "$active" musterd node standby "$active"
expect "the page comes from another node" wait_until 30 served_elsewhere "$active"
node "$active" musterd node unstandby "$active"
expect "the cluster settles" wait_until 30 settled
expect "the page still comes from another node" served_elsewhere "$active"
watch_stop
tail -n 1 "$WORK/watch"
expect "the address was never on two nodes" grep -q 'address on two nodes: 0 times' "$WORK/watch"
step_done

for round in $(seq "${PARTITIONS:-1}"); do
    step "partition $round: one side survives"
    active=$(active_node)
    before=$(fencings)
    others=$(for name in $NODE_NAMES; do [ "$name" = "$active" ] || echo "$name"; done)
    watch_start
    for other in $others; do "$MUSTER" lab partition --name "$LAB_NAME" "$active" "$other"; done
    expect "one fencing" wait_until 60 test_fencings $((before + 1))
    "$MUSTER" lab heal --name "$LAB_NAME"
    expect "the cluster settles" wait_until 120 settled
    watch_stop
    tail -n 1 "$WORK/watch"
    echo "active before: $active, after: $(active_node)"
    expect "the address was never on two nodes" grep -q 'address on two nodes: 0 times' "$WORK/watch"
    expect "no second fencing" test "$(fencings)" = $((before + 1))
    step_done
done

step "crash of the active node: fenced, served elsewhere, back without a second fencing"
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

tick_is() {
    local name
    for name in $NODE_NAMES; do [ "$(node "$name" systemctl is-active tick || true)" = "$1" ] || return 1; done
}

step "agents that restart in a rolling change go one after the other, and the page stays up"
rolling=(-i "$INVENTORY" tests/e2e/rolling.yml --tags block)
active=$(active_node)
watch_start
"$MUSTER" apply "${rolling[@]}" >"$WORK/roll"
expect "the cluster is whole" wait_until 60 settled
watch_stop
tail -n 1 "$WORK/watch"
expect "both went, the active one last" test "$(grep -oE '^ROLLING: \[n[0-9]\]: moved' "$WORK/roll")" = "ROLLING: [$active]: moved"
expect "both are back" test "$(grep -c 'is back after' "$WORK/roll")" = 2
expect "the service moved once" test "$(grep -c ' moved vip' "$WORK/roll")" = 1
"$MUSTER" apply "${rolling[@]}" >"$WORK/roll"
expect "the second run moves nothing" test "$(grep -c ROLLING "$WORK/roll")" = 0
step_done

step "a clone runs on every node, and goes when it is not declared any more"
"$MUSTER" apply -i "$INVENTORY" tests/e2e/clone.yml >"$WORK/clone"
expect "a copy runs on each node" wait_until 20 tick_is active
expect "the second run is silent" "$MUSTER" plan --detailed-exitcode -i "$INVENTORY" tests/e2e/clone.yml
node n1 systemctl kill -s KILL tick
expect "the copy that failed is back" wait_until 30 tick_is active
"$MUSTER" apply "${options[@]}" >"$WORK/without"
expect "no copy is left" wait_until 20 tick_is inactive
expect "the page is served" wait_until 20 settled
step_done

promoted_on() { status_json | json "' '.join(next((r['promoted'] for r in s['resources'] if r['id'] == 'db-clone'), []))"; }
is_promoted_once() { [ "$(promoted_on | wc -w)" = 1 ]; }
is_promoted_nowhere() { [ -z "$(promoted_on)" ]; }
is_promoted_elsewhere() { is_promoted_once && [ "$(promoted_on)" != "$1" ]; }
follows_the_promoted() { [ -n "$(served_by)" ] && [ "$(served_by)" = "$(promoted_on)" ]; }
score_on() { node "$1" env OCF_RESOURCE_INSTANCE=db /run/musterd/agent-commands/crm_attribute -p -G -q; }
has_score() { [ "$(score_on "$1")" = "$2" ]; }

step "one copy of a promotable clone is promoted, and the service follows it"
"$MUSTER" apply -i "$INVENTORY" tests/e2e/promotable.yml >"$WORK/promotable"
expect "one copy is promoted" wait_until 30 is_promoted_once
expect "the page is served there" wait_until 20 follows_the_promoted
was=$(promoted_on)
expect "its agent has said what it is" wait_until 10 has_score "$was" 10
expect "the second run is silent" "$MUSTER" plan --detailed-exitcode -i "$INVENTORY" tests/e2e/promotable.yml
node "$was" systemctl kill -s KILL musterd
sleep 1
expect "an agent that was killed is back" wait_until 30 settled
expect "what was promoted stays where it is" test "$(promoted_on)" = "$was"
expect "what was said of it is known" has_score "$was" 10
node n1 musterd node standby "$was"
expect "in standby another copy is promoted" wait_until 30 is_promoted_elsewhere "$was"
expect "the page is served there" wait_until 20 follows_the_promoted
node n1 musterd node unstandby "$was"
expect "the cluster is whole again" wait_until 60 settled
was=$(promoted_on)
"$MUSTER" lab crash --name "$LAB_NAME" "$was" >/dev/null
expect "after a crash another copy is promoted" wait_until 60 is_promoted_elsewhere "$was"
expect "the page is served there" wait_until 20 follows_the_promoted
expect "the cluster is whole again" wait_until 90 settled
"$MUSTER" apply "${options[@]}" >"$WORK/without"
expect "no copy is left" wait_until 20 is_promoted_nowhere
step_done

with_reload() { "$MUSTER" "$1" -i "$INVENTORY" tests/e2e/reload.yml "${@:2}"; }
place_of() { status_json | json "' '.join(next((r['nodes'] for r in s['resources'] if r['id'] == '$1'), []))"; }
runs() { [ -n "$(place_of current)" ] && [ -n "$(place_of older)" ]; }
# What each start makes anew.
state_of() { node "$(place_of "$1")" stat -c '%i %z' "/run/$1.state"; }
was_not_started() { [ "$(state_of current)" = "$current" ] && [ "$(state_of older)" = "$older" ]; }
was_told() { node "$(place_of "$1")" musterd events | grep "reload-agent of $1 on .* done"; }

step "a parameter that the agent takes over is no restart, another one is"
with_reload apply >"$WORK/reload"
expect "both services run" wait_until 30 runs
current=$(state_of current)
older=$(state_of older)
with_reload plan -e fake=second >"$WORK/plan"
expect "the plan calls it a reload" grep -q 'options.fake (reload)' "$WORK/plan"
expect "and says so of the cluster" grep -q 'reload older on n' "$WORK/plan"
with_reload apply -e fake=second >"$WORK/reload"
expect "an agent of OCF 1.1 is told" wait_until 20 was_told current
expect "and so is an older one" wait_until 20 was_told older
expect "neither was stopped" was_not_started
expect "the second run is silent" with_reload plan --detailed-exitcode -e fake=second
with_reload plan -e fake=third -e folder=/var/run >"$WORK/plan"
expect "together with another parameter it is a restart" grep -q 'options.fake (restart)' "$WORK/plan"
with_reload apply -e fake=third -e folder=/var/run >"$WORK/reload"
expect "both services run" wait_until 30 runs
expect "they were started anew" refused was_not_started
expect "the second run is silent" with_reload plan --detailed-exitcode -e fake=third -e folder=/var/run
"$MUSTER" apply "${options[@]}" >"$WORK/without"
expect "the page is served" wait_until 20 settled
step_done

step "what may come next is asked ahead, and nothing is taken for unchanged that a task before it changed"
expect "each task finds what those before it left" "$MUSTER" apply -i "$INVENTORY" tests/e2e/order.yml
slow_link_start 0.01
for _ in first second; do "$MUSTER" apply -i "$WORK/slow" -l n1 tests/bench/many.yml >"$WORK/many"; done
slow_link_end
# 11: connection and login, the start of the worker, facts, the tasks, and the command that is always run.
expect "ten tasks with nothing to do wait for few answers ($turns)" test "$turns" -le 13
step_done

with_handlers() { "$MUSTER" "$1" -i "$INVENTORY" tests/e2e/due.yml "${@:2}" >"$WORK/due" 2>&1; }
note_is_gone() { node n1 test ! -e /var/lib/muster/due-handlers.json; }
is_noted() { node n1 grep -q count /var/lib/muster/due-handlers.json; }
counted() { [ "$(node n1 sh -c 'cat /run/counted 2>/dev/null | wc -l')" = "$1" ]; }
kill_while_it_waits() {
    "$MUSTER" apply -i "$INVENTORY" tests/e2e/due.yml -e text=third -e waits=true >"$WORK/due" 2>&1 &
    local run=$!
    wait_until 20 is_noted && kill -9 "$run"
    wait "$run" 2>/dev/null || true
}

step "a handler that a broken run left due runs in the next one"
with_handlers apply -e text=first
expect "two handlers ran" counted 2
expect "nothing is noted" note_is_gone
expect "a run breaks off behind the change" refused with_handlers apply -e text=second -e breaks=true
expect "neither handler ran" counted 2
expect "the node has noted them" is_noted
expect "the status of the node says so" node n1 sh -c 'musterd status | grep -q "due on this node"'
with_handlers plan -e text=second
expect "a plan has them" grep -q '^? other' "$WORK/due"
with_handlers apply -e text=second
expect "the next run has them run" counted 4
expect "nothing is noted any more" note_is_gone
kill_while_it_waits
with_handlers apply -e text=third
expect "so it is where the controller was killed" counted 6
expect "nothing is noted any more" note_is_gone
step_done

names_the_file() { grep -q 'n1: `A change`: .*file /etc/due.conf' "$WORK/refusal"; }

step "a saved plan is what is applied, or nothing is"
with_handlers plan --out "$WORK/saved" -e text=fourth
expect "it can be shown" "$MUSTER" show "$WORK/saved"
expect "it cannot be read without the key" refused grep -q fourth "$WORK/saved"
node n1 sh -c 'echo by hand >/etc/due.conf'
expect "it is refused where somebody has changed a file" refused "$MUSTER" apply "$WORK/saved"
expect "and the file is named" names_the_file
expect "nothing was changed" node n1 grep -qx 'by hand' /etc/due.conf
node n1 sh -c 'echo third >/etc/due.conf'
expect "it is applied where all is as it was" "$MUSTER" apply "$WORK/saved"
expect "which changes what it says" node n1 grep -qx fourth /etc/due.conf
expect "once" refused "$MUSTER" apply "$WORK/saved"
step_done

heard() { node "$1" grep -qx "$2" /run/heard; }

step "the instances of a clone with notify hear of each other"
"$MUSTER" apply -i "$INVENTORY" tests/e2e/notify.yml >"$WORK/notify"
expect "both hear that they were started" wait_until 20 heard n1 "post-start start=n[12] n[12] stop= active="
expect "and the other one too" wait_until 20 heard n2 "post-start start=n[12] n[12] stop= active="
node n1 musterd node standby n2
expect "who stays hears it before" wait_until 20 heard n1 "pre-stop start= stop=n2 active=n1 n2"
expect "who stays hears it after" wait_until 20 heard n1 "post-stop start= stop=n2 active=n1 n2"
expect "who goes hears it before" heard n2 "pre-stop start= stop=n2 active=n1 n2"
expect "who is gone hears no more" refused heard n2 "post-stop .*"
node n1 musterd node unstandby n2
expect "who stays hears who comes" wait_until 20 heard n1 "post-start start=n2 stop= active=n1"
expect "and so does who comes" wait_until 20 heard n2 "post-start start=n2 stop= active=n1"
"$MUSTER" apply "${options[@]}" >"$WORK/without"
expect "the page is served" wait_until 20 settled
step_done

step "names that the cluster does not know"
expect "an unknown node is refused" refused node n1 musterd node standby n11
expect "with the nearest name" grep -q n1 "$WORK/refusal"
expect "an unknown resource is refused" refused node n1 musterd resource disable apach
expect "with the nearest name" grep -q apache "$WORK/refusal"
step_done

summary
