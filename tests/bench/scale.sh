#!/usr/bin/env bash
# How time and memory grow with the number of hosts, and what a slow link costs. The hosts of SIZES are names of one lab node. Once
# each is a port of one process there (tests/src/bin/hosts.rs): what is measured then is the controller, and workers. Once they are one
# sshd, which takes most of the time for its logins: as pyinfra is, beside it, up to PEER_LIMIT of them.
# The slow link adds DELAY seconds to each way.
set -euo pipefail
cd "$(dirname "$0")/../.."
source tests/e2e/library.sh
source tests/bench/figures.sh
PEER_LIMIT=${PEER_LIMIT:-100}
DELAY=${DELAY:-0.05}
HOSTS=${HOSTS:-$PWD/target/release/hosts}
FIRST_PORT=20001

lab_start "${LAB:-bench}" 1 --python
ADDRESS=$(sed -nE 's/^n1 ansible_host=([0-9.]+).*/\1/p' "$INVENTORY")
KEY=$(sed -nE 's/^ansible_ssh_private_key_file=//p' "$INVENTORY")
node n1 sh -c 'echo "MaxStartups 2000:1:2000" >/etc/ssh/sshd_config.d/many.conf && systemctl restart ssh'
export ANSIBLE_CONFIG=/dev/null

inventory() { # COUNT [ports]
    if [ -n "${2:-}" ]; then
        seq "$1" | awk -v a="$ADDRESS" -v p="$FIRST_PORT" '{ printf "h%04d ansible_host=%s ansible_port=%d\n", $1, a, p + $1 - 1 }'
    else
        seq -f "h%04g ansible_host=$ADDRESS" 1 "$1"
    fi
    printf '[all:vars]\nansible_user=root\nansible_ssh_private_key_file=%s\n' "$KEY"
    printf 'ansible_ssh_common_args=-o UserKnownHostsFile=%s -o StrictHostKeyChecking=accept-new\n' "$WORK/known_hosts"
}

pyinfra_inventory() { # COUNT
    printf 'many = ([f"h{n:04d}" for n in range(1, %d + 1)], {"ssh_hostname": "%s", "ssh_user": "root", "ssh_key": "%s",\n' "$1" "$ADDRESS" "$KEY"
    printf '    "ssh_known_hosts_file": "%s", "ssh_strict_host_key_checking": "accept-new"})\n' "$WORK/pyinfra_known_hosts"
}

# cost NAME COMMAND…: seconds on the clock, seconds of the controller's processor, peak memory of one process.
cost() {
    if ! /usr/bin/time -o "$WORK/cost" -f '%e %U %S %M' "${@:2}" >"$WORK/screen" 2>&1; then
        tail -n 20 "$WORK/screen"
        return 1
    fi
    read -r wall user system memory <"$WORK/cost"
    figure "$1: seconds" "$wall"
    figure "$1: processor seconds of the controller" "$(awk -v a="$user" -v b="$system" 'BEGIN { printf "%.2f", a + b }')"
    figure "$1: peak memory, MB" "$(awk -v m="$memory" 'BEGIN { printf "%.0f", m / 1024 }')"
}

# One process in the node that is as many hosts as it has ports.
simulated_start() { # COUNT
    "$MUSTER" lab exec --name "$LAB_NAME" n1 -- sh -c 'cat >/usr/local/bin/hosts && chmod 755 /usr/local/bin/hosts' <"$HOSTS"
    node n1 systemd-run -q --unit hosts -p LimitNOFILE=65536 -p TasksMax=infinity \
        /usr/local/bin/hosts --key /etc/ssh/ssh_host_ed25519_key --address "$ADDRESS" --ports "$FIRST_PORT-$((FIRST_PORT + $1 - 1))"
    wait_until 10 bash -c "exec 3<>/dev/tcp/$ADDRESS/$((FIRST_PORT + $1 - 1))" 2>/dev/null
}

simulated() { # COUNT
    inventory "$1" ports >"$WORK/simulated.$1"
    cost "$1 simulated hosts: muster, first run" "$MUSTER" apply -i "$WORK/simulated.$1" tests/bench/many.yml
    for _ in $(seq "${ROUNDS:-3}"); do
        cost "$1 simulated hosts: muster, nothing to do" "$MUSTER" apply -i "$WORK/simulated.$1" tests/bench/many.yml
        expect "muster changes nothing on $1 simulated hosts" no_change "$WORK/screen"
        cost "$1 simulated hosts: one command on each" "$MUSTER" run -i "$WORK/simulated.$1" all -m raw -a true
    done
}

hosts() { # COUNT
    inventory "$1" >"$WORK/inventory.$1"
    cost "$1 hosts: muster, first run" "$MUSTER" apply -i "$WORK/inventory.$1" tests/bench/many.yml
    for _ in $(seq "${ROUNDS:-3}"); do
        cost "$1 hosts: muster, nothing to do" "$MUSTER" apply -i "$WORK/inventory.$1" tests/bench/many.yml
        expect "muster changes nothing on $1 hosts" no_change "$WORK/screen"
        [ "$1" -gt "$PEER_LIMIT" ] || with_pyinfra "$1"
    done
}

with_pyinfra() {
    pyinfra_inventory "$1" >"$WORK/many_inventory.py"
    (cd tests/bench && cost "$1 hosts: pyinfra, nothing to do" "$VENV/bin/pyinfra" -y "$WORK/many_inventory.py" many_pyinfra.py)
}

# The lab's own inventory, its node reached through the slow link.
slow() {
    slow_link_start "$DELAY"
    "$MUSTER" apply -i "$WORK/slow" tests/bench/many.yml >"$WORK/screen" 2>&1
    cost "${DELAY} s each way: muster, nothing to do" "$MUSTER" apply -i "$WORK/slow" tests/bench/many.yml
    slow_link_end
    figure "${DELAY} s each way: round trips, connection and login too" "$turns"
    figure "nothing to do: KiB to and from one host" "$(awk -v a="$sent" -v b="$received" 'BEGIN { printf "%.1f", (a + b) / 1024 }')"
}

simulated_start "$(tr ' ' '\n' <<<"${SIZES:-10 100 1000}" | sort -n | tail -n 1)"
for size in ${SIZES:-10 100 1000}; do simulated "$size"; done
[ -z "${ONLY_SIMULATED:-}" ] || { figures_print; summary; exit; }
VENV=${PYINFRA_VENV:-$WORK/pyinfra}
[ -x "$VENV/bin/pyinfra" ] || { python3 -m venv "$VENV" && "$VENV/bin/pip" -q install pyinfra; }
slow
for size in ${SIZES:-10 100 1000}; do hosts "$size"; done
figures_print
summary
