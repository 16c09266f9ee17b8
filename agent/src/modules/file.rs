//! `file`: directories, links, touched and removed files, and their owner and mode.

mod below;

use super::attributes::{self, Wanted};
use super::{Args, Check, Failure, Module, Report};
use crate::worker::file::{Kind, Stat, Time};
use crate::worker::{Operation, View};
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use muster_api::diff::{Change, Diff};
use serde_json::{Map, Value};
use std::path::{Path, PathBuf};

pub(super) struct File;

impl Module for File {
    fn check(&self, args: &Args<'_>, view: &View<'_>) -> Result<Check, Failure> {
        let warnings = if view.is_check() { attributes::unknown_accounts(args, view) } else { Vec::new() };
        match Self::checked(args, view) {
            Ok(mut check) => {
                check.outcome.warnings.extend(warnings);
                Ok(check)
            }
            Err(failure) => Err(failure.warning(warnings)),
        }
    }
}

impl File {
    fn checked(args: &Args<'_>, view: &View<'_>) -> Result<Check, Failure> {
        let target = Target::of(args, view)?;
        if args.flag("_diff_peek") {
            return Ok(target.peek());
        }
        let mut check = match target.state {
            "absent" => target.absent()?,
            "directory" => target.directory()?,
            "file" => target.file()?,
            "touch" => target.touch()?,
            "link" => target.link()?,
            _ => target.hard()?,
        };
        let key = if matches!(target.state, "link" | "hard" | "touch") { "dest" } else { "path" };
        check = check.with(key, target.path.to_string_lossy());
        let (mut before, after) = both_sides(&target.path, &check.outcome.diffs);
        if let Some(content) = target.removed_content() {
            before.insert("path_content".into(), content);
        }
        Ok(check.with("diff", serde_json::json!({"before": before, "after": after})))
    }
}

/// All that changes in two mappings, as playbooks read the `diff` of this module.
fn both_sides(path: &Path, diffs: &[Diff]) -> (Map<String, Value>, Map<String, Value>) {
    let name = || Map::from_iter([("path".to_owned(), Value::from(path.to_string_lossy()))]);
    let (mut before, mut after) = (name(), name());
    let own = diffs.iter().filter(|diff| Path::new(&diff.name) == path);
    for change in own.flat_map(|diff| &diff.changes) {
        match change {
            Change::Presence { before: old, after: new } => {
                before.insert("state".into(), old.as_str().into());
                after.insert("state".into(), new.as_str().into());
            }
            Change::Attribute { attribute, before: old, after: new } => {
                let name = if attribute == "target" { "src" } else { attribute };
                before.insert(name.to_owned(), old.clone().into());
                after.insert(name.to_owned(), new.clone().into());
            }
            Change::Content { .. } => {}
        }
    }
    (before, after)
}

struct Target<'a> {
    args: &'a Args<'a>,
    view: &'a View<'a>,
    path: PathBuf,
    stat: Option<Stat>,
    state: &'a str,
    wanted: Wanted,
}

impl<'a> Target<'a> {
    fn of(args: &'a Args<'a>, view: &'a View<'a>) -> Result<Self, Failure> {
        let path = args.needed_path("path", view)?;
        let unreadable = |error| Failure::new(format!("cannot read `{}`: {error}", path.display()));
        let stat = view.lstat(&path).map_err(unreadable)?;
        let state = args.text("state").unwrap_or_else(|| match &stat {
            Some(stat) => match stat.kind {
                Kind::Directory => "directory",
                Kind::Link => "link",
                _ => "file",
            },
            None if args.flag("recurse") => "directory",
            None => "file",
        });
        if args.flag("recurse") && state != "directory" {
            return Err(Failure::new("`recurse` goes with `state: directory`"));
        }
        if args.text("src").is_some() && !matches!(state, "link" | "hard") {
            return Err(Failure::new("src option requires state to be 'link' or 'hard'"));
        }
        let follows = args.choice("follow") != Some(false) && matches!(state, "directory" | "file" | "touch");
        let located = view.locate(&path, follows).map_err(unreadable)?;
        let (path, stat) = if follows { (located.path, located.stat) } else { (path, stat) };
        let wanted = Wanted::of(args, view)?;
        Ok(Self { args, view, path, stat, state, wanted })
    }

