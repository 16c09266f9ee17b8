//! What earlier steps of a check session would have changed. Empty in a session that applies.

use super::accounts::{Group, User};
use super::file::{self, Kind, Stat, Time};
use super::operation::{Attributes, Operation, Prediction};
use base64::Engine;
use muster_api::foreseen::Foreseen;
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::ffi::OsString;
use std::io;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

/// The predicted state of a host, where it differs from the real one.
#[derive(Debug, Default)]
pub(crate) struct Overlay {
    files: BTreeMap<PathBuf, Entry>,
    /// Installed with this version, where known; `None` inside is an unknown version, `Gone` a removed package.
    packages: BTreeMap<String, Package>,
    units: BTreeMap<String, UnitStart>,
    users: BTreeMap<String, Option<User>>,
    groups: BTreeMap<String, Option<Group>>,
    ports: BTreeMap<String, bool>,
    things: BTreeMap<(&'static str, String), Option<String>>,
    hostname: Option<String>,
    uncertain: Vec<String>,
    /// Paths at which something may be by now, and why.
    perhaps: BTreeMap<PathBuf, String>,
    /// Why what the step that runs has looked at is not known.
    missed: RefCell<Option<String>>,
    /// What was done to the files since it was asked last, where somebody asks.
    news: Option<Vec<News>>,
    is_of_one_step: bool,
}

/// What a step would have done to the files.
#[derive(Debug)]
enum News {
    Removed(PathBuf),
    Put(PathBuf),
    Perhaps { path: PathBuf, why: String },
    Doubt(String),
}

/// What an earlier step would have done to a package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Package {
    Installed(Option<String>),
    Removed,
}

/// What an earlier step would have made of a unit; `None` leaves it as it is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct UnitStart {
    pub(crate) active: Option<bool>,
    pub(crate) enabled: Option<bool>,
    pub(crate) masked: Option<bool>,
}

#[derive(Debug, Clone)]
enum Entry {
    Absent,
    There { stat: Stat, content: Content },
}

#[derive(Debug, Clone)]
enum Content {
    Own(Arc<[u8]>),
    /// That of the real file at this path.
    Real(PathBuf),
    /// A directory that shows nothing of a real directory at its path.
    Fresh,
    /// What an earlier step brings is known when it is done, for this reason.
    Later(Arc<str>),
    None,
}

/// A path without links in it, and what is there.
#[derive(Debug, Clone)]
pub(crate) struct Located {
    pub(crate) path: PathBuf,
    pub(crate) stat: Option<Stat>,
}

/// Links that are followed in one path before it counts as a loop, as in the kernel.
const LINKS_MAX: usize = 40;

/// The content of a file that is longer is not told to the controller: no variable is made of that much.
const TOLD_MAX: usize = 16 * 1024 * 1024;

impl Overlay {
    /// One that no later step will see: a run that changes the host otherwise finds there what is there.
    pub(super) fn of_one_step() -> Self {
        Self { is_of_one_step: true, ..Self::default() }
    }

    /// One of which a controller on the same machine hears what would become of the files.
    pub(super) fn that_is_told() -> Self {
        Self { news: Some(Vec::new()), ..Self::default() }
    }

    /// Whether no later step will see it.
    pub(super) const fn is_of_one_step(&self) -> bool {
        self.is_of_one_step
    }

