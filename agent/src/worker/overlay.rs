//! What earlier steps of a check session would have changed. Empty in a session that applies.

mod doubt;
mod handover;
mod news;
mod rights;

use super::accounts::{self, Group, User};
use super::file::{self, Kind, Stat, Time};
use super::operation::{Attributes, Operation, Prediction, Put};
use super::packed::Packed;
use super::permission::READ;
use news::News;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::ffi::OsString;
use std::io;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

/// The predicted state of a host, where it differs from the real one.
#[derive(Debug, Default, Clone, Serialize, Deserialize)]
pub(crate) struct Overlay {
    files: BTreeMap<PathBuf, Entry>,
    /// Installed with this version, where known; `None` inside is an unknown version, `Gone` a removed package.
    packages: BTreeMap<String, Package>,
    units: BTreeMap<String, UnitStart>,
    users: BTreeMap<String, Option<User>>,
    groups: BTreeMap<String, Option<Group>>,
    ports: BTreeMap<String, bool>,
    things: BTreeMap<(Cow<'static, str>, String), Option<String>>,
    hostname: Option<String>,
    uncertain: Vec<String>,
    /// Files with several names, by device and number: what holds for each of the names.
    linked: BTreeMap<(u64, u64), Stat>,
    begun: Option<Time>,
    /// How many things the plan would have made, so that each has a number of its own.
    made: u64,
    /// Paths at which something may be by now, or be gone or another thing, and why.
    perhaps: BTreeMap<PathBuf, String>,
    /// Paths of what is there for sure, and may have other attributes by now.
    altered: BTreeMap<PathBuf, String>,
    /// What may be otherwise by now, by its kind and name.
    doubted: BTreeMap<(Cow<'static, str>, String), String>,
    /// Why what the step that runs has looked at is not known.
    #[serde(skip)]
    missed: RefCell<Option<String>>,
    /// What the step that runs has found missing and packages of the plan may bring.
    #[serde(skip)]
    brought: RefCell<Option<PathBuf>>,
    /// What was done to the files since it was asked last, where somebody asks.
    #[serde(skip)]
    news: Option<Vec<News>>,
    is_of_one_step: bool,
}

/// What an earlier step would have done to a package.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Package {
    Installed(Option<String>),
    Removed,
}

/// What an earlier step would have made of a unit; `None` leaves it as it is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct UnitStart {
    pub(crate) active: Option<bool>,
    pub(crate) enabled: Option<bool>,
    pub(crate) masked: Option<bool>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
enum Entry {
    Absent,
    There { stat: Stat, content: Content },
}

/// Where the content of a file comes from.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) enum Content {
    Own(Arc<[u8]>),
    /// That of what really is at this path: the bytes of a file, what a directory shows.
    Real(PathBuf),
    /// A directory that shows nothing of a real directory at its path.
    Fresh,
    /// What an earlier step brings is known when it is done, for this reason.
    Later(Arc<str>),
    /// An archive of what is known, which is packed then.
    Packed(Arc<Packed>),
    None,
}

/// A path without links in it, and what is there.
#[derive(Debug, Clone)]
pub(crate) struct Located {
    pub(crate) path: PathBuf,
    pub(crate) stat: Option<Stat>,
    /// Where the real thing is whose content this has, if any has.
    real: Option<PathBuf>,
}

impl Located {
    /// Nothing, behind something that is no directory, or not there.
    fn nothing(mut path: PathBuf, rest: VecDeque<OsString>) -> Self {
        path.extend(rest);
        Self { path, stat: None, real: None }
    }
}

/// Links that are followed in one path before it counts as a loop, as in the kernel.
const LINKS_MAX: usize = 40;

impl Overlay {
    /// One that no later step will see: a run that changes the host otherwise finds there what is there.
    pub(super) fn of_one_step() -> Self {
        Self { is_of_one_step: true, ..Self::default() }
    }

    /// Whether no later step will see it.
    pub(super) const fn is_of_one_step(&self) -> bool {
        self.is_of_one_step
    }

