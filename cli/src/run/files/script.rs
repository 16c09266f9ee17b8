//! `script`: a file of the controller that is put on the host for the time of one command.

use super::copy::{Part, coerced};
use crate::playbook::FileKind;
use crate::run::arguments::text;
use crate::run::content::Contents;
use crate::run::identity::quote;
use crate::run::layers::find_file;
use crate::run::ssh::options::split_words;
use crate::run::task_run::Request;
use serde_json::{Map, Value as Json};

/// The steps of a `script`: put it there, run it, take it away. The second one is the task's result.
pub(crate) fn script_parts(request: &Request, contents: &Contents) -> Result<[Part; 3], String> {
    let args = &request.args;
    let line = text(args, "_raw_params").or(text(args, "cmd")).unwrap_or_default();
    let words = split_words(line)?;
    let (name, rest) = words.split_first().ok_or("`script` does not say what to run")?;
    let source = find_file(&request.task, FileKind::Files, name)?;
    let content = contents.add_file(&source).map_err(|cause| format!("{}: {cause}", source.display()))?;
    let place = format!("/tmp/.muster-script-{}", &content.sha256[..16]);
    let put = Map::from_iter([
        ("dest".to_owned(), Json::from(place.as_str())),
        ("mode".to_owned(), Json::from("0700")),
        ("content".to_owned(), Json::from("")),
    ]);
    let mut put = coerced("copy", put);
    put.remove("content");
    let mut command = vec![quote(&place)];
    command.splice(0..0, text(args, "executable").map(str::to_owned));
    command.extend(rest.iter().map(|word| quote(word)));
    let mut run = Map::from_iter([("_raw_params".to_owned(), Json::from(command.join(" ")))]);
    for name in ["creates", "removes", "chdir"] {
        run.extend(
            args.get(name).filter(|value| !value.is_null()).map(|value| (name.to_owned(), value.clone())),
        );
    }
    let remove = Map::from_iter([
        ("path".to_owned(), Json::from(place.as_str())),
        ("state".to_owned(), Json::from("absent")),
    ]);
    Ok([
        Part { module: "copy", args: put, content: Some(content) },
        Part { module: "shell", args: coerced("shell", run), content: None },
        Part { module: "file", args: coerced("file", remove), content: None },
    ])
}