    /// Follows links in the path, and the last one too where `follow` says so.
    pub(crate) fn locate(&self, path: &Path, follow: bool) -> io::Result<Located> {
        let mut rest: VecDeque<OsString> = components(path);
        let mut at = PathBuf::from("/");
        let mut links = 0;
        let mut stat = self.entry(&at, false)?;
        let mut hidden = false;
        while let Some(name) = rest.pop_front() {
            if name == ".." {
                at.pop();
                stat = self.entry(&at, false)?;
                continue;
            }
            let next = at.join(&name);
            stat = self.entry(&next, hidden)?;
            hidden = hidden || self.is_fresh(&next);
            match &stat {
                Some(Stat { target: Some(target), .. }) if follow || !rest.is_empty() => {
                    links += 1;
                    if links > LINKS_MAX {
                        return Err(rustix::io::Errno::LOOP.into());
                    }
                    if target.is_absolute() {
                        at = PathBuf::from("/");
                        hidden = false;
                    }
                    for name in components(target).into_iter().rev() {
                        rest.push_front(name);
                    }
                    stat = self.entry(&at, false)?;
                }
                Some(found) if !rest.is_empty() && !found.is_directory() => {
                    at = next;
                    at.extend(rest);
                    return Ok(Located { path: at, stat: None });
                }
                Some(_) => at = next,
                // It may be a folder that packages would bring: the way leads on through it, and maybe out of it again.
                None if self.has_new_packages() && rest.iter().any(|name| name == "..") => at = next,
                None => {
                    at = next;
                    at.extend(rest);
                    return Ok(Located { path: at, stat: None });
                }
            }
        }
        Ok(Located { path: at, stat })
    }