    /// Follows links in the path, and the last one too where `follow` says so.
    pub(crate) fn locate(&self, path: &Path, follow: bool) -> io::Result<Located> {
        let mut rest: VecDeque<OsString> = components(path);
        let mut at = self.root()?;
        let mut links = 0;
        while let Some(name) = rest.pop_front() {
            if name == ".." {
                at = self.plain(at.path.parent().unwrap_or(Path::new("/")))?;
                continue;
            }
            let next = self.below(&at, &name)?;
            match &next.stat {
                Some(Stat { target: Some(target), .. }) if follow || !rest.is_empty() => {
                    links += 1;
                    if links > LINKS_MAX {
                        return Err(rustix::io::Errno::LOOP.into());
                    }
                    if target.is_absolute() {
                        at = self.root()?;
                    }
                    for name in components(target).into_iter().rev() {
                        rest.push_front(name);
                    }
                }
                Some(found) if !rest.is_empty() && !found.is_directory() => {
                    return Ok(Located::nothing(next.path, rest));
                }
                Some(_) => at = next,
                // It may be a folder that packages would bring: the way leads on through it, and maybe out of it again.
                None if self.has_new_packages() && rest.iter().any(|name| name == "..") => at = next,
                None => return Ok(Located::nothing(next.path, rest)),
            }
        }
        Ok(at)
    }

    fn root(&self) -> io::Result<Located> {
        let root = PathBuf::from("/");
        Ok(Located { stat: self.known_or_real(&root, Some(&root))?, real: Some(root.clone()), path: root })
    }

    /// What is at a path that has no links in it.
    fn plain(&self, path: &Path) -> io::Result<Located> {
        let mut at = self.root()?;
        for name in components(path) {
            at = self.below(&at, &name)?;
        }
        Ok(at)
    }

    /// What has this name in a directory.
    fn below(&self, folder: &Located, name: &OsString) -> io::Result<Located> {
        let path = folder.path.join(name);
        self.permit_search(folder, &path)?;
        let real = match self.files.get(&path) {
            Some(Entry::Absent) => None,
            Some(Entry::There {
                content: Content::Fresh | Content::Own(_) | Content::Later(_) | Content::Packed(_),
                ..
            }) => None,
            Some(Entry::There { content: Content::Real(real), .. }) => Some(real.clone()),
            Some(Entry::There { content: Content::None, .. }) | None => {
                folder.real.as_ref().map(|real| real.join(name))
            }
        };
        Ok(Located { stat: self.known_or_real(&path, real.as_deref())?, path, real })
    }

    /// What earlier steps would have made of a path, or what really is there.
    fn known_or_real(&self, path: &Path, real: Option<&Path>) -> io::Result<Option<Stat>> {
        match self.files.get(path) {
            Some(Entry::Absent) => Ok(None),
            Some(Entry::There { stat, .. }) => Ok(Some(self.by_any_name(stat.clone()))),
            None => {
                let found = real.map_or(Ok(None), file::lstat).map_err(|error| self.closed(path, error))?;
                Ok(found.map(|stat| self.by_any_name(stat)))
            }
        }
    }

    /// What was done to a file by another of its names counts for this one, too.
    fn by_any_name(&self, stat: Stat) -> Stat {
        self.linked.get(&identity(&stat)).cloned().unwrap_or(stat)
    }

