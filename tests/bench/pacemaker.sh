#!/usr/bin/env bash
# The same job with Corosync, Pacemaker and pcs on the same kind of nodes: bootstrap, standby, a killed Apache, crashes.
# The outages are the watch's: last good answer to first good answer. The monitor of Apache runs every 10 s.
set -euo pipefail
cd "$(dirname "$0")/../.."
source tests/e2e/library.sh
source tests/bench/figures.sh

DAEMONS='^(corosync|pacemaker)'
lab_start "${LAB:-peer}" 2 --packages corosync,pacemaker,pacemaker-cli-utils,pcs,fence-agents,resource-agents,apache2,curl
A=$(sed -nE 's/^n1 ansible_host=([0-9.]+).*/\1/p' "$INVENTORY")
B=$(sed -nE 's/^n2 ansible_host=([0-9.]+).*/\1/p' "$INVENTORY")
variable() { sed -nE "s/^$1=(.*)/\1/p" "$INVENTORY"; }
both() { node n1 "$@" & node n2 "$@"; wait $!; }

prepare() {
    for name in n1 n2; do
        node "$name" sh -c "printf '127.0.0.1 localhost\n$A n1\n$B n2\n' > /etc/hosts; echo hacluster:peer | chpasswd
            echo '<p>Served by $name</p>' > /var/www/html/index.html; systemctl disable -q --now apache2
            systemctl start pcsd; pcs cluster destroy" >/dev/null 2>&1
    done
}

bootstrap() {
    node n1 pcs host auth n1 n2 -u hacluster -p peer
    node n1 pcs cluster setup webcluster n1 addr="$A" n2 addr="$B" --force
    node n1 pcs cluster enable --all
    node n1 pcs cluster start --all
    wait_until 120 online
    for name in n1 n2; do
        node n1 pcs stonith create "fence-$name" fence_redfish ip="$(variable fence_address)" \
            ipport="$(variable fence_port)" username="$(variable fence_username)" password="$(variable fence_password)" \
            systems_uri="/redfish/v1/Systems/$name" ssl_insecure=1 pcmk_host_list="$name"
    done
    node n1 pcs resource defaults update resource-stickiness=100
    node n1 pcs resource create vip ocf:heartbeat:IPaddr2 ip="$VIP" cidr_netmask=24 op monitor interval=10s --group web
    node n1 pcs resource create apache ocf:heartbeat:apache configfile=/etc/apache2/apache2.conf \
        statusurl=http://127.0.0.1/server-status op monitor interval=10s --group web --wait=120
}

online() { node n1 sh -c "pcs status 2>/dev/null | grep -q 'Online: \[ n1 n2 \]'" || node n2 sh -c "pcs status 2>/dev/null | grep -q 'Online: \[ n1 n2 \]'"; }
idle() { for name in n1 n2; do node "$name" sh -c 'crmadmin -S $(crmadmin -D 2>/dev/null | sed "s/.*: //") 2>/dev/null | grep -q S_IDLE' && return; done; return 1; }

standby() { node "$1" pcs node standby "$1"; }
unstandby() { node "$1" pcs node unstandby "$1"; }
set_token() { node "$(active_node)" pcs cluster config update totem token="$1" >/dev/null 2>&1; }

prepare
cluster_figures pacemaker
figures_print
