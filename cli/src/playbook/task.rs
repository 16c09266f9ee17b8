//! A task from its mapping: which key is the module, what its arguments are, what it is repeated for.

use super::args::{self, TextForm};
use super::keyword::{Given, Holder, Keyword, Keywords};
use super::load::Pass;
use super::{Args, Item, Loop, LoopKind, ModuleName, Scope, ScopeKind, Task, check, elsewhere, module};
use crate::error::Diagnostic;
use crate::source::Span;
use crate::suggest;
use crate::yaml::{Kind, Mapping, Node};
use std::sync::Arc;

const LOOP_CONTROL: [&str; 7] =
    ["loop_var", "index_var", "label", "pause", "extended", "extended_allitems", "break_when"];

/// What `with_NAME` knows.
const LOOKUPS: [&str; 26] = [
    "cartesian",
    "config",
    "csvfile",
    "dict",
    "env",
    "file",
    "fileglob",
    "first_found",
    "flattened",
    "indexed_items",
    "ini",
    "inventory_hostnames",
    "items",
    "lines",
    "list",
    "nested",
    "password",
    "pipe",
    "random_choice",
    "sequence",
    "subelements",
    "template",
    "together",
    "unvault",
    "url",
    "varnames",
];

/// What dynamic includes have of the keywords of a task; others go below `apply`.
const INCLUDE_KEYWORDS: [Keyword; 15] = [
    Keyword::Action,
    Keyword::Args,
    Keyword::Collections,
    Keyword::Debugger,
    Keyword::IgnoreErrors,
    Keyword::Listen,
    Keyword::Loop,
    Keyword::LoopControl,
    Keyword::Name,
    Keyword::NoLog,
    Keyword::Register,
    Keyword::RunOnce,
    Keyword::Tags,
    Keyword::Timeout,
    Keyword::When,
];

/// The parts of a task before they are joined.
struct Parts {
    keywords: Keywords,
    /// `with_…` entries.
    loops: Vec<(Node, Node)>,
    /// Entries that are neither; one of them should name the module.
    candidates: Vec<(Node, Node)>,
}

/// A module and what it is told, from one of the forms that a task has for it.
struct Call {
    name: Node,
    args: Args,
}

