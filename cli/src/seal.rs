//! The seal of what is kept of plans and runs: nobody reads or changes it who does not have this controller's key.
//! ChaCha20-Poly1305 (RFC 8439), with a key of its own in a file that only the user reads.

use crate::error::{Diagnostic, Diagnostics, Result};
use crate::exit::Exit;
use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use std::fs::{DirBuilder, OpenOptions};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

const KEY_LEN: usize = 32;

/// This controller's key.
pub(crate) struct Key(LessSafeKey);

impl Key {
    /// The key, made where there is none yet and it may be made.
    ///
    /// # Errors
    ///
    /// It cannot be read or made.
    pub(crate) fn own(may_make: bool) -> Result<Self> {
        read(may_make).map(Self)
    }

    /// A key for tests.
    #[cfg(test)]
    pub(crate) fn of_test(byte: u8) -> Self {
        let key = UnboundKey::new(&CHACHA20_POLY1305, &[byte; KEY_LEN]).expect("it has the length of one");
        Self(LessSafeKey::new(key))
    }

    /// Seals `plain` as a thing of the kind that `mark` names.
    ///
    /// # Errors
    ///
    /// There are no random bytes, or it is too large.
    pub(crate) fn seal(&self, mark: &[u8], plain: Vec<u8>) -> Result<Vec<u8>> {
        let mut nonce = [0; NONCE_LEN];
        getrandom::fill(&mut nonce).map_err(|_| failed("the system gives no random bytes", None))?;
        let mut body = plain;
        let (unique, mark) = (Nonce::assume_unique_for_key(nonce), Aad::from(mark));
        let sealed = self.0.seal_in_place_append_tag(unique, mark, &mut body);
        sealed.map_err(|_| failed("it is too large to be sealed", None))?;
        Ok([&nonce[..], &body].concat())
    }

    /// Opens what [`seal`](Self::seal) made; none where it was made with another key or for another kind, or is not as it was made.
    pub(crate) fn open(&self, mark: &[u8], sealed: &[u8]) -> Option<Vec<u8>> {
        let (nonce, body) = sealed.split_first_chunk::<NONCE_LEN>()?;
        let mut body = body.to_vec();
        let nonce = Nonce::assume_unique_for_key(*nonce);
        self.0.open_in_place(nonce, Aad::from(mark), &mut body).ok().map(|plain| plain.to_vec())
    }
}

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Key(***)")
    }
}

fn read(may_make: bool) -> Result<LessSafeKey> {
    let path = path()?;
    let bytes = match std::fs::read(&path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == ErrorKind::NotFound && may_make => make(&path)?,
        Err(error) => {
            return Err(failed(&format!("the key of plans and runs, `{}`: {error}", path.display()), None));
        }
    };
    let unusable = |_| failed(&format!("`{}` is no key: it has 32 bytes", path.display()), None);
    Ok(LessSafeKey::new(UnboundKey::new(&CHACHA20_POLY1305, &bytes).map_err(unusable)?))
}

/// `$MUSTER_PLAN_KEY`, else `muster/plan.key` in the user's folder of settings.
fn path() -> Result<PathBuf> {
    let of = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let settings = || of("XDG_CONFIG_HOME").or_else(|| Some(of("HOME")?.join(".config")));
    of("MUSTER_PLAN_KEY").or_else(|| Some(settings()?.join("muster/plan.key"))).ok_or_else(|| {
        failed("there is no place for the key of plans and runs", Some("MUSTER_PLAN_KEY names a file for it"))
    })
}

fn make(path: &Path) -> Result<Vec<u8>> {
    let made = || -> std::io::Result<Vec<u8>> {
        let mut bytes = vec![0; KEY_LEN];
        getrandom::fill(&mut bytes).map_err(std::io::Error::other)?;
        if let Some(folder) = path.parent() {
            DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        }
        match OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
            Ok(mut file) => file.write_all(&bytes).and_then(|()| file.sync_all()).map(|()| bytes),
            // Another run was first.
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                bytes.clear();
                std::fs::File::open(path)?.read_to_end(&mut bytes)?;
                Ok(bytes)
            }
            Err(error) => Err(error),
        }
    };
    made().map_err(|error| failed(&format!("the key of plans and runs, `{}`: {error}", path.display()), None))
}

fn failed(why: &str, next: Option<&str>) -> Diagnostics {
    let mistake = Diagnostic::error(why).exits_with(Exit::HostUnreachable);
    match next {
        Some(next) => mistake.hint(next).into(),
        None => mistake.into(),
    }
}
