//! `git`: a checkout of a repository. `git ls-remote` says whether there is anything to do; the host's own git does it.

use super::{Args, Check, Failure, Module};
use crate::worker::process::{Command, Ran};
use crate::worker::{Hands, Operation, Prediction, View};
use muster_api::diff::{Change, Diff};
use muster_api::outcome::Outcome;
use std::path::{Path, PathBuf};

pub(super) struct Git;

impl Module for Git {
    fn check(&self, args: &Args<'_>, view: &View<'_>) -> Result<Check, Failure> {
        let work = Work::of(args, view)?;
        work.check()
    }

    fn apply(&self, args: &Args<'_>, check: Check, hands: &mut Hands<'_>) -> Result<Outcome, Failure> {
        let said = hands.carry_out(&check.operations)?;
        let mut outcome = check.outcome;
        let view = hands.view();
        let work = Work::of(args, &view)?;
        if !work.is_checked_out() {
            return Ok(outcome);
        }
        outcome.changed |= said.iter().any(|ran| ran.out().trim_end().ends_with(ARCHIVED));
        let after = work.head()?;
        let before = outcome.result.get("before").and_then(|before| before.as_str()).map(str::to_owned);
        outcome.changed |= before.as_deref() != Some(after.as_str()) && !check.operations.is_empty();
        if let Some(archive) = args.text("archive") {
            outcome.result.insert("archive".into(), archive.into());
        }
        outcome.result.insert("after".into(), after.into());
        Ok(outcome)
    }
}

/// What the script below says where the archive was not as it shall be.
const ARCHIVED: &str = "muster: archived";
/// Writes the archive beside the old one, and keeps the old one where both are the same.
const ARCHIVE: &str = r#"t="$2.$$"; trap 'rm -f "$t"' EXIT
git archive --format="$1" --prefix="$3" --output="$t" HEAD || exit 1
cmp -s "$t" "$2" || { mv -f "$t" "$2" && echo 'muster: archived'; }"#;
/// The signature of the tag, or else of the commit, must be good, and of one of the fingerprints.
const VERIFY: &str = r#"v=$1; shift
said=$(git verify-tag --raw "$v" 2>&1) || said=$(git verify-commit --raw "$v" 2>&1) || { echo "$said" >&2; exit 1; }
[ $# -eq 0 ] && exit 0
for print; do case $said in *VALIDSIG*"$print"*) exit 0;; esac; done
echo "the signature is of none of these: $*" >&2; exit 1"#;

const KIND: &str = "git checkout";

struct Work<'a> {
    args: &'a Args<'a>,
    view: &'a View<'a>,
    repo: &'a str,
    dest: PathBuf,
    version: &'a str,
    remote: &'a str,
}

impl<'a> Work<'a> {
    fn of(args: &'a Args<'a>, view: &'a View<'a>) -> Result<Self, Failure> {
        if view.program("git").is_none() {
            return Err(Failure::missing(
                "Failed to find required executable \"git\": install package git first",
            ));
        }
        let clones = args.choice("clone") != Some(false);
        let dest = match args.path("dest", view) {
            Some(dest) => dest,
            None if !clones => PathBuf::new(),
            None => return Err(Failure::new("the destination directory must be specified unless clone=no")),
        };
        Ok(Self {
            args,
            view,
            repo: args.needed("repo")?,
            dest,
            version: args.text("version").unwrap_or("HEAD"),
            remote: args.text("remote").unwrap_or("origin"),
        })
    }

    fn is_bare(&self) -> bool {
        self.args.flag("bare")
    }

    fn is_checked_out(&self) -> bool {
        let folder = if self.is_bare() { self.dest.join("config") } else { self.dest.join(".git") };
        !self.dest.as_os_str().is_empty() && self.view.exists(&folder)
    }

    /// git with the task's way to log in.
    fn git(&self, words: &[&str]) -> Command {
        let git = self.args.text("executable").unwrap_or("git");
        let mut command = Command::new(git, words).set("GIT_TERMINAL_PROMPT", "0");
        let mut ssh = vec!["ssh".to_owned(), "-o".into(), "BatchMode=yes".into()];
        match (self.args.flag("accept_hostkey"), self.args.flag("accept_newhostkey")) {
            (true, _) => ssh.extend(["-o".into(), "StrictHostKeyChecking=no".into()]),
            (false, true) => ssh.extend(["-o".into(), "StrictHostKeyChecking=accept-new".into()]),
            (false, false) => {}
        }
        if let Some(key) = self.args.path("key_file", self.view) {
            ssh.extend([
                "-i".into(),
                key.to_string_lossy().into_owned(),
                "-o".into(),
                "IdentitiesOnly=yes".into(),
            ]);
        }
        ssh.extend(self.args.text("ssh_opts").map(str::to_owned));
        command = command.set("GIT_SSH_COMMAND", &ssh.join(" "));
        command.environment.extend(self.view.environment().clone());
        command.deadline = self.view.deadline();
        command
    }

