#!/usr/bin/env bash
# The lab on this machine, for real: nodes, network, power switch, faults, and that nothing is left behind.
# Needs root and the packages of `make prerequisites`. Prints a line for each check and a summary.
#
#   MUSTER=path/to/muster tests/e2e/lab.sh            (builds a base image of its own: half a minute)
#   MUSTER_LAB_DIR=folder tests/e2e/lab.sh            (uses and keeps the base images in that folder)
set -uo pipefail
cd "$(dirname "$0")/../.."
MUSTER=$(realpath "${MUSTER:-target/release/muster}")
if [ -z "${MUSTER_LAB_DIR:-}" ]; then
    MUSTER_LAB_DIR=$(mktemp -d /var/tmp/muster-e2e.XXXXXX)
    OWN_STORE=$MUSTER_LAB_DIR
fi
export MUSTER_LAB_DIR
unset MUSTER_LAB
A=e2e-a B=e2e-b
SCRATCH=$(mktemp -d)
passed=0 failed=0

check() { # SENTENCE COMMAND…
    local sentence=$1 begun=$EPOCHREALTIME
    shift
    if "$@" > "$SCRATCH/output" 2>&1; then
        passed=$((passed + 1))
        printf 'ok    %s (%d ms)\n' "$sentence" "$(since "$begun")"
    else
        failed=$((failed + 1))
        printf 'FAIL  %s\n' "$sentence"
        sed 's/^/        /' "$SCRATCH/output"
    fi
}
since() { local now=$EPOCHREALTIME; echo $(((${now/./} - ${1/./}) / 1000)); }
fails() { ! "$@"; }
eventually() { # SECONDS COMMAND…
    local deadline=$((SECONDS + $1))
    shift
    until "$@"; do
        [ $SECONDS -lt $deadline ] || return 1
        sleep 0.05
    done
}
says() { # TEXT COMMAND…: whatever its exit code
    local text=$1
    shift
    "$@" > "$SCRATCH/said" 2>&1
    grep -qF -- "$text" "$SCRATCH/said" || { cat "$SCRATCH/said"; return 1; }
}

lab() { "$MUSTER" lab "$@"; }
in_a() { lab exec --name $A "$@"; }
in_b() { lab exec --name $B "$@"; }
variable() { lab inventory --name "$1" | sed -n "s/^$2=//p"; }
address() { lab inventory --name "$1" | sed -n "s/^$2 .*$3=\([0-9.]*\).*/\1/p"; }
pings() { lab exec --name "$1" "$2" -- ping -q -c1 -W1 "$3"; }
answers_ssh() { timeout 1 bash -c "exec 3<>/dev/tcp/$1/22; read -r -t 0.8 -u 3 banner; [[ \$banner == SSH-* ]]"; }
accepts() { timeout 1 bash -c "exec 3<>/dev/tcp/$1/$2"; }
power_is() { [ "$(lab power status --name $A "$1")" = "$1 $2" ]; }
is_running() { [ "$(in_a "$1" -- systemctl is-system-running 2> /dev/null)" = running ]; }
echo_requests() { in_a "$1" -- awk '/^Icmp:/ && ++n == 2 {print $10}' /proc/net/snmp; }

