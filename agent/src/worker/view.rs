//! What a module may read: the host as it is, or in a check session as earlier steps would have left it.

use super::accounts::{self, Group, User};
use super::before::Keeper;
use super::file::Stat;
use super::mounts;
use super::overlay::{Located, Overlay};
use super::permission::would_let;
use super::process::{Command, Ran};
use super::stand_in;
use muster_api::step::{ContentRef, Step};
use rustix::fs::Access;
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Instant;

/// Reads the host for one step. It has no way to write.
#[derive(Clone, Copy)]
pub(crate) struct View<'a> {
    pub(super) overlay: &'a Overlay,
    pub(super) scope: &'a Scope<'a>,
}

/// What belongs to one step: its wishes, its deadline, and the way to ask the controller.
pub(crate) struct Scope<'a> {
    pub(super) step: &'a Step,
    pub(super) deadline: Option<Instant>,
    pub(super) umask: u32,
    pub(super) controller: &'a dyn Controller,
    /// Keeps what is replaced.
    pub(super) keeper: &'a Keeper,
}

/// What the worker asks of the controller while a step runs.
pub(crate) trait Controller {
    /// The content of that hash.
    fn content(&self, wanted: &ContentRef) -> Result<Vec<u8>, String>;
    /// A line for a person who watches.
    fn progress(&self, id: u64, text: &str);
}

