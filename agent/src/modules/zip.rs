//! The list of files of a zip archive, from its central directory (PKWARE's APPNOTE, 4.3.12), and whether they are on the host.

use crate::worker::View;
use std::path::Path;

/// One file of the archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) name: String,
    size: u64,
    crc: u32,
}

/// All entries in their order; `None` where the bytes are no zip archive.
pub(super) fn entries(archive: &[u8]) -> Option<Vec<Entry>> {
    const END: &[u8] = b"PK\x05\x06";
    let end = archive.windows(END.len()).rposition(|window| window == END)?;
    let count = number(archive, end + 10, 2)?;
    let mut at = usize::try_from(number(archive, end + 16, 4)?).ok()?;
    let mut entries = Vec::new();
    for _ in 0..count {
        let length = |offset| number(archive, at + offset, 2).and_then(|length| usize::try_from(length).ok());
        let (name, extra, comment) = (length(28)?, length(30)?, length(32)?);
        let bytes = archive.get(at + 46..at + 46 + name)?;
        entries.push(Entry {
            name: String::from_utf8_lossy(bytes).into_owned(),
            size: number(archive, at + 24, 4)?,
            crc: u32::try_from(number(archive, at + 16, 4)?).ok()?,
        });
        at += 46 + name + extra + comment;
    }
    Some(entries)
}

impl Entry {
    pub(super) fn is_directory(&self) -> bool {
        self.name.ends_with('/')
    }

    /// Whether the host has it below the folder, with the same content.
    pub(super) fn is_in(&self, folder: &Path, view: &View<'_>) -> bool {
        let path = folder.join(&self.name);
        if self.is_directory() {
            return view.is_directory(&path);
        }
        let is_like = matches!(view.stat(&path), Ok(Some(stat)) if stat.is_file() && stat.size == self.size);
        is_like && view.read(&path).is_ok_and(|content| crc32(&content) == self.crc)
    }
}

/// A little-endian number.
fn number(bytes: &[u8], at: usize, length: usize) -> Option<u64> {
    let bytes = bytes.get(at..at + length)?;
    Some(bytes.iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte)))
}

/// The checksum of zip and Ethernet (ISO 3309).
fn crc32(bytes: &[u8]) -> u32 {
    const TABLE: [u32; 256] = table();
    let step = |crc: u32, byte: &u8| TABLE[usize::from(crc as u8 ^ byte)] ^ crc >> 8;
    !bytes.iter().fold(u32::MAX, step)
}

const fn table() -> [u32; 256] {
    let mut table = [0; 256];
    let mut index = 0;
    while index < 256 {
        let mut value = index as u32;
        let mut bit = 0;
        while bit < 8 {
            value = if value & 1 == 1 { 0xedb8_8320 ^ value >> 1 } else { value >> 1 };
            bit += 1;
        }
        table[index] = value;
        index += 1;
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checksum_is_the_one_of_the_standard() {
        assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
    }

    #[test]
    fn what_is_no_archive_has_no_entries() {
        assert_eq!(entries(b"no archive"), None);
    }
}
