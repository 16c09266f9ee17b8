//! `assemble` with fragments of the controller: they are joined here, and the host gets them as a `copy`.

use super::copy::{Part, coerced, file_content_bytes};
use crate::load::Reader;
use crate::local_files::NoFile;
use crate::playbook::FileKind;
use crate::run::arguments::{text, truth};
use crate::run::content::Contents;
use crate::run::layers::find_file;
use crate::run::task_run::Request;
use serde_json::{Map, Value as Json};
use std::path::Path;

/// The step of an `assemble`.
///
/// # Errors
///
/// A sentence: the folder is not there, or a fragment cannot be read.
pub(crate) fn assemble_part(request: &Request, contents: &Contents, reader: &Reader) -> Result<Part, NoFile> {
    let args = &request.args;
    if truth(args, "remote_src") {
        return Ok(Part { module: "assemble", args: args.clone(), content: None });
    }
    let name = text(args, "src").unwrap_or_default();
    let folder = find_file(&request.task, FileKind::Files, name, reader.files())?;
    if !reader.files().is_folder(&folder).map_err(|why| why.of(&folder))? {
        return Err(format!("Source ({}) is not a directory", folder.display()).into());
    }
    let whole = join(&folder, args, reader)?;
    let own = ["dest", "backup", "validate", "mode", "owner", "group", "unsafe_writes", "attributes"];
    let mut args: Map<String, Json> = args.clone();
    args.retain(|name, _| own.contains(&name.as_str()));
    args.insert("src".into(), name.into());
    Ok(Part { module: "copy", args: coerced("copy", args), content: Some(contents.add_bytes(&whole)) })
}

fn join(folder: &Path, args: &Map<String, Json>, reader: &Reader) -> Result<Vec<u8>, NoFile> {
    let pattern = text(args, "regexp").map(fancy_regex::Regex::new).transpose();
    let pattern = pattern.map_err(|cause| format!("`regexp` is not a regular expression: {cause}"))?;
    let names = reader.files().names(folder).map_err(|why| why.of(folder))?;
    let names = names
        .iter()
        .map(|name| name.to_string_lossy().into_owned())
        .filter(|name| !(truth(args, "ignore_hidden") && name.starts_with('.')))
        .filter(|name| pattern.as_ref().is_none_or(|pattern| pattern.is_match(name).unwrap_or(false)))
        .map(|name| folder.join(name));
    let mut fragments = Vec::new();
    for path in names {
        if reader.files().is_file(&path).map_err(|why| why.of(&path))? {
            fragments.push(file_content_bytes(&path, truth(args, "decrypt"), reader)?);
        }
    }
    Ok(joined(&fragments, text(args, "delimiter")))
}

/// Fragments and the delimiter between them each end their last line.
fn joined(fragments: &[Vec<u8>], delimiter: Option<&str>) -> Vec<u8> {
    let delimiter = delimiter.map(|text| text.replace("\\n", "\n").replace("\\t", "\t"));
    let mut whole = Vec::new();
    for (index, fragment) in fragments.iter().enumerate() {
        if index > 0 {
            end_line(&mut whole);
            whole.extend(delimiter.as_deref().unwrap_or_default().as_bytes());
            end_line(&mut whole);
        }
        whole.extend(fragment);
    }
    whole
}

fn end_line(text: &mut Vec<u8>) {
    if !text.is_empty() && !text.ends_with(b"\n") {
        text.push(b'\n');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fragments_end_their_lines_and_the_last_one_stays_as_it_is() {
        let fragments = [b"one".to_vec(), b"two\n".to_vec(), b"three".to_vec()];
        assert_eq!(joined(&fragments, Some("#")), b"one\n#\ntwo\n#\nthree");
        assert_eq!(joined(&fragments, None), b"one\ntwo\nthree");
    }
}
