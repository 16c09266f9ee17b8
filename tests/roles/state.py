"""What a node is: its files, packages, units and firewall rules, a line each, sorted. Run on the node, by compare.sh."""

import grp
import hashlib
import os
import pwd
import re
import stat
import subprocess

FOLDERS = ["/etc", "/home", "/opt", "/root", "/srv", "/usr/local", "/var/spool/cron", "/var/www"]
# What differs between two nodes that nobody touched, and what a connection leaves behind.
OF_THE_NODE = re.compile(
    r"^/etc/(machine-id|hosts|ssh/ssh_host_.*|resolv\.conf|\.pwd\.lock|ld\.so\.cache|mtab|ssl/(certs|private)/ssl-cert-snakeoil\.(pem|key)"
    r"|(passwd|shadow|group|gshadow|subuid|subgid)-)$"
    r"|^/root/\.(ansible|bash_history|cache|ssh)(/|$)"
    r"|\.pyc$|/__pycache__$"
)
# The name of a backup has a process and the time in it.
BACKUP = re.compile(r"\.\d+\.\d{4}-\d\d-\d\d@\d\d:\d\d:\d\d~$")


def name_of(lookup, number):
    try:
        return lookup(number)[0]
    except KeyError:
        return str(number)


def content(path):
    with open(path, "rb") as file:
        data = file.read()
    if path == "/etc/shadow":  # the day of the last change of a password, and the salt of one, are not the role's
        data = re.sub(rb"^([^:]*):(\$[^:]*|[^:]*):\d+:", lambda m: m[1] + (b":set:" if m[2][:1] == b"$" else b":" + m[2] + b":"), data, flags=re.M)
    if path.startswith("/etc/pam.d/"):  # module `pamd` of Ansible signs with the time
        data = re.sub(rb"^# Updated by Ansible - .*\n", b"", data, flags=re.M)
    return hashlib.sha256(data).hexdigest()[:16]


def describe(path):
    entry = os.lstat(path)
    who = f"{name_of(pwd.getpwuid, entry.st_uid)}:{name_of(grp.getgrgid, entry.st_gid)}"
    if stat.S_ISLNK(entry.st_mode):
        return f"link to {os.readlink(path)} {who}"
    if stat.S_ISDIR(entry.st_mode):
        return f"folder {stat.S_IMODE(entry.st_mode):04o} {who}"
    if stat.S_ISREG(entry.st_mode):
        # A database that `postmap` makes is never twice the same.
        told = "" if path.endswith(".db") else content(path)
        return f"file {stat.S_IMODE(entry.st_mode):04o} {who} {told}"
    return f"special {stat.filemode(entry.st_mode)} {who}"


def files():
    for top in FOLDERS:
        for folder, folders, names in os.walk(top):
            for name in folders + names:
                path = os.path.join(folder, name)
                if not OF_THE_NODE.search(path):
                    yield f"file {BACKUP.sub('.BACKUP~', path)}: {describe(path)}"


def lines(*command):
    answer = subprocess.run(command, capture_output=True, text=True, check=False)
    return answer.stdout.splitlines()


def packages():
    for line in lines("dpkg-query", "-W", "-f", "${Package}: ${Version} ${db:Status-Abbrev}\n"):
        yield f"package {line.strip()}"


def units():
    # What runs once by itself depends on the minute, a unit of the boot on the machine.
    for line in lines("systemctl", "list-unit-files", "--no-legend", "--no-pager", "--type=service,socket,timer"):
        name, enabled = line.split()[:2]
        yield f"unit {name}: {enabled}"
        if name.endswith(".service") and "@" not in name and enabled in ("enabled", "disabled"):
            shown = dict(pair.split("=", 1) for pair in lines("systemctl", "show", "-p", "Type,ActiveState", name))
            if shown.get("Type") != "oneshot" or name.startswith("firewall"):
                yield f"unit {name}: {shown.get('ActiveState')}"


def firewall():
    for tool in ["iptables-save", "ip6tables-save"]:
        try:
            saved = lines(tool)
        except FileNotFoundError:
            continue
        for line in saved:
            if not line.startswith("#"):
                yield f"{tool}: " + re.sub(r"\[\d+:\d+\]", "", line)
    try:
        for number, line in enumerate(lines("nft", "list", "ruleset")):
            yield f"nft {number:04d}: " + re.sub(r"packets \d+ bytes \d+", "", line)
    except FileNotFoundError:
        pass


def timezone():
    yield "timezone: " + os.path.realpath("/etc/localtime")


for said in sorted(line for part in (files, packages, units, firewall, timezone) for line in part()):
    print(said)
