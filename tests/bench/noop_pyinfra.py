# The same job as noop.yml, for pyinfra.
from io import StringIO

from pyinfra import host, inventory
from pyinfra.facts.files import Link
from pyinfra.facts.server import LinuxDistribution
from pyinfra.operations import apt, files, server, systemd

nodes = inventory.get_group("cluster")
assert len(nodes) >= 2 and host.get_fact(LinuxDistribution)["name"] == "Debian"
addresses = {node.name: node.data.ring0_addr for node in nodes}

apt.packages(packages=["chrony", "apache2"])
files.block(path="/etc/hosts", marker="# {mark} cluster nodes", content="\n".join(f"{a} {n}" for n, a in addresses.items()))
options = files.line(path="/etc/default/chrony", line="^DAEMON_OPTS=.*", replace='DAEMON_OPTS="-F 1 -x"')
chrony = files.template(
    src="../../templates/chrony.conf.j2",
    dest="/etc/chrony/chrony.conf",
    mode="644",
    ansible_managed="Ansible managed",
    ansible_facts={"os_family": "Debian"},
    time_servers=["192.0.2.1", "192.0.2.2"],
)
systemd.service(service="chrony", running=True, enabled=True)
server.group(group="haclient", gid=1189)
server.user(
    user="hacluster",
    uid=1189,
    group="haclient",
    home="/var/lib/pacemaker",
    ensure_home=False,
    shell="/usr/sbin/nologin",
    system=True,
)
for path, group, mode in [
    ("/etc/corosync", "root", "755"),
    ("/etc/corosync/uidgid.d", "root", "755"),
    ("/var/log/cluster", "haclient", "770"),
]:
    files.directory(path=path, group=group, mode=mode)
files.template(
    src="../../templates/corosync.conf.j2",
    dest="/etc/corosync/corosync.conf",
    mode="644",
    ansible_managed="Ansible managed",
    groups={"cluster": list(addresses)},
    hostvars={name: {"cluster_addresses": [address]} for name, address in addresses.items()},
    cluster_addresses=[host.data.ring0_addr],
    cluster_name="bench",
    cluster_token=3000,
    cluster_link_mode="passive",
)
files.put(
    src=StringIO("not a real key, only as long as one, not a real key, only as long as one"),
    dest="/etc/corosync/authkey",
    mode="400",
)
files.put(
    src=StringIO("uidgid {\n    uid: hacluster\n    gid: haclient\n}\n"),
    dest="/etc/corosync/uidgid.d/hacluster",
    mode="644",
)
for kind in ["soft", "hard"]:
    files.line(path="/etc/security/limits.conf", line=f"hacluster {kind} memlock unlimited")
headers = None
if host.get_fact(Link, path="/etc/apache2/mods-enabled/headers.load") is None:
    headers = server.shell(commands=["a2enmod headers"])
files.directory(path="/srv/www", mode="755")
files.put(src=StringIO(f"<h1>{host.name}</h1>\n"), dest="/srv/www/index.html", mode="644")
security = files.link(path="/etc/apache2/conf-enabled/security.conf", target="../conf-available/security.conf")
systemd.service(service="apache2", running=True, enabled=True)

# The handlers.
systemd.service(service="chrony", restarted=True, _if=lambda: options.did_change() or chrony.did_change())
systemd.service(
    service="apache2",
    reloaded=True,
    _if=lambda: security.did_change() or (headers is not None and headers.did_change()),
)
server.shell(commands=["chronyc -n tracking"])
