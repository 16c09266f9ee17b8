//! What came from the controller, in a file of its own for a program that reads no other way; gone with the value.

use rustix::fs::{Mode, OFlags, open};
use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// A file that nobody else can have made or can read, for as long as it is needed.
pub(super) struct PassingFile {
    path: PathBuf,
}

impl PassingFile {
    /// Writes it with the mode; `what` is part of its name.
    pub(super) fn write(what: &str, content: &[u8], mode: u32) -> io::Result<Self> {
        let mut random = [0; 8];
        getrandom::fill(&mut random).map_err(|error| io::Error::other(error.to_string()))?;
        let path = Path::new("/tmp").join(format!(".muster-{what}-{}", super::hex(&random)));
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let mut file = File::from(open(&path, flags, Mode::from_raw_mode(mode))?);
        let passing = Self { path };
        file.write_all(content)?;
        Ok(passing)
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for PassingFile {
    fn drop(&mut self) {
        // Nothing better can be done where it is gone already.
        let _ = std::fs::remove_file(&self.path);
    }
}
