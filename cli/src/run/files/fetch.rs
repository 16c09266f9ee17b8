//! `fetch`: where a file of a host goes on the controller, and putting it there.

use crate::run::arguments::{text, truth};
use crate::run::content::hex;
use crate::run::task_run::Request;
use sha1::{Digest, Sha1};
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

/// What putting a file on the controller came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fetched {
    pub(crate) changed: bool,
    /// SHA-1, as playbooks compare it.
    pub(crate) checksum: String,
}

/// Where the file goes: below `dest` come the host's name and the path, unless `flat`.
///
/// # Errors
///
/// There is a directory already.
pub(crate) fn destination(request: &Request, host: &str, source: &str) -> Result<PathBuf, String> {
    let path = path_of(request, host, source);
    let dest = text(&request.args, "dest").unwrap_or_default();
    if !path.is_dir() {
        return Ok(path);
    }
    Err(match truth(&request.args, "flat") && !dest.ends_with('/') {
        true => {
            "dest is an existing directory, use a trailing slash if you want to fetch src into that directory"
                .into()
        }
        false => format!(
            "calculated dest '{}' is an existing directory, use another path that does not point to an existing directory",
            path.display()
        ),
    })
}

fn path_of(request: &Request, host: &str, source: &str) -> PathBuf {
    let dest = text(&request.args, "dest").unwrap_or_default();
    let base = if Path::new(dest).is_absolute() {
        PathBuf::from(dest)
    } else {
        request.scope.playbook_dir().join(crate::run::ssh::options::expand_home(dest))
    };
    if !truth(&request.args, "flat") {
        return base.join(host).join(source.trim_start_matches('/'));
    }
    match dest.ends_with('/') {
        true => base.join(Path::new(source).file_name().unwrap_or_default()),
        false => base,
    }
}

/// Puts the bytes there, unless they are there already. With `check` nothing is written.
pub(crate) fn write(path: &Path, bytes: &[u8], check: bool) -> std::io::Result<Fetched> {
    let checksum = hex(&Sha1::digest(bytes));
    if fs::read(path).is_ok_and(|known| known == bytes) {
        return Ok(Fetched { changed: false, checksum });
    }
    if !check {
        let folder = path.parent().unwrap_or(Path::new("."));
        fs::create_dir_all(folder)?;
        // The old file stays whole until the new one is.
        let mut file = tempfile::NamedTempFile::new_in(folder)?;
        file.write_all(bytes)?;
        file.as_file().sync_all()?;
        file.persist(path).map_err(|failure| failure.error)?;
    }
    Ok(Fetched { changed: true, checksum })
}
