//! A play from its mapping.

use super::keyword::{Given, Holder, Keyword, Keywords};
use super::load::Pass;
use super::{Item, Play, Prompt, Scope, ScopeKind, Task, check, module};
use crate::error::Diagnostic;
use crate::suggest;
use crate::yaml::{Mapping, Node};
use std::sync::Arc;

const PROMPT_KEYS: [&str; 9] =
    ["name", "prompt", "default", "private", "confirm", "encrypt", "salt_size", "salt", "unsafe"];

impl Pass<'_> {
    pub(super) fn play(
        &mut self,
        entry: &Node,
        mapping: &Mapping,
        import: Option<&Arc<Scope>>,
    ) -> Option<Play> {
        let (mut keywords, rest) = self.keywords(mapping, Holder::Play);
        let is_task = rest.iter().any(|(key, _)| module::is_known(&key.key_text()));
        for (key, value) in rest {
            self.play_stray(key, value, &mut keywords);
        }
        if is_task && keywords.given(Keyword::Hosts).is_none() {
            return None;
        }
        let vars = play_vars(&keywords, import);
        let hosts = self.hosts(&keywords, entry);
        let scope = self.scope(ScopeKind::Play, keywords, import, entry);
        let pre_tasks = self.section(&scope, Keyword::PreTasks);
        let mut roles = Vec::new();
        for role in scope.keywords.get(Keyword::Roles).iter().flat_map(|roles| roles.one_or_many()) {
            self.role_entry(role, &scope, &mut roles);
        }
        let tasks = self.section(&scope, Keyword::Tasks);
        let post_tasks = self.section(&scope, Keyword::PostTasks);
        let mut handlers = std::mem::take(&mut self.role_handlers);
        handlers.extend(self.handlers(&scope));
        if self.loader.minds_missing_handlers {
            check::notifications(&[&pre_tasks, &tasks, &post_tasks], &roles, &handlers, &mut self.mistakes);
        }
        let vars_prompt = self.prompts(&scope);
        let vars_files =
            scope.keywords.get(Keyword::VarsFiles).map(Node::one_or_many).unwrap_or_default().to_vec();
        let blocks = roles.into_iter().map(Arc::unwrap_or_clone).collect();
        Some(Play {
            hosts: hosts?,
            vars,
            vars_files,
            vars_prompt,
            pre_tasks,
            roles: blocks,
            tasks,
            post_tasks,
            handlers,
            path: entry.span.file().path().to_owned(),
            span: entry.span.clone(),
            scope,
        })
    }

    /// A key that is no keyword of a play: `user` is an old name, a module is a task in the wrong place.
    fn play_stray(&mut self, key: Node, value: Node, keywords: &mut Keywords) {
        let name = key.key_text().into_owned();
        if name == "user" {
            if keywords.given(Keyword::RemoteUser).is_some() {
                let mistake = Diagnostic::error("a play has one user, here are `user` and `remote_user`")
                    .at(&key.span, "an old name of `remote_user`")
                    .known_as("both 'user' and 'remote_user' are set for this play.");
                return self.mistakes.push(mistake);
            }
            keywords.set(Given { keyword: Keyword::RemoteUser, key: key.span.clone(), value });
        } else if module::is_known(&name) {
            let mistake = Diagnostic::error(format!("`{name}` is a module, not a keyword of a play"))
                .at(&key.span, "a task where a play was expected")
                .known_as(format!("'{name}' is not a valid attribute for a Play"))
                .hint("put it below `tasks:` of a play that says `hosts:`");
            self.mistakes.push(mistake);
        } else {
            self.mistakes.push(module::unknown_keyword(&key, Holder::Play));
        }
    }

    fn hosts(&mut self, keywords: &Keywords, entry: &Node) -> Option<Node> {
        let given = keywords.given(Keyword::Hosts);
        let hosts = given.map(|given| &given.value);
        let is_empty = |node: &Node| {
            node.is_null() || node.as_str() == Some("") || node.as_seq().is_some_and(<[_]>::is_empty)
        };
        match hosts {
            Some(hosts) if !is_empty(hosts) => Some(hosts.clone()),
            Some(_) => {
                let span = given.map_or(&entry.span, |given| &given.key);
                self.mistakes.push(
                    Diagnostic::error("`hosts` of a play is empty")
                        .at(span, "expected a host, a group or a pattern")
                        .known_as("Hosts list cannot be empty. Please check your playbook"),
                );
                None
            }
            // A mistake in its value was told already.
            None if entry.get("hosts").is_some() => None,
            None => {
                self.mistakes.push(
                    Diagnostic::error("a play without `hosts`")
                        .at(&entry.span.first_line(), "nothing here says where it runs")
                        .hint("add `hosts: all`, or the name of a host or group"),
                );
                None
            }
        }
    }

    fn section(&mut self, scope: &Arc<Scope>, keyword: Keyword) -> Vec<Item> {
        match scope.keywords.get(keyword).cloned() {
            Some(list) => self.items(&list, scope, Holder::Task),
            None => Vec::new(),
        }
    }

    fn handlers(&mut self, scope: &Arc<Scope>) -> Vec<Arc<Task>> {
        let Some(list) = scope.keywords.get(Keyword::Handlers).cloned() else { return Vec::new() };
        let items = self.items(&list, scope, Holder::Handler);
        items.iter().flat_map(Item::tasks).cloned().collect()
    }

    fn prompts(&mut self, scope: &Scope) -> Vec<Prompt> {
        let entries = scope.keywords.get(Keyword::VarsPrompt).map(Node::one_or_many).unwrap_or_default();
        entries.iter().filter_map(|entry| self.prompt(entry)).collect()
    }

    fn prompt(&mut self, entry: &Node) -> Option<Prompt> {
        let Some(name) = entry.get("name").cloned() else {
            let mistake = Diagnostic::error("a prompt without the `name` of its variable")
                .known_as("Invalid vars_prompt data structure, missing 'name' key");
            self.mistakes.push(mistake.at(&entry.span.first_line(), "expected `name:`"));
            return None;
        };
        for key in entry.as_map().iter().flat_map(|mapping| mapping.keys()) {
            let key_name = key.key_text();
            if !PROMPT_KEYS.contains(&key_name.as_ref()) {
                let mistake =
                    Diagnostic::error(format!("a prompt has no `{key_name}`")).at(&key.span, "not known");
                self.mistakes.push(mistake.maybe_hint(suggest::did_you_mean(&key_name, PROMPT_KEYS)));
            }
        }
        let flag = |key: &str, default: bool| entry.get(key).and_then(Node::truth).unwrap_or(default);
        let value = |key: &str| entry.get(key).filter(|value| !value.is_null()).cloned();
        Some(Prompt {
            name,
            prompt: value("prompt"),
            default: value("default"),
            private: flag("private", true),
            confirm: flag("confirm", false),
            encrypt: value("encrypt"),
            salt_size: value("salt_size"),
            salt: value("salt"),
            is_unsafe: flag("unsafe", false),
        })
    }
}

/// The variables of the play; those of the import that brought it in win.
fn play_vars(keywords: &Keywords, import: Option<&Arc<Scope>>) -> Mapping {
    let own = keywords.get(Keyword::Vars).map(Node::one_or_many).unwrap_or_default();
    let imports: Vec<&Scope> = import.iter().flat_map(|scope| scope.outer()).collect();
    let imported = imports.iter().flat_map(|scope| scope.own_vars());
    let layers = own.iter().filter_map(Node::as_map).chain(imported);
    let entries = layers.flat_map(Mapping::iter).map(|(key, value)| (key.clone(), value.clone()));
    entries.collect()
}