    /// The content of the file at the path, links followed.
    pub(crate) fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        let located = self.locate(path, true)?;
        if located.stat.is_none() {
            return Err(io::ErrorKind::NotFound.into());
        }
        match self.files.get(&located.path) {
            Some(Entry::There { content: Content::Own(bytes), .. }) => Ok(bytes.to_vec()),
            Some(Entry::There { content: Content::Later(why), .. }) => {
                self.miss(why);
                Err(io::Error::other(why.to_string()))
            }
            Some(Entry::There { content: Content::Real(path), .. }) => std::fs::read(path),
            _ => std::fs::read(&located.path),
        }
    }

    /// The names in a directory, sorted.
    pub(crate) fn list(&self, path: &Path) -> io::Result<BTreeSet<OsString>> {
        let folder = self.locate(path, true)?.path;
        let mut names = BTreeSet::new();
        let perhaps =
            self.perhaps.iter().find(|(path, _)| path.parent() == Some(&folder) || folder.starts_with(path));
        perhaps.into_iter().for_each(|(_, why)| self.miss(why));
        if !self.is_fresh(&folder) {
            for entry in std::fs::read_dir(&folder)? {
                names.insert(entry?.file_name());
            }
        }
        for (path, entry) in
            self.files.range(folder.clone()..).take_while(|(path, _)| path.starts_with(&folder))
        {
            let (Some(name), true) = (path.file_name(), path.parent() == Some(&folder)) else { continue };
            match entry {
                Entry::Absent => names.remove(name),
                Entry::There { .. } => names.insert(name.to_owned()),
            };
        }
        Ok(names)
    }

    pub(crate) fn package(&self, name: &str) -> Option<&Package> {
        self.packages.get(name)
    }

    pub(crate) fn packages(&self) -> &BTreeMap<String, Package> {
        &self.packages
    }

    /// Whether packages would have been installed, which may have brought files, units and users.
    pub(crate) fn has_new_packages(&self) -> bool {
        self.packages.values().any(|package| matches!(package, Package::Installed(_)))
    }

    pub(crate) fn unit(&self, name: &str) -> UnitStart {
        self.units.get(name).copied().unwrap_or_default()
    }

    pub(crate) fn units(&self) -> &BTreeMap<String, UnitStart> {
        &self.units
    }

    pub(crate) fn users(&self) -> &BTreeMap<String, Option<User>> {
        &self.users
    }

    pub(crate) fn groups(&self) -> &BTreeMap<String, Option<Group>> {
        &self.groups
    }

    pub(crate) fn port(&self, port: &str) -> Option<bool> {
        self.ports.get(port).copied()
    }

    /// What an earlier step would have made of a thing that only its module knows of: `Some(None)` where it would be gone.
    pub(crate) fn thing(&self, kind: &'static str, name: &str) -> Option<Option<&str>> {
        self.things.get(&(kind, name.to_owned())).map(Option::as_deref)
    }

    pub(crate) fn hostname(&self) -> Option<&str> {
        self.hostname.as_deref()
    }

    /// Like [`Self::locate`], for who asks whether something is there: that may not be known.
    pub(super) fn look(&self, path: &Path, follow: bool) -> io::Result<Located> {
        let located = self.locate(path, follow)?;
        if located.stat.is_none() {
            let why = located.path.ancestors().find_map(|above| self.perhaps.get(above));
            why.into_iter().for_each(|why| self.miss(why));
        }
        Ok(located)
    }

    /// The same, for who asks for more than that.
    pub(super) fn examine(&self, path: &Path, follow: bool) -> io::Result<Located> {
        let located = self.look(path, follow)?;
        if let Some(Entry::There { content: Content::Later(why), .. }) = self.files.get(&located.path) {
            self.miss(why);
        }
        Ok(located)
    }

    fn miss(&self, why: &str) {
        self.missed.borrow_mut().get_or_insert_with(|| why.to_owned());
    }

    /// Why what was looked at since the last call is not known, where something was not.
    pub(super) fn take_missed(&self) -> Option<String> {
        self.missed.take()
    }

    /// Remembers that a step, of which it is not known what it does, may make or change what is at a path.
    pub(super) fn perhaps(&mut self, path: &Path, why: &str) -> io::Result<()> {
        let located = self.locate(path, true)?;
        match located.stat {
            Some(stat) if stat.is_file() => self.put(&located.path, stat, Content::Later(why.into())),
            Some(_) => Ok(()),
            None => {
                self.note(News::Perhaps { path: located.path.clone(), why: why.to_owned() });
                self.perhaps.insert(located.path, why.to_owned());
                Ok(())
            }
        }
    }

    /// Whether something is at a path by now.
    pub(super) fn is_there(&self, path: &Path) -> bool {
        self.locate(path, true).is_ok_and(|located| located.stat.is_some())
    }

    /// Whether an earlier step would have changed anything at a path or below it.
    pub(crate) fn touches(&self, path: &Path) -> bool {
        self.files.range(path.to_owned()..).next().is_some_and(|(touched, _)| touched.starts_with(path))
    }

    /// Why something that is missing might be there by now.
    pub(crate) fn uncertainty(&self) -> Option<&str> {
        self.uncertain.last().map(String::as_str)
    }

    /// Remembers that a step was not run whose result is not known.
    pub(super) fn doubt(&mut self, reason: String) {
        self.note(News::Doubt(reason.clone()));
        self.uncertain.push(reason);
    }

    /// What was done to the files since the last call, for a controller that reads them too.
    pub(super) fn take_news(&mut self) -> Vec<Foreseen> {
        let news = self.news.as_mut().map(std::mem::take).unwrap_or_default();
        news.into_iter().filter_map(|news| self.told(news)).collect()
    }

    fn note(&mut self, news: News) {
        if let Some(all) = &mut self.news {
            all.push(news);
        }
    }

    fn told(&self, news: News) -> Option<Foreseen> {
        let text = |path: &Path| path.to_string_lossy().into_owned();
        Some(match news {
            News::Removed(path) => Foreseen::Absent { path: text(&path) },
            News::Perhaps { path, why } => Foreseen::Perhaps { path: text(&path), why },
            News::Doubt(why) => Foreseen::Doubt { why },
            News::Put(path) => {
                // One that is gone by now has news of its own.
                let Entry::There { stat, content } = self.files.get(&path)? else { return None };
                let path = text(&path);
                match (content, &stat.target) {
                    (_, Some(target)) => Foreseen::Link { path, target: text(target) },
                    (Content::Own(bytes), _) if bytes.len() > TOLD_MAX => Foreseen::Later {
                        path,
                        why: "what would be written there is too long to be looked at".into(),
                    },
                    (Content::Own(bytes), _) => {
                        Foreseen::File { path, content: base64::prelude::BASE64_STANDARD.encode(bytes) }
                    }
                    (Content::Real(real), _) => Foreseen::SameAs { path, real: text(real) },
                    (Content::Later(why), _) => Foreseen::Later { path, why: why.to_string() },
                    (Content::Fresh | Content::None, _) if stat.is_directory() => {
                        Foreseen::Folder { path, is_fresh: matches!(content, Content::Fresh) }
                    }
                    (Content::None, _) if stat.kind == Kind::File => {
                        Foreseen::File { path, content: String::new() }
                    }
                    _ => return None,
                }
            }
        })
    }

    /// Remembers what an operation would have done.
    pub(super) fn predict(&mut self, operation: &Operation, umask: u32) -> io::Result<()> {
        match operation {
            Operation::Put(put) => {
                self.make_parents(&put.path, umask)?;
                let mut stat = self.existing_or_new(&put.path, Kind::File, 0o666 & !umask)?;
                stat.size = put.content.len() as u64;
                stat.modified = Time::now();
                self.put(&put.path, set(stat, put.attributes), Content::Own(put.content.clone()))
            }
            Operation::BackUp { path, copy } => {
                let content = Content::Own(self.read(path)?.into());
                let stat = self.existing_or_new(path, Kind::File, 0o666 & !umask)?;
                self.put(copy, stat, content)
            }
            Operation::MakeDirectory { path } => {
                let stat = self.new_in(path, Kind::Directory, 0o777 & !umask)?;
                self.put(path, stat, Content::Fresh)
            }
            Operation::Remove { path } => {
                let path = self.locate(path, false)?.path;
                self.files.retain(|below, _| !below.starts_with(&path));
                self.note(News::Removed(path.clone()));
                self.files.insert(path, Entry::Absent);
                Ok(())
            }
            Operation::Symlink { path, target } => {
                self.make_parents(path, umask)?;
                let mut stat = self.new_in(path, Kind::Link, 0o777)?;
                stat.size = target.as_os_str().len() as u64;
                stat.target = Some(target.clone());
                self.put(path, stat, Content::None)
            }
            Operation::Hardlink { path, target } => {
                self.make_parents(path, umask)?;
                let content = self.content_of(target)?;
                let mut stat = self.existing_or_new(target, Kind::File, 0o666 & !umask)?;
                stat.links += 1;
                self.put(path, stat, content)
            }
            Operation::Set { path, attributes } => {
                let content = self.content_of(path)?;
                let stat = self.existing_or_new(path, Kind::File, 0o666 & !umask)?;
                self.put(path, set(stat, *attributes), content)
            }
            Operation::SetTimes { path, accessed, modified } => {
                let content = self.content_of(path)?;
                let mut stat = self.existing_or_new(path, Kind::File, 0o666 & !umask)?;
                stat.accessed = accessed.unwrap_or(stat.accessed);
                stat.modified = modified.unwrap_or(stat.modified);
                self.put(path, stat, content)
            }
            Operation::Touch { path } => {
                self.make_parents(path, umask)?;
                let content = self.content_of(path)?;
                let stat = self.existing_or_new(path, Kind::File, 0o666 & !umask)?;
                self.put(path, Stat { accessed: Time::now(), modified: Time::now(), ..stat }, content)
            }
            // The cluster is asked once in a play: nothing later looks at what it would have said.
            Operation::Configure { .. } => Ok(()),
            Operation::Run { brings, .. } => {
                brings.iter().try_for_each(|prediction| self.expect(prediction, umask))
            }
        }
    }

    fn expect(&mut self, prediction: &Prediction, umask: u32) -> io::Result<()> {
        match prediction.clone() {
            Prediction::Installed { name, version } => {
                self.packages.insert(name, Package::Installed(version));
            }
            Prediction::Removed { name } => {
                self.packages.insert(name, Package::Removed);
            }
            Prediction::Unit { name, start } => {
                let known = self.units.entry(name).or_default();
                known.active = start.active.or(known.active);
                known.enabled = start.enabled.or(known.enabled);
                known.masked = start.masked.or(known.masked);
            }
            Prediction::UnitsReloaded => {}
            Prediction::User(user) => {
                self.users.insert(user.name.clone(), Some(user));
            }
            Prediction::NoUser(name) => {
                self.users.insert(name, None);
            }
            Prediction::Group(group) => {
                self.groups.insert(group.name.clone(), Some(group));
            }
            Prediction::NoGroup(name) => {
                self.groups.insert(name, None);
            }
            Prediction::Port { port, is_open } => {
                self.ports.insert(port, is_open);
            }
            Prediction::Hostname(name) => self.hostname = Some(name),
            Prediction::Thing { kind, name, state } => {
                self.things.insert((kind, name), state);
            }
            Prediction::Also(operation) => return self.predict(&operation, umask),
            Prediction::Later { path, why } => {
                self.make_parents(&path, umask)?;
                let stat = self.existing_or_new(&path, Kind::File, 0o666 & !umask)?;
                self.put(&path, stat, Content::Later(why.into()))?;
            }
            Prediction::Perhaps { path, why } => return self.perhaps(&path, &why),
        }
        Ok(())
    }

    fn put(&mut self, path: &Path, stat: Stat, content: Content) -> io::Result<()> {
        let path = self.locate(path, false)?.path;
        self.note(News::Put(path.clone()));
        self.files.insert(path, Entry::There { stat, content });
        Ok(())
    }

    /// The directories that a package of an earlier step must have brought.
    fn make_parents(&mut self, path: &Path, umask: u32) -> io::Result<()> {
        let Some(parent) = path.parent() else { return Ok(()) };
        let located = self.locate(parent, true)?;
        if located.stat.is_some() {
            return Ok(());
        }
        self.make_parents(&located.path, umask)?;
        let stat = Stat::new(Kind::Directory, 0o777 & !umask);
        self.note(News::Put(located.path.clone()));
        self.files.insert(located.path, Entry::There { stat, content: Content::Fresh });
        Ok(())
    }

    fn existing_or_new(&self, path: &Path, kind: Kind, mode: u32) -> io::Result<Stat> {
        match self.locate(path, false)?.stat {
            Some(stat) if stat.kind == kind || kind == Kind::File && !stat.is_link() => Ok(stat),
            _ => self.new_in(path, kind, mode),
        }
    }

    /// A new thing takes the group of a directory that has the set-group bit.
    fn new_in(&self, path: &Path, kind: Kind, mode: u32) -> io::Result<Stat> {
        let mut stat = Stat::new(kind, mode);
        let parent = path.parent().map(|parent| self.locate(parent, true)).transpose()?;
        if let Some(parent) = parent.and_then(|parent| parent.stat).filter(|parent| parent.mode & 0o2000 != 0)
        {
            stat.gid = parent.gid;
            if kind == Kind::Directory {
                stat.mode |= 0o2000;
            }
        }
        Ok(stat)
    }

    fn content_of(&self, path: &Path) -> io::Result<Content> {
        let located = self.locate(path, false)?;
        Ok(match (self.files.get(&located.path), located.stat) {
            (Some(Entry::There { content, .. }), _) => content.clone(),
            (_, Some(stat)) if stat.is_file() => Content::Real(located.path),
            _ => Content::None,
        })
    }

    /// What is at a path whose folders have no links; `hidden` where no real file shows through.
    fn entry(&self, path: &Path, hidden: bool) -> io::Result<Option<Stat>> {
        match self.files.get(path) {
            Some(Entry::Absent) => Ok(None),
            Some(Entry::There { stat, .. }) => Ok(Some(stat.clone())),
            None if hidden => Ok(None),
            None => file::lstat(path),
        }
    }

    fn is_fresh(&self, path: &Path) -> bool {
        matches!(self.files.get(path), Some(Entry::There { content: Content::Fresh, .. } | Entry::Absent))
    }
}

