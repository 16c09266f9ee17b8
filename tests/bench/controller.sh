#!/usr/bin/env bash
# A run that changes nothing on two nodes, beside ansible-playbook with pipelining doing the same tasks. ansible-core comes
# from PyPI into a virtual environment of this run's own.
set -euo pipefail
cd "$(dirname "$0")/../.."
source tests/e2e/library.sh
source tests/bench/figures.sh

lab_start "${LAB:-bench}" 2 --python --packages chrony,apache2,curl
VENV=${VENV:-$WORK/venv}
[ -x "$VENV/bin/ansible-playbook" ] || { python3 -m venv "$VENV" && "$VENV/bin/pip" -q install 'ansible-core==2.19.*'; }
cat >"$WORK/ansible.cfg" <<CFG
[defaults]
forks = 50
interpreter_python = /usr/bin/python3
[ssh_connection]
pipelining = True
ssh_args = -o ControlMaster=auto -o ControlPersist=60s
CFG

with_ansible() { ANSIBLE_CONFIG=$WORK/ansible.cfg "$VENV/bin/ansible-playbook" -i "$INVENTORY" tests/bench/noop.yml; }
with_muster() { ANSIBLE_CONFIG=/dev/null "$MUSTER" apply -i "$INVENTORY" tests/bench/noop.yml; }

timed() { # NAME COMMAND…
    local started
    started=$(now)
    "${@:2}" >"$WORK/screen" || { tail -n 30 "$WORK/screen"; return 1; }
    figure "$1" "$(since "$started")"
}

timed "muster: first run, seconds" with_muster
with_ansible >"$WORK/ansible-first" || { tail -n 30 "$WORK/ansible-first"; exit 1; }
for round in $(seq "${ROUNDS:-5}"); do
    timed "muster: nothing to do, seconds" with_muster
    expect "muster changes nothing" no_change "$WORK/screen"
    timed "ansible-playbook with pipelining: nothing to do, seconds" with_ansible
    expect "ansible-playbook changes nothing" no_change "$WORK/screen"
done
figures_print
summary
