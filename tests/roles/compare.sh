#!/usr/bin/env bash
# Roles as published, unmodified: each applied by ansible-playbook to a fresh lab node and by muster to another one alike. Says what
# both reported, and every file, mode, package, unit and firewall rule in which the two nodes differ. The second run of muster must
# change nothing (or what ansible-playbook's second run changes too).
#
#   ROLES=folder of roles           (as `ansible-galaxy role install -p` makes it); without it there is nothing to compare
#   ONLY="name name"                some of them
#   ANSIBLE=path/ansible-playbook   with the collections that the roles need
#
# Settings of ansible-playbook in the environment (ANSIBLE_…) hold for both. Variables of a role: tests/roles/vars/ROLE.yml; a play of
# its own: tests/roles/plays/ROLE.yml. The roles themselves are not part of this tree.
set -euo pipefail
cd "$(dirname "$0")/../.."
ANSIBLE=${ANSIBLE:-$(command -v ansible-playbook || true)}
if [ -z "${ROLES:-}" ] || [ ! -d "$ROLES" ]; then
    echo "skipped: no folder of roles. Install some with ansible-galaxy role install -p DIR NAME, then: make roles ROLES=DIR"
    exit 0
fi
if [ -z "$ANSIBLE" ] || [ ! -x "$ANSIBLE" ]; then
    echo "skipped: no ansible-playbook to compare with. Install ansible, or name it: make roles ROLES=DIR ANSIBLE=path"
    exit 0
fi
ROLES=$(realpath "$ROLES")
source tests/e2e/library.sh
LAB_NAME=${LAB:-roles}
trap ends EXIT

ends() {
    local code=$?
    [ "$code" = 0 ] || last_words
    [ -n "${KEEP:-}" ] || for side in ansible muster; do "$MUSTER" lab down --name "$LAB_NAME-$side" >/dev/null 2>&1 || true; done
    exit "$code"
}

cat >"$WORK/ansible.cfg" <<CFG
[defaults]
interpreter_python = /usr/bin/python3
roles_path = $ROLES
[ssh_connection]
pipelining = True
CFG

# Two labs of one node each, so that both nodes have the same name.
fresh_nodes() {
    for side in ansible muster; do
        "$MUSTER" lab down --name "$LAB_NAME-$side" >/dev/null 2>&1 || true
        "$MUSTER" lab up --name "$LAB_NAME-$side" --nodes 1 --python >"$WORK/lab" 2>&1
        "$MUSTER" lab exec --name "$LAB_NAME-$side" n1 -- apt-get update -q >"$WORK/lab" 2>&1
        state "$side" >"$WORK/fresh.$side"
    done
    # What two nodes alike differ in anyway: the start of each such line, up to the colon.
    { diff "$WORK/fresh.ansible" "$WORK/fresh.muster" || true; } | sed -nE 's/^[<>] ([^:]*: ).*/\1/p' | sort -u >"$WORK/own"
}

inventory() { "$MUSTER" lab inventory --name "$LAB_NAME-$1" --path; }
state() { "$MUSTER" lab exec --name "$LAB_NAME-$1" n1 -- python3 - <tests/roles/state.py; }

playbook() { # ROLE
    if [ -f "tests/roles/plays/$1.yml" ]; then
        cat "tests/roles/plays/$1.yml"
        return
    fi
    printf -- '- hosts: all\n  roles:\n    - role: %s\n' "$1"
    if [ -f "tests/roles/vars/$1.yml" ]; then printf '  vars_files: [%s]\n' "$PWD/tests/roles/vars/$1.yml"; fi
}

# run SIDE ROUND: the seconds and the recap's counts, or the end of the screen where it failed.
run() {
    local started tool=("$MUSTER" apply)
    [ "$1" = muster ] || tool=("$ANSIBLE")
    started=$(now)
    if ANSIBLE_CONFIG=$WORK/ansible.cfg "${tool[@]}" -i "$(inventory "$1")" "$WORK/play.yml" >"$WORK/$role.$1.$2" 2>&1; then
        seconds=$(since "$started")
        recap=$(sed -nE 's/^n1 +: +ok=([0-9]+) +changed=([0-9]+) .*skipped=([0-9]+).*/\1 ok, \2 changed, \3 skipped/p' "$WORK/$role.$1.$2")
    else
        seconds=$(since "$started")
        recap="failed: $(grep -m 1 -oE '(fatal: |error(\[E[0-9]+\])?: |\[ERROR\]: ).{0,100}' "$WORK/$role.$1.$2" || tail -n 1 "$WORK/$role.$1.$2")"
    fi
    printf '%-8s run %s: %s (%s s)\n' "$1" "$2" "$recap" "$seconds"
}

differences() {
    diff "$WORK/$role.state.ansible" "$WORK/$role.state.muster" | grep -E '^[<>]' | grep -vFf "$WORK/own" |
        sed 's/^</    only with ansible:/; s/^>/    only with muster: /' || true
}
changed() { sed -nE 's/.* ([0-9]+) changed.*/\1/p' <<<"$1"; }

compare_role() { # ROLE
    role=$1
    step "$role"
    playbook "$role" >"$WORK/play.yml"
    fresh_nodes
    run ansible 1
    case $recap in failed*) rows+=("$role|ansible-playbook itself: $recap|||"); step_done; return ;; esac
    local theirs=$recap theirs_seconds=$seconds
    run muster 1
    local ours=$recap ours_seconds=$seconds
    run ansible 2
    local theirs_again=$recap
    run muster 2
    local ours_again=$recap
    state ansible >"$WORK/$role.state.ansible"
    state muster >"$WORK/$role.state.muster"
    expect "$role: muster reports what ansible-playbook reports" [ "$ours" = "$theirs" ]
    expect "$role: the second run too ($(changed "$ours_again") changed)" [ "$ours_again" = "$theirs_again" ]
    local differences
    differences >"$WORK/$role.differences"
    differences=$(wc -l <"$WORK/$role.differences")
    expect "$role: the nodes are the same ($(wc -l <"$WORK/$role.state.muster") lines)" [ "$differences" = 0 ]
    head -n "${SHOW:-40}" "$WORK/$role.differences"
    rows+=("$role|$ours ($theirs)|$(changed "$ours_again") ($(changed "$theirs_again"))|$differences|$ours_seconds ($theirs_seconds)")
    step_done
}

rows=()
for folder in "$ROLES"/*/; do
    name=$(basename "$folder")
    [ -d "$folder/tasks" ] || continue
    [ -z "${ONLY:-}" ] || [[ " $ONLY " == *" $name "* ]] || continue
    compare_role "$name"
done

printf '\n%s\n' "muster (ansible-playbook)"
printf '%-28s %-62s %-16s %-12s %s\n' role "first run" "changed again" differences "seconds, first run"
for row in "${rows[@]}"; do
    IFS='|' read -r name first again differences seconds <<<"$row"
    printf '%-28s %-62s %-16s %-12s %s\n' "$name" "$first" "$again" "$differences" "$seconds"
done
[ -z "${KEEP:-}" ] || echo "screens and states: $WORK"
summary
