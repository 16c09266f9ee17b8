//! `hostname`: the host's name, now and for the next start.

use super::{Args, Check, Failure, Module};
use crate::worker::process::Command;
use crate::worker::{Attributes, Operation, Prediction, Put, View};
use muster_api::diff::{Change, Diff};
use serde_json::json;

pub(super) struct Hostname;

const FILE: &str = "/etc/hostname";

impl Module for Hostname {
    fn check(&self, args: &Args<'_>, view: &View<'_>) -> Result<Check, Failure> {
        let name = args.needed("name")?;
        refuse_bad(name)?;
        let kernel = view.text("/proc/sys/kernel/hostname").trim().to_owned();
        let now = view.overlay().hostname().map_or(kernel, str::to_owned);
        let kept =
            view.text(FILE).lines().find(|line| !line.starts_with('#')).unwrap_or("").trim().to_owned();
        let mut check = Check::unchanged();
        let mut changes = Vec::new();
        for (attribute, before) in [("current", &now), ("at the next start", &kept)] {
            if before != name {
                let (before, after) = (Some(before.clone()), Some(name.to_owned()));
                changes.push(Change::Attribute { attribute: attribute.into(), before, after });
            }
        }
        if !changes.is_empty() {
            check = Check::change(
                Diff { kind: "hostname".into(), name: name.to_owned(), changes },
                operations(name, &now, &kept, view),
            );
        }
        let short = name.split('.').next().unwrap_or(name);
        let facts = [
            ("ansible_hostname", short),
            ("ansible_nodename", name),
            ("ansible_fqdn", name),
            ("ansible_domain", name.split_once('.').map_or("", |(_, domain)| domain)),
        ];
        for (fact, value) in facts {
            check.outcome.facts.insert(fact.trim_start_matches("ansible_").to_owned(), json!(value));
        }
        Ok(check.with("name", name))
    }
}

fn operations(name: &str, now: &str, kept: &str, view: &View<'_>) -> Vec<Operation> {
    let mut operations = Vec::new();
    if kept != name {
        operations.push(Operation::Put(Put {
            path: FILE.into(),
            content: format!("{name}\n").into_bytes().into(),
            attributes: Attributes { mode: Some(0o644), ..Attributes::default() },
            validate: None,
            may_write_in_place: true,
        }));
    }
    if now != name {
        let brings = vec![Prediction::Hostname(name.to_owned())];
        let command = match view.program("hostname") {
            Some(_) => Command::new("hostname", &[name]),
            None => Command::new("hostnamectl", &["set-hostname", name]),
        };
        operations.push(Operation::Run { command, brings });
    }
    operations
}

/// Names as of RFC 1123, and no longer than the kernel takes.
fn refuse_bad(name: &str) -> Result<(), Failure> {
    let is_label = |label: &str| {
        !label.is_empty()
            && label.len() <= 63
            && label.chars().all(|letter| letter.is_ascii_alphanumeric() || letter == '-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    if name.len() <= 64 && name.split('.').all(is_label) {
        return Ok(());
    }
    Err(Failure::new(format!(
        "`{name}` cannot be the name of a host: letters, digits, `-` and `.`, 64 at most"
    )))
}

#[cfg(test)]
mod tests {
    use crate::worker::trial::Trial;
    use serde_json::json;

    #[test]
    fn new_name_is_predicted_once_and_a_bad_one_refused() {
        let trial = Trial::new("hostname");
        assert!(trial.plan(json!({"name": "muster-test.example"})).changed);
        assert!(!trial.plan(json!({"name": "muster-test.example"})).changed);
        assert!(trial.refuse(json!({"name": "-bad_"})).contains("`-bad_` cannot be"));
    }
}
