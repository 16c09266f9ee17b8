//! Writes a file so that at every moment either the old one or the new one is whole: a temporary file in the
//! same folder, synced, accepted by `validate`, renamed, and the folder synced. Owner, mode, access control list
//! and SELinux label of the old file stay.

use super::operation::{Attributes, Put};
use super::process::Command;
use rustix::fs::{
    AtFlags, CWD, FlockOperation, Gid, Mode, OFlags, Uid, XattrFlags, chmod, chownat, flock, open,
};
use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Why a file was not put in place. The old file is whole, and no temporary file is left.
#[derive(Debug, thiserror::Error)]
pub(super) enum PutError {
    #[error("cannot {act} `{}`: {source}{}", path.display(), hint(source))]
    Io { act: &'static str, path: PathBuf, source: io::Error },
    #[error("`validate` refused the new content of `{}`: `{line}` ended with {rc}: {complaint}", path.display())]
    Refused { path: PathBuf, line: String, rc: i32, complaint: String },
    #[error("validate must contain %s: {line}")]
    NoPlace { line: String },
    #[error("cannot run `{line}`: {source}")]
    NoValidator { line: String, source: io::Error },
}

fn hint(error: &io::Error) -> &'static str {
    match rustix::io::Errno::from_io_error(error) {
        Some(rustix::io::Errno::BUSY) => {
            " (it is a mount of its own: set `unsafe_writes: true` to write in place)"
        }
        Some(rustix::io::Errno::NOSPC) => " (free some space on that file system)",
        Some(rustix::io::Errno::ROFS) => " (the file system is mounted read-only)",
        _ => "",
    }
}

/// Puts the file in place.
pub(super) fn put(put: &Put) -> Result<(), PutError> {
    let error = |act, path: &Path| {
        let path = path.to_owned();
        move |source| PutError::Io { act, path, source }
    };
    let old = std::fs::symlink_metadata(&put.path).ok().filter(|old| old.is_file());
    let temporary = match Temporary::beside(&put.path) {
        Ok(temporary) => temporary,
        // Nothing new can be made in that folder: what is there may still be written.
        Err(_) if put.may_write_in_place && old.is_some() => return write_in_place(put),
        Err(failed) => return Err(error("create a file beside", &put.path)(failed)),
    };
    temporary.fill(&put.content).map_err(error("write", &put.path))?;
    temporary
        .dress(&put.path, old.as_ref(), put.attributes)
        .map_err(error("set owner and mode of", &put.path))?;
    if let Some(line) = &put.validate {
        validate(line, &temporary.path, &put.path)?;
    }
    match std::fs::rename(&temporary.path, &put.path) {
        Ok(()) => temporary.keep(),
        Err(_) if put.may_write_in_place && old.is_some() => write_in_place(put)?,
        Err(failed) => return Err(error("replace", &put.path)(failed)),
    }
    sync_folder(&put.path).map_err(error("sync the folder of", &put.path))
}

/// Whether `validate` accepts the content, of which a copy that only this user can read is made among the temporary files for that
/// long.
pub(super) fn try_out(put: &Put) -> Result<(), PutError> {
    let Some(line) = &put.validate else { return Ok(()) };
    let error = |act| move |source| PutError::Io { act, path: put.path.clone(), source };
    let beside = Path::new("/tmp").join(put.path.file_name().unwrap_or_default());
    let temporary = Temporary::beside(&beside).map_err(error("try out"))?;
    temporary.fill(&put.content).map_err(error("try out"))?;
    validate(line, &temporary.path, &put.path)
}

/// The user said that a file which is half written for a moment is better than none.
fn write_in_place(put: &Put) -> Result<(), PutError> {
    let error = |act| move |source| PutError::Io { act, path: put.path.clone(), source };
    std::fs::write(&put.path, &put.content).map_err(error("write in place"))?;
    set(&put.path, put.attributes).map_err(error("set owner and mode of"))
}

/// Copies content and attributes of a file.
pub(super) fn back_up(path: &Path, copy: &Path) -> Result<(), PutError> {
    let error = |act| move |source| PutError::Io { act, path: path.to_owned(), source };
    let content = std::fs::read(path).map_err(error("read"))?;
    let old = std::fs::symlink_metadata(path).map_err(error("read"))?;
    let temporary = Temporary::beside(copy).map_err(error("create a file beside"))?;
    temporary.fill(&content).map_err(error("back up"))?;
    temporary.dress(path, Some(&old), Attributes::default()).map_err(error("back up"))?;
    std::fs::rename(&temporary.path, copy).map_err(error("back up"))?;
    temporary.keep();
    sync_folder(copy).map_err(error("sync the folder of"))
}