    /// Whether it looks like text, for who shows differences.
    fn peek(&self) -> Check {
        let content = self.view.read(&self.path).unwrap_or_default();
        let is_binary = content.iter().take(8192).any(|byte| *byte == 0);
        Check::unchanged().with("path", self.path.to_string_lossy()).with("appears_binary", is_binary)
    }

    fn absent(&self) -> Result<Check, Failure> {
        let Some(stat) = &self.stat else { return Ok(Check::unchanged().with("state", "absent")) };
        // Else half of it would be gone before the mount is in the way.
        if let Some(mount) = super::mount::mounted_below(&self.path, self.view) {
            return Err(self.refusal(&format!("cannot be removed: `{mount}` is mounted; unmount it first")));
        }
        let check =
            self.presence(stat.kind.word(), "absent", vec![Operation::Remove { path: self.path.clone() }]);
        Ok(check.with("state", "absent"))
    }

    /// What goes away with a directory, for who wants to see differences.
    fn removed_content(&self) -> Option<Value> {
        let is_removed = self.state == "absent" && self.stat.as_ref().is_some_and(Stat::is_directory);
        (is_removed && self.view.wants_diff()).then(|| below::content(&self.path, self.view))
    }

    fn file(&self) -> Result<Check, Failure> {
        match &self.stat {
            Some(stat) if !stat.is_directory() => {
                self.with_times(self.with_attributes(Check::unchanged(), stat), false)
            }
            Some(_) => Err(self.refusal("is a directory, and `state: file` makes no file of it")),
            None => Err(Failure::missing(format!(
                "file ({}) is absent, cannot continue: `state: file` creates nothing; use `state: touch` or module `copy`",
                self.path.display()
            ))
            .with("path", self.path.to_string_lossy())
            .with("state", "absent")),
        }
    }

    fn touch(&self) -> Result<Check, Failure> {
        let check = match &self.stat {
            Some(stat) => self.with_attributes(Check::unchanged(), stat),
            None => {
                self.needs_folder()?;
                let put = crate::worker::Put {
                    path: self.path.clone(),
                    content: [].into(),
                    attributes: self
                        .wanted
                        .differing(&Stat::new(Kind::File, 0o666 & !self.view.umask()), self.view),
                    validate: None,
                    may_write_in_place: false,
                };
                self.presence("absent", "file", vec![Operation::Put(put)])
            }
        };
        self.with_times(check, self.stat.is_some())
    }

    fn directory(&self) -> Result<Check, Failure> {
        match &self.stat {
            Some(stat) if stat.is_directory() => {
                let mut check = self.with_attributes(Check::unchanged(), stat);
                if self.args.flag("recurse") {
                    let follows = self.args.choice("follow") != Some(false);
                    below::Recursion::new(&self.wanted, self.view, follows).below(&self.path, &mut check)?;
                }
                self.with_times(check, false)
            }
            Some(stat) => {
                Err(self.refusal(&format!("is a {}, not a directory; remove it first", stat.kind.word())))
            }
            None => self.make_folders(),
        }
    }

    /// Every directory that is missing gets the attributes, as in Ansible.
    fn make_folders(&self) -> Result<Check, Failure> {
        let mut check = Check::unchanged();
        for folder in super::placing::missing_folders(&self.path, self.view)? {
            let attributes =
                self.wanted.differing(&Stat::new(Kind::Directory, 0o777 & !self.view.umask()), self.view);
            check.operations.push(Operation::MakeDirectory { path: folder.clone() });
            if !attributes.is_empty() {
                check.operations.push(Operation::Set { path: folder, attributes });
            }
        }
        let made = self.presence("absent", "directory", check.operations);
        self.with_times(made, false)
    }

