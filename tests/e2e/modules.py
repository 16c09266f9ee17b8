#!/usr/bin/env python3
"""Carries the case files of modules out on a lab node: check, apply, check, apply.

A case file is a playbook, tests/modules/MODULE.yml. It is run four times. What the first check says of a task (its
status, whether it changes something, its differences) must be what the first apply comes to; nothing may be written
by a check; the second check and the second apply change nothing. What the file says about itself:

  # covers: a b c              (a line) these modules, in place of the one that the file is named after
  tags: prepare                a play that is run once before, and not looked at
  name: … (every time)         the task changes something in every run, by its nature
  name: … (unknown)            the first check says honestly that it cannot know

A file that is called EXCEPTIONS names modules without a case file, one a line, with the reason.

A case finds a folder of its own on the controller in the environment variable MUSTER_CASE.

  modules.py MUSTER INVENTORY [MODULE…]
"""
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import time

CASES = pathlib.Path(__file__).parent.parent / "modules"
# Where a check could write something that nobody asked for. Logs, caches and /run change by themselves.
WATCHED = "/boot /etc /home /opt /root /srv /usr /var/lib /var/spool /var/www"
# `-cnewer`: a file whose old time is kept was written all the same.
WRITTEN = (
    "find $(ls -d " + WATCHED + " 2>/dev/null) -xdev -cnewer /run/muster-case -type f "
    r"! -path '/root/.ansible*' ! -path '*/.cache/*' ! -name 'secondary-timestamps' ! -path '/var/lib/systemd/*' "
    # `ask` is a run of its own, of which the host keeps that a command ran.
    r"! -path '/var/lib/muster/undo/*' "
    r"! -path '/var/lib/postgresql/*/pg_stat*' ! -path '/var/lib/postgresql/*' ! -path '/var/lib/NetworkManager/timestamps*'"
)


def told(muster, inventory, case, *options):
    """The tasks of one run, in order: (name, label of the item, what it came to)."""
    line = [muster, "apply", "-i", inventory, "--diff", "--output", "json", *options, str(case)]
    ran = subprocess.run(line, capture_output=True, text=True, timeout=300)
    tasks = []
    for text in ran.stdout.splitlines():
        event = json.loads(text)
        if event["event"] in ("item", "done"):
            tasks.append((event.get("task", ""), event["result"].get("label", ""), event["result"]))
    name = ""
    # An item comes before the task that it is of.
    for index in reversed(range(len(tasks))):
        name = tasks[index][0] or name
        tasks[index] = (name, *tasks[index][1:])
    return tasks, ran


def essence(result):
    """What a prediction and an application have in common."""
    # Some modules are skipped in a check because they only wait or fetch: that promises no change, and is held to it.
    # That it changes something can be known where it is not known what.
    is_unknown = bool(result.get("unknown")) and not result["changed"]
    return result["status"] == "failed", result["changed"], is_unknown, result.get("diffs", [])


def describe(result):
    _, changed, unknown, diffs = essence(result)
    status = result["status"]
    words = [status, "changed" if changed else "unchanged"]
    words += ["unknown: " + result["unknown"]] if unknown else []
    words += [str(result["result"].get("msg", ""))] if status == "failed" else []
    return " ".join(words) + (" " + json.dumps(diffs) if diffs else "")