/// Sets owner, then mode: a change of owner takes the set-id bits away.
pub(super) fn set(path: &Path, attributes: Attributes) -> io::Result<()> {
    if attributes.uid.is_some() || attributes.gid.is_some() {
        let (uid, gid) = (attributes.uid.map(Uid::from_raw), attributes.gid.map(Gid::from_raw));
        chownat(CWD, path, uid, gid, AtFlags::SYMLINK_NOFOLLOW)?;
    }
    if let Some(mode) = attributes.mode {
        chmod(path, Mode::from_raw_mode(mode))?;
    }
    Ok(())
}

fn validate(line: &str, temporary: &Path, path: &Path) -> Result<(), PutError> {
    if !line.contains("%s") {
        return Err(PutError::NoPlace { line: line.to_owned() });
    }
    let quoted = format!("'{}'", temporary.to_string_lossy().replace('\'', r"'\''"));
    let ran = Command::new("/bin/sh", &["-c", &line.replace("%s", &quoted)])
        .run()
        .map_err(|source| PutError::NoValidator { line: line.to_owned(), source })?;
    if ran.is_fine() {
        return Ok(());
    }
    let complaint = match ran.complaint() {
        said if said.is_empty() => "it said nothing".to_owned(),
        // The file that it speaks of is gone; where its content should go says more.
        said => said.replace(&*temporary.to_string_lossy(), &path.to_string_lossy()),
    };
    Err(PutError::Refused { path: path.to_owned(), line: line.to_owned(), rc: ran.rc, complaint })
}

fn sync_folder(path: &Path) -> io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("/"));
    match File::open(folder)?.sync_all() {
        // Some network file systems cannot sync a folder.
        Err(error) if error.kind() == io::ErrorKind::InvalidInput => Ok(()),
        synced => synced,
    }
}

/// Whoever makes a temporary file holds it within this time.
const HELD_WITHIN: Duration = Duration::from_millis(500);

/// A file that goes away again unless it is put in place.
struct Temporary {
    path: PathBuf,
    file: File,
}

impl Temporary {
    fn beside(path: &Path) -> io::Result<Self> {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let mut random = [0; 8];
        getrandom::fill(&mut random).map_err(|error| io::Error::other(error.to_string()))?;
        let random: String = random.iter().map(|byte| format!("{byte:02x}")).collect();
        // A name may have 255 bytes.
        let start: String = name.chars().take(40).collect();
        let start = format!(".{start}.muster-");
        remove_left_behind(path, &start);
        let path = path.with_file_name(start + &random);
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let file = File::from(open(&path, flags, Mode::from_raw_mode(0o600))?);
        // Held while it is at work on. Where there are no locks, its age alone protects it.
        let _ = flock(&file, FlockOperation::NonBlockingLockExclusive);
        Ok(Self { path, file })
    }

    fn fill(&self, content: &[u8]) -> io::Result<()> {
        (&self.file).write_all(content)?;
        self.file.sync_all()
    }

    /// Gives it what the old file has, and what is asked for.
    fn dress(&self, old_path: &Path, old: Option<&std::fs::Metadata>, asked: Attributes) -> io::Result<()> {
        match old {
            Some(old) => {
                let own = self.file.metadata()?;
                let differs = |old: u32, own: u32| (old != own).then_some(old);
                let kept = Attributes {
                    uid: asked.uid.or_else(|| differs(old.uid(), own.uid())),
                    gid: asked.gid.or_else(|| differs(old.gid(), own.gid())),
                    mode: Some(old.mode() & 0o7777),
                };
                set(&self.path, kept)?;
                copy_extended(old_path, &self.path)?;
            }
            None => {
                let umask = super::step::umask();
                set(&self.path, Attributes { mode: Some(0o666 & !umask), ..asked })?;
            }
        }
        set(&self.path, Attributes { mode: asked.mode, ..Attributes::default() })
    }