    /// A script that calls git, in the checkout.
    fn script(&self, script: &str, words: &[&str]) -> Command {
        let mut command = self.here(&[]);
        command.program = "/bin/sh".into();
        command.arguments = ["-c", script, "sh"].iter().chain(words).map(Into::into).collect();
        command
    }

    /// The umask, where the task has one. A number is what YAML made of octal digits.
    fn umask(&self) -> Option<String> {
        let umask = self.args.raw("umask")?;
        Some(umask.as_str().map_or_else(|| format!("{:o}", umask.as_u64().unwrap_or(0o22)), str::to_owned))
    }

    /// A good signature of what was checked out, where the task asks for one.
    fn verification(&self) -> Option<Operation> {
        let prints = self.args.list("gpg_allowlist").unwrap_or_default();
        let version = if self.version.is_empty() { "HEAD" } else { self.version };
        let words: Vec<&str> = std::iter::once(version).chain(prints.iter().map(String::as_str)).collect();
        self.args.flag("verify_commit").then(|| run(self.script(VERIFY, &words)))
    }

    /// The archive of what was checked out.
    fn archive(&self, check: &mut Check) -> Result<(), Failure> {
        let Some(path) = self.args.path("archive", self.view) else { return Ok(()) };
        let name = path.to_string_lossy().into_owned();
        let format = [(".zip", "zip"), (".tar.gz", "tar.gz"), (".tgz", "tgz"), (".tar", "tar")];
        let format = format.iter().find(|(ending, _)| name.ends_with(ending)).ok_or_else(|| {
            Failure::new(format!("Unable to get file extension from archive file name: {name}"))
        })?;
        let prefix = self.args.text("archive_prefix").unwrap_or("");
        check.operations.push(run(self.script(ARCHIVE, &[format.1, &name, prefix])));
        check.outcome.changed |= !self.view.exists(&path);
        Ok(())
    }

    fn here(&self, words: &[&str]) -> Command {
        let mut command = self.git(words);
        command.folder = Some(self.dest.clone());
        command
    }

    fn ask(&self, command: &Command) -> Result<Ran, Failure> {
        command.run().map_err(|error| Failure::new(format!("cannot run git: {error}")))
    }

    fn answer(&self, words: &[&str]) -> Result<String, Failure> {
        let ran = self.ask(&self.here(words))?;
        match ran.is_fine() {
            true => Ok(ran.out().trim().to_owned()),
            false => Err(Failure::new(ran.complaint()).with("rc", ran.rc).with("stderr", ran.err())),
        }
    }

    fn head(&self) -> Result<String, Failure> {
        self.answer(&["rev-parse", "HEAD"])
    }

    /// The commit that the version is in the repository; `None` where only a fetch can tell.
    fn wanted(&self) -> Result<Option<String>, Failure> {
        if self.version.len() == 40 && self.version.chars().all(|letter| letter.is_ascii_hexdigit()) {
            return Ok(Some(self.version.to_owned()));
        }
        let ran = self.ask(&self.git(&["ls-remote", self.repo]))?;
        if !ran.is_fine() {
            return Err(Failure::new(format!(
                "Failed to download remote objects and refs: {}",
                ran.complaint()
            ))
            .with("rc", ran.rc)
            .with("stderr", ran.err()));
        }
        let text = ran.out();
        let refs: Vec<(&str, &str)> = text.lines().filter_map(|line| line.split_once('\t')).collect();
        let names = match self.version {
            "HEAD" => vec!["HEAD".to_owned()],
            name => vec![
                format!("refs/heads/{name}"),
                format!("refs/tags/{name}^{{}}"),
                format!("refs/tags/{name}"),
                name.to_owned(),
            ],
        };
        let found = names.iter().find_map(|name| refs.iter().find(|(_, known)| known == name));
        Ok(found.map(|(commit, _)| (*commit).to_owned()))
    }

    fn check(&self) -> Result<Check, Failure> {
        let predicted = self.view.overlay().thing(KIND, &self.dest.to_string_lossy()).flatten();
        let mut check = if let Some(before) = predicted {
            self.moved(before)?
        } else if !self.is_checked_out() {
            self.clone_it()?
        } else if self.args.choice("update") == Some(false) {
            let before = self.head()?;
            Check::unchanged().with("before", before.clone()).with("after", before)
        } else {
            self.update()?
        };
        if self.args.choice("clone") != Some(false) || self.is_checked_out() {
            check.operations.extend(self.verification());
            self.archive(&mut check)?;
        }
        if let Some(umask) = self.umask() {
            for operation in &mut check.operations {
                if let Operation::Run { command, .. } = operation {
                    *command = command.clone().under_umask(&umask);
                }
            }
        }
        Ok(check)
    }