class Case:
    def __init__(self, muster, inventory, path):
        self.muster, self.inventory, self.path = muster, inventory, path
        self.faults, self.tasks, self.unknown = [], 0, 0

    def ask(self, script):
        """Runs a line on the node, by way of muster itself."""
        line = [self.muster, "run", "all", "-i", self.inventory, "-m", "raw", "-a", script, "--output", "json"]
        ran = subprocess.run(line, capture_output=True, text=True, timeout=120)
        events = [json.loads(text) for text in ran.stdout.splitlines()]
        return "".join(e["result"]["result"].get("stdout", "") for e in events if e["event"] == "done")

    def run(self, *options):
        tasks, ran = told(self.muster, self.inventory, self.path, *options)
        if not tasks:
            self.faults.append(f"nothing ran: {ran.stderr.strip() or ran.stdout.strip()[-600:]}")
        return tasks

    def verdict(self):
        rest = []
        if "tags: prepare" in self.path.read_text():
            rest = ["--skip-tags", "prepare"]
            for name, label, result in self.run("--tags", "prepare"):
                if result["status"] == "failed" and not result["ignored"]:
                    self.faults.append(f"prepare: `{name}` {label}: {describe(result)}")
        self.ask("touch /run/muster-case; sleep 0.02")
        predicted = self.run("--check", *rest)
        for path in self.ask(WRITTEN).split():
            self.faults.append(f"the check wrote {path}")
        applied = self.run(*rest)
        self.compare(predicted, applied)
        self.silent("second check", self.run("--check", *rest))
        self.silent("second apply", self.run(*rest))
        self.tasks = len(applied)
        return self.faults

    def compare(self, predicted, applied):
        if [task[:2] for task in predicted] != [task[:2] for task in applied]:
            self.faults.append(
                f"other tasks were predicted than ran:\n  {[t[:2] for t in predicted]}\n  {[t[:2] for t in applied]}"
            )
            return
        for (name, label, before), (_, _, after) in zip(predicted, applied):
            if after["status"] == "failed" and not after["ignored"]:
                self.faults.append(f"`{name}` {label} failed: {describe(after)}")
            if name.endswith("(unknown)"):
                self.unknown += 1
                if not before.get("unknown"):
                    self.faults.append(f"`{name}` {label} is known: {describe(before)}")
            elif essence(before) != essence(after):
                self.faults.append(
                    f"`{name}` {label}\n  predicted {describe(before)}\n  applied   {describe(after)}"
                )

    def silent(self, which, tasks):
        for name, label, result in tasks:
            every_time = name.endswith(("(every time)", "(unknown)"))
            is_wrong = result["changed"] or result["status"] == "failed" or result.get("unknown") or result.get("diffs")
            if is_wrong and not result["ignored"] and not every_time:
                self.faults.append(f"{which}: `{name}` {label} is not silent: {describe(result)}")


def covered(case):
    line = re.search(r"^# covers: (.*)$", case.read_text(), re.MULTILINE)
    return line.group(1).split() if line else [case.stem]


def exceptions():
    lines = (CASES / "EXCEPTIONS").read_text().splitlines()
    return {line.split(":")[0]: line.split(":", 1)[1].strip() for line in lines if line and not line.startswith("#")}


def modules_of(muster):
    listed = subprocess.run([muster, "doc", "--list", "--json"], capture_output=True, text=True, check=True)
    return {name.rsplit(".", 1)[-1] for name in json.loads(listed.stdout)}


def main(muster, inventory, *wanted):
    cases = sorted(CASES.glob("*.yml"))
    wrong = tasks = unknown = 0
    started = time.monotonic()
    for path in [case for case in cases if not wanted or case.stem in wanted]:
        case, begun = Case(muster, inventory, path), time.monotonic()
        with tempfile.TemporaryDirectory() as folder:
            os.environ["MUSTER_CASE"] = folder
            faults = case.verdict()
        tasks, unknown, wrong = tasks + case.tasks, unknown + case.unknown, wrong + bool(faults)
        word = "FAIL" if faults else "ok  "
        print(f"{word}  {path.stem}: {case.tasks} tasks, {time.monotonic() - begun:.1f} s", flush=True)
        for fault in faults:
            print("        " + fault.replace("\n", "\n        "), flush=True)
    here = {name for case in cases for name in covered(case)}
    missing = modules_of(muster) - here - set(exceptions()) if not wanted else set()
    for name in sorted(missing):
        print(f"FAIL  {name}: no case file, and no line in tests/modules/EXCEPTIONS")
    print(
        f"\n{len(here)} modules in {len(cases)} files, {len(exceptions())} exceptions; {tasks} tasks four times, "
        f"{unknown} of them unknown before; {wrong + len(missing)} failed; {time.monotonic() - started:.0f} s"
    )
    return 1 if wrong or missing else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
