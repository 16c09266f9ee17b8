//! The keywords of a task as they count for one host: rendered with its variables.

use super::identity::{Become, Identity, Method, USUAL_PATIENCE};
use crate::playbook::Task;
use crate::playbook::keyword::Keyword;
use crate::template::{FailureKind, TemplateError, Value, to_json};
use crate::vars::Scope;
use crate::vault::Secret;
use crate::yaml::Node;
use std::collections::BTreeMap;
use std::time::Duration;

/// Result of rendering.
type Rendered<T> = Result<T, TemplateError>;

/// Looks keywords of one task up for one host.
#[derive(Clone, Copy)]
pub(crate) struct Lookup<'a> {
    pub(crate) task: &'a Task,
    pub(crate) scope: &'a Scope,
}

impl Lookup<'_> {
    /// The value, if it is given.
    pub(crate) fn value(&self, keyword: Keyword) -> Rendered<Option<Value>> {
        match self.task.keyword(keyword) {
            Some(node) => self.scope.render_or_omit(&crate::vars::Data::of(node)),
            None => Ok(None),
        }
    }

    /// As text; empty text counts as not given.
    pub(crate) fn text(&self, keyword: Keyword) -> Rendered<Option<String>> {
        let value = self.value(keyword)?.filter(|value| !value.is_none());
        Ok(value.map(|value| crate::template::text_of(&value)).filter(|text| !text.is_empty()))
    }

    /// As a boolean.
    pub(crate) fn truth(&self, keyword: Keyword) -> Rendered<Option<bool>> {
        match self.value(keyword)? {
            Some(value) if !value.is_none() => truth(&value).map(Some),
            _ => Ok(None),
        }
    }

    /// As a whole number.
    pub(crate) fn number(&self, keyword: Keyword) -> Rendered<Option<i64>> {
        Ok(self.value(keyword)?.and_then(|value| number(&value)).map(|number| number as i64))
    }

    /// As seconds.
    pub(crate) fn seconds(&self, keyword: Keyword) -> Rendered<Option<Duration>> {
        let seconds = self.value(keyword)?.and_then(|value| number(&value));
        Ok(seconds.map(|seconds| Duration::from_secs_f64(seconds.clamp(0.0, 1e9))))
    }

    /// Why a task's `timeout` is none, where it is out of the range that a timer has.
    pub(crate) fn timeout_out_of_range(&self) -> Rendered<Option<String>> {
        const MAX: f64 = 100_000_000.0;
        let seconds = self.value(Keyword::Timeout)?.and_then(|value| number(&value));
        let wrong = seconds.filter(|seconds| !(0.0..=MAX).contains(seconds));
        Ok(wrong.map(|seconds| format!("Timeout {seconds} is invalid, it must be between 0 and {MAX}.")))
    }

    /// The texts of a list, or of one text.
    pub(crate) fn texts(&self, keyword: Keyword) -> Rendered<Vec<String>> {
        let mut texts = Vec::new();
        for node in self.task.scope.each(keyword) {
            texts.extend(list_of_texts(&self.scope.render_node(node)?));
        }
        Ok(texts)
    }

    /// All maps of a keyword together, inner ones over outer ones.
    pub(crate) fn environment(&self) -> Rendered<BTreeMap<String, String>> {
        let mut environment = BTreeMap::new();
        for node in self.task.scope.each(Keyword::Environment) {
            match node.as_map() {
                Some(entries) => {
                    for (name, value) in entries.iter() {
                        self.add_to(&mut environment, &name.key_text(), value)?;
                    }
                }
                None => {
                    let value = self.scope.render_or_omit(&crate::vars::Data::of(node))?;
                    let entries = value.map(|value| crate::template::pairs(&value)).unwrap_or_default();
                    let text = |value: &Value| crate::template::text_of(value);
                    environment.extend(entries.iter().map(|(name, value)| (text(name), text(value))));
                }
            }
        }
        Ok(environment)
    }

    fn add_to(&self, environment: &mut BTreeMap<String, String>, name: &str, value: &Node) -> Rendered<()> {
        match self.scope.render_or_omit(&crate::vars::Data::of(value)) {
            Ok(Some(value)) => {
                environment.insert(name.to_owned(), crate::template::text_of(&value));
                Ok(())
            }
            Ok(None) => Ok(()),
            // The environment may be made of the facts that this very task gathers.
            Err(err) if err.is_undefined() && self.task.module.bare() == "setup" => Ok(()),
            Err(err) => Err(err),
        }
    }
}

/// A variable as text; empty text and null count as not given.
pub(crate) fn variable(scope: &Scope, name: &str) -> Rendered<Option<String>> {
    let value = scope.get(name)?.filter(|value| !value.is_none());
    Ok(value.map(|value| crate::template::text_of(&value)).filter(|text| !text.is_empty()))
}

/// The first of several names that is defined.
pub(crate) fn first_variable(scope: &Scope, names: &[&str]) -> Rendered<Option<String>> {
    for name in names {
        if let Some(text) = variable(scope, name)? {
            return Ok(Some(text));
        }
    }
    Ok(None)
}

/// A boolean, or text that Ansible takes for one.
fn truth(value: &Value) -> Rendered<bool> {
    let is_false = |text: &str| {
        matches!(
            text.trim().to_ascii_lowercase().as_str(),
            "n" | "no" | "off" | "0" | "false" | "f" | "0.0" | ""
        )
    };
    match value.as_str() {
        Some(text) if !is_true(value) && !is_false(text) => {
            let why = format!("The value {} could not be converted to 'bool'", crate::template::repr(value));
            Err(TemplateError::new(FailureKind::Failed, why))
        }
        _ => Ok(is_true(value)),
    }
}

