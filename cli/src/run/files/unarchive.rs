//! `unarchive`: an archive of the controller travels to the host by its hash.

use super::copy::{Part, file_content};
use crate::load::Reader;
use crate::local_files::NoFile;
use crate::playbook::FileKind;
use crate::run::arguments::{text, truth};
use crate::run::content::Contents;
use crate::run::layers::find_file;
use crate::run::task_run::Request;

/// The step of an `unarchive`.
///
/// # Errors
///
/// A sentence: the archive is not there or cannot be read.
pub(crate) fn unarchive_part(
    request: &Request,
    contents: &Contents,
    reader: &Reader,
) -> Result<Part, NoFile> {
    let args = &request.args;
    let is_of_host = truth(args, "remote_src") || args.get("copy").is_some_and(|copy| copy == false);
    let content = match is_of_host {
        true => None,
        false => {
            let name = text(args, "src").unwrap_or_default();
            let source = find_file(&request.task, FileKind::Files, name, reader.files())?;
            Some(file_content(&source, truth(args, "decrypt"), contents, reader)?)
        }
    };
    Ok(Part { module: "unarchive", args: args.clone(), content })
}