impl View<'_> {
    /// What is at the path itself.
    pub(crate) fn lstat(&self, path: &Path) -> io::Result<Option<Stat>> {
        Ok(self.overlay.examine(path, false)?.stat)
    }

    /// What is at the path, links followed.
    pub(crate) fn stat(&self, path: &Path) -> io::Result<Option<Stat>> {
        Ok(self.overlay.examine(path, true)?.stat)
    }

    /// The path without links in it, and what is there.
    pub(crate) fn locate(&self, path: &Path, follow: bool) -> io::Result<Located> {
        self.overlay.examine(path, follow)
    }

    pub(crate) fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        self.overlay.read(path)
    }

    /// The text of a file of the host, empty where it is not there.
    pub(crate) fn text(&self, path: &str) -> String {
        self.read(Path::new(path))
            .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
            .unwrap_or_default()
    }

    /// What is mounted, in the format of /proc/self/mounts, which a check session sees otherwise than the host is.
    pub(crate) fn mounts(&self) -> String {
        mounts::table()
    }

    pub(crate) fn list(&self, path: &Path) -> io::Result<BTreeSet<OsString>> {
        self.overlay.list(path)
    }

    /// What access(2) would tell the worker's user about a path, links followed.
    pub(crate) fn may(&self, path: &Path, access: Access) -> bool {
        would_let(path, access, self.overlay)
    }

    /// Where the thing at a path really is, links followed; none where it is not there yet, or not as it will be.
    pub(crate) fn real(&self, path: &Path) -> Option<PathBuf> {
        self.overlay.locate(path, true).ok()?.real_unchanged(self.overlay).map(Path::to_owned)
    }

    pub(crate) fn exists(&self, path: &Path) -> bool {
        self.overlay.look(path, true).is_ok_and(|located| located.stat.is_some())
    }

    pub(crate) fn is_directory(&self, path: &Path) -> bool {
        let located = self.overlay.look(path, true);
        located.is_ok_and(|located| located.stat.is_some_and(|stat| stat.is_directory()))
    }

    /// Whether there is such a folder, or packages that earlier steps of a plan would install may bring it.
    pub(crate) fn may_have_folder(&self, path: &Path) -> bool {
        self.is_directory(path) || self.overlay.has_new_packages() && !self.exists(path)
    }

    /// The predicted part of what this view shows.
    pub(crate) fn overlay(&self) -> &Overlay {
        self.overlay
    }

    /// Whether the step is only predicted.
    pub(crate) fn is_check(&self) -> bool {
        self.scope.step.check
    }

    /// Whether the outcome shall carry contents.
    pub(crate) fn wants_diff(&self) -> bool {
        self.scope.step.diff
    }

    /// What earlier runs replaced here.
    pub(crate) fn keeper(&self) -> &Keeper {
        self.scope.keeper
    }

    /// Whether contents must not be shown.
    pub(crate) fn is_secret(&self) -> bool {
        self.scope.step.no_log
    }

    /// The mode bits that new files do not get.
    pub(crate) fn umask(&self) -> u32 {
        self.scope.umask
    }

    /// The environment that the task asks for.
    pub(crate) fn environment(&self) -> &BTreeMap<String, String> {
        &self.scope.step.environment
    }

    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.scope.deadline
    }

    /// The content that belongs to the step, without its bytes.
    pub(crate) fn content_ref(&self) -> Option<&ContentRef> {
        self.scope.step.content.as_ref()
    }

    /// The bytes of a content.
    pub(crate) fn content(&self, wanted: &ContentRef) -> Result<Vec<u8>, String> {
        self.scope.controller.content(wanted)
    }

    /// Says something to a person who watches.
    pub(crate) fn progress(&self, text: &str) {
        self.scope.controller.progress(self.scope.step.id, text);
    }

    /// Runs a tool of the host that only tells something.
    pub(crate) fn ask(&self, program: &str, arguments: &[&str]) -> io::Result<Ran> {
        let mut command = Command::new(program, arguments);
        command.environment.extend(self.environment().clone());
        command.deadline = self.deadline();
        command.run()
    }

    /// The program of that name on the search path.
    pub(crate) fn program(&self, name: &str) -> Option<PathBuf> {
        let folders = ["/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"];
        folders.iter().map(|folder| Path::new(folder).join(name)).find(|path| self.exists(path))
    }

    /// All users of /etc/passwd.
    pub(crate) fn users(&self) -> Vec<User> {
        self.overlay.users_by_then()
    }

    /// All groups of /etc/group.
    pub(crate) fn groups(&self) -> Vec<Group> {
        self.overlay.groups_by_then()
    }

    pub(crate) fn user(&self, name: &str) -> Option<User> {
        self.overlay.consider("user", name);
        let known = self.users().into_iter().find(|user| user.name == name);
        known.or_else(|| self.real_user(name))
    }

    pub(crate) fn group(&self, name: &str) -> Option<Group> {
        self.overlay.consider("group", name);
        let known = self.groups().into_iter().find(|group| group.name == name);
        known.or_else(|| self.real_group(name))
    }

    /// A user of another source than the file, by name or number, of whom no earlier step of a plan would have made another.
    fn real_user(&self, key: &str) -> Option<User> {
        let is_predicted = |name: &str| self.overlay.users().contains_key(name);
        let asked = (!is_predicted(key)).then(|| accounts::ask_user(key)).flatten();
        asked.filter(|user| !is_predicted(&user.name))
    }

    /// The same for a group.
    fn real_group(&self, key: &str) -> Option<Group> {
        let is_predicted = |name: &str| self.overlay.groups().contains_key(name);
        let asked = (!is_predicted(key)).then(|| accounts::ask_group(key)).flatten();
        asked.filter(|group| !is_predicted(&group.name))
    }

    /// The name of a user, or the number where it has none.
    pub(crate) fn user_name(&self, uid: u32) -> String {
        let found = self.users().into_iter().find(|user| user.uid == uid);
        found.or_else(|| self.real_user(&uid.to_string())).map_or_else(|| uid.to_string(), |user| user.name)
    }

    /// The name of a group, or the number where it has none.
    pub(crate) fn group_name(&self, gid: u32) -> String {
        let found = self.groups().into_iter().find(|group| group.gid == gid);
        found
            .or_else(|| self.real_group(&gid.to_string()))
            .map_or_else(|| gid.to_string(), |group| group.name)
    }

    /// `~`, `~user`, `$NAME` and `${NAME}` expanded as a shell would; what is unknown stays as it is.
    pub(crate) fn expand(&self, text: &str) -> String {
        let expanded = expand_variables(text, &|name| self.variable(name));
        let Some(rest) = expanded.strip_prefix('~') else { return expanded };
        let (user, path) = rest.find('/').map_or((rest, ""), |slash| rest.split_at(slash));
        let home = if user.is_empty() { self.home() } else { self.user(user).map(|user| user.home) };
        home.map_or_else(|| expanded.clone(), |home| format!("{}{path}", home.trim_end_matches('/')))
    }

    fn home(&self) -> Option<String> {
        if let Some(account) = self.scope.step.perhaps.as_ref().and_then(|perhaps| perhaps.done_as.as_ref()) {
            return self.user(account).map(|user| user.home);
        }
        let uid = rustix::process::geteuid().as_raw();
        let by_number = || self.users().into_iter().find(|user| user.uid == uid).map(|user| user.home);
        self.variable("HOME").filter(|home| !home.is_empty()).or_else(by_number)
    }

    fn variable(&self, name: &str) -> Option<String> {
        let given = self.environment().get(name).cloned();
        let own = || stand_in::variable(name).map(str::to_owned).or_else(|| std::env::var(name).ok());
        given.or_else(own)
    }
}

fn expand_variables(text: &str, value: &dyn Fn(&str) -> Option<String>) -> String {
    let mut expanded = String::new();
    let mut rest = text;
    while let Some(dollar) = rest.find('$') {
        expanded.push_str(&rest[..dollar]);
        let after = &rest[dollar + 1..];
        let is_name = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
        let (name, end) = match after.strip_prefix('{').and_then(|inner| inner.split_once('}')) {
            Some((name, _)) => (name, name.len() + 2),
            None => {
                let end = after.find(|letter| !is_name(letter)).unwrap_or(after.len());
                (&after[..end], end)
            }
        };
        match value(name).filter(|_| !name.is_empty()) {
            Some(value) => expanded.push_str(&value),
            None => expanded.push_str(&rest[dollar..dollar + 1 + end]),
        }
        rest = &after[end..];
    }
    expanded.push_str(rest);
    expanded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_are_expanded_and_unknown_ones_stay() {
        let value = |name: &str| (name == "A").then(|| "1".to_owned());
        assert_eq!(expand_variables("x$A/${A}b/$B/${B}/$", &value), "x1/1b/$B/${B}/$");
    }
}
