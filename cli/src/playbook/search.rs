//! Where files of a play are looked for: beside the task, in `files`, `templates`, `vars` or `tasks` of the role and of
//! the roles that pulled it in, and in the same folders beside the playbook.

use super::{Scope, ScopeKind};
use crate::error::Diagnostic;
use crate::source::Span;
use crate::suggest;
use std::path::{Path, PathBuf};

/// What a file is for, which says in which folder it lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// For `copy`, `script` and the like.
    Files,
    Templates,
    Vars,
    Tasks,
    Handlers,
}

impl Kind {
    /// The folder's name.
    pub(crate) fn folder(self) -> &'static str {
        match self {
            Self::Files => "files",
            Self::Templates => "templates",
            Self::Vars => "vars",
            Self::Tasks => "tasks",
            Self::Handlers => "handlers",
        }
    }
}

/// What a search came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Found {
    At(PathBuf),
    /// The places that were looked at.
    Nowhere(Vec<PathBuf>),
}

/// The places where a file or folder of that name may be, as a task in `scope` names it, in the order of looking.
pub(crate) fn places_of(scope: &Scope, kind: Kind, name: &str) -> Vec<PathBuf> {
    let name = expand_home(name);
    if name.is_absolute() { vec![name] } else { candidates(scope, kind, &name) }
}

/// The file or folder of that name.
pub(crate) fn find_file(scope: &Scope, kind: Kind, name: &str) -> Found {
    let candidates = places_of(scope, kind, name);
    match candidates.iter().find(|candidate| candidate.exists()) {
        Some(found) => Found::At(found.clone()),
        None => Found::Nowhere(candidates),
    }
}

/// `~/x` is in the home folder of the user of the controller.
pub(crate) fn expand_home(name: &str) -> PathBuf {
    let home = std::env::var_os("HOME").map(PathBuf::from);
    match (name.strip_prefix("~/"), home) {
        (Some(rest), Some(home)) => home.join(rest),
        _ => PathBuf::from(name),
    }
}

/// All places for a name, in the order of looking.
fn candidates(scope: &Scope, kind: Kind, name: &Path) -> Vec<PathBuf> {
    let mut places = Vec::new();
    if matches!(kind, Kind::Tasks | Kind::Handlers) {
        places.extend(including_folders(scope).map(|folder| folder.join(name)));
    }
    let roles =
        scope.role.iter().flat_map(|role| std::iter::once(role).chain(role.pulled_in_by.iter().rev()));
    let bases = roles
        .map(|role| role.path.as_path())
        .chain(including_folders(scope).next())
        .chain(play_folder(scope));
    for base in bases {
        if !name.starts_with(kind.folder()) {
            places.push(base.join(kind.folder()).join(name));
        }
        if kind == Kind::Handlers {
            places.push(base.join("tasks").join(name));
        }
        places.push(base.join(name));
    }
    let mut seen = Vec::new();
    for place in places.iter().map(|place| normalized(place)) {
        if !seen.contains(&place) {
            seen.push(place);
        }
    }
    seen
}

/// The folders of the file that a task stands in, and of the files that included that one.
fn including_folders(scope: &Scope) -> impl Iterator<Item = &Path> {
    scope.outer().filter_map(|scope| scope.span.file().path().parent())
}

/// The folder of the playbook.
pub(super) fn play_folder(scope: &Scope) -> Option<&Path> {
    let play = scope.outer().find(|scope| scope.kind == ScopeKind::Play)?;
    play.span.file().path().parent()
}

/// Without `.` and, where that is safe to see, `..`.
fn normalized(path: &Path) -> PathBuf {
    let mut out = PathBuf::new();
    for part in path.components() {
        match part {
            std::path::Component::CurDir => {}
            std::path::Component::ParentDir if out.file_name().is_some() && !out.is_symlink() => {
                out.pop();
            }
            other => out.push(other),
        }
    }
    out
}

/// What Ansible says of a file that is nowhere.
pub(super) fn not_on_controller(name: &str) -> String {
    format!("Could not find or access '{name}' on the Ansible Controller.")
}

/// That something was looked for and is not there; `what` is the beginning of the sentence.
pub(super) fn not_found(what: &str, name: &str, span: &Span, places: &[PathBuf]) -> Diagnostic {
    let mut mistake = Diagnostic::error(format!("{what} `{name}`")).at(span, "not found");
    for place in places {
        mistake = mistake.note(format!("looked for `{}`", place.display()));
    }
    let beside = places.iter().filter_map(|place| place.parent()).flat_map(names_in);
    mistake.maybe_hint(suggest::did_you_mean(name, beside.collect::<Vec<_>>().iter().map(String::as_str)))
}

fn names_in(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
}
