//! The lock that tells concurrent runs against one host apart. It is held by the open file, so it ends with the
//! worker however that ends; the file's text says who holds it.

use rustix::fs::{FlockOperation, Mode, OFlags, flock, open};
use std::fs::File;
use std::io::{self, Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Held until it is dropped.
#[derive(Debug)]
pub(super) struct HostLock {
    _file: File,
}

/// Why there is no lock.
#[derive(Debug, thiserror::Error)]
pub(super) enum LockError {
    #[error("another run works on this host: {holder}; wait until it ends")]
    Held { holder: String },
    #[error("cannot lock `{}`: {source}", path.display())]
    Io { path: PathBuf, source: io::Error },
}

/// How long one that has not said yet who it is is waited for.
const PATIENCE: Duration = Duration::from_secs(5);

/// The lock of this user's workers on this host.
pub(super) fn path() -> PathBuf {
    let user = rustix::process::geteuid();
    if user.is_root() {
        return PathBuf::from("/run/muster/lock");
    }
    let own = PathBuf::from(format!("/run/user/{}", user.as_raw()));
    if own.is_dir() { own.join("muster.lock") } else { format!("/tmp/muster-{}.lock", user.as_raw()).into() }
}

/// Takes the lock for `run`, or says who holds it.
pub(super) fn take(path: &Path, run: &str) -> Result<HostLock, LockError> {
    let io = |source: io::Error| LockError::Io { path: path.to_owned(), source };
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).map_err(io)?;
    }
    // No link is followed: the folder may be one where others write.
    let flags = OFlags::RDWR | OFlags::CREATE | OFlags::CLOEXEC | OFlags::NOFOLLOW;
    let mut file =
        File::from(open(path, flags, Mode::from_raw_mode(0o600)).map_err(|error| io(error.into()))?);
    let deadline = Instant::now() + PATIENCE;
    loop {
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => break,
            Err(rustix::io::Errno::WOULDBLOCK) => {
                let holder = holder(&mut file).map_err(io)?;
                // Several workers of one run, for several users or at once, are told apart from no one.
                if holder == run {
                    return Ok(HostLock { _file: file });
                }
                if !holder.is_empty() || Instant::now() >= deadline {
                    return Err(LockError::Held { holder: named(holder) });
                }
                std::thread::sleep(Duration::from_millis(50));
            }
            Err(error) => return Err(io(error.into())),
        }
    }
    file.set_len(0).map_err(io)?;
    file.rewind().map_err(io)?;
    file.write_all(run.as_bytes()).map_err(io)?;
    Ok(HostLock { _file: file })
}

fn holder(file: &mut File) -> io::Result<String> {
    let mut text = String::new();
    file.rewind()?;
    file.read_to_string(&mut text)?;
    Ok(text)
}

fn named(holder: String) -> String {
    if holder.is_empty() { "one that does not say who it is".to_owned() } else { holder }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn second_run_is_refused_with_the_name_of_the_first() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("run/lock");
        let first = take(&path, "ann@laptop site.yml").expect("free");
        let error = take(&path, "bob@desk site.yml").expect_err("held");
        assert_eq!(
            error.to_string(),
            "another run works on this host: ann@laptop site.yml; wait until it ends"
        );
        take(&path, "ann@laptop site.yml").expect("its own");
        drop(first);
        take(&path, "bob@desk site.yml").expect("free again");
    }
}
