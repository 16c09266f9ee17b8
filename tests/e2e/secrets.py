#!/usr/bin/env python3
"""Secrets on a lab node, and every output and every leftover searched for them.

The secrets: a vaulted variable, what is derived from it (base64, a hash, a URL, JSON), an argument and a result of a task with
`no_log`, a password argument of a module, the become password, the vault password. Where they are searched: the screens of apply with
`-vvv`, of a plan, of a saved plan and the file itself, the events as JSON, the log file, the record of the run, history, undo, errors, the
command lines of all processes here and on the node, and on the node what is left in /run, /tmp, /var/lib/muster and the systemd journal.

  secrets.py MUSTER LAB INVENTORY
"""
import base64
import hashlib
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import threading
import urllib.parse

MUSTER, LAB, INVENTORY = sys.argv[1:]
WORK = pathlib.Path(tempfile.mkdtemp(prefix="muster-secrets."))
VAULT, VAULT_PASSWORD = 'Vlt"quoted/77 x', "Passwd-of-the-vault-31"
ARGUMENT, RESULT_SEED, MODULE_PASSWORD = "Argument-nolog-5512", "8844", "Module-password-9921"
RESULT = f"token-{RESULT_SEED[::-1]}-of-nolog"
BECOME = re.search(r"^lab_ops_password=(.*)$", pathlib.Path(INVENTORY).read_text(), re.M).group(1).strip("'\"")
NEEDLES = {
    "vaulted variable": VAULT,
    "vaulted variable as JSON": json.dumps(VAULT)[1:-1],
    "vaulted variable in base64": base64.b64encode(VAULT.encode()).decode(),
    "vaulted variable inside base64": base64.b64encode(f"user:{VAULT}".encode()).decode(),
    "vaulted variable in a URL": urllib.parse.quote(VAULT),
    "hash of the vaulted variable": hashlib.sha1(VAULT.encode()).hexdigest(),
    "argument of a task with no_log": ARGUMENT,
    "result of a task with no_log": RESULT,
    "password argument": MODULE_PASSWORD,
    "become password": BECOME,
    "vault password": VAULT_PASSWORD,
}
ENVIRONMENT = {
    **os.environ,
    "MUSTER_RUNS": str(WORK / "runs"),
    "MUSTER_PLAN_KEY": str(WORK / "plan.key"),
    "ANSIBLE_LOG_PATH": str(WORK / "run.log"),
}
(WORK / "vault.pass").write_text(VAULT_PASSWORD + "\n")
passed, leaks = 0, []


def muster(*words, code=0):
    ran = subprocess.run([MUSTER, *words], capture_output=True, text=True, cwd=WORK, env=ENVIRONMENT)
    if code is not None and ran.returncode != code:
        raise SystemExit(f"muster {' '.join(words)} ended with {ran.returncode}:\n{ran.stdout[-3000:]}{ran.stderr[-2000:]}")
    return ran.stdout + ran.stderr


def node(script):
    line = [MUSTER, "lab", "exec", "--name", LAB, "n1", "--", "sh", "-c", script]
    return subprocess.run(line, capture_output=True, env=ENVIRONMENT).stdout.decode(errors="replace")


def search(where, text, but=()):
    global passed
    found = [name for name, needle in NEEDLES.items() if needle in text and name not in but]
    leaks.extend(f"{where}: {name}" for name in found)
    passed += not found
    for name in found:
        at = text.index(NEEDLES[name])
        print(f"LEAK  {where}: {name}: …{text[max(0, at - 150):at + 60]!r}…")


def files(folder):
    return "\n".join(path.read_bytes().decode(errors="replace") for path in sorted(folder.rglob("*")) if path.is_file())


sealed = subprocess.run(
    [MUSTER, "vault", "encrypt_string", "--vault-password-file", "vault.pass", VAULT, "--name", "vaulted"],
    capture_output=True, text=True, cwd=WORK, env=ENVIRONMENT).stdout
