//! Contents that travel to hosts by their hash: a host that has it already is not sent a byte.

use muster_api::step::ContentRef;
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

/// What the run can send: rendered texts in memory, files by their path.
#[derive(Debug, Default)]
pub(crate) struct Contents(Mutex<HashMap<String, Source>>);

#[derive(Debug, Clone)]
enum Source {
    Bytes(Arc<[u8]>),
    File(PathBuf),
}

impl Contents {
    /// Takes a text or bytes.
    pub(crate) fn add_bytes(&self, bytes: &[u8]) -> ContentRef {
        let sha256 = hex(&Sha256::digest(bytes));
        self.insert(&sha256, || Source::Bytes(bytes.into()));
        ContentRef { sha256, size: bytes.len() as u64 }
    }

    /// Takes a file; it is read when a host asks for it.
    pub(crate) fn add_file(&self, path: &Path) -> io::Result<ContentRef> {
        let (sha256, size) = hash_file(path)?;
        self.insert(&sha256, || Source::File(path.to_owned()));
        Ok(ContentRef { sha256, size })
    }

    /// The bytes with that hash, or why they cannot be had.
    pub(crate) fn read(&self, sha256: &str) -> Result<Arc<[u8]>, String> {
        let source = self.0.lock().unwrap_or_else(PoisonError::into_inner).get(sha256).cloned();
        match source {
            None => Err("nobody offered it".into()),
            Some(Source::Bytes(bytes)) => Ok(bytes),
            Some(Source::File(path)) => {
                let bytes = std::fs::read(&path).map_err(|cause| format!("{}: {cause}", path.display()))?;
                if hex(&Sha256::digest(&bytes)) != sha256 {
                    return Err(format!("{} was changed while the run used it", path.display()));
                }
                Ok(bytes.into())
            }
        }
    }

    fn insert(&self, sha256: &str, source: impl FnOnce() -> Source) {
        let mut sources = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        sources.entry(sha256.to_owned()).or_insert_with(source);
    }
}

/// Hash and size of a file.
pub(crate) fn hash_file(path: &Path) -> io::Result<(String, u64)> {
    let mut file = File::open(path)?;
    let (mut hasher, mut size, mut buffer) = (Sha256::new(), 0, vec![0; 256 * 1024]);
    loop {
        let length = file.read(&mut buffer)?;
        if length == 0 {
            return Ok((hex(&hasher.finalize()), size));
        }
        hasher.update(&buffer[..length]);
        size += length as u64;
    }
}

/// Lower-case hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_content_is_found_by_its_hash() {
        let contents = Contents::default();
        let reference = contents.add_bytes(b"hello");
        assert_eq!(reference.size, 5);
        assert_eq!(contents.read(&reference.sha256).expect("it was added").as_ref(), b"hello");
        assert!(contents.read("00").is_err());
    }
}
