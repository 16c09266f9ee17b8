//! What a plan does not know of a host: what may be otherwise by now, because an earlier step may have changed it or may not have
//! been done. A step that looks at it is told as unknown, with the reason.

use super::news::News;
use super::{Content, Entry, Overlay};
use crate::worker::file::Stat;
use crate::worker::operation::Operation;
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Where packages put what they bring (hier(7)).
const OF_PACKAGES: [&str; 8] = ["/bin", "/etc", "/lib", "/opt", "/sbin", "/usr", "/var/lib", "/var/www"];

impl Entry {
    /// Whether nothing tells them apart.
    fn is_like(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Absent, Self::Absent) => true,
            (Self::There { stat, content }, Self::There { stat: its_stat, content: its_content }) => {
                stat == its_stat && content.is_like(its_content)
            }
            _ => false,
        }
    }
}

impl Content {
    fn is_like(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Own(one), Self::Own(other)) => one == other,
            (Self::Real(one), Self::Real(other)) => one == other,
            (Self::Later(one), Self::Later(other)) => one == other,
            (Self::Packed(one), Self::Packed(other)) => Arc::ptr_eq(one, other),
            (Self::Fresh, Self::Fresh) | (Self::None, Self::None) => true,
            _ => false,
        }
    }
}

impl Overlay {
    /// Notes that the step looks at a thing of this kind and name: that may not be known.
    pub(crate) fn consider(&self, kind: &'static str, name: &str) {
        if !self.doubted.is_empty() {
            let why = self.doubted.get(&(Cow::Borrowed(kind), name.to_owned()));
            why.into_iter().for_each(|why| self.miss(why));
        }
    }

    /// Remembers that a thing of this kind and name may be otherwise by now.
    pub(in crate::worker) fn doubt_name(&mut self, kind: &'static str, name: &str, why: &str) {
        self.doubted.insert((kind.into(), name.to_owned()), why.to_owned());
    }

    pub(super) fn miss(&self, why: &str) {
        self.missed.borrow_mut().get_or_insert_with(|| why.to_owned());
    }

    /// Why what was looked at since the last call is not known, where something was not.
    pub(in crate::worker) fn take_missed(&self) -> Option<String> {
        self.missed.take()
    }

    /// A step begins to look: what was looked at before is none of its business.
    pub(in crate::worker) fn look_afresh(&self) {
        self.missed.take();
        self.brought.take();
    }

    /// Whether packages that would be installed may bring this path, which is missing. After an earlier step that removes it, it is
    /// gone whatever they bring.
    pub(super) fn may_be_brought(&self, path: &Path) -> bool {
        let is_removed =
            || path.ancestors().any(|above| matches!(self.files.get(above), Some(Entry::Absent)));
        let is_of_system = || OF_PACKAGES.iter().any(|folder| path.starts_with(folder));
        self.has_new_packages() && is_of_system() && !is_removed()
    }

    /// What was looked for since the last call and not found, that packages of the plan may bring.
    pub(in crate::worker) fn take_brought(&self) -> Option<PathBuf> {
        self.brought.take()
    }

    /// Remembers that a step, of which it is not known what it does, may make or change what is at a path, or remove it.
    pub(in crate::worker) fn perhaps(&mut self, path: &Path, may_remove: bool, why: &str) -> io::Result<()> {
        let located = self.locate(path, true)?;
        match located.stat {
            Some(stat) if stat.is_file() && !may_remove => {
                self.altered.insert(located.path.clone(), why.to_owned());
                self.put(&located.path, stat, Content::Later(why.into()))
            }
            Some(_) if !may_remove => Ok(()),
            _ => {
                self.note(News::Perhaps { path: located.path.clone(), why: why.to_owned() });
                self.perhaps.insert(located.path, why.to_owned());
                Ok(())
            }
        }
    }

    /// Remembers that a step was not run whose result is not known.
    pub(in crate::worker) fn doubt(&mut self, reason: String) {
        self.note(News::Doubt(reason.clone()));
        self.uncertain.push(reason);
    }

