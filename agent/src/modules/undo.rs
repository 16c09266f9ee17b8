//! `undo`: brings back what a run changed of this host's files, from what the worker kept before each change. All of it is
//! looked at first: where a single file is not as the run left it, nothing is done here.

mod others;

use super::{Args, Check, Failure, Module, placing};
use crate::worker::before::{Changed, Image, Net};
use crate::worker::{Attributes, Operation, Put, View};
use muster_api::diff::{Change, Content, Diff};
use others::{Others, Part};
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

pub(super) struct Undo;

impl Module for Undo {
    fn check(&self, args: &Args<'_>, view: &View<'_>) -> Result<Check, Failure> {
        let run = args.needed("run")?;
        let entries = view.keeper().kept_of(run);
        let entries = entries
            .map_err(|error| Failure::new(format!("what run {run} replaced cannot be read: {error}")))?;
        if entries.is_empty() {
            return Ok(Check::unchanged().with("msg", format!("nothing of run {run} is kept here")));
        }
        let net = Net::of(&entries);
        if args.flag("tell_only") {
            return Ok(Check::unchanged().with("kept", json!(parts(&net, view)?)));
        }
        let is_look = args.flag("look_only");
        let mut plan = Plan { others: Others::of(args)?, is_look, ..Plan::default() };
        for changed in &net.paths {
            plan.look_at(changed, view)?;
        }
        if !plan.refused.is_empty() {
            return Err(Failure::new(format!(
                "not as run {run} left it, so nothing is undone here: {}; make it as it was left, or leave this host out \
                 with `--limit`",
                plan.refused.join(", ")
            )));
        }
        if is_look {
            return Ok(Check::unchanged());
        }
        plan.left.extend(net.others);
        Ok(plan.check(view))
    }
}

/// What the run came to as this user, by path: for the other users that it became here.
fn parts(net: &Net, view: &View<'_>) -> Result<BTreeMap<String, Part>, Failure> {
    let part = |changed: &Changed| {
        let now = seen(&changed.path, view)?;
        let (is_back, is_as_left) = (changed.before.is_like(&now), changed.is_as_left(&now));
        let part = Part { first: changed.first, last: changed.last, is_back, is_as_left };
        Ok((others::named(&changed.path), part))
    };
    net.paths.iter().map(part).collect()
}

fn seen(path: &Path, view: &View<'_>) -> Result<Image, Failure> {
    Image::seen_by(view, path)
        .map_err(|error| Failure::new(format!("cannot read `{}`: {error}", path.display())))
}

/// What brings one path back.
struct Step {
    path: PathBuf,
    operations: Vec<Operation>,
    diff: (Image, Image),
    is_secret: bool,
}

/// What is to be done.
#[derive(Default)]
struct Plan {
    /// Those that make something go away again.
    removals: Vec<Step>,
    /// Those that bring something back.
    returns: Vec<Step>,
    /// Paths that somebody else changed since.
    refused: Vec<String>,
    /// What stays as it is, and why.
    left: Vec<String>,
    /// What the run did here as other users.
    others: Others,
    /// Nothing is brought back yet.
    is_look: bool,
}

impl Plan {
    fn look_at(&mut self, changed: &Changed, view: &View<'_>) -> Result<(), Failure> {
        let path = &changed.path;
        if !self.is_look && self.others.bring_back(changed) {
            return Ok(());
        }
        let now = seen(path, view)?;
        let before = &changed.before;
        if before.is_like(&now) {
            self.returns.extend(times_of(changed, &now));
            return Ok(());
        }
        if !changed.is_as_left(&now) && !self.others.vouch_for(changed) {
            self.refused.push(format!("`{}`", path.display()));
            return Ok(());
        }
        if let Some(why) = before.obstacle() {
            self.left.push(format!("`{}`: {why}", path.display()));
            return Ok(());
        }
        let operations = operations(changed, &now);
        let step = Step {
            path: path.clone(),
            operations,
            is_secret: changed.is_secret || !before.is_open() || !now.is_open(),
            diff: (now, before.clone()),
        };
        if before.is_absent() {
            self.removals.push(step)
        } else {
            self.returns.push(step)
        }
        Ok(())
    }

