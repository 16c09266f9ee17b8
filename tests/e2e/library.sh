# What the end-to-end tests share: a lab, a clock for steps, checks that are counted, and a watch from outside.
# Sourced from the top folder of the checkout.

MUSTER=${MUSTER:-$PWD/target/release/muster}
WATCH=${WATCH:-$PWD/target/release/watch}
WORK=$(mktemp -d)
export MUSTER_AGENT_DIR=${MUSTER_AGENT_DIR:-}
[ -n "$MUSTER_AGENT_DIR" ] || unset MUSTER_AGENT_DIR
passed=0
failed=0
step_times=()

now() { date +%s.%N; }
since() { awk -v a="$1" -v b="$(now)" 'BEGIN { printf "%.2f", b - a }'; }

step() {
    step_name=$1
    step_start=$(now)
    printf '\n=== %s\n' "$1"
}

step_done() {
    local took
    took=$(since "$step_start")
    step_times+=("$took s  $step_name")
    printf -- '--- %s s\n' "$took"
}

# expect SENTENCE COMMAND…: counts, and says what did not hold.
expect() {
    local sentence=$1
    shift
    if "$@" >/dev/null; then
        passed=$((passed + 1))
        printf 'ok    %s\n' "$sentence"
    else
        failed=$((failed + 1))
        printf 'FAIL  %s\n' "$sentence"
    fi
}

# wait_until SECONDS COMMAND…
wait_until() {
    local end=$((SECONDS + $1))
    shift
    until "$@"; do
        [ "$SECONDS" -lt "$end" ] || return 1
        sleep 0.1
    done
}

summary() {
    printf '\n=== how long each step took\n'
    printf '%s\n' "${step_times[@]}"
    printf '\n%d passed, %d failed\n' "$passed" "$failed"
    [ "$failed" = 0 ]
}

# lab_start NAME NODES [OPTION…]: nodes, inventory, floating address; ended with the script.
lab_start() {
    LAB_NAME=$1
    NODE_NAMES=$(seq -f 'n%g' 1 "$2")
    step "lab of $2 nodes"
    trap lab_end EXIT
    "$MUSTER" lab up --name "$LAB_NAME" --nodes "$2" "${@:3}"
    INVENTORY=$("$MUSTER" lab inventory --name "$LAB_NAME" --path)
    VIP=$(sed -nE 's/.*cluster_vip[=: ]+"?([0-9.]+).*/\1/p' "$INVENTORY" | head -n 1)
    step_done
}

# slow_link_start SECONDS: the inventory $WORK/slow reaches n1 with this delay each way.
slow_link_start() {
    local port=2022
    python3 tests/bench/slow_link.py "$port" "$(sed -nE 's/^n1 ansible_host=([0-9.]+).*/\1/p' "$INVENTORY")" 22 "$1" >"$WORK/turns" 2>/dev/null &
    slow_link=$!
    sed -E "s/^n1 ansible_host=[0-9.]+/n1 ansible_host=127.0.0.1 ansible_port=$port/; s|^ansible_ssh_common_args=.*|ansible_ssh_common_args=-o UserKnownHostsFile=$WORK/known_hosts -o StrictHostKeyChecking=accept-new|" "$INVENTORY" >"$WORK/slow"
    wait_until 5 bash -c "exec 3<>/dev/tcp/127.0.0.1/$port" 2>/dev/null
}

# slow_link_end: of the last connection, how often an answer was waited for ($turns), and the bytes ($sent, $received).
slow_link_end() {
    kill "$slow_link"
    wait "$slow_link" || true
    read -r _ turns _ sent _ received < <(tail -n 1 "$WORK/turns")
}

# What the last command that wrote into the work folder said: the reason, where a command ended the test.
last_words() {
    local last
    last=$(find "$WORK" -maxdepth 1 -type f -printf '%T@ %p\n' | sort -n | tail -n 1 | command cut -d ' ' -f 2-)
    [ -n "$last" ] || return 0
    printf 'the end of %s:\n' "$last"
    tail -n 20 "$last"
}

