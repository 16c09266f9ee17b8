"""Random playbooks over a small world, so that tasks meet: each may find, change or miss what an earlier one has made.

What they are about is fixed: a few paths below one folder, users, groups, lines, sections, units, jobs. Which tasks there are, in
what order and under which conditions is drawn from a seed. Conditions, loops, templates and handlers look at the results of
earlier tasks. Many tasks fail, as a path or an account is missing: what fails must be predicted too.
"""
import json
import random

WORLD = "/srv/honest"
FOLDERS = [WORLD, f"{WORLD}/a", f"{WORLD}/b", f"{WORLD}/a/deep"]
NAMES = ["one", "two", "three.conf"]
USERS = ["hu1", "hu2", "hu3"]
GROUPS = ["hg1", "hg2"]
# Whom tasks become: these two are on every Debian, and may do little.
OTHERS = ["www-data", "nobody"]
LINES = ["alpha=1", "alpha=2", "beta=1", "# gamma", "delta = {{ inventory_hostname }}"]
MODES = ["0644", "0600", "0755", "u+x", "g-r,o=", "u=rw,g=r"]
KEYS = [
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGkqmWb5uN1Z6Pq8XkG0p3sYl4o4QXo1N2l3b1v3b5cX one@honest",
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ0b9mJt1h0o0mF5m4iT1mS3r2n6l7g1h3k9q2w8e7rT two@honest",
]