impl Pass<'_> {
    /// One task; what an import brings in.
    pub(super) fn task(
        &mut self,
        entry: &Node,
        mapping: &Mapping,
        outer: &Arc<Scope>,
        holder: Holder,
    ) -> Vec<Item> {
        let Parts { mut keywords, loops, candidates } = self.parts(mapping, holder);
        let Some(mut call) = self.call(&mut keywords, candidates, entry, holder) else {
            return Vec::new();
        };
        self.add_args_keyword(&keywords, &mut call.args);
        let loop_over = self.loop_of(&keywords, &loops);
        self.check_register(&keywords);
        if holder == Holder::Handler {
            self.render_handler_name(&mut keywords, outer);
        }
        let name = ModuleName(call.name);
        let own_module = self.loader.library.find(name.written());
        let kind = match name.bare() {
            "include_tasks" | "include_role" => ScopeKind::Include,
            "import_tasks" => ScopeKind::Import,
            "import_role" => ScopeKind::Role,
            _ => ScopeKind::Task,
        };
        let scope = self.scope(kind, keywords, Some(outer), entry);
        let is_handler = holder == Holder::Handler;
        let task = Task { scope, module: name, args: call.args, own_module, loop_over, is_handler };
        self.check_end_role(&task, outer);
        let files = check::Files {
            are_warnings: self.loader.warns_of_files,
            may_come: self.files_that_write.contains(entry.span.file().path()),
        };
        check::task(&task, files, &mut self.mistakes);
        self.check_elsewhere(&task);
        match task.module.bare() {
            "import_tasks" => self.import_tasks(&task),
            "import_role" => self.import_role(&task),
            "include_tasks" | "include_role" => self.dynamic_include(task),
            _ => vec![Item::Task(Arc::new(task))],
        }
    }

    /// A module that muster does not have is refused where nothing keeps the task from running.
    fn check_elsewhere(&mut self, task: &Task) {
        let name = task.module.written();
        let Some(collection) = elsewhere::collection_of(name).filter(|_| task.own_module.is_none()) else {
            return;
        };
        if task.scope.each(Keyword::When).is_empty() && !check::may_fail(&task.scope) {
            let mistake = Diagnostic::error(elsewhere::refusal(name, collection))
                .at(&task.module.0.span, "nothing keeps this task from running")
                .hint("a task that is for other systems has a `when`; for this one `muster doc` lists what there is");
            self.mistakes.push(mistake);
        }
    }

    /// Only a task of a role can end it.
    fn check_end_role(&mut self, task: &Task, outer: &Scope) {
        let what = task.args.free_form.as_ref().or_else(|| task.args.named.get("_raw_params"));
        if task.module.bare() != "meta" || what.and_then(Node::as_str) != Some("end_role") {
            return;
        }
        let place = match task.is_handler {
            true => "a handler",
            false if outer.outer().all(|scope| scope.role.is_none()) => "outside of a role",
            false => return,
        };
        let mistake = Diagnostic::error(format!("`end_role` in a task that is {place}"))
            .at(task.span(), "there is no role to end here")
            .known_as(format!("Cannot execute 'end_role' from {place}"));
        self.mistakes.push(mistake);
    }

    /// Tasks notify a handler by its name, which may be a template of variables that are known before the run.
    fn render_handler_name(&self, keywords: &mut Keywords, outer: &Scope) {
        let Some(given) = keywords.given(Keyword::Name).filter(|given| given.value.has_template()) else {
            return;
        };
        let Ok(name) = self.loader.early_names.render(&given.value, outer) else { return };
        let value = Node::text(&given.value.span, name);
        let rendered = Given { keyword: Keyword::Name, key: given.key.clone(), value };
        keywords.set(rendered);
    }

    fn parts(&mut self, mapping: &Mapping, holder: Holder) -> Parts {
        let (keywords, rest) = self.keywords(mapping, holder);
        let (loops, candidates) = rest.into_iter().partition(|(key, _)| key.key_text().starts_with("with_"));
        Parts { keywords, loops, candidates }
    }

    /// The module, from `action`, `local_action` or the key that names it.
    fn call(
        &mut self,
        keywords: &mut Keywords,
        candidates: Vec<(Node, Node)>,
        entry: &Node,
        holder: Holder,
    ) -> Option<Call> {
        let loader = self.loader;
        let is_known = |name: &str| {
            module::is_known(name)
                || loader.library.find(name).is_some()
                || elsewhere::collection_of(name).is_some()
        };
        let action =
            keywords.given(Keyword::Action).or_else(|| keywords.given(Keyword::LocalAction)).cloned();
        let Some(action) = action else {
            return match module::pick(candidates, holder, &entry.span, &is_known) {
                Ok((name, value)) => {
                    let args = self.module_args(&name.key_text(), &value);
                    args.map(|args| Call { name, args })
                }
                Err(mistakes) => {
                    mistakes.into_iter().for_each(|mistake| self.mistakes.push(mistake));
                    None
                }
            };
        };
        for (key, _) in candidates {
            let mistake = if is_known(&key.key_text()) {
                Diagnostic::error(format!(
                    "a task has one module, here are `{}` and `{}`",
                    action.keyword,
                    key.key_text()
                ))
                .at(&key.span, "the second module")
                .at(&action.key, "the first module")
            } else {
                module::unknown_keyword(&key, holder)
            };
            self.mistakes.push(mistake);
        }
        if action.keyword == Keyword::LocalAction {
            let value = Node::text(&action.key, "localhost");
            keywords.set(Given { keyword: Keyword::DelegateTo, key: action.key.clone(), value });
        }
        self.action(&action, holder, &is_known)
    }

    /// `action: copy src=a` and `action: {module: copy, src: a}`.
    fn action(&mut self, action: &Given, holder: Holder, is_known: &dyn Fn(&str) -> bool) -> Option<Call> {
        let (name, args) = match &action.value.kind {
            Kind::Str(text) => {
                let (name, rest) = split_action(&action.value, text);
                let args = self.module_args(name.as_str().unwrap_or(""), &rest)?;
                (name, args)
            }
            Kind::Map(mapping) => {
                let Some(name) = mapping.get("module").cloned() else {
                    let mistake = Diagnostic::error(format!("`{}` without a `module`", action.keyword));
                    self.mistakes.push(mistake.at(&action.key, "expected `module: NAME` below it"));
                    return None;
                };
                (name, Args { named: arguments_of_action(mapping), ..Args::default() })
            }
            _ => {
                let found = action.value.describe();
                let mistake =
                    Diagnostic::error(format!("`{}` names a module, found {found}", action.keyword));
                self.mistakes.push(mistake.at(&action.value.span.first_line(), ""));
                return None;
            }
        };
        if !name.has_template() && !is_known(&name.key_text()) {
            self.mistakes.push(module::unknown_module(&name, holder));
            return None;
        }
        Some(Call { name, args })
    }

    fn module_args(&mut self, module: &str, value: &Node) -> Option<Args> {
        match &value.kind {
            Kind::Null => Some(Args::default()),
            Kind::Map(mapping) => Some(Args { named: (**mapping).clone(), ..Args::default() }),
            Kind::Str(_) => self.mistakes.collect(args::parse(value, TextForm::of(module::bare(module)))),
            _ => {
                let found = value.describe();
                let mistake =
                    Diagnostic::error(format!("the arguments of `{module}` are a mapping, found {found}"));
                self.mistakes
                    .push(mistake.at(&value.span.first_line(), "expected `name: value` below the module"));
                None
            }
        }
    }

    /// Adds what `args:` says; what the module itself was told wins.
    fn add_args_keyword(&mut self, keywords: &Keywords, args: &mut Args) {
        let Some(given) = keywords.get(Keyword::Args) else { return };
        match &given.kind {
            Kind::Map(mapping) => {
                let own = std::mem::take(&mut args.named);
                let layers = mapping.iter().chain(own.iter());
                args.named = layers.map(|(key, value)| (key.clone(), value.clone())).collect();
            }
            Kind::Str(text) if args::is_one_template(text) => args.template = Some(given.clone()),
            _ => {
                let found = given.describe();
                let mistake = Diagnostic::error(format!("`args` must be a mapping, found {found}"));
                self.mistakes
                    .push(mistake.at(&given.span.first_line(), "expected a mapping, or a template for one"));
            }
        }
    }

    fn loop_of(&mut self, keywords: &Keywords, loops: &[(Node, Node)]) -> Option<Loop> {
        let control = keywords.get(Keyword::LoopControl).and_then(Node::as_map).cloned().unwrap_or_default();
        self.check_loop_control(&control);
        let own = keywords.given(Keyword::Loop).map(|given| (&given.key, &given.value, LoopKind::Loop));
        let with = loops.iter().filter_map(|(key, value)| Some((&key.span, value, self.lookup(key)?)));
        let mut all: Vec<(&Span, &Node, LoopKind)> = own.into_iter().chain(with).collect();
        if let [(first, ..), (second, ..), ..] = all.as_slice() {
            let mistake = Diagnostic::error("a task has one loop")
                .at(second, "the second loop")
                .at(first, "the first loop");
            self.mistakes.push(mistake);
        }
        let (key, over, kind) = if all.is_empty() { return None } else { all.remove(0) };
        if over.is_null() {
            self.mistakes.push(Diagnostic::error("a loop over nothing").at(key, "expected a list"));
            return None;
        }
        Some(Loop { kind, over: over.clone(), control })
    }

    fn lookup(&mut self, key: &Node) -> Option<LoopKind> {
        let name = key.key_text();
        let lookup = name.strip_prefix("with_").unwrap_or(&name);
        if LOOKUPS.contains(&lookup) || lookup == "vars" {
            return Some(LoopKind::With(lookup.to_owned()));
        }
        let mistake = Diagnostic::error(format!("there is no loop `{name}`")).at(&key.span, "not known");
        let near = suggest::nearest(lookup, LOOKUPS).map(|near| format!("did you mean `with_{near}`?"));
        self.mistakes.push(mistake.maybe_hint(near));
        None
    }

    fn check_loop_control(&mut self, control: &Mapping) {
        for key in control.keys() {
            let name = key.key_text();
            if !LOOP_CONTROL.contains(&name.as_ref()) {
                let mistake =
                    Diagnostic::error(format!("`loop_control` has no `{name}`")).at(&key.span, "not known");
                self.mistakes.push(mistake.maybe_hint(suggest::did_you_mean(&name, LOOP_CONTROL)));
            }
        }
    }

    fn check_register(&mut self, keywords: &Keywords) {
        let Some(name) = keywords.get(Keyword::Register) else { return };
        let text = name.key_text();
        if !is_variable_name(&text) {
            let mistake = Diagnostic::error(format!("`{text}` is no name for a variable"))
                .at(&name.span, "letters, digits and `_`, and no digit at the start")
                .known_as(format!("Invalid variable name in 'register' specified: '{text}'"));
            self.mistakes.push(mistake);
        }
    }

    fn dynamic_include(&mut self, task: Task) -> Vec<Item> {
        let module = task.module.bare();
        let is_role = module == "include_role";
        if is_role && task.is_handler {
            let mistake = Diagnostic::error("`include_role` cannot be a handler")
                .at(&task.module.0.span, "a handler is one task")
                .known_as("Using 'include_role' as a handler is not supported.");
            self.mistakes.push(mistake);
        }
        for name in ["tasks_from", "vars_from", "defaults_from", "handlers_from"] {
            let value = task.args.named.get(name).filter(|value| is_role && value.scalar_text().is_none());
            if let Some(value) = value.filter(|value| !value.is_null()) {
                let found = value.describe();
                let mistake = Diagnostic::error(format!("`{name}` names one file, found {found}"))
                    .at(&value.span.first_line(), "expected the name of a file of the role")
                    .known_as(format!("Expected a string for {name} but got {found} instead"));
                self.mistakes.push(mistake);
            }
        }
        for given in task.scope.keywords.iter() {
            let keyword = given.keyword;
            if INCLUDE_KEYWORDS.contains(&keyword) || keyword == Keyword::Vars {
                continue;
            }
            let mistake = Diagnostic::error(format!("`{module}` has no keyword `{keyword}`"))
                .at(&given.key, "would not reach the included tasks")
                .hint(format!(
                    "to have it on every included task, put `{keyword}` below `apply:` of `{module}`"
                ));
            self.mistakes.push(mistake);
        }
        vec![Item::Task(Arc::new(task))]
    }
}

