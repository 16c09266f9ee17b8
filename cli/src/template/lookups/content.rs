//! Lookups of what files, programs and the environment hold.

use std::io::{self, Read};
use std::process::{Command, Output, Stdio};
use std::thread::JoinHandle;
use std::time::Duration;

use minijinja::{Error, Value};

use super::{Table, file, files, missing as missing_file, read};
use crate::template::args::Args;
use crate::template::error::carry;
use crate::template::file::{FileOptions, TemplateFile, file_variables};
use crate::template::python;
use crate::template::value::{items, pairs};
use crate::vars::{Data, Level, Scope, Vars};

pub(super) const TABLE: Table = &[
    ("env", environment),
    ("file", file_content),
    ("fileglob", file_glob),
    ("first_found", first_found),
    ("lines", lines),
    ("pipe", pipe),
    ("template", template),
    ("unvault", unvault),
];

/// Without `default`, a variable that is not set is empty text; with `undef()` as its default it is undefined.
fn environment(_: &Scope, terms: &[Value], args: &mut Args) -> Result<Vec<Value>, Error> {
    let default = args.named("default").unwrap_or_else(|| Value::from(""));
    let of = |term: &Value| {
        let name = python::text(term);
        let name = name.split_whitespace().next().unwrap_or_default();
        std::env::var(name).map_or_else(|_| default.clone(), Value::from)
    };
    Ok(terms.iter().map(of).collect())
}

fn file_content(scope: &Scope, terms: &[Value], args: &mut Args) -> Result<Vec<Value>, Error> {
    let strip_left = args.named("lstrip").is_some_and(|value| value.is_true());
    let strip_right = args.named("rstrip").is_none_or(|value| value.is_true());
    let mut found = Vec::new();
    for term in terms {
        let path = file(scope, "files", &python::text(term), args)?;
        let text = read(scope, &path, args)?;
        let text = if strip_left { text.trim_start() } else { &text };
        found.push(Value::from(if strip_right { text.trim_end() } else { text }));
    }
    Ok(found)
}

fn unvault(scope: &Scope, terms: &[Value], args: &mut Args) -> Result<Vec<Value>, Error> {
    let mut found = Vec::new();
    for term in terms {
        let path = file(scope, "files", &python::text(term), args)?;
        found.push(Value::from(read(scope, &path, args)?));
    }
    Ok(found)
}

/// A pattern without a folder is matched in the folders `files` of role and playbook, the first that has any.
fn file_glob(scope: &Scope, terms: &[Value], args: &mut Args) -> Result<Vec<Value>, Error> {
    let mut found = Vec::new();
    for term in terms {
        let pattern = python::text(term);
        let tried = match pattern.starts_with('/') {
            true => vec![pattern.clone().into()],
            false => files::candidates(scope, "files", &pattern),
        };
        for path in tried {
            let paths = files::glob(&path.to_string_lossy(), scope.files())
                .map_err(|why| files::unread(why, |err| args.refuse(err)))?;
            if !paths.is_empty() {
                found.extend(paths.into_iter().map(Value::from));
                break;
            }
        }
    }
    Ok(found)
}

fn first_found(scope: &Scope, terms: &[Value], args: &mut Args) -> Result<Vec<Value>, Error> {
    let mut options = Found {
        files: list_option(args.named("files"))?,
        paths: list_option(args.named("paths"))?,
        skip: args.named("skip").is_some_and(|value| value.is_true()),
    };
    let mut names = Vec::new();
    if terms.is_empty() {
        names = options.names(options.files.clone());
    }
    for term in terms {
        options.term(term, &mut names, args)?;
    }
    let folder = args.named("subdir").map_or_else(|| "files".to_owned(), |folder| python::text(&folder));
    for name in &names {
        let found = files::find(scope, &folder, name);
        if let Some(path) = found.map_err(|why| files::unread(why, |err| args.refuse(err)))? {
            return Ok(vec![Value::from(path.to_string_lossy().into_owned())]);
        }
    }
    if options.skip {
        return Ok(Vec::new());
    }
    let missing = format!("none of these files exists: {}", names.join(", "));
    Err(missing_file(scope, missing, args))
}

/// The options of `first_found`; a term that is a dictionary sets them.
struct Found {
    files: Vec<String>,
    paths: Vec<String>,
    skip: bool,
}

impl Found {
    fn names(&self, files: Vec<String>) -> Vec<String> {
        if self.paths.is_empty() {
            return files;
        }
        let in_path = |path: &String| {
            let path = path.trim_end_matches('/').to_owned();
            files.clone().into_iter().map(move |file| format!("{path}/{file}"))
        };
        self.paths.iter().flat_map(in_path).collect()
    }

    fn term(&mut self, term: &Value, names: &mut Vec<String>, args: &Args) -> Result<(), Error> {
        use minijinja::value::ValueKind;
        match term.kind() {
            ValueKind::Map => {
                for (key, value) in pairs(term) {
                    match key.as_str() {
                        Some("files") => self.files = list_option(Some(value))?,
                        Some("paths") => self.paths = list_option(Some(value))?,
                        Some("skip") => self.skip = value.is_true(),
                        _ => return Err(args.refuse(format!("there is no option {}", python::repr(&key)))),
                    }
                }
                names.extend(self.names(self.files.clone()));
            }
            ValueKind::Seq | ValueKind::Iterable => {
                for item in items(term)? {
                    self.term(&item, names, args)?;
                }
            }
            _ => names.extend(self.names(separated(&python::text(term)))),
        }
        Ok(())
    }
}

