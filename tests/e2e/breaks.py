#!/usr/bin/env python3
"""Breaks the shipped playbook off at random points, in every way that there is, and looks at what is left.

Before each point the files that the playbook writes are set to what they were before it, and the services run those. Then the
playbook is applied, and broken off after a random share of the time that a whole run takes. What must hold:

  - no file is half-written: each is as it was before, or as it is after a whole run;
  - the next run comes to its end, and does what handlers were still due: each service runs what its files say;
  - no file of ours is left beside them, and a plan after that has nothing to do.

  breaks.py MUSTER LAB INVENTORY [KIND…]        POINTS=20 for each kind, SEED=… for other points
"""
import json
import os
import random
import signal
import subprocess
import sys
import time

MUSTER, LAB, INVENTORY, *KINDS = sys.argv[1:]
POINTS = int(os.environ.get("POINTS", "20"))
SEED = os.environ.get("SEED", "1")
NODES = ["n1", "n2"]
PLAYBOOK = ["-i", INVENTORY, "playbooks/site.yml"]
# What the playbook writes, and what of it is different before: a line more, or nothing at all.
FILES = {
    "/etc/hosts": "sed -i '/nodes of webcluster/,/nodes of webcluster/d' /etc/hosts",
    "/etc/chrony/chrony.conf": "echo '# before' >> /etc/chrony/chrony.conf",
    "/etc/apache2/conf-enabled/muster-status.conf": "rm -f /etc/apache2/conf-enabled/muster-status.conf",
    "/var/www/html/index.html": "head -c 200000 /dev/zero | tr '\\0' x > /var/www/html/index.html",
    "/etc/corosync/corosync.conf": "sed -i 's/token: .*/token: 4000/' /etc/corosync/corosync.conf",
    "/etc/systemd/system/musterd.service": "echo '# before' >> /etc/systemd/system/musterd.service",
}
# A file system of its own, small and soon full; these are on it.
SMALL = ["/etc", "/var/lib/muster"]


def muster(*words, **options):
    return subprocess.run([MUSTER, *words], capture_output=True, text=True, **options)


def node(name, script, check=True):
    ran = muster("lab", "exec", "--name", LAB, name, "--", "sh", "-c", script)
    if check and ran.returncode != 0:
        raise SystemExit(f"{name}: {script}: {ran.stdout}{ran.stderr}")
    return ran.stdout


def until(what, seconds, test):
    end = time.monotonic() + seconds
    while not test():
        if time.monotonic() > end:
            raise SystemExit(f"waited {seconds} s in vain: {what}")
        time.sleep(0.2)


def answers(name):
    return muster("lab", "ssh", "--name", LAB, name, "systemctl is-active ssh").stdout.strip() == "active"


def hashes(name):
    """Each file of the playbook with the hash of its content; `-` where it is not there."""
    script = "; ".join(f'echo "{path} $(sha256sum < {path} 2>/dev/null || echo -)"' for path in FILES)
    return dict(line.split()[:2] for line in node(name, script).splitlines())


def strays(name):
    """Temporary files of ours."""
    return node(name, "find / -xdev \\( -name '.*.muster-*' -o -name '*.muster-new' \\) "
                      "-not -path '/proc/*' 2>/dev/null; find /etc /var/lib/muster -name '.*.muster-*'").split()


# What a service read is older than the service, or it was told to read it again.
IN_FORCE = r"""
started() { date -d "$(systemctl show -P ActiveEnterTimestamp $1)" +%s; }
[ $(stat -c %Y /etc/chrony/chrony.conf) -le $(started chrony) ] || echo chrony runs with what was before
[ "$(systemctl show -P NeedDaemonReload musterd)" = no ] || echo systemd has not read the unit of musterd
[ $(stat -c %Y /etc/systemd/system/musterd.service) -le $(started musterd) ] || echo musterd runs with the unit of before
musterd status --output json | grep -q . || echo musterd does not answer
"""


def reset():
    for name in NODES:
        node(name, " && ".join(FILES.values()) + " && rm -f /run/changed; systemctl daemon-reload; "
                   "systemctl restart chrony; touch -d '-5 seconds' " + " ".join(
                       path for path in FILES if "status.conf" not in path))


def finish(kind, name):
    """What a person would do before the next run: nothing but get the node to answer again."""
    if kind in ("sshd",):
        node(name, "systemctl reset-failed ssh ssh.socket 2>/dev/null; systemctl restart ssh", check=False)
    if kind == "full-disk":
        node(name, "rm -f /etc/filler /var/lib/muster/filler", check=False)
    if kind == "read-only":
        for path in SMALL:
            node(name, f"mount -o remount,rw {path}", check=False)
    if kind == "crash":
        muster("lab", "power", "on", "--name", LAB, name)
    until(f"{name} answers", 60, lambda: answers(name))


