//! What a task on a host sees: every variable by name, the strongest definition of it, templated when it is read.

use std::collections::HashMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use minijinja::Value;
use minijinja::value::{Enumerator, Object, ValueKind};

use super::lazy;
use super::magic::{self, PlayInfo, RoleInfo};
use super::{Data, HashBehaviour, HostVars, Level, Secrets, Store, Var, Vars};
use crate::local_files::LocalFiles;
use crate::template::{
    Blamed, Engine, FailureKind, TemplateError, TemplateFile, complete, complete_or_partly_known, from_error,
    is_template_whole, note_read, read_failed, reading, templating,
};
use crate::yaml::{Node, Tag, is_template};

/// What a scope is made of.
#[derive(Debug, Clone)]
pub(crate) struct ScopeInputs<'s> {
    /// The template engine of the run.
    pub(crate) engine: &'s Arc<Engine>,
    /// What is known about hosts. The scope sees the state of now; later changes need a new scope.
    pub(crate) store: &'s Arc<Store>,
    /// The host; none while there is none yet, as in a play's `hosts:`.
    pub(crate) host: Option<&'s str>,
    /// The play.
    pub(crate) play: &'s Arc<PlayInfo>,
    /// The role that the task is in.
    pub(crate) role: Option<&'s Arc<RoleInfo>>,
    /// Folders to find files and templates of lookups in, the nearest first: the role's, the playbook's.
    pub(crate) search: Arc<[PathBuf]>,
    /// Definitions of the play, its roles, blocks and the task. Those of the host and of `-e` are added. Within
    /// a level the last one wins.
    pub(crate) layers: Vec<(Level, Arc<Vars>)>,
}

/// The variables that one task on one host sees. Cheap to clone; values are kept once they were templated.
#[derive(Clone)]
pub(crate) struct Scope(Arc<ScopeData>);

/// A scope that may be gone.
#[derive(Debug)]
pub(super) struct WeakScope(Weak<ScopeData>);

impl WeakScope {
    /// The scope while a template runs with it; its values do not outlive that.
    pub(super) fn upgrade(&self) -> Result<Scope, TemplateError> {
        self.0.upgrade().map(Scope).ok_or_else(|| {
            TemplateError::new(
                FailureKind::Failed,
                "a value was used after the variables that it needs were dropped",
            )
        })
    }
}

/// The parts of a scope.
pub(super) struct ScopeData {
    engine: Arc<Engine>,
    pub(super) store: Arc<Store>,
    pub(super) host: Option<Arc<str>>,
    pub(super) host_vars: Arc<HostVars>,
    pub(super) play: Arc<PlayInfo>,
    pub(super) role: Option<Arc<RoleInfo>>,
    pub(super) search: Arc<[PathBuf]>,
    /// The strongest first.
    layers: Vec<(Level, Arc<Vars>)>,
    read: Mutex<HashMap<String, Result<Value, TemplateError>>>,
    others: Mutex<HashMap<String, Scope>>,
}

impl Scope {
    /// A scope of what is known now.
    pub(crate) fn new(inputs: ScopeInputs<'_>) -> Self {
        let host_vars = inputs.host.and_then(|host| inputs.store.host(host)).unwrap_or_default();
        let mut layers = inputs.layers;
        layers.extend(host_vars.layers());
        layers.push((Level::ExtraVars, inputs.store.extra()));
        Self::with_layers(ScopeData {
            engine: inputs.engine.clone(),
            store: inputs.store.clone(),
            host: inputs.host.map(Into::into),
            host_vars,
            play: inputs.play.clone(),
            role: inputs.role.cloned(),
            search: inputs.search,
            layers,
            read: Mutex::default(),
            others: Mutex::default(),
        })
    }

    fn with_layers(mut data: ScopeData) -> Self {
        data.layers.retain(|(_, vars)| !vars.is_empty());
        // Stable: of one level, the last definition comes first after the reversal.
        data.layers.sort_by_key(|(level, _)| *level);
        data.layers.reverse();
        Self(Arc::new(data))
    }