    fn link(&self) -> Result<Check, Failure> {
        let src = match (self.args.text("src"), &self.stat) {
            (Some(src), _) => self.view.expand(src).into(),
            (None, Some(Stat { target: Some(target), .. })) => target.clone(),
            _ => return Err(Failure::new("src is required for creating new symlinks")),
        };
        let points_at = self.path.parent().unwrap_or(Path::new("/")).join(&src);
        let force = self.args.flag("force");
        if !force && !self.view.exists(&points_at) {
            return Err(Failure::missing(format!(
                "`src` `{}` does not exist; `force: true` makes the link all the same",
                points_at.display()
            )));
        }
        let make = Operation::Symlink { path: self.path.clone(), target: src.clone() };
        let check = match &self.stat {
            Some(Stat { target: Some(target), .. }) if *target == src => Check::unchanged(),
            Some(Stat { target: Some(target), .. }) => self.attribute("target", target, &src, vec![make]),
            None => {
                self.needs_folder()?;
                self.presence("absent", "link", vec![make])
            }
            Some(stat) => {
                self.may_replace(stat, force)?;
                let remove = Operation::Remove { path: self.path.clone() };
                self.presence(stat.kind.word(), "link", vec![remove, make])
            }
        };
        Ok(self.dressed(check, &points_at).with("src", src.to_string_lossy()))
    }

    /// Owner and mode are those of what a link leads to, unless `follow: false` means the link itself.
    fn dressed(&self, mut check: Check, points_at: &Path) -> Check {
        let target = self.view.locate(points_at, true).ok();
        let target =
            target.filter(|target| target.stat.is_some() && self.args.choice("follow") != Some(false));
        let Some(target) = target else { return self.owned(check) };
        let one = super::placing::set_attributes(&target.path, target.stat.as_ref(), &self.wanted, self.view);
        check.outcome.changed |= one.outcome.changed;
        check.outcome.diffs.extend(one.outcome.diffs);
        check.operations.extend(one.operations);
        check
    }

    /// Only `force` puts a link in the place of something else, and never in that of a directory that holds something.
    fn may_replace(&self, stat: &Stat, force: bool) -> Result<(), Failure> {
        let is_empty = stat.is_directory() && self.view.list(&self.path).is_ok_and(|names| names.is_empty());
        if stat.is_directory() && !is_empty {
            return Err(self.refusal("is a directory that is not empty; no link is made in its place"));
        }
        if !force {
            return Err(
                self.refusal(&format!("is a {}; `force: true` puts a link in its place", stat.kind.word()))
            );
        }
        Ok(())
    }

    fn hard(&self) -> Result<Check, Failure> {
        let src = match (self.args.path("src", self.view), &self.stat) {
            (Some(src), _) => src,
            // What has another name already is one.
            (None, Some(stat)) if stat.is_file() && stat.links > 1 => self.path.clone(),
            (None, _) => return Err(Failure::new("src is required for creating new hardlinks")),
        };
        let source = self.view.lstat(&src).ok().flatten();
        let source = source.ok_or_else(|| {
            let src = self.args.text("src").map_or_else(|| src.to_string_lossy(), Into::into);
            let failure = Failure::missing("src does not exist").with("src", src);
            failure.with("dest", self.path.to_string_lossy())
        })?;
        if source.is_directory() {
            return Err(Failure::new(format!(
                "`{}` is a directory: only `state: link` leads to one",
                src.display()
            ))
            .with("path", self.path.to_string_lossy()));
        }
        let make = Operation::Hardlink { path: self.path.clone(), target: src.clone() };
        let check = match &self.stat {
            Some(stat) if (stat.inode, stat.device) == (source.inode, source.device) => Check::unchanged(),
            None => {
                self.needs_folder()?;
                self.presence("absent", "hard", vec![make])
            }
            Some(stat) if stat.is_directory() => {
                return Err(self.refusal("is a directory; no hard link is made in its place"));
            }
            Some(stat) if !self.args.flag("force") => {
                return Err(
                    self.refusal(&format!("is another {}; `force: true` replaces it", stat.kind.word()))
                );
            }
            Some(stat) => self.presence(stat.kind.word(), "hard", vec![make]),
        };
        Ok(self.owned(check).with("src", src.to_string_lossy()))
    }

