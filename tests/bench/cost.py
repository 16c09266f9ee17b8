#!/usr/bin/env python3
"""What a command costs: seconds on the clock, seconds of the processor, MB at the peak, of it and of everything that it starts.

cost.py FILE COMMAND…: runs it in a control group of its own (daemons that it leaves behind count until it ends, and are
ended then: the next command connects anew), writes `wall processor peak` into FILE, and ends as it ended. Anonymous memory,
so that pages which forks share count once.
"""

import os
import signal
import subprocess
import sys
import threading
import time

GROUP = "muster-bench-cost"


class Unified:
    """Version 2: one folder."""

    def __init__(self):
        mounts = [line.split() for line in open("/proc/mounts")]
        top = next(m[1] for m in mounts if m[2] == "cgroup2")
        if "memory" not in open(f"{top}/cgroup.controllers").read().split():
            raise FileNotFoundError("the memory controller")
        with open(f"{top}/cgroup.subtree_control", "w") as file:
            file.write("+memory")
        self.folders = [f"{top}/{GROUP}"]

    def processor(self):
        return int(value(f"{self.folders[0]}/cpu.stat", "usage_usec")) / 1e6

    def memory(self):
        return int(value(f"{self.folders[0]}/memory.stat", "anon"))


class Separate:
    """Version 1: a folder for each controller."""

    def __init__(self):
        self.folders = [f"/sys/fs/cgroup/cpuacct/{GROUP}", f"/sys/fs/cgroup/memory/{GROUP}"]

    def processor(self):
        with open(f"{self.folders[0]}/cpuacct.usage") as file:
            return int(file.read()) / 1e9

    def memory(self):
        return int(value(f"{self.folders[1]}/memory.stat", "rss"))


def value(path, name):
    with open(path) as file:
        return next(line.split()[1] for line in file if line.split()[0] == name)


def members(group):
    with open(f"{group.folders[0]}/cgroup.procs") as file:
        return [int(line) for line in file]


def enter(group):
    for folder in group.folders:
        with open(f"{folder}/cgroup.procs", "w") as file:
            file.write(str(os.getpid()))


def leftovers_end(group):
    for _ in range(100):
        left = members(group)
        for process in left:
            os.kill(process, signal.SIGKILL)
        if not left:
            return
        time.sleep(0.02)


def main():
    try:
        group = Unified()
    except (FileNotFoundError, StopIteration):
        group = Separate()
    for folder in group.folders:
        os.makedirs(folder, exist_ok=True)
    peak, ended = [0], threading.Event()

    def watch():
        while not ended.wait(0.01):
            peak[0] = max(peak[0], group.memory())

    before, started = group.processor(), time.monotonic()
    command = subprocess.Popen(sys.argv[2:], preexec_fn=lambda: enter(group))
    watcher = threading.Thread(target=watch)
    watcher.start()
    code = command.wait()
    wall, used = time.monotonic() - started, group.processor() - before
    ended.set()
    watcher.join()
    leftovers_end(group)
    for folder in group.folders:
        os.rmdir(folder)
    with open(sys.argv[1], "w") as file:
        file.write(f"{wall:.2f} {used:.2f} {peak[0] / 1e6:.0f}\n")
    sys.exit(code)


main()
