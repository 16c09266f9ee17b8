//! Roles: finding them, reading their files, and putting their tasks and handlers where they belong.

use super::args::TextForm;
use super::keyword::{Given, Holder, Keyword, Keywords};
use super::load::Pass;
use super::search::{self, Found, not_found, not_on_controller};
use super::shipped;
use super::{Args, Block, Item, ModuleName, Role, RoleMeta, Scope, ScopeKind, Task};
use crate::error::{Diagnostic, Result};
use crate::source::Span;
use crate::suggest;
use crate::yaml::{Kind, Mapping, Node, boolean};
use std::path::{Path, PathBuf};
use std::sync::Arc;

const CALL_ARGS: [&str; 10] = [
    "name",
    "role",
    "tasks_from",
    "vars_from",
    "defaults_from",
    "handlers_from",
    "apply",
    "public",
    "allow_duplicates",
    "rolespec_validate",
];
const META_KEYS: [&str; 6] =
    ["allow_duplicates", "dependencies", "galaxy_info", "argument_specs", "collections", "standalone"];
const ENDINGS: [&str; 4] = [".yml", ".yaml", ".json", ""];

/// Which role is used, and which of its files.
#[derive(Debug, Clone)]
pub(crate) struct RoleCall {
    pub(crate) name: Node,
    pub(crate) tasks_from: Option<Node>,
    pub(crate) vars_from: Option<Node>,
    pub(crate) defaults_from: Option<Node>,
    pub(crate) handlers_from: Option<Node>,
    pub(crate) public: Option<Node>,
    /// Whether the role may run again where it ran before: by default yes for includes and imports.
    pub(crate) allow_duplicates: Option<bool>,
    pub(crate) rolespec_validate: Option<Node>,
    pub(crate) params: Mapping,
}

impl RoleCall {
    fn of_role(name: Node, params: Mapping) -> Self {
        Self {
            name,
            tasks_from: None,
            vars_from: None,
            defaults_from: None,
            handlers_from: None,
            public: None,
            allow_duplicates: None,
            rolespec_validate: None,
            params,
        }
    }

    /// What the arguments of an `include_role` or `import_role` say.
    ///
    /// # Errors
    ///
    /// Where the name is missing.
    pub(crate) fn of_args(args: &Args, task: &Span) -> Result<Self, Diagnostic> {
        let value = |key: &str| args.named.get(key).filter(|value| !value.is_null()).cloned();
        let Some(name) = value("name").or_else(|| value("role")) else {
            return Err(Diagnostic::error("the name of the role is missing")
                .at(&task.first_line(), "expected `name: ROLE` below it"));
        };
        Ok(Self {
            tasks_from: value("tasks_from"),
            vars_from: value("vars_from"),
            defaults_from: value("defaults_from"),
            handlers_from: value("handlers_from"),
            public: value("public"),
            allow_duplicates: Some(value("allow_duplicates").and_then(|value| value.truth()).unwrap_or(true)),
            rolespec_validate: value("rolespec_validate"),
            ..Self::of_role(name, Mapping::default())
        })
    }
}

