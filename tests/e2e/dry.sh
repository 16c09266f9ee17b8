#!/usr/bin/env bash
# What a dry run on bare nodes says: `muster plan` beside `ansible-playbook --check --diff` and `pyinfra --dry`, for the same job
# (PEERS=folder of a virtual environment with both; left out where there is none). SCREENS=FILE keeps the screens. Then muster does it, and
# it comes as it was said.
set -euo pipefail
cd "$(dirname "$0")/../.."
source tests/e2e/library.sh
SCREENS=$(realpath -m "${SCREENS:-target/dry.txt}")
MUSTER=$(realpath "$MUSTER")
PEERS=${PEERS:-none}
[ "$PEERS" = none ] || PEERS=$(realpath -s "$PEERS")

lab_start "${LAB:-dry}" 2 --python
setting() { sed -nE "s/^$1=(.*)/\1/p" "$INVENTORY"; }
{
    printf 'cluster = ([\n'
    sed -nE 's/^(n[0-9]+) ansible_host=([0-9.]+).*/    ("\1", {"ssh_hostname": "\2"}),/p' "$INVENTORY"
    printf '], {"ssh_user": "root", "ssh_key": "%s", "ssh_known_hosts_file": "%s"})\n' "$(setting ansible_ssh_private_key_file)" \
        "$(setting ansible_ssh_common_args | sed -E 's/.*UserKnownHostsFile=([^ ]+).*/\1/')"
} >"$WORK/inventory.py"
: >"$SCREENS"

shown() { # TOOL COMMAND…
    local start code=0
    start=$(now)
    "${@:2}" >"$WORK/screen" 2>&1 || code=$?
    {
        printf '=== %s: exit code %s, %s s\n' "$1" "$code" "$(since "$start")"
        cat "$WORK/screen"
        printf '\n'
    } >>"$SCREENS"
    printf '%s: exit code %s, %s lines\n' "$1" "$code" "$(wc -l <"$WORK/screen")"
}
# What a dry run must leave alone.
state() { node n1 sh -c 'sha256sum /etc/hosts /etc/passwd /etc/group; dpkg -l | sha256sum; ls -la /etc /var/lib/muster 2>&1 || true'; }

cd tests/e2e/dry
step "what each says of bare nodes"
state >"$WORK/before"
shown "muster plan" "$MUSTER" plan -i "$INVENTORY" web.yml
cp "$WORK/screen" "$WORK/plan"
expect "the plan goes through to the end" grep -q '^Plan: ' "$WORK/plan"
expect "the user is in the group that comes" grep -q 'user web: absent' "$WORK/plan"
expect "a link may lead to what comes" grep -q 'sites-enabled/www.conf: absent' "$WORK/plan"
expect "the web server that comes can be asked to run" grep -q 'Reload the web server' "$WORK/plan"
expect "what a command would say is not known, and why" grep -q '? What the test said' "$WORK/plan"
expect "nothing fails" test -z "$(grep '^!' "$WORK/plan")"
state >"$WORK/after"
expect "nothing is changed" cmp "$WORK/before" "$WORK/after"
[ ! -x "$PEERS/bin/ansible-playbook" ] || shown "ansible-playbook --check --diff" "$PEERS/bin/ansible-playbook" -i "$INVENTORY" --check --diff web.yml
[ ! -x "$PEERS/bin/pyinfra" ] || shown "pyinfra --dry" "$PEERS/bin/pyinfra" --dry "$WORK/inventory.py" web_pyinfra.py
step_done

step "it comes as it was said"
"$MUSTER" apply -i "$INVENTORY" web.yml >"$WORK/apply"
planned=$(sed -nE 's/^Plan: ([0-9]+) will change.*/\1/p' "$WORK/plan")
unknown=$(sed -nE 's/^Plan: .* ([0-9]+) unknown.*/\1/p' "$WORK/plan")
changed=$(grep -oE 'changed=[0-9]+' "$WORK/apply" | awk -F= '{ sum += $2 } END { print sum }')
printf 'planned %s, unknown %s, changed %s\n' "$planned" "${unknown:-0}" "$changed"
expect "what changed was said, or said to be unknown" test "$planned" -le "$changed" -a "$changed" -le $((planned + ${unknown:-0}))
shown "muster plan, once more" "$MUSTER" plan -i "$INVENTORY" web.yml
expect "the plan is silent then" grep -q '^Plan: 0 will change' "$WORK/screen"
step_done

printf '\nthe screens are in %s\n' "$SCREENS"
summary
