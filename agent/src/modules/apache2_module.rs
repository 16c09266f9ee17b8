//! `apache2_module`: a module of Apache on Debian, enabled by `a2enmod` or disabled by `a2dismod`.

use super::{Args, Check, Failure, Module};
use crate::worker::process::Command;
use crate::worker::{Operation, View};
use muster_api::diff::{Change, Diff};
use std::path::Path;

pub(super) struct Apache2Module;

const AVAILABLE: &str = "/etc/apache2/mods-available";
const ENABLED: &str = "/etc/apache2/mods-enabled";

impl Module for Apache2Module {
    fn check(&self, args: &Args<'_>, view: &View<'_>) -> Result<Check, Failure> {
        let name = args.needed("name")?;
        let is_wanted = args.text("state") != Some("absent");
        let program = if is_wanted { "a2enmod" } else { "a2dismod" };
        if view.program(program).is_none() {
            let why = format!("this host has no `{program}`: install package apache2 first");
            return Err(Failure::missing(why));
        }
        let file = format!("{name}.load");
        let result = format!("Module {name} {}", if is_wanted { "enabled" } else { "disabled" });
        if view.exists(&Path::new(ENABLED).join(&file)) == is_wanted {
            return Ok(Check::unchanged().with("result", result));
        }
        if is_wanted && !view.exists(&Path::new(AVAILABLE).join(&file)) {
            let why = format!(
                "Apache has no module `{name}`: there is no {AVAILABLE}/{file}; a package may bring it"
            );
            return Err(Failure::missing(why));
        }
        let words = if is_wanted { ("disabled", "enabled") } else { ("enabled", "disabled") };
        let change = Change::Presence { before: words.0.into(), after: words.1.into() };
        let diff = Diff { kind: "Apache module".into(), name: name.to_owned(), changes: vec![change] };
        let command = switch(program, name, args.flag("force"));
        let mut check = Check::change(diff, vec![Operation::Run { command, brings: Vec::new() }]);
        if !is_wanted && args.flag("warn_mpm_absent") && is_last_of_its_kind(name, view) {
            check.outcome.warnings.push(format!("{name} is the last MPM: Apache does not start without one"));
        }
        Ok(check.with("result", result))
    }
}

/// One of the modules that serve requests, of which Apache needs one.
fn is_last_of_its_kind(name: &str, view: &View<'_>) -> bool {
    let enabled = view.list(Path::new(ENABLED)).unwrap_or_default();
    let others = enabled.iter().filter_map(|file| file.to_str()?.strip_suffix(".load"));
    is_mpm(name) && !others.filter(|other| *other != name).any(is_mpm)
}

fn is_mpm(name: &str) -> bool {
    name.starts_with("mpm_")
}

/// `a2dismod` asks before it disables what most sites need, unless it is forced.
fn switch(program: &str, name: &str, is_forced: bool) -> Command {
    let options: &[&str] = if is_forced && program == "a2dismod" { &["-q", "-f"] } else { &["-q"] };
    Command::new(program, options).argument(name)
}

#[cfg(test)]
mod tests {
    use super::switch;

    #[test]
    fn only_disabling_can_be_forced() {
        assert_eq!(switch("a2enmod", "ssl", true).line(), "a2enmod -q ssl");
        assert_eq!(switch("a2dismod", "autoindex", true).line(), "a2dismod -q -f autoindex");
        assert_eq!(switch("a2dismod", "ssl", false).line(), "a2dismod -q ssl");
    }
}
