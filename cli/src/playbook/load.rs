//! From files to plays. A `Pass` is one reading: it collects all mistakes and goes on after each.

use super::keyword::{Given, Holder, Keyword, Keywords, Shape};
use super::library::Library;
use super::role::RoleCall;
use super::{Block, Item, Play, Playbook, Role, Scope, ScopeKind, Task, check, module, shape};
use crate::error::{Diagnostic, Diagnostics, Result, Severity};
use crate::exit::Exit;
use crate::load::Reader;
use crate::source::{SourceFile, Span};
use crate::yaml::{Mapping, Node};
use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Imports nested deeper than this import each other.
const MOST_IMPORTS: usize = 100;

/// Renders the few texts that must be known before a play runs: files of imports and names of roles.
pub(crate) trait EarlyNames: Send + Sync {
    /// The text of a template that stands in `scope`.
    ///
    /// # Errors
    ///
    /// Where it needs a variable that is only known on a host.
    fn render(&self, text: &Node, scope: &Scope) -> Result<String, Diagnostic>;

    /// The texts that a template for a list, or for one text, gives. None where that is only known on a host.
    fn texts(&self, list: &Node, scope: &Scope) -> Option<Vec<String>>;
}

/// Knows no variables.
#[cfg(test)]
pub(crate) struct NoTemplates;

#[cfg(test)]
impl EarlyNames for NoTemplates {
    fn render(&self, text: &Node, _: &Scope) -> Result<String, Diagnostic> {
        Err(Diagnostic::error("a name that must be known before the run is a template").at(&text.span, ""))
    }

    fn texts(&self, _: &Node, _: &Scope) -> Option<Vec<String>> {
        None
    }
}

/// Reads playbooks, task files and roles.
pub(crate) struct Loader {
    pub(super) reader: Arc<Reader>,
    pub(super) roles_path: Vec<PathBuf>,
    pub(super) early_names: Box<dyn EarlyNames>,
    /// Files that tasks name and that are not there are only warned of, as for `--syntax-check`.
    pub(super) warns_of_files: bool,
    /// A notification that no handler answers is an error.
    pub(super) minds_missing_handlers: bool,
    pub(super) library: Library,
}

/// What `include_role` brings in.
#[derive(Debug)]
pub(crate) struct IncludedRole {
    pub(crate) role: Arc<Role>,
    /// The tasks of the role and of its dependencies.
    pub(crate) blocks: Vec<Arc<Block>>,
    pub(crate) handlers: Vec<Arc<Task>>,
}

impl Loader {
    /// `roles_path` is searched after `roles/` beside the playbook.
    pub(crate) fn new(
        reader: Arc<Reader>,
        roles_path: Vec<PathBuf>,
        early_names: Box<dyn EarlyNames>,
    ) -> Self {
        Self {
            reader,
            roles_path,
            early_names,
            warns_of_files: false,
            minds_missing_handlers: true,
            library: Library::default(),
        }
    }

    /// Only warns of files that tasks name and that are not there: for `--syntax-check`, since what is missing here may
    /// be there where the playbook runs.
    pub(crate) fn warning_of_files(mut self, warns: bool) -> Self {
        self.warns_of_files = warns;
        self
    }

    /// Where modules of the user are.
    pub(crate) fn with_library(mut self, library: Library) -> Self {
        self.library = library;
        self
    }

    /// Whether a notification that no handler answers is an error; it is one unless a setting says otherwise.
    pub(crate) fn minding_missing_handlers(mut self, minds: bool) -> Self {
        self.minds_missing_handlers = minds;
        self
    }

    /// The same.
    pub(crate) fn minds_missing_handlers(&self) -> bool {
        self.minds_missing_handlers
    }

    /// The reader of all files.
    pub(crate) fn reader(&self) -> &Arc<Reader> {
        &self.reader
    }

    /// A playbook with all that it imports.
    pub(crate) fn playbook(&self, path: &Path) -> Result<Playbook> {
        if !path.exists() {
            let mistake = Diagnostic::error(format!("there is no playbook `{}`", path.display()));
            return Err(mistake.exits_with(Exit::Unexpected).into());
        }
        let mut pass = Pass::new(self);
        let plays = pass.plays(path, None);
        pass.finish(Playbook { path: path.to_owned(), plays })
    }

    /// A playbook that is no file: what a command line says.
    pub(crate) fn playbook_text(&self, file: &Arc<SourceFile>) -> Result<Playbook> {
        let mut pass = Pass::new(self);
        let document = self.reader.parse(file)?;
        let plays = pass.plays_of(&document, None);
        pass.finish(Playbook { path: file.path().to_owned(), plays })
    }

    /// The tasks of a file that the task of `include` includes; its `apply` counts for them.
    pub(crate) fn tasks_file(&self, path: &Path, include: &Task) -> Result<Vec<Item>> {
        let mut pass = Pass::new(self);
        let scope = pass.apply_scope(include);
        let items = pass.task_file(path, &scope, include.is_handler);
        pass.finish(items)
    }

