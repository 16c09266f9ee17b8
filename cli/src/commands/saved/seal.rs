//! The seal of a saved plan: nobody reads or changes it who does not have this controller's key. ChaCha20-Poly1305 (RFC 8439), with a key
//! of its own in a file that only the user reads.

use crate::error::{Diagnostic, Diagnostics, Result};
use crate::exit::Exit;
use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use std::fs::{DirBuilder, OpenOptions};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// The first bytes of a saved plan; the number is that of the format.
pub(super) const MAGIC: &[u8] = b"muster plan 1\n";
const KEY_LEN: usize = 32;

/// Seals `plain`.
pub(super) fn seal(plain: Vec<u8>) -> Result<Vec<u8>> {
    let key = key(true)?;
    let mut nonce = [0; NONCE_LEN];
    let no_random = |_| failed("the system gives no random bytes", None);
    getrandom::fill(&mut nonce).map_err(no_random)?;
    let mut body = plain;
    let sealed =
        key.seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::from(MAGIC), &mut body);
    sealed.map_err(|_| failed("the plan is too large to be sealed", None))?;
    Ok([MAGIC, &nonce, &body].concat())
}

/// Opens what [`seal`] made.
///
/// # Errors
///
/// It was made with another key, or is not as it was made.
pub(super) fn open(path: &Path, sealed: &[u8]) -> Result<Vec<u8>> {
    let why = format!("`{}` is no plan of this controller, or was changed since", path.display());
    let damaged = || failed(&why, Some("MUSTER_PLAN_KEY names the key file of the controller that made it"));
    let (nonce, body) = sealed
        .strip_prefix(MAGIC)
        .and_then(|rest| rest.split_first_chunk::<NONCE_LEN>())
        .ok_or_else(damaged)?;
    let mut body = body.to_vec();
    let opened = key(false)?.open_in_place(Nonce::assume_unique_for_key(*nonce), Aad::from(MAGIC), &mut body);
    opened.map(|plain| plain.to_vec()).map_err(|_| damaged())
}

fn key(may_make: bool) -> Result<LessSafeKey> {
    let path = path()?;
    let bytes = match std::fs::read(&path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == ErrorKind::NotFound && may_make => make(&path)?,
        Err(error) => return Err(failed(&format!("the key of plans, `{}`: {error}", path.display()), None)),
    };
    let unusable = |_| failed(&format!("`{}` is no key: it has 32 bytes", path.display()), None);
    Ok(LessSafeKey::new(UnboundKey::new(&CHACHA20_POLY1305, &bytes).map_err(unusable)?))
}

/// `$MUSTER_PLAN_KEY`, else `muster/plan.key` in the user's folder of settings.
fn path() -> Result<PathBuf> {
    let of = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let settings = || of("XDG_CONFIG_HOME").or_else(|| Some(of("HOME")?.join(".config")));
    of("MUSTER_PLAN_KEY").or_else(|| Some(settings()?.join("muster/plan.key"))).ok_or_else(|| {
        failed("there is no place for the key of plans", Some("MUSTER_PLAN_KEY names a file for it"))
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
    made().map_err(|error| failed(&format!("the key of plans, `{}`: {error}", path.display()), None))
}

fn failed(why: &str, next: Option<&str>) -> Diagnostics {
    let mistake = Diagnostic::error(why).exits_with(Exit::HostUnreachable);
    match next {
        Some(next) => mistake.hint(next).into(),
        None => mistake.into(),
    }
}
