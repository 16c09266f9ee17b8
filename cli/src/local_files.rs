//! The files of this machine, for who reads them on the controller: as they are, and in a dry run as its earlier tasks would
//! have left them. What those would have done is told by the workers on this machine.

use crate::template::TemplateError;
use base64::Engine;
use muster_api::foreseen::Foreseen;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::ffi::OsString;
use std::io;
use std::path::{Component, Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};

/// Links that are followed in one path before it counts as a loop, as in the kernel.
const LINKS_MAX: usize = 40;

/// The files of this machine.
#[derive(Debug, Default)]
pub(crate) struct LocalFiles(RwLock<Overlay>);

/// Where they differ from what is there.
#[derive(Debug, Default)]
struct Overlay {
    files: BTreeMap<PathBuf, Entry>,
    perhaps: BTreeMap<PathBuf, String>,
    doubt: Option<String>,
}

#[derive(Debug, Clone)]
enum Entry {
    Absent,
    Folder { is_fresh: bool },
    Link(PathBuf),
    File(Arc<[u8]>),
    SameAs(PathBuf),
    Later(String),
}

/// Why there is nothing to read.
#[derive(Debug)]
pub(crate) enum Unread {
    /// As the system says it.
    Failed(io::Error),
    /// In a dry run: what is there is not known, for this reason.
    Unknown(String),
}

impl From<io::Error> for Unread {
    fn from(cause: io::Error) -> Self {
        Self::Failed(cause)
    }
}

/// Why a task has no file of the controller to work with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum NoFile {
    /// A sentence.
    Refused(String),
    /// In a dry run: an earlier task may bring it, or what it holds is known when that is done; why.
    Unknown(String),
}

impl From<String> for NoFile {
    fn from(why: String) -> Self {
        Self::Refused(why)
    }
}

impl From<&str> for NoFile {
    fn from(why: &str) -> Self {
        Self::Refused(why.to_owned())
    }
}

impl NoFile {
    /// What a template that it needs says.
    pub(crate) fn of(err: &TemplateError) -> Self {
        match err.unknown_reason() {
            Some(why) => Self::Unknown(why.to_owned()),
            None => Self::Refused(err.to_string()),
        }
    }
}

impl Unread {
    /// The same of the file at this path.
    pub(crate) fn of(self, path: &Path) -> NoFile {
        match self {
            Self::Failed(cause) => NoFile::Refused(format!("{}: {cause}", path.display())),
            Self::Unknown(why) => NoFile::Unknown(why),
        }
    }
}

/// What is at a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    File,
    Folder,
    Link,
    Other,
}

impl LocalFiles {
    /// Takes what a step of a dry run would have done.
    pub(crate) fn expect(&self, news: Vec<Foreseen>) {
        let mut overlay = self.0.write().unwrap_or_else(PoisonError::into_inner);
        news.into_iter().for_each(|one| overlay.expect(one));
    }

    /// Takes that a file would be written, with the folders that it needs; `content` is in base64.
    pub(crate) fn expect_file(&self, path: &Path, content: String) {
        let mut overlay = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        let folders: Vec<&Path> = path.ancestors().skip(1).collect();
        let text = |path: &Path| path.to_string_lossy().into_owned();
        for folder in folders.into_iter().rev() {
            if matches!(overlay.locate(folder, true), Ok((_, None))) {
                overlay.expect(Foreseen::Folder { path: text(folder), is_fresh: true });
            }
        }
        overlay.expect(Foreseen::File { path: text(&path), content });
    }

    /// Whether something is there; a link that leads nowhere is nothing.
    pub(crate) fn exists(&self, path: &Path) -> Result<bool, Unread> {
        self.kind(path, true).map(|kind| kind.is_some())
    }

    /// Whether a file is there, or a link to one.
    pub(crate) fn is_file(&self, path: &Path) -> Result<bool, Unread> {
        self.kind(path, true).map(|kind| kind == Some(Kind::File))
    }

    /// Whether a folder is there, or a link to one.
    pub(crate) fn is_folder(&self, path: &Path) -> Result<bool, Unread> {
        self.kind(path, true).map(|kind| kind == Some(Kind::Folder))
    }

