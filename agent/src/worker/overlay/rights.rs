//! Who may look into what in a plan: the kernel decides about what is there, and knows nothing of owners and modes that earlier steps
//! would have set. Root may look into all of it.

use super::{Entry, Located, Overlay};
use crate::worker::permission::{SEARCH, Subject, kernel_lets};
use std::io;
use std::path::Path;

impl Located {
    /// Where the real thing is, if no earlier step would have changed anything about it but where it is.
    pub(in crate::worker) fn real_unchanged(&self, overlay: &Overlay) -> Option<&Path> {
        self.real.as_deref().filter(|_| !overlay.files.contains_key(&self.path))
    }
}

impl Overlay {
    /// Whether this worker's user may pass a folder on the way to a path in it.
    pub(super) fn permit_search(&self, folder: &Located, path: &Path) -> io::Result<()> {
        self.permit(&folder.path, SEARCH)?;
        // The kernel is not asked about what is predicted, but about the way to it.
        match folder.real_unchanged(self).filter(|_| self.files.contains_key(path)) {
            Some(real) if Subject::of_this_worker().is_some() => {
                kernel_lets(real, SEARCH).map_err(|error| self.closed(path, error.into()))
            }
            _ => Ok(()),
        }
    }

    /// Whether this worker's user may do that with what an earlier step would have made or changed at a path.
    pub(super) fn permit(&self, path: &Path, what: u32) -> io::Result<()> {
        match self.rights(path) {
            Some(rights) if rights & what != what => {
                let error = rustix::io::Errno::ACCESS.into();
                Err(self.denied(path, error, self.uncertainty()))
            }
            _ => Ok(()),
        }
    }

    /// What this worker's user may do with what an earlier step would have made or changed at a path; none where that is all.
    fn rights(&self, path: &Path) -> Option<u32> {
        match self.files.get(path)? {
            Entry::There { stat, .. } => Some(Subject::of_this_worker()?.rights(stat)),
            Entry::Absent => None,
        }
    }

    /// The kernel does not let it be looked at now: an earlier step may give the right to it.
    pub(super) fn closed(&self, path: &Path, error: io::Error) -> io::Error {
        let is_opened =
            path.ancestors().any(|above| self.rights(above).is_some_and(|rights| rights & SEARCH != 0));
        let opened = is_opened.then_some("an earlier step would have changed who may");
        self.denied(path, error, self.uncertainty().or(opened))
    }

    /// Notes why it may be let then.
    fn denied(&self, path: &Path, error: io::Error, unless: Option<&str>) -> io::Error {
        if let Some(why) = unless.filter(|_| error.kind() == io::ErrorKind::PermissionDenied) {
            self.miss(&format!("`{}`: {error}; {why}", path.display()));
        }
        error
    }
}
