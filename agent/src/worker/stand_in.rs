//! A plan may have tasks that are done as an account which one of its tasks would make. A worker of root's stands in for it: it takes
//! on the numbers that the account will have, so that the kernel lets it do what it will let the account do.

use super::accounts::User;
use super::overlay::Overlay;
use muster_api::step::{Perhaps, Step};
use rustix::io::Errno;
use rustix::process::{Gid, Uid};
use rustix::thread::{set_thread_groups, set_thread_res_gid, set_thread_res_uid};
use std::ffi::OsStr;
use std::path::Path;
use std::sync::{Mutex, OnceLock, PoisonError};

/// Programs that only tell what is in files, whoever asks: all others may ask who that is, and there is nobody of that name yet.
const ASKED: &[&str] = &[
    "bzip2", "cmp", "file", "getent", "gzip", "lsattr", "openssl", "tar", "unzip", "xz", "zip", "zipinfo",
    "zstd",
];

/// Modules that tell about the user who asks.
const ABOUT_THE_USER: &[&str] = &["gather_facts", "setup"];

/// The account whose numbers this worker has taken on.
static ACCOUNT: OnceLock<User> = OnceLock::new();

/// Why what the present step asked of a program is not known.
static REFUSED: Mutex<Option<String>> = Mutex::new(None);

/// For whom this worker stands in.
#[derive(Debug)]
pub(super) struct StandIn {
    account: String,
}

impl StandIn {
    pub(super) const fn of(account: String) -> Self {
        Self { account }
    }

    /// Becomes who the account will be, once that is foretold. Only this thread does; the one that listens does nothing else.
    pub(super) fn take_on(&self, overlay: &Overlay) {
        overlay.look_afresh();
        overlay.consider("user", &self.account);
        let is_known = overlay.take_missed().is_none();
        let foretold = overlay.users().get(&self.account).cloned().flatten();
        if let Some(user) = foretold.filter(|_| is_known && ACCOUNT.get().is_none())
            && become_(&user, overlay).is_ok()
        {
            ACCOUNT.get_or_init(|| user);
        }
    }

    /// Whether a step is answered as that account would have it answered.
    pub(super) fn answers(&self, step: &Step) -> bool {
        ACCOUNT.get().is_some() && !ABOUT_THE_USER.contains(&step.module.as_str())
    }

    /// Why it is not known what a step comes to, where that cannot be said.
    pub(super) fn perhaps(&self, step: &Step) -> Option<Perhaps> {
        let why = || format!("it is done as `{}`, an account that an earlier task would make", self.account);
        let done_as = Some(self.account.clone());
        (!self.answers(step)).then(|| Perhaps { why: why(), lacks_arguments: false, done_as })
    }
}

fn become_(user: &User, overlay: &Overlay) -> Result<(), Errno> {
    let (uid, gid) = (Uid::from_raw(user.uid), Gid::from_raw(user.gid));
    let is_in = |members: &[String]| members.contains(&user.name);
    let groups = overlay.groups_by_then().into_iter().filter(|group| is_in(&group.members));
    let groups: Vec<Gid> = std::iter::once(gid).chain(groups.map(|group| Gid::from_raw(group.gid))).collect();
    // Where the first is refused, all stays as it was; root is not refused the others.
    set_thread_groups(&groups)?;
    set_thread_res_gid(gid, gid, gid)?;
    set_thread_res_uid(uid, uid, uid)
}

/// What a login of the account sets in the environment (login(1)).
pub(super) fn variable(name: &str) -> Option<&'static str> {
    let user = ACCOUNT.get()?;
    match name {
        "HOME" => Some(&user.home),
        "USER" | "LOGNAME" => Some(&user.name),
        "SHELL" => Some(&user.shell),
        _ => None,
    }
}

/// The environment that a program gets, where it is another one than the worker's.
pub(super) fn environment() -> impl Iterator<Item = (&'static str, &'static str)> {
    ["HOME", "USER", "LOGNAME", "SHELL"].into_iter().filter_map(|name| Some((name, variable(name)?)))
}

/// Whether a program can be asked here what it would tell the account; where it cannot, that is noted.
pub(super) fn may_ask(program: &OsStr) -> bool {
    let Some(user) = ACCOUNT.get() else { return true };
    let name = Path::new(program).file_name().unwrap_or(program).to_string_lossy();
    let may = ASKED.contains(&&*name);
    if !may {
        let why = format!("`{name}` can tell it only when there is an account `{}`", user.name);
        REFUSED.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(why);
    }
    may
}

/// Why what was asked since the last call is not known, where a program was not asked.
pub(super) fn take_refused() -> Option<String> {
    REFUSED.lock().unwrap_or_else(PoisonError::into_inner).take()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::worker::accounts::Group;
    use crate::worker::operation::{Operation, Prediction};
    use crate::worker::process::Command;

    fn account() -> User {
        let text = |text: &str| text.to_owned();
        let (uid, gid) = (54_711, 54_712);
        User {
            name: text("muster-new"),
            uid,
            gid,
            comment: text(""),
            home: text("/"),
            shell: text("/bin/sh"),
        }
    }

    #[test]
    fn thread_that_takes_on_an_account_may_do_what_the_account_will_and_all_others_stay() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("f");
        let mut overlay = Overlay::default();
        let group = Group { name: "muster-group".to_owned(), gid: 54_713, members: vec![account().name] };
        let brings = vec![Prediction::Group(group)];
        let run = Operation::Run { command: Command::new("groupadd", &[]), brings };
        overlay.predict(&run, 0o022).expect("predicted");
        let is_root = rustix::process::geteuid().is_root();
        let done = std::thread::spawn(move || {
            let became = become_(&account(), &overlay).is_ok();
            let groups = rustix::process::getgroups().expect("groups");
            (became, groups, std::fs::write(path, "x").is_ok())
        });
        let (became, groups, wrote) = done.join().expect("no fault");
        assert_eq!(
            (became, wrote),
            (is_root, !is_root),
            "the folder is of who runs the tests, and closed to others"
        );
        if is_root {
            assert_eq!(groups.into_iter().map(Gid::as_raw).collect::<Vec<_>>(), [54_712, 54_713]);
        }
        assert_eq!(rustix::process::geteuid().is_root(), is_root);
    }

    #[test]
    fn nothing_is_answered_for_an_account_of_which_nothing_is_foretold() {
        let stand_in = StandIn::of("muster-none".to_owned());
        stand_in.take_on(&Overlay::default());
        let step = serde_json::json!({"id": 1, "module": "ping", "args": {}, "check": true, "diff": false, "no_log": false});
        let step = serde_json::from_value(step).expect("a step");
        let perhaps = stand_in.perhaps(&step).expect("a reason");
        assert!(perhaps.why.contains("`muster-none`") && !stand_in.answers(&step), "{perhaps:?}");
        assert!(may_ask(OsStr::new("ssh")), "who stands in for nobody asks what it likes");
    }
}
