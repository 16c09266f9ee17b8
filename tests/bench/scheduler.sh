#!/usr/bin/env bash
# How long a decision takes, and its memory, beside crm_simulate (pacemaker-cli-utils) on the same CIBs in the same run: generated
# clusters of SIZES ("RESOURCESxNODES …"), and every *.xml of CASES, where that is a directory. Needs no nodes: `make bench-scheduler`.
set -euo pipefail
cd "$(dirname "$0")/../.."
WORK=$(mktemp -d)
trap 'rm -rf "$WORK"' EXIT
source tests/bench/figures.sh
MUSTER=${MUSTER:-target/release/muster}
LIMIT=${LIMIT:-600}
NOW=1700000000

# A CIB of that many primitives and nodes. Of ten primitives four stand alone, three are a group, one is a clone on every fourth node,
# two follow it and each other by colocation and order. Two of three run; the first node is in standby, so something moves.
generate() { # RESOURCES NODES
    awk -v resources="$1" -v nodes="$2" '
    function primitive(id) {
        printf "<primitive id=\"%s\" class=\"ocf\" provider=\"pacemaker\" type=\"Dummy\"><operations><op id=\"%s-mon\" name=\"monitor\" interval=\"10s\"/></operations></primitive>\n", id, id
    }
    function record(id, operation, code, call) {
        printf "<lrm_rsc_op id=\"%s_last_0\" operation_key=\"%s_%s_0\" operation=\"%s\" interval=\"0\" call-id=\"%d\" op-status=\"0\" rc-code=\"%d\" crm_feature_set=\"3.16.2\" op-digest=\"f2317cad3d54cec5d7d7aa7d0bf35cf8\" transition-key=\"1:1:%d:x\" transition-magic=\"0:%d;1:1:%d:x\"/>", id, id, operation, operation, call, code, code, code, code
    }
    function seen(id, node, runs) {
        printf "<lrm_resource id=\"%s\" class=\"ocf\" provider=\"pacemaker\" type=\"Dummy\">", id
        if (runs) record(id, "start", 0, 2); else record(id, "monitor", 7, 1)
        print "</lrm_resource>"
    }
    function colocation(one, other, score) {
        printf "<rsc_colocation id=\"col-%s-%s\" rsc=\"%s\" with-rsc=\"%s\" score=\"%s\"/>\n", one, other, one, other, score
    }
    function order(one, other, kind) {
        printf "<rsc_order id=\"ord-%s-%s\" first=\"%s\" then=\"%s\" kind=\"%s\"/>\n", one, other, one, other, kind
    }
    BEGIN {
        print "<cib admin_epoch=\"0\" epoch=\"1\" num_updates=\"1\" have-quorum=\"1\" validate-with=\"pacemaker-3.0\" crm_feature_set=\"3.16.2\"><configuration><crm_config>"
        print "<cluster_property_set id=\"p\"><nvpair id=\"p1\" name=\"stonith-enabled\" value=\"false\"/></cluster_property_set></crm_config><nodes>"
        for (n = 1; n <= nodes; n++) {
            printf "<node id=\"%d\" uname=\"node%03d\">", n, n
            if (n == 1) printf "<instance_attributes id=\"standby\"><nvpair id=\"s1\" name=\"standby\" value=\"on\"/></instance_attributes>"
            print "</node>"
        }
        print "</nodes><resources>"
        for (b = 0; b * 10 < resources; b++) {
            for (r = 0; r < 4; r++) primitive("r" b "-" r)
            printf "<group id=\"g%d\">\n", b
            for (r = 0; r < 3; r++) primitive("m" b "-" r)
            print "</group>"
            printf "<clone id=\"c%d\"><meta_attributes id=\"c%d-meta\"><nvpair id=\"c%d-max\" name=\"clone-max\" value=\"%d\"/><nvpair id=\"c%d-int\" name=\"interleave\" value=\"true\"/></meta_attributes>\n", b, b, b, nodes >= 4 ? nodes / 4 : 1, b
            primitive("k" b); print "</clone>"
            primitive("f" b); primitive("h" b)
        }
        print "</resources><constraints>"
        for (b = 0; b * 10 < resources; b++) {
            colocation("f" b, "c" b, "INFINITY"); order("c" b, "f" b, "Mandatory")
            colocation("h" b, "f" b, "INFINITY"); order("f" b, "h" b, "Mandatory")
            colocation("r" b "-0", "r" b "-1", "-INFINITY"); colocation("r" b "-2", "g" b, "100"); order("g" b, "r" b "-3", "Optional")
            printf "<rsc_location id=\"loc%d\" rsc=\"g%d\" node=\"node%03d\" score=\"50\"/>\n", b, b, b % nodes + 1
        }
        print "</constraints></configuration><status>"
        for (n = 1; n <= nodes; n++) {
            printf "<node_state id=\"%d\" uname=\"node%03d\" in_ccm=\"true\" crmd=\"online\" join=\"member\" expected=\"member\"><lrm id=\"%d\"><lrm_resources>\n", n, n, n
            for (b = 0; b * 10 < resources; b++) {
                here = (b % nodes + 1 == n)
                for (r = 0; r < 4; r++) seen("r" b "-" r, n, here && r != 1 || r == 1 && ((b + 1) % nodes + 1 == n) && b % 3)
                for (r = 0; r < 3; r++) seen("m" b "-" r, n, here && b % 3)
                seen("k" b, n, (b + n) % 4 == 0); seen("f" b, n, here && (b + n) % 4 == 0 && b % 3); seen("h" b, n, 0)
            }
            print "</lrm_resources></lrm></node_state>"
        }
        print "</status></cib>"
    }'
}