/// What Ansible takes for true.
pub(crate) fn is_true(value: &Value) -> bool {
    match value.as_str() {
        Some(text) => {
            matches!(
                text.trim().to_ascii_lowercase().as_str(),
                "y" | "yes" | "on" | "1" | "true" | "t" | "1.0"
            )
        }
        None => value.is_true(),
    }
}

fn number(value: &Value) -> Option<f64> {
    match value.as_str() {
        Some(text) => text.trim().parse().ok(),
        None => to_json(value).as_f64(),
    }
}

/// The items of a list as text; a text is split at commas, as Ansible's lists of names are.
pub(crate) fn list_of_texts(value: &Value) -> Vec<String> {
    match to_json(value) {
        serde_json::Value::Array(items) => items.iter().map(json_text).collect(),
        serde_json::Value::Null => Vec::new(),
        other => vec![json_text(&other)],
    }
}

/// Text as it is, anything else as JSON.
pub(crate) fn json_text(value: &serde_json::Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// What the command line and settings say about becoming someone else.
#[derive(Debug, Clone, Default)]
pub(crate) struct BecomeDefaults {
    pub(crate) on: bool,
    /// Also becomes who is logged in already.
    pub(crate) allows_same_user: bool,
    pub(crate) user: Option<String>,
    pub(crate) method: Option<String>,
    pub(crate) password: Option<Secret>,
}

/// As whom the task runs: variables of the host win over keywords, these over the command line.
pub(crate) fn identity(
    lookup: &Lookup<'_>,
    target: &Scope,
    login: &str,
    defaults: &BecomeDefaults,
) -> Result<Identity, IdentityError> {
    let of_host = target.get("ansible_become").map_err(IdentityError::Template)?;
    let is_on = match of_host {
        Some(value) => is_true(&value),
        None => lookup.truth(Keyword::Become)?.unwrap_or(defaults.on),
    };
    if !is_on {
        return Ok(Identity::Login);
    }
    let method =
        pick(target, &["ansible_become_method"], lookup, Keyword::BecomeMethod)?.or(defaults.method.clone());
    let method = Method::parse(method.as_deref().unwrap_or("sudo")).map_err(IdentityError::Method)?;
    let users: &[&str] = match method {
        Method::Sudo => &["ansible_become_user", "ansible_sudo_user"],
        Method::Su => &["ansible_become_user", "ansible_su_user"],
    };
    let user = pick(target, users, lookup, Keyword::BecomeUser)?.or(defaults.user.clone());
    let user = user.unwrap_or_else(|| "root".into());
    if user == login && !defaults.allows_same_user {
        return Ok(Identity::Login);
    }
    let passwords: &[&str] = match method {
        Method::Sudo => &["ansible_become_password", "ansible_become_pass", "ansible_sudo_pass"],
        Method::Su => &["ansible_become_password", "ansible_become_pass", "ansible_su_pass"],
    };
    let password = first_variable(target, passwords)?.map(Secret::new).or(defaults.password.clone());
    if let Some(password) = &password {
        target.secrets().add(password.expose());
    }
    let exes: &[&str] =
        &["ansible_become_exe", if method == Method::Su { "ansible_su_exe" } else { "ansible_sudo_exe" }];
    let flags: &[&str] = &[
        "ansible_become_flags",
        if method == Method::Su { "ansible_su_flags" } else { "ansible_sudo_flags" },
    ];
    Ok(Identity::Become(Become {
        user,
        method,
        exe: pick(target, exes, lookup, Keyword::BecomeExe)?,
        flags: pick(target, flags, lookup, Keyword::BecomeFlags)?,
        password,
        chdir: first_variable(target, &["ansible_sudo_chdir"])?,
        prompts: su_prompts(target)?,
        patience: patience(target)?,
    }))
}

fn su_prompts(target: &Scope) -> Rendered<Vec<String>> {
    let given = target.get("ansible_su_prompt_l10n")?;
    Ok(given.map(|prompts| list_of_texts(&prompts)).unwrap_or_default())
}

/// As long as a connection may take, and what Ansible adds to that.
fn patience(target: &Scope) -> Rendered<Duration> {
    const MORE: f64 = 2.0;
    let given = first_variable(target, &["ansible_ssh_timeout", "ansible_timeout"])?;
    let seconds = given.and_then(|text| text.parse::<f64>().ok());
    Ok(seconds.map_or(USUAL_PATIENCE, |seconds| Duration::from_secs_f64(seconds.clamp(0.0, 1e6) + MORE)))
}

fn pick(target: &Scope, names: &[&str], lookup: &Lookup<'_>, keyword: Keyword) -> Rendered<Option<String>> {
    match first_variable(target, names)? {
        Some(text) => Ok(Some(text)),
        None => lookup.text(keyword),
    }
}

/// Why it is not known as whom a task runs.
#[derive(Debug)]
pub(crate) enum IdentityError {
    Template(TemplateError),
    Method(String),
}

impl From<TemplateError> for IdentityError {
    fn from(err: TemplateError) -> Self {
        Self::Template(err)
    }
}

/// The conditions of a task, the outermost first: the first that does not hold.
pub(crate) fn first_false<'n>(conditions: &[&'n Node], scope: &Scope) -> Rendered<Option<&'n Node>> {
    for node in conditions {
        if !scope.condition(node)? {
            return Ok(Some(node));
        }
    }
    Ok(None)
}
