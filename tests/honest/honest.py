#!/usr/bin/env python3
"""Is what a plan says what an apply then does? Counted, over playbooks of several kinds.

  honest.py MUSTER INVENTORY random COUNT SEED    playbooks drawn from a seed, on nodes that keep what the earlier ones made
  honest.py MUSTER INVENTORY playbook FILE…       these playbooks: plan, apply, plan
  honest.py MUSTER INVENTORY unknowns FILE        a playbook whose tasks say by their names which of them are unknown
  honest.py MUSTER INVENTORY cases DIRECTORY RESET   each case of a directory (cases.py), the command RESET run before each

Each is planned, applied, and planned and applied again: the second pair must agree as well, and is silent where nothing in the
playbook runs every time. What differs is printed with the folder that has the playbook and all that was said.
"""
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import time

import cases
import playbooks
from comparison import Comparison, compare, describe, is_unknown, told

TIMEOUT = 300


class Honesty:
    def __init__(self, muster, inventory):
        self.muster, self.inventory = muster, inventory
        self.total, self.failing, self.silent = Comparison(), 0, 0
        self.work = pathlib.Path(os.environ.get("WORK_HONEST") or tempfile.mkdtemp(prefix="honest-"))
        self.work.mkdir(exist_ok=True)

    def run(self, verb, line, folder, name):
        """The lines of a run, which are kept in the folder."""
        path = folder / f"{name}.json"
        command = [self.muster, verb, "--output", "json", *line]
        with open(path, "w") as out, open(folder / f"{name}.err", "w") as err:
            subprocess.run(command, stdout=out, stderr=err, timeout=TIMEOUT, cwd=folder, check=False)
        return path.read_text().splitlines()

    def rounds(self, line, folder):
        """Plan, apply, plan, apply: what differs in both pairs, and whether the second one was silent."""
        found = Comparison()
        packs = "archive" in "".join(path.read_text() for path in folder.glob("*.yml"))
        for turn in ("first", "second"):
            if turn == "second" and packs:
                # Times in an archive are whole seconds: what is packed anew in the same one is the same.
                time.sleep(1)
            planned = self.run("plan", line, folder, f"{turn}-plan")
            applied = self.run("apply", [*line, "--diff"], folder, f"{turn}-apply")
            one = compare(planned, applied)
            if not applied:
                one.differing.append("nothing ran: " + (folder / f"{turn}-apply.err").read_text()[-600:])
            found.add(one)
        return found, one.changed == 0

    def take(self, what, found, is_silent, seconds, folder):
        self.total.add(found)
        self.failing += bool(found.differing)
        self.silent += is_silent
        word = "FAIL" if found.differing else "ok  "
        print(f"{word}  {what}: {found.compared} compared, {found.unknown} unknown, {seconds:.1f} s", flush=True)
        for sentence in found.differing:
            print("        " + sentence.replace("\n", "\n        "), flush=True)
        if found.differing:
            print(f"        all of it is in {folder}", flush=True)

    def random(self, count, seed):
        for number in range(int(count)):
            this = f"{seed}-{number}"
            folder = self.work / this
            folder.mkdir(exist_ok=True)
            author = playbooks.Author(this)
            for name, content in author.playbook(count=14).items():
                (folder / name).write_text(json.dumps(content, indent=1))
            (folder / "lines.j2").write_text(playbooks.template(this))
            self.one(this, ["-i", self.inventory, "site.yml"], folder)
        return int(count)

    def playbook(self, *files):
        for number, file in enumerate(files):
            folder = self.work / f"playbook-{number}"
            folder.mkdir(exist_ok=True)
            self.one(file, ["-i", self.inventory, os.path.abspath(file)], folder)
        return len(files)

    def one(self, what, line, folder):
        begun = time.monotonic()
        found, is_silent = self.rounds(line, folder)
        self.take(what, found, is_silent, time.monotonic() - begun, folder)

    def cases(self, directory, reset):
        found = [case for case in cases.all_of(directory) if re.search(os.environ.get("ONLY", ""), case.name)]
        for case in found:
            begun = time.monotonic()
            folder = case.prepare(self.work, self.inventory, reset)
            compared = Comparison()
            for planned, applied in case.carry_out(self.muster, folder):
                compared.add(compare(planned, applied))
            self.take(case.name, compared, False, time.monotonic() - begun, folder)
        return len(found)

    def unknowns(self, file):
        """Of the tasks of this playbook those are unknown that are called so, and no others."""
        folder = self.work / "unknowns"
        folder.mkdir(exist_ok=True)
        planned, _ = told(self.run("plan", ["-i", self.inventory, os.path.abspath(file)], folder, "plan"))
        wrong = [
            f"{key} is {describe(result)}"
            for key, result in planned.items()
            if key.name.endswith("(unknown)") != (is_unknown(result) and not result.get("keeps_still"))
        ]
        written = re.findall(r"^ +- \{?name: ([^,\n]+)", pathlib.Path(file).read_text(), flags=re.MULTILINE)
        reached = {key.name for key in planned}
        wrong += [f"`{name}` was not reached" for name in written if name not in reached and not name.endswith("never")]
        found = Comparison()
        found.differing, found.unknown = wrong, sum(map(is_unknown, planned.values()))
        self.take(file, found, False, 0.0, folder)
        return 1


def main(muster, inventory, kind, *rest):
    honesty = Honesty(os.path.abspath(muster), os.path.abspath(inventory))
    begun = time.monotonic()
    count = getattr(honesty, kind)(*rest)
    if kind != "unknowns" and honesty.total.changed == 0:
        # What fails alike before it begins agrees in everything.
        print("nothing was changed by any of them: there was nothing to compare")
        honesty.failing += 1
    print(f"\n{count} {kind} playbooks: {honesty.total.figures()}")
    print(f"{honesty.failing} playbooks differ, {honesty.silent} are silent the second time; {time.monotonic() - begun:.0f} s")
    for reason, times in honesty.total.reasons.most_common(12):
        print(f"  {times:5} unknown: {reason[:140]}")
    return 1 if honesty.failing else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