/// Names in one text, separated as Ansible allows it.
fn separated(text: &str) -> Vec<String> {
    text.split([',', ';']).map(|name| name.trim().to_owned()).collect()
}

fn list_option(value: Option<Value>) -> Result<Vec<String>, Error> {
    match value {
        None => Ok(Vec::new()),
        Some(value) if value.is_none() => Ok(Vec::new()),
        Some(value) if value.as_str().is_some() => Ok(separated(value.as_str().unwrap_or_default())),
        Some(value) => Ok(items(&value)?.iter().map(python::text).collect()),
    }
}

/// What a shell command prints, run in the folder of the playbook.
fn output(scope: &Scope, command: &str, args: &Args) -> Result<String, Error> {
    let mut shell = Command::new("/bin/sh");
    shell.arg("-c").arg(command);
    if scope.playbook_dir().is_dir() {
        shell.current_dir(scope.playbook_dir());
    }
    let done =
        until_stopped(&mut shell).map_err(|err| args.refuse(format!("`{command}` cannot be run: {err}")))?;
    if !done.status.success() {
        let said = String::from_utf8_lossy(&done.stderr);
        let why =
            done.status.code().map_or("a signal ended it".into(), |code| format!("it ended with {code}"));
        let said = said.trim().lines().next_back().map(|line| format!(" ({line})")).unwrap_or_default();
        return Err(args.refuse(format!("`{command}` failed: {why}{said}")));
    }
    Ok(String::from_utf8_lossy(&done.stdout).into_owned())
}

/// Runs a program to its end; Ctrl-C ends it earlier.
fn until_stopped(command: &mut Command) -> io::Result<Output> {
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    let stdout = read_aside(child.stdout.take());
    let stderr = read_aside(child.stderr.take());
    let mut pause = Duration::from_micros(200);
    let status = loop {
        if let Some(status) = child.try_wait()? {
            break status;
        }
        if crate::run::interrupt::is_stopping() {
            child.kill()?;
            child.wait()?;
            return Err(io::Error::from(io::ErrorKind::Interrupted));
        }
        std::thread::sleep(pause);
        pause = (pause * 2).min(Duration::from_millis(50));
    };
    let bytes = |reader: JoinHandle<io::Result<Vec<u8>>>| {
        reader.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    };
    Ok(Output { status, stdout: bytes(stdout)?, stderr: bytes(stderr)? })
}

/// Reads to the end in a thread of its own: a full pipe would stop the program.
fn read_aside(pipe: Option<impl Read + Send + 'static>) -> JoinHandle<io::Result<Vec<u8>>> {
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        if let Some(mut pipe) = pipe {
            pipe.read_to_end(&mut bytes)?;
        }
        Ok(bytes)
    })
}

fn pipe(scope: &Scope, terms: &[Value], args: &mut Args) -> Result<Vec<Value>, Error> {
    let one =
        |term: &Value| output(scope, &python::text(term), args).map(|text| Value::from(text.trim_end()));
    terms.iter().map(one).collect()
}

fn lines(scope: &Scope, terms: &[Value], args: &mut Args) -> Result<Vec<Value>, Error> {
    let mut found = Vec::new();
    for term in terms {
        let text = output(scope, &python::text(term), args)?;
        found.extend(text.lines().map(Value::from));
    }
    Ok(found)
}

fn template(scope: &Scope, terms: &[Value], args: &mut Args) -> Result<Vec<Value>, Error> {
    let mut options = FileOptions::default();
    let text = |args: &mut Args, name: &str, option: &mut String| {
        if let Some(value) = args.named(name) {
            *option = python::text(&value);
        }
    };
    text(args, "variable_start_string", &mut options.variable_start_string);
    text(args, "variable_end_string", &mut options.variable_end_string);
    text(args, "comment_start_string", &mut options.comment_start_string);
    text(args, "comment_end_string", &mut options.comment_end_string);
    if let Some(trim) = args.named("trim_blocks") {
        options.trim_blocks = trim.is_true();
    }
    if let Some(strip) = args.named("lstrip_blocks") {
        options.lstrip_blocks = strip.is_true();
    }
    let converts = args.named("convert_data").is_some_and(|value| value.is_true());
    let mut more = Vars::new();
    for (name, value) in args.named("template_vars").iter().flat_map(pairs) {
        more.set(&python::text(&name), Data::from(value));
    }
    let mut found = Vec::new();
    for term in terms {
        let path = file(scope, "templates", &python::text(term), args)?;
        let text = read(scope, &path, args)?;
        let mut vars = more.clone();
        for (name, value) in file_variables(&path, None) {
            vars.set_plain(name, value);
        }
        let scope = scope.with(Level::LoopVars, vars);
        let search = scope.search().to_vec();
        let file = TemplateFile { text: &text, path: &path, options: options.clone(), search: &search };
        let value = scope.render_file_to_value(&file).map_err(carry)?;
        let Some(rendered) = value.as_str() else {
            found.push(value);
            continue;
        };
        let parsed = match converts && rendered.trim_start().starts_with(['{', '[']) {
            true => crate::template::filters::serial::yaml_values(rendered).ok(),
            false => None,
        };
        // A template of nothing but comments is `None`.
        let bare = text.trim_end_matches('\n');
        let is_nothing = rendered.trim_matches('\n').is_empty()
            && (bare.is_empty() || bare.starts_with(file.options.comment_start_string.as_str()));
        let whole = || if is_nothing { Value::from(()) } else { Value::from(rendered) };
        found.push(parsed.and_then(|mut values| values.pop()).unwrap_or_else(whole));
    }
    Ok(found)
}