    /// The same scope with one more layer, such as the variables of a loop.
    pub(crate) fn with(&self, level: Level, vars: Vars) -> Self {
        let data = &*self.0;
        let mut layers: Vec<_> = data.layers.iter().rev().cloned().collect();
        layers.push((level, Arc::new(vars)));
        Self::with_layers(ScopeData {
            engine: data.engine.clone(),
            store: data.store.clone(),
            host: data.host.clone(),
            host_vars: data.host_vars.clone(),
            play: data.play.clone(),
            role: data.role.clone(),
            search: data.search.clone(),
            layers,
            read: Mutex::default(),
            others: Mutex::default(),
        })
    }

    /// The variables of another host, as `hostvars` shows them: without those of the play and the task.
    pub(crate) fn of_host(&self, host: &str) -> Option<Self> {
        let data = &*self.0;
        data.store.host(host)?;
        let mut others = data.others.lock().unwrap_or_else(PoisonError::into_inner);
        let scope = others.entry(host.to_owned()).or_insert_with(|| {
            Self::new(ScopeInputs {
                engine: &data.engine,
                store: &data.store,
                host: Some(host),
                play: &data.play,
                role: None,
                search: data.search.clone(),
                layers: Vec::new(),
            })
        });
        Some(scope.clone())
    }

    pub(super) fn data(&self) -> &ScopeData {
        &self.0
    }

    /// The host whose variables these are.
    pub(crate) fn host(&self) -> Option<&str> {
        self.0.host.as_deref()
    }

    /// In a plan: why what is not defined here may be so all the same.
    pub(crate) fn doubt(&self, err: &TemplateError) -> Option<&str> {
        let FailureKind::Undefined { name } = &err.root().kind else { return None };
        let of_facts = || self.0.host_vars.facts_doubt.as_deref().filter(|_| name.starts_with("ansible_"));
        self.0.host_vars.doubt.as_deref().or_else(of_facts)
    }

    /// Folders to find files of lookups in, the nearest first.
    pub(crate) fn search(&self) -> &[PathBuf] {
        &self.0.search
    }

    /// The folder of the playbook.
    pub(crate) fn playbook_dir(&self) -> &std::path::Path {
        &self.0.play.playbook_dir
    }

    /// The groups of the inventory and their hosts.
    pub(crate) fn play(&self) -> &PlayInfo {
        &self.0.play
    }

    /// The files of this machine.
    pub(crate) fn files(&self) -> &LocalFiles {
        self.0.store.files()
    }

    /// Texts that must not be printed.
    pub(crate) fn secrets(&self) -> &Secrets {
        self.0.store.secrets()
    }

    /// All variables as the root that minijinja looks names up in.
    pub(crate) fn context(&self) -> Value {
        Value::from_dyn_object(self.0.clone())
    }

    // Rendering.

    /// Renders a value: every template in it, at any depth. Entries and items that are `omit` are left out.
    pub(crate) fn render(&self, data: &Data) -> Result<Value, TemplateError> {
        if let Data::Plain(value) = data {
            return Ok(value.clone());
        }
        let value = lazy::value(data, self)?;
        complete(&value).map_err(|err| from_error(&err, data))
    }

    /// The same for who passes it on: a result of which only a part is known stays one.
    pub(crate) fn render_to_pass_on(&self, data: &Data) -> Result<Value, TemplateError> {
        let value = lazy::value(data, self)?;
        complete_or_partly_known(&value).map_err(|err| from_error(&err, data))
    }

    /// Renders a value of a playbook or inventory.
    pub(crate) fn render_node(&self, node: &Node) -> Result<Value, TemplateError> {
        self.render(&Data::of(node))
    }

    /// Renders a value and keeps `omit`: the caller leaves the whole argument out.
    pub(crate) fn render_or_omit(&self, data: &Data) -> Result<Option<Value>, TemplateError> {
        match self.render(data) {
            Err(err) if err.kind == FailureKind::Omitted => Ok(None),
            other => other.map(Some),
        }
    }

    /// Renders a text that is a template, for use in other templates: what it gives may still be lazy.
    pub(super) fn render_text(&self, node: &Node) -> Result<Value, TemplateError> {
        let text: Arc<str> = node.as_str().unwrap_or_default().into();
        self.0.engine.render(&text, self).map_err(|err| with_node(err, node))
    }

    /// Renders a text that stands in no file.
    pub(crate) fn render_str(&self, text: &str) -> Result<Value, TemplateError> {
        if !is_template(text) {
            return Ok(Value::from(text));
        }
        let text: Arc<str> = text.into();
        let value = self.0.engine.render(&text, self)?;
        complete(&value).map_err(|err| from_error(&err, &Data::Plain(value)))
    }