# The seconds of processor time and the most memory in MB of one decision; nothing where it takes longer than LIMIT.
cost() { # COMMAND…
    timeout "$LIMIT" /usr/bin/time -o "$WORK/cost" -f '%U %S %M' "$@" >/dev/null 2>&1 || return 1
    awk '{ printf "%.3f %.0f\n", $1 + $2, $3 / 1024 }' "$WORK/cost"
}

beside() { # NAME CIB
    local seconds memory
    for program in muster crm_simulate; do
        case $program in
            muster) set -- "$1" "$2" "$MUSTER" simulate --cib "$2" --now "$NOW" --format json ;;
            crm_simulate) set -- "$1" "$2" crm_simulate -x "$2" -R -t "$NOW" ;;
        esac
        if read -r seconds memory < <(cost "${@:3}"); then
            figure "$1: $program, processor seconds" "$seconds"
            figure "$1: $program, memory MB" "$memory"
        else
            printf '%s: %s gave no answer in %s s\n' "$1" "$program" "$LIMIT"
        fi
    done
}

# Every CIB of a folder in one process of each program. crm_simulate says hundredths of a second, of REPEAT decisions together, without
# reading the file; muster with it.
cases() { # FOLDER
    local repeat=${REPEAT:-10}
    "$MUSTER" simulate --profile "$1" --repeat "$repeat" --now "$NOW" --format json |
        python3 -c 'import json, sys
for case in json.load(sys.stdin)["cases"]: print("%.5f" % case["seconds"], case["cib"])' >"$WORK/muster"
    crm_simulate --profile "$1" --repeat "$repeat" 2>/dev/null |
        awk -v n="$repeat" '/Testing/ { name = $3; gsub(/.*\/|\.xml$/, "", name); printf "%.5f %s\n", $(NF - 1) / n, name }' |
        sort -rn >"$WORK/crm_simulate"
    # Those that both decide: crm_simulate refuses what its release does not know.
    join <(sort -k2 "$WORK/muster" | awk '{ print $2, $1 }') <(sort -k2 "$WORK/crm_simulate" | awk '{ print $2, $1 }') >"$WORK/both"
    figure "$(wc -l <"$WORK/both") cases in one process: muster, seconds" "$(awk '{ sum += $2 } END { printf "%.3f", sum }' "$WORK/both")"
    figure "$(wc -l <"$WORK/both") cases in one process: crm_simulate, seconds" "$(awk '{ sum += $3 } END { printf "%.3f", sum }' "$WORK/both")"
    printf '\nthe ten slowest of muster, milliseconds beside crm_simulate\n'
    head -n 10 "$WORK/muster" | while read -r seconds name; do
        awk -v name="$name" -v mine="$seconds" '$1 == name { other = $3 * 1000 }
            END { printf "%-50s %8.2f %8s\n", name, mine * 1000, other }' "$WORK/both"
    done
}

for size in ${SIZES:-100x8 1000x32 10000x100}; do
    generate "${size%x*}" "${size#*x}" >"$WORK/$size.xml"
    beside "$size" "$WORK/$size.xml"
done
if [ -d "${CASES:-}" ]; then cases "$CASES"; fi
figures_print