    /// A link that is made or kept gets the owner that is asked for.
    fn owned(&self, check: Check) -> Check {
        let made = Stat::new(Kind::Link, 0o777);
        let stat = self.stat.as_ref().filter(|stat| stat.is_link()).unwrap_or(&made);
        let wanted = Wanted { mode: None, ..self.wanted.clone() };
        let attributes = wanted.differing(stat, self.view);
        self.set(check, stat, attributes)
    }

    fn with_attributes(&self, check: Check, stat: &Stat) -> Check {
        let attributes = self.wanted.differing(stat, self.view);
        self.set(check, stat, attributes)
    }

    fn set(&self, mut check: Check, stat: &Stat, attributes: crate::worker::Attributes) -> Check {
        check.report = Report::File(self.path.clone());
        if attributes.is_empty() {
            return check;
        }
        let changes = attributes::changes(stat, attributes, self.view);
        check.outcome.changed = true;
        check.operations.push(Operation::Set { path: self.path.clone(), attributes });
        match check.outcome.diffs.first_mut() {
            Some(diff) => diff.changes.extend(changes),
            None => check.outcome.diffs.push(self.diff(changes)),
        }
        check
    }

    fn with_times(&self, mut check: Check, is_touch: bool) -> Result<Check, Failure> {
        let default = if is_touch { "now" } else { "preserve" };
        let accessed = self.time("access_time", default)?;
        let modified = self.time("modification_time", default)?;
        let stat = self.stat.as_ref();
        let accessed = accessed.filter(|time| stat.is_none_or(|stat| stat.accessed != *time));
        let modified = modified.filter(|time| stat.is_none_or(|stat| stat.modified != *time));
        check.report = Report::File(self.path.clone());
        if accessed.is_none() && modified.is_none() {
            return Ok(check);
        }
        let told = |name: &str, old: Option<Time>, new: Option<Time>| {
            new.map(|new| Change::Attribute {
                attribute: name.to_owned(),
                before: old.map(clock),
                after: Some(if self.args.text(name).unwrap_or("now") == "now" {
                    "now".into()
                } else {
                    clock(new)
                }),
            })
        };
        let changes = [
            told("access_time", stat.map(|stat| stat.accessed), accessed),
            told("modification_time", stat.map(|stat| stat.modified), modified),
        ];
        let changes = changes.into_iter().flatten();
        match check.outcome.diffs.first_mut() {
            None => check.outcome.diffs.push(self.diff(changes.collect())),
            // A thing that is new has no times that change.
            Some(diff) if diff.changes.iter().any(|change| matches!(change, Change::Presence { .. })) => {}
            Some(diff) => diff.changes.extend(changes),
        }
        check.outcome.changed = true;
        let is_now = |name: &str| self.args.text(name).unwrap_or(default) == "now";
        let path = self.path.clone();
        check.operations.push(match is_now("access_time") && is_now("modification_time") {
            true => Operation::Touch { path },
            false => Operation::SetTimes { path, accessed, modified },
        });
        Ok(check)
    }

    /// `None` leaves the time as it is.
    fn time(&self, name: &str, default: &str) -> Result<Option<Time>, Failure> {
        match self.args.text(name).unwrap_or(default) {
            "preserve" | "" => Ok(None),
            "now" => Ok(Some(Time::now())),
            written => {
                let format = self.args.text(&format!("{name}_format")).unwrap_or("%Y%m%d%H%M.%S");
                let parsed =
                    DateTime::strptime(format, written).and_then(|time| time.to_zoned(TimeZone::system()));
                let zoned = parsed.map_err(|error| {
                    Failure::new(format!(
                        "`{name}` is `{written}`, which is not a time in the form `{format}`: {error}"
                    ))
                })?;
                Ok(Some(Time { seconds: zoned.timestamp().as_second(), nanoseconds: 0 }))
            }
        }
    }

    fn needs_folder(&self) -> Result<(), Failure> {
        let folder = self.path.parent().unwrap_or(Path::new("/"));
        if self.view.may_have_folder(folder) {
            return Ok(());
        }
        Err(Failure::missing(format!(
            "the folder `{}` does not exist; create it first with `state: directory`",
            folder.display()
        )))
    }

