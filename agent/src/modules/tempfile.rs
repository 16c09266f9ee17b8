//! `tempfile`: a file or a directory with a name that nobody else has.

use super::{Args, Check, Failure, Module, Report};
use crate::worker::{Hands, View};
use muster_api::outcome::Outcome;
use rustix::fs::{CWD, Mode, OFlags, mkdirat, open};
use rustix::io::Errno;
use std::io;
use std::path::{Path, PathBuf};

pub(super) struct TempFile;

/// Names that are taken before the host is taken for full.
const ATTEMPTS: usize = 100;

impl Module for TempFile {
    fn check(&self, args: &Args<'_>, view: &View<'_>) -> Result<Check, Failure> {
        for name in ["prefix", "suffix"] {
            if args.text(name).is_some_and(|part| part.contains('/')) {
                return Err(Failure::new(format!("{name} must be a valid file name component")));
            }
        }
        let folder = folder(args, view);
        if !view.is_directory(&folder) {
            return Err(Failure::missing(format!("there is no directory `{}`", folder.display())));
        }
        if view.is_check() {
            return Ok(Check::unknown("the name is chosen when the file is made"));
        }
        Ok(Check::unchanged())
    }

    fn apply(&self, args: &Args<'_>, _check: Check, hands: &mut Hands<'_>) -> Result<Outcome, Failure> {
        let view = hands.view();
        let folder = folder(args, &view);
        let path = make(&folder, args).map_err(|error| {
            Failure::new(format!("cannot make a temporary file in `{}`: {error}", folder.display()))
        })?;
        let mut outcome = Outcome { changed: true, ..Outcome::default() };
        outcome.result.insert("path".into(), path.to_string_lossy().into());
        Report::File(path).fill(&mut outcome, &view);
        Ok(outcome)
    }
}

fn folder(args: &Args<'_>, view: &View<'_>) -> PathBuf {
    let of_environment =
        || view.environment().get("TMPDIR").cloned().or_else(|| std::env::var("TMPDIR").ok());
    args.path("path", view).or_else(|| of_environment().map(PathBuf::from)).unwrap_or_else(|| "/tmp".into())
}

/// Makes it with a name that was free, readable by its owner only.
fn make(folder: &Path, args: &Args<'_>) -> io::Result<PathBuf> {
    for _ in 0..ATTEMPTS {
        let (prefix, suffix) = (args.text("prefix").unwrap_or(""), args.text("suffix").unwrap_or(""));
        let path = folder.join(format!("{prefix}{}{suffix}", random_name()?));
        let made = match args.text("state") {
            Some("directory") => mkdirat(CWD, &path, Mode::from_raw_mode(0o700)),
            _ => {
                let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
                open(&path, flags, Mode::from_raw_mode(0o600)).map(drop)
            }
        };
        match made {
            Ok(()) => return Ok(path),
            Err(Errno::EXIST) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(io::Error::from(io::ErrorKind::AlreadyExists))
}

/// Eight letters, as Python's `tempfile` has them.
fn random_name() -> io::Result<String> {
    const LETTERS: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz012345";
    let mut random = [0; 8];
    getrandom::fill(&mut random).map_err(|error| io::Error::other(error.to_string()))?;
    Ok(random.iter().map(|byte| char::from(LETTERS[usize::from(*byte) % LETTERS.len()])).collect())
}

#[cfg(test)]
mod tests {
    use crate::worker::trial::Trial;
    use serde_json::json;

    #[test]
    fn file_and_directory_are_made_with_the_given_ends_of_their_names() {
        let trial = Trial::new("tempfile");
        let folder = trial.path("");
        let made = trial.apply(json!({"path": folder, "prefix": "a.", "suffix": ".b"}));
        let path = made.result["path"].as_str().expect("a path");
        assert!(path.ends_with(".b") && path.contains("/a.") && std::fs::metadata(path).is_ok(), "{made:?}");
        assert_eq!((&made.result["mode"], &made.result["state"]), (&json!("0600"), &json!("file")));
        let made = trial.apply(json!({"path": folder, "state": "directory"}));
        assert_eq!(made.result["state"], "directory");
        assert!(trial.check(json!({"path": folder})).unknown.is_some());
    }

    #[test]
    fn missing_folder_is_refused() {
        assert!(Trial::new("tempfile").refuse(json!({"path": "/no/such"})).contains("no directory"));
    }
}
