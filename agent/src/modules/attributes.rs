//! Owner, group and mode: what a task asks for, what differs, and how it is told.

use super::{Args, Failure};
use crate::worker::file::Stat;
use crate::worker::{Attributes, View};
use muster_api::diff::Change;
use serde_json::{Map, Value};

/// What a task asks for; `None` where it asks for nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Wanted {
    pub(super) mode: Option<String>,
    pub(super) uid: Option<u32>,
    pub(super) gid: Option<u32>,
}

impl Wanted {
    pub(super) fn of(args: &Args<'_>, view: &View<'_>) -> Result<Self, Failure> {
        Ok(Self {
            mode: args.text("mode").map(str::to_owned),
            uid: args.text("owner").map(|owner| uid(owner, view)).transpose()?,
            gid: args.text("group").map(|group| gid(group, view)).transpose()?,
        })
    }

    /// What has to be set on a thing that is there.
    pub(super) fn differing(&self, stat: &Stat, view: &View<'_>) -> Attributes {
        let mode =
            self.mode.as_deref().map(|mode| mode_of(mode, stat.mode, stat.is_directory(), view.umask()));
        Attributes {
            // A link has no mode of its own.
            mode: mode.filter(|mode| *mode != stat.mode && !stat.is_link()),
            uid: self.uid.filter(|uid| *uid != stat.uid),
            gid: self.gid.filter(|gid| *gid != stat.gid),
        }
    }
}

/// The changes that setting these attributes makes.
pub(super) fn changes(stat: &Stat, attributes: Attributes, view: &View<'_>) -> Vec<Change> {
    let change = |attribute: &str, before: String, after: String| Change::Attribute {
        attribute: attribute.to_owned(),
        before: Some(before),
        after: Some(after),
    };
    let mode = attributes.mode.map(|mode| change("mode", octal(stat.mode), octal(mode)));
    let owner = attributes.uid.map(|uid| change("owner", view.user_name(stat.uid), view.user_name(uid)));
    let group = attributes.gid.map(|gid| change("group", view.group_name(stat.gid), view.group_name(gid)));
    [mode, owner, group].into_iter().flatten().collect()
}

/// The return values about a file that Ansible's file modules have.
pub(super) fn describe(stat: &Stat, view: &View<'_>, result: &mut Map<String, Value>) {
    let state = if stat.is_file() && stat.links > 1 { "hard" } else { stat.kind.word() };
    let told: [(&str, Value); 7] = [
        ("uid", stat.uid.into()),
        ("gid", stat.gid.into()),
        ("owner", view.user_name(stat.uid).into()),
        ("group", view.group_name(stat.gid).into()),
        ("mode", octal(stat.mode).into()),
        ("size", stat.size.into()),
        ("state", state.into()),
    ];
    result.extend(told.map(|(name, value)| (name.to_owned(), value)));
}

/// A mode as these modules say it: a zero and at least three digits, so that `01777` keeps its zero.
fn octal(mode: u32) -> String {
    format!("0{mode:03o}")
}

/// A warning for the owner and the group that the host does not know: an earlier task of the real run may add them.
pub(super) fn unknown_accounts(args: &Args<'_>, view: &View<'_>) -> Vec<String> {
    let user = |owner: &str| match owner.parse() {
        Ok(uid) => (view.user_name(uid) == owner).then(|| format!("user with uid {owner}")),
        Err(_) => view.user(owner).is_none().then(|| format!("user {owner}")),
    };
    let group = |group: &str| match group.parse() {
        Ok(gid) => (view.group_name(gid) == group).then(|| format!("group with gid {group}")),
        Err(_) => view.group(group).is_none().then(|| format!("group {group}")),
    };
    let warning = |what: String| format!("failed to look up {what}; the real run needs it by then");
    let unknown = [args.text("owner").and_then(user), args.text("group").and_then(group)];
    unknown.into_iter().flatten().map(warning).collect()
}

fn uid(owner: &str, view: &View<'_>) -> Result<u32, Failure> {
    if let Some(user) = view.user(owner) {
        return Ok(user.uid);
    }
    let unknown = || {
        Failure::missing(format!("there is no user `{owner}` on this host; add it first, or give its number"))
    };
    owner.parse().map_err(|_| unknown())
}

