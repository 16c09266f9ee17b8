//! `pamd`: the rules of a PAM service that have a given type, control and module: changed, removed, or with another rule
//! before or after them.

use super::placing::{self, Before};
use super::{Args, Check, Failure, Module, lines};
use crate::worker::View;
use std::fmt;
use std::path::Path;

pub(super) struct Pamd;

impl Module for Pamd {
    fn check(&self, args: &Args<'_>, view: &View<'_>) -> Result<Check, Failure> {
        let path = args.needed_path("path", view)?.join(args.needed("name")?);
        let before = Before::existing_as("PAM service file", &path, view)?;
        let text = lines::text_of(&before.content, &path)?;
        let mut service = Service::of(&text, &path)?;
        let count = service.change(args)?;
        let check = match count {
            0 => Check::unchanged(),
            _ => placing::place(&before, service.to_string().into_bytes(), args, view)?,
        };
        Ok(check.with("change_count", count).with("backupdest", ""))
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Rule {
    kind: String,
    control: String,
    module: String,
    arguments: Vec<String>,
}

#[derive(Debug, Clone)]
enum Line {
    Rule(Rule),
    /// Which is a line like a rule, of another file.
    Include(String),
    /// A comment, or nothing.
    Other(String),
}

struct Service {
    lines: Vec<Line>,
}

impl Service {
    fn of(text: &str, path: &Path) -> Result<Self, Failure> {
        let line = |(number, line): (usize, &str)| match line.trim_start() {
            "" => Ok(Line::Other(line.to_owned())),
            comment if comment.starts_with('#') => Ok(Line::Other(line.to_owned())),
            include if include.starts_with("@include") => Ok(Line::Include(line.to_owned())),
            rule => Rule::of(rule).map(Line::Rule).ok_or_else(|| {
                Failure::new(format!("{}:{}: this is no PAM rule: `{rule}`", path.display(), number + 1))
            }),
        };
        Ok(Self { lines: text.lines().enumerate().map(line).collect::<Result<_, _>>()? })
    }

    /// How many rules it changed.
    fn change(&mut self, args: &Args<'_>) -> Result<usize, Failure> {
        let key = Key::of(args)?;
        match args.text("state") {
            Some("absent") => Ok(self.remove(&key)),
            Some("before") => Ok(self.insert(&key, &new_rule(args)?, Side::Before)),
            Some("after") => Ok(self.insert(&key, &new_rule(args)?, Side::After)),
            Some("args_absent") => {
                let gone = arguments(args).unwrap_or_default();
                Ok(self.each(&key, |rule| rule.arguments.retain(|known| !gone.contains(known))))
            }
            Some("args_present") => {
                let wanted = arguments(args).unwrap_or_default();
                if let Some(complex) = wanted.iter().find(|word| word.starts_with('[')) {
                    return Err(Failure::new(format!(
                        "argument `{complex}` in brackets cannot be added with state=args_present; use state=updated"
                    )));
                }
                Ok(self.each(&key, |rule| wanted.iter().for_each(|word| rule.add_argument(word))))
            }
            _ => self.update(&key, args),
        }
    }

    fn update(&mut self, key: &Key<'_>, args: &Args<'_>) -> Result<usize, Failure> {
        let control = args.text("new_control").map(valid_control).transpose()?;
        let (kind, module) = (args.text("new_type"), args.text("new_module_path"));
        let wanted = arguments(args);
        Ok(self.each(key, |rule| {
            kind.map(str::to_owned).into_iter().for_each(|kind| rule.kind = kind);
            control.clone().into_iter().for_each(|control| rule.control = control);
            module.map(str::to_owned).into_iter().for_each(|module| rule.module = module);
            wanted.clone().into_iter().for_each(|wanted| rule.arguments = wanted);
        }))
    }

    fn each(&mut self, key: &Key<'_>, edit: impl Fn(&mut Rule)) -> usize {
        let mut count = 0;
        for line in &mut self.lines {
            if let Line::Rule(rule) = line
                && key.matches(rule)
            {
                let before = rule.clone();
                edit(rule);
                count += usize::from(*rule != before);
            }
        }
        count
    }

    fn remove(&mut self, key: &Key<'_>) -> usize {
        let before = self.lines.len();
        self.lines.retain(|line| !matches!(line, Line::Rule(rule) if key.matches(rule)));
        before - self.lines.len()
    }

    /// Beside each rule of the key, unless the next one on that side is the new one already.
    fn insert(&mut self, key: &Key<'_>, new: &Rule, side: Side) -> usize {
        let places: Vec<usize> = (0..self.lines.len())
            .filter(|at| matches!(&self.lines[*at], Line::Rule(rule) if key.matches(rule)))
            .filter(|at| !self.neighbour(*at, side).is_some_and(|rule| rule.is_like(new)))
            .collect();
        for at in places.iter().rev() {
            let at = at + usize::from(side == Side::After);
            self.lines.insert(at, Line::Rule(new.clone()));
        }
        places.len()
    }

    /// The next rule on that side: comments do not count, what another file has is not known.
    fn neighbour(&self, at: usize, side: Side) -> Option<&Rule> {
        let is_one = |line: &&Line| !matches!(line, Line::Other(_));
        let next = match side {
            Side::Before => self.lines[..at].iter().rev().find(is_one),
            Side::After => self.lines[at + 1..].iter().find(is_one),
        };
        match next? {
            Line::Rule(rule) => Some(rule),
            _ => None,
        }
    }
}

impl fmt::Display for Service {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for line in &self.lines {
            match line {
                Line::Rule(rule) => writeln!(out, "{rule}")?,
                Line::Include(text) | Line::Other(text) => writeln!(out, "{text}")?,
            }
        }
        Ok(())
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Side {
    Before,
    After,
}

/// What a rule must have to be meant.
struct Key<'a> {
    kind: &'a str,
    control: String,
    module: &'a str,
}

impl<'a> Key<'a> {
    fn of(args: &Args<'a>) -> Result<Self, Failure> {
        let control = tidy(args.needed("control")?);
        Ok(Self { kind: args.needed("type")?, control, module: args.needed("module_path")? })
    }

    fn matches(&self, rule: &Rule) -> bool {
        rule.kind == self.kind && rule.control == self.control && rule.module == self.module
    }
}

impl Rule {
    /// `type control module arguments…`; a control or an argument in brackets has blanks.
    fn of(line: &str) -> Option<Self> {
        let mut words = words(line).into_iter();
        let kind = words.next().filter(|kind| TYPES.contains(&kind.trim_start_matches('-')))?;
        let control = tidy(&words.next()?);
        Some(Self { kind, control, module: words.next()?, arguments: words.collect() })
    }

    fn is_like(&self, other: &Self) -> bool {
        (&self.kind, &self.control, &self.module) == (&other.kind, &other.control, &other.module)
    }

    /// `key=value` takes the place of another value of the key.
    fn add_argument(&mut self, word: &str) {
        let same = |known: &String| match word.split_once('=') {
            Some((key, _)) => known.split_once('=').is_some_and(|(known, _)| known == key),
            None => known == word,
        };
        match self.arguments.iter_mut().find(|known| same(known)) {
            Some(known) => word.clone_into(known),
            None => self.arguments.push(word.to_owned()),
        }
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{:<11}{} {}", self.kind, self.control, self.module)?;
        self.arguments.iter().try_for_each(|argument| write!(out, " {argument}"))
    }
}

const TYPES: &[&str] = &["account", "auth", "password", "session"];
const CONTROLS: &[&str] =
    &["required", "requisite", "sufficient", "optional", "include", "substack", "definitive"];

fn new_rule(args: &Args<'_>) -> Result<Rule, Failure> {
    Ok(Rule {
        kind: args.needed("new_type")?.to_owned(),
        control: valid_control(args.needed("new_control")?)?,
        module: args.needed("new_module_path")?.to_owned(),
        arguments: arguments(args).unwrap_or_default(),
    })
}

/// A word that PAM knows, or pairs in brackets.
fn valid_control(control: &str) -> Result<String, Failure> {
    let tidied = tidy(control);
    let pairs = tidied.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    let is_valid = match pairs {
        Some(pairs) => !pairs.is_empty() && pairs.split_whitespace().all(|pair| pair.contains('=')),
        None => CONTROLS.contains(&tidied.as_str()),
    };
    match is_valid {
        true => Ok(tidied),
        false => Err(Failure::new(format!(
            "control `{control}` is not one of {} nor pairs in brackets, such as [success=1 default=ignore]",
            CONTROLS.join(", ")
        ))),
    }
}

/// Without blanks around `=`, one between pairs.
fn tidy(control: &str) -> String {
    match control.strip_prefix('[') {
        None => control.to_owned(),
        Some(rest) => {
            let rest = rest.replace([']', '['], "");
            let pairs = rest.replace(" =", "=").replace("= ", "=");
            format!("[{}]", pairs.split_whitespace().collect::<Vec<_>>().join(" "))
        }
    }
}

/// What `module_arguments` says; `None` where the task does not speak of them.
fn arguments(args: &Args<'_>) -> Option<Vec<String>> {
    Some(args.list("module_arguments")?.iter().flat_map(|text| words(text)).collect())
}

/// Split at blanks that are not in brackets.
fn words(text: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    let mut rest = text.trim();
    while !rest.is_empty() {
        let end = match rest.starts_with('[') {
            true => rest.find(']').map_or(rest.len(), |at| at + 1),
            false => rest.find(char::is_whitespace).unwrap_or(rest.len()),
        };
        words.push(rest[..end].to_owned());
        rest = rest[end..].trim_start();
    }
    words
}

#[cfg(test)]
mod tests {
    use crate::worker::trial::Trial;
    use serde_json::{Value, json};

    const SSHD: &str = "# sshd\n@include common-auth\naccount    required pam_nologin.so\n\
        session [success=ok ignore = ignore]  pam_selinux.so close\n\
        session    optional pam_motd.so noupdate\nsession    optional pam_motd.so motd=/run/motd.dynamic\n";

    fn rule(trial: &Trial, control: &str, module: &str, more: Value) -> Value {
        let path = trial.write("sshd", SSHD);
        let folder = path.parent().map(|folder| folder.to_string_lossy().into_owned());
        let mut args = json!({
            "path": folder, "name": "sshd", "type": "session", "control": control, "module_path": module,
        });
        if let (Some(args), Value::Object(more)) = (args.as_object_mut(), more) {
            args.extend(more);
        }
        args
    }

    /// The file after a change that is silent the second time, and how many rules it concerned.
    fn changed(control: &str, module: &str, more: Value) -> (String, Value) {
        let trial = Trial::new("pamd");
        let args = rule(&trial, control, module, more);
        let outcome = trial.changes_once(args);
        (trial.text("sshd"), outcome.result["change_count"].clone())
    }

    #[test]
    fn every_rule_of_the_key_is_removed() {
        let (new, count) = changed("optional", "pam_motd.so", json!({"state": "absent"}));
        assert_eq!(count, json!(2));
        assert!(!new.contains("pam_motd"), "{new}");
        assert!(
            new.starts_with("# sshd\n@include common-auth\naccount    required pam_nologin.so\n"),
            "{new}"
        );
    }

    #[test]
    fn rule_in_brackets_is_found_and_gets_arguments() {
        let control = "[success=ok ignore=ignore]";
        let (new, _) = changed(
            control,
            "pam_selinux.so",
            json!({"state": "args_present", "module_arguments": "close env=x"}),
        );
        assert!(
            new.contains("\nsession    [success=ok ignore=ignore] pam_selinux.so close env=x\n"),
            "{new}"
        );
        let (new, _) = changed(
            control,
            "pam_selinux.so",
            json!({"state": "args_absent", "module_arguments": ["close"]}),
        );
        assert!(new.contains("\nsession    [success=ok ignore=ignore] pam_selinux.so\n"), "{new}");
    }

    #[test]
    fn value_of_an_argument_is_replaced() {
        let (new, count) = changed(
            "optional",
            "pam_motd.so",
            json!({"state": "args_present", "module_arguments": ["motd=/etc/motd"]}),
        );
        assert_eq!(count, json!(2));
        assert!(new.ends_with(
            "pam_motd.so noupdate motd=/etc/motd\nsession    optional pam_motd.so motd=/etc/motd\n"
        ));
    }

    #[test]
    fn new_rule_is_put_before_or_after_once() {
        let new = json!({"new_type": "session", "new_control": "required", "new_module_path": "pam_env.so"});
        let with = |state: &str| {
            let mut new = new.clone();
            new["state"] = json!(state);
            changed("[success=ok ignore=ignore]", "pam_selinux.so", new).0
        };
        assert!(
            with("before").contains("pam_nologin.so\nsession    required pam_env.so\nsession    [success")
        );
        assert!(
            with("after")
                .contains("close\nsession    required pam_env.so\nsession    optional pam_motd.so noupd")
        );
    }

    #[test]
    fn rule_that_matches_nothing_changes_nothing_and_a_wrong_control_is_refused() {
        let trial = Trial::new("pamd");
        let args = rule(&trial, "required", "pam_motd.so", json!({"state": "absent"}));
        trial.is_silent(args);
        let args = rule(&trial, "optional", "pam_motd.so", json!({"new_control": "perhaps"}));
        assert!(trial.refuse(args).contains("`perhaps`"));
    }
}
