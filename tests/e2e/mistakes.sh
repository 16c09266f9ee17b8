#!/usr/bin/env bash
# 24 typical mistakes: what muster says, beside what Ansible says (ANSIBLE=path of ansible-playbook; left out where there is none). SCREENS=FILE
# keeps both. Those that can be known before a host is asked are told by `--syntax-check`; all are told once, with what is next.
set -euo pipefail
cd "$(dirname "$0")/../.."
source tests/e2e/library.sh
ANSIBLE=${ANSIBLE:-$(command -v ansible-playbook || true)}
SCREENS=$(realpath -m "${SCREENS:-target/mistakes.txt}")
MUSTER=$(realpath "$MUSTER")

lab_start "${LAB:-mistakes}" 2 --python
sed 's/^\[cluster\]/[web]/; s/^\[cluster:vars\]/[web:vars]/' "$INVENTORY" >"$WORK/inventory"
: >"$SCREENS"
cd tests/e2e/mistakes
declare -A lines=([muster]=0 [ansible]=0)

# The lines that a tool writes about a mistake, and its exit code.
shown() { # TOOL COMMAND…
    local tool=$1 code=0
    "${@:2}" >"$WORK/$tool" 2>&1 || code=$?
    printf -- '--- %s: exit code %s\n' "$tool" "$code" >>"$SCREENS"
    cat "$WORK/$tool" >>"$SCREENS"
    lines[$tool]=$((lines[$tool] + $(wc -l <"$WORK/$tool")))
}

mistake() { # PLAYBOOK PATTERN [OPTION…]: the pattern is of what counts in muster's screen
    local options=(-i "$WORK/inventory" "${@:3}")
    [[ " $* " == *" -i "* ]] && options=("${@:3}")
    printf '\n=== %s\n' "$1" >>"$SCREENS"
    shown muster "$MUSTER" apply "${options[@]}" "$1"
    expect "$1: $2" grep -qE -- "$2" "$WORK/muster"
    [ -z "$ANSIBLE" ] || shown ansible "$ANSIBLE" "${options[@]}" "$1"
}

# Nobody logs in for it, and a syntax check says it too.
static() { # PLAYBOOK PATTERN
    local before
    before=$(logins)
    mistake "$@"
    [ -n "$ANSIBLE" ] || expect "$1: no host is asked" test "$(logins)" = "$before"
    "$MUSTER" apply --syntax-check -i "$WORK/inventory" "$1" >"$WORK/check" 2>&1 || true
    expect "$1: a syntax check tells it" grep -qE -- "$2" "$WORK/check"
}
logins() { node n1 sh -c 'journalctl -u ssh --no-pager -o cat | grep -c "^Accepted" || true'; }

step "known before any host is asked"
static 01-undefined-in-a-task.yml 'did you mean `cluster_address`'
static 02-undefined-in-a-template.yml 'bad.conf.j2:[0-9]+:[0-9]+'
static 03-template-syntax.yml 'syntax.conf.j2:[0-9]+:[0-9]+'
static 04-wrong-argument.yml 'did you mean `path`'
static 05-wrong-value.yml 'did you mean `running`|did you mean `started`|expected one of'
static 06-unknown-module.yml 'did you mean `firewalld?`'
static 07-misspelt-keyword.yml 'did you mean `notify`'
static 08-arguments-not-indented.yml 'indent'
static 09-when-among-the-arguments.yml '`when`'
static 10-unknown-handler.yml 'did you mean `Restart chrony`'
static 11-one-equals-sign.yml '=='
static 12-colon-in-a-name.yml '12-colon-in-a-name.yml:4'
static 13-unquoted-template.yml 'quote'
static 14-tab.yml 'tab'
static 15-wrong-indentation.yml '15-wrong-indentation.yml:6'
static 16-missing-file.yml 'looked for'
step_done

step "known on the host"
mistake 17-unknown-package.yml 'did you mean `chrony`|chronny'
mistake 18-unknown-service.yml 'httpd'
mistake 19-refused-by-validate.yml 'bogus'
mistake 20-failing-command.yml 'no such cluster: web'
mistake 21-missing-program.yml 'corosync-cfgtool'
mistake 22-missing-sudo-password.yml '-K|ask-become-pass' -e '{ansible_user: ops, ansible_password: "{{ lab_ops_password }}"}'
mistake 23-limit-without-a-host.yml 'did you mean `web`' --limit wbe
mistake 24-missing-inventory.yml 'no-such-inventory' -i no-such-inventory
step_done

printf '\nlines on the screen for all: muster %s, ansible %s; both screens are in %s\n' "${lines[muster]}" "${lines[ansible]}" "$SCREENS"
summary