    /// The content of the file at the path, links followed.
    pub(crate) fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        let located = self.locate(path, true)?;
        if located.stat.is_none() {
            return Err(io::ErrorKind::NotFound.into());
        }
        self.permit(&located.path, READ)?;
        match (self.files.get(&located.path), located.real) {
            (Some(Entry::There { content: Content::None, .. }) | None, Some(real)) => {
                std::fs::read(real).map_err(|error| self.closed(&located.path, error))
            }
            (Some(Entry::There { content, .. }), _) => self.bytes(content),
            _ => Err(io::ErrorKind::NotFound.into()),
        }
    }

    /// The bytes of a content.
    pub(crate) fn bytes(&self, content: &Content) -> io::Result<Vec<u8>> {
        match content {
            Content::Own(bytes) => Ok(bytes.to_vec()),
            Content::Real(path) => std::fs::read(path),
            Content::Later(why) => self.refuse(why),
            Content::Packed(packed) => self.refuse(&packed.why),
            Content::Fresh | Content::None => Err(io::ErrorKind::NotFound.into()),
        }
    }

    fn refuse<T>(&self, why: &str) -> io::Result<T> {
        self.miss(why);
        Err(io::Error::other(why.to_owned()))
    }

    /// What is in the archive that an earlier step would have packed there, where one would.
    pub(crate) fn packed(&self, path: &Path) -> Option<Arc<Packed>> {
        match self.files.get(&self.locate(path, true).ok()?.path)? {
            Entry::There { content: Content::Packed(packed), .. } => Some(packed.clone()),
            _ => None,
        }
    }

    /// When this plan began to change anything.
    pub(crate) const fn begun(&self) -> Option<Time> {
        self.begun
    }

    /// The names in a directory, sorted.
    pub(crate) fn list(&self, path: &Path) -> io::Result<BTreeSet<OsString>> {
        let Located { path: folder, stat, real } = self.locate(path, true)?;
        match stat {
            None if !self.has_new_packages() => return Err(io::ErrorKind::NotFound.into()),
            Some(stat) if !stat.is_directory() => return Err(io::ErrorKind::NotADirectory.into()),
            _ => {}
        }
        let mut names = BTreeSet::new();
        let perhaps =
            self.perhaps.iter().find(|(path, _)| path.parent() == Some(&folder) || folder.starts_with(path));
        perhaps.into_iter().for_each(|(_, why)| self.miss(why));
        self.permit(&folder, READ)?;
        if let Some(real) = real {
            for entry in std::fs::read_dir(real).map_err(|error| self.closed(&folder, error))? {
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
        self.consider("package", name);
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
        self.consider("unit", name);
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

    /// All users of /etc/passwd as earlier steps would have left it.
    pub(super) fn users_by_then(&self) -> Vec<User> {
        let mut users = accounts::users_of_host();
        for (name, predicted) in &self.users {
            users.retain(|user| user.name != *name);
            users.extend(predicted.clone());
        }
        users
    }

    /// All groups of /etc/group as earlier steps would have left it.
    pub(super) fn groups_by_then(&self) -> Vec<Group> {
        let mut groups = accounts::groups_of_host();
        for (name, predicted) in &self.groups {
            groups.retain(|group| group.name != *name);
            groups.extend(predicted.clone());
        }
        groups
    }

    pub(crate) fn port(&self, port: &str) -> Option<bool> {
        self.consider("port", port);
        self.ports.get(port).copied()
    }

    /// What an earlier step would have made of a thing that only its module knows of: `Some(None)` where it would be gone.
    pub(crate) fn thing(&self, kind: &'static str, name: &str) -> Option<Option<&str>> {
        self.consider(kind, name);
        self.things.get(&(Cow::Borrowed(kind), name.to_owned())).map(Option::as_deref)
    }

    pub(crate) fn hostname(&self) -> Option<&str> {
        self.consider("hostname", "");
        self.hostname.as_deref()
    }

    /// Like [`Self::locate`], for who asks whether something is there: that may not be known.
    pub(super) fn look(&self, path: &Path, follow: bool) -> io::Result<Located> {
        let located = self.locate(path, follow)?;
        let why = located.path.ancestors().find_map(|above| self.perhaps.get(above));
        why.into_iter().for_each(|why| self.miss(why));
        if located.stat.is_none() && self.may_be_brought(&located.path) {
            self.brought.borrow_mut().get_or_insert_with(|| located.path.clone());
        }
        Ok(located)
    }

    /// The same, for who asks for more than that.
    pub(super) fn examine(&self, path: &Path, follow: bool) -> io::Result<Located> {
        let located = self.look(path, follow)?;
        self.altered.get(&located.path).into_iter().for_each(|why| self.miss(why));
        match self.files.get(&located.path) {
            Some(Entry::There { content: Content::Later(why), .. }) => self.miss(why),
            Some(Entry::There { content: Content::Packed(packed), .. }) => self.miss(&packed.why),
            _ => {}
        }
        Ok(located)
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

    /// Remembers what an operation would have done.
    pub(super) fn predict(&mut self, operation: &Operation, umask: u32) -> io::Result<()> {
        self.begun.get_or_insert_with(Time::now);
        if let Operation::Put(Put { path, .. })
        | Operation::MakeDirectory { path }
        | Operation::Remove { path }
        | Operation::Symlink { path, .. }
        | Operation::Hardlink { path, .. } = operation
        {
            self.settle_path(path);
        }
        match operation {
            Operation::Put(put) => {
                self.make_parents(&put.path, umask)?;
                let mut stat = self.existing_or_new(&put.path, Kind::File, 0o666 & !umask)?;
                self.unlink(&put.path)?;
                stat.size = put.content.len() as u64;
                stat.modified = Time::now();
                // It is another file under the same name.
                (stat.inode, stat.links) = (self.number(), 1);
                self.put(&put.path, set(stat, put.attributes), Content::Own(put.content.clone()))
            }
            Operation::BackUp { path, copy } => {
                let content = Content::Own(self.read(path)?.into());
                let stat = self.existing_or_new(path, Kind::File, 0o666 & !umask)?;
                let stat = Stat { inode: self.number(), links: 1, ..stat };
                self.put(copy, stat, content)
            }
            Operation::MakeDirectory { path } => {
                let stat = self.new_in(path, Kind::Directory, 0o777 & !umask)?;
                self.put(path, stat, Content::Fresh)
            }
            Operation::Remove { path } => {
                self.unlink(path)?;
                let path = self.locate(path, false)?.path;
                self.files.retain(|below, _| !below.starts_with(&path));
                self.perhaps.retain(|below, _| !below.starts_with(&path));
                self.altered.retain(|below, _| !below.starts_with(&path));
                self.note(News::Removed(path.clone()));
                self.files.insert(path, Entry::Absent);
                Ok(())
            }
            Operation::Symlink { path, target } => {
                self.make_parents(path, umask)?;
                let mut stat = self.new_in(path, Kind::Link, 0o777)?;
                self.unlink(path)?;
                stat.size = target.as_os_str().len() as u64;
                stat.target = Some(target.clone());
                self.put(path, stat, Content::None)
            }
            Operation::Hardlink { path, target } => {
                self.make_parents(path, umask)?;
                let content = self.content_of(target)?;
                let mut stat = self.existing_or_new(target, Kind::File, 0o666 & !umask)?;
                self.unlink(path)?;
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
        match prediction {
            Prediction::Installed { name, .. } | Prediction::Removed { name } => self.settle("package", name),
            Prediction::User(User { name, .. }) | Prediction::NoUser(name) => self.settle("user", name),
            Prediction::Group(Group { name, .. }) | Prediction::NoGroup(name) => self.settle("group", name),
            Prediction::Port { port, .. } => self.settle("port", port),
            Prediction::Hostname(_) => self.settle("hostname", ""),
            Prediction::Thing { kind, name, .. } => self.settle(kind, name),
            _ => {}
        }
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
                self.things.insert((kind.into(), name), state);
            }
            Prediction::Also(operation) => return self.predict(&operation, umask),
            Prediction::Moved { from, to } => return self.rename(&from, &to),
            Prediction::Later { path, why } => {
                self.make_parents(&path, umask)?;
                let stat = self.existing_or_new(&path, Kind::File, 0o666 & !umask)?;
                self.put(&path, stat, Content::Later(why.into()))?;
            }
            Prediction::Packed { path, archive } => {
                self.make_parents(&path, umask)?;
                let stat = self.existing_or_new(&path, Kind::File, 0o666 & !umask)?;
                self.put(&path, stat, Content::Packed(archive))?;
            }
            Prediction::Perhaps { path, why } => return self.perhaps(&path, true, &why),
        }
        Ok(())
    }

    fn put(&mut self, path: &Path, stat: Stat, content: Content) -> io::Result<()> {
        let path = self.locate(path, false)?.path;
        self.note(News::Put(path.clone()));
        if stat.links > 1 && !stat.is_directory() {
            self.linked.insert(identity(&stat), stat.clone());
        }
        self.files.insert(path, Entry::There { stat, content });
        Ok(())
    }

    /// What had this name has it no longer, and neither has what was below it.
    fn unlink(&mut self, path: &Path) -> io::Result<()> {
        let located = self.locate(path, false)?;
        match located.stat {
            Some(stat) if stat.is_directory() => {
                let names = self.list(&located.path).unwrap_or_default();
                names.iter().try_for_each(|name| self.unlink(&located.path.join(name)))
            }
            Some(stat) if stat.links > 1 => {
                self.linked.insert(identity(&stat), Stat { links: stat.links - 1, ..stat });
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// What is at a path is at another one then, with all that is below it.
    fn rename(&mut self, from: &Path, to: &Path) -> io::Result<()> {
        let (from, to) = (self.locate(from, false)?, self.locate(to, false)?.path);
        let Some(stat) = from.stat else { return Ok(()) };
        let content = match self.files.get(&from.path) {
            Some(Entry::There { content, .. }) if !matches!(content, Content::None) => content.clone(),
            _ => from.real.map_or(Content::None, Content::Real),
        };
        let is_below = |path: &PathBuf| path.starts_with(&from.path) && *path != from.path;
        let below: Vec<PathBuf> = self.files.keys().filter(|path| is_below(path)).cloned().collect();
        for path in below {
            let moved = to.join(path.strip_prefix(&from.path).unwrap_or(&path));
            self.files.remove(&path).into_iter().for_each(|entry| {
                self.files.insert(moved.clone(), entry);
            });
        }
        // Whoever reads on this machine is not told what is in a tree that moves.
        self.note(News::Removed(from.path.clone()));
        self.note(News::Perhaps {
            path: to.clone(),
            why: format!("`{}` is moved there", from.path.display()),
        });
        self.files.insert(from.path, Entry::Absent);
        self.files.insert(to, Entry::There { stat, content });
        Ok(())
    }

    /// A number for what the plan would make, which nothing real has.
    fn number(&mut self) -> u64 {
        self.made += 1;
        u64::MAX - self.made
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

    fn existing_or_new(&mut self, path: &Path, kind: Kind, mode: u32) -> io::Result<Stat> {
        match self.locate(path, false)?.stat {
            Some(stat) if stat.kind == kind || kind == Kind::File && !stat.is_link() => Ok(stat),
            _ => self.new_in(path, kind, mode),
        }
    }

    /// A new thing takes the group of a directory that has the set-group bit.
    fn new_in(&mut self, path: &Path, kind: Kind, mode: u32) -> io::Result<Stat> {
        let mut stat = Stat { inode: self.number(), ..Stat::new(kind, mode) };
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

    /// Where the content of what is at a path comes from, links not followed.
    pub(crate) fn content_of(&self, path: &Path) -> io::Result<Content> {
        let located = self.locate(path, false)?;
        Ok(match (self.files.get(&located.path), located.stat) {
            (Some(Entry::There { content, .. }), _) => content.clone(),
            (_, Some(stat)) if stat.is_file() => located.real.map_or(Content::None, Content::Real),
            _ => Content::None,
        })
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

/// What tells a file from all others, whatever its names.
const fn identity(stat: &Stat) -> (u64, u64) {
    (stat.device, stat.inode)
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

    pub(super) fn put(path: &Path, content: &[u8]) -> Operation {
        Operation::Put(Put {
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

    #[test]
    fn a_folder_that_moves_takes_along_what_is_real_and_what_is_planned_in_it() {
        let folder = tempfile::tempdir().expect("a folder");
        let root = folder.path().canonicalize().expect("it exists");
        std::fs::create_dir_all(root.join("old/real")).expect("made");
        std::fs::write(root.join("old/real/f"), "real").expect("written");
        std::fs::write(root.join("old/gone"), "x").expect("written");
        let mut overlay = Overlay::default();
        overlay.predict(&put(&root.join("old/planned"), b"planned"), 0o022).expect("predicted");
        overlay.predict(&Operation::Remove { path: root.join("old/gone") }, 0o022).expect("predicted");
        let moved = Prediction::Moved { from: root.join("old"), to: root.join("new") };
        overlay.expect(&moved, 0o022).expect("predicted");
        assert_eq!(overlay.read(&root.join("new/real/f")).expect("there"), b"real");
        assert_eq!(overlay.read(&root.join("new/planned")).expect("there"), b"planned");
        assert_eq!(overlay.list(&root.join("new")).expect("there").len(), 2);
        assert!(overlay.locate(&root.join("old/real/f"), true).expect("walks").stat.is_none());
        assert!(overlay.list(&root.join("old")).is_err());
    }

    #[test]
    fn names_of_one_file_share_its_attributes_until_one_of_them_gets_another_file() {
        let folder = tempfile::tempdir().expect("a folder");
        let root = folder.path().canonicalize().expect("it exists");
        std::fs::write(root.join("one"), "x").expect("written");
        std::fs::hard_link(root.join("one"), root.join("two")).expect("linked");
        let mut overlay = Overlay::default();
        let at = |overlay: &Overlay, name: &str| {
            overlay.locate(&root.join(name), false).expect("walks").stat.expect("there")
        };
        let link = Operation::Hardlink { path: root.join("three"), target: root.join("two") };
        overlay.predict(&link, 0o022).expect("predicted");
        let attributes = Attributes { mode: Some(0o600), ..Attributes::default() };
        overlay.predict(&Operation::Set { path: root.join("three"), attributes }, 0o022).expect("predicted");
        assert_eq!((at(&overlay, "one").mode, at(&overlay, "one").links), (0o600, 3));
        overlay.predict(&put(&root.join("two"), b"another"), 0o022).expect("predicted");
        assert_eq!((at(&overlay, "one").links, at(&overlay, "two").links), (2, 1));
        assert_ne!(identity(&at(&overlay, "one")), identity(&at(&overlay, "two")));
        overlay.predict(&put(&root.join("four"), b"x"), 0o022).expect("predicted");
        assert_ne!(identity(&at(&overlay, "two")), identity(&at(&overlay, "four")));
    }
}
