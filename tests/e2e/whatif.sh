#!/usr/bin/env bash
# What `muster simulate` says would happen, and what then happens: a promotable clone, a clone and a group on lab nodes, and one
# fault after the other. Each is asked about first; at rest afterwards placement, roles, fenced nodes and actions are compared.
# A promoted copy that fails is not among them: its agent takes its promotion score away when it stops, which only the agent knows.
set -euo pipefail
cd "$(dirname "$0")/../.."
source tests/e2e/library.sh

lab_start "${LAB:-whatif}" 3 --packages chrony,apache2,curl

lab() { "$MUSTER" lab "$1" --name "$LAB_NAME" "${@:2}" >/dev/null; }
power_on() { "$MUSTER" lab power on --name "$LAB_NAME" "$1" >/dev/null; }
of() { node "$ask" musterd "$@" --output json 2>/dev/null; }
promoted() { of status | json "[n for r in s['resources'] if r['id'] == 'db-clone' for n in r['promoted']][0]"; }
# The first node that is none of those.
other() { for name in $NODE_NAMES; do [[ " $* " == *" $name "* ]] || { echo "$name"; return; }; done; }
at_rest() { of status | json "s['busy'] or [n['name'] for n in s['nodes'] if n['fact'] != 'member']" | grep -qxE 'False|\[\]'; }

# compare: the prediction beside the status and the events of node `ask`; prints what differs.
compare() {
    of status >"$WORK/status" && of events >"$WORK/events" && python3 - "$WORK" "$since" <<'PY'
import json, re, sys
from collections import Counter
folder, since = sys.argv[1], int(sys.argv[2])
course = json.load(open(folder + "/predicted"))["course"]
status = json.load(open(folder + "/status"))

def placement(places):
    found = {}
    for resource, node, role in places:
        found.setdefault(resource, set()).add(node + (" promoted" if role == "promoted" else ""))
    return found

predicted = placement((r, p["node"], p["role"]) for r, ps in course["final"].items() for p in ps)
runnable = [r for r in status["resources"] if ":" in r["agent"]]
actual = placement((r["id"], n, "promoted" if n in r["promoted"] else "")
                   for r in runnable for n in r["nodes"])
fenced = {f["target"] for f in status["fencing"]
          if f["state"] in ("confirmed", "confirmed_by_hand") and f["requested_ms"] >= since}

PATTERN = re.compile(r"^(start|stop|promote|demote) of (\S+) on (\S+) done|^(\S+) is off")
done = []
for line in open(folder + "/events"):
    event = json.loads(line)
    match = PATTERN.match(event["text"]) if event["at_ms"] >= since else None
    if match:
        op, resource, node, off = match.groups()
        done.append(("fence", "", off) if off else (op, resource, node))
wanted = [(s["op"], s.get("rsc", ""), s["node"]) for s in course["steps"]]

# Constraints bring these into one order; all else may be done side by side.
def ordered(actions):
    chain = {"disk", "address", "server"}
    return [a for a in actions if a[1] in chain or a[0] in ("promote", "demote", "fence")]

def text(actions):
    return ", ".join(" ".join(part for part in action if part) for action in actions) or "-"

differences = []
if predicted != actual:
    differences.append(f"placement: predicted {predicted}, found {actual}")
if set(course["fenced"]) != fenced:
    differences.append(f"fenced: predicted {course['fenced']}, found {sorted(fenced)}")
if Counter(wanted) != Counter(done):
    differences.append(f"actions: predicted {text(wanted)}; done {text(done)}")
elif ordered(wanted) != ordered(done):
    differences.append(f"order: predicted {text(ordered(wanted))}; done {text(ordered(done))}")
if not course["comes_to_rest"]:
    differences.append("it was not predicted to come to rest")
print("\n".join(differences) or f"{len(done)} actions, fenced: {text([(f,) for f in sorted(fenced)])}")
sys.exit(bool(differences))
PY
}
matches() { compare >"$WORK/differences"; }
rests() { of status | json "s['busy']" | grep -qx False; }