    /// Remembers what a step would have done of which it is not known whether it is done.
    pub(in crate::worker) fn predict_perhaps(&mut self, operations: &[Operation], umask: u32, why: &str) {
        let mut done = self.clone();
        for operation in operations {
            // What cannot be predicted is not known any better for that.
            let _ = done.predict(operation, umask);
        }
        self.doubt_differences(&done, why);
        self.doubt_things(&done, why);
    }

    /// Remembers what a step would have done that has looked at what is not known: it may do something else. Where that cannot be
    /// said, nothing is remembered.
    pub(in crate::worker) fn predict_in_doubt(
        &mut self,
        operations: &[Operation],
        umask: u32,
        why: &str,
    ) -> io::Result<()> {
        let before = self.clone();
        if let Err(error) = operations.iter().try_for_each(|operation| self.predict(operation, umask)) {
            *self = before;
            return Err(error);
        }
        let paths: Vec<PathBuf> = self.differing(&before).cloned().collect();
        for path in paths {
            if matches!(self.files.get(&path), Some(Entry::There { .. })) {
                self.altered.insert(path, why.to_owned());
            } else {
                self.note(News::Perhaps { path: path.clone(), why: why.to_owned() });
                self.perhaps.insert(path, why.to_owned());
            }
        }
        self.doubt_things(&before, why);
        Ok(())
    }

    /// The paths at which this is another one than there.
    fn differing<'a>(&'a self, other: &'a Self) -> impl Iterator<Item = &'a PathBuf> {
        let paths: BTreeSet<&PathBuf> = self.files.keys().chain(other.files.keys()).collect();
        paths.into_iter().filter(|path| match (self.files.get(*path), other.files.get(*path)) {
            (Some(one), Some(other)) => !one.is_like(other),
            (one, other) => one.is_some() || other.is_some(),
        })
    }

    fn doubt_differences(&mut self, done: &Self, why: &str) {
        let paths: Vec<PathBuf> = self.differing(done).cloned().collect();
        for path in paths {
            let (Ok(without), Ok(with)) = (self.plain(&path), done.plain(&path)) else { continue };
            match (without.stat, with.stat) {
                (Some(stat), Some(other)) if stat.kind == other.kind && !stat.is_link() => {
                    let is_same = |one: &Stat, other: &Stat| {
                        (one.mode, one.uid, one.gid) == (other.mode, other.uid, other.gid)
                    };
                    if !is_same(&stat, &other) || stat.is_directory() {
                        self.altered.insert(path.clone(), why.to_owned());
                    }
                    if stat.is_file() {
                        self.note(News::Put(path.clone()));
                        self.files.insert(path, Entry::There { stat, content: Content::Later(why.into()) });
                    }
                }
                (None, None) => {}
                _ => {
                    self.note(News::Perhaps { path: path.clone(), why: why.to_owned() });
                    self.perhaps.insert(path, why.to_owned());
                }
            }
        }
        for (path, why) in &done.perhaps {
            self.note(News::Perhaps { path: path.clone(), why: why.clone() });
            self.perhaps.entry(path.clone()).or_insert_with(|| why.clone());
        }
    }