impl Pass<'_> {
    /// An entry of `roles:` or of `dependencies:`; the blocks of dependencies come first.
    pub(super) fn role_entry(&mut self, entry: &Node, outer: &Arc<Scope>, blocks: &mut Vec<Arc<Block>>) {
        let (keywords, call) = match &entry.kind {
            Kind::Str(_) | Kind::Int(_) => {
                (Keywords::default(), RoleCall::of_role(entry.clone(), Mapping::default()))
            }
            Kind::Map(mapping) => {
                let (keywords, rest) = self.keywords(mapping, Holder::Role);
                let params: Mapping = rest.into_iter().collect();
                let name = keywords
                    .get(Keyword::Role)
                    .or_else(|| keywords.get(Keyword::Name))
                    .or_else(|| params.get("src"));
                let Some(name) = name.cloned() else {
                    let mistake = Diagnostic::error("a role entry without a name");
                    self.mistakes.push(mistake.at(&entry.span.first_line(), "expected `role: NAME`"));
                    return;
                };
                self.warn_about_params(&params);
                (keywords, RoleCall::of_role(name, params))
            }
            _ => {
                let found = entry.describe();
                let mistake = Diagnostic::error(format!("a role is a name or a mapping, found {found}"));
                self.mistakes.push(mistake.at(&entry.span.first_line(), ""));
                return;
            }
        };
        let scope = self.scope(ScopeKind::Role, keywords, Some(outer), entry);
        let is_dependency = !chain(&scope).is_empty();
        self.role(&call, &scope, is_dependency, blocks);
    }

    /// Every key of a role entry is fine; one that looks like a misspelt keyword deserves a word.
    fn warn_about_params(&self, params: &Mapping) {
        for key in params.keys() {
            let name = key.key_text();
            let Some(near) = Keyword::nearest(&name, Holder::Role).filter(|near| near.len() > 3) else {
                continue;
            };
            let warning = Diagnostic::warning(format!("`{name}` is a parameter of the role, not a keyword"))
                .at(&key.span, "taken as a variable")
                .hint(format!("did you mean `{near}`?"));
            self.loader.reader.warn(warning);
        }
    }

    /// `import_role`: the role in place, its handlers among those of the play.
    pub(super) fn import_role(&mut self, task: &Task) -> Vec<Item> {
        if task.is_handler {
            let mistake = Diagnostic::error("`import_role` cannot be a handler")
                .at(&task.module.0.span, "a handler is one task")
                .known_as("Using 'import_role' as a handler is not supported.");
            self.mistakes.push(mistake);
            return Vec::new();
        }
        if !self.check_import(task, &CALL_ARGS[..6], &CALL_ARGS) {
            return Vec::new();
        }
        let Some(mut call) = self.mistakes.collect(RoleCall::of_args(&task.args, task.span())) else {
            return Vec::new();
        };
        if let Some(node) = task.args.named.get("allow_duplicates").filter(|node| node.has_template()) {
            let rendered = self.early_text(node, &task.scope);
            call.allow_duplicates = rendered.map(|text| boolean(&text.to_lowercase()).unwrap_or(true));
        }
        let mut blocks = Vec::new();
        self.deeper(&task.module.0.span, |pass| pass.role(&call, &task.scope, false, &mut blocks));
        blocks.into_iter().map(Item::Block).collect()
    }

    /// `import_tasks`: a block with the tasks of the file.
    pub(super) fn import_tasks(&mut self, task: &Task) -> Vec<Item> {
        debug_assert_eq!(TextForm::of("import_tasks"), TextForm::Words, "a file and options");
        if !self.check_import(task, &["file"], &["file"]) {
            return Vec::new();
        }
        let Some(file) = task
            .args
            .free_form
            .as_ref()
            .or(task.args.template.as_ref())
            .or_else(|| task.args.named.get("file"))
        else {
            let mistake = Diagnostic::error("the file to import is missing");
            self.mistakes.push(mistake.at(&task.module.0.span, "expected the name of a file"));
            return Vec::new();
        };
        let Some(name) = self.early_text(file, &task.scope) else { return Vec::new() };
        let kind = if task.is_handler { search::Kind::Handlers } else { search::Kind::Tasks };
        let path = match search::find_file(&task.scope, kind, &name) {
            Found::At(path) => path,
            Found::Nowhere(places) => {
                let mistake = not_found("there is no task file", &name, &file.span, &places);
                self.mistakes.push(mistake.of_missing_file().known_as(not_on_controller(&name)));
                return Vec::new();
            }
        };
        let scope = &task.scope;
        let body = self.deeper(&file.span, |pass| pass.task_file(&path, scope, task.is_handler));
        let block = Block {
            scope: Arc::clone(scope),
            body: body.unwrap_or_default(),
            rescue: Vec::new(),
            always: Vec::new(),
        };
        vec![Item::Block(Arc::new(block))]
    }

    /// Whether an import has neither a loop nor arguments that it does not know. `plain` are those without
    /// `apply` and the like.
    fn check_import(&mut self, task: &Task, plain: &[&str], known: &[&str]) -> bool {
        let module = task.module.bare();
        let dynamic = module.replace("import", "include");
        let mut is_fine = true;
        if let Some(given) = &task.loop_over {
            let mistake = Diagnostic::error(format!("`{module}` cannot be repeated"))
                .at(&given.over.span.first_line(), "a loop over an import")
                .hint(format!("use `{dynamic}`, which is carried out for each item"));
            self.mistakes.push(mistake);
            is_fine = false;
        }
        for key in task.args.named.keys() {
            let name = key.key_text();
            if name == "apply" || !known.contains(&name.as_ref()) {
                let mistake = Diagnostic::error(format!("`{module}` has no argument `{name}`"))
                    .at(&key.span, "not known");
                let mistake = match name.as_ref() {
                    "apply" => mistake.known_as(format!("Invalid options for {module}: apply")).hint(
                        format!("put its keywords beside `{module}`: they count for all that is imported"),
                    ),
                    _ => mistake.maybe_hint(suggest::did_you_mean(&name, plain.iter().copied())),
                };
                self.mistakes.push(mistake);
                is_fine = false;
            }
        }
        is_fine
    }

    /// Loads a role for one use: adds the blocks of its dependencies and its own, and its handlers.
    pub(super) fn role(
        &mut self,
        call: &RoleCall,
        outer: &Arc<Scope>,
        is_dependency: bool,
        blocks: &mut Vec<Arc<Block>>,
    ) -> Option<Arc<Role>> {
        let name = self.early_text(&call.name, outer)?;
        let path = self.role_folder(&name, call, outer)?;
        let pulled_in_by = chain(outer);
        // A role may import its own tasks, but not depend on itself.
        if let Some(first) = pulled_in_by.iter().find(|role| is_dependency && role.path == path) {
            let mistake = Diagnostic::error(format!("role `{name}` depends on itself"))
                .at(&call.name.span, format!("`{}` is being loaded already", first.name));
            self.mistakes.push(mistake);
            return None;
        }
        self.loader.library.add_below(&path);
        let role = Arc::new(self.role_files(call, name, path, pulled_in_by, outer)?);
        let scope = Arc::new(Scope {
            kind: ScopeKind::Role,
            keywords: outer.keywords.clone(),
            role: Some(Arc::clone(&role)),
            parent: outer.parent.clone(),
            span: outer.span.clone(),
        });
        let scope = if outer.kind == ScopeKind::Role { scope } else { inner_role_scope(&role, outer) };
        for dependency in &role.meta.dependencies {
            self.deeper(&dependency.span, |pass| pass.role_entry(dependency, &scope, blocks));
        }
        blocks.push(self.role_block(call, &role, &scope));
        self.role_handlers(call, &role, &scope);
        Some(role)
    }

    /// Where a role lies: on the disk, or else among those that muster brings along.
    fn role_folder(&mut self, name: &str, call: &RoleCall, outer: &Arc<Scope>) -> Option<PathBuf> {
        let places = match find_role(name, outer, &self.loader.roles_path) {
            Found::At(path) => return Some(path),
            Found::Nowhere(places) => places,
        };
        let mistake = match shipped::role(name) {
            Some(Ok(path)) => return Some(path),
            Some(Err(cause)) => {
                Diagnostic::error(format!("role `{name}` is muster's own and cannot be written out"))
                    .at(&call.name.span, "")
                    .cause(cause)
            }
            None => not_found("there is no role", name, &call.name.span, &places),
        };
        self.mistakes.push(match name.contains(',') {
            true => mistake.known_as(format!("Invalid old style role requirement: {name}")),
            false => mistake,
        });
        None
    }

    fn role_block(&mut self, call: &RoleCall, role: &Role, scope: &Arc<Scope>) -> Arc<Block> {
        let mut body: Vec<Item> = self.validation(call, role, scope).into_iter().map(Item::Task).collect();
        if let Some(path) = self.role_file(role, "tasks", call.tasks_from.as_ref(), scope) {
            body.extend(self.task_file(&path, scope, false));
        }
        Arc::new(Block { scope: Arc::clone(scope), body, rescue: Vec::new(), always: Vec::new() })
    }

    /// The task that checks the arguments of the role, where its `meta` says what they are.
    fn validation(&mut self, call: &RoleCall, role: &Role, scope: &Arc<Scope>) -> Option<Arc<Task>> {
        let wants = match &call.rolespec_validate {
            Some(node) if node.has_template() => truth_of(&self.early_text(node, scope)?),
            Some(node) => node.truth().unwrap_or(true),
            None => true,
        };
        let entry = match &call.tasks_from {
            Some(from) => self.early_text(from, scope)?,
            None => "main".to_owned(),
        };
        let entry = entry.strip_suffix(".yml").or_else(|| entry.strip_suffix(".yaml")).unwrap_or(&entry);
        let spec = role.meta.argument_specs.get(entry).filter(|spec| wants && spec.as_map().is_some())?;
        Some(argument_check(role, entry, spec, scope))
    }

    fn role_handlers(&mut self, call: &RoleCall, role: &Role, scope: &Arc<Scope>) {
        if let Some(path) = self.role_file(role, "handlers", call.handlers_from.as_ref(), scope) {
            let items = self.task_file(&path, scope, true);
            self.role_handlers.extend(items.iter().flat_map(Item::tasks).cloned());
        }
    }

    fn role_files(
        &mut self,
        call: &RoleCall,
        name: String,
        path: PathBuf,
        pulled_in_by: Vec<Arc<Role>>,
        outer: &Arc<Scope>,
    ) -> Option<Role> {
        let mut meta = self.role_meta(&path);
        if let Some(allowed) = call.allow_duplicates {
            meta.allow_duplicates = allowed;
        }
        let mut role = Role {
            identity: identity(call, &path, outer),
            name,
            path,
            params: call.params.clone(),
            defaults: Mapping::default(),
            vars: Mapping::default(),
            meta,
            is_public: call.public.as_ref().and_then(Node::truth),
            pulled_in_by,
        };
        role.defaults = self.role_vars(&role, "defaults", call.defaults_from.as_ref(), outer);
        role.vars = self.role_vars(&role, "vars", call.vars_from.as_ref(), outer);
        Some(role)
    }

    fn role_vars(&mut self, role: &Role, folder: &str, from: Option<&Node>, scope: &Scope) -> Mapping {
        let Some(path) = self.role_file(role, folder, from, scope) else { return Mapping::default() };
        let files = if path.is_dir() { crate::inventory::files_below(&path) } else { vec![path] };
        let mut vars = Mapping::default();
        for file in files {
            let read = self.mistakes.collect(self.loader.reader.vars(&file)).unwrap_or_default();
            for (key, value) in read.iter() {
                vars.insert(key.clone(), value.clone());
            }
        }
        vars
    }

    /// `main`, which may be missing, or the file that the call names, which may not.
    fn role_file(
        &mut self,
        role: &Role,
        folder: &str,
        from: Option<&Node>,
        scope: &Scope,
    ) -> Option<PathBuf> {
        let base = role.path.join(folder);
        let Some(from) = from else { return existing(&base, "main", folder) };
        let name = self.early_text(from, scope)?;
        let found = existing(&base, &name, folder);
        if found.is_none() {
            let places: Vec<PathBuf> =
                ENDINGS.iter().map(|ending| base.join(format!("{name}{ending}"))).collect();
            let what = format!("role `{}` has no {folder} file", role.name);
            self.mistakes.push(not_found(&what, &name, &from.span, &places));
        }
        found.filter(|found| self.is_inside(found, role, &from.span))
    }

    /// A role keeps to its folder: what a name with `..` leads to elsewhere is refused.
    fn is_inside(&mut self, file: &Path, role: &Role, span: &Span) -> bool {
        let real = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.to_owned());
        let is_inside = real(file).starts_with(real(&role.path));
        if !is_inside {
            let what = format!("role `{}` cannot load `{}`", role.name, file.display());
            let mistake = Diagnostic::error(format!("{what}, as it is not inside the expected role path"));
            self.mistakes.push(mistake.at(span, format!("leads out of `{}`", role.path.display())));
        }
        is_inside
    }

    fn role_meta(&mut self, path: &Path) -> RoleMeta {
        let folder = path.join("meta");
        let mut meta = RoleMeta::default();
        if let Some(main) = existing(&folder, "main", "meta").and_then(|path| self.yaml(&path)) {
            self.read_meta(&main, &mut meta);
        }
        if let Some(specs) = existing(&folder, "argument_specs", "meta").and_then(|path| self.yaml(&path)) {
            meta.argument_specs =
                specs.get("argument_specs").and_then(Node::as_map).cloned().unwrap_or_default();
        }
        meta
    }

    fn read_meta(&mut self, main: &Node, meta: &mut RoleMeta) {
        let Some(mapping) = main.as_map() else {
            if !main.is_null() {
                let found = main.describe();
                let mistake = Diagnostic::error(format!("the `meta` of a role is a mapping, found {found}"));
                self.mistakes.push(mistake.at(&main.span.first_line(), ""));
            }
            return;
        };
        for (key, value) in mapping.iter() {
            match key.key_text().as_ref() {
                "allow_duplicates" => meta.allow_duplicates = value.truth().unwrap_or(false),
                "dependencies" => meta.dependencies = value.one_or_many().to_vec(),
                "argument_specs" => meta.argument_specs = value.as_map().cloned().unwrap_or_default(),
                name if META_KEYS.contains(&name) => {}
                name => {
                    let warning = Diagnostic::warning(format!("the `meta` of a role has no `{name}`"))
                        .at(&key.span, "not used");
                    self.loader.reader.warn(warning.maybe_hint(suggest::did_you_mean(name, META_KEYS)));
                }
            }
        }
    }
}

