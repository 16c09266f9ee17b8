//! The cluster's keys: `authkey`, and beside it `authkey.next`, a second valid key while keys are changed node by node.

use crate::seal::Suite;
use muster_api::cluster::{Cipher, Corosync};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// corosync-keygen(8) writes 256 bytes; fewer than 128 bits are no key.
const KEY_MIN: usize = 16;

/// The cipher and its keys.
pub(crate) struct Keyring {
    cipher: Cipher,
    keys: Vec<Vec<u8>>,
}

/// Why there is no key.
#[derive(Debug, thiserror::Error)]
pub(crate) enum KeyError {
    /// The file cannot be read.
    #[error("cannot read the cluster's key {path}: {source}; every node needs the same one, mode 0400")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// There is too little in it.
    #[error("the cluster's key {path} has {found} bytes, at least {KEY_MIN} are needed")]
    TooShort {
        /// The file.
        path: PathBuf,
        /// How many bytes it has.
        found: usize,
    },
}

impl Keyring {
    /// Reads the keys that corosync.conf means; `usual` where it names no `keyfile`.
    pub(crate) fn read(corosync: &Corosync, usual: &Path) -> Result<Self, KeyError> {
        let cipher = corosync.totem.cipher;
        if cipher == Cipher::None {
            return Ok(Self { cipher, keys: Vec::new() });
        }
        let path = corosync.totem.keyfile.as_ref().map_or(usual.to_path_buf(), PathBuf::from);
        let mut keys = vec![read_key(&path)?];
        let mut next = path.into_os_string();
        next.push(".next");
        match read_key(Path::new(&next)) {
            Ok(key) => keys.push(key),
            Err(KeyError::Unreadable { source, .. }) if source.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        Ok(Self { cipher, keys })
    }

    /// Tells it from others without showing it.
    pub(crate) fn digest(&self) -> [u8; 32] {
        use sha2::{Digest, Sha256};
        let each = self.keys.iter().flat_map(|key| <[u8; 32]>::from(Sha256::digest(key)));
        Sha256::digest(each.collect::<Vec<u8>>()).into()
    }

    /// For the seal.
    pub(crate) fn suite(self) -> Suite {
        Suite::new(self.cipher, self.keys)
    }
}

fn read_key(path: &Path) -> Result<Vec<u8>, KeyError> {
    let key =
        std::fs::read(path).map_err(|source| KeyError::Unreadable { path: path.to_path_buf(), source })?;
    if key.len() < KEY_MIN {
        return Err(KeyError::TooShort { path: path.to_path_buf(), found: key.len() });
    }
    Ok(key)
}