    /// Renders a template file to text.
    pub(crate) fn render_file(&self, file: &TemplateFile<'_>) -> Result<String, TemplateError> {
        self.0.engine.render_file(file, self)
    }

    /// Renders a template file: to the collection that it puts out, if it puts out nothing else, and else to text.
    pub(crate) fn render_file_to_value(&self, file: &TemplateFile<'_>) -> Result<Value, TemplateError> {
        self.0.engine.render_file_to_value(file, self)
    }

    /// The value of an expression that has no `{{ }}`, such as that of `debug: var=`.
    pub(crate) fn expression(&self, node: &Node) -> Result<Value, TemplateError> {
        self.expression_to_pass_on(node).and_then(|value| {
            complete(&value).map_err(|err| with_node(from_error(&err, &Data::Plain(value)), node))
        })
    }

    /// The same for who passes it on: a result of which only a part is known stays one.
    pub(crate) fn expression_to_pass_on(&self, node: &Node) -> Result<Value, TemplateError> {
        let text: Arc<str> = node.scalar_text().unwrap_or_default().as_ref().into();
        let value = self.0.engine.expression(&text, self).map_err(|err| with_node(err, node))?;
        complete_or_partly_known(&value).map_err(|err| with_node(from_error(&err, &Data::Plain(value)), node))
    }

    /// Whether a condition holds: `when:`, `until:`, `changed_when:`, `failed_when:`, `that:`. A list holds if
    /// all its items do.
    ///
    /// As in ansible-core 2.19, a condition is true or false and nothing else.
    pub(crate) fn condition(&self, node: &Node) -> Result<bool, TemplateError> {
        use crate::yaml::Kind;
        match &node.kind {
            Kind::Bool(value) => Ok(*value),
            Kind::Seq(items) => {
                for item in &**items {
                    if !self.condition(item)? {
                        return Ok(false);
                    }
                }
                Ok(true)
            }
            Kind::Str(_) if node.tag == Tag::Unsafe => Err(not_boolean(
                node,
                "the condition is an untrusted template or expression: it is marked `!unsafe`, or a template made it",
            )),
            Kind::Str(text) if !text.trim().is_empty() => self.text_condition(node, text),
            Kind::Null | Kind::Str(_) => Err(not_boolean(node, "the condition is empty")),
            _ => Err(not_boolean(node, &format!("a condition is an expression, not {}", node.describe()))),
        }
    }

    fn text_condition(&self, node: &Node, text: &Arc<str>) -> Result<bool, TemplateError> {
        // A whole `{{ condition }}` is old and still accepted; a part of one is a mistake.
        let wrapped = text.trim_start().starts_with("{{") && text.trim_end().ends_with("}}");
        let value = if is_template_whole(text) {
            self.0.engine.render(&text.trim().into(), self)
        } else {
            self.0.engine.condition(text, self)
        };
        let value = value.map_err(|err| with_node(err, node))?;
        match value.kind() {
            ValueKind::Bool => Ok(value.is_true()),
            ValueKind::String if wrapped => self.written_condition(node, text, &value),
            _ if self.play().settings.allows_broken_conditionals() && complete(&value).is_ok() => {
                Ok(value.is_true())
            }
            // Text that a condition came to by `{{ }}`: its truth was always that of the text.
            _ => Err(self.truth_of_other(node, &value)),
        }
    }

    /// The condition that a template names by a variable: one that somebody wrote, not one that a template made or a host
    /// sent.
    fn written_condition(&self, node: &Node, text: &str, value: &Value) -> Result<bool, TemplateError> {
        if !self.is_written(text) {
            return Err(not_boolean(node, "the condition gives an untrusted template or expression"));
        }
        self.condition(&Node::text(&node.span, value.as_str().unwrap_or_default()))
    }

    /// Whether what a template gives was written in a playbook or an inventory: it is a variable, or a part of one, and
    /// that is not the result of a task. A text that a template puts together is not trusted as an expression.
    pub(crate) fn is_written(&self, template: &str) -> bool {
        let inner = template.trim().strip_prefix("{{").and_then(|text| text.strip_suffix("}}"));
        let Some(inner) = inner.map(str::trim) else { return false };
        let root_ends = inner.find(['.', '[']).unwrap_or(inner.len());
        let (root, rest) = inner.split_at(root_ends);
        let is_name = |text: &str| !text.is_empty() && text.chars().all(|c| c.is_alphanumeric() || c == '_');
        let is_path = |char: char| char.is_alphanumeric() || "_.[]'\"".contains(char);
        let is_result = |value: Value| value.get_attr("failed").is_ok_and(|failed| !failed.is_undefined());
        let is_made = || self.get(root).ok().flatten().is_none_or(is_result);
        is_name(root) && rest.chars().all(is_path) && !is_made()
    }

