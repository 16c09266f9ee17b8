"""What a plan said beside what the apply after it did, host by host and task by task.

Both are the lines of `--output json`. A task is known by its play, its name and the host, and by how many of the same came
before it there; an item of a loop by its label besides. A prediction is its outcome (unchanged, changed, failed,
skipped), its differences, and what it tells of files and accounts to later tasks; behind a command that was not run that last
part is not held against it. What the plan did not know is counted, and must have a reason; tasks that it did not foresee are
excused only behind something unknown, on the host itself or on one that has failed by it and ended the run.
"""
import dataclasses
import json
import re
from collections import Counter

# What results tell of files and accounts: later tasks ask for it.
TOLD = ("checksum", "dest", "gid", "group", "home", "mode", "name", "owner", "path", "shell", "state", "stat", "uid")
# A file has a password that is salted by chance, or one that is not shown.
SALTED = r"\$apr1\$|that is not shown"
# What only the file system decides, or the moment.
OF_THE_MOMENT = {"atime", "attr_flags", "attributes", "block_size", "blocks", "ctime", "dev", "inode", "mtime", "nlink", "version"}


@dataclasses.dataclass(frozen=True)
class Key:
    play: int
    name: str
    host: str
    label: str
    nth: int
    place: str = dataclasses.field(compare=False)

    def __str__(self):
        label = f" (item={self.label})" if self.label else ""
        return f"{self.host}: `{self.name}`{label} {self.place.rsplit('/', 1)[-1]}"


def told(lines):
    """The results of a run, in order: {Key: result}; and what it said at its end for each host."""
    results, recap, counts, items = {}, {}, Counter(), {}
    play, place, name = 0, "", ""
    for line in lines:
        event = json.loads(line)
        kind = event["event"]
        if kind == "play":
            play += 1
        elif kind == "task":
            place, name = event["place"], event["name"]
        elif kind == "recap":
            recap = event["hosts"]
        elif kind == "item":
            items.setdefault(event["host"], []).append(event["result"])
        elif kind == "done":
            host = event["host"]
            # Where each host goes its own way, another task may have been told last.
            where = place if event["task"] == name else ""
            of_task = items.pop(host, [])
            for result in [*of_task, event["result"]]:
                label = result.get("label", "")
                same = (play, event["task"], host, label)
                results[Key(*same, counts[same], where)] = result
                counts[same] += 1
    return results, recap


def outcome(result):
    """In one word what a result is."""
    if result["status"] in ("ok", "skipped") and result["changed"]:
        return "changed"
    return {"ok": "unchanged"}.get(result["status"], result["status"])


def essence(result):
    word = outcome(result)
    # Some modules are skipped in a check because they only wait or fetch: that is held to be a promise of no change.
    is_left_out = "skip_reason" in result["result"] or result["result"].get("msg") == "All items skipped"
    return "unchanged" if word == "skipped" and not is_left_out else word


def describe(result):
    words = outcome(result)
    if result["status"] == "failed":
        words += ": " + str(result["result"].get("msg", ""))[:300]
    if result.get("unknown"):
        words += f" (unknown: {result['unknown']})"
    if result.get("diffs"):
        words += " " + json.dumps(result["diffs"])
    return words