lab_end() {
    local code=$?
    [ "$code" = 0 ] || last_words
    watch_stop || true
    if [ -z "${KEEP:-}" ]; then
        "$MUSTER" lab down --name "$LAB_NAME" >/dev/null || code=1
        rm -rf "$WORK"
    fi
    exit "$code"
}

node() { "$MUSTER" lab exec --name "$LAB_NAME" "$1" -- "${@:2}"; }

# The status as JSON, of whichever node answers.
status_json() {
    local name
    for name in $NODE_NAMES; do
        node "$name" musterd status --output json 2>/dev/null && return
    done
    return 1
}

# json EXPRESSION: of the document `s` on standard input; fails where there is none.
json() { python3 -c "import json,sys; text=sys.stdin.read(); s=json.loads(text) if text else sys.exit(1); print($1)"; }

served_by() { curl -s --max-time 0.3 "http://$VIP/" | sed -nE 's/.*Served by ([a-z0-9]+).*/\1/p'; }
active_node() { served_by; }
served_elsewhere() { local by; by=$(served_by); [ -n "$by" ] && [ "$by" != "$1" ]; }
test_served_by() { [ "$(served_by)" = "$1" ]; }
test_fencings() { [ "$(fencings)" = "$1" ]; }
holders() {
    local name count=0
    for name in $NODE_NAMES; do
        if node "$name" ip -o addr show 2>/dev/null | grep -qF " $VIP/"; then count=$((count + 1)); fi
    done
    echo "$count"
}
one_holder() { [ "$(holders)" = 1 ]; }
has_failed() { status_json | json "[f['resource'] for f in s['failures']]" | grep -q "$1"; }
all_members() { [ "$(status_json | json "sum(n['fact'] == 'member' for n in s['nodes'])")" = "$(wc -w <<<"$NODE_NAMES")" ]; }
settled() { all_members && is_idle && one_holder && [ -n "$(served_by)" ]; }
coordinator() { status_json | json "s['view']['coordinator']"; }
is_member() { status_json | json "[n['fact'] for n in s['nodes'] if n['name']=='$1'][0]" | grep -qx member; }
is_idle() { status_json | json "s['busy']" | grep -qx False; }
# The most that any node knows of: one that is cut off does not know of its own fencing.
fencings() {
    local name
    for name in $NODE_NAMES; do
        node "$name" musterd status --output json 2>/dev/null |
            json "len([f for f in s['fencing'] if 'confirmed' in str(f['state'])])" 2>/dev/null || true
    done | sort -n | tail -n 1
}
no_change() { ! grep -qE 'changed=[1-9]|failed=[1-9]|unreachable=[1-9]' "$1" && grep -q 'changed=0' "$1"; }

watch_start() {
    local nodes=() name
    for name in $NODE_NAMES; do
        nodes+=(--node "$name=$(cgroup_of "$name")")
    done
    mkfifo "$WORK/end"
    "$WATCH" --url "http://$VIP/" --address "$VIP" "${nodes[@]}" <"$WORK/end" >"$WORK/watch" &
    watch_pid=$!
    exec 9>"$WORK/end"
    wait_until 5 grep -q answers "$WORK/watch"
}

watch_stop() {
    [ -n "${watch_pid:-}" ] || return 0
    exec 9>&-
    wait "$watch_pid" || true
    watch_pid=
    rm -f "$WORK/end"
}

cgroup_of() {
    "$MUSTER" lab status --name "$LAB_NAME" --output json |
        json "[n['cgroup'] for l in s['labs'] if l['name']=='$LAB_NAME' for n in l['nodes'] if n['name']=='$1'][0]"
}

# timeline START: what the watch saw and what the nodes say happened, by time.
timeline() {
    local name
    {
        sed -E 's/^([0-9.]+) +[0-9.]+ s +/\1 outside: /' "$WORK/watch"
        for name in $NODE_NAMES; do
            node "$name" musterd events --output json 2>/dev/null |
                python3 -c "
import json, sys
for line in sys.stdin:
    e = json.loads(line)
    if e['level'] != 'debug': print('%.3f %s: %s' % (e['at_ms'] / 1000, '$name', e['text']))" || true
        done
    } | sort -n | awk -v start="$1" '$1 >= start { t = $1; $1 = ""; printf "%8.3f %s\n", t - start, $0 }'
}
