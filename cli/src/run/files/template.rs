//! `template`: the file is rendered here with the host's variables; the host gets the text.

use super::copy::{Part, preserve};
use crate::encoding::Encoding;
use crate::load::Reader;
use crate::local_files::NoFile;
use crate::playbook::FileKind;
use crate::run::arguments::{text, truth};
use crate::run::content::Contents;
use crate::run::layers::find_file;
use crate::run::task_run::Request;
use crate::template::{Blamed, FileOptions, TemplateError, TemplateFile, Value, file_variables};
use crate::vars::{Level, Scope, Vars};
use serde_json::{Map, Value as Json};
use std::path::{Path, PathBuf};

/// Why there is no text.
pub(crate) enum RenderFailure {
    /// The template failed.
    Template(TemplateError),
    /// The file is not there.
    File(NoFile),
}

impl From<String> for RenderFailure {
    fn from(why: String) -> Self {
        Self::File(why.into())
    }
}

/// The step of a `template`.
pub(crate) fn render(request: &Request, contents: &Contents, reader: &Reader) -> Result<Part, RenderFailure> {
    let args = &request.args;
    let path = template_of(request, reader).map_err(RenderFailure::File)?;
    let rendered = with_template(request, &path, reader, |scope, file| scope.render_file(file))?;
    let encoding = Encoding::named(text_or_empty(args, "output_encoding"));
    let bytes = encoding.and_then(|encoding| encoding.encode(&with_line_ends(args, &rendered)));
    let content = contents.add_bytes(&bytes?);
    let mut sent = args.clone();
    let of_the_controller = [
        "newline_sequence",
        "block_start_string",
        "block_end_string",
        "variable_start_string",
        "variable_end_string",
        "comment_start_string",
        "comment_end_string",
        "trim_blocks",
        "lstrip_blocks",
        "output_encoding",
    ];
    sent.retain(|name, _| !of_the_controller.contains(&name.as_str()));
    preserve(args, &path, &mut sent);
    Ok(Part { module: "template", args: sent, content: Some(content) })
}

/// Where each line of what a `template` renders comes from, with the scope that it is rendered in.
pub(crate) fn blame(request: &Request, reader: &Reader) -> Result<(Scope, Blamed), RenderFailure> {
    let path = template_of(request, reader).map_err(RenderFailure::File)?;
    with_template(request, &path, reader, |scope, file| Ok((scope.afresh(), scope.blame_file(file)?)))
}

fn template_of(request: &Request, reader: &Reader) -> Result<PathBuf, NoFile> {
    let name = text_or_empty(&request.args, "src");
    let path = find_file(&request.task, FileKind::Templates, name, reader.files())?;
    reader.files().known(&path).map(|()| path)
}

fn with_template<R>(
    request: &Request,
    path: &Path,
    reader: &Reader,
    render: impl FnOnce(&Scope, &TemplateFile<'_>) -> Result<R, TemplateError>,
) -> Result<R, RenderFailure> {
    let args = &request.args;
    let source = reader.text(path).map_err(|problem| RenderFailure::from(problem.to_string()))?;
    let search = request.scope.search();
    let file = TemplateFile { text: source.text(), path, options: options(args), search };
    let own = own_variables(path, text_or_empty(args, "dest"), text_or_empty(args, "src"));
    let scope = request.scope.with(Level::LoopVars, own);
    render(&scope, &file).map_err(RenderFailure::Template)
}

/// What a template knows of itself.
fn own_variables(path: &Path, dest: &str, written: &str) -> Vars {
    let mut vars = Vars::new();
    for (name, value) in file_variables(path, Some(dest)) {
        vars.set_plain(name, value);
    }
    vars.set_plain("template_path", Value::from(written));
    vars
}

fn options(args: &Map<String, Json>) -> FileOptions {
    let given = |name: &str, default: String| text(args, name).map_or(default, str::to_owned);
    let default = FileOptions::default();
    FileOptions {
        block_start_string: given("block_start_string", default.block_start_string),
        block_end_string: given("block_end_string", default.block_end_string),
        variable_start_string: given("variable_start_string", default.variable_start_string),
        variable_end_string: given("variable_end_string", default.variable_end_string),
        comment_start_string: given("comment_start_string", default.comment_start_string),
        comment_end_string: given("comment_end_string", default.comment_end_string),
        trim_blocks: truth(args, "trim_blocks"),
        lstrip_blocks: truth(args, "lstrip_blocks"),
        ..default
    }
}

fn text_or_empty<'a>(args: &'a Map<String, Json>, name: &str) -> &'a str {
    text(args, name).unwrap_or_default()
}

fn with_line_ends(args: &Map<String, Json>, rendered: &str) -> String {
    match text(args, "newline_sequence") {
        Some("\r" | "\\r") => rendered.replace('\n', "\r"),
        Some("\r\n" | "\\r\\n") => rendered.replace('\n', "\r\n"),
        _ => rendered.to_owned(),
    }
}