    /// A checkout that an earlier step of this plan would have made.
    fn moved(&self, before: &str) -> Result<Check, Failure> {
        let after = self.wanted()?.unwrap_or_default();
        let told = |check: Check| check.with("before", before).with("after", after.as_str());
        if before == after || self.args.choice("update") == Some(false) {
            return Ok(told(Check::unchanged()));
        }
        let change = Change::Attribute {
            attribute: "commit".into(),
            before: Some(before.to_owned()),
            after: Some(after.clone()),
        };
        let name = self.dest.to_string_lossy().into_owned();
        let operation = Operation::Run { command: self.here(&["fetch"]), brings: vec![self.thing(&after)] };
        Ok(told(Check::change(Diff { kind: "git".into(), name, changes: vec![change] }, vec![operation])))
    }

    fn thing(&self, commit: &str) -> Prediction {
        let name = self.dest.to_string_lossy().into_owned();
        Prediction::Thing { kind: KIND, name, state: Some(commit.to_owned()) }
    }

    fn clone_it(&self) -> Result<Check, Failure> {
        let after = self.wanted()?;
        if self.args.choice("clone") == Some(false) {
            let mut check = Check::unchanged().with("before", serde_json::Value::Null).with("after", after);
            check.outcome.changed = true;
            return Ok(check);
        }
        let mut operations = Vec::new();
        let folder = self.dest.parent().unwrap_or(Path::new("/"));
        let missing = super::placing::missing_folders(folder, self.view)?;
        operations.extend(missing.into_iter().map(|path| Operation::MakeDirectory { path }));
        let make = |path: PathBuf| Prediction::Also(Box::new(Operation::MakeDirectory { path }));
        let mut brings = vec![self.thing(after.as_deref().unwrap_or_default())];
        if !self.view.exists(&self.dest) {
            brings.push(make(self.dest.clone()));
        }
        brings.push(make(self.dest.join(if self.is_bare() { "objects" } else { ".git" })));
        operations.push(Operation::Run { command: self.clone_command(), brings });
        if !self.is_bare() && self.version != "HEAD" {
            operations.extend(self.checkout());
        }
        if !self.is_bare() {
            operations.extend(self.submodules());
        }
        let change = Change::Presence { before: "absent".into(), after: after.clone().unwrap_or_default() };
        let diff = Diff {
            kind: "git".into(),
            name: self.dest.to_string_lossy().into_owned(),
            changes: vec![change],
        };
        let mut check = Check::change(diff, operations);
        check.doubt = Some("the files of a repository are there when it is cloned".to_owned());
        Ok(check.with("before", serde_json::Value::Null).with("after", after))
    }

    fn clone_command(&self) -> Command {
        let mut words: Vec<String> = vec!["clone".into()];
        if self.is_bare() {
            words.push("--bare".into());
        } else {
            words.extend(["--origin".into(), self.remote.to_owned()]);
        }
        if let Some(depth) = self.args.int("depth").filter(|depth| *depth > 0) {
            words.extend(["--depth".into(), depth.to_string()]);
            if self.version != "HEAD" && self.version.len() != 40 {
                words.extend(["--branch".into(), self.version.to_owned()]);
            }
        }
        if self.args.flag("single_branch") {
            words.push("--single-branch".into());
        }
        if let Some(reference) = self.args.text("reference") {
            words.extend(["--reference".into(), reference.to_owned()]);
        }
        if let Some(separate) = self.args.path("separate_git_dir", self.view) {
            words.push(format!("--separate-git-dir={}", separate.display()));
        }
        words.push(self.repo.to_owned());
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        self.git(&words).argument(&self.dest)
    }

    fn update(&self) -> Result<Check, Failure> {
        let before = self.head()?;
        let url = self.answer(&["ls-remote", "--get-url", self.remote]).unwrap_or_default();
        let has_changes = !self.is_bare() && !self.answer(&["status", "--porcelain", "-uno"])?.is_empty();
        let wanted = self.wanted()?;
        let has_moved = url != self.repo;
        let is_there = wanted.as_deref() == Some(before.as_str());
        let force = self.args.flag("force");
        if has_changes && !force && !is_there {
            return Err(Failure::new("Local modifications exist in the destination: use `force: true` to discard them (git status)")
                .with("before", before));
        }
        if is_there && !has_moved && !(has_changes && force) {
            return Ok(Check::unchanged()
                .with("before", before.clone())
                .with("after", before)
                .with("remote_url_changed", false));
        }
        let mut operations = Vec::new();
        if has_moved {
            operations.push(run(self.here(&["remote", "set-url", self.remote, self.repo])));
        }
        operations.extend(self.fetch());
        if !self.is_bare() {
            operations.extend(self.checkout());
            operations.extend(self.submodules());
        }
        let change = Change::Attribute {
            attribute: "commit".into(),
            before: Some(before.clone()),
            after: Some(wanted.clone().unwrap_or_else(|| self.version.to_owned())),
        };
        let diff = Diff {
            kind: "git".into(),
            name: self.dest.to_string_lossy().into_owned(),
            changes: vec![change],
        };
        let mut check = Check::change(diff, operations);
        check.outcome.changed = !is_there || has_moved || has_changes;
        Ok(check.with("before", before).with("after", wanted).with("remote_url_changed", has_moved))
    }

