//! The home directory of a user: what it is when it is new, and whose it is when the user changes.

use super::super::Args;
use crate::worker::accounts::User;
use crate::worker::process::Command;
use crate::worker::{Attributes, Operation, Prediction, Put, View};
use muster_api::diff::Change;
use std::path::{Path, PathBuf};

/// What makes the directory, and the change to show.
pub(super) struct Made {
    pub(super) operations: Vec<Operation>,
    pub(super) change: Change,
}

/// `None` where the directory is there, or is not wanted.
pub(super) fn missing(user: &User, args: &Args<'_>, view: &View<'_>) -> Option<Made> {
    let home = Path::new(&user.home);
    if args.choice("create_home") == Some(false) || user.home.is_empty() || view.exists(home) {
        return None;
    }
    let skeleton = skeleton(args);
    let run = |program: &str, words: &[&str]| Operation::Run {
        command: Command::new(program, words),
        brings: Vec::new(),
    };
    let mut operations = vec![Operation::Run {
        command: Command::new("mkdir", &["-p", "--", &user.home]),
        brings: made(user, args, view),
    }];
    if view.is_directory(Path::new(skeleton)) {
        operations.push(run("cp", &["-rPT", "--", skeleton, &user.home]));
    }
    let owner = format!("{}:{}", user.uid, user.gid);
    operations.push(run("chown", &["-RP", &owner, "--", &user.home]));
    let octal = format!("{:04o}", mode(&view.text("/etc/login.defs")));
    operations.push(run("chmod", &[&octal, "--", &user.home]));
    let change = Change::Attribute {
        attribute: "home directory".into(),
        before: Some("absent".into()),
        after: Some(user.home.clone()),
    };
    Some(Made { operations, change })
}

fn skeleton<'a>(args: &'a Args<'_>) -> &'a str {
    args.text("skeleton").unwrap_or("/etc/skel")
}

/// What a new home directory brings: itself, and the user's own copy of the skeleton.
pub(super) fn made(user: &User, args: &Args<'_>, view: &View<'_>) -> Vec<Prediction> {
    let home = PathBuf::from(&user.home);
    let settings = view.text("/etc/login.defs");
    let umask = args.text("umask").and_then(|umask| u32::from_str_radix(umask, 8).ok());
    let mode = umask.map_or_else(|| mode(&settings), |umask| 0o777 & !umask);
    let mut operations = vec![Operation::MakeDirectory { path: home.clone() }];
    operations.push(Operation::Set { path: home.clone(), attributes: owned(user, mode) });
    copied(Path::new(skeleton(args)), &home, user, view, &mut operations);
    operations.into_iter().map(|operation| Prediction::Also(Box::new(operation))).collect()
}

fn owned(user: &User, mode: u32) -> Attributes {
    Attributes { uid: Some(user.uid), gid: Some(user.gid), mode: Some(mode) }
}

/// What is below a folder, once it is copied for the user.
fn copied(from: &Path, to: &Path, user: &User, view: &View<'_>, operations: &mut Vec<Operation>) {
    for name in view.list(from).unwrap_or_default() {
        let (from, to) = (from.join(&name), to.join(&name));
        let Ok(Some(stat)) = view.lstat(&from) else { continue };
        let attributes = owned(user, stat.mode);
        if let Some(target) = stat.target {
            operations.push(Operation::Symlink { path: to, target });
        } else if stat.is_directory() {
            operations.push(Operation::MakeDirectory { path: to.clone() });
            operations.push(Operation::Set { path: to.clone(), attributes });
            copied(&from, &to, user, view, operations);
        } else if let Ok(content) = view.read(&from) {
            let content = content.into();
            operations.push(Operation::Put(Put {
                path: to,
                content,
                attributes,
                validate: None,
                may_write_in_place: false,
            }));
        }
    }
}

/// usermod(8) gives what belongs to the user in the home directory to the new number: what has the old one, and only where the
/// directory is the user's. A home that moves has moved before.
pub(super) fn handed_over(before: &User, after: &User, moves: bool, view: &View<'_>) -> Vec<Prediction> {
    if (before.uid, before.gid) == (after.uid, after.gid) {
        return Vec::new();
    }
    let new = PathBuf::from(&after.home);
    let there = if moves { PathBuf::from(&before.home) } else { new.clone() };
    let is_own =
        view.stat(&there).ok().flatten().is_some_and(|stat| [before.uid, after.uid].contains(&stat.uid));
    if !moves && !is_own {
        return Vec::new();
    }
    let mut given = Vec::new();
    hand_over(&there, &new, before, after, view, &mut given);
    given
}

fn hand_over(
    path: &Path,
    new: &Path,
    before: &User,
    after: &User,
    view: &View<'_>,
    given: &mut Vec<Prediction>,
) {
    let Ok(Some(stat)) = view.lstat(path) else { return };
    let differs = |is: u32, before: u32, after: u32| (is == before && before != after).then_some(after);
    let attributes = Attributes {
        uid: differs(stat.uid, before.uid, after.uid),
        gid: differs(stat.gid, before.gid, after.gid),
        mode: None,
    };
    if !attributes.is_empty() {
        given.push(Prediction::Also(Box::new(Operation::Set { path: new.to_owned(), attributes })));
    }
    if stat.is_directory() {
        for name in view.list(path).unwrap_or_default() {
            hand_over(&path.join(&name), &new.join(&name), before, after, view, given);
        }
    }
}

/// As useradd(8) finds it: HOME_MODE, else what UMASK leaves, else 0755.
fn mode(login_defs: &str) -> u32 {
    let setting = |name: &str| {
        login_defs.lines().find_map(|line| {
            let mut words = line.split_whitespace();
            (words.next() == Some(name)).then(|| words.next())?
        })
    };
    let octal = |text: &str| u32::from_str_radix(text, 8).ok();
    let of_umask = || Some(0o777 & !octal(setting("UMASK")?)?);
    setting("HOME_MODE").and_then(octal).or_else(of_umask).unwrap_or(0o755)
}

#[cfg(test)]
mod tests {
    use super::mode;

    #[test]
    fn home_mode_goes_before_umask_and_both_may_be_missing() {
        assert_eq!(mode("UMASK 027\nHOME_MODE 0700\n"), 0o700);
        assert_eq!(mode("# HOME_MODE 0700\nUMASK\t022\n"), 0o755);
        assert_eq!(mode("UMASK 077"), 0o700);
        assert_eq!(mode(""), 0o755);
    }
}