    fn refusal(&self, what: &str) -> Failure {
        let failure = Failure::new(format!("`{}` {what}", self.path.display()));
        failure.with("path", self.path.to_string_lossy())
    }

    fn presence(&self, before: &str, after: &str, operations: Vec<Operation>) -> Check {
        let change = Change::Presence { before: before.to_owned(), after: after.to_owned() };
        let mut check = Check::change(self.diff(vec![change]), operations);
        if after != "absent" {
            check.report = Report::File(self.path.clone());
        }
        check
    }

    fn attribute(&self, name: &str, before: &Path, after: &Path, operations: Vec<Operation>) -> Check {
        let text = |path: &Path| Some(path.to_string_lossy().into_owned());
        let change =
            Change::Attribute { attribute: name.to_owned(), before: text(before), after: text(after) };
        Check::change(self.diff(vec![change]), operations)
    }

    fn diff(&self, changes: Vec<Change>) -> Diff {
        Diff { kind: "file".into(), name: self.path.to_string_lossy().into_owned(), changes }
    }
}

fn clock(time: Time) -> String {
    let timestamp = jiff::Timestamp::from_second(time.seconds).unwrap_or_default();
    timestamp.to_zoned(TimeZone::system()).strftime("%Y-%m-%d %H:%M:%S").to_string()
}

#[cfg(test)]
mod tests {
    use crate::worker::trial::Trial;
    use serde_json::json;
    use std::os::unix::fs::MetadataExt;

    #[test]
    fn no_folder_is_planned_below_a_file_and_no_hard_link_to_a_folder() {
        let trial = Trial::new("file");
        let file = trial.write("file", "x");
        let said = trial.refuse(json!({"path": file.join("below"), "state": "directory"}));
        assert!(said.contains("leads through the file"), "{said}");
        let link = json!({"path": trial.path("link"), "src": trial.path(""), "state": "hard"});
        assert!(trial.refuse(link).contains("is a directory"));
    }

    #[test]
    fn directories_are_made_with_those_above_them_and_then_left_alone() {
        let trial = Trial::new("file");
        let path = trial.path("a/b/c");
        trial.changes_once(json!({"path": path, "state": "directory", "mode": "0750"}));
        assert_eq!(std::fs::metadata(&path).expect("made").mode() & 0o7777, 0o750);
    }

    #[test]
    fn mode_of_a_file_is_set_once() {
        let trial = Trial::new("file");
        let path = trial.write("f", "x");
        trial.changes_once(json!({"path": path, "mode": "u=rw,go="}));
    }

    #[test]
    fn everything_below_a_directory_gets_the_mode_but_files_no_execution() {
        let trial = Trial::new("file");
        trial.write("d/e/f", "x");
        trial.changes_once(json!({"path": trial.path("d"), "recurse": true, "mode": "u=rwX,go=X"}));
        assert_eq!(std::fs::metadata(trial.path("d/e/f")).expect("there").mode() & 0o7777, 0o600);
        assert_eq!(std::fs::metadata(trial.path("d/e")).expect("there").mode() & 0o7777, 0o711);
    }

    #[test]
    fn what_links_below_a_directory_lead_to_gets_the_mode_where_they_are_followed() {
        let trial = Trial::new("file");
        let outside = trial.write("outside/f", "x");
        std::fs::create_dir(trial.path("d")).expect("made");
        std::os::unix::fs::symlink(trial.path("outside"), trial.path("d/link")).expect("linked");
        std::os::unix::fs::symlink(trial.path("d"), trial.path("outside/circle")).expect("linked");
        let mode = || std::fs::metadata(&outside).expect("there").mode() & 0o7777;
        let recursion =
            |follow: bool| json!({"path": trial.path("d"), "recurse": true, "follow": follow, "mode": "u+x"});
        trial.is_silent(recursion(false));
        assert_eq!(mode() & 0o100, 0);
        trial.changes_once(recursion(true));
        assert_eq!(mode() & 0o100, 0o100);
    }