def small_file_systems(name, on):
    for path in SMALL:
        if on:
            node(name, f"mkdir -p {path} && mount -t tmpfs -o size=24m,mode=755 small /mnt && cp -a {path}/. /mnt/ && "
                       f"mount --bind /mnt {path} && umount -l /mnt")
        else:
            node(name, f"mkdir -p /run/kept && mount --bind / /run/kept && cp -a {path}/. /run/kept{path}/ && "
                       f"umount /run/kept && umount -l {path}")


def break_off(kind, run, name):
    if kind == "ctrl-c":
        run.send_signal(signal.SIGINT)
    elif kind == "ctrl-c-twice":
        run.send_signal(signal.SIGINT)
        time.sleep(0.05)
        run.send_signal(signal.SIGINT)
    elif kind == "controller":
        run.kill()
    elif kind == "sshd":
        node(name, "pkill -9 sshd; true")
    elif kind == "worker":
        node(name, "pkill -9 -f '[m]usterd.* worker'; true")
    elif kind == "full-disk":
        node(name, "for d in /etc /var/lib/muster; do cat /dev/zero > $d/filler; done 2>/dev/null; true")
    elif kind == "read-only":
        # One in which somebody is writing at that moment stays as it is.
        node(name, "; ".join(f"mount -o remount,ro {path} 2>/dev/null" for path in SMALL) + "; true")
    elif kind == "crash":
        muster("lab", "crash", "--name", LAB, name)


def point(kind, share, whole, name, after):
    """One run that is broken off, and the next; what did not hold."""
    wrong = []
    reset()
    before = {one: hashes(one) for one in NODES}
    run = subprocess.Popen([MUSTER, "apply", *PLAYBOOK], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    time.sleep(share * whole)
    was_running = run.poll() is None
    break_off(kind, run, name)
    try:
        said, _ = run.communicate(timeout=120)
    except subprocess.TimeoutExpired:
        run.kill()
        said, _ = run.communicate()
        wrong.append("the run did not end within two minutes")
    finish(kind, name)
    for one in NODES:
        now = hashes(one)
        half = [path for path in FILES if now[path] not in (before[one][path], after[one][path])]
        wrong += [f"{one}: {path} is neither as before nor as after" for path in half]
    next_run = muster("apply", *PLAYBOOK, timeout=300)
    if next_run.returncode != 0:
        wrong.append(f"the next run ended with {next_run.returncode}: {next_run.stdout[-2000:]}{next_run.stderr[-500:]}")
        return was_running, wrong, said
    for one in NODES:
        wrong += [f"{one}: {path} is not as after a whole run" for path, sha in hashes(one).items() if sha != after[one][path]]
        wrong += [f"{one}: {stray} is left" for stray in strays(one)]
        wrong += [f"{one}: {line}" for line in node(one, IN_FORCE).splitlines()]
    plan = muster("plan", "--detailed-exitcode", *PLAYBOOK, timeout=300)
    if plan.returncode != 0:
        wrong.append(f"a plan after that ends with {plan.returncode}: {plan.stdout[-2000:]}{plan.stderr[-500:]}")
    return was_running, wrong, said


def main():
    kinds = KINDS or ["ctrl-c", "ctrl-c-twice", "controller", "sshd", "worker", "full-disk", "read-only", "crash"]
    first = muster("apply", *PLAYBOOK)
    if first.returncode != 0:
        raise SystemExit(f"the playbook does not come to its end: {first.stdout}{first.stderr}")
    after = {name: hashes(name) for name in NODES}
    reset()
    begun = time.monotonic()
    muster("apply", *PLAYBOOK)
    whole = time.monotonic() - begun
    print(f"a whole run that changes {len(FILES)} files a node takes {whole:.2f} s; {POINTS} points for each kind, seed {SEED}")
    failed = 0
    for kind in kinds:
        dice = random.Random(f"{SEED} {kind}")
        in_time, bad = 0, 0
        for number in range(POINTS):
            share, name = dice.uniform(0.05, 0.95), dice.choice(NODES)
            if kind in ("full-disk", "read-only"):
                small_file_systems(name, True)
            was_running, wrong, said = point(kind, share, whole, name, after)
            if kind in ("full-disk", "read-only"):
                small_file_systems(name, False)
            in_time += was_running
            bad += bool(wrong)
            for sentence in wrong:
                print(f"  WRONG {kind}, point {number} at {share:.2f} on {name}: {sentence}")
            if wrong:
                print("    " + "\n    ".join(said.splitlines()[-15:]))
            sys.stdout.flush()
        failed += bad
        print(f"{kind:<14} {POINTS} points, {in_time} while it ran, {bad} wrong")
    print(f"{len(kinds) * POINTS} points, {failed} wrong")
    sys.exit(1 if failed else 0)


main()
