//! `locale_gen`: locales that the host has.

use super::placing::{self, Before};
use super::{Args, Check, Failure, Module};
use crate::worker::process::Command;
use crate::worker::{Operation, View};
use serde_json::Map;
use std::path::Path;

pub(super) struct LocaleGen;

const LIST: &str = "/etc/locale.gen";

impl Module for LocaleGen {
    fn check(&self, args: &Args<'_>, view: &View<'_>) -> Result<Check, Failure> {
        if view.program("locale-gen").is_none() {
            return Err(Failure::missing("this host has no `locale-gen`; install package locales first"));
        }
        let is_present = args.text("state") != Some("absent");
        let known = available(view);
        let wanted = args.list("name").unwrap_or_default();
        let is_known = |name: &String| known.contains(&plain(name));
        if wanted.iter().all(|name| is_known(name) == is_present) {
            return Ok(Check::unchanged());
        }
        let before = Before::existing(Path::new(LIST), view)?;
        let text = String::from_utf8_lossy(&before.content).into_owned();
        let mut new = text;
        for name in &wanted {
            new = switched(&new, name, is_present)?;
        }
        let nothing = Map::new();
        let mut check = placing::place(&before, new.into_bytes(), &Args { values: &nothing }, view)?;
        check.report = super::Report::Nothing;
        check.outcome.changed = true;
        let words: &[&str] = if is_present { &[] } else { &["--purge"] };
        check
            .operations
            .push(Operation::Run { command: Command::new("locale-gen", words), brings: Vec::new() });
        Ok(check)
    }
}

/// As `locale -a` prints them: `de_CH.utf8`.
fn plain(name: &str) -> String {
    name.replace(".UTF-8", ".utf8").replace(".ISO-8859-1", ".iso88591").replace(".ISO-8859-15", ".iso885915")
}

fn available(view: &View<'_>) -> Vec<String> {
    let asked = view.ask("locale", &["-a"]).map(|ran| ran.out()).unwrap_or_default();
    asked.lines().map(|line| plain(line.trim())).collect()
}

/// The locale's line as a comment, or not as one.
fn switched(text: &str, name: &str, is_on: bool) -> Result<String, Failure> {
    let mut is_found = false;
    let mut line_of = |line: &str| {
        let bare = line.trim_start_matches(['#', ' ']);
        if bare.split_whitespace().next() != Some(name) || bare.split_whitespace().count() != 2 {
            return format!("{line}\n");
        }
        is_found = true;
        if is_on { format!("{bare}\n") } else { format!("# {bare}\n") }
    };
    let new = text.lines().map(&mut line_of).collect();
    match is_found {
        true => Ok(new),
        false => Err(Failure::new(format!(
            "The following locales you've entered are not available on your system: {name}"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::switched;

    #[test]
    fn line_becomes_a_comment_and_none_again() {
        let text = "# de_CH.UTF-8 UTF-8\n# de_CH ISO-8859-1\n";
        let on = switched(text, "de_CH.UTF-8", true).expect("known");
        assert_eq!(on, "de_CH.UTF-8 UTF-8\n# de_CH ISO-8859-1\n");
        assert_eq!(switched(&on, "de_CH.UTF-8", false).expect("known"), text);
        assert!(switched(text, "xx_YY", true).is_err());
    }
}
