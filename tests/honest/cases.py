"""Cases for compatibility with Ansible: a folder for each, with a `manifest.json` that says how it is run.

`kind` is `role` (a `site.yml`), `playbook` (the `steps`) or `script` (`targets/TARGET/runme.sh`, which calls ansible-playbook). Only
what changes hosts is of interest here, so whatever a case expects of exit codes and screens is not looked at: each call of
ansible-playbook becomes a plan, an apply and a comparison of both. A script goes on where it would stop.
"""
import dataclasses
import json
import os
import pathlib
import re
import shutil
import stat
import subprocess

TIMEOUT = 240
# Stands for ansible-playbook: plans, applies, and keeps what both said.
SHIM = """#!/bin/bash
log=$HONEST_LOG/$(printf %04d "$(find "$HONEST_LOG" -name '*.apply' | wc -l)")
timeout 120 "$HONEST_MUSTER" plan --output json "$@" >"$log.plan" 2>"$log.plan-err"
timeout 120 "$HONEST_MUSTER" apply --diff --output json "$@" >"$log.apply" 2>"$log.apply-err"
"""


@dataclasses.dataclass
class Case:
    name: str
    path: pathlib.Path
    manifest: dict

    def prepare(self, work, inventory, reset):
        """A folder with the case, its inventory and the shim; fresh nodes."""
        folder = work / self.name
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(self.path, folder, symlinks=True)
        for name in ("log", "out", "bin"):
            (folder / name).mkdir()
        shim = folder / "bin" / "ansible-playbook"
        shim.write_text(SHIM)
        shim.chmod(0o755)
        for name in self.manifest.get("substitute", []):
            text = (folder / name).read_text()
            (folder / name).write_text(text.replace("@@OUTPUT_DIR@@", str(folder / "out")))
        subprocess.run(reset, shell=True, check=True, stdout=subprocess.DEVNULL)
        (folder / "inventory").write_text(self.inventory(inventory))
        for script in folder.glob("targets/*/runme.sh"):
            script.write_text(re.sub(r"^set -\S+", "set +e", script.read_text(), flags=re.MULTILINE))
            script.chmod(script.stat().st_mode | stat.S_IXUSR)
        return folder

    def inventory(self, inventory):
        names = ["testhost", "testhost2", "testhost3"][: self.manifest.get("nodes", 1)]
        known = dict(line.split(None, 1) for line in pathlib.Path(inventory).read_text().splitlines() if " " in line)
        text = "".join(f"{name} {known[name]}\n" for name in names) + "\n[testgroup]\n" + "\n".join(names) + "\n"
        for group, members in (self.manifest.get("groups") or {}).items():
            text += f"\n[{group}]\n" + "\n".join(members) + "\n"
        return text

    def calls(self, folder):
        """The command lines, and the folder that they are given in."""
        if self.manifest["kind"] == "script":
            return [["./runme.sh"]], folder / "targets" / self.manifest["target"]
        steps = self.manifest.get("steps", [{"playbook": "site.yml"}])
        return [["ansible-playbook", "-i", "inventory", *s.get("args", []), s["playbook"]] for s in steps], folder

    def carry_out(self, muster, folder):
        """What each call planned and applied."""
        lines, where = self.calls(folder)
        environment = dict(os.environ, HONEST_LOG=str(folder / "log"), HONEST_MUSTER=muster, OUTPUT_DIR=str(folder / "out"))
        environment |= {"PATH": f"{folder}/bin:{os.environ['PATH']}", "INVENTORY_PATH": str(folder / "inventory")}
        environment |= {"ANSIBLE_HOST_KEY_CHECKING": "False", "ANSIBLE_ROLES_PATH": str(folder / "targets")}
        given = self.manifest.get("env") or {}
        environment |= {name: value.replace("@@WORK@@", str(folder)) for name, value in given.items()}
        for line in lines:
            with open(folder / "log" / "console", "ab") as console:
                subprocess.run(
                    ["timeout", str(TIMEOUT), *line], cwd=where, env=environment, stdin=subprocess.DEVNULL, stdout=console,
                    stderr=console, check=False,
                )
        for applied in sorted((folder / "log").glob("*.apply")):
            yield applied.with_suffix(".plan").read_text().splitlines(), applied.read_text().splitlines()


def all_of(directory):
    """The cases that touch hosts, in the order of their names."""
    for path in sorted(pathlib.Path(directory).glob("*/manifest.json")):
        manifest = json.loads(path.read_text())
        if manifest.get("connection") != "local":
            yield Case(path.parent.name, path.parent, manifest)