    /// Whether a link is there, wherever it leads.
    pub(crate) fn is_link(&self, path: &Path) -> Result<bool, Unread> {
        self.kind(path, false).map(|kind| kind == Some(Kind::Link))
    }

    /// Whether something is there, and be it a link that leads nowhere.
    pub(crate) fn link_exists(&self, path: &Path) -> Result<bool, Unread> {
        self.kind(path, false).map(|kind| kind.is_some())
    }

    /// The content of a file.
    pub(crate) fn read(&self, path: &Path) -> Result<Vec<u8>, Unread> {
        let overlay = self.overlay();
        if overlay.files.is_empty() {
            return std::fs::read(path).map_err(|cause| overlay.why_not(path, cause));
        }
        let (at, kind) = overlay.locate(path, true)?;
        match (overlay.files.get(&at), kind) {
            (_, None) => Err(overlay.why_not(&at, io::ErrorKind::NotFound.into())),
            (Some(Entry::File(bytes)), _) => Ok(bytes.to_vec()),
            (Some(Entry::Later(why)), _) => Err(Unread::Unknown(why.clone())),
            (Some(Entry::SameAs(real)), _) => Ok(std::fs::read(real)?),
            _ => Ok(std::fs::read(&at)?),
        }
    }

    /// Whether what a file holds can be known.
    ///
    /// # Errors
    ///
    /// It cannot.
    pub(crate) fn known(&self, path: &Path) -> Result<(), NoFile> {
        let overlay = self.overlay();
        let (at, _) = overlay.locate(path, true).map_err(|cause| Unread::from(cause).of(path))?;
        match overlay.files.get(&at) {
            Some(Entry::Later(why)) => Err(NoFile::Unknown(why.clone())),
            _ => Ok(()),
        }
    }

    /// Whether the system has the file, with the content that it is read with.
    pub(crate) fn is_as_it_is(&self, path: &Path) -> bool {
        let overlay = self.overlay();
        let located = || overlay.locate(path, true);
        overlay.files.is_empty()
            || located().is_ok_and(|(at, _)| at == path && !overlay.files.contains_key(&at))
    }

    /// What a link points to, as it is written in it.
    pub(crate) fn link_target(&self, link: &Path) -> Result<PathBuf, Unread> {
        let overlay = self.overlay();
        let (at, _) = overlay.locate(link, false)?;
        Ok(overlay.target(&at)?)
    }

    /// The names in a folder; none where there is no folder.
    pub(crate) fn names(&self, folder: &Path) -> Result<BTreeSet<OsString>, Unread> {
        let overlay = self.overlay();
        let (at, kind) = overlay.locate(folder, true)?;
        overlay.doubted(&at)?;
        if let Some((_, why)) = overlay.perhaps.iter().find(|(path, _)| path.parent() == Some(&at)) {
            return Err(Unread::Unknown(why.clone()));
        }
        let mut names = BTreeSet::new();
        if kind.is_none() {
            return Ok(names);
        }
        if !overlay.is_fresh(&at) {
            names.extend(std::fs::read_dir(&at)?.flatten().map(|entry| entry.file_name()));
        }
        for (path, entry) in overlay.files.range(at.clone()..).take_while(|(path, _)| path.starts_with(&at)) {
            let (Some(name), true) = (path.file_name(), path.parent() == Some(&at)) else { continue };
            match entry {
                Entry::Absent => names.remove(name),
                _ => names.insert(name.to_owned()),
            };
        }
        Ok(names)
    }

    /// In a dry run: why something that is missing may be there all the same.
    pub(crate) fn doubt(&self) -> Option<String> {
        self.overlay().doubt.clone()
    }

    fn kind(&self, path: &Path, follow: bool) -> Result<Option<Kind>, Unread> {
        let overlay = self.overlay();
        let (at, kind) = match overlay.files.is_empty() {
            true => (path.to_owned(), kind_of(path, follow)),
            false => overlay.locate(path, follow)?,
        };
        if kind.is_none() {
            overlay.doubted(&at)?;
        }
        Ok(kind)
    }