    fn truth_of_other(&self, node: &Node, value: &Value) -> TemplateError {
        if let Err(err) = complete(value) {
            return with_node(from_error(&err, &Data::Plain(value.clone())), node);
        }
        let kind = crate::template::type_name(value);
        let err = not_boolean(node, &format!("the condition gives a {kind}, not true or false"));
        err.with_hint(match value.kind() {
            ValueKind::String => "write `… | bool` to read text such as `yes`, or compare it: `… == 'text'`",
            ValueKind::Number => "compare it, such as `… != 0`, or write `… | bool`",
            ValueKind::Seq | ValueKind::Map | ValueKind::Iterable => "write `… | length > 0`",
            _ => "compare it, such as `… is not none`",
        })
    }

    // Reading variables.

    /// The value of a variable, complete; none if it is not defined.
    pub(crate) fn get(&self, name: &str) -> Result<Option<Value>, TemplateError> {
        match self.read(name) {
            None => Ok(None),
            Some(Ok(value)) => {
                complete(&value).map(Some).map_err(|err| from_error(&err, &Data::Plain(value)))
            }
            Some(Err(err)) => Err(err),
        }
    }

    /// The definition of a variable that wins, and its level.
    pub(crate) fn definition(&self, name: &str) -> Option<(Level, &Var)> {
        self.definitions(name).next()
    }

    /// All definitions of a variable, the winning one first, for telling where a value came from.
    pub(crate) fn definitions(&self, name: &str) -> impl Iterator<Item = (Level, &Var)> {
        self.0.layers.iter().filter_map(move |(level, vars)| Some((*level, vars.get(name)?)))
    }

    /// Whether the host's facts have that name.
    pub(super) fn has_fact(&self, name: &str) -> bool {
        self.0.host_vars.facts.contains_key(name)
    }

    /// The same scope with nothing read yet.
    pub(crate) fn afresh(&self) -> Self {
        self.with(Level::LoopVars, Vars::new())
    }

    /// The text of a template file with where its lines come from.
    pub(crate) fn blame_file(&self, file: &TemplateFile<'_>) -> Result<Blamed, TemplateError> {
        self.0.engine.blame_file(file, &self.afresh())
    }

    /// Every name that is defined, once, in alphabetical order; without the magic ones.
    pub(crate) fn names(&self) -> Vec<String> {
        let layers = self.0.layers.iter().flat_map(|(_, vars)| vars.names());
        let facts = self.0.host_vars.facts.keys().map(String::as_str);
        let mut names: Vec<String> = layers.chain(facts).map(str::to_owned).collect();
        names.sort();
        names.dedup();
        names
    }

    /// Every name that is defined, the magic ones included.
    pub(crate) fn all_names(&self) -> Vec<String> {
        let magic = magic::NAMES.iter().filter(|name| magic::lookup(self, name).is_some());
        let mut names: Vec<String> = magic.map(|name| (*name).to_owned()).chain(self.names()).collect();
        names.sort();
        names.dedup();
        names
    }

    /// A variable for templates: none if there is none of that name.
    fn read(&self, name: &str) -> Option<Result<Value, TemplateError>> {
        let known = self.0.read.lock().unwrap_or_else(PoisonError::into_inner).get(name).cloned();
        if known.is_some() {
            return known;
        }
        if let Some(value) = magic::lookup(self, name) {
            self.keep(name, Ok(value.clone()));
            return Some(Ok(value));
        }
        if self.0.store.hash_behaviour() == HashBehaviour::Merge
            && let Some(data) = self.merged(name)
        {
            let value = self.template(name, &data);
            self.keep(name, value.clone());
            return Some(value);
        }
        let found = self.definition(name);
        let fact = self.0.host_vars.facts.get(name);
        let var = match (found, fact) {
            (Some((level, var)), _) if level > Level::Facts => var,
            (_, Some(fact)) => return Some(Ok(fact.clone())),
            (Some((_, var)), None) => var,
            // The address of a host is its name, unless something says otherwise.
            (None, None) if name == "ansible_host" => return self.host().map(|host| Ok(Value::from(host))),
            (None, None) => return None,
        };
        if let Data::Plain(value) = &var.data {
            return Some(Ok(value.clone()));
        }
        let value = self.template(name, &var.data);
        self.keep(name, value.clone());
        Some(value)
    }