    /// The file has its final name: there is nothing to remove.
    fn keep(mut self) {
        self.path = PathBuf::new();
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        if !self.path.as_os_str().is_empty() {
            // It may be gone already; there is nothing better to do than to try.
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

/// Removes what a worker that was killed has left of an earlier try at the same file.
fn remove_left_behind(path: &Path, start: &str) {
    let entries = path.parent().and_then(|folder| std::fs::read_dir(folder).ok());
    for entry in entries.into_iter().flatten().flatten() {
        let name = entry.file_name();
        let random = name.to_str().and_then(|name| name.strip_prefix(start));
        let is_ours = random
            .is_some_and(|random| random.len() == 16 && random.bytes().all(|byte| byte.is_ascii_hexdigit()));
        if is_ours && is_left_behind(&entry.path()).unwrap_or(false) {
            // Somebody else may have been faster.
            let _ = std::fs::remove_file(entry.path());
        }
    }
}

/// Whether nobody is at work on a temporary file of this user any more.
fn is_left_behind(path: &Path) -> io::Result<bool> {
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let file = File::from(open(path, flags, Mode::empty())?);
    let metadata = file.metadata()?;
    let is_own = metadata.is_file() && metadata.uid() == rustix::process::geteuid().as_raw();
    // One that is younger may have been made and not be held yet.
    let is_old = metadata.modified()?.elapsed().is_ok_and(|age| age > HELD_WITHIN);
    Ok(is_own && is_old && flock(&file, FlockOperation::NonBlockingLockExclusive).is_ok())
}

/// Copies access control lists, the SELinux label and users' own attributes.
fn copy_extended(from: &Path, to: &Path) -> io::Result<()> {
    let mut names = vec![0; 64 * 1024];
    let size = match rustix::fs::llistxattr(from, &mut names[..]) {
        Ok(size) => size,
        Err(rustix::io::Errno::OPNOTSUPP | rustix::io::Errno::NOSYS) => return Ok(()),
        Err(error) => return Err(error.into()),
    };
    for name in names[..size].split(|byte| *byte == 0).filter(|name| !name.is_empty()) {
        let is_kept = name.starts_with(b"user.")
            || matches!(name, b"security.selinux" | b"system.posix_acl_access" | b"security.SMACK64");
        let mut value = vec![0; 64 * 1024];
        match is_kept.then(|| rustix::fs::lgetxattr(from, name, &mut value[..])) {
            Some(Ok(size)) => rustix::fs::lsetxattr(to, name, &value[..size], XattrFlags::empty())?,
            Some(Err(rustix::io::Errno::NODATA)) | None => {}
            Some(Err(error)) => return Err(error.into()),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn a_put(path: &Path, content: &str) -> Put {
        Put {
            path: path.to_owned(),
            content: content.as_bytes().into(),
            attributes: Attributes::default(),
            validate: None,
            may_write_in_place: false,
        }
    }

    fn names(folder: &Path) -> Vec<String> {
        let entries = std::fs::read_dir(folder).expect("there");
        entries.map(|entry| entry.expect("readable").file_name().to_string_lossy().into_owned()).collect()
    }

    #[test]
    fn what_a_killed_worker_left_goes_with_the_next_try_and_what_is_at_work_stays() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("f");
        let old = std::time::SystemTime::now() - Duration::from_secs(60);
        let make = |name: &str| {
            let file = File::create(folder.path().join(name)).expect("made");
            file.set_modified(old).expect("set");
            file
        };
        let held = make(".f.muster-0123456789abcdef");
        flock(&held, FlockOperation::LockExclusive).expect("held");
        make(".f.muster-fedcba9876543210");
        make(".f.muster-of-the-user");
        put(&a_put(&path, "new")).expect("put");
        let mut left = names(folder.path());
        left.sort();
        assert_eq!(left, [".f.muster-0123456789abcdef", ".f.muster-of-the-user", "f"]);
    }

    #[test]
    fn old_mode_stays_and_no_temporary_file_is_left() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("f");
        std::fs::write(&path, "old").expect("written");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o604)).expect("set");
        put(&a_put(&path, "new")).expect("put");
        assert_eq!(std::fs::read_to_string(&path).expect("there"), "new");
        assert_eq!(std::fs::metadata(&path).expect("there").permissions().mode() & 0o7777, 0o604);
        assert_eq!(names(folder.path()), ["f"]);
    }

    #[test]
    fn refused_content_leaves_the_old_file_whole() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("f");
        std::fs::write(&path, "old").expect("written");
        let refused =
            Put { validate: Some("echo no good in %s; grep -q right %s".into()), ..a_put(&path, "wrong") };
        let error = put(&refused).expect_err("refused").to_string();
        assert!(error.ends_with(&format!("no good in {}", path.display())), "{error}");
        assert_eq!(std::fs::read_to_string(&path).expect("there"), "old");
        assert_eq!(names(folder.path()), ["f"]);
        put(&Put { content: b"right"[..].into(), ..refused }).expect("accepted");
    }

    #[test]
    fn folder_that_is_not_there_is_named() {
        let error = put(&a_put(Path::new("/no/such/folder/f"), "x")).expect_err("no folder").to_string();
        assert!(error.contains("/no/such/folder/f"), "{error}");
    }
}
