//! The home directory of a user who is there and has none.

use super::super::Args;
use super::new_home;
use crate::worker::accounts::User;
use crate::worker::process::Command;
use crate::worker::{Operation, View};
use muster_api::diff::Change;
use std::path::Path;

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
    let skeleton = args.text("skeleton").unwrap_or("/etc/skel");
    let run = |program: &str, words: &[&str]| Operation::Run {
        command: Command::new(program, words),
        brings: Vec::new(),
    };
    let mut operations = vec![Operation::Run {
        command: Command::new("mkdir", &["-p", "--", &user.home]),
        brings: new_home(user).into(),
    }];
    if view.is_directory(Path::new(skeleton)) {
        operations.push(run("cp", &["-rPT", "--", skeleton, &user.home]));
    }
    let owner = format!("{}:{}", user.uid, user.gid);
    operations.push(run("chown", &["-RP", &owner, "--", &user.home]));
    operations.push(run("chmod", &[&mode(&view.text("/etc/login.defs")), "--", &user.home]));
    let change = Change::Attribute {
        attribute: "home directory".into(),
        before: Some("absent".into()),
        after: Some(user.home.clone()),
    };
    Some(Made { operations, change })
}

/// As useradd(8) finds it: HOME_MODE, else what UMASK leaves, else 0755.
fn mode(login_defs: &str) -> String {
    let setting = |name: &str| {
        login_defs.lines().find_map(|line| {
            let mut words = line.split_whitespace();
            (words.next() == Some(name)).then(|| words.next())?
        })
    };
    let octal = |text: &str| u32::from_str_radix(text, 8).ok();
    let of_umask = || Some(0o777 & !octal(setting("UMASK")?)?);
    let mode = setting("HOME_MODE").and_then(octal).or_else(of_umask).unwrap_or(0o755);
    format!("{mode:04o}")
}

#[cfg(test)]
mod tests {
    use super::mode;

    #[test]
    fn home_mode_goes_before_umask_and_both_may_be_missing() {
        assert_eq!(mode("UMASK 027\nHOME_MODE 0700\n"), "0700");
        assert_eq!(mode("# HOME_MODE 0700\nUMASK\t022\n"), "0755");
        assert_eq!(mode("UMASK 077"), "0700");
        assert_eq!(mode(""), "0755");
    }
}
