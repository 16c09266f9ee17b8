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
    if [ -n "${FIGURES:-}" ]; then cat "$WORK/figures" >>"$FIGURES"; fi
}

# cluster_figures NAME: the same faults for every manager. The caller defines bootstrap, online, idle, standby NODE, unstandby
# NODE, set_token MILLISECONDS, and DAEMONS, the names of its processes on a node.
cluster_figures() {
    local started rounds
    rounds=$(seq "${ROUNDS:-3}")
    started=$(now)
    bootstrap >"$WORK/bootstrap" 2>&1 || { tail -n 30 "$WORK/bootstrap"; return 1; }
    wait_until 60 served_elsewhere nobody
    figure "$1: installed packages to the page, seconds" "$(since "$started")"
    packets "$1"
    figure "$1: memory of an idle node (PSS), MB" "$(memory)"
    for _ in $rounds; do
        outage "$1: standby, ms" standby
        outage "$1: kill -9 of apache, ms" kill_apache
        outage "$1: crash, token 3000, ms" crash
    done
    for _ in $rounds; do cut "$1"; done
    set_token 1000
    for _ in $rounds; do outage "$1: crash, token 1000, ms" crash; done
}

settle() { wait_until 120 online && wait_until 120 idle && wait_until 60 served_elsewhere nobody; }

# outage NAME FUNCTION: from last good answer to first good answer, after the function was done to the active node.
outage() {
    local active
    settle
    active=$(active_node)
    watch_start
    "$2" "$active"
    wait_until 3 grep -q 'no answer' "$WORK/watch" || true
    wait_until 60 served_elsewhere nobody
    sleep 1
    watch_stop
    watched "$1"
    if [ "$2" = standby ]; then unstandby "$active"; fi
}

# cut NAME: the nodes no longer hear each other, both reach the power switches: who survives, and what clients notice.
cut() {
    local active before
    settle
    active=$(active_node)
    before=$(booted "$active")
    watch_start
    "$MUSTER" lab partition --name "$LAB_NAME" n1 n2 >/dev/null
    sleep 15
    "$MUSTER" lab heal --name "$LAB_NAME" >/dev/null
    settle
    watch_stop
    watched "$1: cut between the nodes, ms"
    figure "$1: cut between the nodes, the active node survived" "$([ "$(booted "$active")" = "$before" ] && echo 1 || echo 0)"
}

watched() {
    figure "$1" "$(sed -nE 's/.*outages, longest ([0-9]+) ms.*/\1/p' "$WORK/watch")"
    grep -q 'address on two nodes: 0 times' "$WORK/watch" || figure "$1: ADDRESS ON TWO NODES" 1
}

booted() { node "$1" ps -o lstart= -p 1; }
crash() { "$MUSTER" lab crash --name "$LAB_NAME" "$1" >/dev/null; wait_until 30 grep -q 'no answer' "$WORK/watch"; }
kill_apache() { node "$1" pkill -9 -x apache2; wait_until 30 grep -q 'no answer' "$WORK/watch"; }

# packets NAME: what two idle nodes send each other, counted on the node's interfaces for ten seconds.
packets() {
    settle
    local before after
    before=$(packet_count)
    sleep 10
    after=$(packet_count)
    figure "$1: packets a second, idle, both directions" "$(awk -v a="$before" -v b="$after" 'BEGIN { printf "%.1f", (b - a) / 10 }')"
}

packet_count() { node n2 cat /proc/net/dev | awk -F '[: ]+' '/:/ && !/ lo:/ { n += $4 + $12 } END { print n }'; }

# The proportional share of memory of the manager's processes on one node.
memory() {
    # shellcheck disable=SC2016 # expanded on the node
    node n2 sh -c 'cat $(pgrep "$1" | sed "s|.*|/proc/&/smaps_rollup|")' sh "$DAEMONS" |
        awk '/^Pss:/ { n += $2 } END { printf "%.1f", n / 1024 }'
}