assert "!vault" in sealed, sealed
(WORK / "vars.yml").write_text(sealed + f"\nplain: {ARGUMENT}\nmodule_password: {MODULE_PASSWORD}\n")
HEAD = "- hosts: n1\n  gather_facts: false\n  vars_files: [vars.yml]\n  tasks:\n"
(WORK / "site.yml").write_text(HEAD + """
  - name: A file with the vaulted variable
    copy: {content: "password={{ vaulted }}\\n", dest: /root/secret.conf, mode: "0600"}
  - name: A file that all may read, with what is derived from it
    copy:
      dest: /root/derived.conf
      mode: "0644"
      content: |
        url=https://user:{{ vaulted | urlencode }}@example.org/
        json={{ {'password': vaulted} | to_json }}
        basic={{ vaulted | b64encode }}
        header=Basic {{ ('user:' ~ vaulted) | b64encode }}
        sum={{ vaulted | hash('sha1') }}
  - name: Shown
    debug: {msg: "{{ vaulted }} {{ vaulted | b64encode }} {{ {'a': vaulted} }} {{ vaulted | hash('sha1') }} {{ vaulted | urlencode }}"}
  - name: An argument that is hidden
    copy: {content: "{{ plain }}\\n", dest: /root/hidden.conf, mode: "0600"}
    no_log: true
    register: hidden
  - name: A result that is hidden
    shell: "printf token-; printf """ + RESULT_SEED + """ | rev | tr -d '\\\\n'; echo -of-nolog"
    no_log: true
    register: token
  - name: What was hidden is shown
    debug: {var: token}
  - name: A loop over what was hidden
    command: "true"
    loop: "{{ token.stdout_lines }}"
    loop_control: {label: "{{ item }}"}
  - name: A user with a password
    user: {name: secretive, password: "{{ module_password }}", create_home: false}
    register: user
  - name: The user that was made
    debug: {var: user}
  - name: Keys for the other user
    shell: install -d -o ops -m 700 ~ops/.ssh && install -o ops -m 600 ~/.ssh/authorized_keys ~ops/.ssh/authorized_keys
  - name: Somebody else, with a password
    command: id -un
    remote_user: ops
    become: true
    vars: {ansible_become_password: "{{ lab_ops_password }}"}
  - name: Time for who looks at processes
    command: sleep 1
    environment: {TOKEN: "{{ vaulted }}"}
""")
(WORK / "second.yml").write_text(HEAD + """
  - name: A file with another content
    copy: {content: "password=new\\n", dest: /root/secret.conf}
  - name: A file that all may read, with another content
    copy: {content: "new\\n", dest: /root/derived.conf}
  - name: A hidden file with another content
    copy: {content: "new\\n", dest: /root/hidden.conf}
""")
ERRORS = {
    "a template error": 'debug: {msg: "{{ (vaulted ~ vaulted) | int(base=\'x\') }}{{ vaulted.nope.nope }}"}',
    "a failed module": 'command: "false {{ vaulted | quote }}"',
    "a failed assertion": 'assert: {that: "vaulted == \'x\'", fail_msg: "it is {{ vaulted }}"}',
    "a wrong argument": 'file: {path: /root/x, state: "{{ vaulted }}"}',
    "a hidden failure": 'command: "false {{ plain }}"\n    no_log: true',
    "a failed loop": 'command: "false"\n    loop: ["{{ vaulted }}"]',
}
KEYS = ["--vault-password-file", "vault.pass", "-i", INVENTORY]


def look_at_processes(stop, seen):
    while not stop.is_set():
        for path in pathlib.Path("/proc").glob("[0-9]*/cmdline"):
            try:
                seen.append(path.read_bytes().replace(b"\0", b" ").decode(errors="replace"))
            except OSError:
                pass
        stop.wait(0.02)


def main():
    node("userdel secretive; rm -f /root/secret.conf /root/derived.conf /root/hidden.conf /tmp/*; journalctl --rotate; "
         "journalctl --vacuum-time=1s 2>/dev/null; true")
    search("plan", muster("plan", "site.yml", *KEYS, "-vvv"))
    search("plan --out", muster("plan", "--out", "saved.plan", "second.yml", *KEYS))
    search("the saved plan", (WORK / "saved.plan").read_bytes().decode(errors="replace"))
    search("show", muster("show", "saved.plan"))
    stop, seen = threading.Event(), []
    watcher = threading.Thread(target=look_at_processes, args=(stop, seen))
    watcher.start()
    screen = muster("apply", "site.yml", *KEYS, "-vvv", "--diff")
    stop.set()
    watcher.join()
    search("apply -vvv --diff", screen)
    # The nodes' processes are among those of this machine.
    search("the command lines of all processes", "\n".join(seen))
    search("the second apply as JSON", muster("apply", "site.yml", *KEYS, "--output", "json", "--diff"))
    # What an earlier task hid or derived is not known to a run that has only the file of then before it.
    unknowable = ["vaulted variable in base64", "vaulted variable inside base64", "vaulted variable in a URL",
                  "hash of the vaulted variable", "argument of a task with no_log"]
    search("apply with other contents", muster("apply", "second.yml", *KEYS, "--diff"), unknowable)
    runs = [json.loads(line)["number"] for line in muster("history", "--output", "json").splitlines()]
    search("undo --check --diff", muster("undo", runs[0], "--check", "--diff"), unknowable[:-1])
    search("undo --diff", muster("undo", runs[0], "--diff", "-vvv"), unknowable[:-1])
    assert node("cat /root/hidden.conf").strip() == ARGUMENT, "the undo brought nothing back"
    tasks = [f"  - name: {name}\n    {task}\n    ignore_errors: true\n" for name, task in ERRORS.items()]
    (WORK / "errors.yml").write_text(HEAD + "".join(tasks))
    for options in ([], ["-vvv"], ["--output", "json"]):
        said = muster("apply", "errors.yml", *KEYS, *options)
        assert "ignored=6" in said or options, f"not all of them failed: {said}"
        search(f"errors {' '.join(options)}".strip(), said)
    search("history", muster("history") + muster("history", "--output", "json"))
    for run in runs:
        search("history of a run", muster("history", run) + muster("history", run, "--output", "json"))
    search("the records of the runs", files(WORK / "runs"))
    search("the log", (WORK / "run.log").read_text(), unknowable)
    search("/run, /tmp and /dev/shm of the node", node("grep -rhsa . /run/muster /tmp /dev/shm --include='*' --exclude='musterd*'"))
    search("what the agent keeps on the node", node("cat /var/lib/muster/*.json; grep -rhsa . /var/lib/muster/undo"),
           # The files themselves, as they were: only root reads them, as it does the files.
           unknowable)
    search("the modes of what the agent keeps", node("find /var/lib/muster/undo \\( -type f -perm /077 -o -type d -perm /077 \\) "
                                                  f"-exec echo '{VAULT}' \\;"))
    search("the systemd journal of the node", node("journalctl --no-pager -o cat"))
    print(f"{passed} searched and clean, {len(leaks)} leaks")
    sys.exit(1 if leaks else 0)


try:
    main()
finally:
    if not os.environ.get("KEEP"):
        subprocess.run(["rm", "-rf", str(WORK)], check=False)