fn truth_of(text: &str) -> bool {
    !matches!(text.to_ascii_lowercase().as_str(), "false" | "no" | "off" | "0" | "f" | "n")
}

/// `validate_argument_spec` for the entry point of a role; it runs whatever tags are asked for.
fn argument_check(role: &Role, entry: &str, spec: &Node, outer: &Arc<Scope>) -> Arc<Task> {
    let span = &spec.span;
    let text = |text: &str| Node::text(span, text);
    let about = spec.get("short_description").and_then(Node::as_str);
    let about = about.map(|about| format!(" - {about}")).unwrap_or_default();
    let name = text(&format!("Validating arguments against arg spec '{entry}'{about}"));
    let mut keywords = Keywords::default();
    for (keyword, value) in [(Keyword::Name, name), (Keyword::Tags, text("always"))] {
        keywords.set(Given { keyword, key: span.clone(), value });
    }
    let short_name = role.name.rsplit('.').next().unwrap_or(&role.name);
    let path = role.path.canonicalize().unwrap_or_else(|_| role.path.clone());
    let context = [
        ("type", "role"),
        ("name", short_name),
        ("argument_spec_name", entry),
        ("path", &path.to_string_lossy()),
    ];
    let context: Mapping = context.map(|(name, value)| (text(name), text(value))).into_iter().collect();
    let options = spec.get("options").cloned().unwrap_or_else(|| Node::map(span, Mapping::default()));
    let params = Node::map(span, role.params.clone());
    let named = [
        (text("argument_spec"), options),
        (text("provided_arguments"), params),
        (text("validate_args_context"), Node::map(span, context)),
    ];
    let scope = Scope {
        kind: ScopeKind::Task,
        keywords,
        role: outer.role.clone(),
        parent: Some(Arc::clone(outer)),
        span: outer.span.clone(),
    };
    let args = Args { named: named.into_iter().collect(), ..Args::default() };
    let module = ModuleName(text("ansible.builtin.validate_argument_spec"));
    Arc::new(Task {
        scope: Arc::new(scope),
        module,
        args,
        own_module: None,
        loop_over: None,
        is_handler: false,
    })
}

