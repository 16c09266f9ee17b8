#!/usr/bin/env bash
# One playbook (noop.yml) on lab nodes, by muster and by its peers: ansible-playbook with pipelining, the same with mitogen, and
# pyinfra with the same job (noop_pyinfra.py). Each on fresh nodes that have the packages: the first run, runs with nothing to do,
# a check. For each the seconds on the clock, the controller's processor and memory (everything it starts), and the bytes of a node.
# Beside them the floor: connect, log in, one exchange.
#
#   NODES="2 8"   how many nodes             TOOLS="muster ansible mitogen pyinfra"
#   ROUNDS=5      runs with nothing to do    PEERS=folder of a virtual environment with ansible-core, mitogen and pyinfra
#
# Without PEERS the peers come from the package index into an environment of this run's own; one that is absent there is left out.
set -euo pipefail
cd "$(dirname "$0")/../.."
source tests/e2e/library.sh
source tests/bench/figures.sh
TOOLS=${TOOLS:-muster ansible mitogen pyinfra}
INSTANCES=/proc/sys/fs/inotify/max_user_instances
# systemd on each node takes some tens of them.
[ "$(cat "$INSTANCES")" -ge 1024 ] || echo 1024 >"$INSTANCES"

if [ -z "${PEERS:-}" ]; then
    PEERS=$WORK/peers
    python3 -m venv "$PEERS"
    "$PEERS/bin/pip" -q install 'ansible-core==2.19.*' mitogen pyinfra || echo "the package index does not answer: muster alone"
fi

settings() { # TOOL
    printf '[defaults]\nforks = 50\ninterpreter_python = /usr/bin/python3\n'
    if [ "$1" = mitogen ]; then
        printf 'strategy = mitogen_linear\nstrategy_plugins = %s\n' "$(plugins)"
    fi
    printf '[ssh_connection]\npipelining = True\nssh_args = -o ControlMaster=auto -o ControlPersist=60s\n'
}

plugins() { "$PEERS/bin/python" -c 'import ansible_mitogen, os; print(os.path.dirname(ansible_mitogen.__file__) + "/plugins/strategy")'; }

is_there() { # TOOL
    case $1 in
        muster) ;;
        ansible) [ -x "$PEERS/bin/ansible-playbook" ] ;;
        mitogen) [ -x "$PEERS/bin/ansible-playbook" ] && plugins >/dev/null 2>&1 ;;
        pyinfra) [ -x "$PEERS/bin/pyinfra" ] ;;
    esac
}

# The lab's inventory, for pyinfra.
for_pyinfra() {
    printf 'cluster = ([\n'
    sed -nE 's/^(n[0-9]+) ansible_host=([0-9.]+).*/    ("\1", {"ssh_hostname": "\2", "ring0_addr": "\2"}),/p' "$INVENTORY"
    printf '], {"ssh_user": "root", "ssh_key": "%s", "ssh_known_hosts_file": "%s"})\n' "$(setting ansible_ssh_private_key_file)" \
        "$(setting ansible_ssh_common_args | sed -E 's/.*UserKnownHostsFile=([^ ]+).*/\1/')"
}
setting() { sed -nE "s/^$1=(.*)/\1/p" "$INVENTORY"; }

# command_of TOOL PHASE: the command line, in `words`.
command_of() {
    case $1 in
        muster) words=(env ANSIBLE_CONFIG=/dev/null "$MUSTER" apply -i "$INVENTORY" tests/bench/noop.yml) ;;
        ansible | mitogen) words=(env "ANSIBLE_CONFIG=$WORK/$1.cfg" "$PEERS/bin/ansible-playbook" -i "$INVENTORY" tests/bench/noop.yml) ;;
        pyinfra) words=(env -C tests/bench "$PEERS/bin/pyinfra" -y "$WORK/inventory.py" noop_pyinfra.py) ;;
    esac
    [ "$2" = check ] || return 0
    # With -y pyinfra does not look for changes.
    case $1 in pyinfra) words=(env -C tests/bench "$PEERS/bin/pyinfra" --dry "$WORK/inventory.py" noop_pyinfra.py) ;; *) words+=(--check --diff) ;; esac
}

# cost NAME COMMAND…: with the bytes that the first node received and sent meanwhile.
cost() {
    local wall processor memory before
    before=$(bytes)
    python3 tests/bench/cost.py "$WORK/cost" "${@:2}" >"$WORK/screen" 2>&1 || { tail -n 30 "$WORK/screen"; return 1; }
    read -r wall processor memory <"$WORK/cost"
    figure "$1: seconds" "$wall"
    figure "$1: controller's processor, seconds" "$processor"
    figure "$1: controller's peak memory, MB" "$memory"
    figure "$1: KiB to and from a node" "$(awk -v a="$before" -v b="$(bytes)" 'BEGIN { printf "%.1f", (b - a) / 1024 }')"
}
bytes() { node n1 cat /proc/net/dev | awk '/:/ && !/ lo:/ { sub(/.*:/, ""); n += $1 + $9 } END { print n }'; }