fn components(path: &Path) -> VecDeque<OsString> {
    path.components()
        .filter_map(|component| match component {
            Component::Normal(name) => Some(name.to_owned()),
            Component::ParentDir => Some("..".into()),
            _ => None,
        })
        .collect()
}

fn set(mut stat: Stat, attributes: Attributes) -> Stat {
    stat.mode = attributes.mode.unwrap_or(stat.mode);
    stat.uid = attributes.uid.unwrap_or(stat.uid);
    stat.gid = attributes.gid.unwrap_or(stat.gid);
    stat
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(path: &Path, content: &[u8]) -> Operation {
        Operation::Put(super::super::Put {
            path: path.to_owned(),
            content: content.into(),
            attributes: Attributes::default(),
            validate: None,
            may_write_in_place: false,
        })
    }

    #[test]
    fn later_steps_see_files_that_earlier_ones_would_have_written() {
        let folder = tempfile::tempdir().expect("a folder");
        let root = folder.path().canonicalize().expect("it exists");
        let mut overlay = Overlay::default();
        overlay.predict(&Operation::MakeDirectory { path: root.join("a") }, 0o022).expect("predicted");
        overlay.predict(&put(&root.join("a/b"), b"text"), 0o022).expect("predicted");
        let link = Operation::Symlink { path: root.join("l"), target: "a/b".into() };
        overlay.predict(&link, 0o022).expect("predicted");
        assert_eq!(overlay.read(&root.join("l")).expect("there"), b"text");
        assert_eq!(overlay.locate(&root.join("l"), true).expect("there").path, root.join("a/b"));
        assert_eq!(overlay.list(&root).expect("there").len(), 2);
        assert!(std::fs::read_dir(&root).expect("there").next().is_none(), "nothing was written");
    }

    #[test]
    fn a_controller_on_the_same_machine_hears_of_each_file_once() {
        let folder = tempfile::tempdir().expect("a folder");
        let root = folder.path().canonicalize().expect("it exists");
        std::fs::write(root.join("old"), "x").expect("written");
        let at = |name: &str| root.join(name).to_string_lossy().into_owned();
        let mut overlay = Overlay::that_is_told();
        overlay.predict(&Operation::MakeDirectory { path: root.join("d") }, 0).expect("predicted");
        overlay.predict(&put(&root.join("d/f"), b"text"), 0).expect("predicted");
        overlay.predict(&Operation::Remove { path: root.join("old") }, 0).expect("predicted");
        overlay.doubt("`make` is not run".to_owned());
        let told = [
            Foreseen::Folder { path: at("d"), is_fresh: true },
            Foreseen::File { path: at("d/f"), content: "dGV4dA==".to_owned() },
            Foreseen::Absent { path: at("old") },
            Foreseen::Doubt { why: "`make` is not run".to_owned() },
        ];
        assert_eq!(overlay.take_news(), told);
        assert!(overlay.take_news().is_empty());
    }

    #[test]
    fn directory_removed_and_made_again_shows_nothing_of_the_old_one() {
        let folder = tempfile::tempdir().expect("a folder");
        let root = folder.path().canonicalize().expect("it exists");
        std::fs::create_dir(root.join("d")).expect("made");
        std::fs::write(root.join("d/old"), "x").expect("written");
        let mut overlay = Overlay::default();
        overlay.predict(&Operation::Remove { path: root.join("d") }, 0).expect("predicted");
        assert!(overlay.locate(&root.join("d/old"), true).expect("walks").stat.is_none());
        overlay.predict(&Operation::MakeDirectory { path: root.join("d") }, 0).expect("predicted");
        assert!(overlay.locate(&root.join("d/old"), true).expect("walks").stat.is_none());
        assert!(overlay.list(&root.join("d")).expect("there").is_empty());
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
    fn changed_mode_leaves_the_real_content_to_read() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().canonicalize().expect("it exists").join("f");
        std::fs::write(&path, "real").expect("written");
        let mut overlay = Overlay::default();
        let attributes = Attributes { mode: Some(0o600), ..Attributes::default() };
        overlay.predict(&Operation::Set { path: path.clone(), attributes }, 0o022).expect("predicted");
        assert_eq!(overlay.read(&path).expect("there"), b"real");
        assert_eq!(overlay.locate(&path, false).expect("there").stat.expect("there").mode, 0o600);
    }

    #[test]
    fn a_way_through_a_folder_that_packages_would_bring_leads_out_of_it_again() {
        let folder = tempfile::tempdir().expect("a folder");
        let root = folder.path().canonicalize().expect("it exists");
        let mut overlay = Overlay::default();
        overlay.predict(&put(&root.join("available/www"), b"site"), 0o022).expect("predicted");
        let way = root.join("enabled/../available/www");
        assert!(overlay.locate(&way, true).expect("walks").stat.is_none(), "nobody brings the folder");
        overlay.packages.insert("apache2".into(), Package::Installed(None));
        assert_eq!(overlay.locate(&way, true).expect("walks").path, root.join("available/www"));
        assert!(overlay.locate(&root.join("enabled/www"), true).expect("walks").stat.is_none());
    }
}
