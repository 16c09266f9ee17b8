#!/usr/bin/env python3
"""Breaks the shipped playbook off at random points, in every way that there is, and looks at what is left.

Before each point the files that the playbook writes are set to what they were before it, and the services run those. Then the
playbook is applied, and broken off once it has told a random one of the events that a whole run tells, and a random part of the time
until the next. What must hold:

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
import threading
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
    if kind == "sshd":
        node(name, "systemctl reset-failed ssh ssh.socket 2>/dev/null; systemctl restart ssh", check=False)
    if kind == "full-disk":
        node(name, "rm -f /etc/filler /var/lib/muster/filler", check=False)
    if kind == "read-only":
        for path in SMALL:
            node(name, f"mount -o remount,rw {path}", check=False)
    until(f"{name} answers", 60, lambda: answers(name))


def small_file_systems(name, on):
    for path in SMALL:
        if on:
            node(name, f"mkdir -p {path} && mount -t tmpfs -o size=24m,mode=755 small /mnt && cp -a {path}/. /mnt/ && "
                       f"mount --bind /mnt {path} && umount -l /mnt")
        else:
            node(name, f"mkdir -p /run/kept && mount --bind / /run/kept && cp -a {path}/. /run/kept{path}/ && "
                       f"umount /run/kept && umount -l {path}")


ON_THE_NODE = {
    "sshd": "pkill -9 sshd",
    "worker": "pkill -9 -f '[m]usterd.* worker'",
    "full-disk": "for d in /etc /var/lib/muster; do cat /dev/zero > $d/filler; done 2>/dev/null",
    # One in which somebody is writing at that moment stays as it is.
    "read-only": "; ".join(f"mount -o remount,ro {path} 2>/dev/null" for path in SMALL),
}


class Run:
    """A run of the playbook, and what it has told."""

    def __init__(self):
        self.begun, self.lines, self.told = time.monotonic(), [], threading.Condition()
        command = [MUSTER, "apply", "--output", "json", *PLAYBOOK]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        self.reader = threading.Thread(target=self.listen)
        self.reader.start()

    def listen(self):
        for line in self.process.stdout:
            with self.told:
                self.lines.append((time.monotonic(), line))
                self.told.notify()
        with self.told:
            self.told.notify()

    def until(self, event):
        """Waits for this event, or the end."""
        with self.told:
            self.told.wait_for(lambda: len(self.lines) > event or self.process.poll() is not None, timeout=120)

    def end(self):
        self.process.wait(timeout=120)
        self.reader.join()


class Breaker:
    """What breaks a run off: it stands ready, so that it comes at the moment that was drawn."""

    def __init__(self, kind, name):
        self.kind, self.name, self.waiting = kind, name, None
        if kind in ON_THE_NODE:
            command = [MUSTER, "lab", "exec", "--name", LAB, name, "--", "sh", "-c", f"echo ready; read go; {ON_THE_NODE[kind]}; true"]
            self.waiting = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
            self.waiting.stdout.readline()

    def strike(self, run):
        if self.waiting:
            self.waiting.communicate("go\n")
        elif self.kind == "controller":
            run.process.kill()
        elif self.kind == "reboot":
            # Without a word to anybody, as by its reset button.
            muster("lab", "power", "cycle", "--name", LAB, self.name)
        else:
            run.process.send_signal(signal.SIGINT)
            if self.kind == "ctrl-c-twice":
                time.sleep(0.05)
                run.process.send_signal(signal.SIGINT)


def point(kind, event, delay, name, after):
    """One run that is broken off, and the next; what did not hold."""
    wrong = []
    reset()
    before = {one: hashes(one) for one in NODES}
    breaker = Breaker(kind, name)
    run = Run()
    run.until(event)
    time.sleep(delay)
    was_running = run.process.poll() is None
    breaker.strike(run)
    try:
        run.end()
    except subprocess.TimeoutExpired:
        run.process.kill()
        run.reader.join()
        wrong.append("the run did not end within two minutes")
    said = "".join(line for _, line in run.lines)
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
    kinds = KINDS or ["ctrl-c", "ctrl-c-twice", "controller", "sshd", "worker", "full-disk", "read-only", "reboot"]
    first = muster("apply", *PLAYBOOK)
    if first.returncode != 0:
        raise SystemExit(f"the playbook does not come to its end: {first.stdout}{first.stderr}")
    after = {name: hashes(name) for name in NODES}
    reset()
    model = Run()
    model.end()
    times = [at for at, _ in model.lines]
    whole = times[-1] - model.begun
    print(f"a whole run that changes {len(FILES)} files a node takes {whole:.2f} s and tells {len(times)} events; "
          f"{POINTS} points for each kind, seed {SEED}")
    failed = 0
    for kind in kinds:
        dice = random.Random(f"{SEED} {kind}")
        in_time, bad = 0, 0
        for number in range(POINTS):
            event, name = dice.randrange(len(times) - 1), dice.choice(NODES)
            delay = dice.random() * (times[event + 1] - times[event])
            if kind in ("full-disk", "read-only"):
                small_file_systems(name, True)
            was_running, wrong, said = point(kind, event, delay, name, after)
            if kind in ("full-disk", "read-only"):
                small_file_systems(name, False)
            in_time += was_running
            bad += bool(wrong)
            for sentence in wrong:
                print(f"  WRONG {kind}, point {number} after event {event} and {delay:.3f} s on {name}: {sentence}")
            if wrong:
                print("    " + "\n    ".join(line[:300] for line in said.splitlines()[-15:]))
            sys.stdout.flush()
        failed += bad
        print(f"{kind:<14} {POINTS} points, {in_time} while it ran, {bad} wrong")
    print(f"{len(kinds) * POINTS} points, {failed} wrong")
    sys.exit(1 if failed else 0)


main()