fn gid(group: &str, view: &View<'_>) -> Result<u32, Failure> {
    if let Some(group) = view.group(group) {
        return Ok(group.gid);
    }
    let unknown = || {
        Failure::missing(format!(
            "there is no group `{group}` on this host; add it first, or give its number"
        ))
    };
    group.parse().map_err(|_| unknown())
}

/// The mode that `wanted` makes of a thing with mode `old`; `wanted` was checked by the table.
pub(super) fn mode_of(wanted: &str, old: u32, is_directory: bool, umask: u32) -> u32 {
    match u32::from_str_radix(wanted, 8) {
        Ok(mode) => mode,
        Err(_) => wanted.split(',').fold(old, |mode, clause| symbolic(clause, mode, is_directory, umask)),
    }
}

/// One clause as of chmod(1): `u+rwX`, `go=`, `+t`.
fn symbolic(clause: &str, old: u32, is_directory: bool, umask: u32) -> u32 {
    let start = clause.find(['+', '-', '=']).unwrap_or(clause.len());
    let (who, mut actions) = clause.split_at(start);
    let everyone = who.is_empty() || who.contains('a');
    let has = |letter| everyone || who.contains(letter);
    let mut mode = old;
    while let Some(operator) = actions.chars().next() {
        let end = actions[1..].find(['+', '-', '=']).map_or(actions.len(), |end| end + 1);
        let what = &actions[1..end];
        actions = &actions[end..];
        let mut bits = 0;
        let mut scope = 0;
        for (letter, shift, set_id) in [('u', 6, 0o4000), ('g', 3, 0o2000), ('o', 0, 0)] {
            if has(letter) {
                scope |= 0o7 << shift | set_id;
                bits |= permissions(what, mode, is_directory) << shift;
                bits |= if what.contains('s') { set_id } else { 0 };
            }
        }
        if everyone || who.contains('o') || what.contains('t') {
            scope |= 0o1000;
            bits |= if what.contains('t') { 0o1000 } else { 0 };
        }
        // Without a letter for whom, the umask's bits stay as they are.
        let allowed = if who.is_empty() { !umask } else { u32::MAX };
        // As chmod(1): `=` leaves the set-id bits of a directory alone.
        let cleared = if is_directory { scope & !0o6000 } else { scope };
        mode = match operator {
            '+' => mode | (bits & allowed),
            '-' => mode & !(bits & allowed),
            _ => (mode & !(cleared & allowed)) | (bits & allowed),
        };
    }
    mode
}

fn permissions(what: &str, old: u32, is_directory: bool) -> u32 {
    what.chars().fold(0, |bits, letter| {
        bits | match letter {
            'r' => 4,
            'w' => 2,
            'x' => 1,
            'X' if is_directory || old & 0o111 != 0 => 1,
            'u' => old >> 6 & 7,
            'g' => old >> 3 & 7,
            'o' => old & 7,
            _ => 0,
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn symbolic_modes_are_what_chmod_makes_of_them() {
        // Compared with chmod(1) of coreutils, umask 022.
        for (wanted, old, is_directory, expected) in [
            ("u=rw,go=r", 0o777, false, 0o644),
            ("u+x", 0o644, false, 0o744),
            ("+x", 0o644, false, 0o755),
            ("+w", 0o444, false, 0o644),
            ("a+w", 0o444, false, 0o666),
            ("g+s", 0o755, true, 0o2755),
            ("o+t", 0o777, true, 0o1777),
            ("+t", 0o777, true, 0o1777),
            ("u=rwX,g=rX,o=", 0o644, false, 0o640),
            ("u=rwX,g=rX,o=", 0o644, true, 0o750),
            ("g=u", 0o640, false, 0o660),
            ("go-rwx", 0o777, false, 0o700),
            ("u-w+x", 0o644, false, 0o544),
            ("a=", 0o777, false, 0o000),
            ("0600", 0o777, false, 0o600),
        ] {
            let mode = mode_of(wanted, old, is_directory, 0o022);
            assert_eq!(mode, expected, "{wanted} on {old:o}: {mode:o}");
        }
    }
}