/// The first word of an action and the rest of its text.
fn split_action(action: &Node, text: &str) -> (Node, Node) {
    let start = text.len() - text.trim_start().len();
    // Templates may be parts of the module's name, with blanks in them.
    let mut depth = 0_usize;
    let mut before = ' ';
    let is_end = |(_, c): &(usize, char)| {
        match (before, *c) {
            ('{', '{') => depth += 1,
            ('}', '}') => depth = depth.saturating_sub(1),
            _ => {}
        }
        before = *c;
        depth == 0 && c.is_whitespace()
    };
    let name_end = text[start..].char_indices().find(is_end).map_or(text.len(), |(at, _)| start + at);
    let rest_start = name_end + (text[name_end..].len() - text[name_end..].trim_start().len());
    let part = |range: std::ops::Range<usize>| Node::text(&action.span_of(range.clone()), &text[range]);
    let name = part(start..name_end);
    let rest = if rest_start == text.len() {
        Node::new(&action.span, Kind::Null)
    } else {
        part(rest_start..text.len())
    };
    (name, rest)
}

/// Whether a text can be the name of a variable.
pub(super) fn is_variable_name(text: &str) -> bool {
    let mut chars = text.chars();
    let starts_well = chars.next().is_some_and(|c| c.is_alphabetic() || c == '_');
    starts_well && chars.all(|c| c.is_alphanumeric() || c == '_')
}

/// What stands beside `module:`, and in `args:` there.
fn arguments_of_action(mapping: &Mapping) -> Mapping {
    let own = mapping.iter().filter(|(key, _)| !matches!(key.as_str(), Some("module" | "args")));
    let more = mapping.get("args").and_then(Node::as_map);
    let more = more.into_iter().flat_map(Mapping::iter);
    own.chain(more).map(|(key, value)| (key.clone(), value.clone())).collect()
}