class Comparison:
    """Counts, and the sentences about what was not as predicted."""

    def __init__(self):
        self.compared = self.unknown = self.changed = self.unforeseen = self.behind = 0
        self.differing, self.reasons = [], Counter()

    def add(self, other):
        for name in ("compared", "unknown", "changed", "unforeseen", "behind"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.differing += other.differing
        self.reasons += other.reasons

    def take(self, key, before, after, is_doubted):
        """What is wrong with the prediction for a task, if anything is."""
        if before is not None and is_unknown(before):
            self.unknown += 1
            self.reasons[reason(before)] += 1
            return None if before.get("unknown") else f"{key}: unknown without a reason"
        if before is None or after is None:
            self.unforeseen += is_doubted
            said = f"predicted {describe(before)}" if before else "was not foreseen"
            done = f"applied   {describe(after)}" if after else "did not run"
            return None if is_doubted else f"{key}\n  {said}\n  {done}"
        if "ansible_check_mode" in str(before["result"].get("false_condition", "")):
            # The playbook itself leaves it out of plans.
            self.unforeseen += 1
            return None
        if before.get("unknown") and not is_as_predicted(before, after):
            self.unknown += 1
            self.reasons[reason(before)] += 1
            return None
        self.compared += 1
        self.changed += after["changed"]
        if is_as_predicted(before, after):
            return None
        otherwise = untrue(before, after)
        values = f"\n  told      {otherwise}" if otherwise else ""
        return f"{key}\n  predicted {describe(before)}\n  applied   {describe(after)}{values}"

    def figures(self):
        return (
            f"{self.compared} tasks of hosts compared ({self.changed} of them changes), {len(self.differing)} differ; "
            f"{self.unknown} unknown, each with its reason; {self.unforeseen} that depend on something unknown; {self.behind} behind a difference, not compared"
        )


def compare(plan_lines, apply_lines):
    """Holds an apply against its plan."""
    planned, _ = told(plan_lines)
    applied, _ = told(apply_lines)
    found = Comparison()
    doubted, astray, installing, commanded, salted = set(), set(), set(), set(), set()
    last = {key.host: key for key in applied}
    is_over = False
    if applied and all(result["status"] == "unreachable" for result in applied.values()):
        # What nobody was asked agrees in everything.
        found.differing.append("no host was reached")
    for key in [*planned, *(key for key in applied if key not in planned)]:
        if key.host in astray:
            found.behind += 1
            continue
        before, after = planned.get(key), applied.get(key)
        if before and after and key.host in installing:
            before, after = without_packaged(before), without_packaged(after)
        if after and re.search(SALTED, json.dumps([after.get("diffs"), after["result"]])):
            salted.add(key.host)
        untold = {"checksum"} if key.host in salted else set()
        if before and after:
            # A command may have done anything to what is looked at after it.
            before = without(before, set(TOLD) if key.host in commanded else untold)
            after = without(after, untold)
        if before and "is not run in check mode" in (before.get("unknown") or ""):
            commanded.add(key.host)
        wrong = found.take(key, before, after, key.host in doubted or is_over and after is None)
        if wrong:
            found.differing.append(wrong)
            astray.add(key.host)
        if key in planned and is_unknown(planned[key]):
            doubted.add(key.host)
        if key.host in doubted and after and after["status"] in ("failed", "unreachable") and last[key.host] == key:
            # What was not known has failed there. Where it was the last host of its play, the run ends for all others.
            is_over = True
        if any(diff["kind"] == "package" for diff in planned.get(key, {}).get("diffs", [])):
            installing.add(key.host)
    return found


def is_as_predicted(before, after):
    if essence(before) != essence(after):
        return False
    # Where it will run is known, and what it changes is not, there is nothing to compare. What fails half-way has done half.
    if before.get("unknown") or after["status"] == "failed":
        return True
    return lasting(before.get("diffs", [])) == lasting(after.get("diffs", [])) and not untrue(before, after)


def untrue(before, after):
    """What a plan told otherwise than the apply."""
    before, after = before["result"], after["result"]
    found = {name: (before[name], after[name]) for name in TOLD if name in before and name in after}
    stat, then = found.pop("stat", ({}, {}))
    left_out = OF_THE_MOMENT | ({"size"} if then.get("isdir") else set())
    found |= {f"stat.{name}": (stat.get(name), then.get(name)) for name in {*stat, *then} - left_out}
    return {name: pair for name, pair in found.items() if pair[0] != pair[1]}


def without_packaged(result):
    """What files come to. What they were is not known where a package of the same plan may bring them."""

    def comes_to(diff):
        after = [{"after": change["after"]} for change in diff["changes"] if change["change"] == "content"]
        return {**diff, "changes": after} if diff["kind"] == "file" else diff

    return {**result, "diffs": [diff for diff in map(comes_to, result.get("diffs", [])) if diff["changes"]]}


def without(result, names):
    """What it tells, but for this. (A password is salted by chance, and so is the checksum of a file that has one.)"""

    def kept(told):
        return {name: value for name, value in told.items() if name not in names}

    told = kept(result["result"])
    if isinstance(told.get("stat"), dict):
        told["stat"] = kept(told["stat"])
    return {**result, "result": told}


def is_volatile(change):
    # Looking at a file is an access, and what a plan would have written was not written then.
    return change.get("attribute") in ("access_time", "modification_time")


def lasting(diffs):
    """Without what only the moment or chance decides: times of access, the salt of a password, process and second in the name of a
    backup."""
    changes = [
        (diff["kind"], diff["name"], [{**change, "before": ""} if is_volatile(change) else change for change in diff["changes"]])
        for diff in diffs
    ]
    text = re.sub(r"\.\d+\.\d{4}-\d\d-\d\d@\d\d:\d\d:\d\d~", ".backup~", json.dumps(changes))
    return re.sub(r"\$apr1\$[./\w$]+", "a salted password", text)


def is_unknown(result):
    is_judged = result["changed"] or result["status"] == "failed"
    return result["status"] == "unknown" or bool(result.get("unknown")) and not is_judged


def reason(result):
    return (result.get("unknown") or "").split(":")[0]

