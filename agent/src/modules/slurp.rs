//! `slurp`: a file as base64.

use super::{Args, Check, Failure, Module};
use crate::worker::View;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use std::path::Path;

pub(super) struct Slurp;

impl Module for Slurp {
    fn check(&self, args: &Args<'_>, view: &View<'_>) -> Result<Check, Failure> {
        let path = args.needed_path("src", view)?;
        let content = view.read(&path).map_err(|error| match error.kind() {
            std::io::ErrorKind::NotFound if leads_through_a_file(&path, view) => {
                Failure::new(format!("Unable to slurp file: {}: Not a directory", path.display()))
            }
            std::io::ErrorKind::NotFound => Failure::missing(format!("File not found: {}", path.display())),
            std::io::ErrorKind::IsADirectory => {
                Failure::new(format!("Source is a directory and must be a file: {}", path.display()))
            }
            std::io::ErrorKind::NotADirectory => {
                Failure::new(format!("Unable to slurp file: {}: {error}", path.display()))
            }
            std::io::ErrorKind::PermissionDenied => {
                Failure::new(format!("File is not readable: {}", path.display()))
            }
            _ => Failure::new(format!("cannot read `{}`: {error}", path.display())),
        })?;
        let told = Check::unchanged().with("content", STANDARD.encode(content)).with("encoding", "base64");
        Ok(told.with("source", path.to_string_lossy()))
    }
}

fn leads_through_a_file(path: &Path, view: &View<'_>) -> bool {
    let above = path.ancestors().skip(1).find(|above| view.exists(above));
    above.is_some_and(|above| !view.is_directory(above))
}

#[cfg(test)]
mod tests {
    use crate::worker::trial::Trial;
    use serde_json::json;

    #[test]
    fn content_comes_as_base64() {
        let trial = Trial::new("slurp");
        let path = trial.write("f", "muster");
        assert_eq!(trial.is_silent(json!({"src": path})).result["content"], "bXVzdGVy");
        assert!(trial.refuse(json!({"src": trial.path("no")})).contains("File not found"));
        assert!(trial.refuse(json!({"src": trial.path("f/no")})).contains("Unable to slurp file"));
    }
}