    /// The role that `include_role` names, the names in `call` rendered.
    pub(crate) fn included_role(&self, call: &RoleCall, include: &Task) -> Result<IncludedRole> {
        let mut pass = Pass::new(self);
        let scope = pass.apply_scope(include);
        let mut blocks = Vec::new();
        let role = pass.role(call, &scope, false, &mut blocks);
        let handlers = std::mem::take(&mut pass.role_handlers);
        match role {
            Some(role) => pass.finish(IncludedRole { role, blocks, handlers }),
            None => Err(pass.errors()),
        }
    }
}

/// One reading.
pub(super) struct Pass<'a> {
    pub(super) loader: &'a Loader,
    pub(super) mistakes: Diagnostics,
    /// The handlers of all roles so far.
    pub(super) role_handlers: Vec<Arc<Task>>,
    /// Files with tasks that may write other files here.
    pub(super) files_that_write: HashSet<PathBuf>,
    /// How many imports are being read.
    depth: usize,
}

impl<'a> Pass<'a> {
    fn new(loader: &'a Loader) -> Self {
        Self {
            loader,
            mistakes: Diagnostics::default(),
            role_handlers: Vec::new(),
            files_that_write: HashSet::new(),
            depth: 0,
        }
    }

    /// The value, where nothing but warnings came up.
    fn finish<T>(self, value: T) -> Result<T> {
        self.errors().or_value(value)
    }

    /// The errors; warnings go to the reader.
    fn errors(self) -> Diagnostics {
        let mut errors = Diagnostics::default();
        for mistake in self.mistakes {
            match mistake.severity() {
                Severity::Warning => self.loader.reader.warn(mistake),
                Severity::Error => errors.push(mistake),
            }
        }
        errors
    }

    /// Reads a file one level deeper; nothing where imports go round in circles.
    pub(super) fn deeper<T>(&mut self, from: &Span, read: impl FnOnce(&mut Self) -> T) -> Option<T> {
        if self.depth >= MOST_IMPORTS {
            let mistake = Diagnostic::error("imports go round in circles")
                .at(from, "imported again and again")
                .note(format!("at most {MOST_IMPORTS} levels of imports are read"));
            self.mistakes.push(mistake);
            return None;
        }
        self.depth += 1;
        let value = read(self);
        self.depth -= 1;
        Some(value)
    }

    /// The YAML of a file, or nothing and a mistake.
    pub(super) fn yaml(&mut self, path: &Path) -> Option<Node> {
        let document = self.mistakes.collect(self.loader.reader.yaml(path));
        if document.as_ref().is_some_and(check::writes_here) {
            self.files_that_write.insert(path.to_owned());
        }
        document
    }

    fn plays(&mut self, path: &Path, import: Option<&Arc<Scope>>) -> Vec<Play> {
        let Some(document) = self.yaml(path) else { return Vec::new() };
        self.loader.library.add_below(path.parent().unwrap_or(Path::new("")));
        self.plays_of(&document, import)
    }

    fn plays_of(&mut self, document: &Node, import: Option<&Arc<Scope>>) -> Vec<Play> {
        let entries = match document.as_seq() {
            Some(entries) if !entries.is_empty() => entries,
            _ => {
                self.mistakes.push(no_plays(document));
                return Vec::new();
            }
        };
        let mut plays = Vec::new();
        for entry in entries {
            match entry.as_map() {
                Some(mapping) if is_import(mapping) => {
                    plays.extend(self.imported_plays(entry, mapping, import))
                }
                Some(mapping) => plays.extend(self.play(entry, mapping, import)),
                None => {
                    let found = entry.describe();
                    let mistake = Diagnostic::error(format!("a play is a mapping, found {found}"));
                    self.mistakes
                        .push(mistake.at(&entry.span.first_line(), "expected `hosts:` and `tasks:`"));
                }
            }
        }
        plays
    }

    fn imported_plays(&mut self, entry: &Node, mapping: &Mapping, outer: Option<&Arc<Scope>>) -> Vec<Play> {
        let holder = Holder::ImportPlaybook;
        let renamed = with_bare_keys(mapping);
        let (keywords, rest) = self.keywords(&renamed, holder);
        for (key, _) in rest {
            self.mistakes.push(module::unknown_keyword(&key, holder));
        }
        let target = keywords.get(Keyword::ImportPlaybook).cloned();
        let scope = self.scope(ScopeKind::Import, keywords, outer, entry);
        let Some(path) = target.and_then(|target| self.imported_playbook(&target, &scope)) else {
            return Vec::new();
        };
        self.deeper(&entry.span.first_line(), |pass| pass.plays(&path, Some(&scope))).unwrap_or_default()
    }

    fn imported_playbook(&mut self, target: &Node, scope: &Scope) -> Option<PathBuf> {
        let name = self.early_text(target, scope)?;
        let folder = target.span.file().path().parent().unwrap_or(Path::new(""));
        let path = folder.join(super::search::expand_home(&name));
        if path.is_file() {
            return Some(path);
        }
        let mistake = Diagnostic::error(format!("there is no playbook `{name}` to import"));
        self.mistakes.push(mistake.at(&target.span, format!("looked for `{}`", path.display())));
        None
    }