    /// All definitions of a variable as one, the weakest first; what a loop gives stands alone.
    fn merged(&self, name: &str) -> Option<Data> {
        let fact = self.0.host_vars.facts.get(name).map(|fact| (Level::Facts, Data::Plain(fact.clone())));
        let written = self.definitions(name).map(|(level, var)| (level, var.data.clone()));
        let mut all: Vec<(Level, Data)> = written.collect();
        if let Some((Level::LoopVars, data)) = all.first() {
            return Some(data.clone());
        }
        let place = all.partition_point(|(level, _)| *level > Level::Facts);
        all.splice(place..place, fact);
        let behaviour = self.0.store.hash_behaviour();
        all.into_iter().rev().map(|(_, data)| data).reduce(|known, over| behaviour.data(&known, &over))
    }

    /// Keeps what a variable gave. It must not hold the scope, which would then never be freed.
    fn keep(&self, name: &str, value: Result<Value, TemplateError>) {
        self.0.read.lock().unwrap_or_else(PoisonError::into_inner).insert(name.to_owned(), value);
    }

    /// The scope for values that it keeps itself.
    pub(super) fn downgrade(&self) -> WeakScope {
        WeakScope(Arc::downgrade(&self.0))
    }

    fn template(&self, name: &str, data: &Data) -> Result<Value, TemplateError> {
        let identity = Arc::as_ptr(&self.0) as usize;
        let template = || templating(self.host(), name, || lazy::value(data, self));
        reading(identity, name, template).unwrap_or_else(|circle| {
            let names = circle.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(" → ");
            let err = TemplateError::new(FailureKind::Loop, format!("variables need each other: {names}"));
            Err(match data {
                Data::Text(node) => with_node(err, node),
                _ => err,
            })
        })
    }

    /// The text of a vaulted file, which becomes a secret of the run.
    pub(crate) fn open_vault(&self, sealed: &str) -> Result<String, String> {
        self.0.store.unseal(sealed)
    }

    /// The text of an encrypted value, which becomes a secret of the run.
    pub(super) fn unseal(&self, node: &Node) -> Result<Value, TemplateError> {
        let sealed = node.as_str().unwrap_or_default();
        let text = self.0.store.unseal(sealed).map_err(|why| {
            let message = format!("the value cannot be decrypted: {why}");
            with_node(TemplateError::new(FailureKind::Failed, message), node)
        })?;
        Ok(Value::from(text))
    }
}

/// Says in which value of a file a failure was, unless it knows already.
fn with_node(mut err: TemplateError, node: &Node) -> TemplateError {
    if err.node.is_none() && err.file.is_none() && node.tag != Tag::Vault {
        err.node = Some(node.clone());
    }
    if err.text.is_empty() {
        err.text = node.as_str().unwrap_or_default().into();
    }
    err
}

fn not_boolean(node: &Node, message: &str) -> TemplateError {
    with_node(TemplateError::new(FailureKind::NotBoolean, message), node)
}

impl fmt::Debug for ScopeData {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "variables of {}", self.host.as_deref().unwrap_or("no host"))
    }
}

impl fmt::Debug for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Object for ScopeData {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        self.get_value_by_str(key.as_str()?)
    }

    fn get_value_by_str(self: &Arc<Self>, key: &str) -> Option<Value> {
        note_read(self.host.as_deref(), key);
        Some(match Scope(self.clone()).read(key)? {
            Ok(value) => value,
            Err(err) => read_failed(key, &err),
        })
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        let scope = Scope(self.clone());
        let magic = magic::NAMES.iter().copied().filter(|name| {
            // These would make a listing endless or say nothing.
            !matches!(*name, "hostvars" | "vars" | "omit") && magic::lookup(&scope, name).is_some()
        });
        let names = magic.map(str::to_owned).chain(scope.names()).map(Value::from).collect();
        Enumerator::Values(names)
    }
}
