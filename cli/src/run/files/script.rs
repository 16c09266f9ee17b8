//! `script`: a file of the controller that is on the host for the time of one command.

use super::copy::{Part, file_content};
use crate::load::Reader;
use crate::local_files::NoFile;
use crate::playbook::FileKind;
use crate::run::arguments::text;
use crate::run::content::Contents;
use crate::run::layers::find_file;
use crate::run::ssh::options::split_words;
use crate::run::task_run::Request;

/// The step of a `script`.
///
/// # Errors
///
/// A sentence: the script is not there or cannot be read.
pub(crate) fn script_part(request: &Request, contents: &Contents, reader: &Reader) -> Result<Part, NoFile> {
    let args = &request.args;
    let line = text(args, "_raw_params").or(text(args, "cmd")).unwrap_or_default();
    let words = split_words(line)?;
    let name = words.first().ok_or("`script` does not say what to run")?;
    let source = find_file(&request.task, FileKind::Files, name, reader.files())?;
    let content = file_content(&source, false, contents, reader)?;
    Ok(Part { module: "script", args: args.clone(), content: Some(content) })
}