    fn fetch(&self) -> Vec<Operation> {
        let mut words = vec!["fetch", "--tags", "--force"];
        let depth = self.args.int("depth").filter(|depth| *depth > 0).map(|depth| depth.to_string());
        if let Some(depth) = &depth {
            words.extend(["--depth", depth]);
        }
        words.push(self.remote);
        if let Some(refspec) = self.args.text("refspec") {
            words.push(refspec);
        } else if self.is_bare() {
            words.push("+refs/heads/*:refs/heads/*");
        }
        vec![run(self.here(&words))]
    }

    /// A branch follows the remote's; a tag or a commit is checked out as it is.
    fn checkout(&self) -> Vec<Operation> {
        let remote = format!("{}/{}", self.remote, self.version);
        let line = match self.version {
            "HEAD" => format!("git reset --hard {}/HEAD --", self.remote),
            version => format!(
                "if git show-ref --verify --quiet 'refs/remotes/{remote}'; then \
                 git checkout --force -B '{version}' '{remote}' --; else git checkout --force '{version}' --; fi"
            ),
        };
        let mut command = self.here(&[]);
        command.program = "/bin/sh".into();
        command.arguments = vec!["-c".into(), line.into()];
        vec![run(command)]
    }

    fn submodules(&self) -> Vec<Operation> {
        if self.args.choice("recursive") == Some(false) {
            return Vec::new();
        }
        let mut words = vec!["submodule", "update", "--init", "--recursive"];
        if self.args.flag("track_submodules") {
            words.push("--remote");
        }
        vec![run(self.here(&words))]
    }
}

fn run(command: Command) -> Operation {
    Operation::Run { command, brings: Vec::new() }
}

#[cfg(test)]
mod tests {
    use crate::worker::trial::Trial;
    use serde_json::json;
    use std::path::Path;
    use std::process::Command;

    fn git(folder: &Path, words: &[&str]) {
        let ran = Command::new("git")
            .args(["-c", "user.name=t", "-c", "user.email=t@example.com", "-c", "init.defaultBranch=main"])
            .args(words)
            .current_dir(folder)
            .output();
        let ran = ran.expect("there is a git");
        assert!(ran.status.success(), "{words:?}: {}", String::from_utf8_lossy(&ran.stderr));
    }

    #[test]
    fn repository_is_cloned_followed_and_moved_to_a_tag() {
        let trial = Trial::new("git");
        let origin = trial.path("origin");
        trial.write("origin/f", "1");
        git(&origin, &["init", "-q"]);
        git(&origin, &["add", "."]);
        git(&origin, &["commit", "-qm", "one"]);
        git(&origin, &["tag", "v1"]);
        let step = json!({"repo": origin, "dest": trial.path("copy")});
        assert!(trial.check(step.clone()).changed);
        let cloned = trial.apply(step.clone());
        assert!(cloned.changed && !cloned.failed, "{cloned:?}");
        assert!(!trial.apply(step.clone()).changed);
        trial.write("origin/f", "2");
        git(&origin, &["commit", "-qam", "two"]);
        let moved = trial.apply(step.clone());
        assert!(moved.changed && moved.result["after"] != moved.result["before"], "{moved:?}");
        assert_eq!(trial.text("copy/f"), "2");
        let mut tagged = step;
        tagged["version"] = json!("v1");
        assert!(trial.apply(tagged.clone()).changed);
        assert_eq!(trial.text("copy/f"), "1");
        assert!(!trial.apply(tagged.clone()).changed);
        tagged["archive"] = json!(trial.path("f.tar"));
        tagged["archive_prefix"] = json!("inside/");
        assert!(trial.apply(tagged.clone()).changed, "the archive is new");
        assert!(trial.text("f.tar").contains("inside/f"));
        assert!(!trial.apply(tagged.clone()).changed, "the archive is the same");
        tagged["verify_commit"] = json!(true);
        assert!(trial.apply(tagged).failed, "nobody has signed it");
    }
}