    /// Things go away before the folders that they are in, and folders come back before what was in them.
    fn check(mut self, view: &View<'_>) -> Check {
        self.removals.sort_by_key(|step| std::cmp::Reverse(step.path.components().count()));
        self.returns.sort_by_key(|step| step.path.components().count());
        let removals = std::mem::take(&mut self.removals);
        let removals = self.without_full_folders(removals, view);
        let mut check = Check::unchanged();
        let mut undone = Vec::new();
        for step in removals.into_iter().chain(self.returns) {
            undone.push(step.path.to_string_lossy().into_owned());
            check.outcome.diffs.push(step.diff(view));
            check.operations.extend(step.operations);
        }
        check.outcome.changed = !undone.is_empty();
        check.with("undone", undone).with("left", self.left)
    }

    /// A folder in which something else is by now stays.
    fn without_full_folders(&mut self, removals: Vec<Step>, view: &View<'_>) -> Vec<Step> {
        let mut gone: BTreeSet<PathBuf> = BTreeSet::new();
        let mut kept = Vec::new();
        for step in removals {
            let is_folder = matches!(step.diff.0, Image::Directory { .. });
            match is_folder.then(|| somebody_elses(&step.path, &gone, view)).flatten() {
                // It stays until that user's undo has come by.
                Some(other) if self.others.have(&other) => {}
                Some(other) => self.left.push(format!(
                    "`{}` stays: `{}` is in it, which the run did not make",
                    step.path.display(),
                    other.display()
                )),
                None => {
                    gone.insert(step.path.clone());
                    kept.push(step);
                }
            }
        }
        kept
    }
}

/// Something in a folder that is not among `gone`.
fn somebody_elses(folder: &Path, gone: &BTreeSet<PathBuf>, view: &View<'_>) -> Option<PathBuf> {
    let names = view.list(folder).ok()?;
    names.into_iter().map(|name| folder.join(name)).filter(|path| !gone.contains(path)).min()
}

/// Where only the times of a file were changed, they are set back.
fn times_of(changed: &Changed, now: &Image) -> Option<Step> {
    let path = &changed.path;
    let (before, left) = (changed.before.modified()?, changed.after.as_ref()?.modified()?);
    if changed.was_written() || before == left || now.modified() != Some(left) {
        return None;
    }
    let set = Operation::SetTimes { path: path.clone(), accessed: None, modified: Some(before) };
    let diff = (now.clone(), changed.before.clone());
    Some(Step { path: path.clone(), operations: vec![set], diff, is_secret: true })
}

fn operations(changed: &Changed, now: &Image) -> Vec<Operation> {
    let (path, before) = (changed.path.clone(), &changed.before);
    let mut operations = Vec::new();
    let is_other_kind = matches!(now, Image::Directory { .. }) != matches!(before, Image::Directory { .. });
    if before.is_absent() || (is_other_kind && !now.is_absent()) {
        operations.push(Operation::Remove { path: path.clone() });
    }
    let owned = before.owned();
    let attributes = owned.map(|owned| Attributes {
        mode: Some(owned.mode),
        uid: Some(owned.uid).filter(|uid| now.owned().map(|now| now.uid) != Some(*uid)),
        gid: Some(owned.gid).filter(|gid| now.owned().map(|now| now.gid) != Some(*gid)),
    });
    let attributes = attributes.unwrap_or_default();
    match before {
        Image::Absent | Image::Special { .. } => {}
        Image::Link { target } => operations.push(Operation::Symlink { path, target: target.clone() }),
        Image::Directory { .. } => {
            if !matches!(now, Image::Directory { .. }) {
                operations.push(Operation::MakeDirectory { path: path.clone() });
            }
            operations.push(Operation::Set { path, attributes });
        }
        Image::File { .. } if before.has_content_of(now) => {
            operations.push(Operation::Set { path, attributes })
        }
        Image::File { .. } => {
            let content = before.content().unwrap_or_default().into();
            let put = Put { path, content, attributes, validate: None, may_write_in_place: false };
            operations.push(Operation::Put(put));
        }
    }
    operations
}