    fn overlay(&self) -> RwLockReadGuard<'_, Overlay> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Overlay {
    fn expect(&mut self, news: Foreseen) {
        let (path, entry) = match news {
            Foreseen::Absent { path } => {
                self.files.retain(|below, _| !below.starts_with(&path));
                self.perhaps.retain(|below, _| !below.starts_with(&path));
                (path, Entry::Absent)
            }
            Foreseen::Folder { path, is_fresh } => (path, Entry::Folder { is_fresh }),
            Foreseen::Link { path, target } => (path, Entry::Link(target.into())),
            Foreseen::File { path, content } => match base64::prelude::BASE64_STANDARD.decode(content) {
                Ok(bytes) => (path, Entry::File(bytes.into())),
                Err(_) => (path, Entry::Later("the worker did not tell what it holds".to_owned())),
            },
            Foreseen::SameAs { path, real } => (path, Entry::SameAs(real.into())),
            Foreseen::Later { path, why } => (path, Entry::Later(why)),
            Foreseen::Perhaps { path, why } => {
                self.perhaps.insert(path.into(), why);
                return;
            }
            Foreseen::Doubt { why } => {
                self.doubt = Some(why);
                return;
            }
        };
        let at = self.locate(Path::new(&path), false).map_or_else(|_| path.into(), |(at, _)| at);
        self.perhaps.remove(&at);
        self.files.insert(at, entry);
    }

    /// The path without links, and what is there.
    fn locate(&self, path: &Path, follow: bool) -> io::Result<(PathBuf, Option<Kind>)> {
        let mut rest = components(&std::path::absolute(path)?);
        let mut at = PathBuf::from("/");
        let (mut kind, mut links) = (Some(Kind::Folder), 0);
        while let Some(name) = rest.pop_front() {
            if name == ".." {
                at.pop();
                kind = Some(Kind::Folder);
                continue;
            }
            let next = at.join(&name);
            kind = self.entry(&next);
            match kind {
                Some(Kind::Link) if follow || !rest.is_empty() => {
                    links += 1;
                    if links > LINKS_MAX {
                        return Err(io::ErrorKind::NotFound.into());
                    }
                    let target = self.target(&next)?;
                    if target.is_absolute() {
                        at = PathBuf::from("/");
                    }
                    components(&target).into_iter().rev().for_each(|name| rest.push_front(name));
                    kind = Some(Kind::Folder);
                }
                Some(Kind::Folder) => at = next,
                Some(_) if rest.is_empty() => at = next,
                _ => {
                    at = next;
                    at.extend(rest);
                    return Ok((at, None));
                }
            }
        }
        Ok((at, kind))
    }

    /// What is at a path whose folders have no links.
    fn entry(&self, path: &Path) -> Option<Kind> {
        match self.files.get(path) {
            Some(Entry::Absent) => None,
            Some(Entry::Folder { .. }) => Some(Kind::Folder),
            Some(Entry::Link(_)) => Some(Kind::Link),
            Some(Entry::File(_) | Entry::SameAs(_) | Entry::Later(_)) => Some(Kind::File),
            // Nothing real shows through a folder that would be new.
            None if path.ancestors().any(|above| self.is_fresh(above)) => None,
            None => kind_of(path, false),
        }
    }

    fn target(&self, link: &Path) -> io::Result<PathBuf> {
        match self.files.get(link) {
            Some(Entry::Link(target)) => Ok(target.clone()),
            _ => std::fs::read_link(link),
        }
    }

    fn is_fresh(&self, path: &Path) -> bool {
        matches!(self.files.get(path), Some(Entry::Absent | Entry::Folder { is_fresh: true }))
    }

    /// Whether it is not known what is there.
    fn doubted(&self, path: &Path) -> Result<(), Unread> {
        match path.ancestors().find_map(|above| self.perhaps.get(above)) {
            Some(why) => Err(Unread::Unknown(why.clone())),
            None => Ok(()),
        }
    }

    /// Why a file cannot be read: what is missing may be there by then.
    fn why_not(&self, path: &Path, cause: io::Error) -> Unread {
        if cause.kind() != io::ErrorKind::NotFound {
            return Unread::Failed(cause);
        }
        match (self.doubted(path), &self.doubt) {
            (Err(unknown), _) => unknown,
            (Ok(()), Some(why)) => Unread::Unknown(format!("`{}` is not there; {why}", path.display())),
            (Ok(()), None) => Unread::Failed(cause),
        }
    }
}