# fault TITLE WHAT-IF COMMAND…: asks what would be, does it, and compares. The nodes that answer for the cluster: `ask`.
fault() {
    local title=$1 what_if=$2
    step "$title"
    # shellcheck disable=SC2086
    "$MUSTER" simulate -i "$INVENTORY" --format json $what_if >"$WORK/predicted"
    since=$(($(date +%s%N) / 1000000))
    "${@:3}"
    wait_until 90 matches || true
    wait_until 30 rests || true
    local verdict=as-predicted
    matches || verdict=DIFFERENT
    rows+=("$(printf '%-44s %-34s %-13s %s' "$title" "$what_if" "$verdict" "$(head -n 1 "$WORK/differences")")")
    [ "$verdict" = as-predicted ] || cat "$WORK/differences"
    expect "it went as predicted" test "$verdict" = as-predicted
}

# Who comes back may fence who was left over: until all are there, whoever is off is switched on.
all_brought_back() {
    for name in $NODE_NAMES; do power_on "$name" 2>/dev/null || true; done
    all_members
}

# whole: all nodes are back, and nothing is left to do.
whole() {
    lab heal
    for name in $NODE_NAMES; do lab thaw "$name" 2>/dev/null || true; done
    wait_until 120 all_brought_back
    wait_until 60 rests
    step_done
}
spoil() { node "$1" rm -f "/run/$2.state"; }
# properties EXPRESSION: changes the cluster's properties `p`.
properties() {
    node "$ask" musterd config show --secrets |
        python3 -c "import json, sys; c = json.load(sys.stdin); p = c['properties']; $1; print(json.dumps(c))" |
        node "$ask" musterd config set - >/dev/null
}
crash_two() { lab crash "$1" & lab crash "$2"; wait $!; }

rows=()
ask=n1
step "a cluster from bare hosts"
"$MUSTER" apply -i "$INVENTORY" playbooks/site.yml >"$WORK/apply"
expect "the cluster settles" wait_until 60 settled
step_done

step "a promotable clone, a clone and a group"
"$MUSTER" apply -i "$INVENTORY" tests/e2e/whatif.yml >"$WORK/apply"
expect "a copy is promoted" wait_until 30 promoted
whole
active=$(promoted)
fault "the last member of the group fails" "--fail server@$active" spoil "$active" server
whole
fault "the first member of the group fails" "--fail disk@$active" spoil "$active" disk
whole
fault "an instance of the clone fails" "--fail tick@$(other "$active")" spoil "$(other "$active")" tick
whole
fault "a copy that is not promoted fails" "--fail db@$(other "$active")" spoil "$(other "$active")" db
whole
active=$(promoted) ask=$(other "$active")
fault "standby" "--standby $active" node "$ask" musterd node standby "$active"
node "$ask" musterd node unstandby "$active" >/dev/null
whole
fault "everything is stopped by a property" "--set stop-all-resources=true" properties "p['stop-all-resources'] = 'true'"
properties "del p['stop-all-resources']"
whole
active=$(promoted) ask=$(other "$active")
fault "the active node crashes" "--node-down $active" lab crash "$active"
fault "it comes back" "--node-up $active" power_on "$active"
whole
active=$(promoted) ask=$(other "$active")
fault "the active node freezes" "--node-down $active" lab freeze "$active"
whole
active=$(promoted) ask=$(other "$active")
fault "the active node is cut off" "--node-down $active" lab partition --isolate "$active"
whole
active=$(promoted) ask=$active
fault "two of three nodes crash" "--node-down $(other "$active") --node-down $(other "$active" "$(other "$active")")" \
    crash_two "$(other "$active")" "$(other "$active" "$(other "$active")")"
whole

printf '\n%-44s %-34s %-13s %s\n' FAULT 'ASKED' 'FOUND' 'WHAT WAS DONE'
printf '%s\n' "${rows[@]}"
summary