    /// What is told by name is as little known where the other one has it otherwise.
    fn doubt_things(&mut self, other: &Self, why: &str) {
        fn names<V: PartialEq>(one: &BTreeMap<String, V>, other: &BTreeMap<String, V>) -> Vec<String> {
            let all: BTreeSet<&String> = one.keys().chain(other.keys()).collect();
            all.into_iter().filter(|name| one.get(*name) != other.get(*name)).cloned().collect()
        }
        let mut found: Vec<(Cow<'static, str>, String)> = Vec::new();
        for (kind, names) in [
            ("package", names(&self.packages, &other.packages)),
            ("unit", names(&self.units, &other.units)),
            ("user", names(&self.users, &other.users)),
            ("group", names(&self.groups, &other.groups)),
            ("port", names(&self.ports, &other.ports)),
        ] {
            found.extend(names.into_iter().map(|name| (kind.into(), name)));
        }
        let keys = self.things.keys().chain(other.things.keys());
        found.extend(keys.filter(|key| self.things.get(*key) != other.things.get(*key)).cloned());
        if self.hostname != other.hostname {
            found.push(("hostname".into(), String::new()));
        }
        self.doubted.extend(found.into_iter().map(|thing| (thing, why.to_owned())));
    }

    /// What is known of a thing again.
    pub(super) fn settle(&mut self, kind: &'static str, name: &str) {
        self.doubted.remove(&(Cow::Borrowed(kind), name.to_owned()));
    }

    /// What is at a path is known again.
    pub(super) fn settle_path(&mut self, path: &Path) {
        if let Ok(located) = self.locate(path, false) {
            self.perhaps.remove(&located.path);
            self.altered.remove(&located.path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::worker::operation::{Attributes, Prediction};
    use crate::worker::overlay::tests::put;

    #[test]
    fn what_packages_may_bring_is_not_known_to_be_missing_unless_it_was_removed_since() {
        use crate::worker::overlay::Package;
        let mut overlay = Overlay::default();
        let brought = |overlay: &Overlay, path: &str| {
            overlay.look(Path::new(path), true).expect("walks");
            overlay.take_brought()
        };
        let path = "/etc/muster-none/site";
        assert_eq!(brought(&overlay, path), None, "there are none");
        overlay.packages.insert("nginx".into(), Package::Installed(None));
        assert_eq!(brought(&overlay, path), Some(path.into()));
        assert_eq!(brought(&overlay, "/srv/muster-none"), None, "no package has anything there");
        overlay.predict(&Operation::Remove { path: path.into() }, 0o022).expect("predicted");
        assert_eq!(brought(&overlay, path), None);
    }

    #[test]
    fn what_is_known_only_when_an_earlier_step_is_done_is_noted_where_it_is_looked_at() {
        let folder = tempfile::tempdir().expect("a folder");
        let root = folder.path().canonicalize().expect("it exists");
        let mut overlay = Overlay::default();
        let why = || "it is packed then".to_owned();
        let bring =
            |overlay: &mut Overlay, prediction| overlay.expect(&prediction, 0o022).expect("predicted");
        bring(&mut overlay, Prediction::Later { path: root.join("a.tar"), why: why() });
        bring(&mut overlay, Prediction::Perhaps { path: root.join("made"), why: why() });
        assert!(overlay.look(&root.join("a.tar"), true).expect("there").stat.is_some());
        assert_eq!(overlay.take_missed(), None, "that it is there is known");
        assert!(overlay.read(&root.join("a.tar")).is_err());
        assert_eq!(overlay.take_missed(), Some(why()));
        assert!(overlay.look(&root.join("made/below"), true).expect("walks").stat.is_none());
        assert_eq!(overlay.take_missed(), Some(why()));
        overlay.look(&root.join("other"), true).expect("walks");
        assert_eq!(overlay.take_missed(), None);
    }

    #[test]
    fn what_a_step_would_change_that_may_not_be_done_is_known_no_more_and_all_else_is() {
        let folder = tempfile::tempdir().expect("a folder");
        let root = folder.path().canonicalize().expect("it exists");
        for name in ["written", "removed", "set", "other"] {
            std::fs::write(root.join(name), "x").expect("written");
        }
        let mut overlay = Overlay::default();
        let attributes = Attributes { mode: Some(0o600), ..Attributes::default() };
        let operations = [
            put(&root.join("written"), b"y"),
            put(&root.join("new"), b"y"),
            Operation::Remove { path: root.join("removed") },
            Operation::Set { path: root.join("set"), attributes },
        ];
        overlay.predict_perhaps(&operations, 0o022, "it depends");
        let missed = |name: &str, what: &str| {
            let path = root.join(name);
            match what {
                "exists" => drop(overlay.look(&path, true)),
                "stat" => drop(overlay.examine(&path, true)),
                _ => drop(overlay.read(&path)),
            }
            overlay.take_missed().is_some()
        };
        assert!(!missed("written", "exists") && missed("written", "read"));
        assert!(missed("new", "exists") && missed("removed", "exists"));
        assert!(!missed("set", "exists") && missed("set", "stat"));
        assert!(!missed("other", "exists") && !missed("other", "stat") && !missed("other", "read"));
        overlay.predict(&Operation::Remove { path: root.join("new") }, 0o022).expect("predicted");
        overlay.look(&root.join("new"), true).expect("walks");
        assert_eq!(overlay.take_missed(), None, "it is gone for sure");
    }
}
