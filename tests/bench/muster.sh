#!/usr/bin/env bash
# What a two-node Apache cluster of muster does, in figures: the same job and the same faults as pacemaker.sh.
set -euo pipefail
cd "$(dirname "$0")/../.."
source tests/e2e/library.sh
source tests/bench/figures.sh

DAEMONS='^musterd$'
lab_start "${LAB:-bench}" 2 --packages chrony,apache2,curl
options=(-i "$INVENTORY" -e cluster_token="${TOKEN:-3000}")

bootstrap() { "$MUSTER" apply "${options[@]}" playbooks/site.yml; }
online() { [ "$(status_json | json "sum(n['fact'] == 'member' for n in s['nodes'])")" = 2 ]; }
idle() { is_idle; }
standby() { node "$1" musterd node standby "$1"; }
unstandby() { node "$1" musterd node unstandby "$1"; }
set_token() { "$MUSTER" apply "${options[@]}" -e cluster_token="$1" playbooks/site.yml >/dev/null; }

cluster_figures muster
figure "muster: size of the agent, MB" "$(node n1 stat -c %s /usr/local/sbin/musterd | awk '{ printf "%.2f", $1 / 1e6 }')"
figures_print