class Author:
    """Draws one playbook."""

    def __init__(self, seed):
        self.random = random.Random(seed)
        # What was registered, by name, with what can be asked of it besides its outcome.
        self.registered = []
        self.facts = []
        self.handlers = []
        self.number = 0

    def one(self, *options):
        return self.random.choice(options)

    def chance(self, share):
        return self.random.random() < share

    def path(self):
        return f"{self.one(*FOLDERS)}/{self.one(*NAMES)}"

    def folder(self):
        return self.one(*FOLDERS)

    def text(self):
        lines = self.random.sample(LINES, self.random.randint(1, 4))
        if self.facts and self.chance(0.3):
            lines.append(f"fact {{{{ {self.one(*self.facts)} }}}}")
        if self.registered and self.chance(0.3):
            lines.append("seen {{ " + self.expression() + " }}")
        return "\n".join(lines) + "\n"

    def attributes(self):
        given = {}
        if self.chance(0.4):
            given["mode"] = self.one(*MODES)
        if self.chance(0.2):
            given["owner"] = self.one("root", *USERS, *OTHERS)
        if self.chance(0.2):
            given["group"] = self.one("root", *GROUPS)
        return given

    # What tasks do. Each gives a module and its arguments, and what can be asked of its result.

    def file(self):
        state = self.one("directory", "directory", "touch", "absent", "absent", "link", "hard", "file")
        args = {"path": self.one(self.path(), self.folder()), "state": state}
        if args["path"] == WORLD and state != "directory":
            args["path"] = self.path()
        if state in ("link", "hard"):
            args |= {"src": self.path(), "force": self.chance(0.5)}
        elif state != "absent":
            args |= self.attributes()
        if state == "directory" and self.chance(0.2):
            args |= {"recurse": True} | self.attributes()
        if state == "touch" and self.chance(0.5):
            args |= {"access_time": "preserve", "modification_time": "preserve"}
        return "file", args, []

    def copy(self):
        args = {"dest": self.one(self.path(), self.path(), self.folder()), **self.attributes()}
        if self.chance(0.3):
            args |= {"src": self.path(), "remote_src": True}
        else:
            args["content"] = self.text()
        if self.chance(0.2):
            args["force"] = False
        if self.chance(0.1):
            args["validate"] = self.one("grep -q alpha %s", "test -s %s")
        if self.chance(0.1):
            args["backup"] = True
        return "copy", args, ["checksum"]

    def template(self):
        return "template", {"src": "lines.j2", "dest": self.path(), **self.attributes()}, ["checksum"]

    def lineinfile(self):
        args = {"path": self.path(), **self.attributes(), "create": self.chance(0.5)}
        if self.chance(0.3):
            return "lineinfile", args | {"state": "absent", "regexp": self.one("^alpha", "^beta", "gamma")}, []
        args["line"] = self.one(*LINES)
        if self.chance(0.5):
            args["regexp"] = self.one("^alpha=", "^beta=", "^#? ?gamma")
        if self.chance(0.3):
            args[self.one("insertafter", "insertbefore")] = self.one("^alpha", "^beta", "EOF")
        return "lineinfile", args, []

    def blockinfile(self):
        args = {"path": self.path(), "create": self.chance(0.5), "block": self.text(), **self.attributes()}
        if self.chance(0.3):
            args["marker"] = "; {mark} other"
        if self.chance(0.2):
            args["state"] = "absent"
        return "blockinfile", args, []

    def replace(self):
        return "replace", {"path": self.path(), "regexp": self.one(r"alpha=(\d)", "beta", "^#.*$"),
                           "replace": self.one(r"alpha=\g<1>0", "beta", "# replaced")}, []

    def ini_file(self):
        args = {"path": self.path(), "section": self.one("main", "other"), "option": self.one("alpha", "beta"),
                "create": self.chance(0.6), **self.attributes()}
        args |= {"state": "absent"} if self.chance(0.3) else {"value": self.one("1", "two words")}
        return "ini_file", args, []

    def assemble(self):
        return "assemble", {"src": self.folder(), "dest": self.path(), "remote_src": True, **self.attributes()}, []

    def archive(self):
        return "archive", {"path": self.one(self.path(), self.folder()), "format": self.one("tar", "gz", "zip"),
                           "dest": f"/srv/honest-archives.{self.one('one', 'two')}"}, []

    def unarchive(self):
        return "unarchive", {"src": f"/srv/honest-archives.{self.one('one', 'two')}", "dest": self.folder(),
                             "remote_src": True, **self.attributes()}, []

    def user(self):
        args = {"name": self.one(*USERS)}
        if self.chance(0.3):
            return "user", args | {"state": "absent", "remove": self.chance(0.5)}, []
        if self.chance(0.4):
            args |= {"groups": self.random.sample(GROUPS, self.one(1, 2)), "append": self.chance(0.5)}
        for name, values in {"shell": ["/bin/sh", "/usr/sbin/nologin"], "comment": ["one", "two"], "system": [True],
                             "group": GROUPS, "create_home": [False], "uid": [4001, 4002],
                             "home": [f"{WORLD}/a/home", "/home/elsewhere"], "password_lock": [True, False],
                             "move_home": [True], "expires": [1893456000, -1]}.items():
            if self.chance(0.2):
                args[name] = self.one(*values)
        return "user", args, ["uid", "home"]

    def group(self):
        args = {"name": self.one(*GROUPS), "state": self.one("present", "present", "absent")}
        if args["state"] == "present" and self.chance(0.3):
            args["gid"] = self.one(5001, 5002)
        return "group", args, ["gid"]

    def authorized_key(self):
        return "authorized_key", {"user": self.one(*USERS), "key": self.one(*KEYS),
                                  "state": self.one("present", "present", "absent"),
                                  "exclusive": self.chance(0.2)}, []

    def known_hosts(self):
        name = self.one("one.honest", "two.honest")
        args = {"name": name, "path": self.path(), "state": self.one("present", "absent")}
        return "known_hosts", args | ({"key": f"{name} {self.one(*KEYS)}"} if args["state"] == "present" else {}), []

    def cron(self):
        args = {"name": self.one("job one", "job two"), "cron_file": self.one("honest", "honest-two"),
                "user": self.one("root", *USERS)}
        if self.chance(0.3):
            return "cron", args | {"state": "absent"}, []
        if self.chance(0.2):
            return "cron", args | {"env": True, "name": "MAILTO", "job": self.one("root", "hu1")}, []
        return "cron", args | {"minute": self.one("5", "*/10"), "job": self.one("true", "false"),
                               "disabled": self.chance(0.2)}, []

    def sysctl(self):
        args = {"name": self.one("vm.swappiness", "kernel.panic"), "reload": False,
                "sysctl_file": f"/etc/sysctl.d/{self.one('honest', 'other')}.conf"}
        return "sysctl", args | self.one({"value": "10"}, {"value": "20"}, {"state": "absent"}), []

    def pam_limits(self):
        return "pam_limits", {"domain": self.one("hu1", "@hg1"), "limit_type": "soft", "limit_item": "nofile",
                              "value": self.one("1024", "2048"), "dest": self.path()}, []

    def htpasswd(self):
        return "htpasswd", {"path": f"{WORLD}/b/passwords", "name": self.one("one", "two"), "password": "secret",
                            "state": self.one("present", "absent")}, []

    def mount(self):
        args = {"path": self.one("/srv/honest-mount", f"{WORLD}/b/mounted"), "src": "tmpfs", "fstype": "tmpfs",
                "state": self.one("present", "mounted", "unmounted", "absent"), "fstab": "/etc/fstab"}
        return "mount", args, []

    def hostname(self):
        return "hostname", {"name": "{{ inventory_hostname }}" + self.one("", "-honest")}, []

    def timezone(self):
        return "timezone", {"name": self.one("UTC", "Europe/Berlin")}, []

    def unit(self):
        """A unit's file, or what systemd does with the unit."""
        name = self.one("honest-one", "honest-two")
        if self.chance(0.4):
            content = (f"[Unit]\nDescription={self.one('first', 'second')}\n[Service]\nExecStart=/bin/sleep infinity\n"
                       "[Install]\nWantedBy=multi-user.target\n")
            return "copy", {"dest": f"/etc/systemd/system/{name}.service", "content": content}, []
        args = {"name": name}
        for argument, values in {"state": ["started", "stopped", "restarted", "reloaded"], "enabled": [True, False],
                                 "masked": [True, False, False], "daemon_reload": [True]}.items():
            if self.chance(0.5):
                args[argument] = self.one(*values)
        if len(args) == 1:
            args["enabled"] = True
        return "systemd", args, []

    # What only looks, or only says.

    def stat(self):
        return "stat", {"path": self.one(self.path(), self.folder()), "follow": self.chance(0.3)}, ["stat"]

    def slurp(self):
        return "slurp", {"src": self.path()}, ["content"]

    def find(self):
        return "find", {"paths": self.folder(), "recurse": self.chance(0.5),
                        "file_type": self.one("file", "directory", "any")}, ["matched", "files"]

    def getent(self):
        return "getent", {"database": self.one("passwd", "group"), "key": self.one(*USERS, *GROUPS),
                          "fail_key": self.chance(0.3)}, []

    def debug(self):
        return "debug", {"msg": self.text()}, ["msg"]

    def set_fact(self):
        name = f"fact_{self.number}"
        self.facts.append(f"{name} | default('none')")
        return "set_fact", {name: "{{ " + self.expression() + " }}" if self.registered else "plain"}, []

    def check_that(self):
        return "assert", {"that": self.condition()}, []

    # What a plan cannot know.

    def command(self):
        if self.chance(0.6):
            path = self.path()
            return "command", {"cmd": f"touch {path}", "creates": path}, ["rc"]
        return "shell", {"cmd": self.one("echo one", "true", "echo {{ inventory_hostname }}", "false")}, ["rc", "stdout"]

    TASKS = {
        "file": 6, "copy": 5, "template": 3, "lineinfile": 3, "blockinfile": 2, "replace": 2, "ini_file": 2, "assemble": 1,
        "archive": 1, "unarchive": 1, "user": 4, "group": 3, "authorized_key": 2, "known_hosts": 1, "cron": 2, "sysctl": 1,
        "pam_limits": 1, "htpasswd": 1, "mount": 1, "hostname": 0.5, "timezone": 0.5, "unit": 3, "stat": 3, "slurp": 2,
        "find": 1, "getent": 1, "debug": 2, "set_fact": 2, "check_that": 1, "command": 1,
    }

    # What earlier tasks came to.

    def expression(self):
        """A value that depends on an earlier result."""
        name, keys = self.one(*self.registered)
        name = f"({name} | default({{}}))"
        key = self.one("changed", *keys)
        if key == "stat":
            key = self.one("stat.exists | default(false)", "stat.mode | default('none')", "stat.size | default(0)",
                           "stat.pw_name | default('none')", "stat.isdir | default(false)")
        if key == "files":
            return f"{name}.files | default([]) | map(attribute='path') | sort | join(' ')"
        return f"{name}.{key} | default('none')" if "|" not in key else f"{name}.{key}"

    def condition(self):
        tests = ["inventory_hostname == 'n1'", "false"]
        for name, keys in self.registered:
            # A block that was left out has registered nothing.
            name = f"({name} | default({{}}))"
            tests += [f"{name} is {word}" for word in ("changed", "not changed", "failed", "succeeded", "skipped")]
            if "stat" in keys:
                tests += [f"{name}.stat.exists | default(false)", f"not ({name}.stat.isdir | default(false))"]
            if "content" in keys:
                tests.append(f"'alpha' in ({name}.content | default('') | b64decode)")
            if "matched" in keys:
                tests.append(f"({name}.matched | default(0)) > 1")
        return self.one(*tests)

    # How tasks are put together.

    def task(self, depth=0):
        if depth < 2 and self.chance(0.08):
            return self.block(depth)
        if depth < 2 and self.chance(0.03):
            return {"name": self.name("include"), "include_tasks": "{{ " + self.one(
                "'more.yml'", f"'more.yml' if {self.condition()} else 'other.yml'") + " }}", **self.when()}
        kind = self.random.choices(list(self.TASKS), self.TASKS.values())[0]
        module, args, keys = getattr(self, kind)()
        task = {"name": self.name(kind), module: args, **self.keywords()}
        if kind not in ("debug", "set_fact", "check_that") and self.chance(0.12):
            self.loop(task, module, args)
        elif self.chance(0.5):
            register = f"r{self.number}"
            task["register"] = register
            self.registered.append((register, keys))
        if module in ("command", "shell") and self.chance(0.5):
            task["changed_when"] = False
        if self.chance(0.15) and self.handlers:
            task["notify"] = self.one(*self.handlers)
        if self.chance(0.97):
            task["ignore_errors"] = True
        return task

    def ground(self):
        """The folders of the world, or some of them."""
        folders = [folder for folder in FOLDERS if self.chance(0.9)]
        owner = self.one("root", "root", *OTHERS)
        return {"name": "ground", "file": {"path": "{{ item }}", "state": "directory", "owner": owner}, "loop": folders, "ignore_errors": True}

    def loop(self, task, module, args):
        named = next((name for name in ("path", "dest", "name", "src") if args.get(name)), None)
        if named is None or module in ("hostname", "timezone"):
            return
        others = {"user": USERS, "group": GROUPS}.get(module)
        if others is None and named == "name":
            return
        values = others or [self.path(), self.path()]
        if self.chance(0.2):
            values = values[:1] + ["{{ " + (self.expression() if self.registered else "'/srv/honest/a'") + " }}"]
        args[named] = "{{ item }}"
        task["loop"] = values

    def when(self):
        return {"when": self.condition()} if self.chance(0.3) else {}

    def keywords(self):
        given = self.when()
        if self.chance(0.04):
            given["run_once"] = True
        if self.chance(0.05):
            # From one host at a time: what several do to one at once has no order.
            given |= {"delegate_to": self.one("n1", "n2"), "run_once": True}
        if self.chance(0.08):
            given |= {"become": True, "become_user": self.one(*OTHERS, *OTHERS, USERS[0])}
        if self.chance(0.05):
            given["failed_when"] = self.one("false", self.condition())
        if self.chance(0.05):
            given["changed_when"] = self.one("false", "true", self.condition())
        return given

    def block(self, depth):
        given = {"name": self.name("block"), "block": self.tasks(self.random.randint(1, 3), depth + 1)}
        for part in ("rescue", "always"):
            if self.chance(0.4):
                given[part] = self.tasks(self.random.randint(1, 2), depth + 1)
        return given | self.when()

    def tasks(self, count, depth=0):
        return [self.task(depth) for _ in range(count)]

    def name(self, kind):
        self.number += 1
        return f"{self.number} {kind}"

    def handler(self, name):
        task = self.task(depth=2)
        for keyword in ("notify", "loop", "register"):
            task.pop(keyword, None)
        return task | {"name": name}

    def playbook(self, count):
        """A playbook, and the task files beside it: {file name: what is in it}."""
        more, other = self.tasks(2, 2), self.tasks(2, 2)
        self.handlers = ["handler one", "handler two"]
        tasks = [self.ground(), *self.tasks(count)]
        if self.chance(0.3):
            tasks.insert(self.random.randrange(len(tasks)), {"name": "flush", "meta": "flush_handlers"})
        handlers = [self.handler(name) for name in self.handlers]
        play = {"name": "random", "hosts": "all", "gather_facts": self.chance(0.2), "tasks": tasks, "handlers": handlers}
        if self.chance(0.1) and "run_once" not in json.dumps([play, more, other]):
            play["strategy"] = "free"
        return {"site.yml": [play], "more.yml": more, "other.yml": other}


def template(seed):
    """The text of `lines.j2`."""
    drawn = random.Random(seed)
    return "\n".join(drawn.sample(LINES, 3)) + "\n{% for n in [1, 2] %}\nn{{ n }}\n{% endfor %}\n"