impl Step {
    fn diff(&self, view: &View<'_>) -> Diff {
        let (now, before) = &self.diff;
        let mut changes = Vec::new();
        if now.word() != before.word() {
            changes.push(Change::Presence { before: now.word().into(), after: before.word().into() });
        }
        let is_file = |image: &Image| matches!(image, Image::File { .. });
        if (is_file(now) || is_file(before)) && !before.has_content_of(now) {
            let bytes = is_file(now).then(|| view.read(&self.path).unwrap_or_default());
            let old = self.shown(bytes.as_deref(), view);
            changes.push(Change::Content { before: old, after: self.shown(before.content(), view) });
        }
        changes.extend(attribute("mode", now, before, |owned| format!("{:04o}", owned.mode)));
        changes.extend(attribute("owner", now, before, |owned| owned.uid.to_string()));
        changes.extend(attribute("group", now, before, |owned| owned.gid.to_string()));
        if let (Image::Link { target: old }, Image::Link { target: new }) = (now, before) {
            let shown = |target: &PathBuf| Some(target.to_string_lossy().into_owned());
            changes.push(Change::Attribute {
                attribute: "target".into(),
                before: shown(old),
                after: shown(new),
            });
        }
        let kind = if before.is_absent() { now.word() } else { before.word() };
        Diff { kind: kind.to_owned(), name: self.path.to_string_lossy().into_owned(), changes }
    }

    /// What not everybody may read on the host is not shown: it may be a password of then that no vault knows any more.
    fn shown(&self, content: Option<&[u8]>, view: &View<'_>) -> Content {
        match content {
            None => Content::Absent,
            Some(_) if self.is_secret => Content::Secret,
            Some(content) => placing::shown(content, view),
        }
    }
}

