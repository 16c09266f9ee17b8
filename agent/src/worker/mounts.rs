//! What is mounted on the host, in the kernel's words: also for a worker that sees it otherwise (`confinement`).

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::OnceLock;

/// The table as it is outside of a worker's own mount namespace: a file that is open stays that of the namespace it was opened in.
static OUTSIDE: OnceLock<File> = OnceLock::new();

/// From now on tells the table of the mount namespace that this thread is in now.
pub(super) fn hold() -> io::Result<()> {
    let table = File::open("/proc/self/mounts")?;
    OUTSIDE.set(table).map_err(|_| io::Error::other("it is held already"))
}

/// The table in the format of /proc/self/mounts (proc(5)); empty where it cannot be read.
pub(crate) fn table() -> String {
    let Some(outside) = OUTSIDE.get() else {
        return std::fs::read_to_string("/proc/self/mounts").unwrap_or_default();
    };
    let (mut text, mut part) = (Vec::new(), [0; 16384]);
    while let Ok(read @ 1..) = outside.read_at(&mut part, u64::try_from(text.len()).unwrap_or(u64::MAX)) {
        text.extend_from_slice(&part[..read]);
    }
    String::from_utf8_lossy(&text).into_owned()
}

/// Whether what is at a path is on a file system that is mounted read-only.
pub(super) fn is_read_only(path: &Path) -> bool {
    let table = table();
    let mounts = table.lines().filter_map(|line| {
        let mut fields = line.split(' ').skip(1);
        let (place, options) = (unescaped(fields.next()?), fields.nth(1)?);
        path.starts_with(&place).then_some((place.len(), options))
    });
    // Of two at the same place the later one is seen.
    let options = mounts.max_by_key(|(length, _)| *length).map_or("", |(_, options)| options);
    options.split(',').any(|option| option == "ro")
}

/// A field of the table or of fstab as it is meant: `\040` is a blank.
pub(crate) fn unescaped(field: &str) -> String {
    field.replace("\\040", " ").replace("\\011", "\t").replace("\\012", "\n").replace("\\134", "\\")
}

#[cfg(test)]
mod tests {
    use super::{hold, table, unescaped};

    #[test]
    fn blanks_in_names_are_read() {
        assert_eq!(unescaped("/mnt/a\\040b"), "/mnt/a b");
    }

    #[test]
    fn a_held_table_tells_the_same() {
        let told = table();
        assert!(told.lines().any(|line| line.split(' ').nth(1) == Some("/")));
        hold().expect("it is held");
        assert_eq!(table(), told);
    }
}
