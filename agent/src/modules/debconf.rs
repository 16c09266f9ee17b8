//! `debconf`: the answer to a question that a Debian package asks when it is configured.

use super::{Args, Check, Failure, Module};
use crate::worker::process::Command;
use crate::worker::{Operation, View};
use muster_api::diff::{Change, Diff};
use serde_json::{Map, Value, json};

pub(super) struct Debconf;

impl Module for Debconf {
    fn check(&self, args: &Args<'_>, view: &View<'_>) -> Result<Check, Failure> {
        let package = args.needed("name")?;
        let known = answers(package, view)?;
        let Some(question) = args.text("question") else {
            return Ok(Check::unchanged().with("msg", "").with("current", known));
        };
        let kind = args.needed("vtype")?;
        refuse_mixed_items(args, kind)?;
        let is_list = args.raw("value").is_some_and(Value::is_array);
        let value = value(args, kind);
        if known.get(question).and_then(Value::as_str).is_some_and(|known| same(known, &value, kind, is_list))
        {
            return Ok(Check::unchanged().with("msg", "").with("current", known));
        }
        if kind == "password" && password(package, question, view).is_some_and(|known| known == value) {
            return Ok(Check::unchanged().with("msg", "").with("current", known));
        }
        let before = known.get(question).and_then(Value::as_str).unwrap_or("").to_owned();
        let options: &[&str] = if args.flag("unseen") { &["-u"] } else { &[] };
        let line = format!("{package} {question} {kind} {value}\n");
        let command = Command::new("debconf-set-selections", options).fed(line);
        let shown = |text: &str| if kind == "password" { "***".to_owned() } else { text.to_owned() };
        let change = Change::Attribute {
            attribute: question.to_owned(),
            before: Some(shown(&before)),
            after: Some(shown(&value)),
        };
        let diff = Diff { kind: "debconf".into(), name: package.to_owned(), changes: vec![change] };
        let check = Check::change(diff, vec![Operation::Run { command, brings: Vec::new() }]);
        Ok(check
            .with("msg", "")
            .with("current", json!({question: value}))
            .with("previous", json!({question: before})))
    }
}

/// All answers for a package; passwords are never told by debconf.
fn answers(package: &str, view: &View<'_>) -> Result<Map<String, Value>, Failure> {
    let asked = view.ask("debconf-show", &[package]);
    let asked = asked.map_err(|error| Failure::missing(format!("cannot run `debconf-show`: {error}")))?;
    if !asked.is_fine() {
        return Err(Failure::new(asked.complaint()));
    }
    let answer = |line: &str| {
        let (question, value) = line.split_once(':')?;
        Some((question.trim_matches(['*', ' ']).to_owned(), Value::from(value.trim())))
    };
    Ok(asked.out().lines().filter_map(answer).collect())
}

/// `debconf-get-selections` tells passwords, where the host has it.
fn password(package: &str, question: &str, view: &View<'_>) -> Option<String> {
    let all = view.ask("debconf-get-selections", &[]).ok()?.out();
    all.lines().find_map(|line| {
        let mut fields = line.split('\t');
        let is_it = fields.next() == Some(package) && fields.next() == Some(question);
        (is_it && fields.next() == Some("password")).then(|| fields.next().unwrap_or("").to_owned())
    })
}

/// The answer as debconf writes it.
fn value(args: &Args<'_>, kind: &str) -> String {
    let plain = |value: &Value| match value {
        Value::String(text) => text.clone(),
        Value::Bool(true) => "True".to_owned(),
        Value::Bool(false) => "False".to_owned(),
        other => other.to_string(),
    };
    let text = match args.raw("value") {
        Some(Value::Array(items)) => items.iter().map(plain).collect::<Vec<_>>().join(", "),
        Some(value) => plain(value),
        None => String::new(),
    };
    if kind == "boolean" { text.to_lowercase() } else { text }
}

/// The items of a multiple choice are words: a number among them is a mistake of the playbook.
fn refuse_mixed_items(args: &Args<'_>, kind: &str) -> Result<(), Failure> {
    let items = args.raw("value").and_then(Value::as_array).filter(|_| kind == "multiselect");
    match items.and_then(|items| items.iter().find(|item| !item.is_string())) {
        Some(other) => {
            Err(Failure::new(format!("Invalid value provided for 'multiselect': {other} is no text")))
        }
        None => Ok(()),
    }
}

/// Whether debconf has that answer. The order of a list does not matter; a text is compared as it is.
fn same(known: &str, value: &str, kind: &str, is_list: bool) -> bool {
    let parts = |text: &str| {
        let mut parts: Vec<String> = text.split(',').map(|part| part.trim().to_owned()).collect();
        parts.sort();
        parts
    };
    match kind {
        "multiselect" if is_list => parts(known) == parts(value),
        "boolean" => known.to_lowercase() == value,
        _ => known == value,
    }
}