fn attribute(
    name: &str,
    now: &Image,
    before: &Image,
    text: impl Fn(crate::worker::before::Owned) -> String,
) -> Option<Change> {
    let (now, before) = (now.owned().map(&text)?, before.owned().map(&text)?);
    (now != before).then(|| Change::Attribute {
        attribute: name.into(),
        before: Some(now),
        after: Some(before),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::worker::file::Time;
    use crate::worker::trial::Trial;
    use std::os::unix::fs::PermissionsExt;

    const RUN: &str = "20260101-000000-a";

    /// A trial whose worker keeps what `file`, `copy` and others replace, as of one run.
    fn kept() -> Trial {
        Trial::new("undo").keeping(RUN)
    }

    #[test]
    fn what_a_run_wrote_made_and_removed_is_as_before() {
        let trial = kept();
        let old = trial.write("old", "before\n");
        std::fs::set_permissions(&old, std::fs::Permissions::from_mode(0o640)).expect("set");
        trial.write("tree/in/it", "kept\n");
        let path = |name: &str| trial.path(name).to_string_lossy().into_owned();
        trial.has_done("lineinfile", json!({"path": path("old"), "line": "after"}));
        trial.has_done("file", json!({"path": path("old"), "mode": "0600"}));
        trial.has_done("file", json!({"path": path("new/folder"), "state": "directory"}));
        trial.has_done("file", json!({"path": path("new/folder/f"), "state": "touch"}));
        trial.has_done("file", json!({"path": path("tree"), "state": "absent"}));
        trial.has_done("file", json!({"path": path("link"), "src": path("old"), "state": "link"}));
        let undone = trial.changes_once(json!({"run": RUN}));
        assert_eq!(undone.result["left"], json!([]));
        assert_eq!(trial.text("old"), "before\n");
        assert_eq!(std::fs::metadata(&old).expect("there").permissions().mode() & 0o777, 0o640);
        assert_eq!(trial.text("tree/in/it"), "kept\n");
        assert!(!trial.path("new").exists() && !trial.path("link").exists());
    }

    #[test]
    fn a_file_that_somebody_changed_since_stops_it_all() {
        let trial = kept();
        let path = |name: &str| trial.path(name).to_string_lossy().into_owned();
        for name in ["a", "b"] {
            trial.write(name, "before\n");
            trial.has_done("lineinfile", json!({"path": path(name), "line": "after"}));
        }
        trial.write("b", "of somebody else\n");
        let why = trial.refuse(json!({"run": RUN}));
        assert!(why.contains(&format!("`{}`", path("b"))) && !why.contains(&path("a")), "{why}");
        assert_eq!(trial.text("a"), "before\nafter\n");
    }

    #[test]
    fn a_file_of_several_users_is_brought_back_by_the_first_and_vouched_for_by_the_last() {
        let trial = kept();
        let path = trial.path("f").to_string_lossy().into_owned();
        trial.write("f", "before\n");
        trial.has_done("lineinfile", json!({"path": path, "line": "as this user"}));
        trial.write("f", "as another\n");
        trial.refuse(json!({"run": RUN, "look_only": true}));
        let told = trial.apply(json!({"run": RUN, "tell_only": true})).result["kept"][&path].clone();
        let time = |name: &str| serde_json::from_value::<Time>(told[name].clone()).expect("a time");
        let (first, last) = (time("first"), time("last"));
        let later = |time: Time, seconds: i64| Time { seconds: time.seconds + seconds, ..time };
        assert!(told["is_as_left"] == false && told["is_back"] == false, "{told}");
        let other = |earlier: i64, later_by: i64| {
            let (first, last) = (later(first, earlier), later(last, later_by));
            json!([{&path: {"first": first, "last": last, "is_back": false, "is_as_left": true}}])
        };
        trial.refuse(json!({"run": RUN, "look_only": true, "others": other(-2, -1)}));
        trial.is_silent(json!({"run": RUN, "look_only": true, "others": other(-1, 1)}));
        trial.is_silent(json!({"run": RUN, "others": other(-1, 1)}));
        assert_eq!(trial.text("f"), "as another\n", "that user brings it back");
        trial.changes_once(json!({"run": RUN, "others": other(1, 1)}));
        assert_eq!(trial.text("f"), "before\n");
    }

    #[test]
    fn a_folder_with_a_file_of_another_user_of_the_run_waits_for_that_one() {
        let trial = kept();
        let path = |name: &str| trial.path(name).to_string_lossy().into_owned();
        trial.has_done("file", json!({"path": path("new"), "state": "directory"}));
        trial.write("new/f", "of the other");
        let others = json!([{path("new/f"): {"first": Time::default(), "last": Time::default(), "is_back": false, "is_as_left": true}}]);
        let undo = json!({"run": RUN, "others": others});
        let waits = trial.apply(undo.clone());
        assert!(!waits.failed && !waits.changed && waits.result["left"] == json!([]), "{waits:?}");
        std::fs::remove_file(trial.path("new/f")).expect("removed");
        trial.changes_once(undo);
        assert!(!trial.path("new").exists());
    }

    #[test]
    fn a_run_that_broke_off_in_a_change_is_undone_too() {
        let trial = kept();
        let path = trial.path("f").to_string_lossy().into_owned();
        trial.write("f", "before\n");
        trial.has_done("lineinfile", json!({"path": path, "line": "after"}));
        trial.forget_last_line();
        trial.changes_once(json!({"run": RUN}));
        assert_eq!(trial.text("f"), "before\n");
    }

    #[test]
    fn what_is_no_file_and_a_folder_with_something_else_in_it_are_named() {
        let trial = kept();
        let path = |name: &str| trial.path(name).to_string_lossy().into_owned();
        trial.has_done("file", json!({"path": path("new"), "state": "directory"}));
        trial.has_done("command", json!({"argv": ["touch", path("new/other")]}));
        let undone = trial.apply(json!({"run": RUN}));
        assert!(!undone.failed && !undone.changed, "{undone:?}");
        let left = undone.result["left"].to_string();
        assert!(left.contains("command") && left.contains("new/other"), "{left}");
        assert!(trial.path("new/other").exists());
    }

    #[test]
    fn contents_that_not_everybody_may_read_are_not_shown() {
        let trial = kept();
        let path = trial.write("f", "secret of then\n");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).expect("set");
        trial.has_done("lineinfile", json!({"path": path.to_string_lossy(), "line": "another"}));
        let checked = trial.check(json!({"run": RUN}));
        assert!(checked.changed && !format!("{:?}", checked.diffs).contains("secret of then"), "{checked:?}");
    }

    #[test]
    fn a_run_that_nothing_is_kept_of_changes_nothing() {
        kept().is_silent(json!({"run": "20250101-000000-b"}));
    }
}
