# Figures of a benchmark: collected by name, printed as median, least and most. Sourced after tests/e2e/library.sh.

figure() {
    printf '%s\t%s\n' "$1" "$2" >>"$WORK/figures"
    printf '%-60s %s\n' "$1" "$2"
}

figures_print() {
    printf '\n%-60s %3s %9s %9s %9s\n' figure n median least most
    sort -t "$(printf '\t')" -k1,1 -k2,2n "$WORK/figures" | awk -F '\t' '
        function flush() { if (n) printf "%-60s %3d %9s %9s %9s\n", name, n, v[int((n + 1) / 2)], v[1], v[n] }
        $1 != name { flush(); name = $1; n = 0 }
        { v[++n] = $2 }
        END { flush() }'
}

# outage NAME FUNCTION: from last good answer to first good answer, after the function was done to the active node.
outage() {
    local active
    wait_until 120 online && wait_until 120 idle
    active=$(active_node)
    watch_start
    "$2" "$active"
    wait_until 3 grep -q 'no answer' "$WORK/watch" || true
    wait_until 60 served_elsewhere nobody
    sleep 1
    watch_stop
    figure "$1" "$(sed -nE 's/.*outages, longest ([0-9]+) ms.*/\1/p' "$WORK/watch")"
    grep -q 'address on two nodes: 0 times' "$WORK/watch" || figure "$1: ADDRESS ON TWO NODES" 1
    if [ "$2" = standby ]; then unstandby "$active"; fi
}

crash() { "$MUSTER" lab crash --name "$LAB_NAME" "$1" >/dev/null; wait_until 30 grep -q 'no answer' "$WORK/watch"; }
kill_apache() { node "$1" pkill -9 -x apache2; wait_until 30 grep -q 'no answer' "$WORK/watch"; }
standby() { node "$1" pcs node standby "$1"; }
unstandby() { node "$1" pcs node unstandby "$1"; }

# packets NAME: what two idle nodes send each other, counted on the node's interfaces for ten seconds.
packets() {
    wait_until 120 idle
    local before after
    before=$(packet_count)
    sleep 10
    after=$(packet_count)
    figure "$1: packets a second, idle, both directions" "$(awk -v a="$before" -v b="$after" 'BEGIN { printf "%.1f", (b - a) / 10 }')"
}

packet_count() { node n2 cat /proc/net/dev | awk -F '[: ]+' '/:/ && !/ lo:/ { n += $4 + $12 } END { print n }'; }
