//! What a plan has foretold goes from worker to worker: each user whom tasks become has one of its own, and what the tasks of one
//! would have done holds for those of the others. A user gets no content that only others may read.

use super::{Content, Entry, Overlay};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use std::path::Path;

impl Overlay {
    /// All that is foretold, as text, for a worker that runs as this user.
    ///
    /// # Errors
    ///
    /// A sentence where it cannot be said in a message.
    pub(in crate::worker) fn hand_over(&self, uid: u32) -> Result<String, String> {
        let mut given = self.clone();
        let secret: Vec<_> = self.files.keys().filter(|path| !self.may_read(path, uid)).cloned().collect();
        for path in secret {
            if let Some(Entry::There { content, .. }) = given.files.get_mut(&path)
                && matches!(content, Content::Own(_) | Content::Packed(_))
            {
                *content = Content::Later("only another user may read what a task before would write".into());
            }
        }
        let bytes = postcard::to_allocvec(&given).map_err(|error| error.to_string())?;
        Ok(BASE64_STANDARD.encode(bytes))
    }

    /// Knows from now on what another worker has handed over, and nothing else.
    ///
    /// # Errors
    ///
    /// It is no such text; all stays as it was.
    pub(in crate::worker) fn take_over(&mut self, foretold: &str) -> Result<(), String> {
        let bytes = BASE64_STANDARD.decode(foretold).map_err(|error| error.to_string())?;
        let taken: Self = postcard::from_bytes(&bytes).map_err(|error| error.to_string())?;
        // Of what others foretold the controller has heard from them.
        *self = Self { news: self.news.take(), ..taken };
        Ok(())
    }

    /// Whether a user may read a file that is foretold: its owner, or everybody where nothing above it is closed. Groups do not count.
    fn may_read(&self, path: &Path, uid: u32) -> bool {
        let stat = |path: &Path| self.plain(path).ok().and_then(|located| located.stat);
        let Some(file) = stat(path) else { return true };
        let is_open = |folder: &Path| stat(folder).is_some_and(|stat| stat.mode & 0o001 != 0);
        let of_everybody = || file.mode & 0o004 != 0 && path.ancestors().skip(1).all(is_open);
        uid == 0 || file.uid == uid && file.mode & 0o400 != 0 || of_everybody()
    }
}

#[cfg(test)]
mod tests {
    use super::super::Overlay;
    use crate::worker::operation::{Attributes, Operation, Put};
    use std::path::Path;

    #[test]
    fn another_user_knows_what_would_be_there_and_not_what_is_secret_in_it() {
        let mut overlay = Overlay::default();
        for (name, mode) in [("/tmp/foretold-open", 0o644), ("/tmp/foretold-closed", 0o600)] {
            let attributes = Attributes { mode: Some(mode), ..Attributes::default() };
            let content = b"content".as_slice().into();
            let put =
                Put { path: name.into(), content, attributes, validate: None, may_write_in_place: false };
            overlay.predict(&Operation::Put(put), 0o022).expect("predicted");
        }
        let nobody = rustix::process::geteuid().as_raw() + 4711;
        let mut other = Overlay::default();
        other.take_over(&overlay.hand_over(nobody).expect("told")).expect("taken");
        assert_eq!(other.read(Path::new("/tmp/foretold-open")).expect("read"), b"content");
        assert!(other.look(Path::new("/tmp/foretold-closed"), true).expect("known").stat.is_some());
        assert_ne!(other.read(Path::new("/tmp/foretold-closed")).unwrap_or_default(), b"content");
        other.take_over(&overlay.hand_over(0).expect("told")).expect("taken");
        assert_eq!(other.read(Path::new("/tmp/foretold-closed")).expect("read"), b"content");
        assert!(other.take_over("x").is_err());
    }
}
