#!/usr/bin/env bash
# A run that is killed goes on where it was, does nothing twice, and is undone; and nothing secret shows anywhere. LAB= names a lab
# that is up already.
set -euo pipefail
cd "$(dirname "$0")/../.."
source tests/e2e/library.sh

lab_start "${LAB:-kept}" 2
export MUSTER_RUNS=$WORK/runs MUSTER_PLAN_KEY=$WORK/plan.key
kept=(-i "$INVENTORY" tests/e2e/kept.yml)

on_all() { local name; for name in $NODE_NAMES; do node "$name" sh -c "$1" || return 1; done; }
says() { "$@" 2>&1 | grep -qF -- "$text"; }
run_number() { "$MUSTER" history --output json | sed -n "$1p" | json "s['number']"; }
refuses() { ! "$@" >"$WORK/refused" 2>&1 && grep -qF -- "$text" "$WORK/refused"; }

step "a run that is killed goes on where it was"
on_all 'rm -rf /etc/kept.d /run/kept-*; echo before >/etc/kept.conf'
"$MUSTER" apply "${kept[@]}" >"$WORK/killed" 2>&1 &
killed=$!
expect "the changes before it are made" wait_until 30 on_all 'test -e /run/kept-waits'
kill -9 "$killed"
wait "$killed" 2>/dev/null || true
text="broken off" expect "history says that it broke off" says "$MUSTER" history
on_all 'touch /run/kept-goes'
broken=$(run_number 1)
"$MUSTER" apply --resume >"$WORK/resumed" 2>&1
resumed=$(run_number 1)
expect "what was done is not done again" on_all 'test "$(cat /run/kept-counted)" = run'
expect "nor what one host did for all" test "$(node n1 cat /run/kept-once; node n2 cat /run/kept-once 2>/dev/null)" = once
expect "nor the items of a loop" on_all 'test "$(cat /run/kept-items | tr -d "\n")" = abc'
expect "what was registered still counts" on_all 'grep -Eq "^[0-9a-f]{16} True$" /etc/kept.d/drawn'
expect "the handler runs" on_all 'test "$(sort -u /run/kept-handler)" = handler'
text="came to a good end" expect "a run that is over is not gone on with" refuses "$MUSTER" apply --resume "$resumed"
step_done

step "what the runs changed is undone"
node n2 sh -c 'echo of somebody else >/etc/kept.d/drawn'
text="n2" expect "a file that somebody changed since is refused" refuses "$MUSTER" undo "$resumed"
expect "and nothing is done on the other host" node n1 test -e /etc/kept.d/drawn
node n2 rm /etc/kept.d/drawn
"$MUSTER" undo "$resumed" >"$WORK/undo" 2>&1
expect "the second run is undone" on_all 'test ! -e /etc/kept.d/drawn'
"$MUSTER" undo "$broken" --check --diff >"$WORK/undo-check" 2>&1
expect "a dry run of an undo shows the difference" grep -q '^+before' "$WORK/undo-check"
expect "and changes nothing" on_all 'grep -q after /etc/kept.conf'
"$MUSTER" undo "$broken" >"$WORK/undo" 2>&1
expect "the run that was killed is undone" on_all 'grep -q before /etc/kept.conf && test ! -e /etc/kept.d'
expect "what cannot be undone is named" grep -q 'n1: shell' "$WORK/undo"
undone=$(run_number 1)
"$MUSTER" undo "$undone" >"$WORK/undo" 2>&1
expect "an undo is undone" on_all 'grep -q after /etc/kept.conf && test -d /etc/kept.d'
step_done

step "a plan cannot write"
cat >"$WORK/facts.yml" <<'END'
- hosts: all
  gather_facts: false
  tasks:
    - setup: {filter: ["ansible_local"]}
    - mount_facts: {sources: [dynamic]}
    - assert: {that: "ansible_facts.mount_points['/'].options is search('^rw')"}
END
# A local fact that does more than it is asked for.
node n1 sh -c 'mkdir -p /etc/ansible/facts.d && cd /etc/ansible/facts.d && printf "#!/bin/sh\ntouch /etc/kept-planted; chmod 600 /etc/motd; touch /run/kept-asked; echo {}\n" >liar.fact && chmod 755 liar.fact'
node n1 chmod 644 /etc/motd
"$MUSTER" plan -i "$INVENTORY" "$WORK/facts.yml" >"$WORK/plan" 2>&1 || true
expect "the fact is asked" node n1 test -e /run/kept-asked
expect "what it writes is refused" node n1 test ! -e /etc/kept-planted
expect "and whose mode it changes" node n1 sh -c 'test $(stat -c %a /etc/motd) = 644'
expect "the plan sees mounts as they are" grep -q '0 will change, 6 unchanged on 2 hosts' "$WORK/plan"
"$MUSTER" apply -i "$INVENTORY" "$WORK/facts.yml" >"$WORK/apply" 2>&1
expect "a run that applies lets it" node n1 test -e /etc/kept-planted
step_done

