//! `subversion`: a working copy of a Subversion repository, made and followed by the host's own svn.

use super::{Args, Check, Failure, Module};
use crate::worker::process::Command;
use crate::worker::{Hands, Operation, View};
use muster_api::diff::{Change, Diff};
use muster_api::outcome::Outcome;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

pub(super) struct Subversion;

impl Module for Subversion {
    fn check(&self, args: &Args<'_>, view: &View<'_>) -> Result<Check, Failure> {
        Work::of(args, view)?.check()
    }

    fn apply(&self, args: &Args<'_>, check: Check, hands: &mut Hands<'_>) -> Result<Outcome, Failure> {
        let said = hands.carry_out(&check.operations)?;
        let mut outcome = check.outcome;
        let view = hands.view();
        let work = Work::of(args, &view)?;
        if args.flag("export") || !work.is_working_copy() || check.operations.is_empty() {
            return Ok(outcome);
        }
        let after = work.revision(&work.dest_word(), None)?;
        let before = outcome.result.get("before").cloned().unwrap_or(Value::Null);
        let has_touched = said.iter().any(|ran| ran.out().lines().any(is_change));
        outcome.changed = has_touched || before != json!(after);
        outcome.result.insert("after".into(), json!(after));
        Ok(outcome)
    }
}

/// A line of svn about a file that was added, changed, deleted, merged, in conflict, or there already.
fn is_change(line: &str) -> bool {
    let mut letters = line.chars();
    letters.next().is_some_and(|letter| "ABDUCGE".contains(letter))
        && letters.next().is_some_and(char::is_whitespace)
}

struct Work<'a> {
    args: &'a Args<'a>,
    view: &'a View<'a>,
    repo: &'a str,
    dest: PathBuf,
    revision: &'a str,
}

impl<'a> Work<'a> {
    fn of(args: &'a Args<'a>, view: &'a View<'a>) -> Result<Self, Failure> {
        if args.text("executable").is_none() && view.program("svn").is_none() {
            return Err(Failure::missing(
                "Failed to find required executable \"svn\" in paths: install package subversion first",
            ));
        }
        let needs_dest =
            ["checkout", "update"].iter().any(|name| args.choice(name) != Some(false)) || args.flag("export");
        let dest = args.path("dest", view);
        if dest.is_none() && needs_dest {
            return Err(Failure::new(
                "the destination directory must be specified unless checkout=no, update=no, and export=no",
            ));
        }
        Ok(Self {
            args,
            view,
            repo: args.needed("repo")?,
            dest: dest.unwrap_or_default(),
            revision: args.text("revision").unwrap_or("HEAD"),
        })
    }

    fn is(&self, name: &str) -> bool {
        self.args.choice(name) != Some(false)
    }

    fn dest_word(&self) -> String {
        self.dest.to_string_lossy().into_owned()
    }

    /// svn with the task's way to log in; the password is written to it, where nobody else reads it.
    fn svn(&self, words: &[&str]) -> Command {
        let program =
            self.args.text("executable").map_or_else(|| "svn".to_owned(), |path| self.view.expand(path));
        let mut command = Command::new(&program, &["--non-interactive", "--no-auth-cache"]);
        if !self.args.flag("validate_certs") {
            command = command.argument("--trust-server-cert");
        }
        if let Some(user) = self.args.text("username") {
            command = command.argument("--username").argument(user);
        }
        if let Some(password) = self.args.text("password") {
            command = command.argument("--password-from-stdin").fed(password);
        }
        command.arguments.extend(words.iter().map(Into::into));
        command.deadline = self.view.deadline();
        command
    }

    fn answer(&self, words: &[&str]) -> Result<String, Failure> {
        let command = self.svn(words);
        let ran = command.run().map_err(|error| Failure::new(format!("cannot run svn: {error}")))?;
        match ran.is_fine() {
            true => Ok(ran.out()),
            false => Err(Failure::new(ran.complaint()).with("rc", ran.rc).with("stderr", ran.err())),
        }
    }

    fn is_working_copy(&self) -> bool {
        let command = self.svn(&["info", &self.dest_word()]);
        command.run().is_ok_and(|ran| ran.is_fine())
    }