fn kind_of(path: &Path, follow: bool) -> Option<Kind> {
    let found = if follow { std::fs::metadata(path) } else { std::fs::symlink_metadata(path) };
    let kind = found.ok()?.file_type();
    Some(match () {
        () if kind.is_symlink() => Kind::Link,
        () if kind.is_dir() => Kind::Folder,
        () if kind.is_file() => Kind::File,
        () => Kind::Other,
    })
}

fn components(path: &Path) -> VecDeque<OsString> {
    let name = |component| match component {
        Component::Normal(name) => Some(name.to_owned()),
        Component::ParentDir => Some("..".into()),
        _ => None,
    };
    path.components().filter_map(name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(path: &Path) -> String {
        path.to_string_lossy().into_owned()
    }

    #[test]
    fn files_are_as_earlier_tasks_would_have_left_them() {
        let folder = tempfile::tempdir().expect("a folder");
        let root = folder.path().canonicalize().expect("it exists");
        std::fs::write(root.join("old"), "x").expect("written");
        std::fs::write(root.join("kept"), "kept").expect("written");
        let files = LocalFiles::default();
        files.expect(vec![
            Foreseen::Absent { path: text(&root.join("old")) },
            Foreseen::Folder { path: text(&root.join("d")), is_fresh: true },
            Foreseen::File { path: text(&root.join("d/f")), content: "dGV4dA==".to_owned() },
            Foreseen::Link { path: text(&root.join("l")), target: "d".to_owned() },
            Foreseen::SameAs { path: text(&root.join("twin")), real: text(&root.join("kept")) },
        ]);
        assert_eq!(files.read(&root.join("l/f")).expect("there"), b"text");
        assert_eq!(files.read(&root.join("d/../twin")).expect("there"), b"kept");
        assert!(matches!(files.read(&root.join("old")), Err(Unread::Failed(_))));
        let is = |found: Result<bool, Unread>| found.expect("known");
        assert!(is(files.is_folder(&root.join("l"))) && is(files.is_link(&root.join("l"))));
        assert!(!is(files.exists(&root.join("old"))) && is(files.is_file(&root.join("kept"))));
        let names =
            files.names(&root).expect("known").into_iter().map(|name| name.into_string().expect("text"));
        assert_eq!(names.collect::<Vec<_>>(), ["d", "kept", "l", "twin"]);
    }

    #[test]
    fn a_fetched_file_brings_its_folders() {
        let folder = tempfile::tempdir().expect("a folder");
        std::os::unix::fs::symlink(".", folder.path().join("l")).expect("a link");
        let files = LocalFiles::default();
        files.expect_file(&folder.path().join("l/n1/etc/motd"), "dGV4dA==".to_owned());
        assert_eq!(files.read(&folder.path().join("n1/etc/motd")).expect("there"), b"text");
        assert!(files.is_folder(&folder.path().join("l/n1/etc")).expect("known"));
    }

    #[test]
    fn what_only_a_run_can_tell_is_unknown_with_its_reason() {
        let folder = tempfile::tempdir().expect("a folder");
        let root = folder.path().canonicalize().expect("it exists");
        let files = LocalFiles::default();
        let why = || "it is packed then".to_owned();
        files.expect(vec![
            Foreseen::Later { path: text(&root.join("a.tar")), why: why() },
            Foreseen::Perhaps { path: text(&root.join("made")), why: why() },
        ]);
        assert!(files.exists(&root.join("a.tar")).expect("that it is there is known"));
        for found in
            [files.read(&root.join("a.tar")).map(drop), files.exists(&root.join("made/below")).map(drop)]
        {
            assert!(matches!(found, Err(Unread::Unknown(reason)) if reason == why()));
        }
        assert!(matches!(files.read(&root.join("no")), Err(Unread::Failed(_))));
        files.expect(vec![Foreseen::Doubt { why: "`make` is not run".to_owned() }]);
        let Err(Unread::Unknown(reason)) = files.read(&root.join("no")) else { panic!("it may be there") };
        assert!(reason.contains("no` is not there; `make` is not run"), "{reason}");
    }
}