step "a plan knows as one user what its tasks as another would have done"
cat >"$WORK/become.yml" <<'END'
- hosts: n1
  gather_facts: false
  tasks:
    - file: {path: /srv/kept, state: directory, owner: www-data}
    - copy: {dest: /srv/kept/page, content: "one\n"}
      become_user: www-data
      become: true
    - lineinfile: {path: /srv/kept/page, line: two}
    - lineinfile: {path: /srv/kept/page, line: three}
      become_user: www-data
      become: true
    - copy: {dest: /srv/kept/secret, content: "secret\n", mode: "0600"}
    - slurp: {src: /srv/kept/secret}
      become_user: www-data
      become: true
      ignore_errors: true
END
node n1 rm -rf /srv/kept
"$MUSTER" plan -i "$INVENTORY" "$WORK/become.yml" >"$WORK/plan" 2>&1 || true
expect "each change is foretold" grep -q '5 will change' "$WORK/plan"
expect "and nothing fails but what may not be read" test "$(grep '^! ' "$WORK/plan")" = '! slurp  [n1]'
expect "which is ignored" grep -q '1 ignored on 1 host' "$WORK/plan"
"$MUSTER" apply -i "$INVENTORY" "$WORK/become.yml" >"$WORK/apply" 2>&1
expect "the changes are made" node n1 sh -c 'test "$(tr "\n" " " </srv/kept/page)" = "one two three "'
expect "as who makes them" node n1 sh -c 'test "$(stat -c %U /srv/kept/page)" = www-data'
expect "and can be undone, though that user has no home" test "$(grep -c 'cannot be undone' "$WORK/apply")" = 0
"$MUSTER" undo "$(run_number 1)" >"$WORK/undo" 2>&1
expect "which brings all of it away" node n1 test ! -e /srv/kept
step_done

step "a plan asks what would refuse, and says what only the apply can know"
cat >"$WORK/asks.yml" <<'END'
- hosts: n1
  gather_facts: false
  tasks:
    - name: Who may do all
      copy: {dest: /etc/sudoers.d/kept, content: "{{ rule }}\n", validate: "/usr/sbin/visudo -cf %s"}
    - user: {name: kept, uid: 4711}
    - name: Notes of the account
      copy: {dest: ~/notes, content: "one\n"}
      become_user: kept
      become: true
    - name: Look at its notes
      stat: {path: /home/kept/notes}
      register: notes
    - name: Whose they are
      assert: {that: [notes.stat.pw_name == 'kept', notes.stat.writeable, not notes.stat.executable]}
    - name: Another number
      user: {name: kept, uid: 4712}
    - apt: {name: netcat-openbsd}
    - name: What the package may bring
      stat: {path: /etc/kept-brought}
    - name: What no package brings
      stat: {path: /srv/kept-brought}
END
asks=(-i "$INVENTORY" "$WORK/asks.yml")
node n1 apt-get -qq install -y sudo >"$WORK/apt" 2>&1
"$MUSTER" plan "${asks[@]}" -e 'rule="kept ALL=(ALL"' >"$WORK/plan" 2>&1 || true
expect "a broken file fails in the plan" grep -q '^! Who may do all' "$WORK/plan"
expect "in the words of who refuses it" grep -q 'syntax error' "$WORK/plan"
"$MUSTER" plan "${asks[@]}" -e 'rule="kept ALL=(ALL) ALL"' >"$WORK/plan" 2>&1 || true
expect "a good one is foretold" grep -q '^~ Who may do all' "$WORK/plan"
expect "nothing of it is there" node n1 test ! -e /etc/sudoers.d/kept
expect "and what an account does that comes" grep -q '^~ Notes of the account' "$WORK/plan"
expect "what a package may bring is not known" grep -q '^? What the package may bring' "$WORK/plan"
expect "and nothing else" grep -q '5 will change, 1 unknown, 3 unchanged' "$WORK/plan"
"$MUSTER" apply "${asks[@]}" -e 'rule="kept ALL=(ALL) ALL"' >"$WORK/apply" 2>&1
expect "an account that muster worked as changes" test "$(node n1 id -u kept)" = 4712
node n1 sh -c 'userdel -r kept; rm -f /etc/sudoers.d/kept' >"$WORK/userdel" 2>&1
step_done

step "nothing secret shows"
expect "no output and no leftover has a secret" python3 tests/e2e/secrets.py "$MUSTER" "$LAB_NAME" "$INVENTORY"
step_done

summary