/// The scope of a role that is brought in by a task or block rather than by an entry of `roles:`.
fn inner_role_scope(role: &Arc<Role>, outer: &Arc<Scope>) -> Arc<Scope> {
    Arc::new(Scope {
        kind: ScopeKind::Role,
        keywords: Keywords::default(),
        role: Some(Arc::clone(role)),
        parent: Some(Arc::clone(outer)),
        span: outer.span.clone(),
    })
}

/// The roles around a scope, the outermost first.
fn chain(scope: &Scope) -> Vec<Arc<Role>> {
    let Some(role) = &scope.role else { return Vec::new() };
    let mut chain = role.pulled_in_by.clone();
    chain.push(Arc::clone(role));
    chain
}

/// Where a role lies: `roles/` beside the playbook, the configured places, beside the role that asks for it, beside the
/// playbook, and for `namespace.collection.role` the collections beside the playbook.
fn find_role(name: &str, scope: &Scope, roles_path: &[PathBuf]) -> Found {
    let play = search::play_folder(scope).unwrap_or(Path::new("")).to_owned();
    let wanted = search::expand_home(name);
    let mut places = Vec::new();
    if let [namespace, collection, role] = name.split('.').collect::<Vec<_>>().as_slice() {
        let below = ["collections", "ansible_collections", namespace, collection, "roles", role];
        places.push(below.iter().fold(play.clone(), |path, part| path.join(part)));
    }
    places.push(play.join("roles").join(&wanted));
    places.extend(roles_path.iter().map(|folder| folder.join(&wanted)));
    places.extend(scope.role.iter().filter_map(|role| role.path.parent()).map(|folder| folder.join(&wanted)));
    places.push(play.join(&wanted));
    let mut seen = Vec::new();
    for place in places {
        if place.is_dir() {
            return Found::At(place);
        }
        if !seen.contains(&place) {
            seen.push(place);
        }
    }
    Found::Nowhere(seen)
}

/// The file of that name in a folder of a role. Folders of variables may stand in for a file.
fn existing(base: &Path, name: &str, folder: &str) -> Option<PathBuf> {
    let takes_folders = matches!(folder, "vars" | "defaults");
    let exact = base.join(name);
    if exact.is_file() || (takes_folders && exact.is_dir()) {
        return Some(exact);
    }
    ENDINGS.iter().map(|ending| base.join(format!("{name}{ending}"))).find(|path| path.is_file())
}

/// Two uses with the same text are the same use.
fn identity(call: &RoleCall, path: &Path, scope: &Scope) -> String {
    let files = [&call.tasks_from, &call.vars_from, &call.defaults_from, &call.handlers_from];
    let keywords = [Keyword::When, Keyword::Tags, Keyword::Vars].map(|keyword| scope.keywords.get(keyword));
    format!("{} {:?} {files:?} {keywords:?}", path.display(), call.params)
}