    /// The text of a name, rendered where it is a template.
    pub(super) fn early_text(&mut self, text: &Node, scope: &Scope) -> Option<String> {
        if text.has_template() {
            return self.mistakes.collect(self.loader.early_names.render(text, scope));
        }
        if text.scalar_text().is_none() {
            let found = text.describe();
            self.mistakes
                .push(Diagnostic::error(format!("expected a name, found {found}")).at(&text.span, ""));
        }
        text.scalar_text().map(|text| text.into_owned())
    }

    /// Splits a mapping into keywords that may stand there, and all other entries.
    pub(super) fn keywords(&mut self, mapping: &Mapping, holder: Holder) -> (Keywords, Vec<(Node, Node)>) {
        let mut keywords = Keywords::default();
        let mut rest = Vec::new();
        for (key, value) in mapping.iter() {
            let keyword = key.as_str().and_then(Keyword::find).filter(|keyword| keyword.fits(holder));
            let Some(keyword) = keyword else {
                rest.push((key.clone(), value.clone()));
                continue;
            };
            let given = Given { keyword, key: key.span.clone(), value: value.clone() };
            match shape::check(&given) {
                // A task that is meant to fail says so when it runs.
                Some(_) if keyword.shape() == Shape::Bool && ignores_errors(mapping) => keywords.set(given),
                Some(mistake) => self.mistakes.push(mistake),
                None => keywords.set(given),
            }
        }
        (keywords, rest)
    }

    /// A scope inside another, in the same role; its keywords are looked at.
    pub(super) fn scope(
        &mut self,
        kind: ScopeKind,
        keywords: Keywords,
        parent: Option<&Arc<Scope>>,
        entry: &Node,
    ) -> Arc<Scope> {
        let role = parent.and_then(|parent| parent.role.clone());
        let mut scope = Scope { kind, keywords, role, parent: parent.cloned(), span: entry.span.clone() };
        self.render_tags(&mut scope);
        if !check::may_fail(&scope) {
            scope.keywords.iter().for_each(|given| check::keyword(given, &mut self.mistakes));
        }
        Arc::new(scope)
    }

    /// Tags decide what is listed and run before a host is asked: those that are templates are rendered now.
    fn render_tags(&self, scope: &mut Scope) {
        let Some(given) = scope.keywords.given(Keyword::Tags).filter(|given| given.value.has_template())
        else {
            return;
        };
        let nodes = given.value.one_or_many().iter();
        let texts: Option<Vec<Vec<String>>> = nodes
            .map(|node| match node.has_template() {
                true => self.loader.early_names.texts(node, scope),
                false => Some(vec![node.key_text().into_owned()]),
            })
            .collect();
        let Some(texts) = texts else { return };
        let span = &given.value.span;
        let tags = texts.concat().into_iter().map(|tag| Node::text(span, tag)).collect();
        let rendered = Given { keyword: Keyword::Tags, key: given.key.clone(), value: Node::seq(span, tags) };
        scope.keywords.set(rendered);
    }

    /// The scope for what a dynamic include brings in: its `apply` inside its own scope.
    fn apply_scope(&mut self, include: &Task) -> Arc<Scope> {
        let apply = include.args.named.get("apply");
        let (Some(apply), Some(mapping)) = (apply, apply.and_then(Node::as_map)) else {
            return Arc::clone(&include.scope);
        };
        let (keywords, rest) = self.keywords(mapping, Holder::Block);
        for (key, _) in rest {
            self.mistakes.push(module::unknown_keyword(&key, Holder::Block));
        }
        self.scope(ScopeKind::Block, keywords, Some(&include.scope), apply)
    }
}

fn is_import(mapping: &Mapping) -> bool {
    mapping.keys().any(|key| module::bare(&key.key_text()) == Keyword::ImportPlaybook.name())
}

/// `ansible.builtin.import_playbook` is `import_playbook`.
fn with_bare_keys(mapping: &Mapping) -> Mapping {
    let bare = |(key, value): (&Node, &Node)| {
        let name = key.key_text();
        let key = if module::bare(&name) == name {
            key.clone()
        } else {
            Node::text(&key.span, module::bare(&name))
        };
        (key, value.clone())
    };
    mapping.iter().map(bare).collect()
}

fn ignores_errors(mapping: &Mapping) -> bool {
    mapping.get(Keyword::IgnoreErrors.name()).and_then(Node::truth) == Some(true)
}

fn no_plays(document: &Node) -> Diagnostic {
    let found = if document.as_seq().is_some() { "an empty list" } else { document.describe() };
    let mistake = Diagnostic::error(format!("a playbook is a list of plays, found {found}"))
        .at(&document.span.first_line(), "")
        .known_as("A playbook must contain at least one play");
    match document.get("hosts") {
        Some(_) => mistake.hint("begin the play with `- ` and indent its other lines by two columns"),
        None => mistake.hint("begin with `- hosts: all` and below it `tasks:`"),
    }
}
