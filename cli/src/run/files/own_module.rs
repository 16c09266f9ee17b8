//! A module of the user, made ready for the host: how it gets its arguments, and what runs it, is read from the file.

use super::copy::Part;
use super::own_utils::own_utils;
use crate::local_files::NoFile;
use crate::run::content::Contents;
use crate::run::keywords::variable;
use crate::run::task_run::Request;
use muster_api::module::{OwnModule, OwnStyle};
use serde_json::{Map, Value as Json};
use std::path::Path;

/// What Python modules import as `ansible.module_utils`.
const MODULE_UTILS: &str = include_str!("module_utils.py");
/// Stands in a module for its arguments.
const INLINE: &str = "<<INCLUDE_ANSIBLE_MODULE_JSON_ARGS>>";

/// The step of a module of the user.
///
/// # Errors
///
/// A sentence: the file cannot be read.
pub(crate) fn own_module_part(request: &Request, contents: &Contents) -> Result<Part, NoFile> {
    let path = request.task.own_module.as_deref().ok_or("the task does not name a module of the user")?;
    let bytes = std::fs::read(path).map_err(|cause| format!("{}: {cause}", path.display()))?;
    let name = request.task.module.written().to_owned();
    let arguments = Json::Object(with_internal(request, &name)).to_string();
    let interpreter = interpreter(&bytes, request)?;
    let needs_python = is_python(&bytes, path);
    let (content, style, arguments) = match std::str::from_utf8(&bytes) {
        Ok(text) if text.contains(INLINE) => {
            (text.replace(INLINE, &arguments).into_bytes(), OwnStyle::Inline, String::new())
        }
        Ok(text) if needs_python && imports_ansible(text) => {
            let utils = Json::Object(own_utils(request, path)?).to_string();
            (wrapped(text, path, &arguments, &utils).into_bytes(), OwnStyle::Inline, String::new())
        }
        Ok(text) if text.contains("WANT_JSON") => (bytes, OwnStyle::File, arguments),
        Ok(_) => (bytes, OwnStyle::File, words(request)),
        // A program: it reads JSON.
        Err(_) => (bytes, OwnStyle::File, arguments),
    };
    let own = OwnModule { name, style, arguments, interpreter, needs_python };
    match serde_json::to_value(own) {
        Ok(Json::Object(args)) => {
            Ok(Part { module: "own_module", args, content: Some(contents.add_bytes(&content)) })
        }
        _ => Err("a module of the user cannot be described".into()),
    }
}

/// The task's arguments, and what Ansible tells each module besides.
fn with_internal(request: &Request, name: &str) -> Map<String, Json> {
    let mut args = request.args.clone();
    let internal: [(&str, Json); 8] = [
        ("check_mode", request.check.into()),
        ("diff", request.diff.into()),
        ("no_log", request.no_log.into()),
        ("debug", false.into()),
        ("verbosity", request.scope.play().verbosity.into()),
        ("module_name", name.into()),
        ("version", "2.19.0".into()),
        ("remote_tmp", "~/.ansible/tmp".into()),
    ];
    args.extend(internal.map(|(name, value)| (format!("_ansible_{name}"), value)));
    args
}

/// `name=value` words, as modules of the oldest kind read them.
fn words(request: &Request) -> String {
    let text = |value: &Json| crate::template::text_of(&crate::template::from_json(value));
    let word = |(name, value): (&String, &Json)| format!("{name}='{}'", text(value).replace('\'', "'\"'\"'"));
    request.args.iter().map(word).collect::<Vec<_>>().join(" ")
}

fn first_line(bytes: &[u8]) -> Option<String> {
    let line = bytes.strip_prefix(b"#!")?.split(|byte| *byte == b'\n').next()?;
    Some(String::from_utf8_lossy(line).trim().to_owned())
}

/// The program of a first line: `python3` of `#!/usr/bin/env python3`.
fn program(line: &str) -> String {
    let mut words = line.split_whitespace();
    let base = |word: &str| word.rsplit('/').next().unwrap_or(word).to_owned();
    match words.next().map(base) {
        Some(env) if env == "env" => words.next().map(base).unwrap_or_default(),
        program => program.unwrap_or_default(),
    }
}

fn is_python(bytes: &[u8], path: &Path) -> bool {
    match first_line(bytes) {
        Some(line) => program(&line).starts_with("python"),
        None => path.extension().is_some_and(|ending| ending == "py"),
    }
}

fn imports_ansible(text: &str) -> bool {
    text.lines().any(|line| {
        let line = line.trim_start();
        ["from ansible.module_utils", "import ansible.module_utils", "from ..module_utils"]
            .iter()
            .any(|start| line.starts_with(start))
    })
}

/// `ansible_NAME_interpreter`, or else the first line of the module; none where that is Python, which hosts have in
/// different places.
fn interpreter(bytes: &[u8], request: &Request) -> Result<Option<String>, NoFile> {
    let Some(line) = first_line(bytes) else { return Ok(None) };
    let program = program(&line);
    let bare = if program.starts_with("python") { "python" } else { &program };
    let name = format!("ansible_{bare}_interpreter");
    let given = variable(&request.scope, &name).map_err(|err| NoFile::of(&err))?;
    let given = given.filter(|given| bare != "python" || !given.starts_with("auto"));
    Ok(given.or_else(|| (bare != "python").then_some(line)))
}

/// One file with the module, its arguments, and what it imports.
fn wrapped(text: &str, path: &Path, arguments: &str, utils: &str) -> String {
    let quoted = |text: &str| Json::from(text).to_string();
    let file = path.file_name().unwrap_or_default().to_string_lossy();
    format!(
        "# -*- coding: utf-8 -*-\nimport json, sys\nMUSTER_ARGUMENTS = json.loads({})\nMUSTER_UTILS = json.loads({})\n{MODULE_UTILS}\nMUSTER_MODULE = {}\n\
         run_module(MUSTER_MODULE, {})\n",
        quoted(arguments),
        quoted(utils),
        quoted(text),
        quoted(&file),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_line_says_what_runs_a_module() {
        assert_eq!(program("/usr/bin/env python3"), "python3");
        assert_eq!(program("/bin/sh -e"), "sh");
        assert!(is_python(b"#!/usr/bin/python\n", Path::new("x")));
        assert!(is_python(b"import json\n", Path::new("x.py")));
        assert!(!is_python(b"#!/bin/bash\n", Path::new("x.py")));
    }
}
