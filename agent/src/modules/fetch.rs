//! `fetch`, the host's half: the content of a file, for the controller to write down.

use super::{Args, Check, Failure, Module, checksum};
use crate::worker::View;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

pub(super) struct Fetch;

impl Module for Fetch {
    fn check(&self, args: &Args<'_>, view: &View<'_>) -> Result<Check, Failure> {
        let path = args.needed_path("src", view)?;
        let must_be_there = args.choice("fail_on_missing") != Some(false);
        if view.is_directory(&path) {
            let msg = "remote file is a directory, fetch cannot work on directories";
            return match must_be_there {
                true => Err(Failure::new(msg)),
                false => Ok(Check::unchanged().with("msg", format!("{msg}, ignored"))),
            };
        }
        let content = match view.read(&path) {
            Ok(content) => content,
            Err(error) if crate::worker::file::is_absent(&error) && !must_be_there => {
                return Ok(Check::unchanged()
                    .with("msg", "the remote file does not exist, not transferring, ignored"));
            }
            Err(error) if crate::worker::file::is_absent(&error) => {
                return Err(Failure::missing(format!("the remote file does not exist: {}", path.display())));
            }
            Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => {
                return Err(Failure::new(format!("File is not readable: {}", path.display())));
            }
            Err(error) => return Err(Failure::new(format!("cannot read `{}`: {error}", path.display()))),
        };
        let told = Check::unchanged()
            .with("checksum", checksum::sha1(&content))
            .with("md5sum", checksum::md5(&content));
        let told = told.with("sha256", checksum::sha256(&content)).with("size", content.len());
        Ok(told
            .with("content", STANDARD.encode(content))
            .with("encoding", "base64")
            .with("source", path.to_string_lossy()))
    }
}

#[cfg(test)]
mod tests {
    use crate::worker::trial::Trial;
    use serde_json::json;

    #[test]
    fn missing_file_is_a_failure_unless_it_may_be_missing() {
        let trial = Trial::new("fetch");
        trial.write("f", "x");
        let outcome = trial.is_silent(json!({"src": trial.path("f"), "dest": "/there/"}));
        assert_eq!(outcome.result["content"], "eA==");
        trial.refuse(json!({"src": trial.path("no"), "dest": "/there/"}));
        trial.is_silent(json!({"src": trial.path("no"), "dest": "/there/", "fail_on_missing": false}));
    }
}