    #[test]
    fn diff_of_a_removed_directory_names_what_goes_with_it() {
        let trial = Trial::new("file");
        let file = trial.write("d/e/f", "x");
        let outcome = trial.check(json!({"path": trial.path("d"), "state": "absent"}));
        let content = &outcome.result["diff"]["before"]["path_content"];
        assert_eq!(*content, json!({"directories": [trial.path("d/e")], "files": [file]}));
        let outcome = trial.check(json!({"path": file, "state": "absent"}));
        assert!(outcome.result["diff"]["before"].get("path_content").is_none());
    }

    #[test]
    fn unknown_owner_is_warned_of_in_check_mode_also_where_the_step_fails() {
        let trial = Trial::new("file");
        let outcome = trial.check(json!({"path": trial.path("no"), "owner": "muster-nobody"}));
        assert!(outcome.failed);
        assert!(outcome.warnings[0].contains("failed to look up user muster-nobody"), "{outcome:?}");
        let path = trial.write("f", "x");
        let outcome = trial.check(json!({"path": path, "group": "777001"}));
        assert!(outcome.warnings[0].contains("failed to look up group with gid 777001"), "{outcome:?}");
        assert_eq!(trial.apply(json!({"path": path, "mode": "1640"})).result["mode"], "01640");
    }

    #[test]
    fn links_are_made_changed_and_removed() {
        let trial = Trial::new("file");
        trial.write("one", "1");
        trial.write("two", "2");
        let link = trial.path("link");
        trial.changes_once(json!({"path": link, "src": "one", "state": "link"}));
        trial.changes_once(json!({"path": link, "src": "two", "state": "link"}));
        assert_eq!(std::fs::read_to_string(&link).expect("points"), "2");
        trial.changes_once(json!({"path": trial.path("hard"), "src": trial.path("one"), "state": "hard"}));
        trial.changes_once(json!({"path": link, "state": "absent"}));
        assert!(trial.path("two").exists(), "the link went, not what it points to");
    }

    #[test]
    fn nothing_is_under_a_name_that_no_file_can_have() {
        let trial = Trial::new("file");
        trial.is_silent(json!({"path": trial.path(&"x".repeat(300)), "state": "absent"}));
    }

    #[test]
    fn directory_with_files_goes_away_whole() {
        let trial = Trial::new("file");
        trial.write("d/e/f", "x");
        trial.changes_once(json!({"path": trial.path("d"), "state": "absent"}));
        assert!(!trial.path("d").exists());
    }

    #[test]
    fn touched_file_is_made_and_touched_again_unless_times_are_preserved() {
        let trial = Trial::new("file");
        let path = trial.path("f");
        let still = json!({"path": path, "state": "touch", "access_time": "preserve", "modification_time": "preserve"});
        trial.changes_once(still);
        let outcome = trial.apply(json!({"path": path, "state": "touch"}));
        assert!(outcome.changed);
        trial.changes_once(json!({"path": path, "state": "touch", "access_time": "preserve",
            "modification_time": "200101020304.05"}));
    }

    #[test]
    fn times_of_a_file_are_set_without_touching_it() {
        let trial = Trial::new("file");
        let path = trial.write("f", "x");
        let outcome = trial.changes_once(json!({"path": path, "modification_time": "200101020304.05"}));
        assert_eq!(outcome.result["diff"]["after"]["modification_time"], "2001-01-02 03:04:05");
    }

    #[test]
    fn what_is_in_the_way_is_named() {
        let trial = Trial::new("file");
        trial.write("d/f", "x");
        let refused =
            trial.refuse(json!({"path": trial.path("d"), "src": "/etc", "state": "link", "force": true}));
        assert!(refused.contains("is a directory that is not empty"), "{refused}");
        let refused = trial.refuse(json!({"path": trial.path("d/f"), "state": "directory"}));
        assert!(refused.contains("is a file, not a directory"), "{refused}");
        let refused = trial.refuse(json!({"path": trial.path("no"), "state": "file"}));
        assert!(refused.contains("state: touch"), "{refused}");
        let refused = trial.refuse(json!({"path": trial.path("d/f"), "owner": "muster-nobody"}));
        assert!(refused.contains("no user `muster-nobody`"), "{refused}");
    }
}