redfish() { # METHOD PATH [BODY] -> body, then the status code
    curl -s --cacert "$CERTIFICATE" -u "$USERNAME:$PASSWORD" -w '\n%{http_code}' -X "$1" ${3:+-d "$3"} \
        "https://$GATEWAY:$PORT/redfish/v1$2"
}
reset() { [ "$(redfish POST "/Systems/$1/Actions/ComputerSystem.Reset" "{\"ResetType\": \"$2\"}")" = $'\n204' ]; }
redfish_power_is() { redfish GET "/Systems/$1" | grep -q "\"PowerState\":\"$2\""; }
race() { # every answer is 204, whatever the order was
    local pids=() pid ok=0
    for type in On ForceOff ForceRestart ForceOff On ForceRestart ForceOff On; do
        reset n2 $type & pids+=($!)
    done
    for pid in "${pids[@]}"; do wait "$pid" || ok=1; done
    return $ok
}
agrees() { # what the switch says is what the kernel says
    local word=off
    redfish_power_is n2 On && word=on
    power_is n2 $word
}

# The names that the labs give to things on this machine (cli/src/lab/name.rs, state.rs).
hash() { printf %s "$1" | sha256sum | cut -c"1-$2"; }
SCOPE=
[ "$MUSTER_LAB_DIR" = /var/lib/muster/lab ] || SCOPE=$(hash "$MUSTER_LAB_DIR" 8)
LABELS="e2$(hash "$SCOPE/$A" 4)|e2$(hash "$SCOPE/$B" 4)"
GROUP=muster-lab${SCOPE:+-$SCOPE}

host() { # everything that these labs could leave behind on this machine
    awk '{print $2}' /proc/self/mounts | grep -F "$MUSTER_LAB_DIR/"
    ls /sys/class/net | grep -E "^ml($LABELS)-"
    nft list tables | grep -E "muster_lab_($LABELS)"
    find /sys/fs/cgroup -maxdepth 3 -type d -path "*/$GROUP/*" | grep -E '/(e2e-[ab]|\.image-.*)$'
    if [ -n "${OWN_STORE:-}" ]; then find /sys/fs/cgroup -maxdepth 2 -type d -name "$GROUP"; fi
    find /run/systemd/nspawn/propagate -mindepth 1 2> /dev/null | grep -E "/ml($LABELS)-"
    ps -eo stat=,args= | grep -E "$MUSTER_LAB_DIR/|--name e2e-" | grep -v -e '^Z' -e 'grep '
    ls "$MUSTER_LAB_DIR/labs" 2> /dev/null | grep -E '^e2e-[ab]$'
    ls "$MUSTER_LAB_DIR/images" 2> /dev/null | grep -F .
    if [ -e /run/muster-lab/host.json ]; then
        grep -oE "$LABELS" /run/muster-lab/host.json
    else
        grep -H . /proc/sys/net/ipv4/ip_forward /proc/sys/fs/inotify/max_user_instances > "$SCRATCH/settings"
        [ -e "$SCRATCH/settings-before" ] || cp "$SCRATCH/settings" "$SCRATCH/settings-before"
        diff "$SCRATCH/settings-before" "$SCRATCH/settings"
    fi
    true
}
is_as_before() { host > "$SCRATCH/now"; diff "$SCRATCH/before" "$SCRATCH/now" > "$SCRATCH/difference"; }
left_nothing() { eventually 3 is_as_before || { cat "$SCRATCH/difference"; return 1; }; }
interrupted_up() { # SIGNAL WHEN ARGUMENTS…: sends the signal once the file pattern WHEN exists; gives back up's exit code
    local signal=$1 when=$2 pid
    shift 2
    "$MUSTER" lab up "$@" & pid=$!
    until compgen -G "$MUSTER_LAB_DIR/$when" > /dev/null; do kill -0 $pid || return 1; sleep 0.005; done
    kill "-$signal" $pid
    wait $pid
}
ends_with() { # CODE COMMAND…
    local wanted=$1 code=0
    shift
    "$@" || code=$?
    [ $code = "$wanted" ] || { echo "exit code $code, wanted $wanted"; return 1; }
}

clean() {
    lab down --name $A
    lab down --name $B
    if [ -n "${OWN_STORE:-}" ]; then
        lab down --name $A --images
        rm -rf --one-file-system "$OWN_STORE"
    fi
    rm -rf "$SCRATCH"
} > /dev/null 2>&1
trap clean EXIT
host > "$SCRATCH/before"

echo "# make"
missing() { says "$1" env PATH=/nonexistent "$MUSTER" lab up --name $A; }
check 'missing programs are all named' missing '`systemd-nspawn`; `mmdebstrap`; `nft`'
check 'and the command that installs them' missing 'apt-get install systemd-container mmdebstrap nftables'
if [ -n "${OWN_STORE:-}" ]; then
    check 'an up that is interrupted while it builds the base image ends with 99' \
        ends_with 99 interrupted_up TERM 'images/*.building/usr' --name $A
    check '… and leaves nothing' left_nothing
    check 'an up that is killed while it builds the base image leaves it to down' \
        ends_with 137 interrupted_up KILL 'images/*.building/usr' --name $A
    check '… which removes it' lab down --name $A
    check '… and leaves nothing' left_nothing
fi
check 'a lab of two nodes is made' lab up --name $A --nodes 2
check 'the same again is there already' says 'is there' lab up --name $A --nodes 2
check 'another lab of that name is refused' says 'nodes: 2, wanted 3' lab up --name $A --nodes 3

GATEWAY=$(variable $A fence_address) PORT=$(variable $A fence_port) CERTIFICATE=$(variable $A fence_certificate)
USERNAME=$(variable $A fence_username) PASSWORD=$(variable $A fence_password)
N1=$(address $A n1 ansible_host) N2=$(address $A n2 ansible_host)

echo "# nodes"
for node in n1 n2; do check "$node runs, with no failed unit" is_running $node; done
check 'exec gives back the exit code' ends_with 7 in_a n1 -- sh -c 'exit 7'
check 'a command that does not exist ends with 127' ends_with 127 in_a n1 -- no-such-command
check 'an unknown node is refused with those there are' says 'n1, n2' in_a n9 -- true
check 'ssh runs a command, with the host key checked' says n2 lab ssh --name $A n2 hostname
check 'the inventory names the node' says "n2 ansible_host=$N2" lab inventory --name $A
become() { lab ssh --name $A n1 "su ops -c 'echo $(variable $A lab_ops_password) | sudo -S id -u'"; }
check 'ops may use sudo with the password of the inventory' says 0 become
check 'the nodes reach each other' pings $A n1 "$N2"
check 'packages are installed from the network' \
    in_a n1 -- sh -c 'apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -y -q chrony apache2'
check 'chrony runs and sets no clock' in_a n1 -- systemctl is-active chrony
check 'apache serves' in_a n1 -- sh -c 'curl -sf http://127.0.0.1/ > /dev/null'

echo "# power"
check 'status over Redfish' redfish_power_is n2 On
check 'strangers see nothing' says 401 curl -s -o /dev/null -w '%{http_code}' --cacert "$CERTIFICATE" "https://$GATEWAY:$PORT/redfish/v1/Systems"
check 'plain HTTP answers too' says RedfishVersion curl -s "http://$GATEWAY:$(variable $A fence_http_port)/redfish/v1"
in_a n2 -- sh -c 'echo kept > /root/kept'
check 'ForceOff over Redfish' reset n2 ForceOff
check '… is off when it is answered' redfish_power_is n2 Off
check '… and silent' fails pings $A n1 "$N2"
check 'ForceOff of a node that is off' reset n2 ForceOff
check 'exec in a node that is off says so' says 'is off' in_a n2 -- true
check 'On over Redfish' reset n2 On
check '… boots' eventually 10 is_running n2
check '… with its disk' says kept in_a n2 -- cat /root/kept
check 'ForceRestart over Redfish' reset n2 ForceRestart
check '… boots' eventually 10 is_running n2
check 'eight requests that race are all answered' race
check '… and the switch tells the truth' agrees
lab power on --name $A n2
check 'GracefulShutdown over Redfish' eventually 10 reset n2 GracefulShutdown
check '… powers off' eventually 10 power_is n2 off
lab power on --name $A n2
eventually 10 is_running n2 > /dev/null
pid_of() { lab status --name $A --output json | grep -A20 '"name": "n2"' | sed -n 's/.*"pid": \([0-9]*\).*/\1/p' | head -1; }
before=$(pid_of)
in_a n2 -- systemctl reboot
rebooted() { local pid; pid=$(pid_of); [ -n "$pid" ] && [ "$pid" != "$before" ] && is_running n2; }
check 'a reboot inside the node boots it again' eventually 15 rebooted
check 'a crash' lab crash --name $A n2
check '… is a loss of power' power_is n2 off
check 'who did what is in the log' says 'n2 crash by muster lab crash' lab power log --name $A
check 'up starts what is off' lab up --name $A --nodes 2
check '… so that it answers' answers_ssh "$N2"

echo "# fence_redfish of Debian's fence-agents"
check 'is installed' in_a n1 -- sh -c 'DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends fence-agents python3-requests'
fence() { in_a n1 -- fence_redfish -a "$GATEWAY" --ipport="$PORT" --ssl-insecure -l "$USERNAME" -p "$PASSWORD" --systems-uri=/redfish/v1/Systems/n2 -o "$1"; }
check 'status: on' says ON fence status
check 'off' fence off
check 'status: off' says OFF fence status
check 'on' fence on
check 'reboot' fence reboot
eventually 10 is_running n2 > /dev/null

echo "# faults"
check 'freeze' lab freeze --name $A n2
check '… stops every process' fails answers_ssh "$N2"
check '… while the kernel still accepts connections' accepts "$N2" 22
check '… and exec says so' says 'is frozen' in_a n2 -- true
check 'a frozen node can be fenced' reset n2 ForceOff
lab power on --name $A n2
eventually 10 is_running n2 > /dev/null
lab freeze --name $A n2
check 'thaw lets it go on' lab thaw --name $A n2
check '… with its processes' answers_ssh "$N2"
check 'partition' lab partition --name $A n1 n2
check '… stops traffic from n1 to n2' fails pings $A n1 "$N2"
check '… and from n2 to n1' fails pings $A n2 "$N1"
check '… while the host reaches n1' answers_ssh "$N1"
check '… and n2' answers_ssh "$N2"
check '… and both reach the power switch' in_a n1 -- curl -skf "https://$GATEWAY:$PORT/redfish/v1"
check 'the cut is in the status' says 'n1 -> n2' lab status --name $A
check 'heal' lab heal --name $A
check '… lets traffic through' pings $A n1 "$N2"
check '… in both directions' pings $A n2 "$N1"
check 'partition of one direction' lab partition --name $A --one-way n1 n2
seen() { # FROM TO ADDRESS: whether a ping from FROM reaches TO
    local before
    before=$(echo_requests "$2")
    pings $A "$1" "$3"
    [ "$(echo_requests "$2")" -gt "$before" ]
}
check '… stops what n1 sends' fails seen n1 n2 "$N2"
check '… and not what n2 sends' seen n2 n1 "$N1"
check 'isolation' lab partition --name $A --isolate n1
check '… cuts the node off from the host' fails answers_ssh "$N1"
check '… and from the power switch' fails in_a n1 -- curl -skf -m 1 "https://$GATEWAY:$PORT/redfish/v1"
lab heal --name $A
check 'a healed node answers again' answers_ssh "$N1"

echo "# two labs"
check 'a second lab of three nodes and two links is made' lab up --name $B --nodes 3 --links 2 --power-delay 300
B3=$(address $B n3 ring0_addr) B3_RING1=$(address $B n3 ring1_addr)
check 'its nodes reach each other on the first link' pings $B n1 "$B3"
check '… and on the second' pings $B n1 "$B3_RING1"
check 'a cut of the second link' lab partition --name $B n1 n2,n3 --link 1
check '… stops the second' fails pings $B n1 "$B3_RING1"
check '… and not the first' pings $B n1 "$B3"
check 'the labs do not reach each other' fails pings $A n1 "$B3"
slow_off() { local begun=$EPOCHREALTIME; curl -skf -u "$(variable $B fence_username):$(variable $B fence_password)" -d '{"ResetType":"ForceOff"}' \
    "https://$(variable $B fence_address):$(variable $B fence_port)/redfish/v1/Systems/n3/Actions/ComputerSystem.Reset" && [ "$(since "$begun")" -ge 300 ]; }
check 'a slow power switch is slow' slow_off

echo "# remove"
check 'the second lab goes' lab down --name $B
check '… and the first one stays' is_running n1
check 'the first lab goes' lab down --name $A
check 'nothing is left' left_nothing
check 'down of a lab that is not there is fine' says 'no lab' lab down --name $A
check 'an up that is interrupted while nodes boot ends with 99' \
    ends_with 99 interrupted_up INT "labs/$A/nodes/n1/run.json" --name $A --nodes 3
check '… and leaves nothing' left_nothing
check 'an up that is killed while nodes boot leaves it to down' \
    ends_with 137 interrupted_up KILL "labs/$A/nodes/n1/run.json" --name $A --nodes 3
check '… which removes it' lab down --name $A
check '… and leaves nothing' left_nothing

echo "$passed passed, $failed failed"
[ $failed = 0 ]
