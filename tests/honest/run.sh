#!/usr/bin/env bash
# Is what a plan says what an apply then does? On lab nodes: the shipped playbooks on bare nodes, the playbook that says what is
# unknown, COUNT random playbooks from SEED, and the cases of a directory CASES.
#
#   tests/honest/run.sh        COUNT=200 SEED=1 CASES=DIR ONLY=REGEX, KEEP=1 leaves the lab, WORK_HONEST=DIR keeps what was said
set -euo pipefail
cd "$(dirname "$0")/../.."
# shellcheck source=tests/e2e/library.sh
. tests/e2e/library.sh
watch_pid=
code=0
honest() { python3 tests/honest/honest.py "$MUSTER" "$INVENTORY" "$@" || code=1; }
fresh() { "$MUSTER" lab down --name "$LAB_NAME" >/dev/null; "$MUSTER" lab up --name "$LAB_NAME" --nodes "$@" >/dev/null; }

lab_start "${LAB:-honest}" 2
step "the shipped playbooks on bare nodes"
honest playbook playbooks/site.yml
step_done
fresh 2 --packages acl,sudo,zip
step "what is not known is called so, and nothing else"
honest unknowns tests/honest/unknowns.yml
step_done
step "${COUNT:=200} random playbooks from seed ${SEED:=1}"
honest random "$COUNT" "$SEED"
step_done
if [ -n "${CASES:-}" ]; then
    step "the cases of $CASES"
    # Fresh nodes may have other addresses.
    fresh_for_cases() {
        fresh 3 --python --packages acl,file,gnupg,git,sudo
        # Cases name their nodes themselves, and have groups of their own.
        login=$(sed -nE 's/^(ansible_(user|ssh_private_key_file))=(.*)/\1=\3/p; s/^(ansible_ssh_common_args)=(.*)/\1="\2"/p' "$INVENTORY" | tr '\n' ' ')
        sed -nE "s|^n1 (ansible_host=[^ ]*).*|testhost \\1 $login|p; s|^n([23]) (ansible_host=[^ ]*).*|testhost\\1 \\2 $login|p" "$INVENTORY" >"$WORK/cases"
    }
    { declare -p MUSTER LAB_NAME INVENTORY WORK; declare -f fresh fresh_for_cases; echo fresh_for_cases; } >"$WORK/fresh"
    python3 tests/honest/honest.py "$MUSTER" "$WORK/cases" cases "$CASES" "bash -e $WORK/fresh" || code=1
    step_done
fi
exit "$code"