with_tool() { # NODES TOOL
    lab_again "$1"
    for_pyinfra >"$WORK/inventory.py"
    settings "$2" >"$WORK/$2.cfg"
    command_of "$2" run
    cost "$1 nodes, first run: $2" "${words[@]}"
    for _ in $(seq "${ROUNDS:-5}"); do
        cost "$1 nodes, nothing to do: $2" "${words[@]}"
        [ "$2" = pyinfra ] || expect "$2 changes nothing on $1 nodes" no_change "$WORK/screen"
    done
    command_of "$2" check
    for _ in 1 2; do cost "$1 nodes, check: $2" "${words[@]}"; done
    if [ "$2" = muster ]; then
        floor "$1"
        round_trips
    fi
}

# Connect, log in, one exchange: by muster's own client, and by one OpenSSH for each node at once.
floor() { # NODES
    for _ in $(seq "${ROUNDS:-5}"); do
        cost "$1 nodes, floor: one command, muster's client" env ANSIBLE_CONFIG=/dev/null "$MUSTER" run -i "$INVENTORY" cluster -m raw -a true
        cost "$1 nodes, floor: one command, OpenSSH" bash -c "$(openssh)"
    done
}
openssh() {
    sed -nE "s|^n[0-9]+ ansible_host=([0-9.]+).*|ssh -i $(setting ansible_ssh_private_key_file) $(setting ansible_ssh_common_args) root@\1 true \&|p" "$INVENTORY"
    echo wait
}

# How often the controller waits for an answer of node n1, from the first byte on: in a run with nothing to do, and in one command,
# which waits once to open its channel and once for the answer after the login. Over a link with a delay, so that what goes out
# at once counts once.
round_trips() {
    local count
    fewest_turns count apply tests/bench/noop.yml
    figure "nothing to do: muster, round trips of a node, login too" "$count"
    fewest_turns count run cluster -m raw -a true
    figure "floor: one command, muster's client, round trips, login too" "$count"
}
# Of three runs: on a busy machine a message may be late and count as another turn.
fewest_turns() { # VARIABLE MUSTER'S ARGUMENTS…
    local least=
    for _ in 1 2 3; do
        count_turns "${@:2}"
        if [ -z "$least" ] || [ "$turns" -lt "$least" ]; then least=$turns; fi
    done
    printf -v "$1" '%s' "$least"
}
count_turns() { # MUSTER'S ARGUMENTS…
    slow_link_start 0.05
    ANSIBLE_CONFIG=/dev/null "$MUSTER" "$1" -i "$WORK/slow" "${@:2}" >"$WORK/screen" 2>&1 || { tail -n 30 "$WORK/screen"; return 1; }
    slow_link_end
}

# Nodes as they are after the first boot.
lab_again() { # NODES
    [ -z "${LAB_NAME:-}" ] || "$MUSTER" lab down --name "$LAB_NAME" >/dev/null
    lab_start "${LAB:-bench}" "$1" --python --packages chrony,apache2,curl
}

# The medians, a line for each phase and tool, and how many times as long as muster it took.
table() {
    printf '\n%-46s %9s %9s %9s %9s %9s\n' '' seconds times processor MB 'KiB/node'
    sort -t "$(printf '\t')" -k1,1 -k2,2n "$WORK/figures" | awk -F '\t' '
        $1 != name { keep(); name = $1; n = 0 }
        { v[++n] = $2 }
        function keep(    row, at) {
            if (!n || name !~ / nodes, /) return
            at = match(name, /: [^:]*$/)
            row = substr(name, 1, at - 1)
            value[row, substr(name, at + 2)] = v[int((n + 1) / 2)]
            if (!(row in seen)) { seen[row]; rows[++count] = row }
        }
        END {
            keep()
            for (i = 1; i <= count; i++) {
                row = rows[i]
                phase = row
                sub(/: .*/, ": muster", phase)
                base = value[phase, "seconds"]
                printf "%-46s %9s %9s %9s %9s %9s\n", row, value[row, "seconds"], base ? sprintf("%.1f", value[row, "seconds"] / base) : "", \
                    value[row, "controller\047s processor, seconds"], value[row, "controller\047s peak memory, MB"], value[row, "KiB to and from a node"]
            }
        }'
}

for tool in $TOOLS; do
    is_there "$tool" || echo "$tool is not in $PEERS: left out"
done
for count in ${NODES:-2 8}; do
    for tool in $TOOLS; do
        if is_there "$tool"; then with_tool "$count" "$tool"; fi
    done
done
figures_print
table
summary
