//! Users and groups from /etc/passwd and /etc/group. The C library is not asked: in a static program it would load
//! the host's name service modules and die of them. What is in neither file is asked of the host's `getent`.

use super::process::Command;
use serde::{Deserialize, Serialize};

/// A line of passwd(5).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct User {
    pub(crate) name: String,
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    pub(crate) comment: String,
    pub(crate) home: String,
    pub(crate) shell: String,
}

/// A line of group(5).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Group {
    pub(crate) name: String,
    pub(crate) gid: u32,
    pub(crate) members: Vec<String>,
}

pub(crate) fn parse_users(text: &str) -> Vec<User> {
    text.lines().filter_map(parse_user).collect()
}

pub(crate) fn parse_groups(text: &str) -> Vec<Group> {
    text.lines().filter_map(parse_group).collect()
}

fn parse_user(line: &str) -> Option<User> {
    let mut fields = line.split(':');
    let name = fields.next().filter(|name| !name.is_empty() && !name.starts_with('#'))?;
    let _password = fields.next()?;
    let (uid, gid) = (fields.next()?.parse().ok()?, fields.next()?.parse().ok()?);
    let mut text = || fields.next().unwrap_or("").to_owned();
    Some(User { name: name.to_owned(), uid, gid, comment: text(), home: text(), shell: text() })
}

fn parse_group(line: &str) -> Option<Group> {
    let mut fields = line.split(':');
    let name = fields.next().filter(|name| !name.is_empty() && !name.starts_with('#'))?;
    let _password = fields.next()?;
    let gid = fields.next()?.parse().ok()?;
    let members = fields.next().unwrap_or("").split(',').filter(|name| !name.is_empty());
    Some(Group { name: name.to_owned(), gid, members: members.map(str::to_owned).collect() })
}

pub(super) fn users_of_host() -> Vec<User> {
    parse_users(&std::fs::read_to_string("/etc/passwd").unwrap_or_default())
}

pub(super) fn groups_of_host() -> Vec<Group> {
    parse_groups(&std::fs::read_to_string("/etc/group").unwrap_or_default())
}

/// A user of another source than the file, such as LDAP.
pub(super) fn ask_user(name: &str) -> Option<User> {
    parse_user(ask("passwd", name)?.lines().next()?)
}

/// A group of another source than the file.
pub(super) fn ask_group(name: &str) -> Option<Group> {
    parse_group(ask("group", name)?.lines().next()?)
}

fn ask(database: &str, key: &str) -> Option<String> {
    let ran = Command::new("getent", &[database, key]).run().ok()?;
    ran.is_fine().then(|| ran.out())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwd_and_group_lines_are_read_and_bad_ones_left_out() {
        let users = parse_users("root:x:0:0:root:/root:/bin/bash\n\n+::::::\nshort:x:1\n");
        assert_eq!(users.len(), 1);
        assert_eq!((users[0].home.as_str(), users[0].shell.as_str()), ("/root", "/bin/bash"));
        let groups = parse_groups("adm:x:4:syslog,ann\nempty:x:9:\n");
        assert_eq!(groups[0].members, ["syslog", "ann"]);
        assert!(groups[1].members.is_empty());
    }
}