    /// The lines `Revision: 1` and `URL: …` of what is at a place, at a revision where one is given.
    fn revision(&self, place: &str, at: Option<&str>) -> Result<[String; 2], Failure> {
        let words: Vec<&str> =
            std::iter::once("info").chain(at.into_iter().flat_map(|at| ["-r", at])).chain([place]).collect();
        let text = self.answer(&words)?;
        let line = |start: &str, or: &str| {
            text.lines().find(|line| line.starts_with(start)).unwrap_or(or).to_owned()
        };
        Ok([line("Revision:", "Unable to get revision"), line("URL:", "Unable to get URL")])
    }

    fn has_changes(&self) -> Result<bool, Failure> {
        let status = self.answer(&["status", "--quiet", "--ignore-externals", &self.dest_word()])?;
        Ok(status.lines().any(|line| !line.starts_with(['?', 'X']) && !line.is_empty()))
    }

    fn check(&self) -> Result<Check, Failure> {
        let exports = self.args.flag("export");
        if !exports && !self.is("update") && !self.is("checkout") {
            let [revision, _] = self.revision(self.repo, None)?;
            return Ok(Check::unchanged().with("after", revision));
        }
        if exports || !self.view.exists(&self.dest) {
            return Ok(self.make(exports));
        }
        if self.is_working_copy() {
            return if self.is("update") { self.update() } else { Ok(Check::unchanged()) };
        }
        if self.args.flag("in_place") {
            return Ok(self.change("directory", self.checkout("checkout", true)).with("before", Value::Null));
        }
        Err(Failure::new(format!(
            "ERROR: {} folder already exists, but its not a subversion repository.",
            self.dest.display()
        )))
    }

    fn make(&self, exports: bool) -> Check {
        if !exports && !self.is("checkout") {
            return Check::unchanged();
        }
        let verb = if exports { "export" } else { "checkout" };
        let operations = self.checkout(verb, self.args.flag("force"));
        self.change("absent", operations).with("before", Value::Null)
    }

    fn checkout(&self, verb: &str, force: bool) -> Vec<Operation> {
        let dest = self.dest_word();
        let mut words = vec![verb];
        words.extend(force.then_some("--force"));
        words.extend(["-r", self.revision, self.repo, &dest]);
        let folder = self.dest.parent().unwrap_or(Path::new("/"));
        let missing: Vec<&Path> = folder.ancestors().take_while(|above| !self.view.exists(above)).collect();
        let folders =
            missing.into_iter().rev().map(|path| Operation::MakeDirectory { path: path.to_owned() });
        folders.chain([run(self.svn(&words))]).collect()
    }

    fn update(&self) -> Result<Check, Failure> {
        let dest = self.dest_word();
        let before = self.revision(&dest, None)?;
        let has_changes = self.has_changes()?;
        if has_changes && !self.args.flag("force") {
            return Err(
                Failure::new("ERROR: modified files exist in the repository.").with("before", json!(before))
            );
        }
        let mut operations = Vec::new();
        if self.is("switch") {
            operations.push(run(self.svn(&["switch", "--revision", self.revision, self.repo, &dest])));
        }
        if has_changes {
            operations.push(run(self.svn(&["revert", "-R", &dest])));
        }
        operations.push(run(self.svn(&["update", "-r", self.revision, &dest])));
        let [wanted, _] = self.revision(&dest, Some(self.revision))?;
        let has_moved = self.is("switch") && before[1] != format!("URL: {}", self.repo);
        let mut check = match has_changes || has_moved || wanted != before[0] {
            true => self.change(&before[0], operations),
            false => Check { operations, ..Check::unchanged() },
        };
        check.doubt = None;
        Ok(check.with("before", json!(before)).with("after", json!([wanted, before[1]])))
    }

    fn change(&self, before: &str, operations: Vec<Operation>) -> Check {
        let after = format!("{} at {}", self.repo, self.revision);
        let change = Change::Presence { before: before.to_owned(), after };
        let diff = Diff { kind: "subversion".into(), name: self.dest_word(), changes: vec![change] };
        let mut check = Check::change(diff, operations);
        check.doubt = Some("the files of a repository are there when it is checked out".to_owned());
        check
    }
}

fn run(command: Command) -> Operation {
    Operation::Run { command, brings: Vec::new() }
}

#[cfg(test)]
mod tests {
    use super::is_change;

    #[test]
    fn lines_about_files_are_told_from_others() {
        assert!(is_change("A    /srv/x/file"));
        assert!(is_change("U   /srv/x/file"));
        assert!(!is_change("At revision 3."));
        assert!(!is_change("Updating '/srv/x':"));
    }
}
