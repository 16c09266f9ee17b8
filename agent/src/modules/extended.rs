//! What a file has besides owner and mode, for every module that leaves a file behind: the attributes of chattr(1), and on
//! hosts with SELinux its label. Both are set last, because an immutable file takes no other change.

use super::{Args, Check, Failure, Module, Report};
use crate::worker::process::Command;
use crate::worker::{Hands, Operation, View};
use muster_api::diff::{Change, Diff};
use muster_api::outcome::Outcome;
use std::path::{Path, PathBuf};

/// A module of files, and after it what this file is about.
pub(super) struct Extended<M: Module>(pub(super) M);

const LABEL: [&str; 4] = ["seuser", "serole", "setype", "selevel"];

impl<M: Module> Module for Extended<M> {
    fn check(&self, args: &Args<'_>, view: &View<'_>) -> Result<Check, Failure> {
        let mut check = self.0.check(args, view)?;
        for found in differences(&check, args, view)? {
            check.outcome.changed = true;
            check.outcome.diffs.push(found.diff);
            if view.is_check() {
                check.operations.push(Operation::Run { command: found.command, brings: Vec::new() });
            }
        }
        Ok(check)
    }

    fn apply(&self, args: &Args<'_>, check: Check, hands: &mut Hands<'_>) -> Result<Outcome, Failure> {
        let path = path(&check, args);
        let mut outcome = self.0.apply(args, check, hands)?;
        // A file that is new now has the attributes of its folder.
        for found in
            path.map(|path| differences_at(&path, args, &hands.view())).transpose()?.into_iter().flatten()
        {
            hands.run_well(&found.command)?;
            outcome.changed = true;
        }
        Ok(outcome)
    }
}

struct Difference {
    diff: Diff,
    command: Command,
}

fn asks(args: &Args<'_>) -> bool {
    args.raw("attributes").is_some() || LABEL.iter().any(|name| args.text(name).is_some())
}

fn path(check: &Check, args: &Args<'_>) -> Option<PathBuf> {
    match &check.report {
        Report::File(path) if asks(args) => Some(path.clone()),
        _ => None,
    }
}

fn differences(check: &Check, args: &Args<'_>, view: &View<'_>) -> Result<Vec<Difference>, Failure> {
    path(check, args).map_or_else(|| Ok(Vec::new()), |path| differences_at(&path, args, view))
}

fn differences_at(path: &Path, args: &Args<'_>, view: &View<'_>) -> Result<Vec<Difference>, Failure> {
    let attributes =
        args.text("attributes").map(|wanted| attributes(path, wanted, view)).transpose()?.flatten();
    let label = if Path::new("/sys/fs/selinux/enforce").exists() { label(path, args) } else { None };
    Ok([attributes, label].into_iter().flatten().collect())
}

/// `A` and `=A` are all that there shall be, `+A` and `-A` change what there is.
fn attributes(path: &Path, wanted: &str, view: &View<'_>) -> Result<Option<Difference>, Failure> {
    let (operator, letters) = match wanted.chars().next() {
        Some(operator @ ('+' | '-' | '=')) => (operator, &wanted[1..]),
        _ => ('=', wanted),
    };
    let known = view.ask("lsattr", &["-d", &path.to_string_lossy()]);
    let known = known.ok().filter(|ran| ran.is_fine()).map(|ran| ran.out()).unwrap_or_default();
    let known: String =
        known.split_whitespace().next().unwrap_or("").chars().filter(|letter| *letter != '-').collect();
    // The kernel's own: nobody sets it by hand.
    let known: String = known.chars().filter(|letter| *letter != 'e' || letters.contains('e')).collect();
    let is_right = match operator {
        '+' => letters.chars().all(|letter| known.contains(letter)),
        '-' => !letters.chars().any(|letter| known.contains(letter)),
        _ => sorted(&known) == sorted(letters),
    };
    if is_right {
        return Ok(None);
    }
    if view.program("chattr").is_none() {
        return Err(Failure::missing("`attributes` needs the host's `chattr`; install e2fsprogs first"));
    }
    let command = Command::new("chattr", &[&format!("{operator}{letters}")]).argument(path);
    Ok(Some(Difference { diff: diff(path, "attributes", known, wanted.to_owned()), command }))
}

fn sorted(letters: &str) -> Vec<char> {
    let mut letters: Vec<char> = letters.chars().collect();
    letters.sort_unstable();
    letters
}

/// `user:role:type:level`; `_default` leaves a part to the host's policy, which has been applied already.
fn label(path: &Path, args: &Args<'_>) -> Option<Difference> {
    let mut buffer = vec![0; 512];
    let size = rustix::fs::lgetxattr(path, "security.selinux", &mut buffer[..]).ok()?;
    let known = String::from_utf8_lossy(&buffer[..size]).trim_end_matches('\0').to_owned();
    let mut parts: Vec<String> = known.splitn(4, ':').map(str::to_owned).collect();
    for (part, name) in parts.iter_mut().zip(LABEL) {
        if let Some(wanted) = args.text(name).filter(|wanted| *wanted != "_default") {
            *part = wanted.to_owned();
        }
    }
    let wanted = parts.join(":");
    let command = Command::new("chcon", &["-h", &wanted]).argument(path);
    (wanted != known).then(|| Difference { diff: diff(path, "label", known, wanted), command })
}

fn diff(path: &Path, attribute: &str, before: String, after: String) -> Diff {
    let change =
        Change::Attribute { attribute: attribute.to_owned(), before: Some(before), after: Some(after) };
    Diff { kind: "file".into(), name: path.to_string_lossy().into_owned(), changes: vec![change] }
}
