//! Files of the controller: found along the search path, globbed, read.

use std::path::{Path, PathBuf};

use minijinja::Error;

use crate::local_files::{LocalFiles, Unread};
use crate::template::error::{TemplateError, carry};
use crate::vars::Scope;

/// The file that a lookup names: absolute, or under the folders of the role and the playbook. In each of them, the
/// folder `kind` (`files`, `templates`, `vars`) comes before the folder itself.
pub(crate) fn find(scope: &Scope, kind: &str, name: &str) -> Result<Option<PathBuf>, Unread> {
    let name = crate::template::filters::paths::with_home(name);
    let tried = match Path::new(&name).is_absolute() {
        true => vec![PathBuf::from(&name)],
        false => candidates(scope, kind, &name),
    };
    for path in tried {
        if scope.files().exists(&path)? {
            return Ok(Some(path));
        }
    }
    Ok(None)
}

/// What a file that cannot be read makes of a template: `say` makes the complaint.
pub(crate) fn unread(why: Unread, say: impl FnOnce(String) -> Error) -> Error {
    match why {
        Unread::Failed(cause) => say(cause.to_string()),
        Unread::Unknown(reason) => carry(TemplateError::unknown(&reason)),
    }
}

/// Where a relative name is looked for, in order.
pub(crate) fn candidates(scope: &Scope, kind: &str, name: &str) -> Vec<PathBuf> {
    let dirs = scope.search().iter().map(PathBuf::as_path).chain([scope.playbook_dir()]);
    let mut paths: Vec<PathBuf> = Vec::new();
    for dir in dirs {
        // What a lookup finds is told as it would be from any folder.
        let dir = std::path::absolute(dir).unwrap_or_else(|_| dir.to_owned());
        for path in [dir.join(kind).join(name), dir.join(name)] {
            if !paths.contains(&path) {
                paths.push(path);
            }
        }
    }
    paths
}

/// The home folder of a user of this machine.
pub(crate) fn home_of(user: &str) -> Option<String> {
    let passwd = std::fs::read_to_string("/etc/passwd").ok()?;
    let line = passwd.lines().find(|line| line.split(':').next() == Some(user))?;
    line.split(':').nth(5).map(str::to_owned)
}

/// The name of a user of this machine, or its number.
pub(crate) fn user_name(id: u32) -> String {
    let passwd = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    let of = |line: &str| {
        let mut fields = line.split(':');
        let name = fields.next()?.to_owned();
        (fields.nth(1)? == id.to_string()).then_some(name)
    };
    passwd.lines().find_map(of).unwrap_or_else(|| id.to_string())
}

/// The files (no folders) that a pattern with `*`, `?` and `[…]` names, in alphabetical order.
pub(crate) fn glob(pattern: &str, files: &LocalFiles) -> Result<Vec<String>, Unread> {
    let start = if pattern.starts_with('/') { "/" } else { "" };
    let mut found = vec![start.to_owned()];
    for part in pattern.split('/').filter(|part| !part.is_empty()) {
        let mut next = Vec::new();
        for dir in &found {
            matching(dir, part, files, &mut next)?;
        }
        found = next;
    }
    let mut paths = Vec::new();
    for path in found {
        if files.is_file(Path::new(&path))? {
            paths.push(path);
        }
    }
    paths.sort();
    Ok(paths)
}

/// The entries of a folder that fit one part of a pattern.
fn matching(dir: &str, part: &str, files: &LocalFiles, found: &mut Vec<String>) -> Result<(), Unread> {
    let join = |name: &str| crate::template::filters::paths::joined(dir, name);
    if !part.contains(['*', '?', '[']) {
        let path = join(part);
        if files.exists(Path::new(&path))? {
            found.push(path);
        }
        return Ok(());
    }
    let expression = crate::template::filters::regex::compile(&expression(part), Default::default())
        .map_err(|err| std::io::Error::other(err.to_string()))?;
    let dir = if dir.is_empty() { "." } else { dir };
    let names = match files.names(Path::new(dir)) {
        // A folder that may not be read has nothing to offer.
        Err(Unread::Failed(_)) => Default::default(),
        other => other?,
    };
    for name in names {
        let name = name.to_string_lossy().into_owned();
        let is_hidden = name.starts_with('.') && !part.starts_with('.');
        if !is_hidden && expression.is_match(&name).unwrap_or(false) {
            found.push(join(&name));
        }
    }
    Ok(())
}

/// A shell pattern as a regular expression.
pub(crate) fn expression(pattern: &str) -> String {
    let mut out = String::from("(?s)^");
    let mut chars = pattern.chars().peekable();
    while let Some(char) = chars.next() {
        match char {
            '*' => out.push_str(".*"),
            '?' => out.push('.'),
            '[' => {
                out.push('[');
                if chars.next_if_eq(&'!').is_some() {
                    out.push('^');
                }
            }
            ']' | '-' => out.push(char),
            other if other.is_alphanumeric() || other == '_' => out.push(other),
            other => out.extend(['\\', other]),
        }
    }
    out.push('$');
    out
}
